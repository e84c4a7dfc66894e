"""What communities are made of: known networks, maps of the cortex, planted terms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.stats import false_discovery_control, hypergeom, special_ortho_group

from crossroads.analyse.communities import jaccard, labels_of, sets_of
from crossroads.analyse.community_ranking import FALSE_DISCOVERIES, above_random

TERMS_EACH = 3
NOISE_SD = 0.5


def enrichment(community: np.ndarray, network: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """How far communities are known networks.

    Parameters
    ----------
    community : (K, N) labels in each layer. network : (N,) index into `names`.

    Returns
    -------
    One row a community and network: layer, community, size, network (name), overlap (regions), jaccard; p,
    that as many regions or more of the network fall into a set of this size by chance (hypergeometric); q,
    after Benjamini and Hochberg over all rows; significant (q below 5 %).
    """
    _, sets = sets_of(community)
    members = np.arange(len(names))[:, None] == network
    overlap = sets.astype(int) @ members.T
    size = sets.sum(1)
    p = hypergeom.sf(overlap - 1, len(network), members.sum(1), size[:, None])
    table = _pairs(community, "network", names, overlap=overlap, jaccard=jaccard(sets, members), p=p)
    return table.assign(significant=table.q < FALSE_DISCOVERIES)


def enriched_share(table: pd.DataFrame) -> float:
    """Share of the communities in `enrichment` that are enriched in some network."""
    return float(table.groupby(["layer", "community"]).significant.any().mean())


def map_means(
    community: np.ndarray,
    maps: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    n_sets: int = 1000,
    position: np.ndarray | None = None,
) -> pd.DataFrame:
    """Means of maps (N,) inside communities (K, N), against random sets of as many regions.

    Neighbours are alike in maps and share communities: sets of regions from anywhere stand apart too easily.
    Where positions (N, 3) are given, the sets are the communities themselves after a `spin`.

    Returns
    -------
    One row a community and map: layer, community, size, map, mean, z, p (two-sided), q (Benjamini and
    Hochberg).
    """
    _, sets = sets_of(community)
    values = np.array(list(maps.values()))
    size = sets.sum(1)
    found = sets @ values.T / size[:, None]
    if position is None:
        random = rng.permuted(np.repeat(sets[None], n_sets, axis=0), axis=2)
    else:
        random = sets[:, spin(position, rng, n_sets)].swapaxes(0, 1)
    drawn = random @ values.T / size[:, None]
    far = np.abs(drawn - drawn.mean(0)) >= np.abs(found - drawn.mean(0)) - 1e-12
    p = (1 + far.sum(0)) / (1 + n_sets)
    return _pairs(community, "map", tuple(maps), mean=found, z=above_random(found, drawn), p=p)


def spin(position: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Rearrangements of regions that keep neighbours near each other (Alexander-Bloch et al. 2018).

    Directions from the middle of a hemisphere stand for places on a sphere. It is turned at random, the
    other one as in a mirror, and each region is given the one that comes to lie on it, one to one, so that
    the sum of squared distances is least.

    Parameters
    ----------
    position : (N, 3) with x below 0 on the left [mm].

    Returns
    -------
    (n, N) the region that takes each region's place: `x[spin]` are rearranged values.

    Raises
    ------
    ValueError : fewer than three regions in a hemisphere.
    """
    left = position[:, 0] < 0
    if min(left.sum(), (~left).sum()) < 3:
        raise ValueError(
            f"{left.sum()} regions to the left and {(~left).sum()} to the right of x = 0; a spin needs three "
            "in each hemisphere: take random sets, without positions"
        )
    turns = special_ortho_group.rvs(3, size=n, random_state=rng).reshape(n, 3, 3)
    mirror = np.diag([-1.0, 1.0, 1.0])
    order = np.empty((n, len(position)), int)
    for side, turn in ((left, turns), (~left, mirror @ turns @ mirror)):
        regions = np.flatnonzero(side)
        place = position[regions] - position[regions].mean(0)
        place /= np.linalg.norm(place, axis=1, keepdims=True)
        for row, one in zip(order, turn, strict=True):
            row[regions] = regions[linear_sum_assignment(-place @ one @ place.T)[1]]
    return order


def planted_terms(community: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A table of regions and terms (N, 3 C) in which each planted community (K, N) loads on three terms.

    A region loads on a community's terms by the share of layers in which it belongs to it; noise of standard
    deviation 0.5 is added. Terms 3 c to 3 c + 2 are those of community c.
    """
    belongs = (community[None] == np.arange(community.max() + 1)[:, None, None]).mean(1)
    loading = np.repeat(belongs.T, TERMS_EACH, axis=1)
    return loading + rng.normal(0, NOISE_SD, loading.shape)


def rank_terms(sets: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Terms (C, n_terms) of each set of regions (C, N), by falling mean inside less mean outside."""
    inside = sets @ terms / np.maximum(sets.sum(1), 1)[:, None]
    outside = ~sets @ terms / np.maximum((~sets).sum(1), 1)[:, None]
    return np.argsort(outside - inside, axis=1, kind="stable")


def decoded_share(found: np.ndarray, planted: np.ndarray, rng: np.random.Generator) -> float:
    """Share of found communities (K, N) whose first term is one of the planted community most like it.

    Most like it in its layer, by the Jaccard index.
    """
    terms = planted_terms(planted, rng)
    right = []
    for labels, truth in zip(found, planted, strict=True):
        sets, planted_sets = (sets_of(row[None])[1] for row in (labels, truth))
        like = np.unique(truth)[jaccard(sets, planted_sets).argmax(1)]
        right += list(rank_terms(sets, terms)[:, 0] // TERMS_EACH == like)
    return float(np.mean(right))


def _pairs(community: np.ndarray, kind: str, names: tuple[str, ...], **values: np.ndarray) -> pd.DataFrame:
    """One row a community and name, of values (C, names) with p among them; q is Benjamini and Hochberg's."""
    layer, sets = sets_of(community)
    of_communities = {"layer": layer, "community": labels_of(community), "size": sets.sum(1)}
    table = pd.DataFrame({key: np.repeat(value, len(names)) for key, value in of_communities.items()})
    table[kind] = np.tile(names, len(sets))
    table = table.assign(**{key: matrix.ravel() for key, matrix in values.items()})
    return table.assign(q=false_discovery_control(table.p))
