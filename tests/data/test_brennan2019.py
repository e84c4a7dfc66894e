"""Files in the layout of both releases, written here: no recording was at hand."""

import os
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat, wavfile

from crossroads.data.brennan2019 import (
    SUBJECTS,
    find_segments,
    load_cohort,
    load_story,
)
from crossroads.data.listening import SOUND_HZ
from crossroads.data.sampling import read_sound
from crossroads.data.sensor_arrays import sensor_array

NAMES = sensor_array("easycap-60").names
LENGTH_S = {1: 3.5, 2: 4.0}  # of the segments' sounds
N = 10_000  # 20 s at 500 Hz
TABLE = Path(os.environ.get("CROSSROADS_DATA", "")) / "speech" / "AliceChapterOne-EEG.csv"

# Segment, onset, offset, sentence: the second sentence goes on in the second segment.
WORDS = [
    ("Alice", 1, 0.25, 0.75, 1),
    ("was", 1, 0.70, 1.25, 1),
    ("It\x1as", 1, 1.50, 2.00, 2),
    ("so", 2, 0.50, 1.00, 2),
    ("late", 2, 1.00, 1.80, 2),
    ("And", 2, 1.75, 2.50, 3),
]


def write_stimuli(folder, words=WORDS, sounds="audio", drop=(), name="DownTheRabbitHole_SoundFile{}.wav"):
    table = pd.DataFrame(words, columns=["Word", "Segment", "onset", "offset", "Sentence"])
    table = table.assign(LogFreq=8.0, NGRAM=2.0, IsLexical=1, Order=range(1, len(words) + 1))
    place = folder / sounds
    place.mkdir(parents=True, exist_ok=True)
    table = table.drop(columns=list(drop))
    table.to_csv(
        (place if sounds == "stimuli" else folder) / "AliceChapterOne-EEG.csv",
        index=False,
        encoding="latin-1",
    )
    rng = np.random.default_rng(0)
    for segment, length in LENGTH_S.items():
        n = round(length * 44_100)
        loud = np.interp(np.arange(n), np.linspace(0, n, 20), rng.uniform(0, 1, 20)) ** 2
        wavfile.write(
            place / name.format(segment), 44_100, (32_767 * loud * rng.uniform(-1, 1, n)).astype(np.int16)
        )


def tone(i, rate_hz, n):
    """A channel's signal: its own frequency below 8 Hz, amplitude and offset [microvolt]."""
    t = np.arange(n) / rate_hz
    return (i + 1) * np.sin(2 * np.pi * (1 + i / 10) * t) + 3 * i


def channels(order=NAMES, extra=("VEOG",)):
    content = {name: tone(i, 500, N) for i, name in enumerate(NAMES)} | {name: np.zeros(N) for name in extra}
    return {name: content[name] for name in (*order, *extra)}


def cell(values, shape):
    array = np.empty(shape, object)
    array.flat = list(values)
    return array


def write_mat(folder, signals, subject="S01", rate=500.0):
    trial = np.empty((1, 1), object)
    trial[0, 0] = np.array(list(signals.values()))
    raw = {"label": cell(signals, (len(signals), 1)), "trial": trial, "fsample": rate, "hdr": {"Fs": rate}}
    savemat(folder / f"{subject}.mat", {"raw": raw})


def write_proc(folder, onset_s, words=WORDS, subject="S01", names=("segment", "tmin", "Order"), late_s=0.0):
    """A row a word; FieldTrip's samples count from 1, and 0.3 s are kept before each word."""
    rows = []
    for i, (_, segment, tmin, *_) in enumerate(words):
        first = round((onset_s[segment] + tmin + late_s * i) * 500) + 1 - 150
        rows.append([first, first + 649, -150, segment, tmin, i + 1])
    (folder / "proc").mkdir(exist_ok=True)
    proc = {"trl": np.array(rows, float), "varnames": cell(names, (1, len(names))), "subject": subject}
    savemat(folder / "proc" / f"{subject}.mat", {"proc": proc})


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alice")
    write_stimuli(folder)
    return folder


def assert_planted(recording, onset_s):
    """All channels in the array's order, in volt, at 120 Hz; sentences where the segments were put."""
    n = recording.x.shape[1]
    assert (recording.kind, recording.sfreq, n, recording.x.dtype) == ("eeg", 120, 2400, np.float32)
    assert recording.names == NAMES
    inner = slice(60, -60)
    planted = 1e-6 * np.array([tone(i, 120, n) for i in range(60)])
    np.testing.assert_allclose(recording.x[:, inner], planted[:, inner], atol=1e-7)
    a, b = onset_s[1], onset_s[2]
    np.testing.assert_allclose(
        recording.sentence_onset_s, [a + 0.25, a + 1.5, b + 0.5, b + 1.75], atol=0.00101
    )


def test_subjects_are_those_of_the_paper():
    assert len(SUBJECTS) == 33
    assert not {"S02", "S24", "S26", "S27", "S30", "S32", "S34", "S35", "S36"} & set(SUBJECTS)


@settings(max_examples=6, deadline=None)
@given(
    order=st.permutations(NAMES),
    first=st.floats(0, 7),
    gap=st.floats(3.5, 7),
)
def test_what_is_written_in_matlab_comes_back(stimuli, order, first, gap):
    onset = {1: first, 2: first + gap}
    write_mat(stimuli, channels(order, ("VEOG", "AUD")))
    write_proc(stimuli, onset)
    _, (recording,) = load_cohort(stimuli)
    assert (recording.subject, recording.session) == ("S01", "0")
    assert_planted(recording, onset)


def test_the_story_is_the_segments_one_after_another(stimuli):
    write_mat(stimuli, channels())
    write_proc(stimuli, {1: 1.0, 2: 8.0})
    story, _ = load_cohort(stimuli)
    assert story.sentence_texts() == ["alice was", "it's", "so late", "and"]
    np.testing.assert_allclose(story.words.onset_s, [0.25, 0.70, 1.50, 4.00, 4.50, 5.25])
    np.testing.assert_allclose(story.words.duration_s, [0.5, 0.55, 0.5, 0.5, 0.8, 0.75])
    # "late" ends after "And" begins.
    np.testing.assert_allclose(story.sentence_s, [[0.25, 1.25], [1.5, 2.0], [4.0, 5.25], [5.25, 6.0]])
    assert story.words.part.tolist() == [1, 1, 1, 2, 2, 2]
    assert (len(story.sound), len(story.phonemes)) == (7.5 * SOUND_HZ, 0)
    second = read_sound(next((stimuli / "audio").glob("*2.wav")), "here")
    np.testing.assert_array_equal(story.sound[-4 * SOUND_HZ :], second)
    assert load_story(stimuli).words.equals(story.words)


def test_subjects_that_are_left_out_are_not_read(tmp_path):
    write_stimuli(tmp_path)
    (tmp_path / "S02.mat").write_bytes(b"never opened")
    with pytest.raises(
        FileNotFoundError, match="no Sxx.mat and no Sxx_alice-raw.fif of a subject that is used"
    ):
        load_cohort(tmp_path)
    for subject in ("S03", "S01"):
        write_mat(tmp_path, channels(), subject)
        write_proc(tmp_path, {1: 1.0, 2: 8.0}, subject=subject)
    assert [recording.subject for recording in load_cohort(tmp_path, 50)[1]] == ["S01", "S03"]


def test_a_segment_without_a_row_was_not_heard(stimuli):
    write_mat(stimuli, channels())
    write_proc(stimuli, {2: 9.0}, WORDS[3:])
    _, (recording,) = load_cohort(stimuli)
    np.testing.assert_allclose(recording.sentence_onset_s, [np.nan, np.nan, 9.5, 10.75])


@pytest.mark.parametrize("channel", ["AUD", "Aux5"])
def test_without_a_table_the_sound_tells_where_segments_begin(tmp_path, channel):
    """The wire's signal: the sound at 500 Hz by taking every 32nd sample, upside down, with hum and noise."""
    write_stimuli(tmp_path)
    onset = {1: 2.468, 2: 9.014}
    heard = np.random.default_rng(1).normal(size=N) + 5 * np.sin(2 * np.pi * 0.1 * np.arange(N) / 500) + 40
    for segment, begin in onset.items():
        sound = read_sound(next((tmp_path / "audio").glob(f"*{segment}.wav")), "here")[::32]
        heard[round(begin * 500) :][: len(sound)] -= 100 * sound
    write_mat(tmp_path, channels(extra=("VEOG", channel)) | {channel: heard})
    _, (recording,) = load_cohort(tmp_path)
    expected = [onset[1] + 0.25, onset[1] + 1.5, onset[2] + 0.5, onset[2] + 1.75]
    np.testing.assert_allclose(recording.sentence_onset_s, expected, atol=0.004)


def test_segments_fit_perfectly_where_they_are_planted():
    rng = np.random.default_rng(2)
    sounds = [rng.normal(size=n) * rng.uniform(0, 1, n // 400).repeat(400) for n in (32_000, 48_000)]
    heard = np.concatenate([np.zeros(5000), sounds[1], np.zeros(3000), sounds[0], np.zeros(8000)])
    found = find_segments(heard, SOUND_HZ, sounds)
    np.testing.assert_allclose(found[:, 0], [56_000 / SOUND_HZ, 5000 / SOUND_HZ], atol=2e-4)
    # At its ends the smoothing mirrors the sound, but meets silence in the channel.
    np.testing.assert_allclose(found[:, 1], 1, atol=0.01)


@pytest.mark.parametrize("words", [WORDS, WORDS[:3]])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_channel_without_the_sound_is_refused(tmp_path, noise, words):
    write_stimuli(tmp_path, words)
    heard = noise * np.random.default_rng(3).normal(size=N)
    write_mat(tmp_path, channels(extra=("AUD",)) | {"AUD": heard})
    with pytest.raises(
        ValueError, match="S01.mat: the channel AUD tells not where.*correlations.*get proc.zip"
    ):
        load_cohort(tmp_path)


def test_a_channel_with_the_sounds_in_another_order_is_refused(tmp_path):
    write_stimuli(tmp_path)
    first, second = (read_sound(next((tmp_path / "audio").glob(f"*{i}.wav")), "here")[::32] for i in (1, 2))
    heard = np.zeros(N)
    heard[1000:][: len(second)], heard[6000:][: len(first)] = second, first
    write_mat(tmp_path, channels(extra=("AUD",)) | {"AUD": heard})
    with pytest.raises(
        ValueError, match=r"tells not where.*places \[12.0, 2.0\] s.*expected places in order"
    ):
        load_cohort(tmp_path)


def test_without_table_and_sound_channel_there_is_no_way(tmp_path):
    write_stimuli(tmp_path)
    write_mat(tmp_path, channels())
    with pytest.raises(
        FileNotFoundError, match="S01.mat: no such file, .*no channel AUD or Aux5.*get proc.zip"
    ):
        load_cohort(tmp_path)


def write_fif(folder, signals, onset_s, subject="S01", rate=500.0, first=0, date=None):
    path = folder / "eeg.0" / "eeg" / subject / f"{subject}_alice-raw.fif"
    path.parent.mkdir(parents=True, exist_ok=True)
    info = mne.create_info(list(signals), rate, ["misc" if n in ("VEOG", "AUD") else "eeg" for n in signals])
    raw = mne.io.RawArray(1e-6 * np.array(list(signals.values())), info, first, verbose="error")
    raw.set_meas_date(date)
    zero = 0 if date is None else raw.first_time
    texts = [str(key) for key in onset_s]
    raw.set_annotations(
        mne.Annotations(zero + np.array(list(onset_s.values())), 0.1, texts, raw.info["meas_date"])
    )
    raw.save(path, overwrite=True, fmt="double", verbose="error")
    return path


@pytest.mark.parametrize(("first", "date"), [(0, None), (700, None), (700, 1e9)])
def test_what_mne_wrote_comes_back(tmp_path, first, date):
    """The release's layout, with the reference 29; counted from the file's beginning or from a date."""
    write_stimuli(tmp_path, sounds="stimuli", name="{}.wav")
    onset = {1: 1.25, 2: 9.5}
    signals = channels(NAMES[::-1], ("29", "VEOG", "AUD"))
    write_fif(tmp_path, signals, {**onset, "BAD": 3.0}, first=first, date=date)
    story, (recording,) = load_cohort(tmp_path)
    assert_planted(recording, onset)
    assert len(story.sound) == 7.5 * SOUND_HZ


def wrong_rate(folder):
    write_mat(folder, channels(), rate=512.0)


def unknown_channel(folder):
    write_mat(folder, channels(extra=("62",)))


def missing_channel(folder):
    write_mat(folder, {name: signal for name, signal in channels().items() if name != "7"})


def not_a_number(folder):
    signals = channels()
    signals["12"][5000] = np.nan
    write_mat(folder, signals)


def cut_short(folder):
    write_mat(folder, {name: signal[:5000] for name, signal in channels().items()})


def two_trials(folder):
    trial = cell([np.zeros((60, 9)), np.zeros((60, 9))], (1, 2))
    savemat(folder / "S01.mat", {"raw": {"label": cell(NAMES, (60, 1)), "trial": trial, "fsample": 500.0}})


def another_struct(folder):
    savemat(folder / "S01.mat", {"raw": {"label": cell(NAMES, (60, 1)), "time": 1.0}})


def disagreeing_words(folder):
    write_proc(folder, {1: 1.0, 2: 8.0}, late_s=0.2)


def another_column(folder):
    write_proc(folder, {1: 1.0, 2: 8.0}, names=("segment", "tmin"))


def nan_in_the_table(folder):
    write_proc(folder, {1: 1.0, 2: 8.0})
    path = folder / "proc" / "S01.mat"
    proc = loadmat(path, simplify_cells=True)["proc"]
    proc["trl"][2, 4] = np.nan
    savemat(path, {"proc": {"trl": proc["trl"], "varnames": cell(proc["varnames"], (1, 3))}})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (wrong_rate, "S01.mat: recorded at 512.0 Hz, expected 500 Hz"),
        (unknown_channel, r"S01.mat: channels without a position \['62'\]"),
        (missing_channel, r"S01.mat: channels without a position \[\], channels that are missing \['7'\]"),
        (not_a_number, r"S01.mat: NaN or infinite values in the channels \['12'\]"),
        (
            cut_short,
            "S01.mat: segment 2 begins at 8.000 s.*10.500 s, but the recording has 10.000 s: is .* short",
        ),
        (two_trials, r"S01.mat: raw.trial is .*shape \(2,\).*expected one cell"),
        (another_struct, r"S01.mat: expected the struct 'raw'.*'trial'.*found \['label', 'time'\]"),
        (disagreeing_words, "proc/S01.mat: by its words, segments begin at places that differ by up to 0.4"),
        (nan_in_the_table, "proc/S01.mat: by its words.*expected finite numbers"),
        (another_column, r"proc/S01.mat: proc.trl has 6 columns for \['first', 'last', 'before', 'segment'"),
    ],
)
def test_wrong_content_is_one_clear_error(tmp_path, spoil, message):
    write_stimuli(tmp_path)
    write_mat(tmp_path, channels())
    write_proc(tmp_path, {1: 1.0, 2: 8.0})
    spoil(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_cohort(tmp_path)


@pytest.mark.parametrize("name", ["S01.mat", "proc/S01.mat"])
def test_matlab_files_that_are_cut_off(tmp_path, name):
    write_stimuli(tmp_path)
    write_mat(tmp_path, channels())
    write_proc(tmp_path, {1: 1.0, 2: 8.0})
    whole = (tmp_path / name).read_bytes()
    for part in (0, 0.1, 0.5, 0.99):
        (tmp_path / name).write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(
            ValueError, match=f"{name}: (not readable|expected the struct).*(fetch it again|original)"
        ):
            load_cohort(tmp_path)


def test_mne_files_that_are_cut_off(tmp_path):
    write_stimuli(tmp_path, sounds="stimuli")
    path = write_fif(tmp_path, channels(), {1: 1.0, 2: 8.0})
    whole = path.read_bytes()
    for part in (0, 0.001, 0.1, 0.5, 0.95):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ValueError, match="S01_alice-raw.fif: (not readable|segment|annotations)"):
            load_cohort(tmp_path)


def test_mne_files_need_the_segments(tmp_path):
    write_stimuli(tmp_path, sounds="stimuli")
    write_fif(tmp_path, channels(), {"start": 1.0})
    with pytest.raises(ValueError, match=r"S01_alice-raw.fif: annotations \['start'\]; expected the numbers"):
        load_cohort(tmp_path)


def test_stimuli_that_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="AliceChapterOne-EEG.csv: no such file; get it from doi"):
        load_cohort(tmp_path)
    write_stimuli(tmp_path)
    next((tmp_path / "audio").glob("*2.wav")).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"audio: no sound of segments \[2\], found \['Down.*1.wav'\]"
    ):
        load_cohort(tmp_path)


@pytest.mark.parametrize("column", ["Segment", "onset", "Sentence"])
def test_a_table_without_a_column(tmp_path, column):
    write_stimuli(tmp_path, drop=[column])
    with pytest.raises(ValueError, match=f"AliceChapterOne-EEG.csv: no column .*{column}"):
        load_cohort(tmp_path)


def test_words_beyond_their_sound(tmp_path):
    write_stimuli(tmp_path, [*WORDS, ("end", 2, 3.9, 4.1, 3)])
    with pytest.raises(ValueError, match="'end' ends at 4.100 s of segment 2, whose sound lasts 4.000 s"):
        load_cohort(tmp_path)


@pytest.mark.parametrize("to_hz", [0, -1, 501])
def test_rates_that_cannot_be(stimuli, to_hz):
    write_mat(stimuli, channels())
    write_proc(stimuli, {1: 1.0, 2: 8.0})
    with pytest.raises(ValueError, match=f"{to_hz} Hz from recordings at 500 Hz; expected"):
        load_cohort(stimuli, to_hz)


@pytest.mark.skipif(not TABLE.is_file(), reason="needs CROSSROADS_DATA with the table of words")
def test_the_published_table(tmp_path):
    """84 sentences, six of which go on in the next segment; the sounds are as long as the release says."""
    lengths = [57.541, 60.845, 63.259, 69.989, 66.273, 63.778, 62.897, 57.311, 57.226, 61.27, 56.17, 46.983]
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "stimuli" / TABLE.name).write_bytes(TABLE.read_bytes())
    for i, length in enumerate(lengths, start=1):
        silence = np.zeros(round(length * SOUND_HZ), np.int16)
        wavfile.write(tmp_path / "stimuli" / f"{i}.wav", SOUND_HZ, silence)
    n = 380_000
    begins = 2 + np.append(0, np.cumsum(lengths)[:-1]) + 3 * np.arange(12)
    signals = {name: np.zeros(n, np.float32) for name in NAMES}
    write_fif(tmp_path, signals, dict(zip(range(1, 13), begins, strict=True)))
    story, (recording,) = load_cohort(tmp_path, 10)
    assert (len(story.words), len(story.sentence_s), len(story.sound)) == (
        2129,
        90,
        round(723.542 * SOUND_HZ),
    )
    assert story.words.word.iloc[-1].lower() == pd.read_csv(TABLE).Word.iloc[-1].lower()
    pauses = recording.sentence_onset_s - story.sentence_s[:, 0]
    np.testing.assert_allclose(sorted(set(pauses.round(3))), 2 + 3 * np.arange(12), atol=2e-3)
