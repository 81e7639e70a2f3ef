"""The chat protocol, end to end, by the real SDK."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from .conftest import TOOLS, Gateway, user


def asked(upstream: Any) -> dict[str, Any]:
    return httpx2.get(upstream.url.replace("/v1", "/asked")).json()


def test_an_allowed_reply_comes_back_as_it_was_said(gateway: Gateway) -> None:
    answer = gateway.sdk().chat.completions.create(model="m", messages=[user("say Good morning.")])
    assert answer.choices[0].message.content == "Good morning."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 21
    assert [event["text"] for event in gateway.events("reply")] == ["Good morning."]
    assert [event["text"] for event in gateway.events("message")] == ["Is the guard in the path?", "say Good morning."]
