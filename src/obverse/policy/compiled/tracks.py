"""What a compiled monitor remembers of one operator, and the two or three questions that its code asks of that.

A track is a keeper (`policy.keeping`) that knows more: it has read its events when they came. As long as nothing about them is in
doubt it is `sure`, and answers in constant time. At the first event that is in doubt (a look-alike, an unanswered judge, no time)
it hands everything to the reference keeper of the same operator and only keeps; it is sure again when that one holds
nothing in doubt any more.

Laws: a track that is sure answers as the reference evaluator would, over the whole history; sure or not, evaluating the operator
over `relevant` gives what it gives over the whole history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from obverse.core.events import Fact
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.compiled.plain import computed, known, plain_of, plus
from obverse.policy.compiled.reading import Reader
from obverse.policy.decision import Unknown
from obverse.policy.evaluate import Evaluator, Forgotten
from obverse.policy.keeping import Facts, Keeper, Kept, Kind, Look, Maker, Window

Take = Callable[[Any, Kept, Look], None]
"""Code that reads an event of one kind, of one tool, and puts it into a track."""

Read = Callable[[Any], tuple[Hashable, Any] | None]
"""Code that reads the key and the amount off a proposed call, for a limit; None if they are in doubt."""


class Spec:
    """What all tracks of one operator share, in all sessions: which events it hears, and how they are read.

    `backup` makes the reference's keeper. `takes` writes the code for events of one kind and tool, `reads` that for what is only
    proposed. `within` is the window that events count in; `recent` how many of a key are kept where they count for ever. `judged`
    says that what was read of an event hangs on labels; `keys` are the values of a step that the track is asked by, one tuple
    for each place that asks.
    """

    def __init__(
        self,
        name: Hashable,
        *,
        hears: Callable[[Kind, str | None], bool],
        backup: Maker,
        takes: Callable[[Kind, str | None], Take],
        reads: Callable[[Kind, str | None], Read] | None = None,
        judged: bool = False,
        within: int | None = None,
        recent: int | None = None,
    ) -> None:
        self.name = name
        self.hears = hears
        self.backup = backup
        self.judged = judged
        self.within = within
        self.recent = recent
        self.keys: list[tuple[ast.Expr, ...]] = []
        self._takes = takes
        self._reads = reads
        self._taking: dict[tuple[Kind, str | None], Take] = {}
        self._reading: dict[tuple[Kind, str | None], Read] = {}

    def take(self, kind: Kind, tool: str | None) -> Take:
        """The code for events of this kind, of this tool."""
        found = self._taking.get((kind, tool))
        if found is None:
            found = self._taking[kind, tool] = self._takes(kind, tool)
        return found

    def prepare(self, kind: Kind, tool: str | None) -> None:
        """Write the code for such events now, if they are heard."""
        if self.hears(kind, tool):
            self.take(kind, tool)

    def read(self, kind: Kind, tool: str | None) -> Read:
        """The code that reads what is only proposed."""
        found = self._reading.get((kind, tool))
        if found is None:
            found = self._reading[kind, tool] = self._reads(kind, tool) if self._reads else _nothing
        return found


def _nothing(_event: Any) -> None:
    return None


class _Track:
    """What tracks have in common: to be sure, and to stop and to begin again to be."""

    __slots__ = ("backup", "doubted", "key", "spec", "sure")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.key = spec.name
        self.sure = True
        self.backup: Keeper | None = None
        self.doubted = -1
        self.clear()

    def clear(self) -> None:
        """Forget everything that was read."""
        raise NotImplementedError

    def held(self) -> Iterator[Kept]:
        """The events that were read and are kept."""
        raise NotImplementedError

    def wanted(self, key: Hashable) -> Iterator[Kept]:
        """The events of this key."""
        raise NotImplementedError

    def hears(self, kind: Kind, tool: str | None) -> bool:
        return self.spec.hears(kind, tool)

    def numbers(self) -> list[list[Any]]:
        return []

    def recall(self, numbers: list[list[Any]]) -> None:
        """Nothing was dropped."""

    def observe(self, event: Kept, look: Look) -> None:
        if self.backup is None:
            self.spec.take(type(event.event), getattr(event.event, "tool", None))(self, event, look)
        else:
            self.backup.observe(event, look)
            if isinstance(self.backup, Window) and self.spec.within is not None:
                oldest = next(self.backup.all(), None)
                if oldest is None or oldest.number > self.doubted:
                    self._again(look)

    def doubt(self, event: Kept, look: Look) -> None:
        """Here is an event of which something is in doubt: from now on the reference keeper keeps."""
        held = sorted(self.held(), key=lambda kept: kept.number)
        self.sure, self.backup, self.doubted = False, self.spec.backup(), event.number
        self.clear()
        for kept in (*held, event):
            self.backup.observe(kept, look)

    def labelled(self, look: Look) -> None:
        if not self.spec.judged:
            return
        if self.backup is not None:
            self.backup.labelled(look)
        self._again(look)

    def _again(self, look: Look) -> None:
        """Read everything that is kept anew: perhaps nothing is in doubt any more."""
        held = sorted(self.all(), key=lambda kept: kept.number)
        self.sure, self.backup = True, None
        self.clear()
        for kept in held:
            self.observe(kept, look)
        if not self.sure:
            self.doubted = held[-1].number  # who writes doubtful things must not make us read all of it at each event

    def all(self) -> Iterator[Kept]:
        return self.held() if self.backup is None else self.backup.all()

    def relevant(self, evaluator: Evaluator) -> Iterator[Kept]:
        if self.backup is not None:
            return self.backup.relevant(evaluator) if len(self.spec.keys) < 2 else self.backup.all()
        keys = [self._key(evaluator, values) for values in self.spec.keys]
        if None in keys:
            return self.held()
        return (kept for key in dict.fromkeys(keys) for kept in self.wanted(key))

    def _key(self, evaluator: Evaluator, values: tuple[ast.Expr, ...]) -> Hashable | None:
        """The key that this step asks for at one place; None if that is in doubt."""
        if any(isinstance(node, ast.Local) for value in values for node in ast.walk(value)):
            return None
        found = [_plain(evaluator.value(value, evaluator.here)) for value in values]
        return None if None in found else found[0] if len(found) == 1 else tuple(found)


def _plain(value: Any) -> Any:
    return None if isinstance(value, Unknown) else plain_of(value)


class Latest(_Track):
    """The newest event for each key: `once`, `last`, `no … since …`. A record is (number, time, event, what was read …)."""

    __slots__ = ("newest",)
    newest: dict[Hashable, tuple[Any, ...]]

    def clear(self) -> None:
        self.newest = {}

    def held(self) -> Iterator[Kept]:
        return (record[2] for record in self.newest.values())

    def wanted(self, key: Hashable) -> Iterator[Kept]:
        if key in self.newest:
            yield self.newest[key][2]


class Entry(NamedTuple):
    """One event that counts."""

    event: Kept
    amount: Any


class Sum(msgspec.Struct):
    """So many events; `whole` is the sum of their amounts, `above` of those above zero."""

    number: int = 0
    whole: Any = 0
    above: Any = 0

    def add(self, amount: Any) -> None:
        """One event more."""
        self.number += 1
        self.whole = plus(self.whole, amount)
        if amount > 0:
            self.above = plus(self.above, amount)

    def take(self, amount: Any) -> None:
        """One event less."""
        self.number -= 1
        self.whole = computed("-", self.whole, amount)
        if amount > 0:
            self.above = computed("-", self.above, amount)


class Bucket:
    """The events of one key: the sum of all of them, and those that are kept."""

    __slots__ = ("entries", "sum")

    def __init__(self, begun: Sum) -> None:
        self.entries: deque[Entry] = deque()
        self.sum = begun

    def dropped(self) -> Sum:
        """What is counted and not kept."""
        rest = Sum(self.sum.number, self.sum.whole, self.sum.above)
        for entry in self.entries:
            rest.take(entry.amount)
        return rest


_NONE: Final = Bucket(Sum())
_UNUSED: Final[deque[tuple[int, Hashable]]] = deque()
"""Of the many sessions of a guard, most have little to remember."""


class Tally(_Track):
    """Numbers for each key: `count`, `sum`, `limit`. Over a window that moves on, its events; for ever, the sum and the newest few.

    `gone` is what was counted and dropped, by key, while no bucket holds it.
    """

    __slots__ = ("buckets", "gone", "order")
    buckets: dict[Hashable, Bucket]
    order: deque[tuple[int, Hashable]]

    def __init__(self, spec: Spec) -> None:
        self.gone: dict[Hashable, Sum] = {}
        super().__init__(spec)

    def clear(self) -> None:
        self.gone = dict(self.forgotten())
        self.buckets = {}
        self.order = _UNUSED

    def held(self) -> Iterator[Kept]:
        return (entry.event for bucket in self.buckets.values() for entry in bucket.entries)

    def wanted(self, key: Hashable) -> Iterator[Kept]:
        return (entry.event for entry in self.buckets.get(key, _NONE).entries)

    def forgotten(self) -> Iterator[tuple[Hashable, Sum]]:
        """What was counted and dropped, by key."""
        yield from self.gone.items()
        if self.spec.recent is not None:
            for key, bucket in getattr(self, "buckets", {}).items():
                if bucket.sum.number > len(bucket.entries):
                    yield key, bucket.dropped()

    def put(self, key: Hashable, event: Kept, amount: Any) -> None:
        """One more event of this key. In a window it has a time."""
        bucket = self.buckets.get(key)
        if bucket is None:
            bucket = self.buckets[key] = Bucket(self.gone.pop(key) if key in self.gone else Sum())
        bucket.entries.append(Entry(event, amount))
        bucket.sum.add(amount)
        if self.spec.recent is not None:
            if len(bucket.entries) > self.spec.recent:
                bucket.entries.popleft()
        elif event.event.time is not None:
            if self.order is _UNUSED:
                self.order = deque()
            self.order.append((event.event.time, key))
            self._forget(event.event.time)

    def sum(self, key: Any, now: int | None) -> Sum | None:
        """What counts for this key at this time; None if that is in doubt."""
        if key is None or not self.sure:
            return None
        if self.spec.within is not None:
            if now is None:
                return None
            if self.order and self.order[0][0] < now - self.spec.within:
                self._forget(now)
        return self.buckets.get(key, _NONE).sum

    def count(self, key: Any, now: int | None) -> int | None:
        """How many events count."""
        found = self.sum(key, now)
        return None if found is None else found.number

    def whole(self, key: Any, now: int | None) -> Any:
        """The sum of their amounts."""
        found = self.sum(key, now)
        return None if found is None else found.whole

    def above(self, key: Any, now: int | None) -> Any:
        """The sum of their amounts above zero."""
        found = self.sum(key, now)
        return None if found is None else found.above

    def numbers(self) -> list[list[Any]]:
        return [[key, found.number, found.whole, found.above] for key, found in self.forgotten()]

    def recall(self, numbers: list[list[Any]]) -> None:
        self.gone = {_hashable(key): Sum(number, whole, above) for key, number, whole, above in numbers}

    def _forget(self, now: int) -> None:
        """Drop what is no longer in the window."""
        before = now - (self.spec.within or 0)
        while self.order and self.order[0][0] < before:
            _, key = self.order.popleft()
            bucket = self.buckets[key]
            bucket.sum.take(bucket.entries.popleft().amount)
            if not bucket.entries:
                del self.buckets[key]

    # --- for the reference ----------------------------------------------------------------------------------------------

    def told(self, evaluator: Evaluator, values: tuple[ast.Expr, ...], *, limits: bool, amounts: bool) -> Forgotten:
        """What was dropped of what this step asks for, for the reference evaluator, which does not see it."""
        key = self._key(evaluator, values)
        least = most = number = whole = Fraction(0)
        for other, found in self.forgotten():
            meant = Truth.of(other == key)
            if key is None:  # then what is kept of each key says that the number is unknown, but a limit has bounds
                meant = (
                    evaluator.equal(known(other), evaluator.value(values[0], evaluator.here)) if limits else Truth.FALSE
                )
            all_, above = (found.whole, found.above) if amounts else (found.number, found.number)
            if meant is Truth.TRUE:
                number, whole, least = number + found.number, whole + Fraction(found.whole), least + Fraction(all_)
            elif meant is Truth.UNKNOWN:
                least += Fraction(all_) - Fraction(above)
            most += Fraction(above) if meant is not Truth.FALSE else 0
        return Forgotten(int(number), whole, least, most)


def _hashable(key: Any) -> Hashable:
    """A key as it was before it was written down: JSON has no tuples."""
    return tuple(key) if isinstance(key, list) else key


class Stated(Facts):
    """The newest value of a fact, read when it was stated."""

    def __init__(self, name: str, reader: Reader) -> None:
        super().__init__(name, every=False)
        self.reader = reader
        self.value: Any = None
        self.stated = False

    def observe(self, event: Kept, look: Look) -> None:
        super().observe(event, look)
        if isinstance(event.event, Fact) and event.event.name == self.name:
            self.value, self.stated = self.reader(event.event.value), True
