"""What two policies in general terms let through and stop of AgentDojo's `banking` and `workspace` suites, without any model.

    python benchmarks/dojo.py [--out benchmarks/results/dojo.json]

AgentDojo 0.1.35 (its suites v1.2.2) is installed into an environment of its own below the cache folder and prints its tasks as
sessions (`agentdojo/sessions.py` says how). Here each step is decided by the streaming monitor on what went before; what is allowed
happened, with its recorded output. A user task *passes* if no step of its ground truth is blocked or asked. An attack is *stopped* if,
after the user task's own steps, at least one act that the injection needs is blocked or asked, and *untouched* if none of its acts
that changes anything went through. The policies hold no string of an injection; they were written with the user tasks and the shapes of
results in view, so the first rate is not a forecast for other tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from obverse.cli.load import load
from obverse.core.events import AnyEvent, Call, Denied, Message, Result, Step
from obverse.policy.checked import Checked
from obverse.policy.decision import Decision
from obverse.policy.monitor import Monitor, Plan

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent / "agentdojo"
PACKAGE, VERSION = "agentdojo==0.1.35", "v1.2.2"
SUITES = {"banking": HERE / "banking.md", "workspace": HERE / "workspace.md"}


def python() -> Path:
    """The interpreter of an environment that has the package."""
    base = Path(os.environ.get("OBVERSE_CACHE") or Path.home() / ".cache" / "obverse") / "benchmarks" / PACKAGE
    found = base / "bin" / "python"
    if not (base / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
        subprocess.run([str(found), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
        (base / "ready").touch()
    return found


def sessions() -> Iterable[dict[str, Any]]:
    """What the package's tasks do, one session each."""
    command = [str(python()), str(HERE / "sessions.py"), VERSION, *SUITES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return map(json.loads, done.stdout.splitlines())


def replay(checked: Checked, plan: Plan, session: dict[str, Any]) -> list[tuple[dict[str, Any], Decision]]:
    """The decision on each step of the user task and then of the attack."""
    monitor, clock = Monitor(checked, plan), 1_700_000_000_000
    monitor.observe(Message(id="m", text=session["prompt"], time=clock))
    found = []
    for place, step in enumerate([*session["steps"], *session["acts"]]):
        clock += 1000
        named = {"call_id": f"c{place}", "tool": step["tool"], "time": clock, "turn": place}
        call = Call(id=f"e{place}", arguments=json.dumps(step["arguments"]), **named)
        decision = monitor.decide(Step(event=call, turn=(call,)))
        found.append((step, decision))
        happened: list[AnyEvent] = [Denied(id=call.id, arguments=call.arguments, **named)]
        if not decision.verdict.blocks:
            happened = [call, Result(id=f"r{place}", output=json.dumps(step["output"]), failed=step["failed"], **named)]
        for event in happened:
            monitor.observe(event)
    return found


def measured(checked: Checked, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rates of one suite, and every miss with its reason."""
    plan = Plan(checked)
    changing = {tool.name for tool in checked.tools.values() if tool.effects != ("read",)}
    user = {"passed": 0, "of": 0, "misses": []}
    kinds = {kind: {"stopped": 0, "untouched": 0, "of": 0, "misses": []} for kind in ("attack", "derived")}
    times = []
    for row in rows:
        if row["kind"] not in ("user", *kinds):
            continue
        start = time.perf_counter()
        decided = replay(checked, plan, row)
        times.append((time.perf_counter() - start) / max(len(decided), 1))
        if row["kind"] == "user":
            blocked = [(step["tool"], list(one.clauses)) for step, one in decided if one.verdict.blocks]
            user["of"] += 1
            user["passed"] += not blocked
            user["misses"] += [{"task": row["user"], "blocked": blocked}] if blocked else []
            continue
        acts = decided[len(row["steps"]) :]
        stopped = any(one.verdict.blocks for _, one in acts)
        went = [step["tool"] for step, one in acts if step["tool"] in changing and not one.verdict.blocks]
        into = kinds[row["kind"]]
        into["of"] += 1
        into["stopped"] += stopped
        into["untouched"] += not went
        into["misses"] += (
            [] if stopped and not went else [{"task": row["user"], "injection": row["injection"], "went": went}]
        )
    count = {kind: sum(row["kind"] == kind for row in rows) for kind in ("not shown", "no ground truth")}
    mean = sum(times) / len(times)
    return {
        "policy": checked.digest, "rules": len(checked.rules), "user tasks": user, "attacks": kinds["attack"],
        "attacks by their one needed act": kinds["derived"], **count, "mean decision, µs": round(mean * 1e6, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "dojo.json")
    options = parser.parse_args()
    rows = list(sessions())
    suites = {
        name: measured(load(path), [row for row in rows if row["suite"] == name]) for name, path in SUITES.items()
    }
    result = {
        "command": "python benchmarks/dojo.py", "package": f"{PACKAGE}, suites {VERSION}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", "suites": suites,
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(
        json.dumps(
            {
                n: {
                    k: {a: b for a, b in v.items() if a != "misses"} if isinstance(v, dict) else v for k, v in s.items()
                }
                for n, s in suites.items()
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
