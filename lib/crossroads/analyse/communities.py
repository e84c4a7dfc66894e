"""Communities of a layer and how those of different layers overlap."""

from __future__ import annotations

import random
from itertools import combinations

import igraph
import leidenalg
import numpy as np
from sklearn.metrics import normalized_mutual_info_score

TOGETHER = 0.5  # share of runs below which two regions count as apart


def leiden(
    weights: np.ndarray, rng: np.random.Generator, n_runs: int = 50, resolution: float = 1.0
) -> np.ndarray:
    """Communities of one layer: the consensus of many runs of the Leiden algorithm on modularity.

    Regions that are together in less than half of the runs are apart; the graph of agreement is divided in
    the same way until all runs agree (Lancichinetti & Fortunato 2012).

    Parameters
    ----------
    weights : (N, N) symmetric, empty diagonal. Negative weights count against being together.
    n_runs : one run alone gives no consensus, but its own communities.
    resolution : above 1 for smaller communities.

    Returns
    -------
    (N,) labels from 0, in the order in which communities first occur.
    """
    draws = random.Random(int(rng.integers(2**62)))
    igraph.set_random_number_generator(draws)
    labels = _runs(weights, n_runs, resolution, draws)
    while (labels != labels[0]).any():
        agreement = (labels[:, :, None] == labels[:, None, :]).mean(0)
        np.fill_diagonal(agreement, 0)
        labels = _runs(np.where(agreement < TOGETHER, 0, agreement), n_runs, 1.0, draws)
    igraph.set_random_number_generator(random)  # as it was: the generator is igraph's only one
    return labels[0]


def modularity(weights: np.ndarray, labels: np.ndarray, resolution: float = 1.0) -> float:
    """Modularity Q = sum_ij (A_ij - resolution s_i s_j / 2m) [c_i = c_j] / 2m; no negative weights."""
    strength = weights.sum(1)
    total = strength.sum()
    same = labels[:, None] == labels
    return float(((weights - resolution * np.outer(strength, strength) / total) * same).sum() / total)


def multilayer_communities(
    weights: np.ndarray, transition: np.ndarray, coupling: float, rng: np.random.Generator
) -> np.ndarray:
    """Communities that may go through layers, (K, N) labels: multilayer modularity (Mucha et al. 2010).

    A region in layer k is joined to itself in layer l by coupling * (P_kl + P_lk) / 2, in units of the mean
    strength of a region, so that 1 weighs as much as all its edges.
    """
    k, n = weights.shape[:2]
    between = coupling * weights.sum(-1).mean() * (transition + transition.T) / 2
    slices = []
    for layer in weights:
        graph, edges = _graph(layer)
        graph.vs["slice_id"] = range(n)
        graph.es["weight"] = edges
        slices.append(graph)
    joined = igraph.Graph.Full(k)
    joined.es["weight"] = [between[i, j] for i, j in (edge.tuple for edge in joined.es)]
    joined.vs["slice"] = slices
    inner, links, _ = leidenalg.slices_to_layers(joined, vertex_id_attr="slice_id")
    parts = [
        leidenalg.RBConfigurationVertexPartition(layer, weights="weight", resolution_parameter=1)
        for layer in inner
    ]
    parts.append(
        leidenalg.CPMVertexPartition(links, weights="weight", node_sizes="node_size", resolution_parameter=0)
    )
    optimiser = leidenalg.Optimiser()
    optimiser.set_rng_seed(int(rng.integers(2**31)))
    optimiser.optimise_partition_multiplex(parts, n_iterations=-1)
    labels = np.empty((k, n), int)
    for vertex, label in zip(links.vs, parts[0].membership, strict=True):
        labels[vertex["slice"], vertex["slice_id"]] = label
    return labels


def sets_of(community: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All communities of labels (K, N): the layer of each (C,), and its regions (C, N) as booleans."""
    pairs = [(k, community[k] == label) for k in range(len(community)) for label in np.unique(community[k])]
    return np.array([k for k, _ in pairs]), np.array([regions for _, regions in pairs])


def labels_of(community: np.ndarray) -> np.ndarray:
    """The label (C,) of each of the communities that `sets_of` gives."""
    return np.concatenate([np.unique(row) for row in community])


def jaccard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Shared over all regions of sets (C, N) and (D, N), for all pairs (C, D)."""
    both = one.astype(int) @ other.T.astype(int)
    return both / (one.sum(1)[:, None] + other.sum(1) - both)


def layer_nmi(community: np.ndarray) -> np.ndarray:
    """Normalised mutual information (K, K) of the communities of two layers: 1 where they are the same."""
    k = len(community)
    nmi = np.eye(k)
    for i, j in combinations(range(k), 2):
        nmi[i, j] = nmi[j, i] = normalized_mutual_info_score(community[i], community[j])
    return nmi


def permuted_labels(community: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The labels (K, N) of each layer dealt to its regions anew."""
    return rng.permuted(community, axis=1)


def promiscuity(community: np.ndarray) -> np.ndarray:
    """Share (N,) of the first layer's communities that a region visits over all layers, at least one of them.

    A community of another layer is the one of the first layer with which it shares most (Jaccard index).
    """
    layer, sets = sets_of(community)
    first = sets[layer == 0]
    visited = np.zeros_like(first)
    for regions, like in zip(sets, jaccard(sets, first).argmax(1), strict=True):
        visited[like] |= regions
    return visited.mean(0)


def _runs(weights: np.ndarray, n_runs: int, resolution: float, draws: random.Random) -> np.ndarray:
    """Labels (n_runs, N) of as many runs, each renumbered in order of first occurrence."""
    graph, edges = _graph(weights)
    if (edges < 0).any():
        found = [_signed(graph, edges, resolution, draws) for _ in range(n_runs)]
    else:
        found = [
            graph.community_leiden(
                "modularity", weights=edges, resolution=resolution, n_iterations=-1
            ).membership
            for _ in range(n_runs)
        ]
    return np.array([_renumbered(np.array(labels)) for labels in found])


def _signed(graph: igraph.Graph, edges: np.ndarray, resolution: float, draws: random.Random) -> list[int]:
    """One run on edges of both signs: the modularity of the positive ones less that of the negative ones."""
    total = np.abs(edges).sum()
    layers, shares = [], []
    for sign in (1, -1):
        own = np.flatnonzero(sign * edges > 0)
        part = leidenalg.RBConfigurationVertexPartition(
            graph.subgraph_edges(own.tolist(), delete_vertices=False),
            weights=np.abs(edges[own]).tolist(),
            resolution_parameter=resolution,
        )
        layers.append(part)
        shares.append(sign / total)
    optimiser = leidenalg.Optimiser()
    optimiser.set_rng_seed(draws.getrandbits(31))
    optimiser.optimise_partition_multiplex(layers, layer_weights=shares, n_iterations=-1)
    return layers[0].membership


def _graph(weights: np.ndarray) -> tuple[igraph.Graph, np.ndarray]:
    i, j = np.nonzero(np.triu(weights, 1))
    return igraph.Graph(n=len(weights), edges=np.column_stack([i, j])), weights[i, j]


def _renumbered(labels: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), int)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]
