"""Networks that turn a stream of features into the posture of a hand, step by step.

The paper's decoder is a recurrent network of about 1.6 million parameters; that much a review tells. Its
layers are not known to us: `AttentionDecoder` with 264 hidden units is our reading of what is recalled
(convolution, recurrent encoder and decoder with attention, linear layers).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossroads.data.nerve_session import DOFS
from crossroads.models.device import device

KERNEL = 3  # steps that the convolution sees
PAPER_HIDDEN = 264
ATTENTION_STEPS = 50  # the last second
STREAMS = 64  # decoded at once: attention holds a second for every step
State = tuple[Tensor, ...]


class Encoder(nn.Module):
    """Causal convolution over KERNEL steps, then a GRU of two layers."""

    def __init__(self, n_features: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_features, n_hidden, KERNEL)
        self.gru = nn.GRU(n_hidden, n_hidden, 2, batch_first=True, dropout=dropout)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T, H) of features (B, T, F), and the state to go on from: the last inputs, the GRU's state."""
        before = x.new_zeros(len(x), KERNEL - 1, x.shape[2]) if state is None else state[0]
        padded = torch.cat([before, x], 1)
        # As a product over windows, for a tick's few steps four times as fast as conv1d.
        windows = padded.unfold(1, KERNEL, 1).flatten(2)
        hidden = torch.relu(functional.linear(windows, self.conv.weight.flatten(1), self.conv.bias))
        out, memory = self.gru(hidden, None if state is None else state[1])
        return out, (padded[:, 1 - KERNEL :], memory)


class RecurrentDecoder(nn.Module):
    """Convolution and GRU, two linear layers: all of the past is in the state."""

    def __init__(self, n_features: int, n_hidden: int, dropout: float = 0.1, n_head: int = 64) -> None:
        super().__init__()
        self.encoder = Encoder(n_features, n_hidden, dropout)
        self.head = _head(n_hidden, n_head, dropout)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Posture (B, T, 6) of features (B, T, F), and the state to go on from."""
        hidden, state = self.encoder(x, state)
        return self.head(hidden), state


class AttentionDecoder(nn.Module):
    r"""The same encoder; additive attention over its last second, then one step of another GRU.

    .. math:: a_{ts} \propto \exp\big(v^\top \tanh(W [h_s, h_t] + b)\big), \quad
              c_t = \sum_s a_{ts} h_s, \quad y_t = \text{head}(\text{GRU}(c_t, h_t))

    Equation eq-nerve-attention. What belongs to a past step alone is kept, so that a new step costs one step.
    """

    def __init__(self, n_features: int, n_hidden: int, dropout: float = 0.1, n_head: int = 128) -> None:
        super().__init__()
        self.encoder = Encoder(n_features, n_hidden, dropout)
        self.align = nn.Linear(2 * n_hidden, n_hidden)
        self.score = nn.Linear(n_hidden, 1)
        self.step = nn.GRUCell(n_hidden, n_hidden)
        self.head = _head(n_hidden, n_head, dropout)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Posture (B, T, 6) of features (B, T, F), and the state to go on from."""
        hidden, inner = self.encoder(x, None if state is None else state[:2])
        to_past, to_now = self.align.weight.split(hidden.shape[2], 1)
        keys = functional.linear(hidden, to_past)
        empty = x.new_zeros(len(x), 0, hidden.shape[2])
        outputs, keys = (
            torch.cat([past, new], 1)
            for past, new in zip((empty, empty) if state is None else state[2:], (hidden, keys), strict=True)
        )
        # Where the second is not yet full, the first windows are padded, and the padding gets no attention.
        n_known, n_new = outputs.shape[1], x.shape[1]
        lacking = max(0, ATTENTION_STEPS - 1 + n_new - n_known)
        windows, key_windows = (
            functional.pad(a, (0, 0, lacking, 0))[:, -(ATTENTION_STEPS - 1 + n_new) :].unfold(
                1, ATTENTION_STEPS, 1
            )
            for a in (outputs, keys)
        )
        query = functional.linear(hidden, to_now, self.align.bias)
        score = self.score(torch.tanh(key_windows + query[..., None]).transpose(2, 3))[..., 0]
        place = torch.arange(n_new)[:, None] + torch.arange(ATTENTION_STEPS)
        weight = score.masked_fill((place < lacking).to(score.device), -torch.inf).softmax(-1)
        context = (windows @ weight[..., None])[..., 0]
        after = self.step(context.flatten(0, 1), hidden.flatten(0, 1)).view_as(hidden)
        recent = slice(max(0, n_known - ATTENTION_STEPS + 1), n_known)
        return self.head(after), (*inner, outputs[:, recent], keys[:, recent])


class ConvolutionalDecoder(nn.Module):
    """Three causal convolutions, 13 steps or a quarter of a second in all, and two linear layers."""

    def __init__(self, n_features: int, n_hidden: int, dropout: float = 0.1, n_head: int = 64) -> None:
        super().__init__()
        sizes = (n_features, n_hidden, n_hidden, n_hidden)
        self.convs = nn.ModuleList(nn.Conv1d(a, b, 5) for a, b in pairwise(sizes))
        self.head = _head(n_hidden, n_head, dropout)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Posture (B, T, 6) of features (B, T, F), and the last inputs."""
        reach = 4 * len(self.convs)
        before = x.new_zeros(len(x), reach, x.shape[2]) if state is None else state[0]
        padded = torch.cat([before, x], 1)
        hidden = padded.transpose(1, 2)
        for conv in self.convs:
            hidden = torch.relu(conv(hidden))
        return self.head(hidden.transpose(1, 2)), (padded[:, -reach:],)


class OneStepDecoder(nn.Module):
    """A perceptron that sees the features of one step."""

    def __init__(self, n_features: int, n_hidden: int, dropout: float = 0.1, n_head: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(n_features, n_hidden)
        self.head = _head(n_hidden, n_head, dropout)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Posture (B, T, 6) of features (B, T, F); nothing is remembered."""
        return self.head(torch.relu(self.first(x))), ()


def _head(n_hidden: int, n_head: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(n_hidden, n_head), nn.ReLU(), nn.Linear(n_head, len(DOFS))
    )


NETWORKS = {
    "recurrent": RecurrentDecoder,
    "with attention": AttentionDecoder,
    "convolutional": ConvolutionalDecoder,
    "one step": OneStepDecoder,
}


@dataclass(frozen=True)
class Fitting:
    """How a network is trained: Adam on the squared error of crops, as companion papers are recalled.

    warp : crops are played faster or slower by up to this share; 0 for none.
    """

    n_hidden: int
    epochs: int  # of `batches` minibatches
    batch: int = 38
    batches: int = 10
    crop: int = 100  # steps
    learning_rate: float = 0.005
    weight_decay: float = 1e-5
    dropout: float = 0.1
    noise: float = 0.3  # added to standardised features
    clip: float = 1.0  # of the gradient's norm
    warp: float = 0.0


def fit(
    network: nn.Module, features: np.ndarray, posture: np.ndarray, fitting: Fitting, rng: np.random.Generator
) -> np.ndarray:
    """Train in place, on crops of two trials that are drawn at random and put together.

    So the network meets trials in every order, and a crop may begin in the middle of a movement. A GPU is
    used where there is one; the network is on the processor before and after.

    Parameters
    ----------
    features : (n_trials, T, F) standardised. posture : (n_trials, T, 6).
    rng : of crops, noise and dropout.

    Returns
    -------
    (epochs,) mean loss.
    """
    torch.manual_seed(int(rng.integers(2**62)))
    network.to(device()).train()
    x, y = (
        torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)).to(device()) for a in (features, posture)
    )
    optimiser = torch.optim.Adam(
        network.parameters(), fitting.learning_rate, weight_decay=fitting.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.1, patience=2)
    losses = np.zeros(fitting.epochs)
    for epoch in range(fitting.epochs):
        for _ in range(fitting.batches):
            trial, step = _crops(x.shape[:2], fitting, rng)
            batch = x[trial, step]
            decoded, _ = network(batch + fitting.noise * torch.randn_like(batch))
            loss = functional.mse_loss(decoded, y[trial, step])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), fitting.clip)
            optimiser.step()
            losses[epoch] += float(loss.detach()) / fitting.batches
        schedule.step(losses[epoch])
    network.cpu().eval()
    return losses


def _crops(shape: tuple[int, ...], fitting: Fitting, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Trial and step (batch, crop) of crops: each from one trial on into another."""
    n_trials, n_steps = shape
    size = (fitting.batch, 1)
    pace = rng.uniform(1 - fitting.warp, 1 + fitting.warp, size)
    at = np.floor(rng.uniform(0, n_steps, size) + pace * np.arange(fitting.crop)).astype(int)
    pair = rng.integers(n_trials, size=(fitting.batch, 1 + (fitting.crop * 2) // n_steps + 1))
    trial = np.take_along_axis(pair, np.minimum(at // n_steps, pair.shape[1] - 1), 1)
    return torch.from_numpy(trial), torch.from_numpy(at % n_steps)


@torch.inference_mode()
def decode(network: nn.Module, features: np.ndarray) -> np.ndarray:
    """Posture (B, T, 6), 0 to 1, of streams of standardised features (B, T, F), each from its beginning."""
    streams = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    decoded = [network(some)[0] for some in streams.split(STREAMS)]
    return torch.cat(decoded).clamp(0, 1).numpy()


class LiveDecoder:
    """A network with its state between two steps, for B streams."""

    def __init__(self, network: nn.Module) -> None:
        self._network, self._state = network, None

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Posture (B, 6), 0 to 1, of the next step's standardised features (B, F)."""
        return self.steps(features[:, None])[:, 0]

    @torch.inference_mode()
    def steps(self, features: np.ndarray) -> np.ndarray:
        """Posture (B, n, 6) of the next n steps' features (B, n, F)."""
        x = torch.from_numpy(features.astype(np.float32, copy=False))
        decoded, self._state = self._network(x, self._state)
        return decoded.clamp(0, 1).numpy()


def decode_in_a_row(network: nn.Module, features: np.ndarray) -> np.ndarray:
    """Posture (n, T, 6) of pieces (n, T, F) of one stream, with the state carried on, as on a device."""
    live = LiveDecoder(network)
    return np.concatenate([live.steps(piece[None]) for piece in features])


def n_parameters(module: nn.Module) -> int:
    """Number of parameters that are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
