"""`obverse report`: the reports of a run again, from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, print_json, say

if TYPE_CHECKING:
    from obverse.campaign.records import Summary


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def report(folder: Path, *, as_json: bool) -> ExitCode:
    """Compute claims and reports again from the journal in FOLDER: report.html, report.json, junit.xml.

    The exit code is that of the run: 0 every claim holds, 3 one fails, 4 some are undecided.
    """
    from obverse.campaign.run import read_run
    from obverse.cli.run import document, exit_code
    from obverse.report.terminal import render_text

    summary = read_run(folder)
    write_reports(folder, summary)
    if as_json:
        print_json(document(summary, folder))
    else:
        say(render_text(summary).rstrip())
        say()
        say(f"report: {folder / 'report.html'}")
    return exit_code(summary)


def write_reports(folder: Path, summary: Summary) -> None:
    """Every form of the report into the folder; each file is whole or not there."""
    from obverse.campaign.run import write_whole
    from obverse.report.html import render_html
    from obverse.report.data import render_json
    from obverse.report.junit import render_junit

    write_whole(folder / "report.json", render_json(summary))
    write_whole(folder / "junit.xml", render_junit(summary).encode())
    write_whole(folder / "report.html", render_html(summary).encode())
