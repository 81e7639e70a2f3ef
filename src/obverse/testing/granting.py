"""A register of grants with people who really sign: for tests and tries. The keys are made from names, so they are no secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obverse.guard.grants.register import Held, Register
from obverse.guard.grants.statements import Revocation
from obverse.guard.people import Person, Role, edwards_key
from obverse.guard.ports import Fresh
from obverse.guard.signing import Signed, sign
from obverse.policy.checked import Checked
from obverse.policy.grants import Grant

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

START = 1_800_000_000_000
PEOPLE: Mapping[str, tuple[Role, ...]] = {"ana": ("grant",), "boris": ("stop",), "agent": (), "helper": (), "eve": ()}
"""`ana` may grant, `boris` stop; `agent` and `helper` hold grants and have keys; `eve` is known and may do nothing."""


def private_key(name: str) -> Ed25519PrivateKey:
    """The key of that name, the same each time."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key of {name}".encode()).digest())


def person(name: str, roles: tuple[Role, ...], *, levels: tuple[str, ...] = (), added: int = 0) -> Person:
    """Somebody with one file key."""
    key = edwards_key(private_key(name).public_key().public_bytes_raw(), added=added)
    return Person(name=name, roles=roles, levels=levels, keys=(key,))


class Granting:
    """A register, the people who may sign in it, and a clock that is moved."""

    def __init__(self, checked: Checked, where: Path, *, fresh: Fresh = bytes) -> None:
        self.checked = checked
        self.now = START
        self.people = {name: person(name, roles) for name, roles in PEOPLE.items()}
        self.register = Register(where, checked, lambda: self.people, fresh=fresh)
        self._made = 0

    def terms(self, clauses: Sequence[str], scope: str, **given: Any) -> Grant:
        """The terms of a grant by `ana` to `agent`: one use, for an hour, unless said otherwise."""
        self._made += 1
        usual: dict[str, Any] = {
            "by": "ana", "time": self.now, "holder": "agent", "clauses": tuple(clauses), "scope": scope, "uses": 1,
            "purpose": "a test", "not_before": self.now, "not_after": self.now + 3_600_000,
            "nonce": f"{self._made:032x}", "policy": self.checked.digest,
        }  # fmt: skip
        return Grant(**{**usual, **given})

    def signed(self, grant: Grant, *, key: str | None = None) -> Signed:
        """The statement under the signature of whom it is by, or of somebody else."""
        return sign(grant.statement, private_key(key or grant.by))

    def give(self, clauses: Sequence[str], scope: str, **given: Any) -> Held:
        """A grant, put in force."""
        return self.register.add(self.signed(self.terms(clauses, scope, **given)), self.now)

    def narrow(self, parent: Held, **given: Any) -> Held:
        """A grant that the holder of another derives for `helper`: the same, unless said otherwise."""
        above = parent.grant
        usual: dict[str, Any] = {
            "by": above.holder, "holder": "helper", "uses": above.uses, "parent": parent.id,
            "not_before": above.not_before, "not_after": above.not_after,
        }  # fmt: skip
        made = {"clauses": above.clauses, "scope": above.scope, **given}
        return self.give(made.pop("clauses"), made.pop("scope"), **{**usual, **made})

    def revoke(self, grant: str, *, by: str = "ana", key: str | None = None) -> Held:
        """The grant, revoked."""
        statement = Revocation(by=by, time=self.now, grant=grant, why="a test").statement
        return self.register.revoke(sign(statement, private_key(key or by)), grant, self.now)

    def held(self, grant: str) -> Held:
        """How it stands now."""
        return self.register.held(grant, self.now)
