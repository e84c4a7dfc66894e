"""Levels of language, counted by hand, and strengths of prediction, against what was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from crossroads.analyse.linguistic_levels import ALPHAS, LEVELS, level_predictors, prediction_strength

WORDS = pd.DataFrame(
    {
        "word": ["the", "dog", "ran", "a", "cat"],
        "onset_s": [0.0, 0.4, 1.0, 2.4, 3.6],
        "sentence": [0, 0, 0, 1, 1],
        "part_of_speech": ["det", "noun", "verb", "det", "noun"],
        "meaning": ["function", "animal", "motion", "function", "animal"],
        "log_frequency": [4.0, 3.0, 2.0, 4.5, 2.5],
        "surprisal": [1.0, 5.0, 3.0, 2.0, 6.0],
    }
)
PHONEMES = pd.DataFrame({"symbol": ["D", "@", "d", "@", "k"], "onset_s": [0.0, 0.1, 0.4, 2.4, 3.6]})
N_VECTOR = 3 + 3 + 2  # parts of speech, meanings, frequency and length


@pytest.fixture
def levels() -> dict[str, np.ndarray]:
    return level_predictors(WORDS.iloc[[1, 3]], WORDS, PHONEMES)


def test_levels_are_in_order_and_finite(levels: dict[str, np.ndarray]) -> None:
    assert tuple(levels) == LEVELS
    assert all(len(x) == 2 and x.ndim == 2 and np.isfinite(x).all() for x in levels.values())


def test_levels_of_single_words(levels: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(levels["frequency"], [[3.0], [4.5]])
    np.testing.assert_array_equal(levels["part of speech"], [[0, 1, 0], [1, 0, 0]])  # det, noun, verb
    # det noun verb, animal function motion, log frequency, letters
    np.testing.assert_array_equal(levels["word"], [[0, 1, 0, 1, 0, 0, 3.0, 3], [1, 0, 0, 0, 1, 0, 4.5, 1]])


def test_windows_begin_half_a_second_early_and_end_after_two_and_a_half(
    levels: dict[str, np.ndarray],
) -> None:
    # "dog": -0.1 to 2.9 s holds the first four words; "a": 1.9 to 4.9 s the last two.
    all_words = level_predictors(WORDS, WORDS, PHONEMES)["word"]
    np.testing.assert_allclose(levels["bag of words"], [all_words[:4].mean(0), all_words[3:].mean(0)])
    # Symbols in sorted order: @ D d k.
    np.testing.assert_array_equal(levels["phonemes"], [[2, 1, 1, 0], [1, 0, 0, 1]])


def test_phrases_count_pairs_within_sentences(levels: dict[str, np.ndarray]) -> None:
    phrase = levels["phrase"]
    np.testing.assert_allclose(phrase[:, :N_VECTOR], levels["bag of words"])
    # det noun, noun verb, verb det; the last, ran | a, lies across two sentences.
    np.testing.assert_array_equal(phrase[:, N_VECTOR:-4], [[1, 1, 0], [1, 0, 0]])
    # mean surprisal, words, beginnings, place in the sentence
    np.testing.assert_allclose(phrase[:, -4:], [[11 / 4, 4, 2, 1], [4, 2, 1, 0]])


def test_a_story_without_phonemes_lacks_that_level() -> None:
    assert tuple(level_predictors(WORDS, WORDS, PHONEMES.iloc[:0])) == LEVELS[1:]


def test_words_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no column \['meaning'\]"):
        level_predictors(WORDS, WORDS.drop(columns="meaning"), PHONEMES)
    for changed in ({"word": "cow"}, {"onset_s": 9.0}):
        with pytest.raises(ValueError, match="same onsets and spelling"):
            level_predictors(WORDS.iloc[[1]].assign(**changed), WORDS, PHONEMES)


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_planted_relation_has_the_r_of_its_share_of_variance(share: float) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    x = rng.normal(size=(n, 3))
    y = np.sqrt(share / 3) * x.sum(1) + np.sqrt(1 - share) * rng.normal(size=n)
    x *= [1e-3, 1, 1e3]  # units do not matter
    found = prediction_strength({"word": x}, 1e-5 * y + 1, np.arange(n) // 20)["word"]
    # Pearson's r has a standard error of (1 - r^2) / sqrt(n).
    assert found == pytest.approx(np.sqrt(share), abs=3.5 * (1 - share) / np.sqrt(n))


def test_noise_has_no_r_though_one_correlation_over_all_would_be_negative() -> None:
    rng = np.random.default_rng(1)
    ours, pooled = [], []
    sentence = np.arange(60) // 6
    for _ in range(120):
        x, y = rng.normal(size=(60, 4)), rng.normal(size=60)
        ours.append(prediction_strength({"": x}, y, sentence)[""])
        model = RidgeCV(ALPHAS)
        predicted = cross_val_predict(model, x, y, groups=sentence, cv=GroupKFold(5))
        pooled.append(np.corrcoef(predicted, y)[0, 1])
    error = np.std(ours) / np.sqrt(len(ours))
    assert abs(np.mean(ours)) < 3 * error
    assert np.mean(pooled) < -0.1
    assert error < 0.03  # small enough to see that bias


def test_what_only_tells_sentences_apart_is_worth_nothing() -> None:
    """Target and predictors are the same in all windows of a sentence, and unrelated between sentences."""
    rng = np.random.default_rng(2)
    sentence = np.repeat(np.arange(30), 10)
    found, leaked = [], []
    for _ in range(20):
        x, y = rng.normal(size=(30, 20))[sentence], rng.normal(size=30)[sentence]
        y = y + 0.1 * rng.normal(size=300)
        found.append(prediction_strength({"": x}, y, sentence)[""])
        cv = KFold(5, shuffle=True, random_state=0)
        leaked.append(np.corrcoef(cross_val_predict(RidgeCV(ALPHAS), x, y, cv=cv), y)[0, 1])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(20)
    assert np.mean(leaked) > 0.6


def test_a_constant_predictor_or_target_has_no_r() -> None:
    y = np.random.default_rng(3).normal(size=50)
    sentence = np.arange(50) // 5
    assert prediction_strength({"flat": np.ones((50, 2))}, y, sentence) == {"flat": 0.0}
    assert prediction_strength({"x": y[:, None]}, np.full(50, 0.1), sentence) == {"x": 0.0}


def test_refusals_of_strength() -> None:
    y = np.arange(20.0)
    with pytest.raises(ValueError, match="5 sentences or more"):
        prediction_strength({"x": y[:, None]}, y, np.arange(20) // 5)
    with pytest.raises(ValueError, match="finite target"):
        prediction_strength({"x": y[:, None]}, np.where(y > 18, np.nan, y), np.arange(20) // 2)
    with pytest.raises(ValueError, match="word: 3 rows for 20 trials"):
        prediction_strength({"word": y[:3, None]}, y, np.arange(20) // 2)
