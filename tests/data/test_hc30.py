"""Small files in the layout of the authors' recordings, as MATLAB writes v5 and v7.3."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from crossroads.data import hc30
from crossroads.data.calcium import convolve_bursts, detect_events
from crossroads.data.linear_track import Runs, Session
from crossroads.data.place_cells import VirtualMouse, simulate_session

NAME = "Mouse-2022-20150326_093722-linear-track-TracesAndEvents"
MOUSE = VirtualMouse(n_cells=4, n_runs=8, n_modules=1)
PLANTED = [simulate_session(MOUSE, np.random.default_rng(seed)) for seed in range(2)]
FOLDER = Path(os.environ.get("CROSSROADS_DATA", "")) / "hippocampus"
needs_data = pytest.mark.skipif(
    "CROSSROADS_DATA" not in os.environ or not FOLDER.is_dir(), reason="hc-30 is not here"
)


def fields(session):
    """What a file holds of a simulated session, seen by a camera at 5.3 pixels a cm."""
    n_frames, n_cells = session.events.shape
    pixels = np.column_stack((40 + 5.3 * session.position_cm, np.full(n_frames, 300)))
    locations = np.arange(2.0 * n_cells).reshape(n_cells, 2)
    return {"position": pixels, "events_transients": session.events, "cellAnatomicLocat": locations}


def struct_array(elements):
    array = np.empty(len(elements), [(name, object) for name in elements[0]])
    for i, element in enumerate(elements):
        array[i] = tuple(element.values())
    return array


def write_v5(path, **variables):
    """A dict is a struct, a list of dicts a struct array."""
    structs = {name: struct_array(v) if isinstance(v, list) else v for name, v in variables.items()}
    savemat(path, structs, do_compression=True)  # as MATLAB does


def write_v73(path, **variables):
    """Structs are groups, values are transposed, elements of struct arrays are referred to."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(place, value):
            if isinstance(value, dict):
                group = file.create_group(place)
                group.attrs["MATLAB_class"] = np.bytes_("struct")
                for name, entry in value.items():
                    put(f"{place}/{name}", entry)
            elif isinstance(value, list):
                for name in value[0]:
                    for i, element in enumerate(value):
                        put(f"#refs#/{place}{i}{name}", element[name])
                    refs = [[file[f"#refs#/{place}{i}{name}"].ref] for i in range(len(value))]
                    file.create_dataset(f"{place}/{name}", data=refs, dtype=h5py.ref_dtype)
                file[place].attrs["MATLAB_class"] = np.bytes_("struct")
            else:
                value = np.array(value, ndmin=2)
                kind = np.bytes_("double")
                if value.dtype.kind == "U":
                    value, kind = np.array([[ord(c) for c in value[0, 0]]], np.uint16), np.bytes_("char")
                if value.size:
                    data = file.create_dataset(place, data=value.T, compression="gzip")
                else:
                    data = file.create_dataset(place, data=np.uint64(value.shape))
                    data.attrs["MATLAB_empty"] = np.uint8(1)
                data.attrs["MATLAB_class"] = kind

        for name, value in variables.items():
            put(name, value)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


both_formats = pytest.mark.parametrize("write", [write_v5, write_v73])


def assert_planted(session, planted):
    """The simulated mouse rests at the ends, so that they are the 5th and the 95th percentile."""
    np.testing.assert_array_equal(session.events, planted.events)
    assert session.events.dtype == np.float32
    np.testing.assert_allclose(session.position_cm, planted.position_cm, atol=1e-9)
    assert session.position_cm.dtype == float
    assert (session.circular, session.truth) == (False, None)


@both_formats
def test_a_file_with_one_session(tmp_path, write):
    path = tmp_path / "Mouse2022" / f"{NAME}.mat"
    path.parent.mkdir()
    write(path, tracesEvents=fields(PLANTED[0]), note="text")
    (spec,) = hc30.list_sessions(tmp_path)
    assert (spec.file, spec.key, spec.mouse, spec.name) == (str(path), "tracesEvents", "2022", NAME)
    assert (spec.n_bytes, spec.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    session = hc30.load_session(spec)
    assert (session.mouse, session.name) == ("2022", NAME)
    assert_planted(session, PLANTED[0])


@both_formats
def test_a_file_with_a_struct_array(tmp_path, write):
    write(tmp_path / f"{NAME}.mat", tracesEvents=[fields(planted) for planted in PLANTED], options={"n": 3})
    specs = hc30.list_sessions(tmp_path)
    assert [spec.key for spec in specs] == ["tracesEvents(1)", "tracesEvents(2)"]
    assert specs[1].name == f"{NAME} tracesEvents(2)"
    for spec, planted in zip(specs, PLANTED, strict=True):
        assert_planted(hc30.load_session(spec), planted)


@both_formats
def test_a_file_with_several_structs(tmp_path, write):
    days = {f"day{i}": fields(planted) for i, planted in enumerate(PLANTED)}
    write(tmp_path / f"{NAME}.mat", cells=np.ones((2, 2)), **days)
    specs = hc30.list_sessions(tmp_path)
    assert [spec.key for spec in specs] == ["day0", "day1"]
    for spec, planted in zip(specs, PLANTED, strict=True):
        assert_planted(hc30.load_session(spec), planted)


@both_formats
@pytest.mark.parametrize("empty", [{}, {"events_transients": np.empty((0, 0))}])
def test_without_events_they_are_detected_in_the_traces(tmp_path, write, empty):
    content = fields(PLANTED[0])
    traces = content.pop("events_transients") + np.random.default_rng(0).normal(size=(1, 4))
    write(tmp_path / f"{NAME}.mat", tracesEvents=content | {"rawTraces": traces} | empty)
    session = hc30.load_session(*hc30.list_sessions(tmp_path))
    assert session.events.any()
    np.testing.assert_allclose(session.events, convolve_bursts(detect_events(traces)), rtol=1e-6)


@both_formats
@pytest.mark.parametrize("rate", [{"fs": 20.0}, {"frame_rate": 19.98}, {"samplingRate": np.empty((0, 0))}])
def test_a_frame_rate_of_20_hz_is_taken(tmp_path, write, rate):
    write(tmp_path / f"{NAME}.mat", tracesEvents=fields(PLANTED[0]) | rate)
    assert_planted(hc30.load_session(*hc30.list_sessions(tmp_path)), PLANTED[0])


POSITION = fields(PLANTED[0])["position"]
EVENTS = PLANTED[0].events
MANY = np.ones((len(EVENTS), len(EVENTS) + 1), np.float32)


@both_formats
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"position": None},
            r"found the fields \['cellAna.*'events_transients'\], expected 'position' and one",
        ),
        ({"events_transients": None}, r"found the fields \[.*'position'\], expected .*'rawTraces'"),
        ({"position": np.empty((0, 0))}, "expected 'position' and one of .* not empty"),
        ({"position": "left"}, "'position' (holds|has shape)"),
        ({"events_transients": {"a": 1}}, "'events_transients' holds object .* expected real numbers of 2"),
        ({"position": POSITION[:-1]}, rf"'position' has shape \({len(EVENTS) - 1}, 2\) and .*cut both"),
        ({"position": POSITION.T, "events_transients": EVENTS.T}, r"shape \(2, .* \(4, .*transpose"),
        ({"events_transients": EVENTS.T}, rf"'events_transients' \(4, {len(EVENTS)}\), expected .*transpose"),
        ({"events_transients": MANY}, "more frames than cells: transpose"),
        (
            {"events_transients": np.where(EVENTS.max() == EVENTS, np.nan, EVENTS)},
            "has 1 NaN .*expected none",
        ),
        ({"position": POSITION * np.inf}, "'position' has .* NaN or infinite"),
        ({"events_transients": EVENTS - 0.5}, "reaches -0.5, expected sizes of events, not negative"),
        ({"position": POSITION[:, ::-1]}, "is 300 at its 5th and its 95th percentile, expected a mouse that"),
        ({"fs": 30.0}, "'fs' is 30, expected 20 Hz: resample"),
        ({"frameRate": 10}, "'frameRate' is 10, expected 20 Hz"),
        ({"sampling_rate": 20.2}, "'sampling_rate' is 20.2, expected 20 Hz"),
    ],
)
def test_wrong_content_is_one_clear_error(tmp_path, write, change, message):
    content = {name: value for name, value in (fields(PLANTED[0]) | change).items() if value is not None}
    write(tmp_path / f"{NAME}.mat", tracesEvents=content)
    (spec,) = hc30.list_sessions(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        hc30.load_session(spec)
    assert str(caught.value).startswith(f"{spec.file}, tracesEvents: ")


@both_formats
def test_a_file_without_a_session_names_what_it_holds(tmp_path, write):
    write(tmp_path / f"{NAME}.mat", x=np.ones((2, 2)), options={"n": 3})
    with pytest.raises(
        ValueError, match=rf"{NAME}.mat: no session in it; found \['options', 'x'\], expected"
    ):
        hc30.list_sessions(tmp_path)


def test_a_folder_without_recordings_says_where_they_are(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="none: no such folder; expected .* hc-30 of CRCNS.*registration"
    ):
        hc30.list_sessions(tmp_path / "none")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match="no .mat file in it; expected .*CRCNS"):
        hc30.list_sessions(tmp_path)


@pytest.mark.parametrize(
    ("name", "numbers"), [("20150326_093722", r"\[\]"), ("2015-03-26_Mouse2022", r"\['2015', '2022'\]")]
)
def test_a_file_name_must_tell_the_mouse(tmp_path, name, numbers):
    write_v5(tmp_path / f"{name}.mat", tracesEvents=fields(PLANTED[0]))
    with pytest.raises(ValueError, match=f"{name}.mat: the file name holds {numbers}, expected one number"):
        hc30.list_sessions(tmp_path)


@both_formats
def test_every_truncation_is_one_clear_error(tmp_path, write):
    path = tmp_path / f"{NAME}.mat"
    write(path, tracesEvents=fields(PLANTED[0]))
    (spec,) = hc30.list_sessions(tmp_path)
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole) - 10, 40).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"{NAME}.mat: (not readable as a MATLAB file|no session in it)"):
            hc30.list_sessions(tmp_path)
        with pytest.raises(ValueError, match=f"{NAME}.mat: not readable as a MATLAB file .* fetch it again"):
            hc30.load_session(spec)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    contents = []
    for write in (write_v5, write_v73):
        path = tmp_path_factory.mktemp("whole") / f"{NAME}.mat"
        write(path, tracesEvents=fields(PLANTED[0]))
        contents.append((hc30.list_sessions(path.parent)[0], path.read_bytes()))
    return contents


@given(version=st.integers(0, 1), at=st.floats(0, 0.999), value=st.integers(0, 255))
def test_a_changed_byte_never_escapes_as_another_error(whole_files, version, at, value):
    spec, content = whole_files[version]
    changed = bytearray(content)
    changed[int(at * len(content))] = value
    Path(spec.file).write_bytes(changed)
    try:
        session = hc30.load_session(spec)
    except ValueError as error:
        message = str(error)
    else:
        whole = np.isfinite(session.events).all() and np.isfinite(session.position_cm).all()
        message = spec.file if whole else "NaN let through"
    assert spec.file in message


@given(
    scale=st.floats(0.01, 100),
    sign=st.sampled_from([-1, 1]),
    shift=st.floats(-1000, 1000),
    seed=st.integers(0, 1000),
)
def test_places_do_not_depend_on_the_camera(scale, sign, shift, seed):
    """Another zoom or shift changes nothing; a camera upside down turns the track round."""
    pixels = np.random.default_rng(seed).normal(size=50)
    places = hc30.pixels_to_cm(pixels, "here")
    seen = hc30.pixels_to_cm(sign * scale * pixels + shift, "here")
    np.testing.assert_allclose(seen, places if sign == 1 else 120 - places, rtol=1e-5, atol=1e-5)


def test_the_ends_of_the_track_are_percentiles():
    places = hc30.pixels_to_cm(np.arange(101.0), "here")
    np.testing.assert_allclose(places[[5, 50, 95]], [0, 60, 120])
    np.testing.assert_allclose(np.diff(places), 120 / 90)
    with pytest.raises(ValueError, match="^here: the first column of 'position' is 7 at its 5th"):
        hc30.pixels_to_cm(np.append(np.full(99, 7), 8), "here")


@pytest.mark.parametrize(
    ("n_cells", "n_right", "n_left", "good"),
    [(151, 31, 31, True), (150, 31, 31, False), (151, 30, 31, False), (151, 31, 30, False), (0, 0, 0, False)],
)
def test_sessions_need_more_than_150_cells_and_30_runs_each_way(n_cells, n_right, n_left, good):
    session = Session("2022", NAME, np.zeros((3, n_cells)), np.zeros(3))
    n_runs = n_right + n_left
    runs = Runs(np.zeros((n_runs, 20, n_cells)), np.arange(n_runs) < n_right, np.zeros((n_runs, 2), int))
    if good:
        hc30.check_usable(session, runs)
    else:
        counts = (
            f"{NAME} of mouse 2022: {n_cells} cells, {n_right} runs to the right and {n_left} to the left"
        )
        with pytest.raises(ValueError, match=f"{counts}; expected more than 150 cells and more than 30 runs"):
            hc30.check_usable(session, runs)


def test_a_spec_changes_with_its_file(tmp_path):
    path = tmp_path / f"{NAME}.mat"
    write_v5(path, tracesEvents=fields(PLANTED[0]))
    (spec,) = hc30.list_sessions(tmp_path)
    assert hc30.list_sessions(tmp_path) == [spec]
    shutil.copystat(__file__, path)
    assert hc30.list_sessions(tmp_path) == [replace(spec, mtime_ns=path.stat().st_mtime_ns)] != [spec]


@needs_data
def test_published_recordings():
    """The counts are those of the data set's description."""
    specs = hc30.list_sessions(FOLDER)
    assert len(specs) == 110
    assert len({spec.mouse for spec in specs}) == 12
    n_cells = [hc30.load_session(spec).events.shape[1] for spec in specs]
    assert (min(n_cells), np.median(n_cells), max(n_cells), sum(n_cells)) == (151, 235, 497, 27_898)
