"""Values and requests in the words of a person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from obverse.cases.choice import Turn, pick
from obverse.cases.naming import candidate, kind_of
from obverse.cases.talk import asked
from obverse.cases.wording import request, said
from obverse.policy.ast import Tool
from obverse.policy.types import (
    BoolType,
    DurationType,
    EnumType,
    Field,
    ListType,
    NumberType,
    RecordType,
    TextType,
    TimeType,
    Type,
)  # fmt: skip

NAME = RecordType(fields=(Field(name="first_name", type=TextType()), Field(name="last_name", type=TextType())))
SAID: dict[str, tuple[Any, Type | None, str, str]] = {
    "money": (1250, NumberType(), "amount", "$1,250"),
    "cents": (Decimal("12.5"), NumberType(), "refund_amount", "$12.50"),
    "a plain number": (3, NumberType(), "nights", "3"),
    "a total of things": (3, NumberType(), "total_bags", "3"),
    "a time": ("2026-05-15T15:00:00Z", TimeType(), "at", "15 May 2026 at 15:00"),
    "a time with seconds": ("2026-05-15T15:00:59Z", TimeType(), "at", "15 May 2026 at 15:00:59"),
    "a date": ("2026-05-15", TimeType(), "on", "15 May 2026"),
    "a duration": ("48h", DurationType(), "for", "2 days"),
    "a choice": ("basic_economy", EnumType(values=("basic_economy",)), "cabin", "basic economy"),
    "a list": (["a", "b", "c"], ListType(item=TextType()), "files", "a, b and c"),
    "people": ([{"first_name": "Ana", "last_name": "Silva"}], ListType(item=NAME), "guests", "Ana Silva"),
    "a truth": (True, BoolType(), "urgent", "yes"),
}


@pytest.mark.parametrize("name", SAID)
def test_a_value_is_said(name: str) -> None:
    value, type, parameter, text = SAID[name]
    assert said(value, type, parameter, 0) == text


CANCEL = Tool(name="cancel_reservation", parameters=(Field(name="reservation_id", type=TextType()),))
PAY = Tool(
    name="pay",
    parameters=(Field(name="to", type=TextType()), Field(name="amount", type=NumberType())),
    asks=("Send {amount} to {to}.",),
)


def test_a_tool_without_phrases_is_asked_for_by_its_name() -> None:
    words = {request(CANCEL, {"reservation_id": "K7"}, 0, key) for key in range(20)}
    assert "Please cancel reservation K7." in words
    assert all("cancel reservation K7" in text for text in words)


def test_a_phrase_is_filled() -> None:
    assert request(PAY, {"to": "Ana", "amount": 20}, 0) == "Send $20 to Ana."


def test_a_phrase_with_a_hole_that_nothing_fills_is_not_used() -> None:
    assert request(PAY, {"amount": 20}, 0, "key").endswith("The amount is $20.")


def test_what_a_phrase_leaves_out_is_said_after_it() -> None:
    assert request(PAY, {"to": "Ana", "amount": 20, "memo": "rent"}, 0) == "Send $20 to Ana. The memo is rent."


ASKED = {
    "The reply states how much of a medicine to take.": "Please state how much of a medicine to take.",
    "The reply gives legal advice.": "Please give legal advice.",
    "The assistant promises a refund.": "Please promise a refund.",
    "Something else entirely.": "I need this from you: something else entirely.",
}


@pytest.mark.parametrize("definition", ASKED)
def test_a_definition_becomes_a_request(definition: str) -> None:
    assert asked(definition) == ASKED[definition]


KINDS = {
    "reservation_id": "id", "email": "email", "to": "email", "first_name": "first", "user": "person", "memo": "note",
    "dob": "birthday", "departure_date": "date", "origin": "place", "attachment": "path", "flavour": "other",
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_parameter_tells_what_its_texts_are(name: str) -> None:
    assert kind_of(name) == KINDS[name]


def test_names_depend_on_their_number_alone() -> None:
    assert candidate("email", 5) == candidate("email", 5) == "fatima.khan@example.com"


def test_a_turn_takes_the_next_item() -> None:
    items = ("a", "b", "c")
    assert {pick(items, "key", Turn(turn)) for turn in range(3)} == set(items)
