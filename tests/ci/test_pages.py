"""The pages' fragments from results made by hand, in a house of two chapters of which one has been run."""

import base64
import json
import re

import pytest

from ci import pages, runs
from crossroads.report.claims import Ledger
from crossroads.report.intervals import Estimate
from crossroads.report.tables import claims_table

CLAIMS = """
claims:
- {id: slow, says: "Angles < 90 & slow.", where: Fig. 1, paper: null, ours: angle,
   rule: {kind: within, low: 70, high: 110}, control: shuffled, accepted: reproduced}
- {id: fast, says: Fast., where: Fig. 2, paper: {value: 5, unit: "", source: text}, ours: speed,
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
    chapters = "[{file: book/data}, {file: chapters/never}, {file: chapters/angles}]"
    (tmp_path / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters: {chapters}\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "angles.claims.yml").write_text(CLAIMS)
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
    assert re.findall(r'<tr data-chapter="(\w+)" data-verdict="([\w ]+)">', text) == [
        ("angles", "reproduced"),
        ("angles", "not reproduced"),
    ]
    assert "Angles &lt; 90 &amp; slow." in text
    assert text.count("Slow &amp; steady.") == 1
    links = re.findall(r'href="../chapters/angles.html#([\w-]+)"', text)
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


def test_the_same_results_give_the_same_bytes(root, folder):
    names = ("home", "claims", "departures", "runs")
    assert [fragment(root, name) for name in names] == [fragment(root, name) for name in names]
