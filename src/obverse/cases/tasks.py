"""What a writer is asked for: each message of a case as a task, with all that must stay true of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from obverse.cases.choice import number
from obverse.cases.context import LANGUAGE, PERSONA, REGISTER, value_of
from obverse.cases.literals import literals, masked
from obverse.cases.naming import candidate, kind_of
from obverse.cases.phrases.books import book
from obverse.cases.records import Case
from obverse.cases.roundtrip import Task
from obverse.cases.tongues import main_language, most_common, spoken
from obverse.cases.wording import requests, said, words
from obverse.core.events import Call, Message
from obverse.policy.ast import JudgedTerm, Tool
from obverse.policy.checked import Checked
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments
from obverse.policy.types import EnumType, NumberType, TextType, TimeType

_HOLE = re.compile(r"\{([^{}]+)\}")
_OTHERS = 12
"""Requests for other things that stand as examples of no, at most: a judge is shown them all."""


class Tasks:
    """The tasks of the cases of one policy; `language` is wanted in place of that of the cases."""

    def __init__(self, checked: Checked, language: str | None = None) -> None:
        self.checked = checked
        self.language = language
        self._main = main_language(checked)
        self._requests: dict[tuple[str, str], JudgedTerm] = {}

    def of(self, case: Case) -> dict[int, Task]:
        """Place in the history → the task of the message that stands there."""
        return {
            place: self._task(case, event) for place, event in enumerate(case.history) if isinstance(event, Message)
        }

    def _task(self, case: Case, event: Message) -> Task:
        language = case.context.get(LANGUAGE, self._main)
        labels = [
            (self.checked.judged[name], value)
            for name, value in sorted(event.labels.items())
            if name in self.checked.judged
        ]
        return Task(
            source=event.text,
            source_language=language,
            language=self.language or language,
            register=value_of(case.context, REGISTER),
            persona=value_of(case.context, PERSONA),
            literals=literals(self.checked, case, event.text, language),
            labels=tuple(labels),
            request=self._request(case, event.text, language),
        )

    def _request(self, case: Case, text: str, language: str) -> JudgedTerm | None:
        """That the user asks for the wanted call, if this message does."""
        wanted = case.step.event
        tool = self.checked.tools.get(wanted.tool) if isinstance(wanted, Call) else None
        if tool is None or not isinstance(wanted, Call):
            return None
        arguments = read_arguments(wanted.arguments)
        zone = self.checked.timezone_minutes
        if isinstance(arguments, Unknown) or not any(
            one in text for one in requests(tool, dict(arguments), zone, language=language)
        ):
            return None
        key = tool.name, self.language or language
        if key not in self._requests:
            self._requests[key] = self._asks_for(tool, key[1])
        return self._requests[key]

    def _asks_for(self, tool: Tool, language: str) -> JudgedTerm:
        """The request for a tool as a predicate, with phrases for it as examples of yes and others as examples of no."""
        others = [
            phrase
            for other in self.checked.tools.values()
            if other.name != tool.name
            for phrase in _phrases(other, language)
        ]
        return JudgedTerm(
            subject="message",
            name=f"asks_for_{tool.name}",
            definition=f"The user asks for this: {(tool.description or words(tool.name)).rstrip('.')}.",
            yes=_phrases(tool, language),
            no=(*book(language).harmless, *book(language).neutral_messages, *others[:_OTHERS]),
        )


def heads(tasks: Sequence[Task]) -> dict[Task, Task]:
    """Task → the first one that differs from it in nothing but literals."""
    first: dict[Task, Task] = {}
    return {task: first.setdefault(_likeness(task), task) for task in tasks}


def _likeness(task: Task) -> Task:
    """What tasks have in common that differ only in literals."""
    return msgspec.structs.replace(task, source=masked(task.source, task.literals), literals=("",) * len(task.literals))


def _phrases(tool: Tool, language: str) -> tuple[str, ...]:
    """How one asks for a tool, with something natural in the holes."""
    own = spoken(tool.asks, language, most_common(tool.asks))
    filled = tuple(_HOLE.sub(lambda hole: _something(tool, hole[1], language), phrase) for phrase in own)
    return filled or tuple(form.format(act=words(tool.name)) for form in book(language).generic)


def _something(tool: Tool, name: str, language: str) -> str:
    field = tool.parameter(name)
    match None if field is None else field.type:
        case NumberType():
            return said(3, NumberType(), name, 0, language)
        case EnumType() as type:
            return said(type.values[0], type, name, 0, language)
        case TimeType() as type:
            return said("2026-05-15", type, name, 0, language)
        case TextType():
            return candidate(kind_of(name), number(tool.name, name))
    return words(name)
