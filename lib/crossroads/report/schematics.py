"""Drawings of a task or a model: boxes and arrows."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path
from matplotlib.text import Text

BOX = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": "0.35"}
ARROW = {"arrowstyle": "-|>", "color": "0.35"}


def draw_network(ax: Axes, inputs: Sequence[str], hidden: str, output: str) -> None:
    """Inputs on the left, a recurrent layer in the middle, the report on the right."""
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    layer, report = _box(ax, 0.54, 0.5, hidden), _box(ax, 0.91, 0.5, output)
    for i, name in enumerate(inputs):
        _join(ax, _box(ax, 0.15, 0.85 - 0.7 * i / max(len(inputs) - 1, 1), name), layer)
    _join(ax, layer, report)
    ax.text(0.72, 0.53, "softmax,\nlast cycle", ha="center", va="bottom", fontsize=8)
    loop = Path([(0.51, 0.58), (0.44, 0.84), (0.64, 0.84), (0.57, 0.59)], [Path.MOVETO, *[Path.CURVE4] * 3])
    ax.add_patch(FancyArrowPatch(path=loop, mutation_scale=9, fc="0.35", ec="0.35", arrowstyle="-|>"))
    ax.text(0.54, 0.8, "recurrent weights", ha="center", va="bottom", fontsize=8)


def _box(ax: Axes, x: float, y: float, name: str) -> Text:
    return ax.text(x, y, name, ha="center", va="center", fontsize=8, bbox=BOX)


def _join(ax: Axes, start: Text, end: Text) -> None:
    """An arrow from the edge of one box to the edge of another."""
    boxes = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(), "shrinkA": 0, "shrinkB": 3}
    ax.annotate("", end.get_position(), start.get_position(), arrowprops=ARROW | boxes)
