"""The register: which grants there are, how often each was used, which are revoked. Two tables of the guard's database.

A use is counted by one transaction over the grant and all that it was derived from, whatever number of sessions and processes ask at
once: the count never passes what was signed (L12). What was signed is read from the signed bytes each time; the other columns of
the table only find them, so a line changed there can hide a grant and never widen one. Not protected is the count itself: whoever
may write the file may turn it back, and a revocation with it, once no guard runs that saw it; then the ledger shows more uses than
were granted, or uses after a revocation.

A use that was counted and could not be recorded stays counted: a grant may be worth less than it says, never more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec
import sqlalchemy as sa

from obverse.core.errors import EvidenceError, MisuseError
from obverse.core.events import AnyEvent, Step
from obverse.guard.database import connect, naming
from obverse.guard.grants.statements import (
    Link,
    Revocation,
    Signatures,
    check_chain,
    check_revocation,
    envelope_bytes,
    in_force,
    read_link,
    read_revocation,
    read_signed,
)
from obverse.guard.people import Person
from obverse.guard.ports import Fresh, Item
from obverse.guard.signing import Signed
from obverse.guard.writing import Writer
from obverse.policy.checked import Checked
from obverse.policy.decision import Decision
from obverse.policy.grants import DEEPEST_CHAIN, Grant, InForce, Scope, check_grant, read_scope
from obverse.policy.relax import Relaxed, can_be_lifted, relax

State: TypeAlias = Literal["in force", "not yet", "expired", "used up", "revoked", "void"]

_tables = sa.MetaData()
_grants = sa.Table(
    "grants",
    _tables,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("parent", sa.String),
    sa.Column("holder", sa.String, nullable=False, index=True),
    sa.Column("not_after", sa.BigInteger, nullable=False),
    sa.Column("added", sa.BigInteger, nullable=False),
    sa.Column("used", sa.Integer, nullable=False, default=0),
    sa.Column("statement", sa.LargeBinary, nullable=False),
    sa.Column("revoked", sa.BigInteger),
    sa.Column("revocation", sa.LargeBinary),
    sa.Column("told", sa.Integer, nullable=False, default=0),
)
_uses = sa.Table(
    "grant_uses",
    _tables,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("grant", sa.String, nullable=False, index=True),
    sa.Column("session", sa.String, nullable=False),
    sa.Column("step", sa.String, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
)
_LEAST_PREFIX: Final = 6


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One use that was counted."""

    session: str
    step: str
    time: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A grant in the register: how it stands, and why it is not in force."""

    id: str
    grant: Grant
    state: State
    used: int
    left: int
    why: str | None = None
    revoked: Revocation | None = None


class Register:
    """The grants of one guard, under one policy. Safe to use from many threads and processes at once.

    `people` gives who may sign what just now. A `people` that raises lets nothing be lifted (L16).
    """

    def __init__(
        self, where: Path | str, checked: Checked, people: Callable[[], Mapping[str, Person]], *, fresh: Fresh
    ) -> None:
        self._checked = checked
        self._people = people
        self._fresh = fresh
        self._where = where
        self._engine = connect(where, _tables)
        self._signatures = Signatures()
        self._links: dict[str, Link] = {}
        self._scopes: dict[str, Scope] = {}
        with naming(where), self._engine.connect() as connection:
            latest = connection.execute(sa.select(sa.func.max(_uses.c.time))).scalar()
            self._latest: int = latest if type(latest) is int else 0
        self._seen: dict[str, tuple[int, int | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._engine.dispose()

    # --- what a session asks (`ports.Grants`) ---------------------------------------------------------------------------

    def lift(
        self,
        decision: Decision,
        history: Sequence[AnyEvent],
        step: Step,
        *,
        session: str,
        holder: str,
        now: int,
        taken: Sequence[str] = (),
    ) -> Relaxed:
        """The decision without the reasons that grants of this holder lift, the one that ends first before others."""
        del session  # a grant is for a holder, in whichever session
        clauses = frozenset(reason.clause for reason in decision.reasons if can_be_lifted(self._checked, reason))
        if not clauses:
            return Relaxed(decision=decision)
        grants = self.of(holder, now, clauses=clauses, taken=taken)
        return relax(self._checked, decision, grants, history, step)

    def use(self, grants: Sequence[str], *, session: str, step: str, now: int) -> tuple[Item, ...]:
        """Counts one use of each of these and of all that they were derived from, all or none; what to record of it.

        A grant that is named twice is used twice. What is recorded holds the signed statements, so that it can be replayed.

        Raises:
            EvidenceError: one of them is used up, revoked, expired or void by now; none was counted.
            UnavailableError: the register could not be read or written; none was counted.
        """
        at, people = self._time(now), self._people()
        with naming(self._where):
            chains = [self._rows(name) for name in grants]
            for chain in chains:
                self._holds(chain, people, at)
            left = self._count([link for chain in chains for link in _links(chain)], session, step, at)
        writer, items, told = Writer(self._fresh, session), list[Item](), set[str]()
        for chain in chains:
            for row in reversed(chain):
                if row.link.id not in told and not row.told:
                    items.append(_given(writer, row.link, now))
                told.add(row.link.id)
            for link in _links(chain):
                body = {
                    "grant": link.id,
                    "step": step,
                    "left": left[link.id],
                    "for": chain[0].link.id,
                }
                items.append(writer.item("grant use", now, body))
        return tuple(items)

    def of(
        self, holder: str, now: int, *, clauses: frozenset[str] | None = None, taken: Sequence[str] = ()
    ) -> tuple[InForce, ...]:
        """The grants of this holder, of some of these clauses, that are in force now and have a use left beside those `taken`."""
        at = self._time(now)
        wanted = (_grants.c.holder == holder) & _grants.c.revoked.is_(None) & (_grants.c.not_after > at)
        found = sa.select(_grants).where(wanted).order_by(_grants.c.not_after, _grants.c.added, _grants.c.id)
        with naming(self._where), self._engine.connect() as connection:
            rows = connection.execute(found).all()
            chains = [chain for row in rows if (chain := self._held_by(connection, row, holder, clauses))]
            uses = Counter(link.id for one in taken for link in _links(self._climb(connection, one)))
        left = [chain for chain in chains if all(row.left > uses[row.link.id] for row in chain)]
        try:
            people = self._people() if left else {}
        except EvidenceError:
            return ()  # nobody counts, so nothing is lifted (L16)
        return tuple(grant for chain in left if (grant := self._if_holds(chain, people, at)) is not None)

    def _held_by(
        self, connection: sa.Connection, row: sa.Row[Any], holder: str, clauses: frozenset[str] | None
    ) -> tuple[_Row, ...]:
        """The chain of this row, if it is what its id says and this holder's, whatever the table says; else nothing."""
        try:
            own = self._read(row)
            fits = clauses is None or not clauses.isdisjoint(own.link.grant.clauses)
            if own.link.grant.holder != holder or not fits:
                return ()
            return (own, *(self._climb(connection, own.link.grant.parent) if own.link.grant.parent else ()))
        except EvidenceError:
            return ()

    def _if_holds(self, chain: Sequence[_Row], people: Mapping[str, Person], at: int) -> InForce | None:
        try:
            return self._holds(chain, people, at)
        except EvidenceError:
            return None  # `held` says why

    # --- what people do -------------------------------------------------------------------------------------------------

    def add(self, signed: Signed, now: int) -> Held:
        """Puts a signed grant in force.

        Raises:
            EvidenceError: its signature, or its chain, does not count.
            MisuseError: it means nothing in this policy, or is there already.
        """
        link, people, at = read_link(signed), self._people(), self._time(now)
        grant, known = link.grant, self.known()
        if grant.id in known:
            raise MisuseError("the grant is in the register already", code="G320")
        if grant.parent is not None and grant.parent not in known:
            raise EvidenceError("the grant that it was derived from is not in the register", code="G311")
        above = self._rows(grant.parent) if grant.parent is not None else ()
        self._standing(above, at)
        chain = (link, *_links(above))
        if at >= grant.not_after:
            raise MisuseError("the grant is expired already", code="G313")
        check_chain(chain, people, at)
        check_grant(self._checked, grant, people[chain[-1].grant.by].levels)
        in_force(self._checked, chain, people, max(at, *(one.grant.not_before for one in chain)))
        row = {
            "id": grant.id, "parent": grant.parent, "holder": grant.holder, "not_after": grant.not_after,
            "added": at, "used": 0, "statement": envelope_bytes(signed), "told": 0,
        }  # fmt: skip
        with naming(self._where), self._engine.begin() as connection:
            connection.execute(sa.insert(_grants), row)
        return self.held(grant.id, now)

    def revoke(self, signed: Signed, grant: str, now: int) -> Held:
        """Takes a grant, and all that was derived from it, out of force.

        Raises:
            EvidenceError: the revocation is by nobody who may revoke it.
        """
        at = self._time(now)
        check_revocation(signed, _links(self._rows(grant)), self._people(), at)
        change = sa.update(_grants).where((_grants.c.id == grant) & _grants.c.revoked.is_(None))
        with naming(self._where), self._engine.begin() as connection:
            connection.execute(change.values(revoked=at, revocation=envelope_bytes(signed)))
        return self.held(grant, now)

    def known(self) -> tuple[str, ...]:
        """The ids of all grants that were ever put in force, oldest first."""
        with naming(self._where), self._engine.connect() as connection:
            found = connection.execute(sa.select(_grants.c.id).order_by(_grants.c.added, _grants.c.id)).scalars()
            return tuple(name for name in found if isinstance(name, str))

    def find(self, beginning: str) -> str:
        """The id that begins so.

        Raises:
            MisuseError: none does, or several do.
        """
        wanted = beginning.removeprefix("sha256:")
        found = [name for name in self.known() if len(wanted) >= _LEAST_PREFIX and name[7:].startswith(wanted)]
        if len(found) != 1:
            several = "several grants begin with" if found else "no grant begins with"
            raise MisuseError(f"{several} `{beginning[:80]}`", code="G321", hint="`obverse grant list` shows them")
        return found[0]

    def held(self, name: str, now: int) -> Held:
        """How a grant stands."""
        chain, at = self._rows(name), self._time(now)
        grant, own = chain[0].link.grant, chain[0]
        state, why = self._state(chain, at)
        return Held(
            id=name,
            grant=grant,
            state=state,
            used=own.used,
            left=0 if state in ("expired", "revoked", "void") else min(max(0, row.left) for row in chain),
            why=why,
            revoked=None if own.revocation is None else read_revocation(read_signed(own.revocation)),
        )

    def chain(self, name: str) -> tuple[Link, ...]:
        """The grant and all that it was derived from, root last."""
        return _links(self._rows(name))

    def uses(self, name: str) -> tuple[Use, ...]:
        """The uses that were counted, in order."""
        columns = sa.select(_uses.c.session, _uses.c.step, _uses.c.time).where(_uses.c.grant == name)
        with naming(self._where), self._engine.connect() as connection:
            rows = connection.execute(columns.order_by(_uses.c.number))
            return tuple(Use(session=row.session, step=row.step, time=row.time) for row in rows)

    # --- what the ledger has not heard yet ------------------------------------------------------------------------------

    def news(self, now: int) -> tuple[Item, ...]:
        """What to record of grants and revocations that were put in force since `noted` was last said."""
        writer, items = Writer(self._fresh), list[Item]()
        for row in self._untold():
            if not row.told:
                items.append(_given(writer, row.link, now))
            if row.revocation is not None and row.told < _TOLD_ALL:
                grant = row.link.grant
                by = read_revocation(read_signed(row.revocation)).by
                body = {**_shown(grant), "by": by, "revoked": row.revoked}
                items.append(writer.item("revocation", now, body, {"statement": row.revocation}))
        return tuple(items)

    def noted(self, items: Sequence[Item]) -> None:
        """These are in the ledger now."""
        with naming(self._where), self._engine.begin() as connection:
            for entry, _ in items:
                told = _TOLD_ALL if entry.type == "grant.revoke" else 1
                change = sa.update(_grants).where((_grants.c.id == entry.body["grant"]) & (_grants.c.told < told))
                connection.execute(change.values(told=told))

    # --- rows -----------------------------------------------------------------------------------------------------------

    def _rows(self, name: str) -> tuple[_Row, ...]:
        """The row of a grant and of all above it, root last.

        Raises:
            EvidenceError: one of them is not there, or not what its id says.
        """
        with naming(self._where), self._engine.connect() as connection:
            return self._climb(connection, name)

    def _climb(self, connection: sa.Connection, name: str) -> tuple[_Row, ...]:
        """The same, on this connection."""
        found: list[_Row] = []
        wanted: str | None = name
        while wanted is not None:
            row = connection.execute(sa.select(_grants).where(_grants.c.id == wanted)).one_or_none()
            if row is None or len(found) >= DEEPEST_CHAIN:
                raise EvidenceError("a grant that is not in the register", code="G311")
            found.append(self._read(row))
            wanted = found[-1].link.grant.parent
        return tuple(found)

    def _untold(self) -> list[_Row]:
        behind = (_grants.c.told == 0) | (_grants.c.revocation.is_not(None) & (_grants.c.told < _TOLD_ALL))
        with naming(self._where), self._engine.connect() as connection:
            rows = connection.execute(sa.select(_grants).where(behind).order_by(_grants.c.added, _grants.c.id)).all()
        return [read for row in rows if (read := self._if_read(row)) is not None]

    def _if_read(self, row: sa.Row[Any]) -> _Row | None:
        """The row; none where somebody broke it, which keeps no other from being told."""
        try:
            read = self._read(row)
            if read.revocation is not None:
                read_revocation(read_signed(read.revocation))
        except EvidenceError:
            return None
        return read

    def _read(self, row: sa.Row[Any]) -> _Row:
        link = self._links.get(row.id)
        if link is None:
            link = read_link(read_signed(row.statement))
            if link.id != row.id:
                raise EvidenceError("a grant that is not what its id says", code="G311")
            self._links[row.id] = link
        if type(row.used) is not int or row.used < 0 or type(row.told) is not int:
            raise EvidenceError("a count that is none", code="G311")
        most, revoked = self._seen.get(row.id, (0, None))  # what was seen holds, though somebody turns the row back
        used, revoked = max(most, row.used), revoked if row.revoked is None else row.revoked
        self._seen[row.id] = used, revoked
        return _Row(link=link, used=used, revoked=revoked, revocation=row.revocation, told=row.told)

    def _holds(self, chain: Sequence[_Row], people: Mapping[str, Person], at: int) -> InForce:
        """What this chain lets be lifted now, uses and revocations included."""
        self._standing(chain, at)
        for row in chain:
            text = row.link.grant.scope
            if text not in self._scopes and row.link.grant.policy == self._checked.digest:
                self._scopes[text] = read_scope(self._checked, text)
        return in_force(self._checked, _links(chain), people, at, signatures=self._signatures, scopes=self._scopes)

    def _standing(self, chain: Sequence[_Row], at: int) -> None:
        for row in chain:
            if row.revoked is not None:
                raise EvidenceError("the grant was revoked", code="G316")
            if row.left <= 0:
                raise EvidenceError("the grant is used up", code="G317")

    def _state(self, chain: Sequence[_Row], at: int) -> tuple[State, str | None]:
        if any(row.revoked is not None for row in chain):
            return "revoked", None if chain[0].revoked is not None else "the one that it was derived from was revoked"
        if any(at >= row.link.grant.not_after for row in chain):
            return "expired", None
        if any(row.left <= 0 for row in chain):
            return "used up", None if chain[0].left <= 0 else "the one that it was derived from is used up"
        try:
            self._holds(chain, self._people(), at)
        except EvidenceError as error:
            return ("not yet" if at < max(row.link.grant.not_before for row in chain) else "void"), error.message
        return "in force", None

    def _count(self, links: Sequence[Link], session: str, step: str, at: int) -> dict[str, int]:
        """Counts one use of each, in one transaction; what is left of each then."""
        left: dict[str, int] = {}
        with self._engine.begin() as connection:
            for link in sorted(links, key=lambda link: link.id):  # in one order, so that two never wait for each other
                name, most = link.id, link.grant.uses
                open_ = (_grants.c.id == name) & (_grants.c.used < most) & _grants.c.revoked.is_(None)
                counted = connection.execute(
                    sa.update(_grants).where(open_).values(used=_grants.c.used + 1).returning(_grants.c.used)
                ).scalar()
                if counted is None:
                    raise EvidenceError("the grant is used up, or was revoked", code="G317")
                left[name] = most - counted
                row = {"grant": name, "session": session, "step": step, "time": at}
                connection.execute(sa.insert(_uses), row)
        return left

    def _time(self, now: int) -> int:
        """A time that never goes back: a grant that ended does not begin again with the clock."""
        self._latest = max(self._latest, now)
        return self._latest


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """A grant as it stands in the register."""

    link: Link
    used: int
    revoked: int | None
    revocation: bytes | None
    told: int

    @property
    def left(self) -> int:
        return self.link.grant.uses - self.used


_TOLD_ALL: Final = 2


def _links(chain: Sequence[_Row]) -> tuple[Link, ...]:
    return tuple(row.link for row in chain)


def _given(writer: Writer, link: Link, now: int) -> Item:
    return writer.item("grant", now, _shown(link.grant), {"statement": envelope_bytes(link.signed)})


def _shown(grant: Grant) -> dict[str, Any]:
    """What stands in the open of a grant; its purpose and scope are in the statement, which can be erased."""
    return {
        "grant": grant.id,
        "by": grant.by,
        "holder": grant.holder,
        "clauses": grant.clauses,
        "not_after": grant.not_after,
        "uses": grant.uses,
        "parent": grant.parent,
    }
