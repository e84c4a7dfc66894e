"""The paper's figures of the speech chapter (Défossez et al. 2023).

Functions return the figure and the numbers drawn, one row a mark; `figures.groups` explains the columns item,
value, low and high. Tables hold accuracies as shares (0 to 1); drawn and returned they are percent, as in the
paper. `rng` is for the bootstrap: every estimate is a mean with its 95 % interval. Simulated data sets carry
the name of the real one that they stand for, one of SETS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path
from matplotlib.text import Text

from crossroads.models.brain_module import BrainShape
from crossroads.report import figures
from crossroads.report.intervals import estimate
from crossroads.report.schematics import ARROW, BOX

Drawn = tuple[Figure, pd.DataFrame]
SETS = ("Brennan", "Broderick", "Gwilliams", "Schoffelen")
KINDS = {"Brennan": "EEG", "Broderick": "EEG", "Gwilliams": "MEG", "Schoffelen": "MEG"}
# Table 2 [text]: top-10 accuracy [%], mean and SD over three initialisations; sets as in SETS.
TABLE_2 = {
    "random": ((5.3, 0.1), (0.5, 0.1), (0.7, 0.1), (0.8, 0.1)),
    "base": ((6.0, 0.9), (1.0, 0.3), (12.4, 1.2), (20.6, 1.8)),
    "contrastive": ((8.0, 4.8), (9.7, 1.0), (55.1, 0.7), (55.1, 0.9)),
    "deep mel": ((24.7, 3.2), (15.4, 1.6), (64.4, 0.8), (61.2, 0.6)),
    "pretrained": ((25.7, 2.9), (17.7, 0.6), (70.7, 0.1), (67.5, 0.4)),
}
# Table 1 [code: printed by the published notebook].
TABLE_1 = {
    "Brennan": {"sensors": 60, "listeners": 33, "hours": 6.7, "train": 1211, "train_words": 513, "test": 190,
                "test_words": 148, "seen": 0.595},
    "Broderick": {"sensors": 128, "listeners": 19, "hours": 19.2, "train": 1189, "train_words": 1418,
                  "test": 1054, "test_words": 764, "seen": 0.673},
    "Gwilliams": {"sensors": 208, "listeners": 27, "hours": 56.2, "train": 3266, "train_words": 1810,
                  "test": 1284, "test_words": 846, "seen": 0.639},
    "Schoffelen": {"sensors": 273, "listeners": 96, "hours": 80.9, "train": 5497, "train_words": 1754,
                   "test": 1270, "test_words": 745, "seen": 0.852},
}  # fmt: skip
# Ablations [code: outputs stored in the published notebook]: the same numbers for Schoffelen, Gwilliams,
# Broderick and Brennan, then the mean over the four [%] and its difference to the reference [points].
ABLATIONS: dict[str, tuple[tuple[tuple[float, float], ...], float, float]] = {
    "reference": (((67.3, 0.4), (66.7, 0.2), (13.4, 0.4), (25.7, 2.9)), 43.3, 0.0),
    "subject embedding": (((64.6, 0.3), (66.7, 0.3), (14.7, 0.5), (29.4, 0.6)), 43.8, 0.5),
    "clamp at 100": (((66.9, 0.8), (66.5, 0.4), (13.3, 0.2), (27.1, 2.6)), 43.4, 0.1),
    "no spatial dropout": (((67.3, 0.1), (65.2, 0.1), (12.3, 1.1), (26.8, 0.7)), 42.9, -0.4),
    "ReLU": (((65.6, 0.6), (64.9, 1.3), (12.5, 0.2), (24.6, 2.1)), 41.9, -1.4),
    "no skip connections": (((65.3, 0.3), (62.4, 0.3), (11.0, 1.3), (24.3, 2.7)), 40.8, -2.5),
    "no final convs": (((67.2, 0.3), (65.1, 0.9), (11.2, 0.9), (19.0, 4.4)), 40.6, -2.7),
    "no initial conv": (((62.7, 0.8), (64.0, 0.6), (11.9, 0.5), (22.1, 1.9)), 40.2, -3.1),
    "no spatial attention": (((65.6, 0.4), (61.9, 0.4), (11.9, 0.4), (20.6, 2.2)), 40.0, -3.3),
    "no GLU": (((66.7, 0.2), (66.3, 0.2), (6.9, 5.1), (6.0, 0.2)), 36.5, -6.8),
    "no subject layer": (((42.4, 0.1), (44.3, 1.2), (6.9, 1.3), (20.2, 1.3)), 28.4, -14.9),
    "no clamping": (((1.5, 0.4), (22.3, 23.2), (1.0, 0.4), (14.1, 1.0)), 9.7, -33.6),
}
ABLATION_SETS = SETS[::-1]
# [code] Standard error of the ablations' reference over subjects [points]; sets as in ABLATION_SETS.
SUBJECT_SEM = (1.3, 2.7, 1.5, 1.8)
MODELS = {
    "random": "random",
    "base": "base\n(Mel, MSE)",
    "contrastive": "+ contras-\ntive loss",
    "deep mel": "+ Deep\nMel",
    "pretrained": "+ pre-\ntrained",
}
VARIANTS = {
    "reference": "refer-\nence",
    "subject embedding": "subject\nembed-\nding",
    "clamp at 100": "clamp\nat 100",
    "no spatial dropout": "no\nspatial\ndropout",
    "ReLU": "ReLU",
    "no skip connections": "no skip\nconnec-\ntions",
    "no final convs": "no\nfinal\nconvs",
    "no initial conv": "no\ninitial\nconv",
    "no spatial attention": "no\nspatial\nattention",
    "no GLU": "no\nGLU",
    "no subject layer": "no\nsubject\nlayer",
    "no clamping": "no\nclamping",
}
N_LARGE = 2  # ablations, the last ones, that need a scale of their own
LOOKS: dict[str, Any] = {
    "ours": {"color": "#0173B2", "marker": "o"},
    "control": {"color": "#D55E00", "marker": "s"},
    "other": {"color": "#DE8F05", "marker": "^"},
}
LINES = {"ours": "-", "control": "--", "other": "-."}
ZERO: dict[str, Any] = {"color": "0.4", "ls": ":", "lw": 1}
ACCURACY = "top-10 accuracy (%)"
WINDOW_S, N_SENSORS, N_FEATURES, N_TOP = 3.0, 12, 24, 5  # of what Fig. 1 shows
SHARP = 3.0  # standard deviations at the ends of the colours
DILATIONS = 5  # then they start again at 1


def draw_approach(
    x: np.ndarray,
    sound: np.ndarray,
    z: np.ndarray,
    y: np.ndarray,
    matches: np.ndarray,
    p: np.ndarray,
    words: np.ndarray,
    true: int,
) -> Drawn:
    """Draw Fig. 1: how a window of the brain and a sound meet, and how the sound is found among others.

    Parameters
    ----------
    x : (C, T) window of the brain; a dozen sensors are drawn. sound : (n,) what was heard.
    z, y : (F, T) outputs of the brain module and features of the sound; the first two dozen are drawn, in
        units of the standard deviation of all.
    matches : (B, B) probabilities in a batch, a row a window of the brain.
    p, words : (n_candidates,) probabilities of all held-out segments and the words at their onsets; the best
        five are drawn. true : index of the segment that was heard.
    """
    height = 4.4
    fig, ax = _canvas(height)
    boxes = {"X": (0.5, 2.8), "sound": (0.5, 0.5), "Z": (3.0, 2.8), "Y": (3.0, 0.5), "matrix": (4.95, 2.8)}
    panels = {name: _inset(fig, (*at, 1.25, 1.25), height) for name, at in boxes.items()}
    panels["found"] = _inset(fig, (5.45, 0.5, 1.6, 1.25), height)
    figures.letter(panels.values())
    for name, title in (("X", "brain, X"), ("sound", "sound"), ("Z", "Z"), ("Y", "Y"), ("matrix", "batch")):
        panels[name].set_title(title)
    panels["found"].set_title("held-out segments")
    numbers = {"X": _sensors(panels["X"], x), "sound": _wave(panels["sound"], sound)}
    picture: Any = None
    for name, of in (("Z", z), ("Y", y)):
        shown = of[:N_FEATURES] / of.std()
        picture = panels[name].imshow(
            shown, cmap="vlag", vmin=-SHARP, vmax=SHARP, aspect="auto", extent=(0, WINDOW_S, len(shown), 0)
        )
        panels[name].set(ylabel="feature", yticks=[])
        numbers[name] = _cells(shown)
    bar = _inset(fig, (3.0, 2.48, 1.25, 0.08), height)
    fig.colorbar(picture, bar, orientation="horizontal", label="value (SD)", ticks=[-SHARP, 0, SHARP])
    panels["Z"].set(xticks=range(4), xticklabels=[])
    for name in ("X", "sound", "Y"):
        panels[name].set(xlabel="time in window (s)", xticks=range(4))
    picture = panels["matrix"].imshow(matches, vmin=0, vmax=1)
    panels["matrix"].set(xlabel="sound", ylabel="brain window", xticks=[], yticks=[])
    fig.colorbar(picture, _inset(fig, (6.3, 2.8, 0.08, 1.25), height), label="probability", ticks=[0, 0.5, 1])
    numbers["batch"] = _cells(matches)
    best = np.argsort(-p, kind="stable")[:N_TOP]
    numbers["held-out segments"] = _bars(panels["found"], words[best], p[best], best == true)
    panels["found"].set(xlabel="probability", xlim=(0, 1.25), xticks=[0, 0.5, 1])
    brain = _box(ax, 2.3, 3.42, "brain\nmodule")
    speech = _box(ax, 2.3, 1.12, "speech\nmodel,\nfrozen")
    for text, middle in ((brain, 3.42), (speech, 1.12)):
        into: Any = ARROW | {"patchB": text.get_bbox_patch(), "shrinkA": 0, "shrinkB": 0}
        out: Any = ARROW | {"patchA": text.get_bbox_patch(), "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", text.get_position(), (1.8, middle), arrowprops=into)
        ax.annotate("", (2.82, middle), text.get_position(), arrowprops=out)
    for start, end in (((4.3, 3.42), (4.7, 3.42)), ((4.3, 1.12), (4.88, 2.7)), ((6.0, 2.55), (6.0, 2.05))):
        ax.annotate("", end, start, arrowprops=ARROW | {"shrinkA": 0, "shrinkB": 0})
    ax.text(6.1, 2.3, "softmax over\nall of the test", va="center", fontsize=8)
    return fig, figures.stack(numbers, "panel")


def draw_architecture(shape: BrainShape) -> Drawn:
    """Draw Extended Data Fig. 4: the brain module, and one of its blocks from near.

    Returns the channels of each layer, a row a layer, with the dilation of the convolutions.

    Raises
    ------
    ValueError : a module of which an ablation took something away.
    """
    whole = BrainShape(shape.n_outputs, shape.d1, shape.d2, shape.n_blocks, activation=shape.activation)
    parts = ("subject", "spatial_attention", "initial_conv", "skip", "glu", "final_convs")
    lost = [name for name in parts if getattr(shape, name) != getattr(whole, name)]
    if lost:
        raise ValueError(f"the figure shows the whole module; this one differs from it in {lost}")
    d1, d2, bend = shape.d1, shape.d2, {"gelu": "GELU", "relu": "ReLU"}[shape.activation]
    fig, ax = _canvas(3.4)
    module: list[tuple[str, int | str]] = [
        ("X", "C"), ("spatial\nattention", d1), ("1×1\nconv.", d1), ("subject\nlayer", d1),
        (f"{shape.n_blocks}\nblocks", d2), (f"1×1 conv.,\n{bend}", 2 * d2), ("1×1\nconv.", shape.n_outputs),
        ("Z", ""),
    ]  # fmt: skip
    blocks = _chain(ax, (0.3, 1.15, 2.1, 2.95, 3.8, 4.8, 5.85, 6.8), 3.0, module)[4]
    normed = f"batch\nnorm.,\n{bend}"
    block: list[tuple[str, int | str]] = [
        ("from\nbefore", ""), ("conv. 3,\ndilation\na", d2), (normed, d2), ("+", d2),
        ("conv. 3,\ndilation\nb", d2), (normed, d2), ("+", d2), ("conv. 3", 2 * d2), ("GLU", d2),
    ]  # fmt: skip
    first, *_, last = _chain(ax, (0.4, 1.3, 2.15, 2.85, 3.6, 4.45, 5.15, 5.95, 6.75), 1.15, block)
    for left, right in ((0.84, 2.85), (3.03, 5.15)):
        loop: Any = ARROW
        way = Path([(left, 1.15), (left, 1.62), (right, 1.62), (right, 1.27)])
        ax.add_patch(FancyArrowPatch(path=way, mutation_scale=9, ls="--", **loop))
        words = "added, but not in block 1" if left < 1 else "added"
        ax.text((left + right) / 2, 1.66, words, ha="center", va="bottom", fontsize=8)
    for end in (first, last):
        x, top = end.get_position()[0], blocks.get_position()[0]
        ax.plot([top, x], [2.5, 1.95], color="0.6", lw=0.8, ls=":")
    pairs = [(2 ** (2 * k % DILATIONS), 2 ** ((2 * k + 1) % DILATIONS)) for k in range(shape.n_blocks)]
    listed = ";  ".join(f"{a}, {b}" for a, b in pairs)
    under = f"Under the boxes: channels. Dilations a, b of the blocks:  {listed}"
    ax.text(figures.WIDTH / 2, 0.2, under, ha="center", va="center", fontsize=8)
    rows: list[tuple] = [
        ("spatial attention", np.nan, d1, np.nan),
        ("initial conv", d1, d1, 1),
        ("subject layer", d1, d1, np.nan),
    ]
    for k, dilations in enumerate(pairs):
        for i, dilation in enumerate(dilations):
            rows.append((f"block {k + 1}, conv {'ab'[i]}", d2 if k + i else d1, d2, dilation))
        rows.append((f"block {k + 1}, gated conv", d2, 2 * d2, 1))
    rows += [("final conv 1", d2, 2 * d2, 1), ("final conv 2", 2 * d2, shape.n_outputs, 1)]
    return fig, pd.DataFrame(rows, columns=["layer", "n_in", "n_out", "dilation"])


def draw_main(
    accuracy: pd.DataFrame, chance: Mapping[str, float], rng: np.random.Generator, brains: str = "simulated"
) -> Drawn:
    """Draw Table 2: top-10 accuracy of four models and of chance, beside the paper's.

    accuracy : columns dataset, model (of TABLE_2, without "random"), seed (two or more) and top10.
    chance : share by dataset; there is a panel for each. The paper's error is its standard deviation.
    brains : what the legend calls those of accuracy.

    Raises
    ------
    ValueError : a data set that is none of SETS, one without chance, or a model without two seeds.
    """
    _all_known("data sets", chance, SETS)
    _all_known("data sets", accuracy.dataset, chance)
    n_rows = (len(chance) + 1) // 2
    fig, axes = plt.subplots(
        n_rows, min(2, len(chance)), figsize=(figures.WIDTH, 0.4 + 2.3 * n_rows),
        sharey=True, squeeze=False,
    )  # fmt: skip
    for ax in axes.flat[len(chance) :]:
        ax.remove()
    figures.letter(axes.flat[: len(chance)])
    numbers = {}
    places = np.arange(len(MODELS))
    for ax, (dataset, level) in zip(axes.flat, chance.items(), strict=False):
        rows = accuracy[accuracy.dataset == dataset]
        values = {name: _percent(rows.top10[rows.model == name]) for name in list(MODELS)[1:]}
        short = [name for name, seeds in values.items() if len(seeds) < 2]
        if short:
            raise ValueError(f"{dataset}: two seeds or more are needed; there are fewer of {short}")
        ours = figures.groups(ax, values, LOOKS["ours"], rng, at=places[1:] - 0.2, beside=0.2, label=brains)
        ax.plot(0, 100 * level, LOOKS["ours"]["marker"], color=LOOKS["ours"]["color"], ms=5, clip_on=False)
        ax.axhline(100 * level, **ZERO, label=f"chance, {brains}")
        drawn = [("random", "estimate", 100 * level, np.nan, np.nan)]
        for x, (name, printed) in zip(places, TABLE_2.items(), strict=True):
            mean, sd = printed[SETS.index(dataset)]
            figures.paper(ax, x + 0.27, mean, sd)
            drawn.append((name, "paper", mean, mean - sd, mean + sd))
        ax.set_xticks(places, list(MODELS.values()))
        ax.set(ylim=(-4, 100), title=f"{dataset} ({KINDS[dataset]})")
        numbers[dataset] = pd.concat([pd.DataFrame(drawn, columns=ours.columns), ours], ignore_index=True)
    for ax in axes[:, 0]:
        ax.set_ylabel(ACCURACY)
    _legend_above(fig, axes[0, 0])
    return fig, figures.stack(numbers, "dataset")


def draw_ablations(ours: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw the ablations: top-10 accuracy minus the reference's, beside the paper's mean of four data sets.

    ours : columns variant (of ABLATIONS), item (a subject or a seed; two or more) and difference (a share).
        The two last variants of ABLATIONS have a panel and a scale of their own. A variant that is not in
        the table is drawn with the paper's value only.

    Raises
    ------
    ValueError : a variant that is none of ABLATIONS.
    """
    _all_known("variants", ours.variant, ABLATIONS)
    names = list(ABLATIONS)
    n_small = len(names) - N_LARGE
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.1), width_ratios=[n_small, N_LARGE + 0.4])
    figures.letter(axes)
    numbers = {}
    for ax, panel, shown in zip(axes, "AB", (names[:n_small], names[n_small:]), strict=True):
        table = {name: _percent(ours.difference[ours.variant == name]) for name in shown}
        table = {name: items for name, items in table.items() if len(items)}
        at = np.array([shown.index(name) for name in table])
        drawn = figures.groups(ax, table, LOOKS["ours"], rng, at=at - 0.25, beside=0.22, label="simulated")
        printed = []
        for x, name in enumerate(shown):
            figures.paper(ax, x + 0.25, ABLATIONS[name][2])
            printed.append((name, "paper", ABLATIONS[name][2], np.nan, np.nan))
        ax.axhline(0, **ZERO)
        ax.set_xticks(range(len(shown)), [VARIANTS[name] for name in shown])
        ax.set_xlim(-0.6, len(shown) - 0.4)
        numbers[panel] = pd.concat([drawn, pd.DataFrame(printed, columns=drawn.columns)], ignore_index=True)
    axes[0].set_ylabel("top-10 accuracy minus\nreference (points)")
    axes[1].set_ylabel("difference (points)")
    axes[1].set_ylim(top=max(2, axes[1].get_ylim()[1]))
    _legend_above(fig, axes[0])
    return fig, figures.stack(numbers, "panel")


def draw_subjects(
    per_subject: pd.DataFrame, curve: pd.DataFrame, control: pd.DataFrame, rng: np.random.Generator
) -> Drawn:
    """Draw accuracy by participant, and of a fixed group of listeners against who else is trained on.

    per_subject : columns dataset, subject and top10. The paper's diamonds are its ablations' reference, with
        the standard error over subjects.
    curve : columns n_subjects, seed and top10. control : the same, where those added hear
        something else.

    Raises
    ------
    ValueError : a data set that is none of SETS.
    """
    datasets = list(dict.fromkeys(per_subject.dataset))
    _all_known("data sets", datasets, SETS)
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.0))
    figures.letter((left, right))
    values = {
        f"{name}\n({KINDS[name]})": _percent(per_subject.top10[per_subject.dataset == name])
        for name in datasets
    }
    places = np.arange(len(datasets))
    drawn = figures.groups(left, values, LOOKS["ours"], rng, at=places - 0.2, beside=0.2, label="simulated")
    printed = []
    for x, name in enumerate(datasets):
        i = ABLATION_SETS.index(name)
        mean, sem = ABLATIONS["reference"][0][i][0], SUBJECT_SEM[i]
        figures.paper(left, x + 0.25, mean, sem)
        printed.append((f"{name} ({KINDS[name]})", "paper", mean, mean - sem, mean + sem))
    left.set_xticks(places, list(values))
    left.set(ylabel=ACCURACY, ylim=(0, 100), xlim=(-0.5, len(datasets) - 0.5))
    handles, labels = _once(left)
    left.legend(handles, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    by_number = {
        "same story": (curve, "ours"),
        "other story": (control, "control"),
    }
    numbers = {
        f"B, {name}": _curve(right, table, "n_subjects", look, name, rng)
        for name, (table, look) in by_number.items()
    }
    right.set(xlabel="listeners trained on (number)", ylabel="top-10 accuracy,\nfixed group (%)")
    right.set(xticks=sorted(curve.n_subjects.unique()), ylim=(0, None))
    figures.legend(right, handlelength=3)
    drawn = pd.concat([drawn, pd.DataFrame(printed, columns=drawn.columns)], ignore_index=True)
    return fig, figures.stack({"A": drawn, **numbers}, "panel")


def draw_kinds(meg_eeg: pd.DataFrame, shift: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw MEG against EEG over the strength of the sources, and accuracy against the shift for two brains.

    The source has numbers of the paper for neither, so there are no diamonds.

    meg_eeg : columns kind ("MEG", "EEG"), strength_nam, subject and top10.
    shift : columns shift_ms, delay ("planted" or "immediate" responses), seed and top10.

    Raises
    ------
    ValueError : another kind or delay.
    """
    _all_known("kinds", meg_eeg.kind, ("MEG", "EEG"))
    _all_known("delays", shift.delay, ("planted", "immediate"))
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9))
    figures.letter((left, right))
    numbers = {}
    for kind, look in (("MEG", "ours"), ("EEG", "other")):
        rows = meg_eeg[meg_eeg.kind == kind]
        numbers[f"A, {kind}"] = _curve(left, rows, "strength_nam", look, kind, rng)
    for delay, look, label in (("planted", "ours", "planted delays"), ("immediate", "control", "no delays")):
        rows = shift[shift.delay == delay]
        numbers[f"B, {delay}"] = _curve(right, rows, "shift_ms", look, label, rng)
    left.set(xlabel="strength of a source (nA m)", ylabel=ACCURACY, ylim=(0, 100))
    left.set_xticks(sorted(meg_eeg.strength_nam.unique()))
    right.set(xlabel="shift of the brain's window (ms)", ylabel=ACCURACY, ylim=(0, None))
    for ax in (left, right):
        figures.legend(ax, handlelength=3)
    return fig, figures.stack(numbers, "panel")


def draw_examples(examples: Sequence[Mapping[str, Any]]) -> Drawn:
    """Draw the best candidates of up to six test windows with their probabilities.

    examples : each with "true", the word at the window's onset; "words" and "p" (n,), those at the best
        candidates' onsets and the candidates' probabilities, the best first. A bar is marked where its word
        is the one that was heard, even at another place of the story.

    Raises
    ------
    ValueError : no example, or more than six.
    """
    if not 1 <= len(examples) <= 6:
        raise ValueError(f"{len(examples)} examples: the page holds one to six")
    n_rows = 1 if len(examples) <= 3 else 2
    n_columns = -(-len(examples) // n_rows)
    size = (figures.WIDTH, 0.5 + 1.6 * n_rows)
    fig, axes = plt.subplots(n_rows, n_columns, figsize=size, sharex=True, squeeze=False)
    for ax in axes.flat[len(examples) :]:
        ax.remove()
    figures.letter(axes.flat[: len(examples)])
    numbers = {}
    for i, (ax, example) in enumerate(zip(axes.flat, examples, strict=False)):
        words, p = np.asarray(example["words"]), np.asarray(example["p"])
        right = words == example["true"]
        numbers[f"{i + 1}, {example['true']}"] = _bars(ax, words, p, right)
        ax.set_title(f"heard: {example['true']}" + ("" if right.any() else "\n(missed)"))
        if i + n_columns >= len(examples):
            ax.set_xlabel("probability")
            ax.tick_params(labelbottom=True)
    # Room for the numbers at the ends of the bars.
    axes[0, 0].set_xlim(0, 1.25 * max(np.max(example["p"]) for example in examples))
    return fig, figures.stack(numbers, "window")


def draw_levels(r: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw how well levels of language predict the probability of the true word, for two brains.

    r : columns level, subject, r and brain ("reference" or "acoustic only"), levels in the order to draw.
        The source does not have the paper's values, so there are no diamonds.

    Raises
    ------
    ValueError : another brain.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.9))
    _all_known("brains", r.brain, ("reference", "acoustic only"))
    levels = list(dict.fromkeys(r.level))
    values = {
        brain: {
            level.replace(" ", "\n", 1): r.r[(r.level == level) & (r.brain == brain)].to_numpy()
            for level in levels
        }
        for brain in ("reference", "acoustic only")
    }
    numbers = figures.series(ax, values, (LOOKS["ours"], LOOKS["control"]), rng)
    ax.axhline(0, **ZERO)
    ax.set_ylabel("R, predicted probability\nof the true word")
    figures.legend(ax)
    return fig, numbers.rename(columns={"series": "brain", "group": "level"})


def _curve(
    ax: Axes, table: pd.DataFrame, x: str, look: str, label: str, rng: np.random.Generator
) -> pd.DataFrame:
    """Means of top10 with intervals along a column x, joined, and every item as a light mark."""
    rows: list[tuple] = []
    for at, items in table.groupby(x):
        values = _percent(items.top10)
        found = estimate(values, "", rng)
        rows += [(at, str(i), value, np.nan, np.nan) for i, value in enumerate(values)]
        rows.append((at, "estimate", found.value, found.low, found.high))
    numbers = pd.DataFrame(rows, columns=["group", "item", "value", "low", "high"])
    means = numbers[numbers.item == "estimate"]
    marks = numbers[numbers.item != "estimate"]
    ax.plot(marks.group, marks.value, ls="", ms=4, alpha=0.35, mew=0, **LOOKS[look])
    ax.errorbar(
        means.group, means.value, (means.value - means.low, means.high - means.value),
        ls=LINES[look], ms=5, capsize=2, label=label, **LOOKS[look],
    )  # fmt: skip
    return numbers


def _bars(ax: Axes, words: Iterable[str], p: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Words with bars of probability, the best above; the right ones are hatched and their words bold."""
    words = list(words)
    places = np.arange(len(words))
    bars = ax.barh(places, p, color="0.75", height=0.7)
    for bar, marked in zip(bars, right, strict=True):
        if marked:
            bar.set(facecolor=LOOKS["ours"]["color"], edgecolor="white", hatch="///")
    ax.set_yticks(places, words)
    for label, marked in zip(ax.get_yticklabels(), right, strict=True):
        label.set_fontweight("bold" if marked else "normal")
    for place, value in enumerate(p):
        ax.text(value, place, f" {value:.2f}", va="center", fontsize=8)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    return pd.DataFrame({"word": words, "value": p, "right": right})


def _sensors(ax: Axes, x: np.ndarray) -> pd.DataFrame:
    shown = np.unique(np.linspace(0, len(x) - 1, N_SENSORS).astype(int))
    time = np.linspace(0, WINDOW_S, x.shape[1])
    apart = 5 * np.median(x[shown].std(1))
    for i, sensor in enumerate(shown):
        ax.plot(time, x[sensor] - apart * i, color="0.2", lw=0.6)
    ax.set(ylabel=f"{len(shown)} of {len(x)} sensors", yticks=[], xlim=(0, WINDOW_S))
    return pd.DataFrame(
        {"row": np.repeat(shown, len(time)), "column": np.tile(time, len(shown)), "value": x[shown].ravel()}
    )


def _wave(ax: Axes, sound: np.ndarray) -> pd.DataFrame:
    """The sound's lowest and highest value in each of 300 pieces."""
    pieces = np.array_split(sound, 300)
    low, high = np.array([(piece.min(), piece.max()) for piece in pieces]).T
    time = WINDOW_S * (np.arange(300) + 0.5) / 300
    ax.fill_between(time, low, high, color="0.2", lw=0)
    ax.set(ylabel="pressure", yticks=[], xlim=(0, WINDOW_S))
    return pd.DataFrame({"column": np.tile(time, 2), "value": np.concatenate([low, high])})


def _cells(picture: np.ndarray) -> pd.DataFrame:
    row, column = np.indices(picture.shape).reshape(2, -1)
    return pd.DataFrame({"row": row, "column": column, "value": picture.ravel()})


def _canvas(height: float) -> tuple[Figure, Axes]:
    """A figure for a drawing in inches."""
    fig = plt.figure(figsize=(figures.WIDTH, height))
    fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, figures.WIDTH), ylim=(0, height))
    ax.set_axis_off()
    return fig, ax


def _inset(fig: Figure, place: tuple[float, float, float, float], height: float) -> Axes:
    """Axes at left, bottom, width and height [inches] of a canvas."""
    left, bottom, wide, high = place
    return fig.add_axes((left / figures.WIDTH, bottom / height, wide / figures.WIDTH, high / height))


def _box(ax: Axes, x: float, y: float, name: str) -> Text:
    return ax.text(x, y, name, ha="center", va="center", fontsize=8, bbox=BOX)


def _chain(ax: Axes, places: Sequence[float], y: float, nodes: Sequence[tuple[str, int | str]]) -> list[Text]:
    """Boxes at places with their channels under them, joined by arrows."""
    boxes = [_box(ax, x, y, name) for x, (name, _) in zip(places, nodes, strict=True)]
    for x, (_, channels) in zip(places, nodes, strict=True):
        ax.text(x, y - 0.36, str(channels), ha="center", va="top", fontsize=8)
    for one, two in pairwise(boxes):
        patches: Any = {"patchA": one.get_bbox_patch(), "patchB": two.get_bbox_patch()}
        ends = {"shrinkA": 0, "shrinkB": 0}
        ax.annotate("", two.get_position(), one.get_position(), arrowprops=ARROW | patches | ends)
    return boxes


def _once(ax: Axes) -> tuple[list, list[str]]:
    """Handles and labels of a legend in which each label stands once."""
    handles, labels = ax.get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    return list(found.values()), list(found)


def _legend_above(fig: Figure, ax: Axes) -> None:
    fig.legend(*_once(ax), loc="outside upper center", ncols=4)


def _percent(share: pd.Series) -> np.ndarray:
    if not share.between(-1, 1).all():
        raise ValueError(f"accuracies {share.min():.3g} to {share.max():.3g}: give shares, not percent")
    return 100 * share.to_numpy()


def _all_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    strange = sorted(set(names) - set(known))
    if strange:
        raise ValueError(f"{what} {strange}: unknown; expected some of {list(known)}")
