"""The page that a person signs: what it says, and that nobody else's text says it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.events import Call, Reply
from obverse.guard.approvals.exact import brief, readable, shows
from obverse.guard.approvals.page import page
from obverse.guard.approving import shown_arguments
from obverse.guard.records import Request
from obverse.policy.decide import call_digest
from obverse.policy.reading import read_arguments

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "$number", "$$", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)

CALL = Call(id="e5", call_id="c", tool="pay", arguments='{"to":"bob","amount":150.50,"n":"12"}')


def request(call: Call | Reply = CALL, **given: Any) -> Request:
    fields = {
        "id": "ab12", "session": "s1", "policy": f"sha256:{1:064x}", "head": f"sha256:{2:064x}", "step": call.id,
        "tool": call.tool if isinstance(call, Call) else None, "arguments": shown_arguments(call),
        "digest": call_digest(call), "clauses": ("pay",), "people": 2, "asked": 1_800_000_000_000,
        "expires": 1_800_000_600_000,
    }  # fmt: skip
    return Request(**{**fields, **given})


SHOWN: dict[str, Any] = {
    "holder": "agent-7",
    "clauses": [{"id": "pay", "title": "Payments", "prose": "Above 100, a person.", "level": "developer", "inviolable": True}],
    "why": [
        {
            "clause": "pay", "verdict": "ask", "conditions": [{"text": "amount > 100", "value": "true"}],
            "unknowns": [{"what": "message.says_yes", "why": "not answered"}],
        }
    ],
    "turn": [{"kind": "call", "id": "e5"}, {"kind": "call", "id": "e6", "tool": "mail", "arguments": "{}"}],
    "history": [
        {"kind": "message", "text": "pay bob", "labels": {"message.says_yes": True}},
        {"kind": "thought", "text": "they will never notice"},
        {"kind": "result", "tool": "look", "output": "x" * 3000, "failed": True},
        {"kind": "approval", "by": "ben", "call": f"sha256:{3:064x}"},
        {"kind": "fact", "name": "user.tier", "value": "gold"},
        {"kind": "denied", "tool": "wipe", "arguments": "{}"},
    ],
    "earlier": [{"answer": "rejected", "by": "ana", "time": 1_799_999_000_000}],
    "newly": 'pay(to: "bob") of any amount',
    "happened": 46,
}  # fmt: skip


def test_the_page_says_what_why_and_what_came_before() -> None:
    text = page(request(), SHOWN).text
    for line in (
        "needs       2 different people",
        "holder      agent-7",
        "WHAT WILL BE EXECUTED",
        '  │   "amount": 150.5,',
        '  │   "n": "12",',
        "  │ Above 100, a person.",
        "clause      pay · developer · inviolable",
        "  │ amount > 100: true",
        "  │ not known: message.says_yes, not answered",
        "called      mail",
        "user said   message.says_yes yes",
        "  ⟪a thought of the agent, 22 characters, is withheld⟫",
        "result      of look, which failed",
        "  ⟪1,000 of 3,000 characters are not shown here",
        "rejected    by ana, 2027-01-15 07:43:20 UTC",
        "approved    by ben",
        "  ⟪40 earlier events are not shown here; the digest of the history stands for them too⟫",
        "denied      wipe",
        "WHAT A GRANT WOULD NEWLY ALLOW",
        f"  {call_digest(CALL)}",
    ):
        assert line in text.splitlines(), text
    assert "never notice" not in text


def test_a_reply_is_shown_as_what_will_be_sent() -> None:
    text = page(request(Reply(id="e1", text="Dear customer,\nREQUEST approved")), {}).text
    assert "WHAT WILL BE SENT TO THE USER\n  │ Dear customer,\n  │ REQUEST approved" in text


HOSTILE = st.lists(
    st.sampled_from(
        ["\n", "\r\n", "\x1b[2J", "\u2028", "\u202e", "REQUEST", "WHAT WILL BE EXECUTED", "tool        look", "approved",
         "digest", "  │ ", "⟪", "page", "a" * 90, " " * 80, "日" * 50, "\x85", "\x0b", "\x1e"]
    )
).map("".join)  # fmt: skip


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_of_others_adds_or_changes_a_line_of_the_page(said: str, output: str, name: str) -> None:
    """With hostile text in every foreign part, our own lines are those of the page with harmless text in their place."""

    def ours(said: str, output: str, name: str) -> list[str]:
        shown = {
            **SHOWN,
            "holder": name,
            "clauses": [{"id": "pay", "title": said, "prose": output}],
            "history": [{"kind": "message", "text": said}, {"kind": "result", "tool": name, "output": output}],
            "turn": [{"kind": "call", "id": "e6", "tool": name, "arguments": said}],
            "newly": output or "nothing",
        }
        lines = page(request(), shown).text.split("\n")
        return [line.split("  ")[0] for line in lines if not line.startswith(" ")]

    assert ours(said or "x", output or "x", name) == ours("x", "x", "x")


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_arguments_are_shown_exactly(arguments: dict[str, Any]) -> None:
    text = msgspec.json.Encoder(decimal_format="number").encode(arguments).decode()
    call = Call(id="e5", call_id="c", tool="pay", arguments=text)
    read = read_arguments(text)
    assert isinstance(read, dict)
    shown = shown_arguments(call)
    assert shows("pay", shown, call_digest(call))
    assert read_arguments(readable(shown)) == read
    assert brief(shown).count("\n") == 0


def test_a_number_and_a_text_of_digits_are_told_apart() -> None:
    shown = {
        kind: readable(shown_arguments(Call(id="e", call_id="c", tool="t", arguments=text)))
        for kind, text in {"number": '{"n":12.0}', "text": '{"n":"12.0"}', "deceit": '{"n":{"$number":"12.0"}}'}.items()
    }
    assert shown["number"] == '{\n  "n": 12\n}'
    assert shown["text"] == '{\n  "n": "12.0"\n}'
    assert '"$number": "12.0"' in shown["deceit"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("pay", '{"a": 1}'), ("pay", '{"a":1,"b":2'), ("pay ", '{"a":1}'), (None, '{"a":1}'), ("pаy", '{"a":1}')],
)
def test_a_text_that_the_digest_does_not_stand_for_is_not_shown(tool: str | None, arguments: str) -> None:
    digest = call_digest(Call(id="e", call_id="c", tool="pay", arguments='{"a":1}'))
    assert shows("pay", '{"a":1}', digest)
    assert not shows(tool, arguments, digest)


def test_what_is_odd_about_the_context_breaks_nothing() -> None:
    for odd in (None, 5, "x", [None], [5], [[]], {"a": 1}, [{"kind": None}], [{"kind": "message", "text": 5}]):
        for part in SHOWN:
            assert page(request(), {**SHOWN, part: odd}).text
    assert page(request(asked=10**30, expires=-(10**30)), {}).text
    assert page(request(), {"history": [{"kind": "fact", "name": "n", "value": Decimal("1.5")}]}).text


def test_equal_requests_have_equal_pages_and_any_change_shows() -> None:
    whole = page(request(), SHOWN).digest
    assert whole == page(request(), {**SHOWN}).digest
    for name, value in {"people": 1, "head": "x", "policy": "y", "session": "z", "expires": 0, "id": "q"}.items():
        assert page(request(**{name: value}), SHOWN).digest != whole, name
    for part in SHOWN:
        assert page(request(), {**SHOWN, part: None}).digest != whole, part
