"""Calcium events of many cells while a mouse runs up and down a track; its runs, and activity by place.

The measured object is always the same: one mean activity per run, place bin and cell (Hazon et al. 2022,
Methods, and the authors' `DecodeTensor.m`). Simulated sessions come from `crossroads.data.place_cells`.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from crossroads.data.place_cells import PlantedCode

TRACK_CM = 120.0  # the published scripts set 118 cm in some places, 120 cm in others
N_BINS = 20
FRAMES_PER_S = 20.0
MIN_SPEED = 4.0  # cm/s; what is slower is no run


@dataclass(frozen=True)
class Session:
    """One recording, simulated or real.

    events (n_frames, n_cells) float32: calcium events, convolved with the burst kernel; position_cm
    (n_frames,): 0 to 120, on a circular track wrapping from one to the other; truth: None for recordings.
    """

    mouse: str
    name: str
    events: np.ndarray
    position_cm: np.ndarray
    circular: bool = False
    truth: "PlantedCode | None" = None


@dataclass(frozen=True)
class Runs:
    """Activity by place, run by run.

    activity (n_runs, n_bins, n_cells) float32: mean over the frames of each visit; rightward (n_runs,) bool;
    frames (n_runs, 2): first frame of the session, and one past the last.
    """

    activity: np.ndarray
    rightward: np.ndarray
    frames: np.ndarray
    circular: bool = False


def bins_of(position_cm: np.ndarray, n_bins: int = N_BINS) -> np.ndarray:
    """Index 0 .. n_bins - 1 of the equal bin that holds each position; the outer bins take what is beyond."""
    return np.clip(position_cm * n_bins / TRACK_CM, 0, n_bins - 1).astype(int)


def find_runs(position_cm: np.ndarray, n_bins: int = N_BINS) -> tuple[np.ndarray, np.ndarray]:
    """Frames and directions of all runs from one end of the track to the other.

    A run is a stretch of steps between frames that all go one way, faster than 4 cm/s. It starts in the
    first and ends in the last twentieth of the track, or the reverse, and has a frame in every bin. The wrap
    of a circular track is a step of the other sign: it ends a lap.

    Returns
    -------
    frames (n_runs, 2), first and one past the last; rightward (n_runs,) bool.
    """
    step = np.diff(position_cm)
    way = np.sign(step) * (np.abs(step) * FRAMES_PER_S > MIN_SPEED)
    edges = np.flatnonzero(np.diff(way, prepend=0, append=0))
    stretches = np.column_stack((edges[:-1], edges[1:] + 1))  # k steps join k + 1 frames
    stretches = stretches[way[edges[:-1]] != 0]
    twentieth = bins_of(position_cm, 20)
    ends = np.sort(twentieth[stretches - [0, 1]], axis=1)
    stretches = stretches[(ends == [0, 19]).all(1)]
    place = bins_of(position_cm, n_bins)
    complete = [len(np.unique(place[first:stop])) == n_bins for first, stop in stretches]
    frames = stretches[np.array(complete, bool)]
    return frames, way[frames[:, 0]] > 0


def average_visits(
    values: np.ndarray, position_cm: np.ndarray, frames: np.ndarray, n_bins: int = N_BINS
) -> np.ndarray:
    """Mean of `values` (n_frames, k) over the frames that each run spends in each bin: (n_runs, n_bins, k).

    Raises
    ------
    ValueError : a run without a frame in some bin.
    """
    index = np.concatenate([np.arange(first, stop) for first, stop in frames] or [np.empty(0, int)])
    run = np.repeat(np.arange(len(frames)), frames[:, 1] - frames[:, 0])
    visit = run * n_bins + bins_of(position_cm[index], n_bins)
    n_visits = len(frames) * n_bins
    n_in_visit = np.bincount(visit, minlength=n_visits)
    if not n_in_visit.all():
        at = int(np.argmin(n_in_visit))
        raise ValueError(f"run {at // n_bins} has no frame in bin {at % n_bins} of {n_bins}; take fewer bins")
    weight = (1 / n_in_visit[visit]).astype(values.dtype)
    averaging = sparse.csr_matrix((weight, (visit, index)), shape=(n_visits, len(values)))
    return (averaging @ values).reshape(len(frames), n_bins, values.shape[1])


def binned_runs(session: Session, n_bins: int = N_BINS) -> Runs:
    """All runs of a session, and the mean activity of every visit to a bin."""
    frames, rightward = find_runs(session.position_cm, n_bins)
    activity = average_visits(session.events, session.position_cm, frames, n_bins)
    return Runs(activity, rightward, frames, session.circular)


def equal_directions(runs: Runs, rng: np.random.Generator) -> Runs:
    """A random subset with as many rightward as leftward runs, in their order of time."""
    right, left = np.flatnonzero(runs.rightward), np.flatnonzero(~runs.rightward)
    n = min(len(right), len(left))
    kept = np.sort(np.concatenate([rng.choice(right, n, replace=False), rng.choice(left, n, replace=False)]))
    return replace(
        runs, activity=runs.activity[kept], rightward=runs.rightward[kept], frames=runs.frames[kept]
    )
