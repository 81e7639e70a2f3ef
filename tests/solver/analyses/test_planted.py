"""Every planted defect is found as exactly itself, with a witness that shows it; what only looks like one stays silent."""

from __future__ import annotations

import re

import pytest

from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.solver.analyse import analyse
from obverse.solver.findings import Analysis, Finding

from .planted import LOOK, NEAR, PLANTED, workshop

MINE = re.compile(r"S20\d|S21[0-6]|S220")
"""The codes that are about what rules mean; the others are about declarations and examples, of which the workshop has spare ones."""


def told(analysis: Analysis, severity: str = "error warning") -> list[Finding]:
    """The findings of this severity about what rules mean."""
    return [one for one in analysis.findings if one.severity in severity and MINE.fullmatch(one.code)]


def only(checked: Checked, severity: str = "error warning") -> Finding:
    """The one finding there is."""
    (finding,) = told(analyse(checked), severity)
    return finding


@pytest.mark.parametrize(("codes", "checked"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_defect_is_found_as_exactly_itself(codes: str, checked: Checked) -> None:
    analysis = analyse(checked)
    assert [finding.code for finding in told(analysis)] == codes.split(), told(analysis)
    assert analysis.undecided == ()
    for finding in told(analysis):
        if finding.about is None and finding.clause is not None:
            assert finding.witness is not None
            decision = decide(checked, finding.witness.history, finding.witness.step)
            assert (decision.verdict, decision.clauses) == (finding.witness.verdict, finding.witness.clauses)


@pytest.mark.parametrize("checked", NEAR.values(), ids=NEAR.keys())
def test_what_only_looks_like_a_defect_is_none(checked: Checked) -> None:
    analysis = analyse(checked)
    assert [finding.message for finding in told(analysis)] == []
    assert analysis.undecided == ()


# --- what the sentences say ---------------------------------------------------------------------------------------------


def test_an_act_between_two_bans_names_both() -> None:
    finding = only(PLANTED["an act between two bans"][1])
    assert (
        finding.message
        == "a call of `refund` is never allowed: `forbid` in `a` and `forbid` in `b` together deny each one"
    )
    assert finding.others == ("a/1", "b/1")


def test_an_act_that_waits_names_what_it_waits_for() -> None:
    finding = only(PLANTED["an act that waits for one that is banned"][1])
    assert "lets it through only after `find_order`, which is never allowed before it" in finding.message


def test_a_chain_of_prerequisites_is_followed_to_its_dead_end() -> None:
    analysis = analyse(
        workshop(
            "a: forbid refund unless once call cancel",
            "b: forbid cancel unless once call verify",
            "c: forbid verify unless once call refund",
        )
    )
    assert [(one.code, one.clause) for one in told(analysis)] == [("S209", "a"), ("S209", "b"), ("S209", "c")]


def test_a_prerequisite_that_one_way_around_avoids_is_none() -> None:
    checked = workshop("ban: forbid verify", "a: forbid cancel unless once call verify or customer.verified")
    assert told(analyse(checked)) == []


def test_of_two_equal_rules_the_later_one_is_named_and_names_the_other() -> None:
    finding = only(PLANTED["the same rule twice"][1])
    assert (finding.rule, finding.others) == ("b/1", ("a/1",))


def test_of_three_equal_rules_two_are_named() -> None:
    rule = "forbid refund when amount > 100"
    analysis = analyse(workshop(f"a: {rule}", f"b: {rule}", f"c: {rule}"))
    assert [(one.code, one.rule) for one in told(analysis)] == [("S213", "b/1"), ("S213", "c/1")]


def test_the_rules_that_are_called_redundant_can_all_be_taken_out_at_once() -> None:
    clauses = {
        "a": "forbid refund when amount > 10 and amount < 30",
        "b": "forbid refund when amount > 20 and amount < 40",
        "c": "forbid refund when amount > 5 and amount < 35",
        "d": "forbid refund when amount > 15 and amount < 45",
        "e": "forbid refund when amount > 25 and amount < 28",
    }
    named = {one.clause for one in told(analyse(workshop(*(f"{name}: {rule}" for name, rule in clauses.items()))))}
    kept = [rule for name, rule in clauses.items() if name not in named]
    assert named == {"a", "b", "e"}
    assert told(analyse(workshop(*(f"{number}k: {rule}" for number, rule in zip("xyz", kept, strict=False))))) == []


def test_a_rule_whose_words_differ_is_a_note() -> None:
    checked = workshop(
        'a: forbid refund when amount > 100 says "Too much."', 'b: forbid refund when amount > 500 says "Far too much."'
    )
    assert told(analyse(checked)) == []
    assert [one.clause for one in told(analyse(checked), "info") if one.code == "S213"] == ["b"]


def test_a_conflict_names_the_region_in_the_words_of_the_author() -> None:
    finding = only(PLANTED["two requirements that exclude each other"][1])
    assert "where `last message has message.says_yes and last message has message.is_a_threat`" in finding.message


def test_a_grant_is_shown_by_a_run_whose_calls_only_relaxable_clauses_deny() -> None:
    checked = PLANTED["a guard that a grant lifts"][1]
    finding = only(checked)
    assert finding.others == ("guard/1",)
    assert finding.witness is not None
    assert "firm" not in finding.witness.clauses


def test_a_missing_part_is_named_with_its_guard() -> None:
    assert "write `cc is present and …`" in only(PLANTED["an argument that may be missing"][1]).message
    assert "write `total != 0 and …`" in only(PLANTED["a division by what may be nothing"][1]).message
    assert (
        "write `(all x in items: x.weight is present) and …`"
        in only(PLANTED["a sum over what may be missing"][1]).message
    )


def test_the_guard_that_is_proposed_mends_the_rule() -> None:
    mended = workshop(
        "a: ask cancel(id: r) when last find_order(id: r) has "
        "((all x in items: x.weight is present) and sum(x in items: x.weight) > 30)"
    )
    assert told(analyse(mended)) == []


def test_trust_in_a_judge_is_a_note_with_the_verdict_of_a_no() -> None:
    (finding,) = (one for one in analyse(NEAR["trust that is given"]).findings if one.code == "S220")
    assert finding.severity == "info"
    assert "with a no the verdict is deny" in finding.message


def test_a_judge_that_nobody_asks_is_a_note() -> None:
    notes = [one.about for one in analyse(workshop(LOOK)).findings if one.code == "S211"]
    assert "judged message.says_yes" in notes
    assert len(notes) == 5


def test_a_judge_in_a_rule_that_is_idle_itself_is_not_told_twice() -> None:
    checked = workshop("a: forbid refund", "b: forbid refund when last message has message.is_a_threat")
    assert [(one.code, one.clause) for one in told(analyse(checked))] == [("S213", "b")]


def test_an_inviolable_rule_that_the_agent_frees_itself_from_is_a_note() -> None:
    checked = workshop("firm inviolable: forbid refund unless once call verify")
    notes = [one for one in analyse(checked).findings if one.code == "S215"]
    assert [(one.clause, one.severity) for one in notes] == [("firm", "info")]
    assert "`once call verify` by itself" in notes[0].message
