"""Attacks on the credentials that the guard holds: by the tools that were lent them, and by the servers that know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from obverse.core.errors import UnavailableError
from obverse.guard.tools import Tools, session_of
from obverse.guard.vault import Lent, Vault
from obverse.testing.guards import call, guard_of

SECRET = 'tok-"9f/8e 7d"'
GIVEN: dict[str, Callable[[str], Any]] = {
    "a text": lambda secret: f"used {secret}",
    "a record": lambda secret: {"owner": "ann", "debug": {"header": f"Bearer {secret}"}},
    "a key": lambda secret: {secret: 1},
    "a list": lambda secret: ["ok", (secret,)],
    "bytes in a text form": lambda secret: secret.encode(),
    "an object": lambda secret: type("Odd", (), {"__repr__": lambda _: secret, "__str__": lambda _: secret})(),
}


def tools_that_give(given: Callable[[str], Any]) -> tuple[Tools, Callable[..., Any]]:
    tools = Tools(Vault({"TOKEN": SECRET}))

    @tools.tool(needs=("TOKEN",))
    def look(id: str, credentials: Lent | None = None) -> Any:  # the policy's name
        assert credentials is not None
        return given(credentials["TOKEN"])

    return tools, look


def _raise(secret: str) -> Any:
    raise ConnectionError(f"GET http://x.test/?token={secret} refused")


@pytest.mark.parametrize("how", GIVEN)
def test_a_tool_gives_its_credential_back_in_some_other_form(how: str) -> None:
    tools, look = tools_that_give(GIVEN[how])
    guard = guard_of()
    with guard.session(holder="alice") as session, session_of(session):
        assert "9f/8e" not in repr(look(id="a"))
        [ran] = tools.run(session, session.propose([call("look", '{"id": "a"}')]))
        assert "9f/8e" not in ran.output


def test_a_tool_raises_with_its_credential_in_the_message() -> None:
    tools, look = tools_that_give(_raise)
    guard = guard_of()
    with guard.session(holder="alice") as session, session_of(session):
        with pytest.raises(Exception, match="refused") as raised:
            look(id="a")
        assert "9f/8e" not in repr(raised.value)
        assert raised.value.__suppress_context__
        [ran] = tools.run(session, session.propose([call("look", '{"id": "a"}')]))
        assert ran.failed
        assert "9f/8e" not in ran.output


@pytest.mark.filterwarnings("default")
async def test_a_server_that_cannot_be_reached_does_not_name_its_address_to_the_agent() -> None:
    from mcp import MCPError

    from obverse.gateway.mcp.servers import Upstream

    class Client:
        def __init__(self, fault: Exception) -> None:
            self.fault = fault

        async def call_tool(self, *_: Any, **__: Any) -> Any:
            raise self.fault

    for fault, told in (
        (ConnectionError("Client error '401' for url 'http://bank.internal/mcp?token=tok-9f8e'"), "ConnectionError"),
        (FileNotFoundError(2, "no such file", "/srv/secret/bank"), "FileNotFoundError"),
        (MCPError(-32602, "`amount` is missing"), "`amount` is missing"),
    ):
        with pytest.raises(UnavailableError) as raised:
            await Upstream("bank", Client(fault)).call("pay", {}, None)  # type: ignore[arg-type]  # as much of one as is used
        assert raised.value.message == f"the server `bank` cannot be used: {told}"
