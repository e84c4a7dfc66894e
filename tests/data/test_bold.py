"""Standardised signals must be what scikit-learn makes of detrended ones; unusable ones must be refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from crossroads.data.bold import by_person, standardise


@given(
    n=st.integers(1, 6),
    extra=st.integers(3, 60),
    slope=st.floats(-100, 100),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**32),
)
def test_trend_mean_and_scale_go(n, extra, slope, scale, seed):
    rng = np.random.default_rng(seed)
    time = np.arange(n + extra)[:, None]
    noise = rng.normal(size=(n + extra, n))
    rest = noise - LinearRegression().fit(time, noise).predict(time)
    expected = StandardScaler().fit_transform(rest)
    found = standardise(scale * (noise + slope * time + 7), "someone")
    np.testing.assert_allclose(found, expected, atol=1e-7)


@given(
    level=st.floats(-1e9, 1e9, allow_subnormal=False),
    slope=st.sampled_from([0.0, 1e-3, 1.0]),
    n=st.integers(5, 500),
)
def test_a_constant_signal_is_seen_at_any_level(level, slope, n):
    series = np.random.default_rng(n).normal(size=(n, 3))
    series[:, 1] = level * (1 + slope * np.arange(n))
    with pytest.raises(ValueError, match=r"scan.npy: the signal of regions \[1\] is constant"):
        standardise(series, "scan.npy")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda x: x.T, r"scan.npy: shape \(3, 20\); expected .* transpose"),
        (lambda x: x[:3], r"shape \(3, 3\)"),
        (lambda x: x[:, 0], r"shape \(20,\)"),
        (
            lambda x: np.where(np.arange(3) == 2, np.nan, x),
            r"scan.npy: .* \[2\] are not finite",
        ),
        (lambda x: np.where(x == x[4, 0], np.inf, x), r"regions \[0\] are not finite"),
    ],
)
def test_unusable_signals_are_refused(spoil, text):
    series = np.random.default_rng(0).normal(size=(20, 3))
    standardise(series, "scan.npy")
    with pytest.raises(ValueError, match=text):
        standardise(spoil(series), "scan.npy")


def test_what_is_known_of_volumes_goes_back_to_people():
    series = [np.zeros((n, 2)) for n in (3, 1, 4)]
    parts = by_person(np.arange(8), series)
    assert [part.tolist() for part in parts] == [[0, 1, 2], [3], [4, 5, 6, 7]]
