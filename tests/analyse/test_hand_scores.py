"""Scores of decoded postures are those of scikit-learn, and bits those of closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn import metrics

from crossroads.analyse.hand_scores import confusion, information_bits, nearest_gesture, scores, wolpaw_bits
from crossroads.data.nerve_session import DOFS, POSTURES


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), noise=st.floats(0, 0.5), n=st.integers(8, 60))
def test_scores_are_scikit_learns(seed, noise, n):
    rng = np.random.default_rng(seed)
    true = rng.random((2, n, 6))
    true[0, 0], true[0, 1] = 0.9, 0.1  # some active, some not
    decoded = true + noise * rng.standard_normal(true.shape)
    table = scores(true, decoded)
    assert tuple(table.dof) == DOFS
    for d, row in table.iterrows():
        t, p = true[..., d].ravel(), decoded[..., d].ravel()
        on, said = t > 0.5, p > 0.5
        expected = {
            "mse": metrics.mean_squared_error(t, p), "vaf": metrics.r2_score(t, p),
            "accuracy": metrics.accuracy_score(on, said),
            "balanced": metrics.balanced_accuracy_score(on, said), "f1": metrics.f1_score(on, said),
            "tpr": metrics.recall_score(on, said), "tnr": metrics.recall_score(~on, ~said),
            "auc": metrics.roc_auc_score(on, p), "rest": metrics.accuracy_score(on, np.zeros_like(on)),
        }  # fmt: skip
        assert {name: row[name] for name in expected} == pytest.approx(expected)
        assert set(table.columns) == {"dof", *expected}


def test_scores_without_meaning_are_nan():
    true = np.zeros((10, 6))
    true[:, 1] = 1.0
    true[:5, 2] = 1.0
    table = scores(true, true).set_index("dof")
    np.testing.assert_array_equal(table.accuracy, 1)
    np.testing.assert_array_equal(table.loc["thumb", ["tpr", "balanced", "f1", "auc"]].isna(), True)
    np.testing.assert_array_equal(table.loc["index", ["tnr", "balanced", "auc"]].isna(), True)
    assert table.loc["index", ["tpr", "f1"]].tolist() == [1, 1]
    assert table.loc["middle", ["tpr", "tnr", "balanced", "f1", "auc", "vaf", "rest"]].tolist() == [
        1, 1, 1, 1, 1, 1, 0.5,
    ]  # fmt: skip
    np.testing.assert_array_equal(table["mse"], 0)


def test_always_saying_rest_is_accurate_and_worth_nothing():
    true = np.zeros((100, 6))
    true[:10] = 1.0
    table = scores(true, np.zeros_like(true))
    for name, value in {"accuracy": 0.9, "rest": 0.9, "balanced": 0.5, "f1": 0, "auc": 0.5}.items():
        np.testing.assert_allclose(table[name], value)


@given(
    gesture=st.integers(0, len(POSTURES) - 1), seed=st.integers(0, 2**32), lead=st.sampled_from([(), (3, 2)])
)
def test_postures_near_to_a_gesture_are_taken_for_it(gesture, seed, lead):
    # Gestures differ by 1 in at least one degree of freedom: within 0.5 none other can be nearer.
    away = np.random.default_rng(seed).standard_normal((*lead, 6))
    away *= 0.499 / np.linalg.norm(away, axis=-1, keepdims=True)
    found = nearest_gesture(POSTURES[gesture] + away)
    assert found.shape == lead
    np.testing.assert_array_equal(found, gesture)


def test_confusion():
    asked, made = np.random.default_rng(0).integers(0, 5, (2, 200))
    counts = confusion(asked, made, 7)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(asked, made, labels=range(7)))
    np.testing.assert_array_equal(confusion(np.array([2, 2, 0]), np.array([1, 1, 0]), 3)[2], [0, 2, 0])


@pytest.mark.parametrize(
    ("n", "values"), [(10, (2.54, 2.88, 3.03, 3.12, 3.32)), (12, (2.77, 3.13, 3.29, 3.37, 3.58))]
)
def test_bits_of_a_selection(n, values):
    for p, bits in zip((0.90, 0.95, 0.97, 0.98, 1.0), values, strict=True):
        assert wolpaw_bits(n, p) == pytest.approx(bits, abs=0.005)


@given(n=st.integers(2, 40), p=st.floats(0, 1))
def test_bits_of_a_selection_are_the_information_of_its_channel(n, p):
    """eq-nerve-wolpaw: against the mutual information of its channel.

    What is chosen evenly comes out right, or else anyhow, with those chances.
    """
    joint = np.full((n, n), (1 - p) / (n - 1) / n)
    np.fill_diagonal(joint, p / n)
    single = entropy(joint.sum(0), base=2) + entropy(joint.sum(1), base=2)
    expected = single - entropy(joint, base=2, axis=None)
    assert wolpaw_bits(n, p) == pytest.approx(expected, abs=1e-9)
    assert wolpaw_bits(n, 1 / n) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (0, 0.5), (10, -0.1), (10, 1.1), (10, float("nan"))])
def test_selections_that_cannot_be_are_refused(n, p):
    with pytest.raises(ValueError, match=f"a selection among {n} with probability {p}: n >= 2 and 0 <= p"):
        wolpaw_bits(n, p)


@given(seed=st.integers(0, 2**32), shape=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_information_is_the_plug_in_estimate_less_its_bias(seed, shape):
    """eq-nerve-information: against scikit-learn's estimate, corrected entropy by entropy."""
    counts = np.random.default_rng(seed).poisson(0.7, shape)
    counts[0, 0] += 1
    plug_in = metrics.mutual_info_score(None, None, contingency=counts) / np.log(2)
    # Miller and Madow: each entropy is too small by (values that occur - 1) / (2 n), in nats.
    too_small = [(np.count_nonzero(a) - 1) for a in (counts.sum(0), counts.sum(1), counts)]
    bias = (too_small[2] - too_small[0] - too_small[1]) / (2 * counts.sum() * np.log(2))
    assert information_bits(counts) == pytest.approx(plug_in - bias, abs=1e-9)


def test_information_of_independent_choices_is_nothing_on_average():
    rng = np.random.default_rng(0)
    found, plug_in = [], []
    for _ in range(300):
        counts = confusion(*rng.integers(0, 6, (2, 300)), 6)
        found.append(information_bits(counts))
        plug_in.append(metrics.mutual_info_score(None, None, contingency=counts) / np.log(2))
    assert np.mean(found) == pytest.approx(0, abs=0.005)
    assert np.mean(plug_in) == pytest.approx(25 / (2 * np.log(2) * 300), abs=0.005)


def test_information_of_perfect_choices_is_all_there_is():
    counts = 20 * np.eye(11, dtype=int)
    # 11 cells, rows and columns occur: what an entropy over 11 values lacks is added.
    assert information_bits(counts) == pytest.approx(np.log2(11) + 10 / (2 * np.log(2) * 220))
    assert information_bits(20 * np.ones((11, 1), int)) == pytest.approx(0)
