"""A check says the same with kept answers and without, byte for byte, whatever was edited in between (L06)."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import pytest

from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse
from obverse.solver.analyse import analyse, examine, questions_of
from obverse.solver.findings import Analysis
from obverse.solver.kept import key_of, query_of, read, written
from obverse.solver.settings import Settings

QUICK = Settings(timeout_ms=60_000, effort=400_000)

TERMS = (
    'tool find(id: text) -> (state: one of "open", "shut", total: number)   effect read',
    "tool refund(id: text, amount: number)   effect money",
    "tool cancel(id: text)   effect write",
    "fact verified: bool",
    'fact tier: one of "basic", "gold"',
    'judged message.yes "The user agrees."  yes "Yes, please."  no "What does it cost?"',
    'judged reply.price "The reply names a price."  yes "It costs 10."  no "Hello."',
    "let large = amount > 100",
)
OTHER_TERMS = (
    'tool find(id: text) -> (state: one of "open", "shut", "lost", total: number)   effect read',
    "tool refund(id: text, amount: integer, note: text)   effect money",
    "tool cancel(id: text, why: text optional)   effect write, money",
    "fact verified: bool from host",
    'fact tier: one of "basic", "gold", "black"',
    'judged message.yes "The user says yes."  yes "Sure."  no "What does it cost?"',
    'judged reply.price "The reply names a price."  yes "It costs 20."  no "Hello."',
    "let large = amount > 50",
)
MORE_TERMS = ("tool mail(to: text)   effect write", 'judged message.no "The user refuses."  yes "No."')
RULES = (
    "forbid refund when large unless verified",
    "forbid refund when amount > 100 and amount < 50",
    "permit refund when verified",
    "ask refund when amount > 10 or amount <= 10",
    'forbid cancel(id: r) when last find(id: r) has (state = "open" and total > 3)',
    "forbid cancel(id: r) unless once find(id: r) within 24h",
    "limit refund to 3 per 24h by id",
    "forbid any call with effect money when turn.calls > 1",
    "forbid any call with effect write unless last message has message.yes trusting judge",
    'permit cancel when tier = "gold"',
    "forbid reply when reply.price",
    "permit reply when reply.price and verified",
    "forbid refund unless no message since call find",
    'warn refund when last message has message.yes and tier = "basic"',
)


def document(terms: list[str], clauses: list[tuple[str, list[str]]]) -> Checked:
    text = "---\npolicy: shop\nlevels: [high, low]\n---\n# Shop\n\n```terms\n" + "\n".join(terms) + "\n```\n"
    for head, rules in clauses:
        text += f"\n## A clause {{#{head}}}\n\nProse.\n\n```rule\n" + "\n".join(rules) + "\n```\n"
    return check(parse(text))


def versions(seed: int, count: int) -> list[Checked]:
    """Policies, each made from the one before by an edit of a rule, a clause, a level or a term."""
    draw = random.Random(seed)
    terms = list(TERMS)
    clauses = [(f"c{n} level={draw.choice(('high', 'low'))}", [draw.choice(RULES)]) for n in range(3)]
    found = [document(terms, clauses)]
    while len(found) < count:
        place = draw.randrange(len(clauses))
        match draw.choice(("rule", "more", "less", "level", "term", "terms", "order")):
            case "rule":
                clauses[place] = (clauses[place][0], [draw.choice(RULES)])
            case "more":
                clauses[place] = (clauses[place][0], [draw.choice(RULES), *clauses[place][1][:1]])
            case "less" if len(clauses) > 1:
                del clauses[place]
            case "level":
                clauses[place] = (
                    f"{clauses[place][0].split()[0]} level={draw.choice(('high', 'low'))}",
                    clauses[place][1],
                )
            case "term":
                number = draw.randrange(len(TERMS))
                terms[number] = draw.choice((TERMS, OTHER_TERMS))[number]
            case "terms":
                terms = [*terms[: len(TERMS)], *draw.sample(MORE_TERMS, draw.randrange(len(MORE_TERMS) + 1))]
            case _:
                draw.shuffle(clauses)
        found.append(document(terms, clauses))
    return found


def said(analysis: Analysis) -> bytes:
    return msgspec.json.encode([analysis.findings, analysis.undecided])


@pytest.mark.parametrize("seed", range(4))
def test_L06_kept_answers_change_nothing_that_is_said(seed: int) -> None:
    kept = Kept()
    reused = 0
    for checked in versions(seed, 5):
        with_answers = analyse(checked, settings=QUICK, answers=kept)
        assert said(with_answers) == said(analyse(checked, settings=QUICK))
        reused += with_answers.reused
    assert reused > 0


def test_L06_an_answer_does_not_depend_on_the_questions_before_it() -> None:
    checked = versions(7, 3)[-1]
    questions = questions_of(checked)
    whole = said(analyse(checked, settings=QUICK))
    half = Kept()
    for question, _ in zip(reversed(questions), range(len(questions) // 2), strict=False):
        query = query_of(question.code, question.clause, question.rule, question.rests_on)
        half.only.add(key_of(query, QUICK))
    analyse(checked, settings=QUICK, answers=half)
    assert said(analyse(checked, settings=QUICK, answers=half)) == whole


def test_L06_a_kept_witness_that_shows_something_else_is_asked_for_anew() -> None:
    checked = document([*TERMS], [("a", [RULES[1]])])
    honest = analyse(checked, settings=QUICK)
    kept = Kept()
    analyse(checked, settings=QUICK, answers=kept)
    for key, value in kept.values.items():
        answer = read(value)
        assert answer is not None
        lies = tuple(msgspec.structs.replace(one, present=("a/1",), absent=()) for one in answer.findings)
        kept.values[key] = written(msgspec.structs.replace(answer, findings=lies))
    assert said(analyse(checked, settings=QUICK, answers=kept)) == said(honest)


def test_L06_a_verdict_of_a_kept_witness_is_told_anew() -> None:
    kept = Kept()
    before = document([*TERMS], [("a", [RULES[1]])])
    after = document([*TERMS], [("a", [RULES[1]]), ("b", ["stop refund"])])
    first = next(one for one in analyse(before, settings=QUICK, answers=kept).findings if one.code == "S201")
    second = next(one for one in analyse(after, settings=QUICK, answers=kept).findings if one.code == "S201")
    assert first.witness is not None
    assert second.witness is not None
    assert (first.witness.verdict.value, second.witness.verdict.value) == ("allow", "stop")
    assert second.witness.verdict == decide(after, second.witness.history, second.witness.step).verdict


def test_an_edit_of_one_clause_asks_about_little_else() -> None:
    rules = [(f"c{n}", [rule]) for n, rule in enumerate(RULES)]
    kept = Kept()
    analyse(document([*TERMS], rules), settings=QUICK, answers=kept)
    rules[6] = ("c6", ["limit refund to 4 per 24h by id"])
    again = analyse(document([*TERMS], rules), settings=QUICK, answers=kept)
    assert 2 * again.reused > again.questions


def test_what_ran_into_a_limit_is_not_kept() -> None:
    hard = document([*TERMS], [("hard", ["forbid refund when amount * amount * amount = 7 and amount * amount > 3.5"])])
    kept = Kept()
    starved = Settings(effort=50)
    analysis = analyse(hard, settings=starved, answers=kept)
    open_ = {key_of(one.query or "", starved) for one in analysis.undecided}
    assert open_
    assert not open_ & set(kept.values)


def test_a_question_that_is_broken_off_leaves_the_others_whole() -> None:
    checked = versions(3, 2)[-1]
    whole = analyse(checked, settings=QUICK)
    left = iter(range(6))
    examination = examine(checked, settings=QUICK, stop=lambda: None if next(left, None) is not None else "enough")
    for _ in examination:
        pass
    part = examination.analysis()
    assert {one.reason for one in part.undecided} >= {"not asked: enough"}
    assert {said_of(one) for one in part.findings} <= {said_of(one) for one in whole.findings}


def said_of(finding: msgspec.Struct) -> bytes:
    return msgspec.json.encode(finding)


class Kept:
    """Answers in memory; `only` some of them, if any are named."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.only: set[str] = set()

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def put(self, key: str, value: bytes) -> None:
        if not self.only or key in self.only:
            self.values[key] = value


def test_versions_differ_from_each_other() -> None:
    assert all(one.digest != other.digest for one, other in pairwise(versions(1, 3)))
