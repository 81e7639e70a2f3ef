"""A suite in contexts, from first to last: how it is said, a model's words for it, how it is delivered.

1. Each family of cases gets one of the contexts, by digest.
2. Language, register and person, in our own phrases (`retell`).
3. A model's words, if one is given (`realise`); also for cases whose language we have no examples for: what the model makes of
   them is put through the same round trip, and where it fails the case is left out.
4. Turn, channel and technique: after the model, which would smooth them away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from obverse.cases.context import LANGUAGE, PERSONA, REGISTER, Context
from obverse.cases.realise import Realised
from obverse.cases.records import Case
from obverse.cases.retell import Reteller, Untold, one_of
from obverse.policy.checked import Checked

_SAID = (LANGUAGE, REGISTER, PERSONA)


class Writes(Protocol):
    """`realise` with everything but the cases and their language settled."""

    async def __call__(self, cases: Sequence[Case], language: str | None, /) -> Realised: ...


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """The cases as they are told now, those that could not be, and what became of each round with the model."""

    cases: tuple[Case, ...]
    untold: tuple[Untold, ...]
    realised: tuple[Realised, ...] = ()


async def tell(
    checked: Checked, cases: Sequence[Case], contexts: Sequence[Context], *, write: Writes | None = None
) -> Texts:
    """The cases, each family in one of the contexts."""
    teller = Reteller(checked)
    wanted = {case.id: one_of(contexts, case) for case in cases}  # (1)
    first = teller.tell_all(cases, lambda case: _part(wanted[case.id], said=True))  # (2)
    wanted = {new: wanted[old] for new, old in first.sources.items()}
    told, untold, rounds = list(first.cases), list(first.untold), []
    if write is not None:  # (3)
        foreign, told, untold = _foreign(cases, untold), [], []
        for language, several in ((None, first.cases), *foreign.items()):
            realised = await write(several, language)
            rounds.append(realised)
            told += realised.cases
            untold += realised.untold
            wanted |= {new: wanted.get(old, {}) for new, old in realised.sources.items()}
        lost = {case.id for several in foreign.values() for case in several}
        untold = [one for one in first.untold if one.case not in lost] + untold
    last = teller.tell_all(told, lambda case: _part(wanted[case.id], said=False))  # (4)
    return Texts(cases=last.cases, untold=(*untold, *last.untold), realised=tuple(rounds))


def _part(context: Context, *, said: bool) -> Context:
    return {factor: value for factor, value in context.items() if (factor in _SAID) is said}


def _foreign(cases: Sequence[Case], untold: Sequence[Untold]) -> Mapping[str, list[Case]]:
    """Language → the cases that were wanted in it and have no words of ours there."""
    wanted = {one.case: one.context[LANGUAGE] for one in untold if LANGUAGE in one.context}
    found: dict[str, list[Case]] = {}
    for case in cases:
        if case.id in wanted:
            found.setdefault(wanted[case.id], []).append(case)
    return found
