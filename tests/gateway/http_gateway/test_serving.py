"""`obverse guard serve` and `obverse guard client`, as processes."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from obverse.cli.app import main
from obverse.cli.guard_client import with_client
from obverse.gateway.http.server import read_configuration
from obverse.guard.home import open_home

from .conftest import POLICY, user

OBVERSE = [sys.executable, "-m", "obverse.cli", "guard"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "policy.md").write_text(POLICY % {"turn": "whole", "more": ""})
    assert main(["guard", "init", str(tmp_path / "home"), "--policy", str(tmp_path / "policy.md")]) == 0
    return tmp_path / "home"


@pytest.fixture
def key(home: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["guard", "client", str(home), "shop", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["key"]


@contextlib.contextmanager
def served(home: Path, upstream: str) -> Iterator[tuple[str, Any]]:
    command = [*OBVERSE, "serve", str(home), "--upstream", upstream, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            text = ""
            while not text.rstrip().endswith("}"):
                line = running.stdout.readline()
                assert line, running.stderr.read()
                text += line
            yield json.loads(text)["url"], running
        finally:
            running.kill()


def entries(home: Path, kind: str) -> int:
    files = [path for path in (home / "ledger").rglob("*") if path.is_file() and "payload" not in path.parts]
    return sum(path.read_bytes().count(f'"type":"{kind}"'.encode()) for path in files)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_after_a_canary_and_ends_cleanly(home: Path, key: str, upstream: Any, number: int) -> None:
    with served(home, upstream.url) as (url, running):
        with openai.OpenAI(base_url=url, api_key=key) as client:
            answer = client.chat.completions.create(model="m", messages=[user("say Hello.")])
        assert answer.choices[0].message.content == "Hello."
        running.send_signal(number)
        out, told = running.communicate(timeout=20)
    assert (out, told.strip()) == ("", "the gateway has stopped")
    assert running.returncode == 0
    assert entries(home, "guard.canary") >= 1
    assert entries(home, "guard.stop") >= 1


def test_a_model_server_that_is_not_there_is_said_at_once(
    home: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["guard", "serve", str(home), "--upstream", "http://127.0.0.1:9/v1", "--port", "0"])
    assert code == 2
    assert "cannot be reached" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(home: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["guard", "serve", str(home), "--upstream", "http://127.0.0.1:9/v1", "--port", port]) == 2
    assert f"[G441] port {port} of `127.0.0.1` cannot be had" in capsys.readouterr().err


def test_without_a_client_it_does_not_begin(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guard", "serve", str(home), "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]) == 2
    assert "[G443]" in capsys.readouterr().err


def test_a_key_of_the_server_that_is_not_set_is_said(home: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["guard", "serve", str(home), "--upstream", "http://127.0.0.1:9/v1", "--key-env", "NO_SUCH_NAME_HERE"]
    assert main(wrong) == 2
    assert "`NO_SUCH_NAME_HERE` is not set" in capsys.readouterr().err


def test_no_key_stands_in_the_home(home: Path, key: str) -> None:
    for path in home.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()


def test_a_client_more_leaves_the_others(home: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with (home / "guard.toml").open("a") as out:
        out.write("\n[gateway.settings]\nhold_seconds = 5.0\n")
    assert main(["guard", "client", str(home), "other"]) == 0
    found = read_configuration(open_home(home).configuration.gateway)
    assert sorted(found.clients.values()) == ["other", "shop"]
    assert found.settings.hold_seconds == 5.0
    assert main(["guard", "client", str(home), "obverse.canary"]) == 2
    assert main(["guard", "client", str(home), 'x" = "y']) == 2


def test_settings_that_there_are_not_are_refused(home: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with (home / "guard.toml").open("a") as out:
        out.write("\n[gateway.settings]\nhold_secs = 5.0\n")
    assert main(["guard", "serve", str(home), "--upstream", "http://127.0.0.1:9/v1"]) == 2
    assert "hold_secs" in capsys.readouterr().err


def test_a_client_is_written_into_its_table() -> None:
    assert with_client("a = 1\n", "d", "x") == 'a = 1\n\n[gateway.clients]\n"d" = "x"\n'
    assert with_client('[gateway.clients]\n"c" = "y"\n', "d", "x") == '[gateway.clients]\n"d" = "x"\n"c" = "y"\n'
