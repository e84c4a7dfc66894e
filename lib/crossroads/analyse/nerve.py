"""The plan of chapter `nerve`: its settings, and every decoder, session and task that it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import ceil

import numpy as np

from crossroads.analyse.nerve_study import (
    PROTOCOLS,
    Later,
    Match,
    RealRecording,
    Recording,
    Selection,
    Training,
)
from crossroads.data.nerve_session import GESTURES, STEP_S
from crossroads.data.nerve_signals import NerveWorld
from crossroads.models.hand_decoder import Fitting
from crossroads.models.matching_task import Task
from crossroads.models.nerve_features import DEFAULT, FEATURES, FrontEnd

CLASSIC = ("ridge", "support vectors", "forest")
DECODERS = (*CLASSIC, "ridge, ten steps", "one step", "convolutional", "recurrent", "with attention")
HIGH_BAND_HZ = (600.0, 1990.0)
BANDS = {"25-600 Hz": DEFAULT, "600-2000 Hz": FrontEnd(band_hz=HIGH_BAND_HZ)}
SLOW_S = 0.2  # computing a tick, of a device that is too slow
HELD_OUT = list(GESTURES).index("hook")
WARP = 0.3
FOUR = ("MAV", "WL", "ZC", "SSC")
SYMMETRIC = tuple(name for name in FEATURES if name != "MAVS")  # the same in a window played backwards
REAL_FRONT = {"ninapro-db8": FrontEnd(2000.0, 1, (20.0, 500.0)), "session": DEFAULT}


@dataclass(frozen=True)
class NerveSettings:
    """Settings of the chapter, one block a size in ci/sizes/nerve.yml."""

    n_nerves: int
    n_networks: int  # initialisations of the main decoder, for each nerve
    n_trials: int  # of each gesture in a session
    n_test: int  # of these, kept for the test
    months: tuple[int, ...]  # after the first
    amplitude_uv: float  # of a motor unit, such that states are right in 97 to 98 % of steps at size book
    kind: str  # of the main decoder: recurrent or with attention
    n_hidden: int
    epochs: int
    both_epochs: int  # with continuous movements too, which are as many trials more, and harder
    batch: int
    crop: int  # steps
    n_hidden_attention: int  # of the decoder with attention beside it
    attention_epochs: int
    n_users: int  # that do the matching task with each nerve
    n_cues: int  # each
    onset_trials: int  # of each gesture, made as in the task, that tell a decoder's delay off line
    n_gestures: tuple[int, ...]  # of the matching task, the last one all
    dwells_s: tuple[float, ...]
    windows_ms: tuple[int, ...]
    delays_ms: tuple[int, ...]  # of labels
    n_channels: tuple[int, ...]
    sweep_trials: int  # of each gesture, where amplitudes, muscles and bands vary
    n_varied: int  # nerves with which controls, movements, muscles and bands vary
    amplitudes_uv: tuple[float, ...]
    emg_uv: tuple[float, ...]

    def fitting(self, **changes: float) -> Fitting:
        """How the main decoder is trained."""
        return replace(Fitting(self.n_hidden, self.epochs, self.batch, crop=self.crop), **changes)  # type: ignore[arg-type]


def worlds(settings: NerveSettings, seed: int) -> list[NerveWorld]:
    """The simulated nerves, in the month of the implantation."""
    seeds = np.random.SeedSequence(seed).generate_state(settings.n_nerves)
    return [NerveWorld(int(s), settings.amplitude_uv) for s in seeds]


def plan_trainings(settings: NerveSettings, seed: int) -> dict[str, list[Training]]:
    """Every decoder that is trained, by its condition; one a nerve, but "main" has n_networks a nerve.

    "windows", "delays" and "amplitudes" are of the first nerve, in the order of their settings; controls and
    variations of the first n_varied nerves.
    """
    fitting = settings.fitting()
    main = [
        Training(Recording(world, settings.n_trials), settings.kind, fitting, settings.n_test, seed)
        for world in worlds(settings, seed)
    ]
    plans = {"main": [replace(one, seed=seed + k) for one in main for k in range(settings.n_networks)]}
    plans |= {
        f"retrained, month {m}": [replace(one, recording=_in_month(one, m)) for one in main]
        for m in settings.months
    }
    linear = [replace(one, kind="ridge, ten steps") for one in main]
    plans |= _compared(settings, main)
    plans["noisy labels"] = [replace(one, change="noisy labels") for one in linear]
    plans["noisy labels, anew"] = [replace(one, seed=seed + 1) for one in plans["noisy labels"]]
    plans["four features"] = [replace(one, kinds=FOUR) for one in linear]
    plans["single steps"] = [replace(one, change="single steps") for one in plans["forest"]]
    varied = main[: settings.n_varied]
    plans["warped"] = [replace(one, fitting=settings.fitting(warp=WARP)) for one in varied]
    longer = settings.fitting(epochs=settings.both_epochs)
    plans["both"] = [
        replace(one, fitting=longer, also=_another(one, protocol="continuous")) for one in varied
    ]
    plans["both, another network"] = [replace(one, seed=seed + 1) for one in plans["both"]]
    plans["without one gesture"] = [replace(one, held_out=HELD_OUT) for one in varied]
    plans["windows"] = [_with_front(main[0], FrontEnd(window_s=ms / 1000)) for ms in settings.windows_ms]
    plans["windows, one step"] = [
        replace(_of_kind(settings, one, "one step"), kinds=SYMMETRIC) for one in plans["windows"]
    ]
    plans["delays"] = [replace(linear[0], delay=round(ms / 1000 / STEP_S)) for ms in settings.delays_ms]
    short = [
        replace(one, recording=Recording(world, settings.sweep_trials), n_test=1)
        for one, world in zip(linear, worlds(settings, seed), strict=True)
    ]
    for (name, changes), (band, front) in product(CONTAMINATION.items(), BANDS.items()):
        plans[f"{name}, {band}"] = [
            _with_front(_with_world(one, **changes), front) for one in short[: settings.n_varied]
        ]
    plans["amplitudes"] = [
        _with_world(
            short[0],
            amplitude_uv=amplitude,
            emg_uv=emg,
            emg_follows="the intent",
        )
        for amplitude, emg in product(settings.amplitudes_uv, settings.emg_uv)
    ]
    return plans


def _compared(settings: NerveSettings, main: list[Training]) -> dict[str, list[Training]]:
    """Every kind of decoder on the sessions of the main ones, and the controls of that comparison."""
    plans = {kind: [_of_kind(settings, one, kind) for one in main] for kind in DECODERS}
    for change, kinds in {
        "labels permuted": ("ridge", "forest", "ridge, ten steps", "recurrent"),
        "steps shuffled": ("one step", "convolutional", "recurrent"),
    }.items():
        for kind in kinds:
            varied = plans[kind][: settings.n_varied]
            plans[f"{kind}, {change}"] = [replace(one, change=change) for one in varied]
    return plans


CONTAMINATION: dict[str, dict] = {
    "nerve and muscle": {"emg_uv": 3.0, "emg_follows": "other movements"},
    "muscle alone": {"amplitude_uv": 0.0, "emg_uv": 3.0, "emg_follows": "the intent"},
    "nerve alone": {"emg_uv": 0.0},
    "noise alone": {"amplitude_uv": 0.0, "emg_uv": 0.0},
}


def _of_kind(settings: NerveSettings, training: Training, kind: str) -> Training:
    fitting = training.fitting
    if kind in ("convolutional", "one step"):  # steps of these cost less, and they need more of them
        fitting = replace(fitting, epochs=fitting.epochs * 3 // 2)
    if kind == "with attention":
        fitting = replace(fitting, n_hidden=settings.n_hidden_attention, epochs=settings.attention_epochs)
    return replace(training, kind=kind, fitting=fitting)


def _with_world(training: Training, **changes: float | str) -> Training:
    recording = training.recording
    assert isinstance(recording, Recording)
    return replace(training, recording=replace(recording, world=replace(recording.world, **changes)))  # type: ignore[arg-type]


def _with_front(training: Training, front: FrontEnd) -> Training:
    return replace(training, recording=replace(training.recording, front=front))


def _in_month(training: Training, month: int) -> Recording:
    return _with_world(training, month=month).recording  # type: ignore[return-value]


def _another(training: Training, **changes: str) -> Recording:
    """Another session of the same nerve, perhaps with other movements."""
    assert isinstance(training.recording, Recording)
    return replace(training.recording, draw=1, **changes)  # type: ignore[arg-type]


def plan_later(settings: NerveSettings, plans: dict[str, list[Training]]) -> dict[str, list[Later]]:
    """Trained decoders on other sessions: months later, without drift, and with other movements."""
    first = plans["main"][:: settings.n_networks]
    later = {
        f"{protocol}, month {m}": [Later(one, _in_month(one, m), protocol, settings.n_test) for one in first]
        for protocol in PROTOCOLS[:3]
        for m in settings.months
    }
    n = settings.onset_trials
    later["onsets"] = [
        Later(one, replace(_another(one, protocol="matching"), n_trials=n), "frozen", n) for one in first
    ]
    later["onsets, in a row"] = [replace(one, in_a_row=True) for one in later["onsets"]]
    later |= {
        f"{protocol}, no drift": [
            Later(one, _another(one), protocol, settings.n_test) for one in first[: settings.n_varied]
        ]
        for protocol in PROTOCOLS[:2]
    }
    sources = {"cued": first[: settings.n_varied], "cued, warped": plans["warped"]}
    sources["cued and continuous"] = plans["both"]
    later |= {
        f"{trained}, {protocol}": [
            Later(one, _another(one, protocol=protocol), "frozen", settings.n_test) for one in those
        ]
        for trained, those in sources.items()
        for protocol in ("free", "continuous")
    }
    later["another network, continuous"] = [
        Later(one, _another(one, protocol="continuous"), "frozen", settings.n_test)
        for one in plans["both, another network"]
    ]
    return later


def plan_matches(
    settings: NerveSettings, plans: dict[str, list[Training]], seed: int
) -> dict[str, list[Match]]:
    """The matching task in each condition."""
    first = plans["main"][:: settings.n_networks]
    task = Task(max(settings.n_gestures), settings.n_cues, settings.n_users)
    few = replace(task, n_cues=1)  # enough to tell a delay by, and where every cue takes long
    matches = {
        f"{n} gestures": [Match(one, replace(task, n_gestures=n), seed) for one in first]
        for n in settings.n_gestures
    }
    matches |= {
        f"dwell {dwell}": [Match(one, replace(few, dwell_s=dwell), seed) for one in first]
        for dwell in settings.dwells_s
    }
    silent = {
        one: _with_world(one, amplitude_uv=0.0, emg_uv=0.0).recording for one in first[: settings.n_varied]
    }
    fewer = replace(few, n_users=ceil(task.n_users / 3))  # enough to see that nothing is matched
    matches["nerve silenced"] = [Match(one, fewer, seed, silent[one].world) for one in silent]  # type: ignore[union-attr]
    slow = replace(few, compute_s=SLOW_S)
    matches["slow device"] = [Match(one, slow, seed) for one in first[: settings.n_varied]]
    return matches


def plan_selections(settings: NerveSettings, plans: dict[str, list[Training]]) -> list[Selection]:
    """Decoders on fewer channels, one a nerve."""
    return [Selection(one, settings.n_channels) for one in plans["ridge, ten steps"]]


def plan_real(settings: NerveSettings, data: str, seed: int) -> dict[str, list[Training]]:
    """The main decoder, and those compared with it, on the first session of recordings."""
    recording = RealRecording(data, 0, REAL_FRONT[data])
    first = Training(recording, settings.kind, settings.fitting(), 1, seed)
    return {"main": [first]} | _compared(settings, [first])


def sessions(plans: dict[str, list[Training]], later: dict[str, list[Later]]) -> list[Recording]:
    """Every simulated session that decoders are trained or tested on, once; long ones first."""
    used = [one.recording for those in plans.values() for one in those]
    used += [one.also for those in plans.values() for one in those if one.also]
    used += [one.recording for those in later.values() for one in those]
    simulated = [one for one in dict.fromkeys(used) if isinstance(one, Recording)]
    return sorted(simulated, key=lambda one: -one.n_trials)
