"""How long does a decision take, beside engines of others? One run, one machine, the same rules, steps and clock for all.

    python benchmarks/decisions.py [--only NAME] [--cache FOLDER]      writes benchmarks/results/decisions.json

Rules, histories and steps are those of `decisions_work.py`: half of the rules look at the past, no two steps have equal
arguments, one step in ten is denied, and reading the raw arguments is part of every decision. Asked is 1, 10, 40, 200 and 1,000
rules, with a short history and with one of 1,000 calls, and 40 rules after 10, 1,000 and 10,000 calls. Ours are the compiled
monitor and the reference one, asked as a guard asks them: a whole `Decision` with reasons. *By hand* is Python that anybody could write for
just these rules, *re-reader* the same without memory.

Engines that know no past get the stateless half of the rules, which is less work; it stands with them. Verdicts are compared step
by step with those that are right for the rules an engine got. Engines of others are installed from PyPI into a folder below the
cache; what cannot be installed or does not answer is reported with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decisions_work import Decide, events_of, handwritten, measured, rereading, rules_of, stateless, steps_of, tools_of

from obverse.core.events import Call, Result, Step
from obverse.core.verdicts import Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.compiled.program import Program
from obverse.policy.compiled.session import CompiledMonitor
from obverse.policy.monitor import Monitor, Watches
from obverse.policy.parse import parse

HERE = Path(__file__).parent
RESULT = HERE / "results" / "decisions.json"
PEERS = {
    "cedarpy": "stateless half of the rules",
    "regopy": "stateless half of the rules; rego-cpp, compiled to a bundle",
    "regopy, with the past": "all rules; the history stands in its data beforehand, which costs nothing here",
    "invariant-ai": "stateless half of the rules",
    "agent governance toolkit": "stateless half of the rules; its own engine (agent-os-kernel)",
    "sponsio": "stateless half of the rules",
    "sponsio, its own history": "near: what came before and how often, not by account; no window",
    "nemoguardrails": "a quarter of the rules, as regular expressions over the call (input rails, no model)",
}
PATIENCE = 60
"""Seconds for one engine of others."""

PACKAGES = ("cedarpy", "regopy", "invariant-ai", "agent-os-kernel", "sponsio", "nemoguardrails")
CELLS = [
    *(("spread", rules, 10) for rules in (1, 10, 40, 200, 1_000)),
    *(("spread", rules, 1_000) for rules in (40, 1, 10)),
    *(("one", rules, 1_000) for rules in (40, 200)),
    ("spread", 40, 10_000),
    *(("spread", rules, 1_000) for rules in (200, 1_000)),
]
"""Shape, rules, calls before. What takes longest comes last."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", help="the engines whose name begins like this")
    parser.add_argument("--cache", type=Path, default=Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser())
    options = parser.parse_args()
    load_before, begun = [round(one, 2) for one in os.getloadavg()], time.perf_counter()
    work = [_cell(*cell) for cell in CELLS]
    result: dict[str, Any] = {
        "command": "python benchmarks/decisions.py",
        "rerun": "run the command again: it overwrites this file",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": load_before,
        "engines": {
            name: make(work) for name, make in _engines(options.cache).items() if name.startswith(options.only or "")
        },
    }
    result["seconds"] = round(time.perf_counter() - begun, 1)
    if not options.only:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _cell(shape: str, number: int, past: int) -> dict[str, Any]:
    rules = rules_of(number, shape)
    history = events_of(rules, past)
    return {
        "shape": shape,
        "number": number,
        "past": past,
        "rules": rules,
        "history": history,
        "steps": steps_of(rules, history),
    }


def _engines(cache: Path) -> dict[str, Callable[[list[dict[str, Any]]], dict[str, Any]]]:
    return {
        "obverse, compiled": lambda work: _here(work, _compiled, "all rules"),
        "obverse, reference monitor": lambda work: _here(work, _reference, "all rules"),
        "by hand": lambda work: _here(work, handwritten, "all rules; knows nothing else"),
        "re-reader": lambda work: _here(work, rereading, "all rules; by hand, without memory"),
        **{name: (lambda work, name=name: _peer(work, name, cache)) for name in PEERS},  # type: ignore[misc]  # bound early
    }


def _here(work: list[dict[str, Any]], make: Callable[..., Decide], given: str) -> dict[str, Any]:
    """An engine of this process."""
    cells = [measured(make(cell["rules"], cell["history"]), cell["steps"]) for cell in work]
    return {"rules": given, "cells": [_told(cell, found, given) for cell, found in zip(work, cells, strict=True)]}


def _told(cell: dict[str, Any], found: dict[str, Any], given: str) -> dict[str, Any]:
    """The figures of one cell, with how often the verdict was the right one for the rules that the engine got."""
    about = {name: cell[name] for name in ("shape", "number", "past")}
    if "why" in found:
        return about | found
    rules = cell["rules"]
    if given.startswith("a quarter"):
        rules = [rule for rule in rules if rule["kind"] == "among"]
    elif not given.startswith("all"):
        rules = stateless(rules)
    right = handwritten(rules, cell["history"])
    wanted = "".join("1" if right(*step) else "0" for step in cell["steps"][: len(found["allowed"])])
    wrong = sum(one != other for one, other in zip(found.pop("allowed"), wanted, strict=True))
    return about | found | {"wrong": wrong, "denied": wanted.count("0")}


# --- ours ---------------------------------------------------------------------------------------------------------------


def _policy(rules: list[dict[str, Any]]) -> Checked:
    """The rules as a policy."""
    written = {
        "above": "forbid {tool} when amount > {bound}",
        "among": "forbid {tool} when to in {listed}",
        "seen": "forbid {tool}(account: a) unless once call {look}(account: a)",
        "count": "limit {tool} to {most} per 1h by account",
    }
    terms, clauses = [], []
    for tool in tools_of(rules):
        terms.append(f"tool {tool}(to: text, amount: number, account: text, memo: text optional) effect money")
        terms.append(f"tool look{tool[3:]}(account: text) -> (status: text) effect read")
    for rule in rules:
        text = written[rule["kind"]].format(**rule, listed=json.dumps(rule.get("names")))
        clauses.append(f"## {rule['id']} {{#{rule['id']}}}\n\n```rule\n{text}\n```\n")
    lines = ["---\npolicy: work\nversion: 1\n---\n```terms", *terms, "```\n", *clauses]
    return check(parse("\n".join(lines)))


def _compiled(rules: list[dict[str, Any]], history: list[dict[str, Any]]) -> Decide:
    program = Program(_policy(rules))
    program.prepare()
    return _asking(CompiledMonitor(program.checked, program), history)


def _reference(rules: list[dict[str, Any]], history: list[dict[str, Any]]) -> Decide:
    return _asking(Monitor(_policy(rules)), history)


def _asking(monitor: Watches, history: list[dict[str, Any]]) -> Decide:
    for place, event in enumerate(history):
        known = {"time": event["time"], "call_id": f"c{place}", "tool": event["tool"]}
        monitor.observe(Call(id=f"e{place}", turn=place, arguments=event["arguments"], **known))
        monitor.observe(Result(id=f"r{place}", turn=place, output='{"status": "open"}', **known))

    def decide(tool: str, text: str, now: int) -> bool:
        call = Call(id="s", time=now, call_id="cs", tool=tool, arguments=text)
        return monitor.decide(Step(event=call, turn=(call,))).verdict is Verdict.ALLOW

    return decide


# --- those of others ----------------------------------------------------------------------------------------------------


def _peer(work: list[dict[str, Any]], name: str, cache: Path) -> dict[str, Any]:
    """An engine of others, in a process of its own; a cell that it did not come to has the reason."""
    try:
        python = _environment(cache / "obverse-benchmarks" / "decisions")
    except (OSError, subprocess.SubprocessError) as error:
        return {"rules": PEERS[name], "why": f"{type(error).__name__}: {error}"[:200]}
    asked = json.dumps([{key: cell[key] for key in ("rules", "history", "steps")} for cell in work])
    command = [str(python), str(HERE / "decisions_peers.py"), name]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=PATIENCE, check=False)
        lines, why = (
            done.stdout.splitlines(),
            (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:200],
        )
    except subprocess.TimeoutExpired as late:
        lines, why = (late.stdout or b"").decode().splitlines(), f"all cells together took more than {PATIENCE} s"
    found = [json.loads(line) for line in lines]
    if not found:
        return {"rules": PEERS[name], "why": why}
    found += [{"why": why}] * (len(work) - len(found))
    version = found[0].pop("version")
    cells = [
        _told(cell, {key: one[key] for key in one if key != "version"}, PEERS[name])
        for cell, one in zip(work, found, strict=True)
    ]
    return {"rules": PEERS[name], "version": version, "cells": cells}


def _environment(folder: Path) -> Path:
    """The Python that has the engines of others; made once."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        for package in PACKAGES:
            subprocess.run(
                [*uv, "pip", "install", "--quiet", "--python", str(python), package], check=False, timeout=600
            )
        (folder / "ready").touch()
    return python


if __name__ == "__main__":
    main()
