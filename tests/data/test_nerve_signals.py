"""Simulated nerves fire as gamma processes do, and each part of their signal has the size it was given."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import welch
from scipy.stats import gamma, kstest, norm

from crossroads.data import nerve_signals as signals
from crossroads.data.hand_movements import CONTROL_HZ, cued_movements
from crossroads.data.nerve_session import DOFS, GESTURES
from crossroads.data.nerve_signals import RAW_HZ, NerveSource, NerveWorld, drive, grow_nerve, rates

QUIET = NerveWorld(3, amplitude_uv=10.0, noise_uv=0.0, emg_uv=0.0, line_uv=0.0)
SILENT = replace(QUIET, amplitude_uv=0.0)
INTERVAL = gamma(12, scale=1 / 12)  # between spikes, in mean intervals


@pytest.fixture
def no_motion(monkeypatch):
    monkeypatch.setattr(signals, "MOTION_UV", 0.0)


def units(least_hz, gain_hz=0.0, threshold=-1.0, most_hz=100.0, world=QUIET):
    """A nerve whose units are driven by the thumb alone; without gain they fire at their least rate."""
    n = len(least_hz)
    return replace(
        grow_nerve(world),
        weights=np.eye(6)[:, :1].repeat(n, 1),
        threshold=np.full(n, threshold),
        least_hz=np.asarray(least_hz, float),
        gain_hz=np.full(n, gain_hz),
        most_hz=np.full(n, most_hz),
        waveform=grow_nerve(world).waveform[:, :n],
        coupling=grow_nerve(world).coupling[:n],
    )


def run(nerve, path, sizes, world=QUIET, seed=0):
    """Signal (B, T, C) of a path (B, m, 6) in chunks of some sizes, and stream, unit and sample of spikes."""
    source = NerveSource(nerve, world, np.random.default_rng(seed), len(path))
    parts, spikes, start = [], [], 0
    for size in sizes:
        parts.append(source.chunk(path[:, start : start + size]))
        stream, unit, sample = source.fired
        spikes.append((stream, unit, sample + start * signals.PER_CONTROL))
        start += size
    return np.concatenate(parts, 1), [np.concatenate(a) for a in zip(*spikes, strict=True)]


def spike_times(nerve, path, sizes, seed=0):
    """Sorted times [s] of each unit in each stream; a spike lies anywhere in its sample."""
    _, (stream, unit, sample) = run(nerve, path, sizes, seed=seed)
    times = (sample + np.random.default_rng(1).random(len(sample))) / RAW_HZ
    n_units = len(nerve.threshold)
    process = stream * n_units + unit
    order = np.lexsort((times, process))
    return np.split(times[order], np.searchsorted(process[order], np.arange(1, len(path) * n_units)))


@pytest.mark.parametrize("size", [10, 137, 1500])
def test_units_fire_as_gamma_processes_at_their_rate_in_chunks_of_any_size(size):
    least = np.linspace(8, 25, 20)
    path = np.zeros((12, 3000, 6))
    sizes = [size] * (3000 // size) + [3000 % size] * (3000 % size > 0)
    times = spike_times(units(least), path, sizes)
    rate = np.tile(least, 12)
    counts = np.array([len(t) for t in times])
    # Counts of a renewal process over long times: their variance is CV^2 of their mean.
    np.testing.assert_allclose(counts.sum(), 6 * rate.sum(), atol=4 * np.sqrt(6 * rate.sum() / 12))
    assert (counts - 6 * rate).var() == pytest.approx((6 * rate).mean() / 12, rel=0.3)
    intervals = np.concatenate([np.diff(t) * r for t, r in zip(times, rate, strict=True)])
    assert intervals.std() / intervals.mean() == pytest.approx(12**-0.5, rel=0.02)
    assert kstest(intervals, INTERVAL.cdf).statistic < 0.02


def test_processes_have_gone_on_for_long():
    """They fire at their rate from the first moment on, and first after what an interval has left."""
    times = spike_times(units([20.0] * 70), np.zeros((70, 100, 6)), [50, 50])
    counts = np.histogram(np.concatenate(times), np.arange(11) / 50)[0]
    np.testing.assert_allclose(counts, 70 * 70 * 20 / 50, rtol=0.1)
    left = 20 * np.array([one[0] for one in times])

    def distribution(x):  # the integral of what of all intervals is longer than x
        return x * INTERVAL.sf(x) + gamma(13, scale=1 / 12).cdf(x)

    assert kstest(left, distribution).statistic < 0.03


def test_under_a_changing_rate_counts_are_its_integral():
    t = np.arange(3000) / CONTROL_HZ
    thumb = 0.5 - 0.5 * np.cos(2 * np.pi * t)
    path = np.tile(thumb[:, None] * np.eye(6)[0], (15, 1, 1))
    times = spike_times(units([5.0] * 20, 25.0, 0.0), path, [200] * 15)
    speed = np.diff(thumb, prepend=thumb[0]) * CONTROL_HZ
    wanted = 0.75 * thumb + 0.10 * np.maximum(speed, 0)
    rate = np.where(wanted > 0, 5 + 25 * wanted, 0.3)
    integral = np.concatenate([[0], np.cumsum(rate / CONTROL_HZ)])
    edges = np.arange(61) / 10  # tenths of a second
    counts = np.histogram(np.concatenate(times), edges)[0]
    expected = 300 * np.diff(integral[:: CONTROL_HZ // 10])
    assert expected.max() > 4 * expected.min()
    np.testing.assert_allclose(counts, expected, atol=4 * np.sqrt(expected.max()))
    # In operational time, the integral of the rate, the intervals are those of a constant rate.
    due = [np.interp(one, np.arange(3001) / CONTROL_HZ, integral) for one in times]
    assert kstest(np.concatenate([np.diff(one) for one in due]), INTERVAL.cdf).statistic < 0.02


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=20), seed=st.integers(0, 2**32))
def test_signal_is_the_sum_of_waveforms_across_chunks(sizes, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "MOTION_UV", 0.0)
        nerve = replace(units([20.0, 40.0, 60.0]), channel_gain=np.linspace(0.5, 2, 16))
        seen, (stream, unit, sample) = run(nerve, np.zeros((2, sum(sizes), 6)), sizes, seed=seed)
    expected = np.zeros_like(seen, float)
    for b, u, at in zip(stream, unit, sample, strict=True):
        shape = nerve.waveform[: seen.shape[1] - at, u]  # the rest comes after the last chunk
        expected[b, at : at + len(shape)] += shape[:, None] * nerve.coupling[u] * nerve.channel_gain
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_a_spike_goes_on_in_the_next_chunk(no_motion):
    """The property above would hold too, had no spike ever met a border."""
    nerve = units([20.0])
    seen, (_, _, sample) = run(nerve, np.zeros((1, 1000, 6)), [1] * 1000)
    (alone,) = sample[(np.diff(sample, append=20000) > 45) & (sample % 20 == 19)][:1]
    np.testing.assert_allclose(
        seen[0, alone : alone + 45], nerve.waveform * nerve.coupling, atol=1e-4 * nerve.coupling.max()
    )


def test_a_silenced_nerve_holds_no_spike(no_motion):
    nerve = grow_nerve(SILENT)
    seen, (_, _, sample) = run(nerve, np.ones((1, 500, 6)), [250, 250], SILENT)
    assert len(sample) > 100
    np.testing.assert_array_equal(seen, 0)


def power_between(x, low_hz, high_hz):
    """(...,) mean square of x (..., T, C) in a band, on each channel."""
    hz, density = welch(x, RAW_HZ, nperseg=min(x.shape[-2], RAW_HZ), axis=-2)
    inside = (hz >= low_hz) & (hz < high_hz)
    return density[..., inside, :].sum(-2) * hz[1]


def test_white_noise_has_its_size_between_25_and_600_hz(no_motion):
    world = replace(SILENT, noise_uv=2.5)
    nerve = replace(grow_nerve(world), noise_uv=np.linspace(1, 4, 16), channel_gain=np.full(16, 9.0))
    seen, _ = run(nerve, np.zeros((1, 5000, 6)), [1000] * 5, world)
    share = np.sqrt(power_between(seen[0], 25, 600)) / np.linspace(1, 4, 16)
    np.testing.assert_allclose(share, 1, rtol=0.04)
    assert share.mean() == pytest.approx(1, abs=0.008)
    ratio = power_between(seen[0], 3000, 4000) / power_between(seen[0], 1000, 2000)
    np.testing.assert_allclose(ratio, 1, rtol=0.1)
    assert np.abs(np.corrcoef(seen[0].T) - np.eye(16)).max() < 0.02
    np.testing.assert_array_equal(grow_nerve(world).noise_uv, 2.5)


@pytest.mark.parametrize(("flexion", "envelope"), [(0.0, 0.1), (1.0, 1.1), (0.3, None)])
def test_muscles_that_follow_the_intent(no_motion, flexion, envelope):
    world = replace(SILENT, emg_uv=3.0, emg_follows="the intent")
    nerve = grow_nerve(world)
    posture = flexion * np.eye(6)[0] if envelope is None else np.full(6, flexion)
    seen, _ = run(nerve, np.tile(posture, (1, 5000, 1)), [1000] * 5, world)
    muscles = 0.1 + np.minimum(0.75 * posture @ nerve.muscles, 1)
    if envelope is not None:
        np.testing.assert_allclose(muscles, envelope)
    size = 3.0 * np.linalg.norm(muscles[:, None] * nerve.emg_weights, axis=0)
    np.testing.assert_allclose(seen[0].std(0), size, rtol=0.05)
    if envelope is not None:  # muscles near a nerve are alike to all its contacts, 30 % are alike to all
        alike = np.corrcoef(seen[0].T)
        same = signals.NERVE_OF_CHANNEL[:, None] == signals.NERVE_OF_CHANNEL
        np.testing.assert_allclose(alike[same], 1, atol=1e-3)
        np.testing.assert_allclose(alike[~same], 0.3, atol=0.05)


@pytest.mark.parametrize("follows", ["the intent", "other movements"])
def test_muscles_keep_below_600_hz(no_motion, follows):
    world = replace(SILENT, emg_uv=3.0, emg_follows=follows)
    path = cued_movements(np.array([1, 11, 9]), np.random.default_rng(0))[None]
    seen, _ = run(grow_nerve(world), path, [2000] * 3, world)
    inside, all_of_it = power_between(seen[0], 25, 420), power_between(seen[0], 0, 5001)
    assert (inside > 0.95 * all_of_it).all()
    assert (power_between(seen[0], 600, 5001) < 1e-3 * all_of_it).all()


def test_muscles_that_do_something_else(no_motion):
    world = replace(SILENT, emg_uv=3.0)
    nerve = replace(units([10.0] * 3, world=world), emg_weights=np.eye(3).repeat([6, 5, 5], 1))
    path = np.zeros((15, 2000, 6))
    seen, _ = run(nerve, path, [2000], world)
    short = path[:2, :200]
    still, moved = (run(nerve, p, [200], world)[0] for p in (short, short + 1))
    np.testing.assert_array_equal(still, moved)
    z = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    square = np.mean((0.1 + np.clip(0.5 + 0.5 * z, 0, 1)) ** 2)
    assert np.mean(seen[..., [0, 6, 11]] ** 2) == pytest.approx(9 * square, rel=0.2)


def test_the_line_hums_at_60_and_180_hz(no_motion):
    world = replace(SILENT, line_uv=4.0)
    nerve = grow_nerve(world)
    seen, _ = run(nerve, np.zeros((2, 5000, 6)), [10, 1990, 3000], world)
    size = np.abs(np.fft.rfft(seen, axis=1)) * 2 / seen.shape[1]
    # 10 s are one swing of the line's gain, which is 1 on average and 30 % up and down at 0.1 Hz.
    for stream in size:
        np.testing.assert_allclose(stream[[600, 1800]], nerve.line_uv, rtol=1e-3)
        np.testing.assert_allclose(stream[[599, 601]], 0.15 * nerve.line_uv[:1].repeat(2, 0), rtol=1e-3)
        assert np.delete(stream, [599, 600, 601, 1799, 1800, 1801], 0).max() < 1e-3
    assert np.abs(seen[0] - seen[1]).max() > 1  # in phases of their own
    sizes = np.log([grow_nerve(replace(world, seed=s)).line_uv / 4 for s in range(40)])
    assert sizes.mean() == pytest.approx(0, abs=0.035)
    assert sizes.std() == pytest.approx(0.3, rel=0.08)


def test_motion_is_slow():
    seen, _ = run(grow_nerve(SILENT), np.zeros((2, 7500, 6)), [1500] * 5, SILENT)
    assert np.sqrt((seen**2).mean()) == pytest.approx(20, rel=0.06)
    assert (power_between(seen, 25, 5001) < 1e-5 * 400).all()
    # No jumps, between chunks either; only at the very beginning it comes from 0.
    assert np.abs(np.diff(seen[:, 20:], axis=1)).max() < 0.2


def test_what_comes_from_tissue_is_scaled_by_a_channels_gain():
    world = NerveWorld(3, 10.0, noise_uv=0.0)
    nerve = grow_nerve(world)
    gain = np.linspace(0.5, 2, 16)
    path = cued_movements(np.array([4]), np.random.default_rng(0))[None]
    plain, _ = run(nerve, path, [2000], world)
    scaled, _ = run(replace(nerve, channel_gain=gain), path, [2000], world)
    np.testing.assert_allclose(scaled, plain * gain, atol=1e-3)


def test_drive_is_posture_and_speed_of_flexion():
    t = np.arange(6) / CONTROL_HZ
    path = np.stack([0.2 + 0.5 * t, 0.9 - 0.5 * t, np.full(6, 0.4), *np.zeros((3, 6))], axis=1)
    expected = 0.75 * path[1:] + [0.05, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(drive(path), expected)
    np.testing.assert_allclose(drive(np.stack([path, path[::-1]]))[0], expected)


def test_chunks_join_without_a_break_in_the_drive(monkeypatch):
    asked = []
    monkeypatch.setattr(signals, "rates", lambda nerve, drive: asked.append(drive) or rates(nerve, drive))
    path = cued_movements(np.array([11]), np.random.default_rng(0))[None, 450:650]
    run(grow_nerve(QUIET), path, [95, 1, 7, 2, 95])
    np.testing.assert_allclose(np.concatenate(asked, 1)[:, 1:], drive(path))


def test_rates_rise_from_a_threshold_to_a_ceiling():
    nerve = replace(units([8.0, 8.0], 20.0, 0.2, 12.0), weights=np.array([[1.0, 0], [0, 0.5], *[[0, 0]] * 4]))
    asked = np.zeros((5, 6))
    asked[:, 0] = asked[:, 1] = [0.1, 0.2, 0.3, 0.6, 1.0]
    expected = [[0.3, 0.3], [0.3, 0.3], [10, 0.3], [12, 10], [12, 12]]
    np.testing.assert_allclose(rates(nerve, asked), expected)
    np.testing.assert_allclose(rates(nerve, asked[None, :, None]), np.array(expected)[None, :, None])


def test_units_belong_to_a_movement_and_lie_where_it_is_served():
    nerves = [grow_nerve(replace(QUIET, seed=s)) for s in range(40)]
    tuned, own = slice(0, 72), np.arange(72) // 12
    weights = np.array([nerve.weights for nerve in nerves])
    np.testing.assert_array_equal(weights[:, own, np.arange(72)], 1)
    np.testing.assert_array_equal(weights[..., 72:], 0)
    others = weights[..., tuned][:, np.arange(6)[:, None] != own]
    assert others.mean() == pytest.approx(0.3 * 0.15 * np.sqrt(2 / np.pi), rel=0.03)
    strongest = np.array([n.coupling.reshape(80, 4, 4).sum(2).argmax(1) for n in nerves])[:, tuned]
    at_home = (strongest[..., None] == np.array(signals.HOMES)[own]).any(-1)
    assert at_home.mean() == pytest.approx(1 - 0.12 / 2, abs=0.02)
    # Units without tuning fire at the same rate whatever is asked for.
    for nerve in nerves[:3]:
        np.testing.assert_array_equal(rates(nerve, np.zeros(6))[72:], rates(nerve, np.ones(6))[72:])
        assert (rates(nerve, np.zeros(6))[tuned] <= 0.3).all()
        assert (np.abs(rates(nerve, np.full(6, 9.0))[tuned] - nerve.most_hz[tuned]) < 1e-9).all()


def test_waveforms_are_a_peak_and_a_phase_after_it():
    shape = grow_nerve(QUIET).waveform
    np.testing.assert_allclose(shape.min(0), -1)
    np.testing.assert_allclose(shape[[0, -1]], 0, atol=0.03)
    assert (shape.argmax(0) > shape.argmin(0)).all()
    width_ms = (shape < -0.5).sum(0) / RAW_HZ * 1e3
    assert width_ms.min() >= 0.2
    assert width_ms.max() <= 0.9
    np.testing.assert_allclose([shape.max(0).min(), shape.max(0).max()], [0.4, 0.9], atol=0.1)


def test_months_drift():
    n_months = 16
    change, gains, noise, n_moved = [], [], [], 0
    for seed in range(12):
        world = NerveWorld(seed, 10.0)
        nerves = [grow_nerve(replace(world, month=m)) for m in range(n_months + 1)]
        logs = np.log([nerve.coupling for nerve in nerves])
        # Units that moved changed by far more than 15 % can do.
        moved = (np.abs(np.diff(logs, axis=0)) > 6 * 0.15).any(2)
        n_moved += moved.sum()
        change.append(logs[:, ~moved.any(0)] - logs[0, ~moved.any(0)])
        gains.append(np.log([nerve.channel_gain for nerve in nerves]))
        noise.append(np.log([nerve.noise_uv / 2.5 for nerve in nerves]))
    assert n_moved / (12 * n_months * 80) == pytest.approx(0.03, abs=0.004)
    change = np.concatenate(change, axis=1)
    months = np.sqrt(np.arange(n_months + 1))
    np.testing.assert_allclose(change.std((1, 2)), 0.15 * months, rtol=0.05)
    gains, noise = (np.concatenate(a, axis=1) for a in (gains, noise))
    np.testing.assert_allclose(gains.std(1), 0.10 * months, rtol=0.2)
    np.testing.assert_allclose(noise.std(1), 0.03 * months, rtol=0.2)
    assert noise[-1].mean() == pytest.approx(0.16, abs=4 * 0.12 / np.sqrt(12 * 16))


def test_only_what_drifts_changes_with_the_months():
    first, last = (grow_nerve(NerveWorld(0, 10.0, month=m)) for m in (0, 16))
    same = {f.name for f in fields(first) if np.array_equal(getattr(first, f.name), getattr(last, f.name))}
    assert {f.name for f in fields(first)} - same == {"coupling", "channel_gain", "noise_uv"}
    np.testing.assert_array_equal(first.channel_gain, 1)


def test_a_nerve_precedes_the_movement(no_motion):
    nerve = units([30.0] * 60, threshold=0.01)
    nerve = replace(nerve, coupling=np.ones((60, 16)), waveform=-np.ones((25, 60)))
    path = np.zeros((3000, 6))
    path[2500:, 0] = 1.0  # from 5 s on, in the sixth chunk
    parts = list(signals.chunks(nerve, QUIET, path, np.random.default_rng(0)))
    assert [part.shape for part in parts] == 6 * [(10_000, 16)]
    # How many spikes 2.5 ms hold: 0.05 at rest, 4.5 from now on.
    loud = -np.concatenate(parts)[:, 0] > 2.5
    assert loud.argmax() / RAW_HZ == pytest.approx(5 - 0.06, abs=0.003)


def test_same_seed_and_chunks_same_signal():
    world, path = NerveWorld(1, 10.0, month=2), np.full((2, 300, 6), 0.7)
    first, again, cut, other = (
        run(grow_nerve(world), path, sizes, world, seed)[0]
        for sizes, seed in (([100, 200], 0), ([100, 200], 0), ([150, 150], 0), ([100, 200], 1))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # Other chunks are another draw of the same process.
    assert not np.array_equal(first, cut)
    assert cut.std() == pytest.approx(first.std(), rel=0.5)


def test_fingers_speak_through_their_nerves():
    gesture = np.array([list(GESTURES).index(name) for name in ("index", "little")])
    path = cued_movements(gesture, np.random.default_rng(0))
    world = NerveWorld(0, 30.0, emg_uv=0.0, month=4)
    parts = list(signals.chunks(grow_nerve(world), world, path, np.random.default_rng(1)))
    assert [(part.shape, part.dtype) for part in parts] == 8 * [((10_000, 16), np.float32)]
    # The index finger speaks through the median nerve, the little finger through the ulnar one.
    trials = np.concatenate(parts).reshape(2, 40_000, 16)
    held, rest = (power_between(part, 200, 600) for part in (trials[:, 13_000:25_000], trials[:, :5000]))
    gain = (held - rest).reshape(2, 2, 8).mean(2)
    assert gain[0, 0] > 3 * abs(gain[0, 1])
    assert gain[1, 1] > 3 * abs(gain[1, 0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"amplitude_uv": -1.0}, {"amplitude_uv": float("nan")}, {"noise_uv": -0.1}, {"emg_uv": -3.0},
        {"line_uv": -4.0}, {"month": -1}, {"emg_follows": "nothing"},
    ],
)  # fmt: skip
def test_worlds_that_cannot_be_are_refused(wrong):
    ((key, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{key}={value!r}.*must be 0 or more.*'the intent'"):
        NerveWorld(**{"seed": 0, "amplitude_uv": 10.0} | wrong)


def test_every_degree_of_freedom_has_units():
    assert grow_nerve(QUIET).weights.shape == (len(DOFS), 12 * len(DOFS) + 8)
