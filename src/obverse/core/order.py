"""The order of events in time: what a reader must refuse, since windows that have passed are forgotten (`policy.keeping`)."""

from __future__ import annotations

from obverse.core.events import AnyEvent, Call, Reply


class TimeOrder:
    """Watches the times of one transcript: they never go back, and no step comes without one after events that had one."""

    def __init__(self) -> None:
        self._newest: int | None = None

    def fault(self, event: AnyEvent) -> str | None:
        """What is wrong with the time of the next event; None if nothing is."""
        if event.time is None:
            if self._newest is not None and isinstance(event, Call | Reply):
                return f"event `{event.id}` has no time, and events before it had one"
            return None
        if self._newest is not None and event.time < self._newest:
            return f"event `{event.id}` is older than the one before it"
        self._newest = event.time
        return None
