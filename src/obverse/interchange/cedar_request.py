"""What Cedar is asked about a step: the request whose `context` holds what the exported policies read.

What is not known is not there: a missing field, a value of another type, an unanswered judge, a number that no Cedar value
can hold. The exported policies take each of them for unknown, so they are never looser than `decide` is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from obverse.core.events import AnyEvent, Call, Message, Reply, Step
from obverse.core.verdicts import Truth
from obverse.interchange.cedar_conditions import LEAVES, LOOKS, UNHELD, kind_of
from obverse.interchange.cedar_export import REPLY_ACTION
from obverse.interchange.cedar_text import decimal_of, long_of, quoted, read
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.evaluate import Evaluator
from obverse.policy.looks import shape, skeleton
from obverse.policy.reading import Fields, Folded, Instant, Known, Lapse, read_arguments, unknown_arguments
from obverse.policy.types import ListType, RecordType, Type

_NOTHING: Final = object()


def request_of(
    checked: Checked,
    history: Sequence[AnyEvent],
    step: Step,
    *,
    leaves: Mapping[str, ast.Expr] | None = None,
    namespace: str = "Agent",
    user: str = "user",
    session: str = "session",
) -> dict[str, Any]:
    """The request for this step, as plain JSON; `leaves` are those of the export."""
    action = step.event.tool if isinstance(step.event, Call) else REPLY_ACTION
    return {
        "principal": f"{namespace}::User::{quoted(user)}",
        "action": f"{namespace}::Action::{quoted(action)}",
        "resource": f"{namespace}::Session::{quoted(session)}",
        "context": _Context(checked, history, step, leaves or {}).values,
    }


class _Context:
    def __init__(
        self, checked: Checked, history: Sequence[AnyEvent], step: Step, leaves: Mapping[str, ast.Expr]
    ) -> None:
        self.values: dict[str, Any] = {"well_formed": _well_formed(checked, step), UNHELD: []}
        self.evaluator = Evaluator(checked, history, step)
        tool = checked.tools.get(step.event.tool) if isinstance(step.event, Call) else None
        for field in tool.parameters if tool else ():
            self._put(("input", field.name), self._value(ast.Argument(name=field.name)), field.type)
        for fact in checked.facts.values():
            self._put(("facts", fact.name), self._value(ast.FactValue(name=fact.name)), fact.type)
        for name, term in checked.judged.items():
            self._judged(name, term, step)
        for name, expr in leaves.items():
            found = self.evaluator.truth(expr, self.evaluator.here)
            if found is not Truth.UNKNOWN:
                self._set((LEAVES, name), found is Truth.TRUE)
        self._text("message", next((event.text for event in reversed(history) if isinstance(event, Message)), None))
        self._text("reply", step.event.text if isinstance(step.event, Reply) else None)
        self._put_plain(("now",), self._value(ast.Now()))
        self._put_plain(("turn", "calls"), self._value(ast.TurnCalls()))
        self._set(("turn", "text"), any(isinstance(one, Reply) and one.text.strip() for one in step.turn))

    def _value(self, expr: ast.Expr) -> Known | Unknown:
        return self.evaluator.value(expr, self.evaluator.here)

    def _judged(self, name: str, term: ast.JudgedTerm, step: Step) -> None:
        expr: ast.Expr | None = None
        if term.subject == "message":
            newest = ast.Pattern(kind="message")
            expr = ast.Last(event=newest, has=ast.JudgedAnswer(name=name, depth=0))
        elif term.subject == "reply" and isinstance(step.event, Reply):
            expr = ast.JudgedAnswer(name=name, depth=None)
        if expr is not None:
            self._put_plain(("judged", name), self._value(expr))

    def _text(self, name: str, text: str | None) -> None:
        if text is not None and _encodable(text):
            self._set((name, "text"), text)
            self._set((LOOKS, name, "text"), skeleton(text))

    def _put_plain(self, path: tuple[str, ...], value: Known | Unknown) -> None:
        plain = _plain(value)
        if plain is not _NOTHING:
            self._set(path, plain)

    def _put(self, path: tuple[str, ...], value: Known | Unknown, kind: Type) -> None:
        """The value and its looks, below this path, as far as it is known and Cedar can hold it."""
        if isinstance(kind, RecordType):
            if isinstance(value, Fields):
                for field in kind.fields:
                    self._put(
                        (*path, field.name), value.members.get(field.name, Unknown(what="", why="missing")), field.type
                    )
            return
        held = kind_of(kind)
        if held is None:
            return
        many = isinstance(kind, ListType)
        items = value if many and isinstance(value, tuple) else () if many else (value,)
        if isinstance(value, Unknown) or (many and not isinstance(value, tuple)):
            return
        plain = [_plain(item, decimal=held[0] == "decimal") for item in items]
        if _NOTHING in plain:
            self.values[UNHELD].append(read(path))
            return
        self._set(path, plain if many else plain[0])
        if held[0] in ("text", "folded"):
            looks = [_looks(item) for item in items]
            self._set((LOOKS, *path), looks if many else looks[0])

    def _set(self, path: tuple[str, ...], value: Any) -> None:
        inside = self.values
        for name in path[:-1]:
            inside = inside.setdefault(name, {})
        inside[path[-1]] = value


def _well_formed(checked: Checked, step: Step) -> bool:
    """Whether the arguments can be read in one way only, and none is there that the tool does not declare."""
    if isinstance(step.event, Reply):
        return True
    arguments, tool = read_arguments(step.event.arguments), checked.tools.get(step.event.tool)
    if isinstance(arguments, Unknown):
        return False
    strict = tool is not None and checked.default.arguments == "deny-unknown"
    return not (strict and tool is not None and unknown_arguments(arguments, tool.parameters))


def _plain(value: Known | Unknown, *, decimal: bool = False) -> Any:
    match value:
        case bool():
            return value
        case Folded():
            return value.casefold() if _encodable(value) else _NOTHING
        case str():
            return value if _encodable(value) else _NOTHING
        case Instant():
            return value.ms
        case Lapse():
            whole = long_of(value.ms)
            return _NOTHING if whole is None else whole
    if not isinstance(value, Fraction):
        return _NOTHING
    if decimal:
        text = decimal_of(value)
        return _NOTHING if text is None else {"__extn": {"fn": "decimal", "arg": text}}
    whole = long_of(value)
    return _NOTHING if whole is None else whole


def _looks(value: Known | Unknown) -> str:
    return shape(value) if isinstance(value, Folded) else skeleton(str(value))


def _encodable(text: str) -> bool:
    return text.isascii() or text == text.encode("utf-8", "replace").decode()
