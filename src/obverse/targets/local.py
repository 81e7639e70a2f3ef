"""`local:NAME`: a small instruct model on this machine's processors, greedy or sampled, seeded, no key and no network.

Several engines, one thread and one request each, by default: on few cores that is faster than one engine that batches
(docs/design/local-models.md has the figures), and an answer does not depend on what is asked beside it. Weights are
hashed before they are used. Loading happens at the first call; engines start as many as calls run at once.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from obverse.core.canon import digest
from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.targets import local_tools
from obverse.targets.catalogue import Package, cache_folder, find, folder_of, located, verified
from obverse.targets.local_engine import Engine
from obverse.targets.local_settings import LocalSettings
from obverse.targets.protocol import GREEDY, Connection, TargetError

_MOST_ENGINES: Final = 8
_WEIGHTS: Final = 2 << 30  # bytes of weights that all engines together may hold
_STOPS: Final = {"eos": "stop", "word": "stop", "limit": "length"}
_RANDOM_SEED: Final = 2**32 - 1  # asks the engine to draw one itself
_LEAST_CONTEXT: Final = 256
_EMBEDDED: Final = "smollm2-135m"
_DEFAULT: Final = LocalSettings()


class LocalModel:
    """One model of the catalogue."""

    def __init__(self, name: str, connection: Connection, settings: LocalSettings = _DEFAULT) -> None:
        package = _chat_model(name)
        if importlib.util.find_spec("xllamacpp") is None:
            raise MisuseError(
                "`local:` needs the package `xllamacpp`", code="T011", hint='pip install "obverse[local]"'
            )
        if not _LEAST_CONTEXT <= settings.context <= package.context:
            hint = f"`{name}` takes {_LEAST_CONTEXT} to {package.context}"
            raise MisuseError(f"a context of `{settings.context}` tokens", code="M112", hint=hint)
        self._package = package
        self._settings = settings
        self._timeout_s = connection.timeout_s
        self._cache = cache_folder(os.environ)
        located(name, self._cache)  # a run should learn now that the model is missing, not at its first trial
        self._engines = _engines(package, self._cache, connection, settings)
        self._prefixes: dict[str, str] = {}
        self._turns: _Turns | None = None
        self._is_verified = self._is_closed = False

    @property
    def name(self) -> str:
        return f"local:{self._package.name}"

    @property
    def capacity(self) -> int:
        """How many calls are worked on at once; more wait."""
        return len(self._engines) * self._settings.slots

    def fingerprint(self) -> str:
        """The name, and a digest of all that can change an answer: weights, engine, settings, the words about tools."""
        identity = {
            "weights": self._package.digest,
            "engine": f"xllamacpp {importlib.metadata.version('xllamacpp')}",
            "machine": platform.machine(),
            "context": self._settings.context,
            "slots": self._settings.slots,
            "tools": local_tools.VERSION,
        }
        return f"{self.name} {digest(identity)}"

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        said = local_tools.spoken(messages, tools)
        async with self._turn() as engine:
            try:
                async with asyncio.timeout(self._timeout_s):
                    prefix = await self._prefix(engine, said)
                    prompt = await engine.render(said)
                    written = await engine.generate(prompt, prefix=prefix, body=_body(sampling))
            except TimeoutError as error:
                raise TargetError(f"`{self.name}` did not answer in {self._timeout_s:g} s", kind="time-out") from error
            except msgspec.DecodeError as error:
                raise TargetError(f"`{self.name}` answered what we cannot read: {error}", kind="garbage") from error
        text, calls = local_tools.heard(written.content, {tool.name for tool in tools})
        return Completion(
            text=text,
            tool_calls=calls,
            usage=Usage(prompt_tokens=written.tokens_evaluated, completion_tokens=written.tokens_predicted),
            model=self._package.name,
            stop=_STOPS.get(written.stop_type, written.stop_type),
        )

    async def close(self) -> None:
        """Every process is gone, also one that is loading or generating; calls under way fail, as does whatever waits."""
        self._is_closed = True
        for engine in self._engines:
            engine.stop()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Engine]:
        """An engine that has room, loaded."""
        loop = asyncio.get_running_loop()
        if self._turns is None or self._turns.loop is not loop:
            self._turns = _Turns(loop, self._engines, self._settings.slots)
        turns = self._turns
        at = await turns.free.get()
        try:
            async with turns.starting[at]:
                await self._make_ready(self._engines[at])
            yield self._engines[at]
        finally:
            turns.free.put_nowait(at)

    async def _make_ready(self, engine: Engine) -> None:
        if not self._is_verified:
            await asyncio.to_thread(verified, self._package.name, self._cache)
            self._is_verified = True
        if self._is_closed:
            raise TargetError(f"`{self.name}` is closed", kind="connection")
        if not engine.is_alive:
            await engine.start(self._settings.load_timeout_s)

    async def _prefix(self, engine: Engine, said: list[dict[str, str]]) -> str | None:
        """The prompt up to the end of the system message, which the trials of a run share; none without one."""
        if not said or said[0]["role"] != "system":
            return None
        system = said[0]["content"]
        if system not in self._prefixes:
            self._prefixes[system] = await engine.render(said[:1])
        return self._prefixes[system]


class _Turns:
    """Whose turn it is, within one event loop: engines with room, the one used last first, so that few are started."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engines: Sequence[Engine], slots: int) -> None:
        self.loop = loop
        self.starting = [asyncio.Lock() for _ in engines]
        self.free: asyncio.LifoQueue[int] = asyncio.LifoQueue()
        for _ in range(slots):
            for at in reversed(range(len(engines))):
                self.free.put_nowait(at)


def usable_cores() -> int:
    """Processors that this process may use: its affinity, and the quota of its control group (Linux, cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def _chat_model(name: str) -> Package:
    package = find(name or _EMBEDDED)
    if package.kind != "chat":
        raise MisuseError(f"`{name}` is no model to talk to", code="M111", hint=f"such as `local:{_EMBEDDED}`")
    return package


def _engines(package: Package, cache: Path, connection: Connection, settings: LocalSettings) -> list[Engine]:
    """As many as the cores and 2 GiB of weights allow, and the caller can use; the cores are shared out among them."""
    cores = settings.cores or usable_cores()
    fit = min(cores, -(-connection.concurrency // settings.slots), _MOST_ENGINES, _WEIGHTS // package.size)
    count = settings.engines or max(1, fit)
    [file] = package.files
    return [
        Engine(
            folder_of(package, cache) / file.name,
            name=f"local:{package.name}",
            context=settings.context,
            slots=settings.slots,
            threads=max(1, cores // count),
        )
        for _ in range(count)
    ]


def _body(sampling: Sampling) -> dict[str, Any]:
    """How to sample, and nothing else: model files carry settings of their own, which would come in where we are silent."""
    return {
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "samplers": ["temperature"],
        "seed": sampling.seed % _RANDOM_SEED,
    }
