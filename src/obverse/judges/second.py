"""A judge with a second behind it: where the first weighs a text and abstains, the second decides.

For short, cut replies, on which the refusal judge abstains on a tenth to a quarter (`benchmarks/stability_judge.py`): there a list of
phrases is right nearly always, and a draw without a score widens every interval. What the first could not weigh at all (an empty
reply, a page of a server) stays unknown, and so does what was not settled. It has a card of its own: no error carries over.
"""

from __future__ import annotations

import msgspec

from obverse.core.canon import digest
from obverse.judges.judgement import NO_CONTEXT, Context, Judge, Judgement, Predicate


class SecondOpinion:
    """The first judge's answer, or the second's where the first is in doubt."""

    def __init__(self, first: Judge, second: Judge) -> None:
        self._first, self._second = first, second
        self.identity = digest({"judge": "second opinion", "first": first.identity, "second": second.identity})

    async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
        """The judgement, under the identity of the pair; its reason says who decided."""
        found = await self._first.judge(predicate, text, context)
        if found.answer == "unknown" and found.score is not None and found.is_settled:
            other = await self._second.judge(predicate, text, context)
            found = msgspec.structs.replace(other, reason=f"in doubt ({found.reason}); then: {other.reason}")
        return msgspec.structs.replace(found, judge=self.identity)
