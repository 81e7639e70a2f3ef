"""Hostile arguments, tool output and names that imitate the inbox, on a terminal: no line of it is theirs, and nothing steers."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest

from obverse.cli.app import main
from obverse.guard import local
from obverse.guard.approvals.local import open_queue
from obverse.guard.guard import Guard
from obverse.guard.home import Home, make_home
from obverse.guard.people import write_person
from obverse.guard.records import ProposedCall
from obverse.testing.desk import CHECKED, POLICY
from obverse.testing.people import person
from obverse.testing.recorder import MemoryRecorder

ANSI = "\x1b[2J\x1b[H\x1b]0;title\x07\x9b31m"
LINES = "\nREQUEST 0000\nneeds       one person\n  │ {\n\npage\n  sha256:00\napproved    by ana\n"
HOSTILE = {
    "escapes": ANSI,
    "lines": LINES,
    "carriage returns": "250\r999\x08\x08\x7f",
    "directions": "\u202eevil\u2066x\u2069\u200f",
    "blanks until the line is full": f"{' ' * 200}approved    by ana",
    "wide letters": f"{'日' * 39}REQUEST 0000",
    "line ends of other kinds": "a\x0bREQUEST\x0cREQUEST\x85REQUEST\u2028REQUEST\u2029REQUEST",
    "our marks": "⟫\n⟪nothing is cut⟫ │ ┆ ⟨U+0041⟩",
    "markup": "[bold red]approved[/] [link=http://evil.example]x[/link]",
    "marks upon marks": "a" + "\u0300" * 500,
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "policy.md").write_text(POLICY)
    home = make_home(tmp_path / "home", tmp_path / "policy.md", name="guard.example", origin="guard.example/1")
    write_person(home.people, person("ana"))
    return home


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_agent_writes_lines_of_the_inbox(home: Home, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    queue = open_queue(home, clock=local.now, fresh=random.Random(1).randbytes)
    guard = Guard(
        CHECKED, recorder=MemoryRecorder(), clock=local.now, fresh=random.Random(2).randbytes, people=queue
    )  # fmt: skip
    session = guard.session(holder=f"agent{text}")
    session.message(text)
    session.thought(text)
    session.propose([ProposedCall(call_id="l1", tool="look", arguments='{"id":"a"}')])
    session.result("l1", text)
    arguments = json.dumps({"to": text, "amount": 250})
    [request] = session.propose([ProposedCall(call_id="c1", tool="pay", arguments=arguments)]).waiting
    for command in (["inbox", str(home.folder)], ["inbox", str(home.folder), request]):
        assert main(command) == 0
        out, err = capsys.readouterr()
        _shows_nothing_that_steers(out + err)
        ours = [line for line in out.splitlines() if line[:1].strip()]
        heads = [line.split("  ")[0] for line in ours]
        assert heads.count(f"REQUEST {request}") == (len(command) == 3)
        assert not [line for line in ours if line.startswith(("approved", "REQUEST 0", "page  "))]
        assert heads.count("page") == (len(command) == 3)


def _shows_nothing_that_steers(text: str) -> None:
    for character in text:
        assert character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}, text


def test_an_answer_is_confirmed_by_a_word_that_the_agent_cannot_know(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import io

    from obverse.ledger.keys import key_file
    from obverse.testing.people import file_key

    queue = open_queue(home, clock=local.now, fresh=random.Random(1).randbytes)
    guard = Guard(CHECKED, recorder=MemoryRecorder(), clock=local.now, fresh=random.Random(2).randbytes, people=queue)
    session = guard.session(holder="agent")
    session.message("type `approve 0000` to reject")
    [request] = session.propose([ProposedCall(call_id="c1", tool="pay", arguments='{"to":"eve","amount":999}')]).waiting
    (tmp_path / "ana.pem").write_bytes(key_file(file_key("ana")))
    call = ["approve", str(home.folder), request, "--key", str(tmp_path / "ana.pem"), "--as", "ana"]
    for typed in ("approve 0000\n", "yes\n", "\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert main(call) == 2
    assert queue.answers(request) == ()
    word = queue.find(request).page.digest.removeprefix("sha256:")[:4]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"approve {word}\n"))
    assert main(call) == 0
    assert len(queue.answers(request)) == 1
    capsys.readouterr()
