"""Decoding error against the number of cells: this book against scikit-learn, on the same cells and halves.

For one simulated session of 450 cells and 160 runs, on one core: the ratio of both times, median and range of
repeats in turns, and both errors; the time of the whole curve; and how the time of one subset grows with
cells, runs and bins. Target: the support vector machines 10 times faster than scikit-learn's
OneVsOneClassifier(LinearSVC) at equal or better error.
"""

import warnings
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.multiclass import OneVsOneClassifier
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from crossroads.analyse.position_decoding import (
    KINDS,
    Decoder,
    decode_curve,
    decode_halves,
    errors_cm,
    fit_pairwise_svm,
    fit_shrinkage_lda,
    sklearn_fit,
)
from crossroads.data.linear_track import Runs, binned_runs, equal_directions
from crossroads.data.place_cells import VirtualMouse, simulate_session

SIZES = (10, 25, 50, 100, 200, 320, 450)
N_SUBSETS, N_REPEATS = 5, 3
PEERS: dict[str, tuple[Decoder, BaseEstimator]] = {
    "SVM": (fit_pairwise_svm, OneVsOneClassifier(LinearSVC(C=0.1, loss="hinge"))),
    "LDA": (fit_shrinkage_lda, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
}


def timed_curve(runs: Runs, fit: Decoder, n_subsets: int, seed: int) -> tuple[float, np.ndarray]:
    """Seconds, and RMS error [cm] (n_sizes, 3 kinds)."""
    start = perf_counter()
    labels = decode_curve(runs.activity, runs.rightward, SIZES, n_subsets, fit, np.random.default_rng(seed))
    seconds = perf_counter() - start
    return seconds, np.sqrt(np.mean(errors_cm(labels) ** 2, axis=(1, 3, 4)))


def compare(name: str, runs: Runs) -> None:
    fit, estimator = PEERS[name]
    timed_curve(runs, fit, 1, 0)  # compiles
    pairs = [
        [timed_curve(runs, decoder, 1, seed) for decoder in (fit, sklearn_fit(estimator))]
        for seed in range(N_REPEATS)
    ]
    ours, peer = np.array([[seconds for seconds, _ in pair] for pair in pairs]).T
    ratio = peer / ours
    print(
        f"{name}, 1 subset of each size: ours {np.median(ours):.2f} s, scikit-learn {np.median(peer):.1f} s, "
        f"ratio {np.median(ratio):.0f} ({ratio.min():.0f}-{ratio.max():.0f})"
    )
    errors = np.mean(
        [[error for _, error in pair] for pair in pairs], axis=0
    )  # (ours and peer, sizes, kinds)
    print(f"  RMS error [cm] of {SIZES} cells, ours / scikit-learn:")
    for kind, (mine, theirs) in zip(KINDS, errors.transpose(2, 0, 1), strict=True):
        print(f"  {kind:9}", *(f"{a:5.1f} /{b:5.1f}" for a, b in zip(mine, theirs, strict=True)))
    seconds, _ = timed_curve(runs, fit, N_SUBSETS, 0)
    print(f"  whole curve, {len(SIZES)} sizes x {N_SUBSETS} subsets: {seconds:.1f} s")


def slope(counts: Sequence[int], seconds: Sequence[float]) -> float:
    return float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])


def halves_seconds(runs: Runs, fit: Decoder, n_runs: int, n_cells: int) -> float:
    """The faster of two decodings of the first runs and cells."""
    seconds = []
    for _ in range(2):
        start = perf_counter()
        decode_halves(
            runs.activity[:n_runs, :, :n_cells], runs.rightward[:n_runs], fit, np.random.default_rng(0)
        )
        seconds.append(perf_counter() - start)
    return min(seconds)


def cost_law() -> None:
    rng = np.random.default_rng(1)
    session = simulate_session(VirtualMouse(n_cells=450, n_runs=400, speed_cv=0.0), rng)
    all_bins = (4, 8, 16, 40)
    runs = {n_bins: binned_runs(session, n_bins) for n_bins in (20, *all_bins)}
    for name, (fit, _) in PEERS.items():
        cells, n_runs = (45, 100, 200, 450), (40, 80, 160, 400)
        by_cells = [halves_seconds(runs[20], fit, 160, n) for n in cells]
        by_runs = [halves_seconds(runs[20], fit, n, 450) for n in n_runs]
        by_bins = [halves_seconds(runs[n], fit, 160, 450) for n in all_bins]
        print(f"{name}, one subset (450 cells, 160 runs and 20 bins but for what varies), seconds grow as")
        for what, counts, seconds in (
            ("cells", cells, by_cells),
            ("runs", n_runs, by_runs),
            ("bins", all_bins, by_bins),
        ):
            measured = ", ".join(f"{n}: {s:.3f}" for n, s in zip(counts, seconds, strict=True))
            print(f"  {what}^{slope(counts, seconds):.1f}  ({measured})")


def main() -> None:
    warnings.simplefilter("ignore")  # LinearSVC says that it stopped before it converged
    rng = np.random.default_rng(0)
    runs = equal_directions(binned_runs(simulate_session(VirtualMouse(n_cells=450, n_runs=160), rng)), rng)
    for name in PEERS:
        compare(name, runs)
    cost_law()


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
