"""Engines of others, asked what `decisions.py` asks ours. Runs in an environment of its own, where they are installed.

    python decisions_peers.py ENGINE < work.json > results.jsonl

Each engine gets the rules that it can say; which those are stands with it. What it must do once (parse, compile) is not measured,
reading the raw arguments is.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from decisions_work import HOUR, Decide, measured, stateless

PREPARING = 10
"""Seconds that an engine has to take in a history."""

Rules = list[dict[str, Any]]
Events = list[dict[str, Any]]


def cedar(rules: Rules, _history: Events) -> Decide:
    import cedarpy

    lines = ["permit(principal, action, resource);"]
    for rule in stateless(rules):
        test = (
            f"context.cents > {rule['bound'] * 100}"
            if rule["kind"] == "above"
            else f"{json.dumps(rule['names'])}.contains(context.to)"
        )
        lines.append(f'forbid(principal, action == Action::"{rule["tool"]}", resource) when {{ {test} }};')
    policies, entities = cedarpy.PolicySet.from_str("\n".join(lines)), cedarpy.Entities.from_json_str("[]")

    def decide(tool: str, text: str, _now: int) -> bool:
        arguments = json.loads(text)
        arguments["cents"] = round(arguments.pop("amount") * 100)  # Cedar's numbers are whole
        request = {
            "principal": 'Agent::"a"',
            "action": f'Action::"{tool}"',
            "resource": 'App::"x"',
            "context": arguments,
        }
        return bool(cedarpy.is_authorized(request, policies, entities).allowed)

    return decide


def rego(rules: Rules, _history: Events) -> Decide:
    return _rego(stateless(rules), [])


def rego_with_past(rules: Rules, history: Events) -> Decide:
    return _rego(rules, history)


def _rego(rules: Rules, history: Events) -> Decide:
    from regopy import Interpreter

    lines = ["package guard", "import rego.v1"]
    for rule in rules:
        test = {
            "above": lambda rule: f"input.args.amount > {rule['bound']}",
            "among": lambda rule: f"input.args.to in {{{', '.join(map(json.dumps, rule['names']))}}}",
            "seen": lambda rule: f'not seen("{rule["look"]}")',
            "count": lambda rule: f"paid >= {rule['most']}",
        }[rule["kind"]](rule)
        lines.append(f'deny contains "{rule["id"]}" if {{ input.tool == "{rule["tool"]}"; {test} }}')
    lines.append("seen(tool) if { some e in data.past; e.tool == tool; e.account == input.args.account }")
    lines.append(
        "paid := count([1 | some e in data.past; e.tool == input.tool; e.account == input.args.account; "
        f"input.now - e.time <= {HOUR}])"
    )
    engine = Interpreter()
    past = [{"tool": e["tool"], "account": json.loads(e["arguments"])["account"], "time": e["time"]} for e in history]
    engine.add_data_json(json.dumps({"past": past}))
    engine.add_module("guard", "\n".join(lines))
    bundle = engine.build("data.guard.deny")

    def decide(tool: str, text: str, now: int) -> bool:
        engine.set_input_term(f'{{"tool": "{tool}", "args": {text}, "now": {now}}}')
        found = json.loads(str(engine.query_bundle(bundle)))
        return not found["expressions"][0]

    return decide


def invariant(rules: Rules, _history: Events) -> Decide:
    from invariant.analyzer import LocalPolicy

    parts = []
    for rule in stateless(rules):
        given = "call.function.arguments"
        above = rule["kind"] == "above"
        test = f'{given}["amount"] > {rule["bound"]}' if above else f'{given}["to"] in {json.dumps(rule["names"])}'
        parts.append(f'raise "{rule["id"]}" if:\n    (call: ToolCall)\n    call is tool:{rule["tool"]}\n    {test}\n')
    policy = LocalPolicy.from_string("\n".join(parts))

    def decide(tool: str, text: str, _now: int) -> bool:
        call = {"id": "1", "type": "function", "function": {"name": tool, "arguments": json.loads(text)}}
        return not policy.analyze([{"role": "assistant", "content": "", "tool_calls": [call]}]).errors

    return decide


def governance_toolkit(rules: Rules, _history: Events) -> Decide:
    from agent_os.policies import (
        PolicyAction,
        PolicyCondition,
        PolicyDocument,
        PolicyEvaluator,
        PolicyOperator,
        PolicyRule,
    )

    made = [
        PolicyRule(
            name=rule["id"],
            condition=PolicyCondition(
                field=f"{rule['tool']}.{'amount' if rule['kind'] == 'above' else 'to'}",
                operator=PolicyOperator.GT if rule["kind"] == "above" else PolicyOperator.IN,
                value=rule["bound"] if rule["kind"] == "above" else rule["names"],
            ),
            action=PolicyAction.DENY,
        )
        for rule in stateless(rules)
    ]
    evaluator = PolicyEvaluator([PolicyDocument(name="work", rules=made)])

    def decide(tool: str, text: str, _now: int) -> bool:
        return bool(evaluator.evaluate({f"{tool}.{name}": value for name, value in json.loads(text).items()}).allowed)

    return decide


def sponsio(rules: Rules, _history: Events) -> Decide:
    guard = _sponsio(stateless(rules))
    return lambda tool, text, _now: bool(guard.guard_before(tool, json.loads(text)).allowed)


def sponsio_with_history(rules: Rules, history: Events) -> Decide:
    guard, end = _sponsio(rules), time.monotonic() + PREPARING
    for place, event in enumerate(history):
        if time.monotonic() > end:
            raise TimeoutError(f"took in {place} of {len(history)} calls in {PREPARING} s")
        guard.guard_before(event["tool"], json.loads(event["arguments"]))
    return lambda tool, text, _now: bool(guard.guard_before(tool, json.loads(text)).allowed)


def _sponsio(rules: Rules) -> Any:
    from sponsio import contract
    from sponsio.integrations.base import BaseGuard
    from sponsio.patterns import library

    made = []
    for rule in rules:
        formula = {
            "above": lambda rule: library.arg_value_range(rule["tool"], "amount", max_val=rule["bound"]),
            "among": lambda rule: library.arg_blacklist(rule["tool"], "to", [f"^{name}$" for name in rule["names"]]),
            "seen": lambda rule: library.must_precede(rule["look"], rule["tool"]),
            "count": lambda rule: library.rate_limit(rule["tool"], 10**6),
        }[rule["kind"]](rule)
        made.append(contract(rule["id"]).guarantees(formula))
    return BaseGuard(contracts=made, verbose=False, auto_summary=False, init_banner=False, mode="enforce")


def nemo(rules: Rules, _history: Events) -> Decide:
    from nemoguardrails import LLMRails, RailsConfig

    patterns = [
        f'tool {rule["tool"]} .*"to": "{name}"' for rule in rules if rule["kind"] == "among" for name in rule["names"]
    ]
    listed = "".join(f"          - {json.dumps(pattern)}\n" for pattern in patterns)
    rails = LLMRails(
        RailsConfig.from_content(
            yaml_content="models: []\nrails:\n  config:\n    regex_detection:\n      input:\n        patterns:\n"
            f"{listed or '          - nothing'}\n  input:\n    flows:\n      - regex check input\n"
        )
    )
    loop = asyncio.new_event_loop()

    def decide(tool: str, text: str, _now: int) -> bool:
        said = f"tool {tool} {text}"
        asked = rails.generate_async(messages=[{"role": "user", "content": said}], options={"rails": ["input"]})
        found: Any = loop.run_until_complete(asked)
        return bool(found.response[-1]["content"] == said)

    return decide


ENGINES: dict[str, tuple[str, Callable[[Rules, Events], Decide]]] = {
    "cedarpy": ("cedarpy", cedar),
    "regopy": ("regopy", rego),
    "regopy, with the past": ("regopy", rego_with_past),
    "invariant-ai": ("invariant-ai", invariant),
    "agent governance toolkit": ("agent-os-kernel", governance_toolkit),
    "sponsio": ("sponsio", sponsio),
    "sponsio, its own history": ("sponsio", sponsio_with_history),
    "nemoguardrails": ("nemoguardrails", nemo),
}


def main() -> None:
    name = sys.argv[1]
    package, make = ENGINES[name]
    out, sys.stdout = sys.stdout, sys.stderr  # some of them print
    for cell in json.load(sys.stdin):
        found: dict[str, Any]
        try:
            found = measured(make(cell["rules"], cell["history"]), [tuple(step) for step in cell["steps"]])  # type: ignore[misc]  # three parts each
        except Exception as error:  # boundary: why it could not be measured is a result
            found = {"why": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps(found | {"version": importlib.metadata.version(package)}), file=out, flush=True)


if __name__ == "__main__":
    main()
