"""Simulated nerves of an arm: motor units, fascicles, electrodes, muscle, line, motion, months of drift.

Ours throughout: the paper's recordings are not published. Sixteen channels of raw signal at 10 kHz, as in
the recorder that the authors' companion papers describe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numba import njit
from scipy.signal import butter, sosfilt

from crossroads.data.filters import cascade
from crossroads.data.hand_movements import CONTROL_HZ
from crossroads.data.nerve_session import DOFS

RAW_HZ = 10_000
PER_CONTROL = RAW_HZ // CONTROL_HZ
N_CHANNELS, N_FASCICLES = 16, 4
PER_FASCICLE = N_CHANNELS // N_FASCICLES
NERVE_OF_CHANNEL = np.arange(N_CHANNELS) // (2 * PER_FASCICLE)  # 0 median, 1 ulnar
HOMES = ((0, 1), (0, 1), (0, 1), (2, 3), (2, 3), (0, 2))  # fascicles of each degree of freedom's units
PER_DOF, N_UNTUNED = 12, 8
STRAY = 0.12  # share of units in a fascicle of any kind
ACROSS = 0.03  # of a unit's voltage that reaches the contacts of other fascicles
LEAD_S = 0.06  # by which a nerve precedes the movement
LEAD = round(LEAD_S * CONTROL_HZ)
REST_HZ = 0.3  # of a unit below its threshold
GAMMA_SHAPE = 12  # of intervals between spikes; their coefficient of variation is 0.29
NOISE_BAND_HZ = 575.0  # 25 to 600 Hz, for which the noise floor is given
EMG_BAND_HZ, EMG_ORDER = (30.0, 400.0), 8  # steep: a skirt above 600 Hz would pass for a nerve
EMG_SHARED = 0.3  # share of the muscles' power that both nerves see
LINE_HZ = (60.0, 180.0)
LINE_GAIN = (0.3, 0.1)  # its gain swings by this share, so many times a second
MOTION_UV, MOTION_HZ, MOTION_ORDER = 20.0, 3.0, 4  # slow artefacts, far below the band
CHUNK_S = 1.0  # generated at once: as much as stays in the cache of a processor
OTHER_HZ = 0.5  # corner of the activity of muscles that do something else


@dataclass(frozen=True)
class NerveWorld:
    """What one simulated nerve interface is like.

    Raises ValueError for a negative amplitude or an activity of muscles that is not known.
    """

    seed: int
    amplitude_uv: float  # of a unit at the contact; sets the signal-to-noise ratio
    noise_uv: float = 2.5  # rms of white noise between 25 and 600 Hz
    emg_uv: float = 1.5  # rms of muscle crosstalk at full activity
    emg_follows: str = "other movements"  # or "the intent"
    line_uv: float = 4.0
    month: int = 0  # after implantation

    def __post_init__(self) -> None:
        sizes = (self.amplitude_uv, self.noise_uv, self.emg_uv, self.line_uv, self.month)
        if not all(size >= 0 for size in sizes) or self.emg_follows not in ("other movements", "the intent"):
            raise ValueError(
                f"{self}: amplitudes and month must be 0 or more, emg_follows 'other movements' or "
                "'the intent'"
            )


@dataclass(frozen=True, eq=False)
class Nerve:
    """U motor units and what C electrodes see of them in one month.

    weights : (6, U) drive that a unit takes from each degree of freedom. threshold : (U,) of the drive.
    least_hz, gain_hz, most_hz : (U,) of the rate; 0 gain for units without tuning.
    waveform : (L, U) at RAW_HZ, lowest value -1.
    coupling : (U, C) [uV]. channel_gain : (C,) of all that comes from tissue. noise_uv : (C,).
    muscles : (6, 3) activity for the drive of each degree of freedom: of the muscles near each nerve, and of
        those that both see. emg_weights : (3, C) of these.
    line_uv : (2, C) of the tones of LINE_HZ.
    """

    weights: np.ndarray
    threshold: np.ndarray
    least_hz: np.ndarray
    gain_hz: np.ndarray
    most_hz: np.ndarray
    waveform: np.ndarray
    coupling: np.ndarray
    channel_gain: np.ndarray
    noise_uv: np.ndarray
    muscles: np.ndarray
    emg_weights: np.ndarray
    line_uv: np.ndarray


def grow_nerve(world: NerveWorld) -> Nerve:
    """The nerve of a world in its month; the months before it drift one after the other."""
    first, *months = (
        np.random.default_rng(s) for s in np.random.SeedSequence(world.seed).spawn(1 + world.month)
    )
    nerve = _implant(world, first)
    for rng in months:
        nerve = _drift(nerve, rng)
    return nerve


def _implant(world: NerveWorld, rng: np.random.Generator) -> Nerve:
    dof = np.arange(len(DOFS)).repeat(PER_DOF)
    n = len(dof) + N_UNTUNED
    weights = np.zeros((len(DOFS), n))
    weights[:, : len(dof)] = 0.3 * np.abs(rng.normal(0, 0.15, (len(DOFS), len(dof))))  # enslaving
    weights[dof, np.arange(len(dof))] = 1.0
    home = np.concatenate(
        [np.array(HOMES)[dof, rng.integers(2, size=len(dof))], rng.integers(4, size=N_UNTUNED)]
    )
    stray = rng.random(n) < STRAY
    home[stray] = rng.integers(N_FASCICLES, size=stray.sum())
    contact, unit = rng.normal(0, 0.7, (N_CHANNELS, 2)), rng.normal(0, 1.0, (n, 2))
    distance = np.linalg.norm(unit[:, None] - contact, axis=-1)
    coupling = world.amplitude_uv / (1 + (distance / 0.5) ** 2) * rng.lognormal(0, 0.3, distance.shape)
    away = home[:, None] != np.arange(N_CHANNELS) // PER_FASCICLE
    gain = rng.uniform(15, 30, n)
    gain[len(dof) :] = 0.0
    threshold = 0.8 * rng.beta(1, 2.5, n)
    threshold[len(dof) :] = -1.0  # always active, at their least rate
    return Nerve(
        weights=weights,
        threshold=threshold,
        least_hz=rng.uniform(6, 10, n),
        gain_hz=gain,
        most_hz=rng.uniform(25, 40, n),
        waveform=_waveforms(n, rng),
        coupling=np.where(away, ACROSS, 1.0) * coupling,
        channel_gain=np.ones(N_CHANNELS),
        noise_uv=np.full(N_CHANNELS, world.noise_uv),
        muscles=rng.dirichlet(np.ones(len(DOFS)), 3).T * len(DOFS) / 3,
        emg_weights=_emg_weights(rng),
        line_uv=world.line_uv * rng.lognormal(0, 0.3, (len(LINE_HZ), N_CHANNELS)),
    )


def _waveforms(n: int, rng: np.random.Generator) -> np.ndarray:
    """A negative peak of 0.35 to 0.8 ms (at half height) and a positive phase after it; smooth on purpose."""
    width, after = rng.uniform(0.35, 0.8, n), rng.uniform(0.4, 0.9, n)
    t_ms = np.arange(round(4.5e-3 * RAW_HZ))[:, None] / RAW_HZ * 1e3
    sd = width / 2.355
    peak = np.exp(-0.5 * ((t_ms - 1.0) / sd) ** 2)
    phase = np.exp(-0.5 * ((t_ms - 1.0 - 1.5 * width) / (1.3 * sd)) ** 2)
    shape = after * phase - peak
    return shape / -shape.min(0)


def _emg_weights(rng: np.random.Generator) -> np.ndarray:
    own = (np.array([[0], [1]]) == NERVE_OF_CHANNEL) * np.sqrt(1 - EMG_SHARED)
    return np.vstack([own, np.full((1, N_CHANNELS), np.sqrt(EMG_SHARED))]) * rng.lognormal(0, 0.2, N_CHANNELS)


def _drift(nerve: Nerve, rng: np.random.Generator) -> Nerve:
    """A month on: couplings and gains change, a few units come nearer to other contacts, noise grows."""
    coupling = nerve.coupling * rng.lognormal(0, 0.15, nerve.coupling.shape)
    for unit in np.flatnonzero(rng.random(len(coupling)) < 0.03):
        coupling[unit] = rng.permutation(coupling[unit])
    return replace(
        nerve,
        coupling=coupling,
        channel_gain=nerve.channel_gain * rng.lognormal(0, 0.10, N_CHANNELS),
        noise_uv=nerve.noise_uv * rng.lognormal(0.01, 0.03, N_CHANNELS),
    )


def drive(path: np.ndarray) -> np.ndarray:
    """(..., n - 1, 6) what a path (..., n, 6) at CONTROL_HZ asks of a nerve: posture, speed of flexion."""
    speed = np.diff(path, axis=-2) * CONTROL_HZ
    return 0.75 * path[..., 1:, :] + 0.10 * np.maximum(speed, 0.0)


def rates(nerve: Nerve, asked: np.ndarray) -> np.ndarray:
    """(..., U) spikes a second of all units for the drive (..., 6)."""
    above = asked @ nerve.weights - nerve.threshold
    active = np.minimum(nerve.least_hz + nerve.gain_hz * above, nerve.most_hz)
    return np.where(above > 0, active, REST_HZ)


class NerveSource:
    """Raw signal of electrodes, chunk by chunk, in B streams of one nerve with spikes and noise of their own.

    After each chunk `fired` holds the stream, unit and sample of its spikes.
    """

    def __init__(self, nerve: Nerve, world: NerveWorld, rng: np.random.Generator, n_streams: int = 1) -> None:
        self.nerve, self.world, self.n_streams, self._rng = nerve, world, n_streams, rng
        self.fired: tuple[np.ndarray, ...] = ()
        n_units = len(nerve.threshold)
        # In a process that has gone on for long, now lies anywhere in an interval, and rather in a long one.
        interval = rng.gamma(GAMMA_SHAPE + 1, 1 / GAMMA_SHAPE, (n_streams, n_units))
        self._left = interval * rng.random((n_streams, n_units))
        self._waveform = nerve.waveform.astype(np.float32)
        self._tail = np.zeros((n_streams, len(nerve.waveform), N_CHANNELS), np.float32)
        self._coupling = (nerve.coupling * nerve.channel_gain).astype(np.float32)
        mixing = np.concatenate([world.emg_uv * nerve.emg_weights, nerve.line_uv])
        self._mixing = (mixing * nerve.channel_gain).astype(np.float32)
        # White noise is most of what is drawn, and torch draws it three times as fast as numpy.
        self._white = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self._other = _Noise(2, OTHER_HZ, CONTROL_HZ, (n_streams, 3), self._white)
        self._emg = _Noise(EMG_ORDER, EMG_BAND_HZ, RAW_HZ, (n_streams, 3), self._white)
        self._motion = _Noise(MOTION_ORDER, MOTION_HZ, CONTROL_HZ, (n_streams, N_CHANNELS), self._white)
        self._moved = np.zeros((n_streams, 1, N_CHANNELS), np.float32)
        self._line_phase = rng.uniform(0, 1, (len(LINE_HZ), n_streams)).T[..., None]  # [cycles]
        white_uv = nerve.noise_uv * np.sqrt(RAW_HZ / 2 / NOISE_BAND_HZ)
        self._white_uv = white_uv.astype(np.float32)
        self._n_done = 0  # samples
        self._last: np.ndarray | None = None

    def chunk(self, path: np.ndarray) -> np.ndarray:
        """The next samples.

        path : (B, m, 6) the movement that is meant LEAD_S from now, at CONTROL_HZ.

        Returns
        -------
        (B, m * PER_CONTROL, C) float32 [uV].
        """
        before = path[:, :1] if self._last is None else self._last
        self._last = path[:, -1:]
        asked = drive(np.concatenate([before, path], axis=1))
        n = path.shape[1] * PER_CONTROL
        self.fired = _fire(rates(self.nerve, asked), self._left, self._rng)
        sources = np.concatenate([self._muscle(asked, n), self._line(n)], axis=1)
        signal = torch.empty(self.n_streams, n, N_CHANNELS).normal_(generator=self._white).numpy()
        _mix(signal, self._white_uv, self._drifting(path.shape[1]), sources, self._mixing)
        self._tail = _superpose(signal, self._tail, *self.fired, self._waveform, self._coupling)
        self._n_done += n
        return signal

    def _muscle(self, asked: np.ndarray, n: int) -> np.ndarray:
        """(B, 3, n) noise in the muscles' band, as strong as those near each nerve, and all, are active."""
        activity = (asked @ self.nerve.muscles).swapaxes(1, 2)
        if self.world.emg_follows == "other movements":
            activity = 0.5 + 0.5 * self._other(asked.shape[1])
        envelope = 0.1 + np.clip(activity, 0, 1)
        noise = self._emg(n).reshape(*envelope.shape, PER_CONTROL)
        return (envelope[..., None] * noise).astype(np.float32).reshape(self.n_streams, -1, n)

    def _line(self, n: int) -> np.ndarray:
        """(B, 2, n) the tones of LINE_HZ, whose size swings."""
        t = (self._n_done + np.arange(n)) / RAW_HZ
        swing = 1 + LINE_GAIN[0] * _tone(LINE_GAIN[1] * t)
        return swing * _tone(np.array(LINE_HZ)[:, None] * t + self._line_phase)

    def _drifting(self, m: int) -> np.ndarray:
        """(B, m + 1, C) motion [uV], drawn at CONTROL_HZ; the first is the last of the chunk before."""
        motion = MOTION_UV * self.nerve.channel_gain * self._motion(m).swapaxes(1, 2)
        path = np.concatenate([self._moved, motion], axis=1).astype(np.float32, order="C")
        self._moved = path[:, -1:]
        return path


def _tone(cycles: np.ndarray) -> np.ndarray:
    """Sine after so many cycles, float32; it is not asked for the sine of large numbers, which is slow."""
    return np.sin((2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32))


@njit(cache=True)
def _fire(
    rate: np.ndarray, left: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gamma renewal processes by time rescaling: a spike whenever the integral of the rate (B, m, U) is due.

    left : (B, U) what is left of each integral until the next spike, carried on in place.

    Returns
    -------
    Stream, unit and sample of each spike, in the order of time within a stream.
    """
    found = [(0, 0, 0) for _ in range(0)]  # empty, but numba knows of what
    for b in range(len(rate)):
        for i in range(rate.shape[1]):
            for u in range(rate.shape[2]):
                step = rate[b, i, u] / CONTROL_HZ
                while left[b, u] <= step:
                    at = min(int(PER_CONTROL * left[b, u] / step), PER_CONTROL - 1)
                    found.append((b, u, i * PER_CONTROL + at))
                    left[b, u] += rng.gamma(GAMMA_SHAPE, 1 / GAMMA_SHAPE)
                left[b, u] -= step
    spikes = np.empty((3, len(found)), np.int64)
    for s, spike in enumerate(found):
        spikes[0, s], spikes[1, s], spikes[2, s] = spike
    return spikes[0], spikes[1], spikes[2]


@njit(cache=True)
def _mix(
    signal: np.ndarray, white_uv: np.ndarray, motion: np.ndarray, sources: np.ndarray, mixing: np.ndarray
) -> None:
    """Scale white noise (B, n, C) in place; add motion, joined by straight lines, and sources (B, S, n)."""
    n_streams, n, n_channels = signal.shape
    for b in range(n_streams):
        for t in range(n):
            i, share = t // PER_CONTROL, np.float32((t % PER_CONTROL + 1) / PER_CONTROL)
            for c in range(n_channels):
                moved = motion[b, i, c] + share * (motion[b, i + 1, c] - motion[b, i, c])
                signal[b, t, c] = white_uv[c] * signal[b, t, c] + moved
            for s in range(len(mixing)):
                for c in range(n_channels):
                    signal[b, t, c] += sources[b, s, t] * mixing[s, c]


@njit(cache=True)
def _superpose(
    signal: np.ndarray,
    tail: np.ndarray,
    stream: np.ndarray,
    unit: np.ndarray,
    sample: np.ndarray,
    waveform: np.ndarray,
    coupling: np.ndarray,
) -> np.ndarray:
    """Add each spike's waveform on all contacts (B, n, C) in proportion to the coupling, in place.

    tail : (B, L, C) of spikes before this chunk. Returns that of spikes up to its end.
    """
    n_taps, (n, n_channels) = len(waveform), signal.shape[1:]
    n_old, left = min(n, n_taps), np.zeros_like(tail)
    signal[:, :n_old] += tail[:, :n_old]
    left[:, : n_taps - n_old] = tail[:, n_old:]
    for b, u, first in zip(stream, unit, sample):  # noqa: B905
        n_now = min(n_taps, n - first)
        for tap in range(n_now):
            for c in range(n_channels):
                signal[b, first + tap, c] += waveform[tap, u] * coupling[u, c]
        for tap in range(n_now, n_taps):
            for c in range(n_channels):
                left[b, first + tap - n, c] += waveform[tap, u] * coupling[u, c]
    return left


class _Noise:
    """Gaussian noise of variance 1 in a band, chunk by chunk: (B, k, n)."""

    def __init__(
        self,
        order: int,
        band_hz: float | tuple[float, float],
        rate_hz: float,
        shape: tuple[int, int],
        white: torch.Generator,
    ) -> None:
        kind = "bandpass" if isinstance(band_hz, tuple) else "lowpass"
        self._sos = butter(order, band_hz, kind, fs=rate_hz, output="sos")
        impulse = np.zeros(round(8 * rate_hz / np.min(band_hz)))
        impulse[0] = 1.0
        self._sos[0, :3] /= np.linalg.norm(sosfilt(self._sos, impulse))
        self._shape, self._white = shape, white
        self._state = np.zeros((len(self._sos), 2, np.prod(shape)))
        self(round(rate_hz / np.min(band_hz)))  # the filter has settled

    def __call__(self, n: int) -> np.ndarray:
        white = torch.empty(n, self._state.shape[2]).normal_(generator=self._white).numpy()
        return cascade(self._sos, self._state, white).T.reshape(*self._shape, n)


def chunks(
    nerve: Nerve, world: NerveWorld, path: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """The raw signal (T, C) of a movement (n, 6) at CONTROL_HZ, CHUNK_S after CHUNK_S."""
    source = NerveSource(nerve, world, rng)
    ahead = np.concatenate([path[LEAD:], np.repeat(path[-1:], LEAD, axis=0)])
    per_chunk = round(CHUNK_S * CONTROL_HZ)
    for start in range(0, len(path), per_chunk):
        yield source.chunk(ahead[None, start : start + per_chunk])[0]
