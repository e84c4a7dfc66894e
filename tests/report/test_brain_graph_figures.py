"""The figures of a brain's graph against the graph that they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from scipy.stats import rankdata

from crossroads.report import brain_graph_figures as brain
from crossroads.report import figures
from crossroads.report.brain_state_figures import STATE_LOOKS
from tests.report.texts import check_texts

N = 24
OUTLINE = {"top": 60 * np.array([[np.cos(a), 1.4 * np.sin(a)] for a in np.linspace(0, 2 * np.pi, 50)])}
PLACES = np.random.default_rng(1).uniform(-40, 40, (N, 3))
NAMES = ("visual", "salience and ventral attention", "default mode")


def world(k):
    """Layers whose regions are joined by 0.6 inside four communities of six and by 0.1 elsewhere."""
    rng = np.random.default_rng(k)
    community = np.array([rng.permutation(np.arange(N) % 4) for _ in range(k)])
    weights = np.where(community[:, :, None] == community[:, None], 0.6, 0.1) * (1 - np.eye(N))
    transition = 0.8 * np.eye(k) + rng.dirichlet(np.full(k, 5.0), k) * 0.2
    return community, weights, transition


def ranking(k):
    """Four communities a state; the odd ones stand out in mass, the first half in persistence."""
    n = 4 * k
    mass = np.linspace(0.2, 0.01, n)
    numbers = {
        "layer": np.arange(n) % k,
        "community": np.arange(n) // k,
        "size": 6 + np.arange(n) % 3,
        "mass": mass,
    }
    numbers |= {"persistence": np.linspace(0.3, 0.6, n) ** 2, "limit": mass**2, "occupancy": 1 / (1 + mass)}
    for name in ("mass", "persistence"):
        numbers |= {f"{name}_low": 0.8 * numbers[name], f"{name}_high": 0.9 * numbers[name]}
    odd, early = np.arange(n) % 2 == 1, np.arange(n) < n / 2
    return pd.DataFrame(numbers | {"mass_significant": odd, "persistence_significant": early})


def supra(weights, transition):
    """Written region by region, where the library takes a Kronecker product."""
    k = len(weights)
    matrix = np.zeros((k * N, k * N))
    for a in range(k):
        matrix[a * N : (a + 1) * N, a * N : (a + 1) * N] = weights[a]
        for b in set(range(k)) - {a}:
            for region in range(N):
                matrix[a * N + region, b * N + region] = transition[a, b]
    return matrix


def fits(k, column, value):
    """One row a community and name; the first name alone is beyond chance in each."""
    rows = [(a, c, name, 0.1 * i + 0.01 * c, 0.01 if i == 0 else 0.3)
            for a in range(k) for c in range(4) for i, name in enumerate(NAMES)]  # fmt: skip
    return pd.DataFrame(rows, columns=["layer", "community", column, value, "q"])


def draw_all(k):
    community, weights, transition = world(k)
    rng = np.random.default_rng(0)
    kinds = ["one person"] * 3 + ["two people"] * 4
    return {
        "layers": brain.draw_layers(weights, community),
        "supra": brain.draw_supra(supra(weights, transition), k),
        "modularity": brain.draw_modularity(
            np.linspace(0.4, 0.6, k), {name: rng.normal(0.1, 0.02, (k, 30)) for name in ("HQS", "shuffled")}
        ),
        "ranking": brain.draw_ranking(ranking(k)),
        "mass": brain.draw_mass(np.arange(1.0, k * N + 1).reshape(k, N), PLACES, OUTLINE),
        "confounds": brain.draw_confounds(ranking(k)),
        "overlap": brain.draw_overlap(np.eye(4 * k), np.repeat(np.arange(k), 4), np.eye(k)),
        "decoding": brain.draw_decoding(fits(k, "network", "jaccard"), NAMES),
        "maps": brain.draw_maps(fits(k, "map", "z"), NAMES),
        "retest": brain.draw_retest(
            pd.DataFrame({"kind": kinds, "mass": np.arange(7) / 10, "persistence": np.arange(7) / 20}), rng
        ),
    }


@pytest.fixture(scope="module")
def drawn():
    with plt.rc_context():
        figures.style()
        made = draw_all(4)
        yield made
    plt.close("all")


def test_texts_are_large_enough_and_apart(drawn):
    for name, (fig, numbers) in drawn.items():
        check_texts(fig)
        assert fig.get_figwidth() <= figures.WIDTH, name
        assert len(numbers), name


def test_twelve_states_have_room():
    community, weights, transition = world(12)
    with plt.rc_context():
        figures.style()
        for fig, _ in (
            brain.draw_layers(weights, community),
            brain.draw_supra(supra(weights, transition), 12),
            brain.draw_modularity(np.linspace(0.4, 0.6, 12), {"null": np.tile([0.1, 0.2], (12, 1))}),
            brain.draw_confounds(ranking(12)),
        ):
            check_texts(fig)
            plt.close(fig)


def test_sorted_layers_are_blocks(drawn):
    fig, numbers = drawn["layers"]
    for layer, ax in enumerate(fig.axes[:4]):
        picture = np.asarray(ax.images[0].get_array())
        np.testing.assert_array_equal(
            picture, np.kron(np.eye(4) * 0.5 + 0.1, np.ones((6, 6))) * (1 - np.eye(N))
        )
        assert {line.get_xdata()[0] for line in ax.lines[1::2]} == {5.5, 11.5, 17.5}
        of_layer = numbers[numbers.state == layer + 1]
        np.testing.assert_array_equal(world(4)[0][layer][of_layer.region - 1], of_layer.community - 1)


def test_couplings_of_the_whole_graph_are_the_switches(drawn):
    fig, numbers = drawn["supra"]
    _, weights, transition = world(4)
    lines = fig.axes[0].collections[0]
    away = ~np.eye(4, dtype=bool)
    np.testing.assert_array_equal(lines.get_array(), transition[away])
    ends = [segment[0][::-1] // N for segment in lines.get_segments()]
    np.testing.assert_array_equal(ends, np.argwhere(away))
    blocks = numbers.drop(columns="state").to_numpy()
    np.testing.assert_allclose(blocks[away], transition[away] / N)
    np.testing.assert_allclose(np.diag(blocks), weights.mean((1, 2)))


def test_modularity_is_written_in_deviations_of_the_first_null():
    nulls = {"first": np.tile([0.1, 0.3], (3, 5)), "second": np.tile([0.0, 0.02], (3, 5))}
    fig, numbers = brain.draw_modularity(np.array([0.2, 0.4, 0.5]), nulls)
    assert [text.get_text() for text in fig.axes[0].texts] == ["z 0.0", "z 2.0", "z 3.0"]
    first = numbers[numbers.what == "first"]
    np.testing.assert_allclose(first[["mean", "sd"]], [[0.2, 0.1]] * 3)
    assert numbers[numbers.what == "layer"]["mean"].tolist() == [0.2, 0.4, 0.5]
    plt.close(fig)


def test_ranked_communities_stand_at_their_scores_and_are_filled_above_chance(drawn):
    fig, numbers = drawn["ranking"]
    table = ranking(4)
    pd.testing.assert_frame_equal(numbers, table)
    for ax, name in zip(fig.axes, ("mass", "persistence"), strict=True):
        marks = ax.lines[1::2]
        np.testing.assert_allclose([mark.get_xdata()[0] for mark in marks], table[name])
        filled = [to_rgba(mark.get_markerfacecolor()) != (1, 1, 1, 1) for mark in marks]
        assert filled == table[f"{name}_significant"].tolist()
        assert [mark.get_marker() for mark in marks] == [STATE_LOOKS[i]["marker"] for i in table.layer]
        np.testing.assert_allclose([bar.get_x() for bar in ax.patches], table[f"{name}_low"])
        np.testing.assert_allclose(
            [bar.get_x() + bar.get_width() for bar in ax.patches], table[f"{name}_high"]
        )
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()][4] == "state 1, c2 (7)"


def test_a_long_ranking_is_cut():
    fig, numbers = brain.draw_ranking(ranking(12))
    pd.testing.assert_frame_equal(numbers, ranking(12).head(brain.N_BARS))
    plt.close(fig)


def test_mass_stands_on_the_brain_where_its_regions_lie(drawn):
    fig, numbers = drawn["mass"]
    brains = [ax for ax in fig.axes if ax.collections and ax.lines and not ax.images]
    assert len(brains) == 4
    for layer, ax in enumerate(brains):
        dots = ax.collections[0]
        np.testing.assert_allclose(dots.get_offsets(), PLACES[:, :2])
        own = numbers[numbers.state == layer + 1].mass.to_numpy()
        np.testing.assert_allclose(own, layer * N + np.arange(1, N + 1))
        np.testing.assert_array_equal(dots.get_array(), own)
        assert (np.diff(dots.get_sizes()) > 0).all()
        assert dots.get_clim() == (0, 4 * N)


def test_rank_correlations_of_confounds(drawn):
    fig, numbers = drawn["confounds"]
    table = ranking(4).assign(size=np.random.default_rng(5).permutation(16))
    assert [ax.get_title(loc="right") for ax in fig.axes[1:]] == ["r -1.00", "r 1.00", "r -1.00"]
    fig, numbers = brain.draw_confounds(table)
    by_hand = np.corrcoef(rankdata(table["size"]), rankdata(table.mass))[0, 1]
    assert fig.axes[0].get_title(loc="right") == f"r {by_hand:.2f}"
    assert numbers.mass.tolist() == table.mass.tolist()
    assert [text.get_text() for text in fig.legends[0].get_texts()] == [f"state {i}" for i in range(1, 5)]
    plt.close(fig)


def test_overlap_has_its_values_and_the_borders_of_layers():
    nmi = np.array([[1, 0.25], [0.25, 1]])
    fig, numbers = brain.draw_overlap(np.eye(5), np.array([0, 0, 0, 1, 1]), nmi)
    left, right = fig.axes[:2]
    assert [line.get_xdata()[0] for line in left.lines[1::2]] == [2.5]
    assert [text.get_text() for text in right.texts] == ["1.00", "0.25", "0.25", "1.00"]
    np.testing.assert_array_equal(numbers.drop(columns="state"), nmi)
    plt.close(fig)


@pytest.mark.parametrize(
    ("name", "column", "value"), [("decoding", "network", "jaccard"), ("maps", "map", "z")]
)
def test_dots_mark_what_is_beyond_chance(drawn, name, column, value):
    fig, numbers = drawn[name]
    pd.testing.assert_frame_equal(numbers, fits(4, column, value))
    ax = fig.axes[0]
    np.testing.assert_allclose(
        np.asarray(ax.images[0].get_array()), numbers[value].to_numpy().reshape(16, 3).T
    )
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [(i, 0) for i in range(16)])
    low, high = ax.images[0].get_clim()
    assert low == (0 if name == "decoding" else -high)


def test_retest_draws_each_pair_and_the_mean(drawn):
    numbers = drawn["retest"][1].set_index(["score", "group", "item"]).value
    assert numbers["mass", "one person"].drop("estimate").tolist() == [0, 0.1, 0.2]
    assert numbers["mass", "one person", "estimate"] == pytest.approx(0.1)
    assert numbers["persistence", "two people", "estimate"] == pytest.approx(0.225)


def test_without_positions_there_are_no_brains():
    mass = np.arange(1.0, 2 * N + 1).reshape(2, N)
    fig, numbers = brain.draw_mass(mass, None, OUTLINE)
    whole, _ = brain.draw_mass(mass, PLACES, OUTLINE)
    assert (len(fig.axes), len(whole.axes)) == (2, 4)  # matrix and colour bar; with two brains
    np.testing.assert_array_equal(numbers["mass"], mass.ravel())
    plt.close("all")
