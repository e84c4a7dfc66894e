"""What a drawing shades is what the rule allows, and every mark lies where its value is."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossroads.report.claim_drawings import LEFT, RIGHT, Mark, allowed, draw
from crossroads.report.claims import holds
from crossroads.report.intervals import Estimate

RULES = [
    {"kind": "within", "low": -1, "high": 2},
    {"kind": "within", "tolerance": 0.5},
    {"kind": "sign", "is": "positive"},
    {"kind": "sign", "is": "negative"},
    {"kind": "order", "above": "other"},
    {"kind": "order", "below": 1, "by": 0.25},
    {"kind": "monotone", "is": "rising", "at_least": 0.5},
    {"kind": "monotone", "is": "falling", "at_least": 0.5},
    {"kind": "peak-in-range", "low": 1, "high": 3},
    {"kind": "ratio", "at_least": 2},
    {"kind": "ratio", "at_most": 2},
]


@given(rule=st.sampled_from(RULES), value=st.floats(-4, 4), paper=st.floats(-2, 2), level=st.floats(-2, 2))
def test_the_shaded_range_is_that_of_the_verdict(rule, value, paper, level):
    low, high = allowed(rule, paper, level)
    if min(abs(value - low), abs(value - high)) > 1e-9:  # whether ends belong is not to be seen
        assert (low < value < high) == holds(rule, Estimate(value, value, value, 1), paper, level)


def test_without_the_number_compared_with_all_is_allowed():
    assert allowed({"kind": "order", "above": "other"}, None, None) == (-math.inf, math.inf)


def place(svg, shape):
    return float(re.search(f'class="cr-{shape}" (?:cx|x)="([^"]+)"', svg).group(1))


def test_marks_lie_on_one_axis():
    svg = draw(
        [Mark("a", "open", 0, 0, 0), Mark("b", "filled", 5, 2, 10), Mark("c<", "cross", 10, 9, 10)], 4, 6
    )
    left, middle = place(svg, "open"), place(svg, "filled")
    right = float(re.search(r'<path d="M([\d.]+) ', svg).group(1)) + 3.5
    assert middle - left == pytest.approx(right - middle, abs=0.2)
    shaded = re.search(r'class="cr-allowed" x="([^"]+)" y="0" width="([^"]+)"', svg)
    assert float(shaded.group(1)) + float(shaded.group(2)) / 2 == pytest.approx(middle, abs=0.2)
    assert float(shaded.group(2)) == pytest.approx((right - left) / 5, abs=0.2)
    assert "c&lt;" in svg
    assert re.findall(r'text-anchor="(?:start|end)">([^<]+)<', svg) == ["0", "10"]


def test_values_far_apart_stand_on_a_logarithmic_axis_and_an_open_range_ends_at_its_edge():
    svg = draw([Mark("a", "open", 1, 1, 1), Mark("b", "filled", 100, 10, 1000)], -math.inf, 10)
    assert ">log</text>" in svg
    assert place(svg, "filled") == pytest.approx(
        (2 * RIGHT + LEFT - (place(svg, "open") - LEFT)) / 3 + 0, abs=3
    )
    assert re.search(r'class="cr-allowed" x="([^"]+)"', svg).group(1) == str(LEFT)


def test_a_long_label_does_not_run_into_the_axis():
    short, long = (
        draw([Mark("a", "filled", 1, 1, 1), Mark(label, "open", 2, 1, 3)], 1, 3)
        for label in ("b", "hcp-111312, network")
    )
    begin = [float(re.search(r'class="cr-allowed" x="([^"]+)"', svg).group(1)) for svg in (short, long)]
    assert LEFT <= begin[0] < LEFT + 10
    assert 110 < begin[1] < place(long, "open") < RIGHT


def test_a_single_value_is_drawn_in_the_middle():
    assert place(draw([Mark("a", "filled", 3, 3, 3)], -math.inf, math.inf), "filled") == (LEFT + RIGHT) / 2
