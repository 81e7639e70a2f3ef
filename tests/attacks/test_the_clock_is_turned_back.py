"""Times that go back, or vanish: a window that has passed is forgotten, so the readers refuse what would bring it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main

POLICY = """---
policy: clock
---
# Not twice an hour {#once}
```terms
tool pay(to: text) effect money
```
```rule
forbid pay when once call pay within 1h
```
"""
HOUR = 3_600_000
HEADER = {"schema": "obverse.transcript/1", "id": "t1"}


def pay(name: str, time: int | None) -> dict[str, object]:
    return {"kind": "call", "id": name, "time": time, "turn": int(name[1:]), "call_id": name, "tool": "pay", "arguments": '{"to": "a"}'}  # fmt: skip


ORDERS = {
    "back": ([pay("e1", 5 * HOUR), pay("e2", HOUR)], "older"),
    "gone": ([pay("e1", HOUR), pay("e2", None)], "no time"),
}


@pytest.mark.parametrize("case", ORDERS)
def test_the_audit_leaves_such_a_transcript_undecided(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events, words = ORDERS[case]
    (tmp_path / "p.md").write_text(POLICY)
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(line) for line in [HEADER, *events]))
    assert main(["audit", str(tmp_path / "p.md"), str(tmp_path / "t.jsonl")]) == 4
    assert words in "".join(capsys.readouterr())


def test_the_audit_reads_one_that_goes_forward(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(POLICY)
    lines = [HEADER, pay("e1", HOUR), pay("e2", HOUR + 1)]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert main(["audit", str(tmp_path / "p.md"), str(tmp_path / "t.jsonl")]) == 3
