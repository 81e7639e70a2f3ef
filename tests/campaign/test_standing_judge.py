"""A judge of a campaign before a guard: asked from threads, answers as it does elsewhere, unknown where nobody judges."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from obverse.campaign.standing_judge import StandingJudge, judge_of
from obverse.core.errors import MisuseError
from obverse.core.verdicts import Truth, Verdict
from obverse.guard.home import JudgeSource
from obverse.judges.judgement import NO_CONTEXT, Context, Judgement, Predicate
from obverse.policy.ast import JudgedTerm
from obverse.testing.guards import call, guard_of

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
    assert judge_of(JudgeSource(), seconds=1.0) is None
    with pytest.raises(MisuseError, match="not a target"):
        judge_of(JudgeSource(model="nonsense"), seconds=1.0)
