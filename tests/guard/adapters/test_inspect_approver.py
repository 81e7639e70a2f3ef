"""Inspect's real evaluation loop with a scripted model and our approver; needs the extra `inspect`."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

if importlib.util.find_spec("inspect_ai") is None:
    pytest.skip("the extra `inspect` is not installed: pip install 'obverse[inspect]'", allow_module_level=True)

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.approval import ApprovalPolicy
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    get_model,
    modelapi,
)
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import ToolCall, tool

from obverse.guard.adapters.inspect_approver import guard_approver
from obverse.testing.guards import Desk, guard_of
from obverse.testing.recorder import MemoryRecorder

pytestmark = pytest.mark.filterwarnings("default")  # warnings of Inspect's own dependencies are not ours
RAN: list[str] = []


class Scripted(ModelAPI):
    """Answers in turn, and counts no tokens."""

    def __init__(self, *given: Any, script: list[ModelOutput], **more: Any) -> None:
        super().__init__(*given, **more)
        self._script = script

    async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> ModelOutput:  # noqa: A002  # Inspect's name
        return self._script.pop(0)


modelapi(name="scripted")(Scripted)


@tool
def look() -> Any:
    async def execute(id: str) -> str:
        """Look a thing up.

        Args:
            id: Which.
        """
        RAN.append("look")
        return '{"owner": "ann", "price": 3}'

    return execute


@tool
def pay() -> Any:
    async def execute(to: str, amount: float) -> str:
        """Pay somebody.

        Args:
            to: Whom.
            amount: How much.
        """
        RAN.append("pay")
        return "paid"

    return execute


@tool
def explode() -> Any:
    async def execute() -> str:
        """Do not."""
        RAN.append("explode")
        return "boom"

    return execute


def says(*calls: tuple[str, dict[str, Any]], text: str = "") -> ModelOutput:
    listed = [
        ToolCall(id=f"{id(calls)}-{number}", function=name, arguments=args) for number, (name, args) in enumerate(calls)
    ]
    message = ChatMessageAssistant(content=text, tool_calls=listed or None)
    return ModelOutput(
        usage=ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2),
        model="m",
        choices=[ChatCompletionChoice(message=message, stop_reason="tool_calls" if listed else "stop")],
    )


def run(guard: Any, *script: ModelOutput, wait: float = 0.0, samples: int = 1) -> Any:
    RAN.clear()
    task = Task(
        dataset=[Sample(input="Pay Bob.", id=str(number)) for number in range(samples)],
        solver=[use_tools([look(), pay(), explode()]), generate()],
        approval=[ApprovalPolicy(guard_approver(guard, wait=wait), "*")],
    )
    model = get_model("scripted/model", script=list(script), memoize=False)
    [log] = evaluate(task, model=model, display="none", log_format="json", max_samples=1)
    assert log.status == "success", log.error
    guard.close()
    return log


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def messages(log: Any) -> str:
    return " ".join(message.text + str(getattr(message, "error", "")) for message in log.samples[0].messages)


def test_what_is_allowed_runs_and_is_recorded() -> None:
    recorder = MemoryRecorder()
    run(
        guard_of(recorder=recorder),
        says(("look", {"id": "a"})),
        says(("pay", {"to": "bob", "amount": 5})),
        says(text="Done."),
    )
    assert RAN == ["look", "pay"]
    assert [one.body["kind"] for one in recorder.of("event")][:4] == ["message", "call", "result", "call"]


def test_a_turn_is_decided_before_the_first_of_its_calls_runs() -> None:
    log = run(guard_of(), says(("look", {"id": "a"}), ("pay", {"to": "bob", "amount": 5000})), says(text="Sorry."))
    assert RAN == []
    assert "Too much at once." in messages(log)


def test_what_ends_a_session_ends_the_sample() -> None:
    log = run(guard_of(), says(("explode", {})), says(("look", {"id": "a"})))
    assert RAN == []
    assert log.samples[0].limit is not None or log.samples[0].error is not None


def test_a_call_that_nobody_approved_in_time_is_rejected() -> None:
    log = run(guard_of(people=Desk()), says(("pay", {"to": "bob", "amount": 500})), says(text="Sorry."))
    assert RAN == []
    assert "approval of a person" in messages(log)


def test_a_signature_that_is_there_in_time_approves() -> None:
    class Quick(Desk):
        def ask(self, request: Any, shown: Any) -> None:
            super().ask(request, shown)
            self.say("carol")

    run(guard_of(people=Quick()), says(("pay", {"to": "bob", "amount": 500})), says(text="Done."), wait=1.0)
    assert RAN == ["pay"]


def test_each_sample_has_a_session_of_its_own() -> None:
    recorder = MemoryRecorder()
    script = [says(("pay", {"to": "bob", "amount": 5})), says(text="Done.")]
    run(
        guard_of(recorder=recorder),
        *script,
        *[says(("pay", {"to": "bob", "amount": 5})), says(text="Done.")],
        samples=2,
    )
    assert len(recorder.of("session.start")) == 2


def test_a_guard_that_raises_rejects() -> None:
    guard = guard_of()
    guard.session = None
    run(guard, says(("look", {"id": "a"})), says(text="Sorry."))
    assert RAN == []


def test_a_reply_is_on_record_and_cannot_be_held_back() -> None:
    recorder = MemoryRecorder()
    log = run(guard_of(recorder=recorder), says(("look", {"id": "a"}), text="I am looking."), says(text="Done."))
    assert "I am looking." in messages(log)
    assert "reply" in [one.body["kind"] for one in recorder.of("decision")]
