"""Many retro-cue networks, updated side by side: what `retro_cue_rnn` computes, with an axis over networks.

One update of one network is some ninety products and sums, each over before a GPU has been told of the next.
So products are those of all networks at once, and an update is recorded once, as a CUDA graph, and replayed.
All weights of a network lie in one row, which RMSprop updates whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from crossroads.models.retro_cue_rnn import Weights

DECAY, EPS = 0.99, 1e-8  # of RMSprop


class Ensemble:
    """Networks of equal size whose trials have equally many cycles, and their running squares.

    Parameters
    ----------
    weights : of each network. event_steps : of each network, (n_events,) cycles with input.
    n_steps : T, cycles of a trial. cost : (n_trials, 17), see `retro_cue_rnn.loss_and_gradient`.
    """

    def __init__(
        self,
        weights: Sequence[Weights],
        event_steps: Sequence[Sequence[int]],
        n_steps: int,
        cost: np.ndarray,
        rate: float,
        device: torch.device,
    ) -> None:
        self.shapes = [a.shape for a in weights[0]]
        rows = np.stack([np.concatenate([a.ravel() for a in one]) for one in weights])
        self.weights = torch.from_numpy(rows).to(device)
        self.squares = torch.zeros_like(self.weights)
        onset = np.arange(n_steps)[:, None] == np.array(event_steps)[:, None, :]
        self.onset = torch.from_numpy(onset).to(self.weights)  # (M, T, n_events): 1 where an event begins
        self.cost, self.rate = torch.from_numpy(cost).to(self.weights), rate

    def start_epoch(
        self, inputs: Sequence[np.ndarray], batches: Sequence[np.ndarray], noise: Sequence[np.ndarray]
    ) -> None:
        """Set the updates of an epoch going; on a GPU this returns at once.

        Parameters
        ----------
        inputs : of each network, (n_events, n_trials, 36).
        batches : of each network, (n_batches, batch) rows of the trials.
        noise : of each network, (n_batches or 1, T, batch, n), already times sigma.
        """
        device = self.weights.device
        self._inputs, self._batches, self._noise = (
            torch.stack([torch.from_numpy(one).to(device) for one in each])
            for each in (inputs, batches, noise)
        )
        n_batches = self._batches.shape[1]
        self._noise = self._noise.expand(-1, n_batches, -1, -1, -1)
        self._losses = self.weights.new_empty(len(self.weights), n_batches)
        self._now = torch.zeros(1, dtype=torch.long, device=device)
        self._update()  # the first, which also makes ready what the recording needs
        update = self._update
        if device.type == "cuda":
            self._graph = torch.cuda.CUDAGraph()  # kept until it has run
            with torch.cuda.graph(self._graph):
                self._update()
            update = self._graph.replay
        for _ in range(n_batches - 1):
            update()

    def end_epoch(self) -> tuple[np.ndarray, list[Weights]]:
        """Mean loss of the epoch and the weights after it, of each network."""
        rows = self.weights.cpu().numpy()
        return self._losses.mean(1).cpu().numpy(), [Weights(*self._split(row.copy())) for row in rows]

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these networks alone."""
        self.weights, self.squares, self.onset = (
            a[list(places)] for a in (self.weights, self.squares, self.onset)
        )

    def _split(self, rows):  # type: ignore[no-untyped-def]
        """Rows (..., n_parameters) as the arrays of `Weights`, each (..., *shape); views."""
        edges = [0, *accumulate(int(np.prod(shape)) for shape in self.shapes)]
        return [
            rows[..., start:stop].reshape(*rows.shape[:-1], *shape)
            for (start, stop), shape in zip(pairwise(edges), self.shapes, strict=True)
        ]

    @torch.no_grad()
    def _update(self) -> None:
        rows = self._batches.index_select(1, self._now)  # (M, 1, batch)
        events = self._inputs.take_along_dim(rows[..., None], 2)
        noise = self._noise.index_select(1, self._now)[:, 0]
        cost = self.cost[rows[:, 0]]
        loss, gradient = loss_and_gradient(self._split(self.weights), events, self.onset, noise, cost)
        self.squares.mul_(DECAY).addcmul_(gradient, gradient, value=1 - DECAY)
        self.weights.addcdiv_(gradient, self.squares.sqrt().add_(EPS), value=-self.rate)
        self._losses.index_copy_(1, self._now, loss[:, None])
        self._now += 1


def loss_and_gradient(
    weights: Sequence[Tensor], events: Tensor, onset: Tensor, noise: Tensor, cost: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean report loss of each network's batch, (M,), and its gradient, (M, n_parameters).

    Equations eq-retrocue-state and eq-retrocue-loss, by backpropagation through time.

    Parameters
    ----------
    weights : in the order of `Weights`, each with an axis over networks in front.
    events : (M, n_events, batch, 36) inputs. onset : (M, T, n_events), 1 at the cycle of an event, else 0.
    noise : (M, T, batch, n), already times sigma. cost : (M, batch, 17).
    """
    w_in, b_in, w_rec, w_out, b_out = weights
    m, n_steps, n_trials, n = noise.shape
    drive = events.flatten(1, 2) @ w_in.mT  # (M, n_events * batch, n)
    h = torch.baddbmm(noise.flatten(2), onset, drive.view(m, -1, n_trials * n)).view_as(noise)
    h += b_in[:, None, None]
    h[:, 0].relu_()
    for t in range(1, n_steps):
        h[:, t].baddbmm_(h[:, t - 1], w_rec.mT).relu_()
    o = torch.baddbmm(b_out[:, None], h[:, -1], w_out.mT).softmax(-1)
    scale = 1 / (cost.shape[2] * n_trials)
    loss = scale * (cost * o * o).sum((1, 2))
    g = 2 * scale * cost * o
    d_logit = o * (g - (g * o).sum(-1, keepdim=True))
    d_h = d_logit @ w_out
    active, delta = h > 0, torch.empty_like(h)
    for t in range(n_steps - 1, -1, -1):
        torch.mul(d_h, active[:, t], out=delta[:, t])
        if t:
            d_h = delta[:, t] @ w_rec
    d_drive = onset.mT @ delta.flatten(2)  # (M, n_events, batch * n)
    d_in = d_drive.view(m, -1, n).mT @ events.flatten(1, 2)
    d_rec = delta[:, 1:].flatten(1, 2).mT @ h[:, :-1].flatten(1, 2)
    gradient = (d_in, delta.sum((1, 2)), d_rec, d_logit.mT @ h[:, -1], d_logit.sum(1))
    return loss, torch.cat([a.flatten(1) for a in gradient], 1)
