"""Do exported policies decide in Cedar as `decide` does? Random policies and requests, each asked of both.

    python benchmarks/cedar_export.py            100,000 requests; about two minutes

Each policy is drawn over the terms of `obverse.testing`; each is exported twice: what Cedar can say by itself, compared with
`decide` over those rules alone, and all of it, with the conditions on the history looked up (`leaves`). A disagreement is
*looser* when Cedar allows what `decide` blocks, else *stricter*. Values are within what Cedar can hold in one half of the
requests (there nothing may differ); in the other half they are odd: huge, missing, of the wrong type, look-alikes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import cedarpy
import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings

from obverse.core.events import AnyEvent, Call, Fact, Message, Reply, Result, Step
from obverse.core.verdicts import Verdict
from obverse.interchange.cedar_export import Exported, export_cedar
from obverse.interchange.cedar_request import request_of
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.types import BoolType, EnumType, Field, ListType, MapType, NumberType, RecordType, TimeType, Type
from obverse.testing.strategies import checked_policies
from obverse.testing.vocabulary import FACTS, HOUR, START, TEXTS

RESULT = Path(__file__).parent / "results" / "cedar_export.json"
ODD_TEXTS = ("\u0410", "A\u200b", "bob@\u0435vil.example", "alice@acme.com\u0301", "A" * 300, "*", "\\", "\n")
ODD_NUMBERS: tuple[Any, ...] = (10**30, Decimal("0.00001"), "5", None, True)


class Draw:
    """Random steps over the terms of the policy; `odd` ones hold what Cedar cannot."""

    def __init__(self, random: Random, *, odd: bool) -> None:
        self.random = random
        self.odd = odd

    def step(self, checked: Checked) -> tuple[tuple[AnyEvent, ...], Step]:
        """A short history and a step."""
        random, time_ = self.random, START
        events: list[AnyEvent] = []
        for number in range(random.randrange(6)):
            time_ += random.choice([0, 1_000, HOUR])
            events.append(self.event(checked, f"e{number}", time_))
        now = time_ + random.choice([0, 1_000, HOUR]) if not (self.odd and random.random() < 0.1) else None
        if random.random() < 0.3:
            step: Call | Reply = Reply(id="s", time=now, text=self.text(), labels=self.labels("reply"))
        else:
            tool = random.choice([*checked.tools] if not self.odd else [*checked.tools, "unheard_of"])
            step = Call(id="s", time=now, call_id="s", tool=tool, arguments=self.arguments(checked, tool))
        return tuple(events), Step(event=step, turn=(step,))

    def event(self, checked: Checked, name: str, when: int) -> AnyEvent:
        """One event of a history."""
        random = self.random
        kind = random.choice(["message", "message", "fact", "fact", "call", "result"])
        if kind == "message":
            return Message(id=name, time=when, text=self.text(), labels=self.labels("message"))
        if kind == "fact":
            fact = random.choice([*FACTS])
            value = random.choice(FACTS[fact] or ("2026-01-05T10:00:00Z",))
            return Fact(id=name, time=when, name=fact, value=value)
        tool = random.choice([*checked.tools])
        if kind == "call":
            return Call(id=name, time=when, call_id=name, tool=tool, arguments=self.arguments(checked, tool))
        returns = checked.tools[tool].returns
        return Result(id=name, time=when, call_id=name, tool=tool, output=_json(self.value(returns) if returns else ""))

    def labels(self, subject: str) -> dict[str, bool]:
        """Answers of judges, some of them missing."""
        names = {
            "message": ("message.says_yes", "message.asks_refund"),
            "reply": ("reply.gives_advice", "reply.refuses"),
        }
        return {name: self.random.random() < 0.5 for name in names[subject] if self.random.random() < 0.8}

    def arguments(self, checked: Checked, tool: str) -> str:
        """The arguments of a call, as a target writes them."""
        declared = checked.tools[tool].parameters if tool in checked.tools else ()
        values = {field.name: self.value(field.type) for field in declared if not self.leaves_out(field)}
        if self.odd and self.random.random() < 0.05:
            values["extra"] = 1
        if self.odd and self.random.random() < 0.02:
            return '{"to": "A", "to": "B"}'
        return _json(values)

    def leaves_out(self, field: Field) -> bool:
        """Whether a field is missing."""
        return self.random.random() < (0.4 if field.optional else 0.1)

    def text(self) -> str:
        """A text of the small world, or an odd one."""
        return self.random.choice(TEXTS + ODD_TEXTS if self.odd else TEXTS)

    def value(self, kind: Type) -> Any:
        """A value of this type, or, in an odd step, sometimes of another."""
        random = self.random
        if self.odd and random.random() < 0.1:
            return random.choice(ODD_NUMBERS)
        match kind:
            case BoolType():
                return random.random() < 0.5
            case EnumType():
                return random.choice(kind.values)
            case NumberType():
                return random.choice(
                    (0, 1, 2, 100, 101, -5) if kind.integer else (0, 1, 100, 101, Decimal("99.99"), -5)
                )
            case TimeType():
                return random.choice(["2026-01-05T09:00:00Z", "2026-01-05T10:00:01Z", "2026-01-04"])
            case ListType():
                return [self.value(kind.item) for _ in range(random.randrange(3))]
            case MapType():
                return {random.choice(TEXTS[:2]): self.value(kind.item) for _ in range(random.randrange(2))}
            case RecordType():
                return {field.name: self.value(field.type) for field in kind.fields if not self.leaves_out(field)}
        return self.text()


def _json(value: Any) -> str:
    return json.dumps(value, default=float, ensure_ascii=False)


def main(arguments: list[str]) -> int:
    """Run, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=100, help="requests per policy and way")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began, tally = time.monotonic(), Tally()
    random = Random(options.seed)
    while tally.requests < options.requests:
        for checked in draw(options.requests, random.randrange(2**32)):
            for odd in (False, True):
                tally.policy(checked, Draw(random, odd=odd), options.each)
            if tally.requests >= options.requests:
                break
    rows = tally.rows()
    result = {
        "command": "python benchmarks/cedar_export.py",
        "cedarpy": version("cedarpy"),
        "requests": tally.requests,
        "policies": tally.policies,
        "rules": tally.rules,
        "rules_said_without_leaves": tally.said,
        "schemas_valid": tally.valid,
        "rows": rows,
        "seed": options.seed,
        "seconds": round(time.monotonic() - began, 1),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result, indent=1))
    for found in tally.first.items():
        print(*found, sep="\n", file=sys.stderr)
    if options.requests >= 100_000:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if any(row["looser"] for row in rows.values()) or rows["plain values"]["stricter"] else 0


def draw(requests: int, number: int) -> list[Checked]:
    """Some random policies."""
    found: list[Checked] = []

    @settings(
        max_examples=min(200, max(10, requests // 100)), database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @seed(number)
    @given(checked_policies())
    def collect(checked: Checked) -> None:
        found.append(checked)

    collect()
    return found


class Tally:
    """What was asked and how it agreed."""

    def __init__(self) -> None:
        self.requests = self.policies = self.rules = self.said = self.valid = 0
        self.counts = {kind: {"requests": 0, "blocked": 0, "looser": 0, "stricter": 0, "errors": 0} for kind in KINDS}
        self.first: dict[str, str] = {}

    def policy(self, checked: Checked, steps: Draw, number: int) -> None:
        """Compare on this many random steps, half of them by what Cedar can say alone."""
        for leaves in (False, True):
            exported = export_cedar(checked, leaves=leaves)
            kept = {*exported.rules, *(rule.id for rule in checked.rules if rule.kind == "permit")}
            ours = msgspec.structs.replace(checked, rules=tuple(rule for rule in checked.rules if rule.id in kept))
            self.valid += cedarpy.validate_policies(exported.text, exported.schema).validation_passed
            self.policies += 1
            self.rules += len(checked.rules) if not leaves else 0
            self.said += len(exported.rules) if not leaves else 0
            self.ask(ours, exported, [steps.step(checked) for _ in range(number // 2)], odd=steps.odd)

    def ask(
        self, checked: Checked, exported: Exported, steps: list[tuple[tuple[AnyEvent, ...], Step]], *, odd: bool
    ) -> None:
        """Both sides, on each step."""
        requests = [request_of(checked, history, step, leaves=exported.leaves) for history, step in steps]
        answers = cedarpy.is_authorized_batch(requests, cedarpy.PolicySet.from_str(exported.text), [])
        counts = self.counts[KINDS[odd]]
        for (history, step), request, answer in zip(steps, requests, answers, strict=True):
            wanted = decide(checked, history, step).verdict
            places = [int(name.removeprefix("policy")) for name in answer.diagnostics.reasons]
            got = exported.verdict_of(answer.allowed, places)
            wanted = Verdict.ALLOW if wanted is Verdict.WARN else wanted
            counts["requests"] += 1
            counts["blocked"] += wanted.blocks
            counts["errors"] += bool(answer.diagnostics.errors)
            if got is not wanted:
                way = "looser" if _looser(wanted, got) else "stricter"
                counts[way] += 1
                self.first.setdefault(f"{KINDS[odd]}: {way}", f"{wanted} {got}\n{exported.text}\n{request}")
        self.requests += len(steps)

    def rows(self) -> dict[str, dict[str, int]]:
        return self.counts


KINDS = ("plain values", "odd values")


def _looser(wanted: Verdict, got: Verdict) -> bool:
    order = [Verdict.ALLOW, Verdict.WARN, Verdict.ASK, Verdict.DENY, Verdict.STOP]
    return order.index(got) < order.index(wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
