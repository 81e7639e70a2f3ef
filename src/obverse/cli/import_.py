"""`obverse import`: a policy out of Cedar policies, or the start of one out of a list of tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.interchange.cedar_import import Imported

_LARGEST = 10_000_000


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the policy here, not to stdout."
)
@click.option("--name", help="Of the policy; the name of the file if not said.")
@json_option
def import_(*, file: Path, output: Path | None, name: str | None, as_json: bool) -> ExitCode:
    """Make a policy out of FILE: Cedar policies, as text or in Cedar's JSON form, or a list of tools (MCP, OpenAI).

    What the rule language cannot say is left out and named on stderr. Exits 0 where all of it is in the policy, or the
    policy is stricter for what is not, 4 where a `forbid` was left out.
    """
    from obverse.cli.load import read_file
    from obverse.core.files import write_whole
    from obverse.policy.check import check
    from obverse.policy.parse import parse

    data = read_file(file, _LARGEST, "the file")
    found = _imported(data, str(file), name or file.stem)
    check(parse(found.text, source="the imported policy"))
    if output is not None:
        write_whole(output, found.text.encode())
    if as_json:
        print_json({"file": str(file), "policies": found.policies, "left_out": found.left_out, "text": found.text})
    elif output is None:
        say(found.text.rstrip("\n"))
    for one in found.left_out:
        note(one_line(f"left out: {one.rule}: {one.reason}{'' if one.loosens else ' (stricter without it)'}"))
    return ExitCode.UNDECIDED if any(one.loosens for one in found.left_out) else ExitCode.HOLDS


def _imported(data: bytes, source: str, name: str) -> Imported:
    from obverse.core.errors import UntrustedInputError
    from obverse.interchange.cedar_import import import_cedar
    from obverse.interchange.tool_lists import import_tools
    from obverse.policy.tools import read_tools

    found = _json(data)
    if found is None:
        return import_cedar(_cedar_json(data, source), name=name)
    if isinstance(found, dict) and "staticPolicies" in found:
        return import_cedar(found, name=name)
    tools = read_tools(data, source=source)
    if not tools:
        raise UntrustedInputError("neither Cedar policies nor a list of tools", code="P140", source=source)
    return import_tools(tools, name=name)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _cedar_json(data: bytes, source: str) -> dict[str, Any]:
    from obverse.core.errors import UnavailableError, UntrustedInputError

    try:
        import cedarpy
    except ImportError as error:
        raise UnavailableError(
            "`cedarpy` is not installed, and Cedar's own parser reads Cedar's text", code="X140",
            hint="pip install 'obverse[cedar]', or give the policies in Cedar's JSON form",
        ) from error  # fmt: skip
    try:
        found: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise UntrustedInputError("not UTF-8 text", code="P140", source=source) from error
    except ValueError as error:
        raise UntrustedInputError(
            f"neither JSON nor Cedar: {' '.join(str(error).split())[:300]}", code="P140", source=source
        ) from error
    return found
