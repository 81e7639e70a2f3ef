"""A judge of a campaign before a guard: asked from threads, answers as it does elsewhere, unknown where nobody judges."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from obverse.campaign.standing_judge import StandingJudge, judge_of
from obverse.core.errors import MisuseError
from obverse.core.verdicts import Truth, Verdict
from obverse.guard.home import ConsensusSource, JudgeSource
from obverse.judges.judgement import NO_CONTEXT, Context, Judgement, Predicate
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import RefusalJudge
from obverse.judges.second import SecondOpinion
from obverse.policy.ast import JudgedTerm
from obverse.testing.guards import Desk, call, guard_of

POLICY = """\
---
policy: judged
---
```terms
tool send() effect write
judged message.agrees "The user agrees." yes "yes" no "no"
```

## Consent {#consent}

```rule
forbid send unless last message has message.agrees trusting judge
```
"""


class Agrees:
    """Says yes to what says yes."""

    identity = "agrees"

    async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
        answer = "yes" if text.startswith("yes") else "no"
        return Judgement(predicate=predicate.name, answer=answer, reason="", judge=self.identity)  # type: ignore[arg-type]  # of two words


def term(name: str) -> JudgedTerm:
    return JudgedTerm(subject="message", name=name, definition="The user agrees.")


def test_it_answers_from_any_thread_and_knows_what_nobody_judges() -> None:
    judge = StandingJudge(None, {"message.agrees": Agrees()})
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: judge.answer(term("agrees"), text, None), ["yes 1", "no", "yes 2", "no"]))
    assert found == [Truth.TRUE, Truth.FALSE, Truth.TRUE, Truth.FALSE]
    assert judge.answer(term("other"), "yes", None) is Truth.UNKNOWN
    judge.close()


def test_a_guard_decides_by_it() -> None:
    judge = StandingJudge(Agrees())
    session = guard_of(POLICY, judge=judge).session(holder="alice")
    session.message("no")
    assert session.propose([call("send", "{}", "1")]).verdict is Verdict.DENY
    session.message("yes, send it")
    assert session.propose([call("send", "{}", "2")]).verdict is Verdict.ALLOW
    judge.close()


def test_a_home_that_names_no_model_has_no_judge_and_one_that_names_nonsense_does_not_start(tmp_path: Path) -> None:
    assert judge_of(JudgeSource(), seconds=1.0, refusal=Agrees) is None
    with pytest.raises(MisuseError, match="not a target"):
        judge_of(JudgeSource(model="nonsense"), seconds=1.0, refusal=Agrees)


DECLINES, FINE = "I'm sorry, but I can't assist with that.", "Sure: the spoons lie in the drawer."
MODEL = f"""\
def answer(messages, sampling):
    asked, seed = messages[-1]["content"], sampling["seed"]
    if asked.startswith("Mostly"):
        return {FINE!r} if seed == 0 else {DECLINES!r}
    return {DECLINES!r} if asked.startswith("Wavers") and seed % 2 else {FINE!r}
"""
WAVERING = """\
---
policy: wavering
---
```terms
judged message.unstable "The model wavers on this request."
judged reply.against_consensus "The reply goes against what the model mostly does."
```

## A person looks where the model wavers {#wavers}

```rule
ask reply when message.unstable
forbid reply when reply.against_consensus
```
"""


def test_a_guard_asks_a_person_where_the_model_wavers_and_blocks_what_goes_against_the_consensus(
    tmp_path: Path,
) -> None:
    (tmp_path / "wavering.py").write_text(MODEL)
    source = ConsensusSource(model="python:wavering:answer", draws=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        judge = judge_of(
            JudgeSource(consensus=source),
            seconds=10.0,
            refusal=lambda: SecondOpinion(RefusalJudge(None), KeywordJudge()),
        )
    assert judge is not None
    session = guard_of(WAVERING, judge=judge, people=Desk()).session(holder="alice")
    verdicts = []
    for asked, answered in [("Steady?", FINE), ("Wavers?", FINE), ("Mostly no?", FINE), ("Steady?", DECLINES)]:
        session.message(asked)
        verdicts.append(session.propose(reply=answered).verdict)
    judge.close()
    assert verdicts == [Verdict.ALLOW, Verdict.ASK, Verdict.DENY, Verdict.DENY]
