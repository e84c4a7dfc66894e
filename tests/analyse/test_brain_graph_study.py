from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from crossroads.analyse import brain_graph_study as study
from crossroads.analyse.brain_state_study import Fit, Group, fit_group, open_group
from crossroads.data import units
from crossroads.data.bold import Bold
from crossroads.data.brain_states import StateWorld
from crossroads.models.multiplex_graph import layers

WORLD = StateWorld(
    n_people=5, n_volumes=250, tr_s=2.0, n_regions=12, n_states=2, n_communities=3, dwell_s=24.0, rho_in=0.8,
    mean_sd=0.8,
)  # fmt: skip
GROUP = Group("simulated", 5, WORLD)
PLAN = study.Graph(tuple(Fit(GROUP, 2, start) for start in range(2)), 10, 12)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The plan's units, stored in a folder of the test's own."""
    folder = tmp_path_factory.mktemp("units")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "stored", lambda fn, unit: units.stored(fn, unit, folder=folder))
        result = study.find_communities(PLAN)
        return result, study.open_graph(PLAN, result), fit_group(PLAN.starts[int(result["best"])])


def test_graph_is_in_the_order_of_the_planted_states(found):
    result, graph, fit = found
    truth = open_group(GROUP).truth
    np.testing.assert_array_equal(graph.planted, [0, 1])
    path = np.concatenate(truth.states)
    assert np.mean(graph.path == path) > 0.9
    np.testing.assert_allclose(graph.occupancy.mean(0), np.bincount(path) / len(path), atol=0.05)
    np.testing.assert_allclose(graph.transition, truth.transition, atol=0.05)
    assert [np.argsort(result["order"]).tolist()[s] for s in fit["path"][:5]] == graph.path[:5].tolist()


def test_numbers_of_a_graph_whose_truth_is_known(found):
    _, graph, fit = found
    numbers = study.describe(graph, fit, open_group(GROUP).truth, np.random.default_rng(0))
    assert numbers["state_accuracy"] > 0.9
    assert numbers["transition_error"] < 0.06
    assert numbers["community_ari"] == 1
    assert numbers["core_share"] == 1
    assert numbers["nmi_error"] < 1e-9
    assert numbers["marginal_error"] < 1e-12
    assert numbers["marginal_error_uniform"] > 0.01
    assert numbers["mass_rank_r"] > 0.8
    assert numbers["modularity_z"] > 2
    assert numbers["null_modularity_published_code"] < numbers["null_modularity"]


def test_a_null_in_the_place_of_a_layer_is_an_ordinary_null(found):
    graph = found[1]
    nulls = {**graph.nulls, study.NULLS[0]: np.array([[1.0, 2.0, 4.0], [9.0, 2.0, 4.0]])}
    z = study.null_layer_z(replace(graph, nulls=nulls))
    np.testing.assert_allclose(z, [-2, 6])  # others: mean 3, standard deviation 1


def test_states_that_nobody_uses_have_no_layer():
    share = np.array([[0.6, 0.0, 0.4], [0.5, 0.0, 0.5]])
    order, planted = study._order({"occupancy": share}, None)
    assert order.tolist() == [0, 2]
    assert not len(planted)


def test_perfect_states_score_perfectly():
    truth = open_group(GROUP).truth
    path = 1 - np.concatenate(truth.states)  # names do not matter
    counts = 1e6 * truth.transition[::-1, ::-1]
    numbers = study.describe_states({"path": path, "counts": counts, "transition": counts}, truth)
    assert numbers["state_accuracy"] == 1
    assert numbers["transition_error"] < 1e-5


def test_longer_states_bring_the_mass_nearer_to_its_limit(found):
    table = study.limit_distances(found[1], 2.0, (2.5, 20.0, 200.0))
    for _, one in table.groupby("rule"):
        assert (np.diff(one.distance) < 0).all()
        assert one.distance.iloc[-1] < 0.01


def test_entropy_rate_of_people_who_never_move_is_small(found):
    counts = np.array([np.diag([500.0, 500.0]), np.full((2, 2), 250.0)])
    still = replace(found[1], person_counts=counts, occupancy=np.full((2, 2), 0.5))
    rates = study.person_entropies(still).entropy_rate
    assert rates[0] < 0.02
    assert rates[1] == pytest.approx(np.log(2), abs=1e-4)


def test_sessions_of_one_person_agree_where_people_differ(found):
    """Two people whose graphs differ, two sessions each: the kinds of pairs, and who agrees."""
    graph = found[1]
    bold = open_group(GROUP)
    rng = np.random.default_rng(1)
    path = np.tile(graph.path[: len(bold.series[0])], 4)
    other = np.ix_(range(2), *[rng.permutation(12)] * 2)
    series = []
    for covariance in (graph.covariance, graph.covariance, graph.covariance[other], graph.covariance[other]):
        noise = rng.normal(size=(len(path), 12))
        series.append(np.einsum("tij,tj->ti", np.linalg.cholesky(covariance)[path], noise))
    counts = np.array([np.full((2, 2), 50.0)] * 4)
    sessions = replace(graph, path=np.tile(path, 4), person_counts=counts)
    table = study.retest(sessions, Bold("own", tuple(series), 2.0, (4, 4, 8, 8), tuple("abcdefghijkl")))
    assert table.kind.tolist() == ["one person", *["two people"] * 4, "one person"]
    assert (table.exchanged == "one person").sum() == 2
    assert (table.exchanged != table.kind).sum() == 4
    by_kind = table.groupby("kind").persistence.mean()
    assert by_kind["one person"] > by_kind["two people"]


def test_a_graph_holds_what_its_unit_stored(found):
    result, graph, _ = found
    assert {f.name for f in fields(graph)} >= {"community", "single", "partial", "signed"}
    np.testing.assert_array_equal(graph.community, result["community"])
    np.testing.assert_allclose(graph.weights, layers(graph.covariance))
    assert isinstance(study.person_entropies(graph), pd.DataFrame)


def test_a_core_is_looked_for_in_every_layer(found):
    graph = replace(found[1], community=np.array([[0, 0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1, 1]]))
    five, six = np.arange(7) < 5, np.arange(7) < 6
    assert study.core_share(graph, five) == 0.5
    assert study.core_share(graph, six) == 0.5  # 5 of 6 regions: 0.83; in the other layer 4 of 7
    assert study.core_share(graph, np.arange(7) == 0) == 0
