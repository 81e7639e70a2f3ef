"""The streaming monitor: the same decisions as `decide`, without reading the history again.

It observes what happened, keeps the events that can still matter (`keeping`), and decides a step by the reference
evaluator over those. So it cannot disagree in what an operator means, only in what it remembered: L05 compares the two.
It gives no verdict of its own and stops nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, Final, Protocol, Self
from weakref import WeakValueDictionary

import msgspec

from obverse.core.errors import MisuseError
from obverse.core.events import AnyEvent, Call, Reply, Result, Spoken, Step
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import call_digest, decide_rules, speaking
from obverse.policy.decision import Decision
from obverse.policy.evaluate import Evaluator, Place
from obverse.policy.keeping import APPROVALS, Approvals, Keeper, Kept, Kind, Maker, makers_of
from obverse.policy.snapshot import Remembered, decode, encode

PENDING: Final = 4096
"""A result that comes this many calls after its call is not joined with it any more: its arguments are unknown (L03)."""


class Watches(Protocol):
    """One session under one policy, whoever evaluates it. All of them say the same (L05)."""

    def observe(self, event: AnyEvent) -> None:
        """Take note of an event that happened."""
        ...

    def decide(self, step: Step) -> Decision:
        """The decision of `decide` on this step after everything that was observed."""
        ...

    def label(self, event_id: str, labels: Mapping[str, bool]) -> None:
        """Take note of answers that came late: from now on it is as if the event had been observed with them.

        Raises:
            MisuseError: one of them was answered before, and otherwise, or is answered by the term's own pattern.
        """
        ...

    def snapshot(self) -> bytes:
        """All that is remembered; whoever restores it says the same from here on."""
        ...

    @property
    def size(self) -> int:
        """How many events are held at present."""
        ...


class Plan:
    """What all monitors of one policy share: which keepers its rules need, who hears and who speaks. It remembers no event."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.makers: list[Maker] = []
        self._samples: list[Keeper] = []
        self._hearing: dict[tuple[Kind, str | None], tuple[int, ...]] = {}
        self.numbers: dict[Hashable, int] = {}
        self.place = {rule.id: place for place, rule in enumerate(checked.rules)}
        self.keepers = {rule.id: tuple(map(self._number, self.makers_of(rule))) for rule in checked.rules}
        self._speaking: dict[str | None, tuple[tuple[CheckedRule, Truth], ...]] = {}

    def speaking(self, event: Call | Reply) -> tuple[tuple[CheckedRule, Truth], ...]:
        """The rules that speak of this step, or may."""
        tool = event.tool if isinstance(event, Call) else None
        found = self._speaking.get(tool)
        if found is None:
            found = speaking(self.checked, event)
            if tool is None or tool in self.checked.tools:  # of others there may be any number
                self._speaking[tool] = found
        return found

    def hearing(self, kind: Kind, tool: str | None) -> tuple[int, ...]:
        """The numbers of the keepers that hear such events."""
        found = self._hearing.get((kind, tool))
        if found is None:
            found = tuple(number for number, keeper in enumerate(self._samples) if keeper.hears(kind, tool))
            if tool is None or tool in self.checked.tools:
                self._hearing[kind, tool] = found
        return found

    def makers_of(self, rule: CheckedRule) -> list[Maker]:
        """What makes the keepers of a rule."""
        return [*makers_of(rule.fires), *self.approvals(rule)]

    def approvals(self, rule: CheckedRule) -> list[Maker]:
        """What makes the keeper of approvals, for a rule that asks for them."""
        return [partial(Approvals, call_digest)] if rule.kind == "ask" else []

    def _number(self, make: Maker) -> int:
        """The place of this keeper among all; those that would keep the same are one."""
        keeper = make()
        if keeper.key not in self.numbers:
            self.numbers[keeper.key] = len(self.makers)
            self.makers.append(make)
            self._samples.append(keeper)
        return self.numbers[keeper.key]


class Monitor:
    """One session under one policy. `observe` what happened, in order; `decide` what is proposed.

    Where there are many sessions, make the plan once.
    """

    def __init__(self, checked: Checked, plan: Plan | None = None) -> None:
        self.checked = checked
        self.plan = plan or Plan(checked)
        self._keepers = tuple(make() for make in self.plan.makers)
        self._calls: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._spoken: WeakValueDictionary[str, Kept] = WeakValueDictionary()  # of those that somebody keeps
        self._looked: tuple[Kept, tuple[Evaluator, Place]] | None = None
        self._count = 0

    @classmethod
    def restore(cls, checked: Checked, data: bytes, plan: Any = None) -> Self:
        """The monitor that `snapshot` wrote down.

        Raises:
            UntrustedInputError: these bytes are no snapshot.
            MisuseError: they are one of another policy.
        """
        monitor = cls(checked, plan)
        monitor._recall(decode(data, policy=checked.digest, keepers=len(monitor._keepers)))
        return monitor

    def observe(self, event: AnyEvent) -> None:
        """Take note of an event that happened."""
        call = self._calls.get((event.call_id, event.tool)) if isinstance(event, Result) else None
        kept, self._count = Kept(self._count, event, call), self._count + 1
        if isinstance(event, Call):
            self._calls[event.call_id, event.tool] = kept
            self._calls.move_to_end((event.call_id, event.tool))
            if len(self._calls) > PENDING:
                self._calls.popitem(last=False)
        if isinstance(event, Spoken):
            self._spoken[event.id] = kept
        for number in self.plan.hearing(type(event), getattr(event, "tool", None)):
            self._keepers[number].observe(kept, self._look)

    def label(self, event_id: str, labels: Mapping[str, bool]) -> None:
        """Take note of answers that came late: from now on it is as if the event had been observed with them.

        An event that nobody keeps any more is of no consequence, whatever its labels.

        Raises:
            MisuseError: one of them was answered before, and otherwise, or is answered by the term's own pattern.
        """
        kept = self._spoken.get(event_id)
        if kept is None or not isinstance(kept.event, Spoken):
            return
        for name, answer in labels.items():
            self._may_label(kept.event, name, answer)
        kept.event = msgspec.structs.replace(kept.event, labels={**kept.event.labels, **labels})
        self._looked = None
        for keeper in self._keepers:
            keeper.labelled(self._look)

    def snapshot(self) -> bytes:
        """All that is remembered; whoever restores it says the same from here on."""
        kept = [sorted(keeper.all(), key=lambda one: one.number) for keeper in self._keepers]
        whole = {one.number: one for held in (*kept, self._calls.values()) for one in held}
        whole |= {one.call.number: one.call for one in whole.values() if one.call is not None}
        return encode(
            Remembered(
                policy=self.checked.digest,
                count=self._count,
                events={number: one.event for number, one in whole.items()},
                joined={number: one.call.number for number, one in whole.items() if one.call is not None},
                calls=tuple(one.number for one in self._calls.values()),
                keepers=tuple(tuple(one.number for one in held) for held in kept),
                numbers=tuple(keeper.numbers() for keeper in self._keepers),
            )
        )

    def decide(self, step: Step) -> Decision:
        """The decision of `decide` on this step after everything that was observed (L05)."""
        evaluator = Evaluator(self.checked, (), step)
        return decide_rules(
            self.checked, step, self.plan.speaking(step.event), lambda rule: self._history(rule, evaluator),
            self._approvals(evaluator),
        )  # fmt: skip

    @property
    def size(self) -> int:
        """How many events are held at present."""
        return len({kept.number for keeper in self._keepers for kept in keeper.all()})

    def _history(self, rule: CheckedRule, evaluator: Evaluator) -> list[AnyEvent]:
        """What was kept for this rule and can matter to the evaluator's step, in order."""
        chosen: dict[int, AnyEvent] = {}
        for number in self.plan.keepers[rule.id]:
            for kept in self._keepers[number].relevant(evaluator):
                chosen[kept.number] = kept.event
                if kept.call is not None:
                    chosen[kept.call.number] = kept.call.event
        return [chosen[number] for number in sorted(chosen)]

    def _approvals(self, evaluator: Evaluator) -> list[AnyEvent]:
        """The approvals of the evaluator's step that were not used up: others may be kept for operators that look back at them."""
        number = self.plan.numbers.get(APPROVALS)
        return [] if number is None else [kept.event for kept in self._keepers[number].relevant(evaluator)]

    def _may_label(self, event: Spoken, name: str, answer: bool) -> None:
        """Raises unless this answers a question that was open: what is forgotten may hang on every other answer."""
        if event.labels.get(name, answer) is not answer:
            raise MisuseError(f"`{name}` was answered otherwise before, for the event `{event.id}`", code="P302")
        term = self.checked.judged.get(name)
        if term is not None and term.pattern is not None and name not in event.labels:
            raise MisuseError(f"`{name}` has a pattern of its own, nobody is asked", code="P303")

    def _recall(self, held: Remembered) -> None:
        whole = {number: Kept(number, event) for number, event in held.events.items()}
        for number, call in held.joined.items():
            whole[number].call = whole[call]
        for keeper, events, numbers in zip(self._keepers, held.keepers, held.numbers, strict=True):
            keeper.recall(numbers)
            for number in events:
                keeper.observe(whole[number], self._look)
        self._count = held.count
        for one in map(whole.__getitem__, held.calls):
            if isinstance(one.event, Call):
                self._calls[one.event.call_id, one.event.tool] = one
        self._spoken.update({one.event.id: one for one in whole.values() if isinstance(one.event, Spoken)})

    def _look(self, kept: Kept) -> tuple[Evaluator, Place]:
        if self._looked is None or self._looked[0] is not kept:
            self._looked = (kept, self._alone(kept))
        return self._looked[1]

    def _alone(self, kept: Kept) -> tuple[Evaluator, Place]:
        history = [kept.call.event, kept.event] if kept.call else [kept.event]
        nothing = Reply(id="", text="", time=kept.event.time)
        evaluator = Evaluator(self.checked, history, Step(event=nothing, turn=(nothing,)))
        return evaluator, evaluator.here.inside(len(history) - 1)
