"""Copies the browser's files out of installed wheels: `python -m ci.assets`.

MathJax and plotly come with Python packages, so building needs no node and reading no network.
"""

import shutil
from importlib.metadata import distribution
from pathlib import Path

from crossroads.data.settings import ROOT

VENDOR = ROOT / "book/_static/vendor"
FILES = {  # name in the book: distribution, path inside it
    "tex-svg.js": ("sphinx-mathjax-offline", "sphinx-mathjax-offline/static/mathjax/tex-svg.js"),
    "plotly.min.js": ("plotly", "plotly/package_data/plotly.min.js"),
}


def copy(folder: Path = VENDOR) -> None:
    """Put the files in `folder`; those that are there with the same bytes stay untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (package, path) in FILES.items():
        source, target = Path(str(distribution(package).locate_file(path))), folder / name
        if not source.is_file():
            raise FileNotFoundError(f"{package} {distribution(package).version} has no {path}; reinstall it")
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)


if __name__ == "__main__":
    copy()
