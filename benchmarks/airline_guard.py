"""What the guard would have blocked in recorded conversations, and how much legitimate work it would have stopped.

    python benchmarks/airline_guard.py TRANSCRIPTS      the tau-bench airline recordings, one chat a line, with their `reward`

Each act of the recorded agent that changes something is decided by the streaming monitor on the recorded history, as a guard would have
before it ran. What the recording shows after a blocked act is not what would have happened: so the second table counts, for
each conversation, the first blocked act only. `reward` 1 says that the end state was the one wanted, not that the policy was kept; what a
reader said of each finding stands in examples/airline/audit/labels.jsonl. Writes benchmarks/results/airline_guard.json, no text of a
recording in it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from airline_precision import AIRLINE, START

from obverse.cli.load import load
from obverse.core.chat_log import Reading
from obverse.core.events import Call, Reply, Result, Step, Transcript
from obverse.core.transcripts import read_transcripts
from obverse.core.verdicts import Truth
from obverse.policy.checked import Checked
from obverse.policy.decision import Decision
from obverse.policy.monitor import Monitor, Plan

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "airline_guard.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("transcripts", type=Path)
    path = parser.parse_args().transcripts
    rewards = {one["id"]: one["reward"] for one in map(json.loads, path.read_text().splitlines())}
    labels = {
        (one["transcript"], one["message"], one["clause"]): one["verdict"]
        for one in map(json.loads, (AIRLINE / "audit" / "labels.jsonl").read_text().splitlines())
    }
    checked = load(AIRLINE / "policy.md")
    plan, acts = Plan(checked), []
    with path.open("rb") as source:
        for item in read_transcripts(source, reading=Reading(start_ms=int(START.timestamp() * 1000))):
            if isinstance(item, Transcript):
                acts += [(item.id, *act) for act in decided(checked, plan, item)]
    result = {
        "command": "python benchmarks/airline_guard.py TRANSCRIPTS",
        "policy": checked.digest,
        "conversations": {"all": len(rewards), "reward 1": sum(one == 1 for one in rewards.values())},
        "acts that change something": counted(acts, labels, rewards),
        "the first blocked act of a conversation": counted(firsts(acts), labels, rewards),
        "conversations with a blocked act": {
            "all": len({name for name, *_, one in acts if one.verdict.blocks}),
            "reward 1": len({name for name, *_, one in acts if one.verdict.blocks and rewards[name] == 1}),
            "reward 1, and no finding there is a true one": len(spotless(acts, labels, rewards)),
        },
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def decided(checked: Checked, plan: Plan, transcript: Transcript) -> list[tuple[int | None, bool, Decision]]:
    """For each act that changes something: its message, whether it then succeeded, and the decision on it."""
    monitor, found = Monitor(checked, plan), []
    worked = {event.call_id for event in transcript.events if isinstance(event, Result) and not failed(event)}
    for event in transcript.events:
        if isinstance(event, Call) and checked.tools[event.tool].effects != ("read",):
            turn = tuple(
                one
                for one in transcript.events
                if isinstance(one, Call | Reply) and one.turn == event.turn and one.origin == event.origin
            )
            found.append((event.origin, event.call_id in worked, monitor.decide(Step(event=event, turn=turn))))
        monitor.observe(event)
    return found


def failed(result: Result) -> bool:
    return result.failed or result.output.startswith("Error")


def firsts(acts: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The first blocked act of each conversation that has one."""
    return list({act[0]: act for act in reversed(acts) if act[-1].verdict.blocks}.values())


def spotless(acts: list[tuple[Any, ...]], labels: dict[Any, str], rewards: dict[str, float]) -> set[str]:
    """Conversations that went well, of which an act is blocked, and not one of those blocks rests on a true finding."""
    blocked: dict[str, set[str]] = {}
    for name, message, _worked, decision in acts:
        if decision.verdict.blocks and rewards[name] == 1:
            blocked.setdefault(name, set()).add(standing(name, message, decision, labels))
    return {name for name, kinds in blocked.items() if "true" not in kinds}


def counted(acts: list[tuple[Any, ...]], labels: dict[Any, str], rewards: dict[str, float]) -> dict[str, Any]:
    """How many acts, how many blocked, and what is known of those blocks; of all conversations and of those that went well."""
    return {
        "all": _counted(acts, labels),
        "succeeded": _counted([act for act in acts if act[2]], labels),
        "reward 1": _counted([act for act in acts if rewards[act[0]] == 1], labels),
        "reward 1, succeeded": _counted([act for act in acts if rewards[act[0]] == 1 and act[2]], labels),
    }


def _counted(acts: list[tuple[Any, ...]], labels: dict[Any, str]) -> dict[str, Any]:
    blocked = [act for act in acts if act[-1].verdict.blocks]
    kinds = Counter(standing(name, message, decision, labels) for name, message, _worked, decision in blocked)
    clauses = Counter(clause for act in blocked for clause in act[-1].clauses)
    return {"of": len(acts), "blocked": len(blocked), "by label": dict(kinds), "by clause": dict(clauses.most_common())}


def standing(name: str, message: int | None, decision: Decision, labels: dict[Any, str]) -> str:
    """The best that can be said for a block: `true` if one of its reasons is, `undecided` if something was not known."""
    said = {
        labels.get((name, message, reason.clause), "unlabelled")
        for reason in decision.reasons
        if reason.certain is Truth.TRUE
    }
    for kind in ("true", "debatable", "false", "unlabelled"):
        if kind in said:
            return kind
    return "undecided"


if __name__ == "__main__":
    main()
