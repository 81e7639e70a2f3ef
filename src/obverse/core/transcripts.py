"""Transcripts in files: read, one after another or event by event, and written. Pure over a source of bytes.

Two formats. `obverse`: JSON lines, a header `{"schema": "obverse.transcript/1", "id": …}` and then an event a line; a file
may hold many. `openai`: chats of the OpenAI format (`core.chat_log`), one object with `messages` a line, or one file that
is a single such object, a list of them, or a bare list of messages.

Whatever the bytes, what comes out are transcripts and `Unreadable` records: one bad line loses one transcript, which is
then counted and named, and never its neighbours. Of our own format, `read_events` needs constant memory; of chats, no more
than one line. Opening files is left to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from obverse.core.chat_log import Reading, events_of_chat
from obverse.core.errors import Span, UntrustedInputError
from obverse.core.events import SCHEMA, AnyEvent, Transcript

Format: TypeAlias = Literal["auto", "obverse", "openai"]
BOM: Final = b"\xef\xbb\xbf"
CHUNK: Final = 1 << 20


class Source(Protocol):
    """Bytes to read, such as a file opened with "rb"."""

    def readline(self, size: int, /) -> bytes: ...

    def read(self, size: int, /) -> bytes: ...


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a transcript in our own format."""

    schema: str
    id: str


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be read: the line that it begins on, why, and the transcript's id where it was known.

    `before` holds the events of that transcript up to the fault. They are sound, and they are not the whole.
    """

    line: int
    error: UntrustedInputError
    id: str | None = None
    before: tuple[AnyEvent, ...] = ()


def read_transcripts(
    source: Source,
    *,
    format: Format = "auto",  # noqa: A002  # the word of the command line
    reading: Reading | None = None,
    name: str | None = None,
) -> Iterator[Transcript | Unreadable]:
    """The transcripts of this source, in order. `name` is what errors call it."""
    file = _File(source, reading or Reading(), name)
    first = file.peek()
    if first is None:
        return
    found = _looks_like(first) if format == "auto" else format
    read = _own(file) if found == "obverse" else _chats(file, whole=_is_document(first))
    yield from _with_unique_ids(read)


def read_events(
    source: Source, *, reading: Reading | None = None, name: str | None = None
) -> Iterator[Header | AnyEvent | Unreadable]:
    """The headers and events of a source in our own format, as they come: constant memory, however long it is.

    After an `Unreadable` the current transcript lacks an event, and what is said of the rest of it must mind that.
    """
    yield from _own_records(_File(source, reading or Reading(), name))


def write_transcripts(transcripts: Iterable[Transcript]) -> Iterator[bytes]:
    """The lines of a file in our own format."""
    for transcript in transcripts:
        yield _ENCODE(Header(schema=transcript.schema, id=transcript.id)) + b"\n"
        for event in transcript.events:
            yield _ENCODE(event) + b"\n"


_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_DECODE_ANY = msgspec.json.Decoder(float_hook=Decimal).decode
_DECODE_EVENT = msgspec.json.Decoder(AnyEvent, float_hook=Decimal).decode
_DECODE_HEADER = msgspec.json.Decoder(Header).decode


class _Probe(msgspec.Struct):
    schema: Any = None


_PROBE = msgspec.json.Decoder(_Probe).decode


# --- lines --------------------------------------------------------------------------------------------------------------


class _File:
    """Numbered lines of a source, of bounded length; a line that is too long comes as an error."""

    def __init__(self, source: Source, reading: Reading, name: str | None) -> None:
        self.source = source
        self.reading = reading
        self.name = name
        self.line = 0
        self._peeked: bytes | UntrustedInputError | None = None

    def peek(self) -> bytes | UntrustedInputError | None:
        """The next line that is not blank, without taking it; None at the end."""
        if self._peeked is None:
            self._peeked = self._next()
        return self._peeked

    def __iter__(self) -> Iterator[tuple[int, bytes | UntrustedInputError]]:
        while (line := self.peek()) is not None:
            self._peeked = None
            yield self.line, line

    def rest(self) -> bytes:
        """All that is left, as one document.

        Raises:
            UntrustedInputError: it is longer than `max_document_bytes`.
        """
        first, self._peeked = self.peek(), None
        if isinstance(first, UntrustedInputError):
            raise first
        limit = self.reading.max_document_bytes
        chunks = [first or b"", b"\n"]
        size = len(chunks[0])
        while chunk := self.source.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise self.error(f"the document has more than {limit} bytes", code="T203", line=1)
            chunks.append(chunk)
        return b"".join(chunks)

    def error(self, message: str, *, code: str, line: int | None = None) -> UntrustedInputError:
        at = line or self.line
        span = Span(line=at, column=1, end_line=at + 1, end_column=1)
        return UntrustedInputError(message, code=code, at=span, source=self.name)

    def _next(self) -> bytes | UntrustedInputError | None:
        limit = self.reading.max_line_bytes
        while raw := self.source.readline(limit + 1):
            self.line += 1
            if self.line == 1:
                raw = raw.removeprefix(BOM)
            if len(raw) > limit and not raw.endswith(b"\n"):
                self._skip_line()
                return self.error(f"the line has more than {limit} bytes", code="T203")
            if raw.strip():
                return raw.strip()
        return None

    def _skip_line(self) -> None:
        while (raw := self.source.readline(CHUNK)) and not raw.endswith(b"\n"):
            pass


def _looks_like(first: bytes | UntrustedInputError) -> Format:
    return "obverse" if isinstance(first, bytes) and b'"obverse.transcript/' in first[:200] else "openai"


def _is_document(first: bytes | UntrustedInputError) -> bool:
    """Whether the file is one JSON document over many lines: its first line is an opening, which no cut line is likely to be."""
    return isinstance(first, bytes) and (first in {b"[", b"{"} or first.endswith((b"[", b"{", b",")))


# --- our own format -----------------------------------------------------------------------------------------------------


def _own_records(file: _File) -> Iterator[Header | AnyEvent | Unreadable]:
    id: str | None = None
    for number, line in file:
        try:
            if isinstance(line, UntrustedInputError):
                raise line
            if _is_header(line):
                header = _header(file, line)
                id = header.id
                yield header
            else:
                yield _decode(file, line, _DECODE_EVENT, "event")
        except UntrustedInputError as error:
            yield Unreadable(line=number, error=error, id=id)


def _is_header(line: bytes) -> bool:
    """Whether this line names a schema; events, which never do, are told by their first bytes where we wrote them."""
    if line.startswith(b'{"kind"'):
        return False
    try:
        return _PROBE(line).schema is not None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _header(file: _File, line: bytes) -> Header:
    header: Header = _decode(file, line, _DECODE_HEADER, "header")
    if header.schema != SCHEMA:
        raise file.error(f"unknown schema `{header.schema}`", code="T204")
    return header


def _own(file: _File) -> Iterator[Transcript | Unreadable]:
    """Whole transcripts; one with a fault comes as one `Unreadable`, with the first of its faults."""
    header: Header | None = None
    events: list[AnyEvent] = []
    fault: Unreadable | None = None

    def finished() -> Iterator[Transcript | Unreadable]:
        if fault is not None:
            yield fault
        elif header is not None:
            yield Transcript(id=header.id, events=tuple(events), schema=header.schema)

    ids: set[str] = set()
    for record in _own_records(file):
        if isinstance(record, Header):
            yield from finished()
            header, events, fault, ids = record, [], None, set()
        elif fault is None and isinstance(record, Unreadable):
            fault = msgspec.structs.replace(record, before=tuple(events))
        elif fault is None and not isinstance(record, Unreadable):
            if header is None or record.id in ids:
                what = "an event before any header" if header is None else f"a second event `{record.id}`"
                error = file.error(what, code="T205")
                fault = Unreadable(line=file.line, error=error, id=header.id if header else None, before=tuple(events))
            ids.add(record.id)
            events.append(record)
    yield from finished()


# --- chats --------------------------------------------------------------------------------------------------------------


def _chats(file: _File, *, whole: bool) -> Iterator[Transcript | Unreadable]:
    if whole:
        try:
            values = _documents(_decode(file, file.rest(), _DECODE_ANY, "document"))
        except UntrustedInputError as error:
            yield Unreadable(line=1, error=error)
            return
        for place, value in enumerate(values, 1):
            yield _chat(file, value, line=1, place=place)
        return
    place = 0
    for number, line in file:
        try:
            if isinstance(line, UntrustedInputError):
                raise line
            values = _documents(_decode(file, line, _DECODE_ANY, "line"))
        except UntrustedInputError as error:
            place += 1
            yield Unreadable(line=number, error=error)
            continue
        for value in values:
            place += 1
            yield _chat(file, value, line=number, place=place)


def _documents(value: Any) -> list[Any]:
    """The chats in one JSON value: a list of messages is one chat, a list of anything else is a list of chats."""
    if isinstance(value, list) and not (value and isinstance(value[0], dict) and "role" in value[0]):
        return value
    return [value]


def _chat(file: _File, value: Any, *, line: int, place: int) -> Transcript | Unreadable:
    id = str(value["id"]) if isinstance(value, dict) and isinstance(value.get("id"), str | int) else str(place)
    messages = value.get("messages") if isinstance(value, dict) else value
    try:
        if not isinstance(messages, list):
            raise file.error("neither a list of messages nor an object with `messages`", code="T206", line=line)
        return Transcript(id=id, events=events_of_chat(messages, file.reading))
    except UntrustedInputError as error:
        return Unreadable(line=line, error=file.error(error.message, code=error.code, line=line), id=id)


def _decode(file: _File, data: bytes, decode: Any, what: str) -> Any:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        said = " ".join(str(error).split())
        raise file.error(f"not a readable {what}: {said[:1].lower()}{said[1:]}", code="T202") from error


def _with_unique_ids(read: Iterator[Transcript | Unreadable]) -> Iterator[Transcript | Unreadable]:
    """The same, where a second transcript of one id gets `#2` after it: findings must not be put to the wrong one."""
    seen: dict[str, int] = {}
    for one in read:
        if isinstance(one, Transcript):
            times = seen[one.id] = seen.get(one.id, 0) + 1
            yield one if times == 1 else msgspec.structs.replace(one, id=f"{one.id}#{times}")
        else:
            yield one
