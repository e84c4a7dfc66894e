"""From fibres to diffusion tensors and back: ideal tensors, a simulated scan, and volumes that dipy ships."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from crossroads.data.fibre_fields import EIGENVALUES, FibreFields

with warnings.catch_warnings():
    # dipy asks tqdm for a bar that a notebook draws, which needs ipywidgets; none is ever shown here.
    warnings.filterwarnings("ignore", message="IProgress not found")
    from dipy.core.gradients import GradientTable, gradient_table
    from dipy.core.sphere import HemiSphere, disperse_charges
    from dipy.data import get_fnames
    from dipy.io.gradients import read_bvals_bvecs
    from dipy.io.image import load_nifti
    from dipy.reconst.dti import TensorModel, fractional_anisotropy

BACKGROUND = 0.7e-3  # isotropic diffusivity where there are no fibres [mm^2/s]
LEAST_FA = 0.2  # of a voxel of dipy's volumes that counts as white matter
# Measured volumes in dipy's wheel. A third, small_25, is two slices thick: no voxel has all its neighbours.
VOLUMES = ("small_64D", "small_101D")
LEAST_DIFFUSIVITY = 1e-6  # [mm^2/s]; where a fit would go below zero, dipy returns about 1e-9
N_SPREAD = 500  # steps in which gradient directions push each other apart


def tensor_layer(fields: FibreFields) -> np.ndarray:
    """The tensor (*grid, n, n) [mm^2/s] that fibres make, averaged where they share a voxel.

    D = sum_i c_i (l_along v_i v_i^T + l_across (I - v_i v_i^T)) with equal shares c_i of the fields that the
    voxel belongs to and l = 1.7e-3, 0.3e-3 mm^2/s; isotropic, 0.7e-3 mm^2/s, where there are none.
    """
    n, n_fields = fields.v.shape[1], fields.mask.sum(0)
    along, across = EIGENVALUES
    dyads = np.einsum("mi...,mj...->...ij", fields.v, fields.v)
    share = (1 / np.maximum(n_fields, 1))[..., None, None]
    tensor = across * np.eye(n) + (along - across) * share * dyads
    return np.where((n_fields > 0)[..., None, None], tensor, BACKGROUND * np.eye(n))


def scan(
    fields: FibreFields,
    rng: np.random.Generator,
    snr: float = 20.0,
    n_directions: int = 64,
    b: float = 1000.0,
) -> FibreFields:
    """The fibres as a diffusion scan sees them: one direction a voxel, off by what noise and averaging do.

    Signals are those of dipy's multi-tensor model, S = sum_i c_i exp(-b u^T D_i u), with Rician noise, and
    dipy fits the tensor. A 2-D scene lies in the plane z = 0; the in-plane part of the tensor is returned.
    Where the scene has tensors of its own (the annulus), these are what is scanned.

    Parameters
    ----------
    snr : signal without diffusion weighting over the noise's standard deviation; inf for no noise.
    n_directions : of the gradients, spread evenly. b : [s/mm^2].

    Returns
    -------
    One field, v the principal directions, in the voxels of all masks together whose tensor is positive
    definite; tensor [mm^2/s]; seeds as they were, all of field 0.

    Raises
    ------
    ValueError : snr, directions or b that are not positive, or fewer than 6 directions.
    """
    if not (snr > 0 and n_directions >= 6 and b > 0):
        raise ValueError(f"scan: snr={snr}, n_directions={n_directions}, b={b}; expected > 0, >= 6, > 0")
    n, mask = fields.v.shape[1], np.asarray(fields.mask.any(0))
    table = _gradients(n_directions, b, rng)
    if fields.tensor is not None:
        compartments, shares = fields.tensor[mask][None], np.ones((1, mask.sum()))
    else:
        v = np.moveaxis(fields.v[:, :, mask], 1, -1)
        compartments = (
            EIGENVALUES[1] * np.eye(n) + (EIGENVALUES[0] - EIGENVALUES[1]) * v[..., :, None] * v[..., None, :]
        )
        shares = fields.mask[:, mask] / fields.mask.sum(0)[mask]
    u = table.bvecs[:, :n]
    weights = np.einsum("gi,mvij,gj->mvg", u, compartments, u)
    if n == 2:
        weights = weights + EIGENVALUES[1] * table.bvecs[:, 2] ** 2
    signal = np.einsum("mv,mvg->vg", shares, np.exp(-table.bvals * weights))
    noise = rng.normal(0, 1 / snr, (2, *signal.shape))
    fitted = TensorModel(table).fit(np.hypot(signal + noise[0], noise[1])).quadratic_form[:, :n, :n]
    tensor = np.tile(BACKGROUND * np.eye(n), (*mask.shape, 1, 1))
    tensor[mask] = fitted
    return _seen(replace(fields, name=f"{fields.name}, scanned"), tensor, mask)


def principal_field(tensor: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Unit principal directions (1, n, *grid) of tensors (*grid, n, n) in a mask (*grid), 0 outside."""
    v = np.zeros((1, tensor.shape[-1], *mask.shape))
    v[0][:, mask] = np.linalg.eigh(tensor[mask])[1][..., -1].T
    return v


def small_volume(name: str) -> FibreFields:
    """One of the small measured volumes that dipy ships: tensors by dipy, where its anisotropy is above 0.2.

    name : small_64D (10, 10, 10 voxels of 2 mm) or small_101D (6, 10, 10 of 2.5 mm).

    Raises
    ------
    ValueError : another name, or gradients that do not belong to the images.
    """
    if name not in VOLUMES:
        raise ValueError(f"{name!r} is no volume of dipy's that serves here; there are {', '.join(VOLUMES)}")
    image_file, bval_file, bvec_file = get_fnames(name=name)
    data, _, sides_mm = load_nifti(image_file, return_voxsize=True)
    bvals, bvecs = read_bvals_bvecs(bval_file, bvec_file)
    if len(bvals) != data.shape[-1]:
        raise ValueError(
            f"{image_file}: {data.shape[-1]} images, but {len(bvals)} b-values in {bval_file}; expected as "
            "many: install dipy anew"
        )
    fit = TensorModel(gradient_table(bvals, bvecs=np.nan_to_num(bvecs))).fit(data)
    mask = np.nan_to_num(fractional_anisotropy(fit.evals)) > LEAST_FA
    blank = np.zeros((1, 3, *mask.shape))
    return _seen(FibreFields(name, blank, mask[None], float(sides_mm[0])), fit.quadratic_form, mask)


def _gradients(n_directions: int, b: float, rng: np.random.Generator) -> GradientTable:
    """One image without weighting, and even directions on the half sphere."""
    start = rng.normal(size=(n_directions, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    even, _ = disperse_charges(HemiSphere(xyz=start), N_SPREAD)
    bvecs = np.concatenate([np.zeros((1, 3)), even.vertices])
    return gradient_table(np.array([0.0] + [b] * n_directions), bvecs=bvecs)


def _seen(fields: FibreFields, tensor: np.ndarray, mask: np.ndarray) -> FibreFields:
    """The fields with the principal directions of tensors, where these are positive definite."""
    kept = mask.copy()
    kept[mask] = np.linalg.eigvalsh(tensor[mask])[:, 0] > LEAST_DIFFUSIVITY
    n_seeds = 0 if fields.seeds is None else len(fields.seeds)
    return replace(
        fields,
        v=principal_field(tensor, kept),
        mask=kept[None],
        tensor=tensor,
        seed_field=np.zeros(n_seeds, int) if n_seeds else None,
        truth=None,
        scaled_tensor=None,
    )
