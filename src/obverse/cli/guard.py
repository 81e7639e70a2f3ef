"""`obverse guard`: a guard's home on this machine: make it, look at it, try it, stop what runs in it.

One command a file: `guard_serve` and `guard_mcp` add theirs by name, and are loaded when called.
"""

from __future__ import annotations

import importlib
import secrets
from pathlib import Path
from typing import Final

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, print_json, say

ELSEWHERE: Final = {
    "serve": ("guard_serve", "Stand as an HTTP gateway before a model."),
    "client": ("guard_client", "Give a client of the gateway a key."),
    "mcp": ("guard_mcp", "Stand as an MCP proxy before a server."),
}
"""Command → the module of `obverse.cli` that holds it under the name `serve`, `mcp`, and one line of help."""

_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


class GuardGroup(click.Group):
    """Commands of this file, and those that others hold in files of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None while completing a name that does not exist."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(f"obverse.cli.{ELSEWHERE[cmd_name][0]}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"`{cmd_name}` is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        here = [(name, command.get_short_help_str(60)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*here, *((name, text) for name, (_, text) in ELSEWHERE.items())])


@click.group(cls=GuardGroup)
def guard() -> None:
    """A guard in front of an agent: the policy decides each call and reply before it happens, and everything is on record."""


@guard.command(short_help="Make a home for a guard.")
@_FOLDER
@click.option("--policy", required=True, type=click.Path(path_type=Path), help="The policy; a copy of it is kept.")
@click.option("--name", default="guard.example", show_default=True, help="Of the key that signs the log.")
@json_option
def init(folder: Path, *, policy: Path, name: str, as_json: bool) -> ExitCode:
    """Make a home in DIR: settings, a copy of the policy, a log with a key of its own, and a place for people's keys."""
    from obverse.guard.home import make_home

    home = make_home(folder, policy, name=name, origin=f"{name}/{secrets.token_hex(8)}")
    key = str(home.signer().key)
    checked = home.loaded.checked
    if as_json:
        print_json({"home": str(folder), "policy": {"name": checked.name, "digest": checked.digest}, "key": key})
    else:
        say(f"{folder} guards by `{checked.name}`")
        say(key)
    return ExitCode.HOLDS
