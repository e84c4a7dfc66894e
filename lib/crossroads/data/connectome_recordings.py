"""Directions and tensors of the Human Connectome Project as the paper's authors publish them; their braid.

Files differ in the order of their axes, and headers cannot be trusted: every field is put into the order in
which component i lies along axis i, and that is checked by whether directions go on along themselves.
"""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np

from crossroads.data.diffusion import principal_field
from crossroads.data.fibre_fields import SPACING_MM, FibreFields
from crossroads.data.matlab import read_matlab
from crossroads.data.nrrd import read_nrrd

CNN_2D, CNN_3D, MATCHING = (
    f"github.com/aarentai/{name}"
    for name in ("Metric-Cnn-2D-IPMI", "Metric-Cnn-3D-IPMI", "Metric-Matching-2D")
)
UNIT = 1e-6  # how far the length of a direction may be from 1


def hcp_slice(folder: Path, subject: str) -> FibreFields:
    """An axial slice of 145 x 174 voxels of 1.25 mm: subject 103818 or 100610, from folder/<subject>.

    103818 has tensors and their conformally scaled form; 100610 only the scaled ones, whose principal
    directions are its published field. Voxels of the mask whose tensor is not positive definite are left out.

    Raises
    ------
    FileNotFoundError : a file is missing.
    ValueError : another subject; a damaged file; arrays whose shapes, lengths or axes are not those expected.
    """
    here = folder / subject
    if subject == "103818":
        return _from_matlab(here)
    if subject != "100610":
        raise ValueError(f"subject {subject!r}: there are slices of 103818 and 100610")
    v = np.moveaxis(read_nrrd(here / "100610_vector_field.nhdr", CNN_2D), -1, 0)
    mask = read_nrrd(here / "100610_filt_mask.nhdr", CNN_2D).T > 0
    tensor = _symmetric(np.moveaxis(read_nrrd(here / "100610_scaled_tensors.nhdr", CNN_2D), -1, 0)).swapaxes(
        0, 1
    )
    mask = _positive(tensor, _of_shape(mask, v.shape[1:], here))
    fields = FibreFields("HCP 100610", (v * mask)[None], mask[None], SPACING_MM, scaled_tensor=tensor)
    return _in_order(fields, here)


def hcp_volume(folder: Path, subject: str) -> FibreFields:
    """The published 3-D sub-volume, 48 x 64 x 48 voxels, of subject 111312, from folder/111312.

    Its voxels were made larger than those of the images; their size is not published, and 1.25 mm is a bound.
    Errors as in `hcp_slice`.
    """
    here = folder / subject
    if subject != "111312":
        raise ValueError(f"subject {subject!r}: there is a volume of 111312")
    v = read_nrrd(here / "111312_shrinktensor_principal_vector_field.nhdr", CNN_3D)
    mask = _of_shape(read_nrrd(here / "111312_shrinktensor_filt_mask.nhdr", CNN_3D) > 0, v.shape[1:], here)
    return _in_order(FibreFields("HCP 111312", (v * mask)[None], mask[None], SPACING_MM), here)


def published_braid(folder: Path) -> FibreFields:
    """The authors' two strands, from folder/braid; `fibre_fields.braid` makes the same ones.

    Errors as in `hcp_slice`.
    """
    here = folder / "braid"
    v = [np.moveaxis(read_nrrd(here / f"{name}_vector_field.nhdr", CNN_2D), -1, 0) for name in ("sin", "cos")]
    mask = [read_nrrd(here / f"{name}_filt_mask.nhdr", CNN_2D).T > 0 for name in ("sin", "cos")]
    return _checked(
        FibreFields("braid", np.stack(v) * np.stack(mask)[:, None], np.stack(mask), SPACING_MM), here
    )


def _from_matlab(here: Path) -> FibreFields:
    (tensor,) = read_matlab(here / "103818_orig_tensors.mat", ["tensor"], MATCHING)
    (scaled,) = read_matlab(here / "103818_scaled_tensors.mat", ["tensor"], MATCHING)
    (mask,) = read_matlab(here / "103818_filt_mask.mat", ["mask"], MATCHING)
    for name, array in (("orig_tensors", tensor), ("scaled_tensors", scaled)):
        if array.ndim != 3 or len(array) != 3:
            raise ValueError(
                f"{here}/103818_{name}.mat: shape {array.shape}; expected (3, x, y); from {MATCHING}"
            )
    tensor, scaled = _symmetric(tensor), _symmetric(scaled)
    mask = _positive(tensor, _of_shape(mask > 0, tensor.shape[:2], here))
    fields = FibreFields(
        "HCP 103818", principal_field(tensor, mask), mask[None], SPACING_MM, tensor, scaled_tensor=scaled
    )
    return _in_order(fields, here)


def _symmetric(components: np.ndarray) -> np.ndarray:
    """Tensors (*grid, 2, 2) of D11, D12, D22 (3, *grid)."""
    return np.moveaxis(components[[[0, 1], [1, 2]]], (0, 1), (-2, -1))


def _of_shape(mask: np.ndarray, shape: tuple[int, ...], here: Path) -> np.ndarray:
    if mask.shape != shape:
        raise ValueError(
            f"{here}: the mask has {mask.shape} voxels, the field {shape}; files of two subjects?"
        )
    return mask


def _positive(tensor: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return mask & (np.linalg.eigvalsh(tensor)[..., 0] > 0)


def _checked(fields: FibreFields, here: Path) -> FibreFields:
    """The fields, if they are unit directions."""
    length = np.linalg.norm(np.moveaxis(fields.v, 1, -1)[fields.mask], axis=1)
    wrong = np.abs(length - 1) > UNIT
    if not len(length) or wrong.any():
        raise ValueError(
            f"{here}: {len(length)} directions in the mask, {np.count_nonzero(wrong)} not of length 1; "
            "expected a mask of white matter and unit vectors in it"
        )
    return fields


def _in_order(fields: FibreFields, here: Path) -> FibreFields:
    """The fields of a brain, if no other order or sign of their components bends less along the fibres."""
    n = fields.v.shape[1]
    as_is, others = tuple(range(n)), {}
    for order, sign in product(permutations(range(n)), product((1, -1), repeat=n - 1)):
        turned = fields.v[:, list(order)] * np.reshape([1, *sign], (n,) + (1,) * n)
        others[order, sign] = _bend(turned, fields.mask)
    best = min(others, key=others.__getitem__)
    if best[0] != as_is or -1 in best[1]:
        raise ValueError(
            f"{here}: directions turn less along themselves with components {best[0]}, signs {(1, *best[1])} "
            f"than as they come ({others[best]:.4f} against {_bend(fields.v, fields.mask):.4f}): the axes of the "
            "file are not those expected"
        )
    return _checked(fields, here)


def _bend(v: np.ndarray, mask: np.ndarray) -> float:
    """Mean of 1 - cos^2 of the turn from a voxel to its neighbour, weighted with how far v points there."""
    turn, weight = 0.0, 0.0
    for axis in range(v.shape[1]):
        here, there = (np.moveaxis(v, axis + 2, -1)[..., part] for part in (slice(-1), slice(1, None)))
        both = np.moveaxis(mask, axis + 1, -1)
        both = both[..., :-1] & both[..., 1:]
        w = here[:, axis] ** 2 * both
        turn += float((w * (1 - (here * there).sum(1) ** 2)).sum())
        weight += float(w.sum())
    return turn / weight
