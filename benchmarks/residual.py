"""The residual's loss and gradient: this book against full Christoffel symbols, and against the memory.

The published code builds Christoffel symbols entry by entry, in loops over whole arrays, and leaves the
gradient to autograd. Prints the ratios of the times, median and range of five repeats on one thread, after
asserting that losses and gradients are equal. Then, on a grid that fits no cache, the time of the compiled
loss over the least that its memory traffic takes: g, v and (v.grad) v read once and the gradient written
once, at the speed of a compiled copy measured in the same run.
"""

from itertools import product
from time import perf_counter

import numpy as np
import torch
from numba import njit
from threadpoolctl import threadpool_limits

from crossroads.models.covariant_residual import (
    ResidualProblem,
    _accumulate,
    _arguments,
    plain_residual,
    pose_residual,
    residual_loss,
)

GRIDS = (100, 100), (48, 64, 48)
LARGE = (2048, 2048), (160, 160, 160)
N_REPEATS = 5  # each has a metric of its own
TARGET, BOUND = 5, 2  # times faster than Christoffel symbols, and times what the memory takes


def rings(grid: tuple[int, ...]) -> ResidualProblem:
    """One field of circles about the middle, which in 3-D rise as helices."""
    n = len(grid)
    x, y, *_ = (c - (side - 1) / 2 + 0.1 for c, side in zip(np.indices(grid), grid, strict=True))
    v = np.stack([-y, x, *[np.full(grid, 10.0)] * (n - 2)])
    v /= np.linalg.norm(v, axis=0)
    return pose_residual(v[None], np.ones((1, *grid), bool))


def rough_metric(grid: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    n = len(grid)
    g = 0.05 * rng.standard_normal((n, n, *grid))
    return g + np.swapaxes(g, 0, 1) + np.eye(n).reshape(n, n, *[1] * n)


def christoffel_loss(g: torch.Tensor, problem: ResidualProblem) -> torch.Tensor:
    """The same mean square by Gamma^k_ij, in the manner of the published code."""
    n = g.shape[0]
    v, drift = torch.from_numpy(problem.v[0]), torch.from_numpy(problem.drift[0])
    slope = [
        [[(g[i, j].roll(-1, a) - g[i, j].roll(1, a)) / 2 for j in range(n)] for i in range(n)]
        for a in range(n)
    ]
    inverse = torch.linalg.inv(g.movedim((0, 1), (-2, -1))).movedim((-2, -1), (0, 1))
    # Lists of arrays: adding to entries of one tensor would make autograd far slower than they are.
    acceleration = list(drift)
    for k, i, j in product(range(n), repeat=3):
        gamma = sum(
            inverse[k, other] * (slope[i][other][j] + slope[j][other][i] - slope[other][i][j]) / 2
            for other in range(n)
        )
        acceleration[k] = acceleration[k] + gamma * v[i] * v[j]
    along = sum(v[k] * acceleration[k] for k in range(n))
    return torch.stack([acceleration[k] - along * v[k] for k in range(n)]).square().mean()


def plain_loss(g: torch.Tensor, problem: ResidualProblem) -> torch.Tensor:
    return plain_residual(g, problem).square().mean()


def timed(loss, g: np.ndarray, problem: ResidualProblem) -> tuple[float, float, np.ndarray]:
    """Seconds, loss and symmetric gradient."""
    parameter = torch.tensor(g, requires_grad=True)
    start = perf_counter()
    value = loss(parameter, problem)
    value.backward()
    seconds = perf_counter() - start
    gradient = parameter.grad.numpy()
    return seconds, value.item(), (gradient + np.swapaxes(gradient, 0, 1)) / 2


def against_christoffel(grid: tuple[int, ...], rng: np.random.Generator) -> float:
    """Print the ratios on one grid; returns the median over Christoffel symbols."""
    problem, times = rings(grid), []
    others = {"Christoffel symbols and autograd": christoffel_loss, "ours in plain torch": plain_loss}
    for repeat in range(-1, N_REPEATS):
        g = rough_metric(grid, rng)
        ours, loss, gradient = timed(residual_loss, g, problem)
        row = [ours]
        for other in others.values():
            seconds, other_loss, other_gradient = timed(other, g, problem)
            row.append(seconds)
            np.testing.assert_allclose(loss, other_loss, rtol=1e-10)
            atol = 1e-10 * np.abs(gradient).max()
            np.testing.assert_allclose(gradient, other_gradient, rtol=0, atol=atol)
        if repeat >= 0:  # the first compiles
            times.append(row)
    ours, *rest = np.array(times).T
    print(f"{' x '.join(map(str, grid))} voxels: ours {1e3 * np.median(ours):.2f} ms")
    for name, other in zip(others, rest, strict=True):
        ratio = other / ours
        print(
            f"  {name}: {1e3 * np.median(other):.1f} ms, ratio {np.median(ratio):.1f} "
            f"({ratio.min():.1f}-{ratio.max():.1f}), losses and gradients equal"
        )
    return float(np.median(rest[0] / ours))


@njit
def copy(target: np.ndarray, source: np.ndarray) -> None:
    for i in range(len(source)):
        target[i] = source[i]


def against_memory(grid: tuple[int, ...], rng: np.random.Generator) -> float:
    """Print the time of the compiled loss over that of its memory traffic; returns the median."""
    g, problem = rough_metric(grid, rng), rings(grid)
    n, n_voxels = len(grid), int(np.prod(grid))
    n_pairs = n * (n + 1) // 2
    arguments = _arguments(g, problem, project=True)
    source = np.ones((n_pairs + n) * n_voxels)  # half of 2 n_pairs + 2 n numbers a voxel: a copy moves twice
    target = np.empty_like(source)
    ratios, times = [], []
    for repeat in range(-1, N_REPEATS):
        start = perf_counter()
        _accumulate(*arguments)
        middle = perf_counter()
        copy(target, source)
        copied = perf_counter() - middle
        if repeat >= 0:
            times.append(middle - start)
            ratios.append((middle - start) / copied)
    print(
        f"{' x '.join(map(str, grid))} voxels: {1e3 * np.median(times):.0f} ms, "
        f"{1e9 * np.median(times) / n_voxels:.1f} ns a voxel, {np.median(ratios):.1f} "
        f"({min(ratios):.1f}-{max(ratios):.1f}) times the bound of the memory"
    )
    return float(np.median(ratios))


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    faster = [against_christoffel(grid, rng) for grid in GRIDS]
    over = [against_memory(grid, rng) for grid in LARGE]
    if min(faster) < TARGET:
        raise SystemExit(f"below the target: {TARGET} times faster than Christoffel symbols")
    if max(over) > BOUND:
        raise SystemExit(f"above the target: {BOUND} times the bound of the memory")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
