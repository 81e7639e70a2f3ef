"""What a grant says, and what it rests on: a signed, scoped, counted, expiring relaxation of named clauses. Records only.

Who may sign one, whether it was signed, revoked or used up is `guard.grants`; what it does to a decision is `policy.relax`.

    scope = heads [ "when" cond ] [ "trusting" "judge" ]

in the rule language and over the policy's own terms: `issue_certificate when amount <= 200`. A scope lifts only where it is
*true*; not knowing lifts nothing (L03). A judge alone is not enough where there is an effect, unless the scope says so.

Laws: L12 (a grant is never wider than what it was derived from).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from obverse.core.canon import digest
from obverse.core.errors import EvidenceError, ManyErrors, MisuseError, Span, UntrustedInputError
from obverse.policy import ast
from obverse.policy.check import RuleCheck, node_digest
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.faults import Faults, did_you_mean, quoted
from obverse.policy.front import zone_minutes
from obverse.policy.print import layout
from obverse.policy.statements import Statement
from obverse.policy.syntax import LONGEST_STATEMENT, parse_statement

KIND: Final = "obverse.grant/1"
LIFTABLE: Final = frozenset({"forbid", "require", "limit", "ask"})
"""The kinds of rules that a grant can lift. A `stop` says that the session is not to be trusted any more, and a `warn` blocks nothing."""

MOST_USES: Final = 1_000_000
LONGEST_PURPOSE: Final = 2_000
MOST_CLAUSES: Final = 200
DEEPEST_CHAIN: Final = 8
"""How often a grant may be handed on."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms of a grant. Times are milliseconds since the epoch; it is in force from `not_before` to before `not_after`.

    `policy` is the digest of the policy that it was written for, and it is void under any other; with `follows`, the digest of
    what its clauses and its scope rest on (`ground`), it stays in force wherever those are the same. `parent` is the grant
    that this one was derived from: then `by` is its holder, and every scope up to the root must be true.
    """

    by: str
    time: int
    holder: str
    clauses: tuple[str, ...]
    scope: str
    purpose: str
    uses: int
    not_before: int
    not_after: int
    nonce: str
    policy: str
    follows: str | None = None
    parent: str | None = None

    @property
    def statement(self) -> dict[str, Any]:
        """What is signed: these terms, and what they are."""
        return {"_type": KIND, **msgspec.to_builtins(self)}

    @property
    def id(self) -> str:
        """The digest of the signed bytes: whoever has the id has the terms."""
        return digest(self.statement)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """A scope that means something in a policy: its heads, and its condition resolved (`true` where it has none)."""

    text: str
    heads: tuple[ast.Head, ...]
    when: ast.Expr


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that was found to be in force: which clauses it may lift, where *all* of these scopes are true."""

    id: str
    clauses: frozenset[str]
    scopes: tuple[Scope, ...]


def read_grant(statement: dict[str, Any]) -> Grant:
    """The terms in a statement.

    Raises:
        EvidenceError: if it is no grant, or its numbers are none that a grant can have.
    """
    try:
        grant = msgspec.convert({name: value for name, value in statement.items() if name != "_type"}, Grant)
    except msgspec.ValidationError as error:
        raise EvidenceError("a statement that is no grant", code="G300") from error
    fault = unsound(grant)
    if fault is not None or statement.get("_type") != KIND:
        raise EvidenceError(f"a grant that is none: {fault or 'another kind of statement'}", code="G300")
    return grant


def unsound(grant: Grant) -> str | None:
    """Why no grant can have these terms, whatever the policy; None if one can."""
    if not 1 <= grant.uses <= MOST_USES:
        return f"{grant.uses} uses, not 1 to {MOST_USES:,}"
    if not 0 <= grant.not_before < grant.not_after:
        return "it ends before it begins"
    if not grant.clauses or len(set(grant.clauses)) < len(grant.clauses) or len(grant.clauses) > MOST_CLAUSES:
        return "no list of different clauses"
    if not grant.holder.strip() or not grant.nonce:
        return "it names no holder"
    if not grant.purpose.strip() or len(grant.purpose) > LONGEST_PURPOSE:
        return f"a purpose of {len(grant.purpose.strip()):,} characters"
    return None


def not_narrower(child: Grant, parent: Grant) -> str | None:
    """In what the derived grant is wider than what it was derived from; None if in nothing (L12).

    The scope needs no comparison: the parent's is asked as well. The count of the parent counts as well.
    """
    if child.by != parent.holder:
        return f"it is by {quoted(child.by)}, and {quoted(parent.holder)} holds the grant above"
    wider = [clause for clause in child.clauses if clause not in parent.clauses]
    if wider:
        return f"the clause {quoted(wider[0])} is not in the grant above"
    if child.uses > parent.uses:
        return f"{child.uses} uses, and the grant above has {parent.uses}"
    if child.not_before < parent.not_before or child.not_after > parent.not_after:
        return "it is in force longer than the grant above"
    return None


# --- against a policy ---------------------------------------------------------------------------------------------------


def read_scope(checked: Checked, text: str) -> Scope:
    """The scope that this text means in this policy.

    Raises:
        ManyErrors: with every fault of it, each with its place in the text.
    """
    faults = Faults("scope")
    rule = _rule(text, zone_minutes(checked.source.timezone), faults)
    for fault in faults.found:
        fault.at = _START if fault.at is None or not fault.at.line else fault.at
    faults.stop()
    if rule is None:
        raise ManyErrors([UntrustedInputError("no scope", code="G301", source="scope", hint=_FORM)])
    found = RuleCheck(checked.source).noting(rule, faults, name="scope", clause="scope")
    if faults.found:
        raise ManyErrors([_of_a_scope(fault) for fault in faults.found])
    if found is None:
        raise ManyErrors([UntrustedInputError("no scope", code="G301", source="scope", hint=_FORM)])
    return Scope(text=text, heads=found.heads, when=found.exception or ast.Boolean(value=True))


def every_call_of(tool: str | None) -> str:
    """The scope that speaks of every call of a tool, whatever its name; of every reply, for None."""
    head = ast.Head(kind="reply") if tool is None else ast.Head(kind="tool", tool=tool)
    return layout(ast.Rule(kind="warn", heads=(head,))).removeprefix("warn").strip()


def is_bound(grant: Grant, checked: Checked) -> bool:
    """Whether the grant was written for this policy, or follows what is the same in it."""
    if grant.policy == checked.digest:
        return True
    if grant.follows is None:
        return False
    known = {clause.id for clause in checked.clauses}
    try:
        return known.issuperset(grant.clauses) and ground(checked, grant.clauses, grant.scope) == grant.follows
    except UntrustedInputError:
        return False


def ground(checked: Checked, clauses: Iterable[str], scope: str) -> str:
    """The digest of what a grant rests on: its clauses as written and as resolved, its scope, and every term that they use.

    Not the other clauses: what those stop allowing or begin to allow is theirs.
    """
    named = sorted(set(clauses))
    read = read_scope(checked, scope)
    rules = [rule for rule in checked.rules if rule.clause in named]
    nodes = [*(node for rule in rules for node in _nodes(rule)), *read.heads, *ast.walk(read.when)]
    return digest(
        {
            "clauses": [node_digest(checked.clause(name)) for name in named],
            "rules": [node_digest(rule) for rule in rules],
            "scope": node_digest((*read.heads, read.when)),
            "terms": [node_digest(term) for term in _terms(checked, nodes)],
            "levels": list(checked.levels),
            "zone": checked.timezone_minutes,
        }
    )


def own_level(checked: Checked) -> str:
    """The level at which somebody stands of whom nothing is said: that of clauses of which nothing is said."""
    return "developer" if "developer" in checked.levels else checked.levels[0]


def may_lift(checked: Checked, levels: Sequence[str]) -> frozenset[str]:
    """The clauses that grants of somebody with these levels may lift; without any: their own level and those below it.

    INVARIANT: never an inviolable one (L12).
    """
    allowed = frozenset(levels) or frozenset(checked.levels[checked.levels.index(own_level(checked)) :])
    return frozenset(clause.id for clause in checked.clauses if clause.level in allowed and not clause.inviolable)


def check_grant(checked: Checked, grant: Grant, levels: Sequence[str]) -> Scope:
    """The scope of a grant that is about to be signed by somebody with these levels, if it means something in this policy.

    Raises:
        MisuseError: it names what is not there, may not be lifted, or has nothing that can be lifted.
        ManyErrors: the scope has faults.
    """
    fault = unsound(grant)
    if fault is not None:
        raise MisuseError(f"no grant: {fault}", code="G300")
    known, allowed = {clause.id: clause for clause in checked.clauses}, may_lift(checked, levels)
    for name in grant.clauses:
        if name not in known:
            raise MisuseError(f"no clause {quoted(name)}", code="G302", hint=did_you_mean(name, known))
        if known[name].inviolable:
            raise MisuseError(f"the clause {quoted(name)} is inviolable: no grant lifts it", code="G303")
        if name not in allowed:
            raise MisuseError(
                f"the clause {quoted(name)} is of level {quoted(known[name].level)}, which {quoted(grant.by)} may not lift",
                code="G304", hint="the record of a person names the levels that their grants may lift",
            )  # fmt: skip
        if not any(rule.kind in LIFTABLE for rule in checked.rules if rule.clause == name):
            raise MisuseError(
                f"the clause {quoted(name)} has no rule that a grant lifts", code="G305",
                hint="a grant lifts `forbid`, `require`, `limit` and `ask`",
            )  # fmt: skip
    return read_scope(checked, grant.scope)


# --- the text of a scope ------------------------------------------------------------------------------------------------

_FORM: Final = "write what is granted and where: `pay when amount <= 200`"


def _rule(text: str, zone: int, faults: Faults) -> ast.Rule | None:
    """The scope as the rule that it makes an exception of: whatever is not in it stays forbidden."""
    if len(text) > LONGEST_STATEMENT:
        faults.add("the scope is too long", _START, code="G301")
        return None
    node = parse_statement("rule", Statement(first=0, lines=("warn", *text.split("\n"))), zone, faults)
    if not isinstance(node, ast.Rule):
        return None
    if node.unless is not None or node.says is not None or node.by is not None or node.per is not None:
        faults.add("a scope has heads and `when`, nothing else", _START, code="G301", hint=_FORM)
    return ast.Rule(kind="forbid", heads=node.heads, unless=node.when, trusting_judge=node.trusting_judge)


def _of_a_scope(fault: UntrustedInputError) -> UntrustedInputError:
    if fault.code != "P219":
        return fault
    hint = "add a condition that is no judgement, or end the scope with `trusting judge`"
    return UntrustedInputError(
        "a judge alone would lift the clauses", code="G306", at=_START, source="scope", hint=hint
    )


_START: Final = Span(line=1, column=1, end_line=1, end_column=2)


# --- what rules rest on -------------------------------------------------------------------------------------------------


def _nodes(rule: CheckedRule) -> Iterable[ast.Node]:
    return [*rule.heads, *ast.walk(rule.fires)]


def _terms(checked: Checked, nodes: Collection[ast.Node]) -> list[ast.Term]:
    """The declarations of all that these speak of, each once, in a fixed order; of every tool where any may be meant."""
    spoken = [node for node in nodes if isinstance(node, ast.Head | ast.Pattern)]
    spoken += [head for node in nodes if isinstance(node, ast.Exceeds) for head in node.heads]
    every = any(node.tool is None and node.kind != "reply" for node in spoken)
    tools = {node.tool for node in spoken if node.tool is not None}
    facts = {node.fact for node in nodes if isinstance(node, ast.Pattern)}
    facts |= {node.name for node in nodes if isinstance(node, ast.FactValue)}
    judged = {node.name for node in nodes if isinstance(node, ast.JudgedAnswer)}
    return [
        *(checked.tools[name] for name in sorted(checked.tools) if every or name in tools),
        *(checked.facts[name] for name in sorted(checked.facts) if name in facts),
        *(checked.judged[name] for name in sorted(checked.judged) if name in judged),
    ]
