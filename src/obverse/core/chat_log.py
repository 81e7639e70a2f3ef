"""Recorded chats in the OpenAI format, turned into events.

What becomes of a message:
- system, developer → system; user → message; assistant → thought (`reasoning_content`), reply (`content`, `refusal`), then
  one call for each of `tool_calls` or for the legacy `function_call`; tool, function → result;
- parts of a content list: texts are joined by line ends, of another part only its kind is kept: `[image_url]`;
- `origin` is the index of the message, `turn` the number of assistant messages so far;
- a call counts as executed: the format has no other word for it;
- a result failed when its message says so (`is_error`, `failed`, `status: "error"`) or its text begins with one of
  `Reading.failed_prefixes`: a convention, not a fact, and therefore an option;
- a time is read from `time`, `timestamp` or `created_at`: seconds or milliseconds since the epoch, or ISO 8601 (UTC where
  no offset is written). One that is missing or unreadable is assumed from `Reading.start_ms`, or left out: unknown;
- `labels` of a message (`{"message.says_yes": true}`) are recorded answers to judged predicates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from obverse.core.errors import UntrustedInputError
from obverse.core.events import AnyEvent, Call, Message, Reply, Result, System, Thought

TIME_FIELDS: Final = ("time", "timestamp", "created_at")
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How recorded chats are read. With `start_ms`, messages without a time get one `step_ms` after the one before."""

    failed_prefixes: tuple[str, ...] = ("Error",)
    start_ms: int | None = None
    step_ms: int = 1000
    max_line_bytes: int = 64_000_000
    """A longer line is unreadable; it is skipped without being held in memory."""
    max_document_bytes: int = 256_000_000
    """The same for a file that is one JSON document, which must be held whole."""


def events_of_chat(messages: Sequence[Any], reading: Reading) -> tuple[AnyEvent, ...]:
    """The events of one recorded chat.

    Raises:
        UntrustedInputError: a message is none, or answers a call that nobody made.
    """
    reader = _Reader(reading=reading)
    for index, message in enumerate(messages):
        reader.read(index, message)
    return tuple(reader.events)


class _Reader(msgspec.Struct, kw_only=True):
    reading: Reading
    events: list[AnyEvent] = []
    open_calls: list[Call] = []
    call_ids: set[str] = set()
    renamed: dict[str, Call] = {}
    turn: int = 0
    time: int | None = None

    def read(self, index: int, message: Any) -> None:
        if not isinstance(message, dict):
            raise _wrong(index, f"is a {_kind(message)}, not an object")
        self.time = self._time(message)
        role = message.get("role")
        match role:
            case "system" | "developer":
                self._spoken(System, index, message)
            case "user":
                self._spoken(Message, index, message)
            case "assistant":
                self.turn += 1
                self._assistant(index, message)
            case "tool" | "function":
                self._result(index, message)
            case _:
                raise _wrong(index, f"has the unknown role `{role}`")

    def _assistant(self, index: int, message: dict[str, Any]) -> None:
        thought = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thought, str) and thought:
            self.events.append(Thought(**self._head(index), text=thought, labels=_labels(index, message)))
        texts = [_text(index, message.get("content")), _text(index, message.get("refusal"))]
        if any(text.strip() for text in texts):
            text = "\n".join(text for text in texts if text)
            self.events.append(Reply(**self._head(index), text=text, labels=_labels(index, message)))
        for call in _calls(index, message):
            self._call(index, call)

    def _call(self, index: int, call: Any) -> None:
        function = call.get("function", call) if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str):
            raise _wrong(index, "holds a call without a name")
        head = self._head(index)
        wanted = call.get("id")
        if not isinstance(wanted, str) or not wanted or wanted in self.call_ids:
            wanted = f"{wanted or 'call'}-{head['id']}"  # some servers count their calls from zero in each turn
        event = Call(**head, call_id=wanted, tool=name, arguments=_raw(function.get("arguments")))
        self.call_ids.add(wanted)
        self.open_calls.append(event)
        self.renamed[str(call.get("id") or wanted)] = event
        self.events.append(event)

    def _result(self, index: int, message: dict[str, Any]) -> None:
        call = self._answered(message)
        if call is None:
            raise _wrong(
                index, f"answers a call that nobody made: `{message.get('tool_call_id') or message.get('name')}`"
            )
        output = _text(index, message.get("content"))
        said = message.get("is_error") is True or message.get("failed") is True or message.get("status") == "error"
        failed = said or output.startswith(self.reading.failed_prefixes)
        self.events.append(
            Result(
                **self._head(index) | {"turn": call.turn},
                call_id=call.call_id,
                tool=call.tool,
                output=output,
                failed=failed,
            )
        )

    def _answered(self, message: dict[str, Any]) -> Call | None:
        """The call that this result belongs to: by id, else (legacy) the oldest open one of that name."""
        id, name = message.get("tool_call_id"), message.get("name")
        call = self.renamed.get(id) if isinstance(id, str) else None
        if call is None and id is None:
            call = next((call for call in self.open_calls if name is None or call.tool == name), None)
        if call in self.open_calls:
            self.open_calls.remove(call)
        return call

    def _spoken(self, kind: type[System | Message], index: int, message: dict[str, Any]) -> None:
        text = _text(index, message.get("content"))
        self.events.append(kind(**self._head(index), text=text, labels=_labels(index, message)))

    def _head(self, index: int) -> dict[str, Any]:
        return {"id": f"e{len(self.events) + 1}", "time": self.time, "turn": self.turn, "origin": index}

    def _time(self, message: Mapping[str, Any]) -> int | None:
        written = next((message[name] for name in TIME_FIELDS if message.get(name) is not None), None)
        known = time_ms(written)
        if known is not None or self.reading.start_ms is None:
            return known
        return self.reading.start_ms if self.time is None else self.time + self.reading.step_ms


def time_ms(written: Any) -> int | None:
    """Milliseconds since the epoch; None where this is no time. Numbers from 10^11 on are milliseconds (after 1973)."""
    if isinstance(written, int | Decimal) and not isinstance(written, bool):
        if (isinstance(written, Decimal) and not written.is_finite()) or not 0 <= written < 10**14:
            return None
        return int(written if written >= 10**11 else written * 1000)
    if not isinstance(written, str):
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _calls(index: int, message: dict[str, Any]) -> Iterator[Any]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise _wrong(index, "has `tool_calls` that are no list")
    yield from calls
    legacy = message.get("function_call")
    if legacy:
        yield {"function": legacy}


def _text(index: int, content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _wrong(index, f"has a {_kind(content)} as its content")
    return "\n".join(_part(index, part) for part in content)


def _part(index: int, part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise _wrong(index, f"has a {_kind(part)} among the parts of its content")
    text = part.get("text") if isinstance(part.get("text"), str) else part.get("refusal")
    return text if isinstance(text, str) else f"[{part.get('type', 'part')}]"


def _raw(arguments: Any) -> str:
    """The raw text of arguments; some logs hold the object itself, then its JSON text with the same numbers."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else _ENCODE(arguments).decode()


def _labels(index: int, message: dict[str, Any]) -> dict[str, bool]:
    labels = message.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(value, bool) for value in labels.values()):
        raise _wrong(index, "has `labels` that are not true or false")
    return labels


def _kind(value: Any) -> str:
    return {type(None): "null", bool: "boolean", str: "text", list: "list", dict: "object"}.get(type(value), "number")


def _wrong(index: int, what: str) -> UntrustedInputError:
    return UntrustedInputError(f"message {index} {what}", code="T201")
