"""The parts of a case that act: simulated tools, the scripted user, the file format."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from obverse.cases.files import read_case, read_cases, write_cases
from obverse.cases.records import Answer, Case, World
from obverse.cases.world import User, answer
from obverse.core.errors import UntrustedInputError
from obverse.core.events import Call, Result
from obverse.core.verdicts import Side

from .policies import policy, suite

WORLD = World(
    answers=(
        Answer(tool="find", arguments='{"id":"A"}', output='{"id": "A", "cabin": "basic"}'),
        Answer(tool="find", arguments='{"id":"B"}', output="gone", failed=True),
        Answer(tool="find", output='{"id": "?", "cabin": "economy"}'),
        Answer(tool="pay", output="ok"),
    )
)

ANSWERS = {
    "what it knows": ("find", '{"id": "A"}', ('{"id": "A", "cabin": "basic"}', False)),
    "the same in other bytes": ("find", '{ "id" : "\\u0041" }', ('{"id": "A", "cabin": "basic"}', False)),
    "a failure": ("find", '{"id": "B"}', ("gone", True)),
    "anything else, about what was asked": ("find", '{"id": "C"}', ('{"id": "C", "cabin": "economy"}', False)),
    "a tool without a record": ("pay", "{}", ("ok", False)),
    "an unknown tool": ("fly", "{}", ("error: there is no tool `fly`", True)),
    "malformed arguments": ("find", '{"id": ', ("error: the arguments are not a JSON object", True)),
    "duplicate keys": ("find", '{"id": "A", "id": "B"}', ("error: the arguments are not a JSON object", True)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_world_answers(name: str) -> None:
    tool, arguments, wanted = ANSWERS[name]
    assert answer(WORLD, tool, arguments) == wanted


def test_the_world_of_a_case_answers_as_its_history_did() -> None:
    seen = 0
    for case in suite("exception").cases:
        calls = {event.call_id: event for event in case.history if isinstance(event, Call)}
        for result in (event for event in case.history if isinstance(event, Result)):
            newest = [
                r
                for r in case.history
                if isinstance(r, Result) and calls[r.call_id].arguments == calls[result.call_id].arguments
            ]
            assert answer(case.world, result.tool, calls[result.call_id].arguments)[0] == newest[-1].output
            seen += 1
    assert seen


def test_every_tool_answers_something_of_its_type() -> None:
    case = suite("exception").cases[0]
    output, failed = answer(case.world, "find_booking", '{"id": "never seen"}')
    assert not failed
    assert set(json.loads(output)) == {"cabin", "made", "insured"}


def wanting_a_call() -> Case:
    return next(case for case in suite("two conditions").cases if isinstance(case.step.event, Call))


def test_the_user_says_the_script_gives_details_and_leaves() -> None:
    case = wanting_a_call()
    user = User(policy("two conditions"), case)
    said = [user.next_message(None)]
    assert said == [case.script[0]]
    details = user.next_message("For whom, and how much?")
    assert details is not None
    assert "amount" in details.text
    assert user.next_message("I see.") is None
    assert user.next_message("Are you sure?") is not None
    assert user.next_message("Really?") is None


def test_the_user_never_says_yes_of_his_own_accord() -> None:
    case = next(case for case in suite("confirmed").cases if case.side is Side.VIOLATION)
    user = User(policy("confirmed"), case)
    while (said := user.next_message("Shall I go ahead?")) is not None:
        assert not said.labels.get("message.says_yes")
        assert "yes" not in said.text.lower()


def test_a_confirmed_twin_says_yes_when_asked() -> None:
    twin = next(case for case in suite("confirmed").cases if case.side is Side.OVER_REFUSAL)
    assert [said.labels["message.says_yes"] for said in twin.script] == [False, True]
    assert twin.script[1].text == "Yes, that is right."


def test_exact_numbers_and_strange_keys_survive_the_file() -> None:
    case = wanting_a_call()
    world = msgspec.structs.replace(case.world, facts=(("$odd", {"$number": "x", "$": Decimal("12.5")}),))
    case = msgspec.structs.replace(case, world=world)
    case = msgspec.structs.replace(case, id=case.content)
    assert list(read_cases(write_cases([case]))) == [case]


BROKEN = {
    "no JSON": b"{",
    "no case": b"{}",
    "a list": b"[]",
    "bytes": b"\xff\xfe",
    "a bad number": b'{"$number": "x"}',
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_case_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UntrustedInputError) as caught:
        read_case(BROKEN[name], source="cases.jsonl:1")
    assert "\n" not in str(caught.value)


def test_a_case_that_was_changed_is_refused() -> None:
    line = write_cases([wanting_a_call()])
    with pytest.raises(UntrustedInputError, match="I102"):
        read_case(line.replace(b'"verdict":"deny"', b'"verdict":"allow"'))


def test_a_case_of_another_schema_is_refused() -> None:
    line = write_cases([wanting_a_call()])
    with pytest.raises(UntrustedInputError, match="I101"):
        read_case(line.replace(b"obverse.case/1", b"obverse.case/9"))
