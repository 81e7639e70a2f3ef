"""Agents of a real framework behind the gateway: its loop goes on after a denial, and what was denied never runs."""

from __future__ import annotations

import asyncio
import warnings

import openai
import pytest

from .conftest import KEY, Gateway

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    agents = pytest.importorskip("agents", reason="the Agents SDK is not installed")


def run(gateway: Gateway, protocol: str, *texts: str) -> tuple[list[str], list[str]]:
    """What the agent answers to each text in one conversation, and which tools ran."""
    ran: list[str] = []

    @agents.function_tool
    def look(id: str) -> str:
        """Look a thing up."""
        ran.append(f"look {id}")
        return "open"

    @agents.function_tool
    def pay(id: str, amount: float) -> str:
        """Pay for a thing."""
        ran.append(f"pay {id} {amount:g}")
        return "paid"

    async def talk() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as client:
            kind = {"chat": agents.OpenAIChatCompletionsModel, "responses": agents.OpenAIResponsesModel}[protocol]
            agent = agents.Agent(name="desk", tools=[look, pay], model=kind(model="m", openai_client=client))
            said, given = [], []
            for text in texts:
                done = await agents.Runner.run(agent, [*given, {"role": "user", "content": text}])
                said.append(done.final_output)
                given = done.to_input_list()
            return said

    agents.set_tracing_disabled(disabled=True)
    return asyncio.run(talk()), ran


@pytest.mark.parametrize("protocol", ["chat", "responses"])
def test_an_agent_goes_on_after_a_denial_and_what_was_denied_never_runs(gateway: Gateway, protocol: str) -> None:
    said, ran = run(
        gateway, protocol, 'call pay {"id": "7", "amount": 500}', 'call look {"id": "7"}',
        'call pay {"id": "7", "amount": 5}', 'call look {"id": "8"}\ncall look {"id": "9"}',
    )  # fmt: skip
    assert said == ["Not that much.", "The tool said: open", "The tool said: paid", "The tool said: open"]
    assert ran == ["look 7", "pay 7 5", "look 8", "look 9"]
    assert len(gateway.recorder.of("session.start")) == 2
    assert gateway.facts("gateway.branch") == gateway.facts("gateway.claim") == []
