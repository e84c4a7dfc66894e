"""Planted responses come back from loud recordings, and nothing like them from silent ones."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from crossroads.analyse.response_recovery import recover_responses
from crossroads.analyse.speech import Telling, open_story
from crossroads.data.listening_brain import RATE_HZ, Brain, listeners, simulate_cohort

STORY = (Telling(20, "espeak", 0, 5, ""),)
LOUD = Brain("kit-208", 24, 2, 200.0, (0.2, 0.3, 0.5), artefacts_per_min=0.0)
SEED = 5
ARRAYS = pytest.mark.parametrize("array", ["kit-208", "easycap-60"])


def recovered(brain, stream):
    story, _ = open_story(STORY)
    return recover_responses(
        story, simulate_cohort(story, brain, RATE_HZ, SEED), listeners(brain, SEED), stream
    )


def agreement(table):
    """Correlation of planted and recovered, of each listener."""
    return [np.corrcoef(rows.planted, rows.recovered)[0, 1] for _, rows in table.groupby("subject")]


@ARRAYS
def test_a_loud_phonetic_response_is_found_again_at_its_time(array):
    brain = replace(LOUD, array=array)
    table = recovered(brain, "phonetic")
    assert min(agreement(table)) > 0.95
    people = listeners(brain, SEED)
    assert max(abs(person.latency_s) for person in people) > 0.02
    for person, (_, rows) in zip(people, table.groupby("subject"), strict=True):
        peak_ms = rows.set_index("lag_ms")[["planted", "recovered"]].abs().idxmax()
        # The larger bump of the planted response is centred 130 ms after a phoneme.
        expected = 130 + 1000 * person.latency_s
        assert peak_ms.planted == pytest.approx(expected, abs=1000 / RATE_HZ)
        assert peak_ms.recovered == pytest.approx(expected, abs=17)


def test_streams_are_told_apart():
    """The lexical response, driven by other features of the same words, peaks 270 ms later."""
    table = recovered(LOUD, "lexical")
    assert min(agreement(table)) > 0.95
    mean = table.groupby("lag_ms")[["planted", "recovered"]].mean()
    assert mean.recovered.idxmax() == pytest.approx(mean.planted.idxmax(), abs=17)
    assert mean.planted.idxmax() == pytest.approx(400, abs=35)


@ARRAYS
def test_without_a_response_nothing_like_it_is_found(array):
    table = recovered(replace(LOUD, array=array, strength_nam=0.0), "phonetic")
    assert max(agreement(table)) < 0.5


def test_a_row_a_lag_and_listener_of_norm_one():
    table = recovered(replace(LOUD, n_sensors=12), "phonetic")
    lags_ms = np.arange(-12, 73) * 1000 / 120  # from -100 to 600 ms
    np.testing.assert_allclose(table.lag_ms, np.tile(lags_ms, 2))
    assert table.subject.tolist() == ["01"] * 85 + ["02"] * 85
    squares = (table[["planted", "recovered"]] ** 2).groupby(table.subject).sum()
    np.testing.assert_allclose(squares, 1)
