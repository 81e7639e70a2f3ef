"""`obverse audit` from the command line: exit codes, JSON, files, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode

POLICY = """---
policy: desk
version: 2
---
# A desk

```terms
tool get_order(id: text) -> (paid: bool)  effect read
tool refund(id: text, amount: number)  effect money
```

## Look first  {#look severity=high}

```rule
forbid refund(id: r) unless once get_order(id: r)
```

## Only at first  {#first}

```rule
forbid refund when once message within 1m unless once get_order(id: id)
```
"""


def chat(*, looked: bool) -> str:
    """A recorded chat on one line."""

    def calls(id: str, name: str, arguments: str) -> dict[str, object]:
        call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    messages: list[dict[str, object]] = [{"role": "user", "content": "Money back, please."}]
    if looked:
        messages += [
            calls("c1", "get_order", '{"id": "7"}'),
            {"role": "tool", "tool_call_id": "c1", "content": '{"paid": true}'},
        ]
    messages += [
        calls("c2", "refund", '{"id": "7", "amount": 5}'),
        {"role": "tool", "tool_call_id": "c2", "content": "ok"},
    ]
    return json.dumps({"id": "looked" if looked else "blind", "messages": messages})


@pytest.fixture
def desk(tmp_path: Path) -> tuple[str, Path]:
    policy = tmp_path / "desk.md"
    policy.write_text(POLICY)
    return str(policy), tmp_path / "log.jsonl"


def test_a_broken_clause_exits_with_three(desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    policy, log = desk
    log.write_text("\n".join([chat(looked=True), chat(looked=False)]))
    assert main(["audit", policy, str(log), "--start", "2024-05-15T15:00:00"]) == ExitCode.VIOLATED
    out = capsys.readouterr().out
    assert "look" in out
    assert "blind, message 1" in out


def test_without_a_finding_it_exits_with_zero(desk: tuple[str, Path]) -> None:
    policy, log = desk
    log.write_text(chat(looked=True))
    assert main(["audit", policy, str(log), "--start", "2024-05-15T15:00:00"]) == ExitCode.HOLDS


def test_without_a_clock_what_the_clock_decides_is_undecided(
    desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    policy, log = desk
    Path(policy).write_text(
        POLICY.replace("unless once get_order(id: id)", "").replace("unless once get_order(id: r)", "when false")
    )
    log.write_text(chat(looked=True))
    assert main(["audit", policy, str(log), "--json"]) == ExitCode.UNDECIDED
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "undecided"
    assert [clause["broken"] for clause in found["clauses"]] == [0, 0]


def test_the_json_has_the_keys_that_scripts_stand_on(
    desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    policy, log = desk
    log.write_text(chat(looked=False))
    main(["audit", policy, str(log), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["transcripts"] == 1
    assert (
        found["findings"][0] | {"transcript": "blind", "message": 1, "clause": "look", "verdict": "deny"}
        == found["findings"][0]
    )
    assert found["clauses"][0] | {"clause": "look", "broken": 1, "of": 1} == found["clauses"][0]


def test_the_reports_are_written_where_they_were_asked_for(desk: tuple[str, Path], tmp_path: Path) -> None:
    policy, log = desk
    log.write_text(chat(looked=False))
    main(["audit", policy, str(log), "-o", str(tmp_path / "out" / "here"), "--html", str(tmp_path / "page.html")])
    assert {path.name for path in (tmp_path / "out" / "here").iterdir()} == {"audit.html", "audit.json", "audit.txt"}
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_a_line_that_is_cut_is_counted_and_the_others_are_audited(
    desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    policy, log = desk
    log.write_text("\n".join([chat(looked=False), chat(looked=True)[:60], chat(looked=True)]))
    main(["audit", policy, str(log), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["transcripts"] == 2
    assert [(unread["line"], "not a readable line" in unread["reason"]) for unread in found["unread"]] == [(2, True)]


WRONG = {
    "no such file": (["nothing.jsonl"], "no such file or directory"),
    "no time": (["log.jsonl", "--start", "noon"], "`noon` is no time"),
    "no files": ([], "missing argument"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_one_line(
    arguments: list[str],
    said: str,
    desk: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy, log = desk
    monkeypatch.chdir(log.parent)
    log.write_text(chat(looked=True))
    assert main(["audit", policy, *arguments]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def ours(*transcripts: tuple[str, list[dict[str, object]]]) -> str:
    """A file in our own format."""
    lines = [[{"schema": "obverse.transcript/1", "id": name}, *events] for name, events in transcripts]
    return "\n".join(json.dumps(line) for block in lines for line in block)


ASKED = {"kind": "message", "id": "e1", "text": "Money back."}
PAID = {
    "kind": "call",
    "id": "e2",
    "turn": 1,
    "call_id": "c1",
    "tool": "refund",
    "arguments": '{"id": "7", "amount": 5}',
}


def test_our_own_format_is_read_event_by_event_and_a_gap_loses_one_transcript(
    desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    policy, log = desk
    text = ours(
        ("a", [ASKED, PAID]), ("gap", [ASKED, {"kind": "noise"}, PAID]), ("twice", [ASKED, ASKED, PAID]), ("a", [PAID])
    )
    log.write_text(text)
    assert main(["audit", policy, str(log), "--json"]) == ExitCode.VIOLATED
    found = json.loads(capsys.readouterr().out)
    assert found["transcripts"] == 2
    assert [unread["transcript"] for unread in found["unread"]] == ["gap", "twice"]
    assert {finding["transcript"] for finding in found["findings"]} == {"a", "a#2"}


@pytest.mark.slow
def test_a_long_transcript_takes_no_more_memory_than_a_short_one(desk: tuple[str, Path]) -> None:
    import tracemalloc

    policy, log = desk
    peaks = []
    for length in (10_000, 40_000):
        events = [{"kind": "message", "id": f"m{number}", "text": "Hello?", "time": number} for number in range(length)]
        log.write_text(ours(("long", events)))
        tracemalloc.start()
        assert main(["audit", policy, str(log), "--json"]) == ExitCode.HOLDS
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 8_000_000, peaks


UNREADABLE = {
    "an empty file": b"",
    "cut in the middle": chat(looked=True)[:60].encode(),
    "a web page": b"<!doctype html>\n<html></html>\n",
    "random bytes": bytes(range(256)) * 20,
    "UTF-16": chat(looked=True).encode("utf-16"),
    "deeply nested": b"[" * 100_000,
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_nobody_could_read_is_never_clean(
    data: bytes, desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    policy, log = desk
    log.write_bytes(data)
    assert main(["audit", policy, str(log)]) == ExitCode.UNDECIDED
    assert capsys.readouterr().out.startswith("Nothing was audited")


def test_one_unreadable_line_leaves_the_audit_undecided_and_is_named(
    desk: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    policy, log = desk
    log.write_text("\n".join([chat(looked=True), chat(looked=True)[:60]]))
    assert main(["audit", policy, str(log), "--start", "2024-05-15T15:00:00"]) == ExitCode.UNDECIDED
    out = capsys.readouterr().out
    assert out.startswith("No clause was broken in 1 transcript, but 1 place could not be read.")
    assert f"{log}, line 2: not a readable line" in out
