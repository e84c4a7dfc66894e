"""The atlas's regions must lie in the brain that is drawn round them."""

import numpy as np
import pytest
from matplotlib.path import Path

from crossroads.data.atlas import brain_outline, schaefer_100


def test_regions_come_by_hemisphere_and_network():
    atlas = schaefer_100()
    assert list(atlas.columns) == ["label", "network", "x", "y", "z"]
    np.testing.assert_array_equal(atlas.label, np.arange(1, 101))
    np.testing.assert_array_equal(atlas.x < 0, atlas.label <= 50)
    assert np.bincount(atlas.network).tolist() == [17, 14, 15, 12, 5, 13, 24]
    for half in (atlas[:50], atlas[50:]):  # the atlas lists each hemisphere's networks in order
        assert half.network.is_monotonic_increasing
    # The visual network lies behind the somatomotor one, and that above the limbic one.
    y, z = atlas.groupby("network").y.mean(), atlas.groupby("network").z.mean()
    assert y[0] < y[1] - 20
    assert z[1] > z[4] + 20


@pytest.mark.parametrize(("view", "columns", "sides"), [("top", ["x", "y"], 100), ("left", ["y", "z"], 50)])
def test_outlines_enclose_the_regions(view, columns, sides):
    outline = brain_outline()[view]
    assert outline.shape == (121, 2)
    assert np.linalg.norm(outline[0] - outline[-1]) < 0.5  # closed
    assert Path(outline).contains_points(schaefer_100()[columns].to_numpy()[:sides], radius=3).all()
    # A grown-up's brain, by the shoelace formula [cm^2].
    x, y = outline.T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 200
    assert 100 < area < 220
