"""The judges of a campaign, before a guard: a guard asks from any thread and waits, a judge answers on an event loop.

    obverse.judges.Judge (async)  ─StandingJudge→  guard.ports.Answerer (sync)

It holds no deadline and remembers nothing: both are the guard's (`guard.judging`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping

from obverse.core.canon import digest
from obverse.core.verdicts import Truth
from obverse.guard.home import ConsensusSource, JudgeSource
from obverse.judges.consensus import NAMES, ConsensusJudge
from obverse.judges.judgement import Context, Judge, Predicate
from obverse.judges.model import ModelJudge
from obverse.policy.ast import JudgedTerm
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection


class StandingJudge:
    """An `Answerer`. `own` are the judges of some predicates by name; `judge` answers the others, where there is one."""

    def __init__(self, judge: Judge | None, own: Mapping[str, Judge] | None = None) -> None:
        self._judge = judge
        self._own = dict(own or {})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="judges", daemon=True)
        self._thread.start()
        named = {name: one.identity for name, one in self._own.items()}
        self.identity = digest({"judge": "standing", "own": named, "others": None if judge is None else judge.identity})

    def answer(self, term: JudgedTerm, text: str, before: str | None) -> Truth:
        """What the judge of this predicate answers; unknown where nobody judges it."""
        judge = self._own.get(term.full_name, self._judge)
        if judge is None:
            return Truth.UNKNOWN
        asked = judge.judge(Predicate.of(term), text, Context(request=before))
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result().truth

    def close(self) -> None:
        """No more questions."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()


def judge_of(source: JudgeSource, *, seconds: float, refusal: Callable[[], Judge]) -> StandingJudge | None:
    """The judge that a guard's home names; None if it names none. `refusal` makes the judge of refusal where a consensus needs one.

    Raises:
        MisuseError: no such model.
    """
    own = (
        {}
        if source.consensus is None
        else dict.fromkeys(NAMES, _consensus(source.consensus, source.at_once, seconds, refusal))
    )
    if source.model is None:
        return StandingJudge(None, own) if own else None
    connection = Connection(base_url=source.base_url, timeout_s=seconds, concurrency=source.at_once)
    return StandingJudge(ModelJudge(open_target(source.model, connection), timeout_s=seconds), own)


def _consensus(source: ConsensusSource, at_once: int, seconds: float, refusal: Callable[[], Judge]) -> Judge:
    connection = Connection(base_url=source.base_url, timeout_s=seconds, concurrency=at_once * source.draws)
    return ConsensusJudge(
        open_target(source.model, connection), refusal(), draws=source.draws, temperature=source.temperature,
        max_tokens=source.max_tokens, system=source.system, timeout_s=seconds,
    )  # fmt: skip
