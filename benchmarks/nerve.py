"""The decoder of nerve signals: a tick against computing it anew, and what signal and features cost.

All on one core, with the network of 1,611,567 parameters and 16 channels of simulated signal at 10 kHz.
Ratios are medians with their range over repeats in turns; results are asserted to be equal. Targets: a tick
of at most 2 ms (median) and 10 ms (P99), 10 times faster than keeping nothing, which means to filter the raw
signal of 52 steps anew, compute the features of their windows and run the network on them; raw signal 20
times faster than it lasts. What a tick without state costs that keeps its features is printed beside, and one
that attends at the last step only.

The obvious peer for features is libemg. It needs numpy < 2, so that it cannot be installed beside this book,
and it lacks three of the fourteen features; the formulas in numpy, on windows cut by strides, take its place.
"""

from collections import deque
from time import perf_counter, sleep

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import sosfilt
from threadpoolctl import threadpool_limits

from crossroads.data.hand_movements import CONTROL_HZ, PER_STEP, cued_movements
from crossroads.data.nerve_session import DOFS, GESTURES, STEP_S
from crossroads.data.nerve_signals import N_CHANNELS, RAW_HZ, NerveSource, NerveWorld, chunks, grow_nerve
from crossroads.models.hand_decoder import (
    ATTENTION_STEPS,
    KERNEL,
    PAPER_HIDDEN,
    AttentionDecoder,
    LiveDecoder,
    decode,
    n_parameters,
)
from crossroads.models.matching_task import Device, Running
from crossroads.models.nerve_features import (
    DEFAULT,
    FEATURES,
    Features,
    Filter,
    FrontEnd,
    features_of_window,
    normalised,
    sections,
    spread,
)

WORLD = NerveWorld(seed=0, amplitude_uv=10.0)
N_REPEATS, N_TICKS, N_ANEW = 5, 500, 25  # ticks of a repeat, and those that each peer computes
N_IDLE = 200
N_STEPS = ATTENTION_STEPS + KERNEL - 1
SECTIONS = sections(DEFAULT)  # designed once: no peer's time goes into it
N_WINDOW, N_STEP = (round(s * DEFAULT.sample_hz) for s in (DEFAULT.window_s, STEP_S))
N_TRIALS = 15  # of generated movement
WINDOWS_S = 0.1, 0.2, 0.4
MOST_MS, MOST_P99_MS, FASTER, REAL_TIME = 2.0, 10.0, 10, 20


def filtered(front: FrontEnd, raw: np.ndarray) -> np.ndarray:
    """(n / decimate, C) of raw (n, C), from silence."""
    first, second = SECTIONS
    return sosfilt(second, sosfilt(first, raw, axis=0)[:: front.decimate], axis=0)


def one_step(device: Device, raw: np.ndarray) -> np.ndarray:
    """(1, F) of the last window of raw signal; in its favour, the filter gets no time to settle."""
    window = filtered(device.front, raw[-N_WINDOW * device.front.decimate :])
    found = features_of_window(window, device.spread).ravel()
    return normalised(found, device.mean, device.sd)[None].astype(np.float32)


def all_steps(device: Device, raw: np.ndarray) -> np.ndarray:
    """(N_STEPS, F) of all windows of raw signal."""
    windows = sliding_window_view(filtered(device.front, raw), N_WINDOW, axis=0)[::N_STEP]
    found = strided(windows, device.spread).reshape(N_STEPS, -1)
    return normalised(found, device.mean, device.sd).astype(np.float32)


@torch.inference_mode()
def last_posture(network: AttentionDecoder, steps: np.ndarray) -> np.ndarray:
    """(6,) of features (n, F), from nothing; in its favour, attention is computed for the last step only."""
    x = torch.from_numpy(steps)[None]
    hidden, inner = network.encoder(x[:, :-1])
    recent = hidden[:, 1 - ATTENTION_STEPS :]
    keys = torch.nn.functional.linear(recent, network.align.weight[:, : hidden.shape[2]])
    posture, _ = network(x[:, -1:], (*inner, recent, keys))
    return posture[0, 0].clamp(0, 1).numpy()


def check_networks(network: AttentionDecoder, rng: np.random.Generator) -> None:
    """All steps at once, the last one from nothing, and one after the other give the same."""
    steps = rng.standard_normal((N_STEPS, len(FEATURES) * N_CHANNELS)).astype(np.float32)
    live, expected = LiveDecoder(network), decode(network, steps[None])[0]
    np.testing.assert_allclose([live(step[None])[0] for step in steps], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(last_posture(network, steps), expected[-1], rtol=0, atol=1e-5)


def ticks(sd: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Print and return median and P99 of a tick [ms], and how many times longer it takes anew."""
    torch.manual_seed(0)
    n_features = len(FEATURES) * N_CHANNELS
    network = AttentionDecoder(n_features, PAPER_HIDDEN).eval()
    check_networks(network, rng)
    device = Device(DEFAULT, sd, network, np.zeros(n_features), 100 * np.ones(n_features))
    earlier = rng.standard_normal((N_STEPS - 1, n_features)).astype(np.float32)
    peers = {
        "all 52 windows anew, network on 52 steps": lambda raw: decode(network, all_steps(device, raw)[None]),
        "last window anew, network on 52 steps": lambda raw: decode(
            network, np.concatenate([earlier, one_step(device, raw)])[None]
        ),
        "the same, attention at the last step only": lambda raw: last_posture(
            network, np.concatenate([earlier, one_step(device, raw)])
        ),
        "all 52 windows anew, attention at the last step only": lambda raw: last_posture(
            network, all_steps(device, raw)
        ),
    }
    source, running = NerveSource(grow_nerve(WORLD), WORLD, rng), Running(device)
    silent = np.zeros((1, PER_STEP, len(DOFS)))
    packets: deque[np.ndarray] = deque(maxlen=N_STEPS - 1 + N_WINDOW // N_STEP)
    packets.extend(source.chunk(silent) for _ in range(N_STEPS + N_WINDOW // N_STEP))
    parts, others = np.empty((N_REPEATS, N_TICKS, 2)), np.empty((N_REPEATS, N_ANEW, len(peers)))
    for repeat in range(-1, N_REPEATS):  # the first one warms up, and is overwritten
        for i in range(N_TICKS + N_ANEW * len(peers)):
            # Drawing the packet in between leaves no warm cache to a tick, nor to a peer.
            packets.append(source.chunk(silent))
            turn, which = divmod(i, len(peers))
            if turn < N_ANEW:
                raw = np.concatenate(packets, axis=1)[0]
                begin = perf_counter()
                list(peers.values())[which](raw)
                others[repeat, turn, which] = perf_counter() - begin
            x, seconds = tick(running, packets[-1])
            if turn >= N_ANEW:
                parts[repeat, i - N_ANEW * len(peers)] = seconds
        raw = np.concatenate(packets, axis=1)[0]
        np.testing.assert_allclose(all_steps(device, raw)[-1], x[0], rtol=1e-5, atol=1e-5)
    idle = []
    for _ in range(N_IDLE):
        sleep(0.75 * STEP_S)
        idle.append(1e3 * sum(tick(running, packets[-1])[1]))
    taken = 1e3 * parts.sum(2)
    median, p99 = float(np.median(taken)), float(np.quantile(taken, 0.99))
    front, inference = 1e3 * np.median(parts, axis=(0, 1))
    print(
        f"a tick, {n_parameters(network):,} parameters, {taken.size} ticks: median {median:.2f} ms "
        f"(front end {front:.2f}, network {inference:.2f}), P99 {p99:.2f} ms, longest {taken.max():.1f} ms\n"
        f"  each after {0.75 * STEP_S} s of sleep, as live: median {np.median(idle):.2f} ms, "
        f"P99 {np.quantile(idle, 0.99):.2f} ms"
    )
    faster = []
    for name, other in zip(peers, np.moveaxis(1e3 * others, 2, 0), strict=True):
        ratio = np.median(other, 1) / np.median(taken, 1)
        faster.append(float(np.median(ratio)))
        spread_of = f"{ratio.min():.1f}-{ratio.max():.1f}"
        print(f"  {name}: {np.median(other):.1f} ms, {faster[-1]:.1f} times ({spread_of})")
    return median, p99, faster[0]


def tick(running: Running, packet: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Features of one packet, and the seconds that front end and network take."""
    begin = perf_counter()
    x = running.features(packet)
    middle = perf_counter()
    running.network(x)
    return x, (middle - begin, perf_counter() - middle)


def filtering(raw: np.ndarray) -> None:
    """Print what filtering costs, and how much more by scipy, section after section."""
    times = []
    for repeat in range(-1, N_REPEATS):
        ours = Filter(DEFAULT, N_CHANNELS)
        begin = perf_counter()
        found = np.concatenate([ours(second) for second in raw.reshape(-1, RAW_HZ, N_CHANNELS)])
        middle = perf_counter()
        expected = filtered(DEFAULT, raw)
        end = perf_counter()
        if repeat >= 0:
            times.append([middle - begin, end - middle])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    taken, by_scipy = 1e3 * np.array(times).T * RAW_HZ / len(raw)
    ratio = by_scipy / taken
    print(
        f"filter: {np.median(taken):.2f} ms a second of signal; scipy's sosfilt "
        f"{np.median(ratio):.1f} times ({ratio.min():.1f}-{ratio.max():.1f})"
    )


def generation(sd: np.ndarray) -> float:
    """Print how much faster than real time signal comes, without and with features; returns the first."""
    speeds = []
    for seed in range(N_REPEATS):
        rng = np.random.default_rng(seed)
        path = cued_movements(rng.integers(1, len(GESTURES), N_TRIALS), rng)
        nerve, low, features = grow_nerve(WORLD), Filter(DEFAULT, N_CHANNELS), Features(DEFAULT, sd)
        begin = perf_counter()
        for _ in chunks(nerve, WORLD, path, rng):
            pass
        middle = perf_counter()
        for chunk in chunks(nerve, WORLD, path, rng):
            features(low(chunk))
        end = perf_counter()
        speeds.append(len(path) / CONTROL_HZ / np.array([middle - begin, end - middle]))
    for name, speed in zip(("raw signal", "raw signal and features"), np.array(speeds).T, strict=True):
        print(f"{name}: {np.median(speed):.0f} times real time ({speed.min():.0f}-{speed.max():.0f})")
    return float(np.median(speeds, axis=0)[0])


def each_window(windows: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """(m, 14, K) by the formulas, one window (K, N) after the other."""
    return np.stack([features_of_window(window.T, sd) for window in windows])


def strided(windows: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """The same for all windows of a second at once, each of them as so many further channels."""
    per_second, found = round(1 / STEP_S), []
    for start in range(0, len(windows), per_second):
        some = np.moveaxis(windows[start : start + per_second], 2, 0)
        flat = features_of_window(some.reshape(len(some), -1), np.tile(sd, some.shape[1]))
        found.append(flat.reshape(len(FEATURES), -1, len(sd)).swapaxes(0, 1))
    return np.concatenate(found)


def features_and_window(x: np.ndarray, sd: np.ndarray) -> None:
    """Print what features cost by block sums and by their formulas, and how that grows with the window."""
    lasts_s, blocked = len(x) / DEFAULT.sample_hz, []
    for window_s in WINDOWS_S:
        front = FrontEnd(window_s=window_s)
        n, step = round(window_s * front.sample_hz), round(STEP_S * front.sample_hz)
        padded = np.concatenate([np.zeros((n - step, N_CHANNELS)), x])  # as the block sums begin: in silence
        windows = sliding_window_view(padded, n, axis=0)[::step]
        times = []
        for repeat in range(-1, N_REPEATS):
            features = Features(front, sd)
            begin = perf_counter()
            ours = features(x)
            one = perf_counter()
            loop = each_window(windows, sd)
            two = perf_counter()
            cut = strided(windows, sd)
            three = perf_counter()
            if repeat >= 0:
                times.append([one - begin, two - one, three - two])
            np.testing.assert_allclose(ours, loop, rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(cut, loop, rtol=1e-6, atol=1e-9)
        by_blocks, *others = np.array(times).T / lasts_s
        blocked.append(float(np.median(by_blocks)))
        print(f"features, window of {window_s} s: {1e3 * blocked[-1]:.2f} ms a second of signal", end="")
        for name, other in zip(("formulas on each window", "on strided windows"), others, strict=True):
            ratio = other / by_blocks
            print(
                f"; {name} {1e3 * np.median(other):.1f} ms, {np.median(ratio):.1f} times "
                f"({ratio.min():.1f}-{ratio.max():.1f})",
                end="",
            )
        print()
    growth = np.polyfit(np.log(WINDOWS_S), np.log(blocked), 1)[0]
    print(f"  block sums grow as window^{growth:.2f}")


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    path = cued_movements(rng.integers(1, len(GESTURES), 5), rng)
    raw = np.concatenate(list(chunks(grow_nerve(WORLD), WORLD, path, rng)))
    x = Filter(DEFAULT, N_CHANNELS)(raw)
    sd = spread(x)
    median, p99, faster = ticks(sd, rng)
    filtering(raw)
    speed = generation(sd)
    features_and_window(x, sd)
    if median > MOST_MS or p99 > MOST_P99_MS or faster < FASTER or speed < REAL_TIME:
        raise SystemExit(
            f"below the targets: {MOST_MS} ms a tick, {MOST_P99_MS} ms at P99, {FASTER} times faster than "
            f"anew, {REAL_TIME} times real time"
        )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
