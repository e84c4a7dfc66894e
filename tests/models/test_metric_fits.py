import numpy as np
import pytest
import torch

from crossroads.analyse.connectome import follow, random_seeds
from crossroads.data.fibre_fields import FibreFields, annulus, braid
from crossroads.models.covariant_residual import ResidualProblem, hold_out, pose_residual, residual_loss
from crossroads.models.metric_fits import GridMetric, SplineMetric, fit_metric, spline_basis
from crossroads.models.metric_parameters import n_parameters


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat_loss(problem: ResidualProblem) -> float:
    return float((problem.drift**2).mean())


def follows(g: np.ndarray, scene: FibreFields) -> tuple[float, float]:
    """Mean deviation [voxels] and coverage of geodesics that start three voxels inside a strand."""
    tracks = follow(g, scene, *random_seeds(scene, 20, np.random.default_rng(0), depth=3))
    return float(np.nanmean(tracks.matched)), float(np.nanmean(tracks.coverage))


def test_the_direct_fit_follows_both_strands_through_their_crossings() -> None:
    scene = braid()
    problem = pose_residual(scene.v, scene.mask)
    fit = fit_metric(GridMetric(2, scene.mask.shape[1:], "exponential", generator()), problem, 60, 3e-2)
    assert fit.loss[0] == pytest.approx(flat_loss(problem), rel=1e-3)
    assert fit.loss[-1] < 1e-4 * fit.loss[0]
    apart, covered = follows(fit.g, scene)
    assert apart < 0.75
    assert covered > 0.97


def test_the_flat_metric_does_not_follow_them() -> None:
    scene = braid()
    g = np.broadcast_to(np.eye(2)[:, :, None, None], (2, 2, *scene.mask.shape[1:])).copy()
    assert follows(g, scene)[1] < 0.5


def test_splines_follow_the_strands_with_fewer_numbers() -> None:
    scene = braid()
    model = SplineMetric(2, scene.mask.shape[1:], 25, "exponential", generator())
    assert sum(p.numel() for p in model.parameters()) == 3 * 25**2
    apart, covered = follows(fit_metric(model, pose_residual(scene.v, scene.mask), 60, 3e-2).g, scene)
    assert apart < 0.75
    assert covered > 0.97


@pytest.mark.parametrize("kind", ["rotation", "published"])
def test_a_fit_in_three_dimensions_leaves_the_flat_metric(kind: str) -> None:
    flat = annulus(3.0, 8.0)
    grid = (*flat.mask.shape[1:], 5)
    v = np.zeros((1, 3, *grid))
    v[:, :2] = flat.v[..., None]
    mask = np.broadcast_to(flat.mask[..., None], (1, *grid)).copy()
    problem = pose_residual(v, mask)
    fit = fit_metric(GridMetric(3, grid, kind, generator()), problem, 40, 5e-2)
    if kind == "rotation":
        assert fit.loss[0] == pytest.approx(flat_loss(problem), rel=1e-3)
    assert fit.loss[-1] < 1e-3 * fit.loss[0]
    inside = np.moveaxis(fit.g, (0, 1), (-2, -1))
    np.testing.assert_allclose(inside, np.swapaxes(inside, -2, -1), atol=1e-12)


def test_spline_bases_reproduce_cubics() -> None:
    basis = spline_basis(30, 7)
    np.testing.assert_allclose(basis.sum(1), 1, rtol=1e-12)
    x = np.arange(30) / 29
    for power in range(4):
        coefficients = np.linalg.lstsq(basis, x**power, rcond=None)[0]
        np.testing.assert_allclose(basis @ coefficients, x**power, atol=1e-12)
    assert (np.count_nonzero(basis > 1e-12, axis=1) <= 4).all()
    np.testing.assert_allclose(basis[[0, -1]], np.eye(7)[[0, -1]], atol=1e-12)


@pytest.mark.parametrize(("n_points", "n_knots"), [(30, 3), (10, 11)])
def test_too_few_and_too_many_knots_are_refused(n_points: int, n_knots: int) -> None:
    with pytest.raises(ValueError, match=f"{n_knots} knots along a side of {n_points}"):
        spline_basis(n_points, n_knots)


@pytest.mark.parametrize(("n", "kind"), [(2, "exponential"), (3, "rotation")])
def test_a_spline_metric_is_smooth_along_the_right_axes(n: int, kind: str) -> None:
    grid = (14, 11, 9)[:n]
    model = SplineMetric(n, grid, 5, kind, generator())
    assert model().shape == (n, n, *grid)
    with torch.no_grad():
        model.c.zero_()
        # u_1 (2-D) or u_5 varies as the last knot of axis 0 alone.
        model.c[n_parameters(n, kind) - n - (n == 2)][-1] = 1.0
    expected = np.exp(spline_basis(grid[0], 5)[:, -1])
    g = model().detach().numpy()[0, 0]
    np.testing.assert_allclose(g, np.broadcast_to(expected.reshape(-1, *[1] * (n - 1)), grid), rtol=1e-12)


def test_the_same_seed_gives_the_same_metric() -> None:
    problem = small_problem()
    fits = [
        fit_metric(GridMetric(2, (16, 20), "exponential", generator(s), start=0.1), problem, 5, 1e-2).g
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert np.abs(fits[0] - fits[2]).max() > 0.01


def test_left_out_voxels_do_not_take_part_but_are_watched() -> None:
    problem = small_problem()
    kept, left_out = hold_out(problem, 0.2, np.random.default_rng(0))
    start = GridMetric(2, (16, 20), "exponential", generator())()
    watched, alone = (
        fit_metric(GridMetric(2, (16, 20), "exponential", generator()), kept, 30, 1e-2, left_out=rest)
        for rest in (left_out, None)
    )
    np.testing.assert_array_equal(watched.g, alone.g)
    assert alone.left_out_loss is None
    assert watched.left_out_loss[0] == pytest.approx(residual_loss(start, left_out).item(), rel=1e-12)
    assert watched.left_out_loss.shape == watched.loss.shape == (30,)
    assert watched.left_out_loss[-1] / watched.left_out_loss[0] > 3 * watched.loss[-1] / watched.loss[0]


def test_adadelta_takes_the_published_steps() -> None:
    problem = small_problem()
    model = GridMetric(2, (16, 20), "exponential", generator(), start=0.1)
    u = model.u.detach().clone().requires_grad_()
    fit = fit_metric(model, problem, 3, 1e-2, optimiser="adadelta")
    squares, steps = torch.zeros_like(u), torch.zeros_like(u)
    losses = []
    for _ in range(3):  # Zeiler 2012, with torch's rho = 0.9 and epsilon = 1e-6, on v multiplied by 1000
        twin = GridMetric(2, (16, 20), "exponential", generator())
        twin.u = torch.nn.Parameter(u.detach().clone())
        loss = residual_loss(twin(), problem)
        (slope,) = torch.autograd.grad(1e12 * loss, twin.u)
        squares = 0.9 * squares + 0.1 * slope**2
        step = torch.sqrt((steps + 1e-6) / (squares + 1e-6)) * slope
        steps = 0.9 * steps + 0.1 * step**2
        u = u - 1e-2 * step
        losses.append(loss.item())
    np.testing.assert_allclose(fit.loss, losses, rtol=1e-9)


def test_an_unknown_optimiser_and_a_loss_that_explodes_are_named() -> None:
    problem = small_problem()
    model = GridMetric(2, (16, 20), "exponential", generator())
    with pytest.raises(ValueError, match="optimiser 'sgd'"):
        fit_metric(model, problem, 1, 1e-2, optimiser="sgd")
    with pytest.raises(
        FloatingPointError, match="the loss is nan at iteration 1; take a lower rate than 1000"
    ):
        fit_metric(model, problem, 5, 1000.0)


def small_problem() -> ResidualProblem:
    """Arcs on 16 x 20 voxels."""
    x, y = np.indices((16, 20), float)
    arm = np.stack([x - 7.5, y + 6])
    v = np.stack([arm[1], -arm[0]]) / np.hypot(*arm)
    return pose_residual(v[None], np.ones((1, 16, 20), bool))
