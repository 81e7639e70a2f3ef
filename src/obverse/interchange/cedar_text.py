"""How Cedar is written: names, texts, numbers and guarded conditions. Knows nothing of policies.

Source: the Cedar grammar, docs.cedarpolicy.com/policies/syntax-grammar.html (Cedar 4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, TypeAlias

import msgspec

Path: TypeAlias = tuple[str, ...]
"""Where a value stands below `context`."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"])
_LONGEST_LONG: Final = 2**63 - 1
_DECIMAL_UNIT: Final = 10_000  # a Cedar decimal has four places


class Test(msgspec.Struct, frozen=True):
    """A condition in Cedar that errs unless everything at `needs` is there."""

    text: str
    needs: tuple[Path, ...] = ()


class Every(msgspec.Struct, frozen=True):
    """All of these."""

    parts: tuple[Clause, ...]


class Some(msgspec.Struct, frozen=True):
    """At least one of these."""

    parts: tuple[Clause, ...]


Clause: TypeAlias = Test | Every | Some
TRUE: Final = Test("true")
FALSE: Final = Test("false")


def every(parts: Iterable[Clause]) -> Clause:
    """The conjunction, flattened; what is always true is left out."""
    kept: dict[Clause, None] = {}
    for part in parts:
        if part == FALSE:
            return FALSE
        kept |= dict.fromkeys(part.parts if isinstance(part, Every) else () if part == TRUE else (part,))
    return Every(tuple(kept)) if len(kept) > 1 else next(iter(kept), TRUE)


def some(parts: Iterable[Clause]) -> Clause:
    """The disjunction, flattened; what is always false is left out."""
    kept: dict[Clause, None] = {}
    for part in parts:
        if part == TRUE:
            return TRUE
        kept |= dict.fromkeys(part.parts if isinstance(part, Some) else () if part == FALSE else (part,))
    return Some(tuple(kept)) if len(kept) > 1 else next(iter(kept), FALSE)


def written(clause: Clause) -> str:
    """The condition as text that never errs on a value that is missing: each is looked for before it is read."""
    match clause:
        case Test():
            return " && ".join([*_guards(clause.needs), clause.text])
        case Every():
            tests = [part for part in clause.parts if isinstance(part, Test)]
            needs = dict.fromkeys(path for test in tests for path in test.needs)
            others = [part for part in clause.parts if not isinstance(part, Test)]
            return " && ".join([*_guards(needs), *(t.text for t in tests), *(f"({written(part)})" for part in others)])
        case Some():
            return " || ".join(written(part) if _is_one(part) else f"({written(part)})" for part in clause.parts)


def conjuncts(clause: Clause) -> tuple[Clause, ...]:
    """The parts that must all be true."""
    return clause.parts if isinstance(clause, Every) else (clause,)


def _is_one(clause: Clause) -> bool:
    return isinstance(clause, Test) and not clause.needs


def _guards(needs: Iterable[Path]) -> list[str]:
    kept: dict[str, None] = {}
    for path in needs:
        if all(map(is_identifier, path)):
            kept[f"context has {'.'.join(path)}"] = None
        else:
            kept |= dict.fromkeys(f"{read(path[:depth])} has {_key(path[depth])}" for depth in range(len(path)))
    return list(kept)


def there(path: Path) -> str:
    """That there is something at this place."""
    return " && ".join(_guards((path,)))


def read(path: Path) -> str:
    """`context.input.amount`, `context.facts["user.tier"]`."""
    return "context" + "".join(f".{name}" if is_identifier(name) else f"[{quoted(name)}]" for name in path)


def is_identifier(name: str) -> bool:
    """Whether a name needs no quotes."""
    return _IDENTIFIER.fullmatch(name) is not None and name not in _RESERVED


def key(name: str) -> str:
    """A name where an attribute is declared or asked for."""
    return _key(name)


def _key(name: str) -> str:
    return name if is_identifier(name) else quoted(name)


def quoted(text: str) -> str:
    """A Cedar string literal."""
    return '"' + "".join(_ESCAPES.get(character) or _shown(character) for character in text) + '"'


def pattern(parts: Sequence[str | None]) -> str:
    """A Cedar `like` pattern: texts as they are, None for any text."""
    return '"' + "".join("*" if part is None else quoted(part)[1:-1].replace("*", "\\*") for part in parts) + '"'


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def _shown(character: str) -> str:
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def long_of(number: Fraction) -> int | None:
    """The number as a Cedar long (64 bits), if it is one."""
    return int(number) if number.denominator == 1 and abs(number) <= _LONGEST_LONG else None


def decimal_of(number: Fraction) -> str | None:
    """The number as the text of a Cedar decimal (four places, 64 bits), if it is one."""
    scaled = number * _DECIMAL_UNIT
    if scaled.denominator != 1 or abs(scaled) > _LONGEST_LONG:
        return None
    whole, rest = divmod(abs(int(scaled)), _DECIMAL_UNIT)
    return f"{'-' if scaled < 0 else ''}{whole}.{f'{rest:04}'.rstrip('0') or '0'}"
