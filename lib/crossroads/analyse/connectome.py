"""What the connectome chapter measures in each scene: fitted metrics, and how their geodesics go astray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import binary_erosion
from scipy.stats import spearmanr

from crossroads.analyse.geodesics import (
    Deviation,
    Mode,
    deviation,
    metric_distance,
    seed_directions,
    shoot,
    streamlines,
)
from crossroads.data.fibre_fields import FibreFields
from crossroads.data.fibre_scenes import Scene, open_scene
from crossroads.models.covariant_residual import (
    ResidualProblem,
    hold_out,
    official_log10,
    pose_residual,
    residual,
)
from crossroads.models.dense_encoder_decoder import NetworkMetric
from crossroads.models.device import device, origin
from crossroads.models.metric_fits import GridMetric, SplineMetric, fit_metric
from crossroads.models.tensor_metrics import adjugate_metric, conformal_metric, inverse_metric

STEP = 0.1  # voxels between the points of a curve
KINDS = ("matched", "nearest", "coverage")
REACH = 160.0  # voxels that a curve may run each way; longer than any strand
PUBLISHED_RATE = 1e-2  # of Adadelta, in 2-D


@dataclass(frozen=True)
class ConnectomeSettings:
    """Settings of the chapter, one block a size in ci/sizes/connectome.yml."""

    n_curves: int  # random starts in each scene, half of the curves each way
    n_seeds: int  # fits of each condition, which differ in their noise and their start
    iterations: int  # of a direct fit in 2-D
    learning_rate: float
    knots: int  # of the spline grid, along each axis
    network_blocks: tuple[int, int, int]
    network_iterations: int
    network_rate: float
    volume_solver: str  # of the 3-D scene: direct, or network (with the blocks of volume_blocks)
    volume_blocks: tuple[int, int, int]
    volume_iterations: int
    volume_rate: float
    dwi_iterations: int  # of a direct fit in dipy's small volumes
    dwi_rate: float
    snr: float  # of the diffusion scan of the synthetic slice
    noise_deg: tuple[float, ...]
    flips: tuple[float, ...]
    n_families: tuple[int, ...]
    play_starts: int


@dataclass(frozen=True)
class Solver:
    """How a metric is fitted.

    kind : "direct", "spline" (with this many knots along each axis) or "network" (with these blocks).
    parameters : of the metric, see `metric_parameters.metric_of`.
    project, aligned : see `covariant_residual`.
    start : standard deviation of the random parameters that a direct fit starts from.
    left_out : share of the voxels whose residual is not fitted, only measured.
    published : train a network as the published code does, from random weights and by Adadelta.
    """

    kind: str
    n_iterations: int
    learning_rate: float
    parameters: str = "exponential"
    knots: int = 0
    blocks: tuple[int, ...] = ()
    project: bool = True
    aligned: bool = True
    start: float = 0.0
    left_out: float = 0.0
    published: bool = False


@dataclass(frozen=True)
class Fit:
    """A unit: one metric, fitted to one scene."""

    scene: Scene
    solver: Solver
    seed: int


@dataclass(frozen=True)
class Tracks:
    """Geodesics of a metric, and the integral curves through the same seeds.

    curves, references (2, n_curves, n_steps + 1, n); field (n_curves,), to which each seed belongs.
    """

    curves: np.ndarray
    references: np.ndarray
    field: np.ndarray
    deviation: Deviation

    @property
    def matched(self) -> np.ndarray:
        """Mean distance at the same arc length, over both ways of each curve, (n_curves,) [voxels]."""
        return np.nanmean(self.deviation.matched, axis=0)

    @property
    def nearest(self) -> np.ndarray:
        """As `matched`, of the distance from the nearest point."""
        return np.nanmean(self.deviation.nearest, axis=0)

    @property
    def coverage(self) -> np.ndarray:
        """Share of the integral curve that the geodesic covers, mean over both ways, (n_curves,)."""
        return np.nanmean(self.deviation.coverage, axis=0)


def fit_scene(unit: Fit) -> dict[str, np.ndarray]:
    """Fit a metric to the directions of a scene; a network is trained on a GPU where there is one.

    Returns
    -------
    "g" (n, n, *grid), flat where no mask is near; "loss" (n_iterations,), mean over all entries of the
    scene's whole grid as the paper counts it; "left_out_loss", the same of the voxels left out, if any are;
    and the `origin` of a network.
    """
    fields = open_scene(unit.scene)
    n, solver = fields.v.shape[1], unit.solver
    grid = fields.v.shape[2:]
    box = (slice(None),) * n if solver.kind == "network" else mask_box(fields.mask)
    v, mask = fields.v[(..., *box)], fields.mask[(..., *box)]
    problem, left_out = pose_residual(v, mask, aligned=solver.aligned), None
    if solver.left_out:
        rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(1,)))
        problem, left_out = hold_out(problem, solver.left_out, rng)
    model, trained_on = model_of(solver, v, unit.seed), {}
    if isinstance(model, NetworkMetric):
        model, trained_on = model.to(device()), origin()
        if trained_on:
            torch.backends.cuda.matmul.allow_tf32 = True  # as in a GPU's convolutions
            model.record()
    fit = fit_metric(
        model,
        problem,
        solver.n_iterations,
        solver.learning_rate,
        optimiser="adadelta" if solver.published else "adam",
        project=solver.project,
        left_out=left_out,
    )
    share = np.prod(v.shape[2:]) / np.prod(grid)
    g = np.zeros((n, n, *grid))
    g[range(n), range(n)] = 1
    g[(..., *box)] = fit.g
    found = {"g": g, "loss": fit.loss * share} | trained_on
    return found | ({} if fit.left_out_loss is None else {"left_out_loss": fit.left_out_loss * share})


def mask_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box of the grid that holds all masks (m, *grid)."""
    where = np.argwhere(mask.any(0))
    return tuple(slice(low, high + 1) for low, high in zip(where.min(0), where.max(0), strict=True))


def tensor_metrics(fields: FibreFields) -> dict[str, np.ndarray]:
    """The flat metric, and those of the paper's three rivals for which there are tensors; each (n, n, *grid).

    The conformal metric is that of the published exponent where there is one, else of ours, clipped.
    """
    n, mask = fields.v.shape[1], np.any(fields.mask, axis=0)
    metrics = {"flat": flat(n, mask.shape)}
    if fields.tensor is not None:
        metrics["inverse"] = inverse_metric(fields.tensor, mask)
        metrics["adjugate"] = adjugate_metric(fields.tensor, mask)
    if fields.scaled_tensor is not None:
        metrics["conformal"] = inverse_metric(fields.scaled_tensor, mask)
    elif fields.tensor is not None:
        metrics["conformal"] = conformal_metric(fields.tensor, mask)
    return metrics


def flat(n: int, grid: Sequence[int]) -> np.ndarray:
    """The flat metric, (n, n, *grid)."""
    return np.broadcast_to(np.eye(n).reshape(n, n, *(1,) * n), (n, n, *grid)).copy()


def random_seeds(
    fields: FibreFields, n: int, rng: np.random.Generator, depth: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Random voxels inside the masks: seeds (n, n_dims) and their fields (n,), as many in each to within one.

    depth : layers of voxels that are taken off first. A curve that starts at the border of a bundle leaves it
        by the first half voxel that it strays, and says little.

    Raises
    ------
    ValueError : a mask that is not that thick.
    """
    which = np.arange(n) % len(fields.mask)
    seeds = np.empty((n, fields.v.shape[1]))
    for i, mask in enumerate(fields.mask):
        voxels = np.argwhere(binary_erosion(mask, iterations=depth) if depth else mask)
        if not len(voxels):
            raise ValueError(
                f"{fields.name}: no voxel of field {i} is {depth} layers deep; take a smaller depth"
            )
        chosen = which == i
        seeds[chosen] = voxels[rng.choice(len(voxels), chosen.sum(), replace=len(voxels) < chosen.sum())]
    return seeds, which


def anisotropic_seeds(fields: FibreFields, least: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Every voxel of one mask whose largest eigenvalue is more than `least` times the next, and field 0."""
    tensor = fields.tensor if fields.tensor is not None else fields.scaled_tensor
    assert tensor is not None
    eigenvalues = np.linalg.eigvalsh(tensor)
    seeds = np.argwhere(fields.mask[0] & (eigenvalues[..., -1] > least * eigenvalues[..., -2])).astype(float)
    return seeds, np.zeros(len(seeds), int)


def follow(
    g: np.ndarray,
    fields: FibreFields,
    seeds: np.ndarray,
    field: np.ndarray,
    mode: Mode = "unit",
    reach: float = REACH,
) -> Tracks:
    """Shoot geodesics of g along the fields from seeds (n_curves, n), each inside the mask of its field.

    field : (n_curves,), to which each seed belongs. reach : length of a curve each way [voxels].
    """
    n_steps = round(reach / STEP)
    directions = directions_at(fields, seeds, field)
    curves = np.full((2, len(seeds), n_steps + 1, seeds.shape[1]), np.nan)
    references = curves.copy()
    for i, (v, mask) in enumerate(zip(fields.v, fields.mask, strict=True)):
        own = field == i
        if own.any():
            curves[:, own] = shoot(g, mask, seeds[own], directions[own], mode, v, STEP, n_steps)
            references[:, own] = streamlines(v, mask, seeds[own], STEP, n_steps)
    return Tracks(curves, references, field, deviation(curves, references, fields.spacing_mm))


def directions_at(fields: FibreFields, seeds: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Unit directions (n_curves, n) of each seed's own field."""
    directions = np.empty_like(seeds)
    for i, (v, mask) in enumerate(zip(fields.v, fields.mask, strict=True)):
        directions[field == i] = seed_directions(v, mask, seeds[field == i])
    return directions


def deviation_table(scene: str, tracks: Mapping[str, Tracks]) -> pd.DataFrame:
    """Rows of every curve, way and metric: scene, metric, curve, way, matched, nearest, coverage [voxels]."""
    rows = [
        (scene, metric, curve, way, *(getattr(found.deviation, kind)[way, curve] for kind in KINDS))
        for metric, found in tracks.items()
        for way, curve in np.ndindex(found.deviation.matched.shape)
    ]
    return pd.DataFrame(rows, columns=["scene", "metric", "curve", "way", *KINDS])


def rms_residual(g: np.ndarray, fields: FibreFields, where: np.ndarray | None = None) -> float:
    """Root mean square length of the residual over the interiors, or over their voxels `where` (*grid)."""
    problem = pose_residual(fields.v, fields.mask)
    inside = problem.interior if where is None else problem.interior & where
    return float(np.sqrt((residual(g, problem) ** 2).sum(1)[inside].mean()))


def log10_loss(g: np.ndarray, fields: FibreFields) -> float:
    """The loss of a metric in the paper's units: log10 of the mean squared residual over all entries."""
    eps = residual(g, pose_residual(fields.v, fields.mask))
    return float(official_log10((eps**2).mean()))


def change_with_speed(
    g: np.ndarray, fields: FibreFields, rng: np.random.Generator, project: bool = True
) -> float:
    """Largest change of the residual, over its own largest size, when v becomes f v with a positive random f.

    f = exp(a sum of three plane waves), whose derivative is known: nabla_fv (fv) = f^2 nabla_v v + f v(f) v.
    Compared after division by |fv|^2.
    """
    problem = pose_residual(fields.v, fields.mask)
    waves = rng.normal(0, 0.1, (3, fields.v.shape[1]))
    phase = np.tensordot(waves, np.indices(g.shape[2:]), 1)
    f = np.exp(np.sin(phase).sum(0) / 3)
    slope = f * np.tensordot(waves.T, np.cos(phase), 1) / 3
    along = (problem.v * slope).sum(1, keepdims=True)
    scaled = ResidualProblem(f * problem.v, f**2 * problem.drift + f * along * problem.v, problem.interior)
    with_speed = residual(g, scaled, project=False) / f**2
    if project:
        with_speed -= problem.v * (problem.v * with_speed).sum(1, keepdims=True)
    without = residual(g, problem, project=project)
    return float(np.abs(with_speed - without).max() / np.abs(without).max())


def trend(loss: np.ndarray) -> float:
    """Rank correlation of a loss with the iteration."""
    return float(spearmanr(np.arange(len(loss)), loss).statistic)


def restart_spread(metrics: Sequence[np.ndarray], mask: np.ndarray) -> np.ndarray:
    """Median over a mask of `metric_distance`, for each pair of metrics, (n_pairs,)."""
    pairs = [(a, b) for i, a in enumerate(metrics) for b in metrics[:i]]
    return np.array([np.nanmedian(metric_distance(a, b, mask)) for a, b in pairs])


def curves_apart(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Mean distance at the same arc length between curves from the same seeds, for each pair, (n_pairs,)."""
    pairs = [(a, b) for i, a in enumerate(curves) for b in curves[:i]]
    return np.array([np.nanmean(deviation(a, b).matched) for a, b in pairs])


def with_tensor_scale(fields: FibreFields, scale: np.ndarray | float) -> FibreFields:
    """The fields with their tensors times a scale, a number or (*grid)."""
    assert fields.tensor is not None
    return replace(fields, tensor=fields.tensor * np.asarray(scale)[..., None, None])


def model_of(solver: Solver, v: np.ndarray, seed: int) -> torch.nn.Module:
    """The module that a solver fits to fields v (m, n, *grid), as it is before the first step."""
    n, grid = v.shape[1], v.shape[2:]
    state = np.random.SeedSequence(seed, spawn_key=(2,)).generate_state(1)
    generator = torch.Generator().manual_seed(int(state[0]))
    if solver.kind == "direct":
        return GridMetric(n, grid, solver.parameters, generator, solver.start)
    if solver.kind == "spline":
        return SplineMetric(n, grid, solver.knots, solver.parameters, generator)
    long = n == 3 and device().type == "cpu"  # a GPU that trains such a network has the memory
    return NetworkMetric(
        v, solver.parameters, solver.blocks, generator, zero_last=not solver.published, recompute=long
    )
