"""A claim about a log for others: an in-toto Statement v1 in a DSSE envelope, so that their tools read and check it.

Sources: in-toto attestation framework (github.com/in-toto/attestation, spec v1: Statement, ResourceDescriptor, DigestSet), DSSE protocol
1.0 (github.com/secure-systems-lab/dsse). The first subject is the checkpoint: `sha256` over its three lines, and the RFC 6962 root.
What is claimed of the log is the predicate's business; this module knows neither policies nor guards.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from obverse.core.canon import canonical, read_canonical
from obverse.core.errors import EvidenceError, UntrustedInputError
from obverse.ledger.checkpoint import Checkpoint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
SUMMARY: Final = "urn:obverse:ledger-summary:1"
"""The type of the predicate that this project makes."""

LARGEST: Final = 16 * 1024 * 1024


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is about: a name, and digests by algorithm in hex."""

    name: str
    digest: Mapping[str, str]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement says: of these subjects, this."""

    subjects: tuple[Subject, ...]
    type: str
    predicate: Mapping[str, Any]


def subject_of(head: Checkpoint) -> Subject:
    """The log up to this checkpoint. `sha256` is that of the three lines with which the file `checkpoint` begins."""
    return Subject(
        name=head.origin, digest={"sha256": hashlib.sha256(head.text.encode()).hexdigest(), "rfc6962": head.root.hex()}
    )


def statement_of(claim: Claim) -> bytes:
    """The in-toto statement, in canonical JSON."""
    fields = {
        "_type": STATEMENT,
        "subject": [{"name": one.name, "digest": dict(one.digest)} for one in claim.subjects],
        "predicateType": claim.type,
        "predicate": dict(claim.predicate),
    }
    return canonical(fields)


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed (DSSE protocol, "PAE"): version, type and payload, each after its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    """The name of an Ed25519 key in an envelope: SHA-256 of its SubjectPublicKeyInfo, in hex."""
    return hashlib.sha256(_SPKI + public).hexdigest()


_SPKI: Final = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before an Ed25519 key in DER


def enveloped(claim: Claim, private: Ed25519PrivateKey) -> bytes:
    """The statement in a DSSE envelope, signed."""
    payload = statement_of(claim)
    signature = {
        "keyid": key_id(private.public_key().public_bytes_raw()),
        "sig": base64.b64encode(private.sign(pae(payload))).decode(),
    }
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [signature],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def public_pem(public: bytes) -> bytes:
    """An Ed25519 public key as other tools read it: SubjectPublicKeyInfo in PEM."""
    body = base64.b64encode(_SPKI + public).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()


def read_envelope(data: bytes, keys: Sequence[bytes]) -> Claim:
    """What is claimed in this envelope, signed by one of these Ed25519 keys.

    Raises:
        EvidenceError: if it is no envelope of a statement, or none of the keys signed it.
    """
    payload = _signed_payload(data, keys)
    try:
        fields = read_canonical(payload)
        subjects = tuple(
            Subject(name=str(one["name"]), digest={str(name): str(value) for name, value in one["digest"].items()})
            for one in fields["subject"]
        )
        claim = Claim(subjects=subjects, type=str(fields["predicateType"]), predicate=dict(fields["predicate"]))
        same = fields["_type"] == STATEMENT
    except (UntrustedInputError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EvidenceError("an envelope without an in-toto statement", code="E148") from error
    if not same:
        raise EvidenceError("an envelope without an in-toto statement", code="E148")
    return claim


def _signed_payload(data: bytes, keys: Sequence[bytes]) -> bytes:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(data) > LARGEST:
        raise EvidenceError(f"an envelope of {len(data):,} bytes", code="E148")
    try:
        envelope = json.loads(data)
        payload = base64.b64decode(envelope["payload"], validate=True)
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise EvidenceError("an envelope of another kind", code="E148")
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError) as error:
        raise EvidenceError("no DSSE envelope", code="E148") from error
    for key in keys:
        for signature in signatures:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, pae(payload))
            except (InvalidSignature, ValueError):
                continue
            return payload
    raise EvidenceError("the statement is not signed by a key of the log", code="E148")
