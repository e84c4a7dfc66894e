"""Hidden states of multivariate signals: an HMM with Gaussian observations, fitted by variational Bayes.

The model is that of the HMM-MAR toolbox at order 0: every state has a mean and a full covariance, shared by
all people. Own code, because the libraries need several times as long at equal free energy
(benchmarks/states.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dtrmm
from scipy.special import digamma, gammaln, multigammaln

from crossroads.data.bold import by_person

STICKY = 10.0  # prior counts of staying in a state; 1 of leaving it for any other
EXTRA_DOF = 0.1  # prior degrees of freedom beyond the number of regions
MEAN_WEIGHT = 0.01  # volumes that the prior mean of a state, 0, is worth
RUN = 10  # mean length of the random runs of states that a fit starts from [volumes]
BLOCK = 1024  # volumes at a time
NEGLIGIBLE = 1e-9  # a volume less probable than this to be in a state adds nothing to it
TOLERANCE = 1e-4  # of the whole fall of the free energy; a fit stops where one cycle brings less


@dataclass(frozen=True, eq=False)
class StatePosterior:
    """What is known of K states of N regions after a fit.

    mean, weight, scatter, dof : of the normal-Wishart distribution of each state's mean and precision:
        (K, N), (K,), the inverse scale matrix (K, N, N), (K,).
    start, transition : Dirichlet counts (K,) and (K, K) of the first state and from row to column, prior
        included.
    counts : (K, K) expected transitions in the data alone.
    free_energy : after each cycle of the fit [nats]; the last one is that of this posterior.
    """

    mean: np.ndarray
    weight: np.ndarray
    scatter: np.ndarray
    dof: np.ndarray
    start: np.ndarray
    transition: np.ndarray
    counts: np.ndarray
    free_energy: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Inverse of the expected precision of each state, (K, N, N)."""
        return self.scatter / self.dof[:, None, None]


@dataclass(frozen=True, eq=False)
class Inference:
    """States inferred for some series.

    probability : (T_s, K) of each state at each volume, one array a person.
    counts : (K, K) expected transitions.
    log_evidence : a bound on it [nats], see `infer_states`.
    """

    probability: tuple[np.ndarray, ...]
    counts: np.ndarray
    log_evidence: float


def fit_states(
    series: Sequence[np.ndarray], n_states: int, rng: np.random.Generator, max_cycles: int = 500
) -> StatePosterior:
    """Fit the HMM from one random start.

    Variational Bayes (Bishop 2006, chapter 10; the priors are those of the HMM-MAR toolbox or nearly so):
    cycles of the posteriors of the parameters given the states, and of the states given the parameters. The
    free energy, eq-hmgm-energy, falls at every cycle; where one brings less than `TOLERANCE` of the whole
    fall, the fit ends.

    Parameters
    ----------
    series : (T_s, N) standardised signals, one array a person; states do not go on from one to the next.
    n_states : K, at least 1.
    rng : of the random runs of states that the fit starts from.
    max_cycles : at most as many.

    Raises
    ------
    ValueError : fewer than one state, no series, or series of different numbers of regions.
    """
    x, lengths = _joined(series)
    if n_states < 1:
        raise ValueError(f"{n_states} states; at least one is needed")
    probability = random_states(len(x), n_states, rng)
    first, counts = _counted(probability, lengths)
    spread = np.ptp(x, axis=0)
    free_energy: list[float] = []
    for _ in range(max_cycles):
        posterior = _given_states(x, probability, first, counts, spread)
        probability, first, counts, log_evidence = _inferred(posterior, x, lengths)
        free_energy.append(_divergence(posterior, spread) - log_evidence)
        if len(free_energy) > 1 and free_energy[-2] - free_energy[-1] <= TOLERANCE * (
            free_energy[0] - free_energy[-1]
        ):
            break
    return StatePosterior(**posterior, counts=counts, free_energy=np.array(free_energy))


def infer_states(posterior: StatePosterior, series: Sequence[np.ndarray]) -> Inference:
    """States of series, perhaps of people who were not in the fit, and their evidence under the posterior.

    The evidence is a bound: its logarithm is averaged over the posterior of the parameters, not itself.
    """
    x, lengths = _joined(series)
    probability, _, counts, log_evidence = _inferred(vars(posterior), x, lengths)
    return Inference(by_person(probability, series), counts, log_evidence)


def most_likely_path(posterior: StatePosterior, series: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The most likely sequence of states (T_s,) of each series (Viterbi), by the expected parameters."""
    start, transition = _rows(posterior.start), _rows(posterior.transition)
    x, lengths = _joined(series)
    density = log_density(x, posterior.mean, posterior.covariance)
    path = _viterbi(density, lengths, np.log(start), np.log(transition))
    return by_person(path, series)


def log_likelihood(posterior: StatePosterior, series: Sequence[np.ndarray]) -> float:
    """Log-likelihood of series [nats] by the expected parameters: those of an ordinary Gaussian HMM.

    The model of eq-hmgm-hmm, summed over all sequences of states.
    """
    x, lengths = _joined(series)
    density = log_density(x, posterior.mean, posterior.covariance)
    start, transition = _rows(posterior.start), _rows(posterior.transition)
    return float(_forward_backward(density, lengths, start, transition)[3])


def expected_transition(counts: np.ndarray) -> np.ndarray:
    """Transition probabilities (K, K) from expected counts in the data alone.

    The prior's counts on the diagonal would lengthen the dwell times of rare states. One pseudo-count
    spread over each row keeps the rows of unused states defined.
    """
    return _rows(counts + 1 / len(counts))


def prior_counts(n_states: int) -> np.ndarray:
    """Counts (K, K) of the transitions' prior."""
    return 1 + (STICKY - 1) * np.eye(n_states)


def random_states(n: int, n_states: int, rng: np.random.Generator) -> np.ndarray:
    """Probabilities (n, K) that a fit starts from: 0.9 more for random states in runs of geometric length."""
    new = rng.random(n) < 1 / RUN
    new[0] = True
    labels = rng.integers(n_states, size=n)[np.flatnonzero(new)][np.cumsum(new) - 1]
    probability = np.full((n, n_states), 0.1 / n_states)
    probability[np.arange(n), labels] += 0.9
    return probability


def log_density(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Logarithm of the Gaussian densities (n, K) of x (n, N), with means (K, N) and covariances (K, N, N)."""
    factor = np.linalg.cholesky(covariance)
    constant = -0.5 * mean.shape[1] * np.log(2 * np.pi) - np.log(_diagonals(factor)).sum(1)
    return constant - 0.5 * _squared_distances(x, mean, factor)


def _joined(series: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    shapes = {one.shape[1:] for one in series}
    if len(shapes) != 1:
        raise ValueError(
            f"series of shapes {[one.shape for one in series]}; (volumes, regions) of one atlas needed"
        )
    return np.ascontiguousarray(np.concatenate(list(series))), np.array([len(one) for one in series])


def _counted(probability: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First states (K,) and transitions (K, K) that probabilities (n, K) come to, volumes independent."""
    ends = np.cumsum(lengths)
    last = np.delete(np.arange(len(probability)), ends - 1)
    return probability[ends - lengths].sum(0), probability[last].T @ probability[last + 1]


def _given_states(
    x: np.ndarray, probability: np.ndarray, first: np.ndarray, counts: np.ndarray, spread: np.ndarray
) -> dict[str, np.ndarray]:
    """Posterior of the parameters given the states."""
    n_states, n_regions = probability.shape[1], x.shape[1]
    n = probability.sum(0)
    weight = MEAN_WEIGHT + n
    mean = (probability.T @ x) / weight[:, None]
    scatter = np.empty((n_states, n_regions, n_regions))
    for k, share in enumerate(probability.T):
        here = share > NEGLIGIBLE
        scaled = np.sqrt(share[here])[:, None] * x[here]
        scatter[k] = scaled.T @ scaled  # a product with itself: BLAS needs half the time
    scatter += np.diag(spread) - weight[:, None, None] * mean[:, :, None] * mean[:, None]
    return {
        "mean": mean,
        "weight": weight,
        "scatter": scatter,
        "dof": n_regions + EXTRA_DOF + n,
        "start": 1 + first,
        "transition": prior_counts(n_states) + counts,
    }


def _inferred(
    posterior: dict[str, Any], x: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Probabilities of the states, expected first states and transitions, and log evidence."""
    n_regions = x.shape[1]
    dof = posterior["dof"][:, None]
    factor = np.linalg.cholesky(posterior["scatter"])
    distance = dof.T * _squared_distances(x, posterior["mean"], factor) + n_regions / posterior["weight"]
    log_precision = _log_precision(posterior["dof"], factor)
    density = 0.5 * (log_precision - n_regions * np.log(2 * np.pi) - distance)
    start = np.exp(digamma(posterior["start"]) - digamma(posterior["start"].sum()))
    rows = posterior["transition"]
    transition = np.exp(digamma(rows) - digamma(rows.sum(1, keepdims=True)))
    probability, first, counts, log_evidence = _forward_backward(density, lengths, start, transition)
    return probability, first, counts, float(log_evidence)


def _divergence(posterior: dict[str, np.ndarray], spread: np.ndarray) -> float:
    """Kullback-Leibler divergence of the parameters' posterior from their prior [nats].

    The three sums of eq-hmgm-energy.
    """
    n_states, n_regions = posterior["mean"].shape
    dof, weight = posterior["dof"], posterior["weight"]
    prior_dof = n_regions + EXTRA_DOF
    factor = np.linalg.cholesky(posterior["scatter"])
    half_log_det = np.log(_diagonals(factor)).sum(1)  # of the inverse scale matrix
    scale = np.linalg.inv(posterior["scatter"])
    pull = np.einsum("ki,kij,kj->k", posterior["mean"], scale, posterior["mean"])
    normal = n_regions * (np.log(weight / MEAN_WEIGHT) + MEAN_WEIGHT / weight - 1) + MEAN_WEIGHT * dof * pull
    wishart = (
        2 * dof * half_log_det
        - prior_dof * np.log(spread).sum()
        - (dof - prior_dof) * n_regions * np.log(2)
        - 2 * (multigammaln(dof / 2, n_regions) - multigammaln(prior_dof / 2, n_regions))
        + (dof - prior_dof) * _log_precision(dof, factor)
        + dof * (_diagonals(scale) @ spread - n_regions)
    )
    dirichlet = sum(map(_dirichlet_divergence, posterior["transition"], prior_counts(n_states)))
    dirichlet += _dirichlet_divergence(posterior["start"], np.ones(n_states))
    return float(0.5 * (normal + wishart).sum() + dirichlet)


def _dirichlet_divergence(counts: np.ndarray, prior: np.ndarray) -> float:
    total = gammaln(counts.sum()) - gammaln(prior.sum()) - (gammaln(counts) - gammaln(prior)).sum()
    return float(total + (counts - prior) @ (digamma(counts) - digamma(counts.sum())))


def _log_precision(dof: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Expected log determinant (K,) of the precision; factor: Cholesky's, of the inverse scale matrix."""
    n_regions = factor.shape[1]
    digammas = digamma((dof[:, None] - np.arange(n_regions)) / 2).sum(1)
    return digammas + n_regions * np.log(2) - 2 * np.log(_diagonals(factor)).sum(1)


def _squared_distances(x: np.ndarray, mean: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """(x - m_k)' (L_k L_k')^-1 (x - m_k), (n, K), for Cholesky factors L (K, N, N)."""
    distance = np.empty((len(x), len(mean)))
    inverses = [solve_triangular(lower, np.eye(len(lower), order="F"), lower=True) for lower in factor]
    for begin in range(0, len(x), BLOCK):  # small enough for the processor's cache
        block = x[begin : begin + BLOCK].T
        for k, (centre, inverse) in enumerate(zip(mean, inverses, strict=True)):
            white = dtrmm(1.0, inverse, block, lower=1)  # half of it is zero, and half the work
            white -= (inverse @ centre)[:, None]
            distance[begin : begin + BLOCK, k] = np.einsum("ij,ij->j", white, white)
    return distance


def _diagonals(matrices: np.ndarray) -> np.ndarray:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _rows(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(-1, keepdims=True)


@njit(cache=True)
def _forward_backward(
    density: np.ndarray, lengths: np.ndarray, start: np.ndarray, transition: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Scaled forward-backward recursions (Bishop 2006, section 13.2.4) on log densities (n, K).

    The series lie one after the other. Start and transitions need not sum to 1.
    """
    n, n_states = density.shape
    probability = np.empty((n, n_states))
    scale = np.empty(n)
    likelihood = np.empty((n, n_states))
    counts = np.zeros((n_states, n_states))
    first = np.zeros(n_states)
    log_evidence = 0.0
    begin = 0
    for length in lengths:
        end = begin + length
        for t in range(begin, end):
            highest = density[t].max()
            total = 0.0
            for k in range(n_states):
                likelihood[t, k] = np.exp(density[t, k] - highest)
                if t == begin:
                    ahead = start[k]
                else:
                    ahead = 0.0
                    for j in range(n_states):
                        ahead += probability[t - 1, j] * transition[j, k]
                probability[t, k] = ahead * likelihood[t, k]
                total += probability[t, k]
            for k in range(n_states):
                probability[t, k] /= total
            scale[t] = total
            log_evidence += np.log(total) + highest
        back = np.ones(n_states)
        weighted = np.empty(n_states)
        for t in range(end - 2, begin - 1, -1):
            for k in range(n_states):
                weighted[k] = likelihood[t + 1, k] * back[k] / scale[t + 1]
            for j in range(n_states):
                total = 0.0
                for k in range(n_states):
                    step = transition[j, k] * weighted[k]
                    counts[j, k] += probability[t, j] * step
                    total += step
                back[j] = total
            for j in range(n_states):
                probability[t, j] *= back[j]
        first += probability[begin]
        begin = end
    return probability, first, counts, log_evidence


@njit(cache=True)
def _viterbi(
    density: np.ndarray, lengths: np.ndarray, log_start: np.ndarray, log_transition: np.ndarray
) -> np.ndarray:
    n, n_states = density.shape
    before = np.empty((n, n_states), np.int64)
    path = np.empty(n, np.int64)
    begin = 0
    for length in lengths:
        end = begin + length
        best = log_start + density[begin]
        for t in range(begin + 1, end):
            now = np.empty(n_states)
            for k in range(n_states):
                ways = best + log_transition[:, k]
                before[t, k] = ways.argmax()
                now[k] = ways[before[t, k]] + density[t, k]
            best = now
        path[end - 1] = best.argmax()
        for t in range(end - 1, begin, -1):
            path[t - 1] = before[t, path[t]]
        begin = end
    return path
