"""`obverse ledger`: JSON keys and exit codes, and what bad input gets. The guide tries the rest."""

from __future__ import annotations

import json
import stat
import zipfile
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
    assert list(found) == ["log", "outcome", "checkpoint", "checks", "witnesses", "pending", "not_proved"]
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
