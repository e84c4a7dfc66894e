from math import log2, log10

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample

pytest.importorskip("espeakng_loader")

from crossroads.data.espeak import say
from crossroads.data.settings import data_folder
from crossroads.data.spoken_stories import (
    WORD_TABLE,
    read_aloud,
    read_word_table,
    story_of_recorded_words,
    tell_story,
)
from crossroads.data.story_text import write_sentences

HEADER = "Word,Segment,onset,offset,Order,LogFreq,SndPower,Sentence,IsLexical,NGRAM\n"
ROWS = [
    "Alice,1,0.10,0.60,1,8.65,1e-7,1,1,3.2",
    "was,1,0.56,0.80,2,14.56,1e-7,1,0,0.9",
    "tired,1,1.50,2.00,3,10.5,1e-7,1,,4.4",
    "\x1as,1,2.50,2.70,4,15.7,1e-7,2,0,1.0",
    "of,2,0.30,0.50,5,16.2,1e-7,2,0,0.5",
    "it,2,0.50,0.75,6,15.4,1e-7,3,0,2.2",
]


@pytest.fixture
def table(tmp_path):
    def write(rows=ROWS, header=HEADER):
        path = tmp_path / "words.csv"
        path.write_text(header + "\n".join(rows) + "\n", encoding="latin-1")
        return path

    return write


def test_a_story_is_its_sentences_with_pauses():
    words = write_sentences(3, np.random.default_rng(0))
    story = tell_story(words, "espeak", np.random.default_rng(0))
    alone = [say(" ".join(said) + ".") for _, said in words.groupby("sentence").word]
    np.testing.assert_allclose(np.diff(story.sentence_s), [[len(u.sound) / 16_000 + 0.3] for u in alone])
    np.testing.assert_array_equal(story.sentence_s[1:, 0], story.sentence_s[:-1, 1])
    for (start, _), (number, said), u in zip(
        story.sentence_s, story.words.groupby("sentence"), alone, strict=True
    ):
        first = round(start * 16_000)
        np.testing.assert_array_equal(story.sound[first : first + len(u.sound)], u.sound)
        assert not story.sound[first + len(u.sound) : first + len(u.sound) + 4800].any()
        np.testing.assert_allclose(said.onset_s - start, u.words.onset_s, atol=1e-9)
        assert said.word.tolist() == words[words.sentence == number].word.tolist()
    kept = ["word", "sentence", "part_of_speech", "meaning", "surprisal", "log_frequency"]
    pd.testing.assert_frame_equal(story.words[kept], words[kept])
    assert len(story.phonemes) == sum(len(u.phonemes) for u in alone)
    assert (np.diff(story.phonemes.onset_s) > 0).all()


def test_the_neural_voice_takes_its_breath_from_the_generator():
    pytest.importorskip("hibari")
    words = write_sentences(2, np.random.default_rng(0))
    once, again, other = (tell_story(words, "neural", np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert once.sound.tobytes() == again.sound.tobytes() != other.sound.tobytes()
    assert once.words.word.tolist() == words.word.tolist()


def test_stories_that_cannot_be_told():
    words = write_sentences(3, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="voice 'parrot' is unknown; there are espeak, neural"):
        tell_story(words, "parrot", rng)
    with pytest.raises(ValueError, match="must be 0, 1, ... in order; they are"):
        tell_story(words[words.sentence != 1], "espeak", rng)
    with pytest.raises(ValueError, match="has 2 rows, but 3 words"):
        tell_story(pd.DataFrame({"word": ["old dog", "ran"], "sentence": 0}), "espeak", rng)


def test_a_table_of_a_reading(table):
    found = read_word_table(table())
    assert found.word.tolist() == ["Alice", "was", "tired", "'s", "of", "it"]
    assert found.sentence.tolist() == [0, 0, 0, 1, 1, 2]
    np.testing.assert_allclose(found.onset_s, [0.1, 0.56, 1.5, 2.5, 3.0, 3.2])  # segment 1 ends at 2.7
    np.testing.assert_allclose(found.duration_s, [0.5, 0.24, 0.5, 0.2, 0.2, 0.25])
    # "was" is said some 16,000 times in a million words of the HAL corpus: exp(14.56) / 131
    assert 10 ** found.log_frequency[1] == pytest.approx(np.exp(14.56) / 131)
    assert found.log_frequency[0] == pytest.approx(8.65 * log10(np.e) - log10(131))
    assert found.surprisal[0] == pytest.approx(3.2 / log10(2))
    assert found.surprisal[0] == pytest.approx(3.2 * log2(10))
    assert found.part_of_speech.tolist() == ["content", "function", "unknown", *["function"] * 3]


def test_words_of_a_reading_sound_when_they_were_read(table):
    words = read_word_table(table())
    story = story_of_recorded_words(words)
    pd.testing.assert_frame_equal(story.words, words)
    np.testing.assert_allclose(story.sentence_s, [[0.1, 2.5], [2.5, 3.2], [3.2, 3.45]], atol=1e-4)
    heard = np.zeros(len(story.sound), bool)
    for onset, duration in zip(words.onset_s, words.duration_s, strict=True):
        part = slice(round(onset * 16_000), round((onset + duration) * 16_000))
        assert np.abs(story.sound[part]).max() > 0.05
        heard[part] = True
    assert not story.sound[~heard].any()
    tired = say("tired")
    stretch = 0.5 / tired.words.duration_s[0]
    symbols = story.phonemes[(story.phonemes.onset_s >= 1.5 - 1e-9) & (story.phonemes.onset_s < 2.0)]
    assert symbols.symbol.tolist() == tired.phonemes.symbol.tolist()
    expected = 1.5 + stretch * (tired.phonemes.onset_s - tired.words.onset_s[0])
    np.testing.assert_allclose(symbols.onset_s, expected)
    # The same wave, only wider: as a stretch by Fourier's series has it.
    said = tired.sound[: round(tired.words.duration_s[0] * 16_000)]
    assert np.corrcoef(resample(said, 8000), story.sound[24_000:32_000])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("row", "bad"),
    [
        (1, "was,1,0.05,0.80,2,14.56,1e-7,1,0,0.9"),  # before the word before
        (1, "was,1,0.56,0.56,2,14.56,1e-7,1,0,0.9"),  # without length
        (1, "was,1,0.56,,2,14.56,1e-7,1,0,0.9"),
        (1, "was,1,0.56,0.80,2,much,1e-7,1,0,0.9"),
        (1, ",1,0.56,0.80,2,14.56,1e-7,1,0,0.9"),
        (3, "s,1,2.50,2.70,4,15.7,1e-7,0,0,1.0"),  # a sentence that was before
    ],
)
def test_the_first_bad_row_of_a_reading_is_shown(table, row, bad):
    rows = [*ROWS[:row], bad, *ROWS[row + 1 :]]
    with pytest.raises(ValueError, match=rf"words.csv, row {row + 2}: .*expected"):
        read_word_table(table(rows))


def test_columns_and_rows_that_are_missing(table):
    with pytest.raises(ValueError, match=r"words.csv: no column \['Sentence', 'NGRAM'\]"):
        read_word_table(table(header=HEADER.replace("Sentence", "S").replace("NGRAM", "N")))
    with pytest.raises(ValueError, match="or no rows"):
        read_word_table(table(rows=[]))


def test_parts_of_a_reading_start_with_their_first_word(table, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{WORD_TABLE}: no such file; get it from doi"):
        read_aloud(0, 2)
    (tmp_path / "speech").mkdir()
    table().rename(tmp_path / "speech" / WORD_TABLE)
    first, second = read_aloud(0, 2), read_aloud(1, 2)
    assert first.sentence_texts() == ["alice was tired", "'s of"]
    assert second.sentence_texts() == ["it"]
    np.testing.assert_allclose(first.words.onset_s, [0.0, 0.46, 1.4, 2.4, 2.9])
    np.testing.assert_allclose(second.words.onset_s, [0.0])
    assert len(second.sound) == 4000  # it lasts 0.25 s


def test_the_reading_of_alice():
    folder = data_folder("speech")
    if folder is None:
        pytest.skip("CROSSROADS_DATA/speech is not there")
    words = read_word_table(folder / "AliceChapterOne-EEG.csv")
    assert (len(words), words.sentence.nunique(), words.word.str.lower().nunique()) == (2129, 84, 601)
    assert words.duration_s.mean() == pytest.approx(0.281, abs=1e-3)
    story = story_of_recorded_words(words[words.sentence < 5])
    assert story.words.word[:4].tolist() == ["Alice", "was", "beginning", "to"]
    assert len(story.sentence_s) == 5
