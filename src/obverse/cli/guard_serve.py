"""`obverse guard serve`: an HTTP gateway before a model, with a guard's home behind it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.home_judge import judge_of_home
from obverse.cli.output import json_option, note, one_line, print_json

if TYPE_CHECKING:
    from socket import socket

    from obverse.gateway.http.server import Service

_SWITCH_SECONDS = (
    0.0005  # threads that decide take turns with the loop that serves; Python's own 5 ms would be seen in each answer
)


@click.command(short_help="Stand as an HTTP gateway before a model.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--upstream", required=True, metavar="URL", help="The model's server, as its clients name it: http://host:8000/v1."
)
@click.option("--key-env", metavar="NAME", help="The variable that holds the server's key; no client ever sees it.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to serve at.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
@json_option
def serve(folder: Path, *, upstream: str, key_env: str | None, host: str, port: int, as_json: bool) -> ExitCode:
    """Stand before a model and speak its protocol: POST /v1/chat/completions and /v1/responses, streams included.

    DIR is the guard's home. A client points its base URL here and uses a key of `obverse guard client`. What the model answers is
    released only once it is decided and on record. Ctrl-C ends it: what is being decided is finished first.
    """
    from obverse.gateway.http.server import Service, fast_loop, listen, read_configuration
    from obverse.guard.home import open_home
    from obverse.guard.local import now, open_guard

    sys.setswitchinterval(_SWITCH_SECONDS)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    home = open_home(folder)
    configuration = read_configuration(home.configuration.gateway)
    key = _key(key_env)
    with listen(host, port) as listener:
        guard = open_guard(home, judge=judge_of_home(home))
        try:
            service = Service(
                guard, url=upstream, key=key, configuration=configuration, clock=now, fresh=secrets.token_bytes
            )
            told: dict[str, object] = {
                "policy": guard.checked.digest,
                "clients": sorted(set(configuration.clients.values())),
            }
            with asyncio.Runner(loop_factory=fast_loop()) as runner:
                runner.run(_until_told(service, listener, told, as_json=as_json))
        finally:
            guard.close()
    note("the gateway has stopped")
    return ExitCode.HOLDS


async def _until_told(service: Service, listener: socket, told: dict[str, object], *, as_json: bool) -> None:
    """Serves until Ctrl-C or a termination; a second one waits for nothing."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ready(address: str) -> None:
        if as_json:
            print_json({"url": f"{address}/v1", "pid": os.getpid(), **told})
        else:
            note(one_line(f"serving {address}/v1 to {told['clients']}; the canary was denied, as it should be"))

    def end(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)  # a second one is the system's own

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    await service.run(listener, ready=ready, stop=stop)


def _key(name: str | None) -> str | None:
    """The key of the model's server, from the environment: on the command line others could read it."""
    from obverse.core.errors import MisuseError

    if name is None:
        return None
    if not os.environ.get(name):
        raise MisuseError(f"the variable `{name}` is not set", code="G445", hint="set it where the guard runs")
    return os.environ[name]
