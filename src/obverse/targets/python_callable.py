"""`python:MODULE:CALLABLE`: any Python function as a target, in this process.

Simple form: `def reply(messages: list[dict]) -> str`. Messages are in the OpenAI chat format. A function that also has
parameters named `tools` or `sampling` gets the tools (OpenAI format) and `{"temperature", "max_tokens", "seed"}`.
It returns a text, a `Completion`, or a dict such as `{"text": …, "tool_calls": [{"name": …, "arguments": …}]}`, where
arguments are an object or a raw text. It may be `async`; one that is not runs in a thread of its own, so that a slow one
does not hold up the others. What it raises is a `TargetError` with its message: `ConnectionError` and `TimeoutError` of
the kinds that may be retried, others of kind `raised`. A thread cannot be stopped: on a time-out its answer is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec
from obverse.core.errors import MisuseError
from obverse.targets.protocol import GREEDY, Connection, TargetError
from obverse.targets.wire import message_dict, tool_dict


class PythonTarget:
    """One callable."""

    def __init__(self, path: str, connection: Connection) -> None:
        self._path = path
        self._timeout_s = connection.timeout_s
        self._function = found(path, connection.python_path)
        self._takes = _parameters(self._function)

    @property
    def name(self) -> str:
        return f"python:{self._path}"

    def fingerprint(self) -> str:
        """The path, and the digest of the file that it is in: an edited agent is another one."""
        try:
            source = Path(inspect.getsourcefile(inspect.unwrap(self._function)) or "").read_bytes()
        except (OSError, TypeError):
            return self.name
        return f"{self.name} sha256:{hashlib.sha256(source).hexdigest()}"

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        named: dict[str, Any] = {
            "tools": [tool_dict(tool) for tool in tools],
            "sampling": msgspec.to_builtins(sampling),
        }
        given = {name: value for name, value in named.items() if name in self._takes}
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._call([message_dict(message) for message in messages], given)
        except TargetError:
            raise
        except TimeoutError as error:
            raise TargetError(f"`{self._path}` gave no answer in time", kind="time-out") from error
        except Exception as error:  # boundary: whatever a user's function raises is an error of the target
            kind = "connection" if isinstance(error, ConnectionError) else "raised"
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise TargetError(f"`{self._path}` raised `{said}`", kind=kind) from error  # type: ignore[arg-type]  # one of two kinds
        return read_answer(answer)

    async def close(self) -> None:
        """Nothing is held."""

    async def _call(self, messages: list[dict[str, Any]], given: dict[str, Any]) -> object:
        if inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(
            getattr(self._function, "__call__", None)  # noqa: B004  # an object may be callable asynchronously
        ):
            return await self._function(messages, **given)
        answer = await _in_a_thread(lambda: self._function(messages, **given))
        return await answer if isinstance(answer, Awaitable) else answer


def found(path: str, folders: Sequence[str] = ()) -> Callable[..., Any]:
    """The callable `module:name`, imported; the folders are searched first.

    Raises:
        MisuseError: there is none, or its module cannot be imported.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise MisuseError(f"`python:{path}` is not `python:module:callable`", code="T005")
    with _searching(folders):
        try:
            value: Any = importlib.import_module(module)
        except Exception as error:  # boundary: importing a user's module runs the user's code
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise MisuseError(f"cannot import `{module}`: {said}", code="T006") from error
    for part in name.split("."):
        value = getattr(value, part, None)
    if not callable(value):
        raise MisuseError(f"`{name}` in `{module}` is not a callable", code="T007")
    return value  # type: ignore[no-any-return]  # just tested


def read_answer(answer: object) -> Completion:
    """The completion that a user's function means.

    Raises:
        TargetError: it is neither text, dict nor completion (kind `raised`).
    """
    if isinstance(answer, Completion):
        return answer
    if isinstance(answer, str):
        return Completion(text=answer)
    try:
        said = msgspec.convert(answer, _Said, strict=False)
    except msgspec.ValidationError as error:
        raise TargetError(f"the function returned no answer: {str(error).lower()}", kind="raised") from error
    calls = tuple(_call(call, n) for n, call in enumerate(said.tool_calls or ()))
    return Completion(text=said.text or said.content or "", tool_calls=calls, model=said.model, stop=said.stop)


class _SaidCall(msgspec.Struct):
    name: str | None = None
    arguments: Any = ""
    id: str | None = None
    function: dict[str, Any] | None = None


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    text: str | None = None
    content: str | None = None
    tool_calls: list[_SaidCall] | None = None
    role: str | None = None
    model: str | None = None
    stop: str | None = None


def _call(call: _SaidCall, n: int) -> ToolCall:
    inner = call.function or {}
    name, arguments = call.name or inner.get("name"), inner.get("arguments", call.arguments)
    if not isinstance(name, str):
        raise TargetError("the function returned a call without a name", kind="raised")
    raw = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ToolCall(id=call.id or f"call_{n}", name=name, arguments=raw)


def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return frozenset()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return frozenset({"tools", "sampling"})
    return frozenset(parameter.name for parameter in parameters)


async def _in_a_thread(call: Callable[[], object]) -> object:
    """What the call returns or raises. A daemon thread: one that hangs for ever does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()

    def finish(value: object, error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(value)

    def run() -> None:
        value: object = None
        error: Exception | None = None
        try:
            value = call()
        except StopIteration as raised:  # a future cannot hold one
            error = RuntimeError(f"StopIteration: {raised}")
        except Exception as raised:  # boundary: handed over to the caller
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, value, error)

    threading.Thread(target=run, daemon=True, name="obverse-python-target").start()
    return await done


@contextlib.contextmanager
def _searching(folders: Sequence[str]) -> Any:
    added = [str(Path(folder).resolve()) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)
