"""L14: what was approved is what is executed: tool, arguments, policy, session, history.

The real session, the real queue in SQLite, real keys. What varies is the one thing that a test is about.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.canon import canonical
from obverse.core.errors import EvidenceError, ObverseError
from obverse.core.verdicts import Verdict
from obverse.guard import local
from obverse.guard.approvals.local import open_queue
from obverse.guard.approvals.statement import KIND, check_bound, statement_of
from obverse.guard.guard import Guard
from obverse.guard.home import make_home
from obverse.guard.people import Person, write_person
from obverse.guard.records import ProposedCall, Request, Ruling
from obverse.guard.session import Session
from obverse.guard.signing import asserted, challenge, check, read_envelope, sign
from obverse.ledger.keys import key_file
from obverse.testing.desk import CHECKED, NOW, POLICY, Desk
from obverse.testing.people import SoftPasskey, file_key, person
from obverse.testing.recorder import MemoryRecorder


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def pay(amount: object = 250, to: str = "bob", call_id: str = "c1") -> ProposedCall:
    return ProposedCall(call_id=call_id, tool="pay", arguments=f'{{"to":"{to}","amount":{amount}}}')


WIPE = ProposedCall(call_id="w1", tool="wipe", arguments='{"id":"a"}')


def asked(ruling: Ruling) -> str:
    [request] = ruling.waiting
    return request


def resumed(session: Session) -> Ruling:
    ruling = session.resume()
    assert ruling is not None
    return ruling


def test_L14_what_a_person_approved_is_released_once_and_executed_as_it_was_approved(desk: Desk) -> None:
    session = desk.session()
    ruling = session.propose([pay()])
    assert (ruling.verdict, ruling.released) == (Verdict.ASK, ())
    desk.sign(asked(ruling))
    [step] = resumed(session).released
    assert step.permit is not None
    session.redeem(step.permit, "pay", '{"amount": 250.0, "to": "bob"}')  # the same arguments, written otherwise
    with pytest.raises(EvidenceError):
        session.redeem(step.permit, "pay", '{"amount":250,"to":"bob"}')
    session.result("c1", "done")
    assert session.propose([pay(call_id="c2")]).verdict is Verdict.ASK


def test_L14_an_approval_names_the_person_and_stands_on_record_before_the_act(desk: Desk) -> None:
    session = desk.session()
    request = asked(session.propose([pay()]))
    desk.sign(request, "ben")
    resumed(session)
    [entry] = desk.recorder.of("approval")
    assert (entry.body["by"], entry.body["answer"], entry.body["request"]) == ("ben", "approve", request)
    signed = read_envelope(desk.recorder.read(entry, "statement"))
    assert check(signed, desk.people, kind=KIND, role="approve", at=desk.now).by == "ben"
    kinds = [one.type for one in desk.recorder]
    assert kinds.index("approval.request") < kinds.index("approval") < len(kinds) - kinds[::-1].index("decision") - 1


def test_L14_one_who_rejects_is_enough(desk: Desk) -> None:
    session = desk.session()
    request = asked(session.propose([WIPE]))
    for name, answer in (("ana", "approve"), ("ben", "approve"), ("carl", "reject")):
        desk.sign(request, name, answer)
    ruling = resumed(session)
    assert (ruling.verdict, ruling.released) == (Verdict.DENY, ())


def test_L14_nobody_who_answers_is_a_denial(desk: Desk) -> None:
    session = desk.session()
    session.propose([pay()])
    desk.now += 600_000
    ruling = resumed(session)
    assert (ruling.verdict, ruling.released) == (Verdict.DENY, ())


def test_L14_two_people_are_two_people(desk: Desk) -> None:
    session = desk.session()
    request = asked(session.propose([WIPE]))
    desk.sign(request, "ana")
    assert resumed(session).verdict is Verdict.ASK
    desk.sign(request, "ben")
    assert len(resumed(session).released) == 1


def test_L14_a_holder_does_not_approve_their_own_steps(desk: Desk) -> None:
    session = desk.session(holder="ana")
    request = asked(session.propose([pay()]))
    with pytest.raises(EvidenceError, match="holds the session"):
        desk.sign(request, "ana")
    desk.plant(sign(desk.statement(request, "ana"), file_key("ana")), request)
    assert resumed(session).verdict is Verdict.ASK
    desk.sign(request, "ben")
    assert len(resumed(session).released) == 1


def test_L14_a_passkey_approves_as_a_file_key_does(desk: Desk) -> None:
    key = SoftPasskey("ana's telephone")
    desk.people["ana"] = Person(name="ana", roles=("approve",), keys=(key.public(),))
    session = desk.session()
    request = asked(session.propose([pay()]))
    statement = desk.statement(request)
    desk.another_process().submit(asserted(statement, key.public(), key.assertion(challenge(statement))))
    assert len(resumed(session).released) == 1


CHANGED: Mapping[str, Callable[[Any], Any]] = {
    "request": lambda old: old[::-1],
    "session": lambda old: f"{old}x",
    "policy": lambda old: old[:-1] + ("0" if old[-1] != "0" else "1"),
    "head": lambda old: old[:-1] + ("0" if old[-1] != "0" else "1"),
    "step": lambda old: f"{old}0",
    "tool": lambda old: "wipe",
    "arguments": lambda old: old.replace("250", "2500"),
    "digest": lambda old: old[:-1] + ("0" if old[-1] != "0" else "1"),
    "clauses": lambda old: [*old, "wipe"],
    "people": lambda old: old + 1,
    "asked": lambda old: old + 1,
    "expires": lambda old: old + 3_600_000,
    "page": lambda old: old[:-1] + ("0" if old[-1] != "0" else "1"),
    "answer": lambda old: "yes",
    "time": lambda old: old + 3_600_000,
    "by": lambda old: "ben",
    "_type": lambda old: "obverse.grant/1",
}


def test_L14_the_table_of_changes_names_every_field_that_is_signed(desk: Desk) -> None:
    assert set(CHANGED) == set(desk.statement(asked(desk.session().propose([pay()]))))


@pytest.mark.parametrize("field", CHANGED)
def test_L14_change_any_one_field_and_the_approval_is_void(desk: Desk, field: str) -> None:
    """Signed as changed, by a good key, and put past every check into the database that the guard reads."""
    session = desk.session()
    request = asked(session.propose([pay()]))
    good = desk.statement(request)
    bad = {**good, field: CHANGED[field](good[field])}
    assert bad != good
    desk.plant(sign(bad, file_key("ana")), request)
    assert desk.queue.answers(request) == ()
    assert len(desk.queue.void(request)) == 1
    assert resumed(session).verdict is Verdict.ASK
    with pytest.raises(ObverseError):
        desk.another_process().submit(sign(bad, file_key("ana")))


@pytest.mark.parametrize("field", CHANGED)
def test_L14_leave_any_one_field_out_and_the_approval_is_void(desk: Desk, field: str) -> None:
    session = desk.session()
    request = asked(session.propose([pay()]))
    statement = desk.statement(request)
    del statement[field]
    desk.plant(sign(statement, file_key("ana")), request)
    assert desk.queue.answers(request) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(), st.lists, max_leaves=4
)
REQUEST = Request(
    id="r", session="s", policy="p", head="h", step="e1", tool="pay", arguments="{}", digest="d", clauses=("pay",),
    people=1, asked=NOW, expires=NOW + 600_000,
)  # fmt: skip
GOOD = statement_of(REQUEST, "page", answer="approve", by="ana", time=NOW)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_L14_no_other_value_of_any_field_fits(field: str, value: Any) -> None:
    changed = {**GOOD, field: value}
    same = type(value) is type(GOOD[field]) and value == GOOD[field]
    in_time = field == "time" and isinstance(value, int) and NOW - 60_000 <= value <= NOW + 60_000
    if field in {"by", "_type"} or same or (in_time and not isinstance(value, bool)):
        return  # who signed, and what kind it is, `signing.check` says before
    with pytest.raises(EvidenceError):
        check_bound(changed, REQUEST, "page", now=NOW)


@given(st.sampled_from([name for name in Request.__struct_fields__ if name != "clauses"]), st.text() | st.integers())
def test_L14_an_answer_fits_no_other_request(field: str, value: Any) -> None:
    other = msgspec.structs.replace(REQUEST, **{field: value})
    if canonical(other) == canonical(REQUEST):
        return
    with pytest.raises(EvidenceError):
        check_bound(GOOD, other, "page", now=NOW)


STEPS = st.lists(
    st.sampled_from(["approve ana", "approve ben", "reject carl", "resume", "message", "late", "restart", "void"]),
    max_size=7,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_L14_nothing_is_released_unless_two_people_approved_exactly_this_in_time(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever happens in whatever order: what is released was approved by two, rejected by nobody, at its own head, in time."""
    desk = Desk(tmp_path_factory.mktemp("world"))
    session = desk.session()
    request = asked(session.propose([WIPE]))
    approved: set[str] = set()
    spoilt = False
    released = 0
    for step in steps:
        match step.split():
            case [("approve" | "reject") as answer, name]:
                try:
                    desk.sign(request, name, answer)
                except ObverseError:  # closed, or said before
                    continue
                approved |= {name} if answer == "approve" else set()
                spoilt |= answer == "reject"
            case ["resume"]:
                ruling = session.resume()
                if ruling is not None and ruling.released:
                    assert len(approved) == 2
                    assert not spoilt
                    released += 1
            case ["message"]:
                session.message("go on")
                spoilt = True
            case ["late"]:
                desk.now += 600_000
                spoilt = True
            case ["restart"]:
                session = desk.session()
                spoilt = True
            case ["void"]:
                desk.people = {}
                spoilt = True
    assert released <= 1


def test_L14_a_guard_waits_in_one_process_and_a_person_approves_in_another(tmp_path: Path) -> None:
    (tmp_path / "policy.md").write_text(POLICY)
    home = make_home(tmp_path / "home", tmp_path / "policy.md", name="guard.example", origin="guard.example/1")
    (tmp_path / "ana.pem").write_bytes(key_file(file_key("ana")))
    write_person(home.people, person("ana"))
    queue = open_queue(home, clock=local.now, fresh=random.Random(1).randbytes)
    guard = Guard(
        CHECKED, recorder=MemoryRecorder(), clock=local.now, steady=local.steady, fresh=random.Random(2).randbytes,
        people=queue,
    )  # fmt: skip
    session = guard.session(holder="agent")
    script = f"""
import json, subprocess, sys
def obverse(*arguments):
    return subprocess.run([sys.executable, "-m", "obverse.cli", *arguments], capture_output=True, text=True, check=True).stdout
[one] = json.loads(obverse("inbox", {str(home.folder)!r}, "--json"))["waiting"]
print(obverse("approve", {str(home.folder)!r}, one["id"], "--key", {str(tmp_path / "ana.pem")!r}, "--as", "ana",
              "--yes", "--digest", one["page_digest"]))
"""
    assert session.propose([pay()]).verdict is Verdict.ASK
    person_process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    ruling = session.resume(30)
    out, _ = person_process.communicate(timeout=30)
    assert person_process.returncode == 0
    assert "approved by ana" in out
    assert ruling is not None
    [step] = ruling.released
    assert step.permit is not None
    session.redeem(step.permit, "pay", '{"to":"bob","amount":250}')
