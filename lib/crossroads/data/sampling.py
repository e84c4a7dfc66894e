"""Sounds and recordings from their files, at the rate that is wanted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import mne
import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from crossroads.data.listening import SOUND_HZ

BLOCK_S, MARGIN_S = 60.0, 2.0  # read at once, and beyond it for the filter (which reaches 0.2 s at 50 Hz)


def read_sound(path: Path, source: str) -> np.ndarray:
    """A wav file (n,) float32 at SOUND_HZ, the mean of its channels, from -1 to 1.

    Raises
    ------
    ValueError : a damaged or empty file, or samples that are neither 16 or 32-bit integers nor finite.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=wavfile.WavFileWarning)
            warnings.filterwarnings("ignore", "Chunk", wavfile.WavFileWarning)  # title, artist and the like
            rate, samples = wavfile.read(path)
    except Exception as error:  # damaged bytes make scipy raise several unrelated types
        raise ValueError(
            f"{path}: not readable as a sound ({error}); {path.stat().st_size} bytes found, expected a whole "
            f"wav file: fetch it again from {source}"
        ) from error
    if samples.size == 0 or samples.dtype.kind not in "if" or not np.isfinite(samples).all():
        raise ValueError(
            f"{path}: {samples.size} samples of {samples.dtype}; expected finite ones of 16 or 32 bits: "
            f"fetch it again from {source}"
        )
    full = np.iinfo(samples.dtype).max if samples.dtype.kind == "i" else 1
    mono = samples.reshape(len(samples), -1).mean(1, dtype=float) / full
    ratio = Fraction(SOUND_HZ, rate)
    return resample_poly(mono, ratio.numerator, ratio.denominator).astype(np.float32)


def resampling(rate_hz: float, to_hz: float) -> Fraction:
    """New samples for old ones.

    Raises
    ------
    ValueError : a new rate that is not positive or is above the old one.
    """
    if not 0 < to_hz <= rate_hz:
        raise ValueError(f"{to_hz} Hz from recordings at {rate_hz} Hz; expected more than 0, at most as many")
    return _ratio(rate_hz, to_hz)


def resampled(x: np.ndarray, rate_hz: float, to_hz: float) -> np.ndarray:
    """Signals (C, n) at another rate, (C, m) float32; both begin at the same time."""
    up, down = _ratio(rate_hz, to_hz).as_integer_ratio()
    return resample_poly(x.astype(np.float32, copy=False), up, down, axis=1, padtype="line")


def read_resampled(raw: mne.io.BaseRaw, names: Sequence[str], to_hz: float) -> np.ndarray:
    """The named channels of a file at another rate, (C, m) float32, read a minute at a time.

    An hour of 208 channels at 1 kHz would take 6 GB at once.
    """
    rate = raw.info["sfreq"]
    ratio = resampling(rate, to_hz)
    up, down = ratio.numerator, ratio.denominator
    # Whole numbers of samples after as before, so that pieces fit together.
    step, margin = (down * math.ceil(length * rate / down) for length in (BLOCK_S, MARGIN_S))
    x = np.empty((len(names), -(-raw.n_times * up // down)), np.float32)
    for start in range(0, raw.n_times, step):
        first = max(0, start - margin)
        stop = min(raw.n_times, start + step + margin)
        piece = resampled(raw.get_data(list(names), first, stop), rate, to_hz)
        at, skip = start * up // down, (start - first) * up // down
        part = x[:, at : at + step * up // down]
        part[:] = piece[:, skip : skip + part.shape[1]]
    return x


def _ratio(rate_hz: float, to_hz: float) -> Fraction:
    return Fraction(to_hz / rate_hz).limit_denominator(10_000)
