from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy as scipy_entropy

from crossroads.analyse import brain_state_study as study
from crossroads.data.bold import Bold, StateTruth
from crossroads.data.brain_states import StateWorld

WORLD = StateWorld(
    n_people=4, n_volumes=120, tr_s=2.0, n_regions=6, n_states=2, n_communities=2, dwell_s=20.0, rho_in=0.75,
    mean_sd=1.0,
)  # fmt: skip
GROUP = study.Group("simulated", 3, WORLD)


def test_the_same_people_stand_behind_every_change():
    plain, shuffled = (study.open_group(replace(GROUP, change=c)) for c in ("", "frames shuffled"))
    for one, other in zip(plain.series, shuffled.series, strict=True):
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(np.sort(one, axis=0), np.sort(other, axis=0))
    turned = study.open_group(replace(GROUP, change="surrogate", draw=1))
    for one, other in zip(plain.series, turned.series, strict=True):
        np.testing.assert_allclose(one.T @ one, other.T @ other, atol=1e-8)


def test_other_people_live_in_the_same_world():
    plain, others = (study.open_group(replace(GROUP, people=i)) for i in (0, 1))
    assert plain.truth
    assert others.truth
    np.testing.assert_array_equal(plain.truth.covariance, others.truth.covariance)
    assert not np.array_equal(plain.series[0], others.series[0])


@pytest.mark.parametrize(("change", "n_states"), [("static white noise", 1), ("state per person", 4)])
def test_conditions_have_the_states_that_they_say(change, n_states):
    truth = study.open_group(replace(GROUP, change=change)).truth
    assert truth
    assert len(np.unique(np.concatenate(truth.states))) == n_states


def test_static_ar_noise_remembers_and_white_noise_does_not():
    for change, expected in (("static AR noise", 0.8), ("static white noise", 0.0)):
        series = study.open_group(replace(GROUP, change=change)).series
        lagged = np.mean([np.mean(one[1:] * one[:-1]) for one in series])
        assert lagged == pytest.approx(expected, abs=0.1)


def test_recordings_are_cut_to_their_first_volumes(monkeypatch):
    series = tuple(np.random.default_rng(i).normal(size=(50, 3)) for i in range(2))
    bold = Bold("own", series, 1.0, (0, 1), ("a", "b", "c"))
    monkeypatch.setattr(study.bold_recordings, "load", lambda name: bold)
    cut = study.open_group(study.Group("own", 0, n_volumes=20))
    np.testing.assert_array_equal(cut.series[1], series[1][:20])
    study.open_group.cache_clear()


def test_people_left_out_are_neither_fitted_nor_told_twice():
    whole = study.fit_group(study.Fit(GROUP, 2, 0))
    halves = [study.fit_group(study.Fit(GROUP, 2, 0, fold, 2)) for fold in range(2)]
    assert whole["occupancy"].shape == (4, 2)
    assert [len(half["occupancy"]) for half in halves] == [2, 2]
    assert len(whole["path"]) == sum(len(half["path"]) for half in halves) == 4 * 120
    # Of K = 2 planted states with means apart, everybody uses both, and the chain is nearly symmetric.
    np.testing.assert_allclose(whole["occupancy"].sum(1), 1)
    np.testing.assert_allclose(whole["person_counts"].sum((1, 2)), 119)
    assert whole["first_person"].shape == (120, 2)
    assert "first_person" not in halves[0]


def test_two_sessions_of_a_person_are_left_out_together(monkeypatch):
    rng = np.random.default_rng(0)
    series = tuple(rng.normal(size=(60, 3)) for _ in range(4))
    bold = Bold("own", series, 1.0, (7, 7, 9, 9), ("a", "b", "c"))
    monkeypatch.setattr(study.bold_recordings, "load", lambda name: bold)
    held = study.fit_group(study.Fit(study.Group("own", 1), 1, 0, 1, 2))
    # One state: the likelihood of the sessions of person 9 under the Gaussian of person 7's.
    fitted = np.concatenate(series[:2])
    spread = np.ptp(fitted, axis=0)
    scatter = np.diag(spread) + fitted.T @ fitted
    weight = 0.01 + len(fitted)
    mean = fitted.sum(0) / weight
    covariance = (scatter - weight * np.outer(mean, mean)) / (3.1 + len(fitted))
    x = np.concatenate(series[2:]) - mean
    expected = -0.5 * (
        np.einsum("ti,ij,tj->t", x, np.linalg.inv(covariance), x)
        + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    assert held["held_likelihood"] == pytest.approx(expected.mean())
    study.open_group.cache_clear()


def results(energies, path=(0, 0, 1, 1)):
    """Stored results with the given free energies, and all else the same."""
    return [
        {
            "energy": np.array(energy), "held_likelihood": np.array(-2.0), "path": np.array(path),
            "occupancy": np.array([[0.5, 0.5], [1.0, 0.0]]), "counts": np.array([[8.0, 2.0], [2.0, 8.0]]),
            "person_counts": np.array([[[3.0, 1.0], [1.0, 3.0]]] * 2),
        }
        for energy in energies
    ]  # fmt: skip


def test_selection_table_takes_the_best_start_and_the_entropies_of_those_held_out():
    fits = [study.Fit(GROUP, 2, start, fold, 1) for fold in (study.NOBODY, 0) for start in (0, 1)]
    stored = results([3.0, 2.0, 1.0, 1.5])
    stored[0]["path"] = np.array([1, 1, 0, 1])  # after matching one of four volumes differs
    (row,) = study.selection_table(fits, stored).to_dict("records")
    assert row["energy"] == 2.0
    assert row["likelihood"] == -2.0
    assert row["agreement"] == 0.75
    assert row["person"] == pytest.approx(np.log(2) / 2)  # of people (1/2, 1/2) and (1, 0)
    assert row["group"] == pytest.approx(scipy_entropy([0.75, 0.25]))
    assert row["chain"] == pytest.approx(np.log(2))
    p = 8.5 / 11  # the count of one that each row has more
    assert row["chain_rate"] == pytest.approx(scipy_entropy([p, 1 - p]))
    assert row["largest"] == 0.75
    assert row["alive"] == 2


def test_choices_and_distance_from_the_truth():
    rows = [
        (k, fold, value + 0.01 * fold, -abs(k - 2))
        for k, value in ((1, 0.0), (2, 0.6), (3, 0.65), (4, 0.7))
        for fold in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["n_states", "fold", "person", "likelihood"])
    table["group"], table["rate"] = table.person, 0.3
    assert study.choices(table) == {"half gain": 2, "maximum": 4, "one standard error": 4}
    pi, p = np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]])
    none = np.empty(0)
    truth = StateTruth((), p, pi, none, none, none, none)
    off = study.off_planted(table, truth)
    assert off["states_off"] == 0
    assert off["states_off_maximum"] == 2
    assert off["group_entropy_off"] == pytest.approx(0.605 - np.log(2))
    assert off["entropy_rate_off"] == pytest.approx(0.3 - scipy_entropy([0.9, 0.1]))
    assert study.likelihood_gain(table, 2) == 1.0


def test_surrogates_are_never_fitted_whole():
    plain = study.plan_fits(GROUP, (1, 2), 2, 3)
    turned = study.plan_fits(replace(GROUP, change="surrogate"), (1, 2), 2, 3)
    assert len(plain) == 2 * 2 * 4
    assert len(turned) == 2 * 2 * 3
    assert {fit.fold for fit in turned} == {0, 1, 2}
