"""Training a retro-cue network on the paper's exact schedule: compiled, against a plain per-trial torch loop.

Both do one RMSprop update a trial on 200 units and 16 cycles, on one core, in turns; the ratio is the loop's
time over ours. Before that, their gradients are compared. Target: 5 times faster, gradients within 1e-6.
"""

import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from crossroads.data import retro_cue as task
from crossroads.models import retro_cue_rnn as rnn
from crossroads.models.retro_cue_torch import RetroCueRNN, report_loss

N_HIDDEN, SIGMA, RATE = 200, 0.07, 1e-4
N_TRIALS, N_REPEATS = 128, 7
TIMING = task.Timing(7, 7)
TRIALS = task.all_trials()
INPUTS = task.event_inputs(TRIALS).astype(np.float32)
COST = task.report_cost(TRIALS).astype(np.float32)
EVENTS, READOUTS = np.array(TIMING.event_steps), np.array(TIMING.readouts)
NO_TARGET = np.zeros((2, len(COST), 1), np.float32)  # of the added neural-similarity loss, which is off


def ours(weights: rnn.Weights, squares: rnn.Weights, batches: np.ndarray, noise: np.ndarray) -> None:
    rnn.train_batches(weights, squares, RATE, batches, INPUTS, EVENTS, noise, COST, 0.0, READOUTS, NO_TARGET)


def plain(net: RetroCueRNN, optimiser: torch.optim.Optimizer, batches: np.ndarray, noise: np.ndarray) -> None:
    x = torch.zeros(TIMING.n_steps, len(COST), task.N_INPUTS)
    x[list(TIMING.event_steps)] = torch.tensor(INPUTS)
    cost, eps = torch.tensor(COST), torch.tensor(noise)
    for rows, eps_b in zip(torch.tensor(batches), eps, strict=True):
        optimiser.zero_grad()
        report_loss(net(x[:, rows], eps_b)[0], cost[rows]).backward()
        optimiser.step()


def largest_gradient_difference(weights: rnn.Weights, rng: np.random.Generator) -> float:
    """Largest difference between our gradient and autograd's over 20 trials."""
    x = torch.zeros(TIMING.n_steps, 1, task.N_INPUTS)
    worst = 0.0
    for trial in rng.choice(len(COST), 20, replace=False):
        inputs = np.ascontiguousarray(INPUTS[:, [trial]])
        noise = task.unit_noise((TIMING.n_steps, 1, N_HIDDEN), SIGMA, rng)
        gradient = rnn.loss_and_gradient(
            weights, inputs, EVENTS, noise, COST[[trial]], 0.0, READOUTS, NO_TARGET[:, :1]
        )[1]
        net = RetroCueRNN(weights)
        x[list(TIMING.event_steps)] = torch.tensor(inputs)
        report_loss(net(x, torch.tensor(noise))[0], torch.tensor(COST[[trial]])).backward()
        for name, value in gradient._asdict().items():
            worst = max(worst, float(np.abs(value - getattr(net, name).grad.numpy()).max()))
    return worst


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    weights = rnn.initial_weights(N_HIDDEN, rng)
    worst = largest_gradient_difference(weights, rng)
    net = RetroCueRNN(weights)
    optimiser = torch.optim.RMSprop(net.parameters(), lr=RATE)
    squares = rnn.Weights(*(np.zeros_like(a) for a in weights))
    rows = []
    for repeat in range(N_REPEATS + 1):  # the first warms up
        batches = rng.permutation(len(COST))[:N_TRIALS, None]
        noise = task.unit_noise((N_TRIALS, TIMING.n_steps, 1, N_HIDDEN), SIGMA, rng)
        start = time.perf_counter()
        ours(weights, squares, batches, noise)
        middle = time.perf_counter()
        plain(net, optimiser, batches, noise)
        if repeat:
            rows.append((middle - start, time.perf_counter() - middle))
    times = np.array(rows) / N_TRIALS * 1e3
    ratio = times[:, 1] / times[:, 0]
    print(
        f"training, one trial an update: ours {np.median(times[:, 0]):.3f} ms, torch loop "
        f"{np.median(times[:, 1]):.3f} ms an update; {np.median(ratio):.1f} times faster "
        f"({ratio.min():.1f}-{ratio.max():.1f} over {N_REPEATS} runs); gradients within {worst:.1e}"
    )
    if np.median(ratio) < 5 or worst > 1e-6:
        raise SystemExit("below the target: 5 times faster with gradients within 1e-6")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
