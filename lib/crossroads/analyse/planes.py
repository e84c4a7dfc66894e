"""Geometry of remembered colours: two planes in the first three principal components.

Definitions follow the published code of Piwek, Stokes & Summerfield (2023), src/subspace.py and
src/rep_geom_analysis.py. Patterns are (..., 8, N): rows 0-3 are the colour bins of location 1, in order
round the colour circle, rows 4-7 those of location 2; leading axes are a batch. The two locations may stand
for any pair of conditions with four colours each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossroads.analyse.subspaces import alignment_index, centred_svd
from crossroads.data.retro_cue import N_COLOURS

N_BINS = 4
# A location whose second singular value is below this share of the largest has its colours on a line.
FLAT = 1e-9


@dataclass(frozen=True)
class Planes:
    """The planes that fit the colours of each location; leading axes are the batch of `fit_planes`.

    coordinates (..., 8, 3): centred patterns in the first 3 principal components.
    explained (..., 3): share of the variance on each component.
    normals (..., 2, 3): unit normals; seen from their tips, the colours run anticlockwise.
    theta_deg (...): angle between the normals, 0..180. Above 90 the colour order is mirrored.
    theta_signed_deg (...): the same, negative (an arbitrary sign) where normal 1 points down component 3.
    psi_deg (...): turn of location 2's colours against location 1's, positive along the colour order, or NaN.
    """

    coordinates: np.ndarray
    explained: np.ndarray
    normals: np.ndarray
    theta_deg: np.ndarray
    theta_signed_deg: np.ndarray
    psi_deg: np.ndarray


@dataclass(frozen=True)
class Rotation:
    """How far each location's plane turns across the cue; last axis: the unrotated, the rotated location.

    theta_deg, psi_deg (..., 2): 0..180, psi NaN where it is NaN in either fold.
    alignment_2d, alignment_3d (..., 2): alignment index, before against after, in 2 and 3 dimensions.
    """

    theta_deg: np.ndarray
    psi_deg: np.ndarray
    alignment_2d: np.ndarray
    alignment_3d: np.ndarray


def bin_patterns(
    states: np.ndarray, colour: np.ndarray, location: np.ndarray, n_bins: int = N_BINS
) -> np.ndarray:
    """Mean state over the trials of each location and bin of adjacent colours.

    Parameters
    ----------
    states : (..., n_trials, N) activity.
    colour : (n_trials,) colour index 0..15.
    location : (n_trials,) 0 or 1: the half of the rows a trial counts in (where the item was, or the cue).
    n_bins : number of bins, a divisor of 16.

    Returns
    -------
    (..., 2 * n_bins, N): the bins of location 0, then those of location 1.

    Raises
    ------
    ValueError : a location and bin without trials.
    """
    row = location * n_bins + colour // (N_COLOURS // n_bins)
    members = row == np.arange(2 * n_bins)[:, None]
    counts = members.sum(1)
    if not counts.all():
        raise ValueError(f"no trials in rows {np.flatnonzero(counts == 0)} of {2 * n_bins} (location, bin)")
    return (members / counts[:, None]) @ np.asarray(states, dtype=float)


def fit_planes(patterns: np.ndarray, corners: Literal["paper", "mended"] = "paper") -> Planes:
    """Fit a plane to each location's four colours in 3 principal components and compare the two.

    psi is NaN where cos(theta) <= 0, where a reflection matches the two quadrilaterals better than any
    rotation, and where either is a bow-tie (its sides cross). All angles are NaN where a location's colours
    lie on a line. Departure: psi's sign follows the colour order; in the published code it follows the
    components' signs.

    Parameters
    ----------
    patterns : (..., 8, N), N >= 3.
    corners : what tells on which side of its plane a normal stands. "paper": the turn 3-0-1 or, if one
        vertex is concave in either location, the turn through the other three in both. "mended": the signed
        area of 0-1-2-3, which differs for bow-ties and where the locations are concave at two vertices, one
        of them 0.

    Raises
    ------
    ValueError : shape other than (..., 8, N >= 3), or values that are not finite.
    """
    patterns = np.asarray(patterns, dtype=float)
    if patterns.ndim < 2 or patterns.shape[-2] != 2 * N_BINS or patterns.shape[-1] < 3:
        raise ValueError(f"patterns have shape {patterns.shape}; need (..., {2 * N_BINS}, N) with N >= 3")
    if not np.isfinite(patterns).all():
        raise ValueError("patterns hold values that are not finite")
    u, s, _ = centred_svd(patterns)
    coordinates = u[..., :3] * s[..., None, :3]
    quads = coordinates.reshape(*coordinates.shape[:-2], 2, N_BINS, 3)
    quads = quads - quads.mean(-2, keepdims=True)
    _, spread, axes = centred_svd(quads)
    areas = _triangle_areas(quads @ np.swapaxes(axes[..., :2, :], -1, -2))
    turn = {"paper": _paper_turn(areas), "mended": areas[..., 1] + areas[..., 3]}[corners]
    side = np.where(spread[..., 1] > FLAT * s[..., None, 0], np.sign(turn), np.nan)
    normals = side[..., None] * np.cross(axes[..., 0, :], axes[..., 1, :])
    one, two = normals[..., 0, :], normals[..., 1, :]
    cosine = (one * two).sum(-1)
    # Stabler than arccos near 0 and 180 degrees.
    theta = np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two), axis=-1), cosine))
    comparable = (cosine > 0) & ~_is_bow_tie(areas).any(-1)
    return Planes(
        coordinates=coordinates,
        explained=s[..., :3] ** 2 / (s**2).sum(-1, keepdims=True),
        normals=normals,
        theta_deg=theta,
        theta_signed_deg=np.where(one[..., 2] >= 0, theta, -theta),
        psi_deg=_phase_deg(quads, axes[..., 0, 0, :], one, two, np.where(comparable, cosine, np.nan)),
    )


def _triangle_areas(quads: np.ndarray) -> np.ndarray:
    """Twice the signed area of the triangle left when vertex i is dropped, from (..., 4, 2): (..., 4)."""
    corner = quads[..., [1, 0, 0, 0], :]
    a, b = quads[..., [2, 2, 1, 1], :] - corner, quads[..., [3, 3, 3, 2], :] - corner
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _radon_signs(areas: np.ndarray) -> np.ndarray:
    """Signs (..., 4), as booleans, of the weights that sum four points of a plane to nothing.

    Radon's theorem reads the shape off them. Two of each sign: the two pairs are the diagonals of a convex
    quadrilateral. One against three: that one lies inside the triangle of the others.
    """
    return areas * [1, -1, 1, -1] > 0


def _is_bow_tie(areas: np.ndarray) -> np.ndarray:
    """Whether the four points are convex but 0-2 and 1-3 are not the diagonals."""
    signs = _radon_signs(areas)
    return (signs.sum(-1) == 2) & (signs[..., 0] != signs[..., 2])


def _paper_turn(areas: np.ndarray) -> np.ndarray:
    """Signed area (..., 2) of the triangle by which the published code orients each plane."""
    signs = _radon_signs(areas)
    n_positive = signs.sum(-1, keepdims=True)
    inside = (n_positive != 2) & (signs == (n_positive == 1))
    concave = inside.any(-2)  # in either location
    dropped = np.where(concave.sum(-1) == 1, concave.argmax(-1), 2)
    return np.take_along_axis(areas, dropped[..., None, None], -1)[..., 0]


def _phase_deg(
    quads: np.ndarray, axis: np.ndarray, one: np.ndarray, two: np.ndarray, cosine: np.ndarray
) -> np.ndarray:
    """Procrustes rotation (...) [deg] from location 1's colours to location 2's once the planes are parallel.

    `quads` (..., 2, 4, 3) are centred colours, `axis` (..., 3) a unit vector in plane one, `one` and `two`
    the normals, `cosine` that of their angle. NaN where `cosine` is, or where a reflection matches better.
    """
    basis = np.stack([axis, np.cross(one, axis)], -2)
    # Rodrigues' rotation that takes normal one to normal two.
    w = np.cross(one, two)[..., None, :]
    carried = basis + np.cross(w, basis) + np.cross(w, np.cross(w, basis)) / (1 + cosine[..., None, None])
    in_plane = quads @ np.swapaxes(np.stack([basis, carried], -3), -1, -2)
    z = in_plane[..., 0] + 1j * in_plane[..., 1]
    rotated = (z[..., 0, :].conj() * z[..., 1, :]).sum(-1)
    reflected = (z[..., 0, :] * z[..., 1, :]).sum(-1)
    return np.where(np.abs(rotated) >= np.abs(reflected), np.degrees(np.angle(rotated)), np.nan)


def colour_area(points: np.ndarray) -> np.ndarray:
    """Area (...) of quadrilaterals (..., 4, 3): |AC x BD| / 2, with AC and BD the diagonals."""
    diagonals = np.asarray(points, dtype=float)[..., 2:, :] - points[..., :2, :]
    return np.linalg.norm(np.cross(diagonals[..., 0, :], diagonals[..., 1, :]), axis=-1) / 2


def colour_discriminability(blocks: np.ndarray) -> np.ndarray:
    """Colour discriminability index: area of each block's colours in 3 principal components shared by all.

    Parameters
    ----------
    blocks : (..., n_blocks, 4, N) patterns from the trials with one cued location (before and after the
        cue, cued and uncued colours, ...). The paper averages the result over both cued locations.

    Returns
    -------
    (..., n_blocks) areas, in squared units of activity.
    """
    *batch, n_blocks, n_colours, n_neurons = blocks.shape
    u, s, _ = centred_svd(blocks.reshape(*batch, n_blocks * n_colours, n_neurons))
    return colour_area((u[..., :3] * s[..., None, :3]).reshape(*batch, n_blocks, n_colours, 3))


def rotated_unrotated(pre_halves: np.ndarray, post_halves: np.ndarray) -> Rotation:
    """Which location keeps its plane across the cue and which turns, in two-fold cross-validation.

    In one half of the trials, the location whose planes before and after the cue have the larger
    |cos(theta)| is called unrotated (for each alignment index: the larger index). The other half gives its
    theta, psi and indices, made positive and averaged over the two folds (angles as directions).

    Parameters
    ----------
    pre_halves, post_halves : (..., 2, 8, N) patterns before and after the cue from each half of the trials.
    """
    shape = (*pre_halves.shape[:-2], 2, N_BINS, pre_halves.shape[-1])
    pre, post = pre_halves.reshape(shape), post_halves.reshape(shape)
    planes = fit_planes(np.concatenate([pre, post], -2))  # of each half and location
    stays = np.abs(np.cos(np.radians(planes.theta_deg)))
    alignments = [alignment_index(pre, post, n_dims) for n_dims in (2, 3)]
    return Rotation(
        theta_deg=_mean_direction_deg(_measure_in_other_half(planes.theta_deg, stays)),
        psi_deg=_mean_direction_deg(_measure_in_other_half(np.abs(planes.psi_deg), stays)),
        alignment_2d=_measure_in_other_half(alignments[0], alignments[0]).mean(-2),
        alignment_3d=_measure_in_other_half(alignments[1], alignments[1]).mean(-2),
    )


def _measure_in_other_half(measure: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """`measure` (..., half, location) with locations sorted by falling `stays` of the opposite half."""
    return np.take_along_axis(measure[..., ::-1, :], np.argsort(-stays, -1), -1)


def _mean_direction_deg(angles: np.ndarray) -> np.ndarray:
    """Circular mean over the two folds of angles [deg], (..., fold, location); NaN if either is."""
    return np.degrees(np.angle(np.exp(1j * np.radians(angles)).sum(-2)))
