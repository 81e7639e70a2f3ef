"""Signed notes: a text and signatures under it, by keys that have names. Made, read and checked.

Sources: C2SP signed-note (c2sp.org/signed-note), tlog-cosignature (c2sp.org/tlog-cosignature). A note is its text, an empty line,
and lines `— <name> <base64(key id ‖ signature)>`. A signature by a key that is not known is passed over; a wrong one by a known
key refuses the whole note, and so does anything that is not in form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError

MOST_SIGNATURES: Final = 64
LONGEST_NOTE: Final = 1_000_000
_ID_SIZE: Final = 4
_TIME_SIZE: Final = 8
_LINE: Final = re.compile(r"— (?P<name>\S+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_NAME: Final = re.compile(r"[^\s+]+")

Algorithm: TypeAlias = Literal["ed25519", "ed25519-cosignature", "ml-dsa-44-cosignature"]
TYPES: Final[dict[Algorithm, int]] = {"ed25519": 1, "ed25519-cosignature": 4, "ml-dsa-44-cosignature": 6}
_ALGORITHMS: Final[dict[int, Algorithm]] = {number: name for name, number in TYPES.items()}
_PUBLIC_SIZE: Final[dict[Algorithm, int]] = {"ed25519": 32, "ed25519-cosignature": 32, "ml-dsa-44-cosignature": 1312}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A public key with a name, as a verifier has it. Text form: `<name>+<id in hex>+<base64(type ‖ public key)>`."""

    name: str
    algorithm: Algorithm
    public: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ newline ‖ type ‖ public key)."""
        data = self.name.encode() + b"\n" + bytes([TYPES[self.algorithm]]) + self.public
        return hashlib.sha256(data).digest()[:_ID_SIZE]

    def __str__(self) -> str:
        body = base64.b64encode(bytes([TYPES[self.algorithm]]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{body}"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One line under a note. `data` is what follows the key id."""

    name: str
    key_id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.data).decode()}"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A text that ends in a newline, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{signature}\n" for signature in self.signatures)


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that is right: whose, and, for a cosignature, the time that it claims, in seconds since the epoch."""

    key: Key
    time: int | None = None


class Signer(Protocol):
    """Whoever holds a private key."""

    @property
    def key(self) -> Key:
        """The public half."""

    def sign(self, text: str) -> Signature:
        """The signature under this note text."""


def read_key(text: str) -> Key:
    """The key that this text names.

    Raises:
        UntrustedInputError: if it is no verifier key, or its id does not fit.
    """
    try:
        name, key_id, body = text.strip().split("+", 2)
        data = base64.b64decode(body, validate=True)
        algorithm = _ALGORITHMS[data[0]]
    except (ValueError, binascii.Error, KeyError, IndexError) as error:
        raise UntrustedInputError(
            "no verifier key", code="E120", hint="`<name>+<id in hex>+<base64>`, of type 1, 4 or 6"
        ) from error
    key = Key(name=name, algorithm=algorithm, public=data[1:])
    if not _NAME.fullmatch(name) or len(key.public) != _PUBLIC_SIZE[algorithm] or key.id.hex() != key_id:
        raise UntrustedInputError(f"the parts of the key `{name[:80]}` do not fit together", code="E120")
    return key


def read_note(data: bytes) -> Note:
    """The note that these bytes are.

    Raises:
        EvidenceError: if they are none, to the last byte.
    """
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EvidenceError("a note that is not UTF-8", code="E121") from error
    text, blank, under = whole.rpartition("\n\n")
    if not blank or len(data) > LONGEST_NOTE or not under.endswith("\n") or _steers(whole):
        raise EvidenceError("not a signed note", code="E121")
    lines = under.removesuffix("\n").split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise EvidenceError(f"a note with more than {MOST_SIGNATURES} signatures", code="E121")
    return Note(text=f"{text}\n", signatures=tuple(map(read_signature, lines)))


def _steers(text: str) -> bool:
    return any(character < " " and character != "\n" for character in text)


def read_signature(line: str) -> Signature:
    """The signature in a line under a note.

    Raises:
        EvidenceError: if it is none.
    """
    found = _LINE.fullmatch(line)
    try:
        data = base64.b64decode(found["signature"], validate=True) if found else b""
    except binascii.Error:
        data = b""
    if found is None or len(data) <= _ID_SIZE or base64.b64encode(data).decode() != found["signature"]:
        raise EvidenceError("a line under a note that is no signature", code="E121")
    return Signature(name=found["name"], key_id=data[:_ID_SIZE], data=data[_ID_SIZE:])


def signed(text: str, signers: Iterable[Signer]) -> Note:
    """The note with the signatures of these."""
    if not text.endswith("\n") or _steers(text):
        raise MisuseError("a note's text is lines, each ended by a newline", code="E122")
    return Note(text=text, signatures=tuple(signer.sign(text) for signer in signers))


def cosigned(note: Note, signers: Iterable[Signer]) -> Note:
    """The same note with more signatures under it."""
    return msgspec.structs.replace(note, signatures=(*note.signatures, *(signer.sign(note.text) for signer in signers)))


def check_note(note: Note, keys: Sequence[Key]) -> tuple[Verified, ...]:
    """The signatures of known keys, all of them right.

    Raises:
        EvidenceError: if one of them is wrong.
    """
    known = {(key.name, key.id): key for key in keys}
    found: dict[tuple[str, bytes], Verified] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        found[signature.name, signature.key_id] = _checked(note.text, signature, key)
    return tuple(found.values())


def _checked(text: str, signature: Signature, key: Key) -> Verified:
    from cryptography.exceptions import InvalidSignature

    try:
        return _check(text, signature, key)
    except (InvalidSignature, ValueError) as error:
        raise EvidenceError(f"the signature of `{key.name}` is wrong", code="E123") from error


def _check(text: str, signature: Signature, key: Key) -> Verified:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    if key.algorithm == "ed25519":
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature.data, text.encode())
        return Verified(key=key)
    time, data = int.from_bytes(signature.data[:_TIME_SIZE], "big"), signature.data[_TIME_SIZE:]
    if key.algorithm == "ed25519-cosignature":
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, cosignature_text(text, time))
    else:
        MLDSA44PublicKey.from_public_bytes(key.public).verify(data, subtree_text(text, key.name, time))
    return Verified(key=key, time=time)


def cosignature_text(text: str, time: int) -> bytes:
    """What an Ed25519 cosignature signs (tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def subtree_text(text: str, name: str, time: int) -> bytes:
    """What an ML-DSA-44 cosignature signs (tlog-cosignature, "ML-DSA-44 signed message"): a checkpoint, from leaf 0.

    Raises:
        ValueError: if the note is no checkpoint.
    """
    origin, size, root, *_ = text.split("\n")
    parts = [b"subtree/v1\n\0", _short(name), time.to_bytes(8, "big"), _short(origin)]
    return b"".join(
        [*parts, (0).to_bytes(8, "big"), int(size).to_bytes(8, "big"), base64.b64decode(root, validate=True)]
    )


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data
