"""`obverse fmt`, and what every command says of a policy that it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from obverse.cli.app import main
from obverse.cli.load import load

LOOSE = "---\npolicy: p\n---\n# A {#a}\n```rule\nforbid   reply\n```\n"
TIGHT = LOOSE.replace("forbid   reply", "forbid reply")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.md"
    path.write_text(LOOSE)
    return path


def test_it_prints_the_canonical_form(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", str(policy)]) == 0
    assert capsys.readouterr().out == TIGHT
    assert policy.read_text() == LOOSE


def test_it_writes_when_told_to_and_then_finds_nothing_more(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", str(policy)]) == 3
    assert main(["fmt", "--write", str(policy)]) == 0
    assert policy.read_text() == TIGHT
    assert main(["fmt", "--check", str(policy)]) == 0
    capsys.readouterr()
    assert main(["fmt", "--check", "--json", str(policy)]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [{"file": str(policy), "changed": False, "written": False}]}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"# no front matter", b"x" * 2_000_000], ids=len)
def test_a_file_that_is_no_policy_is_one_line(content: bytes, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy.write_bytes(content)
    assert main(["fmt", str(policy)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(str(policy))
    assert err.count("\n") == 1


def test_a_missing_file_or_a_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path, tmp_path / "nowhere.md"):
        assert main(["fmt", str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "huge.md"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    assert main(["fmt", str(path)]) == 2
    assert "larger than" in capsys.readouterr().err


def test_tools_are_read_from_beside_the_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "policy.md"
    path.write_text('---\npolicy: p\n---\n```terms\nterms from "t.json"\n```\n')
    (tmp_path / "t.json").write_text('[{"name": "look"}]')
    assert list(load(path).tools) == ["look"]
    (tmp_path / "t.json").unlink()
    for name in ("t.json", "/etc/passwd", ".", "a\\u0000b"):
        path.write_text(f'---\npolicy: p\n---\n```terms\nterms from "{name}"\n```\n')
        with pytest.raises(Exception, match="P119"):
            load(path)
    del capsys
