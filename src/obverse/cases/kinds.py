"""What kind of thing an expression of a rule is, as far as thresholds need it: by how much it moves by one unit.

Not a type checker: `policy.check` has already found that the types agree, so one side of a comparison speaks for both.
"""

from __future__ import annotations

from decimal import Decimal

from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.types import DurationType, NumberType, TimeType, Type

_ONE = ast.Number(value=1)
_SECOND = ast.Duration(ms=1_000)


def unit_of(compare: ast.Compare, rule: CheckedRule, checked: Checked) -> ast.Number | ast.Duration | None:
    """The smallest step that a reader of the rule would take: a unit of the last digit written, or a second; None for what has
    no order.
    """
    for side in (compare.right, compare.left):
        unit = _unit(side, rule, checked)
        if unit is not None:
            return unit
    return None


def unit_of_sum(exceeds: ast.Exceeds, rule: CheckedRule, checked: Checked) -> Decimal:
    """The smallest step of what a limit counts: one call, one whole, or a cent."""
    amount = exceeds.amount
    if amount is None:
        return Decimal(1)
    type = _argument(amount.name, rule, checked) if isinstance(amount, ast.Argument) else None
    return Decimal(1) if isinstance(type, NumberType) and type.integer else Decimal("0.01")


def _unit(expr: ast.Expr, rule: CheckedRule, checked: Checked) -> ast.Number | ast.Duration | None:
    match expr:
        case ast.Number():
            return _last_digit(expr.value)
        case ast.Duration() | ast.Time() | ast.Now() | ast.EventPart(part="stamp"):
            return _SECOND
        case ast.CountIn() | ast.SumIn() | ast.Length() | ast.TurnCalls() | ast.CountEvents() | ast.SumEvents():
            return _ONE
        case ast.Arith():
            return _unit(expr.left, rule, checked) or _unit(expr.right, rule, checked)
        case ast.Argument():
            return _of_type(_argument(expr.name, rule, checked))
        case ast.FactValue():
            return _of_type(checked.facts[expr.name].type)
    return None


def _last_digit(value: int | Decimal) -> ast.Number:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    if not isinstance(exponent, int) or exponent >= 0:
        return _ONE
    return ast.Number(value=Decimal(1).scaleb(exponent))


def _argument(name: str, rule: CheckedRule, checked: Checked) -> Type | None:
    for head in rule.heads:
        tool = checked.tools.get(head.tool or "")
        field = tool.parameter(name) if tool else None
        if field is not None:
            return field.type
    return None


def _of_type(type: Type | None) -> ast.Number | ast.Duration | None:
    match type:
        case NumberType():
            return _ONE
        case TimeType() | DurationType():
            return _SECOND
    return None
