import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from crossroads.analyse.frame_decoding import decode_frames, shuffle_frames
from crossroads.data.linear_track import N_BINS, bins_of

FRAMES = np.array([[3, 63], [70, 150], [160, 230], [240, 320]])


def fit_nearest(x, labels):
    return KNeighborsClassifier(1).fit(x, labels).predict


def runs():
    """Cells that are active in one bin each, and the positions of four runs."""
    position = np.zeros(330)
    for first, stop in FRAMES:
        position[first:stop] = np.linspace(0, 119.9, stop - first)
    return np.eye(N_BINS)[bins_of(position)], position


def test_noiseless_places_are_decoded_in_every_frame_of_every_second_run():
    events, position = runs()
    found = decode_frames(events, position, FRAMES, fit_nearest, np.random.default_rng(1))
    expected = np.r_[70:150, 240:320]
    np.testing.assert_array_equal(found.frame, expected)
    np.testing.assert_array_equal(found.run, np.repeat([1, 3], 80))
    np.testing.assert_array_equal(found.true, (position[expected] // 6).astype(int))
    np.testing.assert_array_equal(found.real, found.true)
    np.testing.assert_array_equal(found.shuffled, found.true)


def test_training_runs_alone_are_learnt_from():
    events, position = runs()
    for first, stop in FRAMES[1::2]:  # the test runs are mirrored: right places, wrong cells
        events[first:stop] = events[first:stop, ::-1]
    found = decode_frames(events, position, FRAMES, fit_nearest, np.random.default_rng(1))
    np.testing.assert_array_equal(found.real, N_BINS - 1 - found.true)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_shuffle_keeps_the_values_of_every_cell_and_label(labels, seed):
    labels = np.array(labels)
    activity = np.arange(3.0 * len(labels)).reshape(len(labels), 3)
    shuffled = shuffle_frames(activity, labels, np.random.default_rng(seed))
    for label in set(labels):
        np.testing.assert_array_equal(np.sort(shuffled[labels == label], 0), activity[labels == label])


def test_shuffle_takes_away_what_cells_share():
    rng = np.random.default_rng(0)
    common = rng.standard_normal((5000, 1)) + np.zeros(2)
    shuffled = shuffle_frames(common, rng.integers(0, 4, 5000), rng)
    assert abs(np.corrcoef(shuffled.T)[0, 1]) < 0.06  # 4 standard errors; 1 before
