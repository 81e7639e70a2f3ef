"""Rules → plain English → drafts → questions → rules: what comes back means what was said, or is known not to.

`benchmarks/draft.py` does the same over many policies and with real models.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from obverse.cli.load import load
from obverse.core.verdicts import Truth
from obverse.draft.accept import answer
from obverse.draft.classes import Settler
from obverse.draft.english import english
from obverse.draft.pieces import plain
from obverse.draft.state import State
from obverse.draft.terms import ground_of, read_rules
from obverse.draft.work import Design, Drafting
from obverse.policy.print import text_of
from obverse.testing.drafters import Drafter

ROOT = Path(__file__).parents[2]
POLICIES = [*sorted((ROOT / "examples").glob("*/policy.md")), ROOT / "benchmarks" / "policies" / "desk.md"]

MOST = 8  # rules of each: the benchmark has more


def outcome(path: Path, *, rate: float) -> tuple[list[Truth], int, int]:
    """Of each rule of a policy, whether what is agreed on at last means the same; questions asked; drafts with a slip."""
    checked = load(path)
    rules = [rule for clause in checked.source.clauses for rule in clause.rules][:MOST]
    truth = {plain(english(rule)): (text_of(rule),) for rule in rules}
    prose = f"# {checked.name}\n\n" + "\n\n".join(truth)
    model = Drafter(truth, rate=rate, seed=3)
    drafting = Drafting(State(), [model], Design(drafts=4))
    drafting.take_up(prose, source=path.name, ground=ground_of(checked))
    asyncio.run(drafting.run(prose))
    drafting.settle()
    settler = Settler(drafting.terms(), ground_of(checked))
    questions = 0
    while open_ := [entry for entry in drafting.state.entries if entry.question is not None]:
        for entry in open_:
            question = entry.question
            assert question is not None
            true = read_rules("\n".join(truth[entry.statement.plain]))
            says = settler.says(true, question.asks, question.history, question.step)
            drafting.state = answer(drafting.state, question.id, says, by="the truth")
            questions += 1
        drafting.settle()
    assert {entry.statement.plain for entry in drafting.state.entries} == set(truth), "each rule is one statement"
    found = [
        settler.pair(read_rules(truth[entry.statement.plain][0]), read_rules("\n".join(entry.groups[0].rules))).same
        for entry in drafting.state.entries
        if entry.status == "agreed"
    ]
    return found, questions, len(model.slipped)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.parent.name)
def test_a_model_that_knows_the_truth_is_never_asked_back_and_all_of_it_comes_back(path: Path) -> None:
    found, questions, _ = outcome(path, rate=0)
    assert len(found) >= min(4, len(load(path).rules)), "of a short policy all"
    assert set(found) == {Truth.TRUE}
    assert questions == 0


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.parent.name)
def test_a_model_that_slips_now_and_then_is_found_out_by_questions(path: Path) -> None:
    found, questions, slipped = outcome(path, rate=0.3)
    assert slipped >= 3
    assert questions > 0
    assert set(found) == {Truth.TRUE}, "nothing wrong would be accepted after the true answers"
