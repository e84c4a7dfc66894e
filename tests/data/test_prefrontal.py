import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.linalg import subspace_angles

from crossroads.data import prefrontal
from crossroads.data.prefrontal import PrefrontalSettings, load_lpfc_planes, simulate_lpfc, simulate_trials

needs_data = pytest.mark.skipif(
    "CROSSROADS_DATA" not in os.environ, reason="CROSSROADS_DATA is unset: planesDemo.mat is not here"
)
LINEAR = {"gain": 1e-5, "n_trials": 1, "n_neurons": 40}  # softplus is a straight line for so small a gain


def drive(patterns_hz):
    """Planted drive up to a factor, where the gain is tiny: rates relative to a neuron's mean, minus one."""
    return patterns_hz / patterns_hz.mean(0) - 1


def centred(block):
    return block - block.mean(0)


def alignment(patterns):
    """Symmetrised two-dimensional alignment index of rows 0-3 and 4-7, from its definition."""
    x, y = centred(patterns[:4]), centred(patterns[4:])
    shares = []
    for a, b in ((x, y), (y, x)):
        axes = np.linalg.svd(a)[2][:2]
        shares.append(np.sum((b @ axes.T) ** 2) / np.sum(np.linalg.svd(b)[1][:2] ** 2))
    return np.mean(shares)


@pytest.mark.parametrize("theta", [0.0, 35.0, 90.0, 140.0])
@pytest.mark.parametrize("geometry", ["4d", "hinge"])
def test_noise_free_patterns_hold_the_planted_angle(geometry, theta):
    settings = PrefrontalSettings(geometry=geometry, theta_pre_deg=theta, **LINEAR)
    truth = simulate_trials(settings, np.random.default_rng(0)).truth["pre-cue"]
    z = drive(truth.patterns_hz)
    planes = [np.linalg.svd(centred(z[rows]))[2][:2].T for rows in (slice(0, 4), slice(4, 8))]
    folded = min(theta, 180 - theta)  # principal angles have no sense of direction
    expected = [folded, folded if geometry == "4d" else 0]
    np.testing.assert_allclose(np.rad2deg(subspace_angles(*planes)), expected, atol=0.01)
    assert alignment(z) == pytest.approx(truth.ai2, abs=1e-4)


def test_phase_offset_and_uncued_gain():
    """A phase of one bin shifts location 2 by a row; locations lie `offset` apart; uncued planes shrink."""
    settings = PrefrontalSettings(psi_cued_deg=90, theta_uncued_deg=0, uncued_gain=0.2, offset=0.6, **LINEAR)
    truth = simulate_trials(settings, np.random.default_rng(1)).truth
    z = drive(truth["post-cue"].patterns_hz)
    np.testing.assert_allclose(centred(z[4:]), np.roll(centred(z[:4]), -1, axis=0), atol=1e-9)
    uncued = drive(truth["post-cue uncued"].patterns_hz)
    np.testing.assert_allclose(centred(uncued[:4]), 0.2 * centred(z[:4]), atol=1e-9)
    # In root mean squares over neurons; a bin's 16 unit vectors have a mean sin(pi/4)/(16 sin(pi/64)) long.
    apart = np.sqrt(np.mean((z[:4].mean(0) - z[4:].mean(0)) ** 2))
    radius = np.sqrt(np.mean(centred(z[:4]) ** 2) * 2)
    assert apart / radius == pytest.approx(
        0.6 / (np.sin(np.pi / 4) / (16 * np.sin(np.pi / 64))) / np.sqrt(2), rel=1e-3
    )


def test_means_of_many_trials_are_the_truth():
    settings = PrefrontalSettings(n_neurons=30, n_trials=4000)
    trials = simulate_trials(settings, np.random.default_rng(2))
    rates = prefrontal.condition_rates(trials)
    for epoch, truth in trials.truth.items():
        se = np.sqrt(truth.patterns_hz / 0.3 / 4000)
        z = (rates.epochs[epoch] - truth.patterns_hz) / se
        assert np.abs(z).max() < 5.5
        assert np.std(z) == pytest.approx(1, abs=0.2)  # Poisson, and a little from the colours inside a bin


@pytest.mark.parametrize("fano", [1.0, 1.3])
def test_counts_have_the_fano_factor(fano):
    settings = PrefrontalSettings(n_neurons=400, n_trials=250, gain=0, fano=fano)
    counts = simulate_trials(settings, np.random.default_rng(3)).rates_hz["pre-cue"] * 0.3
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    busy = counts[:, counts.mean(0) > 0.3]
    assert np.mean(busy.var(0, ddof=1) / busy.mean(0)) == pytest.approx(fano, abs=0.02)


def test_baselines_spread_like_the_published_neurons():
    settings = PrefrontalSettings(n_neurons=20_000, n_trials=1, gain=0)
    baseline = simulate_trials(settings, np.random.default_rng(4)).truth["pre-cue"].patterns_hz[0]
    quartiles = 2 * np.exp(1.3 * np.array([-0.6745, 0, 0.6745]))
    np.testing.assert_allclose(np.quantile(baseline, [0.25, 0.5, 0.75]), quartiles, rtol=0.05)
    assert baseline.min() >= 0.05
    assert baseline.max() == 45


def test_halves_are_disjoint_and_complete():
    trials = simulate_trials(PrefrontalSettings(n_neurons=6, n_trials=10), np.random.default_rng(5))
    whole = prefrontal.condition_rates(trials).epochs
    first, second = prefrontal.split_halves(trials, np.random.default_rng(6))
    for epoch in whole:
        np.testing.assert_allclose((first.epochs[epoch] + second.epochs[epoch]) / 2, whole[epoch])
        assert not np.allclose(first.epochs[epoch], second.epochs[epoch])
    with pytest.raises(ValueError, match="row 0 .* has 1 trials; 2 or more"):
        prefrontal.split_halves(
            simulate_trials(PrefrontalSettings(n_trials=1), np.random.default_rng(7)),
            np.random.default_rng(8),
        )


def test_few_trials_lower_the_alignment():
    """A prototype read .71, .92 and .99 at 40, 200 and 2000 trials a bin; orthogonal planes .05-.07."""
    means = {}
    for n_trials in (40, 200, 2000):
        rates = [
            simulate_lpfc(PrefrontalSettings(n_trials=n_trials), np.random.default_rng(s)).epochs
            for s in range(3)
        ]
        means[n_trials] = [np.mean([alignment(r[e]) for r in rates]) for e in ("post-cue", "pre-cue")]
    parallel, orthogonal = np.transpose(list(means.values()))
    np.testing.assert_allclose(parallel, [0.71, 0.92, 0.99], atol=0.1)
    assert np.all(np.diff(parallel) > 0)
    assert orthogonal.max() < 0.15


def test_controls_remove_what_they_should():
    rng = np.random.default_rng(9)
    trials = simulate_trials(PrefrontalSettings(n_trials=2000, gain=0.4), rng)

    def spread(rates, epoch):
        return np.sum(centred(rates.epochs[epoch][:4]) ** 2)

    plain = prefrontal.condition_rates(trials)
    shuffled = prefrontal.condition_rates(prefrontal.shuffle_colours(trials, rng))
    assert spread(shuffled, "post-cue") < 0.02 * spread(plain, "post-cue")
    swapped = prefrontal.condition_rates(prefrontal.swap_locations(trials, rng))
    assert alignment(plain.epochs["pre-cue"]) < 0.15
    assert alignment(swapped.epochs["pre-cue"]) > 0.9
    assert shuffled.truth is None
    assert swapped.truth is None
    silent = simulate_lpfc(PrefrontalSettings(n_trials=2000, gain=0), np.random.default_rng(10))
    assert spread(silent, "post-cue") < 0.02 * spread(plain, "post-cue")
    assert np.isnan(silent.truth["post-cue"].ai2)


def test_same_generator_same_population():
    first, again = (
        simulate_lpfc(PrefrontalSettings(n_trials=3), np.random.default_rng(11)) for _ in range(2)
    )
    for epoch in first.epochs:
        np.testing.assert_array_equal(first.epochs[epoch], again.epochs[epoch])


@pytest.mark.parametrize(
    "bad", [{"n_neurons": 4}, {"n_trials": 0}, {"geometry": "2d"}, {"gain": -0.1}, {"fano": 0.9}]
)
def test_simulation_refuses_impossible_settings(bad):
    with pytest.raises(ValueError, match="need n_neurons >= 5"):
        simulate_lpfc(PrefrontalSettings(**bad), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("dat", "message"),
    [
        (np.zeros((380, 8)), r"shape \(380, 8\), expected \(8, n_neurons\)"),
        (np.zeros((8, 2)), "with 3 neurons or more"),
        (np.zeros((8, 3, 2)), r"shape \(8, 3, 2\)"),
        (np.full((8, 3), -0.25), "reaches -0.25, expected mean rates in Hz"),
        (np.full((8, 3), np.nan), "'dat' has 24 NaN"),
    ],
)
def test_loader_refuses_wrong_content(tmp_path, dat, message):
    path = tmp_path / "planes.mat"
    savemat(path, {"dat": dat})
    with pytest.raises(ValueError, match=message) as caught:
        load_lpfc_planes(path)
    assert str(path) in str(caught.value)


def test_loader_takes_other_recordings(tmp_path):
    dat = np.random.default_rng(0).random((8, 3))
    savemat(tmp_path / "own.mat", {"dat": dat})
    rates = load_lpfc_planes(tmp_path / "own.mat")
    np.testing.assert_array_equal(rates.epochs["pre-cue"], dat)
    assert rates.truth is None


@needs_data
def test_published_planes():
    """Values measured beforehand on the published file."""
    rates_hz = load_lpfc_planes(Path(os.environ["CROSSROADS_DATA"]) / "retrocue/planesDemo.mat").epochs[
        "pre-cue"
    ]
    assert rates_hz.shape == (8, 380)
    unit_means = rates_hz.mean(0)
    quantiles = np.quantile(unit_means, [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(quantiles, [0.10, 0.64, 2.05, 5.24, 14.65], atol=0.006)
    assert unit_means.max() == pytest.approx(39.95, abs=0.005)
    assert np.sum(unit_means == 0) == 1
    variance = np.linalg.svd(centred(rates_hz))[1] ** 2
    np.testing.assert_allclose((variance / variance.sum())[:3], [0.362, 0.178, 0.109], atol=6e-4)
    assert alignment(rates_hz) == pytest.approx(0.196, abs=6e-4)


def test_a_recording_is_opened_by_name(tmp_path):
    rates = np.random.default_rng(0).uniform(0, 10, (8, 5))
    savemat(tmp_path / "planesDemo.mat", {"dat": rates})
    settings = PrefrontalSettings(n_trials=2)
    published = prefrontal.open_recording("published", tmp_path, settings, np.random.default_rng(0))
    np.testing.assert_array_equal(published.epochs["pre-cue"], rates)
    simulated = prefrontal.open_recording("synthetic", None, settings, np.random.default_rng(0))
    assert set(simulated.epochs) == {"pre-cue", "post-cue", "post-cue uncued"}


@pytest.mark.parametrize(
    ("data", "message"),
    [("published", "set CROSSROADS_DATA"), ("monkeys", "'monkeys'.*synthetic, published")],
)
def test_a_recording_that_cannot_be_opened_says_why(data, message):
    with pytest.raises(ValueError, match=message):
        prefrontal.open_recording(data, None, PrefrontalSettings(), np.random.default_rng(0))
