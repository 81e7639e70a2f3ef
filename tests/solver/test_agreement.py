"""The encoding against the reference evaluator, both ways, on random conditions."""

from __future__ import annotations

from random import Random

import pytest

from obverse.core.verdicts import Truth
from obverse.policy.evaluate import truth
from obverse.solver.answers import Act, Found, Goal, Impossible
from obverse.solver.find import Finder
from obverse.solver.settings import Settings

from .randomly import ANSWER, CHECKED, PAY, Conditions, Scenarios

MANY = 200


@pytest.mark.parametrize("act", [PAY, ANSWER], ids=["a call", "a reply"])
@pytest.mark.parametrize("seed", range(4))
def test_what_some_scenario_shows_is_never_called_impossible(seed: int, act: Act) -> None:
    random = Random(f"{seed} {act.kind}")
    finder = Finder(CHECKED, Settings())
    shown = found = 0
    for _ in range(MANY):
        condition = Conditions(random, act).condition(3)
        scenarios = [Scenarios(random, act).scenario() for _ in range(12)]
        true = [s for s in scenarios if truth(CHECKED, condition, s.history, s.step) is Truth.TRUE]
        if not true:
            continue
        shown += 1
        answer = finder.find(Goal(head=act, wishes=(condition,)))  # replays what it finds, and raises otherwise
        assert not isinstance(answer, Impossible), (condition, true[0])
        found += isinstance(answer, Found)
    assert shown > MANY // 4
    assert found > shown * 0.9
