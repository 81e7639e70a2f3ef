"""The files of people: who may what, by which keys."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError
from obverse.guard.people import (
    Person,
    edwards_key,
    in_force,
    public_text,
    read_people,
    read_public,
    write_person,
)
from obverse.testing.people import SoftPasskey, file_key, person, public_key


def test_people_are_read_as_they_were_written(tmp_path: Path) -> None:
    ana = Person(
        name="ana@harbour.example", roles=("approve", "stop"), keys=(public_key("a"), SoftPasskey("a").public())
    )
    ben = msgspec.structs.replace(person("ben"), removed=7)
    for one in (ana, ben):
        write_person(tmp_path, one)
    assert read_people(tmp_path) == {one.name: one for one in (ana, ben)}
    assert in_force(read_people(tmp_path), "approve", 10) == (ana,)
    assert read_people(tmp_path / "nowhere") == {}


def test_one_key_belongs_to_one_person(tmp_path: Path) -> None:
    write_person(tmp_path, person("ana"))
    with pytest.raises(MisuseError, match="have one key"):
        write_person(tmp_path, person("ben", "ana"))
    assert set(read_people(tmp_path)) == {"ana"}
    (tmp_path / "ben.json").write_bytes(msgspec.json.encode(person("ben", "ana")))
    with pytest.raises(EvidenceError, match="have one key"):
        read_people(tmp_path)


@pytest.mark.parametrize("name", ["", "Ana", "аna", "../ana", "a/b", ".ana", "a b", "x" * 65, "ana\n"])
def test_a_name_that_can_be_taken_for_another_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(MisuseError, match="no name"):
        write_person(tmp_path, Person(name=name, roles=("approve",)))


BROKEN = {
    "no JSON": b"{",
    "of another name": msgspec.json.encode(person("ben")),
    "an unknown role": b'{"name": "ana", "roles": ["rule"]}',
    "an unknown field": b'{"name": "ana", "roles": [], "admin": true}',
    "of another schema": b'{"name": "ana", "roles": [], "schema": "x/1"}',
    "a key that is none": json.dumps(
        {"name": "ana", "roles": ["approve"], "keys": [{"kind": "ed25519", "public": "AAAA", "added": 0}]}
    ).encode(),
    "a key that is no base64": json.dumps(
        {"name": "ana", "roles": ["approve"], "keys": [{"kind": "ed25519", "public": "*", "added": 0}]}
    ).encode(),
    "too long": b" " * 300_000 + msgspec.json.encode(person("ana")),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_one_file_that_is_wrong_and_nobody_counts(tmp_path: Path, data: bytes) -> None:
    write_person(tmp_path, person("carl"))
    (tmp_path / "ana.json").write_bytes(data)
    with pytest.raises(EvidenceError, match=r"`ana\.json`"):
        read_people(tmp_path)


def test_public_keys_are_read_in_both_usual_forms() -> None:
    from cryptography.hazmat.primitives import serialization

    public = file_key("ana").public_key()
    ssh = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    raw = public.public_bytes_raw()
    assert read_public(ssh + b" ana@laptop") == read_public(public_text(raw).encode()) == raw
    assert edwards_key(raw, added=0).id == public_key("ana").id


def test_a_file_that_is_no_public_key_is_refused() -> None:
    from obverse.ledger.keys import key_file

    with pytest.raises(UntrustedInputError, match="a private key"):
        read_public(key_file(file_key("ana")))
    for data in (b"", b"ssh-ed25519 AAAA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", b"\xff" * 9):
        with pytest.raises(UntrustedInputError, match="no public key"):
            read_public(data)
    with pytest.raises(MisuseError):
        edwards_key(b"short", added=0)
