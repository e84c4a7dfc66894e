"""Recordings from the nerves of an arm, simulated or real, beside the movement that was meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DOFS = ("thumb", "index", "middle", "ring", "little", "wrist")
STEP_S = 0.02  # from one decoded posture to the next
ACTIVE = 0.5  # flexion from which a degree of freedom counts as active
# Which degrees of freedom each gesture flexes, in the order of DOFS.
GESTURES = {
    "rest": (0, 0, 0, 0, 0, 0),
    "thumb": (1, 0, 0, 0, 0, 0),
    "index": (0, 1, 0, 0, 0, 0),
    "middle": (0, 0, 1, 0, 0, 0),
    "ring": (0, 0, 0, 1, 0, 0),
    "little": (0, 0, 0, 0, 1, 0),
    "wrist": (0, 0, 0, 0, 0, 1),
    "pinch": (1, 1, 0, 0, 0, 0),
    "tripod": (1, 1, 1, 0, 0, 0),
    "hook": (0, 0, 1, 1, 1, 0),
    "point": (1, 0, 1, 1, 1, 0),
    "fist": (1, 1, 1, 1, 1, 0),
}
POSTURES = np.array(list(GESTURES.values()), float)


@dataclass(frozen=True, eq=False)
class NerveSession:
    """One session: T samples of C channels, n steps of 20 ms, trials of one movement each.

    name : of the person or simulated nerve, and the day.
    signal : (T, C) float32 [uV]. rate_hz : its sampling rate; rate_hz * STEP_S is whole.
    glove : (n, 6) flexion from 0 (rest) to 1 of DOFS; step k is what the glove showed at (k + 1) * STEP_S.
    valid : (n,) whether signal and glove are both there at a step.
    trial : (n,) number of the trial that a step belongs to; -1 between trials.
    gesture : (n_trials,) what was asked for, in `gestures`; empty where movements were free.
    gestures : names.
    nerve : (C,) which nerve a channel lies in.
    bad_channels : saturated or dead ones.
    intent : (n, 6) the movement that was meant; None for recordings, where the glove is all there is.
    """

    name: str
    signal: np.ndarray
    rate_hz: float
    glove: np.ndarray
    valid: np.ndarray
    trial: np.ndarray
    gesture: np.ndarray
    gestures: tuple[str, ...]
    nerve: np.ndarray
    bad_channels: tuple[int, ...] = ()
    intent: np.ndarray | None = None
