"""A judge that never answers the same question twice. The store is whoever calls: a dict here, a journal in a campaign."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping

from obverse.judges.judgement import NO_CONTEXT, Context, Judge, Judgement, Predicate, judgement_key


class CachedJudge:
    """The judge inside, asked once per content key; what was not settled (a time-out) is not kept."""

    def __init__(self, judge: Judge, store: MutableMapping[str, Judgement]) -> None:
        self._judge = judge
        self._store = store
        self._running: dict[str, asyncio.Task[Judgement]] = {}

    @property
    def identity(self) -> str:
        """That of the judge inside: a cache changes no answer."""
        return self._judge.identity

    async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
        """The kept judgement, or a new one; who asks while it is being made waits for it."""
        key = judgement_key(self.identity, predicate, text, context)
        kept = self._store.get(key)
        if kept is not None:
            return kept
        running = self._running.get(key)
        if running is None:
            running = asyncio.create_task(self._judge.judge(predicate, text, context))
            self._running[key] = running
            running.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(running)

    def _done(self, key: str, task: asyncio.Task[Judgement]) -> None:
        del self._running[key]
        if not task.cancelled() and task.exception() is None and task.result().is_settled:
            self._store[key] = task.result()
