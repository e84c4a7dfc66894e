"""Integral curves against dipy's tracking, which takes Euler steps along peaks that it interpolates."""

import numpy as np
import pytest
from dipy.core.sphere import Sphere
from dipy.direction.peaks import PeaksAndMetrics
from dipy.tracking.stopping_criterion import BinaryStoppingCriterion
from dipy.tracking.tracker import eudx_tracking

from crossroads.analyse.geodesics import deviation, streamlines
from crossroads.data.fibre_fields import helix_crossing, sign_flips


def tracked(v, mask, seeds, step):
    """dipy's curves both ways from each seed, (2, n_curves, n_points, 3)."""
    peaks = PeaksAndMetrics()
    peaks.sphere = Sphere(xyz=v[:, mask].T)  # every voxel has a vertex of its own: no rounding of directions
    peaks.peak_values = mask[..., None].astype(float)
    vertex = np.full(mask.shape, -1, np.int32)
    vertex[mask] = np.arange(mask.sum())
    peaks.peak_indices = vertex[..., None]
    tracks = list(
        eudx_tracking(
            seeds,
            BinaryStoppingCriterion(mask),
            np.eye(4),
            pam=peaks,
            sphere=peaks.sphere,
            step_size=step,
            max_cross=1,
            nbr_threads=1,
            random_seed=1,
        )
    )
    halves = []
    for track, seed in zip(tracks, seeds, strict=True):
        start = np.argmin(np.linalg.norm(track - seed, axis=1))
        assert np.linalg.norm(track[start] - seed) < 1e-6
        halves.append((track[start:], track[start::-1]))
    curves = np.full((2, len(seeds), max(len(half) for pair in halves for half in pair), 3), np.nan)
    for way, i in np.ndindex(curves.shape[:2]):
        curves[way, i, : len(halves[i][way])] = halves[i][way]
    return curves


def same_way(ours, theirs):
    """Their curves with the two ways in our order."""
    onwards = np.einsum("ci,ci->c", ours[0, :, 1] - ours[0, :, 0], theirs[0, :, 5] - theirs[0, :, 0]) > 0
    return np.where(onwards[None, :, None, None], theirs, theirs[::-1])


@pytest.mark.parametrize("flips", [0.0, 0.3])
def test_helices_are_those_that_dipy_follows(flips):
    """To 0.05 voxels over 20 to 75 of them; the rest falls with dipy's step, as an Euler error does."""
    scene = helix_crossing()
    v, mask = sign_flips(scene, flips, np.random.default_rng(0)).v[0], scene.mask[0]
    seeds = scene.seeds[0] + np.array([[0, 0, 0], [1.4, 0, 0], [0, 0, -1.5], [-1.3, 2.2, -0.6]])
    ours = streamlines(v, mask, seeds)
    apart = [deviation(same_way(ours, tracked(v, mask, seeds, step)), ours) for step in (0.1, 0.025)]
    assert apart[1].coverage.min() > 0.99
    assert apart[1].matched.max() < 0.05
    assert np.nanmean(apart[0].matched) / np.nanmean(apart[1].matched) == pytest.approx(4, rel=0.2)
