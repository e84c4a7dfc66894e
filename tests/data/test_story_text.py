import math
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pandas as pd
import pytest

from crossroads.data.story_text import CLASSES, COLUMNS, GRAMMAR, write_sentences


@cache
def sample(n=40_000):
    return write_sentences(n, np.random.default_rng(0))


@cache
def all_sentences():
    """All sequences of classes that the grammar makes, with probabilities, by rewriting whole sequences."""
    done, open_ = defaultdict(float), {("START",): 1.0}
    while open_:
        rewritten = defaultdict(float)
        for sequence, p in open_.items():
            symbols = [i for i, symbol in enumerate(sequence) if symbol in GRAMMAR]
            if not symbols:
                done[sequence] += p
                continue
            i = symbols[-1]  # from the right, unlike the code under test
            for q, rewriting in GRAMMAR[sequence[i]]:
                rewritten[(*sequence[:i], *rewriting.split(), *sequence[i + 1 :])] += p * q
        open_ = rewritten
    return done


@cache
def shares():
    """Class and share in its class of every word: Zipf's law, shifted by 2."""
    found = {}
    for name, (_, _, words) in CLASSES.items():
        weight = [1 / (rank + 2) for rank in range(1, len(words.split()) + 1)]
        found |= {w: (name, x / sum(weight)) for w, x in zip(words.split(), weight, strict=True)}
    return found


def test_words_belong_to_one_class_and_rewritings_sum_to_one():
    words = [word for _, _, words in CLASSES.values() for word in words.split()]
    assert len(set(words)) == len(words)
    assert 380 <= len(words) <= 450
    for symbol, rewritings in GRAMMAR.items():
        assert sum(p for p, _ in rewritings) == pytest.approx(1), symbol
        assert all(s in GRAMMAR or s in CLASSES for _, text in rewritings for s in text.split())


def test_surprisal_is_that_of_all_sentences_of_the_grammar():
    begins = defaultdict(float)
    for sequence, p in all_sentences().items():
        for i in range(len(sequence) + 1):
            begins[sequence[:i]] += p
    assert begins[()] == pytest.approx(1)
    table = sample()
    for _, said in table[table.sentence < 500].groupby("sentence"):
        sequence = tuple(shares()[word][0] for word in said.word)
        for i, (word, surprisal) in enumerate(zip(said.word, said.surprisal, strict=True)):
            p = begins[sequence[: i + 1]] / begins[sequence[:i]] * shares()[word][1]
            assert surprisal == pytest.approx(-math.log2(p), abs=1e-9)


def test_surprisal_is_what_one_counts():
    """Shares of the words that follow a beginning which many sentences have in common."""
    table = sample()
    sentences = table.groupby("sentence").word.agg(tuple)
    surprisals = table.groupby("sentence").surprisal.agg(tuple)
    following, expected = defaultdict(Counter), {}
    for words, bits in zip(sentences, surprisals, strict=True):
        for i in range(3):
            following[words[:i]][words[i]] += 1
            expected[words[: i + 1]] = bits[i]
    n_compared = 0
    for beginning, counts in following.items():
        n = counts.total()
        for word, count in counts.items():
            p = 2.0 ** -expected[(*beginning, word)]
            if n * p > 30:
                n_compared += 1
                assert abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p)), (beginning, word)
    assert n_compared > 200


def test_log_frequency_is_exact_and_what_one_counts():
    expected = defaultdict(float)
    for sequence, p in all_sentences().items():
        for name in sequence:
            expected[name] += p
    n_words = sum(expected.values())
    table = sample()
    counts = table.word.value_counts()
    frequency = table.drop_duplicates("word").set_index("word").log_frequency
    for word, (name, share) in shares().items():
        p = expected[name] * share / n_words
        assert frequency[word] == pytest.approx(math.log10(1e6 * p), abs=1e-9)
        # Words of a sentence hang together, so counts scatter a little more than independent ones.
        assert abs(counts[word] - len(table) * p) < 6 * math.sqrt(len(table) * p)


def test_sentences_are_ones_to_read_aloud():
    table = sample(3000)
    length = table.groupby("sentence").size()
    assert (length.min(), length.max()) == (6, 15)
    assert 9 < length.mean() < 11
    again = table.word.eq(table.word.shift()) & table.sentence.eq(table.sentence.shift())
    assert not again.any()
    assert table.groupby("sentence").word.agg(" ".join).is_unique
    assert tuple(table.columns) == COLUMNS
    assert table.sentence.unique().tolist() == list(range(3000))
    assert (table.surprisal >= 0).all()
    dog, ran = (table[table.word == word].iloc[0] for word in ("dog", "ran"))
    assert (dog.part_of_speech, dog.meaning) == ("noun", "animal")
    assert (ran.part_of_speech, ran.meaning) == ("verb", "motion")


def test_same_seed_same_text():
    once, again, other = (write_sentences(20, np.random.default_rng(seed)) for seed in (4, 4, 5))
    pd.testing.assert_frame_equal(once, again, check_exact=True)
    assert once.word.tolist() != other.word.tolist()


def test_no_sentences_are_refused():
    with pytest.raises(ValueError, match="0 sentences.*at least 1"):
        write_sentences(0, np.random.default_rng(0))
