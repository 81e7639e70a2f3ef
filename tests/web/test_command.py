"""`obverse web`: it says where the pages are, or in one line why there are none."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.web.desk import POLICY

from obverse.cli.app import main
from obverse.guard.home import make_home
from obverse.guard.people import read_people, write_person
from obverse.testing.people import person


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "shop.md").write_text(POLICY)
    make_home(tmp_path / "home", tmp_path / "shop.md", name="guard.example", origin="guard.example/shop")
    return tmp_path / "home"


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["web", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_where_no_guard_is_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said([str(tmp_path / "none")], capsys)
    assert (code, out) == (2, "")
    assert err.startswith("[G130] no guard in")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "70000"], "[G601] `70000` is no port"),
        (["--port", "-1"], "[G601] `-1` is no port"),
        (["--port", "some"], "[U001]"),
        (["--origin", "http://approve.example"], "[G600] `http://approve.example` is no address"),
        (["--origin", "https://"], "[G600]"),
        (["--origin", "https://[", "--invite", "ada"], "[G600]"),
        (["--origin", "https://a.example/path"], "[G600]"),
        (["--role", "grant"], "[U001] --role goes with --invite"),
        (["--invite", "Ada Lovelace"], "[G200]"),
    ],
)
def test_a_wrong_call_is_one_line(
    home: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said([str(home), *options], capsys)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_port_that_another_program_has_is_named(
    home: Path, family: socket.AddressFamily, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also by the other address of this machine: a browser might ask there."""
    with socket.socket(family) as taken:
        try:
            taken.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = said([str(home), "--port", str(port), "--json"], capsys)
    assert code == 2
    assert f"[G602] another program has port {port}" in err
    assert err.count("\n") == 1


def test_an_invitation_is_an_address(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said([str(home), "--invite", "ada", "--role", "approve", "--role", "stop", "--json"], capsys)
    found = json.loads(out)
    assert code == 0
    assert found["address"].startswith("http://localhost:8722/join/")
    assert (found["name"], found["roles"]) == ("ada", ["approve", "stop"])
    assert read_people(home / "people") == {}
    code, out, err = said([str(home), "--invite", "ada", "--origin", "https://Approve.example:443"], capsys)
    assert out.startswith("https://approve.example/join/")
    assert "good for one passkey of `ada`" in err


def test_it_serves_until_it_is_interrupted(home: Path) -> None:
    write_person(home / "people", person("ada"))
    command = [sys.executable, "-m", "obverse.cli", "web", str(home), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        found = json.loads("".join(lines))
        host = found["origin"].split("//")[1]
        asked = http.client.HTTPConnection("127.0.0.1", int(host.split(":")[1]), timeout=20)
        asked.request("GET", found["address"].removeprefix(found["origin"]), headers={"Host": host})
        answer = asked.getresponse()
        answer.read()
        assert answer.status == 303
        asked.request("GET", "/people", headers={"Host": host, "Cookie": answer.headers["set-cookie"].split(";")[0]})
        page = asked.getresponse()
        assert (page.status, b"ada" in page.read()) == (200, True)
        assert page.headers["server"] is None
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
        asked.close()
    assert process.returncode == 130
    assert (out, err) == ("", "interrupted: the pages are closed; what waits still waits\n")
