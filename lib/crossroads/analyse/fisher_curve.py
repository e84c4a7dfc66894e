"""Information between neighbouring places against the number of cells and of trials, without a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from crossroads.analyse.fisher import FisherInformation, fisher_information
from crossroads.data.place_recordings import Recording, open_runs

SLOPE = 0.04  # cm^-1: 60 cells without shared noise err by 3 cm


@dataclass(frozen=True)
class FisherCurve:
    """A unit: information between neighbouring places in one recording; see `neighbour_information`."""

    recording: Recording
    sizes: tuple[int, ...]
    n_subsets: int


def measure_fisher(unit: FisherCurve) -> dict[str, np.ndarray]:
    """Bias-corrected Fisher information, mean over all pairs of places.

    Returns
    -------
    "sizes" (n_sizes,); "real", "shuffled" (n_sizes, n_subsets) [cm^-2]; "floor", the planted one [cm], NaN
    where nothing is planted.
    """
    session, runs = open_runs(unit.recording)
    found = neighbour_information(
        runs.activity, runs.rightward, unit.sizes, unit.n_subsets, unit.recording.rng(8)
    )
    return {
        "sizes": np.array(unit.sizes),
        "real": found.corrected.mean((2, 3)),
        "shuffled": found.shuffled.mean((2, 3)),
        "floor": np.array(session.truth.floor_cm if session.truth else np.nan),
    }


def neighbour_information(
    activity: np.ndarray,
    rightward: np.ndarray,
    sizes: Sequence[int],
    n_subsets: int,
    rng: np.random.Generator,
    spacing_cm: float = 6.0,
) -> FisherInformation:
    """`fisher_information` of neighbouring bins for random ensembles of growing size.

    A run's noise outlasts a bin, so one half of the runs, at random, stands for the one bin of a pair and the
    other half for the other; each ensemble has halves of its own.

    Parameters
    ----------
    activity (n_runs, n_bins, n_cells), rightward (n_runs,) bool : 2T runs (or more) in each direction.
    sizes : numbers of cells, each below 2T - 3; n_subsets : ensembles of each size.

    Returns
    -------
    Arrays (n_sizes, n_subsets, 2, n_bins - 1) [cm^-2]: rightward, leftward; pairs of bins. A cell that never
    fires in a pair counts among the n but adds nothing: it is left out of the estimate of that pair.
    """
    ways = [np.flatnonzero(rightward), np.flatnonzero(~rightward)]
    half = min(map(len, ways)) // 2
    n_pairs = activity.shape[1] - 1
    found = np.empty((3, len(sizes), n_subsets, 2, n_pairs))
    for i, j, way in np.ndindex(len(sizes), n_subsets, 2):
        cells = rng.permutation(activity.shape[2])[: sizes[i]]
        runs = rng.permutation(ways[way])
        here, there = (activity[rows][..., cells] for rows in (runs[:half], runs[half : 2 * half]))
        for pair in range(n_pairs):
            a, b = here[:, pair], there[:, pair + 1]
            fires = a.any(0) | b.any(0)
            found[:, i, j, way, pair] = astuple(fisher_information(a[:, fires], b[:, fires], spacing_cm))
    return FisherInformation(*found)


def recover_information(
    n_trials: Sequence[int],
    n_cells: int,
    limit_cm: float,
    n_populations: int,
    rng: np.random.Generator,
    spacing_cm: float = 6.0,
) -> tuple[FisherInformation, np.ndarray]:
    """`fisher_information` of Gaussian populations whose information is known.

    Private noise has SD 1, slopes f' are normal with SD SLOPE, and the noise limit_cm^2 f'f'^T that the cells
    share bounds the error at limit_cm.

    Returns
    -------
    Estimates, arrays (len(n_trials), n_populations); the truth (n_populations, 2), I0 / (1 + limit_cm^2 I0)
    with I0 = sum_i f'_i^2, and without correlations sum_i f'_i^2 / (1 + limit_cm^2 f'_i^2).
    """
    slope = SLOPE * rng.standard_normal((n_populations, n_cells))
    shared = (limit_cm * slope) ** 2
    unlimited = (slope**2).sum(1)
    truth = np.stack([unlimited / (1 + limit_cm**2 * unlimited), (slope**2 / (1 + shared)).sum(1)], axis=1)
    estimates = []
    for n in n_trials:
        shift_cm = limit_cm * rng.standard_normal((2, n_populations, n, 1))
        shift_cm[1] += spacing_cm
        response = rng.standard_normal((2, n_populations, n, n_cells)) + shift_cm * slope[:, None]
        estimates.append(astuple(fisher_information(response[0], response[1], spacing_cm)))
    return FisherInformation(*np.array(estimates).swapaxes(0, 1)), truth
