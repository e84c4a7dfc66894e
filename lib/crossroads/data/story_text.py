"""Sentences of a small story world, whose every word has a known probability.

A grammar without recursion rewrites START into classes of words, and each class has words of its own. A state
holds all that may still follow the words so far, with probabilities (the forward algorithm): surprisal is
exact given all words of the sentence so far.
"""

from __future__ import annotations

import math
from bisect import bisect
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pandas as pd

ZIPF_SHIFT = 2  # of a class's words, the one of rank r = 1, 2, ... has a share that goes with 1 / (r + shift)

# Class: part of speech, meaning, words from frequent to rare.
CLASSES = {
    "det": ("determiner", "function", "the his her this my their our every another"),
    "in": (
        *("preposition", "function"),
        "into through near across behind towards around beside over past beyond under above below along "
        "inside",
    ),
    "with": ("preposition", "function", "with without for"),
    "before": ("preposition", "function", "before after during until"),
    "and": ("conjunction", "function", "and but while because so"),
    "that": ("conjunction", "function", "that"),
    "who": ("pronoun", "function", "who"),
    "pronoun": ("pronoun", "function", "he she it they we I nobody somebody"),
    "opener": (
        *("adverb", "time"),
        "then soon yesterday once later suddenly today often finally meanwhile sometimes again tonight",
    ),
    "hour": (
        *("noun", "time"),
        "dinner midnight sunrise winter breakfast christmas summer harvest noon lunch sunset autumn "
        "supper easter",
    ),
    "manner": (
        *("adverb", "manner"),
        "slowly quietly quickly gently carefully softly proudly bravely sadly eagerly calmly boldly happily "
        "politely firmly nervously gladly loudly lazily kindly secretly clumsily cheerfully angrily "
        "patiently",
    ),
    "size": (
        "adjective",
        "size",
        "little old small young big tall tiny huge thin short fat giant narrow broad",
    ),
    "colour": (
        *("adjective", "colour"),
        "white black red green blue brown yellow golden grey silver purple pink orange pale",
    ),
    "mood": (
        *("adjective", "mood"),
        "happy sad tired angry quiet brave gentle hungry proud lonely clever foolish shy cheerful jealous "
        "sleepy worried polite stubborn greedy curious nervous thoughtful grumpy",
    ),
    "state": (
        *("adjective", "state"),
        "dark empty warm cold dusty smooth broken heavy famous secret ancient dry wet frozen silent "
        "crowded sunny foggy steep hidden strange lovely",
    ),
    "person": (
        *("noun", "person"),
        "man woman boy girl mother king father doctor child teacher farmer sister brother queen soldier "
        "sailor friend baker stranger hunter painter nurse judge singer priest widow prince guard tailor "
        "traveller",
    ),
    "animal": (
        *("noun", "animal"),
        "dog cat horse bird fox mouse bear wolf rabbit goat duck lion sheep cow owl snake pig frog "
        "squirrel goose donkey deer tiger hedgehog camel beaver raven otter monkey turtle",
    ),
    "place": (
        *("noun", "place"),
        "house garden river forest village street kitchen bridge hill church market field tower lake castle "
        "harbour mountain school valley barn meadow island cave station stable bakery library desert museum "
        "cellar palace orchard chapel swamp theatre",
    ),
    "tool": (
        *("noun", "tool"),
        "box lamp rope basket knife bag key hammer bucket blanket candle ladder shovel bottle broom needle "
        "mirror saddle hat umbrella violin drum brush lantern chain kettle pencil spoon whistle barrel",
    ),
    "food": (
        *("noun", "food"),
        "bread soup apple cake cheese fish egg pie honey butter rice potato pear cabbage plum porridge "
        "sausage onion carrot cherry lemon biscuit pumpkin walnut",
    ),
    "go": (
        *("verb", "motion"),
        "walked went ran came climbed hurried wandered jumped crept rushed marched travelled stepped crawled "
        "sailed raced strolled swam danced slipped limped galloped tumbled stumbled",
    ),
    "take": (
        *("verb", "handling"),
        "took carried put brought pulled dropped pushed threw lifted held hid dragged lost left fetched "
        "cleaned repaired buried grabbed polished shook smashed painted rolled",
    ),
    "eat": ("verb", "eating", "ate tasted cooked swallowed chewed devoured nibbled finished stole boiled"),
    "see": (
        *("verb", "perception"),
        "saw heard watched found noticed met followed recognized discovered observed spotted smelled admired "
        "ignored",
    ),
    "say": (
        *("verb", "speech"),
        "said thought whispered shouted promised answered explained believed declared claimed dreamed "
        "remembered complained",
    ),
    "seem": ("verb", "state", "seemed looked felt became remained sounded grew appeared"),
    "rest": (
        *("verb", "rest"),
        "smiled waited laughed slept cried listened sang stopped nodded disappeared trembled whistled yawned "
        "stayed sighed shivered",
    ),
}

# Symbol: its rewritings with their probabilities; small letters name classes.
GRAMMAR = {
    "START": [(0.22, "opener PLAIN TAIL"), (0.1, "before hour PLAIN"), (0.5, "PLAIN TAIL"), (0.18, "LONG")],
    "PLAIN": [(0.6, "PERSON ACTS"), (0.4, "ANIMAL MOVES")],
    "LONG": [(0.6, "det person who DOES SHORT"), (0.4, "det animal that DOES SHORT")],
    "ACTS": [
        *((0.24, "WENT"), (0.26, "take THING in PLACE"), (0.14, "eat FOOD with PERSON")),
        *((0.2, "see SEEN in PLACE"), (0.16, "say that SAID")),
    ],
    "MOVES": [(0.5, "WENT"), (0.2, "eat FOOD in PLACE"), (0.3, "see SEEN in PLACE")],
    "WENT": [(0.7, "go in PLACE"), (0.3, "manner go in PLACE")],
    "SAID": [(0.4, "pronoun go in PLACE"), (0.3, "pronoun take THING"), (0.3, "det animal seem FEELING")],
    "DOES": [(0.5, "go in det place"), (0.3, "take det tool"), (0.2, "see det animal")],
    "SHORT": [(0.4, "seem FEELING"), (0.35, "eat FOOD"), (0.25, "rest in PLACE")],
    "FEELING": [(0.75, "mood"), (0.25, "state")],
    "SEEN": [(0.4, "PERSON"), (0.35, "ANIMAL"), (0.25, "THING")],
    "PERSON": [(0.6, "det person"), (0.25, "det mood person"), (0.15, "det size person")],
    "ANIMAL": [(0.55, "det animal"), (0.25, "det size animal"), (0.2, "det colour animal")],
    "THING": [(0.55, "det tool"), (0.25, "det colour tool"), (0.2, "det state tool")],
    "FOOD": [(0.7, "det food"), (0.3, "det state food")],
    "PLACE": [(0.65, "det place"), (0.25, "det state place"), (0.1, "det size place")],
    "TAIL": [(0.55, ""), (0.17, "manner"), (0.28, "and pronoun rest")],
}

COLUMNS = ("word", "sentence", "part_of_speech", "meaning", "surprisal", "log_frequency")

Sequence = tuple[str, ...]  # symbols and classes still to come
State = tuple[tuple[Sequence, float], ...]  # what may still come, with probabilities that sum to 1


class _Step(NamedTuple):
    """One word that may follow a state."""

    probability: float
    word: str
    class_name: str
    state: State


START: State = ((("START",), 1.0),)


def write_sentences(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw n sentences independently, each of 6 to 15 words.

    Returns
    -------
    A row a word: `word`; `sentence`, its index from 0; `part_of_speech`; `meaning`, what the word is about,
    or "function"; `surprisal` [bits] = -log2 P(word | words of the sentence so far), where the sentence's end
    is one of the outcomes; `log_frequency` = log10 of the word's expected number in a million words. Both are
    those of the grammar, not counted.

    Raises
    ------
    ValueError : n below 1.
    """
    if n < 1:
        raise ValueError(f"{n} sentences cannot be written; at least 1 is needed")
    frequency = _log_frequencies()
    rows = []
    for sentence in range(n):
        state = START
        while True:
            steps, cumulative = _steps(state)
            i = bisect(cumulative, rng.random())
            if i == len(steps):
                break
            p, word, name, state = steps[i]
            rows.append((word, sentence, *CLASSES[name][:2], max(0.0, -math.log2(p)), frequency[word]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@cache
def _steps(state: State) -> tuple[list[_Step], list[float]]:
    """All words that may come next and their summed probabilities; what is left to 1 ends the sentence."""
    after: dict[str, dict[Sequence, float]] = {}
    for sequence, p in state:
        for name, rest, q in _first_classes(sequence):
            share = after.setdefault(name, {})
            share[rest] = share.get(rest, 0.0) + p * q
    steps = []
    for name, rests in after.items():
        total = sum(rests.values())
        following = tuple((rest, p / total) for rest, p in rests.items())
        steps += [_Step(total * share, word, name, following) for word, share in _words(name)]
    return steps, list(accumulate(step.probability for step in steps))


def _first_classes(sequence: Sequence) -> list[tuple[str, Sequence, float]]:
    """The classes a sequence may begin with, what follows each, and its probability."""
    if not sequence:
        return []
    first, rest = sequence[0], sequence[1:]
    if first in CLASSES:
        return [(first, rest, 1.0)]
    return [
        (name, after, p * q)
        for p, rewriting in GRAMMAR[first]
        for name, after, q in _first_classes((*rewriting.split(), *rest))
    ]


@cache
def _words(name: str) -> list[tuple[str, float]]:
    """Words of a class with their shares, which sum to 1."""
    words = CLASSES[name][2].split()
    share = 1 / (np.arange(1, len(words) + 1) + ZIPF_SHIFT)
    return list(zip(words, (share / share.sum()).tolist(), strict=True))


@cache
def _log_frequencies() -> dict[str, float]:
    """log10 of each word's expected number in a million: its expected number over that of all words."""
    expected: dict[str, float] = {}
    reached = {START: 1.0}  # probability that a sentence comes to this state after so many words
    while reached:
        following: dict[State, float] = {}
        for state, p in reached.items():
            for step in _steps(state)[0]:
                expected[step.word] = expected.get(step.word, 0.0) + p * step.probability
                following[step.state] = following.get(step.state, 0.0) + p * step.probability
        reached = following
    total = sum(expected.values())
    return {word: math.log10(1e6 * number / total) for word, number in expected.items()}
