"""The real servers behind the proxy: started or reached, listed, called, and watched for changes.

A server is told nothing of the agent but calls that were decided: no sampling, no elicitation, no roots are offered to it, so a
server that asks for one is refused by the protocol itself; of a request's `_meta` nothing goes on. What only a server may know
(keys, tokens) stands in its settings and never reaches the agent.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Literal, Protocol

import anyio
import httpx2
import msgspec
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import streamable_http
from mcp.client.stdio import stdio_client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import CallToolResult, Tool, ToolListChangedNotification

from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.gateway.mcp.definitions import Definition
from obverse.policy.decision import Unknown
from obverse.policy.reading import read_json

MOST_PAGES: Final = 100
PAUSE: Final = 1.0
"""Seconds before a lost stream of changes is opened again."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one server is reached: a command that is started, or a URL. `env` and `headers` are for it alone.

    `protocol` is how its version is found: `auto` asks for the newest first, `legacy` begins with the old handshake.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    cwd: str | None = None
    protocol: Literal["auto", "legacy"] = "auto"

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise MisuseError(f"the server `{self.name}` needs a command or a URL, and not both", code="G502")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise MisuseError(f"`{self.url}` is no URL of a server", code="G502", hint="http://… or https://…")


class _Listed(msgspec.Struct, frozen=True):
    """A server in the form that clients of the protocol write."""

    command: str | None = None
    args: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    cwd: str | None = None


class _List(msgspec.Struct, frozen=True):
    servers: Mapping[str, _Listed] = msgspec.field(name="mcpServers")


def read_servers(data: bytes, *, source: str) -> list[ServerSettings]:
    """The servers of a file `{"mcpServers": {NAME: {"command", "args", "env"} or {"url", "headers"}}}`.

    Raises:
        UntrustedInputError: it is none.
    """
    try:
        if isinstance(read_json(data.decode()), Unknown):
            raise UntrustedInputError("not JSON, or with a key twice in one object", code="G504", source=source)
        found = msgspec.json.decode(data, type=_List).servers
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UntrustedInputError("no list of MCP servers", code="G504", source=source) from error
    return [
        ServerSettings(
            name=name,
            command=(one.command, *one.args) if one.command else (),
            url=one.url,
            env=one.env,
            headers=one.headers,
            cwd=one.cwd,
        )
        for name, one in found.items()
    ]


class Progress(Protocol):
    """What is told how far a call is."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class Upstream:
    """One connected server. `tools` are those of the newest listing, as the server sent them."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.tools: dict[str, Tool] = {}
        self._client = client

    @property
    def instructions(self) -> str | None:
        """What the server says of itself, for whoever uses it."""
        return self._client.instructions

    async def definitions(self) -> tuple[Definition, ...]:
        """What the server offers now, asked anew; a name that stands twice is taken once, its second definition not at all.

        Raises:
            UnavailableError: it does not say.
        """
        found: dict[str, Tool] = {}
        cursor = None
        with _reaching(self.name):
            for _ in range(MOST_PAGES):
                page = await self._client.list_tools(cursor=cursor)
                for tool in page.tools:
                    found.setdefault(tool.name, tool)
                cursor = page.next_cursor
                if cursor is None:
                    break
        self.tools = found
        return tuple(
            Definition(server=self.name, name=name, said=tool.model_dump(by_alias=True, mode="json", exclude_none=True))
            for name, tool in found.items()
        )

    async def call(self, tool: str, arguments: dict[str, Any], progress: Progress | None) -> CallToolResult:
        """What the tool gave back.

        Raises:
            UnavailableError: the server did not answer, or not in the protocol's form; whether the tool ran is not known.
        """
        with _reaching(self.name, for_agent=True):
            return await self._client.call_tool(tool, arguments, progress_callback=progress)

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Call `changed` whenever the server says that its tools did; for servers that say so on a stream of their own."""
        capability = self._client.server_capabilities.tools
        while capability is not None and capability.list_changed:
            try:
                async with self._client.listen(tools_list_changed=True) as stream:
                    async for _event in stream:
                        await changed()
            except ListenNotSupportedError:
                return  # it says so by a notification, which `connected` hears
            except (SubscriptionLost, MCPError, TimeoutError):
                await changed()  # what was missed is not known
            await anyio.sleep(PAUSE)


@contextlib.asynccontextmanager
async def connected(settings: ServerSettings, changed: Callable[[], Awaitable[None]]) -> AsyncIterator[Upstream]:
    """A connection to the server; `changed` is called when it notifies of changed tools.

    Raises:
        UnavailableError: it cannot be started or reached, or does not speak the protocol.
    """

    async def heard(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            await changed()

    async with contextlib.AsyncExitStack() as stack:
        with _reaching(settings.name):
            where = await _where(settings, stack)
            client = await stack.enter_async_context(
                Client(where, mode=settings.protocol, message_handler=heard, cache=None)
            )
        yield Upstream(settings.name, client)


async def _where(settings: ServerSettings, stack: contextlib.AsyncExitStack) -> Any:
    if settings.url is None:
        command, *args = settings.command
        start = StdioServerParameters(command=command, args=args, env=dict(settings.env), cwd=settings.cwd)
        return stdio_client(
            start, errlog=sys.__stderr__ or sys.stderr
        )  # a child needs a real file, whoever captures ours
    timeout = httpx2.Timeout(30.0, read=300.0)  # a server may hold a stream open
    http = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(settings.headers), timeout=timeout))
    return streamable_http.streamable_http_client(settings.url, http_client=http)


@contextlib.contextmanager
def _reaching(name: str, *, for_agent: bool = False) -> Iterator[None]:
    """Whatever a server does wrong is one kind of error: it is not there as it should be.

    An agent is told the server's own words alone: those of a library between name addresses, files, and tokens in them (L17).
    """
    try:
        yield
    except Exception as error:  # boundary: a foreign process, a network, a library between; who calls records it
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        words = "" if for_agent and not isinstance(inner, MCPError) else str(inner)
        said = " ".join((words or type(inner).__name__).split())[:400]
        raise UnavailableError(f"the server `{name}` cannot be used: {said}", code="G503") from error
