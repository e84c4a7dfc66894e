from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from crossroads.models.learning import (
    chance_loss,
    converged_epoch,
    cue_blind_loss,
    perfect_error_deg,
    plateau_epoch,
)

# The task written out: 17 report units, 16 colours, the target is the unit next to the colour.
UNITS = np.arange(17) * 360 / 17
OFFSETS = (UNITS - np.arange(16)[:, None] * 22.5 + 180) % 360 - 180
TARGETS = np.abs(OFFSETS).argmin(1)
COST = np.radians((UNITS - UNITS[TARGETS][:, None] + 180) % 360 - 180) ** 2


def staircase(*steps: tuple[float, int], n_epochs: int = 300) -> np.ndarray:
    """A loss that starts at .0113 and drops by each (size, epoch), over about 20 epochs."""
    epoch = np.arange(n_epochs)
    return 0.0113 - sum(size / (1 + np.exp(-(epoch - at) / 4)) for size, at in steps)


def test_plateau_lies_between_two_drops() -> None:
    # Equal drops: by symmetry the slope is flattest half way.
    assert plateau_epoch(staircase((0.004, 70), (0.004, 150))) in (109, 110)


def test_wobble_before_the_first_drop_is_no_plateau() -> None:
    loss = staircase((0.004, 70), (0.004, 150))
    loss[:40] += 1e-4 * np.sin(np.arange(40) / 4)
    assert plateau_epoch(loss) in (109, 110)


def test_jitter_from_epoch_to_epoch_is_smoothed_away() -> None:
    jitter = 1e-4 * (-1.0) ** np.arange(300)
    assert plateau_epoch(staircase((0.004, 70), (0.004, 150)) + jitter) in (109, 110)


def test_a_single_drop_has_no_plateau() -> None:
    assert plateau_epoch(0.0113 * np.exp(-np.arange(200) / 50)) is None


def first_to_converge(loss: np.ndarray) -> int | None:
    """The stop rule loss_der, epoch by epoch as training would meet it."""
    for epoch in range(15, len(loss)):
        window = loss[epoch - 14 : epoch + 1]
        slope = np.polyfit(np.arange(15), window, 1)[0]
        if -2e-5 <= slope <= 0 and window.max() < 0.0036:
            return epoch + 1
    return None


def test_loss_der_stops_when_training_would() -> None:
    rng = np.random.default_rng(0)
    stops = set()
    for at in (30, 60, 100):
        loss = staircase((0.0105, at)) + 1e-5 * rng.normal(size=300)
        stop = converged_epoch(loss, "loss_der")
        assert stop is not None
        assert stop == first_to_converge(loss)
        stops.add(stop)
    assert len(stops) == 3


def test_loss_der_boundaries() -> None:
    assert converged_epoch(np.full(30, 0.00359), "loss_der") == 16
    assert converged_epoch(np.full(15, 0.00359), "loss_der") is None
    assert converged_epoch(np.full(30, 0.0037), "loss_der") is None
    assert converged_epoch(0.0035 - 2.1e-5 * np.arange(40), "loss_der") is None
    assert converged_epoch(0.0025 + 1e-6 * np.arange(40), "loss_der") is None


def test_abs_loss_stops_at_the_first_epoch_low_enough() -> None:
    assert converged_epoch(np.array([0.01, 6e-4, 5e-4, 7e-4, 1e-4]), "abs_loss") == 3
    assert converged_epoch(np.array([4e-4]), "abs_loss") == 1
    assert converged_epoch(np.array([0.01, 6e-4]), "abs_loss") is None


def test_unknown_stop_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="'loss'"):
        converged_epoch(np.ones(3), "loss")


def test_chance_loss_in_closed_form() -> None:
    # 1/17 sum over k = -8..8 of (2 pi k / 17)^2 / 17^2, and sum k^2 = 408.
    assert chance_loss() == pytest.approx((2 * np.pi) ** 2 * 408 / 17**5)
    assert round(chance_loss(), 5) == 0.01134


def test_cue_blind_loss_is_what_optimisation_finds() -> None:
    least = np.zeros((16, 16))
    for a in range(16):
        for b in range(a):
            cost = (COST[a] + COST[b]) / 34

            def loss_and_slope(logits: np.ndarray, cost: np.ndarray = cost) -> tuple[float, np.ndarray]:
                report = softmax(logits)
                slope = 2 * cost * report
                return (cost * report**2).sum(), report * (slope - (slope * report).sum())

            found = minimize(loss_and_slope, np.zeros(17), jac=True, method="BFGS", options={"gtol": 1e-9})
            least[a, b] = least[b, a] = found.fun
    # Colour pairs are equally frequent; two equal colours can be reported without loss.
    assert cue_blind_loss() == pytest.approx(least.mean(), rel=1e-4)
    assert round(cue_blind_loss(), 5) == 0.00606


def test_perfect_error_in_closed_form() -> None:
    # 16 colours at multiples of 22.5 deg against units at multiples of 360/17: offsets 360 j (1/16 - 1/17).
    steps = np.minimum(np.arange(16), 16 - np.arange(16))
    assert perfect_error_deg() == pytest.approx(360 / 272 * steps.mean())
    assert perfect_error_deg() == pytest.approx(np.abs(OFFSETS).min(1).mean())
    assert round(perfect_error_deg(), 2) == 5.29
