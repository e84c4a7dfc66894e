"""Training of three chapters' networks on a GPU, against the chip's limits: `gpu_training.py [--out FILE]`.

Limits are measured in the same run: a copy, for what moves bytes, and a product of two large matrices in the
same precision, for what computes. Each row is the median of some repeats with their range. Without a GPU
there is nothing to measure.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from crossroads.data import retro_cue as task
from crossroads.data.fibre_scenes import Scene, open_scene
from crossroads.models.covariant_residual import pose_residual, residual_loss
from crossroads.models.dense_encoder_decoder import NetworkMetric
from crossroads.models.hand_decoder import PAPER_HIDDEN, AttentionDecoder, Fitting
from crossroads.models.retro_cue_ensemble import Ensemble
from crossroads.models.retro_cue_rnn import Weights, initial_weights, train_batches

TIMING, N_HIDDEN, RATE = task.Timing(7, 7), 200, 1e-4  # the paper's
TRIALS = task.all_trials()
INPUTS = task.event_inputs(TRIALS).astype(np.float32)
COST = task.report_cost(TRIALS).astype(np.float32)
COLUMNS = ["what", "n", "ms", "low", "high", "rate", "unit", "limit", "share", "peer_ms", "peak_gb"]


def times_ms(run: Callable[[], object], n_repeats: int) -> np.ndarray:
    """Of each repeat, after two unmeasured ones."""
    found = []
    for _ in range(n_repeats + 2):
        start = perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(1e3 * (perf_counter() - start))
    return np.array(found[2:])


def copy_limit(device: torch.device, n: int = 2**30) -> float:
    """GB/s read and written by a large copy."""
    a = torch.rand(n // 4, device=device)
    b = torch.empty_like(a)
    return 2 * n / 1e6 / float(np.median(times_ms(lambda: b.copy_(a), 10)))


def product_limit(device: torch.device, n: int = 8192) -> float:
    """TFLOP/s of a product of random float32 matrices, TF32 where torch's setting allows."""
    a, b = torch.randn(2, n, n, device=device)
    return 2 * n**3 / 1e9 / float(np.median(times_ms(lambda: a @ b, 5)))


def row(what: str, n: int, ms: np.ndarray, amount: float, unit: str, limit: float, peer: float) -> dict:
    """Print a measurement and return its row; amount is work of one repeat, in GB or TFLOP."""
    median = float(np.median(ms))
    rate = amount / median * 1e3
    peak = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else np.nan
    values = (what, n, median, ms.min(), ms.max(), rate, unit, limit, rate / limit, peer, peak)
    found = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in zip(COLUMNS, values, strict=True)}
    print(found, flush=True)
    return found


def retro_cue(device: torch.device, numbers: tuple[int, ...], limit: float) -> list[dict]:
    """One update of n networks, a trial each; the peer is the compiled update of one on a core."""
    rng = np.random.default_rng(0)
    weights = initial_weights(N_HIDDEN, rng)
    squares = Weights(*(np.zeros_like(a) for a in weights))
    batches = rng.permutation(len(COST))[:, None]
    noise = task.unit_noise((len(batches), TIMING.n_steps, 1, N_HIDDEN), 0.07, rng)
    events, readouts, none = np.array(TIMING.event_steps), np.array(TIMING.readouts), np.zeros((2, 512, 1))

    def one() -> None:
        args = weights, squares, RATE, batches, INPUTS, events, noise, COST, 0.0, readouts
        train_batches(*args, none.astype(np.float32))

    with threadpool_limits(1):
        peer = float(np.median(times_ms(one, 3))) / len(batches)
    rows = []
    for n in numbers:
        first = [initial_weights(N_HIDDEN, rng) for _ in range(n)]
        ensemble = Ensemble(first, [TIMING.event_steps] * n, TIMING.n_steps, COST, RATE, device)

        def epoch(ensemble: Ensemble = ensemble, n: int = n) -> None:
            ensemble.start_epoch([INPUTS] * n, [batches] * n, [noise] * n)
            ensemble.end_epoch()

        # Recurrent weights are read once a cycle, both ways; RMSprop passes seven times over all weights.
        passes = 2 * (TIMING.n_steps - 1) * N_HIDDEN**2 + 7 * ensemble.weights.shape[1]
        ms = times_ms(epoch, 3) / len(batches)
        rows.append(row("retrocue: update", n, ms, 4e-9 * n * passes, "GB/s", limit, peer))
    return rows


def connectome(device: torch.device, blocks: tuple[int, ...], n_repeats: int, limit: float) -> dict:
    """One iteration of the network in the volume."""
    fields = open_scene(Scene("helix crossing"))
    problem = pose_residual(fields.v, fields.mask)
    generator = torch.Generator().manual_seed(0)
    model = NetworkMetric(fields.v, "rotation", blocks, generator, zero_last=True, recompute=True).to(device)
    optimiser = torch.optim.Adam(model.parameters(), 3e-4)

    def step() -> None:
        optimiser.zero_grad()
        residual_loss(model(), problem).log().backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counted:
        step()
    work = counted.get_total_flops() / 1e12
    size = sum(p.numel() for p in model.parameters())
    return row("connectome: iteration", size, times_ms(step, n_repeats), work, "TFLOP/s", limit, np.nan)


def nerve(device: torch.device, n_repeats: int, limit: float) -> dict:
    """One step of the decoder of 1.6 million parameters, on crops of four seconds."""
    fitting = Fitting(PAPER_HIDDEN, 1, crop=200)
    torch.manual_seed(0)
    network = AttentionDecoder(14 * 16, PAPER_HIDDEN).to(device)
    x, y = torch.randn(fitting.batch, fitting.crop, 14 * 16), torch.rand(fitting.batch, fitting.crop, 6)

    def step_on(where: torch.device) -> Callable[[], None]:
        model, a, b = network.to(where), x.to(where), y.to(where)
        optimiser = torch.optim.Adam(model.parameters(), fitting.learning_rate, fused=True)

        def step() -> None:
            optimiser.zero_grad()
            functional.mse_loss(model(a)[0], b).backward()
            optimiser.step()

        return step

    peer = float(np.median(times_ms(step_on(torch.device("cpu")), 1)))
    # Every weight serves every step: two operations, and four for the two gradients.
    size = sum(p.numel() for p in network.parameters())
    work = 6e-12 * size * fitting.batch * fitting.crop
    return row("nerve: step", size, times_ms(step_on(device), n_repeats), work, "TFLOP/s", limit, peer)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    out = parser.parse_args().out
    if not torch.cuda.is_available():
        sys.exit("gpu_training: no GPU here, nothing measured") if out else print("gpu_training: no GPU here")
        return
    device = torch.device("cuda")
    bandwidth = copy_limit(device)
    rows = retro_cue(device, (1, 30, 100, 240), bandwidth)
    torch.set_float32_matmul_precision("high")  # as convolutions have it
    limit = product_limit(device)
    torch.set_float32_matmul_precision("highest")
    rows.append(nerve(device, 10, limit))
    rows.append(connectome(device, (40, 30, 40), 5, limit))
    print(torch.cuda.get_device_name(), f"copy {bandwidth:.0f} GB/s, TF32 product {limit:.0f} TFLOP/s")
    if out:
        with open(out, "w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
