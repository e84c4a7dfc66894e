"""Simulated people must show what was planted in them; the controls must lack it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import normalized_mutual_info_score

from crossroads.data.atlas import schaefer_100
from crossroads.data.brain_states import (
    StateWorld,
    bold_like,
    double_gamma,
    draw_truth,
    shuffle_frames,
    simulate,
    state_per_person,
    static,
)

WORLD = StateWorld(
    n_people=6, n_volumes=400, tr_s=2.0, n_regions=16, n_states=4, n_communities=4, dwell_s=20.0, rho_in=0.75
)
PLAIN = replace(WORLD, n_people=1, n_volumes=40_000, n_states=3, mean_sd=0.0, person_sd=0.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def runs(states):
    """State and length of each stay that was seen wholly."""
    ends = np.flatnonzero(np.diff(states)) + 1
    return states[ends[:-1]], np.diff(ends)


def lag_1(series):
    return (series[1:] * series[:-1]).mean(0)


def test_frames_of_a_state_have_its_covariance():
    bold = simulate(PLAIN, rng())
    (series,), (states,) = bold.series, bold.truth.states
    for k, planted in enumerate(bold.truth.covariance):
        frames = series[states == k]
        found = np.cov(frames.T)
        # Standard error of a covariance of normal variables, a little more for rescaling.
        error = np.sqrt((1 + planted**2) / len(frames))
        assert np.abs((found - planted) / error).max() < 5
        for other in np.delete(bold.truth.covariance, k, axis=0):
            assert np.abs((found - other) / error).max() > 20


@pytest.mark.parametrize("ar", [0.0, 0.8])
def test_frames_of_a_state_have_its_mean(ar):
    """In units of the noise, whose variance is 1 whatever its autocorrelation."""
    bold = simulate(replace(PLAIN, mean_sd=1.0, ar=ar), rng(1))
    (series,), (states,) = bold.series, bold.truth.states
    share = np.bincount(states) / len(states)
    # By the law of total variance, what standardising has divided by.
    centre = share @ bold.truth.mean
    spread = np.sqrt(1 + share @ (bold.truth.mean - centre) ** 2)
    found = np.array([series[states == k].mean(0) for k in range(3)])
    np.testing.assert_allclose(found, (bold.truth.mean - centre) / spread, atol=0.1)
    assert np.ptp(bold.truth.mean, axis=0).min() > 0.2


def test_stays_are_geometric_and_last_as_planted():
    bold = simulate(replace(PLAIN, n_volumes=100_000, long=1, long_factor=4.0), rng(2))
    state, length = runs(bold.truth.states[0])
    for k, dwell in enumerate([40, 10, 10]):  # volumes
        stays = length[state == k]
        assert abs(stays.mean() - dwell) < 4 * dwell / np.sqrt(len(stays))
        cut = np.r_[np.arange(1, dwell, 2), np.inf]  # from 1 up: the first bin holds stays of one or two
        seen = np.histogram(stays, np.r_[cut[:-1], 10**9])[0]
        survival = (1 - 1 / dwell) ** (cut - 1)
        expected = len(stays) * -np.diff(np.r_[survival[:-1], 0])
        assert stats.chisquare(seen, expected).pvalue > 1e-4
    np.testing.assert_allclose(1 / (1 - np.diag(bold.truth.transition)), [40, 10, 10])


def test_the_chain_is_in_equilibrium_from_the_start():
    world = replace(WORLD, n_people=3000, n_volumes=20, n_regions=4, n_communities=2, n_states=3)
    truth = simulate(world, rng(3)).truth
    # Second implementation: the chain after a long time.
    late = np.linalg.matrix_power(truth.transition, 10_000)
    np.testing.assert_allclose(late, np.tile(truth.stationary, (3, 1)), atol=1e-12)
    states = np.array(truth.states)
    for when in (0, 19):
        seen = np.bincount(states[:, when], minlength=3)
        assert stats.chisquare(seen, 3000 * truth.stationary).pvalue > 1e-4
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (states[:, :-1], states[:, 1:]), 1)
    np.testing.assert_allclose(pairs / pairs.sum(1, keepdims=True), truth.transition, atol=0.015)


def test_skew_makes_the_first_states_frequent():
    even, skewed = (
        np.mean([draw_truth(replace(WORLD, skew=s), rng(i)).stationary for i in range(200)], 0)
        for s in (0, 2)
    )
    np.testing.assert_allclose(even, 0.25, atol=0.02)
    assert (np.diff(skewed) < 0).all()
    assert skewed[0] > 0.35


def test_regions_move_between_communities_but_for_the_core():
    still = draw_truth(replace(WORLD, move=0.0), rng()).community
    np.testing.assert_array_equal(still, np.repeat([[0, 1, 2, 3]] * 4, 4, axis=1))
    large = replace(WORLD, n_volumes=1000, n_regions=800, move=1.0)
    truth = draw_truth(large, rng())
    assert truth.core.sum() == 200
    np.testing.assert_array_equal(truth.community == 0, np.tile(truth.core, (4, 1)))
    moving = truth.community[:, ~truth.core]
    assert normalized_mutual_info_score(moving[0], moving[1]) < 0.02
    free = draw_truth(replace(large, core=False), rng())
    assert not free.core.any()
    assert normalized_mutual_info_score(free.community[0], free.community[1]) < 0.02
    # Of those dealt anew, one in three comes back to its community.
    some = draw_truth(replace(large, move=0.3), rng()).community
    kept = (some == np.repeat(np.arange(4), 200))[:, 200:].mean()
    assert abs(kept - 0.8) < 0.03


def test_the_core_is_the_strongest_community():
    truth = draw_truth(WORLD, rng())
    for labels, covariance in zip(truth.community, truth.covariance, strict=True):
        off = ~np.eye(16, dtype=bool)
        inside = [covariance[np.ix_(labels == c, labels == c)] for c in range(4)]
        mean = [block[~np.eye(len(block), dtype=bool)].mean() for block in inside if len(block) > 1]
        np.testing.assert_allclose(mean[0], 0.75, atol=1e-12)
        assert all(0.25 * 0.75 - 1e-12 <= one <= 0.75 for one in mean[1:])
        between = labels[:, None] != labels
        np.testing.assert_allclose(covariance[between & off], 0.05, atol=1e-12)


def test_without_communities_all_regions_are_alike():
    world = replace(WORLD, n_communities=1, rho_in=0.3, rho_out=0.3)
    covariance = draw_truth(world, rng()).covariance
    np.testing.assert_allclose(covariance, np.tile(0.3 + 0.7 * np.eye(16), (4, 1, 1)), atol=1e-12)


def test_noise_keeps_its_variance_whatever_its_autocorrelation():
    world = replace(PLAIN, n_volumes=60_000)
    white, red = (static(world, rng(4), ar) for ar in (0.0, 0.8))
    np.testing.assert_allclose(lag_1(white.series[0]), 0, atol=0.02)
    np.testing.assert_allclose(lag_1(red.series[0]), 0.8, atol=0.02)
    for bold in (white, red):
        assert bold.truth.covariance.shape == (1, 16, 16)
        np.testing.assert_allclose(np.cov(bold.series[0].T), bold.truth.covariance[0], atol=0.05)
        np.testing.assert_array_equal(bold.truth.states[0], 0)
        np.testing.assert_array_equal(bold.truth.transition, [[1.0]])


def test_people_differ_by_directions_and_standardising_removes_the_rest():
    """Gains and offsets leave no trace; own directions raise what two people's covariances differ by."""
    world = replace(WORLD, n_people=2, n_volumes=20_000, n_states=1)
    for person_sd, least, most in ((0.0, 0.0, 0.1), (0.8, 0.3, 2.0)):
        a, b = (np.cov(one.T) for one in simulate(replace(world, person_sd=person_sd), rng(5)).series)
        np.testing.assert_allclose(np.diag(a), 1, atol=1e-3)
        assert least < np.abs(a - b).max() < most


def test_the_same_people_may_be_seen_in_another_world():
    a, b = (simulate(replace(WORLD, dwell_s=dwell), rng(6)) for dwell in (20.0, 60.0))
    np.testing.assert_array_equal(a.truth.covariance, b.truth.covariance)
    np.testing.assert_allclose((1 - np.diag(a.truth.transition)) / (1 - np.diag(b.truth.transition)), 3)


def test_other_people_may_live_in_the_same_world():
    a, b = (simulate(WORLD, rng(6), rng(seed)) for seed in (1, 2))
    np.testing.assert_array_equal(a.truth.covariance, b.truth.covariance)
    np.testing.assert_array_equal(a.truth.transition, b.truth.transition)
    assert np.abs(a.series[0] - b.series[0]).max() > 1


def test_shuffled_frames_keep_their_states_and_lose_their_order():
    bold = simulate(WORLD, rng())
    mixed = shuffle_frames(bold, rng())
    for one, other, z, w in zip(
        bold.series, mixed.series, bold.truth.states, mixed.truth.states, strict=True
    ):
        a, b = np.column_stack([one, z]), np.column_stack([other, w])
        np.testing.assert_array_equal(a[np.lexsort(a.T)], b[np.lexsort(b.T)])
        assert runs(w)[1].mean() < 0.5 * runs(z)[1].mean()
    assert shuffle_frames(replace(bold, truth=None), rng()).truth is None


def test_each_person_may_own_a_state():
    bold = state_per_person(replace(WORLD, n_volumes=4000, mean_sd=0.0, person_sd=0.0), rng())
    assert bold.truth.covariance.shape == (6, 16, 16)
    for person, (one, z) in enumerate(zip(bold.series, bold.truth.states, strict=True)):
        np.testing.assert_array_equal(z, person)
        distance = np.abs(np.cov(one.T) - bold.truth.covariance).max((1, 2))
        assert distance.argmin() == person
        assert distance[person] < 0.1
    np.testing.assert_array_equal(bold.truth.transition, np.eye(6))
    np.testing.assert_allclose(bold.truth.stationary, 1 / 6)


def test_the_response_of_blood_flow_has_its_peak_and_undershoot():
    response = double_gamma(0.1)
    t = 0.1 * np.arange(len(response))
    np.testing.assert_allclose(response.sum(), 1)
    assert abs(t[response.argmax()] - 5) < 0.11
    assert 12 < t[response.argmin()] < 18
    assert response.min() < 0
    with pytest.raises(ValueError, match="tr_s=6.0: .* <= 5"):
        double_gamma(6.0)


def test_blood_flow_smears_and_delays_the_states():
    """Its signals follow the states' means by about 5 s, and neighbouring volumes are alike."""
    world = replace(WORLD, n_volumes=4000, tr_s=1.0, mean_sd=2.0, dwell_s=30.0, n_people=2)
    bold, plain = bold_like(world, rng(7)), simulate(world, rng(7))
    assert [len(one) for one in bold.series] == [len(z) for z in bold.truth.states] == [4000, 4000]
    for data, least, most in ((bold, 4, 7), (plain, 0, 0)):
        delays = []
        for one, z in zip(data.series, data.truth.states, strict=True):
            wanted = data.truth.mean[z] - data.truth.mean[z].mean(0)
            match = [(wanted[: 4000 - d] * one[d:]).sum() for d in range(15)]
            delays.append(int(np.argmax(match)))
        assert least <= min(delays) <= max(delays) <= most
    quiet = replace(world, mean_sd=0.0)
    assert lag_1(bold_like(quiet, rng(7)).series[0]).mean() > 0.5
    assert abs(lag_1(simulate(quiet, rng(7)).series[0]).mean()) < 0.1


def test_blood_flow_comes_with_drift_and_noise_of_its_own():
    """At 0.01 Hz stands the drift's power; above 0.4 Hz, where flow cannot follow, noise and movements'."""
    n = 40_000
    world = replace(PLAIN, n_volumes=n, tr_s=1.0, n_states=1)
    power = 2 * np.abs(np.fft.rfft(bold_like(world, rng(9)).series[0], axis=0) ** 2) / n**2
    frequency = np.fft.rfftfreq(n)
    movements = 9 * 0.1 / 60  # variance of a movement, and how many come a volume
    parts = 1 + 0.5**2 + 0.3**2 / 2 + movements
    np.testing.assert_allclose(power[400], 0.3**2 / 2 / parts, rtol=0.25)
    assert power[[399, 401]].mean() < 0.1 * power[400].mean()
    fast = frequency > 0.4
    red = (1 - 0.6**2) / (1 + 0.6**2 - 1.2 * np.cos(2 * np.pi * frequency[fast]))  # spectrum of AR(1)
    expected = (0.5**2 * red.mean() + movements) * 2 / n / parts
    np.testing.assert_allclose(power[fast].mean(), expected, rtol=0.1)


def test_blood_flow_comes_with_sudden_movements_of_all_regions():
    world = replace(PLAIN, n_volumes=30_000, n_regions=60, n_communities=1, rho_in=0.0, rho_out=0.0)
    # Without correlations the mean size of 60 signals is near a normal variable's, 0.8, but for spikes.
    size = np.abs(bold_like(world, rng(8)).series[0]).mean(1)
    expected = 30_000 * 2.0 / 60 * 0.1
    assert abs((size > 1.4).sum() - expected) < 5 * np.sqrt(expected)


@settings(max_examples=30)
@given(
    n_communities=st.integers(1, 4),
    n_states=st.integers(1, 5),
    move=st.floats(0, 1),
    core=st.booleans(),
    dwell_s=st.floats(2.0, 200.0),
    rho=st.tuples(st.floats(0, 0.95), st.floats(0, 0.95)).map(sorted),
    ar=st.floats(0, 0.95),
    long=st.integers(0, 1),
    seed=st.integers(0, 2**32),
)
def test_any_world_is_sound(n_communities, n_states, move, core, dwell_s, rho, ar, long, seed):
    world = replace(
        WORLD, n_people=2, n_volumes=40, n_regions=9, n_states=n_states, n_communities=n_communities,
        dwell_s=dwell_s, rho_in=rho[1], rho_out=rho[0], move=move, core=core, long=long, long_factor=3, ar=ar,
    )  # fmt: skip
    bold = simulate(world, rng(seed))
    truth = bold.truth
    np.testing.assert_allclose(truth.transition.sum(1), 1, atol=1e-12)
    assert truth.transition.min() >= 0
    np.testing.assert_allclose(truth.stationary @ truth.transition, truth.stationary, atol=1e-10)
    np.testing.assert_allclose(truth.covariance.diagonal(axis1=1, axis2=2), 1, atol=1e-12)
    assert np.linalg.eigvalsh(truth.covariance).min() > 0
    np.testing.assert_allclose(truth.covariance, truth.covariance.transpose(0, 2, 1), atol=1e-15)
    assert truth.community.min() >= 0
    assert truth.community.max() < n_communities
    for one, z in zip(bold.series, truth.states, strict=True):
        np.testing.assert_allclose(one.mean(0), 0, atol=1e-10)
        np.testing.assert_allclose(one.std(0), 1)
        assert set(z) <= set(range(n_states))
        # A planted chain makes no step of probability 0.
        assert (truth.transition[z[:-1], z[1:]] > 0).all()
    again = simulate(world, rng(seed))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(bold.series, again.series, strict=True))


def test_regions_have_names_and_places():
    bold = simulate(WORLD, rng())
    assert bold.regions[0] == "region 1"
    assert len(set(bold.regions)) == len(np.unique(bold.position, axis=0)) == 16
    places = {tuple(row) for row in schaefer_100()[["x", "y", "z"]].to_numpy()}
    assert {tuple(row) for row in bold.position} <= places
    assert 6 <= (bold.position[:, 0] < 0).sum() <= 10  # both hemispheres


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"n_people": 0}, "need people"),
        ({"n_states": 0}, "need people"),
        ({"n_volumes": 16}, "more volumes than regions"),
        ({"n_communities": 9}, "2 regions or more a community"),
        ({"dwell_s": 1.9}, "tr_s <= dwell_s"),
        ({"dwell_s": np.nan}, "tr_s <= dwell_s"),
        ({"tr_s": 0.0}, "0 < tr_s"),
        ({"long": 5}, "long in 0..n_states"),
        ({"long_factor": 0.5}, "long_factor >= 1"),
        ({"move": 1.1}, "move in 0..1"),
        ({"ar": 1.0}, "ar from 0 to below 1"),
        ({"rho_out": 0.8}, "rho_out <= rho_in"),
        ({"rho_in": 1.0}, "rho_in < 1"),
        ({"mean_sd": -0.1}, "mean_sd, person_sd and skew of 0 or more"),
        ({"person_sd": np.nan}, "mean_sd, person_sd and skew of 0 or more"),
    ],
)
def test_worlds_that_cannot_be_are_refused(change, text):
    with pytest.raises(ValueError, match=text) as raised:
        replace(WORLD, **change)
    ((name, value),) = change.items()
    assert f"{name}={value}" in str(raised.value)
