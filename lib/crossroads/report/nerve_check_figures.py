"""Figures of the nerve chapter beyond offline decoding: reaction, information, latency, months, controls.

Functions return the figure and the numbers drawn. Tables hold a row an item; rows of one nerve at one place
are averaged first, so that items are nerves. Drawn are nerves as light marks and, dark, their mean with its
95 % bootstrap interval; one nerve alone has no interval. `rng` is for the intervals.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossroads.data.nerve_session import ACTIVE, DOFS, STEP_S
from crossroads.report import figures
from crossroads.report.intervals import estimate, number

Drawn = tuple[Figure, pd.DataFrame]
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#0173B2", "marker": "o", "ls": "-"},
    {"color": "#DE8F05", "marker": "s", "ls": "--"},
    {"color": "#029E73", "marker": "^", "ls": "-."},
    {"color": "#CC78BC", "marker": "D", "ls": ":"},
    {"color": "#4D4D4D", "marker": "v", "ls": (0, (5, 1, 1, 1))},
)
POSTURE = ("intent", "decoded", "hand")
MOMENTS: dict[str, dict[str, Any]] = {
    "cue": {"color": "0.2", "ls": "-", "lw": 1},
    "half of the intent": {"color": "0.2", "ls": "--", "lw": 1},
    "match": {"color": "#D55E00", "ls": "-.", "lw": 1.4},
}
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++")
GUIDE: dict[str, Any] = {"color": "0.4", "ls": ":", "lw": 1.2, "zorder": 0}
CHANCE = 0.5  # balanced accuracy of every constant answer
REVIEW = 0.9  # accuracy that a review says is kept without training again
BESIDE = 0.07  # of a named place: from a nerve's mark to the mean
NAME_WIDTH = 11  # characters of a name in a line


def draw_timeline(ticks: pd.DataFrame, cue_s: float, half_s: float, match_s: float, dwell_s: float) -> Drawn:
    """Draw one cue of the matching task: what is meant, decoded and done by the hand, and when it matches.

    ticks : columns tick_s, dof, intent, decoded, hand, one row a tick and degree of freedom; tick_s and cue_s
        on the task's clock. half_s, match_s : from the cue on [s]; the match is held for dwell_s from there.
    """
    fig, axes = plt.subplots(len(DOFS), 1, figsize=(figures.WIDTH, 4.2), sharex=True, sharey=True)
    moments = dict(zip(MOMENTS, (0.0, half_s, match_s), strict=True))
    for ax, dof in zip(axes, DOFS, strict=True):
        of = ticks[ticks.dof == dof]
        ax.axhline(ACTIVE, color="0.8", lw=0.8, zorder=0)
        for kind, look in zip(POSTURE, LOOKS, strict=False):
            line = {"color": look["color"], "ls": ":" if kind == "hand" else look["ls"]}
            ax.plot(of.tick_s - cue_s, of[kind], lw=1.5, **line, label=kind)
        for name, look in MOMENTS.items():
            ax.axvline(moments[name], **look, label=name)
        ax.axvspan(match_s, match_s + dwell_s, color="0.88", lw=0, label="held", zorder=0)
        ax.set_ylabel(dof, rotation=0, ha="right", va="center")
        ax.set(ylim=(-0.12, 1.12), yticks=[0, 1])
    axes[-1].set(
        xlabel="time from the cue (s)", xlim=(ticks.tick_s.min() - cue_s, ticks.tick_s.max() - cue_s)
    )
    fig.supylabel("flexion (0: rest, 1: full)", fontsize=9)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=7, columnspacing=1.2)
    traces = ticks.assign(x=ticks.tick_s - cue_s).melt(["dof", "x"], list(POSTURE), "item")
    lines = pd.DataFrame({"item": [*moments, "held"], "x": [*moments.values(), match_s + dwell_s]})
    return fig, pd.concat([traces, lines], ignore_index=True)


def draw_reaction(
    user_s: np.ndarray, decoded_s: np.ndarray, hand_s: np.ndarray, rng: np.random.Generator
) -> Drawn:
    """Draw when after the cue the user's own hand, the decoded and the virtual one react.

    user_s, decoded_s, hand_s : (n,) [s], finite: without cues that were not matched; n may differ. Intervals
        are those of medians, over cues.
    """
    fig, (curves, medians) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.8), width_ratios=[1.4, 1])
    figures.letter([curves, medians])
    times = {"own hand": user_s, "decoded hand": decoded_s, "virtual hand": hand_s}
    numbers = {}
    for i, (name, s) in enumerate(times.items()):
        look = LOOKS[i]
        curves.ecdf(s, color=look["color"], ls=look["ls"], lw=1.5, label=name)
        share = np.arange(1, len(s) + 1) / len(s)
        curve = pd.DataFrame({"panel": "A", "item": "share", "x": np.sort(s), "value": share})
        found, late = estimate(s, "s", rng, np.median), float(np.quantile(s, 0.9))
        _mark(medians, i, (found.value, found.low, found.high), look)
        medians.plot(i, late, look["marker"], color=look["color"], mfc="none", ms=6)
        ends = pd.DataFrame(
            [("median", found.value, found.low, found.high), ("P90", late, np.nan, np.nan)],
            columns=["item", "value", "low", "high"],
        )
        numbers[name] = pd.concat([curve, ends.assign(panel="B")])
    curves.set(xlabel="time from the cue (s)", ylabel="share of cues", ylim=(0, 1.02), xlim=(0, None))
    figures.legend(curves, ncols=3)
    for name, face in (("median", "0.3"), ("P90", "none")):
        medians.plot([], [], "o", color="0.3", mfc=face, ms=5, label=name)
    figures.legend(medians, handlelength=1)
    medians.set_xticks(range(len(times)), [_broken(name) for name in times])
    medians.set(xlabel="what reacts", ylabel="time from the cue (s)", xlim=(-0.5, 2.5), ylim=(0, None))
    return fig, figures.stack(numbers, "series")


def draw_throughput(by_number: pd.DataFrame, by_dwell: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw information a second against the number of gestures, and against how long a posture is held.

    by_number : columns n_gestures, nerve, bits_per_s (mutual information), bits_per_s_wolpaw, predicted.
    by_dwell : columns dwell_s, nerve, bits_per_s.
    """
    fig, (count, dwell) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9), width_ratios=[1.2, 1])
    figures.letter([count, dwell])
    count.set_xscale("log", base=2)
    two = {"mutual information": "bits_per_s", "Wolpaw": "bits_per_s_wolpaw"}
    tables = {
        name: by_number[["n_gestures", "nerve", column]].rename(columns={column: "bits"})
        for name, column in two.items()
    }
    numbers = {"A": _series(count, tables, "n_gestures", "bits", rng, line=False)}
    predicted = by_number.groupby("n_gestures").predicted.mean()
    count.plot(predicted.index, predicted, color="0.3", ls="--", lw=1.2, label="predicted", zorder=0)
    line = pd.DataFrame({"series": "predicted", "x": predicted.index, "item": "mean", "value": predicted})
    numbers["A"] = pd.concat([numbers["A"], line])
    numbers["B"] = _series(dwell, {"mutual information": by_dwell}, "dwell_s", "bits_per_s", rng)
    count.set(xlabel="gestures to choose from", ylabel="information (bits/s)", ylim=(0, None))
    _ticks(count, predicted.index)
    figures.legend(count, ncols=3, handlelength=1.4)
    dwell.set(xlabel="time for which a posture is held (s)", ylabel="information (bits/s)", ylim=(0, None))
    return fig, figures.stack(numbers, "panel")


def draw_latency(
    table: pd.DataFrame, windows: pd.DataFrame, models: pd.DataFrame, rng: np.random.Generator
) -> Drawn:
    """Draw where the time from intent to hand goes, what the window adds, and what a tick's computing takes.

    table : columns block, p50_ms, p99_ms, in the order in which a signal passes; seven blocks at most. Bars
        are sums; a sum of P99s is usually more than the P99 of the whole.
    windows : columns decoder, window_ms, nerve, lag_ms (of trajectories, behind the intent), balanced.
    models : columns n_parameters, p50_ms, p99_ms, way, such as "state carried on" and "window recomputed".
    """
    fig = plt.figure(figsize=(figures.WIDTH, 4.8))
    rows: Any = fig.subfigures(2, 1, height_ratios=[1.5, 3.3])
    budget = rows[0].subplots()
    parts = rows[1].subplot_mosaic([["delay", "cost"], ["balanced", "cost"]])
    figures.letter([budget, parts["delay"], parts["cost"]])
    numbers = {"A": _stacked(budget, table)}
    decoders = {str(name): of for name, of in windows.groupby("decoder", sort=False)}
    for name, column, label in (
        ("delay", "lag_ms", "lag of\ntrajectory (ms)"),
        ("balanced", "balanced", "balanced\naccuracy"),
    ):
        ax = parts[name]
        numbers[f"B, {name}"] = _series(ax, decoders, "window_ms", column, rng)
        ax.set(ylabel=label, xlabel="window (ms)")
        _ticks(ax, windows.window_ms)
    parts["delay"].axhline(0, **GUIDE)
    parts["delay"].set(xlabel="")
    figures.legend(parts["delay"])
    parts["delay"].tick_params(labelbottom=False)

    cost = parts["cost"]
    ways = {str(way): of.sort_values("n_parameters") for way, of in models.groupby("way", sort=False)}
    costs = {}
    for i, (way, of) in enumerate(ways.items()):
        look = LOOKS[i]
        cost.plot(of.n_parameters, of.p50_ms, **look, ms=5, lw=1.2, label=way)
        cost.plot(of.n_parameters, of.p99_ms, **{**look, "ls": ""}, mfc="none", ms=6)
        costs[way] = of.rename(columns={"n_parameters": "x"}).melt("x", ["p50_ms", "p99_ms"], "item")
    cost.plot([], [], "o", color="0.3", mfc="none", ms=6, label="P99")
    cost.axhline(1000 * STEP_S, **GUIDE)
    cost.annotate(
        f"a tick, {1000 * STEP_S:g} ms", (0, 1000 * STEP_S), (3, 3), xycoords=cost.get_yaxis_transform(),
        textcoords="offset points", fontsize=8,
    )  # fmt: skip
    cost.set(xscale="log", yscale="log", xlabel="parameters", ylabel="computing a tick (ms)")
    cost.yaxis.set_major_formatter("{x:g}")
    sizes = sorted(set(models.n_parameters))
    cost.set_xticks(sizes, [f"{n / 1e6:.1f} M" for n in sizes])
    cost.set_xticks([], minor=True)
    figures.legend(cost, handlelength=1.4)
    numbers["C"] = figures.stack(costs, "series")
    return fig, figures.stack(numbers, "panel")


def draw_months(table: pd.DataFrame, rest: float, rng: np.random.Generator) -> Drawn:
    """Draw accuracy and balanced accuracy by months of drift; columns protocol, month, nerve and both.

    rest : accuracy of always saying "rest"; its balanced accuracy is one half.
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.3))
    figures.letter(axes)
    tables = {str(name): rows for name, rows in table.groupby("protocol", sort=False)}
    numbers = {}
    for ax, name, column, level in (
        (axes[0], "A", "accuracy", rest),
        (axes[1], "B", "balanced", CHANCE),
    ):
        numbers[name] = _series(ax, tables, "month", column, rng, shift=0.25)
        numbers[name] = pd.concat([numbers[name], _level(ax, level, "always rest")])
        _ticks(ax, table.month)
        ax.set(xlabel="month", ylabel=column if column == "accuracy" else "balanced accuracy", ylim=(None, 1))
    axes[0].axhline(REVIEW, color="0.2", lw=0.8, label=f"{100 * REVIEW:g} %, says a review", zorder=0)
    numbers["A"] = pd.concat(
        [numbers["A"], pd.DataFrame({"series": ["review"], "item": "level", "value": REVIEW})]
    )
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig, figures.stack(numbers, "panel")


def draw_channels(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw balanced accuracy by the number of channels kept; columns order, n_channels, nerve, balanced."""
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.8))
    tables = {str(name): rows for name, rows in table.groupby("order", sort=False)}
    numbers = _series(ax, tables, "n_channels", "balanced", rng, shift=0.12)
    numbers = pd.concat([numbers, _level(ax, CHANCE, "always rest")], ignore_index=True)
    _ticks(ax, table.n_channels)
    ax.set(xlabel="channels kept", ylabel="balanced accuracy", ylim=(None, 1))
    figures.legend(ax, ncols=4)
    return fig, numbers


def draw_bands(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw balanced accuracy by what is recorded, and in which band.

    table : columns condition, band, nerve, balanced.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.8))
    tables = {str(name): rows for name, rows in table.groupby("band", sort=False)}
    numbers = _series(ax, tables, "condition", "balanced", rng, line=False, shift=0.25)
    numbers = pd.concat([numbers, _level(ax, CHANCE, "always rest")], ignore_index=True)
    ax.set(xlabel="what the electrodes record", ylabel="balanced accuracy", ylim=(None, 1))
    figures.legend(ax, ncols=3)
    return fig, numbers


def draw_generalisation(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw explained variance and balanced accuracy by what was trained on and what is tested.

    table : columns trained, tested, nerve, vaf, balanced.
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.0))
    figures.letter(axes)
    tables = {str(name): rows for name, rows in table.groupby("trained", sort=False)}
    numbers = {}
    for ax, column, label, level in (
        (axes[0], "vaf", "variance explained", 0.0),
        (axes[1], "balanced", "balanced accuracy", CHANCE),
    ):
        found = _series(ax, tables, "tested", column, rng, line=False, shift=0.25)
        numbers[label] = pd.concat([found, _level(ax, level, "constant answer")])
        ax.set(xlabel="tested on", ylabel=label, ylim=(None, 1))
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=4, title="trained on")
    return fig, figures.stack(numbers, "panel")


def draw_labels(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw the error by the labels' delay; columns delay_ms, nerve, against_intent, against_glove."""
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.8))
    tables = {
        f"against the {what}": table[["delay_ms", "nerve"]].assign(mse=table[f"against_{what}"])
        for what in ("intent", "glove")
    }
    numbers = _series(ax, tables, "delay_ms", "mse", rng)
    _ticks(ax, table.delay_ms)
    ax.set(xlabel="delay of the labels (ms)", ylabel="mean squared error\n(flexion²)", ylim=(0, None))
    figures.legend(ax)
    return fig, numbers


def draw_false_activations(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw what an ensemble's agreement spares at rest and what it costs.

    table : columns agreement (networks that have to agree), nerve, per_minute (false activations at rest),
        missed (share of active steps).
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.6))
    figures.letter(axes)
    numbers = {}
    for ax, column, label in (
        (axes[0], "per_minute", "false activations\nat rest (1/min)"),
        (axes[1], "missed", "active steps\nmissed (share)"),
    ):
        numbers[column] = _series(ax, {"ensemble": table}, "agreement", column, rng)
        _ticks(ax, table.agreement)
        ax.set(xlabel="networks that have to agree", ylabel=label, ylim=(0, None))
    return fig, figures.stack(numbers, "panel")


def _series(
    ax: Axes, tables: Mapping[str, pd.DataFrame], x: str, y: str, rng: np.random.Generator, *,
    line: bool = True, shift: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """Draw a column of each table by places: numbers, or names in the order of the first table.

    shift : from one series to the next along the axis, so that their intervals stand apart. With names there
        is room for the nerves beside their mean.

    Returns columns series; x; item, the nerve or "mean"; value, low, high.
    """
    of_first = next(iter(tables.values()))[x]
    names = [] if pd.api.types.is_numeric_dtype(of_first) else list(of_first.unique())
    rows: list[tuple] = []
    for i, (name, table) in enumerate(tables.items()):
        look = LOOKS[i]
        aside = shift * (i - (len(tables) - 1) / 2)
        means = []
        for place, of in table.groupby(x):
            at = (names.index(place) if names else place) + aside
            items = of.groupby("nerve")[y].mean()
            beside = [at - BESIDE] * len(items) if names else [at] * len(items)
            ax.plot(
                beside, items, look["marker"], ms=3.5, color=look["color"], alpha=0.35, mew=0, clip_on=False
            )
            found = _mean(items.to_numpy(), rng)
            _mark(ax, at, found, look)
            means.append((at, found[0]))
            rows += [(name, place, str(nerve), value, np.nan, np.nan) for nerve, value in items.items()]
            rows.append((name, place, "mean", *found))
        ax.plot(*np.transpose(means), **{**look, "ls": look["ls"] if line else ""}, lw=1.2, ms=5, label=name)
    if names:
        ax.set_xticks(range(len(names)), [_broken(name) for name in names])
        ax.set_xlim(-0.5, len(names) - 0.5)
    return pd.DataFrame(rows, columns=["series", "x", "item", "value", "low", "high"])


def _mean(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean of some nerves and the ends of its interval, which one nerve does not have."""
    if len(values) == 1:
        return float(values[0]), np.nan, np.nan
    found = estimate(values, "", rng)
    return found.value, found.low, found.high


def _mark(ax: Axes, x: float, found: tuple[float, float, float], look: Mapping[str, Any]) -> None:
    """Draw a value and its interval."""
    value, low, high = found
    error = [[value - low], [high - value]]
    ax.errorbar(x, value, error, fmt=look["marker"], ms=5, color=look["color"], capsize=2, clip_on=False)


def _level(ax: Axes, value: float, name: str) -> pd.DataFrame:
    """Draw a level that nothing has to be learned for."""
    ax.axhline(value, **GUIDE, label=name)
    return pd.DataFrame({"series": [name], "item": "level", "value": value})


def _stacked(ax: Axes, table: pd.DataFrame) -> pd.DataFrame:
    """Draw the blocks of a delay end to end, at P50 and at P99, and their sums."""
    names = {"p50_ms": "P50", "p99_ms": "P99"}
    start = np.zeros(len(names))
    colors = plt.colormaps["cividis"](np.linspace(0.05, 0.8, len(table)))
    for i, (_, row) in enumerate(table.iterrows()):
        lasting = row[list(names)].to_numpy(float)
        ax.barh(
            list(names.values()), lasting, left=start, color=colors[i], hatch=HATCHES[i],
            edgecolor="white", lw=0.5, height=0.65, label=row.block,
        )  # fmt: skip
        start += lasting
    for y, total in enumerate(start):
        ax.annotate(
            f"{total:.0f} ms", (total, y), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    ax.invert_yaxis()
    ax.set(xlabel="time (ms)", ylabel="quantile", xlim=(0, 1.08 * start.max()))
    figures.legend(ax, ncols=len(table), handlelength=1.4)
    return table.rename(columns={"block": "series", **names}).melt("series", list(names.values()), "item")


def _ticks(ax: Axes, places: Iterable[float]) -> None:
    """A tick at each place that was used, and nowhere else."""
    shown = np.unique(np.asarray(list(places)))
    ax.set_xticks(shown, [number(x) for x in shown])
    ax.set_xticks([], minor=True)


def _broken(name: str) -> str:
    """A name in lines that the axis has room for."""
    return textwrap.fill(name, NAME_WIDTH, break_long_words=False)
