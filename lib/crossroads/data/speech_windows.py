"""From recordings to windows: splits that do not leak, scaling that survives artefacts, windows of 3 s.

Follows the published pipeline (dossier of Défossez et al. 2023: brain preprocessing, splits, evaluation).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.data.sampling import resampled

BEFORE_S, AFTER_S = 0.5, 2.5  # of a window, around its event
BASELINE_S = 0.5  # whose mean is subtracted from the window
STEP_S = 0.5  # between training windows
BLOCK_S = 6.0  # least length of a block of sentences
TEST, VALID = 0.2, 0.3  # a block's hash below the first: test; below the second: validation
N_SCALING = 200  # training windows that a recording's scaling is fitted on, at most


@dataclass(frozen=True)
class Timeline:
    """The windows of a story at the model's rate; all times are samples.

    rate_hz : samples a second. n_window : samples of a window. n_shift : by how many the brain comes later.
    train, valid : first samples of the windows that start every 0.5 s.
    test : the candidates, a row a word: the story's columns, `sample` (first of its window) and `block`.
    """

    rate_hz: float
    n_window: int
    n_shift: int
    train: np.ndarray
    valid: np.ndarray
    test: pd.DataFrame


def cut(
    story: Story, rate_hz: float, shift_s: float, salt: int, rng: np.random.Generator | None = None
) -> Timeline:
    """Cut a story into blocks of whole sentences, at least 6 s long, and deal their windows to the splits.

    A block goes where the hash of its words says, so that a sentence is in one split in all recordings. Its
    windows lie wholly inside it.

    Parameters
    ----------
    rate_hz : of the model. shift_s : by how much later the brain's window is than the sound's.
    salt : added to the hash; the published code's is 12.
    rng : for a split that leaks (a demonstration): windows and words are dealt singly, as many as by blocks.

    Raises
    ------
    ValueError : a split without windows: the story is too short.
    """
    n_window = round((BEFORE_S + AFTER_S) * rate_hz) + 1
    step = round(STEP_S * rate_hz)
    groups = blocks(story)
    texts = story.sentence_texts()
    split = np.array([split_of(" ".join(texts[i] for i in group), salt) for group in groups])
    # Rounded as in on_story, but cut off at the end: a window has no sample after its last sentence.
    first = np.array([round(story.sentence_s[group[0], 0] * rate_hz) for group in groups])
    last = np.array([int(story.sentence_s[group[-1], 1] * rate_hz) for group in groups])
    starts = [np.arange(a, b - n_window + 1, step) for a, b in zip(first, last, strict=True)]
    train, valid = (
        np.concatenate([np.zeros(0, int), *(s for s, own in zip(starts, split, strict=True) if own == name)])
        for name in ("train", "valid")
    )
    sample = ((story.words.onset_s.to_numpy() - BEFORE_S) * rate_hz).round().astype(int)
    block = np.repeat(np.arange(len(groups)), [len(group) for group in groups])[story.words.sentence]
    inside = (sample >= first[block]) & (sample + n_window <= last[block])
    kept = inside & (split[block] == "test")
    if rng is not None:
        dealt = rng.permutation(np.concatenate(starts))
        train, valid = np.sort(dealt[: len(train)]), np.sort(dealt[len(train) : len(train) + len(valid)])
        chosen = rng.permutation(np.flatnonzero(inside))[: kept.sum()]
        kept = np.isin(np.arange(len(inside)), chosen)
    counts = {"train": len(train), "valid": len(valid), "test": int(kept.sum())}
    if min(counts.values()) == 0:
        length = story.sentence_s[-1, 1]
        raise ValueError(
            f"windows in the splits: {counts}; the story of {length:.0f} s is too short: make it longer"
        )
    test = story.words.assign(sample=sample, block=block)[kept].reset_index(drop=True)
    return Timeline(rate_hz, n_window, round(shift_s * rate_hz), train, valid, test)


def blocks(story: Story) -> list[list[int]]:
    """Consecutive sentences of one part, merged until they last 6 s; a shorter rest joins the last block.

    Only a part that is itself shorter makes a shorter block. None reaches over the border of two parts, where
    the recordings pause and the story does not.
    """
    groups: list[list[int]] = []

    def short(group: list[int]) -> bool:
        return bool(story.sentence_s[group[-1], 1] - story.sentence_s[group[0], 0] < BLOCK_S)

    borders = np.flatnonzero(np.diff(story.sentence_parts())) + 1
    for part in np.split(np.arange(len(story.sentence_s)), borders):
        own: list[list[int]] = []
        for sentence in part.tolist():
            if own and short(own[-1]):
                own[-1].append(sentence)
            else:
                own.append([sentence])
        if len(own) > 1 and short(own[-1]):
            own[-2].extend(own.pop())
        groups += own
    return groups


def split_of(uid: str, salt: int) -> str:
    """Split of a block with these words, by their hash alone: 20 % are for the test, 10 % for validation."""
    draw = random.Random(int(hashlib.sha256(uid.encode()).hexdigest(), 16) + salt).random()
    return "test" if draw < TEST else "valid" if draw < VALID else "train"


def on_story(recording: Recording, story: Story, rate_hz: float) -> np.ndarray:
    """A recording at `rate_hz` on the story's timeline: (n_channels, n_samples) float32, 0 where not heard.

    Raises
    ------
    ValueError : a sentence goes on after the end of the recording.
    """
    x = recording.x if recording.sfreq == rate_hz else resampled(recording.x, recording.sfreq, rate_hz)
    n = round(len(story.sound) / SOUND_HZ * rate_hz)
    aligned = np.zeros((len(x), n), np.float32)
    ends = [*story.sentence_s[1:, 0], len(story.sound) / SOUND_HZ]
    for onset, (start, stop), end in zip(recording.sentence_onset_s, story.sentence_s, ends, strict=True):
        if np.isnan(onset):
            continue
        first, last, source = round(start * rate_hz), min(round(end * rate_hz), n), round(onset * rate_hz)
        needed = source + round((stop - start) * rate_hz) - 1
        if needed > x.shape[1]:
            raise ValueError(
                f"recording of subject {recording.subject}, session {recording.session}, lasts "
                f"{x.shape[1] / rate_hz:.1f} s; the sentence that begins at {onset:.1f} s ends after it"
            )
        piece = x[:, source : source + last - first]
        aligned[:, first : first + piece.shape[1]] = piece
    return aligned


@dataclass(frozen=True)
class Sessions:
    """What people heard of a story, a session each, on its timeline.

    x : (n_sessions, C, n_samples) float32. subject : (n_sessions,) whose each is, numbered from 0.
    xy : (C, 2) flat layout of the sensors, that of the first session.
    """

    x: np.ndarray
    subject: np.ndarray
    xy: np.ndarray


def join_sessions(recordings: Sequence[Recording], story: Story, rate_hz: float) -> Sessions:
    """The sessions in which every sentence was heard once, each put together from its pieces.

    Raises
    ------
    ValueError : no such session, or a piece that ends before its last sentence does.
    """
    pieces: dict[tuple[str, str], list[Recording]] = {}
    for one in recordings:
        pieces.setdefault((one.subject, one.session.partition(",")[0]), []).append(one)
    heard = {key: np.isfinite([one.sentence_onset_s for one in those]) for key, those in pieces.items()}
    whole = [key for key, told in heard.items() if (told.sum(0) == 1).all()]
    if not whole:
        least = {key: f"{(told.sum(0) == 1).sum()} of {told.shape[1]}" for key, told in heard.items()}
        raise ValueError(
            f"no session in which every sentence was heard once; once were, by subject and session: {least}: "
            "are recordings missing, or events of some?"
        )
    xy = pieces[whole[0]][0].xy
    x = np.zeros((len(whole), len(xy), round(len(story.sound) / SOUND_HZ * rate_hz)), np.float32)
    for joined, key in zip(x, whole, strict=True):
        for one in pieces[key]:
            joined += on_story(one, story, rate_hz)
    return Sessions(x, pd.factorize(np.array([name for name, _ in whole]))[0], xy)


def scaling(x: np.ndarray, timeline: Timeline, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Median and inter-quartile range of every channel of one recording, over at most 200 training windows.

    Windows have their baseline subtracted. A channel whose range is 0 gets the range 1.

    Parameters
    ----------
    x : (n_channels, n_samples) on the story's timeline.

    Returns
    -------
    (n_channels,) each, in the unit of x.
    """
    chosen = rng.permutation(timeline.train)[:N_SCALING]
    n_base = round(BASELINE_S * timeline.rate_hz)
    windows = sliding_window_view(x, timeline.n_window, axis=1)[:, chosen]
    windows = windows - windows[..., :n_base].mean(-1, keepdims=True)
    low, middle, high = np.quantile(windows.reshape(len(x), -1), [0.25, 0.5, 0.75], axis=1)
    spread = high - low
    return middle, np.where(spread > 0, spread, 1)
