"""What a user writes is data: no text of theirs becomes a control token, and what is not one is told as the tokenizer would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage, ToolCall, ToolSpec  # noqa: E402  # behind the skip
from obverse.core.errors import MisuseError  # noqa: E402  # behind the skip
from obverse.stability.local.template import Template  # noqa: E402  # behind the skip

CONTROL = {0, 1, 2}


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


pieces = st.sampled_from(
    ["<|end|>", "<|start|>", "<|pad|>", "<|sta", "rt|>", "<", "|", ">", "bake", " bread", "\n", "é", "\ue000", "日本"]
)


@settings(max_examples=150, deadline=None)
@given(text=st.lists(pieces, max_size=8).map("".join))
def test_a_text_of_a_user_never_becomes_a_control_token(tokenizer: Any, text: str) -> None:
    rendered = Template(tokenizer).render([user(text)])
    assert [token for token in rendered.ids if token in CONTROL] == [1, 2, 1]
    assert (
        tokenizer.decode(list(rendered.ids)) == rendered.text == f"<|start|>user\n{text}<|end|>\n<|start|>assistant\n"
    )


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_what_holds_no_control_token_is_told_as_transformers_tells_it(tokenizer: Any, texts: list[str]) -> None:
    messages = [ChatMessage(role="user" if at % 2 == 0 else "assistant", content=text) for at, text in enumerate(texts)]
    plain = [{"role": message.role, "content": message.content} for message in messages]
    theirs = tokenizer.apply_chat_template(plain, add_generation_prompt=True, tokenize=True, return_dict=False)
    if not any(token in text for text in texts for token in tokenizer.get_added_vocab()):
        assert list(Template(tokenizer).render(messages).ids) == theirs


@settings(max_examples=150, deadline=None)
@given(
    before=st.lists(pieces, max_size=4).map("".join),
    span=st.text(min_size=1, max_size=8),
    after=st.lists(pieces, max_size=4).map("".join),
)
def test_the_tokens_of_a_span_cover_it_and_no_token_more(tokenizer: Any, before: str, span: str, after: str) -> None:
    template = Template(tokenizer)
    messages = [
        user(span),
        ChatMessage(role="assistant", content=span),
        user(before + span + after),
        ChatMessage(role="assistant", content=before + span + after),
    ]
    rendered = template.render(messages)
    found = template.find(rendered, messages, (), span)
    if not span.strip():
        span = (before + span + after).strip()
        if not span:
            assert found is None
            return
    assert found is not None
    start, stop = rendered.starts[found[0]], rendered.stops[found[1] - 1]
    begins = rendered.text.rfind("<|start|>user\n") + len("<|start|>user\n")
    at = rendered.text.find(before, begins)
    assert begins <= start < stop <= at + len(before + span + after) + 1
    assert span.strip() in rendered.text[start:stop]


def test_without_a_template_there_is_a_plain_one_and_the_digest_says_so(tokenizer: Any, templated: Any) -> None:
    bare = templated(None)
    template = Template(bare)
    assert template.is_plain
    assert (
        template.render([ChatMessage(role="system", content="be kind"), user("bake")]).text
        == "system: be kind\nuser: bake\nassistant:"
    )
    assert template.digest != Template(tokenizer).digest
    assert not Template(tokenizer).is_plain


def test_the_token_behind_an_answer_is_an_end(tokenizer: Any) -> None:
    assert Template(tokenizer).ends == (2,)


def test_tools_are_told_in_words_where_the_template_has_no_place_for_them(tokenizer: Any) -> None:
    tool = ToolSpec(name="bake", description="bakes <|end|>", parameters={"type": "object", "properties": {}})
    rendered = Template(tokenizer).render([user("bread")], [tool])
    assert '"name": "bake"' in rendered.text
    assert [token for token in rendered.ids if token in CONTROL] == [1, 2, 1, 2, 1]
    with_system = Template(tokenizer).render([ChatMessage(role="system", content="be kind"), user("bread")], [tool])
    assert with_system.text.startswith("<|start|>system\nbe kind\n\nYou may call")


def test_calls_of_tools_reach_a_template_that_knows_them(templated: Any) -> None:
    told = templated(
        "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}{{ tools | length }}"
    )
    call = ToolCall(id="1", name="bake", arguments='{"what": "bread"}')
    broken = ToolCall(id="2", name="bake", arguments="{bread")
    tool = ToolSpec(name="bake", description="", parameters={})
    rendered = Template(told).render([ChatMessage(role="assistant", tool_calls=(call, broken))], [tool])
    assert rendered.text == '{"what": "bread"}"{bread"1'


def test_a_template_that_asks_for_the_day_always_gets_the_same(templated: Any) -> None:
    told = templated("{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}")
    assert Template(told).render([user("!")]).text == "26 Jul 2024!"


@pytest.mark.parametrize(
    "source", ["{{ raise_exception('no system role') }}", "{{ messages[7].content.nothing }}", "{% for %}"]
)
def test_a_template_that_refuses_is_named(source: str, templated: Any) -> None:
    with pytest.raises(MisuseError, match="B312"):
        Template(templated(source)).render([user("bread")])


def test_a_template_that_refuses_is_an_answer_and_a_reading_too(tokenizer: Any, tiny: Any) -> None:
    from obverse.stability.ports import Job, Read, Wants

    model = tiny("llama")
    model.template._source = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0].content }}"
    )
    system = (ChatMessage(role="system", content="x"), user("bread"))
    job = Job(id="a", messages=system, seeds=(1, 2), temperature=0.5, max_tokens=2)
    assert [(answer.seed, answer.error) for answer in model.draw([job])] == [(1, "template"), (2, "template")]
    [reading] = model.read([Read(id="a", messages=system)], Wants())
    assert reading.error == "template"


def test_a_tokenizer_that_does_not_say_where_its_tokens_are_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(MisuseError, match="B310"):
        Template(Slow())


def test_every_spare_character_used_up_is_refused(tokenizer: Any) -> None:
    with pytest.raises(MisuseError, match="B311"):
        Template(tokenizer).render([user("".join(map(chr, range(0xE000, 0xE100))))])
