"""Direction fields of nerve fibres: the container, synthetic scenes with their truth, and nuisances.

Axis 0 of a grid is component 0 of a vector; lengths are in voxels. The braid and the annulus are those of
the paper's published files; the other scenes are this book's choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_erosion

SPACING_MM = 1.25  # of the Human Connectome Project's diffusion images
EIGENVALUES = (1.7e-3, 0.3e-3)  # of the tensor in a tract, along and across [mm^2/s]
SIDE = 100  # of the 2-D crossings
BRAID_WIDTH, WIDTH = 18, 15  # of the strands
BRAID_X = (3, 96)  # first and last column of the strands that run along x
HALF_LENGTH = 42.0  # of an arc, from the crossing to its end
HALF_TURN = 1.3  # an arc turns less than this to each side [rad], so that two arcs cross once
GRID_3D = (48, 64, 48)  # of the published 3-D sub-volume
NEAR_PARALLEL = np.cos(np.pi / 6)  # neighbours count as one fibre up to 30 degrees


@dataclass(frozen=True)
class FibreFields:
    """Fibres of one brain or one synthetic scene: m fields on an n-dimensional grid.

    v (m, n, *grid) : unit directions, 0 outside the masks; the sign of a direction means nothing.
    mask (m, *grid) bool : where a field has fibres.
    spacing_mm : side of a voxel.
    tensor (*grid, n, n) : diffusion tensor [mm^2/s].
    seeds (k, n), seed_field (k,) : suggested starts of curves, and the field that each belongs to.
    truth (m or m + 1, n, n, *grid) : metrics in closed form. truth[i] has the fibres of field i as
        geodesics; truth[-1] those of all fields, wherever no two of them are parallel.
    scaled_tensor (*grid, n, n) : the paper's e^-alpha D, whose inverse is its conformal metric.
    """

    name: str
    v: np.ndarray
    mask: np.ndarray
    spacing_mm: float
    tensor: np.ndarray | None = None
    seeds: np.ndarray | None = None
    seed_field: np.ndarray | None = None
    truth: np.ndarray | None = None
    scaled_tensor: np.ndarray | None = None


def braid() -> FibreFields:
    """The paper's two strands, a sine and a cosine that cross several times, on 100 x 100 voxels."""
    x, y = np.indices((SIDE, SIDE), float)
    wave = 4 * np.pi
    middle = np.stack([20 * np.sin(x / wave) + 41, 20 * np.cos((x - 60) / wave) + 41])
    slope = np.stack([np.cos(x / wave), -np.sin((x - 60) / wave)]) * 20 / wave
    row = y - np.floor(middle)
    return _along_x("braid", slope, (row >= 0) & (row < BRAID_WIDTH), np.array([(60.0, 29.0), (60.0, 70.0)]))


def straight() -> FibreFields:
    """One straight bundle, which every metric of this book follows: a control."""
    y = np.indices((SIDE, SIDE), float)[1]
    middle = (SIDE - 1) / 2
    seeds = np.array([(50.0, middle - 4), (50.0, middle), (50.0, middle + 4)])
    return replace(
        _along_x("straight bundle", np.zeros((1, SIDE, SIDE)), np.abs(y - middle)[None] <= WIDTH / 2, seeds),
        seed_field=np.zeros(3, int),
    )


def branching() -> FibreFields:
    """A straight bundle from which two others turn off, by cubics: three fields."""
    x, y = np.indices((SIDE, SIDE), float)
    away = np.maximum(x - 20, 0) / 30
    side = np.array([0, 1, -1])[:, None, None]
    middle, slope = (SIDE - 1) / 2 + side * away**3, side * 3 * away**2 / 30
    seeds = np.array([(10.0, 49.5), (90.0, 62.2), (90.0, 36.8)])
    return _along_x("branching", slope, np.abs(y - middle) <= WIDTH / 2, seeds)


def kissing(distance: float = 12.0) -> FibreFields:
    """Two bundles that bend towards each other and away again, by cubics, and never cross.

    distance : between their middles where they are nearest; below 15 they share voxels, in parallel.
    """
    x, y = np.indices((SIDE, SIDE), float)
    from_kiss = (x - (SIDE - 1) / 2) / 18
    side = np.array([1, -1])[:, None, None]
    middle = (SIDE - 1) / 2 + side * (distance / 2 + np.abs(from_kiss) ** 3)
    slope = side * 3 * from_kiss * np.abs(from_kiss) / 18
    seeds = np.stack([[10.0, 10.0], middle[:, 10, 0]], axis=1)
    return _along_x("kissing", slope, np.abs(y - middle) <= WIDTH / 2, seeds)


def annulus(
    inner: float = 25.0, outer: float = 75.0, eigenvalues: tuple[float, float] = EIGENVALUES
) -> FibreFields:
    """Half a ring of concentric fibres, a U-bend like that of the corpus callosum.

    inner, outer : radii. eigenvalues : of the tensor along and across [mm^2/s], everywhere on the grid.

    The inverse of the tensor is the metric of a cone (`cone_geodesic`); multiplied by r^-2, as in `truth`, it
    has every circle as a geodesic (the conformal exponent is -2 ln r). The sides of the grid are multiples of
    4, as the networks want them.

    Raises
    ------
    ValueError : radii or eigenvalues that are not positive or in the wrong order.
    """
    if not 1 <= inner < outer or not eigenvalues[0] >= eigenvalues[1] > 0:
        raise ValueError(
            f"annulus: inner={inner}, outer={outer}, eigenvalues={eigenvalues}; expected 1 <= inner < outer "
            "and eigenvalues above 0, the one along the fibres first and not smaller"
        )
    margin = 4
    half = 2 * int(np.ceil((outer + margin) / 2))
    x, y = np.indices((2 * half, 4 * int(np.ceil((outer + 2 * margin + 1) / 4))), float)
    arm = np.stack([x - (half - 0.5), y - margin])
    radius = np.hypot(*arm)
    v = np.stack([arm[1], -arm[0]]) / radius
    mask = (radius >= inner) & (radius <= outer) & (y >= margin)
    along = _dyad(v)
    across = np.eye(2) - along
    tensor = eigenvalues[0] * along + eigenvalues[1] * across
    inverse = along / eigenvalues[0] + across / eigenvalues[1]
    radii = inner + np.array([0.2, 0.4, 0.6]) * (outer - inner)
    return FibreFields(
        "annulus",
        (v * mask)[None],
        mask[None],
        SPACING_MM,
        tensor,
        seeds=np.stack([np.full(3, half - 0.5), margin + radii], axis=1),
        seed_field=np.zeros(3, int),
        truth=np.moveaxis(inverse / radius[..., None, None] ** 2, (-2, -1), (0, 1))[None],
    )


def cone_geodesic(angle: np.ndarray, start_radius: float, eigenvalues: tuple[float, float]) -> np.ndarray:
    """Radius, after turning by an angle [rad], of the inverse-tensor geodesic that starts along the annulus.

    With constant eigenvalues (along, across) the inverse tensor is dr^2 / across + r^2 dtheta^2 / along: a
    cone, on which straight lines are r = r0 / cos(theta sqrt(across / along)).
    """
    return start_radius / np.cos(angle * np.sqrt(eigenvalues[1] / eigenvalues[0]))


def curved_crossing(angle_deg: float = 60.0, radius: float = 50.0) -> FibreFields:
    """Two arcs that cross once, in the middle of 100 x 100 voxels, bent where they cross.

    angle_deg : of the crossing, 30 to 90. radius : of the arcs, 30 to 100.

    Raises
    ------
    ValueError : an angle or radius outside these ranges.
    """
    _check_range("curved_crossing", "angle_deg", angle_deg, 30, 90)
    half = np.deg2rad(angle_deg) / 2
    return _arcs("curved crossing", [-half, half], radius)


def three_way_crossing(n_ways: int = 3, radius: float = 60.0) -> FibreFields:
    """Three arcs, or another number, that cross in the middle of 100 x 100 voxels at equal angles.

    A metric has three free numbers in a voxel and each field demands one equation: three fields determine
    it, four ask for more than it can give. There is no closed form (`truth` is None for more than two).

    n_ways : 2 to 6. radius : of the arcs, 30 to 100.

    Raises
    ------
    ValueError : a number or radius outside these ranges.
    """
    _check_range("three_way_crossing", "n_ways", n_ways, 2, 6)
    return _arcs(f"{n_ways}-way crossing", np.arange(n_ways) * np.pi / n_ways, radius)


def helix_crossing() -> FibreFields:
    """A tube of helices about the y axis on 48 x 64 x 48 voxels, and a fan of straight fibres through it.

    With the cylinder coordinates (r, phi, y) and psi = phi - k y, a helix keeps r and psi, a fibre of the fan
    psi and y. Both are straight in dr^2 + R^2 dpsi^2 + dy^2: the `truth` of both fields.
    """
    radius, tube, pitch = 12.0, 5.0, 60.0
    k = 2 * np.pi / pitch
    x, y, z = np.indices(GRID_3D, float)
    y_middle = (GRID_3D[1] - 1) / 2
    x, y, z = x - (GRID_3D[0] - 1) / 2, y - y_middle, z - (GRID_3D[2] - 1) / 2
    r = np.hypot(x, z)
    zero, one = np.zeros_like(r), np.ones_like(r)
    d_r = np.stack([x, zero, z]) / r
    turn = np.stack([-z, zero, x])  # r^2 dphi
    d_y = np.stack([zero, one, zero])
    v = np.stack([(k * turn + d_y) / np.sqrt(1 + (k * r) ** 2), d_r])
    from_core = np.hypot(x - radius * np.cos(k * y), z - radius * np.sin(k * y))
    helix = (from_core <= tube) & (np.abs(y) <= y_middle - 3)
    fan = (np.abs(np.arctan2(z, x)) <= 0.5) & (np.abs(y) <= 6) & (r >= 6) & (r <= 21)
    mask = np.stack([helix, fan])
    truth = flat_metric(d_r, radius * (turn / r**2 - k * d_y), d_y)
    start = k * -20
    core = [radius * np.cos(start), -20.0, radius * np.sin(start)]
    middle = (np.array(GRID_3D) - 1) / 2
    seeds = middle + np.array([core, [8.0, 0.0, 0.0]])
    return FibreFields(
        "helix crossing",
        v * mask[:, None],
        mask,
        SPACING_MM,
        seeds=seeds,
        seed_field=np.arange(2),
        truth=np.stack([truth, truth]),
    )


def flat_metric(*gradients: np.ndarray) -> np.ndarray:
    """The metric g = sum_i dphi_i^2 of flat space with the coordinates phi_1 .. phi_n.

    gradients : n arrays (n, *grid), of the coordinates. A curve on which all coordinates but one are constant
    is a geodesic of g. For strands y = f(x) + const, phi = y - f and x give dx^2 + d(y - f)^2; two crossing
    strands share d(y - f_1)^2 + d(y - f_2)^2, which degenerates where they are parallel.

    Returns
    -------
    (n, n, *grid)
    """
    dphi = np.stack(gradients)
    return np.einsum("ai...,aj...->ij...", dphi, dphi)


def angular_noise(fields: FibreFields, sd_deg: float, rng: np.random.Generator) -> FibreFields:
    """Turn every direction by normal angles of this SD [degrees], at right angles to each other in 3-D.

    Raises
    ------
    ValueError : an SD below 0 or above 90.
    """
    _check_range("angular_noise", "sd_deg", sd_deg, 0, 90)
    turn = np.deg2rad(sd_deg) * rng.standard_normal(fields.v.shape)
    turn -= np.sum(turn * fields.v, axis=1, keepdims=True) * fields.v
    angle = np.sqrt(np.sum(turn**2, axis=1, keepdims=True))
    v = np.cos(angle) * fields.v + np.sinc(angle / np.pi) * turn
    return replace(fields, v=v * fields.mask[:, None])


def sign_flips(fields: FibreFields, fraction: float, rng: np.random.Generator) -> FibreFields:
    """Reverse this fraction of the directions of each field, at random.

    Of neighbouring pairs, 2 fraction (1 - fraction) then differ in sign (`flip_fraction`).

    Raises
    ------
    ValueError : a fraction below 0 or above 1.
    """
    _check_range("sign_flips", "fraction", fraction, 0, 1)
    v = fields.v.copy()
    for one, mask in zip(v, fields.mask, strict=True):
        voxels = rng.permutation(np.flatnonzero(mask))
        flipped = np.zeros(mask.shape, bool)
        flipped.flat[voxels[: round(fraction * len(voxels))]] = True
        one[:, flipped] *= -1
    return replace(fields, v=v)


def shuffle_directions(fields: FibreFields, rng: np.random.Generator) -> FibreFields:
    """Give every voxel of a field the direction of another of its voxels: no fibres are left to follow."""
    v = fields.v.copy()
    for one, mask in zip(v, fields.mask, strict=True):
        one[:, mask] = rng.permutation(one[:, mask], axis=1)
    return replace(fields, v=v)


def erode(fields: FibreFields, n_layers: int = 1) -> FibreFields:
    """Take layers of voxels off each mask: those with a direct neighbour outside of it."""
    mask = np.stack([binary_erosion(one, iterations=n_layers) for one in fields.mask])
    return replace(fields, v=fields.v * mask[:, None], mask=mask)


def flip_fraction(fields: FibreFields) -> float:
    """Share of direct neighbours in a mask, with axes less than 30 degrees apart, whose signs differ.

    NaN without such a pair.
    """
    cosines = []
    for axis in range(2, fields.v.ndim):
        v = np.moveaxis(fields.v, axis, -1)
        cosines.append(np.sum(v[..., 1:] * v[..., :-1], axis=1).ravel())
    cosine = np.concatenate(cosines)
    near = cosine[np.abs(cosine) > NEAR_PARALLEL]
    return float(np.mean(near < 0)) if near.size else np.nan


def _along_x(name: str, slope: np.ndarray, wide: np.ndarray, seeds: np.ndarray) -> FibreFields:
    """Strands y = f(x) + const, one seed each."""
    x = np.arange(SIDE)[:, None]
    mask = wide & (x >= BRAID_X[0]) & (x <= BRAID_X[1])
    across = np.stack([-slope, np.ones_like(slope)], axis=1)
    along = np.zeros_like(across)
    along[:, 0] = 1
    return _strands(name, across, along, mask, seeds)


def _arcs(name: str, angles: Sequence[float] | np.ndarray, radius: float) -> FibreFields:
    """Arcs that leave the middle of the grid at these angles [rad] and bend to the left, one seed each."""
    _check_range(name, "radius", radius, 30, 100)
    middle = np.full((2, 1, 1), (SIDE - 1) / 2)
    from_middle = np.indices((SIDE, SIDE), float) - middle
    half_length = min(HALF_LENGTH, HALF_TURN * radius)
    across, along, mask, seeds = [], [], [], []
    for angle in angles:
        tangent = np.array([np.cos(angle), np.sin(angle)])[:, None, None]
        normal = np.array([-np.sin(angle), np.cos(angle)])[:, None, None]
        inwards = radius * normal - from_middle
        r = np.hypot(*inwards)
        inwards = inwards / r
        length = radius * np.arctan2(np.sum(from_middle * tangent, 0), np.sum(inwards * normal, 0) * r)
        across.append(inwards)
        along.append(np.stack([inwards[1], -inwards[0]]) * radius / r)
        mask.append((np.abs(r - radius) <= WIDTH / 2) & (np.abs(length) <= half_length))
        turn = -0.7 * half_length / radius
        seeds.append((middle + radius * (np.sin(turn) * tangent + (1 - np.cos(turn)) * normal)).ravel())
    return _strands(name, np.stack(across), np.stack(along), np.stack(mask), np.stack(seeds))


def _strands(
    name: str, across: np.ndarray, along: np.ndarray, mask: np.ndarray, seeds: np.ndarray
) -> FibreFields:
    """Level sets in the plane, from the gradients (m, 2, *grid) of a function across them and one along."""
    v = np.stack([across[:, 1], -across[:, 0]], axis=1) / np.hypot(across[:, 0], across[:, 1])[:, None]
    metrics = [flat_metric(*pair) for pair in zip(across, along, strict=True)]
    if len(across) == 2:
        metrics.append(flat_metric(*across))
    truth = np.stack(metrics) if len(across) <= 2 else None
    return FibreFields(
        name, v * mask[:, None], mask, SPACING_MM, seeds=seeds, seed_field=np.arange(len(v)), truth=truth
    )


def _dyad(v: np.ndarray) -> np.ndarray:
    """v v^T (*grid, n, n) of directions (n, *grid)."""
    return np.einsum("i...,j...->...ij", v, v)


def _check_range(name: str, setting: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {setting}={value!r}; {low:g} to {high:g} is allowed")
