"""`obverse guard mcp` as it is used: a process that an agent starts, or that listens; with a home, a log, and a lock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters

from obverse.cli.app import main
from obverse.guard.home import open_home
from obverse.testing.mcp_agent import LOOK, PAY, SHOP, Puppet, raw_call

pytestmark = pytest.mark.filterwarnings("default")
HEADERS = {
    "Accept": "application/json, text/event-stream", "Content-Type": "application/json",
    "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "pay",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    (tmp_path / "policy.md").write_text(SHOP)
    assert main(["guard", "init", str(tmp_path / "home"), "--policy", str(tmp_path / "policy.md")]) == 0
    capsys.readouterr()
    return tmp_path / "home"


def command(home: Path, puppet: Puppet, *options: str) -> list[str]:
    server = puppet.settings()
    where = ["--url", server.url] if server.url else ["--", *server.command]
    return ["-m", "obverse.cli", "guard", "mcp", str(home), *options, *where]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_that_starts_the_proxy_talks_to_the_server_that_the_proxy_starts(
    home: Path, started: Puppet, mode: str
) -> None:
    start = StdioServerParameters(command=sys.executable, args=command(home, started))
    async with Client(start, mode=mode, cache=None) as agent:
        assert [one.name for one in (await agent.list_tools()).tools] == ["look", "pay", "slow"]
        assert not (await agent.call_tool("look", {"id": "a"})).is_error
        assert (await agent.call_tool("pay", {"to": "b", "amount": 5000})).is_error
    assert started.calls == [("look", {"id": "a"})]
    assert main(["ledger", "verify", str(home / "ledger"), "--key", str(open_home(home).signer().key)]) == 0


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[str]:
    """The URL of a proxy that listens."""
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = ""
        while "serving" not in line:
            line = process.stderr.readline()
        try:
            yield line.split()[-1]
        finally:
            process.terminate()


@pytest.fixture
def listening(home: Path, puppet: Puppet) -> Iterator[str]:
    with serving(command(home, puppet, "--listen", "0")) as url:
        yield url


async def test_agents_over_http_share_the_proxys_session_whatever_they_say_of_theirs(
    listening: str, puppet: Puppet
) -> None:
    for mode in ("auto", "legacy", "auto", "legacy"):
        async with Client(listening, mode=mode, cache=None) as agent:
            last = await agent.call_tool("pay", {"to": "b", "amount": 1})
    assert last.is_error  # three for 24 hours, whoever connects anew
    assert len(puppet.calls) == 3


async def test_over_http_too_a_key_twice_is_found(listening: str, puppet: Puppet) -> None:
    async with httpx2.AsyncClient(headers=HEADERS) as http:
        inside = await http.post(listening, content=raw_call(1, "pay", '{"to": "b", "amount": 2000, "amount": 1}'))
        outside = await http.post(
            listening, content=raw_call(1, "pay", "{}").replace('"name":', '"name":"look","name":')
        )
        foreign = await http.post(listening, content=raw_call(1, "pay", "{}"), headers={"Origin": "https://evil.test"})
        large = await http.post(listening, content=b" " * 4_100_000)
        broken = await http.post(listening, content=b"{")
    assert inside.json()["result"]["isError"]
    assert outside.json()["error"]["code"] == -32600
    assert (outside.status_code, foreign.status_code, large.status_code, broken.status_code) == (400, 403, 413, 400)
    assert puppet.calls == []


async def test_who_does_not_know_the_token_is_not_served(
    home: Path, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTS_TOKEN", "s3cret")
    with serving([*command(home, puppet, "--listen", "0", "--token", "AGENTS_TOKEN")]) as url:
        async with httpx2.AsyncClient(headers=HEADERS) as http:
            body = raw_call(1, "pay", '{"to": "b", "amount": 1}')
            for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": "s3cret"}):
                assert (await http.post(url, content=body, headers=wrong)).status_code == 401
            assert puppet.calls == []
            right = await http.post(url, content=body, headers={"Authorization": "Bearer s3cret"})
    assert not right.json()["result"]["isError"]


def test_a_lock_is_written_once_and_agreed_to_anew_by_hand(
    home: Path, puppet: Puppet, capsys: pytest.CaptureFixture[str]
) -> None:
    url = str(puppet.settings().url)
    assert main(["guard", "mcp", str(home), "--url", url, "--list", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["shown"] == ["look", "pay", "slow"]
    assert "seen for the first time" in printed.err
    lock = (home / "mcp.lock.json").read_bytes()

    puppet.says(LOOK, {**PAY, "definition": {**PAY["definition"], "description": "Pay, and tell the archive."}})
    assert main(["guard", "mcp", str(home), "--url", url, "--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["shown"], found["hidden"]["pay"]) == (["look"], "its definition is not the one that was agreed to")
    assert {"server": "server", "tool": "pay", "what": "changed: description"} in found["changes"]
    assert (home / "mcp.lock.json").read_bytes() == lock

    assert main(["guard", "mcp", str(home), "--url", url, "--agree"]) == 0
    assert capsys.readouterr().out == "shown   look\nshown   pay\n"
    assert (home / "mcp.lock.json").read_bytes() != lock


WRONG: dict[str, tuple[list[str], int]] = {
    "no server": ([], 2),
    "two servers": (["--url", "http://127.0.0.1:9/mcp", "--", "true"], 2),
    "no URL": (["--url", "ftp://here"], 2),
    "a variable that is not set": (["--env", "NOBODY_SETS_THIS", "--", "true"], 2),
    "a command that is not there": (["--", "/no/such/command"], 1),
    "a command that is no server": (["--", "true"], 1),
    "a URL where nobody answers": (["--url", "http://127.0.0.1:9/mcp"], 1),
}


@pytest.mark.parametrize(("options", "code"), WRONG.values(), ids=WRONG)
def test_a_server_that_cannot_be_used_is_named_in_one_line(
    home: Path, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["guard", "mcp", str(home), *options]) in {2, 4, code}
    error = capsys.readouterr().err.strip().splitlines()
    assert "G50" in error[-1]
    assert "Traceback" not in "".join(error)


def test_another_server_leaves_the_lock_of_the_first(
    home: Path, puppet: Puppet, capsys: pytest.CaptureFixture[str]
) -> None:
    url = str(puppet.settings().url)
    for name in ("one", "two"):
        assert main(["guard", "mcp", str(home), "--name", name, "--url", url, "--list"]) == 0
    assert main(["guard", "mcp", str(home), "--name", "two", "--url", url, "--agree"]) == 0
    assert set(json.loads((home / "mcp.lock.json").read_text())["servers"]) == {"one", "two"}
    capsys.readouterr()


def test_what_only_the_guard_and_its_server_know_comes_back_to_nobody(home: Path, started: Puppet) -> None:
    secret = home / "credentials.json"
    secret.write_text('{"BANK_TOKEN": "tok-5f2c1a9e"}')
    secret.chmod(0o600)
    settings = (home / "guard.toml").read_text() + '\n[credentials]\nfile = "credentials.json"\n'
    (home / "guard.toml").write_text(settings)
    started.says({**LOOK, "text": ["the token is tok-5f2c1a9e"], "structured": None})

    async def ask() -> str:
        start = StdioServerParameters(command=sys.executable, args=command(home, started, "--env", "BANK_TOKEN"))
        async with Client(start, cache=None) as agent:
            return "".join(part.text for part in (await agent.call_tool("look", {"id": "a"})).content)

    assert asyncio.run(ask()) == "the token is [credential]"
    told = [file.read_text(errors="replace") for file in (home / "ledger").rglob("*") if file.is_file()]
    assert "tok-5f2c1a9e" not in "".join(told)


async def test_several_servers_stand_in_a_file_and_keep_their_secrets(home: Path, tmp_path: Path) -> None:
    puppets = [Puppet(tmp_path / "one", LOOK), Puppet(tmp_path / "two", PAY)]
    listed: dict[str, Any] = {
        one.folder.name: {
            "command": one.settings().command[0],
            "args": one.settings().command[1:],
            "env": {"KEY": "secret"},
        }
        for one in puppets
    }
    (tmp_path / "servers.json").write_text(json.dumps({"mcpServers": listed}))
    args = ["-m", "obverse.cli", "guard", "mcp", str(home), "--servers", str(tmp_path / "servers.json")]
    async with Client(StdioServerParameters(command=sys.executable, args=args), cache=None) as agent:
        assert [one.name for one in (await agent.list_tools()).tools] == ["look", "pay"]
        await asyncio.gather(agent.call_tool("look", {"id": "a"}), agent.call_tool("pay", {"to": "b", "amount": 1}))
    assert [len(one.calls) for one in puppets] == [1, 1]
    assert "secret" not in "".join(
        file.read_text(errors="replace") for file in (home / "ledger").rglob("*") if file.is_file()
    )
