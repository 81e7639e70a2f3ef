"""Training examples: conversations that end in the answer to be learnt, and how a file of them is read.

One JSON object on a line, `{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}`, the form in
which most fine-tuning services take them; other fields of a line are ignored. A file is read line by line and never held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from obverse.core.chat import ChatMessage
from obverse.core.errors import Span, UntrustedInputError

LONGEST_LINE: Final = 4_000_000
"""Bytes of one line; a file without line ends must not fill the memory."""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """One training example: a conversation up to a message that is not the assistant's, and the answer to learn.

    `line` is where it stands in its file, from 1; 0 without a file.
    """

    messages: tuple[ChatMessage, ...]
    answer: str
    line: int = 0


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    role: str
    content: str


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    messages: list[_Said]


def read_lessons(lines: Iterable[bytes], *, source: str) -> Iterator[Lesson]:
    """The examples of a file, in its order, one at a time; blank lines are skipped.

    Raises:
        UntrustedInputError: at the first line that is no example, with its number.
    """
    decoder = msgspec.json.Decoder(_Line)
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise UntrustedInputError(
                f"a line of more than {LONGEST_LINE:,} bytes", code="B620", at=_at(number), source=source
            )
        if not line.strip():
            continue
        try:
            messages = decoder.decode(line.strip(b"\xef\xbb\xbf \t\r\n")).messages
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UntrustedInputError(
                f"no training example: {_reason(error)}", code="B621", at=_at(number), source=source,
                hint='write {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}',
            ) from None  # fmt: skip
        yield _lesson(messages, number, source)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of an open file, each cut off one byte behind the longest that is read."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line


def _lesson(messages: list[_Said], number: int, source: str) -> Lesson:
    said = []
    for message in messages:
        if message.role not in {"system", "user", "assistant"}:
            raise UntrustedInputError(
                f"the role `{message.role[:40]}` is not known here", code="B622", at=_at(number), source=source,
                hint="system, user or assistant",
            )  # fmt: skip
        said.append(ChatMessage(role=message.role, content=message.content))  # type: ignore[arg-type]  # checked above
    if len(said) < 2 or said[-1].role != "assistant" or not said[-1].content.strip():
        raise UntrustedInputError(
            "the example does not end in an answer", code="B623", at=_at(number), source=source,
            hint="the last message is the assistant's, has words, and answers one before it",
        )  # fmt: skip
    if not any(message.role == "user" for message in said[:-1]):
        raise UntrustedInputError("nobody asks anything in the example", code="B624", at=_at(number), source=source)
    return Lesson(messages=tuple(said[:-1]), answer=said[-1].content, line=number)


def _at(number: int) -> Span:
    return Span(line=number, column=1, end_line=number, end_column=1)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text[:1].lower() + text[1:200]) or "nothing that can be read"
