"""`obverse cases --from-ledger` and `obverse suggest`: what was recorded once, put to use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cases.files import read_cases
from obverse.cli.app import main
from obverse.guard.home import open_home
from obverse.guard.local import open_guard
from obverse.guard.records import ProposedCall

POLICY = """---
policy: till
version: 1
---
# Till

```terms
tool look(id: text) -> (owner: text) effect read
tool pay(to: text, amount: number) effect money
```

## Payments {#pay}

```rule
forbid pay when amount > 100
```
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A guard that has let two payments through, one of them to somebody whom nobody named, and stopped a third."""
    monkeypatch.chdir(tmp_path)
    Path("till.md").write_text(POLICY)
    assert main(["guard", "init", "guard", "--policy", "till.md"]) == 0
    guard = open_guard(open_home(Path("guard")))
    session = guard.session(holder="anna", id="morning")
    session.message("Pay bob 10 and carl 500.")
    for number, (to, amount) in enumerate((("bob", 10), ("mallory", 20), ("carl", 500))):
        call = ProposedCall(call_id=f"c{number}", tool="pay", arguments=json.dumps({"to": to, "amount": amount}))
        if session.propose([call]).released:
            session.result(f"c{number}", "done")
    guard.close()
    capsys.readouterr()
    return tmp_path


def names(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The steps, as they are listed."""
    assert main(["suggest", "till.md", "--from-ledger", "guard"]) == 0
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_a_wrong_name_is_told_what_there_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suggest", "till.md", "--from-ledger", "guard", "--bad", "nobody"]) == 2
    assert "there are 3, such as `morning:e2`" in capsys.readouterr().err


def test_a_stopped_step_becomes_a_case(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", "till.md", "--from-ledger", "guard", "-o", "past.jsonl"]) == 0
    (case,) = read_cases(Path("past.jsonl").read_bytes())
    assert '"carl"' in case.step.event.arguments  # type: ignore[union-attr]  # a call
    assert "3 steps in the ledger, 1 of them stopped" in capsys.readouterr().out


def test_what_went_through_and_would_be_stopped_now_becomes_one_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("till.md").write_text(POLICY.replace("> 100", "> 15"))
    assert main(["cases", "till.md", "--from-ledger", "guard/ledger", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cases"], found["released_and_blocked_now"]) == (2, 1)


def test_a_policy_that_lets_through_what_was_stopped_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("till.md").write_text(POLICY.replace("> 100", "> 1000"))
    assert main(["cases", "till.md", "--from-ledger", "guard"]) == 3
    assert "stopped then, and let through by this policy: morning:" in capsys.readouterr().out


def test_a_step_that_should_not_have_happened_becomes_a_rule_with_a_preview(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bad, _ = names(capsys)
    assert main(["suggest", "till.md", "--from-ledger", "guard", "--bad", bad]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("forbid pay when not (once message where (text contains args.to))")
    assert lines[place + 1] == "    would have stopped it and none of 2 other calls"


def test_recorded_transcripts_are_a_past_as_well(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat = [{"role": "user", "content": "Pay bob."}]
    for number, to in enumerate(("bob", "mallory")):
        call = {"name": "pay", "arguments": json.dumps({"to": to, "amount": 5})}
        chat += [
            {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{number}", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": f"c{number}", "content": "done"},
        ]  # fmt: skip
    Path("chats.jsonl").write_text(json.dumps({"id": "noon", "messages": chat}) + "\n")
    assert main(["suggest", "till.md", "chats.jsonl", "--bad", "noon:3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["suggestions"]
    assert any(one["rule"].endswith("(text contains args.to))") and not one["also"] for one in found)


def test_a_past_is_named_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suggest", "till.md", "--bad", "x:1"]) == 2
    assert "[U031]" in capsys.readouterr().err


def test_no_log_is_said_in_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["suggest", "till.md", "--from-ledger", "empty", "--bad", "x:1"]) == 2
    assert capsys.readouterr().err.startswith("[E107] no log in `empty`")


def test_what_a_grant_let_through_is_no_violation(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reviewer", "key", "gina.pem"]) == 0
    Path("gina.pub").write_text(capsys.readouterr().out)
    assert main(["reviewer", "add", "guard", "gina", "--key", "gina.pub", "--role", "grant"]) == 0
    given = "--clauses pay --for anna --scope pay --purpose rent --uses 1 --until 2h --key gina.pem --as gina"
    assert main(["grant", "give", "guard", *given.split(), "--yes", "--no-preview"]) == 0
    guard = open_guard(open_home(Path("guard")))
    session = guard.session(holder="anna", id="noon")
    rent = ProposedCall(call_id="r", tool="pay", arguments='{"to": "landlord", "amount": 900}')
    assert session.propose([rent]).released
    guard.close()
    capsys.readouterr()
    assert main(["cases", "till.md", "--from-ledger", "guard"]) == 0
    printed = capsys.readouterr().out
    assert "4 steps in the ledger, 1 of them stopped" in printed
    assert "1 cases: 0 steps went through then" in printed
    assert "1 were let through by a grant, and are no cases" in printed
