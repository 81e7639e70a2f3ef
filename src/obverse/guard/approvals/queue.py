"""The queue between a guard that asks and people who answer, in one database that several processes share.

    (1) A guard counts only answers to requests that it asked itself, and compares them with its own copy: who changes the
        database changes what is shown, and thereby makes the answer void (L14).
    (2) A signature is checked when it is given and again each time that it is counted, against the keys in force just then.
    (3) A request is closed once. Who finds it closed does not get to use its approvals.
    (4) Nobody decides on what they asked for themselves, and one person is one, however many keys they have.

Agents have no way in: whatever is put here is signed by a person, or does not count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from obverse.core.errors import EvidenceError, MisuseError, UnavailableError
from obverse.guard.approvals.asked import Asked, asked_of, clause_fields, plain, read_json, row_of
from obverse.guard.approvals.canaries import MARK_SIZE, Canaries
from obverse.guard.approvals.exact import shows
from obverse.guard.approvals.measures import Measured
from obverse.guard.approvals.statement import KIND, check_bound
from obverse.guard.approvals.store import Store
from obverse.guard.people import Person
from obverse.guard.ports import Clock, Fresh
from obverse.guard.records import Request, Said
from obverse.guard.signing import Attested, Signed, check, read_envelope, read_statement
from obverse.policy.ast import Clause
from obverse.policy.looks import shape

LONGEST: Final = 1_000_000
"""Characters of what is asked about: nobody reads more, so nobody can approve it."""
_POLL: Final = 0.05
_MOST_EARLIER: Final = 5

Preview: TypeAlias = Callable[[Request, Mapping[str, Any]], str | None]
"""What a grant in place of this approval would newly allow, in prose, where that can be said."""


class Queue:
    """Implements `ports.People`. The guard that asks and each process that answers has one of its own on the same database."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        people: Callable[[], Mapping[str, Person]],
        clock: Clock,
        fresh: Fresh,
        clauses: Sequence[Clause] = (),
        preview: Preview | None = None,
        canaries: Canaries | None = None,
        own: bool = False,
    ) -> None:
        """`people` reads the keys in force; `own` lets a holder approve what their own session asks."""
        self._store = Store(engine)
        self._people = people
        self._clock = clock
        self._fresh = fresh
        self._clauses = {clause.id: clause for clause in clauses}
        self._preview = preview
        self._canaries = canaries
        self._own = own
        self._asked: dict[str, Asked] = {}
        self._counted: dict[str, int] = {}
        self._stirred = threading.Condition()

    # --- the guard's side: `ports.People` -------------------------------------------------------------------------------

    def ask(self, request: Request, shown: Mapping[str, object]) -> None:
        """Put the request where people see it, with what they are shown beside it.

        Raises:
            MisuseError: what would be shown is not what the digest stands for, or is longer than anybody reads.
            UnavailableError: the database refuses.
        """
        if len(request.arguments) > LONGEST:
            raise MisuseError(f"a request of {len(request.arguments):,} characters", code="G222")
        if not shows(request.tool, request.arguments, request.digest):
            raise MisuseError("a request that shows something else than its digest stands for", code="G222")
        beside = self._beside(request, shown)
        rows = [row_of(request, beside, self._fresh(MARK_SIZE)), *self._drawn(request, beside)]
        self._store.put(rows)
        self._asked[request.id] = asked_of(request, beside)

    def answers(self, request: str) -> tuple[Said, ...]:
        """What was said to the request by whom, each checked just now; nothing once it is closed, or if it is not ours."""
        return tuple(said for said in self._weighed(request) if isinstance(said, Said))

    def void(self, request: str) -> tuple[str, ...]:
        """Why other answers in the database do not count: a sign that somebody tampers with it, or was removed."""
        return tuple(str(said) for said in self._weighed(request) if not isinstance(said, Said))

    def wait(self, request: str, seconds: float) -> None:
        """Returns when something new was said to the request, or it was closed, or after this long."""
        left = seconds
        while left > 0 and self._store.news(request) <= self._counted.get(request, 0):
            with self._stirred:
                self._stirred.wait(min(_POLL, left))
            left -= _POLL

    def close(self, request: str, why: str) -> None:
        """Nobody need answer any more.

        Raises:
            EvidenceError: it is closed to be `used`, and was closed before, or is none that this guard asked.
            UnavailableError: the database refuses.
        """
        ours = self._asked.pop(request, None) is not None
        self._counted.pop(request, None)
        ended = self._store.end(request, why, self._clock())  # (3) one of two that race ends it
        if why == "used" and not ended:
            raise EvidenceError("the request was closed before", code="G223")
        if why == "used" and not ours:
            raise EvidenceError("the request is none of this guard's", code="G223")
        self._stir()

    def begin(self) -> int:
        """How many requests of an earlier life of the guard were open; they are closed now, since nobody waits for them."""
        ids = [asked.request.id for asked in self.waiting() if asked.request.id not in self._asked]
        for name in ids:
            self.close(name, "stopped")
        return len(ids)

    # --- the side of people ---------------------------------------------------------------------------------------------

    def waiting(self) -> tuple[Asked, ...]:
        """The requests that can still be answered, the one that ends first at the head."""
        return self._store.waiting(self._clock())

    def past(self, most: int) -> tuple[Asked, ...]:
        """The newest requests that can no longer be answered, the newest first; at most so many."""
        return self._store.past(self._clock(), most)

    def pulse(self) -> tuple[int, int, int, int]:
        """How many requests, answers and ends there are, and how many requests wait: these change with any news."""
        return self._store.pulse(self._clock())

    def find(self, name: str) -> Asked:
        """The request of this id, or the one whose id begins so.

        Raises:
            MisuseError: there is none, or there are several.
        """
        found = self._store.named(name)
        if len(found) != 1:
            what = "several requests begin" if found else "no request begins"
            raise MisuseError(f"{what} with `{name[:80]}`", code="G224", hint="`obverse inbox DIR` lists what waits")
        return found[0]

    def view(self, request: str, by: str) -> None:
        """Somebody looked at the whole request; the first time counts."""
        self._store.view(request, by, self._clock())

    def submit(self, signed: Signed) -> Said:
        """What was said, once it is in the queue.

        Raises:
            EvidenceError: the signature is wrong, or it does not answer an open request as it lies here.
            MisuseError: this person gave this answer before.
            UnavailableError: the database refuses, or a passkey signed and py_webauthn is not installed.
        """
        now = self._clock()
        asked = self.find(str(read_statement(signed.payload, KIND).get("request", "")))
        if asked.closed is not None:
            raise EvidenceError(f"the request is closed: {asked.closed}", code="G225")
        said, attested = self._counts(asked, signed, now, counter=self._store.counter(signed.key))
        self._store.say(said, attested, now)
        self._stir()
        return said

    def said(self, request: str) -> tuple[tuple[str, str], ...]:
        """Who said what so far, for people to see: name and answer. Not checked; the guard counts by `answers`."""
        return self._store.said(request)

    def seeded(self, asked: Asked) -> str | None:
        """Why this request had to be rejected, if it was a seeded one; to be told after the answer, never before."""
        mark = None if self._canaries is None else self._store.mark(asked.request.id)
        return None if self._canaries is None or mark is None else self._canaries.why(asked.request, mark)

    def measured(self) -> Measured:
        """What the queue saw of its reviewers so far."""
        return self._store.measured(self._canaries, self._clock())

    # --- what counts ----------------------------------------------------------------------------------------------------

    def _weighed(self, request: str) -> Iterator[Said | EvidenceError]:
        """(1) Each answer that lies in the database, or why it does not count."""
        asked = self._asked.get(request)
        if asked is None:
            return
        given = self._store.envelopes(request)
        self._counted[request] = len(given)
        if not given or self._store.is_closed(request):
            return
        now = self._clock()
        for envelope in given:
            try:
                signed = read_envelope(read_json(envelope))
                yield self._counts(asked, signed, now, counter=None)[0]
            except (EvidenceError, UnavailableError) as error:
                yield error if isinstance(error, EvidenceError) else EvidenceError(error.message, code=error.code)

    def _counts(self, asked: Asked, signed: Signed, now: int, *, counter: int | None) -> tuple[Said, Attested]:
        """(2) The answer, if its signature is right and it is one to this request and page, by somebody who may."""
        attested = check(signed, self._people(), kind=KIND, role="approve", at=now, counter=counter)
        answer = check_bound(attested.statement, asked.request, asked.page.digest, now=now)
        if not self._own and answer == "approve" and _same_person(attested.by, asked.shown.get("holder")):  # (4)
            raise EvidenceError(f"`{attested.by}` holds the session and cannot approve its steps", code="G227")
        time = int(attested.statement["time"])
        said = Said(request=asked.request.id, by=attested.by, answer=answer, time=time, signature=signed.envelope)
        return said, attested

    def _drawn(self, request: Request, beside: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Perhaps the row of a seeded request, with what the queue knows of its clauses and of earlier answers to it."""
        drawn = self._canaries.draw(request, beside, self._fresh) if self._canaries is not None else None
        if drawn is not None and self._canaries is not None:
            seeded, shown = drawn
            yield row_of(seeded, plain({**shown, **self._known(seeded)}), self._canaries.mark(seeded.id))

    def _known(self, request: Request) -> dict[str, object]:
        clauses = [self._clauses[name] for name in request.clauses if name in self._clauses]
        return {"clauses": [clause_fields(one) for one in clauses], "earlier": self._earlier(request)}

    def _beside(self, request: Request, shown: Mapping[str, object]) -> dict[str, Any]:
        """What is shown beside the request: what the session gave, and what the queue knows of clauses and earlier answers."""
        beside = {**shown, **self._known(request)}
        if self._preview is not None:
            try:
                beside["newly"] = self._preview(request, beside)
            except Exception as error:  # boundary: a help to decide is no condition for asking; its failure is shown
                beside["newly"] = f"not known: {type(error).__name__}"
        return plain(beside)

    def _earlier(self, request: Request) -> list[dict[str, Any]]:
        """What people answered when exactly this was asked before (need R4); only what they signed."""
        found = []
        for envelope, received in self._store.said_of(request.digest, _MOST_EARLIER):
            try:
                signed = read_envelope(read_json(envelope))
                attested = check(signed, self._people(), kind=KIND, role="approve", at=received)
            except (EvidenceError, UnavailableError):
                continue
            if attested.statement.get("digest") == request.digest:
                answer = "approved" if attested.statement.get("answer") == "approve" else "rejected"
                found.append({"answer": answer, "by": attested.by, "time": attested.statement.get("time")})
        return found

    def _stir(self) -> None:
        with self._stirred:
            self._stirred.notify_all()


def _same_person(by: str, holder: object) -> bool:
    """Whether the holder's name, or a part of it, is theirs: a proxy for many names a session `app/ana`."""
    if not isinstance(holder, str):
        return False
    return any(shape(by) == shape(part.strip()) for part in (holder, *holder.split("/")))
