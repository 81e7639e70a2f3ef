"""`obverse cases --from-ledger`: what was stopped once, or should have been, asked of every later model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import note, one_line, print_json, say, when_interrupted

if TYPE_CHECKING:
    from obverse.policy.checked import Checked


def of_the_past(checked: Checked, ledger: Path, *, seed: int, output: Path | None, as_json: bool) -> ExitCode:
    """Writes the cases. Exits 3 where a step that was stopped then is let through by this policy: look whether that is meant."""
    from obverse.cases.files import write_cases
    from obverse.cases.regression import regressions
    from obverse.cli.past import ledger_past
    from obverse.core.files import write_whole

    with when_interrupted("nothing was written"):
        past = ledger_past(ledger)
        granted = sum(bool(one.lifted) and one.released for one in past.steps)  # what a grant let through broke nothing
        steps = [(f"{one.session}:{one.step.event.id}", one) for one in past.steps if not (one.lifted and one.released)]
        stopped = {name for name, one in steps if not one.released}
        found = regressions(checked, [(name, one.history, one.step) for name, one in steps], seed=seed)
        loosened = [one.name for one in found.left if one.name in stopped and one.why == "allowed by this policy"]
        new = sum(one.released for _, one in steps) - sum(one.name not in stopped for one in found.left)
        if output is not None:
            write_whole(output, write_cases(found.cases))
    if as_json:
        print_json({
            "policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
            "steps": len(past.steps), "erased": past.erased, "under_a_grant": granted, "cases": len(found.cases), "repeated": found.repeated,
            "released_and_blocked_now": new, "stopped_and_allowed_now": loosened,
            "left_out": {name: sum(one.why == name for one in found.left) for name in {one.why for one in found.left}},
            "output": None if output is None else str(output),
        })  # fmt: skip
    else:
        say(f"{len(past.steps)} steps in the ledger, {len(stopped)} of them stopped")
        say(f"{len(found.cases)} cases: {new} steps went through then and are blocked by this policy")
        for name in loosened:
            say(one_line(f"stopped then, and let through by this policy: {name}"))
        if granted:
            say(f"{granted} were let through by a grant, and are no cases")
        if past.erased:
            note(f"{past.erased} steps could not be looked at: they or something before them were erased")
        if output is None and found.cases:
            note("nothing was written: name a file with -o")
    return ExitCode.VIOLATED if loosened else ExitCode.HOLDS
