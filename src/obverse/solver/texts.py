"""Texts as whole numbers that name them: equality is exact, a test is a predicate of the number, spellings come later.

What is asserted about a literal was asked of the language's own text tests. What a test says of an unknown text is free until
`spelling` finds no text with such answers; the smallest contradiction is then forbidden for every text (a theorem about
texts, so that "impossible" stays a proof). Witnesses are plain ASCII, where no look-alike makes a test unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import z3

from obverse.core.verdicts import Truth
from obverse.policy.reading import Folded
from obverse.policy.text import host_of, test
from obverse.solver.patterns import widths
from obverse.solver.spelling import HOST, Spellings, Test, Unspellable
from obverse.solver.symbols import Formula, Kleene, Scalar, both, disjunction, given
from obverse.solver.terms import all_of, hold, implied, opposite

_LITERALS, _NAMED = 1_000_000, 1_000
LONGEST_TEXT = 20_000
"""Characters of a text whose length is asked for."""
_BETWEEN = "no texts were found for a test of one text by another"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A test that was asked of a text term; None asks for its length. `other` is a pattern that is a text term itself."""

    test: Test | None
    term: z3.ArithRef
    other: z3.ArithRef | None = None


class Texts:
    """The texts of one encoding: their numbers, their tests, and what is known of both."""

    def __init__(self, context: z3.Context, spellings: Spellings) -> None:
        self.context = context
        self.spellings = spellings
        self._solver: z3.Solver | None = None
        self._literals: dict[str, z3.IntNumRef] = {}
        self._texts: dict[int, str] = {}
        self._taken: set[str] = set()
        self._settled: dict[str, None] = {}
        self._names: dict[str, z3.IntNumRef] = {}
        self._tests: dict[Test, z3.FuncDeclRef] = {}
        self._terms: dict[int, z3.ArithRef] = {}
        self._asked: dict[tuple[Test | None, int, int | None], Asked] = {}
        self.asked: set[Asked] = set()
        """The tests that were asked since this was last emptied; `find` empties it before each wish."""
        self._pairs: dict[Test, z3.FuncDeclRef] = {}
        self._folded: dict[int, z3.ArithRef] = {}
        self._length = z3.Function("length", z3.IntSort(context), z3.IntSort(context))
        self._blocked: list[Unspellable] = []

    @property
    def measured(self) -> bool:
        """Whether the length of some text was asked for."""
        return any(one.test is None for one in self._asked.values())

    def attach(self, solver: z3.Solver) -> None:
        """Say where facts about texts are asserted."""
        self._solver = solver

    # --- terms ----------------------------------------------------------------------------------------------------------

    def literal(self, text: str) -> z3.IntNumRef:
        """The number of this very text, with all that is known of it."""
        found = self._number(text)
        if text not in self._settled:
            self._settled[text] = None
            for asked in self._tests:
                self._settle(asked, text)
            self._assert(self._length(found) == len(text))
        return found

    def _number(self, text: str) -> z3.IntNumRef:
        found = self._literals.get(text)
        if found is None:
            number = _LITERALS + len(self._literals)
            found = self._literals[text] = z3.IntVal(number, self.context)
            self._texts[number] = text
            self._taken.add(text.casefold())
            if text.casefold() != text:  # what was folded before it was known must not turn out to be it
                self._assert(*(term != found for term in self._folded.values()))
        return found

    def know(self, texts: Iterable[str]) -> None:
        """Let these texts have numbers, before anything is folded."""
        for text in texts:
            self._number(text)

    def among(self, term: z3.ArithRef, values: Iterable[str]) -> Formula:
        """Whether a text is one of these: as few stretches of numbers as they make."""
        numbers = sorted({self._number(value).as_long() for value in values})
        stretches: list[list[int]] = []
        for number in numbers:
            if stretches and stretches[-1][1] == number - 1:
                stretches[-1][1] = number
            else:
                stretches.append([number, number])
        return disjunction(
            term == first if first == last else all_of((term >= first, term <= last)) for first, last in stretches
        )

    def named(self, name: str) -> z3.IntNumRef:
        """The number of a text that nothing is known of, which stands where this name does."""
        return self._names.setdefault(name, z3.IntVal(_NAMED + len(self._names), self.context))

    def admit(self, term: z3.ArithRef) -> None:
        """Let this variable be a text."""
        self._terms[term.get_id()] = term
        self._assert(term >= 0)
        for unspellable in self._blocked:
            self._forbid(unspellable, term)

    # --- conditions -----------------------------------------------------------------------------------------------------

    def equal(self, left: Scalar, right: Scalar) -> Kleene:
        """Whether two texts are equal, without regard to case if one of them is folded."""
        known = both(left.known, right.known)
        folded = left.folded or right.folded
        if left.literal is not None and right.literal is not None:
            one, other = (t.casefold() if folded else t for t in (left.literal, right.literal))
            return given(known, one == other)
        if folded:
            return given(known, self._fold(left) == self._fold(right))
        for named, free in ((left, right), (right, left)):
            if named.values is not None and free.literal is None and free.values is None:
                self._settle_all(named.values)  # what is tested of the one text is then tested of the other
        return given(known, left.term == right.term)

    def test(self, op: str, subject: Scalar, pattern: Scalar) -> Kleene:
        """What a text test says of the subject."""
        known = both(subject.known, pattern.known)
        if pattern.literal is None:
            if op == "at domain":
                known = both(known, self._ask(HOST, subject.term))
            return given(known, self._pair(op, subject, pattern))
        asked = Test(op=op, pattern=pattern.literal, folded=subject.folded)
        if subject.literal is not None:
            found = _answer(asked, subject.literal)
            return Kleene(true=both(known, found is Truth.TRUE), false=both(known, found is Truth.FALSE))
        if subject.values is not None:
            return self._test_values(asked, subject, subject.values)
        if op == "at domain":
            known = both(known, self._ask(HOST, subject.term))
        return given(known, self._ask(asked, subject.term))

    def _test_values(self, asked: Test, subject: Scalar, values: tuple[str, ...]) -> Kleene:
        """A test of a text that can only be one of these: no predicate is needed."""
        found = {value: _answer(asked, value) for value in values}
        passing = self.among(subject.term, [value for value, answer in found.items() if answer is Truth.TRUE])
        failing = self.among(subject.term, [value for value, answer in found.items() if answer is Truth.FALSE])
        return Kleene(true=both(subject.known, passing), false=both(subject.known, failing))

    def _settle_all(self, values: tuple[str, ...]) -> None:
        for value in values:
            self.literal(value)

    def length(self, text: Scalar) -> z3.ArithRef:
        """The number of characters."""
        if text.values is not None:
            self._settle_all(text.values)
        if text.literal is None:
            self.asked.add(self._asked.setdefault((None, text.term.get_id(), None), Asked(None, text.term)))
            self._assert(self._length(text.term) >= 0, self._length(text.term) <= LONGEST_TEXT)
            for one in list(self._asked.values()):
                if one.term.eq(text.term):
                    self._bound(one)
        return self._length(text.term)

    def _bound(self, asked: Asked) -> None:
        """Say how long a text must be that passes this test, where its length is asked for as well."""
        measured = (None, asked.term.get_id(), None) in self._asked
        if not measured or asked.test is None or asked.other is not None:
            return
        least, most = widths(asked.test.op, asked.test.pattern)
        length, passes = self._length(asked.term), self._tests[asked.test](asked.term)
        self._assert(implied(passes, all_of((length >= least, length <= min(most, LONGEST_TEXT)))))

    def _fold(self, text: Scalar) -> z3.ArithRef:
        if text.literal is not None:
            return self.literal(text.literal.casefold())
        term = text.term
        self._folded[term.get_id()] = term
        for other in [one for one in self._literals if one.casefold() != one]:
            term = z3.If(text.term == self.literal(other), self.literal(other.casefold()), term)
        return term

    def _ask(self, asked: Test, term: z3.ArithRef) -> z3.BoolRef:
        predicate = self._tests.get(asked)
        if predicate is None:
            name = f"{asked.op} {asked.pattern}{' folded' if asked.folded else ''}"
            predicate = z3.Function(name, z3.IntSort(self.context), z3.BoolSort(self.context))
            self._tests[asked] = predicate
            for text in self._settled:
                self._settle(asked, text)
        found = self._asked.setdefault((asked, term.get_id(), None), Asked(asked, term))
        self.asked.add(found)
        self._bound(found)
        return predicate(term)

    def _pair(self, op: str, subject: Scalar, pattern: Scalar) -> z3.BoolRef:
        whole = z3.IntSort(self.context)
        test_ = Test(op=op, pattern="", folded=subject.folded)
        name = f"{op} of two texts{' folded' if subject.folded else ''}"
        predicate = self._pairs.setdefault(test_, z3.Function(name, whole, whole, z3.BoolSort(self.context)))
        one, other = subject.term, pattern.term
        self.asked.add(self._asked.setdefault((test_, one.get_id(), other.get_id()), Asked(test_, one, other)))
        if op in ("starts with", "ends with", "contains"):  # every text does so with itself
            self._assert(implied(one == other, predicate(one, other)))
            self._assert(implied(self._length(other) == 0, predicate(one, other)))
            if not subject.folded:  # disregarding case may make a text longer
                self._assert(implied(predicate(one, other), self._length(other) <= self._length(one)))
        return predicate(one, other)

    def _settle(self, asked: Test, text: str) -> None:
        found = _answer(asked, text)
        if found is not Truth.UNKNOWN:
            answer = self._tests[asked](self._literals[text])
            self._assert(answer if found is Truth.TRUE else opposite(answer))

    def _assert(self, *facts: z3.BoolRef) -> None:
        if self._solver is not None:
            hold(self._solver, *facts)

    # --- spelling -------------------------------------------------------------------------------------------------------

    def spell(
        self, model: z3.ModelRef, wanted: Iterable[tuple[str, z3.ArithRef]], asked: Iterable[Asked]
    ) -> dict[int, str] | Unspellable:
        """A text for every number that these named terms have in the model, with the same answers; or why there is none."""
        asked = list(asked)
        texts = dict(self._texts)
        required, lengths = self._required(model, asked)
        pairs = self._paired(model, asked)
        taken = set(self._taken)
        names: dict[int, str] = {}
        for name, term in wanted:
            names.setdefault(_value(model, term), name)
        subjects = {one for _, one, _, _ in pairs}
        for number in sorted(
            names, key=lambda one: one in subjects
        ):  # what is a pattern comes before what is tested by it
            if number in texts:
                continue
            by_others = {
                (Test(op=test_.op, pattern=texts[other], folded=test_.folded), answer)
                for test_, one, other, answer in pairs
                if one == number and other in texts
            }
            wishes = required.get(number, frozenset()) | by_others
            found = self.spellings.spell(names[number], wishes, lengths.get(number), taken)
            if isinstance(found, Unspellable):
                if by_others & found.contradiction:  # it rests on how another text was spelled
                    return Unspellable(contradiction=frozenset(), reason=_BETWEEN)
                return found
            texts[number] = found
            taken.add(found.casefold())
        for test_, one, other, answer in pairs:
            subject = Test(op=test_.op, pattern=texts.get(other, ""), folded=test_.folded)
            if one in texts and other in texts and _answer(subject, texts[one]) is not Truth.of(answer):
                return Unspellable(contradiction=frozenset(), reason=_BETWEEN)
        return texts

    def _paired(self, model: z3.ModelRef, asked: Iterable[Asked]) -> list[tuple[Test, int, int, bool]]:
        """The tests between two texts, by their numbers, with the model's answers."""
        found = []
        for one in asked:
            if one.test is not None and one.other is not None:
                answer = z3.is_true(model.eval(self._pairs[one.test](one.term, one.other), model_completion=True))
                found.append((one.test, _value(model, one.term), _value(model, one.other), answer))
        return found

    def all_asked(self) -> list[Asked]:
        """Every test that was ever asked, in that order."""
        return list(self._asked.values())

    def block(self, unspellable: Unspellable) -> None:
        """Forbid these answers together, for every text but those that are known to give them: no other text does."""
        if unspellable in self._blocked:
            return
        self._blocked.append(unspellable)
        tested = {one.term.get_id(): one.term for one in self._asked.values()}
        for term in {**self._terms, **tested}.values():
            self._forbid(unspellable, term)

    def _forbid(self, unspellable: Unspellable, term: z3.ArithRef) -> None:
        together: list[z3.BoolRef] = [
            self._ask(asked, term) == answer for asked, answer in sorted(unspellable.contradiction, key=repr)
        ]
        together += [term != self.literal(text) for text in unspellable.known]
        if unspellable.length is not None:
            together.append(self._length(term) == unspellable.length)
        self._assert(opposite(all_of(together)))

    def _required(
        self, model: z3.ModelRef, asked: Iterable[Asked]
    ) -> tuple[dict[int, frozenset[tuple[Test, bool]]], dict[int, int]]:
        required: dict[int, set[tuple[Test, bool]]] = {}
        lengths: dict[int, int] = {}
        for one in asked:
            number = _value(model, one.term)
            if one.other is not None:
                continue
            if one.test is None:
                lengths[number] = _value(model, self._length(one.term))
            else:
                answer = z3.is_true(model.eval(self._tests[one.test](one.term), model_completion=True))
                required.setdefault(number, set()).add((one.test, answer))
        return {number: frozenset(tests) for number, tests in required.items()}, lengths


def _answer(asked: Test, text: str) -> Truth:
    subject = Folded(text) if asked.folded else text
    if asked == HOST:
        return Truth.of(host_of(text) is not None)
    return test(asked.op, subject, asked.pattern)  # type: ignore[arg-type]  # the operator comes from a checked node


def _value(model: z3.ModelRef, term: z3.ArithRef) -> int:
    return int(model.eval(term, model_completion=True).as_long())
