"""The guard: one policy in front of any number of sessions. It opens them, finds them, stops them, and says that it lives.

It holds no lock over all sessions while one decides. What it knows of the world are its ports.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
from obverse.guard.records import ProposedCall
from obverse.guard.session import Session
from obverse.guard.settings import Settings
from obverse.guard.suspended import decode
from obverse.guard.turn import CANARY
from obverse.guard.watch import Pace, Tampering
from obverse.guard.writing import Writer
from obverse.policy.ast import Boolean
from obverse.policy.checked import Checked
from obverse.policy.compiled.program import Program
from obverse.policy.compiled.session import CompiledMonitor

_LONGEST_ID: Final = 256
_SWEEP: Final = 1024
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
        plan, pace = Program(checked), None if steady is None else Pace(clock, steady, settings.clock_slack)
        self.checked = checked
        self.settings = settings
        self.never_allowed = never_allowed(checked, with_grants=grants is not None)
        self._parts = Parts(
            guard=fresh(16).hex(), checked=checked, watch=lambda: CompiledMonitor(checked, plan),
            again=lambda data: CompiledMonitor.restore(checked, data, plan), recorder=Recording(recorder, settings.port_seconds),
            clock=clock, steady=steady or clock, fresh=fresh, settings=settings, workers=Workers(_MOST_THREADS, "guard"),
            judging=None if judge is None else Judging(judge, checked, settings, steady or clock),
            people=people, grants=grants, orders=orders, pace=pace,
            judged=judge is not None and asks_judges(checked),
        )  # fmt: skip
        self._plan = plan
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._used: set[bytes] = set()
        self._most = _SWEEP
        self._write = Writer(fresh)
        self._start(files or {})

    # --- sessions -------------------------------------------------------------------------------------------------------

    def session(self, *, holder: str, id: str | None = None, facts: Mapping[str, Value] | None = None) -> Session:
        """A new session of this holder, who may have grants; `facts` are stated first.

        Raises:
            MisuseError: if there was a session of this id, or it is none.
            UnavailableError: if it needs a lease, and none can be given.
        """
        name = self._parts.name() if id is None else id
        if not 0 < len(name) <= _LONGEST_ID or not name.isprintable():
            raise MisuseError(f"an id of {len(name)} characters", code="G103", hint="1 to 256, all printable")
        session = Session(self._parts, session=name, holder=holder)
        self._enter(session, forget=id is None)  # one of ours cannot come twice
        self._begin(session)
        for fact, value in (facts or {}).items():
            session.fact(fact, value)
        return session

    def restore(self, data: bytes, *, digest: str) -> Session:
        """The session that `Session.suspend` wrote down, going on here. `digest` is the one that the ledger has.

        Raises:
            EvidenceError: these are other bytes.
            MisuseError: it was suspended under another policy, or goes on already.
            OSError: it could not be recorded; then it does not go on.
        """
        found = decode(data, digest=digest, policy=self.checked.digest)
        session = Session(self._parts, session=found.session, holder=found.holder)
        self._enter(session, forget=False)
        session.take_up(found, digest)
        self._begin(session, since=found.now)  # what was ordered meanwhile is meant for it
        return session

    def _enter(self, session: Session, *, forget: bool) -> None:
        """Among the sessions, if there was none of this id."""
        mark = hashlib.sha256(session.id.encode(errors="backslashreplace")).digest()[:16]
        with self._lock:
            if session.id in self._sessions or mark in self._used:
                raise MisuseError(f"there was a session `{session.id}`", code="G103", hint="an id is used once")
            if not forget:
                self._used.add(mark)
            self._sweep()
            self._sessions[session.id] = session

    def _begin(self, session: Session, since: int | None = None) -> None:
        """Whoever gives orders is told of the session, and gives it its first lease."""
        orders, seconds, now = self._parts.orders, self.settings.lease_seconds, self._parts.time()
        if orders is not None:
            until = None if seconds is None else now + round(seconds * 1000)
            begin = partial(orders.begin, session.id, session.holder, now=now if since is None else since, until=until)
            try:
                self._parts.bounded(begin, "the orders")
            except Exception:
                session.stop("guard", "nobody could be told that it began")
                raise

    def _sweep(self) -> None:
        """Sessions that have ended are forgotten, now and then."""
        if len(self._sessions) >= self._most:
            self._sessions = {
                name: one for name, one in self._sessions.items() if not one.left and one.state != "ended"
            }
            self._most = max(_SWEEP, 2 * len(self._sessions))

    def prepare(self) -> None:
        """Write all code of the policy now, so that no first call of a tool waits for its own."""
        self._plan.prepare()

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

    # --- that it lives, and is in the path ------------------------------------------------------------------------------

    def heartbeat(self) -> None:
        """The record that the guard lives, how many sessions are open, and what people granted or revoked meanwhile."""
        self._record("heartbeat", {"guard": self._parts.guard, "sessions": self.open_sessions})
        self._hear_of_grants()

    def canary(self, way: str, send: Callable[[ProposedCall], object] | None = None) -> bool:
        """Whether a call of a tool that nobody has, sent this way, came to a session of this guard and was denied there.

        `send` hands the call to the way, as an agent would; without it, it is proposed here. Either way it is on record.
        """
        nonce = self._parts.name()
        call = ProposedCall(call_id=f"canary-{nonce[:8]}", tool=CANARY, arguments=f'{{"nonce": "{nonce}"}}')
        self._parts.canaries[nonce] = False
        try:
            (self._send if send is None else send)(call)
        except Exception:  # boundary: a way that raises is one that may not have passed it on; that is recorded below
            passed = False
        else:
            passed = self._parts.canaries[nonce]
        del self._parts.canaries[nonce]
        self._record("canary", {"guard": self._parts.guard, "way": way, "passed": passed})
        return passed

    def _send(self, call: ProposedCall) -> None:
        with self.session(holder=CANARY) as session:
            session.propose([call])

    def tampered(self, found: Sequence[Tampering]) -> None:
        """Tampering: on record, a fact of every open session, and the end of them if the settings say so."""
        now = self._parts.time()
        items = [
            self._write.item(
                "tampering", now, {"guard": self._parts.guard, "what": one.what}, {"detail": one.detail.encode()}
            )
            for one in found
        ]
        try:
            self._parts.recorder.record(items)
        finally:
            for session in self._all():
                for what in dict.fromkeys(one.what for one in found):
                    session.tampered(what)

    def look(self) -> None:
        """Lets each open session follow its orders, though it proposes nothing."""
        for session in self._all():
            session.look()

    @property
    def open_sessions(self) -> int:
        """How many sessions are open."""
        return sum(session.state == "open" for session in self._all())

    def close(self) -> None:
        """Every session ended, and the end recorded."""
        with ThreadPoolExecutor(_MOST_THREADS) as pool:  # together, so that few writes are enough
            list(pool.map(Session.end, self._all()))
        self._record("stop", {"guard": self._parts.guard, "sessions": 0, "why": "closed"})

    def _all(self) -> list[Session]:
        with self._lock:
            return list(self._sessions.values())

    def _hear_of_grants(self) -> None:
        """Grants and revocations go on record as soon as the guard hears of them; a use brings its own along (L13)."""
        grants = self._parts.grants
        news = () if grants is None else grants.news(self._parts.time())
        if grants is not None and news:
            self._parts.recorder.record(news)
            grants.noted(news)

    def _start(self, files: Mapping[str, bytes]) -> None:
        now, checked = self._parts.time(), self.checked
        start = {
            "guard": self._parts.guard, "version": VERSION, "policy": checked.digest, "settings": self.settings.plain(),
        }  # fmt: skip
        load = {"policy": checked.digest, "name": checked.name, "version": checked.version, "files": list(files)}
        payloads = {f"file.{number}": data for number, data in enumerate(files.values())}
        self._parts.recorder.record(
            [self._write.item("start", now, start), self._write.item("policy", now, load, payloads)]
        )

    def _record(self, kind: str, body: Mapping[str, Value]) -> None:
        self._parts.recorder.record([self._write.item(kind, self._parts.time(), body)])


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
