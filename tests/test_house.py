"""The parts of the project that must stay in step."""

import hashlib
import re
import tomllib

import jupytext
import jupytext.config
import pybtex.database
import pytest
import yaml

from ci.run_one import source_notebook
from ci.runs import chapters
from crossroads.data.settings import ROOT, data_folder, data_names
from crossroads.report.claims import read_claims

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
BIBLIOGRAPHY = pybtex.database.parse_file(str(ROOT / "book/references.bib"), "bibtex")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_environment_is_the_one_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == (f"python{PROJECT['requires-python']}", "pip")
    pins, project = packages["pip"]
    assert pins == "-c constraints.txt"
    extras = re.fullmatch(r"-e \.\[(.*)\]", project).group(1).split(",")
    assert extras == ["torch", "book", "speech", "nerve", "lab"]
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_every_dependency_is_pinned_without_addresses_or_builds():
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert "+cpu" not in text
    pinned = set(re.findall(r"^([\w.-]+)==", text, flags=re.MULTILINE))
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.match(r"[\w.-]+", line).group().lower() for line in wanted} - {PROJECT["name"]}
    assert names <= pinned


def test_every_chapter_has_its_files_and_every_notebook_is_a_chapter():
    assert sorted(chapters()) == [file.stem for file in NOTEBOOKS]
    for file in NOTEBOOKS:
        assert file.with_suffix(".claims.yml").is_file()
        assert data_names(file.stem)[0] == "synthetic"


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_survives_a_round_trip_and_has_its_parameters(file):
    text = file.read_text()
    config = jupytext.config.load_jupytext_config(str(file))
    notebook = jupytext.reads(text, "py:percent", config=config)
    assert jupytext.writes(notebook, "py:percent", config=config) == text
    source_notebook(file)


def test_double_click_in_jupyterlab_opens_a_notebook():
    overrides = yaml.safe_load((ROOT / ".jupyter/labconfig/default_setting_overrides.json").read_text())
    viewers = overrides["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers["python"] == "Jupytext Notebook"


def test_the_example_of_a_claim_is_one():
    (claim,) = read_claims(ROOT / "ci/skeleton/example.claims.yml").claims
    assert claim.parts[1].rule == {"kind": "order", "below": "cv_isi", "by": 0.2}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_paper_of_a_chapter_has_a_doi(file):
    entry = BIBLIOGRAPHY.entries[read_claims(file.with_suffix(".claims.yml")).reference]
    assert re.fullmatch(r"10\.\d{4,}/\S+", entry.fields["doi"])


def test_every_reference_is_cited_by_a_page():
    pages = [*NOTEBOOKS, *(ROOT / "book").glob("*.md")]
    cited = "".join(re.sub(r"\s*\n# ?", " ", page.read_text()) for page in pages)
    own = {read_claims(file.with_suffix(".claims.yml")).reference for file in NOTEBOOKS}
    keys = {key.strip() for keys in re.findall(r"{cite:\w+}`([^`]+)`", cited) for key in keys.split(",")}
    assert set(BIBLIOGRAPHY.entries) - own <= keys


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_page_of_data_tells_of_every_name_that_a_chapter_takes(file):
    section = (ROOT / "book/data.md").read_text().partition(f"## {file.stem}\n")[2].split("\n## ")[0]
    assert {"synthetic", *re.findall(r"DATA=([\w-]+)", section)} == set(data_names(file.stem))


@pytest.mark.parametrize("chapter", sorted(file.stem for file in (ROOT / "book/sums").iterdir()))
def test_published_files_are_those_whose_sums_the_book_prints(chapter):
    folder = data_folder(chapter)
    if folder is None:
        pytest.skip(f"no recordings of {chapter} under CROSSROADS_DATA")
    for line in (ROOT / f"book/sums/{chapter}.sha256").read_text().splitlines():
        digest, name = line.split("  ")
        if (folder / name).is_file():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
