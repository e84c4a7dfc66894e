"""Builds the site's sources under the newest Sphinx: `python -m ci.newest`.

The book is pinned to the Sphinx that jupyter-book 1 allows. Here the sources of `ci.site --size ci` go
through the newest releases of Sphinx, theme and extensions, without pins and without jupyter-book, so that
what will break is known early. Warnings are counted; an error, a missing page, or an offence that the pinned
site does not have, is a failure.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from ci.check_site import offences
from crossroads.data.settings import ROOT

PINNED = ROOT / "build/site-ci"
WORK = ROOT / "build/newest"
BIN = Path(sys.executable).parent
SHOWN = 8  # kinds of warnings
WARNING = re.compile(r"\b(?:WARNING|ERROR): (?P<text>.*?)(?: \[(?P<kind>[\w.-]+)\])?$")
DEPRECATED = re.compile(r"site-packages/(?P<package>\w+).*: (?P<kind>\w+Warning): ")


def configure(source: Path) -> list[str]:
    """Write `source`/conf.py, which needs no jupyter-book; the packages that it does need."""
    _run(BIN / "jupyter-book", "config", "sphinx", source)
    conf, own = source / "conf.py", source / "book/_ext"
    with conf.open("a", encoding="utf-8") as file:
        file.write("extensions.remove('jupyter_book')\n")
    names = runpy.run_path(str(conf))["extensions"]
    foreign = [name for name in names if not name.startswith("sphinx.") and not (own / f"{name}.py").exists()]
    return ["sphinx", *(re.sub(r"[._]", "-", name) for name in foreign)]


def kinds(log: str) -> Counter[str]:
    """How often which kind of warning stands in what sphinx-build wrote to stderr."""
    found: Counter[str] = Counter()
    for line in log.splitlines():
        if warning := WARNING.search(line):
            found[warning["kind"] or warning["text"]] += 1
        elif warning := DEPRECATED.search(line):
            found[f"{warning['kind']} in {warning['package']}"] += 1
    return found


def losses(pinned: Path, newest: Path) -> list[str]:
    """What a site lacks, or does wrong, that another does right: one line each."""
    whole, built = (
        {str(path.relative_to(site)) for path in site.rglob("*.html") if "_static" not in path.parts}
        for site in (pinned, newest)
    )
    known = {_without_line(offence) for offence in offences(pinned)}
    return [f"{page}: missing" for page in sorted(whole - built)] + [
        offence for offence in offences(newest) if _without_line(offence) not in known
    ]


def _without_line(offence: str) -> str:
    """The lines of a page differ between versions of the theme."""
    return re.sub(r":\d+:", ":", offence, count=1)


def _install(packages: list[str]) -> dict[str, str]:
    """Make WORK/venv with the newest releases of these packages that go together; their versions."""
    uv, python = BIN / "uv", WORK / "venv/bin/python"
    _run(uv, "venv", "-q", "--python", sys.executable, WORK / "venv")
    _run(uv, "pip", "install", "-q", "--python", python, *packages)
    listed = json.loads(_run(uv, "pip", "list", "-q", "--python", python, "--format", "json"))
    return {found["name"]: found["version"] for found in listed if found["name"] in packages}


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"newest: `{' '.join(map(str, command))}` failed; what is wrong stands above")
    return done.stdout


def main() -> int:
    if subprocess.run([sys.executable, "-m", "ci.site", "--size", "ci"], cwd=ROOT).returncode:
        return 1
    shutil.rmtree(WORK, ignore_errors=True)
    source, html = WORK / "source", WORK / "html"
    shutil.copytree(PINNED / "source", source)
    versions = _install(configure(source))
    print("newest:", ", ".join(f"{name} {version}" for name, version in versions.items()), flush=True)
    heard = "default::DeprecationWarning,default::PendingDeprecationWarning"
    built = subprocess.run(
        [WORK / "venv/bin/sphinx-build", "-q", "-b", "html", "-d", WORK / "doctrees", source, html],
        env=os.environ | {"PYTHONPATH": str(source / "book/_ext"), "PYTHONWARNINGS": heard},
        stderr=subprocess.PIPE,
        text=True,
    )
    found = kinds(built.stderr)
    shown = ", ".join(f"{n} {kind}" for kind, n in found.most_common(SHOWN))
    print(f"newest: {found.total()} warnings{shown and ', most of them: '}{shown}", flush=True)
    if built.returncode:
        print(built.stderr.strip()[-2000:])
        print(f"newest: sphinx-build ended with status {built.returncode}; what it wrote last stands above")
        return 1
    if lost := losses(PINNED / "html", html):
        print(*lost, sep="\n")
        print(f"newest: {len(lost)} faults that the pinned site does not have; see above and {html}")
        return 1
    print(f"newest: the site is whole: {html}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
