"""Maps and similarities of subjects, against planted ones."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from crossroads.analyse.attention_maps import (
    lead_field_power,
    mantel_p,
    map_agreement,
    representational_agreement,
    sensor_weights,
)


def test_weights_of_two_outputs() -> None:
    found = sensor_weights(np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]))
    np.testing.assert_allclose(found, [0.6, 0.15, 0.25])
    with pytest.raises(ValueError, match="must sum to 1"):
        sensor_weights(np.array([[1.0, 1.0]]))


def test_power_is_the_variance_that_independent_sources_make() -> None:
    rng = np.random.default_rng(0)
    lead_field = rng.normal(size=(7, 3))
    seen = (lead_field @ rng.normal(size=(3, 100_000))).var(1)
    np.testing.assert_allclose(lead_field_power(lead_field), seen, rtol=0.03)


def test_agreement_of_maps() -> None:
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert map_agreement(a, 5 - 2 * a) == pytest.approx(-1)
    assert map_agreement(a, np.array([1.0, -1.0, -1.0, 1.0])) == pytest.approx(0)
    for bad in (np.ones(4), np.ones(3)):
        with pytest.raises(ValueError, match="vary over the same sensors"):
            map_agreement(a, bad)


def test_subjects_on_a_line_by_hand() -> None:
    a = np.array([0.0, 1.0, 3.0])  # distances 1, 3, 2
    b = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]])  # distances 5, 8, 5
    expected = np.corrcoef([1, 3, 2], [5, 8, 5])[0, 1]
    assert representational_agreement(a, b) == pytest.approx(expected)
    with pytest.raises(ValueError, match="2 and 2 subjects"):
        representational_agreement(a[:2], b[:2])
    with pytest.raises(ValueError, match="3 and 2 subjects"):
        representational_agreement(a, b[:2])


def test_agreement_ignores_turns_shifts_and_scale() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(6, 4, 4))
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    b = 3e-13 * (a.reshape(6, 16) @ turn) + 1e-12
    assert representational_agreement(a, b.reshape(6, 8, 2)) == pytest.approx(1)


def test_mantel_against_all_orders() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(5, 3))
    b = a + 0.6 * rng.normal(size=(5, 3))
    found = representational_agreement(a, b)
    orders = [representational_agreement(a, b[list(order)]) for order in permutations(range(5))]
    exact = np.mean(np.array(orders) >= found - 1e-12)
    assert 0.01 < exact < 0.5
    p = mantel_p(a, b, rng, 2999)
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact / 3000))


def test_mantel_is_not_fooled_by_unrelated_subjects() -> None:
    rng = np.random.default_rng(3)
    p = [mantel_p(rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), rng, 39) for _ in range(60)]
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 3 * np.sqrt(0.09 / 60)
    assert np.mean(p) == pytest.approx(0.51, abs=0.12)
