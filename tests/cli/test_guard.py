"""`obverse guard`: a home is made, tried, looked at; sessions are stopped and renewed from another process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from obverse.cli.commands import obverse

POLICY = """\
---
policy: shop
---
```terms
tool look(id: text) effect read
tool pay(to: text, amount: number) effect money
```

## Paying {#pay}

```rule
forbid pay when amount > 1000 says "Too much at once."
```
"""
TOOLS = (
    '[{"name": "look", "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}, {"name": "shell"}]'
)


def run(*arguments: object, stdin: str | None = None) -> tuple[int, Any]:
    found = CliRunner().invoke(obverse, [str(one) for one in arguments], input=stdin, standalone_mode=False)
    if found.exception is not None:
        raise found.exception
    lines = found.stdout.strip()
    return int(found.return_value), lines


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "shop.md").write_text(POLICY)
    code, said = run("guard", "init", tmp_path / "home", "--policy", tmp_path / "shop.md", "--json")
    assert (code, json.loads(said)["policy"]["name"]) == (0, "shop")
    return tmp_path / "home"


def test_a_home_is_made_tried_and_looked_at(home: Path) -> None:
    assert run("guard", "canary", home, "--json") == (0, json.dumps({"home": str(home), "passed": True}, indent=2))
    code, said = run("guard", "status", home, "--json")
    found = json.loads(said)
    assert (code, found["running"], found["policy"]) == (3, False, "shop")
    assert [one["state"] for one in found["sessions"]] == ["ended"]
    assert run("guard", "status", home)[1].startswith("not running, policy shop")


def test_tools_that_the_policy_does_not_know_are_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(TOOLS)
    code, said = run("guard", "check", home, tmp_path / "tools.json", "--json")
    assert code == 3
    assert [(gap["kind"], gap["tool"]) for gap in json.loads(said)["gaps"]] == [
        ("unserved", "pay"),
        ("unknown", "shell"),
    ]
    (tmp_path / "tools.json").write_text('[{"name": "look"}, {"name": "pay"}]')
    assert run("guard", "check", home, tmp_path / "tools.json")[0] == 0


def lines(*said: dict[str, Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in said)


def test_a_program_is_guarded_through_its_stdin_and_stdout(home: Path) -> None:
    pay = {"call_id": "1", "tool": "pay", "arguments": '{"to": "bob", "amount": 5}'}
    large = {"call_id": "2", "tool": "pay", "arguments": '{"to": "bob", "amount": 5000}'}
    code, said = run(
        "guard", "run", home, "--holder", "alice", "--session", "s1",
        stdin=lines({"message": "Pay Bob."}, {"propose": {"calls": [pay]}}, {"result": {"call_id": "1", "output": "paid"}},
                    {"propose": {"calls": [large], "reply": "Done."}}, {"resume": {}},
                    {"redeem": {"permit": "x", "tool": "pay", "arguments": "{}"}}),
    )  # fmt: skip
    first, second, third, fourth = map(json.loads, said.splitlines())
    assert code == 3
    assert (first["verdict"], first["steps"][0]["permit"] is not None) == ("allow", True)
    assert [step["message"] for step in second["steps"]][1] == "Too much at once."
    assert [step["permit"] for step in second["steps"]] == [None, None]
    assert third == {"verdict": None}
    assert fourth["redeemed"] is False
    assert "1000" not in said


@pytest.mark.parametrize(
    "line", ["{}", "[]", '{"message": "a", "system": "b"}', "nonsense", '{"propose": {"rpely": "x"}}']
)
def test_a_line_that_is_none_is_refused(home: Path, line: str) -> None:
    from obverse.core.errors import UntrustedInputError

    with pytest.raises(UntrustedInputError, match="not a line of a session"):
        run("guard", "run", home, "--holder", "alice", stdin=line + "\n")


@pytest.fixture
def running(home: Path) -> Iterator[subprocess.Popen[str]]:
    (home / "guard.toml").write_text((home / "guard.toml").read_text() + "lease_seconds = 30.0\n")
    program = [sys.executable, "-m", "obverse.cli", "guard", "run", str(home), "--holder", "alice", "--session", "s1"]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    yield process
    process.communicate()


def say(process: subprocess.Popen[str], line: dict[str, Any]) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(line) + "\n")
    return json.loads(process.stdout.readline())


def look(number: int) -> dict[str, Any]:
    return {"propose": {"calls": [{"call_id": f"c{number}", "tool": "look", "arguments": '{"id": "a"}'}]}}


def test_a_session_runs_as_long_as_somebody_else_renews_its_lease(home: Path, running: subprocess.Popen[str]) -> None:
    assert say(running, look(1))["verdict"] == "allow"
    assert run("guard", "status", home)[0] == 0
    assert run("guard", "renew", home, "s1", "--seconds", "60", "--by", "olga")[0] == 0
    assert say(running, look(2))["verdict"] == "allow"
    assert run("guard", "renew", home, "s1", "--seconds", "0.1", "--by", "olga")[0] == 0
    time.sleep(0.3)
    assert say(running, look(3))["state"] == "stopped"


def test_a_session_is_stopped_from_another_process(home: Path, running: subprocess.Popen[str]) -> None:
    assert say(running, look(1))["verdict"] == "allow"
    assert run("guard", "stop", home, "s1", "--by", "olga", "--why", "enough")[0] == 0
    stopped = say(running, look(2))
    assert (stopped["state"], stopped["verdict"]) == ("stopped", "deny")
    assert run("guard", "stop", home, "--all", "--by", "olga", "--json")[0] == 0
