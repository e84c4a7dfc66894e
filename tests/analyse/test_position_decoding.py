from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from crossroads.analyse.position_decoding import (
    Decoder,
    Predictor,
    block_halves,
    decode_curve,
    decode_halves,
    errors_cm,
    fit_pairwise_svm,
    fit_position_regression,
    fit_shrinkage_lda,
    hinge_decode,
    pairwise_svms,
    random_halves,
    shuffle_runs,
    sklearn_fit,
)

FITS = [fit_pairwise_svm, fit_shrinkage_lda]
seeds = st.integers(0, 2**32 - 1)


def blobs(sizes: list[int], n_cells: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes of correlated rows, in random order."""
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    mixing = rng.normal(size=(n_cells, n_cells))
    return rng.normal(size=(len(sizes), n_cells))[labels] + rng.normal(
        size=(len(labels), n_cells)
    ) @ mixing, labels


def place_runs(
    n_runs: int, n_bins: int, n_cells: int, jitter_bins: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian fields on a ring, private noise, and a shift (SD in bins) of all fields at each visit."""
    rightward = np.arange(n_runs) % 2 == 0
    at = np.arange(n_bins) + jitter_bins * rng.normal(size=(n_runs, n_bins))
    centre = rng.uniform(0, n_bins, (2, n_cells))[rightward.astype(int)]
    distance = (at[..., None] - centre[:, None] + n_bins / 2) % n_bins - n_bins / 2
    return np.exp(-(distance**2) / 8) + 0.2 * rng.normal(size=(n_runs, n_bins, n_cells)), rightward


def rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


@pytest.mark.parametrize("c", [0.1, 3.0])
def test_machines_are_those_of_liblinear(c: float) -> None:
    x, labels = blobs([9, 20, 14, 3], 12, np.random.default_rng(0))
    weights, offsets = pairwise_svms(x, labels, c, tolerance=1e-10)
    scaled = x / np.sqrt((x**2).sum(1).mean())
    for i, pair in enumerate(combinations(range(4), 2)):
        rows = np.isin(labels, pair)
        svc = LinearSVC(loss="hinge", C=c, intercept_scaling=0.1, tol=1e-9, max_iter=10**6)
        expected = -svc.fit(scaled[rows], labels[rows]).decision_function(scaled)
        np.testing.assert_allclose(x @ weights[i] + offsets[i], expected, atol=1e-6)


@given(half_gap=st.floats(1e-3, 1e3))
def test_separable_classes_get_the_widest_margin(half_gap: float) -> None:
    # Two lines of rows at +-half_gap along the first axis: the plane between them, margin 1 on either line.
    x = half_gap * np.array([[s, t] for s in (1, -1) for t in (-1, 0, 1)])
    weights, offsets = pairwise_svms(x, np.repeat([0, 1], 3), c=100.0, tolerance=1e-9)
    np.testing.assert_allclose(weights, [[1 / half_gap, 0]], atol=1e-6 / half_gap)
    np.testing.assert_allclose(offsets, 0, atol=1e-6)


def test_default_tolerance_leaves_labels_as_they_are() -> None:
    x, labels = blobs([30] * 6, 40, np.random.default_rng(1))
    weights, offsets = pairwise_svms(x, labels, tolerance=1e-9)
    assert np.mean(hinge_decode(x @ weights.T + offsets, 6) == fit_pairwise_svm(x, labels)(x)) > 0.99


@given(n_classes=st.integers(2, 6), seed=seeds)
def test_hinge_decoding_equals_a_plain_loop(n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = list(combinations(range(n_classes), 2))
    margins = 2 * rng.normal(size=(5, len(pairs)))
    for row, decoded in zip(margins, hinge_decode(margins, n_classes), strict=True):
        losses = []
        for k in range(n_classes):
            signs = [(1 if k == a else -1, s) for (a, b), s in zip(pairs, row, strict=True) if k in (a, b)]
            losses.append(np.mean([max(0, 1 - m * s) / 2 for m, s in signs]))
        assert decoded == np.argmin(losses)


@pytest.mark.parametrize(("sizes", "n_cells"), [([12, 7, 20, 9], 30), ([60, 40], 8), ([15] * 10, 1)])
def test_lda_is_that_of_sklearn(sizes: list[int], n_cells: int) -> None:
    rng = np.random.default_rng(2)
    x, labels = blobs(sizes, n_cells, rng)
    rows = 3 * rng.normal(size=(5000, n_cells))
    expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, labels).predict(rows)
    np.testing.assert_array_equal(fit_shrinkage_lda(x, labels)(rows), expected)


@pytest.mark.parametrize("fit", FITS)
@given(unit=st.sampled_from([2.0**-20, 2.0**20]), seed=seeds)
@settings(max_examples=10)
def test_unit_and_silent_cells_do_not_matter(fit: Decoder, unit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = blobs([8, 8, 8], 10, rng)
    x[labels == 1, :4] = 0  # cells that are silent in one class
    with_silent = np.insert(x, 3, 0.0, axis=1)
    np.testing.assert_array_equal(fit(unit * with_silent, labels)(unit * with_silent), fit(x, labels)(x))


def test_lda_needs_three_rows_of_a_class() -> None:
    with pytest.raises(ValueError, match="three rows or more of each class; got 2 of class 1"):
        fit_shrinkage_lda(np.random.default_rng(3).normal(size=(5, 4)), np.array([0, 0, 0, 1, 1]))


def test_regression_reads_a_linear_code() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 40, 400)
    x = np.outer(labels // 2, rng.normal(size=5)) + 0.01 * rng.normal(size=(400, 5))
    predict = fit_position_regression(x, labels)
    np.testing.assert_array_equal(predict(x), labels // 2 * 2)
    np.testing.assert_array_equal(predict(np.array([-9, 9])[:, None] * x[labels > 37][:1]), [0, 38])


def test_sklearn_decoder_predicts_as_the_estimator_and_leaves_it_alone() -> None:
    x, labels = blobs([10, 10], 3, np.random.default_rng(5))
    estimator = GaussianNB()
    predicted = sklearn_fit(estimator)(x, labels)(x)
    assert not hasattr(estimator, "theta_")
    np.testing.assert_array_equal(predicted, estimator.fit(x, labels).predict(x))


@given(n_runs=st.integers(1, 9), seed=seeds)
def test_shuffle_keeps_every_value_of_a_cell_bin_and_direction(n_runs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=(n_runs, 3, 4)).astype(np.float32)
    rightward = rng.random(n_runs) < 0.5
    shuffled = shuffle_runs(activity, rightward, rng)
    assert shuffled.dtype == np.float32
    for way in (True, False):
        kept, given_ = (np.sort(a[rightward == way], axis=0) for a in (shuffled, activity))
        np.testing.assert_array_equal(kept, given_)


def test_shuffle_removes_noise_correlations_and_nothing_else() -> None:
    rng = np.random.default_rng(6)
    rightward = np.arange(400) % 2 == 0
    activity = rng.normal(size=(400, 1, 1)) + rng.normal(size=(400, 5, 20))  # shared by cells and by bins
    shuffled = shuffle_runs(activity, rightward, rng)
    for data, expected in ((activity, 0.5), (shuffled, 0.0)):
        correlations = np.corrcoef(data[rightward].reshape(200, -1).T)[np.triu_indices(100, 1)]
        assert abs(correlations.mean() - expected) < 0.06
    assert correlations.std() < 1.1 / np.sqrt(200)  # as of independent values


@given(n_right=st.integers(0, 9), n_left=st.integers(0, 9), seed=seeds)
def test_halves_balance_directions(n_right: int, n_left: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rightward = rng.permutation(np.arange(n_right + n_left) < n_right)
    for half in (random_halves(rightward, rng), block_halves(rightward)):
        assert half.dtype == bool
        for way, n in ((True, n_right), (False, n_left)):
            assert np.sum(half & (rightward == way)) in {n // 2, (n + 1) // 2}


def test_an_odd_run_goes_to_either_half() -> None:
    rng = np.random.default_rng(7)
    assert {random_halves(np.ones(5, bool), rng).sum() for _ in range(50)} == {2, 3}


def test_blocks_are_halves_of_the_session() -> None:
    rightward = np.array([1, 1, 0, 1, 0, 1, 0, 0], bool)
    np.testing.assert_array_equal(block_halves(rightward), [1, 1, 1, 0, 1, 0, 0, 0])


def test_no_value_crosses_the_split() -> None:
    rng = np.random.default_rng(8)
    rightward = np.arange(24) % 3 > 0
    activity = np.broadcast_to(np.arange(24.0)[:, None, None], (24, 5, 6)).copy()  # every value names its run
    first_half = random_halves(rightward, rng)
    trained = []

    def fit(x: np.ndarray, labels: np.ndarray) -> Predictor:
        runs = x.astype(int)
        np.testing.assert_array_equal(rightward[runs], (labels % 2 == 0)[:, None].repeat(6, axis=1))
        trained.append(set(np.unique(first_half[runs])))
        return lambda rows: rows[:, 0]

    predicted = decode_halves(activity, rightward, fit, rng, first_half)
    assert trained == [{True}, {True}, {False}, {False}]
    for kind in (0, 2):  # tested on real runs
        np.testing.assert_array_equal(predicted[kind], activity[..., 0])
    assert (predicted[1] != activity[..., 0]).any()
    for half in (first_half, ~first_half):
        for group in (half & rightward, half & ~rightward):
            np.testing.assert_array_equal(np.sort(predicted[1, group], axis=0), activity[group, :, 0])


def test_decoders_by_kind() -> None:
    # The decoder tells whether its training rows were shuffled: real rows have two equal cells.
    rng = np.random.default_rng(9)
    activity = rng.normal(size=(12, 4, 1)).repeat(2, axis=2)

    def fit(x: np.ndarray, labels: np.ndarray) -> Predictor:
        trained = (x[:, 0] != x[:, 1]).any()
        return lambda rows: np.full(len(rows), 2 * trained + (rows[:, 0] != rows[:, 1]).any())

    predicted = decode_halves(activity, np.arange(12) < 6, fit, rng)
    np.testing.assert_array_equal(predicted[:, 0, 0], [0, 3, 2])


@pytest.mark.parametrize("fit", FITS)
def test_shared_jitter_limits_real_runs_alone(fit: Decoder) -> None:
    activity, rightward = place_runs(160, 20, 60, 1.0, np.random.default_rng(10))
    errors = errors_cm(decode_halves(activity, rightward, fit, np.random.default_rng(11)), circular=True)
    real, shuffled, diagonal = map(rms, errors)
    floor = 6 * np.sqrt(1 + 1 / 12)  # cm; the jitter, read without noise and named by bins
    assert floor < real < 1.15 * floor
    assert shuffled < 0.6 * real
    assert diagonal == pytest.approx(real, rel=0.1)


@given(seed=seeds)
@settings(max_examples=10)
def test_predictions_follow_the_runs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    activity, rightward = place_runs(20, 4, 8, 0.5, rng)
    first_half, order = random_halves(rightward, rng), rng.permutation(20)
    real = decode_halves(activity, rightward, fit_shrinkage_lda, rng, first_half)[0]
    moved = decode_halves(activity[order], rightward[order], fit_shrinkage_lda, rng, first_half[order])[0]
    np.testing.assert_array_equal(moved, real[order])


@pytest.mark.parametrize("fit", [*FITS, fit_position_regression])
def test_only_labels_of_the_training_are_predicted(fit: Decoder) -> None:
    rng = np.random.default_rng(12)
    activity = rng.normal(size=(12, 5, 7))
    predicted = decode_halves(activity, np.ones(12, bool), fit, rng)
    assert set(np.unique(predicted)) <= {0, 2, 4, 6, 8}


def test_noise_is_decoded_at_chance() -> None:
    rng = np.random.default_rng(13)
    predicted = decode_halves(rng.normal(size=(60, 20, 10)), np.arange(60) % 2 == 0, fit_shrinkage_lda, rng)
    assert rms(errors_cm(predicted)) == pytest.approx(48.9, rel=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rightward": np.ones(8, int)}, "one bool for each run"),
        ({"rightward": np.ones(7, bool)}, "one bool for each run"),
        ({"activity": np.zeros((8, 65, 2))}, "at most 64 bins"),
        ({"activity": np.full((8, 5, 2), np.nan)}, "80 values are not"),
        ({"rightward": np.arange(8) < 3}, "two runs or more of a direction in each half"),
        ({"first_half": np.arange(8) < 7}, "two runs or more of a direction in each half"),
    ],
)
def test_unsound_runs_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    runs = {"activity": np.zeros((8, 5, 2)), "rightward": np.arange(8) % 2 == 0} | change
    with pytest.raises(ValueError, match=message):
        decode_halves(**runs, fit=fit_pairwise_svm, rng=np.random.default_rng(0))


def test_curve_draws_cells_without_repeats() -> None:
    activity = np.broadcast_to(np.arange(9.0), (8, 3, 9)).copy()  # every value names its cell
    seen = []

    def fit(x: np.ndarray, labels: np.ndarray) -> Predictor:
        seen.append(tuple(x[0]))
        return lambda rows: np.full(len(rows), rows.shape[1])

    predicted = decode_curve(activity, np.arange(8) < 4, [2, 9], 6, fit, np.random.default_rng(14))
    assert predicted.shape == (2, 6, 3, 8, 3)
    assert (predicted == np.array([2, 9])[:, None, None, None, None]).all()
    assert all(len(set(cells)) == len(cells) for cells in seen)
    assert len(set(seen[:24:4])) > 1  # subsets differ


@pytest.mark.parametrize("sizes", [[0, 2], [2, 10]])
def test_impossible_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="sizes from 1 to the 9 cells"):
        decode_curve(
            np.zeros((8, 3, 9)), np.arange(8) < 4, sizes, 1, fit_pairwise_svm, np.random.default_rng(0)
        )


def test_errors_by_hand() -> None:
    predicted = np.array([[0, 3, 38, 39], [7, 7, 7, 7]], np.int8).repeat(5, axis=1)[:, :20]
    np.testing.assert_array_equal(errors_cm(predicted)[0, [0, 5, 10, 15]], [0, -24, 54, 24])
    four_bins = np.array([[0, 1, 6, 7], [6, 6, 1, 0], [2, 4, 6, 0]], np.int8)
    np.testing.assert_array_equal(
        errors_cm(four_bins), [[0, -30, 30, 0], [90, 60, -60, -90], [30, 30, 30, -90]]
    )
    np.testing.assert_array_equal(
        errors_cm(four_bins, circular=True), [[0, -30, 30, 0], [-30, -60, -60, 30], [30, 30, 30, 30]]
    )


def test_errors_of_guesses() -> None:
    everywhere = np.broadcast_to(2 * np.arange(20)[:, None], (20, 20))
    assert rms(errors_cm(everywhere)) == pytest.approx(6 * np.sqrt(399 / 6))  # 48.9 cm
    beside_the_centre = np.full(20, 2 * 9)  # half a bin off the best guess, 34.6 cm
    assert rms(errors_cm(beside_the_centre)) == pytest.approx(np.hypot(6 * np.sqrt(399 / 12), 3))
