"""`obverse audit`: which clauses do recorded transcripts break, how often, and where."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say, when_interrupted
from obverse.cli.reading import reading_of

if TYPE_CHECKING:
    from io import BufferedReader

    from obverse.campaign.audits import Auditor, AuditSummary
    from obverse.core.chat_log import Reading

_EVERY = 2.0  # seconds between two lines of progress
_EXITS = {"broken": ExitCode.VIOLATED, "undecided": ExitCode.UNDECIDED, "clean": ExitCode.HOLDS}


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path, allow_dash=True), nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", "obverse", "openai"]),
    default="auto",
    show_default=True,
    help="How the transcripts are written.",
)
@click.option("--start", metavar="TIME", help="When a transcript without a clock began, such as 2024-05-15T15:00:00.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the report as one page."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write audit.html, audit.json and audit.txt to this folder.",
)
@json_option
def audit(
    *,
    policy: Path,
    files: tuple[Path, ...],
    format_: Literal["auto", "obverse", "openai"],
    start: str | None,
    html: Path | None,
    output: Path | None,
    as_json: bool,
) -> ExitCode:
    """Decide each step of recorded transcripts by POLICY, and count which clauses they break.

    FILE holds chats of the OpenAI format or transcripts of our own, one a line; `-` is stdin. Exits 3 where a clause was
    broken for certain, 4 where something that decides was not known or could not be read, 0 where neither is so.
    """  # fmt: skip
    from obverse.campaign.audits import Auditor
    from obverse.cli.load import load
    from obverse.core.version import VERSION

    checked = load(policy)
    reading = reading_of(start, checked)
    auditor = Auditor(checked)
    with when_interrupted("nothing was written"):
        for path in files:
            _read(path, format_, reading, auditor)
    summary = auditor.summary(files=[str(path) for path in files], assumed_start=reading.start_ms, version=VERSION)
    _write(summary, html, output)
    if as_json:
        print_json(summary)
    else:
        _say(summary)
    return _EXITS[summary.verdict]


def _read(path: Path, format_: Literal["auto", "obverse", "openai"], reading: Reading, auditor: Auditor) -> None:
    """Audit every transcript of this file as it is read."""
    from obverse.campaign.audit_files import audit_source

    name = "stdin" if str(path) == "-" else str(path)
    progress = _Progress()
    with click.open_file(str(path), "rb") as source:
        for _ in audit_source(auditor, cast("BufferedReader", source), format=format_, reading=reading, name=name):
            progress.tell(auditor)
    progress.done()


class _Progress:
    """One line on stderr, written again and again where there is a terminal; silent for what is quickly done."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.wrote = False

    def tell(self, auditor: Auditor) -> None:
        now = time.monotonic()
        if now - self.told < _EVERY:
            return
        self.told = now
        rate = auditor.transcripts / (now - self.began)
        text = f"{auditor.transcripts:,} transcripts, {auditor.found:,} findings, {rate:,.0f} transcripts/s"
        if sys.stderr.isatty():
            click.echo(f"\r{text}", err=True, nl=False)
            self.wrote = True
        else:
            note(text)

    def done(self) -> None:
        if self.wrote:
            click.echo(err=True)


def _write(summary: AuditSummary, html: Path | None, output: Path | None) -> None:
    """The reports that were asked for."""
    from obverse.core.files import write_whole
    from obverse.report.data import render_audit_json
    from obverse.report.html import render_audit_html
    from obverse.report.terminal import render_audit_text

    wanted: list[tuple[Path, bytes]] = []
    if html is not None:
        wanted.append((html, render_audit_html(summary).encode()))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        wanted += [
            (output / "audit.html", render_audit_html(summary).encode()),
            (output / "audit.json", render_audit_json(summary)),
            (output / "audit.txt", render_audit_text(summary).encode()),
        ]
    for path, data in wanted:
        write_whole(path, data)
        note(f"wrote {one_line(str(path))}")


def _say(summary: AuditSummary) -> None:
    from obverse.report.terminal import render_audit_text

    for line in render_audit_text(summary).splitlines():
        say(line)
