import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.special import i0e, i1e

from crossroads.data.circle import wrap
from crossroads.data.colour_reports import load_reports, simulate_reports

needs_data = pytest.mark.skipif(
    "CROSSROADS_DATA" not in os.environ,
    reason="CROSSROADS_DATA is unset: the authors' choice files are not here",
)
GOOD = {
    "reported_colour": np.zeros((3, 4)),
    "cued_colour": np.zeros((1, 4)),
    "uncued_colour": np.zeros((1, 4)),
}


def test_moments_are_the_mixtures():
    k, p_target, p_non_target = 4.0, 0.7, 0.1
    reports = simulate_reports(k, p_target, p_non_target, 0.2, 5, 20_000, np.random.default_rng(0))
    # E cos(r - t) = p_T A1(K), as the other item and the guess are uniform; likewise for the other item.
    mean_length = i1e(k) / i0e(k)
    se = 1 / np.sqrt(2 * reports.response.size)
    assert np.cos(reports.response - reports.target).mean() == pytest.approx(
        p_target * mean_length, abs=4 * se
    )
    assert np.cos(reports.response - reports.non_target).mean() == pytest.approx(
        p_non_target * mean_length, abs=4 * se
    )
    assert abs(np.exp(1j * (reports.target - reports.non_target)).mean()) < 4 * se
    assert len(np.unique(reports.target)) == 64


def test_limits():
    rng = np.random.default_rng(1)
    exact = simulate_reports(1e8, 0, 1, 0, 2, 100, rng)
    assert np.abs(wrap(exact.response - exact.non_target)).max() < 1e-3
    flat = simulate_reports(0, 1, 0, 0, 1, 40_000, rng)
    counts = np.histogram(flat.response, 20, (-np.pi, np.pi))[0]
    assert np.sum((counts - 2000) ** 2 / 2000) < 45  # chi-squared, 19 degrees of freedom: p = .0007


@given(seed=st.integers(0, 2**32), k=st.floats(0, 1e3), n=st.integers(1, 50))
def test_angles_stay_on_the_circle(seed, k, n):
    reports = simulate_reports(k, 0.5, 0.25, 0.25, 2, n, np.random.default_rng(seed))
    for angles in (reports.target, reports.non_target, reports.response):
        assert angles.shape == (2, n)
        assert angles.min() >= -np.pi
        assert angles.max() < np.pi


@pytest.mark.parametrize(
    "bad", [(-1, 1, 0, 0, 1, 1), (1, 0.5, 0.4, 0, 1, 1), (1, 1.1, -0.1, 0, 1, 1), (1, 1, 0, 0, 1, 0)]
)
def test_simulation_refuses_impossible_parameters(bad):
    with pytest.raises(ValueError, match="need k >= 0, shares >= 0 that sum to 1"):
        simulate_reports(*bad, np.random.default_rng(0))


def test_loader_keeps_rows_apart(tmp_path):
    reported = np.linspace(-3, 3, 12).reshape(3, 4)
    path = tmp_path / "choices.mat"
    savemat(path, GOOD | {"reported_colour": reported, "cued_colour": np.full((1, 4), 0.5)})
    reports = load_reports(path)
    np.testing.assert_array_equal(reports.response, reported)
    np.testing.assert_array_equal(reports.target, np.full((3, 4), 0.5))
    np.testing.assert_array_equal(reports.non_target, np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cued_colour": np.zeros((1, 5))},
            r"cued_colour \(1, 5\).*reported_colour \(3, 4\); expected \(1, n_trials\)",
        ),
        ({"uncued_colour": np.zeros((3, 4))}, r"uncued_colour \(3, 4\)"),
        ({"reported_colour": np.zeros((0, 4))}, "none empty"),
        (
            {"reported_colour": np.full((3, 4), 180.0)},
            r"'reported_colour' reaches 180, expected angles in \[-pi, pi\]",
        ),
        ({"uncued_colour": np.full((1, 4), -3.2)}, "'uncued_colour' reaches 3.2"),
        ({"cued_colour": np.full((1, 4), np.nan)}, "'cued_colour' has 4 NaN"),
        ({"cued_colour": None}, "no variable 'cued_colour'"),
    ],
)
def test_loader_refuses_wrong_content(tmp_path, change, message):
    path = tmp_path / "choices.mat"
    savemat(path, {name: array for name, array in (GOOD | change).items() if array is not None})
    with pytest.raises(ValueError, match=message) as caught:
        load_reports(path)
    assert str(path) in str(caught.value)


@needs_data
@pytest.mark.parametrize(("kind", "mean_error_deg"), [("valid", 9.28), ("invalid", 9.27)])
def test_published_choices(kind, mean_error_deg):
    folder = Path(os.environ["CROSSROADS_DATA"]) / "retrocue"
    reports = load_reports(folder / f"expt_4_cue_val_0.5_{kind}_mixmodel_data.mat")
    assert reports.response.shape == (30, 25_600)
    assert np.degrees(np.abs(wrap(reports.response - reports.target)).mean()) == pytest.approx(
        mean_error_deg, abs=0.005
    )
    assert np.degrees(np.abs(wrap(reports.response - reports.non_target)).mean()) == pytest.approx(
        90, abs=0.5
    )
