"""Figures 1 and 2 of the place-code paper (Hazon et al. 2022): place cells, and what is decoded from them.

Each function draws sessions or results that the chapter has computed. It returns the figure and the numbers
drawn, one row a mark; the first column has the panel's letter. Real data are blue circles and solid lines,
shuffled data red squares and dashed lines, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, Rectangle

from crossroads.analyse.frame_decoding import FrameDecoding
from crossroads.analyse.hippocampus import CENTRE, ENDS, fits, mean_squared_error, squared_errors
from crossroads.data.linear_track import FRAMES_PER_S, N_BINS, TRACK_CM, Runs, Session
from crossroads.data.units import Result
from crossroads.report import figures

Drawn = tuple[Figure, pd.DataFrame]

REAL: dict[str, Any] = {"color": "#0173B2", "marker": "o", "ls": "-"}
SHUFFLED: dict[str, Any] = {"color": "#D55E00", "marker": "s", "ls": "--"}
KINDS = {"real": REAL, "shuffled": SHUFFLED}
DIRECTIONS: dict[str, dict[str, Any]] = {
    "rightward": {"color": "#029E73", "marker": "o", "ls": "-"},
    "leftward": {"color": "#DE8F05", "marker": "s", "ls": "--"},
}
BIN_CM = TRACK_CM / N_BINS
BINS_CM = BIN_CM * (np.arange(N_BINS) + 0.5)
IN_95 = 1.96  # standard errors to the end of a 95 % interval
ABSTRACT_CM, REFERENCE_CM = 10, 5  # the bound of the abstract, and the reference line of the published script


def draw_task(session: Session, runs: Runs, cell: int) -> Drawn:
    """Draw Fig. 1A, B: the task (our drawing), and the events of one cell in rightward runs."""
    fig, (task, example) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.7), width_ratios=[1.3, 1])
    figures.letter((task, example))
    _draw_track(task)
    frames = np.concatenate([np.arange(*run) for run in runs.frames[runs.rightward]])
    active = frames[session.events[frames, cell] > 0]
    dots = pd.DataFrame({"x": session.position_cm[active], "value": session.events[active, cell]})
    example.plot(dots.x, dots.value, ".", ms=3, color="0.6", mew=0, label="active frame", rasterized=True)
    visits = runs.activity[runs.rightward, :, cell]
    mean = draw_means(example, BINS_CM, visits, DIRECTIONS["rightward"], sems=1, label="mean by bin")
    example.set(xlabel="position (cm)", ylabel="calcium events (a.u.)", xlim=(0, TRACK_CM), ylim=(0, None))
    example.set_xticks(range(0, 121, 30))
    figures.legend(example)
    return fig, figures.stack({"frame": dots, "mean": mean}, "series").assign(panel="B")


def draw_fields(runs: Runs, shapes: Sequence[Result]) -> Drawn:
    """Draw Fig. 1C, D: place-field maps, and noise correlations by the distance of two fields.

    runs : of one session. shapes : results of `measure_geometry`, one a session.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.9), width_ratios=[1, 1, 1.7])
    figures.letter(axes, ["C", "", "D"])
    numbers = {}
    for ax, name, side in zip(axes, DIRECTIONS, (runs.rightward, ~runs.rightward), strict=False):
        mean = runs.activity[side].mean(0).T
        order = np.argsort(mean.argmax(1), kind="stable")
        peak = mean.max(1, keepdims=True)
        scaled = np.divide(mean, peak, out=np.zeros_like(mean), where=peak > 0)[order]
        extent = (0, TRACK_CM, len(mean), 0)
        picture = ax.imshow(scaled, aspect="auto", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        ax.set(title=name, xlabel="position (cm)", xticks=[0, 60, 120])
        bins = [f"bin_{b}" for b in range(1, N_BINS + 1)]
        numbers[f"C, {name}"] = pd.DataFrame(scaled, columns=bins).assign(cell=order)
    axes[0].set_ylabel("cell, in the order of the peaks")
    axes[1].sharey(axes[0])
    axes[1].tick_params(labelleft=False)
    fig.colorbar(picture, ax=axes[:2], label="activity (peak = 1)", ticks=[0, 0.5, 1])
    distance = BIN_CM * np.arange(N_BINS)
    for i, (name, look) in enumerate(DIRECTIONS.items()):
        real, shuffled = ([s[key][i] for s in shapes] for key in ("correlation", "correlation_shuffled"))
        numbers[f"D, {name}"] = draw_means(axes[2], distance, real, look, label=name)
        mixed = look | {"ls": ":", "mfc": "white"}
        label = "shuffled" if name == "leftward" else ""  # one entry in the legend, for both directions
        numbers[f"D, {name}, shuffled"] = draw_means(axes[2], distance, shuffled, mixed, label=label)
    axes[2].set(xlabel="distance of the fields (cm)", ylabel="noise correlation", xticks=range(0, 121, 30))
    legend_above(fig, axes[2], loc="outside upper right")
    return fig, figures.stack(numbers, "panel")


def draw_frames(
    session: Session, runs: Runs, decoded: FrameDecoding, start_s: float, n_runs: int = 4
) -> Drawn:
    """Draw Fig. 2A, B: the frames that are analysed, and the place decoded in each frame of a few test runs.

    start_s : of the 79 s of panel A; decoded : of the rightward runs.
    """
    fig, (track, bins) = plt.subplots(2, 1, figsize=(figures.WIDTH, 4.2))
    figures.letter((track, bins))
    shown = np.arange(int(start_s * FRAMES_PER_S), int((start_s + 79) * FRAMES_PER_S))
    analysed = np.isin(shown, np.concatenate([np.arange(*run) for run in runs.frames]))
    numbers = {}
    for name, frames, marks in (
        ("excluded frame", shown[~analysed], "x"),
        ("analysed frame", shown[analysed], "."),
    ):
        x = frames / FRAMES_PER_S - start_s
        color = "0.65" if marks == "x" else "black"
        track.plot(x, session.position_cm[frames], marks, ms=3, color=color, label=name)
        numbers[f"A, {name}"] = pd.DataFrame({"x": x, "value": session.position_cm[frames]})
    track.set(xlabel="time (s)", ylabel="position (cm)", xlim=(0, 79), ylim=(-6, 126), yticks=[0, 60, 120])
    of_runs = np.isin(decoded.run, np.unique(decoded.run)[:n_runs])
    run = decoded.run[of_runs]
    new = np.diff(run, prepend=run[0]) > 0
    time_s = (np.arange(len(run)) + 10 * np.cumsum(new)) / FRAMES_PER_S  # half a second between runs
    looks: dict[str, dict[str, Any]] = {
        "true": {"color": "black", "ls": "-"},
        "real": REAL | {"ls": "", "ms": 3},
        "shuffled": SHUFFLED | {"ls": "", "ms": 4, "mfc": "none", "mew": 0.7},
    }
    for name, look in looks.items():
        values = getattr(decoded, name)[of_runs] + 1
        with_gaps = np.insert(np.array([time_s, values]), np.flatnonzero(new), np.nan, axis=1)
        bins.plot(*with_gaps, **look, label=name)
        numbers[f"B, {name}"] = pd.DataFrame({"run": run, "x": time_s, "value": values})
    bins.set(xlabel="time in rightward test runs (s)", ylabel="bin (6 cm each)", yticks=[1, 5, 10, 15, 20])
    for ax in (track, bins):
        figures.legend(ax, ncols=3)
    return fig, figures.stack(numbers, "panel")


def draw_errors(decoded: Sequence[Result]) -> Drawn:
    """Draw Fig. 2C, D: confusion of bins in the first session, and error by bin over all sessions; all cells.

    decoded : results of `decode_session`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.9), width_ratios=[1, 1, 1.35])
    figures.letter(axes, ["C", "", "D"])
    numbers = {}
    shares = {name: _confusion(decoded[0], i) for i, name in enumerate(KINDS)}
    top = max(share.max() for share in shares.values())
    for ax, (name, share) in zip(axes, shares.items(), strict=False):
        picture = ax.imshow(share, origin="lower", aspect="auto", vmin=0, vmax=top, interpolation="nearest")
        ax.axhline(N_BINS - 0.5, color="white", lw=1)
        ax.axvline(N_BINS - 0.5, color="white", lw=1)
        ticks = np.array([0, 9, N_BINS, N_BINS + 9])
        ax.set(title=name, xlabel="true bin, right | left", xticks=ticks, yticks=ticks)
        ax.set_xticklabels(ticks % N_BINS + 1)
        ax.set_yticklabels(ticks % N_BINS + 1)
        rows, columns = np.indices(share.shape).reshape(2, -1)
        numbers[f"C, {name}"] = pd.DataFrame({"true": columns, "decoded": rows, "value": share.ravel()})
    axes[0].set_ylabel("decoded bin, right | left")
    axes[1].sharey(axes[0])
    axes[1].tick_params(labelleft=False)
    fig.colorbar(picture, ax=axes[:2], label="share of the visits (%)")
    for i, (name, look) in enumerate(KINDS.items()):
        errors = [squared_errors(d["predicted"][-1, :, i], bool(d["circular"])).mean((0, 1)) for d in decoded]
        numbers[f"D, {name}"] = draw_means(
            axes[2], np.arange(1, N_BINS + 1), np.sqrt(errors), look, label=name
        )
    axes[2].set(xlabel="bin (6 cm each)", ylabel="RMS error (cm)", ylim=(0, None), xticks=[1, 5, 10, 15, 20])
    figures.legend(axes[2])
    return fig, figures.stack(numbers, "panel")


def draw_curves(decoded: Mapping[str, Result]) -> Drawn:
    """Draw Fig. 2E, F: error and its inverse square against the number of cells, with the paper's curve.

    decoded : results of `decode_session`, by the name of the session; one column each, three at most.
    """
    fig, grid = plt.subplots(
        2, len(decoded), figsize=(figures.WIDTH, 4.6), sharex=True, sharey="row", squeeze=False
    )
    figures.letter(grid[:, 0], "EF")
    numbers = {}
    for column, (session, found) in zip(grid.T, decoded.items(), strict=True):
        mse, n = mean_squared_error(found), np.linspace(found["sizes"][0], found["sizes"][-1], 200)
        for i, ((name, look), fit) in enumerate(zip(KINDS.items(), fits(found), strict=False)):
            dots = look | {"ls": ""}
            of_kind = mse[..., i].T
            for ax, letter, values, curve in (
                (column[0], "E", np.sqrt(of_kind), fit.curve(n) ** -0.5),
                (column[1], "F", 1 / of_kind, fit.curve(n)),
            ):
                drawn = draw_means(ax, found["sizes"], values, dots, sems=1, label=name)
                ax.plot(n, curve, color=look["color"], ls=look["ls"], lw=1.2)
                fitted = pd.DataFrame({"x": n, "value": curve})
                numbers[f"{letter}, {session}, {name}"] = drawn
                numbers[f"{letter}, {session}, {name}, fit"] = fitted
        for level, line, name in (
            (ABSTRACT_CM, "--", "10 cm: the abstract's bound"),
            (REFERENCE_CM, ":", "5 cm: the paper's reference line"),
            (float(found["floor"]), "-.", "planted floor"),
        ):
            if np.isfinite(level):
                column[0].axhline(level, color="black" if line == "--" else "0.45", ls=line, lw=1, label=name)
        column[0].set_title(session)
        column[1].set_xlabel("number of cells")
    grid[0, 0].set(yscale="log", ylim=(2, 60), ylabel="RMS error (cm)")
    grid[0, 0].set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    grid[0, 0].set_yticks([], minor=True)
    grid[1, 0].set(ylim=(0, None), xlim=(0, None), ylabel="1/MSE (cm⁻²)")
    legend_above(fig, grid[0, 0])
    return fig, figures.stack(numbers, "panel")


def draw_places(decoded: Result) -> Drawn:
    """Draw Fig. 2G, H: 1/MSE of one session at the ends of the track, and at its centre."""
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.5), sharey=True)
    figures.letter(axes, "GH")
    numbers = {}
    for ax, letter, place, bins in zip(axes, "GH", ("ends", "centre"), (ENDS, CENTRE), strict=True):
        for i, (name, look) in enumerate(KINDS.items()):
            values = 1 / mean_squared_error(decoded, bins)[..., i].T
            numbers[f"{letter}, {name}"] = draw_means(ax, decoded["sizes"], values, look, label=name)
        ax.set(xlabel="number of cells", ylabel=f"1/MSE at the {place} (cm⁻²)", xlim=(0, None))
    axes[0].set_ylim(0, None)
    axes[1].tick_params(labelleft=True)
    figures.legend(axes[1])
    return fig, figures.stack(numbers, "panel")


def draw_means(
    ax: Axes,
    x: np.ndarray,
    values: Iterable[np.ndarray],
    look: Mapping[str, Any],
    *,
    sems: float = IN_95,
    label: str = "",
) -> pd.DataFrame:
    """Draw the mean of items (n_items, n) at x with `sems` standard errors over the items.

    Items may be of unequal length; NaN are left out. Returns the numbers drawn.
    """
    table = as_table(values)
    mean, error = table.mean(), sems * table.sem()
    ax.errorbar(x, mean, error, **look, ms=3.5, lw=1.2, capsize=2, label=label)
    return pd.DataFrame(
        {"x": x, "value": mean, "low": mean - error, "high": mean + error, "n": table.count()}
    )


def as_table(items: Iterable[np.ndarray]) -> pd.DataFrame:
    """One row an item; shorter ones end in NaN, which pandas leaves out of its averages."""
    return pd.DataFrame(zip_longest(*items, fillvalue=np.nan)).T


def legend_above(fig: Figure, *axes: Axes, loc: Any = "outside upper center") -> None:
    """One legend for these axes above the figure: what has error bars first, then lines and areas."""
    entries: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        order = np.argsort([not isinstance(handle, ErrorbarContainer) for handle in handles], kind="stable")
        entries |= {labels[i]: handles[i] for i in order}
    fig.legend(list(entries.values()), list(entries), loc=loc, ncols=4)


def _confusion(decoded: Result, kind: int) -> np.ndarray:
    """Share [%] (40 decoded, 40 true) of the visits to each bin and direction, rightward first; all cells."""
    predicted = decoded["predicted"][-1, :, kind].astype(int)
    true = np.broadcast_to(N_BINS * ~decoded["rightward"][:, None] + np.arange(N_BINS), predicted.shape)
    counts = np.zeros((2 * N_BINS, 2 * N_BINS))
    np.add.at(counts, (N_BINS * (predicted % 2) + predicted // 2, true), 1)
    return 100 * counts / counts.sum(0)


def _draw_track(ax: Axes) -> None:
    """A mouse with a miniscope on a track, and what the miniscope sees."""
    ax.set_axis_off()
    ax.set(xlim=(-8, 128), ylim=(-22, 66), aspect="equal")
    ax.add_patch(Rectangle((0, 0), TRACK_CM, 3, fc="0.8", ec="0.35"))
    for x in (0, TRACK_CM):
        ax.add_patch(Circle((x, 8), 2, fc="#56B4E9", ec="0.35"))
    ax.text(0, 12, "water", ha="center", fontsize=8)
    ax.text(TRACK_CM, 12, "water", ha="center", fontsize=8)
    for part in (Ellipse((66, 10), 24, 13), Ellipse((80, 12), 11, 8), Circle((78, 17), 2.5)):
        part.set(fc="0.6", ec="0.35")
        ax.add_patch(part)
    ax.add_patch(Rectangle((73, 19), 8, 12, fc="white", ec="0.35"))
    ax.plot([54, 47, 42], [8, 11, 6], color="0.35", lw=1.5)
    ax.text(83, 26, "miniscope", va="center", fontsize=8)
    view, rng = Circle((25, 45), 19, fc="black", ec="0.35"), np.random.default_rng(3)
    ax.add_patch(view)
    for x in (8.5, 36.5):
        ax.plot([77, x if x > 30 else 25], [31, 30 if x > 30 else 64], color="0.35", lw=0.6, zorder=0)
    radius, angle = 16.5 * np.sqrt(rng.random(45)), rng.uniform(0, 2 * np.pi, 45)
    ax.scatter(
        25 + radius * np.cos(angle), 45 + radius * np.sin(angle), s=12,
        c=rng.choice(["0.35", "#029E73", "#B5E655"], 45, p=[0.6, 0.25, 0.15]),
    )  # fmt: skip
    ax.text(48, 56, "hundreds of cells\nof CA1", va="center", fontsize=8)
    for y, start, stop, name in ((-8, 2, 118, "rightward"), (-17, 118, 2, "leftward")):
        look = DIRECTIONS[name]
        arrow = {"arrowstyle": "-|>", "color": look["color"], "ls": look["ls"], "lw": 1.5}
        ax.annotate("", (stop, y), (start, y), arrowprops=arrow)
        ax.text(
            60, y, name, ha="center", va="center", fontsize=8, bbox={"fc": "white", "ec": "none", "pad": 1}
        )
