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

from crossroads.analyse.geodesics import deviation
from crossroads.data.fibre_fields import FibreFields
from crossroads.models.metric_parameters import metric_of
from crossroads.report import figures
from crossroads.report.connectome_figures import FIELD_COLOURS, LOOKS, REFERENCE, Drawn, joined

VIEWS = ((0, 1, "from above"), (0, 2, "from the front"), (1, 2, "from the side"))
AXES = "xyz"
N_POINTS = 50  # of a curve in the page
N_TURNED = 12  # curves that can be turned
DASHES = {"inverse": "dashdot", "adjugate": "dot", "conformal": "dash", "learned": "solid"}
ANGLES_DEG = np.arange(0, 181, 15)
AXIS, LOGS = (0.6, 0.9, 1.2), (1.2, 0.0, -0.8)  # of the ellipsoid: an axis of length 1.6, logs of eigenvalues


def draw_tracts(fields: FibreFields, curves: np.ndarray, references: np.ndarray, field: np.ndarray) -> Drawn:
    """Draw geodesics in three projections, and where the bundles cross from near, with integral curves.

    curves, references (2, n_curves, n_steps + 1, 3); field (n_curves,), the bundle of each. With one bundle the
    middle third of the grid is shown from near.
    """
    fig, axes = plt.subplots(2, 3, figsize=(figures.WIDTH, 5.4))
    figures.letter(axes.flat)
    if len(fields.mask) > 1:
        where = np.argwhere(fields.mask.all(0))
        low, high = where.min(0) - 3, where.max(0) + 3
    else:
        side = np.array(fields.mask.shape[1:])
        low, high = side // 3, 2 * side // 3
    numbers = {}
    for k, bundle in enumerate(field):
        path, reference = joined(curves, k), joined(references, k)
        color, style = FIELD_COLOURS[bundle], ("-", "--")[bundle % 2]
        for column, (i, j, _) in enumerate(VIEWS):
            axes[0, column].plot(path[:, i], path[:, j], style, color=color, lw=0.9)
            axes[1, column].plot(path[:, i], path[:, j], style, color=color, lw=2)
            axes[1, column].plot(reference[:, i], reference[:, j], **REFERENCE | {"lw": 0.6})
        numbers[f"geodesic {k}, bundle {bundle + 1}"] = pd.DataFrame(path[::10], columns=list(AXES))
    for column, (i, j, view) in enumerate(VIEWS):
        axes[0, column].set_title(view, fontsize=9)
        inside = np.argwhere(fields.mask.any(0).any(3 - i - j))
        outline = inside.min(0), inside.max(0)
        axes[0, column].set(
            xlim=(outline[0][0] - 2, outline[1][0] + 2), ylim=(outline[0][1] - 2, outline[1][1] + 2)
        )
        axes[1, column].set(xlim=(low[i], high[i]), ylim=(low[j], high[j]))
        for ax in axes[:, column]:
            ax.set(aspect="equal", xlabel=f"{AXES[i]} (voxels)", ylabel=f"{AXES[j]} (voxels)")
    for bundle in np.unique(field):
        style = ("-", "--")[bundle % 2]
        axes[0, 0].plot([], [], style, color=FIELD_COLOURS[bundle], label=f"geodesics, bundle {bundle + 1}")
    axes[0, 0].plot([], [], **REFERENCE, label="integral curves (lower row)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig, figures.stack(numbers, "series")


def tract_scene(
    curves: Mapping[str, np.ndarray], references: np.ndarray, field: np.ndarray
) -> tuple[dict[str, list[go.Scatter3d]], pd.DataFrame]:
    """Traces for `play.slider` to turn: geodesics by metric, over the integral curves; and their deviations.

    curves : by metric (2, n_curves, n_steps + 1, 3). Positions are told from the middle of what is drawn.
    """
    chosen = np.unique(np.linspace(0, len(field) - 1, N_TURNED).astype(int))
    middle = np.nanmean(references[:, chosen], axis=(0, 1, 2))
    black = _trace_3d("integral curves", [joined(references, k) - middle for k in chosen], "black", 2)
    positions, rows = {}, []
    for metric, of_metric in curves.items():
        traces = [black]
        for bundle in np.unique(field):
            paths = [joined(of_metric, k) - middle for k in chosen if field[k] == bundle]
            traces.append(_trace_3d(f"geodesics, bundle {bundle + 1}", paths, FIELD_COLOURS[bundle], 5))
        positions[metric] = traces
        off = deviation(of_metric[:, chosen], references[:, chosen])
        rows += [
            (metric, int(k), int(field[k]) + 1, np.nanmean(off.matched[:, i]), np.nanmean(off.coverage[:, i]))
            for i, k in enumerate(chosen)
        ]
    return positions, pd.DataFrame(rows, columns=["metric", "curve", "bundle", "distance", "coverage"])


def ellipsoid_traces() -> tuple[dict[str, list[go.Scatter3d]], pd.DataFrame]:
    """Traces for `play.slider`: the unit ball of a metric against the angle, axis normalised and not."""
    theta, phi = np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 25)
    sphere = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), np.ones(25)),
        ]
    )
    positions, rows = {}, []
    for angle in ANGLES_DEG:
        u = torch.tensor([*AXIS, np.radians(angle), *LOGS], dtype=torch.float64)[:, None]
        traces, longest = [], []
        for kind, name, color in (
            ("rotation", "axis normalised", FIELD_COLOURS[0]),
            ("published", "as published", FIELD_COLOURS[1]),
        ):
            g = metric_of(u, 3, kind)[..., 0].numpy()
            values, vectors = np.linalg.eigh(g)
            ball = np.einsum("ij,jab->iab", vectors / np.sqrt(values) @ vectors.T, sphere)
            lines = [*np.moveaxis(ball, 0, -1)[1:-1:2], *np.moveaxis(ball, 0, -1).swapaxes(0, 1)[::3]]
            traces.append(_trace_3d(name, lines, color, 3, n=25))
            longest += (1 / np.sqrt(values))[::-1].tolist()
        positions[f"{angle}"] = traces
        rows.append((int(angle), *longest))
    names = [
        f"{kind}_{size}" for kind in ("normalised", "published") for size in ("shortest", "middle", "longest")
    ]
    order = ["angle_deg", *names]
    table = pd.DataFrame(rows, columns=["angle_deg", *(names[i] for i in (0, 1, 2, 3, 4, 5))])
    return positions, table[order]


def seed_paths(
    fields: FibreFields, curves: Mapping[str, np.ndarray], references: np.ndarray
) -> tuple[list[go.Scatter], dict[str, list[go.Scatter]], pd.DataFrame]:
    """Traces for `play.paths`: directions, which stay, and from each seed the curves of all metrics.

    Positions are named by the seed's y. curves : by metric (2, n_seeds, n_steps + 1, 2), seeds in the order of the slider.
    """
    voxels = np.argwhere(fields.mask[0])
    x, y = voxels[(voxels % 4 == 0).all(1)].T
    u, w = fields.v[0][:, x, y] * 1.4
    gap = np.full(len(x), np.nan)
    background = go.Scatter(
        x=np.stack([x - u, x + u, gap], 1).ravel().round(1), y=np.stack([y - w, y + w, gap], 1).ravel().round(1),
        name="directions", mode="lines", line={"color": "#C8C8C8", "width": 1},
    )  # fmt: skip
    positions, rows = {}, []
    for k in range(references.shape[1]):
        seed = references[0, k, 0]
        traces = [_trace_2d("integral curve", joined(references, k), "black", "solid", 2)]
        for metric, of_metric in curves.items():
            traces.append(_trace_2d(metric, joined(of_metric, k), LOOKS[metric]["color"], DASHES[metric], 3))
            off = deviation(of_metric[:, [k]], references[:, [k]])
            rows.append((k + 1, *seed, metric, np.nanmean(off.matched), np.nanmean(off.coverage)))
        star = {"symbol": "star", "size": 13, "color": "white", "line": {"color": "black", "width": 1.5}}
        traces.append(go.Scatter(x=[seed[0]], y=[seed[1]], name="seed", mode="markers", marker=star))
        positions[f"{seed[1]:.0f}"] = traces
    columns = ["seed", "x", "y", "metric", "distance", "coverage"]
    return [background], positions, pd.DataFrame(rows, columns=columns)


def _thin(path: np.ndarray, n: int) -> np.ndarray:
    return path[np.linspace(0, len(path) - 1, min(n, len(path))).astype(int)]


def _trace_2d(name: str, path: np.ndarray, color: str, dash: str, width: float) -> go.Scatter:
    x, y = _thin(path, N_POINTS).round(2).T
    return go.Scatter(x=x, y=y, name=name, mode="lines", line={"color": color, "dash": dash, "width": width})


def _trace_3d(
    name: str, paths: list[np.ndarray], color: str, width: float, n: int = N_POINTS
) -> go.Scatter3d:
    """All paths (n_points, 3) as one trace, with gaps between them."""
    gap = np.full((1, 3), np.nan)
    x, y, z = np.concatenate([part for path in paths for part in (_thin(path, n).round(2), gap)]).T
    return go.Scatter3d(x=x, y=y, z=z, name=name, mode="lines", line={"color": color, "width": width})
