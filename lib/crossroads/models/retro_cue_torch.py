"""The retro-cue network in torch: the readable statement of the maths, with gradients by autograd.

The compiled training in `retro_cue_rnn` is held to this one by the tests and measured against it in `make
bench`.
"""

from __future__ import annotations

import torch
from torch import nn

from crossroads.models.retro_cue_rnn import Weights


class RetroCueRNN(nn.Module):
    """h_t = ReLU(W_in x_t + b_in + W_rec h_{t-1} + noise_t), o = softmax(W_out h_T + b_out).

    Equation eq-retrocue-state.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.w_in, self.b_in, self.w_rec, self.w_out, self.b_out = (
            nn.Parameter(torch.tensor(value)) for value in weights
        )

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (T, n_trials, 36) and noise (T, n_trials, n) to reports (n_trials, 17) and states (T,
        n_trials, n)."""
        h = torch.zeros_like(noise[0])
        states = []
        for x_t, noise_t in zip(x, noise, strict=True):
            h = torch.relu(x_t @ self.w_in.T + self.b_in + h @ self.w_rec.T + noise_t)
            states.append(h)
        return torch.softmax(h @ self.w_out.T + self.b_out, dim=-1), torch.stack(states)


def report_loss(reports: torch.Tensor, cost: torch.Tensor) -> torch.Tensor:
    """L = 1/17 sum_k d_k^2 o_k^2, mean over trials: eq-retrocue-loss."""
    return (cost * reports**2).mean()


def cka_loss(states: torch.Tensor, patterns: torch.Tensor) -> torch.Tensor:
    """1 - linear CKA between (n_trials, n) states and (n_trials, m) patterns."""
    k, wanted = ((a - a.mean(0)) @ (a - a.mean(0)).T for a in (states, patterns))
    return 1 - (k * wanted).sum() / (k.norm() * wanted.norm())
