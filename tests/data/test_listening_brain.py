from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve
from scipy.signal import find_peaks, periodogram, welch

pytest.importorskip("espeakng_loader")

from crossroads.data import listening_brain
from crossroads.data.listening import SOUND_HZ, Story
from crossroads.data.listening_brain import Brain, listeners, response, simulate_cohort, streams
from crossroads.data.spoken_stories import tell_story
from crossroads.data.story_text import write_sentences

ACOUSTIC, PHONETIC, LEXICAL = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
# A strong signal, so that float32 leaves little of the noise in a difference.
PLAIN = Brain("easycap-60", 30, 1, 1000.0, ACOUSTIC, variability=0.0, artefacts_per_min=0.0)
SEED = 3


def tell(n_sentences):
    """A story of whole seconds, so that every rate has a whole number of samples."""
    rng = np.random.default_rng(0)
    told = tell_story(write_sentences(n_sentences, rng), "espeak", rng)
    sound = np.pad(told.sound, (0, -len(told.sound) % SOUND_HZ))
    return Story(sound, told.sentence_s, told.words, told.phonemes)


@pytest.fixture(scope="module")
def story():
    long = tell(24)
    assert len(long.sound) > 60 * SOUND_HZ
    return long


@pytest.fixture(scope="module")
def short():
    return tell(3)


def evoked(story, brain, rate_hz=120.0):
    """What the story does to the sensors of each listener: with it minus without it."""
    heard, unheard = (
        simulate_cohort(story, replace(brain, strength_nam=s), rate_hz, SEED)
        for s in (brain.strength_nam, 0.0)
    )
    return [np.asarray(a.x, float) - b.x for a, b in zip(heard, unheard, strict=True)]


def moments(story, brain):
    """Moments of the sources of each listener [nA m], by least squares."""
    people = listeners(brain, SEED)
    return [
        np.linalg.lstsq(p.lead, x, rcond=None)[0] * 1e9
        for p, x in zip(people, evoked(story, brain), strict=True)
    ]


def silent(story, rate_hz=120.0, **changes):
    (recording,) = simulate_cohort(story, replace(PLAIN, strength_nam=0.0, **changes), rate_hz, SEED)
    return recording


@pytest.mark.parametrize("array", ["easycap-60", "kit-208"])
@pytest.mark.parametrize("shares", [ACOUSTIC, PHONETIC, LEXICAL])
def test_strength_is_the_root_mean_square_of_the_moments(short, array, shares):
    brain = replace(PLAIN, array=array, shares=shares, strength_nam=500.0)
    (q,) = moments(short, brain)
    assert q.var(1).mean() == pytest.approx(500.0**2, rel=2e-3)
    assert len(q) == 6


def test_shares_add_the_streams_with_the_roots_of_their_shares(short):
    (mixed,) = moments(short, replace(PLAIN, shares=(0.5, 0.2, 0.3)))
    alone = [moments(short, replace(PLAIN, shares=s))[0] for s in (ACOUSTIC, PHONETIC, LEXICAL)]
    expected = sum(np.sqrt(s) * q for s, q in zip((0.5, 0.2, 0.3), alone, strict=True))
    np.testing.assert_allclose(mixed, expected, atol=1e-3 * expected.std())


def test_a_listener_s_gain_scales_the_moments(short):
    brain = replace(PLAIN, n_subjects=3, variability=1.0)
    found = [q.var(1).mean() ** 0.5 for q in moments(short, brain)]
    gains = [person.gain for person in listeners(brain, SEED)]
    np.testing.assert_allclose(found, 1000 * np.array(gains), rtol=2e-3)
    assert np.std(gains) > 0.05


def test_twice_the_strength_is_twice_the_signal_and_none_is_none(short):
    brain = replace(PLAIN, variability=1.0, artefacts_per_min=30.0, strength_nam=100.0)
    (once,), (twice,) = evoked(short, brain), evoked(short, replace(brain, strength_nam=200.0))
    # Jumps of up to 30 mV cost float32 up to 2 nV.
    np.testing.assert_allclose(twice, 2 * once, atol=1e-8)
    assert once.std() > 1e-6
    without = [silent(short, shares=shares).x for shares in (ACOUSTIC, LEXICAL)]
    np.testing.assert_array_equal(*without)


def test_equal_seeds_give_equal_bytes_and_equal_people(short):
    brain = replace(PLAIN, n_subjects=2, variability=1.0, artefacts_per_min=30.0)
    first, again = (simulate_cohort(short, brain, 120.0, SEED) for _ in range(2))
    other = simulate_cohort(short, brain, 120.0, SEED + 1)
    alone = simulate_cohort(short, replace(brain, n_subjects=1), 120.0, SEED)
    assert [r.x.tobytes() for r in first] == [r.x.tobytes() for r in again]
    assert first[0].x.tobytes() == alone[0].x.tobytes()
    assert not np.allclose(first[0].x, first[1].x)
    assert not np.allclose(first[0].x, other[0].x)
    weak = listeners(replace(brain, strength_nam=0.0, shares=LEXICAL), SEED)
    for a, b in zip(listeners(brain, SEED), weak, strict=True):
        np.testing.assert_array_equal(a.lead, b.lead)
        assert (a.gain, a.latency_s) == (b.gain, b.latency_s)
        assert all((a.weights[k] == b.weights[k]).all() for k in ("acoustic", "phonetic", "lexical"))


def test_without_variability_listeners_are_the_same_person():
    first, *others = listeners(replace(PLAIN, n_subjects=3), SEED)
    assert (first.gain, first.latency_s, *first.head_shift_m) == (1, 0, 0, 0, 0)
    for other in others:
        np.testing.assert_array_equal(other.lead, first.lead)
        for stream, weights in first.weights.items():
            np.testing.assert_array_equal(other.weights[stream], weights)


def test_variability_scales_how_much_listeners_differ():
    """Gain and latency are drawn with spreads of 30 % and 15 ms; head shifts with 4 mm, weights with 2."""
    full, half = (listeners(replace(PLAIN, n_subjects=30, variability=v), SEED) for v in (1.0, 0.5))
    for a, b in zip(full, half, strict=True):
        assert np.log(a.gain) == pytest.approx(2 * np.log(b.gain))
        assert a.latency_s == pytest.approx(2 * b.latency_s)
        np.testing.assert_allclose(a.head_shift_m, 2 * b.head_shift_m)
    assert np.std([np.log(p.gain) for p in full]) == pytest.approx(0.3, rel=0.35)
    assert np.std([p.latency_s for p in full]) == pytest.approx(0.015, rel=0.35)
    assert np.std([p.head_shift_m for p in full]) == pytest.approx(0.004, rel=0.25)
    # Heschl's gyri are the first two sources, and home of the acoustic stream.
    heschl = np.array([p.weights["acoustic"][:2] for p in full])
    elsewhere = np.array([p.weights["acoustic"][2:] for p in full])
    assert heschl.std(0).mean() == pytest.approx(2, rel=0.1)
    assert elsewhere.std(0).mean() == pytest.approx(0.6, rel=0.1)


def test_who_does_not_attend_responds_at_another_time(story):
    brain = replace(PLAIN, n_subjects=2, n_attending=1)
    attending, *others = moments(story, brain)
    n = attending.shape[1]
    for other in others:
        lagged = np.fft.irfft((np.fft.rfft(other) * np.fft.rfft(attending).conj()).sum(0), n)
        lagged /= np.linalg.norm(attending) * np.linalg.norm(other)
        peak = int(lagged.argmax())
        assert min(peak, n - peak) >= 30 * 120
        assert lagged[peak] > 0.97
        assert abs(lagged[0]) < 0.5
    same, *_ = moments(story, replace(brain, n_subjects=1))
    np.testing.assert_array_equal(same, attending)


@pytest.mark.parametrize(
    ("shares", "name", "delay", "peak_s"),
    [
        (ACOUSTIC, "acoustic", 1.0, 0.1), (PHONETIC, "phonetic", 1.0, 0.13), (LEXICAL, "lexical", 1.0, 0.4),
        (PHONETIC, "phonetic", 0.0, 0.0), (ACOUSTIC, "acoustic", 2.0, 0.2),
    ],
)  # fmt: skip
def test_regression_on_the_story_finds_the_planted_responses(story, shares, name, delay, peak_s):
    """Weights times response, up to one factor; the extreme value is where a single Gaussian bump puts it."""
    brain = replace(PLAIN, shares=shares, delay=delay)
    (q,), (person,) = moments(story, brain), listeners(brain, SEED)
    # What lies beyond these lags is next to nothing.
    lags = np.arange(-10, 70)
    planted = streams(story)[name]
    keep = np.arange(100, 4000)
    table = np.concatenate([row[keep[:, None] - lags] for row in planted], axis=1)
    found = solve(table.T @ table, table.T @ q[:, keep].T, assume_a="pos").reshape(
        len(planted), len(lags), -1
    )
    t = lags / 120
    bumps = {
        "acoustic": ((0.5, 0.05, 0.012), (-1.0, 0.1, 0.02), (0.7, 0.2, 0.04)),
        "phonetic": ((1.0, 0.13, 0.02), (-0.8, 0.21, 0.03)),
        "lexical": ((-0.4, 0.25, 0.05), (1.0, 0.4, 0.08)),
    }[name]
    curve = sum(a * np.exp(-((t - delay * at) ** 2) / (2 * w * w)) for a, at, w in bumps)
    expected = np.einsum("jk,l->klj", person.weights[name], curve)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    trf = np.einsum("klj,jk->l", found, person.weights[name])
    assert abs(t[np.abs(trf).argmax()] - peak_s) <= 1 / 120 + 1e-9
    assert np.sign(trf[np.abs(trf).argmax()]) == (-1 if name == "acoustic" else 1)


def test_responses_are_sums_of_bumps():
    t = np.arange(-96, 97) / 120
    lexical = np.exp(-(((t - 0.4) / 0.08) ** 2) / 2) - 0.4 * np.exp(-(((t - 0.25) / 0.05) ** 2) / 2)
    np.testing.assert_allclose(response("lexical"), lexical, atol=1e-12)
    at_once = response("acoustic", delay=0.0)
    np.testing.assert_allclose(at_once, at_once[::-1])
    assert at_once[96] == pytest.approx(0.5 - 1 + 0.7)


@given(st.integers(-6, 6), st.floats(0, 1.2))
def test_latency_shifts_a_response(samples, delay):
    later = response("phonetic", delay, samples / 120)
    there = slice(6, -6)
    np.testing.assert_allclose(np.roll(later, -samples)[there], response("phonetic", delay)[there], atol=1e-6)


def test_streams_are_events_of_the_story(short):
    heard = streams(short)
    n = len(short.sound) // SOUND_HZ * 120
    assert {name: rows.shape for name, rows in heard.items()} == {
        "acoustic": (6, n), "phonetic": (13, n), "lexical": (4, n),
    }  # fmt: skip
    for rows in heard.values():
        np.testing.assert_allclose(rows.mean(1), 0, atol=1e-5)
        np.testing.assert_allclose(rows.std(1), 1, atol=1e-4)
    at = np.round(short.words.onset_s.to_numpy() * 120).astype(int)
    events = np.zeros(n)
    events[at] = 1
    p = events.mean()
    np.testing.assert_allclose(heard["lexical"][0], (events - p) / np.sqrt(p * (1 - p)))
    surprisal = heard["lexical"][1]
    assert np.corrcoef(surprisal[at], short.words.surprisal)[0, 1] == pytest.approx(1)
    assert np.unique(np.delete(surprisal, at).round(9)).size == 1
    vowels = short.phonemes.onset_s[[s[0] in "aeiouAEIOUV0@3" for s in short.phonemes.symbol]]
    at = np.unique(np.round(vowels.to_numpy() * 120).astype(int))
    np.testing.assert_array_equal(np.flatnonzero(heard["phonetic"][0] > 0), at)
    # Sound precedes no word: its power is least in the pauses between sentences.
    pauses = (short.sentence_s[:, 1] * 120).astype(int) - 12
    assert heard["acoustic"][1:, pauses].max() < 0


def test_other_rates_record_the_same_signal(short):
    (low,), (high,) = evoked(short, PLAIN), evoked(short, PLAIN, 240.0)
    np.testing.assert_allclose(high[:, ::2], low, atol=1e-3 * low.std())


def test_a_recording_is_as_long_as_the_story_and_knows_its_sentences(short):
    recording = silent(short, n_sensors=20, array="kit-208")
    assert recording.x.shape == (20, len(short.sound) // SOUND_HZ * 120)
    assert (recording.x.dtype, recording.kind, recording.sfreq) == (np.float32, "meg", 120)
    assert (recording.subject, recording.session, len(set(recording.names))) == ("01", "1", 20)
    np.testing.assert_array_equal(recording.sentence_onset_s, short.sentence_s[:, 0])


@pytest.mark.parametrize(("array", "level"), [("kit-208", 3e-15), ("easycap-60", 0.2e-6)])
def test_white_noise_of_the_sensors(short, monkeypatch, array, level):
    monkeypatch.setattr(listening_brain, "BACKGROUND_AM", 0.0)
    f, p = welch(silent(short, 1000.0, array=array).x, 1000, nperseg=1000)
    assert np.sqrt(p[:, (f > 300) & (f < 490)].mean()) == pytest.approx(level, rel=0.03)


def test_alpha_is_a_peak_at_10_hz_of_the_back_of_the_head(story):
    recording = silent(story)
    f, p = welch(recording.x, 120, nperseg=1200)
    alpha, below, above = (p[:, (f >= lo) & (f <= lo + 1)].mean(1) for lo in (9.5, 6, 13))
    back, front = recording.xy[:, 1] < 0.3, recording.xy[:, 1] > 0.7
    assert (alpha[back] > 4 * np.maximum(below, above)[back]).all()
    assert alpha[back].mean() > 4 * alpha[front].mean()
    fine = np.mean(p[back], axis=0)
    assert abs(f[fine[f > 5].argmax() + (f <= 5).sum()] - 10) < 1


def test_drift_is_slow_and_of_the_size_stated(story, monkeypatch):
    for name in ("BACKGROUND_AM", "ALPHA_AM", "BLINKS_PER_MIN"):
        monkeypatch.setattr(listening_brain, name, 0)
    x = np.asarray(silent(story, 100.0).x, float)
    # 10 uV of drift; 0.2 uV per root hertz of white noise, up to 50 Hz; no line at this rate.
    assert np.mean(x**2) == pytest.approx((10e-6) ** 2 + (0.2e-6) ** 2 * 50, rel=0.01)
    f, p = periodogram(x, 100)
    band = (f > 0.3) & (f < 3)
    slope = np.polyfit(np.log(f[band]), np.log(p[:, band].mean(0)), 1)[0]
    assert slope == pytest.approx(-2, abs=0.15)


def test_the_line_is_there_where_the_rate_can_hold_it(story):
    # Below 100 Hz it would come back at a lower frequency: at 90 Hz, at 40 Hz.
    for rate_hz, line_hz, there in ((120.0, 50, True), (90.0, 40, False)):
        f, p = periodogram(silent(story, rate_hz).x, rate_hz)
        ratio = p[:, np.isclose(f, line_hz)].mean() / p[:, (f > line_hz - 3) & (f < line_hz - 1)].mean()
        assert (ratio > 100) == there
        assert there or ratio < 2


def test_blinks_are_bumps_of_100_microvolts_over_the_forehead(story, monkeypatch):
    with_blinks = silent(story)
    monkeypatch.setattr(listening_brain, "BLINKS_PER_MIN", 0)
    blinks = np.asarray(with_blinks.x, float) - silent(story).x
    away = np.linalg.norm(with_blinks.xy - [0.5, 1], axis=1)
    first = away.argmin()
    assert away[first] < 0.05  # the electrode on the forehead
    peaks, _ = find_peaks(blinks[first], height=90e-6)
    assert 15 <= len(peaks) <= 15 * 75 / 60 + 1
    lone = peaks[[np.min(np.abs(np.delete(peaks, i) - p)) > 60 for i, p in enumerate(peaks)]]
    lone = lone[(lone > 60) & (lone < blinks.shape[1] - 60)]
    # A Gaussian of 70 ms in time and of 0.15 of the layout in space.
    expected = 100e-6 * np.exp(-(away**2) / (2 * 0.15**2))
    np.testing.assert_allclose(blinks[:, lone], np.repeat(expected[:, None], len(lone), 1), atol=1e-7)
    later = lone + 12
    np.testing.assert_allclose(
        blinks[first, later], expected[first] * np.exp(-((0.1 / 0.07) ** 2) / 2), rtol=1e-2
    )
    assert np.abs(blinks[away > 0.6]).max() < 1e-6


@pytest.mark.parametrize(("array", "least", "most"), [("kit-208", 3e-12, 3e-9), ("easycap-60", 3e-5, 3e-2)])
def test_artefacts_are_rare_jumps_of_few_sensors(story, array, least, most):
    brain = replace(PLAIN, array=array, n_subjects=5, strength_nam=0.0)
    with_jumps, without = (
        simulate_cohort(story, replace(brain, artefacts_per_min=rate), 120.0, SEED) for rate in (3.0, 0.0)
    )
    jumps, n_sensors, sizes = 0, [], []
    for a, b in zip(with_jumps, without, strict=True):
        added = np.asarray(a.x, float) - b.x
        struck = np.flatnonzero(np.diff(np.abs(added).max(0) > 0, prepend=False, append=False))
        for start, stop in struck.reshape(-1, 2):
            jumps += 1
            if stop - start != 40:  # a third of a second; else two that overlap, or one at the end
                assert stop - start > 40 or stop == added.shape[1]
                continue
            event = added[:, start:stop]
            rows = event[np.abs(event).max(1) > 0]
            n_sensors.append(len(rows))
            sizes.append(np.abs(rows.mean(1)))
            assert np.ptp(rows, axis=1).max() <= 1e-6 * most
    assert len(n_sensors) > 0.8 * jumps
    # Three a minute: Poisson, four standard deviations.
    expected = 3 * 5 * len(story.sound) / SOUND_HZ / 60
    assert abs(jumps - expected) < 4 * np.sqrt(expected)
    assert 1 <= min(n_sensors) < 5
    assert 15 < max(n_sensors) <= 20
    sizes = np.concatenate(sizes)
    assert least * 0.99 <= sizes.min() < 3 * least
    assert most / 3 < sizes.max() <= most * 1.01
    assert np.median(sizes) == pytest.approx(np.sqrt(least * most), rel=0.4)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"shares": (0.5, 0.5)}, "sum to 1"),
        ({"shares": (0.5, 0.5, 0.1)}, "sum to 1"),
        ({"shares": (1.5, -0.5, 0.0)}, "0 or more"),
        ({"shares": (0.5, 0.5, np.nan)}, "sum to 1"),
        ({"strength_nam": -1.0}, "negative or impossible"),
        ({"strength_nam": np.nan}, "negative or impossible"),
        ({"variability": -0.1}, "negative or impossible"),
        ({"artefacts_per_min": np.inf}, "negative or impossible"),
        ({"delay": -1.0}, "negative or impossible"),
        ({"n_subjects": 0}, "negative or impossible"),
        ({"n_sensors": 0}, "negative or impossible"),
        ({"n_attending": -1}, "negative or impossible"),
    ],
)
def test_impossible_brains_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(PLAIN, **changes)


def test_what_cannot_be_simulated_is_refused(short):
    for changes, complaint in (
        ({"array": "easycap-61"}, "no sensor array"),
        ({"n_sensors": 61}, "61 sensors of easycap-60"),
        ({"n_attending": 0}, "for inattentive listeners 60.0 s"),
    ):
        with pytest.raises(ValueError, match=complaint):
            simulate_cohort(short, replace(PLAIN, **changes), 120.0, SEED)
    with pytest.raises(ValueError, match="0 phonemes"):
        streams(replace(short, phonemes=short.phonemes.iloc[:0]))
    with pytest.raises(ValueError, match=r"without \['surprisal'\]"):
        streams(replace(short, words=short.words.drop(columns="surprisal")))
