"""A chapter's page offers files that are whole and portable, and buttons only where there is a repository."""

import json
import re
import shutil
from zipfile import ZipFile

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ci import downloads
from ci.check_site import Page, offences
from ci.clean import clean
from ci.runs import Run
from ci.site import STRICT, build
from crossroads.data.settings import ROOT

RUN = Run("tiny", "ci", "synthetic", 3)
FACTS = {"commit": "0123abc", "dirty": True, "date": "2026-02-03T04:05:06+00:00"}
TEXT = {
    "README.txt": """Crossroads: the numbers behind the figures of chapter tiny, one table a figure.

Size    ci
Data    synthetic
Seed    3
Commit  0123abc, with uncommitted changes
Date    2026-02-03T04:05:06+00:00

The Crossroads authors. Code BSD-3-Clause, text CC BY 4.0
""",
    "fig-tiny-a.csv": "x,y\n1,2\n",
    "fig-tiny-b.csv": "x\n3\n",
}
ORG = "https://github.com/org/book"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose folder lies below tmp_path, with two tables, a run.json and a file that is no table."""
    monkeypatch.setattr("ci.runs.ROOT", tmp_path)
    figures = RUN.folder / "figures"
    figures.mkdir(parents=True)
    for name in ("fig-tiny-b.csv", "fig-tiny-a.csv"):
        (figures / name).write_text(TEXT[name])
    (figures / "notes.txt").write_text("no table")
    (RUN.folder / "run.json").write_text(json.dumps(FACTS))
    (tmp_path / "chapters").mkdir()
    return RUN


def test_the_zip_holds_the_tables_and_says_where_they_come_from(run, tmp_path):
    downloads.write([run], tmp_path)
    with ZipFile(tmp_path / "chapters/_tiny.zip") as packed:
        found = {name: packed.read(name).decode() for name in packed.namelist()}
        dates = {info.date_time for info in packed.infolist()}
    assert list(found) == [f"tiny/{name}" for name in TEXT]
    assert list(found.values()) == list(TEXT.values())
    assert dates == {(2026, 2, 3, 4, 5, 6)}


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    target = tmp_path / "chapters/_tiny.zip"
    downloads.write([run], tmp_path)
    first = target.read_bytes()
    for table in (run.folder / "figures").iterdir():
        table.touch()
    downloads.write([run], tmp_path)
    assert target.read_bytes() == first


def test_without_tables_an_old_zip_goes(run, tmp_path):
    downloads.write([run], tmp_path)
    shutil.rmtree(run.folder / "figures")
    downloads.write([run], tmp_path)
    assert list((tmp_path / "chapters").iterdir()) == []


def site(folder, url, tables=True):
    """Build a book of one page of prose and one chapter, with the book's own settings and extension."""
    source = folder / "source"
    (source / "book").mkdir(parents=True)
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, source / "book" / name, ignore=shutil.ignore_patterns("vendor"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["repository"]["url"] = url
    config["sphinx"]["local_extensions"] = {"crossroads_page": "book/_ext"}
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Tiny"),
            new_code_cell(
                f"out = '{ROOT}/build'\nseed = 0",
                execution_count=1,
                metadata={"tags": ["injected-parameters"]},
            ),
            new_code_cell(
                "print(folder)",
                execution_count=2,
                outputs=[new_output("stream", name="stdout", text=f"{ROOT}/notebooks\n")],
            ),
        ],
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )
    texts = {
        "_config.yml": yaml.safe_dump(config),
        "_toc.yml": "format: jb-book\nroot: book/index\nchapters:\n- file: chapters/tiny\n",
        "book/index.md": "# Home\n\nWords.\n",
        "book/references.bib": "",
        "chapters/tiny.ipynb": nbformat.writes(clean(notebook, str(ROOT))),
        "environment.yml": (ROOT / "environment.yml").read_text(),
        "notebooks/tiny.py": "# %%\nprint(folder)\n",
        "notebooks/tiny.claims.yml": "claims: []\n",
        "book/_static/vendor/tex-svg.js": "",
        "book/_static/vendor/plotly.min.js": "",
    }
    for name, text in texts.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    if tables:
        (source / "chapters/_tiny.zip").write_bytes(b"packed")
    assert build(source, folder / "work", folder / "html", STRICT)
    return folder / "html"


def links(html, page):
    """The addresses of a page's links, in its order."""
    return [href for _, href in Page((html / page).read_text()).links]


@pytest.fixture(scope="module")
def from_disk(tmp_path_factory):
    return site(tmp_path_factory.mktemp("site"), "")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return site(tmp_path_factory.mktemp("site"), ORG, tables=False)


FILES = ["../_sources/chapters/tiny.ipynb"] + [
    f"../_downloads/tiny{end}" for end in (".py", ".claims.yml", "-numbers.zip")
]


def test_menu_and_text_of_a_chapter_offer_its_files(from_disk):
    offered = [
        href for href in links(from_disk, "chapters/tiny.html") if re.search("_sources|_downloads", href)
    ]
    assert offered == FILES * 2
    assert list(offences(from_disk)) == []
    assert (from_disk / "_downloads/tiny.py").read_text() == "# %%\nprint(folder)\n"
    assert (from_disk / "_downloads/tiny.claims.yml").read_text() == "claims: []\n"
    assert (from_disk / "_downloads/tiny-numbers.zip").read_bytes() == b"packed"


def test_the_notebook_offered_is_valid_and_knows_no_machine(from_disk):
    text = (from_disk / "_sources/chapters/tiny.ipynb").read_text()
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert str(ROOT) not in text
    assert '"notebooks\\n"' in text


def test_no_numbers_are_offered_where_there_are_none(published):
    offered = [href for href in links(published, "chapters/tiny.html") if re.search("/_sources|_downl", href)]
    assert offered[-3:] == FILES[:3]
    assert not any("zip" in href for href in offered)


def test_without_an_address_nothing_leads_to_a_repository(from_disk):
    for page in ("book/index.html", "chapters/tiny.html"):
        assert not re.search(r"mybinder|github\.com/org|colab|use_thebe", (from_disk / page).read_text())
    assert not (from_disk / "environment.yml").exists()


def test_a_chapter_is_launched_as_published_and_edited_at_its_source(published):
    assert [href for href in links(published, "chapters/tiny.html") if "org/book" in href] == [
        "https://mybinder.org/v2/gh/org/book/gh-pages?urlpath=lab/tree/_sources/chapters/tiny.ipynb",
        ORG,
        f"{ORG}/edit/main/notebooks/tiny.py",
    ]
    assert (published / "_sources/chapters/tiny.ipynb").is_file()


def test_prose_is_not_launched(published):
    assert [href for href in links(published, "book/index.html") if "org/book" in href] == [
        ORG,
        f"{ORG}/edit/main/book/index.md",
    ]


def test_the_site_says_how_its_notebooks_are_run_elsewhere(published):
    here = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    there = yaml.safe_load((published / "environment.yml").read_text())["dependencies"]
    extras = here[-1]["pip"][1].removeprefix("-e .")
    assert there[:-1] == here[:-1]
    assert there[-1]["pip"] == [
        f"-c {ORG}/raw/HEAD/constraints.txt",
        f"-e git+{ORG}#egg=crossroads",
        f"crossroads{extras}",
    ]
