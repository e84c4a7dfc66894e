"""What is measured on each recording of the hippocampus chapter: decoding, and the geometry of noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from crossroads.analyse import noise_geometry as geometry
from crossroads.analyse.position_decoding import (
    decode_curve,
    errors_cm,
    fit_pairwise_svm,
    fit_shrinkage_lda,
    random_halves,
    shuffle_runs,
)
from crossroads.analyse.saturation import Saturation, fit_exponential, fit_saturation
from crossroads.data.linear_track import N_BINS, TRACK_CM
from crossroads.data.place_cells import PlantedCode
from crossroads.data.place_recordings import MouseRanges, Recording, open_runs

DECODERS: dict[str, Callable] = {"svm": fit_pairwise_svm, "lda": fit_shrinkage_lda}
ENDS, CENTRE = [1, 2, 17, 18], [9, 10]  # bins 2, 3, 18, 19 and 10, 11 of the paper
NOISE = {"real": "noise", "shuffled": "noise_shuffled"}
N_MODES = 1000  # more than any session has: all modes


@dataclass(frozen=True)
class HippocampusSettings:
    """Settings of the chapter, one block a size in ci/sizes/hippocampus.yml."""

    n_mice: int
    sessions_per_mouse: int
    n_cells: tuple[int, int]  # ranges that the sessions are drawn from
    n_runs: tuple[int, int]
    jitter_cm: tuple[float, float]
    n_modules: tuple[int, int]
    ensemble_sizes: tuple[int, ...]  # those that a session reaches, and all its cells
    n_subsets: int  # random ensembles of each size that are decoded
    geometry_subsets: int  # random ensembles of each size in which signal and noise are measured
    n_splits: int  # random half splits behind the eigenmode SNR
    n_varied_mice: int  # mice that differ in the heterogeneity of their tuning
    compared_cells: int  # random cells with which decoders are compared
    grid_runs: tuple[int, ...]  # of the grid of runs and cells; the longest session has the most
    fisher_subsets: int  # random ensembles behind the Fisher information of the longest session
    play_jitter_cm: tuple[float, ...]
    play_modules: tuple[int, ...]
    play_gain_sd: tuple[float, ...]
    play_cells: int
    play_runs: int

    def ranges(self, width_sd: tuple[float, float], peak_sd: tuple[float, float]) -> MouseRanges:
        """Ranges of virtual mice with the heterogeneity given."""
        return MouseRanges(self.n_cells, self.n_runs, self.jitter_cm, self.n_modules, width_sd, peak_sd)


@dataclass(frozen=True)
class Decoding:
    """A unit: error against ensemble size of one recording; decoder is "svm" or "lda"."""

    recording: Recording
    decoder: str
    sizes: tuple[int, ...]
    n_subsets: int


@dataclass(frozen=True)
class Geometry:
    """A unit: signal, noise and its modes in one recording."""

    recording: Recording
    sizes: tuple[int, ...]
    n_subsets: int
    n_splits: int


@dataclass(frozen=True)
class Grid:
    """A unit: error of a recording against the number of runs and of cells."""

    recording: Recording
    sizes: tuple[int, ...]
    n_runs: tuple[int, ...]
    n_subsets: int


def ensemble_sizes(sizes: Sequence[int], n_cells: int) -> tuple[int, ...]:
    """The sizes below n_cells, and n_cells."""
    return (*(n for n in sizes if n < n_cells), n_cells)


def decode_session(unit: Decoding) -> dict[str, np.ndarray]:
    """Decode a recording by ensembles of growing size.

    Returns
    -------
    "sizes" (n_sizes,); "predicted" (n_sizes, n_subsets, 3, n_runs, 20) labels, kinds as in
    `position_decoding.KINDS`; "rightward" (n_runs,); "floor", "binned_floor" planted floors [cm], NaN where
    nothing is planted; "circular".
    """
    session, runs = open_runs(unit.recording)
    sizes = ensemble_sizes(unit.sizes, runs.activity.shape[2])
    predicted = decode_curve(
        runs.activity, runs.rightward, sizes, unit.n_subsets, DECODERS[unit.decoder], unit.recording.rng(2)
    )
    return {
        "sizes": np.array(sizes),
        "predicted": predicted,
        "rightward": runs.rightward,
        "circular": np.array(runs.circular),
        **_floors(session.truth),
    }


def measure_geometry(unit: Geometry) -> dict[str, np.ndarray]:
    """Signal and noise along the direction between neighbouring places, noise modes, tuning, correlations.

    Returns
    -------
    "sizes"; "signal", "noise", "noise_shuffled" (n_sizes, n_subsets, 2, 19); "signal_normalised", the signal
    where every ensemble's activity is divided by the length of its vector (control); "loadings",
    "loadings_shuffled" (2, 20, n_modes) cos^2; "snr_train", "snr_held_out" (n_modes,); "signal_variance"
    (2, 19); "widths_cm" (2, n_cells);
    "correlation", "correlation_shuffled" (2, 20) by distance of the fields; "mean_correlation" (2,);
    floors as in `decode_session`.
    """
    session, runs = open_runs(unit.recording)
    rng, x, rightward = unit.recording.rng(3), runs.activity, runs.rightward
    sizes = ensemble_sizes(unit.sizes, x.shape[2])
    shuffled = shuffle_runs(x, rightward, rng)
    signal, noise, noise_shuffled = geometry.signal_noise_curve(x, rightward, sizes, unit.n_subsets, rng)
    train, held_out = geometry.eigenmode_snr(x, rightward, unit.n_splits, rng)
    by_distance, mean = geometry.noise_correlations(x, rightward)
    return {
        "sizes": np.array(sizes),
        "signal": signal,
        "noise": noise,
        "noise_shuffled": noise_shuffled,
        "signal_normalised": _signal_normalised(unit, x, rightward, sizes),
        "loadings": geometry.noise_mode_loadings(x, rightward, N_MODES),
        "loadings_shuffled": geometry.noise_mode_loadings(shuffled, rightward, N_MODES),
        "snr_train": train,
        "snr_held_out": held_out,
        "signal_variance": geometry.normalized_signal_variance(x, rightward),
        "widths_cm": geometry.field_widths_cm(x, rightward),
        "correlation": by_distance,
        "correlation_shuffled": geometry.noise_correlations(shuffled, rightward)[0],
        "mean_correlation": mean,
        **_floors(session.truth),
    }


def measure_grid(unit: Grid) -> dict[str, np.ndarray]:
    """RMS error [cm], "rms" (n_run_counts, n_sizes, 2 kinds: real, shuffled), of LDA.

    "n_runs" are the counts, both directions together; the last of "sizes" is all cells; floors as elsewhere.
    """
    session, runs = open_runs(unit.recording)
    rng = unit.recording.rng(4)
    sizes = ensemble_sizes(unit.sizes, runs.activity.shape[2])
    table = []
    for n in unit.n_runs:
        chosen = np.concatenate(
            [rng.permutation(np.flatnonzero(runs.rightward == side))[: n // 2] for side in (True, False)]
        )
        predicted = decode_curve(
            runs.activity[chosen], runs.rightward[chosen], sizes, unit.n_subsets, fit_shrinkage_lda, rng
        )
        table.append(np.sqrt(squared_errors(predicted, runs.circular).mean((1, 3, 4)))[:, :2])
    counts = {"n_runs": np.array(unit.n_runs), "sizes": np.array(sizes)}
    return {"rms": np.array(table), **counts, **_floors(session.truth)}


def squared_errors(predicted: np.ndarray, circular: bool) -> np.ndarray:
    """Squared errors [cm^2] of predicted labels (..., n_bins), direction discarded."""
    return errors_cm(predicted, circular) ** 2


def mean_squared_error(decoded: dict[str, np.ndarray], bins: Sequence[int] | None = None) -> np.ndarray:
    """MSE [cm^2] of `decode_session`, (n_sizes, n_subsets, 3), over runs and bins (None: all)."""
    errors = squared_errors(decoded["predicted"], bool(decoded["circular"]))
    return errors[..., slice(None) if bins is None else bins].mean((-2, -1))


def information(decoded: dict[str, np.ndarray], bins: Sequence[int] | None = None) -> np.ndarray:
    """Mean over ensembles of 1/MSE [cm^-2], which the paper fits: (n_sizes, 3)."""
    return (1 / mean_squared_error(decoded, bins)).mean(1)


def rms_cm(decoded: dict[str, np.ndarray], size: int = -1, bins: Sequence[int] | None = None) -> np.ndarray:
    """RMS error [cm] of real, shuffled and diagonal decoding at one of the sizes (the last is all cells)."""
    return np.sqrt(mean_squared_error(decoded, bins)[size].mean(0))


def fits(decoded: dict[str, np.ndarray]) -> list[Saturation]:
    """The paper's curve through the information of real, shuffled and diagonal decoding."""
    return [fit_saturation(decoded["sizes"], curve) for curve in information(decoded).T]


def describe_decoding(decoded: dict[str, np.ndarray]) -> dict[str, float]:
    """What the claims say of one decoded session: errors [cm], fitted curves, and ratios of kinds."""
    real, shuffled = rms_cm(decoded)[:2]
    few = int(np.abs(decoded["sizes"] - 150).argmin())
    at_few = rms_cm(decoded, few)
    curves = fits(decoded)
    floor = float(decoded["floor"])
    exponential = fit_exponential(decoded["sizes"], information(decoded)[:, 0])
    errors = errors_cm(decoded["predicted"][-1, :, 0], bool(decoded["circular"]))
    return {
        "rms_real": real,
        "rms_ratio": real / shuffled,
        "rms_118": real * 118 / TRACK_CM,
        "mean_error": float(np.abs(errors).mean()),
        "diagonal_ratio": at_few[2] / at_few[0],
        "ends_over_centre": rms_cm(decoded, bins=ENDS)[0] / rms_cm(decoded, bins=CENTRE)[0],
        "n_half": curves[0].n_half,
        "n_half_ratio": curves[1].n_half / curves[0].n_half,
        "log_i0_ratio": float(np.log(curves[1].i0 / curves[0].i0)),
        "fitted_asymptote": curves[0].asymptotic_rms,
        "exponential_asymptote": exponential.asymptote**-0.5,
        "n_recorded": float(decoded["sizes"][-1]),
        "planted_floor": floor,
        "floor_and_a_quarter": 1.25 * floor,
        "floor_less_1_cm": floor - 1,
    }


def describe_geometry(shape: dict[str, np.ndarray]) -> dict[str, float]:
    """What the claims say of signal, noise and correlations of one session."""
    sizes = shape["sizes"]
    signal, noise, noise_shuffled, normalised = (
        middle(shape[kind]) for kind in ("signal", "noise", "noise_shuffled", "signal_normalised")
    )
    limit = (TRACK_CM / N_BINS / float(shape["floor"])) ** 2
    slope, slope_shuffled = (geometry.growth(sizes, values) for values in (noise, noise_shuffled))
    return {
        "signal_r2": line_r2(sizes, signal),
        "signal_r2_normalised": line_r2(sizes, normalised),
        "noise_growth": noise_growth(shape),
        "noise_slope_share": float(slope_shuffled / slope),
        "snr_over_limit": recorded_snr(shape) / limit,
        "snr_asymptotic": session_snr(shape),
        "loading_area": geometry.loading_area(shape["loadings"], shape["loadings_shuffled"]),
        "loading_area_all": geometry.loading_area(shape["loadings"], shape["loadings_shuffled"], n=N_MODES),
        "heterogeneity": float(np.nanmedian(shape["signal_variance"])),
        "correlation": float(shape["mean_correlation"].mean()),
        "correlation_trend": trend(shape["correlation"]),
        "correlation_shuffled": float(np.nanmean(shape["correlation_shuffled"])),
    }


def middle(values: np.ndarray) -> np.ndarray:
    """Median over boundaries of the mean over ensembles of signal or noise, (n_sizes, n_subsets, 2, 19)."""
    return np.nanmedian(values.mean(1), axis=(-2, -1))


def recorded_snr(shape: dict[str, np.ndarray], kind: str = "real") -> float:
    """Signal over noise of all recorded cells of a session; kind is "real" or "shuffled"."""
    return float(middle(shape["signal"])[-1] / middle(shape[NOISE[kind]])[-1])


def session_snr(shape: dict[str, np.ndarray], kind: str = "real") -> float:
    """Asymptotic SNR of a session: growth of its signal over growth of its noise."""
    signal, noise = (middle(shape[key]) for key in ("signal", NOISE[kind]))
    return float(geometry.asymptotic_snr(shape["sizes"], signal, noise))


def noise_growth(shape: dict[str, np.ndarray], kind: str = "real") -> float:
    """Noise of all cells of a session over that of the first ensemble size from 100 cells on."""
    noise = middle(shape[NOISE[kind]])
    return float(noise[-1] / noise[shape["sizes"] >= 100][0])


def line_r2(sizes: np.ndarray, values: np.ndarray, least: int = 100) -> float:
    """R^2 of a straight line through values (n_sizes,) at the sizes >= least."""
    large = sizes >= least
    return float(np.corrcoef(sizes[large], values[large])[0, 1] ** 2)


def trend(by_distance: np.ndarray) -> float:
    """Rank correlation of the mean over directions of (2, n_distances) values with the distance."""
    values = np.nanmean(by_distance, axis=0)
    return float(spearmanr(np.arange(len(values)), values, nan_policy="omit").statistic)


def _signal_normalised(
    unit: Geometry, x: np.ndarray, rightward: np.ndarray, sizes: Sequence[int]
) -> np.ndarray:
    rng = unit.recording.rng(5)
    signal = []
    for n in sizes:
        subset = x[..., rng.permutation(x.shape[2])[:n]]
        length = np.linalg.norm(subset, axis=2, keepdims=True)
        subset = np.divide(subset, length, out=np.zeros_like(subset), where=length > 0)
        signal.append(geometry.adjacent_signal_noise(subset, rightward, random_halves(rightward, rng)).signal)
    return np.array(signal)[:, None]


def _floors(truth: PlantedCode | None) -> dict[str, np.ndarray]:
    floors = (truth.floor_cm, truth.binned_floor_cm) if truth else (np.nan, np.nan)
    return dict(zip(("floor", "binned_floor"), map(np.array, floors), strict=True))
