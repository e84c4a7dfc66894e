"""Recordings in the packages' layout and in a reader's folder come back, or are refused in clear words."""

import hashlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.stats import zscore

from crossroads.data import bold_recordings as recordings
from crossroads.data.atlas import schaefer_100
from crossroads.data.bold import NETWORKS, standardise

needs_recordings = pytest.mark.skipif(
    bool(recordings.missing()), reason="needs the recordings of python -m ci.recordings"
)


def write(file, array):
    match file.suffix:
        case ".npy":
            np.save(file, array)
        case ".npz":
            np.savez_compressed(file, signals=array)
        case ".mat":
            savemat(file, {"tc": array})
        case ".csv":
            np.savetxt(file, array, delimiter=",", fmt="%.17g")


def people(folder, arrays, suffix=".npy", **meta):
    """A folder as the loader wants it."""
    for i, array in enumerate(arrays):
        write(folder / f"person_{i:02d}{suffix}", array)
    names = [f"area {i}" for i in range(arrays[0].shape[1])]
    (folder / "meta.json").write_text(json.dumps({"tr_s": 2.0, "regions": names} | meta))
    return folder


def signals(n_people=2, n_volumes=40, n_regions=3, seed=0):
    return list(np.random.default_rng(seed).normal(5, 2, (n_people, n_volumes, n_regions)))


@settings(max_examples=25)
@given(
    suffix=st.sampled_from([".npy", ".npz", ".mat", ".csv"]),
    n_people=st.integers(1, 3),
    n_regions=st.integers(1, 5),
    turned=st.booleans(),
    kind=st.sampled_from([np.float64, np.float32, np.int32]),
    seed=st.integers(0, 2**32),
)
def test_a_folder_comes_back(tmp_path_factory, suffix, n_people, n_regions, turned, kind, seed):
    arrays = [(100 * one).astype(kind) for one in signals(n_people, 12 + n_regions, n_regions, seed)]
    folder = people(tmp_path_factory.mktemp("people"), arrays)
    for i, array in enumerate(arrays):
        (folder / f"person_{i:02d}.npy").unlink()
        write(folder / f"person_{i:02d}{suffix}", array.T if turned else array)
    meta = json.loads((folder / "meta.json").read_text())
    meta |= {
        "orientation": "regions x volumes" if turned else "volumes x regions",
        "position": [[i, 2.5, -3] for i in range(n_regions)],
        "network": [i % 7 for i in range(n_regions)],
        "people": [7] * n_people,
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    bold = recordings.from_folder(folder)
    for one, array in zip(bold.series, arrays, strict=True):
        time = np.arange(len(array))
        line = np.polynomial.polynomial.polyfit(time, array.astype(float), 1)
        rest = array - np.polynomial.polynomial.polyval(time, line).T
        np.testing.assert_allclose(one, zscore(rest), atol=1e-6)
    assert (bold.tr_s, bold.people, bold.truth) == (2.0, (7,) * n_people, None)
    assert list(bold.regions) == meta["regions"]
    np.testing.assert_array_equal(bold.position, meta["position"])
    np.testing.assert_array_equal(bold.network, meta["network"])


def test_little_needs_to_be_said(tmp_path):
    bold = recordings.from_folder(people(tmp_path, signals(3)))
    assert bold.people == (0, 1, 2)
    assert bold.position is bold.network is None


def test_a_band_keeps_its_waves_and_no_others(tmp_path):
    """Sines of 0.05 Hz pass, in phase; those of 0.002 and 0.2 Hz go."""
    time = 2.0 * np.arange(1000)
    kept = np.sin(2 * np.pi * 0.05 * time + np.arange(3)[:, None]).T
    out = sum(np.sin(2 * np.pi * f * time + p) for f, p in ((0.002, 1), (0.2, 2)))[:, None]
    folder = people(tmp_path, [kept + out], band_hz=[0.01, 0.1])
    middle = slice(50, -50)  # waves that are mirrored change phase at the ends
    found = recordings.from_folder(folder).series[0]
    np.testing.assert_allclose(found[middle], zscore(kept)[middle], atol=0.1)
    people(tmp_path, [kept + out])
    assert np.abs(recordings.from_folder(folder).series[0] - zscore(kept))[middle].max() > 1
    short = people(tmp_path, signals(1, 5), band_hz=[0.01, 0.1])
    np.testing.assert_allclose(recordings.from_folder(short).series[0].std(0), 1)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("tr_s", 0, "tr_s is 0; expected a time above 0"),
        ("tr_s", "2", "tr_s is '2'; expected a time"),
        ("tr_s", True, "tr_s is True; expected a time"),
        ("tr_s", float("nan"), "tr_s is nan; expected a time"),
        ("regions", ["a", "a", "b"], "regions is .*; expected different names"),
        ("regions", [], r"regions is \[\]; expected different names"),
        ("regions", 3, "regions is 3; expected different names"),
        ("regions", ["a", ["b"], 3], "expected different names"),
        ("position", [[1, 2], [3, 4], [5, 6]], "expected 3 times x, y, z"),
        ("position", [[1, 2, 3], [3, 4]], "expected 3 times x, y, z"),
        ("network", [0, 1, 7], r"network is \[0, 1, 7\]; expected 3 whole numbers from 0 to 6"),
        ("network", [0, 1, 1.5], "expected 3 whole numbers"),
        ("people", [1], r"people is \[1\]; expected 2 whole numbers, one a file"),
        ("orientation", "sideways", "expected volumes x regions or regions x volumes"),
        ("band_hz", [0.01, 0.25], r"band_hz is \[0.01, 0.25\]; expected two .* half a volume's rate"),
        ("band_hz", [0.1, 0.01], "the lower first"),
        ("band_hz", [0, 0.1], "two frequencies between 0"),
        ("tr", 2.0, r"unknown keys \['tr'\]; there are tr_s, regions, people"),
    ],
)
def test_wrong_descriptions_are_refused(tmp_path, key, value, text):
    folder = people(tmp_path, signals(), **{key: value})
    with pytest.raises(ValueError, match=f"meta.json: .*{text}"):
        recordings.from_folder(folder)


def test_a_description_is_needed(tmp_path):
    with pytest.raises(FileNotFoundError, match="no .npy, .npz, .mat, .csv file; put one array a person"):
        recordings.from_folder(tmp_path)
    folder = people(tmp_path, signals())
    for content, text in (
        ('{"tr_s": 2', "meta.json is no JSON"),
        ("[1]", r"found \[1\]; expected an object"),
        ('{"tr_s": 2}', r"found \['tr_s'\]; expected an object with at least"),
    ):
        (folder / "meta.json").write_text(content)
        with pytest.raises(ValueError, match=text):
            recordings.from_folder(folder)
    (folder / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match='meta.json: no such file; write one with "tr_s"'):
        recordings.from_folder(folder)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda x: x.T, "3 x 40 numbers as volumes x regions; expected 3 regions.*orientation in meta.json"),
        (lambda x: x[:, :2], "40 x 2 numbers .* expected"),
        (lambda x: x[:, 0], "40 numbers as volumes x regions"),
        (lambda x: x[:3], r"shape \(3, 3\)"),
        (lambda x: np.where(x == x[5, 1], np.nan, x), r"values of regions \[1\] are not finite"),
        (lambda x: x * [1, 1, 0] + 9400, r"the signal of regions \[2\] is constant"),
        (lambda x: x.astype(complex), "of the kinds .*'c'.*; expected one array of real numbers"),
        (lambda x: x.astype(str), "of the kinds .*'U'.*; expected one array of real numbers"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, spoil, text):
    good, bad = signals()
    folder = people(tmp_path, [good, good])
    np.save(folder / "person_01.npy", spoil(bad))
    with pytest.raises(ValueError, match=f"person_01.npy: .*({text})"):
        recordings.from_folder(folder)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".csv"])
@settings(max_examples=15)
@given(share=st.floats(0.0, 0.9))
def test_files_cut_short_are_refused(tmp_path_factory, suffix, share):
    folder = people(tmp_path_factory.mktemp("cut"), signals(1), suffix)
    file = folder / f"person_00{suffix}"
    content = file.read_bytes()
    end = int(share * len(content))
    if suffix == ".csv":  # inside a row; a shorter recording of whole rows is a recording
        end = content.index(b",", content[:end].rfind(b"\n") + 1)
    file.write_bytes(content[:end])
    with pytest.raises(ValueError, match=f"person_00{suffix}: "):
        recordings.from_folder(folder)


def test_one_array_a_file(tmp_path):
    folder = people(tmp_path, signals(1))
    (folder / "person_00.npy").unlink()
    for file, store in (("a.npz", lambda f, **x: np.savez(f, **x)), ("a.mat", lambda f, **x: savemat(f, x))):
        store(folder / file, one=np.ones((9, 3)), two=np.ones((9, 3)))
        with pytest.raises(ValueError, match=f"{file}: 2 variables"):
            recordings.from_folder(folder)
        (folder / file).unlink()
    np.save(folder / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match="a.npy: not readable"):
        recordings.from_folder(folder)


def packages(folder, monkeypatch):
    """Files in the layout of the packages, with other numbers, and their checksums in the table."""
    rng = np.random.default_rng(0)
    made = {}
    for path in recordings.FILES:
        content, suffix = io.BytesIO(), path.rsplit(".")[-1]
        if suffix == "mat":
            made[path] = rng.normal(9400, 50, (94, 120))
            savemat(content, {"tc": made[path]})
        elif suffix == "npz":
            made[path] = rng.normal(size=(100, 120))
            np.savez(content, made[path])
        else:
            made[path] = rng.normal(size=100)
            np.savetxt(content, made[path])
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.getvalue())
    sums = {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in made}
    monkeypatch.setattr(recordings, "FILES", sums)
    return made


def test_files_of_the_packages_are_read(tmp_path, monkeypatch):
    made = packages(tmp_path, monkeypatch)
    aal2 = recordings.hcp_aal2(tmp_path)
    assert (len(aal2.series), len(set(aal2.people)), aal2.tr_s) == (7, 7, 0.72)
    assert len(aal2.regions) == len(set(aal2.regions)) == 80
    cortex = [i for i in range(94) if i not in (*range(40, 46), *range(74, 82))]
    for person, one in zip(aal2.people, aal2.series, strict=True):
        (path,) = (path for path in made if f"/{person}/" in path)
        np.testing.assert_array_equal(one, standardise(made[path][cortex].T, "x"))
    schaefer = recordings.hcp_schaefer(tmp_path)
    assert schaefer.people == (100206, 100206, 100307, 100307)
    paths = sorted(path for path in made if path.endswith(".npz"))
    for path, one in zip(paths, schaefer.series, strict=True):
        np.testing.assert_array_equal(one, standardise(made[path].T, "x"))
    assert schaefer.position.shape == (100, 3)
    assert [NETWORKS.index(name.rsplit(" ", 1)[0]) for name in schaefer.regions] == list(schaefer.network)
    for name, word in (("myelin", "myelin"), ("NMDA receptors", "nmda"), ("thickness", "thickness")):
        (path,) = (path for path in made if word in path)
        np.testing.assert_allclose(recordings.load_maps(tmp_path)[name], made[path])
    assert len(recordings.load_maps(tmp_path)) == 6


def test_files_of_the_packages_that_are_missing_or_changed(tmp_path, monkeypatch):
    packages(tmp_path, monkeypatch)
    assert recordings.missing(tmp_path) == []
    path = next(iter(recordings.FILES))
    (tmp_path / path).write_bytes(b"something else")
    assert recordings.missing(tmp_path) == [path]
    with pytest.raises(ValueError, match=r"REST1_LR.mat: 14 bytes .* run python -m ci.recordings"):
        recordings.hcp_aal2(tmp_path)
    (tmp_path / path).unlink()
    assert recordings.missing(tmp_path) == [path]
    with pytest.raises(FileNotFoundError, match="REST1_LR.mat: no such file; run python -m ci.recordings"):
        recordings.hcp_aal2(tmp_path)


def test_recordings_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="data 'nobody': there are hcp-aal2, hcp-schaefer and folder"):
        recordings.load("nobody")
    with pytest.raises(FileNotFoundError, match="no folder .CROSSROADS_DATA/hmgm"):
        recordings.load("folder")
    (tmp_path / "hmgm").mkdir()
    people(tmp_path / "hmgm", signals(3))
    assert len(recordings.load("folder").series) == 3


@needs_recordings
def test_the_real_recordings():
    for name, n_series, n_regions in (("hcp-aal2", 7, 80), ("hcp-schaefer", 4, 100)):
        bold = recordings.load(name)
        assert [one.shape for one in bold.series] == [(1200, n_regions)] * n_series
    # Regions of one network go together, in these people as in those that networks were found in.
    together = np.mean([np.corrcoef(one.T) for one in bold.series], axis=0)
    same = bold.network[:, None] == bold.network
    within = together[same & ~np.eye(100, dtype=bool)].mean()
    assert within > together[~same].mean() + 0.15
    # The first gradient reaches from senses to default mode.
    gradient = recordings.load_maps()["connectivity gradient 1"]
    network = schaefer_100().network.to_numpy()
    ends = [gradient[network == NETWORKS.index(one)].mean() for one in ("somatomotor", "default mode")]
    assert abs(ends[1] - ends[0]) > 1.5
    # Homologous regions of AAL2, which alternate, are each other's likeliest partners.
    aal2 = recordings.load("hcp-aal2")
    together = np.mean([np.corrcoef(one.T) for one in aal2.series], axis=0)
    pairs = together[np.arange(0, 80, 2), np.arange(1, 80, 2)]
    assert np.median(pairs) > np.quantile(together[~np.eye(80, dtype=bool)], 0.95)
