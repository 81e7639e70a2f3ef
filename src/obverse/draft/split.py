"""`split`: any prose → statements with their places, and what is no statement; no model is asked.

Markdown decides what a heading, a list, a table or code is (markdown-it-py, block structure only); within a block, sentences
are found by their ends. What Markdown does not show (nested too deep, an unusual construct) is read as plain lines, so that
nothing is lost. Not here: what a statement means (`classify`), and cutting compound ones (`refine`).

Laws: those of `pieces`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from obverse.core.canon import digest_bytes
from obverse.core.errors import Span, UntrustedInputError
from obverse.draft.classify import is_wordy, kind_of
from obverse.draft.pieces import Cut, Other, OtherKind, Statement, key_of
from obverse.draft.sentences import sentences

LARGEST: Final = 1_000_000
"""Bytes of the largest prose that is read: no larger policy could hold it."""

_LONGEST_MARKER: Final = 200
_FRONT = re.compile(r"---[ \t]*\n.*?^(?:---|\.\.\.)[ \t]*$", re.S | re.M)
_REFERENCE = re.compile(r"\s*\[[^\]]+\]:\s*\S+")
_MARKUP = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.S)
_LETTER = re.compile(r"[^\W_]")
_MARKER = re.compile(r"\s*(?:>\s*|[-*+]\s+|\d{1,9}[.)]\s+)*")


def read_prose(data: bytes, *, source: str = "prose.md") -> str:
    """The text of these bytes, with line feeds at line ends and without a byte order mark.

    Raises:
        UntrustedInputError: if it is too large, no UTF-8 text, or says nothing.
    """
    if len(data) > LARGEST:
        raise UntrustedInputError(
            f"the prose is larger than {LARGEST:,} bytes", code="F101", source=source, hint="draft it part by part"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UntrustedInputError("the prose is not UTF-8 text", code="F102", source=source) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise UntrustedInputError("the prose holds a null character", code="F102", source=source, hint="is it text?")
    if not _LETTER.search(text):
        raise UntrustedInputError("the prose says nothing", code="F103", source=source)
    return text


def split(text: str) -> Cut:
    """The pieces of a text that `read_prose` gave."""
    reader = _Reader(text)
    reader.read()
    return Cut(
        digest=digest_bytes(text.encode()),
        statements=tuple(sorted(reader.statements, key=lambda piece: piece.start)),
        others=tuple(sorted(reader.others, key=lambda piece: piece.start)),
    )


class _Reader:
    """Goes through the blocks once; what it has seen of each line is marked, so that the rest can be found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.taken = bytearray(len(text))
        self.headings: list[tuple[int, str]] = []
        self.seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.statements: list[Statement] = []
        self.others: list[Other] = []

    def read(self) -> None:
        first = 0
        front = _FRONT.match(self.text)
        if front is not None:
            self._other("front matter", 0, front.end())
            first = self.text.count("\n", 0, front.end()) + 1
        body = "\n".join(["" if number < first else line for number, line in enumerate(self.lines)])
        markdown = MarkdownIt("commonmark").enable("table")
        markdown.core.ruler.enableOnly(["normalize", "block"])
        self._blocks(markdown.parse(body))
        self._rest()

    # --- blocks ---------------------------------------------------------------------------------------------------------

    def _blocks(self, tokens: list[Token]) -> None:
        above: list[str] = []  # what each open list hangs on: its lead-in, or the item that it details
        last = ""  # the last lead-in or item text at this depth
        items: list[str] = []
        header = ""
        place = 0
        while place < len(tokens):
            token = tokens[place]
            match token.type:
                case "heading_open":
                    self._heading(token, tokens[place + 1])
                    last = ""
                case "bullet_list_open" | "ordered_list_open":
                    above.append(last)
                    items.append("")
                case "bullet_list_close" | "ordered_list_close":
                    above.pop()
                    items.pop()
                    last = ""
                case "list_item_open":
                    last = ""
                case "paragraph_open":
                    before_list = _opens_list(tokens, place + 3)
                    last = self._paragraph(tokens[place + 1], above, before_list=before_list)
                case "thead_open":
                    header = self._header(token)
                case "tr_open" if token.level and token.map is not None and not _in_head(tokens, place):
                    self._row(token, header, above)
                case "fence":
                    self._lines_as("code", token)
                case "code_block":
                    self._indented(token, above)
                case "html_block":
                    self._html(token, above)
                case "hr":
                    self._lines_as("mark", token)
                case _:
                    pass
            place += 1

    def _heading(self, token: Token, inline: Token) -> None:
        start, end = token.map or (0, 0)
        depth = int(token.tag[1:])
        self.headings = [one for one in self.headings if one[0] < depth]
        self.headings.append((depth, inline.content.strip()))
        self._other("heading", *self._stretch(start, end))

    def _paragraph(self, inline: Token, above: list[str], *, before_list: bool) -> str:
        """What a list right below this paragraph hangs on."""
        start, end = inline.map or (0, 0)
        chunks = self._chunks(inline.content.split("\n"), start, end)
        found = list(sentences(self.text, chunks))
        if not found:
            return ""
        context = self._context(above)
        for begin, stop in found[:-1]:
            self._statement(begin, stop, context)
        begin, stop = found[-1]
        said = self.text[begin:stop]
        if before_list and said.rstrip("*_` ").endswith((":", "：")):
            self._other("lead-in", begin, stop)
        else:
            self._statement(begin, stop, context)
        return said

    def _chunks(self, contents: list[str], start: int, end: int) -> list[tuple[int, int]]:
        """Where the text of each line of a leaf block stands: the markers of lists and quotes before it are marks."""
        chunks = []
        for number in range(start, end):
            line = self.lines[number]
            content = contents[number - start].strip() if number - start < len(contents) else ""
            body = line.rstrip()
            column = len(body) - len(content) if content and body.endswith(content) else line.find(content)
            if not content or column < 0:
                marker = _MARKER.match(body)
                column, content = (marker.end() if marker else 0), body[marker.end() if marker else 0 :]
            if not content.strip():
                continue
            begin = self.starts[number] + column
            chunks.append((begin, begin + len(content)))
        return chunks

    def _header(self, token: Token) -> str:
        start, end = token.map or (0, 0)
        self._other("heading", *self._stretch(start, end))
        if end < len(self.lines):
            self._other("mark", *self._stretch(end, end + 1))  # the line of dashes below
        return self.lines[start].strip()

    def _row(self, token: Token, header: str, above: list[str]) -> None:
        start, end = token.map or (0, 0)
        begin, stop = self._stretch(start, end)
        self._statement(begin, stop, (*self._context(above), header))

    def _lines_as(self, kind: OtherKind, token: Token) -> None:
        start, end = token.map or (0, 0)
        self._other(kind, *self._stretch(start, end))

    def _indented(self, token: Token, above: list[str]) -> None:
        """An indented block is code in Markdown, and in plain text often a paragraph."""
        start, end = token.map or (0, 0)
        number = start
        while number < end:
            stop = number + 1
            while stop < end and self.lines[stop].strip():
                stop += 1
            if is_wordy("\n".join(self.lines[number:stop])):
                self._plain_lines(number, stop, above)
            else:
                self._other("code", *self._stretch(number, stop))
            number = stop

    def _html(self, token: Token, above: list[str]) -> None:
        if _LETTER.search(_MARKUP.sub("", token.content)):
            start, end = token.map or (0, 0)
            self._plain_lines(start, end, above)
        else:
            self._lines_as("markup", token)

    def _rest(self) -> None:
        """What no block held: link references, and whatever Markdown passes over."""
        number = 0
        while number < len(self.lines):
            if not self._is_open(number):
                number += 1
                continue
            end = number + 1
            while end < len(self.lines) and self._is_open(end) and self.lines[end].strip():
                end += 1
            self._plain_lines(number, end, [])
            number = end

    def _is_open(self, number: int) -> bool:
        line, first = self.lines[number], self.starts[number]
        return any(not c.isspace() and not self.taken[first + column] for column, c in enumerate(line))

    def _plain_lines(self, start: int, end: int, above: list[str]) -> None:
        """Lines as sentences, whatever Markdown makes of them; within a line, what is not taken yet."""
        chunks: list[tuple[int, int]] = []
        for number in range(start, end):
            open_ = list(self._open_parts(number))
            if _REFERENCE.match(self.lines[number]) and open_:
                self._sentences(chunks, above)
                chunks = []
                self._other("reference", *self._trimmed(open_[0][0], open_[-1][1]))
            elif not self.lines[number].strip():
                self._sentences(chunks, above)
                chunks = []
            else:
                chunks += open_
        self._sentences(chunks, above)

    def _sentences(self, chunks: list[tuple[int, int]], above: list[str]) -> None:
        for begin, stop in sentences(self.text, chunks):
            self._statement(begin, stop, self._context(above))

    def _open_parts(self, number: int) -> Iterator[tuple[int, int]]:
        """The stretches of a line that nothing has taken."""
        begin: int | None = None
        for place in range(self.starts[number], self.starts[number] + len(self.lines[number]) + 1):
            free = place < self.starts[number] + len(self.lines[number]) and not self.taken[place]
            if free and begin is None:
                begin = place
            elif not free and begin is not None:
                if self.text[begin:place].strip():
                    yield self._trimmed(begin, place)
                begin = None

    # --- pieces ---------------------------------------------------------------------------------------------------------

    def _context(self, above: list[str]) -> tuple[str, ...]:
        return (*(title for _, title in self.headings), *(one for one in above if one))

    def _stretch(self, start: int, end: int) -> tuple[int, int]:
        """The text of whole lines without blanks around it."""
        return self._trimmed(self.starts[start], min(self.starts[end] - 1, len(self.text)))

    def _trimmed(self, begin: int, stop: int) -> tuple[int, int]:
        said = self.text[begin:stop]
        return begin + len(said) - len(said.lstrip()), stop - (len(said) - len(said.rstrip()))

    def _statement(self, begin: int, stop: int, context: tuple[str, ...]) -> None:
        text = self.text[begin:stop]
        if not _LETTER.search(text):
            self._other("mark", begin, stop)
            return
        context = tuple(one for one in context if one)
        key = (text, context)
        statement = Statement(
            key=key_of(text, context, self.seen[key]),
            text=text,
            kind=kind_of(text, context),
            at=self._span(begin, stop),
            start=begin,
            end=stop,
            context=context,
        )
        self.seen[key] += 1
        self.statements.append(statement)
        self._take(begin, stop)

    def _other(self, kind: OtherKind, begin: int, stop: int) -> None:
        if begin >= stop:
            return
        self.others.append(
            Other(kind=kind, text=self.text[begin:stop], at=self._span(begin, stop), start=begin, end=stop)
        )
        self._take(begin, stop)

    def _take(self, begin: int, stop: int) -> None:
        """Mark a piece, and the marker of a list or quote before it on its line."""
        self.taken[begin:stop] = b"\1" * (stop - begin)
        first = self.text.rfind("\n", max(0, begin - _LONGEST_MARKER), begin) + 1
        if first == 0 and begin > _LONGEST_MARKER:
            return  # far into a long line: no marker reaches so far
        before = self.text[first:begin]
        marker = _MARKER.match(before)
        if before.strip() and not any(self.taken[first:begin]) and marker is not None and marker.end() == len(before):
            start, end = self._trimmed(first, begin)
            self.others.append(
                Other(kind="mark", text=self.text[start:end], at=self._span(start, end), start=start, end=end)
            )
            self.taken[start:end] = b"\1" * (end - start)

    def _span(self, begin: int, stop: int) -> Span:
        line, column = self._place(begin)
        end_line, end_column = self._place(stop)
        return Span(line=line, column=column, end_line=end_line, end_column=end_column)

    def _place(self, offset: int) -> tuple[int, int]:
        from_ = bisect_right(self.starts, offset) - 1
        return from_ + 1, offset - self.starts[from_] + 1


def _opens_list(tokens: list[Token], place: int) -> bool:
    return place < len(tokens) and tokens[place].type in {"bullet_list_open", "ordered_list_open"}


def _in_head(tokens: list[Token], place: int) -> bool:
    return tokens[place - 1].type == "thead_open"
