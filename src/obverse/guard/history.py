"""What happened in one session: the monitor that saw it, the head that chains it, and what of it is not on record yet.

    (1) Only what happened moves the head; an answer of a judge, a proposal and a request do not.
    (2) Times never go back, and an id is used once.
    (3) What is to be recorded stays here until it is durable, in order: a record that failed loses nothing.

Not thread-safe: the session holds the lock. Nothing here decides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec

from obverse.core.canon import canonical
from obverse.core.events import AnyEvent, Approval, Call, Message, Reply, Result, Spoken, Step, System, Thought
from obverse.guard.parts import Parts
from obverse.guard.ports import Item
from obverse.guard.reading import read_event
from obverse.guard.suspended import Suspended
from obverse.guard.writing import Writer, first_head
from obverse.policy.decision import Decision
from obverse.policy.monitor import Watches

_SPOKEN: tuple[type[Spoken], ...] = (System, Message, Reply, Thought)


class History:
    """The past of a session, as far as anybody still needs it."""

    __slots__ = (
        "_events", "_lost", "_names", "_parts", "_room", "_said", "_supposed", "_texts", "_unrecorded", "_watch", "happened", "head", "now", "open",
        "whole", "write",
    )  # fmt: skip

    def __init__(self, parts: Parts, session: str) -> None:
        self.head = first_head(session, parts.checked.digest)
        self.happened = 0
        """How many events there were, whether they are still needed or not."""
        self.now = 0
        self.open: dict[str, str] = {}
        """The calls that were released and have no result: id → tool."""
        self.write = Writer(parts.fresh, session)
        self._parts = parts
        self._watch = parts.watch()
        self._supposed: tuple[Watches, tuple[Approval, ...]] | None = None
        self._names = 0
        self._unrecorded: list[Item] = []
        self._lost = False
        self._events: list[AnyEvent] = []
        self._room = parts.settings.longest_past
        self.whole = parts.grants is not None
        """Whether all of it is still here, for grants to look back on: what was forgotten could be what a scope asks for."""
        self._texts: OrderedDict[str, tuple[str, str | None]] = OrderedDict()
        self._said: dict[type[Spoken], str] = {}

    # --- time, names, the present ---------------------------------------------------------------------------------------

    def time(self) -> int:
        """(2) The time, never before an earlier one."""
        self.now = max(self.now, self._parts.time())
        return self.now

    def name(self) -> str:
        """(2) An id for the next event."""
        self._names += 1
        return f"e{self._names}"

    def decide(self, step: Step) -> Decision:
        """What the policy says of this step now, with the approvals that are supposed."""
        return (self._watch if self._supposed is None else self._supposed[0]).decide(step)

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """All that happened, where grants may ask for it; else the newest."""
        return tuple(self._events)

    def newest(self, most: int) -> list[AnyEvent]:
        """The newest events, oldest first."""
        return self._events[-most:]

    # --- what happened --------------------------------------------------------------------------------------------------

    def add(self, event: AnyEvent) -> None:
        """It happened; it is recorded with the next decision at the latest."""
        items, head = self.items([event], self.head)
        self.note(*items)
        self.took([event], head)

    def items(self, events: Sequence[AnyEvent], head: str) -> tuple[list[Item], str]:
        """The entries of these events after a history with that head, and the head after them; nothing happened yet."""
        found = []
        for event in events:
            item, head = self.write.event(event, head, self.now)
            found.append(item)
        return found, head

    def took(self, events: Sequence[AnyEvent], head: str) -> None:
        """These events happened, and are or will be on record."""
        for event in events:
            self._watch.observe(event)
            self._remember(event)
            self.happened += 1
            self._trim()
            if isinstance(event, Call):
                self.open[event.call_id] = event.tool
            elif isinstance(event, Result):
                self.open.pop(event.call_id, None)
            elif isinstance(event, Spoken):
                self._keep(event)
        self.head = head

    def _trim(self) -> None:
        """Old events go where nobody asks for them; a list, since a deque has room for many at once."""
        most = self._parts.settings.most_shown
        if not self.whole and len(self._events) > 2 * most:
            del self._events[:-most]

    def _remember(self, event: AnyEvent) -> None:
        """As long as there is room for all of it: an agent does not fill the memory with what is denied."""
        self._events.append(event)
        self._room -= _length(event)
        self.whole = self.whole and self._room >= 0

    # --- what judges answered -------------------------------------------------------------------------------------------

    def spoken(self, event: str) -> tuple[str, str | None] | None:
        """The text of an event that a judge may be asked about, and what it answers."""
        return self._texts.get(event)

    def before(self, kind: type[Spoken]) -> str | None:
        """The newest text that one of this kind would answer."""
        return self._said.get(Message if kind is Reply else Reply)

    def label(self, event: str, labels: Mapping[str, bool]) -> None:
        """A judge answered late: from now on it is as if the answer had come with the event."""
        self._watch.label(event, labels)
        if self._supposed is not None:
            self._supposed[0].label(event, labels)
        for place, known in enumerate(self._events):
            if known.id == event and isinstance(known, Spoken):
                self._events[place] = msgspec.structs.replace(known, labels={**known.labels, **labels})

    def _keep(self, event: Spoken) -> None:
        """Texts are kept only where the policy asks judges."""
        if not self._parts.judged:
            return
        self._texts[event.id] = (event.text, self.before(type(event)))
        self._said[type(event)] = event.text
        while len(self._texts) > self._parts.settings.most_texts:
            self._texts.popitem(last=False)

    # --- what is recorded -----------------------------------------------------------------------------------------------

    def note(self, *items: Item) -> None:
        """To be recorded with the next decision."""
        if not self._lost:
            self._unrecorded += items

    def record(self, items: Sequence[Item]) -> int:
        """The place of the first of *these*, once they and all that waits are durable.

        Raises:
            Exception: they are not; what waits goes on waiting, and these are forgotten.
        """
        if self._lost or not (self._unrecorded or items):
            return 0
        place = self._parts.recorder.record([*self._unrecorded, *items])
        waited, self._unrecorded = len(self._unrecorded), []
        return place + waited

    def lose(self) -> None:
        """Nobody knows what of it is on record: nothing is added any more, or it would contradict what may be there."""
        self._lost = True
        self._unrecorded = []

    @property
    def waiting(self) -> int:
        """How many entries wait to be recorded."""
        return len(self._unrecorded)

    # --- approvals ------------------------------------------------------------------------------------------------------

    def suppose(self, approved: Sequence[tuple[str, str]]) -> tuple[Approval, ...]:
        """The approvals of these digests by these people, which a monitor of their own has seen until they are `kept`."""
        self._supposed = None
        if not approved:
            return ()
        approvals = tuple(Approval(id=self.name(), time=self.now, call=call, by=by) for call, by in approved)
        watch = self._parts.again(self._watch.snapshot())
        for approval in approvals:
            watch.observe(approval)
        self._supposed = watch, approvals
        return approvals

    def kept(self) -> None:
        """What was supposed happened: it is on record, and the step that it is for comes next."""
        if self._supposed is not None:
            self._watch, approvals = self._supposed
            for approval in approvals:
                self._remember(approval)
            self._supposed = None

    def forget(self) -> None:
        """What was supposed did not happen."""
        self._supposed = None

    # --- elsewhere ------------------------------------------------------------------------------------------------------

    def suspended(self, *, session: str, holder: str, turns: int) -> Suspended:
        """All that is needed to go on elsewhere."""
        return Suspended(
            session=session, holder=holder, policy=self._parts.checked.digest, head=self.head, now=self.now,
            names=self._names, happened=self.happened, turns=turns, open=dict(self.open), events=tuple(map(canonical, self._events)),
            texts=tuple((event, text, before) for event, (text, before) in self._texts.items()),
            said={kind.__name__: text for kind, text in self._said.items()}, watch=self._watch.snapshot(),
            whole=self.whole,
        )  # fmt: skip

    def take_up(self, found: Suspended) -> None:
        """Goes on where another one was suspended."""
        self._watch = self._parts.again(found.watch)
        self.head, self.now, self._names, self.open = found.head, found.now, found.names, dict(found.open)
        self.happened = found.happened
        for event in map(read_event, found.events):
            self._remember(event)
        self.whole = self.whole and found.whole
        self._texts.update({event: (text, before) for event, text, before in found.texts})
        self._said = {kind: found.said[kind.__name__] for kind in _SPOKEN if kind.__name__ in found.said}
        self._unrecorded = []


def _length(event: AnyEvent) -> int:
    """How much it is to remember: its texts, and a little for itself."""
    parts = (getattr(event, name, "") for name in ("text", "arguments", "output"))
    return 64 + sum(len(part) for part in parts if isinstance(part, str))
