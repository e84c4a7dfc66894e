"""Figures of communities to play with: on the brain, from state to state, by number of states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from crossroads.report import play
from crossroads.report.brain_state_figures import STATE_LOOKS

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "star", "x")
N_RANKS = 6  # communities of a state that are told apart on the brain
APART_MM = 190.0  # from the brain seen from above to that seen from the left


def brains(
    community: np.ndarray, ranking: pd.DataFrame, position: np.ndarray, outline: Mapping[str, np.ndarray]
) -> tuple[go.Figure, pd.DataFrame]:
    """Regions on a brain, from above and, those of the left hemisphere, from the left; a slider over states.

    community : (K, N), states in the order of the slider. ranking : as `rank_communities` gives it, of
        these layers.
    position : (N, 3) [mm]. Colour and symbol are a community's rank by mass within its state, sizes its mass.
    """
    still = [
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": "#888", "width": 2},
            showlegend=False,
            hoverinfo="skip",
            name=view,
        )
        for view, (x, y) in {
            "from above": outline["top"].T,
            "from the left": (outline["left"] + [APART_MM, 0]).T,
        }.items()
    ]
    positions, rows = {}, []
    for layer, labels in enumerate(community):
        own = ranking[ranking.layer == layer].sort_values("mass", ascending=False)
        traces = []
        for rank in range(N_RANKS):
            there = rank < len(own)
            chosen = np.flatnonzero(labels == own.community.iloc[rank]) if there else np.array([], int)
            mass = own.mass.iloc[rank] if there else 0.0
            size = 5 + 9 * np.sqrt(mass / ranking.mass.max())
            look = {"symbol": SYMBOLS[rank], "color": STATE_LOOKS[rank]["color"]}
            traces.append(_regions(position, chosen, f"rank {rank + 1}", look | {"size": size}))
            rows += [(layer + 1, rank + 1, len(chosen), float(mass))] if len(chosen) else []
        others = np.flatnonzero(np.isin(labels, own.community.iloc[N_RANKS:]))
        traces.append(
            _regions(position, others, "others", {"symbol": "circle-open", "color": "#777", "size": 5})
        )
        positions[str(layer + 1)] = traces
    figure = play.paths(still, positions, "State", ("x, and y seen from the left (mm)", "y, and z (mm)"), "1")
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    return figure, pd.DataFrame(rows, columns=["state", "rank", "regions", "mass"])


def alluvial(community: np.ndarray, stationary: np.ndarray) -> tuple[go.Figure, pd.DataFrame]:
    """Membership over states, in their order here; the slider picks a community of the first to be followed.

    community : (K, N). stationary : (K,) shares of the states. A band is as high as the number of regions
        that two neighbouring communities share.
    """
    k, n = community.shape
    order = [_stacked(labels, community[0]) for labels in community]
    width, gap = n * 0.06, n * 0.75
    still = []
    for layer, labels in enumerate(community):
        x = layer * gap
        for label in np.unique(labels):
            inside = order[layer][labels == label]
            box = [x - width, x + width, x + width, x - width, x - width]
            low, high = inside.min() - 0.4, inside.max() + 0.4
            still.append(_polygon(box, [low, low, high, high, low], "#bbb", f"state {layer + 1}"))
    still.append(_polygon(*_bands(order, range(n), gap, width), "#ddd", "all regions"))
    positions, rows = {}, []
    for label in np.unique(community[0]):
        xs, ys = _bands(order, np.flatnonzero(community[0] == label), gap, width)
        positions[str(label + 1)] = [_polygon(xs, ys, STATE_LOOKS[0]["color"], "its regions")]
        for layer in range(k):
            parts = np.unique(community[layer][community[0] == label], return_counts=True)[1]
            rows.append((int(label) + 1, layer + 1, float(stationary[layer]), len(parts), int(parts.max())))
    figure = play.paths(still, positions, "Community of the first state", ("", "regions"), "1")
    figure.update_xaxes(
        tickvals=[layer * gap for layer in range(k)],
        ticktext=[f"state {layer + 1}<br>{100 * share:.0f} %" for layer, share in enumerate(stationary)],
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, scaleanchor=None)
    figure.update_layout(showlegend=False)
    columns = ["community", "state", "share_of_time", "communities_reached", "largest_part"]
    return figure, pd.DataFrame(rows, columns=columns)


def ranks(tables: Mapping[tuple[str, str], pd.DataFrame]) -> tuple[go.Figure, pd.DataFrame]:
    """Mass and persistence of ranked communities; sliders over the number of states and the rule of the walk.

    tables : by number of states and rule, as `rank_communities` gives them.
    """
    longest = max(map(len, tables.values()))
    positions: dict[tuple[str, ...], list[go.Scatter]] = {}
    rows = []
    for key, table in tables.items():
        traces = []
        for i, (name, dash) in enumerate((("mass", "solid"), ("persistence", "dash"))):
            values = np.full(longest, np.nan)
            values[: len(table)] = table[name]
            traces.append(
                go.Scatter(
                    x=np.arange(1, longest + 1), y=values, name=name, mode="lines+markers",
                    line={"dash": dash, "color": STATE_LOOKS[i]["color"]}, marker={"symbol": SYMBOLS[i]},
                )
            )  # fmt: skip
        positions[key] = traces
        rows += [
            (*key, rank + 1, one.layer + 1, one.size_, one.mass, one.persistence)
            for rank, one in enumerate(table.rename(columns={"size": "size_"}).head(6).itertuples())
        ]
    figure = play.curves(
        positions,
        ("States", "Rule"),
        "community, by rank of its mass",
        "mass, and share of it still inside",
        next(iter(tables)),
        log="y",
    )
    columns = ["states", "rule", "rank", "state", "regions", "mass", "persistence"]
    return figure, pd.DataFrame(rows, columns=columns)


def _regions(position: np.ndarray, chosen: np.ndarray, name: str, look: dict) -> go.Scatter:
    """Chosen regions from above and, those of the left hemisphere, beside it from the left."""
    above, seen = position[chosen], position[chosen[position[chosen, 0] <= 0]]
    return go.Scatter(
        x=np.concatenate([above[:, 0], seen[:, 1] + APART_MM]),
        y=np.concatenate([above[:, 1], seen[:, 2]]),
        mode="markers",
        name=name,
        marker=look | {"line": {"width": 0.5, "color": "#333"}},
    )


def _stacked(labels: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Heights (N,) of regions, one on another by community, with a space between communities."""
    # Communities stand in the order of the first state's regions that they hold, so that bands cross little.
    start = np.argsort(np.argsort(first, kind="stable"))
    mean = {label: start[labels == label].mean() for label in np.unique(labels)}
    rank = {label: i for i, label in enumerate(sorted(mean, key=mean.__getitem__))}
    place = np.array([rank[label] for label in labels])
    order = np.lexsort((first, place))
    height = np.empty(len(labels))
    height[order] = np.arange(len(labels)) + 1.5 * place[order]
    return height


def _bands(order: list[np.ndarray], regions: Iterable[int], gap: float, width: float) -> tuple[list, list]:
    """Corners of one band for each region, from each state to the next; None between bands."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for region in regions:
        for layer, (left, right) in enumerate(pairwise(order)):
            a, b = left[region], right[region]
            x0, x1 = layer * gap + width, (layer + 1) * gap - width
            xs += [x0, x1, x1, x0, x0, None]
            ys += [a - 0.4, b - 0.4, b + 0.4, a + 0.4, a - 0.4, None]
    return xs, ys


def _polygon(x: list, y: list, color: str, name: str) -> go.Scatter:
    return go.Scatter(
        x=x, y=y, mode="lines", fill="toself", fillcolor=color, line={"color": color, "width": 0.5},
        name=name, hoverinfo="skip", opacity=0.75,
    )  # fmt: skip
