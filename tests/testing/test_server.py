"""The stub server: its faults depend on content alone, and it counts what it was asked."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from obverse.core.chat import ChatMessage, Sampling
from obverse.targets.openai_chat import OpenAITarget
from obverse.targets.protocol import Connection, TargetError
from obverse.testing.scripted import ANSWER, REFUSAL, answer, key_of, share_of
from obverse.testing.server import MIXED, Settings, fault_of
from obverse.testing.stub import StubServer

BODIES = [msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": str(n)}]}) for n in range(2000)]


def test_a_fault_depends_on_the_content_alone() -> None:
    settings = Settings(mode="mixed", share=0.2)
    faults = Counter(fault_of(body, settings) for body in BODIES)
    assert faults == Counter(fault_of(body, settings) for body in reversed(BODIES))
    assert set(faults) == {"ok", *MIXED}
    assert 0.17 < 1 - faults["ok"] / len(BODIES) < 0.23


def test_the_share_of_refusals_is_the_one_that_was_asked_for() -> None:
    refused = sum(answer(body, refuse=0.1).text == REFUSAL for body in BODIES)
    assert 0.08 < refused / len(BODIES) < 0.12
    assert refused == sum(share_of(key_of(body), "refuse") < 0.1 for body in BODIES)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("fault:429-then-ok x", "429-then-ok"),
        ("fault:429", "429"),
        ("fault:html", "html"),
        ("fault:zzz", "ok"),
        ("", "ok"),
    ],
)
def test_a_fault_is_asked_for_by_name(text: str, mode: str) -> None:
    assert fault_of(f'{{"content": "{text}"}}'.encode(), Settings()) == mode


def test_it_counts_what_was_asked_and_what_was_answered() -> None:
    async def run(url: str) -> list[str]:
        target = OpenAITarget("m", Connection(base_url=url))

        async def one(text: str, seed: int) -> str:
            try:
                said = await target.complete([ChatMessage(role="user", content=text)], sampling=Sampling(seed=seed))
            except TargetError as error:
                return error.kind
            return said.text

        found = [await one("x", 1), await one("x", 2), await one("x", 1), await one("fault:500", 1)]
        await target.close()
        return found

    with StubServer("--refuse", "0") as stub:
        assert asyncio.run(run(stub.url)) == [ANSWER, ANSWER, ANSWER, "server"]
        stats = stub.stats()
    assert stats.requests == 4
    assert sorted(stats.asked.values()) == [1, 1, 2]
    assert sorted(stats.answered.values()) == [1, 2]
    assert len(stats.asked_again) == 1
    assert stats.faults == {"500": 1}
