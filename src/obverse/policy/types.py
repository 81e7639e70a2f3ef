"""The types that terms declare. A value of another type than declared is *unknown* to every test, never coerced (L03)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class TextType(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """`text`; `text folded` compares without regard to case (Unicode case folding)."""

    folded: bool = False


class NumberType(msgspec.Struct, frozen=True, kw_only=True, tag="number"):
    """`number` (exact decimal), `integer`; `number from text` also reads a decimal numeral out of a string."""

    integer: bool = False
    from_text: bool = False


class BoolType(msgspec.Struct, frozen=True, kw_only=True, tag="bool"):
    """`bool`."""


class TimeType(msgspec.Struct, frozen=True, kw_only=True, tag="time"):
    """`time`: an ISO 8601 string, a date alone meaning its midnight; without an offset it is in the policy's `timezone`."""


class DurationType(msgspec.Struct, frozen=True, kw_only=True, tag="duration"):
    """`duration`: as a literal, `24h`; in JSON, a string such as `"24h"` or an ISO 8601 duration."""


class EnumType(msgspec.Struct, frozen=True, kw_only=True, tag="enum"):
    """`one of "basic", "economy"`: a text outside the list is unknown to every test."""

    values: tuple[str, ...]


class JsonType(msgspec.Struct, frozen=True, kw_only=True, tag="json"):
    """`json`: anything; may only be compared for equality, or tested with `is present`."""


class ListType(msgspec.Struct, frozen=True, kw_only=True, tag="list"):
    """`list of T`."""

    item: Type


class MapType(msgspec.Struct, frozen=True, kw_only=True, tag="map"):
    """`map of T`: a JSON object with keys that are data. `k in M` tests the keys; quantifiers range over the values."""

    item: Type


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A named member of a record, or a parameter of a tool. An `optional` one may be absent, then it is unknown."""

    name: str
    type: Type
    optional: bool = False


class RecordType(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """`(name: T, …)`: a JSON object; members that are not declared are ignored in results."""

    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The member of this name, if there is one."""
        return next((field for field in self.fields if field.name == name), None)


Type: TypeAlias = (
    TextType | NumberType | BoolType | TimeType | DurationType | EnumType | JsonType | ListType | MapType | RecordType
)
