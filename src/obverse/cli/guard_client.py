"""`obverse guard client`: a key for a client of the gateway."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, print_json, say

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TABLE = "[gateway.clients]"


@click.command(short_help="Give a client of the gateway a key.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("holder", metavar="NAME")
@json_option
def client(folder: Path, *, holder: str, as_json: bool) -> ExitCode:
    """Make a key for a client that stands for NAME, and print it: it stands nowhere else. Its digest goes into `guard.toml`.

    Sessions, grants and the log name the client by NAME. Do it while the guard does not run: one that runs takes a change of its
    settings for tampering.
    """
    from obverse.core.errors import MisuseError
    from obverse.core.files import write_whole
    from obverse.gateway.http.clients import CANARY_HOLDER, key_digest, new_key
    from obverse.gateway.http.server import read_configuration
    from obverse.guard.home import CONFIGURATION, open_home

    if not _NAME.fullmatch(holder) or holder == CANARY_HOLDER:
        raise MisuseError(f"`{holder}` is no name of a client", code="G446", hint="letters, digits, `.`, `_`, `@`, `-`")
    read_configuration(open_home(folder).configuration.gateway)
    key = new_key(secrets.token_bytes(24))
    path = folder / CONFIGURATION
    write_whole(path, with_client(path.read_text(), key_digest(key), holder).encode())
    if as_json:
        print_json({"holder": holder, "key": key})
    else:
        say(key)
        note(f"the key of `{holder}`, shown this once")
    return ExitCode.HOLDS


def with_client(text: str, digest: str, holder: str) -> str:
    """The settings with one more client."""
    line = f'"{digest}" = "{holder}"\n'
    if _TABLE in text.splitlines():
        head, _, rest = text.partition(f"{_TABLE}\n")
        return f"{head}{_TABLE}\n{line}{rest}"
    return f"{text.rstrip()}\n\n{_TABLE}\n{line}"
