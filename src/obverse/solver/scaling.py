"""Large counts asked about by small ones: a scenario for 3 calls becomes one for 500 when one of its calls is repeated.

Only for finding scenarios: what is grown is replayed by whoever asked, and nothing is proved by the small question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from obverse.core.events import AnyEvent, Call, Result
from obverse.policy import ast
from obverse.solver.answers import Scenario

_SMALL: Final = 3


def scaled(conditions: Sequence[ast.Expr]) -> tuple[tuple[ast.Expr, ...], int] | None:
    """The conditions with every large count smaller by the same number, and that number; None if there is no large count."""
    counts = [count for condition in conditions for node in ast.walk(condition) if (count := _count(node)) is not None]
    large = [count for count in counts if count > _SMALL]
    if not large:
        return None
    less = min(large) - _SMALL
    return tuple(_smaller(condition, less) for condition in conditions), less


def grown(scenario: Scenario, more: int) -> Iterator[Scenario]:
    """The scenario with one of its calls, and what it gave back, repeated so many times on the spot: once for each call."""
    for place, event in enumerate(scenario.history):
        if isinstance(event, Call):
            answers = [one for one in scenario.history if isinstance(one, Result) and one.call_id == event.call_id]
            copies = [copy for n in range(more) for copy in _copies(event, answers, n + 1)]
            history = (*scenario.history[:place], *copies, *scenario.history[place:])
            yield Scenario(history=history, step=scenario.step)


def _copies(call: Call, answers: Sequence[Result], number: int) -> Iterator[AnyEvent]:
    """The call again under other names, and its results at the time of the call: what follows comes no earlier."""
    name = f"{call.call_id}-{number}"
    yield msgspec.structs.replace(call, id=f"{call.id}-{number}", call_id=name)
    for answer in answers:
        yield msgspec.structs.replace(answer, id=f"{answer.id}-{number}", call_id=name, time=call.time)


def _count(node: ast.Node) -> int | None:
    """The number that calls are counted up to, if this node counts them."""
    match node:
        case ast.Exceeds(amount=None):
            return int(node.to.value)
        case ast.Compare(left=ast.CountEvents(), right=ast.Number() as number):
            return int(number.value)
        case ast.Compare(left=ast.Number() as number, right=ast.CountEvents()):
            return int(number.value)
    return None


def _smaller(node: Any, less: int) -> Any:
    if isinstance(node, tuple):
        return tuple(_smaller(part, less) for part in node)
    if not isinstance(node, ast.Node):
        return node
    parts = {name: _smaller(getattr(node, name), less) for name in node.__struct_fields__}
    count = _count(node)
    if count is not None and count > _SMALL:
        for name in ("to", "left", "right"):
            if isinstance(parts.get(name), ast.Number):
                parts[name] = ast.Number(value=parts[name].value - less)
    return type(node)(**parts)
