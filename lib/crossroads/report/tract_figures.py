"""Tractography in three dimensions, the ellipsoid of a metric, and geodesics from a seed that can be moved.

What is turned or moved by the reader is drawn by plotly; curves are thin there, since they stand in the page.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from scipy.ndimage import binary_erosion

from crossroads.analyse.geodesics import deviation
from crossroads.data.fibre_fields import FibreFields
from crossroads.models.metric_parameters import metric_of
from crossroads.report import figures
from crossroads.report.connectome_figures import FIELD_COLOURS, LOOKS, REFERENCE, STYLES, Drawn, joined

VIEWS = ((0, 1, "from above"), (0, 2, "from the front"), (1, 2, "from the side"))
AXES = "xyz"
N_POINTS = 50  # of a curve in the page
N_NEAR = 6  # curves of each bundle that are shown from near
N_TURNED = 12  # curves that can be turned
DASHES = {
    "inverse": "dashdot",
    "adjugate": "dot",
    "conformal": "dash",
    "learned": "solid",
    "flat": "longdash",
}
BUNDLE_DASHES = ("solid", "longdash", "dot")
ANGLES_DEG = np.arange(0, 181, 15)
AXIS, LOGS = (0.6, 0.9, 1.2), (1.2, 0.0, -0.8)  # of the ellipsoid: an axis of length 1.6, logs of eigenvalues
BALLS = (  # kind of `metric_parameters.metric_of`, name, column of the numbers, looks
    ("rotation", "axis normalised", "normalised", FIELD_COLOURS[0], "solid"),
    ("published", "as published", "published", FIELD_COLOURS[1], "dash"),
)
SIZES = ("shortest", "middle", "longest")


def draw_tracts(fields: FibreFields, curves: np.ndarray, references: np.ndarray, field: np.ndarray) -> Drawn:
    """Draw geodesics in three projections, and where the bundles cross from near, with integral curves.

    curves, references (2, n_curves, n_steps + 1, 3); field (n_curves,), the bundle of each. From near
        are a few of each bundle, where the bundles share voxels, or in the middle third of the grid.
    """
    low, high = _crossing(fields.mask)
    first, last = (f(np.argwhere(fields.mask.any(0)), axis=0) for f in (np.min, np.max))
    sides = last - first
    ratios = [max(sides[i], sides.max() / 2) for i, _, _ in VIEWS]  # room for the labels of a thin bundle
    fig, axes = plt.subplots(2, 3, figsize=(figures.WIDTH, 5.6), width_ratios=ratios)
    figures.letter(axes.flat)
    numbers: dict[str, pd.DataFrame] = {}
    near = _entering(references, field, low, high, N_NEAR)
    for k, bundle in enumerate(field):
        path, look = joined(curves, k), {"color": FIELD_COLOURS[bundle], "ls": STYLES[bundle]}
        pieces = {f"geodesic {k}, bundle {bundle + 1}": path}
        for column, (i, j, _) in enumerate(VIEWS):
            axes[0, column].plot(path[:, i], path[:, j], lw=0.9, **look)
        if k in near:
            inside, reference = (_inside(p, low, high) for p in (path, joined(references, k)))
            for column, (i, j, _) in enumerate(VIEWS):
                axes[1, column].plot(inside[:, i], inside[:, j], lw=2.5, **look)
                axes[1, column].plot(reference[:, i], reference[:, j], zorder=3, **REFERENCE)
            pieces[f"integral curve {k}, bundle {bundle + 1}, from near"] = reference
        numbers |= {name: pd.DataFrame(piece[::10], columns=list(AXES)) for name, piece in pieces.items()}
    for column, (i, j, view) in enumerate(VIEWS):
        axes[0, column].set_title(view, fontsize=9)
        corner = [np.stack([first - 2, last + 2]), np.stack([low, high])]
        for ax, box in zip(axes[:, column], corner, strict=True):
            ax.set(aspect="equal", xlabel=f"{AXES[i]} (voxels)", ylabel=f"{AXES[j]} (voxels)")
            ax.set(xlim=box[:, i], ylim=box[:, j])
    for bundle in np.unique(field):
        look = {"color": FIELD_COLOURS[bundle], "ls": STYLES[bundle]}
        axes[0, 0].plot([], [], **look, label=f"geodesics, bundle {bundle + 1}")
    axes[0, 0].plot([], [], **REFERENCE, label="integral curves (lower row)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, figures.stack(numbers, "series")


def _crossing(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (3,) of the voxels of all bundles, else of the middle third of the grid."""
    shared = np.argwhere(mask.all(0))
    if len(mask) > 1 and len(shared):
        return shared.min(0) - 3, shared.max(0) + 3
    side = np.array(mask.shape[1:])
    return side // 3, 2 * side // 3


def _inside(path: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A path (n_points, 3) with gaps where it is outside a box."""
    return np.where(((path >= low) & (path <= high)).all(1, keepdims=True), path, np.nan)


def _entering(
    references: np.ndarray, field: np.ndarray, low: np.ndarray, high: np.ndarray, n: int
) -> set[int]:
    """The first n integral curves of each bundle that have points in a box."""
    enters = np.any(((references >= low) & (references <= high)).all(-1), axis=(0, 2))
    return {int(k) for bundle in np.unique(field) for k in np.flatnonzero(enters & (field == bundle))[:n]}


def tract_scene(
    curves: Mapping[str, np.ndarray], references: np.ndarray, field: np.ndarray
) -> tuple[dict[str, list[go.Scatter3d]], pd.DataFrame]:
    """Traces for `play.slider` to turn: geodesics by metric, over the integral curves; and their deviations.

    curves : by metric (2, n_curves, n_steps + 1, 3); references the same, field (n_curves,). A dozen curves,
        evenly from the list, are drawn, from the middle of their box.
    """
    chosen = np.unique(np.linspace(0, len(field) - 1, N_TURNED).astype(int))
    drawn = [of_metric[:, chosen] for of_metric in (references, *curves.values())]
    middle = sum(f(drawn, axis=(0, 1, 2, 3)) for f in (np.nanmin, np.nanmax)) / 2
    black = _trace_3d("integral curves", [joined(references, k) - middle for k in chosen], "black", 2)
    positions, rows = {}, []
    for metric, of_metric in curves.items():
        traces = [black]
        for bundle in np.unique(field):
            paths = [joined(of_metric, k) - middle for k in chosen if field[k] == bundle]
            name, dash = f"geodesics, bundle {bundle + 1}", BUNDLE_DASHES[bundle % len(BUNDLE_DASHES)]
            traces.append(_trace_3d(name, paths, FIELD_COLOURS[bundle], 6, dash))
        positions[metric] = traces
        off = deviation(of_metric[:, chosen], references[:, chosen])
        rows += [
            (metric, int(k), int(field[k]) + 1, np.nanmean(off.matched[:, i]), np.nanmean(off.coverage[:, i]))
            for i, k in enumerate(chosen)
        ]
    return positions, pd.DataFrame(rows, columns=["metric", "curve", "bundle", "distance", "coverage"])


def ellipsoid_traces() -> tuple[dict[str, list[go.Scatter3d]], pd.DataFrame]:
    """Traces for `play.slider`: the unit ball of a metric against the angle, axis normalised and not.

    Their names hold the matrix. Returns half-axes and entries of both matrices at each angle as well.
    """
    theta, phi = np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 25)
    sphere = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), np.ones(25)),
        ],
        axis=-1,
    )
    rings = [*sphere[3:-1:3], *sphere.swapaxes(0, 1)[:-1:4]]
    positions, rows = {}, []
    for angle in ANGLES_DEG:
        u = torch.tensor([*AXIS, np.radians(angle), *LOGS], dtype=torch.float64)[:, None]
        traces, row = [], {"angle_deg": int(angle)}
        for kind, name, column, color, dash in BALLS:
            g = metric_of(u, 3, kind)[..., 0].numpy()
            values, vectors = np.linalg.eigh(g)
            to_ball = vectors / np.sqrt(values) @ vectors.T  # g^-1/2
            matrix = "<br>".join("  ".join(f"{entry:.2f}" for entry in line) for line in g)
            lines = [ring @ to_ball for ring in rings]
            traces.append(_trace_3d(f"{name}, g =<br>{matrix}", lines, color, 3, dash))
            row |= {f"{column}_{size}": axis for size, axis in zip(SIZES, values[::-1] ** -0.5, strict=True)}
            row |= {f"{column}_g{AXES[i]}{AXES[j]}": g[i, j] for i in range(3) for j in range(i, 3)}
        positions[f"{angle}"] = traces
        rows.append(row)
    return positions, pd.DataFrame(rows)


def seed_paths(
    fields: FibreFields, curves: Mapping[str, np.ndarray], references: np.ndarray
) -> tuple[list[go.Scatter], dict[str, list[go.Scatter]], pd.DataFrame]:
    """Traces for `play.paths`: what stays (directions, border) and from each seed all metrics' curves.

    curves : by metric (2, n_seeds, n_steps + 1, 2); references the same. Seeds in the order of the slider,
        whose positions are named by y: no two of the same y, to a tenth of a voxel.
    """
    voxels = np.argwhere(fields.mask[0])
    x, y = voxels[(voxels % 4 == 0).all(1)].T
    u, w = fields.v[0][:, x, y] * 1.4
    gap = np.full(len(x), np.nan)
    sticks = [np.stack([at - half, at + half, gap], 1).ravel() for at, half in ((x, u), (y, w))]
    background = _trace_2d("directions", np.stack(sticks, 1), "#C8C8C8", "solid", 1)
    x, y = np.argwhere(fields.mask[0] & ~binary_erosion(fields.mask[0])).T
    dot = {"symbol": "square", "size": 3, "color": "#C8C8C8"}
    border = go.Scatter(x=x, y=y, name="border of the bundle", mode="markers", marker=dot, showlegend=False)
    positions, rows = {}, []
    for k in range(references.shape[1]):
        seed, traces = references[0, k, 0], []
        for metric, of_metric in curves.items():
            path = _thin(joined(of_metric, k))
            traces.append(_trace_2d(metric, path, LOOKS[metric]["color"], DASHES[metric], 3))
            off = deviation(of_metric[:, [k]], references[:, [k]])
            rows.append((k + 1, *seed, metric, np.nanmean(off.matched), np.nanmean(off.coverage)))
        traces.append(_trace_2d("integral curve", _thin(joined(references, k)), "black", "solid", 1.2))
        star = {"symbol": "star", "size": 13, "color": "white", "line": {"color": "black", "width": 1.5}}
        traces.append(go.Scatter(x=[seed[0]], y=[seed[1]], name="seed", mode="markers", marker=star))
        positions[f"{seed[1]:.1f}"] = traces
    columns = ["seed", "x", "y", "metric", "distance", "coverage"]
    return [border, background], positions, pd.DataFrame(rows, columns=columns)


def _thin(path: np.ndarray) -> np.ndarray:
    return path[np.linspace(0, len(path) - 1, min(N_POINTS, len(path))).astype(int)]


def _trace_2d(name: str, path: np.ndarray, color: str, dash: str, width: float) -> go.Scatter:
    x, y = path.round(2).astype(np.float32).T
    return go.Scatter(x=x, y=y, name=name, mode="lines", line={"color": color, "dash": dash, "width": width})


def _trace_3d(
    name: str, paths: list[np.ndarray], color: str, width: float, dash: str = "solid"
) -> go.Scatter3d:
    """All paths (n_points, 3) as one trace, with gaps between them."""
    gap = np.full((1, 3), np.nan)
    parts = [part for path in paths for part in (_thin(path), gap)]
    x, y, z = np.concatenate(parts).round(2).astype(np.float32).T
    line = {"color": color, "width": width, "dash": dash}
    return go.Scatter3d(x=x, y=y, z=z, name=name, mode="lines", line=line)
