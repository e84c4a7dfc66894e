"""Equations find their code and their tests, in a house of two chapters and in the real one."""

import io
import re

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from ci import equations, runs
from ci.equations import Equation, Place, page, read_equations
from crossroads.data.settings import ROOT

ANGLES = r"""# %% [markdown]
# # Angles
#
# ## The model
#
# ```{math}
# :label: eq-angles-inner-sum
# a + b &= 180 \\
#   &- c
# ```
#
# with {eq}`eq-angles-inner-sum`, and one without a label,
#
# ```{math}
# a = b .
# ```
#
# ### In the limit

# %%
# ## no heading

# %% [markdown]
# ```{math}
# :label: eq-angles-sine-rule
# x
# ```
"""
TIMES = """# %% [markdown]
# # Times
#
# ```{math}
# :label: eq-times-ode
# y
# ```
"""
LIB = '''"""Not eq-angles-other: a module computes nothing."""

class Triangle:
    """A triangle."""

    def rest(self):
        """180 less the others, eq-angles-inner-sum."""

    def _helper(self):
        text = "eq-angles-other in no docstring"

def sines(a):
    """Equation eq-angles-sine-rule, and eq-angles-inner-sum again: eq-angles-inner-sum."""

def solve():
    """eq-times-ode."""
'''
TESTS = '''
class TestTriangles:
    def test_rest(self):
        """eq-angles-inner-sum and eq-angles-sine-rule: against a protractor."""

def test_solve():
    """eq-times-ode: against its closed form."""

def helper():
    """Helps with eq-angles-none."""
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    for module in (equations, runs):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    write = {
        "_toc.yml": "format: jb-book\nroot: book/index\n"
        "chapters: [{file: chapters/times}, {file: chapters/angles}]\n",
        "notebooks/angles.py": ANGLES,
        "notebooks/times.py": TIMES,
        "lib/crossroads/data/angles.py": LIB,
        "tests/data/test_angles.py": TESTS,
    }
    for name, text in write.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_equations_come_in_the_order_of_the_book_with_who_names_them(root):
    lib, tests = "lib/crossroads/data/angles.py", "tests/data/test_angles.py"
    rest = Place(tests, "TestTriangles.test_rest")
    rule = "eq-angles-sine-rule"
    assert read_equations() == [
        Equation(
            "eq-times-ode", "times", "Times", "y\n", (Place(lib, "solve"),), (Place(tests, "test_solve"),)
        ),
        Equation(
            "eq-angles-inner-sum",
            "angles",
            "The model",
            "a + b &= 180 \\\\\n  &- c\n",
            (Place(lib, "Triangle.rest"), Place(lib, "sines")),
            (rest,),
        ),
        Equation(rule, "angles", "In the limit", "x\n", (Place(lib, "sines"),), (rest,)),
    ]
    assert [equation.name for equation in read_equations()] == ["ODE", "Inner sum", "Sine rule"]


CHANGES = {
    ("lib/crossroads/data/angles.py", "eq-times-ode", "solves"): [
        "notebooks/times.py: no function or class in lib/ names eq-times-ode: write the label into its "
        "docstring"
    ],
    ("tests/data/test_angles.py", "eq-times-ode", "solves"): [
        "notebooks/times.py: no test names eq-times-ode: write the label into its docstring"
    ],
    ("tests/data/test_angles.py", "test_solve", "solve"): [
        "notebooks/times.py: no test names eq-times-ode: write the label into its docstring"
    ],
    ("lib/crossroads/data/angles.py", "others, eq-angles-inner-sum", "others, eq-angles-inner-som"): [
        "lib/crossroads/data/angles.py: Triangle.rest names eq-angles-inner-som, which no chapter has: "
        "correct the docstring"
    ],
    ("notebooks/angles.py", ":label: eq-angles-sine-rule", ":label: eq-angles-rule"): [
        "notebooks/angles.py: no function or class in lib/ names eq-angles-rule: write the label into its "
        "docstring",
        "notebooks/angles.py: no test names eq-angles-rule: write the label into its docstring",
        "lib/crossroads/data/angles.py: sines names eq-angles-sine-rule, which no chapter has: "
        "correct the docstring",
        "tests/data/test_angles.py: TestTriangles.test_rest names eq-angles-sine-rule, which no chapter has: "
        "correct the docstring",
    ],
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_is_not_tied_is_named(root, change):
    file, old, new = change
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    with pytest.raises(ValueError, match="eq-") as error:
        read_equations()
    assert str(error.value).splitlines() == CHANGES[change]


def test_every_link_of_the_page_has_its_place_and_every_source_its_file(root):
    text = page(read_equations(), {"angles": "The angles", "times": "The times"})
    table, entries = text.split("```\n\n", 1)
    assert re.findall("^## (.*)", entries, re.MULTILINE) == ["The angles", "The times"]
    assert re.findall("^### (.*)", entries, re.MULTILINE) == ["Inner sum", "Sine rule", "ODE"]
    places = re.findall(r"^(?:\(|:name: )((?:code|test)-[\w-]+)", entries, re.MULTILINE)
    assert sorted(places) == sorted(re.findall(r"\]\(#([\w-]+)\)", table))
    assert len(set(places)) == len(places) == 3 + 4 + 3
    sources = re.findall(r"literalinclude\} \.\./(\S+)\n:pyobject: (\S+)\n", entries)
    for file, name in sources:
        assert name.rpartition(".")[2] in (root / file).read_text()
    assert ("lib/crossroads/data/angles.py", "Triangle.rest") in sources
    assert "[rest](#test-eq-angles-inner-sum-1)" in table
    assert '<a href="../chapters/angles.html#in-the-limit">In the limit</a>' in table
    assert "```{math}\na + b &= 180 \\\\\n  &- c\n```\n" in entries


def test_chapters_that_are_not_shown_are_left_out(root):
    text = page(read_equations(), {"times": "The times"})
    assert "eq-times-ode" in text
    assert "angles" not in text.replace("lib/crossroads/data/angles.py", "").replace("test_angles.py", "")


def test_a_page_without_equations_says_so(root):
    assert page(read_equations(), {"other": "Another"}) == "No chapter with an equation has been run yet.\n"


def test_every_equation_of_the_book_has_code_and_test():
    found = {equation.label for equation in read_equations()}
    notebooks = "".join(file.read_text() for file in (ROOT / "notebooks").glob("*.py"))
    assert found == set(re.findall(r":label: (eq-\S+)", notebooks))
    assert found


@pytest.mark.parametrize("with_index", [True, False])
def test_an_equation_leads_to_its_entry_where_the_book_has_one(tmp_path, monkeypatch, with_index):
    math = ".. math::\n   :label: {}\n\n   a = b\n\n"
    chapter = (
        "Times\n=====\n\n" + math.format("eq-times-ode") + math.format("other") + math.format("eq-times-b")
    )
    pages = ["chapters/times"] + ["book/equations"] * with_index
    listed = "".join(f"   {name}\n" for name in pages)
    write = {
        "index": f"Book\n====\n\n.. toctree::\n   :numbered:\n\n{listed}",
        "chapters/times": chapter,
        "book/equations": "Equations\n=========\n",
    }
    for name in ["index", *pages]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.rst").write_text(write[name])
    monkeypatch.syspath_prepend(ROOT / "book/_ext")
    settings = {"extensions": ["equation_links"], "numfig": True, "html_theme": "basic"}
    warnings = io.StringIO()
    with docutils_namespace():
        out = str(tmp_path / "out")
        Sphinx(tmp_path, None, out, out, "html", settings, status=None, warning=warnings).build()
    assert warnings.getvalue() == ""
    html = (tmp_path / "out/chapters/times.html").read_text()
    text = re.sub("<[^>]+>", "", html)
    links = re.findall(r'href="([^"]*#code-[^"]*)"', html)
    assert links == [f"../book/equations.html#code-eq-times-{name}" for name in ("ode", "b")] * with_index
    assert re.findall("Code and test of equation ([0-9.]+)", text) == ["1.1", "1.3"] * with_index
    # Each stands below its equation: 1.2 is another's.
    assert re.findall(r"\(1\.\d\)|Code", text) == (
        ["(1.1)", "Code", "(1.2)", "(1.3)", "Code"] if with_index else ["(1.1)", "(1.2)", "(1.3)"]
    )
