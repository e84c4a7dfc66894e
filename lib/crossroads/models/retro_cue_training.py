"""One network of the retro-cue paper, from its settings to its weights: a unit of the chapter's sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import joblib
import numpy as np

from crossroads.data import retro_cue as task
from crossroads.models.learning import converged_epoch, plateau_epoch
from crossroads.models.retro_cue_rnn import Weights, initial_weights, train_batches

STAGES = ("untrained", "plateau", "loss_der", "final")
TRIALS = task.all_trials()
COST = task.report_cost(TRIALS).astype(np.float32)


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
    rng = _stream(network)
    neural = task.prefrontal_patterns(TRIALS, network.similar_to == "reversed").astype(np.float32)
    weights = initial_weights(network.n_hidden, rng, network.gain)
    squares = Weights(*(np.zeros_like(a) for a in weights))
    course = _Course(network, _copy(weights))
    while not course.ended:
        inputs = _inputs(network, rng)
        epoch = []
        for timing, batches in _epoch_batches(network, rng):
            noise = _noise(network, timing, len(batches), rng)
            events, readouts = np.array(timing.event_steps), np.array(timing.readouts[:2])
            rate, similarity = network.learning_rate, network.similarity
            epoch.append(
                train_batches(
                    weights, squares, rate, batches, inputs, events, noise, COST, similarity, readouts, neural
                )
            )
        course.add(float(np.concatenate(epoch).mean()), _copy(weights))
    return course.result()


def train_together(networks: Sequence[Network]) -> Iterator[tuple[Network, dict[str, np.ndarray]]]:
    """On a GPU, train all networks of equal shape at once; as `train_network`, but for rounding.

    The trials and the noise are those of `train_network`, drawn from the same streams. Yields nothing of
    networks whose trials differ in length or whose loss has a neural part, nor of those of which there are no
    more than cores, which train them as soon; and nothing without a GPU.
    """
    from crossroads.models.device import device  # loads torch, which workers do without

    if not networks or device().type == "cpu":
        return
    groups: dict[tuple, list[Network]] = {}
    for network in networks:
        if len(network.timings) == 1 and not network.similarity:
            groups.setdefault(ensemble_kind(network), []).append(network)
    for group in groups.values():
        if len(group) > joblib.cpu_count():
            yield from train_ensemble(group)


def ensemble_kind(network: Network) -> tuple:
    """What networks must share to be trained in one ensemble."""
    (timing,) = network.timings
    noisy = network.sigma > 0
    return timing.n_steps, timing.probe_delay, noisy, network.n_hidden, network.batch, network.learning_rate


def train_ensemble(networks: Sequence[Network]) -> Iterator[tuple[Network, dict[str, np.ndarray]]]:
    """Train networks of one `ensemble_kind` side by side, each until its own end: pairs as they come.

    Meanwhile threads draw the trials of the next epoch.
    """
    from crossroads.models.device import device, origin
    from crossroads.models.retro_cue_ensemble import Ensemble

    streams = [_stream(network) for network in networks]
    first = [initial_weights(n.n_hidden, rng, n.gain) for n, rng in zip(networks, streams, strict=True)]
    courses = [_Course(*pair) for pair in zip(networks, first, strict=True)]
    steps = [network.timings[0].event_steps for network in networks]
    ensemble = Ensemble(
        first, steps, networks[0].timings[0].n_steps, COST, networks[0].learning_rate, device()
    )
    alive = list(range(len(networks)))
    with ThreadPoolExecutor(joblib.cpu_count()) as pool:
        drawn = list(pool.map(_draw, networks, streams))
        while alive:
            ensemble.start_epoch(*zip(*drawn, strict=True))
            drawn = list(pool.map(_draw, [networks[i] for i in alive], [streams[i] for i in alive]))
            loss, weights = ensemble.end_epoch()
            for i, its_loss, its_weights in zip(alive, loss, weights, strict=True):
                courses[i].add(float(its_loss), its_weights)
            yield from ((networks[i], courses[i].result() | origin()) for i in alive if courses[i].ended)
            kept = [place for place, i in enumerate(alive) if not courses[i].ended]
            if len(kept) < len(alive):
                ensemble.keep(kept)
                alive, drawn = [alive[place] for place in kept], [drawn[place] for place in kept]


def stage_weights(trained: dict[str, np.ndarray], stage: str) -> Weights:
    """Weights of `train_network`'s result at one of the STAGES."""
    return Weights(*(trained[name][STAGES.index(stage)] for name in Weights._fields))


class _Course:
    """Losses of a training, and the weights of those epochs that are a stage or may yet become one."""

    def __init__(self, network: Network, weights: Weights) -> None:
        self.network = network
        self._loss: list[float] = []
        self._kept = {0: weights}

    @property
    def ended(self) -> bool:
        loss, network = self._loss, self.network
        return len(loss) >= network.max_epochs or bool(loss and loss[-1] <= network.stop_loss)

    def add(self, loss: float, weights: Weights) -> None:
        self._loss.append(loss)
        self._kept[len(self._loss)] = weights
        # Later losses move a plateau only within reach of the Gaussian that smooths them.
        reach = round(4 * self.network.plateau_smoothing) + 4
        if len(self._kept) > 3 * reach:
            recent, stages = len(self._loss) - reach, self._stages()
            self._kept = {epoch: w for epoch, w in self._kept.items() if epoch > recent or epoch in stages}

    def _stages(self) -> list[int | None]:
        loss = np.array(self._loss)
        plateau = plateau_epoch(loss, self.network.plateau_smoothing)
        return [0, plateau, converged_epoch(loss, "loss_der"), len(loss)]

    def result(self) -> dict[str, np.ndarray]:
        epochs = self._stages()
        never = Weights(*(np.full_like(a, np.nan) for a in self._kept[0]))
        stages = [never if epoch is None else self._kept[epoch] for epoch in epochs]
        stacked = Weights(*(np.stack(a) for a in zip(*stages, strict=True)))
        reached = np.array([-1 if epoch is None else epoch for epoch in epochs])
        return {"loss": np.array(self._loss), "epoch": reached, **stacked._asdict()}


def _stream(network: Network) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(network.seed, spawn_key=(1, network.model)))


def _copy(weights: Weights) -> Weights:
    return Weights(*(a.copy() for a in weights))


def _inputs(network: Network, rng: np.random.Generator) -> np.ndarray:
    """Inputs of one epoch at the events, (n_events, 512, 36); wrong cues are drawn anew."""
    if network.validity is None:
        return _inputs_without_probe(network.n_items)
    cued = task.flip_cues(TRIALS.probed, network.validity, rng)
    return task.event_inputs(TRIALS, cued, network.n_items).astype(np.float32)


@cache
def _inputs_without_probe(n_items: int) -> np.ndarray:
    return task.event_inputs(TRIALS, None, n_items).astype(np.float32)


def _noise(network: Network, timing: task.Timing, n_batches: int, rng: np.random.Generator) -> np.ndarray:
    return task.unit_noise((n_batches, timing.n_steps, network.batch, network.n_hidden), network.sigma, rng)


def _draw(network: Network, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, batches and noise of one epoch of a network whose trials are all alike."""
    inputs = _inputs(network, rng)
    ((timing, batches),) = _epoch_batches(network, rng)
    # Where there is no noise, one batch of none serves all.
    return inputs, batches, _noise(network, timing, len(batches) if network.sigma else 1, rng)


def _epoch_batches(network: Network, rng: np.random.Generator) -> Iterator[tuple[task.Timing, np.ndarray]]:
    """Every trial of every timing once, in random order; neighbouring batches of one timing come together."""
    rows = np.concatenate([rng.permutation(len(COST)).reshape(-1, network.batch) for _ in network.timings])
    timing = np.repeat(np.arange(len(network.timings)), len(COST) // network.batch)
    order = rng.permutation(len(rows))
    for together in np.split(order, np.flatnonzero(np.diff(timing[order])) + 1):
        yield network.timings[timing[together[0]]], rows[together]
