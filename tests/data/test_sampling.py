import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from crossroads.data.listening import SOUND_HZ
from crossroads.data.sampling import read_resampled, read_sound, resampled


def test_a_sound_that_is_cut_off_or_of_another_kind(tmp_path):
    path = tmp_path / "1.wav"
    wavfile.write(path, 8000, np.ones(800, np.int16))
    whole = path.read_bytes()
    for length in (0, 20, 60, len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(
            ValueError, match=f"1.wav: not readable as a sound .* {length} bytes.*again from there"
        ):
            read_sound(path, "there")
    wavfile.write(path, 8000, np.ones(800, np.uint8))
    with pytest.raises(ValueError, match="800 samples of uint8; expected"):
        read_sound(path, "there")


@pytest.mark.parametrize("rate", [16_000, 44_100, 22_050])
def test_a_sound_is_the_mean_of_its_channels_at_16_khz(tmp_path, rate):
    t = np.arange(rate) / rate
    left = 0.5 * np.sin(2 * np.pi * 440 * t)
    wavfile.write(tmp_path / "1.wav", rate, (32_767 * np.column_stack([left, 0 * left])).astype(np.int16))
    sound = read_sound(tmp_path / "1.wav", "here")
    t = np.arange(SOUND_HZ) / SOUND_HZ
    np.testing.assert_allclose(sound[500:-500], 0.25 * np.sin(2 * np.pi * 440 * t)[500:-500], atol=2e-3)


def test_notes_in_a_sound_file_are_skipped(tmp_path):
    path = tmp_path / "1.wav"
    wavfile.write(path, SOUND_HZ, np.full(100, 16_384, np.int16))
    whole = path.read_bytes() + b"note" + (4).to_bytes(4, "little") + b"abcd"
    path.write_bytes(whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:])
    np.testing.assert_allclose(read_sound(path, "here"), 0.5, atol=1e-4)


def test_a_slope_keeps_its_ends_at_another_rate():
    ramp = 3 + np.arange(1000) / 500
    np.testing.assert_allclose(resampled(ramp[None], 500, 120)[0], 3 + np.arange(240) / 120, atol=2e-4)


@settings(max_examples=10, deadline=None)
@given(n=st.integers(400, 200_000), to_hz=st.sampled_from([50, 60, 100, 120, 125.0, 500]))
def test_reading_in_pieces_gives_what_reading_at_once_gives(n, to_hz):
    noise = 5e-13 + 1e-13 * np.random.default_rng(n).normal(size=(2, n))
    raw = mne.io.RawArray(noise, mne.create_info(["a", "b"], 1000.0), verbose="error")
    x = read_resampled(raw, ["b", "a"], to_hz)
    assert x.shape == (2, -(-n * to_hz // 1000))
    np.testing.assert_allclose(x, resampled(noise[::-1], 1000.0, to_hz), atol=1e-15)
