"""Judges of the room `judges` as labellers of the room `cases`: the same answers under the other Protocol."""

from __future__ import annotations

from obverse.cases.labellers import Label
from obverse.judges.judgement import Asks, Judge, Predicate
from obverse.judges.model import ModelJudge
from obverse.policy.ast import JudgedTerm


class JudgeLabeller:
    """Any judge; `models` are the fingerprints of the language models that it asks."""

    def __init__(self, judge: Judge, models: frozenset[str] = frozenset()) -> None:
        self._judge = judge
        self.models = models
        self.identity = judge.identity

    async def label(self, term: JudgedTerm, text: str) -> Label:
        """What the judge says; its unknown stays one."""
        said = await self._judge.judge(Predicate.of(term), text)
        return Label(truth=said.truth, is_settled=said.is_settled)


def model_labeller(model: Asks, *, timeout_s: float = 60.0) -> JudgeLabeller:
    """A model that is asked yes or no, with the definition and the examples."""
    return JudgeLabeller(ModelJudge(model, timeout_s=timeout_s), frozenset({model.fingerprint()}))
