"""A claim's values drawn beside what its rule allows: as SVG, which follows the colours of the page.

The drawing has no text alternative, as all its numbers stand in the table around it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from crossroads.report.intervals import number

LEFT, RIGHT, ROW = 74, 222, 15  # where the axis begins and ends, and the height of a row [px]
LETTER = 6.5  # width of a letter [px]; the axis begins behind the longest label


@dataclass(frozen=True)
class Mark:
    """One value with its interval, in a row of its own."""

    label: str
    shape: str  # open (the paper) | filled (this build) | square (recorded) | cross (the control)
    value: float
    low: float
    high: float


def allowed(rule: dict[str, Any], paper: float | None, level: float | None) -> tuple[float, float]:
    """The values that a rule allows, as (low, high); either may be infinite.

    paper : the paper's value, for a tolerance. level : the number that an `order` compares with.
    """
    margin = rule.get("by", 0)
    match rule:
        case {"kind": "within", "tolerance": tolerance} if paper is not None:
            return paper - tolerance, paper + tolerance
        case {"low": low, "high": high}:
            return low, high
        case {"kind": "sign", "is": side}:
            return (0, math.inf) if side == "positive" else (-math.inf, 0)
        case {"kind": "order", "above": _} if level is not None:
            return level + margin, math.inf
        case {"kind": "order", "below": _} if level is not None:
            return -math.inf, level - margin
        case {"kind": "monotone", "is": direction, "at_least": rho}:
            return (rho, math.inf) if direction == "rising" else (-math.inf, -rho)
        case {"kind": "ratio", "at_least": low}:
            return low, math.inf
        case {"kind": "ratio", "at_most": high}:
            return -math.inf, high
    return -math.inf, math.inf  # the number that the rule compares with was not measured


def draw(marks: Sequence[Mark], low: float, high: float) -> str:
    """Marks below each other on one axis; the allowed values, from low to high, are shaded."""
    limits = [end for end in (low, high) if math.isfinite(end)]
    ends = [*limits, *(end for mark in marks for end in (mark.value, mark.low, mark.high))]
    logarithmic = min(ends) > 0 and max(ends) > 100 * min(ends)
    scale = math.log10 if logarithmic else float
    first, last = scale(min(ends)), scale(max(ends))
    margin = 0.06 * (last - first) or 1.0
    left = max(LEFT, LETTER * max(len(mark.label) for mark in marks))

    def x(value: float) -> float:
        if math.isinf(value) or (logarithmic and value <= 0):
            return left if value <= 0 else RIGHT
        share = (scale(value) - first + margin) / (last - first + 2 * margin)
        return round(left + share * (RIGHT - left), 1)

    bottom = ROW * len(marks)
    parts = [
        f'<rect class="cr-allowed" x="{x(low)}" y="0" width="{x(high) - x(low):.1f}" height="{bottom}"/>',
        *(f'<line class="cr-limit" x1="{x(end)}" x2="{x(end)}" y1="0" y2="{bottom}"/>' for end in limits),
        f'<line x1="{left}" x2="{RIGHT}" y1="{bottom}" y2="{bottom}"/>',
    ]
    for end, anchor in zip(sorted({min(ends), max(ends)}), ("start", "end"), strict=False):
        parts.append(
            f'<text x="{left if anchor == "start" else RIGHT}" y="{bottom + 11}" text-anchor="{anchor}">'
            f"{number(end)}</text>"
        )
        parts.append(f'<line x1="{x(end)}" x2="{x(end)}" y1="{bottom}" y2="{bottom + 3}"/>')
    if logarithmic:
        parts.append(f'<text x="{(left + RIGHT) / 2}" y="{bottom + 11}" text-anchor="middle">log</text>')
    for i, mark in enumerate(marks):
        y = ROW * (i + 0.5)
        parts.append(f'<text x="0" y="{y + 3.5}">{escape(mark.label)}</text>')
        parts.append(f'<line x1="{x(mark.low)}" x2="{x(mark.high)}" y1="{y}" y2="{y}"/>')
        parts.append(_shape(mark.shape, x(mark.value), y))
    return (
        f'<svg class="cr-drawn" viewBox="0 0 {RIGHT + 4} {bottom + 14}" width="{RIGHT + 4}" '
        f'height="{bottom + 14}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _shape(shape: str, x: float, y: float) -> str:
    match shape:
        case "cross":
            return f'<path d="M{x - 3.5} {y - 3.5}l7 7m-7 0l7 -7"/>'
        case "square":
            return f'<rect class="cr-filled" x="{x - 3.5}" y="{y - 3.5}" width="7" height="7"/>'
    return f'<circle class="cr-{shape}" cx="{x}" cy="{y}" r="3.7"/>'
