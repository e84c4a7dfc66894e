"""From raw nerve signal to fourteen features of each channel, fifty times a second, as it comes in.

The list of features, the window of 100 ms, its step of 20 ms and the band are those of the authors'
companion papers as they are recalled; orders of filters and thresholds are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.signal import butter, iirnotch, tf2sos

from crossroads.data.filters import cascade
from crossroads.data.nerve_session import STEP_S

FEATURES = (
    "ZC", "SSC", "WL", "WAMP", "MAV", "MSQ", "RMS", "V3", "LOG", "DASDV", "MFL", "MYOP", "MAVS", "WMA",
)  # fmt: skip
BLOCK_S = 0.005
PER_STEP = round(STEP_S / BLOCK_S)  # blocks
ORDER = 4  # of the band-pass
ANTI_ALIAS = 0.8  # of the new Nyquist frequency
NOTCH_Q = 30.0
TINY_UV = 1e-6  # below it the logarithm takes a sample for this
SPREAD = 0.6745  # median of |x| of a standard normal x
ZERO, WILLISON, MYOPULSE = 0.125, 0.5, 1.5  # thresholds in robust standard deviations of a channel
MOST_SD = 6.0  # standardised features are clipped here


@dataclass(frozen=True)
class FrontEnd:
    """How raw signal becomes features.

    rate_hz : of the raw signal. decimate : every such sample is kept. band_hz : of the band-pass.
    window_s : a multiple of STEP_S. notches_hz : frequencies that are cut out.

    Raises ValueError for a window, rate or band that does not fit.
    """

    rate_hz: float = 10_000.0
    decimate: int = 2
    band_hz: tuple[float, float] = (25.0, 600.0)
    window_s: float = 0.1
    notches_hz: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.band_hz
        blocks, samples = self.window_s / STEP_S, self.sample_hz * BLOCK_S
        if blocks < 0.5 or abs(blocks - round(blocks)) > 1e-9 or abs(samples - round(samples)) > 1e-9:
            raise ValueError(
                f"window of {self.window_s} s at {self.sample_hz} Hz: it must be a multiple of {STEP_S} s, "
                f"and {BLOCK_S} s a whole number of samples"
            )
        if not 0 < low < high < self.sample_hz / 2:
            raise ValueError(f"band {self.band_hz} Hz must lie between 0 and {self.sample_hz / 2} Hz")

    @property
    def sample_hz(self) -> float:
        """Rate of the filtered signal."""
        return self.rate_hz / self.decimate

    @property
    def n_block(self) -> int:
        """Samples of a block."""
        return round(self.sample_hz * BLOCK_S)

    @property
    def n_window(self) -> int:
        """Blocks of a window."""
        return round(self.window_s / BLOCK_S)


DEFAULT = FrontEnd()


def sections(front: FrontEnd) -> tuple[np.ndarray, np.ndarray]:
    """Second-order sections against aliasing, none where every sample is kept; and of band and notches."""
    aliasing = np.empty((0, 6))
    if front.decimate > 1:
        aliasing = butter(ORDER, ANTI_ALIAS / front.decimate, output="sos")
    band = butter(ORDER, front.band_hz, "bandpass", fs=front.sample_hz, output="sos")
    notches = [tf2sos(*iirnotch(f, NOTCH_Q, front.sample_hz)) for f in front.notches_hz]
    return aliasing, np.concatenate([band, *notches])


class Filter:
    """Anti-aliasing, decimation and band-pass of K channels; causal, with its state carried on."""

    def __init__(self, front: FrontEnd, n_channels: int) -> None:
        self._every, self._sections = front.decimate, sections(front)
        self._states = [np.zeros((len(sos), 2, n_channels)) for sos in self._sections]

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """(n / decimate, K) of the next samples (n, K); n is a multiple of decimate."""
        (aliasing, band), (first, second) = self._sections, self._states
        return cascade(band, second, cascade(aliasing, first, raw)[:: self._every])


def spread(x: np.ndarray) -> np.ndarray:
    """Robust standard deviation of each channel (K,) of filtered signal (n, K): median |x| / 0.6745."""
    return np.median(np.abs(x), axis=0) / SPREAD


def features_of_window(x: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """The fourteen features of one window by their formulas, eq-nerve-features and eleven like them.

    x : (N, K) filtered signal. sd : (K,) its `spread`, for the thresholds.

    Returns
    -------
    (14, K) in the order of FEATURES.
    """
    n, size, step = len(x), np.abs(x), np.diff(x, axis=0)
    change, i = np.abs(step), np.arange(1, n + 1)
    turning = step[:-1] * step[1:] < 0
    power = np.sum(step**2, axis=0)
    half = size.reshape(2, n // 2, -1).mean(1)
    middle = np.where((i >= 0.25 * n) & (i <= 0.75 * n), 1.0, 0.5)
    return np.stack([
        ((x[:-1] * x[1:] < 0) & (change >= ZERO * sd)).sum(0),
        (turning & (np.maximum(change[:-1], change[1:]) >= ZERO * sd)).sum(0),
        change.sum(0),
        (change > WILLISON * sd).sum(0),
        size.mean(0),
        (x**2).mean(0),
        np.sqrt((x**2).mean(0)),
        np.cbrt((size**3).mean(0)),
        np.exp(np.log(np.maximum(size, TINY_UV)).mean(0)),
        np.sqrt(power / (n - 1)),
        np.log10(np.sqrt(np.maximum(power, TINY_UV**2))),
        (size > MYOPULSE * sd).mean(0),
        half[1] - half[0],
        middle @ size / n,
    ])  # fmt: skip


class Features:
    """The same features from sums over blocks of 5 ms: each sample is touched once.

    Equation eq-nerve-features, as the signal comes in.

    What belongs to pairs and triples of samples is counted at the last of them; what reaches back beyond the
    window's first sample is kept apart, and taken off. Before the first sample the signal is taken for 0.
    """

    def __init__(self, front: FrontEnd, sd: np.ndarray) -> None:
        self._front, self._thresholds = front, np.outer([ZERO, WILLISON, MYOPULSE], sd)
        self._before = np.zeros((2, len(sd)))
        silence = np.zeros((front.n_window * front.n_block, len(sd)))
        self._blocks = self._sums(silence)[PER_STEP:]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(m, 14, K) of the next m steps of filtered signal (m * samples a step, K)."""
        blocks = np.concatenate([self._blocks, self._sums(x)])
        windows = np.lib.stride_tricks.sliding_window_view(blocks, self._front.n_window, axis=0)[::PER_STEP]
        self._blocks = blocks[len(blocks) - self._front.n_window + PER_STEP :]
        return self._finish(np.moveaxis(windows, -1, 1))

    def _sums(self, x: np.ndarray) -> np.ndarray:
        """(n_blocks, 16, K): ten sums, then what the block's first samples share with those before them."""
        if len(x) % self._front.n_block:
            raise ValueError(f"{len(x)} samples: whole blocks of {self._front.n_block} are needed")
        padded = np.concatenate([self._before, x])
        self._before = padded[-2:]
        return _block_sums(padded, self._thresholds, self._front.n_block)

    def _finish(self, blocks: np.ndarray) -> np.ndarray:
        """Features of windows (m, n_window, 16, K) of blocks."""
        n_blocks = blocks.shape[1]
        n, half, quarter = n_blocks * self._front.n_block, n_blocks // 2, n_blocks // 4
        total = blocks[:, :, :10].sum(1)
        total[:, 5:] -= blocks[:, 0, 10:15]
        size, square, cube, log, pulse, change, power, cross, willison, turn = total.swapaxes(0, 1) + 0.0
        second = blocks[:, half:, 0].sum(1)
        # The middle's first sample is the last one of the first quarter.
        middle = blocks[:, quarter : n_blocks - quarter, 0].sum(1) + blocks[:, quarter - 1, 15]
        return np.stack([
            cross,
            turn,
            change,
            willison,
            size / n,
            square / n,
            np.sqrt(square / n),
            np.cbrt(cube / n),
            np.exp(log / n),
            np.sqrt(np.maximum(power, 0.0) / (n - 1)),
            np.log10(np.sqrt(np.maximum(power, TINY_UV**2))),
            pulse / n,
            (2 * second - size) / (n // 2),
            0.5 * (size + middle) / n,
        ], axis=1)  # fmt: skip


@njit(cache=True)
def _block_sums(padded: np.ndarray, thresholds: np.ndarray, n_block: int) -> np.ndarray:
    """`Features._sums` of the samples after the first two (2 + n_blocks * n_block, K)."""
    n_blocks, n_channels = (len(padded) - 2) // n_block, padded.shape[1]
    sums = np.empty((n_blocks, 16, n_channels))
    for b in range(n_blocks):
        for c in range(n_channels):
            block = padded[b * n_block : (b + 1) * n_block + 2, c]
            zero, willison, myopulse = thresholds[0, c], thresholds[1, c], thresholds[2, c]
            size = square = cube = log = pulse = change = power = cross = jump = turn = 0.0
            product = 1.0  # of sizes: one logarithm does for many
            before, was = block[1], block[1] - block[0]
            for i in range(n_block):
                x = block[2 + i]
                step = x - before
                size += abs(x)
                square += x * x
                cube += abs(x) * x * x
                product *= max(abs(x), TINY_UV)
                pulse += abs(x) > myopulse
                change += abs(step)
                power += step * step
                cross += (x * before < 0) & (abs(step) >= zero)
                jump += abs(step) > willison
                turn += (step * was < 0) & (max(abs(step), abs(was)) >= zero)
                before, was = x, step
                if i == 0:
                    sums[b, 10, c], sums[b, 11, c], sums[b, 12, c], sums[b, 13, c] = (
                        change,
                        power,
                        cross,
                        jump,
                    )
                if i == 1:
                    sums[b, 14, c] = turn
                if i % 16 == 15:
                    log, product = log + np.log(product), 1.0
            log += np.log(product)
            sums[b, :10, c] = size, square, cube, log, pulse, change, power, cross, jump, turn
            sums[b, 15, c] = abs(before)
    return sums


def normalised(features: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Features in standard deviations of the training data, clipped."""
    return np.clip((features - mean) / sd, -MOST_SD, MOST_SD)
