"""A run as JUnit XML, for CI: a suite per clause and side, a test per case.

No schema of JUnit is official; this keeps to what Jenkins, GitLab and GitHub's reporters read alike: `testsuites`, `testsuite`,
`properties`, `testcase`, and in it at most one of `failure`, `error`, `skipped`. A case with one broken trial is a failure,
else with one that ended in an error an error, else with one unscored skipped: none of these ever passes (L11). The claim
with its interval stands in the properties of the suite; whether it holds is the exit code of `obverse run`, not a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from obverse.campaign.records import CaseLine, ClaimLine, ClauseView, Summary
from obverse.core.verdicts import Outcome, Side
from obverse.report.acts import act
from obverse.report.cards import title, worst
from obverse.report.visible import one_line, visible
from obverse.report.wording import plain_percent, rate, tally

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST: Final = 4_000  # characters of one message
_TAGS: Final = {"broken": "failure", "error": "error", "unscored": "skipped", "untried": "skipped"}
_MARKS: Final = {"failures": "failure", "errors": "error", "skipped": "skipped"}
_OUTCOMES: Final = {"broken": Outcome.BROKEN, "error": Outcome.ERROR, "unscored": Outcome.UNSCORED}


def render_junit(summary: Summary) -> str:
    """The run as one XML document."""
    suites = [suite for clause in summary.clauses for suite in _suites(clause, summary)]
    root = Element(
        "testsuites", _counts(suites, name=_clean(f"{summary.plan.policy_name} {summary.plan.policy_version}"))
    )
    if summary.seconds is not None:
        root.set("time", f"{summary.seconds:.3f}")
    root.extend(suites)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suites(clause: ClauseView, summary: Summary) -> Iterator[Element]:
    for side in Side:
        cases = [line for line in clause.cases if line.case.side == side]
        claim = next((claim for claim in clause.claims if claim.side == side), None)
        if not cases and claim is None:
            continue
        tests = [_test(line, clause, summary) for line in cases]
        suite = Element("testsuite", _counts(tests, name=_clean(f"{clause.id} ({side})")))
        if claim is not None:
            suite.append(_properties(claim))
        suite.extend(tests)
        yield suite


def _counts(children: Sequence[Element], *, name: str) -> dict[str, str]:
    """The attributes that parsers add up: of tests, or of suites."""
    added = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for child in children:
        if child.tag == "testsuite":
            own = {key: int(child.attrib[key]) for key in added}
        else:
            marks = {key: len(child.findall(tag)) for key, tag in _MARKS.items()}
            own = {"tests": 1, **marks}
        added = {key: number + own[key] for key, number in added.items()}
    return {"name": name, **{key: str(number) for key, number in added.items()}}


def _properties(claim: ClaimLine) -> Element:
    found = Element("properties")
    values = {
        "verdict": claim.verdict,
        "rate": rate(claim),
        "claimed": f"below {plain_percent(claim.threshold)}",
        "why": claim.why,
    }
    for name, value in values.items():
        SubElement(found, "property", name=name, value=_clean(value))
    return found


def _test(line: CaseLine, clause: ClauseView, summary: Summary) -> Element:
    case = line.case
    test = Element(
        "testcase",
        name=_clean(f"{title(case)} [{case.id}]"),
        classname=_clean(f"{summary.plan.policy_name}.{clause.id}"),
    )
    times = [trial.seconds for trial in line.shown if trial.seconds is not None]
    if times:
        test.set("time", f"{sum(times):.3f}")
    found = worst(line.tally)
    if found in _TAGS:
        mark = SubElement(test, _TAGS[found], message=_clean(f"{tally(line.tally)}: {case.verdict} is expected"))
        if _TAGS[found] != "skipped":
            mark.set("type", found)
        mark.text = _clean(_told(line, _OUTCOMES.get(found)))
    return test


def _told(line: CaseLine, outcome: Outcome | None) -> str:
    """What is expected, and what came instead, in a few lines."""
    said = [f"act: {act(line.case.step.event)}"]
    for trial in line.shown:
        if trial.outcome == outcome:
            last = next((event for event in trial.transcript if event.id == trial.offending), None)
            said.append(f"round {trial.round + 1}: {one_line(trial.error or trial.reason, 400)}")
            said += [f"  {act(last)}"] if last is not None else []
    return "\n".join(said)


def _clean(text: str) -> str:
    """What XML 1.0 can hold (section 2.2), with what hides made visible."""
    return _NOT_XML.sub("\ufffd", visible(text[:_MOST]))
