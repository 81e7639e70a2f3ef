"""The real runner of the OpenAI Agents SDK with a scripted model: turns are decided as turns, tools run by permits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import Agent, FunctionTool, Runner, UserError, WebSearchTool, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call

from obverse.core.errors import MisuseError
from obverse.guard.adapters.conversation import Conversation
from obverse.guard.adapters.openai_agents import guarded, unguarded
from obverse.testing.guards import Desk, guard_of
from obverse.testing.recorder import MemoryRecorder

pytestmark = pytest.mark.filterwarnings("default")
set_tracing_disabled(True)


class Shop:
    """The tools of the shop, and what ran."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, Any]] = []

        @function_tool
        def look(id: str) -> str:
            """Look a thing up."""
            self.ran.append(("look", id))
            return json.dumps({"owner": "ann", "price": 3})

        @function_tool
        def pay(to: str, amount: float) -> str:
            """Pay somebody."""
            self.ran.append(("pay", amount))
            return f"paid {to}"

        self.tools: list[FunctionTool] = [look, pay]


def call(name: str, number: int, **arguments: Any) -> Any:
    return function_call(name, arguments, call_id=f"c{number}")


def agent_of(conversation: Conversation, shop: Shop, *steps: Any) -> Agent[Any]:
    model = ScriptedModel([list(step) if isinstance(step, tuple) else [step] for step in steps])
    return guarded(Agent(name="a", instructions="Be kind.", model=model, tools=list(shop.tools)), conversation)


@pytest.fixture
def people() -> Desk:
    return Desk()


@pytest.fixture
def asking(people: Desk, recorder: MemoryRecorder) -> Any:
    guard = guard_of(people=people, recorder=recorder)
    yield Conversation(guard.session(holder="agent"))
    guard.close()


async def test_what_is_allowed_runs_and_is_recorded(conversation: Conversation, history: Any) -> None:
    shop = Shop()
    agent = agent_of(
        conversation, shop, call("look", 1, id="a"), call("pay", 2, to="bob", amount=5), assistant_message("Done.")
    )
    result = await Runner.run(agent, "Pay Bob.")
    assert result.final_output == "Done."
    assert shop.ran == [("look", "a"), ("pay", 5.0)]
    assert history() == [
        ("system", "Be kind."), ("message", "Pay Bob."), ("call", "look"), ("result", '{"owner": "ann", "price": 3}'),
        ("call", "pay"), ("result", "paid bob"), ("reply", "Done."),
    ]  # fmt: skip


async def test_parallel_calls_are_decided_as_one_turn(conversation: Conversation) -> None:
    shop = Shop()
    turn = (call("look", 1, id="a"), call("pay", 2, to="bob", amount=5000))
    result = await Runner.run(agent_of(conversation, shop, turn, assistant_message("Sorry.")), "Pay Bob.")
    assert shop.ran == []
    assert "Too much at once." in str(result.final_output)


async def test_a_stream_is_decided_before_it_begins(conversation: Conversation) -> None:
    shop = Shop()
    agent = agent_of(conversation, shop, (assistant_message("Gladly."), call("pay", 1, to="bob", amount=5000)))
    result = Runner.run_streamed(agent, "Pay Bob.")
    events = [event async for event in result.stream_events() if event.type == "raw_response_event"]
    seen = "".join(getattr(event.data, "delta", "") for event in events)
    assert shop.ran == []
    assert ("Gladly." in seen, "Too much at once." in seen) == (False, True)


async def test_asking_interrupts_the_run_and_the_signature_releases_it(asking: Conversation, people: Desk) -> None:
    shop = Shop()
    agent = agent_of(asking, shop, call("pay", 1, to="bob", amount=500), assistant_message("Done."))
    result = await Runner.run(agent, "Pay Bob.")
    assert [item.name for item in result.interruptions] == ["pay"]
    people.say("carol")
    state = result.to_state()
    state.approve(result.interruptions[0])
    assert (await Runner.run(agent, state)).final_output == "Done."
    assert shop.ran == [("pay", 500.0)]


async def test_the_sdks_own_approval_alone_runs_nothing(asking: Conversation) -> None:
    shop = Shop()
    agent = agent_of(asking, shop, call("pay", 1, to="bob", amount=500), assistant_message("Done."))
    result = await Runner.run(agent, "Pay Bob.")
    state = result.to_state()
    state.approve(result.interruptions[0], always_approve=True)
    await Runner.run(agent, state)
    assert shop.ran == []


async def test_a_turn_that_waits_waits_whole(asking: Conversation) -> None:
    shop = Shop()
    turn = (assistant_message("I am paying."), call("look", 1, id="a"), call("pay", 2, to="bob", amount=500))
    result = await Runner.run(agent_of(asking, shop, turn), "Pay Bob.")
    assert shop.ran == []
    assert "I am paying." not in str(result.new_items)


async def test_a_tool_that_raises_is_recorded_as_failed(conversation: Conversation, history: Any) -> None:
    @function_tool(failure_error_function=None)
    def look(id: str) -> str:
        """Look a thing up."""
        raise OSError(f"no {id}")

    model = ScriptedModel([[call("look", 1, id="a")]])
    with pytest.raises(UserError, match="no a"):
        await Runner.run(guarded(Agent(name="a", model=model, tools=[look]), conversation), "Look.")
    assert history()[-1] == ("result", "OSError: no a")


async def test_a_tool_called_round_the_runner_has_no_permit(conversation: Conversation) -> None:
    from agents.tool_context import ToolContext

    shop = Shop()
    [_, pay] = agent_of(conversation, shop).tools
    assert isinstance(pay, FunctionTool)
    arguments = '{"to": "bob", "amount": 5}'
    context: Any = ToolContext(None, tool_name="pay", tool_call_id="c9", tool_arguments=arguments)
    assert await pay.on_invoke_tool(context, arguments) == "This call was not allowed."
    assert shop.ran == []


def test_every_way_past_the_guard_is_named_at_the_start(conversation: Conversation) -> None:
    shop = Shop()
    other = Agent(name="other")
    agent = Agent(name="a", model=ScriptedModel([]), tools=[*shop.tools, WebSearchTool()], handoffs=[other])
    assert unguarded(agent) == ["model", "look", "pay", "web_search", "handoff to other"]
    with pytest.raises(MisuseError, match="web_search"):
        guarded(agent, conversation)
    assert unguarded(agent_of(conversation, shop)) == []


async def test_a_tool_that_was_added_later_is_not_offered_to_the_model(conversation: Conversation) -> None:
    shop = Shop()
    agent = agent_of(conversation, shop, assistant_message("Hi."))
    agent.tools.append(WebSearchTool())
    with pytest.raises(MisuseError, match="not guarded"):
        await Runner.run(agent, "Search.")
