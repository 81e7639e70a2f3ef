"""The gateway as a process: one socket, one guard, one model's server; a canary before anybody is served, and every few minutes.

The canary is a request by the gateway's own address, answered by a stand-in for the model that calls the canary's tool. Only if that
very call came to the guard and was denied is the guard in the path; if not, nobody is served any more. The model's server is asked
for its models first: one that cannot be reached, or does not take the credential, is said at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import aiohttp
import msgspec
import uvicorn

from obverse.core.errors import EvidenceError, MisuseError, UnavailableError, UntrustedInputError
from obverse.gateway.http.app import Application
from obverse.gateway.http.clients import CANARY_HOLDER, Clients, new_key
from obverse.gateway.http.desk import Desk
from obverse.gateway.http.json_text import write
from obverse.gateway.http.settings import Settings
from obverse.gateway.http.upstream import Reading, Upstream, UpstreamError
from obverse.guard.guard import Guard
from obverse.guard.ports import Clock, Fresh
from obverse.guard.records import ProposedCall
from obverse.guard.turn import CANARY

_CANARY_SECONDS: Final = 30.0
_SHUTDOWN_SECONDS: Final = 10
_KEEP_ALIVE_SECONDS: Final = (
    75  # longer than clients keep theirs, or they send on a connection that is just being closed
)
LOG = logging.getLogger("obverse.gateway")


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `guard.toml` says of a gateway: `[gateway.clients]` is holder by digest of a key, the rest are its settings."""

    clients: Mapping[str, str] = {}
    settings: Settings = Settings()


def read_configuration(table: Mapping[str, Any]) -> Configuration:
    """The table `[gateway]`.

    Raises:
        UntrustedInputError: it names a setting that there is not, or gives one another type.
    """
    try:
        return msgspec.convert(dict(table), Configuration)
    except msgspec.ValidationError as error:
        raise UntrustedInputError(
            f"not the settings of a gateway: {error}", code="G442", source="guard.toml"
        ) from error


class Service:
    """A gateway that runs until it is told to stop."""

    def __init__(
        self, guard: Guard, *, url: str, key: str | None, configuration: Configuration, clock: Clock, fresh: Fresh
    ) -> None:
        settings = configuration.settings
        if not configuration.clients:
            raise MisuseError("no client has a key", code="G443", hint="`obverse guard client DIR NAME` makes one")
        self._settings = settings
        self._guard = guard
        self._fresh = fresh
        self._canary_key = new_key(fresh(32))
        self._canary = _Canary()
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="gateway")
        self._upstream = Upstream(url, key=key, settings=settings)
        self.desk = Desk(guard, self._upstream, settings, clock=clock, fresh=fresh, threads=self._threads)
        clients = Clients(configuration.clients, canary=self._canary_key)
        self._application = Application(self.desk, self._upstream, clients, settings, canary=self._canary)

    async def run(self, listener: socket.socket, *, ready: Callable[[str], None], stop: asyncio.Event) -> None:
        """Serves at this socket until `stop`; `ready` is told the address once the canary has passed.

        Raises:
            EvidenceError: the canary was not denied; nobody was served.
            UnavailableError: the model's server cannot be reached.
        """
        config = uvicorn.Config(
            self._application.asgi, log_config=None, access_log=False, lifespan="off", server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS, timeout_keep_alive=_KEEP_ALIVE_SECONDS, ws="none",
        )  # fmt: skip
        server = _Server(config)
        await self._upstream.open()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            host, port = listener.getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            await self._check_upstream()
            await self.check_canary(address)
            ready(address)
            watching = asyncio.create_task(self._watch(address))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({serving, stopped, watching}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if watching.done():
                watching.result()
            watching.cancel()
        finally:
            server.should_exit = True
            self._application.give_up()
            await asyncio.wait({serving})
            await self._upstream.close()
            self._threads.shutdown(wait=True)

    async def check_canary(self, address: str) -> None:
        """Returns if a call of the canary's tool, proposed through the gateway's own address, was denied; it is on record.

        Raises:
            EvidenceError: it did not come to the guard, or not back as a denial.
        """
        loop = asyncio.get_running_loop()

        def send(call: ProposedCall) -> None:
            asyncio.run_coroutine_threadsafe(self._send_canary(address, call), loop).result(_CANARY_SECONDS)

        passed = await loop.run_in_executor(self._threads, self._guard.canary, "http", send)
        await self.desk.end(CANARY_HOLDER)
        if not passed:
            raise EvidenceError("the canary was not denied: the guard is not in the path", code="G444")

    async def _send_canary(self, address: str, call: ProposedCall) -> None:
        self._canary.call = call
        body = write(
            {"model": "obverse-canary", "messages": [{"role": "user", "content": "Is the guard in the path?"}]}
        )
        headers = {
            "authorization": f"Bearer {self._canary_key}", "content-type": "application/json", "x-obverse-session": call.call_id
        }  # fmt: skip
        timeout = aiohttp.ClientTimeout(total=_CANARY_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as client,
            client.post(f"{address}/v1/chat/completions", data=body, headers=headers) as response,
        ):
            verdict, said = response.headers.get("x-obverse-verdict"), await response.json()
        message = said["choices"][0]["message"] if response.status == 200 else {}
        if verdict != "deny" or message.get("tool_calls") or not message.get("content"):
            raise EvidenceError("the canary came back as something else than a denial", code="G444")

    async def _check_upstream(self) -> None:
        """Returns if the model's server answers at all; one without a list of models may be one all the same."""
        try:
            await self._upstream.models()
        except UpstreamError as error:
            if error.code in {"G431", "G432"}:
                text = f"the model's server at `{self._upstream.url}` cannot be reached"
                raise UnavailableError(text, code="G431", hint="is it running, and is `--upstream` right?") from error
            if error.code == "G433":
                hint = "`--key-env` names the variable that holds it"
                raise UnavailableError(error.message, code="G433", hint=hint) from error
        except UntrustedInputError:
            LOG.warning("the model's server lists no models")

    async def _watch(self, address: str) -> None:
        """A canary now and then, and the end of sessions that nobody uses. Ends only when a canary fails."""
        while True:
            await asyncio.sleep(self._settings.watch_seconds)
            await self.check_canary(address)
            await self.desk.idle()


def listen(host: str, port: int) -> socket.socket:
    """A socket at this address; 0 takes a free port.

    Raises:
        UnavailableError: another process has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named, since asyncio sends without delay only then
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UnavailableError(
            f"port {port} of `{host}` cannot be had: {(error.strerror or 'refused').lower()}", code="G441",
            hint="`--port 0` takes a free one",
        ) from error  # fmt: skip
    listener.listen(2048)
    listener.setblocking(False)  # the standard library's own signature
    return listener


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes a faster event loop, where there is one; None for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Server(uvicorn.Server):
    """Leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class _Canary:
    """Stands in for a model that makes one call, whatever it is asked."""

    def __init__(self) -> None:
        self.call = ProposedCall(call_id="canary", tool=CANARY, arguments="{}")

    @contextlib.asynccontextmanager
    async def ask(self, path: str, body: bytes, *, stream: bool) -> AsyncIterator[Reading]:
        yield _Whole(self.call)


class _Whole:
    streams = False

    def __init__(self, call: ProposedCall) -> None:
        function = {"name": call.tool, "arguments": call.arguments}
        called = {"id": call.call_id, "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [called]}
        self._body = write({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._body
