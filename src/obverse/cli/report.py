"""`obverse report`: the reports of a run again, from its folder alone."""

from __future__ import annotations

from pathlib import Path

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option
from obverse.cli.verdict import exit_code, show, write_reports


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def report(folder: Path, *, as_json: bool) -> ExitCode:
    """Compute claims and reports again from the journal in FOLDER: report.html, report.json, junit.xml.

    The exit code is that of the run: 0 every claim holds, 3 one fails, 4 some are undecided.
    """
    from obverse.campaign.run import read_run

    summary = read_run(folder)
    write_reports(folder, summary)
    show(summary, folder, as_json=as_json)
    return exit_code(summary)
