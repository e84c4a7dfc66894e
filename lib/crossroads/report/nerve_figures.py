"""Figures of chapter `nerve`: system, recording, features, decoder, how well it decodes, planted truth.

Functions return the figure and the numbers drawn. A nerve stands for a person. Estimates are means over
nerves with 95 % bootstrap intervals over them (`rng` is for these); of a single nerve there are only marks.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter

from crossroads.data.hand_movements import CONTROL_HZ
from crossroads.data.nerve_session import DOFS, STEP_S
from crossroads.data.nerve_signals import PER_DOF
from crossroads.report.figures import WIDTH, dots, legend, letter, stack
from crossroads.report.intervals import estimate, number
from crossroads.report.schematics import ARROW, BOX

Drawn = tuple[Figure, pd.DataFrame]

_PALETTE = sns.color_palette("colorblind").as_hex()
COLORS = [_PALETTE[i] for i in (0, 1, 2, 3, 4, 5, 9, 7)]
# Where colours come again, markers are others.
LOOKS: list[dict[str, Any]] = [{"color": COLORS[i % 8], "marker": "osD^vP*X<>"[i]} for i in range(10)]
# The second lies on the first, and both are seen where they agree.
SOLID: dict[str, Any] = {"color": COLORS[6], "ls": "-", "lw": 2.2}
DASHED: dict[str, Any] = {"color": "black", "ls": (0, (4, 2)), "lw": 0.9}
GUIDE: dict[str, Any] = {"color": "0.4", "ls": ":", "lw": 1.0}
APART = 1.3  # from one trace of flexion to the next
N_BINS = 600  # of an envelope: about what the page can show
N_ZOOMED = 4  # channels, from all over the arrays
THIN = 5  # every so many samples of the drive are drawn
CLIP_SD = 3.0  # features are coloured up to here
USER = "user:\neye and intent"
SCORES = {"balanced": "balanced\naccuracy", "f1": "F1", "tpr": "TPR", "tnr": "TNR", "auc": "AUC"}


def draw_system(latency: pd.DataFrame) -> Drawn:
    """The way from the nerves to the hand and back through the eye, with the time of each block.

    latency : columns block (packet, filter, window, features, network, radio, hand), ms.
    """
    high, low = 2.2, 1.05  # inches, as are all places here
    fig, ax = _sheet(2.8)
    times = {b: f"{b}\n{number(ms)} ms" for b, ms in zip(latency.block, latency.ms, strict=True)}
    ax.add_patch(Rectangle((3.15, high - 0.3), 3.95, 0.8, fc="0.96", ec="0.5", ls="--", zorder=0))
    ax.text(7.0, high + 0.38, "front end", ha="right", va="center", fontsize=8)
    places = {
        "recorder": (2.1, high),
        "band-pass": (3.6, high),
        "window": (5.1, high),
        "features": (6.6, high),
        "network": (6.6, low),
        "radio": (5.1, low),
        "hand": (3.6, low),
        "match detector": (3.6, 0.25),
        USER: (0.75, low),
    }
    box = {name: _box(ax, x, y, name) for name, (x, y) in places.items()}
    for name, y in (("median nerve", high + 0.2), ("ulnar nerve", high - 0.2)):
        ax.plot([0.1, 1.35], [y, y], color="0.8", lw=6, solid_capstyle="round")
        ax.plot([0.55, 0.95], [y, y], "s", color=COLORS[1], mec="0.2", ms=6)
        ax.text(0.75, y + (y - high), name, ha="center", va="center", fontsize=8)
        end = {"patchB": box["recorder"].get_bbox_patch(), "shrinkA": 0, "shrinkB": 3}
        ax.annotate("", places["recorder"], (1.42, y), arrowprops=ARROW | end)
    ax.text(0.75, high, "electrode arrays", ha="center", va="center", fontsize=8)
    begin = {"patchA": box[USER].get_bbox_patch(), "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (0.75, high - 0.5), places[USER], arrowprops=ARROW | begin)
    ax.text(0.85, high - 0.68, "movement that is meant", va="center", fontsize=8)
    ways = (
        ("recorder", "band-pass", times["packet"], (0, 1)),
        ("band-pass", "window", times["filter"], (0, 1)),
        ("window", "features", times["window"], (0, 1)),
        ("features", "network", times["features"], (-1, 0)),
        ("network", "radio", times["network"], (0, 1)),
        ("radio", "hand", times["radio"], (0, 1)),
        ("hand", USER, times["hand"], (0, 1)),
        ("radio", "match detector", "decoded posture", (1, -1)),
        ("match detector", USER, "next gesture", (-1, -1)),
    )
    for start, end_name, text, side in ways:
        _join(ax, box[start], box[end_name], text, side)
    return fig, latency[["block", "ms"]].reset_index(drop=True)


def draw_recording(
    x: np.ndarray, rate_hz: float, intent: np.ndarray | None, glove: np.ndarray, zoom_s: tuple[float, float]
) -> Drawn:
    """Movements above the signal of all channels, and some of the channels closer.

    x : (T, C) [uV] at rate_hz, drawn as the lowest and highest value of short bins. intent : (n, 6) flexion
    that was meant, 0 to 1, or None where nobody knows; glove : (n, 6) what the glove showed. zoom_s : begin
    and end of the closer view [s].
    """
    fig, (moved, raw, close) = plt.subplots(3, 1, figsize=(WIDTH, 6.6), height_ratios=[1.8, 2.4, 1.4])
    t = _steps_s(len(glove))
    shown = {"glove": (glove, SOLID)} | ({} if intent is None else {"intent": (intent, DASHED)})
    movements = _traces(moved, t, shown, "flexion")
    legend(moved)
    n = len(x)
    edges = np.linspace(0, n, min(N_BINS, n) + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(x, edges), np.maximum.reduceat(x, edges)
    at, channels = edges / rate_hz, np.arange(x.shape[1])
    apart = float(f"{np.quantile(high - low, 0.99):.1g}")
    for i in channels:
        raw.fill_between(at, low[:, i] / apart - i, high[:, i] / apart - i, color=COLORS[0], lw=0.3)
    raw.axvspan(*zoom_s, color=COLORS[1], alpha=0.5, lw=0)
    raw.set_yticks(-channels, [str(i + 1) for i in channels])
    raw.set(xlabel="time (s)", ylabel=f"channel ({apart:g} µV apart)", ylim=(-len(channels) + 0.2, 0.8))
    raw.sharex(moved)
    raw.set_xlim(0, max(n / rate_hz, t[-1]))
    moved.tick_params(labelbottom=False)
    moved.set_xlabel("")
    first, last = (round(s * rate_hz) for s in zoom_s)
    some = channels[:: -(-len(channels) // N_ZOOMED)]
    zoomed = x[first:last, some]
    ms = 1000 * np.arange(first, last) / rate_hz
    apart = float(f"{np.ptp(zoomed, axis=0).max():.1g}")
    close.plot(ms, zoomed / apart - np.arange(len(some)), color=COLORS[0], lw=0.8)
    close.set_yticks(-np.arange(len(some)), [str(i + 1) for i in some])
    close.set(
        xlabel="time (ms)", ylabel=f"channel\n({apart:g} µV apart)", xlim=(1000 * zoom_s[0], 1000 * zoom_s[1])
    )
    letter((moved, raw, close))
    names = [f"channel_{i + 1}" for i in channels]
    envelope = {"time_s": at} | {f"{name}_low": low[:, i] for i, name in enumerate(names)}
    envelope |= {f"{name}_high": high[:, i] for i, name in enumerate(names)}
    near = {"time_s": ms / 1000} | {names[i]: zoomed[:, j] for j, i in enumerate(some)}
    return fig, stack({"A": movements, "B": pd.DataFrame(envelope), "C": pd.DataFrame(near)}, "panel")


def draw_features(z: np.ndarray, correlation: np.ndarray, names: Sequence[str]) -> Drawn:
    """Standardised features over a trial, and how features go together.

    z : (n, K * C) a column a channel, all of the first feature before those of the second.
    correlation : (K, K). names : of the K features.
    """
    fig, (ax, pairs) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), width_ratios=[1.25, 1])
    n_kinds = len(names)
    n_channels = z.shape[1] // n_kinds
    picture = ax.imshow(
        z.T, aspect="auto", cmap="vlag", vmin=-CLIP_SD, vmax=CLIP_SD, interpolation="none",
        extent=(0, len(z) * STEP_S, z.shape[1], 0),
    )  # fmt: skip
    fig.colorbar(picture, ax=ax, label="feature (SD)", location="bottom", pad=0.04, extend="both")
    ax.set_yticks(n_channels * (np.arange(n_kinds) + 0.5), names)
    for i in range(1, n_kinds):
        ax.axhline(n_channels * i, color="white", lw=0.8)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="time (s)", ylabel=f"feature ({n_channels} channels each)")
    picture = pairs.imshow(correlation, cmap="vlag", vmin=-1, vmax=1, interpolation="none")
    fig.colorbar(picture, ax=pairs, label="correlation", location="bottom", pad=0.04)
    pairs.set_xticks(range(n_kinds), names, rotation=90)
    pairs.set_yticks(range(n_kinds), names)
    pairs.set(xlabel="feature", ylabel="feature")
    letter((ax, pairs))
    columns = [f"{name}_{i + 1}" for name in names for i in range(n_channels)]
    heat = pd.DataFrame(z, columns=columns)
    heat.insert(0, "time_s", np.arange(len(z)) * STEP_S)
    matrix = pd.DataFrame(correlation, columns=list(names))
    matrix.insert(0, "feature", list(names))
    return fig, stack({"A": heat, "B": matrix}, "panel")


def draw_decoder(rows: Sequence[tuple[str, str, int]]) -> Drawn:
    """The layers of a decoder in a row; rows hold name, shape in words, number of parameters."""
    fig, ax = _sheet(1.75)
    room = WIDTH / len(rows)
    fits = int((room - 0.3) / 0.066)  # characters of 8 pt
    boxes: list[Text] = []
    for i, (name, shape, n) in enumerate(rows):
        lines = [textwrap.fill(text, fits, break_long_words=False) for text in (name, shape)]
        x = (i + 0.5) * room
        boxes.append(_box(ax, x, 1.15, "\n".join(lines)))
        if n:
            ax.text(x, 0.5, f"{n:,}", ha="center", va="center", fontsize=8)
        if i:
            _join(ax, boxes[-2], boxes[-1])
    total = sum(n for _, _, n in rows)
    ax.text(WIDTH / 2, 0.15, f"{total:,} parameters in all", ha="center", va="center", fontsize=9)
    return fig, pd.DataFrame(rows, columns=["layer", "shape", "n_parameters"])


def draw_trajectories(
    true: np.ndarray, decoded: np.ndarray, table: pd.DataFrame, rng: np.random.Generator
) -> Drawn:
    """Decoded flexion on top of what the glove showed, and how far each degree of freedom is followed.

    true, decoded : (n, 6). table : columns nerve, seed, dof, vaf, mse, a row a network and degree of freedom.
    """
    fig = plt.figure(figsize=(WIDTH, 4.9))
    axes = fig.subplot_mosaic([["A", "A"], ["B", "C"]], height_ratios=[1.4, 1])
    letter(axes.values())
    shown = {"glove": (true, SOLID), "decoded": (decoded, DASHED)}
    found = {"A": _traces(axes["A"], _steps_s(len(true)), shown, "flexion")}
    legend(axes["A"])
    for panel, column, label in (("B", "vaf", "variance accounted for"), ("C", "mse", "mean squared error")):
        found[panel] = _groups(axes[panel], table, "dof", column, [LOOKS[0]] * len(DOFS), rng, DOFS)
        axes[panel].set(xlabel="degree of freedom", ylabel=label)
    axes["B"].set_ylim(top=1)
    axes["C"].set_ylim(bottom=0)
    return fig, stack(found, "panel")


def draw_states(table: pd.DataFrame, paper: tuple[float, float], rng: np.random.Generator) -> Drawn:
    """Whether each degree of freedom is decoded as active when it is, by several scores.

    table : columns nerve, dof, accuracy, rest (accuracy of a decoder that always says rest) and those of
    SCORES. paper : lowest and highest accuracy that the paper names.
    """
    fig, (each, scores) = plt.subplots(1, 2, figsize=(WIDTH, 3.1), width_ratios=[1.2, 1])
    letter((each, scores))
    low, high = paper
    each.axhspan(low, high, color="0.85", lw=0, label=f"paper: {100 * low:g}–{100 * high:g} %")
    found = {"A": _groups(each, table, "dof", "accuracy", [LOOKS[0]] * len(DOFS), rng, DOFS, "decoded")}
    rest = table.groupby("dof")["rest"].mean()[list(DOFS)]
    each.plot(np.arange(len(DOFS)) + 0.07, rest, "D", mfc="none", color="black", ms=6, label="always rest")
    found["A, always rest"] = pd.DataFrame({"group": DOFS, "item": "mean", "value": rest.to_numpy()})
    each.margins(y=0.1)
    each.set(xlabel="degree of freedom", ylabel="accuracy (share of steps)", ylim=(None, 1.002))
    legend(each, ncols=3, handlelength=1.2)
    means = table.groupby("nerve", sort=False)[list(SCORES)].mean().reset_index()
    long = means.melt("nerve", var_name="score")
    found["B"] = _groups(scores, long, "score", "value", [LOOKS[2]] * len(SCORES), rng, list(SCORES))
    scores.set_xticklabels(SCORES.values())
    scores.set(xlabel="score", ylabel="mean over degrees of freedom", ylim=(None, 1.002))
    return fig, stack(found, "panel")


def draw_comparison(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Decoders next to each other, in the order of the table, and what their precision costs in time.

    table : columns decoder, nerve, mse, balanced, n_parameters (NaN: none that count), ms (a step's; one that
    takes no time is not on the last panel).
    """
    fig = plt.figure(figsize=(WIDTH, 6.0))
    axes = fig.subplot_mosaic(
        [["A", "A"], ["B", "B"], ["C", "."]], height_ratios=[1, 1, 1.6], width_ratios=[2.7, 1]
    )
    letter(axes.values())
    names = list(table.decoder.unique())
    looks = dict(zip(names, LOOKS, strict=False))
    found = {}
    for panel, column, label in (("A", "mse", "mean squared error"), ("B", "balanced", "balanced accuracy")):
        found[panel] = _groups(axes[panel], table, "decoder", column, list(looks.values()), rng, names)
        axes[panel].set(ylabel=label)
    axes["A"].set_ylim(bottom=0)
    axes["A"].sharex(axes["B"])
    axes["A"].tick_params(labelbottom=False)
    axes["B"].set_xlabel("decoder")
    of_estimates = found["A"][found["A"]["item"] == "estimate"].set_index("group")[["low", "high"]]
    cost = table.groupby("decoder")[["ms", "mse", "n_parameters"]].mean().join(of_estimates)
    cost = cost[cost.ms > 0].sort_values("mse")
    ax = axes["C"]
    for row in cost.itertuples():
        error = [[row.mse - row.low], [row.high - row.mse]]
        ax.errorbar(row.ms, row.mse, error, **looks[row.Index], ls="", ms=6, capsize=2)
    ax.set(xscale="log", yscale="log", xlabel="time of a step (ms)", ylabel="mean squared error")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.autoscale_view()  # now, for the limits count below
    height = (ax.transScale + ax.transLimits).transform(cost[["ms", "mse"]])[:, 1]
    for row, y in zip(cost.itertuples(), _spread(height, 0.09), strict=True):
        n = "" if np.isnan(row.n_parameters) else f" ({row.n_parameters:,.0f})"
        # In the empty cell beside the panel: the layout would keep more room.
        beside: dict[str, Any] = {"textcoords": "axes fraction", "zorder": 0, "in_layout": False}
        line = {"arrowstyle": "-", "color": "0.7", "lw": 0.7, "shrinkA": 0, "shrinkB": 4}
        ax.annotate("", (row.ms, row.mse), (1.05, y), arrowprops=line, **beside)
        ax.annotate(f"{row.Index}{n}", (1.06, y), xycoords="axes fraction", va="center", fontsize=8, **beside)
    found["C"] = cost.reset_index().rename(columns={"decoder": "group", "mse": "value"})
    return fig, stack(found, "panel")


def draw_confusion(counts: np.ndarray, names: Sequence[str]) -> Drawn:
    """Gestures decoded for each one asked for: numbers of trials (K, K) on their share of the row's."""
    fig, ax = plt.subplots(figsize=(5.8, 4.8))
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    picture = ax.imshow(share, cmap="mako_r", vmin=0, vmax=1, interpolation="none")
    fig.colorbar(picture, ax=ax, label="share of the trials of a gesture", pad=0.02)
    for i, j in np.argwhere(counts >= 1):
        color = "white" if share[i, j] > 0.4 else "black"
        ax.text(j, i, f"{counts[i, j]:g}", ha="center", va="center", fontsize=8, color=color)
    ax.set_xticks(range(len(names)), names, rotation=90)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="gesture decoded", ylabel="gesture asked for")
    table = pd.DataFrame(counts, columns=list(names))
    table.insert(0, "asked_for", list(names))
    return fig, table


def draw_truth(spikes: pd.DataFrame, asked: np.ndarray, rates: pd.DataFrame, snr: pd.DataFrame) -> Drawn:
    """Planted motor units: when they fire and what for, how fast, and how well the channels see them.

    spikes : columns unit (in the order of degrees of freedom, then those without tuning), time_s.
    asked : (n, 6) drive at CONTROL_HZ. rates : columns unit, planted_hz, found_hz. snr : channel, fascicle,
    snr_db.
    """
    fig = plt.figure(figsize=(WIDTH, 5.0))
    left, right = [["A"], ["A"], ["A"], ["D"], ["D"]], [["B"], ["C"]]
    mosaic: Any = [[left, right]]
    axes = fig.subplot_mosaic(mosaic, width_ratios=[1.6, 1])
    raster, found, seen, drive = (axes[name] for name in "ABCD")
    letter((raster, found, seen))
    kinds = [*DOFS, "untuned"]
    first = PER_DOF * np.arange(len(kinds))
    kind = np.minimum(spikes.unit // PER_DOF, len(DOFS))
    for i, color in enumerate([*COLORS[: len(DOFS)], "0.3"]):
        of = spikes[kind == i]
        raster.plot(of.time_s, of.unit, "|", color=color, ms=2.5, mew=0.7)
    for edge in first[1:]:
        raster.axhline(edge - 0.5, color="0.8", lw=0.6)
    n_units = rates.unit.max() + 1
    raster.set_yticks((first + np.append(first[1:], n_units) - 1) / 2, kinds)
    raster.tick_params(axis="y", length=0)
    raster.tick_params(axis="x", labelbottom=False)
    raster.set(ylabel=f"unit ({PER_DOF} each)", ylim=(n_units - 0.5, -0.5))
    asked = asked[::THIN]
    t = np.arange(len(asked)) * THIN / CONTROL_HZ
    asks = _traces(drive, t, {"drive": (asked, {"lw": 1.1})}, "drive")
    for line, color in zip(drive.lines, COLORS, strict=False):
        line.set_color(color)
    drive.set_xlim(0, len(asked) * THIN / CONTROL_HZ)
    raster.sharex(drive)

    most = 1.05 * rates[["planted_hz", "found_hz"]].max(axis=None)
    found.plot(rates.planted_hz, rates.found_hz, **LOOKS[0], ls="", ms=4, alpha=0.6, mew=0)
    found.axline((0, 0), slope=1, **GUIDE)
    found.set(xlabel="planted mean rate (Hz)", ylabel="rate found (Hz)", xlim=(0, most), ylim=(0, most))
    kinds_of = list(snr.fascicle.unique())
    for x, name in enumerate(kinds_of):
        of_fascicle = snr[snr.fascicle == name].snr_db
        seen.plot([x] * len(of_fascicle), of_fascicle, **LOOKS[x], ls="", ms=5, alpha=0.8, mew=0)
    seen.set_xticks(range(len(kinds_of)), [str(name) for name in kinds_of])
    seen.set(xlabel="fascicle (a mark a channel)", ylabel="signal-to-noise ratio (dB)")
    seen.margins(x=0.15)
    drawn = {"A, spikes": spikes[["unit", "time_s"]], "A, drive": asks}
    drawn |= {"B": rates[["unit", "planted_hz", "found_hz"]], "C": snr[["channel", "fascicle", "snr_db"]]}
    return fig, stack(drawn, "panel")


def _sheet(height: float) -> tuple[Figure, Axes]:
    """A figure of the page's width without axes, for drawing in inches."""
    fig, ax = plt.subplots(figsize=(WIDTH, height))
    ax.set_axis_off()
    ax.set(xlim=(0, WIDTH), ylim=(0, height))
    return fig, ax


def _box(ax: Axes, x: float, y: float, text: str) -> Text:
    return ax.text(x, y, text, ha="center", va="center", fontsize=8, bbox=BOX)


def _join(ax: Axes, start: Text, end: Text, text: str = "", side: tuple[int, int] = (0, 1)) -> None:
    """An arrow from box to box, and a text beside its middle: right (1) or left (-1), above (1) or below."""
    boxes = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(), "shrinkA": 0, "shrinkB": 3}
    ax.annotate("", end.get_position(), start.get_position(), arrowprops=ARROW | boxes)
    middle = np.mean([start.get_position(), end.get_position()], axis=0)
    x, y = middle + 0.06 * np.array(side)
    ha, va = ("center", "left", "right")[side[0]], ("center", "bottom", "top")[side[1]]
    ax.text(x, y, text, ha=ha, va=va, fontsize=8)


def _steps_s(n: int) -> np.ndarray:
    """Times of decoded steps [s]."""
    return STEP_S * np.arange(1, n + 1)


def _traces(
    ax: Axes, t: np.ndarray, shown: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], quantity: str
) -> pd.DataFrame:
    """Draw signals (n, 6) below each other, by name; returns them side by side."""
    offset = -APART * np.arange(len(DOFS))
    table = pd.DataFrame({"time_s": t})
    for name, (values, look) in shown.items():
        lines = ax.plot(t, values + offset, **look)
        lines[0].set_label(name)
        table[[f"{name}_{dof}" for dof in DOFS]] = values
    ax.set_yticks(offset, DOFS)
    ax.set(xlabel="time (s)", ylabel=f"{quantity} ({APART:g} apart)")
    ax.set(xlim=(0, t[-1]), ylim=(offset[-1] - 0.3, APART))
    return table


def _groups(
    ax: Axes, table: pd.DataFrame, by: str, value: str, looks: Sequence[Mapping[str, Any]],
    rng: np.random.Generator, order: Sequence[str], label: str = "",
) -> pd.DataFrame:  # fmt: skip
    """Draw rows of a table by group, a mark a row, and their mean over nerves; returns the numbers drawn."""
    drawn: list[tuple] = []
    for x, (name, look) in enumerate(zip(order, looks, strict=True)):
        rows = table[table[by] == name]
        nerves = rows.groupby("nerve")[value].mean()
        pairs = zip(rows.nerve, rows[value], strict=True)
        drawn += [(name, str(nerve), item, np.nan, np.nan) for nerve, item in pairs]
        if len(nerves) > 1:
            found = estimate(nerves.to_numpy(), "", rng)
            dots(ax, x, rows[value], found, **look, label=label)
            drawn.append((name, "estimate", found.value, found.low, found.high))
        else:
            ax.plot([x] * len(rows), rows[value], **look, ls="", ms=5, label=label, clip_on=False)
        label = ""  # one entry in the legend
    names = [textwrap.fill(name, 9, break_long_words=False) for name in order]
    ax.set_xticks(np.arange(len(order)) + 0.07, names)
    return pd.DataFrame(drawn, columns=["group", "item", "value", "low", "high"])


def _spread(y: np.ndarray, gap: float) -> np.ndarray:
    """Rising places from 0 to 1, moved as little as keeps them a gap apart."""
    places = np.array(y, float)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    places[-1] = min(places[-1], 1.0)
    for i in range(len(places) - 2, -1, -1):
        places[i] = min(places[i], places[i + 1] - gap)
    return places
