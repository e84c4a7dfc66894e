"""Drawing colour planes: quadrilaterals in three principal components, and angles between planes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns
from matplotlib.projections.polar import PolarAxes
from mpl_toolkits.mplot3d import Axes3D

from crossroads.analyse.circular import circular_mean_deg
from crossroads.analyse.planes import N_BINS
from crossroads.report.figures import Look

COLOURS = sns.color_palette("colorblind").as_hex()
BINS = [COLOURS[i] for i in (3, 1, 2, 0)]  # the four colour bins, in order round the circle
LOCATIONS = (("location 1", "o", "-"), ("location 2", "^", "--"))


def draw_planes(
    ax: Axes3D, coordinates: np.ndarray, explained: np.ndarray, names: tuple[str, str] | None = None
) -> pd.DataFrame:
    """Draw both locations' colours in three principal components, all three to one scale; bin 1 is ringed.

    Parameters
    ----------
    coordinates : (8, 3), centred.
    explained : (3,) shares of the variance, written on the axes.
    names : of the two rows of four, for the legend; location 1 and 2 by default.

    Returns
    -------
    The numbers drawn: group, colour bin 1-4, pc1, pc2, pc3.
    """
    tables = []
    for i, (location, marker, line) in enumerate(LOCATIONS):
        name = names[i] if names else location
        quad = coordinates[N_BINS * i : N_BINS * (i + 1)]
        closed = np.vstack([quad, quad[:1]])
        ax.plot(*closed.T, line, color="0.35", lw=1)
        ax.plot([], [], [], line, marker=marker, color="0.35", lw=1, label=name)
        ax.scatter(*quad.T, c=BINS, marker=marker, s=28, depthshade=False)
        # A ring round the first bin, so that the order is not told by colour alone.
        ax.scatter(*quad[:1].T, marker="o", s=90, fc="none", ec="black", depthshade=False)
        table = pd.DataFrame(quad, columns=["pc1", "pc2", "pc3"])
        tables.append(table.assign(group=name, bin=range(1, N_BINS + 1)))
    reach = 1.1 * np.abs(coordinates).max()
    for axis, share, number in zip((ax.xaxis, ax.yaxis, ax.zaxis), explained, (1, 2, 3), strict=True):
        axis.set_ticklabels([])
        axis.set_label_text(f"PC {number}, {share:.0%}", fontsize=8)
        axis.labelpad = -10
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    ax.set_box_aspect((1, 1, 1), zoom=0.95)
    return pd.concat(tables, ignore_index=True)[["group", "bin", "pc1", "pc2", "pc3"]]


def polar_angles(
    ax: PolarAxes,
    angles_deg: np.ndarray,
    look: Look,
    *,
    radius: float = 1,
    label: str = "",
    signed: bool = True,
) -> pd.DataFrame:
    """Draw angles on a circle, one light mark each, and their circular mean as a line from the centre.

    angles_deg : (n,) [deg]; NaNs are left out.
    signed : False where the sign means nothing: the mean is then that of the angles without their signs.

    Returns the numbers drawn: item, its number or "estimate"; value [deg].
    """
    kept = np.flatnonzero(np.isfinite(angles_deg))
    mean = circular_mean_deg(angles_deg if signed else np.abs(angles_deg))
    marks = np.radians(angles_deg[kept])
    ax.plot(marks, np.full(len(marks), radius), look["marker"], color=look["color"], alpha=0.4, ms=5, mew=0)
    ax.plot([np.radians(mean)] * 2, [0, radius], "-", color=look["color"], lw=1.5)
    ax.plot(np.radians(mean), radius, look["marker"], color=look["color"], ms=7, label=label)
    ax.set_rticks([])
    ax.set_rlim(0, 1.15)
    ax.set_xticks(np.radians([0, 90, 180, 270]), ["0°", "90°", "180°", "−90°"])
    ax.tick_params(axis="x", pad=0)
    items = [*kept.astype(str), "estimate"]
    return pd.DataFrame({"item": items, "value": [*angles_deg[kept], mean]})


def plane_traces(coordinates: np.ndarray) -> list[go.Scatter3d]:
    """The same planes (8, 3) as traces of an interactive figure."""
    traces = []
    for i, (name, _, line) in enumerate(LOCATIONS):
        quad = coordinates[N_BINS * i : N_BINS * (i + 1)]
        x, y, z = (round_numbers(np.append(axis, axis[0])) for axis in quad.T)
        traces.append(
            go.Scatter3d(
                x=x, y=y, z=z, name=name, mode="lines+markers",
                line={"color": "#555555", "width": 4, "dash": "solid" if line == "-" else "dash"},
                marker={"size": 6, "color": [*BINS, BINS[0]], "symbol": "circle" if i == 0 else "diamond"},
            )
        )  # fmt: skip
    return traces


def round_numbers(values: np.ndarray) -> list[float]:
    """Four significant digits are enough for a page."""
    return [float(f"{value:.4g}") for value in values]
