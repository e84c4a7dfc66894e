"""Colour reports from memory: what was asked for, what else was shown, what was answered."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossroads.data.circle import wrap
from crossroads.data.matlab import read_matlab
from crossroads.data.prefrontal import COLOURS

SOURCE = "github.com/epiwek/retrocueing_RNN, folder data (CC0)"


@dataclass(frozen=True)
class ColourReports:
    """Reports of several subjects (monkeys or networks); three arrays (n_subjects, n_trials) [rad]."""

    target: np.ndarray  # the colour asked for
    non_target: np.ndarray  # the other colour shown in the trial
    response: np.ndarray  # the colour reported


def simulate_reports(
    k: float,
    p_target: float,
    p_non_target: float,
    p_uniform: float,
    n_subjects: int,
    n_trials: int,
    rng: np.random.Generator,
) -> ColourReports:
    """Draw reports from the three-component mixture p_T VM_K(r - t) + p_NT VM_K(r - t*) + p_U / 2 pi.

    The planted truth is the four parameters. A stand-in for the monkeys of Panichello & Buschman (2021) is
    K 4, p_T .8, p_NT .05, p_U .15 (a proposal of this book, not their fit).

    Parameters
    ----------
    k : concentration of memory, not negative.
    p_target, p_non_target, p_uniform : shares of target reports, swaps and guesses, which sum to 1.
    n_subjects, n_trials : counts, at least 1.
    rng : generator owned by the caller.

    Returns
    -------
    Targets and non-targets, independent and uniform on the wheel of 64 colours, and continuous responses.

    Raises
    ------
    ValueError : a parameter outside its range.
    """
    shares = np.array([p_target, p_non_target, p_uniform])
    if k < 0 or shares.min() < 0 or abs(shares.sum() - 1) > 1e-9 or n_subjects < 1 or n_trials < 1:
        raise ValueError(
            "need k >= 0, shares >= 0 that sum to 1, n_subjects >= 1 and n_trials >= 1; got "
            f"k {k}, shares {shares.tolist()}, n_subjects {n_subjects}, n_trials {n_trials}"
        )
    shape = (n_subjects, n_trials)
    target, non_target = rng.choice(COLOURS, size=(2, *shape))
    component = rng.choice(3, size=shape, p=shares)
    remembered = np.where(component == 1, non_target, target) + rng.vonmises(0, k, shape)
    response = np.where(component == 2, rng.uniform(-np.pi, np.pi, shape), remembered)
    return ColourReports(target, non_target, wrap(response))


def load_reports(path: str | Path) -> ColourReports:
    """Read the authors' network choices, ``expt_4_cue_val_*_mixmodel_data.mat`` (Piwek et al. 2023, Fig. 7).

    The file's ``cued_colour`` is in fact the probed colour, the target, on invalid trials too: choices lie 9
    deg from it on average and 90 deg from ``uncued_colour``. Reports take 17 levels and targets 16, so that
    a perfect network still errs by 5.29 deg.

    Returns
    -------
    Reports of 30 networks (one a row of ``reported_colour``), which all saw the same trials.

    Raises
    ------
    FileNotFoundError : there is no such file.
    ValueError : damaged file, missing variable, NaN, shapes that disagree, or values outside [-pi, pi].
    """
    names = ["cued_colour", "uncued_colour", "reported_colour"]
    target, non_target, response = arrays = read_matlab(path, names, SOURCE)
    expected = (1, response.shape[-1])
    if response.ndim != 2 or response.size == 0 or target.shape != expected or non_target.shape != expected:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(names, arrays, strict=True))
        raise ValueError(
            f"{path}: found {shapes}; expected (1, n_trials), (1, n_trials) and (n_models, n_trials), "
            "none empty: arrange the arrays so"
        )
    for name, array in zip(names, arrays, strict=True):
        largest = float(np.abs(array).max())
        if largest > np.pi + 1e-6:  # the files are single precision, whose pi is 1e-7 too large
            raise ValueError(
                f"{path}: {name!r} reaches {largest:g}, expected angles in [-pi, pi] rad: convert degrees to "
                "radians, or wrap the angles"
            )
    return ColourReports(
        np.broadcast_to(target, response.shape), np.broadcast_to(non_target, response.shape), response
    )
