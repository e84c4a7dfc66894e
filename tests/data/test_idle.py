import time

import numpy as np

from crossroads.data.idle import Unit, idle


def test_a_unit_sleeps_multiplies_and_returns_its_number():
    start = time.perf_counter()
    found = idle(Unit(7, sleep_s=0.2, n_products=3, n_values=4))["values"]
    assert time.perf_counter() - start >= 0.2
    assert np.allclose(found, [7.0] * 4)


def test_products_take_time():
    def seconds(n: int) -> float:
        start = time.process_time()
        idle(Unit(1, n_products=n))
        return time.process_time() - start

    assert min(seconds(60) for _ in range(3)) > 5 * min(seconds(1) for _ in range(3))
