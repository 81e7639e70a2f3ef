"""Real graphs with a scripted model: LangChain's agent with our middleware, and a graph of one's own with our node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command

from obverse.guard.adapters.conversation import Conversation
from obverse.guard.adapters.langgraph import GraphGuard, middleware
from obverse.testing.guards import Desk, guard_of

pytestmark = pytest.mark.filterwarnings("default")
RAN: list[tuple[str, Any]] = []
ONE: Any = {"configurable": {"thread_id": "1"}}
ASKED: Any = {"messages": [HumanMessage("Pay Bob.")]}


@tool
def look(id: str) -> str:
    """Look a thing up."""
    RAN.append(("look", id))
    return json.dumps({"owner": "ann", "price": 3})


@tool
def pay(to: str, amount: float) -> str:
    """Pay somebody."""
    RAN.append(("pay", amount))
    return f"paid {to}"


class Scripted(BaseChatModel):
    """Says these messages in turn."""

    script: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.script.pop(0))])


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def says(text: str = "", *calls: tuple[str, dict[str, Any]], **more: Any) -> AIMessage:
    listed = [
        {"name": name, "args": args, "id": f"c{number}", "type": "tool_call"}
        for number, (name, args) in enumerate(calls)
    ]
    return AIMessage(text, tool_calls=listed, **more)


def agent(conversation: Conversation, *script: AIMessage) -> Any:
    """LangChain's agent."""
    return create_agent(
        Scripted(script=list(script)), [look, pay], system_prompt="Be kind.",
        middleware=[middleware(conversation)], checkpointer=InMemorySaver(),
    )  # fmt: skip


def graph(conversation: Conversation, *script: AIMessage) -> Any:
    """A graph of one's own: model → guard → tools → model."""
    model, guard = Scripted(script=list(script)), GraphGuard(conversation)
    built = StateGraph(State)
    built.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    built.add_node("guard", guard.turn)
    built.add_node("tools", guard.tool_node([look, pay]))
    built.add_edge(START, "model")
    built.add_edge("model", "guard")
    built.add_conditional_edges("guard", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    built.add_edge("tools", "model")
    return built.compile(checkpointer=InMemorySaver())


BOTH = pytest.mark.parametrize("build", [agent, graph])


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@pytest.fixture
def people() -> Desk:
    return Desk()


@pytest.fixture
def asking(people: Desk) -> Iterator[Conversation]:
    guard = guard_of(people=people)
    yield Conversation(guard.session(holder="agent"))
    guard.close()


@BOTH
def test_what_is_allowed_runs_and_is_recorded(build: Any, conversation: Conversation, history: Any) -> None:
    script = says("", ("look", {"id": "a"})), says("", ("pay", {"to": "bob", "amount": 5})), says("Done.")
    script[1].tool_calls[0]["id"] = "d0"
    found = build(conversation, *script).invoke(ASKED, ONE)
    assert found["messages"][-1].content == "Done."
    assert RAN == [("look", "a"), ("pay", 5.0)]
    told = [("message", "Pay Bob."), ("call", "look"), ("result", '{"owner": "ann", "price": 3}'), ("call", "pay"),
            ("result", "paid bob"), ("reply", "Done.")]  # fmt: skip
    assert history() == ([("system", "Be kind."), *told] if build is agent else told)


@BOTH
def test_parallel_calls_are_decided_as_one_turn(build: Any, conversation: Conversation) -> None:
    turn = says("Gladly.", ("look", {"id": "a"}), ("pay", {"to": "bob", "amount": 5000}))
    found = build(conversation, turn).invoke(ASKED, ONE)
    last = found["messages"][-1]
    assert (RAN, last.tool_calls) == ([], [])
    assert ("Too much at once." in last.content, "Gladly." in last.content) == (True, False)


@BOTH
def test_asking_interrupts_the_graph_and_the_signature_releases_it(
    build: Any, asking: Conversation, people: Desk
) -> None:
    running = build(asking, says("", ("pay", {"to": "bob", "amount": 500})), says("Done."))
    found = running.invoke(ASKED, ONE)
    [shown] = found["__interrupt__"]
    assert shown.value["requests"] == [people.asked[0].id]
    assert RAN == []
    people.say("carol")
    assert running.invoke(Command(resume="anything"), ONE)["messages"][-1].content == "Done."
    assert RAN == [("pay", 500.0)]


@BOTH
def test_what_the_graph_is_resumed_with_approves_nothing(build: Any, asking: Conversation, people: Desk) -> None:
    running = build(asking, says("", ("pay", {"to": "bob", "amount": 500})), says("Done."))
    running.invoke(ASKED, ONE)
    for claim in ({"approved": True}, "approve", [{"type": "approve"}]):
        assert running.invoke(Command(resume=claim), ONE)["__interrupt__"]
    people.say("carol", "reject")
    found = running.invoke(Command(resume={"approved": True}), ONE)
    assert (RAN, found["messages"][-1].tool_calls) == ([], [])


@BOTH
def test_arguments_that_could_not_be_parsed_deny_the_turn(build: Any, conversation: Conversation) -> None:
    broken = {"name": "pay", "args": '{"amount": 1,', "id": "c9", "error": "no JSON", "type": "invalid_tool_call"}
    turn = says("", ("look", {"id": "a"}), invalid_tool_calls=[broken])
    assert build(conversation, turn).invoke(ASKED, ONE)["messages"][-1].tool_calls == []
    assert RAN == []


def test_a_tool_node_alone_runs_nothing_that_was_not_decided(conversation: Conversation) -> None:
    built = StateGraph(State)
    built.add_node("tools", GraphGuard(conversation).tool_node([look, pay]))
    built.add_edge(START, "tools")
    found = built.compile().invoke({"messages": [says("", ("pay", {"to": "bob", "amount": 5}))]})
    assert (RAN, found["messages"][-1].status) == ([], "error")
    assert found["messages"][-1].content == "This call was not allowed."


def test_arguments_that_were_changed_after_the_decision_do_not_run(conversation: Conversation) -> None:
    guard = GraphGuard(conversation)
    message = says("", ("pay", {"to": "bob", "amount": 5}), id="m1")
    assert guard.turn({"messages": [HumanMessage("Pay Bob."), message]}) is None
    message.tool_calls[0]["args"]["amount"] = 500
    built = StateGraph(State)
    built.add_node("tools", guard.tool_node([look, pay]))
    built.add_edge(START, "tools")
    assert built.compile().invoke({"messages": [message]})["messages"][-1].status == "error"
    assert RAN == []


async def test_an_agent_in_an_event_loop_is_guarded_alike(asking: Conversation, people: Desk) -> None:
    running = agent(asking, says("", ("pay", {"to": "bob", "amount": 500})), says("Done."))
    assert (await running.ainvoke(ASKED, ONE))["__interrupt__"]
    people.say("carol")
    assert (await running.ainvoke(Command(resume=True), ONE))["messages"][-1].content == "Done."
    assert RAN == [("pay", 500.0)]


def test_a_tool_that_raises_is_recorded_as_failed(conversation: Conversation, history: Any) -> None:
    @tool
    def look(id: str) -> str:
        """Look a thing up."""
        raise OSError(f"no {id}")

    running = create_agent(
        Scripted(script=[says("", ("look", {"id": "a"}))]), [look], middleware=[middleware(conversation)]
    )
    with pytest.raises(OSError, match="no a"):
        running.invoke(ASKED)
    assert history()[-1] == ("result", "OSError: no a")


def test_a_graph_that_streams_messages_shows_them_undecided(conversation: Conversation) -> None:
    turn = says("Gladly.", ("pay", {"to": "bob", "amount": 5000}))
    shown = [part[0].content for part in agent(conversation, turn).stream(ASKED, ONE, stream_mode="messages")]
    assert "Gladly." in shown, "which is why the guide says to put the gateway beneath such a graph"
    assert RAN == []
