"""The build under the newest Sphinx: what it needs, what it is told, and what it finds missing."""

import runpy
import shutil

import pytest

from ci import newest
from crossroads.data.settings import ROOT

LOG = """\
/a/b.md:12: WARNING: Unknown source document 'book/data' [myst.xref_missing]
/a/c.md:3: WARNING: Unknown source document 'x' [myst.xref_missing]
WARNING: a kind that has no name
/a/d.md:4: ERROR: Unknown directive type: "prf:algorithm". [docutils]
/v/lib/python3.11/site-packages/sphinx_proof/domain.py:97: RemovedInSphinx11Warning: 'app' is deprecated.
  for node in env.app.registry:
"""


def test_warnings_are_counted_by_kind():
    assert newest.kinds(LOG) == {
        "myst.xref_missing": 2,
        "a kind that has no name": 1,
        "docutils": 1,
        "RemovedInSphinx11Warning in sphinx_proof": 1,
    }
    assert newest.kinds("") == {}


@pytest.fixture
def sites(tmp_path):
    """Two sites with the same page and the same fault, in different lines."""
    for name, space in (("pinned", ""), ("newest", "\n\n")):
        (tmp_path / name / "_static").mkdir(parents=True)
        (tmp_path / name / "index.html").write_text(f'{space}<h1>Title</h1>\n<img src="a.png">')
    (tmp_path / "pinned/_static/macros.html").write_text("of the theme")
    return tmp_path / "pinned", tmp_path / "newest"


def test_a_site_as_good_as_the_pinned_one_has_lost_nothing(sites):
    assert newest.losses(*sites) == []


def test_missing_pages_and_new_faults_are_losses(sites):
    (sites[0] / "other.html").write_text("<h1>Other</h1>")
    (sites[1] / "index.html").write_text('<h1>Title</h1><img src="a.png">\n<a href="other.html">x</a>')
    assert newest.losses(*sites) == ["other.html: missing", "index.html:2: link to nothing: other.html"]


def test_the_settings_need_neither_jupyter_book_nor_its_pins(tmp_path):
    shutil.copytree(ROOT / "book/_ext", tmp_path / "book/_ext")
    shutil.copyfile(ROOT / "_config.yml", tmp_path / "_config.yml")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "index.md").write_text("# Home\n")
    packages = newest.configure(tmp_path)
    conf = runpy.run_path(str(tmp_path / "conf.py"))
    assert {"sphinx", "myst-nb", "sphinx-book-theme", "sphinxcontrib-bibtex", "sphinx-proof"} <= set(packages)
    assert not {"jupyter-book", "crossroads-page"} & set(packages)
    assert "jupyter_book" not in conf["extensions"]
    assert "crossroads_page" in conf["extensions"]
    assert conf["project"] == "Crossroads"
