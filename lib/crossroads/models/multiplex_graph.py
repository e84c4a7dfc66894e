"""A hidden Markov model read as a multiplex graph: a layer for each state, joined through their chain.

The Hidden Markov Graph Model of Wilsenach et al. (2022) as its abstract describes it; the weights of edges
and the rule of the walk are our reading, with the other readings as switches.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres
from scipy.special import xlogy

from crossroads.data.markov_chain import stationary

Edges = Literal["positive", "absolute", "partial", "signed"]
Rule = Literal["switch then walk", "walk or switch"]
MAX_CORRECTIONS = 20


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlation matrices of covariance matrices, (..., N, N)."""
    scale = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return covariance / (scale[..., :, None] * scale[..., None, :])


def layers(covariance: np.ndarray, edges: Edges = "positive", keep: float = 1.0) -> np.ndarray:
    """Weights (K, N, N) between regions in each state, with an empty diagonal.

    Parameters
    ----------
    covariance : (K, N, N) of the states, positive definite.
    edges : "positive" correlations; "absolute" ones; positive "partial" correlations; or correlations as they
        are, "signed", on which there is no walk.
    keep : share of all pairs of regions that keep their edges in each layer, the strongest ones.

    Raises
    ------
    ValueError : unknown edges, a share outside 0 to 1, or a region without any edge in a layer, where no walk
        could go on.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep={keep}: a share of edges above 0 and at most 1 is needed")
    weights = -correlation(np.linalg.inv(covariance)) if edges == "partial" else correlation(covariance)
    weights = (weights + weights.swapaxes(-1, -2)) / 2  # an inverse is symmetric but for rounding
    if edges == "absolute":
        weights = np.abs(weights)
    elif edges in ("positive", "partial"):
        weights = np.maximum(weights, 0)
    elif edges != "signed":
        raise ValueError(f"edges {edges!r}; known are positive, absolute, partial and signed")
    n = weights.shape[-1]
    upper = np.triu_indices(n, 1)
    if keep < 1:
        least = np.quantile(np.abs(weights[:, *upper]), 1 - keep, axis=1)
        weights = np.where(np.abs(weights) >= least[:, None, None], weights, 0)
    weights[:, np.arange(n), np.arange(n)] = 0
    lonely = np.argwhere(~weights.any(-1))
    if len(lonely):
        layer, region = lonely[0]
        raise ValueError(
            f"region {region} has no edge in layer {layer} ({len(lonely)} such); keep more than {keep:g} of "
            f"the edges or take others than {edges!r}"
        )
    return weights


def entropy(p: np.ndarray) -> float:
    """Entropy of probabilities [nats]."""
    return float(-xlogy(p, p).sum())


def entropy_rate(transition: np.ndarray) -> float:
    """Entropy rate of a chain in equilibrium, h = -sum_k pi_k sum_l P_kl ln P_kl [nats a step].

    Equation eq-hmgm-rate.
    """
    return float(-(stationary(transition) @ xlogy(transition, transition).sum(1)))


def mass_limit(weights: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """Where the walk's mass (K, N) tends to for slow states: occupancy of the layer times strength in it.

    Equation eq-hmgm-limit.
    """
    strength = weights.sum(-1)
    return stationary(transition)[:, None] * strength / strength.sum(1, keepdims=True)


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Half the summed difference of two distributions, from 0 to 1."""
    return float(0.5 * np.abs(p - q).sum())


def step(mass: np.ndarray, weights: np.ndarray, transition: np.ndarray, rule: Rule) -> np.ndarray:
    """The walk's mass (..., K, N) one volume later, without the matrix of all regions in all layers.

    "switch then walk", eq-hmgm-walk: the state is drawn first, then a step along an edge of its layer,
    M[(i, k), (j, l)] = P_kl T_l[i, j] with T = A / strength. "walk or switch": a step where the state
    stays, none where it changes, M[(i, k), (j, k)] = P_kk T_k[i, j], M[(i, k), (i, l)] = P_kl.
    """
    return _step(mass, weights, weights.sum(-1), transition, rule)


def expectation(f: np.ndarray, weights: np.ndarray, transition: np.ndarray, rule: Rule) -> np.ndarray:
    """What a function (..., K, N) of layer and region is expected to be one volume later: M f."""
    ahead = _neighbours(f, weights) / weights.sum(-1)
    if rule == "switch then walk":
        return transition @ ahead
    stay, away = _stay_and_away(transition)
    return stay * ahead + away @ f


def walk_mass(
    weights: np.ndarray, transition: np.ndarray, rule: Rule = "switch then walk", tolerance: float = 1e-12
) -> np.ndarray:
    """Stationary mass (K, N) of the walk, sum 1: how often it is in a region while in a state.

    Summed over regions it is the equilibrium of the chain. From the limit of slow states (`mass_limit`), of
    which this holds too, p M = p is solved by GMRES for what is missing, and again for what is then missing:
    each correction is the error of the mass before it, and the last is below the tolerance. Plain steps need
    ten times as many where communities are strong. Where walkers cannot get from everywhere to everywhere,
    it is a mass that they keep once they have it, near the limit.

    Parameters
    ----------
    weights, transition : (K, N, N), not negative, and (K, K).
    tolerance : of the mass, summed over all layers and regions.

    Raises
    ------
    ValueError : negative weights, or a tolerance that is not reached.
    """
    if (weights < 0).any():
        raise ValueError("a walk needs weights that are not negative; take other edges than 'signed'")
    strength = weights.sum(-1)
    share = strength / strength.sum(1, keepdims=True)
    mass = mass_limit(weights, transition)

    def lost(mass: np.ndarray) -> np.ndarray:
        mass = mass.reshape(strength.shape)
        return (mass - _step(mass, weights, strength, transition, rule)).ravel()

    operator = LinearOperator((mass.size, mass.size), matvec=lost, dtype=float)
    for _ in range(MAX_CORRECTIONS):
        missing = -lost(mass).reshape(mass.shape)
        missing -= missing.sum(1, keepdims=True) * share  # rounding: layers hold what they should
        correction = gmres(operator, missing.ravel(), rtol=1e-6, restart=100, maxiter=10)[0]
        mass = mass + correction.reshape(mass.shape)
        error = np.abs(correction).sum()
        if error < tolerance:
            return mass / mass.sum()
    raise ValueError(
        f"after {MAX_CORRECTIONS} corrections the error of the walk's mass is {error:.1g}, not below the "
        f"tolerance {tolerance:g}; allow more"
    )


def supra_adjacency(weights: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """The whole graph (K N, K N), to be looked at: layers on the diagonal, the same region joined by P_kl."""
    n = weights.shape[1]
    supra = np.kron(_stay_and_away(transition)[1], np.eye(n))
    for layer, block in enumerate(weights):
        here = slice(layer * n, (layer + 1) * n)
        supra[here, here] = block
    return supra


def _step(
    mass: np.ndarray, weights: np.ndarray, strength: np.ndarray, transition: np.ndarray, rule: Rule
) -> np.ndarray:
    if rule == "switch then walk":
        return _neighbours((transition.T @ mass) / strength, weights)
    stay, away = _stay_and_away(transition)
    return stay * _neighbours(mass / strength, weights) + away.T @ mass


def _neighbours(f: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of a function (..., K, N) over each region's neighbours, by weight; layers are symmetric."""
    return np.stack([f[..., k, :] @ layer for k, layer in enumerate(weights)], axis=-2)


def _stay_and_away(transition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities to keep each state, (K, 1), and to change it, (K, K) with an empty diagonal."""
    stay = np.diag(transition)
    return stay[:, None], transition - np.diag(stay)
