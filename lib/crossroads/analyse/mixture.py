"""Reports of a remembered colour as a mixture: the target, the other item, or a guess."""

from dataclasses import dataclass

import numpy as np
from scipy.special import i0e, i1e

from crossroads.data.circle import wrap

K_MAX = 1e4  # concentration given to errors below about 0.6 deg, where the likelihood has no maximum
STARTS_K = np.array([1.0, 10.0, 100.0, 1.0, 10.0, 100.0])
STARTS_P = np.repeat([[0.9, 0.05, 0.05], [0.4, 0.4, 0.2]], 3, axis=0)


@dataclass(frozen=True)
class Mixture:
    """Fitted p_T VM_K(r - t) + p_NT VM_K(r - t*) + p_U / 2 pi and its log-likelihood [nats] over n trials."""

    k: float
    p_target: float
    p_non_target: float
    p_uniform: float
    log_likelihood: float
    n: int


@dataclass(frozen=True)
class VonMises:
    """Fitted von Mises density: mean [rad], concentration, number of errors."""

    mean: float
    k: float
    n: int


def concentration(resultant: np.ndarray) -> np.ndarray:
    """Concentration K whose mean resultant length is `resultant`: the root of I1(K)/I0(K) = R.

    Exact, by Newton's method. R at or below 0 gives 0, and K stops at `K_MAX`.
    """
    r = np.clip(resultant, 0, i1e(K_MAX) / i0e(K_MAX))
    k = r * (2 - r**2) / (1 - r**2)  # within a few per cent of the root (Banerjee et al. 2005)
    for _ in range(4):
        ratio = i1e(k) / i0e(k)
        slope = np.where(k > 1e-4, 1 - ratio / np.maximum(k, 1e-4) - ratio**2, 0.5)
        k = np.maximum(k - (ratio - r) / slope, 0)
    return k


def fit_von_mises(errors: np.ndarray) -> VonMises:
    """Fit a von Mises density of scale 1 to pooled errors [rad] by maximum likelihood (Piwek 2023, Fig. 1D).

    Raises
    ------
    ValueError : no errors, or some not finite.
    """
    errors = np.ravel(errors)
    if not errors.size or not np.isfinite(errors).all():
        raise ValueError(
            f"need finite errors, at least one; got {errors.size}, {np.isfinite(errors).sum()} of them finite"
        )
    resultant = np.exp(1j * errors).mean()
    return VonMises(float(np.angle(resultant)), float(concentration(np.abs(resultant))), errors.size)


def fit_mixture(
    target: np.ndarray, non_target: np.ndarray, response: np.ndarray, *, toolbox: bool = False
) -> Mixture:
    """Fit one subject's reports by expectation-maximisation from six starts.

    The model of Bays, Catalao & Husain (2009) with one non-target, as fitted in Piwek (2023, Fig. 7C).

    Parameters
    ----------
    target, non_target, response : angles [rad], each (n_trials,).
    toolbox : take K from the errors' resultant length, as the authors' toolbox does (mixtureFunction.m of the
        Analogue toolbox), instead of from their mean cosine. The densities are centred on the items, so that
        only the mean cosine maximises the likelihood. The resultant length ignores a constant bias: K is 25.3
        instead of 24.9 on the published choices, at a lower likelihood. (Its correction of K for 15 trials or
        fewer is left out.)

    Raises
    ------
    ValueError : shapes that differ, no trials, or angles that are not finite.
    RuntimeError : no convergence.
    """
    angles = [np.asarray(a, float) for a in (target, non_target, response)]
    if any(a.ndim != 1 or a.shape != angles[2].shape for a in angles) or not angles[2].size:
        raise ValueError(
            f"need target, non_target and response of one shape (n_trials,); got {[a.shape for a in angles]}"
        )
    if not np.isfinite(angles).all():
        raise ValueError(
            "need finite angles [rad]; target, non_target and response have "
            f"{[int((~np.isfinite(a)).sum()) for a in angles]} values that are not"
        )
    errors, count = _collapse(wrap(angles[2] - np.array(angles[:2])))
    k, p = STARTS_K, STARTS_P
    for _ in range(15):
        k, p, log_likelihood = _em_step(k, p, errors, count, toolbox)
    best = [np.argmax(log_likelihood)]
    k, p, previous = k[best], p[best], -np.inf
    for _ in range(10_000):
        new_k, new_p, (value,) = _em_step(k, p, errors, count, toolbox)
        if abs(value - previous) < 1e-6:
            p_target, p_non_target, p_uniform = p[0].tolist()
            return Mixture(float(k[0]), p_target, p_non_target, p_uniform, float(value), len(angles[2]))
        k, p, previous = new_k, new_p, value
    raise RuntimeError(
        f"no convergence in 10000 steps: K {k[0]:g}, shares {p[0]}, log-likelihood {previous:g}"
    )


def _collapse(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs of errors, to 1e-5 rad, and how often each occurs: networks answer on a grid."""
    to_target, to_other = np.rint(errors * 1e5).astype(np.int64)
    _, first, count = np.unique(to_target * 1_000_000 + to_other, return_index=True, return_counts=True)
    return errors[:, first], count


def _em_step(
    k: np.ndarray, p: np.ndarray, errors: np.ndarray, count: np.ndarray, toolbox: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step of every start: new K (n_starts,) and shares (n_starts, 3), log-likelihood before the step."""
    peak = 1 / (2 * np.pi * i0e(k))  # a von Mises density at its mean, stable for any K
    cos_target, cos_other = np.cos(errors)
    on_target = (p[:, 0] * peak)[:, None] * np.exp(np.outer(k, cos_target - 1))
    on_other = (p[:, 1] * peak)[:, None] * np.exp(np.outer(k, cos_other - 1))
    guess = p[:, 2] / (2 * np.pi)
    density = on_target + on_other + guess[:, None]
    share = count / density
    # Expected numbers of trials of each kind, by pair of errors for the first two.
    n_target, n_other, n_guess = on_target * share, on_other * share, guess * share.sum(1)
    recalled = n_target @ cos_target + n_other @ cos_other
    if toolbox:
        recalled = np.hypot(recalled, n_target @ np.sin(errors[0]) + n_other @ np.sin(errors[1]))
    n_kinds = np.stack([n_target.sum(1), n_other.sum(1), n_guess], axis=1)
    k = concentration(recalled / np.maximum(n_kinds[:, 0] + n_kinds[:, 1], 1e-300))
    return k, n_kinds / count.sum(), np.log(density) @ count
