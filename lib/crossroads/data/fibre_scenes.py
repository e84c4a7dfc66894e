"""Which fibres the chapter connectome looks at: synthetic scenes with their nuisances, and recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from crossroads.data import fibre_fields as fields
from crossroads.data.connectome_recordings import hcp_slice, hcp_volume
from crossroads.data.diffusion import VOLUMES, scan, small_volume, tensor_layer
from crossroads.data.fibre_fields import FibreFields

SYNTHETIC: dict[str, Callable[[], FibreFields]] = {
    "braid": fields.braid,
    "annulus": fields.annulus,
    "straight bundle": fields.straight,
    "curved crossing": fields.curved_crossing,
    "branching": fields.branching,
    "kissing": fields.kissing,
    "helix crossing": fields.helix_crossing,
    **{f"{n} families": partial(fields.three_way_crossing, n) for n in range(2, 7)},
}
SHIPPED = tuple(VOLUMES)  # measured volumes that come with dipy
RECORDED: dict[str, Callable[[Path], FibreFields]] = {
    "hcp-103818": partial(hcp_slice, subject="103818"),
    "hcp-100610": partial(hcp_slice, subject="100610"),
    "hcp-111312": partial(hcp_volume, subject="111312"),
}


@dataclass(frozen=True)
class Scene:
    """One scene to open, in plain values: it may be part of a cache key.

    name : of `SYNTHETIC`, `SHIPPED` or `RECORDED`.
    seed : of all that is random in it.
    snr : of a diffusion scan through which the fibres are seen (`diffusion.scan`); 0: they are known.
    noise_deg, flips, shuffled : `angular_noise`, `sign_flips`, `shuffle_directions`, in this order.
    folder, digest : where a recording lies, and the sha256 of its files.
    """

    name: str
    seed: int = 0
    snr: float = 0.0
    noise_deg: float = 0.0
    flips: float = 0.0
    shuffled: bool = False
    folder: str = ""
    digest: str = ""


def recorded(name: str, folder: Path | None) -> Scene:
    """The scene of a recording in the chapter's folder of real data.

    Raises
    ------
    ValueError : no folder of real data, or none of this subject in it.
    """
    if folder is None:
        raise ValueError(
            f"data={name!r} needs a folder of real data: set CROSSROADS_DATA to one that holds connectome/; "
            "book/data.md says where its files may be had"
        )
    subject = folder / name.removeprefix("hcp-")
    files = sorted(file for file in subject.glob("*") if file.is_file())
    if not files:
        raise ValueError(f"{subject}: no files; expected those of {name}, see book/data.md")
    digest = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return Scene(name, folder=str(folder), digest=digest)


def open_scene(scene: Scene) -> FibreFields:
    """The fibres of a scene, with tensors wherever they can be had.

    Synthetic scenes without tensors get those of `diffusion.tensor_layer`. Nuisances change directions, and
    leave the truth as it was.

    Raises
    ------
    ValueError : a name that is not known; and as the loaders.
    """
    if scene.name in RECORDED:
        found = RECORDED[scene.name](Path(scene.folder))
    elif scene.name in SHIPPED:
        found = small_volume(scene.name)
    elif scene.name in SYNTHETIC:
        found = SYNTHETIC[scene.name]()
        if found.tensor is None:
            found = replace(found, tensor=tensor_layer(found))
    else:
        raise ValueError(f"scene {scene.name!r}: not one of {', '.join((*SYNTHETIC, *SHIPPED, *RECORDED))}")
    rng = np.random.default_rng(np.random.SeedSequence(scene.seed, spawn_key=(0,)))
    if scene.snr:
        found = scan(found, rng, snr=scene.snr)
    if scene.noise_deg:
        found = fields.angular_noise(found, scene.noise_deg, rng)
    if scene.flips:
        found = fields.sign_flips(found, scene.flips, rng)
    return fields.shuffle_directions(found, rng) if scene.shuffled else found
