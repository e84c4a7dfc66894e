from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation as Rotation3D
from sklearn.decomposition import PCA

from crossroads.analyse.planes import (
    bin_patterns,
    colour_area,
    colour_discriminability,
    fit_planes,
    rotated_unrotated,
)
from crossroads.analyse.subspaces import alignment_index, explained_ratio, principal_angles_deg
from crossroads.data.prefrontal import load_lpfc_planes

seeds = st.integers(0, 2**32 - 1)


def square(phase_deg: float = 0.0) -> np.ndarray:
    """Four colours on a circle, in order, (4, 2)."""
    angle = np.radians(phase_deg) + np.arange(4) * np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def dart(depth: float) -> np.ndarray:
    """Four colours in order, with vertex 2 inside the triangle of the others."""
    return np.array([[1.0, 0.0], [0.0, 1.0], [depth, 0.0], [0.0, -1.0]])


SQUARE = square()
BOW_TIE = SQUARE[[0, 2, 1, 3]]
CONCAVE_2 = dart(0.4)
CONCAVE_0 = -CONCAVE_2[[2, 3, 0, 1]]


def random_axes(n_neurons: int, n_axes: int, rng: np.random.Generator) -> np.ndarray:
    """Orthonormal directions as rows, (n_axes, n_neurons)."""
    return np.linalg.qr(rng.standard_normal((n_neurons, n_axes)))[0].T


def hinge_axes(theta_deg: float) -> np.ndarray:
    """Axes (2, 2, 3) of two planes in 3-D that share their first axis and open by theta."""
    theta = np.radians(theta_deg)
    return np.array([[[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, np.cos(theta), np.sin(theta)]]], dtype=float)


def two_planes(one: np.ndarray, two: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Patterns (8, N) of two quadrilaterals (4, 2) laid out along axes (2, 2, N)."""
    return np.concatenate([one @ axes[0], two @ axes[1]])


def gram_cosine(patterns: np.ndarray) -> float:
    """cos(theta) of Panichello & Buschman (2021), planeAngle.m, by Gram determinants; its sign is chance."""
    low = PCA(3).fit_transform(patterns)
    a, b = (PCA(2).fit(half).components_ for half in (low[:4], low[4:]))
    return np.linalg.det(a @ b.T) / np.sqrt(np.linalg.det(a @ a.T) * np.linalg.det(b @ b.T))


def published_angles(patterns: np.ndarray) -> tuple[float, float]:
    """theta and |psi| [deg] by the steps of the published code, one by one."""
    low = PCA(3).fit_transform(patterns)
    quads = [half - half.mean(0) for half in (low[:4], low[4:])]
    axes = [PCA(2).fit(quad).components_ for quad in quads]
    flat = [quad @ ax.T for quad, ax in zip(quads, axes, strict=True)]
    missing = set(range(4)) - set.intersection(*(set(ConvexHull(f).vertices) for f in flat))
    vertices = [v for v in range(4) if v not in missing]
    if len(vertices) != 3:
        vertices = [0, 1, 3]
    first, following, previous = vertices
    normals = []
    for f, ax in zip(flat, axes, strict=True):
        turn = np.linalg.det(np.stack([f[following] - f[first], f[previous] - f[first]]))
        normals.append(np.sign(turn) * np.cross(*ax))
    theta = np.degrees(np.arccos(normals[0] @ normals[1]))
    if theta >= 90 or any(_crosses_itself(f) for f in flat):
        return theta, np.nan
    axis = np.cross(normals[1], normals[0])
    onto = Rotation3D.from_rotvec(np.radians(theta) * axis / np.linalg.norm(axis))
    turn, _ = orthogonal_procrustes(flat[0], onto.apply(quads[1]) @ axes[0].T)
    return theta, np.nan if np.linalg.det(turn) < 0 else abs(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))


def _crosses_itself(quad: np.ndarray) -> bool:
    if len(ConvexHull(quad).vertices) < 4:
        return False
    # Where the lines 0-2 and 1-3 meet, in units of each: a convex quadrilateral has both inside 0..1.
    along = np.linalg.solve(np.stack([quad[2] - quad[0], quad[1] - quad[3]], 1), quad[1] - quad[0])
    return bool(np.any(along < 0) or np.any(along > 1))


@given(theta=st.floats(1, 179), scale=st.floats(1e-3, 1e3), seed=seeds)
def test_planted_theta_survives_rotation_scaling_and_offset(theta: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = random_axes(40, 3, rng)
    patterns = scale * (two_planes(SQUARE, SQUARE, hinge_axes(theta) @ space) + rng.normal(size=40))
    planes = fit_planes(patterns)
    np.testing.assert_allclose(planes.theta_deg, theta, atol=1e-6)
    np.testing.assert_allclose(np.abs(planes.theta_signed_deg), theta, atol=1e-6)
    np.testing.assert_allclose(planes.explained.sum(), 1)


@given(seed=seeds)
def test_a_rotation_of_neuron_space_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(8, 12))
    turn = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    before, after = fit_planes(patterns), fit_planes(patterns @ turn + 3.0)
    np.testing.assert_allclose(after.coordinates, before.coordinates, atol=1e-8)
    np.testing.assert_allclose(after.theta_signed_deg, before.theta_signed_deg, atol=1e-6)
    np.testing.assert_allclose(after.psi_deg, before.psi_deg, atol=1e-6)


@pytest.mark.parametrize("phase", [-150, -30, 0, 45, 120])
@pytest.mark.parametrize("theta", [0, 20, 80])
def test_psi_is_the_planted_phase_along_the_colour_order(phase: float, theta: float) -> None:
    axes = hinge_axes(theta) @ random_axes(30, 3, np.random.default_rng(1))
    # Unequal sizes: the two quadrilaterals need not match.
    planes = fit_planes(two_planes(SQUARE, 0.3 * square(phase), axes))
    np.testing.assert_allclose(planes.psi_deg, phase, atol=1e-6)
    # Seen from the second location the same turn goes back.
    swapped = fit_planes(two_planes(0.3 * square(phase), SQUARE, axes[::-1]))
    np.testing.assert_allclose(swapped.psi_deg, -phase, atol=1e-6)


def test_mirrored_order_reads_above_90_and_has_no_phase() -> None:
    planes = fit_planes(two_planes(SQUARE, SQUARE[::-1], hinge_axes(25) @ np.eye(3, 10)))
    np.testing.assert_allclose(planes.theta_deg, 155, atol=1e-9)
    assert np.isnan(planes.psi_deg)


@pytest.mark.parametrize("quads", [[SQUARE, BOW_TIE], [BOW_TIE, SQUARE], [SQUARE, SQUARE[[0, 1, 3, 2]]]])
def test_bow_tie_has_no_phase(quads: list[np.ndarray]) -> None:
    assert np.isnan(fit_planes(two_planes(*quads, hinge_axes(10))).psi_deg)


def test_reflection_has_no_phase() -> None:
    # Both run anticlockwise, but deep darts at opposite vertices are nearly each other's mirror image.
    deep = dart(0.9)
    one, two = deep, -deep[[2, 3, 0, 1]]
    planes = fit_planes(two_planes(one, two, hinge_axes(10)), "mended")
    turn, _ = orthogonal_procrustes(one - one.mean(0), two - two.mean(0))
    assert np.linalg.det(turn) == pytest.approx(-1)
    assert planes.theta_deg == pytest.approx(10)
    assert np.isnan(planes.psi_deg)


def test_concave_quadrilaterals_keep_their_phase() -> None:
    for shape in (CONCAVE_0, CONCAVE_2):
        planes = fit_planes(two_planes(shape, shape, hinge_axes(15)))
        np.testing.assert_allclose([planes.theta_deg, planes.psi_deg], [15, 0], atol=1e-9)


@pytest.mark.parametrize("corners", ["paper", "mended"])
@given(seed=seeds)
def test_folded_theta_is_panichellos(corners: str, seed: int) -> None:
    patterns = np.random.default_rng(seed).normal(size=(8, 20))
    theta = float(fit_planes(patterns, corners).theta_deg)
    np.testing.assert_allclose(abs(np.cos(np.radians(theta))), abs(gram_cosine(patterns)), atol=1e-9)


@given(seed=seeds)
def test_paper_corners_follow_the_published_steps(seed: int) -> None:
    patterns = np.random.default_rng(seed).normal(size=(8, 20))
    planes = fit_planes(patterns, "paper")
    theta, psi = published_angles(patterns)
    np.testing.assert_allclose(planes.theta_deg, theta, atol=1e-6)
    np.testing.assert_allclose(np.abs(planes.psi_deg), psi, atol=1e-6)


def test_corner_rules_differ_only_for_two_concave_shapes_and_bow_ties() -> None:
    def theta(one: np.ndarray, two: np.ndarray, corners: str) -> float:
        return float(fit_planes(two_planes(one, two, hinge_axes(30)), corners).theta_deg)

    for one, two in itertools.product([SQUARE, CONCAVE_0, CONCAVE_2], repeat=2):
        assert theta(one, two, "mended") == pytest.approx(30)
        both = {id(one), id(two)} == {id(CONCAVE_0), id(CONCAVE_2)}
        assert theta(one, two, "paper") == pytest.approx(150 if both else 30)


def test_a_line_has_no_plane() -> None:
    line = np.outer([0, 1, 2, 4], [1.0, 0.0])
    axes = hinge_axes(30) @ random_axes(9, 3, np.random.default_rng(0))
    planes = fit_planes(two_planes(SQUARE, line, axes))
    assert np.isnan([planes.theta_deg, planes.theta_signed_deg, planes.psi_deg]).all()


def test_sign_of_theta_is_that_of_the_first_normal_on_pc3() -> None:
    patterns = np.random.default_rng(3).normal(size=(200, 8, 10))
    planes = fit_planes(patterns)
    sign = np.where(planes.normals[:, 0, 2] >= 0, 1, -1)
    np.testing.assert_allclose(planes.theta_signed_deg, sign * planes.theta_deg)
    assert 0.2 < (planes.theta_signed_deg > 0).mean() < 0.8


def test_batches_equal_single_calls() -> None:
    patterns = np.random.default_rng(4).normal(size=(2, 3, 8, 15))
    batch = fit_planes(patterns)
    for index in np.ndindex(2, 3):
        single = fit_planes(patterns[index])
        for field in ("coordinates", "explained", "normals", "theta_deg", "theta_signed_deg", "psi_deg"):
            np.testing.assert_allclose(getattr(batch, field)[index], getattr(single, field), atol=1e-9)


@pytest.mark.parametrize("bad", [np.zeros((7, 20)), np.zeros((8, 2)), np.zeros(8), np.full((8, 5), np.nan)])
def test_bad_patterns_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="patterns"):
        fit_planes(bad)


def test_bins_average_adjacent_colours_per_location() -> None:
    colour, location = np.repeat(np.arange(16), 2), np.tile([0, 1], 16)
    states = np.stack([colour, 100.0 * location], 1)
    binned = bin_patterns(states, colour, location)
    np.testing.assert_allclose(binned[:, 0], np.tile([1.5, 5.5, 9.5, 13.5], 2))
    np.testing.assert_allclose(binned[:, 1], [0] * 4 + [100] * 4)
    times = bin_patterns(np.stack([states, 2 * states]), colour, location, n_bins=8)
    np.testing.assert_allclose(times[1, :, 0], np.tile(np.arange(1.0, 32, 4), 2))
    with pytest.raises(ValueError, match=r"\[4 5 6 7\]"):
        bin_patterns(states, colour, np.zeros(32, dtype=int))


@given(seed=seeds)
def test_colour_area_of_planar_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = rng.uniform(0.1, 5, 2)
    rectangle = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]]) + rng.normal(size=3)
    turn = Rotation3D.random(rng=rng)
    area = width * height
    np.testing.assert_allclose(colour_area(turn.apply(rectangle)), area)
    np.testing.assert_allclose(colour_area(np.stack([rectangle, 3 * rectangle])), [area, 9 * area])


def test_discriminability_is_area_in_the_shared_space() -> None:
    axes = random_axes(50, 3, np.random.default_rng(6))
    blocks = np.stack([size * SQUARE @ axes[:2] + 5 * axes[2] for size in (1.0, 3.0, 0.1)])
    areas = colour_discriminability(np.stack([blocks, 2 * blocks]))
    np.testing.assert_allclose(areas, np.outer([1, 4], [2, 18, 0.02]))


def test_discriminability_misses_what_the_three_shared_components_miss() -> None:
    axes = np.eye(6)
    blocks = np.stack([10 * SQUARE @ axes[:2], 5 * SQUARE @ axes[2:4], SQUARE @ axes[4:]])
    areas = colour_discriminability(blocks)
    np.testing.assert_allclose(areas, [200, 0, 0], atol=1e-9)


def test_rotated_location_is_found() -> None:
    axes = random_axes(60, 6, np.random.default_rng(7))
    slight, steep = np.radians([12, 70])
    before = np.stack([axes[[0, 1]], axes[[3, 4]]])
    after = np.stack(
        [
            [axes[0], np.cos(slight) * axes[1] + np.sin(slight) * axes[2]],
            [axes[3], np.cos(steep) * axes[4] + np.sin(steep) * axes[5]],
        ]
    )
    for order in ([0, 1], [1, 0]):
        pre = two_planes(SQUARE, SQUARE, before[order])
        post = two_planes(square(20), square(-20), after[order])
        found = rotated_unrotated(np.stack([pre, pre]), np.stack([post, post]))
        np.testing.assert_allclose(found.theta_deg, [12, 70], atol=1e-6)
        np.testing.assert_allclose(found.psi_deg, [20, 20], atol=1e-6)
        # A hinge: principal angles 0 and theta.
        np.testing.assert_allclose(found.alignment_2d, (1 + np.cos([slight, steep]) ** 2) / 2, atol=1e-9)


def test_rotated_location_is_not_chosen_on_the_half_it_is_measured_in() -> None:
    # The halves disagree on which location turns, so a choice made in the other half is wrong both times.
    slight, steep = (SQUARE @ hinge_axes(theta)[1] for theta in (10, 70))
    pre = np.concatenate([SQUARE @ hinge_axes(0)[0]] * 2)
    post = np.stack([np.concatenate([slight, steep]), np.concatenate([steep, slight])])
    found = rotated_unrotated(np.stack([pre, pre]), post)
    np.testing.assert_allclose(found.theta_deg, [70, 10], atol=1e-6)
    assert found.alignment_2d[0] < found.alignment_2d[1]
    batch = rotated_unrotated(np.stack([[pre, pre]] * 3), np.stack([post] * 3))
    np.testing.assert_allclose(batch.theta_deg, [found.theta_deg] * 3)


@pytest.fixture(scope="module")
def lpfc() -> np.ndarray:
    """Macaque LPFC mean rates (8, 380), Panichello & Buschman (2021)."""
    folder = os.environ.get("CROSSROADS_DATA")
    if not folder:
        pytest.skip("needs retrocue/planesDemo.mat; CROSSROADS_DATA is not set")
    return load_lpfc_planes(Path(folder) / "retrocue" / "planesDemo.mat").epochs["pre-cue"]


def test_lpfc_planes(lpfc: np.ndarray) -> None:
    for corners in ("paper", "mended"):
        planes = fit_planes(lpfc, corners)
        assert round(float(planes.theta_deg)) == 98
        assert round(180 - float(planes.theta_deg)) == 82  # as Panichello & Buschman fold it
        assert np.isnan(planes.psi_deg)
    assert round(abs(gram_cosine(lpfc)), 2) == 0.13
    assert round(float(planes.explained.sum()), 3) == 0.649


def test_lpfc_subspaces(lpfc: np.ndarray) -> None:
    upper, lower = lpfc[:4], lpfc[4:]
    published = [0.362, 0.178, 0.109, 0.106, 0.091, 0.079, 0.074]
    np.testing.assert_allclose(explained_ratio(lpfc, 7), published, atol=6e-4)
    np.testing.assert_allclose(explained_ratio(upper, 3), [0.52, 0.31, 0.17], atol=0.005)
    np.testing.assert_allclose(explained_ratio(lower, 3), [0.45, 0.32, 0.23], atol=0.005)
    np.testing.assert_allclose(principal_angles_deg(upper, lower, 2), [55, 85], atol=0.5)
    assert round(float(alignment_index(upper, lower, 2)), 3) == 0.196
    assert round(float(alignment_index(upper, lower, 3)), 3) == 0.158
