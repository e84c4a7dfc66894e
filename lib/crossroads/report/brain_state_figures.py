"""Figures of brain states: how many there are, how they follow each other, and what controls show.

Each function draws what the chapter has computed and returns the figure and the numbers drawn. States are
counted from 1; a state has its colour and marker, `STATE_LOOKS`, in all figures of the chapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from crossroads.report.figures import WIDTH, groups, legend, letter, stack

Drawn = tuple[Figure, pd.DataFrame]

_PALETTE = sns.color_palette("colorblind").as_hex()
COLORS = [_PALETTE[i] for i in (0, 1, 2, 3, 4, 5, 9, 7)]
# Where colours come again, markers and hatches are others.
STATE_LOOKS = [{"color": COLORS[i % 8], "marker": "osD^vP*X"[(i + i // 8) % 8]} for i in range(24)]
HATCHES = ("", "////", "....")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
CURVES: dict[str, tuple[str, dict[str, Any]]] = {  # entropies: column, label, look
    "person": ("people, held out (E₁)", {"color": COLORS[0], "marker": "o", "ls": "-"}),
    "group": ("group, held out (E₂)", {"color": COLORS[1], "marker": "s", "ls": "-"}),
    "chain": ("chain, fitted (E₃)", {"color": COLORS[2], "marker": "^", "ls": "--"}),
    "rate": ("rate, held out (E₄)", {"color": COLORS[3], "marker": "D", "ls": "-"}),
}
RULES: dict[str, Any] = {"half gain": ":", "maximum": "-.", "one standard error": (0, (7, 2))}


def draw_person(
    series: np.ndarray, tr_s: float, probability: np.ndarray, states: np.ndarray | None, n_seconds: float
) -> Drawn:
    """Signals of one person above the probabilities of states.

    series : (T, N), z-scored. tr_s : from volume to volume [s]. probability : (T, K), rows sum to 1.
    states : (T,) planted ones, 0 to K-1, drawn as a strip below; or None. n_seconds : shown, from the first.
    """
    n, (_, k) = min(len(series), round(n_seconds / tr_s)), probability.shape
    edges = np.arange(n + 1) * tr_s
    fig, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 3.6), sharex=True)
    picture = above.imshow(
        series[:n].T, aspect="auto", cmap="vlag", vmin=-2.5, vmax=2.5, interpolation="none",
        extent=(0, edges[-1], series.shape[1] + 0.5, 0.5),
    )  # fmt: skip
    fig.colorbar(picture, ax=above, label="signal (SD)", pad=0.01, extend="both")
    above.set(ylabel="region")
    held = probability[[*range(n), n - 1]].T  # a volume's probabilities hold until the next
    colors = [STATE_LOOKS[i]["color"] for i in range(k)]
    for i, area in enumerate(below.stackplot(edges, held, colors=colors, step="post", lw=0)):
        area.set(hatch=HATCHES[i // 8], edgecolor="white")
    _name_runs(below, probability[:n].argmax(1), tr_s, 0.5)
    below.set(xlabel="time (s)", ylabel="probability", ylim=(0, 1), yticks=[0, 0.5, 1])
    table = pd.DataFrame(probability[:n], columns=[f"state_{i + 1}" for i in range(k)])
    table.insert(0, "time_s", edges[:-1])
    if states is not None:
        below.set(ylim=(-0.3, 1))
        below.set_yticks([-0.16, 0, 0.5, 1], ["planted", "0", "0.5", "1"])
        for begin, end, state in _runs(states[:n]):
            below.add_patch(
                Rectangle(
                    (begin * tr_s, -0.27), (end - begin) * tr_s, 0.22, lw=0, fc=colors[state],
                    ec="white", hatch=HATCHES[state // 8],
                )
            )  # fmt: skip
        _name_runs(below, states[:n], tr_s, -0.16)
        table["planted"] = states[:n] + 1
    letter([above, below])
    regions = [f"region_{i + 1}" for i in range(series.shape[1])]
    return fig, pd.concat([table, pd.DataFrame(series[:n], columns=regions)], axis=1)


def draw_selection(
    table: pd.DataFrame, chosen: Mapping[str, int], planted: Mapping[str, float] | None = None
) -> Drawn:
    """What speaks for each number of states of one group.

    table : see `brain_state_study.selection_table`. chosen : number of states by rule, see `choices` there.
    planted : n_states; entropy of the equilibrium, and rate [nats]; or None where nothing was planted.
    """
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.6), sharex=True)
    entropies, fit, restarts, largest = axes.ravel()
    first, second = CURVES["person"][1], CURVES["group"][1] | {"ls": "--"}
    drawn = {name: _curve(entropies, table, name, label, look) for name, (label, look) in CURVES.items()}
    drawn["likelihood"] = _curve(fit, table, "likelihood", "log-likelihood, held out", first)
    # One fit of all people and one agreement for each number of states: nothing varies over folds.
    once = table.assign(minus_energy=-table.energy).groupby("n_states").head(1)
    drawn["minus_energy"] = _curve(fit, once, "minus_energy", "−free energy", second)
    drawn["agreement"] = _curve(restarts, once, "agreement", "", first)
    largest.plot(table.n_states, table.largest, "o", ms=4, mew=0, color=first["color"], alpha=0.35)
    drawn["largest, one fold"] = table[["n_states", "largest"]].rename(columns={"largest": "mean"})
    drawn["largest"] = _curve(largest, table, "largest", "", first)
    for ax, label in zip(
        axes.ravel(),
        ("entropy (nats)", "nats a volume", "agreement of starts", "largest occupancy"),
        strict=True,
    ):
        _count_states(ax, table, label)
        drawn["chosen"] = _mark_choices(ax, table, chosen, named=ax is entropies)
        if planted:
            ax.axvline(
                planted["n_states"], color="0.85", lw=6, zorder=-1, label="planted" * (ax is entropies)
            )
    for ax in (restarts, largest):
        ax.set_ylim(0, 1.05)
    for ax in axes[0]:
        ax.set_xlabel("")
    if planted:
        drawn["planted"] = _mark_entropies(entropies, planted)
    fig.legend(*entropies.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    legend(fit, handlelength=1.6)
    letter(axes.ravel())
    return fig, stack(drawn, "curve")


def draw_controls(tables: Mapping[str, pd.DataFrame]) -> Drawn:
    """Entropy of people held out, and the gain of likelihood over the fewest states, by condition.

    tables : see `brain_state_study.selection_table`, of one group; or with means of groups in the place of
        folds. The first condition is the main one.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    entropy, gain = {}, {}
    for i, (name, table) in enumerate(tables.items()):
        look = STATE_LOOKS[i] | {"ls": LINES[i % 5]}
        entropy[name] = _curve(left, table, "person", name, look)
        gain[name] = _curve(right, _gain(table), "gain", "", look)
    every = pd.concat(tables.values())
    ks = np.unique(every.n_states)
    left.plot(ks, np.log(ks), color="0.6", ls=(0, (5, 3)), lw=1, label="ceiling, ln K", zorder=0)
    entropy["ceiling"] = pd.DataFrame({"n_states": ks, "mean": np.log(ks)})
    right.axhline(0, color="0.7", lw=0.8, zorder=0)
    _count_states(left, every, "entropy of people held out (nats)")
    _count_states(right, every, f"log-likelihood, held out,\nabove K = {ks[0]} (nats a volume)")
    fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    letter([left, right])
    return fig, stack({"entropy": stack(entropy, "condition"), "gain": stack(gain, "condition")}, "measure")


def draw_surrogates(data: pd.DataFrame, surrogates: Sequence[pd.DataFrame]) -> Drawn:
    """Selection curves of recordings, and of their surrogates; tables as for `draw_controls`."""
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.7))
    labels = {
        "person": "entropy of people\nheld out (nats)",
        "rate": "entropy rate\n(nats a volume)",
        "gain": f"log-likelihood, held out,\nabove K = {data.n_states.min()} (nats a volume)",
    }
    look = CURVES["person"][1]
    drawn = {}
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        curve = _curve(ax, _gain(data), column, "recordings", look)
        bands = np.array([_gain(one).groupby("n_states")[column].mean() for one in surrogates])
        low, mean, high = bands.min(0), bands.mean(0), bands.max(0)
        ax.fill_between(curve.n_states, low, high, color="0.8", label="surrogates, range", lw=0)
        ax.plot(curve.n_states, mean, color="0.4", ls="--", lw=1, label="their mean")
        _count_states(ax, data, label)
        drawn[column] = curve.assign(surrogates_low=low, surrogates_mean=mean, surrogates_high=high)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    letter(axes)
    return fig, stack(drawn, "curve")


def draw_states(
    transition: np.ndarray,
    stationary: np.ndarray,
    occupancy: np.ndarray,
    dwell_s: np.ndarray,
    runs_s: Sequence[np.ndarray],
    switching_hz: np.ndarray,
) -> Drawn:
    """The chain of K states, and what S people make of it.

    transition : (K, K), rows sum to 1; the diagonal is not drawn. stationary : (K,). occupancy : (S, K),
    shares of a person's time. dwell_s : (K,) durations [s] by the diagonal. runs_s : durations [s] of each
    state's runs; a state may have none. switching_hz : (S,) switches a second.
    """
    k = len(transition)
    states = np.arange(1, k + 1)
    fig = plt.figure(figsize=(WIDTH, 4.9))
    rows: Any = fig.subfigures(2, 1, height_ratios=[1.2, 1])
    above, below = rows
    matrix, graph = above.subplots(1, 2)
    shares, durations, people = below.subplots(1, 3, width_ratios=[3, 3, 1])
    away = np.where(np.eye(k, dtype=bool), np.nan, transition)
    picture = matrix.imshow(away, cmap="mako_r", vmin=0, extent=(0.5, k + 0.5, k + 0.5, 0.5))
    matrix.set(xlabel="to state", ylabel="from state", xticks=states, yticks=states)
    above.colorbar(picture, ax=matrix, label="probability a volume")
    draw_chain(graph, transition, stationary)
    start, end = np.nonzero(~np.eye(k, dtype=bool))
    drawn = {
        "A": pd.DataFrame({"state": start + 1, "to_state": end + 1, "value": transition[start, end]}),
        "B": pd.DataFrame({"state": states, "value": stationary}),
        "C": _people(shares, occupancy.T, STATE_LOOKS),
        "D": pd.DataFrame({"state": states, "value": dwell_s, "mark": "expected"}),
        "D, runs": _means(durations, runs_s, STATE_LOOKS, 0.15),
        "E": _people(people, switching_hz[None], [{"color": "0.35", "marker": "o"}]).drop(columns="state"),
    }
    for state, look, dwell in zip(states, STATE_LOOKS, dwell_s, strict=False):
        durations.plot(state - 0.15, dwell, look["marker"], ms=6, mfc="none", color=look["color"])
    for name, face in (("by the chain", "none"), ("runs", "0.35")):
        durations.plot([], [], "o", color="0.35", mfc=face, label=name)
    legend(durations, handlelength=1)
    shares.set(ylabel="share of a person's time")
    durations.set(ylabel="duration (s)")
    for ax in (shares, durations):
        ax.set(xlabel="state", xticks=states, xlim=(0.4, k + 0.6), ylim=(0, None))
    people.set(ylabel="switches a second (Hz)", xlabel="people", xticks=[], xlim=(0.4, 1.6), ylim=(0, None))
    letter([matrix, graph, shares, durations, people])
    return fig, stack(drawn, "panel")


def draw_baselines(table: pd.DataFrame, planted_hz: float, rng: np.random.Generator) -> Drawn:
    """Accuracy and switching rate [Hz] of ways to find states: columns method, group, accuracy, switching_hz.

    planted_hz : rate of the planted states. rng : for the bootstrap intervals over groups.
    """
    fig, axes = plt.subplots(2, 1, figsize=(WIDTH, 4.0), sharex=True)
    labels = {"accuracy": "volumes in the\nplanted state (share)", "switching_hz": "switches a second\n(Hz)"}
    drawn = _by_kind(axes, labels, [table, table], "method", rng)
    axes[0].set_ylim(0, 1.02)
    axes[1].axhline(planted_hz, color="0.4", ls="--", lw=1, label="planted", zorder=0)
    drawn["planted"] = pd.DataFrame({"value": [planted_hz]})
    legend(axes[1])
    letter(axes)
    return fig, stack(drawn, "measure")


def draw_sedation(people: pd.DataFrame, layers: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Entropies of people (condition, entropy_rate, person_entropy) [nats], NMI of groups (condition, nmi).

    rng : for the bootstrap intervals over people, and over groups.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.8))
    labels = {
        "entropy_rate": "entropy rate (nats a volume)",
        "person_entropy": "entropy of occupancy (nats)",
        "nmi": "mean NMI of two layers (0 to 1)",
    }
    drawn = _by_kind(axes, labels, [people, people, layers], "condition", rng)
    letter(axes)
    return fig, stack(drawn, "measure")


def draw_limit(table: pd.DataFrame, planted_s: float | None) -> Drawn:
    """Distance of the walk's mass from its limit for slow states: columns dwell_s [s], rule, distance.

    planted_s : duration of the planted states; None for recordings.
    """
    fig, ax = plt.subplots(figsize=(WIDTH * 0.62, 3.0))
    for i, (rule, one) in enumerate(table.groupby("rule", sort=False)):
        ax.plot(one.dwell_s, one.distance, ls=LINES[i], **STATE_LOOKS[i], label=rule, ms=5)
    if planted_s is not None:
        ax.axvline(planted_s, color="0.85", lw=6, zorder=-1, label="planted")
    limit = r"$\pi_k s^{(k)}_i/\Sigma_j s^{(k)}_j$"
    ax.set(xscale="log", yscale="log", xlabel="mean duration of states (s)")
    ax.set_ylabel(f"total variation distance\nof mass from {limit}")
    _name_each(ax, table.dwell_s)
    legend(ax, ncols=3, handlelength=1.6)
    return fig, table


def draw_staying(table: pd.DataFrame) -> Drawn:
    """Share of a community's mass that is in it so many volumes later, a line a community.

    table : columns layer, community, both from 0; horizon [volumes], persistence.
    """
    fig, ax = plt.subplots(figsize=(WIDTH * 0.62, 2.8))
    for (layer, community), one in table.groupby(["layer", "community"]):
        label = f"state {layer + 1}" if community == table.community[table.layer == layer].min() else ""
        ax.plot(one.horizon, one.persistence, "-", **STATE_LOOKS[layer], ms=4, alpha=0.8, label=label)
    ax.set(xscale="log", xlabel="volumes later", ylabel="share still in the community", ylim=(0, 1))
    _name_each(ax, table.horizon)
    legend(ax, ncols=4, handlelength=1.6)
    return fig, table


def _name_each(ax: Axes, values: pd.Series) -> None:
    """A tick at each value of a logarithmic axis."""
    shown = np.unique(values)
    ax.set_xticks(shown, [f"{x:g}" for x in shown])
    ax.set_xticks([], minor=True)


def _curve(ax: Axes, table: pd.DataFrame, column: str, label: str, look: Mapping[str, Any]) -> pd.DataFrame:
    """Mean and standard error over folds by number of states."""
    grouped = table.groupby("n_states")[column]
    mean, error = grouped.mean(), grouped.sem()
    ax.errorbar(mean.index, mean, error.fillna(0), label=label, ms=4, lw=1.2, capsize=2, **look)
    return pd.DataFrame({"n_states": mean.index, "mean": mean.to_numpy(), "sem": error.to_numpy()})


def _gain(table: pd.DataFrame) -> pd.DataFrame:
    """With `gain`, the log-likelihood of each fold above that of the fewest states."""
    fewest = table[table.n_states == table.n_states.min()].set_index("fold").likelihood
    return table.assign(gain=table.likelihood - table.fold.map(fewest))


def _count_states(ax: Axes, table: pd.DataFrame, label: str) -> None:
    """Name the axes; ten of the numbers of states at most."""
    ks = np.unique(table.n_states)
    ax.set(xlabel="number of states", ylabel=label, xticks=ks[:: -(-len(ks) // 10)])


def _mark_choices(ax: Axes, table: pd.DataFrame, chosen: Mapping[str, int], named: bool) -> pd.DataFrame:
    """A vertical line at each rule's number, side by side where rules agree."""
    step = 0.015 * np.ptp(table.n_states)
    for i, (rule, style) in enumerate(RULES.items()):
        label = f"chosen: {rule}" if named else ""
        ax.axvline(chosen[rule] + (i - 1) * step, color="0.35", ls=style, lw=1.2, label=label, zorder=0)
    return pd.DataFrame({"n_states": [chosen[rule] for rule in RULES], "rule": list(RULES)})


def _mark_entropies(ax: Axes, planted: Mapping[str, float]) -> pd.DataFrame:
    """The planted entropy, named where the curves are still below it, and the planted rate, named below."""
    for key, curve, x, ha, up, name in (
        ("entropy", "person", 0.01, "left", 7, "planted H(π)"),
        ("rate", "rate", 0.99, "right", -10, "planted h(P)"),
    ):
        ax.axhline(planted[key], color=CURVES[curve][1]["color"], ls=(0, (5, 3)), lw=1, zorder=0)
        ax.annotate(
            name, (x, planted[key]), (0, up), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
            ha=ha, va="center", fontsize=8,
        )  # fmt: skip
    return pd.DataFrame({"n_states": planted["n_states"], "mean": [planted["entropy"], planted["rate"]]})


def _runs(states: np.ndarray) -> list[tuple[int, int, int]]:
    """First volume, volume after the last, and state of each run."""
    begins = np.flatnonzero(np.diff(states, prepend=-1))
    return [(int(b), int(e), int(states[b])) for b, e in zip(begins, [*begins[1:], len(states)], strict=True)]


def _name_runs(ax: Axes, states: np.ndarray, tr_s: float, y: float) -> None:
    """The number of the state on each run that has room for it."""
    ground = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8}
    for begin, end, state in _runs(states):
        if end - begin > 0.035 * len(states):
            ax.text(
                (begin + end) / 2 * tr_s, y, str(state + 1), ha="center", va="center", fontsize=8, bbox=ground
            )


def _people(ax: Axes, values: np.ndarray, looks: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Each person's value (K, S) as a light mark, people from left to right, and mean and standard error."""
    rows = []
    for i, (one, look) in enumerate(zip(values, looks, strict=False)):
        x = i + 0.9 + np.linspace(-0.2, 0.2, len(one))
        ax.plot(x, one, look["marker"], ms=3.5, color=look["color"], alpha=0.35, mew=0)
        rows.append(pd.DataFrame({"state": i + 1, "value": one, "mark": "person"}))
    return pd.concat([*rows, _means(ax, values, looks, 0.3)], ignore_index=True)


def _means(
    ax: Axes, values: Sequence[np.ndarray] | np.ndarray, looks: Sequence[Mapping[str, str]], beside: float
) -> pd.DataFrame:
    """Mean and standard error of each state's values, `beside` its place; nothing where it has none."""
    rows = []
    for i, (one, look) in enumerate(zip(map(pd.Series, values), looks, strict=False)):
        x, mean, error = i + 1 + beside, one.mean(), one.sem()
        ax.errorbar(x, mean, np.nan_to_num(error), fmt=look["marker"], ms=5, color=look["color"], capsize=2)
        rows.append((i + 1, mean, error, len(one), "mean"))
    return pd.DataFrame(rows, columns=["state", "value", "sem", "n", "mark"])


def _by_kind(
    axes: Sequence[Axes],
    labels: Mapping[str, str],
    tables: Sequence[pd.DataFrame],
    kind: str,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """One column of its table a panel, by the table's kind."""
    drawn = {}
    for ax, (column, label), table in zip(axes, labels.items(), tables, strict=True):
        values = {
            "\n".join(wrap(n, 14)): one[column].to_numpy() for n, one in table.groupby(kind, sort=False)
        }
        drawn[column] = groups(ax, values, STATE_LOOKS[: len(values)], rng)
        ax.set(ylabel=label, ylim=(0, None))
    return drawn


def draw_chain(ax: Axes, transition: np.ndarray, stationary: np.ndarray, scale: float = 1.0) -> None:
    """States on a circle, as large as their share; arrows as wide and dark as their probability."""
    k = len(transition)
    angle = np.pi / 2 - 2 * np.pi * np.arange(k) / k
    place = np.column_stack([np.cos(angle), np.sin(angle)])
    away = transition * (1 - np.eye(k))
    share, area = away / away.max(), scale * (50 + 900 * stationary)
    for i, j in zip(*np.unravel_index(np.argsort(share, axis=None), share.shape), strict=True):
        if share[i, j] > 0.05:
            radii = np.sqrt(area[[i, j]]) / 2 + 1  # points
            ax.add_patch(
                FancyArrowPatch(
                    tuple(place[i]), tuple(place[j]), connectionstyle="arc3,rad=0.15", arrowstyle="-|>",
                    mutation_scale=4 + 4 * share[i, j], lw=0.3 + 2 * scale * share[i, j],
                    color=str(0.85 - 0.6 * share[i, j]), shrinkA=radii[0], shrinkB=radii[1],
                    in_layout=False,  # its circles take the room
                )
            )  # fmt: skip
    for i, look in enumerate(STATE_LOOKS[:k]):
        ax.scatter(place[i, 0], place[i, 1], area[i], color=look["color"], marker=look["marker"], zorder=3)
        if scale == 1:
            beside = (np.sqrt(area[i] / 2) + 7) * place[i]
            ax.annotate(
                str(i + 1), place[i], beside, textcoords="offset points", ha="center", va="center", fontsize=8
            )
    ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    ax.set_axis_off()
