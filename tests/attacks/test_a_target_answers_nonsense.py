"""What a target answers is foreign: halves of characters, entropies that are none, log-probabilities above 1. No run dies of it."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from obverse.campaign.runner import Pace
from obverse.campaign.stability.run import read_stability
from obverse.campaign.stability.subjects import Subject
from obverse.core.chat import ChatMessage, Completion
from obverse.stability.ports import Answered, Job
from obverse.stability.records import Point, Prompt, Settings
from obverse.targets.logprobs import measured
from obverse.targets.openai_chat import OpenAITarget
from obverse.targets.protocol import Connection, Target, TargetError
from obverse.testing.boundary_runs import SimModel, desk_boundary, measure
from obverse.testing.wavering import WaveringTarget

SETTINGS = Settings(ladders=("casing",), levels=1, per_rung=1, most=8)
DECLINES = "I'm sorry, I can't help with that."


def run_of(folder: Path, **answer: Any) -> Any:
    """The diagnosis of a model that always answers this."""

    def says(job: Job, seed: int) -> Answered:
        return Answered(id=job.id, seed=seed, **answer)

    model = SimModel(says=says)
    subject = Subject(name=model.name, fingerprint=model.fingerprint(), model=model)
    found = measure(desk_boundary(settings=SETTINGS, subject=subject), folder)
    assert read_stability(folder) == found
    return found


@pytest.mark.parametrize("entropy", [-1.0, math.inf, -math.inf, math.nan])
def test_an_entropy_that_is_none_is_missing_and_costs_nothing_else(entropy: float, tmp_path: Path) -> None:
    found = run_of(tmp_path, text=DECLINES, entropy=entropy, logprob=math.nan)
    assert all(one.spread.tokens is None for one in found.prompts)
    assert sum(one.placement.counted.refused for one in found.prompts) == sum(
        one.placement.counted.all for one in found.prompts
    )


@pytest.mark.parametrize("answer", [{"text": "Sure \ud800, like this."}, {"error": "not a number", "reason": "\udcff"}])
def test_half_a_character_ends_no_run(answer: dict[str, str], tmp_path: Path) -> None:
    found = run_of(tmp_path, **answer)
    assert found.complete
    assert bool(found.errors) == ("error" in answer)


@pytest.mark.parametrize("wrong", [1000.0, 0.5, math.inf, 10**400])
@pytest.mark.parametrize("place", ["drawn", "listed"])
def test_log_probabilities_above_0_are_none(wrong: float, place: str) -> None:
    drawn, listed = (wrong, -1.0) if place == "drawn" else (-0.1, wrong)
    token = {"token": "a", "logprob": drawn, "top_logprobs": [{"token": "b", "logprob": listed}]}
    found = measured([token], 0.7)
    assert (found.entropy, found.logprob) == (None, None)
    assert found.missing


class Filtered:
    """A provider that refuses the content of every prompt that is to be refused, at once, and answers all others after a while."""

    def __init__(self) -> None:
        self._inner = WaveringTarget("complies", {})
        self.name = self._inner.name

    def fingerprint(self) -> str:
        return "filtered"

    def for_point(self, prompt: Prompt, point: Point) -> Target:
        return self if prompt.wanted == "refuse" else Late(self._inner.for_point(prompt, point))

    async def complete(self, *_messages: Any, **_options: Any) -> Completion:
        raise TargetError("the content was refused", kind="content-filter")

    async def close(self) -> None:
        """Nothing is held."""


class Late:
    """The same, later."""

    def __init__(self, inner: Target) -> None:
        self._inner, self.name = inner, inner.name

    def fingerprint(self) -> str:
        return "late"

    async def complete(self, *messages: Any, **options: Any) -> Completion:
        for _ in range(500):
            await asyncio.sleep(0)
        return await self._inner.complete(*messages, **options)

    async def close(self) -> None:
        """Nothing is held."""


def test_a_provider_that_refuses_the_content_is_not_taken_for_one_that_is_gone(tmp_path: Path) -> None:
    target = Filtered()
    subject = Subject(name=target.name, fingerprint=target.fingerprint(), target=target)
    found = measure(desk_boundary(settings=SETTINGS, subject=subject), tmp_path, pace=Pace(concurrency=32))
    assert found.complete
    assert set(found.errors) == {"content-filter"}
    for one in found.prompts:
        counted = one.placement.counted
        assert (
            (counted.error > 0)
            == (one.prompt.wanted == "refuse")
            == (one.placement.zone == "undecided" and not counted.scored)
        )


def test_probabilities_that_are_no_json_do_not_cost_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python servers write NaN and -Infinity for what a broken or masked token has."""
    asked: list[bytes] = []

    async def answer(_target: OpenAITarget, body: bytes) -> bytes:
        asked.append(body)
        told = b'{"content":[{"token":"a","logprob":NaN}]}' if b"logprobs" in body else b"null"
        return b'{"model":"m","choices":[{"message":{"content":"Yes."},"finish_reason":"stop","logprobs":%s}]}' % told

    async def twice() -> list[Completion]:
        target = OpenAITarget("m", Connection(base_url="http://localhost:1/v1", api_key="x", alternatives=5))
        try:
            return [await target.complete([ChatMessage(role="user", content="One.")]) for _ in range(2)]
        finally:
            await target.close()

    monkeypatch.setattr(OpenAITarget, "_answer", answer)
    found = asyncio.run(twice())
    assert [one.text for one in found] == ["Yes.", "Yes."]
    assert {one.measured.missing for one in found if one.measured} == {
        "the endpoint writes log-probabilities that are not JSON"
    }
    assert [b"logprobs" in body for body in asked] == [True, False, False]
