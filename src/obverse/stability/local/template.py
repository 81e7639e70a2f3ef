"""Messages to token ids, by the model's own chat template; and where in them a span stands.

A text of the template may be a control token, a text of a message never: `<|im_end|>` in what a user wrote is tokenised as
the characters that it is. A model without a template gets a plain one, `role: text` by line, which the digest shows.
"""

from __future__ import annotations

import bisect
import datetime
import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from transformers import PreTrainedTokenizerBase

from obverse.core.canon import digest
from obverse.core.chat import ChatMessage, ToolSpec
from obverse.core.errors import MisuseError

PLAIN: Final = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
_SPARE: Final = tuple(chr(code) for code in range(0xE000, 0xE100))  # of private use: no text means anything by them
_DAY: Final = datetime.date(2024, 7, 26)  # what a template that asks for the day is told: a draw must not depend on it
_ASKS_THE_DAY: Final = re.compile(r"""strftime_now\((['"])(.*?)\1\)""")
_TOOLS: Final = "You may call these tools; to call one, answer with JSON that has its `name` and `arguments`.\n"


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as the model reads it: token ids, the text they stand for, and which characters each covers."""

    ids: tuple[int, ...]
    text: str
    starts: tuple[int, ...]
    stops: tuple[int, ...]

    def tokens(self, start: int, stop: int) -> tuple[int, int]:
        """First token that covers a character of the stretch, and one past the last."""
        first = bisect.bisect_right(self.stops, start)
        last = bisect.bisect_left(self.starts, stop)
        return first, max(first, last)


class Template:
    """The chat template of one tokenizer; without one, a plain one (`is_plain`)."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise MisuseError(
                "the tokenizer does not say which characters a token covers",
                code="B310",
                hint="save it as `tokenizer.json`",
            )
        self._tokenizer = tokenizer
        own = tokenizer.chat_template
        if isinstance(own, dict):
            own = own.get("default") or next(iter(own.values()), None)
        self.is_plain = not own
        self._source: str = _ASKS_THE_DAY.sub(lambda asked: repr(_DAY.strftime(asked[2])), own or PLAIN)
        self.knows_tools = bool(re.search(r"\btools\b", self._source))
        added = {str(token) for token in tokenizer.get_added_vocab()}
        self._control = re.compile(
            "|".join(re.escape(token) for token in sorted(added, key=len, reverse=True)) or "(?!)"
        )
        self.ends = self._ends()

    @property
    def digest(self) -> str:
        """Of the template's text, and of our words about tools where it has none."""
        return digest({"template": self._source, "tools": None if self.knows_tools else _TOOLS})

    def render(self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()) -> Rendered:
        """The conversation, ready for an answer.

        Raises:
            MisuseError: if the template refuses these messages.
        """
        mark, _ = _unused(messages)
        return self._tokenised(self._text(messages, tools, mark).split(mark))

    def find(
        self, rendered: Rendered, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec], span: str
    ) -> tuple[int, int] | None:
        """The tokens of the span: where it stands last in the last message of the user, else last in the whole; None if nowhere.

        An empty span is that whole message. A template may strip a message; so does the search.
        """
        at = next((at for at in reversed(range(len(messages))) if messages[at].role == "user"), None)
        request = messages[at].content.strip() if at is not None else ""
        sought = span.strip() or request
        if not sought:
            return None
        start = -1
        if at is not None and sought in request:
            begins = self._begins(rendered, messages, tools, at, request)
            start = begins + request.rfind(sought) if begins >= 0 else -1
        if start < 0:
            start = rendered.text.rfind(sought)
        if start < 0:
            return None
        first, last = rendered.tokens(start, start + len(sought))
        return (first, last) if first < last else None

    def _begins(
        self, rendered: Rendered, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec], at: int, request: str
    ) -> int:
        """Where in the text message `at` begins: it is told once more with a mark at both its ends. -1 if that tells another text."""
        mark, tag = _unused(messages)
        tagged = msgspec.structs.replace(
            messages[at], content=messages[at].content.replace(request, tag + request + tag)
        )
        pieces = self._text([*messages[:at], tagged, *messages[at + 1 :]], tools, mark).replace(mark, "").split(tag)
        return len(pieces[0]) if len(pieces) == 3 and "".join(pieces) == rendered.text else -1

    def _text(self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec], mark: str) -> str:
        """The whole text, with `mark` where it has to be cut."""
        said = [_plain(message) for message in messages]
        offered = [_function(tool) for tool in tools]
        if offered and not self.knows_tools:
            said, offered = _spoken(said, offered), []
        guarded = self._guarded([*said, *offered], mark)
        return self._filled(guarded[: len(said)], guarded[len(said) :])

    def _guarded(self, said: list[Any], mark: str) -> list[Any]:
        """The same, with `mark` in the middle of whatever the tokenizer would take for a control token: the text is cut there
        before it is tokenised, and neither half is one.
        """

        def mended(value: Any) -> Any:
            match value:
                case str():
                    return self._control.sub(lambda found: found[0][:1] + mark + found[0][1:], value)
                case dict():
                    return {key: mended(each) for key, each in value.items()}
                case list():
                    return [mended(each) for each in value]
                case _:
                    return value

        return [mended(each) for each in said]

    def _filled(self, said: list[Any], offered: list[Any]) -> str:
        try:
            text = self._tokenizer.apply_chat_template(
                said,
                tools=offered or None,
                chat_template=self._source,
                tokenize=False,
                add_generation_prompt=True,
            )
        except Exception as error:  # boundary: a template is a program of the model's maker, and may raise anything
            raise MisuseError(
                f"the chat template refuses these messages: {str(error).splitlines()[0][:200] if str(error) else error!r}",
                code="B312",
                hint="another order of roles, or no system message",
            ) from error
        return str(text)

    def _tokenised(self, pieces: Sequence[str]) -> Rendered:
        ids: list[int] = []
        starts: list[int] = []
        stops: list[int] = []
        base = 0
        for piece in pieces:
            encoded = self._tokenizer(piece, add_special_tokens=False, return_offsets_mapping=True)
            ids += encoded["input_ids"]
            starts += [base + start for start, _ in encoded["offset_mapping"]]
            stops += [base + stop for _, stop in encoded["offset_mapping"]]
            base += len(piece)
        return Rendered(ids=tuple(ids), text="".join(pieces), starts=tuple(starts), stops=tuple(stops))

    def _ends(self) -> tuple[int, ...]:
        """The control tokens with which the template ends an answer: what stands right behind one."""
        word = "yes"
        turns = [{"role": "user", "content": word}, {"role": "assistant", "content": word}]
        try:
            text = str(
                self._tokenizer.apply_chat_template(
                    turns, chat_template=self._source, tokenize=False, add_generation_prompt=False
                )
            )
        except Exception:  # boundary: the same; then the tokenizer's own end must do
            return ()
        behind = self._control.match(text, text.rfind(word) + len(word))
        return (int(self._tokenizer.convert_tokens_to_ids(behind[0])),) if behind else ()


def _unused(messages: Sequence[ChatMessage]) -> tuple[str, str]:
    """Two characters that stand in none of the messages."""
    said = set().union(*(message.content for message in messages))
    spare = [each for each in _SPARE if each not in said]
    if len(spare) < 2:
        raise MisuseError("a message holds every character of private use", code="B311", hint="take them out")
    return spare[0], spare[1]


def _plain(message: ChatMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        plain["name"] = message.name
    return plain


def _arguments(raw: str) -> Any:
    """Templates print them as JSON: an object if the text is one, else the text."""
    try:
        parsed = json.loads(raw)
    except ValueError:
        return raw
    return parsed if isinstance(parsed, dict) else raw


def _function(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _spoken(said: list[dict[str, Any]], offered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tools told in the system message, for a template that has no place for them."""
    told = _TOOLS + "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in offered)
    if said and said[0]["role"] == "system":
        return [{**said[0], "content": f"{said[0]['content']}\n\n{told}"}, *said[1:]]
    return [{"role": "system", "content": told}, *said]
