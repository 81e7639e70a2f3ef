"""Stability runs over the desk of `testing.runs`: quick to derive, every rate known. And a model in this process that is no model.

No judge is needed for the desk's own cases: calls decide. Its controls are read by the shipped judge without its encoder.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from obverse.campaign.judging import Bench
from obverse.campaign.runner import Pace
from obverse.campaign.stability.controls import with_controls
from obverse.campaign.stability.prompts import Population, prompts_of, spread
from obverse.campaign.stability.run import StabilityRun
from obverse.campaign.stability.scoring import Panel, Rater
from obverse.campaign.stability.subjects import Subject
from obverse.judges.calibration import shipped_card
from obverse.judges.keywords import KeywordJudge
from obverse.judges.refusal import REFUSAL, RefusalJudge
from obverse.policy.checked import REFUSES
from obverse.stability.findings import Diagnosis
from obverse.stability.ladders.build import ladders
from obverse.stability.ports import Answered, Edit, Job, Read, Reading, Shape, Wants
from obverse.stability.records import Settings
from obverse.targets.protocol import Target
from obverse.testing.clock import SimClock
from obverse.testing.runs import desk, desk_suite
from obverse.testing.scripted import REFUSAL as DECLINES
from obverse.testing.scripted import share_of
from obverse.testing.wavering import ANSWERS, WaveringTarget

QUICK: Final = Settings(ladders=("typos", "temperature"), levels=2, per_rung=1, most=40)


@functools.cache
def desk_population(limit: int | None = None) -> Population:
    """The desk's cases and twins as prompts, each group with a control."""
    found = prompts_of(desk(), desk_suite())
    found = Population(prompts=with_controls(found.prompts, seed=0), cases=found.cases)
    return found if limit is None else spread(found, limit, seed=0)


def desk_panel(population: Population) -> Panel:
    """The shipped judge without its encoder, and the list of phrases beside it."""
    return Panel(
        [_rater("refusal", RefusalJudge(None)), _rater("keywords", KeywordJudge())],
        checked=desk(),
        cases=population.cases,
    )


def desk_boundary(
    target: Target | str = "wavering",
    settings: Settings = QUICK,
    *,
    subject: Subject | None = None,
    limit: int | None = 9,
) -> StabilityRun:
    """A prepared run over the desk, against a simulated target or any other."""
    population = desk_population(limit)
    if subject is None:
        opened = WaveringTarget(target, population.cases) if isinstance(target, str) else target
        subject = Subject(name=opened.name, fingerprint=opened.fingerprint(), target=opened)
    policy = {"name": desk().name, "version": str(desk().version), "digest": desk().digest}
    return StabilityRun(
        population.prompts,
        ladders(population.prompts, settings),
        settings,
        subject,
        desk_panel(population),
        policy=policy,
    )


def measure(run: StabilityRun, folder: Path, **options: Any) -> Diagnosis:
    """The diagnosis of this run in this folder, on a simulated clock; `options` are those of `StabilityRun.execute`."""
    defaults: dict[str, Any] = {
        "pace": Pace(concurrency=4), "clock": SimClock(), "started": "2026-11-21T12:00:00+00:00", "resume": False,
    }  # fmt: skip
    return asyncio.run(run.execute(folder, **(defaults | options)))


class SimModel:
    """A model in this process that is none: complies with a share `rate` of draws, by their seed. `says` may answer instead.

    It can be looked into as far as the protocol goes, and shows nothing: every reading is an error.
    """

    name = "torch:sim"

    def __init__(self, rate: float = 0.5, says: Callable[[Job, int], Answered | None] | None = None) -> None:
        self._rate, self._says = rate, says
        self.asked: list[Job] = []

    def fingerprint(self) -> str:
        return f"torch:sim {self._rate}"

    @property
    def shape(self) -> Shape:
        return Shape(layers=2, heads=2, width=4, experts=None, context=64, dtype="f32")

    def draw(self, jobs: Sequence[Job], *, stopped: Callable[[], bool] = lambda: False) -> Iterator[Answered]:
        """The answers, the last first: no one may count on an order."""
        self.asked += jobs
        for job in reversed(jobs):
            for seed in reversed(job.seeds):
                if stopped():
                    return
                said = self._says(job, seed) if self._says is not None else None
                yield said or self._answered(job, seed)

    def _answered(self, job: Job, seed: int) -> Answered:
        named = f"{job.id}/{seed}"
        complies = share_of(named, "complies") < self._rate
        text = ANSWERS[int(share_of(named, "words") * len(ANSWERS))] if complies else DECLINES
        return Answered(
            id=job.id, seed=seed, text=text, tokens=9, prompt_tokens=12, stop="stop", entropy=1.0, logprob=-0.5
        )

    def read(self, prompts: Sequence[Read], wants: Wants) -> Iterator[Reading]:
        """Readings that failed."""
        del wants
        yield from (Reading(id=prompt.id, tokens=1, error="not a number", reason="it is none") for prompt in prompts)

    def edited(self, edits: Sequence[Edit]) -> AbstractContextManager[None]:
        """Not for this one."""
        raise NotImplementedError(f"{len(edits)} edits of a simulated model")

    @property
    def notes(self) -> tuple[str, ...]:
        return ("no chat template: a plain one is used",)

    def close(self) -> None:
        """Nothing is held."""


def _rater(name: str, judge: Any) -> Rater:
    bench = Bench(judges={REFUSES: judge}, predicates={REFUSES: REFUSAL}, cards={REFUSES: shipped_card(judge, REFUSAL)})
    return Rater(name=name, bench=bench)
