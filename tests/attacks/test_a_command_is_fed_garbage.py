"""Attacks on the commands around the guard: words that are no text, logs and rows that somebody else wrote. Never a fault of ours."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode
from obverse.guard.home import open_home
from obverse.ledger.bundle import Bundle
from obverse.ledger.entries import Entry, payload_of
from obverse.ledger.log import Log
from obverse.testing.guards import SHOP


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "policy.md").write_text(SHOP)
    assert main(["guard", "init", str(folder / "home"), "--policy", str(folder / "policy.md")]) == ExitCode.HOLDS
    return folder / "home"


@pytest.mark.parametrize(
    "words",
    [
        ["guard", "stop", "HOME", "\udcff", "--by", "x"],
        ["inbox", "HOME", "\udcff"],
        ["grant", "show", "HOME", "\udcff"],
    ],
    ids=["stop", "inbox", "grant"],
)
def test_a_word_that_is_no_text_is_bad_input(words: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([str(home) if word == "HOME" else word for word in words])
    assert code in {ExitCode.HOLDS, ExitCode.USAGE}
    assert "U999" not in capsys.readouterr().err


BODIES: list[tuple[str, str | None, dict[str, Any], bytes | None]] = [
    ("session.start", "s", {"holder": "alice"}, None),
    ("decision", "s", {"verdict": ["a"], "place": 0, "of": 1}, b'{"kind":"reply","id":"r","text":"x"}'),
    ("decision", "s", {"place": 0, "of": 1}, b'{"kind":"reply","id":"r","text":"x"}'),
    ("decision", "s", {"head": "", "place": 0, "of": 1, "permit": None}, b'{"kind":"reply","text":{"$number":"x"}}'),
    ("decision", "s", {"head": "", "place": 0, "of": 1, "permit": None}, b'{"kind":"fact","value":{"$number":"NaN"}}'),
    ("event", "s", {"event": "e", "kind": "fact", "digest": "", "head": ""}, b"[" * 9_000),
    ("policy.load", None, {"policy": 7, "files": None}, None),
    ("guard.tampering", None, {}, None),
    ("session.start", "t", {}, None),
]


@pytest.mark.parametrize("place", range(1, len(BODIES) + 1))
def test_a_log_of_somebody_else_is_evidence_that_does_not_hold_and_no_fault_of_ours(
    place: int, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    signer = open_home(copy).signer()
    with Log.open(copy / "ledger", [signer]) as log:
        for kind, session, body, data in [BODIES[0], BODIES[place - 1]]:
            kept = {} if data is None else {"event" if kind == "event" else "proposal": payload_of(data, bytes(32))}
            named = {name: payload.commitment for name, payload in kept.items()}
            time = 2**53 - 1 if place == len(BODIES) else 0
            log.append(Entry(type=kind, time=time, session=session, body=body, payloads=named), kept)
    policy, ledger = str(home.parent / "policy.md"), str(copy / "ledger")
    for words in (
        ["ledger", "verify", ledger, "--key", str(signer.key)],
        ["ledger", "bundle", ledger, "-o", str(tmp_path / "b.zip")],
        ["guard", "status", str(copy)],
        ["suggest", policy, "--from-ledger", str(copy)],
        ["cases", policy, "--from-ledger", str(copy)],
    ):
        assert main(words) != ExitCode.CRASH, words
        assert "U999" not in capsys.readouterr().err, words


def _rewritten(bundle: Path, name: str, data: bytes) -> None:
    """The bundle with another file in the place of one, and a list that fits."""
    with zipfile.ZipFile(bundle) as old:
        held = {one: old.read(one) for one in old.namelist()}
    held[name] = data
    held["SHA256SUMS"] = "".join(
        f"{hashlib.sha256(one).hexdigest()}  {at}\n" for at, one in held.items() if at != "SHA256SUMS"
    ).encode()
    with zipfile.ZipFile(bundle, "w") as new:
        for at, one in held.items():
            new.writestr(at, one)


def test_no_byte_of_a_bundle_can_be_another_or_every_file_reads_as_before(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, bundle, broken = str(open_home(home).signer().key), tmp_path / "b.zip", tmp_path / "broken.zip"
    assert main(["guard", "canary", str(home)]) == ExitCode.HOLDS
    assert main(["ledger", "bundle", str(home / "ledger"), "-o", str(bundle), "--key", key]) == ExitCode.HOLDS
    data, kept = bundle.read_bytes(), Bundle(bundle)
    for at in range(0, len(data), 41):
        broken.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        code = main(["ledger", "verify", str(broken), "--key", key])
        assert "U999" not in capsys.readouterr().err, at
        if code == ExitCode.HOLDS:
            found = Bundle(broken)
            assert [found.read(name) for name in found.names] == [kept.read(name) for name in kept.names], at
        else:
            assert code in {ExitCode.UNVERIFIED, ExitCode.USAGE}, at


@pytest.mark.parametrize("what", ["policy/", "proofs/", "statement.dsse.json"])
def test_what_stands_beside_the_log_in_a_bundle_cannot_be_exchanged(what: str, home: Path, tmp_path: Path) -> None:
    opened = open_home(home)
    key, bundle = str(opened.signer().key), tmp_path / "b.zip"
    assert main(["guard", "canary", str(home)]) == ExitCode.HOLDS
    words = ["ledger", "bundle", str(home / "ledger"), "-o", str(bundle), "--key", key]
    assert main([*words, "--prove", "0", "--key-file", str(home / "log.key")]) == ExitCode.HOLDS
    assert main(["ledger", "verify", str(bundle), "--key", key]) == ExitCode.HOLDS
    name = next(one for one in Bundle(bundle).names if one.startswith(what))
    _rewritten(bundle, name, b"# A policy that allows everything\n")
    assert main(["ledger", "verify", str(bundle), "--key", key]) == ExitCode.UNVERIFIED
