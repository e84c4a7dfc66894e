"""Takes the model of a robot's hand out of a package of the index: `python -m ci.hand_model`.

gymnasium-robotics (MIT) carries the Shadow hand for MuJoCo (Apache-2.0). Its wheel is downloaded (26 MB), the
hand's files copied into build/hand_model, and nothing of it is installed. Chapter `nerve` goes on without.
"""

from pathlib import Path

from ci import wheel_files
from crossroads.models import virtual_hand
from crossroads.models.virtual_hand import HOME

PACKAGES = ("gymnasium-robotics==1.4.2",)


def fetch(folder: Path = HOME) -> None:
    """Put the hand's files in the folder. Errors as `wheel_files.fetch`."""
    wheel_files.fetch("the robot's hand", PACKAGES, virtual_hand, "ci.hand_model", folder)


if __name__ == "__main__":
    fetch()
