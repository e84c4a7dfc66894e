"""Fitting a metric to directions: one on every voxel, on a coarse grid of splines, or by a network.

A model is a torch module whose `forward()` returns g (n, n, *grid), float64; what it holds is what is fitted.
The network's is `dense_encoder_decoder.NetworkMetric`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import nn

from crossroads.models.covariant_residual import OFFICIAL_SCALE, ResidualProblem, residual_loss
from crossroads.models.metric_parameters import metric_of, n_parameters

DEGREE = 3  # of the splines
TINY = 1e-300  # keeps the logarithm of a loss of 0 finite


@dataclass(frozen=True)
class MetricFit:
    """g (n, n, *grid) after the last step; loss (n_iterations,) before each, and that of voxels left out."""

    g: np.ndarray
    loss: np.ndarray
    left_out_loss: np.ndarray | None


class GridMetric(nn.Module):
    """Free parameters in every voxel, the direct solver.

    grid : sides. kind : see `metric_parameters.metric_of`.
    start : standard deviation of the parameters at the start; 0 is the flat metric, but for the axis and the
        angle of a rotation, which are random in any case: from zero they would have no gradient, ever.
    """

    def __init__(
        self, n: int, grid: Sequence[int], kind: str, generator: torch.Generator, start: float = 0.0
    ) -> None:
        super().__init__()
        self.n, self.kind = n, kind
        self.u = nn.Parameter(_start(n, grid, kind, generator, start))

    def forward(self) -> torch.Tensor:
        return metric_of(self.u, self.n, self.kind)


class SplineMetric(nn.Module):
    """Parameters that are cubic splines with n_knots coefficients along each axis; starts as `GridMetric`."""

    def __init__(
        self, n: int, grid: Sequence[int], n_knots: int, kind: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.n, self.kind = n, kind
        self.c = nn.Parameter(_start(n, (n_knots,) * n, kind, generator, 0.0))
        for axis, side in enumerate(grid):
            self.register_buffer(f"basis_{axis}", torch.from_numpy(spline_basis(side, n_knots)))

    def forward(self) -> torch.Tensor:
        u = self.c
        for axis in range(self.n):
            u = torch.tensordot(
                u, self.get_buffer(f"basis_{axis}"), dims=([1], [1])
            )  # the new axis comes last
        return metric_of(u, self.n, self.kind)


def spline_basis(n_points: int, n_knots: int) -> np.ndarray:
    """Cubic B-splines at n_points equal steps, (n_points, n_knots); rows add up to 1.

    Raises
    ------
    ValueError : fewer than four knots, or more knots than points.
    """
    if not DEGREE < n_knots <= n_points:
        raise ValueError(
            f"{n_knots} knots along a side of {n_points}: 4 or more are needed, and no more than voxels"
        )
    inner = np.linspace(0, n_points - 1, n_knots - DEGREE + 1)
    knots = np.concatenate([[0] * DEGREE, inner, [n_points - 1] * DEGREE])
    return BSpline.design_matrix(np.arange(n_points, dtype=float), knots, DEGREE).toarray()


def fit_metric(
    model: nn.Module,
    problem: ResidualProblem,
    n_iterations: int,
    learning_rate: float,
    *,
    optimiser: str = "adam",
    project: bool = True,
    left_out: ResidualProblem | None = None,
) -> MetricFit:
    """Minimise the residual over the parameters of a model.

    optimiser : "adam" minimises the logarithm of the loss, whose gradient does not fade as the loss falls
        over many decades, with a rate that falls to 0 as a cosine. "adadelta" is the published training: a
        constant rate, and the loss in its large units, without which Adadelta's own constant would swamp
        gradients.

    Raises
    ------
    ValueError : another optimiser.
    FloatingPointError : a loss that is no number any more, naming the iteration.
    """
    parameters = list(model.parameters())
    if optimiser == "adam":
        # Adam's constant is relative to gradients that may be far below its default of 1e-8.
        descent: torch.optim.Optimizer = torch.optim.Adam(parameters, lr=learning_rate, eps=1e-12)
        schedule: torch.optim.lr_scheduler.LRScheduler
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(descent, n_iterations)
    elif optimiser == "adadelta":
        descent = torch.optim.Adadelta(parameters, lr=learning_rate)
        schedule = torch.optim.lr_scheduler.ConstantLR(descent, 1.0)
    else:
        raise ValueError(f"optimiser {optimiser!r}: adam or adadelta is needed")
    losses, left_out_losses = np.empty(n_iterations), np.empty(n_iterations)
    for i in range(n_iterations):
        descent.zero_grad()
        g = model()
        loss = residual_loss(g, problem, project)
        losses[i] = loss.item()
        if not np.isfinite(losses[i]):
            raise FloatingPointError(
                f"the loss is {losses[i]} at iteration {i}; take a lower rate than {learning_rate}"
            )
        if left_out is not None:
            left_out_losses[i] = residual_loss(g.detach(), left_out, project).item()
        target = torch.log(loss + TINY) if optimiser == "adam" else OFFICIAL_SCALE**4 * loss
        target.backward()
        descent.step()
        schedule.step()
    with torch.no_grad():
        g = model()
    return MetricFit(g.cpu().numpy(), losses, None if left_out is None else left_out_losses)


def _start(n: int, sides: Sequence[int], kind: str, generator: torch.Generator, sd: float) -> torch.Tensor:
    u = sd * torch.randn((n_parameters(n, kind), *sides), generator=generator, dtype=torch.float64)
    if n == 3:
        u[:4] = torch.randn((4, *sides), generator=generator, dtype=torch.float64)
    return u
