"""Hands to play with: one that follows the decoder beside the one that is meant, and a game of matching."""

from __future__ import annotations

import json
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import HTML

from crossroads.data.nerve_session import ACTIVE, DOFS, GESTURES
from crossroads.models.matching_task import PAUSE_S, Task
from crossroads.report import play
from crossroads.report.intervals import number
from crossroads.report.tables import table

N_FRAMES = 100  # at most; what stands in the page grows with them
APART_MM = 230.0  # from the middle of one hand to that of the other
# The palm is seen a little from the side, or bent fingers would only seem shorter: rows are the directions to
# the right and up on the screen.
VIEW = np.array([[0.88, 0.0, -0.47], [0.16, 0.94, 0.30]])
LOOKS = (("intent", "#333333"), ("decoded", "#0173b2"))
KEYS = {"little": "a", "ring": "s", "middle": "d", "index": "f", "thumb": "space", "wrist": "j"}
CHOICES = (4, 8, 11)  # of how many gestures a round of the game has
N_CUES = 20
RESULTS = {
    "n_gestures": "Gestures asked for",
    "success": "Share of cues matched",
    "reaction_s": "Median time from cue to match (s)",
    "cue_s": "Mean time a cue takes, with holding (s)",
    "wolpaw_bits": "Bits a selection (Wolpaw)",
    "information_bits": "Bits a selection (mutual information)",
    "bits_per_s_wolpaw": "Bits a second (Wolpaw)",
    "bits_per_s": "Bits a second (mutual information)",
}


def animate(
    intent: np.ndarray,
    decoded: np.ndarray,
    chains_intent: np.ndarray,
    chains_decoded: np.ndarray,
    step_s: float,
) -> tuple[go.Figure, pd.DataFrame]:
    """Two hands over time, with a slider and a button that lets them move as fast as they did.

    Parameters
    ----------
    intent, decoded : (n, 6) flexion that is meant and that is decoded.
    chains_intent, chains_decoded : (n, 5, 6, 3) [m] of the hands that follow them, as `ShadowHand.chains`.
    step_s : time from one posture to the next [s]; of more than N_FRAMES some are left out.

    Returns
    -------
    Figure, and a row a frame and hand with the flexions; a filled marker is a flexion above ACTIVE.

    Raises
    ------
    ValueError : arrays of different lengths, or without the shapes above.
    """
    n = len(intent)
    given = [np.shape(array) for array in (intent, decoded, chains_intent, chains_decoded)]
    if given != [(n, 6), (n, 6), (n, 5, 6, 3), (n, 5, 6, 3)]:
        raise ValueError(f"hands of shapes {given}; expected two (n, 6) and two (n, 5, 6, 3) of one n")
    every = -(-n // N_FRAMES)
    chosen = range(0, n, every)
    digits = 2 if step_s * every < 0.1 else 1
    labels = [f"{k * step_s:.{digits}f}" for k in chosen]
    hands = list(zip(LOOKS, (intent, decoded), (chains_intent, chains_decoded), strict=True))
    positions = {
        label: [
            trace
            for side, (look, flexion, chains) in enumerate(hands)
            for trace in _hand(look, flexion[k], chains[k], side)
        ]
        for label, k in zip(labels, chosen, strict=True)
    }
    figure = play.paths([], positions, "Time (s)", ("", ""), labels[0])
    for frame in figure.frames:  # what does not move stands in the figure once
        frame.data = [go.Scatter(x=t.x, y=t.y, marker={"symbol": t.marker.symbol}) for t in frame.data]
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    figure.update_layout(height=420, margin={"l": 10, "r": 10, "t": 10, "b": 10})
    pace = {"mode": "immediate", "fromcurrent": True, "transition": {"duration": 0}}
    pace["frame"] = {"duration": round(1000 * step_s * every), "redraw": False}
    button = {"label": "Play", "method": "animate", "args": [None, pace]}
    figure.update_layout(
        updatemenus=[{"type": "buttons", "buttons": [button], "x": 0, "y": 0, "yanchor": "bottom"}]
    )
    rows = [
        (label, name, *map(float, flexion[k]))
        for label, k in zip(labels, chosen, strict=True)
        for (name, _), flexion, _ in hands
    ]
    return figure, pd.DataFrame(rows, columns=["time_s", "hand", *DOFS])


def _hand(look: tuple[str, str], flexion: np.ndarray, chains: np.ndarray, side: int) -> list[go.Scatter]:
    """Lines of a hand, and a marker at each tip and at the wrist, filled where that is flexed."""
    name, color = look
    screen = (1000 * chains @ VIEW.T + [side * APART_MM, 0]).astype(np.float32)
    gap = np.full((5, 1, 2), np.nan, np.float32)
    lines = np.concatenate([screen, gap], axis=1).reshape(-1, 2)
    ends = np.vstack([screen[:, -1], screen[0, 1]])
    symbols = ["circle" if on else "circle-open" for on in flexion > ACTIVE]
    return [
        go.Scatter(
            x=lines[:, 0],
            y=lines[:, 1],
            mode="lines",
            name=name,
            line={"color": color, "width": 5},
            hoverinfo="skip",
        ),
        go.Scatter(
            x=ends[:, 0],
            y=ends[:, 1],
            mode="markers",
            name=f"{name}: filled where flexed",
            marker={"symbol": symbols, "size": 13, "color": color, "line": {"width": 2, "color": color}},
            hoverinfo="skip",
            showlegend=False,
        ),
    ]


def game(simulated: dict[str, float]) -> HTML:
    """A game in the rendered page, in which the reader is the user: match the hand shown by holding keys.

    `book/_static/hand.js` plays it, with the rules of `matching_task` and the formulas of `hand_scores`. In
    JupyterLab a sentence says where it is to be played, above the numbers of the simulated user.

    simulated : what the simulated user reached, one finite number for each of RESULTS.

    Raises
    ------
    ValueError : other names than those of RESULTS, or a number that is not finite.
    """
    if set(simulated) != set(RESULTS) or not np.isfinite(list(simulated.values())).all():
        raise ValueError(f"simulated user {simulated}: one finite number is needed for each of {[*RESULTS]}")
    rules = {
        "gestures": GESTURES,
        "dofs": DOFS,
        "keys": KEYS,
        "choices": CHOICES,
        "cues": N_CUES,
        "dwell_ms": round(1000 * Task.dwell_s),
        "timeout_ms": round(1000 * Task.timeout_s),
        "pause_ms": [round(1000 * s) for s in PAUSE_S],
    }
    rows = [
        [escape(label), number(simulated[key]), f'<span data-result="{key}">not played</span>']
        for key, label in RESULTS.items()
    ]
    results = table("Results of the matching game", ["Result", "Simulated user", "You"], rows)
    return HTML(
        f'<div class="cr-hand" data-rules="{escape(json.dumps(rules))}">\n'
        "<p>The matching game is played in the rendered book, with JavaScript switched on.</p>\n"
        f"{results}</div>"
    )
