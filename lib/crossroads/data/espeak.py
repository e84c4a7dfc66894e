"""A voice with exact times: espeak-ng (GPL-3, called at run time only) from the wheel espeakng_loader."""

from __future__ import annotations

import _ctypes
import ctypes
from dataclasses import dataclass
from functools import cache
from string import punctuation

import numpy as np
import pandas as pd
from scipy.signal import firwin, resample_poly

ESPEAK_HZ = 22_050
UP, DOWN = 320, 441  # 22,050 Hz to 16,000 Hz
VOICE = b"en-us"
SYNCHRONOUS, PHONEME_EVENTS, UTF8, CHARACTERS = 2, 1, 1, 1  # of espeak's speak_lib.h
WORD_EVENT, PHONEME_EVENT = 1, 7
# Between words it keeps espeak from reading pairs such as "of the" as one word with one event.
APART = " \u200b"
STRESS = "',%="  # marks before a symbol

FEATURES = (
    *("vowel", "high", "low", "back", "rounded"),
    *("voiced", "nasal", "fricative", "plosive", "approximant"),
    *("labial", "coronal", "dorsal"),
)
# Vowels: high, low, back, rounded. Diphthongs have the features of both ends; a final 3, @ or L is a sound of
# its own that espeak does not time, and counts as mid central.
_VOWELS = {
    **{"i": "h", "i:": "h", "I": "h", "I#": "h", "I2": "h", "I2#": "h", "i@": "h", "i@3": "h"},
    **{"E": "", "E#": "", "E2": "", "e@": "", "3": "", "3:": "", "@": "", "@-": "", "@2": "", "@5": ""},
    **{"@L": ""},
    **{"a": "l", "a#": "l", "aa": "l", "A:": "lb", "A#": "lb", "A@": "lb", "0": "lb", "0#": "lb", "V": "b"},
    **{"O": "br", "O:": "br", "O2": "br", "O@": "br", "o@": "br", "U": "hbr", "U@": "hbr", "u": "hbr"},
    **{"u:": "hbr", "eI": "h", "aI": "lh", "aI@": "lh", "aI3": "lh", "aU": "lhbr", "oU": "hbr", "OI": "brh"},
}
# Consonants: voiced; nasal, fricative, plosive, approximant; labial, coronal, dorsal.
_CONSONANTS = {
    **{"p": "pL", "b": "vpL", "t": "pC", "t2": "pC", "d": "vpC", "t#": "vpC", "k": "pD", "g": "vpD"},
    **{"?": "p"},
    **{"f": "fL", "v": "vfL", "T": "fC", "D": "vfC", "s": "fC", "z": "vfC", "S": "fC", "Z": "vfC", "h": "f"},
    **{"tS": "pfC", "dZ": "vpfC", "m": "vnL", "n": "vnC", "n-": "vnC", "N": "vnD", "l": "vaC", "l#": "vaC"},
    **{"r": "vaC", "r-": "vaC", "w": "vaLD", "j": "vaD", ";": "vaD"},
}
_FEATURE_OF = dict(zip("hlbrvnfpaLCD", FEATURES[1:], strict=True))


@dataclass(frozen=True)
class Utterance:
    """A sentence as it was said; times run from the start of its sound.

    sound : (n,) float32 at SOUND_HZ, within -1..1.
    words : a row a word of the text: `word` (without punctuation), `onset_s`, `duration_s`.
    phonemes : a row a phoneme: `symbol` (espeak's, without stress marks), `onset_s`, `duration_s`.
    """

    sound: np.ndarray
    words: pd.DataFrame
    phonemes: pd.DataFrame


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        *(("type", ctypes.c_int), ("unique", ctypes.c_uint), ("position", ctypes.c_int)),
        *(("length", ctypes.c_int), ("ms", ctypes.c_int), ("sample", ctypes.c_int)),
        *(("user", ctypes.c_void_p), ("id", _Id)),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def say(text: str) -> Utterance:
    """Say one English sentence; same text, same bytes. Not for threads at the same time.

    The words are those of the text, split at blanks; a word ends where the next one or a pause begins.

    Raises
    ------
    ValueError : a text without words, or one with something that espeak passes over, such as a lone dash.
    RuntimeError : the library does not start.
    """
    tokens = [token for token in text.split() if token.strip(punctuation)]
    if not tokens:
        raise ValueError(f"{text!r} has no words to say")
    samples, events = _synthesise(APART.join(tokens))
    # Characters, counted from 1, at which each token begins.
    starts = np.cumsum([1] + [len(token) + len(APART) for token in tokens[:-1]])
    onset = np.full(len(tokens), -1)
    for kind, position, sample, _ in reversed(events):
        if kind == WORD_EVENT:
            onset[np.searchsorted(starts, position, side="right") - 1] = sample
    if (onset < 0).any() or (np.diff(onset) < 0).any():
        lost = [token for token, sample in zip(tokens, onset, strict=True) if sample < 0]
        raise ValueError(
            f"espeak gives no time of its own to {lost or tokens} in {text!r}; leave that out or spell it"
        )
    # Only beginnings are known: a phoneme lasts until the next event, of whatever kind that is.
    sounds = [(s, symbol.lstrip(STRESS)) for kind, _, s, symbol in events if kind == PHONEME_EVENT]
    edges = np.sort(np.concatenate([onset, [s for s, _ in sounds], [len(samples)]]))
    pauses = np.array([s for s, symbol in sounds if symbol.startswith("_")] + [len(samples)])
    said = [(s, symbol) for s, symbol in sounds if not symbol.startswith("_")]
    begin = np.array([s for s, _ in said])
    end = edges[np.searchsorted(edges, begin, side="right")]
    stop = np.minimum(
        np.append(onset[1:], len(samples)), pauses[np.searchsorted(pauses, onset, side="right")]
    )
    return Utterance(
        resample_poly(samples / np.float32(2**15), UP, DOWN, window=_low_pass()),
        _table("word", [token.strip(punctuation) for token in tokens], onset, stop),
        _table("symbol", [symbol for _, symbol in said], begin, end),
    )


def articulatory_features(symbol: str) -> np.ndarray:
    """(len(FEATURES),) zeros and ones for one of espeak's symbols of English.

    Raises
    ------
    ValueError : an unknown symbol.
    """
    if symbol in _VOWELS:
        names = {"vowel", "voiced", *(_FEATURE_OF[letter] for letter in _VOWELS[symbol])}
    elif symbol in _CONSONANTS:
        names = {_FEATURE_OF[letter] for letter in _CONSONANTS[symbol]}
    else:
        known = " ".join(_VOWELS | _CONSONANTS)
        raise ValueError(f"{symbol!r} is no phoneme of espeak's English voice that is known here: {known}")
    return np.array([name in names for name in FEATURES], dtype=float)


def _synthesise(text: str) -> tuple[np.ndarray, list[tuple[int, int, int, str]]]:
    """int16 samples at ESPEAK_HZ and events (type, character counted from 1, sample, symbol)."""
    import espeakng_loader

    chunks, events = [], []

    @_Callback
    def receive(wave, n, event):  # type: ignore[no-untyped-def]
        if n > 0:
            chunks.append(np.ctypeslib.as_array(wave, (n,)).copy())
        i = 0
        while event[i].type != 0:
            e = event[i]
            symbol = e.id.string.decode() if e.type == PHONEME_EVENT else ""
            events.append((e.type, e.position, e.sample, symbol))
            i += 1
        return 0

    # The library goes on with flutter and phase where the sentence before left them, and has no call to start
    # anew. So it is loaded afresh for every sentence (5 ms): only then the same text gives the same sound.
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        folder = espeakng_loader.get_data_path()
        started = library.espeak_Initialize(SYNCHRONOUS, 0, folder.encode(), PHONEME_EVENTS)
        if started != ESPEAK_HZ or library.espeak_SetVoiceByName(VOICE) != 0:
            raise RuntimeError(
                f"espeak-ng of {folder} does not start ({started}); install espeakng_loader anew"
            )
        library.espeak_SetSynthCallback(receive)
        encoded = text.encode()
        library.espeak_Synth(encoded, len(encoded) + 1, 0, CHARACTERS, 0, UTF8, None, None)
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)
    return np.concatenate(chunks), events


def _table(name: str, values: list[str], begin: np.ndarray, end: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({name: values, "onset_s": begin / ESPEAK_HZ, "duration_s": (end - begin) / ESPEAK_HZ})


@cache
def _low_pass() -> np.ndarray:
    """What resample_poly would make anew at every call."""
    return firwin(20 * DOWN + 1, 1 / DOWN, window=("kaiser", 5.0)).astype(np.float32)
