"""The pieces of a streamed chat answer, joined into one turn before anything of it is decided.

    (1) one choice, of index 0; a call begins at the next free index, with id and name; later pieces may only add arguments
    (2) what was said of a call stays: another id or name at its index is an answer that can be read in two ways
    (3) after the end there is nothing more; without an end there was no turn

Raises, whatever the pieces: UntrustedInputError, and nothing else.
"""

from __future__ import annotations

from typing import Any

from obverse.core.errors import UntrustedInputError
from obverse.gateway.http.chat_answered import (
    THOUGHTS,
    check_message,
    checked_call,
    finish_of,
    garbage,
    joined_text,
    only_choice,
    text_of,
    tokens_of,
)
from obverse.gateway.http.fields import model_name
from obverse.gateway.http.json_text import is_absent, read_answer, shown
from obverse.gateway.http.records import Answer, Tokens
from obverse.gateway.http.sentences import Growing
from obverse.gateway.http.sse import Sent


class _Call:
    """A call under way."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, name: str, tool: str) -> None:
        self.id = name
        self.name = tool
        self.arguments: list[str] = []


class ChatJoiner:
    """Takes events, holds the turn so far; `text` is what was said in `content` up to now."""

    def __init__(self, *, most_calls: int) -> None:
        self._most_calls = most_calls
        self.said = Growing()
        """What was said in `content` so far."""
        self._refusal: list[str] = []
        self._thought: list[str] = []
        self._calls: list[_Call] = []
        self._finish: str | None = None
        self._tokens: Tokens | None = None
        self._model: str | None = None
        self._done = False

    @property
    def text(self) -> str:
        """What was said so far; without a refusal, which stands behind it."""
        return self.said.text

    @property
    def calling(self) -> bool:
        """Whether a call was begun."""
        return bool(self._calls)

    def take(self, sent: Sent) -> None:
        """One event of the stream."""
        if self._done:
            raise garbage("goes on after its end")  # (3)
        if sent.data.strip() == "[DONE]":
            self._done = True
            return
        body = read_answer(sent.data.encode())
        choice = only_choice(body)
        self._model = model_name(body.get("model")) or self._model
        self._tokens = tokens_of(body.get("usage")) or self._tokens
        if choice is not None:
            self._choice(choice)

    def answer(self) -> Answer:
        """The whole turn, once the stream has ended."""
        if self._finish is None:
            raise UntrustedInputError("the model's answer was cut off", code="G405")  # (3)
        calls = tuple(checked_call(call.id, call.name, "".join(call.arguments)) for call in self._calls)
        return Answer(
            text=joined_text(self.text, "".join(self._refusal)),
            thought="".join(self._thought),
            calls=calls,
            finish=finish_of(self._finish),
            tokens=self._tokens,
            model=self._model,
        )

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict | None):
            raise garbage("has a piece that is no object")
        if delta:
            self._delta(delta)
        finish = choice.get("finish_reason")
        if finish is not None:
            self._finish = finish if isinstance(finish, str) else "stop"

    def _delta(self, delta: dict[str, Any]) -> None:
        if self._finish is not None and not all(is_absent(value) for name, value in delta.items() if name != "role"):
            raise garbage("goes on after its end")  # (3)
        check_message(delta)
        for name, add in (("content", self.said.add), ("refusal", self._refusal.append)):
            if piece := text_of(delta, name):
                add(piece)
        for name in THOUGHTS:
            if piece := text_of(delta, name):
                self._thought.append(piece)
                break
        calls = delta.get("tool_calls")
        if not isinstance(calls, list | None):
            raise garbage("has calls that are no list")
        for piece in calls or ():
            self._called(piece)

    def _called(self, piece: object) -> None:
        if not isinstance(piece, dict) or piece.get("type") not in (None, "function"):
            raise garbage(f"has a call that is no function: {shown(piece)}")
        index, function = piece.get("index"), piece.get("function")
        function = {} if function is None else function
        if isinstance(index, bool) or not isinstance(index, int) or not isinstance(function, dict):
            raise garbage("has a piece of a call that is none")
        if not 0 <= index <= len(self._calls):
            raise garbage(f"jumps to call {index}")  # (1)
        if index == len(self._calls):
            self._begun(piece.get("id"), function.get("name"))
        elif piece.get("id") not in (None, "", self._calls[index].id):
            raise garbage(f"has two ids for call {index}")  # (2)
        elif function.get("name") not in (None, "", self._calls[index].name):
            raise garbage(f"has two names for call {index}")  # (2)
        if arguments := text_of(function, "arguments"):
            self._calls[index].arguments.append(arguments)

    def _begun(self, name: object, tool: object) -> None:
        begun = checked_call(name, tool, "")
        if len(self._calls) >= self._most_calls:
            raise garbage(f"has more than {self._most_calls} calls")
        self._calls.append(_Call(begun.id, begun.name))
