"""A scenario that a solver found → a scene that a person could have lived: names, words, a request, a world.

Nothing here may change what the policy sees: after every step `decide` must say the same for the same reasons, every condition
of the rule must have the value it had, and what the scenario was found for must still be true of it. A change that does not
pass is not made. So the words can only be less pretty than wished, never untrue (L07).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from obverse.cases.conditions import Conditions
from obverse.cases.naming import Names, dumps
from obverse.cases.phrases.books import book
from obverse.cases.records import Answer, Said, World
from obverse.cases.sight import Sight
from obverse.cases.talk import harmless, invitations, is_consent, known_labels, message_for, readings, reply_for
from obverse.cases.tongues import main_language
from obverse.cases.wording import asked_back, framed, request
from obverse.core.canon import canonical
from obverse.core.events import AnyEvent, Approval, Call, Denied, Fact, Message, Reply, Result, Step, Thought
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import call_digest
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_arguments
from obverse.policy.types import BoolType, EnumType, ListType, MapType, NumberType, RecordType, TimeType, Type

_SHORT = 40  # characters of a text that is a scrap rather than a sentence
_YES = ("ok", "yes", "thanks", "please", "sure")
_PAUSE_MS = 10_000  # before what follows on something that was said

History: TypeAlias = tuple[AnyEvent, ...]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario in words. `opening` is how much of the history lies before the user's request: a dialogue starts there."""

    history: History
    step: Step
    opening: int
    script: tuple[Said, ...]
    world: World


class Stage:
    """Dresses one scenario; `kept` are the conditions that it was found for."""

    def __init__(
        self,
        sight: Sight,
        rule: CheckedRule,
        conditions: Conditions,
        kept: Sequence[ast.Expr],
        *key: object,
    ) -> None:
        self.checked = sight.checked
        self.rule = rule
        self.conditions = conditions
        self.kept = kept
        self.names = Names(sight.checked)
        self.key = key
        self.language = main_language(sight.checked)
        self.sight = sight
        self.meaning = self._meaning(sight)
        self.on_purpose: set[str] = set()  # texts of messages that a rule reads: they say what they must

    def takes(self, names: Names) -> bool:
        """Whether these names change nothing; then they are worn."""
        self.names = names
        return self._try(*renamed(names, self.sight.history, self.sight.step))

    def scene(self) -> Scene:
        """The scene: worded, with the request in its place."""
        self._word_what_was_said()
        self._drop_idle_words()
        opening = self._opening()
        if isinstance(self.sight.step.event, Call):
            self._place_request(self.sight.step.event, opening)
            self._ask_before_consent(opening)
        else:
            self._place_question(self.sight.step.event)
        self._agree_with_patterns()
        history, opening = self.sight.history, self._opening()
        script = tuple(Said(text=e.text, labels=dict(e.labels)) for e in history[opening:] if isinstance(e, Message))
        return Scene(
            history=history, step=self.sight.step, opening=opening, script=script,
            world=world_of(history, self.sight.step, self.names),
        )  # fmt: skip

    # --- what must not change -------------------------------------------------------------------------------------------

    def _meaning(self, sight: Sight) -> tuple[object, ...]:
        decision = sight.decision
        said = [(reason.rule, reason.certain) for reason in (*decision.reasons, *decision.permits)]
        return decision.verdict, decision.certain, said, sight.values(self.conditions), sight.all(self.kept)

    def _try(self, history: Sequence[AnyEvent], step: Step) -> bool:
        """Takes the change if it means the same; says whether it did."""
        changed = Sight(self.checked, *numbered(history, step))
        if self._meaning(changed) != self.meaning:
            return False
        self.sight = changed
        return True

    def _try_any(self, changes: Iterator[History]) -> bool:
        return any(self._try(history, self.sight.step) for history in changes)

    # --- what was said --------------------------------------------------------------------------------------------------

    def _word_what_was_said(self) -> None:
        for place, event in enumerate(self.sight.history):
            if isinstance(event, Message | Reply | Thought):
                done = self._try(_with(self.sight.history, place, self._worded(event, place)), self.sight.step)
                if not done and isinstance(event, Message):
                    self._polish(place)
        event = self.sight.step.event
        if isinstance(event, Reply):
            text = reply_for(self.checked, event.labels, *self.key, "wanted", wanted=True)
            self._try(self.sight.history, _reworded(self.sight.step, event, text))

    def _agree_with_patterns(self) -> None:
        """A text reads as its labels say: a label that nothing rests on follows the pattern, else a sentence is left out."""
        for place, event in enumerate(self.sight.history):
            if isinstance(event, Message | Reply):
                for text, labels in readings(self.checked, event.text, event.labels):
                    new = msgspec.structs.replace(event, text=text, labels=labels)
                    if self._try(_with(self.sight.history, place, new), self.sight.step):
                        break

    def _polish(self, place: int) -> None:
        """A message whose very words matter, said as a person would: a yes as a yes, a scrap as part of a sentence."""
        event = self.sight.history[place]
        if not isinstance(event, Message):
            return
        self.on_purpose.add(event.text)
        for text in _phrased(event.text, self.language):
            if self._try(_with(self.sight.history, place, msgspec.structs.replace(event, text=text)), self.sight.step):
                self.on_purpose.add(text)
                return

    def _drop_idle_words(self) -> None:
        """Messages without any label before the request say nothing that anybody needs."""
        for place in range(self._opening() - 1, -1, -1):
            event = self.sight.history[place]
            if isinstance(event, Message) and not any(event.labels.values()) and event.text not in self.on_purpose:
                self._try((*self.sight.history[:place], *self.sight.history[place + 1 :]), self.sight.step)

    def _worded(self, event: Message | Reply | Thought, place: int) -> AnyEvent:
        if isinstance(event, Message):
            asked = {name: value for name, value in event.labels.items() if value or name in self._asked_labels()}
            worded = message_for(self.checked, asked, *self.key, place)
            return msgspec.structs.replace(event, text=worded.text, labels=worded.labels | dict(event.labels))
        if isinstance(event, Reply):
            return msgspec.structs.replace(event, text=reply_for(self.checked, event.labels, *self.key, place))
        return event

    # --- a call is asked for --------------------------------------------------------------------------------------------

    def _opening(self) -> int:
        return opening_of(self.checked, self.sight.history)

    def _place_request(self, call: Call, opening: int) -> None:
        tool = self.checked.tools.get(call.tool)
        arguments = read_arguments(call.arguments)
        if tool is None or isinstance(arguments, Unknown):
            return
        zone, language = self.checked.timezone_minutes, self.language
        asked = request(tool, arguments, zone, *self.key, "request", language=language)
        self._try_any(self._with_request(asked, framed(asked, *self.key, "frame", language=language), opening))

    def _with_request(self, asked: str, framed_: str, opening: int) -> Iterator[History]:
        """The ways to say it, best first: in a message that says nothing else, with what one says, or in one of its own."""
        history = self.sight.history
        messages = [(p, e) for p, e in enumerate(history) if isinstance(e, Message) and p >= opening]
        for place, event in messages[:1]:
            if event.text in self.on_purpose:
                break
            true = [name for name, value in sorted(event.labels.items()) if value]
            if not true:
                yield _with(history, place, msgspec.structs.replace(event, text=framed_))
            elif not any(is_consent(name) for name in true):
                yield _with(history, place, msgspec.structs.replace(event, text=f"{event.text} {asked}"))
        labels = known_labels(self.checked, "message", asked)
        for place in dict.fromkeys((opening, 0)):
            yield _inserted(history, self.sight.step, place, Message(id="", text=framed_, labels=labels))
        for place, event in messages:
            yield _with(history, place, msgspec.structs.replace(event, text=f"{event.text} {asked}"))

    def _ask_before_consent(self, opening: int) -> None:
        """Between a request and a yes the target asked something: without it the yes has no object."""
        event = self.sight.step.event
        history = self.sight.history
        for place in range(len(history) - 1, opening, -1):
            message, before = history[place], history[place - 1]
            if isinstance(message, Message) and not isinstance(before, Reply) and self._answers(message):
                if not isinstance(event, Call) or not any(isinstance(e, Message) for e in history[opening:place]):
                    continue
                tool, arguments = self.checked.tools.get(event.tool), read_arguments(event.arguments)
                if tool is None or isinstance(arguments, Unknown):
                    continue
                zone, language = self.checked.timezone_minutes, self.language
                text = asked_back(tool, arguments, zone, *self.key, "asked back", language=language)
                labels = known_labels(self.checked, "reply", text)
                self._try(
                    _inserted(history, self.sight.step, place, Reply(id="", text=text, labels=labels)), self.sight.step
                )

    def _answers(self, message: Message) -> bool:
        return message.text.endswith(book(self.language).consent[0]) or any(
            is_consent(name) for name, value in message.labels.items() if value
        )

    # --- a reply is asked for -------------------------------------------------------------------------------------------

    def _place_question(self, reply: Reply) -> None:
        """The last message becomes one that leads to this reply: by its own labels, else by what the clause is about."""
        history = self.sight.history
        places = [place for place, event in enumerate(history) if isinstance(event, Message)]
        last = history[places[-1]] if places else None
        if isinstance(last, Message) and any(last.labels.values()):
            return
        clause = self.checked.clause(self.rule.clause)
        provokes = self.sight.is_violation_of(self.rule) or any(
            value for name, value in reply.labels.items() if name in self._asked_labels()
        )
        offers = invitations(self.checked, clause, reply.labels, *self.key) if provokes else (
            harmless(self.checked, clause, *self.key)
        )  # fmt: skip
        self._try_any(self._with_question(offers, places))

    def _asked_labels(self) -> set[str]:
        return {node.name for node in ast.walk(self.rule.fires) if isinstance(node, ast.JudgedAnswer)}

    def _with_question(self, offers: Sequence[Said], places: Sequence[int]) -> Iterator[History]:
        history = self.sight.history
        for offer in offers:
            if places:
                event = history[places[-1]]
                yield _with(history, places[-1], msgspec.structs.replace(event, text=offer.text, labels=offer.labels))
            yield _inserted(
                history, self.sight.step, len(history), Message(id="", text=offer.text, labels=offer.labels)
            )


def opening_of(checked: Checked, history: Sequence[AnyEvent]) -> int:
    """Where the request belongs: after all that has effects, for what comes later the target may well do itself."""
    places = [place for place, event in enumerate(history) if _is_given(checked, event)]
    return max(places, default=-1) + 1


def _is_given(checked: Checked, event: AnyEvent) -> bool:
    if isinstance(event, Fact):
        return True
    if not isinstance(event, Call | Denied | Result):
        return False
    tool = checked.tools.get(event.tool)
    return isinstance(event, Denied) or tool is None or tool.effects != ("read",)


def _phrased(text: str, language: str) -> Iterator[str]:
    """Sentences that hold this text, or the telling part of it, the most natural first."""
    if len(text) < _SHORT:
        consent, mention = book(language).consent[0], book(language).mention
        yield consent
        telling = [part for part in text.split(", ") if part.strip(" .").lower() not in _YES]
        told = ", ".join(telling)
        yield f"{mention.format(text=told)} {consent}"
        yield mention.format(text=told)
    yield text[:1].upper() + text[1:] + ("" if text[-1:] in ".!?" else ".")


def renamed(names: Names, history: Sequence[AnyEvent], step: Step) -> tuple[History, Step]:
    """The scenario with natural names everywhere; an approval of the step follows it."""
    turn = tuple(_renamed_proposal(names, event) for event in step.turn)
    new_step = Step(event=turn[step.turn.index(step.event)], turn=turn)
    old, new = call_digest(step.event), call_digest(new_step.event)
    return tuple(_renamed(names, event, old, new) for event in history), new_step


def _renamed_proposal(names: Names, event: Call | Reply) -> Call | Reply:
    if isinstance(event, Reply):
        return event
    return msgspec.structs.replace(event, arguments=names.arguments(event.tool, event.arguments))


def _renamed(names: Names, event: AnyEvent, old: str, new: str) -> AnyEvent:
    match event:
        case Call() | Denied():
            return msgspec.structs.replace(event, arguments=names.arguments(event.tool, event.arguments))
        case Result() if not event.failed:
            return msgspec.structs.replace(event, output=names.output(event.tool, event.output))
        case Fact():
            return msgspec.structs.replace(event, value=names.fact(event.name, event.value))
        case Approval() if event.call == old:
            return msgspec.structs.replace(event, call=new)
    return event


def _reworded(step: Step, event: Reply, text: str) -> Step:
    new = msgspec.structs.replace(event, text=text)
    return Step(event=new, turn=tuple(new if one.id == event.id else one for one in step.turn))


def _with(history: History, place: int, event: AnyEvent) -> History:
    return (*history[:place], event, *history[place + 1 :])


def _inserted(history: History, step: Step, place: int, event: AnyEvent) -> History:
    """The history with one more event: some seconds before the next one, if the one before it is not later."""
    after = (history[place] if place < len(history) else step.event).time
    before = history[place - 1].time if place else None
    time = None if after is None else max(after - _PAUSE_MS, after - _PAUSE_MS if before is None else before)
    new = msgspec.structs.replace(event, time=time, turn=-1)  # a turn of its own; `numbered` gives it its place
    return (*history[:place], new, *history[place:])


def numbered(history: Sequence[AnyEvent], step: Step) -> tuple[History, Step]:
    """The same with ids `e1`, `e2`, … and turns that count from 1: what was proposed together stays together."""
    turn, last, events = 0, None, []
    for place, event in enumerate(history, 1):
        if isinstance(event, Call | Denied | Reply):
            turn += last != event.turn
            last = event.turn
        events.append(msgspec.structs.replace(event, id=f"e{place}", turn=turn))
    proposed = tuple(msgspec.structs.replace(e, id=f"s{n}", turn=turn + 1) for n, e in enumerate(step.turn, 1))
    return tuple(events), Step(event=proposed[step.turn.index(step.event)], turn=proposed)


# --- the world ---------------------------------------------------------------------------------------------------------


def world_of(history: Sequence[AnyEvent], step: Step, names: Names) -> World:
    """A world that answers as it did in the history, and plainly to everything else."""
    calls = {event.call_id: event for event in history if isinstance(event, Call)}
    seen: dict[tuple[str, str], Answer] = {}
    for event in history:
        if isinstance(event, Result) and event.call_id in calls:
            key = canonical_arguments(calls[event.call_id].arguments)
            seen[event.tool, key] = Answer(tool=event.tool, arguments=key, output=event.output, failed=event.failed)
    others = [Answer(tool=name, output=plain_output(tool, names)) for name, tool in names.checked.tools.items()]
    facts = {event.name: event.value for event in history if isinstance(event, Fact)}
    return World(now=step.event.time, facts=tuple(facts.items()), answers=(*seen.values(), *others))


def canonical_arguments(raw: str) -> str:
    """The arguments of a call in the form in which a world knows them; malformed ones as they are."""
    arguments = read_arguments(raw)
    return raw if isinstance(arguments, Unknown) else canonical(arguments).decode()


def plain_output(tool: ast.Tool, names: Names) -> str:
    """What a tool says when nothing particular is known."""
    if tool.returns is None:
        return '{"status": "ok"}'
    value = plain_value(tool.returns, tool.name, names)
    return value if isinstance(value, str) else dumps(value)


def plain_value(type: Type, name: str, names: Names) -> Any:
    """A value of this type that says nothing in particular; texts are names such as things of that name have."""
    match type:
        case RecordType():
            return {f.name: plain_value(f.type, f.name, names) for f in type.fields if not f.optional}
        case ListType():
            return [plain_value(type.item, name, names)]
        case MapType():
            return {names.natural(f"{name}_id", "plain"): plain_value(type.item, name, names)}
        case EnumType():
            return type.values[0]
        case BoolType():
            return False
        case NumberType():
            return 1
        case TimeType():
            return "2026-01-04T09:00:00Z"
    return names.natural(name, f"plain {name}")
