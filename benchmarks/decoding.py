"""Cross-temporal decoding: this book against mne's GeneralizingEstimator over scikit-learn, on the same data.

Prints the ratio of the times, median and range of five repeats on one BLAS thread, after asserting that both
give the same scores; then the time that a figure of ten networks takes.
"""

from itertools import combinations
from time import perf_counter

import mne
import numpy as np
from mne.decoding import GeneralizingEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from crossroads.analyse.decoding import cross_temporal_scores, draw_training

N_TIMES, N_UNITS, N_CLASSES, N_REPEATS = 16, 200, 4, 5


def simulate_states(n_trials: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rectified states (n_trials, n_times, n_units) whose code for a class turns, and the classes."""
    labels = np.tile(np.arange(N_CLASSES), n_trials // N_CLASSES)
    phase = 2 * np.pi * (labels + rng.uniform(0, 1, n_trials)) / N_CLASSES
    axes = np.linalg.qr(rng.standard_normal((N_UNITS, 4)))[0].T.reshape(2, 2, N_UNITS)
    turn = np.linspace(0, np.pi / 2, N_TIMES)
    moving = np.cos(turn)[:, None, None] * axes[0] + np.sin(turn)[:, None, None] * axes[1]
    drive = np.einsum("nk,tku->ntu", np.stack([np.cos(phase), np.sin(phase)], axis=1), moving)
    return np.maximum(drive + 0.05 + noise * rng.standard_normal((n_trials, N_TIMES, N_UNITS)), 0), labels


def peer_scores(states: np.ndarray, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The same scores as the paper's code computes them."""
    scores = []
    for pair in combinations(np.unique(labels), 2):
        members = np.isin(labels, pair)
        decoder = GeneralizingEstimator(
            make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()), verbose=False
        )
        decoder.fit(states[members & train].transpose(0, 2, 1), labels[members & train])
        scores.append(decoder.score(states[members & ~train].transpose(0, 2, 1), labels[members & ~train]))
    return np.mean(scores, axis=0)


def main() -> None:
    mne.set_log_level("ERROR")
    rng = np.random.default_rng(0)
    for title, n_trials in (("256 trials, fewer than units", 256), ("2,560 trials, more than units", 2560)):
        ours, peer = [], []
        for _ in range(N_REPEATS):
            states, labels = simulate_states(n_trials, 0.1, rng)
            train = draw_training(n_trials, rng)
            start = perf_counter()
            scores = cross_temporal_scores(states, labels, train)
            middle = perf_counter()
            expected = peer_scores(states, labels, train)
            ours.append(middle - start)
            peer.append(perf_counter() - middle)
            np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
        ratio = np.array(peer) / ours
        print(
            f"{title} x {N_TIMES} times x {N_UNITS} units, 6 pairs: "
            f"ours {np.median(ours):.2f} s, mne {np.median(peer):.2f} s, "
            f"ratio {np.median(ratio):.1f} ({ratio.min():.1f}-{ratio.max():.1f}), scores equal"
        )
    halves = [simulate_states(256, 0.1, rng) for _ in range(20)]
    start = perf_counter()
    for states, labels in halves:
        cross_temporal_scores(states, labels, draw_training(len(labels), rng))
    print(f"10 networks x 512 trials (2 locations of 256): {perf_counter() - start:.1f} s")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
