"""MEG of people who listened to four stories twice (MEG-MASC: Gwilliams et al., Sci Data 2023).

The data set's layout is taken from public descriptions and readers of it: we had no copy.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

import mne
import mne_bids
import numpy as np
import pandas as pd

from crossroads.data.listening import SOUND_HZ, Recording, Story
from crossroads.data.sampling import read_resampled, read_sound, resampling
from crossroads.data.sensor_arrays import flat_layout, sphere_centre

SOURCE = "doi 10.1038/s41597-023-02752-5 (OSF ag3kj, h2tzn, u5327)"
RATE_HZ = 1000
SESSIONS, TASKS = ("0", "1"), ("0", "1", "2", "3")
# Kinds of events, and what each must tell.
FIELDS = {"sound": ("sound",), "word": ("word", "sound", "start"), "phoneme": ("phoneme", "sound")}
NOT_WORDS = "pseudo_words"  # a condition whose rows repeat the place of a real word
NEAR_S = 0.1  # by which times that belong together may differ
FULL_STOP = r"[.!?][\"'’”)]*$"
PUNCTUATION = '.,;:!?"()“”'


class _Run(NamedTuple):
    """One recording's file, and its events: `kind`, `onset_s` in the recording, `duration_s`, `start_s` in
    the sound, `sound`, `text`, `condition`, `sequence`, `index`; and where each sound begins [s].
    """

    path: mne_bids.BIDSPath
    events: pd.DataFrame
    begin: pd.Series


def load_cohort(folder: Path, rate_hz: float = 120.0) -> tuple[Story, list[Recording]]:
    """The stories, one after another, and all recordings of them that are in a BIDS folder.

    Parameters
    ----------
    folder : `sub-XX/ses-{0,1}/meg/*_task-{0..3}_meg.con` with the `*_events.tsv` beside them, and
        `stimuli/audio/*.wav`. A file that MNE wrote (.fif) will do for a .con.
    rate_hz : of the recordings returned; 120 in the paper, where all 56 h take 20 GB (8 at 50 Hz).

    Returns
    -------
    The story: the sounds one after another, by task and by their order in it. A sentence is a run of words
    with one `sequence_id` and `condition` and a rising `word_index`; where events have neither, it ends with
    a full stop. It lasts from its first word's onset to its last word's end. Words have the columns
    `condition` ("sentence", or "word_list": words in random order) and `part`, which numbers the sounds;
    punctuation is cut off.
    Events of a sound are those of the recording that has most words of it. Phonemes are named without their
    place in the word.
    The recordings [T], one a task, session "0, task 2"; all MEG channels but the reference ones, sorted by
    name. A sentence whose first word is not among a recording's events was not heard in it.

    Raises
    ------
    FileNotFoundError : no recordings, or sounds or events that are missing.
    ValueError : damaged files, events that are no dict of literals (nothing in them is ever run), events
        beyond the recording or out of step with their sound, a sampling rate other than 1000 Hz, channels
        without position, NaN; each with the file and what to do.
    """
    folder = Path(folder)
    resampling(RATE_HZ, rate_hz)
    runs = _runs(folder)
    story, sentences = _story(folder / "stimuli" / "audio", runs)
    return story, [_recording(run, sentences, rate_hz) for run in runs]


def load_story(folder: Path) -> Story:
    """The stories of `load_cohort` alone; errors as there."""
    folder = Path(folder)
    return _story(folder / "stimuli" / "audio", _runs(folder))[0]


def parse_event(text: str) -> dict[str, Any]:
    """The dict that an event's text is the Python literal of; names, calls and operators are not run.

    Raises
    ------
    ValueError : anything but a dict of literals with a `kind` of FIELDS and that kind's fields.
    """
    try:
        event = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        event = None
    kind = event.get("kind") if isinstance(event, dict) else None
    if not isinstance(kind, str) or not set(FIELDS.get(kind, ("?",))) <= set(event):
        raise ValueError(
            f"{text[:200]!r} is no event; expected a dict of literals whose kind is one of these, with their "
            f"fields: {FIELDS}"
        )
    return event


def _runs(folder: Path) -> list[_Run]:
    paths = mne_bids.find_matching_paths(
        folder, sessions=SESSIONS, tasks=TASKS, datatypes="meg", suffixes="meg", extensions=[".con", ".fif"]
    )
    if not paths:
        raise FileNotFoundError(
            f"{folder}: no sub-XX/ses-0/meg/sub-XX_ses-0_task-0_meg.con or the like; get them from {SOURCE}"
        )
    return [_read_events(path) for path in sorted(paths, key=lambda path: str(path.fpath))]


def _read_events(path: mne_bids.BIDSPath) -> _Run:
    file = path.copy().update(suffix="events", extension=".tsv").fpath
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; get it from {SOURCE}")
    table = pd.read_csv(file, sep="\t", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    missing = {"onset", "duration", "trial_type"} - set(table)
    if missing:
        raise ValueError(f"{file}: no column {sorted(missing)}, found {list(table)}; get it from {SOURCE}")
    rows = []
    for number, (onset, duration, text) in enumerate(
        zip(table.onset, table.duration, table.trial_type, strict=True), start=2
    ):
        try:
            event = parse_event(text)
            rows.append(
                {
                    "kind": event["kind"],
                    "onset_s": float(onset),
                    "duration_s": float(duration),
                    "start_s": float(event.get("start", 0)),
                    "sound": re.sub(r"\.0\.wav$", ".wav", str(event["sound"]).rsplit("/", 1)[-1].lower()),
                    "text": str(event.get(event["kind"])),
                    "condition": str(event.get("condition", "")),
                    "sequence": float(event.get("sequence_id", np.nan)),
                    "index": float(event.get("word_index", np.nan)),
                }
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}, row {number}: {error}: fetch it again from {SOURCE}") from error
    events = pd.DataFrame(rows)
    if events.empty or not (events.kind == "word").any():
        raise ValueError(f"{file}: {len(events)} events and no word among them: fetch it again from {SOURCE}")
    bad = ~np.isfinite(events[["onset_s", "duration_s", "start_s"]]).all(axis=1)
    # Words and the sound itself tell where a sound begins in the recording; phonemes may count from anywhere.
    begin = (events.onset_s - events.start_s)[events.kind != "phoneme"]
    middle = begin.groupby(events.sound).median()
    bad |= (begin - events.sound.map(middle)).abs().reindex(events.index) > NEAR_S
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{file}, row {row + 2}: {rows[row]}; expected finite times, by which its sound begins at "
            f"{middle.get(rows[row]['sound'])} s of the recording, as by the other words: fetch it again "
            f"from {SOURCE}"
        )
    events = events[events.condition != NOT_WORDS].sort_values("onset_s", kind="stable", ignore_index=True)
    return _Run(path, events, middle)


def _story(folder: Path, runs: list[_Run]) -> tuple[Story, pd.DataFrame]:
    """The story, and a row a sentence: its `sound`, and where in it the sentence begins [s]."""
    best: dict[str, tuple[str, float, pd.DataFrame]] = {}
    for run in runs:
        for name, events in run.events.groupby("sound"):
            n_words = (events.kind == "word").sum()
            if n_words > ((best[name][2].kind == "word").sum() if name in best else 0):
                best[name] = (run.path.task, run.begin[name], events)
    files = {path.name.lower(): path for path in folder.glob("*.[wW][aA][vV]")}
    missing = sorted(set(best) - set(files))
    if missing:
        raise FileNotFoundError(
            f"{folder}: no {', '.join(missing)}, which the events name; found {sorted(files)}: get stimuli "
            f"from {SOURCE}"
        )
    sounds, words, phonemes, shift = [], [], [], 0.0
    for name in sorted(best, key=lambda name: best[name][:2]):
        _, begin, events = best[name]
        sound = read_sound(files[name], SOURCE)
        length = len(sound) / SOUND_HZ
        said, symbols = events[events.kind == "word"], events[events.kind == "phoneme"]
        late = said.start_s + said.duration_s > length + NEAR_S
        if late.any() or (said.start_s < 0).any():
            raise ValueError(
                f"{files[name]}: lasts {length:.3f} s, but words of it begin from {said.start_s.min():.3f} s "
                f"and end to {(said.start_s + said.duration_s).max():.3f} s: is it cut short? Get it from "
                f"{SOURCE}"
            )
        words.append(said.assign(onset_s=said.start_s + shift, limit=shift + length))
        phonemes.append(symbols.assign(onset_s=symbols.onset_s - begin + shift))
        sounds.append(sound)
        shift += length
    told = pd.concat(words, ignore_index=True).sort_values("onset_s", kind="stable", ignore_index=True)
    sentence = (_begins_sentence(told).cumsum() - 1).to_numpy()
    grouped = told.assign(end=told.onset_s + told.duration_s).groupby(sentence)
    start = grouped.onset_s.min().to_numpy()
    following = np.append(start[1:], np.inf)
    end = np.minimum(np.minimum(grouped.end.max(), grouped.limit.first()), following).to_numpy()
    table = told[["onset_s", "duration_s", "condition"]].assign(
        word=told.text.str.strip(PUNCTUATION), sentence=sentence, part=pd.factorize(told["sound"])[0]
    )
    heard = pd.concat(phonemes, ignore_index=True)
    symbols = heard[["onset_s", "duration_s"]].assign(symbol=heard.text.str.split("_").str[0])
    sentences = pd.DataFrame({"sound": grouped.sound.first(), "start": grouped.start_s.first()})
    story = Story(np.concatenate(sounds), np.column_stack([start, end]), table, symbols)
    return story, sentences


def _begins_sentence(words: pd.DataFrame) -> pd.Series:
    before = words.shift()
    new = (words.sound != before.sound) | (words.condition != before.condition)
    new |= (words.sequence != before.sequence) & words.sequence.notna()
    new |= words["index"] <= before["index"]
    unnumbered = words.sequence.isna() & words["index"].isna()
    return new | (unnumbered & before.text.str.contains(FULL_STOP, na=False))


def _recording(run: _Run, sentences: pd.DataFrame, rate_hz: float) -> Recording:
    file = run.path.fpath
    try:
        raw = mne_bids.read_raw_bids(run.path, verbose="error")
    except Exception as error:  # damaged bytes make MNE raise several unrelated types
        raise _damaged(file, error) from error
    rate, length_s = raw.info["sfreq"], raw.n_times / raw.info["sfreq"]
    if rate != RATE_HZ:
        raise ValueError(
            f"{file}: recorded at {rate} Hz, expected {RATE_HZ} Hz: fetch the original from {SOURCE}"
        )
    names = sorted(raw.ch_names[i] for i in mne.pick_types(raw.info, meg=True, ref_meg=False, exclude=()))
    place = {channel["ch_name"]: channel["loc"][:3] for channel in raw.info["chs"]}
    positions = np.array([place[name] for name in names]).reshape(-1, 3)
    lost = [n for n, p in zip(names, positions, strict=True) if not np.isfinite(p).all() or not p.any()]
    if lost or not names:
        raise ValueError(
            f"{file}: {len(names)} MEG channels, without a position {lost}; expected 208, each with its "
            f"place in the file: fetch the original from {SOURCE}"
        )
    events = run.events
    end = events.onset_s + events.duration_s.where(events.kind != "sound", 0)
    beyond = (events.onset_s < 0) | (end > length_s)
    if beyond.any():
        row = events[beyond].iloc[0]
        raise ValueError(
            f"{file}: lasts {length_s:.3f} s, but the {row.kind} {row.text!r} is at {row.onset_s:.3f} s and "
            f"lasts {row.duration_s:.3f} s: is it cut short? Fetch it and its events again from {SOURCE}"
        )
    try:
        x = read_resampled(raw, names, rate_hz)
    except Exception as error:  # a file that is cut off may be noticed only here
        raise _damaged(file, error) from error
    bad = [name for name, row in zip(names, x, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise ValueError(
            f"{file}: NaN or infinite values in the channels {bad}; expected none: fetch it again"
        )
    words = events[events.kind == "word"]
    starts = {name: table.start_s.to_numpy() for name, table in words.groupby("sound")}
    heard = [
        np.isclose(starts.get(name, np.zeros(0)), start, rtol=0, atol=1e-3).any()
        for name, start in zip(sentences["sound"], sentences.start, strict=True)
    ]
    onset = (sentences["sound"].map(run.begin) + sentences.start).where(heard)
    return Recording(
        x=x,
        sfreq=rate_hz,
        kind="meg",
        xy=flat_layout(positions, sphere_centre(positions)),
        subject=run.path.subject,
        session=f"{run.path.session}, task {run.path.task}",
        sentence_onset_s=onset.to_numpy(float),
        names=tuple(names),
    )


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path}: not readable ({type(error).__name__}: {error}); {path.stat().st_size} bytes found, "
        f"expected a whole file: fetch it again from {SOURCE}"
    )
