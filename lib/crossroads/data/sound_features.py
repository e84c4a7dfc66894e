"""What of a sound is shown to a decoder: log Mel spectra of the paper and of Whisper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.fft import rfft

from crossroads.data.listening import SOUND_HZ

SLANEY_HZ, SLANEY_LINEAR = 200 / 3, 15  # of a Mel, up to 15 Mel = 1000 Hz; above, 27 Mel make a factor of 6.4
SLANEY_STEP = math.log(6.4) / 27
FLOOR = np.float32(1e-5)  # added to the paper's Mel power
CHUNK = 1024  # frames transformed at a time; they stay in the cache


def mel_filters(n_bands: int, n_fft: int, scale: str) -> np.ndarray:
    """Triangles (n_bands, n_fft // 2 + 1) over the frequencies of a spectrum of sound at SOUND_HZ.

    The centres are equally spaced in Mel between 0 Hz and SOUND_HZ / 2; each triangle goes from the centre
    before to the centre after. scale "slaney" (Auditory Toolbox, 1998): areas of 1 over Hz; "htk" (HTK Book,
    Mel = 2595 log10(1 + Hz / 700)): heights of 1. A triangle narrower than the spectrum's steps may be 0
    everywhere.

    Raises
    ------
    ValueError : n_bands below 1, or another scale.
    """
    if n_bands < 1 or scale not in ("slaney", "htk"):
        raise ValueError(f"{n_bands} bands on the scale {scale!r}; expected 1 or more, and slaney or htk")
    if scale == "htk":
        hz = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + SOUND_HZ / 1400), n_bands + 2) / 2595) - 1)
    else:
        top = SLANEY_LINEAR + math.log(SOUND_HZ / 2000) / SLANEY_STEP
        mel = np.linspace(0, top, n_bands + 2)
        hz = SLANEY_HZ * np.minimum(mel, SLANEY_LINEAR)
        hz *= np.exp(SLANEY_STEP * np.maximum(mel - SLANEY_LINEAR, 0))
    frequency = np.arange(n_fft // 2 + 1) * SOUND_HZ / n_fft
    low, centre, high = hz[:-2, None], hz[1:-1, None], hz[2:, None]
    rise, fall = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
    height = 2 / (high - low) if scale == "slaney" else 1.0
    return height * np.maximum(0, np.minimum(rise, fall))


def log_mel(sound: np.ndarray, n_bands: int = 120, rate_hz: float = 120.0) -> np.ndarray:
    """Log Mel power of a sound, as in the published code (bm/features/audio.py, by torchaudio's defaults).

    The sound is standardised; Hann windows of unit energy and 512 samples, 128 apart, the sound mirrored
    beyond its ends; HTK triangles; log10(power + 1e-5); nearest frame at rate_hz. With 120 bands the lowest
    triangle falls between two frequencies, as in the paper: this band is -5 throughout.

    Parameters
    ----------
    sound : (n,) at SOUND_HZ, more than 256 samples, not constant.

    Returns
    -------
    (n_bands, round(n / SOUND_HZ * rate_hz)) float32.

    Raises
    ------
    ValueError : a sound that is not one line of finite samples, shorter or constant; n_bands below 1.
    """
    sound = _checked(sound, 256)
    spread = sound.std()
    if not spread > 0:
        raise ValueError(f"a sound of {len(sound)} samples, all {sound[0]}: there is nothing to standardise")
    n = round(len(sound) / SOUND_HZ * rate_hz)
    kept = _nearest(1 + len(sound) // 128, SOUND_HZ / 128, rate_hz, n)
    power = _mel_power((sound - sound.mean()) / spread, n_bands, n_fft=512, at=128 * kept, scale="htk")
    power /= 512 * 3 / 8  # energy of the window
    return np.log10(power + FLOOR)


def whisper_mel(sound: np.ndarray) -> np.ndarray:
    """Log Mel power (80, n // 160) float32 at 100 Hz, as Whisper wants it (Radford et al. 2022).

    Hann windows of 400 samples, 160 apart, the sound mirrored beyond its ends; log10 of at least 1e-10, not
    more than 8 below the greatest; (x + 4) / 4. sound : (n,) float at SOUND_HZ, more than 200 samples.

    Raises
    ------
    ValueError : a sound that is not one line of finite samples, or shorter.
    """
    sound = _checked(sound, 200)
    power = _mel_power(sound, 80, n_fft=400, at=160 * np.arange(len(sound) // 160), scale="slaney")
    log = np.log10(np.maximum(power, np.float32(1e-10)))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def to_rate(features: np.ndarray, from_hz: float, to_hz: float, n: int) -> np.ndarray:
    """(..., n) samples at to_hz of features (..., m) at from_hz: for each time the last sample not after it.

    So torch's "nearest" interpolation, which the published code uses, does. Sample i stands for the time
    i / to_hz; times beyond the end take the last sample.
    """
    return features[..., _nearest(features.shape[-1], from_hz, to_hz, n)]


def join_sentences(
    features: Sequence[np.ndarray], sentence_s: np.ndarray, from_hz: float, to_hz: float, n: int
) -> np.ndarray:
    """(F, n) features on a story's timeline at to_hz, of features (F, m) of each sentence at from_hz.

    Every sentence is brought to its own place: frames cover whole sentences only roughly, and what one has
    too much or too little would shift all that come after it.

    Parameters
    ----------
    sentence_s : (n_sentences, 2) start and end of each sentence in the story [s]; the first starts at 0.
    """
    edges = [*np.round(sentence_s[:, 0] * to_hz).astype(int), n]
    pairs = zip(features, edges[:-1], edges[1:], strict=True)
    return np.concatenate([to_rate(f, from_hz, to_hz, stop - start) for f, start, stop in pairs], axis=-1)


def _nearest(m: int, from_hz: float, to_hz: float, n: int) -> np.ndarray:
    """Which of m samples at from_hz stand for n at to_hz; see `to_rate`."""
    # A ratio such as 3 / 50 * 50 must not fall below 3 by rounding.
    return np.minimum(np.floor(np.arange(n) * (from_hz / to_hz) + 1e-6).astype(int), m - 1)


def _checked(sound: np.ndarray, n_least: int) -> np.ndarray:
    if sound.ndim != 1 or len(sound) <= n_least or not np.isfinite(sound).all():
        raise ValueError(
            f"a sound of shape {sound.shape}: expected one line of more than {n_least} samples, all finite"
        )
    return sound.astype(np.float32, copy=False)


def _mel_power(sound: np.ndarray, n_bands: int, n_fft: int, at: np.ndarray, scale: str) -> np.ndarray:
    """(n_bands, len(at)) float32 Mel power of Hann windows around the samples `at`."""
    padded = np.pad(sound, n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    filters = _kept_filters(n_bands, n_fft, scale)
    power = np.empty((n_bands, len(at)), np.float32)
    for start in range(0, len(at), CHUNK):
        part = rfft(frames[at[start : start + CHUNK]] * window, overwrite_x=True)
        power[:, start : start + CHUNK] = filters @ (part.real**2 + part.imag**2).T
    return power


@cache
def _kept_filters(n_bands: int, n_fft: int, scale: str) -> np.ndarray:
    return mel_filters(n_bands, n_fft, scale).astype(np.float32)
