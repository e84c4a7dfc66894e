"""What people do with the states of a model: how they divide their time, and how long they stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import xlogy


def occupancy(gamma: Sequence[np.ndarray]) -> np.ndarray:
    """Share of the time (S, K) that people spend in each state, from probabilities (T_s, K).

    The f of eq-hmgm-entropy.
    """
    return np.array([one.mean(0) for one in gamma])


def person_entropy(fo: np.ndarray) -> float:
    """Mean over people of the entropy of their occupancies (S, K) [nats], E1: eq-hmgm-entropy."""
    return float(np.abs(xlogy(fo, fo).sum(1)).mean())


def group_entropy(fo: np.ndarray) -> float:
    """Entropy of the mean of people's occupancies (S, K) [nats], E2; E1 at least."""
    mean = fo.mean(0)
    return float(np.abs(xlogy(mean, mean).sum()))


def largest_occupancy(fo: np.ndarray) -> np.ndarray:
    """The largest of each person's occupancies (S,): near 1 where states are people."""
    return fo.max(1)


def dwell_times(transition: np.ndarray, tr_s: float) -> np.ndarray:
    """Mean duration (K,) of a stay in each state [s], TR / (1 - P_kk)."""
    return tr_s / (1 - np.diag(transition))


def run_lengths(states: Sequence[np.ndarray], n_states: int) -> list[np.ndarray]:
    """Lengths of all runs in each state [volumes], those that the ends of paths (T_s,) cut off as well.

    Runs of -1, volumes of no state, are left out.
    """
    runs: list[list[int]] = [[] for _ in range(n_states)]
    for path in states:
        ends = np.flatnonzero(np.append(np.diff(path) != 0, True))
        for state, length in zip(path[ends], np.diff(ends, prepend=-1), strict=True):
            if state >= 0:
                runs[state].append(int(length))
    return [np.array(one, int) for one in runs]


def switching_rate(states: np.ndarray, tr_s: float) -> float:
    """Switches a second [Hz] of a path (T,)."""
    return float(np.mean(np.diff(states) != 0) / tr_s)


def match_states(found: Sequence[np.ndarray], planted: Sequence[np.ndarray], n_states: int) -> np.ndarray:
    """The found state (K,) that is each planted one, by the matching that puts most volumes right."""
    return linear_sum_assignment(-_together(found, planted, n_states))[1]


def state_accuracy(found: Sequence[np.ndarray], planted: Sequence[np.ndarray], n_states: int) -> float:
    """Share of volumes that are right after the best one-to-one matching of K states at most."""
    together = _together(found, planted, n_states)
    return float(together[linear_sum_assignment(-together)].sum() / together.sum())


def half_gain_choice(ks: Sequence[int], e1: Sequence[float]) -> int:
    """Smallest K from which the next adds less than half of what evenly used states would, ln(K' / K) / 2.

    The largest K of the grid where none does, and only there.
    """
    for here, ahead, one, other in zip(ks, ks[1:], e1, e1[1:], strict=False):
        if other - one < 0.5 * np.log(ahead / here):
            return here
    return ks[-1]


def one_se_choice(ks: Sequence[int], values: np.ndarray) -> int:
    """Smallest K whose mean over folds, of values (folds, K), is a standard error or less below the best."""
    mean, error = values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))
    best = int(mean.argmax())
    return ks[int(np.flatnonzero(mean >= mean[best] - error[best])[0])]


def _together(found: Sequence[np.ndarray], planted: Sequence[np.ndarray], n_states: int) -> np.ndarray:
    """Volumes (K, K) in each planted (row) and found state (column)."""
    together = np.zeros((n_states, n_states))
    np.add.at(together, (np.concatenate(list(planted)), np.concatenate(list(found))), 1)
    return together
