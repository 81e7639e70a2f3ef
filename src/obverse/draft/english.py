"""`english`: a rule in plain English, by fixed sentences for each construct. For whoever cannot read the rule beside it.

It says everything that the rule says and is meant to be turned back into it: parentheses where English would be ambiguous,
names in backticks. Not a translation of the prose; the prose stands beside it.
"""

from __future__ import annotations

from typing import Any, Final

from obverse.core.canon import number_text
from obverse.policy import ast
from obverse.policy.print import dotted_text, literal, text_of, time_text

_UNITS: Final = (("week", 604_800_000), ("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000))
_COMPARED: Final = {
    "=": "is", "!=": "is not", "<": "is less than", "<=": "is at most", ">": "is greater than", ">=": "is at least",
}  # fmt: skip
_TESTED: Final = {
    "starts with": "starts with", "ends with": "ends with", "contains": "contains", "like": "looks like",
    "matches": "matches the regular expression", "at domain": "is at the domain",
}  # fmt: skip
_ARITHMETIC: Final = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def english(rule: ast.Rule) -> str:
    """One sentence that says what the rule says."""
    heads = _either([_head(head) for head in rule.heads])
    conditions = _conditions(rule)
    said = ""
    match rule.kind:
        case "forbid":
            said = f"The agent must not {heads}{conditions}"
        case "stop":
            said = f"The agent must not {heads}{conditions}, and the session ends if it tries"
        case "ask":
            people = "a person must approve" if rule.people == 1 else f"{rule.people} different people must approve"
            said = f"Before the agent may {heads}, {people} it{conditions}"
        case "warn":
            said = f"It must be noted if the agent wants to {heads}{conditions}"
        case "require":
            said = f"The agent may {heads} only if {_said(rule.requirement)}{_joined(conditions)}"
        case "permit":
            said = f"The agent must never be refused to {heads}{conditions}"
        case "limit":
            said = _limit(rule, heads) + conditions
    judge = ", and a judge alone may settle it" if rule.trusting_judge else ""
    told = f"; the agent is then told {literal(rule.says)}" if rule.says is not None else ""
    return f"{said}{judge}{told}."


def duration(ms: int) -> str:
    """`24 hours`, `7 days`, `1 hour 30 minutes`."""
    parts = []
    for unit, size in _UNITS:
        if unit == "week" or (unit == "day" and ms == size):
            continue
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts + ([f"{ms} milliseconds"] if ms else [])) or "0 seconds"


def _conditions(rule: ast.Rule) -> str:
    when = f" when {_said(rule.when)}" if rule.when is not None else ""
    return when + (f", unless {_said(rule.unless)}" if rule.unless is not None else "")


def _joined(conditions: str) -> str:
    return f", which is asked{conditions}" if conditions else ""


def _limit(rule: ast.Rule, heads: str) -> str:
    per = f" within {duration(rule.per.ms)}" if rule.per is not None else " in the whole session"
    by = f" for each {_value(rule.by)}" if rule.by is not None else ""
    number = number_text(rule.to.value) if rule.to is not None else "0"
    if rule.amount is None:
        return f"The agent may {heads} at most {number} times{per}{by}"
    return f"When the agent does {heads}, the sum of {_value(rule.amount)} must be at most {number}{per}{by}"


def _head(head: ast.Head) -> str:
    if head.kind == "reply":
        return "reply"
    if head.kind == "any":
        return "call any tool" + (f" with the effect `{head.effect}`" if head.effect is not None else "")
    named = [f"its `{argument}`" + (f" called `{name}`" if argument != name else "") for argument, name in head.binders]
    return f"call `{head.tool}`" + (f" ({', '.join(named)})" if named else "")


def _either(items: list[str]) -> str:
    return " or ".join(items)


def _said(node: Any) -> str:
    """A condition or a value, on its own."""
    match node:
        case ast.And():
            return " and ".join(_part(item) for item in node.items)
        case ast.Or():
            return "either " + " or ".join(_part(item) for item in node.items)
        case ast.Not(body=ast.In() as test):
            return f"{_value(test.item)} is not one of {_value(test.over)}"
        case ast.Not(body=ast.Name() as name):
            return f"{_value(name)} is not true"
        case ast.Not(body=ast.Present() as test):
            return f"{_value(test.body)} is missing"
        case ast.Not():
            return f"it is not so that {_part(node.body)}"
        case ast.Compare():
            return f"{_value(node.left)} {_COMPARED[node.op]} {_value(node.right)}"
        case ast.In():
            return f"{_value(node.item)} is one of {_value(node.over)}"
        case ast.TextTest():
            return f"{_value(node.subject)} {_TESTED[node.op]} {_value(node.pattern)}"
        case ast.Within():
            return f"{_value(node.left)} is within {_value(node.span)} of {_value(node.right)}"
        case ast.Present():
            return f"{_value(node.body)} is given"
        case ast.Quantified():
            each = "some" if node.kind == "any" else "every"
            return f"for {each} `{node.variable}` of {_value(node.over)} it is so that {_part(node.body)}"
        case ast.TurnHasText():
            return "the agent also writes a text in the same turn"
        case ast.Once() | ast.Last() | ast.Previous() | ast.Since():
            return _past(node)
        case ast.Name():
            return f"{_value(node)} is true"
        case ast.Use():
            return f"`{text_of(node)}` holds"
    return _value(node)


def _part(node: Any) -> str:
    """A condition within another one, in parentheses where English would be ambiguous."""
    plain = isinstance(
        node, ast.Name | ast.Compare | ast.In | ast.TextTest | ast.Present | ast.TurnHasText | ast.Use | ast.Within
    )
    negated = isinstance(node, ast.Not) and isinstance(node.body, ast.Name | ast.In | ast.Present)
    return _said(node) if plain or negated else f"({_said(node)})"


def _past(node: Any) -> str:
    match node:
        case ast.Once():
            within = f" within the last {duration(node.within.ms)}" if node.within is not None else ""
            return f"earlier{within} there was {_event(node.event)}{_where(node.where)}"
        case ast.Last():
            return f"the last {_event(node.event, bare=True)}{_where(node.where)} is such that {_part(node.has)}"
        case ast.Previous():
            has = f" such that {_part(node.has)}" if node.has is not None else ""
            return f"what came right before is {_event(node.event)}{has}"
    if node.absent is not None:
        held = f"there was no {_event(node.absent, bare=True)}"
    else:
        held = f"at every event it was so that {_part(node.body)}"
    return f"{held} since the last {_event(node.event, bare=True)}{_where(node.where)}"


def _where(condition: Any) -> str:
    return f" for which {_part(condition)}" if condition is not None else ""


def _event(event: ast.Pattern, *, bare: bool = False) -> str:
    """What happened: `a result of `get_order` with `id` equal to `r``."""
    a, an = ("", "") if bare else ("a ", "an ")
    if event.fact is not None:
        return f"{a}statement of the fact `{event.fact}`"
    tool = f" of `{dotted_text(event.tool)}`" if event.tool is not None else " of any tool"
    if event.tool is None and event.effect is not None:
        tool = f" of any tool with the effect `{event.effect}`"
    said = ""
    match event.kind:
        case "message":
            said = f"{a}message of the user"
        case "reply":
            said = f"{a}reply of the agent"
        case "thought":
            said = f"{a}thought of the agent"
        case "approval" | "grant":
            said = f"{an if event.kind == 'approval' else a}{event.kind}"
        case "call":
            said = f"{an}executed call{tool}"
        case "denied":
            said = f"{a}denied call{tool}"
        case "proposed":
            said = f"{a}proposed call{tool}"
        case "result":
            said = f"{a}{'failed' if event.failed else 'successful'} result{tool}"
        case "fact":
            said = f"{a}statement of any fact"
        case "any":
            said = f"{an}event of any kind"
    bound = [f"`{binding.name}` equal to {_value(binding.value)}" for binding in event.arguments]
    return said + (f" with {' and '.join(bound)}" if bound else "")


def _value(node: Any) -> str:
    match node:
        case ast.Text():
            return literal(node.value)
        case ast.Number():
            return number_text(node.value)
        case ast.Boolean():
            return "true" if node.value else "false"
        case ast.Duration():
            return duration(node.ms)
        case ast.Time():
            return f"the time {literal(time_text(node.ms))}"
        case ast.Now():
            return "the present time"
        case ast.TurnCalls():
            return "the number of calls in the same turn"
        case ast.Listing():
            return ", ".join(_value(item) for item in node.items)
        case ast.Name():
            return f"`{text_of(node)}`"
        case ast.Member():
            return f"the `{node.name}` of {_value(node.base)}"
        case ast.Arith():
            return f"({_value(node.left)} {_ARITHMETIC[node.op]} {_value(node.right)})"
        case ast.Length():
            return f"the length of {_value(node.body)}"
        case ast.CountIn():
            return f"the number of `{node.variable}` in {_value(node.over)} for which {_part(node.body)}"
        case ast.SumIn():
            return f"the sum over each `{node.variable}` in {_value(node.over)} of {_value(node.body)}"
        case ast.CountEvents():
            within = f" within the last {duration(node.within.ms)}" if node.within is not None else ""
            return f"the number of times{within} that there was {_event(node.event)}{_where(node.where)}"
        case ast.SumEvents():
            within = f" within the last {duration(node.within.ms)}" if node.within is not None else ""
            return f"the sum{within} of {_value(node.value)} over {_event(node.event)}{_where(node.where)}"
    return f"({_said(node)})" if isinstance(node, ast.And | ast.Or | ast.Not) else f"`{text_of(node)}`"
