"""`find`: a scenario in which every wish is definitely true, or a proof that there is none within the bound.

The steps, with the same numbers in the code:

1. lay out a trace that has room for what the wishes speak of: first one round of it, then as many as allowed;
2. encode each wish once per layout, as a literal that implies it;
3. ask Z3 for the wishes with all preferences, giving up the least important one of each conflict;
4. spell the texts; forbid a contradiction among text tests and ask again;
5. replay: the reference evaluator must find every wish true (L06).

A `Finder` keeps layouts and encodings, so that hundreds of goals over one policy share them. Deterministic: the same goals in
the same order give the same answers, as long as no wall-clock limit is hit (`Settings.effort` bites first).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import z3

from obverse.core.canon import digest
from obverse.core.events import AnyEvent
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.evaluate import truth
from obverse.solver import small
from obverse.solver.answers import Act, Answer, Found, Goal, Impossible, Origin, Scenario, Undecided
from obverse.solver.encode import Encoder, Outside
from obverse.solver.layout import Layout, Needs, is_simple, lay, needs_of
from obverse.solver.near import Likeness
from obverse.solver.realise import NoDecimal, Opening, realise
from obverse.solver.settings import Settings
from obverse.solver.spelling import Spellings
from obverse.solver.symbols import negation
from obverse.solver.terms import check
from obverse.solver.texts import LONGEST_TEXT, Asked, Texts
from obverse.solver.trace import Path, Trace

_ROOMS_KEPT: Final = 64
_MOST_ROUNDS: Final = 8
_MOST_SLOTS: Final = 200
"""A trace with more slots is not looked at for the sake of a proof without a bound."""
_WISHES_KEPT: Final = 4096  # whoever asks about thousands of mutants must not hold them all


class WrongWitness(Exception):  # noqa: N818  # L06: a fault of ours, never an answer
    """A witness that the reference evaluator does not confirm."""


@dataclass(slots=True)
class _Asked:
    """A wish as the finder knows it: its number, what it needs, and the digest of its meaning.

    A `possible` one may be unknown as well as true.
    """

    number: int
    expr: ast.Expr
    needs: Needs
    digest: str
    possible: bool = False


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A wish in one layout: the literal that implies it, the variables that it rests on, and its text tests."""

    literal: z3.BoolRef
    covered: frozenset[Path]
    tests: frozenset[Asked]
    sized: bool
    """Whether it asks how long a list is, or whether two are equal."""


@dataclass(slots=True)
class _Room:
    """One layout with its solver and the wishes that were encoded in it."""

    trace: Trace
    encoder: Encoder
    wishes: dict[int, _Encoded] = field(default_factory=dict)


class Finder:
    """Answers goals about one policy."""

    def __init__(self, checked: Checked, settings: Settings | None = None) -> None:
        self.checked = checked
        self.settings = settings or Settings()
        self._spellings = Spellings()
        self._context: z3.Context | None = None
        self._by_identity: dict[tuple[int, bool], tuple[ast.Expr, _Asked]] = {}
        self._by_meaning: dict[tuple[ast.Expr, bool], _Asked] = {}
        self._rooms: OrderedDict[tuple[Act, Layout], _Room] = OrderedDict()
        self._options = digest(self.settings)
        nodes = (node for rule in checked.rules for node in ast.walk(rule.fires))
        texts = dict.fromkeys(node.value for node in nodes if isinstance(node, ast.Text))
        self._cased = [text for text in texts if text.casefold() != text]  # what a folded text may turn out to be
        self.gave_up = False
        """Whether a limit was hit since the last `forget`: an answer may then differ on another machine."""

    def forget(self) -> None:
        """Begin anew, as if nothing had been asked: what is answered next depends on no question before it.

        What is kept is only what is the same every time: what an expression needs, and texts that were spelled.
        """
        self._rooms.clear()
        self._context = None
        self.gave_up = False

    def find(self, goal: Goal, near: Scenario | None = None) -> Answer:
        """A scenario at whose step every wish is definitely true; with `near`, one that differs from it as little as can be.

        Raises:
            WrongWitness: if the reference evaluator does not confirm the scenario (L06).
        """
        if len(self._by_meaning) > _WISHES_KEPT:
            self.forget()
            self._by_identity.clear()
            self._by_meaning.clear()
        asked = [self._asked(wish) for wish in goal.wishes]
        asked += [self._asked(wish, possible=True) for wish in goal.possible]
        answer: Answer | None = None
        for act in self._acts(goal.head):
            found = self._bounded(act, asked, near, incomplete=goal.incomplete)
            if isinstance(found, Found):
                return found
            answer = found if answer is None or isinstance(found, Undecided) else answer
        if answer is None:
            return Undecided(reason="the policy knows no tool", origin=self._origin(goal.head, asked, "nothing"))
        return answer

    def _acts(self, head: Act) -> list[Act]:
        if head.kind == "reply" or head.tool is not None:
            return [head]
        return [Act(kind="call", tool=name) for name in self.checked.tools]

    def _bounded(self, act: Act, asked: list[_Asked], near: Scenario | None, *, incomplete: bool) -> Answer:
        """The answer; where the solver runs out of memory, or the condition is too deep for it, that is one."""
        try:
            return self._find(act, asked, near, incomplete=incomplete)
        except (z3.Z3Exception, MemoryError, RecursionError) as error:
            self.forget()  # nothing of that context can be trusted any more
            self.gave_up = True
            return Undecided(reason=_failed(error), origin=self._origin(act, asked, "nothing"))

    def _find(self, act: Act, asked: list[_Asked], near: Scenario | None, *, incomplete: bool) -> Answer:
        beside = near.history if near else ()  # they get slots of their own, in their order
        needs = [one.needs for one in asked]
        before: Layout | None = None
        answer: Answer | None = None
        short: str | None = None
        for rounds in sorted({1, self.settings.rounds}):
            layout = lay(self.checked, act, needs, self.settings, rounds, beside, incomplete=incomplete)  # (1)
            if layout == before:
                break
            before = layout
            origin = self._origin(act, asked, _bound(layout, rounds))
            room = self._room(act, layout)
            answer = self._solve(room, asked, near, origin)
            short = layout.short or _too_short(layout, room, needs)
            if not isinstance(answer, Impossible) or answer.unbounded:
                return answer
            if short is not None:  # what excludes each other may need less room than the rest of what was asked
                core = [needs[place] for place in answer.core]
                enough = lay(self.checked, act, core, self.settings, rounds, beside, incomplete=incomplete)
                short = enough.short or _too_short(enough, room, core)
        if isinstance(answer, Impossible) and short is not None:
            return Undecided(reason=short, origin=answer.origin)
        if isinstance(answer, Impossible):
            return self._further(act, asked, answer, near, incomplete=incomplete)
        return answer or Undecided(reason="no rounds to look at", origin=self._origin(act, asked, "nothing"))

    def _further(
        self, act: Act, asked: list[_Asked], answer: Impossible, near: Scenario | None, *, incomplete: bool
    ) -> Answer:
        """The same for traces and lists of any length, where small ones suffice and all of them are looked at (`small`).

        What was called impossible only for want of room is then found after all.
        """
        core = [asked[place] for place in answer.core]
        room_for = self._small(core)
        if room_for is None:
            return answer
        longer = self._longer(act, core, room_for, (), incomplete=incomplete)
        if longer is None:
            return answer
        found = self._solve(longer, core, None, answer.origin)
        if isinstance(found, Impossible) and not any(self._encoded(longer, core[place]).sized for place in found.core):
            places = tuple(answer.core[place] for place in found.core)
            return msgspec.structs.replace(answer, core=places, unbounded=True)
        if not isinstance(found, Found):
            return answer
        whole = self._longer(act, asked, room_for, near.history if near else (), incomplete=incomplete)
        if whole is None:
            return answer
        bound = _bound(whole.trace.layout, max(room_for[0], self.settings.rounds))
        again = self._solve(whole, asked, near, self._origin(act, asked, bound))
        return answer if isinstance(again, Undecided) else again

    def _small(self, core: Sequence[_Asked]) -> tuple[int, int] | None:
        """How many rounds of events, and elements of lists, suffice for all that can be said of these."""
        wishes = [one.expr for one in core]
        kept = small.events(wishes, lambda name: is_simple(self.checked, name))
        longest = None if kept is None or kept > _MOST_ROUNDS else small.elements(wishes, kept)
        return None if kept is None or longest is None else (kept, longest)

    def _longer(
        self,
        act: Act,
        asked: Sequence[_Asked],
        room_for: tuple[int, int],
        beside: Sequence[AnyEvent],
        *,
        incomplete: bool,
    ) -> _Room | None:
        """A trace with so many rounds and so long lists; None where that is too much to look at."""
        rounds, longest = max(room_for[0], self.settings.rounds), room_for[1]
        needs = [msgspec.structs.replace(one.needs, longest=max(one.needs.longest, longest)) for one in asked]
        layout = lay(self.checked, act, needs, self.settings, rounds, beside, incomplete=incomplete)
        fits = len(layout.slots) <= _MOST_SLOTS and layout.short is None and layout.longest >= longest
        return self._room(act, layout) if fits else None

    # --- solving --------------------------------------------------------------------------------------------------------

    def _solve(self, room: _Room, asked: list[_Asked], near: Scenario | None, origin: Origin) -> Answer:
        try:
            encoded = [self._encoded(room, one) for one in asked]  # (2)
        except Outside as error:
            return Undecided(reason=f"outside the bounded fragment: {error}", origin=origin)
        wishes = [one.literal for one in encoded]
        covered = frozenset[Path]().union(*(one.covered for one in encoded))
        tests = [test for test in room.trace.texts.all_asked() if any(test in one.tests for one in encoded)]
        likeness = Likeness(room.trace, near, covered) if near else None
        preferred = _ranked(room.trace, likeness, covered)
        for _ in range(self.settings.refinements):
            status = self._satisfy(room.trace.solver, wishes, preferred)  # (3)
            if status == z3.unsat:
                return self._impossible(room, asked, wishes, origin)
            if status != z3.sat:
                self.gave_up = True
                return Undecided(reason=_why(room.trace.solver, self.settings), origin=origin)
            try:
                made = realise(  # (4)
                    room.trace,
                    room.trace.solver.model(),
                    likeness.events if likeness else {},
                    covered=covered,
                    asked=tests,
                    opening=_opening(room.trace.layout, asked),
                )
            except NoDecimal as error:
                return Undecided(reason=f"the number {error} has no finite decimal notation", origin=origin)
            if isinstance(made, Scenario):
                return self._replayed(made, asked, origin)
            if not made.proved:
                self.gave_up = True  # a search for texts ends by the clock
                return Undecided(reason=made.reason, origin=origin)
            room.trace.texts.block(made)
        return Undecided(reason=f"{self.settings.refinements} text refinements were not enough", origin=origin)

    def _satisfy(self, solver: z3.Solver, wishes: list[z3.BoolRef], preferred: list[z3.BoolRef]) -> z3.CheckSatResult:
        """The wishes with as many preferences as will do: of each conflict the least important preference goes."""
        rank = {literal.get_id(): place for place, literal in enumerate(preferred)}
        active = dict(enumerate(preferred))
        for tries in range(self.settings.tidiness + 1):
            if tries == self.settings.tidiness:
                active.clear()
            status = check(solver, [*wishes, *active.values()])
            if status == z3.unknown and active:
                self.gave_up = True
                return check(solver, wishes)
            if status != z3.unsat:
                return status
            conflict = [rank[literal.get_id()] for literal in solver.unsat_core() if literal.get_id() in rank]
            if not conflict:
                return status
            del active[max(conflict)]
        return z3.unknown

    def _impossible(self, room: _Room, asked: list[_Asked], wishes: list[z3.BoolRef], origin: Origin) -> Impossible:
        """The wishes that exclude each other, none of them idle."""
        solver = room.trace.solver
        places = {literal.get_id(): place for place, literal in enumerate(wishes)}
        core = sorted({places[literal.get_id()] for literal in solver.unsat_core() if literal.get_id() in places})
        for place in list(core):
            rest = [other for other in core if other != place]
            if rest and check(solver, [wishes[other] for other in rest]) == z3.unsat:
                core = rest
        unbounded = not any(asked[place].needs.past or asked[place].needs.lists for place in core)
        return Impossible(core=tuple(core), unbounded=unbounded, origin=origin)

    def _replayed(self, scenario: Scenario, asked: Sequence[_Asked], origin: Origin) -> Found:
        for one in asked:  # (5)
            found = truth(self.checked, one.expr, scenario.history, scenario.step)
            if found is Truth.FALSE or (found is Truth.UNKNOWN and not one.possible):
                raise WrongWitness(f"the witness makes a wish {found}: {one.expr} in {scenario}")
        return Found(scenario=scenario, origin=origin)

    # --- what is kept ---------------------------------------------------------------------------------------------------

    def _asked(self, expr: ast.Expr, *, possible: bool = False) -> _Asked:
        known = self._by_identity.get((id(expr), possible))  # comparing two trees costs more than a goal may
        if known is not None:
            return known[1]
        found = self._by_meaning.get((expr, possible))
        if found is None:
            meaning = digest(["possible", _plain(expr)] if possible else _plain(expr))
            found = _Asked(len(self._by_meaning), expr, needs_of(expr), meaning, possible)
            self._by_meaning[expr, possible] = found
        self._by_identity[id(expr), possible] = (
            expr,
            found,
        )  # INVARIANT: the expression is kept, so its identity is not reused
        return found

    def _room(self, act: Act, layout: Layout) -> _Room:
        key = (act, layout)
        found = self._rooms.get(key)
        if found is None:
            if self._context is None:
                self._context = z3.Context()  # late: it costs as much as a small question
            texts = Texts(self._context, self._spellings)
            texts.know(self._cased)
            trace = Trace(self.checked, act, layout, self.settings, texts)
            trace.solver.set("random_seed", self.settings.seed)
            trace.solver.set("rlimit", self.settings.effort)
            trace.solver.set("timeout", self.settings.timeout_ms)
            trace.solver.set("max_memory", self.settings.memory_mb)
            trace.solver.set(
                "ctrl_c", False
            )  # else Z3 takes Ctrl-C for itself, gives up one query, and nobody hears of it
            found = self._rooms[key] = _Room(trace, Encoder(trace))
            if len(self._rooms) > _ROOMS_KEPT:
                self._rooms.popitem(last=False)
        self._rooms.move_to_end(key)
        return found

    def _encoded(self, room: _Room, one: _Asked) -> _Encoded:
        found = room.wishes.get(one.number)
        if found is None:
            trace = room.trace
            trace.touched.clear()
            trace.texts.asked.clear()
            room.encoder.sized = False
            meant = room.encoder.truth(one.expr, room.encoder.here)
            formula = negation(meant.false) if one.possible else meant.true
            found = room.wishes[one.number] = _Encoded(
                trace.assumable(formula),
                trace.covered(trace.touched),
                frozenset(trace.texts.asked),
                room.encoder.sized,
            )
        return found

    def _origin(self, act: Act, asked: Sequence[_Asked], bound: str) -> Origin:
        query = {"policy": self.checked.digest, "act": act, "wishes": [one.digest for one in asked]}
        return Origin(
            solver="z3",
            version=z3.get_version_string(),
            options=self._options,
            query=digest(query),
            bound=bound,
        )


def find(checked: Checked, goal: Goal, *, settings: Settings | None = None, near: Scenario | None = None) -> Answer:
    """A scenario at whose step every wish is definitely true. For more than one goal keep a `Finder`."""
    return Finder(checked, settings).find(goal, near=near)


def _ranked(trace: Trace, likeness: Likeness | None, covered: frozenset[Path]) -> list[z3.BoolRef]:
    """The preferences that bear on the question, the most important first."""
    own = sorted((wish for wish in trace.wishes if wish.owner is None or wish.owner in covered), key=lambda w: w.rank)
    return [*(likeness.literals if likeness else ()), *(wish.literal for wish in own)]


def _opening(layout: Layout, asked: Sequence[_Asked]) -> Opening:
    """Where a first message may be slipped in without touching any answer."""
    if any(slot.kind == "message" for slot in layout.slots):
        return "none"
    return "first" if any(one.needs.since for one in asked) else "after facts"


def _bound(layout: Layout, rounds: int) -> str:
    missing = "; anything may be missing" if layout.incomplete else ""
    if not layout.slots:
        return f"lists of up to {layout.longest}{missing}"
    times = "once" if rounds == 1 else f"{rounds} times"
    return f"traces of up to {len(layout.slots)} events, each kind {times}; lists of up to {layout.longest}{missing}"


def _too_short(layout: Layout, room: _Room, needs: Sequence[Needs]) -> str | None:
    """Why lists or texts of this trace may be too short to show what is asked."""
    longest = max(need.longest for need in needs) if needs else 0
    if longest > LONGEST_TEXT and room.trace.texts.measured:
        return f"needs a text of {longest} characters, the bound is {LONGEST_TEXT}"
    if not room.trace.lengths:
        return None
    adds_up = any(need.adds_up for need in needs)
    return layout.short_list or (f"adds up lengths of lists, none longer than {layout.longest}" if adds_up else None)


def _why(solver: z3.Solver, settings: Settings) -> str:
    reason = solver.reason_unknown()
    if any(
        word in reason for word in ("canceled", "timeout", "resource")
    ):  # Z3 does not say which of the two limits bit
        return f"time-out after {settings.timeout_ms / 1000:g} s or {settings.effort} steps of the solver"
    return f"the solver does not know: {reason}"


def _failed(error: BaseException) -> str:
    """What went wrong in the solver, in one line."""
    text = " ".join(str(error.args[0] if error.args else "").removeprefix("b'").removesuffix("'").split())
    if isinstance(error, MemoryError) or "memory" in text:
        return "the solver ran out of memory"
    if isinstance(error, RecursionError):
        return "the condition is too deep for the solver"
    return f"the solver failed: {text[:200]}"


def _plain(node: Any) -> Any:
    """A node as plain data without its spans, for its digest."""
    if isinstance(node, ast.Node):
        return [type(node).__name__, *(_plain(part) for part in node.parts())]
    if isinstance(node, tuple):
        return [_plain(part) for part in node]
    return node
