"""Geodesic shooting: this book against the same Runge-Kutta steps in numpy, one geodesic after another.

Prints the ratios of the times for 200 geodesics on the grid of the paper's slices, median and range of five
repeats on one thread, after asserting that the curves are the same. numpy one after another is timed on five
of the geodesics. The compiled shooting is also timed one geodesic after another: there, a batch saves the
Christoffel symbols and the calls, so that its ratio grows with the grid.
"""

from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_limits

from crossroads.analyse.geodesics import christoffel, shoot
from crossroads.models.tensor_metrics import inverse_metric

GRID = (145, 174)
N_GEODESICS, N_STEPS, N_ALONE, N_REPEATS = 200, 750, 5, 5  # N_STEPS each way: 1,500 in all
STEP = 0.02  # voxels


def ring_metric() -> np.ndarray:
    """Inverse of tensors whose principal directions are circles about the middle of the grid."""
    x, y = np.indices(GRID) - (np.array(GRID)[:, None, None] - 1) / 2
    v = np.stack([-y, x], axis=-1) / np.hypot(x, y)[..., None]
    tensor = 0.3 * np.eye(2) + 1.4 * v[..., :, None] * v[..., None, :]
    return inverse_metric(tensor, np.ones(GRID, bool))


def numpy_shoot(gamma: np.ndarray, seeds: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Mode "unit" for all seeds at once, one way, (n_curves, N_STEPS + 1, 2); curves must not end."""
    by_voxel = np.moveaxis(gamma, (0, 1, 2), (-3, -2, -1)).reshape(-1, 2, 2, 2)
    corners = np.array([0, 1, GRID[1], GRID[1] + 1])

    def accelerate(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        low = np.floor(x).astype(int)
        s, t = (x - low).T
        weights = np.stack([(1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t], axis=1)
        around = by_voxel[(low @ [GRID[1], 1])[:, None] + corners].reshape(len(x), 4, 8)
        here = (weights[:, None] @ around).reshape(-1, 2, 2, 2)
        a = -((here @ v[:, None, :, None])[..., 0] @ v[:, :, None])[..., 0]
        return a - ((a * v).sum(1) / (v * v).sum(1))[:, None] * v

    x, v, path = seeds, directions, [seeds]
    for _ in range(N_STEPS):
        a = accelerate(x, v)
        v2 = v + STEP / 2 * a
        b = accelerate(x + STEP / 2 * v, v2)
        v3 = v + STEP / 2 * b
        c = accelerate(x + STEP / 2 * v2, v3)
        v4 = v + STEP * c
        d = accelerate(x + STEP * v3, v4)
        x, v = x + STEP / 6 * (v + 2 * v2 + 2 * v3 + v4), v + STEP / 6 * (a + 2 * b + 2 * c + d)
        path.append(x)
    return np.stack(path, axis=1)


def main() -> None:
    rng = np.random.default_rng(0)
    g, mask = ring_metric(), np.ones(GRID, bool)
    gamma = christoffel(g, mask)
    times = []
    for repeat in range(-1, N_REPEATS):
        seeds = rng.uniform(0.3, 0.7, (N_GEODESICS, 2)) * GRID
        angle = rng.uniform(0, 2 * np.pi, N_GEODESICS)
        directions = np.column_stack([np.cos(angle), np.sin(angle)])
        alone = [(seeds[i : i + 1], directions[i : i + 1]) for i in range(N_GEODESICS)]
        start = perf_counter()
        paths = shoot(g, mask, seeds, directions, step=STEP, n_steps=N_STEPS)
        compiled = perf_counter()
        for one in alone:
            shoot(g, mask, *one, step=STEP, n_steps=N_STEPS)
        compiled_alone = perf_counter()
        expected = np.stack([numpy_shoot(gamma, seeds, sign * directions) for sign in (1, -1)])
        batched = perf_counter()
        for one_seed, direction in alone[:N_ALONE]:
            for sign in (1, -1):
                numpy_shoot(gamma, one_seed, sign * direction)
        end = perf_counter()
        np.testing.assert_allclose(paths, expected, rtol=0, atol=1e-9)
        if repeat >= 0:  # the first compiles
            scale = N_GEODESICS / N_ALONE
            times.append(np.diff([start, compiled, compiled_alone, batched, end]) * [1, 1, 1, scale])
    ours, *others = np.array(times).T
    print(f"{N_GEODESICS} geodesics x {2 * N_STEPS} steps, both ways together: ours {np.median(ours):.2f} s")
    names = "ours, one after another", "numpy, all at once", "numpy, one after another"
    for name, other in zip(names, others, strict=True):
        ratio = other / ours
        print(
            f"{name}: {np.median(other):.2f} s, ratio {np.median(ratio):.1f} "
            f"({ratio.min():.1f}-{ratio.max():.1f}), curves equal"
        )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
