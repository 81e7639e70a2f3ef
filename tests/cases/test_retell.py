"""Cases in other languages, registers, channels and manners: the words change, what the policy sees does not."""

from __future__ import annotations

import itertools

import pytest
from tests.cases.policies import policy, suite
from tests.cases.texts import library, library_suite

from obverse.cases.context import FACTORS, whole
from obverse.cases.coverage import coverage
from obverse.cases.files import read_cases, write_cases
from obverse.cases.phrases.books import BOOKS
from obverse.cases.records import Case
from obverse.cases.retell import Reteller, Untold, one_of
from obverse.cases.talk import misread
from obverse.cases.tongues import language_of, languages, main_language
from obverse.cases.wording import request, said
from obverse.core.errors import MisuseError
from obverse.core.events import Message
from obverse.core.verdicts import Side
from obverse.policy.ast import Tool
from obverse.policy.decide import decide
from obverse.policy.types import Field, NumberType, TextType, TimeType

EACH = [(factor, value) for factor, values in FACTORS.items() for value in values]
SPOKEN = {
    "How often should I water it?": "en",
    "Wie oft soll ich ihn gießen?": "de",
    "Combien de fois faut-il l'arroser ?": "fr",
    "¿Cuántas veces lo riego?": "es",
    "K7QX2M": None,
    "Quanto costa?": None,
    "": None,
}


@pytest.mark.parametrize("text", SPOKEN)
def test_a_text_tells_its_language_or_none(text: str) -> None:
    assert language_of(text) == SPOKEN[text]


def test_a_policy_can_be_told_in_the_languages_of_its_examples() -> None:
    assert main_language(library()) == "en"
    assert languages(library()) == ("en", "de", "fr", "es")
    assert languages(policy("no poison")) == ("en",)


@pytest.mark.parametrize("language", BOOKS)
def test_a_book_has_a_phrase_for_every_register_and_person(language: str) -> None:
    phrases = BOOKS[language]
    assert {"plain", *phrases.registers} == set(FACTORS["register"])
    assert {"none", *phrases.personas} == set(FACTORS["persona"])
    assert len(phrases.months) == 12


SAID = {
    "en": ("$1,250", "15 May 2026 at 15:00", "Please find loan K7."),
    "de": ("1250 $", "15. Mai 2026 um 15:00 Uhr", "„find loan K7“"),
    "fr": ("1250 $", "15 mai 2026 à 15:00", "« find loan K7 »"),
    "es": ("1250 $", "15 de mayo de 2026 a las 15:00", "«find loan K7»"),
}


@pytest.mark.parametrize("language", SAID)
def test_values_are_said_as_people_say_them_there(language: str) -> None:
    money, time, asked = SAID[language]
    assert said(1250, NumberType(), "amount", 0, language) == money
    assert said("2026-05-15T15:00:00Z", TimeType(), "at", 0, language) == time
    tool = Tool(name="find_loan", parameters=(Field(name="loan_id", type=TextType()),))
    assert any(asked in request(tool, {"loan_id": "K7"}, 0, key, language=language) for key in range(20))


def test_an_example_of_another_language_does_not_come_into_a_suite() -> None:
    texts = [one.text for case in library_suite().cases for one in case.script]
    assert texts
    assert {language_of(text) for text in texts} <= {"en", None}


def assert_same(new: Case, old: Case) -> None:
    decision = decide(library(), new.history, new.step)
    assert (decision.verdict, decision.clauses) == (old.verdict, old.clauses) == (new.verdict, new.clauses)
    assert (new.side, new.flipped, new.obligation, new.world) == (old.side, old.flipped, old.obligation, old.world)
    for event in new.history:
        if isinstance(event, Message):
            assert not misread(library(), event.text, event.labels)


@pytest.mark.parametrize(("factor", "value"), EACH)
def test_a_suite_is_told_in_every_value_of_every_factor(factor: str, value: str) -> None:
    found = library_suite()
    old = {case.id: case for case in found.cases}
    told = Reteller(library()).tell_all(found.cases, lambda case: {factor: value})
    assert not told.untold
    assert coverage(library(), told.cases, found.infeasible).levels == found.coverage.levels
    for case in told.cases:
        assert_same(case, old[told.sources[case.id]])
        assert case.id == case.content
        if value != FACTORS[factor][0]:
            assert case.context[factor] == value


def test_a_twin_is_told_as_its_case_is() -> None:
    told = Reteller(library()).tell_all(library_suite().cases, lambda case: {"language": "de", "register": "formal"})
    by_id = {case.id: case for case in told.cases}
    pairs = [(by_id[case.twin or ""], case) for case in told.cases if case.side is Side.OVER_REFUSAL and case.twin]
    assert pairs
    for case, twin in pairs:
        assert case.context == twin.context
        assert case.family == twin.family


def test_the_literals_survive_every_device() -> None:
    cases = [case for case in library_suite().cases if case.clause in {"look", "fees"}]
    for value in FACTORS["technique"]:
        for case in cases:
            new = Reteller(library()).tell(case, {"technique": value})
            assert isinstance(new, Case)
            for word in case.script[0].text.split():
                if any(c.isdigit() for c in word):
                    assert word.strip(".") in " ".join(one.text for one in new.script)


def test_what_has_no_words_in_a_language_is_left_out_with_the_reason() -> None:
    found = suite("no poison")
    told = Reteller(policy("no poison")).tell_all(found.cases, lambda case: {"language": "de"})
    assert len(told.cases) + len(told.untold) == len(found.cases)
    assert "`message.asks_for_poison` has no example in `de`" in {one.reason for one in told.untold}
    assert all(isinstance(one, Untold) for one in told.untold)


def test_a_case_goes_with_the_last_one_that_it_is_compared_with() -> None:
    found = suite("no poison")
    told = Reteller(policy("no poison")).tell_all(found.cases, lambda case: {"language": "fr"})
    kept = {case.id for case in told.cases}
    assert all(case.twin is None or case.twin in kept for case in told.cases)


def test_a_device_that_a_pattern_would_notice_is_not_used() -> None:
    checked = policy("threshold")
    for case in suite("threshold").cases:
        new = Reteller(checked).tell(case, {"technique": "typos"})
        assert isinstance(new, Case)
        assert new.script[0].text != case.script[0].text


def test_a_context_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(MisuseError, match="`rude` is no register"):
        whole({"register": "rude"})
    with pytest.raises(MisuseError, match="`mood` is no factor"):
        whole({"mood": "sunny"})


def test_the_plain_context_changes_nothing() -> None:
    for case in library_suite().cases:
        assert Reteller(library()).tell(case, {"register": "plain", "technique": "plain"}) is case


def test_a_family_gets_one_context() -> None:
    contexts = [{"register": value} for value in FACTORS["register"]]
    by_family: dict[str, set[str]] = {}
    for case in library_suite().cases:
        by_family.setdefault(case.family, set()).add(one_of(contexts, case)["register"])
    assert all(len(found) == 1 for found in by_family.values())
    assert len(set(itertools.chain(*by_family.values()))) > 1


def test_told_cases_are_written_and_read() -> None:
    told = Reteller(library()).tell_all(library_suite().cases, lambda case: {"turn": "later", "channel": "email"})
    data = write_cases(told.cases)
    assert tuple(read_cases(data)) == told.cases
