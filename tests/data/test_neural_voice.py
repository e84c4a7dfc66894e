import itertools

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from crossroads.data import espeak, neural_voice
from crossroads.data.neural_voice import align

TEXT = "The little dog that walked under the bridge found another basket in our garden."


@pytest.mark.parametrize("depth", [-0.04, 0.0, 0.04])
def test_a_warped_copy_gives_back_the_warp(depth):
    """New time = t + depth * sin(...): the copy is up to 17 % faster or slower than the original."""
    reference = espeak.say(TEXT)
    length = len(reference.sound) / 16_000

    def warp(t):
        return 1.05 * (t + depth * np.sin(2 * np.pi * 2 * t / length))

    t = np.arange(len(reference.sound)) / 16_000
    new = np.arange(int(warp(t)[-1] * 16_000)) / 16_000
    copy = np.interp(np.interp(new, warp(t), t), t, reference.sound).astype(np.float32)
    found = align(reference, copy)
    np.testing.assert_allclose(found.words.onset_s, warp(reference.words.onset_s), atol=0.02)
    # Within a glide, as from w to a vowel, any time is as good as the next.
    off = np.abs(found.phonemes.onset_s - warp(reference.phonemes.onset_s))
    assert np.quantile(off, 0.95) < 0.03
    assert off.max() < 0.05
    end = reference.words.onset_s + reference.words.duration_s
    np.testing.assert_allclose(found.words.onset_s + found.words.duration_s, warp(end), atol=0.03)


def test_the_same_sound_is_left_as_it_is():
    reference = espeak.say(TEXT)
    found = align(reference, reference.sound)
    np.testing.assert_allclose(found.words.onset_s, reference.words.onset_s, atol=1e-9)


def cheapest(d):
    """Cost of the cheapest chain of steps (1, 1), (2, 1), (1, 2), by trying all; 2 d for a step of both."""
    n, m = d.shape
    best = np.inf
    for k in range(max(n, m)):
        for steps in itertools.product(((1, 1), (2, 1), (1, 2)), repeat=k):
            if sum(a for a, _ in steps) != n - 1 or sum(b for _, b in steps) != m - 1:
                continue
            i = j = 0
            cost = 2 * d[0, 0]
            for a, b in steps:
                cost += 2 * d[i + 1, j + 1] + (d[i + a, j + b] if a + b == 3 else 0)
                i, j = i + a, j + b
            best = min(best, cost)
    return best


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (5, 5), (7, 5), (4, 7), (7, 7)])
def test_the_way_is_the_cheapest_of_all(n, m):
    rng = np.random.default_rng(n + 10 * m)
    for _ in range(5):
        d = rng.random((n, m))
        i, j = neural_voice._warp(d)
        both = np.append(True, (np.diff(i) == 1) & (np.diff(j) == 1))
        assert np.sum(d[i, j] * np.where(both, 2, 1)) == pytest.approx(cheapest(d))
        assert (i[0], j[0], i[-1], j[-1]) == (0, 0, n - 1, m - 1)
        assert set(np.diff(i)) | set(np.diff(j)) <= {0, 1}


def test_sounds_of_very_different_length_are_refused():
    reference = espeak.say("A dog ran.")
    with pytest.raises(ValueError, match="cannot be aligned; expected a factor of at most 2"):
        align(reference, np.tile(reference.sound, 3))


def test_the_voice_says_the_words_in_order_and_repeats_itself():
    pytest.importorskip("hibari")
    said, again, other = (neural_voice.say(TEXT, seed) for seed in (0, 0, 1))
    assert said.sound.tobytes() == again.sound.tobytes()
    assert said.words.equals(again.words)
    assert said.sound.tobytes() != other.sound.tobytes()
    assert said.sound.dtype == np.float32
    assert said.words.word.tolist() == TEXT.strip(".").split()
    assert (np.diff(said.words.onset_s) > 0.02).all()
    assert (said.words.duration_s > 0.02).all()
    assert said.words.onset_s.iloc[0] < 0.1
    assert len(said.sound) / 16_000 - said.words.eval("onset_s + duration_s").iloc[-1] < 0.1


def test_words_are_where_the_voices_own_network_plans_them():
    """Onsets [s] by the lengths that its network plans inside, in steps of 25 ms."""
    pytest.importorskip("hibari")
    said = neural_voice.say("her farmer came into our little market.", 0)
    planned = [0.575, 0.975, 1.2, 1.4, 1.55, 1.8]
    off = said.words.onset_s[1:] - planned
    np.testing.assert_allclose(off - off.median(), 0, atol=0.07)
