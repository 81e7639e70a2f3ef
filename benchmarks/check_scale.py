"""How `obverse check` grows with the policy: 100 clauses cold, warm and after an edit of one clause; 1,000 and 3,000 with a budget.

    python benchmarks/check_scale.py [--full]      writes benchmarks/results/check_scale.json

The policy is written by `written`: ten trades, each with its own tools, look-ups and states, and twenty shapes of rules in the
mix of real ones: thresholds, states that were looked up, confirmations, windows, limits, sums, orders of acts, judged texts,
permits. Two rules a clause. Every time is of a whole process, import to exit. Aims: 100 clauses in less than 60 s, again after
an edit of one clause in less than 3 s; thousands of clauses end within their budget, and what was not asked is listed. With
`--full` the large ones get ten minutes instead of half a minute each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "check_scale.json"
TRADES = ("order", "claim", "lease", "loan", "visit", "parcel", "ticket", "course", "permit", "repair")
_ITEMS = "items: list of (code: text, price: number)"
_STATES = '"open", "held", "settled", "closed"'


def written(clauses: int = 100, *, edited: bool = False) -> str:
    """A policy of so many clauses, two rules each; `edited` moves one threshold in the middle."""
    trades = [f"{TRADES[n % len(TRADES)]}{n // len(TRADES) or ''}" for n in range(max(1, clauses // 10))]
    lines = ["---", "policy: trades", "version: 1", "---", "", "# Ten trades", "", "```terms"]
    for trade in trades:
        lines += _terms(trade)
    lines += [
        'judged message.says_yes "The user agrees to what was proposed." yes "Yes, please." no "No, wait."',
        'judged message.is_a_threat "The user threatens somebody." yes "I will hurt you." no "Thanks for the help."',
        'judged reply.gives_legal_advice "The reply advises on the law." yes "You should sue." no "It costs 10."',
        "fact user.verified: bool",
        'fact user.tier: one of "basic", "plus", "gold"',
        "fact user.email: text",
        "let confirmed = last message has message.says_yes",
        "```", "",
    ]  # fmt: skip
    for number in range(clauses):
        trade = trades[number % len(trades)]
        amount = 100 + 5 * number + (1 if edited and number == clauses // 2 else 0)
        first, second = _rules(trade, number // len(trades) % 10, amount)
        lines += [f"## Clause {number + 1} {{#c{number + 1}}}", "", "What this clause says.", ""]
        lines += ["```rule", first, second, "```", ""]
    return "\n".join(lines)


def _terms(trade: str) -> list[str]:
    return [
        f"tool get_{trade}(id: text) -> (state: one of {_STATES}, owner: text, total: number, made: time, {_ITEMS}) effect read",
        f"tool change_{trade}(id: text, amount: number, note: text optional)   effect write",
        f"tool close_{trade}(id: text, urgent: bool)   effect write",
        f"tool pay_{trade}(id: text, amount: number, to: text)   effect money",
        f"tool write_{trade}(to: text, body: text)   effect write",
    ]


def _rules(t: str, shape: int, amount: int) -> tuple[str, str]:
    """The two rules of a clause."""
    looked = f"last get_{t}(id: r) has"
    return (
        (f"ask pay_{t} when amount > {amount}", f"forbid pay_{t} when amount > {amount * 20} and not user.verified"),
        (
            f"forbid change_{t}(id: r) unless once get_{t}(id: r)",
            f'forbid change_{t}(id: r) when {looked} (state = "closed" or state = "settled")',
        ),
        (
            f"forbid close_{t} unless confirmed trusting judge",
            f'forbid close_{t}(id: r) when urgent and {looked} (state = "held" and total > {amount})',
        ),
        (
            f"limit pay_{t} to 3 per 24h by id",
            f"limit sum(amount) of pay_{t} to {amount * 50} per 7d",
        ),
        (
            f'forbid write_{t} unless to at domain "example.com" or to = user.email',
            f'warn write_{t} when body contains "password" and length(body) < {amount}',
        ),
        (
            f'forbid pay_{t}(id: r, amount: a) when {looked} total < a unless user.tier = "gold" and a < {amount}',
            f"forbid pay_{t}(id: r) unless {looked} (made within 30d of now and owner = user.email)",
        ),
        (
            f"stop close_{t} when once message where message.is_a_threat within 24h",
            f"forbid close_{t} when count(call close_{t} within 1h) >= {2 + amount % 4}",
        ),
        (
            f"forbid pay_{t} unless no message since get_{t}",
            f"forbid change_{t}(id: r) when {looked} any x in items: x.price > {amount}",
        ),
        (
            f"require note is present for change_{t} when amount > {amount}",
            f'permit get_{t} when user.tier != "basic"',
        ),
        (
            f"forbid reply when reply.gives_legal_advice and once call pay_{t}",
            f'permit write_{t} when user.verified and to at domain "shop.example.com" and body starts with "Dear"',
        ),
    )[shape]


def measure(path: Path, cache: Path, *options: str) -> dict[str, object]:
    """What `obverse check --json` says of the policy, how long the whole process took, and how much memory."""
    command = [sys.executable, "-m", "obverse.cli", "check", str(path), "--json", *options]
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    started = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OBVERSE_CACHE": str(cache)}
    )
    seconds = time.perf_counter() - started
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used
    if done.returncode not in (0, 3, 4):
        raise SystemExit(done.stderr)
    said = json.loads(done.stdout)
    codes = [finding["code"] for finding in said["findings"]]
    unasked = [one for one in said["undecided"] if one["reason"].startswith("not asked")]
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "questions": said["questions"],
        "reused": said["reused"],
        "queries": said["queries"],
        "findings": {code: codes.count(code) for code in sorted(set(codes))},
        "resting_on_a_bound": sum(finding["within"] is not None for finding in said["findings"]),
        "not_asked": len(unasked),
        "undecided_else": len(said["undecided"]) - len(unasked),
    }


def hundred(folder: Path, cache: Path) -> dict[str, object]:
    """100 clauses: cold, again, and after an edit of one clause."""
    path = folder / "hundred.md"
    path.write_text(written(100))
    found = {"cold": measure(path, cache), "warm": measure(path, cache)}
    path.write_text(written(100, edited=True))
    return {**found, "one clause edited": measure(path, cache)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--full", action="store_true", help="ten minutes for each of the large policies")
    full = parser.parse_args().full
    budget = 600 if full else 30
    load_before = round(os.getloadavg()[0], 2)
    rows: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows["100 clauses"] = hundred(Path(folder), Path(folder, "cache"))
        for clauses in (1_000, 3_000):
            path = Path(folder, f"{clauses}.md")
            path.write_text(written(clauses))
            rows[f"{clauses} clauses, {budget} s"] = measure(path, Path(folder, "cache"), "--budget", str(budget))
            print(json.dumps(rows, indent=2))
    result = {
        "command": f"python benchmarks/check_scale.py{' --full' if full else ''}",
        "rerun": "run the command again: it overwrites this file",
        "aim": "100 clauses cold in less than 60 s, after an edit of one clause in less than 3 s",
        "rows": rows,
        "load_before": load_before,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
