"""Plan + book → `Summary`: everything that a report says of a run. The same from a live run and from its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from obverse.campaign.book import Book, tally_of
from obverse.campaign.planning import ALL, asked
from obverse.campaign.records import CaseLine, ClaimLine, ClauseView, JudgeLine, Plan, Summary, Trial
from obverse.cases.records import Suite
from obverse.core.canon import digest
from obverse.core.verdicts import Outcome
from obverse.core.version import VERSION
from obverse.policy.ast import Clause
from obverse.policy.checked import Checked
from obverse.policy.print import text_of


def plan_digest(plan: Plan) -> str:
    """What names a run: the digest of all that was fixed before it (L18). Rates stand in it as text."""
    return digest(_exact(msgspec.to_builtins(plan)))


def summarise(
    checked: Checked,
    suite: Suite,
    plan: Plan,
    book: Book,
    judges: Sequence[JudgeLine],
    *,
    ended: str,
    complete: bool,
    started: str | None,
    seconds: float | None,
) -> Summary:
    """The summary of what the book holds."""
    claims = book.claim_lines()
    return Summary(
        plan=plan,
        plan_digest=plan_digest(plan),
        started=started,
        seconds=seconds,
        complete=complete,
        ended=ended,
        verdict=verdict_of(claims),
        tally=book.tally,
        overall=tuple(claim for claim in claims if claim.clause == ALL),
        clauses=tuple(_view(suite, book, clause, claims) for clause in checked.clauses),
        judges=tuple(judges),
        calls=sum(book.case_calls.values()),
        prompt_tokens=book.usage.prompt if book.usage.known else None,
        completion_tokens=book.usage.completion if book.usage.known else None,
        money=None if book.money is None else f"{book.money:.4f}",
        errors=dict(sorted(book.errors.items())),
        version=VERSION,
    )


def verdict_of(claims: Sequence[ClaimLine]) -> Literal["holds", "fails", "undecided"]:
    """`fails` if one claim fails, `holds` if all hold, else undecided; of no claims nothing is known."""
    verdicts = {claim.verdict for claim in claims}
    if "fails" in verdicts:
        return "fails"
    return "holds" if verdicts == {"holds"} else "undecided"


def _view(suite: Suite, book: Book, clause: Clause, claims: Sequence[ClaimLine]) -> ClauseView:
    cases = [case for case in asked(suite) if case.clause == clause.id]
    covered = next((found for found in suite.coverage.clauses if found.clause == clause.id), None)
    levels = covered.levels if covered else {}
    return ClauseView(
        id=clause.id,
        title=clause.title,
        prose=clause.prose,
        level=clause.level,
        severity=clause.severity,
        inviolable=clause.inviolable,
        rules=tuple(text_of(rule) for rule in clause.rules),
        claims=tuple(claim for claim in claims if claim.clause == clause.id),
        cases=tuple(
            CaseLine(case=case, tally=tally_of(book.tallies[case.id]), shown=_shown(book, case.id)) for case in cases
        ),
        coverage={
            level.value: {"met": count.met, "infeasible": count.infeasible, "open": count.open}
            for level, count in levels.items()
        },
        infeasible=tuple(found.obligation.key for found in suite.infeasible if found.obligation.clause == clause.id),
        calls=sum(book.case_calls[case.id] for case in cases),
        tokens=sum(book.case_tokens[case.id] for case in cases),
    )


def _shown(book: Book, case: str) -> tuple[Trial, ...]:
    """The trials to show: broken ones first, kept ones last."""
    order = (Outcome.BROKEN, Outcome.UNSCORED, Outcome.ERROR, Outcome.KEPT)
    return tuple(sorted(book.shown[case], key=lambda trial: (order.index(trial.outcome), trial.round)))


def _exact(value: Any) -> Any:
    """Records as plain values, floats as their shortest text: what has a float has no canonical form."""
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return value
