import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import iv
from scipy.stats import vonmises

from crossroads.analyse import mixture
from crossroads.analyse.mixture import concentration, fit_mixture, fit_von_mises
from crossroads.data.colour_reports import load_reports, simulate_reports

needs_data = pytest.mark.skipif(
    "CROSSROADS_DATA" not in os.environ,
    reason="CROSSROADS_DATA is unset: the authors' choice files are not here",
)


def fit_rows(reports, **options):
    """Fitted (K, p_T, p_NT, p_U) of every subject."""
    rows = zip(reports.target, reports.non_target, reports.response, strict=True)
    fits = [fit_mixture(*row, **options) for row in rows]
    return np.array([[f.k, f.p_target, f.p_non_target, f.p_uniform] for f in fits])


def log_likelihood(k, p_target, p_non_target, target, non_target, response):
    density = (
        p_target * vonmises.pdf(response - target, k)
        + p_non_target * vonmises.pdf(response - non_target, k)
        + (1 - p_target - p_non_target) / (2 * np.pi)
    )
    return np.log(density).sum()


@given(st.floats(0.001, 500))
def test_concentration_inverts_the_bessel_ratio(k):
    assert concentration(iv(1, k) / iv(0, k)) == pytest.approx(k, rel=1e-9)


def test_concentration_at_its_ends():
    np.testing.assert_allclose(concentration(np.array([-0.5, 0.0, 1e-6])), [0, 0, 2e-6], rtol=1e-6)
    np.testing.assert_allclose(concentration(np.array([1 - 1 / 4000, 1.0])), [2000, mixture.K_MAX], rtol=1e-3)


def test_von_mises_fit_is_scipys():
    errors = np.random.default_rng(0).vonmises(0.4, 7, (3, 400))
    fit = fit_von_mises(errors)
    k, mean, _ = vonmises.fit(errors.ravel(), fscale=1)
    assert (fit.k, fit.mean, fit.n) == (pytest.approx(k, rel=1e-6), pytest.approx(mean, abs=1e-6), 1200)


def test_recovery_with_the_scatter_of_the_fisher_information():
    planted, n_subjects, n_trials = np.array([4.0, 0.8, 0.05]), 200, 3000
    reports = simulate_reports(4, 0.8, 0.05, 0.15, n_subjects, n_trials, np.random.default_rng(1))
    fits = fit_rows(reports)[:, :3]

    # Expected information of one trial, summed over a grid of the error and the distance of the two colours.
    error, distance = np.meshgrid(
        np.linspace(-np.pi, np.pi, 400, endpoint=False), 2 * np.pi / 64 * np.arange(64)
    )

    def density(parameters):
        k, p_target, p_non_target = parameters
        shapes = [np.exp(k * np.cos(a)) / (2 * np.pi * iv(0, k)) for a in (error, error - distance)]
        return p_target * shapes[0] + p_non_target * shapes[1] + (1 - p_target - p_non_target) / (2 * np.pi)

    steps = 1e-5 * np.eye(3)
    slopes = np.stack([(density(planted + s) - density(planted - s)) / 2e-5 for s in steps])
    information = np.einsum("aij,bij,ij->ab", slopes, slopes, 1 / density(planted)) * 2 * np.pi / error.size
    se = np.sqrt(np.diag(np.linalg.inv(information)) / n_trials)
    np.testing.assert_allclose(fits.std(0, ddof=1) / se, 1, atol=0.2)  # the scatter of 200 is known to 5 %
    assert np.abs((fits.mean(0) - planted) / (se / np.sqrt(n_subjects))).max() < 4


@pytest.mark.parametrize("truth", [(4, 0.8, 0.05, 0.15), (25, 0.6, 0.3, 0.1), (1.5, 0.5, 0.2, 0.3)])
def test_no_direct_search_finds_a_higher_likelihood(truth):
    reports = simulate_reports(*truth, 1, 800, np.random.default_rng(2))
    data = (reports.target[0], reports.non_target[0], reports.response[0])
    fit = fit_mixture(*data)
    assert fit.log_likelihood == pytest.approx(
        log_likelihood(fit.k, fit.p_target, fit.p_non_target, *data), abs=0.01
    )
    softmax = lambda x: np.exp(x) / np.exp(x).sum()  # noqa: E731
    best = max(
        -minimize(
            lambda x: -log_likelihood(np.exp(x[0]), *softmax(np.r_[x[1:], 0])[:2], *data),
            start,
            method="Nelder-Mead",
            options={"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-8},
        ).fun
        for start in ([1, 1, 0], [3, 2, -1])
    )
    assert fit.log_likelihood == pytest.approx(best, abs=0.01)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 60), k=st.floats(0, 50))
def test_likelihood_never_falls(seed, n, k):
    reports = simulate_reports(k, 0.5, 0.2, 0.3, 1, n, np.random.default_rng(seed))
    errors, count = mixture._collapse(reports.response - np.concatenate([reports.target, reports.non_target]))
    k_now, p = mixture.STARTS_K, mixture.STARTS_P
    path = []
    for _ in range(30):
        k_now, p, value = mixture._em_step(k_now, p, errors, count, False)
        path.append(value)
        np.testing.assert_allclose(p.sum(1), 1)
    assert np.diff(path, axis=0).min() > -1e-8


@given(seed=st.integers(0, 2**32), turn=st.floats(-10, 10))
def test_turning_the_wheel_or_exchanging_the_items(seed, turn):
    reports = simulate_reports(10, 0.6, 0.3, 0.1, 1, 300, np.random.default_rng(seed))
    target, other, response = reports.target[0], reports.non_target[0], reports.response[0]
    fit = fit_mixture(target, other, response)
    turned = fit_mixture(target + turn, other + turn, response + turn)
    assert turned.k == pytest.approx(fit.k, rel=0.01)
    assert turned.p_target == pytest.approx(fit.p_target, abs=1e-3)
    exchanged = fit_mixture(other, target, response)
    assert exchanged.log_likelihood == pytest.approx(fit.log_likelihood, abs=0.01)
    assert exchanged.p_non_target == pytest.approx(fit.p_target, abs=0.01)


def test_limits():
    target, other = 2 * np.pi / 64 * np.random.default_rng(3).integers(64, size=(2, 4000))
    perfect = fit_mixture(target, other, target)
    assert (perfect.k, perfect.p_target) == (pytest.approx(mixture.K_MAX), pytest.approx(1, abs=1e-3))
    swapped = fit_mixture(target, other, other)
    assert swapped.p_non_target == pytest.approx(1, abs=1e-3)
    guessed = fit_mixture(target, other, np.linspace(-np.pi, np.pi, 4000, endpoint=False))
    assert guessed.log_likelihood == pytest.approx(
        -4000 * np.log(2 * np.pi), abs=5
    )  # 3 parameters fit some noise


def test_the_toolbox_takes_bias_for_precision():
    rng = np.random.default_rng(4)
    target, other = rng.uniform(-np.pi, np.pi, (2, 40_000))
    response = target + 0.1 + rng.vonmises(0, 10, 40_000)
    assert fit_mixture(target, other, response, toolbox=True).k == pytest.approx(10, rel=0.02)
    about_zero = 1 / (1 / 10 + 0.1**2)  # a bias adds its square to the variance 1/K
    assert fit_mixture(target, other, response).k == pytest.approx(about_zero, rel=0.02)


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        ((np.zeros(3), np.zeros(3), np.zeros(4)), r"one shape \(n_trials,\); got \[\(3,\), \(3,\), \(4,\)\]"),
        ((np.zeros((2, 3)),) * 3, "one shape"),
        ((np.zeros(0),) * 3, "one shape"),
        (
            (np.zeros(2), np.array([0, np.nan]), np.array([np.inf, np.nan])),
            r"\[0, 1, 2\] values that are not",
        ),
    ],
)
def test_refuses_bad_angles(angles, message):
    with pytest.raises(ValueError, match=message):
        fit_mixture(*angles)


@pytest.mark.parametrize("errors", [np.zeros(0), np.array([0, np.nan])])
def test_von_mises_refuses_bad_errors(errors):
    with pytest.raises(ValueError, match="need finite errors"):
        fit_von_mises(errors)


@needs_data
@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_published_choices(kind):
    """Means over the 30 networks, measured on the published files with the toolbox's update of K."""
    folder = Path(os.environ["CROSSROADS_DATA"]) / "retrocue"
    fits = fit_rows(load_reports(folder / f"expt_4_cue_val_0.5_{kind}_mixmodel_data.mat"), toolbox=True)
    k, p_target, p_non_target, _ = fits.mean(0)
    assert k == pytest.approx(25.3, abs=0.1)
    assert p_target == pytest.approx(0.992, abs=6e-4)
    assert p_non_target == pytest.approx(0.0007, abs=6e-5)
