"""Figures of a brain's multiplex graph: layers, communities, their ranking and their overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import spearmanr

from crossroads.report.brain_state_figures import STATE_LOOKS
from crossroads.report.figures import WIDTH, groups, legend, letter

N_BARS = 24  # communities shown in a ranking
N_LAYERS = 8  # layers shown
NULL_LOOKS = (("0.4", "o"), ("0.6", "v"), ("0.2", "s"))


def draw_layers(weights: np.ndarray, community: np.ndarray) -> tuple[Figure, pd.DataFrame]:
    """Layers (K, N, N), regions sorted by each layer's communities (K, N)."""
    k = min(len(weights), N_LAYERS)
    n_rows = -(-k // 4)
    fig, axes = plt.subplots(n_rows, min(k, 4), figsize=(WIDTH, 2.1 * n_rows), squeeze=False)
    rows = []
    for ax in axes.ravel()[k:]:
        ax.set_axis_off()
    for layer, ax in enumerate(axes.ravel()[:k]):
        order = np.argsort(community[layer], kind="stable")
        picture = ax.imshow(weights[layer][np.ix_(order, order)], cmap="mako_r", vmin=0, vmax=weights.max())
        _borders(ax, np.flatnonzero(np.diff(community[layer][order])) + 0.5)
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(f"state {layer + 1}", fontsize=8)
        rows += [(layer + 1, int(region) + 1, int(community[layer][region]) + 1) for region in order]
    fig.colorbar(picture, ax=axes, label="correlation", shrink=0.8)
    return fig, pd.DataFrame(rows, columns=["state", "region", "community"])


def draw_supra(matrix: np.ndarray, n_layers: int) -> tuple[Figure, pd.DataFrame]:
    """The graph of all layers (K N, K N), weights on a logarithmic scale."""
    n = len(matrix) // n_layers
    blocks = matrix.reshape(n_layers, n, n_layers, n)
    fig, ax = plt.subplots(figsize=(WIDTH * 0.7, 3.9))
    shown = np.where(matrix > 0, matrix, np.nan)
    scale = LogNorm(max(np.nanmin(shown), 1e-3), 1)
    picture = ax.imshow(shown, cmap="mako_r", norm=scale, interpolation="nearest", aspect="auto")
    # One line a coupling: single cells of a large matrix would fall between the pixels.
    pairs = [(a, b) for a in range(n_layers) for b in range(n_layers) if a != b and blocks[a, 0, b, 0] > 0]
    lines = [[(b * n, a * n), (b * n + n - 1, a * n + n - 1)] for a, b in pairs]
    values = np.array([blocks[pair[0], 0, pair[1], 0] for pair in pairs])
    ax.add_collection(LineCollection(lines, array=values, cmap="mako_r", norm=scale, lw=1.2))
    fig.colorbar(picture, ax=ax, label="weight")
    ticks, names = _by_layer(ax, np.repeat(np.arange(n_layers), n))
    ax.set_yticks(ticks, names)
    ax.set(xlabel="region in state", ylabel="region in state", box_aspect=1)
    return fig, pd.DataFrame(blocks.mean((1, 3)), columns=[f"to_{name}" for name in names]).assign(
        state=names
    )


def draw_modularity(observed: np.ndarray, nulls: Mapping[str, np.ndarray]) -> tuple[Figure, pd.DataFrame]:
    """Modularity (K,) of layers beside that of nulls (K, n); z above the first kind is written at each."""
    fig, ax = plt.subplots(figsize=(WIDTH, 2.9))
    rng = np.random.default_rng(0)
    rows = []
    for i, (name, drawn) in enumerate(nulls.items()):
        color, marker = NULL_LOOKS[i]
        for layer, values in enumerate(drawn):
            x = layer + 1 + 0.22 * (i - 1) + rng.uniform(-0.06, 0.06, len(values))
            ax.plot(x, values, marker, ms=3, color=color, alpha=0.7, mew=0, label="" if layer else name)
            rows.append((layer + 1, name, values.mean(), values.std()))
    first = next(iter(nulls.values()))
    z = (observed - first.mean(1)) / first.std(1)
    for layer, value in enumerate(observed):
        look = STATE_LOOKS[layer]
        ax.plot(layer + 1, value, look["marker"], ms=8, color=look["color"], mec="black")
        ax.annotate(
            f"z {z[layer]:.1f}",
            (layer + 1, value),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
        rows.append((layer + 1, "layer", value, 0.0))
    ax.set(xlabel="state", ylabel="modularity", xticks=range(1, len(observed) + 1), ylim=(-0.02, None))
    ax.set_xlim(0.5, len(observed) + 0.7)
    legend(ax, ncols=3)
    return fig, pd.DataFrame(rows, columns=["state", "what", "mean", "sd"])


def draw_ranking(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Mass and persistence of communities, see `community_ranking.rank_communities`, in the order of mass."""
    shown = table.head(N_BARS)
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.9 + 0.2 * len(shown)), sharey=True)
    place = np.arange(len(shown))
    for ax, name in zip(axes, ("mass", "persistence"), strict=True):
        low, high = shown[f"{name}_low"], shown[f"{name}_high"]
        ax.barh(place, high - low, 0.95, left=low, color="0.85", label="95 % of random sets")
        for y, value, layer, filled in zip(
            place, shown[name], shown.layer, shown[f"{name}_significant"], strict=True
        ):
            look = STATE_LOOKS[layer]
            ax.plot([0, value], [y, y], color=look["color"], lw=1.5)
            ax.plot(
                value, y, look["marker"], color=look["color"], mfc=look["color"] if filled else "white", ms=5
            )
        ax.set(xlim=(0, None), ylim=(len(shown) - 0.4, -0.6))
    axes[0].set(xlabel="mass (share of the walk)", yticks=place)
    axes[0].set_yticklabels(
        [
            f"state {a + 1}, c{b + 1} ({n})"
            for a, b, n in zip(shown.layer, shown.community, shown["size"], strict=True)
        ]
    )
    axes[1].set_xlabel("persistence (share still inside)")
    legend(axes[1], ncols=1)
    letter(axes)
    return fig, shown


def draw_mass(
    mass: np.ndarray, position: np.ndarray | None, outline: Mapping[str, np.ndarray]
) -> tuple[Figure, pd.DataFrame]:
    """Stationary mass (K, N) as a matrix, and on brains from above where positions (N, 3) [mm] are known."""
    heights = [0.9 + 0.17 * max(len(mass), 4), 1.9 * -(-min(len(mass), N_LAYERS) // 4)]
    if position is None:
        heights = heights[:1]
    fig = plt.figure(figsize=(WIDTH, sum(heights)))
    parts: Any = fig.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    ax = parts[0].subplots()
    sides = (0.5, mass.shape[1] + 0.5, len(mass) + 0.5, 0.5)
    picture = ax.imshow(mass, aspect="auto", cmap="mako_r", vmin=0, interpolation="nearest", extent=sides)
    parts[0].colorbar(picture, ax=ax, label="mass", pad=0.01)
    ax.set(xlabel="region", ylabel="state", yticks=range(1, len(mass) + 1))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    brains = [] if position is None else _brains(parts[1], mass[:N_LAYERS], position[:, :2], outline["top"])
    letter([ax, *brains[:1]])
    rows = [(i + 1, j + 1, value) for i, row in enumerate(mass) for j, value in enumerate(row)]
    return fig, pd.DataFrame(rows, columns=["state", "region", "mass"])


def draw_confounds(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Mass against size, occupancy and limit, and persistence against mass, one mark a community."""
    fig, axes = plt.subplots(1, 4, figsize=(WIDTH, 2.4))
    pairs = (
        ("size", "mass", "regions"),
        ("occupancy", "mass", "share of its state"),
        ("limit", "mass", "occupancy × strength"),
        ("mass", "persistence", "mass"),
    )
    for ax, (x, y, label) in zip(axes, pairs, strict=True):
        for layer, one in table.groupby("layer"):
            look = STATE_LOOKS[layer]
            name = f"state {layer + 1}" if ax is axes[0] else ""
            ax.plot(one[x], one[y], look["marker"], color=look["color"], ms=4, alpha=0.8, mew=0, label=name)
        ax.set(xlabel=label, xlim=(0, 1.05 * table[x].max()), ylim=(0, 1.05 * table[y].max()))
    axes[0].set_ylabel("mass")
    axes[3].set_ylabel("persistence")
    for ax, (x, y, _) in zip(axes, pairs, strict=True):
        ax.set_title(f"r {spearmanr(table[x], table[y]).statistic:.2f}", loc="right", fontsize=8)
    letter(axes)
    fig.legend(loc="outside upper center", ncols=8, handletextpad=0.1, columnspacing=1)
    return fig, table[["layer", "community", "size", "occupancy", "limit", "mass", "persistence"]]


def draw_overlap(jaccard: np.ndarray, layer_of: np.ndarray, nmi: np.ndarray) -> tuple[Figure, pd.DataFrame]:
    """Jaccard index of all pairs of communities (C, C), sorted by layer (C,), and NMI of layers (K, K)."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    picture = left.imshow(jaccard, cmap="mako_r", vmin=0, vmax=1, interpolation="nearest")
    fig.colorbar(picture, ax=left, label="Jaccard index", shrink=0.8)
    ticks, names = _by_layer(left, layer_of)
    left.set_yticks(ticks, names)
    right.set_xticks(range(len(nmi)), names)
    right.set_yticks(range(len(nmi)), names)
    left.set(xlabel="community, by state", ylabel="community, by state")
    picture = right.imshow(nmi, cmap="mako_r", vmin=0, vmax=1)
    fig.colorbar(picture, ax=right, label="mutual information (NMI)", shrink=0.8)
    if len(nmi) <= 6:
        for (i, j), value in np.ndenumerate(nmi):
            right.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color="w" if value > 0.5 else "k"
            )
    right.set(xlabel="state", ylabel="state")
    letter([left, right])
    return fig, pd.DataFrame(nmi, columns=[f"state_{name}" for name in names]).assign(state=names)


def draw_decoding(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[Figure, pd.DataFrame]:
    """Jaccard index of communities with networks, see `community_decoding`; dots: q below 5 %."""
    return _matrix(table, "network", "jaccard", names, "mako_r", (0, table.jaccard.max()), "Jaccard index")


def draw_maps(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[Figure, pd.DataFrame]:
    """Means of maps in communities, in SDs of random sets, see `community_decoding`; dots: q below 5 %."""
    reach = table.z.abs().max()
    return _matrix(table, "map", "z", names, "vlag", (-reach, reach), "z above chance")


def draw_retest(table: pd.DataFrame, rng: np.random.Generator) -> tuple[Figure, pd.DataFrame]:
    """Rank correlations of sessions: columns kind, mass, persistence; one row a pair."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH * 0.8, 2.7), sharey=True)
    kinds = list(dict.fromkeys(table.kind))
    drawn = []
    for ax, column in zip(axes, ("mass", "persistence"), strict=True):
        values = {kind.replace(" ", "\n"): table[table.kind == kind][column].to_numpy() for kind in kinds}
        drawn.append(groups(ax, values, [STATE_LOOKS[0], STATE_LOOKS[1]], rng).assign(score=column))
        ax.set_title(column, loc="right")
    axes[0].set(ylabel="rank correlation of sessions")
    letter(axes)
    return fig, pd.concat(drawn)


def _matrix(
    table: pd.DataFrame,
    column: str,
    value: str,
    names: tuple[str, ...],
    cmap: str,
    limits: tuple[float, float],
    label: str,
) -> tuple[Figure, pd.DataFrame]:
    """Communities by names, with a dot where q is below 5 %."""
    keys = table[["layer", "community"]].drop_duplicates().head(2 * N_BARS)
    fig, ax = plt.subplots(figsize=(WIDTH, 2.9))
    wide = table.pivot(index=["layer", "community"], columns=column, values=value).loc[
        list(keys.itertuples(index=False, name=None)), list(names)
    ]
    q = table.pivot(index=["layer", "community"], columns=column, values="q").loc[wide.index, list(names)]
    low, high = limits
    picture = ax.imshow(wide.T, aspect="auto", cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    fig.colorbar(picture, ax=ax, label=label, pad=0.01)
    y, x = np.nonzero(q.to_numpy().T < 0.05)
    ax.plot(x, y, "o", ms=5, mfc="white", mec="black")
    _by_layer(ax, keys.layer.to_numpy(), both=False)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="communities, by state")
    return fig, table


def _borders(ax: Axes, places: np.ndarray, both: bool = True) -> None:
    for place in places:
        if both:
            ax.axhline(place, color="tab:orange", lw=1)
        ax.axvline(place, color="tab:orange", lw=1)


def _by_layer(ax: Axes, layer_of: np.ndarray, both: bool = True) -> tuple[np.ndarray, list[str]]:
    """Borders between columns, or rows too, of different layers; the number of each, as its tick's name."""
    borders = np.flatnonzero(np.diff(layer_of)) + 0.5
    _borders(ax, borders, both)
    edges = np.concatenate([[-0.5], borders, [len(layer_of) - 0.5]])
    ticks, names = (edges[1:] + edges[:-1]) / 2, [str(layer + 1) for layer in np.unique(layer_of)]
    ax.set_xticks(ticks, names)
    return ticks, names


def _brains(part: Any, mass: np.ndarray, place: np.ndarray, outline: np.ndarray) -> list[Axes]:
    """One brain a state, from above; place (N, 2)."""
    axes = part.subplots(-(-len(mass) // 4), min(len(mass), 4), squeeze=False).ravel()
    for brain in axes:
        brain.set_axis_off()
    for layer, (brain, own) in enumerate(zip(axes, mass, strict=False)):
        _brain(brain, outline, place, own, mass.max())
        brain.text(0, outline[:, 1].max() + 6, f"state {layer + 1}", ha="center", fontsize=8)
    return list(axes)


def _brain(ax: Axes, outline: np.ndarray, place: np.ndarray, value: np.ndarray, largest: float) -> None:
    ax.plot(*outline.T, color="0.5", lw=1)
    # Smaller where there are many regions, so that they stand apart.
    size, (x, y) = (8 + 90 * value / largest) * min(1, 30 / len(value)), place.T
    ax.scatter(x, y, size, value, cmap="mako_r", vmin=0, vmax=largest, lw=0.3, ec="0.3")
    ax.set(aspect="equal")
