"""Training step, loading, inference and retrieval of the brain module: this book against a plain one.

The peer (`plain_brain_module`) is made of torch's modules, evaluates the attention for every window and
gathers a matrix for every window. Both get the same weights, windows and places of the spatial dropout; their
outputs and gradients are equal before the clock starts; they take turns. Prints medians, and the ratio with
its range over the repeats of this run.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from plain_brain_module import PlainBrainModule

from crossroads.data.speech_windows import Timeline
from crossroads.models.brain_module import BrainModule, BrainShape, encode, fold_front
from crossroads.models.contrastive_losses import clip_loss, match_scores
from crossroads.models.contrastive_training import Windows

# name: (windows, sensors, samples, subjects, repeats, threads, shape)
SIZES = {
    "paper": (32, 208, 343, 27, 5, 2, BrainShape(1024)),
    "book": (64, 208, 172, 8, 9, 1, BrainShape(128, 48, 64, 3, 16)),
    "ci": (48, 48, 80, 3, 25, 1, BrainShape(64, 24, 32, 2, 8)),
}
TARGET_STEP, TARGET_FRONT, TARGET_LOADING = 1.3, 3.0, 0.05  # of the paper's size
MINUTES = 10  # of a recording that windows are gathered from: far more than a cache holds
TOLERANCE = (
    1e-4  # of the norm; gradients before a batch normalisation nearly cancel, so they are compared whole
)


def alternate(n_repeats: int, peer: Callable[[], object], ours: Callable[[], object]) -> np.ndarray:
    """Seconds (n_repeats, 2) of the two by turns, after one unmeasured turn."""
    seconds = np.empty((n_repeats + 1, 2))
    for row in seconds:
        for i, run in enumerate((peer, ours)):
            start = perf_counter()
            run()
            row[i] = perf_counter() - start
    return seconds[1:]


def report(what: str, seconds: np.ndarray) -> tuple[float, float]:
    """Print; returns the median ratio, and our median."""
    ratio = seconds[:, 0] / seconds[:, 1]
    peer, ours = 1e3 * np.median(seconds, 0)
    print(
        f"  {what}: plain {peer:.1f} ms, ours {ours:.1f} ms, ratio {np.median(ratio):.2f} "
        f"({ratio.min():.2f}-{ratio.max():.2f})",
        flush=True,
    )
    return float(np.median(ratio)), ours / 1e3


def assert_close(ours: torch.Tensor, peer: torch.Tensor, what: str) -> None:
    off = float((ours - peer).norm() / peer.norm())
    if off > TOLERANCE:
        raise SystemExit(f"{what} differ by {off:.1e} of their norm; allowed {TOLERANCE}")


def models(size: str) -> tuple[BrainModule, PlainBrainModule, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ours, the peer with the same weights, windows, their subjects, and the layout."""
    n_windows, n_sensors, n_samples, n_subjects, *_, shape = SIZES[size]
    torch.manual_seed(0)
    layout = torch.rand(n_sensors, 2)
    ours, peer = BrainModule(n_subjects, layout[None], shape), PlainBrainModule(n_subjects, shape)
    peer.copy_from(ours)
    x, subject = torch.randn(n_windows, n_sensors, n_samples), torch.randint(n_subjects, (n_windows,))
    return ours, peer, x, subject, layout


def training(size: str) -> tuple[float, float]:
    """One step: forward, contrastive loss, backward, Adam. Returns the ratio, and our seconds."""
    ours, peer, x, subject, layout = models(size)
    xy = layout.expand(len(x), -1, -1)
    y = torch.randn(len(x), ours.shape.n_outputs, x.shape[2])
    places = torch.Generator()
    places.set_state(ours.places.get_state())

    def ours_loss() -> torch.Tensor:
        return clip_loss(match_scores(ours(x, subject, 0), y))

    def peer_loss() -> torch.Tensor:
        return clip_loss(match_scores(peer(x, subject, xy, torch.rand(2, generator=places)), y))

    losses = ours_loss(), peer_loss()
    assert_close(*(loss.detach() for loss in losses), "losses")
    for loss in losses:
        loss.backward()
    pairs = [(mine.grad.view_as(other), other.grad) for other, mine in peer.ours(ours)]
    largest = max(float(other.norm()) for _, other in pairs)
    for mine, other in pairs:
        if other.norm() > 1e-4 * largest:  # that of a bias before a batch normalisation is 0 but for rounding
            assert_close(mine, other, "gradients")

    def step(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-4)

        def run() -> None:
            optimiser.zero_grad()
            loss().backward()
            optimiser.step()

        return run

    return report("training step", alternate(SIZES[size][4], step(peer, peer_loss), step(ours, ours_loss)))


def loading(size: str, step_s: float) -> float:
    """Gathering of a batch, cut, centred and clamped; returns its share of a step."""
    n_windows, n_sensors, n_samples, *_, n_repeats, _, shape = SIZES[size]
    rng = np.random.default_rng(0)
    timeline = Timeline(120.0, n_samples + 18, 18, *np.empty((2, 0), int), pd.DataFrame())
    n = MINUTES * 60 * 120
    x, y = (rng.standard_normal((m, n), dtype=np.float32) for m in (2 * n_sensors, shape.n_outputs))
    ones = np.ones((2, n_sensors))
    windows = Windows(x.reshape(2, n_sensors, n), 0 * ones, ones, y, timeline, 20.0)
    recording = torch.from_numpy(rng.integers(2, size=n_windows))
    seconds = []
    for _ in range(n_repeats):
        at = torch.from_numpy(rng.integers(n - timeline.n_window, size=n_windows))
        start = perf_counter()
        windows.brain(recording, at)
        windows.sound(at)
        seconds.append(perf_counter() - start)
    share = np.array(seconds) / step_s
    print(
        f"  loading: {1e3 * np.median(seconds):.1f} ms, {100 * np.median(share):.1f} % of a step "
        f"({100 * share.min():.1f}-{100 * share.max():.1f})",
        flush=True,
    )
    return float(np.median(share))


@torch.no_grad()
def inference(size: str) -> float:
    """Windows of one recording; returns the ratio of the linear front alone."""
    ours, peer, x, *_, layout = models(size)
    ours.eval()
    peer.eval()
    xy, subject = layout.expand(len(x), -1, -1), torch.ones(len(x), dtype=torch.long)

    def front() -> torch.Tensor:
        matrix, bias = fold_front(ours, 1, 0)
        return matrix @ x + bias[:, None]

    assert_close(front(), peer.front(x, subject, xy), "fronts")
    assert_close(encode(ours, x, 1, 0), peer(x, subject, xy), "outputs")
    n = SIZES[size][4]
    ratio, _ = report(
        "front at inference, folding included", alternate(n, lambda: peer.front(x, subject, xy), front)
    )
    matrix, bias = fold_front(ours, 1, 0)
    report(
        "front at inference, folded before",
        alternate(n, lambda: peer.front(x, subject, xy), lambda: matrix @ x + bias[:, None]),
    )
    report("whole inference", alternate(n, lambda: peer(x, subject, xy), lambda: encode(ours, x, 1, 0)))
    return ratio


@torch.no_grad()
def retrieval() -> None:
    """Scores against as many candidates as the paper's test set has."""
    torch.manual_seed(0)
    z, y = torch.randn(32, 128, 172), torch.randn(1284, 128, 172)

    def pairs() -> torch.Tensor:
        return torch.stack([torch.stack([(a * b).sum() / (b.norm() + 1e-8) for b in y]) for a in z])

    assert_close(match_scores(z, y), pairs(), "scores")
    print("retrieval of 32 windows among 1,284 candidates of 128 x 172, 1 thread")
    report("scores", alternate(3, pairs, lambda: match_scores(z, y)))


def main() -> None:
    ratios = {}
    for size, (*numbers, n_threads, _) in SIZES.items():
        torch.set_num_threads(n_threads)
        print(f"{size}: {' x '.join(map(str, numbers[:3]))} (windows, sensors, samples), {n_threads} threads")
        step, step_s = training(size)
        ratios[size] = step, loading(size, step_s), inference(size)
    retrieval()
    step, share, front = ratios["paper"]
    if step < TARGET_STEP or front < TARGET_FRONT or share > TARGET_LOADING:
        raise SystemExit(
            f"off the target: step {TARGET_STEP}, linear front at inference {TARGET_FRONT}, loading "
            f"{TARGET_LOADING}"
        )


if __name__ == "__main__":
    main()
