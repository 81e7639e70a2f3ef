"""`python:`: functions of the user as targets."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec
from obverse.core.errors import MisuseError
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection, TargetError

HERE = str(Path(__file__).parent)
USER = ChatMessage(role="user", content="hi")
TOOL = ToolSpec(name="pay", description="Pays.", parameters={"type": "object"})


def ask(name: str, *, times: int = 1, timeout_s: float = 5.0) -> list[Completion]:
    async def run() -> list[Completion]:
        target = open_target(f"python:example_agents:{name}", Connection(python_path=(HERE,), timeout_s=timeout_s))
        asked = (target.complete([USER], tools=[TOOL], sampling=Sampling(seed=7)) for _ in range(times))
        return list(await asyncio.gather(*asked))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("simple", Completion(text="1 hi")),
        ("patient", Completion(text="later")),
        ("whole", Completion(text="whole", stop="stop")),
        (
            "agent",
            Completion(
                text="x",
                tool_calls=(
                    ToolCall(id="call_0", name="pay", arguments='{"seed":7}'),
                    ToolCall(id="q", name="raw", arguments="{"),
                ),
            ),
        ),
    ],
)
def test_each_form_of_a_function_is_a_target(name: str, expected: Completion) -> None:
    assert ask(name) == [expected]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("raises", "raised", "`ValueError: two lines`"),
        ("disconnected", "connection", "gone"),
        ("stops_iterating", "raised", "StopIteration"),
        ("says_nothing", "raised", "returned no answer"),
        ("says_a_wrong_field", "raised", "txt"),
        ("hangs", "time-out", "no answer in time"),
    ],
)
def test_what_a_function_does_wrong_is_an_error_with_its_message(name: str, kind: str, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        ask(name, timeout_s=0.2)
    assert caught.value.kind == kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_slow_functions_do_not_wait_for_each_other() -> None:
    start = time.perf_counter()
    assert len(ask("sleeps", times=50)) == 50
    assert time.perf_counter() - start < 2.5


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("example_agents", "is not `python:module:callable`"),
        ("example_agents:nobody", "is not a callable"),
        ("example_agents:NOT_CALLABLE", "is not a callable"),
        ("no_such_module:f", "cannot import `no_such_module`"),
    ],
)
def test_what_is_no_function_is_refused_at_once(path: str, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        open_target(f"python:{path}", Connection(python_path=(HERE,)))


def test_an_edited_agent_has_another_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "edited_agent.py"
    file.write_text("def f(messages):\n    return 'a'\n")
    target = open_target("python:edited_agent:f", Connection(python_path=(str(tmp_path),)))
    before = target.fingerprint()
    file.write_text("def f(messages):\n    return 'b'\n")
    assert before.startswith("python:edited_agent:f sha256:")
    assert target.fingerprint() != before
