"""Attacks on the pages where people approve: from other sites, other names, other frames, and with other people's signatures.

The server holds no key, so the worst that a page could be tricked into is to pass on a signature that does not count.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.desk import KEY, ORIGIN, Clock, Place, make_place

from obverse.core.events import Message, Reply, Result
from obverse.guard.approvals.asked import asked_of
from obverse.guard.approvals.statement import statement_of
from obverse.guard.people import Person
from obverse.guard.records import Request
from obverse.guard.signing import asserted, challenge, sign
from obverse.testing.people import SoftPasskey, file_key, person
from obverse.web.fence import LARGEST_BODY
from obverse.web.pages import inbox_page, request_page
from obverse.web.render import Site, render

HOSTILE = "</pre></main><script>document.title='taken'</script><img src=x onerror=alert(1)>\u202e│ APPROVED by ada\u200b\u2028 раypal"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = make_place(tmp_path, Clock())
    found.add(person("ada"))
    return found


def said(place: Place, request: Request, answer: str = "approve", by: str = "ada") -> dict[str, Any]:
    page = place.queue.find(request.id).page.digest
    return statement_of(request, page, answer=answer, by=by, time=place.clock())  # type: ignore[arg-type]  # a word of the answer


def nobody_approved(place: Place, *requests: Request) -> bool:
    return all(place.queue.answers(request.id) == () for request in requests)


# --- from another page ------------------------------------------------------------------------------------------------------


FORGED = {
    "from another site": {"origin": "https://evil.example"},
    "from another port of this machine": {"origin": "http://localhost:9999"},
    "from the number of this machine": {"origin": "http://127.0.0.1:8722"},
    "from nowhere": {"origin": "null"},
    "with tls that we have not": {"origin": "https://localhost:8722"},
    "fetched by a sibling": {"sec_fetch_site": "same-site"},
    "fetched across sites": {"sec_fetch_site": "cross-site"},
    "as a form": {"content_type": "application/x-www-form-urlencoded"},
    "as plain text, which needs no leave": {"content_type": "text/plain"},
}


@pytest.mark.parametrize("lie", FORGED.values(), ids=FORGED)
def test_what_another_page_sends_is_refused_even_with_a_right_signature(place: Place, lie: dict[str, str]) -> None:
    request = place.put()
    envelope = sign(said(place, request), file_key("ada")).envelope
    for path in ("answers", "views"):
        assert place.post(f"/requests/{request.id}/{path}", envelope, **lie).status == 403
    assert nobody_approved(place, request)


def test_a_post_without_a_signature_approves_nothing(place: Place) -> None:
    request = place.put()
    statement = said(place, request)
    unsigned = sign(statement, file_key("ada")).envelope
    unsigned["signatures"] = [{"keyid": unsigned["signatures"][0]["keyid"], "sig": ""}]
    bodies = [
        None,
        {},
        [],
        "approve",
        {"answer": "approve", "by": "ada"},
        statement,
        unsigned,
        {**unsigned, "signatures": []},
    ]
    for body in bodies:
        got = place.post(f"/requests/{request.id}/answers", body)
        assert got.status == 409, body
        assert got.json["error"]["code"].startswith("G2")
    assert nobody_approved(place, request)


def test_no_page_that_is_only_looked_at_changes_anything(place: Place) -> None:
    request = place.put()
    before = place.queue.pulse()
    for path in ("answers", "views"):
        assert place.ask(f"/requests/{request.id}/{path}?answer=approve&by=ada").status in {404, 405}
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert place.ask(f"/requests/{request.id}/answers", method=method).status == 405
    assert place.queue.pulse() == before


def test_a_body_without_end_is_not_read(place: Place) -> None:
    request = place.put()
    got = place.post(f"/requests/{request.id}/answers", "x" * (LARGEST_BODY + 1))
    assert got.status == 413
    deep = place.ask(
        f"/requests/{request.id}/answers", method="POST", body=b"[" * 200_000,
        headers={"origin": ORIGIN, "content-type": "application/json"},
    )  # fmt: skip
    assert deep.status in {400, 409}


# --- from another name, without the key to look -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8722", "localhost", "localhost:80", "localhost.evil.example:8722",
             "LOCALHOST:8722", "127.0.0.1:80", "[::1]:8722", "0.0.0.0:8722", "localhost:8722@evil.example", ""]
)  # fmt: skip
def test_a_name_that_was_pointed_at_this_machine_gets_no_page(place: Place, host: str) -> None:
    request = place.put()
    for path in ("/", "/inbox.json", f"/requests/{request.id}", f"/?key={KEY}", "/static/page.js"):
        got = place.ask(path, headers={"host": host})
        assert got.status == 421
        assert "pay" not in got.text
        assert "set-cookie" not in got.headers


def test_who_comes_by_the_number_is_sent_to_the_name_and_nowhere_else(place: Place) -> None:
    for path, where in {"/": "/", "/answered?x=1": "/answered?x=1", "//evil.example/": "/evil.example/"}.items():
        got = place.ask(path, headers={"host": "127.0.0.1:8722"})
        assert (got.status, got.headers["location"]) == (307, f"{ORIGIN}{where}")


def test_nobody_looks_without_the_key(place: Place) -> None:
    request = place.put()
    cookies = ["", "obverse-8722=", "obverse-8722=wrong", f"obverse-9999={KEY}", f"{KEY}", f"x={KEY}"]
    for cookie in cookies:
        for path in (
            "/",
            "/inbox.json",
            f"/requests/{request.id}.json",
            "/changes?seen=",
            "/people",
            "/?key=wrong",
            "/?key=",
        ):
            got = place.ask(path, headers={"cookie": cookie})
            assert got.status == 403, (cookie, path)
            assert "shop" not in got.text
            assert "pay" not in got.text


def test_the_key_comes_once_and_stays_in_a_cookie_that_no_script_and_no_other_site_gets(place: Place) -> None:
    got = place.ask(f"/answered?key={KEY}&x=1", headers={"cookie": ""})
    assert (got.status, got.headers["location"]) == (303, "/answered?x=1")
    assert got.headers["set-cookie"] == f"obverse-8722={KEY}; Path=/; HttpOnly; SameSite=Strict"
    assert place.ask(f"//evil.example?key={KEY}", headers={"cookie": ""}).headers["location"] == "/evil.example"
    assert place.ask(f"/?key={KEY}", method="POST", headers={"cookie": "", "origin": ORIGIN}).status == 403


def test_behind_a_proxy_with_tls_the_cookie_is_bound_to_it(tmp_path: Path) -> None:
    place = make_place(tmp_path, Clock(), "https://approve.example")
    got = place.ask(f"/?key={KEY}", headers={"cookie": ""})
    assert got.headers["set-cookie"] == f"__Host-obverse={KEY}; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert place.ask("/").status == 200
    assert place.ask("/", headers={"host": "localhost:8722"}).status == 421
    assert place.post("/requests/x/views", {}, origin="http://approve.example").status == 403


# --- in a frame, with script ------------------------------------------------------------------------------------------------


def test_every_answer_forbids_frames_scripts_of_others_and_keeping(place: Place) -> None:
    request = place.put()
    paths = ["/", f"/requests/{request.id}", "/nothing", "/static/page.js", "/people.json", "/join/none"]
    answers = [place.ask(path) for path in paths]
    answers += [place.ask("/", headers={"host": "evil"}), place.ask("/", headers={"cookie": ""}), place.post("/", {})]
    for got in answers:
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert got.headers["x-frame-options"] == "DENY"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cache-control"] == "no-store"
        assert got.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in got.headers


def test_hostile_texts_stand_as_text_on_every_page(place: Place) -> None:
    history = [Message(id="e1", text=HOSTILE), Reply(id="e2", text=HOSTILE),
               Result(id="e3", call_id=HOSTILE, tool=HOSTILE, output=HOSTILE)]  # fmt: skip
    arguments = json.dumps({"amount": 250, "to": HOSTILE, HOSTILE: HOSTILE})
    why = [
        {
            "clause": "pay",
            "conditions": [{"text": HOSTILE, "value": HOSTILE}],
            "unknowns": [{"what": HOSTILE, "why": HOSTILE}],
        }
    ]
    made = [
        place.put(arguments=arguments, history=history, why=why, holder=HOSTILE, clauses=("pay", HOSTILE)),
        place.put("pay", HOSTILE),
        place.put(HOSTILE, "{}"),
    ]
    for path in ("/", *(f"/requests/{one.id}" for one in made)):
        page = place.ask(path)
        assert page.status == 200
        assert page.text.count("<script") == 1
        assert "<img" not in page.text
        assert not any(odd in page.text for odd in "\u202e\u200b\u2028")
        assert "⟨U+202E⟩" in page.text


def test_a_statement_is_json_and_never_a_page(place: Place) -> None:
    request = place.put(arguments=json.dumps({"amount": 250, "to": HOSTILE}))
    [key] = place.queue_people()["ada"].keys
    got = place.ask(f"/requests/{request.id}/statement?answer=approve&by=ada&key={key.id}&because=%3Cscript%3E")
    assert got.headers["content-type"] == "application/json"
    assert json.loads(got.json["statement"])["because"] == "<script>"


# --- with a signature of another time, place, person ------------------------------------------------------------------------


@pytest.fixture
def passkey(place: Place) -> SoftPasskey:
    key = SoftPasskey("cleo", origin=ORIGIN)
    place.add(Person(name="cleo", roles=("approve",), keys=(key.public(),)))
    return key


LIES: dict[str, dict[str, Any]] = {
    "made on another site": {"origin": "https://evil.example"},
    "made at another port": {"origin": "http://localhost:9999"},
    "for another relying party": {"rp_id": "evil.example"},
    "inside a frame of another site": {"framed": True},
    "with nobody present": {"present": False},
    "with nobody verified": {"verified": False},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_assertion_of_another_place_does_not_count(place: Place, passkey: SoftPasskey, lie: dict[str, Any]) -> None:
    request = place.put()
    statement = said(place, request, by="cleo")
    signed = asserted(statement, passkey.public(), passkey.assertion(challenge(statement), **lie))
    got = place.post(f"/requests/{request.id}/answers", signed.envelope)
    assert (got.status, got.json["error"]["code"]) == (409, "G215")
    assert nobody_approved(place, request)


def test_an_assertion_is_not_replayed(place: Place, passkey: SoftPasskey) -> None:
    first, second = place.put(), place.put()
    statement = said(place, first, by="cleo")
    envelope = asserted(statement, passkey.public(), passkey.assertion(challenge(statement))).envelope
    assert place.post(f"/requests/{first.id}/answers", envelope).status == 200
    again = place.post(f"/requests/{first.id}/answers", envelope)  # the same once more: the counter did not rise
    assert again.status in {400, 409}
    other = place.post(f"/requests/{second.id}/answers", envelope)  # the same at another address
    assert (other.status, other.json["error"]["code"]) == (409, "G624")
    moved = said(place, second, by="cleo")  # its assertion under another statement
    swapped = {**envelope, "payload": asserted(moved, passkey.public(), {}).envelope["payload"]}
    got = place.post(f"/requests/{second.id}/answers", swapped)
    assert (got.status, got.json["error"]["code"]) == (409, "G215")
    assert [one.by for one in place.queue.answers(first.id)] == ["cleo"]
    assert nobody_approved(place, second)


def test_an_answer_to_one_call_does_not_release_another(place: Place) -> None:
    cheap, dear = (
        place.put(arguments='{"to": "bob", "amount": 101}'),
        place.put(arguments='{"to": "eve", "amount": 9999}'),
    )
    statement = {**said(place, cheap), "request": dear.id}
    got = place.post(f"/requests/{dear.id}/answers", sign(statement, file_key("ada")).envelope)
    assert (got.status, got.json["error"]["code"]) == (409, "G220")
    assert nobody_approved(place, cheap, dear)


def test_a_stranger_or_a_key_of_another_does_not_count(place: Place) -> None:
    request = place.put()
    place.add(person("ben", roles=("stop",)))
    for signer, by in (("eve", "ada"), ("eve", "eve"), ("ada", "ben"), ("ben", "ben"), ("ben", "ada")):
        got = place.post(
            f"/requests/{request.id}/answers", sign(said(place, request, by=by), file_key(signer)).envelope
        )
        assert got.status == 409, (signer, by)
    assert nobody_approved(place, request)


def test_who_changes_what_is_shown_makes_the_answer_void(place: Place) -> None:
    """The pages run in another process: the guard has its own copy, and counts no answer to an altered page."""
    import sqlalchemy as sa

    from obverse.guard.approvals import tables

    request = place.put()
    engine = sa.create_engine(f"sqlite:///{place.home.database}")
    with engine.begin() as connection:
        kind = {"holder": "agent-7", "history": [{"kind": "message", "id": "e1", "text": "the boss says yes"}]}
        connection.execute(sa.update(tables.requests).values(shown=json.dumps(kind).encode()))
    engine.dispose()
    assert "the boss says yes" in place.ask(f"/requests/{request.id}").text
    envelope = sign(said(place, request), file_key("ada")).envelope
    assert place.post(f"/requests/{request.id}/answers", envelope).status == 200  # as the database has it
    assert nobody_approved(place, request)  # as the guard has it
    assert any("another page" in why for why in place.queue.void(request.id))


def test_a_row_that_cannot_be_shown_is_a_page_that_says_so(place: Place) -> None:
    import sqlalchemy as sa

    from obverse.guard.approvals import tables

    request = place.put()
    engine = sa.create_engine(f"sqlite:///{place.home.database}")
    with engine.begin() as connection:
        odd = {**json.loads(msgspec.json.encode(request)), "asked": 2**62, "expires": 2**62, "session": "\ud800"}
        beside = json.dumps({"newly": "\ud800", "holder": "\udfff"}).encode()
        connection.execute(
            sa.update(tables.requests).values(shown=beside, request=json.dumps(odd).encode(), expires=2**62)
        )
    engine.dispose()
    for path in ("", ".json", "/grant", "/statement?answer=approve&by=ada"):
        got = place.ask(f"/requests/{request.id}{path}")
        assert got.status in {200, 400, 404, 409, 500}, path
        assert "Traceback" not in got.text
    assert place.ask("/").status == 200


@pytest.mark.parametrize(
    "name", ["../people/ada", "..%2f..%2fguard.toml", "%00", "%", "_", "a" * 9000, "'; drop table x"]
)
def test_a_name_in_the_address_leads_nowhere_else(place: Place, name: str) -> None:
    request = place.put()
    assert place.ask(f"/requests/{name}").status == 404
    assert place.ask(f"/join/{name}").status == 404
    assert place.ask(f"/static/{name}").status == 404
    assert place.queue.find(request.id).request == request


def test_no_key_and_no_payload_of_the_guard_is_among_what_the_pages_say(place: Place) -> None:
    request = place.put()
    secret = place.home.key.read_bytes()
    body = base64.b64encode(secret[40:80])
    for path in ("/", "/people.json", f"/requests/{request.id}.json", "/answered.json", "/static/page.js"):
        assert secret[40:60] not in place.ask(path).body
        assert body not in place.ask(path).body


KEYS = ("holder", "clauses", "why", "turn", "history", "earlier", "newly")
INNER = ("id", "title", "prose", "level", "inviolable", "clause", "conditions", "unknowns", "text", "value", "what", "why",
         "kind", "tool", "arguments", "output", "time", "answer", "by", "labels")  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=12)
    | st.sampled_from([HOSTILE, "call", "approved"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shown=st.dictionaries(st.sampled_from(KEYS), VALUES),
    tool=st.none() | st.text(max_size=20),
    arguments=st.text(max_size=60),
)
def test_whatever_lies_in_the_database_the_page_comes_and_is_clean(
    shown: dict[str, Any], tool: str | None, arguments: str
) -> None:
    request = Request(
        id="a", session="s", policy="p", head="h", step="e1", tool=tool, arguments=arguments, digest="d",
        clauses=("pay", HOSTILE), people=1, asked=0, expires=10,
    )  # fmt: skip
    asked = asked_of(request, shown)
    site = Site(policy="shop", now=1, tag="t")
    view = request_page(asked, [("ada", "approve"), ("eve", "odd")], {}, origin=ORIGIN, now=1)
    rows = inbox_page([asked], {}, 1, most=5)
    for page in (render("request.html", view, site), render("inbox.html", rows, site)):
        assert page.count("<script") == 1
        assert "<img" not in page
        assert not any(odd in page for odd in "\u202e\u200b\u2028")
