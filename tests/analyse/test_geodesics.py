import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import eigh
from scipy.ndimage import map_coordinates

from crossroads.analyse.geodesics import (
    christoffel,
    deviation,
    metric_distance,
    seed_directions,
    shoot,
    spread,
    streamlines,
)
from crossroads.models.tensor_metrics import adjugate_metric, conformal_metric, inverse_metric

seeds = st.integers(0, 2**32 - 1)
ALONG, ACROSS = 1.7e-3, 0.3e-3


class Ring:
    """Circles about the middle of 101 x 101 voxels, of radii 10 to 49, and a seed to its right."""

    x, y = np.indices((101, 101)) - 50.0
    r = np.hypot(x, y)
    mask = (r > 10) & (r < 49)
    v = np.stack([-y, x]) / np.where(r > 0, r, 1)
    seed, up = np.array([[80.0, 50.0]]), np.array([[0.0, 1.0]])

    @classmethod
    def tensor(cls) -> np.ndarray:
        dyad = np.einsum("i...,j...->...ij", cls.v, cls.v)
        return ACROSS * np.eye(2) + (ALONG - ACROSS) * dyad

    @staticmethod
    def polar(paths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Radius, and angle from the seed, of the points of the path."""
        x, y = np.moveaxis(paths - 50, -1, 0)
        return np.hypot(x, y), np.abs(np.arctan2(y, x))


def full(shape: tuple[int, ...]) -> np.ndarray:
    return np.ones(shape, bool)


def constant(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(g.reshape(*g.shape, *[1] * len(shape)), (*g.shape, *shape))


def smooth_metric(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The flat metric and four long waves; eigenvalues 0.6 to 1.4."""
    n = len(shape)
    g = constant(np.eye(n), shape)
    for _ in range(4):
        u, k = random_units(rng, 1, n)[0], rng.normal(0, 0.12, n)
        phase = np.tensordot(k, np.indices(shape), 1) + rng.uniform(0, 6)
        g = g + 0.1 * np.multiply.outer(np.outer(u, u), np.sin(phase))
    return g


def random_units(rng: np.random.Generator, size: int, n: int) -> np.ndarray:
    u = rng.normal(size=(size, n))
    return u / np.linalg.norm(u, axis=1, keepdims=True)


@pytest.mark.parametrize("mode", ["unit", "f"])
def test_inverse_and_adjugate_of_a_ring_are_the_metric_of_a_cone(mode) -> None:
    mask = full(Ring.r.shape)
    inverse, adjugate = (
        shoot(metric(Ring.tensor(), mask), mask, Ring.seed, Ring.up, mode, n_steps=520)
        for metric in (inverse_metric, adjugate_metric)
    )
    r, theta = Ring.polar(inverse)
    assert theta.max() > (np.pi / 2 if mode == "unit" else 1)
    np.testing.assert_allclose(r, 30 / np.cos(theta * np.sqrt(ACROSS / ALONG)), atol=0.02)
    np.testing.assert_allclose(adjugate, inverse, atol=1e-9)  # as the determinant is constant


def test_conformal_factor_makes_circles_geodesic() -> None:
    exact = inverse_metric(Ring.tensor(), Ring.mask) / np.where(Ring.mask, Ring.r, 1) ** 2
    r, theta = Ring.polar(shoot(exact, Ring.mask, Ring.seed, Ring.up, n_steps=480))
    assert theta.max() > np.pi / 2
    np.testing.assert_allclose(r, 30, atol=0.025)
    for radius in (11.0, 48.4):  # at the very borders of the mask
        paths = shoot(exact, Ring.mask, np.array([[50 + radius, 50.0]]), Ring.up, n_steps=int(8 * radius))
        np.testing.assert_allclose(Ring.polar(paths)[0], radius, atol=0.2)
    solved = conformal_metric(Ring.tensor(), Ring.mask)
    r, _ = Ring.polar(shoot(solved, Ring.mask, Ring.seed, Ring.up, n_steps=480))
    np.testing.assert_allclose(r, 30, atol=0.1)


@settings(max_examples=10)
@given(seed=seeds, scale=st.floats(1e-4, 1e4))
def test_scale_of_the_tensors_does_not_bend_geodesics(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    tensor, mask = np.moveaxis(smooth_metric(rng, (20, 20)), (0, 1), (-2, -1)), full((20, 20))
    starts, directions = rng.uniform(5, 15, (3, 2)), random_units(rng, 3, 2)
    for metric in (inverse_metric, adjugate_metric):
        paths = [shoot(metric(c * tensor, mask), mask, starts, directions, n_steps=50) for c in (1, scale)]
        np.testing.assert_allclose(*paths, atol=1e-8)


@pytest.mark.parametrize("mode", ["unit", "f"])
@pytest.mark.parametrize("shape", [(40, 30), (20, 18, 16)])
def test_geodesics_of_a_constant_metric_are_straight(shape: tuple[int, ...], mode) -> None:
    rng = np.random.default_rng(0)
    n = len(shape)
    root = rng.normal(size=(n, n))
    g = constant(root @ root.T + np.eye(n), shape)
    starts, directions = np.array(shape) / 2 + rng.normal(size=(5, n)), random_units(rng, 5, n)
    paths = shoot(g, full(shape), starts, directions, mode, n_steps=300)
    lines = starts[:, None] + 0.1 * np.arange(301)[:, None] * directions[:, None]
    inside = ((lines > -0.5) & (lines < np.array(shape) - 0.5)).all(-1)
    np.testing.assert_array_equal(np.isfinite(paths[0, ..., 0]), inside)
    np.testing.assert_allclose(paths[0][inside], lines[inside], atol=1e-9)
    np.testing.assert_allclose(paths[1, :, 1], starts - 0.1 * directions)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shape", [(81, 81), (31, 31, 31)])
def test_geodesics_of_the_sphere_and_of_hyperbolic_space(shape: tuple[int, ...], sign: int) -> None:
    """eq-connectome-pde: curves by its symbols against the circles that geodesics are there."""
    # Circles through the seed whose power about the middle is -R^2 (sphere) or R^2 (Poincare's ball).
    n, radius, middle = len(shape), 1.5 * shape[0], (np.array(shape) - 1) / 2
    r = np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) - middle, axis=-1)
    g = np.multiply.outer(np.eye(n), (1 + sign * r**2 / radius**2) ** -2.0)
    offset = np.zeros(n)
    offset[0] = shape[0] / 5
    tangent = random_units(np.random.default_rng(1), 6, n)
    paths = shoot(g, full(shape), np.tile(middle + offset, (6, 1)), tangent, n_steps=shape[0] * 4) - middle
    for i, u in enumerate(tangent):
        normal = offset - (offset @ u) * u
        normal /= np.linalg.norm(normal)
        # centre c = offset + s normal with |c|^2 - s^2 = -sign R^2
        s = -(offset @ offset + sign * radius**2) / (2 * offset @ normal)
        x = paths[:, i][np.isfinite(paths[:, i, :, 0])] - offset
        assert len(x) > 100
        np.testing.assert_allclose(np.linalg.norm(x - s * normal, axis=1), abs(s), atol=0.01)
        plane = np.outer(u, u) + np.outer(normal, normal)
        np.testing.assert_allclose(x, x @ plane, atol=0.01)


def bent(x: np.ndarray) -> np.ndarray:
    """Coordinates (n, ...) of points (n, ...)."""
    return x + 1.5 * np.sin(np.roll(x, 1, axis=0) / 8 + np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1)))


def bent_jacobian(x: np.ndarray) -> np.ndarray:
    """d bent_a / d x_i, (n, n, ...)."""
    n = len(x)
    jacobian = np.zeros((n, n, *x.shape[1:]))
    for i in range(n):
        jacobian[i, i] = 1
        jacobian[i, i - 1] += 1.5 / 8 * np.cos(x[i - 1] / 8 + i)
    return jacobian


@pytest.mark.parametrize("shape", [(50, 50), (30, 30, 30)])
def test_flat_space_in_bent_coordinates(shape: tuple[int, ...]) -> None:
    # Straight lines at constant speed in the flat coordinates, for every entry of the Christoffel symbols.
    n = len(shape)
    jacobian = bent_jacobian(np.indices(shape).astype(float))
    g = np.einsum("ai...,aj...->ij...", jacobian, jacobian)
    rng = np.random.default_rng(2)
    starts, directions = np.array(shape) / 2 + rng.uniform(-2, 2, (8, n)), random_units(rng, 8, n)
    n_steps = 4 * shape[0]
    velocity = np.einsum("aik,ki->ka", bent_jacobian(starts.T), directions)[:, None]
    paths = [shoot(g, full(shape), starts, directions, mode, n_steps=n_steps)[0] for mode in ("f", "unit")]
    affine, unit = (np.moveaxis(bent(np.moveaxis(path, -1, 0)), 0, -1) for path in paths)
    lines = affine[:, :1] + 0.1 * np.arange(n_steps + 1)[:, None] * velocity
    assert np.isfinite(affine).mean() > 0.5
    assert np.nanmax(np.abs(affine - lines)) < 0.05
    # At Euclidean speed 1 the curves are the same.
    offset, along = unit - unit[:, :1], velocity / np.linalg.norm(velocity, axis=2, keepdims=True)
    assert np.nanmax(np.abs(offset - (offset * along).sum(-1, keepdims=True) * along)) < 0.05


def test_curves_equal_those_of_scipy_on_analytic_symbols() -> None:
    # g = diag(e^{2 a}, e^{2 b}) with a = 0.3 sin(y / 9), b = 0.3 cos(x / 7) is not flat.
    def rate(_: float, state: np.ndarray) -> list[float]:
        x, y, p, q = state
        ratio = np.exp(0.6 * (np.cos(x / 7) - np.sin(y / 9)))
        a_y, b_x = 0.3 / 9 * np.cos(y / 9), -0.3 / 7 * np.sin(x / 7)
        return [p, q, ratio * b_x * q * q - 2 * a_y * p * q, a_y * p * p / ratio - 2 * b_x * p * q]

    g, (x, y) = np.zeros((2, 2, 61, 61)), np.indices((61, 61))
    g[0, 0], g[1, 1] = np.exp(0.6 * np.sin(y / 9)), np.exp(0.6 * np.cos(x / 7))
    rng = np.random.default_rng(3)
    starts, directions = rng.uniform(28, 32, (5, 2)), random_units(rng, 5, 2)
    paths = shoot(g, full((61, 61)), starts, directions, "f", n_steps=200)
    for way, i in np.ndindex(2, 5):
        start = np.concatenate([starts[i], (1 - 2 * way) * directions[i]])
        exact = solve_ivp(rate, (0, 20), start, "DOP853", np.linspace(0, 20, 201), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(paths[way, i], exact.y[:2].T, atol=0.04)


def test_runge_kutta_has_order_4() -> None:
    # On a grid of one cell interpolated symbols are smooth.
    corners = [[[1, 0.2], [0.2, 2]], [[2, -0.4], [-0.4, 1]], [[1.5, 0], [0, 3]], [[1, 0.5], [0.5, 1.5]]]
    g, mask = np.moveaxis(np.array(corners).reshape(2, 2, 2, 2), (2, 3), (0, 1)), full((2, 2))
    gamma, start, direction = christoffel(g, mask), np.array([0.1, 0.2]), np.array([0.6, 0.8])

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        (x, y), v = state[:2], state[2:]
        a = -np.einsum("kijab,a,b,i,j->k", gamma, [1 - x, x], [1 - y, y], v, v)
        return np.concatenate([v, a - (a @ v) / (v @ v) * v])

    exact = solve_ivp(rate, (0, 0.8), [*start, *direction], "DOP853", rtol=1e-13, atol=1e-14).y[:2, -1]
    errors = []
    for n in (4, 8, 16, 32):
        path = shoot(g, mask, start[None], direction[None], step=0.8 / n, n_steps=n)
        errors.append(np.linalg.norm(path[0, 0, -1] - exact))
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 4, atol=0.5)


@settings(max_examples=10)
@given(seed=seeds, n=st.sampled_from([2, 3]))
def test_unit_mode_keeps_the_speed_and_f_the_energy(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (22, 22, 20)[:n]
    g = smooth_metric(rng, shape)
    starts, directions = np.array(shape) / 2 + rng.uniform(-1, 1, (4, n)), random_units(rng, 4, n)
    path = shoot(g, full(shape), starts, directions, "unit", step=0.05, n_steps=100)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=2), axis=-1), 0.05, rtol=1e-3)
    path = shoot(g, full(shape), starts, directions, "f", step=0.05, n_steps=100)
    velocity = np.gradient(path, 0.05, axis=2)[:, :, 1:-1]
    at = np.moveaxis(path[:, :, 1:-1], -1, 0)
    here = [map_coordinates(entry, at, order=3, mode="nearest") for entry in g.reshape(n * n, *shape)]
    energy = np.einsum("ij...,...i,...j->...", np.reshape(here, (n, n, *at[0].shape)), velocity, velocity)
    np.testing.assert_allclose(energy / energy[:, :, :1], 1, atol=0.02)


@pytest.mark.parametrize("speed", [1.0, 0.5])
@pytest.mark.parametrize("mode", ["f", "a", "b", "c"])
def test_published_modes_along_a_line(mode, speed: float) -> None:
    # x'' = -sigma x'^2, + sigma x' (a), + sigma (b, c), from x' = speed and, with -sigma, the other way.
    # g = e^{2 c x} I and fibres along x make sigma = Gamma^x_xx = c, by central differences sinh(2 c) / 2.
    c, shape, t = 0.02, (80, 9), 0.1 * np.arange(201)
    g, sigma = np.multiply.outer(np.eye(2), np.exp(2 * c * np.indices(shape)[0])), np.sinh(2 * c) / 2
    v = constant(np.array([1.0, 0.0]), shape)
    start, direction = np.array([[40.0, 4.0]]), np.array([[speed, 0.0]])
    paths = shoot(g, full(shape), start, direction, mode, v, n_steps=200)[:, 0]
    for path, s in zip(paths, (sigma, -sigma), strict=True):
        if mode == "f":
            x = np.log1p(s * speed * t) / s
        elif mode == "a":
            x = np.log1p(speed * np.expm1(s * t)) / s
        else:
            x = np.log(np.cosh(s * t) + speed * np.sinh(s * t)) / s
        np.testing.assert_allclose(path[:, 0], 40 + np.sign(s) * x, atol=1e-6)
        np.testing.assert_allclose(path[:, 1], 4, atol=1e-12)


def test_published_modes_round_a_bend() -> None:
    # In flat space circles have sigma = 0: f, a and b go straight; c and e turn, whatever the metric is.
    g, mask = constant(np.eye(2), (101, 101)), Ring.mask
    line = 50 + np.stack([np.full(300, 30.0), 0.1 * np.arange(300)], axis=-1)
    for mode in ("f", "a", "b"):
        path = shoot(g, mask, Ring.seed, Ring.up, mode, Ring.v)[0, 0, :300]
        np.testing.assert_allclose(path, line, atol=0.05)
    cone = inverse_metric(Ring.tensor(), mask)
    for metric, mode in ((g, "c"), (g, "e"), (cone, "c"), (cone, "e")):
        r, theta = Ring.polar(shoot(metric, mask, Ring.seed, Ring.up, mode, Ring.v, n_steps=400))
        assert theta.max() > 1
        np.testing.assert_allclose(r, 30, atol=0.1)
    strand = Ring.v * (np.abs(Ring.r - 30) < 2)  # curves at its edge read nothing of what is beyond
    for mode in ("c", "e"):
        path = shoot(g, mask, np.array([[81.8, 50.0]]), Ring.up, mode, strand, n_steps=200)
        np.testing.assert_allclose(Ring.polar(path)[0], 31.8, atol=0.1)


def test_streamlines_are_circles_and_helices() -> None:
    paths = streamlines(Ring.v * Ring.mask, Ring.mask, Ring.seed, n_steps=1500)
    r, theta = Ring.polar(paths)
    np.testing.assert_allclose(r, 30, atol=0.01)
    assert theta[0, 0, 471] == pytest.approx(47.1 / 30, abs=1e-3)
    assert paths[0, 0, 1, 1] > 50 > paths[1, 0, 1, 1]  # along v first
    # and helices
    x, y = np.indices((30, 30, 40))[:2] - 14.5
    v = np.stack([-y, x, np.full_like(x, 8)]) / np.sqrt(x**2 + y**2 + 64)
    paths = streamlines(v, full(x.shape), np.array([[24.5, 14.5, 20.0]]), n_steps=150)[:, 0]
    turn = np.outer([1, -1], np.arange(151)) * 0.1 / np.sqrt(164)
    helix = np.stack([14.5 + 10 * np.cos(turn), 14.5 + 10 * np.sin(turn), 20 + 8 * turn], axis=-1)
    np.testing.assert_allclose(paths, helix, atol=0.02)


def test_streamlines_follow_the_principal_direction_of_rough_fields() -> None:
    angle = np.random.default_rng(5).uniform(-0.5, 0.5, (30, 12))
    v = np.stack([np.cos(angle), np.sin(angle)])
    dyad = (v[:, None] * v[None]).reshape(4, 30, 12)

    def rate(_: float, x: np.ndarray) -> np.ndarray:
        here = [map_coordinates(p, x[:, None], order=1)[0] for p in dyad]
        principal = np.linalg.eigh(np.reshape(here, (2, 2)))[1][:, -1]
        return principal * np.sign(principal[0])

    path = streamlines(v, full((30, 12)), np.array([[5.2, 5.4]]), step=0.02, n_steps=1000)[0, 0]
    exact = solve_ivp(rate, (0, 20), [5.2, 5.4], t_eval=[5, 10, 20], rtol=1e-8, atol=1e-8, max_step=0.05).y.T
    np.testing.assert_allclose(path[[250, 500, 1000]], exact, atol=1e-3)


@settings(max_examples=10)
@given(seed=seeds)
def test_signs_of_the_field_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flipped = Ring.v * rng.choice([-1, 1], Ring.r.shape)
    g = smooth_metric(rng, Ring.r.shape)
    line, other = (streamlines(v, Ring.mask, Ring.seed, n_steps=100) for v in (Ring.v, flipped))
    np.testing.assert_allclose(other if flipped[1, 80, 50] > 0 else other[::-1], line, atol=1e-9)
    for mode in ("a", "b", "c", "e"):
        paths = [shoot(g, Ring.mask, Ring.seed, Ring.up, mode, v, n_steps=100) for v in (Ring.v, flipped)]
        np.testing.assert_allclose(*paths, atol=1e-9)


def test_curves_end_with_the_mask_and_read_nothing_outside() -> None:
    sector = Ring.mask & (Ring.y < 20.2)  # ends between the rows 70 and 71
    g = inverse_metric(Ring.tensor(), Ring.mask) / np.where(Ring.mask, Ring.r, 1) ** 2
    inside = [shoot(g, sector, Ring.seed, Ring.up), streamlines(Ring.v, sector, Ring.seed)]
    for paths in inside:
        end = np.isfinite(paths[0, 0, :, 0]).sum()
        assert 10 * 30 * np.arcsin(20.5 / 30) == pytest.approx(end, abs=2)
        assert np.isnan(paths[0, 0, end:]).all()
    g, v = (np.where(sector, field, np.nan) for field in (g, Ring.v))
    np.testing.assert_array_equal(shoot(g, sector, Ring.seed, Ring.up), inside[0])
    np.testing.assert_array_equal(streamlines(v, sector, Ring.seed), inside[1])


@pytest.mark.parametrize("seed", [[50.0, 50.0], [-0.6, 3.0], [80.0, 100.6]])
def test_seeds_outside_the_mask_and_modes_without_their_field_are_refused(seed: list[float]) -> None:
    g = constant(np.eye(2), Ring.r.shape)
    with pytest.raises(ValueError, match="seed .* not in the mask"):
        shoot(g, Ring.mask, np.array([[80.0, 50.0], seed]), np.tile(Ring.up, (2, 1)))
    with pytest.raises(ValueError, match="seed .* not in the mask"):
        seed_directions(Ring.v, Ring.mask, np.array([seed]))
    with pytest.raises(ValueError, match="'b'.*v is None"):
        shoot(g, Ring.mask, Ring.seed, Ring.up, "b")


@given(angle=st.floats(0, 2 * np.pi), radius=st.floats(15, 45))
def test_directions_at_seeds_between_voxels(angle: float, radius: float) -> None:
    u = np.array([np.cos(angle), np.sin(angle)])
    found = seed_directions(Ring.v, Ring.mask, 50 + radius * u[None])
    np.testing.assert_allclose(found, [[-u[1], u[0]]], atol=2e-3)


@given(angle=st.floats(0, 2 * np.pi), offset=st.floats(1e-4, 0.5))
def test_parallel_lines_keep_their_distance(angle: float, offset: float) -> None:
    u = np.array([[np.cos(angle), np.sin(angle)]])
    g, mask, seed = (
        constant(np.array([[2.0, 0.3], [0.3, 1.0]]), (41, 41)),
        full((41, 41)),
        np.array([[20.0, 20]]),
    )
    growth = spread(g, mask, seed, u, n_steps=190, offset=offset)
    np.testing.assert_allclose(growth, np.ones((1, 191)), rtol=1e-6)


def test_neighbours_on_circles_and_on_a_cone() -> None:
    # The metrics of a ring keep their geodesics when all radii are scaled: that from radius a r0 is a times
    # that from r0, at a times the arc length. Neighbours are (x - s x') / r0 apart, with x from the middle.
    circles = inverse_metric(Ring.tensor(), Ring.mask) / np.where(Ring.mask, Ring.r, 1) ** 2
    s = 0.1 * np.arange(301)
    growth = spread(circles, Ring.mask, Ring.seed, Ring.up, n_steps=300)
    np.testing.assert_allclose(growth[0], np.hypot(1, s / 30), rtol=2e-2)
    theta = np.linspace(0, 1, 100_001)  # of the cone's r = 30 / cos(k theta)
    k = np.sqrt(ACROSS / ALONG)
    r = 30 / np.cos(k * theta)
    length = np.append(0, np.hypot(np.diff(r), (r[1:] + r[:-1]) / 2 * np.diff(theta)).cumsum())
    x, y = (np.interp(s, length, xy) for xy in (r * np.cos(theta), r * np.sin(theta)))
    apart = np.hypot(x - s * np.gradient(x, 0.1), y - s * np.gradient(y, 0.1)) / 30
    growth = spread(inverse_metric(Ring.tensor(), Ring.mask), Ring.mask, Ring.seed, Ring.up, n_steps=300)
    np.testing.assert_allclose(growth[0, 5:-5], apart[5:-5], rtol=2e-2)


def ray(angle: float, lengths: np.ndarray) -> np.ndarray:
    """A curve of a straight half (at the angle) and one that never leaves the seed: (2, 1, n_points, 2)."""
    line = np.outer(lengths, [np.cos(angle), np.sin(angle)]) + 3.0
    still = np.full_like(line, np.nan)
    still[0] = 3.0
    return np.stack([line, still])[:, None]


@given(angle=st.floats(0.01, 1.5), share=st.floats(0.1, 2.0), warp=st.floats(0.3, 3.0))
def test_deviation_of_two_rays(angle: float, share: float, warp: float) -> None:
    s = np.linspace(0, 1, 200)
    found = deviation(ray(angle, 20 * share * s**warp), ray(0.0, 20 * s), spacing_mm=1.25)
    common = 20 * min(share, 1)
    assert found.matched[0, 0] == pytest.approx(common * np.sin(angle / 2))  # mean of 2 s sin(angle / 2)
    assert found.nearest[0, 0] == pytest.approx(common * np.sin(angle) / 2)
    assert found.coverage[0, 0] == pytest.approx(min(share, 1))
    assert found.matched_mm[0, 0] == pytest.approx(1.25 * common * np.sin(angle / 2))
    assert found.nearest_mm[0, 0] == pytest.approx(1.25 * common * np.sin(angle) / 2)
    line = ray(angle, 20 * s)
    at_once = deviation(line[::-1], line)  # one curve ends at once, the other has no reference
    for values in (at_once.matched, at_once.nearest, at_once.coverage):
        np.testing.assert_array_equal(values, [[0], [np.nan]])


def test_curves_on_the_same_circle_are_near_though_not_matched() -> None:
    angle = np.linspace(0, 1, 400)
    arcs = [10 * np.stack([np.cos(a), np.sin(a)], axis=-1)[None, None] for a in (angle + 0.3, 1.5 * angle)]
    found = deviation(*arcs)
    assert found.matched[0, 0] == pytest.approx(20 * np.sin(0.15), rel=1e-3)
    assert found.nearest[0, 0] == pytest.approx(0, abs=1e-2)
    assert found.coverage[0, 0] == pytest.approx(1 / 1.5, rel=1e-3)


def random_metric(seed: int, n: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(4, 3, n, n))
    return np.moveaxis(root @ np.swapaxes(root, 2, 3) + 0.2 * np.eye(n), (2, 3), (0, 1))


@settings(max_examples=25)
@given(seed=seeds, n=st.sampled_from([2, 3]), scale=st.floats(1e-3, 1e3))
def test_distance_of_metrics_is_affine_invariant(seed: int, n: int, scale: float) -> None:
    g, other = random_metric(seed, n), random_metric(seed + 1, n)
    mask = np.indices((4, 3)).sum(0) > 0
    found = metric_distance(g, other, mask)
    assert np.isnan(found[0, 0])
    np.testing.assert_allclose(metric_distance(other, g, mask), found, atol=1e-8)
    np.testing.assert_allclose(metric_distance(g, scale * other, mask), found, atol=1e-8)
    np.testing.assert_allclose(metric_distance(g, scale * g, mask)[mask], 0, atol=1e-7)
    a = np.random.default_rng(seed + 2).normal(size=(n, n)) + 3 * np.eye(n)
    moved = [np.einsum("ki,kl...,lj->ij...", a, m, a) for m in (g, other)]
    np.testing.assert_allclose(metric_distance(*moved, mask), found, atol=1e-6)
    logs = np.log([eigh(other[:, :, *v], g[:, :, *v], eigvals_only=True) for v in np.argwhere(mask)])
    np.testing.assert_allclose(found[mask], np.linalg.norm(logs - logs.mean(), axis=1), atol=1e-6)
