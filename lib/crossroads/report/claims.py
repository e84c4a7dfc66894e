"""Claims of a paper: rules written down beforehand, what a run measured, and the verdicts.

A chapter's claims stand in `notebooks/<chapter>.claims.yml`. `read_claims` reads and checks such a file.
A `Ledger` collects what a run measures and settles every claim: its rules must hold for the run and fail for
the control.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from IPython.display import HTML

from crossroads.data import units
from crossroads.data.settings import ROOT
from crossroads.report import tables
from crossroads.report.intervals import Estimate

VERDICTS = set(tables.MARKS)
VARIES = "varies"  # accepted of a claim whose verdict at ci size differs between seeds: it is not guarded
SOURCES = {"text", "code", "review"}  # where a paper's value may come from

# What a field may hold: a type, several types, a set of allowed words, or a pattern.
NUMBER = (int, float)
LEVEL = (int, float, str)  # a number, or the key of another measurement
FIGURE = re.compile("fig-[a-z0-9]+(-[a-z0-9]+)*")
FORMS: dict[str, list[dict[str, Any]]] = {  # the forms that each kind of rule may take
    "within": [{"low": NUMBER, "high": NUMBER}, {"tolerance": NUMBER}],
    "sign": [{"is": {"positive", "negative"}}],
    "order": [
        {"above": LEVEL},
        {"below": LEVEL},
        {"above": LEVEL, "by": NUMBER},
        {"below": LEVEL, "by": NUMBER},
    ],
    "monotone": [{"is": {"rising", "falling"}, "at_least": NUMBER}],
    "peak-in-range": [{"low": NUMBER, "high": NUMBER}],
    "ratio": [{"at_least": NUMBER}, {"at_most": NUMBER}],
}
KINDS = {  # when a rule of each kind holds
    "within": "the value lies between the two, or that near to the paper's value",
    "sign": "the whole interval lies on that side of zero",
    "order": "the value lies above or below a number or another key, perhaps by a margin",
    "monotone": "the value, a rank correlation, is at least that strong",
    "peak-in-range": "the value, the place of a peak, lies between the two",
    "ratio": "the value is at least, or at most, that",
}


@dataclass(frozen=True)
class Part:
    """One measured key and the rule that it must obey."""

    ours: str
    rule: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper; the first part is the claim's own, the others are under `also`."""

    id: str
    says: str
    where: str
    figure: str  # label of the figure of ours that shows it
    paper: dict[str, Any] | None
    parts: tuple[Part, ...]
    control: str
    accepted: str
    reason: str | None  # our best explanation where the accepted verdict is not "reproduced"


@dataclass(frozen=True)
class ClaimsFile:
    """A checked claims file."""

    path: Path
    reference: str  # key of the paper in book/references.bib
    controls: dict[str, dict[str, str]]  # by name: what was taken out, and the figure that shows it
    claims: tuple[Claim, ...]
    departures: tuple[dict[str, Any], ...]
    not_drawn: tuple[dict[str, str], ...]

    def keys(self) -> set[str]:
        """Every key that the chapter has to measure."""
        parts = [part for claim in self.claims for part in claim.parts]
        levels = [part.rule.get(side) for part in parts for side in ("above", "below")]
        effects = [key for departure in self.departures for key in (departure["effect"] or {}).values()]
        return {part.ours for part in parts} | {key for key in levels if isinstance(key, str)} | set(effects)


def read_claims(path: Path) -> ClaimsFile:
    """Read a claims file; its first mistake raises ValueError naming file, claim, key and what is allowed."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; every chapter has a claims file") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    needs: dict[str, Any] = {"reference": str, "controls": dict, "claims": list}
    _check(content, f"{path}", needs, {"departures": list, "not_drawn": list})

    claims = [
        _read_claim(entry, f"{path}: {_name('claim', i, entry)}") for i, entry in enumerate(content["claims"])
    ]
    controls = content["controls"]
    for name, entry in controls.items():
        _check(entry, f"{path}: control '{name}'", {"what": str, "figure": FIGURE})
    if strange := {claim.control for claim in claims} ^ set(controls):
        names = ", ".join(sorted(map(str, strange)))
        raise ValueError(f"{path}: controls and claims must name the same controls; only one names: {names}")
    departures = content.get("departures", [])
    for i, entry in enumerate(departures):
        place = f"{path}: {_name('departure', i, entry)}"
        _check(entry, place, {"id": str, "paper": str, "ours": str, "effect": (dict, type(None))})
        if entry["effect"] is not None:
            _check(entry["effect"], f"{place}: effect", {"ours": str, "other": str})
    not_drawn = content.get("not_drawn", [])
    for i, entry in enumerate(not_drawn):
        _check(entry, f"{path}: not_drawn no. {i + 1}", {"panel": str, "why": str})

    ids = [claim.id for claim in claims] + [departure["id"] for departure in departures]
    for name in ids:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ValueError(f"{path}: id '{name}': write ids as lower-case words joined by hyphens")
        if ids.count(name) > 1:
            raise ValueError(f"{path}: id '{name}' stands {ids.count(name)} times; ids must differ")
    return ClaimsFile(
        path, content["reference"], controls, tuple(claims), tuple(departures), tuple(not_drawn)
    )


def _read_claim(entry: Any, place: str) -> Claim:
    fields = {
        **{"id": str, "says": str, "where": str, "figure": FIGURE, "paper": (dict, type(None)), "ours": str},
        **{"rule": dict, "control": str, "accepted": VERDICTS | {VARIES}},
    }
    _check(entry, place, fields, {"also": list, "reason": str})
    if (entry["accepted"] == "reproduced") == ("reason" in entry):
        raise ValueError(f"{place}: a reason stands with all that is accepted but 'reproduced'")
    paper = entry["paper"]
    if paper is not None:
        needs = {"value": NUMBER, "unit": str, "source": SOURCES}
        _check(paper, f"{place}: paper", needs, {"error": NUMBER})
    for i, part in enumerate(entry.get("also", [])):
        _check(part, f"{place}: also no. {i + 1}", {"ours": str, "rule": dict})
    parts = tuple(Part(part["ours"], part["rule"]) for part in [entry, *entry.get("also", [])])
    for part in parts:
        _check_rule(part.rule, f"{place}: rule of '{part.ours}'", paper if part is parts[0] else None)
    return Claim(
        entry["id"],
        entry["says"],
        entry["where"],
        entry["figure"],
        paper,
        parts,
        entry["control"],
        entry["accepted"],
        entry.get("reason"),
    )


def _check_rule(rule: dict[str, Any], place: str, paper: dict[str, Any] | None) -> None:
    kind = rule.get("kind")
    if not isinstance(kind, str) or kind not in FORMS:
        raise ValueError(f"{place}: unknown kind '{kind}'; allowed: {', '.join(FORMS)}")
    given = {key: value for key, value in rule.items() if key != "kind"}
    forms = FORMS[kind]
    known = {key: what for form in forms for key, what in form.items()}
    _check(given, place, {}, known)
    if set(given) not in [set(form) for form in forms]:
        needs = " or ".join("{" + ", ".join(form) + "}" for form in forms)
        raise ValueError(f"{place}: kind '{kind}' takes {needs}; got {{{', '.join(given)}}}")
    if "low" in given and given["low"] >= given["high"]:
        raise ValueError(f"{place}: low {given['low']} must be below high {given['high']}")
    if "tolerance" in given and paper is None:
        raise ValueError(f"{place}: a tolerance lies around the paper's value, and this part has none")


def _check(entry: Any, place: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> None:
    """Check that an entry is a mapping with the required fields, perhaps the optional ones, and no others."""
    fields = required | (optional or {})
    if not isinstance(entry, dict):
        raise ValueError(f"{place}: expected a mapping with {', '.join(fields)}; got {entry!r}")
    for key in entry:
        if key not in fields:
            raise ValueError(f"{place}: unknown key '{key}'; allowed: {', '.join(fields)}")
    for key in required:
        if key not in entry:
            raise ValueError(f"{place}: '{key}' is missing; needed: {', '.join(required)}")
    for key, value in entry.items():
        what = fields[key]
        if isinstance(what, set):
            if not isinstance(value, str) or value not in what:
                raise ValueError(f"{place}: {key} is '{value}'; allowed: {', '.join(sorted(what))}")
            continue
        if isinstance(what, re.Pattern):
            if not isinstance(value, str) or not what.fullmatch(value):
                raise ValueError(f"{place}: {key} is {value!r}; a label such as fig-topic-name is needed")
            continue
        types = what if isinstance(what, tuple) else (what,)
        if not isinstance(value, types) or isinstance(value, bool):
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
            hint = " (in YAML 1e-3 is text, 1.0e-3 a number)" if float in types else ""
            raise ValueError(f"{place}: {key} must be {names}; got {value!r}{hint}")


def _name(kind: str, i: int, entry: Any) -> str:
    known = isinstance(entry, dict) and isinstance(entry.get("id"), str)
    return f"{kind} '{entry['id']}'" if known else f"{kind} no. {i + 1}"


def holds(
    rule: dict[str, Any], ours: Estimate, paper: float | None = None, level: float | None = None
) -> bool:
    """Whether a measured estimate obeys a rule.

    The value decides, except for `sign`, where the whole interval must lie on its side of zero. Ends belong
    to the allowed range; `order` and `sign` are strict.

    paper : the paper's value, which a tolerance lies around.
    level : the number that an `order` compares with, as found for the rule (a number or another measurement).
    """
    margin = rule.get("by", 0)
    match rule:
        case {"kind": "within", "tolerance": tolerance} if paper is not None:
            return abs(ours.value - paper) <= tolerance
        case {"kind": "within" | "peak-in-range", "low": low, "high": high}:
            return low <= ours.value <= high
        case {"kind": "sign", "is": side}:
            return ours.low > 0 if side == "positive" else ours.high < 0
        case {"kind": "order", "above": _} if level is not None:
            return ours.value > level + margin
        case {"kind": "order", "below": _} if level is not None:
            return ours.value < level - margin
        case {"kind": "monotone", "is": direction, "at_least": rho}:
            return (ours.value if direction == "rising" else -ours.value) >= rho
        case {"kind": "ratio", "at_least": low}:
            return ours.value >= low
        case {"kind": "ratio", "at_most": high}:
            return ours.value <= high
    raise ValueError(f"a rule that cannot be judged: {rule}, paper {paper}, level {level}")


def verdict(parts: Sequence[bool | None], control: bool | None) -> str:
    """The verdict on a claim.

    parts : whether each part's rule holds for the run; None where nothing was measured.
    control : whether the rules hold for the control too; None where nothing was measured.
    """
    if all(part is None for part in parts):
        return "not testable"
    if not any(parts):
        return "not reproduced"
    if control is not False:
        return "uninformative"
    return "reproduced" if all(parts) else "partly"


class Ledger:
    """What one run of a chapter measured, and the verdicts that follow.

    chapter, size, data, seed : the run; the claims are read from notebooks/<chapter>.claims.yml under `root`.
    """

    def __init__(self, chapter: str, size: str, data: str, seed: int, *, root: Path = ROOT) -> None:
        self.run: dict[str, Any] = {"chapter": chapter, "size": size, "data": data, "seed": seed}
        self.file = read_claims(root / "notebooks" / f"{chapter}.claims.yml")
        self._recorded = root / "book" / "recorded" / chapter
        self._measured: dict[str, dict[str, Estimate | None]] = {"": {}}  # by control; "" is the run itself
        self._rows: list[dict[str, Any]] = []

    def measure(self, key: str, estimate: Estimate | None, *, control: str = "") -> None:
        """Note the value of a key, for the run itself or for a control; None where it cannot be measured."""
        keys = sorted(self.file.keys())
        if key not in keys:
            raise ValueError(f"{self.file.path}: nothing asks for '{key}'; asked for: {', '.join(keys)}")
        controls = sorted({claim.control for claim in self.file.claims})
        if control and control not in controls:
            raise ValueError(f"{self.file.path}: no control '{control}'; there are: {', '.join(controls)}")
        self._measured.setdefault(control, {})[key] = estimate

    def settle(self, out: str | Path) -> list[dict[str, Any]]:
        """Give every claim its verdict; write claims.json and departures.json to the folder `out`.

        Returns the claims as written. Raises ValueError naming what has not been measured: every key of the
        file, and for each claim its own key under its control (its other keys count there where measured).
        """
        ours = self._measured[""]
        missing = sorted(self.file.keys() - ours.keys())
        for claim in self.file.claims:
            key = claim.parts[0].ours
            if ours.get(key) is not None and key not in self._measured.get(claim.control, {}):
                missing.append(f"{key} (control {claim.control})")
        if missing:
            raise ValueError(f"{self.file.path}: not measured: {', '.join(missing)}")
        self._rows = [self._settle(claim) for claim in self.file.claims]
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "claims.json", self.run | {"device": units.device(), "claims": self._rows})
        _write(folder / "departures.json", [self._effect(departure) for departure in self.file.departures])
        return self._rows

    def _settle(self, claim: Claim) -> dict[str, Any]:
        ours = self._measured[""]
        control = self._measured.get(claim.control, {})
        passed = [self._holds(claim, part, ours) for part in claim.parts]
        under_control = [self._holds(claim, part, control) for part in claim.parts]
        judged = [outcome for outcome in under_control if outcome is not None]
        control_passed = all(judged) if judged else None
        first, control_first = claim.parts[0], control.get(claim.parts[0].ours)
        levels = [self._level(part, ours) for part in claim.parts]
        paper = claim.paper and {key: claim.paper[key] for key in ("value", "unit", "source")}
        return {
            "id": claim.id,
            "says": claim.says,
            "where": claim.where,
            "figure": claim.figure,
            "paper": paper,
            "ours": _plain(ours[first.ours]),
            "rule": first.rule,
            "level": levels[0],
            "holds": passed[0],
            "also": [
                {
                    **{"ours": _plain(ours[part.ours]), "key": part.ours, "rule": part.rule},
                    **{"level": level, "passed": holds_here},
                }
                for part, level, holds_here in zip(claim.parts[1:], levels[1:], passed[1:], strict=True)
            ],
            "passed": all(passed),
            "control": {
                "name": claim.control,
                **self.file.controls[claim.control],
                **{end: getattr(control_first, end, None) for end in ("value", "low", "high")},
                "passed": control_passed,
            },
            "verdict": verdict(passed, control_passed),
            "reason": claim.reason,
        }

    def _holds(self, claim: Claim, part: Part, values: dict[str, Estimate | None]) -> bool | None:
        estimate = values.get(part.ours)
        if estimate is None:
            return None
        if part is claim.parts[0] and claim.paper and claim.paper["unit"] != estimate.unit:
            raise ValueError(
                f"{self.file.path}: claim '{claim.id}': the paper's unit is '{claim.paper['unit']}', "
                f"'{part.ours}' was measured in '{estimate.unit}'"
            )
        level = self._level(part, values)
        if level is None and part.rule["kind"] == "order":
            return None
        return holds(part.rule, estimate, claim.paper["value"] if claim.paper else None, level)

    def _level(self, part: Part, values: dict[str, Estimate | None]) -> float | None:
        """The number that an `order` compares with; None where it was not measured, or for other rules."""
        level = part.rule.get("above", part.rule.get("below"))
        if not isinstance(level, str):
            return level
        other = (self._measured[""] | values)[level]  # what a control does not touch is the run's own
        return None if other is None else other.value

    def _effect(self, departure: dict[str, Any]) -> dict[str, Any]:
        keys = departure["effect"]
        effect = keys and {side: _plain(self._measured[""][key]) for side, key in keys.items()}
        return departure | {"effect": effect}

    def table(self) -> HTML:
        """The settled claims: the paper, this build, and what is recorded of other sizes and on real data."""
        own = [self.run["size"], self.run["data"]]
        others = [one for one in read_recorded(self._recorded) if [one["size"], one["data"]] != own]
        return HTML(tables.claims_table(self.run["chapter"], self._rows, others))

    def departures_table(self) -> HTML:
        """Where we depart from the paper or its code, with the measured effect."""
        return HTML(tables.departures_table([self._effect(departure) for departure in self.file.departures]))

    def not_drawn_table(self) -> HTML:
        """The paper's panels that are not drawn here, with the reasons."""
        return HTML(tables.not_drawn_table(self.file.not_drawn))


def read_recorded(folder: Path) -> list[dict[str, Any]]:
    """The recorded results of a chapter, one `claims.json` with its run.json as "run" each."""
    results = []
    for path in sorted(folder.glob("*/claims.json"), key=lambda path: ("--synthetic" not in str(path), path)):
        run = json.loads(path.with_name("run.json").read_text(encoding="utf-8"))
        results.append(json.loads(path.read_text(encoding="utf-8")) | {"run": run})
    return results


def _plain(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    numbers = {end: float(getattr(estimate, end)) for end in ("value", "low", "high")}
    return numbers | {"n": int(estimate.n), "unit": estimate.unit}


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
