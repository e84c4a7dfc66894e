"""The brain module of Defossez et al. (2023), a convolutional network from M/EEG to features of speech.

Layers, sizes and initial weights are those of the published configuration; see `BrainModule`. Windows are
(B, C, T): windows, sensors, samples. Inside, channels come last, so that products, sums and the gate all run
along the memory, and convolutions on a CPU take half the multiplications (`fast_convolutions`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossroads.models.fast_convolutions import ACTIVATIONS, GatedConvolution, NormedConvolution

MARGIN, PERIOD = 0.2, 1.4  # of the Fourier features: the margin keeps both ends of a layout apart
EMBEDDING = 64  # numbers a subject has where an embedding stands in for the subject layer
SUBJECT = "layer", "embedding", "none"


@dataclass(frozen=True)
class BrainShape:
    """Sizes of a brain module and the parts of it that an ablation takes away; defaults are the paper's.

    n_outputs : F, speech features a sample.
    d1, d2 : channels after the spatial attention, and in the blocks.
    n_blocks : of two dilated convolutions and a gated one.
    harmonics : K, Fourier harmonics an axis of the attention.
    dropout_radius : of the spatial dropout, in units of the layout's sides; 0: none.
    subject : "layer", a matrix for every subject; "embedding", 64 numbers for every subject beside the d1
        channels, the same at all times; "none".
    spatial_attention : without it the sensors themselves are the inputs of the initial convolution (our
        choice; the source gives only the ablation's name).
    initial_conv, skip, glu : without: none.
    final_convs : without them, one 1x1 convolution from d2 to F (our choice again).

    Raises
    ------
    ValueError : a size below 1, a radius outside [0, 1), or an unknown subject or activation.
    """

    n_outputs: int
    d1: int = 270
    d2: int = 320
    n_blocks: int = 5
    harmonics: int = 32
    dropout_radius: float = 0.2
    subject: str = "layer"
    spatial_attention: bool = True
    initial_conv: bool = True
    activation: str = "gelu"
    skip: bool = True
    glu: bool = True
    final_convs: bool = True

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("n_outputs", "d1", "d2", "n_blocks", "harmonics")}
        if min(sizes.values()) < 1:
            raise ValueError(f"sizes of a brain module must be at least 1; they are {sizes}")
        if not 0 <= self.dropout_radius < 1:
            raise ValueError(f"dropout_radius {self.dropout_radius}: must be in [0, 1), 0 for no dropout")
        if self.subject not in SUBJECT or self.activation not in ACTIVATIONS:
            raise ValueError(
                f"subject {self.subject!r}, activation {self.activation!r}: "
                f"must be one of {SUBJECT} and one of {tuple(ACTIVATIONS)}"
            )


class BrainModule(nn.Module):
    """Windows (B, C, T) of subjects (B,) to features (B, F, T).

    1. Spatial attention: output j is the mean of the sensors weighted by softmax_i a_j(x_i, y_i), a_j a
       Fourier series of the flat layout (`fourier_features`). Spatial dropout leaves out, in training, all
       sensors within a radius of one random place a batch.
    2. 1x1 convolution, d1 to d1. 3. A matrix for each subject, without bias.
    4. Blocks and 5. last convolutions: `ConvStack`.

    Parameters
    ----------
    n_subjects : number of matrices or embeddings.
    layouts : (n_layouts, C, 2) positions of the sensors, each axis from 0 to 1; NaN: unknown, or a channel
        that only fills up, to which the attention gives no weight.
    shape : sizes.
    generator : gives the weights, by torch's default rules, and later the places of the spatial dropout;
        None: torch's global generator, once.

    Raises
    ------
    ValueError : layouts of another form, positions outside [0, 1], a layout that spatial dropout could empty.
    """

    layouts: Tensor
    features: Tensor

    def __init__(
        self, n_subjects: int, layouts: Tensor, shape: BrainShape, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        _check(n_subjects, layouts, shape)
        self.shape = shape
        seed = int(torch.randint(2**62, (), generator=generator))
        self.places = torch.Generator().manual_seed(seed)
        self.register_buffer("layouts", layouts.float(), persistent=False)
        width = layouts.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if shape.spatial_attention:
                features = torch.stack([fourier_features(xy, shape.harmonics) for xy in layouts.float()])
                self.register_buffer("features", features, persistent=False)
                n_weights = features.shape[-1]
                self.attention_weight = nn.Parameter(torch.randn(shape.d1, n_weights) / n_weights**0.5)
                width = shape.d1
            if shape.initial_conv:
                self.initial = nn.Linear(width, shape.d1)  # at every time: a 1x1 convolution
                width = shape.d1
            if shape.subject == "layer":
                matrices = torch.randn(n_subjects, width, width) / width**0.5
                self.subject_layer = nn.Parameter(matrices)
            elif shape.subject == "embedding":
                self.subject_embedding = nn.Parameter(torch.randn(n_subjects, EMBEDDING))
                width += EMBEDDING
            self.stack = ConvStack(
                width,
                shape.d2,
                shape.n_outputs,
                shape.n_blocks,
                shape.activation,
                skip=shape.skip,
                glu=shape.glu,
                final_convs=shape.final_convs,
            )

    def forward(self, x: Tensor, subject: Tensor, layout: Tensor | int) -> Tensor:
        """x (B, C, T), subject (B,), layout (B,) or one for all, both long, to (B, F, T)."""
        matrix, bias = self._front(subject, layout)
        return self.stack(torch.baddbmm(bias.mT, x.mT, matrix.mT.expand(len(x), -1, -1)).mT)

    def attention(self, layout: int) -> Tensor:
        """Weights (d1, C) of the sensors for every output, without dropout; rows sum to 1."""
        return self._softmax(torch.tensor([layout]), None)[0]

    def _softmax(self, layout: Tensor, place: Tensor | None) -> Tensor:
        """(n, d1, C) weights in each of n layouts, without the sensors near `place` (2,).

        The softmax of eq-speech-attention.
        """
        lost = self.layouts[layout].isnan().any(-1)
        if place is not None:
            near = (self.layouts[layout] - place).square().sum(-1) < self.shape.dropout_radius**2
            lost = lost | near
        scores = self.attention_weight @ self.features[layout].mT
        return scores.masked_fill(lost[:, None], -math.inf).softmax(-1)

    def _front(self, subject: Tensor, layout: Tensor | int) -> tuple[Tensor, Tensor]:
        """The linear part before the blocks: matrices (B, width, C) or one for all, biases (B, width, 1).

        Nothing in it is bent, so the matrices are multiplied with each other before they meet the windows;
        the softmax is taken once a layout, not once a window.
        """
        shape = self.shape
        if isinstance(layout, int):
            kinds, which = torch.full_like(subject[:1], layout), torch.zeros_like(subject)
        else:
            kinds, which = layout.unique(return_inverse=True)
        if shape.spatial_attention:
            place = None
            if self.training and shape.dropout_radius:
                place = torch.rand(2, generator=self.places).to(self.layouts, non_blocking=True)
            matrix = self._softmax(kinds, place)
        else:
            matrix = self.layouts.new_ones(self.layouts.shape[1]).diag()[None]
        bias = matrix.new_zeros(matrix.shape[1], 1)
        if shape.initial_conv:
            matrix, bias = self.initial.weight @ matrix, self.initial.bias[:, None]
        # One layout is the rule: its matrix serves all windows, in one product with all of theirs.
        matrix = matrix[which] if len(matrix) > 1 else matrix[0]
        bias = bias.expand(len(subject), -1, 1)
        if shape.subject == "layer":
            own = self.subject_layer[subject]
            matrix, bias = own @ matrix, own @ bias
        elif shape.subject == "embedding":
            matrix = functional.pad(matrix, (0, 0, 0, EMBEDDING))
            bias = torch.cat([bias, self.subject_embedding[subject][..., None]], 1)
        return matrix, bias


class ConvStack(nn.Module):
    """Blocks of dilated convolutions and the last 1x1 convolutions, (B, n_in, T) to (B, n_out, T).

    Block k: twice a convolution of 3 taps with dilation 2^(2k mod 5), then 2^((2k+1) mod 5), batch
    normalisation, activation and, except where the very first goes from n_in to n_hidden, the input added;
    then a convolution of 3 taps to 2 n_hidden channels, one half of which gates the other. After the blocks:
    1x1 to 2 n_hidden, activation, 1x1 to n_out. Zeros are put at both ends, T remains.
    """

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        n_out: int,
        n_blocks: int,
        activation: str,
        *,
        skip: bool = True,
        glu: bool = True,
        final_convs: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(2 * n_blocks):
            width = n_hidden if i else n_in
            layers.append(NormedConvolution(width, n_hidden, 2 ** (i % 5), activation, skip=skip and i > 0))
            if i % 2 and glu:
                layers.append(GatedConvolution(n_hidden, n_hidden))
        self.layers = nn.Sequential(*layers)
        last: list[nn.Module] = [nn.Linear(n_hidden, n_out)]  # at every time: a 1x1 convolution
        if final_convs:
            bend = ACTIVATIONS[activation][0]()
            last = [nn.Linear(n_hidden, 2 * n_hidden), bend, nn.Linear(2 * n_hidden, n_out)]
        self.last = nn.Sequential(*last)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layers(x.mT)).mT


class DeepMel(ConvStack):
    """Mel bands (B, n_mels, T) to learned features (B, n_outputs, T), trained together with a brain module.

    Ten convolutions in five blocks, those of the brain module with ReLU.
    """

    def __init__(self, n_mels: int, n_outputs: int = 768, n_hidden: int = 320, n_blocks: int = 5) -> None:
        super().__init__(n_mels, n_hidden, n_outputs, n_blocks, "relu")


def fourier_features(xy: Tensor, harmonics: int) -> Tensor:
    """Positions (C, 2) to (C, 2 K^2): cos, then sin, of 2 pi (k x' + l y') / 1.4, with x' = x + 0.2.

    k and l run from 0 to K - 1, l faster. Rows of unknown positions are 0. Equation eq-speech-attention is a
    weighted sum of these.
    """
    k = torch.arange(harmonics).to(xy)
    x, y = ((2 * math.pi / PERIOD) * (xy.nan_to_num() + MARGIN)).unbind(-1)
    angle = (x[:, None, None] * k[:, None] + y[:, None, None] * k).flatten(1)
    return torch.cat([angle.cos(), angle.sin()], 1) * ~xy.isnan().any(-1, keepdim=True)


@torch.no_grad()
def fold_front(module: BrainModule, subject: int, layout: int) -> tuple[Tensor, Tensor]:
    """What lies before the blocks, for one recording, as one matrix (width, C) and bias (width,).

    Attention (without dropout), 1x1 convolution and subject layer: the three are linear. Width is d1, and
    `EMBEDDING` more where there is an embedding, which the bias then holds.
    """
    training = module.training
    matrix, bias = module.eval()._front(torch.tensor([subject], device=module.layouts.device), layout)
    module.train(training)
    return matrix.flatten(0, -2), bias.flatten()


@torch.no_grad()
def encode(module: BrainModule, x: Tensor, subject: int, layout: int, batch: int = 64) -> Tensor:
    """Windows (N, C, T) of a recording to (N, F, T), `batch` at once: evaluation mode, the front folded."""
    training = module.training
    matrix, bias = fold_front(module.eval(), subject, layout)
    parts = [module.stack((part.mT @ matrix.T + bias).mT) for part in x.split(batch)]
    module.train(training)
    return torch.cat(parts)


def _check(n_subjects: int, layouts: Tensor, shape: BrainShape) -> None:
    if layouts.ndim != 3 or layouts.shape[-1] != 2 or not layouts.numel() or n_subjects < 1:
        raise ValueError(
            f"layouts {tuple(layouts.shape)} for {n_subjects} subjects: need (n_layouts, C, 2) and 1 subject"
        )
    for i, xy in enumerate(layouts):
        known = xy[~xy.isnan().any(-1)]
        if not len(known) or known.min() < 0 or known.max() > 1:
            raise ValueError(f"layout {i}: needs positions from 0 to 1; scale each axis to that range")
        extent = float((known.amax(0) - known.amin(0)).max())
        if shape.spatial_attention and extent <= 2 * shape.dropout_radius:
            raise ValueError(
                f"layout {i}: spatial dropout of radius {shape.dropout_radius} could leave out all sensors, "
                f"which are within {extent:.2f}; use a smaller radius"
            )
