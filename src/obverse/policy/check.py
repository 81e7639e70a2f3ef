"""`check`: `Policy` → `Checked`, in which every name means something and every type agrees; or all of its faults in one go.

Not the solver: whether rules contradict each other or can never fire is asked elsewhere, of what comes from here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from obverse.core.canon import digest
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.declare import declared, is_doubtful
from obverse.policy.faults import Faults
from obverse.policy.memory import memory_of
from obverse.policy.resolve import LARGEST, Resolver, TooLargeError
from obverse.policy.scope import StepScope, World
from obverse.policy.syntax import DEEPEST
from obverse.policy.trust import rests_on_judge


def check(policy: ast.Policy, *, source: str = "policy.md") -> Checked:
    """The policy, resolved and typed, ready to be decided.

    Raises:
        ManyErrors: with every fault that was found, in the order of the text.
    """
    faults = Faults(source)
    world = declared(policy, faults)
    rules: list[CheckedRule] = []
    for clause in policy.clauses:
        for number, rule in enumerate(clause.rules, 1):
            if is_doubtful(rule, world):
                continue  # it would be told of faults that are not its own
            found = _rule(rule, f"{clause.id}/{number}", clause.id, world, faults)
            if found is not None:
                rules.append(found)
    faults.stop()
    return Checked(
        name=policy.name,
        version=policy.version,
        digest=policy_digest(policy),
        source=policy,
        default=policy.default,
        levels=policy.levels,
        timezone_minutes=world.zone,
        tools=world.tools,
        facts=world.facts,
        judged=world.judged,
        clauses=policy.clauses,
        rules=tuple(rules),
        memory=tuple(memory for rule in rules for memory in memory_of(rule)),
    )


class RuleCheck:
    """Checks rules against the terms of a policy, one by one: for who tries many, and needs no name for what comes of it.

    Raises:
        ManyErrors: if the terms themselves have faults.
    """

    def __init__(self, policy: ast.Policy) -> None:
        faults = Faults("policy.md")
        self._world = declared(policy, faults)
        faults.stop()

    def checked(self, rule: ast.Rule, *, name: str, clause: str) -> CheckedRule | None:
        """The rule, resolved and typed; None if it has a fault."""
        faults = Faults("policy.md")
        found = self.noting(rule, faults, name=name, clause=clause)
        return None if faults.found else found

    def noting(self, rule: ast.Rule, faults: Faults, *, name: str, clause: str) -> CheckedRule | None:
        """The rule, resolved and typed; None if it has a fault, which is noted."""
        return None if is_doubtful(rule, self._world) else _rule(rule, name, clause, self._world, faults)


def policy_digest(policy: ast.Policy) -> str:
    """The name of a policy: of all that it says, prose and imported tools included; not of how it is laid out."""
    return node_digest(policy)


def node_digest(value: Any) -> str:
    """The digest of records, without where they were written."""
    return digest(_plain(value))


def _plain(value: Any) -> Any:
    """The record without places and without what is empty, so that a new optional field changes no digest."""
    if isinstance(value, msgspec.Struct):
        names = [name for name in value.__struct_fields__ if name != "at"]
        found = {name: _plain(getattr(value, name)) for name in names}
        kept = {name: item for name, item in found.items() if item is not None and item is not False and item != []}
        return {"is": type(value).__name__, **kept}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


# --- one rule -----------------------------------------------------------------------------------------------------------


def _rule(rule: ast.Rule, name: str, clause: str, world: World, faults: Faults) -> CheckedRule | None:
    """The resolved rule; None when it has faults, which are noted."""
    before, resolver = len(faults.found), Resolver(world, faults)
    _heads(rule, resolver)
    if len(faults.found) > before:
        return None
    scope = StepScope(rule.heads)
    try:
        when = None if rule.when is None else resolver.condition(rule.when, scope)
        allowing = rule.requirement if rule.kind == "require" else rule.unless
        exception = None if allowing is None else resolver.condition(allowing, scope)
        fires = _limit(rule, resolver, scope) if rule.kind == "limit" else _fires(when, exception)
    except TooLargeError:
        faults.add(
            f"the rule is larger than {LARGEST:,} nodes or deeper than {DEEPEST} when its definitions are expanded",
            rule.at, code="P218", hint="definitions that use others twice grow fast",
        )  # fmt: skip
        return None
    if not rule.trusting_judge and rests_on_judge(rule, when, exception, world):
        faults.add(
            f"a judge alone would allow what `{name}` forbids", rule.at, code="P219",
            hint="add a condition that is no judgement, or end the rule with `trusting judge`",
        )  # fmt: skip
    return CheckedRule(
        id=name, clause=clause, kind=rule.kind, heads=rule.heads, fires=fires, when=when, exception=exception,
        people=rule.people, says=rule.says,
    )  # fmt: skip


def _heads(rule: ast.Rule, resolver: Resolver) -> None:
    """Every head means something that the policy declares."""
    tools = resolver.world.tools
    for head in rule.heads:
        if head.tool is not None and head.tool not in tools:
            resolver.unknown_tool(head.tool, head.at)
        if head.effect is not None:
            resolver.known_effect(head.effect, head.at)
        tool = tools.get(head.tool or "")
        for argument, _ in head.binders if tool else ():
            if tool is not None and tool.parameter(argument) is None:
                resolver.unknown_argument(tool, argument, head.at)


def _fires(when: ast.Expr | None, exception: ast.Expr | None) -> ast.Expr:
    """`when and not exception`, flattened; `true` for neither."""
    items: list[ast.Expr] = list(when.items) if isinstance(when, ast.And) else [when] if when is not None else []
    if exception is not None:
        items.append(exception.body if isinstance(exception, ast.Not) else ast.Not(body=exception, at=exception.at))
    if not items:
        return ast.Boolean(value=True)
    return items[0] if len(items) == 1 else ast.And(items=tuple(items))


def _limit(rule: ast.Rule, resolver: Resolver, scope: StepScope) -> ast.Expr:
    """What a limit fires on."""
    amount = None if rule.amount is None else resolver.number(rule.amount, scope)
    by = None if rule.by is None else resolver.resolve(rule.by, scope)[0]
    return ast.Exceeds(
        heads=rule.heads, to=rule.to or ast.Number(value=0), per=rule.per, by=by, amount=amount, at=rule.at
    )
