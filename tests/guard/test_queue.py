"""The queue: what is asked, who answers, what counts."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obverse.core.errors import EvidenceError, MisuseError, UnavailableError
from obverse.core.events import Call, Reply
from obverse.guard.approvals.queue import LONGEST, Queue
from obverse.guard.approvals.statement import statement_of
from obverse.guard.approvals.tables import TABLES
from obverse.guard.approving import shown_arguments
from obverse.guard.database import connect
from obverse.guard.people import Person
from obverse.guard.records import Request
from obverse.guard.signing import Signed, asserted, challenge, sign
from obverse.policy.decide import call_digest
from obverse.testing.people import SoftPasskey, file_key, person

NOW = 1_800_000_000_000


class World:
    """A database with people; each queue on it stands for a process."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.folder = folder
        self.people = {one.name: one for one in (person("ana"), person("ben"), person("eve", roles=("grant",)))}
        self.number = 0

    def queue(self, **given: Any) -> Queue:
        return Queue(
            connect(self.folder / "guard.sqlite", TABLES),
            **{
                "people": lambda: self.people,
                "clock": lambda: self.now,
                "fresh": random.Random(len(given)).randbytes,
                **given,
            },
        )

    def request(self, **given: Any) -> Request:
        self.number += 1
        call = Call(id="e5", call_id="c", tool="pay", arguments='{"to":"bob","amount":250.50}')
        fields = {
            "id": f"{self.number:032x}", "session": "s1", "policy": f"sha256:{1:064x}", "head": f"sha256:{2:064x}",
            "step": call.id, "tool": call.tool, "arguments": shown_arguments(call), "digest": call_digest(call),
            "clauses": ("pay",), "people": 1, "asked": self.now, "expires": self.now + 600_000,
        }  # fmt: skip
        return Request(**{**fields, **given})

    def answer(self, queue: Queue, request: str, by: str = "ana", answer: str = "approve", **given: Any) -> Signed:
        asked = queue.find(request)
        said = statement_of(asked.request, asked.page.digest, answer=answer, by=by, time=self.now, **given)
        return sign(said, file_key(by))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_request_is_shown_answered_and_counted_by_two_processes(world: World) -> None:
    guard, reviewer, request = world.queue(), world.queue(), world.request()
    guard.ask(request, {"holder": "agent"})
    [asked] = reviewer.waiting()
    assert asked.request == request
    assert guard.answers(request.id) == ()
    said = reviewer.submit(world.answer(reviewer, request.id))
    assert guard.answers(request.id) == (said,)
    assert (said.by, said.answer, said.time) == ("ana", "approve", NOW)
    assert reviewer.said(request.id) == (("ana", "approve"),)


def test_who_did_not_ask_counts_nothing(world: World) -> None:
    guard, other, request = world.queue(), world.queue(), world.request()
    guard.ask(request, {})
    other.submit(world.answer(other, request.id))
    assert other.answers(request.id) == ()


def test_a_closed_request_counts_nothing_and_takes_nothing(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    signed = world.answer(guard, request.id)
    guard.submit(signed)
    guard.close(request.id, "superseded")
    assert guard.answers(request.id) == ()
    assert guard.waiting() == ()
    with pytest.raises(EvidenceError, match="closed"):
        guard.submit(world.answer(guard, request.id, "ben"))


def test_of_two_that_use_a_request_up_one_gets_it(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    guard.close(request.id, "used")
    with pytest.raises(EvidenceError, match="closed before"):
        guard.close(request.id, "used")
    guard.close(request.id, "stopped")  # to say that it is over does no harm


def test_a_request_of_another_guard_is_not_used(world: World) -> None:
    guard, other, request = world.queue(), world.queue(), world.request()
    guard.ask(request, {})
    with pytest.raises(EvidenceError, match="none of this guard"):
        other.close(request.id, "used")


def test_a_request_that_nobody_answers_ends(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    signed = world.answer(guard, request.id)
    world.now = request.expires
    assert guard.waiting() == ()
    with pytest.raises(EvidenceError, match="when the request was open"):
        guard.submit(signed)


def test_an_answer_in_time_does_not_outlive_the_request(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    guard.submit(world.answer(guard, request.id))
    world.now = request.expires
    assert guard.answers(request.id) == ()


def test_an_answer_ends_the_waiting_for_one(world: World) -> None:
    guard, reviewer, request = world.queue(), world.queue(), world.request()
    guard.ask(request, {})
    thread = threading.Thread(target=guard.wait, args=(request.id, 20))
    thread.start()
    reviewer.submit(world.answer(reviewer, request.id))
    thread.join(timeout=5)
    assert not thread.is_alive()
    guard.answers(request.id)
    guard.wait(request.id, 0.06)  # what was counted wakes nobody again


def test_the_same_said_twice_is_said_once(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    guard.submit(world.answer(guard, request.id))
    world.now += 5
    with pytest.raises(MisuseError, match="has said that before"):
        guard.submit(world.answer(guard, request.id))
    assert len(guard.answers(request.id)) == 1


def test_who_approved_can_still_reject(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    guard.submit(world.answer(guard, request.id))
    guard.submit(world.answer(guard, request.id, answer="reject", because="on second thought"))
    assert {said.answer for said in guard.answers(request.id)} == {"approve", "reject"}


def test_only_reviewers_may_approve(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    with pytest.raises(EvidenceError, match="may not approve"):
        guard.submit(world.answer(guard, request.id, "eve"))


@pytest.mark.parametrize("holder", ["ana", "Ana", "аna", "app/ana", "ana/7", " ana ", "app/ Ana"])
def test_a_holder_does_not_approve_their_own_step(world: World, holder: str) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {"holder": holder})
    with pytest.raises(EvidenceError, match="holds the session"):
        guard.submit(world.answer(guard, request.id))
    guard.submit(world.answer(guard, request.id, answer="reject"))


def test_a_holder_may_where_the_guard_was_told_so(world: World) -> None:
    guard, request = world.queue(own=True), world.request()
    guard.ask(request, {"holder": "ana"})
    guard.submit(world.answer(guard, request.id))
    assert len(guard.answers(request.id)) == 1


def test_what_is_shown_must_be_what_the_digest_stands_for(world: World) -> None:
    guard = world.queue()
    for arguments in ('{"amount":1,"to":"bob"}', '{"to":"bob","amount":{"$number":"250.5"}}', "{", ""):
        with pytest.raises(MisuseError, match="something else"):
            guard.ask(world.request(arguments=arguments), {})
    with pytest.raises(MisuseError, match="something else"):
        guard.ask(world.request(tool="pay "), {})
    reply = Reply(id="e1", text="hello")
    guard.ask(world.request(tool=None, arguments="hello", digest=call_digest(reply)), {})
    assert len(guard.waiting()) == 1


def test_what_nobody_reads_nobody_approves(world: World) -> None:
    text = "a" * (LONGEST + 1)
    with pytest.raises(MisuseError, match="characters"):
        world.queue().ask(world.request(tool=None, arguments=text, digest=call_digest(Reply(id="e1", text=text))), {})


def test_earlier_answers_to_exactly_this_are_shown(world: World) -> None:
    guard, first, second = world.queue(), world.request(), world.request()
    guard.ask(first, {})
    assert "nobody was asked this before" in guard.find(first.id).page.text
    guard.submit(world.answer(guard, first.id, answer="reject"))
    guard.ask(second, {})
    assert "rejected    by ana" in guard.find(second.id).page.text


def test_an_earlier_answer_that_nobody_signed_is_not_shown(world: World) -> None:
    guard, first, second = world.queue(), world.request(), world.request()
    guard.ask(first, {})
    guard.submit(world.answer(guard, first.id))
    world.people = {"ben": person("ben")}
    guard.ask(second, {})
    assert "nobody was asked this before" in guard.find(second.id).page.text


def test_what_a_grant_would_allow_is_shown_and_its_failure_too(world: World) -> None:
    def fails(_request: Request, _shown: object) -> str:
        raise ZeroDivisionError

    previews: list[tuple[Callable[..., str], str]] = [
        (lambda *_: "pay bob any amount", "pay bob"),
        (fails, "not known"),
    ]
    for preview, shown in previews:
        guard, request = world.queue(preview=preview), world.request()
        guard.ask(request, {})
        assert shown in guard.find(request.id).page.text


def test_a_request_is_found_by_the_beginning_of_its_id(world: World) -> None:
    guard = world.queue()
    for name in ("abc1", "abd2"):
        guard.ask(world.request(id=name), {})
    assert guard.find("abd").request.id == "abd2"
    for wrong in ("ab", "x", "", "%", "ab_1", "\\"):
        with pytest.raises(MisuseError, match="begin"):
            guard.find(wrong)


def test_a_passkey_signs_once_for_one_request(world: World) -> None:
    key = SoftPasskey("ana's telephone")
    world.people["ana"] = Person(name="ana", roles=("approve",), keys=(key.public(),))
    guard = world.queue()
    for number in range(2):
        request = world.request()
        guard.ask(request, {})
        said = statement_of(request, guard.find(request.id).page.digest, answer="approve", by="ana", time=world.now)
        guard.submit(asserted(said, key.public(), key.assertion(challenge(said))))
        assert len(guard.answers(request.id)) == 1, number
    request = world.request()
    guard.ask(request, {})
    said = statement_of(request, guard.find(request.id).page.digest, answer="approve", by="ana", time=world.now)
    with pytest.raises(EvidenceError, match="count"):
        guard.submit(asserted(said, key.public(), key.assertion(challenge(said), counter=1)))


def test_requests_of_an_earlier_life_are_closed(world: World) -> None:
    world.queue().ask(world.request(), {})
    guard = world.queue()
    guard.ask(world.request(), {})
    assert guard.begin() == 1
    assert len(guard.waiting()) == 1


def test_a_broken_row_hides_no_other(world: World) -> None:
    guard = world.queue()
    for _ in range(2):
        guard.ask(world.request(), {})
    with contextlib.closing(sqlite3.connect(world.folder / "guard.sqlite")) as connection, connection:
        connection.execute("UPDATE approval_requests SET request = x'00' WHERE id LIKE '%1'")
    assert len(guard.waiting()) == 1
    with pytest.raises(EvidenceError, match="no request"):
        guard.find(f"{1:032x}")


def test_people_who_cannot_be_read_approve_nothing(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    guard.submit(world.answer(guard, request.id))

    def unreadable() -> dict[str, Person]:
        raise EvidenceError("broken", code="G201")

    guard._people = unreadable
    assert guard.answers(request.id) == ()
    assert "broken" in guard.void(request.id)[0]


def test_a_database_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "guard.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(UnavailableError, match="refuses"):
        connect(tmp_path / "guard.sqlite", TABLES)
    with pytest.raises(UnavailableError, match="refuses"):
        connect("nothing://at/all", TABLES)


def test_what_is_shown_may_hold_exact_numbers_and_halves_of_characters(world: World) -> None:
    from decimal import Decimal

    guard, reviewer, request = world.queue(), world.queue(), world.request()
    guard.ask(
        request,
        {
            "history": [
                {"kind": "fact", "name": "limit", "value": Decimal("12.50")},
                {"kind": "message", "text": "\ud800"},
            ]
        },
    )
    assert guard._asked[request.id].page == reviewer.find(request.id).page
    assert "⟨U+D800⟩" in reviewer.find(request.id).page.text
    reviewer.submit(world.answer(reviewer, request.id))
    assert len(guard.answers(request.id)) == 1


def test_a_record_of_the_queue_can_be_written_down(world: World) -> None:
    guard, request = world.queue(), world.request()
    guard.ask(request, {})
    said = guard.submit(world.answer(guard, request.id))
    assert msgspec.json.decode(msgspec.json.encode(said), type=type(said)) == said


def test_its_tables_are_made_in_postgresql_too() -> None:
    """Only the words of it: the tests of this file ran on PostgreSQL 15 by hand, with `connect` given its URL."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql

    words = " ".join(
        str(sa.schema.CreateTable(one, if_not_exists=True).compile(dialect=postgresql.dialect()))
        for one in TABLES.sorted_tables
    )
    assert words.count("CREATE TABLE IF NOT EXISTS approval_") == 5
    assert words.count("BYTEA") == 4
    assert "expires BIGINT NOT NULL" in words
