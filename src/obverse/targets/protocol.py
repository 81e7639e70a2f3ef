"""What a target is, how it is connected, and how it fails. Not a client: each adapter is a module of its own.

Laws: a target answers with a `Completion` or raises `TargetError`. What is not an answer (an error page, half a body,
a stream nobody asked for) is never given as the text of a reply. A target does not retry: who counts the trials does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec
from obverse.core.errors import UnavailableError

FailureKind: TypeAlias = Literal[
    "rate-limit", "server", "connection", "time-out", "garbage",
    "auth", "quota", "not-found", "bad-request", "content-filter", "redirect", "raised",
]  # fmt: skip

RETRYABLE: Final = frozenset({"rate-limit", "server", "connection", "time-out", "garbage"})
"""Kinds that may pass when asked again; the others will not."""

CODES: Final[dict[FailureKind, str]] = {
    "rate-limit": "T101",
    "server": "T102",
    "connection": "T103",
    "time-out": "T104",
    "garbage": "T105",
    "auth": "T106",
    "quota": "T107",
    "not-found": "T108",
    "bad-request": "T109",
    "content-filter": "T110",
    "redirect": "T111",
    "raised": "T112",
}


GREEDY: Final = Sampling()
"""How a target is sampled where nothing else is said."""


class TargetError(UnavailableError):
    """A target gave no answer. `status` is that of HTTP where there was one, `retry_after_s` what the server asked for."""

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind,
        status: int | None = None,
        retry_after_s: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=CODES[kind], hint=hint)
        self.kind: FailureKind = kind
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def is_retryable(self) -> bool:
        """Whether asking again may help; how often is the caller's bound."""
        return self.kind in RETRYABLE


@runtime_checkable
class Target(Protocol):
    """A model or an agent. One call is one turn of it; calls may run at the same time."""

    @property
    def name(self) -> str:
        """What it is called in reports: `openai:gpt-x`."""
        ...

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        """What the target says next.

        Raises:
            TargetError: it gave no answer.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; the target is not used afterwards."""
        ...

    def fingerprint(self) -> str:
        """What a run records of its identity: two targets with one fingerprint are meant to be the same. No secret."""
        ...


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How targets are reached. The same for all schemes; each takes what concerns it."""

    base_url: str | None = None
    api_key: str | None = None
    timeout_s: float = 120.0
    """For one whole call, from the connection to the last byte."""
    concurrency: int = 64
    """How many calls will run at once: for targets that own threads or slots. It is not enforced here."""
    max_response_bytes: int = 16_000_000
    """A longer body is garbage."""
    proxy: str | None = None
    """Used when given, and only then: a proxy in the environment is not."""
    python_path: tuple[str, ...] = ()
    """Folders in which the module of a `python:` target is sought first."""
    alternatives: int = 0
    """For how many alternatives to each token probabilities are asked, where the protocol has them; 0 asks for none."""
