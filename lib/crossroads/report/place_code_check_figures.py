"""Figures of the place-code chapter beyond the paper: planted truth, controls, decoders, uncertainty, speed.

Functions return the figure and the numbers drawn, as in `place_code_figures`. Means carry 95 % intervals.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns
from matplotlib.axes import Axes

from crossroads.analyse.decoder_comparison import BIN_COUNTS, COMPARED
from crossroads.analyse.fisher import FisherInformation
from crossroads.analyse.hippocampus import information
from crossroads.analyse.saturation import fit_one_parameter, limited_information
from crossroads.data.calcium import KINDS as EVENT_KINDS
from crossroads.data.linear_track import FRAMES_PER_S, TRACK_CM, Session
from crossroads.report import figures
from crossroads.report.place_code_figures import REAL, SHUFFLED, Drawn, Result, draw_means

# Hollow, as it often lies on the real one.
DIAGONAL: dict[str, Any] = {"color": "#CC78BC", "marker": "^", "ls": ":", "mfc": "none"}
ALL_KINDS = {"real": REAL, "shuffled": SHUFFLED, "diagonal": DIAGONAL}
MARKS = [{"color": look["color"], "marker": look["marker"]} for look in ALL_KINDS.values()]
PLANTED: dict[str, Any] = {"color": "#4D4D4D", "ls": "-.", "lw": 1}
THEORY: dict[str, Any] = {"color": "black", "ls": "-", "lw": 1}
CONDITIONS: dict[str, figures.Look] = {
    "main": {"color": "black", "marker": "o"},
    "jitter": {"color": "#029E73", "marker": "s"},
    "speed": {"color": "#DE8F05", "marker": "D"},
    "circular": {"color": "#56B4E9", "marker": "p"},
    "detected": {"color": "#949494", "marker": "h"},
    "independent": {"color": "#CA9161", "marker": "^"},
    "gain": {"color": "#CC78BC", "marker": "v"},
    "low rank": {"color": "#555555", "marker": "X"},
    "low rank, orthogonal": {"color": "#0173B2", "marker": "P"},
}
STRAIGHT = 1e4  # cells; a larger N is drawn here
NO_FLOOR_CM = 1.0  # a lower floor is that of a code without limiting noise, and is not drawn for playing
N_DRAWN = 6  # of the compared decoders; the last is for the departures


def draw_truth(
    session: Session, start_s: float, errors: pd.DataFrame, found: FisherInformation, truth: np.ndarray,
    n_trials: Sequence[int],
) -> Drawn:  # fmt: skip
    """Draw the represented position, errors beside planted floors, and information beside the planted one.

    session, start_s : whose 16 s from there are shown. errors : columns condition and planted_floor,
        rms_real [cm], one row a recording. found, truth, n_trials : of `fisher_curve.recover_information`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 3.3), width_ratios=[1.25, 1, 1])
    figures.letter(axes)
    numbers = {}
    shown = slice(int(start_s * FRAMES_PER_S), int((start_s + 16) * FRAMES_PER_S))
    assert session.truth is not None
    for name, position, look in (
        ("true", session.position_cm, THEORY),
        ("represented", session.truth.represented_cm, {"color": REAL["color"], "ls": "--", "lw": 1.5}),
    ):
        time_s = np.arange(len(position[shown])) / FRAMES_PER_S
        axes[0].plot(time_s, position[shown], **look, label=name)
        numbers[f"A, {name}"] = pd.DataFrame({"x": time_s, "value": position[shown]})
    axes[0].set(xlabel="time (s)", ylabel="position (cm)", yticks=[0, 60, 120], xlim=(0, 16))
    figures.legend(axes[0])
    numbers["B"] = _draw_errors(axes[1], errors)
    for name, values, look in (
        ("naive", found.naive, SHUFFLED), ("bias removed", found.corrected, REAL),
    ):  # fmt: skip
        numbers[f"C, {name}"] = draw_means(axes[2], np.asarray(n_trials), values.T, look, label=name)
    axes[2].axhline(truth[:, 0].mean(), **PLANTED, label="planted")
    axes[2].set(xscale="log", yscale="log", xlabel="trials a place", ylabel="Fisher information (cm⁻²)")
    axes[2].set_xticks(n_trials, [f"{n}" for n in n_trials])
    axes[2].set_xticks([], minor=True)
    axes[2].legend()
    numbers["C, planted"] = pd.DataFrame({"x": n_trials, "value": truth[:, 0].mean()})
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig, figures.stack(numbers, "panel")


def _draw_errors(ax: Axes, errors: pd.DataFrame) -> pd.DataFrame:
    table = errors[["condition", "planted_floor", "rms_real"]].set_axis(["condition", "x", "value"], axis=1)
    line = np.array([0, 1.1 * max(table.x.max(), table.value.max())])
    ax.fill_between(line, line, 1.25 * line, color="0.9", label="up to 25 % above the floor")
    ax.plot(line, line, **PLANTED)
    for condition, rows in table.groupby("condition", sort=False):
        look = CONDITIONS[str(condition)]
        ax.plot(rows.x, rows.value, look["marker"], color=look["color"], ms=4.5, mew=0, label=condition)
    ax.set(xlabel="planted floor (cm)", ylabel="RMS error, all cells (cm)")
    ax.set(xlim=(0, 1.15 * table.x.max()), ylim=line)
    return table


def draw_detector(
    trace: np.ndarray,
    planted: np.ndarray,
    detected: np.ndarray,
    rates: pd.DataFrame,
    rng: np.random.Generator,
) -> Drawn:
    """Draw what the event detector finds in simulated fluorescence (no figure of the paper).

    trace, planted, detected : (n_frames,) of one cell: fluorescence, and sizes of the events. rates : columns
        kind, hit, false, one row a cell and kind; NaN where a cell has no event.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3), width_ratios=[1.2, 1])
    figures.letter((left, right))
    time_s = np.arange(len(trace)) / FRAMES_PER_S
    left.plot(time_s, trace, color="0.45", lw=0.8)
    numbers = {"A, fluorescence": pd.DataFrame({"x": time_s, "value": trace})}
    low, high = trace.min(), trace.max()
    for name, events, look, at in (
        ("planted event", planted, {"color": REAL["color"], "marker": "v"}, high + 0.2 * (high - low)),
        ("detected onset", detected, {"color": SHUFFLED["color"], "marker": "^"}, high + 0.08 * (high - low)),
    ):
        frames = np.flatnonzero(events)
        left.plot(time_s[frames], np.full(len(frames), at), ls="", ms=4, mew=0, **look, label=name)
        numbers[f"A, {name}"] = pd.DataFrame({"x": time_s[frames], "value": events[frames]})
    left.set(xlabel="time (s)", ylabel="fluorescence (average event = 1)", xlim=(0, time_s[-1]))
    by_rate = {
        name: {kind: rates[rates.kind == kind][column].dropna().to_numpy() for kind in EVENT_KINDS}
        for name, column in (("hit rate", "hit"), ("false rate", "false"))
    }
    looks = [{"color": REAL["color"], "marker": "o"}, {"color": SHUFFLED["color"], "marker": "s"}]
    numbers["B"] = figures.series(right, by_rate, looks, rng)
    right.set(xlabel="frames that hold the event", ylabel="share of the events", ylim=(0, 1.02))
    for ax in (left, right):
        figures.legend(ax)
    return fig, figures.stack(numbers, "panel")


def draw_conditions(decoded: Mapping[str, Sequence[Result]]) -> Drawn:
    """Draw information against cells under six conditions, for each kind of decoding (none of the paper).

    decoded : results of `decode_session`, one a recording, by condition.
    """
    fig, grid = plt.subplots(2, 3, figsize=(figures.WIDTH, 4.8), sharex=True, sharey=True)
    figures.letter(grid.flat)
    numbers, limits = {}, {}
    for ax, (condition, results) in zip(grid.flat, decoded.items(), strict=True):
        sizes, curves = _aligned(results)
        for i, (kind, look) in enumerate(ALL_KINDS.items()):
            numbers[f"{condition}, {kind}"] = draw_means(
                ax, sizes, [c[:, i] for c in curves], look, label=kind
            )
        limits[condition] = float(np.mean([d["floor"] ** -2.0 for d in results]))
        ax.axhline(limits[condition], **PLANTED, label="planted limit")
        ax.set_title(condition)
    measured = pd.concat(numbers.values()).value
    grid[0, 0].set(xscale="log", yscale="log", ylim=(0.4 * measured.min(), 2 * measured.max()))
    _size_ticks(grid[0, 0], sizes)
    for ax in grid[1]:
        ax.set_xlabel("number of cells")
    for ax in grid[:, 0]:
        ax.set_ylabel("1/MSE (cm⁻²)")
    fig.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    numbers["planted limit"] = pd.DataFrame({"condition": limits.keys(), "value": limits.values()})
    return fig, figures.stack(numbers, "panel")


def draw_fit_bias(fitted: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw fitted asymptotic errors beside planted floors (no figure of the paper).

    fitted : columns condition, decoder and planted_floor, fitted_asymptote, exponential_asymptote [cm], one
        row a recording; two recordings or more of each condition and decoder.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3), width_ratios=[1, 1.5])
    figures.letter((left, right))
    name = fitted.condition + ",\n" + fitted.decoder.str.upper()
    floor = fitted.planted_floor
    ratios, dots = {}, []
    looks: list[figures.Look] = [{"color": REAL["color"], "marker": "o"}, {"color": "#DE8F05", "marker": "D"}]
    asymptotes = {"hyperbola": fitted.fitted_asymptote, "exponential": fitted.exponential_asymptote}
    for (curve, values), look in zip(asymptotes.items(), looks, strict=True):
        left.plot(floor, values, look["marker"], color=look["color"], ms=4.5, mew=0, label=curve)
        dots.append(pd.DataFrame({"series": curve, "group": name, "x": floor, "value": values}))
        ratios[curve] = {key: those.to_numpy() for key, those in (values / floor).groupby(name, sort=False)}
    line = np.array([0.9 * floor.min(), 1.1 * floor.max()])
    left.plot(line, line, **PLANTED, label="equal")
    left.set(xlabel="planted floor (cm)", ylabel="fitted asymptotic error (cm)")
    drawn = figures.series(right, ratios, looks, rng)
    right.axhline(1, **PLANTED)
    right.set(ylabel="fitted error / planted floor", ylim=(0, None))
    figures.legend(left, ncols=3, handlelength=1)
    return fig, figures.stack({"A": pd.concat(dots), "B": drawn}, "panel")


def draw_grid(grid: Result, floor_cm: float) -> Drawn:
    """Draw the error of one session against cells, for growing numbers of runs (no figure of the paper).

    grid : result of `measure_grid`; floor_cm : planted in its recording.
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9), sharex=True, sharey=True)
    figures.letter(axes)
    colors = sns.color_palette("viridis", len(grid["n_runs"]) + 1).as_hex()
    numbers = {}
    for i, (ax, kind) in enumerate(zip(axes, ALL_KINDS, strict=False)):
        for n_runs, rms, color, marker in zip(
            grid["n_runs"], grid["rms"][..., i], colors, "osD^vP", strict=False
        ):
            ax.plot(grid["sizes"], rms, marker=marker, ms=4, lw=1.2, color=color, label=f"{n_runs} runs")
            numbers[f"{kind}, {n_runs} runs"] = pd.DataFrame({"x": grid["sizes"], "value": rms})
        ax.axhline(floor_cm, **PLANTED, label="planted floor")
        ax.set(title=kind, xlabel="number of cells", xscale="log", yscale="log")
    _size_ticks(axes[0], grid["sizes"])
    axes[0].set_yticks([5, 10, 20, 40], ["5", "10", "20", "40"])
    axes[0].set_yticks([], minor=True)
    axes[0].set_ylabel("RMS error (cm)")
    axes[1].tick_params(labelleft=True)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return fig, figures.stack(numbers, "panel")


def draw_decoders(compared: Sequence[Result], rng: np.random.Generator) -> Drawn:
    """Draw errors of other decoders and in other bins (no figure of the paper).

    compared : results of `compare_decoders`, one a recording.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.1), width_ratios=[2, 1], sharey=True)
    figures.letter((left, right))
    floor = np.array([float(c["floor"]) for c in compared])
    ways, widths = (np.stack([c[key] for c in compared], axis=1) for key in ("decoders", "bins"))
    names = [textwrap.fill(name, 10) for name in COMPARED][:N_DRAWN]
    by_decoder = {k: dict(zip(names, ways[:N_DRAWN, :, i], strict=True)) for i, k in enumerate(ALL_KINDS)}
    numbers = {"A": figures.series(left, by_decoder, MARKS, rng)}
    left.axhline(floor.mean(), **PLANTED, label="planted floor")
    left.set(ylabel="RMS error (cm)", ylim=(0, None))
    bin_cm = TRACK_CM / np.array(BIN_COUNTS)
    for i, (kind, look) in enumerate(ALL_KINDS.items()):
        numbers[f"B, {kind}"] = draw_means(right, bin_cm, widths[..., i].T, look)
    with_bins = np.sqrt(np.mean(floor**2) + bin_cm**2 / 12)
    right.plot(bin_cm, with_bins, **PLANTED)
    numbers["B, floor"] = pd.DataFrame({"x": bin_cm, "value": with_bins})
    right.set(xlabel="width of a bin (cm)", xticks=bin_cm, xlim=(0, None))
    right.tick_params(labelleft=True)
    figures.legend(left, ncols=4)
    return fig, figures.stack(numbers, "panel")


def draw_harm(harm: pd.DataFrame) -> Drawn:
    """Draw the saturation size against the mean noise correlation (no figure of the paper).

    harm : columns condition, correlation, n_half, low, high (its interval), one row a recording.
    """
    fig, ax = plt.subplots(figsize=(0.75 * figures.WIDTH, 3.2))
    for condition, rows in harm.groupby("condition", sort=False):
        look = CONDITIONS[str(condition)]
        n_half, low, high = (np.minimum(rows[c], STRAIGHT) for c in ("n_half", "low", "high"))
        ax.errorbar(
            rows.correlation, n_half, [n_half - low, high - n_half], fmt=look["marker"], color=look["color"],
            ms=5, mew=0, capsize=2, label=condition,
        )  # fmt: skip
    ax.set(xlabel="mean noise correlation", ylabel="N (cells to half of the limit)", yscale="log")
    ax.set_xscale("symlog", linthresh=3e-4, linscale=0.5)
    ax.set_xticks([0, 1e-3, 1e-2, 1e-1], ["0", "0.001", "0.01", "0.1"])
    ax.set_xticks([], minor=True)
    ax.set_yticks([100, 1000, STRAIGHT], ["100", "1000", "≥ 10⁴"])
    fig.legend(*ax.get_legend_handles_labels(), loc="outside right upper")
    return fig, harm


def draw_hierarchy(
    sizes: np.ndarray, curve: np.ndarray, curves: Mapping[str, np.ndarray], fitted: Mapping[str, np.ndarray]
) -> Drawn:
    """Draw how sure curve and fit are, by two kinds of bootstrap (no figure of the paper).

    sizes, curve : (n_sizes,) cells and information [cm^-2]. curves : (n_boot, n_sizes) of each bootstrap, by
        its name. fitted : N and asymptotic error [cm], (1 + n_boot, 2), those of `curve` in the first row.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.9), width_ratios=[1.7, 1, 1])
    figures.letter(axes)
    looks = ({"color": REAL["color"], "alpha": 0.25}, {"color": "#DE8F05", "alpha": 0.7})
    numbers = {}
    axes[0].plot(sizes, curve, "ko-", ms=3.5, lw=1)
    for (name, drawn), look in zip(curves.items(), looks, strict=True):
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        axes[0].fill_between(sizes, low, high, **look, lw=0, label=name)
        numbers[f"A, {name}"] = pd.DataFrame({"x": sizes, "value": curve, "low": low, "high": high})
    axes[0].set(xlabel="number of cells", ylabel="1/MSE (cm⁻²)", xlim=(0, None), ylim=(0, None))
    for i, (ax, label) in enumerate(zip(axes[1:], ("N (cells)", "asymptotic error (cm)"), strict=True)):
        for x, ((name, found), look, marker) in enumerate(zip(fitted.items(), looks, "os", strict=True)):
            value = found[0, i]
            low, high = np.quantile(found[1:, i], [0.025, 0.975])
            ax.errorbar(x, value, [[value - low], [high - value]], fmt=marker, color=look["color"], capsize=3)
            numbers[f"{'BC'[i]}, {name}"] = pd.DataFrame({"value": [value], "low": low, "high": high})
        ax.set(ylabel=label, xlim=(-0.6, 1.6), ylim=(0, None))
        ax.set_xticks(range(len(fitted)), [name.replace(" ", "\n") for name in fitted])
    figures.legend(axes[0])
    return fig, figures.stack(numbers, "panel")


def draw_fisher(found: Mapping[str, Result]) -> Drawn:
    """Draw bias-corrected Fisher information against cells, one panel a session (no figure of the paper).

    found : results of `measure_fisher`, by name.
    """
    fig, axes = plt.subplots(1, len(found), figsize=(figures.WIDTH, 3.1))
    figures.letter(axes)
    numbers = {}
    for ax, (name, result) in zip(axes, found.items(), strict=True):
        n, limit = result["sizes"], float(result["floor"]) ** -2
        for kind in ("real", "shuffled"):
            numbers[f"{name}, {kind}"] = draw_means(ax, n, result[kind].T, ALL_KINDS[kind], label=kind)
        real, shuffled = result["real"].mean(1), result["shuffled"].mean(1)
        predicted = limited_information(shuffled, 1 / limit)
        bent = shuffled / (1 + fit_one_parameter(n, real, shuffled)[0] * n)
        ax.plot(n, predicted, **THEORY, label="I / (1 + ε I), ε = floor²")
        ax.plot(n, bent, color="#777777", ls=":", lw=1.5, label="shuffled / (1 + n / N), N fitted")
        ax.axhline(limit, **PLANTED, label="planted limit, 1 / ε")
        ax.set(title=name, xlabel="number of cells", xlim=(0, None))
        ax.set_ylim(0, 1.2 * max(real.max(), shuffled.max()))
        numbers[f"{name}, lines"] = pd.DataFrame({"x": n, "value": predicted, "one_parameter": bent})
    axes[0].set_ylabel("Fisher information (cm⁻²)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig, figures.stack(numbers, "panel")


def draw_confound(
    lag: pd.DataFrame, delay_s: float, rms: Mapping[str, np.ndarray], rng: np.random.Generator
) -> Drawn:
    """Draw what running speed does to the code, and what is left without it (no figure of the paper).

    lag : columns speed [cm/s] and shift [cm], one row a run: represented minus true position, positive where
        it is ahead; delay_s : of the burst kernel. rms : (n_recordings, 2 kinds) real and shuffled, by group.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.9), width_ratios=[1, 1.6])
    figures.letter((left, right))
    left.plot(lag.speed, lag["shift"], "o", ms=3, mew=0, alpha=0.5, color=REAL["color"], label="run")
    speed = np.array([0, 1.05 * lag.speed.max()])
    left.plot(speed, -delay_s * speed, **PLANTED, label=f"{delay_s:.2f} s behind")
    left.set(xlabel="speed (cm/s)", ylabel="represented − true (cm)", xlim=(0, None), ylim=(None, 0))
    by_kind = {k: {name: v[:, i] for name, v in rms.items()} for i, k in enumerate(("real", "shuffled"))}
    drawn = figures.series(right, by_kind, MARKS[:2], rng)
    right.set(ylabel="RMS error, all cells (cm)", ylim=(0, None))
    for ax in (left, right):
        figures.legend(ax)
    dots = lag.rename(columns={"speed": "x", "shift": "value"})
    return fig, figures.stack({"A": dots, "B": drawn}, "panel")


def play_traces(
    decoded: Mapping[tuple[str, ...], Result], names: Sequence[str]
) -> tuple[dict[tuple[str, ...], list[go.Scatter]], pd.DataFrame]:
    """Traces for `play.curves`, and their numbers: errors of real and shuffled data, and what theory expects.

    decoded : results of `decode_session` with planted floors, by the positions of the sliders; one more, for
        the number of cells that is marked, comes last. names : of the sliders given, for the numbers.

    Limiting noise of variance floor^2 makes I / (1 + floor^2 I) of the information I = 1/MSE of the shuffled
    data: the squared errors add.
    """
    traces, rows = {}, []
    for key, found in decoded.items():
        n, floor = found["sizes"], float(found["floor"])
        level = floor if floor > NO_FLOOR_CM else np.nan
        real, shuffled, _ = information(found).T
        expected = limited_information(shuffled, floor**2)
        real, shuffled, expected = (values**-0.5 for values in (real, shuffled, expected))
        curves = [
            _trace(n, real, "real", REAL, "solid", "circle"),
            _trace(n, shuffled, "shuffled", SHUFFLED, "dash", "square"),
            _trace(n, expected, "shuffled and floor, added", THEORY, "dot", "x"),
            _trace(n, np.full(len(n), level), "planted floor", PLANTED, "dashdot", ""),
        ]
        for i, size in enumerate(n):
            ring = go.Scatter(x=n, y=np.where(n == size, real, np.nan), mode="markers", name="these cells")
            ring.update(marker={"symbol": "circle-open", "size": 16, "color": "black", "line_width": 2})
            traces[(*key, str(size))] = [*curves, ring]
            rows.append((*key, size, floor, real[i], shuffled[i], expected[i]))
    columns = [*names, "cells", "floor_cm", "real_cm", "shuffled_cm", "expected_cm"]
    return traces, pd.DataFrame(rows, columns=columns)


def _trace(
    n: np.ndarray, values: np.ndarray, name: str, look: Mapping[str, Any], dash: str, symbol: str
) -> go.Scatter:
    mode = "lines+markers" if symbol else "lines"
    line = {"dash": dash, "color": look["color"]}
    return go.Scatter(x=n, y=values, name=name, mode=mode, line=line, marker={"symbol": symbol or None})


def _aligned(results: Sequence[Result]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sizes and information (n_sizes, 3) of the recordings; no "all cells" where these differ in number."""
    stop = None if len({int(d["sizes"][-1]) for d in results}) == 1 else -1
    return max((d["sizes"][:stop] for d in results), key=len), [information(d)[:stop] for d in results]


def _size_ticks(ax: Axes, sizes: np.ndarray) -> None:
    """A logarithmic axis of cell numbers, marked at some of them."""
    ticks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if sizes[0] <= n <= sizes[-1]]
    ax.set_xticks(ticks, [f"{n}" for n in ticks])
    ax.set_xticks([], minor=True)
