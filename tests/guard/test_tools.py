"""Tools in Python behind the guard: what is decided is what runs, results are recorded, credentials are lent and hidden."""

from __future__ import annotations

import asyncio
import pickle
import types
from collections.abc import Callable
from typing import Any

import pytest

from obverse.core.errors import EvidenceError, MisuseError
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.guard.survey import named, survey
from obverse.guard.tools import BlockedError, ToolFailedError, Tools, session_of
from obverse.guard.vault import Lent, Vault
from obverse.testing.recorder import MemoryRecorder

Make = Callable[..., Guard]


def shop(paid: list[Any], secret: str = "s3cret-token") -> Tools:
    tools = Tools(Vault({"BANK": secret}))

    @tools.tool(needs=("BANK",))
    def pay(to: str, amount: float, credentials: Lent) -> str:
        paid.append((to, amount, credentials["BANK"], credentials))
        return f"paid with {credentials['BANK']}"

    @tools.tool()
    async def look(id: str) -> dict[str, Any]:
        return {"owner": id, "price": 5}

    @tools.tool("wipe")
    def wiping(id: str) -> None:
        raise OSError(f"no {id} with {secret}")

    return tools


def test_an_allowed_tool_runs_with_what_was_decided_and_its_credentials(make: Make, recorder: MemoryRecorder) -> None:
    paid: list[Any] = []
    tools = shop(paid)
    session = make().session(holder="alice")
    with session_of(session):
        assert tools.known["pay"].guarded("bob", amount=5.5) == "paid with [credential]"
    assert paid[0][:3] == ("bob", 5.5, "s3cret-token")
    with pytest.raises(MisuseError, match="given back"):
        paid[0][3]["BANK"]
    session.end()
    [proposal] = [recorder.read(entry, "proposal") for entry in recorder.of("decision")]
    assert proposal["arguments"] == '{"amount":5.5,"to":"bob"}'
    assert recorder.read(recorder.of("event")[-1], "event")["output"] == "paid with [credential]"
    assert not any(b"s3cret" in data for data in recorder.payloads.values())


def test_a_blocked_tool_does_not_run_and_says_no_more_than_it_may(make: Make) -> None:
    paid: list[Any] = []
    tools = shop(paid)
    with session_of(make().session(holder="alice")), pytest.raises(BlockedError, match="Too much at once") as caught:
        tools.known["pay"].guarded(to="bob", amount=5000)
    assert not paid
    assert "1000" not in str(caught.value)


def test_what_a_tool_raises_is_its_failed_result(make: Make, recorder: MemoryRecorder) -> None:
    tools = shop([])
    session = make().session(holder="alice")
    with session_of(session):
        asyncio.run(tools.known["look"].guarded(id="a"))
        with pytest.raises(ToolFailedError, match=r"OSError: no x with \[credential\]"):
            tools.known["wipe"].guarded("x")
    session.end()
    result = recorder.read(recorder.of("event")[-1], "event")
    assert (result["failed"], result["output"]) == (True, "OSError: no x with [credential]")


def test_the_calls_of_a_turn_are_decided_together_and_then_run(make: Make) -> None:
    paid: list[Any] = []
    tools, session = shop(paid), make().session(holder="alice")
    turn = [
        ProposedCall(call_id="1", tool="look", arguments='{"id": "a"}'),
        ProposedCall(call_id="2", tool="pay", arguments='{"to": "bob", "amount": 5}'),
    ]
    ran = asyncio.run(tools.run_async(session, session.propose(turn)))
    assert [one.output for one in ran] == ['{"owner":"a","price":5}', "paid with [credential]"]
    assert not session._past.open
    over = [ProposedCall(call_id=str(n), tool="pay", arguments='{"to": "bob", "amount": 5}') for n in range(3)]
    assert not tools.run(session, session.propose(over)), "one too many blocks all three"
    assert len(paid) == 1


def test_a_number_that_python_would_change_is_not_paid(make: Make) -> None:
    paid: list[Any] = []
    tools, session = shop(paid), make().session(holder="alice")
    call = ProposedCall(call_id="1", tool="pay", arguments='{"to": "bob", "amount": 0.10000000000000000001}')
    assert not tools.run(session, session.propose([call]))
    assert not paid
    assert session.state == "open"


def test_arguments_that_are_changed_while_they_are_decided_change_nothing(make: Make, recorder: MemoryRecorder) -> None:
    seen: list[Any] = []
    tools, order = Tools(), ["a"]
    record = recorder.record

    def hostile(items: Any) -> int:
        order[:] = ["everything"]
        return record(items)

    session = make().session(holder="alice")
    recorder.record = hostile  # type: ignore[method-assign]  # stands for a thread that shares the list with the agent

    @tools.tool()
    def look(id: Any) -> None:
        seen.append(id)

    with session_of(session):
        look(order)
    assert seen == [["a"]]


@pytest.mark.parametrize("value", [object(), float("nan"), [float("inf")], {1: object()}])
def test_arguments_that_are_no_json_are_not_proposed(value: object, make: Make, recorder: MemoryRecorder) -> None:
    tools = Tools()
    tools.tool("look")(lambda id: id)
    with session_of(make().session(holder="alice")), pytest.raises(MisuseError, match="no JSON"):
        tools.known["look"].guarded(value)
    assert not recorder.of("decision")


def test_outside_of_a_session_no_tool_runs() -> None:
    with pytest.raises(MisuseError, match="outside of a session"):
        shop([]).known["wipe"].guarded("x")


def test_a_permit_for_another_tool_runs_nothing(make: Make, recorder: MemoryRecorder) -> None:
    session = make().session(holder="alice")
    [step] = session.propose([ProposedCall(call_id="1", tool="pay", arguments='{"to": "bob", "amount": 5}')]).released
    assert step.permit is not None
    with pytest.raises(EvidenceError):
        session.redeem(step.permit, "wipe", '{"to": "bob", "amount": 5}')
    assert recorder.of("guard.tampering")[0].body["what"] == "permit"
    assert session.state == "stopped"


def test_a_vault_shows_nothing() -> None:
    vault = Vault({"BANK": 's3cret"token'})
    assert "s3cret" not in repr(vault)
    with pytest.raises(MisuseError):
        pickle.dumps(vault)
    for text in ('s3cret"token', 's3cret\\"token', "s3cret%22token", "czNjcmV0InRva2Vu"):
        assert vault.hidden(f"at {text}.") == "at [credential]."
    with vault.lent(("BANK",)) as lent:
        assert "s3cret" not in repr(lent)


def test_the_survey_names_every_tool_that_does_not_pass(make: Make) -> None:
    tools, guard = shop([]), make()
    module = types.ModuleType("agent")
    exec("def shell(command): ...\ndef _hidden(): ...", vars(module))
    offered = [
        tools.known["pay"].guarded,
        tools.known["pay"].function,
        types.SimpleNamespace(name="wrapped", func=tools.known["look"].guarded),
    ]
    found = {(gap.kind, gap.tool) for gap in survey(guard.checked, tools, offered)}
    assert found == {("unserved", "explode"), ("unguarded", "pay")}
    agent = types.SimpleNamespace(tools=[tools.known["look"].guarded, print])
    assert {("unguarded", "print")} == {(g.kind, g.tool) for g in survey(guard.checked, tools, agent)} - {
        ("unserved", "explode")
    }
    assert ("unguarded", "shell") in {(gap.kind, gap.tool) for gap in survey(guard.checked, tools, module)}
    assert [(gap.kind, gap.tool) for gap in named(guard.checked, ["look", "pay", "wipe", "other"])] == [
        ("unserved", "explode"), ("unknown", "other"),
    ]  # fmt: skip


def test_a_canary_is_denied_on_record_and_a_way_past_the_guard_is_found_out(
    make: Make, recorder: MemoryRecorder
) -> None:
    guard = make("---\npolicy: open\ndefault: {calls: allow-unknown-tools}\n---\n# Nothing\n\n## Nothing {#nothing}\n")
    assert guard.canary("here")
    assert not guard.canary("past", lambda _call: None)
    assert not guard.canary("broken", lambda _call: 1 / 0)
    assert [entry.body["passed"] for entry in recorder.of("guard.canary")] == [True, False, False]
    assert recorder.of("decision")[0].body["policy_verdict"] == "allow"
    assert recorder.of("decision")[0].body["verdict"] == "deny"


def test_a_credential_inside_of_what_comes_back_is_hidden_too(make: Make) -> None:
    tools, session = Tools(Vault({"BANK": "s3cret-token"})), make().session(holder="alice")

    @tools.tool(needs=("BANK",))
    def look(id: str, credentials: Lent) -> dict[str, Any]:
        return {"owner": [{"token": f"Bearer {credentials['BANK']}"}]}

    with session_of(session):
        assert look("a") == {"owner": [{"token": "Bearer [credential]"}]}
    [ran] = tools.run(session, session.propose([ProposedCall(call_id="1", tool="look", arguments='{"id": "a"}')]))
    assert "s3cret" not in ran.output


def test_a_call_that_is_cancelled_has_a_failed_result(make: Make) -> None:
    tools, session = Tools(), make().session(holder="alice")

    @tools.tool()
    async def look(id: str) -> None:
        raise asyncio.CancelledError

    async def cancelled() -> None:
        with session_of(session):
            await look("a")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert not session._past.open
