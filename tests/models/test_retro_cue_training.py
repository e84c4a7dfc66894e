from dataclasses import replace

import numpy as np
import pytest

from crossroads.data.retro_cue import Timing, variable_timings
from crossroads.data.settings import load_settings
from crossroads.models import retro_cue_experiments as experiments
from crossroads.models.learning import chance_loss
from crossroads.models.retro_cue_training import STAGES, Network, stage_weights, train_network

SMALL = Network(
    timings=(Timing(2, 2),), sigma=0.02, n_hidden=40, gain=1.4, batch=16, learning_rate=1e-3, max_epochs=6,
    seed=3, model=1,
)  # fmt: skip


def test_same_network_same_bytes_and_other_seed_other_weights():
    first, again = train_network(SMALL), train_network(SMALL)
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    other = train_network(replace(SMALL, seed=4))
    assert not np.array_equal(first["w_rec"], other["w_rec"])


def test_conditions_share_the_initial_weights_of_a_model():
    quiet = replace(SMALL, sigma=0.0, timings=(Timing(1, 3),), validity=None)
    np.testing.assert_array_equal(
        stage_weights(train_network(SMALL), "untrained").w_in,
        stage_weights(train_network(quiet), "untrained").w_in,
    )


def test_training_starts_near_chance_and_ends_at_its_stop_rule():
    slow = train_network(replace(SMALL, learning_rate=1e-6, max_epochs=1))
    assert slow["loss"][0] == pytest.approx(chance_loss(), rel=0.05)
    result = train_network(replace(SMALL, sigma=0.0, max_epochs=200, stop_loss=6e-3))
    assert result["loss"][-1] <= 6e-3 < result["loss"][-2]
    assert result["epoch"][STAGES.index("final")] == len(result["loss"])


def test_stages_never_reached_hold_nan():
    result = train_network(SMALL)
    assert result["epoch"].tolist()[2:] == [-1, 6]
    assert np.isnan(stage_weights(result, "loss_der").w_rec).all()
    assert np.isfinite(stage_weights(result, "final").w_rec).all()


def test_variable_delays_and_probes_train():
    variable = replace(SMALL, timings=tuple(variable_timings()))
    probed = replace(SMALL, timings=(Timing(2, 2, 2),), validity=0.5)
    for network in (variable, probed):
        assert train_network(network)["loss"][-1] < chance_loss() / 1.2


def test_paper_size_is_the_papers():
    settings = load_settings(experiments.RetroCueSettings, "retrocue", "paper")
    networks = experiments.experiment_1(settings, 0)
    schedules = {(n.n_hidden, n.gain, n.batch, n.learning_rate, n.sigma) for n in networks}
    assert schedules == {(200, 1.0, 1, 1e-4, 0.07)}
    by_delay = experiments.experiment_2(settings, 0)
    assert sum(map(len, by_delay.values())) == 240
    assert {(t.pre_cue + t.post_cue) for ns in by_delay.values() for n in ns for t in n.timings} == {14}
    assert {n.sigma for ns in by_delay.values() for n in ns} == {0.0}


def test_networks_that_two_experiments_share_are_listed_once():
    settings = load_settings(experiments.RetroCueSettings, "retrocue", "ci")
    e2, grid = experiments.experiment_2(settings, 0), experiments.noise_by_delay(settings, 0)
    together = experiments.flatten(e2, grid)
    assert len(together) == len(set(together)) < len(experiments.flatten(e2)) + len(experiments.flatten(grid))
