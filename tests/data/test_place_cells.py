from dataclasses import replace

import numpy as np
import pytest

from crossroads.data import place_cells
from crossroads.data.linear_track import Runs, average_visits, binned_runs, bins_of, find_runs
from crossroads.data.place_cells import VirtualMouse, known_floor, pseudo_population, simulate_session

STILL = {"speed_cv": 0.0, "jitter_cm": 0.0, "n_modules": 1, "gain_sd": 0.0, "n_latents": 0}
KERNEL = np.arange(1, 31) / 4 * np.exp(1 - np.arange(1, 31) / 4)
WEIGHTS = KERNEL / KERNEL.sum()
DELAY_S = np.sum(WEIGHTS * np.arange(30)) / 20


def session(seed=0, **settings):
    return simulate_session(VirtualMouse(**settings), np.random.default_rng(seed))


def mean_floor(n_seeds=4, **settings):
    return np.mean([session(s, n_cells=10, n_runs=200, **settings).truth.floor_cm for s in range(n_seeds)])


def gauss_hz(truth, way, x, circular=False):
    """Rates of all cells at positions x, from the definition of full width at half maximum."""
    d = np.abs(x[:, None] - truth.centre_cm[way])
    d = np.minimum(d % 120, 120 - d % 120) if circular else d
    return truth.base_hz + truth.peak_hz[way] * 0.5 ** ((2 * d / truth.fwhm_cm[way]) ** 2)


def directions(position_cm):
    """Way of every frame that lies in a run, -1 elsewhere."""
    way = np.full(len(position_cm), -1)
    for (a, b), rightward in zip(*find_runs(position_cm), strict=True):
        way[a:b] = 0 if rightward else 1
    return way


def variance_of_mean(n_frames, tau_s=1.0):
    """Of an OU process of SD 1 after the kernel, averaged over frames: the sum over its autocovariance."""
    weights = np.convolve(WEIGHTS, np.ones(n_frames) / n_frames)
    lag_s = np.subtract.outer(np.arange(len(weights)), np.arange(len(weights))) / 20
    return weights @ np.exp(-np.abs(lag_s) / tau_s) @ weights


# behaviour


def test_mouse_shuttles_at_the_planted_speeds():
    s = session(n_cells=5, n_runs=400)
    frames, rightward = find_runs(s.position_cm)
    assert len(frames) >= 396  # a very fast run may miss a bin
    assert np.mean(rightward[1:] != rightward[:-1]) > 0.98
    assert s.position_cm.min() == 0
    assert s.position_cm.max() == 120
    log_s = np.log(np.diff(frames)[:, 0] / 20)
    assert np.mean(log_s) == pytest.approx(np.log(3.2), abs=0.05)
    assert np.std(log_s) == pytest.approx(0.25, abs=0.04)
    pauses = (frames[1:, 0] - frames[:-1, 1]) / 20
    assert pauses.min() > 0.65
    assert np.mean(pauses) == pytest.approx(0.8 + 0.7, abs=0.2)


def test_without_speed_variation_all_runs_are_the_same():
    s = session(n_cells=5, n_runs=40, **STILL)
    frames, _ = find_runs(s.position_cm)
    visits = average_visits(s.position_cm[:, None], s.position_cm, frames)
    assert len(frames) == 40
    assert np.ptp(np.diff(frames)) <= 1
    assert visits.std(0).max() < 1  # frames fall anywhere
    assert session(n_cells=5, n_runs=40).truth.floor_cm > 3


def test_ring_is_run_in_laps_with_one_turn():
    s = session(n_cells=5, n_runs=30, circular=True)
    step = np.diff(s.position_cm)
    assert s.circular
    assert 0 <= s.position_cm.min() < s.position_cm.max() <= 120
    frames, rightward = find_runs(s.position_cm)
    np.testing.assert_array_equal(rightward, np.arange(30) < 15)
    assert np.sum(np.abs(step) > 60) == 28  # wraps; none at the turn
    short_way = np.abs(step - 120 * np.round(step / 120))
    assert np.all(short_way[frames[0, 0] : frames[13, 1] - 1] > 0.3)  # no pauses
    # Counted in the animal's lap, what is represented lags behind it, at the wrap as everywhere.
    lag = (s.position_cm - s.truth.represented_cm) * np.where(directions(s.position_cm) == 0, 1, -1)
    steady = np.concatenate([np.arange(*f) for f in np.delete(frames, [0, 15], axis=0)])
    assert np.median(lag[steady]) == pytest.approx(DELAY_S * 120 / 3.2, abs=6)
    assert np.abs(lag).max() < 60


# tuning


def test_fields_have_the_planted_distribution():
    truth = session(n_cells=6000, n_runs=8, width_cm=28, width_sd=0.3, peak_hz=3, peak_sd=0.4).truth
    tuned = truth.peak_hz > 0
    np.testing.assert_allclose(tuned.mean(1), 0.7, atol=0.02)
    for values, median, sd in (
        (truth.fwhm_cm, 28, 0.3),
        (truth.peak_hz[tuned], 3, 0.4),
        (truth.base_hz, 0.08, 0.5),
    ):
        assert np.median(values) == pytest.approx(median, rel=0.03)
        assert np.std(np.log(values)) == pytest.approx(sd, rel=0.05)
    assert truth.fwhm_cm.min() >= 12
    assert truth.fwhm_cm.max() <= 80
    kept = (truth.fwhm_cm[0] == truth.fwhm_cm[1]) & (truth.fwhm_cm[0] < 80) & (truth.fwhm_cm[0] > 12)
    assert kept.mean() == pytest.approx(0.4, abs=0.02)
    np.testing.assert_array_equal(truth.peak_hz[0, kept], truth.peak_hz[1, kept])
    shift = truth.centre_cm[1] - truth.centre_cm[0]
    assert shift[kept].std() == pytest.approx(5, rel=0.05)
    assert shift[~kept].std() == pytest.approx(130 / np.sqrt(6), rel=0.05)  # of two uniform draws


@pytest.mark.parametrize("circular", [False, True])
def test_events_are_poisson_with_the_rates_of_the_fields(circular):
    """Without shared noise: sizes sum up to the rates of the place; their variance is lambda E[size^2]."""
    s = session(1, n_cells=400, n_runs=80, circular=circular, peak_hz=4, **{**STILL, "speed_cv": 0.25})
    way = directions(s.position_cm)
    score = []
    for w in (0, 1):
        at, planted = s.position_cm[way == w], s.truth.onsets[way == w]
        for half in (at < 60, at >= 60):
            expected = gauss_hz(s.truth, w, at[half], circular).sum(0) / 20
            score.append((planted[half].sum(0) - expected) / np.sqrt(expected * np.exp(0.5**2)))
    score = np.array(score)
    assert np.abs(score.mean(1)).max() < 5 / np.sqrt(400)
    assert score.std() == pytest.approx(1, abs=0.05)


def test_fields_wrap_round_the_ring():
    truth = session(n_cells=50, n_runs=8, circular=True).truth
    fields = place_cells.Fields(truth.centre_cm, truth.fwhm_cm, truth.peak_hz, truth.base_hz)
    x = np.linspace(-30, 150, 91)
    hz = place_cells.tuning_hz(fields, 1, x[:, None], circular=True)
    np.testing.assert_allclose(hz, gauss_hz(truth, 1, x, circular=True), rtol=1e-6)
    np.testing.assert_allclose(hz[:30], hz[60:90], rtol=1e-6)


def test_session_is_the_burst_convolution_of_the_planted_events():
    s = session(n_cells=20, n_runs=8)
    assert s.events.dtype == np.float32
    for cell in range(20):
        bursts = np.convolve(s.truth.onsets[:, cell], KERNEL)[: len(s.events)]
        np.testing.assert_allclose(s.events[:, cell], bursts, atol=1e-4)


def test_fluorescence_layer_replaces_the_events_only():
    plain, detected = (session(n_cells=40, n_runs=20, fluorescence=f) for f in (False, True))
    np.testing.assert_array_equal(plain.truth.onsets, detected.truth.onsets)
    assert plain.truth.floor_cm == detected.truth.floor_cm
    active = detected.events.any(0)
    assert active.mean() > 0.8
    pairs = zip(plain.events.T[active], detected.events.T[active], strict=True)
    assert 0.7 < np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]) < 0.97


# shared noise


@pytest.mark.parametrize("n_modules", [1, 4])
def test_represented_position_jitters_as_planted(n_modules):
    """Around the delayed position; its variance is the sum of the kernel over the autocovariance of 1 s."""
    variance, covariance = [], []
    for seed in range(4):
        s = session(seed, n_cells=4, n_runs=400, jitter_cm=7, n_modules=n_modules)
        jitter = s.truth.represented_cm[40:] - np.convolve(s.position_cm, WEIGHTS)[40 : len(s.position_cm)]
        variance.append(np.mean(jitter**2))
        covariance.append(np.mean(jitter[30:] * jitter[:-30]))
    assert np.mean(variance) == pytest.approx(49 * variance_of_mean(1), rel=0.08)
    lag_s = np.abs(1.5 + np.subtract.outer(np.arange(30), np.arange(30)) / 20)
    assert np.mean(covariance) == pytest.approx(49 * WEIGHTS @ np.exp(-lag_s) @ WEIGHTS, rel=0.2)


def test_modules_are_equal_groups_that_move_independently():
    """Positions read from either module, or either half of one, by maximum likelihood frame by frame."""
    s = session(
        3, n_cells=401, n_runs=100, jitter_cm=5, n_modules=2, peak_hz=50, gain_sd=0, n_latents=0, peak_sd=0.2
    )
    module = s.truth.module
    assert sorted(np.bincount(module)) == [200, 201]
    assert 60 < np.sum(module[:200]) < 140  # at random
    grid = np.arange(-40, 160.0)
    frames = directions(s.position_cm) == 0
    count, x = s.truth.onsets[frames] > 0, s.position_cm[frames]
    central = (x > 35) & (x < 85)
    at_least_one = 1 - np.exp(-gauss_hz(s.truth, 0, grid) / 20)

    def jitter(cells):
        p = at_least_one[:, cells]
        likelihood = count[:, cells] @ np.log(p).T + (~count[:, cells]) @ np.log1p(-p).T
        return (grid[likelihood.argmax(1)] - x)[central]

    first, second = np.flatnonzero(module == 0), np.flatnonzero(module == 1)
    both = np.concatenate([jitter(first), jitter(second)])
    assert both.std() == pytest.approx(5 * np.sqrt(2), rel=0.18)
    assert abs(np.corrcoef(jitter(first), jitter(second))[0, 1]) < 0.4
    assert np.corrcoef(jitter(first[::2]), jitter(first[1::2]))[0, 1] > 0.85


def test_gain_is_common_and_leaves_the_mean_rates():
    """All cells' events over the expected ones: mean 1, and between frames the covariance of exp(gain)."""
    ratio = []
    for seed in range(3):
        s = session(seed, n_cells=60, n_runs=400, peak_hz=10, circular=True, **{**STILL, "gain_sd": 0.4})
        way = directions(s.position_cm)[:, None]
        hz = [gauss_hz(s.truth, w, s.position_cm, circular=True) for w in (0, 1)]
        expected = np.where(way == 0, *hz).sum(1)
        ratio.append((s.truth.onsets.sum(1) * 20 / expected)[way[:, 0] >= 0])
    ratio = np.concatenate(ratio)
    assert np.mean(ratio) == pytest.approx(1, abs=0.04)
    for lag in (1, 10, 20):
        covariance = np.mean(ratio[lag:] * ratio[:-lag]) - ratio.mean() ** 2
        assert covariance == pytest.approx(np.expm1(0.16 * np.exp(-lag / 20)), abs=0.03)


def test_latents_have_random_signs_of_falling_strength():
    loadings = session(n_cells=900, n_runs=8, n_latents=6, latent_strength=0.4).truth.loadings
    np.testing.assert_allclose(np.abs(loadings), (0.4 / np.sqrt(np.arange(1, 7)))[:, None] * np.ones(900))
    signs = np.sign(loadings)
    assert np.abs(signs @ signs.T - 900 * np.eye(6)).max() < 5 * 30
    assert np.abs(signs.sum(1)).max() < 5 * 30


@pytest.mark.parametrize("circular", [False, True])
def test_orthogonal_latents_never_move_rates_along_their_slope(circular):
    settings = {"n_cells": 300, "n_runs": 8, "circular": circular}
    free, orthogonal = (session(orthogonal_latents=o, **settings).truth for o in (False, True))
    centres = np.arange(3, 120, 6.0)

    def cosines(truth):
        found = []
        for way in (0, 1):
            low, f, high = (gauss_hz(truth, way, centres + h, circular) for h in (-1e-4, 0, 1e-4))
            moved, slope = f[:, None] * truth.loadings, ((high - low) / 2e-4)[:, None]
            norms = np.linalg.norm(moved, axis=2) * np.linalg.norm(slope, axis=2)
            found.append((moved * slope).sum(2) / norms)
        return np.abs(found)

    assert cosines(orthogonal).max() < 1e-6
    assert cosines(free).max() > 0.1
    rms = np.sqrt((orthogonal.loadings**2).mean(1))
    np.testing.assert_allclose(rms, 0.3 / np.sqrt(np.arange(1, 13)))


def test_shared_noise_leaves_mean_rates():
    noisy, quiet = (
        np.mean(
            [session(s, n_cells=200, n_runs=60, circular=True, **k).truth.onsets.mean() for s in range(3)]
        )
        for k in ({**STILL, "gain_sd": 0.3, "n_latents": 12}, STILL)
    )
    assert noisy == pytest.approx(quiet, rel=0.06)


# known truth


def test_floor_of_jitter_on_an_even_ring_is_the_closed_form():
    """At 37.4 cm/s a visit has three frames, sometimes four; the code moves as fast as the mouse."""
    still = mean_floor(circular=True, **STILL)
    jittered = mean_floor(6, circular=True, **{**STILL, "jitter_cm": 6})
    between = 36 * np.array([variance_of_mean(3), variance_of_mean(4)])
    assert still < 0.75
    assert jittered**2 - still**2 == pytest.approx(between.mean(), rel=0.1)


def test_floor_of_speed_is_delay_times_its_spread(monkeypatch):
    monkeypatch.setattr(place_cells, "WARP", 0.0)
    speed = 120 / 3.21 * np.exp(0.2**2 / 2)
    spread = speed * np.sqrt(np.expm1(0.2**2))
    floor = mean_floor(circular=True, **{**STILL, "speed_cv": 0.2})
    assert floor == pytest.approx(DELAY_S * spread, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "floor"),
    [
        (STILL, 0.7),
        ({**STILL, "speed_cv": 0.25}, 4.4),
        ({**STILL, "speed_cv": 0.25, "jitter_cm": 4.0}, 5.5),
        ({**STILL, "speed_cv": 0.25, "jitter_cm": 8.0}, 8.4),
        ({}, 7.7),
    ],
)
def test_floors_are_near_those_of_an_earlier_generator(settings, floor):
    """One session each of another implementation, so a tenth of a floor is chance."""
    assert mean_floor(**settings) == pytest.approx(floor, rel=0.13, abs=0.4)


def test_floor_by_hand():
    """Every visit of a rightward run represents 5 cm more or less than the place, of a leftward one 3."""
    there = np.linspace(0.5, 119.5, 120)
    x = np.concatenate([np.r_[there, there[::-1]]] * 4)
    shift = np.repeat([5, 3, -5, -3, 5, 3, -5, -3.0], 120)
    floor, binned = known_floor(x + shift, x)
    assert floor == pytest.approx(np.sqrt((25 + 9) / 2 * 4 / 3))
    # 5 cm off, the next bin is nearer, where there is one; 3 cm off is a tie, and 2.7 no error.
    floor, binned = known_floor(x + np.where(np.abs(shift) == 3, shift * 0.9, shift), x)
    assert binned == pytest.approx(6 * np.sqrt(0.5 * 19 / 20))
    assert known_floor(x + shift * 0.5, x)[1] == 0


def test_floor_on_a_ring_takes_the_shorter_way():
    """A lap early or late is no error; a bin beyond the ends is one bin off, not nineteen."""
    there = np.arange(0.5, 120)
    x = np.concatenate([there] * 4 + [there[::-1]] * 4)
    shift = np.repeat([5, -5.0] * 4, 120)
    floor, binned = known_floor(x + shift, x, circular=True)
    assert floor == pytest.approx(5 * np.sqrt(4 / 3))
    assert binned == pytest.approx(6)


# sessions and populations


@pytest.mark.parametrize(
    "settings", [{}, {"circular": True, "fluorescence": True}, {"orthogonal_latents": True}]
)
def test_same_seed_same_bytes(settings):
    first, again, other = (session(seed, n_cells=60, n_runs=12, **settings) for seed in (5, 5, 6))
    assert first.events.tobytes() == again.events.tobytes()
    assert first.position_cm.tobytes() == again.position_cm.tobytes()
    assert first.truth.floor_cm == again.truth.floor_cm
    assert first.events[:500].tobytes() != other.events[:500].tobytes()


def test_pseudo_population_keeps_tuning_and_loses_shared_noise():
    rng = np.random.default_rng(8)
    s = session(7, n_cells=60, n_runs=90, **{**STILL, "gain_sd": 0.8})
    runs = binned_runs(s)
    fewer = replace(runs, activity=runs.activity[:70], rightward=runs.rightward[:70], frames=runs.frames[:70])
    both = pseudo_population([runs, fewer], rng)
    assert both.activity.shape == (70, 20, 120)
    assert both.rightward.sum() == 35
    noise = both.activity.astype(float)
    for way in (True, False):
        mine = both.rightward == way
        for half, source in ((noise[mine, :, :60], runs), (noise[mine, :, 60:], fewer)):
            chosen = source.activity[source.rightward == way]
            first_frame = [np.flatnonzero((chosen == run).all((1, 2))) for run in half.astype(np.float32)]
            assert len({int(f) for f in np.concatenate(first_frame)}) == 35  # each a run of its own direction
        noise[mine] -= noise[mine].mean(0)
    total = noise[:, :, :60].sum(2)[:, 5:15].mean(1), noise[:, :, 60:].sum(2)[:, 5:15].mean(1)
    within = noise[:, 5:15, :30].sum((1, 2)), noise[:, 5:15, 30:60].sum((1, 2))
    assert np.corrcoef(*within)[0, 1] > 0.7
    assert abs(np.corrcoef(*total)[0, 1]) < 0.4


def test_pseudo_population_refuses_two_kinds_of_track():
    runs = Runs(np.zeros((4, 20, 1)), np.array([True, False] * 2), np.zeros((4, 2), int))
    with pytest.raises(ValueError, match="a linear and a circular track have no runs in common"):
        pseudo_population([runs, replace(runs, circular=True)], np.random.default_rng(0))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_cells": 0}, "n_cells=0; 1 to 100000 is allowed"),
        ({"n_runs": 7}, "n_runs=7; 8 to 10000"),
        ({"speed_cv": 0.6}, "speed_cv=0.6; 0 to 0.5"),
        ({"jitter_cm": -1}, "jitter_cm=-1; 0 to 60"),
        ({"jitter_cm": np.nan}, "jitter_cm=nan"),
        ({"width_cm": 5}, "width_cm=5; 12 to 80"),
        ({"n_modules": 61}, "n_modules=61 of n_cells=60; a module needs"),
        ({"n_cells": 40, "orthogonal_latents": True}, "n_cells=40; orthogonal_latents needs more than 40"),
    ],
)
def test_impossible_mice_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        VirtualMouse(**{"n_cells": 60, "n_runs": 20, **bad})


def test_every_extreme_can_be_simulated():
    for name, (low, high) in place_cells.LIMITS.items():
        for value in (low, min(high, 60)):
            mouse = {"n_cells": 60, "n_runs": 8, "n_modules": 1, name: value}
            s = session(**mouse)
            assert np.isfinite(s.events).all(), name
            assert bins_of(s.position_cm).max() == 19
