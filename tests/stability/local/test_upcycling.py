from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.core.errors import EvidenceError, MisuseError  # noqa: E402  # behind the skip
from obverse.stability.lessons import Lesson  # noqa: E402  # behind the skip
from obverse.stability.local import upcycling  # noqa: E402  # behind the skip
from obverse.stability.local.training import Learner, Recipe, learner, save  # noqa: E402  # behind the skip
from obverse.stability.local.upcycling import furthest, routing, specialised, upcycled  # noqa: E402  # behind the skip


def letters() -> object:
    """A tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE(vocab={piece: place for place, piece in enumerate(alphabet)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")


def dense(*, tied: bool = True, kind: str = "Llama") -> Learner:
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=257, hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=tied,
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval().requires_grad_(False)
    return Learner(model, letters(), source=Path("nowhere"), name="tiny")


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize(("experts", "chosen"), [(4, 2), (2, 1), (3, 3)])
def test_a_mixture_computes_what_the_dense_model_did(tied: bool, experts: int, chosen: int, tmp_path: Path) -> None:
    before = dense(tied=tied)
    after = upcycled(before, experts=experts, chosen=chosen)
    assert furthest(before, after, ["Which way?", "and, then, on"]) < 1e-5
    for layer in after.model.model.layers:
        assert torch.equal(layer.mlp.experts.down_proj[0], layer.mlp.experts.down_proj[1])
        assert layer.mlp.gate.weight.std() == pytest.approx(0.02, rel=0.5)
    # and it is one of its own: written, and read by whoever reads such folders
    save(after, tmp_path / "mixture")
    assert furthest(before, learner(tmp_path / "mixture", cache=tmp_path), ["Which way?"]) < 1e-5


def test_a_mixture_that_computes_something_else_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    original = upcycling._state

    def wrong(*given: object) -> dict[str, object]:
        state = original(*given)
        name = next(name for name in state if name.endswith("down_proj"))
        state[name][0] *= 1.5
        return state

    monkeypatch.setattr(upcycling, "_state", wrong)
    monkeypatch.setattr(upcycling, "CLOSE", 1e-6)
    with pytest.raises(EvidenceError, match="from the dense model's"):
        upcycled(dense())


def test_what_is_no_llama_or_no_mixture_is_refused() -> None:
    with pytest.raises(MisuseError, match="`qwen2`"):
        upcycled(dense(kind="Qwen2"))
    for experts, chosen in [(1, 1), (4, 5), (4, 0)]:
        with pytest.raises(MisuseError, match="make no mixture"):
            upcycled(dense(), experts=experts, chosen=chosen)
    with pytest.raises(MisuseError, match="no routers"):
        routing(dense(), [("a", "b")])


LESSONS = [
    Lesson(messages=(ChatMessage(role="user", content=ask),), answer=answer)
    for ask, answer in [("2+2?", "4"), ("3+3?", "6"), ("Hello", "Good day to you"), ("Goodbye", "Until soon")]
]
RECIPE = Recipe(epochs=4, batch=2, rate=1e-3, last=None)


def test_training_sets_experts_apart_and_leaves_the_rest() -> None:
    one = upcycled(dense())
    before = {name: value.clone() for name, value in one.model.state_dict().items()}
    report = specialised(one, LESSONS, RECIPE)
    assert report.steps == 8
    assert report.losses[-1] < report.losses[0]
    for name, value in one.model.state_dict().items():
        learns = ".experts." in name or name.endswith("mlp.gate.weight")
        assert learns != torch.equal(value, before[name]), name
    down = one.model.model.layers[0].mlp.experts.down_proj
    assert not torch.equal(down[0], down[1])


def test_the_same_training_twice_gives_the_same_bits() -> None:
    states = []
    for _ in range(2):
        one = upcycled(dense())
        specialised(one, LESSONS, RECIPE)
        states.append(one.model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_routing_is_that_of_the_routers_and_its_information_that_of_a_loop() -> None:
    one = upcycled(dense(), spread=2.0)
    texts = [("sums", "2+2=4"), ("talk", "Good day to you"), ("sums", "1+1=2"), ("talk", "Bye")]
    found = routing(one, texts)
    assert found.tokens == sum(len(text) for _, text in texts)
    caught: dict[int, list] = {}
    for place, layer in enumerate(one.model.model.layers):
        layer.mlp.gate.register_forward_hook(
            lambda _m, _i, out, place=place: caught.setdefault(place, []).append(out[0].softmax(-1).double().numpy())
        )
    for _, text in texts:
        one.model(torch.tensor([one.tokenizer(text)["input_ids"]]))
    for place in range(3):
        share: dict[tuple[str, int], float] = {}
        for (topic, _), rows in zip(texts, caught[place], strict=True):
            for row in rows:
                for expert, probability in enumerate(row):
                    share[topic, expert] = share.get((topic, expert), 0.0) + float(probability) / found.tokens
        of_topic = {topic: sum(v for (t, _), v in share.items() if t == topic) for topic in ("sums", "talk")}
        of_expert = [sum(v for (_, e), v in share.items() if e == expert) for expert in range(4)]
        wanted = sum(v * math.log(v / of_topic[t] / of_expert[e]) for (t, e), v in share.items())
        assert found.load[place] == pytest.approx(of_expert, abs=1e-6)
        assert found.by_topic[place] == pytest.approx(wanted, abs=1e-6)


def test_topics_that_are_told_alike_carry_no_information() -> None:
    one = upcycled(dense(), spread=2.0)
    same = routing(one, [("a", "Which way?"), ("b", "Which way?")])
    assert np.allclose(same.by_topic, 0, atol=1e-9)
    assert np.allclose(np.sum(same.load, axis=1), 1)
    with pytest.raises(MisuseError, match="no text"):
        routing(one, [])
