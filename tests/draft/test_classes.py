"""What the solver says of drafts, and which question it chooses."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.draft.desk import TERMS, ground

from obverse.core.events import Call, Denied, Fact, Message, Reply, Result, Step
from obverse.core.verdicts import Truth
from obverse.draft.classes import Settler, agrees
from obverse.draft.refine import is_compound, read_parts
from obverse.draft.split import split
from obverse.draft.state import Answer, Draft, Entry
from obverse.draft.telling import told
from obverse.draft.terms import Ground, ground_of, needed, read_rules, read_terms, small
from obverse.draft.variants import variants
from obverse.policy.ast import Defaults
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.policy.print import text_of
from obverse.solver.settings import Settings

SETTLER = Settler(read_terms(TERMS), ground())


def settled(*rules: str, confirm: int = 0) -> Entry:
    statement = split("Never refund.").statements[0]
    drafts = tuple(
        Draft(number=number, model="m", says="rules" if text else "nothing", rules=(text,) if text else ())
        for number, text in enumerate(rules, 1)
    )
    settler = Settler(read_terms(TERMS), ground(), confirm=confirm) if confirm else SETTLER
    return settler.settled(Entry(id="x", statement=statement, drafts=drafts))


SAME = [
    ("ask refund when amount > 100", "ask refund when not (amount <= 100)"),
    ("forbid refund unless user.verified", "require user.verified for refund"),
    ("permit get_order when message.asks_refund", "permit get_order when not not message.asks_refund"),
    ("forbid refund, send_email", "forbid send_email, refund"),
    ("forbid refund(id: a) unless once get_order(id: a)", "forbid refund(id: b) when not (once get_order(id: b))"),
]
DIFFERENT = [
    ("ask refund when amount > 100", "ask refund when amount >= 100", "may"),
    ("forbid refund", "stop refund", "may"),
    ("ask refund", "ask refund by 2 people", "may"),
    ("limit refund to 2 per 24h", "limit refund to 2 per 48h", "may"),
    ("permit get_order", "permit get_order when user.verified", "must"),
    ("permit get_order", "", "must"),
    ("forbid refund", "", "may"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_rules_that_mean_the_same_are_one_group_without_a_question(one: str, other: str) -> None:
    found = settled(one, other)
    assert [group.drafts for group in found.groups] == [(1, 2)]
    assert found.question is None
    assert found.status == "agreed"


@pytest.mark.parametrize(("one", "other", "asks"), DIFFERENT)
def test_rules_that_differ_are_told_apart_by_a_scenario_on_which_they_do(one: str, other: str, asks: str) -> None:
    found = settled(one, other)
    question = found.question
    assert question is not None
    assert question.asks == asks
    for rules, number in ((one, 1), (other, 2)):
        said = SETTLER.says(read_rules(rules) if rules else (), asks, question.history, question.step)
        assert number in question.options[said], "replayed through `decide`"
    assert sum(map(len, question.options.values())) == 2
    assert len(question.options) == 2


@pytest.mark.parametrize("kind", ["permit", "forbid"])
def test_a_default_that_denies_replies_hides_no_difference(kind: str) -> None:
    strict = msgspec.structs.replace(ground(), default=Defaults(replies="deny"))
    settler = Settler(read_terms(TERMS), strict)
    one = read_rules(f"{kind} reply when message.asks_refund and not reply.refuses")
    other = read_rules(f"{kind} reply when message.asks_refund or not reply.refuses")
    assert settler.pair(one, other).same is Truth.FALSE


def test_the_question_that_splits_the_drafts_best_is_asked() -> None:
    found = settled(
        *("ask refund when amount > 100",) * 2, *("ask refund when amount > 200",) * 2, "ask refund when amount > 101"
    )
    assert found.question is not None
    assert max(map(len, found.question.options.values())) == 3, "not the one that tells four from one"


def test_a_draft_that_says_there_is_nothing_to_say_is_one_of_those_that_may_be_right() -> None:
    found = settled("", "", "forbid refund")
    assert [group.rules for group in found.groups] == [(), ("forbid refund",)]
    assert found.question is not None
    assert settled("", "").status == "not formalised"


def test_what_the_solver_leaves_open_keeps_drafts_apart_and_is_said() -> None:
    settler = Settler(read_terms(TERMS), ground(), settings=Settings(most_repeats=3))
    statement = split("Never refund.").statements[0]
    drafts = tuple(
        Draft(number=number, model="m", says="rules", rules=(f"forbid refund when count(refund within {window}) > 40",))
        for number, window in enumerate(["24h", "48h"], 1)
    )
    found = settler.settled(Entry(id="x", statement=statement, drafts=drafts))
    assert found.question is None
    assert found.status == "split"
    assert any("the bound is 3" in reason for reason in found.unsettled)


def test_with_confirm_one_group_is_told_from_its_neighbours_so_many_times() -> None:
    found = settled("ask refund when amount > 100", "ask refund when amount > 100", confirm=3)
    settler = Settler(read_terms(TERMS), ground(), confirm=3)
    amounts = []
    while (question := found.question) is not None:
        assert isinstance(question.step.event, Call)
        amounts.append(json.loads(question.step.event.arguments)["amount"])
        (says,) = question.options
        answered = Answer(question=question, says=says, by="Ana")
        found = settler.settled(msgspec.structs.replace(found, answers=(*found.answers, answered)))
    assert found.status == "agreed"
    assert sorted(amounts) == [100, 101], "both sides of the edge; then no neighbour is left, and nothing more is asked"


def test_the_neighbours_of_a_rule_differ_in_one_small_thing_each() -> None:
    rule = read_rules("forbid refund when amount > 100 and user.verified unless once get_order within 24h")
    found = [text_of(other[0]) for other in variants(rule) if other]
    assert len(found) == len(set(found))
    for part in (
        "amount >= 100",
        "amount > 101",
        "amount > 99",
        "amount > 100 or user.verified",
        "within 2d",
        "within 12h",
    ):
        assert any(part in text for text in found), part
    assert "forbid refund when amount > 100 and user.verified" in found
    assert () in list(variants(rule))


@pytest.mark.parametrize(
    ("said", "answer", "fits"),
    [
        ("allow", "yes", True), ("warn", "yes", True), ("ask", "yes", False), ("deny", "no", True), ("stop", "no", True),
        ("ask", "no", False), ("ask", "ask", True), ("stop", "deny", False),
    ],
)  # fmt: skip
def test_yes_lets_the_agent_go_on_and_no_denies(said: str, answer: str, fits: bool) -> None:
    assert agrees(said, answer, "may") is fits


def test_a_small_policy_has_the_terms_that_its_rules_draw_on_and_no_others() -> None:
    terms = read_terms(TERMS + "let big = refund_total > 3\nfact refund_total: number\nlet fine = not big\n")
    names = [[getattr(term, "name", "") for term in needed(terms, read_rules(text))] for text in (
        "forbid refund when fine", "forbid any call", "forbid reply when reply.refuses", "ask refund when turn.calls > 1",
        "forbid refund when once any fact",
    )]  # fmt: skip
    assert names == [
        ["refund", "big", "refund_total", "fine"],
        ["get_order", "refund", "send_email"],
        [],
        ["get_order", "refund", "send_email"],
        ["refund", "user.verified", "refund_total"],
    ]
    one = small(terms, read_rules("forbid refund"), Ground()).digest
    assert one == small(terms[1:2], read_rules("\n\nforbid   refund"), Ground()).digest, "whatever else is declared"


def test_the_terms_of_a_policy_are_given_without_its_rules_and_with_its_front_matter() -> None:
    policy = """---
policy: x
default: {replies: deny}
levels: [top, low]
timezone: "+02:00"
---
```terms
tool a(id: text)
effect a: write
asks a: "Do {id}."
let b = true
```
## C {#c}
```rule
forbid a
```
"""
    found = ground_of(check(parse(policy)))
    assert found.terms == ('tool a(id: text) effect write asks "Do {id}."', "let b = true")
    assert (found.default.replies, found.levels, found.timezone) == ("deny", ("top", "low"), "+02:00")


def test_a_scenario_is_told_in_words_on_one_line_each() -> None:
    now = Call(id="e6", time=7_200_000, call_id="c2", tool="refund", arguments='{"id": "A7", "amount": 12.50}')
    beside = Reply(id="e7", time=7_200_000, text="One moment.")
    history = (
        Fact(id="e1", name="user.verified", value=True),
        Message(id="e2", time=0, text="Refund\nme!", labels={"message.asks_refund": True}),
        Call(id="e3", time=1, call_id="c1", tool="get_order", arguments='{"id": "A7"}'),
        Result(id="e4", time=2, call_id="c1", tool="get_order", output='{"paid": 3}'),
        Denied(id="e5", time=3, call_id="c3", tool="refund", arguments="{broken"),
    )
    assert told(history, Step(event=now, turn=(beside, now))) == (
        "the host knows: user.verified is true",
        'the user says "Refund\\nme!" [message.asks_refund: yes]',
        'the agent called get_order(id: "A7")',
        'get_order gave {"paid": 3}',
        'the agent was denied to call refund with "{broken"',
        "(1 hour 59 minutes later)",
        'together with what follows, the agent wants to say "One moment."',
        'now the agent wants to call refund(id: "A7", amount: 12.5)',
    )


def test_parts_of_a_statement_are_its_words_in_its_order() -> None:
    text = "The agent must look the order up first; it may then\nrefund it, but never twice in one day."
    statement = split(text).statements[0]
    assert is_compound(statement)
    parts = ("The agent must look the order up first", "it may then refund it", "never twice in one day.")
    assert read_parts("\n".join(f"- {part}" for part in parts), statement) == parts
    for lie in ("The agent must look the order up first", "never twice", "I cannot do that.", "", "a\nb\nc"):
        assert read_parts(lie, statement) == (statement.text,)
    assert not is_compound(split("Never run.").statements[0])


def test_the_solver_says_same_only_by_a_proof() -> None:
    pair = SETTLER.pair(read_rules("forbid refund when amount > 1"), read_rules("forbid refund when amount > 2"))
    assert pair.same is Truth.FALSE
    assert len(pair.differences) == 1
