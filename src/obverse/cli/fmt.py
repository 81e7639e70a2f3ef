"""`obverse fmt`: rewrite policies in canonical form."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say


class Formatted(msgspec.Struct, frozen=True, kw_only=True):
    """One file: whether its canonical form differs, and whether that was written."""

    file: str
    changed: bool
    written: bool


@click.command(short_help="Write the policy in its canonical form.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="POLICY...")
@click.option("--write", is_flag=True, help="Write the files instead of printing them.")
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 3 if a file is not canonical.")
@json_option
def fmt(*, files: tuple[Path, ...], write: bool, only_check: bool, as_json: bool) -> ExitCode:
    """Print policies in canonical form: rules and terms are laid out, prose and comments stay as they are."""
    from obverse.cli.load import read_policy
    from obverse.core.files import write_whole
    from obverse.policy.format import format_document

    if write and only_check:
        raise click.UsageError("--write and --check exclude each other.")
    found = []
    for path in files:
        before = read_policy(path)
        after = format_document(before, source=str(path)).encode()
        changed = after != before
        if write and changed:
            write_whole(path, after)
        elif not (write or only_check or as_json):
            say(after.decode().removesuffix("\n"))
        found.append(Formatted(file=str(path), changed=changed, written=write and changed))
        if changed and (write or only_check):
            note(f"{one_line(str(path))}: {'rewritten' if write else 'not in canonical form'}")
    if as_json:
        print_json({"files": found})
    return ExitCode.VIOLATED if only_check and any(one.changed for one in found) else ExitCode.HOLDS
