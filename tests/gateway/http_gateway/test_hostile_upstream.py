"""A model's server that lies, babbles, falls silent or breaks off: nothing of its turn is released, and nothing leaks."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import openai
import pytest

from obverse.testing.upstream import STREAM_FAULTS, WHOLE_FAULTS

from .conftest import TOOLS, Gateway, user

SCRIPT = 'say Here it is.\ncall look {"id": "7"}\n'
SHORT = {"first_byte_seconds": 0.3, "between_seconds": 0.3, "largest_answer": 1_000_000}


@pytest.fixture(scope="module")
def shared(upstream: Any) -> Any:
    from obverse.gateway.http.settings import Settings

    from .conftest import policy

    with Gateway(upstream.url, policy(), Settings(**SHORT)) as running:
        yield running


def released(gateway: Gateway) -> int:
    return len(gateway.events("reply")) + len(gateway.events("call"))


WHOLE = sorted(set(WHOLE_FAULTS) - {"unknown-item", "failed"})
LOW = ["html", "empty", "huge", "cut", "endless", "hang", "500", "redirect", "401"]


@pytest.mark.parametrize("fault", [*WHOLE, *LOW])
def test_a_whole_answer_that_is_none_is_an_error_and_releases_nothing(shared: Gateway, fault: str) -> None:
    before = released(shared)
    answer = shared.post(json={"model": "m", "messages": [user(SCRIPT + f"fault:{fault}")], "tools": TOOLS})
    assert answer.status_code in {502, 504}
    assert released(shared) == before
    assert "sk-" not in answer.text
    assert "Here it is" not in answer.text


@pytest.mark.parametrize("fault", sorted(set(STREAM_FAULTS) - {"wrong-whole", "wrong-name"}))
def test_a_stream_that_is_no_turn_ends_with_an_error_and_releases_nothing(shared: Gateway, fault: str) -> None:
    before = released(shared)
    body = {"model": "m", "messages": [user(SCRIPT + f"fault:{fault}")], "tools": TOOLS, "stream": True}
    with pytest.raises(openai.APIError):
        list(shared.sdk().chat.completions.create(**body))
    answer = shared.post(json=body)
    assert answer.text.count("data:") <= 1  # an error before the stream began is a status
    assert '"error"' in answer.text
    assert "sk-" not in answer.text
    assert "Here it is" not in answer.text
    assert released(shared) == before


@pytest.mark.parametrize("fault", ["wrong-whole", "wrong-name", "cut-stream", "error-event", "bad-utf8"])
def test_a_response_stream_that_is_no_turn_releases_nothing(shared: Gateway, fault: str) -> None:
    before = released(shared)
    with pytest.raises(openai.APIError):
        list(shared.sdk().responses.create(model="m", input=SCRIPT + f"fault:{fault}", stream=True))
    assert released(shared) == before


def test_a_stream_that_falls_silent_is_given_up(shared: Gateway) -> None:
    begun = time.monotonic()
    with pytest.raises(openai.APIError, match="fell silent"):
        list(shared.sdk().chat.completions.create(model="m", messages=[user("fault:hang-streaming")], stream=True))
    assert time.monotonic() - begun < 5


def test_what_the_server_refuses_is_told_by_status_and_code_and_not_in_its_words(shared: Gateway) -> None:
    slow = shared.post(json={"model": "m", "messages": [user("fault:429")]})
    assert (slow.status_code, slow.headers["retry-after"]) == (429, "2")
    assert "slow down" not in slow.text
    long = shared.post(json={"model": "m", "messages": [user("fault:400")]})
    assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "too long" not in long.text


def test_after_an_error_the_same_request_may_be_sent_again(shared: Gateway) -> None:
    headers = {"x-obverse-session": "again"}
    for _ in range(2):
        failed = shared.post(json={"model": "m", "messages": [user("say a\nfault:500")]}, headers=headers)
        assert failed.status_code == 502
    session = [event for event in shared.events("message") if event["text"] == "say a\nfault:500"]
    assert len(session) <= 1  # said once, however often it was sent


def test_a_text_that_breaks_off_leaves_no_more_than_was_decided(shared: Gateway) -> None:
    text = "say " + "This sentence is long enough to leave by itself, and it was decided before it left. " * 5
    said, failed = "", False
    try:
        for chunk in shared.sdk().chat.completions.create(
            model="m", messages=[user(text + "\nfault:cut-stream")], stream=True
        ):
            said += chunk.choices[0].delta.content or ""
    except openai.APIError:
        failed = True
    assert failed
    assert said
    assert said == shared.events("reply")[-1]["text"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_while_the_model_works_leaves_nothing_behind(gateway: Gateway, stream: bool) -> None:
    body = {"model": "m", "messages": [user("fault:hang-streaming" if stream else "fault:hang")], "stream": stream}
    headers = {"authorization": f"Bearer {gateway.key}"}
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(f"{gateway.url}/v1/chat/completions", headers=headers, timeout=0.3, json=body)
    for _ in range(100):
        if not len(gateway.service.desk.book):
            break
        time.sleep(0.05)
    assert len(gateway.service.desk.book) == 0
    assert released(gateway) == 0
