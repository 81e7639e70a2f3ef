"""The work that `decisions.py` gives to every engine: rules in a neutral form, a history, steps, and the clock. Standard library only.

Rules come in fours. For a tool `pay3`, that is: no amount above a bound, nobody of a list (both stateless); only what was looked at
before, by account; at most so many for an account within an hour (both stateful). `spread`: four rules for each tool, so a policy
of 40 rules has ten tools that act. `one`: all rules are about one tool, so that nothing is gained by knowing which are about a call.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Callable
from typing import Any

START = 1_767_607_200_000
HOUR = 3_600_000
MOST = 60
"""So many payments for one account within an hour."""

ACCOUNTS = 40
STEPS = 2_000
DENIED = 0.1

Decide = Callable[[str, str, int], bool]
"""Tool, raw arguments and time of a step; whether it is allowed."""


def rules_of(number: int, shape: str) -> list[dict[str, Any]]:
    """So many rules; every second of them looks at the past."""
    made = []
    for place in range(number):
        tool = place // 4 if shape == "spread" else 0
        kind = ("above", "seen", "among", "count")[place % 4]
        rule: dict[str, Any] = {"id": f"r{place}", "kind": kind, "tool": f"pay{tool}", "look": f"look{tool}"}
        rule |= {"bound": 1_000 + place} if kind == "above" else {}
        rule |= {"names": ["mallory", f"eve{place}"]} if kind == "among" else {}
        rule |= {"most": MOST + place % 7} if kind == "count" else {}
        made.append(rule)
    return made


def stateless(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule["kind"] in ("above", "among")]


def tools_of(rules: list[dict[str, Any]]) -> list[str]:
    return sorted({rule["tool"] for rule in rules}, key=lambda name: int(name[3:]))


def events_of(rules: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """A past of so many calls, each with a result. One in twenty is a payment; the newest hour holds a few for each account."""
    dice, tools = random.Random(f"history {len(rules)} {size}"), tools_of(rules)
    made = []
    for place in range(size):
        account, tool = f"acc{dice.randrange(ACCOUNTS)}", dice.choice(tools)
        when = START + place * 2_000
        if dice.random() < 0.05:
            text = json.dumps({"to": f"shop {place}", "amount": dice.randrange(900), "account": account})
            made.append({"tool": tool, "arguments": text, "time": when})
        else:
            made.append({"tool": f"look{tool[3:]}", "arguments": json.dumps({"account": account}), "time": when})
    return made


def steps_of(rules: list[dict[str, Any]], history: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Payments that are proposed: no two with equal arguments, one in ten against a stateless rule."""
    dice, tools = random.Random(f"steps {len(rules)}"), tools_of(rules)
    looked = [
        (event["tool"][4:], json.loads(event["arguments"])["account"]) for event in history if event["tool"][0] == "l"
    ]
    now = START + len(history) * 2_000
    made = []
    for place in range(STEPS):
        number, account = dice.choice(looked) if looked else (dice.choice(tools)[3:], "acc0")
        amount: float = dice.randrange(100, 90_000) / 100
        to = f"shop {place} {dice.randrange(10**6)}"
        if dice.random() < DENIED:
            amount, to = (5_000 + place, to) if dice.random() < 0.5 else (amount, "mallory")
        arguments = {
            "to": to,
            "amount": amount if place % 2 else int(amount),
            "account": account,
            "memo": f"no. {place}",
        }
        made.append((f"pay{number}", json.dumps(arguments), now + place))
    return made


def measured(decide: Decide, steps: list[tuple[str, str, int]], *, seconds: float = 0.7) -> dict[str, Any]:
    """Latencies of one step after the other, in microseconds, and what was said. Stops after so many seconds."""
    clock, taken, said = time.perf_counter_ns, list[int](), list[bool]()
    warm = clock() + int(0.2e9)
    for step in steps[:20]:
        decide(*step)
        if clock() > warm:
            break
    gc.collect()
    end = clock() + int(seconds * 1e9)
    while clock() < end and (len(taken) < len(steps) or len(taken) < STEPS):
        tool, text, now = steps[len(taken) % len(steps)]
        begun = clock()
        allowed = decide(tool, text, now)
        taken.append(clock() - begun)
        said.append(allowed)
    ranked = sorted(taken)
    return {
        "p50": round(ranked[len(ranked) // 2] / 1e3, 2),
        "p99": round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))] / 1e3, 2),
        "per_second": round(1e9 * len(taken) / sum(taken)),
        "steps": len(taken),
        "allowed": "".join("1" if one else "0" for one in said[: len(steps)]),
    }


# --- two that anybody could write -----------------------------------------------------------------------------------------


def handwritten(rules: list[dict[str, Any]], history: list[dict[str, Any]]) -> Decide:
    """A dict by tool, and a dict by account: exact for these rules, and for nothing else. Knows no malformed arguments."""
    by_tool: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        by_tool.setdefault(rule["tool"], []).append(rule)
    looked: set[tuple[str, str]] = set()
    paid: dict[tuple[str, str], list[int]] = {}
    for event in history:
        key = (event["tool"], json.loads(event["arguments"])["account"])
        if event["tool"].startswith("look"):
            looked.add(key)
        else:
            paid.setdefault(key, []).append(event["time"])

    def decide(tool: str, text: str, now: int) -> bool:
        arguments = json.loads(text)
        for rule in by_tool.get(tool, ()):
            kind = rule["kind"]
            if kind == "above":
                if arguments["amount"] > rule["bound"]:
                    return False
            elif kind == "among":
                if arguments["to"] in rule["names"]:
                    return False
            elif kind == "seen":
                if (rule["look"], arguments["account"]) not in looked:
                    return False
            else:
                times = paid.get((tool, arguments["account"]), [])
                while times and now - times[0] > HOUR:
                    times.pop(0)
                if len(times) + 1 > rule["most"]:
                    return False
        return True

    return decide


def rereading(rules: list[dict[str, Any]], history: list[dict[str, Any]]) -> Decide:
    """The same without memory: every stateful rule goes through the whole history, read beforehand."""
    past = [(event["tool"], json.loads(event["arguments"])["account"], event["time"]) for event in history]

    def holds(rule: dict[str, Any], arguments: dict[str, Any], now: int) -> bool:
        account = arguments["account"]
        match rule["kind"]:
            case "above":
                return bool(arguments["amount"] <= rule["bound"])
            case "among":
                return arguments["to"] not in rule["names"]
            case "seen":
                return any(tool == rule["look"] and other == account for tool, other, _ in past)
        count = sum(tool == rule["tool"] and other == account and now - at <= HOUR for tool, other, at in past)
        return bool(count + 1 <= rule["most"])

    def decide(tool: str, text: str, now: int) -> bool:
        arguments = json.loads(text)
        return all(holds(rule, arguments, now) for rule in rules if rule["tool"] == tool)

    return decide
