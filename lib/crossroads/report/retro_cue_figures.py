"""Figures of the retro-cue paper (Piwek, Stokes & Summerfield 2023).

Each function draws arrays that the chapter has computed. It returns the figure and the numbers drawn, one row
a mark; the first column has the panel's title or y-axis, `figures.groups` explains the columns group, item,
value, low and high. Arrays have one row a network; "pre-cue" and "post-cue" are the ends of the two delays.
Every estimate is a mean with its 95 % bootstrap interval over the networks, or a circular mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from mpl_toolkits.mplot3d import Axes3D
from scipy import stats

from crossroads.analyse.circular import circular_mean_deg
from crossroads.analyse.mixture import Mixture, VonMises
from crossroads.analyse.planes import Planes, Rotation
from crossroads.analyse.retro_cue import Geometry
from crossroads.data.retro_cue import Timing
from crossroads.report import figures
from crossroads.report.planes import draw_planes, polar_angles
from crossroads.report.schematics import draw_network

Drawn = tuple[Figure, pd.DataFrame]

PRE, POST = {"color": "#D55E00", "marker": "o"}, {"color": "#0173B2", "marker": "s"}
OTHER, CROSS = {"color": "#777777", "marker": "D"}, {"color": "#029E73", "marker": "^"}
DELAYS = {"pre-cue": PRE, "post-cue": POST}
INDEX, AFTER = "alignment index, 2-D", "post-cue alignment, 2-D"
AREA = "log colour discriminability"
# A validity is a magnitude, so its colours are a scale.
VALIDITIES = [
    {"color": color, "marker": marker}
    for color, marker in zip(sns.color_palette("viridis", 4).as_hex()[:3], "o^s", strict=True)
]
AREAS = (
    "pre-cue", "cued", "uncued",
    "probed,\nvalid", "probed,\ninvalid", "other,\nvalid", "other,\ninvalid",
)  # fmt: skip


def draw_task(inputs: np.ndarray, n_hidden: int) -> Drawn:
    """Draw Fig. 1B, C: what a network sees in one trial, and the network.

    inputs : (n_cycles, 36) activity of the input units, 1 at their peak; returned with one column a unit.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.8), width_ratios=[1, 1.4])
    figures.letter((left, right), "BC")
    picture = left.imshow(inputs.T, aspect="auto", vmin=0, vmax=1, interpolation="nearest")
    left.set(xlabel="cycle", ylabel="input unit", xticks=range(0, len(inputs), 5))
    left.set_yticks([0.5, 10, 27], ["cue", "location 1", "location 2"], rotation=90, va="center")
    fig.colorbar(picture, ax=left, label="activity (peak = 1)", ticks=[0, 0.5, 1])
    colours = [f"17 colour units,\nlocation {location}" for location in (1, 2)]
    draw_network(right, ["2 cue lines", *colours], f"{n_hidden} ReLU\nunits", "17 report\nunits")
    return fig, pd.DataFrame(inputs).add_prefix("unit_").rename_axis("cycle").reset_index()


def draw_errors(
    networks_deg: np.ndarray, fit: VonMises, monkeys_deg: np.ndarray, monkey_fit: Mixture
) -> Drawn:
    """Draw Fig. 1D, E: densities of report errors (n_subjects, n_trials) [deg] with the fitted ones."""
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.6), sharex=True, sharey=True)
    figures.letter(axes, "DE")
    angles = np.linspace(-np.pi, np.pi, 361)
    guesses = (1 - monkey_fit.p_target) / (2 * np.pi)
    mixed = monkey_fit.p_target * stats.vonmises.pdf(angles, monkey_fit.k) + guesses
    numbers = {}
    for ax, name, errors, look, density, model in (
        (
            axes[0],
            "networks",
            networks_deg,
            CROSS,
            stats.vonmises.pdf(angles, fit.k, fit.mean),
            "von Mises fit",
        ),
        (axes[1], "simulated reports", monkeys_deg, OTHER, mixed, "mixture fit"),
    ):
        numbers[name] = figures.error_density(ax, errors, **look, label=name)
        ax.plot(np.degrees(angles), np.radians(density), "k--", lw=1, label=model)
        figures.legend(ax)
    axes[1].tick_params(labelleft=True)
    return fig, figures.stack(numbers, "group")


def draw_colour_planes(recorded: Mapping[str, Planes], networks: Planes, models: Sequence[int]) -> Drawn:
    """Draw Fig. 2A, B: the planes of the cued colours before and after the cue.

    recorded : of the prefrontal recording, by epoch ("pre-cue", "post-cue"); an epoch may be missing.
    networks : of all networks, (n, 2 delays); models : the two that are drawn.
    """
    fig, axes = plt.subplots(2, 3, figsize=(figures.WIDTH, 5.4), subplot_kw={"projection": "3d"})
    fig.set_layout_engine("constrained", rect=(0, 0.02, 1, 0.95), hspace=0.05)
    numbers = {}
    for row, (epoch, words) in enumerate((("pre-cue", "before the cue"), ("post-cue", "after the cue"))):
        panels = {"LPFC": _one(recorded[epoch]) if epoch in recorded else None}
        panels |= {f"network {model}": _one(networks, model, row) for model in models}
        for ax, letter, (name, view) in zip(axes[row], "ABB", panels.items(), strict=True):
            numbers[f"{name}, {epoch}"] = _planes_panel(ax, letter, f"{name}, {words}", view)
    _legend_below(axes[1, 1])
    return fig, figures.stack(numbers, "panel")


def draw_geometry(seen: Geometry, rng: np.random.Generator) -> Drawn:
    """Draw Fig. 2C-G: angle, phase, explained variance and alignment of cued planes (n, 2 delays)."""
    fig, polar, axes = figures.two_rows(3, [1, 1, 1])
    numbers = _angles_row(polar, seen, "CDE")
    figures.letter(axes, ["F", "G", ""])
    names = ("variance in 3 PCs (share)", INDEX, "alignment index, 3-D")
    for ax, values, name in zip(axes, (seen.pve, seen.ai2, seen.ai3), names, strict=True):
        numbers[name] = paired(ax, dict(zip(DELAYS, values.T, strict=True)), (PRE, POST), rng)
        ax.set(ylabel=name, ylim=(0, 1.1))
    return fig, figures.stack(numbers, "panel")


def draw_rotation(turn: Rotation, rng: np.random.Generator) -> Drawn:
    """Draw Fig. 2 (after panel G) and S1D: how far each plane (n, 2: unrotated, rotated) leaves its place."""
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.6))
    figures.letter(axes)
    numbers = {}
    for ax, values, name, top in (
        (axes[0], turn.theta_deg, "|θ|, before to after the cue (°)", 180),
        (axes[1], turn.alignment_2d, INDEX, 1.1),
        (axes[2], turn.alignment_3d, "alignment index, 3-D", 1.1),
    ):
        numbers[name] = paired(ax, {"unrotated": values[:, 0], "rotated": values[:, 1]}, (OTHER, CROSS), rng)
        ax.set(ylabel=name, ylim=(0, top))
    axes[0].set_yticks(range(0, 181, 45))
    return fig, figures.stack(numbers, "panel")


def draw_uncued_planes(recorded: Planes | None, uncued: Planes, crossed: Planes, model: int) -> Drawn:
    """Draw Fig. 3A, B, F: planes after the cue.

    recorded : of the uncued colours in the prefrontal recording, or None.
    uncued : of the uncued colours, (n, 2 delays); crossed : of cued and uncued ones, (2 cued locations, n,
        2 delays); model : the network that is drawn.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.9), subplot_kw={"projection": "3d"})
    panels = {
        "LPFC, uncued": _one(recorded) if recorded else None,
        f"network {model}, uncued": _one(uncued, model, 1),
        f"network {model}, both": _one(crossed, 0, model, 1),
    }
    names = (None, None, ("cued", "uncued"))
    numbers = {
        name: _planes_panel(ax, letter, name, view, rows)
        for ax, letter, (name, view), rows in zip(axes, "ABF", panels.items(), names, strict=True)
    }
    _legend_below(axes[1])
    _legend_below(axes[2])
    return fig, figures.stack(numbers, "panel")


def draw_uncued(
    seen: Geometry,
    other: Geometry,
    cross_deg: np.ndarray,
    cross_ai: np.ndarray,
    log_area: Mapping[str, np.ndarray],
    z: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> Drawn:
    """Draw Fig. 3C, D, G, H and S1C: the item that is not cued.

    seen, other : geometry of cued and of uncued colours, (n, 2 delays).
    cross_deg, cross_ai : (n,) |angle| [deg] and alignment between cued and uncued planes after the cue.
    log_area, z : (n,) log area of the colours' quadrilateral and decoding as a z-score, of "pre-cue", "cued"
        and "uncued" colours.
    """
    fig, polar, axes = figures.two_rows(3, [1.3, 1, 1])
    figures.letter([*polar, *axes], ["C", "", "G", "D, G", "H", "S1C"])
    angles = (
        ("θ, uncued", other.planes.theta_signed_deg[:, 1], OTHER, False),
        ("ψ, uncued", other.planes.psi_deg[:, 1], OTHER, True),
        ("|θ|, cued and uncued", cross_deg, CROSS, True),
    )
    numbers = {}
    for ax, (name, values, look, signed) in zip(polar, angles, strict=True):
        numbers[name] = polar_angles(ax, values, look, signed=signed)
        ax.set_title(name)
    alignment = {
        "cued": seen.ai2[:, 1],
        "uncued\npre-cue": other.ai2[:, 0],
        "uncued\npost-cue": other.ai2[:, 1],
        "cued and\nuncued": cross_ai,
    }
    numbers[INDEX] = figures.groups(axes[0], alignment, (POST, PRE, OTHER, CROSS), rng)
    axes[0].set(ylabel=INDEX, ylim=(0, 1.1))
    for ax, name, groups in (
        (axes[1], AREA, log_area),
        (axes[2], "decoding (z-score)", z),
    ):
        numbers[name] = figures.groups(ax, groups, (PRE, POST, OTHER), rng)
        ax.set_ylabel(name)
    return fig, figures.stack(numbers, "panel")


def draw_learning(
    loss: np.ndarray,
    levels: Mapping[str, float],
    stops: Mapping[str, int],
    cue_weights: np.ndarray,
    stages: Mapping[str, Geometry],
    epochs: np.ndarray,
    rng: np.random.Generator,
) -> Drawn:
    """Draw Fig. 4: how a network learns.

    loss : (n_epochs,) of one network; levels : losses to compare it with; stops : epochs to mark, from 1 on,
        not marked where not positive.
    cue_weights : (n_hidden, 2) weights of the two cue lines in one network.
    stages : geometry (n, 2 delays) of all networks at stages of learning, "trained" the last.
    epochs : (n,) to the criterion.
    """
    fig, axes = plt.subplot_mosaic("AAAABB;CCDDEE", figsize=(figures.WIDTH, 5))
    figures.letter(axes.values(), ["A", "B", "C", "", "D"])
    loss_ax, weights_ax, angle_ax, index_ax, speed_ax = axes.values()
    loss_ax.plot(np.arange(1, 1 + len(loss)), loss, color="black", lw=1)
    for (name, level), line in zip(levels.items(), (":", "--", "-."), strict=True):
        loss_ax.axhline(level, color=OTHER["color"], ls=line, lw=1, label=f"{name}, {level:.4f}")
    for (name, epoch), marker in zip(stops.items(), "osD", strict=True):
        if epoch > 0:
            loss_ax.plot(epoch, loss[epoch - 1], marker, color=CROSS["color"], label=name)
    loss_ax.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    figures.legend(loss_ax, ncols=3)
    weights_ax.plot(*cue_weights.T, "o", ms=3, color="0.3", alpha=0.6, mew=0)
    reach = 1.1 * np.abs(cue_weights).max()
    weights_ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    weights_ax.set(xlabel="weight from cue 1", ylabel="weight from cue 2")
    theta = {name: found.planes.theta_deg for name, found in stages.items()}
    numbers = {"loss": pd.DataFrame({"epoch": np.arange(1, 1 + len(loss)), "value": loss})}
    numbers["weight from cue 2"] = pd.DataFrame({"cue_1": cue_weights[:, 0], "value": cue_weights[:, 1]})
    numbers["|θ| (°)"] = pre_post(angle_ax, theta, rng, statistic=circular_mean_deg)
    numbers[INDEX] = pre_post(index_ax, {name: found.ai2 for name, found in stages.items()}, rng)
    angle_ax.set(ylabel="|θ| (°)", ylim=(0, 180), yticks=range(0, 181, 45))
    index_ax.set(ylabel=INDEX, ylim=(0, 1.1))
    figures.legend(angle_ax)
    aligned = stages["trained"].ai2[:, 1]
    speed_ax.plot(epochs, aligned, POST["marker"], color=POST["color"], ms=4)
    speed_ax.set(xlabel="epochs to criterion", ylabel=AFTER, ylim=(0, 1.1))
    numbers[AFTER] = pd.DataFrame({"epochs": epochs, "value": aligned})
    return fig, figures.stack(numbers, "panel")


def draw_delays(ai2: np.ndarray, timings: Sequence[Timing], rng: np.random.Generator) -> Drawn:
    """Draw Fig. 5: alignment (n, n_timings, 2 delays) of networks trained with the cue at different times."""
    fig, (trials, index) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.8), width_ratios=[1, 1.4])
    figures.letter((trials, index))
    delays = [timing.post_cue for timing in timings]
    parts = (
        ("first delay", [1] * len(timings), [t.pre_cue for t in timings], {"color": PRE["color"]}),
        ("cue", [t.cue_step for t in timings], [1] * len(timings), {"color": "black"}),
        ("second delay", [t.cue_step + 1 for t in timings], delays, {"color": POST["color"], "hatch": "///"}),
    )
    drawn = {}
    for name, start, length, look in parts:
        trials.barh(
            range(len(timings)), length, left=start, height=0.6, edgecolor="white", label=name, **look
        )
        drawn[name] = pd.DataFrame({"group": delays, "start": start, "value": length})
    trials.set(xlabel="cycle", ylabel="post-cue delay (cycles)", xlim=(0, None), xticks=range(0, 17, 4))
    trials.set_yticks(range(len(delays)), delays)
    figures.legend(trials, ncols=3, handlelength=1)
    by_delay = {str(delay): ai2[:, i] for i, delay in enumerate(delays)}
    numbers = {
        "post-cue delay (cycles)": figures.stack(drawn, "series"),
        INDEX: pre_post(index, by_delay, rng, at=delays),
    }
    index.set(xlabel="post-cue delay (cycles)", ylabel=INDEX, ylim=(0, 1.1))
    figures.legend(index)
    return fig, figures.stack(numbers, "panel")


def draw_stability(
    matrices: Mapping[str, np.ndarray], off_diagonal: Mapping[str, np.ndarray], drawn: Sequence[str]
) -> Drawn:
    """Draw Fig. 6A, B: decoders trained at one cycle and tested at another.

    matrices : (n, T, T) accuracies, training by test cycle, of each kind of network; the means of the kinds
        in `drawn` are shown.
    off_diagonal : (n,) mean accuracies at unequal cycles of one delay, of the kinds in the boxes.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.6), width_ratios=[1, 1, 1.2])
    figures.letter(axes, ["A", "", "B"])
    numbers = {}
    for ax, kind in zip(axes, drawn, strict=False):
        mean = matrices[kind].mean(0)
        picture = ax.imshow(mean, vmin=0, vmax=1, origin="lower")
        ax.set(xlabel="test cycle", ylabel="training cycle", title=kind)
        train, test = np.indices(mean.shape)
        columns = {"training_cycle": train.ravel(), "test_cycle": test.ravel()}
        numbers[f"accuracy, {kind}"] = pd.DataFrame(columns | {"value": mean.ravel()})
    fig.colorbar(picture, ax=axes[:2], label="accuracy", shrink=0.8)
    boxes = axes[2]
    boxes.boxplot(list(off_diagonal.values()), widths=0.5, medianprops={"color": "black"}, showfliers=False)
    for x, values in enumerate(off_diagonal.values(), start=1):
        boxes.plot(np.full(len(values), x), values, "o", color="0.3", ms=4, alpha=0.6, mew=0)
    boxes.axhline(0.5, color=OTHER["color"], ls=":", label="chance")
    boxes.set_xticks(range(1, 1 + len(off_diagonal)), [kind.replace(", ", ",\n") for kind in off_diagonal])
    boxes.set(ylabel="off-diagonal accuracy", ylim=(0.4, 1))
    figures.legend(boxes)
    items = [(kind, str(i), v) for kind, values in off_diagonal.items() for i, v in enumerate(values)]
    numbers["off-diagonal accuracy"] = pd.DataFrame(items, columns=["group", "item", "value"])
    return fig, figures.stack(numbers, "panel")


def draw_variable(
    variable: Geometry, errors_deg: Mapping[str, Mapping[str, np.ndarray]], rng: np.random.Generator
) -> Drawn:
    """Draw Fig. 6C-E and S3A: networks trained on variable delays.

    variable : geometry of their cued planes, (n, 2 delays).
    errors_deg : mean |error| (n,) [deg] of two kinds of network at each length of both delays.
    """
    fig, polar, axes = figures.two_rows(3, [1, 1, 1.4])
    numbers = _angles_row(polar, variable, ["C", "", "D"])
    figures.letter(axes, ["E", "", "S3A"])
    for ax, values, name in (
        (axes[0], variable.pve, "variance in 3 PCs (share)"),
        (axes[1], variable.ai2, INDEX),
    ):
        numbers[name] = paired(ax, dict(zip(DELAYS, values.T, strict=True)), (PRE, POST), rng)
        ax.set(ylabel=name, ylim=(0, 1.1))
    name = "mean |error| (°)"
    numbers[name] = figures.series(axes[2], errors_deg, (OTHER, CROSS), rng)
    axes[2].set(xlabel="both delays at test (cycles)", ylabel=name, ylim=(0, None))
    figures.legend(axes[2])
    return fig, figures.stack(numbers, "panel")


def draw_validity(
    errors_deg: Mapping[tuple[float, bool], np.ndarray],
    mixtures: Mapping[tuple[float, bool], pd.DataFrame],
    rng: np.random.Generator,
) -> Drawn:
    """Draw Fig. 7B, C: reports after right and wrong cues, for the validities given (two).

    errors_deg, mixtures : by validity and whether trials were valid: (n, n_reports) [deg]; one row a network,
        columns k, p_target and p_non_target. Intervals hold 68 %, as in the paper.
    """
    fig, panels = plt.subplot_mosaic("AAABBB;CCDDEE", figsize=(figures.WIDTH, 4.8))
    *densities, k_ax, target_ax, other_ax = panels.values()
    figures.letter(panels.values(), ["B", "", "C", "", ""])
    looks = dict(zip(dict.fromkeys(v for v, _ in errors_deg), VALIDITIES[1:], strict=True))
    numbers = {}
    densities[1].sharey(densities[0])
    for ax, (validity, look) in zip(densities, looks.items(), strict=True):
        for valid, line, name in ((True, "-", "valid"), (False, "--", "invalid")):
            marks = look | {
                "marker": look["marker"] if valid else "X",
                "color": look["color"] if valid else "black",
            }
            label = f"{validity:g}, {name} cues"
            numbers[label] = figures.error_density(
                ax, errors_deg[validity, valid], **marks, line=line, label=label
            )
        figures.legend(ax)
    columns = {"k": "concentration K", "p_target": "p target", "p_non_target": "p non-target"}
    for ax, (column, name) in zip((k_ax, target_ax, other_ax), columns.items(), strict=True):
        found = {
            f"validity {v:g}": {
                trials: mixtures[v, valid][column].to_numpy()
                for trials, valid in (("valid", True), ("invalid", False))
            }
            for v in looks
        }
        numbers[name] = figures.series(ax, found, list(looks.values()), rng, level=0.68)
        ax.set_ylabel(name)
    k_ax.set_ylim(0, None)
    figures.legend(target_ax)
    return fig, figures.stack(numbers, "panel")


def draw_validity_geometry(
    geometries: Mapping[float, Geometry],
    areas: Mapping[float, np.ndarray],
    epochs: Mapping[float, np.ndarray],
    rng: np.random.Generator,
) -> Drawn:
    """Draw Fig. 8: geometry under probabilistic cues, each argument by validity (three).

    geometries : of the cued colours at the end of the three delays, (n, 3).
    areas : (7, n) colour discriminability, as `analyse.retro_cue.probed_discriminability` orders it.
    epochs : (n,) to the criterion.
    """
    fig, polar, axes = figures.two_rows(4, [2, 1], heights=(2.2, 2.6))
    figures.letter([*polar, *axes], ["A", "", "", "", "B", "C"])
    names = [f"validity {validity:g}" for validity in geometries]
    numbers = {}
    for ax, title, delay in zip(
        polar, ("θ, pre-cue", "θ, post-cue", "θ, post-probe", "ψ, post-cue"), (0, 1, 2, 1), strict=True
    ):
        drawn = {}
        for name, found, look, radius in zip(
            names, geometries.values(), VALIDITIES, (1, 0.8, 0.6), strict=True
        ):
            angles = found.planes.psi_deg if title[0] == "ψ" else found.planes.theta_signed_deg
            drawn[name] = polar_angles(ax, angles[:, delay], look, radius=radius, signed=title[0] == "ψ")
        numbers[title] = figures.stack(drawn, "series")
        ax.set_title(title)
    by_validity = {
        name: dict(zip(AREAS, np.log(area), strict=True))
        for name, area in zip(names, areas.values(), strict=True)
    }
    numbers[AREA] = figures.series(axes[0], by_validity, VALIDITIES, rng)
    axes[0].set_ylabel(AREA)
    handles, labels = axes[0].get_legend_handles_labels()
    polar[0].figure.legend(handles, labels, loc="outside upper center", ncols=3)
    speed = {}
    for name, found, look, taken in zip(names, geometries.values(), VALIDITIES, epochs.values(), strict=True):
        axes[1].plot(taken, found.ai2[:, 1], look["marker"], color=look["color"], ms=5)
        speed[name] = pd.DataFrame({"epochs": taken, "value": found.ai2[:, 1]})
    numbers[AFTER] = figures.stack(speed, "series")
    axes[1].set(xlabel="epochs to criterion", ylabel=AFTER, ylim=(0, 1.1))
    return fig, figures.stack(numbers, "panel")


def pre_post(
    ax: Axes,
    values: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    at: Sequence[float] | None = None,
    statistic: Callable[..., float] = np.mean,
) -> pd.DataFrame:
    """Draw groups before and after the cue, side by side; values (n, 2 delays) by the group's name."""
    halves = {delay: {group: v[:, i] for group, v in values.items()} for i, delay in enumerate(DELAYS)}
    return figures.series(ax, halves, (PRE, POST), rng, at=at, statistic=statistic)


def paired(
    ax: Axes, values: Mapping[str, np.ndarray], looks: Sequence[figures.Look], rng: np.random.Generator
) -> pd.DataFrame:
    """Draw two groups (n,) of the same networks, each network's two values joined by a line."""
    ax.plot([0, 1], list(values.values()), color="0.8", lw=0.8, zorder=0)
    ax.set_xlim(-0.4, 1.5)
    return figures.groups(ax, values, looks, rng)


def _angles_row(
    polar: Sequence[PolarAxes], found: Geometry, letters: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Three polar panels: the angle before and after the cue, the phase after it."""
    figures.letter(polar, letters)
    theta, psi = found.planes.theta_signed_deg, found.planes.psi_deg
    panels = {
        "θ, pre-cue": (theta[:, 0], PRE),
        "θ, post-cue": (theta[:, 1], POST),
        "ψ, post-cue": (psi[:, 1], POST),
    }
    numbers = {}
    for ax, (name, (values, look)) in zip(polar, panels.items(), strict=True):
        numbers[name] = polar_angles(ax, values, look, signed=name[0] == "ψ")
        ax.set_title(name)
    return numbers


def _one(fitted: Planes, *index: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and explained variance of one of many planes."""
    return fitted.coordinates[index], fitted.explained[index]


def _planes_panel(
    ax: Axes3D,
    letter: str,
    title: str,
    view: tuple[np.ndarray, np.ndarray] | None,
    names: tuple[str, str] | None = None,
) -> pd.DataFrame:
    figures.letter([ax], [letter])
    ax.set_title(title)
    if view is None:
        ax.set_axis_off()
        ax.text2D(0.5, 0.5, "not recorded", ha="center", transform=ax.transAxes)
        return pd.DataFrame()
    return draw_planes(ax, *view, names)


def _legend_below(ax: Axes3D) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)
