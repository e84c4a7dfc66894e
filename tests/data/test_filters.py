"""The filter is scipy's, however the signal is cut, and channels do not meet."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from crossroads.data.filters import cascade

SIGNAL = np.random.default_rng(0).standard_normal((200, 3))


@given(cuts=st.lists(st.integers(1, 199), max_size=5, unique=True), order=st.integers(1, 5))
def test_a_cascade_is_scipys_however_the_signal_comes_in(cuts, order):
    sos = butter(order, (0.1, 0.4), "bandpass", output="sos")
    state = np.zeros((len(sos), 2, 3))
    found = np.concatenate([cascade(sos, state, part) for part in np.split(SIGNAL, sorted(cuts))])
    expected, last = sosfilt(sos, SIGNAL, axis=0, zi=np.zeros((len(sos), 2, 3)))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state, last, rtol=1e-9, atol=1e-12)


def test_it_takes_any_layout_and_type_and_leaves_its_input():
    sos = butter(2, 0.3, output="sos")
    x = SIGNAL.astype(np.float32)[::2]
    kept = x.copy()
    found = cascade(sos, np.zeros((len(sos), 2, 3)), x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, sosfilt(sos, kept.astype(float), axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(x, kept)


def test_without_sections_the_signal_stays_as_it_is():
    np.testing.assert_array_equal(cascade(np.empty((0, 6)), np.zeros((0, 2, 3)), SIGNAL), SIGNAL)
