"""Provenance against the repository's own files."""

import subprocess
from hashlib import sha256

import numpy as np
import pytest

from crossroads.report import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    (tmp_path / "constraints.txt").write_text("numpy==1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "add", "constraints.txt"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=first"], check=True)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def test_commit_and_pins_are_the_repository_s(repository):
    facts = provenance.surroundings()
    assert facts["commit"] == (repository / ".git/refs/heads/main").read_text().strip()
    assert facts["dirty"] is False
    assert facts["constraints"] == sha256(b"numpy==1\n").hexdigest()
    assert facts["versions"]["numpy"] == np.__version__
    assert "plotly" in facts["versions"]
    assert "jupyter-book" not in facts["versions"]


def test_an_edit_shows(repository):
    (repository / "constraints.txt").write_text("numpy==2\n")
    assert provenance.surroundings()["dirty"] is True
    assert "with uncommitted changes" in provenance.stamp(3, 10).data


def test_without_a_repository_the_commit_is_none(repository):
    (repository / ".git").rename(repository / "elsewhere")
    assert provenance.surroundings()["commit"] == "none"


def test_the_stamp_tells_the_seeds(repository):
    assert "10, spawned from root seed 3" in provenance.stamp(3, 10).data


def test_results_go_where_asked_or_to_a_fresh_folder(tmp_path):
    assert provenance.out_folder(str(tmp_path / "a" / "b")).is_dir()
    first, second = provenance.out_folder(""), provenance.out_folder("")
    assert first != second
    assert first.is_dir()
    first.rmdir()
    second.rmdir()
