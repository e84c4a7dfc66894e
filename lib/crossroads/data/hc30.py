"""Recordings of CRCNS hc-30: calcium events of CA1 cells on a linear track (Hazon et al. 2022).

The layout is the one that the authors' scripts read: a struct `tracesEvents` a session, with `position`
(n_frames, 1 or more), whose first column is the place along the track in pixels of the camera, and
`events_transients` or `rawTraces` (n_frames, n_cells), at 20 Hz.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import mat_struct

from crossroads.data.calcium import convolve_bursts, detect_events
from crossroads.data.linear_track import FRAMES_PER_S, TRACK_CM, Runs, Session

SOURCE = "CRCNS, crcns.org/data-sets/hc/hc-30 (free registration; not to be passed on)"
TRACES = ("events_transients", "rawTraces")  # the first there is gets read
RATES = {"fs", "framerate", "samplingrate"}
MIN_CELLS, MIN_RUNS = 150, 30  # a session has more cells, and more runs in each direction


@dataclass(frozen=True)
class RecordedSession:
    """Where one session lies, in plain values that change with the file: it may be part of a cache key."""

    file: str
    key: str  # the struct in the file, as MATLAB writes it: tracesEvents, or tracesEvents(2)
    mouse: str
    name: str
    n_bytes: int
    mtime_ns: int


def list_sessions(folder: Path) -> list[RecordedSession]:
    """All sessions in the .mat files of a folder and its sub-folders, by the names of the files.

    A session is a struct, or an element of a struct array, with positions or traces. The mouse is the one
    number 20xx in the name of its file: 2022 in Mouse-2022-20150326_093722-linear-track.mat.

    Raises
    ------
    FileNotFoundError : no such folder, or no .mat file in it.
    ValueError : a damaged file, one without a session, or one whose name does not tell the mouse.
    """
    files = sorted(folder.rglob("*.mat"))
    if not files:
        problem = "no .mat file in it" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(f"{folder}: {problem}; expected the recordings hc-30 of {SOURCE}")
    sessions = []
    for path in files:
        with _variables(path) as variables:
            keys = [key for key, fields in variables.items() if fields.keys() & {"position", *TRACES}]
        if not keys:
            raise ValueError(
                f"{path}: no session in it; found {sorted(variables)}, expected a struct like 'tracesEvents' "
                f"with 'position' and one of {TRACES}: keep other files elsewhere"
            )
        numbers = sorted(set(re.findall(r"(?<!\d)20\d\d(?!\d)", path.stem)))
        if len(numbers) != 1:
            raise ValueError(
                f"{path}: the file name holds {numbers}, expected one number 20xx, that of the mouse: rename "
                "it like Mouse-2022-20150326.mat, one mouse a file"
            )
        stat = path.stat()
        for key in keys:
            name = path.stem if len(keys) == 1 else f"{path.stem} {key}"
            spec = RecordedSession(str(path), key, numbers[0], name, stat.st_size, stat.st_mtime_ns)
            sessions.append(spec)
    return sessions


def load_session(spec: RecordedSession) -> Session:
    """Read one session of `list_sessions`, which need not pass `check_usable`.

    Positions are those of `pixels_to_cm`. Events are the file's `events_transients`; where there are none,
    they are detected in `rawTraces` and convolved with the burst kernel, as `crossroads.data.calcium` does.

    Raises
    ------
    ValueError : damaged file, positions or traces missing, not numbers, NaN, of different lengths or with
        cells first; a field with another frame rate than 20 Hz; negative events; positions all the same.
    """
    where = f"{spec.file}, {spec.key}"
    position, source, traces = _read_fields(spec, where)
    if len(traces) != len(position) or traces.shape[1] > len(traces):
        raise ValueError(
            f"{where}: 'position' has shape {position.shape} and {source!r} {traces.shape}, expected "
            "(n_frames, 1 or more) and (n_frames, n_cells), more frames than cells: transpose what has cells "
            "first, and cut both to the same frames"
        )
    if source == "rawTraces":
        traces = convolve_bursts(detect_events(traces))
    elif traces.min() < 0:
        raise ValueError(
            f"{where}: {source!r} reaches {traces.min():g}, expected sizes of events, not negative: rename "
            "fluorescence traces to 'rawTraces', and events are detected in them"
        )
    position_cm = pixels_to_cm(position[:, 0].astype(float), where)
    return Session(spec.mouse, spec.name, traces.astype(np.float32), position_cm)


def pixels_to_cm(pixels: np.ndarray, where: str) -> np.ndarray:
    """Places (n_frames,) along the track in cm: its ends are the 5th and the 95th percentile.

    Before the one end and beyond the other places go below 0 and above 120 cm. The published scripts do the
    same with 118 cm (2 % less).

    Raises
    ------
    ValueError : the percentiles are one; `where` names the recording.
    """
    start, end = np.percentile(pixels, [5, 95])
    if start == end:
        raise ValueError(
            f"{where}: the first column of 'position' is {start:g} at its 5th and its 95th percentile, "
            "expected a mouse that runs along the track, in pixels: put the place along it first"
        )
    return (pixels - start) / (end - start) * TRACK_CM


def check_usable(session: Session, runs: Runs) -> None:
    """Refuse a session that the authors would not analyse (ValueError).

    They take those with more than 150 cells and more than 30 runs in each direction.
    """
    n_cells = session.events.shape[1]
    n_left, n_right = np.bincount(runs.rightward, minlength=2)
    if n_cells <= MIN_CELLS or min(n_left, n_right) <= MIN_RUNS:
        raise ValueError(
            f"session {session.name} of mouse {session.mouse}: {n_cells} cells, {n_right} runs to the right "
            f"and {n_left} to the left; expected more than {MIN_CELLS} cells and more than {MIN_RUNS} runs "
            "each way: leave it out, as the authors do"
        )


def _read_fields(spec: RecordedSession, where: str) -> tuple[np.ndarray, str, np.ndarray]:
    """Positions, the name of the traces, and the traces: full arrays of finite numbers, at 20 Hz."""
    with _variables(Path(spec.file)) as variables:
        names = sorted(variables[spec.key])
        rates = [name for name in names if name.lower().replace("_", "") in RATES]
        wanted = {"position", *TRACES, *rates}.intersection(names)
        arrays = {name: _array(variables[spec.key][name]) for name in wanted}
    arrays = {name: array for name, array in arrays.items() if array.size}
    source = next((name for name in TRACES if name in arrays), None)
    if source is None or "position" not in arrays:
        raise ValueError(
            f"{where}: found the fields {names}, expected 'position' and one of {TRACES}, not empty: fetch "
            f"the file again from {SOURCE}"
        )
    for name in arrays.keys() & rates:
        if not np.allclose(_numbers(arrays[name], name, where), FRAMES_PER_S, rtol=0.005):
            raise ValueError(
                f"{where}: {name!r} is {arrays[name].ravel()[0]:g}, expected {FRAMES_PER_S:g} Hz: resample "
                "positions and traces, since speeds and the burst kernel rest on it"
            )
    return _numbers(arrays["position"], "position", where), source, _numbers(arrays[source], source, where)


@contextmanager
def _variables(path: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """Fields of every struct in a file, and none of other variables; `_array` reads a field meanwhile.

    Nothing but reading belongs into the `with`: any exception there says that the file is damaged.
    """
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                yield _named((name, _hdf5_structs(file, name)) for name in file if not name.startswith("#"))
        else:
            content = loadmat(path, struct_as_record=False)
            yield _named((name, _structs(content[name])) for name in content if not name.startswith("__"))
    except Exception as error:  # damaged bytes make scipy and h5py raise a dozen unrelated types
        raise ValueError(
            f"{path}: not readable as a MATLAB file ({type(error).__name__}: {error}); expected a whole "
            f"file, {path.stat().st_size} bytes found: fetch it again from {SOURCE}"
        ) from error


def _named(variables: Iterator[tuple[str, list[dict[str, Any]]]]) -> dict[str, dict[str, Any]]:
    """One key for each struct: the name of its variable, with an index if that is an array."""
    return {
        name if len(structs) == 1 else f"{name}({i})": fields
        for name, structs in variables
        for i, fields in enumerate(structs, 1)
    }


def _structs(array: Any) -> list[dict[str, Any]]:
    """Fields of each element of a variable of a v5 file; what is no struct is one element without fields."""
    if not isinstance(array, np.ndarray):
        return [{}]
    structs = [element for element in array.ravel("F") if isinstance(element, mat_struct)]
    return [{name: getattr(struct, name) for name in struct._fieldnames} for struct in structs] or [{}]


def _hdf5_structs(file: h5py.File, name: str) -> list[dict[str, Any]]:
    """As `_structs` for a v7.3 file, where the fields of a struct array hold references to the values."""
    if not isinstance(file[name], h5py.Group):
        return [{}]
    fields = dict(file[name])
    first = next(iter(fields.values()), None)
    # A cell array in a single struct holds references too, but MATLAB marks it as one.
    if not isinstance(first, h5py.Dataset) or first.dtype != h5py.ref_dtype or "MATLAB_class" in first.attrs:
        return [fields]
    return [{field: file[refs[()].flat[i]] for field, refs in fields.items()} for i in range(first.size)]


def _array(value: Any) -> np.ndarray:
    """A field as MATLAB shows it; what is no full array becomes one of objects."""
    if not isinstance(value, h5py.Dataset):
        return np.array(None) if isinstance(value, h5py.Group) else np.asarray(value)
    if "MATLAB_empty" in value.attrs:
        return np.empty(value[()])
    return value[()].T


def _numbers(array: np.ndarray, name: str, where: str) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise ValueError(
            f"{where}: {name!r} holds {array.dtype} of {array.ndim} axes, expected real numbers of 2 axes: "
            "save it as a full numeric array"
        )
    n_bad = int(np.count_nonzero(~np.isfinite(array)))
    if n_bad:
        raise ValueError(
            f"{where}: {name!r} has {n_bad} NaN or infinite values of {array.size}, expected none: drop "
            "those frames or cells"
        )
    return array
