"""Tools from files, and tools for targets: JSON Schema on both sides of `ast.Tool`.

Read are an OpenAI function list (`[{"type": "function", "function": {...}}]`, or the bare functions), one JSON Schema with a
`title` or a dict of them by tool name, and an MCP tool list (`{"tools": [{"name", "inputSchema", "annotations"}]}`; with its
result around it, as a JSON-RPC answer). What our types cannot say becomes `json`, never something narrower.
"""

from __future__ import annotations

from typing import Any, Final

from obverse.core.chat import ToolSpec
from obverse.core.errors import UntrustedInputError
from obverse.policy.ast import Tool
from obverse.policy.decision import Unknown
from obverse.policy.faults import quoted
from obverse.policy.reading import read_json
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

LARGEST: Final = 10_000_000
DEEPEST: Final = 16
"""Schemas nested deeper than this are `json`."""


def read_tools(data: bytes, *, source: str = "tools.json") -> tuple[Tool, ...]:
    """The tools that this file declares, in its order.

    Raises:
        UntrustedInputError: if it is not JSON, or no list of tools that we know.
    """
    if len(data) > LARGEST:
        raise UntrustedInputError(f"larger than {LARGEST:,} bytes", code="P130", source=source)
    try:
        value = read_json(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UntrustedInputError("not UTF-8 text", code="P130", source=source) from error
    if isinstance(value, Unknown):
        raise UntrustedInputError(
            "not JSON, or with a key twice in one object", code="P130", source=source,
            hint="a list of functions, a JSON Schema, or an MCP tool list",
        )  # fmt: skip
    tools = tuple(_tool(name, schema, source) for name, schema in _declarations(value, source))
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise UntrustedInputError(f"the tool {quoted(twice)} is declared twice", code="P131", source=source)
    return tools


def tool_spec(tool: Tool) -> ToolSpec:
    """The tool as it is offered to a target: `read_tools` of it gives the same parameters again."""
    return ToolSpec(name=tool.name, description=tool.description or "", parameters=_record_schema(tool.parameters))


# --- reading ------------------------------------------------------------------------------------------------------------


def _declarations(value: Any, source: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and declaration of each tool, whatever the shape around them."""
    if isinstance(value, dict) and isinstance(value.get("result"), dict):
        value = value["result"]
    if isinstance(value, dict) and isinstance(value.get("tools"), list):
        value = value["tools"]
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        value = [value]
    if isinstance(value, dict) and value.get("type") == "object":
        value = [{"name": value.get("title"), "parameters": value, "description": value.get("description")}]
    if isinstance(value, dict):
        value = [_named(name, schema) for name, schema in value.items()]
    if not isinstance(value, list):
        raise UntrustedInputError("no list of tools", code="P131", source=source)
    return [_declaration(item, place, source) for place, item in enumerate(value)]


def _named(name: str, schema: Any) -> Any:
    """A declaration out of a dict by tool name: a schema, or a declaration that leaves the name to its key."""
    if not isinstance(schema, dict):
        return schema
    if "parameters" in schema or "inputSchema" in schema:
        return {**schema, "name": name}
    return {"name": name, "parameters": schema, "description": schema.get("description")}


def _declaration(item: Any, place: int, source: str) -> tuple[str, dict[str, Any]]:
    if isinstance(item, dict) and isinstance(item.get("function"), dict):
        item = item["function"]
    if not isinstance(item, dict):
        raise UntrustedInputError(f"tool {place + 1} is no object", code="P131", source=source)
    name = item.get("name")
    if not isinstance(name, str) or not name or len(name) > 200 or "`" in name or not name.isprintable():
        raise UntrustedInputError(
            f"tool {place + 1} has no name", code="P131", source=source,
            hint="a JSON Schema alone needs a `title`, which becomes the name",
        )  # fmt: skip
    return name, item


def _tool(name: str, item: dict[str, Any], source: str) -> Tool:
    schema: Any = next(
        (item[key] for key in ("parameters", "inputSchema", "input_schema") if item.get(key) is not None), {}
    )
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise UntrustedInputError(
            f"the parameters of {quoted(name)} are no JSON Schema object", code="P132", source=source
        )
    record = _record(schema, schema, 0)
    if record is None:
        raise UntrustedInputError(f"the parameters of {quoted(name)} are malformed", code="P132", source=source)
    annotations, output = item.get("annotations"), item.get("outputSchema")
    reads = isinstance(annotations, dict) and annotations.get("readOnlyHint") is True
    description = item.get("description")
    return Tool(
        name=name,
        parameters=record.fields,
        returns=_type(output, output, 0) if isinstance(output, dict) else None,
        effects=("read",) if reads else (),
        description=description if isinstance(description, str) and description else None,
    )


def _record(schema: dict[str, Any], root: dict[str, Any], depth: int) -> RecordType | None:
    """The record that an object schema describes; None if it is malformed."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return None
    fields = []
    for name, inner in properties.items():
        nullable, found = _without_null(inner, root)
        optional = name not in required or nullable
        fields.append(Field(name=name, type=_type(found, root, depth + 1), optional=optional))
    return RecordType(fields=tuple(fields))


def _type(schema: Any, root: dict[str, Any], depth: int) -> Type:
    """The narrowest type of ours that every value of the schema has."""
    schema = _resolved(schema, root)
    if not isinstance(schema, dict) or depth > DEEPEST or schema.keys() & {"anyOf", "oneOf", "allOf", "not", "$ref"}:
        return JsonType()
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is not None:
        texts = isinstance(values, list) and values and all(isinstance(value, str) for value in values)
        return EnumType(values=tuple(dict.fromkeys(values))) if texts else JsonType()
    match schema.get("type"):
        case "string":
            return _text_type(schema.get("format"))
        case "number":
            return NumberType()
        case "integer":
            return NumberType(integer=True)
        case "boolean":
            return BoolType()
        case "array" if isinstance(schema.get("items"), dict):
            return ListType(item=_type(schema["items"], root, depth + 1))
        case "object":
            return _object_type(schema, root, depth)
    return JsonType()


def _text_type(form: Any) -> Type:
    if form in ("date-time", "date"):
        return TimeType()
    return DurationType() if form == "duration" else TextType()


def _object_type(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Type:
    extra = schema.get("additionalProperties")
    if "properties" in schema:
        return _record(schema, root, depth) or JsonType()
    return MapType(item=_type(extra, root, depth + 1)) if isinstance(extra, dict) else JsonType()


def _without_null(schema: Any, root: dict[str, Any]) -> tuple[bool, Any]:
    """Whether a schema allows null, and what is left of it without."""
    schema = _resolved(schema, root)
    if not isinstance(schema, dict):
        return False, schema
    kinds = schema.get("type")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        return "null" in kinds, {**schema, "type": others[0]} if len(others) == 1 else {}
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list):
            others = [option for option in options if not (isinstance(option, dict) and option.get("type") == "null")]
            return len(others) < len(options), others[0] if len(others) == 1 else {}
    return False, schema


def _resolved(schema: Any, root: dict[str, Any]) -> Any:
    """The schema that a local reference names; one step only, so that a cycle ends as `json`."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found


# --- writing ------------------------------------------------------------------------------------------------------------


def _record_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {field.name: _schema(field.type) for field in fields}}
    required = [field.name for field in fields if not field.optional]
    return {**schema, "required": required, "additionalProperties": False}


def _schema(wanted: Type) -> dict[str, Any]:
    """The JSON Schema of a type."""
    match wanted:
        case TextType():
            return {"type": "string"}
        case NumberType(integer=True):
            return {"type": "integer"}
        case NumberType():
            return {"type": "number"}
        case BoolType():
            return {"type": "boolean"}
        case TimeType():
            return {"type": "string", "format": "date-time"}
        case DurationType():
            return {"type": "string", "format": "duration"}
        case EnumType():
            return {"type": "string", "enum": list(wanted.values)}
        case ListType():
            return {"type": "array", "items": _schema(wanted.item)}
        case MapType():
            return {"type": "object", "additionalProperties": _schema(wanted.item)}
        case RecordType():
            return _record_schema(wanted.fields)
        case JsonType():
            return {}
