"""A rule in English says all of it, as one sentence that the splitter finds again."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.cli.load import load
from obverse.draft.english import duration, english
from obverse.draft.pieces import plain
from obverse.draft.split import split
from obverse.draft.terms import read_rules
from obverse.policy import ast

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "examples").glob("*/policy.md"))

SAID = {
    "ask refund when amount > 100 by 2 people": (
        "Before the agent may call `refund`, 2 different people must approve it when `amount` is greater than 100."
    ),
    "forbid cancel(id: r) unless once get(id: r) within 24h": (
        "The agent must not call `cancel` (its `id` called `r`), unless earlier within the last 24 hours there was a "
        "successful result of `get` with `id` equal to `r`."
    ),
    "limit sum(amount) of refund to 500 per 7d by user": (
        "When the agent does call `refund`, the sum of `amount` must be at most 500 within 7 days for each `user`."
    ),
    'stop any call with effect write when not user.verified and (a or b) says "No."': (
        "The agent must not call any tool with the effect `write` when `user.verified` is not true and (either `a` is true or "
        '`b` is true), and the session ends if it tries; the agent is then told "No.".'
    ),
    "permit reply when message.asks": "The agent must never be refused to reply when `message.asks` is true.",
    "require last message has message.yes for pay trusting judge": (
        "The agent may call `pay` only if the last message of the user is such that `message.yes` is true, and a judge alone may "
        "settle it."
    ),
    "warn pay when no pay since message and any x in list: x != 3": (
        "It must be noted if the agent wants to call `pay` when (there was no successful result of `pay` since the last message of "
        "the user) and (for some `x` of `list` it is so that `x` is not 3)."
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", SAID)
def test_a_rule_is_said_in_plain_english(rule: str) -> None:
    assert english(read_rules(rule)[0]) == SAID[rule]


def rules() -> list[ast.Rule]:
    return [rule for path in POLICIES for clause in load(path).source.clauses for rule in clause.rules]


def test_each_rule_of_the_examples_is_one_normative_statement_that_names_all_it_speaks_of() -> None:
    said = {}
    for rule in rules():
        sentence = english(rule)
        cut = split(f"# Rules\n\n{sentence} Another one must follow.\n")
        assert next(one.plain for one in cut.statements) == plain(sentence)
        assert cut.statements[0].kind == "normative"
        for node in ast.walk(rule):
            names = [node.tool] if isinstance(node, ast.Head | ast.Pattern) and node.tool else []
            names += [node.path[-1]] if isinstance(node, ast.Name) else []
            assert all(name in sentence for name in names), sentence
        said.setdefault(sentence, []).append(rule)
    assert all(len(set(several)) == 1 for several in said.values()), "different rules are said differently"


def test_durations_are_said_in_the_units_of_people() -> None:
    assert [duration(ms) for ms in (0, 1500, 90_000, 86_400_000, 7 * 86_400_000, 5_400_000)] == [
        "0 seconds", "1 second 500 milliseconds", "1 minute 30 seconds", "24 hours", "7 days", "1 hour 30 minutes",
    ]  # fmt: skip
