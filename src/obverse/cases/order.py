"""Orders of events: what a rule sees of the past, five ways to change a past, and which of them two pasts differ by.

| change | to the past |
|---|---|
| swap | two happenings take each other's place |
| omit | one is left out |
| repeat | one happens twice in a row |
| between | something of another key or kind comes after it |
| outside | it lies just outside the window, or before what `since` counts from |

A *happening* is a call with its result, or any other event. A *look* is a past operator of a rule. Each change is asked of each
look: by a case and a variation of it in which the verdict turns, or, where it is shown that it cannot turn, in which it stays.

Changes are made to finished cases, words and all, so case and variation differ in nothing else; and `differences` finds out from
the two histories alone by which change they differ (L08).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from obverse.cases.aims import Plan
from obverse.cases.records import Level, Obligation
from obverse.core.canon import canonical
from obverse.core.events import AnyEvent, Call, Result
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.evaluate import KINDS
from obverse.policy.operations import has_effect
from obverse.policy.print import text_of

Change: TypeAlias = Literal["swap", "omit", "repeat", "between", "outside"]
CHANGES: Final[tuple[Change, ...]] = get_args(Change)
Past: TypeAlias = ast.Once | ast.Last | ast.Previous | ast.Since | ast.CountEvents | ast.SumEvents | ast.Exceeds
History: TypeAlias = tuple[AnyEvent, ...]

_OF_ITS_OWN = ("id", "time", "turn", "origin", "call_id")


# --- what a rule sees of the past -----------------------------------------------------------------------------------------


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A past operator of a rule. `outer` are the numbers of the conditions that hold it, `nested` if it looks from within another."""

    expr: Past
    number: int
    outer: tuple[int, ...]
    nested: bool

    @property
    def window(self) -> int | None:
        """How far it looks back, in milliseconds, if that is said."""
        span = getattr(self.expr, "per" if isinstance(self.expr, ast.Exceeds) else "within", None)
        return span.ms if isinstance(span, ast.Duration) else None

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that mean something for it."""
        edged = self.window is not None or isinstance(self.expr, ast.Since)
        return CHANGES if edged else CHANGES[:-1]

    def concerns(self, event: AnyEvent, checked: Checked) -> bool:
        """Whether the event is of a kind that it looks for, whatever its arguments."""
        if isinstance(self.expr, ast.Exceeds):
            return isinstance(event, Call) and any(checked.matches(h, "call", event.tool) for h in self.expr.heads)
        kinds = [self.expr.event]
        if isinstance(self.expr, ast.Since):  # of `C since E` every event may be the one where C ends
            kinds.append(self.expr.absent or ast.Pattern(kind="any"))
        return any(_is_kind(kind, event, checked) for kind in kinds)

    def ends(self, event: AnyEvent, checked: Checked) -> bool:
        """Whether `no EVENT since` ends with such an event."""
        return (
            isinstance(self.expr, ast.Since)
            and self.expr.absent is not None
            and _is_kind(self.expr.absent, event, checked)
        )

    def anchors(self, event: AnyEvent, checked: Checked) -> bool:
        """Whether `since` may count from such an event."""
        return isinstance(self.expr, ast.Since) and _is_kind(self.expr.event, event, checked)


def looks_of(plan: Plan) -> tuple[Look, ...]:
    """The looks of a rule in the order in which they are written; one that is written twice is one."""
    found: dict[ast.Node, Look] = {}
    for node, nested in _looks(plan.rule.fires, nested=False):
        outer = tuple(
            atom.number for atom in plan.conditions.outer if any(same_look(node, n) for n in ast.walk(atom.expr))
        )
        if _sight_line(node) not in found:
            found[_sight_line(node)] = Look(expr=node, number=len(found) + 1, outer=outer, nested=nested)
    return tuple(found.values())


def orders_of(plan: Plan, looks: Sequence[Look]) -> Iterator[tuple[Obligation, Look, Change]]:
    """Each change for each look of a rule. Not of a `permit`: where it does not apply, nothing is said."""
    rule = plan.rule
    for look in looks if rule.verdict is not None else ():
        for change in look.changes:
            yield Obligation(
                level=Level.ORDER, clause=rule.clause, rule=rule.id, condition=text_of(look.expr), number=look.number,
                value=change,
            ), look, change  # fmt: skip


def same_look(one: ast.Node, other: ast.Node) -> bool:
    """Whether both look at the same events: what `last E has` asks of its event makes no other look of it."""
    return type(one) is type(other) and isinstance(one, Past) and _sight_line(one) == _sight_line(other)


def _sight_line(node: ast.Node) -> ast.Node:
    return msgspec.structs.replace(node, has=ast.Boolean(value=True)) if isinstance(node, ast.Last) else node


def _looks(node: ast.Node, *, nested: bool) -> Iterator[tuple[Past, bool]]:
    inside = nested
    if isinstance(node, Past):
        yield node, nested
        inside = True
    for child in ast.children(node):
        yield from _looks(child, nested=nested if isinstance(child, ast.Pattern) else inside)


def _is_kind(pattern: ast.Pattern, event: AnyEvent, checked: Checked) -> bool:
    if not isinstance(event, KINDS[pattern.kind]):
        return False
    if pattern.fact is not None and getattr(event, "name", pattern.fact) != pattern.fact:
        return False
    tool = getattr(event, "tool", None)
    if pattern.tool is not None and tool != pattern.tool:
        return False
    if isinstance(event, Result) and pattern.kind == "result" and event.failed != pattern.failed:
        return False
    return pattern.effect is None or (tool is not None and has_effect(checked, tool, pattern.effect) is not Truth.FALSE)


# --- happenings ------------------------------------------------------------------------------------------------------------


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """A call with its results, or any other event. Two are alike when their keys are equal, whenever they happened."""

    events: History
    key: bytes

    @property
    def time(self) -> int | None:
        """When it came to pass: the time of its last event."""
        return self.events[-1].time


def happenings(history: Sequence[AnyEvent]) -> list[Happening]:
    """The history in its parts: results stay with a call that they follow at once."""
    groups: list[list[AnyEvent]] = []
    for event in history:
        head = groups[-1][0] if groups else None
        if isinstance(event, Result) and isinstance(head, Call) and head.call_id == event.call_id:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [happening(*group) for group in groups]


def happening(*events: AnyEvent) -> Happening:
    """These events as one happening."""
    return Happening(events=events, key=b"\n".join(_key(event) for event in events))


def _key(event: AnyEvent) -> bytes:
    told = {name: value for name, value in msgspec.structs.asdict(event).items() if name not in _OF_ITS_OWN}
    return canonical([type(event).__name__, told])


# --- by what two pasts differ ----------------------------------------------------------------------------------------------


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a past is another one changed. `moved` are the happenings that the change is about, in the first past.

    For `between` those are all that came before what was put in.
    """

    change: Change
    moved: tuple[Happening, ...]


def differences(
    one: Sequence[AnyEvent], other: Sequence[AnyEvent], window: int | None, now: int | None
) -> list[Difference]:
    """Every change that makes the second past of the first. `outside` of a window is told by the time `now` of the step."""
    left, right = happenings(one), happenings(other)
    a, b = [each.key for each in left], [each.key for each in right]
    match len(b) - len(a):
        case -1:
            return [Difference(change="omit", moved=(left[i],)) for i in range(len(a)) if a[:i] + a[i + 1 :] == b]
        case 1:
            return list(_added(left, a, b))
        case 0 if a == b:
            return list(_aged(left, right, window, now))
        case 0:
            return list(_displaced(left, a, b))
    return []


def _added(left: list[Happening], a: list[bytes], b: list[bytes]) -> Iterator[Difference]:
    for i in range(len(b)):
        if b[:i] + b[i + 1 :] != a:
            continue
        if i and b[i - 1] == b[i]:
            yield Difference(change="repeat", moved=(left[i - 1],))
        elif i and b[i] not in a:
            yield Difference(change="between", moved=tuple(left[:i]))


def _displaced(left: list[Happening], a: list[bytes], b: list[bytes]) -> Iterator[Difference]:
    apart = [i for i in range(len(a)) if a[i] != b[i]]
    i, j = apart[0], apart[-1]
    if len(apart) == 2 and (a[i], a[j]) == (b[j], b[i]):
        yield Difference(change="swap", moved=(left[i], left[j]))
    if b[i] == a[j] and b[i + 1 : j + 1] == a[i:j]:  # the later one went before the others
        yield Difference(change="outside", moved=(left[j], *left[i:j]))


def _aged(left: list[Happening], right: list[Happening], window: int | None, now: int | None) -> Iterator[Difference]:
    if window is None or now is None:
        return
    for before, after in zip(left, right, strict=True):
        if before.time is not None and after.time is not None and now - before.time <= window < now - after.time:
            yield Difference(change="outside", moved=(before,))


def is_about(difference: Difference, look: Look, checked: Checked) -> bool:
    """Whether it changes something that the look looks for."""

    def seen(happening: Happening) -> bool:
        return any(look.concerns(event, checked) for event in happening.events)

    if difference.change != "outside" or look.window is not None:
        return any(seen(each) for each in difference.moved)
    moved, *passed = difference.moved
    return seen(moved) and any(look.anchors(event, checked) for each in passed for event in each.events)
