"""`obverse guard`: a guard's home on this machine: make it, look at it, try it, stop what runs in it.

One command a file: `guard_serve` and `guard_mcp` add theirs by name, and are loaded when called.
"""

from __future__ import annotations

import importlib
import secrets
import time
from pathlib import Path
from typing import Final

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say

ELSEWHERE: Final = {
    "run": ("guard_run", "Guard a program through its stdin and stdout."),
    "serve": ("guard_serve", "Stand as an HTTP gateway before a model."),
    "client": ("guard_client", "Give a client of the gateway a key."),
    "mcp": ("guard_mcp", "Stand as an MCP proxy before a server."),
}
"""Command → the module of `obverse.cli` that holds it under the name `serve`, `mcp`, and one line of help."""

_LARGEST_KEY: Final = 65_536
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
@click.option(
    "--name",
    default="guard.example",
    show_default=True,
    help="Of the log and the key that signs it; random digits follow.",
)
@json_option
def init(folder: Path, *, policy: Path, name: str, as_json: bool) -> ExitCode:
    """Make a home in DIR: settings, a copy of the policy, a log with a key of its own, and a place for people's keys."""
    from obverse.guard.home import make_home

    named = f"{name}/{secrets.token_hex(8)}"  # the key is named as the log is: C2SP tlog-policy
    home = make_home(folder, policy, name=named, origin=named)
    key = str(home.signer().key)
    checked = home.loaded.checked
    if as_json:
        print_json({"home": str(folder), "policy": {"name": checked.name, "digest": checked.digest}, "key": key})
    else:
        say(f"{folder} guards by `{checked.name}`")
        say(key)
    return ExitCode.HOLDS


@guard.command(short_help="Is it running, and what is it doing?")
@_FOLDER
@json_option
def status(folder: Path, *, as_json: bool) -> ExitCode:
    """Show whether a guard is running in DIR, its sessions, leases and last heartbeat. Exits 3 if it is not running."""
    from obverse.guard.home import open_home
    from obverse.guard.status import status_of

    found = status_of(open_home(folder))
    if as_json:
        print_json(found)
    else:
        say(f"{'running' if found.running else 'not running'}, policy {found.policy}")
        say(f"{found.entries:,} entries under a checkpoint; last heartbeat {moment(found.heartbeat)}")
        for one in found.sessions:
            say(one_line(f"{one.state:<8} {one.session}  {one.holder}  since {moment(one.since)}{_lease(one.until)}"))
        for stopped in found.stops:
            say(one_line(f"ordered to stop: {stopped}"))
        for told in found.tampering:
            say(one_line(f"tampering: {told}"))
    return ExitCode.HOLDS if found.running else ExitCode.VIOLATED


@guard.command(short_help="Which tools do not pass the guard?")
@_FOLDER
@click.argument("tools", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def check(folder: Path, tools: Path, *, as_json: bool) -> ExitCode:
    """Compare what an agent is offered, in TOOLS (OpenAI functions, JSON Schema, an MCP tool list), with what the policy in DIR knows.

    Exits 3 if a tool is offered that the policy does not know, or known and not offered. An agent in Python asks
    `obverse.guard.survey` instead, which looks at the functions themselves.
    """
    from obverse.cli.load import read_file
    from obverse.guard.home import open_home
    from obverse.guard.survey import named
    from obverse.policy.tools import LARGEST, read_tools

    offered = [tool.name for tool in read_tools(read_file(tools, LARGEST, "the tools"), source=str(tools))]
    gaps = named(open_home(folder).loaded.checked, offered)
    if as_json:
        print_json({"home": str(folder), "offered": offered, "gaps": gaps})
    else:
        for gap in gaps:
            say(one_line(f"{gap.kind:<8}  {gap.tool}  {gap.why}"))
        note(f"{len(gaps)} gaps" if gaps else "every tool is one that the policy knows")
    return ExitCode.VIOLATED if gaps else ExitCode.HOLDS


@guard.command(short_help="Is a call that nobody may make denied?")
@_FOLDER
@json_option
def canary(folder: Path, *, as_json: bool) -> ExitCode:
    """Start the guard in DIR, propose a call of a tool that nobody has, and see it denied and recorded. Exits 3 if it is not."""
    from obverse.cli.guarded import opened

    with opened(folder) as found:
        passed = found.canary("command")
    if as_json:
        print_json({"home": str(folder), "passed": passed})
    else:
        say("the canary was denied, and that is on record" if passed else "the canary was not denied")
    return ExitCode.HOLDS if passed else ExitCode.VIOLATED


@guard.command(short_help="Stop a session, or all.")
@_FOLDER
@click.argument("session", required=False)
@click.option("--all", "all_", is_flag=True, help="Every session that is open now.")
@click.option("--by", required=True, help="Who stops it.")
@click.option("--why", default="stopped by a person", show_default=True, help="For the log.")
@json_option
def stop(folder: Path, session: str | None, *, all_: bool, by: str, why: str, as_json: bool) -> ExitCode:
    """Order that SESSION stops, while the guard in DIR runs: nothing of it is released any more. Needs no signature."""
    from obverse.core.errors import MisuseError
    from obverse.guard.home import open_home
    from obverse.guard.leases import order_stop

    if (session is None) is not all_:
        raise MisuseError("which session", code="G144", hint="name one, or say --all")
    order_stop(open_home(folder).control, session, by=by, why=why, time=_now())
    if as_json:
        print_json({"home": str(folder), "stopped": "all" if all_ else session, "by": by})
    else:
        say(one_line(f"ordered: {'every session' if session is None else session} stops"))
    return ExitCode.HOLDS


@guard.command(short_help="Renew the lease of a session.")
@_FOLDER
@click.argument("session")
@click.option("--seconds", type=click.FloatRange(min=0.001), default=60.0, show_default=True, help="From now on.")
@click.option("--by", required=True, help="Who renews it.")
@click.option(
    "--key-file", type=click.Path(path_type=Path), help="Their private key, where the home wants a signature."
)
@json_option
def renew(folder: Path, session: str, *, seconds: float, by: str, key_file: Path | None, as_json: bool) -> ExitCode:
    """Let SESSION run on, while the guard in DIR runs. Whoever does this must be somebody else than the agent."""
    from obverse.cli.load import read_file
    from obverse.core.errors import MisuseError
    from obverse.guard.home import open_home
    from obverse.guard.leases import renew as renewed
    from obverse.guard.signing import read_signing_key

    home, now = open_home(folder), _now()
    if home.configuration.leases == "signed" and key_file is None:
        raise MisuseError("leases are signed here", code="G142", hint="give the key by --key-file")
    key = None if key_file is None else read_signing_key(read_file(key_file, _LARGEST_KEY, "the key"))
    until = now + round(seconds * 1000)
    try:
        renewed(home.control, session, until=until, by=by, time=now, key=key)
    except FileNotFoundError as error:
        raise MisuseError(
            f"`{session[:80]}` has no lease", code="G143", hint="`obverse guard status` shows leases"
        ) from error
    if as_json:
        print_json({"home": str(folder), "session": session, "until": until, "by": by})
    else:
        say(one_line(f"{session} may run until {moment(until)}"))
    return ExitCode.HOLDS


def moment(time: int | None) -> str:
    """Milliseconds since the epoch as a person reads them, in UTC."""
    if time is None:
        return "never"
    from obverse.guard.approvals.page import moment as of_time

    return of_time(time)


def _lease(until: int | None) -> str:
    return "" if until is None else f", lease until {moment(until)}"


def _now() -> int:
    return time.time_ns() // 1_000_000
