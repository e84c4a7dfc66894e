"""What was heard and what was recorded meanwhile: the containers of every listening experiment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

SOUND_HZ = 16_000  # of every story's sound
WORD_COLUMNS = ("word", "onset_s", "duration_s", "sentence")
UNITS = {"meg": "tesla", "eeg": "volt"}


@dataclass(frozen=True, eq=False)  # equal to itself only, so that what follows from it can be kept
class Story:
    """One line of sound, cut into sentences; its times are the story's own, and start at 0.

    sound : (n_samples,) float32 at SOUND_HZ, sentences one after another.
    sentence_s : (n_sentences, 2) start and end of each sentence [s]; they follow each other without overlap.
    words : a row a word in order of onset, with the columns of WORD_COLUMNS (sentence: its index) and, where
        known, `log_frequency` (log10 per million words), `surprisal` (bits), `part_of_speech`, `meaning`.
        A column `part` (int) numbers the parts between which the recordings pause; without it, there is one.
    phonemes : a row a phoneme: `symbol`, `onset_s`, `duration_s`; empty where unknown.

    Raises
    ------
    ValueError : times that run backwards or beyond the sound, a missing column, a word outside its sentence
        or of a sentence that is not there, a sentence of several parts.
    """

    sound: np.ndarray
    sentence_s: np.ndarray
    words: pd.DataFrame
    phonemes: pd.DataFrame

    def __post_init__(self) -> None:
        missing = [name for name in WORD_COLUMNS if name not in self.words]
        if missing:
            raise ValueError(f"the words of a story have no column {missing}; needed: {list(WORD_COLUMNS)}")
        edges = self.sentence_s.ravel()
        if self.sound.ndim != 1 or self.sentence_s.shape[1:] != (2,) or len(edges) == 0:
            raise ValueError(
                f"sound {self.sound.shape} and sentences {self.sentence_s.shape}; expected (n,) and (m, 2)"
            )
        length = len(self.sound) / SOUND_HZ
        if not (np.diff(edges, prepend=0) >= 0).all():
            raise ValueError("the sentences of a story must follow each other, from 0 s on")
        if edges[-1] > length + 1e-3:
            raise ValueError(f"sentences end at {edges[-1]:.3f} s, beyond the sound of {length:.3f} s")
        onset, sentence = self.words.onset_s.to_numpy(), self.words.sentence.to_numpy()
        if not np.isin(sentence, range(len(self.sentence_s))).all():
            raise ValueError(
                f"words of sentences {pd.unique(sentence)}; there are 0 to {len(edges) // 2 - 1}"
            )
        start, end = self.sentence_s[sentence.astype(int)].T
        if (np.diff(onset) < 0).any() or not ((onset >= start - 1e-3) & (onset <= end)).all():
            raise ValueError("words must be in order of onset, each within its sentence")
        if "part" in self.words:
            n_parts = self.words.groupby("sentence").part.nunique()
            if (n_parts > 1).any():
                raise ValueError(
                    f"sentence {n_parts.idxmax()} has words of several parts; cut it between them"
                )

    def sentence_texts(self) -> list[str]:
        """Words of every sentence, joined by blanks, in lower case."""
        joined = self.words.groupby("sentence").word.agg(" ".join).str.lower()
        return joined.reindex(range(len(self.sentence_s)), fill_value="").tolist()

    def sentence_parts(self) -> np.ndarray:
        """Part of every sentence, (n_sentences,); one without words belongs to the part before it."""
        if "part" not in self.words:
            return np.zeros(len(self.sentence_s), int)
        part = self.words.groupby("sentence").part.first().reindex(range(len(self.sentence_s)))
        return part.ffill().bfill().to_numpy(int)


@dataclass(frozen=True)
class Recording:
    """One person listening once.

    x : (n_channels, n_samples) float32 [T for "meg", V for "eeg"].
    sfreq : samples a second [Hz].
    kind : "meg" or "eeg".
    xy : (n_channels, 2) flat layout of the sensors, each axis from 0 to 1.
    subject, session : names; a session that was recorded in pieces has "session, piece" for each.
    sentence_onset_s : (n_sentences,) when each of the story's sentences begins in x [s]; NaN: not heard.
    names : of the channels.

    Raises
    ------
    ValueError : shapes that do not fit, NaN in x, a channel without position, a sampling rate that is not
        positive, or sentences that begin outside the recording.
    """

    x: np.ndarray
    sfreq: float
    kind: str
    xy: np.ndarray
    subject: str
    session: str
    sentence_onset_s: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        where = f"recording of subject {self.subject}, session {self.session}"
        if self.kind not in UNITS:
            raise ValueError(f"{where}: kind {self.kind!r}; known are {list(UNITS)}")
        if self.x.ndim != 2 or len(self.names) != len(self.x) or not self.sfreq > 0:
            raise ValueError(f"{where}: x {self.x.shape} at {self.sfreq} Hz with {len(self.names)} names")
        if self.xy.shape != (len(self.x), 2) or not np.isfinite(self.xy).all():
            bad = [n for n, p in zip(self.names, self.xy, strict=False) if not np.isfinite(p).all()]
            raise ValueError(f"{where}: every channel needs a position; without one: {bad or self.xy.shape}")
        if not np.isfinite(self.x).all():
            bad = [n for n, row in zip(self.names, self.x, strict=True) if not np.isfinite(row).all()]
            raise ValueError(f"{where}: NaN or infinite values in {bad}")
        heard = self.sentence_onset_s[np.isfinite(self.sentence_onset_s)]
        length = self.x.shape[1] / self.sfreq
        if len(heard) == 0 or heard.min() < 0 or heard.max() > length:
            raise ValueError(f"{where}: sentences must begin within its {length:.1f} s; they do at {heard}")
