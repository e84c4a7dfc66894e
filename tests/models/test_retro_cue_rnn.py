import numpy as np
import pytest
import torch

from crossroads.data import retro_cue as task
from crossroads.models import retro_cue_rnn as rnn
from crossroads.models.retro_cue_torch import RetroCueRNN, cka_loss, report_loss

TRIALS = task.all_trials()
COST = task.report_cost(TRIALS)


def dense(inputs, timing):
    """Inputs at all cycles, as torch wants them."""
    x = torch.zeros(timing.n_steps, *inputs.shape[1:], dtype=torch.float64)
    x[list(timing.event_steps)] = torch.tensor(inputs).double()
    return x


@pytest.mark.parametrize("similarity", [0.0, 0.3])
@pytest.mark.parametrize("timing", [task.Timing(7, 7), task.Timing(3, 0), task.Timing(2, 1, 2)])
def test_gradient_equals_autograd(timing, similarity):
    """eq-retrocue-state and eq-retrocue-loss: the compiled network against the one in torch."""
    rng = np.random.default_rng(1)
    weights = rnn.initial_weights(12, rng, gain=1.3, dtype=np.float64)
    rows = rng.choice(512, 9, replace=False)
    cued = task.flip_cues(TRIALS.probed, 0.5, rng) if len(timing.event_steps) == 3 else None
    inputs = np.ascontiguousarray(task.event_inputs(TRIALS, cued)[:, rows])
    noise = 0.2 * rng.standard_normal((timing.n_steps, 9, 12))
    neural = rng.standard_normal((len(timing.readouts), 9, 4))
    readouts = np.array(timing.readouts)

    loss, gradient = rnn.loss_and_gradient(
        weights, inputs, np.array(timing.event_steps), noise, COST[rows], similarity, readouts, neural
    )
    net = RetroCueRNN(weights)
    reports, states = net(dense(inputs, timing), torch.tensor(noise))
    expected = report_loss(reports, torch.tensor(COST[rows]))
    added = sum(cka_loss(states[t], torch.tensor(p)) for t, p in zip(readouts, neural, strict=True))
    (expected + similarity * added).backward()

    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for name, value in gradient._asdict().items():
        np.testing.assert_allclose(value, getattr(net, name).grad, rtol=1e-9, atol=1e-14)


def test_single_precision_gradient_is_within_1e_6_of_autograd():
    rng = np.random.default_rng(2)
    timing = task.Timing(7, 7)
    weights = rnn.initial_weights(200, rng)
    inputs = np.ascontiguousarray(task.event_inputs(TRIALS)[:, :1], np.float32)
    noise = (0.07 * rng.standard_normal((16, 1, 200))).astype(np.float32)
    none = np.zeros((2, 1, 1), np.float32)
    _, gradient = rnn.loss_and_gradient(
        weights,
        inputs,
        np.array(timing.event_steps),
        noise,
        COST[:1].astype(np.float32),
        0.0,
        np.array([7, 15]),
        none,
    )
    net = RetroCueRNN(weights)
    reports, _ = net(dense(inputs, timing).float(), torch.tensor(noise))
    report_loss(reports, torch.tensor(COST[:1].astype(np.float32))).backward()
    for name, value in gradient._asdict().items():
        np.testing.assert_allclose(value, getattr(net, name).grad, atol=1e-6)


def test_update_equals_torch_rmsprop():
    rng = np.random.default_rng(3)
    timing = task.Timing(2, 2)
    start = rnn.initial_weights(10, rng, dtype=np.float64)
    weights = rnn.Weights(*(a.copy() for a in start))
    squares = rnn.Weights(*(np.zeros_like(a) for a in start))
    batches = rng.permutation(512)[:20].reshape(5, 4)
    noise = 0.1 * rng.standard_normal((5, timing.n_steps, 4, 10))
    inputs = task.event_inputs(TRIALS)
    none = np.zeros((2, 512, 1))
    losses = rnn.train_batches(
        weights,
        squares,
        1e-3,
        batches,
        inputs,
        np.array(timing.event_steps),
        noise,
        COST,
        0.0,
        np.array([2, 5]),
        none,
    )

    net = RetroCueRNN(start)
    optimiser = torch.optim.RMSprop(net.parameters(), lr=1e-3)  # alpha .99 and eps 1e-8 are its defaults
    for rows, noise_b, ours in zip(batches, noise, losses, strict=True):
        optimiser.zero_grad()
        loss = report_loss(
            net(dense(inputs[:, rows], timing), torch.tensor(noise_b))[0], torch.tensor(COST[rows])
        )
        loss.backward()
        optimiser.step()
        assert ours == pytest.approx(loss.item(), rel=1e-9)
    for name, value in weights._asdict().items():
        np.testing.assert_allclose(value, getattr(net, name).detach(), rtol=1e-7, atol=1e-12)


def test_parameter_count_and_initial_distribution():
    weights = rnn.initial_weights(200, np.random.default_rng(0))
    assert sum(a.size for a in weights) == 50_817
    np.testing.assert_allclose(weights.w_rec @ weights.w_rec.T, np.eye(200), atol=1e-5)
    # A uniform variable on +-1/6 has standard deviation 1/(6 sqrt 3).
    assert weights.w_in.std() == pytest.approx(1 / (6 * np.sqrt(3)), rel=0.03)
    assert abs(weights.w_out).max() <= 200**-0.5


def test_uniform_reports_cost_what_the_sum_of_squares_says():
    """eq-retrocue-loss: uniform reports o_k = 1/17 cost (2 pi / 17)^2 2 (1 + 4 + ... + 64) / 17^3: .01134."""
    zero = rnn.Weights(
        *(np.zeros_like(a) for a in rnn.initial_weights(5, np.random.default_rng(0), dtype=np.float64))
    )
    timing = task.Timing(1, 1)
    inputs, events = task.event_inputs(TRIALS), np.array(timing.event_steps)
    noise, none = np.zeros((timing.n_steps, 512, 5)), np.zeros((2, 512, 1))
    loss, _ = rnn.loss_and_gradient(zero, inputs, events, noise, COST, 0.0, np.array(timing.readouts), none)
    assert loss == pytest.approx((2 * np.pi / 17) ** 2 * 2 * 204 / 17**3, rel=1e-12)
    assert loss == pytest.approx(0.01134, abs=5e-6)
