"""The symbolic trace: one variable for every part of every event that a question touches, made when it is touched.

Also the preferences that make a witness natural: absent events, one text per name, small whole numbers, half a minute
between events. They are assumptions that may be given up, never constraints. Knows nothing of operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import z3

from obverse.policy.checked import Checked
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    Field,
    JsonType,
    ListType,
    MapType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)
from obverse.solver.answers import Act
from obverse.solver.layout import Layout
from obverse.solver.settings import Settings
from obverse.solver.symbols import NOTHING, Formula, Keys, Rec, Scalar, Seq, Value, both, weaker
from obverse.solver.terms import all_of, hold, implied, opposite
from obverse.solver.texts import Texts

Path: TypeAlias = tuple[Any, ...]
"""Where a value stands: `("step", "argument", "amount")`, `(3, "value", "flights", 0, "number")`."""

STEP = "step"
_APART_MS = 30_000  # between two events, where nothing else is asked
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_000  # the years 1 to 9999, which ISO 8601 writes as they are


@dataclass(frozen=True, slots=True)
class Leaf:
    """A variable of a basic type, and where it stands."""

    path: Path
    scalar: Scalar
    of: Type


@dataclass(frozen=True, slots=True)
class Wish:
    """A preference: the literal that assumes it; a lower rank is given up later. `owner` is the value that it is about."""

    rank: int
    literal: z3.BoolRef
    owner: Path | None


class Trace:
    """The variables of one layout, the facts about them that always hold, and the preferences among them."""

    def __init__(self, checked: Checked, act: Act, layout: Layout, settings: Settings, texts: Texts) -> None:
        self.checked = checked
        self.act = act
        self.layout = layout
        self.settings = settings
        self.texts = texts
        self.context: z3.Context = texts.context
        self.solver = z3.SimpleSolver(self.context)
        texts.attach(self.solver)
        self.leaves: dict[Path, Leaf] = {}
        self.lengths: dict[Path, z3.ArithRef] = {}
        self.presences: dict[Path, z3.BoolRef] = {}
        self.labels: dict[Path, z3.BoolRef] = {}
        self.given: dict[Path, z3.BoolRef] = {}
        """Whether a judge answered, and whether an event has a time: only where the layout is incomplete."""
        self.wishes: list[Wish] = []
        self.touched: set[Path] = set()
        """The values that were asked for since this was last emptied; `find` empties it before each wish."""
        self.assumed: dict[int, z3.BoolRef] = {}
        self.kept: list[z3.BoolRef] = []
        self._values: dict[Path, Value] = {}
        self._times: tuple[z3.ArithRef, ...] | None = None
        self._turn: tuple[z3.ArithRef, z3.BoolRef] | None = None
        self._fresh = 0
        self.present: tuple[z3.BoolRef, ...] = tuple(self._slot(number) for number in range(len(layout.slots)))

    # --- events ---------------------------------------------------------------------------------------------------------

    def _slot(self, number: int) -> z3.BoolRef:
        slot = self.layout.slots[number]
        present = z3.Bool(f"{number}:{slot.kind}:{slot.name or ''}", self.context)
        if slot.kind == "result" and slot.call is not None:
            call = z3.Bool(f"{slot.call}:call:{slot.name or ''}", self.context)
            hold(self.solver, implied(present, call))  # INVARIANT: a result follows its call
            self.prefer(1, present == call)
        elif slot.kind == "message" and not any(one.kind == "message" for one in self.layout.slots[:number]):
            self.prefer(2, present)  # a session begins with a message, unless the question wants none
        else:
            self.prefer(2, opposite(present))
        return present

    @property
    def times(self) -> tuple[z3.ArithRef, ...]:
        """The time of every slot, the step's last, in units; they never decrease."""
        if self._times is None:
            times = tuple(z3.Int(f"time:{number}", self.context) for number in range(len(self.layout.slots) + 1))
            hold(self.solver, times[0] >= 0)
            for number, (earlier, later) in enumerate(pairwise(times), start=1):
                hold(self.solver, earlier <= later)
                apart = later - earlier == _APART_MS // self.layout.unit
                if number < len(self.layout.slots):  # an event that is absent takes no time
                    apart = z3.If(self.present[number], apart, later == earlier)
                self.prefer(4, apart)
            self.prefer(3, times[0] == self.settings.start_ms // self.layout.unit)
            self._times = times
        return self._times

    @property
    def has_times(self) -> bool:
        """Whether any question touched a time."""
        return self._times is not None

    def failed(self, number: int) -> z3.BoolRef:
        """Whether the result at this slot failed."""
        return self._flag(self.labels, (number, "failed"), rank=3, likely=False)

    def label(self, at: int | str, name: str) -> z3.BoolRef:
        """The recorded answer of a judged predicate about the event at a slot, or about the step."""
        return self._flag(self.labels, (at, "label", name), rank=3, likely=False)

    def answered(self, at: int | str, name: str) -> Formula:
        """Whether a judge answered that; a term with a pattern needs none."""
        if not self.layout.incomplete or self.checked.judged[name].pattern is not None:
            return True
        return self._flag(self.given, (at, "answered", name), rank=1, likely=True)

    def timed(self, number: int) -> Formula:
        """Whether the event at a slot, or the step after them, has a time stamp."""
        if not self.layout.incomplete:
            return True
        paths: list[Path] = [(place, "timed") for place in range(len(self.layout.slots))]
        paths.append((STEP, "timed"))
        if paths[-1] not in self.given:
            self._timed(paths)
        self.touched.update(paths[: number + 1])
        return self.given[paths[number]]

    def _timed(self, paths: list[Path]) -> None:
        """A flag for every event; readers refuse an act without a time after an event that had one."""
        kinds = [*(slot.kind for slot in self.layout.slots), "call"]
        for place, path in enumerate(paths):
            flag = self._flag(self.given, path, rank=1, likely=True)
            for earlier in range(place if kinds[place] in ("call", "reply") else 0):
                before = z3.And(self.present[earlier], self.given[paths[earlier]])
                hold(self.solver, implied(before, flag))

    @property
    def turn(self) -> tuple[z3.ArithRef, z3.BoolRef]:
        """How many calls are proposed together with the step, and whether a text is."""
        if self._turn is None:
            calls, spoken = z3.Int("turn:calls", self.context), z3.Bool("turn:text", self.context)
            least = 1 if self.act.kind == "call" else 0
            hold(self.solver, calls >= least)
            self.prefer(2, calls == least)
            self.prefer(2, opposite(spoken) if self.act.kind == "call" else spoken)
            self._turn = (calls, spoken)
        return self._turn

    @property
    def touched_turn(self) -> tuple[z3.ArithRef, z3.BoolRef] | None:
        """The same, if any question touched it."""
        return self._turn

    # --- values ---------------------------------------------------------------------------------------------------------

    def value(self, path: Path, of: Type, *, optional: bool = False) -> Value:
        """The value that stands at this path; it may be missing only where that is allowed and asked about."""
        if not isinstance(of, RecordType):
            self.touched.add(path)  # of a record only the members that are asked for count
        found = self._values.get(path)
        if found is None:
            known: Formula = True
            if optional and self.layout.gaps:
                known = self._flag(self.presences, (*path, "?"), rank=3, likely=True)
            elif self.layout.incomplete and self._may_be_missing(path, of):
                known = self._flag(self.presences, (*path, "?"), rank=1, likely=True)
            found = self._values[path] = weaker(self._make(path, of), known)
        if (*path, "?") in self.presences:
            self.touched.add((*path, "?"))
        return found

    def _may_be_missing(self, path: Path, of: Type) -> bool:
        """Whether a transcript can lack this value, or have one of another type in its place."""
        if path[1] not in ("argument", "value"):
            return False
        if len(path) == 2 or isinstance(path[-1], int):  # nothing can be left out there, only be wrong
            bare = isinstance(of, TextType) and len(path) == 2 and self.layout.slots[path[0]].kind == "result"
            return not bare and not isinstance(of, JsonType)
        return True

    def member_of(self, path: Path, field: Field, *, optional: bool) -> Value:
        """The member of a record that stands at this path."""
        return self.value((*path, field.name), field.type, optional=optional or field.optional)

    def _make(self, path: Path, of: Type) -> Value:
        match of:
            case TextType():
                return self._text(path, of, folded=of.folded)
            case EnumType():
                return self._enum(path, of)
            case JsonType():
                return self._leaf(path, of, Scalar("json", self._int(path)))
            case BoolType():
                return self._leaf(path, of, Scalar("bool", z3.Bool(_name(path), self.context)))
            case NumberType():
                return self._number(path, of)
            case TimeType():
                return self._time(path, of)
            case DurationType():
                term = self._int(path)
                hold(self.solver, term >= 0)
                return self._leaf(path, of, Scalar("duration", term))
            case ListType():
                return self._list(path, of.item)
            case MapType():
                return self._map(path, of)
            case RecordType():
                return self._record(path, of)

    def _leaf(self, path: Path, of: Type, scalar: Scalar) -> Scalar:
        self.leaves[path] = Leaf(path, scalar, of)
        return scalar

    def _text(self, path: Path, of: Type, *, folded: bool = False) -> Scalar:
        term = self._int(path)
        self.texts.admit(term)
        self.prefer(5, term == self.texts.named(_stem(path)), path)
        return self._leaf(path, of, Scalar("text", term, folded=folded))

    def _enum(self, path: Path, of: EnumType) -> Scalar:
        term = self._int(path)
        self.texts.admit(term)
        self.solver.add(self.texts.among(term, of.values))
        return self._leaf(path, of, Scalar("text", term, values=of.values))

    def _number(self, path: Path, of: NumberType) -> Scalar:
        if of.integer:
            whole = self._int(path)
            self.prefer(5, all_of((whole >= 1, whole <= 1000)), path)
            return self._leaf(path, of, Scalar("number", whole))
        term = z3.Real(_name(path), self.context)
        self.prefer(5, all_of((term >= 1, term <= 1000)), path)
        self.prefer(4, term == z3.ToReal(z3.Int(f"{_name(path)}:whole", self.context)), path)
        # money is written with two places: tried where a whole number will not do
        self.prefer(3, term * 100 == z3.ToReal(z3.Int(f"{_name(path)}:cents", self.context)), path)
        return self._leaf(path, of, Scalar("number", term))

    def _time(self, path: Path, of: TimeType) -> Scalar:
        term = self._int(path)
        year = 366 * 86_400_000 // self.layout.unit
        start = self.settings.start_ms // self.layout.unit
        self.prefer(4, all_of((term >= start - year, term <= start + year)), path)
        hold(self.solver, term >= _FIRST_MS // self.layout.unit, term <= _LAST_MS // self.layout.unit)
        self.prefer(5, term % (60_000 // self.layout.unit) == 0, path)
        return self._leaf(path, of, Scalar("time", term))

    def _list(self, path: Path, item: Type) -> Seq:
        return self.listing(path, lambda place: self.value((*path, place), item))

    def listing(self, path: Path, item: Callable[[int], Value]) -> Seq:
        """A list of bounded length with these items."""
        longest = self.layout.longest
        length = self._int((*path, "length"))
        self.lengths[path] = length
        hold(self.solver, length >= 0, length <= longest)
        self.prefer(4, length == 1, path)
        for shorter in range(2, longest):
            self.prefer(5, length <= shorter, path)
        there = tuple(length > place for place in range(longest))
        return Seq(tuple(item(place) for place in range(longest)), there)

    def _map(self, path: Path, of: MapType) -> Keys:
        keys = self.listing(path, lambda place: self._text((*path, place, "key"), TextType()))
        values = Seq(tuple(self.value((*path, n, "value"), of.item) for n in range(len(keys.items))), keys.there)
        for place, key in enumerate(keys.items):  # INVARIANT: keys of a map differ
            for other in range(place):
                earlier = keys.items[other]
                if isinstance(key, Scalar) and isinstance(earlier, Scalar):
                    self.solver.add(z3.Implies(z3.And(keys.there[place]), key.term != earlier.term))
        return Keys(keys, values)

    def _record(self, path: Path, of: RecordType) -> Rec:
        fields = {field.name: field for field in of.fields}
        inside_a_result = bool(path) and "value" in path[:2]

        def member(name: str) -> Value:
            field = fields.get(name)
            return self.member_of(path, field, optional=inside_a_result) if field else NOTHING

        return Rec(tuple(fields), member)

    # --- preferences ----------------------------------------------------------------------------------------------------

    def prefer(self, rank: int, formula: Formula, owner: Path | None = None) -> None:
        """Note a preference."""
        if not isinstance(formula, bool):
            self.wishes.append(Wish(rank, self.assumable(formula), owner))

    def covered(self, touched: set[Path]) -> frozenset[Path]:
        """The variables that stand at these paths or below."""
        paths = [*self.leaves, *self.lengths, *self.presences, *self.labels, *self.given]
        return frozenset(path for path in paths if any(path[:size] in touched for size in range(1, len(path) + 1)))

    def assumable(self, formula: Formula) -> z3.BoolRef:
        """A fresh literal that implies the formula: assumed, it holds; not assumed, it says nothing."""
        self._fresh += 1
        literal = z3.Bool(f"?{self._fresh}", self.context)
        if not isinstance(formula, bool):
            hold(self.solver, implied(literal, formula))
        elif not formula:
            hold(self.solver, opposite(literal))
        return literal

    def _flag(self, table: dict[Path, z3.BoolRef], path: Path, *, rank: int, likely: bool) -> z3.BoolRef:
        self.touched.add(path)
        found = table.get(path)
        if found is None:
            found = table[path] = z3.Bool(_name(path), self.context)
            self.prefer(rank, found if likely else opposite(found), path)
        return found

    def _int(self, path: Path) -> z3.ArithRef:
        return z3.Int(_name(path), self.context)


def merged(choices: list[tuple[Formula, Value]]) -> Value | None:
    """The value of the last choice whose condition holds, nothing if none does; None if the kinds cannot be merged.

    A single choice may be of any kind; several must be scalars of one kind.
    """
    if not choices:
        return NOTHING
    if len(choices) == 1:
        return weaker(choices[0][1], choices[0][0])
    scalars = [(condition, value) for condition, value in choices if isinstance(value, Scalar)]
    if len(scalars) < len(choices) or len({value.kind for _, value in scalars}) != 1:
        return None
    term, known = scalars[0][1].term, both(scalars[0][0], scalars[0][1].known)
    for condition, value in scalars[1:]:
        if isinstance(condition, bool):
            if condition:
                term, known = value.term, value.known
            continue
        term = z3.If(condition, value.term, term)
        now, before = value.known, known
        known = z3.If(condition, _formula(now, condition.ctx), _formula(before, condition.ctx))
    return replace(scalars[0][1], term=term, known=known, literal=None)


def _formula(formula: Formula, context: z3.Context) -> z3.BoolRef:
    return z3.BoolVal(formula, context) if isinstance(formula, bool) else formula


def _name(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _stem(path: Path) -> str:
    """The name that a text goes by: the last part of its path that is a word."""
    words = [part for part in path if isinstance(part, str)]
    return words[-1] if words else "text"
