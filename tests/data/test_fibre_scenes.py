import numpy as np
import pytest

from crossroads.data import fibre_fields
from crossroads.data.fibre_scenes import RECORDED, SHIPPED, SYNTHETIC, Scene, open_scene, recorded
from crossroads.data.settings import data_folder


@pytest.mark.parametrize("name", [*SYNTHETIC, *SHIPPED])
def test_every_scene_has_directions_and_tensors_of_one_grid(name):
    scene = open_scene(Scene(name))
    m, n, *grid = scene.v.shape
    assert scene.mask.shape == (m, *grid)
    assert scene.tensor.shape == (*grid, n, n)
    length = np.linalg.norm(scene.v, axis=1)
    np.testing.assert_allclose(length, scene.mask, atol=1e-12)


def test_nuisances_are_those_of_the_seed():
    clean = open_scene(Scene("braid"))
    turned = [open_scene(Scene("braid", seed, noise_deg=10.0)) for seed in (1, 1, 2)]
    assert np.array_equal(turned[0].v, turned[1].v)
    assert not np.array_equal(turned[0].v, turned[2].v)
    cosine = np.abs((clean.v * turned[0].v).sum(1))[clean.mask]
    assert np.degrees(np.sqrt(np.mean(np.arccos(np.minimum(cosine, 1)) ** 2))) == pytest.approx(10, abs=0.5)
    flipped = open_scene(Scene("braid", flips=0.2))
    share = np.mean((clean.v * flipped.v).sum(1)[clean.mask] < 0)
    assert share == pytest.approx(0.2, abs=1e-3)


def test_shuffled_directions_are_the_same_ones_elsewhere():
    clean, shuffled = open_scene(Scene("braid")), open_scene(Scene("braid", shuffled=True))
    for field in (0, 1):
        before, after = (np.sort(s.v[field][:, s.mask[field]], axis=1) for s in (clean, shuffled))
        assert np.array_equal(before, after)
        assert not np.array_equal(clean.v[field], shuffled.v[field])


def test_straight_bundle_runs_along_the_first_axis():
    fields = fibre_fields.straight()
    assert np.array_equal(fields.v[0][:, fields.mask[0]].T, np.tile([1.0, 0.0], (fields.mask.sum(), 1)))
    assert set(fields.mask[0].sum(1)) == {0, 16}  # rows whose centres lie within 7.5 of the middle, 49.5
    assert fields.mask[(fields.seed_field, *np.rint(fields.seeds).astype(int).T)].all()


def test_a_scan_sees_one_direction_a_voxel():
    scene = open_scene(Scene("annulus", 3, snr=20.0))
    assert len(scene.v) == 1
    clean = open_scene(Scene("annulus"))
    cosine = np.abs((clean.v[0] * scene.v[0]).sum(0))[scene.mask[0] & clean.mask[0]]
    assert 0.9 < np.mean(cosine) < 1


def test_unknown_scene_and_missing_data_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'brade': not one of braid"):
        open_scene(Scene("brade"))
    with pytest.raises(ValueError, match="CROSSROADS_DATA"):
        recorded("hcp-103818", None)
    with pytest.raises(ValueError, match="103818: no files"):
        recorded("hcp-103818", tmp_path)


def test_a_recording_is_known_by_its_bytes(tmp_path):
    (tmp_path / "103818").mkdir()
    digests = []
    for content in (b"one", b"two", b"one"):
        (tmp_path / "103818/103818_mask.mat").write_bytes(content)
        digests.append(recorded("hcp-103818", tmp_path).digest)
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.skipif(data_folder("connectome") is None, reason="needs CROSSROADS_DATA")
@pytest.mark.parametrize("name", RECORDED)
def test_recordings_open(name):
    scene = open_scene(recorded(name, data_folder("connectome")))
    assert np.allclose(np.linalg.norm(scene.v, axis=1), scene.mask)
