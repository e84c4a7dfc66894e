"""The paper's figures of the connectome chapter in two dimensions, and the scenes behind them.

Functions return the figure and the numbers drawn, one row a mark; curves are thinned to one point a voxel.
Lengths are in voxels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossroads.analyse.geodesics import shoot
from crossroads.data.fibre_fields import EIGENVALUES, FibreFields, cone_geodesic
from crossroads.report import figures

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
    "network, shuffled": {"color": "#4D4D4D", "marker": "*"},
    "learned, shuffled": {"color": "#4D4D4D", "marker": "*"},
    "sigma in": {"color": "#56B4E9", "marker": "p"},
}
LINES = {"inverse": "-.", "adjugate": ":", "conformal": "--", "learned": "-"}
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
NEAR = 30  # voxels from the seed to the end of what is shown from near
QUIVER: dict[str, Any] = {
    "pivot": "mid", "headaxislength": 0, "headlength": 0, "headwidth": 1, "angles": "xy", "scale_units": "xy",
}  # fmt: skip


def draw_scenes(scenes: Mapping[str, FibreFields]) -> Drawn:
    """Draw the directions of six 2-D scenes, one colour a bundle, with their seeds."""
    fig, axes = plt.subplots(2, 3, figsize=(figures.WIDTH, 4.4))
    figures.letter(axes.flat)
    numbers = {}
    for ax, (name, fields) in zip(axes.flat, scenes.items(), strict=True):
        every = max(1, round(max(fields.mask.shape[1:]) / 30))
        for i, (v, mask) in enumerate(zip(fields.v, fields.mask, strict=True)):
            numbers[f"{name}, bundle {i + 1}"] = directions(ax, v, mask, every, FIELD_COLOURS[i])
        assert fields.seeds is not None
        ax.plot(*fields.seeds.T, **STAR)
        numbers[f"{name}, seeds"] = pd.DataFrame(fields.seeds, columns=["x", "y"])
        ax.set_title(name, fontsize=9)
        _map(ax)
    return fig, figures.stack(numbers, "panel")


def draw_closed_forms(annulus: FibreFields, inverse: np.ndarray, exact: np.ndarray) -> Drawn:
    """Draw geodesics round the bend beside their formulas: a cone under `inverse`, circles under `exact`."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3), width_ratios=[1.5, 1])
    figures.letter((left, right))
    assert annulus.seeds is not None
    middle = np.array([annulus.seeds[0, 0], annulus.seeds[0, 1] - (25 + 0.2 * 50)])
    mask, numbers = annulus.mask[0], {}
    numbers["A, directions"] = directions(left, annulus.v[0], mask, 5, "0.75").assign(panel="A")
    along = np.tile([1.0, 0.0], (len(annulus.seeds), 1))
    for name, g in (("inverse", inverse), ("exact", exact)):
        curves = shoot(g, mask, annulus.seeds, along, step=0.1, n_steps=1500)
        for k, seed in enumerate(annulus.seeds):
            start = np.linalg.norm(seed - middle)
            path = np.concatenate([curves[1, k][::-1], curves[0, k][1:]])
            path = path[np.isfinite(path[:, 0])]
            angle = np.arctan2(*(path - middle).T)
            formula = (
                cone_geodesic(angle, start, EIGENVALUES) if name == "inverse" else np.full(len(path), start)
            )
            off = np.abs(np.linalg.norm(path - middle, axis=1) - formula)
            look = LOOKS["inverse" if name == "inverse" else "conformal"]
            label = f"{'inverse tensor' if name == 'inverse' else 'exact conformal'}" if k == 0 else None
            left.plot(*path.T, color=look["color"], lw=2.2, label=label)
            expected = middle + formula[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
            left.plot(
                *expected.T,
                color="black",
                ls="--",
                lw=0.8,
                label="formula" if len(numbers) == 1 else None,
            )
            style = ("-", "--", ":")[k]
            right.plot(np.degrees(angle), off, style, color=look["color"], lw=1.2, label=label)
            thin = slice(None, None, 20)
            numbers[f"{name} {k}"] = pd.DataFrame(
                {
                    "panel": "B",
                    "x": np.degrees(angle)[thin],
                    "value": off[thin],
                    "u": path[thin, 0],
                    "w": path[thin, 1],
                }
            )
    left.plot(*annulus.seeds.T, **STAR)
    _map(left)
    right.set(
        xlabel="angle turned (°)", ylabel="distance from the formula (voxels)", xlim=(-90, 90), ylim=(0, None)
    )
    right.set_xticks([-90, -45, 0, 45, 90])
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, figures.stack(numbers, "series")


def draw_slice(fields: FibreFields, curves: Mapping[str, np.ndarray], example: int) -> Drawn:
    """Draw a slice and, from one seed, the curves of all metrics; then the same from near.

    curves : by metric, and "integral curve", (2, n_curves, n_steps + 1, 2). example : number of the seed.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.6))
    figures.letter((left, right))
    mask = fields.mask[0]
    reference = joined(curves["integral curve"], example)
    seed = curves["integral curve"][0, example, 0]
    near = reference[np.linalg.norm(reference - seed, axis=1) < NEAR]
    low, high = near.min(0) - 8, near.max(0) + 8
    numbers = {"directions": directions(left, fields.v[0], mask, 3 if mask.size > 15000 else 2, "0.7", 3)}
    directions(right, fields.v[0], mask, 1, "0.75")
    for name, of_metric in curves.items():
        path = joined(of_metric, example)
        look = REFERENCE if name == "integral curve" else {"color": LOOKS[name]["color"], "lw": 2}
        for ax in (left, right):
            ax.plot(*path.T, ls=LINES.get(name, "-"), **look, label=name)
        numbers[name] = pd.DataFrame(path[::10], columns=["x", "y"])
    for ax in (left, right):
        ax.plot(*seed, **STAR)
        _map(ax)
    left.add_patch(Rectangle(low, *(high - low), fill=False, ec="black", lw=0.8))
    where = np.argwhere(mask)
    left.set(
        xlim=(where[:, 0].min() - 2, where[:, 0].max() + 2),
        ylim=(where[:, 1].min() - 2, where[:, 1].max() + 2),
    )
    right.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    fig.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig, figures.stack(numbers, "series")


def draw_deviations(table: pd.DataFrame) -> Drawn:
    """Draw deviation (beside the paper's boxes) and coverage of a deviation table by metric, as boxes."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(figures.WIDTH, 3), width_ratios=[1.5, 1])
    figures.letter((left, right))
    metrics = [name for name in PAPER_BOXES if name in set(table.metric)]
    numbers = []
    for ax, kind in ((left, "matched"), (right, "coverage")):
        values = [table.loc[table.metric == name, kind].dropna().to_numpy() for name in metrics]
        drawn = ax.boxplot(
            values, positions=np.arange(len(metrics)), widths=0.35, showfliers=False, showmeans=True,
            patch_artist=True, medianprops={"color": "#DE8F05", "lw": 2},
            meanprops={"marker": "^", "mfc": "#029E73", "mec": "#029E73", "ms": 5},
        )  # fmt: skip
        for box in drawn["boxes"]:
            box.set(facecolor="white", edgecolor="black")
        for name, items in zip(metrics, values, strict=True):
            q1, median, q3 = np.quantile(items, [0.25, 0.5, 0.75])
            numbers.append((kind, name, "ours", q1, median, q3, items.mean()))
        ax.set_xticks(np.arange(len(metrics)), metrics)
    for x, name in enumerate(metrics):
        box = PAPER_BOXES[name]
        at = x + 0.32
        left.plot([at, at], [box["low"], box["high"]], color="0.45", lw=0.8)
        left.plot([at, at], [box["q1"], box["q3"]], color="0.45", lw=3, solid_capstyle="butt")
        left.plot(
            at,
            box["median"],
            "D",
            mfc="white",
            mec="black",
            ms=6,
            label="paper's median, digitised" if x == 0 else None,
        )
        left.plot(
            at,
            box["mean"],
            "^",
            mfc="white",
            mec="black",
            ms=6,
            label="paper's mean, digitised" if x == 0 else None,
        )
        numbers.append(("matched", name, "paper", box["q1"], box["median"], box["q3"], box["mean"]))
    left.set(ylabel="distance (voxels; paper: no unit)", ylim=(0, None))
    right.set(ylabel="coverage", ylim=(0, 1.03))
    figures.legend(left, 1)
    columns = ["panel", "metric", "whose", "q1", "median", "q3", "mean"]
    return fig, pd.DataFrame(numbers, columns=columns)


def draw_braid(fields: FibreFields, g: np.ndarray, curves: np.ndarray, references: np.ndarray) -> Drawn:
    """Draw the unit balls of a metric inside the masks, and geodesics over the integral curves."""
    fig, ax = plt.subplots(figsize=(0.75 * figures.WIDTH, 5))
    every, mask = 4, fields.mask.any(0)
    voxels = np.argwhere(mask)
    voxels = voxels[(voxels % every == 0).all(1)]
    values, vectors = np.linalg.eigh(np.moveaxis(g, (0, 1), (-2, -1))[tuple(voxels.T)])
    axes = 1 / np.sqrt(values)
    axes *= 0.9 * every / np.median(axes) / 1.6
    angle = np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
    balls = EllipseCollection(
        axes[:, 0], axes[:, 1], angle, units="xy", offsets=voxels, offset_transform=ax.transData,
        facecolor="none", edgecolor="0.6", lw=0.7,
    )  # fmt: skip
    ax.add_collection(balls)
    numbers = {
        "balls": pd.DataFrame(
            {"x": voxels[:, 0], "y": voxels[:, 1], "u": axes[:, 0], "w": axes[:, 1], "angle": angle}
        )
    }
    for k in range(curves.shape[1]):
        path, reference = joined(curves, k), joined(references, k)
        first = k == 0
        ax.plot(
            *path.T, color=FIELD_COLOURS[k], lw=3, ls=("-", "--")[k % 2], label=f"geodesic, strand {k + 1}"
        )
        ax.plot(*reference.T, **REFERENCE, label="integral curve" if first else None)
        ax.plot(*curves[0, k, 0], **STAR)
        numbers |= {f"geodesic {k}": pd.DataFrame(path[::10], columns=["x", "y"]),
                    f"integral curve {k}": pd.DataFrame(reference[::10], columns=["x", "y"])}  # fmt: skip
    _map(ax)
    ax.set(xlim=(0, mask.shape[0] - 1), ylim=(voxels[:, 1].min() - 4, voxels[:, 1].max() + 4))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return fig, figures.stack(numbers, "series")


def draw_losses(losses: Mapping[str, np.ndarray], flat_level: float) -> Drawn:
    """Draw log10 losses in the paper's units against the iteration, beside a third party's points."""
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 3))
    numbers = {}
    for (name, loss), style in zip(losses.items(), ("-", "--", "-.", ":"), strict=False):
        iteration = np.arange(1, len(loss) + 1)
        shown = np.unique(np.geomspace(1, len(loss), 60).round().astype(int)) - 1
        ax.plot(iteration, loss, style, color=LOOKS[name]["color"], label=name)
        numbers[name] = pd.DataFrame({"x": iteration[shown], "value": np.asarray(loss)[shown]})
    ax.axhline(flat_level, color="0.5", ls=(0, (1, 3)), lw=1.5, label="flat metric")
    x, y = np.array(PAPER_LOSS).T
    ax.plot(x, y, "D", mfc="none", mec="black", label="paper's, by a third party")
    numbers["paper, by a third party"] = pd.DataFrame({"x": x, "value": y})
    ax.set(xscale="log", xlabel="iteration", ylabel="log₁₀ loss (paper's units)")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig, figures.stack(numbers, "series")


def draw_residual(fields: FibreFields, eps_flat: np.ndarray, eps_learned: np.ndarray) -> Drawn:
    """Draw the residuals (1, 2, *grid) of two metrics as arrows, and their length as colour."""
    fig, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3.4), sharey=True)
    figures.letter(axes)
    length = {name: np.sqrt((e**2).sum(1))[0] for name, e in (("flat", eps_flat), ("learned", eps_learned))}
    largest = length["flat"].max()
    numbers = {}
    where = np.argwhere(length["flat"] > 0)
    every = 3 if fields.mask[0].size > 15000 else 4
    for ax, (name, eps) in zip(axes, (("flat", eps_flat), ("learned", eps_learned)), strict=True):
        image = np.where(length["flat"] > 0, np.maximum(length[name], largest * 1e-4), np.nan)
        drawn = ax.imshow(image.T, origin="lower", norm=LogNorm(largest * 1e-4, largest), cmap="viridis")
        x, y = where[(where % every == 0).all(1)].T
        u, w = eps[0][:, x, y]
        reach = np.quantile(length[name][x, y], 0.95)
        ax.quiver(x, y, u, w, color="white", angles="xy", scale_units="xy", scale=reach / every, width=0.005)
        ax.set_title(f"{name}; arrow of {every} voxels = {reach:.1g}", fontsize=9, loc="right")
        _map(ax)
        ax.set(
            xlim=(where[:, 0].min() - 1, where[:, 0].max() + 1),
            ylim=(where[:, 1].min() - 1, where[:, 1].max() + 1),
        )
        numbers[name] = pd.DataFrame({"x": x, "y": y, "u": u, "w": w})
    axes[1].set_ylabel("")
    fig.colorbar(drawn, ax=axes, label="length of the residual (1/voxel)", shrink=0.8)
    return fig, figures.stack(numbers, "panel")


def draw_architecture(rows: Sequence[tuple[str, tuple[int, ...], int]]) -> Drawn:
    """Draw the stages of an encoder-decoder, rows of `dense_encoder_decoder.layer_table`, as boxes."""
    fig, ax = plt.subplots(figsize=(figures.WIDTH, 2.9))
    widths = [0.25 + 1.2 * shape[0] / max(row[1][0] for row in rows) for _, shape, _ in rows]
    heights = [shape[1] / max(row[1][1] for row in rows) for _, shape, _ in rows]
    at, numbers = 0.0, []
    for (name, shape, n), width, height in zip(rows, widths, heights, strict=True):
        width_shown = max(width, 0.8)
        middle = at + width_shown / 2
        face = "#DCEBF5" if name.startswith("block") else "#F6E3C5"
        ax.add_patch(Rectangle((middle - width / 2, -height / 2), width, height, fc=face, ec="black", lw=1))
        ax.text(middle, 0.62, name.replace("_", " "), ha="center", va="bottom", fontsize=9)
        grid = "×".join(str(side) for side in shape[1:])
        ax.text(middle, -0.62, f"{shape[0]} ch.\n{grid}\n{n / 1e6:.2f} M", ha="center", va="top", fontsize=8)
        numbers.append((name, shape[0], grid, n))
        at += width_shown + 0.35
        if name != rows[-1][0]:
            ax.annotate("", (at - 0.05, 0), (at - 0.3, 0), arrowprops={"arrowstyle": "->"})
    ax.set(xlim=(-0.1, at - 0.25), ylim=(-1.15, 0.8))
    ax.axis("off")
    return fig, pd.DataFrame(numbers, columns=["stage", "channels", "grid", "parameters"])


def joined(curves: np.ndarray, k: int) -> np.ndarray:
    """Both ways of curve k as one path (n_points, n), without what lies behind its ends."""
    path = np.concatenate([curves[1, k][::-1], curves[0, k][1:]])
    return path[np.isfinite(path[:, 0])]


def directions(
    ax: Axes, v: np.ndarray, mask: np.ndarray, every: int, color: str, length: float | None = None
) -> pd.DataFrame:
    """Draw headless directions v (2, *grid) of every so-many-th voxel of a mask."""
    voxels = np.argwhere(mask)
    x, y = voxels[(voxels % every == 0).all(1)].T
    u, w = v[:, x, y]
    ax.quiver(x, y, u, w, color=color, scale=1 / (length or 0.9 * every), width=0.004, **QUIVER)
    return pd.DataFrame({"x": x, "y": y, "u": u, "w": w})


def _map(ax: Axes) -> None:
    ax.set(aspect="equal", xlabel="x (voxels)", ylabel="y (voxels)")
