"""`obverse check`: its JSON keys and exit codes are a contract; its text is for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main

TERMS = """---
policy: shop
version: 3
---
# Shop

```terms
tool refund(id: text, amount: number) effect money
```

## Refunds {#refunds}

```rule
"""
SOUND = TERMS + "ask refund when amount > 100\n```\n"
UNSOUND = TERMS + "forbid refund when amount > 100 and amount < 50\n```\n"
MEETING = TERMS + "forbid refund when amount > 100\npermit refund when amount > 50\n```\n"
HARD = TERMS + "forbid refund when count(call refund) > 500\n```\n"


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A file with the policy of the test."""
    path = tmp_path / "policy.md"
    path.write_text(request.param)
    return str(path)


@pytest.mark.parametrize(
    ("written", "code"),
    [(SOUND, 0), (UNSOUND, 3), (MEETING, 0), (HARD, 4), ("no policy", 2)],
    ids=["sound", "an error", "a warning", "undecided", "bad input"],
    indirect=["written"],
)
def test_the_exit_code_says_what_was_found(written: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written]) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("written", [UNSOUND], indirect=True)
def test_the_json_has_the_keys_of_the_contract(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written, "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert set(said) >= {"policy", "findings", "undecided", "seconds"}
    assert {key: said["policy"][key] for key in ("name", "version")} == {"name": "shop", "version": "3"}
    assert said["policy"]["digest"].startswith("sha256:")
    (finding,) = said["findings"]
    assert (finding["code"], finding["clause"], finding["severity"]) == ("S201", "refunds", "error")
    assert finding["witness"]["verdict"] == "allow"
    assert finding["witness"]["step"]["event"]["tool"] == "refund"


@pytest.mark.parametrize("written", [HARD], indirect=True)
def test_what_is_undecided_names_its_reason(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written, "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    assert said["findings"] == []
    assert [(one["code"], one["clause"]) for one in said["undecided"]] == [("S201", "refunds")]
    assert said["undecided"][0]["reason"] == "needs 501 events of a kind, the bound is 128"


@pytest.mark.parametrize("written", [UNSOUND], indirect=True)
def test_a_person_reads_the_finding_with_a_transcript(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shop, version 3: 1 rule in 1 clause"
    assert lines[2] == (
        "error S201 refunds: `forbid` in `refunds` can never fire: "
        "`amount > 100` and `amount < 50` are never true together"
    )
    assert lines[3] == f"      at {written}:14:1"
    assert lines[4] == '      message "Hello, I need some help."'
    assert lines[5].startswith("    > call refund {")
    assert lines[6] == "      decided: allow"
    assert lines[-1].startswith("1 error; ")


@pytest.mark.parametrize("written", [UNSOUND], indirect=True)
def test_the_page_shows_what_is_printed(
    written: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "design" / "solver.md").read_text()
    shown = page.partition("$ obverse check shop.md\n")[2].partition("```")[0].splitlines()
    monkeypatch.chdir(Path(written).parent)
    Path(written).rename("shop.md")
    main(["check", "shop.md"])
    assert capsys.readouterr().out.splitlines()[:-1] == shown[:-1]  # the last line tells the time
