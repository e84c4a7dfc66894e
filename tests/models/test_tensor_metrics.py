import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat
from scipy.ndimage import label

from crossroads.models.tensor_metrics import (
    adjugate_metric,
    conformal_exponent,
    conformal_metric,
    extend,
    inverse_metric,
    masked_gradient,
)

seeds = st.integers(0, 2**32 - 1)


def random_tensors(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Tensors (*shape, n, n) with eigenvalues above 0.1."""
    n = len(shape)
    root = rng.normal(size=(*shape, n, n))
    return root @ np.swapaxes(root, -2, -1) + 0.1 * np.eye(n)


def ring(n: int = 2, along: float = 1.7, across: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tensors of circles about an axis, the mask of a ring, and the distance from the axis."""
    shape = (81, 81) if n == 2 else (41, 41, 4)
    x, y = (c - (shape[0] - 1) / 2 for c in np.indices(shape)[:2])
    r = np.hypot(x, y)
    v = np.stack([-y, x, *np.zeros((n - 2, *shape))], axis=-1) / np.where(r > 0, r, 1)[..., None]
    tensor = across * np.eye(n) + (along - across) * v[..., :, None] * v[..., None, :]
    return tensor, (r > shape[0] / 5) & (r < shape[0] / 2.1), r


@given(seed=seeds, n=st.sampled_from([2, 3]))
def test_metrics_are_the_inverse_and_the_adjugate(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    tensor = random_tensors((3, 4, 2)[:n], rng)
    mask = np.ones(tensor.shape[:n], bool)
    inverse, adjugate = (
        np.moveaxis(metric(tensor, mask), (0, 1), (-2, -1)) for metric in (inverse_metric, adjugate_metric)
    )
    np.testing.assert_allclose(tensor @ inverse, np.broadcast_to(np.eye(n), tensor.shape), atol=1e-8)
    if n == 2:
        np.testing.assert_allclose(
            adjugate,
            np.trace(tensor, axis1=-2, axis2=-1)[..., None, None] * np.eye(2) - tensor,
            rtol=1e-9,
            atol=1e-9,
        )
    else:  # columns of the adjugate are cross products of the rows
        rows = tensor[..., [1, 2, 0], :], tensor[..., [2, 0, 1], :]
        np.testing.assert_allclose(adjugate, np.swapaxes(np.cross(*rows), -2, -1), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("metric", [inverse_metric, adjugate_metric, conformal_metric])
def test_nothing_outside_the_mask_is_read(metric) -> None:
    tensor, mask, _ = ring()
    expected = metric(tensor, mask)
    tensor[~mask] = np.nan
    found = metric(tensor, mask)
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, :, 0, 40], found[:, :, np.argmax(mask[:, 40]), 40])


def test_a_tensor_that_is_not_positive_is_named() -> None:
    tensor, mask, _ = ring()
    first, last = np.argwhere(mask)[[7, -1]]
    tensor[tuple(first)] = np.diag([1.0, -0.1])
    tensor[tuple(last)] = np.nan_to_num(np.inf) * np.diag([1.0, 0.0])
    with pytest.raises(ValueError, match=rf"2 of {mask.sum()} .* voxel \[{first[0]}, {first[1]}\]"):
        inverse_metric(tensor, mask)


@settings(max_examples=30)
@given(seed=seeds)
def test_gradient_of_a_linear_field_in_any_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((6, 5, 4)) < 0.6
    slope = rng.normal(size=(3, 2))
    field = np.einsum("ak,a...->k...", slope, np.indices(mask.shape).astype(float))
    found = masked_gradient(np.where(mask, field, np.nan), mask)
    assert found.shape == (3, 2, *mask.shape)
    rim = np.pad(mask, 1)
    for axis in range(3):
        neighbour = (np.roll(rim, 1, axis) | np.roll(rim, -1, axis))[1:-1, 1:-1, 1:-1] & mask
        np.testing.assert_allclose(found[axis], slope[axis][:, None, None, None] * neighbour, atol=1e-12)


def test_gradient_in_a_full_mask_is_that_of_numpy() -> None:
    field = np.random.default_rng(0).normal(size=(3, 7, 6))
    expected = np.stack(np.gradient(field, axis=(1, 2)))
    np.testing.assert_allclose(masked_gradient(field, np.ones((7, 6), bool)), expected, atol=1e-12)


def test_values_outside_are_those_of_the_nearest_voxel() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random((9, 8)) < 0.2
    field = rng.normal(size=(2, 9, 8))
    found = extend(field, mask)
    inside = np.argwhere(mask)
    for voxel in np.ndindex(9, 8):
        distance = np.hypot(*(inside - voxel).T)
        nearest = inside[distance == distance.min()]
        assert any((found[:, *voxel] == field[:, *other]).all() for other in nearest)


@pytest.mark.parametrize("n", [2, 3])
def test_exponent_of_circles_is_minus_two_logarithms_of_the_radius(n: int) -> None:
    tensor, mask, r = ring(n)
    alpha = conformal_exponent(tensor, mask)
    expected = -2 * np.log(r[mask])
    assert alpha[mask].mean() == pytest.approx(0, abs=1e-9)
    assert (alpha[~mask] == 0).all()
    np.testing.assert_allclose(alpha[mask], expected - expected.mean(), atol=0.03 if n == 2 else 0.08)


def test_exponent_undoes_a_scale_that_varies_across_the_fibres() -> None:
    # e^alpha D^-1 is the same metric for D and e^-beta D, so alpha must fall by beta.
    tensor, mask, r = ring()
    beta = np.sin(r / 4)
    expected = -2 * np.log(r[mask]) - beta[mask]
    alpha = conformal_exponent(np.exp(-beta)[..., None, None] * tensor, mask)[mask]
    np.testing.assert_allclose(alpha, expected - expected.mean(), atol=0.06)
    assert np.std(beta[mask]) > 0.5


def test_exponent_where_no_scale_makes_all_fibres_geodesics() -> None:
    # Fibres along x with l1 = 4 l2 = e^b: div(A grad alpha) = div(A (0, d_y b)) with A = diag(2, 1/2), and
    # b = cos(p x) cos(q y) with free ends makes alpha = b q^2 / (q^2 + 4 p^2).
    errors = []
    for size in (16, 32, 64):
        x, y = (np.indices((size, 2 * size)) + 0.5) * np.pi / size
        b = np.cos(x) * np.cos(1.5 * y)
        tensor = np.exp(b)[..., None, None] * np.diag([1.0, 0.25])
        alpha = conformal_exponent(tensor, np.ones(b.shape, bool))
        errors.append(np.abs(alpha - b * 1.5**2 / (1.5**2 + 4)).max())
    assert errors[-1] < 0.002
    assert np.diff(np.log2(errors)).max() < -1.6  # falls with the square of the voxel size, nearly


@settings(max_examples=15)
@given(seed=seeds)
def test_exponent_is_the_least_squares_solution(seed: int) -> None:
    # The same squares with the slopes towards missing neighbours as unknowns of their own.
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 4)) < 0.8
    mask[2, 2] = True
    l1, l2 = (np.exp(rng.uniform(low, low + 2, mask.shape)) for low in (1, -2))
    dyad = np.outer([0.8, 0.6], [0.8, 0.6])
    tensor = l1[..., None, None] * dyad + l2[..., None, None] * (np.eye(2) - dyad)
    drift = np.einsum("ij,j...->i...", np.eye(2) - dyad, masked_gradient(np.log(l1), mask))
    n_voxels = mask.sum()
    number = np.where(mask, np.cumsum(mask).reshape(mask.shape) - 1, 0)
    rows, wanted, ghost = [], [], n_voxels
    for voxel in np.argwhere(mask):
        root = np.linalg.cholesky(tensor[*voxel] / np.sqrt(np.linalg.det(tensor[*voxel]))).T
        for signs in product((-1, 1), repeat=2):
            slopes = np.zeros((2, 9 * n_voxels))
            for axis, sign in enumerate(signs):
                other = voxel + sign * np.eye(2, dtype=int)[axis]
                if ((other >= 0) & (other < mask.shape)).all() and mask[*other]:
                    slopes[axis, [number[*other], number[*voxel]]] = sign, -sign
                else:
                    slopes[axis, ghost] = 1
                    ghost += 1
            rows.append(root @ slopes)
            wanted.append(root @ drift[:, *voxel])
    best = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=1e-12)[0][:n_voxels]
    alpha = conformal_exponent(tensor, mask)
    pieces = label(mask)[0]
    for piece in range(1, pieces.max() + 1):
        expected = best[pieces[mask] == piece]
        np.testing.assert_allclose(alpha[pieces == piece], expected - expected.mean(), atol=1e-5)


def test_straight_fibres_need_no_exponent_and_pieces_have_mean_zero() -> None:
    mask = np.zeros((12, 9), bool)
    mask[1:5, 2:8] = mask[7:11, 1:4] = mask[8, 7] = True  # two blocks, a lone voxel
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    straight = np.broadcast_to(turn @ np.diag([2.0, 0.5]) @ turn.T, (12, 9, 2, 2))
    np.testing.assert_allclose(conformal_exponent(straight, mask), 0, atol=1e-9)
    across = np.einsum("i,i...->...", [-0.6, 0.8], np.indices((12, 9))) / 3
    alpha = conformal_exponent(np.exp(across)[..., None, None] * straight, mask)
    for piece in (np.s_[1:5, 2:8], np.s_[7:11, 1:4]):
        np.testing.assert_allclose(alpha[piece], across[piece] - across[piece].mean(), atol=1e-6)


def test_conformal_metric_is_clipped() -> None:
    tensor, mask, r = ring()
    inverse = inverse_metric(tensor, mask)
    np.testing.assert_allclose(conformal_metric(tensor, mask, clip=0.0), inverse)  # Q3's negative control
    ratio = (conformal_metric(tensor, mask, clip=0.2)[0, 0] / inverse[0, 0])[mask]
    wanted = -2 * np.log(r[mask])
    np.testing.assert_allclose(np.log(ratio), np.clip(wanted - wanted.mean(), -0.2, 0.2), atol=0.03)


@given(seed=seeds, scale=st.floats(1e-6, 1e6))
@settings(max_examples=10)
def test_a_global_scale_changes_nothing_but_the_scale(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    tensor, mask = random_tensors((6, 7), rng), np.ones((6, 7), bool)
    np.testing.assert_allclose(
        conformal_exponent(scale * tensor, mask), conformal_exponent(tensor, mask), atol=1e-5
    )
    np.testing.assert_allclose(adjugate_metric(scale * tensor, mask), scale * adjugate_metric(tensor, mask))


@pytest.mark.skipif("CROSSROADS_DATA" not in os.environ, reason="needs the authors' annulus_tensors.mat")
def test_the_authors_annulus() -> None:
    file = Path(os.environ["CROSSROADS_DATA"]) / "connectome" / "annulus_tensors.mat"
    if not file.is_file():
        pytest.skip(f"{file} is missing")
    content = loadmat(file)
    mask = content["mask"] > 0
    tensor = content["orig"][..., [0, 1, 1, 2]].reshape(*mask.shape, 2, 2)
    expected = -np.log(content["analytic"][mask][:, 0] / content["orig"][mask][:, 0])
    solved = -np.log(content["gmres_inv"][mask][:, 0] / content["orig"][mask][:, 0])
    alpha = conformal_exponent(tensor, mask)[mask]
    ours, theirs = (np.abs(a - a.mean() - expected + expected.mean()).max() for a in (alpha, solved))
    assert ours < 0.04
    assert ours < theirs / 5
