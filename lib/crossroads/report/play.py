"""Figures to play with, drawn by the plotly bundle that the book carries: no kernel, no network."""

import json
from html import escape
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from IPython.display import display

from crossroads.report.figures import check_labels, write_numbers
from crossroads.report.intervals import number
from crossroads.report.tables import table


def show(figure: go.Figure, name: str, caption: str, alt: str, data: pd.DataFrame, out: str | Path) -> None:
    """Display an interactive figure and write its numbers to `out`/figures/<name>.csv.

    JupyterLab draws it itself; the page carries the same JSON, which `book/_static/play.js` draws, and the
    numbers as a table for those who cannot see or turn it.

    name, caption, alt : as for `figures.show`.
    data : the numbers drawn, a few hundred rows at most: they stand in the page.
    """
    check_labels(name, caption, alt)
    write_numbers(name, data, out)
    figure = go.Figure(figure)
    figure.update_layout(template="none", paper_bgcolor="white", font_size=13, autosize=True, width=None)
    plot = json.loads(figure.to_json())
    display(
        {"application/vnd.plotly.v1+json": plot, "text/html": page(plot, name, alt, data), "text/plain": alt},
        raw=True,
        metadata={"crossroads": {"name": name, "caption": caption, "alt": alt}},
    )


def slider(positions: dict[str, list[go.Scatter3d]], prefix: str, axes: tuple[str, str, str]) -> go.Figure:
    """A turnable 3-D figure with a slider.

    positions : the traces at each position of the slider, by its label; as many at each.
    """
    names = list(positions)
    frames = [go.Frame(data=traces, name=name) for name, traces in positions.items()]
    steps = [
        {
            "label": name,
            "method": "animate",
            "args": [[name], {"mode": "immediate", "frame": {"duration": 0}}],
        }
        for name in names
    ]
    # One range for all positions, or the planes would seem to change their size with the axes.
    reach = 1.1 * max(
        abs(v) for traces in positions.values() for t in traces for c in (t.x, t.y, t.z) for v in c
    )
    scene = {
        f"{axis}axis": {"title": {"text": title}, "range": [-reach, reach], "showticklabels": False}
        for axis, title in zip("xyz", axes, strict=True)
    }
    pad = {"t": 20, "b": 30, "l": 30, "r": 30}  # room for the labels of the ends
    layout = go.Layout(
        scene={"aspectmode": "cube", **scene},
        sliders=[{"steps": steps, "active": 0, "currentvalue": {"prefix": prefix}, "pad": pad}],
        margin={"l": 0, "r": 0, "t": 10, "b": 10},
        legend={"x": 0, "y": 1},
        height=520,
    )
    return go.Figure(data=positions[names[0]], layout=layout, frames=frames)


def page(plot: dict, name: str, alt: str, data: pd.DataFrame) -> str:
    """The figure as HTML: a place to draw in, what to draw as JSON, and the numbers."""
    height = plot["layout"].get("height", 450)
    drawing = json.dumps(plot, sort_keys=True, separators=(",", ":")).replace("</", "<\\/")
    header = [escape(str(column)) for column in data.columns]
    rows = [[escape(_cell(value)) for value in row] for row in data.itertuples(index=False)]
    numbers = table(f"Numbers of {name}", header, rows)
    return (
        f'<div class="cr-play">\n<div id="{name}-plot" class="cr-plot" role="img" aria-label="{escape(alt)}" '
        f'style="height:{height}px"><noscript>{escape(alt)}</noscript></div>\n'
        f'<script type="application/json">{drawing}</script>\n'
        f"<details><summary>The numbers of this figure</summary>\n{numbers}</details>\n</div>"
    )


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
