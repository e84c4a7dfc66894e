"""Recursive filters that go on where they stopped, for many channels at once."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def cascade(sos: np.ndarray, state: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Second-order sections after each other, in direct form II transposed, as `scipy.signal.sosfilt`.

    Parameters
    ----------
    sos : (S, 6), each b0, b1, b2, 1, a1, a2.
    state : (S, 2, K), zeros at first; it is carried on in place.
    x : (n, K).

    Returns
    -------
    (n, K) float64.
    """
    y = x.astype(np.float64)
    for t in range(len(y)):
        for s in range(len(sos)):
            b0, b1, b2, _, a1, a2 = sos[s]
            for c in range(y.shape[1]):
                before = y[t, c]
                y[t, c] = b0 * before + state[s, 0, c]
                state[s, 0, c] = b1 * before - a1 * y[t, c] + state[s, 1, c]
                state[s, 1, c] = b2 * before - a2 * y[t, c]
    return y
