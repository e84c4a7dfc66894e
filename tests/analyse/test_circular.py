from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm

from crossroads.analyse.circular import circular_mean, one_sample_ci, rayleigh, v_test

ZAR = np.radians([45, 55, 81, 96, 110, 117, 132, 154])  # Zar, Biostatistical Analysis, example 26.4
angle_lists = st.lists(st.floats(-10, 10), min_size=1, max_size=20)


def test_zars_example() -> None:
    mean, low, high = np.degrees(one_sample_ci(ZAR))
    assert [round(mean), round(low), round(high)] == [99, 68, 130]
    assert round(rayleigh(ZAR).effect, 5) == 0.82522
    assert round(rayleigh(ZAR).statistic, 3) == round(8 * 0.82522**2, 3)


def test_pingouins_conventions() -> None:
    # Printed in the documentation of pingouin.circ_vtest and circ_rayleigh, whose statistic comes first.
    angles = np.array([0.785, 1.570, 3.141, 0.839, 5.934])
    v, z = v_test(angles, towards=1.0), rayleigh(angles)
    assert (round(v.statistic, 3), round(v.p, 6), v.n) == (2.486, 0.057946, 5)
    assert (round(z.statistic, 3), round(z.p, 6), z.n) == (1.236, 0.304844, 5)


@given(angles=angle_lists, towards=st.floats(-4, 4), turns=st.integers(-3, 3))
def test_v_statistic_is_the_projected_resultant(angles: list[float], towards: float, turns: int) -> None:
    expected = np.cos(np.array(angles) - towards).sum()
    outcome = v_test(np.array(angles) + 2 * np.pi * turns, towards)
    np.testing.assert_allclose(outcome.statistic, expected, atol=1e-8)
    np.testing.assert_allclose(outcome.p, norm.sf(expected * np.sqrt(2 / len(angles))), atol=1e-8)


def test_v_test_needs_the_right_direction() -> None:
    assert v_test(ZAR, np.radians(99)).p < 0.001
    assert v_test(ZAR, np.radians(-81)).p > 0.999


def test_doubled_plane_angles_gather_round_90() -> None:
    theta = np.radians([80, -85, 95, -100, 90])
    expected = np.cos(np.radians([20, 10, 10, 20, 0])).sum()
    assert v_test(2 * np.abs(theta), np.pi).statistic == pytest.approx(expected)


@given(angles=angle_lists)
def test_nans_do_not_count(angles: list[float]) -> None:
    gappy = np.array([np.nan, *angles, np.nan])
    assert rayleigh(gappy) == rayleigh(np.array(angles))
    assert v_test(gappy, 0.3).n == len(angles)
    np.testing.assert_array_equal(one_sample_ci(gappy), one_sample_ci(np.array(angles)))
    resultant = np.exp(1j * np.array(angles)).sum()
    assume(np.abs(resultant) > 1e-6)  # else rounding decides the direction
    np.testing.assert_allclose(np.exp(1j * circular_mean(gappy)), resultant / np.abs(resultant), atol=1e-6)


def test_nothing_left_gives_nan_and_no_n() -> None:
    gone = np.full(3, np.nan)
    for outcome in (v_test(gone, 0.0), rayleigh(gone)):
        assert outcome.n == 0
        assert np.isnan([outcome.statistic, outcome.p, outcome.effect]).all()
    assert np.isnan(one_sample_ci(gone)).all()
    assert np.isnan(circular_mean(gone))


def test_circular_mean_crosses_the_seam_on_any_axis() -> None:
    angles = np.radians([[170.0, -170.0], [10.0, 30.0]])
    np.testing.assert_allclose(np.abs(np.degrees(circular_mean(angles))), [180, 20])
    np.testing.assert_allclose(np.degrees(circular_mean(angles, axis=0)), [90, 110])


@pytest.mark.parametrize("kappa", [2.0, 20.0])
def test_interval_covers_the_true_mean(kappa: float) -> None:
    # kappa 2 and 20 fall on either side of r = .9, where the formula changes.
    rng = np.random.default_rng(0)
    intervals = np.array([one_sample_ci(rng.vonmises(2.5, kappa, 25)) for _ in range(1500)])
    covered = (intervals[:, 1] <= 2.5) & (intervals[:, 2] >= 2.5)
    wrapped = (intervals[:, 1] <= 2.5 - 2 * np.pi) & (2.5 - 2 * np.pi <= intervals[:, 2])
    assert 0.93 < (covered | wrapped).mean() < 0.97


def test_interval_narrows_with_the_level() -> None:
    wide, narrow = one_sample_ci(ZAR, 0.99), one_sample_ci(ZAR, 0.5)
    assert wide[1] < narrow[1] < narrow[0] == wide[0] < narrow[2] < wide[2]


def test_scattered_angles_have_no_interval() -> None:
    mean, low, high = one_sample_ci(np.radians([0, 90, 180, 271]))
    assert np.isfinite(mean)
    assert np.isnan([low, high]).all()
