"""Figures of brain states: how many there are, how they follow each other, and what controls show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from crossroads.report.figures import WIDTH, groups, legend, letter, stack

_COLORS = sns.color_palette("colorblind")
_COLORS = [_COLORS[i] for i in (0, 1, 2, 3, 4, 5, 9, 7)]
STATE_LOOKS = [
    {"color": plt.matplotlib.colors.to_hex(_COLORS[i % len(_COLORS)]), "marker": "osD^vP*X"[(i + i // 8) % 8]}
    for i in range(24)
]
CURVES = {  # entropies: column, label, look
    "person": ("people, held out (E₁)", {"color": _COLORS[0], "marker": "o", "ls": "-"}),
    "group": ("group, held out (E₂)", {"color": _COLORS[1], "marker": "s", "ls": "-"}),
    "chain": ("chain, fitted (E₃)", {"color": _COLORS[2], "marker": "^", "ls": "--"}),
    "rate": ("rate, held out (E₄)", {"color": _COLORS[3], "marker": "D", "ls": "-"}),
}
RULES = {"half gain": ":", "maximum": "-.", "one standard error": (0, (1, 4))}
STEPS = (
    ("A", "signals,\nhidden Markov\nmodel"),
    ("B", "number of\nstates by\nentropy"),
    ("C", "chain of\nstates"),
    ("D", "a graph\nfor each\nstate"),
    ("E", "communities\nin each\ngraph"),
    ("F", "ranking\nby a walk"),
    ("G", "functional\ndecoding"),
)


def draw_pipeline() -> tuple[Figure, pd.DataFrame]:
    """The steps from signals to ranked communities, each with a small picture."""
    fig, axes = plt.subplots(1, len(STEPS), figsize=(WIDTH, 1.9))
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 80)
    block = np.kron(np.eye(3), np.ones((3, 3))) * 0.7 + 0.2 * rng.random((9, 9))
    pictures = [
        lambda ax: ax.plot(
            t, np.cumsum(rng.normal(size=(80, 4)), 0) * 0.08 + np.arange(4), lw=0.8, color="0.3"
        ),
        lambda ax: ax.plot([1, 2, 3, 4, 5, 6], [0, 0.65, 1, 1.05, 1.06, 1.06], "o-", ms=3, color="0.3"),
        lambda ax: ax.imshow([[0.9, 0.07, 0.03], [0.1, 0.85, 0.05], [0.02, 0.08, 0.9]], cmap="mako_r"),
        lambda ax: ax.imshow(block[rng.permutation(9)][:, rng.permutation(9)], cmap="mako_r"),
        lambda ax: ax.imshow(block, cmap="mako_r"),
        lambda ax: ax.barh(range(4), [1, 2, 3, 4], color="0.5"),
        lambda ax: ax.barh(range(4), [3, 1, 2, 0.6], color=_COLORS[:4]),
    ]
    for i, (ax, draw, (name, text)) in enumerate(zip(axes, pictures, STEPS, strict=True)):
        draw(ax)
        ax.set(xticks=[], yticks=[], box_aspect=1)
        ax.set_xlabel(text, fontsize=8)
        sns.despine(ax=ax, left=True, bottom=True)
        if i:
            ax.annotate(
                "", (-0.06, 0.5), (-0.34, 0.5), xycoords="axes fraction",
                arrowprops={"arrowstyle": "-|>", "color": "0.35"}, annotation_clip=False,
            )  # fmt: skip
        letter([ax], name)
    return fig, pd.DataFrame(STEPS, columns=["panel", "step"]).replace("\n", " ", regex=True)


def draw_person(
    series: np.ndarray, tr_s: float, probability: np.ndarray, states: np.ndarray | None, n_seconds: float
) -> tuple[Figure, pd.DataFrame]:
    """Signals (T, N) of one person above the probabilities (T, K) of states, and the planted ones."""
    n = min(len(series), int(n_seconds / tr_s))
    time = np.arange(n) * tr_s
    fig, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 3.6), sharex=True)
    picture = above.imshow(
        series[:n].T, aspect="auto", cmap="vlag", vmin=-2.5, vmax=2.5, interpolation="none",
        extent=(0, n * tr_s, series.shape[1] + 0.5, 0.5),
    )  # fmt: skip
    fig.colorbar(picture, ax=above, label="signal (SD)", pad=0.01)
    above.set(ylabel="region")
    looks = STATE_LOOKS[: probability.shape[1]]
    below.stackplot(time, probability[:n].T, colors=[look["color"] for look in looks], lw=0)
    below.set(
        xlabel="time (s)", ylabel="probability", ylim=(0 if states is None else -0.22, 1), yticks=[0, 0.5, 1]
    )
    if states is not None:
        ends = np.flatnonzero(np.append(np.diff(states[:n]) != 0, True))
        for begin, end in zip(np.append(0, ends[:-1] + 1), ends + 1, strict=True):
            state = states[begin]
            below.add_patch(
                plt.Rectangle(
                    (begin * tr_s, -0.2), (end - begin) * tr_s, 0.14, color=looks[state]["color"], lw=0
                )
            )
            if (end - begin) * tr_s > 0.02 * n * tr_s:
                below.text(
                    (begin + end) / 2 * tr_s,
                    -0.13,
                    str(state + 1),
                    ha="center",
                    va="center_baseline",
                    fontsize=8,
                )
    letter([above, below])
    table = pd.DataFrame(probability[:n], columns=[f"state_{k + 1}" for k in range(probability.shape[1])])
    table.insert(0, "time_s", time)
    return fig, table if states is None else table.assign(planted=states[:n] + 1)


def draw_selection(
    table: pd.DataFrame, chosen: Mapping[str, int], planted: Mapping[str, float] | None = None
) -> tuple[Figure, pd.DataFrame]:
    """What speaks for each number of states of one group, see `brain_state_study.selection_table`."""
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.0))
    entropies, fit, restarts, largest = axes.ravel()
    drawn = {}
    for column, (label, look) in CURVES.items():
        drawn[column] = _curve(entropies, table, column, label, look)
    for ax in axes.ravel():
        for rule, style in RULES.items():
            label = f"chosen: {rule}" if ax is entropies else ""
            ax.axvline(chosen[rule], color="0.35", ls=style, lw=1.2, label=label, zorder=0)
        if planted:
            label = "planted" if ax is entropies else ""
            ax.axvline(planted["n_states"], color="0.8", lw=5, label=label, zorder=-1)
        ax.set(xlabel="number of states", xticks=sorted(set(table.n_states)))
    if planted:
        for value, (_, look) in ((planted["entropy"], CURVES["person"]), (planted["rate"], CURVES["rate"])):
            entropies.axhline(value, color=look["color"], ls=(0, (5, 3)), lw=1)
    entropies.set(ylabel="entropy (nats)")
    likely = {"color": _COLORS[0], "marker": "o", "ls": "-"}
    free = {"color": _COLORS[1], "marker": "s", "ls": "--"}
    drawn["likelihood"] = _curve(fit, table, "likelihood", "log-likelihood, held out", likely)
    drawn["minus_energy"] = _curve(
        fit, table.assign(minus_energy=-table.energy), "minus_energy", "−free energy", free
    )
    fit.set(ylabel="nats a volume")
    drawn["agreement"] = _curve(restarts, table, "agreement", "", likely)
    restarts.set(ylabel="agreement of starts", ylim=(0, 1.05))
    drawn["largest"] = _curve(largest, table, "largest", "", likely)
    largest.set(ylabel="largest occupancy", ylim=(0, 1.05))
    handles, labels = entropies.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8)
    fit.legend(loc="lower right")
    letter(axes.ravel())
    return fig, stack(drawn, "curve")


def draw_controls(tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Entropy of people held out, and the gain of likelihood over one state, in several conditions."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.1))
    drawn = {}
    for i, (name, table) in enumerate(tables.items()):
        look = {**STATE_LOOKS[i], "ls": ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))[i % 5]}
        drawn[name] = _curve(left, table, "person", name, look)
        _curve(right, _gain(table), "gain", name, look)
    ks = np.array(sorted(set(table.n_states)))
    left.plot(ks, np.log(ks), color="0.6", ls=(0, (5, 3)), lw=1, label="ceiling, ln K")
    left.set(xlabel="number of states", ylabel="entropy of people held out (nats)", xticks=ks)
    right.axhline(0, color="0.7", lw=0.8, zorder=0)
    right.set(
        xlabel="number of states",
        ylabel="log-likelihood, held out,\nabove one state (nats a volume)",
        xticks=ks,
    )
    fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    letter([left, right])
    return fig, stack(drawn, "condition")


def draw_surrogates(data: pd.DataFrame, surrogates: Sequence[pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Selection curves of recordings against the band of their surrogates."""
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.7))
    labels = {
        "person": "entropy of people\nheld out (nats)",
        "rate": "entropy rate (nats)",
        "gain": "log-likelihood, held out,\nabove one state (nats)",
    }
    look = {"color": _COLORS[0], "marker": "o", "ls": "-"}
    drawn = {}
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        curve = _curve(ax, _gain(data), column, "recordings", look)
        bands = np.array([_gain(one).groupby("n_states")[column].mean() for one in surrogates])
        ks = curve.n_states
        ax.fill_between(ks, bands.min(0), bands.max(0), color="0.75", label="surrogates", lw=0)
        ax.plot(ks, bands.mean(0), color="0.4", ls="--", lw=1)
        ax.set(xlabel="number of states", ylabel=label, xticks=ks)
        drawn[column] = curve.assign(low=bands.min(0), mean_surrogate=bands.mean(0), high=bands.max(0))
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8)
    letter(axes)
    return fig, stack(drawn, "curve")


def draw_states(
    transition: np.ndarray,
    stationary: np.ndarray,
    occupancy: np.ndarray,
    dwell_s: np.ndarray,
    runs_s: Sequence[np.ndarray],
    switching_hz: np.ndarray,
) -> tuple[Figure, pd.DataFrame]:
    """The chain: transitions (K, K), occupancy (S, K), durations (K,) and runs [s], switching rates (S,)."""
    names = [str(k + 1) for k in range(len(transition))]
    fig = plt.figure(figsize=(WIDTH, 4.8))
    rows: Any = fig.subfigures(2, 1)
    matrix, chain, shares = rows[0].subplots(1, 3, width_ratios=(1.25, 1, 1.4))
    stays, switches = rows[1].subplots(1, 2, width_ratios=(3, 1))
    away = np.where(np.eye(len(names), dtype=bool), np.nan, transition)
    picture = matrix.imshow(away, cmap="mako_r", vmin=0)
    rows[0].colorbar(picture, ax=matrix, label="probability a volume", location="top", shrink=0.9)
    matrix.set(xlabel="to state", ylabel="from state")
    matrix.set_xticks(range(len(names)), names)
    matrix.set_yticks(range(len(names)), names)
    _chain_graph(chain, transition, stationary)
    rng = np.random.default_rng(0)
    looks = STATE_LOOKS[: len(names)]
    occupied = groups(shares, dict(zip(names, occupancy.T, strict=True)), looks, rng)
    shares.set(xlabel="state", ylabel="share of a person's time", ylim=(0, None))
    durations = []
    for i, (look, expected, runs) in enumerate(zip(looks, dwell_s, runs_s, strict=True)):
        mean, error = runs.mean(), runs.std() / np.sqrt(len(runs))
        stays.plot(i + 0.85, expected, look["marker"], ms=7, mfc="none", color=look["color"])
        stays.errorbar(i + 1.15, mean, error, fmt=look["marker"], ms=5, color=look["color"], capsize=2)
        durations.append((names[i], stationary[i], expected, mean, error, len(runs)))
    stays.set(xlabel="state", ylabel="duration (s)", xticks=range(1, len(names) + 1), ylim=(0, None))
    switched = groups(switches, {"people": switching_hz}, {"color": "0.35", "marker": "o"}, rng)
    switches.set(ylabel="switches a second (Hz)", xlim=(-0.5, 0.7), ylim=(0, None))
    letter([matrix, chain, shares, stays, switches])
    columns = ["state", "stationary", "duration_s", "run_s", "run_sem_s", "n_runs"]
    of_states = pd.DataFrame(durations, columns=columns)
    for i, name in enumerate(names):
        of_states[f"to_{name}"] = transition[:, i]
    return fig, stack({"states": of_states, "occupancy": occupied, "switching_hz": switched}, "panel")


def draw_baselines(
    table: pd.DataFrame, planted_hz: float, rng: np.random.Generator
) -> tuple[Figure, pd.DataFrame]:
    """Accuracy and switching rate by method: columns method, group, accuracy, switching_hz."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    methods = list(dict.fromkeys(table.method))
    looks = [STATE_LOOKS[i] for i in range(len(methods))]
    drawn = {}
    for ax, column, label in zip(
        axes, ("accuracy", "switching_hz"), ("share of volumes told", "switches a second (Hz)"), strict=True
    ):
        values = {fill(m, 11): table[table.method == m][column].to_numpy() for m in methods}
        drawn[column] = groups(ax, values, looks, rng)
        ax.set(ylabel=label, ylim=(0, None))
    axes[1].axhline(planted_hz, color="0.4", ls="--", lw=1)
    letter(axes)
    return fig, stack(drawn, "measure")


def draw_sedation(
    people: pd.DataFrame, layers: pd.DataFrame, rng: np.random.Generator
) -> tuple[Figure, pd.DataFrame]:
    """Entropies of people (condition, entropy_rate, person_entropy), NMI of groups (condition, nmi)."""
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.8))
    names = list(dict.fromkeys(people.condition))
    looks = [STATE_LOOKS[i] for i in range(len(names))]
    drawn = {}
    for ax, source, column, label in (
        (axes[0], people, "entropy_rate", "entropy rate (nats a volume)"),
        (axes[1], people, "person_entropy", "entropy of occupancy (nats)"),
        (axes[2], layers, "nmi", "information shared by layers"),
    ):
        values = {n.replace(" ", "\n"): source[source.condition == n][column].to_numpy() for n in names}
        drawn[column] = groups(ax, values, looks, rng)
        ax.set(ylabel=label, ylim=(0, None))
    letter(axes)
    return fig, stack(drawn, "measure")


def draw_limit(table: pd.DataFrame, planted_s: float) -> tuple[Figure, pd.DataFrame]:
    """Distance of the walk's mass from its limit by the states' duration: dwell_s, rule, distance."""
    fig, ax = plt.subplots(figsize=(WIDTH * 0.62, 2.8))
    for i, (rule, one) in enumerate(table.groupby("rule", sort=False)):
        look = STATE_LOOKS[i]
        ax.plot(
            one.dwell_s, one.distance, ("-", "--")[i % 2], color=look["color"], marker=look["marker"], ms=5
        )
        ax.lines[-1].set_label(str(rule))
    ax.axvline(planted_s, color="0.8", lw=5, zorder=-1, label="planted duration")
    ax.set(
        xscale="log", yscale="log", xlabel="mean duration of states (s)", ylabel="total variation distance"
    )
    legend(ax, ncols=3)
    return fig, table


def draw_staying(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Share of a community's mass that is in it some volumes later: horizon, layer, persistence."""
    fig, ax = plt.subplots(figsize=(WIDTH * 0.62, 2.8))
    for (layer, _), one in table.groupby(["layer", "community"]):
        look = STATE_LOOKS[layer]
        label = "" if layer in {line.get_gid() for line in ax.lines} else f"state {layer + 1}"
        (line,) = ax.plot(one.horizon, one.persistence, "-", color=look["color"], marker=look["marker"], ms=4)
        line.set(gid=layer, label=label, alpha=0.8)
    ax.set(xscale="log", xlabel="volumes later", ylabel="share in the community", ylim=(0, 1))
    legend(ax, ncols=4)
    return fig, table


def _curve(ax: Axes, table: pd.DataFrame, column: str, label: str, look: Mapping[str, Any]) -> pd.DataFrame:
    """Mean and standard error over folds, and groups where there are several, by number of states."""
    grouped = table.groupby("n_states")[column]
    mean, error = grouped.mean(), grouped.sem(ddof=1).fillna(0)
    ax.errorbar(mean.index, mean, error, label=label, ms=4, capsize=2, **look)
    return pd.DataFrame({"n_states": mean.index, "mean": mean.to_numpy(), "sem": error.to_numpy()})


def _gain(table: pd.DataFrame) -> pd.DataFrame:
    """With `gain`, the log-likelihood of each fold above that of the fewest states, in each group."""
    keys = table.columns.intersection(["group_number", "fold"]).tolist()
    fewest = table[table.n_states == table.n_states.min()][[*keys, "likelihood"]]
    joined = table.merge(fewest, on=keys, suffixes=("", "_fewest"))
    return joined.assign(gain=joined.likelihood - joined.likelihood_fewest)


def _chain_graph(ax: Axes, transition: np.ndarray, stationary: np.ndarray) -> None:
    """States on a circle, as large as their share; arrows as wide as their probability."""
    k = len(transition)
    angle = np.pi / 2 - 2 * np.pi * np.arange(k) / k
    place = np.column_stack([np.cos(angle), np.sin(angle)])
    largest = (transition - np.diag(np.diag(transition))).max()
    for i in range(k):
        for j in range(k):
            if i != j and transition[i, j] > 0.05 * largest:
                ax.add_patch(
                    FancyArrowPatch(
                        tuple(place[i]), tuple(place[j]), connectionstyle="arc3,rad=0.15", arrowstyle="-|>",
                        mutation_scale=7, lw=0.3 + 2.2 * transition[i, j] / largest, color="0.5",
                        shrinkA=9, shrinkB=9, zorder=1,
                    )
                )  # fmt: skip
        x, y = place[i]
        ax.scatter(x, y, 60 + 900 * stationary[i], color=STATE_LOOKS[i]["color"], zorder=2, alpha=0.8)
        ax.text(x, y, str(i + 1), ha="center", va="center", fontsize=8, zorder=3)
    ax.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal")
    ax.set_axis_off()
