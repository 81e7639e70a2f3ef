"""The fewest cases of those that were found which show all that they show together.

What a case shows is asked of `coverage`, not of the label that it carries. Some things are kept whatever the obligations say: a
twin never goes without its violating case, a violating case that had a twin keeps one, a variation stays with what it varies;
and each clause keeps something to ask on each side on which it had something, else its rate would be about nothing.

Cases that say the same in other words show nothing new. They stand outside of the count and stay where what they say stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from obverse.cases.coverage import Demand
from obverse.cases.minimise import Minimised, minimise
from obverse.cases.records import Case, Level, Size


def smallest(
    cases: Sequence[Case], demands: Iterable[Demand], *, reworded: Mapping[str, str], minimal: bool = True
) -> tuple[tuple[Case, ...], Size]:
    """The cases that are needed, in their order, and how few there could be. Not `minimal`: all of them, with the bound."""
    found = _found(cases, demands, reworded)
    kept = set(found.chosen) if minimal else {case.id for case in cases if case.id not in reworded}
    kept |= {case.id for case in cases if reworded.get(case.id) in kept}
    chosen = _linked([case for case in cases if case.id in kept])
    again = sum(case.id in reworded for case in chosen)
    count = len(chosen) - again
    size = Size(cases=count, lower_bound=found.lower_bound, exact=found.lower_bound == count, reworded=again)
    return tuple(chosen), size


def _found(cases: Sequence[Case], demands: Iterable[Demand], reworded: Mapping[str, str]) -> Minimised:
    covers: dict[str, set[str]] = {case.id: set() for case in cases if case.id not in reworded}
    for obligation, shown_by in demands:
        if obligation.level is Level.TWAY:  # contexts come after
            continue
        for name in shown_by:
            if name in covers:
                covers[name].add(obligation.key)
    for case in cases:
        if case.runs and case.id in covers:
            covers[case.id].add(f"asks of {case.clause}: {case.side}")
    return minimise({name: frozenset(keys) for name, keys in covers.items()}, needs=_needs(cases, covers))


def _needs(cases: Sequence[Case], among: Mapping[str, object]) -> dict[str, list[str]]:
    """Who is never kept without one of whom."""
    needs: dict[str, list[str]] = {}
    for case in cases:
        if case.id not in among:
            continue
        leader = case.varied or case.twin
        if case.family != case.id and leader in among:
            needs[case.id] = [str(leader)]
        elif case.family == case.id and case.twin is not None:
            company = [one.id for one in cases if one.twin == case.id and one.varied is None and one.id in among]
            needs |= {case.id: company} if company else {}
    return needs


def _linked(cases: Sequence[Case]) -> list[Case]:
    """The cases, each violating one with a link to the first twin that is left of its own."""
    known = {case.id for case in cases}
    twins: dict[str, str] = {}
    for case in cases:
        if case.twin in known and case.family != case.id:
            twins.setdefault(case.twin or "", case.id)
    return [
        case if case.twin is None or case.twin in known else msgspec.structs.replace(case, twin=twins.get(case.id))
        for case in cases
    ]
