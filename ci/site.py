"""Builds the site, when its sources have changed since the last build, with warnings as errors.

`python -m ci.site` builds the reader's book in _build/html from the runs at book size;
`python -m ci.site --size ci` a staged copy in build/site-ci/, so that a test never touches the reader's book;
`python -m ci.site CHAPTER [--size S] [--data D] [--seed N]` the page of one run in build/page/.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from ci import downloads, light
from ci.runs import Run, from_arguments
from crossroads.data.settings import ROOT

FOLDERS = ("book", "chapters", "ci", "lib/crossroads", "notebooks", "tests")  # pages and what they include
FILES = ("_config.yml", "_toc.yml", "environment.yml")
STRICT = ["-W", "-n", "--keep-going"]
UNCOPIED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")


def stage(runs: Sequence[Run], source: Path) -> None:
    """Make a folder from which the site of these runs can be built: pages, library, executed notebooks."""
    shutil.rmtree(source, ignore_errors=True)
    for folder in FOLDERS:
        if folder != "chapters":
            shutil.copytree(ROOT / folder, source / folder, ignore=UNCOPIED)
    for file in FILES:
        shutil.copyfile(ROOT / file, source / file)
    (source / "chapters").mkdir()
    for run in runs:
        shutil.copyfile(run.folder / f"{run.chapter}.ipynb", source / "chapters" / f"{run.chapter}.ipynb")


def build(source: Path, work: Path, target: Path, options: Sequence[str]) -> bool:
    """Build from empty, then put the result in the place of `target`; whether it went well.

    From empty, because a page kept from the last build would show old numbers quoted from another chapter.
    Nothing is done when the sources are those of the last build.
    """
    key = _key(source)
    stamp = target / ".sources"
    if stamp.is_file() and stamp.read_text() == key:
        return True
    print("site: building", flush=True)
    shutil.rmtree(work, ignore_errors=True)
    jupyter_book = str(Path(sys.executable).with_name("jupyter-book"))
    program = [jupyter_book, "build", str(source), "--path-output", str(work), "-q"]
    if subprocess.run([*program, *options], stdout=subprocess.DEVNULL).returncode:
        print("site: not built; what is wrong stands above (a warning is an error)")
        return False
    html = work / "_build/html"
    light.slim(html)
    (html / ".sources").write_text(key)
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    html.rename(target)
    return True


def _key(source: Path) -> str:
    digest = hashlib.sha256()
    files = [file for folder in FOLDERS for file in sorted((source / folder).rglob("*")) if file.is_file()]
    for file in [*files, *(source / name for name in FILES)]:
        if "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(source)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _python(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


def main(arguments: list[str] | None = None) -> int:
    runs, options = from_arguments(argparse.ArgumentParser(prog="ci.site"), arguments)
    for run in runs:
        if not (run.folder / f"{run.chapter}.ipynb").is_file():
            print(f"{run} has no result yet: python -m ci.execute {run.chapter} --size {run.size}")
            return 1
    _python("ci.assets")
    flags = STRICT
    if options.chapters:
        place = ROOT / "build/page"
        source, target = place / "source", place / "html"
        flags = []  # references to other pages lead nowhere here
        stage(runs, source)
        toc = {"format": "jb-book", "root": f"chapters/{runs[0].chapter}"}
        (source / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
        page = target / f"chapters/{runs[0].chapter}.html"
    elif options.size == "book":
        source, place, target = ROOT, ROOT / "build/site-book", ROOT / "_build/html"
        page = target / "index.html"
    else:
        place = ROOT / f"build/site-{options.size}"
        source, target = place / "source", place / "html"
        stage(runs, source)
        page = target / "index.html"
    _python("ci.pages", "--source", str(source), "--size", options.size)
    downloads.write(runs, source)
    if not build(source, place / "work", target, flags):
        return 1
    print(f"site: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
