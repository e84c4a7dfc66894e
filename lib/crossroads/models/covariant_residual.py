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
from llvmlite.binding import set_option
from numba import njit
from scipy.ndimage import binary_dilation, binary_erosion

UNIT = 1e-4  # how far from 1 a direction's length may be
PIECE = 4096  # voxels that the compiled loss treats at a time: a plane behind, they are still in the cache
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
    def pieces(self) -> np.ndarray:
        """Pieces of the flat grid, each in one plane, that hold the interior and its direct neighbours.

        Rows field, start, stop, in the order of start.
        """
        found = []
        for field, interior in enumerate(self.interior):
            voxels = np.flatnonzero(binary_dilation(interior))
            new_plane = np.diff(voxels // interior[0].size, prepend=-1) > 0
            first = new_plane | (np.diff(voxels, prepend=0) > GAP)
            bounds = zip(voxels[first].tolist(), (voxels[np.roll(first, -1)] + 1).tolist(), strict=True)
            for start, stop in bounds:
                found += [(at, field, min(at + PIECE, stop)) for at in range(start, stop, PIECE)]
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
        n = problem.v.shape[1]
        component = np.zeros((n, n), int)  # the number of the entry (i, j) among those of the upper triangle
        upper = np.triu_indices(n)
        component[upper] = component.T[upper] = np.arange(len(upper[0]))
        arguments = _arguments(g.detach().contiguous().numpy(), problem, project)
        total = _accumulate(*arguments)
        ctx.gradient = torch.from_numpy(arguments[-1][component].reshape(g.shape))
        return g.new_tensor(total / problem.v.size)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return above[0] * ctx.gradient, None, None


def _arguments(g: np.ndarray, problem: ResidualProblem, project: bool) -> tuple:
    """Those of `_accumulate`; the last is the gradient, still zeros."""
    m, n, *grid = problem.v.shape
    strides = np.array([np.prod(grid[axis + 1 :], dtype=int) for axis in range(n)])
    return (
        g.reshape(n * n, -1),
        problem.v.reshape(m, n, -1),
        problem.drift.reshape(m, n, -1),
        problem.pieces,
        strides,
        float(project),
        1 / problem.v.size,
        np.zeros((m, 3, 2 * n, strides[0] + 2 * strides[1])),
        np.zeros((n * (n + 1) // 2, np.prod(grid))),
    )


# The compiled loss. All of the gradient follows from two vectors a voxel, u = g^-1 w and l = 2 g^-1 eps: by g
# itself it is -(l u^T + u l^T) / 2, and by d_i g it is (v_i (l v^T + v l^T) - l_i v v^T) / 2, half of which
# goes to either neighbour. They are formed a piece of the grid at a time and held for three planes of its
# first axis; a plane behind, each voxel gathers what it and its neighbours give: memory is passed once.
#
# Indices without sign need not be wrapped, so that LLVM can make vectors of the loops. It also has to compare
# which rows overlap, and unless it is told otherwise it gives up at eight pairs.
for _limit in ("runtime-memory-check-threshold", "vectorize-memory-check-threshold"):
    set_option("", f"-{_limit}=512")


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _accumulate(
    g: np.ndarray,
    v: np.ndarray,
    drift: np.ndarray,
    pieces: np.ndarray,
    strides: np.ndarray,
    project: float,
    scale: float,
    held: np.ndarray,
    gradient: np.ndarray,
) -> float:
    """Sum of squared residuals; adds scale * its derivative by g, as a symmetric matrix, to the gradient.

    g (n * n, n_voxels), v and drift (m, n, n_voxels), gradient (n_pairs, n_voxels). held (m, 3, 2 n, columns)
    is for l and u, zeros at the start, in rows that are longer than a plane by its neighbours at either end.
    """
    _, n, n_voxels = v.shape
    plane, edge = strides[0], strides[1]
    total, formed = 0.0, 0
    for field, start, stop in pieces:
        while formed < len(pieces) and pieces[formed, 1] < stop + plane:
            other, first, last = pieces[formed]
            z, column = first // plane, first % plane + edge
            if 0 < z < n_voxels // plane - 1:
                piece = v[other], drift[other], first, last, strides, project, scale, held[other, z % 3]
                total += _form_2(g, *piece) if n == 2 else _form_3(g, *piece)
            else:  # a face of the grid only gathers
                held[other, z % 3, :n, column : column + last - first] = 0.0
            formed += 1
        due = held[field], v[field], start, stop, strides, gradient
        if n == 2:
            _gather_2(*due)
        else:
            _gather_3(*due)
    return total


@njit(fastmath=FAST, error_model="numpy")
def _differences(
    entry: np.ndarray, x: np.uint64, plane: np.uint64, edge: np.uint64
) -> tuple[float, float, float, float]:
    """An entry of g in voxel x, and twice its slopes along the axes; in 2-D the last two are the same."""
    return (
        entry[x],
        entry[x + plane] - entry[x - plane],
        entry[x + edge] - entry[x - edge],
        entry[x + U(1)] - entry[x - U(1)],
    )


@njit(fastmath=FAST, error_model="numpy")
def _form_2(
    g: np.ndarray,
    v: np.ndarray,
    drift: np.ndarray,
    start: int,
    stop: int,
    strides: np.ndarray,
    project: float,
    scale: float,
    held: np.ndarray,
) -> float:
    """The sum of squared residuals of a piece of one field; scale * l / 4 and 2 u go to held (4, columns)."""
    plane, edge, column = U(strides[0]), U(strides[1]), U(start % strides[0] + strides[1])
    g00, g01, g11 = g[0], g[1], g[3]
    total = 0.0
    for i in range(U(stop - start)):
        x, y = U(start) + i, column + i
        p, q = v[0, x], v[1, x]
        a, a0, a1, _ = _differences(g00, x, plane, edge)
        b, b0, b1, _ = _differences(g01, x, plane, edge)
        c, c0, c1, _ = _differences(g11, x, plane, edge)
        pp, pq, qq = 0.5 * p * p, 0.5 * p * q, 0.5 * q * q
        w0 = 0.5 * pp * a0 + pq * a1 + qq * (b1 - 0.5 * c0)
        w1 = 0.5 * qq * c1 + pq * c0 + pp * (b0 - 0.5 * a1)
        r = 1 / (a * c - b * b)
        u0, u1 = r * (c * w0 - b * w1), r * (a * w1 - b * w0)
        eps0, eps1 = drift[0, x] + u0, drift[1, x] + u1
        along = project * (p * eps0 + q * eps1)
        eps0 -= along * p
        eps1 -= along * q
        total += eps0 * eps0 + eps1 * eps1
        r *= 0.5 * scale
        held[0, y], held[1, y] = r * (c * eps0 - b * eps1), r * (a * eps1 - b * eps0)
        held[2, y], held[3, y] = 2 * u0, 2 * u1
    return total


@njit(fastmath=FAST, error_model="numpy")
def _form_3(
    g: np.ndarray,
    v: np.ndarray,
    drift: np.ndarray,
    start: int,
    stop: int,
    strides: np.ndarray,
    project: float,
    scale: float,
    held: np.ndarray,
) -> float:
    """`_form_2` in 3-D: held (6, columns)."""
    plane, edge, column = U(strides[0]), U(strides[1]), U(start % strides[0] + strides[1])
    g00, g01, g02, g11, g12, g22 = g[0], g[1], g[2], g[4], g[5], g[8]
    total = 0.0
    for i in range(U(stop - start)):
        x, y = U(start) + i, column + i
        p, q, s = v[0, x], v[1, x], v[2, x]
        a, a0, a1, a2 = _differences(g00, x, plane, edge)
        b, b0, b1, b2 = _differences(g01, x, plane, edge)
        c, c0, c1, c2 = _differences(g02, x, plane, edge)
        d, d0, d1, d2 = _differences(g11, x, plane, edge)
        e, e0, e1, e2 = _differences(g12, x, plane, edge)
        f, f0, f1, f2 = _differences(g22, x, plane, edge)
        pp, pq, ps, qq, qs, ss = p * p, p * q, p * s, q * q, q * s, s * s
        # 4 w: twice (v.grad) g v, less v^T (d_l g) v, of twice the slopes
        along_b = p * b0 + q * b1 + s * b2
        along_c = p * c0 + q * c1 + s * c2
        along_e = p * e0 + q * e1 + s * e2
        w0 = 2 * (p * (p * a0 + q * a1 + s * a2) + q * along_b + s * along_c)
        w1 = 2 * (p * along_b + q * (p * d0 + q * d1 + s * d2) + s * along_e)
        w2 = 2 * (p * along_c + q * along_e + s * (p * f0 + q * f1 + s * f2))
        w0 -= pp * a0 + qq * d0 + ss * f0 + 2 * (pq * b0 + ps * c0 + qs * e0)
        w1 -= pp * a1 + qq * d1 + ss * f1 + 2 * (pq * b1 + ps * c1 + qs * e1)
        w2 -= pp * a2 + qq * d2 + ss * f2 + 2 * (pq * b2 + ps * c2 + qs * e2)
        aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
        bb, bc, cc = a * f - c * c, b * c - a * e, a * d - b * b
        r = 1 / (a * aa + b * ab + c * ac)
        quarter = 0.25 * r
        u0 = quarter * (aa * w0 + ab * w1 + ac * w2)
        u1 = quarter * (ab * w0 + bb * w1 + bc * w2)
        u2 = quarter * (ac * w0 + bc * w1 + cc * w2)
        eps0, eps1, eps2 = drift[0, x] + u0, drift[1, x] + u1, drift[2, x] + u2
        along = project * (p * eps0 + q * eps1 + s * eps2)
        eps0 -= along * p
        eps1 -= along * q
        eps2 -= along * s
        total += eps0 * eps0 + eps1 * eps1 + eps2 * eps2
        r *= 0.5 * scale
        held[0, y] = r * (aa * eps0 + ab * eps1 + ac * eps2)
        held[1, y] = r * (ab * eps0 + bb * eps1 + bc * eps2)
        held[2, y] = r * (ac * eps0 + bc * eps1 + cc * eps2)
        held[3, y], held[4, y], held[5, y] = 2 * u0, 2 * u1, 2 * u2
    return total


@njit(fastmath=FAST, error_model="numpy")
def _given_2(
    held: np.ndarray, y: np.uint64, v: np.ndarray, x: np.uint64, axis: int
) -> tuple[float, float, float]:
    """What voxel x, column y, gives ahead along an axis, and takes from behind, its diagonal halved.

    The upper triangle of v k^T + k v^T with k = v_i l - l_i v / 2.
    """
    p, q, along, l0, l1, l_along = v[0, x], v[1, x], v[axis, x], held[0, y], held[1, y], 0.5 * held[axis, y]
    k0, k1 = along * l0 - l_along * p, along * l1 - l_along * q
    return p * k0, p * k1 + q * k0, q * k1


@njit(fastmath=FAST, error_model="numpy")
def _given_3(
    held: np.ndarray, y: np.uint64, v: np.ndarray, x: np.uint64, axis: int
) -> tuple[float, float, float, float, float, float]:
    """`_given_2` in 3-D."""
    p, q, s, along = v[0, x], v[1, x], v[2, x], v[axis, x]
    l0, l1, l2, l_along = held[0, y], held[1, y], held[2, y], 0.5 * held[axis, y]
    k0, k1, k2 = along * l0 - l_along * p, along * l1 - l_along * q, along * l2 - l_along * s
    return p * k0, p * k1 + q * k0, p * k2 + s * k0, q * k1, q * k2 + s * k1, s * k2


@njit(fastmath=FAST, error_model="numpy")
def _planes_around(
    held: np.ndarray, v: np.ndarray, start: int, plane: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.uint64, np.uint64]:
    """held of the planes behind, here and ahead, and the voxels next to `start` behind and ahead.

    Where the grid ends, these are `start` itself: there v is 0, so that it gives nothing.
    """
    z = start // plane
    behind = start - plane if z > 0 else start
    ahead = start + plane if start + plane < v.shape[1] else start
    return held[(z - 1) % 3], held[z % 3], held[(z + 1) % 3], U(behind), U(ahead)


@njit(fastmath=FAST, error_model="numpy")
def _gather_2(
    held: np.ndarray, v: np.ndarray, start: int, stop: int, strides: np.ndarray, gradient: np.ndarray
) -> None:
    """Add what a piece of one field gets, from itself and its neighbours, to the gradient (3, n_voxels)."""
    held_behind, held_here, held_ahead, behind, ahead = _planes_around(held, v, start, strides[0])
    one, column = U(1), U(start % strides[0] + strides[1])
    for i in range(U(stop - start)):
        x, y = U(start) + i, column + i
        a0, b0, c0 = _given_2(held_behind, y, v, behind + i, 0)
        a1, b1, c1 = _given_2(held_ahead, y, v, ahead + i, 0)
        a2, b2, c2 = _given_2(held_here, y - one, v, x - one, 1)
        a3, b3, c3 = _given_2(held_here, y + one, v, x + one, 1)
        l0, l1, u0, u1 = held_here[0, y], held_here[1, y], held_here[2, y], held_here[3, y]
        gradient[0, x] += 2 * (a0 - a1 + a2 - a3 - l0 * u0)
        gradient[1, x] += b0 - b1 + b2 - b3 - l0 * u1 - l1 * u0
        gradient[2, x] += 2 * (c0 - c1 + c2 - c3 - l1 * u1)


@njit(fastmath=FAST, error_model="numpy")
def _gather_3(
    held: np.ndarray, v: np.ndarray, start: int, stop: int, strides: np.ndarray, gradient: np.ndarray
) -> None:
    """`_gather_2` in 3-D: gradient (6, n_voxels)."""
    held_behind, held_here, held_ahead, behind, ahead = _planes_around(held, v, start, strides[0])
    one, edge, column = U(1), U(strides[1]), U(start % strides[0] + strides[1])
    for i in range(U(stop - start)):
        x, y = U(start) + i, column + i
        a0, b0, c0, d0, e0, f0 = _given_3(held_behind, y, v, behind + i, 0)
        a1, b1, c1, d1, e1, f1 = _given_3(held_ahead, y, v, ahead + i, 0)
        a2, b2, c2, d2, e2, f2 = _given_3(held_here, y - edge, v, x - edge, 1)
        a3, b3, c3, d3, e3, f3 = _given_3(held_here, y + edge, v, x + edge, 1)
        a4, b4, c4, d4, e4, f4 = _given_3(held_here, y - one, v, x - one, 2)
        a5, b5, c5, d5, e5, f5 = _given_3(held_here, y + one, v, x + one, 2)
        l0, l1, l2 = held_here[0, y], held_here[1, y], held_here[2, y]
        u0, u1, u2 = held_here[3, y], held_here[4, y], held_here[5, y]
        gradient[0, x] += 2 * (a0 - a1 + a2 - a3 + a4 - a5 - l0 * u0)
        gradient[1, x] += b0 - b1 + b2 - b3 + b4 - b5 - l0 * u1 - l1 * u0
        gradient[2, x] += c0 - c1 + c2 - c3 + c4 - c5 - l0 * u2 - l2 * u0
        gradient[3, x] += 2 * (d0 - d1 + d2 - d3 + d4 - d5 - l1 * u1)
        gradient[4, x] += e0 - e1 + e2 - e3 + e4 - e5 - l1 * u2 - l2 * u1
        gradient[5, x] += 2 * (f0 - f1 + f2 - f3 + f4 - f5 - l2 * u2)
