"""Place decoded frame by frame while the mouse runs (Hazon et al. 2022, Fig. 2b)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossroads.analyse.position_decoding import Decoder
from crossroads.data.linear_track import bins_of


@dataclass(frozen=True)
class FrameDecoding:
    """Bins 0 .. 19 of the frames of the test runs, in their order, each (n,).

    run : number of the run, an index to the runs given; frame : of the session; true : where the mouse was;
    real, shuffled : where decoders of real and of shuffled frames have it.
    """

    run: np.ndarray
    frame: np.ndarray
    true: np.ndarray
    real: np.ndarray
    shuffled: np.ndarray


def decode_frames(
    events: np.ndarray,
    position_cm: np.ndarray,
    frames: np.ndarray,
    fit: Decoder,
    rng: np.random.Generator,
) -> FrameDecoding:
    """Decode the bin of single frames: the first, third, ... run train, the others test.

    Parameters
    ----------
    events (n_frames, n_cells), position_cm (n_frames,) : of the session.
    frames (n_runs, 2) : first frame and one past the last of at least two runs, all of one direction.
    fit : of `position_decoding`.
    rng : for the shuffles; training and test frames are shuffled apart.
    """
    train, test = (np.concatenate([np.arange(*run) for run in frames[first::2]]) for first in (0, 1))
    labels = 2 * bins_of(position_cm)  # those of rightward runs in `position_decoding`
    mixed = [shuffle_frames(events[half], labels[half], rng) for half in (train, test)]
    tested = np.arange(1, len(frames), 2)
    return FrameDecoding(
        run=np.repeat(tested, np.diff(frames[tested])[:, 0]),
        frame=test,
        true=labels[test] // 2,
        real=fit(events[train], labels[train])(events[test]) // 2,
        shuffled=fit(mixed[0], labels[train])(mixed[1]) // 2,
    )


def shuffle_frames(activity: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute the activity (n, n_cells) of every cell over the frames of equal label (n,), cell by cell."""
    frames = np.argsort(labels, kind="stable")
    by_label = np.argsort(labels[:, None] + rng.random(activity.shape), axis=0)  # random order within a label
    shuffled = np.empty_like(activity)
    shuffled[frames] = np.take_along_axis(activity, by_label, axis=0)
    return shuffled
