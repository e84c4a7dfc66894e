"""One network of the retro-cue paper, from its settings to its weights: a unit of the chapter's sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from crossroads.data import retro_cue as task
from crossroads.models.learning import converged_epoch, plateau_epoch
from crossroads.models.retro_cue_rnn import Weights, initial_weights, train_batches

STAGES = ("untrained", "plateau", "loss_der", "final")


@dataclass(frozen=True)
class Network:
    """What defines a trained network; equal fields give equal bytes.

    timings : trial structures, mixed within an epoch (one, except in experiment 3).
    sigma : standard deviation of the noise added to every unit at every cycle, in training and test.
    gain : of the initial orthogonal W_rec; the paper's is 1.
    batch : trials an update; the paper's is 1.
    validity : share of trials with a right cue, for trials with a probe (experiment 4); None: no probe.
    n_items : 2; 1 shows only the item asked for (control).
    similarity : weight of an added neural-similarity loss; 0 is the published loss. `similar_to` names its
        target:
        "lpfc" (`data.retro_cue.prefrontal_patterns`) or "reversed".
    plateau_smoothing : of the loss curve, where its plateau is looked for [epochs]; the paper's is 4.
    stop_loss : training ends at the first epoch whose mean report loss is at most this.
    seed, model : root seed of the run and number of the network; conditions share the networks' initial
        weights.
    """

    timings: tuple[task.Timing, ...]
    sigma: float
    n_hidden: int
    gain: float
    batch: int
    learning_rate: float
    max_epochs: int
    seed: int
    model: int
    validity: float | None = None
    n_items: int = 2
    similarity: float = 0.0
    similar_to: str = "lpfc"
    plateau_smoothing: float = 4.0
    stop_loss: float = 5e-4


def train_network(network: Network) -> dict[str, np.ndarray]:
    """Train by RMSprop to `stop_loss` or `max_epochs` and keep the weights of the four STAGES.

    Returns
    -------
    "loss" (n_epochs,) mean report loss of each epoch; "epoch" (4,) epochs of training at the STAGES, -1 where
    a stage was never reached; and the arrays of `Weights`, each with a leading axis over the STAGES (NaN
    where not reached).
    """
    rng = np.random.default_rng(np.random.SeedSequence(network.seed, spawn_key=(1, network.model)))
    trials = task.all_trials()
    cost = task.report_cost(trials).astype(np.float32)
    neural = task.prefrontal_patterns(trials, network.similar_to == "reversed").astype(np.float32)
    weights = initial_weights(network.n_hidden, rng, network.gain)
    squares = Weights(*(np.zeros_like(a) for a in weights))
    snapshots = [_copy(weights)]
    losses: list[float] = []
    while len(losses) < network.max_epochs and (not losses or losses[-1] > network.stop_loss):
        cued = None if network.validity is None else task.flip_cues(trials.probed, network.validity, rng)
        inputs = task.event_inputs(trials, cued, network.n_items).astype(np.float32)
        epoch = []
        for timing, batches in _epoch_batches(network, len(cost), rng):
            shape = (len(batches), timing.n_steps, network.batch, network.n_hidden)
            noise = task.unit_noise(shape, network.sigma, rng)
            events, readouts = np.array(timing.event_steps), np.array(timing.readouts[:2])
            rate, similarity = network.learning_rate, network.similarity
            epoch.append(
                train_batches(
                    weights, squares, rate, batches, inputs, events, noise, cost, similarity, readouts, neural
                )
            )
        losses.append(float(np.concatenate(epoch).mean()))
        snapshots.append(_copy(weights))
    loss = np.array(losses)
    epochs = [0, plateau_epoch(loss, network.plateau_smoothing), converged_epoch(loss, "loss_der"), len(loss)]
    never = Weights(*(np.full_like(a, np.nan) for a in weights))
    stages = [never if epoch is None else snapshots[epoch] for epoch in epochs]
    stacked = Weights(*(np.stack(a) for a in zip(*stages, strict=True)))
    return {"loss": loss, "epoch": np.array([-1 if e is None else e for e in epochs]), **stacked._asdict()}


def stage_weights(trained: dict[str, np.ndarray], stage: str) -> Weights:
    """Weights of `train_network`'s result at one of the STAGES."""
    return Weights(*(trained[name][STAGES.index(stage)] for name in Weights._fields))


def _copy(weights: Weights) -> Weights:
    return Weights(*(a.copy() for a in weights))


def _epoch_batches(
    network: Network, n_trials: int, rng: np.random.Generator
) -> Iterator[tuple[task.Timing, np.ndarray]]:
    """Every trial of every timing once, in random order; neighbouring batches of one timing come together."""
    batches = [
        (which, rows)
        for which in range(len(network.timings))
        for rows in rng.permutation(n_trials).reshape(-1, network.batch)
    ]
    shuffled = [batches[i] for i in rng.permutation(len(batches))]
    for which, group in groupby(shuffled, key=lambda item: item[0]):
        yield network.timings[which], np.stack([rows for _, rows in group])
