"""Which session a request belongs to. Holds what the gateway must know of each conversation, and no text of it.

A session is found by the name that the client gives it, else by the conversation itself: by a turn of the model that was released
in it, or by a call that was. Words of users alone find nothing, since two people may begin alike. Only sessions of the same holder
are ever found.

Not thread-safe: the gateway uses it from its event loop alone.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from obverse.gateway.http.conversation import Difference, Released
from obverse.gateway.http.records import Answer, Answering, AnyItem, Calling, Outgoing, Request, Returning
from obverse.guard.session import Session

if TYPE_CHECKING:
    import asyncio


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that waits for people: the request that it answers, and what the model said. It stands after `before` items."""

    session: Session
    digest: str
    answer: Answer
    out: Outgoing
    before: int


class Conversation:
    """One session as the gateway knows it; it is begun with the first thing that is told to it."""

    __slots__ = (
        "calls",
        "holder",
        "lock",
        "name",
        "offered",
        "pending",
        "points",
        "seen",
        "session",
        "tip",
        "used",
        "view",
    )

    def __init__(self, holder: str, name: str | None, lock: asyncio.Lock) -> None:
        self.session: Session | None = None
        self.holder = holder
        self.name = name
        self.lock = lock
        self.view: list[bytes] = []
        self.seen: set[bytes] = set()
        self.calls: dict[str, Released] = {}
        self.offered: str | None = None
        self.pending: Pending | None = None
        self.tip: bytes | None = None
        self.points: list[bytes] = []
        self.used = 0

    def recorded(self, items: Sequence[AnyItem], difference: Difference) -> None:
        """What the client sent stands in the record now."""
        self.view[difference.same :] = [item.mark for item in items[difference.same :]]
        self.seen.update(self.view[difference.same :])
        for item in items[difference.same :]:
            if isinstance(item, Returning) and self.calls[item.id].result is None:
                self.calls[item.id] = msgspec.structs.replace(self.calls[item.id], result=item.mark)

    def answered(self, out: Outgoing) -> None:
        """What was released of a turn stands in it as well."""
        for item in out.items():
            self.view.append(item.mark)
            self.seen.add(item.mark)
            if isinstance(item, Calling):
                self.calls[item.id] = Released(mark=item.mark)


class Book:
    """All conversations, the one that was idle for longest first."""

    def __init__(self) -> None:
        self._all: OrderedDict[int, Conversation] = OrderedDict()
        self._named: dict[tuple[str, str], Conversation] = {}
        self._tips: dict[bytes, list[Conversation]] = {}
        self._points: dict[bytes, Conversation] = {}
        self._calls: dict[tuple[str, str], Conversation] = {}
        self._pending: dict[tuple[str, str], Conversation] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, one: Conversation) -> bool:
        return id(one) in self._all

    def __iter__(self) -> Iterator[Conversation]:
        return iter(list(self._all.values()))

    def find(self, holder: str, name: str | None, request: Request, items: Sequence[AnyItem]) -> Conversation | None:
        """The conversation that this request goes on with, or None where it begins one."""
        if name is not None:
            return self._named.get((holder, name))
        waiting = self._pending.get((holder, request.digest))
        if waiting is not None:
            return waiting
        ends = list(_ends(holder, items))
        for end in reversed(ends):
            if self._tips.get(end):
                return self._tips[end][0]
        for end in reversed(ends):
            if end in self._points:
                return self._points[end]
        ids = (item.id for item in reversed(items) if isinstance(item, Calling | Returning))
        return next((found for one in ids if (found := self._calls.get((holder, one))) is not None), None)

    def add(self, one: Conversation) -> None:
        """A new conversation."""
        self._all[id(one)] = one
        if one.name is not None:
            self._named[one.holder, one.name] = one

    def touch(self, one: Conversation, now: int) -> None:
        """It was used just now."""
        one.used = now
        if id(one) in self._all:
            self._all.move_to_end(id(one))

    def moved(self, one: Conversation, items: Sequence[AnyItem]) -> None:
        """It stands after these items now; `items` ends with what was released last, and it can be found by that."""
        self._leave(one)
        ends = list(_ends(one.holder, items))
        if not ends:
            return
        one.tip = ends[-1]
        one.points.append(ends[-1])
        self._tips.setdefault(ends[-1], []).append(one)
        self._points[ends[-1]] = one
        for item in items:
            if isinstance(item, Calling):
                self._calls.setdefault((one.holder, item.id), one)

    def leave(self, one: Conversation) -> None:
        """It is being answered: another request with the same words is not its continuation."""
        self._leave(one)

    def wait(self, one: Conversation, pending: Pending) -> None:
        """It waits for people; the same request asked again goes on with it."""
        self.settled(one)
        one.pending = pending
        self._pending[one.holder, pending.digest] = one

    def settled(self, one: Conversation) -> None:
        """It waits no more."""
        if one.pending is not None:
            self._pending.pop((one.holder, one.pending.digest), None)
            one.pending = None

    def remove(self, one: Conversation) -> None:
        """It is forgotten."""
        self._all.pop(id(one), None)
        self._leave(one)
        self.settled(one)
        if one.name is not None:
            self._named.pop((one.holder, one.name), None)
        for point in one.points:
            if self._points.get(point) is one:
                del self._points[point]
        for name in one.calls:
            if self._calls.get((one.holder, name)) is one:
                del self._calls[one.holder, name]

    def _leave(self, one: Conversation) -> None:
        if one.tip is None:
            return
        others = self._tips.get(one.tip, [])
        if one in others:
            others.remove(one)
        if not others:
            self._tips.pop(one.tip, None)
        one.tip = None


class Kept:
    """Conversations in the protocol's own form, by the id of the answer that they end with: for `previous_response_id`.

    Bounded in bytes; the oldest are forgotten first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._all: OrderedDict[tuple[str, str], tuple[Conversation, list[dict[str, Any]], tuple[AnyItem, ...], int]] = (
            OrderedDict()
        )

    def put(
        self,
        holder: str,
        name: str,
        one: Conversation,
        wire: list[dict[str, Any]],
        items: tuple[AnyItem, ...],
        size: int,
    ) -> None:
        """Keeps it, and forgets what no longer fits."""
        self._all[holder, name] = (one, wire, items, size)
        self._held += size
        while self._held > self._most and self._all:
            *_, gone = self._all.popitem(last=False)[1]
            self._held -= gone

    def get(self, holder: str, name: str) -> tuple[Conversation, list[dict[str, Any]], tuple[AnyItem, ...]] | None:
        """The conversation up to that answer, if it is still known."""
        found = self._all.get((holder, name))
        return None if found is None else found[:3]


def _ends(holder: str, items: Sequence[AnyItem]) -> Iterator[bytes]:
    """A digest of the conversation after each turn of the model in it."""
    state = hashlib.blake2b(holder.encode(), digest_size=16)
    for place, item in enumerate(items):
        state.update(item.mark)
        models = isinstance(item, Answering | Calling)
        if models and (place + 1 == len(items) or not isinstance(items[place + 1], Answering | Calling)):
            yield state.digest()
