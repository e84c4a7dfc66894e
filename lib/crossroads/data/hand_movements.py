"""Movements of a hand with six degrees of freedom, as a person means them and as a glove shows them.

All times and sizes are our own choice: the paper's protocol is not known to us beyond its gestures being
made ten times with both hands at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfiltfilt

from crossroads.data.nerve_session import DOFS, POSTURES, STEP_S

CONTROL_HZ = 500  # rate at which movements are drawn
PER_STEP = round(CONTROL_HZ * STEP_S)
TRIAL_S = 4.0
Range = tuple[float, float]
BAND_HZ = 1.5  # of continuous movements


class Timing(NamedTuple):
    """Ranges from which movements are drawn: of onset, release and duration [s], and of the height."""

    onset: Range
    release: Range
    rise: Range = (0.3, 0.6)
    height: Range = (0.85, 1.0)
    lag_sd: float = 0.02  # of one finger against the others [s]


CUED = Timing((0.6, 1.0), (2.6, 3.1))  # stereotyped trials
FREE = Timing((0.2, 1.6), (1.9, 3.3))  # trials whose timing cannot be learned by heart
MATCHING = Timing((0.6, 1.0), (2.6, 3.1), (0.25, 0.45), (1.0, 1.0), 0.0)  # movements of the matching task


class MirrorError(NamedTuple):
    """How the glove of the other hand differs from what was meant."""

    delay_s: float = 0.03  # mean over trials
    delay_sd_s: float = 0.015
    coupling: tuple[float, float] = (0.05, 0.15)  # share of a finger's flexion in its neighbours
    noise: float = 0.03


MIRROR = MirrorError()
EXACT = MirrorError(0.0, 0.0, (0.0, 0.0), 0.0)


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """Way made, from 0 to 1, at the share u of a movement's time: 10 u^3 - 15 u^4 + 6 u^5."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * u * (10 + u * (6 * u - 15))


def cued_movements(gesture: np.ndarray, rng: np.random.Generator, timing: Timing = CUED) -> np.ndarray:
    """One trial of TRIAL_S after the other: rise to a posture, hold it, release.

    gesture : (n_trials,) indices into POSTURES. timing : CUED, FREE or MATCHING.

    Returns
    -------
    (n_trials * TRIAL_S * CONTROL_HZ, 6) flexion, 0 to 1.
    """
    t = np.arange(round(TRIAL_S * CONTROL_HZ)) / CONTROL_HZ
    n, shape = len(gesture), (len(gesture), 1, len(DOFS))
    onset, release = (rng.uniform(low, high, (n, 1, 1)) for low, high in timing[:2])
    rise, fall = rng.uniform(*timing.rise, (2, n, 1, 1))
    lag = rng.normal(0, timing.lag_sd, shape)
    height = POSTURES[gesture][:, None] * rng.uniform(*timing.height, shape)
    since = t[:, None] - lag
    path = minimum_jerk((since - onset) / rise) - minimum_jerk((since - release) / fall)
    return (height * path).reshape(-1, len(DOFS))


def continuous_movements(n_trials: int, rng: np.random.Generator) -> np.ndarray:
    """Free movements of all degrees of freedom at once, slower than 1.5 Hz; shape as of `cued_movements`."""
    n = round(n_trials * TRIAL_S * CONTROL_HZ)
    sos = butter(2, BAND_HZ, fs=CONTROL_HZ, output="sos")
    slow = sosfiltfilt(sos, rng.standard_normal((n, len(DOFS))), axis=0)
    return np.clip(0.5 + 0.4 * slow / slow.std(0), 0.0, 1.0)


def at_steps(path: np.ndarray) -> np.ndarray:
    """(n, 6) a path at the end of each step of STEP_S."""
    return path[PER_STEP - 1 :: PER_STEP]


def wear_glove(
    path: np.ndarray, rng: np.random.Generator, error: MirrorError, per_trial: int = round(TRIAL_S / STEP_S)
) -> np.ndarray:
    """What the glove of the mirroring hand shows: late by a delay of each trial, fingers coupled, noisy.

    path : (n * PER_STEP, 6) at CONTROL_HZ. per_trial : steps of a trial.

    Returns
    -------
    (n, 6), 0 to 1.
    """
    n = len(path) // PER_STEP
    delay = rng.normal(error.delay_s, error.delay_sd_s, -(-n // per_trial)).repeat(per_trial)[:n]
    at = (np.arange(1, n + 1)) * PER_STEP - 1 - np.round(delay * CONTROL_HZ).astype(int)
    shown = path[np.clip(at, 0, len(path) - 1)]
    coupling = np.zeros((len(DOFS), len(DOFS)))
    finger = np.arange(len(DOFS) - 2)  # thumb to ring: each with the next; the wrist stands alone
    coupling[finger, finger + 1] = rng.uniform(*error.coupling, len(finger))
    coupling[finger + 1, finger] = rng.uniform(*error.coupling, len(finger))
    shown = shown + shown @ coupling + error.noise * rng.standard_normal(shown.shape)
    return np.clip(shown, 0.0, 1.0)
