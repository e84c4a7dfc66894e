"""Surrogates keep spectra and static connectivity to the last digits, and lose what comes and goes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import csd

from crossroads.data.bold_surrogates import shared_phases


def lagged(series, lag):
    return series.T @ np.roll(series, -lag, axis=0) / len(series)


@given(n_volumes=st.integers(2, 60), n_regions=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_spectra_and_covariances_stay(n_volumes, n_regions, seed):
    rng = np.random.default_rng(seed)
    series = rng.normal(3, 2, (n_volumes, n_regions)).cumsum(0)
    found = shared_phases(series, rng)
    assert found.dtype == np.float64
    assert found.shape == series.shape
    size = 1e-12 * np.abs(series).max()
    np.testing.assert_allclose(found.mean(0), series.mean(0), atol=size)
    power = [np.abs(np.fft.fft(one, axis=0)) for one in (series, found)]
    np.testing.assert_allclose(power[1], power[0], atol=size * n_volumes)
    for lag in range(n_volumes):  # in time, where the code under test has not been
        np.testing.assert_allclose(
            lagged(found, lag), lagged(series, lag), atol=size * np.abs(series).max() * n_volumes
        )


def test_cross_spectra_stay():
    rng = np.random.default_rng(0)
    series = rng.normal(size=(400, 3)).cumsum(0)
    found = shared_phases(series, rng)
    for i, j in ((0, 1), (1, 2)):
        a, b = (csd(x[:, i], x[:, j], nperseg=400, window="boxcar")[1] for x in (series, found))
        np.testing.assert_allclose(b, a, atol=1e-10 * np.abs(a).max())


def test_what_comes_and_goes_is_lost():
    """Two regions that agree in the first half and disagree in the second have no such halves any more."""
    rng = np.random.default_rng(1)
    wave = rng.normal(size=4000)
    series = np.column_stack([wave, np.where(np.arange(4000) < 2000, wave, -wave)])
    found = shared_phases(series, rng)
    first, second = (np.corrcoef(found[half].T)[0, 1] for half in (slice(2000), slice(2000, None)))
    assert max(abs(first), abs(second)) < 0.1
    # A burst is spread over all of time: its values come near a normal distribution's.
    burst = np.zeros((4000, 1))
    burst[100] = 1.0
    kurtosis = (shared_phases(burst, rng) ** 4).mean() / (shared_phases(burst, rng) ** 2).mean() ** 2
    assert 2.5 < kurtosis < 3.5


def test_the_generator_alone_decides():
    series = np.random.default_rng(0).normal(size=(51, 4))
    a, b, other = (shared_phases(series, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert a.tobytes() == b.tobytes()
    assert np.abs(a - other).max() > 0.5
    assert np.abs(a - series).max() > 0.5
