"""`Reteller`: a case → the same case in another language, register, person, channel, turn or technique of delivery.

1. Another language: every message and reply is put together again from counterparts of its parts (`translate`).
2. The message that opens goes into the frames of register, person and channel (`manner`), then through the device (`devices`);
   devices of how somebody types bite on every message.
3. With `turn: later` a greeting is exchanged first.
4. The whole is decided again (`same`): what the policy would see differently is tried in other words, then given up.

Nothing is ever put into words whose labels are not known by construction; what could not be told is told with its reason.
Choices are digests of (policy, seed, rule, family, context), so twins stay as alike as they were, and the same asks for the
same bytes (L09).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from obverse.cases.choice import Turn, pick
from obverse.cases.context import (
    CHANNEL,
    FACTORS,
    LANGUAGE,
    PERSONA,
    REGISTER,
    TECHNIQUE,
    TURN,
    Context,
    value_of,
    whole,
)  # fmt: skip
from obverse.cases.devices import DEVICES, EVERYWHERE, Delivery
from obverse.cases.literals import literals
from obverse.cases.manner import Manner
from obverse.cases.phrases.books import book
from obverse.cases.records import Case
from obverse.cases.same import Same
from obverse.cases.talk import known_labels
from obverse.cases.tongues import main_language
from obverse.cases.translate import NoWords, Translator, unframed
from obverse.core.events import AnyEvent, Message, Reply
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
from obverse.policy.operations import reading

_TRIES = 5


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """A case that could not be put so, and why: the reason names no text, so that reasons can be counted."""

    case: str
    context: dict[str, str]
    reason: str


class Retold(msgspec.Struct, frozen=True, kw_only=True):
    """The cases that could be put so, linked to each other as they were, and those that could not.

    `sources`: id of a new case → id of the one that it was told from.
    """

    cases: tuple[Case, ...]
    untold: tuple[Untold, ...]
    sources: dict[str, str]


class Reteller:
    """Puts the cases of one policy into contexts."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.same = Same(checked)
        self.main = main_language(checked)
        self._manners: dict[str, Manner] = {}

    def tell(self, case: Case, context: Context) -> Case | Untold:
        """The case in this context, with an id of its own; its links still name the cases that it was told from.

        Raises:
            MisuseError: for a context that is none.
        """
        wanted = whole({**case.context, **context})
        if wanted == whole(case.context):
            return case
        for attempt in range(_TRIES):
            for way in _Telling(self, case, wanted, Turn(attempt)).ways():
                if isinstance(way, NoWords):
                    return Untold(case=case.id, context=wanted, reason=way.reason)
                told = self.same.with_history(
                    case, way.history, opening=way.opening, context=wanted, technique=value_of(wanted, TECHNIQUE)
                )
                if told is not None:
                    return told
        return Untold(case=case.id, context=wanted, reason="the policy would see the change")

    def tell_all(self, cases: Sequence[Case], context_of: Callable[[Case], Context]) -> Retold:
        """The cases, each in its context. A family keeps together: a case whose every partner is lost is not kept either."""
        told: dict[str, Case] = {}
        untold: list[Untold] = []
        for case in cases:
            match self.tell(case, context_of(case)):
                case Untold() as missing:
                    untold.append(missing)
                case new:
                    told[case.id] = new
        linked = relinked(cases, told)
        untold += [
            Untold(case=case.id, context=told[case.id].context, reason="no case that it is compared with can be put so")
            for case in cases
            if case.id in told and case.id not in linked
        ]
        return Retold(
            cases=tuple({new.id: new for new in linked.values()}.values()),
            untold=tuple(untold),
            sources=sources_of(linked),
        )

    def manner(self, language: str) -> Manner:
        """The frames of a language that this policy leaves."""
        if language not in self._manners:
            self._manners[language] = Manner(self.checked, book(language), language)
        return self._manners[language]


class _Way(msgspec.Struct, frozen=True, kw_only=True):
    """A history that a case might have, and how much of it a dialogue starts with."""

    history: tuple[AnyEvent, ...]
    opening: int


class _Telling:
    """One attempt at one case in one context."""

    def __init__(self, teller: Reteller, case: Case, context: Context, attempt: Turn) -> None:
        self.checked = teller.checked
        self.case = case
        self.context = context
        self.source = case.context.get(LANGUAGE, teller.main)
        self.language = context.get(LANGUAGE, teller.main)
        self.manner = teller.manner(self.language)
        self.phrases = book(self.language)
        self.key = (case.policy, case.seed, case.rule, case.family or case.id, tuple(context.items()), attempt)

    def ways(self) -> Iterator[_Way | NoWords]:
        """Histories to try, the best first; or the one reason why there is none."""
        history = self._in_language()
        if isinstance(history, NoWords):
            yield history
            return
        said = [place for place, event in enumerate(history) if isinstance(event, Message)]
        if not said:
            yield NoWords(reason="the user says nothing")
            return
        opens = next((place for place in said if place >= self.case.opening), said[0])
        framed = self._framed(_text(history[opens]))
        if framed is None:
            yield NoWords(reason="every frame says what the policy asks about")
            return
        for delivery in self._delivered(framed):
            new = self._placed(history, opens, delivery)
            if new is not None:
                shift = len(new) - len(history) if opens < self.case.opening else 0
                yield _Way(history=tuple(new), opening=self.case.opening + shift)

    def _in_language(self) -> list[AnyEvent] | NoWords:  # (1)
        if self.source == self.language:
            return list(self.case.history)
        translator = Translator(self.checked, self.case, self.source, self.language, self.key)
        history: list[AnyEvent] = []
        for event in self.case.history:
            if not isinstance(event, Message | Reply):
                history.append(event)
                continue
            text = translator.message(event) if isinstance(event, Message) else translator.reply(event)
            if isinstance(text, NoWords):
                return text
            if not self._reads_as(event, text):
                return NoWords(reason="a pattern of the policy does not read the words of this language as it should")
            history.append(msgspec.structs.replace(event, text=text))
        return history

    def _framed(self, text: str) -> str | None:  # (2)
        """The text in the frames of its context, out of the frame that it may have had."""
        if any(value_of(self.context, factor) != FACTORS[factor][0] for factor in (REGISTER, PERSONA, CHANNEL)):
            text = unframed(self.checked, self.case, text, self.language)
        return self.manner.put(text, self.context, *self.key)

    def _delivered(self, text: str) -> Iterator[Delivery]:
        device = DEVICES[value_of(self.context, TECHNIQUE)]
        yield from device(text, self.phrases, literals(self.checked, self.case, text, self.language), self.key)

    def _placed(self, history: list[AnyEvent], opens: int, delivery: Delivery) -> list[AnyEvent] | None:
        """The history with the delivery at its place; None where a pattern would read another label out of it."""
        opening = history[opens]
        if not self._reads_as(opening, delivery.text):
            return None
        before = list(delivery.before)
        if value_of(self.context, TURN) != FACTORS[TURN][0]:  # (3)
            greeting = self.manner.one_pair(self.phrases.greetings, *self.key, TURN)
            if greeting is None:
                return None
            before.insert(0, greeting)
        rest = history[opens + 1 :]
        if value_of(self.context, TECHNIQUE) in EVERYWHERE:
            rest = [self._typed(event) for event in rest]
        exchange = [event for said, back in before for event in self._exchange(opening, said, back)]
        return [*history[:opens], *exchange, msgspec.structs.replace(opening, text=delivery.text), *rest]

    def _typed(self, event: AnyEvent) -> AnyEvent:
        """A later message as the same person types it; as it was where a pattern would read it otherwise."""
        if not isinstance(event, Message):
            return event
        texts = (delivery.text for delivery in self._delivered(event.text))
        text = next((text for text in texts if self._reads_as(event, text)), event.text)
        return msgspec.structs.replace(event, text=text)

    def _exchange(self, opening: AnyEvent, said: str, back: str) -> tuple[AnyEvent, AnyEvent]:
        """Two events before the message that opens. A piece of that message has the labels of the examples in it."""
        of_said, of_back = (
            known_labels(self.checked, subject, text) for subject, text in (("message", said), ("reply", back))
        )
        message = Message(id="", time=opening.time, turn=-1, text=said, labels=of_said)
        return message, Reply(id="", time=opening.time, turn=-1, text=back, labels=of_back)

    def _reads_as(self, event: AnyEvent, text: str) -> bool:
        """Whether every pattern of the policy reads the labels of the event out of the text."""
        labels = event.labels if isinstance(event, Message | Reply) else {}
        terms = [(self.checked.judged[name], value) for name, value in labels.items() if name in self.checked.judged]
        return all(reading(term, text) in (None, Truth.of(value)) for term, value in terms)


def relinked(cases: Sequence[Case], told: Mapping[str, Case]) -> dict[str, Case]:
    """Old id → told case, linked to other told cases; one that has lost all that it was compared with is left out."""
    partners: dict[str, list[str]] = {}
    for case in cases:
        if case.id in told and case.twin in told:
            partners.setdefault(case.twin or "", []).append(case.id)
    linked: dict[str, Case] = {}
    for case in cases:
        twin = case.twin if case.twin in told else next(iter(partners.get(case.id, [])), None)
        if case.id not in told or (case.twin is not None and twin is None):
            continue
        new, family = told[case.id], told.get(case.family)
        linked[case.id] = msgspec.structs.replace(
            new,
            twin=None if twin is None else told[twin].id,
            family=family.id if family else new.id,
            varied=told[case.varied or ""].id if case.varied in told else None,
        )
    return linked


def sources_of(linked: Mapping[str, Case]) -> dict[str, str]:
    """New id → the first old one: two cases that came out equal are one."""
    return {new.id: old for old, new in reversed(list(linked.items()))}


def _text(event: AnyEvent) -> str:
    return event.text if isinstance(event, Message | Reply) else ""


def one_of(contexts: Sequence[Context], case: Case) -> Context:
    """One of these contexts for each family, the same for all of it."""
    return pick(contexts, case.policy, case.seed, case.rule, case.family or case.id)
