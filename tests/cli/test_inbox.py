"""`obverse inbox`, `approve`, `reject` and `reviewer`, as people and scripts call them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from obverse.cli import inbox as inbox_command
from obverse.cli.app import main
from obverse.cli.exit_codes import ExitCode
from obverse.guard import local
from obverse.guard.approvals.local import open_queue
from obverse.guard.approvals.queue import Queue
from obverse.guard.guard import Guard
from obverse.guard.home import make_home, open_home
from obverse.guard.people import public_text, read_people
from obverse.guard.records import ProposedCall
from obverse.guard.session import Session
from obverse.guard.signing import sign
from obverse.ledger.keys import key_file
from obverse.testing.desk import CHECKED, POLICY
from obverse.testing.people import file_key
from obverse.testing.recorder import MemoryRecorder


class Shop:
    """A home with two reviewers, and a session in it that asks."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        (folder / "policy.md").write_text(POLICY)
        make_home(folder / "shop", folder / "policy.md", name="guard.example", origin="guard.example/1")
        for name in ("ana", "ben"):
            (folder / f"{name}.pem").write_bytes(key_file(file_key(name)))
            (folder / f"{name}.pub").write_text(public_text(file_key(name).public_key().public_bytes_raw()))
        self.queue: Queue = open_queue(open_home(folder / "shop"), clock=local.now, fresh=random.Random(1).randbytes)
        guard = Guard(
            CHECKED, recorder=MemoryRecorder(), clock=local.now, fresh=random.Random(2).randbytes, people=self.queue
        )
        self.session: Session = guard.session(holder="agent-7")

    def ask(self, tool: str = "pay", arguments: str = '{"to":"bob","amount":250}') -> str:
        [request] = self.session.propose([ProposedCall(call_id="c1", tool=tool, arguments=arguments)]).waiting
        return request

    def run(self, *arguments: str, code: ExitCode = ExitCode.HOLDS) -> str:
        assert main([one.replace("DIR", str(self.folder / "shop")) for one in arguments]) == code
        out, self.err = self.capsys.readouterr()
        return out

    def json(self, *arguments: str, code: ExitCode = ExitCode.HOLDS) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code))

    def key(self, name: str) -> list[str]:
        return ["--key", str(self.folder / f"{name}.pem"), "--as", name]


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    made = Shop(tmp_path, capsys)
    for name in ("ana", "ben"):
        made.run("reviewer", "add", "DIR", name, "--key", str(tmp_path / f"{name}.pub"))
    return made


def test_what_waits_is_listed_on_one_screen(shop: Shop) -> None:
    assert shop.run("inbox", "DIR") == "Nothing waits.\n"
    request = shop.ask()
    out = shop.run("inbox", "DIR")
    assert request[:8] in out
    assert "pay amount: 250, to" in out
    assert "0 of 1" in out
    [waiting] = shop.json("inbox", "DIR")["waiting"]
    assert (waiting["id"], waiting["tool"], waiting["holder"], waiting["said"]) == (request, "pay", "agent-7", [])


def test_a_request_is_shown_whole_approved_and_released(shop: Shop) -> None:
    request = shop.ask()
    whole = shop.json("inbox", "DIR", request[:8], "--as", "ana")
    assert whole["page"] == shop.queue.find(request).page.text
    assert whole["page"] in shop.run("inbox", "DIR", request)
    out = shop.run("approve", "DIR", request[:8], *shop.key("ana"), "--yes", "--digest", whole["page_digest"])
    assert out.endswith("approved by ana\n")
    ruling = shop.session.resume()
    assert ruling is not None
    assert len(ruling.released) == 1
    assert "closed: used" in shop.run("inbox", "DIR", request) + shop.err
    assert shop.json("approve", "DIR", request, *shop.key("ben"), code=ExitCode.USAGE)["error"]["code"] == "G225"


def test_two_people_are_counted_down(shop: Shop) -> None:
    request = shop.ask("wipe", '{"id":"a"}')
    digest = ["--yes", "--digest", shop.queue.find(request).page.digest[7:27]]
    assert "1 more must approve" in shop.run("approve", "DIR", request, *shop.key("ana"), *digest)
    assert shop.json("approve", "DIR", request, *shop.key("ben"), *digest)["approved_by"] == ["ana", "ben"]


def test_a_rejection_is_signed_with_its_reason(shop: Shop) -> None:
    request = shop.ask()
    digest = ["--yes", "--digest", shop.queue.find(request).page.digest]
    out = shop.run("reject", "DIR", request, *shop.key("ben"), *digest, "--because", "bob is not owed this")
    assert out.endswith("rejected by ben\n")
    ruling = shop.session.resume()
    assert ruling is not None
    assert ruling.verdict == "deny"


@pytest.mark.parametrize(
    "options",
    [["--yes"], ["--yes", "--digest", "abc"], ["--digest", "0" * 64], ["--yes", "--digest", ""], ["--yes", "--digest", "x" * 64]],
)  # fmt: skip
def test_nothing_is_signed_that_was_not_shown(shop: Shop, options: list[str]) -> None:
    request = shop.ask()
    assert (
        shop.json("approve", "DIR", request, *shop.key("ana"), *options, code=ExitCode.USAGE)["error"]["code"] == "G242"
    )
    assert shop.queue.said(request) == ()


def test_a_statement_that_was_signed_elsewhere_is_taken(shop: Shop) -> None:
    """What a team's own tool does: read the template, add who, what and when, sign, hand in the envelope."""
    request = shop.ask()
    template = shop.json("inbox", "DIR", request)["statement"]
    statement = {**template, "answer": "approve", "by": "ana", "time": local.now()}
    file = shop.folder / "signed.json"
    file.write_text(json.dumps(sign(statement, file_key("ana")).envelope))
    shop.json("reject", "DIR", "--statement", str(file), code=ExitCode.USAGE)
    assert shop.json("approve", "DIR", "--statement", str(file))["by"] == "ana"
    file.write_text(json.dumps(sign({**statement, "by": "ben"}, file_key("ana")).envelope))
    assert shop.json("approve", "DIR", "--statement", str(file), code=ExitCode.UNVERIFIED)["error"]["code"] == "G211"
    for text in ("", "{", "{}", "[" * 99_999):
        file.write_text(text)
        shop.run(
            "approve", "DIR", "--statement", str(file), code=ExitCode.UNVERIFIED if text == "{}" else ExitCode.USAGE
        )


def test_a_key_with_a_password_asks_for_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder / "ana.pem").write_bytes(key_file(file_key("ana"), b"secret"))
    request = shop.ask()
    call = ["approve", "DIR", request, *shop.key("ana"), "--yes", "--digest", shop.queue.find(request).page.digest]
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _prompt: "wrong")
    shop.run(*call, code=ExitCode.USAGE)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _prompt: "secret")
    shop.run(*call)


def test_what_a_grant_instead_would_allow_is_shown(shop: Shop) -> None:
    out = shop.run("inbox", "DIR", shop.ask(), "--grant")
    assert "newly allowed: `pay`, by pay/1" in out
    assert "A GRANT" not in shop.run("inbox", "DIR", shop.queue.waiting()[0].request.id)


def test_what_comes_is_followed_line_by_line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def sleep(_seconds: float) -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(shop.ask())

    monkeypatch.setattr(inbox_command.time, "sleep", sleep)
    lines = [json.loads(line) for line in shop.run("inbox", "DIR", "--watch", "--json").splitlines()]
    assert [line["id"] for line in lines] == seen
    seen.clear()
    shop.run("inbox", "DIR", "--watch")


def test_reviewers_come_and_go(shop: Shop) -> None:
    assert [one["name"] for one in shop.json("reviewer", "list", "DIR")["people"]] == ["ana", "ben"]
    assert shop.json("reviewer", "remove", "DIR", "ben")["removed"] is not None
    assert "removed" in shop.run("reviewer", "list", "DIR")
    again = ["reviewer", "add", "DIR", "ben", "--key", str(shop.folder / "ben.pub")]
    assert shop.json(*again, code=ExitCode.USAGE)["error"]["code"] == "G204"
    assert shop.json("reviewer", "remove", "DIR", "zoe", code=ExitCode.USAGE)["error"]["code"] == "G211"
    shop.run("reviewer", "remove", "DIR", "ana", "--key", "zz", code=ExitCode.USAGE)
    [key] = read_people(shop.folder / "shop" / "people")["ana"].keys
    shop.run("reviewer", "remove", "DIR", "ana", "--key", key.id[:6])
    [key] = read_people(shop.folder / "shop" / "people")["ana"].keys
    assert key.revoked is not None


def test_a_key_is_made_for_its_owner_alone(shop: Shop) -> None:
    file = shop.folder / "carl.pem"
    public = shop.run("reviewer", "key", str(file))
    assert file.stat().st_mode & 0o077 == 0
    (shop.folder / "carl.pub").write_text(public)
    shop.run(
        "reviewer", "add", "DIR", "carl", "--key", str(shop.folder / "carl.pub"), "--role", "stop", "--label", "phone"
    )
    assert "phone" in shop.run("reviewer", "list", "DIR")
    shop.run("reviewer", "key", str(file), code=ExitCode.USAGE)
    assert (
        shop.json("reviewer", "add", "DIR", "dora", "--key", str(file), code=ExitCode.USAGE)["error"]["code"] == "G203"
    )


def test_reviewers_are_measured(shop: Shop) -> None:
    assert "none seen yet" in shop.run("reviewer", "stats", "DIR")
    seeds = shop.folder / "seeds.json"
    seeds.write_text(json.dumps([{"tool": "pay", "arguments": {"to": "eve", "amount": 9999}, "why": "eve is nobody"}]))
    assert "1 requests to mix in" in shop.run("reviewer", "seed", "DIR", str(seeds), "--rate", "1")
    shop.queue = open_queue(open_home(shop.folder / "shop"), clock=local.now, fresh=random.Random(3).randbytes)
    shop.session._parts = type(shop.session._parts)(**{**vars(shop.session._parts), "people": shop.queue})
    request = shop.ask()
    [seeded] = [one.request.id for one in shop.queue.waiting() if one.request.id != request]
    for name, what in ((request, "approve"), (seeded, "approve")):
        digest = shop.queue.find(name).page.digest
        out = shop.run(what, "DIR", name, *shop.key("ana"), "--yes", "--digest", digest)
        assert ("This request was a test, and it had to be rejected: eve is nobody" in out) == (name == seeded)
    found = shop.json("reviewer", "stats", "DIR")
    [ana] = found["reviewers"]
    assert (ana["answers"], ana["approved"], ana["missed"]["counts"]["broken"]) == (2, 2, 1)
    assert "seeded errors let pass: above" in shop.run("reviewer", "stats", "DIR")


def test_a_folder_without_a_guard_has_no_inbox(shop: Shop) -> None:
    for command in (["inbox"], ["approve"], ["reject"], ["reviewer", "list"], ["reviewer", "stats"]):
        shop.run(*command, str(shop.folder), code=ExitCode.USAGE)
