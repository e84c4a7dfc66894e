"""The brain module against the plain one, published counts, its receptive field and its parts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain_brain_module import PlainBrainModule
from crossroads.models.brain_module import (
    EMBEDDING,
    BrainModule,
    BrainShape,
    DeepMel,
    encode,
    fold_front,
    fourier_features,
)

SMALL = BrainShape(5, d1=6, d2=8, n_blocks=2, harmonics=3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def layouts(n=2, n_sensors=11, seed=0):
    return torch.rand(n, n_sensors, 2, generator=generator(seed))


def module_and_batch(shape=SMALL, seed=0):
    """In double precision; 7 windows of 3 subjects in 2 layouts."""
    rng = generator(seed)
    model = BrainModule(3, layouts(), shape, rng).double()
    x = torch.randn(7, 11, 40, generator=rng, dtype=torch.float64)
    return model, x, torch.randint(3, (7,), generator=rng), torch.randint(2, (7,), generator=rng)


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("n_subjects", "n_sensors", "n_parameters"),
    [(27, 208, 9_565_054), (96, 273, 14_595_154), (19, 128, 8_981_854), (33, 60, 10_002_454)],
)
def test_parameters_are_as_many_as_published(n_subjects, n_sensors, n_parameters):
    model = BrainModule(n_subjects, layouts(1, n_sensors), BrainShape(1024))
    assert count(model) == n_parameters == 7_596_754 + 72_900 * n_subjects


def test_ablations_take_away_what_they_name():
    d1, d2, f, n = 6, 8, 5, 3
    full = count(module_and_batch()[0])

    def left_out(**changes):
        return full - count(BrainModule(n, layouts(), BrainShape(f, d1, d2, 2, 3, **changes)))

    assert left_out(subject="none") == n * d1**2
    assert left_out(subject="embedding") == n * d1**2 - n * EMBEDDING - 3 * EMBEDDING * d2
    assert left_out(spatial_attention=False) == 2 * 3**2 * d1 - (11 - d1) * d1
    assert left_out(initial_conv=False) == d1**2 + d1
    assert left_out(glu=False) == 2 * (3 * d2 * 2 * d2 + 2 * d2)
    assert left_out(final_convs=False) == (d2 * 2 * d2 + 2 * d2) + (2 * d2 * f + f) - (d2 * f + f)
    assert left_out(skip=False) == left_out(activation="relu") == left_out(dropout_radius=0) == 0


@pytest.mark.parametrize("n_blocks", [1, 2, 5])
@pytest.mark.parametrize("training", [True, False])
def test_it_computes_what_the_plain_module_computes(n_blocks, training):
    model, x, subject, layout = module_and_batch(BrainShape(5, 6, 8, n_blocks, 3, dropout_radius=0.3))
    peer = PlainBrainModule(3, model.shape).double()
    peer.copy_from(model)
    place = torch.rand(2, generator=torch.Generator().set_state(model.places.get_state()))
    model.train(training)
    peer.train(training)
    z = model(x, subject, layout)
    expected = peer(x, subject, layouts()[layout].double(), place.double() if training else None)
    torch.testing.assert_close(z, expected, rtol=1e-5, atol=1e-6)  # the features are in single precision
    assert z.std(2).max() > 1e-3
    weights = torch.randn(z.shape, generator=generator(), dtype=z.dtype)
    (z * weights).sum().backward()
    (expected * weights).sum().backward()
    for other, mine in peer.ours(model):
        torch.testing.assert_close(mine.grad.view_as(other), other.grad, rtol=1e-4, atol=1e-4)


def test_ablated_modules_run_and_differ():
    outputs = []
    for change in (
        {}, {"subject": "none"}, {"subject": "embedding"},
        {"spatial_attention": False}, {"initial_conv": False},
        {"activation": "relu"}, {"skip": False}, {"glu": False}, {"final_convs": False},
        {"spatial_attention": False, "initial_conv": False},
    ):  # fmt: skip
        model, x, subject, layout = module_and_batch(BrainShape(5, 6, 8, 2, 3, 0.0, **change))
        z = model(x, subject, layout)
        z.square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        outputs.append(z.detach())
        assert z.shape == (7, 5, 40)
        model.eval()
        z = torch.cat([model(w[None], torch.tensor([2]), 1) for w in x])
        torch.testing.assert_close(encode(model, x, 2, 1, batch=3), z)
    flat = torch.stack(outputs).flatten(1)
    assert torch.cdist(flat, flat).fill_diagonal_(math.inf).min() > 0.1


def test_receptive_field_is_135_samples():
    # 1 + 2 * (1 + 2 + 4 + 8 + 16) twice over + 2 * 5 gated convolutions
    model = BrainModule(1, layouts(1), BrainShape(2, 3, 4, 5, 2, activation="relu", skip=False)).double()
    for p in model.parameters():
        p.data.fill_(0.1)  # all paths add up; the outermost is one of about 10^5
    x = torch.rand(1, 11, 301, dtype=torch.float64, requires_grad=True)
    model.eval()(x, torch.tensor([0]), 0)[0, :, 150].sum().backward()
    influence = x.grad[0].sum(0)
    (touched,) = (influence > 1e-9 * influence.max()).nonzero(as_tuple=True)
    assert touched.tolist() == list(range(150 - 67, 150 + 68))


def test_subjects_differ_and_windows_of_others_do_not_matter_in_evaluation():
    model, x, subject, layout = module_and_batch()
    model.eval()
    z = model(x, subject, layout)
    torch.testing.assert_close(model(x[2:3], subject[2:3], layout[2:3]), z[2:3])
    torch.testing.assert_close(model(x[2:3], subject[2:3], int(layout[2])), z[2:3])
    assert (model(x, (subject + 1) % 3, layout) - z).abs().amax((1, 2)).min() > 1e-3
    assert (model(x, subject, 1 - layout) - z).abs().amax((1, 2)).min() > 1e-4


def test_attention_of_one_harmonic_is_the_mean_of_the_sensors():
    # k = l = 0 only: every place has the same score.
    xy = layouts(1)
    xy[0, 3] = math.nan
    model = BrainModule(1, xy, BrainShape(2, 4, 4, 1, harmonics=1))
    weights = model.attention(0)
    expected = torch.full((4, 11), 1 / 10)
    expected[:, 3] = 0
    torch.testing.assert_close(weights.detach(), expected)


def test_attention_is_the_softmax_of_the_papers_series():
    """eq-speech-attention: against loops over sensors and harmonics."""
    model, *_ = module_and_batch()
    weight = model.attention_weight.detach().double().numpy()
    scores = np.zeros((6, 11))
    for i, (x, y) in enumerate(layouts()[1].double().numpy()):
        for k in range(3):
            for m in range(3):
                angle = 2 * math.pi * (k * (x + 0.2) + m * (y + 0.2)) / 1.4
                scores[:, i] += weight[:, 3 * k + m] * math.cos(angle)
                scores[:, i] += weight[:, 9 + 3 * k + m] * math.sin(angle)
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(model.attention(1).detach().numpy(), expected, rtol=1e-5)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_fourier_features_repeat_after_the_period_and_lie_on_a_circle(x, y, harmonics):
    xy = torch.tensor([[x, y], [x + 1.4, y], [x, y - 1.4]], dtype=torch.float64)
    features = fourier_features(xy, harmonics)
    assert features.shape == (3, 2 * harmonics**2)
    torch.testing.assert_close(features[1:], features[:1].expand(2, -1), rtol=0, atol=1e-9)
    cos, sin = features.chunk(2, 1)
    torch.testing.assert_close(cos**2 + sin**2, torch.ones_like(cos))


def test_spatial_dropout_leaves_out_the_sensors_around_one_place_a_batch():
    xy = layouts(1, 60)
    model = BrainModule(2, xy, BrainShape(5, 6, 8, 1, 3, dropout_radius=0.3), generator(4))
    place = torch.rand(2, generator=torch.Generator().set_state(model.places.get_state()))
    x = torch.randn(4, 60, 30, requires_grad=True)
    model(x, torch.tensor([0, 1, 1, 0]), 0).square().sum().backward()
    near = (xy[0] - place).norm(dim=1) < 0.3
    assert 0 < near.sum() < 60
    assert (x.grad[:, near] == 0).all()
    assert (x.grad[:, ~near].abs().amax(2) > 0).all()
    x.grad = None
    model(x, torch.tensor([0, 1, 1, 0]), 0).square().sum().backward()
    assert not torch.equal((x.grad == 0).all(2).all(0), near)  # another place
    x.grad = None
    model.eval()(x, torch.tensor([0, 1, 1, 0]), 0).square().sum().backward()
    assert (x.grad.abs().amax(2) > 0).all()


def test_the_generator_decides_and_the_global_one_is_left():
    state = torch.get_rng_state()
    one, two, other = (module_and_batch(seed=s) for s in (1, 1, 2))
    outputs = [[m(*batch) for _ in range(3)] for m, *batch in (one, two, other)]
    assert torch.equal(torch.get_rng_state(), state)
    for a, b, c in zip(*outputs, strict=True):
        assert torch.equal(a, b)
        assert not torch.allclose(a, c)
    assert not torch.allclose(outputs[0][0], outputs[0][1])  # spatial dropout


@pytest.mark.parametrize("subject", ["layer", "embedding", "none"])
def test_the_front_folds_into_one_matrix(subject):
    model, x, *_ = module_and_batch(BrainShape(5, 6, 8, 1, 3, subject=subject))
    matrix, bias = fold_front(model, 2, 1)
    assert model.training
    assert matrix.shape == (6 + EMBEDDING * (subject == "embedding"), 11)
    y = torch.einsum("ji,cit->cjt", model.attention(1).detach(), x)
    y = torch.einsum("ji,cit->cjt", model.initial.weight, y) + model.initial.bias[:, None]
    if subject == "layer":
        y = torch.einsum("ji,cit->cjt", model.subject_layer[2], y)
    elif subject == "embedding":
        y = torch.cat([y, model.subject_embedding[2][:, None].expand(7, -1, 40)], 1)
    torch.testing.assert_close(matrix @ x + bias[:, None], y.detach())


def test_encoding_is_the_module_in_evaluation_mode():
    model, x, subject, layout = module_and_batch()
    for _ in range(3):
        model(x, subject, layout)  # running statistics
    z = encode(model, x, 1, 0, batch=3)
    assert model.training
    assert not z.requires_grad
    model.eval()
    torch.testing.assert_close(z, model(x, torch.ones_like(subject), 0).detach())


def test_deep_mel_is_the_stack_alone():
    model = DeepMel(n_mels=80)
    # ten dilated convolutions with norms, five gated, two last ones
    dilated = (80 + 9 * 320) * 320 * 3 + 10 * 3 * 320
    gated, last = 5 * (320 * 640 * 3 + 640), 320 * 640 + 640 + 640 * 768 + 768
    assert count(model) == dilated + gated + last
    small = DeepMel(4, n_outputs=3, n_hidden=8, n_blocks=1)
    x = torch.randn(2, 4, 50)
    y = x
    for one in small.layers[:2]:
        new = torch.relu(one.norm(one.conv(y)))
        y = new if y is x else y + new
    a, b = torch.nn.Conv1d.forward(small.layers[2], y).chunk(2, 1)
    y = (a * b.sigmoid()).mT
    expected = (torch.relu(y @ small.last[0].weight.T + small.last[0].bias) @ small.last[2].weight.T).mT
    torch.testing.assert_close(small(x), expected + small.last[2].bias[:, None], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d1": 0}, "at least 1"),
        ({"dropout_radius": 1.0}, "dropout_radius 1.0"),
        ({"subject": "matrix"}, "subject 'matrix'"),
        ({"activation": "tanh"}, "activation 'tanh'"),
    ],
)
def test_wrong_shapes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        BrainShape(5, **change)


@pytest.mark.parametrize(
    ("xy", "message"),
    [
        (torch.rand(11, 2), r"layouts \(11, 2\)"),
        (torch.full((1, 4, 2), math.nan), "layout 0: needs positions"),
        (torch.tensor([[[0.0, 0.0], [2.0, 1.0]]]), "scale each axis"),
        (torch.rand(2, 5, 2) * 0.4, "could leave out all sensors"),
    ],
)
def test_wrong_layouts_are_refused(xy, message):
    with pytest.raises(ValueError, match=message):
        BrainModule(1, xy, SMALL)
