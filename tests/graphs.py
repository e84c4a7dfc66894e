"""Graphs for tests, and the whole matrix of the walk through one, as it is defined."""

import numpy as np


def random_graph(rng, k=3, n=8):
    """Layers and transitions of states that last about three volumes."""
    weights = rng.uniform(size=(k, n, n)) ** 3
    weights = weights + weights.transpose(0, 2, 1)
    weights[:, np.arange(n), np.arange(n)] = 0
    return weights, 0.6 * np.eye(k) + 0.4 * rng.dirichlet(np.ones(k), k)


def walk_matrix(weights, transition, rule):
    """All probabilities from (state, region) to (state, region), one after the other as defined."""
    k, n = weights.shape[:2]
    matrix = np.zeros((k, n, k, n))
    for a in range(k):
        for b in range(k):
            for i in range(n):
                for j in range(n):
                    if rule == "switch then walk":
                        matrix[a, i, b, j] = transition[a, b] * weights[b, i, j] / weights[b, i].sum()
                    elif a == b:
                        matrix[a, i, b, j] = transition[a, a] * weights[a, i, j] / weights[a, i].sum()
                    elif i == j:
                        matrix[a, i, b, j] = transition[a, b]
    return matrix.reshape(k * n, k * n)


def ring_of_cliques(n_cliques, size):
    """A layer and its labels."""
    labels = np.repeat(np.arange(n_cliques), size)
    weights = (labels[:, None] == labels).astype(float)
    np.fill_diagonal(weights, 0)
    ends = np.arange(n_cliques) * size
    weights[ends, np.roll(ends, -1) + 1] = weights[np.roll(ends, -1) + 1, ends] = 1
    return weights, labels
