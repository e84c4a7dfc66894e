"""Scores of brain windows against candidate sounds, and the losses that train on them.

Defossez et al. (2023): the contrastive loss of the published code, the regression that it is compared with,
and two usual variants (learned temperature, both directions) that the published form leaves out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-8


def match_scores(z: Tensor, y: Tensor) -> Tensor:
    """Scores (B, N) = <z_i, y_j> / (|y_j| + 1e-8) of windows z (B, F, T) against candidates y (N, F, T).

    The s of eq-speech-score.

    Inner product and norm run over F and T. Only candidates are normalised: the size of z is an inverse
    temperature. One matrix product, whose N columns are then divided; the candidates are not copied.

    Raises
    ------
    ValueError : windows and candidates with another number of features or samples.
    """
    if z.ndim != 3 or y.ndim != 3 or z.shape[1:] != y.shape[1:]:
        raise ValueError(f"windows {tuple(z.shape)} against {tuple(y.shape)}: need the same (F, T) in both")
    y = y.flatten(1)
    return z.flatten(1) @ y.T / (torch.linalg.vector_norm(y, dim=1) + EPSILON)


def clip_loss(scores: Tensor, log_scale: Tensor | None = None, symmetric: bool = False) -> Tensor:
    """Mean over i of -log softmax_j(scores_ij) at j = i, the published form: from brain to sound only.

    Equation eq-speech-loss.

    Parameters
    ----------
    scores : (B, N), N >= B; candidate i < B is that of window i, those after B are wrong for every window.
    log_scale : log of what multiplies the scores, the inverse of a learned temperature; published: none.
    symmetric : take the mean of this loss and of that from the first B sounds to brain; published: not.

    Raises
    ------
    ValueError : fewer candidates than windows.
    """
    n = len(scores)
    if scores.ndim != 2 or scores.shape[1] < n:
        raise ValueError(f"scores {tuple(scores.shape)}: need (B, N) with a candidate for each of B windows")
    if log_scale is not None:
        scores = scores * log_scale.exp()
    own = torch.arange(n, device=scores.device)
    loss = functional.cross_entropy(scores, own)
    return (loss + functional.cross_entropy(scores[:, :n].T, own)) / 2 if symmetric else loss


def regression_loss(z: Tensor, y: Tensor) -> Tensor:
    """Mean square of z - y, both (B, F, T): the published baseline, ranked at test by `match_scores`."""
    return functional.mse_loss(z, y)
