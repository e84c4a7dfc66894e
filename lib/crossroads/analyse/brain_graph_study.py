"""The graph of a fitted group, its layers and communities, beside nulls and what was planted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score

from crossroads.analyse import communities
from crossroads.analyse.brain_state_study import Fit, fit_group, open_group, posterior_of
from crossroads.analyse.community_ranking import score
from crossroads.analyse.graph_nulls import hqs, hqs_published, shuffle_weights
from crossroads.analyse.state_summaries import match_states, state_accuracy
from crossroads.data.bold import Bold, StateTruth, by_person
from crossroads.data.markov_chain import stationary
from crossroads.data.units import stored
from crossroads.models.gaussian_hmm import expected_transition
from crossroads.models.multiplex_graph import (
    Edges,
    Rule,
    correlation,
    entropy,
    entropy_rate,
    layers,
    mass_limit,
    total_variation,
    walk_mass,
)

ALIVE = 0.01  # occupancy below which a state is unused, and no layer
RULES: dict[Rule, str] = {"switch then walk": "", "walk or switch": "_walk_or_switch"}
NULLS = ("Hirschberger-Qi-Steuer", "published code", "weights shuffled")


@dataclass(frozen=True)
class Graph:
    """The graph of the best of several fits of one group, people all in.

    n_runs : of Leiden in a consensus. n_nulls : for the modularity of each layer.
    """

    starts: tuple[Fit, ...]
    n_runs: int
    n_nulls: int


@dataclass(frozen=True, eq=False)
class BrainGraph:
    """A graph with its communities, layers in the order of the planted states, or by falling occupancy.

    States that nobody uses have no layer.

    planted : (K,) the planted state that is each layer; empty where none are known.
    weights, transition : (K, N, N) and (K, K). covariance : (K, N, N) of the states.
    path : layer of each volume of all people, one after the other; -1 for a state without one. occupancy :
        (S, K). person_counts : (S, K, K).
    community, single, partial, signed : (K, N) labels by consensus; by one run; on partial correlations; and
        by one run on correlations of both signs.
    modularity : (K,) of a single run. nulls : (K, n) of each of `NULLS`, by name.
    """

    planted: np.ndarray
    weights: np.ndarray
    transition: np.ndarray
    covariance: np.ndarray
    path: np.ndarray
    occupancy: np.ndarray
    person_counts: np.ndarray
    community: np.ndarray
    single: np.ndarray
    partial: np.ndarray
    signed: np.ndarray
    modularity: np.ndarray
    nulls: dict[str, np.ndarray]

    @property
    def stationary(self) -> np.ndarray:
        """Equilibrium (K,) of the states."""
        return stationary(self.transition)


def find_communities(graph: Graph) -> dict[str, np.ndarray]:
    """Communities of the best fit's layers, and the modularity of layers and nulls.

    Returns
    -------
    "best" (which start), "order" (the states that are layers), "planted" (see `BrainGraph`), "community",
    "single", "partial", "signed" (K, N), "modularity" (K,), and "nulls" (3, K, n), in the order of `NULLS`.
    """
    fits = [stored(fit_group, fit) for fit in graph.starts]
    best = int(np.argmin([fit["energy"] for fit in fits]))
    order, planted = _order(fits[best], open_group(graph.starts[0].group).truth)
    covariance = posterior_of(fits[best]).covariance[order]
    rng = np.random.default_rng([graph.starts[0].group.seed, len(order), 1])

    def divided(edges: Edges, n_runs: int) -> np.ndarray:
        return np.array([communities.leiden(one, rng, n_runs) for one in layers(covariance, edges)])

    weights = layers(covariance)
    nulls = np.array(
        [
            [[_modularity(null, rng) for null in draw(one, rng, graph.n_nulls)] for one in covariance]
            for draw in (partial(_drawn_layers, hqs), partial(_drawn_layers, hqs_published), _shuffled_layers)
        ]
    )
    return {
        "best": np.array(best),
        "order": order,
        "planted": planted,
        "community": divided("positive", graph.n_runs),
        "single": divided("positive", 1),
        "partial": divided("partial", graph.n_runs),
        "signed": divided("signed", 1),
        "modularity": np.array([_modularity(one, rng) for one in weights]),
        "nulls": nulls,
    }


def open_graph(graph: Graph, found: dict[str, np.ndarray]) -> BrainGraph:
    """The graph that `find_communities` has divided."""
    fit = stored(fit_group, graph.starts[int(found["best"])])
    order = found["order"]
    posterior = posterior_of(fit)
    both = np.ix_(order, order)
    covariance = posterior.covariance[order]
    rank = np.full(len(posterior.dof), -1)
    rank[order] = np.arange(len(order))
    return BrainGraph(
        planted=found["planted"],
        weights=layers(covariance),
        transition=expected_transition(posterior.counts[both]),
        covariance=covariance,
        path=rank[fit["path"]],
        occupancy=fit["occupancy"][:, order],
        person_counts=fit["person_counts"][:, order][:, :, order],
        community=found["community"],
        single=found["single"],
        partial=found["partial"],
        signed=found["signed"],
        modularity=found["modularity"],
        nulls=dict(zip(NULLS, found["nulls"], strict=True)),
    )


def modularity_z(graph: BrainGraph, null: str) -> np.ndarray:
    """Standard deviations (K,) that each layer's modularity lies above a kind of null."""
    drawn = graph.nulls[null]
    return (graph.modularity - drawn.mean(1)) / drawn.std(1)


def null_layer_z(graph: BrainGraph) -> np.ndarray:
    """The same for a null in the place of each layer, the first, against the others (K,)."""
    first, others = graph.nulls[NULLS[0]][:, 0], graph.nulls[NULLS[0]][:, 1:]
    return (first - others.mean(1)) / others.std(1)


def describe(
    graph: BrainGraph, fit: dict[str, np.ndarray], truth: StateTruth | None, rng: np.random.Generator
) -> dict[str, float]:
    """All numbers of a graph and of the fit that it comes from.

    Returns
    -------
    Those of `describe_walk`, and of `describe_states` and `describe_communities` where the truth is known;
    modularity_z of the least modular layer and of a null in its place (null_layer_z); null_modularity, the
    mean of nulls of two kinds.
    """
    numbers = describe_walk(graph) | {
        "modularity_z": float(modularity_z(graph, NULLS[0]).min()),
        "null_layer_z": float(null_layer_z(graph).min()),
        "null_modularity": float(graph.nulls[NULLS[0]].mean()),
        "null_modularity_published_code": float(graph.nulls[NULLS[1]].mean()),
    }
    if truth is not None:
        numbers |= describe_states(fit, truth) | describe_communities(graph, truth, rng)
    return numbers


def describe_states(fit: dict[str, np.ndarray], truth: StateTruth) -> dict[str, float]:
    """How well planted states and transitions were found by a fit with as many.

    Returns
    -------
    Keys of the claims: state_accuracy, transition_error (the largest) and transition_error_with_prior,
    where the prior's counts on the diagonal are left in, memory_ratio (entropy rate over entropy of the
    equilibrium).
    """
    states = [np.concatenate(truth.states)]
    k = len(truth.stationary)
    order = match_states([fit["path"]], states, k)
    both = np.ix_(order, order)
    transition = expected_transition(fit["counts"])
    with_prior = fit["transition"] / fit["transition"].sum(1, keepdims=True)
    return {
        "state_accuracy": state_accuracy([fit["path"]], states, k),
        "transition_error": float(np.abs(transition[both] - truth.transition).max()),
        "transition_error_with_prior": float(np.abs(with_prior[both] - truth.transition).max()),
        "memory_ratio": entropy_rate(transition) / entropy(stationary(transition)),
    }


def describe_walk(graph: BrainGraph) -> dict[str, float]:
    """Whether the walk keeps the chain, and how far its mass is from occupancy times strength.

    Returns
    -------
    Keys of the claims: marginal_error of both rules, and under a uniform coupling; mass_distance (total
    variation).
    """
    k = len(graph.transition)
    mass = walk_mass(graph.weights, graph.transition)
    return {
        "marginal_error": _marginal_error(graph, graph.transition, "switch then walk"),
        "marginal_error_walk_or_switch": _marginal_error(graph, graph.transition, "walk or switch"),
        "marginal_error_uniform": _marginal_error(graph, np.full((k, k), 1 / k), "switch then walk"),
        "mass_distance": total_variation(mass, mass_limit(graph.weights, graph.transition)),
    }


def describe_communities(
    graph: BrainGraph, truth: StateTruth, rng: np.random.Generator, n_chance: int = 20
) -> dict[str, float]:
    """How well the planted communities were found, how they overlap, and whether their ranking comes back.

    Returns
    -------
    Keys of the claims: community_ari (median over layers) by consensus, and by the other ways to divide a
    layer; nmi_between_layers, nmi_above_chance, nmi_error; core_share, see there; mass_rank_r and
    persistence_rank_r, of the planted communities by what was fitted and by the truth, also with permuted
    labels; persistence_rank_r_walk_or_switch.
    """
    planted_labels = truth.community[graph.planted]
    ways = {"": graph.community, "_single": graph.single, "_partial": graph.partial, "_signed": graph.signed}
    ways["_multilayer"] = communities.multilayer_communities(graph.weights, graph.transition, 1.0, rng)
    numbers = {
        f"community_ari{name}": float(np.median(list(map(adjusted_rand_score, planted_labels, found))))
        for name, found in ways.items()
    }
    between = mean_nmi(graph.community)
    chance = [mean_nmi(communities.permuted_labels(graph.community, rng)) for _ in range(n_chance)]
    off = np.abs(communities.layer_nmi(graph.community) - communities.layer_nmi(planted_labels))
    numbers |= {
        "nmi_between_layers": between,
        "nmi_above_chance": between - float(np.mean(chance)),
        "nmi_error": float(off.sum() / max(off.size - len(off), 1)),
        "core_share": core_share(graph, truth.core),
    }
    layer, sets = communities.sets_of(planted_labels)
    _, permuted = communities.sets_of(communities.permuted_labels(planted_labels, rng))
    true_weights, where = layers(truth.covariance), graph.planted[layer]
    for rule, suffix in RULES.items():
        true_mass = walk_mass(true_weights, truth.transition, rule)
        theirs = score(where, sets, true_mass, true_weights, truth.transition, rule)
        mass = walk_mass(graph.weights, graph.transition, rule)
        for name, chosen in (("", sets), ("_permuted", permuted)):
            mine = score(layer, chosen, mass, graph.weights, graph.transition, rule)
            for what, one, other in zip(("mass", "persistence"), mine, theirs, strict=True):
                numbers[f"{what}_rank_r{suffix}{name}"] = float(spearmanr(one, other).statistic)
    return numbers


def core_share(graph: BrainGraph, core: np.ndarray) -> float:
    """Share of layers with a community whose Jaccard index with a set of regions (N,) is 0.8 or more."""
    layer, sets = communities.sets_of(graph.community)
    like = communities.jaccard(sets, core[None])[:, 0] >= 0.8
    return float(np.mean([like[layer == k].any() for k in range(len(graph.community))]))


def limit_distances(graph: BrainGraph, tr_s: float, dwells_s: Sequence[float]) -> pd.DataFrame:
    """How far the walk's mass is from occupancy times strength, were states to last longer or shorter.

    The chain goes where it went, and leaves every state after dwells_s on average.

    Returns
    -------
    One row a duration and rule: dwell_s, rule, distance (total variation).
    """
    away = graph.transition * (1 - np.eye(len(graph.transition)))
    away /= away.sum(1, keepdims=True)
    rows = []
    for rule in RULES:
        for dwell in dwells_s:
            transition = tr_s / dwell * away + (1 - tr_s / dwell) * np.eye(len(away))
            mass = walk_mass(graph.weights, transition, rule)
            rows.append((dwell, rule, total_variation(mass, mass_limit(graph.weights, transition))))
    return pd.DataFrame(rows, columns=["dwell_s", "rule", "distance"])


def persistence_curve(graph: BrainGraph, horizons: Sequence[int]) -> pd.DataFrame:
    """Persistence of each community so many volumes later: horizon, layer, community, persistence."""
    layer, sets = communities.sets_of(graph.community)
    mass = walk_mass(graph.weights, graph.transition)
    frames = []
    for horizon in horizons:
        stays = score(layer, sets, mass, graph.weights, graph.transition, horizon=horizon)[1]
        columns = {
            "horizon": horizon,
            "layer": layer,
            "community": np.arange(len(sets)),
            "persistence": stays,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def person_entropies(graph: BrainGraph) -> pd.DataFrame:
    """Of each person, by the person's own transitions and occupancy: entropy_rate and person_entropy [nats].

    A person's transitions are expected counts, with a count for each row spread as in the group's.
    """
    rates = [entropy_rate(expected_transition(counts + graph.transition)) for counts in graph.person_counts]
    shares = graph.occupancy / graph.occupancy.sum(1, keepdims=True)
    return pd.DataFrame({"entropy_rate": rates, "person_entropy": [entropy(share) for share in shares]})


def drop(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """Difference of means."""
    return before.mean(axis) - after.mean(axis)


def mean_nmi(community: np.ndarray) -> float:
    """Normalised mutual information of two layers (K, N), mean over all pairs; 1 for a single layer."""
    nmi = communities.layer_nmi(community)
    pairs = nmi[np.triu_indices(len(nmi), 1)]
    return float(pairs.mean()) if len(pairs) else 1.0


def retest(graph: BrainGraph, bold: Bold) -> pd.DataFrame:
    """Rank correlations of communities' scores between all pairs of sessions.

    Returns
    -------
    One row a pair: kind ("one person" or "two people"); exchanged, the kind if second sessions were those of
    the next person; mass, persistence.
    """
    scores = session_scores(graph, bold)
    people = np.unique(bold.people, return_inverse=True)[1]
    session = np.array([int((people[:i] == person).sum()) for i, person in enumerate(people)])
    exchanged = (people + session) % (people.max() + 1)
    rows = []
    for i, j in combinations(range(len(people)), 2):
        mass, persistence = (float(spearmanr(*scores[[i, j], k]).statistic) for k in range(2))
        kinds = ["one person" if who[i] == who[j] else "two people" for who in (people, exchanged)]
        rows.append((*kinds, mass, persistence))
    return pd.DataFrame(rows, columns=["kind", "exchanged", "mass", "persistence"])


def session_scores(graph: BrainGraph, bold: Bold, prior_volumes: float = 100.0) -> np.ndarray:
    """Mass and persistence (S, 2, C) of the group's communities in each person's, or session's, own graph.

    A session's own covariances are those of its volumes in each state, with the group's weighing as much as
    `prior_volumes` of them, and its transitions those of its own path, with a hundredth of the group's.
    """
    layer, sets = communities.sets_of(graph.community)
    found = []
    paths = by_person(graph.path, bold.series)
    for one, path, counts in zip(bold.series, paths, graph.person_counts, strict=True):
        own = []
        for state in range(len(graph.transition)):
            here = one[path == state]
            centred = here - here.mean(0) if len(here) else here
            scatter = centred.T @ centred + prior_volumes * graph.covariance[state]
            own.append(scatter / (len(here) + prior_volumes))
        weights = layers(np.array(own))
        transition = expected_transition(counts + graph.transition)
        mass = walk_mass(weights, transition)
        found.append(score(layer, sets, mass, weights, transition))
    return np.array(found)


def _order(fit: dict[str, np.ndarray], truth: StateTruth | None) -> tuple[np.ndarray, np.ndarray]:
    """The states that are used, in the order of the planted ones that they are, and these."""
    share = fit["occupancy"].mean(0)
    k = len(share)
    if truth is not None and len(truth.stationary) == k:
        order = match_states([fit["path"]], [np.concatenate(truth.states)], k)
        planted = np.flatnonzero(share[order] > ALIVE)
        return order[planted], planted
    order = np.argsort(-share, kind="stable")
    return order[share[order] > ALIVE], np.empty(0, int)


def _marginal_error(graph: BrainGraph, transition: np.ndarray, rule: Rule) -> float:
    mass = walk_mass(graph.weights, transition, rule)
    return float(np.abs(mass.sum(1) - graph.stationary).max())


def _modularity(weights: np.ndarray, rng: np.random.Generator) -> float:
    return communities.modularity(weights, communities.leiden(weights, rng, n_runs=1))


def _drawn_layers(
    null: Callable[[np.ndarray, np.random.Generator, int], np.ndarray],
    covariance: np.ndarray,
    rng: np.random.Generator,
    n: int,
) -> np.ndarray:
    """Layers (n, N, N) of the positive correlations in null covariances; a region may have none."""
    drawn = correlation(null(correlation(covariance), rng, n))
    return np.maximum(drawn * (1 - np.eye(len(covariance))), 0)


def _shuffled_layers(covariance: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    return shuffle_weights(layers(covariance[None])[0], rng, n)
