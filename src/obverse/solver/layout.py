"""Which events a question needs room for: the shape of the bounded trace, before any of it is symbolic.

A trace is `rounds` times every kind of event that the question speaks of, in one fixed order; each may be absent. So any
order of `rounds` events can be had, and "newer than" is settled without a variable. Not a semantics: only what may occur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Approval, Call, Denied, Fact, Grant, Message, Reply, Result, Thought
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.types import ListType, MapType, RecordType
from obverse.solver.answers import Act
from obverse.solver.settings import Settings

SlotKind: TypeAlias = Literal["fact", "message", "call", "result", "denied", "thought", "approval", "grant", "reply"]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of event that a trace may hold; `call` stands for the call and its result."""

    kind: SlotKind
    name: str | None = None
    """The tool of a call, the name of a fact."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the trace, which may be absent. `call` is the number of the slot of the call that a result belongs to."""

    kind: SlotKind
    name: str | None = None
    call: int | None = None


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The slots of a trace in their order, and what else shapes the encoding.

    `unit` is how many milliseconds one step of time is, `longest` how many elements a list may have; `gaps` whether optional values may be missing; `short` says what did
    not fit, and then nothing can be called impossible.
    """

    slots: tuple[Slot, ...]
    near: tuple[int | None, ...]
    """The slot of each event of the scenario to stay near to."""
    unit: int
    gaps: bool
    longest: int
    incomplete: bool = False
    """Whether everything that a transcript may lack can be lacking: values, answers of judges, times."""
    short: str | None = None
    short_list: str | None = None
    """The same for lists, if there are any."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What one expression speaks of."""

    shapes: frozenset[Shape] = frozenset()
    open_tools: frozenset[tuple[str, str | None]] = frozenset()
    """Kinds of call patterns that name no tool, with their effect."""
    members: frozenset[str] = frozenset()
    """Arguments and members of results that are asked of some event: a tool with them differs from one without."""
    named: frozenset[str] = frozenset()
    """Tools that a condition names: each differs from all others."""
    repeats: tuple[tuple[Shape, int], ...] = ()
    """How often a shape must be able to occur for a count to be exceeded."""
    any_repeats: int = 0
    """The same for a limit on any call."""
    gaps: bool = False
    whole_seconds: bool = True
    past: bool = False
    """Whether it looks at the history at all."""
    depth: int = 0
    """How deep operators over the past are nested: each level is unrolled over all events."""
    lists: bool = False
    longest: int = 0
    """How long a list, or a text, must be able to grow for a count of its elements to be exceeded."""
    adds_up: bool = False
    """Whether lengths are added up over calls: how long lists would have to be, and how many, is not worked out."""
    since: bool = False
    """Whether something must hold at every event after another: then no event may be slipped in between."""


_ORDER: tuple[SlotKind, ...] = ("fact", "message", "call", "denied", "thought", "approval", "grant", "reply")
_MEASURES = (ast.Length, ast.CountIn)
_JUDGED: dict[str, SlotKind] = {"message": "message", "reply": "reply", "thought": "thought"}


def needs_of(expr: ast.Expr) -> Needs:
    """What this expression speaks of."""
    shapes: set[Shape] = set()
    open_tools: set[tuple[str, str | None]] = set()
    members: set[str] = set()
    named: set[str] = set()
    repeats: dict[Shape, int] = {}
    any_repeats = longest = 0
    gaps = past = lists = since = adds_up = False
    whole_seconds = True
    for node in ast.walk(expr):
        match node:
            case ast.Pattern():
                past = True
                found = _shapes_of(node)
                shapes |= found
                if node.kind == "any" or (not found and node.kind != "fact"):
                    open_tools.add((node.kind, node.effect))
            case ast.FactValue():
                past = True
                shapes.add(Shape(kind="fact", name=node.name))
            case ast.JudgedAnswer() if node.depth is not None and node.name.partition(".")[0] in _JUDGED:
                shapes.add(Shape(kind=_JUDGED[node.name.partition(".")[0]]))
            case ast.Previous():
                shapes |= {Shape(kind="message"), Shape(kind="reply")}  # something else may have come just before
            case ast.EventPart(part="argument" | "value", name=str(name)):
                members.add(name)
            case ast.Present():
                gaps = True
            case ast.Since():
                since = True
                if node.body is not None:  # something else may have come after
                    shapes |= {Shape(kind="message"), Shape(kind="reply")}
                    if any(isinstance(inner, ast.EventPart) for inner in ast.walk(node.body)):
                        open_tools.add(("any", None))
            case ast.In():
                named |= _tools_named(node)
                lists = True
            case ast.Quantified() | ast.CountIn() | ast.SumIn() | ast.Length():
                lists = True
            case ast.Exceeds():
                past = True
                adds_up = adds_up or (
                    node.amount is not None and any(isinstance(one, _MEASURES) for one in ast.walk(node.amount))
                )
                times = 2 if node.amount is not None else int(node.to.value)
                for head in node.heads:
                    if head.kind == "tool":
                        shape = Shape(kind="call", name=head.tool)
                        shapes.add(shape)
                        repeats[shape] = max(repeats.get(shape, 1), times)
                    elif head.kind == "reply":
                        shapes.add(Shape(kind="reply"))
                        repeats[Shape(kind="reply")] = times
                    else:
                        open_tools.add(("call", head.effect))
                        any_repeats = max(any_repeats, times)
            case ast.Compare():
                named |= _tools_named(node)
                longest = max(longest, _elements_counted(node))
                wanted = _counted(node)
                for pattern, times in wanted:
                    if pattern.tool is None and not _shapes_of(pattern):
                        any_repeats = max(any_repeats, times)
                    for shape in _shapes_of(pattern):
                        repeats[shape] = max(repeats.get(shape, 1), times)
            case ast.Duration() | ast.Time():
                whole_seconds = whole_seconds and node.ms % 1000 == 0
    return Needs(
        shapes=frozenset(shapes),
        open_tools=frozenset(open_tools),
        members=frozenset(members),
        named=frozenset(named),
        repeats=tuple(repeats.items()),
        any_repeats=any_repeats,
        gaps=gaps,
        whole_seconds=whole_seconds,
        past=past,
        depth=_depth(expr),
        lists=lists,
        longest=longest,
        adds_up=adds_up,
        since=since,
    )


def lay(
    checked: Checked,
    act: Act,
    needs: Sequence[Needs],
    settings: Settings,
    rounds: int,
    near: Sequence[AnyEvent] = (),
    *,
    incomplete: bool = False,
) -> Layout:
    """The trace that has room for all of these, and for the very events of `near` in their order."""
    shapes = {shape for need in needs for shape in need.shapes}
    shapes |= {Shape(kind="call", name=name) for need in needs for name in need.named}
    shapes = {shape for shape in shapes if shape.kind not in ("call", "denied") or shape.name in checked.tools}
    shapes |= _representatives(checked, act, shapes, needs)
    repeats = _repeats(act, shapes, needs)
    most = max(repeats.values(), default=1)
    depth = max([1, *(need.depth for need in needs)])
    bound = min(settings.most_repeats, int(settings.most_positions ** (1 / depth)))
    repeats = {shape: times for shape, times in repeats.items() if times <= bound}
    longest = max([settings.list_length, *(need.longest for need in needs)])
    order = sorted(shapes, key=lambda one: (_ORDER.index(one.kind), one.name or ""))
    slots: list[Slot] = []
    places: tuple[int | None, ...] = ()
    for number in range(rounds):
        if near and number == min(1, rounds - 1):  # room for something new before them, if there is more than one round
            places = _add_events(slots, checked, near)
        for shape in order:
            alike = [n for n, slot in enumerate(slots) if slot.kind == shape.kind and slot.name == shape.name]
            if shape.kind == "fact" and alike and not is_simple(checked, shape.name):
                continue
            # what is counted stands in the middle: something may have come before all of it, and after
            counted = repeats.get(shape, 1) - sum(n in places for n in alike)
            wanted = counted if number == min(1, rounds - 1) else 1
            for _ in range(max(1, wanted)):
                slots.append(Slot(kind=shape.kind, name=shape.name))
                if shape.kind == "call":
                    slots.append(Slot(kind="result", name=shape.name, call=len(slots) - 1))
    return Layout(
        slots=tuple(slots),
        near=places,
        unit=1000 if all(need.whole_seconds for need in needs) else 1,
        gaps=any(need.gaps for need in needs),
        longest=min(longest, settings.longest_list),
        incomplete=incomplete,
        short=f"needs {most} events of a kind, the bound is {bound}" if most > bound else None,
        short_list=f"needs a list of {longest}, the bound is {settings.longest_list}"
        if longest > settings.longest_list
        else None,
    )


def _shapes_of(pattern: ast.Pattern) -> set[Shape]:
    """The shapes that a pattern names; none when it is about any tool."""
    match pattern.kind:
        case "call" | "result" if pattern.tool is not None:
            return {Shape(kind="call", name=pattern.tool)}
        case "denied" if pattern.tool is not None:
            return {Shape(kind="denied", name=pattern.tool)}
        case "proposed" if pattern.tool is not None:
            return {Shape(kind="call", name=pattern.tool), Shape(kind="denied", name=pattern.tool)}
        case "fact" if pattern.fact is not None:
            return {Shape(kind="fact", name=pattern.fact)}
        case "message" | "reply" | "thought" | "approval" | "grant":
            return {Shape(kind=pattern.kind)}
        case "any":
            return {Shape(kind="message"), Shape(kind="reply")}
        case _:
            return set()


def _add_events(slots: list[Slot], checked: Checked, events: Sequence[AnyEvent]) -> tuple[int | None, ...]:
    """Add a slot for each of these events, in their order; None for one that no slot can hold."""
    places: list[int | None] = []
    calls: dict[str, int] = {}
    for event in events:
        slot: Slot | None = None
        match event:
            case Message() | Reply() | Thought() | Approval() | Grant():
                slot = Slot(kind=_KIND_OF[type(event)])
            case Call() if event.tool in checked.tools:
                slot = Slot(kind="call", name=event.tool)
                calls[event.call_id] = len(slots)
            case Denied() if event.tool in checked.tools:
                slot = Slot(kind="denied", name=event.tool)
            case Result() if event.call_id in calls:
                slot = Slot(kind="result", name=event.tool, call=calls[event.call_id])
            case Fact() if event.name in checked.facts:
                slot = Slot(kind="fact", name=event.name)
            case _:
                pass
        places.append(None if slot is None else len(slots))
        if slot is not None:
            slots.append(slot)
    return tuple(places)


_KIND_OF: dict[type[AnyEvent], SlotKind] = {
    Message: "message",
    Reply: "reply",
    Thought: "thought",
    Approval: "approval",
    Grant: "grant",
}


def _repeats(act: Act, shapes: set[Shape], needs: Sequence[Needs]) -> dict[Shape, int]:
    """How often each shape must be able to occur, where that is more than once."""
    repeats: dict[Shape, int] = {}
    for need in needs:
        for shape, times in need.repeats:
            repeats[shape] = max(repeats.get(shape, 1), times)
        if need.any_repeats:
            first = _repeated(act, shapes)
            if first is not None:
                repeats[first] = max(repeats.get(first, 1), need.any_repeats)
    return repeats


def _representatives(checked: Checked, act: Act, shapes: set[Shape], needs: Sequence[Needs]) -> set[Shape]:
    """One tool for every way in which tools differ to patterns such as `call with effect money`: others behave alike."""
    open_tools = {one for need in needs for one in need.open_tools}
    members = sorted({name for need in needs for name in need.members})
    named = sorted({name for need in needs for name in need.named})
    if not open_tools:
        return set()
    effects = sorted({effect for _, effect in open_tools if effect is not None})
    liked = [act.tool] if act.tool else []
    liked += sorted({shape.name for shape in shapes if shape.kind in ("call", "denied") and shape.name})
    groups: dict[tuple[bool, ...], str] = {}
    for name in [*liked, *checked.tools]:
        if name in checked.tools:
            tool = checked.tools[name]
            has = {field.name for field in (*tool.parameters, *getattr(tool.returns, "fields", ()))}
            effectful = tuple(effect in tool.effects for effect in effects)
            groups.setdefault(
                (*effectful, *(member in has for member in members), *(name == one for one in named)), name
            )
    found: set[Shape] = set()
    for kind, effect in open_tools:
        for signature, name in groups.items():
            if effect is not None and not signature[effects.index(effect)]:
                continue
            if kind in ("call", "result", "proposed", "any"):
                found.add(Shape(kind="call", name=name))
            if kind in ("denied", "proposed"):
                found.add(Shape(kind="denied", name=name))
    return found


def _repeated(act: Act, shapes: set[Shape]) -> Shape | None:
    """The call that is repeated when a limit is about any call: the step's own tool if it can be."""
    calls = sorted((shape for shape in shapes if shape.kind == "call"), key=lambda shape: shape.name or "")
    return next((shape for shape in calls if shape.name == act.tool), calls[0] if calls else None)


def _counted(node: ast.Compare) -> list[tuple[ast.Pattern, int]]:
    """Patterns whose number is compared with a number, and how many of them settle the comparison."""
    sides = [(node.left, node.right), (node.right, node.left)]
    found = []
    for side, other in sides:
        for inner in ast.walk(side):
            if isinstance(inner, ast.CountEvents | ast.SumEvents):
                times = _most(other) + 1 if isinstance(inner, ast.CountEvents) else 2
                found.append((inner.event, max(times, 1)))
    return found


def _most(node: ast.Expr) -> int:
    """How large the numbers written here may make a value, at most; 1 where there are none."""
    numbers = [abs(int(one.value)) for one in ast.walk(node) if isinstance(one, ast.Number)]
    if any(isinstance(one, ast.Arith) for one in ast.walk(node)):
        return math.prod(number + 1 for number in numbers)
    return max(numbers, default=1)


def _depth(node: ast.Node) -> int:
    inner = max((_depth(child) for child in ast.children(node)), default=0)
    return inner + isinstance(node, ast.Once | ast.Last | ast.Previous | ast.Since | ast.CountEvents | ast.SumEvents)


def _elements_counted(node: ast.Compare) -> int:
    """How many elements of a list settle this comparison."""
    found = 0
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if any(isinstance(inner, ast.Length | ast.CountIn) for inner in ast.walk(side)):
            found = max([found, *(int(n.value) + 1 for n in ast.walk(other) if isinstance(n, ast.Number))])
    return found


def _tools_named(node: ast.Compare | ast.In) -> set[str]:
    """The tools that a condition on an event's tool names."""
    inside = list(ast.walk(node))
    if not any(isinstance(one, ast.EventPart) and one.part == "tool" for one in inside):
        return set()
    return {one.value for one in inside if isinstance(one, ast.Text)}


def is_simple(checked: Checked, fact: str | None) -> bool:
    """Whether a fact's value is a scalar: only those can be told apart by when they were said."""
    return fact in checked.facts and not isinstance(checked.facts[fact].type, ListType | MapType | RecordType)
