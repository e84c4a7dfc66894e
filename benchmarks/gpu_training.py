"""Training of three chapters' networks on an NVIDIA GPU at the papers' sizes, against the chip's limits.

`python benchmarks/gpu_training.py [--out FILE]` times one repeat of each training. Limits are measured in the
same run: a copy, for what moves bytes, and a product of two large matrices in the same precision, for what
computes. Medians of some repeats, with their range. Without a GPU there is nothing to measure.
"""

import argparse
import csv
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from gpu_brain_module import limit
from threadpoolctl import threadpool_limits
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from crossroads.data import retro_cue as task
from crossroads.data.fibre_scenes import Scene, open_scene
from crossroads.models.covariant_residual import pose_residual, residual_loss
from crossroads.models.dense_encoder_decoder import NetworkMetric
from crossroads.models.device import device
from crossroads.models.hand_decoder import PAPER_HIDDEN, AttentionDecoder, Fitting
from crossroads.models.retro_cue_ensemble import Ensemble
from crossroads.models.retro_cue_rnn import Weights, initial_weights, train_batches

TIMING, N_HIDDEN, SIGMA, RATE = task.Timing(7, 7), 200, 0.07, 1e-4  # the paper's
TRIALS = task.all_trials()
INPUTS = task.event_inputs(TRIALS).astype(np.float32)
COST = task.report_cost(TRIALS).astype(np.float32)
N_PRODUCT = 8192  # sides of the matrices whose product is the limit
COLUMNS = ("what", "n", "ms", "range", "rate", "limit", "share", "CPU, ms")


def milliseconds(run: Callable[[], object], n: int, warm_up: int = 2) -> np.ndarray:
    """Of n runs, after some unmeasured ones."""
    found = []
    for _ in range(warm_up + n):
        start = perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(1e3 * (perf_counter() - start))
    return np.array(found[warm_up:])


def copy_limit(where: torch.device, n: int = 2**30) -> float:
    """GB/s read and written by a copy of n bytes."""
    a = torch.rand(n // 4, device=where)
    b = torch.empty_like(a)
    return 2 * n / 1e6 / float(np.median(milliseconds(lambda: b.copy_(a), 10)))


def digits(number: float) -> str:
    """Three of them; nothing of what was not measured."""
    if np.isnan(number):
        return ""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def row(what: str, n: int, ms: np.ndarray, work: float, unit: str, most: float, peer: float) -> tuple:
    """Print a measurement and return it as a row; work of one repeat in GB or TFLOP."""
    median = float(np.median(ms))
    rate = 1e3 * work / median
    speeds = f"{digits(rate)} {unit}", f"{digits(most)} {unit}", f"{rate / most:.0%}"
    found = what, n, digits(median), f"{digits(ms.min())}–{digits(ms.max())}", *speeds, digits(peer)
    print(*(f"{name} {value}" for name, value in zip(COLUMNS, found, strict=True)), sep=", ", flush=True)
    return found


def retro_cue(where: torch.device, numbers: tuple[int, ...], most: float) -> list[tuple]:
    """One update of n networks, a trial each, with the noise that it takes; beside it, of one on a core."""
    rng = np.random.default_rng(0)
    weights = initial_weights(N_HIDDEN, rng)
    squares = Weights(*(np.zeros_like(a) for a in weights))
    batches = rng.permutation(len(COST))[:, None]
    noise = task.unit_noise((len(batches), TIMING.n_steps, 1, N_HIDDEN), SIGMA, rng)
    none = np.zeros((2, len(COST), 1), np.float32)
    rest = np.array(TIMING.event_steps), noise, COST, 0.0, np.array(TIMING.readouts), none
    with threadpool_limits(1):
        alone = milliseconds(lambda: train_batches(weights, squares, RATE, batches, INPUTS, *rest), 3)
    rows = []
    for n in numbers:
        first = [initial_weights(N_HIDDEN, rng) for _ in range(n)]
        ensemble = Ensemble(first, [TIMING.event_steps] * n, TIMING.n_steps, COST, RATE, where)

        def epoch(ensemble: Ensemble = ensemble, n: int = n) -> None:
            ensemble.start_epoch([INPUTS] * n, [batches] * n, [noise] * n)
            ensemble.end_epoch()

        # Recurrent weights are read once a cycle, both ways; RMSprop passes seven times over all weights.
        gigabytes = 4e-9 * n * (2 * (TIMING.n_steps - 1) * N_HIDDEN**2 + 7 * ensemble.weights.shape[1])
        ms = milliseconds(epoch, 3) / len(batches)
        peer = float(np.median(alone)) / len(batches)
        rows.append(row("retrocue, an update", n, ms, gigabytes, "GB/s", most, peer))
    return rows


def nerve(where: torch.device, n_repeats: int, most: float) -> tuple:
    """One step of the decoder of 1.6 million parameters on crops of four seconds; beside it, on all cores."""
    fitting = Fitting(PAPER_HIDDEN, 1, crop=200)
    x, y = torch.randn(fitting.batch, fitting.crop, 14 * 16), torch.rand(fitting.batch, fitting.crop, 6)

    def step_on(where: torch.device) -> Callable[[], None]:
        model, a, b = AttentionDecoder(14 * 16, PAPER_HIDDEN).to(where), x.to(where), y.to(where)
        optimiser = torch.optim.Adam(model.parameters(), fitting.learning_rate, fused=True)

        def step() -> None:
            optimiser.zero_grad()
            functional.mse_loss(model(a)[0], b).backward()
            optimiser.step()

        return step

    peer = float(np.median(milliseconds(step_on(torch.device("cpu")), 3, 1)))
    size = sum(p.numel() for p in AttentionDecoder(14 * 16, PAPER_HIDDEN).parameters())
    # Every weight serves every step: two operations, and four for the two gradients.
    work = 6e-12 * size * fitting.batch * fitting.crop
    return row("nerve, a step", 1, milliseconds(step_on(where), n_repeats), work, "TFLOP/s", most, peer)


def connectome(where: torch.device, blocks: tuple[int, ...], n_repeats: int, most: float) -> tuple:
    """One iteration of the network in the volume."""
    fields = open_scene(Scene("helix crossing"))
    problem = pose_residual(fields.v, fields.mask)
    model = NetworkMetric(fields.v, "rotation", blocks, torch.Generator().manual_seed(0), zero_last=True)
    optimiser = torch.optim.Adam(model.to(where).parameters(), 1e-3)

    def step() -> None:
        optimiser.zero_grad()
        residual_loss(model(), problem).log().backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counted:
        step()
    work = counted.get_total_flops() / 1e12
    torch.backends.cuda.matmul.allow_tf32 = True  # as the chapter has it
    model.record()
    return row("connectome, an iteration", 1, milliseconds(step, n_repeats), work, "TFLOP/s", most, np.nan)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", help="CSV of the rows")
    out = parser.parse_args().out
    if device().type == "cpu":
        print("torch finds no NVIDIA GPU here: nothing is timed")
        return
    bandwidth, products = copy_limit(device()), limit(N_PRODUCT, "TF32", device())
    torch.backends.cuda.matmul.allow_tf32 = False  # as torch has it; convolutions keep theirs
    print(f"{torch.cuda.get_device_name()}: copy {bandwidth:.0f} GB/s, TF32 product {products:.0f} TFLOP/s")
    rows = retro_cue(device(), (1, 30, 100, 240), bandwidth)
    rows += [nerve(device(), 10, products), connectome(device(), (40, 30, 40), 5, products)]
    if out:
        with open(out, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
