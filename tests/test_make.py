"""What `make` says on a machine that lacks something; recipes are only read where they would install."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

from crossroads.data.settings import ROOT

OLD = f"""#!/bin/sh
exec {sys.executable} -c "import sys; sys.version_info = (3, 9, 1)
$2"
"""


@pytest.fixture
def make(tmp_path):
    """Runs make in a folder that has no environment yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        ours = ("PIP_FIND_LINKS", "UV_FIND_LINKS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        env = {name: value for name, value in os.environ.items() if name not in ours}
        command = ["make", "--no-print-directory", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env | environment, capture_output=True, text=True)

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["book", "PYTHON=python9"], "python9 is missing: install Python 3.11 or newer"),
        (["book", "PYTHON=./old"], "Python 3.11 or newer is needed, ./old is 3.9: name another with PYTHON="),
        (["test", "TORCH=tpu"], "TORCH=tpu: cpu or gpu is needed"),
        (["need-CH"], "which chapter? add CH=name to the command"),
    ],
)
def test_what_is_missing_is_said_in_one_line(make, tmp_path, arguments, message):
    old = tmp_path / "old"
    old.write_text(OLD)
    old.chmod(old.stat().st_mode | stat.S_IEXEC)
    done = make(*arguments)
    [said] = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make: ***")]
    assert done.returncode != 0
    assert message in said
    assert not (tmp_path / ".venv").exists()


def test_the_build_of_torch_is_chosen_unless_wheels_are_offered(make):
    def install(*arguments: str, **environment: str) -> str:
        lines = make("-n", "venv", *arguments, **environment).stdout.splitlines()
        return next(line for line in lines if "uv pip install" in line)

    assert "--torch-backend=cpu" in install()
    assert "--torch-backend=auto" in install("TORCH=gpu")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        assert "torch-backend" not in install(**{name: "/some/wheels"})


def test_help_lists_every_command(make):
    listed = {line.split()[1] for line in make("help").stdout.splitlines() if line.startswith("  make ")}
    commands = (
        "book test newest chapter plan paper slurm record robust bench new-chapter lab serve clean pins help"
    )
    assert listed == set(commands.split())
