from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from crossroads.models.metric_parameters import metric_of, n_parameters

KINDS = [(2, "exponential"), (3, "rotation"), (3, "published")]
number = st.floats(-3, 3)


def matrix(u: list[float] | np.ndarray, n: int, kind: str) -> np.ndarray:
    """g of one voxel."""
    return metric_of(torch.tensor(np.asarray(u, float)).reshape(-1, *[1] * n), n, kind).numpy().reshape(n, n)


@given(u=st.tuples(number, number, number))
def test_the_exponential_is_that_of_scipy(u: tuple[float, float, float]) -> None:
    expected = expm(np.array([[u[0], u[1]], [u[1], u[2]]]))
    np.testing.assert_allclose(matrix(u, 2, "exponential"), expected, rtol=1e-10, atol=1e-12 * expected.max())


@pytest.mark.parametrize("q", [0.0, 1e-200, 1e-9, 1e-5, 0.0099999, 0.01, 0.0100001, 0.1])
def test_the_exponential_is_smooth_where_eigenvalues_meet(q: float) -> None:
    mean = 0.3
    u = np.array([mean + 0.6 * q, 0.8 * q, mean - 0.6 * q])
    c, s = np.exp(mean) * np.cosh(q), np.exp(mean) * np.sinh(q)
    np.testing.assert_allclose(
        matrix(u, 2, "exponential"), [[c + 0.6 * s, 0.8 * s], [0.8 * s, c - 0.6 * s]], rtol=1e-14
    )
    way = torch.tensor([0.7, -0.4, 1.1], dtype=torch.float64)
    slope = torch.autograd.functional.jvp(
        lambda p: metric_of(p.reshape(3, 1, 1), 2, "exponential").reshape(2, 2), torch.tensor(u), way
    )[1]
    # The derivative of expm is the corner of the exponential of a matrix of blocks.
    a, b = (np.array([[x[0], x[1]], [x[1], x[2]]]) for x in (u, way.numpy()))
    np.testing.assert_allclose(
        slope.numpy(), expm(np.block([[a, b], [np.zeros((2, 2)), a]]))[:2, 2:], rtol=1e-8
    )


@settings(deadline=None)
@given(axis=st.tuples(number, number, number), angle=number, logs=st.tuples(number, number, number))
def test_rotations_are_those_of_scipy_and_keep_the_eigenvalues(
    axis: tuple[float, float, float], angle: float, logs: tuple[float, float, float]
) -> None:
    length = np.linalg.norm(axis)
    assume(length > 1e-6)
    g = matrix([*axis, angle, *logs], 3, "rotation")
    turn = Rotation.from_rotvec(angle * np.array(axis) / length).as_matrix()
    np.testing.assert_allclose(g, turn @ np.diag(np.exp(logs)) @ turn.T, atol=1e-12 * np.exp(max(logs)))
    np.testing.assert_allclose(np.linalg.eigvalsh(g), np.sort(np.exp(logs)), rtol=1e-9)


def test_the_published_parameters_are_no_eigenvalues() -> None:
    u = [1.0, -0.5, 2.0, 1.2, 0.5, 0.0, -0.5]
    exact, published = (np.linalg.eigvalsh(matrix(u, 3, kind)) for kind in ("rotation", "published"))
    np.testing.assert_allclose(exact, np.exp([-0.5, 0.0, 0.5]), rtol=1e-12)
    np.testing.assert_allclose(published, [0.698, 9.819, 14.796], rtol=1e-3)
    # I + sin K + (1 - cos) K^2 of an axis of length a has the eigenvalue 1 along the axis and, across it, two
    # whose product is (1 - (1 - cos) a^2)^2 + sin^2 a^2. The determinant of the metric is its square.
    squared, cos, sin = 5.25, np.cos(1.2), np.sin(1.2)
    determinant = (1 - (1 - cos) * squared) ** 2 + sin**2 * squared
    assert published.prod() == pytest.approx(determinant**2, rel=1e-12)


@settings(deadline=None)
@given(u=st.lists(number, min_size=7, max_size=7), kind=st.sampled_from(KINDS))
def test_metrics_are_symmetric_and_positive(u: list[float], kind: tuple[int, str]) -> None:
    n, name = kind
    g = matrix(u[: n_parameters(n, name)], n, name)
    np.testing.assert_allclose(g, g.T, atol=1e-14 * np.abs(g).max())
    values = np.linalg.eigvalsh(g)
    assert values[0] > (-1e-12 if name == "published" else 1e-12) * values[-1]


@pytest.mark.parametrize(("n", "kind"), KINDS)
def test_parameters_of_zero_are_the_flat_metric(n: int, kind: str) -> None:
    u = torch.zeros((n_parameters(n, kind), *(3, 2, 4)[:n]), dtype=torch.float64, requires_grad=True)
    g = metric_of(u, n, kind)
    expected = np.broadcast_to(np.eye(n).reshape(n, n, *[1] * n), tuple(g.shape))
    np.testing.assert_array_equal(g.detach().numpy(), expected)
    g.square().sum().backward()
    assert torch.isfinite(u.grad).all()


@pytest.mark.parametrize(("n", "kind"), KINDS)
def test_each_voxel_is_on_its_own_and_its_gradient_is_the_limit_of_differences(n: int, kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.randn((n_parameters(n, kind), *(3, 2, 4)[:n]), generator=generator, dtype=torch.float64)
    g = metric_of(u, n, kind)
    for voxel in product(*map(range, u.shape[1:])):
        np.testing.assert_allclose(g[..., *voxel].numpy(), matrix(u[:, *voxel].numpy(), n, kind), rtol=1e-12)
    assert torch.autograd.gradcheck(lambda p: metric_of(p, n, kind), u.requires_grad_())


def test_an_unknown_kind_is_refused() -> None:
    for n, kind in ((2, "rotation"), (3, "exponential"), (4, "rotation"), (3, "expontial")):
        with pytest.raises(ValueError, match=f"{kind!r} in {n} dimensions; there are .*'exponential'"):
            n_parameters(n, kind)
        with pytest.raises(ValueError, match=f"{kind!r} in {n} dimensions"):
            metric_of(torch.zeros(7, 2, 2), n, kind)
