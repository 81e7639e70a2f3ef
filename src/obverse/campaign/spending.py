"""What trials use up, counted where it happens: at each call of the target, whether anything came of it or not.

Not a price list and not a limit: `planning.cost` turns tokens into money, the runner compares with the caps.
"""

from __future__ import annotations

from collections.abc import Sequence

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolSpec, Usage
from obverse.targets.protocol import GREEDY, Target


class Tokens:
    """A sum of tokens; `known` is false as soon as one answer did not say how many it took."""

    def __init__(self) -> None:
        self.prompt = 0
        self.completion = 0
        self.known = True

    def add(self, usage: Usage, *, expected: bool = True) -> None:
        """Add what one answer took; where none was `expected`, saying nothing is no gap."""
        self.known = self.known and (not expected or None not in (usage.prompt_tokens, usage.completion_tokens))
        self.prompt += usage.prompt_tokens or 0
        self.completion += usage.completion_tokens or 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    @property
    def usage(self) -> Usage:
        """The sum as a record, unknown where a part of it is."""
        return Usage(prompt_tokens=self.prompt, completion_tokens=self.completion) if self.known else Usage()


class Meter:
    """Calls and tokens of one trial over all its attempts, or of a whole start of a run: each adds to the one `above` it."""

    def __init__(self, above: Meter | None = None) -> None:
        self.calls = 0
        self.tokens = Tokens()
        self._above = above

    def call(self) -> None:
        """A call is made now."""
        self.calls += 1
        if self._above is not None:
            self._above.call()

    def answer(self, usage: Usage) -> None:
        """A call was answered."""
        self.tokens.add(usage)
        if self._above is not None:
            self._above.answer(usage)


class Metered:
    """The same target with every call counted."""

    def __init__(self, target: Target, meter: Meter) -> None:
        self._target, self._meter = target, meter

    @property
    def name(self) -> str:
        return self._target.name

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        self._meter.call()
        completion = await self._target.complete(messages, tools=tools, sampling=sampling)
        self._meter.answer(completion.usage)
        return completion

    async def close(self) -> None:
        await self._target.close()

    def fingerprint(self) -> str:
        return self._target.fingerprint()
