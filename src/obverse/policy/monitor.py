"""The streaming monitor: the same decisions as `decide`, without reading the history again.

It observes what happened, keeps the events that can still matter (`keeping`), and decides a step by the reference
evaluator over those. So it cannot disagree in what an operator means, only in what it remembered: L05 compares the two.
It gives no verdict of its own and stops nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from obverse.core.events import AnyEvent, Call, Reply, Result, Step
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import call_digest, decide_rules
from obverse.policy.decision import Decision
from obverse.policy.evaluate import Evaluator, Place
from obverse.policy.keeping import Approvals, Keeper, Kept, keepers_of

PENDING: Final = 4096
"""A result that comes this many calls after its call is not joined with it any more: its arguments are unknown (L03)."""


class Monitor:
    """One session under one policy. `observe` what happened, in order; `decide` what is proposed."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self._keepers = {rule.id: list(_keepers_of(rule)) for rule in checked.rules}
        self._calls: OrderedDict[str, Kept] = OrderedDict()
        self._looked: tuple[Kept, tuple[Evaluator, Place]] | None = None
        self._count = 0

    def observe(self, event: AnyEvent) -> None:
        """Take note of an event that happened."""
        call = self._calls.get(event.call_id) if isinstance(event, Result) else None
        kept, self._count = Kept(self._count, event, call), self._count + 1
        if isinstance(event, Call):
            self._calls[event.call_id] = kept
            self._calls.move_to_end(event.call_id)
            if len(self._calls) > PENDING:
                self._calls.popitem(last=False)
        for keepers in self._keepers.values():
            for keeper in keepers:
                keeper.observe(kept, self._look)

    def decide(self, step: Step) -> Decision:
        """The decision of `decide` on this step after everything that was observed (L05)."""
        return decide_rules(self.checked, step, lambda rule: self._history(rule, step))

    @property
    def size(self) -> int:
        """How many events are held at present."""
        return len({kept.number for keepers in self._keepers.values() for keeper in keepers for kept in keeper.all()})

    def _history(self, rule: CheckedRule, step: Step) -> list[AnyEvent]:
        evaluator = Evaluator(self.checked, (), step)
        chosen: dict[int, AnyEvent] = {}
        for keeper in self._keepers[rule.id]:
            for kept in keeper.relevant(evaluator):
                chosen[kept.number] = kept.event
                if kept.call is not None:
                    chosen[kept.call.number] = kept.call.event
        return [chosen[number] for number in sorted(chosen)]

    def _look(self, kept: Kept) -> tuple[Evaluator, Place]:
        if self._looked is None or self._looked[0] is not kept:
            self._looked = (kept, self._alone(kept))
        return self._looked[1]

    def _alone(self, kept: Kept) -> tuple[Evaluator, Place]:
        history = [kept.call.event, kept.event] if kept.call else [kept.event]
        nothing = Reply(id="", text="", time=kept.event.time)
        evaluator = Evaluator(self.checked, history, Step(event=nothing, turn=(nothing,)))
        return evaluator, evaluator.here.inside(len(history) - 1)


def _keepers_of(rule: CheckedRule) -> Iterator[Keeper]:
    yield from keepers_of(rule.fires)
    if rule.kind == "ask":
        yield Approvals(call_digest)
