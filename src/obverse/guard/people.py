"""Who may approve, grant or stop: people by name, with their roles and public keys. One file `NAME.json` each in a folder.

Not who they are in the world: whoever may write into that folder decides that. Nothing here is secret. A key that was revoked and
a person who was removed stay in the file with a date, so that what they signed before can still be checked.

Laws: one key belongs to one person, or two people could be one (two-person rule, L14); a file that cannot be read gives nobody
(L16).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.core.files import write_whole

SCHEMA: Final = "obverse.person/1"
LARGEST_FILE: Final = 262_144
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_EDWARDS_SIZE: Final = 32

Role: TypeAlias = Literal["approve", "grant", "stop"]
Kind: TypeAlias = Literal["ed25519", "webauthn"]


class PublicKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One public key of a person. `public` is base64: 32 bytes (Ed25519), or the COSE key of a passkey.

    Of a passkey: `credential` is its id in base64url, `rp_id` and `origins` where it may be used, `counter` its sign counter when it
    was registered. Times are milliseconds since the epoch; `label` is for people.
    """

    kind: Kind
    public: str
    added: int
    revoked: int | None = None
    credential: str | None = None
    rp_id: str | None = None
    origins: tuple[str, ...] = ()
    counter: int = 0
    label: str = ""

    @property
    def data(self) -> bytes:
        """The bytes of the key."""
        return base64.b64decode(self.public)

    @property
    def id(self) -> str:
        """What names the key: half of SHA-256(kind ‖ 0 ‖ key), in hex."""
        return key_id(self.kind, self.data)

    def in_force(self, at: int) -> bool:
        """Whether it counts at that time."""
        return self.added <= at and (self.revoked is None or at < self.revoked)


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person by name, what they may do, and their keys. `levels` are those of the clauses that their grants may lift."""

    name: str
    roles: tuple[Role, ...]
    levels: tuple[str, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    removed: int | None = None
    schema: str = SCHEMA

    def may(self, role: Role | None, at: int) -> bool:
        """Whether they had that role at that time; None: whether they were there."""
        return (role is None or role in self.roles) and (self.removed is None or at < self.removed)


def key_id(kind: Kind, public: bytes) -> str:
    """The id of a public key: 32 hex digits."""
    return hashlib.sha256(kind.encode() + b"\0" + public).hexdigest()[:32]


def edwards_key(public: bytes, *, added: int, label: str = "") -> PublicKey:
    """The record of an Ed25519 public key of 32 bytes."""
    if len(public) != _EDWARDS_SIZE:
        raise MisuseError(f"an Ed25519 key of {len(public)} bytes", code="G203")
    return PublicKey(kind="ed25519", public=base64.b64encode(public).decode(), added=added, label=label)


def passkey(
    public: bytes, *, credential: str, rp_id: str, origins: tuple[str, ...], counter: int, added: int, label: str = ""
) -> PublicKey:
    """The record of a passkey: its COSE public key, its id in base64url, and where it was made."""
    return PublicKey(
        kind="webauthn", public=base64.b64encode(public).decode(), credential=credential, rp_id=rp_id, origins=origins,
        counter=counter, added=added, label=label,
    )  # fmt: skip


def read_public(data: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key: in PEM, or as a line `ssh-ed25519 …`.

    Raises:
        UntrustedInputError: if it is none, or a private key, which nobody but its owner should hold.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if b"PRIVATE KEY" in data:
        raise UntrustedInputError(
            "a private key where a public one belongs",
            code="G203",
            hint="`obverse reviewer key` prints the public half",
        )
    load = serialization.load_ssh_public_key if data.startswith(b"ssh-") else serialization.load_pem_public_key
    try:
        found = load(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UntrustedInputError("no public key", code="G203", hint="PEM, or a line `ssh-ed25519 …`") from error
    if not isinstance(found, Ed25519PublicKey):
        raise UntrustedInputError("a public key that is not Ed25519", code="G203")
    return found.public_bytes_raw()


def public_text(public: bytes) -> str:
    """An Ed25519 public key in PEM, as `read_public` reads it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return Ed25519PublicKey.from_public_bytes(public).public_bytes(*form).decode()


def read_people(folder: Path) -> dict[str, Person]:
    """The people whose files lie in the folder, by name; those who were removed too.

    Raises:
        EvidenceError: if one of the files is not as we write them, or two people have one key. Then nobody counts (L16).
    """
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return of_one_key_each([_read(path) for path in files])


def of_one_key_each(people: Iterable[Person]) -> dict[str, Person]:
    """These people by name.

    Raises:
        EvidenceError: if one key belongs to two of them, or two have one name.
    """
    found: dict[str, Person] = {}
    owners: dict[str, str] = {}
    for person in people:
        for key in person.keys:
            if owners.setdefault(key.id, person.name) != person.name:
                raise EvidenceError(f"`{owners[key.id]}` and `{person.name}` have one key", code="G202")
        if found.setdefault(person.name, person) is not person:
            raise EvidenceError(f"two people are named `{person.name}`", code="G202")
    return found


def write_person(folder: Path, person: Person) -> Path:
    """The file of that person, written whole.

    Raises:
        MisuseError: if the name is none, or a key is somebody else's already.
    """
    check_name(person.name)
    others = [other for other in read_people(folder).values() if other.name != person.name]
    try:
        of_one_key_each([*others, person])
    except EvidenceError as error:
        raise MisuseError(error.message, code="G202") from error
    path = folder / f"{person.name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(person), indent=2) + b"\n")
    return path


def check_name(name: str) -> str:
    """The name, if it is one that cannot be taken for another."""
    if not _NAME.fullmatch(name):
        raise MisuseError(
            f"`{name[:80]}` is no name of a person", code="G200", hint="small letters a to z, digits, and . _ @ -"
        )
    return name


def in_force(people: Mapping[str, Person], role: Role, at: int) -> tuple[Person, ...]:
    """Who may do that, with a key that counts."""
    return tuple(one for one in people.values() if one.may(role, at) and any(key.in_force(at) for key in one.keys))


def _read(path: Path) -> Person:
    wrong = EvidenceError(
        f"`{path.name}` is no file of a person", code="G201", hint="`obverse reviewer add` writes them"
    )
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        person = msgspec.json.decode(data, type=Person)
        for key in person.keys:
            base64.b64decode(key.public, validate=True)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, RecursionError) as error:
        raise wrong from error
    sound = all(len(key.data) == _EDWARDS_SIZE for key in person.keys if key.kind == "ed25519")
    if len(data) > LARGEST_FILE or person.schema != SCHEMA or person.name != path.stem or not sound:
        raise wrong
    if not _NAME.fullmatch(person.name):
        raise wrong
    return person
