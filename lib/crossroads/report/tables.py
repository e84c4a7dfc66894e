"""HTML tables of results, the same in JupyterLab, in a chapter and on the pages over all chapters."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from crossroads.report.intervals import number, quantity

MARKS = {
    "reproduced": "✓",
    "partly": "◐",
    "not reproduced": "✗",
    "uninformative": "≈",
    "not testable": "–",
}

CLAIM_HEADER = ("Claim and verdict", "The paper", "Rule", "This build", "Control")


def table(
    label: str, header: Sequence[str], rows: Iterable[Sequence[str]], row_tags: Sequence[str] = ()
) -> str:
    """An HTML table that scrolls inside its own box on narrow screens.

    label : what the table holds, read out by screen readers.
    header, rows : cells as HTML (escape plain text); the first cell of a row is its heading.
    row_tags : attributes of each `<tr>`, where rows carry any.
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = []
    for i, (first, *rest) in enumerate(rows):
        tag = f" {row_tags[i]}" if row_tags else ""
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        body.append(f'<tr{tag}><th scope="row">{first}</th>{cells}</tr>')
    lines = [
        f'<div class="cr-table" role="region" tabindex="0" aria-label="{escape(label)}">',
        f'<table class="table">\n<thead><tr>{head}</tr></thead>\n<tbody>',
        *body,
        "</tbody>\n</table>\n</div>\n",
    ]
    return "\n".join(lines)


def verdict(name: str) -> str:
    """A verdict as a coloured chip with a mark and its word."""
    return f'<span class="cr-verdict" data-verdict="{name}">{MARKS[name]} {name}</span>'


def interval(estimate: dict | None) -> str:
    """An estimate as it stands in claims.json: value and unit, below it the interval and n."""
    if estimate is None:
        return "not measured"
    value = escape(quantity(estimate["value"], estimate["unit"]))
    low, high = number(estimate["low"]), number(estimate["high"])
    spread = "" if estimate["n"] == 1 else f"{low}&nbsp;to&nbsp;{high}, "
    return f"{value}<br><small>{spread}n&nbsp;=&nbsp;{estimate['n']}</small>"


def claims_table(
    chapter: str, claims: Sequence[dict[str, Any]], recorded: Sequence[dict[str, Any]] = ()
) -> str:
    """The claims of a run, as in its claims.json, beside recorded results of the chapter."""
    header = [*CLAIM_HEADER]
    for result in recorded:
        run, kind = result["run"], "real data" if result["data"] != "synthetic" else f"{result['size']} size"
        small = escape(f"{run['date'][:10]}, {(run['commit'] or 'none')[:7]}, {run['machine']}")
        header.append(f"Recorded: {escape(kind)}<br><small>{small}</small>")
    rows = []
    for claim in claims:
        cells = claim_cells(claim)
        for result in recorded:
            then = next((other for other in result["claims"] if other["id"] == claim["id"]), None)
            cells.append(
                f"{verdict(then['verdict'])}<br>{interval(then['ours'])}" if then else "not recorded"
            )
        rows.append(cells)
    tags = [f'id="claim-{chapter}-{claim["id"]}"' for claim in claims]
    return table(f"Claims of {chapter}", header, rows, tags)


def claim_cells(claim: dict[str, Any]) -> list[str]:
    """The cells of one claim under `CLAIM_HEADER`."""
    paper = claim["paper"]
    printed = "no number known"
    if paper is not None:
        value = escape(quantity(paper["value"], paper["unit"]))
        printed = f"{value}<br><small>{paper['source']}</small>"
    rules, ours = [escape(rule_in_words(claim["rule"]))], [interval(claim["ours"])]
    for part in claim["also"]:
        key = escape(part["key"].replace("_", " "))
        rules.append(f"{key}: {escape(rule_in_words(part['rule']))}")
        ours.append(f"{key}: {interval(part['ours'])}")
    control = claim["control"]
    outcome = {True: "holds too", False: "fails, as it must", None: "not measured"}[control["passed"]]
    value = "" if control["value"] is None else f"{number(control['value'])}<br>"
    says = (
        f"{verdict(claim['verdict'])}<br>{escape(claim['says'])}<br><small>{escape(claim['where'])}</small>"
    )
    if claim["reason"] and claim["verdict"] != "reproduced":
        says += f"<br><small>Why, we think: {escape(claim['reason'])}</small>"
    return [
        says,
        printed,
        "<br>".join(rules),
        "<br>".join(ours),
        f"{escape(control['name'].replace('_', ' '))}: {value}<small>{outcome}</small>",
    ]


def departures_table(departures: Sequence[dict[str, Any]]) -> str:
    """Departures as in departures.json."""
    header = ["The paper or its code", "Here", "Effect"]
    rows = []
    for departure in departures:
        effect = departure["effect"]
        measured = "no number measured"
        if effect:
            measured = f"here: {interval(effect['ours'])}<br>otherwise: {interval(effect['other'])}"
        rows.append([escape(departure["paper"]), escape(departure["ours"]), measured])
    return table("Departures from the paper", header, rows)


def not_drawn_table(panels: Sequence[dict[str, str]]) -> str:
    """The paper's panels that are not drawn, with the reasons."""
    rows = [(escape(entry["panel"]), escape(entry["why"])) for entry in panels]
    return table("Panels not drawn", ["Panel", "Why it is not drawn"], rows)


def rule_in_words(rule: dict[str, Any]) -> str:
    """A rule as a reader sees it."""

    def show(value: float | str) -> str:
        return value.replace("_", " ") if isinstance(value, str) else number(value)

    margin = f" by {number(rule['by'])}" if "by" in rule else ""
    match rule:
        case {"kind": "within", "tolerance": tolerance}:
            return f"within ±{number(tolerance)} of the paper"
        case {"kind": "within", "low": low, "high": high}:
            return f"{number(low)} to {number(high)}"
        case {"kind": "peak-in-range", "low": low, "high": high}:
            return f"peak at {number(low)} to {number(high)}"
        case {"kind": "sign", "is": side}:
            return f"whole interval {'above' if side == 'positive' else 'below'} 0"
        case {"kind": "order", "above": other}:
            return f"above {show(other)}{margin}"
        case {"kind": "order", "below": other}:
            return f"below {show(other)}{margin}"
        case {"kind": "monotone", "is": direction, "at_least": rho}:
            return f"{direction}, rank correlation {'≥ ' if direction == 'rising' else '≤ −'}{number(rho)}"
        case {"kind": "ratio", "at_least": low}:
            return f"ratio ≥ {number(low)}"
        case {"kind": "ratio", "at_most": high}:
            return f"ratio ≤ {number(high)}"
    raise ValueError(f"no such rule: {rule}")
