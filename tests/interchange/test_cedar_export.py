"""What is exported to Cedar decides there as `decide` does here; what cannot be said is named."""

from __future__ import annotations

import cedarpy
import msgspec
import pytest
from hypothesis import given, settings

from obverse.core.events import AnyEvent, Call, Fact, Message, Reply, Step
from obverse.core.verdicts import Verdict
from obverse.interchange.cedar_export import Exported, export_cedar
from obverse.interchange.cedar_request import request_of
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse
from obverse.testing.strategies import Size, checked_policies, scenarios

POLICY = """\
---
policy: shop
version: 1
---
```terms
tool pay(to: text, amount: number, count: integer optional, tags: list of text, who: (name: text)) effect money
tool look(id: text folded) effect read
fact user.tier: one of "gold", "regular" from host
judged message.yes "The user agrees." yes "Yes." no "No."
```

## One {#one}

```rule
RULES
```
"""
STRICTNESS = [Verdict.ALLOW, Verdict.WARN, Verdict.ASK, Verdict.DENY, Verdict.STOP]


def policy(*rules: str) -> Checked:
    return check(parse(POLICY.replace("RULES", "\n".join(rules))))


def in_cedar(checked: Checked, exported: Exported, history: tuple[AnyEvent, ...], step: Step) -> Verdict:
    request = request_of(checked, history, step, leaves=exported.leaves)
    answer = cedarpy.is_authorized(request, exported.text, [])
    assert not answer.diagnostics.errors
    return exported.verdict_of(
        answer.allowed, [int(name.removeprefix("policy")) for name in answer.diagnostics.reasons]
    )


def here(checked: Checked, exported: Exported, history: tuple[AnyEvent, ...], step: Step) -> Verdict:
    """What the rules that were exported say; a warning is none in Cedar."""
    kept = {*exported.rules, *(rule.id for rule in checked.rules if rule.kind == "permit")}
    ours = msgspec.structs.replace(checked, rules=tuple(rule for rule in checked.rules if rule.id in kept))
    verdict = decide(ours, history, step).verdict
    return Verdict.ALLOW if verdict is Verdict.WARN else verdict


def call(arguments: str, tool: str = "pay") -> Step:
    event = Call(id="s", time=0, call_id="s", tool=tool, arguments=arguments)
    return Step(event=event, turn=(event,))


PAYMENT = '{"to": "acme", "amount": 5, "tags": ["x"], "who": {"name": "bob"}}'
CONDITIONS = {
    'to = "acme"': True,
    'to != "mallory"': True,
    "amount > 4.5": True,
    "amount <= 4.5": False,
    'to like "a?me*"': None,
    'to like "ac*e"': True,
    'to starts with "b"': False,
    'to in ["a", "acme"]': True,
    '"x" in tags': True,
    'any t in tags: t = "y"': False,
    'any t in tags: t in ["x", "y"]': True,
    'all t in tags: t = "x"': True,
    'all t in tags: t != "x"': False,
    'who.name = "bob"': True,
    "count is present": False,
    "not count is present": True,
    'user.tier = "gold"': True,
    "message.yes": False,
    'now > time "1969-01-01"': True,
    "turn.calls > 1": False,
    "turn has text": False,
    "length(tags) > 1": None,
    "once look": None,
    'to matches "a.*"': None,
}


@pytest.mark.parametrize(("condition", "value"), CONDITIONS.items(), ids=CONDITIONS)
def test_a_condition_means_the_same_in_cedar_or_is_left_out(condition: str, value: bool | None) -> None:
    checked = policy(f"forbid pay when {condition} trusting judge")
    exported = export_cedar(checked)
    history = (
        Fact(id="f", name="user.tier", value="gold"),
        Message(id="m", text="No.", labels={"message.yes": False}),
    )
    if value is None:
        assert exported.rules == ()
        assert exported.left_out[0].loosens
    else:
        assert cedarpy.validate_policies(exported.text, exported.schema).validation_passed
        assert in_cedar(checked, exported, history, call(PAYMENT)) is (Verdict.DENY if value else Verdict.ALLOW)


@pytest.mark.parametrize(
    "arguments",
    [
        "{}",
        '{"to": 5}',
        '{"to": null}',
        '{"to": "acm\u0435"}',
        '{"to": "a", "to": "b"}',
        '{"to": "a", "more": 1}',
        "no JSON",
    ],
)
def test_what_is_not_known_is_denied_in_cedar_too(arguments: str) -> None:
    checked = policy('forbid pay when to = "acme"')
    exported = export_cedar(checked)
    assert in_cedar(checked, exported, (), call(arguments)) is Verdict.DENY


@pytest.mark.parametrize("rule", ["forbid pay when amount is present", "forbid pay unless amount is present"])
@pytest.mark.parametrize("amount", ["1e-9", "5", '"5"', "null"])
def test_what_cedar_cannot_hold_is_present_all_the_same(rule: str, amount: str) -> None:
    checked = policy(rule)
    exported = export_cedar(checked)
    assert cedarpy.validate_policies(exported.text, exported.schema).validation_passed
    step = call(f'{{"amount": {amount}}}')
    assert in_cedar(checked, exported, (), step) is decide(checked, (), step).verdict


def test_a_request_that_nobody_shaped_is_denied_and_not_skipped() -> None:
    checked = policy("forbid pay when amount > 100")
    exported = export_cedar(checked)
    request = request_of(checked, (), call(PAYMENT))
    request["context"]["input"]["amount"] = "a text where a number belongs"
    answer = cedarpy.is_authorized(request, exported.text, [])
    assert answer.diagnostics.errors
    assert not answer.allowed


def test_cedar_names_the_clause_that_decides_and_its_verdict() -> None:
    checked = policy("ask pay when amount > 1", 'stop pay when to = "acme"', "warn pay")
    exported = export_cedar(checked)
    assert in_cedar(checked, exported, (), call(PAYMENT)) is Verdict.STOP
    assert [(one.rule, one.loosens) for one in exported.left_out] == [("one/3", False)]


def test_a_text_that_is_folded_is_compared_without_case() -> None:
    checked = policy('forbid look when id = "Secret"')
    exported = export_cedar(checked)
    assert in_cedar(checked, exported, (), call('{"id": "SECRET"}', "look")) is Verdict.DENY
    assert in_cedar(checked, exported, (), call('{"id": "other"}', "look")) is Verdict.ALLOW


def test_with_leaves_every_rule_is_said() -> None:
    checked = policy("forbid pay unless once look within 1h", "limit pay to 3 per 1d")
    assert len(export_cedar(checked, leaves=True).rules) == 2
    assert export_cedar(checked).rules == ()


@settings(max_examples=60, deadline=None)
@given(checked=checked_policies(), scenario=scenarios(Size(oddities=False)))
def test_L20_cedar_and_decide_agree(checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step]) -> None:
    for leaves in (False, True):
        exported = export_cedar(checked, leaves=leaves)
        if approvals_matter(checked, scenario):
            continue
        assert in_cedar(checked, exported, *scenario) is here(checked, exported, *scenario)


@settings(max_examples=60, deadline=None)
@given(checked=checked_policies(), scenario=scenarios())
def test_L20_cedar_never_allows_what_decide_blocks(
    checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step]
) -> None:
    for leaves in (False, True):
        exported = export_cedar(checked, leaves=leaves)
        there, ours = in_cedar(checked, exported, *scenario), here(checked, exported, *scenario)
        assert STRICTNESS.index(there) >= STRICTNESS.index(ours) or approvals_matter(checked, scenario)


def approvals_matter(checked: Checked, scenario: tuple[tuple[AnyEvent, ...], Step]) -> bool:
    """Whether a person approved something: Cedar is asked before anybody is."""
    return any(event.__class__.__name__ == "Approval" for event in scenario[0])


@settings(max_examples=60, deadline=None)
@given(checked=checked_policies())
def test_what_is_exported_is_valid_under_its_schema(checked: Checked) -> None:
    for leaves in (False, True):
        exported = export_cedar(checked, leaves=leaves)
        assert cedarpy.validate_policies(exported.text, exported.schema).validation_passed


def test_replies_are_an_action_too() -> None:
    checked = check(
        parse(
            POLICY.replace("version: 1", "version: 1\ndefault: {replies: deny}").replace(
                "RULES", "permit reply when message.yes"
            )
        )
    )
    exported = export_cedar(checked)
    reply = Reply(id="r", text="Hello.")
    step = Step(event=reply, turn=(reply,))
    for said, verdict in ((True, Verdict.ALLOW), (False, Verdict.DENY)):
        history = (Message(id="m", text="…", labels={"message.yes": said}),)
        assert in_cedar(checked, exported, history, step) is verdict
        assert decide(checked, history, step).verdict is verdict
