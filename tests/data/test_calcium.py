import numpy as np
import pytest
import pywt

from crossroads.data import calcium
from crossroads.data.calcium import convolve_bursts, detect_events, detection_rates, fluorescence, ou_process


def planted_events(rate_hz, shape, rng):
    return rng.poisson(rate_hz / 20, shape) * rng.lognormal(-0.125, 0.5, shape)


def test_kernel_has_the_published_peak_and_area():
    kernel = calcium.burst_kernel()
    assert kernel.shape == (30,)
    assert kernel.argmax() == 3  # 0.2 s
    assert kernel[3] == 1
    whole = np.e * 0.2 * (1 - 8.5 * np.exp(-7.5))  # integral from 0 to 1.5 s
    assert kernel.sum() * 0.05 == pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bursts_are_a_causal_convolution(dtype):
    events = np.random.default_rng(0).random((70, 4)).astype(dtype)
    bursts = convolve_bursts(events)
    assert bursts.dtype == dtype
    for cell in range(4):
        expected = np.convolve(events[:, cell], calcium.burst_kernel())[:70]
        np.testing.assert_allclose(bursts[:, cell], expected, rtol=1e-5)


def test_ou_process_has_its_variance_and_autocorrelation():
    """Over 20000 processes, from the first frame on; the standard error of a correlation is below .01."""
    x = ou_process(60, 20_000, 1.5, np.random.default_rng(1))
    np.testing.assert_allclose(x.var(1), 1, atol=0.05)
    for first, lag in [(0, 1), (0, 30), (20, 10), (29, 30)]:
        assert np.mean(x[first] * x[first + lag]) == pytest.approx(np.exp(-lag / 20 / 1.5), abs=0.03)
    assert abs(np.mean(x[30, ::2] * x[30, 1::2])) < 0.05


def test_fluorescence_decays_and_has_its_noise():
    onsets = np.zeros((60, 6000), np.float32)
    onsets[20] = 2
    traces = fluorescence(onsets, np.random.default_rng(2))
    assert traces.dtype == np.float32
    expected = np.where(np.arange(60) < 20, 0, 2 * np.exp(-(np.arange(60) - 20) / 20 / 0.6))
    np.testing.assert_allclose(traces.mean(1), expected, atol=0.025)  # 5 standard errors
    np.testing.assert_allclose(traces.var(1), 0.2**2 + 0.3**2, rtol=0.1)
    step = np.diff(traces[:20], axis=0).var()
    assert step == pytest.approx(2 * 0.2**2 + 2 * 0.3**2 * (1 - np.exp(-1 / 600)), rel=0.03)


def test_denoising_is_bayesshrink_cell_by_cell():
    rng = np.random.default_rng(3)
    traces = fluorescence(planted_events(0.4, (1500, 5), rng), rng).astype(float)
    smooth = calcium.denoise(traces)
    for cell in range(5):
        coarse, *details = pywt.wavedec(traces[:, cell], "sym4")
        sigma = np.median(np.abs(details[-1])) / 0.6745
        shrunk = [
            pywt.threshold(d, sigma**2 / np.sqrt(np.mean(d**2) - sigma**2), "soft")
            if np.mean(d**2) > sigma**2
            else 0 * d
            for d in details
        ]
        np.testing.assert_allclose(smooth[:, cell], pywt.waverec([coarse, *shrunk], "sym4"), atol=1e-8)


def test_denoising_leaves_what_is_clean_and_takes_white_noise():
    t = np.arange(1001)[:, None] / 20
    slow = np.sin(2 * np.pi * t / 25)
    np.testing.assert_allclose(calcium.denoise(slow), slow, atol=1e-3)
    noise = np.random.default_rng(4).standard_normal((1001, 20))
    assert np.std(calcium.denoise(noise)) < 0.35


def walked_back(trace, smooth, kind):
    """The published rule for one cell, walking back from every peak."""
    events = np.zeros(len(trace))
    margin = 3 * np.std(trace - smooth, ddof=1)
    for peak in range(1, len(trace) - 1):
        if not (smooth[peak - 1] < smooth[peak] >= smooth[peak + 1]):
            continue
        base = peak - 1
        while base > 0 and smooth[base] > smooth[base - 1]:
            base -= 1
        rise = smooth[peak] - smooth[base]
        if smooth[peak] <= np.percentile(smooth, 25) + margin or rise <= margin:
            continue
        start = peak - 1
        while smooth[start] - smooth[base] > margin:
            start -= 1
        held = {
            "rise": range(start, peak + 1),
            "onset": [start],
            "peak": [peak],
            "mid": [int(np.floor((start + peak) / 2 + 0.5))],
            "predip": range(base, peak + 1),
        }[kind]
        events[list(held)] = rise
    return events


@pytest.mark.parametrize("kind", calcium.KINDS)
def test_events_are_those_of_a_walk_back_from_every_peak(kind):
    rng = np.random.default_rng(5)
    traces = fluorescence(planted_events(0.5, (2000, 6), rng), rng)
    smooth = calcium.denoise(traces)
    events = detect_events(traces, kind)
    assert events.dtype == np.float32
    assert np.all((events > 0).sum(0) > 15)
    for cell in range(6):
        expected = walked_back(traces[:, cell], smooth[:, cell], kind)
        np.testing.assert_allclose(events[:, cell], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "held"),
    [
        ("rise", [8, 9, 10, 11]),
        ("onset", [8]),
        ("peak", [11]),
        ("mid", [10]),
        ("predip", [6, 7, 8, 9, 10, 11]),
    ],
)
def test_one_rise_by_hand(monkeypatch, kind, held):
    """Noise of +-1 makes the margin 3: neither a bump of 2 nor a rise of 6 out of a dip to 1 is an event."""
    smooth = np.zeros(60)
    smooth[6:16] = [0, 1, 2, 5, 9, 10, 7, 5, 3, 1]
    smooth[20:23] = [1, 2, 1]
    smooth[30:33] = [-5, 1, 0.5]
    smooth[59] = 20  # no peak: the trace ends
    monkeypatch.setattr(calcium, "denoise", lambda traces: smooth[:, None])
    traces = smooth + np.tile([1, -1], 30)
    events = detect_events(traces[:, None], kind)[:, 0]
    expected = np.zeros(60)
    expected[held] = 10
    np.testing.assert_array_equal(events, expected)


def test_clear_events_are_found_where_they_are():
    """One event every 4 s, 6 to 12 times as large as the noise."""
    rng = np.random.default_rng(6)
    planted = np.zeros((2400, 10))
    planted[40::80] = rng.uniform(0.5, 1, (30, 10))
    decay = np.exp(-np.arange(2400) / 20 / 0.6)
    clean = np.stack([np.convolve(cell, decay)[:2400] for cell in planted.T], 1)
    traces = clean + 0.08 * rng.standard_normal(clean.shape)
    hit, false = detection_rates(detect_events(traces, "onset"), planted, 2)
    assert hit > 0.95
    assert false < 0.05
    sizes = detect_events(traces, "peak").reshape(30, 80, 10)[:, 40:45].max(1)
    found = sizes > 0
    assert np.mean(sizes[found] / planted[40::80][found]) == pytest.approx(1, abs=0.1)


def test_detector_at_the_default_noise():
    """Of events at 0.3 Hz some seven in ten are found; few are invented; without events there are few."""
    rng = np.random.default_rng(7)
    planted = planted_events(0.3, (4000, 30), rng)
    hit, false = detection_rates(detect_events(fluorescence(planted, rng), "onset"), planted, 3)
    assert 0.6 < hit < 0.85
    assert false < 0.03
    silent = detect_events(fluorescence(np.zeros((4000, 30)), rng), "onset")
    assert (silent > 0).sum() / (4000 / 20 * 30) < 0.005  # per second and cell


def test_rates_of_known_detections():
    planted, detected = np.zeros((40, 2)), np.zeros((40, 2))
    planted[[5, 20, 30], 0] = 1
    detected[[7, 23, 38], 0] = 2
    detected[5, 1] = 2
    assert detection_rates(detected, planted, 1) == (0, 1)
    assert detection_rates(detected, planted, 2) == pytest.approx((1 / 3, 3 / 4))
    assert detection_rates(detected, planted, 3) == pytest.approx((2 / 3, 2 / 4))
    assert detection_rates(detected, planted, 8) == pytest.approx((1, 1 / 4))  # the other cell's stays false
    np.testing.assert_equal(detection_rates(detected, 0 * planted, 1), (np.nan, 1))
    np.testing.assert_equal(detection_rates(0 * detected, planted, 1), (0, np.nan))


def test_an_unknown_kind_is_refused():
    with pytest.raises(
        ValueError, match="kind='trough' of events; there are: rise, onset, peak, mid, predip"
    ):
        detect_events(np.zeros((50, 1)), "trough")
