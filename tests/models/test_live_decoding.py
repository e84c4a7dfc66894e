import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from crossroads.data.nerve_session import STEP_S
from crossroads.models.hand_decoder import AttentionDecoder, decode
from crossroads.models.live_decoding import LiveRun, decode_live
from crossroads.models.matching_task import Device
from crossroads.models.nerve_features import DEFAULT, FEATURES, Features, Filter, normalised

N_CHANNELS, N_SAMPLES = 16, 200


@pytest.fixture(scope="module")
def device() -> Device:
    torch.manual_seed(0)
    n = len(FEATURES) * N_CHANNELS
    rng = np.random.default_rng(0)
    network = AttentionDecoder(n, 8).eval()
    return Device(
        DEFAULT, rng.uniform(0.5, 2, N_CHANNELS), network, rng.normal(0, 1, n), rng.uniform(1, 2, n)
    )


def draw_packets(n: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = rng.uniform(1, 20, (n, 1, 1))
    return list((scale * rng.standard_normal((n, N_SAMPLES, N_CHANNELS))).astype(np.float32))


def offline(device: Device, packets: list[np.ndarray]) -> np.ndarray:
    """(n, 6) all packets in one piece, and the network on all steps at once."""
    filtered = Filter(device.front, N_CHANNELS)(np.concatenate(packets))
    features = Features(device.front, device.spread)(filtered).reshape(len(packets), -1)
    return decode(device.network, normalised(features, device.mean, device.sd)[None])[0]


def run_streams(device: Device, packets: list[np.ndarray]) -> LiveRun:
    """A run by LSL, which some machines do not allow."""
    pytest.importorskip("pylsl", exc_type=(ImportError, RuntimeError))
    run = decode_live(device, packets, "lsl", pace_s=0.0, timeout_s=1.0)
    if run.transport != "lsl":
        pytest.skip(f"no LSL on this machine: {run.why}")
    return run


@pytest.fixture(autouse=True)
def all_threads_end() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def check_order(run: LiveRun) -> None:
    for earlier, later in (
        (run.sent_s, run.received_s),
        (run.received_s, run.done_s),
        (run.done_s, run.returned_s),
    ):
        assert (later > earlier).all()
    for times in (run.sent_s, run.received_s, run.done_s, run.returned_s):
        assert (np.diff(times) > 0).all()


def test_queues_give_what_the_device_gives_offline(device: Device) -> None:
    packets = draw_packets(40, 1)
    run = decode_live(device, packets, "queue", pace_s=0.0)
    assert run.transport == "queue"
    assert run.why == ""
    expected = offline(device, packets)
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(run.decoded, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(run.returned, run.decoded)
    check_order(run)


def test_streams_give_what_the_device_gives_offline(
    device: Device, capfd: pytest.CaptureFixture[str]
) -> None:
    packets = draw_packets(40, 2)
    run = run_streams(device, packets)
    assert run.why == ""
    np.testing.assert_allclose(run.decoded, offline(device, packets), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(run.returned, run.decoded)
    check_order(run)
    assert capfd.readouterr() == ("", "")


def test_runs_side_by_side_do_not_mix(device: Device) -> None:
    recordings = [draw_packets(30, seed) for seed in (3, 4)]
    run_streams(device, recordings[0][:1])
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda packets: decode_live(device, packets, pace_s=0.002), recordings))
    for run, packets in zip(runs, recordings, strict=True):
        assert run.transport == "lsl"
        np.testing.assert_allclose(run.decoded, offline(device, packets), rtol=0, atol=1e-5)


@pytest.mark.parametrize("transport", ["lsl", "queue"])
def test_packets_keep_the_pace(device: Device, transport: str) -> None:
    run = decode_live(device, draw_packets(25, 5), transport, pace_s=0.004, timeout_s=1.0)
    due = 0.004 * np.arange(1, 26)
    assert (run.sent_s >= due).all()
    assert (run.sent_s - due)[-5:].min() < 0.02  # being late now and then does not add up
    check_order(run)


def test_each_posture_bears_the_time_of_its_last_sample(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets = draw_packets(5, 6)
    run_streams(device, packets[:1])
    import pylsl

    stamps: dict[int, list[float]] = {N_CHANNELS: [], 6: []}
    pull = pylsl.StreamInlet.pull_chunk

    def noted(inlet, *arguments, **settings):
        values, times = pull(inlet, *arguments, **settings)
        stamps[values.shape[1]].extend(times)
        return values, times

    monkeypatch.setattr(pylsl.StreamInlet, "pull_chunk", noted)
    decode_live(device, packets, pace_s=0.0)
    np.testing.assert_allclose(np.diff(stamps[N_CHANNELS]), 1e-4, atol=1e-8)
    np.testing.assert_allclose(stamps[6], stamps[N_CHANNELS][N_SAMPLES - 1 :: N_SAMPLES], atol=1e-8)
    np.testing.assert_allclose(np.diff(stamps[6]), STEP_S, atol=1e-8)


def test_without_the_layer_queues_take_its_place(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    packets = draw_packets(10, 7)
    run = decode_live(device, packets, "lsl", pace_s=0.0, timeout_s=1.0)
    assert run.transport == "queue"
    assert "pylsl" in run.why
    np.testing.assert_allclose(run.decoded, offline(device, packets), rtol=0, atol=1e-5)


def test_a_stream_that_is_not_found_is_replaced(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    pylsl = pytest.importorskip("pylsl", exc_type=(ImportError, RuntimeError))
    resolve = pylsl.resolve_byprop
    monkeypatch.setattr(
        pylsl, "resolve_byprop", lambda prop, value, *rest: resolve(prop, f"no {value}", *rest)
    )
    packets = draw_packets(10, 8)
    run = decode_live(device, packets, "lsl", pace_s=0.0, timeout_s=0.5)
    assert run.transport == "queue"
    assert "not found within 0.5 s" in run.why
    np.testing.assert_allclose(run.decoded, offline(device, packets), rtol=0, atol=1e-5)


@pytest.mark.parametrize("lost", [slice(0, N_SAMPLES), slice(7, 8)])
def test_what_is_lost_on_the_way_is_an_error(
    device: Device, monkeypatch: pytest.MonkeyPatch, lost: slice
) -> None:
    packets = draw_packets(10, 9)
    run_streams(device, packets[:1])
    import pylsl

    push = pylsl.StreamOutlet.push_chunk

    def lossy(outlet, values, stamp):
        if np.array_equal(values, packets[4]):
            values = np.delete(values, lost, axis=0)
        push(outlet, values, stamp)

    monkeypatch.setattr(pylsl.StreamOutlet, "push_chunk", lossy)
    with pytest.raises(RuntimeError, match="packet [45] was due"):
        decode_live(device, packets, pace_s=0.0, timeout_s=0.5)


@pytest.mark.parametrize("transport", ["lsl", "queue"])
def test_an_error_in_a_thread_ends_the_run(device: Device, transport: str) -> None:
    class Broken(torch.nn.Module):
        def forward(self, x, state=None):
            raise ZeroDivisionError("the network fails")

    start = time.perf_counter()
    with pytest.raises(ZeroDivisionError, match="the network fails"):
        decode_live(
            replace(device, network=Broken()), draw_packets(200, 10), transport, pace_s=0.1, timeout_s=0.3
        )
    assert time.perf_counter() - start < 10  # of the 20 s that all packets would take


def test_packets_that_do_not_fit_are_refused(device: Device) -> None:
    good, bad = draw_packets(1, 11) * 2
    with pytest.raises(ValueError, match=r"packet 1 is float64 \(200, 16\): it must be float32"):
        decode_live(device, [good, bad.astype(float)])
    with pytest.raises(ValueError, match=r"packet 1 is float32 \(100, 16\)"):
        decode_live(device, [good, bad[:100]])
    with pytest.raises(ValueError, match="transport 'radio'"):
        decode_live(device, [good], "radio")
