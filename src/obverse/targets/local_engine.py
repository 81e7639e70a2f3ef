"""One engine: a server process with the model in it, and what it is asked. Knows prompts, not messages.

Law: with one slot, an answer is a function of (prefix, prompt, sampling) alone, not of what was asked before or beside
it. That is why a prefix, once evaluated, is kept as a snapshot and put back before each request. llama.cpp's own prompt
cache keeps whatever the last request left; the batch is then cut elsewhere each time, and greedy answers differ.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from obverse.core.canon import digest_bytes
from obverse.targets.local_settings import SOCKET, ServerSettings
from obverse.targets.protocol import TargetError

_KEPT: Final = 8  # snapshots; one is about 23 kB a token for the smallest model
_DYING_S: Final = 2.0
_TAIL: Final = 300  # characters of the engine's last words in an error

_T = TypeVar("_T")


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answers to a completion."""

    content: str
    stop_type: str
    tokens_evaluated: int
    tokens_predicted: int


class _Rendered(msgspec.Struct):
    prompt: str


class _Fault(msgspec.Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Failed(msgspec.Struct):
    error: _Fault


class Engine:
    """One process, or none: `start` makes it, `stop` ends it, and it can be started again."""

    def __init__(self, model: Path, *, name: str, context: int, slots: int, threads: int) -> None:
        self._model, self._name = model, name
        self._context, self._slots, self._threads = context, slots, threads
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._snapshots: list[str] = []

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self, timeout_s: float) -> None:
        """Afterwards the model is loaded, and whatever process was here before is gone.

        Raises:
            TargetError: it cannot be loaded.
        """
        self.stop()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="obverse-"))
        try:
            with (folder / "log").open("wb") as log:
                self._process = _spawn(self._settings(folder), log.fileno())
            async with asyncio.timeout(timeout_s):
                await self._ready(self._process, folder)
        except TimeoutError as error:
            self.stop()
            raise TargetError(f"`{self._name}` was not loaded in {timeout_s:g} s", kind="time-out") from error
        except BaseException:  # boundary: a cancellation too; nothing of a half-loaded model stays, all is raised on
            self.stop()
            raise

    def stop(self) -> None:
        """No process and no folder of this engine is left."""
        process, folder = self._process, self._folder
        self._process = self._folder = None
        self._snapshots = []
        if process is not None:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()  # stdout is closed by `_ready`, which may be reading it at this moment
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    async def render(self, messages: list[dict[str, str]]) -> str:
        """The prompt that the model's own chat template makes of these messages."""
        return (await self._ask("/apply-template", {"messages": messages}, _Rendered)).prompt

    async def generate(self, prompt: str, *, prefix: str | None, body: Mapping[str, Any]) -> Generated:
        """What the model writes after `prompt`. A `prefix` that many prompts share is evaluated once."""
        reuse = prefix is not None and self._slots == 1
        if reuse and prefix is not None:
            await self._put_back(prefix)
        return await self._ask("/completion", {**body, "prompt": prompt, "cache_prompt": reuse}, Generated)

    async def _put_back(self, prefix: str) -> None:
        """The slot holds the evaluated prefix and nothing else."""
        name = digest_bytes(prefix.encode()).removeprefix("sha256:")
        if name in self._snapshots:
            self._snapshots.remove(name)
            await self._ask("/slots/0?action=restore", {"filename": name}, dict)
        else:
            await self._ask("/completion", {"prompt": prefix, "n_predict": 0, "cache_prompt": False}, dict)
            await self._ask("/slots/0?action=save", {"filename": name}, dict)
        self._snapshots.append(name)
        if len(self._snapshots) > _KEPT and self._folder is not None:
            (self._folder / self._snapshots.pop(0)).unlink(missing_ok=True)

    async def _ask(self, path: str, body: Mapping[str, Any], kind: type[_T]) -> _T:
        """The server's answer to this. Closing the connection, as a cancellation does, makes it stop generating."""
        import aiohttp

        if self._folder is None:
            raise TargetError(f"`{self._name}` is closed", kind="connection")
        # A session for each request costs 0.1 ms, and belongs to no event loop for longer than that.
        connector = aiohttp.UnixConnector(str(self._folder / SOCKET))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as session,
                session.post(f"http://engine{path}", json=body) as response,
            ):
                status, answer = response.status, await response.read()
        except (aiohttp.ClientError, OSError) as error:
            words = await self._last_words()
            raise TargetError(f"the engine of `{self._name}` {words}", kind="connection") from error
        if status != 200:
            raise self._fault(status, answer)
        return msgspec.json.decode(answer, type=kind)

    def _fault(self, status: int, answer: bytes) -> TargetError:
        try:
            fault = msgspec.json.decode(answer, type=_Failed).error
        except msgspec.DecodeError:
            fault = _Fault(message=answer[:_TAIL].decode(errors="replace"))
        if fault.type == "exceed_context_size_error":
            return TargetError(
                f"the conversation has {fault.n_prompt_tokens} tokens, the context of `{self._name}` {fault.n_ctx}",
                kind="bad-request",
                hint="shorten it, offer fewer tools, or open the model with a larger context",
            )
        kind = "bad-request" if status < 500 else "server"
        return TargetError(f"`{self._name}` refused: `{fault.message}`", kind=kind, status=status)  # type: ignore[arg-type]  # one of two kinds

    async def _ready(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        # INVARIANT: stdout is a pipe, see `_spawn`
        assert process.stdout is not None
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        try:
            if await reader.readline() != b"ready\n":
                raise TargetError(f"`{self._name}` could not be loaded: it {await self._last_words()}", kind="server")
        finally:
            transport.close()

    def _settings(self, folder: Path) -> ServerSettings:
        return ServerSettings(
            model=str(self._model),
            folder=str(folder),
            context=self._context,
            slots=self._slots,
            threads=self._threads,
        )

    async def _last_words(self) -> str:
        """How the process ended, and what it said last."""
        process, folder = self._process, self._folder
        if process is None or folder is None:
            return "was closed"
        try:
            code = await asyncio.to_thread(process.wait, _DYING_S)  # its socket closes before it has ended
        except subprocess.TimeoutExpired:
            return "does not answer"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        try:
            lines = (folder / "log").read_text(errors="replace").split("\n")
        except OSError:
            return how
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}: `{said[:_TAIL]}`" if said else how


def _spawn(settings: ServerSettings, log: int) -> subprocess.Popen[bytes]:
    """The process; in a session of its own, since Ctrl-C is for the run, which ends us in order."""
    program = [sys.executable, "-m", "obverse.targets.local_server", msgspec.json.encode(settings).decode()]
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
    )
