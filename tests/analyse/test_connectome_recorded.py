"""A slice of a brain, against numbers of an independent implementation with 40 seeds of its own."""

import numpy as np
import pytest

from crossroads.analyse.connectome import anisotropic_seeds, follow, rms_residual, tensor_metrics
from crossroads.data.connectome_recordings import hcp_slice
from crossroads.data.settings import data_folder

FOLDER = data_folder("connectome")
N_SEEDS, REACH = 40, 30.0
# Mean and median deviation [voxels], coverage, and rms residual, which does not depend on seeds.
EXPECTED = {
    "inverse": (1.23, 0.54, 0.81, 0.144),
    "adjugate": (1.26, 0.68, 0.87, 0.148),
    "conformal": (0.96, 0.59, 0.97, 0.152),
}


@pytest.mark.skipif(FOLDER is None, reason="needs CROSSROADS_DATA")
def test_numbers_lie_within_what_40_seeds_can_give():
    """Central 95 % of random draws of 40 seeds; coverages as medians over curves (no mean reaches 0.97)."""
    fields, rng = hcp_slice(FOLDER, "103818"), np.random.default_rng(0)
    metrics, (seeds, field) = tensor_metrics(fields), anisotropic_seeds(fields)
    assert len(seeds) == 1620
    for name, (*expected, residual) in EXPECTED.items():
        found = follow(metrics[name], fields, seeds, field, reach=REACH).deviation
        draws = []
        for _ in range(500):
            chosen = rng.choice(len(seeds), N_SEEDS, replace=False)
            apart = found.matched[:, chosen]
            draws.append((np.nanmean(apart), np.nanmedian(apart), np.nanmedian(found.coverage[:, chosen])))
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        assert (low < expected).all()
        assert (expected < high).all()
        assert rms_residual(metrics[name], fields) == pytest.approx(residual, abs=5e-4)
