"""`Examination`: the questions about a policy, answered one after another; it can be broken off after any of them.

What was answered before is not asked again: `answers` keeps what a question found under the digest of all that it rests on.
Each question is answered as if it were the first, so an answer is the same whether it was kept or not, and whatever else was
asked. What was not asked, for whatever reason, is listed as undecided: nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import z3

from obverse.core.canon import digest
from obverse.core.errors import Span
from obverse.policy.checked import Checked
from obverse.solver.find import WrongWitness
from obverse.solver.findings import Analysis, Finding, Open, Solver
from obverse.solver.kept import Answers, key_of, query_of, read, written
from obverse.solver.questions import Desk, Outcome, Question, Stopped
from obverse.solver.settings import Settings
from obverse.solver.whereabouts import whereabouts


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How many questions have an answer, of how many, and how many of the answers were kept ones."""

    done: int
    total: int
    reused: int


class Examination:
    """One look at a policy. Iterate over it to go on; `analysis` is what is known by then."""

    def __init__(
        self,
        checked: Checked,
        questions: Sequence[Question],
        *,
        settings: Settings | None = None,
        answers: Answers | None = None,
        stop: Callable[[], str | None] | None = None,
    ) -> None:
        """`stop` says why nothing more is to be asked, or None; it is asked before every query."""
        self._desk = Desk(checked, settings, stop=stop)
        self._questions = questions
        self._answers = answers
        self._outcomes: list[Outcome] = []
        self._reused = 0

    def __iter__(self) -> Iterator[Progress]:
        for question in self._questions[len(self._outcomes) :]:
            self._outcomes.append(self._answer(question))
            yield Progress(done=len(self._outcomes), total=len(self._questions), reused=self._reused)

    def analysis(self) -> Analysis:
        """All that is known, in the order of the document: what was found, and what stayed open or was not asked."""
        places = whereabouts(self._desk.checked)
        found: list[Finding | Open] = []
        for number in _in_order(self._desk.checked, self._questions):
            question = self._questions[number]
            asked = number < len(self._outcomes)
            outcome = self._outcomes[number] if asked else (_unasked(question, "interrupted"),)
            query = _query(question)
            found += [_placed(one, places, query) for one in outcome]
        return Analysis(
            findings=tuple(one for one in found if isinstance(one, Finding)),
            undecided=tuple(one for one in found if isinstance(one, Open)),
            queries=self._desk.queries,
            solver=solver_of(self._desk.settings),
            questions=len(self._questions),
            reused=self._reused,
        )

    def _answer(self, question: Question) -> Outcome:
        """What is found, asked for only where it must be: what needs no solver, or is kept, is told though time is up."""
        if not question.asks_solver:
            return self._desk.answered(question)
        key = key_of(_query(question), self._desk.settings)
        kept = self._kept(key)
        if kept is not None:
            self._reused += 1
            return kept
        try:
            return self._asked(question, key)
        except Stopped as stopped:
            return (_unasked(question, str(stopped)),)

    def _asked(self, question: Question, key: str) -> Outcome:
        self._desk.go_on()
        outcome = self._desk.answered(question)
        answer = self._desk.kept(outcome)
        if self._answers is not None and answer is not None:
            self._answers.put(key, written(answer))
        return outcome

    def _kept(self, key: str) -> Outcome | None:
        """The kept answer, if there is one that still shows what it claims (L06)."""
        value = self._answers.get(key) if self._answers else None
        answer = None if value is None else read(value)
        if answer is None:
            return None
        try:
            return self._desk.retold(answer)
        except WrongWitness:
            return None


def _in_order(checked: Checked, questions: Sequence[Question]) -> list[int]:
    """The questions by number: what is about the whole of the policy first, then in the order of the document."""
    clauses = {clause.id: place for place, clause in enumerate(checked.clauses)}
    rules = {rule.id: place for place, rule in enumerate(checked.rules)}

    def place(number: int) -> tuple[int, int]:
        question = questions[number]
        return (-1 if question.clause is None else clauses[question.clause], rules.get(question.rule or "", -1))

    return sorted(range(len(questions)), key=place)


def _unasked(question: Question, why: str) -> Open:
    return Open(code=question.code, clause=question.clause, reason=f"not asked: {why}", rule=question.rule)


def _query(question: Question) -> str:
    return query_of(question.code, question.clause, question.rule, question.rests_on)


def solver_of(settings: Settings) -> Solver:
    """Who answers, and how far it looks."""
    return Solver(
        name="z3",
        version=z3.get_version_string(),
        options=digest(settings),
        bound=f"{settings.rounds} rounds of events, lists of up to {settings.list_length}",
    )


def _placed(one: Finding | Open, places: dict[str, Span], query: str) -> Finding | Open:
    """With where it stands, and the digest of its question."""
    names = [f"rule {one.rule}", one.about if isinstance(one, Finding) else None, f"clause {one.clause}"]
    at = next((places[name] for name in names if name in places), None)
    return msgspec.structs.replace(one, at=at, query=query)
