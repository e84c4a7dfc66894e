"""Prefrontal firing rates by remembered colour: simulated spike counts, or the one published macaque example.

The measured object is always the same, 8 mean rate patterns: 4 colour bins of the item at location 1, then 4
of the item at location 2 (Panichello & Buschman 2021, Fig. 4; Piwek et al. 2023, Fig. 2A and 3A).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossroads.data.matlab import read_matlab

N_COLOURS = 64  # on the wheel of Panichello & Buschman (2021, task code)
N_BINS = 4  # of adjacent colours
COLOURS_PER_BIN = N_COLOURS // N_BINS
COLOURS = -np.pi + 2 * np.pi * np.arange(N_COLOURS) / N_COLOURS
WINDOW_S = 0.3  # spikes are counted in the last 300 ms of a delay
SOURCE = "github.com/panichem/SelectionFromWorkingMemory (MIT)"


@dataclass(frozen=True)
class PrefrontalSettings:
    """A simulated population: the recorded number of neurons, angles and gains of this book's choosing."""

    n_neurons: int = 380
    n_trials: int = 200  # per location and colour bin
    geometry: str = "4d"  # how location 2's plane leaves location 1's: "4d" both axes turn, "hinge" one does
    theta_pre_deg: float = 90.0  # angle between the planes before the cue,
    theta_cued_deg: float = 0.0  # of the cued items after it,
    theta_uncued_deg: float = 90.0  # and of the uncued items after it
    psi_pre_deg: float = 0.0  # phase by which location 2's colours lead location 1's
    psi_cued_deg: float = 0.0
    psi_uncued_deg: float = 0.0
    gain: float = 0.25  # of the colour and location signals; 0 leaves none
    uncued_gain: float = 0.2  # factor on the uncued item's colour signal after the cue
    offset: float = 0.8  # distance of the two locations along an axis of its own
    fano: float = 1.0  # variance / mean of the counts; 1 is Poisson


@dataclass(frozen=True)
class PlantedPlanes:
    """The truth of one simulated epoch.

    The angles and `ai2`, the alignment index in two dimensions (cos^2 theta in 4D, (1 + cos^2 theta)/2 for
    the hinge, NaN without a colour signal), hold for the planted drive. Rates weigh each neuron by its
    baseline, so that few neurons dominate: `patterns_hz`, the noise-free (8, n_neurons) means, is what
    unlimited trials give.
    """

    theta_deg: float
    psi_deg: float
    ai2: float
    patterns_hz: np.ndarray


@dataclass(frozen=True)
class PrefrontalTrials:
    """Single trials of a pseudo-population; every epoch has the same trials.

    location (n_trials,): 0 or 1; colour (n_trials,): index on the wheel, 0..63 (bin = colour // 16);
    rates_hz[epoch] (n_trials, n_neurons); truth[epoch], None once labels are shuffled.
    """

    location: np.ndarray
    colour: np.ndarray
    rates_hz: dict[str, np.ndarray]
    truth: dict[str, PlantedPlanes] | None


@dataclass(frozen=True)
class ConditionRates:
    """Mean rates [Hz] (8, n_neurons) of each epoch: rows 0-3 colour bins at location 1, 4-7 at location 2.

    Epochs: "pre-cue"; "post-cue", binned by the cued item; "post-cue uncued", by the other item.
    `truth` is None for recordings and for shuffled labels.
    """

    epochs: dict[str, np.ndarray]
    truth: dict[str, PlantedPlanes] | None


def simulate_trials(settings: PrefrontalSettings, rng: np.random.Generator) -> PrefrontalTrials:
    """Draw spike counts of neurons that remember a colour at one of two locations.

    A colour c drives the neurons by z = cos c A1 + sin c A2 + offset/2 q5 when its item is at location 1 and
    by z = cos(c + psi) B1 + sin(c + psi) B2 - offset/2 q5 at location 2. The axes q1..q5 are orthogonal,
    with unit mean square per neuron; A = (q1, q2); B = cos theta (q1, q2) + sin theta (q4, q3) for "4d" or
    (q1, cos theta q2 + sin theta q3) for "hinge". Rates are baseline softplus(1 + gain z) / softplus(1).
    Baselines are log-normal (median 2 Hz, sd(log) 1.3, clipped to .05-45 Hz) like those of the published
    example. Counts in 300 ms are Poisson, or negative binomial for a Fano factor above 1.

    A trial has one item: the other one is taken as averaged out. Compressing the uncued item's colours
    leaves the offset as it is, because the offset tells which location is cued.

    Raises
    ------
    ValueError : a setting outside its range.
    """
    s = settings
    in_range = s.n_neurons >= 5 and s.n_trials >= 1 and min(s.gain, s.uncued_gain) >= 0 and s.fano >= 1
    if not in_range or s.geometry not in ("4d", "hinge"):
        raise ValueError(
            "need n_neurons >= 5, n_trials >= 1, gains >= 0, fano >= 1 and geometry '4d' or 'hinge'; "
            f"got {settings}"
        )
    baseline_hz = np.clip(2 * np.exp(1.3 * rng.standard_normal(s.n_neurons)), 0.05, 45)
    axes = np.sqrt(s.n_neurons) * np.linalg.qr(rng.standard_normal((s.n_neurons, 5)))[0].T
    location, colour_bin = np.divmod(np.repeat(np.arange(2 * N_BINS), s.n_trials), N_BINS)
    colour = COLOURS_PER_BIN * colour_bin + rng.integers(COLOURS_PER_BIN, size=len(colour_bin))
    planted = {
        "pre-cue": (s.theta_pre_deg, s.psi_pre_deg, 1.0),
        "post-cue": (s.theta_cued_deg, s.psi_cued_deg, 1.0),
        "post-cue uncued": (s.theta_uncued_deg, s.psi_uncued_deg, s.uncued_gain),
    }
    rates, truth = {}, {}
    for epoch, (theta_deg, psi_deg, strength) in planted.items():
        drive = _drive(axes, s.geometry, np.deg2rad(theta_deg), np.deg2rad(psi_deg), strength, s.offset)
        tuning_hz = baseline_hz * np.logaddexp(0, 1 + s.gain * drive) / np.logaddexp(0, 1)
        mean_count = WINDOW_S * tuning_hz[location, colour]
        if s.fano == 1:
            count = rng.poisson(mean_count)
        else:
            count = rng.negative_binomial(mean_count / (s.fano - 1), 1 / s.fano)
        rates[epoch] = count / WINDOW_S
        cos2 = np.cos(np.deg2rad(theta_deg)) ** 2
        ai2 = cos2 if s.geometry == "4d" else (1 + cos2) / 2
        patterns_hz = tuning_hz.reshape(2 * N_BINS, COLOURS_PER_BIN, -1).mean(1)
        truth[epoch] = PlantedPlanes(
            theta_deg, psi_deg, float(ai2) if s.gain * strength else np.nan, patterns_hz
        )
    return PrefrontalTrials(location, colour, rates, truth)


def _drive(
    axes: np.ndarray, geometry: str, theta: float, psi: float, strength: float, offset: float
) -> np.ndarray:
    """Drive z of every colour at both locations, (2, 64, n_neurons); angles in rad."""
    q1, q2, q3, q4, q5 = axes
    first = q1 if geometry == "hinge" else np.cos(theta) * q1 + np.sin(theta) * q4
    second = np.cos(theta) * q2 + np.sin(theta) * q3
    c = COLOURS[:, None]
    return np.stack(
        [
            strength * (np.cos(c) * q1 + np.sin(c) * q2) + offset / 2 * q5,
            strength * (np.cos(c + psi) * first + np.sin(c + psi) * second) - offset / 2 * q5,
        ]
    )


def condition_rates(trials: PrefrontalTrials) -> ConditionRates:
    """Average the trials of each location and colour bin."""
    return _average(trials, np.ones(len(trials.location), bool))


def split_halves(trials: PrefrontalTrials, rng: np.random.Generator) -> tuple[ConditionRates, ConditionRates]:
    """Average two random halves of the trials of every location and colour bin, against the bias of noise.

    Raises
    ------
    ValueError : a location and colour bin with fewer than two trials.
    """
    order = rng.permutation(len(trials.location))
    shuffled_rows = _row(trials)[order]
    first = np.zeros(len(order), bool)
    for row in range(2 * N_BINS):
        members = order[shuffled_rows == row]
        if len(members) < 2:
            raise ValueError(
                f"row {row} (location, colour bin) has {len(members)} trials; 2 or more are needed to split"
            )
        first[members[::2]] = True
    return _average(trials, first), _average(trials, ~first)


def shuffle_colours(trials: PrefrontalTrials, rng: np.random.Generator) -> PrefrontalTrials:
    """Negative control: permute the colours among the trials of each location. No colour plane is left."""
    colour = trials.colour.copy()
    for location in (0, 1):
        members = trials.location == location
        colour[members] = rng.permutation(colour[members])
    return replace(trials, colour=colour, truth=None)


def swap_locations(trials: PrefrontalTrials, rng: np.random.Generator) -> PrefrontalTrials:
    """Negative control: permute the locations among the trials of each colour bin.

    Both locations then hold the same mixture of trials, so their planes coincide whatever was planted.
    """
    location = trials.location.copy()
    for colour_bin in range(N_BINS):
        members = trials.colour // COLOURS_PER_BIN == colour_bin
        location[members] = rng.permutation(location[members])
    return replace(trials, location=location, truth=None)


def simulate_lpfc(settings: PrefrontalSettings, rng: np.random.Generator) -> ConditionRates:
    """Mean rates of a simulated population; `simulate_trials` says how and what it refuses."""
    return condition_rates(simulate_trials(settings, rng))


def _row(trials: PrefrontalTrials) -> np.ndarray:
    return N_BINS * trials.location + trials.colour // COLOURS_PER_BIN


def _average(trials: PrefrontalTrials, kept: np.ndarray) -> ConditionRates:
    row = _row(trials)
    means = {
        epoch: np.stack([rates[kept & (row == r)].mean(0) for r in range(2 * N_BINS)])
        for epoch, rates in trials.rates_hz.items()
    }
    return ConditionRates(means, trials.truth)


def load_lpfc_planes(path: str | Path) -> ConditionRates:
    """Read ``planesDemo.mat``, rates of 380 macaque prefrontal neurons (Panichello & Buschman 2021).

    Rows 0-3 are the colours of the upper item, rows 4-7 of the lower one. The file does not say which delay
    it shows. It is filed under "pre-cue" because its planes stand near 90 deg, as only those before the cue
    do; so no claim about that angle may rest on it. Other recordings in the same layout are welcome; the
    sha256 of the published file is 772e948087ecc2d5c0d56d907c617a6499e4e492e621fccd01d9d385914bfdcc.

    Raises
    ------
    FileNotFoundError : there is no such file.
    ValueError : damaged file, no variable `dat`, another shape than (8, 3 or more), NaN, or negative rates.
    """
    (rates_hz,) = read_matlab(path, ["dat"], SOURCE)
    if rates_hz.ndim != 2 or len(rates_hz) != 2 * N_BINS or rates_hz.shape[1] < 3:
        raise ValueError(
            f"{path}: 'dat' has shape {rates_hz.shape}, expected (8, n_neurons) with 3 neurons or more: "
            "rows are 4 colours at location 1, then 4 at location 2; transpose it if neurons come first"
        )
    if rates_hz.min() < 0:
        raise ValueError(
            f"{path}: 'dat' reaches {rates_hz.min():g}, expected mean rates in Hz, not negative: "
            "give raw rates, neither z-scored nor baseline-subtracted"
        )
    return ConditionRates({"pre-cue": rates_hz}, None)


def open_recording(
    data: str, folder: Path | None, settings: PrefrontalSettings, rng: np.random.Generator
) -> ConditionRates:
    """The recording that a chapter's parameter `data` names.

    data : "synthetic", simulated with `settings`; or "published", planesDemo.mat in `folder`.

    Raises
    ------
    ValueError : another name, or "published" without a folder of real data.
    """
    if data == "synthetic":
        return simulate_lpfc(settings, rng)
    if data != "published":
        raise ValueError(
            f"data={data!r} names no recording of prefrontal cortex; there are: synthetic, published"
        )
    if folder is None:
        raise ValueError(
            "data='published' needs a folder of real data: set CROSSROADS_DATA to one that holds "
            f"retrocue/planesDemo.mat, from {SOURCE}"
        )
    return load_lpfc_planes(folder / "planesDemo.mat")
