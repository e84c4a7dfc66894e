import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from crossroads.analyse import state_baselines as baselines
from crossroads.analyse.state_summaries import state_accuracy

LENGTHS = (240, 200, 280)


def people(rng, run, mean_sd=0.0, correlated=0.0, k=3, n=9):
    """Signals and states of people who change state every `run` volumes; lengths need not be its multiples.

    States differ in their mean, or in which three regions share a signal.
    """
    means = mean_sd * rng.normal(size=(k, n))
    series, states = [], []
    for first, length in enumerate(LENGTHS):
        z = (np.arange(length) // run + first) % k
        shared = correlated * rng.normal(size=(length, 1)) * (np.arange(n) // 3 == z[:, None])
        series.append(means[z] + shared + rng.normal(size=(length, n)))
        states.append(z)
    return series, states


def two_normals(rng):
    """Draws of N(-3, 1) and N(3, 1) in equal parts, whose densities meet at 0, and which of them each is."""
    sign = rng.choice([-1, 1], 4000)
    return (3 * sign + rng.normal(size=4000))[:, None], (sign > 0).astype(int)


@pytest.mark.parametrize("method", [baselines.kmeans_frames, baselines.gaussian_mixture])
def test_states_of_different_means_are_found(method):
    series, states = people(np.random.default_rng(0), run=1, mean_sd=3)
    found = method(series, 3, np.random.default_rng(1))
    assert [one.shape for one in found] == [(n,) for n in LENGTHS]
    assert state_accuracy(found, states, 3) > 0.99


def test_a_mixture_sees_covariances_that_clusters_of_frames_miss():
    series, states = people(np.random.default_rng(2), run=20, correlated=4)
    x, z = np.concatenate(series), np.concatenate(states)
    covariances = [np.eye(9) + 16 * np.outer(own, own) for own in np.repeat(np.eye(3), 3, axis=1)]
    density = [multivariate_normal(cov=covariance).pdf(x) for covariance in covariances]
    attainable = np.mean(np.argmax(density, axis=0) == z)
    mixture = baselines.gaussian_mixture(series, 3, np.random.default_rng(3))
    frames = baselines.kmeans_frames(series, 3, np.random.default_rng(3))
    assert state_accuracy(mixture, states, 3) == pytest.approx(attainable, abs=0.02)
    assert state_accuracy(frames, states, 3) < attainable - 0.2


def test_two_normals_part_where_their_densities_meet():
    x, planted = two_normals(np.random.default_rng(4))
    (found,) = baselines.gaussian_mixture([x], 2, np.random.default_rng(5))
    assert state_accuracy([found], [planted], 2) == pytest.approx(norm.cdf(3), abs=0.003)
    high = found == found[x.argmax()]
    assert x[high].min() > x[~high].max()
    assert abs(x[high].min() + x[~high].max()) / 2 < 0.2


def test_windows_find_states_of_different_correlations():
    series, states = people(np.random.default_rng(6), run=40, correlated=4)
    for step in (1, 4):
        found = baselines.sliding_windows(series, 3, np.random.default_rng(7), width=16, step=step)
        assert [one.shape for one in found] == [(n,) for n in LENGTHS]
        # A window is of the state that fills most of it; only near switches may it go wrong.
        assert state_accuracy(found, states, 3) > 0.88
    # Means alone, the same at all times within a run, change no correlation inside a window.
    series, states = people(np.random.default_rng(8), run=40, mean_sd=3)
    apart = baselines.sliding_windows(series, 3, np.random.default_rng(7), width=16)
    assert state_accuracy(apart, states, 3) < 0.7


@pytest.mark.parametrize(("width", "step"), [(10, 1), (11, 1), (10, 3), (11, 10), (10, 20)])
def test_a_volume_has_the_label_of_the_nearest_window(width, step):
    # Two regions move together and then against each other: the correlation in a window is the share of the
    # one less that of the other, and its sign changes where the centre passes the switch.
    n, switch = 90, 50
    one = np.tile([1.0, -1.0], n // 2)
    series = [np.column_stack([one, np.where(np.arange(n) < switch, one, -one)])]
    (found,) = baselines.sliding_windows(series, 2, np.random.default_rng(10), width=width, step=step)
    (last,) = np.flatnonzero(np.diff(found))
    centres = np.arange(0, n - width + 1, step) + (width - 1) / 2
    before, after = centres[centres < switch - 0.5].max(), centres[centres > switch - 0.5].min()
    assert last + 0.5 == pytest.approx((before + after) / 2, abs=1)


@pytest.mark.parametrize(("width", "step"), [(1, 1), (201, 1), (20, 0)])
def test_windows_that_do_not_fit_are_refused(width, step):
    series, _ = people(np.random.default_rng(11), run=40)
    with pytest.raises(ValueError, match=f"windows of {width} volumes every {step} in series of 200"):
        baselines.sliding_windows(series, 3, np.random.default_rng(0), width=width, step=step)


@pytest.mark.parametrize("method", baselines.BASELINES)
def test_the_order_of_people_does_not_matter(method):
    strength = {"mean_sd": 0, "correlated": 5} if method != "K-means on frames" else {"mean_sd": 4}
    series, _ = people(np.random.default_rng(12), run=40, **strength)
    find = baselines.BASELINES[method]
    found = find(series, 3, np.random.default_rng(13))
    turned = find(series[::-1], 3, np.random.default_rng(14))
    assert state_accuracy(turned[::-1], found, 3) > 0.98
    again = find(series, 3, np.random.default_rng(13))
    assert all(one.tobytes() == other.tobytes() for one, other in zip(found, again, strict=True))


@given(seed=st.integers(0, 10**6), n_components=st.integers(1, 6))
def test_principal_series_are_the_singular_vectors_of_all_people_together(seed, n_components):
    rng = np.random.default_rng(seed)
    series = [rng.normal(size=(n, 6)) @ np.diag([6, 5, 4, 3, 2, 1]) + 1 for n in (40, 25)]
    found = baselines.principal_series(series, n_components)
    assert [one.shape for one in found] == [(40, n_components), (25, n_components)]
    joined = np.concatenate(found)
    np.testing.assert_allclose(np.cov(joined.T), np.eye(n_components).squeeze(), atol=1e-10)
    x = np.concatenate(series)
    left = np.linalg.svd(x - x.mean(0), full_matrices=False)[0][:, :n_components] * np.sqrt(len(x) - 1)
    np.testing.assert_allclose(np.abs(np.sum(left * joined, axis=0)) / (len(x) - 1), 1, atol=1e-9)


def test_the_last_window_names_the_last_volumes():
    rng = np.random.default_rng(0)
    one = rng.normal(size=40)
    sign = np.where(np.arange(40) < 30, 1, -1)
    series = [np.column_stack([one, sign * one]) + 0.01 * rng.normal(size=(40, 2))]
    (found,) = baselines.sliding_windows(series, 2, rng, width=10, step=10)
    assert state_accuracy([found], [(sign > 0).astype(int)], 2) == 1
