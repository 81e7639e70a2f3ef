"""What README and docs show is true: Python runs, `--help` is the real one, commands and links exist.

A fence ```` ```python ```` is a promise that it runs; a piece that shows a form is ```` ```python excerpt ````.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from house import ROOT, pages
from obverse.cli.commands import HELP, load
from reference import help_of

PAGES = pages()
PYTHON = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
SHOWN_HELP = re.compile(r"^\$ obverse ((?:[^\n]* )?--help)\n(.*?)(?=^\$ |^```)", re.M | re.S)
SHELL = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```", re.M | re.S)
LINK = re.compile(
    r"(?<!!)\[[^\]\n]*\]\((?P<to>[^)\s#]+)(?:#[^)]*)?\)|!\[[^\]\n]*\]\((?P<picture>[^)\s]+)\)|src=\"(?P<src>[^\"]+)\""
)
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@by_page
def test_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    run_blocks(page.read_text(), str(page))


@by_page
def test_the_help_that_a_page_shows_is_the_real_one(page: Path) -> None:
    assert stale_help(page.read_text()) == []


@by_page
def test_the_commands_of_a_page_exist(page: Path) -> None:
    assert unknown_commands(page.read_text()) == []


@by_page
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken_links(page.read_text(), page.parent) == []


def run_blocks(text: str, name: str) -> None:
    """Run every `python` block of a page, one after the other, in one namespace."""
    names: dict[str, Any] = {"__name__": "page"}
    for block in PYTHON.finditer(text):
        blank = "\n" * text[: block.start(1)].count("\n")  # a traceback shows the line of the page
        exec(compile(blank + block[1], name, "exec"), names)


def stale_help(text: str) -> list[str]:
    """Shown helps that differ from what the command prints."""
    shown = ((block[1], block[2]) for block in SHOWN_HELP.finditer(text))
    return [arguments for arguments, said in shown if said.rstrip() != help_of(arguments.split()).rstrip()]


def unknown_commands(text: str) -> list[str]:
    """Lines of shell blocks that call a command or an option of ours that does not exist."""
    lines = [
        line.strip().removeprefix("$ ")
        for block in SHELL.findall(text)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith("obverse ")]
    return [" ".join(call) for call in calls if not _is_known(call[1:])]


def _is_known(call: list[str]) -> bool:
    if call[0].startswith("-"):
        return call[0] in {"--help", "-h", "--version", "--debug"}
    if call[0] not in HELP:
        return False
    command = load(call[0])
    if isinstance(command, click.Group) and len(call) > 1:
        usual = getattr(command, "usual", "")  # of a group whose first word need not name a command
        context = click.Context(command)  # some load their commands only when they are asked for
        command = command.get_command(context, call[1]) or command.get_command(context, usual) or command
    options = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    given = {word.partition("=")[0] for word in call[1:] if re.match(r"--?[a-z]", word)}
    return given <= {*options, "--help", "-h"}


def broken_links(text: str, folder: Path) -> list[str]:
    """Links to files of ours that are not there."""
    bare = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.M | re.S)
    targets = [found["to"] or found["picture"] or found["src"] for found in LINK.finditer(bare)]
    return [to for to in targets if not re.match(r"[a-z]+:", to) and not (folder / to).exists()]


def test_a_block_that_fails_is_found() -> None:
    with pytest.raises(ZeroDivisionError):
        run_blocks("text\n```python\n1 / 0\n```\n", "page.md")
    run_blocks("```python excerpt\n1 / 0\n```\n", "page.md")


def test_a_stale_help_is_found() -> None:
    true = f"```console\n$ obverse --help\n{help_of(['--help'])}```\n"
    assert stale_help(true) == []
    assert stale_help(true.replace("Turn a", "Turn the")) == ["--help"]


@pytest.mark.parametrize("call", ["obverse chek policy.md", "obverse --quietly", "$ obverse frobnicate"])
def test_a_command_that_does_not_exist_is_found(call: str) -> None:
    assert unknown_commands(f"```sh\n{call}  # so\n```\n") != []


def test_a_link_to_nowhere_is_found() -> None:
    text = "[a](gone.md) [b](test_documents.py) ![c](gone.png) [d](https://example.org/x) `[e](gone.md)`"
    assert broken_links(text, Path(__file__).parent) == ["gone.md", "gone.png"]
