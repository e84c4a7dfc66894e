"""Calcium events: from planted events to fluorescence, and from fluorescence back to events.

The detector and the burst kernel are those of Hazon et al. (2022, Methods, and the authors' `hyperdetect.m`).
"""

import numpy as np
import pywt
from scipy import sparse
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

from crossroads.data.linear_track import FRAMES_PER_S

BURST_S = 0.2  # time of the kernel's peak
N_TAPS = 30  # 1.5 s
WAVELET = "sym4"
N_SD = 3  # of the noise; what rises less is no event
KINDS = ("rise", "onset", "peak", "mid", "predip")
# Simulated fluorescence, in units of the jump of an average event (this book's choice). One-photon traces
# show such an event at about five times the frame-to-frame noise; neuropil and bleaching wander slowly.
DECAY_S = 0.6
WHITE_SD = 0.2
DRIFT_SD = 0.3
DRIFT_S = 30.0


def burst_kernel() -> np.ndarray:
    """t/tau exp(1 - t/tau) at t = 0.05, 0.10 .. 1.5 s with tau = 0.2 s: (30,); its peak is 1."""
    t = np.arange(1, N_TAPS + 1) / FRAMES_PER_S / BURST_S
    return t * np.exp(1 - t)


def convolve_bursts(events: np.ndarray) -> np.ndarray:
    """Turn each event of (n_frames, k) into a burst: filter with the kernel, its first tap without delay.

    The mean delay is 0.35 s.
    """
    n_frames = len(events)
    taps = [np.full(n_frames, tap, events.dtype) for tap in burst_kernel()]
    # A banded matrix is six times as fast as a filter along the columns.
    kernel = sparse.diags(taps, -np.arange(N_TAPS), (n_frames, n_frames), "csr", events.dtype)
    return kernel @ events


def ou_process(n_frames: int, n: int, time_s: float, rng: np.random.Generator) -> np.ndarray:
    """Independent Ornstein-Uhlenbeck processes (n_frames, n): stationary, SD 1, correlation time `time_s`."""
    decay = np.exp(-1 / (time_s * FRAMES_PER_S))
    kick = rng.standard_normal((n_frames, n))
    kick[1:] *= np.sqrt(1 - decay**2)  # the first frame is a draw from the stationary law
    return lfilter([1], [1, -decay], kick, axis=0)


def fluorescence(onsets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Traces (n_frames, n_cells) float32: events that decay with 0.6 s, slow drift, and white noise.

    onsets : (n_frames, n_cells) sizes of the events; a trace jumps by as much.
    """
    traces = lfilter([1], [1, -np.exp(-1 / (DECAY_S * FRAMES_PER_S))], onsets, axis=0)
    traces += DRIFT_SD * ou_process(len(onsets), onsets.shape[1], DRIFT_S, rng)
    traces += WHITE_SD * rng.standard_normal(onsets.shape)
    return traces.astype(np.float32)


def denoise(traces: np.ndarray) -> np.ndarray:
    """Wavelet denoising of every column: sym4, as many levels as fit, soft thresholds.

    The published script calls MATLAB's `wdenoise` as it comes. As there, the noise is estimated from the
    finest level; estimated level by level, it would swallow the events. Its empirical Bayes rule with a
    Cauchy prior is replaced by BayesShrink (Chang, Yu & Vetterli 2000), whose threshold is the noise variance
    divided by the signal's SD at that level. Where events tower above the noise, tenfold or more, that
    leaves some of it behind.
    """
    level = pywt.dwt_max_level(len(traces), WAVELET)
    coarse, *details = pywt.wavedec(traces, WAVELET, level=level, axis=0)
    noise_variance = (np.median(np.abs(details[-1]), axis=0) / 0.6745) ** 2
    for detail in details:
        signal_variance = np.maximum((detail**2).mean(0) - noise_variance, 1e-12)
        threshold = noise_variance / np.sqrt(signal_variance)
        detail -= np.clip(detail, -threshold, threshold)
    return pywt.waverec([coarse, *details], WAVELET, axis=0)[: len(traces)]


def detect_events(traces: np.ndarray, kind: str = "rise") -> np.ndarray:
    """Find the rises of fluorescence; an event is as large as its rise from base to peak.

    A peak of the denoised trace counts when it stands 3 SD of the removed noise above the trace's 25th
    percentile, and as much above its base, the last frame before the uninterrupted rise. The event starts at
    the last frame of the rise that is within 3 SD of the base.

    Parameters
    ----------
    traces : (n_frames, n_cells), two seconds or longer.
    kind : the frames that hold the event: "rise" all from start to peak, the default of the published
        script; "onset" the start; "peak"; "mid" half-way between them; "predip" all from base to peak.

    Returns
    -------
    (n_frames, n_cells) float32, 0 where there is no event. Not yet convolved with the burst kernel.

    Raises
    ------
    ValueError : another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} of events; there are: {', '.join(KINDS)}")
    smooth = denoise(traces)
    margin = N_SD * (traces - smooth).std(0, ddof=1)
    rising = np.diff(smooth, axis=0, prepend=smooth[:1]) > 0  # into the frame
    base_frame = _last_frame(~rising)
    height = smooth - np.take_along_axis(smooth, base_frame, 0)
    start_frame = _last_frame(height <= margin)
    peaks = rising & (height > margin) & (smooth > np.percentile(smooth, 25, axis=0) + margin)
    peaks[:-1] &= ~rising[1:]
    peaks[-1] = False  # what still rises at the end has no peak
    peak, cell = np.nonzero(peaks)
    start, base = start_frame[peak, cell], base_frame[peak, cell]
    mid = (start + peak + 1) // 2
    first, last = {
        "rise": (start, peak),
        "onset": (start, start),
        "peak": (peak, peak),
        "mid": (mid, mid),
        "predip": (base, peak),
    }[kind]
    n_filled = last - first + 1
    event = np.repeat(np.arange(len(peak)), n_filled)
    since_first = np.arange(len(event)) - np.repeat(np.cumsum(n_filled) - n_filled, n_filled)
    events = np.zeros(traces.shape, np.float32)
    events[first[event] + since_first, cell[event]] = height[peak, cell][event]
    return events


def detection_rates(detected: np.ndarray, planted: np.ndarray, tolerance_frames: int) -> tuple[float, float]:
    """How well the events of (n_frames, n_cells) were found. Best judged by events of one frame each.

    Returns
    -------
    hit rate : share of the planted events with a detected one of the same cell within the tolerance.
    false rate : share of the detected events without a planted one there. NaN where there are none.
    """
    near_detected, near_planted = (
        maximum_filter1d(events, 2 * tolerance_frames + 1, axis=0, mode="constant") > 0
        for events in (detected, planted)
    )
    hits, right = near_detected[planted > 0], near_planted[detected > 0]
    hit_rate = float(hits.mean()) if hits.size else np.nan
    return hit_rate, float(1 - right.mean()) if right.size else np.nan


def _last_frame(mask: np.ndarray) -> np.ndarray:
    """For each frame and column, the last frame so far where `mask` is true; 0 before the first."""
    frame = np.arange(len(mask), dtype=np.int32)[:, None]
    return np.maximum.accumulate(np.where(mask, frame, 0), axis=0)
