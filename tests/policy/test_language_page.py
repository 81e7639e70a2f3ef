"""docs/language.md is true: its policy means something and is canonical, its grammar has every word of the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from obverse.policy.check import check
from obverse.policy.format import format_document
from obverse.policy.parse import parse
from obverse.policy.print import text_of

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text()
GRAMMAR = (Path(__file__).parents[2] / "src" / "obverse" / "policy" / "grammar.lark").read_text()
EBNF = re.search(r"^```ebnf\n(.*?)^```", PAGE, re.M | re.S)
POLICIES = re.findall(r"^````policy\n(.*?)^````$", PAGE, re.M | re.S)


@pytest.mark.parametrize("text", POLICIES, ids=["document"])
def test_the_policy_on_the_page_means_something(text: str) -> None:
    checked = check(parse(text))
    assert len(checked.rules) == 10
    assert parse(format_document(text)) == parse(text)


def test_the_grammar_on_the_page_has_the_words_of_the_real_one() -> None:
    assert EBNF is not None
    words = set(re.findall(r'"([a-z]+|->|[^\w\s"\\]{1,2})"', re.sub(r"/.*/", "", GRAMMAR))) - {"event"}
    shown = set(re.findall(r'"([^"\s]+)"', EBNF[1]))
    assert words - shown == set()
    assert {word for word in shown if word.isalpha()} - words == {"event"} - words


def test_the_grammar_fits_a_printed_page() -> None:
    assert EBNF is not None
    lines = EBNF[1].splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 125
    assert len(GRAMMAR.splitlines()) <= 100


OPERATORS = """
forbid cancel when not (1 = 2 and 1 != 2 or 1 < 2 and 1 <= 2 and 1 > 2 and 1 >= 2)
forbid cancel when id in ["a"] or id starts with "a" or id ends with "a" or id contains "a" or id like "a*"
forbid cancel when id matches "a+" or id at domain "acme.com" or now within 1h of now + 1h or id is present
forbid issue_certificate when any x in [amount]: all y in [x]: count(z in [y]: z > 1) + sum(z in [y]: z) > length(user)
forbid reply when message.says_yes or turn.calls > 1 or turn has text or user.tier = "gold"
forbid cancel when once call cancel where stamp < now within 1h or last result cancel failed has args.id = id
forbid cancel when previous any event has stamp = now or no denied cancel since approval
forbid cancel when message.says_yes since message where text = "x"
forbid cancel when count(any proposed with effect write) > sum(amount of call issue_certificate within 7d)
"""


@pytest.mark.parametrize("rule", OPERATORS.strip().split("\n"))
def test_every_operator_of_the_table_is_read_and_means_something(rule: str) -> None:
    head = POLICIES[0].split("## Basic")[0]
    found = check(parse(f"{head}## X {{#x}}\n```rule\n{rule}\n```\n")).rules[0]
    assert text_of(found.fires)
