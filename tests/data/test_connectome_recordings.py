"""Fields in the authors' formats, which must be read back or refused; and the files that they published."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from crossroads.data import connectome_recordings as recordings
from crossroads.data import fibre_fields
from tests.data.test_nrrd import write

FOLDER = Path(os.environ.get("CROSSROADS_DATA", "")) / "connectome"
needs_data = pytest.mark.skipif(
    "CROSSROADS_DATA" not in os.environ or not FOLDER.is_dir(), reason="needs connectome/ in CROSSROADS_DATA"
)


def ring(grid, middle, least=8.0, most=55.0):
    """Directions round a middle, their mask, and tensors that grow outwards."""
    arm = np.moveaxis(np.indices(grid), 0, -1) - np.array(middle)
    radius = np.linalg.norm(arm[..., :2], axis=-1)
    v = np.zeros((len(grid), *grid))
    v[0], v[1] = -arm[..., 1], arm[..., 0]
    v /= np.maximum(radius, 1e-9)
    mask = (radius >= least) & (radius <= most)
    size = 1e-3 * (1 + radius / most)[..., None, None]
    tensor = size * (0.3 * np.eye(len(grid)) + np.einsum("i...,j...->...ij", v, v))
    return v, mask, tensor


def triples(tensor):
    return np.stack([tensor[..., 0, 0], tensor[..., 0, 1], tensor[..., 1, 1]])


def write_slice(folder, subject, v, mask, tensor):
    """A slice in the layout of each subject's files."""
    here = folder / subject
    here.mkdir(exist_ok=True)
    if subject == "100610":
        write(here, np.moveaxis(v, 0, -1), "100610_vector_field")
        write(here, mask.T.astype(float), "100610_filt_mask")
        write(here, triples(tensor).T, "100610_scaled_tensors")
    else:
        savemat(here / "103818_orig_tensors.mat", {"tensor": triples(tensor)})
        savemat(here / "103818_scaled_tensors.mat", {"tensor": triples(2 * tensor)})
        savemat(here / "103818_filt_mask.mat", {"mask": mask.astype(np.uint8)})


def write_volume(folder, v, mask):
    here = folder / "111312"
    here.mkdir(exist_ok=True)
    write(here, v, "111312_shrinktensor_principal_vector_field")
    write(here, mask.astype(int), "111312_shrinktensor_filt_mask")


def write_braid(folder, transpose=True):
    here = folder / "braid"
    here.mkdir(exist_ok=True)
    scene = fibre_fields.braid()
    for name, v, mask in zip(("sin", "cos"), scene.v, scene.mask, strict=True):
        write(here, np.moveaxis(v, 0, -1), f"{name}_vector_field")
        write(here, (mask.T if transpose else mask).astype(float), f"{name}_filt_mask")


SLICE = ring((145, 174), (60.0, 80.0))
VOLUME = ring((48, 64, 48), (20.0, 30.0, 0.0), 5, 18)


@settings(max_examples=8)
@given(x=st.floats(50, 90), y=st.floats(60, 110), flips=st.integers(0, 99))
@pytest.mark.parametrize("subject", ["103818", "100610"])
def test_slices_come_back_in_the_order_of_their_axes(tmp_path_factory, subject, x, y, flips):
    v, mask, tensor = ring((145, 174), (x, y))
    v = v * np.random.default_rng(flips).choice([-1, 1], mask.shape)
    folder = tmp_path_factory.mktemp("slice")
    write_slice(folder, subject, v, mask, tensor)
    found = recordings.hcp_slice(folder, subject)
    assert found.spacing_mm == 1.25
    np.testing.assert_array_equal(found.mask[0], mask)
    np.testing.assert_allclose(np.abs((found.v[0] * v).sum(0)), mask, atol=1e-12)
    assert np.abs(found.v[0][:, ~mask]).max() == 0
    if subject == "103818":
        np.testing.assert_allclose(found.tensor, tensor, atol=1e-15)
        np.testing.assert_allclose(found.scaled_tensor, 2 * tensor, atol=1e-15)
    else:
        assert found.tensor is None
        np.testing.assert_array_equal(found.v[0], v * mask)
        np.testing.assert_allclose(found.scaled_tensor, tensor, atol=1e-15)


def test_a_volume_and_the_strands_come_back(tmp_path):
    v, mask, _ = VOLUME
    write_volume(tmp_path, v, mask)
    found = recordings.hcp_volume(tmp_path, "111312")
    np.testing.assert_array_equal(found.v[0], v * mask)
    np.testing.assert_array_equal(found.mask[0], mask)
    write_braid(tmp_path)
    strands = recordings.published_braid(tmp_path)
    np.testing.assert_array_equal(strands.v, fibre_fields.braid().v)


@pytest.mark.parametrize("subject", ["103818", "100610"])
def test_voxels_without_a_metric_are_left_out(tmp_path, subject):
    v, mask, tensor = SLICE
    tensor = tensor.copy()
    holes = np.argwhere(mask)[[5, 500, 900]]
    tensor[tuple(holes.T)] = np.diag([1.0, -1.0])
    write_slice(tmp_path, subject, v, mask, tensor)
    found = recordings.hcp_slice(tmp_path, subject).mask[0]
    np.testing.assert_array_equal(np.argwhere(mask & ~found), holes)


TURNED = {
    "swapped": lambda v: v[[1, 0, *range(2, len(v))]],
    "first one turned round": lambda v: v * np.array([-1, *[1] * (len(v) - 1)]).reshape(-1, *[1] * len(v)),
}


@pytest.mark.parametrize("turn", TURNED.values(), ids=TURNED)
def test_components_that_do_not_belong_to_the_axes_are_refused(tmp_path, turn):
    """Bundles are longer than wide: along other axes than its own, a thin ring soon ends."""
    v, ring_mask, _ = ring((145, 174), (60.0, 80.0), 42.0)
    half = ring_mask & (np.indices(ring_mask.shape)[0] > 60)
    turned = turn(v)
    tensor = 1e-3 * (0.3 * np.eye(2) + np.einsum("i...,j...->...ij", turned, turned))
    for subject in ("103818", "100610"):
        write_slice(tmp_path, subject, turned, half, tensor)
        with pytest.raises(ValueError, match=rf"{subject}_.*: fibres go on better .*expected component i"):
            recordings.hcp_slice(tmp_path, subject)
    v, mask, _ = ring((48, 64, 48), (20.0, 30.0, 0.0), 12, 18)
    write_volume(tmp_path, turn(v), mask)
    with pytest.raises(ValueError, match="111312_.*: fibres go on better"):
        recordings.hcp_volume(tmp_path, "111312")


def test_a_mask_that_is_not_transposed_is_refused(tmp_path):
    write_braid(tmp_path, transpose=False)
    with pytest.raises(ValueError, match="braid: [0-9]+ of 3384 directions in the mask are not of length 1"):
        recordings.published_braid(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("100610_filt_mask", np.ones((145, 174)), r"filt_mask.*\(145, 174\).*expected \(174, 145\)"),
        ("100610_vector_field", np.ones((2, 145, 174)), r"vector_field.*expected \(145, 174, 2\)"),
        ("100610_vector_field", np.ones((145, 174, 2)), "are not of length 1"),
        ("100610_filt_mask", np.zeros((174, 145)), "0 of 0 directions"),
        ("100610_scaled_tensors", np.zeros((174, 145, 2)), r"\(174, 145, 2\).*expected \(174, 145, 3\)"),
    ],
)
def test_arrays_of_another_shape_or_length_are_refused(tmp_path, name, array, message):
    write_slice(tmp_path, "100610", *SLICE)
    write(tmp_path / "100610", array, name)
    with pytest.raises(ValueError, match=message) as caught:
        recordings.hcp_slice(tmp_path, "100610")
    assert "Metric-Cnn-2D-IPMI" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "variables", "message"),
    [
        ("filt_mask", {"mask": np.ones((174, 145))}, r"filt_mask.*\(174, 145\).*expected \(145, 174\)"),
        ("scaled_tensors", {"tensor": np.ones((3, 10, 10))}, r"scaled_tensors.*expected \(3, 145, 174\)"),
        ("orig_tensors", {"image": np.ones(3)}, r"orig_tensors.mat: no variable 'tensor'; found \['image'\]"),
        ("orig_tensors", {"tensor": np.full((3, 145, 174), np.nan)}, "75690 NaN or infinite values"),
    ],
)
def test_matlab_arrays_of_another_shape_are_refused(tmp_path, name, variables, message):
    write_slice(tmp_path, "103818", *SLICE)
    savemat(tmp_path / f"103818/103818_{name}.mat", variables)
    with pytest.raises(ValueError, match=message):
        recordings.hcp_slice(tmp_path, "103818")


def test_missing_and_truncated_files_are_named(tmp_path):
    write_slice(tmp_path, "100610", *SLICE)
    raw = tmp_path / "100610/100610_scaled_tensors.raw"
    raw.write_bytes(raw.read_bytes()[:-24])
    with pytest.raises(ValueError, match="100610_scaled_tensors.raw: 605496 bytes, .*605520 bytes"):
        recordings.hcp_slice(tmp_path, "100610")
    raw.unlink()
    with pytest.raises(FileNotFoundError, match="100610_scaled_tensors.raw.*Metric-Cnn-2D-IPMI"):
        recordings.hcp_slice(tmp_path, "100610")
    for load, subject in ((recordings.hcp_slice, "103818"), (recordings.hcp_volume, "111312")):
        with pytest.raises(FileNotFoundError, match=rf"{subject}_.*get it from github.com/aarentai"):
            load(tmp_path, subject)
        with pytest.raises(ValueError, match="subject '105923'"):
            load(tmp_path, "105923")


@needs_data
def test_published_slices_have_the_known_voxels_and_flips():
    slices = {s: recordings.hcp_slice(FOLDER, s) for s in ("103818", "100610")}
    assert {s: found.mask.sum() for s, found in slices.items()} == {"103818": 4277, "100610": 4904 - 11}
    assert fibre_fields.flip_fraction(slices["100610"]) == pytest.approx(0.051, abs=5e-4)
    with_tensors = slices["103818"]
    ratio = np.divide(*np.linalg.eigvalsh(with_tensors.tensor[with_tensors.mask[0]]).T[::-1])
    np.testing.assert_allclose(np.percentile(ratio, [5, 50, 95]), [1.19, 1.79, 3.65], atol=5e-3)
    # The principal directions of the scaled tensors are the published field.
    other = slices["100610"]
    principal = np.linalg.eigh(other.scaled_tensor[other.mask[0]])[1][..., -1]
    np.testing.assert_allclose(np.abs((principal * other.v[0][:, other.mask[0]].T).sum(1)), 1, atol=1e-6)


@needs_data
@pytest.mark.parametrize("turn", TURNED.values(), ids=TURNED)
def test_published_fields_would_be_refused_if_they_were_turned(turn):
    for found in (recordings.hcp_slice(FOLDER, "100610"), recordings.hcp_volume(FOLDER, "111312")):
        with pytest.raises(ValueError, match="fibres go on better"):
            recordings._checked("turned", turn(found.v[0])[None], found.mask, FOLDER, "home")


@needs_data
def test_published_scaled_tensors_are_those_of_the_published_exponent():
    found = recordings.hcp_slice(FOLDER, "103818")
    alpha = loadmat(FOLDER / "103818/103818_alpha.mat")["alpha"][found.mask[0]]
    expected = np.exp(-alpha)[:, None, None] * found.tensor[found.mask[0]]
    np.testing.assert_allclose(found.scaled_tensor[found.mask[0]], expected, rtol=1e-12, atol=1e-18)
    assert (alpha.min().round(1), alpha.max().round(1)) == (-6.9, 5.1)


@needs_data
def test_published_volume_and_braid():
    volume = recordings.hcp_volume(FOLDER, "111312")
    assert volume.mask.sum() == 21361
    assert fibre_fields.flip_fraction(volume) == pytest.approx(0.197, abs=5e-4)
    strands, ours = recordings.published_braid(FOLDER), fibre_fields.braid()
    np.testing.assert_array_equal(strands.mask, ours.mask)
    np.testing.assert_allclose(strands.v, ours.v, rtol=0, atol=1.01e-10)
