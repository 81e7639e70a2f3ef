"""An audit as its page, text and JSON, over transcripts that break a small policy for certain, perhaps, and not at all."""

from __future__ import annotations

import json

import msgspec
import pytest

from obverse.campaign.audits import Auditor, AuditSummary, Unread
from obverse.core.events import AnyEvent, Call, Message, Reply, Result
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.report.data import render_audit_json
from obverse.report.html import render_audit_html
from obverse.report.terminal import render_audit_text
from obverse.stats import exact

POLICY = b"""---
policy: desk
version: 2
---
# A desk

```terms
tool get_order(id: text) -> (paid: bool)  effect read
tool refund(id: text, amount: number)  effect money
```

## Look first  {#look severity=high}

An order is looked up before money goes back.

```rule
forbid refund(id: r) unless once get_order(id: r)
```

## Only what was paid  {#paid}

```rule
forbid refund(id: r) unless last get_order(id: r) has paid = true
```

## Be kind  {#kind}

No rule says it.
"""


def call(id: str, tool: str, arguments: str) -> Call:
    return Call(id=id, call_id=f"c{id}", tool=tool, arguments=arguments, origin=int(id), turn=int(id))


def transcript(kind: str) -> tuple[AnyEvent, ...]:
    """`good`: looked up and paid; `bad`: never looked up; `unclear`: looked up, but whether it was paid is missing."""
    asked = Message(id="1", text="Money back for order 7, <b>now</b>.", origin=1)
    paid = {"good": '{"paid": true}', "unclear": "{}"}.get(kind)
    refund = call("4", "refund", '{"id": "7", "amount": 12.50}')
    done = Reply(id="5", text="Done.", origin=5, turn=5)
    if paid is None:
        return (asked, refund, done)
    looked = Result(id="3", call_id="c2", tool="get_order", output=paid, origin=3)
    return (asked, call("2", "get_order", '{"id": "7"}'), looked, refund, done)


@pytest.fixture(scope="module")
def audited() -> AuditSummary:
    auditor = Auditor(check(parse(POLICY, source="desk.md")))
    for number, kind in enumerate(["good"] * 6 + ["bad"] * 3 + ["unclear"] * 2):
        auditor.take(f"t{number}", transcript(kind))
    auditor.skip(Unread(file="log.jsonl", line=12, reason="not a readable line: it ends in the middle"))
    return auditor.summary(files=["log.jsonl"], assumed_start=1_715_785_200_000, version="0.1.0")


def test_a_clause_is_counted_over_the_transcripts_in_which_it_had_a_say(audited: AuditSummary) -> None:
    look = next(clause for clause in audited.clauses if clause.clause == "look")
    assert (look.broken, look.undecided, look.of) == (3, 0, 11)
    assert look.low == pytest.approx(exact.lower_bound(trials=11, broken=3, error=0.025))
    assert look.high == pytest.approx(exact.upper_bound(trials=11, broken=3, error=0.025))


def test_L11_what_was_undecided_is_no_break_and_widens_the_worst_case(audited: AuditSummary) -> None:
    paid = next(clause for clause in audited.clauses if clause.clause == "paid")
    assert paid.undecided >= 2
    assert paid.high is not None
    assert paid.worst_high is not None
    assert paid.worst_high > paid.high
    assert paid.broken + paid.undecided <= paid.of


def test_L10_a_clause_that_had_no_say_has_no_figure(audited: AuditSummary) -> None:
    kind = next(clause for clause in audited.clauses if clause.clause == "kind")
    assert (kind.of, kind.low, kind.high) == (0, None, None)


def test_a_finding_tells_where_what_and_why(audited: AuditSummary) -> None:
    finding = next(finding for finding in audited.findings if finding.state == "broken")
    assert (finding.transcript, finding.message, finding.clause, finding.verdict) == ("t6", 4, "look", "deny")
    assert "refund" in finding.act
    assert "once get_order" in finding.because
    assert [event.id for event in finding.excerpt] == ["1", "4"]


def test_findings_beyond_the_limit_are_counted(audited: AuditSummary) -> None:
    auditor = Auditor(check(parse(POLICY, source="desk.md")), most=2)
    for number in range(5):
        auditor.take(f"t{number}", transcript("bad"))
    summary = auditor.summary(files=[])
    assert len(summary.findings) == 2
    assert summary.found > 2
    assert next(clause for clause in summary.clauses if clause.clause == "look").broken == 5
    assert "more findings were counted and not kept" in render_audit_html(summary)


def test_the_page_says_what_was_broken_where_and_what_was_not_read(audited: AuditSummary) -> None:
    page = render_audit_html(audited)
    for said in ("broken", "Look first", "t6, message 4", "this broke the clause", "log.jsonl, line 12", "What this does not say",
                 "Where a transcript has no clock", "&lt;b&gt;now&lt;/b&gt;", "Only what was paid", "12.50"):  # fmt: skip
        assert said in page
    assert "<script" not in page


def test_the_json_keeps_its_contract(audited: AuditSummary) -> None:
    found = json.loads(render_audit_json(audited))
    assert {"policy", "transcripts", "findings", "clauses"} <= set(found)
    assert set(found["policy"]) == {"name", "version", "digest"}
    assert {"transcript", "message", "clause", "verdict", "because"} <= set(found["findings"][0])
    assert {"clause", "broken", "of", "low", "high"} <= set(found["clauses"][0])
    assert msgspec.json.decode(render_audit_json(audited), type=AuditSummary) == audited


def test_the_text_begins_with_the_answer(audited: AuditSummary) -> None:
    lines = render_audit_text(audited).splitlines()
    assert "broken" in lines[0]
    assert any("look" in line and "(3 of 11)" in line for line in lines)


def test_nothing_audited_is_said_so() -> None:
    summary = Auditor(check(parse(POLICY, source="desk.md"))).summary(files=[])
    assert summary.verdict == "undecided"
    assert render_audit_text(summary).splitlines()[0] == "Nothing was audited."
    assert "Nothing was audited." in render_audit_html(summary)
