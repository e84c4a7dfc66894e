"""Resting BOLD signals of several people, simulated or recorded, and what was planted in simulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import detrend


@dataclass(frozen=True, eq=False)
class StateTruth:
    """What the simulator knows: K states, N regions.

    states : the state (T_s,) at each volume, one array a person.
    transition, stationary : (K, K) probabilities from row to column at each volume, their equilibrium (K,).
    mean, covariance : (K, N) and (K, N, N) of each state, before a person's signals are standardised.
    community : (K, N) label of each region in each state.
    core : (N,) regions of the core, which is community 0 of every state; none where there is no core.
    """

    states: tuple[np.ndarray, ...]
    transition: np.ndarray
    stationary: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    community: np.ndarray
    core: np.ndarray


@dataclass(frozen=True, eq=False)
class Bold:
    """Regional signals of several people, or sessions.

    name : of the data set.
    series : (T_s, N) standardised signals, one array a person.
    tr_s : time from volume to volume [s].
    people : who each array belongs to; the same number twice for two sessions of one person.
    regions : names of the N regions.
    position : (N, 3) centres [mm], x to the right, y to the front, z up; None where they are not known.
    network : (N,) index of the network that a region belongs to, in `NETWORKS`; None where not known.
    truth : None for recordings.
    """

    name: str
    series: tuple[np.ndarray, ...]
    tr_s: float
    people: tuple[int, ...]
    regions: tuple[str, ...]
    position: np.ndarray | None = None
    network: np.ndarray | None = None
    truth: StateTruth | None = None


NETWORKS = (
    "visual",
    "somatomotor",
    "dorsal attention",
    "salience and ventral attention",
    "limbic",
    "control",
    "default mode",
)


def standardise(series: np.ndarray, what: str) -> np.ndarray:
    """Signals (T, N) without linear trend, each of mean 0 and standard deviation 1.

    what : names the series in errors: a file, a person.

    Raises
    ------
    ValueError : not (T, N) with T > N, a value that is not finite, or a region whose signal is constant.
    """
    series = np.asarray(series, dtype=float)
    if series.ndim != 2 or series.shape[0] <= series.shape[1]:
        raise ValueError(
            f"{what}: shape {series.shape}; expected (volumes, regions) with more volumes than regions: "
            "transpose it if its axes are swapped"
        )
    if not np.isfinite(series).all():
        bad = np.flatnonzero(~np.isfinite(series).all(0)).tolist()
        raise ValueError(f"{what}: values of regions {bad} are not finite; leave them out or fill them in")
    level = np.abs(series).max(0)
    series = detrend(series, axis=0)
    spread = series.std(0)
    # Rounding leaves a constant signal a spread of some 1e-16 of its level.
    flat = np.flatnonzero(spread <= 1e-12 * level).tolist()
    if flat:
        raise ValueError(f"{what}: the signal of regions {flat} is constant; leave them out")
    return series / spread


def by_person(joined: np.ndarray, series: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """What is known of all volumes (n, ...), people one after the other: one array a person, as series."""
    return tuple(np.split(joined, np.cumsum([len(one) for one in series])[:-1]))
