from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.core.errors import MisuseError, UntrustedInputError  # noqa: E402  # behind the skip
from obverse.stability.local.weights import has_bf16, precision  # noqa: E402  # behind the skip
from obverse.stability.opening import open_local  # noqa: E402  # behind the skip
from obverse.stability.ports import Job  # noqa: E402  # behind the skip

JOB = Job(id="a", messages=(ChatMessage(role="user", content="bake"),), seeds=(0, 1), temperature=0.8, max_tokens=6)


@pytest.fixture(scope="module")
def folder(plain: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model") / "tiny"
    plain("llama").save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


def test_a_folder_of_transformers_is_the_model_that_was_saved(folder: Path, tiny: Any, tmp_path: Path) -> None:
    model = open_local(folder, name="tiny", cache=tmp_path)
    assert sorted(answer.text for answer in model.draw([JOB])) == sorted(
        answer.text for answer in tiny("llama").draw([JOB])
    )
    assert (model.name, model.shape.layers, model.shape.dtype) == ("tiny", 3, "f32")
    assert model.fingerprint() == open_local(folder, name="tiny", cache=tmp_path).fingerprint()
    assert not list(tmp_path.iterdir())
    model.close()


def test_the_fingerprint_says_weights_arithmetic_and_template(folder: Path, tmp_path: Path) -> None:
    seen = {open_local(folder, name="tiny", cache=tmp_path).fingerprint()}
    seen.add(open_local(folder, name="tiny", cache=tmp_path, dtype="bf16").fingerprint())
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "chat_template.jinja").write_text("{{ messages[0].content }}")
    seen.add(open_local(other, name="tiny", cache=tmp_path).fingerprint())
    shutil.copytree(folder, other, dirs_exist_ok=True)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    seen.add(open_local(other, name="tiny", cache=tmp_path).fingerprint())
    assert len(seen) == 4


def test_auto_is_bf16_only_where_the_processor_computes_in_it(folder: Path, tmp_path: Path) -> None:
    assert precision("auto") == (torch.bfloat16 if has_bf16() else torch.float32)
    model = open_local(folder, name="tiny", cache=tmp_path, dtype="auto")
    assert model.shape.dtype == ("bf16" if has_bf16() else "f32")
    assert all(answer.error is None for answer in model.draw([JOB]))


def nothing(path: Path) -> None:
    path.mkdir()


def no_weights(path: Path) -> None:
    nothing(path)
    (path / "config.json").write_text("{}")


def garbage(path: Path) -> None:
    path.write_bytes(b"MZ not this")


def half_a_file(path: Path) -> None:
    path.write_bytes(b"GGUF" + bytes(range(200)))


def unknown_kind(path: Path) -> None:
    no_weights(path)
    (path / "config.json").write_text('{"model_type": "no such thing"}')
    (path / "model.safetensors").write_bytes(b"")


def adapter(path: Path) -> None:
    nothing(path)
    (path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/no/such/model"}))


@pytest.mark.parametrize(
    ("make", "kind", "code"),
    [
        (lambda path: None, MisuseError, "B302"),
        (nothing, MisuseError, "B302"),
        (no_weights, MisuseError, "B301"),
        (garbage, UntrustedInputError, "B303"),
        (half_a_file, UntrustedInputError, "B305"),
        (unknown_kind, UntrustedInputError, "B306"),
        (adapter, MisuseError, "B30[78]"),
    ],
)
def test_what_is_no_model_is_named_and_leaves_nothing(
    make: Any, kind: type[Exception], code: str, tmp_path: Path
) -> None:
    make(tmp_path / "x")
    with pytest.raises(kind, match=code):
        open_local(tmp_path / "x", name="x", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def written(path: Path, tokenizer: Any) -> np.ndarray[Any, Any]:
    """A GGUF file of one random layer; gives its embedding."""
    gguf = pytest.importorskip("gguf")
    backend = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(64)
    out.add_embedding_length(32)
    out.add_block_count(1)
    out.add_feed_forward_length(48)
    out.add_head_count(4)
    out.add_head_count_kv(2)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10000.0)
    out.add_rope_dimension_count(8)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("gpt2")
    out.add_token_list(tokens)
    out.add_token_types([3 if at < 3 else 1 for at in range(len(tokens))])
    out.add_token_merges([" ".join(pair) for pair in backend["merges"]])
    out.add_eos_token_id(2)
    out.add_pad_token_id(0)
    out.add_chat_template(tokenizer.chat_template)
    random = np.random.default_rng(0)
    shapes = {
        "token_embd": (len(tokens), 32), "output": (len(tokens), 32), "output_norm": (32,), "blk.0.attn_norm": (32,),
        "blk.0.ffn_norm": (32,), "blk.0.attn_q": (32, 32), "blk.0.attn_k": (16, 32), "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32), "blk.0.ffn_gate": (48, 32), "blk.0.ffn_up": (48, 32), "blk.0.ffn_down": (32, 48),
    }  # fmt: skip
    made = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in made.items():
        out.add_tensor(f"{name}.weight", tensor)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return made["token_embd"]


def test_a_gguf_file_is_converted_once_and_is_the_same_afterwards(tokenizer: Any, tmp_path: Path) -> None:
    source = tmp_path / "tiny-1234" / "model.gguf"
    source.parent.mkdir()
    embedding = written(source, tokenizer)
    told: list[str] = []
    first = open_local(source, name="tiny", cache=tmp_path / "cache", told=told.append)
    again = open_local(source, name="tiny", cache=tmp_path / "cache", told=told.append)
    assert len(told) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert first.fingerprint() == again.fingerprint()
    np.testing.assert_array_equal(again.module.get_input_embeddings().weight.detach().numpy(), embedding)
    assert {2} <= again.ends
    assert again.render(JOB.messages) == tuple(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "bake"}], add_generation_prompt=True, return_dict=False
        )
    )
    texts = [sorted(answer.text for answer in model.draw([JOB])) for model in (first, again)]
    assert texts[0] == texts[1]


def test_a_conversion_that_is_broken_off_leaves_nothing(tokenizer: Any, tmp_path: Path) -> None:
    source = tmp_path / "model.gguf"
    written(source, tokenizer)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UntrustedInputError, match="B305"):
        open_local(source, name="tiny", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*")) + list((tmp_path / "cache").glob(".*"))


def test_whatever_the_bytes_only_our_own_errors_come_out(tokenizer: Any, tmp_path: Path) -> None:
    source = tmp_path / "model.gguf"
    written(source, tokenizer)
    whole = source.read_bytes()
    random = np.random.default_rng(0)
    refused: list[str] = []
    for number in range(25):
        spoilt = bytearray(whole)
        for place in random.integers(4, 6000, size=3):
            spoilt[place] = int(random.integers(256))
        source.write_bytes(spoilt)
        with contextlib.suppress(UntrustedInputError):
            open_local(source, name="tiny", cache=tmp_path / f"cache{number}")
            continue
        refused += [path.name for path in (tmp_path / f"cache{number}").iterdir()] or ["nothing left"]
    assert set(refused) == {"nothing left"}
