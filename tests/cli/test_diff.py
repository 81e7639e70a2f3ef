"""`obverse diff`: its JSON keys and exit codes are a contract; its text is for people."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from obverse.cli.app import main

TEXT = """---
policy: shop
version: 3
---
# Shop

```terms
tool refund(id: text, amount: number) effect money
tool mail(to: text) effect write
tool note(to: text) effect write
```

## Refunds {#refunds}

Ask first.

```rule
RULES
```
"""
LARGE = "forbid note when count(call note) > 500 and count(call mail) > 500 and count(call note) <= count(call mail)"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the first version."""
    monkeypatch.chdir(tmp_path)
    write("old.md", "ask refund when amount > 100")
    return tmp_path


def write(name: str, rules: str, **changes: str) -> None:
    """A version of the policy with these rules."""
    text = TEXT.replace("RULES", rules)
    for before, after in changes.items():
        text = text.replace(before.replace("_", " "), after)
    Path(name).write_text(text)


@pytest.mark.parametrize(
    ("rules", "options", "code"),
    [
        ("ask refund when amount > 100", [], 0),
        ("ask refund when 100 < amount", [], 0),
        ("ask refund when amount > 50", [], 0),
        ("ask refund when amount > 50", ["--fail-on", "any"], 3),
        ("ask refund when amount > 200", [], 3),
        ("ask refund when amount > 200", ["--fail-on", "never"], 0),
        (f"ask refund when amount > 100\n{LARGE}", [], 4),
        (f"ask refund when amount > 100\n{LARGE}", ["--fail-on", "never"], 0),
        (f"ask refund when amount > 200\n{LARGE}", [], 3),
        ("ask refund when amout > 100", [], 2),
    ],
)
def test_the_exit_code_says_what_changed(
    files: Path, rules: str, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    write("new.md", rules)
    assert main(["diff", "old.md", "new.md", *options]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_the_json_has_the_keys_of_the_contract(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("new.md", "ask refund when amount > 200", Ask_first="Ask a person first", version="version")
    assert main(["diff", "old.md", "new.md", "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert set(said) >= {"old", "new", "changes", "words", "undecided", "bound", "seconds"}
    assert {key: said["new"][key] for key in ("name", "version")} == {"name": "shop", "version": "3"}
    (change,) = said["changes"]
    assert set(change) >= {"kind", "act", "old", "new", "rules", "witness"}
    assert (change["kind"], change["old"], change["new"], change["loosens"]) == ("newly allowed", "ask", "allow", True)
    assert change["act"] == {"kind": "call", "tool": "refund"}
    assert change["rules"] == [{"of": "old", "rule": "refunds/1", "clause": "refunds"}]
    assert json.loads(change["witness"]["step"]["event"]["arguments"])["amount"] == 101
    assert [one["what"] for one in said["words"]] == ["prose"]
    assert (said["same"], said["bound"]) == ("false", "unbounded")


def test_a_change_is_told_with_its_transcript_and_both_verdicts(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("new.md", "ask refund when amount > 200")
    main(["diff", "old.md", "new.md"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shop, version 3 → shop, version 3"
    assert "newly allowed: `refund`, by refunds/1 of the old policy" in lines
    assert '    > call refund {"id": "R1", "amount": 101}' in lines
    assert "      was: ask, is: allow" in lines
    assert lines[-1].startswith("1 newly allowed; ")


def test_several_tools_that_change_alike_are_told_of_at_once(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("new.md", "ask refund when amount > 100\nforbid any call with effect write")
    assert main(["diff", "old.md", "new.md"]) == 0
    out = capsys.readouterr().out
    assert out.count("newly denied: ") == 1
    assert "      the same for `note`" in out


def test_a_proof_says_its_bound(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        "new.md", "ask refund when amount > 100\nwarn mail when once call mail and once call mail within 1h and false"
    )
    assert main(["diff", "old.md", "new.md"]) == 0
    assert "the same verdict on every step (proved " in capsys.readouterr().out


def test_bad_input_is_one_line_and_exit_2(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("none.md").write_text("no policy")
    Path("bytes.md").write_bytes(b"\xff\xfe\x00")
    for arguments in (
        ["old.md", "gone.md"],
        ["old.md", "none.md"],
        ["bytes.md", "old.md"],
        ["old.md"],
        ["old.md", "."],
    ):
        assert main(["diff", *arguments]) == 2
        assert "Traceback" not in capsys.readouterr().err
    for options in (["--timeout", "nan"], ["--timeout", "0"], ["--fail-on", "sometimes"]):
        assert main(["diff", "old.md", "old.md", *options]) == 2
    assert main(["diff", "old.md", "gone.md", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "U002"


def test_ctrl_c_ends_it_in_a_line(files: Path) -> None:
    hard = "\n".join(f"limit mail to {n} per {n}h" for n in range(60, 100))
    write("new.md", hard)
    command = [sys.executable, "-m", "obverse.cli", "diff", "old.md", "new.md"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}) as process:
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (130, 0, 4), err
    assert b"Traceback" not in err
    assert process.returncode != 130 or b"interrupted" in err  # it may have printed by then
