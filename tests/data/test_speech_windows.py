import hashlib
import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.data.speech_windows import (
    Timeline,
    blocks,
    cut,
    join_sessions,
    on_story,
    scaling,
    split_of,
)

RATE_HZ = 64.0
NONE = pd.DataFrame(columns=["symbol", "onset_s", "duration_s"])
# Of sentences, in 64ths of a second, so that all times are whole samples; parts of a few sentences.
LENGTHS = st.lists(st.integers(10, 700), min_size=1, max_size=12)
PARTS = st.lists(LENGTHS, min_size=1, max_size=5)


def tell(parts, first_word=0):
    """A story of the parts' sentences; a word each half second, all words different."""
    lengths = np.concatenate(parts) / 64
    edges = np.append(0, np.cumsum(lengths))
    part = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    sentence, onset = [], []
    for i, length in enumerate(lengths):
        own = edges[i] + np.arange(0, length, 0.5)
        onset += own.tolist()
        sentence += [i] * len(own)
    words = pd.DataFrame(
        {
            "word": [f"w{first_word + i}" for i in range(len(onset))],
            "onset_s": onset,
            "duration_s": 0.25,
            "sentence": sentence,
            "part": part[sentence],
        }
    )
    sound = np.zeros(round(edges[-1] * SOUND_HZ), np.float32)
    return Story(sound, np.column_stack([edges[:-1], edges[1:]]), words, NONE)


def long_story():
    """400 sentences from 1 to 9 s, one part; all splits have windows."""
    return tell([np.random.default_rng(3).integers(64, 576, 400)])


def covered(starts, n_window):
    return set((np.asarray(starts)[:, None] + np.arange(n_window)).ravel().tolist())


def drawn(text, salt):
    """The published rule, written a second time."""
    digest = int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest(), "big")
    r = random.Random(digest + salt).random()
    return "train" if r >= 0.3 else "valid" if r >= 0.2 else "test"


@given(PARTS)
def test_blocks_are_runs_of_sentences_of_one_part_and_last_6_s(parts):
    story = tell(parts)
    found = blocks(story)
    assert [i for group in found for i in group] == list(range(sum(len(p) for p in parts)))
    part = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    lengths = np.concatenate(parts)
    for group in found:
        (own,) = set(part[group])
        assert lengths[group].sum() >= 6 * 64 or len(group) == len(parts[own])
        # It was closed as soon as it was long enough, unless the rest of its part has joined it.
        closed = lengths[group[:-1]].sum() < 6 * 64
        assert closed or group[-1] == np.flatnonzero(part == own)[-1]


def test_blocks_by_hand():
    assert blocks(tell([[128, 128, 128, 400, 128, 256, 64]])) == [[0, 1, 2], [3], [4, 5, 6]]
    assert blocks(tell([[400, 128], [128], [128, 400, 400, 128]])) == [[0, 1], [2], [3, 4], [5, 6]]
    whole = tell([[128, 256], [64, 512]])
    one = Story(whole.sound, whole.sentence_s, whole.words.drop(columns="part"), NONE)
    assert blocks(one) == [[0, 1], [2, 3]]
    assert blocks(whole) == [[0, 1], [2, 3]]


def test_a_sentence_lies_in_one_part():
    story = tell([[128, 128]])
    with pytest.raises(ValueError, match="sentence 1 has words of several parts"):
        Story(story.sound, story.sentence_s, story.words.assign(part=[0, 0, 0, 0, 0, 0, 1, 1]), NONE)


def test_a_sentence_without_words_belongs_to_the_part_before_it():
    story = tell([[128, 128], [128, 128]])
    fewer = story.words[~story.words.sentence.isin([0, 2])]
    heard = Story(story.sound, story.sentence_s, fewer, NONE)
    assert heard.sentence_parts().tolist() == [0, 0, 0, 1]


@given(st.text(), st.integers(0, 100))
def test_the_split_is_the_published_draw(text, salt):
    assert split_of(text, salt) == drawn(text, salt)


@pytest.mark.parametrize(("text", "split"), [("abc", "train"), ("alice was", "valid"), ("by her", "test")])
def test_the_split_of_known_words(text, split):
    """Drawn once and for all: 0.852, 0.281 and 0.198."""
    assert split_of(text, 12) == split


def test_shares_of_the_splits():
    n = 4000
    found = [split_of(f"sentence {i}", 12) for i in range(n)]
    for split, share in {"test": 0.2, "valid": 0.1, "train": 0.7}.items():
        assert found.count(split) / n == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))


def windows_of_part(timeline, first, last):
    """Starts of a split's windows in a stretch of the story, from its beginning."""
    starts = (timeline.train, timeline.valid, timeline.test["sample"].to_numpy())
    return [(s[(s >= first) & (s < last)] - first).tolist() for s in starts]


@settings(max_examples=30, deadline=None)
@given(before=PARTS, after=PARTS)
def test_the_same_words_are_in_the_same_split_whatever_is_told_around_them(before, after):
    middle = np.random.default_rng(5).integers(64, 400, 80)
    # Words are numbered through: the middle begins with the same number in both.
    n_before = sum(int(np.ceil(length / 32)) for part in before for length in part)
    alone = cut(tell([middle], 10_000), RATE_HZ, 0.15, 12)
    among = cut(tell([*before, middle, *after], 10_000 - n_before), RATE_HZ, 0.15, 12)
    first = sum(map(sum, before))
    last = first + int(middle.sum())
    assert windows_of_part(among, first, last) == windows_of_part(alone, 0, int(middle.sum()))


def test_numbers_of_the_paper():
    """361 samples and a shift of 18 (T = 343) at 120 Hz and 150 ms."""
    timeline = cut(long_story(), 120.0, 0.15, 12)
    assert (timeline.n_window, timeline.n_shift, timeline.n_window - timeline.n_shift) == (361, 18, 343)
    assert set(np.diff(timeline.train)[np.diff(timeline.train) < 361]) == {60}


def test_windows_are_those_of_a_loop_over_seconds():
    story = long_story()
    timeline = cut(story, RATE_HZ, 0.1, 12)
    texts, start = story.sentence_texts(), story.sentence_s[:, 0]
    end = story.sentence_s[:, 1]
    expected = {"train": [], "valid": [], "test": []}
    number = []
    for i, group in enumerate(blocks(story)):
        split = drawn(" ".join(texts[group[0] : group[-1] + 1]), 12)
        at, stop = start[group[0]], end[group[-1]]
        if split == "test":
            for onset in story.words.onset_s:
                # 193 samples are 3.015625 s.
                if at <= onset - 0.5 and onset - 0.5 + 193 / 64 <= stop:
                    expected["test"].append((onset - 0.5) * 64)
                    number.append(i)
        else:
            while at + 193 / 64 <= stop:
                expected[split].append(at * 64)
                at += 0.5
    assert (timeline.n_window, timeline.n_shift, timeline.rate_hz) == (193, 6, RATE_HZ)
    assert min(map(len, expected.values())) > 20
    assert timeline.train.tolist() == expected["train"]
    assert timeline.valid.tolist() == expected["valid"]
    assert timeline.test["sample"].tolist() == expected["test"]
    assert timeline.test.block.tolist() == number
    np.testing.assert_allclose(timeline.test["sample"], (timeline.test.onset_s - 0.5) * RATE_HZ)
    assert set(story.words.columns) < set(timeline.test.columns)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.floats(0.3, 12), min_size=60, max_size=100),
    salt=st.integers(0, 1000),
    rate_hz=st.sampled_from([50.0, 60.0, 120.0]),
    leak_seed=st.integers(0, 99),
)
def test_no_split_shares_a_sample_with_another_unless_it_is_to_leak(lengths, salt, rate_hz, leak_seed):
    story = tell([np.array(lengths[:40]) * 64, np.array(lengths[40:]) * 64])
    try:
        timeline = cut(story, rate_hz, 0.15, salt)
    except ValueError:
        assume(False)
    n = timeline.n_window
    train, valid, test = (
        covered(s, n) for s in (timeline.train, timeline.valid, timeline.test["sample"].to_numpy())
    )
    assert not train & valid
    assert not train & test
    assert not valid & test
    # Nor does a window leave its part or the story.
    border = story.sentence_s[40, 0] * rate_hz
    starts = [*timeline.train, *timeline.valid, *timeline.test["sample"]]
    assert all(s >= border - 0.5 or s + n <= border for s in starts)
    assert min(starts) >= 0
    assert max(starts) + n <= len(story.sound) / SOUND_HZ * rate_hz

    leaking = cut(story, rate_hz, 0.15, salt, np.random.default_rng(leak_seed))
    counts = [(len(t.train), len(t.valid), len(t.test)) for t in (timeline, leaking)]
    assert counts[0] == counts[1]
    starts = [*leaking.train, *leaking.valid, *leaking.test["sample"]]
    assert all(s >= border - 0.5 or s + n <= border for s in starts)
    assert not set(leaking.train) & set(leaking.valid)


def test_the_leaking_split_shares_samples_and_keeps_its_counts():
    story = long_story()
    clean = cut(story, RATE_HZ, 0.15, 12)
    leaking, again, other = (cut(story, RATE_HZ, 0.15, 12, np.random.default_rng(seed)) for seed in (0, 0, 1))
    train = covered(leaking.train, leaking.n_window)
    heard = [len(covered([s], 193) & train) / 193 for s in leaking.test["sample"]]
    assert np.mean(np.array(heard) > 0.5) > 0.5  # most test windows were mostly trained on
    assert [len(clean.train), len(clean.valid), len(clean.test)] == [
        len(leaking.train),
        len(leaking.valid),
        len(leaking.test),
    ]
    assert len(set(leaking.test.block) - set(clean.test.block)) > 50
    np.testing.assert_array_equal(leaking.train, again.train)
    pd.testing.assert_frame_equal(leaking.test, again.test)
    assert leaking.train.tolist() != other.train.tolist()


def test_a_story_that_is_too_short():
    with pytest.raises(ValueError, match=r"'train': \d+.*; the story of 8 s is too short: make it longer"):
        cut(tell([[256, 256]]), RATE_HZ, 0.15, 12)
    with pytest.raises(ValueError, match=r"'train': 0, 'valid': 0, 'test': 0"):
        cut(tell([[128]] * 200), RATE_HZ, 0.15, 12)  # no part holds a window


def recording(x, sfreq, onset_s):
    x = np.atleast_2d(x).astype(np.float32)
    return Recording(
        x, sfreq, "meg", np.full((len(x), 2), 0.5), "07", "2", np.array(onset_s), ("a", "b")[: len(x)]
    )


def test_sentences_land_on_the_story():
    """A ramp says of which moment each sample is; the recording pauses before two sentences."""
    story = tell([[128, 192], [128]])
    ramp = np.arange(1000) / 64
    x = on_story(recording([ramp, -ramp], 64.0, [1.0, 4.5, 10.25]), story, 64.0)
    expected = np.concatenate(
        [1 + np.arange(128) / 64, 4.5 + np.arange(192) / 64, 10.25 + np.arange(128) / 64]
    )
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, [expected, -expected])


def test_between_sentences_the_recording_goes_on():
    story = tell([[128, 128, 128]])
    gaps = story.sentence_s - [[0, 0.5], [0, 0.25], [0, 0.5]]
    x = on_story(
        recording(np.arange(1000) / 64, 64.0, [1.0, 3.0, 5.0]),
        Story(story.sound, gaps, told(story), NONE),
        64.0,
    )
    np.testing.assert_array_equal(x[0], 1 + np.arange(384) / 64)


def told(story):
    """One word at the beginning of each sentence."""
    return story.words.drop_duplicates("sentence")


def test_what_was_not_heard_is_0():
    story = tell([[128, 192, 128]])
    x = on_story(recording(np.full(1000, 7.0), 64.0, [1.0, np.nan, 10.25]), story, 64.0)
    np.testing.assert_array_equal(x[0], np.repeat([7.0, 0.0, 7.0], [128, 192, 128]))


def test_resampling_keeps_a_slow_sinusoid_and_its_time():
    story = tell([[640, 640]])
    t = np.arange(500 * 40) / 500
    x = on_story(recording([np.sin(2 * np.pi * 3 * t), 5 + t], 500.0, [4.0, 20.5]), story, 60.0)
    time = np.concatenate([4 + np.arange(600) / 60, 20.5 + np.arange(600) / 60])
    assert x.shape == (2, 1200)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[0], np.sin(2 * np.pi * 3 * time), atol=0.01)
    np.testing.assert_allclose(x[1], 5 + time, rtol=1e-3)


def test_a_constant_stays_one_up_to_the_recordings_ends():
    """Nothing is heard of a border's zeros, however far from 0 the channel is."""
    story = tell([[640]])
    x = on_story(recording(np.full(5000, 3.0), 500.0, [0.0]), story, 60.0)
    np.testing.assert_allclose(x, 3, rtol=1e-5)


def test_a_sentence_beyond_the_recording():
    story = tell([[128, 192]])
    ends = "subject 07, session 2, lasts 6.0 s; the sentence that begins at 3.5 s ends after it"
    with pytest.raises(ValueError, match=ends):
        on_story(recording(np.ones(384), 64.0, [0.0, 3.5]), story, 64.0)
    assert on_story(recording(np.ones(384), 64.0, [0.0, 3.0]), story, 64.0).all()


def piece(subject, session, value, heard):
    """Three sentences of 2 s at a constant value, of which those are heard."""
    onset = np.where(heard, [1.0, 4.0, 7.0], np.nan)
    return replace(recording(np.full(1000, value), 64.0, onset), subject=subject, session=session)


def test_a_session_is_all_its_pieces_where_every_sentence_was_heard_once():
    story = tell([[128, 128, 128]])
    pieces = [
        piece("02", "0, task 1", 1.0, [False, True, True]),
        piece("01", "0", 5.0, [True, True, True]),
        piece("02", "1, task 0", 9.0, [True, True, False]),  # the last is missing
        piece("02", "0, task 0", 2.0, [True, False, False]),
        piece("03", "0, task 0", 8.0, [True, True, True]),  # the first was heard twice
        piece("03", "0, task 1", 8.0, [True, False, False]),
        piece("02", "2", 3.0, [True, True, True]),
    ]
    found = join_sessions(pieces, story, 64.0)
    assert found.x.dtype == np.float32
    expected = np.repeat([[2.0, 1.0, 1.0], [5.0] * 3, [3.0] * 3], 128, axis=1)
    np.testing.assert_array_equal(found.x[:, 0], expected)
    assert found.subject.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(found.xy, [[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"heard once.*\('02', '1'\): '2 of 3', \('03', '0'\): '2 of 3'"):
        join_sessions([pieces[2], *pieces[4:6]], story, 64.0)


def timeline(train, n_window=91, rate_hz=30.0):
    return Timeline(rate_hz, n_window, 0, np.asarray(train), np.zeros(0, int), pd.DataFrame())


def test_scaling_is_that_of_the_windows_gathered_one_by_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 2000)) * [[1], [10], [1e-13]] + [[0], [50], [1e-12]]
    train = np.arange(0, 1900, 15)
    middle, spread = scaling(x, timeline(train), rng)
    for channel in range(3):
        values = np.concatenate(
            [x[channel, s : s + 91] - np.mean(x[channel, s : s + 15]) for s in train.tolist()]
        )
        assert middle[channel] == pytest.approx(np.median(values), rel=1e-9)
        low, high = np.percentile(values, [25, 75])
        assert spread[channel] == pytest.approx(high - low, rel=1e-9)


def test_the_range_of_white_noise():
    """1.349 sigma, and the baseline's mean of 15 samples adds a 15th of the variance to what follows it."""
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (1, 60_000)).astype(np.float32)
    middle, spread = scaling(x, timeline(np.arange(0, 59_000, 300)), rng)
    assert spread[0] == pytest.approx(1.349 * 2 * np.sqrt(1 + 1 / 15 * (76 - 15) / 91), rel=0.03)
    assert middle[0] == pytest.approx(0, abs=0.1)


def test_a_constant_channel_has_the_range_1():
    x = np.vstack([np.full(2000, 3.3), np.random.default_rng(0).normal(size=2000)]).astype(np.float32)
    middle, spread = scaling(x, timeline(np.arange(0, 1900, 15)), np.random.default_rng(0))
    assert spread[0] == 1
    assert spread[1] != 1
    assert middle[0] == pytest.approx(0, abs=1e-5)


def test_scaling_takes_at_most_200_windows_and_only_of_training():
    """Windows of a 0 and of i = 1, 2, ...: with 200 of 201, the upper quartile lies a quarter after a number.

    Of 402 values it would be 100.75; of 400, a quarter of the way from the 100th positive one to the next.
    """
    x = np.full((1, 410), np.nan)
    x[0, 0:402:2] = 0
    x[0, 1:402:2] = np.arange(1, 202)
    starts = np.arange(0, 402, 2)
    found = {
        scaling(x, timeline(starts, 2, 2.0), np.random.default_rng(seed))[1].item() for seed in range(20)
    }
    assert {100.25, 101.25} <= found <= {100.25, 100.5, 101.25}
    all_of_200 = [scaling(x, timeline(starts[:200], 2, 2.0), np.random.default_rng(s))[1] for s in range(3)]
    np.testing.assert_array_equal(all_of_200, 100.25)
