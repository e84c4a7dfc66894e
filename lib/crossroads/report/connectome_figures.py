"""The paper's figures of the connectome chapter in two dimensions, and the scenes behind them.

Functions return the figure and the numbers drawn, one row a mark; the first column names the panel or the
series. Numbers of curves are thinned to one point a voxel. Lengths are in voxels, curves as in
`analyse.geodesics`: (2, n_curves, n_steps + 1, 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import binary_erosion

from crossroads.analyse.geodesics import shoot
from crossroads.data.fibre_fields import FibreFields, cone_geodesic
from crossroads.report import figures
from crossroads.report.schematics import ARROW, BOX

Drawn = tuple[Figure, pd.DataFrame]
LOOKS: dict[str, Any] = {
    "inverse": {"color": "#DE8F05", "marker": "^"},
    "adjugate": {"color": "#D55E00", "marker": "v"},
    "conformal": {"color": "#029E73", "marker": "s"},
    "learned": {"color": "#0173B2", "marker": "o"},
    "flat": {"color": "#949494", "marker": "X"},
    "exact": {"color": "#56B4E9", "marker": "P"},
    "direct": {"color": "#0173B2", "marker": "o"},
    "network": {"color": "#CC78BC", "marker": "D"},
    "spline": {"color": "#CA9161", "marker": "h"},
    "network, published": {"color": "#7A2E6E", "marker": "d"},
    "network, shuffled": {"color": "#4D4D4D", "marker": "*"},
    "learned, shuffled": {"color": "#4D4D4D", "marker": "*"},
    "sigma in": {"color": "#56B4E9", "marker": "p"},
}
LINES = {"inverse": "-.", "adjugate": ":", "conformal": "--", "learned": "-", "flat": (0, (3, 1, 1, 1, 1, 1))}
STYLES: tuple[Any, ...] = ("-", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (2, 1)))
FIELD_COLOURS = ("#0173B2", "#DE8F05", "#029E73", "#CC78BC", "#CA9161", "#949494")
REFERENCE: dict[str, Any] = {"color": "black", "lw": 1.0}
STAR: dict[str, Any] = {"marker": "*", "ms": 9, "mfc": "white", "mec": "black", "ls": ""}
# Read off the paper's box plot, to 0.05 (Dai et al. 2023); its axis has no unit.
PAPER_BOXES = {
    "inverse": {"low": 0.68, "q1": 3.44, "median": 4.55, "mean": 4.28, "q3": 5.29, "high": 7.97},
    "adjugate": {"low": 0.71, "q1": 4.21, "median": 5.50, "mean": 5.32, "q3": 6.55, "high": 10.0},
    "conformal": {"low": 0.0, "q1": 1.79, "median": 3.20, "mean": 3.28, "q3": 4.63, "high": 8.84},
    "learned": {"low": 0.01, "q1": 0.13, "median": 0.23, "mean": 0.52, "q3": 0.59, "high": 1.31},
}
# Iteration and log10 loss that a third party read off a training curve, presumably the paper's.
PAPER_LOSS = ((1, 10.68), (60, 9.0), (125, 8.0), (300, 7.0), (450, 6.5), (650, 5.5), (1000, 5.2))
MEDIAN: dict[str, Any] = {"color": "#DE8F05", "lw": 2}  # the paper's colours
MEAN: dict[str, Any] = {"marker": "^", "mfc": "#029E73", "mec": "#029E73", "ms": 5}
NEAR = 30  # voxels from the seed to the end of what is shown from near
LABELS = {"inverse": "inverse tensor", "exact": "exact conformal"}
CHAIN = ("directions v", "network", "parameters u", "metric g", "residual ε", "loss")
QUIVER: dict[str, Any] = {
    "pivot": "mid", "headaxislength": 0, "headlength": 0, "headwidth": 1, "angles": "xy", "scale_units": "xy",
}  # fmt: skip


def draw_scenes(scenes: Mapping[str, FibreFields]) -> Drawn:
    """Draw the directions of six 2-D scenes on their whole grids, one colour a bundle, with their seeds."""
    fig, axes = plt.subplots(2, 3, figsize=(figures.WIDTH, 4.6))
    figures.letter(axes.flat)
    numbers = {}
    for ax, (name, fields) in zip(axes.flat, scenes.items(), strict=True):
        grid = fields.mask.shape[1:]
        every = max(1, round(max(grid) / 30))
        for i, (v, mask) in enumerate(zip(fields.v, fields.mask, strict=True)):
            numbers[f"{name}, bundle {i + 1}"] = directions(ax, v, mask, every, FIELD_COLOURS[i])
        assert fields.seeds is not None
        ax.plot(*fields.seeds.T, **STAR)
        numbers[f"{name}, seeds"] = pd.DataFrame(fields.seeds, columns=["x", "y"])
        ax.set_title(name, fontsize=9)
        _map(ax, np.zeros(2), np.array(grid) - 1)
    return fig, figures.stack(numbers, "panel")


def draw_closed_forms(annulus: FibreFields, inverse: np.ndarray, exact: np.ndarray) -> Drawn:
    """Draw geodesics round the bend beside their formulas: a cone under `inverse`, circles under `exact`.

    annulus : with the same eigenvalues at every voxel, and seeds at the top of the bend. inverse, exact :
        metrics (2, 2, *grid), shot here.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3), width_ratios=[1.5, 1])
    figures.letter((left, right))
    assert annulus.seeds is not None
    assert annulus.tensor is not None
    mask, v = annulus.mask[0], annulus.v[0]
    middle = _centre(v, mask)
    across_value, along_value = np.linalg.eigvalsh(annulus.tensor[mask][0])
    numbers = {"directions": directions(left, v, mask, 5, "0.75").assign(panel="A")}
    along = np.tile([1.0, 0.0], (len(annulus.seeds), 1))
    for name, g, look in (("inverse", inverse, "inverse"), ("exact", exact, "conformal")):
        color = LOOKS[look]["color"]
        curves = shoot(g, mask, annulus.seeds, along, step=0.1, n_steps=1500)
        for k, seed in enumerate(annulus.seeds):
            start = float(np.linalg.norm(seed - middle))
            path = joined(curves, k)
            angle = np.arctan2(*(path - middle).T)
            cone = cone_geodesic(angle, start, (along_value, across_value))
            radius = cone if name == "inverse" else np.full(len(path), start)
            expected = middle + radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
            off = np.abs(np.linalg.norm(path - middle, axis=1) - radius)
            left.plot(*path.T, color=color, lw=2.2, label="" if k else LABELS[name])
            left.plot(*expected.T, "k--", lw=0.8, label="" if k or name == "exact" else "formula")
            right.plot(np.degrees(angle), off, color=color, ls=STYLES[k], lw=1.2)
            if name == "inverse":
                left.plot([], [], color="0.3", ls=STYLES[k], lw=1.2, label=f"B: from radius {start:g}")
            table = pd.DataFrame(
                {"x": np.degrees(angle), "value": off, "x_map": path[:, 0], "y_map": path[:, 1]}
            )
            numbers[f"{name} {k}"] = table[::10].assign(panel="B")
    left.plot(*annulus.seeds.T, **STAR)
    _map(left, np.zeros(2), np.array(mask.shape) - 1)
    right.set(xlabel="angle turned (°)", ylabel="off the formula (voxels)", xlim=(-90, 90), ylim=(0, None))
    right.set_xticks([-90, -45, 0, 45, 90])
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, figures.stack(numbers, "series")


def draw_slice(fields: FibreFields, curves: Mapping[str, np.ndarray], example: int) -> Drawn:
    """Draw a slice and, from one seed, the curves of all metrics; then the same from near.

    curves : by metric, and "integral curve". example : number of the seed. Panel B holds the integral curve
        up to 30 voxels from the seed.
    """
    mask, seed = fields.mask[0], curves["integral curve"][0, example, 0]
    first, last = _box(mask)
    reference = joined(curves["integral curve"], example)
    near = reference[np.linalg.norm(reference - seed, axis=1) < NEAR]
    low, high = np.maximum(near.min(0) - 8, first), np.minimum(near.max(0) + 8, last)
    steepest = max((side[1] / side[0]) for side in (last - first, high - low))
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, min(1.1 + 2.9 * steepest, 4.6)))
    figures.letter((left, right))
    numbers = {
        "directions": directions(left, fields.v[0], mask, max(1, round((last - first).max() / 70)), "0.7")
    }
    directions(right, fields.v[0], mask, max(1, round((high - low).max() / 40)), "0.75")
    for name in sorted(curves, key=lambda name: (name == "integral curve", name == "learned")):
        path = joined(curves[name], example)
        look = REFERENCE if name == "integral curve" else {"color": LOOKS[name]["color"], "lw": 2}
        for ax in (left, right):
            ax.plot(*path.T, ls=LINES.get(name, "-"), **look, label=name)
        numbers[name] = pd.DataFrame(path[::10], columns=["x", "y"])
    for ax in (left, right):
        ax.plot(*seed, **STAR)
    left.add_patch(Rectangle(low, *(high - low), fill=False, ec="black", lw=0.8, clip_on=False))
    _map(left, first, last)
    _map(right, low, high)
    fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=len(curves))
    return fig, figures.stack(numbers, "series")


def draw_deviations(table: pd.DataFrame) -> Drawn:
    """Draw the deviation of curves by metric, beside the paper's boxes, and their coverage.

    table : columns metric, matched and coverage, one row a curve and way.
    """
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.1), width_ratios=[1.4, 1])
    figures.letter(axes)
    metrics = list(dict.fromkeys(table.metric))
    numbers = []
    for ax, kind in zip(axes, ("matched", "coverage"), strict=True):
        values = [table.loc[table.metric == name, kind].dropna().to_numpy() for name in metrics]
        drawn = ax.boxplot(
            values, positions=np.arange(len(metrics)), widths=0.35, showfliers=False, showmeans=True,
            patch_artist=True, boxprops={"fc": "white", "ec": "black"}, medianprops=MEDIAN, meanprops=MEAN,
        )  # fmt: skip
        for i, (name, items) in enumerate(zip(metrics, values, strict=True)):
            low, high = (drawn["caps"][2 * i + end].get_ydata()[0] for end in (0, 1))
            quartiles = np.quantile(items, [0.25, 0.5, 0.75])
            numbers.append((kind, name, "ours", low, *quartiles, high, items.mean(), len(items)))
        ax.set_xticks(np.arange(len(metrics)), metrics)
        ax.tick_params(axis="x", rotation=25)
    marks: dict[str, Any] = {"mfc": "white", "mec": "black", "ms": 5, "ls": ""}
    for i, name in enumerate(name for name in metrics if name in PAPER_BOXES):
        box, x = PAPER_BOXES[name], metrics.index(name) + 0.32
        axes[0].plot([x, x], [box["low"], box["high"]], color="0.45", lw=0.8)
        for part, marker in (("q1", "_"), ("q3", "_"), ("low", "_"), ("high", "_")):
            axes[0].plot(x, box[part], marker, color="0.45", ms=9 if part[0] == "q" else 5, mew=1.5)
        for part, marker in (("median", "D"), ("mean", "^")):
            axes[0].plot(x, box[part], marker, **marks, label="" if i else f"paper's {part}, digitised")
        parts = ("low", "q1", "median", "q3", "high", "mean")
        numbers.append(("matched", name, "paper", *(box[part] for part in parts), np.nan))
    axes[0].set(ylabel="distance (voxels; paper: no unit)", ylim=(0, None))
    axes[1].set(ylabel="coverage", ylim=(0, 1.03))
    figures.legend(axes[0], 1)
    columns = ["panel", "metric", "whose", "low", "q1", "median", "q3", "high", "mean", "n"]
    return fig, pd.DataFrame(numbers, columns=columns)


def draw_braid(fields: FibreFields, g: np.ndarray, curves: np.ndarray, references: np.ndarray) -> Drawn:
    """Draw the unit balls of a metric inside the masks, and geodesics over the integral curves.

    g, curves : of the metric. The balls are drawn to one scale, every fourth voxel.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 4.9))
    every, mask = 4, np.any(fields.mask, axis=0)
    voxels = np.argwhere(mask)
    voxels = voxels[(voxels % every == 0).all(1)]
    values, vectors = np.linalg.eigh(np.moveaxis(g, (0, 1), (-2, -1))[tuple(voxels.T)])
    axes = 1 / np.sqrt(values)
    axes *= 0.75 * every / np.median(axes)
    angle = np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
    balls = EllipseCollection(
        axes[:, 0], axes[:, 1], angle, units="xy", offsets=voxels, offset_transform=ax.transData,
        facecolor="0.92", edgecolor="0.5", lw=0.8,
    )  # fmt: skip
    ax.add_collection(balls)
    numbers = {
        "balls": pd.DataFrame(
            {"x": voxels[:, 0], "y": voxels[:, 1], "u": axes[:, 0], "w": axes[:, 1], "angle": angle}
        )
    }
    for k in range(curves.shape[1]):
        path, reference = joined(curves, k), joined(references, k)
        style, label = (0, (3 - k % 3, 1)), f"geodesic, strand {k + 1}"
        ax.plot(*path.T, color=FIELD_COLOURS[k], lw=3.5, ls=style, label=label)
        numbers |= {f"geodesic {k}": pd.DataFrame(path[::10], columns=["x", "y"]),
                    f"integral curve {k}": pd.DataFrame(reference[::10], columns=["x", "y"])}  # fmt: skip
    for k in range(curves.shape[1]):
        ax.plot(*joined(references, k).T, **REFERENCE, label="" if k else "integral curve")
        ax.plot(*curves[0, k, 0], **STAR)
    low, high = _box(mask)
    _map(ax, np.maximum(low, 0), high)
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, figures.stack(numbers, "series")


def draw_losses(losses: Mapping[str, np.ndarray], flat_level: float) -> Drawn:
    """Draw log10 losses in the paper's units against the iteration, beside a third party's points.

    losses : by solver (n_iterations,), as of `covariant_residual.official_log10`; flat_level : of the flat
        metric.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 3))
    numbers = {}
    for (name, loss), line in zip(losses.items(), cycle(STYLES), strict=False):
        iteration = np.arange(1, len(loss) + 1)
        shown = np.unique(np.geomspace(1, len(loss), 60).round().astype(int)) - 1
        ax.plot(iteration, loss, ls=line, color=LOOKS[name]["color"], label=name)
        numbers[name] = pd.DataFrame({"x": iteration[shown], "value": np.asarray(loss)[shown]})
    ax.axhline(flat_level, color="0.5", ls=(0, (8, 4)), lw=1, label="flat metric")
    numbers["flat metric"] = pd.DataFrame({"x": [np.nan], "value": [flat_level]})
    x, y = np.array(PAPER_LOSS).T
    ax.plot(x, y, "D", mfc="none", mec="black", label="paper's, by a third party")
    numbers["paper, by a third party"] = pd.DataFrame({"x": x, "value": y})
    ax.set(xscale="log", xlabel="iteration", ylabel="log₁₀ loss (paper's units)")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, figures.stack(numbers, "series")


def draw_residual(fields: FibreFields, eps_flat: np.ndarray, eps_learned: np.ndarray) -> Drawn:
    """Draw the residuals (m, 2, *grid) of two metrics as arrows, and their length as colour.

    Inside the eroded masks. The arrows of each metric have a scale of their own, or those of a fitted one
    could not be seen. With several fields, the colour is the longest residual.
    """
    interior = np.stack([binary_erosion(mask) for mask in fields.mask])
    inside = np.any(interior, axis=0)
    low, high = _box(inside)
    tall = (high - low)[1] > (high - low)[0]
    size = (figures.WIDTH, 3.3 if tall else 1.2 + 5.6 * float(np.divide(*(high - low)[::-1])))
    rows, columns = (1, 4) if tall else (2, 2)
    fig, panels = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    axes = panels.ravel()
    figures.letter(axes)
    pairs = {"flat": eps_flat, "learned": eps_learned}
    length = {name: np.where(interior, np.hypot(*np.moveaxis(eps, 1, 0)), 0) for name, eps in pairs.items()}
    every = max(2, round(float((high - low).max()) / 40))
    norm = _decades(length["learned"][interior], length["flat"].max())
    numbers, arrows = {}, []
    for ax, colours, (name, eps) in zip(axes, axes[2:], pairs.items(), strict=False):
        ax.imshow(np.where(inside, 0.0, np.nan).T, origin="lower", cmap="Greys", vmin=-0.1, vmax=1)
        reach = np.quantile(length[name][interior], 0.95)
        for i, (where, color) in enumerate(zip(interior, FIELD_COLOURS, strict=False)):
            voxels = np.argwhere(where)
            x, y = voxels[(voxels % every == 0).all(1)].T
            u, w = eps[i][:, x, y]
            ax.quiver(x, y, u, w, color=color, angles="xy", scale_units="xy", scale=reach / (2 * every))
            numbers[f"{name}, field {i + 1}"] = pd.DataFrame({"x": x, "y": y, "u": u, "w": w})
        shown = np.where(inside, np.clip(length[name].max(0), norm.vmin, None), np.nan)
        drawn = colours.imshow(shown.T, origin="lower", norm=norm, cmap="viridis")
        numbers[f"length, {name}"] = _length_rows(length[name].max(0), inside)
        for panel in (ax, colours):
            panel.set_title(name)
            _map(panel, low, high)
        arrows.append(f"{name} {reach:.1g}")
    for panel in axes:
        panel.label_outer()
    scales = ", ".join(arrows)
    fig.supxlabel(f"An arrow of {2 * every} voxels is a residual (1/voxel) of: {scales}", fontsize=8)
    fig.colorbar(drawn, ax=axes[2:], label="length (1/voxel)", extend="min", shrink=0.8)
    return fig, figures.stack(numbers, "panel")


def _decades(lower: np.ndarray, highest: float) -> LogNorm:
    """Colours over whole decades, from the tenth percentile of the lower values on; eight at most."""
    positive = lower[lower > highest * 1e-8]
    lowest = np.quantile(positive, 0.1) if positive.size else highest / 10
    return LogNorm(10.0 ** np.floor(np.log10(lowest)), 10.0 ** np.ceil(np.log10(highest)))


def _length_rows(length: np.ndarray, inside: np.ndarray) -> pd.DataFrame:
    x, y = np.nonzero(inside)
    return pd.DataFrame({"x": x, "y": y, "value": length[inside]})


def draw_architecture(rows: Sequence[tuple[str, tuple[int, ...], int]]) -> Drawn:
    """Draw the stages of an encoder-decoder as boxes, and what its output is made into.

    rows : of `dense_encoder_decoder.layer_table`. The height of a box is the side of the grid, its width the
        number of channels.
    """
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 3))
    most, longest = (max(shape[i] for _, shape, _ in rows) for i in (0, 1))
    at = end = 0.0
    numbers: list[tuple] = []
    for name, shape, n in rows:
        width, height = 0.25 + 1.2 * shape[0] / most, shape[1] / longest
        room = max(width, 0.8)
        middle = at + room / 2
        face = "#DCEBF5" if name.startswith("block") else "#F6E3C5"
        ax.add_patch(Rectangle((middle - width / 2, -height / 2), width, height, fc=face, ec="black", lw=1))
        ax.text(middle, 0.56, name.replace("_", " "), ha="center", va="bottom", fontsize=9)
        grid = "×".join(str(side) for side in shape[1:])
        ax.text(middle, -0.56, f"{shape[0]} ch.\n{grid}\n{n / 1e6:.2f} M", ha="center", va="top", fontsize=8)
        if numbers:
            ax.annotate(
                "", (middle - width / 2, 0), (end, 0), arrowprops=ARROW | {"shrinkA": 2, "shrinkB": 2}
            )
        end = middle + width / 2
        numbers.append((name, shape[0], grid, n))
        at += room + 0.35
    places = np.linspace(0.5, at - 0.85, len(CHAIN))
    chain = [ax.text(x, -1.35, name, ha="center", va="center", fontsize=8, bbox=BOX)
             for x, name in zip(places, CHAIN, strict=True)]  # fmt: skip
    for one, two in pairwise(chain):
        patches = {"patchA": one.get_bbox_patch(), "patchB": two.get_bbox_patch()}
        ax.annotate("", two.get_position(), one.get_position(), arrowprops=ARROW | patches)
    ax.set(xlim=(-0.1, at - 0.25), ylim=(-1.6, 0.75))
    ax.axis("off")
    return fig, pd.DataFrame(numbers, columns=["stage", "channels", "grid", "parameters"])


def joined(curves: np.ndarray, k: int) -> np.ndarray:
    """Both ways of curve k as one path (n_points, n), without what lies behind its ends."""
    path = np.concatenate([curves[1, k][::-1], curves[0, k][1:]])
    return path[np.isfinite(path[:, 0])]


def directions(ax: Axes, v: np.ndarray, mask: np.ndarray, every: int, color: str) -> pd.DataFrame:
    """Draw headless directions v (2, *grid) of every so-many-th voxel of a mask."""
    voxels = np.argwhere(mask)
    x, y = voxels[(voxels % every == 0).all(1)].T
    u, w = v[:, x, y]
    ax.quiver(x, y, u, w, color=color, scale=1 / (0.9 * every), width=0.005, **QUIVER)
    return pd.DataFrame({"x": x, "y": y, "u": u, "w": w})


def _map(ax: Axes, low: np.ndarray, high: np.ndarray) -> None:
    """Name the axes of a map of voxels, to one scale, from one corner to the other."""
    ax.set(aspect="equal", xlabel="x (voxels)", ylabel="y (voxels)")
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _box(mask: np.ndarray, margin: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Corners (2,) of what holds a mask."""
    where = np.argwhere(mask)
    return where.min(0) - margin, where.max(0) + margin


def _centre(v: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The point c that directions v (2, *grid) turn about: v.(x - c) = 0 in the mask."""
    along = v[:, mask].T
    return np.linalg.lstsq(along, (along * np.argwhere(mask)).sum(1))[0]
