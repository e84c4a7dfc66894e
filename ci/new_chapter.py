"""Makes the skeleton of a chapter, which passes `make test` as it is: `python -m ci.new_chapter CHAPTER`."""

import re
import sys
from pathlib import Path

from ci.runs import chapters
from crossroads.data.settings import ROOT

PLACES = {
    "notebook.py": "notebooks/demo.py",
    "claims.yml": "notebooks/demo.claims.yml",
    "sizes.yml": "ci/sizes/demo.yml",
    "model.py": "lib/crossroads/models/demo.py",
    "test.py": "tests/models/test_demo.py",
}


def new_chapter(name: str) -> list[Path]:
    """Write the files of a chapter, its bibliography entry and its line in _toc.yml; returns the files.

    Raises
    ------
    ValueError : the name is no lower-case word, or one of the files exists; nothing is written then.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        raise ValueError(f"CH={name!r}: a chapter is named by one lower-case word")
    files = {source: ROOT / place.replace("demo", name) for source, place in PLACES.items()}
    if taken := [str(file) for file in files.values() if file.exists()]:
        raise ValueError(f"CH={name!r}: {', '.join(taken)} exists already")
    for source, file in files.items():
        file.write_text(_skeleton(source, name), encoding="utf-8")
    with (ROOT / "book/references.bib").open("a", encoding="utf-8") as bibliography:
        bibliography.write(_skeleton("entry.bib", name))
    _enter(name)
    return list(files.values())


def _skeleton(source: str, name: str) -> str:
    return (ROOT / "ci/skeleton" / source).read_text(encoding="utf-8").replace("demo", name)


def _enter(name: str) -> None:
    """Add the chapter to _toc.yml, below the last one; as text, so that comments stay."""
    file = ROOT / "_toc.yml"
    text = file.read_text(encoding="utf-8")
    last = f"chapters/{chapters()[-1]}"
    line = next(line for line in text.splitlines() if line.rstrip().endswith(last))
    file.write_text(text.replace(line, f"{line}\n{line.replace(last, f'chapters/{name}')}"), encoding="utf-8")


def main(arguments: list[str]) -> int:
    try:
        for file in new_chapter(*arguments):
            print(f"wrote {file.relative_to(ROOT)}")
    except ValueError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
