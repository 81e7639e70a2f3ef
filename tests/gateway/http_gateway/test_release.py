"""When a streamed text may leave by sentences: decided from the policy, and checked against `decide` on every beginning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.events import Reply, Step
from obverse.gateway.http.release import held_because, held_with_tools
from obverse.gateway.http.sentences import next_end
from obverse.policy.decide import decide

from .conftest import policy

TERMS = """```
```terms
fact open: bool
judged reply.is_rude "The reply is rude." yes "Go away." no "Hello."
judged message.is_angry "The user is angry." yes "Now!" no "Please."
```
```rule
"""


def with_rule(rule: str, **options: str) -> Any:
    return policy(more=TERMS + rule, **options)


SENTENCES = {
    "no rule about replies": "",
    "a forbidden word": 'forbid reply when text contains "secret"',
    "a stop word": 'stop reply when text contains "secret" or text starts with "no"',
    "a wanted beginning": 'require text starts with "Dear" for reply',
    "what must be allowed": "permit reply when message.is_angry",
    "a call after a message": "forbid look unless once message",
}
WHOLE = {
    "a wanted word": 'require text contains "Yours" for reply',
    "a wanted word, by unless": 'stop reply unless text contains "Yours"',
    "a wanted end": 'require text ends with "Ann." for reply',
    "a whole form": 'forbid reply when text matches "[a-z. ]*"',
    "a length": "forbid reply when length(text) < 200",
    "another text": 'forbid reply when text != "Fine."',
    "a judge": "forbid reply when reply.is_rude",
    "the past": "forbid reply when once pay",
    "a fact": "forbid reply when open",
    "a person": "ask reply",
    "a number of replies": "limit reply to 3",
    "the turn": "forbid reply when turn.calls > 0",
    "an earlier reply": 'forbid look when once reply where text contains "x"',
    "the event before": "forbid look unless previous message",
    "any event": "forbid look unless once any event within 1h",
}


@pytest.mark.parametrize("rule", SENTENCES.values(), ids=SENTENCES)
def test_sentences_may_leave(rule: str) -> None:
    assert held_because(with_rule(rule)) == ()


@pytest.mark.parametrize("rule", WHOLE.values(), ids=WHOLE)
def test_the_whole_is_held(rule: str) -> None:
    assert held_because(with_rule(rule))


def test_with_tools_a_turn_that_is_released_as_a_whole_is_held() -> None:
    assert held_with_tools(policy()) == ("a turn is released as a whole",)
    assert held_with_tools(policy(turn="allowed-part")) == ()
    assert held_with_tools(with_rule("forbid look when turn has text", turn="allowed-part"))


def test_replies_that_are_denied_by_default_are_held() -> None:
    checked = policy()
    assert held_because(
        type(checked)(
            **{**{f: getattr(checked, f) for f in checked.__struct_fields__}, "default": with_denied(checked)}
        )
    )


def with_denied(checked: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(checked.default, replies="deny")


@given(st.text(alphabet="ab. !?\n。3”", max_size=60), st.integers(1, 10))
def test_a_cut_stands_behind_a_sentence_and_never_at_the_very_end(text: str, least: int) -> None:
    end = next_end(text, 0, least)
    assert end == 0 or (least <= end < len(text) and text[end - 1] in ".!?\n。”")


@given(st.text(alphabet="ab. !?\n。”」", max_size=60), st.integers(1, 10), st.data())
def test_where_a_text_is_cut_does_not_hang_on_its_pieces(text: str, least: int, data: st.DataObject) -> None:
    def cuts(lengths: list[int]) -> list[int]:
        found, sent = [], 0
        for length in lengths:
            while (end := next_end(text[:length], sent, least)) > sent:
                found.append(sent := end)
        return found

    pieces = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    assert cuts([*pieces, len(text)]) == cuts([len(text)]) == cuts(list(range(len(text) + 1)))


def test_a_number_is_no_end_of_a_sentence() -> None:
    assert next_end("It is 3.14 in all. And", 0, 1) == len("It is 3.14 in all.")


@given(
    st.lists(st.sampled_from(["Dear Ann.", "All is well.", "The secret is out.", "no more."]), min_size=1, max_size=6)
)
def test_whatever_left_by_sentences_is_a_reply_that_the_policy_allows(sentences: list[str]) -> None:
    """What the client holds at any moment was decided as a reply; the pure form of what the desk does."""
    checked = with_rule('forbid reply when text contains "secret" or text starts with "no"')
    text, sent = " ".join(sentences), 0
    while (end := next_end(text, sent, 1)) > sent:
        beginning = Reply(id="r", text=text[:end])
        if decide(checked, [], Step(event=beginning, turn=(beginning,))).verdict.blocks:
            break
        sent = end
    held = Reply(id="r", text=text[:sent])
    assert not sent or not decide(checked, [], Step(event=held, turn=(held,))).verdict.blocks
