import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossroads.data.sound_features import join_sentences, log_mel, mel_filters, to_rate, whisper_mel


def test_filters_are_librosas():
    """Values of librosa 0.11, filters.mel(sr=16000, ...)."""
    slaney = mel_filters(80, 400, "slaney")
    np.testing.assert_allclose(slaney[0, :3], [0, 0.02486259, 0], atol=1e-7)
    np.testing.assert_allclose(slaney[20, 18:22], [0, 0.0109722, 0.01389039, 0], atol=1e-7)
    np.testing.assert_allclose(slaney[79, 186:189], [0.00036674, 0.00083307, 0.0012994], atol=1e-7)
    assert slaney.sum() == pytest.approx(1.9990242, abs=1e-6)
    htk = mel_filters(40, 512, "htk")
    np.testing.assert_allclose(htk[3, 4:9], [0, 0.27194265, 0.85759664, 0.58317274, 0.03243114], atol=1e-7)
    assert htk.sum() == pytest.approx(246.89891, abs=1e-4)


def test_triangles_on_a_fine_grid_have_unit_area_or_height_and_meet_in_their_centres():
    n_fft = 2**16
    frequency = np.arange(n_fft // 2 + 1) * 16_000 / n_fft
    slaney, htk = (mel_filters(30, n_fft, scale) for scale in ("slaney", "htk"))
    np.testing.assert_allclose(slaney.sum(1) * 16_000 / n_fft, 1, rtol=1e-3)
    np.testing.assert_allclose(htk.max(1), 1, atol=0.01)
    # Slaney: 200 / 3 Hz a Mel to 1000 Hz, then 27 Mel in a factor of 6.4
    above = 15 + 27 * np.log(np.maximum(frequency, 1) / 1000) / np.log(6.4)
    slaney_mel = np.where(frequency < 1000, frequency * 3 / 200, above)
    for filters, mel in ((htk, 2595 * np.log10(1 + frequency / 700)), (slaney, slaney_mel)):
        centres = mel[filters.argmax(1)]
        np.testing.assert_allclose(np.diff(centres), mel[-1] / 31, rtol=0.01)
    between = (frequency > frequency[htk[0].argmax()]) & (frequency < frequency[htk[-1].argmax()])
    np.testing.assert_allclose(htk.sum(0)[between], 1, atol=1e-9)


def plain_power(sound, n_fft, hop):
    """|STFT|^2 by a matrix of sines and cosines, mirrored ends, periodic Hann window."""
    t = np.arange(n_fft)
    window = np.sin(np.pi * t / n_fft) ** 2
    waves = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), t) / n_fft) * window
    half = n_fft // 2
    padded = np.concatenate([sound[1 : half + 1][::-1], sound, sound[-half - 1 : -1][::-1]])
    frames = [padded[i : i + n_fft] for i in range(0, len(sound) + 1, hop)]
    return np.abs(waves @ np.array(frames).T) ** 2


def test_log_mel_against_a_plain_transform():
    sound = np.random.default_rng(0).normal(3, 2, 4000)
    power = plain_power((sound - sound.mean()) / sound.std(), 512, 128) / np.sum(
        np.sin(np.pi * np.arange(512) / 512) ** 4
    )
    expected = np.log10(mel_filters(20, 512, "htk") @ power + 1e-5)
    found = log_mel(sound, 20, 125.0)
    assert (found.dtype, found.shape) == (np.float32, (20, 31))
    np.testing.assert_allclose(found, expected[:, :31], atol=2e-5)


def test_whisper_mel_against_a_plain_transform():
    sound = np.random.default_rng(0).normal(0, 0.1, 5000)
    sound[2400:] *= 1e-6  # far below the floor
    expected = np.log10(mel_filters(80, 400, "slaney") @ plain_power(sound, 400, 160) + 1e-30)[:, :31]
    expected = (np.maximum(expected, expected.max() - 8) + 4) / 4
    found = whisper_mel(sound)
    assert (found.dtype, found.shape) == (np.float32, (80, 31))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.max() - found.min() == pytest.approx(2)


@pytest.mark.parametrize("hz", [300, 1000, 3000])
def test_a_tone_is_loudest_in_its_band(hz):
    tone = np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)
    mel = 2595 * np.log10(1 + np.array([hz, 8000]) / 700)
    assert log_mel(tone, 40, 50.0)[:, 25].argmax() == round(mel[0] / mel[1] * 41) - 1


def test_loudness_and_offset_do_not_matter_to_the_papers_features():
    sound = np.random.default_rng(1).normal(size=8000)
    np.testing.assert_allclose(log_mel(3 * sound + 5), log_mel(sound), atol=1e-4)


@given(seconds=st.floats(0.05, 3), rate_hz=st.sampled_from([50.0, 60.0, 120.0]), n_bands=st.integers(1, 120))
def test_log_mel_has_as_many_samples_as_the_brain(seconds, rate_hz, n_bands):
    n = int(seconds * 16_000)
    sound = np.sin(np.arange(n) ** 1.5)
    assert log_mel(sound, n_bands, rate_hz).shape == (n_bands, round(n / 16_000 * rate_hz))


def test_to_rate_is_torchs_nearest_interpolation():
    torch = pytest.importorskip("torch")
    features = np.random.default_rng(0).normal(size=(3, 100))
    for n in (240, 120, 50, 37):
        peer = torch.nn.functional.interpolate(torch.as_tensor(features)[None], n)[0].numpy()
        np.testing.assert_array_equal(to_rate(features, 100.0, n, n), peer)


@given(arrays(float, (2, 7)), st.integers(1, 9))
def test_a_whole_number_of_times_repeats_and_returns(features, factor):
    up = to_rate(features, 10.0, 10.0 * factor, 7 * factor)
    np.testing.assert_array_equal(up, np.repeat(features, factor, axis=1))
    np.testing.assert_array_equal(to_rate(up, 10.0 * factor, 10.0, 7), features)


def test_joined_sentences_do_not_drift():
    """Features that hold their own time, cut into frames a sentence at a time, come back at that time."""
    lengths = np.random.default_rng(0).uniform(1.0, 4.0, 100)
    ends = np.cumsum(lengths)
    sentence_s = np.column_stack([ends - lengths, ends])
    frames = [start + np.arange(int(np.ceil(50 * length)) + 1)[None] / 50 for start, length in zip(
        sentence_s[:, 0], lengths, strict=True
    )]  # fmt: skip
    n = round(ends[-1] * 24)
    joined = join_sentences(frames, sentence_s, 50.0, 24.0, n)
    assert joined.shape == (1, n)
    assert np.abs(joined[0] - np.arange(n) / 24).max() < 1 / 50 + 1 / 24


def test_what_is_no_sound_is_refused():
    bad = np.ones(1000)
    bad[3] = np.nan
    for function in (log_mel, whisper_mel):
        for sound in (np.ones(100), np.ones((2, 1000)), bad):
            with pytest.raises(ValueError, match="expected one line of more than"):
                function(sound)
    with pytest.raises(ValueError, match="all 2.0: there is nothing to standardise"):
        log_mel(np.full(1000, 2.0))
    with pytest.raises(ValueError, match="0 bands"):
        log_mel(np.arange(1000.0), 0)
    with pytest.raises(ValueError, match="'bark'"):
        mel_filters(4, 512, "bark")
