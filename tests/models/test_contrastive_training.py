"""Training of a decoder of speech: windows against loops, planted problems, early stopping, killed runs."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.data.speech_windows import Timeline
from crossroads.models import contrastive_training
from crossroads.models.brain_module import BrainModule, BrainShape, DeepMel
from crossroads.models.contrastive_training import LOSSES, Decoder, Fitting, Windows, _batches, _pairs, fit

N_RECORDINGS, N_SENSORS, N_FEATURES, N = 2, 16, 4, 1200
N_WINDOW, N_SHIFT, N_BASE = 61, 3, 10  # at 20 Hz
TIMELINE = Timeline(20.0, N_WINDOW, N_SHIFT, np.arange(0, 800, 10), np.arange(880, 1130, 10), pd.DataFrame())
GRID = torch.cartesian_prod(torch.linspace(0, 1, 4), torch.linspace(0, 1, 4))[None]
FITTING = Fitting(batch=16, learning_rate=1e-2, epoch_steps=2, max_epochs=4, patience=4)


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def every_epoch_is_saved(monkeypatch):
    monkeypatch.setattr(contrastive_training, "SAVE_S", 0.0)


def planted(noise=0.1, device="cpu"):
    """Sensors are fixed mixtures, one a recording, of the features `N_SHIFT` samples before, and noise."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(N_FEATURES, N))
    mixing = rng.normal(size=(N_RECORDINGS, N_SENSORS, N_FEATURES))
    x = noise * rng.normal(size=(N_RECORDINGS, N_SENSORS, N))
    x[..., N_SHIFT:] += mixing @ y[:, :-N_SHIFT]
    return Windows(x, *unscaled(x), y, TIMELINE, 20.0, device)


def unscaled(x):
    return np.zeros(x.shape[:2]), np.ones(x.shape[:2])


def decoder(seed=0, loss="clip", radius=0.2, speech=None):
    generator = torch.Generator().manual_seed(seed)
    shape = BrainShape(N_FEATURES, d1=8, d2=8, n_blocks=1, harmonics=4, dropout_radius=radius)
    brain = BrainModule(N_RECORDINGS, GRID, shape, generator)
    return Decoder(brain, speech or torch.nn.Identity(), loss == "temperature", torch.arange(N_RECORDINGS))


def decoder_with_speech():
    """Deep Mel beside the brain and a learned temperature: all that a checkpoint can hold."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        speech = DeepMel(N_FEATURES, N_FEATURES, n_hidden=4, n_blocks=1)
    return decoder(loss="temperature", speech=speech)


def state(model):
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def train(model, file, fitting=FITTING, seed=0, windows=None):
    return fit(model, windows or planted(), TIMELINE, fitting, seed, file)


def given_validation(monkeypatch, losses):
    """Validation losses are these, one an epoch; returns the list of states that they were asked for."""
    values, seen = iter(losses), []

    def validate(model, *rest):
        value = next(values)
        if value is None:
            raise Killed
        seen.append(state(model))
        return value

    monkeypatch.setattr(contrastive_training, "_validate", validate)
    return seen


# Windows


@pytest.mark.parametrize("clamp", [1.5, math.inf])
def test_windows_are_those_of_an_explicit_loop(clamp):
    rng = np.random.default_rng(1)
    x, y = 5 + 3 * rng.normal(size=(2, 3, 200)), rng.normal(size=(4, 200))
    centre, spread = rng.normal(size=(2, 3)), rng.uniform(1, 4, (2, 3))
    recording, start = [0, 1, 1, 0], [0, 7, 200 - N_WINDOW, 60]
    windows = Windows(x, centre, spread, y, TIMELINE, clamp)

    brain = np.empty((4, 3, N_WINDOW - N_SHIFT))
    sound = np.empty((4, 4, N_WINDOW - N_SHIFT))
    for i, (r, s) in enumerate(zip(recording, start, strict=True)):
        for t in range(N_WINDOW - N_SHIFT):
            sound[i, :, t] = y[:, s + t]
            for c in range(3):
                value = x[r, c, s + N_SHIFT + t] - sum(x[r, c, s : s + N_BASE]) / N_BASE
                brain[i, c, t] = min(max((value - centre[r, c]) / spread[r, c], -clamp), clamp)
    assert (abs(brain) == 1.5).any() == (clamp == 1.5)
    for _ in range(2):  # a clamp in place must not reach the recordings
        found = windows.brain(torch.tensor(recording), torch.tensor(start))
        np.testing.assert_allclose(found, brain, atol=1e-5)
        np.testing.assert_allclose(windows.sound(torch.tensor(start)), sound, atol=1e-6)


def test_no_clamp_keeps_an_artefact():
    x = np.zeros((1, 1, 100))
    x[0, 0, 30] = -1e7
    windows = Windows(x, *unscaled(x), np.zeros((1, 100)), TIMELINE, math.inf)
    expected = np.zeros(N_WINDOW - N_SHIFT)
    expected[30 - N_SHIFT - 5] = -1e7
    np.testing.assert_array_equal(windows.brain(torch.tensor([0]), torch.tensor([5]))[0, 0], expected)


@given(st.integers(-10, 10), st.integers(-10, 10))
@settings(max_examples=20, deadline=None)
def test_a_brain_that_follows_by_the_shift_is_in_step_with_the_sound(delay, shift):
    y = np.random.default_rng(2).normal(size=(3, 200))
    x = np.roll(y, delay, 1)[None]
    windows = Windows(x, *unscaled(x), y, replace(TIMELINE, n_shift=shift), math.inf)
    start = torch.tensor([20, 100])
    left = windows.brain(torch.zeros(2, dtype=torch.long), start) - windows.sound(start)
    constant = left.std(-1) < 1e-5  # what is left is the baseline
    assert constant.all() if delay == shift else not constant.any()


# Pairs, batches and losses


def test_pairs_are_all_windows_and_shuffling_moves_only_the_sound():
    starts = np.array([5, 8, 11, 30, 70, 90])
    true, mixed, again, other = (
        _pairs(starts, 3, shuffled, seed).numpy()
        for shuffled, seed in ((False, 0), (True, 0), (True, 0), (True, 1))
    )
    assert true.tolist() == [[r, s, s] for r in range(3) for s in starts]
    np.testing.assert_array_equal(mixed[:, :2], true[:, :2])
    np.testing.assert_array_equal(np.sort(mixed[:, 2]), np.sort(true[:, 2]))
    assert (mixed[:, 2] != true[:, 2]).mean() > 0.5
    np.testing.assert_array_equal(mixed, again)
    assert (mixed != other).any()


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_every_pair_comes_once_before_any_comes_again(n, batch, steps, epoch):
    pairs = torch.arange(3 * n).reshape(n, 3)
    batches = list(_batches(pairs, Fitting(batch=batch, epoch_steps=steps), 0, epoch))
    assert [tuple(b.shape) for b in batches] == [(batch, 3)] * steps
    rows = torch.cat(batches)
    assert all((row == pairs).all(1).any() for row in rows)
    for part in rows.split(n):
        assert len({*part[:, 0].tolist()}) == len(part)


def test_order_changes_with_seed_and_epoch_alone():
    pairs = torch.arange(300).reshape(100, 3)
    orders = [
        torch.cat([*_batches(pairs, FITTING, *key)]).tolist() for key in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] != orders[3] != orders[0]


@pytest.mark.parametrize("kind", LOSSES)
def test_loss_is_that_of_its_name(kind):
    model = decoder(loss=kind, speech=torch.nn.Softplus()).eval()
    if kind == "temperature":
        torch.nn.init.constant_(model.log_scale, 0.7)
    rng = torch.Generator().manual_seed(3)
    x = 3 * torch.randn(5, N_SENSORS, 30, generator=rng)
    y = torch.randn(5, N_FEATURES, 30, generator=rng)
    recording = torch.tensor([0, 1, 1, 0, 1])
    with torch.no_grad():
        z = model.brain(x, recording, 0).double().numpy()
        found = float(model.loss(x, y, recording, kind))
    y = np.log1p(np.exp(y.double().numpy()))
    scores = np.array([[(a * b).sum() / math.sqrt((b**2).sum()) for b in y] for a in z])
    scores *= math.exp(0.7) if kind == "temperature" else 1
    gain = np.exp(scores)
    forth, back = (-np.log(np.diag(gain) / gain.sum(axis)).mean() for axis in (1, 0))
    expected = {"regression": ((z - y) ** 2).mean(), "symmetric": (forth + back) / 2}
    assert abs(forth - back) > 1e-3  # so that one cannot stand for the other
    assert found == pytest.approx(expected.get(kind, forth), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "mse"}, "loss 'mse'; known are clip, symmetric, temperature, regression"),
        *(
            ({name: value}, f"must be positive.*{name}={value}")
            for name in ("batch", "learning_rate", "epoch_steps", "max_epochs", "patience")
            for value in (0, -1)
        ),
    ],
)
def test_a_fitting_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Fitting(**changes)


# Runs


def test_history_holds_mean_losses_over_steps_and_over_validation_windows(tmp_path):
    """A learning rate that moves nothing: every step sees all pairs, so every step has the same loss."""
    n = N_RECORDINGS * len(TIMELINE.train)
    windows, model = planted(), decoder(radius=0)
    still = Fitting("regression", batch=n, learning_rate=1e-20, epoch_steps=3, max_epochs=1)
    history = train(model, tmp_path / "run", still, windows=windows)

    def loss(starts):
        recording = torch.arange(N_RECORDINGS).repeat_interleave(len(starts))
        start = torch.from_numpy(np.tile(starts, N_RECORDINGS))
        with torch.no_grad():
            z = model.brain(windows.brain(recording, start), recording, 0)
        return float((z - windows.sound(start)).square().mean())

    assert history.shape == (1, 2)
    assert history[0, 1] == pytest.approx(loss(TIMELINE.valid), rel=1e-5)  # fit left it in evaluation mode
    small = contrastive_training._validate(
        model, windows, _pairs(TIMELINE.valid, N_RECORDINGS, False, 0), replace(still, batch=9)
    )
    assert small == pytest.approx(history[0, 1], rel=1e-5)  # the last batch is smaller and weighs less
    model.train()
    assert history[0, 0] == pytest.approx(loss(TIMELINE.train), rel=1e-5)


def test_every_epoch_has_an_order_of_its_own(tmp_path):
    """Nothing moves, so only the windows can make a difference between epochs."""
    still = replace(FITTING, learning_rate=1e-20, epoch_steps=1, max_epochs=3)
    losses = train(decoder(radius=0), tmp_path / "run", still)[:, 0]
    assert np.diff(np.sort(losses)).min() > 1e-4


def test_same_seed_same_bytes_whatever_the_global_generator(tmp_path):
    runs = []
    for global_seed, seed in ((0, 0), (1, 0), (0, 1)):
        torch.manual_seed(global_seed)
        before, model = torch.get_rng_state(), decoder()
        history = train(model, tmp_path / "run", seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        runs.append((state(model), history.tobytes()))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]
    assert runs[0][1] != runs[2][1]


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [(torch.optim.Adam, "step", 3), (contrastive_training, "_validate", 1)],  # that end well
    ids=["in a step", "in validation"],
)
def test_a_run_killed_in_its_second_epoch_ends_as_if_it_had_not_been(tmp_path, owner, name, calls):
    whole = decoder_with_speech()
    history = train(whole, tmp_path / "whole")
    assert history.shape == (4, 2)

    original, seen, file = getattr(owner, name), [], tmp_path / "killed"

    def dying(*args, **more):
        seen.append(0)
        if len(seen) > calls:
            raise Killed
        return original(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(Killed):
            train(decoder_with_speech(), file)
    assert [path.name for path in tmp_path.iterdir()] == ["killed"]

    validated, validate = [], contrastive_training._validate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrastive_training, "_validate", lambda *a: (validated.append(0), validate(*a))[1])
        resumed = decoder_with_speech()
        np.testing.assert_array_equal(train(resumed, file), history)
    assert len(validated) == 3  # the first epoch was not trained again
    assert state(resumed) == state(whole)
    assert not list(tmp_path.iterdir())


def test_epochs_that_end_soon_after_each_other_are_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(contrastive_training, "SAVE_S", 10.0)
    given_validation(monkeypatch, [2.0, 1.0, None])
    with pytest.raises(Killed):
        train(decoder(), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no NVIDIA GPU")
@pytest.mark.parametrize("devices", [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")], ids="-".join)
def test_a_run_on_a_gpu_and_one_that_changes_device_halfway_lose_what_one_on_a_cpu_does(
    tmp_path, monkeypatch, devices
):
    expected = train(decoder_with_speech(), tmp_path / "cpu")
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # the checkpoint stays, as when killed
    for device, n_epochs in zip(devices, (2, 4), strict=True):
        model, fitting = decoder_with_speech().to(device), replace(FITTING, max_epochs=n_epochs)
        history = train(model, tmp_path / "run", fitting, windows=planted(device=device))
    # Rounding the inputs of convolutions to TF32 on a CPU moves the losses by 1 % in the last epoch.
    np.testing.assert_allclose(history, expected, rtol=0.05)


def test_the_best_weights_outlive_a_kill_and_so_does_the_patience(tmp_path, monkeypatch):
    seen = given_validation(monkeypatch, [2.0, 1.0, 3.0, None, 4.0, 5.0, 0.0])
    fitting = replace(FITTING, epoch_steps=1, max_epochs=20, patience=3)
    with pytest.raises(Killed):
        train(decoder(), tmp_path / "run", fitting)
    model = decoder()
    assert train(model, tmp_path / "run", fitting)[:, 1].tolist() == [2.0, 1.0, 3.0, 4.0, 5.0]
    assert state(model) == seen[1]


@pytest.mark.parametrize(
    ("losses", "n_epochs", "best"),
    [
        ([1.0, *[2.0] * 9], 4, 0),
        ([1.0, 0.9, 2.0, 2.0, 0.5, 2.0, 2.0, 2.0, 0.1], 8, 4),  # the third worse epoch is the last
        ([2.0, 1.0, 1.0, 1.0, 1.0, 1.0], 5, 1),  # as good as before is no improvement
        ([*np.linspace(2, 1, 12)], 9, 8),  # max_epochs
    ],
)
def test_training_ends_when_patience_does_and_restores_the_best(
    tmp_path, monkeypatch, losses, n_epochs, best
):
    seen = given_validation(monkeypatch, losses)
    model = decoder()
    history = train(model, tmp_path / "run", replace(FITTING, epoch_steps=1, max_epochs=9, patience=3))
    assert history[:, 1].tolist() == losses[:n_epochs]
    assert len({weights["brain.initial.weight"] for weights in seen}) == n_epochs
    assert state(model) == seen[best]


# What is learned

LEARNING = Fitting(batch=16, learning_rate=1e-2, epoch_steps=25, max_epochs=3, patience=3)
CHANCE = math.log(16)


@pytest.mark.parametrize("kind", ["clip", "symmetric", "temperature"])
def test_a_planted_mixture_is_learned(tmp_path, kind):
    model = decoder(loss=kind)
    history = train(model, tmp_path / "run", replace(LEARNING, loss=kind))
    assert history[:, 1].min() < CHANCE / 4
    assert history[-1, 0] < history[0, 0]
    if kind == "temperature":
        assert float(model.log_scale.detach()) > 0.05  # from 0; matches are certain, so it sharpens
    else:
        assert model.log_scale is None


def test_nothing_is_learned_from_shuffled_pairs(tmp_path):
    history = train(decoder(), tmp_path / "run", replace(LEARNING, shuffled=True))
    assert history[:, 1].min() == pytest.approx(CHANCE, abs=0.15)


def test_regression_of_a_planted_mixture_explains_the_features(tmp_path):
    """The features have variance 1, which is the loss of a network that knows nothing."""
    history = train(decoder(), tmp_path / "run", replace(LEARNING, loss="regression"))
    assert history[0, 1] > history[-1, 1]
    assert history[-1, 1] < 0.6
