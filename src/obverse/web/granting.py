"""What a grant in place of an approval would newly allow: asked of the solver, shown by scenarios, before anybody thinks of one.

The grant that is looked at has the widest scope that the request suggests: its clauses, lifted for every call of its tool. Nothing is
signed here; `obverse grant` makes grants.
"""

from __future__ import annotations

from collections.abc import Iterator

from obverse.core.errors import MisuseError
from obverse.core.verdicts import Truth, Verdict
from obverse.guard.approvals.asked import Asked
from obverse.guard.approvals.sight import seen_line
from obverse.policy.checked import Checked
from obverse.policy.grants import InForce, every_call_of, read_scope
from obverse.report.wording import count, listed
from obverse.solver.answers import Act, Scenario
from obverse.solver.preview import Preview, previewed
from obverse.solver.settings import Settings
from obverse.web.telling import line
from obverse.web.views import GrantPage, Newly

SETTINGS = Settings(timeout_ms=3_000, effort=1_500_000)
"""Somebody waits for the page: less effort than the command takes, and what is not settled by then is said to be open."""

_TEXT = 600
_SHORT = {
    Verdict.STOP: "stopped",
    Verdict.DENY: "denied",
    Verdict.ASK: "asked",
    Verdict.WARN: "warned",
    Verdict.ALLOW: "allowed",
}


def previewed_for(asked: Asked, checked: Checked) -> Preview:
    """What a grant of the request's clauses for its tool would newly allow.

    Raises:
        MisuseError: the request is of another policy, or none of its clauses may be lifted.
    """
    request = asked.request
    if request.policy != checked.digest:
        raise MisuseError("the guard has another policy by now", code="G625")
    known = {clause.id: clause for clause in checked.clauses}
    asks = [known[name] for name in request.clauses if name in known]
    clauses = frozenset(clause.id for clause in asks if not clause.inviolable)
    if not clauses:
        raise MisuseError(
            "no clause of this request may be lifted by a grant",
            code="G625",
            hint="Only an approval can allow it, each time.",
        )
    scope = read_scope(checked, every_call_of(request.tool))
    kept = tuple(clause.id for clause in asks if clause.id not in clauses)
    return previewed(checked, InForce(id="preview", clauses=clauses, scopes=(scope,)), kept=kept, settings=SETTINGS)


def grant_page(asked: Asked, found: Preview) -> GrantPage:
    """The page of this preview."""
    tool = "a reply" if asked.request.tool is None else seen_line(asked.request.tool)
    known = f"for {found.bound}" if not found.unbounded else "without a bound"
    return GrantPage(
        title="what a grant would allow",
        answer=f"If a grant lifted {listed([seen_line(name) for name in found.clauses])} for every call of {tool}",
        id=asked.request.id,
        changes=tuple(_changes(found)),
        stays=tuple(_stays(found)),
        undecided=tuple(f"{_of(one.act)}: {one.reason}" for one in found.undecided),
        nothing=found.nothing is Truth.TRUE,
        summary=f"{count(found.queries, 'question')} to the solver; what it proved holds {known}.",
    )


def _changes(found: Preview) -> Iterator[Newly]:
    for change in sorted(found.changes, key=lambda change: (change.new.strictness, -change.old.strictness)):
        said = f"{_of(change.act)}: {_SHORT[change.old]} today, {_SHORT[change.new]} with the grant"
        rules = listed(sorted({rule.rule for rule in change.rules}))
        yield _newly(said, rules, change.scenario)


def _stays(found: Preview) -> Iterator[Newly]:
    for stays in found.stays:
        firm = ", whose clause is inviolable" if stays.inviolable else ""
        yield _newly(f"{_of(stays.act)} stays {_SHORT[stays.verdict]}{firm}", stays.rule, stays.scenario)


def _newly(said: str, rules: str, scenario: Scenario) -> Newly:
    return Newly(
        said=said,
        rules=seen_line(rules, 200),
        lines=tuple(line(event, limit=_TEXT) for event in (*scenario.history, scenario.step.event)),
    )


def _of(act: Act) -> str:
    return "A reply" if act.kind == "reply" else f"A call of {seen_line(act.tool or 'any tool')}"
