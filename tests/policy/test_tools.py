"""Tools from JSON Schema, OpenAI functions and MCP lists, and back as they are offered to a target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from obverse.core.errors import UntrustedInputError
from obverse.policy import ast
from obverse.policy.tools import read_tools, tool_spec
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
    Type,
)
from obverse.testing.trees import fields

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
LOOK = ast.Tool(name="look", parameters=(Field(name="id", type=TextType()),), description="Look.")


def read(value: Any) -> tuple[ast.Tool, ...]:
    return read_tools(json.dumps(value).encode())


SHAPES = {
    "OpenAI functions": [{"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}}],
    "bare functions": [{"name": "look", "description": "Look.", "parameters": SCHEMA}],
    "one function": {"name": "look", "description": "Look.", "parameters": SCHEMA},
    "Anthropic tools": [{"name": "look", "description": "Look.", "input_schema": SCHEMA}],
    "an MCP tool list": {"tools": [{"name": "look", "description": "Look.", "inputSchema": SCHEMA}]},
    "an MCP answer": {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "look", "description": "Look.", "inputSchema": SCHEMA}]}},
    "one JSON Schema": {"title": "look", "description": "Look.", **SCHEMA},
    "schemas by name": {"look": {"description": "Look.", **SCHEMA}},
    "functions by name": {"look": {"description": "Look.", "parameters": SCHEMA}},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tool_is_the_same_in_every_shape(shape: str) -> None:
    assert read(SHAPES[shape]) == (LOOK,)


def test_what_a_tool_says_of_itself_becomes_effects_and_results() -> None:
    (look,) = read(
        {"tools": [{"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}, "outputSchema": SCHEMA}]}
    )  # fmt: skip
    assert look.effects == ("read",)
    assert look.returns == RecordType(fields=(Field(name="id", type=TextType()),))
    assert read([{"name": "look", "annotations": {"readOnlyHint": False}}])[0].effects == ()


TYPES: dict[str, tuple[dict[str, Any], Type]] = {
    "text": ({"type": "string"}, TextType()),
    "number": ({"type": "number"}, NumberType()),
    "integer": ({"type": "integer", "minimum": 0}, NumberType(integer=True)),
    "bool": ({"type": "boolean"}, BoolType()),
    "enum": ({"type": "string", "enum": ["a", "b"]}, EnumType(values=("a", "b"))),
    "const": ({"const": "a"}, EnumType(values=("a",))),
    "an enum of other things": ({"enum": ["a", 1]}, JsonType()),
    "time": ({"type": "string", "format": "date-time"}, TimeType()),
    "date": ({"type": "string", "format": "date"}, TimeType()),
    "duration": ({"type": "string", "format": "duration"}, DurationType()),
    "another format": ({"type": "string", "format": "email"}, TextType()),
    "list": ({"type": "array", "items": {"type": "string"}}, ListType(item=TextType())),
    "a list of anything": ({"type": "array"}, JsonType()),
    "map": ({"type": "object", "additionalProperties": {"type": "number"}}, MapType(item=NumberType())),
    "record": ({"type": "object", "properties": {"a": {"type": "string"}}}, RecordType(
        fields=(Field(name="a", type=TextType(), optional=True),))),
    "anything": ({}, JsonType()),
    "a choice": ({"anyOf": [{"type": "string"}, {"type": "number"}]}, JsonType()),
    "a local reference": ({"$ref": "#/$defs/n"}, NumberType()),
    "a reference round itself": ({"$ref": "#/$defs/loop"}, JsonType()),
    "a reference elsewhere": ({"$ref": "https://example.org/x"}, JsonType()),
    "true": (True, JsonType()),  # type: ignore[dict-item]  # a schema may be a boolean
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_becomes_the_narrowest_type(name: str) -> None:
    schema, wanted = TYPES[name]
    defs = {"n": {"type": "number"}, "loop": {"$ref": "#/$defs/loop"}}
    (tool,) = read([{"name": "t", "parameters": {"properties": {"x": schema}, "required": ["x"], "$defs": defs}}])
    assert tool.parameters == (Field(name="x", type=wanted),)


NULLABLE = (
    {"type": ["string", "null"]},
    {"anyOf": [{"type": "string"}, {"type": "null"}]},
    {"oneOf": [{"type": "null"}, {"type": "string"}]},
)


@pytest.mark.parametrize("schema", NULLABLE, ids=str)
def test_what_may_be_null_may_be_absent(schema: dict[str, Any]) -> None:
    (tool,) = read([{"name": "t", "parameters": {"properties": {"x": schema}, "required": ["x"]}}])
    assert tool.parameters == (Field(name="x", type=TextType(), optional=True),)


BAD = {
    "nothing": (b"", "P130"),
    "not JSON": (b"[", "P130"),
    "not UTF-8": (b"\xff", "P130"),
    "a key twice": (b'[{"name": "a", "name": "b"}]', "P130"),
    "too large": (b" " * 10_000_001, "P130"),
    "a text": (b'"tools"', "P131"),
    "a list of texts": (b'["look"]', "P131"),
    "no name": (b'[{"parameters": {}}]', "P131"),
    "a schema without a title": (b'{"type": "object"}', "P131"),
    "a tool twice": (b'[{"name": "a"}, {"name": "a"}]', "P131"),
    "parameters that are a list": (b'[{"name": "a", "parameters": []}]', "P132"),
    "parameters of a text": (b'[{"name": "a", "parameters": {"type": "string"}}]', "P132"),
    "properties that are a list": (b'[{"name": "a", "parameters": {"properties": []}}]', "P132"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_list_is_refused(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(UntrustedInputError) as caught:
        read_tools(data)
    assert caught.value.code == code


def plain(kind: Type) -> Type:
    """What JSON Schema can say of a type: no case folding, no numerals in texts."""
    match kind:
        case TextType():
            return TextType()
        case NumberType():
            return NumberType(integer=kind.integer)
        case ListType():
            return ListType(item=plain(kind.item))
        case MapType():
            return MapType(item=plain(kind.item))
        case RecordType():
            return RecordType(fields=plain_fields(kind.fields))
    return kind


def plain_fields(found: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(Field(name=field.name, type=plain(field.type), optional=field.optional) for field in found)


@given(fields())
@settings(max_examples=100, deadline=None)
def test_a_tool_that_is_offered_is_read_again(parameters: tuple[Field, ...]) -> None:
    spec = tool_spec(ast.Tool(name="t", parameters=parameters, description="D."))
    (tool,) = read([{"name": spec.name, "description": spec.description, "parameters": spec.parameters}])
    assert tool == ast.Tool(name="t", parameters=plain_fields(parameters), description="D.")
