"""Which groups of people are fitted with how many states, and what the people held out say of the number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import compress

import numpy as np
import pandas as pd

from crossroads.analyse.state_summaries import (
    group_entropy,
    half_gain_choice,
    largest_occupancy,
    occupancy,
    one_se_choice,
    person_entropy,
    state_accuracy,
)
from crossroads.data import bold_recordings, brain_states
from crossroads.data.bold import Bold, StateTruth
from crossroads.data.bold_surrogates import shared_phases
from crossroads.data.brain_states import StateWorld
from crossroads.data.markov_chain import stationary
from crossroads.models.gaussian_hmm import (
    StatePosterior,
    expected_transition,
    fit_states,
    infer_states,
    log_likelihood,
    most_likely_path,
)
from crossroads.models.multiplex_graph import entropy, entropy_rate

STATIC_AR = 0.8  # coefficient of the noise that has no states
NOBODY = -1  # the fold that leaves nobody out


@dataclass(frozen=True)
class Group:
    """People whose signals are fitted.

    name : of recordings, see `bold_recordings.load`; "simulated" ones come from the world.
    people : number of the people who live in the same simulated world.
    change : "", or what is done to them: "frames shuffled"; "static white noise" or "static AR noise" in the
        place of states; "state per person"; "through blood flow", see `brain_states.bold_like`; "surrogate",
        with the same spectra and static connectivity.
    draw : number of the surrogate.
    n_volumes : the first ones alone are used; 0 for all.
    """

    name: str
    seed: int
    world: StateWorld | None = None
    people: int = 0
    change: str = ""
    draw: int = 0
    n_volumes: int = 0


@dataclass(frozen=True)
class Fit:
    """A fit of one group with a number of states from one random start, some of the people left out.

    fold : of n_folds; people are dealt to folds in turn. `NOBODY` is left out where all are fitted.
    """

    group: Group
    n_states: int
    start: int
    fold: int = NOBODY
    n_folds: int = 1


@lru_cache(4)
def open_group(group: Group) -> Bold:
    """The group's signals."""
    # World, people and what is done to their signals have a stream each: one may change alone.
    streams = ([group.seed, 0], [group.seed, 1, group.people], [group.seed, 2, group.draw])
    of_world, of_people, rng = map(np.random.default_rng, streams)
    if group.world is None:
        bold = bold_recordings.load(group.name)
        bold = replace(bold, series=tuple(one[: group.n_volumes or None] for one in bold.series))
    elif group.change.startswith("static"):
        ar = STATIC_AR if "AR" in group.change else 0.0
        bold = brain_states.static(group.world, of_world, ar)
    elif group.change == "state per person":
        bold = brain_states.state_per_person(group.world, of_world)
    elif group.change == "through blood flow":
        bold = brain_states.bold_like(group.world, of_world)
    else:
        bold = brain_states.simulate(group.world, of_world, of_people)
    if group.change == "frames shuffled":
        bold = brain_states.shuffle_frames(bold, rng)
    if group.change == "surrogate":
        bold = replace(bold, series=tuple(shared_phases(one, rng) for one in bold.series))
    return bold


def fit_group(fit: Fit) -> dict[str, np.ndarray]:
    """The posterior, and the states of those who were left out, or of all where nobody was.

    Returns
    -------
    The fields of `StatePosterior`; free energy and log-likelihood a volume of those fitted and of those left
    out ("energy", "held_likelihood") [nats]; and of the people left out, or of all: "occupancy" (S, K),
    "person_counts" (S, K, K), "path", all one after the other; where nobody is left out also "first_person",
    the probabilities (T, K) of the first.
    """
    bold = open_group(fit.group)
    fold_of = np.unique(bold.people, return_inverse=True)[1] % fit.n_folds
    train = [one for one, fold in zip(bold.series, fold_of, strict=True) if fold != fit.fold]
    held = [one for one, fold in zip(bold.series, fold_of, strict=True) if fold == fit.fold] or train
    rng = np.random.default_rng([fit.group.seed, fit.n_states, fit.start, fit.fold + 1])
    posterior = fit_states(train, fit.n_states, rng)
    inferred = [infer_states(posterior, [one]) for one in held]
    n_train, n_held = (sum(map(len, some)) for some in (train, held))
    result = {field.name: getattr(posterior, field.name) for field in fields(StatePosterior)}
    result |= {
        "energy": posterior.free_energy[-1] / n_train,
        "held_likelihood": log_likelihood(posterior, held) / n_held,
        "occupancy": occupancy([one.probability[0] for one in inferred]),
        "person_counts": np.array([one.counts for one in inferred]),
        "path": np.concatenate(most_likely_path(posterior, held)).astype(np.int16),
    }
    if fit.fold == NOBODY:
        result["first_person"] = inferred[0].probability[0].astype(np.float32)
    return result


def posterior_of(result: dict[str, np.ndarray]) -> StatePosterior:
    """The posterior that a unit has stored."""
    return StatePosterior(**{field.name: result[field.name] for field in fields(StatePosterior)})


def plan_fits(group: Group, grid: Sequence[int], n_starts: int, n_folds: int) -> list[Fit]:
    """The fits behind a group's selection curves: every number, fold and start, and all people.

    Of surrogates nothing but what people held out say is wanted.
    """
    whole = () if group.change == "surrogate" else (NOBODY,)
    return [
        Fit(group, n_states, start, fold, 1 if fold == NOBODY else n_folds)
        for n_states in grid
        for fold in (*whole, *range(n_folds))
        for start in range(n_starts)
    ]


def best_starts(fits: Iterable[Fit], results: Iterable[dict[str, np.ndarray]]) -> dict[tuple[int, int], dict]:
    """Of the starts of each number of states and fold, the result with the lowest free energy."""
    best: dict[tuple[int, int], dict] = {}
    for fit, result in zip(fits, results, strict=True):
        key = (fit.n_states, fit.fold)
        if key not in best or result["energy"] < best[key]["energy"]:
            best[key] = result
    return best


def selection_table(fits: Sequence[Fit], results: Sequence[dict[str, np.ndarray]]) -> pd.DataFrame:
    """What speaks for each number of states: one row a number and fold, of the best of its starts.

    Returns
    -------
    n_states, fold; `person` (E1), `group` (E2), `rate` (E4) of those held out and `chain` (E3), `chain_rate`
    of those fitted [nats]; `likelihood` [nats a volume] of those held out; `energy` [nats a volume] of a fit
    of all; `largest`, the largest occupancy, mean over people held out; `alive`, states with an occupancy
    above 1 %; `agreement`, the share of volumes that other starts of all people put in the same states.
    """
    best = best_starts(fits, results)
    agreement = {n: _agreement(fits, results, n) for n, _ in best}
    rows = []
    for (n_states, fold), result in best.items():
        if fold == NOBODY:
            continue
        chain = expected_transition(result["counts"])
        held = expected_transition(result["person_counts"].sum(0))
        rows.append(
            {
                "n_states": n_states,
                "fold": fold,
                "person": person_entropy(result["occupancy"]),
                "group": group_entropy(result["occupancy"]),
                "rate": entropy_rate(held),
                "chain": entropy(stationary(chain)),
                "chain_rate": entropy_rate(chain),
                "likelihood": float(result["held_likelihood"]),
                "energy": float(best[n_states, NOBODY]["energy"]) if (n_states, NOBODY) in best else np.nan,
                "largest": float(largest_occupancy(result["occupancy"]).mean()),
                "alive": int((result["occupancy"].mean(0) > 0.01).sum()),
                "agreement": agreement[n_states],
            }
        )
    return pd.DataFrame(rows)


def choices(table: pd.DataFrame) -> dict[str, int]:
    """The number of states that each rule chooses by the entropy E1 of `selection_table`."""
    person = table.pivot(index="fold", columns="n_states", values="person")
    ks, mean = [int(k) for k in person.columns], person.mean()
    return {
        "half gain": half_gain_choice(ks, list(mean)),
        "maximum": int(mean.idxmax()),
        "one standard error": one_se_choice(ks, person.to_numpy()),
    }


def off_planted(table: pd.DataFrame, truth: StateTruth) -> dict[str, float]:
    """How far what `selection_table` says of a group is from the planted truth.

    Returns
    -------
    Keys of the claims: states_off, states too many by the half-gain rule, and states_off_maximum by the
    maximum; group_entropy_off (E2) and entropy_rate_off (E4) at the planted number [nats].
    """
    chosen, k = choices(table), len(truth.stationary)
    at = table[table.n_states == k].mean()
    return {
        "states_off": chosen["half gain"] - k,
        "states_off_maximum": chosen["maximum"] - k,
        "group_entropy_off": at.group - entropy(truth.stationary),
        "entropy_rate_off": at.rate - entropy_rate(truth.transition),
    }


def likelihood_gain(table: pd.DataFrame, n_states: int) -> float:
    """Log-likelihood of people held out, of so many states above that of the fewest [nats a volume]."""
    mean = table.groupby("n_states").likelihood.mean()
    return float(mean[n_states] - mean.iloc[0])


def _agreement(fits: Sequence[Fit], results: Sequence[dict[str, np.ndarray]], n_states: int) -> float:
    """Mean share of volumes that the best start and another put in the same states, after matching."""
    wanted = [(fit.n_states, fit.fold) == (n_states, NOBODY) for fit in fits]
    starts = sorted(compress(results, wanted), key=lambda result: float(result["energy"]))
    if len(starts) < 2:
        return np.nan
    best, *others = starts
    return float(np.mean([state_accuracy([start["path"]], [best["path"]], n_states) for start in others]))
