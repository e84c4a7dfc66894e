"""Chains of states: where they are in the long run."""

from __future__ import annotations

import numpy as np


def stationary(transition: np.ndarray) -> np.ndarray:
    """Equilibrium (K,) of a chain with transition probabilities (K, K), pi P = pi, as in eq-hmgm-rate.

    Raises
    ------
    ValueError : rows that are no probabilities, or more than one equilibrium.
    """
    k = len(transition)
    if (transition < 0).any() or not np.allclose(transition.sum(1), 1, atol=1e-8):
        raise ValueError(f"rows of transitions must be probabilities; they sum to {transition.sum(1)}")
    system = np.vstack([transition.T - np.eye(k), np.ones(k)])
    if np.linalg.matrix_rank(system) < k:
        raise ValueError(
            "the chain falls apart into several, each with its own equilibrium: drop unused states"
        )
    pi = np.linalg.lstsq(system, np.r_[np.zeros(k), 1.0], rcond=None)[0]
    return np.maximum(pi, 0) / np.maximum(pi, 0).sum()
