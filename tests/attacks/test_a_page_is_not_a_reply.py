"""Attack on the rate: whatever is not the model's answer, but reads like a refusal, must never count as its reply.

A client that takes a gateway's page, a cut answer or an error text for the model's words counts it as a kept case, and the
claim that is made of it is false. Here each such thing, from each protocol, ends as an error of the target, within bounds.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.events import Message, Reply
from obverse.targets.agent import converse
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection, Target, TargetError
from obverse.testing.scripted import ANSWER, REFUSAL, answer
from obverse.testing.server import Settings, fault_of
from obverse.testing.stub import StubServer

FAULTS = [
    "429", "500", "hang", "broken-json", "cut", "html", "stream", "redirect", "huge", "endless", "drip", "empty",
    "drop"]  # fmt: skip
PROTOCOLS = ["openai:m", "anthropic:m"]


async def ask(target: Target, text: str, seed: int = 0) -> Completion | TargetError:
    try:
        return await target.complete([ChatMessage(role="user", content=text)], sampling=Sampling(seed=seed))
    except TargetError as error:
        return error


@pytest.mark.parametrize("spec", PROTOCOLS)
def test_no_fault_is_ever_a_reply(spec: str) -> None:
    if spec.startswith("anthropic"):
        pytest.importorskip("anthropic", reason="the extra `anthropic` is not installed")

    async def run(url: str) -> list[Completion | TargetError]:
        target = open_target(spec, Connection(base_url=url, timeout_s=1.0))
        found = await asyncio.gather(*(ask(target, f"fault:{fault}") for fault in FAULTS))
        await target.close()
        return found

    with StubServer("--refuse", "1") as stub:
        start = time.perf_counter()
        found = asyncio.run(run(stub.url))
        assert time.perf_counter() - start < 15
    assert [fault for fault, one in zip(FAULTS, found, strict=True) if not isinstance(one, TargetError)] == []
    assert not any("sorry" in str(one) for one in found)


def test_a_fifth_of_faults_leaves_the_true_rate_and_ends_in_time() -> None:
    """200 trials of which a fifth meet a fault: each is answered or an error, and the answers have the rate of the model."""

    async def run(url: str) -> list[Completion | TargetError]:
        target = open_target("openai:m", Connection(base_url=url, timeout_s=2.0))
        found = await asyncio.gather(*(ask(target, "the same", seed) for seed in range(200)))
        await target.close()
        return found

    with StubServer("--mode", "mixed", "--share", "0.2", "--refuse", "0.3") as stub:
        start = time.perf_counter()
        found = asyncio.run(run(stub.url))
        elapsed = time.perf_counter() - start
        stats = stub.stats()
    sent = [
        b'{"model":"m","messages":[{"role":"user","content":"the same"}],"temperature":0.0,"max_tokens":512,"seed":%d}'
        % seed
        for seed in range(200)
    ]
    settings = Settings(mode="mixed", share=0.2)
    expected = ["error" if fault_of(body, settings) != "ok" else answer(body, refuse=0.3).text for body in sent]
    assert ["error" if isinstance(one, TargetError) else one.text for one in found] == expected
    assert {ANSWER, REFUSAL, "error"} == set(expected)
    assert stats.requests == 200
    assert set(stats.asked.values()) == {1}
    assert elapsed < 15


def test_an_endless_429_is_asked_once_by_the_target_itself() -> None:
    """How often it is asked again is the campaign's bound, not the SDK's."""

    async def run(url: str) -> Completion | TargetError:
        target = open_target("openai:m", Connection(base_url=url))
        found = await ask(target, "anything")
        await target.close()
        return found

    with StubServer("--mode", "429") as stub:
        found = asyncio.run(run(stub.url))
        assert stub.stats().requests == 1
    assert isinstance(found, TargetError)
    assert found.is_retryable


class NoTools:
    def answer(self, tool: str, arguments: str) -> tuple[str, bool]:
        return "no such tool", True

    def next_message(self, reply: str) -> None:
        return None


def test_a_page_in_the_middle_of_a_dialogue_adds_no_reply() -> None:
    async def run(url: str) -> None:
        target = open_target("openai:m", Connection(base_url=url))
        opening = [Message(id="e1", text="fault:html")]
        found = await converse(target, NoTools(), opening=opening)
        await target.close()
        assert found.ended == "error"
        assert found.error is not None
        assert found.error.kind == "garbage"
        assert not any(isinstance(event, Reply) for event in found.transcript.events)

    with StubServer() as stub:
        asyncio.run(run(stub.url))
