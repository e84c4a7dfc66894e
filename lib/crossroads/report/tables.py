"""HTML tables of results, the same in JupyterLab, in a chapter and on the pages over all chapters."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from crossroads.report.claim_drawings import Mark, allowed, draw
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

    label : what the table holds; its caption, and what screen readers call its box.
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
        f'<table class="table">\n<caption>{escape(label)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>',
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
    value = escape(quantity(estimate["value"], estimate["unit"])).replace(" ", "&nbsp;")
    low, high = number(estimate["low"]), number(estimate["high"])
    spread = "" if estimate["n"] == 1 else f"{low}&nbsp;to&nbsp;{high}, "
    return f"{value}<br><small>{spread}n&nbsp;=&nbsp;{estimate['n']}</small>"


def claims_table(
    chapter: str, claims: Sequence[dict[str, Any]], recorded: Sequence[dict[str, Any]] = ()
) -> str:
    """The claims of a run, as in its claims.json, beside recorded results of the chapter."""
    header = [*CLAIM_HEADER]
    for result in recorded:
        run, name = result["run"], short_name(result)
        kind = f"{name} size" if result["data"] == "synthetic" else f"real data, {name}"
        commit = (run["commit"] or "none")[:7]
        small = escape(f"{run['date'][:10]}, {commit}, {run['machine']}; {run['device']}")
        header.append(f"Recorded: {escape(kind)}<br><small>{small}</small>")
    rows = []
    for claim in claims:
        cells = claim_cells(claim, recorded)
        for result in recorded:
            then = same_claim(claim, result)
            cells.append(
                f"{verdict(then['verdict'])}<br>{interval(then['ours'])}" if then else "not recorded"
            )
        rows.append(cells)
    tags = [f'id="claim-{chapter}-{claim["id"]}"' for claim in claims]
    return table(f"Claims of {chapter}", header, rows, tags)


def same_claim(claim: dict[str, Any], result: dict[str, Any]) -> dict[str, Any] | None:
    """The claim as another result has it; None where it had no such claim."""
    return next((other for other in result["claims"] if other["id"] == claim["id"]), None)


def claim_cells(
    claim: dict[str, Any], recorded: Sequence[dict[str, Any]] = (), page: str = "", rules: str = ""
) -> list[str]:
    """The cells of one claim under `CLAIM_HEADER`.

    recorded : results of the chapter that are drawn beside this build's.
    page : address of the chapter, where the cells stand on another page; rules : of the page about rules.
    """
    paper = claim["paper"]
    printed = "no number known"
    if paper is not None:
        value = escape(quantity(paper["value"], paper["unit"]))
        printed = f"{value}<br><small>{paper['source']}</small>"
    control = claim["control"]
    outcome = {True: "holds too", False: "fails, as it must", None: "not measured"}[control["passed"]]
    value = "" if control["value"] is None else f"{number(control['value'])}<br>"
    says = (
        f"{verdict(claim['verdict'])}<br>{escape(claim['says'])}<br><small>{escape(claim['where'])} · "
        f'<a href="{page}#{claim["figure"]}">see the figure</a></small>'
    )
    if claim["reason"] and claim["verdict"] != "reproduced":
        says += f"<br><small>Why, we think: {escape(claim['reason'])}</small>"
    name = escape(control["name"].replace("_", " "))
    return [
        says,
        printed,
        ";<br>".join(_rule(part, rules) for part in (claim, *claim["also"])),
        "".join(_measured(part, claim, recorded) for part in (claim, *claim["also"])),
        f'<a href="{page}#{control["figure"]}">{name}</a>: {value}<small>{outcome}<br>'
        f"{escape(control['what'])}</small>",
    ]


def _rule(part: dict[str, Any], rules: str) -> str:
    """The rule of one part of a claim in words, as a link where there is a page about rules."""
    words = escape(rule_in_words(part["rule"]))
    if rules:
        words = f'<a href="{rules}#rule-{part["rule"]["kind"]}">{words}</a>'
    return _key(part) + words


def _measured(part: dict[str, Any], claim: dict[str, Any], recorded: Sequence[dict[str, Any]]) -> str:
    """What was measured for one part of a claim, in numbers and drawn."""
    return f"<div>{_key(part)}{interval(part['ours'])}{_drawing(part, claim, recorded)}</div>"


def _key(part: dict[str, Any]) -> str:
    return f"{escape(part['key'].replace('_', ' '))}: " if "key" in part else ""


def _drawing(part: dict[str, Any], claim: dict[str, Any], recorded: Sequence[dict[str, Any]]) -> str:
    """The paper, this build, what is recorded and, for the claim's own value, the control."""
    paper = None if part is not claim or claim["paper"] is None else claim["paper"]["value"]
    marks = [] if paper is None else [Mark("the paper", "open", paper, paper, paper)]
    values = [("this build", "filled", part["ours"])]
    for result in recorded:
        then = same_claim(claim, result)
        parts = [then, *then["also"]] if then else []
        values += [
            (short_name(result), "square", p["ours"]) for p in parts if p.get("key") == part.get("key")
        ]
    if part is claim:
        values.append(("control", "cross", claim["control"]))
    for label, shape, found in values:
        if found is not None and found["value"] is not None:
            marks.append(Mark(label, shape, found["value"], found["low"], found["high"]))
    return draw(marks, *allowed(part["rule"], paper, part["level"])) if marks else ""


def short_name(result: dict[str, Any]) -> str:
    """What tells a recorded result of a chapter from the others."""
    if result["data"] == "synthetic":
        return result["size"]
    return result["data"] if result["size"] == "book" else f"{result['data']}, {result['size']}"


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
