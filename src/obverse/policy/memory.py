"""What a monitor must keep for a rule, told from its conditions: the bound of decision 12, shown by `check`."""

from __future__ import annotations

from collections.abc import Iterator

from obverse.policy import ast
from obverse.policy.checked import CheckedRule, Memory
from obverse.policy.print import duration_text, text_of


def memory_of(rule: CheckedRule) -> tuple[Memory, ...]:
    """One entry for each operator that looks back, without repetition."""
    found = (Memory(rule=rule.id, keeps=keeps, bounded=bounded) for keeps, bounded in _kept(rule.fires))
    return tuple(dict.fromkeys(found))


def _kept(expr: ast.Expr) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(expr):
        match node:
            case ast.Once(within=None):
                yield _one("bit", node.event, node.where)
            case ast.Last():
                yield _one("record", node.event, node.where)
            case ast.Previous():
                yield "one record: the previous event", True
            case ast.Since():
                yield _one("bit", node.event, node.where)
            case ast.CountEvents(within=None) | ast.SumEvents(within=None):
                yield _one("number", node.event, node.where)
            case ast.Once() | ast.CountEvents() | ast.SumEvents():
                span = duration_text(node.within.ms) if node.within else ""
                yield f"the events of the last {span}: {text_of(node.event)}", False
            case ast.FactValue():
                yield f"one record: fact {node.name}", True
            case ast.Exceeds():
                yield _limit(node)


def _one(what: str, event: ast.Pattern, where: ast.Expr | None) -> tuple[str, bool]:
    """One bit, record or number: for all, or for each value of what the step decides."""
    keys = [binding.name for binding in event.arguments if _depends_on_step(binding.value)]
    if where is not None and _depends_on_step(where):
        keys.append("what the condition compares")
    if not keys:
        return f"one {what}: {text_of(event)}", True
    return f"one {what} per value of {', '.join(keys)}: {text_of(event)}", False


def _limit(node: ast.Exceeds) -> tuple[str, bool]:
    heads = ", ".join(map(text_of, node.heads))
    if node.per is not None:
        return f"the calls of the last {duration_text(node.per.ms)}: {heads}", False
    if node.by is not None:
        return f"one number per value of {text_of(node.by)}: {heads}", False
    return f"one number: {heads}", True


def _depends_on_step(expr: ast.Expr) -> bool:
    return any(isinstance(node, ast.Argument | ast.StepPart | ast.Local) for node in ast.walk(expr))
