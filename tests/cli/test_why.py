"""`obverse why`: a step is named as `audit` names it; its JSON keys are a contract; its text is for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main

POLICY = """---
policy: shop
version: 3
---
# Shop

```terms
tool refund(id: text, amount: number) effect money
tool look(id: text) -> (state: text) effect read
```

## Refunds {#refunds}

```rule
forbid refund when amount > 100 says "That is too much."
forbid refund(id: r) unless once look(id: r)
```
"""
CHAT = {
    "id": "chat-1",
    "messages": [
        {"role": "user", "content": "Refund R1."},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"id": "R1"}'}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": '{"id": "R2"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"state": "open"}'},
        {"role": "tool", "tool_call_id": "c2", "content": '{"state": "open"}'},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c3",
                    "type": "function",
                    "function": {"name": "refund", "arguments": '{"id": "R1", "amount": 120}'},
                }
            ],
        },
    ],
}
OURS = """{"schema": "obverse.transcript/1", "id": "own"}
{"kind": "message", "id": "m1", "text": "Refund R1."}
{"kind": "call", "id": "a1", "call_id": "c1", "tool": "refund", "arguments": "{\\"id\\": \\"R1\\", \\"amount\\": 5}"}
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy, a chat, two chats, and a transcript of our own."""
    monkeypatch.chdir(tmp_path)
    Path("shop.md").write_text(POLICY)
    Path("chat.json").write_text(json.dumps(CHAT))
    Path("two.jsonl").write_text(json.dumps(CHAT) + "\n" + json.dumps({**CHAT, "id": "chat-2"}) + "\n")
    Path("own.jsonl").write_text(OURS)


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[dict[str, object]]]:
    """What `--json` prints."""
    assert main(["why", "shop.md", *arguments, "--json"]) == 0
    found: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


def test_a_step_is_named_by_the_message_or_the_event_that_audit_names(capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "shop.md", "chat.json", "--json"])
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    for name in (str(finding["message"]), finding["step"]):
        (step,) = explained(capsys, "chat.json", "--step", name)["steps"]
        assert (step["step"], step["message"]) == (finding["step"], finding["message"])
        assert step["verdict"] == finding["verdict"]


def test_the_json_has_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(capsys, "chat.json", "--step", "4")
    assert set(found) >= {"policy", "transcript", "steps", "seconds"}
    (step,) = found["steps"]
    assert set(step) >= {
        "step",
        "message",
        "act",
        "verdict",
        "certain",
        "clauses",
        "rules",
        "approvals",
        "nearest",
        "otherwise",
    }
    fired = [rule["rule"] for rule in step["rules"] if rule["part"] == "fired"]  # type: ignore[attr-defined]  # a list
    assert fired == ["refunds/1"]
    ((way,),) = ([step["nearest"][0]],)  # type: ignore[index]  # a list
    assert (way["verdict"], way["edits"][0]["member"], way["edits"][0]["after"]) == ("allow", "argument amount", "100")


def test_the_text_says_what_fired_what_kept_silent_and_what_would_turn_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "shop.md", "chat.json", "--step", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'decided: deny by refunds; the agent is told "That is too much."' in lines
    assert '    refunds/1 fired: `forbid refund when amount > 100 says "That is too much."`' in lines
    assert "        `amount > 100` is true" in lines
    assert "    refunds/2 kept silent: `forbid refund(id: r) unless once look(id: r)`" in lines
    assert lines[-2:] == ["it would be allow if:", "    e7: argument amount were 100 instead of 120"]


def test_a_message_of_several_steps_has_all_of_them_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert [step["step"] for step in explained(capsys, "chat.json", "--step", "1")["steps"]] == ["e2", "e3", "e4"]


def test_a_transcript_of_our_own_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    (step,) = explained(capsys, "own.jsonl", "--step", "a1")["steps"]
    assert step["verdict"] == "deny"
    assert {edit["kind"] for edit in step["nearest"][0]["edits"]} == {"added"}  # type: ignore[index]  # a list


def test_which_transcript_is_meant_has_to_be_said_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "shop.md", "two.jsonl", "--step", "4"]) == 2
    assert "chat-1, chat-2" in capsys.readouterr().err
    assert explained(capsys, "two.jsonl", "--step", "4", "--transcript", "chat-2")["transcript"] == "chat-2"
    assert main(["why", "shop.md", "two.jsonl", "--step", "4", "--transcript", "chat-3"]) == 2


def test_a_step_that_is_none_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "shop.md", "chat.json", "--step", "2"]) == 2
    assert (
        "[U011] `2` is no step: nothing is decided there in `chat-1` (hint: its steps are 1, 4)"
        in capsys.readouterr().err
    )
    assert main(["why", "shop.md", "chat.json", "--step", "99"]) == 2
    assert "there is no step `99`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["shop.md", "chat.json"],
        ["shop.md", "gone.json", "--step", "1"],
        ["gone.md", "chat.json", "--step", "1"],
        ["shop.md", "shop.md", "--step", "1"],
        ["shop.md", "empty", "--step", "1"],
        ["shop.md", "chat.json", "--step", "1", "--start", "soon"],
        ["shop.md", "chat.json", "--step", "1", "--timeout", "inf"],
        ["shop.md", ".", "--step", "1"],
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").write_text("")
    assert main(["why", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
