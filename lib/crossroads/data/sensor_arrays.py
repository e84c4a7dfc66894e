"""Where sensors sit on a head, and what a current dipole in a spherical head does to them.

The four arrays are those of the recordings of Défossez et al. 2023 (their Table 1). Everything comes from
files that MNE-Python ships, and MNE computes the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np
from mne.channels import make_dig_montage, make_standard_montage
from mne.io.constants import FIFF
from numpy.typing import ArrayLike

ARRAYS = ("kit-208", "ctf-275", "biosemi-128", "easycap-60")


class Helmet(NamedTuple):
    """Where coils sit: `wall` metres outside a surface that MNE ships, above the plane z = a + b y [m]."""

    file: str
    coil_type: int  # both are axial gradiometers with 5 cm between their loops
    n: int
    wall: float
    plane: tuple[float, float]


# KIT's surface is taken as that of the coils. CTF's is the wall that the head touches, with its brim, which
# the plane cuts off; 15 mm is our assumption of how far behind it the coils are. The paper's recordings have
# 273 of the 275 coils of a CTF, and so has this array.
HELMETS = {
    "kit-208": Helmet("KIT", FIFF.FIFFV_COIL_KIT_GRAD, 208, 0.0, (-np.inf, 0.0)),
    "ctf-275": Helmet("CTF_275", FIFF.FIFFV_COIL_CTF_GRAD, 273, 0.015, (-0.055, 0.35)),
}
# Montage, and electrodes that the recordings lack.
CAPS = {"biosemi-128": ("biosemi128", ()), "easycap-60": ("easycap-M10", ("29",))}

# The head, in head coordinates [m]: x to the right ear, y to the nose, z up.
HEAD_CENTRE_M = np.array([0.0, 0.0, 0.04])
HEAD_RADIUS_M = 0.09  # of the scalp; MNE's shells for brain, fluid, skull and scalp lie at 0.9 to 1 of it
BRAIN_RADIUS_M = 0.08  # dipoles stay within
BACKGROUND_RADIUS_M = 0.07
MAX_SHIFT_M = 0.02
N_CUTS = 6  # of each edge of a helmet's triangles, to have enough places to choose from


@dataclass(frozen=True)
class SensorArray:
    """The sensors of one machine.

    name : one of ARRAYS. kind : "meg" or "eeg". names : of the C channels.
    xy : (C, 2) azimuthal equidistant projection of the positions about the head's centre, right and front
        positive, each axis scaled from 0 to 1 as the published code of the paper does.
    info : MNE's, with positions; for MEG with the transform that puts the helmet's sphere on the head's.
    """

    name: str
    kind: str
    names: tuple[str, ...]
    xy: np.ndarray
    info: mne.Info

    def positions_m(self) -> np.ndarray:
        """Positions (C, 3) in head coordinates [m]; for MEG of the coil next to the head."""
        positions = np.array([ch["loc"][:3] for ch in self.info["chs"]])
        if self.kind == "eeg":
            return positions
        return mne.transforms.apply_trans(self.info["dev_head_t"], positions)


@cache
def sensor_array(name: str) -> SensorArray:
    """One of the four arrays; made once, to be shared and not written to.

    MEG coils are spread evenly over the helmet's surface, along its normals: MNE ships the helmets but not
    where their coils are. Electrodes are those of the standard montages, on the spherical scalp.

    Raises
    ------
    ValueError : a name that is not in ARRAYS.
    """
    if name in HELMETS:
        info = _helmet(HELMETS[name])
    elif name in CAPS:
        info = _cap(*CAPS[name])
    else:
        raise ValueError(f"{name!r} is no sensor array known here; there are {', '.join(ARRAYS)}")
    kind = "meg" if name in HELMETS else "eeg"
    bare = SensorArray(name, kind, tuple(info["ch_names"]), np.empty((0, 2)), info)
    return SensorArray(name, kind, bare.names, flat_layout(bare.positions_m(), HEAD_CENTRE_M), info)


def take(array: SensorArray, n: int) -> np.ndarray:
    """Indices (n,), ascending, of n sensors spread evenly over the head; the same ones each time.

    Raises
    ------
    ValueError : n below 1 or above the number of sensors.
    """
    if not 1 <= n <= len(array.names):
        raise ValueError(f"{n} sensors of {array.name}; expected 1 to {len(array.names)}")
    return np.sort(_spread(array.positions_m(), n))


def lead_field(
    array: SensorArray,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    head_shift_m: ArrayLike = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """What dipoles of 1 A m do to the sensors: (C, n) float64, MEG [T/(A m)], EEG [V/(A m)].

    MEG: Sarvas' field of a sphere (Phys Med Biol 1987), integrated over the coils. EEG: four concentric
    shells, and **average reference** over all the electrodes of the array.

    Parameters
    ----------
    positions_m : (n, 3) in head coordinates [m], within BRAIN_RADIUS_M of HEAD_CENTRE_M.
    orientations : (n, 3) unit vectors.
    head_shift_m : (3,) by how much the head has moved in the helmet [m], at most MAX_SHIFT_M. A cap slips
        as far the other way, and its electrodes are moved back onto the scalp along their radius.

    Raises
    ------
    ValueError : arrays of other shapes, a dipole outside the brain or within 0.1 mm of the centre (where the
        formulas divide by zero), an orientation that is no unit vector, or a shift that is too long.
    """
    positions, moments, shift = (np.asarray(a, float) for a in (positions_m, orientations, head_shift_m))
    if positions.ndim != 2 or positions.shape[1:] != (3,) or len(positions) == 0:
        raise ValueError(f"positions of dipoles have the shape {positions.shape}; expected (n, 3), n >= 1")
    if moments.shape != positions.shape or shift.shape != (3,):
        raise ValueError(
            f"orientations {moments.shape} and shift of the head {shift.shape} for {len(positions)} dipoles; "
            f"expected {positions.shape} and (3,)"
        )
    depth = np.linalg.norm(positions - HEAD_CENTRE_M, axis=1)
    for k in np.flatnonzero(~((depth > 1e-4) & (depth < BRAIN_RADIUS_M)))[:1]:
        raise ValueError(
            f"dipole {k} at {positions[k]} m is {depth[k]:.4g} m from the head's centre "
            f"{HEAD_CENTRE_M}; expected 0.0001 to {BRAIN_RADIUS_M}: metres, in head coordinates"
        )
    length = np.linalg.norm(moments, axis=1)
    if not np.allclose(length, 1, atol=1e-6):
        raise ValueError(f"orientations of length {length.min():.4g} to {length.max():.4g}; expected 1")
    if not np.linalg.norm(shift) <= MAX_SHIFT_M:
        raise ValueError(f"a head shifted by {shift} m; expected {MAX_SHIFT_M} m at most")

    info = array.info.copy()
    if array.kind == "meg":
        info["dev_head_t"]["trans"][:3, 3] -= shift
    else:
        seats = HEAD_CENTRE_M + _on_scalp(array.positions_m() - HEAD_CENTRE_M - shift)
        for ch, seat in zip(info["chs"], seats, strict=True):
            ch["loc"][:3] = seat
    sphere = mne.make_sphere_model(HEAD_CENTRE_M, HEAD_RADIUS_M, verbose="error")
    source_space = mne.setup_volume_source_space(pos={"rr": positions, "nn": moments}, verbose="error")
    # A long shift may bring a coil into the scalp's sphere, not into the brain: Sarvas' formula still holds.
    forward = mne.make_forward_solution(info, None, source_space, sphere, on_inside="ignore", verbose="error")
    free = forward["sol"]["data"].reshape(len(array.names), len(positions), 3)
    field = np.einsum("cnd,nd->cn", free, moments)
    return field - field.mean(0) if array.kind == "eeg" else field


def background_positions(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions [m] and orientations, both (n, 3), of dipoles that make noise.

    They lie anywhere on the upper half of a sphere of 7 cm about the head's centre; their random orientations
    are tangential.
    """
    height, angle = rng.uniform(0, 1, n), rng.uniform(-np.pi, np.pi, n)
    width = np.sqrt(1 - height**2)
    out = np.column_stack([width * np.cos(angle), width * np.sin(angle), height])
    return HEAD_CENTRE_M + BACKGROUND_RADIUS_M * out, _tangent(out, rng.normal(size=(n, 3)))


def occipital_positions() -> tuple[np.ndarray, np.ndarray]:
    """Positions [m] and tangential orientations, both (4, 3), of the dipoles that make the alpha rhythm.

    Two of each side, 7 cm from the head's centre: the lower ones point up, the upper ones outwards.
    """
    out = np.array(
        [[-0.020, -0.068, 0.010], [0.020, -0.068, 0.010], [-0.030, -0.058, 0.025], [0.030, -0.058, 0.025]]
    )
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    towards = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    return HEAD_CENTRE_M + BACKGROUND_RADIUS_M * out, _tangent(out, towards)


def flat_layout(positions_m: np.ndarray, centre_m: np.ndarray) -> np.ndarray:
    """Layout (n, 2) of positions (n, 3) about a centre (3,), right and front positive, each axis from 0 to 1.

    Azimuthal equidistant projection: the angle from straight up is the distance from the middle.
    """
    out = positions_m - centre_m
    polar = np.arctan2(np.hypot(out[:, 0], out[:, 1]), out[:, 2])
    angle = np.arctan2(out[:, 1], out[:, 0])
    xy = np.column_stack([polar * np.cos(angle), polar * np.sin(angle)])
    return (xy - xy.min(0)) / np.ptp(xy, axis=0)


def sphere_centre(points: np.ndarray) -> np.ndarray:
    """Centre (3,) of the sphere that fits points (n, 3): |p|^2 = 2 p.c + const in least squares."""
    table = np.column_stack([2 * points, np.ones(len(points))])
    return np.linalg.lstsq(table, (points**2).sum(1), rcond=None)[0][:3]


def _tangent(out: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) closest to given ones among those at right angles to the way out."""
    out = out / np.linalg.norm(out, axis=-1, keepdims=True)
    flat = towards - (towards * out).sum(-1, keepdims=True) * out
    return flat / np.linalg.norm(flat, axis=-1, keepdims=True)


def _source(position_mm: tuple, towards: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Position [m] and tangential orientation, both (3,)."""
    position = np.array(position_mm) / 1000
    return position, _tangent(position - HEAD_CENTRE_M, np.array(towards, float))


# Planted sources of speech: position [m] in head coordinates and orientation, 55 to 60 mm from the centre.
# Those of the auditory cortex stand on the upper face of the temporal lobe.
SOURCES = {
    "left Heschl": _source((-52, -5, 60), (0, 0.3, 1)),
    "right Heschl": _source((52, -5, 60), (0, 0.3, 1)),
    "left posterior STG": _source((-50, -25, 60), (0, -0.5, 1)),
    "right posterior STG": _source((50, -25, 60), (0, -0.5, 1)),
    "left IFG": _source((-42, 35, 56), (0, 1, 1)),
    "left anterior temporal": _source((-50, 27, 25), (0, 1, 0)),
}


def _helmet(helmet: Helmet) -> mne.Info:
    """Coils spread over a helmet that MNE ships, front to back."""
    path = Path(mne.__file__).parent / "data" / "helmets" / f"{helmet.file}.fif.gz"
    (surface,) = mne.read_bem_surfaces(path, verbose="error")
    i, j = np.meshgrid(np.arange(N_CUTS + 1), np.arange(N_CUTS + 1))
    shares = np.stack([i, j, N_CUTS - i - j])[:, i + j <= N_CUTS].T / N_CUTS
    corners = np.hstack([surface["rr"], surface["nn"]])[surface["tris"]]
    places, normals = np.split((shares @ corners).reshape(-1, 6), 2, axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    places += helmet.wall * normals
    above = np.flatnonzero(places[:, 2] > helmet.plane[0] + helmet.plane[1] * places[:, 1])
    chosen = above[_spread(places[above], helmet.n)]
    chosen = chosen[np.argsort(-places[chosen, 1], kind="stable")]
    names = [f"MEG {k + 1:03d}" for k in range(helmet.n)]
    info = mne.create_info(names, 1000.0, "mag", verbose="error")
    for ch, place, normal in zip(info["chs"], places[chosen], normals[chosen], strict=True):
        # Any right-handed frame with the coil's normal as third axis: these coils are round.
        across = _tangent(normal, np.eye(3)[np.argmin(np.abs(normal))])
        ch["coil_type"] = helmet.coil_type
        ch["loc"][:] = np.concatenate([place, across, np.cross(normal, across), normal])
    to_head = np.eye(4)
    to_head[:3, 3] = HEAD_CENTRE_M - sphere_centre(places[chosen])
    info["dev_head_t"] = mne.transforms.Transform("meg", "head", to_head)
    return info


def _cap(montage: str, missing: tuple[str, ...]) -> mne.Info:
    """Electrodes of a standard montage, on the scalp's sphere."""
    places = make_standard_montage(montage).get_positions()["ch_pos"]
    names = [name for name in places if name not in missing]
    # These montages lie on a sphere about the origin.
    seats = HEAD_CENTRE_M + _on_scalp(np.array([places[name] for name in names]))
    info = mne.create_info(names, 1000.0, "eeg", verbose="error")
    cap = make_dig_montage(dict(zip(names, seats, strict=True)), coord_frame="head")
    info.set_montage(cap, verbose="error")
    return info


def _on_scalp(seats: np.ndarray) -> np.ndarray:
    """Points (n, 3) relative to the head's centre, moved along their radius onto the scalp."""
    return HEAD_RADIUS_M * seats / np.linalg.norm(seats, axis=1, keepdims=True)


def _spread(points: np.ndarray, n: int) -> np.ndarray:
    """Indices (n,) of points (m, 3), each as far as can be from those before it; the first is the highest."""
    chosen = [int(np.argmax(points[:, 2]))]
    gap = np.full(len(points), np.inf)
    while len(chosen) < n:
        gap = np.minimum(gap, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(np.argmax(gap)))
    return np.array(chosen)
