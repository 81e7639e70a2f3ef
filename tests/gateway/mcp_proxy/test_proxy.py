"""The proxy between a real client and real servers in processes of their own."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from obverse.guard.guard import Guard
from obverse.testing.mcp_agent import EXPLODE, LOOK, PAY, SLOW, Puppet, raw_call, tool
from obverse.testing.recorder import MemoryRecorder

pytestmark = pytest.mark.filterwarnings("default")


def text_of(result: Any) -> str:
    return "".join(part.text for part in result.content)


@pytest.mark.parametrize(("mode", "where"), [("auto", "started"), ("legacy", "puppet")])
async def test_a_call_is_decided_run_and_recorded(
    before: Any, request: pytest.FixtureRequest, recorder: MemoryRecorder, mode: str, where: str
) -> None:
    puppet: Puppet = request.getfixturevalue(where)
    async with before(puppet) as front, front.agent.client(mode=mode) as agent:
        result = await agent.call_tool("look", {"id": "a"})
        assert (result.is_error, result.structured_content) == (False, {"owner": "ann", "price": 3})
        refused = await agent.call_tool("pay", {"to": "bob", "amount": 5000})
        assert (refused.is_error, text_of(refused)) == (True, "Too much at once.")
        await front.desks.end()
    assert puppet.calls == [("look", {"id": "a"})]
    decided = [(one.body["tool"], one.body["verdict"]) for one in recorder.of("decision")]
    assert decided == [("look", "allow"), ("pay", "deny")]
    results = [recorder.read(one, "event") for one in recorder.of("event") if one.body["kind"] == "result"]
    assert [json.loads(one["output"]) for one in results] == [{"owner": "ann", "price": 3}]


async def test_what_a_tool_gave_back_is_history_for_the_next_call(before: Any, puppet: Puppet) -> None:
    eve = {**LOOK, "structured": {"owner": "eve", "price": 3}, "text": ['{"owner": "eve", "price": 3}']}
    async with before(puppet) as front, front.agent.client() as agent:
        assert not (await agent.call_tool("pay", {"to": "bob", "amount": 5})).is_error
        await agent.call_tool("look", {"id": "a"})
        assert not (await agent.call_tool("pay", {"to": "bob", "amount": 5})).is_error
        puppet.says(eve, PAY, SLOW, EXPLODE)
        await agent.call_tool("look", {"id": "a"})
        assert (await agent.call_tool("pay", {"to": "bob", "amount": 5})).is_error


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_that_no_history_allows_and_tools_unknown_to_the_policy_are_hidden(
    before: Any, puppet: Puppet, mode: str
) -> None:
    puppet.says(LOOK, PAY, tool("explode"), tool("unheard"))
    async with before(puppet) as front, front.agent.client(mode=mode) as agent:
        assert [one.name for one in (await agent.list_tools()).tools] == ["look", "pay"]
        assert set(front.proxy.catalogue.hidden) == {"explode", "unheard"}


async def test_a_call_of_a_hidden_tool_is_denied_on_record(
    before: Any, puppet: Puppet, recorder: MemoryRecorder
) -> None:
    puppet.says(LOOK, tool("unheard"))
    async with before(puppet) as front, front.agent.client() as agent:
        assert (await agent.call_tool("unheard", {})).is_error
        assert (await agent.call_tool("nobody_has_it", {})).is_error
    assert [one.body["verdict"] for one in recorder.of("decision")] == ["deny", "deny"]
    assert puppet.calls == []


async def test_a_denied_agent_learns_the_message_and_nothing_of_the_reason(before: Any, puppet: Puppet) -> None:
    async with before(puppet) as front:
        [answer] = await front.agent.raw(raw_call(1, "pay", '{"to": "b", "amount": 2000}'))
    assert "1000" not in json.dumps(answer)
    assert answer["result"]["content"] == [{"type": "text", "text": "Too much at once."}]


async def test_a_guard_that_raises_denies(
    before: Any, puppet: Puppet, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with before(puppet) as front, front.agent.client() as agent:
        await agent.call_tool("look", {"id": "a"})

        def raises(*_: object) -> int:
            raise OSError("disk full")

        front.desks.of("").session._parts.recorder.record = raises
        assert (await agent.call_tool("look", {"id": "a"})).is_error
        del front.desks.of("").session._parts.recorder.record
    assert len(puppet.calls) == 1


async def test_what_no_transport_of_ours_read_is_denied(before: Any, puppet: Puppet) -> None:
    from mcp import Client

    async with before(puppet) as front, Client(front.proxy.server(), cache=None) as agent:
        assert (await agent.call_tool("look", {"id": "a"})).is_error
    assert puppet.calls == []


async def test_parallel_calls_share_one_count(before: Any, puppet: Puppet) -> None:
    outcomes: list[bool] = []
    async with before(puppet) as front, front.agent.client() as agent:

        async def pay(number: int) -> None:
            outcomes.append((await agent.call_tool("pay", {"to": "b", "amount": number})).is_error)

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(pay, number)
    assert sorted(outcomes) == [False] * 3 + [True] * 5
    assert len(puppet.calls) == 3


async def test_progress_is_passed_on_without_the_servers_words(before: Any, puppet: Puppet) -> None:
    puppet.says({**LOOK, "progress": 3})
    told: list[tuple[float, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with before(puppet) as front, front.agent.client() as agent:
        assert not (await agent.call_tool("look", {"id": "a"}, progress_callback=tell)).is_error
    assert told == [(1.0, None), (2.0, None), (3.0, None)]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_cancelling_a_call_reaches_the_server_and_the_history(
    before: Any, puppet: Puppet, recorder: MemoryRecorder, mode: str
) -> None:
    async with before(puppet) as front, front.agent.client(mode=mode) as agent:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.call_tool, "slow", {})
            while not puppet.calls:  # noqa: ASYNC110  # another process writes it
                await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            while {"cancelled": "slow"} not in puppet.asked:  # noqa: ASYNC110  # the same
                await anyio.sleep(0.02)
            await agent.call_tool("look", {"id": "a"})
    results = [recorder.read(one, "event") for one in recorder.of("event") if one.body["kind"] == "result"]
    assert results[0]["failed"]
    assert "not known" in results[0]["output"]


@pytest.mark.parametrize("protocol", ["auto", "legacy"])
@pytest.mark.parametrize("what", ["sampling", "elicitation"])
async def test_a_server_can_neither_ask_the_model_nor_a_person(
    before: Any, puppet: Puppet, protocol: str, what: str
) -> None:
    puppet.says({**LOOK, "ask": what})
    async with before(puppet, protocol=protocol) as front, front.agent.client() as agent:
        await agent.call_tool("look", {"id": "a"})
    [asked] = [one for one in puppet.asked if "asked" in one]
    assert asked["refused"]


async def test_a_server_is_told_nothing_of_the_agent_but_the_call(before: Any, puppet: Puppet) -> None:
    async with before(puppet) as front, front.agent.client() as agent:
        await agent.call_tool("look", {"id": "a"}, meta={"secret": "of the agent"})
    assert "secret" not in puppet.asked[0]["meta"]


async def test_resources_and_prompts_are_not_offered(before: Any, puppet: Puppet) -> None:
    from mcp import MCPError

    async with before(puppet) as front, front.agent.client() as agent:
        capabilities = agent.server_capabilities
        assert (capabilities.resources, capabilities.prompts, capabilities.completions, capabilities.logging) == (
            None,
        ) * 4
        with pytest.raises(MCPError):
            await agent.read_resource("file:///etc/passwd")


async def test_a_server_that_dies_fails_the_call_and_those_after_it(
    before: Any, started: Puppet, recorder: MemoryRecorder
) -> None:
    started.says({**LOOK, "dies": True}, PAY)
    async with before(started) as front, front.agent.client() as agent:
        assert (await agent.call_tool("look", {"id": "a"})).is_error
        assert (await agent.call_tool("pay", {"to": "b", "amount": 1})).is_error
    results = [recorder.read(one, "event") for one in recorder.of("event") if one.body["kind"] == "result"]
    assert all(one["failed"] for one in results)


async def test_a_tool_that_failed_is_recorded_as_failed(before: Any, puppet: Puppet, recorder: MemoryRecorder) -> None:
    puppet.says({**LOOK, "failed": True, "text": ["no such thing"], "structured": None})
    async with before(puppet) as front, front.agent.client() as agent:
        assert text_of(await agent.call_tool("look", {"id": "a"})) == "no such thing"
        await front.desks.end()
    [result] = [recorder.read(one, "event") for one in recorder.of("event") if one.body["kind"] == "result"]
    assert (result["output"], result["failed"]) == ("no such thing", True)


async def test_two_servers_with_one_name_both_get_their_own_in_front(
    before: Any, puppet: Puppet, tmp_path: Any
) -> None:
    other = Puppet(tmp_path / "other", PAY, SLOW)
    puppet.says(LOOK, PAY)
    async with before(puppet, other) as front, front.agent.client() as agent:
        assert [one.name for one in (await agent.list_tools()).tools] == ["look", "slow"]
        assert set(front.proxy.catalogue.hidden) == {"shop__pay", "other__pay"}
        assert (await agent.call_tool("pay", {"to": "b", "amount": 1})).is_error  # the bare name is nobody's
    assert (puppet.calls, other.calls) == ([], [])
