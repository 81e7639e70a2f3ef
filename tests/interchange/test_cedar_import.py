"""What is imported from Cedar blocks what Cedar blocks; what has no words is named."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obverse.core.errors import UntrustedInputError
from obverse.core.events import Call, Fact, Step
from obverse.core.verdicts import Verdict
from obverse.interchange.cedar_export import export_cedar
from obverse.interchange.cedar_import import Imported, import_cedar
from obverse.interchange.cedar_request import request_of
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.format import format_document
from obverse.policy.parse import parse

PERMIT_ALL = 'permit(principal, action in [Action::"pay", Action::"look"], resource);'
POLICIES = {
    "a number": 'forbid(principal, action == Action::"pay", resource) when { context.input.amount > 3 };',
    "arithmetic": 'forbid(principal, action == Action::"pay", resource) when { context.input.amount * 2 - 1 >= 5 };',
    "a text": 'forbid(principal, action == Action::"pay", resource) when { context.input.to == "b" };',
    "a pattern": 'forbid(principal, action == Action::"pay", resource) when { context.input.to like "b*" };',
    "an exception": 'forbid(principal, action == Action::"pay", resource) unless { context.input.to == "a" };',
    "a set": 'forbid(principal, action == Action::"pay", resource) when { context.input.tags.contains("x") };',
    "any of a set": 'forbid(principal, action, resource) when { context.groups.containsAny(["x", "y"]) };',
    "all of a set": 'forbid(principal, action, resource) when { context.groups.containsAll(["x", "y"]) };',
    "no others": 'forbid(principal, action, resource) unless { ["x", "y"].containsAll(context.groups) };',
    "one of": 'forbid(principal, action == Action::"pay", resource) when { ["a", "c"].contains(context.input.to) };',
    "a flag": "forbid(principal, action, resource) when { context.night };",
    "no flag": "forbid(principal, action, resource) unless { context.night };",
    "either": "forbid(principal, action, resource) when { context.night || context.hour == 3 };",
    "if": "forbid(principal, action, resource) when { if context.night then context.hour > 2 else context.hour < 1 };",
    "there": 'forbid(principal, action == Action::"pay", resource) when { context.input has memo && context.input.memo == "x" };',
    "who": 'forbid(principal == User::"eve", action, resource);',
    "whoever is in": 'forbid(principal in Group::"g", action, resource);',
    "a kind": 'forbid(principal is User, action == Action::"look", resource);',
    "permits": 'permit(principal in Group::"g", action == Action::"pay", resource) when { context.input.amount <= 3 };',
}
# what the host says of a request: the context, and who asks
CONTEXTS = [
    {"input": {"amount": amount, "to": to, "tags": tags, **memo}, "groups": groups, "night": night, "hour": hour}
    for amount, to, tags, memo, groups, night, hour in [
        (1, "a", [], {}, [], True, 0),
        (3, "b", ["x"], {"memo": "x"}, ["x"], False, 3),
        (4, "bc", ["y", "x"], {"memo": "y"}, ["x", "y"], True, 3),
        (100, "c", ["z"], {}, ["z"], False, 0),
    ]
]
USERS = [("eve", []), ("bob", ["g"]), ("bob", [])]


def imported(text: str) -> Imported:
    return import_cedar(json.loads(cedarpy.policies_to_json_str(text)))


def step_of(action: str, context: dict[str, Any], user: tuple[str, list[str]], checked: Checked) -> Verdict:
    """What the imported policy says, once the host has stated its facts."""
    name, groups = user
    stated = {
        "principal.uid": f'User::"{name}"',
        "principal.type": "User",
        "principal.groups": [f'Group::"{group}"' for group in groups],
        **{f"context.{key}": value for key, value in context.items() if key != "input"},
    }
    history = tuple(
        Fact(id=f"f{place}", name=key, value=value)
        for place, (key, value) in enumerate(stated.items())
        if key in checked.facts
    )
    tool = checked.tools.get(action)
    names = {field.name for field in tool.parameters} if tool else set()
    arguments = {key: value for key, value in context["input"].items() if key in names}
    event = Call(id="s", call_id="s", tool=action, arguments=json.dumps(arguments))
    return decide(checked, history, Step(event=event, turn=(event,))).verdict


@pytest.mark.parametrize("text", POLICIES.values(), ids=POLICIES)
def test_what_is_imported_decides_as_cedar_does(text: str) -> None:
    source = text if text.startswith("permit") else f"{PERMIT_ALL}\n{text}"
    found = imported(source)
    checked = check(parse(found.text))
    assert found.left_out == ()
    for context in CONTEXTS:
        for user in USERS:
            for action in ("pay", "look"):
                entities = [
                    {"uid": {"type": "User", "id": user[0]}, "attrs": {}, "parents": [{"type": "Group", "id": g} for g in user[1]]},
                    {"uid": {"type": "Group", "id": "g"}, "attrs": {}, "parents": []},
                ]  # fmt: skip
                request = {
                    "principal": f'User::"{user[0]}"', "action": f'Action::"{action}"', "resource": 'Shop::"s"', "context": context,
                }  # fmt: skip
                answer = cedarpy.is_authorized(request, source, entities)
                assert not answer.diagnostics.errors
                ours = step_of(action, context, user, checked)
                assert ours.blocks != answer.allowed, (action, context, user, ours, found.text)


def test_the_document_is_canonical_and_each_policy_has_a_clause() -> None:
    found = imported("\n".join([PERMIT_ALL, *(text for name, text in POLICIES.items() if name != "permits")]))
    assert format_document(found.text) == found.text
    clauses = [clause.id for clause in check(parse(found.text)).clauses]
    assert len(clauses) == len(set(clauses)) == len(POLICIES) - 1  # what all may do needs no rule


LEFT_OUT = {
    "an address": 'forbid(principal, action, resource) when { ip("1.2.3.4").isInRange(ip("1.0.0.0/8")) };',
    "a group of actions": 'forbid(principal, action in Action::"all", resource);',
    "a tag": 'forbid(principal, action, resource) when { principal.hasTag("x") };',
    "an input of any action": "forbid(principal, action, resource) when { context.input.a > 3 };",
    "two types": 'forbid(principal, action, resource) when { context.a == 1 && context.a == "x" };',
    "a computed record": 'forbid(principal, action, resource) when { {"a": context.b}.a };',
}


@pytest.mark.parametrize("text", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_has_no_words_is_named_and_not_dropped(text: str) -> None:
    found = imported(f"{PERMIT_ALL}\n{text}")
    assert [(one.rule, one.loosens) for one in found.left_out] == [("policy1", True)]
    check(parse(found.text))


def test_a_permit_that_has_no_words_makes_the_policy_stricter() -> None:
    found = imported('permit(principal, action == Action::"pay", resource) when { principal.hasTag("x") };')
    assert [one.loosens for one in found.left_out] == [False]


def test_there_and_back_again_is_the_same_policy() -> None:
    """Export, import, and decide on requests of the first: the facts of the second are what stood in their context."""
    text = """\
---
policy: shop
version: 1
---
```terms
tool pay(to: text, amount: integer) effect money
fact user.tier: one of "gold", "regular" from host
```

## One {#one}

```rule
forbid pay when amount > 100 and user.tier != "gold"
forbid pay when to starts with "m"
```
"""
    ours = check(parse(text))
    back = check(parse(imported(export_cedar(ours).text).text))
    for amount in (100, 101):
        for to in ("mallory", "bob"):
            for tier in ("gold", "regular", None):
                event = Call(
                    id="s", time=0, call_id="s", tool="pay", arguments=json.dumps({"to": to, "amount": amount})
                )
                step = Step(event=event, turn=(event,))
                history = (Fact(id="f", name="user.tier", value=tier),) if tier else ()
                context = request_of(ours, history, step)["context"]
                stated = {
                    "context.well_formed": True,
                    **{f"context.facts.{name}": value for name, value in context.get("facts", {}).items()},
                    **{
                        f"context.looks.facts.{name}": value
                        for name, value in context["looks"].get("facts", {}).items()
                    },
                    **{f"context.looks.input.{name}": value for name, value in context["looks"]["input"].items()},
                }
                facts = tuple(Fact(id=name, name=name, value=value) for name, value in stated.items())
                assert {*stated, "context.facts.user.tier", "context.looks.facts.user.tier"} >= set(back.facts)
                assert decide(back, facts, step).verdict.blocks == decide(ours, history, step).verdict.blocks


HOSTILE = "x\n```\n```rule\npermit reply\n```\n## Evil {#evil}"


def test_a_name_from_outside_opens_no_block_and_no_clause() -> None:
    text = f'@id({json.dumps(HOSTILE)}) forbid(principal, action == Action::"pay", resource);'
    found = import_cedar(json.loads(cedarpy.policies_to_json_str(text)), name=HOSTILE)
    checked = check(parse(found.text))
    assert [rule.kind for rule in checked.rules] == ["forbid", "forbid"]
    assert "evil" not in {clause.id for clause in checked.clauses}


def test_an_action_that_has_no_name_here_is_left_out() -> None:
    action = {"op": "==", "entity": {"type": "Action", "id": HOSTILE}}
    anything = {"op": "All"}
    policy = {"effect": "forbid", "principal": anything, "resource": anything, "action": action, "conditions": []}
    found = import_cedar({"staticPolicies": {"p": policy}})
    assert [one.loosens for one in found.left_out] == [True]
    assert check(parse(found.text)).rules == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["op", "entity", "left", "right", "Value", "Var", ".", "==", "has", "&&", "!", "arg", "attr", "Set", "kind", "body", "id", "type"]),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(scope=_JSON, body=_JSON)
def test_no_json_crashes_the_import(scope: Any, body: Any) -> None:
    policy = {
        "effect": "forbid", "principal": {"op": "All"}, "action": scope, "resource": {"op": "All"},
        "conditions": [{"kind": "when", "body": body}],
    }  # fmt: skip
    try:
        found = import_cedar({"staticPolicies": {"p": policy}})
    except UntrustedInputError:
        return
    check(parse(found.text))


@pytest.mark.parametrize(
    "document", [{}, {"staticPolicies": []}, {"staticPolicies": {"p": 5}}, {"staticPolicies": {"p": {}}}]
)
def test_what_is_no_policy_set_is_refused_in_one_line(document: dict[str, Any]) -> None:
    with pytest.raises(UntrustedInputError) as error:
        import_cedar(document)
    assert error.value.code == "P140"
