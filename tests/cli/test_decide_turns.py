"""Which turn an event belongs to is read from its own member, not from a word in what somebody wrote."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from obverse.cli.decide import decide

POLICY = """---
policy: turns
---
# One at a time {#one}
```terms
tool note(text: text) effect read
```
```rule
forbid any call when turn.calls > 1
```
"""


def test_the_word_turn_in_another_member_joins_no_two_calls(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(POLICY)
    calls = [{"kind": "call", "id": n, "call_id": "turn", "tool": "note", "arguments": "{}"} for n in "ab"]
    found = CliRunner().invoke(decide, [str(tmp_path / "p.md")], input="\n".join(map(json.dumps, calls)))
    assert [json.loads(line)["verdict"] for line in found.stdout.splitlines()] == ["allow", "allow"]


def test_calls_that_say_one_turn_are_one_turn(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(POLICY)
    calls = [{"kind": "call", "id": n, "call_id": n, "turn": 3, "tool": "note", "arguments": "{}"} for n in "ab"]
    found = CliRunner().invoke(decide, [str(tmp_path / "p.md")], input="\n".join(map(json.dumps, calls)))
    assert [json.loads(line)["verdict"] for line in found.stdout.splitlines()] == ["deny", "deny"]
