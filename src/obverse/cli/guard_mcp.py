"""`obverse guard mcp`: an MCP proxy between an agent and real servers, with a guard's home behind it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.home_judge import judge_of_home
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.gateway.mcp.definitions import Lock
    from obverse.gateway.mcp.proxy import Proxy
    from obverse.gateway.mcp.servers import ServerSettings
    from obverse.guard.vault import Vault

LOCK = "mcp.lock.json"


@click.command(short_help="Stand as an MCP proxy before a server.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, metavar="[-- COMMAND ARGS…]")
@click.option("--name", default="server", show_default=True, help="What the one server is called, in the lock too.")
@click.option("--url", help="A real server that is reached over streamable HTTP, in place of a command.")
@click.option(
    "--servers", type=click.Path(path_type=Path), help="Several servers: a file with `mcpServers`, as clients write it."
)
@click.option(
    "--listen", type=click.IntRange(0, 65_535), metavar="PORT", help="Serve streamable HTTP; else the standard streams."
)
@click.option("--token", metavar="NAME", help="The variable of this process that holds what agents must send to PORT.")
@click.option("--holder", default="mcp", show_default=True, help="Who the agent is: grants name it.")
@click.option("--deadline", default=50.0, show_default=True, help="Seconds that a call is held while people are asked.")
@click.option(
    "--env",
    "names",
    multiple=True,
    metavar="NAME",
    help="A credential of the guard, or a variable of this process, that the server gets.",
)
@click.option(
    "--bearer", metavar="NAME", help="The credential of the guard, or the variable, that holds the token for the URL."
)
@click.option(
    "--session-header", metavar="NAME", help="One session for each value of this header, which the agent cannot set."
)
@click.option("--agree", is_flag=True, help="Agree to what the servers say of their tools now, and stop.")
@click.option("--list", "listing", is_flag=True, help="Show which tools are shown, and why not the others; then stop.")
@json_option
def mcp(
    folder: Path,
    command: tuple[str, ...],
    *,
    name: str,
    url: str | None,
    servers: Path | None,
    listen: int | None,
    token: str | None,
    holder: str,
    deadline: float,
    names: tuple[str, ...],
    bearer: str | None,
    session_header: str | None,
    agree: bool,
    listing: bool,
    as_json: bool,
) -> ExitCode:
    """Stand between an agent and MCP servers: DIR is the guard's home.

    The agent starts this command where it would have started the server's, or connects to http://127.0.0.1:PORT/mcp. Tools that
    no history could allow are not shown, each call is decided and recorded before it runs, and a tool whose definition is not
    the one that was agreed to is held.
    """
    import anyio

    from obverse.gateway.mcp.canary import prove
    from obverse.gateway.mcp.definitions import without
    from obverse.gateway.mcp.proxy import ProxySettings, running
    from obverse.gateway.mcp.sessions import Desks
    from obverse.guard.home import open_home
    from obverse.guard.local import open_guard, open_vault

    home = open_home(folder)
    vault = open_vault(home)
    upstreams = _servers(name, command, url, servers, partial(_secret, vault), names, bearer)
    lock = _lock(folder / LOCK)
    if agree and lock is not None:
        lock = without(lock, [one.name for one in upstreams])
    guard = open_guard(home, judge=judge_of_home(home))
    settings = ProxySettings(deadline=deadline)
    desks = Desks(guard, holder=holder, settings=settings, header=session_header)
    looking = agree or listing

    async def run(serve: Callable[[Proxy], Awaitable[None]]) -> None:
        async with running(
            guard,
            upstreams,
            desks=desks,
            lock=lock,
            keep=_keeper(folder / LOCK, agree=agree),
            settings=settings,
            hide=vault.hidden,
        ) as proxy:
            for change in proxy.changes:
                note(one_line(f"held: {change.server} {change.tool}: {change.what}"))
            await prove(proxy, guard)
            await serve(proxy)
        await desks.end()

    async def show(proxy: Proxy) -> None:
        _show(proxy, as_json=as_json)

    try:
        anyio.run(run, show if looking else _serving(listen, _variable(token)))
    finally:
        guard.close()
    return ExitCode.HOLDS


def _servers(
    name: str,
    command: Sequence[str],
    url: str | None,
    file: Path | None,
    secret: Callable[[str], str],
    names: Sequence[str],
    bearer: str | None,
) -> list[ServerSettings]:
    """The servers that were named, in one of the three ways."""
    from obverse.core.errors import MisuseError
    from obverse.gateway.mcp.servers import ServerSettings, read_servers

    if sum([bool(command), bool(url), bool(file)]) != 1:
        raise MisuseError("name one server: `-- COMMAND`, `--url` or `--servers`", code="G502")
    if file is not None:
        from obverse.cli.load import read_file

        return read_servers(read_file(file, 1_000_000, "the list of servers"), source=str(file))
    env = {variable: secret(variable) for variable in names}
    headers = {"Authorization": f"Bearer {secret(bearer)}"} if bearer else {}
    return [ServerSettings(name=name, command=tuple(command), url=url, env=env, headers=headers)]


def _secret(vault: Vault, name: str) -> str:
    """What the guard holds under this name, or what the variable holds."""
    if name not in vault.names:
        return _variable(name) or ""
    with vault.lent((name,)) as lent:
        return lent[name]


def _variable(name: str | None) -> str | None:
    """What this variable holds: on the command line others could read it."""
    from obverse.core.errors import MisuseError

    if name is not None and not os.environ.get(name):
        raise MisuseError(f"the variable `{name}` is not set", code="G502", hint="set it where the guard runs")
    return None if name is None else os.environ[name]


def _lock(path: Path) -> Lock | None:
    from obverse.gateway.mcp.definitions import read_lock

    return read_lock(path.read_bytes(), source=str(path)) if path.exists() else None


def _keeper(path: Path, *, agree: bool) -> Callable[[Lock], None]:
    """Writes down what is agreed to: by somebody who said so, or because nothing was agreed to before."""
    from obverse.core.files import write_whole
    from obverse.gateway.mcp.definitions import write_lock

    def keep(lock: Lock) -> None:
        write_whole(path, write_lock(lock))
        tools = sum(len(server.tools) for server in lock.servers.values())
        why = "agreed to" if agree else "seen for the first time: agreed to"
        note(f"{why} {tools} tool{'s' if tools != 1 else ''} as they are now, in {path}")

    return keep


def _show(proxy: Proxy, *, as_json: bool) -> None:
    catalogue = proxy.catalogue
    if as_json:
        changes = [{"server": one.server, "tool": one.tool, "what": one.what} for one in proxy.changes]
        print_json({"shown": list(catalogue.shown), "hidden": dict(catalogue.hidden), "changes": changes})
        return
    for name in catalogue.shown:
        say(one_line(f"shown   {name}"))
    for name, why in catalogue.hidden.items():
        say(one_line(f"hidden  {name}: {why}"))


def _serving(listen: int | None, token: str | None) -> Callable[[Proxy], Awaitable[None]]:
    """Serves agents on a port of loopback, or the one agent on the standard streams."""

    async def over_http(proxy: Proxy) -> None:
        from obverse.gateway.mcp.http import application, serve

        await serve(application(proxy.server(), token=token), listen or 0, lambda url: note(f"serving {url}"))

    async def over_streams(proxy: Proxy) -> None:
        from obverse.gateway.mcp.stdio import own_streams, serve

        with own_streams() as (source, sink):
            await serve(proxy.server(), source, sink)

    return over_streams if listen is None else over_http
