"""Which recordings of place cells the hippocampus chapter reads: virtual mice, their controls, and hc-30."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossroads.data.hc30 import SOURCE, RecordedSession, check_usable, list_sessions, load_session
from crossroads.data.linear_track import Runs, Session, binned_runs, equal_directions
from crossroads.data.place_cells import VirtualMouse, pseudo_population, simulate_session

QUIET = {"jitter_cm": 0.0, "gain_sd": 0.0, "n_latents": 0, "speed_cv": 0.0}
ALTERED: dict[str, dict] = {  # what is other than in the condition "main", by the condition's name
    "independent": QUIET,
    "gain": QUIET | {"gain_sd": 0.5},
    "low rank": QUIET | {"n_latents": 3, "latent_strength": 0.35},
    "low rank, orthogonal": QUIET | {"n_latents": 3, "latent_strength": 0.35, "orthogonal_latents": True},
    "jitter": QUIET | {"jitter_cm": 6.0},
    "speed": QUIET | {"speed_cv": 0.25},
    "circular": {"circular": True},
    "detected": {"fluorescence": True},
}
HARMLESS = ("independent", "gain", "low rank")  # conditions without limiting noise


@dataclass(frozen=True)
class MouseRanges:
    """Ranges (low, high) from which virtual mice and their sessions are drawn, uniformly, both ends included.

    n_cells, n_runs : of a session; jitter_cm, n_modules, width_sd, peak_sd : of a mouse (`VirtualMouse`).
    """

    n_cells: tuple[int, int]
    n_runs: tuple[int, int]
    jitter_cm: tuple[float, float]
    n_modules: tuple[int, int]
    width_sd: tuple[float, float]
    peak_sd: tuple[float, float]


@dataclass(frozen=True)
class Recording:
    """One session to open.

    source : the virtual mouse to simulate, or the recorded session to load.
    seed, mouse, session : root seed of the run and the numbers of mouse and session; conditions with equal
        numbers share the random streams.
    n_sources : more than 1: a pseudo-population of cells from that many sessions of the virtual mouse.
    """

    source: VirtualMouse | RecordedSession
    seed: int
    mouse: int
    session: int
    n_sources: int = 1

    def rng(self, purpose: int) -> np.random.Generator:
        """Generator of this recording for one purpose (0 is its simulation)."""
        key = (self.mouse, self.session, purpose)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


def virtual_recordings(
    ranges: MouseRanges, n_mice: int, sessions_per_mouse: int, seed: int
) -> list[Recording]:
    """Sessions of virtual mice under the condition "main": limiting noise, a gain and low-rank noise."""
    recordings = []
    for mouse in range(n_mice):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(mouse,)))
        traits: dict[str, Any] = {
            "jitter_cm": float(rng.uniform(*ranges.jitter_cm)),
            "n_modules": int(rng.integers(*ranges.n_modules, endpoint=True)),
            "width_sd": float(rng.uniform(*ranges.width_sd)),
            "peak_sd": float(rng.uniform(*ranges.peak_sd)),
        }
        for session in range(sessions_per_mouse):
            n_cells, n_runs = (int(rng.integers(*r, endpoint=True)) for r in (ranges.n_cells, ranges.n_runs))
            source = VirtualMouse(n_cells=n_cells, n_runs=n_runs, **traits)
            recordings.append(Recording(source, seed, mouse, session))
    return recordings


def recorded(folder: Path | None, seed: int) -> tuple[list[Recording], list[str]]:
    """The sessions of hc-30 in a folder that meet the inclusion rule, and why each other one does not.

    Raises
    ------
    ValueError : no folder, or no session left; and as `hc30.list_sessions` and `hc30.load_session`.
    """
    if folder is None:
        raise ValueError(
            "data='hc-30' needs a folder of real data: set CROSSROADS_DATA to one that holds "
            f"hippocampus/*.mat, from {SOURCE}"
        )
    kept, left_out = [], []
    for session in list_sessions(folder):
        opened = load_session(session)
        try:
            check_usable(opened, binned_runs(opened))
            kept.append(session)
        except ValueError as error:
            left_out.append(str(error))
    if not kept:
        raise ValueError(f"{folder}: no session left; {left_out[0]}")
    mice = sorted({session.mouse for session in kept})
    return [Recording(s, seed, mice.index(s.mouse), i) for i, s in enumerate(kept)], left_out


def under(condition: str, recording: Recording) -> Recording:
    """A virtual recording under one of the conditions ALTERED.

    Or "pseudo": as a pseudo-population of 16 sessions; "another": another session of the same mouse.
    """
    assert isinstance(recording.source, VirtualMouse)
    if condition == "pseudo":
        return replace(recording, n_sources=16)
    if condition == "another":
        return replace(recording, session=recording.session + 1000)
    return replace(recording, source=replace(recording.source, **ALTERED[condition]))


def open_session(recording: Recording) -> Session:
    """Simulate or load one session."""
    if isinstance(recording.source, RecordedSession):
        return load_session(recording.source)
    return simulate_session(recording.source, recording.rng(0))


def open_runs(recording: Recording) -> tuple[Session, Runs]:
    """One session and its runs, as many in each direction.

    Of a pseudo-population, the session is the first of its sources.
    """
    rng = recording.rng(1)
    if recording.n_sources == 1:
        session = open_session(recording)
        return session, equal_directions(binned_runs(session), rng)
    assert isinstance(recording.source, VirtualMouse)
    shares = np.diff(np.linspace(0, recording.source.n_cells, recording.n_sources + 1).astype(int))
    sessions = [
        simulate_session(replace(recording.source, n_cells=int(share)), recording.rng(10 + i))
        for i, share in enumerate(shares)
    ]
    return sessions[0], equal_directions(pseudo_population([binned_runs(s) for s in sessions], rng), rng)
