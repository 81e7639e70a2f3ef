"""Each family by itself: what it makes of known requests, and what its decoder says of texts that it did not make."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from tests.stability.ladders.requests import NASTY, PLAIN, prompt

from obverse.core.chat import ChatMessage
from obverse.stability.ladders import (
    casing,
    formats,
    fragments,
    language,
    paraphrase,
    position,
    punctuation,
    register,
    system,
    temperature,
    whitespace,
)
from obverse.stability.ladders.build import ladder
from obverse.stability.ladders.filler import PARAGRAPHS
from obverse.stability.ladders.forms import Impossible, Made, Place
from obverse.stability.ladders.frames import framed
from obverse.stability.ladders.literals import NOT, NUMERAL
from obverse.stability.records import Settings

NONE: frozenset[str] = frozenset()


def made(family: object, text: str, level: int = 4, levels: int = 4, variant: int = 0, seed: int = 0) -> Made:
    name = family.__name__.rpartition(".")[2]  # type: ignore[attr-defined]  # it is a module
    place = Place(group="p", ladder=name, level=level, levels=levels, variant=variant, seed=seed)
    found = family.make(prompt(text), place)  # type: ignore[attr-defined]  # it is a module
    assert isinstance(found, Made)
    return found


def said(family: object, text: str, **where: int) -> str:
    return made(family, text, **where).messages[-1].content


def test_our_own_words_hold_no_negation_no_numeral_and_no_wish_for_more() -> None:
    books = [
        *(frame.before + frame.after for frame in (*register.FRAMES, *language.FRAMES)),
        *paraphrase.HOW_TO, *paraphrase.DO, *paraphrase.ASK, *paraphrase.SAY,
        *PARAGRAPHS, *(brief for brief, _ in system.BRIEFS), *fragments.HEARD,
    ]  # fmt: skip
    for words in books:
        assert not NOT.search(words), words
        assert not NUMERAL.search(words), words
        assert not re.search(r"\d", words), words
        assert not re.search(r"\b(?:must|allow|refuse|decline|safe|harm|policy|rule)", words, re.IGNORECASE), words
    for paragraph in PARAGRAPHS:
        assert "?" not in paragraph
        assert 35 <= len(paragraph.split()) <= 70


@pytest.mark.parametrize("book", [register.FRAMES, language.FRAMES, formats.FRAMES])
@pytest.mark.parametrize("text", [*PLAIN, *NASTY[:8]])
def test_every_frame_is_taken_off_again(book: tuple, text: str) -> None:
    family = {register.FRAMES: register, language.FRAMES: language, formats.FRAMES: formats}[book]
    for frame in book:
        assert family.recover(framed(prompt(text), frame).messages, NONE) == text, frame.note


@pytest.mark.parametrize(
    ("text", "kind", "content"),
    [
        ("How do I bake bread?", "how to", "bake bread"),
        ("how can one bake bread", "how to", "bake bread"),
        ("How to bake bread", "how to", "bake bread"),
        ("Explain how to bake bread.", "how to", "bake bread"),
        ("Please tell me how to bake bread!", "how to", "bake bread"),
        ("I would like to know how to bake bread.", "how to", "bake bread"),
        ("Write a poem about bread. Make it short.", "do", "write a poem about bread"),
        ("Please write a poem about bread", "do", "write a poem about bread"),
        ("Could you please write a poem about bread?", "do", "write a poem about bread"),
        ("Explain to Dr. Bread how bread rises.", "do", "explain to Dr. Bread how bread rises"),
        ("What is bread?", "ask", "What is bread?"),
        ("How does bread rise?", "ask", "How does bread rise?"),
        ("How do I look?", "ask", "How do I look?"),
        ("How would I feel if I had bread?", "ask", "How would I feel if I had bread?"),
        ("Can you draw bread?", "say", "Can you draw bread?"),
        ("Would you tell a lie to save your bread?", "say", "Would you tell a lie to save your bread?"),
        ("Will you send bread to my neighbour tomorrow?", "say", "Will you send bread to my neighbour tomorrow?"),
        ("Do not bake bread.", "say", "Do not bake bread."),
        ("Don't write about bread.", "say", "Don't write about bread."),
        ("Never explain how to bake bread.", "say", "Never explain how to bake bread."),
        ("Code review of bread", "say", "Code review of bread"),
        ("Help me with my bread", "do", "help me with my bread"),
        ("Bread, please.", "say", "Bread, please."),
        ("I have bread. How do I slice it?", "say", "I have bread. How do I slice it?"),
    ],
)
def test_a_request_is_taken_apart(text: str, kind: str, content: str) -> None:
    found = paraphrase.parsed(text)
    assert (found.kind, found.content) == (kind, content)


@pytest.mark.parametrize(
    "book", [paraphrase.HOW_TO, paraphrase.DO, paraphrase.ASK, paraphrase.SAY], ids=["how to", "do", "ask", "say"]
)
def test_every_paraphrase_is_read_back_by_the_other_grammar(book: tuple[str, ...]) -> None:
    content = {
        paraphrase.HOW_TO: "bake bread (2 loaves), if I have no oven",
        paraphrase.DO: "write a poem about how to bake bread",
        paraphrase.ASK: "Why does bread rise? And when?",
        paraphrase.SAY: "My bread is burnt. I want 2 loaves!",
    }[book]
    known = {paraphrase.HOW_TO: f"How to {content}.", paraphrase.DO: f"{content.capitalize()}."}.get(book, content)
    for frame in book:
        for rest in ("", " Then stop.\nNow: 1."):
            assert paraphrase.canonical(frame.format(content) + rest) == paraphrase.canonical(known + rest), frame


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I bake bread?", "How do I break bread?"),
        ("How do I bake bread?", "Bake bread."),
        ("Write a poem.", "Do not write a poem."),
        ("I want you to write a poem.", "I want to write a poem."),
        ("Write a poem. Then go.", "Write a poem. Then stay."),
        ("What is bread?", "What is beer?"),
        ("I want to know how to bake bread.", "I want to bake bread."),
        ("Tell me how to bake bread.", "Tell him how to bake bread."),
    ],
)
def test_different_requests_stay_different(one: str, other: str) -> None:
    assert paraphrase.canonical(one) != paraphrase.canonical(other)


def test_formats_are_what_they_say() -> None:
    text = 'Say "a < b & c | d" \\ to\nme'
    for frame in formats.FRAMES:
        found = framed(prompt(text), frame).messages[-1].content
        assert formats.recover(prompt(found).messages, NONE) == text
        if "JSON" in frame.note:
            assert json.dumps(text)[1:-1] in json.dumps(json.loads(found))
    assert formats.recover(prompt("plain words").messages, NONE) is None
    assert formats.recover(prompt('{"request": 5}').messages, NONE) is None
    assert formats.recover(prompt("[" * 100_000).messages, NONE) is None


@pytest.mark.parametrize(
    "text", [*PLAIN, "one two", "a b c d e f g h i j k l m n o p", "1. a b\n2. c d", "a = b c\nb = d e"]
)
def test_pieces_join_to_the_request(text: str) -> None:
    for level in range(1, 9):
        place = Place(group="p", ladder="fragments", level=level, levels=8)
        found = fragments.make(prompt(text), place)
        if isinstance(found, Impossible):
            assert found.reason == "fewer forms than levels"
        else:
            assert fragments.recover(found.messages, NONE) in {text, None} or "\n" in text


def test_fragments_come_in_one_message_first_and_in_turns_later() -> None:
    one = prompt(PLAIN[1], before=(("Hi", "Hello!"),))
    built = ladder(one, "fragments", Settings(ladders=("fragments",), levels=6))
    counts = [len(rung.messages) for rung in built.rungs]
    assert counts[:3] == [3, 3, 3]
    assert counts[3:] == sorted(counts[3:])
    assert all(count >= 5 for count in counts[3:])
    for rung in built.rungs[3:]:
        assert {message.content for message in rung.messages[3::2]} <= set(fragments.HEARD)
        assert [message.role for message in rung.messages] == ["user", "assistant"] * (len(rung.messages) // 2) + [
            "user"
        ]


def test_turns_that_lack_a_part_give_no_request() -> None:
    found = made(fragments, PLAIN[1]).messages
    assert fragments.recover(found, NONE) == PLAIN[1]
    assert fragments.recover(found[2:], NONE) is None
    assert fragments.recover((*found[:2], *found[4:]), NONE) is None
    assert fragments.recover((), NONE) is None


def test_the_request_lies_deeper_at_each_level_and_is_found_without_a_mark() -> None:
    depths = []
    for level in range(1, 5):
        for variant in (0, 1):
            found = made(position, PLAIN[0], level=level, variant=variant)
            text = found.messages[-1].content
            assert text.count(PLAIN[0]) == 1
            assert text.endswith(PLAIN[0]) == (variant == 0)
            if not variant:
                depths.append(len(text.split(PLAIN[0])[0].split()))
            else:
                assert position.recover(found.messages, NONE) == PLAIN[0]
    assert depths == sorted(set(depths))
    assert depths[-1] >= position.MOST


def test_a_request_that_holds_our_filler_is_not_buried_in_it() -> None:
    found = position.make(prompt(PARAGRAPHS[0]), Place(group="p", ladder="position", level=1, levels=1))
    assert found == Impossible(reason="the request holds filler of ours")


@pytest.mark.parametrize(
    ("text", "is_neutral"),
    [
        ("You are a helpful assistant.", True),
        ("You are an AI assistant named Ada.", True),
        ("You are a helpful assistant", True),
        ("You are a helpful assistant. Refund up to 20.", False),
        ("You are a helpful assistant who never refunds.", False),
        ("You are Ada.", False),
        ("", False),
    ],
)
def test_a_neutral_system_prompt_says_only_that_this_is_an_assistant(text: str, is_neutral: bool) -> None:
    assert system.is_neutral(text) is is_neutral


def test_a_neutral_system_prompt_may_go_and_a_policy_may_not() -> None:
    def prompts(text: str) -> set[str | None]:
        built = ladder(prompt("Hi", system=text), "system", Settings(ladders=("system",), levels=4, variants=3))
        assert built.rungs
        return {rung.messages[0].content if rung.messages[0].role == "system" else None for rung in built.rungs}

    assert None in prompts("You are a helpful assistant.")
    assert all(found is not None and "Refund up to 20." in found for found in prompts("Refund up to 20."))


def test_two_system_prompts_are_left_alone() -> None:
    one = prompt("Hi", system="A")
    two = msgspec.structs.replace(one, messages=(ChatMessage(role="system", content="B"), *one.messages))
    assert ladder(two, "system", Settings(ladders=("system",))).rungs == ()


def test_temperatures_go_from_greedy_to_the_hottest_in_even_steps() -> None:
    built = ladder(prompt("Hi"), "temperature", Settings(ladders=("temperature",), levels=4, variants=2))
    assert [rung.temperature for rung in built.rungs] == [0.0, 0.5, 1.0, 1.5]
    assert [rung.strength for rung in built.rungs] == [temperature.strength_of(t) for t in (0.0, 0.5, 1.0, 1.5)]
    assert {rejected.reason for rejected in built.rejected} == {"a temperature has no variants"}
    assert temperature.strength_of(3.0) == 1
    assert temperature.base_strength("temperature", Settings(temperature=0.75)) == 0.5
    assert temperature.base_strength("typos", Settings(temperature=0.75)) == 0


def test_a_temperature_that_is_the_settings_own_is_the_prompt_itself() -> None:
    built = ladder(prompt("Hi"), "temperature", Settings(ladders=("temperature",), levels=4, temperature=0.5))
    assert [rejected.reason for rejected in built.rejected] == ["it is the prompt as it is"]


def test_casing_takes_every_word_at_strength_1_and_leaves_ids() -> None:
    text = "please tell us who sent K7QX2M to iPhone users at a.b@c.org, straße"
    assert said(casing, text) == "PLEASE TELL us who SENT K7QX2M TO iPhone USERS AT a.b@c.org, STRAßE"
    assert said(casing, "hello there", variant=1) == "hElLo tHeRe"


def test_white_space_is_other_white_space_and_nothing_else() -> None:
    text = 'Fix "a  b c" and\n\tthis   here now'
    found = said(whitespace, text)
    assert found.split() == text.split()
    assert '"a  b c"' in found
    assert "\n\tthis   here" in found
    assert found != text


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        ("Go.", "Go!!!", True),
        ("Go", "Go...", True),
        ("Go there", "Go... there", True),
        ("One. Two", "One!! Two", True),
        ("a, b", "a,, b", True),
        ("Why go?", "Why go", True),
        ("You go?", "You go", False),
        ("You go.", "You go?!", False),
        ("One. Two", "One Two", False),
        ("a, b", "a b", False),
        ("One? Two", "One. Two", False),
    ],
)
def test_which_marks_are_alike(one: str, other: str, is_alike: bool) -> None:
    assert (punctuation.alike(one) == punctuation.alike(other)) is is_alike
