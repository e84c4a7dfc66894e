from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.data.linear_track import (
    Runs,
    Session,
    average_visits,
    binned_runs,
    bins_of,
    equal_directions,
    find_runs,
)


@st.composite
def positions(draw):
    """Straight stretches between chosen places, some of them slow, on a track or round a ring."""
    places = st.sampled_from([0.0, 2.5, 30.0, 60.0, 100.0, 113.0, 118.0, 120.0])
    stretches = draw(st.lists(st.tuples(places, st.integers(1, 90)), min_size=1, max_size=8))
    x = [draw(places)]
    for target, n_frames in stretches:
        x.extend(np.linspace(x[-1], target, n_frames + 1)[1:])
    return (np.array(x) * draw(st.sampled_from([1.0, 2.7]))) % 120.0001


def slow_runs(x, n_bins):
    """Frame by frame: follow one direction as long as it lasts, then look where that began and ended."""
    ways = [0 if abs(b - a) * 20 <= 4 else (1 if b > a else -1) for a, b in pairwise(x)]
    found, i = [], 0
    while i < len(ways):
        j = i
        while j + 1 < len(ways) and ways[j + 1] == ways[i]:
            j += 1
        low, high = sorted([x[i], x[j + 1]])
        visited = set(np.digitize(x[i : j + 2], np.linspace(0, 120, n_bins + 1)[1:-1]))
        if ways[i] and low < 6 and high >= 114 and len(visited) == n_bins:
            found.append((i, j + 2, ways[i] > 0))
        i = j + 1
    return found


@settings(max_examples=100, deadline=None)
@given(positions(), st.sampled_from([10, 20, 40]))
def test_runs_are_those_of_a_plain_loop(x, n_bins):
    frames, rightward = find_runs(x, n_bins)
    assert [(*f, r) for f, r in zip(frames.tolist(), rightward.tolist(), strict=True)] == slow_runs(x, n_bins)


@pytest.mark.parametrize(("speed", "n_runs"), [(3.9, 0), (4.1, 1), (100, 1), (130, 0)])
def test_runs_are_fast_but_see_every_bin(speed, n_runs):
    """Slower than 4 cm/s is no run; at 130 cm/s a frame is 6.5 cm, so that a bin is missed."""
    x = np.arange(0.05, 120, speed / 20)
    assert len(find_runs(x)[0]) == n_runs


def test_a_lap_ends_where_the_ring_closes():
    x = np.arange(0, 360, 2.3)
    lap = (x // 120).astype(int)
    for ring, way in ((x % 120, True), (x[::-1] % 120, False)):
        frames, rightward = find_runs(ring)
        counts = np.bincount(lap if way else 2 - lap[::-1])
        np.testing.assert_array_equal(np.diff(frames)[:, 0], counts)
        np.testing.assert_array_equal(frames[1:, 0], frames[:-1, 1])
        np.testing.assert_array_equal(rightward, way)


def test_bins_hold_their_lower_edge_and_what_is_beyond():
    x = np.array([-3, 0, 5.99, 6, 113.99, 114, 120, 130.0])
    np.testing.assert_array_equal(bins_of(x), [0, 0, 0, 1, 18, 19, 19, 19])
    np.testing.assert_array_equal(bins_of(np.arange(0, 120, 6.0)), np.arange(20))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 20]))
def test_visit_means_are_those_of_a_plain_loop(seed, n_bins):
    rng = np.random.default_rng(seed)
    stretches = [rng.permutation(np.linspace(0, 120, n)) for n in rng.integers(30, 60, size=4)]
    x = np.concatenate(stretches)
    stop = np.cumsum([len(s) for s in stretches])
    frames = np.column_stack([stop - [len(s) for s in stretches], stop])[rng.permutation(4)[:3]]
    values = rng.standard_normal((len(x), 3))
    means = average_visits(values, x, frames, n_bins)
    assert means.shape == (3, n_bins, 3)
    for r, (a, b) in enumerate(frames):
        where = np.digitize(x[a:b], np.linspace(0, 120, n_bins + 1)[1:-1])
        for k in range(n_bins):
            np.testing.assert_allclose(means[r, k], values[a:b][where == k].mean(0), atol=1e-12)


def test_a_visit_without_frames_is_refused():
    x = np.linspace(0, 120, 31)
    with pytest.raises(ValueError, match="run 0 has no frame in bin 3 of 40; take fewer bins"):
        average_visits(x[:, None], x, np.array([[0, 31]]), 40)


def test_a_session_without_runs_has_none():
    session = Session("m", "s", np.zeros((50, 3), np.float32), np.zeros(50))
    runs = binned_runs(session)
    assert runs.activity.shape == (0, 20, 3)
    assert runs.rightward.shape == (0,)


def test_activity_stands_by_run_bin_and_cell():
    """A cell that reports the position and one that reports the run, both known."""
    there = np.linspace(0, 120, 81)
    x = np.concatenate([there, there[::-1], there])
    number = np.repeat([0.0, 1.0, 2.0], 81)
    events = np.column_stack([x, number]).astype(np.float32)
    runs = binned_runs(Session("m", "s", events, x, circular=True))
    assert runs.activity.dtype == np.float32
    assert runs.circular
    np.testing.assert_array_equal(runs.rightward, [True, False, True])
    np.testing.assert_allclose(runs.activity[..., 0], np.tile(np.arange(20) * 6 + 2.25, (3, 1)), atol=0.8)
    # Only the outer bins can hold the frame at which the mouse turns, which two runs share.
    np.testing.assert_allclose(runs.activity[:, 1:19, 1], np.arange(3)[:, None] * np.ones(18))


@given(st.lists(st.booleans(), min_size=2, max_size=30), st.integers(0, 1000))
def test_equal_directions_keeps_as_many_of_each(ways, seed):
    ways = np.array(ways)
    number = np.arange(len(ways))
    runs = Runs(number[:, None, None], ways, np.column_stack([number, number + 1]))
    even = equal_directions(runs, np.random.default_rng(seed))
    kept = even.frames[:, 0]
    assert np.all(np.diff(kept) > 0)
    np.testing.assert_array_equal(even.activity[:, 0, 0], kept)
    np.testing.assert_array_equal(even.rightward, ways[kept])
    assert even.rightward.sum() == (~even.rightward).sum() == min(ways.sum(), (~ways).sum())
