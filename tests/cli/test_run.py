"""`obverse run` and `obverse report`: exit codes and JSON keys are a contract; nothing is asked that was not planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from obverse.cli.app import main
from obverse.testing.runs import POLICY

EASY = ("--max-violation", "0.3", "--max-over-refusal", "0.3", "--rounds", "60")


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.md"
    path.write_text(POLICY)
    return str(path)


def run(policy: str, *options: str) -> int:
    return main(["run", policy, *options])


@pytest.mark.parametrize(
    ("target", "options", "code", "verdict"),
    [
        ("sim:perfect", EASY, 0, "holds"),
        ("sim:breaks=saver", EASY, 3, "fails"),
        ("sim:refuses", EASY, 3, "fails"),
        ("sim:perfect", ("--rounds", "1"), 4, "undecided"),
    ],
)
def test_the_exit_code_is_the_verdict_and_json_holds_the_contract(
    target: str,
    options: tuple[str, ...],
    code: int,
    verdict: str,
    policy: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    assert run(policy, "--target", target, "-o", str(folder), "--json", *options) == code
    found = json.loads(capsys.readouterr().out)
    assert found["policy"].keys() >= {"name", "version", "digest"}
    assert found["target"] == target
    assert found["plan"]["digest"].startswith("sha256:")
    assert found["trials"].keys() == {"kept", "broken", "unscored", "error"}
    assert found["verdict"] == verdict
    for claim in found["claims"]:
        assert claim.keys() >= {"clause", "side", "n", "estimate", "low", "high", "verdict"}
        assert claim["side"] in {"violation", "over-refusal"}
    assert {claim["clause"] for claim in found["claims"]} == {"*", "saver", "large"}
    assert Path(found["report"]) == folder / "report.html"
    assert {path.name for path in folder.iterdir()} >= {"report.html", "report.json", "junit.xml", "journal.sqlite"}
    # and again from the folder alone
    assert main(["report", str(folder), "--json"]) == code
    assert json.loads(capsys.readouterr().out) == found


def test_a_clause_that_is_broken_is_the_one_that_fails(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(policy, "--target", "sim:breaks=saver", "-o", str(tmp_path / "run"), "--json", *EASY)
    claims = json.loads(capsys.readouterr().out)["claims"]
    failed = {(claim["clause"], claim["side"]) for claim in claims if claim["verdict"] == "fails"}
    assert ("saver", "violation") in failed
    assert failed <= {("saver", "violation"), ("*", "violation")}


def test_a_dry_run_shows_the_plan_asks_nothing_and_writes_nothing(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--base-url", "http://127.0.0.1:9/v1", "--price", "2.5", "10", "-o", str(tmp_path / "run"))
    assert run(policy, "--target", "openai:m", "--dry-run", "--json", *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["plan"]["digest"].startswith("sha256:")
    assert found["plan"]["trials"] == 50
    assert float(found["plan"]["money"]) > 0
    assert {claim["smallest"] for claim in found["plan"]["claims"]} > {None} or found["plan"]["claims"]
    assert not (tmp_path / "run").exists()
    assert run(policy, "--target", "openai:m", "--dry-run", *options) == 0
    said = capsys.readouterr().out
    assert "at most 50 trials" in said
    assert "nothing was asked" in said


def test_the_digest_of_a_dry_run_is_that_of_the_run(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--target", "sim:perfect", "--rounds", "2", "--json")
    run(policy, *options, "--dry-run")
    planned = json.loads(capsys.readouterr().out)["plan"]["digest"]
    run(policy, *options, "-o", str(tmp_path / "run"))
    assert json.loads(capsys.readouterr().out)["plan"]["digest"] == planned


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--target", "nothing"), "T008"),
        (("--target", "sim:breaks=no.such"), "T016"),
        (("--target", "sim:perfect", "--confidence", "0.6"), "R114"),
        (("--target", "sim:perfect", "--temperature", "-1"), "--temperature"),
        (("--target", "sim:perfect", "--max-money", "1"), "R117"),
        (("--target", "sim:perfect", "--price", "a", "b"), "R116"),
        (("--target", "sim:perfect", "--retry-errors"), "--resume"),
        (("--target", "sim:perfect", "--rate", "0"), "--rate"),
        (("--target", "sim:perfect", "--max-seconds", "-3"), "--max-seconds"),
        (("--target", "sim:perfect", "--timeout", "0"), "--timeout"),
        ((), "--target"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(
    options: tuple[str, ...], told: str, policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(policy, *options, "-o", str(tmp_path / "run")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_not_written_over(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--target", "sim:perfect", "--rounds", "2", "-o", str(tmp_path / "run"))
    run(policy, *options)
    report = (tmp_path / "run" / "report.html").read_bytes()
    assert run(policy, *options) == 2
    assert "R101" in capsys.readouterr().err.splitlines()[-1]
    assert run(policy, *options, "--seed", "2", "--resume") == 2
    assert "R102" in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "run" / "report.html").read_bytes() == report
    assert run(policy, *options, "--resume") == 4  # nothing is left to ask


@pytest.mark.parametrize("content", [None, b"not a database"])
def test_a_report_of_no_run_is_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "journal.sqlite").write_bytes(content)
    assert main(["report", str(tmp_path)]) == 2
    said: Any = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
