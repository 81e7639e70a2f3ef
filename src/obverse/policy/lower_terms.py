"""From lark's tree to terms and their types: one method per alternative of `grammar.lark`, under its name there."""

from __future__ import annotations

from typing import Any, Final

from lark import Token
from lark.tree import Meta
from lark.visitors import v_args

from obverse.policy import ast
from obverse.policy.faults import did_you_mean, quoted
from obverse.policy.leaves import Leaves, Part, segments
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    Field,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
)

SUBJECTS: Final = ("message", "reply", "thought", "result")
_SIMPLE = {"bool": BoolType(), "time": TimeType(), "duration": DurationType(), "json": JsonType()}


@v_args(meta=True)
class Terms(Leaves):
    """Makes the nodes of terms."""

    def tool(self, meta: Meta, items: list[Any]) -> ast.Tool:
        name, fields, returns, *parts = items
        found: dict[str, list[str]] = {"effects": [], "asks": [], "description": []}
        for key, values, _ in parts:
            found[key] += values
        if len(found["description"]) > 1:
            self.faults.add("a tool has one description", self._at(meta), code="P116")
        return ast.Tool(
            name=self._dotted(name),
            parameters=fields or (),
            returns=returns,
            effects=tuple(dict.fromkeys(found["effects"])),
            asks=tuple(found["asks"]),
            description=next(iter(found["description"]), None),
            at=self._at(meta),
        )

    def tool_effect(self, meta: Meta, items: list[Any]) -> Part:
        return "effects", [".".join(path) for path in items[0]], self._place(meta)

    def tool_asks(self, meta: Meta, items: list[Any]) -> Part:
        return "asks", items[0], self._place(meta)

    def tool_description(self, meta: Meta, items: list[Token]) -> Part:
        return "description", [self._text(items[0])], self._place(meta)

    def fact(self, meta: Meta, items: list[Any]) -> ast.FactTerm:
        name, found, origin = items
        origin = self._dotted(origin) if origin else None
        return ast.FactTerm(name=self._dotted(name), type=found, origin=origin, at=self._at(meta))

    def judged(self, meta: Meta, items: list[Any]) -> ast.JudgedTerm:
        token, definition, pattern, *examples = items
        subject, *rest = segments(token)
        if subject not in SUBJECTS or len(rest) != 1:
            self.faults.add(
                f"a judged predicate cannot be called {quoted(token)}", self._of(token), code="P117",
                hint=did_you_mean(subject, SUBJECTS) if rest else 'write `judged message.NAME "…"`',
            )  # fmt: skip
            subject, rest = "message", rest or [subject]
        yes = tuple(text for kind, texts in examples if kind == "yes" for text in texts)
        no = tuple(text for kind, texts in examples if kind == "no" for text in texts)
        return ast.JudgedTerm(
            subject=subject,  # type: ignore[arg-type]  # one of SUBJECTS, as tested above
            name=rest[0], definition=self._text(definition),
            pattern=None if pattern is None else self._text(pattern), yes=yes, no=no, at=self._at(meta),
        )  # fmt: skip

    def yes(self, meta: Meta, items: list[Any]) -> tuple[str, tuple[str, ...]]:
        return "yes", items[0]

    def no(self, meta: Meta, items: list[Any]) -> tuple[str, tuple[str, ...]]:
        return "no", items[0]

    def let(self, meta: Meta, items: list[Any]) -> ast.LetTerm:
        name, parameters, body = items
        names = [path[0] for path in parameters or ()]
        self._unique(names, "parameter", meta)
        return ast.LetTerm(name=self._single(name), parameters=tuple(names), body=body, at=self._at(meta))

    def import_(self, meta: Meta, items: list[Token]) -> ast.ImportTerm:
        return ast.ImportTerm(path=self._text(items[0]), at=self._at(meta))

    def effect(self, meta: Meta, items: list[Any]) -> ast.EffectTerm:
        tools, name = items
        return ast.EffectTerm(
            tools=tuple(".".join(path) for path in tools), effect=self._dotted(name), at=self._at(meta)
        )

    def result(self, meta: Meta, items: list[Any]) -> ast.ResultTerm:
        return ast.ResultTerm(tool=self._dotted(items[0]), type=items[1], at=self._at(meta))

    def asks(self, meta: Meta, items: list[Any]) -> ast.AsksTerm:
        return ast.AsksTerm(tool=self._dotted(items[0]), phrases=tuple(items[1]), at=self._at(meta))

    def paths(self, meta: Meta, items: list[Token]) -> list[tuple[str, ...]]:
        return [segments(token) for token in items]

    def strings(self, meta: Meta, items: list[Token]) -> tuple[str, ...]:
        return tuple(self._text(token) for token in items if token.type == "STRING")

    # --- types ----------------------------------------------------------------------------------------------------------

    def fields(self, meta: Meta, items: list[Field]) -> tuple[Field, ...]:
        self._unique([field.name for field in items], "field", meta)
        return tuple(items)

    def field(self, meta: Meta, items: list[Any]) -> Field:
        name, found, optional = items
        return Field(name=self._single(name), type=found, optional=optional is not None)

    def text_type(self, meta: Meta, items: list[Any]) -> TextType:
        return TextType(folded=items[0] is not None)

    def number_type(self, meta: Meta, items: list[Any]) -> NumberType:
        return NumberType(integer=items[0] == "integer", from_text=items[1] is not None)

    def enum_type(self, meta: Meta, items: list[Any]) -> EnumType:
        self._unique(list(items[0]), "value", meta)
        return EnumType(values=tuple(items[0]))

    def list_type(self, meta: Meta, items: list[Any]) -> ListType:
        return ListType(item=items[0])

    def map_type(self, meta: Meta, items: list[Any]) -> MapType:
        return MapType(item=items[0])

    def record_type(self, meta: Meta, items: list[Any]) -> RecordType:
        return RecordType(fields=items[0])

    def simple_type(self, meta: Meta, items: list[Token]) -> Any:
        return _SIMPLE[items[0]]
