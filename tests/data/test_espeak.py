import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed

pytest.importorskip("espeakng_loader")

from crossroads.data.espeak import FEATURES, articulatory_features, say
from crossroads.data.story_text import CLASSES

WORDS = [word for _, _, words in CLASSES.values() for word in words.split()]
SENTENCE = "The old dog, as it is, ran out of the garden, and I don't know what to do."


def test_onsets_are_those_that_the_library_reports():
    """Read off with another program: 0, 276, 467 ms; natural variation of the voice is a few ms."""
    said = say("Alice was beginning to get very tired.")
    np.testing.assert_allclose(said.words.onset_s[:3], [0, 0.276, 0.467], atol=0.006)
    assert said.phonemes.symbol[:7].tolist() == ["a", "l", "I", "s", "w", "V", "z"]


def test_every_word_has_a_row_and_a_time_also_where_espeak_reads_two_as_one():
    said = say(SENTENCE)
    assert said.words.word.tolist() == SENTENCE.replace(",", "").replace(".", "").split()
    assert (said.words.duration_s > 0.03).all()
    assert (np.diff(said.words.onset_s) > 0).all()
    end = said.words.onset_s + said.words.duration_s
    assert (end[:-1].to_numpy() <= said.words.onset_s[1:].to_numpy() + 1e-9).all()
    pause = said.words.onset_s[3] - end[2]  # at the first comma
    assert 0.05 < pause < 0.4


def test_phonemes_are_those_between_a_words_ends():
    said = say("dogs sing")
    assert said.phonemes.symbol.tolist() == ["d", "0", "g", "z", "s", "I", "N"]
    word = np.searchsorted(said.words.onset_s, said.phonemes.onset_s, side="right") - 1
    assert word.tolist() == [0] * 4 + [1] * 3
    assert (said.phonemes.duration_s > 0).all()
    end = said.phonemes.onset_s + said.phonemes.duration_s
    assert (end[:-1].to_numpy() <= said.phonemes.onset_s[1:].to_numpy() + 1e-9).all()


def test_sound_is_one_second_a_second_and_loud_where_vowels_are():
    said = say(SENTENCE)
    assert said.sound.dtype == np.float32
    assert 0.2 < np.abs(said.sound).max() <= 1
    assert len(said.sound) / 16_000 == pytest.approx(said.words.onset_s.iloc[-1] + 0.33, abs=0.1)
    level = {
        symbol: np.sqrt(np.mean(said.sound[int(onset * 16_000) : int((onset + d) * 16_000)] ** 2))
        for symbol, onset, d in said.phonemes.itertuples(index=False)
    }
    assert min(level["0"], level["a"], level["oU"]) > 2 * max(level["t"], level["d"])
    between = said.words.onset_s[3]  # the pause at the comma is silent
    assert np.abs(said.sound[int((between - 0.05) * 16_000) : int((between - 0.01) * 16_000)]).max() < 0.01


def digest(text):
    said = say(text)
    return hashlib.sha256(said.sound.tobytes() + said.phonemes.to_csv().encode()).hexdigest()


def test_same_text_same_bytes_whatever_was_said_before_and_in_other_processes():
    texts = [SENTENCE, "Many a long sentence leaves the voice elsewhere.", "No."]
    first = [digest(text) for text in texts]
    assert [digest(text) for text in reversed(texts)] == first[::-1]
    assert Parallel(n_jobs=2)(delayed(digest)(text) for text in texts) == first


@settings(max_examples=30)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
def test_any_words_of_the_stories_are_said_one_by_one(words):
    said = say(" ".join(words) + ".")
    assert said.words.word.tolist() == words
    assert (said.words.duration_s > 0).all()
    assert (said.words.onset_s + said.words.duration_s <= len(said.sound) / 16_000 + 1e-3).all()


@pytest.mark.parametrize("text", ["", " ... !"])
def test_nothing_to_say(text):
    with pytest.raises(ValueError, match="no words to say"):
        say(text)


def test_what_espeak_passes_over_is_named():
    with pytest.raises(ValueError, match=r"no time of its own to \['—'\] in 'a dog — a cat'; leave that out"):
        say("a dog — a cat")


def test_every_phoneme_of_the_stories_has_features():
    symbols = set()
    for i in range(0, len(WORDS), 12):
        symbols |= set(say(" ".join(WORDS[i : i + 12])).phonemes.symbol)
    assert len(symbols) > 45
    features = np.array([articulatory_features(symbol) for symbol in sorted(symbols)])
    assert features.shape == (len(symbols), len(FEATURES))
    assert set(np.unique(features)) == {0, 1}
    assert features.any(0).all()


def named(symbol):
    return {name for name, value in zip(FEATURES, articulatory_features(symbol), strict=True) if value}


def test_features_of_sounds_that_phonetics_defines():
    assert named("m") == {"voiced", "nasal", "labial"}
    assert named("b") - named("p") == {"voiced"}
    assert named("z") - named("s") == {"voiced"}
    assert named("k") == {"plosive", "dorsal"}
    assert named("D") == {"voiced", "fricative", "coronal"}
    assert named("tS") == {"plosive", "fricative", "coronal"}
    assert named("w") == {"voiced", "approximant", "labial", "dorsal"}
    assert named("i:") == {"vowel", "voiced", "high"}
    assert named("u:") == {"vowel", "voiced", "high", "back", "rounded"}
    assert named("A:") == {"vowel", "voiced", "low", "back"}
    assert named("aI") == {"vowel", "voiced", "low", "high"}


def test_unknown_symbols_are_named():
    with pytest.raises(ValueError, match="'x' is no phoneme"):
        articulatory_features("x")
