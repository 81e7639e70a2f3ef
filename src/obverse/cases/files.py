"""Cases as lines of canonical JSON: the format of `cases.jsonl`, pure, bytes in and records out.

One case per line, RFC 8785 with exact numbers (`core.canon`), so equal suites are equal files (L09). Each line is whole: whoever
cuts the file loses the rest and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation

import msgspec

from obverse.cases.records import SCHEMA, Case
from obverse.core.canon import canonical, digest_bytes, meant
from obverse.core.errors import UntrustedInputError


def write_cases(cases: Iterable[Case]) -> bytes:
    """The lines of these cases."""
    return b"".join(canonical(case) + b"\n" for case in cases)


def digest_of(cases: Iterable[Case]) -> str:
    """The digest of exactly those bytes."""
    return digest_bytes(write_cases(cases))


def read_cases(data: bytes, *, source: str = "cases.jsonl") -> Iterator[Case]:
    """The cases of these lines.

    Raises:
        UntrustedInputError: for a line that is no case, or one whose id is not that of its content.
    """
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield read_case(line, source=f"{source}:{number}")


def read_case(line: bytes, *, source: str = "case") -> Case:
    """The case of one line."""
    try:
        value = meant(json.loads(line, parse_float=Decimal))
        case = msgspec.convert(value, Case)
    except (ValueError, RecursionError, InvalidOperation, msgspec.ValidationError) as error:
        raise UntrustedInputError(f"not a case: {_one_line(error)}", code="I100", source=source) from error
    if case.schema != SCHEMA:
        raise UntrustedInputError(f"cases of schema `{case.schema}` are not read", code="I101", source=source)
    if case.id != case.content:
        raise UntrustedInputError(
            f"the case `{case.id}` is not what it was: its content is `{case.content}`", code="I102", source=source,
            hint="derive the cases again with `obverse cases`",
        )  # fmt: skip
    return case


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
