"""`obverse export` and `obverse import`: JSON keys and exit codes, and what bad input gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main

POLICY = """\
---
policy: shop
version: 1
---
```terms
tool pay(to: text, amount: number) effect money
tool look(id: text) effect read
```

## Limits {#limits}

```rule
forbid pay when amount > 100
forbid pay unless once call look
```
"""
CEDAR = """\
permit(principal, action == Action::"pay", resource) when { context.input.amount <= 100 };
forbid(principal, action, resource) when { context.frozen };
"""
TOOLS = {
    "tools": [
        {
            "name": "pay",
            "inputSchema": {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
        },
        {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    ]
}


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "shop.md"
    path.write_text(POLICY)
    return str(path)


def test_what_cannot_be_said_is_named_and_the_exit_code_says_so(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", policy]) == 4
    shown = capsys.readouterr()
    assert '@id("limits/1")' in shown.out
    assert shown.err.strip() == "left out: limits/2: it looks at the history"
    assert main(["export", policy, "--to", "dogwood"]) == 0
    assert main(["export", policy, "--leaves"]) == 0


def test_files_are_written_beside_the_json(policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("shop.dw", "shop.cedarschema", "shop.dwschema")]
    options = ["-o", str(files[0]), "--schema", str(files[1]), "--events", str(files[2])]
    assert main(["export", policy, "--to", "dogwood", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["policy", "dialect", "rules", "left_out", "leaves", "policies", "schema"]
    assert files[0].read_text() == found["policies"]
    assert all(file.read_text() for file in files)


@pytest.mark.parametrize(
    "options",
    [["--namespace", "a b"], ["--leaves", "--to", "dogwood"], ["--events", "x"], ["--to", "rego"]],
    ids=lambda options: options[0],
)
def test_options_that_make_no_sense_are_refused(
    policy: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", policy, *options]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_cedar_comes_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.cedar").write_text(CEDAR)
    out = tmp_path / "shop.md"
    assert main(["import", str(tmp_path / "shop.cedar"), "-o", str(out)]) == 0
    assert main(["check", str(out), "--json"]) in (0, 3)
    capsys.readouterr()
    assert main(["import", str(tmp_path / "shop.cedar"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["policies"] == ["policy0", "policy1"]


def test_a_list_of_tools_becomes_the_start_of_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    out = tmp_path / "policy.md"
    assert main(["import", str(tmp_path / "tools.json"), "-o", str(out)]) == 0
    assert "ask pay" in out.read_text()
    assert "look" not in out.read_text().partition("```rule")[2]
    assert main(["fmt", "--check", str(out)]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"permit(", "neither JSON nor Cedar"), (b"\xff\xfe", "not UTF-8"), (b"{}", "P1"), (b"[1]", "P1"), (b"", "P140")],
)
def test_what_is_neither_is_refused_in_one_line(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    code = main(["import", str(path)])
    shown = capsys.readouterr()
    assert code == 2
    assert said in shown.err
    assert "Traceback" not in shown.err
