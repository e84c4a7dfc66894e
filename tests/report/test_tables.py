"""Tables and rules as a reader sees them."""

from html.parser import HTMLParser

import pytest

from crossroads.report import tables


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "within", "low": -70, "high": 110}, "−70 to 110"),
        ({"kind": "within", "tolerance": 0.1}, "within ±0.1 of the paper"),
        ({"kind": "sign", "is": "positive"}, "whole interval above 0"),
        ({"kind": "sign", "is": "negative"}, "whole interval below 0"),
        ({"kind": "order", "above": 0.2}, "above 0.2"),
        ({"kind": "order", "below": "ai_post", "by": 0.25}, "below ai post by 0.25"),
        ({"kind": "monotone", "is": "rising", "at_least": 0.7}, "rising, rank correlation ≥ 0.7"),
        ({"kind": "monotone", "is": "falling", "at_least": 0.7}, "falling, rank correlation ≤ −0.7"),
        ({"kind": "peak-in-range", "low": 3, "high": 4}, "peak at 3 to 4"),
        ({"kind": "ratio", "at_least": 2}, "ratio ≥ 2"),
        ({"kind": "ratio", "at_most": 2}, "ratio ≤ 2"),
    ],
)
def test_rules_in_words(rule, words):
    assert tables.rule_in_words(rule) == words


def test_a_single_value_has_no_interval():
    one = {"value": 82.0, "low": 82.0, "high": 82.0, "n": 1, "unit": "deg"}
    assert tables.interval(one) == "82&nbsp;deg<br><small>n&nbsp;=&nbsp;1</small>"
    ten = one | {"low": 78.0, "n": 10, "unit": ""}
    assert tables.interval(ten) == "82<br><small>78&nbsp;to&nbsp;82, n&nbsp;=&nbsp;10</small>"
    assert tables.interval(None) == "not measured"


def test_a_table_reads_aloud():
    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

        def handle_data(self, data):
            if seen[-1][0] == "caption":
                caption.append(data.strip())

    seen, caption = [], []
    Tags().feed(tables.table('Angles & "speeds"', ["a", "b"], [("x", "1"), ("y", "2")], ['id="p"', 'id="q"']))
    region = seen[0][1]
    assert (region["role"], region["tabindex"], region["aria-label"]) == ("region", "0", 'Angles & "speeds"')
    assert caption[0] == 'Angles & "speeds"'
    assert [attrs["scope"] for tag, attrs in seen if tag == "th"] == ["col", "col", "row", "row"]
    assert [attrs.get("id") for tag, attrs in seen if tag == "tr"] == [None, "p", "q"]


def test_every_verdict_has_its_own_mark():
    assert len(set(tables.MARKS.values())) == len(tables.MARKS) == 5
    assert "◐ partly" in tables.verdict("partly")
