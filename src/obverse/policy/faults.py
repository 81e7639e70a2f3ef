"""What reading a policy gathers: every fault of a text, so that the author mends them in one go.

Not a logger: it ends in `ManyErrors` or in nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from obverse.core.errors import ManyErrors, Span, UntrustedInputError

MOST: Final = 200
"""More faults than this are not worth listing: the file is not a policy, or one mistake made all of them."""


class Faults:
    """The faults of one source, in the order of the text when they are raised."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[UntrustedInputError] = []

    def add(self, message: str, at: Span | None = None, *, code: str, hint: str | None = None) -> None:
        """Note one fault and go on."""
        error = UntrustedInputError(message, code=code, at=at, source=self.source, hint=hint)
        if all(str(error) != str(other) for other in self.found[-3:]):
            self.found.append(error)
        if len(self.found) >= MOST:
            self.stop()

    def stop(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            ManyErrors: with every fault noted so far.
        """
        if self.found:
            raise ManyErrors(sorted(self.found, key=lambda error: (error.at is not None, error.at or _START)))


_START = Span(line=1, column=1, end_line=1, end_column=1)


def quoted(text: str, longest: int = 60) -> str:
    """User input as it stands in a message: in backticks, one line, shortened, without control characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1])
    return f"`{shown if len(shown) <= longest else shown[:longest] + '…'}`"


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str | None = None) -> str | None:
    """The hint for a word that is not known: the nearest known one; or a short list; or `otherwise`."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word[:100], [name[:100] for name in names], n=1, cutoff=0.6)
    if near:
        return f"did you mean {quoted(near[0])}?"
    if otherwise is None and 0 < len(names) <= 8:
        return "known: " + ", ".join(quoted(name, 30) for name in names)
    return otherwise
