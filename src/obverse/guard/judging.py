"""Asking judges: only what a verdict still hangs on, several at once, with one deadline, each answer remembered by content.

Whatever a judge does other than answer yes or no in time is *unknown*: it raises, hangs, answers something else, is asked too
much. A rule whose condition is unknown fires (L03), so a judge that fails makes nothing milder (L16).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.core.canon import digest
from obverse.core.errors import MisuseError
from obverse.core.verdicts import Truth
from obverse.guard.bounded import LateError, Promise, Workers
from obverse.guard.ports import Answerer, Clock
from obverse.guard.settings import Settings
from obverse.policy.checked import Checked

_LONGEST_WHY: Final = 200


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Is this predicate true of the text of that event? `before` is what the text answers."""

    event: str
    predicate: str
    text: str
    before: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a question: the judge that gave it, how long it took in milliseconds, and why it is not known."""

    question: Question
    truth: Truth
    judge: str
    ms: int
    why: str = ""


class Judging:
    """The desk at which all sessions of a guard ask."""

    def __init__(self, judge: Answerer, checked: Checked, settings: Settings, steady: Clock) -> None:
        self._judge = judge
        self._checked = checked
        self._settings = settings
        self._steady = steady
        self._workers = Workers(settings.judges_at_once, "judge")
        self._known: OrderedDict[str, Truth] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, questions: Sequence[Question], seconds: float) -> tuple[Answer, ...]:
        """An answer to each, within so many seconds for all of them."""
        began = self._steady()
        jobs = [self._begin(question) for question in questions]
        return tuple(
            job if isinstance(job, Answer) else self._finish(question, job, began, seconds)
            for question, job in zip(questions, jobs, strict=True)
        )

    def _begin(self, question: Question) -> Answer | Promise[tuple[str, str, object]]:
        """The answer, if it is known; or the question on its way."""
        try:
            judge = self._identity()
            key = self._key(judge, question)
        except Exception as fault:  # boundary: a judge that cannot even say who it is; recorded with its answer
            return _unknown(question, "", 0, f"no identity: {_said(fault)}")
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        if known is not None:
            return Answer(question=question, truth=known, judge=judge, ms=0, why="remembered")
        term = self._checked.judged[question.predicate]
        return self._workers.start(
            lambda: (judge, key, self._judge.answer(term, question.text, question.before)), "the judge"
        )

    def _finish(self, question: Question, job: Promise[tuple[str, str, object]], began: int, seconds: float) -> Answer:
        spent = self._steady() - began
        try:
            judge, key, truth = job.wait(seconds - spent / 1000)
        except LateError as late:
            return _unknown(question, self._named(), self._steady() - began, late.message)
        except Exception as fault:  # boundary: a judge that raises has not answered; recorded with its answer
            return _unknown(question, self._named(), self._steady() - began, _said(fault))
        ms = self._steady() - began
        if not isinstance(truth, Truth):
            return _unknown(question, judge, ms, f"no answer of a known kind, but a {type(truth).__name__}")
        if truth is Truth.UNKNOWN:
            return _unknown(question, judge, ms, "it does not know")
        self._remember(key, truth)
        return Answer(question=question, truth=truth, judge=judge, ms=ms)

    def _remember(self, key: str, truth: Truth) -> None:
        with self._lock:
            self._known[key] = truth
            while len(self._known) > self._settings.most_known:
                self._known.popitem(last=False)

    def _key(self, judge: str, question: Question) -> str:
        return digest({
            "judge": judge, "predicate": self._checked.judged[question.predicate], "text": question.text,
            "before": question.before,
        })  # fmt: skip

    def _identity(self) -> str:
        identity: object = self._judge.identity
        if not isinstance(identity, str) or len(identity) > _LONGEST_WHY:
            raise MisuseError("a judge whose identity is no short text", code="G105")
        return identity

    def _named(self) -> str:
        try:
            return self._identity()
        except Exception:  # boundary: recorded as a judge without a name
            return ""


def _unknown(question: Question, judge: str, ms: int, why: str) -> Answer:
    return Answer(question=question, truth=Truth.UNKNOWN, judge=judge, ms=ms, why=why[:_LONGEST_WHY])


def _said(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"[:_LONGEST_WHY]
