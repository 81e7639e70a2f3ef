"""`obverse check`: what is kept, what is broken off, and where findings are written."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
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
tool cancel(id: text) effect write
```

## Refunds {#refunds}

```rule
forbid refund when amount > 100 and amount < 50
ask cancel when once call refund within 24h
```

## Prose {#prose}

Nobody checks this.
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy with an error and a note, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("shop.md").write_text(POLICY)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    main(["check", "shop.md", "--json", *options])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def lasting(found: dict[str, object]) -> dict[str, object]:
    """What does not tell of the work."""
    return {key: value for key, value in found.items() if key not in {"seconds", "queries", "reused"}}


def test_what_was_answered_is_not_asked_again_and_reads_the_same(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cold = said(capsys)
    warm = said(capsys)
    assert cold["reused"] == 0
    assert warm["queries"] == 0
    assert warm["reused"]
    assert lasting(warm) == lasting(cold) == lasting(said(capsys, "--no-cache"))


def test_nothing_is_kept_where_nothing_shall_be(
    shop: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "--no-cache")
    assert [path.name for path in own_cache.iterdir()] == ["models"]


def _of_another_layout(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE answer (a)")
    other.close()


def _overwritten(file: Path, value: bytes) -> None:
    with sqlite3.connect(file) as other:
        other.execute("UPDATE answer SET value = ?", (value,))
    other.close()


BROKEN = {
    "no database": lambda file: file.write_bytes(b"not a database at all, but long enough to be read as one" * 40),
    "empty": lambda file: file.write_bytes(b""),
    "another layout": _of_another_layout,
    "answers that are none": lambda file: _overwritten(file, b"{"),
    "answers of another shape": lambda file: _overwritten(file, b'{"findings": 3}'),
    "bytes that were flipped": lambda file: _overwritten(file, b'{"findings": []}'),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_store_is_as_if_there_were_none(
    damage: object, shop: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cold = said(capsys)
    (file,) = own_cache.glob("*.sqlite")
    damage(file)  # type: ignore[operator]  # one of BROKEN
    assert lasting(said(capsys)) == lasting(cold)


def test_a_finding_names_file_line_and_column(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, last = said(capsys)["findings"]  # type: ignore[misc]  # a list
    assert first["at"] == {"file": "shop.md", "line": 15, "column": 1}
    assert last["at"] == {"file": "shop.md", "line": 19, "column": 1}
    assert first["query"].startswith("sha256:")


def test_a_spent_budget_lists_what_was_not_asked(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = (f"## Part {n} {{#part{n}}}\n\n```rule\nforbid refund when amount > {n}\n```\n\n" for n in range(60))
    with Path("shop.md").open("a") as policy:  # to read it takes longer than that
        policy.writelines(many)
    found = said(capsys, "--budget", "0.01", "--no-cache")
    assert found["undecided"]
    assert all("the budget of 0.01" in one["reason"] for one in found["undecided"])  # type: ignore[attr-defined]  # a list


def test_the_memory_of_a_monitor_is_listed_when_asked_for(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "shop.md", "--memory"])
    assert "      refunds/2: the events of the last 24h: call refund (grows)" in capsys.readouterr().out.splitlines()
    assert [one["rule"] for one in said(capsys)["memory"]] == ["refunds/2"]  # type: ignore[attr-defined]  # a list


def test_sarif_goes_to_a_file_or_to_stdout(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "shop.md", "--sarif", "out.sarif"]) == 3
    assert "error S201 refunds" in capsys.readouterr().out
    assert main(["check", "shop.md", "--format", "sarif"]) == 3
    assert capsys.readouterr().out == Path("out.sarif").read_text()


def test_stdout_takes_one_format(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "shop.md", "--json", "--format", "sarif"]) == 2
    assert "exclude each other" in capsys.readouterr().err
    assert main(["check", "shop.md", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["complete"] is True


def test_ctrl_c_prints_what_was_found_and_keeps_it(tmp_path: Path, own_cache: Path) -> None:
    rules = "\n".join(
        f"forbid refund when count(call cancel within {n}h) > 40 and count(call refund within {n}h) > 41"
        for n in range(1, 80)
    )
    (tmp_path / "shop.md").write_text(POLICY.replace("ask cancel", f"{rules}\nask cancel"))
    command = [sys.executable, "-m", "obverse.cli", "check", str(tmp_path / "shop.md"), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OBVERSE_CACHE": str(own_cache)}
    ) as process:
        while not list(own_cache.glob("*.sqlite")):  # it has begun
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    found = json.loads(out)
    assert found["complete"] is False
    assert "S201" in {finding["code"] for finding in found["findings"]}
    assert {one["reason"] for one in found["undecided"]} >= {"not asked: interrupted"}
    assert b"Traceback" not in err
