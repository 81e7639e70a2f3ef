"""The findings of a check as SARIF 2.1.0 (OASIS Standard, 27 March 2020), which code hosts show beside the text of the policy.

A finding is a result with its rule, place, fingerprint and, where there is a witness, a code flow: an event a step. A question
that stayed open is a result of kind `open` (§3.27.9): the tool could not decide, and nothing passes for it. Nothing is computed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from obverse.core.canon import canonical
from obverse.core.errors import Span
from obverse.core.events import AnyEvent
from obverse.core.version import VERSION
from obverse.policy.checked import Checked
from obverse.report import acts
from obverse.report.visible import visible
from obverse.solver.findings import MEANINGS, Analysis, Finding, Open, Severity, Witness
from obverse.solver.whereabouts import whereabouts

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS: Final[Mapping[Severity, str]] = {"error": "error", "warning": "warning", "info": "note"}
_MOST: Final = 1_000  # characters of one event
_CODES: Final = {code: place for place, code in enumerate(MEANINGS)}
_BASE: Final = "%SRCROOT%"

Log = dict[str, Any]  # SARIF is what its schema says: records of our own would only repeat that


def render_sarif(checked: Checked, analysis: Analysis, *, source: str) -> Log:
    """The log of one check. `source` is the path of the policy, as it was given: a relative one stays relative."""
    places = whereabouts(checked)
    location = _artifact(source)
    results = [_result(finding, places, location) for finding in analysis.findings]
    results += [_left_open(one, location) for one in analysis.undecided]
    _tell_apart(results)
    solver = analysis.solver
    run: Log = {
        "tool": {
            "driver": {"name": "obverse", "version": VERSION, "semanticVersion": VERSION, "rules": list(_rules())},
            "extensions": [{"name": solver.name, "version": solver.version}],
        },
        "invocations": [{"executionSuccessful": True}],
        "artifacts": [{"location": location, "sourceLanguage": "markdown"}],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "policy": checked.name,
            "policyVersion": checked.version,
            "policyDigest": checked.digest,
            "solverOptions": solver.options,
            "bound": solver.bound,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules() -> Iterator[Log]:
    for code, (severity, meaning) in MEANINGS.items():
        yield {
            "id": code,
            "shortDescription": {"text": meaning},
            "help": {"text": f"{meaning}. An example, and how to mend it: docs/analyses/{code}.md"},
            "defaultConfiguration": {"level": LEVELS[severity]},
        }


def _result(finding: Finding, places: Mapping[str, Span], location: Log) -> Log:
    related = [name for name in finding.others if f"rule {name}" in places]
    found: Log = {
        **_about(finding, finding.message, location),
        "kind": "fail",
        "level": LEVELS[finding.severity],
    }
    if related:
        found["relatedLocations"] = [
            {"id": number, "message": {"text": f"the rule {visible(name)}"}, **_at(places[f"rule {name}"], location)}
            for number, name in enumerate(related, 1)
        ]
    if finding.witness is not None:
        found["codeFlows"] = [_flow(finding.witness, _at(finding.at, location))]
    return found


def _left_open(one: Open, location: Log) -> Log:
    return {**_about(one, f"not decided: {one.reason}", location), "kind": "open", "level": "none"}


def _about(one: Finding | Open, text: str, location: Log) -> Log:
    """What a result says whatever its kind."""
    name = one.about if isinstance(one, Finding) else None
    others = one.others if isinstance(one, Finding) else ()
    where = _at(one.at, location)
    named = name or one.rule or one.clause
    if named is not None:
        where["logicalLocations"] = [{"name": visible(named), "kind": "declaration" if name else "rule"}]
    return {
        "ruleId": one.code,
        **({"ruleIndex": _CODES[one.code]} if one.code in _CODES else {}),
        "message": {"text": visible(text)},
        "locations": [where],
        "partialFingerprints": {"obverse/v1": _fingerprint(one.code, one.clause, one.rule, name, *others)},
        "properties": {
            "clause": one.clause,
            "query": one.query,
            "within": one.within if isinstance(one, Finding) else None,
        },
    }


def _tell_apart(results: Sequence[Log]) -> None:
    """A number behind what would have the same fingerprint: the second such finding stays the second."""
    seen: Counter[str] = Counter()
    for result in results:
        prints = result["partialFingerprints"]
        mark = prints["obverse/v1"]
        prints["obverse/v1"] = f"{mark}:{seen[mark] + 1}"
        seen[mark] += 1


def _flow(witness: Witness, where: Log) -> Log:
    """The past and the step, then what is decided. Events have no place of their own: all stand at the rule."""
    said = [_said(event) for event in witness.history]
    said += [f"proposed: {_said(event)}" for event in witness.step.turn]
    said.append(f"decided: {witness.verdict.value}")
    steps = [
        {"location": {"message": {"text": text}, **where}, "executionOrder": number}
        for number, text in enumerate(said, 1)
    ]
    return {"threadFlows": [{"locations": steps}]}


def _said(event: AnyEvent) -> str:
    line = acts.line(event, limit=_MOST)
    parts = [line.who, line.head, "".join(piece.text for piece in line.pieces)]
    parts += [f"{field.name}: {field.value}" for field in line.fields]
    return " ".join(part for part in parts if part)


def _at(at: Span | None, location: Log) -> Log:
    """A physical location; without a place in the text, the file itself."""
    region = {} if at is None else {"region": _region(at)}
    return {"physicalLocation": {"artifactLocation": location, **region}}


def _region(at: Span) -> Log:
    return {
        "startLine": at.line,
        "startColumn": at.column,
        "endLine": max(at.line, at.end_line),
        "endColumn": max(1, at.end_column),
    }


def _artifact(source: str) -> Log:
    """Where the policy lies: §3.4.3 wants a URI, and a relative one has a base."""
    path = PurePath(source)
    if path.is_absolute():
        return {"uri": f"file://{quote(path.as_posix())}"}
    return {"uri": quote(path.as_posix()), "uriBaseId": _BASE}


def _fingerprint(*parts: str | None) -> str:
    return hashlib.sha256(canonical(list(parts))).hexdigest()[:32]
