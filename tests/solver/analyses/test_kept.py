"""What an answer rests on is all that it rests on: kept from another version of a policy, it is the one that is found anew."""

from __future__ import annotations

from random import Random

import pytest

from obverse.solver.analyse import analyse

from .planted import workshop
from .sampled import random_clauses


class Kept:
    """Answers, kept in memory."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.bytes.get(key)

    def put(self, key: str, value: bytes) -> None:
        self.bytes[key] = value


@pytest.mark.parametrize("seed", range(15))
def test_answers_kept_from_another_version_are_those_found_anew(seed: int) -> None:
    random, kept = Random(seed), Kept()
    before = random_clauses(random, 5)
    after = list(before)
    place = random.randrange(5)
    after[place] = random.choice(
        [random_clauses(Random(seed), 5)[place - 1], before[place].replace(":", " inviolable:", 1)]
    )
    after[place] = f"c{place}{after[place][2:]}"
    after = [clause.replace(" inviolable inviolable", " inviolable") for clause in after]
    analyse(workshop(*before), answers=kept)
    warm, anew = analyse(workshop(*after), answers=kept), analyse(workshop(*after))
    assert warm.findings == anew.findings
    assert warm.queries <= anew.queries
