import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.analyse.geodesics import christoffel
from crossroads.data.fibre_fields import FibreFields, annulus, braid, helix_crossing, sign_flips
from crossroads.models.covariant_residual import (
    PIECE,
    ResidualProblem,
    hold_out,
    official_log10,
    plain_residual,
    pose_residual,
    residual,
    residual_loss,
)

GRIDS = {2: (9, 11), 3: (6, 8, 7)}
seeds = st.integers(0, 2**32 - 1)
dimensions = st.sampled_from([2, 3])
either = st.booleans()


def flat(problem: ResidualProblem) -> np.ndarray:
    n, *grid = problem.v.shape[1:]
    return np.broadcast_to(np.eye(n).reshape(n, n, *[1] * n), (n, n, *grid)).copy()


def random_problem(n: int, rng: np.random.Generator, m: int = 2) -> tuple[np.ndarray, ResidualProblem]:
    """A metric with eigenvalues near 1, and directions on masks with holes."""
    grid = GRIDS[n]
    root = np.eye(n).reshape(n, n, *[1] * n) + 0.15 * rng.normal(size=(n, n, *grid))
    v = rng.normal(size=(m, n, *grid))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    mask = rng.random((m, *grid)) < 0.97
    mask[:, *(slice(2, 5),) * n] = True
    return np.einsum("ki...,kj...->ij...", root, root), pose_residual(v, mask)


def rms(eps: np.ndarray, problem: ResidualProblem) -> float:
    return float(np.sqrt((eps**2).sum(1)[problem.interior].mean()))


def loss_and_gradient(g: np.ndarray, problem: ResidualProblem, project: bool) -> tuple[float, np.ndarray]:
    parameter = torch.tensor(g, requires_grad=True)
    loss = residual_loss(parameter, problem, project)
    loss.backward()
    return loss.item(), parameter.grad.numpy()


@pytest.mark.parametrize("strand", [0, 1])
def test_closed_form_of_a_strand(strand: int) -> None:
    """eq-connectome-residual: against a metric in closed form, where it vanishes."""
    scene = braid()
    problem = pose_residual(scene.v[[strand]], scene.mask[[strand]])
    # The strand y = f(x) + const is straight in the coordinates x and y - f(x).
    assert rms(residual(scene.truth[strand], problem), problem) < 3.1e-4
    assert rms(residual(flat(problem), problem), problem) == pytest.approx(0.058, abs=1e-3)


def test_the_interior_of_the_braid_is_the_published_one() -> None:
    scene = braid()
    assert pose_residual(scene.v, scene.mask).interior.sum((1, 2)).tolist() == [1433, 1431]


def test_two_crossing_strands_share_a_closed_form() -> None:
    scene = braid()
    problem = pose_residual(scene.v, scene.mask & scene.mask.all(0))
    shared, one_strand = (rms(residual(scene.truth[i], problem), problem) for i in (2, 0))
    assert shared < 3e-5  # 0 but for the differences
    assert min(one_strand, rms(residual(flat(problem), problem), problem)) > 100 * shared


def test_circles_bend_by_one_over_their_radius_unless_the_metric_is_theirs() -> None:
    """eq-connectome-residual: against the curvature of circles in the plane and on a cone."""
    scene = annulus()
    problem = pose_residual(scene.v, scene.mask)
    x, y = np.indices(scene.mask.shape[1:])
    radius = np.hypot(x - (scene.mask.shape[1] - 1) / 2, y - 4)[problem.interior[0]]
    bend = np.linalg.norm(residual(flat(problem), problem)[0], axis=0)[problem.interior[0]]
    np.testing.assert_allclose(bend, 1 / radius, rtol=1e-3)
    cone = scene.truth[0] * np.hypot(x - (scene.mask.shape[1] - 1) / 2, y - 4) ** 2
    on_cone = residual(np.ascontiguousarray(cone), problem)[0][:, problem.interior[0]]
    # dr^2 / across + r^2 dtheta^2 / along: r'' = across / along / r for the circle at unit speed.
    np.testing.assert_allclose(np.linalg.norm(on_cone, axis=0), 0.3 / 1.7 / radius, rtol=5e-3)
    assert rms(residual(scene.truth[0], problem), problem) < 2e-4


def test_helices_and_a_fan_are_geodesics_of_their_closed_form() -> None:
    scene = helix_crossing()
    for i in range(2):
        problem = pose_residual(scene.v[[i]], scene.mask[[i]])
        assert rms(residual(scene.truth[i], problem), problem) < 3e-3
    helix = pose_residual(scene.v[:1], scene.mask[:1])
    assert rms(residual(flat(helix), helix), helix) > 0.04


@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=dimensions)
def test_it_is_what_the_christoffel_symbols_say(seed: int, n: int) -> None:
    """eq-connectome-short: against eq-connectome-pde, with all symbols formed."""
    g, problem = random_problem(n, np.random.default_rng(seed))
    gamma = christoffel(g, np.ones(g.shape[2:], bool))
    bent = np.einsum("kij...,ai...,aj...->ak...", gamma, problem.v, problem.v)
    expected = np.where(problem.interior[:, None], problem.drift + bent, 0)
    np.testing.assert_allclose(residual(g, problem, project=False), expected, atol=1e-12)
    expected -= problem.v * (problem.v * expected).sum(1, keepdims=True)
    np.testing.assert_allclose(residual(g, problem), expected, atol=1e-12)


def assert_as_torch_says(g: np.ndarray, problem: ResidualProblem, project: bool) -> None:
    loss, gradient = loss_and_gradient(g, problem, project)
    parameter = torch.tensor(g, requires_grad=True)
    plain = (plain_residual(parameter, problem, project) ** 2).mean()
    plain.backward()
    both = parameter.grad.numpy()
    assert loss == pytest.approx(plain.item(), rel=1e-12)
    np.testing.assert_allclose(
        gradient, (both + np.swapaxes(both, 0, 1)) / 2, atol=1e-12 * np.abs(both).max()
    )


@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=dimensions, m=st.integers(1, 3), project=either)
def test_the_compiled_loss_and_gradient_are_those_of_torch(seed: int, n: int, m: int, project: bool) -> None:
    assert_as_torch_says(*random_problem(n, np.random.default_rng(seed), m), project)


@pytest.mark.parametrize("share", [1.0, 0.02, 1e-4])
@pytest.mark.parametrize("grid", [(9, 2 * PIECE + 137), (9, 70, 71)])
def test_planes_of_many_pieces_and_planes_without_any(share: float, grid: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    n = len(grid)
    v = rng.normal(size=(2, n, *grid))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    interior = np.zeros((2, *grid), bool)
    inner = (slice(None), *(slice(1, -1),) * n)
    interior[inner] = rng.random(interior[inner].shape) < share
    interior[0, 4] = False
    problem = ResidualProblem(v * interior[:, None], rng.normal(size=v.shape) * interior[:, None], interior)
    g = np.eye(n).reshape(n, n, *[1] * n) + 0.1 * rng.normal(size=(n, n, *grid))
    assert_as_torch_says((g + g.swapaxes(0, 1)) / 2, problem, True)
    counted = np.zeros((2, *grid), int)
    for field, start, stop in problem.pieces:
        counted[field].reshape(-1)[start:stop] += 1
        assert stop - start <= PIECE
        assert start // counted[0, 0].size == (stop - 1) // counted[0, 0].size
    assert counted.max() == 1
    assert counted[interior].all()
    assert all(np.roll(counted, step, axis)[interior].all() for step in (-1, 1) for axis in range(1, n + 1))
    assert (counted.mean() < 0.1) == (share == 1e-4)


@pytest.mark.parametrize("grid", [(60, 45), (3, 2500), (16, 15, 14), (3, 3, 2200)])
@pytest.mark.parametrize("project", [True, False])
def test_masks_with_wide_gaps(grid: tuple[int, ...], project: bool) -> None:
    rng = np.random.default_rng(0)
    n = len(grid)
    root = np.eye(n).reshape(n, n, *[1] * n) + 0.1 * rng.normal(size=(n, n, *grid))
    v = rng.normal(size=(2, n, *grid))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    mask = np.ones((2, *grid), bool)
    mask[1].reshape(-1)[mask[1].size // 3 : mask[1].size // 2] = False
    assert_as_torch_says(np.einsum("ki...,kj...->ij...", root, root), pose_residual(v, mask), project)


@pytest.mark.parametrize("n", [2, 3])
def test_the_gradient_is_the_limit_of_differences(n: int) -> None:
    rng = np.random.default_rng(3)
    g, problem = random_problem(n, rng)
    _, gradient = loss_and_gradient(g, problem, True)
    for _ in range(5):
        way = rng.normal(size=g.shape)
        way += np.swapaxes(way, 0, 1)
        step = 1e-5
        up, down = (loss_and_gradient(g + sign * step * way, problem, True)[0] for sign in (1, -1))
        assert (gradient * way).sum() == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_the_gradient_passes_on_what_comes_from_above_and_strides() -> None:
    g, problem = random_problem(2, np.random.default_rng(0))
    _, expected = loss_and_gradient(g, problem, True)
    parameter = torch.tensor(np.moveaxis(g, (0, 1), (-2, -1)).copy(), requires_grad=True)
    (3 * residual_loss(parameter.movedim((-2, -1), (0, 1)), problem)).backward()
    np.testing.assert_allclose(
        np.moveaxis(parameter.grad.numpy(), (-2, -1), (0, 1)), 3 * expected, rtol=1e-12
    )


def test_the_loss_is_a_mean_over_the_whole_grid() -> None:
    """eq-connectome-residual: the compiled loss against the mean square of the residual in torch."""
    g, problem = random_problem(2, np.random.default_rng(0))
    eps = residual(g, problem)
    assert residual_loss(torch.from_numpy(g), problem).item() == pytest.approx(np.mean(eps**2), rel=1e-12)
    assert not eps[~np.broadcast_to(problem.interior[:, None], eps.shape)].any()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=dimensions, scale=st.floats(0.01, 100), project=either)
def test_a_global_scale_of_the_metric_changes_nothing(seed: int, n: int, scale: float, project: bool) -> None:
    g, problem = random_problem(n, np.random.default_rng(seed))
    np.testing.assert_allclose(
        residual(scale * g, problem, project), residual(g, problem, project), atol=1e-11
    )


@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=dimensions)
def test_signs_of_directions_mean_nothing(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    grid = GRIDS[n]
    v = np.stack([np.cos(np.indices(grid).sum(0) / 8 + i) for i in range(n)])[None]
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    mask = np.ones((1, *grid), bool)
    sign = rng.choice([-1, 1], size=mask.shape)[:, None]
    problem, flipped = pose_residual(v, mask), pose_residual(sign * v, mask)
    # Both (v.grad) v and v v^T are even in v.
    np.testing.assert_allclose(flipped.drift, problem.drift, atol=1e-15)
    g, _ = random_problem(n, rng)
    np.testing.assert_allclose(residual(g, flipped), residual(g, problem), atol=1e-13)


def test_flips_of_a_fifth_are_bends_when_signs_are_not_aligned() -> None:
    scene = braid()
    flipped = sign_flips(scene, 0.2, np.random.default_rng(0))

    def of(fields: FibreFields, aligned: bool) -> float:
        problem = pose_residual(fields.v[:1], fields.mask[:1], aligned=aligned)
        return rms(residual(scene.truth[0], problem), problem)

    assert of(scene, True) == of(scene, False) < 3.1e-4
    assert of(flipped, True) == pytest.approx(of(scene, True), rel=1e-9)
    assert of(flipped, False) > 0.02


@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=dimensions)
def test_the_projection_absorbs_a_change_of_speed(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    g, problem = random_problem(n, rng)
    f = rng.uniform(0.5, 2, size=(len(problem.v), 1, *g.shape[2:]))
    slope = rng.normal(size=problem.v.shape)  # of f
    along = (problem.v * slope).sum(1, keepdims=True)
    # (f v . grad)(f v) = f^2 (v.grad) v + f (v.grad f) v
    faster = ResidualProblem(f * problem.v, f**2 * problem.drift + f * along * problem.v, problem.interior)
    eps = residual(g, faster, project=False)
    assert np.abs(eps / f**2 - residual(g, problem, project=False)).max() > 1e-2
    eps -= problem.v * (problem.v * eps).sum(1, keepdims=True)
    np.testing.assert_allclose(eps / f**2, residual(g, problem), atol=1e-6)


def test_official_units_are_those_of_directions_of_length_1000() -> None:
    g, problem = random_problem(2, np.random.default_rng(0))
    loss = residual_loss(torch.from_numpy(g), problem, project=False).item()
    long = ResidualProblem(1e3 * problem.v, 1e6 * problem.drift, problem.interior)
    official = residual_loss(torch.from_numpy(g), long, project=False).item()
    assert official_log10(loss) == pytest.approx(np.log10(official), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, share=st.floats(0.1, 0.9))
def test_parts_of_the_interior_add_up(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    g, problem = random_problem(2, rng)
    kept, left_out = hold_out(problem, share, rng)
    np.testing.assert_array_equal(kept.interior ^ left_out.interior, problem.interior)
    assert not (kept.interior.any(0) & left_out.interior.any(0)).any()
    assert left_out.interior.any(0).sum() == round(share * problem.interior.any(0).sum())
    parts = [residual_loss(torch.from_numpy(g), part).item() for part in (kept, left_out)]
    assert sum(parts) == pytest.approx(residual_loss(torch.from_numpy(g), problem).item(), rel=1e-12)


def test_a_part_without_voxels_is_refused() -> None:
    rng = np.random.default_rng(0)
    problem = random_problem(2, rng)[1]
    for share in (0.0, 1.0, 1e-9):
        with pytest.raises(ValueError, match="leaves one part empty"):
            hold_out(problem, share, rng)


def test_voxels_on_the_faces_of_the_grid_do_not_count() -> None:
    v = np.zeros((1, 2, 6, 5))
    v[:, 0] = 1
    problem = pose_residual(v, np.ones((1, 6, 5), bool))
    expected = np.zeros((6, 5), bool)
    expected[1:-1, 1:-1] = True
    np.testing.assert_array_equal(problem.interior[0], expected)
    assert (problem.v[0, 0] == expected).all()


def test_bad_fields_are_named() -> None:
    v, mask = np.zeros((1, 2, 6, 5)), np.ones((1, 6, 5), bool)
    v[:, 0] = 1
    with pytest.raises(ValueError, match=r"v is \(1, 3, 6, 5\).*expected \(m, n, \*grid\)"):
        pose_residual(np.zeros((1, 3, 6, 5)), mask)
    with pytest.raises(ValueError, match=r"mask \(1, 5, 6\) of bool"):
        pose_residual(v, mask.reshape(1, 5, 6))
    with pytest.raises(ValueError, match="of float64"):
        pose_residual(v, mask.astype(float))
    with pytest.raises(ValueError, match="length 2; expected 1"):
        pose_residual(v * np.where(np.arange(5) == 2, 2, 1), mask)
    with pytest.raises(ValueError, match="length nan; expected 1"):
        pose_residual(v * np.where(np.arange(5) == 2, np.nan, 1), mask)
    mask[:, :, 2] = False
    with pytest.raises(ValueError, match="none of the 24 mask voxels"):
        pose_residual(v, mask)


def test_a_metric_that_does_not_fit_is_named() -> None:
    g, problem = random_problem(2, np.random.default_rng(0))
    for wrong in (g[..., :-1], g[0], g.astype(np.float32)):
        with pytest.raises(ValueError, match=r"expected \(2, 2, 9, 11\) of torch.float64"):
            residual_loss(torch.from_numpy(wrong.copy()), problem)
        with pytest.raises(ValueError, match=r"expected \(2, 2, 9, 11\) of torch.float64"):
            residual(wrong.copy(), problem)
