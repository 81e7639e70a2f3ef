"""Tiny random models of several architectures, made in milliseconds, with a tokenizer that is trained on the spot; and the real small one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from obverse.core.errors import ObverseError
from obverse.stability.opening import open_local
from obverse.targets.catalogue import cache_folder, find, located

TEMPLATE = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)
WORDS = (
    "the quick brown fox jumps over a lazy dog and asks how to bake bread sorry I cannot help with that sure here is "
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer(TEMPLATE)


@pytest.fixture(scope="session")
def templated() -> Callable[[str | None], Any]:
    """A tokenizer with this template."""
    return make_tokenizer


def make_tokenizer(template: str | None) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    control = ["<|pad|>", "<|start|>", "<|end|>"]
    made.train_from_iterator(
        [WORDS] * 3,
        trainers.BpeTrainer(
            vocab_size=340,
            special_tokens=control,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.chat_template = template
    return tokenizer


def make_module(kind: str, vocabulary: int, *, seed: int = 0, attention: str = "eager") -> Any:
    """A random model that is sure of itself now and then: wide initial weights."""
    import torch
    import transformers as tf

    small: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
        "initializer_range": 0.25,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
    }
    config: Any
    match kind:
        case "llama":
            config = tf.LlamaConfig(**small)
        case "windowed":
            config = tf.MistralConfig(**small, sliding_window=9)
        case "mixtral":
            config = tf.MixtralConfig(**small, num_local_experts=4, num_experts_per_tok=2, sliding_window=None)
        case "gemma2":
            config = tf.Gemma2Config(**small, sliding_window=9, query_pre_attn_scalar=8)
        case "gpt_oss":
            config = tf.GptOssConfig(**small, num_local_experts=4, num_experts_per_tok=2, sliding_window=9)
        case "qwen2":
            config = tf.Qwen2Config(**{name: each for name, each in small.items() if name != "head_dim"})
        case "gpt2":
            config = tf.GPT2Config(
                vocab_size=vocabulary, n_embd=32, n_layer=3, n_head=4, n_positions=256, initializer_range=0.25,
                bos_token_id=None, eos_token_id=2, pad_token_id=0,
            )  # fmt: skip
    torch.manual_seed(seed)
    module = tf.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    if kind == "gpt_oss":
        for layer in module.model.layers:
            layer.self_attn.sinks.data.normal_()
    return module


def make_model(kind: str, tokenizer: Any, *, seed: int = 0, **options: Any) -> Any:
    from obverse.stability.local.model import LocalModel

    module = make_module(kind, len(tokenizer), seed=seed)
    return LocalModel(module, tokenizer, name=f"tiny:{kind}", weights=f"{kind} {seed}", **options)


@pytest.fixture(scope="session")
def tiny(tokenizer: Any) -> Callable[..., Any]:
    return lambda kind, **options: make_model(kind, tokenizer, **options)


@pytest.fixture(scope="session")
def plain(tokenizer: Any) -> Callable[..., Any]:
    """The same weights as `tiny`, with transformers' own attention in so many words."""
    return lambda kind, **options: make_module(kind, len(tokenizer), **options)


@pytest.fixture(scope="session")
def smollm2() -> Any:
    cache = cache_folder(os.environ)
    try:
        folder = located("smollm2-135m", cache)
    except ObverseError as fault:
        pytest.skip(f"no smollm2-135m: {fault.message}; `obverse models fetch smollm2-135m`")
    [file] = find("smollm2-135m").files
    return open_local(Path(folder) / file.name, name="local:smollm2-135m", cache=cache / "converted")
