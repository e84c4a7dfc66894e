"""The brain module on an NVIDIA GPU at the paper's shapes, against a large matrix product on the same chip.

A training step is forward, contrastive loss, backward and Adam. All variants start from the same weights,
windows and place of the spatial dropout; loss and gradient of their first step are compared with those in
float32 without TF32. In bfloat16 (autocast) is the network alone, not scores and loss. Compiled are the
blocks: the front draws from a generator of its own, which a compiled graph cannot hold. Operations are those
of products and convolutions, of both also backward, counted once by torch; what works element by element is
not counted.
"""

import argparse
import csv
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, TextIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from crossroads.models.brain_module import BrainModule, BrainShape, encode
from crossroads.models.contrastive_losses import clip_loss, match_scores
from crossroads.models.device import device

COLUMNS = "what", "ms", "range", "TFLOP/s", "limit", "share", "windows/s", "GB at most"
VARIANTS = ("float32", False), ("TF32", False), ("bfloat16", False), ("TF32", True), ("bfloat16", True)
WARM_UP, N_RUNS, N_PRODUCTS = 5, 20, 10


class Size(NamedTuple):
    """The paper's (Gwilliams), and that of a matrix product which fills the chip."""

    n_windows: int = 256
    n_sensors: int = 208
    n_samples: int = 360
    n_subjects: int = 27
    n_candidates: int = 1284
    n_product: int = 8192
    shape: BrainShape = BrainShape(1024)


def allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def milliseconds(run: Callable[[], object], n: int, gpu: bool) -> np.ndarray:
    """Of n runs after some unmeasured ones; a GPU's by its own events, so that no run is waited for."""
    marks = []
    for _ in range(WARM_UP + n + 1):
        marks.append(torch.cuda.Event(enable_timing=True) if gpu else perf_counter())
        if gpu:
            marks[-1].record()
        run()
    if gpu:
        torch.cuda.synchronize()
    return np.array([a.elapsed_time(b) if gpu else 1e3 * (b - a) for a, b in pairwise(marks[WARM_UP:])])


def limit(n: int, precision: str, where: torch.device) -> float:
    """Operations of a product of random (n, n) matrices [10^12/s], median of some runs."""
    allow_tf32(precision == "TF32")
    a, b = torch.randn(2, n, n, device=where).to(torch.bfloat16 if precision == "bfloat16" else torch.float32)
    return 2e-9 * n**3 / float(np.median(milliseconds(lambda: a @ b, N_PRODUCTS, where.type == "cuda")))


def operations(run: Callable[[], object]) -> float:
    """Of a run [10^12]."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e12


def draw(size: Size, n: int, where: torch.device) -> tuple[BrainModule, Tensor, Tensor]:
    """A module, n windows and n sounds, the same every time."""
    cpu, rng = torch.Generator().manual_seed(0), torch.Generator(where).manual_seed(0)
    layouts = torch.rand(1, size.n_sensors, 2, generator=cpu)
    model = BrainModule(size.n_subjects, layouts, size.shape, cpu).to(where)
    channels = size.n_sensors, size.shape.n_outputs
    x, y = (torch.randn(n, c, size.n_samples, generator=rng, device=where) for c in channels)
    return model, x, y


def training(
    size: Size, precision: str, compiled: bool, where: torch.device
) -> tuple[Callable[[], Tensor], Tensor, Tensor]:
    """A step that returns its loss; and loss and gradient of the first one."""
    model, x, y = draw(size, size.n_windows, where)
    subject = torch.arange(size.n_windows, device=where) % size.n_subjects
    optimiser = torch.optim.Adam(model.parameters(), 3e-4, fused=True)
    allow_tf32(precision != "float32")
    if compiled:
        model.stack.compile()

    def step() -> Tensor:
        with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16"):
            z = model(x, subject, 0)
        loss = clip_loss(match_scores(z.float(), y))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    loss = step()
    return step, loss, torch.cat([p.grad.flatten() for p in model.parameters()])


def bench(where: torch.device, size: Size, out: TextIO) -> None:
    """All rows, each written as soon as it is known; on a CPU the first two variants alone."""
    gpu, writer = where.type == "cuda", csv.writer(out)
    writer.writerow(COLUMNS)
    limits = {precision: limit(size.n_product, precision, where) for precision, _ in VARIANTS[:3]}

    def measure(what: str, precision: str, run: Callable[[], object], n: int, tflop: float) -> None:
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        times = milliseconds(run, N_RUNS, gpu)
        ms = float(np.median(times))
        rate, top, peak = 1e3 * tflop / ms, limits[precision], torch.cuda.max_memory_allocated() / 1e9
        low, high, *numbers = (f"{number:.3g}" for number in (times.min(), times.max(), ms, rate, top))
        spread, share = f"{low}–{high}", f"{rate / top:.0%}"
        row = (
            f"{what} {precision}",
            numbers[0],
            spread,
            *numbers[1:],
            share,
            f"{1e3 * n / ms:.0f}",
            f"{peak:.2g}",
        )
        writer.writerow(row)
        out.flush()
        print(*(f"{name} {value}" for name, value in zip(COLUMNS, row, strict=True)), sep=", ", flush=True)

    def inference() -> None:
        allow_tf32(True)
        model, x, y = draw(size, size.n_candidates, where)
        z = encode(model, x, 0, 0)
        for what, run in ("encode", lambda: encode(model, x, 0, 0)), ("match", lambda: match_scores(z, y)):
            measure(what, "TF32", run, size.n_candidates, operations(run))

    inference()
    for precision, compiled in VARIANTS if gpu else VARIANTS[:2]:
        step, loss, gradient = training(size, precision, compiled, where)
        if precision == "float32":
            reference, tflop = (loss, gradient), operations(step)
        off = [float((a - b).norm() / b.norm()) for a, b in zip((loss, gradient), reference, strict=True)]
        print(f"first step: loss {off[0]:.1e} off, gradient {off[1]:.1e} of its norm", flush=True)
        if not compiled:
            again = training(size, precision, compiled, where)[2]
            print("once more it has the same bytes:", torch.equal(again, gradient), flush=True)
        measure("compiled" if compiled else "step", precision, step, size.n_windows, tflop)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(os.devnull), help="CSV of the rows")
    out = parser.parse_args().out
    if device().type == "cpu":
        print("torch finds no NVIDIA GPU here: nothing is timed")
        return
    with out.open("w", newline="") as stream:
        bench(device(), Size(), stream)


if __name__ == "__main__":
    main()
