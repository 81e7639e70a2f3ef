"""Which types may stand together: the algebra that `check` asks. It knows types only, no names and no places.

A type of `None` is one that is not known because a fault was noted before: everything agrees with it.
"""

from __future__ import annotations

from typing import TypeAlias

from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)

Maybe: TypeAlias = Type | None

BOOL, NUMBER, TEXT, TIME, DURATION = BoolType(), NumberType(), TextType(), TimeType(), DurationType()
_TEXTS = (TextType, EnumType)
_ORDERED = (NumberType, TimeType, DurationType)


def is_text(kind: Maybe) -> bool:
    return kind is None or isinstance(kind, _TEXTS)


def is_number(kind: Maybe) -> bool:
    return kind is None or isinstance(kind, NumberType)


def is_condition(kind: Maybe) -> bool:
    return kind is None or isinstance(kind, BoolType)


def equal(left: Maybe, right: Maybe) -> bool:
    """Whether two values of these types can be compared by `=`."""
    match left, right:
        case (None, _) | (_, None):
            return True
        case EnumType(), EnumType():
            return bool({*left.values} & {*right.values})
        case ((TextType() | EnumType()), (TextType() | EnumType())):
            return True
        case ListType(), ListType():
            return equal(left.item, right.item)
        case RecordType(), RecordType():
            names = [field.name for field in left.fields] == [field.name for field in right.fields]
            return names and all(equal(one.type, other.type) for one, other in zip(left.fields, right.fields))
        case MapType(), MapType():
            return equal(left.item, right.item)
    return type(left) is type(right)


def ordered(left: Maybe, right: Maybe) -> bool:
    """Whether two values of these types can be compared by `<`."""
    if left is None or right is None:
        return all(kind is None or isinstance(kind, _ORDERED) for kind in (left, right))
    return isinstance(left, _ORDERED) and type(left) is type(right)


def arithmetic(op: str, left: Maybe, right: Maybe) -> tuple[bool, Maybe]:
    """Whether the operation exists on these types, and the type that it gives."""
    match left, op, right:
        case (None, _, _) | (_, _, None):
            return True, None
        case NumberType(), _, NumberType():
            return True, NUMBER
        case TimeType(), "-", TimeType():
            return True, DURATION
        case TimeType(), "+" | "-", DurationType():
            return True, TIME
        case DurationType(), "+" | "-", DurationType():
            return True, DURATION
        case (DurationType(), "*" | "/", NumberType()) | (NumberType(), "*", DurationType()):
            return True, DURATION
    return False, None


def items_of(over: Maybe) -> tuple[bool, Maybe]:
    """Whether a quantifier can range over this type, and the type of what it finds."""
    match over:
        case None:
            return True, None
        case ListType() | MapType():
            return True, over.item
    return False, None


def member(base: Maybe, name: str) -> tuple[bool, Maybe]:
    """Whether `.name` exists on this type, and its type: of a record, or of each record of a list."""
    match base:
        case None:
            return True, None
        case RecordType():
            field = base.field(name)
            return field is not None, field.type if field else None
        case ListType():
            found, inner = member(base.item, name)
            return found, ListType(item=inner) if inner is not None else None
    return False, None


def members(base: Maybe) -> tuple[str, ...]:
    """The names that may follow a dot."""
    match base:
        case RecordType():
            return tuple(field.name for field in base.fields)
        case ListType():
            return members(base.item)
    return ()


def follows(base: Maybe, path: tuple[str, ...]) -> bool:
    """Whether this whole dotted rest exists on the type."""
    for name in path:
        found, base = member(base, name)
        if not found:
            return False
    return True


def is_json(kind: Maybe) -> bool:
    return isinstance(kind, JsonType)
