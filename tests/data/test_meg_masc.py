"""BIDS folders in the data set's layout, written here by MNE-BIDS: no recording was at hand."""

import mne
import mne_bids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from crossroads.data.listening import SOUND_HZ
from crossroads.data.meg_masc import load_cohort, load_story, parse_event
from crossroads.data.sensor_arrays import flat_layout, sphere_centre

N = 16_000  # 16 s at 1 kHz
NAMES = [f"MEG {i:03d}" for i in range(1, 10)]
SOUNDS = {"lw1_0.wav": 3.0, "lw1_1.wav": 2.0, "cable_spool_fort_0.wav": 2.5}
# Text, start in the sound, duration, sequence, index, condition.
WORDS = {
    "lw1_0": [
        ("Tara,", 0.25, 0.3, 0.0, 0.0, "sentence"),
        ("stood.", 0.55, 0.4, 0.0, 1.0, "sentence"),
        ("Stock", 1.2, 0.3, 1.0, 0.0, "sentence"),
        ("still", 1.5, 0.4, 1.0, 1.0, "sentence"),
        ("tree", 2.2, 0.3, 1.0, 0.0, "word_list"),
    ],
    "lw1_1": [("It's", 0.5, 0.5, 2.0, 0.0, "sentence"), ("late", 0.9, 0.5, 2.0, 1.0, "sentence")],
    "cable_spool_fort_0": [("A", 0.1, 0.2, 0.0, 0.0, "sentence"), ("fort", 0.4, 0.5, 0.0, 1.0, "sentence")],
}
STORIES = {"0": ("lw1_0", "lw1_1"), "1": ("cable_spool_fort_0",)}


def places():
    """On a sphere that is not about the origin, upper half [m]."""
    out = np.random.default_rng(0).normal(size=(len(NAMES), 3)) * [1, 1, 0.3] + [0, 0, 0.5]
    return 0.12 * out / np.linalg.norm(out, axis=1, keepdims=True) + [0.002, -0.008, 0.006]


def tone(i, rate_hz, n):
    return 1e-13 * ((i + 1) * np.sin(2 * np.pi * (1 + i / 2) * np.arange(n) / rate_hz) + 5 * i)


def word(text, start, sequence, index, condition, sound):
    event = {"kind": "word", "word": text, "start": start, "sound": f"stimuli/audio/{sound}.wav"}
    numbers = {} if sequence is None else {"sequence_id": sequence, "word_index": index}
    return event | numbers | {"condition": condition, "story": "lw1"}


def events_of(task, begin, words=WORDS):
    """Onset, duration and dict of every event of a task; each sound begins at its place in `begin`."""
    rows = []
    for sound in STORIES[task]:
        at = begin[sound]
        # As the published files have it: capitals, and a number that was a float.
        name = f"stimuli/audio/{sound.capitalize()}.0.wav"
        rows.append((at, 2.0, {"kind": "sound", "sound": name, "story": "lw1"}))
        for text, start, duration, *rest in words[sound]:
            rows.append((at + start, duration, word(text, start, *rest, sound)))
            phoneme = {"kind": "phoneme", "phoneme": "t_B", "sound": f"stimuli/audio/{sound}.wav"}
            rows.append((at + start, 0.08, phoneme))
    return rows


def write_sounds(folder):
    place = folder / "stimuli" / "audio"
    place.mkdir(parents=True, exist_ok=True)
    for i, (name, length) in enumerate(SOUNDS.items()):
        wavfile.write(place / name, SOUND_HZ, np.full(round(length * SOUND_HZ), 1000 * (i + 1), np.int16))


def write_run(folder, rows, subject="01", session="0", task="0", order=NAMES, n=N, rate=1000.0, xyz=None):
    """A recording; the reference channel and the trigger are there to be left out."""
    names = [*order, "MEG 250", "STI 014"]
    info = mne.create_info(names, rate, ["mag"] * len(order) + ["ref_meg", "stim"])
    xyz = places() if xyz is None else xyz
    for channel in info["chs"][: len(order)]:
        channel["loc"][:3] = xyz[NAMES.index(channel["ch_name"])]
    info["line_freq"] = 60
    signals = [tone(NAMES.index(name), rate, n) for name in order]
    raw = mne.io.RawArray(np.array([*signals, np.zeros(n), np.zeros(n)]), info, verbose="error")
    path = mne_bids.BIDSPath(subject=subject, session=session, task=task, datatype="meg", root=folder)
    mne_bids.write_raw_bids(raw, path, allow_preload=True, format="FIF", overwrite=True, verbose="error")
    write_events(path, rows)
    return path.copy().update(suffix="meg", extension=".fif").fpath


def write_events(path, rows):
    lines = [f"{onset}\t{duration}\t{event}\t1\t1" for onset, duration, event in rows]
    text = "\n".join(["onset\tduration\ttrial_type\tvalue\tsample", *lines])
    path.copy().update(suffix="events", extension=".tsv").fpath.write_text(text, encoding="utf-8-sig")


BEGIN = {"lw1_0": 1.0, "lw1_1": 6.5, "cable_spool_fort_0": 3.25}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two people, two stories; the second heard only the second sound of the first story in session 1."""
    folder = tmp_path_factory.mktemp("bids")
    write_sounds(folder)
    write_run(folder, events_of("0", BEGIN)[:1] + events_of("0", BEGIN)[11:], "02", "1", "0", NAMES[::-1])
    write_run(folder, events_of("1", BEGIN), "01", "0", "1")
    write_run(folder, events_of("0", BEGIN), "01", "0", "0")
    return folder


def test_the_story_is_all_sounds_one_after_another(cohort):
    story, _ = load_cohort(cohort)
    assert story.sentence_texts() == ["tara stood", "stock still", "tree", "it's late", "a fort"]
    starts = [0.25, 0.55, 1.2, 1.5, 2.2, 3.5, 3.9, 5.1, 5.4]
    np.testing.assert_allclose(story.words.onset_s, starts)
    np.testing.assert_allclose(
        story.sentence_s, [[0.25, 0.95], [1.2, 1.9], [2.2, 2.5], [3.5, 4.4], [5.1, 5.9]]
    )
    assert story.words.condition.tolist() == [*["sentence"] * 4, "word_list", *["sentence"] * 4]
    assert story.words.part.tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(story.phonemes.onset_s, starts)
    assert set(story.phonemes.symbol) == {"t"}
    steps = np.repeat([1000, 2000, 3000], [3 * SOUND_HZ, 2 * SOUND_HZ, 2.5 * SOUND_HZ])
    np.testing.assert_allclose(story.sound, steps / 32_767, rtol=1e-2)
    assert load_story(cohort).words.equals(story.words)


def test_every_task_is_a_recording(cohort):
    _, recordings = load_cohort(cohort)
    sessions = [(recording.subject, recording.session) for recording in recordings]
    assert sessions == [("01", "0, task 0"), ("01", "0, task 1"), ("02", "1, task 0")]
    heard = np.array([recording.sentence_onset_s for recording in recordings])
    no = np.nan
    np.testing.assert_allclose(
        heard, [[1.25, 2.2, 3.2, 7.0, no], [no, no, no, no, 3.35], [no, no, no, 7.0, no]]
    )


def test_signals_and_places_come_back_whatever_their_order(cohort):
    _, recordings = load_cohort(cohort)
    planted = np.array([tone(i, 120, 1920) for i in range(len(NAMES))])
    for recording in recordings:
        assert (recording.kind, recording.sfreq, recording.x.dtype) == ("meg", 120, np.float32)
        assert (recording.names, recording.x.shape) == (tuple(NAMES), planted.shape)
        np.testing.assert_allclose(recording.x[:, 60:-60], planted[:, 60:-60], atol=5e-15)
        np.testing.assert_allclose(recording.xy, flat_layout(places(), sphere_centre(places())), atol=1e-4)


@pytest.fixture(scope="module")
def folder_to_write_over(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bids")
    write_sounds(folder)
    return folder


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(NAMES), first=st.floats(0, 5), gap=st.floats(3, 7), backwards=st.booleans())
def test_what_is_written_comes_back(folder_to_write_over, order, first, gap, backwards):
    rows = events_of("0", {"lw1_0": first, "lw1_1": first + gap})
    write_run(folder_to_write_over, rows[:: -1 if backwards else 1], order=order)
    _, (recording,) = load_cohort(folder_to_write_over, 50)
    assert recording.names == tuple(NAMES)
    expected = [first + 0.25, first + 1.2, first + 2.2, first + gap + 0.5]
    np.testing.assert_allclose(recording.sentence_onset_s, expected, atol=1e-9)
    np.testing.assert_allclose(recording.x[3, 50:-50], tone(3, 50, 800)[50:-50], atol=5e-15)


def test_without_numbers_sentences_end_with_a_full_stop(tmp_path):
    write_sounds(tmp_path)
    bare = [(text, start, duration, None, None, "sentence") for text, start, duration, *_ in WORDS["lw1_0"]]
    write_run(tmp_path, events_of("0", BEGIN, {**WORDS, "lw1_0": bare}))
    story, _ = load_cohort(tmp_path, 10)
    assert story.sentence_texts() == ["tara stood", "stock still tree", "it's late"]


@pytest.mark.parametrize(
    ("second", "texts"),
    [
        ((3.0, 1.0, "sentence"), ["it's late"]),
        ((4.0, 1.0, "sentence"), ["it's", "late"]),
        ((3.0, 0.0, "sentence"), ["it's", "late"]),
        ((3.0, 1.0, "word_list"), ["it's", "late"]),
    ],
)
def test_any_of_three_numbers_begins_a_sentence(tmp_path, second, texts):
    write_sounds(tmp_path)
    words = [("It's", 0.5, 0.3, 3.0, 0.0, "sentence"), ("late", 0.9, 0.3, *second)]
    write_run(tmp_path, events_of("0", BEGIN, {**WORDS, "lw1_1": words}))
    assert load_cohort(tmp_path, 10)[0].sentence_texts()[3:] == texts


def test_rows_that_repeat_a_word_are_left_out(tmp_path):
    write_sounds(tmp_path)
    twice = [*WORDS["lw1_0"], ("sto", 1.25, 0.1, 1.0, 0.0, "pseudo_words")]
    write_run(tmp_path, events_of("0", BEGIN, {**WORDS, "lw1_0": twice}))
    assert load_cohort(tmp_path, 10)[0].sentence_texts()[:3] == ["tara stood", "stock still", "tree"]


CODE = "__import__('pathlib').Path('PROOF').touch()"


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        f"{{'kind': 'word', 'word': {CODE}, 'sound': 'a', 'start': 0}}",
        f"{{'kind': 'sound', 'sound': [{CODE} for c in 'a']}}",
        f"{{'kind': 'sound', 'sound': (lambda: {CODE})()}}",
        f"{{**{{'kind': 'sound', 'sound': {CODE}}}}}",
    ],
)
def test_code_in_an_event_is_refused_and_not_run(tmp_path, text):
    """Each text makes a file when it is run, as the first lines show."""
    proof = tmp_path / "proof"
    text = text.replace("PROOF", str(proof))
    eval(text)
    proof.unlink()
    write_sounds(tmp_path)
    write_run(tmp_path, [*events_of("0", BEGIN), (9.0, 0.1, text)])
    with pytest.raises(ValueError, match="events.tsv, row 18: .* is no event; expected a dict of literals"):
        load_cohort(tmp_path)
    assert not proof.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n/a",
        "3",
        "['word']",
        "{'kind': 'word'}",
        "{'kind': ['word']}",
        "{'kind': 'pause'}",
        "{'kind': 'word'",
        "(" * 10_000,
        "{'kind': 'word', 'word': 'a', 'sound': 'b'}",
        "{'word': 'a', 'sound': 'b', 'start': 0}",
    ],
)
def test_what_is_no_event(text):
    with pytest.raises(ValueError, match="is no event; expected a dict of literals"):
        parse_event(text)


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.lists(st.integers()),
    )
)
def test_an_event_is_what_was_written(more):
    event = {**more, "kind": "sound", "sound": "it's.wav"}
    assert parse_event(str(event)) == event


def wrong_rate(folder):
    write_run(folder, events_of("0", BEGIN), rate=500.0)


def no_position(folder):
    xyz = places()
    xyz[4] = 0
    write_run(folder, events_of("0", BEGIN), xyz=xyz)


def beyond(folder):
    write_run(folder, events_of("0", BEGIN | {"lw1_1": 15.0}))


def before(folder):
    write_run(folder, events_of("0", BEGIN | {"lw1_0": -0.5}))


def out_of_step(folder):
    rows = events_of("0", BEGIN)
    rows[3] = (rows[3][0] + 0.2, *rows[3][1:])
    write_run(folder, rows)


def no_time(folder):
    rows = events_of("0", BEGIN)
    rows[3] = ("nan", *rows[3][1:])
    write_run(folder, rows)


def not_a_time(folder):
    rows = events_of("0", BEGIN)
    rows[3] = ("n/a", *rows[3][1:])
    write_run(folder, rows)


def no_words(folder):
    write_run(folder, events_of("0", BEGIN)[:1])


def short_sound(folder):
    wavfile.write(folder / "stimuli" / "audio" / "lw1_0.wav", SOUND_HZ, np.ones(2 * SOUND_HZ, np.int16))


def damaged_sound(folder):
    (folder / "stimuli" / "audio" / "lw1_0.wav").write_bytes(b"RIFF")


def not_a_number(folder):
    path = write_run(folder, events_of("0", BEGIN))
    raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
    raw._data[2, 700] = np.nan
    raw.save(path, overwrite=True, verbose="error")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (wrong_rate, "task-0_meg.fif: recorded at 500.0 Hz, expected 1000 Hz"),
        (no_position, r"task-0_meg.fif: 9 MEG channels, without a position \['MEG 005'\]"),
        (beyond, "meg.fif: lasts 16.000 s, but the word 'late' is at 15.900 s and lasts 0.500 s: is it cut"),
        (before, "meg.fif: lasts 16.000 s, but the sound .*is at -0.500 s"),
        (out_of_step, "events.tsv, row 5: .*'stood.'.*its sound begins at 1.0 s"),
        (no_time, "events.tsv, row 5: .*expected finite times"),
        (not_a_time, "events.tsv, row 5: could not convert string to float: 'n/a': fetch"),
        (no_words, "events.tsv: 1 events and no word among them"),
        (short_sound, "lw1_0.wav: lasts 2.000 s, but words of it begin from 0.250 s and end to 2.500 s"),
        (damaged_sound, "lw1_0.wav: not readable as a sound"),
        (not_a_number, r"task-0_meg.fif: NaN or infinite values in the channels \['MEG 003'\]"),
    ],
)
def test_wrong_content_is_one_clear_error(tmp_path, spoil, message):
    write_sounds(tmp_path)
    write_run(tmp_path, events_of("0", BEGIN))
    spoil(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_cohort(tmp_path, 50)


def test_files_that_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no sub-XX/ses-0/meg/.*get them from doi"):
        load_cohort(tmp_path)
    write_sounds(tmp_path)
    path = write_run(tmp_path, events_of("0", BEGIN))
    (tmp_path / "stimuli" / "audio" / "lw1_1.wav").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"audio: no lw1_1.wav, which the events name; found \['cable"
    ):
        load_cohort(tmp_path)
    path.with_name(path.name.replace("meg.fif", "events.tsv")).unlink()
    with pytest.raises(FileNotFoundError, match="task-0_events.tsv: no such file"):
        load_cohort(tmp_path)


@pytest.mark.parametrize("column", ["onset", "duration", "trial_type"])
def test_a_table_of_events_without_a_column(tmp_path, column):
    write_sounds(tmp_path)
    write_run(tmp_path, events_of("0", BEGIN))
    path = next(tmp_path.rglob("*events.tsv"))
    path.write_text(path.read_text(encoding="utf-8-sig").replace(column, "other", 1), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"events.tsv: no column \['{column}'\], found \["):
        load_cohort(tmp_path)


def test_recordings_that_are_cut_off(tmp_path):
    write_sounds(tmp_path)
    path = write_run(tmp_path, events_of("0", BEGIN))
    whole = path.read_bytes()
    for part in (0, 0.001, 0.1, 0.5, 0.95):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ValueError, match="task-0_meg.fif: (not readable|lasts)"):
            load_cohort(tmp_path)


def test_rates_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="1001 Hz from recordings at 1000 Hz"):
        load_cohort(tmp_path, 1001)


@given(
    polar=st.lists(st.floats(0.01, 1.9), min_size=8, max_size=20, unique=True),
    centre=st.tuples(*[st.floats(-0.05, 0.05)] * 3),
)
def test_the_layout_keeps_angles_from_straight_up(polar, centre):
    """Sensors all round a sphere; the layout's axes are scaled, so only one is compared at a time."""
    polar = np.array([*polar, 0.0, 2.0, 2.0, 2.0, 2.0])
    azimuth = np.append(np.arange(len(polar) - 5) * 2.4, [0, 0, np.pi / 2, np.pi, -np.pi / 2])
    flat = polar[:, None] * np.column_stack([np.cos(azimuth), np.sin(azimuth)])
    across = np.sin(polar)[:, None] * np.column_stack([np.cos(azimuth), np.sin(azimuth)])
    positions = 0.12 * np.column_stack([across, np.cos(polar)]) + centre
    np.testing.assert_allclose(flat_layout(positions, sphere_centre(positions)), (flat + 2) / 4, atol=1e-6)
