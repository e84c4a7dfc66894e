"""The conditions of the speech chapter: who hears what, which model decodes it, and a table of how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from crossroads.analyse import retrieval
from crossroads.analyse.attention_maps import lead_field_power
from crossroads.analyse.linguistic_levels import level_predictors, prediction_strength
from crossroads.analyse.speech import (
    Decoding,
    Recorded,
    Telling,
    in_training,
    open_story,
    people_of,
    timeline_of,
)
from crossroads.data.listening import SOUND_HZ
from crossroads.data.listening_brain import Brain
from crossroads.models.brain_module import BrainShape
from crossroads.models.contrastive_training import Fitting

# Simulated data sets carry the name of the real one whose sensors they have.
ARRAYS = {
    "Brennan": ("easycap-60", 60),
    "Broderick": ("biosemi-128", 128),
    "Gwilliams": ("kit-208", 208),
    "Schoffelen": ("ctf-275", 273),
}
MAIN = "Gwilliams"
PUBLISHED = {"brennan-2019": "Brennan", "meg-masc": "Gwilliams"}  # the paper's names of real data sets
N_COMPARED = 128  # sensors at most where MEG is compared with EEG, as published
CLAMP, SHIFT_MS = 20.0, 150.0  # as published
ABLATIONS: dict[str, dict] = {
    "subject embedding": {"subject": "embedding"},
    "no spatial dropout": {"dropout_radius": 0.0},
    "ReLU": {"activation": "relu"},
    "no skip connections": {"skip": False},
    "no final convs": {"final_convs": False},
    "no initial conv": {"initial_conv": False},
    "no spatial attention": {"spatial_attention": False},
    "no GLU": {"glu": False},
    "no subject layer": {"subject": "none"},
}
ALICE_SENTENCES = 84
ALICE_EPOCHS = 3  # times those of our own stories: with a real reading's words the loss stays level for long
LINGUISTIC = 0.8  # share of phonemes and words in what the reference's brains follow
PHONETIC = 0.375  # of which phonemes


@dataclass(frozen=True)
class SpeechSettings:
    """Settings of the chapter, one block a size in ci/sizes/speech.yml."""

    n_parts: int  # of the story
    n_sentences: int  # a part
    voice: str
    encoder: str  # speech model: whisper or wav2vec
    sets: tuple[str, ...]  # simulated data sets, of ARRAYS; Gwilliams is among them
    n_sensors: int  # of an array, at most
    n_subjects: int
    strength_nam: float  # of the sources, such that the reference has 40 to 70 % top-10 accuracy
    rate_hz: float
    n_features: int  # components of the pretrained features, outputs of the learned network
    n_mels: int
    d1: int
    d2: int
    n_blocks: int
    harmonics: int
    batch: int
    learning_rate: float
    epoch_steps: int
    max_epochs: int
    patience: int
    n_models: int  # initialisations
    ablations: tuple[str, ...]  # of ABLATIONS, beside "no subject layer"
    shares: tuple[float, ...]  # of phonemes and words in what the brain follows, from 0 to 1
    strengths_nam: tuple[float, ...]
    n_listeners: tuple[int, ...]  # trained on; the first of them are tested in all cases
    shifts_ms: tuple[float, ...]  # as far below 0 as above: what they cut off draws their centre to 0
    clamps: tuple[float, ...]


def tellings(settings: SpeechSettings, voice: str, seed: int, encoder: str) -> tuple[Telling, ...]:
    """The parts of the story; "alice" is no voice but the word table of a real reading, see `Telling`."""
    n_sentences, n_parts = settings.n_sentences, settings.n_parts
    if voice == "alice":
        n_sentences, n_parts, seed = ALICE_SENTENCES // 2, 2, 0
    return tuple(Telling(n_sentences, voice, part, seed, encoder) for part in range(n_parts))


def shares_of(linguistic: float) -> tuple[float, float, float]:
    """Acoustic, phonetic and lexical shares of the streams, where the last two have this share together."""
    return 1 - linguistic, linguistic * PHONETIC, linguistic * (1 - PHONETIC)


def reference(settings: SpeechSettings, story: tuple[Telling, ...], seed: int, dataset: str) -> Decoding:
    """The full model on one data set: pretrained features where a speech model has listened, else Mel."""
    array, n_sensors = ARRAYS[dataset]
    longer = ALICE_EPOCHS if story[0].voice == "alice" else 1
    return Decoding(
        story,
        Brain(
            array,
            min(n_sensors, settings.n_sensors),
            settings.n_subjects,
            settings.strength_nam,
            shares_of(LINGUISTIC),
        ),
        settings.rate_hz,
        "pretrained" if story[0].encoder else "mel",
        settings.n_features if story[0].encoder else settings.n_mels,
        BrainShape(1, settings.d1, settings.d2, settings.n_blocks, settings.harmonics),
        Fitting(
            "clip",
            settings.batch,
            settings.learning_rate,
            settings.epoch_steps,
            longer * settings.max_epochs,
            longer * settings.patience,
        ),
        seed,
        clamp=CLAMP,
        shift_s=SHIFT_MS / 1000,
    )


def table_2(settings: SpeechSettings, full: Decoding) -> dict[str, Decoding]:
    """The rows of Table 2 on what the full model is trained on, but for chance."""
    mel = replace(full, features="mel", n_features=settings.n_mels)
    return {
        "base": replace(mel, fitting=replace(full.fitting, loss="regression")),
        "contrastive": mel,
        "deep mel": replace(full, features="deep mel", n_features=settings.n_features),
        "pretrained": full,
    }


def plan(settings: SpeechSettings, story: tuple[Telling, ...], seed: int) -> dict[str, list[Decoding]]:
    """All conditions of the chapter and their units, one a model.

    Conditions with an interval over initialisations have `n_models` of them, the others one: there the
    interval is over listeners. Equal units of several conditions are computed once. Where the number of
    listeners changes, so does the number of steps, so that each is seen equally often.
    """
    models = range(settings.n_models)
    main = reference(settings, story, seed, MAIN)
    shape, fitting = main.shape, main.fitting

    def hears(unit: Decoding, **changes: Any) -> Decoding:
        return replace(unit, brain=replace(unit.brain, **changes))

    def losing(unit: Decoding, loss: str) -> Decoding:
        return replace(unit, fitting=replace(fitting, loss=loss))

    shuffled = replace(fitting, shuffled=True)
    n_compared = min(settings.n_sensors, N_COMPARED)
    fewer = hears(main, n_sensors=n_compared)
    weakest, strongest = min(settings.strengths_nam), max(settings.strengths_nam)
    silent, acoustic = hears(main, strength_nam=0.0), hears(main, shares=shares_of(0.0))
    of_acoustic, of_silent = table_2(settings, acoustic), table_2(settings, silent)
    identical, clean = hears(main, variability=0.0), hears(main, artefacts_per_min=0.0)
    repeated: dict[str, Decoding] = {}
    for dataset in settings.sets:
        rows = table_2(settings, reference(settings, story, seed, dataset))
        repeated |= {f"{dataset}, {row}": unit for row, unit in rows.items()}
    for share in settings.shares:
        rows = table_2(settings, hears(main, shares=shares_of(share)))
        repeated[f"share {share:g}, pretrained"] = rows["pretrained"]
        repeated[f"share {share:g}, mel"] = rows["contrastive"]
    repeated["acoustic, deep mel"] = of_acoustic["deep mel"]
    repeated["leak, brain"] = replace(main, leaking=True)
    no_layer = replace(shape, **ABLATIONS["no subject layer"])
    repeated["no subject layer"] = replace(main, shape=no_layer)
    repeated["identical"] = identical
    repeated["identical, no layer"] = replace(identical, shape=no_layer)
    n_tested = settings.n_listeners[0]
    for n in settings.n_listeners:
        epochs = max(1, round(fitting.max_epochs * n / settings.n_subjects))
        unit = hears(replace(main, fitting=replace(fitting, max_epochs=epochs)), n_subjects=n)
        repeated[f"listeners {n}, same story"] = unit
        repeated[f"listeners {n}, other story"] = hears(unit, n_attending=n_tested) if n > n_tested else unit
    once = {
        "shuffled": replace(main, fitting=shuffled),
        "shuffled, weakest": replace(hears(fewer, strength_nam=weakest), fitting=shuffled),
        "shuffled, strongest": replace(hears(fewer, strength_nam=strongest), fitting=shuffled),
        "silent": silent,
        "silent, contrastive": of_silent["contrastive"],
        "silent, base": of_silent["base"],
        "silent, EEG": hears(reference(settings, story, seed, "Broderick"), strength_nam=0.0),
        "leak, noise only": replace(silent, leaking=True),
        "leak, shuffled": replace(main, leaking=True, fitting=shuffled),
        "temperature": losing(main, "temperature"),
        "symmetric": losing(main, "symmetric"),
        "acoustic": acoustic,
        "no clamping": replace(main, clamp=np.inf),
        "clamp at 100": replace(main, clamp=100.0),
    }
    once |= {name: replace(main, shape=replace(shape, **ABLATIONS[name])) for name in settings.ablations}
    for clamp, (name, unit) in product(settings.clamps, (("artefacts", main), ("clean", clean))):
        once[f"clamp {clamp:g}, {name}"] = replace(unit, clamp=clamp)
    for strength, kind in product(settings.strengths_nam, ("MEG", "EEG")):
        dataset = MAIN if kind == "MEG" else "Broderick"
        unit = reference(settings, story, seed, dataset)
        once[f"strength {strength:g}, {kind}"] = hears(unit, strength_nam=strength, n_sensors=n_compared)
    for shift, delay in product(settings.shifts_ms, (1.0, 0.0)):
        name = f"shift {shift:g}, {'planted' if delay else 'immediate'}"
        once[name] = replace(hears(main, delay=delay), shift_s=shift / 1000)
    units = {name: [replace(unit, model=model) for model in models] for name, unit in repeated.items()}
    units |= {name: [unit] for name, unit in once.items()}
    # Those who hear the same come together, so that a worker simulates them once, not each time they come.
    groups = list(dict.fromkeys(those[0].brain for those in units.values()))
    units = dict(sorted(units.items(), key=lambda item: groups.index(item[1][0].brain)))
    # The first model of the reference is looked at from near.
    return {name: [replace(unit, shown=unit == main) for unit in those] for name, those in units.items()}


def plan_recorded(settings: SpeechSettings, name: str, encoder: str, seed: int) -> dict[str, list[Decoding]]:
    """The rows of Table 2 on recordings, and pairs shuffled in training; one unit a model."""
    story = (Telling(0, name, 0, 0, encoder),)
    main = replace(reference(settings, story, seed, PUBLISHED[name]), brain=Recorded(name))
    shuffled = replace(main, fitting=replace(main.fitting, shuffled=True))
    units = table_2(settings, main) | {"shuffled": shuffled}
    return {row: [replace(unit, model=m) for m in range(settings.n_models)] for row, unit in units.items()}


def accuracy_table(results: dict[str, list[dict[str, np.ndarray]]]) -> pd.DataFrame:
    """One row a condition, model and listener, shares: top-1 and top-10 accuracy (also with what is near
    counting, among what is apart, of words, and of segments with unseen words)."""  # fmt: skip
    rows = []
    for condition, models in results.items():
        for model, result in enumerate(models):
            unseen = result["unseen"][result["true"]]
            for subject in np.unique(result["subject"]):
                own = result["subject"] == subject
                rank = result["rank"][own]
                few = result["rank"][own & unseen]
                rows.append(
                    {
                        "condition": condition,
                        "model": model,
                        "subject": int(subject),
                        "top1": retrieval.top_k(rank, 1),
                        "top10": retrieval.top_k(rank, 10),
                        "near": retrieval.top_k(result["rank_near"][own], 1),
                        "apart": retrieval.top_k(result["rank_apart"][own], 1),
                        "word": retrieval.top_k(result["word_rank"][own], 1),
                        "unseen": retrieval.top_k(few, 10) if len(few) else np.nan,
                    }
                )
    return pd.DataFrame(rows).set_index("condition")


def z_of(result: dict[str, np.ndarray]) -> float:
    """Top-10 accuracy of all trials, in standard errors above chance: those of exchanged sentences."""
    null = result["null"][:, 0]
    return float((retrieval.top_k(result["rank"], 10) - null.mean()) / null.std())


def chance_and(result: dict[str, np.ndarray], n_errors: float, column: int = 0) -> float:
    """Chance of top-10 accuracy and a number of its standard errors; column 1: of unseen words."""
    null = result["null"][:, column]
    return float(null.mean() + n_errors * null.std())


def items(table: pd.DataFrame, condition: str, column: str) -> np.ndarray:
    """Accuracies [%] of a condition: one an initialisation where there are several, else one a listener."""
    rows = table.loc[[condition]]
    by = "model" if rows.model.nunique() > 1 else "subject"
    return 100 * rows.groupby(by)[column].mean().to_numpy()


def compared(table: pd.DataFrame, one: str, other: str, column: str, by: str = "") -> np.ndarray:
    """Paired differences of two conditions [points], over the initialisations that both have: one by "model"
    or by "subject"; "": by model where both have several, else by subject."""  # fmt: skip
    rows = [table.loc[[name]] for name in (one, other)]
    n = min(those.model.nunique() for those in rows)
    by = by or ("model" if n > 1 else "subject")
    a, b = (those[those.model < n].groupby(by)[column].mean() for those in rows)
    return 100 * (a - b).to_numpy()


def set_numbers(unit: Decoding) -> dict[str, float]:
    """What the paper's Table 1 says of a data set, for a simulated one.

    Returns
    -------
    "sensors", "listeners", "hours" of all recordings, "train" (windows a listener), "train_words" (different
    ones), "test" (candidates), "test_words", and "seen", the share of the latter among the former.
    """
    assert isinstance(unit.brain, Brain)
    story, _ = open_story(unit.story)
    timeline = timeline_of(unit)
    train_words, test_words = set(story.words.word[in_training(story, timeline)]), set(timeline.test.word)
    return {
        "sensors": unit.brain.n_sensors,
        "listeners": unit.brain.n_subjects,
        "hours": unit.brain.n_subjects * len(story.sound) / SOUND_HZ / 3600,
        "train": len(timeline.train),
        "train_words": len(train_words),
        "test": len(timeline.test),
        "test_words": len(test_words),
        "seen": len(test_words & train_words) / len(test_words),
    }


def planted_power(unit: Decoding) -> np.ndarray:
    """Power of the planted sources at each sensor (C,), the mean over the listeners."""
    return np.mean([lead_field_power(person.lead) for person in people_of(unit)], axis=0)


def listener_distances(unit: Decoding, result: dict[str, np.ndarray]) -> pd.DataFrame:
    """Distances of all pairs of listeners: `lead_distance` of the sources' lead fields [largest: 1], and
    `matrix_distance` of the matrices that the model gave them."""  # fmt: skip
    leads = np.array([person.lead.ravel() for person in people_of(unit)])
    lead = pdist(leads)
    return pd.DataFrame(
        {"lead_distance": lead / lead.max(), "matrix_distance": pdist(result["subject_layer"])}
    )


def levels_of(unit: Decoding, result: dict[str, np.ndarray]) -> pd.DataFrame:
    """How well each level of language predicts the probability of the true word: level, subject, r."""
    story, _ = open_story(unit.story)
    predictors = level_predictors(timeline_of(unit).test, story.words, story.phonemes)
    rows = []
    for subject in np.unique(result["subject"]):
        own = result["subject"] == subject
        found = prediction_strength(predictors, result["p_word"][own], result["sentence"])
        rows += [(level, int(subject), r) for level, r in found.items()]
    return pd.DataFrame(rows, columns=["level", "subject", "r"])


def sentence_accuracy(result: dict[str, np.ndarray]) -> pd.DataFrame:
    """Top-1 accuracy in finding the sentence, by one window and by all of its: unit, subject, top1."""
    index = np.unique(result["sentence"], return_inverse=True)[1]
    rows = []
    for subject in np.unique(result["subject"]):
        own = result["subject"] == subject
        scores, true = result["scores"][own], result["true"][own]
        evidence = retrieval.sentence_evidence(scores, result["sentence"])
        pooled = retrieval.pool_sentences(scores, true, result["sentence"])
        rows += [
            ("window", int(subject), retrieval.top_k(retrieval.ranks(evidence, index[true]), 1)),
            ("sentence", int(subject), retrieval.top_k(retrieval.ranks(*pooled), 1)),
        ]
    return pd.DataFrame(rows, columns=["unit", "subject", "top1"])


def rank_correlation(x: np.ndarray, *groups: np.ndarray) -> float:
    """Spearman's, of values in groups with one x each; 0 where the values are all the same."""
    y = np.concatenate(groups)
    return float(spearmanr(np.repeat(x, [len(g) for g in groups]), y).statistic) if np.ptp(y) > 0 else 0.0


def centre(values: np.ndarray, places: Sequence[float], floor: float) -> float:
    """Centre of mass, by the trapezoid rule, of what the mean of values (n, n_places) has above a floor.

    nan where it has nothing there.
    """
    above = np.maximum(values.mean(0) - floor, 0)
    mass = np.trapezoid(above, places)
    return float(np.trapezoid(above * places, places) / mass) if mass > 0 else np.nan


def below_best(values: np.ndarray, index: int) -> float:
    """By how much the mean of values (n, n_places) at one place is below the highest."""
    mean = values.mean(0)
    return float(mean.max() - mean[index])
