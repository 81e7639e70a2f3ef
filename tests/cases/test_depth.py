"""What full depth adds, all of it known by hand on small policies: exceptions, orders of events, pairs of rules."""

from __future__ import annotations

import msgspec
import pytest

from obverse.cases.invert import invert
from obverse.cases.lattice import ARROWS, highest, implied
from obverse.cases.order import differences
from obverse.cases.records import COUNTED, STANDARD, Case, Count, Level, Suite
from obverse.core.events import Call, Result
from obverse.core.verdicts import Side, Verdict

from .policies import FULL, deep, policy, suite

# met, infeasible, open of (exception, order, pair)
BY_HAND = {
    ("threshold",): ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
    ("looked up",): ((2, 0, 0), (4, 0, 0), (0, 0, 0)),
    ("exception",): ((4, 0, 0), (4, 0, 0), (0, 0, 0)),  # two ways out, each just true and just false
    ("window",): ((2, 0, 0), (5, 0, 0), (0, 0, 0)),
    ("limit",): ((0, 0, 0), (5, 0, 0), (0, 0, 0)),
    ("newest",): ((0, 0, 0), (4, 0, 0), (0, 0, 0)),
    ("untouched",): ((2, 0, 0), (5, 0, 0), (0, 0, 0)),
    ("no poison",): ((2, 0, 0), (4, 0, 0), (0, 0, 0)),
    ("looked up", "confirmed"): ((4, 0, 0), (8, 0, 0), (3, 0, 0)),
    ("threshold", "permit issue_voucher when amount > 90"): ((0, 0, 0), (0, 0, 0), (2, 1, 0)),
    ("threshold", "warn"): ((0, 0, 0), (0, 0, 0), (2, 1, 0)),  # above 100 is above 50
    ("threshold", "no prices"): ((0, 0, 0), (0, 0, 0), (0, 0, 0)),  # a call and a reply never meet
}


@pytest.mark.parametrize("names", BY_HAND, ids=" + ".join)
def test_every_obligation_of_the_deeper_levels_is_met_or_proved_infeasible(names: tuple[str, ...]) -> None:
    levels = deep(*names).coverage.levels
    counts = tuple(levels[level] for level in (Level.EXCEPTION, Level.ORDER, Level.PAIR))
    assert counts == tuple(Count(met=m, infeasible=i, open=o) for m, i, o in BY_HAND[names])
    assert deep(*names).open == ()


def test_standard_depth_counts_what_it_is_made_for_and_no_more() -> None:
    assert tuple(suite("threshold").coverage.levels) == STANDARD
    assert tuple(deep("threshold").coverage.levels) == COUNTED


def test_full_depth_meets_what_standard_depth_meets() -> None:
    for names in (("exception", "confirmed"), ("two conditions", "threshold", "limit")):
        assert set(suite(*names).coverage.met) <= set(deep(*names).coverage.met)


# --- exceptions ----------------------------------------------------------------------------------------------------------


def test_an_exception_is_crossed_by_each_way_out_alone() -> None:
    met = [one for one in deep("exception").coverage.met if one.startswith("exception")]
    assert met == [f"exception exception/1/{n} just {side}" for n, side in enumerate(("true", "false") * 2, 1)]
    for flipped in ("cabin", "insured"):
        (twin,) = {
            (case.verdict, case.cause) for case in suite("exception").cases
            if flipped in case.flipped and case.side is Side.OVER_REFUSAL and "find_booking(" in case.flipped
        }  # fmt: skip
        assert twin == (Verdict.ALLOW, "unique")


# --- orders of events ----------------------------------------------------------------------------------------------------


def varied(found: Suite, value: str) -> tuple[Case, Case]:
    """A case and its variation of this kind, in the first context in which it was told."""
    by_id = {case.id: case for case in found.cases}
    return next((by_id[case.varied], case) for case in found.cases if case.varied and case.obligation.value == value)


def calls(case: Case) -> list[str]:
    return [event.arguments for event in case.history if isinstance(event, Call)]


def test_to_leave_the_look_up_out_turns_the_verdict() -> None:
    base, case = varied(deep("looked up"), "omit")
    assert {base.verdict, case.verdict} == {Verdict.ALLOW, Verdict.DENY}
    assert len(calls(case)) == len(calls(base)) - 1


def test_a_look_up_of_another_key_in_between_turns_nothing_and_that_is_proved_by_the_meaning() -> None:
    found = deep("looked up")
    base, case = varied(found, "between")
    assert base.verdict is case.verdict
    assert len(set(calls(case))) == len(set(calls(base))) + 1
    (proof,) = [one for one in found.infeasible if one.obligation.value == "between"]
    assert (proof.cause, proof.core) == ("flip", ("what is of another key or kind is not looked at",))


def test_to_swap_two_look_ups_turns_what_rests_on_the_newest() -> None:
    base, case = varied(deep("newest"), "swap")
    assert {base.verdict, case.verdict} == {Verdict.ALLOW, Verdict.DENY}
    outputs = [[event.output for event in one.history if isinstance(event, Result)] for one in (base, case)]
    assert outputs[0] == outputs[1][::-1]


def test_what_lies_just_outside_of_the_window_is_forgotten() -> None:
    base, case = varied(deep("window"), "outside")
    assert (base.verdict, case.verdict) == (Verdict.ALLOW, Verdict.DENY)
    hour = 3_600_000
    ages = [
        (one.step.event.time or 0) - max(event.time or 0 for event in one.history if isinstance(event, Result))
        for one in (base, case)
    ]
    assert ages[0] <= hour < ages[1] == hour + 1_000


def test_a_cancellation_before_the_look_up_is_not_since_it() -> None:
    base, case = varied(deep("untouched"), "swap")  # next to each other, so it lies before it as well
    assert base.verdict is not case.verdict
    assert {one.change for one in differences(base.history, case.history, None, None)} == {"swap", "outside"}


def test_case_and_variation_differ_in_nothing_but_the_order() -> None:
    for names in (("looked up",), ("window",), ("limit",), ("newest",)):
        by_id = {case.id: case for case in deep(*names).cases}
        for case in by_id.values():
            if case.varied in by_id:
                base = by_id[case.varied]
                now = base.step.event.time
                changes = {one.change for one in differences(base.history, case.history, 86_400_000, now)}
                changes |= {one.change for one in differences(base.history, case.history, 3_600_000, now)}
                assert changes
                assert base.world.facts == case.world.facts
                assert base.context == case.context


def test_a_rule_that_can_never_fire_has_no_orders() -> None:
    found = deep("forbid cancel_booking(id: r) when once find_booking(id: r) and not once find_booking(id: r)")
    assert found.coverage.levels[Level.ORDER].met == 0
    assert found.coverage.levels[Level.ORDER].infeasible > 0


# --- pairs of rules ------------------------------------------------------------------------------------------------------


def test_where_two_rules_meet_the_strictest_verdict_wins() -> None:
    rules = ("warn", "forbid issue_voucher when amount > 90")
    found = invert(policy(*rules), settings=msgspec.structs.replace(FULL, minimal=False))
    both = [one for one in found.coverage.met if one.startswith("pair") and one.endswith("both")]
    assert len(both) == 1
    loud = [case for case in found.cases if case.verdict is Verdict.DENY]
    assert loud
    assert found.coverage.levels[Level.PAIR] == Count(met=2, infeasible=1)


def test_a_pair_that_cannot_meet_names_the_parts_that_exclude_each_other() -> None:
    found = invert(policy("threshold", "ask issue_voucher when amount < 50"), settings=FULL)
    (proof,) = [one for one in found.infeasible if one.obligation.level is Level.PAIR]
    assert proof.core == ("`amount > 100` (of `threshold/1`)", "`amount < 50` (of `something-else/1`)")


def test_what_a_permit_and_a_rule_both_claim_is_shown_and_never_put_to_a_target() -> None:
    found = deep("threshold", "permit issue_voucher when amount > 90")
    both = [case for case in found.cases if case.obligation.level is Level.PAIR and case.obligation.value == "both"]
    assert all(not case.runs for case in both)


def test_more_pairs_than_are_looked_at_are_open_with_the_reason() -> None:
    names = ("threshold", "two conditions", "limit", "warn")
    few = invert(policy(*names), settings=msgspec.structs.replace(FULL, pairs=2))
    assert few.coverage.levels[Level.PAIR].open == 4 * 3  # six pairs, of which two are looked at
    (rest,) = [one for one in few.open if one.obligation.rule == "*"]
    assert "no more than 2 pairs" in rest.reason


# --- how few -------------------------------------------------------------------------------------------------------------


def test_a_suite_says_how_few_cases_would_do() -> None:
    names = ("two conditions", "limit", "exception")
    whole = invert(policy(*names), settings=msgspec.structs.replace(suite(*names).settings, minimal=False))
    few = suite(*names)
    assert few.size.cases == len(few.cases) == few.size.lower_bound == whole.size.lower_bound < len(whole.cases)
    assert few.coverage == whole.coverage
    assert few.size.exact
    assert not whole.size.exact


def test_no_twin_is_left_without_its_violating_case_and_no_clause_without_its_question() -> None:
    for names in (("two conditions", "threshold", "limit"), ("exception", "confirmed"), ("no poison", "no prices")):
        for found in (suite(*names), deep(*names)):
            known = {case.id for case in found.cases}
            for case in found.cases:
                assert case.twin is None or case.twin in known
                assert case.varied is None or case.varied in known
                assert case.family in known
            asked = {(case.clause, case.side) for case in found.cases if case.runs}
            assert asked >= {(clause.id, Side.VIOLATION) for clause in policy(*names).clauses if clause.rules}


# --- the lattice ---------------------------------------------------------------------------------------------------------


def test_the_order_of_levels_is_a_partial_order_below_the_highest() -> None:
    for level in COUNTED:
        assert level in implied(level)
        for lower in implied(level):
            assert implied(lower) <= implied(level)
            assert lower is level or level not in implied(lower)
    assert frozenset().union(*(implied(level) for level in highest())) == frozenset(COUNTED)


LATTICE = [
    ("looked up",), ("exception",), ("window",), ("limit",), ("newest",), ("two conditions", "threshold"), ("coupled",),
    ("looked up", "confirmed"), ("no poison", "no prices"),
]  # fmt: skip


@pytest.mark.parametrize("names", LATTICE, ids=" + ".join)
def test_what_a_level_implies_is_met_with_it_also_by_parts_of_a_suite(names: tuple[str, ...]) -> None:
    from obverse.cases.coverage import demands

    found, checked = deep(*names), policy(*names)
    forced = {one.obligation.rule for one in found.infeasible if one.cause != "flip"}
    shared = {"two-conditions/1", "coupled/1"} & {rule.id for rule in checked.rules}
    for part in (found.cases, found.cases[::2], found.cases[: len(found.cases) // 2], found.cases[1:]):
        met: dict[tuple[str, Level], list[bool]] = {}
        for obligation, shown_by in demands(checked, part, found.infeasible, settings=found.settings):
            met.setdefault((obligation.rule, obligation.level), []).append(next(shown_by, None) is not None)
        for rule in checked.rules:
            if rule.id in forced | shared or rule.verdict is None:
                continue
            for arrow in ARROWS:
                upper, lower = met.get((rule.id, arrow.upper)), met.get((rule.id, arrow.lower))
                if upper and lower and all(upper):
                    assert all(lower), f"{arrow.upper} of {rule.id} without {arrow.lower}"
