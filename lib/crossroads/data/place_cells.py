"""Simulated place cells on a track, with every kind of shared noise planted and its harm known.

The paper has no such generator; this one plants what its question is about. Noise that moves the
represented position limits how well any number of cells can tell the position (Moreno-Bote et al. 2014);
a shared gain, and random modes, do not. All values are this book's choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crossroads.data.calcium import convolve_bursts, detect_events, fluorescence, ou_process
from crossroads.data.linear_track import (
    FRAMES_PER_S,
    N_BINS,
    TRACK_CM,
    Runs,
    Session,
    average_visits,
    find_runs,
)

RUN_S = 3.21  # typical duration; no whole number of frames, so that laps meet the frames at all phases
PAUSE_S, MORE_PAUSE_S = 0.8, 0.7  # shortest pause at an end, and mean of what is added to it
NOISE_S = 1.0  # correlation time of all shared noise
BLEND = 0.5  # of constant speed with a smooth step, on average
WARP = 1.4  # largest change of speed within a run, in units of speed_cv; below 2, so that no run turns back
TUNED, KEPT = 0.7, 0.4  # shares of cells with a field in a direction, and with the same field in both
KEPT_SD_CM, BEYOND_CM = 5.0, 5.0  # shift of a kept field; how far beyond the ends a centre may lie
BASE_HZ, BASE_SD = 0.08, 0.5  # median and SD of the logarithm
AMPLITUDE_SD = 0.5  # of the logarithm of an event's size
FWHM_CM = (12.0, 80.0)
SD_PER_FWHM = 1 / np.sqrt(8 * np.log(2))
LIMITS = {
    "n_cells": (1, 100_000),
    "n_runs": (8, 10_000),
    "speed_cv": (0, 0.5),
    "jitter_cm": (0, 60),
    "n_modules": (1, 100_000),
    "gain_sd": (0, 2),
    "n_latents": (0, 1000),
    "latent_strength": (0, 2),
    "peak_hz": (0, 50),
    "peak_sd": (0, 2),
    "width_cm": FWHM_CM,
    "width_sd": (0, 2),
}


@dataclass(frozen=True)
class VirtualMouse:
    """One mouse and one session of it; the noise of the default is a mixture like that of the recordings.

    Raises
    ------
    ValueError : a setting outside `LIMITS`, more modules than cells, or too few cells for orthogonal latents.
    """

    n_cells: int
    n_runs: int
    speed_cv: float = 0.25  # of the runs' durations; 0 makes all runs the same
    jitter_cm: float = 6.0  # SD of the represented position, averaged over the modules
    n_modules: int = 5  # groups of cells whose represented positions move independently
    gain_sd: float = 0.3  # of the logarithm of a gain common to all cells
    n_latents: int = 12  # modes with random signs; the strength of the k-th falls as k^(-1/2)
    latent_strength: float = 0.3
    orthogonal_latents: bool = False  # modes at right angles to the change of the rates with position
    peak_hz: float = 2.4  # of the fields: median, and SD of the logarithm
    peak_sd: float = 0.6
    width_cm: float = 30.0  # at half maximum: median, and SD of the logarithm
    width_sd: float = 0.4
    circular: bool = False  # a ring without ends, run in laps
    fluorescence: bool = False  # events are detected in simulated fluorescence

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(
                    f"VirtualMouse: {name}={getattr(self, name)!r}; {low:g} to {high:g} is allowed"
                )
        if self.n_modules > self.n_cells:
            raise ValueError(
                f"VirtualMouse: n_modules={self.n_modules} of n_cells={self.n_cells}; "
                "a module needs at least one cell"
            )
        if self.orthogonal_latents and self.n_cells <= 2 * N_BINS:
            raise ValueError(
                f"VirtualMouse: n_cells={self.n_cells}; orthogonal_latents needs more than {2 * N_BINS}, "
                "one for every bin and direction that the latents avoid"
            )


class Fields(NamedTuple):
    """Place fields: (2, n_cells), of rightward and of leftward runs; the peak is 0 where a cell has none.

    base_hz (n_cells,) : rate outside the field.
    """

    centre_cm: np.ndarray
    fwhm_cm: np.ndarray
    peak_hz: np.ndarray
    base_hz: np.ndarray


@dataclass(frozen=True)
class PlantedCode:
    """The truth of one simulated session.

    floor_cm : error of the best reader of the represented position in the track's central half; no number of
        cells gets below it. binned_floor_cm : the same for a reader that names a bin, RMS over all bins.
    centre_cm, fwhm_cm, peak_hz, base_hz : see `Fields`.
    module (n_cells,) : which represented position a cell follows.
    loadings (n_latents, n_cells) : of the latents, strength included.
    represented_cm (n_frames,) : mean over modules of position + jitter, after the burst kernel; on a circular
        track counted in the animal's lap, so that it may leave 0 .. 120.
    onsets (n_frames, n_cells) float32 : sizes of the planted events.
    """

    floor_cm: float
    binned_floor_cm: float
    centre_cm: np.ndarray
    fwhm_cm: np.ndarray
    peak_hz: np.ndarray
    base_hz: np.ndarray
    module: np.ndarray
    loadings: np.ndarray
    represented_cm: np.ndarray
    onsets: np.ndarray


def simulate_session(
    mouse: VirtualMouse, rng: np.random.Generator, mouse_name: str = "simulated", name: str = "0"
) -> Session:
    """Record place cells while a mouse runs.

    The rate of cell i, in a run of direction d, is

        (base_i + peak_id exp(-(x + delta_m(i) - centre_id)^2 / 2 s_id^2)) exp(g + sum_k L_ki u_k - var_i / 2)

    with the position x, the jitter delta of the cell's module (SD jitter_cm sqrt(n_modules), so that the
    mean over modules has SD jitter_cm), the gain g and the latents u: stationary Ornstein-Uhlenbeck
    processes of 1 s. var_i is the variance of the exponent, so that noise leaves the mean rates as they are.
    Events are Poisson with log-normal sizes of mean 1; each becomes a burst. The animal turns half-way
    through a pause.

    The kernel delays the code by 0.35 s, so that runs of different speed represent the same place at
    different positions: variable speed alone limits the code. speed_cv=0 switches that off.
    """
    lap_cm, leftward = _laps(mouse, rng) if mouse.circular else _shuttle(mouse, rng)
    n_frames = len(lap_cm)
    position_cm = lap_cm % TRACK_CM if mouse.circular else lap_cm
    module = rng.permutation(np.arange(mouse.n_cells) % mouse.n_modules)
    jitter_sd = mouse.jitter_cm * np.sqrt(mouse.n_modules)
    jitter_cm = jitter_sd * ou_process(n_frames, mouse.n_modules, NOISE_S, rng)

    fields = _draw_fields(mouse, rng)
    lean = Fields(*(field.astype(np.float32) for field in fields))
    represented = (position_cm[:, None] + jitter_cm).astype(np.float32)
    rate_hz = np.empty((n_frames, mouse.n_cells), np.float32)
    for way in (0, 1):
        frames = leftward == way
        rate_hz[frames] = tuning_hz(lean, way, represented[frames][:, module], mouse.circular)

    gain = mouse.gain_sd * ou_process(n_frames, 1, NOISE_S, rng)
    loadings = _draw_loadings(mouse, fields, rng)
    modes = ou_process(n_frames, mouse.n_latents, NOISE_S, rng) @ loadings
    variance = mouse.gain_sd**2 + (loadings**2).sum(0)
    rate_hz *= np.exp((gain + modes - variance / 2).astype(np.float32))

    onsets = _draw_events(rate_hz / np.float32(FRAMES_PER_S), rng)
    events = detect_events(fluorescence(onsets, rng)) if mouse.fluorescence else onsets
    represented_cm = _delayed(lap_cm + jitter_cm.mean(1)) - (lap_cm - position_cm)
    floors = known_floor(represented_cm, position_cm, mouse.circular)
    truth = PlantedCode(*floors, *fields, module, loadings, represented_cm, onsets)
    return Session(mouse_name, name, convolve_bursts(events), position_cm, mouse.circular, truth)


def tuning_hz(fields: Fields, way: int, at_cm: np.ndarray, circular: bool = False) -> np.ndarray:
    """Rates (..., n_cells) at represented positions (..., n_cells or 1), without shared noise.

    way : 0 for rightward, 1 for leftward runs.
    """
    z = _from_centre(fields, way, at_cm, circular)
    return fields.base_hz + fields.peak_hz[way] * np.exp(-(z**2) / 2)


def _from_centre(fields: Fields, way: int, at_cm: np.ndarray, circular: bool) -> np.ndarray:
    """Distance from the fields' centres, in SD of the fields."""
    distance = at_cm - fields.centre_cm[way]
    return (wrapped(distance) if circular else distance) / (SD_PER_FWHM * fields.fwhm_cm[way])


def wrapped(distance_cm: np.ndarray) -> np.ndarray:
    """The shorter way round a circular track: -60 .. 60 cm."""
    return distance_cm - TRACK_CM * np.round(distance_cm / TRACK_CM)


def known_floor(
    represented_cm: np.ndarray, position_cm: np.ndarray, circular: bool = False, n_bins: int = N_BINS
) -> tuple[float, float]:
    """Error [cm] that is left when the represented position is known without noise.

    z is the represented position, averaged over each visit to a bin; its mean by bin and direction is known.

    Returns
    -------
    floor : SD of z about its mean, divided by the mean's slope dz/dx; RMS over the central half of the bins.
    binned_floor : error of naming the bin whose mean is nearest, RMS over all bins.
    """
    frames, rightward = find_runs(position_cm, n_bins)
    z = average_visits(represented_cm[:, None], position_cm, frames, n_bins)[..., 0]
    width = TRACK_CM / n_bins
    variance, squared_error = [], []
    for way in (True, False):
        visits = z[rightward == way]
        mean = visits.mean(0)
        variance.append(visits.var(0, ddof=1) / np.gradient(mean, width) ** 2)
        distance = visits[..., None] - mean
        named = np.abs(wrapped(distance) if circular else distance).argmin(-1)
        error = width * (named - np.arange(n_bins))
        squared_error.append(np.ravel(wrapped(error) if circular else error) ** 2)
    central = slice(n_bins // 4, n_bins - n_bins // 4)
    floor = np.sqrt(np.mean(np.array(variance)[:, central]))
    return float(floor), float(np.sqrt(np.mean(np.concatenate(squared_error))))


def pseudo_population(sessions: Sequence[Runs], rng: np.random.Generator) -> Runs:
    """Cells of several sessions side by side, as if recorded together; noise shared between sessions is gone.

    Runs are matched at random within each direction, as many as the session with the fewest has. The frames
    are those of the first session.

    Raises
    ------
    ValueError : linear and circular tracks together.
    """
    if len({runs.circular for runs in sessions}) != 1:
        raise ValueError("pseudo_population: a linear and a circular track have no runs in common")
    n_kept = {way: min(int(np.sum(runs.rightward == way)) for runs in sessions) for way in (True, False)}
    order = [
        np.concatenate(
            [rng.permutation(np.flatnonzero(runs.rightward == way))[:n] for way, n in n_kept.items()]
        )
        for runs in sessions
    ]
    activity = [runs.activity[rows] for rows, runs in zip(order, sessions, strict=True)]
    first, rows = sessions[0], order[0]
    return Runs(np.concatenate(activity, axis=2), first.rightward[rows], first.frames[rows], first.circular)


def _shuttle(mouse: VirtualMouse, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions [cm] and directions of runs from end to end, with a pause before each."""
    duration = RUN_S * np.exp(mouse.speed_cv * rng.standard_normal(mouse.n_runs))
    pause = PAUSE_S + rng.exponential(MORE_PAUSE_S, mouse.n_runs)
    end = np.cumsum(pause + duration)
    frame_s = np.arange(0, end[-1] + PAUSE_S, 1 / FRAMES_PER_S)
    run = np.minimum(np.searchsorted(end, frame_s), mouse.n_runs - 1)
    done = _warped(np.clip((frame_s - end[run]) / duration[run] + 1, 0, 1), run, mouse, rng)
    blend = BLEND + mouse.speed_cv * rng.uniform(-0.5, 0.5, mouse.n_runs)[run]
    done += blend * (done**2 * (3 - 2 * done) - done)
    turn = end[:-1] + pause[1:] / 2
    return TRACK_CM * np.where(run % 2, 1 - done, done), np.searchsorted(turn, frame_s) % 2


def _laps(mouse: VirtualMouse, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distances [cm] run on a ring, not wrapped, and directions; the animal turns once, half-way."""
    duration = RUN_S * np.exp(mouse.speed_cv * rng.standard_normal(mouse.n_runs))
    end = np.cumsum(duration)
    frame_s = np.arange(0, end[-1], 1 / FRAMES_PER_S)
    lap = np.searchsorted(end, frame_s, side="right")
    distance = lap + _warped((frame_s - end[lap]) / duration[lap] + 1, lap, mouse, rng)
    n_right = mouse.n_runs // 2
    leftward = (lap >= n_right).astype(int)
    return TRACK_CM * np.where(leftward, 2 * n_right - distance, distance), leftward


def _warped(done: np.ndarray, run: np.ndarray, mouse: VirtualMouse, rng: np.random.Generator) -> np.ndarray:
    """Shares `done` of the runs when a run is faster at its ends than in its middle, or the reverse."""
    size = mouse.speed_cv * rng.uniform(-WARP, WARP, mouse.n_runs)
    return done + size[run] * np.sin(2 * np.pi * done) / (2 * np.pi)


def _draw_fields(mouse: VirtualMouse, rng: np.random.Generator) -> Fields:
    shape = (2, mouse.n_cells)
    beyond = 0 if mouse.circular else BEYOND_CM
    centre = rng.uniform(-beyond, TRACK_CM + beyond, shape)
    fwhm = np.clip(mouse.width_cm * np.exp(mouse.width_sd * rng.standard_normal(shape)), *FWHM_CM)
    peak = mouse.peak_hz * np.exp(mouse.peak_sd * rng.standard_normal(shape)) * (rng.random(shape) < TUNED)
    kept = rng.random(mouse.n_cells) < KEPT
    for field in (centre, fwhm, peak):
        field[1, kept] = field[0, kept]
    centre[1, kept] += KEPT_SD_CM * rng.standard_normal(kept.sum())
    return Fields(centre, fwhm, peak, BASE_HZ * np.exp(BASE_SD * rng.standard_normal(mouse.n_cells)))


def _draw_loadings(mouse: VirtualMouse, fields: Fields, rng: np.random.Generator) -> np.ndarray:
    """Strengths (n_latents, n_cells): random signs times latent_strength k^(-1/2).

    A latent multiplies the rates f, so it moves them along f L; that is orthogonal to their change with
    position, f', where L is orthogonal to f f'.
    """
    size = rng.choice([-1.0, 1.0], (mouse.n_latents, mouse.n_cells))
    if mouse.orthogonal_latents:
        bins_cm = (np.arange(N_BINS) + 0.5)[:, None] * (TRACK_CM / N_BINS)
        avoided = []
        for way in (0, 1):
            f = tuning_hz(fields, way, bins_cm, mouse.circular)
            z = _from_centre(fields, way, bins_cm, mouse.circular)
            avoided.append(f * (f - fields.base_hz) * z / fields.fwhm_cm[way])  # f f', up to a factor
        basis = np.linalg.qr(np.concatenate(avoided).T)[0]
        size -= (size @ basis) @ basis.T
        size /= np.sqrt((size**2).mean(1, keepdims=True))
    return mouse.latent_strength * size / np.sqrt(np.arange(1, mouse.n_latents + 1))[:, None]


def _draw_events(expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Summed sizes of the events of each frame and cell; their numbers are Poisson with mean `expected`.

    Draws the total number and places each event in proportion: the same law, many times as fast, because
    few frames have an event.
    """
    edges = np.cumsum(expected, dtype=float)
    n_events = rng.poisson(edges[-1])
    index = np.searchsorted(edges, np.sort(rng.random(n_events)) * edges[-1], side="right")
    onsets = np.zeros(expected.size, np.float32)
    np.add.at(onsets, index, rng.lognormal(-(AMPLITUDE_SD**2) / 2, AMPLITUDE_SD, n_events).astype(np.float32))
    return onsets.reshape(expected.shape)


def _delayed(represented_cm: np.ndarray) -> np.ndarray:
    """Mean over the recent past, weighted with the burst kernel."""
    both = convolve_bursts(np.column_stack([represented_cm, np.ones_like(represented_cm)]))
    return both[:, 0] / both[:, 1]
