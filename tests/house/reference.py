"""The reference of the commands, docs/reference/cli.md, as `--help` prints it.

python tests/house/reference.py        write the page again
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click

from house import ROOT
from obverse.cli.commands import HELP, load

PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """# Commands

What each command prints with `--help`. Written by `make reference`; a test compares it with the commands.

Exit codes: 0 holds, 1 crash, 2 usage or bad input, 3 violated, 4 undecided, 5 evidence does not verify; 130 after Ctrl-C.
"""


def help_of(arguments: list[str]) -> str:
    """What `obverse ARGUMENTS` prints, 80 columns wide."""
    command = [sys.executable, "-m", "obverse.cli", *arguments]
    plain = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=plain).stdout


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section([*words, "--help"]) for words in [[], *_calls()])


def _calls() -> Iterator[list[str]]:
    """Every command, and after a group its own commands."""
    for name in HELP:
        yield [name]
        command = load(name)
        if isinstance(command, click.Group):
            yield from ([name, one] for one in command.commands)


def _section(arguments: list[str]) -> str:
    line = " ".join(["obverse", *arguments])
    return f"\n## {' '.join(line.split()[:-1])}\n\n```console\n$ {line}\n{help_of(arguments).rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
