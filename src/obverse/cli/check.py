"""`obverse check`: is the policy sound? Findings, each with a short transcript that shows it.

Not here: how a finding reads (`cli.check_lines`, `report.sarif`), and what is asked (`solver.analyse`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from obverse.cli.check_lines import document, lines
from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, json_text, note, one_line, print_json, say
from obverse.cli.progress import shown

if TYPE_CHECKING:
    from obverse.policy.checked import Checked
    from obverse.solver.examination import Examination
    from obverse.solver.findings import Analysis
    from obverse.solver.kept import Answers

_KEPT_IN = "answers-1.sqlite"  # another number, another layout of the file


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    type=Finite(min=0.01, max=86_400),
    default=10.0,
    show_default=True,
    help="Seconds per query to the solver.",
)
@click.option(
    "--budget", type=Finite(min=0.01, max=10_000_000), help="Seconds for all; what is not asked by then is undecided."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", help="What stdout gets."
)
@click.option(
    "--sarif", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings there as SARIF 2.1.0 as well."
)
@click.option("--memory", is_flag=True, help="List what a monitor must keep for each rule.")
@click.option("--no-cache", is_flag=True, help="Ask everything again, and keep nothing.")
@json_option
def check(
    policy: Path,
    *,
    timeout: float,
    budget: float | None,
    form: Literal["text", "json", "sarif"],
    sarif: Path | None,
    memory: bool,
    no_cache: bool,
    as_json: bool,
) -> ExitCode:
    """Prove things about POLICY: rules that never fire, permits that are never allowed, exceptions that never apply.

    What was found about a rule is kept in $OBVERSE_CACHE (else in your cache folder) and not asked again while all that it
    rests on stands. After Ctrl-C, what was found so far is printed, and the rest as undecided.

    Exits 0 where nothing is wrong (warnings and notes may be printed), 3 where an error is found, 4 where a question
    stayed open, 130 after Ctrl-C.
    """
    from obverse.cli.load import load
    from obverse.core.files import write_whole
    from obverse.solver.analyse import examine
    from obverse.solver.settings import Settings

    checked = load(policy)
    start = time.monotonic()
    settings = Settings(timeout_ms=max(1, round(timeout * 1000)))
    with _answers(kept=not no_cache) as answers:
        examination = examine(checked, settings=settings, answers=answers, stop=_until(start, budget))
        interrupted = _answered(examination, checked)
    analysis = examination.analysis()
    seconds = round(time.monotonic() - start, 3)
    if sarif is not None:
        write_whole(sarif, _sarif(checked, analysis, policy).encode())
    if as_json or form == "json":
        print_json(document(checked, analysis, str(policy), seconds, complete=not interrupted))
    elif form == "sarif":
        say(_sarif(checked, analysis, policy).rstrip("\n"))
    else:
        for line in lines(checked, analysis, str(policy), seconds, memory=memory):
            say(line)
    if sarif is not None:
        note(f"wrote {one_line(str(sarif))}")
    if interrupted:
        note("interrupted: what was found so far is printed; what was answered is not asked again")
        return ExitCode.INTERRUPTED
    return _exit_code(analysis)


def _answered(examination: Examination, checked: Checked) -> bool:
    """Whether Ctrl-C cut it short; what was answered by then is kept either way."""
    try:
        with shown(one_line(checked.name), "questions") as tell:
            for progress in examination:
                tell(progress.done, progress.total)
    except KeyboardInterrupt:
        return True
    return False


def _until(start: float, budget: float | None) -> Callable[[], str | None] | None:
    """Why nothing more is to be asked, once the budget is spent."""
    if budget is None:
        return None
    return lambda: f"the budget of {budget:g} s was spent" if time.monotonic() - start > budget else None


@contextmanager
def _answers(*, kept: bool) -> Iterator[Answers | None]:
    """Where answers are kept between checks."""
    if not kept:
        yield None
        return
    from obverse.solver.kept import AnswerFile
    from obverse.targets.catalogue import cache_folder

    with AnswerFile(cache_folder(os.environ).parent / _KEPT_IN) as file:
        yield file


def _sarif(checked: Checked, analysis: Analysis, policy: Path) -> str:
    from obverse.report.sarif import render_sarif

    return json_text(render_sarif(checked, analysis, source=str(policy))) + "\n"


def _exit_code(analysis: Analysis) -> ExitCode:
    if any(finding.severity == "error" for finding in analysis.findings):
        return ExitCode.VIOLATED
    return ExitCode.UNDECIDED if analysis.undecided else ExitCode.HOLDS
