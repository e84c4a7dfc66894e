"""EEG of people who listened to the first chapter of Alice in Wonderland (Brennan & Hale, PLoS ONE 2019).

Two releases are read: the authors' MATLAB files (doi 10.7302/Z29C6VNH), and these as MNE files, cleaned by
Brodbeck et al. (doi 10.13016/pulf-lndn). Their layout is taken from public descriptions: we had the table of
words, but no copy of a recording.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve, resample_poly

from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.data.sampling import read_resampled, read_sound, resampling
from crossroads.data.sensor_arrays import sensor_array
from crossroads.data.spoken_stories import read_word_table

SOURCE = "doi 10.7302/Z29C6VNH (.mat) or doi 10.13016/pulf-lndn (.fif)"
RATE_HZ = 500
# Nine that Défossez et al. 2023 leave out, and seven that the data set has no preprocessing of; 33 remain,
# as in their Table 1. Which seven is inferred: a public reader's list lacks them. By the list that the MNE
# release was made from, it holds 29 of the 33.
EXCLUDED = (2, 24, 26, 27, 30, 32, 34, 35, 36, 28, 29, 31, 33, 46, 47, 49)
SUBJECTS = tuple(f"S{i:02d}" for i in range(1, 50) if i not in EXCLUDED)
SOUND_CHANNELS = ("AUD", "Aux5")  # what was heard, recorded along with the EEG
OTHER_CHANNELS = (*SOUND_CHANNELS, "VEOG", "29")  # 29 is the reference, which only the MNE release keeps
MICROVOLT = 1e-6
SMOOTH_S = 0.02  # of envelopes that are compared
LEAST_CORRELATION = 0.3  # of envelopes where a segment is found
MOST_SPREAD_S = 0.05  # of the places of a segment's beginning that its words give


def load_cohort(folder: Path, rate_hz: float = 120.0) -> tuple[Story, list[Recording]]:
    """The story and all the recordings of SUBJECTS that are in a folder.

    Parameters
    ----------
    folder : `AliceChapterOne-EEG.csv`, `audio/*1.wav` ... `*12.wav`, and `Sxx.mat` with `proc/Sxx.mat`;
        or, as the MNE release is packed, `stimuli/` with table and sounds and `*/Sxx/Sxx_alice-raw.fif`
        at any depth. Where a subject has no `proc/Sxx.mat`, segments are found by the sound in the recording.
    rate_hz : of the recordings returned; 120 in the paper. 33 recordings of 12.4 min take 0.7 GB.

    Returns
    -------
    The story: the segments' sounds one after another. A sentence lasts from its first word's onset to its
    last word's end. One that goes on in the next segment is cut there, which makes 90 of 84: the pause
    between segments is in the recordings only. Words have a column `part`, the segment's number, beside
    those of `read_word_table`.
    The recordings [V], 60 channels in the order of the array easycap-60. Nothing is filtered or
    cleaned here.

    Raises
    ------
    FileNotFoundError : table, sounds or recordings that are missing.
    ValueError : damaged files, a sampling rate other than 500 Hz, channels that are unknown or missing, NaN,
        words beyond their sound, segments beyond the recording; each with the file and what to do.
    """
    folder = Path(folder)
    resampling(RATE_HZ, rate_hz)
    table, sounds = _stimuli(folder)
    story, segments = _story(table, sounds)
    files = {path.stem: path for path in folder.glob("S??.mat")}
    files = files or {path.name[:3]: path for path in folder.rglob("S??_alice-raw.fif")}
    subjects = [name for name in SUBJECTS if name in files]
    if not subjects:
        raise FileNotFoundError(
            f"{folder}: no Sxx.mat and no Sxx_alice-raw.fif of a subject that is used ({SUBJECTS[0]}, "
            f"{SUBJECTS[1]}, ...); get them from {SOURCE}"
        )
    return story, [_recording(files[name], name, story, segments, sounds, rate_hz) for name in subjects]


def load_story(folder: Path) -> Story:
    """The story of `load_cohort` alone; errors as there."""
    return _story(*_stimuli(Path(folder)))[0]


def find_segments(heard: np.ndarray, rate_hz: float, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Where sounds begin in a recorded channel [s], and how well each fits there: (n_sounds, 2).

    The place of each is the one where envelopes correlate best, the channel's taken over the sound's length.

    Parameters
    ----------
    heard : (n,) channel that a microphone or the loudspeaker's wire was on; its unit and sign do not matter.
    rate_hz : of that channel. sounds : each (m,) at SOUND_HZ, shorter than the channel.

    Returns
    -------
    A row a sound: seconds from the channel's first sample, and Pearson's correlation.
    """
    width = max(1, round(SMOOTH_S * rate_hz))
    ratio = Fraction(rate_hz / SOUND_HZ).limit_denominator(SOUND_HZ)
    channel = uniform_filter1d(np.abs(heard - np.median(heard)), width)
    channel = channel - channel.mean()
    found = []
    for sound in sounds:
        envelope = uniform_filter1d(resample_poly(np.abs(sound), ratio.numerator, ratio.denominator), width)
        envelope = envelope - envelope.mean()
        ones = np.ones(len(envelope))
        product = fftconvolve(channel, envelope[::-1], "valid")
        power = fftconvolve(channel**2, ones, "valid") - fftconvolve(channel, ones, "valid") ** 2 / len(ones)
        # Where the channel is silent, rounding may leave less than nothing.
        power = np.maximum(power, 1e-6 * power.max())
        correlation = product / np.sqrt(power * (envelope**2).sum() + np.finfo(float).tiny)
        best = int(correlation.argmax())
        found.append((best / rate_hz, correlation[best]))
    return np.array(found)


def _stimuli(folder: Path) -> tuple[Path, dict[int, np.ndarray]]:
    """The table of words, and the sounds of its segments."""
    stimuli = folder / "stimuli" if (folder / "stimuli").is_dir() else folder / "audio"
    tables = [path / "AliceChapterOne-EEG.csv" for path in (folder, stimuli)]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise FileNotFoundError(f"{tables[0]}: no such file; get it from {SOURCE}")
    return table, _sounds(stimuli, table)


def _sounds(folder: Path, table: Path) -> dict[int, np.ndarray]:
    """Sounds of the segments that the table of words names."""
    words = pd.read_csv(table, encoding="latin-1")
    wanted = sorted(set(words.get("Segment", pd.Series(dtype=int)).dropna().astype(int)))
    numbers = {path: re.search(r"(\d+)\.wav$", path.name) for path in sorted(folder.glob("*.wav"))}
    paths = {int(number[1]): path for path, number in numbers.items() if number}
    missing = [segment for segment in wanted if segment not in paths]
    if missing:
        raise FileNotFoundError(
            f"{folder}: no sound of segments {missing}, found {[path.name for path in paths.values()]}; "
            f"expected a wav file whose name ends in the number of each: get audio.zip from {SOURCE}"
        )
    return {segment: read_sound(paths[segment], SOURCE) for segment in wanted}


def _story(path: Path, sounds: dict[int, np.ndarray]) -> tuple[Story, pd.DataFrame]:
    """The story, and a row a sentence: its `segment`, and where in it the sentence begins and ends [s]."""
    words = read_word_table(path)
    table = pd.read_csv(path, encoding="latin-1")
    length = {segment: len(sound) / SOUND_HZ for segment, sound in sounds.items()}
    late = table.offset > table.Segment.map(length) + 1e-3
    if late.any():
        row = table[late].iloc[0]
        raise ValueError(
            f"{path}: the word {row.Word!r} ends at {row.offset:.3f} s of segment {row.Segment}, whose sound "
            f"lasts {length[row.Segment]:.3f} s: is it the sound of another segment?"
        )
    # A sentence is one within a segment.
    sentence = pd.factorize(pd.MultiIndex.from_frame(table[["Segment", "Sentence"]]))[0]
    grouped = table.groupby(sentence)
    sentences = pd.DataFrame(
        {"segment": grouped.Segment.first(), "start": grouped.onset.min(), "end": grouped.offset.max()}
    )
    begins = dict(zip(length, np.cumsum([0, *length.values()]), strict=False))
    shift = sentences.segment.map(begins).to_numpy()
    start = sentences.start.to_numpy() + shift
    # Words overlap in the table by up to 46 ms.
    end = np.minimum(sentences.end.to_numpy() + shift, np.append(start[1:], np.inf))
    words = words.assign(
        onset_s=table.onset + table.Segment.map(begins), sentence=sentence, part=table.Segment
    )
    nothing = pd.DataFrame({"symbol": [], "onset_s": [], "duration_s": []})
    sound = np.concatenate(list(sounds.values()))
    return Story(sound, np.column_stack([start, end]), words, nothing), sentences


def _recording(
    path: Path,
    subject: str,
    story: Story,
    sentences: pd.DataFrame,
    sounds: dict[int, np.ndarray],
    rate_hz: float,
) -> Recording:
    array = sensor_array("easycap-60")
    raw = _read_mat(path) if path.suffix == ".mat" else _read_fif(path)
    rate, length_s = raw.info["sfreq"], raw.n_times / raw.info["sfreq"]
    if rate != RATE_HZ:
        raise ValueError(f"{path}: recorded at {rate} Hz, expected {RATE_HZ} Hz: fetch the original file")
    unknown = [name for name in raw.ch_names if name not in (*array.names, *OTHER_CHANNELS)]
    missing = [name for name in array.names if name not in raw.ch_names]
    if unknown or missing:
        raise ValueError(
            f"{path}: channels without a position {unknown}, channels that are missing {missing}; expected "
            f"the electrodes 1 to 61 without 29, and of others only {', '.join(OTHER_CHANNELS)}: rename or "
            "drop them"
        )
    onset = _onsets(path, raw, sounds) if path.suffix == ".mat" else _annotated_onsets(path, raw)
    try:
        x = read_resampled(raw, array.names, rate_hz)
    except Exception as error:  # a file that is cut off may be noticed only here
        raise _damaged(path, error) from error
    bad = [name for name, row in zip(array.names, x, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise ValueError(f"{path}: NaN or infinite values in the channels {bad}; fetch it again")
    onset_s = sentences.segment.map(onset).to_numpy(float)
    end_s = onset_s + sentences.end
    for i in np.flatnonzero((onset_s < 0) | (end_s > length_s))[:1]:
        raise ValueError(
            f"{path}: segment {sentences.segment[i]} begins at {onset_s[i]:.3f} s, so that sentence {i} "
            f"lasts to {end_s[i]:.3f} s, but the recording has {length_s:.3f} s: is the file cut short?"
        )
    return Recording(
        x=x,
        sfreq=rate_hz,
        kind="eeg",
        xy=array.xy,
        subject=subject,
        session="0",
        sentence_onset_s=onset_s + sentences.start.to_numpy(),
        names=array.names,
    )


def _read_mat(path: Path) -> mne.io.BaseRaw:
    """FieldTrip's struct `raw` [microvolt]."""
    raw = _struct(path, "raw", ("label", "trial", "fsample"))
    labels = [str(name) for name in np.atleast_1d(raw["label"])]
    trial = np.asarray(raw["trial"])
    if trial.ndim != 2 or len(trial) != len(labels) or trial.dtype.kind not in "if":
        raise ValueError(
            f"{path}: raw.trial is {trial.dtype} of shape {trial.shape} with {len(labels)} labels; expected "
            "one cell with a row a label: fetch the original, which is one continuous trial"
        )
    return mne.io.RawArray(trial * MICROVOLT, mne.create_info(labels, float(raw["fsample"])), verbose="error")


def _read_fif(path: Path) -> mne.io.BaseRaw:
    try:
        return mne.io.read_raw_fif(path, verbose="error")
    except Exception as error:  # damaged bytes make MNE raise several unrelated types
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path}: not readable ({type(error).__name__}: {error}); {path.stat().st_size} bytes found, "
        f"expected a whole file: fetch it again from {SOURCE}"
    )


def _struct(path: Path, name: str, fields: Sequence[str]) -> dict[str, Any]:
    try:
        content = loadmat(path, variable_names=[name], simplify_cells=True).get(name)
    except Exception as error:  # damaged bytes make scipy raise a dozen unrelated types
        raise _damaged(path, error) from error
    found = sorted(content) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not set(fields) <= set(content):
        raise ValueError(
            f"{path}: expected the struct {name!r} with the fields {list(fields)}, found {found}: is it "
            f"another file, or cut short? The original: {SOURCE}"
        )
    return content


def _onsets(path: Path, raw: mne.io.BaseRaw, sounds: dict[int, np.ndarray]) -> dict[int, float]:
    """Where segments begin in the recording [s], by the table of trials or else by the sound."""
    table = path.parent / "proc" / path.name
    if table.is_file():
        return _tabled_onsets(table)
    channel = next((name for name in SOUND_CHANNELS if name in raw.ch_names), None)
    if channel is None:
        raise FileNotFoundError(
            f"{table}: no such file, and {path.name} has no channel {' or '.join(SOUND_CHANNELS)} to find "
            f"the segments by; get proc.zip from {SOURCE}"
        )
    found = find_segments(raw.get_data(channel)[0], RATE_HZ, list(sounds.values()))
    order = np.diff(found[:, 0]) < [len(sound) / SOUND_HZ for sound in list(sounds.values())[:-1]]
    if (found[:, 1] < LEAST_CORRELATION).any() or order.any():
        raise ValueError(
            f"{path}: the channel {channel} tells not where the segments begin: best places "
            f"{found[:, 0].round(2).tolist()} s, correlations {found[:, 1].round(2).tolist()}; expected "
            f"places in order and correlations of at least {LEAST_CORRELATION}: get proc.zip from {SOURCE}"
        )
    return dict(zip(sounds, found[:, 0].tolist(), strict=True))


def _tabled_onsets(path: Path) -> dict[int, float]:
    """From proc.trl: a row a word, with first sample, last sample, samples before the word's onset
    (negative), segment, the word's onset in it [s], and its number in the story.
    """
    proc = _struct(path, "proc", ("trl", "varnames"))
    table = np.atleast_2d(np.asarray(proc["trl"], float))
    columns = ["first", "last", "before", *np.atleast_1d(proc["varnames"])]
    if table.shape[1] != len(columns) or not {"segment", "tmin"} <= set(columns):
        raise ValueError(
            f"{path}: proc.trl has {table.shape[1]} columns for {columns}; expected segment and tmin among "
            f"them, and a column a name: fetch it again from {SOURCE}"
        )
    words = pd.DataFrame(table, columns=columns)
    # FieldTrip counts samples from 1.
    onset = (words["first"] - 1 - words.before) / RATE_HZ - words.tmin
    grouped = onset.groupby(words.segment)
    spread = grouped.max() - grouped.min()
    if not np.isfinite(table).all() or (spread > MOST_SPREAD_S).any():
        raise ValueError(
            f"{path}: by its words, segments begin at places that differ by up to {spread.max():.3f} s; "
            f"expected finite numbers and at most {MOST_SPREAD_S} s: fetch it again from {SOURCE}"
        )
    return {int(segment): place for segment, place in grouped.median().items()}


def _annotated_onsets(path: Path, raw: mne.io.BaseRaw) -> dict[int, float]:
    """From the annotations 1 to 12 of the MNE release."""
    # They count from the beginning of the session, of which a file may start later.
    pairs = zip(raw.annotations.description, raw.annotations.onset - raw.first_time, strict=True)
    onset = {int(text): float(at) for text, at in pairs if text.isdigit()}
    if not onset:
        raise ValueError(
            f"{path}: annotations {sorted(set(raw.annotations.description))}; expected the numbers of the "
            f"segments, at their beginnings: fetch the file again from {SOURCE}"
        )
    return onset
