"""Grants in a guard's home on this machine: given and revoked on the command line while the guard runs, by file key and by passkey."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.cli.app import main
from obverse.core.canon import canonical
from obverse.core.errors import EvidenceError
from obverse.core.verdicts import Verdict
from obverse.guard.grants.local import open_register
from obverse.guard.grants.statements import read_link, read_signed
from obverse.guard.home import make_home, open_home
from obverse.guard.local import LocalGuard, now, open_guard
from obverse.guard.people import Person, write_person
from obverse.guard.records import ProposedCall
from obverse.guard.signing import Signed, asserted, challenge
from obverse.policy.grants import Grant
from obverse.testing.granting import person, private_key
from obverse.testing.people import SoftPasskey

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
```
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.md").write_text(POLICY)
    made = make_home(tmp_path / "home", tmp_path / "shop.md", name="shop.example", origin="shop.example/log")
    write_person(made.people, person("ana", ("grant",)))
    data = private_key("ana").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "ana.key").write_bytes(data)
    return tmp_path / "home"


def pay(guard: LocalGuard, session: str, number: int) -> Verdict:
    found = guard.find(session)
    assert found is not None
    call = ProposedCall(call_id=f"c{number}", tool="pay", arguments=json.dumps({"to": "x", "amount": 150}))
    return found.propose([call]).verdict


def test_a_grant_that_is_given_while_the_guard_runs_holds_at_once_and_a_revocation_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = open_guard(open_home(home))
    guard.session(holder="agent", id="s1")
    guard.session(holder="helper", id="s2")
    assert pay(guard, "s1", 1) is Verdict.DENY
    words = ["--scope", "pay when amount <= 200", "--purpose", "stock", "--uses", "5", "--until", "1h"]
    signed = ["--key", "ana.key", "--as", "ana", "--yes", "--json"]
    assert main(["grant", "home", "--clauses", "large", "--for", "agent", *words, *signed]) == 0
    name = json.loads(capsys.readouterr().out)["id"]
    assert (pay(guard, "s1", 2), pay(guard, "s2", 1)) == (Verdict.ALLOW, Verdict.DENY)
    assert main(["grant", "revoke", "home", name, "--why", "enough", *signed]) == 0
    assert pay(guard, "s1", 3) is Verdict.DENY
    guard.heartbeat()
    guard.close()
    capsys.readouterr()
    with open_register(open_home(home), fresh=os.urandom) as register:
        held = register.held(name, now())
    assert (held.state, held.used) == ("revoked", 1)


def test_who_is_removed_from_the_people_of_the_guard_granted_nothing_any_more(home: Path) -> None:
    guard = open_guard(open_home(home))
    guard.session(holder="agent", id="s1")
    words = ["--clauses", "large", "--for", "agent", "--scope", "pay", "--purpose", "p", "--uses", "5", "--until", "1h"]
    assert main(["grant", "home", *words, "--key", "ana.key", "--as", "ana", "--yes"]) == 0
    assert pay(guard, "s1", 1) is Verdict.ALLOW
    (home / "people" / "ana.json").unlink()
    assert pay(guard, "s1", 2) is Verdict.DENY
    (home / "people" / "ana.json").write_text("not a person")
    assert pay(guard, "s1", 3) is Verdict.DENY
    guard.close()


def test_a_passkey_signs_a_grant_by_its_digest(home: Path) -> None:
    opened, passkey = open_home(home), SoftPasskey("maria")
    write_person(opened.people, Person(name="maria", roles=("grant",), keys=(passkey.public(),)))
    at = now()
    terms = Grant(
        by="maria", time=at, holder="agent", clauses=("large",), scope="pay", purpose="a test", uses=2, not_before=at,
        not_after=at + 60_000, nonce="n", policy=opened.loaded.checked.digest,
    )  # fmt: skip
    assert terms.id == f"sha256:{challenge(terms.statement).hex()}"
    signed = asserted(terms.statement, passkey.public(), passkey.assertion(challenge(terms.statement)))
    other = asserted(terms.statement, passkey.public(), passkey.assertion(b"another challenge"))
    with open_register(opened, fresh=os.urandom) as register:
        with pytest.raises(EvidenceError):
            register.add(other, at)
        held = register.add(signed, at)
        assert [one.id for one in register.of("agent", at)] == [held.id]
        register.use([held.id], session="s", step="s", now=at)
        assert register.held(held.id, at).left == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
)
FIELDS = (
    "_type",
    "by",
    "time",
    "holder",
    "clauses",
    "scope",
    "purpose",
    "uses",
    "not_before",
    "not_after",
    "nonce",
    "policy",
)
SOUND = {
    "_type": "obverse.grant/1", "by": "ana", "time": 0, "holder": "agent", "clauses": ["large"], "scope": "pay",
    "purpose": "p", "uses": 1, "not_before": 0, "not_after": 9, "nonce": "n", "policy": "sha256:", "follows": None,
    "parent": None,
}  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([*FIELDS, "parent", "follows", "more"]), JSON, max_size=3),
    st.sampled_from([*FIELDS, ""]),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_in_a_statement_it_is_a_grant_or_refused(changed: dict[str, object], without: str) -> None:
    statement = {name: value for name, value in {**SOUND, **changed}.items() if name != without}
    try:
        payload = canonical(statement)
    except ValueError:
        return
    try:
        link = read_link(Signed(payload=payload, key="k", signature=b"s"))
    except EvidenceError:
        return
    assert link.id == link.grant.id
    assert link.grant.uses >= 1
    assert link.grant.not_before < link.grant.not_after


@given(st.binary(max_size=80))
def test_whatever_the_bytes_are_they_are_a_signed_statement_or_refused(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_signed(data)
