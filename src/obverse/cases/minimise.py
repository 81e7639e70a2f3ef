"""The fewest items that cover what all of them cover, and how few there could be.

Set cover, exact where HiGHS can prove it (`scipy.optimize.milp`), else the better of greedy and the best that HiGHS saw, beside
the bound that it proved. What does not fit into a matrix at all is covered greedily, beside a bound that holds anyway: elements
that no item shares need an item each. Items may need company: who is chosen takes one of those along.

Not a sampler: the order in which items are given breaks ties, so the same items give the same choice (L09). No clock: the
search is bounded by nodes. It is exact in so far as HiGHS is: integers within 1e-6.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint

_EFFORT: Final = 400_000
_CELLS: Final = 300_000
_NEAR: Final = 1e-6

Rows: TypeAlias = list[tuple[int | None, frozenset[int]]]
"""One of these items is chosen; with a number in front, only if that one is."""


class Minimised(msgspec.Struct, frozen=True, kw_only=True):
    """The chosen items in the order in which they were given; no choice is smaller than `lower_bound`, and none need be if `exact`."""

    chosen: tuple[str, ...]
    lower_bound: int
    exact: bool


def minimise(
    covers: Mapping[str, frozenset[str]],
    *,
    needs: Mapping[str, Collection[str]] | None = None,
    kept: Collection[str] = (),
    effort: int = _EFFORT,
    cells: int = _CELLS,
) -> Minimised:
    """The fewest items that together cover all that any item covers, with all that is `kept` among them.

    An item in `needs` is only chosen together with at least one of the items that stand there. `effort` bounds the search for
    the minimum, in nodes times cells of the matrix that are not empty; with more than `cells` of these the choice is greedy. Neither
    depends on the machine.
    """
    names = list(covers)
    rows = _rows(names, covers, needs or {}, kept)
    if not rows:
        return Minimised(chosen=(), lower_bound=0, exact=True)
    greedy = _pruned(_greedy(rows), rows)
    entries = sum(len(items) for _, items in rows)
    if entries > cells:
        return _told(names, greedy, _apart(rows))
    found, bound = _solved(len(names), rows, nodes=max(1, effort // entries))
    return _told(names, found if found is not None and len(found) <= len(greedy) else greedy, max(bound, _apart(rows)))


def _told(names: Sequence[str], chosen: Collection[int], bound: int) -> Minimised:
    picked = tuple(names[place] for place in sorted(chosen))
    return Minimised(chosen=picked, lower_bound=min(bound, len(picked)), exact=bound >= len(picked))


def _rows(
    names: Sequence[str],
    covers: Mapping[str, frozenset[str]],
    needs: Mapping[str, Collection[str]],
    kept: Collection[str],
) -> Rows:
    """What must be so of a choice; of equal demands, and of those that another one implies, only one."""
    places = {name: place for place, name in enumerate(names)}
    of: dict[str, set[int]] = {}
    for name, elements in covers.items():
        for element in elements:
            of.setdefault(element, set()).add(places[name])
    demands = {frozenset(items) for items in of.values()} | {frozenset({places[name]}) for name in kept}
    rows: Rows = [(None, items) for items in sorted(_weakest_gone(demands), key=sorted)]
    for name in names:
        company = frozenset(places[other] for other in needs.get(name, ()) if other in places)
        if name in needs and places[name] not in company:
            rows.append((places[name], company))
    return rows


def _weakest_gone(demands: set[frozenset[int]]) -> Iterator[frozenset[int]]:
    """The demands without those that hold whenever a smaller one does."""
    kept: dict[int, list[frozenset[int]]] = {}
    for items in sorted(demands, key=lambda items: (len(items), sorted(items))):
        if not any(smaller <= items for place in items for smaller in kept.get(place, ())):
            kept.setdefault(min(items), []).append(items)
            yield items


# --- exact ---------------------------------------------------------------------------------------------------------------


def _solved(size: int, rows: Rows, *, nodes: int) -> tuple[set[int] | None, int]:
    """The best choice that HiGHS found, and the bound that it proved."""
    import numpy as np
    from scipy.optimize import Bounds, milp

    found = milp(
        np.ones(size),
        integrality=np.ones(size, dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=_matrix(size, rows),
        options={"node_limit": nodes, "mip_rel_gap": 0.0},
    )
    bound = 0 if found.mip_dual_bound is None or not math.isfinite(found.mip_dual_bound) else found.mip_dual_bound
    chosen = None if found.x is None else _pruned({place for place in range(size) if found.x[place] > 0.5}, rows)
    return (chosen if chosen is not None and _holds(chosen, rows) else None), math.ceil(bound - _NEAR)


def _matrix(size: int, rows: Rows) -> LinearConstraint:
    import numpy as np
    from scipy.optimize import LinearConstraint
    from scipy.sparse import csr_array

    places = [(number, place) for number, (_, items) in enumerate(rows) for place in sorted(items)]
    owners = [(number, owner) for number, (owner, _) in enumerate(rows) if owner is not None]
    values = np.array([1.0] * len(places) + [-1.0] * len(owners))
    at = np.array([*places, *owners]).reshape(-1, 2).T
    least = np.array([1.0 if owner is None else 0.0 for owner, _ in rows])
    return LinearConstraint(csr_array((values, (at[0], at[1])), shape=(len(rows), size)), least, np.inf)


def _holds(chosen: set[int], rows: Rows) -> bool:
    return all((owner is not None and owner not in chosen) or chosen & items for owner, items in rows)


# --- greedy --------------------------------------------------------------------------------------------------------------


def _greedy(rows: Rows) -> set[int]:
    """Ever the item that, with the company it needs, meets the most demands for its price; the first of equals."""
    demands = {number: items for number, (owner, items) in enumerate(rows) if owner is None}
    company: dict[int, list[frozenset[int]]] = {}
    for owner, items in rows:
        if owner is not None:
            company.setdefault(owner, []).append(items)
    meets: dict[int, set[int]] = {}
    for number, items in demands.items():
        for place in items:
            meets.setdefault(place, set()).add(number)
    chosen: set[int] = set()
    left = set(demands)
    waiting = [(-float(len(found)), place) for place, found in sorted(meets.items())]
    heapq.heapify(waiting)  # what an item gains falls as others are chosen: only the foremost is looked at again
    while left:
        _, place = heapq.heappop(waiting)
        party = _with_company(place, company, chosen)
        gain = len(left & _met(meets, party)) / len(party)
        if gain and waiting and (-gain, place) > waiting[0]:
            heapq.heappush(waiting, (-gain, place))
        elif gain:
            chosen |= set(party)
            left -= _met(meets, party)
    return chosen


def _met(meets: Mapping[int, set[int]], party: Sequence[int]) -> set[int]:
    return set[int]().union(*(meets.get(one, ()) for one in party))


def _with_company(place: int, company: Mapping[int, Sequence[frozenset[int]]], chosen: set[int]) -> tuple[int, ...]:
    """The item and, for each need that is not met yet, the first that meets it; and so on."""
    party, waiting = [place], [place]
    while waiting:
        for items in company.get(waiting.pop(), ()):
            if not items & chosen and not items & set(party):
                party.append(min(items))
                waiting.append(min(items))
    return tuple(party)


def _pruned(chosen: set[int], rows: Rows) -> set[int]:
    """The choice without what it does not need, the last of it first."""
    for place in sorted(chosen, reverse=True):
        if _holds(chosen - {place}, rows):
            chosen = chosen - {place}
    return chosen


def _apart(rows: Rows) -> int:
    """So many demands, the narrow ones first, of which no two share an item: each of them takes one of its own."""
    used: set[int] = set()
    count = 0
    for items in sorted(
        (items for owner, items in rows if owner is None), key=lambda items: (len(items), sorted(items))
    ):
        if not used & items:
            used |= items
            count += 1
    return count
