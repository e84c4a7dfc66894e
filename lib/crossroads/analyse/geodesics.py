"""Geodesics of a metric on a grid, the integral curves they should follow, and how far apart the two are.

Positions are in voxels: voxel (i, j) is centred on x = i, y = j. A metric g is (n, n, *grid), a direction
field v (n, *grid), a mask (*grid), n = 2 or 3; what lies outside the mask is never read. Curves are
(2, n_curves, n_steps + 1, n): from each seed along its direction and against it, NaN after the last point
whose nearest voxel is in the mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from scipy import ndimage

from crossroads.models.tensor_metrics import extend, masked_gradient

Mode = Literal["unit", "f", "a", "b", "c", "e"]
ADD, ALONG, NORMAL, FOLLOW = range(4)  # what a step does with the interpolated field
N_POWERS = 16  # leaves (l2/l1)^16 of the second eigenvector; 1/3^16 midway between axes 60 degrees apart
SAMPLE = 0.25  # voxels between the points of curves that are compared


@dataclass(frozen=True)
class Deviation:
    """How far curves lie from their references, arrays (2, n_curves); NaN for a reference of length 0.

    matched : mean distance of points at the same arc length, over the length that both curves have [voxels].
    nearest : mean distance of these points of the curve from the whole reference [voxels].
    coverage : that common length / length of the reference, 0 .. 1. Distances mean little where it is small.
    """

    matched: np.ndarray
    nearest: np.ndarray
    coverage: np.ndarray
    spacing_mm: float

    @property
    def matched_mm(self) -> np.ndarray:
        return self.matched * self.spacing_mm

    @property
    def nearest_mm(self) -> np.ndarray:
        return self.nearest * self.spacing_mm


def christoffel(g: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Gamma^k_ij = g^kl (d_i g_lj + d_j g_li - d_l g_ij) / 2, (n, n, n, *grid) [k, i, j].

    The symbols of eq-connectome-pde.

    Central differences, one-sided at the border of the mask; outside, the value of the nearest voxel inside.
    """
    slope = masked_gradient(g, mask)  # [i, l, j]
    lower = np.swapaxes(slope, 0, 1)
    lower = (lower + np.swapaxes(lower, 1, 2) - slope) / 2
    inside = np.linalg.inv(np.moveaxis(g[..., mask], -1, 0))
    gamma = np.zeros(slope.shape)
    gamma[..., mask] = np.einsum("vkl,lijv->kijv", inside, lower[..., mask])
    return extend(gamma, mask)


def shoot(
    g: np.ndarray,
    mask: np.ndarray,
    seeds: np.ndarray,
    directions: np.ndarray,
    mode: Mode = "unit",
    v: np.ndarray | None = None,
    step: float = 0.1,
    n_steps: int = 1000,
) -> np.ndarray:
    """Shoot geodesics of g from all seeds, both ways, by Runge-Kutta steps of order 4.

    Gamma is computed on the grid and interpolated (bi-, trilinearly), as is the term that a mode adds:

    "unit" : acceleration -Gamma(x', x') less its part along x'. Geodesics at Euclidean speed 1, so that
        `step` is a length and metrics can be compared on equal terms.
    "f" : x'' = -Gamma(x', x'), the geodesic equation.
    "a", "b", "c" : the same + sigma x', + sigma v, + nabla_v v, with sigma = <v, nabla_v v>.
    "e" : x'' = (v.grad) v, the published reference curve; g plays no part.

    Modes f to e are those of the published code (the paper's learned metric is shot with b, its rivals with
    f), which takes Euler steps. Here terms are quadratic in v, so that its signs do not matter, and sigma x'
    is the projection of sigma v on the motion, which holds both ways. Modes b, c and e read v while they
    shoot: their curves do not speak for g alone.

    Parameters
    ----------
    seeds, directions : (n_curves, n), positions and velocities there; unit vectors in mode "unit".
    v : (n, *grid) unit vectors, 0 where there are none; needed in modes a, b, c and e.
    step, n_steps : parameter of the curve between points, and the largest number of steps.

    Returns
    -------
    (2, n_curves, n_steps + 1, n) curves.

    Raises
    ------
    ValueError : a seed whose nearest voxel is not in the mask; a mode that needs v, without v.
    """
    _nearest_voxels(seeds, mask)
    n = mask.ndim
    gamma, extra = christoffel(g, mask), np.zeros((n, *mask.shape))
    if mode in ("a", "b", "c", "e"):
        if v is None:
            raise ValueError(f"mode {mode!r} adds a term of v; v is None")
        extra = _term_of_field(gamma, v, mask, mode)
    if mode == "e":
        gamma = np.zeros_like(gamma)
    rule = {"unit": NORMAL, "a": ALONG}.get(mode, ADD)
    # The lower indices are symmetric: of each pair one entry stands for both.
    packed = [gamma[k, i, j] * (1 if i == j else 2) for k in range(n) for i in range(n) for j in range(i, n)]
    fields = np.stack(packed if rule == NORMAL else [*packed, *extra])
    return _both_ways(rule, fields, mask, seeds, directions, step, n_steps)


def streamlines(
    v: np.ndarray, mask: np.ndarray, seeds: np.ndarray, step: float = 0.1, n_steps: int = 1000
) -> np.ndarray:
    """Integral curves x' = v(x) through the seeds, both ways, at unit speed, by Runge-Kutta steps of order 4.

    v v^T is interpolated and its principal direction followed onwards, so that the signs of v do not matter.

    Returns
    -------
    (2, n_curves, n_steps + 1, n) curves; the first half starts along `seed_directions`.
    """
    directions = seed_directions(v, mask, seeds)
    dyad = _dyad(v, mask).reshape(len(v) ** 2, *mask.shape)
    return _both_ways(FOLLOW, dyad, mask, seeds, directions, step, n_steps)


def seed_directions(v: np.ndarray, mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Unit directions of v at the seeds, (n_curves, n), from v v^T interpolated; sign of the nearest voxel.

    Raises
    ------
    ValueError : a seed whose nearest voxel is not in the mask.
    """
    nearest = _nearest_voxels(seeds, mask)
    dyad = _dyad(v, mask).reshape(-1, *mask.shape)
    at_seeds = np.stack([ndimage.map_coordinates(p, seeds.T, order=1, mode="nearest") for p in dyad], axis=1)
    principal = np.linalg.eigh(at_seeds.reshape(-1, len(v), len(v)))[1][..., -1]
    sign = (principal * v[(slice(None), *nearest.T)].T).sum(1, keepdims=True)
    return np.where(sign < 0, -principal, principal)


def deviation(curves: np.ndarray, references: np.ndarray, spacing_mm: float = 1.0) -> Deviation:
    """Compare curves with references from the same seeds, both (2, n_curves, n_points, n), NaN at the end.

    spacing_mm : size of a voxel [mm].
    """
    result = np.full((3, *curves.shape[:2]), np.nan)
    for way, i in np.ndindex(curves.shape[:2]):
        (s, x), (s_ref, x_ref) = _by_length(curves[way, i]), _by_length(references[way, i])
        if s_ref[-1] == 0:
            continue
        common = min(s[-1], s_ref[-1])
        points, partners = _sample(common, s, x), _sample(common, s_ref, x_ref)
        track = _sample(s_ref[-1], s_ref, x_ref)
        apart = np.linalg.norm(points - partners, axis=1)
        result[:, way, i] = apart.mean(), _to_polyline(points, track).mean(), common / s_ref[-1]
    matched, nearest, coverage = result
    return Deviation(matched, nearest, coverage, spacing_mm)


def spread(
    g: np.ndarray,
    mask: np.ndarray,
    seeds: np.ndarray,
    directions: np.ndarray,
    step: float = 0.1,
    n_steps: int = 1000,
    offset: float = 0.01,
) -> np.ndarray:
    """Growth of the distance between geodesics and neighbours that start beside them, in parallel.

    In 2-D, on one side. A geodesic whose neighbours run away from it is unstable: a small mistake does not
    stay small (Jacobi fields; Sengers, Florack and Fuster 2021).

    offset : distance of the neighbour at the start [voxels].

    Returns
    -------
    (n_curves, n_steps + 1), distance at the same arc length over the offset, NaN after either has ended.
    """
    across = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
    pair = [
        shoot(g, mask, starts, directions, step=step, n_steps=n_steps)[0]
        for starts in (seeds, seeds + offset * across)
    ]
    return np.linalg.norm(pair[1] - pair[0], axis=-1) / offset


def metric_distance(g: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How far two metrics differ beyond a global scale, (*grid), NaN outside the mask.

    The affine-invariant distance |log(g^-1/2 (c g') g^-1/2)|, c the scale that makes its mean square least.
    0.1 is a difference of about 10 % in squared lengths along one direction.
    """
    a, b = (np.moveaxis(field[..., mask], -1, 0) for field in (g, other))
    whiten = np.linalg.inv(np.linalg.cholesky(a))
    logs = np.log(np.linalg.eigvalsh(whiten @ b @ np.swapaxes(whiten, 1, 2)))
    distance = np.full(mask.shape, np.nan)
    distance[mask] = np.linalg.norm(logs - logs.mean(), axis=1)
    return distance


def _term_of_field(gamma: np.ndarray, v: np.ndarray, mask: np.ndarray, mode: Mode) -> np.ndarray:
    """What modes a, b (sigma v), c (nabla_v v) and e ((v.grad) v) add, (n, *grid), from p = v v^T."""
    where = mask & (v != 0).any(0)
    p = _dyad(v, where)
    turn = np.einsum("im...,imk...->k...", p, masked_gradient(p, where))  # (v.grad) v, as v.(d_i v) = 0
    if mode != "e":
        turn = turn + np.einsum("kij...,ij...->k...", gamma, p)
    if mode in ("a", "b"):
        turn = np.einsum("ki...,i...->k...", p, turn)
    return extend(turn, where)


def _nearest_voxels(seeds: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Voxels (n_curves, n) of seeds, all of which must be in the mask."""
    nearest = np.rint(seeds).astype(int)
    inside = ((nearest >= 0) & (nearest < mask.shape)).all(1)
    inside[inside] = mask[tuple(nearest[inside].T)]
    if not inside.all():
        raise ValueError(f"the nearest voxel of seed {seeds[~inside][0].tolist()} is not in the mask")
    return nearest


def _dyad(v: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """v v^T, (n, n, *grid), 0 outside the mask."""
    return np.where(mask, v[:, None] * v[None], 0.0)


def _by_length(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arc length at the points of a path (n_points, n) and the points, without the NaN at the end."""
    points = path[np.isfinite(path[:, 0])]
    return np.append(0.0, np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()), points


def _sample(end: float, lengths: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points at equal distances, at most SAMPLE, from the start of a path to the arc length `end`."""
    at = np.linspace(0, end, int(np.ceil(end / SAMPLE)) + 1)
    return np.column_stack([np.interp(at, lengths, x) for x in points.T])


def _both_ways(
    rule: int,
    fields: np.ndarray,
    mask: np.ndarray,
    seeds: np.ndarray,
    directions: np.ndarray,
    step: float,
    n_steps: int,
) -> np.ndarray:
    """Curves (2, n_curves, n_steps + 1, n) along and against the directions; fields (n_fields, *grid)."""
    starts = np.concatenate([np.hstack([seeds, directions]), np.hstack([seeds, -directions])]).astype(float)
    by_voxel = np.ascontiguousarray(fields.reshape(len(fields), -1).T)
    paths = _trace(rule, by_voxel, np.ascontiguousarray(mask), starts, step, n_steps)
    return paths.reshape(2, len(seeds), n_steps + 1, -1)


@njit(cache=True)
def _to_polyline(points: np.ndarray, polyline: np.ndarray) -> np.ndarray:
    """Distances of points (m, n) from the nearest place on a polyline (q, n)."""
    nearest = np.full(len(points), np.inf)
    for p in range(len(points)):
        for q in range(len(polyline) - 1):
            dot, length2, distance2 = 0.0, 0.0, 0.0
            for i in range(points.shape[1]):
                chord = polyline[q + 1, i] - polyline[q, i]
                dot += (points[p, i] - polyline[q, i]) * chord
                length2 += chord * chord
            share = min(max(dot / length2, 0.0), 1.0)
            for i in range(points.shape[1]):
                offset = points[p, i] - polyline[q, i]
                distance2 += (offset - share * (polyline[q + 1, i] - polyline[q, i])) ** 2
            nearest[p] = min(nearest[p], distance2)
    return np.sqrt(nearest)


# Compiled loops, one curve after another: as fast for one as for many, and none is followed beyond its end.
# The parts of a step are inlined and the dimension is known from the mask's type: twice as fast.


@njit(inline="always")
def _interpolate(by_voxel: np.ndarray, shape: tuple[int, ...], y: np.ndarray, values: np.ndarray) -> None:
    """Bi- or trilinear interpolation of fields (n_voxels, n_fields) at the first components of y."""
    low = min(max(int(np.floor(y[0])), 0), shape[0] - 2)
    a = y[0] - low
    voxel = low * shape[1]
    low = min(max(int(np.floor(y[1])), 0), shape[1] - 2)
    b = y[1] - low
    voxel += low
    aa, bb, ahead = 1 - a, 1 - b, shape[1]
    if len(shape) == 2:
        for f in range(len(values)):
            here = bb * by_voxel[voxel, f] + b * by_voxel[voxel + 1, f]
            there = bb * by_voxel[voxel + ahead, f] + b * by_voxel[voxel + ahead + 1, f]
            values[f] = aa * here + a * there
    else:
        low = min(max(int(np.floor(y[2])), 0), shape[-1] - 2)  # shape[2] would not compile in 2-D
        c, side = y[2] - low, shape[-1]
        cc, voxel, ahead = 1 - c, voxel * side + low, ahead * side
        for f in range(len(values)):
            total = 0.0
            for start, weight in ((voxel, aa), (voxel + ahead, a)):
                left = cc * by_voxel[start, f] + c * by_voxel[start + 1, f]
                right = cc * by_voxel[start + side, f] + c * by_voxel[start + side + 1, f]
                total += weight * (bb * left + b * right)
            values[f] = total


@njit(inline="always")
def _accelerate(rule: int, n: int, y: np.ndarray, values: np.ndarray, rate: np.ndarray) -> None:
    """Derivative of y = (x, x') with packed Gamma and, for the rules that add one, a term in the values."""
    along, speed2 = 0.0, 0.0
    extra = n * n * (n + 1) // 2
    at = 0
    for k in range(n):
        turn = 0.0
        for i in range(n):
            for j in range(i, n):
                turn += values[at] * y[n + i] * y[n + j]
                at += 1
        rate[k] = y[n + k]
        rate[n + k] = -turn
        if rule == ADD:
            rate[n + k] += values[extra + k]
        along += (values[extra + k] if rule == ALONG else turn) * y[n + k]
        speed2 += y[n + k] * y[n + k]
    if rule == ALONG:
        along *= np.sqrt(speed2)
    if rule != ADD:
        along /= speed2
        for k in range(n):
            rate[n + k] += along * y[n + k]


@njit(inline="always")
def _follow(n: int, y: np.ndarray, dyad: np.ndarray, rate: np.ndarray) -> None:
    """Derivative of y = (x, heading): x' is the principal unit vector of the dyad on the heading's side."""
    for i in range(n):
        rate[i] = y[n + i]
    for _ in range(N_POWERS):
        for i in range(n):
            rate[n + i] = 0.0
            for j in range(n):
                rate[n + i] += dyad[i * n + j] * rate[j]
        for i in range(n):
            rate[i] = rate[n + i]
    length2 = 0.0
    for i in range(n):
        length2 += rate[i] * rate[i]
    for i in range(n):
        rate[i] /= np.sqrt(length2)
        rate[n + i] = 0.0


@njit(cache=True)
def _trace(
    rule: int, by_voxel: np.ndarray, mask: np.ndarray, starts: np.ndarray, step: float, n_steps: int
) -> np.ndarray:
    """Runge-Kutta paths (n_starts, n_steps + 1, n) from (x, x'), NaN once the nearest voxel is not in a mask.

    by_voxel (n_voxels, n_fields) : flat, of the voxels of the mask (*grid).
    """
    shape, flat_mask = mask.shape, mask.ravel()
    n = len(shape)
    paths = np.full((len(starts), n_steps + 1, n), np.nan)
    values, rates = np.empty(by_voxel.shape[1]), np.empty((4, 2 * n))
    y, at = np.empty(2 * n), np.empty(2 * n)
    for curve in range(len(starts)):
        for i in range(2 * n):
            y[i] = starts[curve, i]
        for t in range(n_steps + 1):
            voxel, inside = 0, True
            for i in range(n):
                nearest = np.rint(y[i])
                inside = inside and 0 <= nearest < shape[i]
                voxel = voxel * shape[i] + int(nearest)
            if not (inside and flat_mask[voxel]):
                break
            for i in range(n):
                paths[curve, t, i] = y[i]
            for stage in range(4):
                ahead = (0.0, 0.5, 0.5, 1.0)[stage] * step
                for i in range(2 * n):
                    at[i] = y[i] + ahead * rates[stage - 1, i] if stage > 0 else y[i]
                _interpolate(by_voxel, shape, at, values)
                if rule == FOLLOW:
                    _follow(n, at, values, rates[stage])
                else:
                    _accelerate(rule, n, at, values, rates[stage])
            for i in range(2 * n):
                at[i] = (rates[0, i] + 2 * rates[1, i] + 2 * rates[2, i] + rates[3, i]) / 6
                y[i] += step * at[i]
            if rule == FOLLOW:
                for i in range(n):
                    y[n + i] = at[i]
    return paths
