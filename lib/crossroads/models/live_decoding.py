"""The decoder at work on the wall clock: packets in, postures out, between threads as on a device.

Acquisition, front end and network each have a thread, as the authors' companion papers tell; a fourth one is
the hand, which receives the postures. Packets and postures go through the Lab Streaming Layer, by which
programs of a laboratory send each other signals, or through queues where that is not at hand.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import Queue
from threading import Event
from typing import NamedTuple

import numpy as np

from crossroads.data.nerve_session import DOFS, STEP_S
from crossroads.models.matching_task import Device, Running

TRANSPORTS = ("lsl", "queue")
# Streams stay on this machine, and only what ends a program is printed.
LSL_SETTINGS = "[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n"


@dataclass(frozen=True, eq=False)
class LiveRun:
    """What came of n packets; times in seconds since the recording began.

    transport : "lsl" or "queue", as really used. why : what kept the other one from being used; else empty.
    decoded : (n, 6) postures, 0 to 1, as the network gave them. returned : (n, 6) as the hand received them.
    sent_s, received_s, done_s, returned_s : (n,) when a packet left the recorder and reached the front end,
    and when its posture left the network and reached the hand.
    """

    transport: str
    why: str
    decoded: np.ndarray
    returned: np.ndarray
    sent_s: np.ndarray
    received_s: np.ndarray
    done_s: np.ndarray
    returned_s: np.ndarray


class _Link(NamedTuple):
    """One way: values (m, k) with the time stamp of the last row."""

    send: Callable[[np.ndarray, float], None]
    receive: Callable[[], tuple[np.ndarray, float]]


def decode_live(
    device: Device,
    packets: Sequence[np.ndarray],
    transport: str = "lsl",
    pace_s: float = STEP_S,
    timeout_s: float = 5.0,
) -> LiveRun:
    """Send a packet each pace_s, decode it as it comes in, and receive the postures.

    Where "lsl" cannot be loaded, or finds no stream of its own within timeout_s, queues take its place and
    the result says so. A program that has used the layer before keeps the settings it had; else streams are
    seen on this machine only.

    Parameters
    ----------
    packets : each (samples of STEP_S, C) float32 [uV], as many channels as the device has.
    pace_s : from one packet to the next; 0 for as fast as they can be sent.
    timeout_s : the longest that is waited for a stream, and for a packet beyond pace_s.

    Raises
    ------
    ValueError : a transport that is not known, or a packet of other shape or type.
    RuntimeError : a packet or a posture was lost, or came out of order.
    TimeoutError, queue.Empty : none came in time.
    """
    n_samples, n_channels = round(device.front.rate_hz * STEP_S), len(device.spread)
    if transport not in TRANSPORTS:
        raise ValueError(f"transport {transport!r}: it must be one of {TRANSPORTS}")
    for i, packet in enumerate(packets):
        if packet.shape != (n_samples, n_channels) or packet.dtype != np.float32:
            raise ValueError(
                f"packet {i} is {packet.dtype} {packet.shape}: it must be float32 {(n_samples, n_channels)}, "
                f"the samples of {STEP_S} s of all channels"
            )
    n, wait_s = len(packets), pace_s + timeout_s
    why, raw, postures = "", _queue(wait_s), _queue(wait_s)
    if transport == "lsl":
        try:
            raw, postures = _streams(n_channels, device.front.rate_hz, n_samples, n, timeout_s, wait_s)
        except (ImportError, OSError, RuntimeError) as error:
            transport, why = "queue", f"{type(error).__name__}: {error}"

    running, waiting, stop = Running(device), Queue[np.ndarray](), Event()
    decoded, returned = np.empty((2, n, len(DOFS)), np.float32)
    sent_s, received_s, done_s, returned_s = times = np.empty((4, n))
    start = time.perf_counter()
    # Stamps tell of the recorder's own clock: a posture bears that of the last sample before it.
    stamp = start + STEP_S * np.arange(1, n + 1)

    def acquire() -> None:
        for i, packet in enumerate(packets):
            if stop.wait(max(0.0, start + (i + 1) * pace_s - time.perf_counter())):
                return
            sent_s[i] = time.perf_counter()
            raw.send(packet, stamp[i])

    def prepare() -> None:
        for i in range(n):
            packet = _next(raw, stamp[i], f"packet {i}")
            received_s[i] = time.perf_counter()
            waiting.put(running.features(packet[None]))

    def infer() -> None:
        for i in range(n):
            decoded[i] = running.network(waiting.get(timeout=wait_s))[0]
            done_s[i] = time.perf_counter()
            postures.send(decoded[i : i + 1], stamp[i])

    def follow() -> None:
        for i in range(n):
            returned[i] = _next(postures, stamp[i], f"posture {i}")[0]
            returned_s[i] = time.perf_counter()

    stages = (acquire, prepare, infer, follow)
    with ThreadPoolExecutor(len(stages)) as pool:
        try:
            ended, _ = wait([pool.submit(stage) for stage in stages], return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # the others wait in vain for what acquisition no longer sends, and end
    for stage in ended:
        stage.result()
    return LiveRun(transport, why, decoded, returned, *(times - start))


def _next(link: _Link, stamp: float, what: str) -> np.ndarray:
    """The next values, which must bear this stamp."""
    values, found = link.receive()
    if abs(found - stamp) > STEP_S / 1000:  # less than one sample
        raise RuntimeError(f"{what} was due, but the next values lie {found - stamp:+.4f} s beside it")
    return values


def _queue(wait_s: float) -> _Link:
    queue: Queue[tuple[np.ndarray, float]] = Queue()
    return _Link(lambda values, stamp: queue.put((values, stamp)), lambda: queue.get(timeout=wait_s))


def _streams(
    n_channels: int, rate_hz: float, n_samples: int, n_packets: int, timeout_s: float, wait_s: float
) -> tuple[_Link, _Link]:
    """Raw signal to the decoder, and postures, of no fixed rate, to the hand."""
    import pylsl

    pylsl.set_config_content(LSL_SETTINGS)
    run, room_s = uuid.uuid4().hex, 1 + round(n_packets * STEP_S)

    def stream(kind: str, n: int, hz: float, n_rows: int) -> _Link:
        name = f"{kind} {run}"  # two runs on one machine do not meet
        outlet = pylsl.StreamOutlet(
            pylsl.StreamInfo(name, kind, n, hz, pylsl.cf_float32, name), n_rows, room_s
        )
        found = pylsl.resolve_byprop("name", name, 1, timeout_s)
        if not found:
            raise TimeoutError(f"the stream of the {kind} was not found within {timeout_s} s")
        inlet = pylsl.StreamInlet(found[0], room_s, n_rows, recover=False, as_numpy=True)
        inlet.open_stream(timeout_s)
        if not outlet.wait_for_consumers(timeout_s):
            raise TimeoutError(f"the stream of the {kind} was not connected within {timeout_s} s")

        def receive() -> tuple[np.ndarray, float]:
            values, stamps = inlet.pull_chunk(wait_s, n_rows)
            if len(stamps) < n_rows:
                raise TimeoutError(f"{len(stamps)} of {n_rows} samples of the {kind} came in {wait_s} s")
            return values, stamps[-1]

        return _Link(outlet.push_chunk, receive)

    return stream("signal", n_channels, rate_hz, n_samples), stream(
        "posture", len(DOFS), pylsl.IRREGULAR_RATE, 1
    )
