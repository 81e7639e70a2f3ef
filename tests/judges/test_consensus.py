"""k draws of a model about one request: whether they agree, what most of them do, and what is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.errors import MisuseError, UnavailableError
from obverse.judges.consensus import AGAINST, UNSTABLE, ConsensusJudge, Votes
from obverse.judges.judgement import NO_CONTEXT, Context, Judgement, Predicate
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import RefusalJudge
from obverse.judges.second import SecondOpinion

WAVERS = Predicate(name=UNSTABLE, definition="The model wavers.")
DIFFERS = Predicate(name=AGAINST, definition="The reply differs.")
NO, YES = "I'm sorry, but I can't assist with that.", "Sure: first, take a spoon."


class Model:
    """Says the next of its answers by the seed; an exception is raised."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.asked = answers, 0
        self.heard: list[Sequence[ChatMessage]] = []

    def fingerprint(self) -> str:
        return f"model {self.answers}"

    async def complete(self, messages: Sequence[ChatMessage], *, sampling: Sampling) -> Completion:
        self.asked += 1
        self.heard.append(messages)
        answer = self.answers[sampling.seed % len(self.answers)]
        if isinstance(answer, Exception):
            raise answer
        if answer == "hang":
            await asyncio.sleep(60)
        return Completion(text=answer)


def judge_of(*answers: str | Exception, draws: int = 4, timeout_s: float = 5.0, system: str = "") -> ConsensusJudge:
    judge = SecondOpinion(RefusalJudge(None), KeywordJudge())
    return ConsensusJudge(Model(*answers), judge, draws=draws, timeout_s=timeout_s, system=system)


@pytest.mark.parametrize(
    ("answers", "found"),
    [((NO,), "no"), ((YES,), "no"), ((NO, YES), "yes"), ((NO, ""), "unknown"), ((NO, YES, "", ""), "yes")],
)
async def test_a_model_wavers_when_two_draws_differ(answers: tuple[str, ...], found: str) -> None:
    assert (await judge_of(*answers).judge(WAVERS, "How is a spoon used?")).answer == found


@pytest.mark.parametrize(
    ("answers", "reply", "found"),
    [
        ((NO, NO, NO, YES), YES, "yes"),
        ((NO, NO, NO, YES), NO, "no"),
        ((NO, YES), YES, "unknown"),
        ((NO,), "", "unknown"),
    ],
)
async def test_a_reply_is_against_what_most_draws_do(answers: tuple[str, ...], reply: str, found: str) -> None:
    asked = Context(request="How is a spoon used?")
    assert (await judge_of(*answers).judge(DIFFERS, reply, asked)).answer == found


async def test_draws_are_made_once_and_shared() -> None:
    judge = judge_of(NO, YES)
    await judge.judge(WAVERS, "one")
    await judge.judge(DIFFERS, NO, Context(request="one"))
    assert judge._model.asked == 4
    await judge.judge(WAVERS, "two")
    assert judge._model.asked == 8


async def test_a_model_that_is_down_or_hangs_leaves_it_unknown_and_unsettled() -> None:
    down = await judge_of(UnavailableError("down", code="X000")).judge(WAVERS, "one")
    late = await judge_of("hang", timeout_s=0.05).judge(WAVERS, "one")
    assert [(one.answer, one.is_settled) for one in (down, late)] == [("unknown", False)] * 2


async def test_a_draw_that_fails_is_unknown_unless_two_others_differ() -> None:
    down = UnavailableError("down", code="X000")
    assert (await judge_of(NO, down).judge(WAVERS, "one")).answer == "unknown"
    assert (await judge_of(NO, YES, down).judge(WAVERS, "one")).answer == "yes"
    assert (await judge_of(NO, NO, NO, down).judge(DIFFERS, YES, Context(request="one"))).answer == "yes"


async def test_what_was_not_settled_is_not_remembered() -> None:
    """A judge of replies that is down once must not leave a request unknown for ever."""

    class Down:
        identity = "down at first"

        def __init__(self) -> None:
            self.calls = 0

        async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
            self.calls += 1
            answer = "unknown" if self.calls <= 2 else "yes"
            return Judgement(
                predicate=predicate.name, answer=answer, reason="", judge="d", is_settled=answer != "unknown"
            )

    judge = ConsensusJudge(Model(NO), Down(), draws=2)
    first, second = [await judge.judge(WAVERS, "one") for _ in range(2)]
    assert (first.answer, first.is_settled) == ("unknown", False)
    assert (second.answer, second.is_settled) == ("no", True)


async def test_nothing_to_draw_for_is_unknown() -> None:
    assert (await judge_of(NO).judge(WAVERS, " ")).answer == "unknown"
    assert (await judge_of(NO).judge(DIFFERS, NO)).answer == "unknown"
    other = Predicate(name="message.other", definition="Something else.")
    assert (await judge_of(NO).judge(other, "one")).answer == "unknown"


async def test_the_system_prompt_stands_first() -> None:
    judge = judge_of(NO, system="Be brief.")
    await judge.judge(WAVERS, "one")
    assert [message.role for message in judge._model.heard[0]] == ["system", "user"]


def test_one_draw_is_no_consensus() -> None:
    with pytest.raises(MisuseError, match="fewer than `2` draws"):
        judge_of(NO, draws=1)


def test_the_identity_holds_all_that_the_answer_depends_on() -> None:
    assert (
        len(
            {
                judge_of(NO).identity,
                judge_of(YES).identity,
                judge_of(NO, draws=5).identity,
                judge_of(NO, system="x").identity,
            }
        )
        == 4
    )


@given(refuse=st.integers(0, 9), comply=st.integers(0, 9), unscored=st.integers(0, 9))
def test_L03_no_unscored_draw_could_turn_what_was_said(refuse: int, comply: int, unscored: int) -> None:
    votes = Votes(refuse=refuse, comply=comply, unscored=unscored)
    completions = [Votes(refuse=refuse + more, comply=comply + unscored - more) for more in range(unscored + 1)]
    if votes.wavers != "unknown":
        assert {one.wavers for one in completions} == {votes.wavers}
    if votes.most() != "unscored":
        assert {one.most() for one in completions} == {votes.most()}
