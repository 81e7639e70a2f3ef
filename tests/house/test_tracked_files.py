"""Nothing in the repository names the machine it was written on, or the registry that packages came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from house import ROOT, tracked

FOREIGN = {
    "a path of a home": re.compile(r"(?<![\w.~/])/(?:root|home/\w+|Users/\w+)/[\w.]"),
    "a path of a workplace": re.compile(r"(?<![\w.~/}])/(?:work|tmp/work|opt/wheels|opt/pypi)(?![\w.-])"),
    "a registry": re.compile(r"index-url[\s=:]+\S*//|find-links|files\.pythonhosted|pypi\.org/simple"),
    "a credential": re.compile(r"\b(?:sk-[A-Za-z0-9]{20,}|ghp_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})\b"),
}
HERE = Path(__file__).resolve()  # it names them all
LARGEST = 2_000_000  # bytes; data and models are fetched, not tracked


def foreign(text: str) -> list[str]:
    """What of this text belongs to somebody's machine, as `kind: line`."""
    return [
        f"{kind}: line {number}"
        for number, line in enumerate(text.splitlines(), 1)
        for kind, pattern in FOREIGN.items()
        if pattern.search(line)
    ]


def text_of(path: Path) -> str:
    """The text of a file, empty for a picture."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_tracked_file_names_a_machine() -> None:
    found = {str(path.relative_to(ROOT)): foreign(text_of(path)) for path in tracked() if path != HERE}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_tracked_file_is_large() -> None:
    assert [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > LARGEST] == []


FOREIGN_LINES = [
    "see /root/.cache", "cd /home/ann/x", "/Users/ann/x", "/work/main", "cd /tmp/work/x", "/work", "sk-" + "a" * 24,
    "--index-url https://mirror.example/simple", "pip install --find-links wheels x",
]  # fmt: skip


@pytest.mark.parametrize("line", FOREIGN_LINES)
def test_a_foreign_line_is_found(line: str) -> None:
    assert foreign(line) != []


@pytest.mark.parametrize("line", ["a/work/b", "rework / work", "~/work", "https://example.org/work/x", "framework/"])
def test_a_line_that_only_looks_foreign_passes(line: str) -> None:
    assert foreign(line) == []
