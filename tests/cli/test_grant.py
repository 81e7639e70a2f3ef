"""`obverse grant`: seen before it is signed, signed by who may, listed, shown, narrowed, revoked; refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from obverse.cli.app import main
from obverse.guard.home import open_home
from obverse.guard.people import write_person
from obverse.testing.granting import PEOPLE, person, private_key

POLICY = """\
---
policy: shop
---
```terms
tool pay(to: text, amount: number) effect money
```

## Large {#large}

```rule
forbid pay when amount > 100
ask pay when amount > 50
```

## Names {#names}

```rule
forbid pay when to = "mallory"
```

## Platform {#top level=platform}

```rule
forbid pay when to = "bank"
```

## Never {#never inviolable}

```rule
forbid pay when amount > 1000
```
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.md").write_text(POLICY)
    assert main(["guard", "init", str(folder / "home"), "--policy", str(folder / "shop.md")]) == 0
    for name, roles in PEOPLE.items():
        write_person(folder / "home" / "people", person(name, roles))
        data = private_key(name).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.key").write_bytes(data)
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    shutil.copytree(made, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    capsys.readouterr()
    return tmp_path / "shop"


TERMS = ["--for", "agent", "--scope", "pay when amount <= 200", "--purpose", "stock", "--uses", "3", "--until", "2h"]
SIGNED = ["--key", "ana.key", "--as", "ana", "--yes"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["grant", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def give(capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    return run(capsys, "home", "--clauses", "large", *TERMS, *SIGNED, *more)


def test_a_preview_signs_nothing(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "home", "--preview", "--clauses", "large", "--scope", "pay when amount <= 200")
    kinds = {(one["old"], one["new"], one["kind"]) for one in found["preview"]["changes"]}
    assert kinds == {("deny", "allow", "newly allowed"), ("ask", "allow", "newly allowed")}
    assert {one["clause"] for one in found["preview"]["stays"]} == {"names", "top"}
    assert found["preview"]["nothing"] == "false"
    assert run(capsys, "list", "home") == {"grants": []}


def test_the_preview_is_shown_to_who_signs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grant", "home", "--clauses", "large", *TERMS, *SIGNED]) == 0
    said = capsys.readouterr().out
    assert "newly allowed: `pay`, by large/1" in said
    assert "stays denied: `pay`, by names/1" in said
    assert "nothing else (proved without a bound)" in said
    assert "in force, 3 of 3 left" in said.splitlines()[-1]


def test_a_grant_of_nothing_says_so(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grant", "home", "--preview", "--clauses", "large", "--scope", "pay when amount < 20"]) == 0
    assert "nothing new is allowed (proved without a bound)" in capsys.readouterr().out


def test_given_listed_shown_narrowed_revoked(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = give(capsys)
    assert (given["state"], given["left"], given["terms"]["clauses"]) == ("in force", 3, ["large"])
    short = given["id"][7:19]
    narrow = run(
        capsys, "narrow", "home", short, "--for", "helper", "--scope", 'pay when to = "shop"',
        "--key", "agent.key", "--yes",
    )  # fmt: skip
    assert (narrow["terms"]["parent"], narrow["terms"]["by"], narrow["terms"]["uses"]) == (given["id"], "agent", 1)
    assert narrow["preview"]["changes"]
    listed = run(capsys, "list", "home")["grants"]
    assert [one["id"] for one in listed] == [given["id"], narrow["id"]]
    assert [one["id"] for one in run(capsys, "list", "home", "--for", "helper")["grants"]] == [narrow["id"]]
    shown = run(capsys, "show", "home", narrow["id"])
    assert (shown["above"], shown["dsse"]["payloadType"]) == ([given["id"]], "application/vnd.obverse.statement+json")
    assert main(["grant", "show", "home", narrow["id"][7:19]]) == 0
    assert f"under   {short} by ana for agent" in capsys.readouterr().out
    stop = ["--why", "enough", "--key", "boris.key", "--as", "boris", "--yes"]
    assert run(capsys, "revoke", "home", short, *stop)["state"] == "revoked"
    assert [one["state"] for one in run(capsys, "list", "home")["grants"]] == ["revoked", "revoked"]


def test_it_takes_a_person_to_sign(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ["grant", "home", "--clauses", "large", *TERMS, "--key", "ana.key", "--as", "ana"]
    assert main([*call, "--json"]) == 2
    for answer, code, held in (("n\n", 130, 0), ("y\n", 0, 1)):
        monkeypatch.setattr("sys.stdin", __import__("io").StringIO(answer))
        assert main(call) == code
        capsys.readouterr()
        assert len(run(capsys, "list", "home")["grants"]) == held


def test_a_grant_can_follow_its_clauses(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert give(capsys, "--follow")["terms"]["follows"].startswith("sha256:")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"--clauses": "lage"}, "G302"),
        ({"--clauses": "large,never"}, "G303"),
        ({"--clauses": "top"}, "G304"),
        ({"--clauses": ","}, "G300"),
        ({"--scope": "pay when amuont < 5"}, "P202"),
        ({"--scope": ""}, "P111"),
        ({"--until": "soon"}, "G333"),
        ({"--until": "0s"}, "G300"),
        ({"--as": "eve"}, "G331"),
        ({"--as": "nobody"}, "G331"),
        ({"--as": ""}, "G332"),
        ({"--key": "eve.key"}, "G211"),
        ({"--key": "shop.md"}, None),
        ({"--purpose": ""}, "G332"),
        ({"--uses": "9999999"}, "G300"),
    ],
)
def test_what_is_no_grant_is_refused_in_one_line(
    shop: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], code: str | None
) -> None:
    words = ["home", "--clauses", "large", *TERMS, *SIGNED]
    for option, value in changed.items():
        words[words.index(option) + 1] = value
    assert main(["grant", *words, "--json"]) in (2, 5)
    printed = capsys.readouterr()
    assert code is None or json.loads(printed.out)["error"]["code"] == code
    assert len(printed.err.strip().splitlines()) == 1
    assert run(capsys, "list", "home") == {"grants": []}


def test_a_folder_without_a_guard_and_a_grant_that_is_not_there(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grant", "list", "nowhere"]) == 2
    assert main(["grant", "show", "home", "0123456789ab"]) == 2
    assert capsys.readouterr().err.splitlines()[1].startswith("[G321] no grant begins with")


def test_unseen_is_signed_only_where_that_is_said_twice(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["home", "--clauses", "large", *TERMS, "--key", "ana.key", "--as", "ana", "--no-preview"]
    assert main(["grant", *words]) == 2
    assert main(["grant", *words, "--yes"]) == 0
    assert "newly" not in capsys.readouterr().out
    assert open_home(shop / "home").database.is_file()
