"""The plan of chapter `hmgm`: its settings, and the groups of people that it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from crossroads.analyse.brain_graph_study import Graph
from crossroads.analyse.brain_state_study import Fit, Group, open_group, plan_fits
from crossroads.analyse.state_baselines import BASELINES, principal_series
from crossroads.analyse.state_summaries import state_accuracy, switching_rate
from crossroads.data.bold import by_person
from crossroads.data.brain_states import StateWorld
from crossroads.models.gaussian_hmm import fit_states, most_likely_path

MAIN = "planted states"
# Settings of the world that differ from the main one's.
WORLDS: dict[str, dict[str, Any]] = {
    "no communities": {"rho_in": 0.05},
    "everything moves": {"move": 1.0, "core": False},
    "nothing moves": {"move": 0.0},
    "no core": {"core": False},
}
SEDATED: dict[str, Any] = {"move": 0.05, "long": 2, "long_factor": 4.0}
NO_MEMORY = 1.25  # volumes that states last without memory
SHIPPED = ("hcp-aal2", "hcp-schaefer")  # recordings that come inside packages
COMPARED = (
    "frames shuffled",
    "static white noise",
    "static AR noise",
    "state per person",
    "through blood flow",
)
GRAPHED = (*WORLDS, "no memory", "sedated", "awake again")


@dataclass(frozen=True)
class HmgmSettings:
    """Settings of the chapter, one block a size in ci/sizes/hmgm.yml."""

    n_groups: int  # of simulated people, each in a world of its own
    n_people: int
    n_volumes: int
    tr_s: float
    n_regions: int
    n_states: int
    n_communities: int
    dwell_s: float
    rho_in: float
    mean_sd: float
    grid: tuple[int, ...]  # numbers of states that are tried
    n_folds: int
    n_starts: int  # random starts of a fit behind a selection curve
    graph_starts: int  # of a fit behind a graph
    n_runs: int  # of Leiden, for a consensus
    n_nulls: int  # for the modularity of each layer
    n_sets: int  # random sets of regions for the score of each community
    dwells_s: tuple[float, ...]
    recorded_volumes: int  # of each recording, from its beginning; 0 for all of them
    recorded_grid: tuple[int, ...]
    recorded_states: int
    recorded_folds: int
    recorded_starts: int
    n_surrogates: int

    def states_of(self, group: Group) -> int:
        """The number of states of a group's graph: planted, or chosen for recordings."""
        return self.n_states if group.world else self.recorded_states

    def world(self) -> StateWorld:
        """The simulated world of the main condition."""
        return StateWorld(
            self.n_people,
            self.n_volumes,
            self.tr_s,
            self.n_regions,
            self.n_states,
            self.n_communities,
            self.dwell_s,
            self.rho_in,
            mean_sd=self.mean_sd,
        )


def plan_groups(settings: HmgmSettings, seed: int) -> dict[str, list[Group]]:
    """The simulated groups of each condition: the same worlds and people as far as it lets them."""
    world = settings.world()
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(settings.n_groups)]
    main = [Group("simulated", s, world) for s in seeds]
    groups = {MAIN: main}
    for change in COMPARED:
        groups[change] = [replace(group, change=change) for group in main]
    worlds: dict[str, dict[str, Any]] = WORLDS | {"no memory": {"dwell_s": NO_MEMORY * settings.tr_s}}
    for name, changes in worlds.items():
        groups[name] = [replace(group, world=replace(world, **changes)) for group in main]
    sedated = replace(world, **SEDATED)
    groups["sedated"] = [replace(group, world=sedated, people=1) for group in main]
    groups["awake again"] = [replace(group, people=1) for group in main]
    return groups


def plan(
    settings: HmgmSettings, data: str, seed: int, shipped: Sequence[str]
) -> tuple[dict[str, list[Group]], dict[Group, list[Fit]], dict[str, list[Graph]]]:
    """Everything that the chapter fits.

    Parameters
    ----------
    data : what the page is about: "synthetic", or recordings.
    shipped : the recordings, of `SHIPPED`, that are at hand.

    Returns
    -------
    Groups by condition: those of `plan_groups`, "page" (what the page is about), "recordings", "surrogates"
    (of the first recordings). The fits behind the selection curves of groups that have them. And by condition
    the graphs; "sizes" are those of the page's first group with each number of states.
    """
    groups = plan_groups(settings, seed)
    groups["page"] = groups[MAIN] if data == "synthetic" else [recorded_group(settings, data, seed)]
    groups["recordings"] = [recorded_group(settings, name, seed) for name in shipped]
    groups["surrogates"] = [s for group in groups["recordings"][:1] for s in surrogates(settings, group)]
    curves = [*groups["page"], *groups["recordings"][:1], *groups["surrogates"]]
    curves += [group for name in (MAIN, *COMPARED) for group in groups[name]]
    fits = {group: plan_selection(settings, group) for group in curves}
    graphs = {
        name: [plan_graph(settings, group, settings.states_of(group)) for group in groups[name]]
        for name in (MAIN, "page", "recordings", *GRAPHED)
    }
    first = groups["page"][0]
    grid = [k for k in (settings.grid if first.world else settings.recorded_grid) if k > 1]
    graphs["sizes"] = [plan_graph(settings, first, k) for k in grid]
    return groups, fits, graphs


def recorded_group(settings: HmgmSettings, name: str, seed: int) -> Group:
    """The people of a data set, see `bold_recordings.load`."""
    return Group(name, seed, n_volumes=settings.recorded_volumes)


def surrogates(settings: HmgmSettings, group: Group) -> list[Group]:
    """Groups whose signals have the spectra and the static connectivity of this one's, and no states."""
    return [replace(group, change="surrogate", draw=i) for i in range(settings.n_surrogates)]


def plan_selection(settings: HmgmSettings, group: Group) -> list[Fit]:
    """The fits behind a group's selection curves."""
    if group.world is None:
        return plan_fits(group, settings.recorded_grid, settings.recorded_starts, settings.recorded_folds)
    return plan_fits(group, settings.grid, settings.n_starts, settings.n_folds)


def plan_graph(settings: HmgmSettings, group: Group, n_states: int) -> Graph:
    """The graph of a group, people all in, of the best of several starts."""
    n_starts = settings.graph_starts if group.world else settings.recorded_starts
    starts = tuple(Fit(group, n_states, start) for start in range(n_starts))
    return Graph(starts, settings.n_runs, settings.n_nulls)


def compare_baselines(
    groups: Sequence[Group], paths: Sequence[np.ndarray], n_states: int, rng: np.random.Generator
) -> pd.DataFrame:
    """The HMM beside other ways to the states of groups whose states are known.

    paths : states by the HMM, one array a group, people one after the other.

    Returns
    -------
    One row a method and group: method, group, accuracy (share of volumes that are right), switching_hz.
    """
    rows = []
    for i, (group, path) in enumerate(zip(groups, paths, strict=True)):
        bold = open_group(group)
        assert bold.truth
        found = {"HMM": by_person(path, bold.series)}
        found |= {method: find(bold.series, n_states, rng) for method, find in BASELINES.items()}
        reduced = principal_series(bold.series, len(bold.regions) // 2)
        starts = [fit_states(reduced, n_states, start) for start in rng.spawn(3)]
        best = min(starts, key=lambda fit: float(fit.free_energy[-1]))
        found["HMM on half the components"] = most_likely_path(best, reduced)
        for method, states in found.items():
            accuracy = state_accuracy(states, bold.truth.states, n_states)
            rate = float(np.mean([switching_rate(one, bold.tr_s) for one in states]))
            rows.append((method, i, accuracy, rate))
    return pd.DataFrame(rows, columns=["method", "group", "accuracy", "switching_hz"])
