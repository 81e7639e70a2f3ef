"""Decision 10: a judge may tighten, but is never the sole reason for allowing what has an effect.

What allows is `unless` and `require … for` coming true, and `when` coming false because a judge says *yes*: `not P`, `P = false`,
`count(message where P) = 0`, wherever they stand in it. It rests on a judge alone if that can happen through judged predicates and
nothing that was done, declared or vouched for. A judge who says *no* to `when P` allows nothing: the rule only tightens. A predicate with
a pattern of its own is never asked of a judge: it is a test of the words, and stands for itself.
"""

from __future__ import annotations

from obverse.policy import ast
from obverse.policy.scope import World

_KINDS = ("forbid", "stop", "ask", "require")
_TEXTS = ("message", "reply", "thought", "any")


def rests_on_judge(rule: ast.Rule, when: ast.Expr | None, exception: ast.Expr | None, world: World) -> bool:
    """Whether a judge alone can let a step through that the rule is about, and the step has an effect."""
    if rule.kind not in _KINDS or not any(_has_effect(head, world) for head in rule.heads):
        return False
    judges = frozenset(name for name, term in world.judged.items() if term.pattern is None)
    if when is not None and _yes_makes_false(when, judges):
        return True
    return exception is not None and _judge_alone(exception, judges)


def _has_effect(head: ast.Head, world: World) -> bool:
    """A tool that says nothing of its effects is taken to have some; a reply has none that cannot be taken back."""
    if head.kind == "reply" or head.effect == "read":
        return False
    return any(tool.effects != ("read",) for tool in world.meant(head.tool, head.effect)) or head.tool is None


def _yes_makes_false(expr: ast.Expr, judges: frozenset[str]) -> bool:
    """Whether this can be false because these predicates, and nothing else, are answered yes."""
    match expr:
        case ast.And():
            return any(_yes_makes_false(item, judges) for item in expr.items)
        case ast.Or():
            return all(_yes_makes_false(item, judges) for item in expr.items)
        case ast.Not():
            return _judge_alone(expr.body, judges)
        case ast.Once() | ast.Last() | ast.Previous() if expr.event.kind in _TEXTS:
            inside = (None if isinstance(expr, ast.Previous) else expr.where, getattr(expr, "has", None))
            return any(_yes_makes_false(one, judges) for one in inside if one is not None)
        case ast.Quantified():
            return _yes_makes_false(expr.body, judges)
        case ast.Compare():
            return _asks(expr, judges) and not _solid(expr, judges) and not _only_tightens(expr)
    return False


def _only_tightens(expr: ast.Compare) -> bool:
    """Whether more answers of yes only make it true: `P = true`, `count(message where P) > 2`."""
    op = expr.op if not isinstance(expr.left, _LITERALS) else _TURNED[expr.op]
    side, other = (expr.right, expr.left) if isinstance(expr.left, _LITERALS) else (expr.left, expr.right)
    if any(isinstance(node, ast.Not) for node in ast.walk(side)):
        return False
    if isinstance(other, ast.Boolean):
        return (op == "=") == other.value
    none = isinstance(other, ast.Number) and other.value == 0
    return isinstance(side, ast.CountEvents | ast.CountIn) and (op in (">", ">=") or (op == "!=" and none))


_LITERALS = (ast.Boolean, ast.Number)
_TURNED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _judge_alone(expr: ast.Expr, judges: frozenset[str]) -> bool:
    """Whether this can be true through what these predicates say alone."""
    match expr:
        case ast.JudgedAnswer():
            return expr.name in judges
        case ast.Or():
            return any(_judge_alone(item, judges) for item in expr.items)
        case ast.And():
            solid = [item for item in expr.items if not isinstance(item, ast.Boolean)]
            return bool(solid) and all(_judge_alone(item, judges) for item in solid)
        case ast.Not():
            return _judge_alone(expr.body, judges)
        case ast.Once() | ast.Last() | ast.Previous() if expr.event.kind in _TEXTS:
            inside = (None if isinstance(expr, ast.Previous) else expr.where, getattr(expr, "has", None))
            conditions = [condition for condition in inside if condition is not None]
            return bool(conditions) and all(_judge_alone(condition, judges) for condition in conditions)
    return _asks(expr, judges) and not _solid(expr, judges)


def _asks(expr: ast.Expr, judges: frozenset[str]) -> bool:
    return any(isinstance(node, ast.JudgedAnswer) and node.name in judges for node in ast.walk(expr))


def _solid(expr: ast.Expr, judges: frozenset[str]) -> bool:
    """Whether something besides judges is asked: arguments, facts, acts, results, approvals, the words themselves."""
    return any(
        isinstance(node, ast.Argument | ast.FactValue | ast.StepPart | ast.EventPart | ast.TurnCalls | ast.TurnHasText)
        or (isinstance(node, ast.Pattern) and node.kind not in _TEXTS)
        or (isinstance(node, ast.JudgedAnswer) and node.name not in judges)
        for node in ast.walk(expr)
    )
