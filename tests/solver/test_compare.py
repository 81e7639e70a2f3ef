"""`compare`: each kind of difference with a scenario that both policies decide, and proofs that there is none."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from obverse.core.events import Approval, Call, Message
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse
from obverse.solver.answers import Act
from obverse.solver.changes import Change, Comparison
from obverse.solver.compare import compare
from obverse.solver.find import Finder
from obverse.solver.settings import Settings

from .changing import pair, with_holes
from .policies import CLEAN, policy
from .randomly import ANSWER, PAY, Scenarios

ALLOW, WARN, ASK, DENY, STOP = (Verdict(name) for name in ("allow", "warn", "ask", "deny", "stop"))
REFUND, CANCEL = Act(kind="call", tool="refund"), Act(kind="call", tool="cancel")


def compared(old: str, new: str) -> Comparison:
    """The comparison of the shop with these rules in one clause; every change is replayed once more."""
    return replayed(policy(f"c: {old}"), policy(f"c: {new}"))


def replayed(old: Checked, new: Checked) -> Comparison:
    """The comparison, each of whose changes shows what it claims."""
    found = compare(old, new)
    for change in found.changes:
        history, step = change.scenario.history, change.scenario.step
        assert decide(old, history, step).verdict is change.old
        assert decide(new, history, step).verdict is change.new
        assert change.old is not change.new
    return found


def verdicts(found: Comparison) -> set[tuple[Verdict, Verdict]]:
    """What the verdict was and is, of each change."""
    return {(change.old, change.new) for change in found.changes}


def only(found: Comparison) -> Change:
    """The only change."""
    (change,) = found.changes
    return change


# --- what changes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("ask refund when amount > 100", "ask refund when amount > 200", {(ASK, ALLOW)}),
        ("ask refund when amount > 200", "ask refund when amount > 100", {(ALLOW, ASK)}),
        ("forbid refund when amount > 100", "ask refund when amount > 100", {(DENY, ASK)}),
        ("forbid refund when amount > 100", "stop refund when amount > 100", {(DENY, STOP)}),
        ("forbid refund when amount > 100", "forbid mail", {(DENY, ALLOW), (ALLOW, DENY)}),
        ("warn refund", "forbid mail", {(WARN, ALLOW), (ALLOW, DENY)}),
        ("forbid refund when amount > 9 or amount < 5", "forbid refund when amount > 9", {(DENY, ALLOW)}),
        ("forbid cancel(id: r) unless once find_order(id: r)", "forbid cancel unless once find_order", {(DENY, ALLOW)}),
        ("limit refund to 3 per 24h by id", "limit refund to 2 per 24h by id", {(ALLOW, DENY)}),
        ("limit refund to 3 per 24h by id", "limit refund to 3 per 24h", {(ALLOW, DENY)}),
        ("limit refund to 3 per 24h", "limit refund to 3 per 48h", {(ALLOW, DENY)}),
        ("forbid refund unless customer.verified", "forbid refund when not customer.verified", set()),
        ("forbid reply when reply.names_a_price", "warn reply when reply.names_a_price", {(DENY, WARN)}),
    ],
)
def test_a_difference_is_shown_by_the_two_verdicts(old: str, new: str, shown: set[tuple[Verdict, Verdict]]) -> None:
    found = compared(old, new)
    assert verdicts(found) == shown
    assert not found.undecided
    assert found.same is (Truth.FALSE if shown else Truth.TRUE)


def test_a_change_says_which_rules_are_behind_it_and_which_way_it_goes() -> None:
    change = only(compared("ask refund when amount > 100", "ask refund when amount > 200"))
    assert [(rule.of, rule.rule) for rule in change.rules] == [("old", "c/1")]
    assert (change.kind, change.loosens, change.act) == ("newly allowed", True, REFUND)


def test_a_witness_is_short_and_stands_at_the_threshold() -> None:
    scenario = only(compared("forbid refund when amount > 100", "forbid refund when amount > 500")).scenario
    assert [type(event) for event in scenario.history] == [Message]
    assert isinstance(scenario.step.event, Call)
    assert '"amount": 101' in scenario.step.event.arguments


def test_more_people_to_ask_is_shown_with_the_approvals_that_did() -> None:
    change = only(compared("ask refund", "ask refund by 3 people"))
    assert (change.old, change.new) == (ALLOW, ASK)
    assert 1 <= sum(isinstance(event, Approval) for event in change.scenario.history) <= 2
    fewer = only(compared("ask refund by 3 people", "ask refund by 2 people"))
    assert (fewer.old, fewer.new) == (ASK, ALLOW)


def test_what_shows_only_once_people_approved_is_found() -> None:
    change = only(compared("ask refund\nwarn refund", "ask refund"))
    assert (change.old, change.new) == (WARN, ALLOW)


def test_approvals_do_not_disturb_a_rule_that_looks_at_the_newest_event() -> None:
    change = only(compared("ask refund\nwarn refund when previous message", "ask refund"))
    assert (change.old, change.new) == (WARN, ALLOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limit refund to 500 per 24h", "limit refund to 501 per 24h"),
        ("limit refund to 500 per 24h", "limit refund to 500 per 23h"),
        ("limit refund to 500 per 24h by id", "limit refund to 500 per 24h"),
        ("forbid refund when count(call refund) > 500", "forbid refund when count(call refund) >= 500"),
        ("warn mail", "warn mail\nlimit refund to 500 per 24h"),
    ],
)
def test_a_large_count_is_shown_by_a_long_past(old: str, new: str) -> None:
    change = compared(old, new).changes[0]
    assert {change.old, change.new} == {ALLOW, DENY}
    assert sum(isinstance(event, Call) for event in change.scenario.history) >= 499


# --- what does not change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", CLEAN.values(), ids=CLEAN)
def test_a_policy_is_the_same_as_itself_without_a_question(rules: tuple[str, ...]) -> None:
    found = compare(policy(*rules), policy(*rules))
    assert (found.same, found.queries, found.unbounded) == (Truth.TRUE, 0, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("forbid refund when amount > 100 and amount > 50", "forbid refund when amount > 100"),
        ("forbid refund when amount > 100 or amount <= 100", "forbid refund"),
        ('forbid mail unless to at domain "a.org"', 'forbid mail when not to at domain "a.org"'),
        ("forbid refund\nask refund\nwarn refund", "forbid refund"),
        ("forbid refund, cancel", "forbid cancel\nforbid refund"),
        ("forbid cancel unless once find_order", "forbid cancel when not once find_order"),
        ("limit refund to 3 per 24h\nlimit refund to 5 per 24h", "limit refund to 3 per 24h"),
        ("ask refund by 2 people\nask refund", "ask refund by 2 people"),
    ],
)
def test_what_means_the_same_is_proved_to(old: str, new: str) -> None:
    found = compared(old, new)
    assert found.same is Truth.TRUE, (found.changes, found.undecided)


def test_a_proof_says_how_far_it_reaches() -> None:
    assert compared("warn refund when amount > 3 and amount > 2", "warn refund when amount > 3").bound == "unbounded"
    found = compared(
        "warn cancel when last find_order has total > 3",
        "warn cancel when last find_order has (total > 3 and total > 2)",
    )
    assert (found.same, found.bound) == (Truth.TRUE, "unbounded")
    found = compared(
        "warn cancel when previous result find_order has total > 3",
        "warn cancel when previous result find_order has (total > 3 and total > 2)",
    )
    assert (found.same, found.unbounded) == (Truth.TRUE, False)
    assert found.bound == "3 rounds of events, lists of up to 3"


def test_rules_that_stand_elsewhere_in_the_document_are_the_same_rules() -> None:
    old = policy("a: forbid refund", "b: ask mail")
    new = policy("b: ask mail", "other: forbid refund")
    assert compare(old, new).same is Truth.TRUE


# --- what is not known --------------------------------------------------------------------------------------------------


def test_a_condition_that_only_a_missing_value_makes_fire_is_a_difference() -> None:
    """L03: what is unknown fires, so a contradiction is not the same as no rule at all."""
    change = only(compared("forbid refund when amount > 9 and amount < 5", "warn cancel when false"))
    assert (change.old, change.new) == (DENY, ALLOW)
    assert isinstance(change.scenario.step.event, Call)
    assert "amount" not in change.scenario.step.event.arguments


def test_asking_whether_a_required_value_is_there_lets_calls_without_it_through() -> None:
    change = only(compared("forbid refund when amount > 9", "forbid refund when amount > 9 and amount is present"))
    assert (change.old, change.new) == (DENY, ALLOW)


def test_a_judge_that_does_not_answer_and_a_time_that_is_missing_are_thought_of() -> None:
    both = "forbid reply when reply.names_a_price and not reply.names_a_price"
    assert only(compared(both, "warn cancel when false")).scenario.step.event.labels == {"reply.refuses": False}  # type: ignore[union-attr]  # a reply
    never = "forbid cancel when once find_order where now < stamp"
    assert only(compared(never, "warn refund when false")).old is DENY


def test_what_does_not_fit_the_bound_is_undecided_and_never_the_same() -> None:
    old = "forbid refund when count(call refund) > 500"
    found = compared(
        old, f"{old}\nwarn refund when count(call refund) > 250 + 250\nwarn refund when count(call refund) > 500"
    )
    assert found.same is Truth.UNKNOWN
    assert "the bound is" in found.undecided[0].reason


def test_a_time_out_is_undecided() -> None:
    old, new = policy("c: forbid refund when amount * amount * amount > 7"), policy("c: forbid mail")
    found = compare(old, new, settings=Settings(effort=1))
    assert found.same is Truth.UNKNOWN


# --- other vocabularies, other defaults ---------------------------------------------------------------------------------


def shop(terms: str, rules: str, front: str = "") -> Checked:
    """A policy of these terms and rules."""
    return check(
        parse(f"---\npolicy: p\n{front}---\n# P\n\n```terms\n{terms}\n```\n\n## C {{#c}}\n\n```rule\n{rules}\n```\n")
    )


PAY_TERM = "tool pay(to: text, amount: number) effect money"


def test_a_new_tool_is_newly_allowed_and_one_that_is_gone_newly_denied() -> None:
    old = shop(PAY_TERM, "ask pay")
    new = shop(f"{PAY_TERM}\ntool note(text: text) effect read", "ask pay")
    change = only(replayed(old, new))
    assert (change.act.tool, change.old, change.new, change.rules[0].rule) == ("note", DENY, ALLOW, "@calls")
    assert only(replayed(new, old)).kind == "newly denied"


def test_a_new_parameter_is_newly_allowed() -> None:
    new = shop("tool pay(to: text, amount: number, memo: text) effect money", "ask pay when amount > 9")
    change = only(replayed(shop(PAY_TERM, "ask pay when amount > 9"), new))
    assert (change.old, change.new, change.rules[0].rule) == (DENY, ALLOW, "@arguments")
    assert isinstance(change.scenario.step.event, Call)
    assert "memo" in change.scenario.step.event.arguments


def test_a_new_member_of_a_list_of_records_is_newly_allowed() -> None:
    old = shop("tool pay(parts: list of (amount: number)) effect money", "ask pay")
    new = shop("tool pay(parts: list of (amount: number, to: text)) effect money", "ask pay")
    assert only(replayed(old, new)).rules[0].rule == "@arguments"


def test_a_new_member_of_a_result_changes_nothing_until_a_rule_reads_it() -> None:
    look, more = "tool look(id: text) -> (a: text) effect read", "tool look(id: text) -> (a: text, b: text) effect read"
    rule = 'forbid pay when last look has a = "x"'
    assert replayed(shop(f"{PAY_TERM}\n{look}", rule), shop(f"{PAY_TERM}\n{more}", rule)).same is Truth.TRUE
    read = 'forbid pay when last look has b = "x"'
    assert verdicts(replayed(shop(f"{PAY_TERM}\n{look}", rule), shop(f"{PAY_TERM}\n{more}", read))) == {
        (DENY, ALLOW),
        (ALLOW, DENY),
    }


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("calls: deny-unknown-tools", "calls: ask-unknown-tools", (DENY, ASK)),
        ("calls: deny-unknown-tools", "calls: allow-unknown-tools", (DENY, ALLOW)),
        ("arguments: deny-unknown", "arguments: allow-unknown", (DENY, ALLOW)),
        ("replies: deny", "replies: allow", (DENY, ALLOW)),
        ("replies: allow", "replies: deny", (ALLOW, DENY)),
    ],
)
def test_the_defaults_of_the_front_matter_are_compared(before: str, after: str, shown: tuple[Verdict, Verdict]) -> None:
    old, new = (shop(PAY_TERM, "ask pay when amount > 5", f"default: {{{one}}}\n") for one in (before, after))
    assert verdicts(replayed(old, new)) == {shown}


def test_a_permit_counts_where_replies_are_denied() -> None:
    front = "default: {replies: deny}\n"
    judged = f'{PAY_TERM}\njudged reply.kind "It is kind." yes "Dear!" no "Hm."'
    old, new = shop(judged, "permit reply when reply.kind", front), shop(judged, "permit reply", front)
    assert verdicts(replayed(old, new)) == {(DENY, ALLOW)}
    assert replayed(shop(judged, "permit reply when reply.kind"), shop(judged, "permit reply")).same is Truth.TRUE


def test_a_tool_that_gets_an_effect_comes_under_the_rules_about_it() -> None:
    rule = "forbid any call with effect money"
    change = only(
        replayed(
            shop("tool pay(to: text) effect read\ntool x() effect money", rule),
            shop("tool pay(to: text) effect money\ntool x() effect money", rule),
        )
    )
    assert (change.act.tool, change.kind) == ("pay", "newly denied")


@pytest.mark.parametrize(
    ("before", "after"),
    [("amount: number", "amount: number from text"), ("amount: number", "amount: integer")],
)
def test_a_type_that_changed_is_never_called_the_same(before: str, after: str) -> None:
    old, new = (shop(f"tool pay({one}) effect money", "forbid pay when amount > 9") for one in (before, after))
    found = replayed(old, new)
    assert found.same is not Truth.TRUE
    assert "`amount`" in found.undecided[0].reason
    assert (
        replayed(
            shop(f"tool pay({before}) effect money", "forbid pay"),
            shop(f"tool pay({after}) effect money", "forbid pay"),
        ).same
        is Truth.TRUE
    )


def test_a_word_that_an_enum_gained_is_tried() -> None:
    old, new = (
        shop(f"tool book(cabin: one of {words}) effect write", 'forbid book when cabin = "basic"')
        for words in ('"basic", "economy"', '"basic", "economy", "business"')
    )
    assert (DENY, ALLOW) in verdicts(replayed(old, new))


def test_another_pattern_of_a_judged_term_is_a_test_of_other_words() -> None:
    old, new = (
        shop(f'{PAY_TERM}\njudged reply.price "It names a price." matches "{one}"', "forbid reply when reply.price")
        for one in (".*EUR.*", ".*(EUR|USD).*")
    )
    change = only(replayed(old, new))
    assert (change.old, change.new, change.scenario.step.event.labels) == (ALLOW, DENY, {"reply.refuses": False})  # type: ignore[union-attr]  # a reply
    assert "USD" in change.scenario.step.event.text  # type: ignore[union-attr]  # a reply


def test_another_time_zone_is_never_called_the_same_where_bare_times_matter() -> None:
    terms = "tool pay(due: time) effect money"
    old, new = (shop(terms, "forbid pay when due < now", f'timezone: "{zone}"\n') for zone in ("+00:00", "+02:00"))
    assert replayed(old, new).same is not Truth.TRUE
    old, new = (shop(PAY_TERM, "forbid pay", f'timezone: "{zone}"\n') for zone in ("+00:00", "+02:00"))
    assert replayed(old, new).same is Truth.TRUE


# --- how it is asked ----------------------------------------------------------------------------------------------------


def test_the_first_difference_is_enough_where_that_is_asked() -> None:
    old, new = policy("c: forbid refund\nforbid mail\nforbid cancel"), policy("c: warn label")
    assert len(compare(old, new, first=True).changes) == 1
    assert len(compare(old, new).changes) == 4


def test_only_the_acts_that_are_named_are_compared() -> None:
    old, new = policy("c: forbid refund\nforbid mail"), policy("c: warn label")
    assert {change.act for change in compare(old, new, acts=[REFUND, CANCEL]).changes} == {REFUND}


def test_a_finder_that_is_kept_gives_the_same_answers() -> None:
    old = policy("c: forbid cancel(id: r) unless once find_order(id: r)\nlimit refund to 3 per 24h by id")
    news = [
        policy(f"c: forbid cancel(id: r) unless once find_order(id: r)\nlimit refund to {n} per 24h by id")
        for n in (1, 2, 4)
    ]
    finder = Finder(old)
    kept = [compare(old, new, finder=finder) for new in news]
    assert [verdicts(one) for one in kept] == [verdicts(compare(old, new)) for new in news]


def test_a_finder_of_another_vocabulary_is_not_used() -> None:
    old = shop(PAY_TERM, "ask pay")
    new = shop(f"{PAY_TERM}\ntool note() effect read", "ask pay\nforbid note")
    assert compare(old, new, finder=Finder(old)).same is Truth.TRUE


def test_the_same_comparison_gives_the_same_scenarios() -> None:
    old, new = policy("c: limit refund to 3 per 24h by id"), policy("c: limit refund to 3 per 24h")
    assert msgspec.json.encode(compare(old, new)) == msgspec.json.encode(compare(old, new))


# --- against sampling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [PAY, ANSWER], ids=["a call", "a reply"])
@pytest.mark.parametrize("seed", range(3))
def test_what_sampling_shows_to_differ_is_never_called_the_same(seed: int, act: Act) -> None:
    random = Random(f"compare {seed} {act.kind}")
    shown = proved = 0
    for _ in range(60):
        old, new = pair(random, act)
        found = compare(old, new)
        proved += found.same is Truth.TRUE
        for _ in range(30):
            scenario = Scenarios(random, act).scenario()
            if random.random() < 0.5:
                scenario = with_holes(random, scenario)
            before, after = (decide(one, scenario.history, scenario.step).verdict for one in (old, new))
            if before is not after:
                shown += 1
                assert found.same is not Truth.TRUE, (old.rules, new.rules, scenario)
                break
    assert shown > 10
    assert proved > 10
