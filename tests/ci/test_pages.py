"""The pages' fragments from results made by hand, in a house of two chapters of which one has been run."""

import base64
import json
import re

import pytest

from ci import equations, pages, runs
from crossroads.data.settings import ROOT
from crossroads.report.claims import FORMS, Ledger
from crossroads.report.intervals import Estimate
from crossroads.report.tables import claims_table

CLAIMS = """
reference: doe1999
controls:
  shuffled: {what: "Trials are <shuffled>.", figure: fig-angles-controls}
claims:
- {id: slow, says: "Angles < 90 & slow.", where: Fig. 1, figure: fig-angles-a, paper: null, ours: angle,
   rule: {kind: within, low: 70, high: 110}, control: shuffled, accepted: reproduced}
- {id: fast, says: Fast., where: Fig. 2, figure: fig-angles-b, ours: speed,
   paper: {value: 5, unit: "", source: text},
   rule: {kind: within, tolerance: 1}, control: shuffled, accepted: not reproduced,
   reason: "Slow & steady."}
departures:
- {id: order, paper: shuffles, ours: does not, effect: {ours: angle, other: speed}}
not_drawn:
- {panel: 1A, why: a drawing}
"""
PICTURE = b"\x89PNG picture"
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "markdown",
            "source": [
                "# A title\n",
                "\n",
                "```{card}\n",
                "**Paper.** Doe,\n",
                "1999.\n",
                "\n",
                "Text.\n",
                "\n",
                "**Question.** Why?\n",
                "```",
            ],
        },
        {
            "cell_type": "code",
            "source": "",
            "metadata": {"mystnb": {"image": {"alt": "It rises\nto 1."}}},
            "outputs": [{"data": {"image/png": base64.b64encode(PICTURE).decode()}}],
        },
    ]
}
RUN = {
    "date": "2025-03-04T05:06:07+00:00",
    "commit": "0123456789abcdef",
    "dirty": False,
    "machine": "Linux & co",
    "device": "cpu",
    "parameters": {"size": "ci", "data": "synthetic", "seed": 0},
    "wall_s": 125.2,
    "cpu_s": 3700.0,
    "peak_memory_mb": 1234.4,
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for module in (pages, runs):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(equations, "read_equations", list)  # no chapter here has the labels that lib names
    chapters = "[{file: book/data}, {file: chapters/never}, {file: chapters/angles}]"
    (tmp_path / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters: {chapters}\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "angles.claims.yml").write_text(CLAIMS)
    (tmp_path / "notebooks" / "angles.py").write_text("from crossroads.report import claims\n")
    (tmp_path / "lib").symlink_to(ROOT / "lib")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "references.bib").write_text("@article{doe1999, doi = {10.1/x}}")
    (tmp_path / "ci" / "sizes").mkdir(parents=True)
    for chapter in ("angles", "never"):
        (tmp_path / "ci" / "sizes" / f"{chapter}.yml").write_text("data: [synthetic, real]\nsizes: {ci: {}}")
    return tmp_path


@pytest.fixture
def folder(root):
    """The chapter `angles` run at size ci."""
    ledger = Ledger("angles", "ci", "synthetic", 0, root=root)
    for key, value in {"angle": 88.0, "speed": 9.0}.items():
        ledger.measure(key, Estimate(value, value - 1, value + 1, 10))
        ledger.measure(key, Estimate(0.0, -1.0, 1.0, 10), control="shuffled")
    folder = root / "build" / "runs" / "ci" / "angles"
    ledger.settle(folder)
    (folder / "run.json").write_text(json.dumps(RUN))
    (folder / "angles.ipynb").write_text(json.dumps(NOTEBOOK))
    return folder


def fragment(root, name, size="ci"):
    pages.main(["--source", str(root / "site"), "--size", size])
    return (root / "site" / "chapters" / f"_{name}.md").read_text()


def test_a_card_shows_question_verdicts_time_and_picture(root, folder):
    home = fragment(root, "home")
    assert "grid-item-card} A title" in home
    assert "\n**Paper.** Doe,\n1999.\n\n**Question.** Why?\n" in home
    assert "Text." not in home
    assert (
        re.findall(r"(\d)&nbsp;<span[^>]*>. ([a-z ]+)</span>", home)
        == [
            ("1", "reproduced"),
            ("1", "not reproduced"),
        ]
        * 2
    )  # all chapters together, then the one
    assert "Runs in 2 min 5 s." in home
    assert ":link: /chapters/angles\n" in home
    assert ":img-alt: It rises to 1.\n" in home
    assert ":img-top: /chapters/_angles.png\n" in home
    assert (root / "site" / "chapters" / "_angles.png").read_bytes() == PICTURE


def test_only_chapters_run_at_this_size_are_shown(root, folder):
    assert "never" not in fragment(root, "home")
    assert fragment(root, "home", size="book") == "No chapter has been run yet.\n"
    assert "<td>" not in fragment(root, "claims", size="book")


def test_every_claim_can_be_filtered_and_leads_to_its_place(root, folder):
    text = fragment(root, "claims")
    tags = re.findall(r'<tr data-chapter="(\w+)" data-verdict="([\w ]+)" data-source="([\w ]+)">', text)
    assert tags == [("angles", "reproduced", "no number known"), ("angles", "not reproduced", "text")]
    assert "Angles &lt; 90 &amp; slow." in text
    assert text.count("Slow &amp; steady.") == 1
    assert text.count('href="https://doi.org/10.1/x"') == 2
    figures = re.findall(r'href="../chapters/angles.html#(fig-[\w-]+)"', text)
    assert figures == ["fig-angles-a", "fig-angles-controls", "fig-angles-b", "fig-angles-controls"]
    assert text.count("Trials are &lt;shuffled&gt;.") == 2
    assert re.findall(r'href="adding-a-paper.html#(rule-[\w-]+)"', text) == ["rule-within", "rule-within"]
    links = re.findall(r'href="../chapters/angles.html#(claim-[\w-]+)"', text)
    rows = json.loads((folder / "claims.json").read_text())["claims"]
    assert links == re.findall(r'<tr id="([\w-]+)"', claims_table("angles", rows))


def test_departures_stand_with_their_effect_and_what_is_not_drawn(root, folder):
    text = fragment(root, "departures")
    assert text.startswith("## A title\n")
    assert text.index("shuffles") < text.index("88") < text.index("9<br>") < text.index("a drawing")


def test_runs_tell_time_memory_and_machine_of_recorded_ones_too(root, folder):
    recorded = root / "book" / "recorded" / "angles" / "paper--synthetic"
    recorded.mkdir(parents=True)
    (recorded / "claims.json").write_text((folder / "claims.json").read_text())
    paper = RUN | {"dirty": True, "wall_s": 59.6, "parameters": RUN["parameters"] | {"size": "paper"}}
    (recorded / "run.json").write_text(json.dumps(paper))
    rows = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', fragment(root, "runs"))
    cells = {name: re.findall("<td>(.*?)</td>", rest) for name, rest in rows}
    assert cells["angles<br><small>ci, synthetic, seed 0</small>"] == [
        *("2 min 5 s", "1 h 1 min", "1234 MB", "Linux &amp; co; cpu"),
        "2025-03-04<br><small>0123456</small>",
    ]
    recorded_cells = cells["angles, recorded<br><small>paper, synthetic, seed 0</small>"]
    assert recorded_cells[0] == "1 min 0 s"
    assert recorded_cells[4] == "2025-03-04<br><small>0123456, uncommitted changes</small>"


def test_a_claim_shows_all_that_was_ever_recorded_newest_first(root, folder):
    (root / "book" / "recorded" / "angles").mkdir(parents=True)
    (root / "book" / "recorded" / "angles" / "history.csv").write_text(
        "date,commit,size,data,seed,claim,verdict,value,low,high,n,unit\n"
        "2025-01-02T03:04:05,abcdef0123,paper,mouse,0,slow,partly,71.5,70.0,73.0,12,deg\n"
        "2025-03-04T05:06:07,0123456789,paper,mouse,0,slow,reproduced,85.25,84.0,87.0,12,deg\n"
        "2025-03-04T05:06:07,0123456789,paper,mouse,0,fast,not testable,,,,,\n"
    )
    slow, fast = fragment(root, "claims").split("<tr data-")[1:]
    places = [slow.index(text) for text in ("85.2&nbsp;deg", "0123456", "71.5&nbsp;deg", "abcdef0")]
    assert places == sorted(places)
    assert "mouse, paper, 2025-01-02" in slow
    assert "– not testable</span><br>not measured" in fast


def test_shared_modules_are_told_apart_from_those_of_one_chapter(root, folder):
    text = fragment(root, "shared")
    assert "●" not in text  # one chapter alone shares nothing
    counts = re.findall(r"<code>(\w+)</code> that serve one chapter alone</th><td>(\d+)</td>", text)
    assert [room for room, _ in counts] == ["data", "models", "analyse", "report"]
    assert dict(counts)["models"] == "0"
    (root / "notebooks" / "never.py").write_text("from crossroads.models import learning\n")
    (root / "notebooks" / "other.py").write_text("from crossroads.report.claims import Ledger\n")
    three = pages.shared(["never", "angles", "other"])
    ((shared, _),) = re.findall(r'<th scope="row">(.*?)</th>(<td></td>(?:<td>●</td>){2})</tr>', three)
    assert "<code>report.claims</code> <small>Claims of a paper: " in shared
    assert "models.learning" not in three


def test_data_and_rules_come_from_what_reads_them(root, folder):
    assert re.findall(r"<th[^>]*>(\w+)</th><td><code>DATA=(\w+)</code></td>", fragment(root, "data")) == [
        *(("never", "synthetic"), ("never", "real")),
        *(("angles", "synthetic"), ("angles", "real")),
    ]
    rules = fragment(root, "rules")
    assert re.findall(r'<tr id="rule-([\w-]+)">', rules) == list(FORMS)
    assert "<code>low</code>, <code>high</code> or <code>tolerance</code>" in rules


def test_the_same_results_give_the_same_bytes(root, folder):
    names = ("home", "shared", "claims", "departures", "runs", "data", "rules")
    assert [fragment(root, name) for name in names] == [fragment(root, name) for name in names]
