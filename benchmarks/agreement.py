"""Do the evaluator, the monitor and the solver agree? On 100,000 random pairs of a policy and a transcript; 0 may disagree.

    python benchmarks/agreement.py [--full] [--seed 1]                writes benchmarks/results/agreement.json
    python benchmarks/agreement.py --monitor [--full] [--seed 1]      writes benchmarks/results/agreement_monitor.json

Policies: those of `benchmarks/policies/`, mutants of them, and policies generated over the terms of `obverse.testing`.
Transcripts: random walks over what the policy declares (`walks.py`), a fifth of them with missing and malformed values.

1. *Monitor* (law L05): on every step of a walk the streaming monitor and `decide` say the same: verdict, certain verdict, rules.
2. *Solver* (law L06): what rules do on a short walk, within the bound, is never called impossible; and what the solver finds is
   replayed through the evaluator (the finder raises otherwise). Asked of each rule: fires for certain, does not fire for
   certain, may fire where values are missing, and fires for certain together with a second rule.

`--full` is 100,000 pairs (80,000 and 20,000); without it a tenth.

`--monitor` asks the first question only, on 1,000,000 pairs of a history and a step (a hundredth without `--full`), of both
monitors; of the compiled one word for word, but for events and unknowns, of which a reason may name fewer than `decide` does.
Three in ten answers of judges come late, and sessions are written down and taken up in the middle.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase
from walks import Walks

from obverse.cases.mutation.mutants import mutants
from obverse.core.events import AnyEvent, Call, Spoken, Step
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.compiled.program import Program
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.decide import decide
from obverse.policy.decision import Decision, Reason
from obverse.policy.evaluate import truth
from obverse.policy.monitor import Monitor, Plan
from obverse.policy.parse import parse
from obverse.policy.print import text_of
from obverse.solver.answers import Act, Found, Goal, Impossible
from obverse.solver.find import Finder, WrongWitness
from obverse.solver.questions import acts_of
from obverse.testing.strategies import checked_policies

POLICIES = Path(__file__).parent / "policies"
RESULT = Path(__file__).parent / "results" / "agreement.json"
MONITOR = Path(__file__).parent / "results" / "agreement_monitor.json"
PAIRS = {"monitor, mutants": 40_000, "monitor, generated": 40_000, "solver": 20_000}
STEPS = {"monitor, mutants": 0.5, "monitor, generated": 0.5}
LATE, TAKEN_UP = 0.3, 0.02
SHARDS, WALKS, LONG_WALKS, SHORT, LENGTH = 8, 5, 50, 40, 12
EXAMPLES = 500  # of one seed: what is generated later is more of the same
SOME, MUTANTS = 9, 400  # of the written policies for one shard; of each


def shard(kind: str, number: int, pairs: int, steps: int, seed: int) -> dict[str, Any]:
    """One part of the work, the same on every machine: so many pairs, and so many steps (none: no matter how many)."""
    random = Random(f"{kind} {number} {seed}")
    tally = Tally(pairs, steps)
    if kind == "solver":
        _solver(random, pairs, tally)
    elif kind == "monitor, generated":
        _generated(random, tally)
    else:
        for checked in _policies(random):
            if tally.done:
                break
            _walked(checked, random, tally.walks, tally)
    return tally.document()


class Tally:
    """What was compared."""

    def __init__(self, wanted: int, steps: int) -> None:
        self.wanted = wanted, steps
        self.pairs = 0
        self.rules = self.left = 0
        self.policies: set[str] = set()
        self.steps: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    @property
    def done(self) -> bool:
        pairs, steps = self.wanted
        return sum(self.steps.values()) >= steps if steps else self.pairs >= pairs

    @property
    def walks(self) -> int:
        """How many walks under the next policy."""
        pairs, steps = self.wanted
        return LONG_WALKS if steps else min(WALKS, pairs - self.pairs)

    def document(self) -> dict[str, Any]:
        return {
            "pairs": self.pairs, "policies": len(self.policies), "steps": self.steps, "answers": self.answers,
            "wrong": self.wrong, "rules": self.rules, "left": self.left,
        }  # fmt: skip


# --- the monitor --------------------------------------------------------------------------------------------------------


def _generated(random: Random, tally: Tally) -> None:
    """Policies that nobody wrote."""

    @hypothesis.settings(
        max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.given(checked_policies())
    def each(checked: Checked) -> None:
        if not tally.done:
            _walked(checked, random, tally.walks, tally)

    while not tally.done:
        hypothesis.seed(random.randrange(2**32))(each)()


def _walked(checked: Checked, random: Random, walks: int, tally: Tally) -> None:
    plan, program = Plan(checked), Program(checked, recent=2)
    tally.policies.add(checked.digest)
    tally.rules += len(checked.rules)
    tally.left += len(program.tracked.left)
    for _ in range(walks):
        tally.pairs += 1
        odd = 0.2 if random.random() < 0.2 else 0.0
        watching = Watching(Monitor(checked, plan), CompiledMonitor(checked, program), random)
        history = list[AnyEvent]()
        for item in Walks(checked, random, odd=odd).transcript(random.randrange(1, LENGTH)):
            if not isinstance(item, Step):
                history.append(item)
                watching.observe(item)
                continue
            watching.settle()
            one, two, three = (
                decide(checked, history, item),
                watching.plain.decide(item),
                watching.compiled.decide(item),
            )
            tally.steps[one.verdict.value] += 1
            if _essence(one) != _essence(two):
                tally.wrong.append(f"monitor: {checked.name} {item.event} after {history}: {one} {two}")
            if not _says_the_same(one, three):
                tally.wrong.append(f"compiled: {checked.name} {item.event} after {history}: {one} {three}")


class Watching:
    """Both monitors in one session, in which answers come late, and which is taken up from what was written down."""

    def __init__(self, plain: Monitor, compiled: CompiledMonitor, random: Random) -> None:
        self.plain, self.compiled = plain, compiled
        self.random = random
        self.late: list[Spoken] = []

    def observe(self, event: AnyEvent) -> None:
        if isinstance(event, Spoken) and event.labels and self.random.random() < LATE:
            judged = self.plain.checked.judged
            asked = [name for name in event.labels if name in judged and judged[name].pattern is None]
            known = {name: answer for name, answer in event.labels.items() if name not in asked}
            self.late.append(event)
            event = msgspec.structs.replace(event, labels=known)
        self.plain.observe(event)
        self.compiled.observe(event)

    def settle(self) -> None:
        """What is late comes now."""
        for event in self.late:
            self.plain.label(event.id, event.labels)
            self.compiled.label(event.id, event.labels)
        self.late.clear()
        if self.random.random() < TAKEN_UP:
            checked, plain, compiled = self.plain.checked, self.plain, self.compiled
            self.plain = Monitor.restore(checked, plain.snapshot(), plain.plan)
            self.compiled = CompiledMonitor.restore(checked, compiled.snapshot(), compiled.program)


def _says_the_same(one: Decision, two: Decision) -> bool:
    """Word for word; of events and unknowns the second may name fewer."""
    pairs = [*zip((*one.reasons, *one.permits), (*two.reasons, *two.permits), strict=False)]
    within = all({*b.events} <= {*a.events} and {*b.unknowns} <= {*a.unknowns} for a, b in pairs)
    return within and _bare(one) == _bare(two)


def _bare(decision: Decision) -> Decision:
    def without(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
        return tuple(msgspec.structs.replace(reason, events=(), unknowns=()) for reason in reasons)

    return msgspec.structs.replace(decision, reasons=without(decision.reasons), permits=without(decision.permits))


def _essence(decision: Decision) -> object:
    """Verdicts and rules; which of several equal events a reason names may differ."""
    return (
        decision.verdict,
        decision.certain,
        [(reason.rule, reason.verdict, reason.certain) for reason in decision.reasons],
        [reason.rule for reason in decision.permits],
    )


# --- the solver ---------------------------------------------------------------------------------------------------------


def _solver(random: Random, pairs: int, tally: Tally) -> None:
    for checked in _policies(random):
        if tally.pairs >= pairs:
            return
        tally.policies.add(checked.digest)
        finder = Finder(checked)
        for odd in (0.0, 0.15):
            number = min(SHORT // 2, pairs - tally.pairs)
            tally.pairs += number
            asked: set[object] = set()
            for _ in range(number):
                history, step = Walks(checked, random, odd=odd).short()
                for goal in _shown(checked, history, step, odd > 0):
                    key = (goal.head, goal.wishes, goal.possible)
                    if key not in asked:
                        asked.add(key)
                        _asked(finder, goal, history, step, tally)


def _shown(checked: Checked, history: tuple[AnyEvent, ...], step: Step, incomplete: bool) -> Iterator[Goal]:
    """What this scenario shows to be possible."""
    act = Act(kind="call", tool=step.event.tool) if isinstance(step.event, Call) else Act(kind="reply")
    there = []
    for rule in (rule for rule in checked.rules if act in acts_of(checked, rule)):
        found = truth(checked, rule.fires, history, step)
        if incomplete:
            if found is not Truth.FALSE:
                yield Goal(head=act, possible=(rule.fires,), incomplete=True)
            continue
        if found is Truth.TRUE:
            there.append(rule.fires)
            yield Goal(head=act, wishes=(rule.fires,))
        elif found is Truth.FALSE:
            yield Goal(head=act, wishes=(ast.Not(body=rule.fires),))
    if len(there) > 1:
        yield Goal(head=act, wishes=tuple(there[:2]))


def _asked(finder: Finder, goal: Goal, history: tuple[AnyEvent, ...], step: Step, tally: Tally) -> None:
    try:
        answer = finder.find(goal)
    except WrongWitness as error:
        tally.wrong.append(f"witness: {finder.checked.name}: {error}")
        return
    tally.answers[type(answer).__name__] += 1
    if isinstance(answer, Impossible):
        wishes = "; ".join(text_of(wish) for wish in (*goal.wishes, *goal.possible))
        tally.wrong.append(f"impossible: {finder.checked.name}: {wishes}: {step.event} after {history}")
    elif not isinstance(answer, Found):
        tally.answers[f"undecided: {answer.reason}"] += 1


# --- policies -----------------------------------------------------------------------------------------------------------


@cache
def _written() -> tuple[Checked, ...]:
    return tuple(check(parse(path.read_text(), source=path.name)) for path in sorted(POLICIES.glob("*.md")))


def _policies(random: Random) -> Iterator[Checked]:
    """Some of the policies that were written and mutants of them, without end; a tenth are as written."""
    some = [(checked, mutants(checked, most=MUTANTS)) for checked in random.sample(_written(), SOME)]
    while True:
        checked, changed = random.choice(some)
        yield checked if random.random() < 0.1 else random.choice(changed).of(checked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--full", action="store_true", help="100,000 pairs, not 10,000")
    parser.add_argument(
        "--monitor", action="store_true", help="the monitors only, on 1,000,000 steps with --full, or 10,000"
    )
    parser.add_argument("--steps", type=int, help="with --monitor: so many steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    load_before, start = round(os.getloadavg()[0], 2), time.perf_counter()
    jobs = _jobs(options)
    with ProcessPoolExecutor(options.processes) as pool:
        parts = [*zip((job[0] for job in jobs), pool.map(shard, *zip(*jobs, strict=True)), strict=True)]
    much = f" --steps {options.steps}" if options.steps else " --full" if options.full else ""
    given = f"{' --monitor' if options.monitor else ''}{much} --seed {options.seed}"
    kinds = STEPS if options.monitor else PAIRS
    result = {
        "command": f"python benchmarks/agreement.py{given}",
        "rerun": "run the command again: it overwrites this file",
        "pairs": _total(parts, "pairs"),
        "steps": sum(sum(part["steps"].values()) for _, part in parts),
        "disagreements": sum(len(part["wrong"]) for _, part in parts),
        "rules of all policies": _total(parts, "rules"),
        "rules of which an operator is left to the reference": _total(parts, "left"),
        "parts": {kind: _part([part for name, part in parts if name == kind]) for kind in kinds},
        "wrong": [wrong for _, part in parts for wrong in part["wrong"]][:20],
        "wall seconds": round(time.perf_counter() - start, 1),
        "processes": options.processes,
        "load_before": load_before,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    out = options.out or (MONITOR if options.monitor else RESULT)
    out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(result, indent=2))
    raise SystemExit(1 if result["disagreements"] else 0)


def _jobs(options: argparse.Namespace) -> list[tuple[str, int, int, int, int]]:
    """The shards: kind, number, pairs, steps and seed of each."""
    if options.monitor:
        wanted = options.steps or (1_000_000 if options.full else 10_000)
        each = {kind: (0, int(wanted * share) // SHARDS) for kind, share in STEPS.items()}
    else:
        each = {kind: (pairs // (1 if options.full else 10) // SHARDS, 0) for kind, pairs in PAIRS.items()}
    return [(kind, number, *much, options.seed) for kind, much in each.items() for number in range(SHARDS)]


def _total(parts: list[tuple[str, dict[str, Any]]], what: str) -> int:
    return sum(part[what] for _, part in parts)


def _part(parts: list[dict[str, Any]]) -> dict[str, Any]:
    steps, answers = (sum((Counter(part[what]) for part in parts), Counter()) for what in ("steps", "answers"))
    return {
        "pairs": sum(part["pairs"] for part in parts),
        "policies": sum(part["policies"] for part in parts),
        "steps compared": dict(sorted(steps.items())),
        "answers of the solver": dict(sorted(answers.items())),
    }


if __name__ == "__main__":
    main()
