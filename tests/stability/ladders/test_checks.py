"""The checks fail on forms that lie: each fault of a family is found, and called by its name."""

from __future__ import annotations

import msgspec
import pytest
from tests.stability.ladders.requests import prompt

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.checks import fault
from obverse.stability.ladders.forms import Family, Impossible, Made, asked, exactly, with_request

ONE = prompt(
    "Do not send the 12 eggs to Robin.", system="Refund up to 20.", before=(("Hi", "Hello!"),), span="send the 12 eggs"
)
FAITHFUL = Made(messages=with_request(ONE, "  Do not send the 12 eggs to Robin. "), span="send the 12 eggs")


def family(read: str | None) -> Family:
    return Family(lambda _p, _l: Impossible(reason="never"), lambda _m, _w: read, exactly)


def without(*places: int) -> tuple[ChatMessage, ...]:
    return tuple(message for place, message in enumerate(FAITHFUL.messages) if place not in places)


def test_a_faithful_form_is_used() -> None:
    assert fault(ONE, FAITHFUL, family(ONE.request)) is None


@pytest.mark.parametrize(
    ("made", "read", "reason"),
    [
        (msgspec.structs.replace(FAITHFUL, messages=with_request(ONE, " \n")), "", "a message became empty"),
        (msgspec.structs.replace(FAITHFUL, messages=without(0)), "", "the system prompt lost what it says"),
        (msgspec.structs.replace(FAITHFUL, messages=without(2)), "", "another message than the request was touched"),
        (FAITHFUL, None, "the round trip found no request"),
        (FAITHFUL, "Do send the 12 eggs to Robin.", "the round trip came back with another request"),
        (FAITHFUL, "Do not send the 13 eggs to Robin.", "the round trip came back with another request"),
        (
            msgspec.structs.replace(FAITHFUL, span="send the eggs"),
            ONE.request,
            "the span is no longer there word for word",
        ),
    ],
)
def test_L24_a_form_that_lies_is_rejected_and_says_why(made: Made, read: str | None, reason: str) -> None:
    assert fault(ONE, made, family(read)) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Do not send the 13 eggs to Robin.", "a literal did not survive"),
        ("Do send the 12 eggs to Robin.", "a negation came or went"),
        ("Do not not send the 12 eggs to Robin.", "a negation came or went"),
    ],
)
def test_a_family_that_forgives_too_much_is_caught_by_literals_and_negations(text: str, reason: str) -> None:
    lax = Family(lambda _p, _l: Impossible(reason="never"), lambda messages, _w: asked(messages), lambda _text: "")
    assert fault(ONE, Made(messages=with_request(ONE, text)), lax) == reason
