"""Directions and tensors of the Human Connectome Project as the paper's authors publish them; their braid.

Files differ in the order of their axes, and headers cannot be trusted: every field is put into the order in
which component i lies along axis i, and that is checked by whether fibres go on where they point.
"""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np

from crossroads.data.diffusion import principal_field
from crossroads.data.fibre_fields import GRID_3D, SIDE, SPACING_MM, FibreFields
from crossroads.data.matlab import read_matlab
from crossroads.data.nrrd import read_nrrd

CNN_2D, CNN_3D, MATCHING = (
    f"github.com/aarentai/{name}"
    for name in ("Metric-Cnn-2D-IPMI", "Metric-Cnn-3D-IPMI", "Metric-Matching-2D")
)
SLICE, STRANDS = (145, 174), (SIDE, SIDE)
UNIT = 1e-6  # how far the length of a direction may be from 1
AHEAD = range(1, 6)  # steps along a direction within which fibres are looked for [voxels]


def hcp_slice(folder: Path, subject: str) -> FibreFields:
    """An axial slice of 145 x 174 voxels of 1.25 mm: subject 103818 or 100610, from folder/<subject>.

    103818 has tensors and their conformally scaled form, whose exponent reaches from -6.9 to 5.1 (not
    clipped). 100610 has only the scaled ones, whose principal directions are its published field. Voxels of
    the mask whose tensor is not positive definite are left out: none of 4,277, and 11 of 4,904.

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
    file = here / "100610_vector_field.nhdr"
    v = np.moveaxis(_read(file, (*SLICE, 2), CNN_2D), -1, 0)
    mask = _read(here / "100610_filt_mask.nhdr", SLICE[::-1], CNN_2D).T > 0
    components = _read(here / "100610_scaled_tensors.nhdr", (*SLICE[::-1], 3), CNN_2D)
    scaled = _symmetric(components.T)
    mask &= _positive(scaled)
    return _checked("HCP 100610", v[None], mask[None], file, CNN_2D, scaled_tensor=scaled)


def hcp_volume(folder: Path, subject: str) -> FibreFields:
    """The published 3-D sub-volume, 48 x 64 x 48 voxels, of subject 111312, from folder/111312.

    Its voxels were made larger than those of the images; their size is not published, and 1.25 mm is a bound.
    Errors as in `hcp_slice`.
    """
    here = folder / subject
    if subject != "111312":
        raise ValueError(f"subject {subject!r}: there is a volume of 111312")
    file = here / "111312_shrinktensor_principal_vector_field.nhdr"
    v = _read(file, (3, *GRID_3D), CNN_3D)
    mask = _read(here / "111312_shrinktensor_filt_mask.nhdr", GRID_3D, CNN_3D) > 0
    return _checked("HCP 111312", v[None], mask[None], file, CNN_3D)


def published_braid(folder: Path) -> FibreFields:
    """The authors' two strands, from folder/braid; `fibre_fields.braid` makes the same ones.

    Errors as in `hcp_slice`.
    """
    files = [folder / "braid" / f"{name}_vector_field.nhdr" for name in ("sin", "cos")]
    v = np.stack([np.moveaxis(_read(file, (*STRANDS, 2), CNN_2D), -1, 0) for file in files])
    masks = [file.with_name(file.name.replace("vector_field", "filt_mask")) for file in files]
    mask = np.stack([_read(file, STRANDS, CNN_2D).T > 0 for file in masks])
    return _checked("braid", v, mask, files[0].parent, CNN_2D)


def _from_matlab(here: Path) -> FibreFields:
    file = here / "103818_orig_tensors.mat"
    tensor, scaled = (
        _symmetric(_matlab(path, "tensor", (3, *SLICE)))
        for path in (file, here / "103818_scaled_tensors.mat")
    )
    mask = (_matlab(here / "103818_filt_mask.mat", "mask", SLICE) > 0) & _positive(tensor)
    v = principal_field(tensor, mask)
    return _checked("HCP 103818", v, mask[None], file, MATCHING, tensor=tensor, scaled_tensor=scaled)


def _read(header: Path, shape: tuple[int, ...], source: str) -> np.ndarray:
    return _of_shape(read_nrrd(header, source), shape, header, source)


def _matlab(file: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    return _of_shape(read_matlab(file, [name], MATCHING)[0], shape, file, MATCHING)


def _of_shape(array: np.ndarray, shape: tuple[int, ...], file: Path, source: str) -> np.ndarray:
    if array.shape != shape:
        raise ValueError(
            f"{file}: an array of shape {array.shape} (slowest axis first), expected {shape}: are its axes "
            f"swapped, or is it of another subject? The original: {source}"
        )
    return array


def _symmetric(components: np.ndarray) -> np.ndarray:
    """Tensors (*grid, 2, 2) of D11, D12, D22 (3, *grid)."""
    return np.moveaxis(components[[[0, 1], [1, 2]]], (0, 1), (-2, -1))


def _positive(tensor: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(tensor)[..., 0] > 0


def _checked(
    name: str, v: np.ndarray, mask: np.ndarray, file: Path, source: str, **more: np.ndarray
) -> FibreFields:
    """The fields, of unit length in their masks, if fibres go on best with the axes as they are."""
    length = np.linalg.norm(np.moveaxis(v, 1, -1)[mask], axis=1)
    n_wrong = np.count_nonzero(np.abs(length - 1) > UNIT)
    if not len(length) or n_wrong:
        raise ValueError(
            f"{file}: {n_wrong} of {len(length)} directions in the mask are not of length 1; expected a mask "
            f"of white matter and unit vectors in it: are field and mask of one subject? From {source}"
        )
    v = v * mask[:, None]
    n = v.shape[1]
    goes_on = {}
    for order, signs in product(permutations(range(n)), product((1, -1), repeat=n - 1)):
        turned = v[:, list(order)] * np.reshape([1, *signs], (n,) + (1,) * n)
        goes_on[order, (1, *signs)] = _going_on(v, turned, mask)
    best, as_is = max(goes_on, key=goes_on.__getitem__), next(iter(goes_on))
    if best != as_is:
        raise ValueError(
            f"{file}: fibres go on better ({goes_on[best]:.3f}) with components {best[0]}, signs {best[1]} "
            f"than as they come ({goes_on[as_is]:.3f}); expected component i along axis i: are axes swapped "
            f"or turned round? The original: {source}"
        )
    return FibreFields(name, v, mask, SPACING_MM, **more)


def _going_on(v: np.ndarray, ahead: np.ndarray, mask: np.ndarray) -> float:
    """Mean cos^2 between v in a voxel and 1 to 5 steps ahead of and behind it, 0 where that is outside."""
    total, shape = 0.0, mask.shape[1:]
    for one, steps, inside in zip(v, ahead, mask, strict=True):
        voxels, directions = np.argwhere(inside), steps[:, inside].T
        for step in (*AHEAD, *(-s for s in AHEAD)):
            there = voxels + np.rint(step * directions).astype(int)
            kept = ((there >= 0) & (there < shape)).all(1)
            pairs = one[(slice(None), *voxels[kept].T)] * one[(slice(None), *there[kept].T)]
            total += float((pairs.sum(0) ** 2).sum())
    return total / (2 * len(AHEAD) * np.count_nonzero(mask))
