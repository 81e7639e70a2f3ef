"""The examples, as a stranger runs them: every command of their pages, what they say, and what happens when they are broken."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("airline", "support")
AIRLINE = "examples/airline/policy.md"
START = ["--start", "2024-05-15T15:00:00"]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


@pytest.fixture(autouse=True)
def beside_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def commands(page: str) -> list[tuple[str, int]]:
    """The commands of a page, with the exit code that the page promises."""
    text = (ROOT / "examples" / page / "README.md").read_text()
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("obverse ")]
    found = [re.fullmatch(r"obverse (.*?)\s+# exit (\d).*", line) for line in lines]
    assert all(found), "each command says how it exits"
    return [(match[1], int(match[2])) for match in found if match]


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of one command line; `< FILE` is what it reads."""
    command, _, source = line.partition(" < ")
    if source:
        data = Path(source.strip()).read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    return main(shlex.split(command))


QUICK = [(line, code) for page in PAGES for line, code in commands(page) if "cases examples/airline" not in line]
SLOW = [(line, code) for page in PAGES for line, code in commands(page) if "cases examples/airline" in line]


@pytest.mark.parametrize(
    ("line", "code"), [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)], ids=str
)
def test_every_command_of_the_pages_does_what_they_say(line: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(line, monkeypatch) == code


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["audit", AIRLINE, *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_our_own_dialogues_break_what_they_are_named_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = findings(capsys, "examples/airline/transcripts.jsonl", *START)
    assert code == ExitCode.VIOLATED
    assert sorted({(one["transcript"], one["clause"]) for one in found["findings"]}) == [
        ("basic-economy-moved", "basic-economy"),
        ("generous", "certificate"),
        ("half-flown", "cancel.flown"),
        ("late-change-of-plan", "cancel.when"),
        ("too-quick", "confirm"),
        ("too-quick", "one-step"),
        ("too-quick", "passengers.same-number"),
    ]
    assert {one["state"] for one in found["findings"]} == {"broken"}


def test_without_a_clock_what_hangs_on_time_is_undecided(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = Path("examples/airline/transcripts.jsonl").read_text().splitlines()
    (tmp_path / "one.jsonl").write_text(next(line for line in lines if '"kept-in-time"' in line))
    code, found = findings(capsys, "one.jsonl")
    assert code == ExitCode.UNDECIDED
    assert {(one["clause"], one["state"]) for one in found["findings"]} == {
        ("cancel.when", "undecided"), ("cancel.flown", "undecided"),
    }  # fmt: skip


def test_a_file_cut_in_the_middle_is_audited_up_to_the_cut(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = Path("examples/airline/transcripts.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(data[: len(data) - 300])
    code, found = findings(capsys, "cut.jsonl", *START)
    assert code == ExitCode.VIOLATED
    assert found["transcripts"] == 7
    assert [one["line"] for one in found["unread"]] == [8]


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe garbage", b"[[[[" * 50_000, b"<html>503</html>\n" * 3])
def test_garbage_is_no_transcript_and_holds_nothing(
    data: bytes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "garbage.jsonl").write_bytes(data)
    code, found = findings(capsys, "garbage.jsonl", *START)
    assert code == ExitCode.UNDECIDED
    assert found["transcripts"] == 0
    assert bool(found["unread"]) == bool(data)


BROKEN = {
    "a wider window": ("now within 24h of created_at", "now within 48h of created_at", [], ExitCode.HOLDS),
    "an exception dropped": (" unless confirmed\n", "\n", ["S203"], ExitCode.VIOLATED),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_airline_policy_is_broken_on_purpose(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, wanted, code = BROKEN[name]
    text = Path(AIRLINE).read_text()
    assert old in text
    (tmp_path / "broken.md").write_text(text.replace(old, new, 1))
    assert main(["check", "broken.md", "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in found["findings"] if one["severity"] == "error"] == wanted
    was = run(f"decide {AIRLINE} < examples/airline/thirty-hours.jsonl", monkeypatch)
    now = run("decide broken.md < examples/airline/thirty-hours.jsonl", monkeypatch)
    assert (was, now) == (ExitCode.VIOLATED, ExitCode.HOLDS if name == "a wider window" else ExitCode.VIOLATED)


def test_a_pattern_that_misreads_its_example_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "broken.md").write_text(Path(AIRLINE).read_text().replace("|go ahead|", "|", 1))
    assert main(["check", "broken.md"]) == ExitCode.USAGE
    assert "[P220]" in capsys.readouterr().err


def test_the_permit_of_the_shop_covers_too_much(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = Path("examples/support/policy.md").read_text()
    (tmp_path / "broken.md").write_text(
        text.replace("       and not message.asks_for_a_dose and not", "       and not")
    )
    assert main(["check", "broken.md", "--json"]) == ExitCode.VIOLATED
    assert "S205" in [one["code"] for one in json.loads(capsys.readouterr().out)["findings"]]


def test_the_labels_are_of_the_findings_that_were_counted() -> None:
    """The table of the page is what the result file says, and no figure stands without its labels."""
    folder = ROOT / "examples" / "airline"
    result = json.loads((folder / "audit" / "result.json").read_text())
    labels = [json.loads(line) for line in (folder / "audit" / "labels.jsonl").read_text().splitlines()]
    page = (folder / "README.md").read_text()
    assert (result["unlabelled"], result["stale"]) == ([], [])
    assert len(labels) == result["findings"]
    for name, clause in result["clauses"].items():
        if clause["formalised"]:
            seen = clause["transcripts"]
            assert f"| `{name}` | {seen['broken']} / {seen['of']} | {clause['findings']} |" in page
