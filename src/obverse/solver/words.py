"""What two policies say differently though it changes no verdict: prose, levels, what an agent is told, what a judge is asked.

Told beside a `Comparison`, since people care: a judge that is asked another question may answer otherwise, a level decides
what `check` complains of, an inviolable clause is touched by no grant. Not here: anything that changes a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.print import layout
from obverse.solver.changes import Comparison

What: TypeAlias = Literal[
    "clause", "prose", "level", "severity", "inviolable", "rule", "says", "permit", "judge", "tool", "fact", "front matter"
]  # fmt: skip


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is said in other words; `name` is the clause, the rule or the term, `message` a sentence."""

    what: What
    name: str
    message: str


def words(old: Checked, new: Checked, comparison: Comparison) -> tuple[Words, ...]:
    """All that is worded otherwise and changes no verdict, in the order of the new document, then of what it lacks."""
    return (*_front(old, new), *_clauses(old, new), *_rules(old, new, comparison), *_terms(old, new))


def _front(old: Checked, new: Checked) -> Iterator[Words]:
    said = [
        ("levels", " > ".join(old.levels), " > ".join(new.levels)),
        ("timezone", old.source.timezone, new.source.timezone),
        ("turn", old.default.turn, new.default.turn),
    ]
    for name, before, after in said:
        if before != after:
            yield _words("front matter", name, f"`{name}` was `{before}`, is `{after}`")
    if old.source.prose != new.source.prose:
        yield _words("prose", "", "the text outside of clauses is another")


def _clauses(old: Checked, new: Checked) -> Iterator[Words]:
    before = {clause.id: clause for clause in old.clauses}
    after = {clause.id: clause for clause in new.clauses}
    for name, clause in after.items():
        if name in before:
            yield from _clause(before[name], clause)
        else:
            yield _words("clause", name, "the clause is new" + _formalised(clause))
    for name, clause in before.items():
        if name not in after:
            yield _words("clause", name, "the clause is gone" + _formalised(clause))


def _formalised(clause: ast.Clause) -> str:
    return "" if clause.rules else "; it has no rule"


def _clause(before: ast.Clause, after: ast.Clause) -> Iterator[Words]:
    if (before.title, before.prose) != (after.title, after.prose):
        yield _words("prose", after.id, "its prose is another: a model that reads the policy is told something else")
    if before.level != after.level:
        yield _words("level", after.id, f"its level was `{before.level}`, is `{after.level}`")
    if before.severity != after.severity:
        yield _words("severity", after.id, f"its severity was `{before.severity}`, is `{after.severity}`")
    if before.inviolable != after.inviolable:
        now = "no grant can touch it any more" if after.inviolable else "a grant can touch it now"
        yield _words("inviolable", after.id, now)


def _rules(old: Checked, new: Checked, comparison: Comparison) -> Iterator[Words]:
    """Rules that are not in both and that changed no verdict, as far as that is known."""
    told = {rule.rule for change in comparison.changes for rule in change.rules}
    told |= {rule.rule for open_ in comparison.undecided for rule in open_.rules}
    gone, come = _apart(old.rules, new.rules)
    for clause in dict.fromkeys(rule.clause for rule in (*come, *gone)):
        mine = [rule for rule in gone if rule.clause == clause]
        theirs = [rule for rule in come if rule.clause == clause]
        for number in range(max(len(mine), len(theirs))):
            before = mine[number] if number < len(mine) else None
            after = theirs[number] if number < len(theirs) else None
            yield from _rule(before, after, told, old, new)


def _apart(old: Sequence[CheckedRule], new: Sequence[CheckedRule]) -> tuple[list[CheckedRule], list[CheckedRule]]:
    """The rules that only one of them has, word for word."""
    gone, come = list(old), []
    for rule in new:
        twin = next((one for one in gone if _same(one, rule)), None)
        if twin is None:
            come.append(rule)
        else:
            gone.remove(twin)
    return gone, come


def _same(one: CheckedRule, other: CheckedRule) -> bool:
    mine = (one.clause, one.kind, one.people, one.says, one.heads)
    return mine == (other.clause, other.kind, other.people, other.says, other.heads) and one.fires == other.fires


def _rule(
    before: CheckedRule | None, after: CheckedRule | None, told: set[str], old: Checked, new: Checked
) -> Iterator[Words]:
    one = after or before
    if one is None:
        return
    if before and after and before.says != after.says:
        yield _words("says", after.id, f"an agent is told {_quoted(after.says)} instead of {_quoted(before.says)}")
    kinds = {rule.kind for rule in (before, after) if rule is not None}
    if kinds == {"permit"}:
        change = "another" if before and after else "new" if after else "gone"
        yield _words(
            "permit", one.id, f"the `permit` is {change}: `check` and tests look at it, no verdict hangs on it"
        )
    elif not told & {rule.id for rule in (before, after) if rule is not None}:
        if before is None or after is None:
            change = "new" if after else "gone"
            yield _words(
                "rule", one.id, f"the rule is {change}, which changes no verdict: {_written(one, old, new, after)}"
            )
        elif before.fires != after.fires or before.heads != after.heads or before.kind != after.kind:
            yield _words(
                "rule", one.id, f"the rule is written otherwise and means the same: {_written(one, old, new, after)}"
            )


def _written(rule: CheckedRule, old: Checked, new: Checked, after: CheckedRule | None) -> str:
    clause, _, number = rule.id.rpartition("/")
    rules = (new if after is not None else old).clause(clause).rules
    return f"`{' '.join(layout(rules[int(number) - 1]).split())}`"


def _terms(old: Checked, new: Checked) -> Iterator[Words]:
    for name, term in new.judged.items():
        before = old.judged.get(name)
        if before is not None and (before.definition, before.yes, before.no) != (term.definition, term.yes, term.no):
            what = "definition" if before.definition != term.definition else "examples"
            yield _words(
                "judge", name, f"its {what} changed: a judge is asked another question, and may answer otherwise"
            )
    for name, tool in new.tools.items():
        known = old.tools.get(name)
        if known is not None and (known.description, known.asks) != (tool.description, tool.asks):
            yield _words("tool", name, "it is described in other words")
    for name, fact in new.facts.items():
        stated = old.facts.get(name)
        if stated is not None and stated.origin != fact.origin:
            yield _words("fact", name, f"it came from `{stated.origin}`, comes from `{fact.origin}`")


def _quoted(says: str | None) -> str:
    return "nothing of its own" if says is None else f'"{says}"'


def _words(what: What, name: str, message: str) -> Words:
    return Words(what=what, name=name, message=message)
