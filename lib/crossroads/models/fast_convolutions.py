"""Convolutions of 3 taps on a CPU with half the multiplications, and what follows each in the brain module.

Winograd's F(4, 3) (Lavin & Gray, CVPR 2016) in plain torch: 4 outputs, a dilation apart, from 6 products
instead of 12. A tile of 6 inputs goes to 6 points, V = B^T x; at each point stands a matrix product of its
own, M = V (G w); 4 outputs come back, y = A^T M. Gradients are the transposes of the three, with the same
saving. The error is about that of a direct convolution. The batch is worked off in parts that stay in the
cache with their tiles.

New memory costs as much as what is computed in it, so layers are functions with gradients of their own: no
tensor of the batch's size is made that is not an output or needed for the gradient, which makes the tiles and
the input of the activation again. Windows are (B, T, n), channels last. Where that saves nothing, in narrow
layers and elsewhere than on a CPU, the same is composed of torch's own functions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NARROW = 128  # channels; with fewer, tiles cost more than the products they save
PART = 2**18  # numbers of x or y in a part: 1 MB in single precision, the size of a core's cache
# Evaluation of a kernel of 3 taps at the points 0, 1, -1, 2, -2 and infinity, scaled: the G of Lavin & Gray.
TO_POINTS = (
    torch.tensor(
        [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
    )
    / 24
)
_aten = torch.ops.aten
ACTIVATIONS: dict[str, tuple[Any, Any, Any]] = {  # name: (module, in place, gradient into `grad_input`)
    "gelu": (nn.GELU, _aten.gelu_, _aten.gelu_backward.grad_input),
    "relu": (
        nn.ReLU,
        _aten.relu_,
        lambda grad, u, grad_input: _aten.threshold_backward.grad_input(grad, u, 0, grad_input=grad_input),
    ),
}


class NormedConvolution(nn.Module):
    """(B, T, n_in) to (B, T, n_out): activation of the normalised convolution, plus the input if `skip`.

    Three taps, `dilation` samples apart, zeros around; batch normalisation over windows and time; activation
    by its name in `ACTIVATIONS`. `skip` needs n_in = n_out.
    """

    def __init__(self, n_in: int, n_out: int, dilation: int, activation: str, skip: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(n_out)
        self.dilation, self.activation, self.skip = dilation, activation, skip

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self.conv, self.norm
        if _saves_nothing(x):
            return self.composed(x)
        if norm.training and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        running = norm.running_mean, norm.running_var, norm.training, norm.momentum, norm.eps
        options = self.dilation, self.activation, self.skip, torch.is_grad_enabled()
        return _Normed.apply(x, conv.weight, conv.bias, norm.weight, norm.bias, running, *options)

    def composed(self, x: Tensor) -> Tensor:
        """The same by torch's own functions."""
        y = getattr(functional, self.activation)(self.norm(self.conv(x.mT)).mT)
        return x + y if self.skip else y


class GatedConvolution(nn.Conv1d):
    """(B, T, n_in) to (B, T, n_out): gated linear unit of a convolution of three taps with zeros around."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, 2 * n_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if _saves_nothing(x):
            return self.composed(x)
        return _Gated.apply(x, self.weight, self.bias, torch.is_grad_enabled())

    def composed(self, x: Tensor) -> Tensor:
        """The same by torch's own functions."""
        return functional.glu(super().forward(x.mT), 1).mT


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, gain, shift, running, dilation, activation, skip, keep):  # type: ignore[no-untyped-def]
        x, kernel = x.contiguous(), _kernel(weight)
        y = x.new_empty(*x.shape[:2], len(weight))
        n = _windows_in_part(x, kernel)
        for x_part, y_part in zip(x.split(n), y.split(n), strict=True):
            _convolve(x_part, kernel, bias, dilation, y_part)
        mean, var, training, momentum, eps = running
        out = torch.empty_like(y) if keep else y
        size = len(weight) if training else 0  # in evaluation none are made
        statistics = y.new_empty(size), y.new_empty(size)
        torch.native_batch_norm(
            y.flatten(0, 1),
            gain,
            shift,
            mean,
            var,
            training,
            momentum,
            eps,
            out=(out.flatten(0, 1), *statistics),
        )
        ACTIVATIONS[activation][1](out)
        if skip:
            out += x
        if keep:
            mean, scale = statistics if training else (mean, (var + eps).rsqrt())
            ctx.save_for_backward(x, y, kernel, gain, shift, mean, scale)
            ctx.n, ctx.dilation, ctx.activation, ctx.skip, ctx.training = (
                n,
                dilation,
                activation,
                skip,
                training,
            )
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        x, y, kernel, gain, shift, mean, scale = ctx.saved_tensors
        differentiate = ACTIVATIONS[ctx.activation][2]
        grad = grad.contiguous()
        u_grad, gain_grad, shift_grad = torch.empty_like(y), torch.zeros_like(gain), torch.zeros_like(gain)
        for y_part, grad_part, u_grad_part in zip(
            y.split(ctx.n), grad.split(ctx.n), u_grad.split(ctx.n), strict=True
        ):
            centred = y_part - mean
            differentiate(grad_part, torch.addcmul(shift, centred, scale * gain), grad_input=u_grad_part)
            shift_grad += u_grad_part.sum((0, 1))
            gain_grad += centred.mul_(u_grad_part).sum((0, 1)) * scale
        # The gradient before the normalisation is a u_grad + b y + c with these numbers a channel.
        a = scale * gain
        b = c = torch.zeros_like(a)
        if ctx.training:
            n_samples = y.shape[0] * y.shape[1]
            b = -a * scale * gain_grad / n_samples
            c = -a * shift_grad / n_samples - b * mean
        x_grad = u_grad if x.shape == y.shape else torch.empty_like(x)  # a part is read before it is written
        kernel_grad, bias_grad = torch.zeros_like(kernel), torch.zeros_like(gain)
        for x_part, y_part, grad_part, u_grad_part, x_grad_part in zip(
            *(whole.split(ctx.n) for whole in (x, y, grad, u_grad, x_grad)), strict=True
        ):
            y_grad_part = torch.addcmul(c, u_grad_part, a).addcmul_(y_part, b)
            _back(x_part, y_grad_part, kernel, ctx.dilation, kernel_grad, bias_grad, x_grad_part)
            if ctx.skip:
                x_grad_part += grad_part
        weight_grad = _weight_gradient(kernel_grad)
        return x_grad, weight_grad, bias_grad, gain_grad, shift_grad, None, None, None, None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, keep):  # type: ignore[no-untyped-def]
        x, kernel = x.contiguous(), _kernel(weight)
        n = _windows_in_part(x, kernel)
        y = x.new_empty(len(x) if keep else min(n, len(x)), x.shape[1], len(weight))
        out = x.new_empty(*x.shape[:2], len(weight) // 2)
        for i, (x_part, out_part) in enumerate(zip(x.split(n), out.split(n), strict=True)):
            y_part = y[i * n : (i + 1) * n] if keep else y[: len(x_part)]
            _convolve(x_part, kernel, bias, 1, y_part)
            _aten.glu.out(y_part, -1, out=out_part)
        if keep:
            ctx.save_for_backward(x, y, kernel)
            ctx.n = n
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        x, y, kernel = ctx.saved_tensors
        x_grad, kernel_grad = torch.empty_like(x), torch.zeros_like(kernel)
        bias_grad = grad.new_zeros(kernel.shape[2])
        for x_part, y_part, grad_part, x_grad_part in zip(
            *(whole.split(ctx.n) for whole in (x, y, grad.contiguous(), x_grad)), strict=True
        ):
            y_grad_part = _aten.glu_backward(grad_part, y_part, -1)
            _back(x_part, y_grad_part, kernel, 1, kernel_grad, bias_grad, x_grad_part)
        return x_grad, _weight_gradient(kernel_grad), bias_grad, None


def _saves_nothing(x: Tensor) -> bool:
    return x.device.type != "cpu" or x.shape[-1] < NARROW


def _kernel(weight: Tensor) -> Tensor:
    """G w: (n_out, n_in, 3) to (6, n_in, n_out)."""
    n_out, n_in, _ = weight.shape
    return (TO_POINTS.to(weight) @ weight.permute(2, 1, 0).flatten(1)).view(6, n_in, n_out)


def _weight_gradient(kernel: Tensor) -> Tensor:
    """The transpose of `_kernel`."""
    return (TO_POINTS.to(kernel).T @ kernel.flatten(1)).view(3, *kernel.shape[1:]).permute(2, 1, 0)


def _windows_in_part(x: Tensor, kernel: Tensor) -> int:
    return max(1, PART // (x.shape[1] * max(kernel.shape[1:])))


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor, dilation: int, y: Tensor) -> None:
    """Into y (B, T, n_out)."""
    products = torch.bmm(_input_tiles(x, dilation), kernel)
    products[1] += bias  # the point 1 goes to all 4 outputs with weight 1
    _outputs(products, dilation, y)


def _back(
    x: Tensor,
    y: Tensor,
    kernel: Tensor,
    dilation: int,
    kernel_grad: Tensor,
    bias_grad: Tensor,
    x_grad: Tensor,
) -> None:
    """From the gradient of y: adds to those of kernel and bias, writes that of x."""
    tiles, grads = _input_tiles(x, dilation), _output_gradients(y, dilation)
    kernel_grad.baddbmm_(tiles.mT, grads)
    bias_grad += grads[1].sum(0)
    _input_gradients(torch.bmm(grads, kernel.mT, out=tiles), dilation, x_grad)


def _input_tiles(x: Tensor, dilation: int) -> Tensor:
    """B^T x: (B, T, n) to (6, B n_tiles dilation, n)."""
    (b, t, n), d = x.shape, dilation
    n_tiles = -(-t // (4 * d))
    padded = x.new_empty(b, (n_tiles + 1) * 4 * d, n)
    padded[:, :d] = 0
    padded[:, d : d + t] = x
    padded[:, d + t :] = 0
    quarters = padded.view(b, n_tiles + 1, 4, d * n)
    x0, x1, x2, x3 = quarters[:, :-1].unbind(2)
    x4, x5 = quarters[:, 1:, 0], quarters[:, 1:, 1]
    tiles = x.new_empty(6, b, n_tiles, d * n)
    v0, v1, v2, v3, v4, v5 = tiles.unbind()
    torch.sub(x4, x2, alpha=4, out=v0)
    torch.sub(x3, x1, alpha=4, out=v5)
    torch.add(v0, v5, out=v1)
    torch.sub(v0, v5, out=v2)
    torch.sub(x4, x2, out=v0)
    torch.sub(x3, x1, out=v5)
    torch.add(v0, v5, alpha=2, out=v3)
    torch.sub(v0, v5, alpha=2, out=v4)
    v0.add_(x0, alpha=4).sub_(x2, alpha=4)
    v5.mul_(-4).add_(x5).sub_(x3)
    return tiles.view(6, -1, n)


def _outputs(products: Tensor, dilation: int, y: Tensor) -> None:
    """A^T M: (6, B n_tiles dilation, n) into y (B, T, n); overwrites M."""
    (b, t, n), d = y.shape, dilation
    m0, m1, m2, m3, m4, m5 = products.view(6, b, -1, d * n).unbind()
    whole = y.new_empty(b, m0.shape[1], 4, d * n)
    y0, y1, y2, y3 = whole.unbind(2)
    even_1, even_2 = m1 + m2, m3 + m4
    odd_1, odd_2 = m1.sub_(m2), m3.sub_(m4)
    torch.add(m0, even_1, out=y0).add_(even_2)
    torch.add(odd_1, odd_2, alpha=2, out=y1)
    torch.add(even_1, even_2, alpha=4, out=y2)
    torch.add(odd_1, odd_2, alpha=8, out=y3).add_(m5)
    y.copy_(whole.view(b, -1, n)[:, :t])


def _output_gradients(y: Tensor, dilation: int) -> Tensor:
    """A y, the transpose of `_outputs`: (B, T, n) to (6, B n_tiles dilation, n)."""
    (b, t, n), d = y.shape, dilation
    n_tiles = -(-t // (4 * d))
    padded = y.new_empty(b, n_tiles * 4 * d, n)
    padded[:, :t] = y
    padded[:, t:] = 0
    y0, y1, y2, y3 = padded.view(b, n_tiles, 4, d * n).unbind(2)
    tiles = y.new_empty(6, b, n_tiles, d * n)
    m0, m1, m2, m3, m4, m5 = tiles.unbind()
    for scale, plus, minus in (1, m1, m2), (4, m3, m4):
        torch.add(y0, y2, alpha=scale, out=m0)
        torch.add(y1, y3, alpha=scale, out=m5)
        torch.add(m0, m5, alpha=scale**0.5, out=plus)
        torch.sub(m0, m5, alpha=scale**0.5, out=minus)
    m0.copy_(y0)
    m5.copy_(y3)
    return tiles.view(6, -1, n)


def _input_gradients(tiles: Tensor, dilation: int, x: Tensor) -> None:
    """B V, the transpose of `_input_tiles`: (6, B n_tiles dilation, n) into x (B, T, n); overwrites V."""
    (b, t, n), d = x.shape, dilation
    v0, v1, v2, v3, v4, v5 = tiles.view(6, b, -1, d * n).unbind()
    even_1, even_2 = v1 + v2, v3 + v4
    odd_1, odd_2 = v1.sub_(v2), v3.sub_(v4)
    padded = x.new_empty(b, v0.shape[1] + 1, 4, d * n)
    padded[:, -1] = 0
    x0, x1, x2, x3 = padded[:, :-1].unbind(2)
    torch.mul(v0, 4, out=x0)
    torch.sub(v5, odd_1, out=x1).mul_(4).sub_(odd_2, alpha=2)
    torch.add(even_1, v0, alpha=1.25, out=x2).mul_(-4).sub_(even_2)
    torch.add(odd_1, odd_2, alpha=2, out=x3).sub_(v5, alpha=5)
    padded[:, 1:, 0] += even_1.add_(even_2).add_(v0)  # where a tile overlaps the next
    padded[:, 1:, 1] += v5
    x.copy_(padded.view(b, -1, n)[:, d : d + t])
