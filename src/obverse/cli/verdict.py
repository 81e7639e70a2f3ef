"""What a run came to, told in every form: files, terminal, JSON, exit code. Shared by `run` and `report`; not a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import print_json, say

if TYPE_CHECKING:
    from obverse.campaign.records import Plan, Summary


def exit_code(summary: Summary) -> ExitCode:
    """What a run's summary means to a script."""
    return {"holds": ExitCode.HOLDS, "fails": ExitCode.VIOLATED, "undecided": ExitCode.UNDECIDED}[summary.verdict]


def write_reports(folder: Path, summary: Summary) -> None:
    """Every form of the report into the folder; each file is whole or not there."""
    from obverse.core.files import write_whole
    from obverse.report.data import render_json
    from obverse.report.html import render_html
    from obverse.report.junit import render_junit

    write_whole(folder / "report.json", render_json(summary))
    write_whole(folder / "junit.xml", render_junit(summary).encode())
    write_whole(folder / "report.html", render_html(summary).encode())


def show(summary: Summary, folder: Path, *, as_json: bool) -> None:
    """The answer on stdout."""
    from obverse.report.terminal import render_text

    if as_json:
        print_json(document(summary, folder))
        return
    say(render_text(summary).rstrip())
    say()
    say(f"report: {folder / 'report.html'}")


def document(summary: Summary, folder: Path) -> dict[str, Any]:
    """What `--json` prints of a run: a contract."""
    claims = [*summary.overall, *(claim for view in summary.clauses for claim in view.claims)]
    return {
        "policy": policy_of(summary.plan),
        "target": summary.plan.target,
        "plan": {
            "digest": summary.plan_digest,
            "trials": summary.plan.trials,
            "seed": summary.plan.seed,
            "mode": summary.plan.mode,
        },
        "trials": summary.tally,
        "claims": claims,
        "verdict": summary.verdict,
        "complete": summary.complete,
        "ended": summary.ended,
        "judges": summary.judges,
        "report": str(folder / "report.html"),
    }


def policy_of(plan: Plan) -> dict[str, str]:
    """Which policy a run was about."""
    return {"name": plan.policy_name, "version": plan.policy_version, "digest": plan.policy}
