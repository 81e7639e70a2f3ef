"""T-way over the factors of context: each t values together in some case that is run, and no case more than it takes.

The rows of a covering array (`arrays`) are spread over the families of a suite: each family is put into one of them, so trials
meet every combination while there are as many cases as before. Only where there are fewer families than rows, or none of them
can be put so, a case and its twin are told once more. What no family can be put into stays open, with the reason; what the constraints of
the user exclude is infeasible, and the core names them.

A row is laid on a case by `retell`; the frames of the user's own factors are laid around that. Nothing is kept that the policy
would see, or by which a case would show less than it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from obverse.cases.arrays import Allowed, Literal_, Model, check_model, covering_array, tuples_in, tuples_of
from obverse.cases.context import FACTORS, LANGUAGE, TECHNIQUE, value_of
from obverse.cases.factors import Factor, Factors, default_factors
from obverse.cases.order import Change, differences
from obverse.cases.records import Case, Infeasible, Level, Obligation, Open
from obverse.cases.retell import Reteller
from obverse.cases.settings import Settings
from obverse.cases.tongues import main_language
from obverse.core.events import Message
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
from obverse.policy.operations import reading

CONTEXTS: Final = "*"
"""The clause of obligations that are about no clause."""
_WORK: Final = 300_000  # a second: a row less is a case less only where there are fewer families than rows
_MOST: Final = 20_000  # combinations of values: each is an obligation of its own
_ROWS_TRIED: Final = 4
_FAMILIES_TRIED: Final = 24

Tuple_ = tuple[Literal_, ...]
Family = tuple[Case, ...]


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """The factors of a suite as a model of a covering array."""

    factors: Factors
    model: Model
    main: str

    def obligation(self, number: int, some: Tuple_) -> Obligation:
        """That these values occur together."""
        said = ", ".join(f"{factor.name}={factor.values[value]}" for factor, value in self._named(some))
        return Obligation(level=Level.TWAY, clause=CONTEXTS, condition=said, number=number)

    def row_of(self, case: Case) -> tuple[int, ...] | None:
        """The values of a case; None where one of them is no value of its factor."""
        row = []
        for factor in self.factors.factors:
            value = self._value(factor, case.context)
            if value not in factor.values:
                return None
            row.append(factor.values.index(value))
        return tuple(row)

    def context(self, row: Sequence[int]) -> dict[str, str]:
        """The context that a row stands for."""
        return {factor.name: factor.values[value] for factor, value in zip(self.factors.factors, row, strict=True)}

    def forbidding(self, some: Tuple_) -> tuple[str, ...]:
        """The constraints that exclude these values, in words."""
        core = Allowed(self.model).core(some)
        return tuple("never " + ", ".join(f"{name}={value}" for name, value in self.factors.never[one]) for one in core)

    def _value(self, factor: Factor, context: Mapping[str, str]) -> str:
        if factor.frames:
            return context.get(factor.name, factor.values[0])
        return context.get(LANGUAGE, self.main) if factor.name == LANGUAGE else value_of(context, factor.name)

    def _named(self, some: Tuple_) -> Iterator[tuple[Factor, int]]:
        return ((self.factors.factors[factor], value) for factor, value in some)


def mixture_of(checked: Checked, settings: Settings) -> Mixture:
    """The factors that the settings ask for, or else the ones that we have words for.

    Raises:
        MisuseError: if they have too many combinations, or nothing satisfies their constraints.
    """
    factors = settings.factors or default_factors(checked)
    places = {factor.name: place for place, factor in enumerate(factors.factors)}
    values = {factor.name: factor.values for factor in factors.factors}
    never = tuple(tuple((places[name], values[name].index(value)) for name, value in one) for one in factors.never)
    strength = min(factors.strength, len(factors.factors))
    model = Model(values=tuple(len(factor.values) for factor in factors.factors), strength=strength, never=never)
    check_model(model, most=_MOST)
    return Mixture(factors=factors, model=model, main=main_language(checked))


def mixed_demands(mixture: Mixture, cases: Sequence[Case]) -> Iterator[tuple[Obligation, Iterator[str]]]:
    """Each t values, with the cases that are run in them."""
    shown: dict[Tuple_, list[str]] = {}
    for case in cases:
        row = mixture.row_of(case) if case.runs else None
        for some in tuples_in(row, mixture.model.strength) if row is not None else ():
            shown.setdefault(some, []).append(case.id)
    for number, some in enumerate(tuples_of(mixture.model), 1):
        yield mixture.obligation(number, some), iter(shown.get(some, ()))


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """The cases in their contexts, how many were added for it, and what was proved or is left."""

    cases: tuple[Case, ...]
    added: int
    infeasible: tuple[Infeasible, ...]
    open: tuple[Open, ...]


def mix(
    checked: Checked,
    cases: Sequence[Case],
    settings: Settings,
    *,
    seed: int,
    shows: Callable[[Sequence[Case]], Mapping[str, set[str]]],
) -> Mixed:
    """The cases, each family in one context. `shows`: for each case what it shows, all other levels taken together."""
    mixture = mixture_of(checked, settings)
    array = covering_array(mixture.model, work=_WORK, seed=seed)
    work = _Mixing(checked, mixture, cases)
    left = work.spread(list(array.rows))
    work.take_back(shows)
    work.add(left)
    possible = set(tuples_of(mixture.model)) - set(array.impossible)
    work.complete(possible)
    numbers = {some: number for number, some in enumerate(tuples_of(mixture.model), 1)}
    return Mixed(
        cases=work.cases(),
        added=sum(len(family) for family in work.extra),
        infeasible=tuple(
            Infeasible(obligation=mixture.obligation(numbers[some], some), core=mixture.forbidding(some))
            for some in array.impossible
        ),
        open=tuple(
            Open(obligation=mixture.obligation(numbers[some], some), reason=work.reason)
            for some in sorted(possible - work.covered())
        ),
    )


class _Mixing:
    """Families and what they are told as."""

    def __init__(self, checked: Checked, mixture: Mixture, cases: Sequence[Case]) -> None:
        self.checked = checked
        self.mixture = mixture
        self.teller = Reteller(checked)
        self.families = _families(cases)
        self.told: dict[int, Family] = {}
        self.old: dict[int, dict[str, str]] = {}
        self.extra: list[Family] = []
        self.refused: Counter[str] = Counter()

    @property
    def reason(self) -> str:
        """Why what is left could not be had."""
        most = self.refused.most_common(1)
        return f"no case could be put so: {most[0][0]}" if most else "there is no case to put so"

    def spread(self, rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Puts each family into a row that it can be put into, each row first once; the rows that none could be put into."""
        queue, again = list(rows), 0
        for number, family in enumerate(self.families):
            if not any(case.runs for case in family):
                continue
            some = queue[:_ROWS_TRIED] or [rows[(again + k) % len(rows)] for k in range(min(_ROWS_TRIED, len(rows)))]
            for row in some:
                told = self._told(family, row)
                if told is not None:
                    self.told[number] = told
                    if row in queue:
                        queue.remove(row)
                    else:
                        again = rows.index(row) + 1
                    break
        return queue

    def take_back(self, shows: Callable[[Sequence[Case]], Mapping[str, set[str]]]) -> None:
        """Puts families back that show less than they did, as far as no other shows it."""
        before = shows([case for family in self.families for case in family])
        after = shows([case for number, family in enumerate(self.families) for case in self.told.get(number, family)])
        lost = set[str]().union(*before.values()) - set[str]().union(*after.values())
        for number, family in enumerate(self.families):
            if number in self.told and any(before.get(case.id, set()) & lost for case in family):
                del self.told[number]

    def add(self, rows: Iterable[tuple[int, ...]]) -> None:
        """Tells some family once more for each row that is left and still adds something."""
        for number, row in enumerate(rows):
            if set(tuples_in(row, self.mixture.model.strength)) - self.covered():
                self._add(row, number)

    def complete(self, wanted: set[Tuple_]) -> None:
        """Tells families once more for each combination that is left, everything else as plain as may be."""
        allowed = Allowed(self.mixture.model)
        for number, some in enumerate(sorted(wanted - self.covered())):
            if some not in self.covered():
                whole = allowed.completed(dict(some)) or {}
                self._add([whole.get(factor, 0) for factor in range(len(self.mixture.model.values))], number)

    def _add(self, row: Sequence[int], turn: int) -> None:
        families = [few for family in self.families if (few := _few(family))]
        for offset in range(min(_FAMILIES_TRIED, len(families))):
            told = self._told(families[(turn + offset) % len(families)], row)
            if told is not None:
                self.extra.append(told)
                return

    def covered(self) -> set[Tuple_]:
        """The combinations that cases are run in."""
        rows = {self.mixture.row_of(case) for case in self.cases() if case.runs}
        return {some for row in rows if row is not None for some in tuples_in(row, self.mixture.model.strength)}

    def cases(self) -> tuple[Case, ...]:
        """All cases as they are told now; of equal ones the first."""
        told = [case for number, family in enumerate(self.families) for case in self.told.get(number, family)]
        told += [case for family in self.extra for case in family]
        return tuple({case.id: case for case in reversed(told)}.values())[::-1]

    def _told(self, family: Family, row: Sequence[int]) -> Family | None:
        context = self.mixture.context(row)
        own = {factor.name: factor for factor in self.mixture.factors.factors if factor.frames}
        ours = {name: value for name, value in context.items() if name in FACTORS and name not in own}
        if ours.get(LANGUAGE) == self.mixture.main and LANGUAGE not in family[0].context:
            del ours[LANGUAGE]
        retold = self.teller.tell_all(family, lambda _: ours)
        if len(retold.cases) < len(family):
            self.refused.update(one.reason for one in retold.untold[:1])
            return None
        new = {old: name for name, old in retold.sources.items()}
        by_name = {case.id: case for case in retold.cases}
        cases: list[Case] = []
        for case in family:
            told = self._framed(by_name[new[case.id]], context, own)
            if told is None:
                self.refused["the policy would see the change"] += 1
                return None
            cases.append(told)
        linked = _linked(family, cases)
        if _changes(linked) != _changes(family):
            self.refused["the order of events would not be all that differs"] += 1
            return None
        return linked

    def _framed(self, case: Case, context: Mapping[str, str], own: Mapping[str, Factor]) -> Case | None:
        """The case in the frames of the user's own factors; what is plain is not noted."""
        chosen = {name: context[name] for name, factor in own.items() if context[name] != factor.values[0]}
        frames = [factor.frames[factor.values.index(context[name])] for name, factor in own.items()]
        if not own:
            return case
        said = [(place, event) for place, event in enumerate(case.history) if isinstance(event, Message)]
        if not said:
            return None
        place, event = next((one for one in said if one[0] >= case.opening), said[0])
        text = event.text
        for frame in frames:
            text = frame.replace("{text}", text)
        if not self._reads_alike(event, text):
            return None
        history = (*case.history[:place], msgspec.structs.replace(event, text=text), *case.history[place + 1 :])
        return self.teller.same.with_history(
            case, history, opening=case.opening, context={**case.context, **chosen},
            technique=value_of(case.context, TECHNIQUE),
        )  # fmt: skip

    def _reads_alike(self, event: Message, text: str) -> bool:
        terms = [
            (self.checked.judged[name], value) for name, value in event.labels.items() if name in self.checked.judged
        ]
        return all(reading(term, text) in (None, Truth.of(value)) for term, value in terms)


def _families(cases: Sequence[Case]) -> list[Family]:
    families: dict[str, list[Case]] = {}
    for case in cases:
        families.setdefault(case.family or case.id, []).append(case)
    return [tuple(family) for family in families.values()]


def _few(family: Family) -> Family:
    """The first case of a family that is run, with its twin: enough to be told once more."""
    head = next((case for case in family if case.runs and case.varied is None), None)
    if head is None:
        return ()
    twin = next((case for case in family if case.id == head.twin and case.twin == head.id), None)
    return (head,) if twin is None else (head, twin)


def _changes(family: Family) -> list[set[Change]]:
    """By which changes of order the variations of a family differ from what they vary."""
    known = {case.id: case for case in family}
    return [
        {each.change for each in differences(known[case.varied].history, case.history, None, None)}
        for case in family
        if case.varied in known
    ]


def _linked(old: Family, new: Sequence[Case]) -> Family:
    """The new cases with the links of the old ones, and run where those are."""
    name = {before.id: after.id for before, after in zip(old, new, strict=True)}
    return tuple(
        msgspec.structs.replace(
            after, twin=name.get(before.twin or ""), varied=name.get(before.varied or ""),
            family=name.get(before.family, after.id), runs=before.runs,
        )
        for before, after in zip(old, new, strict=True)
    )  # fmt: skip
