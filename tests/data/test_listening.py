from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.data.listening import SOUND_HZ, Recording, Story

NONE = pd.DataFrame(columns=["symbol", "onset_s", "duration_s"])


def words(**changes):
    table = {
        "word": ["We", "hear", "Alice"],
        "onset_s": [0.1, 0.3, 1.2],
        "duration_s": [0.2, 0.3, 0.4],
        "sentence": [0, 0, 1],
    }
    return pd.DataFrame(table | changes)


def story(sound=None, sentence_s=((0, 1), (1, 2)), table=None):
    sound = np.zeros(2 * SOUND_HZ, np.float32) if sound is None else sound
    return Story(sound, np.array(sentence_s, float), words() if table is None else table, NONE)


def recording(**changes):
    sound = Recording(
        x=np.ones((3, 200), np.float32), sfreq=100.0, kind="meg", xy=np.full((3, 2), 0.5), subject="07",
        session="2", sentence_onset_s=np.array([0.0, np.nan, 1.0]), names=("a", "b", "c"),
    )  # fmt: skip
    return replace(sound, **changes)


def test_texts_of_sentences_also_of_one_without_words():
    heard = story(sentence_s=[(0, 1), (1, 1), (1.1, 2)], table=words(sentence=[0, 0, 2]))
    assert heard.sentence_texts() == ["we hear", "", "alice"]


def test_a_story_of_no_words_has_sentences():
    empty = words().iloc[:0]
    assert story(table=empty).sentence_texts() == ["", ""]
    assert story(table=pd.DataFrame(columns=empty.columns)).sentence_texts() == ["", ""]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"table": words().drop(columns=["onset_s", "sentence"])}, r"no column \['onset_s', 'sentence'\]"),
        ({"sound": np.zeros((2, SOUND_HZ))}, r"sound \(2, 16000\)"),
        ({"sentence_s": np.zeros((0, 2))}, r"sentences \(0, 2\)"),
        ({"sentence_s": [0, 1, 1, 2]}, r"sentences \(4,\)"),
        ({"sentence_s": [(-0.1, 1), (1, 2)]}, "follow each other, from 0 s on"),
        ({"sentence_s": [(0, 1.1), (1, 2)]}, "follow each other"),
        ({"sentence_s": [(0, 1), (2, 1.5)]}, "follow each other"),
        ({"sentence_s": [(0, np.nan), (1, 2)]}, "follow each other"),
        ({"sentence_s": [(0, 1), (1, 2.01)]}, "end at 2.010 s, beyond the sound of 2.000 s"),
        ({"table": words(sentence=[0, 0, 2])}, r"words of sentences \[0 2\]; there are 0 to 1"),
        ({"table": words(sentence=[-1, 0, 1])}, r"words of sentences \[-1  0  1\]"),
        ({"table": words(sentence=[0, np.nan, 1])}, "words of sentences"),
        ({"table": words(onset_s=[0.3, 0.1, 1.2])}, "in order of onset"),
        ({"table": words(onset_s=[0.1, 0.3, 0.9])}, "each within its sentence"),
        ({"table": words(onset_s=[0.1, 1.1, 1.2])}, "each within its sentence"),
        ({"table": words(onset_s=[0.1, np.nan, 1.2])}, "each within its sentence"),
    ],
)
def test_stories_that_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        story(**changes)


@given(st.lists(st.floats(0, 2), min_size=4, max_size=4), st.permutations(range(4)))
def test_sentences_are_taken_in_order_only(times, order):
    given_times = np.sort(times)[list(order)]
    table = words().iloc[:0]
    if (given_times == np.sort(times)).all():
        story(sentence_s=given_times.reshape(2, 2), table=table)
    else:
        with pytest.raises(ValueError, match="follow each other"):
            story(sentence_s=given_times.reshape(2, 2), table=table)


def test_a_recording_is_kept_as_given():
    kept = recording(sentence_onset_s=np.array([2.0]), kind="eeg")
    assert (kept.x.shape, kept.kind, kept.sentence_onset_s[0]) == ((3, 200), "eeg", 2)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "mri"}, "kind 'mri'; known are"),
        ({"x": np.ones(200)}, r"x \(200,\)"),
        ({"names": ("a", "b")}, "with 2 names"),
        ({"sfreq": 0.0}, "at 0.0 Hz"),
        ({"sfreq": np.nan}, "at nan Hz"),
        ({"xy": np.zeros((2, 2))}, r"needs a position; without one: \(2, 2\)"),
        ({"xy": np.array([[0, 0], [np.nan, 0], [1, np.inf]])}, r"without one: \['b', 'c'\]"),
        ({"x": np.array([[1, 2], [np.nan, 1], [1, np.inf]])}, r"NaN or infinite values in \['b', 'c'\]"),
        ({"sentence_onset_s": np.array([np.nan])}, "must begin within its 2.0 s"),
        ({"sentence_onset_s": np.array([-0.1, 1])}, "must begin within its 2.0 s"),
        ({"sentence_onset_s": np.array([0, 2.1])}, r"they do at \[0.  2.1\]"),
    ],
)
def test_recordings_that_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=f"subject 07, session 2.*{complaint}"):
        recording(**changes)
