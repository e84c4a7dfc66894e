"""Figures of the speech chapter beyond the paper: planted truth, recovery, losses, leaks, errors, baselines.

Functions return the figure and the numbers drawn. Tables hold a row an item (a seed or a subject), at least
two of each group; their accuracies and those of chance are shares, drawn in percent. Estimates are means with
95 % bootstrap intervals over the items; `rng` is for these.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.signal import welch
from scipy.stats import binomtest

from crossroads.analyse import retrieval
from crossroads.data import listening_brain
from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.report import figures
from crossroads.report.intervals import Estimate, estimate, number

Drawn = tuple[Figure, pd.DataFrame]
STREAMS: dict[str, dict[str, str]] = {
    "acoustic": {"color": "#0173B2", "ls": "-"},
    "phonetic": {"color": "#DE8F05", "ls": "--"},
    "lexical": {"color": "#029E73", "ls": ":"},
}
FEATURES: dict[str, figures.Look] = {
    "pretrained": {"color": "#0173B2", "marker": "o"},
    "mel": {"color": "#DE8F05", "marker": "s"},
    "deep mel": {"color": "#029E73", "marker": "^"},
}
LOSSES: dict[str, figures.Look] = {
    "clip": {"color": "#0173B2", "marker": "o"},
    "regression": {"color": "#D55E00", "marker": "s"},
    "temperature": {"color": "#029E73", "marker": "^"},
    "symmetric": {"color": "#CC78BC", "marker": "D"},
}
OTHERS: tuple[figures.Look, ...] = (
    {"color": "#D55E00", "marker": "v"},
    {"color": "#CC78BC", "marker": "D"},
    {"color": "#4D4D4D", "marker": "P"},
)
LINES = ("-", "--", "-.", ":")
CONTROL = "#949494"
FIRST: figures.Look = {"color": "#0173B2", "marker": "o"}
SECOND: figures.Look = {"color": "#D55E00", "marker": "s"}
CHANCE: dict[str, Any] = {"color": "0.3", "ls": "--", "lw": 1.2}
GUIDE: dict[str, Any] = {"color": "0.5", "ls": ":", "lw": 1}
UNITS = {"meg": (1e15, "fT"), "eeg": (1e6, "µV")}
EXCERPT_S = 3.0  # a window's length
FRAME_S = 0.01  # of the sound that is drawn
LOWEST_HZ = 0.5
RANKS = (1, 2, 4, 11, 31, 101, 301, 1001)  # first rank of each group of ranks
RULES = ("exact", "within 1 s", "apart")
NAME_WIDTH = 11  # characters of a group's name in a line


def draw_planted(
    story: Story, start_s: float, heard: Mapping[str, np.ndarray], quiet: Recording, told: Recording,
    power: np.ndarray,
) -> Drawn:  # fmt: skip
    """Draw 3 s of a story from start_s on, what the brain does with it, and what the sensors see.

    heard : the story's `listening_brain.streams`. quiet, told : without and with the story, of the same
        noise, so that their difference is the story alone; drawn are median and quartiles over the sensors.
    power : (C,) of the planted sources' lead field, squared and summed over sources.
    """
    fig, above, below = _rows(3.4, 2.5)
    top = above.subplots(4, 1, sharex=True, height_ratios=[2, 1, 1, 1])
    bottom = below.subplots(1, 3, width_ratios=[1, 1, 1.1])
    figures.letter([top[0], *bottom])
    numbers = {"A": _excerpt(top, story, start_s, heard)}

    responses = {}
    for stream, look in STREAMS.items():
        h = listening_brain.response(stream)
        lag_ms = 1000 / listening_brain.RATE_HZ * (np.arange(len(h)) - len(h) // 2)
        shown = (lag_ms >= -100) & (lag_ms <= 700)
        bottom[0].plot(lag_ms[shown], h[shown], **look, label=stream)
        responses[stream] = pd.DataFrame({"x": lag_ms[shown], "value": h[shown]})
    bottom[0].axhline(0, **GUIDE)
    bottom[0].set(xlabel="time after the event (ms)", ylabel="response (planted)")
    numbers["B"] = figures.stack(responses, "item")

    scale, unit = UNITS[quiet.kind]
    spectra = {}
    for name, x, look in (
        ("noise", quiet.x, {"color": "#4D4D4D", "ls": "-"}),
        ("both", told.x, {"color": "#0173B2", "ls": "--"}),
        ("story", told.x - quiet.x, {"color": "#D55E00", "ls": "-."}),
    ):
        f, density = welch(x, quiet.sfreq, nperseg=min(x.shape[1], round(4 * quiet.sfreq)))
        low, median, high = scale * np.quantile(np.sqrt(density), [0.25, 0.5, 0.75], axis=0)
        drawn = pd.DataFrame({"x": f, "value": median, "low": low, "high": high})
        spectra[name] = drawn[(f >= LOWEST_HZ) & (f < 0.95 * f[-1])]
        _band(bottom[1], spectra[name], {**look, "marker": ""}, name)
    bottom[1].set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel=f"sensors ({unit}/√Hz)")
    bottom[1].xaxis.set_major_formatter("{x:g}")
    bottom[1].set_ylim(bottom=spectra["noise"].low.min() / 100)
    numbers["C"] = figures.stack(spectra, "item")
    for ax in bottom[:2]:
        figures.legend(ax, ncols=2, handlelength=1.5)
    numbers["D"] = _sensors(bottom[2], quiet.xy, power, "lead field power")
    return fig, figures.stack(numbers, "panel")


def draw_recovery(
    attention: np.ndarray, lead_field_power: np.ndarray, xy: np.ndarray, r: Estimate, trf: pd.DataFrame,
    subjects: pd.DataFrame, rng: np.random.Generator,
) -> Drawn:  # fmt: skip
    """Draw the sensors that the model attends to beside those that see the sources, responses, and subjects.

    attention, lead_field_power : (C,); r is their correlation. xy : (C, 2).
    trf : columns lag_ms, planted, recovered, one row a lag and subject; the largest deflection of each mean
        is marked. subjects : lead_distance, matrix_distance, one row a pair of subjects.
    """
    fig, axes = plt.subplots(2, 2, figsize=(figures.WIDTH, 5.2))
    figures.letter(axes.flat)
    numbers = {
        "A": _sensors(axes[0, 0], xy, attention, "attention"),
        "B": _sensors(axes[0, 1], xy, lead_field_power, "lead field power"),
    }
    correlation = f"r = {number(r.value)} ({number(r.low)} to {number(r.high)})"
    axes[0, 1].set_xlabel(f"{axes[0, 1].get_xlabel()}\n{correlation}")
    curves = {}
    for name, look in (
        ("planted", {"color": "black", "marker": "D", "ls": "--"}),
        ("recovered", {**FIRST, "ls": "-"}),
    ):
        curves[name] = _means(trf, "lag_ms", name, rng)
        peak = int(np.abs(curves[name].value).argmax())
        _band(axes[1, 0], curves[name], look, name, [peak])
    axes[1, 0].axhline(0, **GUIDE)
    axes[1, 0].set(xlabel="lag (ms)", ylabel="response")
    figures.legend(axes[1, 0])
    axes[1, 1].plot(subjects.lead_distance, subjects.matrix_distance, "o", color=FIRST["color"], ms=4)
    axes[1, 1].set(xlabel="distance of lead fields", ylabel="distance of subject layers")
    numbers["C"] = figures.stack(curves, "item")
    numbers["D"] = pd.DataFrame({"x": subjects.lead_distance, "value": subjects.matrix_distance})
    return fig, figures.stack(numbers, "panel")


def draw_shares(frame: pd.DataFrame, chance: float, rng: np.random.Generator) -> Drawn:
    """Draw accuracy, and what pretrained features gain over Mel, against the share of linguistic signal.

    frame : columns share (lexical and phonetic, 0 to 1), seed, features (keys of FEATURES), top1.
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.0), width_ratios=[1.4, 1])
    figures.letter(axes)
    frame = frame.sort_values("share", kind="stable")
    looks = {name: look for name, look in FEATURES.items() if name in set(frame.features)}
    numbers = {"A": _series(axes[0], frame, "features", looks, "share", "top1", chance, rng)}
    figures.legend(axes[0], ncols=len(looks) + 1, handlelength=1.2)
    paired = frame.pivot(index=["share", "seed"], columns="features", values="top1")
    gain = (100 * (paired["pretrained"] - paired["mel"])).rename("gain").reset_index()
    values = _by(gain, "share", "gain")
    at = np.array(list(values))
    numbers["B"] = figures.groups(
        axes[1], dict(zip(map(_name, values), values.values(), strict=True)), FIRST, rng,
        at=at, beside=0.15 * np.diff(at).min(),
    )  # fmt: skip
    axes[1].axhline(0, **GUIDE)
    axes[1].set_ylabel("pretrained − mel, top-1 (points)")
    for ax in axes:
        ax.set_xlabel("share of linguistic signal")
    return fig, figures.stack(numbers, "panel")


def draw_losses(
    history: Mapping[str, Sequence[np.ndarray]], frame: pd.DataFrame, chance: float, rng: np.random.Generator
) -> Drawn:
    """Draw the learning curves of each loss in its own units, a line a seed, and accuracy by condition.

    history : by loss (keys of LOSSES), of each seed (n_epochs, 2) losses of training and validation.
    frame : columns condition, seed, top1; a condition is a loss, or a loss, a comma and what differs.
    """
    fig, above, below = _rows(2.1, 2.8)
    top = above.subplots(1, len(history), sharex=True, squeeze=False)[0]
    ax = below.subplots()
    figures.letter([*top, ax])
    rows = []
    for panel, (loss, seeds) in zip(top, history.items(), strict=True):
        for seed, curve in enumerate(seeds):
            epochs = np.arange(1, len(curve) + 1)
            for kind, line, values in zip(("training", "validation"), (":", "-"), curve.T, strict=True):
                panel.plot(epochs, values, line, color=LOSSES[loss]["color"], lw=1.2)
                rows += [(kind, loss, str(seed), *point) for point in zip(epochs, values, strict=True)]
        panel.set_title(loss, fontsize=9)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for kind, line in (("training", ":"), ("validation", "-")):
        top[0].plot([], [], line, color="0.3", label=kind)
    top[0].set_ylabel("loss (own units)")
    above.supxlabel("epoch", fontsize=9)
    above.legend(*top[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    looks = []
    for condition in frame.condition.unique():
        loss, *different = condition.split(",")
        look = LOSSES[loss]
        looks.append({**look, "color": CONTROL} if different else look)
    found = _groups(ax, frame, "condition", "top1", chance, rng, looks)
    figures.legend(ax)
    curves = pd.DataFrame(rows, columns=["panel", "group", "item", "x", "value"])
    return fig, pd.concat([curves, found.assign(panel="accuracy")], ignore_index=True)


def draw_leak(frame: pd.DataFrame, chance: Mapping[str, float], rng: np.random.Generator) -> Drawn:
    """Draw what a split into windows lets pass, with a brain and with noise in its place.

    frame : columns split, input ("brain" or "noise only"), seed, top1. chance : by split.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.8))
    levels = [chance[split] for split in frame["split"].unique()]
    looks = {"brain": FIRST, "noise only": SECOND}
    numbers = _series(ax, frame, "input", looks, "split", "top1", levels, rng)
    ax.set_xlabel("what is dealt to training and test")
    figures.legend(ax, ncols=3)
    return fig, numbers


def draw_clamp(frame: pd.DataFrame, chance: float, rng: np.random.Generator) -> Drawn:
    """Draw accuracy against the level at which signals are clamped, with and without artefacts.

    frame : columns clamp (inter-quartile ranges; inf: none), artefacts (bool), seed, top10.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.8))
    named = frame.sort_values("clamp", kind="stable").assign(
        input=lambda t: np.where(t.artefacts, "with artefacts", "without artefacts"),
        level=lambda t: ["none" if np.isinf(c) else f"{c:g}" for c in t.clamp],
    )
    looks = {"with artefacts": SECOND, "without artefacts": FIRST}
    numbers = _series(ax, named, "input", looks, "level", "top10", chance, rng)
    ax.set_xlabel("clamp (inter-quartile ranges)")
    figures.legend(ax, ncols=3)
    return fig, numbers


def draw_candidates(
    curve: pd.DataFrame, tolerance: pd.DataFrame, chance: Mapping[str, float], ranks: np.ndarray,
    n_candidates: int, calibrated: retrieval.Calibration, rng: np.random.Generator,
) -> Drawn:  # fmt: skip
    """Draw accuracy by number and nearness of candidates, the ranks, and what probabilities are worth.

    curve : columns n_candidates, subject, top10, model (up to three that are not in FEATURES).
    tolerance : columns rule (RULES), subject, top1; chance of top-1 by rule.
    ranks : (n_subjects, n_windows), 0 the best, among n_candidates.
    calibrated : drawn with Wilson's intervals over trials.
    """
    fig, axes = plt.subplots(2, 2, figsize=(figures.WIDTH, 5.4))
    figures.letter(axes.flat)
    many, rules, ranked, sure = axes.flat
    curves = {}
    others = iter(OTHERS)
    for i, (model, rows) in enumerate(curve.groupby("model", sort=False)):
        look = FEATURES.get(str(model)) or next(others)
        curves[str(model)] = _means(rows.assign(top10=100 * rows.top10), "n_candidates", "top10", rng)
        _band(many, curves[str(model)], {**look, "ls": LINES[i % len(LINES)]}, str(model))
    sizes = np.unique(curve.n_candidates)
    expected = 100 * retrieval.chance(10, sizes)
    many.plot(sizes, expected, **CHANCE, label="chance")
    curves["chance"] = pd.DataFrame({"x": sizes, "value": expected})
    many.set(xscale="log", xlabel="candidates", ylabel="top-10 accuracy (%)", ylim=(0, 103))
    many.xaxis.set_major_formatter("{x:g}")
    figures.legend(many)
    levels = [chance[rule] for rule in RULES]
    found = {
        "A": figures.stack(curves, "group"),
        "B": _groups(rules, tolerance, "rule", "top1", levels, rng, FIRST, order=RULES),
    }
    figures.legend(rules)

    first = np.array([rank for rank in RANKS if rank <= n_candidates])
    widths = np.diff(np.append(first, n_candidates + 1))
    names = [str(a) if n == 1 else f"{a}–{a + n - 1}" for a, n in zip(first, widths, strict=True)]
    shares = [np.histogram(row + 1, [*first, n_candidates + 1])[0] / len(row) for row in ranks]
    table = pd.DataFrame({"rank": names * len(ranks), "share": np.concatenate(shares)})
    found["C"] = _groups(ranked, table, "rank", "share", widths / n_candidates, rng, SECOND)
    ranked.set(xlabel="rank of the sound that was heard", ylabel="windows (%)")
    ranked.tick_params(axis="x", rotation=35)
    figures.legend(ranked)

    right, n = calibrated.right, calibrated.n
    ends = np.array(
        [
            binomtest(round(p * m), int(m)).proportion_ci(method="wilson")
            for p, m in zip(right, n, strict=True)
        ]
    )
    found["D"] = pd.DataFrame(
        {"x": calibrated.confidence, "value": right, "low": ends[:, 0], "high": ends[:, 1]}
    ).assign(group="best candidate")
    error = np.abs(ends.T - right)
    sure.errorbar(calibrated.confidence, right, error, fmt="o-", color=FIRST["color"], ms=4, lw=1, capsize=2)
    sure.plot([0, 1], [0, 1], **GUIDE)
    sure.set(xlabel="probability of the best candidate", ylabel="share that is right", aspect="equal")
    sure.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return fig, figures.stack(found, "panel")


def draw_pooling(
    errors: Sequence[retrieval.ErrorKinds], onset_s: np.ndarray, pooled: pd.DataFrame,
    chance: Mapping[str, float], rng: np.random.Generator,
) -> Drawn:  # fmt: skip
    """Draw where the best candidate lies, how far errors are away, and what a whole sentence adds.

    errors : of each subject; two at least make some. onset_s : of all candidates; chance takes any other one.
    pooled : columns unit (such as "window" and "sentence"), subject, top1; chance by unit.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.9), width_ratios=[1.1, 1.2, 0.8])
    figures.letter(axes)
    kinds = ("right", "same_sentence", "other_sentence")
    table = pd.DataFrame(
        [(kind.replace("_", " "), getattr(e, kind)) for kind in kinds for e in errors],
        columns=["kind", "share"],
    )
    wrong = 1 - np.array([e.right for e in errors])
    same = np.nansum(wrong * [e.same_by_chance for e in errors]) / len(errors)
    levels = np.array([np.nan, same, wrong.mean() - same])
    found = {"A": _groups(axes[0], table, "kind", "share", levels, rng, FIRST, label="errors by chance")}
    axes[0].set_ylabel("windows (%)")
    figures.legend(axes[0])

    onset_s = np.asarray(onset_s)
    apart = np.abs(onset_s[:, None] - onset_s)[~np.eye(len(onset_s), dtype=bool)]
    at = np.geomspace(0.1, apart.max(), 25)
    nearer = [
        pd.DataFrame({"x": at, "nearer": _nearer(np.abs(e.distance_s), at)})
        for e in errors
        if len(e.distance_s)
    ]
    curves = {
        "errors": _means(pd.concat(nearer), "x", "nearer", rng),
        "chance": pd.DataFrame({"x": at, "value": _nearer(apart, at)}),
    }
    _band(axes[1], curves["errors"], {**SECOND, "ls": "-"}, "errors")
    axes[1].plot(at, curves["chance"].value, **CHANCE, label="chance")
    axes[1].axvline(retrieval.OVERLAP_S, **GUIDE)
    axes[1].set(
        xscale="log", xlabel="distance to the true onset (s)", ylabel="errors nearer (%)", ylim=(0, 103)
    )
    axes[1].xaxis.set_major_formatter("{x:g}")
    figures.legend(axes[1])
    levels = np.array([chance[unit] for unit in pooled.unit.unique()])
    found["B"] = figures.stack(curves, "group")
    found["C"] = _groups(axes[2], pooled, "unit", "top1", levels, rng, FIRST)
    figures.legend(axes[2])
    return fig, figures.stack(found, "panel")


def draw_baseline(frame: pd.DataFrame, chance: float, rng: np.random.Generator) -> Drawn:
    """Draw a linear backward model beside networks; frame : columns model, subject, top1."""
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.8))
    looks = [SECOND if model.startswith("linear") else FIRST for model in frame.model.unique()]
    numbers = _groups(ax, frame, "model", "top1", chance, rng, looks)
    figures.legend(ax)
    return fig, numbers


def _excerpt(
    axes: Sequence[Axes], story: Story, start_s: float, heard: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Draw sound and words in the first panel, a stream in each of the others."""
    size = round(FRAME_S * SOUND_HZ)
    first, n = round(start_s * SOUND_HZ), round(EXCERPT_S / FRAME_S)
    loudest = np.abs(story.sound[first : first + n * size]).reshape(n, size).max(1)
    t = FRAME_S * (np.arange(n) + 0.5)
    axes[0].fill_between(t, -loudest, loudest, color="0.4", lw=0)
    words = story.words[(story.words.onset_s >= start_s) & (story.words.onset_s < start_s + EXCERPT_S)]
    at = words.onset_s - start_s
    top = loudest.max()
    for i, (word, x) in enumerate(zip(words.word, at, strict=True)):
        # In two lines, so that short words have room; the last ones end where the panel does.
        y, side = top * (1.2 + 0.8 * (i % 2)), "left" if x < 0.9 * EXCERPT_S else "right"
        axes[0].plot([x, x], [-top, y], color="#D55E00", lw=0.8)
        axes[0].annotate(
            word, (x, y), (2 if side == "left" else -2, 0), textcoords="offset points", fontsize=8, ha=side
        )
    axes[0].set(ylim=(-1.1 * top, 2.9 * top), xlim=(0, EXCERPT_S), yticks=[])
    tables = [
        pd.DataFrame({"item": "sound", "x": t, "value": loudest}),
        pd.DataFrame({"item": words.word, "x": at}),
    ]
    begin = round(start_s * listening_brain.RATE_HZ)
    for ax, stream in zip(axes[1:], STREAMS, strict=True):
        shown = heard[stream][:, begin : begin + round(EXCERPT_S * listening_brain.RATE_HZ)]
        strongest = np.abs(shown).max()
        ax.imshow(
            shown, cmap="vlag", vmin=-strongest, vmax=strongest, aspect="auto", interpolation="nearest",
            extent=(0, EXCERPT_S, len(shown) - 0.5, -0.5),
        )  # fmt: skip
        ax.set_yticks([])
        row, column = np.indices(shown.shape)
        tables.append(
            pd.DataFrame(
                {
                    "item": [f"{stream} {i}" for i in row.ravel()],
                    "x": column.ravel() / listening_brain.RATE_HZ,
                    "value": shown.ravel(),
                }
            )
        )
    for ax, name in zip(axes, ("sound", *STREAMS), strict=True):
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    axes[-1].set_xlabel("time (s)")
    return pd.concat(tables, ignore_index=True)


def _sensors(ax: Axes, xy: np.ndarray, values: np.ndarray, name: str) -> pd.DataFrame:
    """Draw a value of each sensor, relative to the largest, as colour and size on the flat layout."""
    relative = np.asarray(values) / np.max(values)
    spread = np.ptp(relative)
    size = 8 + 42 * (relative - relative.min()) / (spread if spread > 0 else 1)
    drawn = ax.scatter(xy[:, 0], xy[:, 1], s=size, c=relative, cmap="viridis", lw=0)
    ax.figure.colorbar(drawn, ax=ax, label=f"{name} / max.", shrink=0.9)
    ax.set(aspect="equal", xticks=[], yticks=[], xlabel="left – right", ylabel="back – front")
    ax.margins(0.08)
    sns.despine(ax=ax, left=True, bottom=True)
    return pd.DataFrame(
        {"item": np.arange(len(xy)).astype(str), "x": xy[:, 0], "y": xy[:, 1], "value": relative}
    )


def _rows(*heights: float) -> tuple[Figure, Any, Any]:
    """A figure with two rows of these heights [inches], each with axes of its own."""
    fig = plt.figure(figsize=(figures.WIDTH, sum(heights)))
    above, below = np.asarray(fig.subfigures(2, 1, height_ratios=heights))
    return fig, above, below


def _by(frame: pd.DataFrame, column: str, value: str) -> dict[Any, np.ndarray]:
    """Items of each group, in the order of the table."""
    return {name: rows[value].to_numpy() for name, rows in frame.groupby(column, sort=False)}


def _name(group: str | float) -> str:
    """A group's name, broken into lines as the axis needs it."""
    if not isinstance(group, str):
        return f"{group:g}"
    return ",\n".join(textwrap.fill(part, NAME_WIDTH, break_long_words=False) for part in group.split(", "))


def _nearer(distance: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Percentage of distances below each of some."""
    return 100 * np.searchsorted(np.sort(distance), at) / len(distance)


def _means(frame: pd.DataFrame, x: str, y: str, rng: np.random.Generator) -> pd.DataFrame:
    """Mean and interval of a column over the rows of equal x."""
    found = [(at, estimate(rows[y].to_numpy(), "", rng)) for at, rows in frame.groupby(x)]
    return pd.DataFrame(
        [(at, e.value, e.low, e.high) for at, e in found], columns=["x", "value", "low", "high"]
    )


def _band(
    ax: Axes, drawn: pd.DataFrame, look: Mapping[str, Any], label: str, marks: Iterable[int] | None = None
) -> None:
    """Draw a curve with its band; with a mark at some of its points, or about ten."""
    marked = list(range(0, len(drawn), max(1, len(drawn) // 10))) if marks is None else list(marks)
    ax.fill_between(drawn.x, drawn.low, drawn.high, color=look["color"], alpha=0.2, lw=0)
    ax.plot(drawn.x, drawn.value, **look, ms=5, lw=1.2, markevery=marked, label=label)


def _groups(
    ax: Axes, frame: pd.DataFrame, x: str, value: str, chance: ArrayLike, rng: np.random.Generator,
    looks: figures.Look | Sequence[figures.Look], *, order: Sequence[str] = (), label: str = "chance",
) -> pd.DataFrame:  # fmt: skip
    """Draw shares by group in percent, with the level of chance in each."""
    values = _by(frame, x, value)
    names = list(order or values)
    numbers = figures.groups(ax, {_name(name): 100 * values[name] for name in names}, looks, rng)
    return pd.concat([numbers, _chance(ax, chance, names, value, label)], ignore_index=True)


def _series(
    ax: Axes, frame: pd.DataFrame, by: str, looks: Mapping[str, figures.Look], x: str, value: str,
    chance: ArrayLike, rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """Draw shares of series by group in percent, numbers at their places, with the level of chance."""
    percent = frame.assign(**{value: 100 * frame[value]})
    places = list(frame[x].unique())
    items = {name: _by(percent[frame[by] == name], x, value) for name in looks}
    named = {name: {_name(place): of[place] for place in places} for name, of in items.items()}
    at = None if isinstance(places[0], str) else places
    numbers = figures.series(ax, named, list(looks.values()), rng, at=at)
    levels = _chance(ax, chance, list(numbers.group.unique()), value, "chance")
    return pd.concat([numbers, levels], ignore_index=True)


def _chance(ax: Axes, levels: ArrayLike, names: Sequence[str], value: str, label: str) -> pd.DataFrame:
    """Draw levels of chance under the ticks of an accuracy's axis, which starts at 0."""
    ticks = ax.get_xticks()
    half = 0.45 * (np.diff(ticks).min() if len(ticks) > 1 else 1)
    percent = 100 * np.broadcast_to(np.asarray(levels, float), ticks.shape)
    ax.hlines(percent, ticks - half, ticks + half, **CHANCE, label=label)
    ax.set(ylabel=f"{value.replace('top', 'top-')} accuracy (%)", ylim=(0, None))
    return pd.DataFrame({"group": names, "item": label, "value": percent}).dropna()
