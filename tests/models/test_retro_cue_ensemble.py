from dataclasses import replace

import numpy as np
import pytest
import torch

from crossroads.data import retro_cue as task
from crossroads.models import retro_cue_rnn as rnn
from crossroads.models import retro_cue_training as training
from crossroads.models.device import origin
from crossroads.models.retro_cue_ensemble import loss_and_gradient

TRIALS = task.all_trials()
COST = task.report_cost(TRIALS)
SMALL = training.Network(
    timings=(task.Timing(2, 2),), sigma=0.02, n_hidden=40, gain=1.4, batch=16, learning_rate=1e-3,
    max_epochs=6, seed=3, model=1,
)  # fmt: skip


@pytest.mark.parametrize(
    "timings", [(task.Timing(3, 0), task.Timing(1, 2)), (task.Timing(2, 1, 2), task.Timing(1, 2, 2))]
)
def test_gradient_equals_that_of_each_network_alone(timings):
    """eq-retrocue-state and eq-retrocue-loss, with an axis over networks whose cues come at other cycles."""
    rng = np.random.default_rng(1)
    n_steps = timings[0].n_steps
    weights = [rnn.initial_weights(12, rng, gain=1.3, dtype=np.float64) for _ in timings]
    rows = [rng.choice(512, 5, replace=False) for _ in timings]
    cued = task.flip_cues(TRIALS.probed, 0.5, rng) if timings[0].probe_delay >= 0 else None
    inputs = [np.ascontiguousarray(task.event_inputs(TRIALS, cued)[:, r]) for r in rows]
    noise = 0.2 * rng.standard_normal((len(timings), n_steps, 5, 12))
    onset = [np.arange(n_steps)[:, None] == np.array(t.event_steps) for t in timings]
    stacked = rnn.Weights(*(torch.tensor(np.stack(a)) for a in zip(*weights, strict=True)))
    cost = np.stack([COST[r] for r in rows])
    loss, gradient = loss_and_gradient(
        stacked, *(torch.tensor(np.array(a, float)) for a in (inputs, onset, noise, cost))
    )
    for i, timing in enumerate(timings):
        alone, expected = rnn.loss_and_gradient(
            weights[i], inputs[i], np.array(timing.event_steps), noise[i], COST[rows[i]], 0.0,
            np.array(timing.readouts), np.zeros((len(timing.readouts), 5, 1)),
        )  # fmt: skip
        assert float(loss[i]) == pytest.approx(alone, rel=1e-12)
        flat = np.concatenate([a.ravel() for a in expected])
        np.testing.assert_allclose(gradient[i], flat, rtol=1e-9, atol=1e-14)


def test_an_ensemble_trains_the_networks_that_are_trained_alone():
    """The same trials and noise, each network to its own end; where a GPU is found, on it."""
    networks = [
        SMALL,
        replace(SMALL, model=2, max_epochs=3),
        replace(SMALL, model=4, timings=(task.Timing(1, 3),)),
    ]
    found = dict(training.train_ensemble(networks))
    assert list(found) == [networks[1], networks[0], networks[2]]  # as they end
    for network, result in found.items():
        alone = training.train_network(network)
        assert result.keys() == alone.keys() | origin().keys()
        np.testing.assert_array_equal(result["epoch"], alone["epoch"])
        np.testing.assert_allclose(result["loss"], alone["loss"], rtol=1e-3)
        np.testing.assert_array_equal(result["w_rec"][0], alone["w_rec"][0])
        np.testing.assert_allclose(result["w_in"][-1], alone["w_in"][-1], atol=2e-3)


def test_wrong_cues_of_an_ensemble_are_those_of_each_network():
    probed = replace(SMALL, timings=(task.Timing(2, 2, 2),), validity=0.5, sigma=0.0, max_epochs=2)
    networks = [replace(probed, model=m) for m in range(2)]
    for network, result in training.train_ensemble(networks):
        np.testing.assert_allclose(result["loss"], training.train_network(network)["loss"], rtol=1e-4)


def test_without_a_gpu_nothing_is_trained_together():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert list(training.train_together([SMALL])) == []


def test_stages_are_those_of_a_training_that_keeps_all_weights():
    """Plateau and stop rule, found as training goes on, against the rules on the whole curve."""
    rng = np.random.default_rng(0)
    drop = np.exp(-((np.arange(120) / 40) ** 4))  # a plateau, a second fall, and noise
    loss = 0.003 + 0.004 * np.exp(-np.arange(120) / 8) + 0.004 * drop + 2e-5 * rng.standard_normal(120)
    course = training._Course(replace(SMALL, max_epochs=120), rnn.Weights(*[np.zeros(1)] * 5))
    for epoch, value in enumerate(loss, start=1):
        course.add(value, rnn.Weights(*[np.full(1, float(epoch))] * 5))
    assert course.ended
    result = course.result()
    expected = [0, training.plateau_epoch(loss, 4.0), training.converged_epoch(loss, "loss_der"), 120]
    assert result["epoch"].tolist() == [-1 if e is None else e for e in expected]
    assert expected[1] is not None
    reached = result["epoch"] >= 0
    np.testing.assert_array_equal(result["b_in"][reached, 0], result["epoch"][reached])
