"""Simulated nerves of an arm: motor units, fascicles, electrodes, muscle, line, motion, months of drift.

Ours throughout: the paper's recordings are not published. Sixteen channels of raw signal at 10 kHz, as in
the recorder that the authors' companion papers describe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.signal import butter, sosfilt

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
        n_units, n_taps = len(nerve.threshold), len(nerve.waveform)
        # In a process that has gone on for long, now lies anywhere in an interval, and rather in a long one.
        interval = rng.gamma(GAMMA_SHAPE + 1, 1 / GAMMA_SHAPE, (n_streams, n_units))
        self._left = interval * rng.random((n_streams, n_units))
        self._tail = np.zeros((n_streams, n_taps, N_CHANNELS), np.float32)
        self._coupling = (nerve.coupling * nerve.channel_gain).astype(np.float32)
        mixing = np.concatenate([world.emg_uv * nerve.emg_weights, nerve.line_uv])
        self._mixing = (mixing * nerve.channel_gain).astype(np.float32)
        self._other = _Noise(2, OTHER_HZ, CONTROL_HZ, (n_streams, 3), rng)
        self._emg = _Noise(EMG_ORDER, EMG_BAND_HZ, RAW_HZ, (n_streams, 3), rng)
        self._motion = _Noise(MOTION_ORDER, MOTION_HZ, CONTROL_HZ, (n_streams, N_CHANNELS), rng)
        self._moved = np.zeros((n_streams, 1, N_CHANNELS), np.float32)
        self._line_phase = rng.uniform(0, 2 * np.pi, (len(LINE_HZ), n_streams, 1))
        self._white = torch.Generator().manual_seed(int(rng.integers(2**62)))
        white_uv = nerve.noise_uv * np.sqrt(RAW_HZ / 2 / NOISE_BAND_HZ)
        self._white_uv = torch.from_numpy(white_uv.astype(np.float32))
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
        signal = self._superpose(self._fire(rates(self.nerve, asked)), n)
        # What comes from few sources is one matrix product.
        sources = np.concatenate([self._muscle(asked, n), self._line(n)], axis=2)
        signal += sources @ self._mixing
        signal += self._drifting(path.shape[1])
        # White noise is most of what is drawn, and torch draws it three times as fast as numpy.
        white = torch.empty(signal.shape).normal_(generator=self._white)
        torch.from_numpy(signal).addcmul_(white, self._white_uv)
        self._n_done += n
        return signal

    def _fire(self, rate: np.ndarray) -> tuple[np.ndarray, ...]:
        """Gamma renewal processes by time rescaling: a spike whenever the integral of the rate is due."""
        total = np.cumsum(rate, axis=1).swapaxes(1, 2) / CONTROL_HZ
        total = np.concatenate([np.zeros((*total.shape[:2], 1)), total], axis=2)
        end = total[..., -1:]
        due = self._left[..., None]
        while (due[..., -1:] <= end).any():
            size = (*self._left.shape, int(1.3 * float((end - due[..., -1:]).max())) + 3)
            more = self._rng.gamma(GAMMA_SHAPE, 1 / GAMMA_SHAPE, size)
            due = np.concatenate([due, due[..., -1:] + np.cumsum(more, axis=-1)], axis=-1)
        now = due <= end
        self._left = np.take_along_axis(due, now.sum(-1, keepdims=True), -1)[..., 0] - end[..., 0]
        stream, unit, which = np.nonzero(now)
        # All processes on one growing line, so that one interpolation serves them.
        step = float(end.max()) + 1.0
        place = step * np.arange(total[..., 0].size).reshape(total.shape[:2])
        samples = np.tile(np.arange(total.shape[2]) * float(PER_CONTROL), total[..., 0].size)
        at = np.interp(
            due[stream, unit, which] + place[stream, unit], (total + place[..., None]).ravel(), samples
        )
        self.fired = stream, unit, np.minimum(at.astype(int), (total.shape[2] - 1) * PER_CONTROL - 1)
        return self.fired

    def _superpose(self, spikes: tuple[np.ndarray, ...], n: int) -> np.ndarray:
        """Each spike's waveform, added on all contacts in proportion to the coupling; (B, n, C) float32."""
        stream, unit, sample = spikes
        n_taps, n_units = self.nerve.waveform.shape
        units = np.zeros((self.n_streams, n + n_taps, n_units), np.float32)
        first = (stream * (n + n_taps) + sample) * n_units + unit
        index = first + n_units * np.arange(n_taps)[:, None]
        np.add.at(units.reshape(-1), index, self.nerve.waveform[:, unit].astype(np.float32))
        seen = units @ self._coupling
        seen[:, :n_taps] += self._tail
        self._tail = seen[:, n:].copy()
        return seen[:, :n]

    def _muscle(self, asked: np.ndarray, n: int) -> np.ndarray:
        """(B, n, 3) noise in the muscles' band, as strong as those near each nerve, and all, are active."""
        activity = asked @ self.nerve.muscles
        if self.world.emg_follows == "other movements":
            activity = 0.5 + 0.5 * self._other(asked.shape[1])
        envelope = np.repeat(0.1 + np.clip(activity, 0, 1), PER_CONTROL, axis=1)
        return (envelope * self._emg(n)).astype(np.float32)

    def _line(self, n: int) -> np.ndarray:
        """(B, n, 2) the tones of LINE_HZ, whose size swings."""
        t = (self._n_done + np.arange(n)) / RAW_HZ
        swing = 1 + LINE_GAIN[0] * np.sin(2 * np.pi * LINE_GAIN[1] * t)
        angle = 2 * np.pi * np.array(LINE_HZ)[:, None, None] * t + self._line_phase
        return (swing * np.sin(angle)).transpose(1, 2, 0).astype(np.float32)

    def _drifting(self, m: int) -> np.ndarray:
        """(B, n, C) motion [uV], drawn at CONTROL_HZ and joined by straight lines."""
        motion = MOTION_UV * self.nerve.channel_gain * self._motion(m)
        path = np.concatenate([self._moved, motion], axis=1).astype(np.float32)
        self._moved = path[:, -1:]
        share = (np.arange(1, PER_CONTROL + 1, dtype=np.float32) / PER_CONTROL)[:, None]
        lines = path[:, :-1, None] + share * np.diff(path, axis=1)[:, :, None]
        return lines.reshape(len(path), -1, N_CHANNELS)


class _Noise:
    """Gaussian noise of variance 1 in a band, chunk by chunk: (B, n, k)."""

    def __init__(
        self,
        order: int,
        band_hz: float | tuple[float, float],
        rate_hz: float,
        shape: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        kind = "bandpass" if isinstance(band_hz, tuple) else "lowpass"
        self._sos = butter(order, band_hz, kind, fs=rate_hz, output="sos")
        impulse = np.zeros(round(8 * rate_hz / np.min(band_hz)))
        impulse[0] = 1.0
        self._scale = 1 / np.linalg.norm(sosfilt(self._sos, impulse))
        self._shape, self._rng = shape, rng
        self._state = np.zeros((len(self._sos), *shape, 2))
        self(round(rate_hz / np.min(band_hz)))  # the filter has settled

    def __call__(self, n: int) -> np.ndarray:
        white = self._scale * self._rng.standard_normal((*self._shape, n))
        noise, self._state = sosfilt(self._sos, white, axis=-1, zi=self._state)
        return noise.swapaxes(1, 2)


def chunks(
    nerve: Nerve, world: NerveWorld, path: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """The raw signal (T, C) of a movement (n, 6) at CONTROL_HZ, CHUNK_S after CHUNK_S."""
    source = NerveSource(nerve, world, rng)
    ahead = np.concatenate([path[LEAD:], np.repeat(path[-1:], LEAD, axis=0)])
    per_chunk = round(CHUNK_S * CONTROL_HZ)
    for start in range(0, len(path), per_chunk):
        yield source.chunk(ahead[None, start : start + per_chunk])[0]
