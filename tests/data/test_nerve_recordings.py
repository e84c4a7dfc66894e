"""Sessions and files of NinaPro DB8 in their layouts come back, or are refused in clear words."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from crossroads.data import nerve_recordings as recordings
from crossroads.data.nerve_session import DOFS, GESTURES, STEP_S

FIRST_S = 100.0  # where the clock stands when the signals begin
SLOPES = np.linspace(0.05, 0.15, len(DOFS))  # of the glove's ramps [1/s]
BIG = ("eng", "glove", "cue_id", "cue_on", "cue_off")


def ramp(t):
    """(n, 6) what the glove shows at times t on the clock [s]."""
    return 0.1 + SLOPES * (np.asarray(t)[:, None] - FIRST_S)


def entries(duration_s=4.0, fs=1000, fs_glove=100.0, late_s=0.0, n_channels=4, seed=0):
    """A session whose hand flexes steadily: at rest in its first half, asked for a fist in the second."""
    rng = np.random.default_rng(seed)
    t0_glove, half = FIRST_S + late_s, duration_s / 2
    seen = t0_glove + np.arange(int(duration_s * fs_glove) + 1) / fs_glove
    return {
        "eng": rng.normal(0, 5, (round(duration_s * fs), n_channels)).astype(np.float32),
        "glove": ramp(seen).astype(np.float32),
        "fs": fs,
        "fs_glove": fs_glove,
        "t0_eng": FIRST_S,
        "t0_glove": t0_glove,
        "cue_id": np.array([0, 11]),
        "cue_on": FIRST_S + np.array([0.1, half]),
        "cue_off": FIRST_S + np.array([half, duration_s - 0.3]),
        "subject": "P1",
        "implant_day": 40,
        "nerve_of_channel": np.arange(n_channels) % 2,
        "bad_channels": [],
    }


def write(file, content):
    if file.suffix == ".npz":
        np.savez(file, **content)
    else:
        with h5py.File(file, "w") as store:
            for name, value in content.items():
                if name in BIG:
                    store[name] = value
                else:
                    store.attrs[name] = value
    return file


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".hdf5"])
def test_a_session_comes_back(tmp_path, suffix):
    content = entries() | {"subject": "P1", "implant_day": 487, "bad_channels": np.array([2])}
    found = recordings.load_session(write(tmp_path / f"one{suffix}", content))
    assert (found.name, found.rate_hz, found.bad_channels) == ("P1, day 487", 1000, (2,))
    assert found.signal.dtype == np.float32
    np.testing.assert_array_equal(found.signal, content["eng"])
    np.testing.assert_allclose(found.glove, content["glove"][2::2], atol=1e-6)
    assert found.valid.all()
    np.testing.assert_array_equal(found.trial, [-1] * 5 + [0] * 95 + [1] * 85 + [-1] * 15)
    np.testing.assert_array_equal(found.gesture, [0, 11])
    assert found.gestures == tuple(GESTURES)
    np.testing.assert_array_equal(found.nerve, [0, 1, 0, 1])
    assert found.intent is None


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_gestures_have_names_of_their_own(tmp_path, suffix):
    content = entries() | {"gesture_names": ["rest", "wave"], "cue_id": np.array([0, 1]), "subject": 7}
    found = recordings.load_session(write(tmp_path / f"one{suffix}", content))
    assert (found.name, found.gestures) == ("7, day 40", ("rest", "wave"))
    if suffix == ".h5":  # as data sets, whose texts are bytes
        with h5py.File(tmp_path / "sets.h5", "w") as store:
            for name, value in content.items():
                store[name] = value
        assert recordings.load_session(tmp_path / "sets.h5").gestures == ("rest", "wave")


@settings(max_examples=40, deadline=None)
@given(
    per_step=st.integers(10, 60),
    fs_glove=st.floats(11.0, 250.0),
    late_s=st.floats(-0.6, 0.6),
    duration_s=st.floats(3.0, 4.5),
)
def test_the_glove_is_read_when_steps_end(tmp_path_factory, per_step, fs_glove, late_s, duration_s):
    fs = 50 * per_step
    content = entries(duration_s, fs, fs_glove, late_s)
    n_samples, n_seen = len(content["eng"]), len(content["glove"])
    content["eng"][:, 0] = np.arange(n_samples) / 8  # tells which samples are kept
    last = min(FIRST_S + n_samples / fs, content["t0_glove"] + (n_seen - 1) / fs_glove)
    content["cue_on"] = FIRST_S + np.array([0.6, 1.5])
    content["cue_off"] = np.array([FIRST_S + 1.5, last])
    found = recordings.load_session(write(tmp_path_factory.mktemp("ramp") / "one.npz", content))
    n = len(found.glove)
    assert found.signal.shape == (n * per_step, 4)
    kept = np.rint(8 * found.signal[:, 0]).astype(int)
    np.testing.assert_array_equal(kept, kept[0] + np.arange(len(kept)))
    # The common time begins with the first sample that the glove is there for, and ends with the last step.
    begin, end = FIRST_S + kept[0] / fs, FIRST_S + kept[-1] / fs + 1 / fs
    both = max(FIRST_S, content["t0_glove"])
    assert both - 1e-5 <= begin < both + 1 / fs + 1e-5
    assert end - 1e-4 <= last < end + STEP_S + 1e-4
    at = begin + STEP_S * np.arange(1, n + 1)
    np.testing.assert_allclose(found.glove, ramp(at), atol=1e-5)
    assert found.valid.all()
    for one in (0, 1):
        inside = np.flatnonzero(found.trial == one)
        assert abs(at[inside[0]] - STEP_S - content["cue_on"][one]) <= STEP_S + 1e-4
        assert abs(at[inside[-1]] - content["cue_off"][one]) <= STEP_S + 1e-4


def test_gaps_of_the_glove(tmp_path):
    """Across 100 ms the ramp goes on; a longer gap stays one, and so do missing ends."""
    content = entries()
    for gap in (slice(7), slice(20, 29), slice(60, 75), slice(393, None)):
        content["glove"][gap] = np.nan
    found = recordings.load_session(write(tmp_path / "one.npz", content))
    # Steps that end at 0.02 to 0.06, 0.60 to 0.74 and from 3.94 s on.
    wrong = [*range(3), *range(29, 37), *range(196, 200)]
    np.testing.assert_array_equal(np.flatnonzero(~found.valid), wrong)
    expected = ramp(FIRST_S + STEP_S * np.arange(1, 201))
    np.testing.assert_allclose(found.glove[found.valid], expected[found.valid], atol=1e-6)
    assert (found.glove[~found.valid] == 0).all()


def test_gaps_of_the_signal(tmp_path):
    content = entries()
    content["eng"][1019:1021] = np.nan  # in steps 50 and 51, in the 100 ms before the ends of 50 to 55
    content["eng"] += 1000  # so that a gap's 0 would be the lowest value, and a channel be called saturated
    content["eng"][:60] = np.nan
    found = recordings.load_session(write(tmp_path / "one.h5", content))
    np.testing.assert_array_equal(np.flatnonzero(~found.valid), [*range(7), *range(50, 56)])
    assert found.bad_channels == ()
    np.testing.assert_array_equal(found.signal, np.nan_to_num(content["eng"]))
    np.testing.assert_allclose(found.glove[50:56], ramp(FIRST_S + STEP_S * np.arange(51, 57)), atol=1e-6)


def test_saturated_and_dead_channels(tmp_path):
    content = entries(n_channels=8) | {"bad_channels": np.array([6])}
    eng = content["eng"]
    eng[:, 1] = 3000.0
    eng[:, 2] = eng[:, 2].clip(-8, None)  # 5 % at their lowest value
    eng[:100, 4] = 6000 + np.arange(100)  # 2.5 % beyond 5 mV
    eng[:, 5] = eng[:, 5].clip(-15, 15)  # 0.3 %: spared
    found = recordings.load_session(write(tmp_path / "one.npz", content))
    assert found.bad_channels == (1, 2, 4, 6)
    eng[:, 7] = 0
    with pytest.raises(
        ValueError, match=r"5 of 8 .*\[1, 7\] dead, \[2, 4\] saturated, \[6\] listed; expected"
    ):
        recordings.load_session(write(tmp_path / "one.npz", content))


def change(name, value):
    """A change of one entry: to a value, or by a function of it."""
    return lambda content: content | {name: value(content[name]) if callable(value) else value}


def put(name, place, value):
    def spoil(content):
        array = np.array(content[name])
        array[place] = value
        return content | {name: array}

    return spoil


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda c: {k: v for k, v in c.items() if k != "t0_glove"}, r"no \['t0_glove'\] among .*add them"),
        (change("eng", lambda x: x[:, 0]), r"eng is float32, \(4000,\); expected floats with 2 axes"),
        (change("eng", lambda x: x.astype(np.int16)), "eng is int16, .*expected floats"),
        (change("cue_id", lambda x: x + 0.0), "cue_id is float64, .*expected whole numbers"),
        (change("cue_on", lambda x: x + 0j), "cue_on is complex128.*expected numbers"),
        (change("fs", [1000]), r"fs is int64, \(1,\); expected numbers with 0 axes"),
        (change("subject", 1.5), "subject is float64, .*expected text"),
        (change("t0_eng", np.nan), "t0_eng is nan; expected finite numbers"),
        (change("glove", lambda x: x[:, :5]), r"glove has the shape \(401, 5\); expected \(401, 6\)"),
        (change("cue_off", lambda x: x[:1]), r"cue_off has the shape \(1,\); expected \(2,\)"),
        (
            change("nerve_of_channel", [0, 1]),
            r"nerve_of_channel has the shape \(2,\); expected \(4,\), for 4",
        ),
        (change("bad_channels", [1, 4]), r"bad_channels has \[4\]; expected 0 to 3"),
        (change("fs", 1111), "wrong rate: fs is 1111 Hz, 22.22 samples .*resample to 1100 Hz"),
        (change("fs", -1000), "wrong rate: fs is -1000 Hz"),
        (change("fs_glove", 5), "wrong rate: fs_glove is 5 Hz; expected 10 or more"),
        (change("fs", 2000), "wrong rate: eng 2 s, glove 4.01 s at fs 2000 and fs_glove 100 Hz"),
        (change("duration_s", 4.2), "wrong rate: .*duration_s 4.2 s"),
        (change("glove", lambda x: x[:200]), "wrong rate: eng 4 s, glove 2 s"),
        (change("t0_glove", 0), "misaligned glove: signals from 0 to 4 s, glove from -100 to -96 s"),
        (put("cue_off", 1, FIRST_S + 4.2), r"misaligned glove: cues \[1\] lie outside"),
        (put("cue_on", 0, FIRST_S - 0.2), r"misaligned glove: cues \[0\] lie outside"),
        (change("cue_id", [11, 0]), "misaligned glove: mean flexion is .*during cues to move"),
        (change("glove", lambda x: 1 - x), "misaligned glove: mean flexion"),
        (put("cue_off", 0, FIRST_S + 2.2), r"cues \[1\] end before they begin, or begin before the"),
        (change("cue_on", lambda x: x[::-1]), "end before they begin"),
        (change("cue_id", [0, 12]), r"cue_id has the values \[ 0 12\]; expected at least one cue, 0 to 11"),
        (change("gesture_names", ["rest", "fist"]), "expected at least one cue, 0 to 1 for rest, fist"),
        (lambda c: c | {"cue_id": [], "cue_on": [], "cue_off": []}, "expected at least one cue"),
        (put("glove", (3, 2), 1.01), "glove reaches from 0.1 to 1.01; expected 0 .rest. to 1 .flexed."),
        (change("glove", lambda x: 90 * x), "glove reaches from 9 to .*scale each"),
        (
            put("glove", (3, 2), np.nan),
            "glove has 1 rows that are infinite or NaN in part, and 0 rows of NaN",
        ),
        (put("eng", (5, 0), np.inf), "eng has 1 rows that are infinite"),
        (put("eng", slice(2000), np.nan), "eng has 0 rows .* and 2000 rows of NaN, of 4000"),
        (put("eng", slice(None, None, 99), np.nan), "gaps leave none of 200 steps"),
        (change("eng", lambda x: x / 1e6), r"4 of 4 channels are bad: \[0, 1, 2, 3\] dead; .*in uV"),
        (change("eng", lambda x: x * 1e4), r"4 of 4 channels are bad: \[0, 1, 2, 3\] saturated"),
        (lambda c: c | {"eng": c["eng"][:0], "glove": c["glove"][:0]}, "eng has 0 rows .*, of 0"),
    ],
)
@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_wrong_sessions_are_refused(tmp_path, suffix, spoil, text):
    content = spoil(entries())
    with pytest.raises(ValueError, match=f"one{suffix}: .*({text})"):
        recordings.load_session(write(tmp_path / f"one{suffix}", content))


def test_rounding_is_no_error(tmp_path):
    content = put("glove", (3, 2), -0.0005)(entries())
    content = put("glove", (400, 5), 1.0005)(content)
    found = recordings.load_session(write(tmp_path / "one.npz", content))
    assert found.glove.min() >= 0
    assert found.glove.max() == 1


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@settings(max_examples=15, deadline=None)
@given(share=st.floats(0.0, 0.99))
def test_files_cut_short_are_refused(tmp_path_factory, suffix, share):
    file = write(tmp_path_factory.mktemp("cut") / f"one{suffix}", entries())
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"one{suffix}: not readable .*expected a whole"):
        recordings.load_session(file)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="one.h5: no such file"):
        recordings.load_session(tmp_path / "one.h5")


THUMB_BENDS = 8020  # sample, in step 200


def db8(seconds=8):
    """A file of DB8. The thumb bends at once; the others along a ramp, in sensors that also share a sine."""
    n = recordings.DB8_HZ * seconds
    rng = np.random.default_rng(0)
    rise, sine = np.linspace(0, 1, n), np.sin(np.linspace(0, 40, n))
    glove = rng.normal(0, 30, (n, 18))
    glove[:, 2] = 90 * (np.arange(n) >= THUMB_BENDS)
    for first, second, ratio in ((4, 5, 2 / 3), (6, 7, 2 / 3), (9, 10, 1 / 2), (12, 13, 1 / 2)):
        glove[:, first] = 20 * sine
        glove[:, second] = 90 * rise - 20 * ratio * sine
    stimulus = np.zeros((n, 1), np.int8)
    for at, movement in ((1, 3), (3, 3), (5, 9)):  # a second of movement, a second of rest
        stimulus[at * recordings.DB8_HZ : (at + 1) * recordings.DB8_HZ] = movement
    emg = rng.normal(0, 2e-5, (n, 16)).astype(np.float32)
    emg[:, 13:] = 0
    return {"emg": emg, "glove": glove.astype(np.float32), "stimulus": stimulus, "subject": 101}


def test_a_file_of_db8_comes_back(tmp_path):
    content = db8()
    savemat(tmp_path / "S11_E1_A1.mat", content)
    found = recordings.load_db8(tmp_path / "S11_E1_A1.mat")
    assert (found.name, found.rate_hz, found.bad_channels) == ("S11_E1_A1", 2000, (13, 14, 15))
    np.testing.assert_allclose(found.signal, 1e6 * content["emg"], rtol=1e-5)
    np.testing.assert_array_equal(found.trial, [-1] * 50 + [0] * 100 + [1] * 100 + [2] * 150)
    np.testing.assert_array_equal(found.gesture, [3, 3, 9])
    assert [found.gestures[i] for i in found.gesture] == ["index", "index", "tripod grip"]
    # A ramp has its 1st and 99th percentile at 1 and 99 % of its way.
    way = np.arange(1, 401) / 400
    expected = np.clip((way - 0.01) / 0.98, 0, 1)
    for finger in range(1, 5):
        np.testing.assert_allclose(found.glove[:, finger], expected, atol=0.005)
    np.testing.assert_array_equal(found.glove[:, 0], np.arange(400) >= 200)
    assert (found.glove[:, DOFS.index("wrist")] == 0).all()
    assert found.valid.all()
    assert found.nerve.shape == (16,)


def test_labels_of_db8_may_be_some_samples_short(tmp_path):
    content = db8()
    savemat(tmp_path / "S1_E1_A1.mat", content | {"stimulus": content["stimulus"][:-50]})
    assert len(recordings.load_db8(tmp_path / "S1_E1_A1.mat").trial) == 398


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda c: {k: v for k, v in c.items() if k != "glove"}, "no variable 'glove'"),
        (change("emg", lambda x: x[:, :12]), r"emg is \(16000, 12\); expected \(T, 16\)"),
        (change("glove", lambda x: np.hstack([x, x])[:, :22]), r"glove is \(16000, 22\); expected \(T, 18\)"),
        (change("stimulus", lambda x: x[:9000]), r"have \[16000, 16000, 9000\] samples; expected one length"),
        (change("stimulus", lambda x: x + 9), "stimulus has the values .*expected 0"),
        (change("stimulus", lambda x: 0 * x), r"stimulus has the values \[0\.\]; expected 0 .*and movements"),
        (put("glove", (7, 3), np.nan), "'glove' has 1 NaN"),
        (put("glove", (slice(None), [6, 7]), 12), r"sensors \[6, 7\] .middle. stay at 12; expected angles"),
        (change("emg", lambda x: x / 1e6), "16 of 16 channels are bad: .* dead"),
    ],
)
def test_wrong_files_of_db8_are_refused(tmp_path, spoil, text):
    savemat(tmp_path / "S1_E1_A1.mat", spoil(db8()))
    with pytest.raises(ValueError, match=f"S1_E1_A1.mat: .*({text})"):
        recordings.load_db8(tmp_path / "S1_E1_A1.mat")


def test_recordings_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="data 'nobody': there are session and ninapro-db8"):
        recordings.load("nobody")
    with pytest.raises(FileNotFoundError, match=r"no .h5.* in .CROSSROADS_DATA/nerve/sessions; .*authors"):
        recordings.load("session")
    for folder in ("sessions", "db8"):
        (tmp_path / "nerve" / folder).mkdir(parents=True)
        (tmp_path / "nerve" / folder / "notes.txt").write_text("not a recording")
    with pytest.raises(FileNotFoundError, match=r"no .mat file in .CROSSROADS_DATA/nerve/db8; .*ninapro"):
        recordings.load("ninapro-db8")
    write(tmp_path / "nerve/sessions/b.npz", entries() | {"implant_day": 2})
    write(tmp_path / "nerve/sessions/a.h5", entries() | {"implant_day": 1})
    savemat(tmp_path / "nerve/db8/S1_E1_A2.mat", db8())
    assert [one.name for one in recordings.load("session")] == ["P1, day 1", "P1, day 2"]
    assert [one.name for one in recordings.load("ninapro-db8")] == ["S1_E1_A2"]
