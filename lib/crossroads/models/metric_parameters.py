"""From free numbers in every voxel to a metric that is symmetric and positive definite by construction."""

from __future__ import annotations

import torch

SMALL = 1e-4  # below it, series stand in for quotients


def n_parameters(n: int, kind: str) -> int:
    """How many numbers a voxel of `metric_of` takes: 3 in 2-D ("exponential"), 7 in 3-D.

    Raises
    ------
    ValueError : a kind that is not there in n dimensions.
    """
    known = {(2, "exponential"): 3, (3, "rotation"): 7, (3, "published"): 7}
    if (n, kind) not in known:
        raise ValueError(f"parameters {kind!r} in {n} dimensions; there are {sorted(known)}")
    return known[n, kind]


def metric_of(u: torch.Tensor, n: int, kind: str) -> torch.Tensor:
    """The metric (n, n, *grid) of parameters u (n_parameters, *grid); u = 0 is the flat metric.

    "exponential" (2-D): g = e^A, A = [[u1, u2], [u2, u3]], by s = tr A / 2 and q^2 = -det(A - s I):
        e^A = e^s (cosh q I + sinh q / q (A - s I)), safe at q = 0, where the published code divides by 0.
    "rotation" (3-D): g = R diag(e^u5, e^u6, e^u7) R^T, with R the turn by u4 about the axis (u1, u2, u3),
        which is normalised: R = I + sin u4 K + (1 - cos u4) K^2, K v = axis x v.
    "published" (3-D): the same without normalising, as in the published code. Then R is no rotation and the
        e^u are not the eigenvalues.

    Raises
    ------
    ValueError : as `n_parameters`.
    """
    n_parameters(n, kind)
    if n == 2:
        return _exponential(u)
    axis, angle, logs = u[:3], u[3], u[4:]
    if kind == "rotation":
        axis = axis / torch.sqrt((axis**2).sum(0) + torch.finfo(u.dtype).tiny)
    # K^2 = axis axis^T - |axis|^2 I
    less = 1 - torch.cos(angle)
    x, y, z = torch.sin(angle) * axis
    d = 1 - less * (axis**2).sum(0)
    r = less * axis[:, None] * axis[None] + torch.stack([d, -z, y, z, d, -x, -y, x, d]).unflatten(0, (3, 3))
    root = r * torch.exp(logs / 2)
    # Three outer products of columns: many times faster than a batch of 3 x 3 products.
    first, second, third = (root[:, None, k] * root[None, :, k] for k in range(3))
    return first + second + third


def _exponential(u: torch.Tensor) -> torch.Tensor:
    mean, half = (u[0] + u[2]) / 2, (u[0] - u[2]) / 2
    q2 = half**2 + u[1] ** 2
    small = q2 < SMALL
    q = torch.sqrt(torch.where(small, torch.ones_like(q2), q2))  # no 0 in a branch that is not taken
    cosh = torch.where(small, 1 + q2 / 2 + q2**2 / 24, torch.cosh(q))
    sinhc = torch.where(small, 1 + q2 / 6 + q2**2 / 120, torch.sinh(q) / q)
    scale, off = torch.exp(mean), sinhc * u[1]
    rows = (cosh + sinhc * half, off), (off, cosh - sinhc * half)
    return scale * torch.stack([torch.stack(row) for row in rows])
