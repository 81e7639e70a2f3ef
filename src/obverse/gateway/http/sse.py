"""Server-sent events, read and written. The WHATWG form, HTML living standard 9.2; read strictly, since it comes from a stranger."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from obverse.core.errors import UntrustedInputError

COMMENT = b": waiting\n\n"
"""Says that the stream lives; every client passes over it."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One event: its `data`, and the name that it goes by, empty where it has none."""

    data: str
    name: str = ""


class Reader:
    """Cuts bytes into events, whatever the pieces they come in.

    Raises:
        UntrustedInputError: from `feed`: no UTF-8, or more bytes than `largest` in all.
    """

    def __init__(self, *, largest: int) -> None:
        self._left = largest
        self._largest = largest
        self._buffer = bytearray()
        self._data: list[str] = []
        self._name = ""

    def feed(self, piece: bytes) -> Iterator[Sent]:
        """The events that are whole by now."""
        self._left -= len(piece)
        if self._left < 0:
            raise UntrustedInputError(f"the model's answer is larger than {self._largest:,} bytes", code="G406")
        self._buffer += piece
        while (found := self._line()) is not None:
            event = self._take(found)
            if event is not None:
                yield event

    @property
    def rest(self) -> bool:
        """Whether an event was begun and not ended: the stream was cut."""
        return bool(self._buffer.strip() or self._data)

    def _line(self) -> str | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        if b"\r" in line:
            raise UntrustedInputError("the model's stream ends its lines in two ways", code="G404")
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise UntrustedInputError("the model's stream is not UTF-8", code="G404") from error

    def _take(self, line: str) -> Sent | None:
        if not line:
            event = Sent(data="\n".join(self._data), name=self._name) if self._data else None
            self._data, self._name = [], ""
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        return None


def event(data: bytes, name: str = "") -> bytes:
    """One event; `data` is on one line, as our JSON is."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + data + b"\n\n"
