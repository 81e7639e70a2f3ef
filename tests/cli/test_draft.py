"""`obverse draft`: from a prose to a policy, in steps, each of which can be the last one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.draft.desk import PROSE, TERMS

from obverse.cli.app import main

MODEL = """
import json, re

SAID = {
    "Refunds above 100": ("ask refund when amount > 100", "ask refund when amount >= 100"),
    "Look an order up": ("forbid refund(id: i) unless once get_order(id: i)",) * 2,
    "send mail": ('forbid send_email unless to at domain "acme.com"',) * 2,
}

def reply(messages, sampling):
    asked = messages[-1]["content"]
    with open("calls.txt", "a") as file:
        file.write("x")
    found = re.search(r'^\\{"statement_\\w+": "([^"]*)', asked, re.M)
    if found is None:
        return "```terms\\n```"
    for beginning, rules in SAID.items():
        if found[1].startswith(beginning):
            return f"```rule\\n{rules[sampling['seed'] == 2]}\\n```"
    return "NOT A RULE: nothing to do"

def hangs(messages):
    import time
    time.sleep(30)

def refuses(messages):
    return "I'm sorry, but I can't help with that."
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("refunds.md").write_text(PROSE)
    Path("terms.txt").write_text(TERMS)
    name = f"scripted_{abs(hash(str(tmp_path)))}"
    Path(f"{name}.py").write_text(MODEL)
    Path("name").write_text(name)
    return tmp_path


def target(function: str = "reply") -> str:
    return f"python:{Path('name').read_text()}:{function}"


def calls() -> int:
    return len(Path("calls.txt").read_text()) if Path("calls.txt").exists() else 0


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["draft", "refunds.md", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_prose_becomes_a_policy_in_four_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "--terms", "terms.txt", code=4)
    assert found["counts"] == {"no rule": 1, "not drafted": 5}
    assert calls() == 0

    found = said(capsys, "--model", target(), "--drafts", "3", code=4)
    assert found["counts"] == {"agreed": 2, "no rule": 1, "not formalised": 2, "question": 1}
    asked = calls()
    assert asked == 1 + 5 * 3
    question = next(one["question"] for one in found["statements"] if one["question"])
    assert set(question["options"]) == {"allow", "ask"}

    found = said(capsys, "--answer", f"{question['id']}=yes", "--by", "Ana", code=4)
    assert found["counts"]["agreed"] == 3
    found = said(capsys, "--accept", "all", "--by", "Ana", code=0)
    assert found["counts"] == {"accepted": 3, "no rule": 1, "not formalised": 2}
    assert calls() == asked, "neither answering nor accepting asks a model"
    capsys.readouterr()
    assert main(["check", "refunds.policy.md", "--json"]) == 0
    assert main(["draft", "refunds.md", "--model", target(), "--drafts", "3"]) == 0
    assert calls() == asked, "nothing has changed, so nothing is asked"


def test_a_person_reads_what_to_decide_and_how(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draft", "refunds.md", "--terms", "terms.txt", "--model", target(), "--drafts", "3"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "refunds.md: 6 statements (5 normative, 1 background), 4 other pieces"
    assert "    draft 1, 3 say the same:" in lines
    assert '        now the agent wants to call refund(id: "R1", amount: 100)' in lines
    assert any(line.startswith("    answer it with --answer q") for line in lines)
    assert "    accept it with --accept send-mail-outside-acme --by NAME" in lines
    assert lines[-2] == "2 agreed, 1 question, 2 not formalised"


def test_an_edit_of_the_prose_asks_about_what_changed_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "--terms", "terms.txt", "--model", target(), "--drafts", "2", code=4)
    before = calls()
    Path("refunds.md").write_text(PROSE.replace("Look an order up", "Look an order up carefully"))
    said(capsys, "--model", target(), "--drafts", "2", code=4)
    assert calls() - before == 1 + 2, "the terms of one statement, and its drafts"


def test_a_document_that_somebody_edited_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, code=4)
    document = Path("refunds.policy.md")
    document.write_text(document.read_text() + "\nMy own words.\n")
    assert main(["draft", "refunds.md"]) == 2
    assert "[F111]" in capsys.readouterr().err
    assert document.read_text().endswith("My own words.\n")


def test_a_tool_list_and_a_policy_are_terms_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tools.json").write_text(
        '{"tools": [{"name": "refund", "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}, '
        '"amount": {"type": "number"}}, "required": ["id", "amount"]}}]}'
    )
    found = said(capsys, "--terms", "tools.json", "--model", target(), "--drafts", "1", "-o", "a.md", code=4)
    by_text = {one["text"]: one for one in found["statements"]}
    assert by_text["Refunds above 100 need the approval of a colleague."]["status"] == "agreed"
    assert "unknown" in by_text["Look an order up before you refund it."]["drafts"][0]["why"]
    said(capsys, "--accept", "all", "--by", "Ana", "-o", "a.md", code=0)
    found = said(capsys, "--terms", "a.md", "--model", target(), "--drafts", "1", "-o", "b.md", code=4)
    assert found["counts"]["agreed"] == 1


BAD = {
    "no such file": (["nothing.md"], "U002"),
    "a folder": (["."], "U004"),
    "an empty prose": (["empty.md"], "F103"),
    "a binary file": (["binary.md"], "F102"),
    "a huge file": (["huge.md"], "F101"),
    "the prose as output": (["refunds.md", "-o", "refunds.md"], "F109"),
    "no such terms": (["refunds.md", "--terms", "nothing.txt"], "U002"),
    "terms that are none": (["refunds.md", "--terms", "refunds.md"], "P110"),
    "a broken tool list": (["refunds.md", "--terms", "broken.json"], "P130"),
    "no such model": (["refunds.md", "--model", "nobody:x"], "T010"),
    "an answer to nothing": (["refunds.md", "--answer", "q1=yes", "--by", "Ana"], "F123"),
    "an answer by nobody": (["refunds.md", "--answer", "q1=yes"], "U001"),
    "an answer without a value": (["refunds.md", "--answer", "q1", "--by", "Ana"], "U001"),
    "accepting by nobody": (["refunds.md", "--accept", "all"], "U001"),
    "accepting what is not there": (["refunds.md", "--accept", "x", "--by", "Ana"], "F123"),
    "a kind that is none": (["refunds.md", "--kind", "like-customers=law"], "U001"),
    "a state that is none": (["other.md"], "F106"),
}


@pytest.mark.parametrize(("arguments", "code"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_with_a_code(
    arguments: list[str], code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.md").write_text(" \n\n")
    Path("binary.md").write_bytes(b"\x89PNG\x00\xff")
    with Path("huge.md").open("wb") as file:
        file.truncate(5_000_000)
    Path("broken.json").write_text("[{")
    Path("other.md").write_text("Never run.")
    Path("other.policy.draft.json").write_text("{}}")
    assert main(["draft", *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert f"[{code}]" in told[0]
    assert "Traceback" not in "".join(told)


def test_a_model_that_does_not_answer_ends_in_one_line_and_what_was_split_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--terms", "terms.txt", "--model", target("hangs"), "--timeout", "0.05", "--attempts", "1"]
    assert main(["draft", "refunds.md", *arguments]) == 2
    assert "[T104]" in capsys.readouterr().err
    assert json.loads(Path("refunds.policy.draft.json").read_text())["source"] == "refunds.md"


def test_a_model_that_refuses_leaves_every_statement_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "--terms", "terms.txt", "--model", target("refuses"), "--drafts", "1", code=0)
    assert found["counts"] == {"no rule": 1, "not formalised": 5}
    text = Path("refunds.policy.md").read_text()
    assert text.count("Not formalised: nobody has accepted a rule for it.") == 5


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(folder: Path) -> None:
    name = Path("name").read_text()
    with Path(f"{name}.py").open("a") as file:
        file.write(
            "\nimport asyncio\n\nasync def slow(messages, sampling):\n    await asyncio.sleep(0.15)\n    return reply(messages, sampling)\n"
        )
    command = [sys.executable, "-m", "obverse.cli", "draft", "refunds.md", "--terms", "terms.txt"]
    command += ["--model", f"python:{name}:slow", "--drafts", "8", "--concurrency", "2", "--json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while calls() < 5:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    kept = sum(len(one["drafts"]) for one in json.loads(out)["statements"])
    assert kept >= 4
    assert calls() == 1 + kept, "nothing that was under way is lost"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 4, done.stderr
    assert calls() == 1 + 5 * 8, "nothing is asked twice"
    assert sum(len(one["drafts"]) for one in json.loads(done.stdout)["statements"]) == 40
