"""Fails when a claim's verdict at ci size is not the accepted one of its claims file.

`python -m ci.verdicts [CHAPTER ...]`, after `python -m ci.execute --size ci`.
"""

import json
import sys
from typing import Any

from ci.runs import Run, chapters
from crossroads.report.claims import VARIES, read_claims


def changed(run: Run) -> list[str]:
    """One line for each claim of a finished run whose verdict differs from the accepted one.

    A claim whose verdict varies between seeds at ci size is left alone: another processor may give another.
    """
    claims = read_claims(run.notebook.with_suffix(".claims.yml")).claims
    accepted = {claim.id: claim.accepted for claim in claims}
    return [
        f"{run.chapter}, claim {row['id']}: accepted {accepted[row['id']]!r}, now {row['verdict']!r}: "
        + evidence(row)
        for row in found(run)
        if accepted[row["id"]] not in (row["verdict"], VARIES)
    ]


def found(run: Run) -> list[dict[str, Any]]:
    """The claims that a finished run settled."""
    return json.loads((run.folder / "claims.json").read_text(encoding="utf-8"))["claims"]


def evidence(claim: dict[str, Any]) -> str:
    """Values and intervals behind a verdict: the claim's own, its further parts, its control."""
    rules = [f"{_number(claim['ours'])} for rule {claim['rule']}"]
    rules += [f"{_number(part['ours'])} for rule {part['rule']}" for part in claim["also"]]
    return "; ".join(rules) + f"; control {claim['control']['name']} {_number(claim['control'])}"


def _number(estimate: dict[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return "not measured"
    value, low, high = (f"{estimate[end]:.4g}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}] {estimate.get('unit', '')}".rstrip()


def main(arguments: list[str]) -> int:
    runs = [Run(chapter, size="ci") for chapter in arguments or chapters()]
    lines = [line for run in runs for line in changed(run)]
    for line in lines:
        print(line)
    if lines:
        print("Where the change is right, change `accepted` in the claims file and say why in the commit.")
    else:
        print(f"verdicts: as accepted in {len(runs)} chapters")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
