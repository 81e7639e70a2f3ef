"""What the pages show: what waits, one request, what was answered, who may sign."""

from __future__ import annotations

from pathlib import Path

import msgspec
from tests.web.desk import Clock, Place, make_pages

from obverse.core.events import Approval, Call, Fact, Message, Result, System, Thought
from obverse.guard.approvals.canaries import Seed, write_canaries
from obverse.guard.approvals.statement import statement_of
from obverse.guard.signing import sign
from obverse.testing.people import file_key, person
from obverse.web.pages import time_in_words


def envelope(place: Place, name: str, answer: str, *, by: str = "ada") -> dict[str, object]:
    asked = place.queue.find(name)
    said = statement_of(asked.request, asked.page.digest, answer=answer, by=by, time=place.clock())  # type: ignore[arg-type]  # a word of the answer
    return sign(said, file_key(by)).envelope


def test_what_waits_is_shown_with_the_most_urgent_first(place: Place) -> None:
    late, soon = place.put(seconds=600), place.put("wipe", '{"path": "/srv"}', seconds=30, people=2, clauses=("wipe",))
    page = place.ask("/")
    assert page.status == 200
    assert "Two requests wait." in page.text
    assert page.text.index(soon.id) < page.text.index(late.id)
    assert "Payments above 100 need a person" in page.text
    rows = place.ask("/inbox.json").json["rows"]
    assert [row["left"]["urgency"] for row in rows] == ["soon", "ample"]
    assert [row["act"] for row in rows] == ['wipe(path: "/srv")', 'pay(amount: 250, to: "bob")']
    assert rows[0]["people"] == "0 of 2 people approved"


def test_an_empty_inbox_says_so(place: Place) -> None:
    assert "Nothing waits." in place.ask("/").text


def test_one_request_is_shown_with_what_will_run_and_the_policys_own_prose(place: Place) -> None:
    place.add(person("ada"))
    why = [{"clause": "pay", "verdict": "ask", "conditions": [{"text": "amount > 100", "value": "true"}],
            "unknowns": [{"what": "message.says_yes", "why": "not answered"}]}]  # fmt: skip
    request = place.put(why=why)
    page = place.ask(f"/requests/{request.id}").text
    assert "May pay run?" in page
    assert "Above <strong>100</strong> somebody looks first. &lt;b&gt;Nobody&lt;/b&gt; pays twice." in page
    assert "amount &gt; 100" in page
    view = place.ask(f"/requests/{request.id}.json").json
    assert [(one["name"], one["value"]) for one in view["fields"]] == [("amount", "250"), ("to", '"bob"')]
    assert view["clauses"][0]["unknowns"] == ["message.says_yes: not answered"]
    assert view["text"] == place.queue.find(request.id).page.text
    assert view["page"] == place.queue.find(request.id).page.digest
    assert [one["name"] for one in view["signers"]] == ["ada"]


def test_the_history_is_shown_but_not_what_the_agent_thinks(place: Place) -> None:
    history = [
        System(id="e1", text="be kind", time=1), Message(id="e2", text="pay bob"), Thought(id="e3", text="say yes to me"),
        Call(id="e4", call_id="a", tool="look", arguments='{"id": 1, "id": 2}'), Fact(id="e5", name="vip", value=True),
        Result(id="e6", call_id="a", tool="look", output="gone", failed=True), Approval(id="e7", call="x", by="ben"),
    ]  # fmt: skip
    view = place.ask(f"/requests/{place.put(history=history).id}.json").json
    assert [line["who"] for line in view["lines"]] == [
        "operator", "user", "agent thinks", "agent calls", "known", "tool", "person",
    ]  # fmt: skip
    assert "say yes to me" not in msgspec.json.encode(view).decode()
    assert [field["value"] for field in view["lines"][3]["fields"]] == ["1", "2"]  # both of a key that comes twice
    assert "failed" in view["lines"][5]["notes"]


def test_arguments_that_can_be_read_in_two_ways_are_shown_as_they_were_written(place: Place) -> None:
    request = place.put(arguments='{"to": "bob", "to": "eve"}')
    view = place.ask(f"/requests/{request.id}.json").json
    assert view["fields"] == []
    assert view["raw"] == '{"to": "bob", "to": "eve"}'


def test_long_arguments_are_shown_whole_and_said_to_be_long(place: Place) -> None:
    request = place.put(arguments='{"amount": 250, "to": "bob", "note": "' + "word " * 2000 + 'the end"}')
    view = place.ask(f"/requests/{request.id}.json").json
    assert view["long"] == {"note": "10,009 characters: scroll"}
    assert "the end" in place.ask(f"/requests/{request.id}").text


def test_a_signed_answer_is_taken_and_shown(place: Place) -> None:
    place.add(person("ada"))
    request = place.put("wipe", '{"path": "/srv"}', people=2, clauses=("wipe",))
    before = place.ask("/changes?seen=").json["tag"]
    got = place.post(f"/requests/{request.id}/answers", envelope(place, request.id, "approve"))
    assert (got.status, got.json) == (
        200, {"request": request.id, "by": "ada", "answer": "approve", "seeded": None},
    )  # fmt: skip
    assert place.ask(f"/changes?seen={before}").json["tag"] != before
    assert place.ask(f"/requests/{request.id}.json").json["people"] == "1 of 2 people approved"
    assert [said.by for said in place.queue.answers(request.id)] == ["ada"]


def test_that_a_request_was_a_test_is_said_after_the_answer_and_never_before(place: Place, tmp_path: Path) -> None:
    seed = Seed(
        tool="pay", arguments={"to": "unknown", "amount": 99000}, why="nobody is owed so much", clauses=("pay",)
    )
    write_canaries(place.home.folder, (seed,), rate=1.0, key=b"k" * 32)
    fresh = make_pages(place.home, place.clock)
    fresh.add(person("ada"))
    real = fresh.put()
    [other] = [asked.request for asked in fresh.queue.waiting() if asked.request.id != real.id]
    for path in ("/", f"/requests/{other.id}", f"/requests/{other.id}.json", f"/requests/{real.id}"):
        assert not any(word in fresh.ask(path).text for word in ("owed so much", "seed", "test,"))
    got = fresh.post(f"/requests/{other.id}/answers", envelope(fresh, other.id, "approve"))
    assert got.json["seeded"] == "nobody is owed so much"
    assert fresh.post(f"/requests/{real.id}/answers", envelope(fresh, real.id, "approve")).json["seeded"] is None
    assert fresh.queue.answers(other.id) == ()  # nobody waits for it


def test_what_was_rejected_stands_among_the_answered_once_it_is_closed(place: Place) -> None:
    place.add(person("ada"))
    request = place.put()
    assert place.post(f"/requests/{request.id}/answers", envelope(place, request.id, "reject")).status == 200
    place.queue.close(request.id, "rejected")
    [row] = place.ask("/answered.json").json["rows"]
    assert (row["said"], row["standing"], row["people"]) == ("rejected", "fails", "by ada")
    assert "rejected" in place.ask("/answered").text
    assert '<form id="sign"' not in place.ask(f"/requests/{request.id}").text


def test_what_ran_out_can_no_longer_be_answered(place: Place, clock: Clock) -> None:
    place.add(person("ada"))
    request = place.put(seconds=30)
    signed = envelope(place, request.id, "approve")
    clock.move(31)
    got = place.post(f"/requests/{request.id}/answers", signed)
    assert (got.status, got.json["error"]["code"]) == (409, "G221")
    page = place.ask(f"/requests/{request.id}").text
    assert "expired" in page
    assert '<form id="sign"' not in page


def test_the_people_are_shown_with_figures_only_where_there_are_some(place: Place) -> None:
    assert "Nobody may sign yet." in place.ask("/people").text
    place.add(person("ada"), person("ben"))
    request = place.put()
    place.post(f"/requests/{request.id}/views", {"by": "ada"})
    place.post(f"/requests/{request.id}/answers", envelope(place, request.id, "approve"))
    rows = {row["name"]: row for row in place.ask("/people.json").json["rows"]}
    assert (rows["ada"]["answered"], rows["ada"]["approved"]) == ("1", "1 of 1")
    assert rows["ada"]["took"] == "too few to say (1)"  # L10: one observation never stands as a number
    assert (rows["ben"]["answered"], rows["ben"]["approved"], rows["ben"]["missed"]) == ("none yet", "", "")


def test_the_statement_that_the_browser_signs_is_the_one_of_the_queue(place: Place) -> None:
    place.add(person("ada"))
    request = place.put()
    [key] = place.queue_people()["ada"].keys
    got = place.ask(f"/requests/{request.id}/statement?answer=approve&by=ada&key={key.id}&because=promised").json
    assert got["way"] == "ed25519"
    assert '"because":"promised"' in got["statement"]
    assert f'"digest":"{request.digest}"' in got["statement"]
    for wrong in (
        f"answer=maybe&by=ada&key={key.id}",
        f"answer=approve&by=ben&key={key.id}",
        "answer=approve&by=ada&key=x",
    ):
        assert place.ask(f"/requests/{request.id}/statement?{wrong}").json["error"]["code"] == "G623"


def test_what_a_grant_would_newly_allow_is_shown_by_scenarios(place: Place) -> None:
    request = place.put()
    page = place.ask(f"/requests/{request.id}/grant")
    assert page.status == 200
    assert "If a grant lifted pay for every call of pay" in page.text
    assert "A call of pay: asked today, allowed with the grant" in page.text
    assert page.text.count("agent calls") >= 1
    assert f"/requests/{request.id}/grant" in place.ask(f"/requests/{request.id}").text


def test_what_the_guard_was_told_of_a_grant_stands_on_the_page(place: Place) -> None:
    told = place.put(newly="every payment up to \u202e 500")
    page = place.ask(f"/requests/{told.id}").text
    assert "What a grant would newly allow" in page
    assert "every payment up to ⟨U+202E⟩ 500" in page


def test_a_page_that_is_not_there_says_so_and_reveals_nothing(place: Place) -> None:
    request = place.put()
    for path in ("/nothing", "/requests/none", f"/requests/{request.id[:-1]}", "/requests/%25"):
        got = place.ask(path)
        assert (got.status, "There is no such" in got.text) == (404, True), path
    assert place.ask("/requests/none.json").json["error"]["code"] == "G620"
    assert place.ask("/static/../app.py").status == 404


def test_every_page_can_be_read_without_script(place: Place) -> None:
    request = place.put()
    for path in ("/", "/answered", "/people", f"/requests/{request.id}"):
        page = place.ask(path).text
        assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in page
        assert page.count("<script") == 1
        assert " on" not in page.split("<body")[1].split(">")[0]


def test_time_is_said_in_words() -> None:
    assert [time_in_words(ms) for ms in (-5, 1, 59_001, 61_000, 7_322_000)] == [
        "0 s", "1 s", "1 min 0 s", "1 min 1 s", "2 h 2 min",
    ]  # fmt: skip
