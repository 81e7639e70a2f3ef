"""Do policies exported to Dogwood decide as `decide` does? Random policies and logs, replayed by Dogwood's own interpreter.

    pip install dogwood-py && python benchmarks/dogwood_export.py            30,000 decisions; about a minute

The policies are drawn over what Dogwood can say of the past: `once`, `last … has`, `no … since`, `count`, `sum` and `limit`
within windows, with correlations, beside conditions on the arguments and on facts. The logs are of two tools and few values,
so that coincidences are common. `dogwood-py` wraps the reference interpreter, which is written in Rust.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from obverse.core.events import AnyEvent, Call, Denied, Fact, Result, Step
from obverse.interchange.cedar_request import request_of
from obverse.interchange.dogwood import EVENTS, export_dogwood
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse

RESULT = Path(__file__).parent / "results" / "dogwood_export.json"
TERMS = """\
---
policy: generated
version: 1
---
```terms
tool get(id: text) -> (cabin: one of "basic", "business", price: integer, ok: bool) effect read
tool pay(id: text, amount: integer, memo: text optional) effect money
fact user.tier: one of "regular", "gold" from host
fact user.verified: bool from host
```
"""
START = 1_767_607_200_000
WINDOWS = ("", " within 1s", " within 1m", " within 1h")


class Draw:
    """Random policies and logs."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def policy(self) -> Checked:
        """A policy of one to three rules."""
        rules = "\n".join(self.rule() for _ in range(self.random.randint(1, 3)))
        return check(parse(f"{TERMS}\n## Generated {{#generated}}\n\n```rule\n{rules}\n```\n"))

    def rule(self) -> str:
        """A rule about `pay`."""
        pick = self.random.choice
        if self.random.random() < 0.15:
            by = pick(["", " by id"])
            return f"limit pay to {pick([1, 2, 3])} per {pick(['1s', '1m', '1h'])}{by}"
        kind = pick(["forbid", "forbid", "ask", "stop"])
        return f"{kind} pay {pick(['when', 'unless'])} {self.condition(self.random.randint(0, 2))}"

    def condition(self, depth: int) -> str:
        """A condition, in parentheses where it is more than an atom."""
        pick = self.random.choice
        if depth:
            word = pick([" and ", " or "])
            return f"({self.condition(depth - 1)}{word}{self.condition(depth - 1)})"
        return pick(["", "", "not "]) + f"({pick([self.now, self.once, self.last, self.since, self.count])()})"

    def now(self) -> str:
        """Something that needs no history."""
        return self.random.choice(
            ['user.tier = "gold"', "user.verified", "amount > 100", 'id = "A"', 'memo = "x"', 'id in ["A", "B"]']
        )

    def event(self) -> str:
        """An event and, often, whose."""
        name = self.random.choice(["get", "call get", "call pay", "denied pay", "get failed"])
        name = f"result {name}" if name == "get failed" else name
        bound = "(id: id)" if self.random.random() < 0.6 else ""
        return name.replace("get", f"get{bound}").replace("pay", f"pay{bound}")

    def where(self, event: str) -> str:
        """A condition on the fields of this event."""
        pick = self.random.choice
        if event.startswith("get"):
            return pick(
                ['cabin = "basic"', 'cabin != "basic"', "price > 100", "price <= 5", "ok", "not ok", "price = 100"]
            )
        if "pay" in event:
            return pick(["args.amount > 100", "args.amount = 5", 'args.id != "A"'])
        return 'args.id = "A"'

    def narrowed(self) -> str:
        """An event, sometimes with a condition."""
        event = self.event()
        if "failed" in event or self.random.random() < 0.5:
            return event
        more = f" and {self.where(event)}" if self.random.random() < 0.3 else ""
        return f"{event} where ({self.where(event)}{more})"

    def once(self) -> str:
        """`once`."""
        return f"once {self.narrowed()}{self.random.choice(WINDOWS)}"

    def last(self) -> str:
        """`last … has`."""
        event = self.event().replace("result get", "get").replace(" failed", "")
        word = self.random.choice([" and ", " or "])
        has = self.where(event) + (f"{word}{self.where(event)}" if self.random.random() < 0.4 else "")
        return f"last {event} has ({has})"

    def since(self) -> str:
        """`no … since`."""
        return f"no {self.event()} since {self.narrowed()}"

    def count(self) -> str:
        """A count or a sum."""
        op, bound = self.random.choice([">", ">=", "=", "<", "!="]), self.random.choice([0, 1, 2, 5, 105])
        window = self.random.choice(WINDOWS)
        if self.random.random() < 0.4:
            return f"sum(args.amount of call pay{self.random.choice(['', '(id: id)'])}{window}) {op} {bound}"
        return f"count({self.narrowed()}{window}) {op} {bound}"

    def log(self, length: int) -> list[AnyEvent | Step]:
        """What happened, and what was asked in between."""
        random, when, found = self.random, START, list[AnyEvent | Step]()
        for number in range(length):
            when += random.choice([0, 1_000, 59_000, 3_600_000])
            call: dict[str, Any] = {"id": f"e{number}", "time": when, "call_id": f"c{number}"}
            kind = random.choice(["fact", "get", "get", "pay", "denied", "asked", "asked", "asked"])
            pay = {"id": random.choice("AB"), "amount": random.choice([5, 100, 101])}
            if random.random() < 0.4:
                pay["memo"] = random.choice("xy")
            if kind == "fact":
                name = random.choice(["user.tier", "user.verified"])
                value = random.choice(["regular", "gold"]) if name == "user.tier" else random.random() < 0.5
                found.append(Fact(id=f"e{number}", time=when, name=name, value=value))
            elif kind == "get":
                found.append(Call(**call, tool="get", arguments=json.dumps({"id": random.choice("AB")})))
                output = {
                    "cabin": random.choice(["basic", "business"]),
                    "price": random.choice([5, 100, 101]),
                    "ok": random.random() < 0.5,
                }
                failed = random.random() < 0.2
                result = "no such thing" if failed else json.dumps(output)
                found.append(Result(**call | {"id": f"r{number}"}, tool="get", output=result, failed=failed))
            elif kind == "asked":
                asked = Call(**call, tool="pay", arguments=json.dumps(pay))
                found.append(Step(event=asked, turn=(asked,)))
            else:
                found.append((Call if kind == "pay" else Denied)(**call, tool="pay", arguments=json.dumps(pay)))
        return found


def trace_of(checked: Checked, log: list[AnyEvent | Step]) -> tuple[str, list[str]]:
    """The log as Dogwood reads it, and what `decide` says at each decision."""
    lines, wanted, history = [], [], list[AnyEvent]()
    arguments = {event.call_id: event.arguments for event in log if isinstance(event, Call | Denied)}
    for event in log:
        if isinstance(event, Step):
            decision = decide(checked, history, event)
            wanted.append("false" if decision.verdict.blocks else "true")
            context = request_of(checked, history, event)["context"]
            shown = ", ".join(f"{name}: {_value(value)}" for name, value in context.items())
            lines.append(_line(event.event, "request", shown, f"input: {_value(json.loads(event.event.arguments))}"))
            continue
        history.append(event)
        if isinstance(event, Result):
            given = f"input: {_value(json.loads(arguments[event.call_id]))}"
            if not event.failed:
                given += f", output: {_value(json.loads(event.output))}"
            lines.append(_line(event, "failure" if event.failed else "response", "", given))
        elif isinstance(event, Call | Denied):
            kind = "executed" if isinstance(event, Call) else "denied"
            lines.append(_line(event, kind, "", f"input: {_value(json.loads(event.arguments))}"))
    return "\n".join(lines) + "\n", wanted


def _line(event: Any, kind: str, context: str, fields: str) -> str:
    seconds = ((event.time or START) - START) // 1_000
    asked = f"request_context({context}) " if context else ""
    scope = 'scope(principal: Agent::User::"user", resource: Agent::Session::"session")'
    return f'@{seconds} {scope} {asked}Agent::Action::"{event.tool}"::{kind}({fields})'


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(name)}: {_value(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


def _name(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def main(arguments: list[str]) -> int:
    """Run, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        from dogwood import native
    except ImportError:
        print("dogwood-py is not installed: pip install dogwood-py", file=sys.stderr)
        return 2
    began, draw = time.monotonic(), Draw(options.seed)
    decisions = denied = policies = rules = said = 0
    reasons: dict[str, int] = {}
    differ: list[str] = []
    while decisions < options.decisions:
        checked = draw.policy()
        exported = export_dogwood(checked)
        rules, said = rules + len(checked.rules), said + len(exported.rules)
        for one in exported.left_out:
            reasons[one.reason] = reasons.get(one.reason, 0) + 1
        if exported.left_out:
            continue
        policies += 1
        trace, wanted = trace_of(checked, draw.log(120))
        printed = native.replay(exported.text, exported.schema, trace, EVENTS)
        got = [line.rpartition(": ")[2].strip() for line in printed.splitlines() if line.startswith("@")]
        decisions += len(wanted)
        denied += wanted.count("false")
        if got != wanted:
            differ.append(exported.text)
            if len(differ) == 1:
                print(
                    "\n".join(rule.id for rule in checked.rules),
                    exported.text,
                    list(zip(wanted, got, strict=False)),
                    len(wanted),
                    len(got),
                    printed[:300],
                    file=sys.stderr,
                )
    result = {
        "command": "python benchmarks/dogwood_export.py",
        "dogwood_py": version("dogwood-py"),
        "policies": policies,
        "rules": rules,
        "rules_said": said,
        "left_out": reasons,
        "decisions": decisions,
        "denied": denied,
        "policies_that_differ": len(differ),
        "seed": options.seed,
        "seconds": round(time.monotonic() - began, 1),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=1))
    if options.decisions >= 30_000:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
