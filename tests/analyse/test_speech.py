from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crossroads.analyse import speech
from crossroads.analyse.retrieval import chance, top_k
from crossroads.data import brennan2019, meg_masc
from crossroads.data.listening import SOUND_HZ, Story
from crossroads.data.listening_brain import Brain, simulate_cohort
from crossroads.data.sound_features import log_mel
from crossroads.data.speech_windows import Timeline
from crossroads.models.brain_module import BrainShape
from crossroads.models.contrastive_training import Fitting
from crossroads.models.speech_encoders import available

STORY = tuple(speech.Telling(30, "espeak", part, 3, "") for part in range(2))
LOUD = speech.Decoding(
    STORY,
    Brain("easycap-60", 24, 2, 60.0, (1.0, 0.0, 0.0), variability=0.2),
    20.0,
    "mel",
    20,
    BrainShape(1, d1=12, d2=16, n_blocks=1, harmonics=4),
    Fitting(batch=32, learning_rate=1e-2, epoch_steps=15, max_epochs=4, patience=4),
    seed=3,
)


def test_parts_of_a_story_follow_each_other():
    story, _ = speech.open_story(STORY)
    parts = [speech.tell(telling) for telling in STORY]
    length = len(parts[0]["sound"]) / SOUND_HZ
    np.testing.assert_array_equal(story.sound, np.concatenate([part["sound"] for part in parts]))
    assert story.sentence_texts() == [
        " ".join(part["words.word"][part["words.sentence"] == i]).lower() for part in parts for i in range(30)
    ]
    second = story.words[story.words.sentence >= 30]
    np.testing.assert_allclose(second.onset_s, parts[1]["words.onset_s"] + length)
    n_first = len(parts[0]["phonemes.symbol"])
    np.testing.assert_allclose(story.phonemes.onset_s[n_first:], parts[1]["phonemes.onset_s"] + length)
    assert parts[0]["words.word"].tolist() != parts[1]["words.word"].tolist()


def test_targets_are_scaled_by_one_number_over_the_training_windows():
    timeline = speech.timeline_of(LOUD)
    y = speech.sound_features(LOUD, timeline)
    heard = np.zeros(y.shape[1], bool)
    for start in timeline.train:
        heard[start : start + timeline.n_window] = True
    assert y[:, heard].mean() == pytest.approx(0, abs=1e-5)
    assert y[:, heard].std() == pytest.approx(1, abs=1e-5)
    story, _ = speech.open_story(STORY)
    mel = log_mel(story.sound, 20, 20.0)[:, : y.shape[1]]
    slope, offset = np.polyfit(mel.ravel(), y.ravel(), 1)
    np.testing.assert_allclose(y, slope * mel + offset, atol=1e-4)


@pytest.mark.skipif(not available(), reason="without the extra `speech` there is no Whisper")
def test_components_of_whisper_are_uncorrelated_over_the_training_windows_and_fall_in_size():
    unit = replace(
        LOUD, story=(speech.Telling(30, "espeak", 0, 3, "whisper"),), features="pretrained", n_features=8
    )
    timeline = speech.timeline_of(unit)
    y = speech.sound_features(unit, timeline)
    heard = np.unique(timeline.train[:, None] + np.arange(timeline.n_window))
    covariance = np.cov(y[:, heard])
    spread = np.sqrt(np.diag(covariance))
    assert np.abs(covariance / np.outer(spread, spread) - np.eye(8)).max() < 1e-3
    assert (np.diff(spread) < 0).all()


def test_described_scores():
    """A story whose words are x (trained on), then b, a, b (tested), the last eight seconds later."""
    words = pd.DataFrame(
        {
            "word": ["b", "x", "b", "a", "b"],
            "onset_s": [0.5, 1.0, 10.0, 10.5, 19.0],
            "duration_s": 0.3,
            "sentence": [0, 0, 1, 1, 2],
        }
    )
    edges = np.array([[0.0, 9.0], [9.0, 18.0], [18.0, 27.0]])
    story = Story(np.zeros(27 * SOUND_HZ, np.float32), edges, words, pd.DataFrame())
    timeline = Timeline(10.0, 31, 0, np.array([0]), np.array([0]), words[2:].assign(block=[0, 0, 1]))
    scores = np.log([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.5, 0.1, 0.4]] * 2)
    found = speech.describe(scores, np.arange(2), story, timeline, LOUD)
    assert found["unseen"].tolist() == [False, True, False]
    assert found["subject"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found["true"].tolist() == [0, 1, 2] * 2
    assert found["rank"].tolist() == [0, 1, 1] * 2
    assert (
        found["rank_near"].tolist() == [0, 0, 1] * 2
    )  # the second is mistaken for a word half a second away
    np.testing.assert_allclose(found["p"], [0.5, 0.3, 0.4] * 2)
    np.testing.assert_allclose(found["p_word"], [0.7, 0.3, 0.9] * 2)
    assert found["word_rank"].tolist() == [0, 1, 0] * 2
    assert found["top"][2].tolist() == [0, 2, 1]
    np.testing.assert_allclose(found["top_p"][2], [0.5, 0.4, 0.1])
    assert (found["null"] == 1).all()  # all of three candidates are among ten


def test_a_linear_model_decodes_a_strong_signal_and_finds_nothing_in_noise():
    loud = speech.decode_linear(LOUD)
    silent = speech.decode_linear(replace(LOUD, brain=replace(LOUD.brain, strength_nam=0.0)))
    by_chance = chance(5, len(loud["word"]))
    assert top_k(loud["rank"], 5) > 4 * by_chance
    assert top_k(silent["rank"], 5) < 2.5 * by_chance


def test_a_strong_signal_is_decoded_and_shuffled_pairs_or_no_signal_are_not():
    loud = speech.decode(replace(LOUD, shown=True))
    silent = speech.decode(replace(LOUD, brain=replace(LOUD.brain, strength_nam=0.0)))
    shuffled = speech.decode(replace(LOUD, fitting=replace(LOUD.fitting, shuffled=True)))
    n = len(loud["word"])
    by_chance = chance(5, n)
    assert top_k(loud["rank"], 5) > 4 * by_chance
    assert len(loud["rank"]) == 2 * n
    # What is shown of one window gives its row of scores, and there its sound is the best.
    best = int(loud["example"])
    score = (loud["z"] * loud["y"]).sum() / np.linalg.norm(loud["y"])
    assert score == pytest.approx(loud["scores"][best, best], rel=1e-4)
    assert loud["rank"][best] == 0
    for other in (silent, shuffled):
        # Windows of one sentence overlap, so they count for less than their number.
        assert abs(top_k(other["rank"], 5) - by_chance) < 4 * np.sqrt(by_chance / (2 * n / 10))


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """A folder of real data, and what it would hold: a story and simulated recordings of their brains."""
    (tmp_path / "speech").mkdir()
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path))
    story, _ = speech.open_story(STORY)
    brain = replace(LOUD.brain, n_sensors=60)
    return story, brain, simulate_cohort(story, brain, 20.0, speech.group_seed(LOUD.seed, 0))


def test_recorded_listeners_are_decoded_like_simulated_ones(monkeypatch, planted):
    """A data set that holds simulated recordings gives what the simulation gives, without who heard half."""
    story, brain, listeners = planted
    half, _ = halves(listeners[0], "2")
    monkeypatch.setattr(brennan2019, "load_cohort", lambda folder, rate_hz: (story, [half, *listeners]))
    monkeypatch.setattr(brennan2019, "load_story", lambda folder: story)
    simulated = speech.decode(replace(LOUD, brain=brain))
    recorded = speech.decode(replace(LOUD, brain=speech.Recorded("brennan-2019")))
    assert len(np.unique(recorded["subject"])) == 2
    for name in simulated:
        np.testing.assert_array_equal(recorded[name], simulated[name])
    told = speech.tell(speech.Telling(0, "brennan-2019", 0, 0, ""))
    np.testing.assert_array_equal(told["sound"], story.sound)
    assert told["words.word"].tolist() == story.words.word.tolist()


def halves(recording, session):
    """A recording as two pieces of a session, in each of which half of the sentences were heard."""
    first = np.arange(len(recording.sentence_onset_s)) < 30
    return [
        replace(
            recording,
            session=f"{session}, task {i}",
            sentence_onset_s=np.where(own, recording.sentence_onset_s, np.nan),
        )
        for i, own in enumerate((first, ~first))
    ]


def test_sessions_in_pieces_are_put_together_and_share_their_subject(monkeypatch, planted):
    """Two simulated listeners as two sessions of one person, and of a third half of one."""
    story, brain, listeners = planted
    one, other = (halves(replace(who, subject="01"), str(i)) for i, who in enumerate(listeners))
    lost, _ = halves(replace(listeners[0], subject="02"), "0")
    pieces = [one[1], other[0], lost, other[1], one[0]]
    monkeypatch.setattr(meg_masc, "load_cohort", lambda folder, rate_hz: (story, pieces))
    unit = replace(LOUD, brain=speech.Recorded("meg-masc"))
    recorded, simulated = speech.decode(unit), speech.decode(replace(LOUD, brain=brain))
    n = len(simulated["word"])
    assert recorded["subject"].tolist() == [0] * 2 * n
    assert len(recorded["subject_layer"]) == 1
    assert len(simulated["subject_layer"]) == 2
    # Without a layer for each subject, who is who makes no difference.
    unit, alike = (
        replace(u, shape=replace(u.shape, subject="none")) for u in (unit, replace(LOUD, brain=brain))
    )
    np.testing.assert_array_equal(speech.decode(unit)["rank"], speech.decode(alike)["rank"])


def test_same_unit_same_bytes():
    once, again = speech.decode(LOUD), speech.decode(LOUD)
    assert all(once[name].tobytes() == again[name].tobytes() for name in once)
