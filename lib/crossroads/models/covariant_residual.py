"""The covariant derivative of fibre directions along themselves: the residual that learning brings to 0.

Fibres of the unit field v are geodesics of g, up to their speed, where (I - v v^T) nabla_v v = 0. Per voxel,

    w_l = v^i v^j d_i g_lj - v^i v^j d_l g_ij / 2 ,    nabla_v v = (v.grad) v + g^-1 w

is all that enters, not the Christoffel symbols. Central differences on voxels 1 apart. g is (n, n, *grid),
symmetric and positive definite, n = 2 or 3; of m direction fields each has its own residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numba import njit
from scipy.ndimage import binary_erosion

UNIT = 1e-4  # how far from 1 a direction's length may be
STRETCH = 2048  # voxels that the compiled loss treats at a time: what it keeps of them stays in the cache
PITCH = STRETCH + 40  # between its rows: at a power of 2 they would all fall on the same lines of the cache
GAP = 16  # a longer run of voxels outside the interior is skipped
FAST = {"contract", "reassoc"}  # sums may be reordered; what is no number stays none
U = np.uint64
OFFICIAL_SCALE = 1000.0  # the published code multiplies v by this on load, and the residual goes as v^2


@dataclass(frozen=True)
class ResidualProblem:
    """What the residual needs of m direction fields.

    v (m, n, *grid) : unit directions. drift (m, n, *grid) : (v.grad) v. Both are 0 outside of
    interior (m, *grid) bool : the voxels that count.
    """

    v: np.ndarray
    drift: np.ndarray
    interior: np.ndarray

    @cached_property
    def stretches(self) -> np.ndarray:
        """Pieces of the flat grid that hold the interior: rows field, start, stop, in the order of start."""
        found = []
        for field, inside in enumerate(self.interior.reshape(len(self.interior), -1)):
            voxels = np.flatnonzero(inside)
            first = np.diff(voxels, prepend=-GAP - 1) > GAP
            for start, stop in zip(voxels[first], voxels[np.roll(first, -1)] + 1, strict=True):
                found += [
                    (int(at), field, min(int(at) + STRETCH, int(stop))) for at in range(start, stop, STRETCH)
                ]
        return np.array(sorted(found)).reshape(-1, 3)[:, [1, 0, 2]]


def pose_residual(v: np.ndarray, mask: np.ndarray, *, aligned: bool = True) -> ResidualProblem:
    """Prepare fields v (m, n, *grid) with masks (m, *grid) bool.

    The interior of a mask is its voxels whose 2n direct neighbours are in it, too.

    aligned : give the neighbours the sign that agrees with the voxel's before they are subtracted, so that
        the signs of v mean nothing. False, as published, takes a change of sign for a bend.

    Raises
    ------
    ValueError : shapes that do not fit, directions in a mask that are not unit vectors, masks without
        interior.
    """
    n = v.ndim - 2
    if n not in (2, 3) or v.shape[1] != n or mask.shape != (len(v), *v.shape[2:]) or mask.dtype != bool:
        raise ValueError(
            f"v is {v.shape} and mask {mask.shape} of {mask.dtype}; expected (m, n, *grid) and "
            "(m, *grid) of bool, with n = 2 or 3 axes in the grid"
        )
    length = np.linalg.norm(v, axis=1)[mask]
    if not (np.abs(length - 1) <= UNIT).all():
        worst = length[np.argmax(np.where(np.isfinite(length), np.abs(length - 1), np.inf))]
        raise ValueError(f"a direction in the mask has length {worst:g}; expected 1: normalise v")
    interior = np.stack([binary_erosion(one) for one in mask])
    if not interior.any():
        raise ValueError(
            f"none of the {mask.sum()} mask voxels has all its neighbours in the mask; use a thicker one"
        )
    v = np.where(mask[:, None], v, 0.0)
    drift = np.zeros_like(v)
    for axis in range(n):
        ahead, behind = (np.roll(v, step, axis + 2) for step in (-1, 1))
        if aligned:
            ahead, behind = (
                np.where((other * v).sum(1, keepdims=True) < 0, -other, other) for other in (ahead, behind)
            )
        drift += v[:, [axis]] * (ahead - behind) / 2
    inside = interior[:, None]
    return ResidualProblem(np.where(inside, v, 0.0), np.where(inside, drift, 0.0), interior)


def hold_out(
    problem: ResidualProblem, share: float, rng: np.random.Generator
) -> tuple[ResidualProblem, ResidualProblem]:
    """Split the interior at random into the problem that is kept and this share of its voxels, left out.

    A voxel is left out for all fields. The loss of either part is still a mean over the whole grid.

    Raises
    ------
    ValueError : a share that leaves one part without voxels.
    """
    voxels = rng.permutation(np.flatnonzero(problem.interior.any(0)))
    n_left_out = round(share * len(voxels))
    if not 0 < n_left_out < len(voxels):
        raise ValueError(
            f"share={share!r} of {len(voxels)} voxels leaves one part empty; expected 0 < share < 1"
        )
    left_out = np.zeros(problem.interior.shape[1:], bool)
    left_out.flat[voxels[:n_left_out]] = True

    def restricted(where: np.ndarray) -> ResidualProblem:
        return ResidualProblem(problem.v * where, problem.drift * where, problem.interior & where)

    return restricted(~left_out), restricted(left_out)


def residual(g: np.ndarray, problem: ResidualProblem, project: bool = True) -> np.ndarray:
    """(I - v v^T) nabla_v v, (m, n, *grid), 0 outside the interior; nabla_v v itself if not `project`.

    Equation eq-connectome-residual, and without the projection the nabla_v v of eq-connectome-pde.

    Raises
    ------
    ValueError : g that is not float64 (n, n, *grid).
    """
    return plain_residual(torch.from_numpy(g), problem, project).numpy()


def residual_loss(g: torch.Tensor, problem: ResidualProblem, project: bool = True) -> torch.Tensor:
    """Mean squared residual over all m * n * prod(grid) entries, zeros included, as published.

    The loss of eq-connectome-residual.

    Compiled for the processor, with its gradient in closed form; plain torch elsewhere.

    Raises
    ------
    ValueError : g that is not float64 (n, n, *grid).
    """
    if g.device.type == "cpu":
        _check_metric(g, problem)
        return _CompiledLoss.apply(g, problem, project)
    return (plain_residual(g, problem, project) ** 2).mean()


def official_log10(loss: float | np.ndarray) -> float | np.ndarray:
    """log10 of a loss as the published code counts it, with v times 1000."""
    return np.log10(loss) + 4 * np.log10(OFFICIAL_SCALE)


def plain_residual(g: torch.Tensor, problem: ResidualProblem, project: bool = True) -> torch.Tensor:
    """The residual (m, n, *grid) in torch alone, on g's device; what the compiled loss is held to.

    By eq-connectome-short, without Christoffel symbols.
    """
    _check_metric(g, problem)
    v, drift = (torch.from_numpy(a).to(g.device) for a in (problem.v, problem.drift))
    # Voxels on the faces of the grid are never interior, so that the wrap of `roll` does no harm.
    slope = torch.stack([(g.roll(-1, axis) - g.roll(1, axis)) / 2 for axis in range(2, g.ndim)])
    along = torch.einsum("ailj...,aj...->ail...", slope[None].expand(len(v), *slope.shape), v)
    w = torch.einsum("ail...,ai...->al...", along, v) - torch.einsum("ali...,ai...->al...", along, v) / 2
    inverse = torch.linalg.inv(g.movedim((0, 1), (-2, -1))).movedim((-2, -1), (0, 1))
    acceleration = drift + torch.einsum("kl...,al...->ak...", inverse, w)
    inside = torch.from_numpy(problem.interior).to(g.device)[:, None]
    acceleration = torch.where(inside, acceleration, torch.zeros_like(acceleration))
    return acceleration - v * (v * acceleration).sum(1, keepdim=True) if project else acceleration


def _check_metric(g: torch.Tensor, problem: ResidualProblem) -> None:
    n, grid = problem.v.shape[1], problem.v.shape[2:]
    if tuple(g.shape) != (n, n, *grid) or g.dtype != torch.float64:
        raise ValueError(f"g is {tuple(g.shape)} of {g.dtype}; expected {(n, n, *grid)} of torch.float64")


class _CompiledLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: torch.Tensor, problem: ResidualProblem, project: bool) -> torch.Tensor:
        m, n, *grid = problem.v.shape
        component = np.zeros((n, n), int)  # the number of the entry (i, j) among those of the upper triangle
        upper = np.triu_indices(n)
        component[upper] = component.T[upper] = np.arange(len(upper[0]))
        gradient = np.empty((len(upper[0]), int(np.prod(grid))))
        total = _accumulate(
            g.detach().contiguous().numpy().reshape(n * n, -1),
            problem.v.reshape(m, n, -1),
            problem.drift.reshape(m, n, -1),
            problem.stretches,
            np.array([int(np.prod(grid[axis + 1 :])) for axis in range(n)]),
            float(project),
            1 / problem.v.size,
            gradient,
        )
        ctx.gradient = torch.from_numpy(gradient[component].reshape(g.shape))
        return g.new_tensor(total / problem.v.size)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return above[0] * ctx.gradient, None, None


# The compiled loss. Every inner loop runs over neighbours in memory, and must be one that LLVM turns into
# vectors: few different arrays in a loop, so that it can check that they do not overlap, and indices without
# sign, which numba need not wrap. All scratch is one array for the same reason.


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _accumulate(
    g: np.ndarray,
    v: np.ndarray,
    drift: np.ndarray,
    stretches: np.ndarray,
    strides: np.ndarray,
    project: float,
    scale: float,
    gradient: np.ndarray,
) -> float:
    """Sum of squared residuals; writes scale * its derivative by g, as a symmetric matrix, to the gradient.

    g (n * n, n_voxels), gradient (n_pairs, n_voxels); v and drift (m, n, n_voxels). A stretch at a time: the
    differences of g go to scratch, where what is due to the voxels and to both neighbours along each axis
    replaces them.
    """
    n, n_pairs = len(strides), len(gradient)
    scratch = np.zeros((1 + n) * n_pairs * PITCH)
    total, cleared = 0.0, 0
    for s in range(len(stretches)):
        field, start, stop = stretches[s]
        size = stop - start
        reach = stop + strides[0]
        if reach > cleared:
            for pair in range(n_pairs):
                gradient[pair, cleared:reach] = 0.0
            cleared = reach
        pair = 0
        for i in range(n):
            for j in range(i, n):
                _differences(g[i * n + j], start, size, strides, n_pairs, pair, scratch)
                pair += 1
        # One index each: a row of a slice would not be known to lie in one piece.
        v0, v1, drift0, drift1 = (v[field, 0], v[field, 1], drift[field, 0], drift[field, 1])
        if n == 2:
            total += _point_2(
                scratch,
                v0[start:stop],
                v1[start:stop],
                drift0[start:stop],
                drift1[start:stop],
                project,
                scale,
            )
        else:
            total += _point_3(
                scratch,
                v0[start:stop],
                v1[start:stop],
                v[field, 2, start:stop],
                drift0[start:stop],
                drift1[start:stop],
                drift[field, 2, start:stop],
                project,
                scale,
            )
        for pair in range(n_pairs):
            _hand_out(scratch, start, size, strides, n_pairs, pair, gradient[pair])
    for pair in range(n_pairs):
        gradient[pair, cleared:] = 0.0
    return total


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _differences(
    entry: np.ndarray,
    start: int,
    size: int,
    strides: np.ndarray,
    n_pairs: int,
    pair: int,
    scratch: np.ndarray,
) -> None:
    """An entry of g to row `pair` of the scratch, and its slope along axis i to n_pairs (1 + i) + pair."""
    here = scratch[pair * PITCH :]
    for x in range(U(size)):
        here[x] = entry[U(start) + x]
    for i in range(len(strides)):
        slope = scratch[(n_pairs * (1 + i) + pair) * PITCH :]
        ahead, behind = U(start + strides[i]), U(start - strides[i])
        for x in range(U(size)):
            slope[x] = 0.5 * (entry[ahead + x] - entry[behind + x])


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _hand_out(
    scratch: np.ndarray,
    start: int,
    size: int,
    strides: np.ndarray,
    n_pairs: int,
    pair: int,
    gradient: np.ndarray,
) -> None:
    """Add to one entry's gradient what is in the rows of the scratch that `_differences` filled."""
    n = len(strides)
    own, last = scratch[pair * PITCH :], scratch[(n_pairs * n + pair) * PITCH :]
    near = gradient[start - 1 :]
    near[0] -= last[0]
    last[size] = 0.0
    near[1] += own[0] - last[1]
    for x in range(U(1), U(size)):
        near[x + U(1)] += own[x] + last[x - U(1)] - last[x + U(1)]
    near[size + 1] += last[size - 1]
    for i in range(n - 1):
        due = scratch[(n_pairs * (1 + i) + pair) * PITCH :]
        ahead, behind = U(start + strides[i]), U(start - strides[i])
        for x in range(U(size)):
            gradient[ahead + x] += due[x]
        for x in range(U(size)):
            gradient[behind + x] -= due[x]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _point_2(
    t: np.ndarray,
    v0: np.ndarray,
    v1: np.ndarray,
    drift0: np.ndarray,
    drift1: np.ndarray,
    project: float,
    scale: float,
) -> float:
    """The residual in every voxel of a stretch, and what its square hands back, in 2-D.

    With u = g^-1 w and l = 2 g^-1 eps, the derivative by g itself is -(l u^T + u l^T) / 2, and by d_i g it is
    (v_i (l v^T + v l^T) - l_i v v^T) / 2, half of which goes to either neighbour.
    """
    total = 0.0
    for x in range(U(len(v0))):
        a, b, c = t[x], t[U(PITCH) + x], t[U(2 * PITCH) + x]
        a0, b0, c0 = t[U(3 * PITCH) + x], t[U(4 * PITCH) + x], t[U(5 * PITCH) + x]
        a1, b1, c1 = t[U(6 * PITCH) + x], t[U(7 * PITCH) + x], t[U(8 * PITCH) + x]
        p, q = v0[x], v1[x]
        pp, pq, qq = p * p, p * q, q * q
        w0 = 0.5 * pp * a0 + pq * a1 + qq * (b1 - 0.5 * c0)
        w1 = 0.5 * qq * c1 + pq * c0 + pp * (b0 - 0.5 * a1)
        r = 1 / (a * c - b * b)
        u0, u1 = r * (c * w0 - b * w1), r * (a * w1 - b * w0)
        e0, e1 = drift0[x] + u0, drift1[x] + u1
        along = project * (p * e0 + q * e1)
        e0 -= along * p
        e1 -= along * q
        total += e0 * e0 + e1 * e1
        r *= 2 * scale
        l0, l1 = r * (c * e0 - b * e1), r * (a * e1 - b * e0)
        t[x] = -l0 * u0
        t[U(PITCH) + x] = -0.5 * (l0 * u1 + l1 * u0)
        t[U(2 * PITCH) + x] = -l1 * u1
        l0 *= 0.25
        l1 *= 0.25
        t[U(3 * PITCH) + x] = l0 * pp
        t[U(4 * PITCH) + x] = l1 * pp
        t[U(5 * PITCH) + x] = 2 * l1 * pq - l0 * qq
        t[U(6 * PITCH) + x] = 2 * l0 * pq - l1 * pp
        t[U(7 * PITCH) + x] = l0 * qq
        t[U(8 * PITCH) + x] = l1 * qq
    return total


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _point_3(
    t: np.ndarray,
    v0: np.ndarray,
    v1: np.ndarray,
    v2: np.ndarray,
    drift0: np.ndarray,
    drift1: np.ndarray,
    drift2: np.ndarray,
    project: float,
    scale: float,
) -> float:
    """`_point_2` in 3-D."""
    total = 0.0
    for x in range(U(len(v0))):
        a, b, c, d, e, f = (
            t[x],
            t[U(PITCH) + x],
            t[U(2 * PITCH) + x],
            t[U(3 * PITCH) + x],
            t[U(4 * PITCH) + x],
            t[U(5 * PITCH) + x],
        )
        aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
        bb, bc, cc = a * f - c * c, b * c - a * e, a * d - b * b
        r = 1 / (a * aa + b * ab + c * ac)
        p, q, s = v0[x], v1[x], v2[x]
        pp, pq, ps, qq, qs, ss = p * p, p * q, p * s, q * q, q * s, s * s
        # a_il = v_j d_i g_lj
        x0 = p * t[U(6 * PITCH) + x] + q * t[U(7 * PITCH) + x] + s * t[U(8 * PITCH) + x]
        x1 = p * t[U(7 * PITCH) + x] + q * t[U(9 * PITCH) + x] + s * t[U(10 * PITCH) + x]
        x2 = p * t[U(8 * PITCH) + x] + q * t[U(10 * PITCH) + x] + s * t[U(11 * PITCH) + x]
        y0 = p * t[U(12 * PITCH) + x] + q * t[U(13 * PITCH) + x] + s * t[U(14 * PITCH) + x]
        y1 = p * t[U(13 * PITCH) + x] + q * t[U(15 * PITCH) + x] + s * t[U(16 * PITCH) + x]
        y2 = p * t[U(14 * PITCH) + x] + q * t[U(16 * PITCH) + x] + s * t[U(17 * PITCH) + x]
        z0 = p * t[U(18 * PITCH) + x] + q * t[U(19 * PITCH) + x] + s * t[U(20 * PITCH) + x]
        z1 = p * t[U(19 * PITCH) + x] + q * t[U(21 * PITCH) + x] + s * t[U(22 * PITCH) + x]
        z2 = p * t[U(20 * PITCH) + x] + q * t[U(22 * PITCH) + x] + s * t[U(23 * PITCH) + x]
        w0 = p * x0 + q * y0 + s * z0 - 0.5 * (p * x0 + q * x1 + s * x2)
        w1 = p * x1 + q * y1 + s * z1 - 0.5 * (p * y0 + q * y1 + s * y2)
        w2 = p * x2 + q * y2 + s * z2 - 0.5 * (p * z0 + q * z1 + s * z2)
        u0 = r * (aa * w0 + ab * w1 + ac * w2)
        u1 = r * (ab * w0 + bb * w1 + bc * w2)
        u2 = r * (ac * w0 + bc * w1 + cc * w2)
        e0, e1, e2 = drift0[x] + u0, drift1[x] + u1, drift2[x] + u2
        along = project * (p * e0 + q * e1 + s * e2)
        e0 -= along * p
        e1 -= along * q
        e2 -= along * s
        total += e0 * e0 + e1 * e1 + e2 * e2
        r *= 2 * scale
        l0 = r * (aa * e0 + ab * e1 + ac * e2)
        l1 = r * (ab * e0 + bb * e1 + bc * e2)
        l2 = r * (ac * e0 + bc * e1 + cc * e2)
        t[x] = -l0 * u0
        t[U(PITCH) + x] = -0.5 * (l0 * u1 + l1 * u0)
        t[U(2 * PITCH) + x] = -0.5 * (l0 * u2 + l2 * u0)
        t[U(3 * PITCH) + x] = -l1 * u1
        t[U(4 * PITCH) + x] = -0.5 * (l1 * u2 + l2 * u1)
        t[U(5 * PITCH) + x] = -l2 * u2
        l0 *= 0.25
        l1 *= 0.25
        l2 *= 0.25
        ll = 2 * l0 * p
        t[U(6 * PITCH) + x] = p * ll - l0 * pp
        t[U(12 * PITCH) + x] = q * ll - l1 * pp
        t[U(18 * PITCH) + x] = s * ll - l2 * pp
        ll = l0 * q + l1 * p
        t[U(7 * PITCH) + x] = p * ll - l0 * pq
        t[U(13 * PITCH) + x] = q * ll - l1 * pq
        t[U(19 * PITCH) + x] = s * ll - l2 * pq
        ll = l0 * s + l2 * p
        t[U(8 * PITCH) + x] = p * ll - l0 * ps
        t[U(14 * PITCH) + x] = q * ll - l1 * ps
        t[U(20 * PITCH) + x] = s * ll - l2 * ps
        ll = 2 * l1 * q
        t[U(9 * PITCH) + x] = p * ll - l0 * qq
        t[U(15 * PITCH) + x] = q * ll - l1 * qq
        t[U(21 * PITCH) + x] = s * ll - l2 * qq
        ll = l1 * s + l2 * q
        t[U(10 * PITCH) + x] = p * ll - l0 * qs
        t[U(16 * PITCH) + x] = q * ll - l1 * qs
        t[U(22 * PITCH) + x] = s * ll - l2 * qs
        ll = 2 * l2 * s
        t[U(11 * PITCH) + x] = p * ll - l0 * ss
        t[U(17 * PITCH) + x] = q * ll - l1 * ss
        t[U(23 * PITCH) + x] = s * ll - l2 * ss
    return total
