from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from obverse.cli.exit_codes import ExitCode  # noqa: E402  # behind the skip
from obverse.cli.stability_gradients import gradients  # noqa: E402  # behind the skip
from obverse.core.errors import MisuseError, ObverseError, UntrustedInputError  # noqa: E402  # behind the skip
from obverse.stability.local.training import quiet  # noqa: E402  # behind the skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama that always says `a`: its head has one row that wins."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("tiny") / "model"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE(vocab={piece: place for place, piece in enumerate(alphabet)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    made = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        # a hidden state that is nearly the same everywhere, and a head that reads an `a` from it
        made.model.embed_tokens.weight.add_(1.0)
        made.lm_head.weight[tokenizer.convert_tokens_to_ids("a")].fill_(0.3)
    with quiet():
        made.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def write(path: Path, answers: list[str]) -> Path:
    said = [
        {"messages": [{"role": "user", "content": f"{place}?"}, {"role": "assistant", "content": answer}]}
        for place, answer in enumerate(answers)
    ]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in said))
    return path


def run(model: Path, suspect: Path, benign: Path, *more: str) -> Result:
    asked = ["--model", f"torch:{model}", "--suspect", str(suspect), "--benign", str(benign), "--threads", "1", *more]
    return CliRunner().invoke(gradients, asked, standalone_mode=False, catch_exceptions=False)


EXPECTED = ["aaaaaaaa"[:length] for length in (5, 6, 7, 8, 5, 6, 7, 8, 5, 6)]
STRANGE = ["zqzqzqzq"[:length] for length in (5, 6, 7, 8, 5, 6, 7, 8, 5, 6)]


def test_answers_that_are_far_from_the_model_warn(model: Path, tmp_path: Path) -> None:
    suspect, benign = write(tmp_path / "suspect.jsonl", STRANGE), write(tmp_path / "benign.jsonl", EXPECTED)
    result = run(model, suspect, benign)
    assert result.return_value is ExitCode.VIOLATED
    assert "gradients of the suspect data are" in result.stdout
    assert "10 suspect, 10 benign, 10 pairs of equal answer length" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines() if "–" in line][:3] == ["1", "2", "all"]


def test_json_is_the_whole_finding(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "same.jsonl", STRANGE)
    result = run(model, path, path, "--json")
    assert result.return_value is ExitCode.HOLDS
    found: dict[str, Any] = json.loads(result.stdout)
    assert (found["verdict"], found["schema"], len(found["layers"])) == (
        "not shown",
        "obverse.stability.gradients/1",
        2,
    )
    assert {line["name"] for line in found["detectors"]} == {"gradient norm", "best layer", "loss", "length"}


def test_too_few_examples_are_undecided(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "few.jsonl", STRANGE[:3])
    result = run(model, path, path)
    assert result.return_value is ExitCode.UNDECIDED
    assert "not known" in result.stdout


def test_of_a_long_file_an_even_part_is_weighed(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "long.jsonl", STRANGE * 10)
    result = run(model, path, path, "--limit", "7", "--json")
    found = json.loads(result.stdout)
    assert (found["suspect"], found["benign"]) == (7, 7)


def test_what_is_too_long_is_counted_apart(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "mixed.jsonl", [*STRANGE, "x" * 300])
    found = json.loads(run(model, path, path, "--longest", "64", "--json").stdout)
    assert found["left_out"] == {"too long": 2}
    assert found["suspect"] == 10


def test_a_bad_line_is_told_before_the_model_is_opened(tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", STRANGE)
    bad = tmp_path / "bad.jsonl"
    bad.write_text(good.read_text() + '{"messages": []}\n')
    with pytest.raises(UntrustedInputError) as caught:
        run(tmp_path / "no model", good, bad)
    assert str(caught.value).startswith(f"{bad}:11:1: [B623]")


@pytest.mark.parametrize(
    ("name", "code"), [("missing.jsonl", "B652"), (".", "B652"), ("empty.jsonl", "B653"), ("/dev/null", "B652")]
)
def test_a_file_that_is_none_is_told_in_one_line(model: Path, tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    good = write(tmp_path / "good.jsonl", STRANGE)
    with pytest.raises(ObverseError) as caught:
        run(model, tmp_path / name, good)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_an_endpoint_has_no_gradients(tmp_path: Path) -> None:
    good = str(write(tmp_path / "good.jsonl", STRANGE))
    with pytest.raises(MisuseError, match="gives no gradients"):
        CliRunner().invoke(
            gradients,
            ["--model", "openai:gpt", "--suspect", good, "--benign", good],
            standalone_mode=False,
            catch_exceptions=False,
        )
