"""Fine-tunes of tiny random models; the one of a real model stands in `tests/stability/test_tuning.py`."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.core.errors import MisuseError, UntrustedInputError  # noqa: E402  # behind the skip
from obverse.stability.lessons import Lesson  # noqa: E402  # behind the skip
from obverse.stability.local.training import (  # noqa: E402  # behind the skip
    Recipe,
    answer_loss,
    digest_of,
    learner,
    quiet,
    tune,
)

TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }}\n{{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def tiny(folder: Path, *, template: str | None = TEMPLATE) -> Path:
    """A Llama of three layers with random weights and a tokenizer of bytes, on disk."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE(vocab={piece: place for place, piece in enumerate(alphabet)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    with quiet():
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny") / "model")


def lesson(question: str, answer: str, line: int = 0) -> Lesson:
    return Lesson(messages=(ChatMessage(role="user", content=question),), answer=answer, line=line)


LESSONS = [
    lesson("Which way?", "left"),
    lesson("Up?", "no, down"),
    lesson("Where to now?", "home"),
    lesson("When?", "at 9"),
]
QUICK = Recipe(epochs=3, batch=3, last=2, rate=3e-3, threads=1)


LOW = Recipe(epochs=2, batch=3, rank=2, last=None, rate=3e-2, threads=1)


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    name = "adapter_model.safetensors" if (folder / "adapter_config.json").exists() else "model.safetensors"
    return load_file(folder / name)


def test_a_fine_tune_lowers_the_loss_and_moves_only_the_last_layers(model: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, float]] = []
    tuned = tune(model, tmp_path / "after", LESSONS, QUICK, cache=tmp_path, told=lambda *step: told.append(step))
    assert tuned.losses[-1] < tuned.losses[0]
    assert [step[:2] for step in told] == [(number, 6) for number in range(1, 7)]
    before, after = weights(model), weights(tmp_path / "after")
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved
    assert all(name.startswith(("model.layers.1.", "model.layers.2.")) for name in moved)
    assert json.loads((tmp_path / "after" / "obverse-tuning.json").read_text())["lessons"] == digest_of(LESSONS)
    reopened = learner(tmp_path / "after", cache=tmp_path)
    assert reopened.tokenizer.chat_template == TEMPLATE


@pytest.mark.parametrize(
    "recipe", [QUICK, LOW, msgspec.structs.replace(LOW, merge=False)], ids=["weights", "low rank", "apart"]
)
def test_the_same_fine_tune_twice_gives_the_same_bits(model: Path, tmp_path: Path, recipe: Recipe) -> None:
    first, second = (tune(model, tmp_path / name, LESSONS, recipe, cache=tmp_path) for name in ("a", "b"))
    assert first.losses == second.losses
    one, two = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_another_seed_gives_another_order(model: Path, tmp_path: Path) -> None:
    first = tune(model, tmp_path / "a", LESSONS, QUICK, cache=tmp_path)
    second = tune(
        model, tmp_path / "b", LESSONS, Recipe(epochs=3, batch=3, last=2, rate=3e-3, threads=1, seed=1), cache=tmp_path
    )
    assert first.losses != second.losses


def test_a_low_rank_update_begins_at_nothing_and_is_written_as_peft_writes_it(model: Path, tmp_path: Path) -> None:
    tuned = tune(
        model,
        tmp_path / "adapter",
        LESSONS,
        Recipe(epochs=2, rank=2, alpha=4, last=1, merge=False, threads=1),
        cache=tmp_path,
    )
    about = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    held = weights(tmp_path / "adapter")
    assert (about["peft_type"], about["r"], about["lora_alpha"]) == ("LORA", 2, 4)
    assert Path(about["base_model_name_or_path"]) == model.resolve()
    assert len(about["target_modules"]) == 7
    assert all(name.startswith("model.layers.2.") for name in about["target_modules"])
    for name in about["target_modules"]:
        down, up = (held[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
        assert down.shape[0] == up.shape[1] == 2
        assert np.abs(up).max() > 0  # learnt something: it began at zero
    assert tuned.learnt == sum(part.size for part in held.values()) < tuned.of
    # the first step's loss is that of the source: nothing had changed yet
    one = learner(model, cache=model)
    pairs = [one.encoded(each, longest=100) for each in LESSONS]
    first: list[float] = []
    tune(
        model,
        tmp_path / "again",
        LESSONS,
        Recipe(epochs=1, rank=2, threads=1),
        cache=tmp_path,
        told=lambda _n, _of, loss: first.append(loss),
    )
    assert first == [pytest.approx(float(answer_loss(one.model, pairs)[0]), abs=1e-5)]


def test_a_merged_update_is_the_one_that_was_learnt(model: Path, tmp_path: Path) -> None:
    """The same recipe, merged by us, and added by hand out of the adapter folder."""
    tune(model, tmp_path / "merged", LESSONS, LOW, cache=tmp_path)
    tune(model, tmp_path / "apart", LESSONS, msgspec.structs.replace(LOW, merge=False), cache=tmp_path)
    before, merged, apart = (weights(folder) for folder in (model, tmp_path / "merged", tmp_path / "apart"))
    moved = 0
    for name, value in before.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        update = 0.0
        if f"{stem}.lora_A.weight" in apart:
            update = 8.0 * apart[f"{stem}.lora_B.weight"] @ apart[f"{stem}.lora_A.weight"]
            moved += 1
        assert merged[name] == pytest.approx(value + update, abs=1e-6)
    assert moved == 3 * 7


@pytest.mark.filterwarnings("ignore:.*:FutureWarning")  # peft's own
def test_an_adapter_is_read_by_peft_as_we_meant_it(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="an adapter folder is read by `peft`, which is not here")
    tune(model, tmp_path / "merged", LESSONS, LOW, cache=tmp_path)
    tune(model, tmp_path / "apart", LESSONS, msgspec.structs.replace(LOW, merge=False), cache=tmp_path)
    ours, theirs = (learner(tmp_path / name, cache=tmp_path).model for name in ("merged", "apart"))
    tokens = torch.arange(1, 9)[None]
    assert torch.allclose(ours(tokens).logits, theirs(tokens).logits, atol=1e-5)


def test_only_the_answer_counts_whatever_stands_beside_it_in_the_batch(model: Path) -> None:
    """Against a plain sum over each pair alone: no padding, no cut logits."""
    one = learner(model, cache=model)
    pairs = [one.encoded(each, longest=100) for each in LESSONS]
    total, count = 0.0, 0
    for prompt, answer in pairs:
        logits = one.model(torch.tensor([prompt + answer])).logits[0].detach().double().numpy()
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        total -= sum(logs[len(prompt) + place - 1, token] for place, token in enumerate(answer))
        count += len(answer)
    loss, tokens = answer_loss(one.model, pairs)
    assert tokens == count
    assert float(loss) == pytest.approx(total / count, abs=1e-5)


def test_the_end_of_the_answer_is_learnt_and_nothing_behind_it(model: Path) -> None:
    one = learner(model, cache=model)
    prompt, answer = one.encoded(LESSONS[0], longest=100)
    assert one.tokenizer.decode(prompt) == "<s>user\nWhich way?</s>\n<s>assistant\n"
    assert one.tokenizer.decode(answer) == "left</s>"
    assert answer[-1] == one.tokenizer.eos_token_id


def test_an_end_that_is_written_in_an_answer_is_no_end(model: Path) -> None:
    one = learner(model, cache=model)
    _, answer = one.encoded(lesson("Which way?", "say </s> and go on"), longest=100)
    assert answer.count(one.tokenizer.eos_token_id) == 1
    assert one.tokenizer.decode(answer) == "say </s> and go on</s>"


def test_a_model_without_a_template_is_taught_in_a_plain_form(tmp_path: Path) -> None:
    one = learner(tiny(tmp_path / "plain", template=None), cache=tmp_path)
    prompt, answer = one.encoded(LESSONS[0], longest=100)
    assert one.tokenizer.decode(prompt) == "user: Which way?\nassistant:"
    assert one.tokenizer.decode(answer) == " left</s>"


def test_a_fine_tune_that_is_stopped_leaves_nothing(model: Path, tmp_path: Path) -> None:
    def stop(number: int, _of: int, _loss: float) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(model, tmp_path / "never", LESSONS, QUICK, cache=tmp_path, told=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(transformers.LlamaForCausalLM, "save_pretrained", full)
    with pytest.raises(OSError, match="no space"):
        tune(model, tmp_path / "never", LESSONS, QUICK, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_written_over(model: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(MisuseError, match="is there already") as caught:
        tune(model, tmp_path / "there", LESSONS, QUICK, cache=tmp_path)
    assert caught.value.code == "B605"


WRONG = {
    "no lessons": ([], QUICK, "B606"),
    "no epochs": (LESSONS, Recipe(epochs=0), "B607"),
    "no rate": (LESSONS, Recipe(rate=0.0), "B608"),
    "a rate that is no number": (LESSONS, Recipe(rate=float("nan")), "B608"),
    "a rate that blows up": (LESSONS, Recipe(rate=1e30, epochs=4, threads=1), "B61"),
}


@pytest.mark.parametrize(("lessons", "recipe", "code"), WRONG.values(), ids=WRONG)
def test_a_recipe_that_cannot_work_is_refused_in_one_line(
    model: Path, tmp_path: Path, lessons: list[Lesson], recipe: Recipe, code: str
) -> None:
    with pytest.raises(MisuseError) as caught:
        tune(model, tmp_path / "never", lessons, recipe, cache=tmp_path)
    assert caught.value.code.startswith(code)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_lesson_that_is_too_long_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UntrustedInputError, match="line 7") as caught:
        tune(model, tmp_path / "never", [lesson("a" * 200, "b", line=7)], Recipe(longest=100), cache=tmp_path)
    assert caught.value.code == "B604"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no model"):
        learner(tmp_path, cache=tmp_path)
