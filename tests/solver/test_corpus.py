"""The clean policies of `benchmarks/policies/` are clean: no error, no warning, nothing open. The tables stand in docs/measures.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.solver.analyse import analyse

POLICIES = sorted((Path(__file__).parents[2] / "benchmarks" / "policies").glob("*.md"))
QUICK = ("bank-transfers", "childrens-app", "deploys", "desk", "museum-guide", "triage", "warehouse-robots")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem) for path in POLICIES],
)
def test_nothing_is_wrong_with_a_clean_policy(path: Path) -> None:
    analysis = analyse(check(parse(path.read_text(), source=path.name)))
    assert [(one.code, one.message) for one in analysis.findings if one.severity != "info"] == []
    assert analysis.undecided == ()
