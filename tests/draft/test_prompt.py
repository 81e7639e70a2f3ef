"""What a model is asked: its examples are of the language, the drafts are asked differently, and the prose stays data."""

from __future__ import annotations

import json
import re

import pytest

from obverse.core.errors import UntrustedInputError
from obverse.draft import prompt as prompts
from obverse.draft.prompt import Example
from obverse.draft.split import split
from obverse.draft.terms import read_rules, read_terms
from obverse.testing.drafters import read_prompt

STATEMENT = split('# Money\n\nThe agent must not say "ok" to {all} refunds.\n').statements[0]
TERMS = ["tool refund(id: text) effect money"]


def test_the_examples_of_a_prompt_are_rules() -> None:
    asked = prompts.formalise(STATEMENT, TERMS, number=1)
    blocks = re.findall(r"^```rule\n(.*?)^```", asked.system.partition("Examples")[2], re.M | re.S)
    assert len(blocks) == 4
    assert all(len(read_rules(block)) == 1 for block in blocks)


def test_the_words_of_the_page_are_those_of_the_language() -> None:
    for line in prompts.PAGE.splitlines()[1:8]:
        shape = re.split(r"\s{3,}", line.strip())[0].replace("[", "").replace("]", "")
        rule = shape.replace("TOOL", "refund").replace("COND", "amount > 3").replace("ARGUMENT", "amount")
        assert read_rules(rule), rule


def test_each_draft_is_asked_in_its_own_way_and_the_first_is_greedy() -> None:
    asked = [prompts.formalise(STATEMENT, TERMS, number=number) for number in range(1, 6)]
    assert len({(one.system, one.user) for one in asked}) == 4
    assert [one.temperature for one in asked] == [0.0, 0.7, 0.7, 0.7, 0.7]
    assert len({one.seed for one in asked}) == 5
    assert asked[0] == prompts.formalise(STATEMENT, TERMS, number=1)


@pytest.mark.parametrize(
    ("asked", "task"),
    [
        (prompts.formalise(STATEMENT, TERMS, number=2), "rules"),
        (prompts.vocabulary([STATEMENT], [], tools_given=False), "terms"),
        (prompts.refine(STATEMENT), "parts"),
        (prompts.mend(prompts.formalise(STATEMENT, TERMS, number=1), "```\nx", "line 1: no rule"), "rules"),
    ],
)
def test_the_statement_travels_as_json_and_can_be_read_back(asked: prompts.Prompt, task: str) -> None:
    assert read_prompt(asked) == (task, [STATEMENT.plain])


def test_what_was_wrong_is_told_once_however_often_a_reply_goes_back() -> None:
    first = prompts.formalise(STATEMENT, TERMS, number=1)
    again = prompts.mend(prompts.mend(first, "one", "a"), "two", "b")
    assert again.user.count("Your last reply was") == 1
    assert '"two"' in again.user


def test_what_a_person_answered_is_shown_as_data() -> None:
    example = Example(shown=('the user says "x"', "now the agent wants to call refund()"), says="no")
    asked = prompts.formalise(STATEMENT, TERMS, number=1, examples=[example])
    assert json.loads(next(line for line in asked.user.splitlines() if line.startswith('{"scenario'))) == {
        "scenario": list(example.shown),
        "decided": "no",
    }


def test_only_terms_that_stand_alone_are_read() -> None:
    assert len(read_terms("tool a()\nfact b: bool\nlet c = b\n")) == 3
    for wrong in ("effect a: write", 'terms from "x"', "result a: text", 'asks a: "x"'):
        with pytest.raises(UntrustedInputError):
            read_terms(wrong)
