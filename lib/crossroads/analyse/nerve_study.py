"""Units of the nerve chapter: recordings, decoders trained on them, and the same decoders months later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import nn

from crossroads.analyse.hand_scores import scores
from crossroads.data import nerve_recordings
from crossroads.data.hand_movements import (
    CONTROL_HZ,
    CUED,
    FREE,
    MATCHING,
    MIRROR,
    TRIAL_S,
    MirrorError,
    at_steps,
    continuous_movements,
    cued_movements,
    wear_glove,
)
from crossroads.data.nerve_session import ACTIVE, GESTURES, STEP_S, NerveSession
from crossroads.data.nerve_signals import (
    CHUNK_S,
    NERVE_OF_CHANNEL,
    RAW_HZ,
    NerveSource,
    NerveWorld,
    chunks,
    drive,
    grow_nerve,
    rates,
)
from crossroads.data.units import Result, stored
from crossroads.models import hand_baselines
from crossroads.models.device import origin
from crossroads.models.hand_decoder import NETWORKS, Fitting, decode, decode_in_a_row, fit
from crossroads.models.matching_task import Device, Task, play
from crossroads.models.nerve_features import DEFAULT, FEATURES, Features, Filter, FrontEnd, normalised, spread

PER_TRIAL = round(TRIAL_S / STEP_S)  # steps
CALIBRATION = 2  # trials whose spread sets the thresholds of features
FINE_EPOCHS, FINE_RATE = 4, 0.0005  # of tuning to one new trial of each gesture
MIXED = ("steps shuffled", "single steps")  # changes after which steps are no longer in order
PROTOCOLS = ("frozen", "re-normalised", "fine-tuned", "retrained")


@dataclass(frozen=True)
class Recording:
    """A simulated session: a nerve in its world, and movements of the hand.

    n_trials : of each gesture; as many trials in all where the movement is continuous.
    draw : another one makes other trials and other noise of the same nerve.
    protocol : "cued", "free" (timing that cannot be learned by heart), "matching" (as in the matching task)
        or "continuous".
    """

    world: NerveWorld
    n_trials: int
    draw: int = 0
    protocol: str = "cued"
    mirror: MirrorError = MIRROR
    front: FrontEnd = DEFAULT


@dataclass(frozen=True)
class RealRecording:
    """The `index`-th session of a data set of `nerve_recordings`."""

    name: str
    index: int
    front: FrontEnd


@dataclass(frozen=True, eq=False)
class Trials:
    """A session as n trials of T steps.

    features : (n, T, 14 * C), those of one kind together. glove, intent : (n, T, 6). gesture : (n,).
    spread : (C,) [uV] of the filtered signal, that sets thresholds.
    """

    features: np.ndarray
    glove: np.ndarray
    intent: np.ndarray
    gesture: np.ndarray
    spread: np.ndarray

    def test(self, n_test: int) -> np.ndarray:
        """(n,) whether a trial is among the last n_test of its gesture: trials stay whole."""
        later = np.array([(self.gesture[i + 1 :] == g).sum() for i, g in enumerate(self.gesture)])
        return later < n_test


def draw_movements(recording: Recording, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The movement (n, 6) at CONTROL_HZ of a recording, and the gesture of each trial, in random order.

    Where the movement is continuous, the gestures only deal its pieces to training and test.
    """
    gesture = np.tile(np.arange(len(GESTURES)), recording.n_trials)
    gesture = rng.permuted(gesture.reshape(recording.n_trials, -1), axis=1).ravel()
    if recording.protocol == "continuous":
        return continuous_movements(len(gesture), rng), gesture
    timing = {"cued": CUED, "free": FREE, "matching": MATCHING}[recording.protocol]
    return cued_movements(gesture, rng, timing), gesture


def record(recording: Recording) -> Result:
    """Simulate a session and compute its features as they come in.

    Thresholds of features are those of the first month; they are frozen with the decoder.

    Returns the arrays of `Trials`, float32.
    """
    world, front = recording.world, recording.front
    movement, glove, noise = _streams(recording)
    path, gesture = draw_movements(recording, movement)
    sd = _first_spread(replace(world, month=0), front)
    low, features = Filter(front, len(NERVE_OF_CHANNEL)), Features(front, sd)
    found = [features(low(chunk)) for chunk in chunks(grow_nerve(world), world, path, noise)]
    shown = wear_glove(path, glove, recording.mirror)
    return _as_trials(np.concatenate(found), shown, at_steps(path), gesture, sd)


@cache
def _first_spread(world: NerveWorld, front: FrontEnd) -> np.ndarray:
    """(C,) spread of the filtered signal in the first trials after implantation."""
    rng = np.random.default_rng((world.seed, 1))
    path = cued_movements(rng.integers(1, len(GESTURES), CALIBRATION), rng)
    low = Filter(front, len(NERVE_OF_CHANNEL))
    return spread(np.concatenate([low(chunk) for chunk in chunks(grow_nerve(world), world, path, rng)]))


def record_real(recording: RealRecording) -> Result:
    """Features of a recorded session as `record`, in pieces of a trial's length; intent is the glove.

    Five pieces in a row count as one gesture, so that the last of them may be the test.
    """
    session, signal = _open_session(recording)
    n = len(session.glove) // PER_TRIAL
    raw = signal[: round(n * TRIAL_S * session.rate_hz)].reshape(n, -1, signal.shape[1])
    low = Filter(recording.front, signal.shape[1])
    filtered = [low(piece) for piece in raw]
    sd = spread(np.concatenate(filtered[:CALIBRATION]))
    features = Features(recording.front, sd)
    found_features = np.concatenate([features(piece) for piece in filtered])
    glove = session.glove[: n * PER_TRIAL]
    whole = np.asarray(session.valid[: n * PER_TRIAL].reshape(n, PER_TRIAL).all(1))
    found = _as_trials(found_features, glove, glove, np.arange(n) // 5, sd)
    return {name: a if name == "spread" else a[whole] for name, a in found.items()}


def _open_session(recording: RealRecording) -> tuple[NerveSession, np.ndarray]:
    """A recorded session, and its signal without bad channels.

    Raises
    ------
    ValueError : its rate is not that of the front end.
    """
    session = nerve_recordings.load(recording.name)[recording.index]
    if session.rate_hz != recording.front.rate_hz:
        raise ValueError(
            f"{recording.name}, session {recording.index} ({session.name}): sampled at {session.rate_hz:g} "
            f"Hz, expected {recording.front.rate_hz:g}: give another front end in "
            "crossroads.analyse.nerve.REAL_FRONT"
        )
    good = np.setdiff1d(np.arange(session.signal.shape[1]), session.bad_channels)
    return session, session.signal[:, good]


def _as_trials(
    features: np.ndarray, glove: np.ndarray, intent: np.ndarray, gesture: np.ndarray, sd: np.ndarray
) -> Result:
    steps = {"features": features.reshape(len(features), -1), "glove": glove, "intent": intent}
    cut = {name: a.reshape(-1, PER_TRIAL, a.shape[1]).astype(np.float32) for name, a in steps.items()}
    return cut | {"gesture": gesture, "spread": sd}


def open_recording(recording: Recording | RealRecording) -> Trials:
    """The trials of a session, computed once."""
    if isinstance(recording, Recording):
        return Trials(**stored(record, recording))
    return Trials(**stored(record_real, recording))


@dataclass(frozen=True)
class Training:
    """A decoder and what it is trained on.

    kind : of `NETWORKS` or of `hand_baselines.LAGS`.
    n_test : trials of each gesture that are kept for the test.
    change : "" or a control: "labels permuted" (a training trial has another one's movement), "steps
        shuffled" (the steps of all trials are mixed), "single steps" (steps, not trials, are dealt), "noisy
        labels" (the intent with the glove's noise, in the place of the glove).
    delay : steps by which labels are late, on top of the glove's own delay.
    held_out : a gesture that is not trained on; -1 for none.
    also : a second session, of which all but as many trials are trained on too.
    kinds, channels : of features, those that are used; all channels where empty.
    """

    recording: Recording | RealRecording
    kind: str
    fitting: Fitting
    n_test: int
    seed: int
    change: str = ""
    delay: int = 0
    held_out: int = -1
    also: Recording | None = None
    kinds: tuple[str, ...] = FEATURES
    channels: tuple[int, ...] = ()


def train(training: Training) -> Result:
    """Train a decoder and decode the test trials.

    Returns
    -------
    decoded, true, intent : (n_test, T, 6) of the test trials. gesture : (n_test,). loss : (epochs,).
    mean, sd : (F,) of the training features. weights : all of a network's, one after the other; its `origin`.
    """
    rng = np.random.default_rng(np.random.SeedSequence(training.seed, spawn_key=(7,)))
    trials = open_recording(training.recording)
    test = trials.test(training.n_test)
    columns = _columns(trials, training)
    features = trials.features[..., columns]
    glove = trials.glove
    if training.change == "noisy labels":
        glove = np.clip(trials.intent + MIRROR.noise * rng.standard_normal(trials.intent.shape), 0, 1)
    if training.delay:
        glove = glove[:, np.maximum(np.arange(PER_TRIAL) - training.delay, 0)]
    if training.change in MIXED:
        apart = test if training.change == "steps shuffled" else np.zeros(len(test), bool)
        features, glove = _mixed(features, glove, apart, rng)
    used = ~test & (trials.gesture != training.held_out)
    x, y = features[used], glove[used]
    if training.also:
        more = open_recording(training.also)
        kept = ~more.test(training.n_test)
        x, y = (
            np.concatenate([x, more.features[kept][..., columns]]),
            np.concatenate([y, more.glove[kept]]),
        )
    if training.change == "labels permuted":
        y = y[rng.permutation(len(y))]
    mean, sd = x.mean((0, 1)), x.std((0, 1)) + 1e-9
    z, z_test = normalised(x, mean, sd), normalised(features[test], mean, sd)
    found: dict[str, Any] = {"loss": np.zeros(0), "weights": np.zeros(0, np.float32)}
    if training.kind in NETWORKS:
        network = build(training, z.shape[2])
        found["loss"] = fit(network, z, y, training.fitting, rng)
        found |= origin()
        found["weights"] = nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
        decoded = decode(network, z_test)
    else:
        model = hand_baselines.fit(training.kind, z, y, rng)
        decoded = hand_baselines.decode(model, training.kind, z_test)
    return found | {
        "decoded": decoded.astype(np.float32),
        "true": (glove if training.change in MIXED else trials.glove)[test],
        "intent": trials.intent[test],
        "gesture": trials.gesture[test],
        "mean": mean,
        "sd": sd,
    }


def _columns(trials: Trials, training: Training) -> np.ndarray:
    """Which of the 14 * C features a decoder is given."""
    n_channels = len(trials.spread)
    kinds = np.array([FEATURES.index(name) for name in training.kinds])
    return (kinds[:, None] * n_channels + np.array(training.channels or range(n_channels))).ravel()


def _mixed(
    features: np.ndarray, glove: np.ndarray, test: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Steps in random order, those of training and of test trials apart."""
    mixed = [a.copy() for a in (features, glove)]
    for part in filter(np.any, (test, ~test)):
        order = rng.permutation(part.sum() * PER_TRIAL)
        for a in mixed:
            a[part] = a[part].reshape(len(order), -1)[order].reshape(a[part].shape)
    return mixed[0], mixed[1]


def build(training: Training, n_features: int) -> nn.Module:
    """The network of a training, with first weights that its seed draws."""
    torch.manual_seed(training.seed)
    return NETWORKS[training.kind](n_features, training.fitting.n_hidden, training.fitting.dropout).eval()


def open_network(training: Training) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """A trained network, and mean and standard deviation of its training features."""
    found = stored(train, training)
    network = build(training, len(found["mean"]))
    nn.utils.vector_to_parameters(torch.from_numpy(found["weights"]), network.parameters())
    return network, found["mean"], found["sd"]


@dataclass(frozen=True)
class Later:
    """A trained decoder on another session, by a protocol of PROTOCOLS but "retrained".

    n_test : trials of each gesture that it is tested on, the last ones.
    in_a_row : whether a trial is decoded with the state that the one before has left, as on a device, and
        not from a fresh one.
    """

    training: Training
    recording: Recording
    protocol: str
    n_test: int
    in_a_row: bool = False


def follow(later: Later) -> Result:
    """Decode the test trials of another session.

    "re-normalised": mean and standard deviation of features are taken anew, from the trials that are not
    tested and without their labels. "fine-tuned": so too, and training goes on with one trial of each
    gesture.

    Returns decoded, true, intent, gesture as `train`.
    """
    training = later.training
    network, mean, sd = open_network(training)
    trials = open_recording(later.recording)
    test = trials.test(later.n_test)
    features = trials.features[..., _columns(trials, training)]
    if later.protocol != "frozen":
        mean, sd = features[~test].mean((0, 1)), features[~test].std((0, 1)) + 1e-9
    if later.protocol == "fine-tuned":
        rng = np.random.default_rng(np.random.SeedSequence(training.seed, spawn_key=(8,)))
        new = np.flatnonzero(~test)[np.unique(trials.gesture[~test], return_index=True)[1]]
        fine = replace(training.fitting, epochs=FINE_EPOCHS, learning_rate=FINE_RATE)
        fit(network, normalised(features[new], mean, sd), trials.glove[new], fine, rng)
    decoder = decode_in_a_row if later.in_a_row else decode
    return {
        "decoded": decoder(network, normalised(features[test], mean, sd)),
        "true": trials.glove[test],
        "intent": trials.intent[test],
        "gesture": trials.gesture[test],
    }


@dataclass(frozen=True)
class Match:
    """The matching task with a trained decoder; in another world where one is given."""

    training: Training
    task: Task
    seed: int
    world: NerveWorld | None = None


def match(unit: Match) -> Result:
    """Let simulated users do the task; see `matching_task.play`."""
    recording = unit.training.recording
    assert isinstance(recording, Recording)
    world = unit.world or recording.world
    rng = np.random.default_rng(np.random.SeedSequence(unit.seed, spawn_key=(9, world.seed)))
    return play(grow_nerve(world), world, open_device(unit.training), unit.task, rng)


def open_device(training: Training) -> Device:
    """All that runs on the device for a trained network."""
    front, spread_uv = training.recording.front, open_recording(training.recording).spread
    return Device(front, spread_uv, *open_network(training))


@dataclass(frozen=True)
class Selection:
    """Decoders on fewer channels: the best by an order, in numbers that grow."""

    training: Training
    numbers: tuple[int, ...]


def select_channels(unit: Selection) -> Result:
    """Balanced accuracy when only some channels are kept.

    Returns
    -------
    by_snr, at_random, oracle : (len(numbers),) in order of signal-to-noise ratio; in a random order; in the
    order of each channel's own accuracy in the test, which nobody could know. snr_db : (C,).
    """
    trials = open_recording(unit.training.recording)
    snr = signal_to_noise(trials, ~trials.test(unit.training.n_test))
    n = len(snr)
    rng = np.random.default_rng(np.random.SeedSequence(unit.training.seed, spawn_key=(11,)))

    @cache
    def balanced(*channels: int) -> float:
        found = train(replace(unit.training, channels=channels))
        return float(scores(found["true"], found["decoded"]).balanced.mean())

    alone = np.array([balanced(c) for c in range(n)])
    orders = {"by_snr": np.argsort(-snr), "at_random": rng.permutation(n), "oracle": np.argsort(-alone)}
    curves = {
        name: [balanced(*sorted(order[:k].tolist())) for k in unit.numbers] for name, order in orders.items()
    }
    return {name: np.array(curve) for name, curve in curves.items()} | {"snr_db": snr}


def signal_to_noise(trials: Trials, used: np.ndarray) -> np.ndarray:
    """(C,) power that movement adds to that at rest [dB], from the mean squares of these trials."""
    n_channels = len(trials.spread)
    power = trials.features[used].reshape(used.sum(), PER_TRIAL, len(FEATURES), n_channels)
    power = power[:, :, FEATURES.index("MSQ")]
    moving = (trials.glove[used] > ACTIVE).any(-1)
    at_rest = power[~moving].mean(0)
    return 10 * np.log10(np.maximum(power[moving].mean(0) - at_rest, 1e-3 * at_rest) / at_rest)


def planted_units(recording: Recording, n_trials: int) -> dict[str, np.ndarray]:
    """What the motor units of a simulated nerve do in a few trials of its session.

    Returns
    -------
    unit, time_s : (n_spikes,) of every spike. asked : (n, 6) drive at CONTROL_HZ. planted_hz, found_hz : (U,)
    mean rate that the drive asks of each unit, and that of its spikes. signal : (T, C) filtered [uV].
    """
    nerve, rng = grow_nerve(recording.world), np.random.default_rng((recording.world.seed, 2))
    path = cued_movements(1 + np.arange(n_trials) % (len(GESTURES) - 1), rng)
    source, low = NerveSource(nerve, recording.world, rng), Filter(recording.front, len(NERVE_OF_CHANNEL))
    signal = low(source.chunk(path[None])[0])
    asked = drive(np.concatenate([path[:1], path]))
    _, unit, sample = source.fired
    rate, seconds = rates(nerve, asked), len(path) / CONTROL_HZ
    return {
        "unit": unit,
        "time_s": sample / RAW_HZ,
        "asked": asked,
        "planted_hz": rate.mean(0),
        "found_hz": np.bincount(unit, minlength=rate.shape[1]) / seconds,
        "signal": signal,
    }


def feature_correlation(features: np.ndarray) -> np.ndarray:
    """(14, 14) correlation of features over steps, the mean over channels; features (n, T, 14 * C)."""
    by_channel = features.reshape(-1, len(FEATURES), features.shape[-1] // len(FEATURES))
    return np.mean([np.corrcoef(by_channel[:, :, c].T) for c in range(by_channel.shape[2])], axis=0)


def signal_of(recording: Recording | RealRecording, first: int, n: int) -> np.ndarray:
    """(T, C) filtered signal [uV] of n trials of a session, from trial `first` on."""
    if isinstance(recording, RealRecording):
        session, signal = _open_session(recording)
        per_trial = round(session.rate_hz * TRIAL_S)
        raw = signal[first * per_trial : (first + n) * per_trial]
        return Filter(recording.front, raw.shape[1])(raw)
    low = Filter(recording.front, len(NERVE_OF_CHANNEL))
    start, stop = (round(trials * TRIAL_S / CHUNK_S) for trials in (first, first + n))
    filtered = [low(chunk) for chunk in islice(_chunks_of(recording), stop)]
    return np.concatenate(filtered[start:])


def packets(recording: Recording, n: int) -> list[np.ndarray]:
    """The first n raw packets (samples, C) of a session, one a step."""
    raw = np.concatenate(list(islice(_chunks_of(recording), ceil(n * STEP_S / CHUNK_S))))
    return list(raw.reshape(-1, round(RAW_HZ * STEP_S), raw.shape[1])[:n])


def _chunks_of(recording: Recording) -> Iterator[np.ndarray]:
    world, (movement, _, noise) = recording.world, _streams(recording)
    path, _ = draw_movements(recording, movement)
    return chunks(grow_nerve(world), world, path, noise)


def _streams(recording: Recording) -> list[np.random.Generator]:
    """Generators of a session's movements, glove and noise."""
    seeds = np.random.SeedSequence(recording.world.seed, spawn_key=(recording.world.month, recording.draw))
    return [np.random.default_rng(s) for s in seeds.spawn(3)]
