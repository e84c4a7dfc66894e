"""The skeleton of a chapter goes through the parts of `make test` that concern it, in a copy of the house."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from ci.runs import chapters
from crossroads.data.settings import ROOT

LEFT_OUT = (".venv", ".git", "build", "_build", "chapters", "recorded", "__pycache__", "*_cache")
# The page of a chapter that is not run here; what pages cite from other papers is listed on it.
STAND_IN = """# Stand-in

```{bibliography}
:filter: not key % "sample"
```
"""


@pytest.fixture
def run(tmp_path):
    """Runs `python -m *arguments` in a copy of the house; returns the finished process."""
    copy = tmp_path / "house"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    env = os.environ | {"PYTHONPATH": str(copy / "lib")}

    def python(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True)

    python.copy = copy
    return python


def test_skeleton_passes(run):
    def passes(*arguments: str) -> None:
        done = run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    passes("ci.new_chapter", "sample")
    files = ["notebooks/sample.py", "lib/crossroads/models/sample.py", "tests/models/test_sample.py"]
    passes("ruff", "check", *files)
    passes("ruff", "format", "--check", *files)
    passes("pytest", "tests/models/test_sample.py", "tests/test_house.py", "-k", "sample or chapter")
    passes("ci.execute", "sample", "--size", "ci")
    passes("ci.verdicts", "sample")
    for i, other in enumerate(chapters()):
        text = STAND_IN if i == 0 else "# Stand-in"
        folder = run.copy / f"build/runs/ci/{other}"
        folder.mkdir()
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
        nbformat.write(page, folder / f"{other}.ipynb")
    passes("ci.site", "--size", "ci")
    passes("ci.check_site", "build/site-ci/html")
    page = (run.copy / "build/site-ci/html/chapters/sample.html").read_text()
    assert 'id="fig-sample-planted"' in page


@pytest.mark.parametrize("name", [chapters()[0], "two words", "Capital", "../up", "1st", ""])
def test_bad_name_writes_nothing(run, name):
    def files() -> set[str]:
        return {str(file) for file in run.copy.rglob("*") if "__pycache__" not in file.parts}

    before = files()
    done = run("ci.new_chapter", name)
    assert done.returncode == 1
    assert done.stdout.startswith(f"CH={name!r}: ")
    assert files() == before
