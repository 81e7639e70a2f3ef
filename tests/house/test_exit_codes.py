"""The exit codes are a contract: the enum, the README, the reference and `--help` say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from house import ROOT
from obverse.cli.exit_codes import ExitCode
from reference import help_of

CONTRACT = {"HOLDS": 0, "CRASH": 1, "USAGE": 2, "VIOLATED": 3, "UNDECIDED": 4, "UNVERIFIED": 5}
WORDS = {0: "holds", 1: "crash", 2: "usage", 3: "violated", 4: "undecided", 5: "evidence"}


def told(text: str) -> dict[int, str]:
    """Code → first word of its meaning, from the sentence that begins `Exit codes:`."""
    sentence = re.search(r"Exit codes:(.*?)\.", " ".join(text.split()))
    return {} if sentence is None else {int(code): word for code, word in re.findall(r"\b(\d) (\w+)", sentence[1])}


def test_the_enum_is_the_contract_and_what_the_shell_calls_its_own() -> None:
    shell = {"INTERRUPTED": 128 + 2, "CLOSED_PIPE": 128 + 13}
    assert {code.name: code.value for code in ExitCode} == CONTRACT | shell


@pytest.mark.parametrize("page", ["README.md", "docs/reference/cli.md", "docs/design/design.md"])
def test_a_page_tells_the_exit_codes_as_they_are(page: str) -> None:
    assert told(Path(ROOT / page).read_text()) == WORDS


def test_help_tells_the_exit_codes_as_they_are() -> None:
    assert told(help_of(["--help"])) == WORDS


def test_a_wrong_sentence_is_found() -> None:
    assert told("Exit codes: 0 holds, 1 violated.") != WORDS
    assert told("no sentence") == {}
