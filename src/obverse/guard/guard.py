"""The guard: one policy in front of any number of sessions. It opens them, finds them, stops them, and says that it lives.

It holds no lock over all sessions while one decides. What it knows of the world are its ports.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from obverse.core.canon import Value
from obverse.core.errors import MisuseError
from obverse.core.verdicts import Verdict
from obverse.core.version import VERSION
from obverse.guard.bounded import Workers
from obverse.guard.judging import Judging
from obverse.guard.parts import Parts, asks_judges
from obverse.guard.ports import Answerer, Clock, Fresh, Grants, Orders, People, Recorder
from obverse.guard.recording import Recording
from obverse.guard.session import Session
from obverse.guard.settings import Settings
from obverse.guard.turn import CANARY
from obverse.guard.writing import Writer
from obverse.policy.ast import Boolean
from obverse.policy.checked import Checked
from obverse.policy.monitor import Monitor, Plan

_LONGEST_ID: Final = 256
_MOST_THREADS: Final = 64
"""Calls of ports that are on the way at one time, over all sessions."""


class Guard:
    """The guard of one policy. `files` are the policy's bytes and those it reads terms from, by name: they go on record."""

    def __init__(
        self,
        checked: Checked,
        *,
        recorder: Recorder,
        clock: Clock,
        fresh: Fresh,
        steady: Clock | None = None,
        judge: Answerer | None = None,
        people: People | None = None,
        grants: Grants | None = None,
        orders: Orders | None = None,
        settings: Settings = Settings(),  # noqa: B008  # frozen
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        plan, workers = Plan(checked), Workers(_MOST_THREADS, "guard")
        self.checked = checked
        self.never_allowed = never_allowed(checked, with_grants=grants is not None)
        self._parts = Parts(
            guard=fresh(16).hex(), checked=checked, watch=lambda: Monitor(checked, plan),
            again=lambda data: Monitor.restore(checked, data, plan), recorder=Recording(recorder, settings.port_seconds),
            clock=clock, steady=steady or clock, fresh=fresh, settings=settings, workers=workers,
            judging=None if judge is None else Judging(judge, checked, settings, steady or clock),
            people=people, grants=grants, orders=orders, judged=judge is not None and asks_judges(checked),
        )  # fmt: skip
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._write = Writer(fresh)
        self._start(files or {})

    def session(
        self, *, holder: str, id: str | None = None, facts: Mapping[str, Value] | None = None
    ) -> Session:  # the word of the contract
        """A new session of this holder, who may have grants; `facts` are stated first.

        Raises:
            MisuseError: if a session of this id is there.
        """
        name = self._parts.name() if id is None else id
        if not 0 < len(name) <= _LONGEST_ID:
            raise MisuseError(f"an id of {len(name)} characters", code="G103", hint="1 to 256")
        with self._lock:
            if name in self._sessions:
                raise MisuseError(f"there is a session `{name}`", code="G103", hint="an id is used once")
            session = self._sessions[name] = Session(self._parts, session=name, holder=holder)
        for fact, value in (facts or {}).items():
            session.fact(fact, value)
        return session

    def find(self, id: str) -> Session | None:  # the word of the contract
        """The session of this id, if it is there."""
        return self._sessions.get(id)

    def stop(self, session: str, *, by: str, why: str) -> None:
        """Stops a session from another thread; nothing if it is not there."""
        found = self.find(session)
        if found is not None:
            found.stop(by, why)

    def offers(self, tool: str) -> bool:
        """Whether any history might allow this tool: a proxy hides the others."""
        if tool not in self.checked.tools:
            return self.checked.default.calls != "deny-unknown-tools" and tool != CANARY
        return tool not in self.never_allowed

    def heartbeat(self) -> None:
        """The record that the guard lives, how many sessions are open, and what people granted or revoked meanwhile."""
        self._record("heartbeat", {"guard": self._parts.guard, "sessions": self._count()})
        self._hear_of_grants()

    def close(self) -> None:
        """Every session ended, and the end recorded."""
        for session in list(self._sessions.values()):
            session.end()
        self._record("stop", {"guard": self._parts.guard, "sessions": 0, "why": "closed"})

    def _hear_of_grants(self) -> None:
        """Grants and revocations go on record as soon as the guard hears of them; a use brings its own along (L13)."""
        grants = self._parts.grants
        news = () if grants is None else grants.news(self._parts.clock())
        if grants is not None and news:
            self._parts.recorder.record(news)
            grants.noted(news)

    def _count(self) -> int:
        return sum(session.state == "open" for session in list(self._sessions.values()))

    def _start(self, files: Mapping[str, bytes]) -> None:
        now, checked = self._parts.clock(), self.checked
        start = {"guard": self._parts.guard, "version": VERSION, "policy": checked.digest}
        load = {"policy": checked.digest, "name": checked.name, "version": checked.version, "files": list(files)}
        payloads = {f"file.{number}": data for number, data in enumerate(files.values())}
        self._parts.recorder.record(
            [self._write.item("start", now, start), self._write.item("policy", now, load, payloads)]
        )

    def _record(self, kind: str, body: Mapping[str, Value]) -> None:
        self._parts.recorder.record([self._write.item(kind, self._parts.clock(), body)])


def never_allowed(checked: Checked, *, with_grants: bool) -> frozenset[str]:
    """Tools that a rule without a condition denies whatever happened; with grants, only if its clause is inviolable."""
    rules = [
        rule
        for rule in checked.rules
        if rule.verdict in {Verdict.DENY, Verdict.STOP}
        and rule.fires == Boolean(value=True)
        and (not with_grants or checked.clause(rule.clause).inviolable)
    ]
    return frozenset(
        tool
        for tool in checked.tools
        if any(checked.matches(head, "call", tool) for rule in rules for head in rule.heads)
    )
