"""Scores and losses against loops, closed forms and finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.models.contrastive_losses import clip_loss, match_scores, regression_loss


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_scores_are_inner_products_with_the_unit_candidates(n_windows, n_candidates, n_features, n_samples):
    """eq-speech-score: the scores against sums over single numbers."""
    z, y = normal(n_windows, n_features, n_samples), normal(n_candidates, n_features, n_samples, seed=1)
    scores = match_scores(z, y)
    assert scores.shape == (n_windows, n_candidates)
    for i in range(n_windows):
        for j in range(n_candidates):
            norm = math.sqrt(sum(v**2 for v in y[j].ravel().tolist()))
            product = sum(a * b for a, b in zip(z[i].ravel().tolist(), y[j].ravel().tolist(), strict=True))
            assert scores[i, j].item() == pytest.approx(product / (norm + 1e-8), rel=1e-9, abs=1e-12)


def test_only_the_size_of_windows_matters():
    z, y = normal(4, 3, 5), normal(6, 3, 5, seed=1)
    torch.testing.assert_close(match_scores(z, 7 * y), match_scores(z, y), rtol=1e-7, atol=0)
    torch.testing.assert_close(match_scores(7 * z, y), 7 * match_scores(z, y))
    assert (match_scores(z, 0 * y) == 0).all()  # silence: no division by zero


def test_windows_with_channels_last_in_memory_score_the_same():
    z, y = normal(4, 3, 5), normal(6, 3, 5, seed=1)
    assert torch.equal(match_scores(z.mT.contiguous().mT, y), match_scores(z, y))


@pytest.mark.parametrize("n", [2, 5, 300])
def test_equal_scores_cost_the_logarithm_of_the_number_of_candidates(n):
    z = torch.eye(8, dtype=torch.float64)[:2, None]  # orthogonal to all candidates
    y = torch.zeros(n, 1, 8, dtype=torch.float64)
    y[:, 0, 5] = 1 + torch.arange(n)
    assert clip_loss(match_scores(z, y)).item() == pytest.approx(math.log(n), rel=1e-9)


def test_orthogonal_pairs_have_a_closed_form():
    """eq-speech-loss: against its value where no window resembles another's sound."""
    # z_i = s e_i against y_j = e_j: -log(e^s / (e^s + n - 1))
    n, s = 6, 3.0
    pairs = torch.eye(n, dtype=torch.float64)[:, None]
    expected = math.log1p((n - 1) * math.exp(-s))
    scores = match_scores(s * pairs, pairs)
    assert clip_loss(scores).item() == pytest.approx(expected, rel=1e-7)
    assert clip_loss(scores, symmetric=True).item() == pytest.approx(expected, rel=1e-7)
    log_scale = torch.tensor(math.log(2.0), dtype=torch.float64)
    expected = math.log1p((n - 1) * math.exp(-2 * s))
    assert clip_loss(scores, log_scale).item() == pytest.approx(expected, rel=1e-7)


def test_one_direction_is_over_candidates_and_the_other_over_windows():
    """eq-speech-loss: against the sums of two rows, written out."""
    scores = torch.tensor([[1.0, 2.0, 0.0], [0.0, 3.0, 5.0]], dtype=torch.float64)
    first = -(1 - math.log(math.e + math.e**2 + 1) + 3 - math.log(1 + math.e**3 + math.e**5)) / 2
    assert clip_loss(scores).item() == pytest.approx(first)
    second = -(1 - math.log(math.e + 1) + 3 - math.log(math.e**2 + math.e**3)) / 2
    assert clip_loss(scores, symmetric=True).item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradients_are_finite_differences(symmetric):
    z, y = normal(3, 2, 4).requires_grad_(), normal(5, 2, 4, seed=1).requires_grad_()
    log_scale = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(match_scores, (z, y))
    assert torch.autograd.gradcheck(
        lambda z, y, s: clip_loss(match_scores(z, y), s, symmetric), (z, y, log_scale)
    )


def test_regression_is_the_mean_square():
    z, y = torch.zeros(2, 3, 4), torch.arange(24.0).view(2, 3, 4)
    assert regression_loss(z, y).item() == pytest.approx(sum(i**2 for i in range(24)) / 24)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 4\) against \(2, 3, 5\)"):
        match_scores(torch.zeros(2, 3, 4), torch.zeros(2, 3, 5))
    with pytest.raises(ValueError, match=r"scores \(3, 2\)"):
        clip_loss(torch.zeros(3, 2))
