"""Classic decoders of the posture of a hand, on the same features: ridge, support vectors, a forest."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVR

LAGS = {"ridge": 1, "ridge, ten steps": 10, "support vectors": 1, "forest": 1}  # steps that each sees
N_SUPPORT = 1200  # training steps of the support vectors, whose cost grows with their square
N_FOREST = 2500


def lagged(features: np.ndarray, n: int) -> np.ndarray:
    """(..., T, n * F) features of the last n steps, the newest first; 0 before the beginning."""
    shape = [(0, 0)] * (features.ndim - 2) + [(n - 1, 0), (0, 0)]
    padded = np.pad(features, shape)
    steps = features.shape[-2]
    return np.concatenate([padded[..., n - 1 - k : n - 1 - k + steps, :] for k in range(n)], axis=-1)


def fit(kind: str, features: np.ndarray, posture: np.ndarray, rng: np.random.Generator) -> Any:
    """A fitted scikit-learn estimator.

    Parameters
    ----------
    kind : a key of LAGS.
    features : (n_trials, T, F) standardised. posture : (n_trials, T, 6).
    rng : of the steps that are drawn where not all can be used, and of the forest.
    """
    x = lagged(features, LAGS[kind]).reshape(-1, LAGS[kind] * features.shape[-1])
    y = posture.reshape(len(x), -1)
    seed = int(rng.integers(2**31))
    if kind in ("ridge", "ridge, ten steps"):
        # Neighbouring steps share four fifths of their window.
        return Ridge(alpha=50.0 * LAGS[kind], copy_X=False).fit(x[::2], y[::2])
    kept = rng.permutation(len(x))[: {"support vectors": N_SUPPORT, "forest": N_FOREST}[kind]]
    x, y = x[kept], y[kept]
    if kind == "forest":
        return RandomForestRegressor(30, min_samples_leaf=5, max_features=0.1, random_state=seed).fit(x, y)
    # One kernel serves all six degrees of freedom, as a matrix product.
    kernel = FunctionTransformer(partial(rbf_kernel, Y=x, gamma=1 / (x.shape[1] * x.var())))
    return make_pipeline(kernel, MultiOutputRegressor(SVR(kernel="precomputed", C=1.0, epsilon=0.05))).fit(
        x, y
    )


def decode(model: Any, kind: str, features: np.ndarray) -> np.ndarray:
    """Posture (n_trials, T, 6), 0 to 1."""
    x = lagged(features, LAGS[kind])
    decoded = model.predict(x.reshape(-1, x.shape[-1]))
    return np.clip(decoded, 0, 1).reshape(*features.shape[:2], -1)
