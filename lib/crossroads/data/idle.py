"""Units whose work is known in advance: they measure what a unit costs beyond its work."""

import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Unit:
    """A unit that sleeps, multiplies matrices `n_products` times, and returns `n_values` numbers."""

    number: int
    sleep_s: float = 0.0
    n_products: int = 0
    n_values: int = 1


def idle(unit: Unit) -> dict[str, np.ndarray]:
    """`n_values` times the number of the unit: the matrix of ones is its own square over 300."""
    time.sleep(unit.sleep_s)
    matrix = np.ones((300, 300))
    for _ in range(unit.n_products):
        matrix = matrix @ matrix / 300.0
    return {"values": np.full(unit.n_values, unit.number * matrix[0, 0])}
