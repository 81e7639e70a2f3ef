"""The errors of Obverse, one tree.

    ObverseError
    ├── MisuseError            the caller is wrong: mend the call
    ├── UntrustedInputError    the bytes are wrong: mend the file
    │   └── ManyErrors         several faults of one input, reported in one go
    ├── EvidenceError          the proof is wrong: do not trust it
    └── UnavailableError       the world is wrong: try later, or elsewhere

Four kinds, since each asks the reader to do something else. The text is one line, lower case, without a full stop, user
input in backticks; where, how to mend it and the code are fields. Nothing here knows of colour or ends the process.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Span(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A stretch of a source text; lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class ObverseError(Exception):
    """A fault that we can name: `code` (stable, `docs/errors.md`), `message`, `at`, `source`, `hint`."""

    def __init__(
        self, message: str, *, code: str, at: Span | None = None, source: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.at = at
        self.source = source
        self.hint = hint

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.source, self.at) if part is not None)
        hint = f" (hint: {self.hint})" if self.hint else ""
        return f"{where + ': ' if where else ''}[{self.code}] {self.message}{hint}"


class MisuseError(ObverseError):
    """The caller is wrong."""


class UntrustedInputError(ObverseError):
    """The bytes are wrong."""


class ManyErrors(UntrustedInputError):  # noqa: N818  # reads as what it is: many of them
    """Several faults of one input; `errors` holds at least one, in the order of the text."""

    def __init__(self, errors: Sequence[UntrustedInputError]) -> None:
        first = errors[0]
        super().__init__(first.message, code=first.code, at=first.at, source=first.source, hint=first.hint)
        self.errors: tuple[UntrustedInputError, ...] = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class EvidenceError(ObverseError):
    """The proof is wrong."""


class UnavailableError(ObverseError):
    """The world is wrong: no network, no disk, no such service."""
