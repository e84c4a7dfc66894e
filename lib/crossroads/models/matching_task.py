"""The gesture matching task in real time: user, nerve, packets, decoder, radio, hand and match on one clock.

All times are simulated ones but for what computing takes, which is a setting, so that the same seed gives
the same times; what it really takes is measured by `tick_times`. The paper's own timing is not known to us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from crossroads.data.hand_movements import CONTROL_HZ, MATCHING, PER_STEP, minimum_jerk
from crossroads.data.nerve_session import ACTIVE, DOFS, POSTURES, STEP_S
from crossroads.data.nerve_signals import LEAD_S, Nerve, NerveSource, NerveWorld
from crossroads.models.hand_decoder import LiveDecoder, decode
from crossroads.models.nerve_features import FEATURES, Features, Filter, FrontEnd, normalised

REST = 0
N_MOVES = 8  # of a user, that may be under way at once
PATIENCE_S = 0.6  # of a user who sees a wrong posture after the movement is made: then a new try
RELAX_S = 0.3  # to open the hand
PAUSE_S = (1.0, 1.4)  # from the end of a cue to the next one
RADIO = (4.0, 0.005)  # shape and scale [s] of the gamma distribution of what a radio packet takes
WARM_UP_S = 2.0  # at rest before the first cue


@dataclass(frozen=True)
class Task:
    """What is asked of the user, and who that is.

    n_gestures : cued ones, drawn for each user among GESTURES but rest, so that how many they are does not
        change how hard they are; as likely each. n_cues : for each of n_users.
    dwell_s : for which a posture has to be held. timeout_s : after which a cue is lost.
    reaction_s, reaction_sd : median and SD of the logarithm of the time from the cue to the user's movement.
    compute_s : that a tick's computing is taken to last. hand_lag_s : time constant of the hand.
    """

    n_gestures: int = 11
    n_cues: int = 6
    n_users: int = 12
    dwell_s: float = 0.2
    timeout_s: float = 2.6
    reaction_s: float = 0.35
    reaction_sd: float = 0.2
    compute_s: float = 0.002
    hand_lag_s: float = 0.15


@dataclass(frozen=True, eq=False)
class Device:
    """All that runs on the device: front end, thresholds, normalisation, network."""

    front: FrontEnd
    spread: np.ndarray
    network: nn.Module
    mean: np.ndarray
    sd: np.ndarray


def play(
    nerve: Nerve, world: NerveWorld, device: Device, task: Task, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Let users do the task, side by side, each with movements, signals and times of their own.

    Returns
    -------
    One entry a cue: user; cue_s, on the clock; target (index into GESTURES); choice (which of the user's
    gestures that is) and made (which of them was matched, or what the decoded posture was nearest to at the
    time-out; n_gestures for rest); success; from the cue on: reaction_s and
    half_s (to the beginning and to half of the user's first movement), match_s and hand_s (to the first
    instant of the matching posture that was then held, as decoded and by the hand itself; nan where there
    was none).
    One entry a tick, of the first user: tick_s; intent, decoded, hand (n, 6); cue, the target or REST.
    """
    moves = _Movements(task.n_users)
    users = [_User(i, moves, task, r) for i, r in enumerate(rng.spawn(task.n_users))]
    source = NerveSource(nerve, world, rng, task.n_users)
    running = Running(device, task.n_users)
    hand, follow = np.zeros((task.n_users, len(DOFS))), 1 - np.exp(-STEP_S / task.hand_lag_s)
    ticks: list[tuple] = []
    now = 0.0
    while any(len(user.rows) < task.n_cues for user in users):
        ahead = now + LEAD_S + np.arange(1, PER_STEP + 1) / CONTROL_HZ
        packet = source.chunk(moves.at(ahead))
        now += STEP_S  # the packet is complete
        decoded = running.network(running.features(packet))
        hand += follow * (decoded - hand)
        arrival = now + task.compute_s + rng.gamma(*RADIO, task.n_users)
        for user, *seen in zip(users, arrival, decoded, hand, strict=True):
            user.tick(now, *seen)
        cue = users[0].target if users[0].cue_s <= now else REST
        ticks.append((now, moves.at(np.array([now]))[0, 0], decoded[0], hand[0].copy(), cue))
    rows = [{"user": i, **row} for i, user in enumerate(users) for row in user.rows[: task.n_cues]]
    names = ("tick_s", "intent", "decoded", "hand", "cue")
    return {key: np.array([row[key] for row in rows]) for key in rows[0]} | {
        name: np.array(column) for name, column in zip(names, zip(*ticks, strict=True), strict=True)
    }


class Running:
    """The device at work on packets of several users."""

    def __init__(self, device: Device, n_users: int = 1) -> None:
        self._n_users, self._device = n_users, device
        n_channels = len(device.spread)
        self._low = Filter(device.front, n_users * n_channels)
        self._features = Features(device.front, np.tile(device.spread, n_users))
        self.network = LiveDecoder(device.network)

    def features(self, packet: np.ndarray) -> np.ndarray:
        """(B, F) standardised features after a packet (B, n, C) of one step."""
        found = self._features(self._low(packet.swapaxes(0, 1).reshape(packet.shape[1], -1)))[0]
        x = found.reshape(len(FEATURES), self._n_users, -1).swapaxes(0, 1).reshape(self._n_users, -1)
        return normalised(x, self._device.mean, self._device.sd)


class _Movements:
    """The last movements of B users: they add up, as one may begin within another."""

    def __init__(self, n_users: int) -> None:
        self._start, self._lasting = np.zeros((n_users, N_MOVES)), np.ones((n_users, N_MOVES))
        self._way = np.zeros((n_users, N_MOVES, len(DOFS)))
        # Where all earlier ones have led, and where all together will.
        self._base, self._goal = np.tile(POSTURES[REST], (2, n_users, 1))

    def at(self, t: np.ndarray) -> np.ndarray:
        """(B, m, 6) posture that is meant at times (m,)."""
        made = minimum_jerk((t[:, None] - self._start[:, None]) / self._lasting[:, None])
        return self._base[:, None] + made @ self._way

    def add(self, user: int, goal: np.ndarray, start_s: float, lasting_s: float) -> None:
        """One more movement, in the place of the oldest."""
        self._base[user] += self._way[user, 0]
        way = goal - self._goal[user]
        for known, new in ((self._start, start_s), (self._lasting, lasting_s), (self._way, way)):
            known[user, :-1] = known[user, 1:]
            known[user, -1] = new
        self._goal[user] = goal


class _User:
    """One user: the cue, and what has been seen of the hand."""

    def __init__(self, number: int, moves: _Movements, task: Task, rng: np.random.Generator) -> None:
        self._number, self._moves, self._task, self._rng = number, moves, task, rng
        self._set = 1 + rng.permutation(len(POSTURES) - 1)[: task.n_gestures]
        self._held_s = self._hand_s = self._wrong_s = self._again_s = np.nan
        self.rows: list[dict[str, Any]] = []
        self._begin(WARM_UP_S)

    def tick(self, now: float, arrival: float, decoded: np.ndarray, hand: np.ndarray) -> None:
        """See the decoded posture, which arrives a little after now, and the hand."""
        task = self._task
        if now < self.cue_s:
            return
        wanted = POSTURES[self.target] > ACTIVE
        self._held_s = _held(self._held_s, arrival, bool(((decoded > ACTIVE) == wanted).all()))
        self._hand_s = _held(self._hand_s, arrival, bool(((hand > ACTIVE) == wanted).all()))
        matched = arrival - self._held_s >= task.dwell_s
        if matched or now - self.cue_s >= task.timeout_s:
            self._finish(now, matched, decoded)
        elif np.isfinite(self._held_s):
            self._wrong_s = now
        elif now >= self._again_s:
            self._move(POSTURES[self.target], now + LEAD_S, self._rng.uniform(*MATCHING.rise))
        elif now - self._wrong_s >= PATIENCE_S:
            self._move(POSTURES[REST], now + LEAD_S, RELAX_S)
            self._again_s = now + RELAX_S

    def _begin(self, cue_s: float) -> None:
        """Draw the next cue, and when and how fast the user will move."""
        self.cue_s = cue_s
        self._choice = int(self._rng.integers(self._task.n_gestures))
        self.target = int(self._set[self._choice])
        reaction = self._task.reaction_s * np.exp(self._task.reaction_sd * self._rng.standard_normal())
        rise = self._rng.uniform(*MATCHING.rise)
        self._move(POSTURES[self.target], cue_s + max(reaction, LEAD_S), rise)
        self._held_s = self._hand_s = np.nan
        self._first = {"reaction_s": reaction, "half_s": reaction + rise / 2}

    def _move(self, goal: np.ndarray, start_s: float, lasting_s: float) -> None:
        self._moves.add(self._number, goal, start_s, lasting_s)
        self._wrong_s, self._again_s = start_s + lasting_s, np.inf

    def _finish(self, now: float, matched: bool, decoded: np.ndarray) -> None:
        """Note the cue, open the hand after a reaction, and expect the next cue."""
        known = np.concatenate([POSTURES[self._set], POSTURES[:1]])
        nearest = int(np.linalg.norm(known - decoded, axis=1).argmin())
        self.rows.append({
            "cue_s": self.cue_s,
            "target": self.target,
            "choice": self._choice,
            "made": nearest,  # the target where that is matched
            "success": matched,
            **self._first,
            "match_s": self._held_s - self.cue_s if matched else np.nan,
            "hand_s": self._hand_s - self.cue_s,
        })  # fmt: skip
        self._move(POSTURES[REST], now + self._task.reaction_s, RELAX_S)
        self._begin(now + self._rng.uniform(*PAUSE_S))


def _held(since_s: float, now: float, matching: bool) -> float:
    """Since when a posture matches; nan while it does not."""
    return (since_s if np.isfinite(since_s) else now) if matching else np.nan


def tick_times(
    nerve: Nerve, world: NerveWorld, device: Device, n_ticks: int, rng: np.random.Generator
) -> np.ndarray:
    """(n_ticks, 2) seconds that front end and network really take for one packet of one user."""
    source, running = NerveSource(nerve, world, rng), Running(device)
    taken = np.empty((n_ticks, 2))
    for i in range(n_ticks):
        packet = source.chunk(np.zeros((1, PER_STEP, len(DOFS))))
        start = time.perf_counter()
        x = running.features(packet)
        between = time.perf_counter()
        running.network(x)
        taken[i] = between - start, time.perf_counter() - between
    return taken


def recomputing_times(network: nn.Module, n_features: int, n_steps: int, n_ticks: int) -> np.ndarray:
    """(n_ticks,) seconds that a network takes to decode one step when it starts anew from n_steps before."""
    return _call_times(partial(decode, network, np.zeros((1, n_steps, n_features), np.float32)), n_ticks)


def step_times(network: nn.Module, n_features: int, n_ticks: int) -> np.ndarray:
    """(n_ticks,) seconds that a network with its state carried on takes for one step."""
    return _call_times(partial(LiveDecoder(network), np.zeros((1, n_features), np.float32)), n_ticks)


def _call_times(call: Callable[[], object], n: int) -> np.ndarray:
    """(n,) seconds that each of n calls takes."""
    moments = [time.perf_counter()]
    for _ in range(n):
        call()
        moments.append(time.perf_counter())
    return np.diff(moments)
