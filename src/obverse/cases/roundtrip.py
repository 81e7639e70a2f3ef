"""The round trip: does a text that somebody else wrote still say what the case says it says?

    (1) something was written, and only the message: no empty text, no chatter around it, no report of it, nothing of the prompt,
        not many times as long
    (2) it is another text than the source and than all that were accepted before
    (3) it is in the language that was asked for; it asks where the source asks, denies nothing that the source does not, and leaves
        `I` and `you` who they were (`speech`): an answer, a report and a denial have the words of the question
    (4) every literal stands in it word for word, and no number, id or address that was not there
    (5) every judged predicate has its label: read by the term's own pattern, which is its definition, else by the labeller
    (6) where a call is requested, it still is, by the labeller
    (7) the policy decides the case as before, for the same reasons (`same`)

Law: unknown is rejected, as flipped is. A text that fails any step is never used; the first step that it fails is its reason.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.cases.labellers import Label
from obverse.cases.literals import added, lost
from obverse.cases.speech import asks, negates, reports, turns_round
from obverse.cases.tongues import language_of
from obverse.core.verdicts import Truth
from obverse.policy.ast import JudgedTerm
from obverse.policy.operations import reading

Reason: TypeAlias = Literal[
    "no answer", "empty", "chatter", "too long", "identical", "duplicate", "wrong language", "no question",
    "negated", "turned round",
    "lost literal", "added literal", "flipped", "unknown", "request lost", "seen by the policy",
]  # fmt: skip

_LONGER: Final = 4
_ALLOWANCE: Final = 200
_WRAPPED = re.compile(r"^\s*(?:```\w*\n(?P<code>.*?)\n?```|(?P<quote>[\"“„«'])(?P<quoted>[^\n]*?)[\"”“»'])\s*$", re.S)
_CHATTER = re.compile(
    r"^\s*(?:sure|certainly|of course|okay|here(?:'s| is| are)|i(?:'m| am) (?:a |an |sorry|unable|here to)|as an ai|rewritten|"
    r"new message|message|paraphrase|note|rewrite)\b[^\n]{0,80}?(?::|\n)|\b(?:rewritten|paraphrased?) (?:message|version)\b|"
    r"\n\s*(?:note|explanation)\s*:",
    re.I,
)
_LEAK = 6
"""So many words in a row out of the prompt, and out of nothing else, are the prompt and no message."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One message to be said in other words, and all that must stay true of it.

    `request` is a predicate made up for the call that the message asks for; it is no term of the policy.
    """

    source: str
    source_language: str
    language: str
    register: str
    persona: str
    literals: tuple[str, ...]
    labels: tuple[tuple[JudgedTerm, bool], ...]
    request: JudgedTerm | None = None


def unwrapped(text: str) -> str:
    """The text without the quotation marks or the fence that all of it stands in."""
    found = _WRAPPED.match(text)
    return text.strip() if found is None else (found["code"] or found["quoted"] or "").strip()


def flaw(task: Task, text: str) -> Reason | None:
    """What is wrong with a text as far as it can be seen without asking anybody: steps (1) to (4)."""
    if not text:
        return "empty"
    if _CHATTER.search(text) or reports(task.source, text) or _leaks(task, text):
        return "chatter"
    if len(text) > _LONGER * len(task.source) + _ALLOWANCE:
        return "too long"
    if _plain(text) == _plain(task.source):
        return "identical"
    if not _is_in(task, text):
        return "wrong language"
    if "?" in task.source and not asks(text):
        return "no question"
    if task.language == task.source_language:
        if negates(task.source, text):
            return "negated"
        if turns_round(task.source, text):
            return "turned round"
    if lost(task.literals, text):
        return "lost literal"
    return "added literal" if added(task.source, text) else None


Asks: TypeAlias = Callable[[JudgedTerm, str], Awaitable[Label]]


async def relabelled(task: Task, text: str, ask: Asks) -> Reason | None:
    """What is wrong with the labels that are recovered from the text alone: steps (5) and (6). The cheap readings come first."""
    asked = []
    for term, value in task.labels:
        read = reading(term, text)
        if read is None:
            asked.append((term, value))
        elif reason := _compared(read, wanted=value):
            return reason
    for term, value in asked:
        if reason := _compared((await ask(term, text)).truth, wanted=value):
            return reason
    if task.request is not None:
        said = (await ask(task.request, text)).truth
        return "request lost" if said is Truth.FALSE else _compared(said, wanted=True)
    return None


def _compared(truth: Truth, *, wanted: bool) -> Reason | None:
    if truth is Truth.UNKNOWN:
        return "unknown"
    return None if truth is Truth.of(wanted) else "flipped"


def _is_in(task: Task, text: str) -> bool:
    found = language_of(text)
    if found is None:  # too little to tell is no fault where the source told no more
        return task.language == task.source_language and language_of(task.source) is None
    return found == task.language


def _leaks(task: Task, text: str) -> bool:
    told = [term.definition for term, _ in task.labels] + ([task.request.definition] if task.request else [])
    own, written = _runs(task.source), _runs(text)
    return any(run in written and run not in own for definition in told for run in _runs(definition))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _plain(text).split()
    return {tuple(words[at : at + _LEAK]) for at in range(len(words) - _LEAK + 1)}


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().casefold()
