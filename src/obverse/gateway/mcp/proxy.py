"""The proxy itself: one MCP server to the agent, one client to each real server, and the guard between.

| what an agent or a server may ask | what happens |
|---|---|
| `tools/list` | asked of the servers anew each time; shown is what `catalogue` shows |
| `tools/call` | decided on the text that was sent; run by its permit; its result recorded, then given back |
| cancelling a call | before it is released it is not; after that the server is told, and the history says that the end is not known |
| progress of a call | passed on as numbers; a server's words in it are not |
| changes of a tool list | looked at; the agent is told if what it is shown changed |
| `instructions` | passed on if they are as agreed |
| resources, prompts, completion, logging | not offered: what they bring an agent passes no rule |
| sampling, elicitation, roots | not offered to servers: a server may neither ask the model nor pose as a person who approves |
| anything else | what the protocol library says to what is not offered |

Denied is a result with `isError` and the rule's `message`, nothing else (L17). Whatever raises here denies (L16).
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import anyio
import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from obverse.core.errors import EvidenceError, ObverseError
from obverse.core.verdicts import Verdict
from obverse.core.version import VERSION
from obverse.gateway.mcp.catalogue import Catalogue, Offer, catalogue
from obverse.gateway.mcp.deciding import Desk
from obverse.gateway.mcp.definitions import INSTRUCTIONS, Change, Definition, Lock, Pinned, changes, lock_of
from obverse.gateway.mcp.results import output_of
from obverse.gateway.mcp.servers import ServerSettings, Upstream, connected
from obverse.gateway.mcp.wire import CALL, Sent
from obverse.guard.guard import Guard
from obverse.guard.records import Ruled
from obverse.policy.decide import MESSAGES

Context = ServerRequestContext[Any, Any]
SENT: Final = "obverse.sent"
"""Where a request over HTTP carries what was sent, in its scope."""
CHANGED: Final = "mcp.changed"
"""The fact that something is not as it was agreed to; its value says what. It is on record, and rules may speak of it."""
_LONGEST_NEWS: Final = 500
_PAUSE: Final = 0.5
CUT_OFF: Final = "the call was given up; whether it ran is not known"


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the proxy behaves. `deadline` is how long a call is held for people; `recheck` after how many seconds a tool's
    definition is looked at again before it is called.
    """

    deadline: float = 50.0
    every: float = 1.0
    recheck: float = 30.0


class Desks(Protocol):
    """Whose session a request belongs to; `sessions.Desks` is one."""

    def __call__(self, ctx: Context) -> Desk:
        """The desk of whoever sent this request."""
        ...

    async def fact(self, name: str, value: str) -> None:
        """Tell all sessions, those that begin later too."""
        ...


class Proxy:
    """A running proxy. `running` makes one; `server` is what transports serve."""

    def __init__(
        self,
        guard: Guard,
        upstreams: Sequence[Upstream],
        lock: Lock,
        desks: Desks,
        settings: ProxySettings,
        hide: Callable[[str], str] = str,
    ) -> None:
        self.catalogue = Catalogue(shown={}, hidden={})
        self.changes: tuple[Change, ...] = ()
        self._guard = guard
        self._upstreams = {one.name: one for one in upstreams}
        self._lock = lock
        self._desks = desks
        self._settings = settings
        self._hide = hide
        self._seen = -settings.recheck
        self._looking = anyio.Lock()
        self._bus = InMemorySubscriptionBus()
        self._listeners: dict[str, Any] = {}

    # --- what is shown ----------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Ask the servers what they offer, and see what of it may be shown; tell agents if that changed."""
        async with self._looking:
            offered: dict[str, tuple[Definition, ...]] = {}
            found: list[Change] = []
            for name, upstream in self._upstreams.items():
                offered[name] = await upstream.definitions()
                found += changes(self._lock.servers.get(name, Pinned()), name, upstream.instructions, offered[name])
            before, news = self.catalogue, [one for one in found if one not in self.changes]
            self.changes = tuple(found)
            self.catalogue = catalogue(
                offered,
                held={(one.server, one.tool) for one in found},
                offers=self._guard.offers,
                declared=self._guard.checked.tools,
            )
            self._seen = anyio.current_time()
        for one in news:
            await self._desks.fact(CHANGED, f"{one.server} {one.tool}: {one.what}"[:_LONGEST_NEWS])
        if self.catalogue.shown != before.shown:
            await self._bus.publish(ToolsListChanged())
            for key, session in list(self._listeners.items()):
                try:
                    await session.send_tool_list_changed()
                except Exception:  # boundary: an agent that is gone need not know
                    self._listeners.pop(key, None)

    async def list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """The tools that the agent may know of."""
        if ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:  # later ones listen on a stream of their own
            self._listeners[_connection(ctx)] = ctx.session
        await self.look()
        return types.ListToolsResult(tools=[self._shown(offer) for offer in self.catalogue.shown.values()])

    def instructions(self) -> str | None:
        """What the servers say of themselves, where that is what was agreed to."""
        changed = {one.server for one in self.changes if one.tool == INSTRUCTIONS}
        said = [one.instructions for one in self._upstreams.values() if one.instructions and one.name not in changed]
        return "\n\n".join(said) or None

    def _shown(self, offer: Offer) -> types.Tool:
        tool = self._upstreams[offer.definition.server].tools[offer.definition.name]
        return tool.model_copy(update={"name": offer.name})

    # --- what is called ---------------------------------------------------------------------------------------------------

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """What the tool gave back, or why not, in the words that an agent may see."""
        sent = sent_of(ctx)
        if sent is None or sent.method != CALL or sent.tool != params.name:
            return _refused(MESSAGES[Verdict.DENY])  # nobody read what was sent: it is not known what this is
        try:
            if anyio.current_time() - self._seen >= self._settings.recheck:
                await self.look()
            return await self._decided(ctx, sent.tool, sent.arguments)
        except ObverseError:
            return _refused(MESSAGES[Verdict.DENY])

    async def _decided(self, ctx: Context, tool: str, arguments: str) -> types.CallToolResult:
        offer = self.catalogue.shown.get(tool)
        if offer is None and self._guard.offers(tool):
            return _refused(MESSAGES[Verdict.DENY])  # held, or no server has it: the policy alone might have allowed it
        desk = self._desks(ctx)
        waited = _Teller(ctx)
        call_id, step = await desk.rule(tool, arguments, waited)
        if offer is None or step.permit is None:
            return _refused(step.message)
        return await self._run(desk, offer, call_id, step, arguments, waited)

    async def _run(
        self, desk: Desk, offer: Offer, call_id: str, step: Ruled, arguments: str, teller: _Teller
    ) -> types.CallToolResult:
        """The released call, run once and recorded however it ends."""
        output, failed = CUT_OFF, True
        try:
            meant: dict[str, Any] = json.loads(arguments or "{}")
            assert step.permit is not None  # INVARIANT: nothing else comes here
            await desk.redeem(step.permit, offer.name, json.dumps(meant))  # what is sent on, as it is sent on
            upstream = self._upstreams[offer.definition.server]
            result = self._without_secrets(await upstream.call(offer.definition.name, meant, teller.further))
            parts = [part.model_dump(by_alias=True, mode="json", exclude_none=True) for part in result.content]
            output, failed = output_of(parts, result.structured_content), bool(result.is_error)
        except EvidenceError as error:
            output = f"not run: {error.message}"
            return _refused(MESSAGES[Verdict.DENY])
        except ObverseError as error:
            output = self._hide(error.message)
            return _refused(output)
        else:
            return types.CallToolResult(
                content=result.content, structured_content=result.structured_content, is_error=result.is_error
            )
        finally:
            with anyio.CancelScope(shield=True):
                await desk.result(call_id, output, failed=failed)

    def _without_secrets(self, result: types.CallToolResult) -> types.CallToolResult:
        """The result, without what the server may know and the agent may not."""
        text = result.model_dump_json(by_alias=True, exclude_none=True)
        hidden = self._hide(text)
        return result if hidden == text else types.CallToolResult.model_validate_json(hidden, by_name=False)

    def _schema(self, tool: str) -> Mapping[str, Any] | None:
        """The schema of a shown tool, for what the protocol mirrors of it in headers."""
        offer = self.catalogue.shown.get(tool)
        return None if offer is None else self._shown(offer).input_schema

    # --- what is served ---------------------------------------------------------------------------------------------------

    def of(self, desks: Desks) -> Proxy:
        """The same proxy for other sessions."""
        other = copy.copy(self)
        other._desks = desks  # noqa: SLF001  # one of our own
        return other

    def server(self) -> Server[Any]:
        """The MCP server that an agent talks to."""
        return Server(
            "obverse-guard",
            version=VERSION,
            instructions=self.instructions(),
            get_tool_input_schema=self._schema,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_subscriptions_listen=ListenHandler(self._bus),
        )


class _Teller:
    """Progress to the agent: first of the waiting, then of the call; numbers that only grow, and no words but ours."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._base: float | None = None
        self._last = 0.0

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._last = max(self._last, progress)
        await self._ctx.session.report_progress(self._last, total, message)

    async def further(self, progress: float, total: float | None, message: str | None) -> None:
        """Progress that the server tells; its words stay here."""
        if self._base is None:
            self._base = self._last
        await self(self._base + progress, None if total is None else self._base + total, None)


@contextlib.asynccontextmanager
async def running(
    guard: Guard,
    servers: Sequence[ServerSettings],
    *,
    desks: Desks,
    lock: Lock | None = None,
    keep: Callable[[Lock], None] | None = None,
    settings: ProxySettings = ProxySettings(),  # noqa: B008  # frozen
    hide: Callable[[str], str] = str,
) -> AsyncIterator[Proxy]:
    """The proxy, connected to all servers. What a server that is not in the `lock` says first is agreed to, and `keep` is given
    the lock of all. `hide` takes out of a result what neither agent nor record should see.

    Raises:
        UnavailableError: a server cannot be used.
    """
    stirred = anyio.Event()

    async def changed() -> None:
        stirred.set()

    async with contextlib.AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(connected(one, changed)) for one in servers]
        agreed = dict(lock.servers) if lock is not None else {}
        first = await lock_from([one for one in upstreams if one.name not in agreed])
        lock = Lock(servers={**agreed, **first.servers})
        if first.servers and keep is not None:
            keep(lock)
        proxy = Proxy(guard, upstreams, lock, desks, settings, hide)
        await proxy.look()
        tasks = await stack.enter_async_context(anyio.create_task_group())

        async def looking() -> None:
            nonlocal stirred
            while True:
                await stirred.wait()
                stirred = anyio.Event()
                with contextlib.suppress(ObverseError):  # a server that does not say is asked again with the next call
                    await proxy.look()
                await anyio.sleep(_PAUSE)  # a server that changes without end fills no log and keeps nobody busy

        tasks.start_soon(looking)
        for upstream in upstreams:
            tasks.start_soon(upstream.watch, changed)
        yield proxy
        tasks.cancel_scope.cancel()


async def lock_from(upstreams: Sequence[Upstream]) -> Lock:
    """The lock that agrees to all that these servers say now."""
    said: Mapping[str, tuple[str | None, tuple[Definition, ...]]] = {
        one.name: (one.instructions, await one.definitions()) for one in upstreams
    }
    return lock_of(said)


def sent_of(ctx: Context) -> Sent | None:
    """What was sent, as the transport read it; None if no transport of ours did."""
    found = ctx.request if isinstance(ctx.request, Sent) else None
    scope = getattr(ctx.request, "scope", None)
    return scope.get(SENT) if found is None and isinstance(scope, dict) else found


def _connection(ctx: Context) -> str:
    """What tells the connections of one transport apart."""
    headers = getattr(ctx.request, "headers", None) or {}
    return str(headers.get("mcp-session-id", ""))


def _refused(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)
