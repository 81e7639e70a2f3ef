"""The pieces of a prose: statements, and what is no statement, each with its place. Records only.

Law: `start` and `end` are offsets into the text as read (line feeds, no byte order mark), `text` is exactly what stands there,
no two pieces overlap, and every character that is not blank is in one of them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, TypeAlias

import msgspec

from obverse.core.canon import digest
from obverse.core.errors import Span

Kind: TypeAlias = Literal["normative", "definition", "background"]
OtherKind: TypeAlias = Literal["heading", "lead-in", "joint", "code", "markup", "mark", "front matter", "reference"]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, list item or row of a table. `context` is what it stands under: headings, lead-in, header of the table.

    `key` names it: the digest of its normalised text and context, and which of several equal ones it is.
    """

    key: str
    text: str
    kind: Kind
    at: Span
    start: int
    end: int
    context: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The text on one line."""
        return plain(self.text)


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """A piece that is no statement, and what it is instead."""

    kind: OtherKind
    text: str
    at: Span
    start: int
    end: int


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A prose cut into its pieces, each list in the order of the text."""

    digest: str
    statements: tuple[Statement, ...]
    others: tuple[Other, ...]


def plain(text: str) -> str:
    """The text on one line, without characters that do not print; equal texts look equal."""
    joined = re.sub(
        r"\n\s*(?:>\s*)*", " ", unicodedata.normalize("NFC", text)
    )  # the marks of a quote go on on each line
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in joined)).strip()


def key_of(text: str, context: tuple[str, ...], occurrence: int) -> str:
    """The name of a statement: it changes with its words and its context, not with its place."""
    return digest({"text": plain(text), "context": [plain(one) for one in context], "occurrence": occurrence})
