"""A guide is followed to the letter: its files are written, its commands run in order, what it shows is what comes.

A fence whose first word after the language is a name (```` ```json log.jsonl ````) is that file. In a ```` ```console ````
block, each line after `$ ` runs in one folder; the lines below it are in what it prints, in that order, and `…` stands for
any. `# exit N` behind a command is its exit code, 0 if none is said. Blocks of `python` are run by `test_documents`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from house import ROOT
from obverse.cli.app import main

GUIDES = sorted([*(ROOT / "docs" / "guides").glob("*.md"), *(ROOT / "docs" / "concepts").glob("*.md")])
FENCE = re.compile(
    r"^(?P<mark>`{3,})(?P<language>\w+)(?: (?P<name>[\w./-]+\.\w+))?\n(?P<body>.*?)^(?P=mark)$", re.M | re.S
)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.name))
def test_a_guide_can_be_followed_to_the_letter(
    guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # as in an active venv
    follow(guide.read_text(), capsys)


def follow(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Do what a guide says, in the current folder."""
    for fence in FENCE.finditer(text):
        if fence["name"]:
            Path(fence["name"]).write_text(fence["body"])
        elif fence["language"] == "console":
            for block in re.split(r"^\$ ", fence["body"], flags=re.M)[1:]:
                command, *shown = block.replace("\\\n", " ").splitlines()
                _try(command, shown, *_run(command, capsys))


def _run(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and all that is printed; a call of ours without a shell's own signs runs in this process."""
    if command.startswith("obverse ") and not any(sign in command for sign in (">", " | ", "$(")):
        code = main(shlex.split(command, comments=True)[1:])
        return code, "".join(capsys.readouterr())
    ours = f'obverse() {{ "{sys.executable}" -m obverse.cli "$@"; }}\npython() {{ "{sys.executable}" "$@"; }}'
    script = f"{ours}\n{command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def _try(command: str, shown: list[str], code: int, printed: str) -> None:
    meant = re.search(r"# exit (\d+)$", command)
    assert code == (int(meant[1]) if meant else 0), f"{command}\n{printed}"
    lines = iter(printed.splitlines())
    for line in shown:
        if line.strip() not in {"", "…"}:
            assert any(_matches(line, real) for real in lines), f"`{line}` is not what `{command}` prints:\n{printed}"


def _matches(shown: str, real: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in shown.split("…")), real) is not None


WRONG = {
    "a wrong code": "```console\n$ true  # exit 3\n```\n",
    "another output": "```console\n$ echo so\nnot so\n```\n",
    "another order": "```console\n$ echo one; echo two\ntwo\none\n```\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_guide_that_is_wrong_is_found(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        follow(text, capsys)
