"""Networks decode streams step by step as they decode whole sequences, and learn what can be learned."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from torch import nn

from crossroads.models.hand_decoder import (
    ATTENTION_STEPS,
    NETWORKS,
    PAPER_HIDDEN,
    AttentionDecoder,
    Fitting,
    LiveDecoder,
    RecurrentDecoder,
    decode,
    decode_in_a_row,
    fit,
    n_parameters,
)

EACH_NETWORK = pytest.mark.parametrize("kind", NETWORKS)


def network(kind, n_features=7, n_hidden=12, seed=0):
    torch.manual_seed(seed)
    made = NETWORKS[kind](n_features, n_hidden).eval()
    with torch.no_grad():  # weights of a size at which nonlinearities matter
        for weights in made.parameters():
            weights.mul_(1.5)
    return made


def streams(n_steps, n_streams=2, n_features=7, seed=0):
    return torch.randn(n_streams, n_steps, n_features, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("made", "n"),
    [
        (AttentionDecoder(224, PAPER_HIDDEN), 1_611_567),
        (RecurrentDecoder(224, 64), 97_542),
        (RecurrentDecoder(224, 96), 182_950),
        # 3 convolutions over 5 steps; a layer; and for both a head to 64 and 6.
        (NETWORKS["convolutional"](10, 8), 5 * (10 + 8 + 8) * 8 + 3 * 8 + 8 * 64 + 64 + 64 * 6 + 6),
        (NETWORKS["one step"](10, 8), 10 * 8 + 8 + 8 * 64 + 64 + 64 * 6 + 6),
    ],
)
def test_numbers_of_parameters(made, n):
    assert n_parameters(made) == n
    made.head.requires_grad_(False)
    assert n_parameters(made) == n - sum(p.numel() for p in made.head.parameters())


@EACH_NETWORK
@settings(max_examples=10)
@given(sizes=st.lists(st.integers(1, 70), min_size=1, max_size=8))
def test_chunks_go_on_where_the_last_one_ended(kind, sizes):
    made, x = network(kind), streams(sum(sizes))
    state, parts = None, []
    with torch.inference_mode():
        whole, _ = made(x)
        for part in x.split(sizes, 1):
            decoded, state = made(part, state)
            parts.append(decoded)
    assert whole.shape == (2, sum(sizes), 6)
    np.testing.assert_allclose(torch.cat(parts, 1), whole, atol=1e-5)


@EACH_NETWORK
def test_live_decoding_is_that_of_the_whole_sequence(kind):
    made, x = network(kind), streams(140).numpy()
    live, other = LiveDecoder(made), LiveDecoder(made)
    steps = [live(x[:, k]) for k in range(140)]
    whole = decode(made, x)
    np.testing.assert_allclose(np.stack(steps, 1), whole, atol=1e-5)
    assert whole.min() >= 0
    assert whole.max() <= 1
    assert np.ptp(whole[:, 100:], axis=1).max() > 0.05  # it is not the same at all steps
    np.testing.assert_allclose(other(x[:, 0]), whole[:, 0], atol=1e-5)  # a state of its own


@EACH_NETWORK
def test_pieces_in_a_row_are_decoded_as_the_stream_that_they_were(kind):
    made, x = network(kind), streams(140).numpy()[:1]
    found = decode_in_a_row(made, x.reshape(4, 35, -1))
    np.testing.assert_allclose(found.reshape(1, 140, 6), decode(made, x), atol=1e-5)


@EACH_NETWORK
def test_nothing_is_known_before_it_happens(kind):
    made, x = network(kind), streams(130)
    changed = x.clone()
    changed[:, 60] += 1
    with torch.inference_mode():
        difference = (made(changed)[0] - made(x)[0]).abs().amax((0, 2)).numpy()
    assert difference[:60].max() < 1e-6
    assert difference[60] > 1e-4
    reach = {"one step": 1, "convolutional": 13}.get(kind)
    if reach:
        assert difference[60 + reach :].max() < 1e-6
        assert difference[60 : 60 + reach].min() > 1e-6
    else:
        assert difference[60 + 13 :].max() > 1e-5


def test_streams_are_decoded_by_themselves():
    made, x = network("with attention"), streams(60, 3)
    with torch.inference_mode():
        np.testing.assert_allclose(made(x[1:2])[0], made(x)[0][1:2], atol=1e-5)


def gru_step(cell, x, h):
    """One step of a gated recurrent unit, by its equations."""
    w, u, b, c = (p.detach().double().numpy() for p in cell.parameters())
    (xr, xz, xn), (hr, hz, hn) = np.split(w @ x + b, 3), np.split(u @ h + c, 3)
    r, z = expit(xr + hr), expit(xz + hz)
    return (1 - z) * np.tanh(xn + r * hn) + z * h


def test_attention_is_that_of_the_equation():
    """eq-nerve-attention: against loops over time steps, in numpy."""
    made, x = network("with attention", 3, 5), streams(80, 1, 3)
    with torch.inference_mode():
        h = made.encoder(x)[0][0].double().numpy()
        found = made(x)[0][0].numpy()
    (w, b), (v, _) = (
        [p.detach().double().numpy() for p in layer.parameters()] for layer in (made.align, made.score)
    )
    expected = []
    for t in range(80):
        seen = range(max(0, t - ATTENTION_STEPS + 1), t + 1)
        weights = softmax([v[0] @ np.tanh(w @ np.concatenate([h[s], h[t]]) + b) for s in seen])
        context = sum(a * h[s] for a, s in zip(weights, seen, strict=True))
        expected.append(gru_step(made.step, context, h[t]))
    with torch.inference_mode():
        expected = made.head(torch.tensor(np.array(expected), dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert ATTENTION_STEPS == 50


def test_the_encoder_is_a_convolution_over_three_steps_and_two_recurrent_layers():
    made, x = network("recurrent", 3, 4), streams(9, 1, 3)
    weight, bias = (p.detach().double().numpy() for p in made.encoder.conv.parameters())
    padded = np.concatenate([np.zeros((2, 3)), x[0].numpy()])
    layer = [np.maximum(sum(weight[:, :, k] @ padded[t + k] for k in range(3)) + bias, 0) for t in range(9)]
    parameters = list(made.encoder.gru.parameters())
    for part in (parameters[:4], parameters[4:]):
        cell = nn.ParameterList(part)
        out, h = [], np.zeros(4)
        for one in layer:
            h = gru_step(cell, one, h)
            out.append(h)
        layer = out
    with torch.inference_mode():
        np.testing.assert_allclose(made.encoder(x)[0][0], layer, atol=1e-5)


SMALL = Fitting(n_hidden=32, epochs=6, batch=10, crop=30, dropout=0.1)


def toy(seed=0):
    """Trials whose posture is in the feature: of now, and of two steps ago."""
    x = np.random.default_rng(seed).standard_normal((12, 50, 1))
    late = np.concatenate([np.zeros((12, 2, 1)), x[:, :-2]], axis=1)
    return x, expit(3 * np.concatenate([x, -x, x, late, -late, late], axis=-1))


def trained(kind, fitting=SMALL, seed=0):
    torch.manual_seed(3)
    made = NETWORKS[kind](1, fitting.n_hidden, fitting.dropout)
    return made, fit(made, *toy(), fitting, np.random.default_rng(seed))


@EACH_NETWORK
def test_training_finds_what_is_in_the_features(kind):
    made, losses = trained(kind)
    assert losses.shape == (6,)
    x, y = toy(1)
    unexplained = ((decode(made, x) - y) ** 2).mean((0, 1)) / y.var((0, 1))
    assert unexplained[:3].max() < 0.2
    assert losses[-1] < 0.5 * losses[0]
    if kind == "one step":  # it cannot know what was two steps ago
        assert unexplained[3:].min() > 0.9
    else:
        assert unexplained[3:].max() < 0.2
    np.testing.assert_array_equal(decode(made, x), decode(made, x))  # dropout is over


def test_same_generator_same_bytes():
    short = replace(SMALL, epochs=2)
    (first, losses), (again, same) = trained("recurrent", short), trained("recurrent", short)
    other, different = trained("recurrent", short, seed=1)
    assert losses.tobytes() == same.tobytes()
    assert not np.array_equal(losses, different)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
        assert not torch.equal(a, c)


class Witness(nn.Module):
    """Decodes features as they are, and remembers them."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, x, state=None):
        self.seen.append(x.cpu().numpy())
        return x[..., :1].expand(-1, -1, 6) + self.weight, ()


def crops(**changes):
    """Crops (n, crop, 2) of trial and step, and the losses of decoding both as one number."""
    fitting = replace(SMALL, noise=0.0, learning_rate=0.0, **changes)
    trial, step = np.mgrid[:5, :30].astype(float)
    x = np.stack([100 * trial + step, trial, step], axis=-1)
    witness = Witness()
    losses = fit(witness, x, x[..., :1].repeat(6, -1), fitting, np.random.default_rng(0))
    assert len(witness.seen) == fitting.epochs * fitting.batches
    seen = np.concatenate(witness.seen)
    assert seen.shape == (fitting.epochs * fitting.batches * fitting.batch, fitting.crop, 3)
    return seen[..., 1:], losses


@pytest.mark.parametrize("crop", [10, 30, 75])
def test_crops_run_on_step_by_step_from_one_trial_into_others(crop):
    seen, losses = crops(crop=crop)
    np.testing.assert_array_equal(losses, 0)  # postures are those of the same trials and steps
    trial, step = seen[..., 0], seen[..., 1]
    np.testing.assert_array_equal(np.diff(step, axis=1) % 30, 1)
    inside = np.diff(step, axis=1) > 0
    assert (np.diff(trial, axis=1)[inside] == 0).all()
    # The next trial is any of the five, as is the first one, at any step.
    assert (np.diff(trial, axis=1)[~inside] == 0).mean() == pytest.approx(0.2, abs=0.05)
    for start, n in ((trial[:, 0], 5), (step[:, 0] // 5, 6)):
        np.testing.assert_allclose(np.bincount(start.astype(int)) / len(seen), 1 / n, rtol=0.4)


def test_warped_crops_have_a_pace_of_their_own():
    seen, losses = crops(crop=60, warp=0.3)
    np.testing.assert_array_equal(losses, 0)
    step = seen[..., 1]
    along = np.cumsum(np.diff(step, axis=1) % 30, axis=1)
    pace = along[:, -1] / 59
    assert pace.min() == pytest.approx(0.7, abs=0.03)
    assert pace.max() == pytest.approx(1.3, abs=0.03)
    assert pace.mean() == pytest.approx(1, abs=0.02)
    # One pace all along: whole steps next to a straight line.
    assert np.abs(along - pace[:, None] * np.arange(1, 60)).max() < 1.5


def test_noise_is_added_to_features_in_training():
    witness = Witness()
    x = np.zeros((4, 30, 3))
    fit(witness, x, x[..., :1].repeat(6, -1), replace(SMALL, epochs=3, noise=0.2), np.random.default_rng(0))
    seen = np.concatenate(witness.seen)
    assert seen.mean() == pytest.approx(0, abs=0.005)
    assert seen.std() == pytest.approx(0.2, rel=0.02)


def test_decoded_postures_are_possible_ones():
    made = Witness()
    x = np.array([[[-3.0], [0.25], [7.0]]])
    np.testing.assert_array_equal(decode(made, x)[0, :, 0], [0, 0.25, 1])
    np.testing.assert_array_equal(LiveDecoder(made)(x[:, 2]), np.ones((1, 6)))
