"""How precise the airline formalisation is: its findings on recorded transcripts against what a reader said of each.

    python benchmarks/airline_precision.py TRANSCRIPTS      the tau-bench airline recordings, one chat a line

Audits the transcripts with examples/airline/policy.md, joins the findings with examples/airline/audit/labels.jsonl, writes
examples/airline/audit/result.json and the table between the markers of examples/airline/README.md. A finding without a label,
or a label without a finding, is listed: the labels are then to be read again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from obverse.campaign.audits import Auditor, AuditSummary
from obverse.cli.load import load
from obverse.core.chat_log import Reading
from obverse.core.events import Transcript
from obverse.core.transcripts import read_transcripts
from obverse.stats import exact

ROOT = Path(__file__).resolve().parent.parent
AIRLINE = ROOT / "examples" / "airline"
START = datetime.datetime(2024, 5, 15, 15, tzinfo=datetime.UTC)
COMMAND = "python benchmarks/airline_precision.py TRANSCRIPTS"
TABLE = re.compile(r"(<!-- table -->\n).*?(<!-- end -->)", re.S)
ERROR = 0.025  # on each side


def main() -> None:
    parser = argparse.ArgumentParser(description="precision of the airline policy on recorded transcripts")
    parser.add_argument("transcripts", type=Path)
    summary = audited(parser.parse_args().transcripts)
    labels = [json.loads(line) for line in (AIRLINE / "audit" / "labels.jsonl").read_text().splitlines()]
    result = joined(summary, {(one["transcript"], one["message"], one["clause"]): one["verdict"] for one in labels})
    (AIRLINE / "audit" / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    page = AIRLINE / "README.md"
    if page.exists():
        page.write_text(TABLE.sub(lambda found: found[1] + table(result) + found[2], page.read_text()))
    print(table(result))
    print(f"{len(result['unlabelled'])} findings without a label, {len(result['stale'])} labels without a finding")


def audited(path: Path) -> AuditSummary:
    """The audit of these transcripts."""
    auditor = Auditor(load(AIRLINE / "policy.md"))
    with path.open("rb") as source:
        for item in read_transcripts(source, reading=Reading(start_ms=int(START.timestamp() * 1000))):
            if isinstance(item, Transcript):
                auditor.take(item.id, item.events)
    return auditor.summary(files=[path.name])


def joined(summary: AuditSummary, labels: dict[tuple[str, int | None, str], str]) -> dict[str, Any]:
    """Counts and intervals per clause, and what the labels leave open. No text of a transcript is in it."""
    found = {(f.transcript, f.message, f.clause): f.state for f in summary.findings if not f.clause.startswith("@")}
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for key, state in found.items():
        said[key[2]][labels.get(key, "unlabelled") if state == "broken" else state] += 1
    clauses = [clause for clause in summary.clauses if not clause.clause.startswith("@")]
    return {
        "command": COMMAND,
        "rerun": "run the command again: it overwrites this file and the table of the README",
        "policy": summary.policy.digest,
        "transcripts": summary.transcripts,
        "findings": sum(clause.findings for clause in clauses),
        "clauses": {
            clause.clause: {
                "formalised": bool(clause.rules),
                "transcripts": {"broken": clause.broken, "undecided": clause.undecided, "of": clause.of},
                "low": clause.low,
                "high": clause.high,
                "findings": clause.findings,
                "labels": dict(sorted(said[clause.clause].items())),
                "precision": _precision(said[clause.clause]),
            }
            for clause in clauses
        },
        "overall": _precision(sum(said.values(), Counter())),
        "unlabelled": sorted(map(list, found.keys() - labels.keys())),
        "stale": sorted(map(list, labels.keys() - found.keys())),
    }


def _precision(said: Counter[str]) -> dict[str, Any] | None:
    """True findings of those read, where a debatable one counts as not true; the exact interval takes them as independent."""
    read = said["true"] + said["false"] + said["debatable"]
    if not read:
        return None
    return {
        "true": said["true"],
        "of": read,
        "low": round(exact.lower_bound(trials=read, broken=said["true"], error=ERROR), 4),
        "high": round(exact.upper_bound(trials=read, broken=said["true"], error=ERROR), 4),
    }


def table(result: dict[str, Any]) -> str:
    lines = [
        "| clause | transcripts broken / of | findings | true | debatable | false | undecided | warned | precision, 95 % |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, clause in result["clauses"].items():
        if not clause["formalised"]:
            continue
        seen, labels, precision = clause["transcripts"], clause["labels"], clause["precision"]
        shown = f"{precision['true']}/{precision['of']} ({_share(precision)})" if precision else "no finding"
        counts = " | ".join(str(labels.get(word, 0)) for word in ("true", "debatable", "false", "undecided", "warned"))
        lines.append(f"| `{name}` | {seen['broken']} / {seen['of']} | {clause['findings']} | {counts} | {shown} |")
    overall = result["overall"]
    if overall:
        lines.append(
            f"| all | | {result['findings']} | | | | | | {overall['true']}/{overall['of']} ({_share(overall)}) |"
        )
    return "\n".join(lines) + "\n"


def _share(precision: dict[str, Any]) -> str:
    return f"{100 * precision['low']:.0f}–{100 * precision['high']:.0f} %"


if __name__ == "__main__":
    main()
