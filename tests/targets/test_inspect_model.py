"""Inspect AI models as targets, tried with a real `ModelAPI` of our own; needs the extra `inspect`."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest

from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.targets.open import open_target
from obverse.targets.protocol import Connection, TargetError

if importlib.util.find_spec("inspect_ai") is None:
    pytest.skip("the extra `inspect` is not installed: pip install 'obverse[inspect]'", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("default")  # warnings of Inspect's own dependencies are not ours

TOOL = ToolSpec(
    name="pay",
    description="Pays.",
    parameters={"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
)
HISTORY = [
    ChatMessage(role="system", content="Be kind."),
    ChatMessage(role="user", content="Pay Bob."),
    ChatMessage(role="assistant", tool_calls=(ToolCall(id="c1", name="pay", arguments='{"to":"bob"}'),)),
    ChatMessage(role="tool", content="paid", tool_call_id="c1", name="pay"),
    ChatMessage(role="user", content="Thanks. And Eve."),
]
SEEN: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelAPI, ModelOutput, ModelUsage, modelapi
    from inspect_ai.tool import ToolCall as InspectCall

    class Scripted(ModelAPI):
        """Says what the last message asks for."""

        async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> ModelOutput:  # noqa: A002  # Inspect's name
            SEEN.append((input, tools, config))
            wish = input[-1].text
            if wish == "hang":
                await asyncio.sleep(60)
            if wish == "raise":
                raise RuntimeError("no\nsuch luck")
            calls = [
                InspectCall(id="c2", function="pay", arguments={"to": "eve"}),
                InspectCall(id="c3", function="pay", arguments={}, parse_error="not JSON: {to"),
            ]
            message = ChatMessageAssistant(content="Fine.", tool_calls=calls if tools else None)
            stop = "content_filter" if wish == "filter" else "stop"
            return ModelOutput(
                model=self.model_name,
                choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
                usage=ModelUsage(input_tokens=5, output_tokens=2, total_tokens=7),
            )

    @modelapi(name="scripted")
    def scripted() -> type[ModelAPI]:
        return Scripted


def ask(text: str, timeout_s: float = 30) -> Completion:
    async def run() -> Completion:
        target = open_target("inspect:scripted/m", Connection(timeout_s=timeout_s))
        try:
            return await target.complete([ChatMessage(role="user", content=text)])
        finally:
            await target.close()

    return asyncio.run(run())


def test_a_chat_with_tools_goes_there_and_back() -> None:
    async def run() -> Completion:
        target = open_target("inspect:scripted/m")
        assert target.name == target.fingerprint() == "inspect:scripted/m"
        found = await target.complete(HISTORY, tools=[TOOL], sampling=Sampling(seed=7))
        await target.close()
        return found

    SEEN.clear()
    found = asyncio.run(run())
    assert found.text == "Fine."
    assert found.usage == Usage(prompt_tokens=5, completion_tokens=2)
    assert found.tool_calls == (
        ToolCall(id="c2", name="pay", arguments='{"to":"eve"}'),
        ToolCall(id="c3", name="pay", arguments="not JSON: {to"),
    )
    ((messages, tools, config),) = SEEN
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool", "user"]
    assert tools[0].parameters.required == ["to"]
    assert config.seed == 7


@pytest.mark.parametrize(("text", "kind"), [("raise", "raised"), ("hang", "time-out"), ("filter", "content-filter")])
def test_what_goes_wrong_is_an_error_of_the_target(text: str, kind: str) -> None:
    with pytest.raises(TargetError) as caught:
        ask(text, timeout_s=0.5)
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)


def test_a_provider_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(MisuseError, match="nosuch/m"):
        open_target("inspect:nosuch/m")
