"""The leaves of lark's tree: names, texts, numbers and durations out of their tokens, with their places in the document."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

from lark import Token
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from obverse.core.errors import Span
from obverse.policy import ast
from obverse.policy.faults import Faults, quoted
from obverse.policy.reading import lapse

LONGEST_NUMBER: Final = 300
LONGEST_WINDOW_MS: Final = 1_000_000_000_000_000

_SEGMENT = re.compile(r"`([^`\n]+)`|([^\W\d]\w*)")
Part = tuple[str, Any, Span]


def segments(path: str) -> tuple[str, ...]:
    """The parts of a dotted name, out of their backticks."""
    return tuple(found[1] or found[2] for found in _SEGMENT.finditer(path))


class Leaves(Transformer_NonRecursive[Token, Any]):
    """Reads tokens; `first` is the line of the document on which the statement begins."""

    def __init__(self, faults: Faults, first: int, zone: int) -> None:
        super().__init__()
        self.faults = faults
        self.first = first
        self.zone = zone

    def _at(self, meta: Meta) -> Span | None:
        if meta.empty:
            return None
        above = self.first - 1
        return Span(
            line=meta.line + above, column=meta.column, end_line=meta.end_line + above, end_column=meta.end_column
        )

    def _of(self, token: Token) -> Span:
        line, end = token.line or 1, token.end_line or token.line or 1
        start = token.column or 1
        return Span(
            line=line + self.first - 1, column=start, end_line=end + self.first - 1,
            end_column=token.end_column or start + 1,
        )  # fmt: skip

    def _single(self, token: Token) -> str:
        """The one name that a token holds."""
        path = segments(token)
        if len(path) > 1:
            self.faults.add(f"a dotted name {quoted(token)} cannot stand here", self._of(token), code="P117")
        return path[0]

    def _dotted(self, token: Token) -> str:
        return ".".join(segments(token))

    def _text(self, token: Token) -> str:
        try:
            text = str(json.loads(token, strict=False))
            text.encode()
        except ValueError:
            hint = 'inside a text, write `\\\\` for a backslash and `\\"` for a quotation mark'
            self.faults.add(f"an unknown escape in {quoted(token)}", self._of(token), code="P112", hint=hint)
            return ""
        return text

    def _number(self, token: Token) -> int | Decimal:
        if len(token) > LONGEST_NUMBER:
            self.faults.add(f"a number of {len(token)} digits", self._of(token), code="P113")
            return 0
        number = Decimal(token)
        return int(number) if number == number.to_integral_value() else number

    def _duration(self, token: Token) -> ast.Duration:
        found = lapse(token) if len(token) <= LONGEST_NUMBER else None
        if found is None or found.ms > LONGEST_WINDOW_MS:
            self.faults.add(f"{quoted(token)} is too long a time", self._of(token), code="P114")
            return ast.Duration(ms=0, at=self._of(token))
        return ast.Duration(ms=int(found.ms), at=self._of(token))

    def _window(self, token: Token | None) -> ast.Duration | None:
        if token is None:
            return None
        return self._duration(token.update(value=token.split()[-1]))

    def _unique(self, names: list[str], what: str, meta: Meta) -> None:
        for name in {name for name in names if names.count(name) > 1}:
            self.faults.add(f"the {what} {quoted(name)} is given twice", self._at(meta), code="P118")

    def _place(self, meta: Meta) -> Span:
        return self._at(meta) or Span(line=self.first, column=1, end_line=self.first, end_column=2)
