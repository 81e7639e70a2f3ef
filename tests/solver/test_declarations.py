"""S217 to S219 and S221 to S224: what is told of declarations, windows and examples, and the near misses that are silent."""

from __future__ import annotations

import pytest

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.parse import parse
from obverse.solver.analyse import analyse, examine, questions_of
from obverse.solver.findings import MEANINGS, Finding
from obverse.solver.questions import Desk
from obverse.solver.remembering import remembered

CODES = ("S217", "S218", "S219", "S221", "S222", "S223", "S224")

TERMS = """
tool get(id: text) -> (state: one of "open", "held", "closed", items: list of (kind: one of "a", "b", "c"))  effect read
tool pay(id: text, amount: number, how: one of "cash", "card", "wire") effect money
tool close(id: text) effect write
fact tier: one of "basic", "plus", "gold"
"""
COVERED = "forbid any call when turn.calls > 1"


def written(rules: str, terms: str = TERMS) -> Checked:
    return check(parse(f"---\npolicy: p\n---\n# P\n\n```terms\n{terms}\n```\n\n## A {{#a}}\n\n```rule\n{rules}\n```\n"))


def found(rules: str, terms: str = TERMS) -> list[Finding]:
    """Only what needs no solver: the rest is asked elsewhere."""
    checked = written(rules, terms)
    desk = Desk(checked)
    outcome = [one for question in questions_of(checked) if not question.asks_solver for one in question.answer(desk)]
    return [one for one in outcome if isinstance(one, Finding) and one.code in CODES]


SPOKEN = {
    "a tool with an effect that no rule is about": (
        "forbid pay when amount > 5",
        [("S217", "info", "tool get"), ("S217", "warning", "tool close")],
    ),
    "a tool whose calls are only asked about": (
        "forbid pay unless once call close",
        [("S217", "info", "tool get"), ("S217", "warning", "tool close")],
    ),
    "a tool that only reads and is asked about": (
        "forbid pay, close unless once get",
        [],
    ),
    "any call covers all": (COVERED, []),
    "an effect covers its tools": (
        "forbid any call with effect money when turn.calls > 1\nforbid close, get when turn has text",
        [],
    ),
    "an effect beside those that are told apart": (
        f"{COVERED}\nforbid any call with effect money when turn has text",
        [("S218", "info", "tool close")],
    ),
    "an effect whose tools have their own rules": (
        "forbid any call with effect money when turn has text\nforbid close, get when turn.calls > 1",
        [],
    ),
    "no effect is told apart": (COVERED, []),
    "a value beside two that are named": (
        f'{COVERED}\nforbid pay when tier = "basic"\nwarn pay when tier = "plus"',
        [("S219", "info", "fact tier")],
    ),
    "one value against all others": (f'{COVERED}\nforbid pay when tier = "basic"', []),
    "two values as one": (f'{COVERED}\nforbid pay when tier in ["basic", "plus"]', []),
    "all that are not named": (
        f'{COVERED}\nforbid pay when how = "cash"\nwarn pay when how = "card"\nask pay when not how in ["cash", "card"]',
        [],
    ),
    "all values": (f'{COVERED}\nforbid pay when tier = "basic"\nwarn pay when tier = "plus" or tier = "gold"', []),
    "a value that is compared as a whole": (
        f'{COVERED}\nforbid pay when how = "cash"\nwarn pay when how = "card"\nwarn pay when last call pay has args.how = how',
        [],
    ),
    "a value of an argument": (
        f'{COVERED}\nforbid pay when how = "cash"\nwarn pay(how: h) when h = "card"',
        [("S219", "info", "tool pay")],
    ),
    "a value of a result": (
        f'{COVERED}\nforbid pay(id: r) when last get(id: r) has (state = "open" or state != "held" and amount > 1)',
        [("S219", "info", "tool get")],
    ),
    "a value inside of a list": (
        f'{COVERED}\nforbid pay(id: r) when last get(id: r) has any x in items: x.kind = "a" or x.kind = "b"',
        [("S219", "info", "tool get")],
    ),
    "a value in a pattern": (
        f'{COVERED}\nforbid close when once call pay(how: "cash")\nforbid close when once call pay where how = "card"',
        [("S219", "info", "tool pay")],
    ),
    "values that a test tells apart": (
        f'{COVERED}\nforbid pay when tier starts with "b"\nwarn pay when tier starts with "p"',
        [("S219", "info", "fact tier")],
    ),
    "a window that a limit bounds": (
        f"{COVERED}\nlimit pay to 5 per 90d\nforbid close when once call pay within 60d",
        [],
    ),
    "a long window": (f"{COVERED}\nforbid close when once call pay within 60d", [("S221", "info", None)]),
    "a limited window of too many": (
        f"{COVERED}\nlimit pay to 200 per 1h\nforbid close when once call pay within 60d",
        [("S221", "info", None)],
    ),
    "a short window": (f"{COVERED}\nforbid close when once call pay within 7d", []),
    "calls of what is banned": (
        f"{COVERED}\nforbid pay\nforbid close when once call pay",
        [("S224", "info", None)],
    ),
    "proposals of what is banned": (f"{COVERED}\nforbid pay\nforbid close when once denied pay", []),
    "calls of what is banned at times": (f"{COVERED}\nforbid pay when amount > 1\nforbid close when once call pay", []),
    "more than a limit allows": (
        f"{COVERED}\nlimit pay to 3 per 24h\nforbid close when count(call pay within 1h) > 3",
        [("S224", "info", None)],
    ),
    "as many as a limit allows": (
        f"{COVERED}\nlimit pay to 3 per 24h\nforbid close when count(call pay within 1h) >= 3",
        [],
    ),
    "more than a limit allows in a longer time": (
        f"{COVERED}\nlimit pay to 3 per 1h\nforbid close when count(call pay within 2h) > 3",
        [],
    ),
    "a limit by a key": (
        f"{COVERED}\nlimit pay to 3 per 24h by id\nforbid close when count(call pay within 1h) > 3",
        [],
    ),
    "a window of no time": (f"{COVERED}\nforbid close when once call pay within 0s", [("S224", "warning", None)]),
    "a window of ages": (
        f"{COVERED}\nlimit pay to 9 per 1000w",
        [("S224", "info", None)],
    ),
}


@pytest.mark.parametrize(("rules", "expected"), SPOKEN.values(), ids=SPOKEN.keys())
def test_what_rules_do_not_tell_apart(rules: str, expected: list[tuple[str, str, str | None]]) -> None:
    assert [(one.code, one.severity, one.about) for one in found(rules)] == expected


DECLARED = {
    "yes and no of one predicate": (
        'judged message.ok "The user agrees." yes "Fine." no "No.", "Fine."',
        ["S222"],
    ),
    "yes and no but for what nobody sees": (
        'judged message.ok "The user agrees." yes "Fine  by me" no "fine by\u200b me"',
        ["S222"],
    ),
    "yes of one and no of another": (
        'judged message.ok "The user agrees." yes "Fine." no "No."\njudged message.sad "The user is sad." yes "No." no "Fine."',
        [],
    ),
    "a tool that only reads and writes": ("tool odd(id: text) effect read, write", ["S223"]),
    "values that look alike": ('fact door: one of "open", "оpen"', ["S223"]),
    "values that differ in case": ('fact door: one of "open", "Open"', []),
    "one question under two names": (
        'judged message.ok "The user agrees."  yes "Yes."\njudged message.yes "the user  agrees" yes "Yes."',
        ["S223"],
    ),
    "one question of two subjects": (
        'judged message.ok "It agrees."  yes "Yes."\njudged reply.ok "It agrees." yes "Yes."',
        [],
    ),
    "a definition that speaks of itself": ('judged message.ok "As in message.ok." yes "Yes."', ["S223"]),
    "definitions that speak of each other": (
        'judged message.ok "Not message.no." yes "Yes."\njudged message.no "Not message.ok." yes "No."',
        ["S223"],
    ),
    "a definition that speaks of another": (
        'judged message.ok "Not message.no." yes "Yes."\njudged message.no "The user refuses." yes "No."',
        ["S223"],
    ),
    "a definition with a word like a name": (
        'judged message.ok "The message.okay one." yes "Yes."',
        [],
    ),
}


@pytest.mark.parametrize(("terms", "codes"), DECLARED.values(), ids=DECLARED.keys())
def test_what_declarations_say_against_each_other(terms: str, codes: list[str]) -> None:
    assert [one.code for one in found(COVERED, f"{TERMS}{terms}")] == codes


def test_an_imported_tool_stands_where_it_is_imported() -> None:
    text = '---\npolicy: p\n---\n# P\n\n```terms\nterms from "tools.json"\n```\n\n## A {#a}\n\n```rule\nforbid reply\n```\n'
    tools = b'[{"name": "drop", "inputSchema": {"type": "object", "properties": {}}}]'
    checked = check(parse(text, files=lambda _: tools))
    (finding,) = (one for one in analyse(checked).findings if one.code == "S217")
    assert (finding.about, finding.at and finding.at.line) == ("tool drop", 7)


def test_what_is_known_at_once_is_told_though_time_is_up() -> None:
    checked = written("forbid close when once call pay within 60d")
    examination = examine(checked, stop=lambda: "time is up")
    for _ in examination:
        pass
    analysis = examination.analysis()
    assert {"S217", "S221"} <= {one.code for one in analysis.findings}
    assert {one.reason for one in analysis.undecided} == {"not asked: time is up"}
    assert analysis.queries == 0


def test_memory_says_how_many_events_a_window_can_hold() -> None:
    rules = (
        "limit pay to 3 per 24h\nforbid close when once call pay within 48h\nforbid close when once message within 1h"
    )
    kept = [(one.rule, one.most) for one in remembered(written(rules))]
    assert kept == [("a/1", 3), ("a/2", 9), ("a/3", None)]


def test_every_code_has_a_meaning() -> None:
    assert {question.code for question in questions_of(written(COVERED))} <= set(MEANINGS)
    assert set(CODES) <= set(MEANINGS)
