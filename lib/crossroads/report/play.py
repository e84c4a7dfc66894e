"""Figures to play with, drawn by the plotly bundle that the book carries: no kernel, no network."""

import io
import json
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import display
from scipy.io import wavfile

from crossroads.data.listening import SOUND_HZ
from crossroads.report.figures import check_labels, write_numbers
from crossroads.report.intervals import number
from crossroads.report.tables import table

ROUND = [m * 10.0**k for k in range(-4, 7) for m in (1, 2, 5)]  # ticks
LOG = {"type": "log", "tickvals": ROUND, "ticktext": [f"{value:g}" for value in ROUND]}


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
    # One range for all positions, or the planes would seem to change their size with the axes.
    every = [np.asarray(c, float) for traces in positions.values() for t in traces for c in (t.x, t.y, t.z)]
    reach = 1.1 * max(np.nanmax(np.abs(values)) for values in every)
    scene = {
        f"{axis}axis": {"title": {"text": title}, "range": [-reach, reach], "showticklabels": False}
        for axis, title in zip("xyz", axes, strict=True)
    }
    layout = go.Layout(
        scene={"aspectmode": "cube", **scene},
        margin={"l": 0, "r": 0, "t": 10, "b": 10},
        legend={"x": 0, "y": 1},
        height=520,
    )
    figure = go.Figure(next(iter(positions.values())), layout)
    named: dict[tuple[str, ...], list] = {(name,): traces for name, traces in positions.items()}
    return _with_sliders(figure, named, (prefix.strip(),), next(iter(named)))


def curves(
    positions: dict[tuple[str, ...], list[go.Scatter]],
    names: tuple[str, ...],
    x_title: str,
    y_title: str,
    start: tuple[str, ...],
    log: str = "",
) -> go.Figure:
    """Curves with one slider for each of several quantities; in JupyterLab one runs over all combinations.

    positions : the traces for each combination of values, one a slider. The traces of one combination differ
        from those of another in y alone: draw bands as traces of their own.
    names : of the sliders, with units: "Jitter (cm)".
    start : the combination at which the sliders stand.
    log : axes with a logarithmic scale: "", "x", "y" or "xy".

    Raises
    ------
    ValueError : a combination is missing, or has other traces than the first.
    """
    first = positions[start]
    missing = set(product(*zip(*positions, strict=True))) - positions.keys()
    if missing:
        raise ValueError(f"no curves for {min(missing)}; the sliders {names} can be moved to it")
    still = {key: [(t.name, tuple(t.x)) for t in traces] for key, traces in positions.items()}
    strange = [key for key in positions if still[key] != still[start]]
    if strange:
        raise ValueError(f"the curves of {strange[0]} have other names or other x than those of {start}")
    every = [trace for traces in positions.values() for trace in traces]
    layout = {
        f"{axis}axis": {
            "title": {"text": title},
            "range": _range(np.concatenate([trace[axis] for trace in every]), axis in log),
            **(LOG if axis in log else {}),
        }
        for axis, title in zip("xy", (x_title, y_title), strict=True)
    }
    figure = go.Figure(first, layout).update_layout(
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
        height=450,
    )
    moved = {key: [go.Scatter(y=np.float32(t.y)) for t in traces] for key, traces in positions.items()}
    return _with_sliders(figure, moved, names, start)


def paths(
    still: list[go.Scatter],
    positions: dict[str, list[go.Scatter]],
    name: str,
    axes: tuple[str, str],
    start: str,
) -> go.Figure:
    """Paths in a plane, to scale, with one slider along which they move.

    still : traces that stay. positions : the traces at each position of the slider, by its label; as many at
        each. name : of the slider, with its unit. axes : titles. start : the position that is shown first.

    Raises
    ------
    ValueError : the traces at a position have other names than those at the start.
    """
    names = [trace.name for trace in positions[start]]
    strange = [label for label, traces in positions.items() if [t.name for t in traces] != names]
    if strange:
        raise ValueError(f"the paths at {strange[0]!r} have other names than those at {start!r}: {names}")
    figure = go.Figure([*still, *positions[start]])
    for axis, title in zip("xy", axes, strict=True):
        every = [np.asarray(t[axis], float) for traces in (still, *positions.values()) for t in traces]
        figure.update_layout(
            {f"{axis}axis": {"title": {"text": title}, "range": _range(np.concatenate(every), False)}}
        )
    figure.update_layout(
        yaxis={"scaleanchor": "x", "constrain": "domain"},
        xaxis_constrain="domain",
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
        height=480,
    )
    moved: dict[tuple[str, ...], list] = {(label,): traces for label, traces in positions.items()}
    return _with_sliders(figure, moved, (name,), (start,), n_still=len(still))


def sounds(label: str, header: Sequence[str], rows: Sequence[tuple[Sequence[str], np.ndarray]]) -> str:
    """An HTML table whose rows can be heard: the browser's own player in the last cell of each.

    The sounds stand in the page as 16-bit WAV, 43 kB a second: no file, no request, no script. One gain for
    all brings the loudest to full scale, so that nothing clips and they stay comparable.

    label : what the table holds, read out by screen readers.
    header : of the text cells, then of the sounds. rows : text cells and sound (n,) at SOUND_HZ, any unit.

    Raises
    ------
    ValueError : a row without one text for each column, or a sound that is empty, not (n,) or not finite.
    """
    for texts, sound in rows:
        if len(texts) != len(header) - 1:
            raise ValueError(f"texts {list(texts)} and a sound under {list(header)}: one cell a column")
        if np.ndim(sound) != 1 or not np.size(sound) or not np.isfinite(sound).all():
            raise ValueError(f"the sound of {list(texts)} has shape {np.shape(sound)}; expected (n,), finite")
    loudest = max((float(np.abs(sound).max()) for _, sound in rows), default=0.0) or 1.0
    cells = []
    for texts, sound in rows:
        wave = io.BytesIO()
        wavfile.write(wave, SOUND_HZ, np.round(32767 / loudest * np.asarray(sound, float)).astype(np.int16))
        spoken = ", ".join(f"{name}: {text}" for name, text in zip(header, texts, strict=False))
        player = (
            f'<audio controls aria-label="{escape(f"{header[-1]}; {spoken}")}" '
            f'src="data:audio/wav;base64,{b64encode(wave.getvalue()).decode()}"></audio>'
        )
        cells.append([*map(escape, texts), player])
    return table(label, [escape(name) for name in header], cells)


def _range(values: np.ndarray, log: bool) -> list[float]:
    """One range of an axis for all positions of the sliders; its exponents, if the axis is logarithmic."""
    values = np.log10(values[values > 0]) if log else values
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.05 * (high - low)
    return [low - margin, high + margin]


def _with_sliders(
    figure: go.Figure,
    positions: dict[tuple[str, ...], list],
    names: tuple[str, ...],
    start: tuple[str, ...],
    n_still: int = 0,
) -> go.Figure:
    """Add one plotly slider over all positions, and what `play.js` needs to put one for each name instead.

    The first n_still traces of the figure stay; the others are those that move.
    """
    figure.frames = [
        go.Frame(data=traces, name=", ".join(key), traces=[n_still + i for i in range(len(traces))])
        for key, traces in positions.items()
    ]
    at_once = {"mode": "immediate", "frame": {"duration": 0}, "transition": {"duration": 0}}
    steps = [
        {"label": frame.name, "method": "animate", "args": [[frame.name], at_once]} for frame in figure.frames
    ]
    pad = {"t": 40, "b": 30, "l": 30, "r": 30}  # room for the title of an axis and the labels of the ends
    figure.update_layout(
        sliders=[
            {
                "steps": steps,
                "active": list(positions).index(start),
                "currentvalue": {"prefix": ", ".join(names) + " "},
                "pad": pad,
            }
        ],
        meta={
            "sliders": [
                {"name": name, "values": list(dict.fromkeys(values)), "start": at}
                for name, values, at in zip(names, zip(*positions, strict=True), start, strict=True)
            ]
        },
    )
    return figure


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
