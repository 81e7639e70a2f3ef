"""Clean policies have no findings; a planted defect has exactly its own, with a witness that shows it."""

from __future__ import annotations

import msgspec
import pytest

from obverse.policy.decide import decide
from obverse.solver.analyse import analyse
from obverse.solver.answers import Act, Fails, Holds
from obverse.solver.ask import Question, ask
from obverse.solver.find import Finder
from obverse.solver.findings import MEANINGS, Analysis, Finding
from obverse.solver.settings import Settings

from .policies import CLEAN, DEFECTS, policy


def told(analysis: Analysis) -> list[Finding]:
    """What a person has to look at: not what the shop declares for other clauses, nor where trust was given."""
    looked_at = (finding for finding in analysis.findings if finding.code != "S217")
    return [finding for finding in looked_at if finding.severity != "info" or finding.code == "S208"]


@pytest.mark.parametrize("clauses", CLEAN.values(), ids=CLEAN.keys())
def test_a_clean_policy_has_no_findings(clauses: tuple[str, ...]) -> None:
    analysis = analyse(policy(*clauses))
    assert [finding.message for finding in told(analysis)] == []
    assert analysis.undecided == ()


@pytest.mark.parametrize(("code", "head", "clauses"), DEFECTS.values(), ids=DEFECTS.keys())
def test_a_planted_defect_is_the_only_finding(code: str, head: str, clauses: tuple[str, ...]) -> None:
    checked = policy(*clauses)
    analysis = analyse(checked)
    assert [(finding.code, finding.clause) for finding in told(analysis)] == [(code, head.split(maxsplit=1)[0])]
    assert analysis.undecided == ()
    (finding,) = told(analysis)
    assert finding.severity == MEANINGS[finding.code][0]
    if code != "S208":
        assert finding.witness is not None
        decision = decide(checked, finding.witness.history, finding.witness.step)
        assert (decision.verdict, decision.clauses) == (finding.witness.verdict, finding.witness.clauses)


def test_a_finding_names_the_parts_that_exclude_each_other() -> None:
    checked = policy("never: forbid refund when amount > 100 and customer.verified and amount < 50")
    (finding,) = told(analyse(checked))
    assert "`amount > 100` and `amount < 50` are never true together" in finding.message
    assert "verified" not in finding.message


def test_a_swallowed_permit_names_the_rules_and_levels_that_swallow_it() -> None:
    checked = policy("ban level=platform: forbid refund", "may level=user: permit refund when amount < 10")
    (finding,) = told(analyse(checked))
    assert finding.code == "S203"
    assert "`forbid` in `ban` (level platform)" in finding.message
    assert "(level user)" in finding.message


def test_running_out_of_effort_is_undecided_and_named() -> None:
    checked = policy("hard: forbid refund when amount * amount * amount = 7 and amount * amount > 3.5")
    analysis = analyse(checked, settings=Settings(effort=50, timeout_ms=20))
    assert told(analysis) == []
    assert analysis.undecided
    assert all("time-out" in one.reason for one in analysis.undecided)


def test_what_does_not_fit_into_the_bound_is_undecided_and_never_impossible() -> None:
    checked = policy("often: forbid refund when count(call cancel) > 500")
    analysis = analyse(checked, settings=Settings(most_repeats=5))
    assert [(one.code, one.reason) for one in analysis.undecided] == [
        ("S201", "needs 501 events of a kind, the bound is 5")
    ]
    assert told(analysis) == []


def test_a_limit_beyond_the_bound_is_no_finding() -> None:
    analysis = analyse(policy("often: limit refund to 100000 per 24h by id"))
    assert (told(analysis), analysis.undecided) == ([], ())


def test_the_same_policy_gives_the_same_analysis_byte_for_byte() -> None:
    clauses = DEFECTS["a permit that meets a ban"][2]
    assert msgspec.json.encode(analyse(policy(*clauses))) == msgspec.json.encode(analyse(policy(*clauses)))


def test_ask_holds_or_fails_with_a_witness() -> None:
    checked = policy("large: ask refund when amount > 100")
    finder = Finder(checked)
    act = Act(kind="call", tool="refund")
    (rule,) = checked.rules
    answer = ask(finder, Question(head=act, then=rule.fires))
    assert isinstance(answer, Fails)
    assert answer.decision == decide(checked, answer.witness.history, answer.witness.step)
    assert isinstance(ask(finder, Question(head=act, given=(rule.fires,), then=rule.fires)), Holds)
