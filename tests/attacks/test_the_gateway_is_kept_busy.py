"""An agent's own words as a weapon: texts that would keep the gateway busy for minutes, or fill the disk below it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from obverse.gateway.http.sentences import Growing, next_end
from obverse.gateway.http.settings import Settings
from obverse.policy.check import check
from obverse.policy.parse import parse
from obverse.testing.gateway import RunningGateway
from obverse.testing.upstream import UpstreamServer

_SECONDS = 5.0

SAYS = """---
policy: says
version: 1
---
# Says

## Secrets {#secrets}

```rule
forbid reply when text contains "secret"
```
"""


@pytest.mark.parametrize(
    "piece",
    ["word ", "....", '."".', "。。。」", "\n   \n", ".\n.\n", "a. b", "…)…)"],
    ids=["no-end", "dots", "quotes", "wide", "lines", "both", "sentences", "brackets"],
)
def test_a_long_text_in_small_pieces_is_looked_at_once(piece: str) -> None:
    growing, sent, begun = Growing(), 0, time.perf_counter()
    for _ in range(20_000):
        growing.add(piece)
        while (end := growing.next_end(sent, max(160, sent // 8))) > sent:
            sent = end
    assert time.perf_counter() - begun < _SECONDS
    assert growing.text == piece * 20_000


@pytest.mark.parametrize("text", ["." * 200_000 + "x", "." * 100_000 + '"' * 100_000 + "x", "\n" * 200_000 + "x"])
def test_a_run_of_marks_is_gone_over_once(text: str) -> None:
    begun = time.perf_counter()
    next_end(text, 0, 160)
    assert time.perf_counter() - begun < _SECONDS


@example(["\n ", "\n"], 1)  # an end that shows itself only with the next piece
@given(
    st.lists(
        st.text(alphabet="ab. !\n。”", max_size=9) | st.sampled_from(["." * 40, "。" * 40, "”" * 40]), max_size=12
    ),
    st.integers(1, 12),
)
def test_a_growing_text_is_cut_where_the_whole_is(pieces: list[str], least: int) -> None:
    growing, sent, text, found = Growing(), 0, "", list[int]()
    for piece in pieces:
        growing.add(piece)
        text += piece
        while (end := growing.next_end(sent, least)) > sent:
            assert end == next_end(text, sent, least)
            found.append(sent := end)
        assert next_end(text, sent, least) == sent
    assert growing.text == "".join(pieces)


@pytest.fixture(scope="module")
def server() -> Iterator[UpstreamServer]:
    with UpstreamServer() as running:
        yield running


def test_a_long_reply_that_leaves_by_sentences_is_not_recorded_again_and_again(server: UpstreamServer) -> None:
    """Each beginning that leaves is on record whole: pieces of one size would make that the square of the text."""
    text, checked = "A sentence of no interest to anybody. " * 1_000, check(parse(SAYS.encode()))
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"say {text}"}]}
    with RunningGateway(checked, upstream=server.url, keys={"obv_a": "a"}, settings=Settings()) as running:
        answer = running.post(json=asked)
        assert answer.text.endswith("data: [DONE]\n\n")
        assert answer.text.count('"content"') > 10
        assert sum(len(event["text"]) for event in running.events("reply")) < 16 * len(text)
