"""Figures of the connectome chapter beyond the paper: controls, solvers, noise, uniqueness, real diffusion.

Functions return the figure and the numbers drawn. `rng` is for the bootstrap of the 95 % intervals. Deviation
tables are those of `analyse.connectome.deviation_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from crossroads.data.fibre_fields import FibreFields
from crossroads.report import figures
from crossroads.report.connectome_figures import LOOKS
from crossroads.report.intervals import estimate

Drawn = tuple[Figure, pd.DataFrame]
SCENE_MARKS = "osD^v"
SIGNS: dict[bool, figures.Look] = {
    True: {"color": "#029E73", "marker": "^"},
    False: {"color": "#D55E00", "marker": "s"},
}
FITTED_LINE, LEFT_OUT_LINE = "-", ":"


def per_curve(table: pd.DataFrame) -> pd.DataFrame:
    """A deviation table with the two ways of each curve averaged; curves without a length drop out."""
    keys = [key for key in ("scene", "metric", "mode", "curve") if key in table]
    return table.groupby(keys, sort=False)[["matched", "nearest", "coverage"]].mean().dropna().reset_index()


def draw_controls(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw distance and coverage by scene and metric, curves light, their mean dark."""
    curves = per_curve(table)
    groups = list(curves.groupby(["scene", "metric"], sort=False))
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 0.5 + 0.22 * len(groups)), sharey=True)
    figures.letter(axes)
    numbers = []
    scenes = list(dict.fromkeys(curves.scene))
    for row, ((scene, metric), items) in enumerate(groups):
        look = LOOKS[metric]
        for ax, kind in zip(axes, ("matched", "coverage"), strict=True):
            found = estimate(items[kind].to_numpy(), "", rng)
            ax.plot(items[kind], [row] * len(items), "|", color=look["color"], alpha=0.4, ms=7)
            error = [[found.value - found.low], [found.high - found.value]]
            mark = SCENE_MARKS[scenes.index(scene)]
            ax.errorbar(found.value, row, xerr=error, fmt=mark, ms=5, color=look["color"], capsize=2)
            numbers += [(kind, scene, metric, str(i), v, np.nan, np.nan) for i, v in enumerate(items[kind])]
            numbers.append((kind, scene, metric, "mean", found.value, found.low, found.high))
    ends = np.cumsum([len({m for s, m in dict(groups) if s == scene}) for scene in scenes])
    for ax in axes:
        for end in ends[:-1]:
            ax.axhline(end - 0.5, color="0.7", lw=0.8)
    axes[0].set_yticks(range(len(groups)), [metric for (_, metric), _ in groups])
    for scene, end in zip(scenes, ends, strict=True):
        axes[1].annotate(
            scene, (1.02, end - 0.6), xycoords=("axes fraction", "data"), ha="left", va="bottom", fontsize=8
        )
    axes[0].invert_yaxis()
    axes[0].set(xlabel="distance at equal arc length (voxels)", xscale="symlog", xlim=(-0.05, None))
    axes[0].set_xticks([0, 1, 10], ["0", "1", "10"])
    axes[1].set(xlabel="coverage", xlim=(0, 1.03))
    return fig, pd.DataFrame(numbers, columns=["panel", "scene", "metric", "curve", "value", "low", "high"])


def draw_solvers(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw what each solver reaches and what it takes.

    table : columns solver, log10_loss, matched, coverage, seconds, one row a curve.
    """
    fig, axes = plt.subplots(1, 4, figsize=(figures.WIDTH, 2.5))
    figures.letter(axes)
    by = {str(name): rows for name, rows in table.groupby("solver", sort=False)}
    looks = [LOOKS[name] for name in by]
    numbers = {}
    for ax, kind, label in (
        (axes[0], "log10_loss", "log₁₀ loss (paper's units)"),
        (axes[3], "seconds", "time of a fit (s)"),
    ):
        values = [rows[kind].iloc[0] for rows in by.values()]
        for x, (value, look) in enumerate(zip(values, looks, strict=True)):
            ax.plot(x, value, look["marker"], color=look["color"], ms=6)
        ax.set_xticks(range(len(by)), list(by))
        ax.margins(x=0.2)
        ax.set_ylabel(label)
        numbers[kind] = pd.DataFrame({"group": list(by), "value": values})
    axes[3].set_yscale("log")
    for ax, kind, label in (
        (axes[1], "matched", "distance (voxels)"),
        (axes[2], "coverage", "coverage"),
    ):
        of_curves = {name: rows[kind].dropna().to_numpy() for name, rows in by.items()}
        numbers[kind] = figures.groups(ax, of_curves, looks, rng)
        ax.set_ylabel(label)
    axes[1].set_ylim(bottom=0)
    axes[2].set_ylim(0, 1.03)
    for ax in axes:
        ax.tick_params(axis="x", rotation=35)
    return fig, figures.stack(numbers, "panel")


def draw_nuisances(noise: pd.DataFrame, flips: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw loss, deviation and coverage against the noise, and coverage against reversed signs.

    noise : columns noise_deg, solver, log10_loss, log10_left_out, matched, coverage; one row a fit.
    flips : columns fraction, aligned, coverage; one row a fit.
    """
    fig, axes = plt.subplots(1, 4, figsize=(figures.WIDTH, 2.9))
    figures.letter(axes)
    numbers = {}
    for solver, rows in noise.groupby("solver", sort=False):
        look = LOOKS[str(solver)]
        for ax, kind, line in (
            (axes[0], "log10_loss", FITTED_LINE),
            (axes[0], "log10_left_out", LEFT_OUT_LINE),
            (axes[1], "matched", FITTED_LINE),
            (axes[2], "coverage", FITTED_LINE),
        ):
            label = str(solver) if kind == "coverage" else ""
            found = _means(ax, rows, "noise_deg", kind, {**look, "ls": line}, rng, label)
            numbers[f"{kind}, {solver}"] = found
    for aligned, rows in flips.groupby("aligned", sort=False):
        name = "signs aligned" if aligned else "as they come"
        look = SIGNS[bool(aligned)]
        line = "-" if aligned else "--"
        numbers[f"flips, {name}"] = _means(
            axes[3], rows, "fraction", "coverage", {**look, "ls": line}, rng, name
        )
    axes[0].plot([], [], color="0.3", ls=FITTED_LINE, label="fitted")
    axes[0].plot([], [], color="0.3", ls=LEFT_OUT_LINE, label="left out")
    axes[0].set_ylabel("log₁₀ loss (paper's units)")
    axes[1].set(ylabel="distance (voxels)", ylim=(0, None))
    for ax in axes[2:]:
        ax.set(ylabel="coverage", ylim=(0, 1.03))
    for ax in axes[:3]:
        ax.set_xlabel("noise (°)")
    axes[3].set_xlabel("share reversed")
    handles, labels = [], []
    for ax in (axes[0], axes[2], axes[3]):
        more = ax.get_legend_handles_labels()
        handles += more[0]
        labels += more[1]
    fig.legend(handles, labels, loc="outside lower center", ncols=6)
    return fig, figures.stack(numbers, "panel")


def draw_modes(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw distance and coverage of each metric by the way it is shot; the table has a column mode."""
    curves = per_curve(table)
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.8))
    figures.letter(axes)
    numbers = {}
    for ax, kind, label in (
        (axes[0], "matched", "distance (voxels)"),
        (axes[1], "coverage", "coverage"),
    ):
        values = {
            str(metric): {
                str(mode): items[kind].to_numpy() for mode, items in rows.groupby("mode", sort=False)
            }
            for metric, rows in curves.groupby("metric", sort=False)
        }
        numbers[kind] = figures.series(ax, values, [LOOKS[name] for name in values], rng)
        ax.set(xlabel="way of shooting", ylabel=label)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(0, 1.03)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig, figures.stack(numbers, "panel")


def draw_uniqueness(distance: np.ndarray, curves: Sequence[np.ndarray], pairs: pd.DataFrame) -> Drawn:
    """Draw where two fits differ, the geodesics of all, and both kinds of difference for every pair of fits.

    distance : (*grid) of `geodesics.metric_distance`. curves : one (2, k, n_steps + 1, 2) a fit.
    pairs : columns distance, apart [voxels].
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.8), width_ratios=[1.2, 1, 1])
    figures.letter(axes)
    top = np.nanquantile(distance, 0.99)
    image = axes[0].imshow(distance.T, origin="lower", norm=LogNorm(top / 100, top), cmap="viridis")
    fig.colorbar(image, ax=axes[0], label="distance of metrics", shrink=0.8)
    styles = ["-", "--", ":", "-."]
    numbers = []
    for i, of_fit in enumerate(curves):
        for way, k in np.ndindex(of_fit.shape[:2]):
            x, y = of_fit[way, k, ::10].T
            axes[1].plot(x, y, styles[i % 4], color=f"C{i}", lw=1)
            seen = np.isfinite(x)
            numbers.append(
                pd.DataFrame({"item": f"fit {i}, curve {k}, way {way}", "x": x[seen], "value": y[seen]})
            )
    for ax in axes[:2]:
        ax.set(aspect="equal", xlabel="x (voxels)", ylabel="y (voxels)")
    axes[1].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
    axes[2].plot(pairs.distance, pairs.apart, "o", color=LOOKS["learned"]["color"], ms=5)
    axes[2].set(xlabel="distance of metrics", ylabel="distance of geodesics (voxels)", ylim=(0, None))
    axes[2].set_xlim(0, 1.1 * pairs.distance.max())
    voxels = np.argwhere(np.isfinite(distance))
    mapped = pd.DataFrame(
        {"item": "distance", "x": voxels[:, 0], "y": voxels[:, 1], "value": distance[tuple(voxels.T)]}
    )
    of_pairs = pd.DataFrame({"item": "pair", "x": pairs.distance, "value": pairs.apart})
    return fig, figures.stack({"A": mapped, "B": pd.concat(numbers), "C": of_pairs}, "panel")


def draw_ways(table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw what is left of the residual, and how geodesics do, against the number of crossing families.

    table : columns n_ways, rms, matched, coverage, one row a curve; rms is that of the fit.
    """
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.5))
    figures.letter(axes)
    left = table.groupby("n_ways").rms.first()
    look = LOOKS["learned"]
    axes[0].plot(left.index, left, color=look["color"], marker=look["marker"], ms=5)
    axes[0].set(yscale="log", ylabel="residual / flat metric's")
    numbers = {"residual": pd.DataFrame({"x": left.index, "value": left.to_numpy()})}
    for ax, kind, label in ((axes[1], "matched", "distance (voxels)"), (axes[2], "coverage", "coverage")):
        numbers[kind] = _means(ax, table, "n_ways", kind, {**look, "ls": "-"}, rng)
        ax.set_ylabel(label)
    axes[1].set_ylim(bottom=0)
    axes[2].set_ylim(0, 1.03)
    for ax in axes:
        ax.axvline(3, color="0.6", ls=":", lw=1)
        ax.set_xticks(left.index)
        ax.set_xlabel("families of fibres")
    return fig, figures.stack(numbers, "panel")


def draw_dwi(fields: FibreFields, table: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    """Draw directions in the middle slice of a measured volume, and deviations in all volumes by metric."""
    fig, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.8), width_ratios=[1.1, 1, 1])
    figures.letter(axes)
    assert fields.tensor is not None
    middle = fields.mask.shape[3] // 2
    x, y = np.nonzero(fields.mask[0, ..., middle])
    u, w = fields.v[0, :2, x, y, middle].T
    eigenvalues = np.linalg.eigvalsh(fields.tensor[x, y, middle])
    spread = eigenvalues - eigenvalues.mean(1, keepdims=True)
    fa = np.sqrt(1.5 * (spread**2).sum(1) / (eigenvalues**2).sum(1))
    drawn = axes[0].quiver(
        x, y, u, w, fa, cmap="viridis", pivot="mid", headaxislength=0, headlength=0, headwidth=1,
        scale=1.1, scale_units="xy", angles="xy", width=0.015,
    )  # fmt: skip
    fig.colorbar(drawn, ax=axes[0], label="fractional anisotropy", shrink=0.8)
    axes[0].set(aspect="equal", xlabel="x (voxels)", ylabel="y (voxels)")
    axes[0].set(xlim=(-0.8, fields.mask.shape[1] - 0.2), ylim=(-0.8, fields.mask.shape[2] - 0.2))
    numbers = {"A": pd.DataFrame({"x": x, "y": y, "u": u, "w": w, "value": fa})}
    curves = per_curve(table)
    for ax, kind, label in ((axes[1], "matched", "distance (voxels)"), (axes[2], "coverage", "coverage")):
        values = {str(m): rows[kind].to_numpy() for m, rows in curves.groupby("metric", sort=False)}
        numbers[kind] = figures.groups(ax, values, [LOOKS[name] for name in values], rng)
        ax.set_ylabel(label)
        ax.tick_params(axis="x", rotation=40)
    axes[1].set_ylim(bottom=0)
    axes[2].set_ylim(0, 1.03)
    return fig, figures.stack(numbers, "panel")


def draw_stability(growth: Mapping[str, np.ndarray], step: float) -> Drawn:
    """Draw how neighbouring geodesics part: median and quartiles over curves against arc length.

    growth : by metric (n_curves, n_steps + 1), distance over distance at the start, NaN after the end; what
        fewer than half of the curves reach is not drawn. step : between points [voxels].
    """
    fig, ax = plt.subplots(figsize=(0.7 * figures.WIDTH, 2.8))
    numbers = {}
    for metric, values in growth.items():
        look = LOOKS[metric]
        reached = np.isfinite(values).mean(0) >= 0.5
        low, median, high = np.nanquantile(values[:, reached], [0.25, 0.5, 0.75], axis=0)
        length = step * np.flatnonzero(reached)
        ax.fill_between(length, low, high, color=look["color"], alpha=0.15, lw=0)
        every = max(1, len(length) // 6)
        ax.plot(
            length, median, color=look["color"], marker=look["marker"], markevery=every, ms=4, label=metric
        )
        numbers[metric] = pd.DataFrame({"x": length, "value": median, "low": low, "high": high})[
            :: max(1, every // 10)
        ]
    ax.axhline(1, color="0.4", ls=":", lw=1)
    ax.set(xlabel="arc length (voxels)", ylabel="distance / distance at the start", yscale="log")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, figures.stack(numbers, "series")


def _means(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    y: str,
    look: Mapping[str, Any],
    rng: np.random.Generator,
    label: str = "",
) -> pd.DataFrame:
    """Draw mean and interval of a column by another, joined by a line."""
    found = [(at, estimate(items[y].dropna().to_numpy(), "", rng)) for at, items in rows.groupby(x)]
    at = np.array([float(value) for value, _ in found])
    value, low, high = (np.array([getattr(e, end) for _, e in found]) for end in ("value", "low", "high"))
    ax.errorbar(at, value, [value - low, high - value], **look, ms=4, capsize=2, lw=1.2, label=label or None)
    return pd.DataFrame({"x": at, "value": value, "low": low, "high": high})
