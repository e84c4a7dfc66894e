"""Recordings beside the movements of a glove: nerves in session files, and muscles of NinaPro DB8.

The paper's recordings are not published; the session file is our own choice of a format. NinaPro DB8 is what
anyone may get: muscles of the forearm during mirrored movements of both hands, made for decoding fingers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from crossroads.data.matlab import read_matlab
from crossroads.data.nerve_session import DOFS, GESTURES, STEP_S, NerveSession
from crossroads.data.settings import data_folder

MAX_GAP_S = 0.1  # across which the glove is interpolated; also the window of signal that a step rests on
WINDOW = round(MAX_GAP_S / STEP_S)
ROUNDING = 1e-3  # of a glove's range; and of a sample or a step, in times
RATE_ERROR = 0.01  # by which durations may differ
DEAD_UV, LIMIT_UV, STUCK = 0.01, 5000.0, 0.01  # SD of a dead channel; reach and share of a saturated one
# Kind of each entry of a session file and how many axes it has.
ENTRIES = {
    "eng": ("f", 2),
    "glove": ("f", 2),
    **dict.fromkeys(("fs", "fs_glove", "t0_eng", "t0_glove", "implant_day"), ("iuf", 0)),
    **dict.fromkeys(("cue_on", "cue_off"), ("iuf", 1)),
    **dict.fromkeys(("cue_id", "nerve_of_channel", "bad_channels"), ("iu", 1)),
    "subject": ("iuSUO", 0),
}
OPTIONAL = {"duration_s": ("iuf", 0), "gesture_names": ("SUO", 1)}
SUFFIXES = (".h5", ".hdf5", ".npz")
DB8 = "NinaPro DB8, ninapro.hevs.ch/instructions/DB8.html"
DB8_HZ = 2000
DB8_GESTURES = (
    "rest", "thumb flexion", "thumb abduction", "index", "middle", "ring and little", "index pointer",
    "cylindrical grip", "lateral grip", "tripod grip",
)  # fmt: skip
# Weight of the glove's 18 sensors in each finger: Krasoulis et al. 2019, whose fifth output is the mean of
# our ring and little finger. Other sensors show thumb rotation, abduction, palm and wrist.
DB8_FINGERS = (
    {2: 1.0},
    {4: 0.4, 5: 0.6},
    {6: 0.4, 7: 0.6},
    {9: 1 / 3, 10: 2 / 3},
    {12: 1 / 3, 13: 2 / 3},
)


def load(name: str) -> list[NerveSession]:
    """Recordings by name, in the order of their files' names.

    "session" takes all session files in $CROSSROADS_DATA/nerve/sessions, "ninapro-db8" all .mat files in
    $CROSSROADS_DATA/nerve/db8.

    Raises
    ------
    FileNotFoundError : they are not there; the message says where they may be had.
    ValueError : another name; else as `load_session` and `load_db8`.
    """
    kinds = {
        "session": (
            "sessions",
            SUFFIXES,
            load_session,
            "the paper's are not public, ask its corresponding authors; or write your own as "
            "crossroads.data.nerve_recordings.load_session wants them",
        ),
        "ninapro-db8": ("db8", (".mat",), load_db8, f"get S*_E1_A*.mat of {DB8}"),
    }
    if name not in kinds:
        raise ValueError(f"data {name!r}: there are {' and '.join(kinds)}")
    inside, suffixes, loader, source = kinds[name]
    folder = data_folder("nerve")
    there = sorted((folder / inside).glob("*")) if folder else []
    files = [file for file in there if file.suffix in suffixes]
    if not files:
        raise FileNotFoundError(
            f"data {name!r}: no {', '.join(suffixes)} file in $CROSSROADS_DATA/nerve/{inside}; {source}"
        )
    return [loader(file) for file in files]


def load_session(path: str | Path) -> NerveSession:
    """One session out of an HDF5 file (.h5, .hdf5) or a NumPy archive (.npz).

    The file has, as data sets, attributes or arrays,

    - "eng" : (T, C) floats [uV] at "fs" [Hz]; its first sample is at "t0_eng" [s];
    - "glove" : (Tg, 6) floats, 0 (rest) to 1 (flexed) of DOFS, at "fs_glove" [Hz], from "t0_glove" [s] on;
    - "cue_id" : (n,) what was asked for, an index into the gestures, from "cue_on" to "cue_off" (n,) [s];
    - "subject", "implant_day", "nerve_of_channel" : (C,) whole numbers, "bad_channels" : indices, or none;
    - optional: "duration_s" of signal and glove, "gesture_names" (else those of GESTURES).

    All times are on one clock. Rows of NaN are gaps. Step k ends (k + 1) * STEP_S after the first sample that
    both have; the glove is interpolated to its end, and the step belongs to the trial in whose cue it begins.
    A step is not valid where the glove's neighbouring samples are more than MAX_GAP_S apart (its flexion is
    then 0), or where a gap of the signal (0 in it) touches the MAX_GAP_S before its end.

    A channel is bad if the file says so, if its SD is below 0.01 uV (dead), or if more than 1 % of its
    samples lie at its lowest or highest value or beyond 5 mV (saturated).

    Raises
    ------
    FileNotFoundError : there is no such file.
    ValueError : naming file, value, what was expected and what to do. A glove is called misaligned that
        shares no time with the signal, or not the cues' time, or is flexed no more during cues to move than
        at other times.
    """
    path = Path(path)
    entry = _entries(path)
    eng, glove = entry["eng"], entry["glove"]
    fs, fs_glove = float(entry["fs"]), float(entry["fs_glove"])
    _check_sizes(entry, path)
    _check_rates(entry, path)
    lost, glove_lost = _gaps(eng, "eng", path), _gaps(glove, "glove", path)
    low, high = float(np.nanmin(glove)), float(np.nanmax(glove))
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ValueError(
            f"{path}: glove reaches from {low:g} to {high:g}; expected 0 (rest) to 1 (flexed): scale each "
            "degree of freedom by its own range"
        )

    # From here on, times are seconds after the first sample of eng.
    lead = float(entry["t0_glove"]) - float(entry["t0_eng"])
    per_step = round(fs * STEP_S)
    first = max(0, math.ceil(lead * fs - ROUNDING))
    start, end = first / fs, min(len(eng) / fs, lead + (len(glove) - 1) / fs_glove)
    n = math.floor((end - start) / STEP_S + ROUNDING)
    if n < WINDOW:
        raise ValueError(
            f"{path}: misaligned glove: signals from 0 to {len(eng) / fs:g} s, glove from {lead:g} to "
            f"{lead + (len(glove) - 1) / fs_glove:g} s after t0_eng; expected a common time: are t0_eng and "
            "t0_glove [s] on one clock?"
        )
    used = slice(first, first + n * per_step)
    signal, lost = eng[used].astype(np.float32), lost[used]
    signal[lost] = 0.0
    broken = lost.reshape(n, per_step).any(1)
    at_end = start + STEP_S * np.arange(1, n + 1)
    flexion, valid = _interpolate(glove, ~glove_lost, fs_glove, at_end - lead)
    valid &= np.convolve(broken, np.ones(WINDOW))[:n] == 0
    if not valid.any():
        raise ValueError(
            f"{path}: gaps leave none of {n} steps with {MAX_GAP_S:g} s of signal and a glove; expected "
            "some: leave the session out, or fill single missing samples"
        )
    names = tuple(map(_text, entry["gesture_names"])) if "gesture_names" in entry else tuple(GESTURES)
    trial = _trials(entry, names, at_end - STEP_S, path)
    _check_movement(flexion, valid, trial, entry["cue_id"], names, path)
    return NerveSession(
        name=f"{_text(entry['subject'])}, day {entry['implant_day']:g}",
        signal=signal,
        rate_hz=fs,
        glove=flexion,
        valid=valid,
        trial=trial,
        gesture=entry["cue_id"].astype(int),
        gestures=names,
        nerve=entry["nerve_of_channel"].astype(int),
        bad_channels=_bad_channels(signal[~lost], entry["bad_channels"], path),
    )


def load_db8(path: str | Path) -> NerveSession:
    """Muscles of the right forearm and a glove on the left hand, out of one file S<i>_E1_A<j>.mat of DB8.

    Krasoulis et al. 2019, doi 10.3389/fnins.2019.00891. 16 surface electrodes, sampled at 1,111 Hz; the files
    have them at 2,000 Hz, as all else, so that a step is 40 samples and nothing is resampled here: the same
    pipeline, with the band 20 to 500 Hz and no decimation. Amputees (S11, S12) have fewer electrodes; the
    rest are columns of 0, in `bad_channels`.

    Fingers are weighted sums of the glove's sensors, the paper's linear map; its common ring and little
    finger is taken apart, and thumb rotation is left out. Each is scaled to 0 and 1 by its 1st and 99th
    percentile in the file (our choice), and clipped. No movement is of the wrist: its flexion is 0.
    Trials reach from one cue to the next, so that rest is in them. Three files of a person are three
    sessions; the third is meant for tests.

    Returns
    -------
    The session; all channels are of nerve 0, since electrodes on the skin see all nerves' muscles.

    Raises
    ------
    FileNotFoundError : there is no such file.
    ValueError : damaged file; missing, not finite or misshapen arrays; a finger that does not move; more
        than half of the channels bad.
    """
    path = Path(path)
    emg, glove, stimulus = read_matlab(path, ["emg", "glove", "stimulus"], DB8)
    for name, array, columns in (("emg", emg, 16), ("glove", glove, 18), ("stimulus", stimulus, 1)):
        if array.ndim != 2 or array.shape[1] != columns:
            raise ValueError(f"{path}: {name} is {array.shape}; expected (T, {columns}): get it from {DB8}")
    lengths = [len(emg), len(glove), len(stimulus)]
    per_step = round(DB8_HZ * STEP_S)
    n = min(lengths) // per_step
    if n < WINDOW or min(lengths) < (1 - RATE_ERROR) * max(lengths):
        raise ValueError(
            f"{path}: emg, glove, stimulus have {lengths} samples; expected one length, at least "
            f"{WINDOW * per_step}, to {RATE_ERROR:.0%}: get it from {DB8}"
        )
    used = slice(n * per_step)
    cue = stimulus[used][::per_step, 0]
    if not np.isin(cue, np.arange(len(DB8_GESTURES))).all() or not cue.any():
        raise ValueError(
            f"{path}: stimulus has the values {np.unique(cue)}; expected 0 (rest) and movements, 1 to "
            f"{len(DB8_GESTURES) - 1}: is it a file of {DB8}?"
        )
    begins = (cue > 0) & (np.diff(cue, prepend=0) != 0)
    signal = (1e6 * emg[used]).astype(np.float32)  # from V
    return NerveSession(
        name=path.stem,
        signal=signal,
        rate_hz=DB8_HZ,
        glove=_fingers(glove[used][per_step - 1 :: per_step], path),
        valid=np.ones(n, bool),
        trial=np.cumsum(begins) - 1,
        gesture=cue[begins].astype(int),
        gestures=DB8_GESTURES,
        nerve=np.zeros(signal.shape[1], int),
        bad_channels=_bad_channels(signal, np.empty(0, int), path),
    )


def _entries(path: Path) -> dict[str, np.ndarray]:
    """What a session file holds, each of the right kind and number of axes."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a session file, {', '.join(SUFFIXES)}")
    try:
        if path.suffix == ".npz":
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                found: dict[str, Any] = dict(archive)
        else:
            with h5py.File(path) as file:
                sets = {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}
                found = dict(file.attrs) | sets
    except Exception as error:  # damaged bytes make the readers raise a dozen unrelated types
        raise ValueError(
            f"{path}: not readable ({type(error).__name__}: {error}); expected a whole HDF5 or .npz file, "
            f"{path.stat().st_size} bytes found: write or copy it again"
        ) from error
    missing = [name for name in ENTRIES if name not in found]
    if missing:
        raise ValueError(f"{path}: no {missing} among {sorted(found)}; expected {list(ENTRIES)}: add them")
    arrays = {}
    for name, (kinds, n_axes) in (ENTRIES | OPTIONAL).items():
        if name not in found:
            continue
        array = np.asarray(found[name])
        # An empty list is stored as floats.
        if array.ndim != n_axes or (array.size and array.dtype.kind not in kinds):
            wanted = {"f": "floats", "iuf": "numbers", "iu": "whole numbers"}.get(kinds, "text")
            raise ValueError(
                f"{path}: {name} is {array.dtype}, {array.shape}; expected {wanted} with {n_axes} axes: "
                "write it so"
            )
        if kinds == "iuf" and not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} is {array}; expected finite numbers: correct it")
        arrays[name] = array
    return arrays


def _check_sizes(entry: dict[str, np.ndarray], path: Path) -> None:
    n_channels, n_cues = entry["eng"].shape[1], len(entry["cue_id"])
    for name, expected in (
        ("glove", (len(entry["glove"]), len(DOFS))),
        ("cue_on", (n_cues,)),
        ("cue_off", (n_cues,)),
        ("nerve_of_channel", (n_channels,)),
    ):
        if entry[name].shape != expected:
            raise ValueError(
                f"{path}: {name} has the shape {entry[name].shape}; expected {expected}, for {n_channels} "
                f"channels, {n_cues} cues and {len(DOFS)} degrees of freedom: correct it"
            )
    wrong = [int(i) for i in entry["bad_channels"] if not 0 <= i < n_channels]
    if wrong:
        raise ValueError(f"{path}: bad_channels has {wrong}; expected 0 to {n_channels - 1}: correct it")


def _check_rates(entry: dict[str, np.ndarray], path: Path) -> None:
    fs, fs_glove = float(entry["fs"]), float(entry["fs_glove"])
    per_step = round(fs * STEP_S)
    if per_step < 1 or abs(fs * STEP_S - per_step) > 1e-9 * per_step:
        raise ValueError(
            f"{path}: wrong rate: fs is {fs:g} Hz, {fs * STEP_S:g} samples in a step of {STEP_S:g} s; "
            f"expected a whole number: resample to {max(per_step, 1) / STEP_S:g} Hz"
        )
    if fs_glove < 1 / MAX_GAP_S:
        raise ValueError(
            f"{path}: wrong rate: fs_glove is {fs_glove:g} Hz; expected {1 / MAX_GAP_S:g} or more: correct it"
        )
    lasts = {"eng": len(entry["eng"]) / fs, "glove": len(entry["glove"]) / fs_glove}
    lasts |= {name: float(entry[name]) for name in ("duration_s",) if name in entry}
    longest, shortest = max(lasts.values()), min(lasts.values())
    if longest - shortest > RATE_ERROR * longest + 1 / fs_glove:
        raise ValueError(
            f"{path}: wrong rate: {', '.join(f'{name} {s:.4g} s' for name, s in lasts.items())} at fs {fs:g} "
            f"and fs_glove {fs_glove:g} Hz; expected one duration, to {RATE_ERROR:.0%}: correct the rates, "
            "or cut both to one time"
        )


def _gaps(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    """(T,) whether a row is missing."""
    nan = np.isnan(array)
    gap = nan.all(1)
    n_bad = np.count_nonzero(nan.any(1) & ~gap) + np.count_nonzero(np.isinf(array).any(1))
    if n_bad or 2 * gap.sum() >= len(gap):
        raise ValueError(
            f"{path}: {name} has {n_bad} rows that are infinite or NaN in part, and {gap.sum()} rows "
            f"of NaN, of {len(gap)}; expected whole rows of NaN for gaps, less than half of all: replace "
            "what is infinite or NaN in a column alone, or leave the session out"
        )
    return gap


def _interpolate(
    glove: np.ndarray, there: np.ndarray, rate_hz: float, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The glove at times t [s] after its first sample, and whether samples are near enough to tell."""
    at = np.flatnonzero(there) / rate_hz
    after = np.clip(np.searchsorted(at, t), 1, len(at) - 1)
    slack = ROUNDING * STEP_S
    valid = (at[after] - at[after - 1] < MAX_GAP_S + slack) & (t > at[0] - slack) & (t < at[-1] + slack)
    values = np.column_stack([np.interp(t, at, one) for one in glove[there].T])
    return np.where(valid[:, None], np.clip(values, 0.0, 1.0), 0.0), valid


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) else value
    return value.decode() if isinstance(value, bytes) else str(value)


def _trials(
    entry: dict[str, np.ndarray], names: tuple[str, ...], begins: np.ndarray, path: Path
) -> np.ndarray:
    """(n,) the cue in which each step begins, or -1."""
    cue, on, off = (entry[name] for name in ("cue_id", "cue_on", "cue_off"))
    if not len(cue) or min(cue) < 0 or max(cue) >= len(names):
        raise ValueError(
            f"{path}: cue_id has the values {np.unique(cue)}; expected at least one cue, 0 to "
            f"{len(names) - 1} for {', '.join(names)}: correct it, or add gesture_names"
        )
    on, off = on - float(entry["t0_eng"]), off - float(entry["t0_eng"])
    wrong = np.flatnonzero((off <= on) | (on < np.r_[-np.inf, off[:-1]] - ROUNDING * STEP_S))
    if len(wrong):
        raise ValueError(
            f"{path}: cues {wrong} end before they begin, or begin before the last one ends; expected "
            "cue_on < cue_off <= the next cue_on [s]: sort or correct them"
        )
    first, last = begins[0], begins[-1] + STEP_S
    outside = np.flatnonzero((on < first - MAX_GAP_S) | (off > last + MAX_GAP_S))
    if len(outside):
        raise ValueError(
            f"{path}: misaligned glove: cues {outside} lie outside of the time that signals and glove share, "
            f"{first:.3f} to {last:.3f} s after t0_eng; expected all inside: are t0_eng, t0_glove and cues "
            "on one clock? Else drop those cues"
        )
    slack = ROUNDING * STEP_S
    trial = np.searchsorted(on - slack, begins, side="right") - 1
    return np.where((trial >= 0) & (begins < off[trial] - slack), trial, -1)


def _check_movement(
    flexion: np.ndarray,
    valid: np.ndarray,
    trial: np.ndarray,
    cue: np.ndarray,
    names: tuple[str, ...],
    path: Path,
) -> None:
    """Refuse a hand that is flexed no more when asked to move than else, where there are both."""
    asked = (trial >= 0) & (np.array(names)[cue[trial]] != "rest")
    inside, outside = flexion[valid & asked], flexion[valid & ~asked]
    if inside.size and outside.size and inside.mean() <= outside.mean():
        raise ValueError(
            f"{path}: misaligned glove: mean flexion is {inside.mean():.3f} during cues to move and "
            f"{outside.mean():.3f} at other times; expected more during cues: correct t0_glove or the cues' "
            "times, or turn the glove round if 1 is rest in it"
        )


def _bad_channels(signal: np.ndarray, listed: np.ndarray, path: Path) -> tuple[int, ...]:
    """Dead, saturated and listed channels, unless they are most."""
    faults: dict[str, list[int]] = {"dead": [], "saturated": [], "listed": [int(i) for i in listed]}
    for channel, x in enumerate(signal.T):
        stuck = (x == x.min()) | (x == x.max()) | (np.abs(x) > LIMIT_UV)
        if x.std(dtype=float) < DEAD_UV:
            faults["dead"].append(channel)
        elif stuck.mean() > STUCK:
            faults["saturated"].append(channel)
    bad = sorted(set().union(*faults.values()))
    if 2 * len(bad) > signal.shape[1]:
        raise ValueError(
            f"{path}: {len(bad)} of {signal.shape[1]} channels are bad: "
            f"{', '.join(f'{channels} {fault}' for fault, channels in faults.items() if channels)}; expected "
            "at most half: are signals in uV (V in DB8)? Else leave the session out"
        )
    return tuple(bad)


def _fingers(glove: np.ndarray, path: Path) -> np.ndarray:
    """(n, 6) flexion, 0 to 1, of the 18 sensors (n, 18) of DB8."""
    flexion = np.zeros((len(glove), len(DOFS)))
    for finger, weights in enumerate(DB8_FINGERS):
        angle = glove[:, list(weights)] @ list(weights.values())
        low, high = np.percentile(angle, (1, 99))
        if low == high:
            raise ValueError(
                f"{path}: glove sensors {list(weights)} ({DOFS[finger]}) stay at {low:g}; expected angles "
                f"that change: get the file again from {DB8}"
            )
        flexion[:, finger] = np.clip((angle - low) / (high - low), 0.0, 1.0)
    return flexion
