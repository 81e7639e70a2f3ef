"""Whose session a request belongs to. One proxy is one agent's, unless somebody trusted says otherwise.

The protocol's own session ids are not used: an agent that opens a new connection would begin with an empty history, and have its
counts again. Its newest version has none at all.
"""

from __future__ import annotations

import threading

from obverse.gateway.mcp.deciding import Desk
from obverse.gateway.mcp.proxy import Context, ProxySettings
from obverse.guard.guard import Guard


class Desks:
    """One session for all that comes through the proxy, or one for each value of a header that somebody trusted sets."""

    def __init__(self, guard: Guard, *, holder: str, settings: ProxySettings, header: str | None = None) -> None:
        self._guard = guard
        self._holder = holder
        self._settings = settings
        self._header = header
        self._desks: dict[str, Desk] = {}
        self._facts: dict[str, str] = {}
        self._lock = threading.Lock()

    def __call__(self, ctx: Context) -> Desk:
        """The desk of whoever sent this request; its session begins with the first."""
        headers = getattr(ctx.request, "headers", None) or {}
        return self.of(str(headers.get(self._header, "")) if self._header else "")

    def of(self, key: str) -> Desk:
        """The desk of this key."""
        with self._lock:
            if key not in self._desks:
                holder = f"{self._holder}/{key}" if key else self._holder
                session = self._guard.session(holder=holder, facts=self._facts)
                self._desks[key] = Desk(session, deadline=self._settings.deadline, every=self._settings.every)
            return self._desks[key]

    async def fact(self, name: str, value: str) -> None:
        """Tell all sessions, those that begin later too."""
        self._facts[name] = value
        for desk in list(self._desks.values()):
            await desk.fact(name, value)

    async def end(self) -> None:
        """Every session over, once all that happened was told to it."""
        for desk in self._desks.values():
            await desk.settle()
            desk.session.end()
