"""Figures 3 to 5 of the place-code paper (Hazon et al. 2022): where noise points, and for whom it matters.

Functions take results of `analyse.hippocampus.measure_geometry`, one a session, and return the figure and the
numbers drawn, as in `place_code_figures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from crossroads.analyse.hippocampus import NOISE, session_snr
from crossroads.analyse.noise_geometry import asymptotic_snr, growth, loading_area
from crossroads.analyse.saturation import limited_information
from crossroads.report import figures
from crossroads.report.place_code_figures import (
    BIN_CM,
    BINS_CM,
    IN_95,
    KINDS,
    REAL,
    Drawn,
    Result,
    as_table,
    draw_means,
    legend_above,
)

SIGNAL: dict[str, Any] = {"color": "black", "marker": "v", "ls": "-"}
LEAST: dict[str, Any] = {"color": "#A6611A", "marker": "o", "ls": "-"}
MOST: dict[str, Any] = {"color": "#404040", "marker": "D", "ls": "--"}
BOUNDARIES = np.arange(1.5, 20)
AREA_MODES = 30
SHOWN_MODES = 50
UNEQUAL = "norm. signal variance"
OUTLIER = 7  # the paper drops ratios of SNRs from here on
WIDTH_BINS_CM = list(np.arange(0, 121, 11.8))  # two bins of the published scripts


def draw_scores(real: np.ndarray, shuffled: np.ndarray, rightward: np.ndarray) -> Drawn:
    """Draw Fig. 3A, B: responses in the plane that tells most about place; signal and noise (our drawing).

    real, shuffled : scores (n_runs, 20, 2) of `analyse.noise_geometry.pls_scores`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.8), width_ratios=[1, 1, 1.05])
    figures.letter(axes, ["A", "", "B"])
    axes[1].sharex(axes[0])
    axes[1].sharey(axes[0])
    numbers = {}
    for ax, (name, scores) in zip(axes, {"real": real, "shuffled": shuffled}.items(), strict=False):
        for way, marker, runs in (("rightward", "o", rightward), ("leftward", "^", ~rightward)):
            x, y = scores[runs].reshape(-1, 2).T
            place = np.tile(BINS_CM, runs.sum())
            dots = ax.scatter(x, y, s=6, c=place, marker=marker, lw=0, vmin=0, vmax=120)
            numbers[f"A, {name}, {way}"] = pd.DataFrame({"position_cm": place, "x": x, "value": y})
        ax.set(title=name, xlabel="PLS 1 (a.u.)")
    axes[0].set_ylabel("PLS 2 (a.u.)")
    axes[1].tick_params(labelleft=False)
    fig.colorbar(dots, ax=axes[:2], label="position (cm)", ticks=[0, 60, 120])
    _draw_directions(axes[2])
    return fig, figures.stack(numbers, "panel")


def draw_signal_noise(shapes: Mapping[str, Result]) -> Drawn:
    """Draw Fig. 3C-E: signal and noise along the direction between places, and their ratio, by ensemble size.

    shapes : by the name of the session; one column each, three at most.
    """
    fig, grid = plt.subplots(
        3, len(shapes), figsize=(figures.WIDTH, 5.4), sharex=True, sharey="row", squeeze=False
    )
    figures.letter(grid[:, 0], "CDE")
    numbers = {}
    for column, (name, shape) in zip(grid.T, shapes.items(), strict=True):
        n, signal = shape["sizes"], _median_of_pairs(shape["signal"])
        numbers[f"C, {name}"] = draw_means(column[0], n, signal.T, SIGNAL)
        for kind, look in KINDS.items():
            noise = _median_of_pairs(shape[NOISE[kind]])
            numbers[f"D, {name}, {kind}"] = draw_means(column[1], n, noise.T, look)
            numbers[f"E, {name}, {kind}"] = draw_means(column[2], n, (signal / noise).T, look, label=kind)
        if np.isfinite(shape["floor"]):
            limit = (BIN_CM / shape["floor"]) ** 2
            column[2].axhline(limit, color="0.45", ls="-.", lw=1, label="planted limit")
        column[0].set_title(name)
        column[2].set_xlabel("number of cells")
    for ax, quantity in zip(
        grid[:, 0], ("signal (events²)", "noise (events²)", "signal / noise"), strict=True
    ):
        ax.set(ylabel=quantity, ylim=(0, None), xlim=(0, None))
    fig.align_ylabels(grid[:, 0])
    legend_above(fig, grid[2, 0])
    return fig, figures.stack(numbers, "panel")


def draw_slopes(shapes: Sequence[Result]) -> Drawn:
    """Draw Fig. 3F-H: growth of signal and noise with the number of cells, and their ratio, by place.

    One value a session and boundary of rightward runs; medians and quartiles over sessions. Where noise does
    not grow there is no ratio; column n of the numbers counts the sessions that have one.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.7))
    figures.letter(axes, "FGH")
    numbers = {}
    rightward = [
        {key: shape[key].mean(1)[:, 0] for key in ("signal", *NOISE.values())} | {"sizes": shape["sizes"]}
        for shape in shapes
    ]
    slopes = [growth(s["sizes"], s["signal"]) for s in rightward]
    numbers["F"] = _draw_medians(axes[0], BOUNDARIES, slopes, SIGNAL)
    for kind, look in KINDS.items():
        slopes = [growth(s["sizes"], s[NOISE[kind]]) for s in rightward]
        numbers[f"G, {kind}"] = _draw_medians(axes[1], BOUNDARIES, slopes, look)
        snr = np.array([asymptotic_snr(s["sizes"], s["signal"], s[NOISE[kind]]) for s in rightward])
        grows = np.where(snr > 0, snr, np.nan)
        numbers[f"H, {kind}"] = _draw_medians(axes[2], BOUNDARIES, grows, look, label=kind)
    for ax, quantity in zip(
        axes,
        ("slope of signal (events²/cell)", "slope of noise (events²/cell)", "asymptotic SNR"),
        strict=True,
    ):
        ax.set(xlabel="boundary between bins", ylabel=quantity, xticks=[1, 5, 10, 15, 20])
    axes[0].set_ylim(0, None)
    axes[1].axhline(0, color="0.7", lw=0.8, zorder=0)
    axes[2].set_yscale("log")
    figures.legend(axes[2])
    return fig, figures.stack(numbers, "panel")


def draw_modes(shapes: Sequence[Result], mice: Sequence[Result], rng: np.random.Generator) -> Drawn:
    """Draw Fig. 4: noise modes, their discriminability, their alignment with the signal, and what it costs.

    shapes : of the sessions of panels A and B; mice : of panel C, one a mouse. rng : for the band of C.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.8))
    figures.letter(axes)
    numbers = {}
    for name, key, look in (
        ("training", "snr_train", {"color": "0.4", "ls": ":"}),
        ("held out", "snr_held_out", {"color": REAL["color"], "ls": "-"}),
    ):
        modes = np.arange(1, 1 + max(len(shape[key]) for shape in shapes))
        numbers[f"A, {name}"] = _draw_band(axes[0], modes, [shape[key] for shape in shapes], look, label=name)
    held_out = numbers["A, held out"].value
    reached = np.flatnonzero(held_out.cumsum() >= 0.95 * held_out.sum())[0] + 1
    for x, line, name in ((held_out.idxmax() + 1, "-", "best mode"), (reached, "--", "95 % of the sum")):
        axes[0].axvline(x, color="black", ls=line, lw=0.8, label=name)
        numbers[f"A, {name}"] = pd.DataFrame({"x": [x]})
    axes[0].set(xlabel="noise mode", ylabel="SNR along the mode (d′²)", ylim=(0, None))
    for kind, key in (("real", "loadings"), ("shuffled", "loadings_shuffled")):
        medians = [np.median(shape[key], axis=(0, 1))[:SHOWN_MODES] for shape in shapes]
        modes = np.arange(1, 1 + max(map(len, medians)))
        numbers[f"B, {kind}"] = _draw_medians(
            axes[1], modes, medians, KINDS[kind] | {"marker": ""}, label=kind
        )
    real, shuffled = (numbers[f"B, {kind}"][:AREA_MODES] for kind in KINDS)
    axes[1].fill_between(real.x, shuffled.value, real.value, color="0.85", lw=0, label="area", zorder=0)
    axes[1].set(xlabel="noise mode", ylabel="cos² with the signal", ylim=(0, None))
    areas = [loading_area(mouse["loadings"], mouse["loadings_shuffled"], AREA_MODES) for mouse in mice]
    limits = [session_snr(mouse) for mouse in mice]
    numbers["C"] = _draw_regression(axes[2], np.array(areas), np.array(limits), rng)
    axes[2].set(xlabel="area between the curves of B", ylabel="asymptotic SNR")
    legend_above(fig, *axes[:2])
    return fig, figures.stack(numbers, "panel")


def draw_theory(
    spreads: tuple[float, float], n_cells: int, cell_snr: float, limit: float, rng: np.random.Generator
) -> Drawn:
    """Draw panels for Fig. 5A-D, our own: what unequal cells do to a code, in populations drawn at random.

    From one place to the next the mean of cell i changes by exp(spread z_i), z normal, and its variance
    follows its mean: exp(spread z_i) / cell_snr. Along the change of all means, dmu, n such cells have the
    shuffled SNR (sum dmu_i^2)^2 / sum dmu_i^2 var_i, about n cell_snr exp(-spread^2 / 2); with the best
    weights they would have n cell_snr exp(spread^2 / 2). The shares of the signal, dmu_i^2 / sum_j dmu_j^2,
    have the variance (exp(4 spread^2) - 1) / n_cells^2 if n_cells is large.

    Parameters
    ----------
    spreads : of the two populations of A, C and D. limit : SNR of infinitely many cells with limiting noise.
    """
    fig, grid = plt.subplots(2, 2, figsize=(figures.WIDTH, 4.6))
    figures.letter(grid.flat)
    share_ax, variance_ax, snr_ax, ratio_ax = grid.flat
    n = np.arange(1, n_cells + 1)
    numbers = {}
    for spread, look in zip(spreads, (LEAST, MOST), strict=True):
        size = np.exp(spread * rng.standard_normal((200, n_cells)))
        share = np.sort(size**2 / (size**2).sum(1, keepdims=True), axis=1)[:, ::-1]
        snr = cell_snr * (size**2).cumsum(1) ** 2 / (size**3).cumsum(1)
        ratio = limited_information(snr, 1 / limit) / snr
        marks = look | {"marker": "", "label": f"spread {spread:g}"}
        for ax, letter, values in ((share_ax, "A", 100 * share), (snr_ax, "C", snr), (ratio_ax, "D", ratio)):
            numbers[f"{letter}, {spread:g}"] = _draw_range(ax, n, values, marks)
        best = n * cell_snr * np.exp(spread**2 / 2)
        snr_ax.plot(n, best, color=look["color"], ls=":", label=f"best weights, {spread:g}")
    x = np.linspace(0.1, max(spreads), 40)
    share = np.exp(2 * x[:, None] * rng.standard_normal((200, 1, n_cells)))
    share /= share.sum(2, keepdims=True)
    drawn = {"color": "black", "label": f"{n_cells} cells drawn"}
    numbers["B"] = _draw_range(variance_ax, x, share.var(2), drawn)
    variance_ax.plot(x, np.expm1(4 * x**2) / n_cells**2, "k:", label="expected of many")
    share_ax.set(xlabel="cell, by rank", ylabel="share of the signal (%)", xscale="log", yscale="log")
    variance_ax.set(xlabel="spread (SD of log |Δμ|)", ylabel=UNEQUAL, yscale="log")
    snr_ax.set(xlabel="number of cells", ylabel="shuffled SNR", ylim=(0, None))
    ratio_ax.set(xlabel="number of cells", ylabel="SNR, real / shuffled", ylim=(0, 1))
    for ax in (share_ax, variance_ax, ratio_ax):
        figures.legend(ax)
    handles, labels = snr_ax.get_legend_handles_labels()
    snr_ax.legend(handles[1::2], labels[1::2], loc="upper left")
    return fig, figures.stack(numbers, "panel")


def draw_heterogeneity(mice: Sequence[Result], rng: np.random.Generator) -> Drawn:
    """Draw Fig. 5E-I: how unequal the cells of mice are, and how much the mice lose to noise correlations.

    mice : one session each; E, G and H show those with the smallest and largest normalized signal variance.
    rng : for the bands of F and I. I leaves out ratios of 7 and more, as the paper does, and negative ones.
    """
    fig, panels = plt.subplot_mosaic("EEFFGG;HHHIII", figsize=(figures.WIDTH, 5))
    figures.letter(panels.values(), "EFGHI")
    unequal = np.array([mouse["signal_variance"].mean() for mouse in mice])
    two = {"least": mice[int(unequal.argmin())], "most": mice[int(unequal.argmax())]}
    numbers = _draw_two_mice(panels, two)
    legend_above(fig, panels["E"], panels["G"])
    variance = np.array([np.nanvar(mouse["widths_cm"], ddof=1) for mouse in mice])
    numbers["F"] = _draw_regression(panels["F"], 1e4 * unequal, variance, rng)
    ratio = np.array([session_snr(mouse) / session_snr(mouse, "shuffled") for mouse in mice])
    kept = (ratio > 0) & (ratio < OUTLIER)
    numbers["I"] = _draw_regression(panels["I"], 1e4 * unequal[kept], ratio[kept], rng)
    panels["F"].set(xlabel=f"{UNEQUAL} (10⁻⁴)", ylabel="variance of widths (cm²)")
    panels["I"].set(xlabel=f"{UNEQUAL} (10⁻⁴)", ylabel="asymptotic SNR, real / shuffled")
    return fig, figures.stack(numbers, "panel")


def _draw_two_mice(panels: Mapping[str, Axes], mice: Mapping[str, Result]) -> dict[str, pd.DataFrame]:
    """Panels E, G and H: widths, shares of the signal and limits of the least and the most unequal mouse."""
    numbers, boxes = {}, {}
    for (name, mouse), look, hatch in zip(mice.items(), (LEAST, MOST), ("", "////"), strict=True):
        widths = mouse["widths_cm"][np.isfinite(mouse["widths_cm"])]
        marks = {"edgecolor": look["color"], "ls": look["ls"], "hatch": hatch, "label": f"{name} unequal"}
        count, edges, _ = panels["E"].hist(widths, WIDTH_BINS_CM, histtype="step", **marks)
        numbers[f"E, {name}"] = pd.DataFrame({"x": edges[:-1], "value": count})
        for way, values, line in zip(("right", "left"), mouse["signal_variance"], ("-", ":"), strict=True):
            marks = look | {"ls": line, "label": f"{name}, {way}"}
            panels["G"].plot(BOUNDARIES, 1e4 * values, **marks, ms=3, lw=1)
            numbers[f"G, {name}, {way}"] = pd.DataFrame({"x": BOUNDARIES, "value": 1e4 * values})
        for kind in KINDS:
            signal, noise = (mouse[key].mean(1) for key in ("signal", NOISE[kind]))
            snr = asymptotic_snr(mouse["sizes"], signal, noise).ravel()
            boxes[f"{kind},\n{name}"] = np.log10(snr[snr > 0])
    numbers["H"] = _draw_boxes(panels["H"], boxes)
    panels["E"].set(xlabel="width of the field (cm)", ylabel="number of fields", xticks=range(0, 121, 40))
    panels["G"].set(xlabel="boundary between bins", ylabel=f"{UNEQUAL} (10⁻⁴)", xticks=[1, 5, 10, 15, 20])
    panels["G"].set_ylim(0, None)
    panels["H"].set_ylabel("log₁₀ asymptotic SNR")
    return numbers


def _median_of_pairs(values: np.ndarray) -> np.ndarray:
    """Median over boundaries and directions (n_sizes, n_subsets, 2, 19), less those without a signal."""
    return np.ma.median(np.ma.masked_invalid(values), axis=(2, 3)).filled(np.nan)


def _draw_medians(
    ax: Axes, x: np.ndarray, values: Iterable[np.ndarray], look: Mapping[str, Any], label: str = ""
) -> pd.DataFrame:
    """Median and quartiles over items, as in `draw_means`."""
    table = as_table(values)
    low, median, high = table.quantile([0.25, 0.5, 0.75]).to_numpy()
    ax.errorbar(x, median, [median - low, high - median], **look, ms=3.5, lw=1.2, capsize=2, label=label)
    return pd.DataFrame({"x": x, "value": median, "low": low, "high": high, "n": table.count()})


def _draw_band(
    ax: Axes, x: np.ndarray, values: Sequence[np.ndarray], look: Mapping[str, Any], label: str
) -> pd.DataFrame:
    """Mean over items and 1.96 standard errors, as a line in a band."""
    table = as_table(values)
    mean, error = table.mean(), IN_95 * table.sem()
    ax.plot(x, mean, **look, lw=1.2, label=label)
    ax.fill_between(x, mean - error, mean + error, color=look["color"], alpha=0.2, lw=0)
    return pd.DataFrame({"x": x, "value": mean, "low": mean - error, "high": mean + error})


def _draw_range(ax: Axes, x: np.ndarray, values: np.ndarray, look: Mapping[str, Any]) -> pd.DataFrame:
    """Median and central 95 % of draws (n_draws, n), as a line in a band."""
    low, median, high = np.quantile(values, [0.025, 0.5, 0.975], axis=0)
    ax.plot(x, median, **look, lw=1.2)
    ax.fill_between(x, low, high, color=look["color"], alpha=0.2, lw=0)
    return pd.DataFrame({"x": x, "value": median, "low": low, "high": high})


def _draw_regression(ax: Axes, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Mice as dots; the least-squares line with its 95 % bootstrap band over mice."""
    dots, line = {"s": 18, "color": REAL["color"], "alpha": 1}, {"color": "black", "lw": 1}
    sns.regplot(x=x, y=y, ax=ax, seed=rng, color="0.4", scatter_kws=dots, line_kws=line)
    return pd.DataFrame({"x": x, "value": y})


def _draw_boxes(ax: Axes, boxes: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Quartiles, whiskers to 1.5 interquartile ranges, and what lies beyond."""
    parts = ax.boxplot(list(boxes.values()), widths=0.55, patch_artist=True, flierprops={"ms": 3})
    for patch, name in zip(parts["boxes"], boxes, strict=True):
        kind = KINDS[name.split(",")[0]]
        patch.set(facecolor="white", edgecolor=kind["color"], linestyle=kind["ls"])
    for line in parts["medians"]:
        line.set_color("black")
    ax.set_xticks(range(1, 1 + len(boxes)), list(boxes))
    items = [(name.replace("\n", " "), value) for name, values in boxes.items() for value in values]
    return pd.DataFrame(items, columns=["group", "value"])


def _draw_directions(ax: Axes) -> None:
    """Two neighbouring places on the tuning curve of two cells, with noise along it, and shuffled."""
    angle = np.linspace(0.3, 1.25, 100)
    ax.plot(np.sin(angle), np.cos(angle), color="0.6", lw=1, label="mean activity")
    turn = np.linspace(0, 2 * np.pi, 100)
    places = np.array([0.6, 0.95])
    means = np.array([np.sin(places), np.cos(places)])
    for mean, slope in zip(means.T, np.transpose([means[1], -means[0]]), strict=True):
        covariance = 0.002 * np.eye(2) + 0.012 * np.outer(slope, slope)
        for kind, noise in (("real", covariance), ("shuffled", np.diag(np.diag(covariance)))):
            ellipse = mean[:, None] + np.linalg.cholesky(noise) @ [np.cos(turn), np.sin(turn)]
            look = KINDS[kind] | {"marker": ""}
            ax.plot(*ellipse, **look, label=f"{kind} noise" if mean[0] == means[0, 0] else "")
    arrow = {"arrowstyle": "-|>", "color": "black", "lw": 1.5}
    (x_start, x_stop), (y_start, y_stop) = means
    ax.annotate("", (x_stop, y_stop), (x_start, y_start), arrowprops=arrow)
    ax.text(x_stop, y_start, "signal Δμ", ha="center", va="center", fontsize=8)
    ax.legend(loc="lower left")
    ax.set(xlabel="activity of cell 1", ylabel="activity of cell 2", xticks=[], yticks=[], aspect="equal")
