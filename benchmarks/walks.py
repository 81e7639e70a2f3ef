"""Random transcripts that fit a policy: its tools, facts and predicates, and values near those that its rules compare with.

So that rules really fire: texts and numbers come from the literals of the rules and from what was said before, times differ by
the policy's own windows. `odd` is how often something is missing, malformed, or of another type. Seeded and plain: nothing
here knows how the evaluator or the solver works.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any, Final

from obverse.core.events import (
    AnyEvent,
    Approval,
    Call,
    Denied,
    Fact,
    Grant,
    Message,
    Reply,
    Result,
    Step,
    System,
    Thought,
)
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TimeType,
    Type,
)

START: Final = 1_767_607_200_000
_SPOKEN: Final[dict[str, type[Message | Reply | Thought]]] = {"message": Message, "reply": Reply, "thought": Thought}


class Walks:
    """Random transcripts of one policy."""

    def __init__(self, checked: Checked, random: Random, *, odd: float = 0.0) -> None:
        self.checked = checked
        self.random = random
        self.odd = odd
        self.tools = list(checked.tools)
        nodes = [node for rule in checked.rules for node in ast.walk(rule.fires)]
        self.texts = sorted({node.value for node in nodes if isinstance(node, ast.Text)})
        self.numbers = sorted({Decimal(node.value) for node in nodes if isinstance(node, ast.Number)})
        self.spans = sorted({node.ms for node in nodes if isinstance(node, ast.Duration)} | {1_000, 3_600_000})
        self.spoken_of = sorted(
            {node.tool for node in nodes if isinstance(node, ast.Pattern) and node.tool in checked.tools}
        )
        self._begin()

    def _begin(self) -> None:
        self.time: int = START
        self.number = 0
        self.timeless = self.random.random() < self.odd / 4
        self.names = ["a", "b", *self.random.sample(self.texts, min(2, len(self.texts)))]
        self.asked: list[Call] = []

    def transcript(self, length: int) -> Iterator[AnyEvent | Step]:
        """What happens, and steps that are proposed in between; what is proposed may be done afterwards."""
        self._begin()
        yield from self._facts()
        for _ in range(length):
            if self.random.random() < 0.5:
                turn = tuple(self._proposed() for _ in range(self.random.choice((1, 1, 1, 2, 3))))
                for event in turn:
                    yield Step(event=event, turn=turn)
                yield from self._done(turn)
            else:
                yield from self._happening()

    def short(self) -> tuple[tuple[AnyEvent, ...], Step]:
        """A past of at most three things after the facts, and a step."""
        self._begin()
        history = [*self._facts()]
        for _ in range(self.random.randrange(4)):
            self._later()
            history += self._happening()
        self._later()
        event = self._proposed()
        return tuple(history), Step(event=event, turn=(event,))

    # --- events -----------------------------------------------------------------------------------------------------

    def _later(self) -> None:
        self.time += self.random.choice((0, 1, 30_000, *self.spans, *(span + 1 for span in self.spans[:2])))

    def _shared(self, *, step: bool = False) -> dict[str, Any]:
        """A step has a time where events before it had one (`core.order`); other events may lack theirs."""
        self.number += 1
        absent = self.timeless or (not step and self.random.random() < self.odd / 4)
        return {"id": f"e{self.number}", "time": None if absent else self.time, "turn": self.number}

    def _facts(self) -> Iterator[AnyEvent]:
        for name, fact in self.checked.facts.items():
            if self.random.random() >= self.odd:
                yield Fact(**self._shared(), name=name, value=self._plain(fact.type))

    def _happening(self) -> list[AnyEvent]:
        self._later()
        kinds = ["message", "message", "call", "call", "call", "denied", "reply", "thought"]
        kinds += ["approval", "grant", "fact", "system"] if self.odd else []
        match self.random.choice(kinds):
            case "message" | "reply" | "thought" as kind:
                return [self._said(kind)]
            case "call":
                return self._executed(self._call())
            case "denied":
                call = self._call()
                shared = {"id": call.id, "time": call.time, "turn": call.turn}
                return [Denied(**shared, call_id=call.call_id, tool=call.tool, arguments=call.arguments)]  # type: ignore[arg-type]  # as they were
            case "approval":
                wanted = self.random.choice(self.asked) if self.asked else self._call()
                digest = call_digest(wanted)
                return [Approval(**self._shared(), call=digest, by=self.random.choice(("ann", "bo")))]
            case "grant":
                return [Grant(**self._shared(), grant="g", clauses=())]
            case "fact" if self.checked.facts:
                name = self.random.choice(list(self.checked.facts))
                return [Fact(**self._shared(), name=name, value=self._plain(self.checked.facts[name].type))]
        return [System(**self._shared(), text=self._text())]

    def _said(self, kind: str) -> Message | Reply | Thought:
        labels = {
            name: self.random.random() < 0.5
            for name, term in self.checked.judged.items()
            if term.subject == kind and self.random.random() >= self.odd
        }
        return _SPOKEN[kind](**self._shared(step=kind == "reply"), text=self._text(), labels=labels)

    def _proposed(self) -> Call | Reply:
        speaks = any(head.kind == "reply" for rule in self.checked.rules for head in rule.heads)
        if not self.tools or (speaks and self.random.random() < 0.3):
            said = self._said("reply")
            assert isinstance(said, Reply)
            return said
        call = self._call()
        self.asked.append(call)
        return call

    def _done(self, turn: tuple[Call | Reply, ...]) -> Iterator[AnyEvent]:
        for event in turn:
            if isinstance(event, Reply):
                yield event
            elif self.random.random() < 0.7:
                yield from self._executed(event)

    def _call(self) -> Call:
        pool = self.spoken_of if self.spoken_of and self.random.random() < 0.5 else self.tools
        tool = self.random.choice(pool) if pool and self.random.random() >= self.odd / 4 else "stranger"
        shared = self._shared(step=True)
        return Call(**shared, call_id=f"c{self.number}", tool=tool, arguments=self._arguments(tool))

    def _arguments(self, tool: str) -> str:
        if self.random.random() < self.odd / 4:
            return self.random.choice(("", "{", "[]", '{"id": "a", "id": "b"}', '{"more": 1}'))
        known = self.checked.tools.get(tool)
        return json.dumps({} if known is None else self._record(known.parameters))

    def _executed(self, call: Call) -> list[AnyEvent]:
        known = self.checked.tools.get(call.tool)
        events: list[AnyEvent] = [call]
        if self.random.random() < 0.85:
            shared = {"id": f"{call.id}r", "time": call.time, "turn": call.turn}
            failed = self.random.random() < 0.1
            returned = known.returns if known else None
            output = "error" if failed else "ok" if returned is None else self._written(returned)
            events.append(Result(**shared, call_id=call.call_id, tool=call.tool, output=output, failed=failed))  # type: ignore[arg-type]  # as they were
        return events

    def _written(self, kind: Type) -> str:
        value = self._value(kind)
        return value if isinstance(value, str) and not isinstance(kind, TimeType | EnumType) else json.dumps(value)

    # --- values -----------------------------------------------------------------------------------------------------

    def _plain(self, kind: Type) -> Any:
        """A value of this type, never an odd one."""
        odd, self.odd = self.odd, 0.0
        try:
            return self._value(kind)
        finally:
            self.odd = odd

    def _value(self, kind: Type) -> Any:
        """A JSON value of this type, near what the rules compare with."""
        pick = self.random.choice
        if self.random.random() < self.odd / 4:
            return pick((None, 7, "7", [], {}))
        match kind:
            case BoolType():
                return pick((True, False))
            case EnumType():
                return pick(kind.values)
            case NumberType():
                number = self._number(whole=kind.integer)
                return str(number) if kind.from_text else number
            case TimeType():
                return self._moment()
            case DurationType():
                return f"{pick(self.spans) + pick((0, 0, 1_000))}ms"
            case ListType():
                return [self._value(kind.item) for _ in range(self.random.randrange(4))]
            case MapType():
                return {
                    name: self._value(kind.item) for name in self.random.sample(self.names, self.random.randrange(3))
                }
            case RecordType():
                return self._record(kind.fields)
            case JsonType():
                return pick((1, "a", {"a": [1]}))
        text = self._text()
        return text.upper() if getattr(kind, "folded", False) and pick((True, False)) else text

    def _record(self, fields: Any) -> dict[str, Any]:
        left_out = {field.name for field in fields if self.random.random() < (0.5 if field.optional else self.odd / 4)}
        return {field.name: self._value(field.type) for field in fields if field.name not in left_out}

    def _text(self) -> str:
        return self.random.choice(self.names if self.random.random() < 0.8 or not self.texts else self.texts)

    def _number(self, *, whole: bool) -> int | float:
        pick = self.random.choice
        found = pick((*self.numbers, Decimal(0), Decimal(1), Decimal(5))) + pick((0, 0, 1, -1))
        return int(found) if whole or found == int(found) else float(found)

    def _moment(self) -> str:
        shift = self.random.choice((0, 1, -1)) * self.random.choice((*self.spans, 86_400_000))
        moment = dt.datetime.fromtimestamp((self.time + shift) / 1000, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
