"""The paper's dense convolutional encoder-decoder, from direction fields to the parameters of a metric.

The layout is that of Zhu et al. (J. Comput. Phys. 394, 2019) as the paper's published code uses it: stem,
three dense blocks, one transition down and two up, no biases, no connection around the bottleneck. One class
serves 2-D and 3-D. The network computes in float32, the metric and its loss in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from crossroads.models.metric_parameters import metric_of, n_parameters

THIN = 16  # output channels up to which a product of matrices beats cuDNN's 3-D convolution
FACTOR = 4  # by which the grid shrinks in the middle of the network
# Which parameters of a metric start at 0 to make it flat. Those of a rotation do not all: the gradient of its
# axis would vanish with the angle and that of the angle with the axis, for ever.
FLAT = {"exponential": [0, 1, 2], "rotation": [4, 5, 6], "published": [0, 1, 2, 4, 5, 6]}


class DenseEncoderDecoder(nn.Sequential):
    """Input (1, n_in, *grid) to output (1, n_out, *grid), a chain of seven named stages.

    Batch normalisation always uses the statistics of the one sample, as the published code does in training
    and (in train mode) in use: so the output hardly depends on the scale of the input, and `eval()` changes
    nothing.

    Parameters
    ----------
    n_dims : 2 or 3.
    n_in, n_out : channels; the paper has n_in = m n for m fields and n_out = 3 in 2-D, 7 in 3-D.
    blocks : layers of the three dense blocks; published are (6, 8, 6) in 2-D, (40, 30, 40) in 3-D.
    growth, n_initial : channels that each layer adds, and those after the stem.
    recompute : keep only the outputs of the layers in a block and compute the rest again for the gradient.
        Saves most of the memory, which the long 3-D blocks need, for about a third more time.
    """

    def __init__(
        self,
        n_dims: int,
        n_in: int,
        n_out: int,
        blocks: Sequence[int] = (6, 8, 6),
        growth: int = 16,
        n_initial: int = 48,
        recompute: bool = False,
    ) -> None:
        n_1 = n_initial + blocks[0] * growth
        n_2 = n_1 // 2 + blocks[1] * growth
        n_3 = n_2 // 2 + blocks[2] * growth
        stages = {
            "stem": _conv(n_dims, n_in, n_initial, 7, stride=2),
            "block_1": _DenseBlock(n_dims, n_initial, blocks[0], growth, recompute),
            "down": nn.Sequential(
                _bn_relu_conv(n_dims, n_1, n_1 // 2, 1),
                _bn_relu_conv(n_dims, n_1 // 2, n_1 // 2, 3, stride=2),
            ),
            "block_2": _DenseBlock(n_dims, n_1 // 2, blocks[1], growth, recompute),
            "up": nn.Sequential(
                _bn_relu_conv(n_dims, n_2, n_2 // 2, 1), _bn_relu_conv(n_dims, n_2 // 2, n_2 // 2, 3, scale=2)
            ),
            "block_3": _DenseBlock(n_dims, n_2 // 2, blocks[2], growth, recompute),
            "head": nn.Sequential(
                _bn_relu_conv(n_dims, n_3, n_3 // 2, 3),
                _bn_relu_conv(n_dims, n_3 // 2, n_3 // 4, 3, scale=2),
                _bn_relu_conv(n_dims, n_3 // 4, n_out, 5),
            ),
        }
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, n_in, *grid) to (1, n_out, *grid); ValueError for a side that is not a multiple of 4."""
        grid = tuple(x.shape[2:])
        if any(side % FACTOR for side in grid):
            raise ValueError(
                f"grid {grid}: every side must be a multiple of {FACTOR}; pad or crop the fields"
            )
        return super().forward(x)


class NetworkMetric(nn.Module):
    """The metric that an encoder-decoder makes of direction fields; the weights are what is fitted.

    The fields fill up with zeros to sides that are multiples of 4 and the metric is cut back (the published
    code cuts 148 x 176 back to 145 x 174 at both ends).
    """

    x: torch.Tensor

    def __init__(
        self,
        v: np.ndarray,
        kind: str,
        blocks: Sequence[int],
        generator: torch.Generator,
        *,
        zero_last: bool,
        recompute: bool = False,
    ) -> None:
        """
        Parameters
        ----------
        v : (m, n, *grid) unit directions, 0 where there are none.
        kind : of the metric's parameters, see `metric_parameters.metric_of`.
        generator : gives the weights, by torch's default rule; the global generator is left as it was.
        zero_last : start at the flat metric, with zeros in the last convolution (where `FLAT` says), instead
            of torch's rule (the published start, a rougher metric than the flat one).
        recompute : see `DenseEncoderDecoder`.
        """
        super().__init__()
        m, n, *grid = v.shape
        fill = [length for side in reversed(grid) for length in (0, -side % FACTOR)]
        x = torch.as_tensor(v, dtype=torch.float32).reshape(1, m * n, *grid)
        self.register_buffer("x", functional.pad(x, fill))
        self.n, self.kind, self.grid = n, kind, tuple(grid)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            self.network = DenseEncoderDecoder(n, m * n, n_parameters(n, kind), blocks, recompute=recompute)
        if zero_last:
            last = self.network.get_submodule("head")[-1][-1].weight  # type: ignore[index]
            with torch.no_grad():
                last[FLAT[kind]] = 0
        if n == 2:
            # A step takes a fifth to a quarter less.
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def record(self) -> None:
        """Replay the network's kernels from a CUDA graph henceforth: they end sooner than they are called."""
        # Gradients come on another stream than that of the recording, which torch would warn of.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        torch.cuda.make_graphed_callables(self.network, (self.x,))

    def forward(self) -> torch.Tensor:
        """g (n, n, *grid), float64."""
        u = self.network(self.x)[0].double()
        return metric_of(u[(..., *map(slice, self.grid))], self.n, self.kind)


def layer_table(model: DenseEncoderDecoder, grid: Sequence[int]) -> list[tuple[str, tuple[int, ...], int]]:
    """Stages with the shapes (channels, *grid) of their outputs and their numbers of parameters.

    Nothing is computed or allocated: the model may be on torch's meta device, and the grid as large as one
    likes.
    """
    channels = next(model.parameters()).shape[1]
    x = torch.empty((1, channels, *grid), device="meta")
    rows = []
    for name, stage in model.named_children():
        weights = {key: weight.to("meta") for key, weight in stage.named_parameters()}
        x = torch.func.functional_call(stage, weights, (x,))
        rows.append((name, tuple(x.shape[1:]), sum(weight.numel() for weight in weights.values())))
    return rows


class _DenseBlock(nn.ModuleList):
    """Layers each of which sees the input of the block and the outputs of all layers before it."""

    def __init__(self, n_dims: int, n_in: int, n_layers: int, growth: int, recompute: bool) -> None:
        super().__init__(_bn_relu_conv(n_dims, n_in + i * growth, growth, 3) for i in range(n_layers))
        self.recompute = recompute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [x]
        for layer in self:
            if self.recompute:
                new = checkpoint(_grow, layer, *outputs, use_reentrant=False, preserve_rng_state=False)
            else:
                new = _grow(layer, *outputs)
            outputs.append(new)
        return torch.cat(outputs, 1)


def _grow(layer: nn.Module, *outputs: torch.Tensor) -> torch.Tensor:
    return layer(torch.cat(outputs, 1))


def _bn_relu_conv(
    n_dims: int, n_in: int, n_out: int, kernel: int, stride: int = 1, scale: int = 1
) -> nn.Sequential:
    """Normalise, rectify, repeat each voxel `scale` times along each axis, convolve."""
    norm = (nn.BatchNorm2d if n_dims == 2 else nn.BatchNorm3d)(n_in, track_running_stats=False)
    larger = [nn.Upsample(scale_factor=scale)] if scale > 1 else []
    return nn.Sequential(norm, nn.ReLU(), *larger, _conv(n_dims, n_in, n_out, kernel, stride))


def _conv(n_dims: int, n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Module:
    convolution = nn.Conv2d if n_dims == 2 else _Conv3d
    return convolution(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)


class _Conv3d(nn.Conv3d):
    """torch's; on a GPU, where it makes few channels of 3 x 3 x 3 taps, by `_SumOfTaps`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        thin = self.out_channels <= THIN and self.kernel_size == (3, 3, 3) and self.stride == (1, 1, 1)
        return _SumOfTaps.apply(x, self.weight) if thin and x.is_cuda else super().forward(x)


class _SumOfTaps(torch.autograd.Function):
    """The convolution of x (1, n_in, *grid) with weights (n_out, n_in, 3, 3, 3), zeros around the grid.

    All 27 taps of all outputs are one product of matrices, large enough for the matrix units, and are then
    added up, each from its neighbour.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        taps = weight.permute(0, 2, 3, 4, 1).flatten(0, 3) @ x[0].flatten(1)
        y = taps.view(-1, 3, 3, 3, *x.shape[2:])
        for axis in (-3, -2, -1):
            behind, y, ahead = y.unbind(1)
            n = y.shape[axis] - 1
            y.narrow(axis, 1, n).add_(behind.narrow(axis, 0, n))
            y.narrow(axis, 0, n).add_(ahead.narrow(axis, 1, n))
        return y[None].clone()

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, weight = ctx.saved_tensors
        around = functional.pad(above[0][0], (1,) * 6)
        for axis, side in enumerate(x.shape[2:], 1):
            around = around.unfold(axis, side, 1)
        taps = around.reshape(-1, x[0, 0].numel())  # in reverse: what the tap behind makes goes ahead
        dx = weight.flip(2, 3, 4).permute(1, 0, 2, 3, 4).flatten(1) @ taps
        dw = (taps @ x[0].flatten(1).T).view(-1, 3, 3, 3, x.shape[1]).flip(1, 2, 3)
        return dx.view_as(x), dw.permute(0, 4, 1, 2, 3)
