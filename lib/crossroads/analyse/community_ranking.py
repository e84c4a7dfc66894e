"""Ranking of communities by a walk through the states: how much of it they hold, and how long."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from crossroads.analyse.communities import labels_of, sets_of
from crossroads.data.markov_chain import stationary
from crossroads.models.multiplex_graph import Rule, expectation, mass_limit, walk_mass

FALSE_DISCOVERIES = 0.05


def rank_communities(
    community: np.ndarray,
    weights: np.ndarray,
    transition: np.ndarray,
    rng: np.random.Generator,
    rule: Rule = "switch then walk",
    n_sets: int = 1000,
) -> pd.DataFrame:
    """Scores of all communities, each against random sets of as many regions of its layer.

    The mass m of a community is what the walk leaves there in the long run; its persistence is the share of
    that mass that is still in the community a volume later. The z of a score counts
    standard deviations of the random sets, p is the share of them that score as high or higher, q is p
    after Benjamini and Hochberg over all communities.

    Parameters
    ----------
    community : (K, N) labels in each layer.
    weights, transition : of the graph, (K, N, N) and (K, K).
    n_sets : random sets for each community, at least 1.

    Returns
    -------
    One row a community, by falling mass: layer, community, size; mass, density (mass a region), limit
    (occupancy times share of strength), occupancy (of the layer); persistence; return_time = 1 / m and
    escape_time = 1 / (1 - persistence) [volumes]; and for mass and persistence low and high
    (2.5 and 97.5 % of the random sets), z, p, q and significant (q below 5 %).

    Raises
    ------
    ValueError : a state to which the chain does not come in the long run.
    """
    mass = walk_mass(weights, transition, rule)
    if (unseen := np.flatnonzero(mass.sum(1) == 0)).size:
        raise ValueError(f"the chain never comes to states {unseen.tolist()} in the long run: leave them out")
    layer, sets = sets_of(community)
    table = pd.DataFrame({"layer": layer, "community": labels_of(community), "size": sets.sum(1)})
    limit = mass_limit(weights, transition)
    scores = score(layer, sets, mass, weights, transition, rule)
    table["mass"], table["persistence"] = scores
    table["density"] = table["mass"] / table["size"]
    table["limit"] = (limit[layer] * sets).sum(1)
    table["occupancy"] = stationary(transition)[layer]
    table["return_time"] = 1 / scores[0]
    with np.errstate(divide="ignore"):  # one state alone, all of it one community: never left
        table["escape_time"] = 1 / (1 - scores[1])
    random = np.repeat(sets[None], n_sets, axis=0)
    random = rng.permuted(random, axis=2).reshape(-1, sets.shape[1])
    null = np.array(score(np.tile(layer, n_sets), random, mass, weights, transition, rule))
    null = null.reshape(2, n_sets, len(sets))
    for name, found, drawn in zip(("mass", "persistence"), scores, null, strict=True):
        table[f"{name}_low"], table[f"{name}_high"] = np.quantile(drawn, [0.025, 0.975], axis=0)
        table[f"{name}_z"] = above_random(found, drawn)
        table[f"{name}_p"] = (1 + (drawn >= found - 1e-12).sum(0)) / (1 + n_sets)
        table[f"{name}_q"] = false_discovery_control(table[f"{name}_p"])
        table[f"{name}_significant"] = table[f"{name}_q"] < FALSE_DISCOVERIES
    return table.sort_values("mass", ascending=False, kind="stable", ignore_index=True)


def above_random(found: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Standard deviations of values (n, ...) of random sets that those found (...) lie above their mean.

    0 where nothing varies: a community of all regions is its own only random set.
    """
    spread = drawn.std(0)
    return np.where(spread > 1e-12, (found - drawn.mean(0)) / np.maximum(spread, 1e-12), 0)


def score(
    layer: np.ndarray,
    sets: np.ndarray,
    mass: np.ndarray,
    weights: np.ndarray,
    transition: np.ndarray,
    rule: Rule = "switch then walk",
    horizon: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Mass and persistence (C,) of sets of regions (C, N), each in its layer (C,): eq-hmgm-scores.

    horizon : volumes after which the mass is looked for again, in the set still or once more.
    """
    held = np.empty(len(sets))
    stays = np.empty(len(sets))
    for k in np.unique(layer):
        inside = np.flatnonzero(layer == k)
        chosen = sets[inside].astype(float)
        held[inside] = chosen @ mass[k]
        if horizon == 1:  # only what stays in the layer can be inside after one step
            ahead = transition[k, k] * (chosen @ weights[k]) / weights[k].sum(0)
        else:
            regions = np.arange(sets.shape[1])
            f = np.zeros((len(regions), *mass.shape))
            f[regions, k, regions] = 1
            for _ in range(horizon):
                f = expectation(f, weights, transition, rule)
            ahead = chosen @ f[:, k]
        stays[inside] = ((chosen * mass[k]) * ahead).sum(1) / held[inside]
    return held, stays
