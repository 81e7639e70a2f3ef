"""`obverse export`: the policy in the language of another engine, with what could not be said there named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.interchange.cedar_export import Exported
    from obverse.policy.checked import Checked

_NAMESPACE = r"[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*"


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option(
    "--to", "dialect", type=click.Choice(["cedar", "dogwood"]), default="cedar", show_default=True,
    help="Cedar has no history; Dogwood is Cedar with past operators.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the policies here, not to stdout."
)
@click.option("--schema", type=click.Path(path_type=Path, dir_okay=False), help="Write the Cedar schema here.")
@click.option("--events", type=click.Path(path_type=Path, dir_okay=False), help="Write Dogwood's event schema here.")
@click.option(
    "--leaves",
    is_flag=True,
    help="Cedar: say all rules; what Cedar has no words for, the host looks up for each request.",
)
@click.option("--namespace", default="Agent", show_default=True, help="Of entities and actions.")
@json_option
def export(
    *,
    policy: Path,
    dialect: str,
    output: Path | None,
    schema: Path | None,
    events: Path | None,
    leaves: bool,
    namespace: str,
    as_json: bool,
) -> ExitCode:
    """Write POLICY as Cedar or Dogwood policies that decide as it does.

    What the other language cannot say is left out and named on stderr. Exits 0 where nothing was left out that blocks, 4
    where the export allows more than the policy does.
    """
    from obverse.cli.load import load
    from obverse.core.files import write_whole
    from obverse.interchange.cedar_export import export_cedar
    from obverse.interchange.dogwood import EVENTS, export_dogwood

    if re.fullmatch(_NAMESPACE, namespace) is None:
        raise click.BadParameter(f"`{namespace}` is no namespace: names joined by `::`", param_hint="--namespace")
    if leaves and dialect != "cedar":
        raise click.UsageError("--leaves is for --to cedar.")
    if events is not None and dialect != "dogwood":
        raise click.UsageError("--events is for --to dogwood.")
    checked = load(policy)
    found = (
        export_cedar(checked, namespace=namespace, leaves=leaves)
        if dialect == "cedar"
        else export_dogwood(checked, namespace=namespace)
    )
    for path, text in ((output, found.text), (schema, found.schema), (events, EVENTS)):
        if path is not None:
            write_whole(path, text.encode())
    if as_json:
        print_json(_document(checked, dialect, found))
    elif output is None:
        say(found.text.rstrip("\n"))
    for one in found.left_out:
        note(one_line(f"left out: {one.rule}: {one.reason}{'' if one.loosens else ' (blocks nothing)'}"))
    return ExitCode.UNDECIDED if any(one.loosens for one in found.left_out) else ExitCode.HOLDS


def _document(checked: Checked, dialect: str, found: Exported) -> dict[str, object]:
    from obverse.policy.print import text_of

    return {
        "policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
        "dialect": dialect,
        "rules": found.rules,
        "left_out": found.left_out,
        "leaves": {name: text_of(expr) for name, expr in found.leaves.items()},
        "policies": found.text,
        "schema": found.schema,
    }
