"""Communities to play with: each position of a slider shows what was given for it."""

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest

from crossroads.report import brain_play

K, N = 3, 30
RNG = np.random.default_rng(2)
COMMUNITY = np.array(
    [RNG.permutation(np.arange(N) % 8), RNG.permutation(np.arange(N) % 2), np.arange(N) // 10]
)
PLACES = RNG.uniform(-60, 60, (N, 3))
OUTLINE = {view: np.array([[-70, -70], [70, -70], [0, 70.0]]) for view in ("top", "left")}
SIZES = [np.bincount(labels) for labels in COMMUNITY]
RANKING = pd.DataFrame(
    [(k, c, n, (n + 0.01 * c) / N / K, 0.5) for k, sizes in enumerate(SIZES) for c, n in enumerate(sizes)],
    columns=["layer", "community", "size", "mass", "persistence"],
).sort_values("mass", ascending=False, ignore_index=True)


def sliders(figure):
    return {one["name"]: one["values"] for one in figure.layout.meta["sliders"]}


@pytest.fixture(scope="module")
def brains():
    return brain_play.brains(COMMUNITY, RANKING, PLACES, OUTLINE)


def test_every_region_is_on_the_brain_in_every_state(brains):
    figure, _ = brains
    assert sliders(figure) == {"State": ["1", "2", "3"]}
    seen = PLACES[PLACES[:, 0] <= 0]
    both = np.concatenate([PLACES[:, :2], seen[:, 1:] + [brain_play.APART_MM, 0]])
    for frame in figure.frames:
        shown = np.concatenate([np.column_stack([trace.x, trace.y]) for trace in frame.data])
        assert sorted(map(tuple, shown)) == sorted(map(tuple, both))


def test_looks_tell_the_rank_by_mass(brains):
    figure, numbers = brains
    looks = [(trace.name, trace.marker.symbol, trace.marker.color) for trace in figure.frames[0].data]
    assert [name for name, *_ in looks] == [*(f"rank {i}" for i in range(1, 7)), "others"]
    assert len({symbol for _, symbol, _ in looks}) == len({color for *_, color in looks}) == 7
    for layer, frame in enumerate(figure.frames):
        of_state = numbers[numbers.state == layer + 1]
        assert of_state.mass.is_monotonic_decreasing
        heaviest = int(SIZES[layer][::-1].argmax())
        label = len(SIZES[layer]) - 1 - heaviest  # of equal sizes, the last is the heaviest here
        chosen = frame.data[0]
        above = np.column_stack([chosen.x, chosen.y])[: of_state.regions.iloc[0]]
        np.testing.assert_array_equal(above, PLACES[COMMUNITY[layer] == label, :2])
        widths = [trace.marker.size for trace in frame.data[: len(of_state)]]
        assert widths == sorted(widths, reverse=True)


@pytest.fixture(scope="module")
def alluvial():
    return brain_play.alluvial(COMMUNITY, np.array([0.5, 0.3, 0.2]))


def bands(trace):
    """Corners (n_bands, 5, 2) of a trace whose polygons are parted by None."""
    corners = np.array([trace.x, trace.y], dtype=float).T.reshape(-1, 6, 2)
    assert np.isnan(corners[:, 5]).all()
    return corners[:, :5]


def test_bands_follow_the_regions_of_the_chosen_community(alluvial):
    figure, numbers = alluvial
    assert sliders(figure) == {"Community of the first state": [str(i) for i in range(1, 9)]}
    everything = bands(next(trace for trace in figure.data if trace.name == "all regions"))
    assert len(everything) == N * (K - 1)
    chosen = [bands(frame.data[0]) for frame in figure.frames]
    assert [len(one) for one in chosen] == (SIZES[0] * (K - 1)).tolist()
    assert sorted(map(str, np.concatenate(chosen))) == sorted(map(str, everything))
    of_second = numbers[numbers.state == 2].set_index("community").communities_reached
    assert of_second.tolist() == [len(set(COMMUNITY[1][COMMUNITY[0] == c])) for c in range(8)]


def test_bands_start_and_end_in_the_boxes_of_their_communities(alluvial):
    figure, _ = alluvial
    for state, labels in enumerate(COMMUNITY):
        boxes = [trace for trace in figure.data if trace.name == f"state {state + 1}"]
        spans = sorted((min(box.y), max(box.y)) for box in boxes)
        assert len(spans) == len(np.unique(labels))
        assert all(below[1] < above[0] for below, above in pairwise(spans))
        # A box holds its regions, one unit each.
        assert sorted(round(high - low + 0.2) for low, high in spans) == sorted(np.bincount(labels))
    middle = sorted((min(t.y), max(t.y)) for t in figure.data if t.name == "state 2")
    for band in np.concatenate([bands(frame.data[0]) for frame in figure.frames]):
        if band[0, 0] < 0.5 * N:  # from the first state to the second
            assert any(low - 1e-9 <= band[1, 1] < band[2, 1] <= high + 1e-9 for low, high in middle)


def test_ranks_are_the_scores_in_their_order():
    tables = {(str(k), rule): RANKING[RANKING.layer < k].assign(mass=lambda t, r=rule: t.mass * len(r))
              for k, rule in product((2, 3), ("switch then walk", "walk or switch"))}  # fmt: skip
    figure, numbers = brain_play.ranks(tables)
    assert sliders(figure) == {"States": ["2", "3"], "Rule": ["switch then walk", "walk or switch"]}
    for frame, ((states, rule), table) in zip(figure.frames, tables.items(), strict=True):
        assert frame.name == f"{states}, {rule}"
        for trace, column in zip(frame.data, ("mass", "persistence"), strict=True):
            np.testing.assert_allclose(trace.y[: len(table)], table[column], rtol=1e-6)
            assert len(trace.y) == len(RANKING)
            assert np.isnan(trace.y[len(table) :]).all()
        own = numbers[(numbers.states == states) & (numbers.rule == rule)]
        np.testing.assert_allclose(own.mass, table.mass.head(6))
        assert own["rank"].tolist() == [1, 2, 3, 4, 5, 6]
