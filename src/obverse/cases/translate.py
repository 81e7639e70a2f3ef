"""A message or reply of a case in another language: by its parts, never word for word.

Every text of a case was put together from parts with known labels: examples of judged predicates, the request for a call,
small talk. Each part has its counterpart in the other language or there is none, and then the text is not translated: no
text comes from here whose labels are not known by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from obverse.cases.choice import pick
from obverse.cases.phrases.books import book
from obverse.cases.records import Case
from obverse.cases.talk import is_consent
from obverse.cases.tongues import main_language, spoken
from obverse.cases.wording import asked_back, asked_backs, request, requests
from obverse.core.events import Call, Message, Reply
from obverse.policy.ast import JudgedTerm, Tool
from obverse.policy.checked import REFUSES, Checked
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments


class NoWords(msgspec.Struct, frozen=True, kw_only=True):
    """A part that has no counterpart, and which."""

    reason: str


class Translator:
    """Texts of one case, from one language into another."""

    def __init__(self, checked: Checked, case: Case, source: str, language: str, key: Sequence[object]) -> None:
        self.checked = checked
        self.source = source
        self.language = language
        self.key = key
        self.main = main_language(checked)
        self._wanted = _call(checked, case)

    def message(self, event: Message) -> str | NoWords:
        """What the user says, in the language."""
        asked = self._request_in(event.text)
        true = [
            self.checked.judged[name]
            for name, value in sorted(event.labels.items())
            if value and name in self.checked.judged
        ]
        parts: list[str] = []
        for term in true:
            part = self._example(term, term.yes, event.text, by_request=asked is not None)
            if isinstance(part, NoWords):
                return part
            if part:
                parts.append(part)
        if asked is not None:
            parts.append(asked)
        if parts:
            return " ".join(dict.fromkeys(parts))
        return self._small_talk(event.text)

    def reply(self, event: Reply) -> str | NoWords:
        """What was said back, in the language."""
        old, new = book(self.source), book(self.language)
        for before, after in (
            (old.neutral_replies, new.neutral_replies), (old.helpful_replies, new.helpful_replies), (old.refusals, new.refusals),
        ):  # fmt: skip
            if event.text in before:
                return after[before.index(event.text) % len(after)]
        if self._wanted is not None:
            tool, arguments = self._wanted
            if event.text in asked_backs(tool, arguments, self.checked.timezone_minutes, language=self.source):
                return asked_back(tool, arguments, self.checked.timezone_minutes, *self.key, language=self.language)
        terms = [term for term in self.checked.judged.values() if term.subject == "reply" and term.full_name != REFUSES]
        for term in terms:
            examples = term.yes if event.labels.get(term.full_name) else term.no
            if event.text in examples:
                return self._pick(term, examples)
        return NoWords(reason="a reply has no counterpart")

    def _request_in(self, text: str) -> str | None:
        """The request for the wanted call in the other language, if the text holds one."""
        if self._wanted is None:
            return None
        tool, arguments = self._wanted
        zone = self.checked.timezone_minutes
        if not any(asked in text for asked in requests(tool, arguments, zone, language=self.source)):
            return None
        return request(tool, arguments, zone, *self.key, "request", language=self.language)

    def _example(self, term: JudgedTerm, examples: tuple[str, ...], text: str, *, by_request: bool) -> str | NoWords:
        """The counterpart of what makes the predicate true of the text; empty where the request itself does."""
        if any(example in text for example in examples):
            return self._pick(term, examples)
        if is_consent(term.full_name) and any(phrase in text for phrase in book(self.source).consent):
            return pick(book(self.language).consent, *self.key)
        return "" if by_request else NoWords(reason=f"`{term.full_name}` is true by words that are no example")

    def _pick(self, term: JudgedTerm, examples: Iterable[str]) -> str | NoWords:
        options = spoken(tuple(examples), self.language, self.main)
        if not options:
            return NoWords(reason=f"`{term.full_name}` has no example in `{self.language}`")
        return pick(options, *self.key, term.full_name)

    def _small_talk(self, text: str) -> str | NoWords:
        old, new = book(self.source), book(self.language)
        for before, after in (
            (old.neutral_messages, new.neutral_messages), (old.harmless, new.harmless), (old.consent, new.consent),
        ):  # fmt: skip
            if text in before:
                return after[before.index(text) % len(after)]
        for term in self.checked.judged.values():
            if term.subject == "message" and text in term.no:
                return self._pick(term, term.no)
        return NoWords(reason="a message is in words of the policy's own")


def unframed(checked: Checked, case: Case, text: str, language: str) -> str:
    """The request in the text, if the text is nothing but that request in one of the usual frames; else the text."""
    wanted = _call(checked, case)
    if wanted is None:
        return text
    asked = [one for one in requests(*wanted, checked.timezone_minutes, language=language) if one in text]
    return next((one for one in asked if any(frame.format(text=one) == text for frame in book(language).frames)), text)


def _call(checked: Checked, case: Case) -> tuple[Tool, dict[str, object]] | None:
    event = case.step.event
    if not isinstance(event, Call):
        return None
    tool, arguments = checked.tools.get(event.tool), read_arguments(event.arguments)
    return None if tool is None or isinstance(arguments, Unknown) else (tool, dict(arguments))
