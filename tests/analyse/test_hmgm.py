from dataclasses import replace

import numpy as np
import pytest

from crossroads.analyse import hmgm
from crossroads.analyse.brain_state_study import NOBODY, open_group
from crossroads.data.settings import load_settings

SETTINGS = load_settings(hmgm.HmgmSettings, "hmgm", "ci")


def test_sizes_are_read_and_paper_has_a_hundred_people():
    paper = load_settings(hmgm.HmgmSettings, "hmgm", "paper")
    assert (paper.n_people, paper.n_volumes, paper.n_regions, paper.grid[-1]) == (100, 1200, 100, 20)
    for size in ("ci", "book"):
        assert load_settings(hmgm.HmgmSettings, "hmgm", size).world().n_states in SETTINGS.grid


def test_conditions_change_what_they_name():
    groups = hmgm.plan_groups(SETTINGS, 0)
    main = groups[hmgm.MAIN]
    assert len({group.seed for group in main}) == SETTINGS.n_groups
    for name, those in groups.items():
        assert [group.seed for group in those] == [group.seed for group in main], name
        assert those == main if name == hmgm.MAIN else those[0] != main[0]
    truths = {name: open_group(those[0]).truth for name, those in groups.items()}
    same = truths["nothing moves"].community
    assert (same == same[0]).all()
    stays = np.diag(truths["sedated"].transition)
    np.testing.assert_allclose(1 / (1 - stays), [40, 40, 10])  # volumes, of 20 s / 2 s, and four times that
    assert np.diag(truths["no memory"].transition) == pytest.approx(0.2)
    np.testing.assert_array_equal(truths["awake again"].covariance, truths[hmgm.MAIN].covariance)
    within = truths["no communities"].covariance[0][~np.eye(SETTINGS.n_regions, dtype=bool)]
    assert np.abs(within).max() < 0.06


def test_the_page_is_about_simulated_people_or_recordings():
    groups, fits, graphs = hmgm.plan(SETTINGS, "synthetic", 0, hmgm.SHIPPED)
    assert groups["page"] == groups[hmgm.MAIN]
    assert {one.starts[0].n_states for one in graphs["sizes"]} == {2, 3, 4, 5}
    assert all(fit.fold != NOBODY for group in groups["surrogates"] for fit in fits[group])
    groups, _, graphs = hmgm.plan(SETTINGS, "hcp-aal2", 0, hmgm.SHIPPED)
    assert [group.name for group in groups["page"]] == ["hcp-aal2"]
    assert graphs["page"][0].starts[0].n_states == SETTINGS.recorded_states


def test_without_recordings_nothing_of_them_is_planned():
    groups, _, graphs = hmgm.plan(SETTINGS, "synthetic", 0, ())
    assert groups["recordings"] == groups["surrogates"] == graphs["recordings"] == []


def test_baselines_stand_beside_the_planted_path():
    world = replace(SETTINGS.world(), n_people=3, n_volumes=120, mean_sd=2.0)
    group = replace(hmgm.plan_groups(SETTINGS, 1)[hmgm.MAIN][0], world=world)
    truth = open_group(group).truth
    path = np.concatenate(truth.states)
    table = hmgm.compare_baselines([group], [path], 3, np.random.default_rng(0)).set_index("method")
    assert table.accuracy["HMM"] == 1
    switches = np.mean([np.mean(np.diff(states) != 0) for states in truth.states]) / world.tr_s
    assert table.switching_hz["HMM"] == pytest.approx(switches)
    assert table.accuracy["HMM on half the components"] > 0.8
    assert table.accuracy.between(1 / 3, 1).all()
