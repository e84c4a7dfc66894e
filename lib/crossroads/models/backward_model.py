"""The linear baseline: sound features from the brain that follows them, by ridge regression over lags.

The usual backward model (Crosse et al. 2016), one for each recording. It is that of mne's `ReceptiveField`,
whose `TimeDelayingRidge` fits it in 28 s at 208 sensors, 24 lags and 40,000 samples. Here the normal
equations are set up by one matrix product a lag difference, in a fifth of the time, and serve to choose the
ridge as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve

HELD_OUT = 5  # one block in so many chooses the ridge


@dataclass(frozen=True)
class BackwardModel:
    """y(t) = y_mean + sum_l weights_l^T (x(t + lag_l) - x_mean).

    weights : (n_lags, n_channels, n_features). lags : (n_lags,) [samples].
    x_mean, y_mean : (n_channels, 1), (n_features, 1). alpha : the ridge that was used, see `fit_backward`.
    """

    weights: np.ndarray
    lags: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray
    alpha: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Features (..., n_features, T) of brain windows (..., n_channels, T).

        What would come after a window's end counts as the recording's mean. Where the last samples matter,
        cut windows longer by the longest lag, or predict blocks and cut those.
        """
        x = x - self.x_mean
        y = np.zeros((*x.shape[:-2], len(self.y_mean), x.shape[-1])) + self.y_mean
        for weights, lag in zip(self.weights, self.lags, strict=True):
            y[..., : x.shape[-1] - lag] += weights.T @ x[..., lag:]
        return y


def fit_backward(
    x: np.ndarray, y: np.ndarray, blocks: np.ndarray, lags: ArrayLike, alphas: ArrayLike
) -> BackwardModel:
    """Fit the linear map from the brain to the sound it followed, within blocks of a recording.

    Parameters
    ----------
    x : (n_channels, T) brain, scaled and clamped. Not shifted: lags count from the sound.
    y : (n_features, T) sound, at the same times.
    blocks : (n_blocks, 2) first sample of each stretch to learn from, and the one after its last. Nothing
        outside is touched; beyond a block's end x counts as its mean.
    lags : increasing [samples], from 0 on: by how much the brain is later.
    alphas : one ridge, or several to choose from, in units of the mean diagonal of X^T X of the lagged brain
        X. The one with the least squared error in every fifth block, when the others were fitted, is used for
        all.

    Raises
    ------
    ValueError : x and y of other lengths, blocks outside or not longer than the longest lag, lags that fall
        or are negative, alphas that are not positive, or fewer than two blocks to choose a ridge by.
    """
    lags, ridges, blocks = np.asarray(lags, int), np.atleast_1d(np.asarray(alphas, float)), np.asarray(blocks)
    length = x.shape[1]
    if y.shape[1] != length or blocks.min() < 0 or blocks.max() > length:
        raise ValueError(
            f"brain {x.shape}, sound {y.shape}, blocks up to {blocks.max()}: need the same samples"
        )
    if len(lags) == 0 or lags[0] < 0 or (np.diff(lags) <= 0).any() or not (ridges > 0).all():
        raise ValueError(f"lags {lags} must be increasing from 0 or later, and ridges {ridges} positive")
    if (np.diff(blocks, axis=1) <= lags[-1]).any():
        raise ValueError(
            f"every block must be longer than the longest lag of {lags[-1]} samples; {blocks.tolist()}"
        )
    if len(ridges) > 1 and len(blocks) < 2:
        raise ValueError("one block cannot choose a ridge; give two blocks or one alpha")
    inside = np.concatenate([np.arange(start, stop) for start, stop in blocks])
    x_mean, y_mean = (a[:, inside].mean(1, keepdims=True, dtype=float) for a in (x, y))
    x, y = x - x_mean, y - y_mean
    held = np.arange(len(blocks)) % HELD_OUT == min(len(blocks), HELD_OUT) - 1
    if len(ridges) == 1:
        held[:] = False
    gram, cross = _normal_equations(x, y, blocks[~held], lags)
    alpha = ridges[0]
    if held.any():
        test_gram, test_cross = _normal_equations(x, y, blocks[held], lags)
        # |y - X w|^2 without its constant: no prediction has to be made.
        errors = []
        for candidate in ridges:
            weights = _solve(gram, cross, candidate)
            errors.append(((test_gram @ weights - 2 * test_cross) * weights).sum())
        alpha = ridges[np.argmin(errors)]
        gram += test_gram
        cross += test_cross
    weights = _solve(gram, cross, alpha).reshape(len(lags), len(x), len(y))
    return BackwardModel(weights, lags, x_mean, y_mean, float(alpha))


def _solve(gram: np.ndarray, cross: np.ndarray, alpha: float) -> np.ndarray:
    ridged = gram.copy()
    ridged.flat[:: len(gram) + 1] += alpha * np.trace(gram) / len(gram)
    return solve(ridged, cross, assume_a="pos", overwrite_a=True)


def _normal_equations(
    x: np.ndarray, y: np.ndarray, blocks: np.ndarray, lags: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """X^T X (n_lags C, n_lags C) and X^T y (n_lags C, F) of the lagged brain X, lags before channels.

    Entry (i, j) is a sum over samples u = t + lag_i of x(u) x(u + d)^T, d = lag_j - lag_i. Blocks lie behind
    each other with zeros between, so that it only depends on d, except for the first lag_i samples of each
    block: no t of the block lies lag_i before them. These are taken off step by step.
    """
    gap, n_lags = lags[-1], len(lags)
    first = np.cumsum([0, *(np.diff(blocks, axis=1)[:, 0] + gap)])
    z, v = np.zeros((len(x), first[-1])), np.zeros((len(y), first[-1]))
    for (start, stop), to in zip(blocks, first, strict=False):
        z[:, to : to + stop - start], v[:, to : to + stop - start] = x[:, start:stop], y[:, start:stop]
    gram, cross = np.zeros((n_lags, len(x), n_lags, len(x))), np.zeros((n_lags, len(x), len(y)))
    sums: dict[int, np.ndarray] = {}
    taken = 0  # of the first samples of the blocks
    for i, lag in enumerate(lags):
        cross[i] = z[:, lag:] @ v[:, : first[-1] - lag].T
        head = (first[:-1, None] + np.arange(taken, lag)).ravel()
        for d in sums:
            if lag + d <= lags[-1]:
                sums[d] -= z[:, head] @ z[:, head + d].T
        for j in range(i, n_lags):
            d = lags[j] - lag
            if d not in sums:
                early = (first[:-1, None] + np.arange(lag)).ravel()
                sums[d] = z[:, : first[-1] - d] @ z[:, d:].T - z[:, early] @ z[:, early + d].T
            gram[i, :, j] = sums[d]
            gram[j, :, i] = sums[d].T
        taken = lag
    n = n_lags * len(x)
    return gram.reshape(n, n), cross.reshape(n, len(y))
