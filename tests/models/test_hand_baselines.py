"""Classic decoders are what they are called, and see what their number of steps lets them see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.models.hand_baselines import LAGS, N_FOREST, N_SUPPORT, decode, fit, lagged


def test_lagged_by_hand():
    x = np.array([[[1.0, 10], [2, 20], [3, 30]]])
    expected = [[[1, 10, 0, 0], [2, 20, 1, 10], [3, 30, 2, 20]]]
    np.testing.assert_array_equal(lagged(x, 2), expected)
    np.testing.assert_array_equal(lagged(x[0], 2), expected[0])
    np.testing.assert_array_equal(lagged(x, 1), x)


@given(
    n=st.integers(1, 12),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 4)),
    seed=st.integers(0, 2**32),
)
def test_lagged_steps_are_those_before(n, shape, seed):
    x = np.random.default_rng(seed).standard_normal(shape)
    found = lagged(x, n).reshape(*shape[:2], n, shape[2])
    for step in range(shape[1]):
        for back in range(n):
            np.testing.assert_array_equal(found[:, step, back], x[:, step - back] if back <= step else 0)


@pytest.mark.parametrize(("kind", "n"), [("ridge", 1), ("ridge, ten steps", 10)])
def test_ridge_solves_its_normal_equations(kind, n):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 60, 4)) + 1
    y = rng.uniform(0, 1, (5, 60, 6))
    given_x = x.copy()
    model = fit(kind, x, y, rng)
    np.testing.assert_array_equal(x, given_x)
    before = np.concatenate([np.zeros((5, n - 1, 4)), x], axis=1)
    design = np.array([[trial[t : t + n][::-1].ravel() for t in range(60)] for trial in before])
    # Every second step is enough to learn from.
    rows, target = design[:, ::2].reshape(-1, 4 * n), y[:, ::2].reshape(-1, 6)
    centred = rows - rows.mean(0)
    penalty = 50 * n * np.eye(4 * n)
    weights = np.linalg.solve(centred.T @ centred + penalty, centred.T @ (target - target.mean(0)))
    expected = target.mean(0) + (design - rows.mean(0)) @ weights
    np.testing.assert_allclose(decode(model, kind, x), expected, atol=1e-9)


def test_decoded_postures_are_possible_ones():
    x = np.random.default_rng(0).standard_normal((4, 50, 3))
    y = np.clip(5 * x[..., [0, 1, 2, 0, 1, 2]] + 0.5, 0, 1)
    decoded = decode(fit("ridge", 10 * x, y, np.random.default_rng(0)), "ridge", 10 * x)
    assert decoded.shape == (4, 50, 6)
    assert (decoded.min(), decoded.max()) == (0, 1)


def nonlinear(seed):
    """Postures that no line can fit: of products and sizes of features."""
    x = np.random.default_rng(seed).uniform(-1, 1, (8, 60, 3))
    curve = np.stack([x[..., 0] * x[..., 1], np.abs(x[..., 1]) - 0.5, np.abs(x[..., 2]) - 0.5], -1)
    return x, np.clip(0.5 + np.concatenate([curve, -curve], -1), 0, 1)


@pytest.mark.parametrize("kind", ["support vectors", "forest"])
def test_curves_are_learned_where_lines_fail(kind):
    x, y = nonlinear(0)
    new, true = nonlinear(1)
    error = ((decode(fit(kind, x, y, np.random.default_rng(0)), kind, new) - true) ** 2).mean((0, 1))
    line = ((decode(fit("ridge", x, y, np.random.default_rng(0)), "ridge", new) - true) ** 2).mean((0, 1))
    assert (error < 0.6 * true.var((0, 1))).all()
    assert (line > 0.9 * true.var((0, 1))).all()


@pytest.mark.parametrize(("kind", "n_kept"), [("support vectors", N_SUPPORT), ("forest", N_FOREST)])
def test_large_data_are_thinned(kind, n_kept, monkeypatch):
    """The steps that are drawn are different ones, in postures that go with them."""
    seen = {}

    def keep(self, x, y):
        seen.update(x=x, y=y)
        return self

    for name in ("sklearn.pipeline.Pipeline", "sklearn.ensemble.RandomForestRegressor"):
        monkeypatch.setattr(f"{name}.fit", keep)
    x = np.arange(5000.0).reshape(5, 1000, 1)
    fit(kind, x, x.repeat(6, -1), np.random.default_rng(0))
    assert len(np.unique(seen["x"])) == len(seen["x"]) == n_kept
    np.testing.assert_array_equal(seen["y"], seen["x"].repeat(6, -1))


@pytest.mark.parametrize("kind", LAGS)
def test_same_generator_same_decoder(kind):
    x, y = nonlinear(0)
    first, again = (decode(fit(kind, x, y, np.random.default_rng(0)), kind, x) for _ in range(2))
    np.testing.assert_array_equal(first, again)
