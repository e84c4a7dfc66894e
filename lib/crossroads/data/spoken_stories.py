"""Stories told by a voice: sentences one after another, or words at the times of a real reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from crossroads.data import espeak, neural_voice
from crossroads.data.listening import SOUND_HZ, Story
from crossroads.data.settings import data_folder

VOICES = ("espeak", "neural")
PAUSE_S = 0.3  # of silence at the end of each sentence
HAL_MILLIONS = 131  # words of the corpus in which LogFreq, a natural logarithm, was counted
RECORDED_COLUMNS = ("Word", "Segment", "onset", "offset", "Sentence", "LogFreq", "NGRAM", "IsLexical")
WORD_TABLE = "AliceChapterOne-EEG.csv"
LOST_APOSTROPHE = "\x1a"


def tell_story(words: pd.DataFrame, voice: str, rng: np.random.Generator) -> Story:
    """Say the sentences of a table one after another.

    Parameters
    ----------
    words : a row a word in order: `word`, `sentence` (0, 1, ...), and columns that the story's words keep.
    voice : "espeak" or "neural".
    rng : of the neural voice's breath; espeak needs none.

    Returns
    -------
    The story; a sentence lasts until the next one begins, so its silent end is its own.

    Raises
    ------
    ValueError : another voice, sentences that are not numbered 0, 1, ... in order, or words that a voice does
        not say one by one.
    """
    if voice not in VOICES:
        raise ValueError(f"voice {voice!r} is unknown; there are {', '.join(VOICES)}")
    number = words.sentence.to_numpy()
    if len(words) == 0 or number[0] != 0 or not np.isin(np.diff(number), (0, 1)).all():
        raise ValueError(f"the words' sentences must be 0, 1, ... in order; they are {pd.unique(number)}")
    silence = np.zeros(round(PAUSE_S * SOUND_HZ), np.float32)
    sounds, word_times, phonemes, edges = [], [], [], [0]
    for _, said in words.groupby("sentence").word:
        text = " ".join(said) + "."
        utterance = (
            espeak.say(text) if voice == "espeak" else neural_voice.say(text, int(rng.integers(2**31)))
        )
        if len(utterance.words) != len(said):
            raise ValueError(
                f"{text!r} has {len(said)} rows, but {len(utterance.words)} words; one row a word"
            )
        start = edges[-1] / SOUND_HZ
        word_times.append(utterance.words.assign(onset_s=utterance.words.onset_s + start))
        phonemes.append(utterance.phonemes.assign(onset_s=utterance.phonemes.onset_s + start))
        sounds += [utterance.sound, silence]
        edges.append(edges[-1] + len(utterance.sound) + len(silence))
    times = pd.concat(word_times, ignore_index=True)
    told = words.reset_index(drop=True).assign(onset_s=times.onset_s, duration_s=times.duration_s)
    sentence_s = np.column_stack([edges[:-1], edges[1:]]) / SOUND_HZ
    return Story(np.concatenate(sounds), sentence_s, told, pd.concat(phonemes, ignore_index=True))


def read_word_table(path: Path) -> pd.DataFrame:
    """Words of a reading with their times, from AliceChapterOne-EEG.csv (Brennan, doi 10.7302/Z29C6VNH).

    Returns
    -------
    A row a word: `word`, `sentence` from 0, `onset_s`, `duration_s`, with one segment of the reading after
    another (a segment begins where the last word before ends); `log_frequency` (log10 per million words of
    the HAL corpus, of 131 million); `surprisal` (bits of the n-gram model; the file names no unit and decimal
    logarithms are assumed, since as natural ones their mean would be a perplexity of only 19);
    `part_of_speech`: content, function, or unknown where the file has none.

    Raises
    ------
    ValueError : a column that is missing, a number that is none, or words that run backwards; with the file
        and the first bad row.
    """
    table = pd.read_csv(path, encoding="latin-1")
    missing = [name for name in RECORDED_COLUMNS if name not in table]
    if missing or table.empty:
        raise ValueError(f"{path}: no column {missing} or no rows; expected {', '.join(RECORDED_COLUMNS)}")
    numbers = table[["Segment", "onset", "offset", "Sentence", "LogFreq", "NGRAM"]]
    numbers = numbers.apply(pd.to_numeric, errors="coerce")
    _refuse(path, table, ~np.isfinite(numbers).all(axis=1) | table.Word.isna(), "a word with finite numbers")
    # A segment's sound goes on after its last word, but how long is not known.
    length = numbers.groupby("Segment").offset.max()
    start = numbers.Segment.map(length.cumsum() - length)
    onset = start + numbers.onset
    back = (onset.diff() < 0) | (numbers.offset <= numbers.onset) | (numbers.Sentence.diff() < 0)
    _refuse(path, table, back, "an onset not before the last word's, an offset after it, sentences in order")
    kinds = {1: "content", 0: "function"}
    return pd.DataFrame(
        {
            "word": table.Word.str.replace(LOST_APOSTROPHE, "'"),
            "sentence": pd.factorize(numbers.Sentence)[0],
            "onset_s": onset,
            "duration_s": numbers.offset - numbers.onset,
            "log_frequency": numbers.LogFreq / np.log(10) - np.log10(HAL_MILLIONS),
            "surprisal": numbers.NGRAM * np.log2(10),
            "part_of_speech": table.IsLexical.map(kinds).fillna("unknown"),
        }
    )


def story_of_recorded_words(table: pd.DataFrame) -> Story:
    """A story with the timing of a reading: each word is said by espeak and stretched to its time.

    Linear interpolation stretches, so pitch follows speed; where words overlap their sounds are added.

    Parameters
    ----------
    table : as `read_word_table` has it.

    Returns
    -------
    The story; a sentence lasts from its first word to that of the next.
    """
    first = np.round(table.onset_s.to_numpy() * SOUND_HZ).astype(int)
    count = np.maximum(1, np.round(table.duration_s.to_numpy() * SOUND_HZ).astype(int))
    sound = np.zeros((first + count).max(), np.float32)
    voiced = {word: _said_alone(word) for word in pd.unique(table.word)}
    phonemes = []
    for word, i, n, onset, duration in zip(
        table.word, first, count, table.onset_s, table.duration_s, strict=True
    ):
        spoken, symbols = voiced[word]
        at = np.linspace(0, len(spoken) - 1, n)
        sound[i : i + n] += np.interp(at, np.arange(len(spoken)), spoken).astype(np.float32)
        phonemes += [(symbol, onset + a * duration, b * duration) for symbol, a, b in symbols]
    starts = table.groupby("sentence").onset_s.min().to_numpy()
    sentence_s = np.column_stack([starts, np.append(starts[1:], len(sound) / SOUND_HZ)])
    symbols = pd.DataFrame(phonemes, columns=["symbol", "onset_s", "duration_s"])
    return Story(sound, sentence_s, table.reset_index(drop=True), symbols)


def read_aloud(part: int, n_sentences: int) -> Story:
    """Sentences of the word table of a real reading, that number of them a part; nothing is known of meaning.

    Raises
    ------
    FileNotFoundError : the table is not in the chapter's folder of real data.
    """
    folder = data_folder("speech")
    if folder is None or not (folder / WORD_TABLE).is_file():
        raise FileNotFoundError(
            f"$CROSSROADS_DATA/speech/{WORD_TABLE}: no such file; get it from doi 10.7302/Z29C6VNH and set "
            "CROSSROADS_DATA to the folder that has `speech` in it"
        )
    table = read_word_table(folder / WORD_TABLE)
    table = table[table.sentence // n_sentences == part].assign(meaning="")
    table = table.assign(
        onset_s=table.onset_s - table.onset_s.min(), sentence=table.sentence - part * n_sentences
    )
    return story_of_recorded_words(table)


def _said_alone(word: str) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """The sound of a word, and its phonemes with onset and duration as parts of the word's."""
    utterance = espeak.say(word)
    onset, duration = utterance.words[["onset_s", "duration_s"]].iloc[0]
    first, last = round(onset * SOUND_HZ), round((onset + duration) * SOUND_HZ)
    symbols = [
        (symbol, (begin - onset) / duration, length / duration)
        for symbol, begin, length in utterance.phonemes.itertuples(index=False)
    ]
    return utterance.sound[first:last], symbols


def _refuse(path: Path, table: pd.DataFrame, bad: pd.Series, expected: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{path}, row {row + 2}: {table.iloc[row].to_dict()}; expected {expected}")
