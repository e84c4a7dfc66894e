import numpy as np

from crossroads.models.demo import Settings, items, simulate_item


def test_item_without_noise_is_the_effect():
    [item] = items(Settings(n_items=1, n_trials=5, sd=0.0), effect=0.3, seed=0)
    assert simulate_item(item)["mean"] == np.float64(0.3)


def test_means_scatter_as_one_over_root_n():
    units = items(Settings(n_items=2000, n_trials=25, sd=2.0), effect=1.0, seed=1)
    means = [simulate_item(unit)["mean"] for unit in units]
    # Closed form: sd/sqrt(n) = 0.4; the bounds are four standard errors of mean and spread.
    assert abs(np.mean(means) - 1.0) < 4 * 0.4 / np.sqrt(2000)
    assert abs(np.std(means) - 0.4) < 4 * 0.4 / np.sqrt(2 * 2000)
