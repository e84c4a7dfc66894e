"""A virtual hand that follows decoded postures: a robot's hand in MuJoCo, or sticks that lag as it does.

The model is OpenAI's adaptation of the Shadow hand (Apache-2.0), which gymnasium-robotics 1.4.2 carries. It
is not kept in this repository: `python -m ci.hand_model` takes its files out of the package, of which nothing
is installed or imported. Where they or MuJoCo are missing, `StickHand` takes the model's place.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from crossroads.data.nerve_session import DOFS
from crossroads.data.settings import ROOT

HOME = ROOT / "build/hand_model"
ASSETS = "gymnasium_robotics/envs/assets"
REACH = f"{ASSETS}/hand/reach.xml"
MESHES = f"{ASSETS}/stls/hand"
FILES = {  # sha256 of each file; the licence stays with them
    f"{ASSETS}/LICENSE.md": "1f293999c0191f530033b34ed87763b1b9d4bf65913e4675bb79a71b5ea4e07b",
    REACH: "c67dc349f18e0bd914bf3bc55ff7e74d9db62047862ffe6198cf49118d1ed69c",
    f"{ASSETS}/hand/robot.xml": "d23af9f9ab8f0ad479964fd31663536d8866b129d82ef2f676165990a1c8514b",
    f"{ASSETS}/hand/shared.xml": "fbc404e52def67e38222a395fcc39c051eacc503dbf8e22a22a5bcce36992524",
    f"{ASSETS}/hand/shared_asset.xml": "95a9153e6bba4c555ad7cdcea746520eab38e0d57415fa9b3bfaf987dd0418f1",
    f"{MESHES}/F1.stl": "a2d35742067f71e4888954d1aa55d043dbc6ec0c63f4cc715f339cb45fd13734",
    f"{MESHES}/F2.stl": "0eeb932dcc102dd1fc6bef55fe83f6a74d97aebd32c34d6ee7020c19647306c5",
    f"{MESHES}/F3.stl": "d11a521ae498e947491ba947df8f999136fdf1401d1ba86d594eec20da656ad1",
    f"{MESHES}/TH1_z.stl": "83fd93c9e4c1bf240aa6def2e5fdf5b1adcf4e341c146b05313aeaa8c54fd36a",
    f"{MESHES}/TH2_z.stl": "98e26cf013cd8d7f6ed890d3402ba0aceb11ec5c78779e388390ca2cddc7daf2",
    f"{MESHES}/TH3_z.stl": "80aae0002a6684428278cf214a31040f7cd7aeb3e2e648bd4b68baa375c2d2ad",
    f"{MESHES}/forearm_electric.stl": "01aca61837d9db13c52dd170245cacb6f1cedc8238d66fe7239602c80c7a0130",
    f"{MESHES}/forearm_electric_cvx.stl": "874ae2ac813c6c9d873d04f872cb13de3cabd427cb24a8924619d0a1719d6da7",
    f"{MESHES}/knuckle.stl": "a8a9c1659aa4391291531b46997ba5eeda1b36e597070ae8a3cd824159937aae",
    f"{MESHES}/lfmetacarpal.stl": "b6901da4d4b93059c02b8803650ad484b3f31aebce46badfa411897d521a4877",
    f"{MESHES}/palm.stl": "12593bcba03bbf278cd7d7db3ca79ba753ada3cb58ee93e725603e9b5e29fd0c",
    f"{MESHES}/wrist.stl": "47d0f252ae456541993746ff76d7022135b1bf54263f8f83b19d61f6f94871c9",
}
DT_S = 0.002  # of the physics
# Angles [rad] of the joints that a degree of freedom turns, at full flexion; our choice, inside the joints'
# ranges. The last joint of a finger follows its neighbour by a tendon of the model.
ANGLES: dict[str, dict[str, float]] = {
    "thumb": {"THJ4": 0.7, "THJ3": 1.1, "THJ0": -1.0},
    "index": {"FFJ2": 1.4, "FFJ1": 1.4},
    "middle": {"MFJ2": 1.4, "MFJ1": 1.4},
    "ring": {"RFJ2": 1.4, "RFJ1": 1.4},
    "little": {"LFJ2": 1.4, "LFJ1": 1.4},
    "wrist": {"WRJ0": 0.45},
}
FINGERS = ("th", "ff", "mf", "rf", "lf")  # in the model's names
# Time to 63 % of a step, measured on the model by `step_response`.
TAU_S = np.array([0.10, 0.18, 0.18, 0.18, 0.18, 0.105])

# The stick hand [m]: x towards the thumb, y along the hand, z out of the palm; sizes near the robot's.
PALM = np.array([0.0, 0.034, 0.0])
KNUCKLES = np.array([[34, 63, 9], [33, 129, 0], [11, 133, 0], [-11, 129, 0], [-33, 122, 0]]) / 1000
LINKS = np.array([[38, 32, 27], *[[45, 25, 26]] * 4]) / 1000
BENDS = np.array([[0.7, 1.1, 1.8], *[[1.4, 2.8, 4.4]] * 4])  # of each link against the open hand [rad]
OUT = np.array([[np.sqrt(0.5), np.sqrt(0.5), 0], *[[0, 1, 0]] * 4])  # where an open finger points
IN = np.array([[-0.5, 0.5, np.sqrt(0.5)], *[[0, 0, 1]] * 4])  # where it bends to


def missing(folder: Path = HOME) -> list[str]:
    """Files of the model that are not in the folder, or not as published."""
    return [path for path in FILES if not (folder / path).is_file() or not _published(path, folder)]


def open_hand() -> ShadowHand | StickHand:
    """The robot's hand, or, without its files or without MuJoCo, the stick hand."""
    return ShadowHand() if find_spec("mujoco") and not missing() else StickHand()


class ShadowHand:
    """The robot's hand, moved by its position servos.

    Gravity is off, as if the hand were balanced: else its wrist, which has the softest servo, would sag.

    folder : holds the files of the model.

    Raises
    ------
    FileNotFoundError : files of the model are missing, or not the published ones; says how to get them.
    ModuleNotFoundError : MuJoCo is not installed (extra `nerve`).
    """

    def __init__(self, folder: Path = HOME) -> None:
        import mujoco  # an extra

        if lost := missing(folder):
            raise FileNotFoundError(
                f"{folder}: {len(lost)} files of the hand are missing or not the published ones, as "
                f"{lost[0]}; run python -m ci.hand_model (needs the package index)"
            )
        self._step = mujoco.mj_step
        self._model = mujoco.MjModel.from_xml_path(str(folder / REACH))
        self._model.opt.gravity[:] = 0
        self._model.opt.timestep = DT_S
        self._data = mujoco.MjData(self._model)
        self._joints = np.zeros(self._model.nu, int)  # where each servo's joint stands in qpos
        self._angles = np.zeros((len(DOFS), self._model.nu))
        for dof, angles in enumerate(ANGLES.values()):
            for joint, angle in angles.items():
                servo = self._model.actuator(f"robot0:A_{joint}").id
                self._angles[dof, servo] = angle
                self._joints[servo] = self._model.joint(f"robot0:{joint}").qposadr[0]
        mujoco.mj_forward(self._model, self._data)

    def move(self, posture: np.ndarray, seconds: float) -> None:
        """Let the servos pull towards a posture (6,), 0 to 1, for a time, rounded to DT_S."""
        self._data.ctrl[:] = np.clip(posture, 0, 1) @ self._angles
        self._step(self._model, self._data, nstep=round(seconds / DT_S))

    def posture(self) -> np.ndarray:
        """(6,) flexion that is reached: mean over joints, weighted by the squares of their full angles."""
        weights = self._angles / (self._angles**2).sum(1, keepdims=True)
        return weights @ self._data.qpos[self._joints]

    def chains(self) -> np.ndarray:
        """(5, 6, 3) [m] wrist, palm, three joints and tip of thumb, index, middle, ring and little finger.

        x towards the thumb, y along the open hand, z out of the palm, from the wrist.
        """
        body, site = self._data.body, self._data.site
        chains = np.array([
            [
                *(body(f"robot0:{name}").xpos for name in ("wrist", "palm")),
                *(body(f"robot0:{finger}{part}").xpos for part in ("proximal", "middle", "distal")),
                site(f"robot0:S_{finger}tip").xpos,
            ]
            for finger in FINGERS
        ])  # fmt: skip
        return (chains - chains[0, 0]) * [-1, -1, 1]  # the model lies with its fingers along -y


class StickHand:
    """Sticks whose flexion follows as of a first-order lag with the time constants TAU_S."""

    def __init__(self) -> None:
        self._posture = np.zeros(len(DOFS))

    def move(self, posture: np.ndarray, seconds: float) -> None:
        """As `ShadowHand.move`; exact for any time."""
        # The way that is left shrinks by exp(-seconds / TAU_S).
        self._posture -= np.expm1(-seconds / TAU_S) * (np.clip(posture, 0, 1) - self._posture)

    def posture(self) -> np.ndarray:
        """(6,) flexion that is reached."""
        return self._posture.copy()

    def chains(self) -> np.ndarray:
        """As `ShadowHand.chains`."""
        bend = (BENDS * self._posture[:5, None])[..., None]
        links = LINKS[..., None] * (np.cos(bend) * OUT[:, None] + np.sin(bend) * IN[:, None])
        joints = KNUCKLES[:, None] + np.cumsum(links, axis=1)
        palm = np.broadcast_to(PALM, (5, 1, 3))
        chains = np.concatenate([np.zeros_like(palm), palm, KNUCKLES[:, None], joints], axis=1)
        tilt = ANGLES["wrist"]["WRJ0"] * self._posture[5]
        turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
        chains[:, 1:] = PALM + (chains[:, 1:] - PALM) @ turn.T
        return chains


def step_response(hand: ShadowHand | StickHand) -> np.ndarray:
    """(6,) time [s] that a degree of freedom takes to 1 - 1/e of full flexion, each flexed alone from rest.

    nan where it is not reached within 2 s. The hand is left open.
    """
    times = []
    for full in np.eye(len(DOFS)):
        hand.move(np.zeros(len(DOFS)), 3.0)
        path = [0.0]
        for _ in range(round(2.0 / DT_S)):
            hand.move(full, DT_S)
            path.append(float(full @ hand.posture()))
        # A servo may overshoot; the first crossing counts.
        rising = np.maximum.accumulate(path)
        times.append(np.interp(-np.expm1(-1), rising, DT_S * np.arange(len(path)), right=np.nan))
    hand.move(np.zeros(len(DOFS)), 3.0)
    return np.array(times)


def _published(path: str, folder: Path) -> bool:
    return hashlib.sha256((folder / path).read_bytes()).hexdigest() == FILES[path]
