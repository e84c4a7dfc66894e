"""The backward model against mne's, against regression on lagged copies, and against what was planted."""

from __future__ import annotations

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mne.decoding import ReceptiveField
from sklearn.linear_model import Ridge

from crossroads.models.backward_model import fit_backward


def lagged(x: np.ndarray, lags: list[int]) -> np.ndarray:
    """(T, n_lags * n_channels) copies of x (n_channels, T), each so much later, zeros at the end."""
    return np.concatenate([np.pad(x, ((0, 0), (0, lag)))[:, lag:] for lag in lags]).T


def test_it_is_the_model_of_mne() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 400)), rng.normal(size=(3, 400))
    n_lags, alpha = 6, 7.0
    centred, mean = x - x.mean(1, keepdims=True), y.mean(1, keepdims=True)
    with mne.use_log_level("ERROR"):
        # With a ridge of scikit-learn's: mne's own takes seconds to compile.
        estimator = Ridge(alpha, fit_intercept=False)
        peer = ReceptiveField(-(n_lags - 1) / 10, 0, 10, estimator=estimator, n_jobs=1)
        peer.fit(centred.T, (y - mean).T)
        expected = peer.predict(centred.T).T + mean
    diagonal = np.mean([(centred[:, lag:] ** 2).sum() / 5 for lag in range(n_lags)])
    model = fit_backward(x, y, np.array([[0, 400]]), range(n_lags), [alpha / diagonal])
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-8, atol=1e-10)
    # mne's delays run from the latest brain sample to the sound's own.
    np.testing.assert_allclose(model.weights[::-1].transpose(2, 1, 0), peer.coef_, rtol=1e-7, atol=1e-10)


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(9, 40), min_size=1, max_size=4),
    lags=st.sets(st.integers(0, 8), min_size=1, max_size=5),
    gap=st.integers(0, 5),
    seed=st.integers(0, 2**31),
)
def test_any_blocks_and_lags_are_those_of_lagged_copies(
    lengths: list[int], lags: set[int], gap: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stop = np.cumsum(np.array(lengths) + gap)
    blocks = np.stack([stop - lengths, stop], 1)
    x, y = 2 + rng.normal(size=(3, stop[-1] + 7)), rng.normal(size=(2, stop[-1] + 7)) - 1
    model = fit_backward(x, y, blocks, sorted(lags), [0.3])
    inside = np.concatenate([np.arange(*block) for block in blocks])
    x_mean, y_mean = x[:, inside].mean(1, keepdims=True), y[:, inside].mean(1, keepdims=True)
    rows = np.concatenate([lagged(x[:, a:b] - x_mean, sorted(lags)) for a, b in blocks])
    alpha = 0.3 * (rows**2).sum() / rows.shape[1]
    peer = Ridge(alpha, fit_intercept=False, solver="svd").fit(rows, (y - y_mean)[:, inside].T)
    np.testing.assert_allclose(model.weights.reshape(-1, 2), peer.coef_.T, rtol=1e-7, atol=1e-9)


def planted(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """A sound with two features that reaches six sensors after 3 and 5 samples."""
    y = rng.normal(size=(2, n))
    x = noise * rng.normal(size=(6, n)) + 40
    for lag, mixing in zip((3, 5), rng.normal(size=(2, 6, 2)), strict=True):
        x[:, lag:] += mixing @ y[:, :-lag]
    return x, y


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean([np.corrcoef(u, v)[0, 1] for u, v in zip(a, b, strict=True)]))


def test_a_sound_without_noise_is_found_at_its_lags_only() -> None:
    rng = np.random.default_rng(1)
    x, y = planted(rng, 600, 0.0)
    blocks = np.array([[0, 400]])
    with_lags = fit_backward(x, y, blocks, [3, 5], [1e-9]).predict(x[:, 400:])
    # Not exact: the last samples learnt from lack what the brain did after them.
    np.testing.assert_allclose(with_lags[:, :-5], y[:, 400:-5], atol=5e-3)
    without = fit_backward(x, y, blocks, [0, 1, 2], [1e-3]).predict(x[:, 400:])
    assert abs(correlation(without, y[:, 400:])) < 0.2


def test_the_ridge_is_the_one_that_predicts_held_out_blocks_best() -> None:
    rng = np.random.default_rng(2)
    x, y = planted(rng, 600, 8.0)
    blocks = np.arange(0, 600, 60)[:, None] + [0, 60]
    alphas, lags = [1e-4, 0.1, 1.0, 10.0, 1e4], range(8)
    model = fit_backward(x, y, blocks, lags, alphas)
    held = np.isin(np.arange(10), [4, 9])
    # The means are those of all blocks.
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    train, test = (
        np.concatenate([lagged(x[:, a:b], list(lags)) for a, b in blocks[i]]) for i in (~held, held)
    )
    y_train, y_test = (np.concatenate([y[:, a:b] for a, b in blocks[i]], 1).T for i in (~held, held))
    errors = []
    for alpha in alphas:
        peer = Ridge(alpha * (train**2).sum() / train.shape[1], fit_intercept=False).fit(train, y_train)
        errors.append(((peer.predict(test) - y_test) ** 2).sum())
    assert 0 < np.argmin(errors) < 4
    assert model.alpha == alphas[np.argmin(errors)]
    again = fit_backward(x, y, blocks, lags, [model.alpha])
    np.testing.assert_allclose(model.weights, again.weights, rtol=1e-8, atol=1e-12)


def test_nothing_outside_the_blocks_is_used() -> None:
    rng = np.random.default_rng(3)
    x, y = planted(rng, 300, 1.0)
    blocks = np.array([[0, 100], [150, 280]])
    expected = fit_backward(x, y, blocks, range(4), [0.1, 1.0])
    x[:, 100:150], y[:, 100:150], x[:, 280:], y[:, 280:] = 1e6, -1e6, np.nan, np.nan
    found = fit_backward(x, y, blocks, range(4), [0.1, 1.0])
    np.testing.assert_array_equal(found.weights, expected.weights)


def test_units_of_the_brain_do_not_matter() -> None:
    x, y = planted(np.random.default_rng(4), 300, 3.0)
    blocks = np.array([[0, 140], [140, 300]])
    one, two = (fit_backward(s * x, y, blocks, range(6), [0.01, 1.0]) for s in (1.0, 1e-13))
    assert one.alpha == two.alpha
    np.testing.assert_allclose(one.predict(x), two.predict(1e-13 * x), rtol=1e-6, atol=1e-9)


def test_windows_are_predicted_as_one_recording_is() -> None:
    x, y = planted(np.random.default_rng(5), 200, 1.0)
    model = fit_backward(x, y, np.array([[0, 200]]), [0, 2, 5], [0.1])
    windows = np.stack([x[:, :60], x[:, 30:90]])
    found = model.predict(windows)
    assert found.shape == (2, 2, 60)
    np.testing.assert_allclose(found[..., :-5], np.stack([model.predict(x)[:, i : i + 55] for i in (0, 30)]))
    np.testing.assert_allclose(model.predict(np.tile(x.mean(1)[:, None], 9)), np.tile(y.mean(1)[:, None], 9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros((2, 99))}, "need the same samples"),
        ({"blocks": np.array([[0, 101]])}, "need the same samples"),
        ({"blocks": np.array([[0, 50], [60, 63]])}, "longer than the longest lag of 3"),
        ({"lags": [2, 1]}, "must be increasing"),
        ({"lags": [-1, 1]}, "from 0 or later"),
        ({"alphas": [0.0]}, "ridges .* positive"),
        ({"blocks": np.array([[0, 50]]), "alphas": [1.0, 2.0]}, "one block cannot choose a ridge"),
    ],
)
def test_what_cannot_be_fitted_is_named(change: dict, message: str) -> None:
    good = {"x": np.zeros((3, 100)), "y": np.zeros((2, 100)), "blocks": np.array([[0, 50], [60, 90]])}
    with pytest.raises(ValueError, match=message):
        fit_backward(**(good | {"lags": [0, 3], "alphas": [1.0]} | change))
