"""A model's server that knows how frameworks keep their books: ids that come twice, words in fields that nobody reads."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from obverse.core.errors import UntrustedInputError
from obverse.guard.adapters.conversation import Conversation, Item
from obverse.guard.adapters.langgraph import GraphGuard
from obverse.guard.adapters.openai_client import guarded
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.testing.guards import guard_of
from obverse.testing.recorder import MemoryRecorder

pytestmark = pytest.mark.filterwarnings("default")

QUIET = """\
---
policy: quiet
version: 1
---
# Quiet

```terms
tool balance() -> (amount: number) effect read
tool pay(to: text) effect money
```

## Secrets {#secrets}

```rule
forbid reply when text contains "secret"
forbid pay unless last balance() has amount >= 10
```
"""


def quiet(recorder: MemoryRecorder | None = None) -> tuple[Guard, Conversation]:
    guard = guard_of(QUIET) if recorder is None else guard_of(QUIET, recorder=recorder)
    return guard, Conversation(guard.session(holder="alice"))


def test_a_graph_whose_model_gives_two_messages_one_id_has_both_decided() -> None:
    _, conversation = quiet()
    graph = GraphGuard(conversation)
    first, second = AIMessage("Good morning.", id="m"), AIMessage("The secret is 7.", id="m")
    asked = [HumanMessage("Hello", id="h")]
    assert graph.turn({"messages": [*asked, first]}) is None
    told = graph.turn({"messages": [*asked, first, HumanMessage("And?", id="h2"), second]})
    assert told is not None
    assert "secret" not in told["messages"][0].text


def test_a_message_that_comes_twice_at_two_places_is_decided_twice() -> None:
    recorder = MemoryRecorder()
    _, conversation = quiet(recorder)
    graph = GraphGuard(conversation)
    asked = [HumanMessage("Hello", id="h")]
    said = AIMessage("Good morning.", id="m")
    graph.turn({"messages": [*asked, said]})
    graph.turn({"messages": [*asked, said]})  # a node that was interrupted begins anew: nothing happened
    assert len(recorder.of("decision")) == 1
    graph.turn({"messages": [*asked, said, HumanMessage("Hello", id="h2"), said]})
    assert len(recorder.of("decision")) == 2


def test_a_call_that_takes_the_name_of_an_old_one_does_not_hide_its_result() -> None:
    """Rich at first, poor later: who answers for the second look would not be heard, were ids believed for ever."""
    _, conversation = quiet()
    heard = [Item(role="user", text="How much is there?")]
    conversation.hear(heard)
    for amount in (100, 5):
        call = ProposedCall(call_id="same", tool="balance", arguments="{}")
        assert conversation.propose([call], None).released
        conversation.shown("", [call])
        heard += [
            Item(role="assistant", calls=(call,)),
            Item(role="tool", text=json.dumps({"amount": amount}), call_id="same"),
        ]
        conversation.hear(heard)
    pay = ProposedCall(call_id="p", tool="pay", arguments='{"to": "bob"}')
    assert not conversation.propose([pay], None).released


def client(body: dict[str, Any]) -> openai.OpenAI:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=body))
    http = httpx2.Client(transport=transport)
    return openai.OpenAI(api_key="k", base_url="http://model.test/v1", http_client=http, max_retries=0)


def test_a_denied_reply_is_nowhere_in_what_a_chat_client_gets() -> None:
    tokens = [{"token": "The secret is 7.", "logprob": 0.0, "bytes": None, "top_logprobs": []}]
    message = {
        "role": "assistant", "content": "The secret is 7.", "reasoning_content": "I say that the secret is 7.",
        "annotations": [{"type": "url_citation", "url_citation": {
            "start_index": 0, "end_index": 1, "title": "the secret is 7", "url": "http://x.test"}}],
        "audio": {"id": "a", "data": "", "expires_at": 1, "transcript": "The secret is 7."}, "more": "secret",
    }  # fmt: skip
    choice = {"index": 0, "finish_reason": "stop", "logprobs": {"content": tokens, "refusal": None}, "message": message}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    _, conversation = quiet()
    answer = guarded(client(body), conversation).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello"}], logprobs=True
    )
    assert "secret" not in answer.model_dump_json()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "output_audio", "data": "", "transcript": "The secret is 7."},
        {"type": "output_text", "text": "Fine.", "annotations": [], "caption": "The secret is 7."},
        {"type": "output_text", "text": "Fine.", "annotations": [
            {"type": "url_citation", "start_index": 0, "end_index": 1, "title": "The secret is 7.", "url": "http://x.test"}]},
    ],
    ids=["audio", "unknown", "citation"],
)  # fmt: skip
def test_words_beside_the_text_of_a_response_do_not_pass_undecided(part: dict[str, Any]) -> None:
    output = [{"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}]
    body = {
        "id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": output,
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    _, conversation = quiet()
    try:
        answer = guarded(client(body), conversation).responses.create(model="m", input="Hello").model_dump_json()
    except UntrustedInputError:
        answer = ""
    assert "secret" not in answer
