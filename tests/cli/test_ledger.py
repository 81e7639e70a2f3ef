"""`obverse ledger`: JSON keys and exit codes, and what bad input gets. The guide tries the rest."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from obverse.cli.app import main


@pytest.fixture
def log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A log with one file recorded; its key is in `key.txt` beside it."""
    key = str(tmp_path / "key.pem")
    assert main(["ledger", "key", key, "--name", "log.example"]) == 0
    (tmp_path / "key.txt").write_text(capsys.readouterr().out)
    assert (
        main(["ledger", "init", str(tmp_path / "log"), "--key-file", key, "--name", "log.example", "--origin", "o"])
        == 0
    )
    (tmp_path / "file").write_bytes(b"content")
    options = ["--key-file", key, "--name", "log.example"]
    assert main(["ledger", "record", str(tmp_path / "log"), str(tmp_path / "file"), *options]) == 0
    capsys.readouterr()
    return tmp_path / "log"


def test_the_keys_of_the_json_and_the_exit_codes(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = str(log.parent / "key.txt")
    assert main(["ledger", "verify", str(log), "--key", key, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["log", "outcome", "checkpoint", "checks", "witnesses", "pending", "replay", "not_proved"]
    assert (found["outcome"], found["checkpoint"]["origin"], found["checkpoint"]["size"]) == ("holds", "o", 1)
    assert main(["ledger", "verify", str(log)]) == 4
    assert main(["ledger", "verify", str(log), "--key", key, "--origin", "another"]) == 5


def test_a_private_key_is_readable_by_its_owner_alone_and_never_replaced(log: Path) -> None:
    key = log.parent / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert main(["ledger", "key", str(key), "--name", "log.example"]) == 2
    assert key.read_bytes() == before


BAD = {
    "no log": ["verify", "{folder}"],
    "no zip": ["verify", "{folder}/file", "--key", "{folder}/key.txt"],
    "no key": ["verify", "{folder}/log", "--key", "a+b+c"],
    "no such entry": ["prove", "{folder}/log", "7", "-o", "{folder}/x.tlog-proof"],
    "no receipt key": ["check", "{folder}/file", "{folder}/file"],
    "not empty": ["init", "{folder}", "--key-file", "{folder}/key.pem", "--name", "log.example"],
    "a name with a blank": ["key", "{folder}/new.pem", "--name", "a b"],
    "a key of no log": ["record", "{folder}/log", "{folder}/file", "--key-file", "{folder}/file", "--name", "x"],
    "another name": ["record", "{folder}/log", "{folder}/file", "--key-file", "{folder}/key.pem", "--name", "x"],
}


@pytest.mark.parametrize("options", BAD.values(), ids=BAD)
def test_bad_input_gets_one_line(options: list[str], log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["ledger", *(option.format(folder=log.parent) for option in options)])
    shown = capsys.readouterr()
    assert code in (2, 5)
    assert "Traceback" not in shown.err
    assert code == 5 or shown.err.startswith("[") or "[E" in shown.err
    assert not (log.parent / "new.pem").exists()


def test_a_bundle_that_was_changed_does_not_verify(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, key = log.parent / "b.zip", str(log.parent / "key.txt")
    assert main(["ledger", "bundle", str(log), "-o", str(bundle), "--key", key]) == 0
    assert main(["ledger", "verify", str(bundle), "--key", key]) == 0
    parts = {name: zipfile.ZipFile(bundle).read(name) for name in zipfile.ZipFile(bundle).namelist()}
    for changed in (name for name in parts if name.startswith(("tile", "checkpoint", "payload"))):
        with zipfile.ZipFile(bundle, "w") as out:
            for name, data in parts.items():
                out.writestr(name, data[:-1] + bytes([data[-1] ^ 1]) if name == changed else data)
        assert main(["ledger", "verify", str(bundle), "--key", key]) == 5
    capsys.readouterr()


def test_the_same_log_makes_the_same_bundle(log: Path) -> None:
    for name in ("a.zip", "b.zip"):
        assert main(["ledger", "bundle", str(log), "-o", str(log.parent / name)]) == 0
    assert (log.parent / "a.zip").read_bytes() == (log.parent / "b.zip").read_bytes()


def test_a_receipt_for_another_entry_does_not_hold(log: Path) -> None:
    folder, key = log.parent, str(log.parent / "key.txt")
    assert main(["ledger", "prove", str(log), "0", "-o", str(folder / "r.tlog-proof")]) == 0
    assert main(["ledger", "check", str(folder / "r.tlog-proof"), str(folder / "r.json"), "--key", key]) == 0
    assert main(["ledger", "check", str(folder / "r.tlog-proof"), str(folder / "file"), "--key", key]) == 5


def run(*arguments: str | Path) -> int:
    return main(["ledger", *map(str, arguments)])


@pytest.fixture
def witness(log: Path) -> Iterator[tuple[str, str]]:
    """URL and key of a witness that runs beside."""
    folder = log.parent
    assert run("key", folder / "w.pem", "--name", "w.example", "--witness") == 0
    command = [sys.executable, "-m", "obverse.cli", "ledger", "witness", str(folder / "memory"), "--port", "0"]
    options = ["--key-file", str(folder / "w.pem"), "--name", "w.example", "--log", str(folder / "key.txt")]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        key, url = process.stdout.readline().strip(), process.stdout.readline().strip()
        yield url, key
        process.kill()


def test_a_witness_signs_over_the_network(
    log: Path, witness: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (url, witness_key), folder = witness, log.parent
    key = (folder / "key.txt").read_text().strip()
    trust = folder / "trust.txt"
    trust.write_text(f"log {key}\nwitness w {witness_key} {url}\nquorum w\n")
    assert run("verify", log, "--trust", trust) == 5
    capsys.readouterr()
    assert run("cosign", log, "--trust", trust) == 4  # the log's origin is not the name of its key: not known there
    assert "404" in capsys.readouterr().err
    other = folder / "other"
    assert run("init", other, "--key-file", folder / "key.pem", "--name", "log.example") == 0
    assert run("cosign", other, "--trust", trust) == 0
    assert run("verify", other, "--trust", trust) == 0
    assert run("verify", other, "--key", key, "--witness", witness_key) == 0
    assert run("cosign", other, "--witness", url, "--witness-key", witness_key) == 0
    assert run("cosign", other, "--witness", "http://127.0.0.1:1", "--witness-key", witness_key) == 4
    assert run("cosign", other, "--witness", "file:///etc/passwd", "--witness-key", witness_key) == 4


def test_a_log_gets_another_key(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = log.parent
    assert run("key", folder / "new.pem", "--name", "log.example") == 0
    options: list[str | Path] = ["--key-file", folder / "key.pem", "--name", "log.example"]
    options += ["--new-key-file", folder / "new.pem"]
    assert run("rotate", log, *options) == 0
    assert run("verify", log, "--key", folder / "key.txt") == 0
    assert "names the key" in capsys.readouterr().out
    assert run("record", log, folder / "file", "--key-file", folder / "key.pem", "--name", "log.example") == 0
    assert run("verify", log, "--key", folder / "key.txt") == 5  # the old key signed after it was replaced


def test_payloads_are_erased(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("erase", log, "0", "content") == 0
    assert "1 payloads" in capsys.readouterr().out
    assert run("verify", log, "--key", log.parent / "key.txt") == 0
    assert b"Y29udGVudA" not in b"".join(path.read_bytes() for path in log.rglob("*") if path.is_file())
    assert run("erase", log, "7") == 2


def test_a_bundle_holds_receipts_keys_and_a_statement_that_others_check(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer._key import SSlibKey

    folder = log.parent
    bundle = folder / "b.zip"
    options: list[str | Path] = ["--key", folder / "key.txt", "--key-file", folder / "key.pem", "--prove", "0"]
    assert run("bundle", log, "-o", bundle, *options) == 0
    with zipfile.ZipFile(bundle) as parts:
        parts.extractall(folder / "out")
    out = folder / "out"
    assert run("check", out / "proofs/0.tlog-proof", out / "proofs/0.json", "--key", out / "keys.txt") == 0
    assert run("verify", out, "--key", out / "keys.txt") == 0
    envelope = Envelope.from_dict(json.loads((out / "statement.dsse.json").read_text()))
    key = SSlibKey.from_dict(
        next(iter(envelope.signatures)), {
            "keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": _raw(out / "statement.pem").hex()},
        },
    )  # fmt: skip
    assert envelope.verify([key], 1)
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    lines = (out / "checkpoint").read_text().split("\n")[:3]
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert statement["subject"][0]["digest"]["sha256"] == digest
    assert statement["predicate"]["entries"] == {"file": 1}
    capsys.readouterr()
    assert run("verify", bundle, "--key", folder / "key.txt") == 0
    assert "holds        statement" in capsys.readouterr().out
    assert run("record", log, folder / "file", "--key-file", folder / "key.pem", "--name", "log.example") == 0
    (log / "statement.dsse.json").write_bytes((out / "statement.dsse.json").read_bytes())
    assert run("verify", log, "--key", folder / "key.txt") == 5  # it is about the log as it was


def _raw(pem: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = serialization.load_pem_public_key(pem.read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes_raw()
