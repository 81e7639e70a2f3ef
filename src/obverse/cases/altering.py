"""A past → the pasts that it becomes when one of five changes (`order`) is made to something that a look looks for.

What is put in or moved keeps to what could have happened: times never run back, a result stays with its call, a call that is
made again has an id of its own. What a changed past means, `decide` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from obverse.cases.naming import Names, dumps
from obverse.cases.order import Change, Happening, History, Look, happening, happenings
from obverse.cases.scene import plain_output, plain_value
from obverse.cases.talk import message_for, reply_for
from obverse.core.events import AnyEvent, Call, Denied, Message, Reply, Result
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments, read_json
from obverse.policy.types import BoolType, EnumType, NumberType, TextType, Type

_SECOND = 1_000


class Altering:
    """Makes changed pasts for the looks of one rule."""

    def __init__(self, checked: Checked, rule: CheckedRule, *key: object) -> None:
        self.checked = checked
        self.rule = rule
        self.key = key

    def pasts(self, change: Change, look: Look, history: History, now: int | None) -> Iterator[History]:
        """The pasts that this change makes, the plainest first."""
        parts = happenings(history)
        seen = [place for place, part in enumerate(parts) if any(look.concerns(e, self.checked) for e in part.events)]
        match change:
            case "omit":
                yield from (_flat([*parts[:i], *parts[i + 1 :]]) for i in reversed(seen))
            case "repeat":
                yield from (_flat([*parts[: i + 1], _again(parts[i]), *parts[i + 1 :]]) for i in reversed(seen))
            case "swap":
                yield from (_swapped(parts, i, j) for i, j in _couples(parts, seen))
            case "between":
                for i in reversed(seen):
                    for other in self._others(parts[i], look, history):
                        yield _flat([*parts[: i + 1], _beside(other, parts[i]), *parts[i + 1 :]])
            case "outside" if look.window is not None:
                yield from _older(parts, seen, look.window, now)
            case "outside":
                yield from self._before_anchor(parts, seen, look)

    def _before_anchor(self, parts: list[Happening], seen: Sequence[int], look: Look) -> Iterator[History]:
        anchors = [i for i, part in enumerate(parts) if any(look.anchors(e, self.checked) for e in part.events)]
        for j in reversed(seen):
            for i in reversed([i for i in anchors if i < j]):
                moved = [*parts[:i], parts[j], *parts[i:j], *parts[j + 1 :]]
                yield _timed(moved, parts)

    # --- something else that happened in between ------------------------------------------------------------------------

    def _others(self, part: Happening, look: Look, history: History) -> Iterator[Happening]:
        """Happenings of another key, then of another kind."""
        head = part.events[0]
        if isinstance(head, Call | Denied):
            yield from self._of_another_key(part, head, look, history)
        elif isinstance(head, Message | Reply):
            yield from self._said_otherwise(head)
        elif isinstance(head, Result):
            return
        yield from self._of_kind(lambda event: look.ends(event, self.checked))
        yield from self._of_kind(lambda event: not look.concerns(event, self.checked), effects=("read",))

    def _of_another_key(
        self, part: Happening, head: Call | Denied, look: Look, history: History
    ) -> Iterator[Happening]:
        tool, arguments = self.checked.tools.get(head.tool), read_arguments(head.arguments)
        if tool is None or isinstance(arguments, Unknown):
            return
        bound = [name for name in _bound(look.expr) if name in arguments]
        for name in bound or list(arguments)[:1]:
            field = tool.parameter(name)
            value = None if field is None else self._another(field.type, name, arguments[name], history)
            if value is None:
                continue
            changed = {**arguments, name: value}
            call = msgspec.structs.replace(head, arguments=dumps(changed), call_id=_new_id(head.call_id))
            results = [
                msgspec.structs.replace(e, call_id=call.call_id) for e in part.events[1:] if isinstance(e, Result)
            ]
            plain = plain_output(tool, Names(self.checked, *self.key))
            for outputs in ([e.output for e in results], [plain if not e.failed else e.output for e in results]):
                told = zip(results, outputs, strict=True)
                yield happening(
                    call, *(msgspec.structs.replace(e, output=_about(out, {name: value})) for e, out in told)
                )

    def _another(self, type: Type, name: str, value: Any, history: History) -> Any:
        match type:
            case TextType():
                said = {str(getattr(event, "arguments", "")) for event in history}
                options = (Names(self.checked, *self.key, n).natural(name, "another one") for n in range(8))
                return next((text for text in options if not any(text in one for one in said)), None)
            case EnumType():
                return next((option for option in type.values if option != value), None)
            case BoolType():
                return not value
            case NumberType() if isinstance(value, int | Decimal):
                return value + 1
        return None

    def _said_otherwise(self, event: Message | Reply) -> Iterator[Happening]:
        """The same person says something of which nothing is true that the rule asks."""
        subject = "message." if isinstance(event, Message) else "reply."
        asked = {node.name for node in ast.walk(self.rule.fires) if isinstance(node, ast.JudgedAnswer)}
        labels = dict.fromkeys((name for name in sorted(asked | set(event.labels)) if name.startswith(subject)), False)
        if isinstance(event, Message):
            said = message_for(self.checked, labels, *self.key, "between")
            yield happening(msgspec.structs.replace(event, text=said.text, labels=said.labels | labels))
        else:
            text = reply_for(self.checked, labels, *self.key, "between")
            yield happening(msgspec.structs.replace(event, text=text, labels=labels))

    def _of_kind(
        self, wanted: Callable[[AnyEvent], bool], effects: tuple[str, ...] | None = None
    ) -> Iterator[Happening]:
        """A call with its result of which both are wanted, of the first tool with these effects that has one."""
        names = Names(self.checked, *self.key)
        for tool in self.checked.tools.values():
            if effects is not None and tool.effects != effects:
                continue
            arguments = {f.name: plain_value(f.type, f.name, names) for f in tool.parameters if not f.optional}
            call = Call(id="", call_id="between", tool=tool.name, arguments=dumps(arguments))
            result = Result(
                id="", call_id="between", tool=tool.name, output=_about(plain_output(tool, names), arguments)
            )
            if (wanted(call) and wanted(result)) or (effects is None and (wanted(call) or wanted(result))):
                yield happening(call, result)
                return


def _bound(expr: ast.Node) -> list[str]:
    """The arguments that a look tells events apart by."""
    names = [node.name for node in ast.walk(expr) if isinstance(node, ast.Binding)]
    if isinstance(expr, ast.Exceeds) and isinstance(expr.by, ast.Argument):
        names.insert(0, expr.by.name)
    return list(dict.fromkeys(names))


def _about(output: str, said: dict[str, Any]) -> str:
    """The answer with what was asked in the fields of the same name."""
    value = read_json(output)
    return dumps({name: said.get(name, item) for name, item in value.items()}) if isinstance(value, dict) else output


# --- times, turns, ids -----------------------------------------------------------------------------------------------------


def _flat(parts: Sequence[Happening]) -> History:
    return tuple(event for part in parts for event in part.events)


def _new_id(call_id: str) -> str:
    return f"{call_id}x"


def _again(part: Happening) -> Happening:
    """The same once more, right after it, in a turn of its own."""
    return happening(*(_renewed(event, part.time) for event in part.events))


def _renewed(event: AnyEvent, time: int | None) -> AnyEvent:
    event = msgspec.structs.replace(event, turn=-2, time=time)
    if isinstance(event, Call | Denied | Result):
        return msgspec.structs.replace(event, call_id=_new_id(event.call_id))
    return event


def _beside(other: Happening, part: Happening) -> Happening:
    """What comes right after a happening, at its time."""
    return happening(*(msgspec.structs.replace(event, time=part.time, turn=-2) for event in other.events))


def _couples(parts: Sequence[Happening], seen: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Two places with unlike happenings, of which the look looks for both, then for one."""
    pairs = [(i, j) for j in range(len(parts)) for i in range(j) if parts[i].key != parts[j].key]
    known = {pair: sum(place in seen for place in pair) for pair in pairs}
    yield from sorted((p for p in pairs if known[p]), key=lambda pair: (-known[pair], pair[1] - pair[0], -pair[1]))


def _swapped(parts: list[Happening], i: int, j: int) -> History:
    order = list(parts)
    order[i], order[j] = order[j], order[i]
    return _timed(order, parts)


def _timed(order: Sequence[Happening], before: Sequence[Happening]) -> History:
    """These happenings in their new order, at the times at which something happened before; each call in a turn of its own."""
    events, times = _flat(order), [event.time for event in _flat(before)]
    turns = {part.key: -2 - place for place, part in enumerate(order)}
    turned = [turns[part.key] for part in order for _ in part.events]
    return tuple(
        msgspec.structs.replace(event, time=time, turn=turn if isinstance(event, Call | Denied | Reply) else event.turn)
        for event, time, turn in zip(events, times, turned, strict=True)
    )


def _older(parts: Sequence[Happening], seen: Sequence[int], window: int, now: int | None) -> Iterator[History]:
    """A happening and all before it, so much earlier that it lies a second outside of the window."""
    for i in reversed(seen):
        time = parts[i].time
        if now is None or time is None or now - time > window:
            continue
        back = window + _SECOND - (now - time)
        moved = [
            happening(*(e if e.time is None else msgspec.structs.replace(e, time=e.time - back) for e in part.events))
            for part in parts[: i + 1]
        ]
        yield _flat([*moved, *parts[i + 1 :]])
