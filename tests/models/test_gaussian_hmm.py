import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from hmmlearn.vhmm import VariationalGaussianHMM
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import multigammaln
from scipy.stats import multivariate_normal

from crossroads.models import gaussian_hmm as hmm

TRANSITION = np.array([[0.95, 0.03, 0.02], [0.05, 0.9, 0.05], [0.02, 0.08, 0.9]])


def planted(rng, n_people=4, n_volumes=300, n_regions=5):
    """Three states that differ in mean and covariance; series and states."""
    mean = rng.normal(size=(3, n_regions))
    mixing = rng.normal(size=(3, n_regions, n_regions))
    series, states = [], []
    for _ in range(n_people):
        z = [0]
        for _ in range(n_volumes - 1):
            z.append(rng.choice(3, p=TRANSITION[z[-1]]))
        noise = rng.normal(size=(n_volumes, n_regions))
        series.append(mean[z] + np.einsum("tij,tj->ti", mixing[z], noise))
        states.append(np.array(z))
    return series, states


@pytest.fixture(scope="module")
def series():
    return planted(np.random.default_rng(0))[0]


@pytest.fixture(scope="module")
def fitted(series):
    return hmm.fit_states(series, 3, np.random.default_rng(1))


def test_planted_states_are_found():
    series, states = planted(np.random.default_rng(5))
    fit = min(
        (hmm.fit_states(series, 3, np.random.default_rng(seed)) for seed in range(3)),
        key=lambda fit: fit.free_energy[-1],
    )
    path, truth = np.concatenate(hmm.most_likely_path(fit, series)), np.concatenate(states)
    meant = np.array([np.bincount(truth[path == k], minlength=3).argmax() for k in range(3)])
    assert sorted(meant) == [0, 1, 2]
    assert np.mean(meant[path] == truth) > 0.97
    found = hmm.expected_transition(fit.counts)[np.ix_(np.argsort(meant), np.argsort(meant))]
    np.testing.assert_allclose(found, TRANSITION, atol=0.05)


def test_one_state_has_the_evidence_of_a_normal_wishart_prior(series):
    """eq-hmgm-energy: of one state, against the evidence in closed form."""
    x = np.concatenate(series)
    n, p = x.shape
    spread = np.ptp(x, axis=0)
    weight, dof, prior_dof = hmm.MEAN_WEIGHT + n, p + 0.1 + n, p + 0.1
    centre = x.sum(0) / weight
    scatter = np.diag(spread) + x.T @ x - weight * np.outer(centre, centre)
    evidence = (
        -0.5 * n * p * np.log(np.pi)
        + 0.5 * p * np.log(hmm.MEAN_WEIGHT / weight)
        + multigammaln(dof / 2, p)
        - multigammaln(prior_dof / 2, p)
        + 0.5 * prior_dof * np.log(spread).sum()
        - 0.5 * dof * np.linalg.slogdet(scatter)[1]
    )
    fit = hmm.fit_states(series, 1, np.random.default_rng(0))
    assert fit.free_energy[-1] == pytest.approx(-evidence, rel=1e-12)


def test_free_energy_and_posteriors_are_those_of_hmmlearn(series):
    """eq-hmgm-energy: three cycles from the same posterior, against another library.

    hmmlearn's bound leaves out the constant (n N / 2) ln 2 pi.
    """
    first, fourth = (hmm.fit_states(series, 3, np.random.default_rng(1), n) for n in (1, 4))
    x, lengths = np.concatenate(series), [len(one) for one in series]
    n_regions = x.shape[1]
    peer = VariationalGaussianHMM(3, init_params="", n_iter=4, tol=-np.inf)
    peer.n_features = n_regions
    peer.startprob_prior_, peer.startprob_posterior_ = np.ones(3), first.start
    peer.transmat_prior_, peer.transmat_posterior_ = 1 + 9 * np.eye(3), first.transition
    peer.means_prior_, peer.means_posterior_ = np.zeros((3, n_regions)), first.mean
    peer.beta_prior_, peer.beta_posterior_ = np.full(3, hmm.MEAN_WEIGHT), first.weight
    peer.dof_prior_, peer.dof_posterior_ = np.full(3, n_regions + 0.1), first.dof
    peer.scale_prior_ = np.tile(np.diag(np.ptp(x, axis=0)), (3, 1, 1))
    peer.scale_posterior_, peer._covars_ = first.scatter, first.covariance
    peer.fit(x, lengths)
    constant = 0.5 * x.size * np.log(2 * np.pi)
    np.testing.assert_allclose(-fourth.free_energy, np.array(peer.monitor_.history) - constant, rtol=1e-9)
    # The peer ends with an update that its last bound has not seen; ours after five cycles is that one.
    fifth = hmm.fit_states(series, 3, np.random.default_rng(1), 5)
    np.testing.assert_allclose(fifth.mean, peer.means_posterior_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fifth.scatter, peer.scale_posterior_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fifth.transition, peer.transmat_posterior_, rtol=1e-6)


def test_likelihood_path_and_probabilities_are_those_of_hmmlearn(series, fitted):
    """eq-hmgm-hmm: against another library's Gaussian HMM with the same parameters."""
    x, lengths = np.concatenate(series), [len(one) for one in series]
    peer = GaussianHMM(3, covariance_type="full")
    peer.startprob_ = fitted.start / fitted.start.sum()
    peer.transmat_ = fitted.transition / fitted.transition.sum(1, keepdims=True)
    peer.means_, peer.covars_ = fitted.mean, fitted.covariance
    assert hmm.log_likelihood(fitted, series) == pytest.approx(peer.score(x, lengths), rel=1e-9)
    path = np.concatenate(hmm.most_likely_path(fitted, series))
    np.testing.assert_array_equal(path, peer.predict(x, lengths))


def test_free_energy_falls_in_every_cycle(series):
    for n_states in (2, 5):
        energy = hmm.fit_states(series, n_states, np.random.default_rng(n_states), 60).free_energy
        assert (np.diff(energy) <= 1e-9 * np.abs(energy[1:])).all()


def test_inferring_the_same_series_gives_what_the_fit_ended_with(series, fitted):
    inferred = hmm.infer_states(fitted, series)
    np.testing.assert_allclose(inferred.counts, fitted.counts, rtol=1e-12)
    for probability, one in zip(inferred.probability, series, strict=True):
        assert probability.shape == (len(one), 3)
        np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-12)
    assert inferred.counts.sum() == pytest.approx(sum(len(one) - 1 for one in series))


def test_density_is_scipys(series):
    rng = np.random.default_rng(2)
    mean, root = rng.normal(size=(2, 5)), rng.normal(size=(2, 5, 7))
    covariance = root @ root.transpose(0, 2, 1)
    found = hmm.log_density(series[0], mean, covariance)
    for k in range(2):
        expected = multivariate_normal(mean[k], covariance[k]).logpdf(series[0])
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-10)


@given(st.integers(1, 4), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(0, 99))
def test_recursions_are_sums_over_all_paths(n_states, lengths, seed):
    """Evidence, probabilities and counts of one series add up by brute force; of several, they add."""
    rng = np.random.default_rng(seed)
    lengths = [min(n, 4) for n in lengths]
    density = rng.normal(size=(sum(lengths), n_states)) * 3
    start, transition = rng.random(n_states), rng.random((n_states, n_states))
    probability, first, counts, evidence = hmm._forward_backward(
        density, np.array(lengths), start, transition
    )
    begin, total = 0, 0.0
    expected, expected_counts, firsts = np.zeros_like(probability), np.zeros_like(counts), np.zeros(n_states)
    for n in lengths:
        paths = np.stack(np.meshgrid(*[np.arange(n_states)] * n, indexing="ij"), -1).reshape(-1, n)
        weight = start[paths[:, 0]] * np.exp(density[np.arange(begin, begin + n), paths].sum(1))
        weight *= transition[paths[:, :-1], paths[:, 1:]].prod(1)
        total += np.log(weight.sum())
        weight /= weight.sum()
        for t in range(n):
            np.add.at(expected[begin + t], paths[:, t], weight)
            if t:
                np.add.at(expected_counts, (paths[:, t - 1], paths[:, t]), weight)
        np.add.at(firsts, paths[:, 0], weight)
        begin += n
    assert evidence == pytest.approx(total, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(probability, expected, atol=1e-10)
    np.testing.assert_allclose(counts, expected_counts, atol=1e-9)
    np.testing.assert_allclose(first, firsts, atol=1e-10)


def test_same_generator_same_bytes(series):
    one, other = (hmm.fit_states(series, 3, np.random.default_rng(4), 5) for _ in range(2))
    assert one.scatter.tobytes() == other.scatter.tobytes()


def test_counts_of_an_unused_state_give_probabilities():
    found = hmm.expected_transition(np.array([[98.0, 2.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[98.5 / 101, 2.5 / 101], [0.5, 0.5]])


def test_bad_input_is_named(series):
    with pytest.raises(ValueError, match="0 states; at least one"):
        hmm.fit_states(series, 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"\(300, 4\).*one atlas"):
        hmm.fit_states([series[0], series[1][:, :4]], 2, np.random.default_rng(0))


def test_a_fit_starts_from_runs_of_ten_volumes():
    probability = hmm.random_states(20_000, 4, np.random.default_rng(0))
    np.testing.assert_allclose(probability.sum(1), 1)
    assert set(np.round(probability.ravel(), 12)) == {0.025, 0.925}
    changes = np.mean(np.diff(probability.argmax(1)) != 0)
    assert changes == pytest.approx(0.75 / 10, abs=0.006)  # one new run in four is of the same state


def test_prior_holds_ten_stays_for_one_change():
    np.testing.assert_array_equal(hmm.prior_counts(2), [[10, 1], [1, 10]])
