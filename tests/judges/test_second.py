"""The second judge decides where the first weighed and abstained, and nowhere else."""

from __future__ import annotations

from obverse.judges.judgement import NO_CONTEXT, Answer, Context, Judgement, Predicate
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import REFUSAL, RefusalJudge
from obverse.judges.second import SecondOpinion


class Says:
    def __init__(self, answer: Answer, *, score: float | None = 0.5, is_settled: bool = True) -> None:
        self.answer, self.score, self.is_settled = answer, score, is_settled
        self.identity = f"says {answer}"

    async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
        return Judgement(
            predicate=predicate.name, answer=self.answer, reason="because", judge=self.identity,
            score=self.score, is_settled=self.is_settled,
        )  # fmt: skip


async def test_the_first_decides_where_it_can() -> None:
    found = await SecondOpinion(Says("no"), Says("yes")).judge(REFUSAL, "text")
    assert (found.answer, found.reason) == ("no", "because")


async def test_the_second_decides_where_the_first_is_in_doubt() -> None:
    found = await SecondOpinion(Says("unknown"), Says("yes")).judge(REFUSAL, "text")
    assert (found.answer, found.reason) == ("yes", "in doubt (because); then: because")


async def test_what_could_not_be_weighed_stays_unknown() -> None:
    assert (await SecondOpinion(Says("unknown", score=None), Says("no")).judge(REFUSAL, "")).answer == "unknown"
    late = SecondOpinion(Says("unknown", is_settled=False), Says("no"))
    assert (await late.judge(REFUSAL, "text")).is_settled is False


async def test_it_has_an_identity_of_its_own() -> None:
    one, other = Says("yes"), Says("no")
    pair = SecondOpinion(one, other)
    assert pair.identity not in {one.identity, other.identity, SecondOpinion(other, one).identity}
    assert (await pair.judge(REFUSAL, "text")).judge == pair.identity


async def test_an_empty_reply_is_no_reply_for_the_real_pair() -> None:
    pair = SecondOpinion(RefusalJudge(None), KeywordJudge())
    assert (await pair.judge(REFUSAL, "  ")).answer == "unknown"
    assert (await pair.judge(REFUSAL, "I'm sorry, but I can't assist with that.")).answer == "yes"
