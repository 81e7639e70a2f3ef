"""`obverse check`: is the policy sound? Findings, each with a short transcript that shows it.

Not here: how a finding reads (`cli.check_lines`, `report.sarif`), and what is asked (`solver.analyse`).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, Self

import click

from obverse.cli.check_lines import document, lines
from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, json_text, note, one_line, print_json, say
from obverse.cli.progress import shown

if TYPE_CHECKING:
    from obverse.policy.checked import Checked
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

    if as_json and form == "sarif":
        raise click.UsageError("`--json` and `--format sarif` exclude each other")
    checked = load(policy)
    start = time.monotonic()
    settings = Settings(timeout_ms=max(1, round(timeout * 1000)))
    with _answers(kept=not no_cache) as answers, _Patience(start, budget) as patience:
        examination = examine(checked, settings=settings, answers=answers, stop=patience.why)
        with shown(one_line(checked.name), "questions") as tell:
            for progress in examination:
                tell(progress.done, progress.total)
    interrupted = patience.interrupted
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


class _Patience:
    """Says why nothing more is to be asked: the budget is spent, or somebody pressed Ctrl-C; a second time ends it at once.

    A flag, since an exception in the middle of a call of the solver is turned into another one on its way.
    """

    def __init__(self, start: float, budget: float | None) -> None:
        self.interrupted = False
        self._start = start
        self._budget = budget
        self._before: Any = None

    def why(self) -> str | None:
        """The reason, or None to go on."""
        if self.interrupted:
            return "interrupted"
        spent = self._budget is not None and time.monotonic() - self._start > self._budget
        return f"the budget of {self._budget:g} s was spent" if spent else None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


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
