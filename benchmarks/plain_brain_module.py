"""The brain module written module by module, as one reads it in the paper: the peer of `brain_module`.

Attention is evaluated for every window with its Fourier features, the subject's matrix is gathered for every
window, and all else is a torch module, channels first.
"""

import math

import torch
from torch import Tensor, nn

from crossroads.models.brain_module import BrainModule, BrainShape

PERIOD, MARGIN = 1.4, 0.2


class PlainBrainModule(nn.Module):
    """The paper's form (no ablation); `place` (2,) is the middle of the spatial dropout, None: no dropout."""

    def __init__(self, n_subjects: int, shape: BrainShape) -> None:
        super().__init__()
        d1, d2, n_weights = shape.d1, shape.d2, 2 * shape.harmonics**2
        self.shape = shape
        self.heads = nn.Parameter(torch.randn(d1, n_weights) / n_weights**0.5)
        self.initial = nn.Conv1d(d1, d1, 1)
        self.subjects = nn.Parameter(torch.randn(n_subjects, d1, d1) / d1**0.5)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "conv_1": _dilated(d2 if k else d1, d2, 2 ** (2 * k % 5)),
                    "norm_1": nn.BatchNorm1d(d2),
                    "conv_2": _dilated(d2, d2, 2 ** ((2 * k + 1) % 5)),
                    "norm_2": nn.BatchNorm1d(d2),
                    "gated": nn.Conv1d(d2, 2 * d2, 3, padding=1),
                }
            )
            for k in range(shape.n_blocks)
        )
        self.last = nn.Sequential(nn.Conv1d(d2, 2 * d2, 1), nn.GELU(), nn.Conv1d(2 * d2, shape.n_outputs, 1))
        self.gelu, self.glu = nn.GELU(), nn.GLU(dim=1)

    def forward(self, x: Tensor, subject: Tensor, xy: Tensor, place: Tensor | None = None) -> Tensor:
        """x (B, C, T), subject (B,), positions xy (B, C, 2) of each window's sensors, to (B, F, T)."""
        return self.convolve(self.front(x, subject, xy, place))

    def front(self, x: Tensor, subject: Tensor, xy: Tensor, place: Tensor | None = None) -> Tensor:
        """Attention, 1x1 convolution and subject layer: (B, C, T) to (B, d1, T)."""
        k = torch.arange(self.shape.harmonics)
        x_1, y_1 = (2 * math.pi / PERIOD * (xy + MARGIN))[..., None, None].unbind(2)
        angle = (k[:, None] * x_1 + k * y_1).flatten(2)
        embedding = torch.cat([angle.cos(), angle.sin()], -1)
        scores = torch.einsum("bce,oe->boc", embedding, self.heads)
        if place is not None:
            near = (xy - place).norm(dim=-1) < self.shape.dropout_radius
            scores = scores.masked_fill(near[:, None], -math.inf)
        x = torch.einsum("boc,bct->bot", scores.softmax(-1), x)
        return torch.einsum("bji,bit->bjt", self.subjects[subject], self.initial(x))

    def convolve(self, x: Tensor) -> Tensor:
        """Blocks and last convolutions: (B, d1, T) to (B, F, T)."""
        for k, block in enumerate(self.blocks):
            y = self.gelu(block["norm_1"](block["conv_1"](x)))
            x = y if k == 0 else x + y
            x = x + self.gelu(block["norm_2"](block["conv_2"](x)))
            x = self.glu(block["gated"](x))
        return self.last(x)

    def ours(self, model: BrainModule) -> list[tuple[Tensor, Tensor]]:
        """Its parameters beside those of `model` which stand for the same, without the axis of 1x1 taps."""
        pairs = [(self.heads, model.attention_weight), (self.subjects, model.subject_layer)]
        for k, block in enumerate(self.blocks):
            one, two, gated = model.stack.layers[3 * k : 3 * k + 3]
            others = one.conv, two.conv, one.norm, two.norm, gated
            for name, other in zip(("conv_1", "conv_2", "norm_1", "norm_2", "gated"), others, strict=True):
                pairs += zip(block[name].parameters(), other.parameters(), strict=True)
        last = model.stack.last
        for mine, other in (self.initial, model.initial), (self.last[0], last[0]), (self.last[2], last[2]):
            pairs += [(mine.weight, other.weight), (mine.bias, other.bias)]
        return pairs

    @torch.no_grad()
    def copy_from(self, model: BrainModule) -> None:
        """Take over weights and running statistics."""
        for mine, other in self.ours(model):
            mine.copy_(other.view_as(mine))
        for k, block in enumerate(self.blocks):
            for i in (0, 1):
                block[f"norm_{i + 1}"].load_state_dict(model.stack.layers[3 * k + i].norm.state_dict())


def _dilated(n_in: int, n_out: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(n_in, n_out, 3, padding=dilation, dilation=dilation)
