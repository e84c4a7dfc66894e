"""Users of the matching task react, wait, retry and match when they should, on one clock."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torch import nn

from crossroads.data.hand_movements import minimum_jerk
from crossroads.data.nerve_session import GESTURES, POSTURES
from crossroads.data.nerve_signals import NerveWorld, grow_nerve
from crossroads.models import matching_task
from crossroads.models.hand_decoder import RecurrentDecoder
from crossroads.models.matching_task import (
    Device,
    Task,
    play,
    recomputing_times,
    step_times,
    tick_times,
)
from crossroads.models.nerve_features import DEFAULT, Features, Filter, normalised

WORLD = NerveWorld(0, 10.0)
NERVE = grow_nerve(WORLD)
N_INPUTS = 14 * 16


class Witness(nn.Module):
    """Always says rest, and remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x, state=None):
        self.seen.append(x.numpy())
        return x.new_zeros(len(x), x.shape[1], 6), ()


def device(network):
    return Device(DEFAULT, np.ones(16), network, np.zeros(N_INPUTS), np.ones(N_INPUTS))


def rng(seed=0):
    return np.random.default_rng(seed)


class Nothing:
    """No nerve: what is recorded is the movement that is meant 60 ms from now."""

    def __init__(self, *arguments):
        pass

    def chunk(self, path):
        return path


class Oracle:
    """A device that knows what is meant just now, as long as its gate is open; or says what it is told to."""

    says, open_ticks, shut_ticks = None, 1, 0

    def __init__(self, device, n_users):
        self._known, self._tick = [np.zeros((n_users, 6))] * 3, 0

    def features(self, packet):
        self._known.append(packet[:, -1])
        return self._known.pop(0)

    def network(self, known):
        self._tick += 1
        if self.says:
            return np.tile(POSTURES[list(GESTURES).index(self.says)], (len(known), 1))
        return known * (self._tick % (self.open_ticks + self.shut_ticks) < self.open_ticks)


@pytest.fixture
def ask_oracle(monkeypatch):
    monkeypatch.setattr(matching_task, "NerveSource", Nothing)
    monkeypatch.setattr(matching_task, "Running", Oracle)

    def ask(task, **changes):
        for name, value in changes.items():
            monkeypatch.setattr(Oracle, name, value)
        return play(None, None, None, task, rng())

    return ask


def test_a_hand_that_rests_is_waited_for_until_the_time_is_out(ask_oracle):
    task = Task(n_cues=3, n_users=2, timeout_s=2.0)
    found = ask_oracle(task, says="rest")
    assert not found["success"].any()
    np.testing.assert_array_equal(found["made"], task.n_gestures)  # as rest is counted
    assert np.isnan([found["match_s"], found["hand_s"]]).all()
    np.testing.assert_array_equal(found["user"], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found["cue_s"][::3], matching_task.WARM_UP_S)
    between = np.diff(found["cue_s"].reshape(2, 3), axis=1) - task.timeout_s
    assert between.min() >= matching_task.PAUSE_S[0]
    assert between.max() <= matching_task.PAUSE_S[1] + 0.02
    np.testing.assert_array_equal(found["decoded"], 0)
    np.testing.assert_array_equal(found["hand"], 0)


def test_users_relax_and_try_again_when_nothing_happens(ask_oracle):
    # 0.35 s to react, 0.35 s to move, 0.6 s of patience, 0.3 s to relax: twice in 2.6 s, once in 1 s.
    for timeout_s, n_tries in ((2.6, 2), (1.0, 1)):
        task = Task(n_cues=1, n_users=1, timeout_s=timeout_s, reaction_sd=0.05)
        found = ask_oracle(task, says="rest")
        during = found["cue"] == found["target"][0]
        assert during.sum() == pytest.approx(timeout_s / 0.02, abs=1)
        meant = found["intent"][during].max(1) > 0.5
        assert np.sum(meant[1:] & ~meant[:-1]) == n_tries
        assert found["intent"].min() > -1e-9
        assert found["intent"].max() < 1 + 1e-9


def test_what_is_held_all_the_time_matches_at_once_or_never(ask_oracle):
    task = Task(n_cues=6, n_users=8, timeout_s=0.5)
    found = ask_oracle(task, says="fist")
    fist = found["target"] == list(GESTURES).index("fist")
    assert 0 < fist.sum() < len(fist)
    np.testing.assert_array_equal(found["success"], fist)
    assert found["match_s"][fist].min() > task.compute_s
    assert found["match_s"][fist].max() < 0.02 + task.compute_s + 0.1  # a tick, and the radio


@pytest.mark.parametrize("name", ["fist", "rest", "wrist"])
def test_what_is_made_is_the_nearest_of_the_user_s_gestures(ask_oracle, name):
    found = ask_oracle(Task(n_gestures=3, n_cues=14, n_users=4, timeout_s=0.1), says=name)
    said = POSTURES[list(GESTURES).index(name)]
    for user in range(4):
        target, choice, made = (found[key][found["user"] == user] for key in ("target", "choice", "made"))
        known = dict(zip(choice, target, strict=True))
        assert set(known) == {0, 1, 2}
        np.testing.assert_array_equal([known[one] for one in choice], target)
        away = {one: np.abs(POSTURES[gesture] - said).sum() for one, gesture in (known | {3: 0}).items()}
        assert [away[one] for one in made] == [min(away.values())] * 14


def test_users_react_and_rise_as_they_are_told(ask_oracle):
    task = Task(n_cues=5, n_users=30, n_gestures=4, reaction_s=0.4, dwell_s=0.02)
    found = ask_oracle(task)
    assert {len(found[key]) for key in ("user", "cue_s", "target", "success", "half_s")} == {150}
    assert kstest(np.log(found["reaction_s"]), norm(np.log(0.4), 0.2).cdf).pvalue > 0.01
    rise = 2 * (found["half_s"] - found["reaction_s"])
    np.testing.assert_allclose([rise.min(), rise.max()], (0.25, 0.45), atol=0.01)
    np.testing.assert_allclose(np.bincount(found["choice"], minlength=4) / 150, 0.25, atol=0.1)
    # Each user has four gestures, of all but rest.
    pairs = {
        (user, c, t) for user, c, t in zip(*(found[k] for k in ("user", "choice", "target")), strict=True)
    }
    assert len(pairs) == len({(user, c) for user, c, _ in pairs}) == len({(user, t) for user, _, t in pairs})
    assert {t for *_, t in pairs} == set(range(1, 12))


def test_who_is_understood_at_once_matches_when_half_of_the_movement_is_made(ask_oracle):
    task = Task(n_cues=4, n_users=12)
    found = ask_oracle(task)
    assert found["success"].all()
    np.testing.assert_array_equal(found["made"], found["choice"])
    # Half a tick to the next packet, computing, and 4 * 5 ms for the radio.
    late = found["match_s"] - found["half_s"]
    assert late.min() > task.compute_s
    assert late.max() < 0.1
    assert late.mean() == pytest.approx(0.01 + 0.002 + 0.02, abs=0.005)
    # A dwell later the cue is over; the next one comes after its pause.
    cue_s = found["cue_s"].reshape(12, 4)
    pause = np.diff(cue_s, axis=1) - found["match_s"].reshape(12, 4)[:, :-1] - task.dwell_s
    assert pause.min() > 1.0 - 0.1
    assert pause.max() < 1.4 + 0.1


def test_ticks_tell_what_the_first_user_means_and_sees(ask_oracle):
    found = ask_oracle(Task(n_cues=4, n_users=2))
    np.testing.assert_allclose(np.diff(found["tick_s"]), 0.02)
    np.testing.assert_allclose(found["decoded"], found["intent"], atol=1e-12)
    asked = found["cue"] != matching_task.REST
    first = found["tick_s"][1:][asked[1:] & ~asked[:-1]]
    own = found["user"] == 0
    late = first[:4] - found["cue_s"][own]
    assert late.min() > -1e-9
    assert late.max() < 0.02
    for cue_s, target, half_s in zip(first, found["target"][own], found["half_s"][own], strict=False):
        now = np.argmin(np.abs(found["tick_s"] - cue_s - half_s - 0.1))
        assert found["cue"][now] == target
        np.testing.assert_array_equal(found["intent"][now] > 0.5, POSTURES[target] > 0.5)
    # Between cues the hand is opened.
    np.testing.assert_allclose(found["intent"][found["tick_s"] < matching_task.WARM_UP_S], 0)
    ends = np.flatnonzero(asked[1:] & ~asked[:-1])[1:]
    np.testing.assert_allclose(found["intent"][ends], 0, atol=1e-9)


def test_dwelling_and_computing_longer_change_what_they_should(ask_oracle):
    task = Task(n_cues=1, n_users=20)
    plain = ask_oracle(task)
    dwelling, computing = ask_oracle(replace(task, dwell_s=0.5)), ask_oracle(replace(task, compute_s=0.05))
    np.testing.assert_array_equal(dwelling["match_s"], plain["match_s"])
    assert dwelling["tick_s"][-1] > plain["tick_s"][-1] + 0.2
    np.testing.assert_allclose(computing["match_s"], plain["match_s"] + 0.048)
    # Nobody can dwell for longer than is left.
    short = ask_oracle(replace(task, dwell_s=2.0, timeout_s=2.2))
    assert not short["success"].any()
    assert np.isnan(short["match_s"]).all()


def test_a_posture_that_is_not_held_is_no_match(ask_oracle):
    task, flicker = Task(n_cues=2, n_users=8), {"open_ticks": 5, "shut_ticks": 3}
    assert not ask_oracle(task, **flicker)["success"].any()
    assert ask_oracle(replace(task, dwell_s=0.03), **flicker)["success"].mean() > 0.9


def test_the_hand_follows_with_its_lag(ask_oracle):
    task = Task(n_cues=2, n_users=15, dwell_s=0.6, hand_lag_s=0.25)
    found = ask_oracle(task)
    step = 1e-4
    expected = []
    for reaction, half in zip(found["reaction_s"], found["half_s"], strict=True):
        way, hand = minimum_jerk(np.arange(0, 2, step) / (2 * (half - reaction))), 0.0
        n = 0
        while hand <= 0.5:
            hand += step / 0.25 * (way[n] - hand)
            n += 1
        expected.append(reaction + n * step)
    late = found["hand_s"] - expected
    # As for the decoded posture: half a tick, computing and radio; and a tick's posture counts for all of it.
    assert late.mean() == pytest.approx(0.032 - 0.01, abs=0.008)
    assert np.abs(late).max() < 0.12
    np.testing.assert_array_equal(found["hand"][found["tick_s"] < matching_task.WARM_UP_S], 0)
    change = np.diff(found["hand"], axis=0)
    share = (1 - np.exp(-0.02 / 0.25)) * (found["decoded"][1:] - found["hand"][:-1])
    np.testing.assert_allclose(change, share, atol=1e-12)


def test_each_user_s_packets_are_processed_by_themselves(monkeypatch):
    signal = rng(3).standard_normal((3, 20 * 200, 16)) * np.array([1, 5, 20])[:, None, None]

    class Played(Nothing):
        n_done = 0

        def chunk(self, path):
            self.n_done += 200
            return np.roll(signal, -self.n_done + 200, axis=1)[:, :200]

    monkeypatch.setattr(matching_task, "NerveSource", Played)
    network, g = Witness(), rng(4)
    made = Device(
        DEFAULT, g.uniform(1, 3, 16), network, g.standard_normal(N_INPUTS), g.uniform(1, 9, N_INPUTS)
    )
    play(None, None, made, Task(n_cues=1, n_users=3, timeout_s=0.1), rng())
    seen = np.concatenate(network.seen, axis=1)
    assert seen.shape[::2] == (3, N_INPUTS)
    for one, raw in zip(seen, signal, strict=True):
        found = Features(DEFAULT, made.spread)(Filter(DEFAULT, 16)(raw)).reshape(20, N_INPUTS)
        np.testing.assert_allclose(one[:20], normalised(found, made.mean, made.sd), rtol=1e-5, atol=1e-5)


def test_same_generator_same_times():
    task = Task(n_cues=1, n_users=2, timeout_s=0.2)
    torch.manual_seed(0)
    made = device(RecurrentDecoder(N_INPUTS, 8).eval())
    first, again, other = (play(NERVE, WORLD, made, task, rng(seed)) for seed in (0, 0, 1))
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first["reaction_s"], other["reaction_s"])


def test_tick_times_are_measured():
    network = Witness()
    taken = tick_times(NERVE, WORLD, device(network), 7, rng())
    assert taken.shape == (7, 2)
    assert (taken > 0).all()
    assert [x.shape for x in network.seen] == [(1, 1, N_INPUTS)] * 7


def test_times_of_networks_are_measured():
    network = Witness()
    taken = recomputing_times(network, 5, 9, 3)
    assert [x.shape for x in network.seen] == [(1, 9, 5)] * 3
    network.seen.clear()
    for times in (taken, step_times(network, 5, 3)):
        assert times.shape == (3,)
        assert (times > 0).all()
    assert [x.shape for x in network.seen] == [(1, 1, 5)] * 3
