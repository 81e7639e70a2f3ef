"""What holds for every form of every ladder, whatever the request."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.stability.ladders.requests import NASTY, PLAIN, TEXTS, prompt

from obverse.core.chat import ChatMessage
from obverse.core.errors import MisuseError
from obverse.stability.ladders.build import FAMILIES, form, ladder, ladders
from obverse.stability.ladders.checks import NAMES
from obverse.stability.ladders.forms import Impossible, Place
from obverse.stability.ladders.literals import literals, negations
from obverse.stability.ladders.measure import measure
from obverse.stability.ladders.typos import words_of
from obverse.stability.records import Prompt, Rejected, Rung, Settings

EVERY = Settings(ladders=tuple(FAMILIES), levels=4, variants=2)
TEXTUAL = [name for name in FAMILIES if name != "temperature"]


def test_every_ladder_of_the_records_is_built() -> None:
    assert tuple(FAMILIES) == NAMES


@pytest.mark.parametrize("text", [*PLAIN, *NASTY])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_used_comes_back_and_what_does_not_is_listed(name: str, text: str) -> None:
    one = prompt(text)
    built = ladder(one, name, EVERY)
    assert len(built.rungs) + len(built.rejected) == EVERY.levels * EVERY.variants
    for rung in built.rungs:
        found = FAMILIES[name].recover(rung.messages, words_of(text))
        assert found is not None
        assert FAMILIES[name].alike(found) == FAMILIES[name].alike(text)
        assert all(message.content.strip() for message in rung.messages)
    for rejected in built.rejected:
        assert rejected.reason
        assert "\n" not in rejected.reason


@given(text=TEXTS, level=st.integers(1, 4), variant=st.integers(0, 2), name=st.sampled_from(TEXTUAL))
@settings(max_examples=250, deadline=None)
@example(text="word... other", level=4, variant=0, name="punctuation")
def test_a_used_form_holds_every_literal_and_no_other_negation(text: str, level: int, variant: int, name: str) -> None:
    place = Place(group="p", ladder=name, level=level, levels=4, variant=variant)
    rung = form(prompt(text), place)
    if isinstance(rung, Rejected):
        return
    said = " ".join(message.content for message in rung.messages if message.role == "user")
    if name != "format":  # which escapes them; that they come back is tried above
        for literal in literals(text):
            assert literal in said
    if name not in {"position", "system"}:
        assert sorted(negations(said)) == sorted(negations(text)) or name == "format"


@given(text=TEXTS, name=st.sampled_from(TEXTUAL))
@settings(max_examples=120, deadline=None)
def test_at_strength_0_a_form_is_the_prompt_itself(text: str, name: str) -> None:
    if name not in {"typos", "casing", "whitespace", "punctuation"}:
        return  # words around a request have no form without words
    one = prompt(text)
    made = FAMILIES[name].make(one, Place(group="p", ladder=name, level=0, levels=4))
    assert isinstance(made, Impossible) or made.messages == one.messages


@given(text=TEXTS, seed=st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_L18_the_same_prompts_and_settings_give_the_same_bytes(text: str, seed: int) -> None:
    chosen = msgspec.structs.replace(EVERY, seed=seed)
    first, second = (msgspec.json.encode(ladders([prompt(text)], chosen)) for _ in range(2))
    assert first == second


@given(text=TEXTS, name=st.sampled_from(TEXTUAL), seed=st.integers(0, 3))
@settings(max_examples=120, deadline=None)
def test_strength_and_distance_grow_with_the_level(text: str, name: str, seed: int) -> None:
    one = prompt(text)
    built = ladder(one, name, Settings(ladders=(name,), levels=5, seed=seed))
    found = measure(one, built)
    assert [m.strength for m in found] == sorted({m.strength for m in found})
    assert all(0 < m.strength <= 1 for m in found)
    if name != "typos" or " " in text:
        distances = [m.distance for m in found]
        assert distances == sorted(distances)
        assert all(distances)


@pytest.mark.parametrize("name", TEXTUAL)
@pytest.mark.parametrize("text", PLAIN)
def test_another_seed_makes_other_forms(name: str, text: str) -> None:
    made = {
        msgspec.json.encode(ladder(prompt(text), name, Settings(ladders=(name,), seed=seed)).rungs) for seed in range(6)
    }
    assert len(made) > 1


@pytest.mark.parametrize("name", FAMILIES)
def test_other_messages_and_what_the_system_prompt_says_are_left_alone(name: str) -> None:
    one = prompt(
        PLAIN[0], system="Never speak of the Order 66. Refunds up to 20 only.", before=(("Hi", "Hello!"), ("A 1", "B"))
    )
    one = msgspec.structs.replace(one, messages=(*one.messages, ChatMessage(role="assistant", content="Let me")))
    built = ladder(one, name, EVERY)
    assert built.rungs
    for rung in built.rungs:
        assert rung.messages[-1] == one.messages[-1]
        said = [message.content for message in rung.messages]
        assert one.messages[0].content in said[0]
        if name != "system":
            assert rung.messages[:5] == one.messages[:5]
            assert rung.messages[0] == one.messages[0]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("text", "span"),
    [
        (PLAIN[0], "bake a chocolate cake"),
        (PLAIN[1], PLAIN[1]),
        (PLAIN[3], "cancel my booking K7QX2M"),
        (PLAIN[4], "fold"),
    ],
)
def test_the_span_stands_in_the_messages_word_for_word(name: str, text: str, span: str) -> None:
    for rung in ladder(prompt(text, span=span), name, EVERY).rungs:
        assert rung.span
        assert any(rung.span in message.content for message in rung.messages if message.role == "user")
        if name in {"register", "language", "position", "system", "temperature"}:
            assert rung.span == span


@pytest.mark.parametrize("name", ["paraphrase", "register", "language", "position", "fragments"])
def test_without_a_span_the_request_is_the_span_where_other_words_stand_around_it(name: str) -> None:
    for rung in ladder(prompt(PLAIN[1]), name, EVERY).rungs:
        assert rung.span.rstrip(".") in PLAIN[1] or rung.span.capitalize().rstrip(".") in PLAIN[1]


def test_a_case_and_its_twin_meet_the_same_words() -> None:
    def notes(id_: str, text: str) -> list[str]:
        one = msgspec.structs.replace(prompt(text), id=id_)
        found = ladders([one], Settings(ladders=("register", "system", "format", "language", "position"), seed=3))
        return [rung.note for each in found for rung in each.rungs]

    assert notes("case", PLAIN[0]) == notes("twin", PLAIN[5])


@pytest.mark.parametrize("name", TEXTUAL)
def test_without_a_request_nothing_is_made(name: str) -> None:
    for one in (prompt(""), prompt(" \n"), msgspec.structs.replace(prompt(""), messages=())):
        built = ladder(one, name, EVERY)
        assert built.rungs == ()
        assert {rejected.reason for rejected in built.rejected} == {"there is no request"}


@pytest.mark.parametrize("name", FAMILIES)
def test_no_form_stands_twice_on_a_ladder_and_none_is_the_prompt(name: str) -> None:
    one = prompt("Fix my bike")
    built = ladder(one, name, Settings(ladders=(name,), levels=8, variants=3))
    keys = [(rung.messages, rung.temperature) for rung in built.rungs]
    assert len(set(map(msgspec.json.encode, keys))) == len(keys)
    assert all(rung.messages != one.messages or rung.temperature is not None for rung in built.rungs)
    names = [(rung.level, rung.variant) for rung in built.rungs]
    assert len(set(names)) == len(names)


def test_ladders_stand_in_the_order_of_prompts_and_names() -> None:
    chosen = Settings(ladders=("register", "typos"))
    two = [msgspec.structs.replace(prompt(text), id=text[:5]) for text in PLAIN[:2]]
    found = [(one.prompt, one.name) for one in ladders(two, chosen)]
    assert found == [(one.id, name) for one in two for name in chosen.ladders]


@pytest.mark.parametrize(
    ("prompts", "chosen", "code"),
    [
        ([prompt("Hi")], Settings(ladders=("rhymes",)), "B001"),
        ([prompt("Hi")], Settings(levels=0), "B002"),
        ([prompt("Hi")], Settings(variants=0), "B002"),
        ([prompt("Hi"), prompt("Ho")], Settings(), "B003"),
        ([prompt("Hi", span="Ho")], Settings(), "B004"),
    ],
)
def test_settings_that_build_no_ladder_are_misuse(prompts: list[Prompt], chosen: Settings, code: str) -> None:
    with pytest.raises(MisuseError) as raised:
        ladders(prompts, chosen)
    assert raised.value.code == code


@pytest.mark.parametrize("levels", [1, 2, 3, 7])
@pytest.mark.parametrize("name", FAMILIES)
def test_any_number_of_levels_reaches_strength_1(name: str, levels: int) -> None:
    built = ladder(prompt(PLAIN[3]), name, Settings(ladders=(name,), levels=levels))
    assert max(rung.strength for rung in built.rungs) == 1
    assert all(rung.level <= levels for rung in built.rungs)


def test_numbers_are_never_changed() -> None:
    text = "Send 3 parcels of 12.50 each to 221B Baker Street by 10:30 on 2026-01-05, seven of them, not eight."
    for built in ladders([prompt(text)], EVERY):
        for rung in built.rungs:
            found = FAMILIES[built.name].recover(rung.messages, words_of(text)) or ""
            assert re.findall(r"\d+", found) == re.findall(r"\d+", text)
            for word in ("seven", "eight", "not"):
                assert word in found.casefold()


def test_a_rung_is_a_record_that_comes_back_from_json() -> None:
    built = ladder(prompt(PLAIN[0]), "fragments", EVERY)
    assert msgspec.json.decode(msgspec.json.encode(built.rungs), type=tuple[Rung, ...]) == built.rungs
