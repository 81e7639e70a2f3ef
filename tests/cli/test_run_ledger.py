"""`obverse run --ledger`: the plan is in the log before anything is asked, and a stranger finds whether that is so (L18)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from obverse.campaign.recorded import runs_of
from obverse.cli.app import main
from obverse.ledger.contents import Contents
from obverse.ledger.entries import Entry
from obverse.ledger.keys import FileSigner, read_key_file
from obverse.ledger.log import Log
from obverse.ledger.reader import Folder
from obverse.testing.runs import POLICY

EASY = ("--rounds", "2")


@pytest.fixture
def log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["ledger", "key", str(tmp_path / "key.pem"), "--name", "runs.example"]) == 0
    (tmp_path / "key.txt").write_text(capsys.readouterr().out)
    options = ["--key-file", str(tmp_path / "key.pem"), "--name", "runs.example"]
    assert main(["ledger", "init", str(tmp_path / "log"), *options]) == 0
    (tmp_path / "policy.md").write_text(POLICY)
    return tmp_path / "log"


def run(log: Path, folder: str, *more: str, key: bool = True) -> int:
    ledger = ["--ledger", str(log), "--key-file", str(log.parent / "key.pem"), "--name", "runs.example"]
    command = ["run", str(log.parent / "policy.md"), "--target", "sim:perfect", "-o", str(log.parent / folder)]
    return main([*command, *EASY, *(ledger if key else []), *more])


def verify(log: Path, *more: str) -> int:
    return main(["ledger", "verify", str(log), "--key", str(log.parent / "key.txt"), *more])


def kinds(log: Path) -> list[str]:
    return [item.entry.type for item in Contents(Folder(log)).items()]


def test_L18_the_plan_is_entered_before_anything_that_it_planned(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(log, "run") == 4
    found = kinds(log)
    assert found[:3] == ["run.plan", "run.start", "run.trials"]
    assert found[-2:] == ["run.claims", "run.report"]
    capsys.readouterr()
    assert verify(log, "--run", str(log.parent / "run"), "--json") == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["runs"]["outcome"] == "holds"
    [read] = runs_of(Contents(Folder(log)).items()).runs
    assert (read.verdict, read.complete, len(read.trials) > 0) == ("undecided", True, True)
    assert set(read.files) == {"report.json", "junit.xml", "report.html"}


def test_a_run_that_was_cut_short_goes_on_in_the_same_log(log: Path) -> None:
    assert run(log, "run", "--max-calls", "5") == 4
    assert run(log, "run", "--max-calls", "5", "--resume") == 4
    assert kinds(log).count("run.plan") == 1
    assert verify(log, "--run", str(log.parent / "run")) == 0


def test_a_run_that_was_begun_without_a_ledger_cannot_have_planned_in_it(log: Path) -> None:
    assert run(log, "run", "--max-calls", "5", key=False) == 4
    assert run(log, "run", "--max-calls", "5", "--resume") == 2
    assert "run.plan" not in kinds(log)


def test_a_report_or_a_journal_that_is_another_is_found(log: Path) -> None:
    assert run(log, "run") == 4
    assert run(log, "other", "--seed", "5", key=False) == 4
    assert verify(log, "--run", str(log.parent / "other")) == 5
    report = log.parent / "run" / "report.html"
    report.write_text(report.read_text().replace("undecided", "holds"))
    assert verify(log, "--run", str(log.parent / "run")) == 5
    shutil.copy(log.parent / "other" / "journal.sqlite", log.parent / "run" / "journal.sqlite")
    assert verify(log, "--run", str(log.parent / "run")) == 5


@pytest.mark.parametrize(
    "entry",
    [
        Entry(type="run.trials", time=1, body={"run": "sha256:x", "trials": [["k", "sha256:y"]]}),
        Entry(type="run.claims", time=1, body={}),
        Entry(type="run.report", time=1, body={"run": [], "files": 3}),
    ],
)
def test_L18_what_no_plan_came_before_is_found(entry: Entry, log: Path) -> None:
    signer = FileSigner("runs.example", read_key_file((log.parent / "key.pem").read_bytes()))
    with Log.open(log, [signer]) as written:
        written.append(entry)
    assert verify(log) == 5


def test_the_key_goes_with_the_ledger(log: Path) -> None:
    assert run(log, "run", "--ledger", str(log), key=False) == 2
    assert run(log, "run", "--name", "x", key=False) == 2
