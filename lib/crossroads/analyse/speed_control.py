"""What is left of the limit of a place code once running speed is regressed out of the activity.

Calcium events lag behind the animal, so that the place a fast run represents lies further back than that of a
slow run. Like noise, this shifts all cells together; unlike noise, it is known from the behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossroads.analyse.position_decoding import decode_halves, errors_cm, fit_shrinkage_lda
from crossroads.data.linear_track import FRAMES_PER_S, TRACK_CM, average_visits
from crossroads.data.place_recordings import Recording, open_runs


@dataclass(frozen=True)
class SpeedControl:
    """A unit: one recording decoded with and without what depends on speed."""

    recording: Recording


def control_speed(unit: SpeedControl) -> dict[str, np.ndarray]:
    """RMS error [cm] of all cells by LDA, "rms" (2, 3): activity as it is and without speed; three kinds."""
    session, runs = open_runs(unit.recording)
    speed = visit_speed(session.position_cm, runs.frames)
    rms = []
    for activity in (runs.activity, regress_out_speed(runs.activity, runs.rightward, speed)):
        # One generator for each, so that both are split and shuffled alike.
        predicted = decode_halves(activity, runs.rightward, fit_shrinkage_lda, unit.recording.rng(7))
        rms.append(np.sqrt((errors_cm(predicted, runs.circular) ** 2).mean((1, 2))))
    return {"rms": np.array(rms)}


def visit_speed(position_cm: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Mean speed [cm/s] of every visit to a bin, (n_runs, n_bins), in runs given by frames (n_runs, 2)."""
    step = np.gradient(position_cm)
    step -= TRACK_CM / 2 * np.round(step / (TRACK_CM / 2))  # the wrap of a circular track, seen by two frames
    return average_visits(FRAMES_PER_S * np.abs(step)[:, None], position_cm, frames)[..., 0]


def regress_out_speed(activity: np.ndarray, rightward: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Activity without the part that is linear in speed, in each bin, direction and cell; means are kept.

    Parameters
    ----------
    activity (n_runs, n_bins, n_cells); rightward (n_runs,) bool; speed (n_runs, n_bins), of every visit or
        the same in all bins of a run. Speeds that do not vary leave the activity as it is.
    """
    kept = np.empty_like(activity)
    for way in (True, False):
        runs = rightward == way
        response = activity[runs]
        centred = speed[runs] - speed[runs].mean(0)
        squares = (centred**2).sum(0)[:, None]
        products = np.einsum("rb,rbc->bc", centred, response)
        slope = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
        kept[runs] = response - centred[..., None] * slope
    return kept
