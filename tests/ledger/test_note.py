"""Signed notes, checkpoints and receipts: a vector from elsewhere, all three kinds of signatures, every byte that may be wrong."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import EvidenceError, ObverseError, UntrustedInputError
from obverse.ledger.checkpoint import Checkpoint, Trust, read_checkpoint, trusted
from obverse.ledger.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, node_hash, root_of
from obverse.ledger.note import (
    Algorithm,
    Key,
    Note,
    Signature,
    check_note,
    cosignature_text,
    cosigned,
    read_key,
    read_note,
    signed,
    subtree_text,
)
from obverse.ledger.proof import Receipt, check_receipt, read_receipt

# the example of the package golang.org/x/mod/sumdb/note
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


class Holder:
    """A signer with a private key in memory and a clock that stands."""

    def __init__(self, name: str, algorithm: Algorithm = "ed25519", time: int = 1_767_607_200) -> None:
        self.private: Any = MLDSA44PrivateKey.generate() if algorithm.startswith("ml") else Ed25519PrivateKey.generate()
        self.key = Key(name=name, algorithm=algorithm, public=self.private.public_key().public_bytes_raw())
        self.time = time

    def sign(self, text: str) -> Signature:
        match self.key.algorithm:
            case "ed25519":
                data = self.private.sign(text.encode())
            case "ed25519-cosignature":
                data = self.time.to_bytes(8, "big") + self.private.sign(cosignature_text(text, self.time))
            case _:
                data = self.time.to_bytes(8, "big") + self.private.sign(subtree_text(text, self.key.name, self.time))
        return Signature(name=self.key.name, key_id=self.key.id, data=data)


LOG, WITNESS, LATTICE = (
    Holder("log.example"),
    Holder("w1", "ed25519-cosignature"),
    Holder("w2", "ml-dsa-44-cosignature"),
)
ENTRIES = [b"one", b"two", b"three"]
HEAD = Checkpoint(origin="log.example/1", size=3, root=root_of(map(leaf_hash, ENTRIES)))
TRUST = Trust(log=(LOG.key,), witnesses=(WITNESS.key, LATTICE.key), quorum=2)


def hashes(level: int, index: int) -> bytes:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    return leaves[index] if level == 0 else node_hash(leaves[0], leaves[1])


def test_a_note_of_another_implementation_is_read_and_checked() -> None:
    key, note = read_key(GO_KEY), read_note(GO_NOTE.encode())
    assert str(key) == GO_KEY
    assert str(note) == GO_NOTE
    assert [found.key for found in check_note(note, [key])] == [key]


def test_every_kind_of_signature_is_made_and_checked() -> None:
    note = cosigned(signed(HEAD.text, [LOG]), [WITNESS, LATTICE])
    again = read_note(str(note).encode())
    assert again == note
    checkpoint, witnesses = trusted(again, TRUST, origin=HEAD.origin)
    assert checkpoint == HEAD
    assert [(one.key.name, one.time) for one in witnesses] == [("w1", WITNESS.time), ("w2", LATTICE.time)]
    for holder in (LOG, WITNESS, LATTICE):
        assert read_key(str(holder.key)) == holder.key


def test_who_is_not_known_is_passed_over_and_who_is_known_must_be_right() -> None:
    note = signed(HEAD.text, [LOG, Holder("stranger")])
    assert len(check_note(note, [LOG.key])) == 1
    wrong = msgspec.structs.replace(note.signatures[0], data=bytes(64))
    with pytest.raises(EvidenceError, match="wrong"):
        check_note(msgspec.structs.replace(note, signatures=(note.signatures[0], wrong)), [LOG.key])


REFUSED = {
    "no signature of the log": (signed(HEAD.text, [WITNESS, LATTICE]), TRUST),
    "one witness where two belong": (signed(HEAD.text, [LOG, WITNESS]), TRUST),
    "one witness twice": (signed(HEAD.text, [LOG, WITNESS, WITNESS]), TRUST),
}


@pytest.mark.parametrize(("note", "trust"), REFUSED.values(), ids=REFUSED)
def test_a_checkpoint_that_too_few_have_signed_is_not_trusted(note: Note, trust: Trust) -> None:
    with pytest.raises(EvidenceError):
        trusted(note, trust)


def test_a_checkpoint_of_another_log_is_not_this_one() -> None:
    note = signed(HEAD.text, [LOG, WITNESS, LATTICE])
    with pytest.raises(EvidenceError, match="not of"):
        trusted(note, TRUST, origin="log.example/2")


def test_no_byte_of_a_signed_note_can_be_another() -> None:
    data = str(signed(HEAD.text, [LOG])).encode()
    trust = Trust(log=(LOG.key,))
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(ObverseError):
                trusted(read_note(bytes(changed)), trust, origin=HEAD.origin)


BAD_CHECKPOINTS = {
    "a line more": HEAD.text + "more\n",
    "a leading zero": HEAD.text.replace("\n3\n", "\n03\n"),
    "a sign": HEAD.text.replace("\n3\n", "\n+3\n"),
    "no origin": HEAD.text.removeprefix(HEAD.origin),
    "a short root": "o\n1\nAAAA\n",
    "a root of nothing": f"o\n0\n{base64.b64encode(bytes(32)).decode()}\n",
    "no end": HEAD.text.removesuffix("\n"),
    "bits after the root": HEAD.text[:-3] + "B=\n",
}


@pytest.mark.parametrize("text", BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceError):
        read_checkpoint(text)


def test_a_checkpoint_of_nothing_has_the_empty_root() -> None:
    nothing = Checkpoint(origin="o", size=0, root=EMPTY_ROOT)
    assert read_checkpoint(nothing.text) == nothing


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AQ==", GO_KEY.replace("c74f20a3", "c74f20a4"), GO_KEY + "AAAA"]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UntrustedInputError):
        read_key(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    for read in (read_note, read_receipt):
        try:
            assert str(read(data)).encode() == data
        except EvidenceError:
            continue


def test_a_receipt_proves_its_entry_and_no_other() -> None:
    note = signed(HEAD.text, [LOG, WITNESS, LATTICE])
    for index, entry in enumerate(ENTRIES):
        receipt = Receipt(index=index, hashes=inclusion_proof(index, 3, hashes), checkpoint=note)
        again = read_receipt(str(receipt).encode())
        assert again == receipt
        assert check_receipt(again, entry, TRUST)[0] == HEAD
        with pytest.raises(EvidenceError):
            check_receipt(again, b"another", TRUST)


def test_what_stands_in_extra_is_passed_over() -> None:
    receipt = Receipt(index=0, hashes=inclusion_proof(0, 3, hashes), checkpoint=signed(HEAD.text, [LOG]))
    with_extra = str(receipt).replace("\nindex", "\nextra AAAA\nindex")
    assert read_receipt(with_extra.encode()) == receipt
