"""Readings, against what transformers gives one by one when it is asked for everything: hidden states, attentions, router logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.core.errors import MisuseError  # noqa: E402  # behind the skip
from obverse.stability.ports import Edit, Read, Reading, Wants  # noqa: E402  # behind the skip

KINDS = ("llama", "windowed", "mixtral", "gemma2", "gpt_oss", "qwen2", "gpt2")
WANTS = Wants(words={"no": ("sorry", "cannot"), "yes": ("sure",)})
READS = (
    ("how to bake bread", ""),
    ("the quick brown fox jumps over a lazy dog and asks how to bake bread", "how to bake bread"),
    ("the quick brown fox jumps over a lazy dog and asks how to bake", "lazy dog"),
    ("?", ""),
    ("sure sure sure", "sure"),
    ("the quick brown fox", "quick brown"),
)


def read(number: int, system: str = "a lazy dog and asks sorry I cannot help with that sure here is") -> Read:
    text, span = READS[number]
    messages = (ChatMessage(role="system", content=system), ChatMessage(role="user", content=text))
    return Read(id=f"{number}{system}", messages=messages, span=span)


def everything(module: Any, ids: tuple[int, ...]) -> Any:
    """All that one plain run gives, and the residual stream as each layer leaves it (transformers norms its last one)."""
    streams: list[Any] = []
    stack = next(part for name, part in module.named_modules() if isinstance(part, torch.nn.ModuleList))
    hooks = [
        stack[0].register_forward_pre_hook(
            lambda _, args, kwargs: streams.append((args or [kwargs["hidden_states"]])[0]), with_kwargs=True
        )
    ]
    hooks += [
        layer.register_forward_hook(lambda _, __, out: streams.append(out[0] if isinstance(out, tuple) else out))
        for layer in stack
    ]
    with torch.no_grad():
        out = module(input_ids=torch.tensor([ids]), output_hidden_states=True, output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    for at in range(len(stack)):
        assert torch.equal(out.hidden_states[at], streams[at])
    return out, [stream[0].double() for stream in streams]


@pytest.mark.parametrize("kind", KINDS)
def test_a_reading_is_what_one_plain_run_gives(kind: str, tiny: Any, plain: Any) -> None:
    model, module = tiny(kind), plain(kind)
    prompts = [read(number) for number in range(len(READS))]
    for reading, prompt in zip(model.read(prompts, WANTS), prompts, strict=True):
        assert (reading.id, reading.error) == (prompt.id, None)
        compare(reading, prompt, model, module, kind)


def compare(reading: Reading, prompt: Read, model: Any, module: Any, kind: str) -> None:
    ids = model.render(prompt.messages)
    out, streams = everything(module, ids)
    assert reading.tokens == len(ids)
    start, stop = reading.span
    said = model.tokenizer.decode(list(ids[start:stop]))
    assert (prompt.span or prompt.messages[-1].content) in said
    assert len(said.strip()) <= len(prompt.span or prompt.messages[-1].content) + 4
    for at, stream in enumerate(streams):
        np.testing.assert_allclose(reading.last[at], stream[-1], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(reading.mean[at], stream[start:stop].mean(0), rtol=1e-3, atol=1e-3)
    assert (reading.attention is None) == (stop - start < 2)
    for at, attention in enumerate(out.attentions):
        for head in range(4):
            shares = attention[0, head, -1, start:stop].double().tolist()
            assert reading.weight[at, head] == pytest.approx(sum(shares), abs=1e-4)
            if reading.attention is not None and sum(shares) > 1e-20:
                inside = [share / sum(shares) for share in shares]
                entropy = -sum(share * math.log(share) for share in inside if share > 0)
                assert reading.attention[at, head] == pytest.approx(entropy, abs=1e-3)
    logits = out.logits[0].double().log_softmax(-1)
    surprise = [-float(logits[at - 1, ids[at]]) for at in range(start, stop)]
    assert reading.perplexity == pytest.approx(math.exp(sum(surprise) / len(surprise)), rel=1e-3)
    head, norm = module.get_output_embeddings(), model.anatomy.norm
    for name, tokens in (("no", first_tokens(model, ["sorry", "cannot"])), ("yes", first_tokens(model, ["sure"]))):
        assert reading.logits[name] == pytest.approx(
            math.log(sum(math.exp(logits[-1, token]) for token in tokens)), abs=1e-3
        )
        for at, stream in enumerate(streams):
            with torch.no_grad():
                seen = head(norm(stream[-1].float())).double()
            if kind == "gemma2":
                seen = torch.tanh(seen / 30) * 30
            logs = seen.log_softmax(-1)
            assert reading.words[name][at] == pytest.approx(
                math.log(sum(math.exp(logs[token]) for token in tokens)), abs=2e-3
            )
    if kind in {"mixtral", "gpt_oss"}:
        with torch.no_grad():
            routed = module(input_ids=torch.tensor([ids]), output_router_logits=True, use_cache=False).router_logits
        for at, each in enumerate(routed):
            np.testing.assert_allclose(reading.routing[at], each.double().softmax(-1)[start:stop].mean(0), atol=1e-4)
    else:
        assert reading.routing is None


def first_tokens(model: Any, words: list[str]) -> set[int]:
    forms = [space + form for word in words for form in (word, word.capitalize()) for space in ("", " ")]
    found = {model.tokenizer(form, add_special_tokens=False)["input_ids"][0] for form in forms}
    return {token for token in found if model.tokenizer.decode([token]).strip()}


@pytest.mark.parametrize("kind", ["llama", "windowed", "mixtral"])
def test_neither_batch_nor_shared_prefix_changes_a_reading(kind: str, tiny: Any) -> None:
    prompts = [read(number, system) for number in range(len(READS)) for system in ("be kind", "a lazy dog " * 12)]
    for together, prompt in zip(tiny(kind).read(prompts, WANTS), prompts, strict=True):
        [alone] = tiny(kind).read([prompt], WANTS)
        for name in ("last", "mean", "attention", "weight", "routing"):
            one, other = getattr(together, name), getattr(alone, name)
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        assert together.perplexity == pytest.approx(alone.perplexity, rel=1e-4)


def test_what_prompts_begin_with_alike_is_read_once(tiny: Any) -> None:
    model = tiny("llama")
    prompts = [read(number, "a lazy dog and asks how to " * 9) for number in range(len(READS))]
    ran: list[int] = []
    hook = model.anatomy.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: ran.append(math.prod((args[0] if args else kwargs["hidden_states"]).shape[:2])),
        with_kwargs=True,
    )
    assert all(reading.error is None for reading in model.read(prompts, WANTS))
    hook.remove()
    assert sum(ran) < sum(len(model.render(prompt.messages)) for prompt in prompts) / 2


def test_one_run_serves_all_signals(tiny: Any) -> None:
    model = tiny("mixtral")
    ran = []
    hook = model.anatomy.layers[-1].register_forward_hook(lambda _, __, out: ran.append(1))
    [_] = model.read([read(1)], WANTS)
    hook.remove()
    assert ran == [1]


def test_only_what_is_wanted_is_read(tiny: Any) -> None:
    [reading] = tiny("mixtral").read([read(1)], Wants(residual=False, attention=False, routing=False, perplexity=False))
    found = (reading.last, reading.mean, reading.attention, reading.weight, reading.routing, reading.perplexity)
    assert found == (None,) * 6
    assert (reading.words, reading.logits, reading.error) == ({}, {}, None)


def test_f64_is_reduced_and_given_in_f64(tiny: Any) -> None:
    [reading] = tiny("llama").read([read(1)], Wants(dtype="f64"))
    assert {reading.last.dtype, reading.mean.dtype, reading.attention.dtype} == {np.dtype(np.float64)}


def test_what_cannot_be_read_is_named_and_stands_in_its_place(tiny: Any) -> None:
    model = tiny("llama")
    [token] = model.tokenizer("~", add_special_tokens=False)["input_ids"]
    model.module.get_input_embeddings().weight.data[token] = float("nan")

    def ask(name: str, text: str, span: str = "") -> Read:
        return Read(id=name, messages=(ChatMessage(role="user", content=text),), span=span)

    prompts = [
        ask("fine", "bread"),
        ask("long", "fox " * 300),
        ask("elsewhere", "bread", "butter"),
        ask("empty", "  "),
        ask("wrong", "bread ~"),
        ask("fine too", "the quick bread"),
        Read(id="nobody asks", messages=(ChatMessage(role="system", content="x"),)),
    ]
    found = {reading.id: reading for reading in model.read(prompts, WANTS)}
    assert list(found) == [prompt.id for prompt in prompts]
    assert {name: reading.error for name, reading in found.items()} == {
        "fine": None, "long": "context overflow", "elsewhere": "no span", "empty": "no span", "wrong": "not a number",
        "fine too": None, "nobody asks": "no span",
    }  # fmt: skip
    assert found["wrong"].last is None
    assert np.isfinite(found["fine"].last).all()
    assert np.isfinite(found["fine too"].attention).all()


def test_a_span_is_looked_for_in_the_last_message_of_the_user_first(tiny: Any) -> None:
    model = tiny("llama")
    messages = tuple(ChatMessage(role=role, content=text) for role, text in (
        ("user", "bake bread today"), ("assistant", "sure"), ("user", "bake bread"), ("assistant", "bake bread"),
    ))  # fmt: skip
    [last, early] = model.read(
        [Read(id="a", messages=messages, span="bread"), Read(id="b", messages=messages, span="today")], WANTS
    )
    assert early.span < last.span
    ids = model.render(messages)
    assert model.tokenizer.decode(list(ids[: last.span[1]])).count("bread") == 2


# edits


def unit(width: int = 32, seed: int = 0) -> tuple[float, ...]:
    vector = np.random.default_rng(seed).normal(size=width)
    return tuple((vector / np.linalg.norm(vector)).tolist())


def last(model: Any) -> Any:
    [reading] = model.read([read(1)], WANTS)
    return reading


@pytest.mark.parametrize("kind", KINDS)
def test_an_ablated_direction_is_gone_from_every_layer(kind: str, tiny: Any) -> None:
    model = tiny(kind)
    before = last(model)
    with model.edited([Edit(kind="ablate", vector=unit())]):
        edited = last(model)
        np.testing.assert_allclose(edited.last @ np.array(unit()), 0, atol=1e-4)
        np.testing.assert_allclose(edited.mean @ np.array(unit()), 0, atol=1e-4)
    np.testing.assert_array_equal(last(model).last, before.last)


def test_what_is_added_is_added_behind_its_layer_only(tiny: Any) -> None:
    model = tiny("llama")
    before = last(model)
    with model.edited([Edit(kind="add", vector=unit(), layers=(2,), scale=3.0)]):
        edited = last(model)
    np.testing.assert_allclose(edited.last[:2], before.last[:2], atol=1e-5)
    np.testing.assert_allclose(edited.last[2] - before.last[2], 3 * np.array(unit()), atol=1e-4)
    assert np.abs(edited.last[3] - before.last[3]).max() > 0.01


def test_an_edited_model_answers_as_one_whose_layers_are_edited_by_hand(tiny: Any, plain: Any) -> None:
    """The hand: the stream is stopped, changed and sent on, layer by layer, without a hook."""
    model, module = tiny("llama"), plain("llama")
    ids = torch.tensor([model.render(read(1).messages)])
    vector, other = torch.tensor(unit()), torch.tensor(unit(seed=1))
    with torch.no_grad():
        inner = module.model
        stream = inner.embed_tokens(ids)
        stream = stream - (stream @ vector)[..., None] * vector
        places = torch.arange(ids.shape[1])[None]
        mask = torch.full((ids.shape[1],) * 2, -torch.inf).triu(1)[None, None]
        turned = inner.rotary_emb(stream, places)
        for at, layer in enumerate(inner.layers):
            stream = layer(stream, attention_mask=mask, position_ids=places, position_embeddings=turned)
            stream = stream - (stream @ vector)[..., None] * vector
            if at == 1:
                stream = stream + 2.0 * other
        logits = module.lm_head(inner.norm(stream))[0, -1].log_softmax(-1)
    edits = [Edit(kind="ablate", vector=unit()), Edit(kind="add", vector=unit(seed=1), layers=(2,), scale=2.0)]
    with model.edited(edits):
        together = last(model)
    with model.edited(edits[:1]), model.edited(edits[1:]):
        nested = last(model)
    tokens = sorted(first_tokens(model, ["sure"]))
    assert together.logits["yes"] == pytest.approx(float(logits[tokens].logsumexp(0)), abs=1e-3)
    np.testing.assert_allclose(nested.last, together.last, atol=1e-5)


def test_edits_are_gone_after_an_exception_and_what_was_kept_is_as_it_was(tiny: Any) -> None:
    model = tiny("llama")
    before = last(model)
    changed = []

    def fails() -> None:
        with model.edited([Edit(kind="add", vector=unit(), scale=9.0)]):
            changed.append(np.abs(last(model).last - before.last).max())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert changed[0] > 1
    np.testing.assert_array_equal(last(model).last, before.last)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.module.modules())


@pytest.mark.parametrize(("wrong", "code"), [
    ({"vector": (1.0,)}, "B340"), ({"vector": (math.nan,) * 32}, "B341"), ({"vector": (1.0,) * 32}, "B342"),
    ({"layers": (4,)}, "B343"), ({"layers": (0,)}, "B343"),
])  # fmt: skip
def test_an_edit_that_cannot_be_is_refused(wrong: dict[str, Any], code: str, tiny: Any) -> None:
    model = tiny("llama")
    edit = Edit(**{"kind": "ablate", "vector": unit(), **wrong})
    with pytest.raises(MisuseError, match=code), model.edited([Edit(kind="ablate", vector=unit()), edit]):
        pass
    assert not any(part._forward_hooks for part in model.module.modules())
