"""Who answers which judged predicate of a run, and putting the answers into the labels of events.

The refusal judge that ships answers `reply.refuses`; any other predicate about replies goes to a model judge if one was named,
else it stays unanswered, which is unknown (L03). What users and tools say in a case is labelled by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.campaign.records import JudgeLine
from obverse.core.events import AnyEvent, Call, Message, Reply
from obverse.judges.judgement import Context, Judge, JudgeCard, Predicate, Rate
from obverse.policy import ast
from obverse.policy.checked import REFUSES, Checked

MOST_KNOWN: Final = 4096


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """The judges of a run by predicate, each with its card."""

    judges: dict[str, Judge]
    predicates: dict[str, Predicate]
    cards: dict[str, JudgeCard]
    known: dict[tuple[str, str, str | None], str] = msgspec.field(default_factory=dict)
    """What was just answered: rounds of a case often bring the same reply, and naming a question costs more than this."""

    async def label(
        self, turn: Sequence[Call | Reply], history: Sequence[AnyEvent], wanted: frozenset[str]
    ) -> tuple[Call | Reply, ...]:
        """The same turn with every reply labelled by the judges of the wanted predicates; doubt leaves no label."""
        return tuple(
            [await self._labelled(event, history, wanted) if isinstance(event, Reply) else event for event in turn]
        )

    async def _labelled(self, reply: Reply, history: Sequence[AnyEvent], wanted: frozenset[str]) -> Reply:
        request = next((event.text for event in reversed(history) if isinstance(event, Message)), None)
        labels = dict(reply.labels)
        for name in sorted(wanted & self.judges.keys()):
            answer = await self._answer(name, reply.text, request)
            if answer != "unknown":
                labels[name] = answer == "yes"
        return msgspec.structs.replace(reply, labels=labels)

    async def _answer(self, name: str, text: str, request: str | None) -> str:
        known = self.known.get((name, text, request))
        if known is not None:
            return known
        found = await self.judges[name].judge(self.predicates[name], text, Context(request=request))
        if found.is_settled:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[name, text, request] = found.answer
        return found.answer

    def lines(self) -> tuple[JudgeLine, ...]:
        """What reports say of these judges."""
        return tuple(line_of(name, self.cards[name]) for name in sorted(self.cards))


def reply_predicates(checked: Checked) -> frozenset[str]:
    """The predicates about replies that some rule asks, and that are not read by a pattern of their own."""
    return frozenset(
        node.name
        for rule in checked.rules
        for node in ast.walk(rule.fires)
        if isinstance(node, ast.JudgedAnswer) and node.name.startswith("reply.")
        if checked.judged[node.name].pattern is None
    )


def predicates_for(checked: Checked, *, wants_act: bool) -> frozenset[str]:
    """What must be judged of the replies of one case: what rules ask, and refusal where an act is waited for."""
    return reply_predicates(checked) | (frozenset([REFUSES]) if wants_act else frozenset())


def line_of(predicate: str, card: JudgeCard) -> JudgeLine:
    """A judge's card as reports show it."""
    return JudgeLine(
        predicate=predicate,
        judge=card.judge,
        measured_on=card.measured_on if card.is_calibrated else None,
        sensitivity=_rate(card.sensitivity),
        specificity=_rate(card.specificity),
    )


def _rate(rate: Rate | None) -> tuple[float, float, float] | None:
    return None if rate is None else (rate.estimate, rate.low, rate.high)
