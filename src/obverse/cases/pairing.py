"""Finds a step for each of the three things that are asked of two rules that can meet (`meeting`), or proves that there is none.

Asked first are the cases that there are. A core names the parts of the two rules that exclude each other, not the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from obverse.cases.aims import negated
from obverse.cases.meeting import BOTH, SECOND, VALUES, Meeting, Voices, parts, voices
from obverse.cases.records import Infeasible, Open
from obverse.cases.search import Pair, Search, Wish, proved
from obverse.cases.sight import Sight
from obverse.policy.checked import CheckedRule
from obverse.solver.answers import Act, Impossible

Outcome: TypeAlias = Pair | Infeasible | Open


class Pairing:
    """What is known of the pairs of rules of one policy; it learns from every case that it is told of."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self._heard: dict[int, list[Voices]] = {}

    def learn(self, sights: Iterable[Sight]) -> None:
        """What these steps show need not be looked for."""
        for sight in sights:
            said = voices(sight)
            for place in said.loud:
                self._heard.setdefault(place, []).append(said)

    def outcomes(self, meeting: Meeting) -> Iterator[Outcome]:
        """What was found and proved for the things that no step shows yet."""
        for value in VALUES:
            if not self._is_shown(meeting, value):
                yield self._outcome(meeting, value)

    def _is_shown(self, meeting: Meeting, value: str) -> bool:
        return any(said.shows(meeting) == value for place in meeting.places for said in self._heard.get(place, ()))

    def _outcome(self, meeting: Meeting, value: str) -> Outcome:
        obligation = meeting.obligation(value)
        proof: Infeasible | None = None
        tried = meeting.acts[: self.search.settings.tools_tried]
        for act in tried:
            fixed, free = self._wishes(meeting, value, act)
            for found, asked in self.search.ever_louder(act, fixed, free):
                if isinstance(found, Sight):
                    rules = (meeting.first, meeting.second)
                    kept = tuple(
                        rule.fires if rule in _speaking(meeting, value) else negated(rule.fires) for rule in rules
                    )
                    return Pair(rule=_leading(meeting, value).id, obligation=obligation, firing=found, kept=kept)
                if isinstance(found, Impossible):
                    proof = proof or proved(obligation, found, asked)
                else:
                    return Open(obligation=obligation, reason=found)
        if proof is None or len(tried) < len(meeting.acts):
            return Open(obligation=obligation, reason="more tools than were tried")
        return proof

    def _wishes(self, meeting: Meeting, value: str, act: Act) -> tuple[list[Wish], Sequence[Wish]]:
        """What must be so, and which others had better be silent."""
        speaking = _speaking(meeting, value)
        fixed = [Wish(text=text, expr=expr) for rule in speaking for text, expr in parts(rule)]
        others = [rule for rule in (meeting.first, meeting.second) if rule not in speaking]
        fixed += [Wish(text=f"`{rule.id}` does not fire", expr=negated(rule.fires)) for rule in others]
        silence = self.search.silence(meeting.first, act, meeting.second)
        if all(rule.verdict is None for rule in speaking):  # a permit shows that it is kept only where nothing blocks
            return [*fixed, *silence, *self.search.let_through(act)], ()
        return fixed, silence


def _speaking(meeting: Meeting, value: str) -> tuple[CheckedRule, ...]:
    if value == BOTH:
        return (meeting.first, meeting.second)
    return (meeting.second,) if value == SECOND else (meeting.first,)


def _leading(meeting: Meeting, value: str) -> CheckedRule:
    """Whose case it is: of those that speak the strictest, the first of equals."""
    return max(_speaking(meeting, value), key=lambda rule: -1 if rule.verdict is None else rule.verdict.strictness)
