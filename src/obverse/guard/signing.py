"""Statements that people sign, and whether a signature under one counts. Used by approvals, grants and stops alike.

A statement is a flat JSON object with `_type`, `by` (the person's name) and `time`; its bytes are canonical JSON. A file key signs
them in DSSE's pre-authentication encoding (Ed25519); a passkey signs their SHA-256 as its challenge. What travels is a DSSE
envelope (github.com/secure-systems-lab/dsse, protocol version 1) with one signature.

    (1) The payload is the canonical form of a statement of the kind that is asked for.
    (2) `by` names somebody who has the role, at the time that it is relied on.
    (3) The key is one of theirs and in force at that time.
    (4) The signature is right.

Not here: what a statement is bound to (`guard.approvals`, `guard.grants`), and whether it was used before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from obverse.core.canon import canonical
from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.guard.passkeys import check_assertion
from obverse.guard.people import Person, PublicKey, Role, key_id
from obverse.ledger.keys import read_key_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE: Final = "application/vnd.obverse.statement+json"
LONGEST_STATEMENT: Final = 4 * 1024 * 1024


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a statement and one signature: of a file key over the PAE, or the assertion of a passkey."""

    payload: bytes
    key: str
    signature: bytes | None = None
    assertion: Mapping[str, Any] | None = None

    @property
    def envelope(self) -> dict[str, Any]:
        """The DSSE envelope; a passkey's assertion stands beside the signature, under `webauthn`."""
        under: dict[str, Any] = {"keyid": self.key, "sig": base64.b64encode(self.signature or b"").decode()}
        if self.assertion is not None:
            under["webauthn"] = dict(self.assertion)
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [under],
        }


class Attested(msgspec.Struct, frozen=True, kw_only=True):
    """A statement whose signature counts: `by` is the person, `key` the id of the key, `counter` a passkey's new counter."""

    statement: Mapping[str, Any]
    by: str
    key: str
    counter: int | None = None


def statement_bytes(statement: Mapping[str, Any]) -> bytes:
    """What is signed: the canonical JSON of the statement."""
    try:
        return canonical(statement)
    except ValueError as error:
        raise MisuseError("a statement with text that has no bytes", code="G210") from error


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE's pre-authentication encoding: `DSSEv1`, lengths, type and payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def challenge(statement: Mapping[str, Any]) -> bytes:
    """What a passkey is asked to sign for this statement: SHA-256 of its bytes."""
    return hashlib.sha256(statement_bytes(statement)).digest()


def sign(statement: Mapping[str, Any], private: Ed25519PrivateKey) -> Signed:
    """The statement with the signature of a file key."""
    payload = statement_bytes(statement)
    public = private.public_key().public_bytes_raw()
    return Signed(payload=payload, key=key_id("ed25519", public), signature=private.sign(pae(payload)))


def asserted(statement: Mapping[str, Any], key: PublicKey, credential: Mapping[str, Any]) -> Signed:
    """The statement with the assertion that a browser's passkey gave for its `challenge`."""
    return Signed(payload=statement_bytes(statement), key=key.id, assertion=credential)


def read_signing_key(data: bytes, password: bytes | None = None) -> Ed25519PrivateKey:
    """The Ed25519 private key in a file (PKCS #8 in PEM).

    Raises:
        UntrustedInputError: if it is none, or the password does not fit.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    found = read_key_file(data, password)
    if not isinstance(found, Ed25519PrivateKey):
        raise UntrustedInputError("people sign with Ed25519 keys", code="G203")
    return found


def read_envelope(found: object) -> Signed:
    """The statement and signature in a DSSE envelope that was read from JSON.

    Raises:
        EvidenceError: if it is none, or not of ours, or has not one signature.
    """
    wrong = EvidenceError("no signed statement", code="G210")
    match found:
        case {"payload": str(payload), "payloadType": str(kind), "signatures": [{"keyid": str(key)} as under]}:
            pass
        case _:
            raise wrong
    try:
        data, signature = (base64.b64decode(text, validate=True) for text in (payload, under.get("sig", "")))
    except (binascii.Error, TypeError, ValueError) as error:
        raise wrong from error
    assertion = under.get("webauthn")
    if kind != PAYLOAD_TYPE or len(data) > LONGEST_STATEMENT or not isinstance(assertion, Mapping | None):
        raise wrong
    return Signed(payload=data, key=key, signature=signature or None, assertion=assertion)


def read_statement(payload: bytes, kind: str) -> dict[str, Any]:
    """(1) The statement of that kind that these bytes are the canonical form of.

    Raises:
        EvidenceError: if they are none.
    """
    try:
        found = json.loads(payload, parse_float=_refuse, parse_constant=_refuse)
        same = isinstance(found, dict) and canonical(found) == payload
    except (ValueError, RecursionError, MisuseError) as error:
        raise EvidenceError("no statement in canonical form", code="G210") from error
    if not same or found.get("_type") != kind:
        raise EvidenceError(f"no statement of kind `{kind}` in canonical form", code="G210")
    return dict(found)


def check(
    signed: Signed, people: Mapping[str, Person], *, kind: str, role: Role | None, at: int, counter: int | None = None
) -> Attested:
    """The statement, if somebody who has the role at the time `at` signed it with a key that is in force then.

    A `role` of None asks for none: what somebody holds they may hand on (`guard.grants`).
    `counter` is the last counter that was seen of a passkey; without it, that of its registration counts.

    Raises:
        EvidenceError: if any of the four steps fails.
        UnavailableError: a passkey signed, and py_webauthn is not installed.
    """
    statement = read_statement(signed.payload, kind)  # (1)
    by = statement.get("by")
    person = people.get(by) if isinstance(by, str) else None
    if person is None:  # (2)
        raise EvidenceError(f"nobody is named `{str(by)[:80]}`", code="G211")
    if not person.may(role, at):
        raise EvidenceError(f"`{person.name}` may not {role or 'sign any more'}", code="G212")
    key = next((key for key in person.keys if key.id == signed.key), None)  # (3)
    if key is None:
        raise EvidenceError(f"the key is none of `{person.name}`", code="G211")
    if not key.in_force(at):
        raise EvidenceError(f"the key of `{person.name}` is not in force", code="G213")
    used = _check_signature(signed, key, key.counter if counter is None else counter)  # (4)
    return Attested(statement=statement, by=person.name, key=key.id, counter=used)


def _check_signature(signed: Signed, key: PublicKey, counter: int) -> int | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if key.kind == "webauthn":
        if signed.assertion is None or signed.signature is not None:
            raise EvidenceError("a passkey signs by an assertion", code="G214")
        return check_assertion(signed.assertion, hashlib.sha256(signed.payload).digest(), key, counter=counter)
    if signed.signature is None or signed.assertion is not None:
        raise EvidenceError("a file key signs by a signature", code="G214")
    try:
        Ed25519PublicKey.from_public_bytes(key.data).verify(signed.signature, pae(signed.payload))
    except (InvalidSignature, ValueError) as error:
        raise EvidenceError("the signature is wrong", code="G214") from error
    return None


def _refuse(text: str) -> Any:
    raise ValueError(text)
