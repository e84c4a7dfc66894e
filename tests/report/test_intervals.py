"""Bootstrap intervals against normal theory, and their coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.report.intervals import Estimate, estimate, number


def test_interval_of_a_mean_is_the_normal_one_with_the_plug_in_spread():
    samples = np.random.default_rng(1).normal(3.0, 2.0, 400)
    got = estimate(samples, "Hz", np.random.default_rng(2), n_boot=20_000)
    half = 1.95996 * samples.std() / np.sqrt(len(samples))  # the bootstrap's own limit, hence ddof 0
    assert got.value == pytest.approx(samples.mean())
    assert got.low == pytest.approx(samples.mean() - half, abs=0.03 * half)
    assert got.high == pytest.approx(samples.mean() + half, abs=0.03 * half)
    assert (got.n, got.unit) == (400, "Hz")


def test_a_narrower_level_gives_the_standard_error():
    samples = np.random.default_rng(1).normal(3.0, 2.0, 400)
    got = estimate(samples, "", np.random.default_rng(2), n_boot=20_000, level=0.6827)
    assert (got.high - got.low) / 2 == pytest.approx(samples.std() / 20, rel=0.03)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    runs = [estimate(rng.normal(5.0, 1.0, 30), "", rng, n_boot=400) for _ in range(400)]
    covered = np.mean([run.low <= 5.0 <= run.high for run in runs])
    # Percentile intervals of 30 items fall short of 95 %: plug-in spread and normal quantiles give 93.3 %.
    assert covered == pytest.approx(0.933, abs=0.035)


def test_groups_are_resampled_independently():
    rng = np.random.default_rng(4)
    a, b = rng.normal(2.0, 1.0, 300), rng.normal(0.0, 3.0, 200)
    got = estimate((a, b), "", rng, statistic=lambda x, y: x.mean() - y.mean(), n_boot=10_000)
    half = 1.95996 * np.sqrt(a.var() / len(a) + b.var() / len(b))
    assert got.n == 500
    assert got.high - got.low == pytest.approx(2 * half, rel=0.05)


def test_rows_stay_together():
    x = np.random.default_rng(5).normal(size=50)
    got = estimate(
        np.column_stack([x, 2 * x]), "", np.random.default_rng(6), lambda rows: np.corrcoef(rows.T)[0, 1]
    )
    assert (got.low, got.high) == pytest.approx((1.0, 1.0))


def test_same_generator_same_interval():
    samples = np.arange(9.0)
    assert estimate(samples, "", np.random.default_rng(7)) == estimate(samples, "", np.random.default_rng(7))


def test_what_cannot_have_an_interval_is_refused():
    rng = np.random.default_rng(8)
    with pytest.raises(ValueError, match="at least two items"):
        estimate(np.array([1.0]), "", rng)
    with pytest.raises(ValueError, match="1 of 3 sample values"):
        estimate(np.array([1.0, np.nan, 2.0]), "", rng)
    with pytest.raises(ValueError, match="undefined for [1-9][0-9]* of 200 resamples"):
        estimate(
            np.array([0.0, 1.0]), "", rng, statistic=lambda x: 1 / x.std() if x.std() else np.nan, n_boot=200
        )


@pytest.mark.parametrize("bad", [(np.nan, 0, 1, 5), (0, -np.inf, 1, 5), (0, 0, 0, 0)])
def test_an_estimate_is_finite_and_of_something(bad):
    with pytest.raises(ValueError, match="is None"):
        Estimate(*bad)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.00071449, "0.000714"),
        (-12.345, "−12.3"),
        (1234.6, "1235"),
        (0.0, "0"),
        (-0.0, "0"),
        (99.96, "100"),
        (5, "5"),
        (-4.2e-9, "−4.2·10⁻⁹"),
        (9.999e-5, "1·10⁻⁴"),
    ],
)
def test_numbers_as_printed(x, text):
    assert number(x) == text


@given(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) >= 1e-4))
def test_a_printed_number_keeps_three_digits(x):
    assert float(number(x).replace("−", "-")) == pytest.approx(x, rel=0.0051)


def test_an_estimate_as_text():
    assert str(Estimate(82.04, 78.0, 86.49, 10, "deg")) == "82 deg (78 to 86.5, n = 10)"
    assert str(Estimate(0.196, 0.196, 0.196, 1)) == "0.196 (n = 1)"
    assert str(Estimate(88.0, 88.0, 88.0, 1, "°")) == "88° (n = 1)"
