"""Statements that people sign: the form, the check of a file key, the check of a passkey."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.guard.people import Person
from obverse.guard.signing import (
    PAYLOAD_TYPE,
    Signed,
    asserted,
    challenge,
    check,
    pae,
    read_envelope,
    read_signing_key,
    read_statement,
    sign,
    statement_bytes,
)
from obverse.ledger.keys import key_file, new_key
from obverse.testing.people import SoftPasskey, file_key, person, public_key

KIND = "obverse.approval/1"
STATEMENT = {"_type": KIND, "by": "ana", "time": 5, "answer": "approve"}
PEOPLE = {"ana": person("ana"), "ben": person("ben")}


def counted(signed: Signed, people: dict[str, Person] = PEOPLE, at: int = 10) -> str:
    return check(signed, people, kind=KIND, role="approve", at=at).by


def test_what_a_person_signs_counts() -> None:
    signed = sign(STATEMENT, file_key("ana"))
    assert counted(signed) == "ana"
    assert read_envelope(json.loads(json.dumps(signed.envelope))) == signed


def test_the_encoding_is_that_of_dsse() -> None:
    """The example of the protocol's own page (secure-systems-lab/dsse, protocol.md)."""
    assert pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_other_software_checks_a_signature_from_the_description_alone() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    envelope = sign(STATEMENT, file_key("ana")).envelope
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    whole = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body])
    [under] = envelope["signatures"]
    Ed25519PublicKey.from_public_bytes(public_key("ana").data).verify(base64.b64decode(under["sig"]), whole)
    assert json.loads(body) == STATEMENT


@given(st.integers(0, 7), st.integers(0, 10_000))
def test_a_flipped_bit_anywhere_is_found(bit: int, place: int) -> None:
    signed = sign(STATEMENT, file_key("ana"))
    for part in ("payload", "signature"):
        data = bytearray(getattr(signed, part))
        data[place % len(data)] ^= 1 << bit
        with pytest.raises(EvidenceError):
            counted(msgspec.structs.replace(signed, **{part: bytes(data)}))


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "signed by somebody else": ({"by": "ana"}, "ben", "none of `ana`"),
    "nobody": ({"by": "zoe"}, "ana", "nobody is named"),
    "no name": ({"by": None}, "ana", "nobody is named"),
    "a list for a name": ({"by": ["ana"]}, "ana", "nobody is named"),
    "of another kind": ({"_type": "obverse.grant/1"}, "ana", "no statement of kind"),
}


@pytest.mark.parametrize(("changed", "key", "why"), WRONG.values(), ids=WRONG)
def test_a_statement_that_does_not_fit_its_signer_counts_nothing(changed: dict[str, Any], key: str, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        counted(sign({**STATEMENT, **changed}, file_key(key)))


def test_a_key_counts_from_when_it_was_added_until_it_was_revoked() -> None:
    key = msgspec.structs.replace(public_key("ana", added=5), revoked=20)
    people = {"ana": Person(name="ana", roles=("approve",), keys=(key,))}
    signed = sign(STATEMENT, file_key("ana"))
    assert [at for at in (4, 5, 19, 20) if _counts(signed, people, at)] == [5, 19]


def test_a_person_counts_until_they_were_removed() -> None:
    people = {"ana": msgspec.structs.replace(person("ana"), removed=20)}
    assert [at for at in (19, 20) if _counts(sign(STATEMENT, file_key("ana")), people, at)] == [19]


def test_each_of_several_keys_counts() -> None:
    people = {"ana": person("ana", "laptop", "token")}
    assert all(_counts(sign(STATEMENT, file_key(seed)), people, 10) for seed in ("laptop", "token"))


def _counts(signed: Signed, people: dict[str, Person], at: int) -> bool:
    try:
        return counted(signed, people, at) == "ana"
    except EvidenceError:
        return False


NOT_CANONICAL = {
    "a blank": b'{"_type": "obverse.approval/1"}',
    "keys in another order": b'{"by":"ana","_type":"obverse.approval/1"}',
    "a key twice": b'{"_type":"obverse.approval/1","_type":"obverse.approval/1"}',
    "a broken number": b'{"_type":"obverse.approval/1","time":1.5}',
    "no object": b'["obverse.approval/1"]',
    "no JSON": b"{",
    "nothing": b"",
    "not UTF-8": b"\xff",
    "deep": b"[" * 100_000,
    "endless": b'{"_type":"obverse.approval/1","time":NaN}',
}


@pytest.mark.parametrize("payload", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_bytes_that_are_no_canonical_statement_are_refused(payload: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_statement(payload, KIND)


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["payload", "payloadType", "signatures", "keyid", "sig", "webauthn", "x"]), inner)))  # fmt: skip
def test_whatever_json_is_no_envelope_is_refused_by_one_error(found: object) -> None:
    with pytest.raises(EvidenceError):
        read_envelope(found)


def test_an_envelope_of_another_type_is_refused() -> None:
    envelope = sign(STATEMENT, file_key("ana")).envelope
    two = [*envelope["signatures"], *envelope["signatures"]]
    for changed in ({"payloadType": "text/plain"}, {"payload": "*"}, {"signatures": []}, {"signatures": two}):
        with pytest.raises(EvidenceError, match="no signed statement"):
            read_envelope({**envelope, **changed})
    assert envelope["payloadType"] == PAYLOAD_TYPE


def test_a_text_without_bytes_is_no_statement() -> None:
    with pytest.raises(MisuseError):
        statement_bytes({"_type": KIND, "because": "\ud800"})


def test_people_sign_with_ed25519() -> None:
    with pytest.raises(UntrustedInputError, match="Ed25519"):
        read_signing_key(key_file(new_key("ml-dsa-44-cosignature")))
    protected = key_file(file_key("ana"), b"secret")
    assert read_signing_key(protected, b"secret").public_key() == file_key("ana").public_key()
    with pytest.raises(UntrustedInputError, match="password"):
        read_signing_key(protected, b"wrong")


# --- passkeys -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def key() -> SoftPasskey:
    return SoftPasskey("ana's telephone")


def with_passkey(key: SoftPasskey) -> dict[str, Person]:
    return {"ana": Person(name="ana", roles=("approve",), keys=(key.public(),))}


def test_a_passkey_signs_the_digest_of_the_statement(key: SoftPasskey) -> None:
    assert challenge(STATEMENT) == hashlib.sha256(statement_bytes(STATEMENT)).digest()
    signed = asserted(STATEMENT, key.public(), key.assertion(challenge(STATEMENT)))
    found = check(signed, with_passkey(key), kind=KIND, role="approve", at=10)
    assert (found.by, found.counter) == ("ana", 1)
    assert read_envelope(json.loads(json.dumps(signed.envelope))) == signed


LYING: dict[str, dict[str, Any]] = {
    "from another origin": {"origin": "https://evil.example"},
    "for another party": {"rp_id": "evil.example"},
    "nobody was there": {"present": False},
    "nobody was recognised": {"verified": False},
    "a counter that stands still": {"counter": 0},
    "from inside another page": {"framed": True},
}


@pytest.mark.parametrize("lie", LYING.values(), ids=LYING)
def test_an_assertion_that_is_not_as_it_should_be_counts_nothing(key: SoftPasskey, lie: dict[str, Any]) -> None:
    signed = asserted(STATEMENT, key.public(), key.assertion(challenge(STATEMENT), **lie))
    with pytest.raises(EvidenceError):
        check(signed, with_passkey(key), kind=KIND, role="approve", at=10, counter=0 if "counter" not in lie else 1)


def test_an_assertion_for_another_statement_counts_nothing(key: SoftPasskey) -> None:
    assertion = key.assertion(challenge({**STATEMENT, "answer": "reject"}))
    with pytest.raises(EvidenceError, match="challenge"):
        check(asserted(STATEMENT, key.public(), assertion), with_passkey(key), kind=KIND, role="approve", at=10)


def test_an_assertion_by_another_passkey_counts_nothing(key: SoftPasskey) -> None:
    other = SoftPasskey("somebody else's")
    assertion = other.assertion(challenge(STATEMENT))
    for credential in (assertion, {**assertion, "id": key.public().credential, "rawId": key.public().credential}):
        with pytest.raises(EvidenceError):
            check(asserted(STATEMENT, key.public(), credential), with_passkey(key), kind=KIND, role="approve", at=10)


@given(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), st.text() | st.none() | st.dictionaries(
    st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]), st.text() | st.none())))  # fmt: skip
def test_whatever_a_browser_sends_is_refused_by_one_error(found: dict[str, Any]) -> None:
    key = SoftPasskey("ana's telephone")
    for credential in (found, {**found, "id": key.public().credential}):
        signed = asserted(STATEMENT, key.public(), credential)
        with pytest.raises(EvidenceError):
            check(signed, with_passkey(key), kind=KIND, role="approve", at=10)


def test_a_passkey_does_not_sign_as_a_file_key_nor_the_other_way_round(key: SoftPasskey) -> None:
    people = with_passkey(key) | {"ben": person("ben")}
    good = asserted(STATEMENT, key.public(), key.assertion(challenge(STATEMENT)))
    with pytest.raises(EvidenceError, match="by an assertion"):
        check(msgspec.structs.replace(good, signature=b"x"), people, kind=KIND, role="approve", at=10)
    plain = sign({**STATEMENT, "by": "ben"}, file_key("ben"))
    with pytest.raises(EvidenceError, match="by a signature"):
        check(msgspec.structs.replace(plain, assertion={}), people, kind=KIND, role="approve", at=10)
