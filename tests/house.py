"""A small copy of the house, for tests that run chapters."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from crossroads.data.settings import ROOT

NOTEBOOK = """# %% tags=["parameters"]
size: str = "book"
data: str = "synthetic"
seed: int = 0
out: str = ""

# %%
import json
from pathlib import Path

{body}

# %%
Path(out, "claims.json").write_text(json.dumps({{"claims": [], "device": "cpu", "seed": seed, "size": size}}))
print(Path(out).name, len(str(Path.cwd())))
"""
SIZES = "data: [synthetic, other]\nsizes:\n  ci: {n: 3}\n  book: {n: 5}\n"


class House:
    """The library, the runner and chapters of a few lines, in a folder of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("lib/crossroads/data", "lib/crossroads/report", "ci"):
            shutil.copytree(
                ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "sizes")
            )
        for file in ("lib/crossroads/__init__.py", "constraints.txt"):
            shutil.copyfile(ROOT / file, root / file)
        self.write("_toc.yml", "format: jb-book\nroot: book/home\nchapters:\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def chapter(self, name: str, body: str) -> None:
        """Add a chapter whose notebook does `body` and claims nothing."""
        self.write(f"notebooks/{name}.py", NOTEBOOK.format(body=body))
        self.write(f"notebooks/{name}.claims.yml", "reference: doe1999\ncontrols: {}\nclaims: []\n")
        self.write(f"ci/sizes/{name}.yml", SIZES)
        with (self.root / "_toc.yml").open("a") as toc:
            toc.write(f"- file: chapters/{name}\n")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start `python *arguments` in the copy."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("CROSSROADS_")}
        env |= {"PYTHONPATH": str(self.root / "lib"), **environment}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([sys.executable, *arguments], cwd=self.root, env=env, text=True, **pipes)

    def python(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of `python *arguments` in the copy."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err
