"""What is installed here of what the project computes with."""

import platform
import re
from importlib import metadata


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages among those that the project computes with."""
    found = {"python": platform.python_version()}
    for line in sorted(metadata.requires("crossroads") or []):
        if "extra ==" in line and 'extra == "torch"' not in line:
            continue
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
