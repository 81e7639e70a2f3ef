"""Whether a grant counts: signatures, the chain that it was derived by, its times, its policy. Pure, but for the keys given.

A grant is a capability with public keys: whoever holds one and has a key may derive a narrower one for somebody else, who can check
the whole chain offline. (After Macaroons, Birgisson et al., NDSS 2014, and Biscuit; but a derived grant is counted against
those above it, and the root is not a shared secret.)

    (1) Each statement of the chain is signed by the person that it is `by`, with a key in force now.
    (2) The root is by somebody who may grant, now.
    (3) Each other one is by the holder of the one above it, and in nothing wider (L12).
    (4) The time is within each of them.
    (5) Each is bound to the policy that is in force, by its digest or by that of its clauses.
    (6) Its clauses are of levels that the root's signer may lift; never an inviolable one (L12).

Not here: uses and revocations, which are counted in one place (`register`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from obverse.core.canon import canonical
from obverse.core.errors import EvidenceError, UntrustedInputError
from obverse.guard.people import Person, Role
from obverse.guard.signing import Signed, check, read_envelope, read_statement
from obverse.policy.checked import Checked
from obverse.policy.grants import (
    DEEPEST_CHAIN,
    KIND,
    Grant,
    InForce,
    Scope,
    is_bound,
    may_lift,
    not_narrower,
    read_grant,
    read_scope,
)

REVOCATION: Final = "obverse.revocation/1"
People = Mapping[str, Person]


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a grant is in force no more: by whom, when, why. It takes those derived from it with it."""

    by: str
    time: int
    grant: str
    why: str

    @property
    def statement(self) -> dict[str, Any]:
        """What is signed."""
        return {"_type": REVOCATION, **msgspec.to_builtins(self)}


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A grant, its id, and the signature under it. `read_link` makes one."""

    id: str
    grant: Grant
    signed: Signed


class Signatures:
    """Checks signatures under grants, each once: as long as the signer's record is the same, only times are asked again."""

    def __init__(self) -> None:
        self._found: dict[tuple[bytes, bytes | None, str, Person], str] = {}

    def check(self, link: Link, people: People, *, role: Role | None, at: int) -> None:
        """(1), (2): returns if whom the grant is by signed it, with a key in force, and had the role.

        Raises:
            EvidenceError: if it is not so.
        """
        signed, person = link.signed, people.get(link.grant.by)
        place = None if person is None else (signed.payload, signed.signature, signed.key, person)
        known = None if place is None else self._found.get(place)
        still = known is not None and person is not None and person.may(role, at)
        if still and person is not None and any(key.id == known and key.in_force(at) for key in person.keys):
            return
        found = check(signed, people, kind=KIND, role=role, at=at)
        if found.by != link.grant.by:
            raise EvidenceError("a grant by somebody else than its signer", code="G311")
        if place is not None and signed.assertion is None:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[place] = found.key


_MOST_KEPT: Final = 4096


def envelope_bytes(signed: Signed) -> bytes:
    """How a signed statement is kept and handed on: its DSSE envelope as canonical JSON."""
    return canonical(signed.envelope)


def read_signed(data: bytes) -> Signed:
    """The signed statement in these bytes.

    Raises:
        EvidenceError: if they are none.
    """
    try:
        return read_envelope(json.loads(data))
    except (ValueError, RecursionError, TypeError) as error:
        raise EvidenceError("no signed statement", code="G210") from error


def read_link(signed: Signed) -> Link:
    """The grant that this statement is; whether it counts is not asked.

    Raises:
        EvidenceError: if it is none.
    """
    grant = read_grant(read_statement(signed.payload, KIND))
    return Link(id=grant.id, grant=grant, signed=signed)


def check_chain(chain: Sequence[Link], people: People, at: int, *, signatures: Signatures | None = None) -> None:
    """Returns if the signatures of this chain count; the grant itself comes first, the root last.

    Raises:
        EvidenceError: (1), (2) or (3) does not hold.
    """
    signatures = signatures or Signatures()
    if not 1 <= len(chain) <= DEEPEST_CHAIN:
        raise EvidenceError(f"a grant that was handed on {len(chain) - 1} times", code="G311")
    for place, link in enumerate(chain):
        root = place == len(chain) - 1
        if (link.grant.parent is None) is not root:
            raise EvidenceError("a chain of grants that does not fit together", code="G311")
        signatures.check(link, people, role="grant" if root else None, at=at)  # (1), (2)
        if not root:
            above = chain[place + 1]
            wider = not_narrower(link.grant, above.grant)  # (3)
            if link.grant.parent != above.id or wider is not None:
                raise EvidenceError(f"a derived grant that is wider: {wider or 'it names another'}", code="G312")


def in_force(
    checked: Checked,
    chain: Sequence[Link],
    people: People,
    at: int,
    *,
    signatures: Signatures | None = None,
    scopes: Mapping[str, Scope] | None = None,
) -> InForce:
    """What this chain lets be lifted at the time `at`, uses and revocations aside. `scopes` are those that were read before.

    Raises:
        EvidenceError: any of (1) to (6) does not hold.
    """
    check_chain(chain, people, at, signatures=signatures)
    for grant in (link.grant for link in chain):
        if not grant.not_before <= at < grant.not_after:  # (4)
            early = at < grant.not_before
            raise EvidenceError(f"the grant is {'not in force yet' if early else 'expired'}", code="G313")
        if not is_bound(grant, checked):  # (5)
            raise EvidenceError(
                "the grant was written for another policy", code="G314",
                hint="a grant that follows its clauses (`--follow`) outlives changes elsewhere",
            )  # fmt: skip
    root = people[chain[-1].grant.by]
    clauses = frozenset(chain[0].grant.clauses) & may_lift(checked, root.levels)  # (6)
    if not clauses:
        raise EvidenceError(f"`{root.name}` may lift none of its clauses", code="G315")
    return InForce(id=chain[0].id, clauses=clauses, scopes=tuple(_scope(checked, one, scopes) for one in chain))


def _scope(checked: Checked, link: Link, known: Mapping[str, Scope] | None) -> Scope:
    text = link.grant.scope
    if known is not None and text in known:
        return known[text]
    try:
        return read_scope(checked, text)
    except UntrustedInputError as error:
        raise EvidenceError("the grant's scope means nothing in this policy", code="G314") from error


def check_revocation(signed: Signed, chain: Sequence[Link], people: People, at: int) -> Revocation:
    """The revocation, if it is of this grant, by somebody who granted it or one above it, or who may stop.

    Raises:
        EvidenceError: if it is not so.
    """
    found = read_revocation(signed)
    if found.grant != chain[0].id:
        raise EvidenceError("a revocation of another grant", code="G316")
    issuers = {link.grant.by for link in chain}
    check(signed, people, kind=REVOCATION, role=None if found.by in issuers else "stop", at=at)
    return found


def read_revocation(signed: Signed) -> Revocation:
    """The revocation that this statement is; whether it counts is not asked.

    Raises:
        EvidenceError: if it is none.
    """
    statement = read_statement(signed.payload, REVOCATION)
    try:
        return msgspec.convert({name: value for name, value in statement.items() if name != "_type"}, Revocation)
    except msgspec.ValidationError as error:
        raise EvidenceError("a statement that is no revocation", code="G316") from error
