"""What allowed an act that the policy alone did not allow: approvals and grants, checked from the ledger.

    (1) a request is what the guard asked, on the history of then
    (2) an approval is a statement about exactly that request, signed by somebody who may approve, before it expired
    (3) it is used once, for the call that it names
    (4) a grant is a chain of statements that was in force, covers the step, and is used no oftener than it says

Signatures are checked by the keys that the reader gives: those in the ledger would prove nothing. Without keys (2) and (4) are not
checked, and that is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from obverse.core.errors import EvidenceError, UnavailableError
from obverse.core.events import AnyEvent, Approval, Step
from obverse.core.verdicts import Verdict
from obverse.guard.approvals.statement import KIND, check_bound
from obverse.guard.grants.statements import Link, in_force, read_link, read_signed
from obverse.guard.people import Person
from obverse.guard.records import ENTRY, Request
from obverse.guard.signing import Attested, check, read_envelope
from obverse.guard.tally import Tally
from obverse.ledger.contents import Item
from obverse.policy.checked import Checked
from obverse.policy.decision import Decision
from obverse.policy.relax import relax


class _Asked(msgspec.Struct):
    """A request that is open, who has approved it, and who was counted already."""

    request: Request | None
    digest: str
    expires: int
    approved: set[str]
    counted: set[str]


class Warrants:
    """Requests, approvals and grants under way."""

    def __init__(self, people: Mapping[str, Person] | None, tally: Tally) -> None:
        self.people = people
        self.tally = tally
        self._asked: dict[str, dict[str, _Asked]] = {}
        self._grants: dict[str, Link] = {}
        self._revoked: dict[str, int] = {}
        self._uses: dict[str, int] = {}
        self._used: dict[str, set[tuple[str, str]]] = {}

    def end(self) -> None:
        """The log was read: no grant was used oftener than it says."""
        for name, count in self._uses.items():
            link = self._grants.get(name)
            if link is not None and count > link.grant.uses:
                self.tally.fault(0, f"the grant `{name[:23]}…` was used {count} times, and allows {link.grant.uses}")

    # --- approvals ------------------------------------------------------------------------------------------------------

    def asked(self, item: Item, *, session: str, head: str, policy: str) -> None:
        """(1) People were asked."""
        body = item.entry.body
        name, data = str(body["request"]), item.payloads.get("request")
        open_ = self._asked.setdefault(session, {})
        if name in open_:
            raise EvidenceError("a request of this id was there before", code="G175")
        if body["head"] != head or body["policy"] != policy:
            raise EvidenceError("a request about another history, or another policy", code="G175")
        request = None if data is None else _request(data)
        if request is None:
            self.tally.erased(item.index, "a request")
        elif (
            request.id, request.session, request.digest, request.head, request.policy, request.people, request.expires,
        ) != (name, session, body["call"], body["head"], body["policy"], body["people"], body["expires"]):  # fmt: skip
            raise EvidenceError("the request is not the one that the entry names", code="G175")
        open_[name] = _Asked(
            request=request, digest=str(body["call"]), expires=int(body["expires"]), approved=set(), counted=set()
        )

    def answered(self, item: Item, *, session: str) -> None:
        """(2) Somebody answered."""
        body = item.entry.body
        asked = self._asked.get(session, {}).get(str(body["request"]))
        if asked is None:
            raise EvidenceError("an answer to no open request", code="G175")
        self.tally.approvals += 1
        by = self._signer(item, asked)
        if body["answer"] == "approve":
            asked.approved.add(by)

    def _signer(self, item: Item, asked: _Asked) -> str:
        """Who signed the answer."""
        entry = item.entry
        data = item.payloads.get("statement")
        if data is None or asked.request is None:
            self.tally.erased(item.index, "an answer, or what it answers,")
            return str(entry.body["by"])
        signed = read_envelope(json.loads(data))
        statement = json.loads(signed.payload)
        in_time = min(
            entry.time, asked.request.expires - 1
        )  # one that came too late to count may stand here; `counts` asks
        answer = check_bound(statement, asked.request, str(statement.get("page")), now=in_time)
        if answer != entry.body["answer"] or statement["by"] != entry.body["by"]:
            raise EvidenceError("the answer is not the one that was signed", code="G175")
        if self.people is None:
            self.tally.unchecked("answers of people: no keys of people were given")
            return str(statement["by"])
        return self._attested(item, signed).by

    def _attested(self, item: Item, signed: Any) -> Attested:
        try:
            return check(signed, self.people or {}, kind=KIND, role="approve", at=item.entry.time)
        except UnavailableError as error:
            self.tally.unchecked(f"answers by passkeys: {error.message}")
            statement = json.loads(signed.payload)
            return Attested(statement=statement, by=str(statement["by"]), key=signed.key)

    def counts(self, item: Item, event: Approval, *, session: str) -> None:
        """(3) An approval that stands in a history was given, for this call, and is used once."""
        for asked in self._asked.get(session, {}).values():
            if asked.digest == event.call and event.by in asked.approved - asked.counted:
                if item.entry.time >= asked.expires:
                    raise EvidenceError("an approval that was used when it was expired", code="G175")
                asked.counted.add(event.by)
                return
        raise EvidenceError(f"`{event.by[:80]}` approved no such call, or it was used", code="G175")

    def ended(self, item: Item, *, session: str) -> None:
        """Nobody need answer a request any more: what was said to it counts for nothing, unless it is used just now."""
        if item.entry.body["why"] != "used":
            self._asked.get(session, {}).pop(str(item.entry.body["request"]), None)

    def forget(self, session: str) -> None:
        """The session is over: nothing that was said in it counts any more."""
        self._asked.pop(session, None)
        self._used.pop(session, None)

    # --- grants ---------------------------------------------------------------------------------------------------------

    def take(self, item: Item) -> None:
        """A grant that was put in force, or revoked."""
        name = str(item.entry.body["grant"])
        if item.entry.type == ENTRY["revocation"]:
            self._revoked.setdefault(name, int(item.entry.body["revoked"]))
            return
        data = item.payloads.get("statement")
        if data is None:
            self.tally.erased(item.index, "a grant")
            return
        link = read_link(read_signed(data))
        if link.grant.id != name:
            raise EvidenceError("the grant is not the one that the entry names", code="G176")
        self._grants[name] = link

    def used(self, item: Item, *, session: str) -> None:
        """A use of a grant was counted."""
        name = str(item.entry.body["grant"])
        if item.entry.time > self._revoked.get(name, item.entry.time):  # what was counted before may be recorded after
            raise EvidenceError("a grant was used after it was revoked", code="G176")
        self.tally.grant_uses += 1
        self._uses[name] = self._uses.get(name, 0) + 1
        self._used.setdefault(session, set()).add((str(item.entry.body["step"]), name))

    def lifted(
        self,
        item: Item,
        names: Sequence[str],
        checked: Checked,
        decision: Decision,
        history: Sequence[AnyEvent],
        step: Step,
        *,
        session: str,
        holder: str,
    ) -> Verdict:
        """(4) The verdict that is left after these grants.

        Raises:
            EvidenceError: if one of them does not count.
        """
        chains = [self._chain(name) for name in names]
        for chain in chains:
            if chain[0].grant.holder != holder:
                raise EvidenceError("a grant of somebody else", code="G176")
            if item.entry.body["permit"] is not None and not all(
                (step.event.id, link.grant.id) in self._used.get(session, ()) for link in chain
            ):
                raise EvidenceError("a grant that was used and not counted", code="G176")
        if self.people is None:
            self.tally.unchecked("uses of grants: no keys of people were given")
            return Verdict.ALLOW
        try:
            force = [in_force(checked, chain, self.people, item.entry.time) for chain in chains]
        except UnavailableError as error:
            self.tally.unchecked(f"uses of grants: {error.message}")
            return Verdict.ALLOW
        return relax(checked, decision, force, history, step).decision.verdict

    def _chain(self, name: str) -> tuple[Link, ...]:
        """The grant and all that it was derived from."""
        found: list[Link] = []
        wanted: str | None = name
        while wanted is not None:
            link = self._grants.get(wanted)
            if link is None or len(found) > _DEEPEST:
                raise EvidenceError("a grant that is not in the log", code="G176")
            found.append(link)
            wanted = link.grant.parent
        return tuple(found)


_DEEPEST = 64


def _request(data: bytes) -> Request:
    try:
        return msgspec.json.decode(data, type=Request)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvidenceError("a payload that is no request", code="G175") from error
