"""Units of the speech chapter: a part of a story told, and a decoder trained and tested on listeners."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from crossroads.analyse import retrieval
from crossroads.data.listening import SOUND_HZ, Story
from crossroads.data.listening_brain import Brain, Listener, listeners, simulate_cohort
from crossroads.data.settings import ROOT, data_folder
from crossroads.data.sound_features import join_sentences, log_mel
from crossroads.data.speech_windows import Sessions, Timeline, cut, join_sessions, scaling
from crossroads.data.spoken_stories import read_aloud, tell_story
from crossroads.data.story_text import write_sentences
from crossroads.data.units import code_key, stored
from crossroads.models.backward_model import fit_backward
from crossroads.models.brain_module import BrainModule, BrainShape, DeepMel, encode
from crossroads.models.contrastive_losses import match_scores
from crossroads.models.contrastive_training import Decoder, Fitting, Windows, fit
from crossroads.models.device import device, origin
from crossroads.models.speech_encoders import WHISPER_HZ, encode_sentences

FEATURES = ("pretrained", "mel", "deep mel")
RECORDED = {"brennan-2019": "brennan2019", "meg-masc": "meg-masc"}  # real data sets, and their folders
SALT = 12  # of the split's hash, as published
MEL_BANDS = 40  # that a learned network starts from
TOP = 5  # candidates that are kept of every trial
N_SHUFFLES = 499  # of blocks of sentences, for chance
LONGEST_LAG_S = 0.4  # of the linear model
RIDGES = tuple(np.logspace(-4, 2, 7))


@dataclass(frozen=True)
class Telling:
    """A unit: some sentences of a story, told.

    voice : one of `spoken_stories.VOICES`; or "alice": n_sentences of the word table of a real reading, at
        its times, in espeak's voice; or a name in RECORDED: the sound that its listeners heard, as one part.
    part : of the story; parts of equal seed follow each other. encoder : speech model that listens
        too, "whisper" or "wav2vec"; "": none.
    """

    n_sentences: int
    voice: str
    part: int
    seed: int
    encoder: str


@dataclass(frozen=True)
class Recorded:
    """Listeners of a real data set, of RECORDED: all sessions in which every sentence was heard."""

    name: str


@dataclass(frozen=True)
class Decoding:
    """A unit: listeners to a story, and a decoder trained on some of what they heard and tested on the rest.

    features : of the sound, one of FEATURES. n_features : principal components of pretrained features, bands
        of Mel, or what the learned network gives.
    clamp : of the scaled brain signal [inter-quartile ranges]; inf: none. shift_s : of the brain's window.
    leaking : windows are dealt to the splits one by one.
    shown : return what figures show of a model, too: see `decode`.
    shape : of the brain module; its n_outputs is n_features, whatever it says.
    model : number of the initialisation; group : number of the listeners, and of their noise.
    """

    story: tuple[Telling, ...]
    brain: Brain | Recorded
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
    shown: bool = False


def tell(unit: Telling) -> dict[str, np.ndarray]:
    """Write and say a part of a story.

    Returns
    -------
    "sound" (n,) at SOUND_HZ; "sentence_s"; the columns of the story's words as "words.<name>", of its
    phonemes as "phonemes.<name>"; "encoded" (n_features, m) at 50 Hz, and "frames" (n_sentences,), how many
    of them are each sentence's.
    """
    rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(0, unit.part)))
    if unit.voice in RECORDED:
        loader, folder = _recorded(unit.voice)
        story = loader.load_story(folder)
    elif unit.voice == "alice":
        story = read_aloud(unit.part, unit.n_sentences)
    else:
        story = tell_story(write_sentences(unit.n_sentences, rng), unit.voice, rng)
    tables = {"words": story.words, "phonemes": story.phonemes}
    columns = {
        f"{table}.{name}": values.to_numpy(dtype=str if values.dtype.kind not in "if" else None)
        for table, frame in tables.items()
        for name, values in frame.items()
    }
    encoded = encode_sentences(unit.encoder, _sentences(story))
    return {
        "sound": story.sound,
        "sentence_s": story.sentence_s,
        "encoded": np.concatenate(encoded, axis=1),
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
        piece for part in parts for piece in np.split(part["encoded"], np.cumsum(part["frames"])[:-1], axis=1)
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
    if unit.features == "pretrained":
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
    tellings: tuple[Telling, ...], brain: Brain | Recorded, rate_hz: float, seed: int, group: int
) -> Sessions:
    """What listeners to a story were recorded, on its timeline."""
    story, _ = open_story(tellings)
    if isinstance(brain, Brain):
        recordings = simulate_cohort(story, brain, rate_hz, group_seed(seed, group))
    else:
        loader, folder = _recorded(brain.name)
        _, recordings = loader.load_cohort(folder, rate_hz)
    return join_sessions(recordings, story, rate_hz)


def people_of(unit: Decoding) -> list[Listener]:
    """The simulated listeners of a unit: their planted sources, lead fields and weights."""
    assert isinstance(unit.brain, Brain)
    return listeners(unit.brain, group_seed(unit.seed, unit.group))


def timeline_of(unit: Decoding) -> Timeline:
    """The windows of a unit's story and their splits."""
    story, _ = open_story(unit.story)
    rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(2,)))
    return cut(story, unit.rate_hz, unit.shift_s, SALT, rng if unit.leaking else None)


def in_training(story: Story, timeline: Timeline) -> np.ndarray:
    """Which words of the story begin in a training window, (n_words,) bool."""
    onset = np.round(story.words.onset_s.to_numpy() * timeline.rate_hz).astype(int)
    return np.isin(onset, timeline.train[:, None] + np.arange(timeline.n_window))


def decode(unit: Decoding) -> dict[str, np.ndarray]:
    """Train a decoder and rank the candidates for every test window of every listener.

    Returns
    -------
    "history" (n_epochs, 2) losses of training and validation. "attention" (C,) mean weight of the sensors
    and "subject_layer" (n_subjects, n), NaN where the module has none. What `describe` returns, and `origin`.
    Where the unit is shown: "scores" (n_trials, n_candidates), and of the first listener's window with the
    surest hit its index "example", "x" (C, T), "z" and "y" (F, T).
    """
    torch.backends.cuda.matmul.allow_tf32 = True  # as in a GPU's convolutions; not the CPU's products
    timeline, sessions = timeline_of(unit), _sessions(unit)
    windows = _windows(unit, sessions, timeline, device())
    _, weights_seed, order_seed = _seeds(unit)
    decoder = _decoder(unit, sessions, weights_seed).to(device())
    checkpoint = ROOT / "build/checkpoints" / f"{_name(unit)}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    history = fit(decoder, windows, timeline, unit.fitting, order_seed, checkpoint)
    brain, shape = decoder.brain, unit.shape
    attention = brain.attention(0).detach().mean(0).cpu().numpy() if shape.spatial_attention else np.nan
    matrices = brain.subject_layer.detach().flatten(1).cpu().numpy() if shape.subject == "layer" else np.nan
    scores = _scores(decoder, windows, timeline)
    found = {
        "history": history,
        "attention": np.broadcast_to(attention, len(sessions.xy)),
        "subject_layer": np.asarray(matrices),
        **describe(scores, sessions.subject, open_story(unit.story)[0], timeline, unit),
        **origin(),
    }
    return found | _example(decoder, windows, timeline, scores) if unit.shown else found


def decode_linear(unit: Decoding) -> dict[str, np.ndarray]:
    """Rank the candidates by a linear backward model instead, one for each session.

    Lags of 0 to 0.4 s, without the unit's shift; the ridge is chosen within the training windows, of which
    every second is used: neighbours share five sixths of their samples. Returns what `describe` does.
    """
    unit = replace(unit, shift_s=0.0)
    timeline, sessions = timeline_of(unit), _sessions(unit)
    windows = _windows(unit, sessions, timeline, "cpu")
    lags = np.arange(round(LONGEST_LAG_S * unit.rate_hz) + 1)
    train, test = (
        torch.tensor(np.array(a)) for a in (timeline.train[::2], timeline.test["sample"].to_numpy())
    )
    y, candidates = windows.sound(train), windows.sound(test)
    n = y.shape[-1]
    blocks = n * np.column_stack([np.arange(len(train)), np.arange(1, len(train) + 1)])
    scores = []
    for recording in range(len(sessions.x)):
        x, x_test = (windows.brain(torch.full_like(a, recording), a) for a in (train, test))
        brain, sound = (a.permute(1, 0, 2).flatten(1).numpy() for a in (x, y))
        model = fit_backward(brain, sound, blocks, lags, RIDGES)
        found = torch.from_numpy(model.predict(x_test.numpy())).float()
        scores.append(match_scores(found, candidates))
    story, _ = open_story(unit.story)
    return describe(torch.cat(scores).numpy(), sessions.subject, story, timeline, unit)


def describe(
    scores: np.ndarray, subject: np.ndarray, story: Story, timeline: Timeline, unit: Decoding
) -> dict[str, np.ndarray]:
    """Ranks and probabilities of scores (n_sessions * n_candidates, n_candidates), subject (n_sessions,).

    Returns
    -------
    Of each candidate: "word", "onset_s", "sentence", and "unseen", whether the word is none of those in the
    training windows. Of each trial, a test window of a listener: "subject", "true" (its candidate), "rank"
    (0: best), "rank_near" (within 1 s counts), "rank_apart" (of candidates that share no sound), "p" and
    "p_word" (probability of the true segment and word), "word_rank", "top" and "top_p" (n_trials, 5) best
    candidates. "null" (n_shuffles, 2) top-10 accuracy of all trials, and of those with an unseen word, when
    blocks of sentences, within which slow noise is alike, are exchanged; "p_top10".
    """
    test = timeline.test
    true = np.tile(np.arange(len(test)), len(subject))
    onset_s, word, sentence, block = (
        test[name].to_numpy() for name in ("onset_s", "word", "sentence", "block")
    )
    word = word.astype(str)
    unseen = ~np.isin(word, story.words.word[in_training(story, timeline)].to_numpy(str))
    p = retrieval.probabilities(scores)
    p_words, words = retrieval.word_probabilities(p, word)
    own = np.searchsorted(words, word[true])
    top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    trial = np.arange(len(true))
    rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(4, unit.model)))
    permuted = retrieval.permutation_p(scores, true, block, 10, rng, N_SHUFFLES)
    few = unseen[true]
    null_unseen = np.full(N_SHUFFLES, np.nan)
    if few.any():
        null_unseen = retrieval.permutation_p(scores[few], true[few], block, 10, rng, N_SHUFFLES).null
    return {
        "word": word,
        "onset_s": onset_s,
        "sentence": sentence,
        "unseen": unseen,
        "subject": np.repeat(subject, len(test)),
        "true": true,
        "rank": retrieval.ranks(scores, true),
        "rank_near": retrieval.tolerant_ranks(scores, true, onset_s),
        "rank_apart": retrieval.disjoint_ranks(scores, true, onset_s),
        "p": p[trial, true],
        "p_word": p_words[trial, own],
        "word_rank": retrieval.ranks(p_words, own),
        "top": top,
        "top_p": np.take_along_axis(p, top, axis=1),
        "null": np.column_stack([permuted.null, null_unseen]),
        "p_top10": np.array(permuted.p),
    }


@torch.no_grad()
def _example(
    decoder: Decoder, windows: Windows, timeline: Timeline, scores: np.ndarray
) -> dict[str, np.ndarray]:
    own = np.diag(retrieval.probabilities(scores[: len(timeline.test)]))
    best = int(own.argmax())
    start = torch.tensor([int(timeline.test["sample"].iloc[best])])
    x, y = windows.brain(torch.zeros(1, dtype=torch.long), start), decoder.speech(windows.sound(start))
    z = encode(decoder.brain, x, 0, 0)
    return {
        "scores": scores,
        "example": np.array(best),
        "x": x[0].cpu().numpy(),
        "z": z[0].cpu().numpy(),
        "y": y[0].cpu().numpy(),
    }


def _recorded(name: str) -> tuple[Any, Path]:
    """Loader and folder of a real data set."""
    from crossroads.data import brennan2019, meg_masc  # slow to import, and seldom needed

    loader = {"brennan-2019": brennan2019, "meg-masc": meg_masc}[name]
    folder = data_folder("speech")
    if folder is None:
        raise FileNotFoundError(
            f"CROSSROADS_DATA has no folder `speech` with the recordings {name}; see page Data"
        )
    return loader, folder / RECORDED[name]


def _name(unit: Decoding) -> str:
    """Of a unit and the code that works on it: no other code goes on from what it has left."""
    return hashlib.sha256(f"{code_key([__name__])}{unit!r}".encode()).hexdigest()


def _seeds(unit: Decoding) -> tuple[int, int, int]:
    """Of scaling, weights and order of a unit's model."""
    key = np.random.SeedSequence(unit.seed, spawn_key=(3, unit.model))
    scaling_seed, weights_seed, order_seed = (int(s) for s in key.generate_state(3))
    return scaling_seed, weights_seed, order_seed


def group_seed(seed: int, group: int) -> int:
    """Root of what is random in a group of listeners and their recordings."""
    return int(np.random.SeedSequence(seed, spawn_key=(1, group)).generate_state(1)[0])


def _sessions(unit: Decoding) -> Sessions:
    return open_group(unit.story, unit.brain, unit.rate_hz, unit.seed, unit.group)


def _windows(unit: Decoding, sessions: Sessions, timeline: Timeline, where: torch.device | str) -> Windows:
    rng = np.random.default_rng(_seeds(unit)[0])
    centre, spread = np.stack([scaling(x, timeline, rng) for x in sessions.x], axis=1)
    return Windows(sessions.x, centre, spread, sound_features(unit, timeline), timeline, unit.clamp, where)


def _decoder(unit: Decoding, sessions: Sessions, seed: int) -> Decoder:
    generator = torch.Generator().manual_seed(seed)
    shape = replace(unit.shape, n_outputs=unit.n_features)
    subject, xy = torch.from_numpy(sessions.subject), torch.from_numpy(sessions.xy).float()
    brain = BrainModule(int(subject.max()) + 1, xy[None], shape, generator)
    speech: nn.Module = nn.Identity()
    if unit.features == "deep mel":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            speech = DeepMel(MEL_BANDS, unit.n_features, shape.d2, shape.n_blocks)
    return Decoder(brain, speech, unit.fitting.loss == "temperature", subject)


@torch.no_grad()
def _scores(decoder: Decoder, windows: Windows, timeline: Timeline) -> np.ndarray:
    """(n_sessions * n_candidates, n_candidates), those of the first recording first."""
    decoder.eval()
    starts = torch.tensor(timeline.test["sample"].to_numpy(copy=True))
    y = decoder.speech(windows.sound(starts))
    scores = []
    for recording, subject in enumerate(decoder.subject.tolist()):
        x = windows.brain(torch.full_like(starts, recording), starts)
        scores.append(match_scores(encode(decoder.brain, x, subject, 0), y))
    scale = 1.0 if decoder.log_scale is None else float(decoder.log_scale.exp())
    return torch.cat(scores).cpu().numpy() * scale


def _sentences(story: Story) -> list[np.ndarray]:
    edges = np.round(story.sentence_s * SOUND_HZ).astype(int)
    return [story.sound[start:stop] for start, stop in edges]
