"""Winograd convolutions and the layers around them against torch's own and against finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.models import fast_convolutions as fast


@pytest.fixture(autouse=True)
def small_layers_are_fast_ones(monkeypatch):
    monkeypatch.setattr(fast, "NARROW", 0)


def layer_and_input(n_windows, n_samples, n_in, n_out, dilation=1, activation="gelu", skip=False, seed=0):
    torch.manual_seed(seed)
    layer = fast.NormedConvolution(n_in, n_out, dilation, activation, skip).double()
    torch.nn.init.normal_(layer.norm.weight)
    torch.nn.init.normal_(layer.norm.bias)
    x = torch.randn(n_windows, n_samples, n_in, dtype=torch.float64, requires_grad=True)
    return layer, x


def gradients(y, layer, x):
    weights = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    return torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])


@settings(max_examples=30, deadline=None)
@given(
    n_windows=st.integers(1, 5),
    n_samples=st.integers(2, 70),
    n_in=st.integers(1, 4),
    n_out=st.integers(1, 4),
    dilation=st.sampled_from([1, 2, 4, 8, 16]),
    activation=st.sampled_from(["gelu", "relu"]),
    training=st.booleans(),
    part=st.sampled_from([1, 100, 2**18]),
)
def test_normed_layers_and_their_gradients_are_those_of_torch(
    n_windows, n_samples, n_in, n_out, dilation, activation, training, part
):
    skip = n_in == n_out
    layer, x = layer_and_input(n_windows, n_samples, n_in, n_out, dilation, activation, skip)
    layer.train(training)
    other, _ = layer_and_input(n_windows, n_samples, n_in, n_out, dilation, activation, skip)
    other.train(training)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "PART", part)
        y = layer(x)
        ours = gradients(y, layer, x)
    expected = other.composed(x)
    torch.testing.assert_close(y, expected, rtol=1e-8, atol=1e-8)
    for one, two in zip(ours, gradients(expected, other, x), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)
    for one, two in zip(layer.norm.buffers(), other.norm.buffers(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_finite_differences(training):
    layer, x = layer_and_input(2, 7, 3, 3, dilation=2, skip=True)
    layer.train(training)
    # The running mean moves with every call in training, but the output does not depend on it.
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))
    gated = fast.GatedConvolution(3, 2).double()
    assert torch.autograd.gradcheck(lambda x, *_: gated(x), (x, *gated.parameters()))


def test_gated_layers_in_parts_are_those_of_torch(monkeypatch):
    torch.manual_seed(0)
    layer, x = fast.GatedConvolution(5, 3).double(), torch.randn(7, 21, 5, dtype=torch.float64)
    x.requires_grad_()
    monkeypatch.setattr(fast, "PART", 2 * 21 * 6)  # 2 windows a part, the last part has 1
    expected = layer.composed(x)
    y = layer(x)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
    for one, two in zip(gradients(y, layer, x), gradients(expected, layer, x), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-8)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)


def test_a_kernel_of_one_tap_shifts_by_the_dilation():
    layer, x = layer_and_input(1, 20, 1, 1, dilation=4, activation="relu")
    with torch.no_grad():
        layer.conv.weight[:] = torch.tensor([1.0, 0, 0])  # the tap before
        layer.conv.bias.fill_(0.5)
        layer.norm.weight.fill_(1)
        layer.norm.bias.fill_(0)
        y = layer.eval()(x.abs())[0, :, 0] * (1 + layer.norm.eps) ** 0.5
    torch.testing.assert_close(y[:4], torch.full((4,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(y[4:], x.detach().abs()[0, :-4, 0] + 0.5)


def test_single_precision_is_as_exact_as_a_direct_convolution():
    torch.manual_seed(0)
    layer, x = fast.GatedConvolution(64, 64), torch.randn(4, 100, 64)
    exact = fast.GatedConvolution(64, 64).double()
    exact.load_state_dict(layer.state_dict())
    with torch.no_grad():
        truth = exact.composed(x.double())
        ours, direct = ((y - truth).norm() / truth.norm() for y in (layer(x), layer.composed(x)))
    assert ours < 1e-6
    assert ours < 10 * direct
