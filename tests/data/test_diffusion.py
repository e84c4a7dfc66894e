import socket

import numpy as np
import pytest
from dipy.sims.voxel import add_noise, multi_tensor, single_tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from crossroads.data import diffusion, fibre_fields
from crossroads.data.diffusion import VOLUMES, principal_field, scan, small_volume, tensor_layer
from crossroads.data.fibre_fields import EIGENVALUES, FibreFields

ALONG, ACROSS = EIGENVALUES


def voxels(angles_deg, n=2):
    """A row of voxels; the angles of the fibres in each, None for a field that is not there."""
    m = max(len(a) for a in angles_deg)
    v, mask = (
        np.zeros((m, n, len(angles_deg), *[1] * (n - 1))),
        np.zeros((m, len(angles_deg), *[1] * (n - 1)), bool),
    )
    for i, angles in enumerate(angles_deg):
        for k, angle in enumerate(angles):
            v[k, :2, i] = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]).reshape(
                2, *[1] * (n - 1)
            )
            mask[k, i] = True
    return FibreFields("row", v, mask, 1.25)


@pytest.mark.parametrize("n", [2, 3])
def test_tensors_of_one_fibre_of_none_and_of_a_right_angle(n):
    tensor = tensor_layer(voxels([[30.0], [0.0, 90.0], []], n)).reshape(3, n, n)
    values, vectors = np.linalg.eigh(tensor[0])
    np.testing.assert_allclose(values, [*[ACROSS] * (n - 1), ALONG])
    assert abs(vectors[:2, -1] @ [np.cos(np.pi / 6), 0.5]) == pytest.approx(1)
    np.testing.assert_allclose(
        tensor[1], np.diag([*[(ALONG + ACROSS) / 2] * 2, *[ACROSS] * (n - 2)]), atol=1e-18
    )
    np.testing.assert_allclose(tensor[2], 0.7e-3 * np.eye(n))


def test_annulus_has_the_tensors_of_the_layer():
    scene = fibre_fields.annulus()
    mask = scene.mask[0]
    np.testing.assert_allclose(tensor_layer(scene)[mask], scene.tensor[mask], atol=1e-18)


@pytest.mark.parametrize(
    "scene", [fibre_fields.annulus(), fibre_fields.braid(), fibre_fields.helix_crossing()]
)
def test_a_scan_without_noise_gives_back_what_was_planted(scene):
    found = scan(scene, np.random.default_rng(0), snr=np.inf)
    np.testing.assert_array_equal(found.mask, scene.mask.any(0)[None])
    alone = scene.mask.sum(0) == 1
    np.testing.assert_allclose(found.tensor[alone], tensor_layer(scene)[alone], atol=1e-12)
    planted = scene.v.sum(0)[:, alone]
    np.testing.assert_allclose(np.abs((found.v[0][:, alone] * planted).sum(0)), 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found.v, axis=1), found.mask, atol=1e-12)
    assert found.spacing_mm == scene.spacing_mm
    np.testing.assert_array_equal(found.seeds, scene.seeds)
    assert set(found.seed_field) == {0}


def test_signals_are_those_of_dipy_one_voxel_at_a_time(monkeypatch):
    """One fibre, two at 70 degrees, and an oblate tensor of its own, against dipy's simulation."""
    seen = {}

    class Record(diffusion.TensorModel):
        def fit(self, data, **more):
            seen["table"], seen["signal"] = self.gtab, data
            return super().fit(data, **more)

    monkeypatch.setattr(diffusion, "TensorModel", Record)
    scan(voxels([[20.0], [0.0, 70.0]], 3), np.random.default_rng(1), np.inf)
    table, evals = seen["table"], (ALONG, ACROSS, ACROSS)
    angles = [(90, 20)], [(90, 0), (90, 70)]
    for signal, sticks in zip(seen["signal"], angles, strict=True):
        share = [100 / len(sticks)] * len(sticks)
        expected, _ = multi_tensor(table, [evals] * len(sticks), angles=sticks, fractions=share, snr=None)
        np.testing.assert_allclose(signal, expected, rtol=1e-9)
    # In the plane: the third eigenvalue is the one across the fibres.
    turn = np.deg2rad(20)
    evecs = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    scan(voxels([[20.0]]), np.random.default_rng(1), np.inf)
    np.testing.assert_allclose(
        seen["signal"][0], single_tensor(seen["table"], evals=evals, evecs=evecs, snr=None), rtol=1e-9
    )


def test_noise_is_distributed_as_dipys(monkeypatch):
    """Mean and variance of the noisy signals of one voxel, seen 4000 times."""
    seen = []
    fit = diffusion.TensorModel.fit
    monkeypatch.setattr(
        diffusion.TensorModel,
        "fit",
        lambda self, data, **more: (seen.append(data), fit(self, data, **more))[1],
    )
    rows = voxels([[45.0]] * 4000)
    for snr in (np.inf, 4.0):
        scan(rows, np.random.default_rng(3), snr, n_directions=6)
    clean, noisy = seen
    peer = add_noise(clean, 4.0, 1.0, rng=np.random.default_rng(9))
    np.testing.assert_allclose(noisy.mean(0), peer.mean(0), atol=5 * 0.25 * np.sqrt(2 / 4000))
    np.testing.assert_allclose(noisy.std(0), peer.std(0), rtol=0.08)
    assert noisy.mean() > clean.mean() + 0.005  # Rician noise has a floor


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_angular_error_falls_as_the_noise_does(seed):
    scene = fibre_fields.annulus(10, 25)
    errors = []
    for snr in (5.0, 10.0, 20.0, 40.0):
        found = scan(scene, np.random.default_rng(seed), snr, n_directions=32)
        both = found.mask[0]
        cosine = np.abs((found.v[0] * scene.v[0]).sum(0))[both]
        errors.append(np.sqrt(np.mean(np.arccos(np.minimum(cosine, 1)) ** 2)))
    assert errors == sorted(errors, reverse=True)
    assert errors[1] / errors[3] == pytest.approx(4, rel=0.25)


def test_same_seed_same_scan():
    once, again = (scan(fibre_fields.annulus(10, 20), np.random.default_rng(5)) for _ in range(2))
    assert once.tensor.tobytes() == again.tensor.tobytes()


@pytest.mark.parametrize(
    ("setting", "value"), [("snr", 0.0), ("n_directions", 5), ("b", -1.0), ("snr", np.nan)]
)
def test_settings_out_of_range_are_named(setting, value):
    with pytest.raises(ValueError, match=f"{setting}={value}.*expected"):
        scan(fibre_fields.annulus(10, 20), np.random.default_rng(0), **{setting: value})


@pytest.mark.parametrize("n", [2, 3])
def test_principal_directions_of_turned_diagonal_tensors(n):
    rng = np.random.default_rng(0)
    turns = np.linalg.qr(rng.normal(size=(4, 5, n, n)))[0]
    tensor = turns @ np.diag([1.0, 3.0, 2.0][:n]) @ np.swapaxes(turns, -1, -2)
    mask = rng.random((4, 5)) < 0.5
    v = principal_field(tensor, mask)
    np.testing.assert_allclose(np.abs(np.einsum("ixy,xyi->xy", v[0], turns[..., 1])), mask, atol=1e-12)
    assert not v[0][:, ~mask].any()


@pytest.mark.parametrize(
    ("name", "shape", "side_mm", "n_voxels"),
    [("small_64D", (10, 10, 10), 2.0, 757), ("small_101D", (6, 10, 10), 2.5, 495)],
)
def test_measured_volumes_come_without_a_network(monkeypatch, name, shape, side_mm, n_voxels):
    monkeypatch.setattr(socket, "socket", None)
    found = small_volume(name)
    assert name in VOLUMES
    assert found.mask.shape == (1, *shape)
    assert found.spacing_mm == pytest.approx(side_mm)
    assert found.mask.sum() == n_voxels
    np.testing.assert_allclose(np.linalg.norm(found.v, axis=1), found.mask, atol=1e-12)
    values = np.linalg.eigvalsh(found.tensor[found.mask[0]])
    assert values[:, 0].min() > 1e-6
    assert 0.3e-3 < np.median(values) < 1.5e-3  # of tissue [mm^2/s]
    spread = np.sqrt(1.5 * ((values - values.mean(1, keepdims=True)) ** 2).sum(1) / (values**2).sum(1))
    assert spread.min() > 0.2 - 1e-9


def test_gradients_of_a_measured_volume_that_do_not_fit_are_refused(monkeypatch):
    image, *_ = diffusion.get_fnames(name="small_64D")
    other = diffusion.get_fnames(name="small_101D")
    monkeypatch.setattr(diffusion, "get_fnames", lambda name: (image, *other[1:]))
    with pytest.raises(ValueError, match="small_64D.nii: 65 images, but 102 b-values in .*small_101D.bval"):
        small_volume("small_64D")


def test_other_volumes_are_refused():
    with pytest.raises(ValueError, match="'stanford' is no volume.*small_64D, small_101D"):
        small_volume("stanford")
