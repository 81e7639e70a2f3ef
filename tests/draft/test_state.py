"""The state file: the same bytes for the same state, and nothing but its own error for any other bytes."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.draft.desk import TERMS, TRUTH, drafted, entry, ground

from obverse.core.errors import UntrustedInputError
from obverse.core.events import Fact
from obverse.draft.accept import answer
from obverse.draft.classes import Settler
from obverse.draft.reply import Formal, Nothing, Unread, read, read_vocabulary
from obverse.draft.state import State, read_state, write_state
from obverse.draft.terms import ground_of_text, read_terms
from obverse.testing.drafters import Drafter


def test_a_state_is_read_as_it_was_written_with_questions_answers_and_exact_numbers() -> None:
    other = {**TRUTH, "Refunds above 100 need the approval of a colleague.": ["ask refund when amount > 100.005"]}
    state = drafted([Drafter(TRUTH), Drafter(other)]).state
    question = entry(state, "Refunds above").question
    assert question is not None
    rich = msgspec.structs.replace(
        question, history=(Fact(id="f", name="$x", value={"$y": Decimal("0.1"), "n": 2**60}),)
    )
    entries = tuple(msgspec.structs.replace(one, question=rich) if one.question else one for one in state.entries)
    state = answer(msgspec.structs.replace(state, entries=entries), question.id, "no", by="Ana")
    data = write_state(state)
    assert read_state(data) == state
    assert write_state(read_state(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}x",
        b"\xff\xfe",
        b'{"schema": "obverse.draft/9"}',
        b'{"entries": [{}]}',
        b"[" * 100_000,
        b'{"calls": "x"}',
    ],
    ids=range(8),
)
def test_what_is_no_state_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(UntrustedInputError) as refused:
        read_state(data)
    assert refused.value.code == "F106"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(UntrustedInputError):
        assert isinstance(read_state(data), State)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["```rule\n", "```", "\n", "ask refund", " when ", "amount > 1", "NOT A RULE: no", 'says "x"', "forbid",
                         "`", "permit reply", "```terms\n", "tool x(a: text)", "fact a.b: bool", "#", '"', "limit refund to 2"])
        | st.text(max_size=5),
        max_size=14,
    ).map("".join)
)  # fmt: skip
def test_whatever_a_model_replies_it_is_read_or_refused(text: str) -> None:
    terms = read_terms(TERMS)
    said = read(text, terms, ground())
    assert isinstance(said, Formal | Nothing | Unread)
    if isinstance(said, Formal):
        assert said.rules
        Settler(terms, ground()).says(said.rules, "may", (), _step())
    read_vocabulary(text)


def _step():  # type: ignore[no-untyped-def]  # a step of the desk
    from obverse.core.events import Call, Step

    call = Call(id="c", call_id="c", tool="refund", arguments='{"id": "A", "amount": 3}')
    return Step(event=call, turn=(call,))


def test_terms_that_are_faulty_are_refused_with_all_their_faults() -> None:
    with pytest.raises(UntrustedInputError) as refused:
        ground_of_text('tool a(x: colour)\nfact b\nterms from "x.json"\n')
    assert len(getattr(refused.value, "errors", ())) == 3
