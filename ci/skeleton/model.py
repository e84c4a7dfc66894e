"""Noisy items around a planted effect: replace this by the paper's model."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Settings:
    """What ci/sizes/demo.yml holds: items (subjects, models), trials of each, noise of a trial."""

    n_items: int
    n_trials: int
    sd: float


@dataclass(frozen=True)
class Item:
    """One unit of work: all that its result depends on."""

    n_trials: int
    sd: float
    effect: float
    seed: int


def items(settings: Settings, effect: float, seed: int) -> list[Item]:
    """The units of a run; items with the same number share their random stream across effects."""
    spawned = np.random.SeedSequence(seed).generate_state(settings.n_items)
    return [Item(settings.n_trials, settings.sd, effect, int(own)) for own in spawned]


def simulate_item(item: Item) -> dict[str, np.ndarray]:
    """Measure one item.

    Returns
    -------
    mean : () mean of `n_trials` draws around `effect`, with standard deviation `sd`.
    """
    rng = np.random.default_rng(item.seed)
    return {"mean": np.mean(item.effect + item.sd * rng.standard_normal(item.n_trials))}
