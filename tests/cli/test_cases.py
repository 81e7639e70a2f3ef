"""`obverse cases`: the JSON that scripts stand on, the table for people, the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cases.files import read_cases
from obverse.cli.app import main

POLICY = """---
policy: till
version: 2
---
# Till

```terms
tool refund(id: text, amount: integer)   effect money
```

## Large refunds  {#large}

A refund above 100 needs a person.

```rule
ask refund when amount > 100
```

## Be kind  {#kind}

Nobody has written this down as a rule yet.
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.md"
    path.write_text(POLICY)
    return path


def test_json_keeps_the_contract(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() >= {"policy", "cases", "digest", "coverage"}
    assert said["policy"]["name"] == "till"
    assert said["coverage"]["boundary"] == {"met": 3, "infeasible": 0, "open": 0}
    assert list(said["coverage"]) == ["clause", "rule", "condition", "mcdc", "boundary", "twin"]


def test_the_file_holds_the_cases_that_were_counted(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cases.jsonl"
    assert main(["cases", str(policy), "-o", str(out), "--json", "--seed", "7"]) == 0
    said = json.loads(capsys.readouterr().out)
    cases = list(read_cases(out.read_bytes()))
    assert len(cases) == said["cases"]
    assert {case.seed for case in cases} == {7}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.jsonl", "policy.md"]


def test_the_table_names_every_clause(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("large") and "3/3" in line for line in lines)
    assert any(line.startswith("kind") and line.endswith("not formalised") for line in lines)


def test_a_file_that_cannot_be_written_is_one_line(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cases", str(policy), "-o", str(policy.parent / "none" / "cases.jsonl")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_old_file_stays_when_nothing_new_can_be_derived(policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "cases.jsonl"
    out.write_text("old")
    policy.write_text(POLICY.replace("amount > 100", "amont > 100"))
    assert main(["cases", str(policy), "-o", str(out)]) == 2
    assert out.read_text() == "old"
