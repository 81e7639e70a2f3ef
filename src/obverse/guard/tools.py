"""Tools of an agent in Python, each behind the guard: proposed, decided, recorded, and only then run.

    tools = Tools()
    @tools.tool(needs=("BANK_TOKEN",))
    def pay(to: str, amount: int, credentials: Lent) -> str: ...

    with guard.session(holder="alice") as session, session_of(session):
        pay(to="bob", amount=5)             decided, then run; `BlockedError` if it may not be

    (1) What is decided is what runs: arguments are copied once; what is shown to the permit is read again from those copies (L14).
    (2) What a tool gives back, or raises, is recorded as its result before anybody sees it, without credentials.
    (3) Outside of a session no tool runs.

Each call by the decorator is a turn of its own. A whole turn of a model, with parallel calls, is `Tools.run` after `Session.propose`.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import wraps
from typing import Any, Final, TypeVar

import msgspec

from obverse.core.errors import EvidenceError, MisuseError, UnavailableError
from obverse.core.events import Call
from obverse.guard.records import Permit, ProposedCall, Ruled, Ruling
from obverse.guard.session import Session
from obverse.guard.vault import Lent, Vault
from obverse.policy.reading import read_arguments

F = TypeVar("F", bound=Callable[..., Any])

CREDENTIALS: Final = "credentials"
"""The parameter by which a tool gets what it `needs`; it is no argument of the call."""
_CURRENT: ContextVar[Session | None] = ContextVar("session", default=None)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")


class BlockedError(MisuseError):
    """The guard did not let a call happen. Its text is all that the agent may see (L17); `ruled` is for the host."""

    def __init__(self, ruled: Ruled) -> None:
        super().__init__(ruled.message or "this was not done", code="G120")
        self.ruled = ruled


class ToolFailedError(UnavailableError):
    """A tool raised, and what it said held a credential: the same without it."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function behind the guard: the name by which the policy knows it, and the credentials that it is lent."""

    name: str
    function: Callable[..., Any]
    guarded: Callable[..., Any]
    needs: tuple[str, ...] = ()


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one released call: what the tool gave back, as text, or what it raised."""

    call_id: str
    output: str
    failed: bool = False


@contextmanager
def session_of(session: Session) -> Iterator[Session]:
    """Within, guarded tools propose to this session; in other threads only with a copy of the context."""
    token = _CURRENT.set(session)
    try:
        yield session
    finally:
        _CURRENT.reset(token)


class Tools:
    """The tools of an agent. `wait` is how many seconds a call waits for people."""

    def __init__(self, vault: Vault | None = None, *, wait: float = 0.0) -> None:
        self._vault = vault or Vault()
        self._wait = wait
        self._tools: dict[str, Tool] = {}

    def tool(self, name: str | None = None, *, needs: tuple[str, ...] = ()) -> Callable[[F], F]:
        """A decorator: the function, sync or async, behind the guard, under its own name or this one."""

        def decorate(function: F) -> F:
            known = name or function.__name__
            if known in self._tools:
                raise MisuseError(f"there is a tool `{known}`", code="G121", hint="give one of them another name")
            if unheld := sorted(set(needs) - self._vault.names):
                raise MisuseError(f"no credential `{unheld[0]}`", code="G151", hint="give it to the vault first")
            guarded = self._guarded(known, function)
            self._tools[known] = Tool(name=known, function=function, guarded=guarded, needs=needs)
            return guarded

        return decorate

    @property
    def known(self) -> Mapping[str, Tool]:
        """The tools by name."""
        return dict(self._tools)

    def holds(self, function: object) -> bool:
        """Whether this very object is a tool of these behind the guard."""
        return any(function is tool.guarded for tool in self._tools.values())

    def run(self, session: Session, ruling: Ruling) -> tuple[Ran, ...]:
        """Runs what was released of a turn, in order; a tool that raises is a failed result, and the next one runs."""
        return tuple(
            self._ran(session, step.proposal, step.permit)
            for step in ruling.released
            if isinstance(step.proposal, Call)
        )

    async def run_async(self, session: Session, ruling: Ruling) -> tuple[Ran, ...]:
        """The same with tools that may be asynchronous, all at once."""
        calls = [step for step in ruling.released if isinstance(step.proposal, Call)]
        return tuple(await asyncio.gather(*(self._ran_async(session, step) for step in calls)))

    # --- one call -------------------------------------------------------------------------------------------------------

    def _guarded(self, name: str, function: F) -> F:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            session, given = _session(), _given(signature, args, kwargs)
            step = self._proposed(session, name, given)
            return self._execute(session, _call(step), step.permit, given)

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            session, given = _session(), _given(signature, args, kwargs)
            step = await asyncio.to_thread(self._proposed, session, name, given)
            return await self._execute_async(session, _call(step), step.permit, given)

        return call_async if inspect.iscoroutinefunction(function) else call  # type: ignore[return-value]  # of the same form

    def _proposed(self, session: Session, name: str, given: Mapping[str, Any]) -> Ruled:
        """The step, released.

        Raises:
            BlockedError: it is not.
        """
        call = ProposedCall(call_id=session.call_name(), tool=name, arguments=arguments_text(given))
        [step] = session.propose([call], wait=self._wait).steps
        if step.permit is None:
            raise BlockedError(step)
        return step

    def _ran(self, session: Session, call: Call, permit: Permit | None) -> Ran:
        try:
            output = self._execute(session, call, permit, _read(call))
        except Exception as fault:  # boundary: what a tool raises is its result, on record by now
            return Ran(call_id=call.call_id, output=self._vault.hidden(f"{type(fault).__name__}: {fault}"), failed=True)
        return Ran(call_id=call.call_id, output=self._vault.hidden(output_text(output)))

    async def _ran_async(self, session: Session, step: Ruled) -> Ran:
        call = _call(step)
        try:
            output = await self._execute_async(session, call, step.permit, _read(call))
        except Exception as fault:  # boundary: what a tool raises is its result, on record by now
            return Ran(call_id=call.call_id, output=self._vault.hidden(f"{type(fault).__name__}: {fault}"), failed=True)
        return Ran(call_id=call.call_id, output=self._vault.hidden(output_text(output)))

    def _execute(self, session: Session, call: Call, permit: Permit | None, given: Mapping[str, Any]) -> Any:
        """(1), (2) Runs a released call."""
        tool = self._redeemed(session, call, permit, given)
        with self._recorded(session, call) as result, self._vault.lent(tool.needs) as lent:
            result.output = tool.function(**_with(given, lent, tool))
        return self._vault.without(result.output)

    async def _execute_async(
        self, session: Session, call: Call, permit: Permit | None, given: Mapping[str, Any]
    ) -> Any:
        tool = await asyncio.to_thread(self._redeemed, session, call, permit, given)
        with self._recorded(session, call) as result, self._vault.lent(tool.needs) as lent:
            found = tool.function(**_with(given, lent, tool))
            result.output = await found if inspect.isawaitable(found) else found
        return self._vault.without(result.output)

    def _redeemed(self, session: Session, call: Call, permit: Permit | None, given: Mapping[str, Any]) -> Tool:
        """(1) The tool, once the permit was used up for it and for what it will be given.

        Raises:
            EvidenceError: the permit is not for this; it is on record that the call failed.
        """
        tool = self._tools.get(call.tool)
        try:
            if tool is None or permit is None:
                raise EvidenceError(f"no tool `{call.tool[:80]}` behind this guard", code="G122")
            session.redeem(permit, tool.name, arguments_text(given))
        except Exception:
            session.result(call.call_id, "it was not executed", failed=True)
            raise
        return tool

    @contextmanager
    def _recorded(self, session: Session, call: Call) -> Iterator[_Result]:
        """(2) What comes of it, on record; what is raised says no credential."""
        result = _Result()
        try:
            yield result
        except BaseException as fault:  # a call that was cancelled has a result too
            said = self._vault.hidden(f"{type(fault).__name__}: {fault}")
            session.result(call.call_id, said, failed=True)
            if self._vault.is_told_by(fault):
                raise ToolFailedError(said, code="G126") from None
            raise
        session.result(call.call_id, self._vault.hidden(output_text(result.output)))


class _Result:
    """What a tool gave back."""

    output: Any = None


def arguments_text(given: Mapping[str, Any]) -> str:
    """The arguments as JSON, as the policy reads them.

    Raises:
        MisuseError: they have no form in JSON.
    """
    try:
        text = _ENCODER.encode(given)
    except (TypeError, ValueError, RecursionError) as error:
        raise MisuseError(f"arguments that are no JSON: {error}", code="G123") from error
    if b"null" in text and not _finite(given):
        raise MisuseError("arguments that are no JSON: a number that is none", code="G123")
    return text.decode()


def output_text(output: Any) -> str:
    """What a tool gave back as text: a text as it is, anything else as JSON, or as it shows itself."""
    if isinstance(output, str):
        return output
    try:
        return _ENCODER.encode(output).decode()
    except (TypeError, ValueError, RecursionError):
        return repr(output)


def _session() -> Session:
    """(3)"""
    session = _CURRENT.get()
    if session is None:
        raise MisuseError("a guarded tool outside of a session", code="G124", hint="with session_of(session): …")
    return session


def _given(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """(1) The arguments by name, with defaults that are not None, copied: nobody else can change them."""
    if CREDENTIALS in kwargs:
        raise MisuseError("credentials are lent by the guard", code="G125")
    needed = CREDENTIALS in signature.parameters
    bound = signature.bind(*args, **kwargs, **({CREDENTIALS: None} if needed else {}))
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind, default = signature.parameters[name].kind, signature.parameters[name].default
        if kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            found |= {name: list(value)} if value else {}
        elif name != CREDENTIALS and not (value is None and default is None):
            found[name] = value
    return copy.deepcopy(found)


def _read(call: Call) -> dict[str, Any]:
    """(1) The arguments that a model wrote, as Python's numbers: what they lose there, the permit does not fit any more."""
    arguments = read_arguments(call.arguments)
    if not isinstance(arguments, dict):
        raise EvidenceError("arguments that cannot be read", code="G113")
    return {name: _python(value) for name, value in arguments.items()}


def _python(value: Any) -> Any:
    match value:
        case Decimal():
            return int(value) if value == int(value) and abs(value) < 1 << 53 else float(value)
        case list():
            return [_python(item) for item in value]
        case dict():
            return {name: _python(item) for name, item in value.items()}
    return value


def _call(step: Ruled) -> Call:
    if not isinstance(step.proposal, Call):
        raise MisuseError("no call", code="G122")
    return step.proposal


def _with(given: Mapping[str, Any], lent: Lent, tool: Tool) -> dict[str, Any]:
    return {**given, CREDENTIALS: lent} if tool.needs else dict(given)


def _finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case Mapping():
            return all(map(_finite, value.values()))
        case list() | tuple() | set() | frozenset():
            return all(map(_finite, value))
    return True
