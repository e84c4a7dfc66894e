"""Which level of language predicts when the decoder finds the word: from phonemes to phrases.

The last analysis of Defossez et al. (2023), whose details are not known to us; the choices here are ours. No
text embedding from elsewhere is used. A word's vector is made of what the story knows of it (meaning, part of
speech, frequency, length): a few hundred sentences are too few to learn vectors from which words stand
together. Word vectors hold part of speech and frequency, and phrases hold bags of words: from a level to one
that holds it, R should not fall by more than fitting costs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import pearsonr
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crossroads.data.speech_windows import AFTER_S, BEFORE_S

COLUMNS = ("word", "onset_s", "sentence", "part_of_speech", "meaning", "log_frequency", "surprisal")
LEVELS = ("phonemes", "frequency", "part of speech", "word", "bag of words", "phrase")
ALPHAS = tuple(np.logspace(-1, 5, 13))
N_FOLDS = 5


def level_predictors(
    tested: pd.DataFrame, words: pd.DataFrame, phonemes: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Predictors (n_tested, p) of every level of LEVELS, in this order, for windows at the onsets of words.

    phonemes : how often each symbol begins in the window (-0.5 to 2.5 s around the onset). Left out where the
        story has no phonemes.
    frequency : log10 of the word's. part of speech : one-hot.
    word : one-hot part of speech and meaning, log frequency, number of letters.
    bag of words : mean of the word vectors of all words that begin in the window.
    phrase : the bag, and what depends on order and place: how often each part of speech follows each within a
        sentence of the window, mean surprisal, number of words and of beginnings of sentences, and the word's
        place in its sentence.

    Parameters
    ----------
    tested : the words that windows are locked to, some rows of `words` (found again by their onsets).
    words : all words of the story in order of onset, with the columns of COLUMNS. phonemes : as in `Story`.

    Raises
    ------
    ValueError : a column is missing, or a tested word is none of the story's.
    """
    missing = [name for name in COLUMNS if name not in words]
    if missing:
        raise ValueError(f"words have no column {missing}; the levels need {list(COLUMNS)}")
    onset = words.onset_s.to_numpy()
    row = np.minimum(np.searchsorted(onset, tested.onset_s), len(words) - 1)
    if not (words.word.to_numpy()[row] == tested.word.to_numpy()).all():
        raise ValueError("tested words must be rows of words, with the same onsets and spelling")
    speech = pd.get_dummies(words.part_of_speech, dtype=float).to_numpy()
    vectors = np.column_stack(
        [speech, pd.get_dummies(words.meaning, dtype=float), words.log_frequency, words.word.str.len()]
    )
    inside = _inside(onset[row], onset)
    n_words = inside.sum(1, keepdims=True)
    bag = inside @ vectors / n_words
    sentence = words.sentence.to_numpy()
    follows = np.diff(sentence) == 0
    # A pair counts where both its words begin in the window.
    both = inside[:, :-1] * inside[:, 1:] * follows
    pairs = (speech[:-1, :, None] * speech[1:, None, :]).reshape(len(words) - 1, -1)
    beginning = np.concatenate([[True], ~follows])
    place = words.groupby("sentence").cumcount().to_numpy(float)
    phrase = [bag, both @ pairs[:, pairs.any(0)], inside @ words.surprisal.to_numpy()[:, None] / n_words]
    levels = {
        "frequency": words.log_frequency.to_numpy(float)[row, None],
        "part of speech": speech[row],
        "word": vectors[row],
        "bag of words": bag,
        "phrase": np.column_stack([*phrase, n_words, inside @ beginning, place[row]]),
    }
    if phonemes.empty:
        return levels
    symbols = pd.get_dummies(phonemes.symbol, dtype=float).to_numpy()
    return {"phonemes": _inside(onset[row], phonemes.onset_s.to_numpy()) @ symbols, **levels}


def prediction_strength(
    predictors: dict[str, np.ndarray], target: np.ndarray, sentence: np.ndarray
) -> dict[str, float]:
    """R of each level for one subject: how well ridge regression predicts the target in unseen sentences.

    Predictors are z-scored and the ridge is chosen (from ALPHAS, leaving out single windows) in four fifths
    of the sentences. R is the mean over the fifths of the Pearson correlation within each. One correlation
    over all predictions would be biased: a fifth with a high mean is predicted from fifths with a low one, so
    that without any relation R is below 0, and near -1 where the ridge is strong. Within fifths, R is 0 on
    average without a relation. A fifth whose predictions are all the same counts as 0.

    Parameters
    ----------
    predictors : (n_trials, p) each. target : (n_trials,), such as the true word's probability.
    sentence : (n_trials,) names or indices; five or more.

    Raises
    ------
    ValueError : fewer than five sentences, other numbers of trials, or a target that is not finite.
    """
    if len(np.unique(sentence)) < N_FOLDS or not np.isfinite(target).all():
        raise ValueError(f"need a finite target in {N_FOLDS} sentences or more; got {np.unique(sentence)}")
    folds = list(GroupKFold(N_FOLDS).split(target, groups=sentence))
    model = make_pipeline(StandardScaler(), RidgeCV(ALPHAS))
    strength = {}
    for level, x in predictors.items():
        if len(x) != len(target):
            raise ValueError(f"{level}: {len(x)} rows for {len(target)} trials")
        found = [_pearson(model.fit(x[a], target[a]).predict(x[b]), target[b]) for a, b in folds]
        strength[level] = float(np.mean(found))
    return strength


def _inside(onset: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Which events (n_events,) [s] fall in the windows around onsets (n,) [s]: (n, n_events) of 0 and 1."""
    late = event - onset[:, None]
    return ((late >= -BEFORE_S) & (late < AFTER_S)).astype(float)


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    if min(np.ptp(a) - 1e-10 * np.abs(a).max(), np.ptp(b)) <= 0:  # nothing but rounding
        return 0.0
    return float(pearsonr(a, b).statistic)
