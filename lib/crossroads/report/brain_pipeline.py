"""The steps of chapter `hmgm`, from time series to named communities, each with a small drawing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from crossroads.report.brain_state_figures import COLORS, STATE_LOOKS, Drawn, draw_chain
from crossroads.report.figures import WIDTH, letter
from crossroads.report.schematics import ARROW

STEPS = {
    "A": "time series\nto a hidden\nMarkov model",
    "B": "how many states:\nmost entropy in\npeople held out",
    "C": "transitions\nbetween states,\nthe layers",
    "D": "a graph of\nregions for\neach state",
    "E": "communities\nin each graph",
    "F": "ranking by a\nrandom walk\nin all layers",
    "G": "decoding of\ncommunities",
}


def draw_pipeline() -> Drawn:
    """The review's steps A to G from time series to communities, each with a small drawing."""
    fig, axes = plt.subplots(1, len(STEPS), figsize=(WIDTH, 1.75), gridspec_kw={"wspace": 0.18})
    for ax, draw, text in zip(axes, _icons(), STEPS.values(), strict=True):
        draw(ax)
        ax.set(xticks=[], yticks=[], box_aspect=1)
        ax.set_xlabel(text, fontsize=8)
        ax.spines[:].set(visible=True, color="0.6")
    for ax in axes[1:]:
        ax.annotate("", (-0.01, 0.5), (-0.3, 0.5), xycoords="axes fraction", arrowprops=ARROW)
    letter(axes, STEPS)
    return fig, pd.DataFrame({"panel": list(STEPS), "step": [s.replace("\n", " ") for s in STEPS.values()]})


def _icons() -> list[Callable[[Axes], None]]:
    """What is drawn for each of `STEPS`, in axes from 0 to 1."""
    rng = np.random.default_rng(3)
    traces = 0.02 * np.cumsum(rng.normal(size=(60, 4)), 0)
    modules = np.kron(np.eye(3), np.ones((3, 3)))
    spots = np.kron([[0.25, 0.75], [0.75, 0.75], [0.5, 0.25]], np.ones((3, 1))) + 0.14 * np.tile(
        [[-1, -0.6], [1, -0.6], [0, 1]], (3, 1)
    )

    def series(ax: Axes) -> None:
        for begin, state in ((0, 0), (0.35, 1), (0.6, 0), (0.8, 2)):
            ax.axvspan(begin, 1, color=COLORS[state], lw=0, ymax=0.12)
        ax.plot(np.linspace(0, 1, 60), traces - traces.mean(0) + [0.3, 0.48, 0.66, 0.84], color="0.3", lw=0.8)
        ax.set(xlim=(0, 1), ylim=(0, 1))

    def number(ax: Axes) -> None:
        ax.axvline(4, color="0.8", lw=4)
        ax.plot(range(1, 8), [0, 0.5, 0.8, 1, 1.02, 1, 1.01], "o-", ms=3, lw=1, color=COLORS[0])
        ax.set(xlim=(0.3, 7.7), ylim=(-0.15, 1.3))

    def chain(ax: Axes) -> None:
        transition = np.array([[0, 0.9, 0.3], [0.4, 0, 0.6], [0.8, 0.5, 0]])
        draw_chain(ax, transition, np.array([0.5, 0.3, 0.2]), 0.35)
        ax.set_axis_on()

    def layers(ax: Axes) -> None:
        for i in range(3):
            values = rng.random((7, 7))
            box = (0.08 + 0.16 * i, 0.52 + 0.16 * i, 0.48 - 0.16 * i, 0.92 - 0.16 * i)
            ax.imshow(values + values.T, cmap="mako_r", extent=box, zorder=2 * i, vmin=0, vmax=2)
            ax.add_patch(
                Rectangle((box[0], box[2]), 0.44, 0.44, fc="none", ec=COLORS[i], lw=2, zorder=2 * i + 1)
            )
        ax.set(xlim=(0, 1), ylim=(0, 1))

    def communities(ax: Axes) -> None:
        for i in range(9):
            for j in range(i):
                if modules[i, j] or rng.random() < 0.15:
                    ax.plot(*spots[[i, j]].T, color="0.4" if modules[i, j] else "0.8", lw=1)
        for look, members in zip(STATE_LOOKS[3:6], np.split(spots, 3), strict=True):
            ax.scatter(members[:, 0], members[:, 1], 22, color=look["color"], marker=look["marker"], zorder=3)
        ax.set(xlim=(0, 1), ylim=(0, 1))

    def walk(ax: Axes) -> None:
        for i in range(3):
            corners = np.array([[0.05, 0], [0.75, 0], [0.95, 0.2], [0.25, 0.2]]) + np.array(
                [0, 0.08 + 0.31 * i]
            )
            ax.add_patch(Polygon(corners, fc="0.95", ec=COLORS[i], lw=1.5))
        path = [(0.3, 0.2), (0.6, 0.14), (0.6, 0.45), (0.4, 0.52), (0.4, 0.83), (0.7, 0.8)]
        for begin, end in pairwise(path):
            ax.annotate("", end, begin, arrowprops=ARROW | {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 7})
        ax.plot(*np.transpose(path), "o", ms=3, color="0.2")
        ax.set(xlim=(0, 1), ylim=(0, 1))

    def terms(ax: Axes) -> None:
        for i, (look, width) in enumerate(zip(STATE_LOOKS[3:6], (0.75, 0.5, 0.3), strict=True)):
            ax.barh(0.8 - 0.3 * i, width, 0.16, 0.2, color=look["color"])
            ax.plot(0.1, 0.8 - 0.3 * i, look["marker"], ms=5, color=look["color"])
        ax.set(xlim=(0, 1), ylim=(0, 1))

    return [series, number, chain, layers, communities, walk, terms]
