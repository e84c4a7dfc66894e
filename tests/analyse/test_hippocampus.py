"""Units of the hippocampus chapter and the numbers that its claims rest on."""

from dataclasses import replace

import numpy as np
import pytest

from crossroads.analyse import hippocampus as analysis
from crossroads.data.place_cells import VirtualMouse
from crossroads.data.place_recordings import Recording, under
from crossroads.data.settings import load_settings

SMALL = Recording(VirtualMouse(n_cells=60, n_runs=24), seed=3, mouse=0, session=0)


def labels_off_by(bins: int) -> np.ndarray:
    """Labels of 4 runs that name the bin `bins` further on, where the track has it."""
    return np.tile(2 * np.clip(np.arange(20) + bins, 0, 19), (4, 1))


@pytest.fixture(scope="module")
def by_hand() -> dict[str, np.ndarray]:
    """Few cells: three bins off. More: real runs one off, shuffled ones right in all bins but the first."""
    wrong = np.tile(2 * np.arange(20), (4, 1))
    wrong[:, 0] = 2 * 2
    kinds = np.stack([labels_off_by(1), wrong, labels_off_by(2)])
    few = np.tile(labels_off_by(3), (3, 1, 1))
    return {
        "sizes": np.array([50, 140, 300]),
        "predicted": np.stack([few, kinds, kinds])[:, None].astype(np.int8),
        "circular": np.array(False),
        "floor": np.array(5.0),
    }


def test_errors_by_hand(by_hand: dict[str, np.ndarray]) -> None:
    # 19 of 20 bins are 6 cm off; 1 of 20 is 12 cm off; 18 are 12 cm and one 6 cm off.
    expected = [36 * 19 / 20, 144 / 20, (18 * 144 + 36) / 20]
    assert np.allclose(analysis.mean_squared_error(by_hand)[1:], expected)
    assert np.allclose(analysis.information(by_hand)[1:], 1 / np.array(expected))
    assert np.allclose(analysis.rms_cm(by_hand, bins=[0]), [6, 12, 12])


def test_claims_of_decoding_by_hand(by_hand: dict[str, np.ndarray]) -> None:
    found = analysis.describe_decoding(by_hand)
    assert found["rms_real"] == pytest.approx(6 * np.sqrt(0.95))
    assert found["rms_ratio"] == pytest.approx(np.sqrt(36 * 19 / 144))
    assert found["diagonal_ratio"] == pytest.approx(np.sqrt((18 * 144 + 36) / (36 * 19)))
    assert found["mean_error"] == pytest.approx(6 * 0.95)
    assert found["ends_over_centre"] == pytest.approx(1)
    assert (found["floor_and_a_quarter"], found["floor_less_1_cm"]) == (6.25, 4.0)
    assert found["n_recorded"] == 300


def test_claims_of_geometry_by_hand() -> None:
    """Signal 2n, noise 10 + n / 4, shuffled noise 10 + n / 100 at every boundary."""
    sizes = np.array([20, 100, 200, 400])
    every = np.ones((4, 3, 2, 19)) * sizes[:, None, None, None]
    loadings = np.zeros((2, 20, 40))
    loadings[..., :35] = 0.01
    shape = {
        "sizes": sizes,
        "signal": 2 * every,
        "noise": 10 + every / 4,
        "noise_shuffled": 10 + every / 100,
        "signal_normalised": every**0 + (sizes == 200)[:, None, None, None],
        "loadings": loadings,
        "loadings_shuffled": np.zeros((2, 20, 40)),
        "signal_variance": np.full((2, 19), 0.5),
        "mean_correlation": np.array([0.1, 0.3]),
        "correlation": -np.ones((2, 1)) * np.arange(20),
        "correlation_shuffled": np.full((2, 20), 0.002),
        "floor": np.array(3.0),
    }
    found = analysis.describe_geometry(shape)
    assert analysis.recorded_snr(shape, "shuffled") == pytest.approx(800 / 14)
    assert analysis.noise_growth(shape, "shuffled") == pytest.approx(14 / 11)
    assert analysis.session_snr(shape, "shuffled") == pytest.approx(200)
    assert found["signal_r2"] == pytest.approx(1)
    assert found["noise_growth"] == pytest.approx(110 / 35)
    assert found["noise_slope_share"] == pytest.approx(0.04)
    assert found["snr_asymptotic"] == pytest.approx(8)
    assert found["snr_over_limit"] == pytest.approx(800 / 110 / 4)  # limit: (6 / 3)^2
    assert found["loading_area"] == pytest.approx(0.30)
    assert found["loading_area_all"] == pytest.approx(0.35)
    assert found["correlation"] == pytest.approx(0.2)
    assert found["correlation_trend"] == pytest.approx(-1)
    # Of 1, 2, 1 at 100, 200, 400: covariance -100/9, variances 140000/9 and 2/9.
    assert found["signal_r2_normalised"] == pytest.approx((100 / 9) ** 2 / (140000 / 9 * 2 / 9))


def test_units_are_reproducible_and_differ_between_sessions() -> None:
    unit = analysis.Decoding(SMALL, "lda", (20, 500), 2)
    first, again = analysis.decode_session(unit), analysis.decode_session(unit)
    assert first["sizes"].tolist() == [20, 60]  # all cells in place of a size that there is not
    assert all(np.array_equal(first[name], again[name]) for name in first)
    other = analysis.decode_session(replace(unit, recording=under("another", SMALL)))
    assert not np.array_equal(first["predicted"], other["predicted"])


def test_geometry_unit_has_the_shapes_it_says() -> None:
    shape = analysis.measure_geometry(analysis.Geometry(SMALL, (20,), 2, 3))
    assert shape["signal"].shape == shape["noise_shuffled"].shape == (2, 2, 2, 19)
    assert shape["signal_normalised"].shape == (2, 1, 2, 19)
    assert shape["loadings"].shape == shape["loadings_shuffled"].shape == (2, 20, 11)
    assert shape["widths_cm"].shape == (2, 60)
    # The vector of an ensemble has length 1, so two of them are at most 2 apart.
    assert np.nanmax(shape["signal_normalised"]) < 4 < np.nanmax(shape["signal"]) * 1e3


def test_more_runs_help() -> None:
    recording = Recording(VirtualMouse(n_cells=120, n_runs=80), seed=1, mouse=0, session=0)
    rms = analysis.measure_grid(analysis.Grid(recording, (40,), (16, 80), 2))["rms"]
    assert rms.shape == (2, 2, 2)
    assert (rms[1] < rms[0]).all()


def test_settings_of_every_size_are_sound() -> None:
    for size in ("ci", "book", "paper"):
        settings = load_settings(analysis.HippocampusSettings, "hippocampus", size)
        sizes = analysis.ensemble_sizes(settings.ensemble_sizes, settings.n_cells[1])
        assert np.sum(np.array(sizes) >= 100) >= 3  # for the slopes of signal and noise
        assert min(settings.grid_runs) // 4 >= 2  # runs of a direction in each half
