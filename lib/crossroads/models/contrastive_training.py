"""Training of a brain module against features of speech: batches of windows, early stopping, resumption.

Follows the published configuration: Adam, no schedule, no weight decay; windows of all recordings are mixed;
training ends when the validation loss has not fallen for some epochs, and the best weights are restored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import Tensor, nn

from crossroads.data.speech_windows import BASELINE_S, Timeline
from crossroads.models.brain_module import BrainModule
from crossroads.models.contrastive_losses import clip_loss, match_scores, regression_loss

SAVE_S = 10.0  # between checkpoints, at least
LOSSES = ("clip", "symmetric", "temperature", "regression")


@dataclass(frozen=True)
class Fitting:
    """How a model is fitted; the paper's are in the comments.

    loss : one of LOSSES; "clip" is the published one, "symmetric" and "temperature" are variants of it.
    batch, learning_rate : 256 (over two GPUs, so that a window has 127 wrong candidates), 3e-4.
    epoch_steps, max_epochs, patience : batches before each validation, 1200; 200; and 10 epochs.
    shuffled : windows of brain and sound are paired at random, always the same way (control).

    Raises
    ------
    ValueError : an unknown loss or a number that is not positive.
    """

    loss: str = "clip"
    batch: int = 256
    learning_rate: float = 3e-4
    epoch_steps: int = 1200
    max_epochs: int = 200
    patience: int = 10
    shuffled: bool = False

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss {self.loss!r}; known are {', '.join(LOSSES)}")
        if min(self.batch, self.learning_rate, self.epoch_steps, self.max_epochs, self.patience) <= 0:
            raise ValueError(f"numbers of a fit must be positive: {self}")


class Windows:
    """Windows of recordings and of sound, gathered by their first sample.

    A window of the brain has its baseline subtracted, is scaled by its channel's median and range, clamped,
    and begins `n_shift` samples later than that of the sound, or earlier where it is negative.

    Parameters
    ----------
    x : (n_recordings, C, n) on the story's timeline. centre, spread : (n_recordings, C), of `scaling`.
    y : (F, n) features of the story. clamp : in ranges; inf: none. device : that holds both.
    """

    def __init__(
        self,
        x: np.ndarray,
        centre: np.ndarray,
        spread: np.ndarray,
        y: np.ndarray,
        timeline: Timeline,
        clamp: float,
        device: torch.device | str = "cpu",
    ) -> None:
        n, shift, self.clamp = timeline.n_window, timeline.n_shift, clamp
        self.n_base = round(BASELINE_S * timeline.rate_hz)
        self._of_brain = slice(max(shift, 0), n + min(shift, 0))
        self._of_sound = slice(max(-shift, 0), n - max(shift, 0))
        scaled = np.empty(x.shape, np.float32)
        np.divide(x, spread[..., None], out=scaled, casting="same_kind")  # x may fill half of the memory
        self.centre = torch.from_numpy(centre / spread).float().to(device)[..., None]
        self._x = torch.from_numpy(scaled).to(device).unfold(2, n, 1)
        self._y = torch.from_numpy(y).float().to(device).unfold(1, n, 1).permute(1, 0, 2)

    def brain(self, recording: Tensor, start: Tensor) -> Tensor:
        """(B, C, T) windows of these recordings (B,) that begin at these samples (B,)."""
        x = self._x[recording, :, start]
        x = x[..., self._of_brain] - x[..., : self.n_base].mean(-1, keepdim=True) - self.centre[recording]
        return x.clamp_(-self.clamp, self.clamp)

    def sound(self, start: Tensor) -> Tensor:
        """(B, F, T) features of the sound in the windows that begin at these samples (B,)."""
        return self._y[start][..., self._of_sound]


class Decoder(nn.Module):
    """A brain module, and what features of sound go through: nothing, or a network learned with it.

    subject : (n_recordings,) whose each recording is, a number of the brain module's subjects.
    """

    subject: Tensor

    def __init__(self, brain: BrainModule, speech: nn.Module, learned_scale: bool, subject: Tensor) -> None:
        super().__init__()
        self.brain, self.speech = brain, speech
        self.register_buffer("subject", subject, persistent=False)
        self.log_scale = nn.Parameter(torch.zeros(())) if learned_scale else None

    def loss(self, x: Tensor, y: Tensor, recording: Tensor, kind: str) -> Tensor:
        """Loss of a batch of windows x (B, C, T) of recordings (B,) and of sounds y (B, F, T)."""
        z, y = self.brain(x, self.subject[recording], 0), self.speech(y)
        if kind == "regression":
            return regression_loss(z, y)
        return clip_loss(match_scores(z, y), self.log_scale, kind == "symmetric")


def fit(
    decoder: Decoder, windows: Windows, timeline: Timeline, fitting: Fitting, seed: int,
    checkpoint: Path,
) -> np.ndarray:  # fmt: skip
    """Train in place, where the decoder is; a killed run goes on from its checkpoint, to the same weights.

    Parameters
    ----------
    seed : of the order of windows. checkpoint : file that the run goes on from, written after epochs that end
        SAVE_S or more after the last one; deleted at the end.

    Returns
    -------
    (n_epochs, 2) mean loss of training and of validation.
    """
    device = next(decoder.parameters()).device
    pairs = [
        _pairs(starts, len(decoder.subject), fitting.shuffled, seed).to(device)
        for starts in (timeline.train, timeline.valid)
    ]
    optimiser = torch.optim.Adam(decoder.parameters(), fitting.learning_rate, fused=True)
    history: list[tuple[float, float]] = []
    best = {name: value.clone() for name, value in decoder.state_dict().items()}
    saved = monotonic()
    if checkpoint.is_file():
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
        decoder.load_state_dict(stored["weights"])
        optimiser.load_state_dict(stored["optimiser"])
        decoder.brain.places.set_state(stored["places"])
        history, best = [tuple(row) for row in stored["history"]], stored["best"]
    while len(history) < fitting.max_epochs and _improving([v for _, v in history], fitting.patience):
        decoder.train()
        total = torch.zeros((), dtype=torch.float64, device=device)  # a number of the host would wait for it
        for batch in _batches(pairs[0], fitting, seed, len(history)):
            loss = _loss(decoder, windows, batch, fitting)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
        valid = _validate(decoder, windows, pairs[1], fitting)
        history.append((float(total) / fitting.epoch_steps, valid))
        if int(np.argmin([v for _, v in history])) == len(history) - 1:  # a tie is no improvement
            best = {name: value.clone() for name, value in decoder.state_dict().items()}
        if monotonic() - saved >= SAVE_S:
            _save(checkpoint, decoder, optimiser, history, best)
            saved = monotonic()
    decoder.load_state_dict(best)
    checkpoint.unlink(missing_ok=True)
    return np.array(history)


def _pairs(starts: np.ndarray, n_recordings: int, shuffled: bool, seed: int) -> Tensor:
    """(n, 3) recording, first sample of the brain's window and of the sound's."""
    recording, brain = (a.ravel() for a in np.meshgrid(np.arange(n_recordings), starts, indexing="ij"))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    return torch.from_numpy(
        np.column_stack([recording, brain, rng.permutation(brain) if shuffled else brain])
    )


def _batches(pairs: Tensor, fitting: Fitting, seed: int, epoch: int) -> Iterator[Tensor]:
    """`epoch_steps` batches; in an epoch, every pair comes once before any comes again."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, epoch)))
    n = fitting.epoch_steps * fitting.batch
    order = np.concatenate([rng.permutation(len(pairs)) for _ in range(-(-n // len(pairs)))])[:n]
    yield from pairs[torch.from_numpy(order)].split(fitting.batch)


def _loss(decoder: Decoder, windows: Windows, batch: Tensor, fitting: Fitting) -> Tensor:
    recording, brain, sound = batch.T
    return decoder.loss(windows.brain(recording, brain), windows.sound(sound), recording, fitting.loss)


@torch.no_grad()
def _validate(decoder: Decoder, windows: Windows, pairs: Tensor, fitting: Fitting) -> float:
    """Mean loss over the validation windows, in an order that mixes recordings, always the same."""
    decoder.eval()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(pairs)))
    batches = pairs[order].split(fitting.batch)
    losses = torch.stack([_loss(decoder, windows, batch, fitting) for batch in batches])
    return float(np.average(losses.tolist(), weights=[len(batch) for batch in batches]))


def _improving(losses: list[float], patience: int) -> bool:
    """Whether the least loss is among the last `patience` ones."""
    return len(losses) <= patience or int(np.argmin(losses)) >= len(losses) - patience


def _save(file: Path, decoder: Decoder, optimiser: torch.optim.Adam, history: list, best: dict) -> None:
    state = {
        "weights": decoder.state_dict(),
        "optimiser": optimiser.state_dict(),
        "places": decoder.brain.places.get_state(),
        "history": history,
        "best": best,
    }
    part = file.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, file)
