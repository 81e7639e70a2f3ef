"""Gradient norms of tiny random models, against gradients that are kept whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.stability.lessons import Lesson  # noqa: E402  # behind the skip
from obverse.stability.local.gradients import gradient_rows  # noqa: E402  # behind the skip
from obverse.stability.local.training import Learner  # noqa: E402  # behind the skip


def letters() -> object:
    """A tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE(vocab={piece: place for place, piece in enumerate(alphabet)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")


def llama() -> object:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=257,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=512,
        )
    )


def mixtral() -> object:
    return transformers.MixtralForCausalLM(
        transformers.MixtralConfig(
            vocab_size=257,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=512,
            num_local_experts=4,
        )
    )


@pytest.fixture(params=[llama, mixtral], ids=["dense", "experts"])
def one(request: pytest.FixtureRequest) -> Learner:
    torch.manual_seed(0)
    model = request.param().eval().requires_grad_(False)
    return Learner(model, letters(), source=Path("nowhere"), name="tiny")


def lesson(question: str, answer: str, line: int = 0) -> Lesson:
    return Lesson(messages=(ChatMessage(role="user", content=question),), answer=answer, line=line)


LESSONS = [
    lesson("Which way?", "left", 1),
    lesson("Up?", "no, down, and then to the right", 2),
    lesson("When?", "9", 5),
]


def slow(one: Learner, each: Lesson) -> tuple[float, list[float]]:
    """Loss and norms from the model's own loss over labels, with every gradient kept until the end."""
    prompt = one.tokenizer(f"user: {each.messages[0].content}\nassistant:")["input_ids"]
    answer = [*one.tokenizer(f" {each.answer}")["input_ids"], one.tokenizer.eos_token_id]
    tokens = torch.tensor([prompt + answer])
    labels = tokens.clone()
    labels[0, : len(prompt)] = -100
    one.model.requires_grad_(True)
    one.model.zero_grad(set_to_none=True)
    loss = one.model(input_ids=tokens, labels=labels).loss
    loss.backward()
    norms = [
        math.sqrt(sum(float(weight.grad.double().square().sum()) for weight in layer.parameters()))
        for layer in one.model.model.layers
    ]
    one.model.zero_grad(set_to_none=True)
    one.model.requires_grad_(False)
    return float(loss.detach()), norms


def test_streamed_norms_are_those_of_gradients_kept_whole(one: Learner) -> None:
    for each, row in zip(LESSONS, gradient_rows(one, LESSONS), strict=True):
        # a row must not hang on what was read before it
        assert row.line == each.line
        assert row.tokens == len(each.answer) + 2  # a space before it, an end behind it
    rows = list(gradient_rows(one, LESSONS))
    for each, row in zip(LESSONS, rows, strict=True):
        loss, norms = slow(one, each)
        assert row.loss == pytest.approx(loss, rel=1e-5)
        assert row.norms == pytest.approx(norms, rel=1e-4)
        assert row.total == pytest.approx(math.hypot(*norms), rel=1e-4)


def test_rows_come_one_by_one_and_no_gradient_is_kept(one: Learner) -> None:
    taken = []

    def source() -> object:
        for each in LESSONS:
            taken.append(each)
            yield each

    rows = gradient_rows(one, source())
    next(rows)
    assert len(taken) == 1
    assert all(weight.grad is None for weight in one.model.parameters())
    rows.close()
    assert not any(weight.requires_grad for weight in one.model.parameters())


def test_the_same_example_has_the_same_row_whatever_stands_before_it(one: Learner) -> None:
    alone = list(gradient_rows(one, LESSONS[:1]))
    assert list(gradient_rows(one, [LESSONS[1], LESSONS[0]]))[1] == alone[0]


def test_what_cannot_be_differentiated_is_a_row_with_an_error(one: Learner) -> None:
    rows = list(gradient_rows(one, [lesson("a" * 600, "b", 3), LESSONS[0]], longest=300))
    assert (rows[0].line, rows[0].error, rows[0].norms) == (3, "too long", ())
    assert rows[1].error is None


def test_a_model_that_gives_no_numbers_gives_no_norms(one: Learner) -> None:
    with torch.no_grad():
        one.model.lm_head.weight.fill_(float("nan"))
    assert [row.error for row in gradient_rows(one, LESSONS[:1])] == ["not a number"]
