"""People whose brains switch between planted states, each with its own activity and communities."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import fftconvolve, lfilter
from scipy.stats import gamma

from crossroads.data.atlas import schaefer_100
from crossroads.data.bold import Bold, StateTruth, standardise
from crossroads.data.markov_chain import stationary

LEAST_VARIANCE = 0.05  # of a covariance's eigenvalues
N_PERSONAL = 2  # directions in which a person's signals vary apart from any state
DRIFT_HZ, SPIKES_PER_MIN = 0.01, 0.1  # slow drift and sudden movements of `bold_like`
SLOWEST_TR_S = 5.0  # the peak of the response of blood flow


@dataclass(frozen=True)
class StateWorld:
    """Settings of simulated people; the planted truth is drawn from them.

    n_people, n_volumes, tr_s : S, T of each, and time from volume to volume [s].
    n_regions, n_states, n_communities : N, K and C, communities of equal size before regions move.
    dwell_s : mean duration of a stay in a state [s], tr_s or more.
    rho_in, rho_out : correlation inside the strongest communities, and of regions in different ones.
    move : chance of a region outside the core to be dealt anew, in each state, to any community but the core.
    core : whether community 0 is the same in all states, and the strongest.
    mean_sd : standard deviation over states of a community's mean activity, in those of the noise.
    person_sd : of people's own offsets, gains and directions, likewise.
    skew : when a state is left, each state is preferred to the next by a factor of e to this power.
    long, long_factor : the first `long` states last this many times longer.
    ar : correlation of the noise from volume to volume, 0 for none. The noise keeps its covariance.

    Raises
    ------
    ValueError : naming the ranges that were left.
    """

    n_people: int
    n_volumes: int
    tr_s: float
    n_regions: int
    n_states: int
    n_communities: int
    dwell_s: float
    rho_in: float
    rho_out: float = 0.05
    move: float = 0.35
    core: bool = True
    mean_sd: float = 0.5
    person_sd: float = 0.15
    skew: float = 0.5
    long: int = 0
    long_factor: float = 1.0
    ar: float = 0.0

    def __post_init__(self) -> None:
        least = min(self.n_people, self.n_states, self.n_communities)
        if not (least >= 1 and self.n_volumes > self.n_regions >= 2 * self.n_communities):
            raise ValueError(
                "need people, states and communities, 2 regions or more a community, and more volumes than "
                f"regions; got {self}"
            )
        if not (0 < self.tr_s <= self.dwell_s and self.long_factor >= 1 and 0 <= self.long <= self.n_states):
            raise ValueError(
                f"need 0 < tr_s <= dwell_s, long_factor >= 1 and long in 0..n_states; got {self}"
            )
        if not (0 <= self.move <= 1 and 0 <= self.ar < 1 and 0 <= self.rho_out <= self.rho_in < 1):
            raise ValueError(
                f"need move in 0..1, ar from 0 to below 1 and 0 <= rho_out <= rho_in < 1; got {self}"
            )
        if not (self.mean_sd >= 0 and self.person_sd >= 0 and self.skew >= 0):
            raise ValueError(f"need mean_sd, person_sd and skew of 0 or more; got {self}")


def simulate(
    world: StateWorld, rng: np.random.Generator, of_people: np.random.Generator | None = None
) -> Bold:
    """Signals of the world's people, with the planted truth.

    States, communities and transitions are drawn from a stream of their own, and so are people, from
    `of_people` where it is given: worlds that differ in dwell times alone have the same states.
    """
    of_world, people = rng.spawn(2)
    of_people = of_people or people
    truth = draw_truth(world, of_world)
    chains = [
        _chain(truth.transition, truth.stationary, world.n_volumes, of_people) for _ in range(world.n_people)
    ]
    return _recorded(world, replace(truth, states=tuple(chains)), of_people)


def static(world: StateWorld, rng: np.random.Generator, ar: float) -> Bold:
    """People of one state, whose noise has autocorrelation `ar` (0: white). It has nothing to switch to."""
    return simulate(replace(world, n_states=1, long=0, ar=ar), rng)


def state_per_person(world: StateWorld, rng: np.random.Generator) -> Bold:
    """People who stay in one state each, the person's own: states that are subjects."""
    of_world, of_people = rng.spawn(2)
    k = world.n_people
    truth = draw_truth(replace(world, n_states=k, long=0), of_world)
    states = tuple(np.full(world.n_volumes, state) for state in range(k))
    truth = replace(truth, states=states, transition=np.eye(k), stationary=np.full(k, 1 / k))
    return _recorded(world, truth, of_people)


def shuffle_frames(bold: Bold, rng: np.random.Generator) -> Bold:
    """The same volumes, those of each person in random order, planted states with them."""
    orders = [rng.permutation(len(one)) for one in bold.series]
    series = tuple(one[order] for one, order in zip(bold.series, orders, strict=True))
    truth = bold.truth and replace(
        bold.truth, states=tuple(z[order] for z, order in zip(bold.truth.states, orders, strict=True))
    )
    return replace(bold, series=series, truth=truth)


def bold_like(world: StateWorld, rng: np.random.Generator) -> Bold:
    """As `simulate`, seen through blood flow: the states' activity smeared by a double-gamma response, with
    autocorrelated noise (coefficient 0.6), a drift of 0.01 Hz and sudden movements, 0.1 a minute.

    Neighbouring volumes depend on each other beyond their states, which no HMM here assumes. The planted
    states are those of the activity, some 5 s ahead of the blood.
    """
    response = double_gamma(world.tr_s)
    lead = len(response) - 1  # volumes of activity that the first recorded volume still answers
    neural = simulate(replace(world, n_volumes=world.n_volumes + lead, ar=0.0), rng)
    noise, n, shape = rng.spawn(1)[0], world.n_volumes, (world.n_volumes, world.n_regions)
    series = []
    for person, activity in enumerate(neural.series):
        smeared = fftconvolve(activity, response[:, None], mode="valid", axes=0)
        rest = _noise(n, replace(world, ar=0.6), noise)
        phase = noise.uniform(0, 2 * np.pi, world.n_regions)
        drift = np.sin(2 * np.pi * DRIFT_HZ * world.tr_s * np.arange(n)[:, None] + phase)
        spikes = (noise.random((n, 1)) < SPIKES_PER_MIN * world.tr_s / 60) * noise.normal(0, 3, shape)
        seen = smeared / smeared.std(0) + 0.5 * rest + 0.3 * drift + spikes
        series.append(standardise(seen, f"person {person}"))
    truth = neural.truth and replace(neural.truth, states=tuple(z[lead:] for z in neural.truth.states))
    return replace(neural, series=tuple(series), truth=truth)


def double_gamma(tr_s: float) -> np.ndarray:
    """The usual response of blood flow, peak at 5 s, undershoot at 15 s, sampled every tr_s over 32 s, sum 1.

    Raises
    ------
    ValueError : tr_s not above 0, or so long that the peak is missed.
    """
    if not 0 < tr_s <= SLOWEST_TR_S:
        raise ValueError(f"tr_s={tr_s}: the response of blood flow needs 0 < tr_s <= {SLOWEST_TR_S}")
    t = np.arange(0, 32, tr_s)
    response = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6
    return response / response.sum()


def draw_truth(world: StateWorld, rng: np.random.Generator) -> StateTruth:
    """Communities, means, covariances and transitions of a world; nobody's states yet."""
    n, c = world.n_regions, world.n_communities
    base = np.arange(n) * c // n
    community = np.tile(base, (world.n_states, 1))
    first = 1 if world.core else 0  # a community that regions may join
    for row in community:
        movers = (rng.random(n) < world.move) & (base >= first)
        if c > first:
            row[movers] = rng.integers(first, c, size=n)[movers]
    strength = rng.uniform(0.25, 1, (world.n_states, c))
    if world.core:
        strength[:, 0] = 1
    covariance = np.array([_covariance(row, g, world) for row, g in zip(community, strength, strict=True)])
    level = rng.normal(0, world.mean_sd, (world.n_states, c))
    transition = _transitions(world, rng)
    return StateTruth(
        states=(),
        transition=transition,
        stationary=stationary(transition),
        mean=np.take_along_axis(level, community, axis=1),
        covariance=covariance,
        community=community,
        core=(base == 0) if world.core else np.zeros(n, bool),
    )


def _covariance(community: np.ndarray, strength: np.ndarray, world: StateWorld) -> np.ndarray:
    """Unit variances, correlations by community, eigenvalues of LEAST_VARIANCE or more before rescaling."""
    same = community[:, None] == community
    blocks = np.where(same, world.rho_in * strength[community][:, None], world.rho_out)
    np.fill_diagonal(blocks, 1)
    values, vectors = np.linalg.eigh(blocks)
    clipped = (vectors * np.maximum(values, LEAST_VARIANCE)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    return clipped / np.outer(scale, scale)


def _transitions(world: StateWorld, rng: np.random.Generator) -> np.ndarray:
    k = world.n_states
    if k == 1:
        return np.ones((1, 1))
    preferred = np.exp(-world.skew * np.arange(k))
    away = 0.5 * rng.dirichlet(np.ones(k), size=k) + 0.5 * preferred / preferred.sum()
    np.fill_diagonal(away, 0)
    away /= away.sum(1, keepdims=True)
    factor = np.where(np.arange(k) < world.long, world.long_factor, 1.0)
    leave = (world.tr_s / (world.dwell_s * factor))[:, None]
    return leave * away + (1 - leave) * np.eye(k)


def _chain(transition: np.ndarray, start: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """States (n,) of a chain that is in equilibrium."""
    # Plain lists: numpy's calls take longer than a step. The last sum may be below 1 by rounding.
    steps, where = np.cumsum(transition, axis=1).tolist(), np.cumsum(start).tolist()
    states, last = [], len(start) - 1
    for u in rng.random(n).tolist():
        state = min(bisect_right(where, u), last)
        states.append(state)
        where = steps[state]
    return np.array(states)


def _noise(n: int, world: StateWorld, rng: np.random.Generator) -> np.ndarray:
    """(n, N) of variance 1, autocorrelated by `ar` from volume to volume."""
    white = rng.normal(size=(n, world.n_regions))
    if not world.ar:
        return white
    white[1:] *= np.sqrt(1 - world.ar**2)  # the first has the variance of all
    return lfilter([1.0], [1.0, -world.ar], white, axis=0)


def _recorded(world: StateWorld, truth: StateTruth, rng: np.random.Generator) -> Bold:
    """What is recorded of people in these states, each with own directions, gain and offset."""
    root = np.linalg.cholesky(truth.covariance)
    series = []
    for person, z in enumerate(truth.states):
        signal, noise = truth.mean[z], _noise(len(z), world, rng)
        for k in np.unique(z):
            signal[z == k] += noise[z == k] @ root[k].T
        directions = rng.normal(0, world.person_sd, (N_PERSONAL, world.n_regions))
        own = rng.normal(size=(len(signal), N_PERSONAL)) @ directions
        gain, offset = np.exp(rng.normal(0, world.person_sd)), rng.normal(0, world.person_sd, world.n_regions)
        series.append(standardise(gain * (signal + own) + offset, f"person {person}"))
    atlas = schaefer_100()
    chosen = np.linspace(0, len(atlas) - 1, world.n_regions).round().astype(int)
    return Bold(
        name="simulated",
        series=tuple(series),
        tr_s=world.tr_s,
        people=tuple(range(len(series))),
        regions=tuple(f"region {i + 1}" for i in range(world.n_regions)),
        position=atlas[["x", "y", "z"]].to_numpy()[chosen],
        truth=truth,
    )
