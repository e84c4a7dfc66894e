"""Units of the speech chapter: a part of a story told, and a decoder trained and tested on listeners."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch import nn

from crossroads.analyse import retrieval
from crossroads.data.listening import SOUND_HZ, Story
from crossroads.data.listening_brain import Brain, simulate_cohort
from crossroads.data.settings import ROOT
from crossroads.data.sound_features import join_sentences, log_mel
from crossroads.data.speech_windows import Timeline, cut, on_story, scaling
from crossroads.data.spoken_stories import tell_story
from crossroads.data.story_text import write_sentences
from crossroads.data.units import code_key, stored
from crossroads.models.brain_module import BrainModule, BrainShape, DeepMel, encode
from crossroads.models.contrastive_losses import match_scores
from crossroads.models.contrastive_training import Decoder, Fitting, Windows, fit
from crossroads.models.speech_encoders import WHISPER_HZ, whisper_features

FEATURES = ("whisper", "mel", "deep mel")
SALT = 12  # of the split's hash, as published
MEL_BANDS = 40  # that a learned network starts from
TOP = 5  # candidates that are kept of every trial


@dataclass(frozen=True)
class Telling:
    """A unit: some sentences of a story, told.

    part : of the story; parts of equal seed follow each other. encoded : whether Whisper listens too.
    """

    n_sentences: int
    voice: str
    part: int
    seed: int
    encoded: bool


@dataclass(frozen=True)
class Decoding:
    """A unit: listeners to a story, and a decoder trained on some of what they heard and tested on the rest.

    features : of the sound, one of FEATURES. n_features : principal components of Whisper's features, bands
        of Mel, or what the learned network gives.
    clamp : of the scaled brain signal [inter-quartile ranges]; inf: none. shift_s : of the brain's window.
    leaking : windows are dealt to the splits one by one.
    shape : of the brain module; its n_outputs is n_features, whatever it says.
    model : number of the initialisation; group : number of the listeners, and of their noise.
    """

    story: tuple[Telling, ...]
    brain: Brain
    rate_hz: float
    features: str
    n_features: int
    shape: BrainShape
    fitting: Fitting
    seed: int
    group: int = 0
    model: int = 0
    clamp: float = 20.0
    shift_s: float = 0.15
    leaking: bool = False


def tell(unit: Telling) -> dict[str, np.ndarray]:
    """Write and say a part of a story.

    Returns
    -------
    "sound" (n,) at SOUND_HZ; "sentence_s"; the columns of the story's words as "words.<name>", of its
    phonemes as "phonemes.<name>"; "whisper" (384, m) at WHISPER_HZ, and "frames" (n_sentences,), how many of
    them are each sentence's.
    """
    rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(0, unit.part)))
    story = tell_story(write_sentences(unit.n_sentences, rng), unit.voice, rng)
    tables = {"words": story.words, "phonemes": story.phonemes}
    columns = {
        f"{table}.{name}": values.to_numpy(dtype=str if values.dtype.kind not in "if" else None)
        for table, frame in tables.items()
        for name, values in frame.items()
    }
    encoded = whisper_features(_sentences(story)) if unit.encoded else [np.zeros((0, 0), np.float32)]
    return {
        "sound": story.sound,
        "sentence_s": story.sentence_s,
        "whisper": np.concatenate(encoded, axis=1),
        "frames": np.array([f.shape[1] for f in encoded]),
        **columns,
    }


@lru_cache(maxsize=2)
def open_story(tellings: tuple[Telling, ...]) -> tuple[Story, list[np.ndarray]]:
    """The parts of a story as one, and Whisper's features of each sentence (none where not encoded)."""
    parts = [stored(tell, telling) for telling in tellings]
    ends = np.cumsum([len(part["sound"]) / SOUND_HZ for part in parts])
    starts = np.append(0, ends[:-1])
    before = np.cumsum([0, *(len(part["sentence_s"]) for part in parts[:-1])])
    tables = {}
    for table in ("words", "phonemes"):
        frames = [
            pd.DataFrame(
                {k.removeprefix(f"{table}."): v for k, v in part.items() if k.startswith(f"{table}.")}
            )
            for part in parts
        ]
        tables[table] = pd.concat(
            [f.assign(onset_s=f.onset_s + start) for f, start in zip(frames, starts, strict=True)],
            ignore_index=True,
        )
    sentence = [part["words.sentence"] + first for part, first in zip(parts, before, strict=True)]
    story = Story(
        np.concatenate([part["sound"] for part in parts]),
        np.concatenate([part["sentence_s"] + start for part, start in zip(parts, starts, strict=True)]),
        tables["words"].assign(sentence=np.concatenate(sentence)),
        tables["phonemes"],
    )
    encoded = [
        piece for part in parts for piece in np.split(part["whisper"], np.cumsum(part["frames"])[:-1], axis=1)
    ]
    return story, encoded


def sound_features(unit: Decoding, timeline: Timeline) -> np.ndarray:
    """(F, n) targets of a decoder on the story's timeline.

    Whisper's are brought to their first principal components over the training windows. As published, one
    mean and one standard deviation, of all features in the training windows, scale them.
    """
    story, encoded = open_story(unit.story)
    n = round(len(story.sound) / SOUND_HZ * unit.rate_hz)
    heard = np.unique(timeline.train[:, None] + np.arange(timeline.n_window))
    if unit.features == "whisper":
        y = join_sentences(encoded, story.sentence_s, WHISPER_HZ, unit.rate_hz, n)
        y = y - y[:, heard].mean(1, keepdims=True)
        _, directions = np.linalg.eigh(y[:, heard] @ y[:, heard].T)
        y = directions[:, ::-1][:, : unit.n_features].T @ y
    else:
        bands = unit.n_features if unit.features == "mel" else MEL_BANDS
        y = log_mel(story.sound, bands, unit.rate_hz)[:, :n]
    return ((y - y[:, heard].mean()) / y[:, heard].std()).astype(np.float32)


@lru_cache(maxsize=1)
def open_group(
    tellings: tuple[Telling, ...], brain: Brain, rate_hz: float, seed: int, group: int
) -> tuple[np.ndarray, np.ndarray]:
    """Listeners to a story: x (n_recordings, C, n) on its timeline, and their layout (C, 2)."""
    story, _ = open_story(tellings)
    root = int(np.random.SeedSequence(seed, spawn_key=(1, group)).generate_state(1)[0])
    recordings = simulate_cohort(story, brain, rate_hz, root)
    x = np.stack([on_story(recording, story, rate_hz) for recording in recordings])
    return x, recordings[0].xy


def timeline_of(unit: Decoding) -> Timeline:
    """The windows of a unit's story and their splits."""
    story, _ = open_story(unit.story)
    rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(2,)))
    return cut(story, unit.rate_hz, unit.shift_s, SALT, rng if unit.leaking else None)


def decode(unit: Decoding) -> dict[str, np.ndarray]:
    """Train a decoder and rank the candidates for every test window of every listener.

    Returns
    -------
    "history" (n_epochs, 2) losses of training and validation. Of each candidate: "word", "onset_s". Of each
    trial, a test window of a listener: "subject", "true" (its candidate), "rank" (0: best), "rank_near"
    (within 1 s counts), "rank_apart" (of candidates that share no sound), "p" and "p_word" (probability of
    the true segment and word), "word_rank", "top" and "top_p" (n_trials, 5) best candidates. "attention" (C,)
    mean weight of the sensors; NaN where there is no attention.
    """
    timeline = timeline_of(unit)
    x, xy = open_group(unit.story, unit.brain, unit.rate_hz, unit.seed, unit.group)
    key = np.random.SeedSequence(unit.seed, spawn_key=(3, unit.model))
    scaling_seed, weights_seed, order_seed = (int(s) for s in key.generate_state(3))
    rng = np.random.default_rng(scaling_seed)
    centre, spread = np.stack([scaling(recording, timeline, rng) for recording in x], axis=1)
    windows = Windows(x, centre, spread, sound_features(unit, timeline), timeline, unit.clamp)
    decoder = _decoder(unit, len(x), xy, weights_seed)
    name = hashlib.sha256(
        f"{code_key([__name__])}{unit!r}".encode()
    ).hexdigest()  # no other code goes on from it
    checkpoint = ROOT / "build/checkpoints" / f"{name}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    history = fit(decoder, windows, timeline, len(x), unit.fitting, order_seed, checkpoint)
    scores = _scores(decoder, windows, timeline, len(x))
    attention = (
        decoder.brain.attention(0).detach().mean(0).numpy() if unit.shape.spatial_attention else np.nan
    )
    return {
        "history": history,
        "attention": np.broadcast_to(attention, len(xy)),
        "word": timeline.test.word.to_numpy(dtype=str),
        "onset_s": timeline.test.onset_s.to_numpy(),
        "subject": np.repeat(np.arange(len(x)), len(timeline.test)),
        **describe(scores, timeline.test, len(x)),
    }


def describe(scores: np.ndarray, test: pd.DataFrame, n_subjects: int) -> dict[str, np.ndarray]:
    """Ranks and probabilities of scores (n_subjects * n_candidates, n_candidates); see `decode`."""
    true = np.tile(np.arange(len(test)), n_subjects)
    onset_s = test.onset_s.to_numpy()
    p = retrieval.probabilities(scores)
    p_words, words = retrieval.word_probabilities(p, test.word.to_numpy(dtype=str))
    own = np.searchsorted(words, test.word.to_numpy(dtype=str)[true])
    top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    trial = np.arange(len(true))
    return {
        "true": true,
        "rank": retrieval.ranks(scores, true),
        "rank_near": retrieval.tolerant_ranks(scores, true, onset_s),
        "rank_apart": retrieval.disjoint_ranks(scores, true, onset_s),
        "p": p[trial, true],
        "p_word": p_words[trial, own],
        "word_rank": retrieval.ranks(p_words, own),
        "top": top,
        "top_p": np.take_along_axis(p, top, axis=1),
    }


def _decoder(unit: Decoding, n_subjects: int, xy: np.ndarray, seed: int) -> Decoder:
    generator = torch.Generator().manual_seed(seed)
    shape = replace(unit.shape, n_outputs=unit.n_features)
    brain = BrainModule(n_subjects, torch.from_numpy(xy)[None].float(), shape, generator)
    speech: nn.Module = nn.Identity()
    if unit.features == "deep mel":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            speech = DeepMel(MEL_BANDS, unit.n_features, shape.d2, shape.n_blocks)
    return Decoder(brain, speech, unit.fitting.loss == "temperature")


@torch.no_grad()
def _scores(decoder: Decoder, windows: Windows, timeline: Timeline, n_recordings: int) -> np.ndarray:
    """(n_recordings * n_candidates, n_candidates), those of the first recording first."""
    decoder.eval()
    starts = torch.tensor(timeline.test["sample"].to_numpy(copy=True))
    y = decoder.speech(windows.sound(starts))
    scores = []
    for recording in range(n_recordings):
        x = windows.brain(torch.full_like(starts, recording), starts)
        scores.append(match_scores(encode(decoder.brain, x, recording, 0), y))
    scale = 1.0 if decoder.log_scale is None else float(decoder.log_scale.exp())
    return torch.cat(scores).numpy() * scale


def _sentences(story: Story) -> list[np.ndarray]:
    edges = np.round(story.sentence_s * SOUND_HZ).astype(int)
    return [story.sound[start:stop] for start, stop in edges]
