"""Simulated M/EEG of people who listen to a story: planted sources, known responses, realistic noise.

x_s(t) = L_s q_s(t) + noise, with q_j = g_s sum_k W_jk (h_k * f_k)(t - delta_s). The streams f_k are acoustic
(onsets of the envelope and five spectral bands), phonetic (articulatory features at phoneme onsets) and
lexical (word onsets, weighted by what the word is); their responses h_k are sums of Gaussian bumps. Sizes and
units of sources and noise are chosen to look like real recordings; the paper has no simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.fft import irfft, next_fast_len, rfftfreq
from scipy.signal import fftconvolve, resample

from crossroads.data.espeak import FEATURES, articulatory_features
from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.data.sensor_arrays import (
    SOURCES,
    SensorArray,
    background_positions,
    lead_field,
    occipital_positions,
    sensor_array,
    take,
)
from crossroads.data.sound_features import log_mel

RATE_HZ = 120.0  # of simulated recordings: the paper's, after its resampling
STREAMS = ("acoustic", "phonetic", "lexical")
# Bumps of the responses: size, delay [s], width (standard deviation) [s].
RESPONSES = {
    "acoustic": ((0.5, 0.05, 0.012), (-1.0, 0.1, 0.02), (0.7, 0.2, 0.04)),
    "phonetic": ((1.0, 0.13, 0.02), (-0.8, 0.21, 0.03)),
    "lexical": ((-0.4, 0.25, 0.05), (1.0, 0.4, 0.08)),
}
LEXICAL = ("part_of_speech", "surprisal", "log_frequency")  # columns of the words
LONGEST_S = 0.8  # of a response
HOME = {
    "acoustic": ("Heschl",),
    "phonetic": ("posterior",),
    "lexical": ("IFG", "anterior"),
}  # where a stream drives sources most
ELSEWHERE = 0.3  # its weight in the other sources
FOREIGN_S = 30.0  # least shift of the sound for people who hear something else
# Moments of the background and of alpha, root mean square [A m]; both look like resting recordings then.
N_BACKGROUND, BACKGROUND_AM, ALPHA_AM = 60, 12e-9, 40e-9
LOWEST_HZ, LINE_HZ, BLINKS_PER_MIN = 0.1, 50.0, 15
# Noise of the sensors: white [T or V per sqrt(Hz)], others [T or V].
NOISE = {
    "meg": {"white": 3e-15, "drift": 100e-15, "line": 50e-15, "blink": 500e-15},
    "eeg": {"white": 0.2e-6, "drift": 10e-6, "line": 2e-6, "blink": 100e-6},
}


@dataclass(frozen=True)
class Brain:
    """A group of listeners and how they are recorded.

    array, n_sensors : name in `sensor_arrays.ARRAYS`, and how many of its sensors are used.
    n_subjects : listeners.
    strength_nam : root mean square of the moment of a source [nA m]; 0: nobody hears anything.
    shares : of the acoustic, phonetic and lexical streams in a source's variance; they sum to 1.
    variability : how much subjects differ, in position, direction, gain, latency and weights; 0: identical.
    artefacts_per_min : jumps of a few sensors, thousands of times larger than the signal.
    delay : scales the delays of the responses; 0: all bumps are centred on the event.
    n_attending : listeners who hear the story; the others hear it at another time, so that their responses
        have nothing to do with it.

    Raises
    ------
    ValueError : shares that do not sum to 1, or a negative or impossible number.
    """

    array: str
    n_sensors: int
    n_subjects: int
    strength_nam: float
    shares: tuple[float, float, float]
    variability: float = 1.0
    artefacts_per_min: float = 3.0
    delay: float = 1.0
    n_attending: int = 10**6

    def __post_init__(self) -> None:
        if len(self.shares) != 3 or min(self.shares) < 0 or not abs(sum(self.shares) - 1) <= 1e-9:
            raise ValueError(f"shares {self.shares}: three numbers, 0 or more, that sum to 1, are needed")
        numbers = (self.strength_nam, self.variability, self.artefacts_per_min, self.delay, self.n_attending)
        if not all(0 <= number < np.inf for number in numbers) or min(self.n_subjects, self.n_sensors) < 1:
            raise ValueError(f"negative or impossible number in {self}")


@dataclass(frozen=True)
class Listener:
    """One subject: lead field (C, n_sources) [T or V per A m], weights of the sources, gain and latency."""

    lead: np.ndarray
    weights: dict[str, np.ndarray]
    gain: float
    latency_s: float
    head_shift_m: np.ndarray


@lru_cache(maxsize=2)  # every group of listeners hears the same few stories
def streams(story: Story) -> dict[str, np.ndarray]:
    """What the brain may respond to, at RATE_HZ on the story's timeline.

    Returns
    -------
    "acoustic" (6, n): onsets of the envelope and five bands of the spectrum; "phonetic" (n_features, n):
    articulatory features at phoneme onsets; "lexical" (4, n): word onsets, weighted by 1, surprisal,
    log-frequency and whether the word has content. Every row has mean 0 and variance 1, or is 0 throughout.

    Raises
    ------
    ValueError : a story without phonemes, or whose words lack a column of LEXICAL.
    """
    missing = [name for name in LEXICAL if name not in story.words]
    if missing or len(story.phonemes) == 0:
        raise ValueError(
            f"a story for a simulated brain has {len(story.phonemes)} phonemes, and words without {missing}; "
            f"needed are phonemes, and {list(LEXICAL)} of every word"
        )
    n = round(len(story.sound) / SOUND_HZ * RATE_HZ)
    mel = log_mel(story.sound, 40, RATE_HZ)[:, :n]
    energy = mel.mean(0)
    bands = mel.reshape(5, 8, -1).mean(1)
    onset = np.maximum(np.diff(energy, prepend=energy[:1]), 0)
    acoustic = np.vstack([onset, bands])
    symbols = [articulatory_features(symbol) for symbol in story.phonemes.symbol]
    phonetic = _impulses(story.phonemes, np.array(symbols, dtype=float), n)
    words = story.words
    content = words.part_of_speech.isin(["noun", "verb", "adjective", "adverb", "content"])
    known = np.column_stack([np.zeros(len(words)), words.surprisal, words.log_frequency, content])
    lexical = _impulses(words, np.column_stack([np.ones(len(words)), _standard(known.T)[1:].T]), n)
    return {"acoustic": _standard(acoustic), "phonetic": _standard(phonetic), "lexical": _standard(lexical)}


def listeners(brain: Brain, seed: int) -> list[Listener]:
    """The subjects of a group; those of equal seeds are the same people, however strong the signal is.

    They share the mean of weights and sources; a subject's differences (positions 6 mm, directions 2 rad,
    head in the helmet 4 mm, gain 30 %, latency 15 ms, weights 2) are all scaled by `brain.variability`.
    """
    common = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    names = list(SOURCES)
    sizes = {"acoustic": 6, "phonetic": len(FEATURES), "lexical": 4}
    mean = {stream: common.standard_normal((len(names), size)) for stream, size in sizes.items()}
    people = []
    for subject in range(brain.n_subjects):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, subject)))
        positions = np.array([position for position, _ in SOURCES.values()])
        directions = np.array([direction for _, direction in SOURCES.values()])
        spread = brain.variability
        positions = positions + spread * 0.006 * rng.standard_normal(positions.shape)
        directions = directions + spread * 2.0 * rng.standard_normal(directions.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        shift = spread * 0.004 * rng.standard_normal(3)
        weights = {}
        for stream in STREAMS:
            home = np.where(at_home(stream), 1.0, ELSEWHERE)[:, None]
            weights[stream] = home * (mean[stream] + spread * 2.0 * rng.standard_normal(mean[stream].shape))
        gain = float(np.exp(0.3 * spread * rng.standard_normal()))
        latency = 0.015 * spread * float(rng.standard_normal())
        lead = _lead(brain, positions, directions, shift)
        people.append(Listener(lead, weights, gain, latency, shift))
    return people


def at_home(stream: str) -> np.ndarray:
    """Which sources a stream drives most, (n_sources,) bool."""
    return np.array([any(place in name for place in HOME[stream]) for name in SOURCES])


def simulate_cohort(story: Story, brain: Brain, rate_hz: float, seed: int) -> list[Recording]:
    """Record every listener once, at `rate_hz`, from the story's first sample to its last.

    Equal seeds share listeners, noise and artefacts, so that conditions differ in what they name only.

    Raises
    ------
    ValueError : an unknown array, more sensors than it has, a story without what `streams` needs, or one too
        short for listeners who do not attend: shifted in a circle, it must be FOREIGN_S away both ways.
    """
    array, chosen = _array(brain)
    length = len(story.sound) / SOUND_HZ
    if brain.n_attending < brain.n_subjects and length < 2 * FOREIGN_S:
        raise ValueError(f"a story of {length:.1f} s; for inattentive listeners {2 * FOREIGN_S} s are needed")
    heard = streams(story)
    n = round(len(story.sound) / SOUND_HZ * rate_hz)
    recordings = []
    for subject, person in enumerate(listeners(brain, seed)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, subject)))
        away = round(RATE_HZ * max(FOREIGN_S, rng.uniform(0.2, 0.5) * n / rate_hz))
        moments = _moments(heard, person, brain, away if subject >= brain.n_attending else 0)
        x = person.lead @ _decimate(moments, n, rate_hz)
        x += _noise(brain, person.head_shift_m, n, rate_hz, rng)
        x += _artefacts(x.shape, array.kind, brain.artefacts_per_min, rate_hz, rng)
        recordings.append(
            Recording(
                x.astype(np.float32), rate_hz, array.kind, array.xy[chosen], f"{subject + 1:02d}", "1",
                story.sentence_s[:, 0].copy(), tuple(array.names[i] for i in chosen),
            )
        )  # fmt: skip
    return recordings


def response(stream: str, delay: float = 1.0, later_s: float = 0.0) -> np.ndarray:
    """Response to a unit event at RATE_HZ, from LONGEST_S before it to LONGEST_S after it."""
    t = np.arange(-round(LONGEST_S * RATE_HZ), round(LONGEST_S * RATE_HZ) + 1) / RATE_HZ
    size, at, width = np.array(RESPONSES[stream]).T[..., None]
    return (size * np.exp(-0.5 * ((t - later_s - delay * at) / width) ** 2)).sum(0)


def _array(brain: Brain) -> tuple[SensorArray, np.ndarray]:
    array = sensor_array(brain.array)
    return array, take(array, brain.n_sensors)


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and variance 1; constant ones are 0."""
    spread = rows.std(1, keepdims=True)
    return (rows - rows.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1)


def _impulses(events: pd.DataFrame, values: np.ndarray, n: int) -> np.ndarray:
    """(n_features, n) values of events at their onsets, at RATE_HZ."""
    at = np.minimum((events.onset_s.to_numpy() * RATE_HZ).round().astype(int), n - 1)
    series = np.zeros((n, values.shape[1]))
    np.add.at(series, at, values)
    return series.T


def _moments(heard: dict[str, np.ndarray], person: Listener, brain: Brain, away: int) -> np.ndarray:
    """(n_sources, n) moments [A m] at RATE_HZ."""
    total = np.zeros((len(SOURCES), heard["acoustic"].shape[1]))
    for stream, share in zip(STREAMS, brain.shares, strict=True):
        drive = np.roll(person.weights[stream] @ heard[stream], away, axis=1)
        kernel = response(stream, brain.delay, person.latency_s)[None]
        driven = fftconvolve(drive, kernel, mode="same", axes=1)
        total = total + np.sqrt(share / driven.var(1).mean()) * driven
    return 1e-9 * brain.strength_nam * person.gain * total


def _decimate(moments: np.ndarray, n: int, rate_hz: float) -> np.ndarray:
    return moments if rate_hz == RATE_HZ else resample(moments, n, axis=1)


def _lead(brain: Brain, positions: np.ndarray, directions: np.ndarray, shift_m: np.ndarray) -> np.ndarray:
    """Lead field of the group's sensors. Groups that differ in what they hear share heads, so it is kept."""
    key = (tuple(map(tuple, a.tolist())) for a in (positions, directions, shift_m[None]))
    return _known_lead(brain.array, brain.n_sensors, *key)


@lru_cache(maxsize=256)
def _known_lead(name: str, n_sensors: int, positions: tuple, directions: tuple, shift_m: tuple) -> np.ndarray:
    array = sensor_array(name)
    field = lead_field(array, np.array(positions), np.array(directions), shift_m[0])
    return field[take(array, n_sensors)]


def _noise(
    brain: Brain, head_shift_m: np.ndarray, n: int, rate_hz: float, rng: np.random.Generator
) -> np.ndarray:
    """(n_sensors, n) of everything that is there without a story [T or V]."""
    array, chosen = _array(brain)
    level, xy, m = NOISE[array.kind], array.xy[chosen], len(chosen)
    positions, directions = background_positions(N_BACKGROUND, rng)
    at_back, along = occipital_positions()
    both = np.concatenate([positions, at_back]), np.concatenate([directions, along])
    lead = _lead(brain, *both, head_shift_m)
    around, back = lead[:, :N_BACKGROUND], lead[:, N_BACKGROUND:]
    x = around @ _coloured(rng, N_BACKGROUND, n, rate_hz, lambda f: f**-0.5, BACKGROUND_AM)
    x += back @ _coloured(rng, back.shape[1], n, rate_hz, lambda f: np.exp(-((f - 10) ** 2)), ALPHA_AM)
    x += level["drift"] * _coloured(rng, m, n, rate_hz, lambda f: 1 / f, 1.0)
    x += level["white"] * np.sqrt(rate_hz / 2) * rng.standard_normal((m, n), dtype=np.float32)
    t = np.arange(n) / rate_hz
    if rate_hz > 2 * LINE_HZ:
        x += level["line"] * rng.standard_normal((m, 1)) * np.sin(2 * np.pi * LINE_HZ * t)
    forehead = np.exp(-0.5 * ((xy - [0.5, 1]) ** 2).sum(1) / 0.15**2)
    blinks = np.zeros(n)
    blinks[rng.integers(0, n, round(BLINKS_PER_MIN * n / rate_hz / 60))] = 1
    shape = np.exp(-0.5 * (np.arange(-round(rate_hz / 2), round(rate_hz / 2) + 1) / rate_hz / 0.07) ** 2)
    return x + level["blink"] * np.outer(forehead, fftconvolve(blinks, shape, mode="same"))


def _artefacts(
    shape: tuple[int, int], kind: str, per_min: float, rate_hz: float, rng: np.random.Generator
) -> np.ndarray:
    """Jumps: a third of a second, on 1 to 20 sensors at once, 3e3 to 3e6 fT, or 30 uV to 30 mV."""
    x = np.zeros(shape)
    unit = 1e-15 if kind == "meg" else 1e-8
    for start in rng.integers(0, shape[1], rng.poisson(per_min * shape[1] / rate_hz / 60)):
        sensors = rng.permutation(shape[0])[: rng.integers(1, 21)]
        sizes = unit * 10 ** rng.uniform(np.log10(3e3), np.log10(3e6), len(sensors))
        stop = start + round(0.33 * rate_hz)
        x[sensors, start:stop] += (sizes * rng.choice([-1, 1], len(sensors)))[:, None]
    return x


def _coloured(
    rng: np.random.Generator, m: int, n: int, rate_hz: float, amplitude: Callable, rms: float
) -> np.ndarray:
    """(m, n) noise with a given amplitude spectrum above LOWEST_HZ, scaled to its root mean square."""
    f = rfftfreq(next_fast_len(n), 1 / rate_hz)
    shaped = np.where(f >= LOWEST_HZ, amplitude(np.maximum(f, LOWEST_HZ)), 0).astype(np.float32)
    spectrum = rng.standard_normal((m, len(f), 2), dtype=np.float32).view(np.complex64)[..., 0] * shaped
    x = irfft(spectrum, next_fast_len(n), axis=1)[:, :n]
    return rms * x / np.sqrt((x**2).mean())
