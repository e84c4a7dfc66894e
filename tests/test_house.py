"""The parts of the project that must stay in step."""

import re
import tomllib

import jupytext
import jupytext.config
import pytest
import yaml

from ci.run_one import source_notebook
from ci.runs import chapters
from crossroads.data.settings import ROOT, data_names

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
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
