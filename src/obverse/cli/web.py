"""`obverse web`: the pages on which people read what waits, and sign their answers."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, print_json, say, when_interrupted

if TYPE_CHECKING:
    from obverse.guard.people import Role
    from obverse.web.fence import Address

PORT: Final = 8722
ROLES: Final = ("approve", "grant", "stop")


@click.command(short_help="Show what waits for approval on a web page.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--port", default=PORT, show_default=True, help="On loopback; 0 takes one that is free.")
@click.option("--origin", metavar="URL", help="The address that a proxy with TLS in front of it has: `https://…`.")
@click.option("--invite", metavar="NAME", help="Print an address at which NAME can register one passkey, and end.")
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(ROLES), help="What an invited person may do; `approve`."
)
@json_option
def web(
    folder: Path, *, port: int, origin: str | None, invite: str | None, roles: Sequence[Role], as_json: bool
) -> ExitCode:
    """Show what waits for approval in the guard at DIR, on pages at `http://localhost:8722`, until Ctrl-C.

    Answers are signed in the browser: with a passkey, or with an Ed25519 key in a file. The address that is printed holds a key
    to look; it approves nothing. Passkeys are bound to an address: keep the port that they were registered at.
    """
    if invite is not None:
        return _invite(folder, invite, tuple(roles) or ("approve",), _address(origin, port), as_json=as_json)
    if roles:
        raise click.UsageError("--role goes with --invite")
    return _serve(folder, port, origin, as_json=as_json)


def _serve(folder: Path, port: int, origin: str | None, *, as_json: bool) -> ExitCode:
    _has_packages()
    from obverse.guard.approvals.local import open_queue
    from obverse.guard.home import open_home
    from obverse.guard.people import read_people
    from obverse.web.app import Desk, application
    from obverse.web.serve import listen, now, serve

    home = open_home(folder)
    queue = open_queue(home, clock=now, fresh=secrets.token_bytes)
    address = _address(origin, port)
    sockets = listen(port)
    if origin is None:
        address = _address(None, sockets[0].getsockname()[1])
    key = secrets.token_urlsafe(24)
    desk = Desk(
        queue=queue, people=partial(read_people, home.people), folder=home.people, home=home.folder,
        checked=home.loaded.checked, clock=now, fresh=secrets.token_bytes, address=address,
    )  # fmt: skip
    link = f"{address.origin}/?key={key}"
    if as_json:
        print_json({"address": link, "origin": address.origin})
    else:
        say(link)
        note("who opens this address can read what waits; only a signature approves. Ctrl-C ends it")
    with when_interrupted("the pages are closed; what waits still waits"):
        serve(application(desk, key=key), sockets)
    return ExitCode.HOLDS


def _invite(folder: Path, name: str, roles: tuple[Role, ...], address: Address, *, as_json: bool) -> ExitCode:
    from obverse.guard.approvals.page import moment
    from obverse.guard.home import open_home
    from obverse.web.invitations import invite
    from obverse.web.serve import now

    home = open_home(folder)
    token, kept = invite(home.folder, name, roles, people=home.people, now=now(), fresh=secrets.token_bytes)
    link = f"{address.origin}/join/{token}"
    if as_json:
        print_json({"address": link, "name": kept.name, "roles": kept.roles, "expires": kept.expires})
        return ExitCode.HOLDS
    say(link)
    note(f"good for one passkey of `{kept.name}` until {moment(kept.expires)}, while `obverse web` runs")
    return ExitCode.HOLDS


def _address(origin: str | None, port: int) -> Address:
    """Where the pages are: on loopback, or where somebody says that a proxy has them."""
    from obverse.core.errors import MisuseError
    from obverse.web.fence import Address

    if origin is None:
        return Address(origin=f"http://localhost:{port}")
    try:
        parts = urlsplit(origin)
        known = parts.scheme == "https" and parts.hostname and not parts.username and parts.path in {"", "/"}
        plain = f"https://{parts.netloc.lower()}".removesuffix(":443")
    except ValueError:
        known, plain = False, ""
    if not known:
        raise MisuseError(f"`{origin}` is no address of pages", code="G600", hint="`https://approve.example.com`")
    return Address(origin=plain)


def _has_packages() -> None:
    from obverse.core.errors import UnavailableError

    missing = [name for name in ("starlette", "uvicorn", "webauthn") if importlib.util.find_spec(name) is None]
    if missing:
        text = f"the pages need {' and '.join(f'`{name}`' for name in missing)}, which is not installed"
        raise UnavailableError(text, code="G604", hint="pip install 'obverse[guard]'")
