"""Draws, against transformers' own `generate` and against a loop without cache, batch or prefix."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

KINDS = ("llama", "windowed", "mixtral", "gemma2", "gpt_oss", "qwen2", "gpt2")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.core.errors import MisuseError  # noqa: E402  # behind the skip
from obverse.stability.local.sampling import numbers  # noqa: E402  # behind the skip
from obverse.stability.ports import Answered, Job, Read, Wants  # noqa: E402  # behind the skip

TEXTS = (
    "how to bake bread",
    "the quick brown fox",
    "the quick brown fox jumps over a lazy dog and asks how to bake bread",
    "the quick brown fox jumps over a lazy dog and asks how to bake a fox!",
    "?",
    "sure",
)


def job(
    text: str, *, seeds: tuple[int, ...] = (0, 1, 2), temperature: float = 0.8, tokens: int = 12, **more: Any
) -> Job:
    messages = (
        ChatMessage(role="system", content="a lazy dog and asks sorry I cannot help"),
        ChatMessage(role="user", content=text),
    )
    return Job(id=text, messages=messages, seeds=seeds, temperature=temperature, max_tokens=tokens, **more)


def drawn(model: Any, jobs: list[Job]) -> dict[tuple[str, int], Answered]:
    answers = list(model.draw(jobs))
    found = {(answer.id, answer.seed): answer for answer in answers}
    assert len(found) == len(answers) == sum(len(each.seeds) for each in jobs)
    return found


def slowly(module: Any, ids: tuple[int, ...], seed: int, temperature: float, most: int, ends: frozenset[int]) -> Any:
    """Tokens, mean entropy, mean log-probability: the whole text run again for each token, in f64 behind the logits."""
    uniforms, tokens, entropies, logs = numbers(seed, most), [], [], []
    for step in range(most):
        with torch.no_grad():
            logits = module(input_ids=torch.tensor([[*ids, *tokens]]), use_cache=False).logits[0, -1].double()
        shares = torch.softmax(logits / (temperature or 1.0), -1)
        entropies.append(-sum(share * math.log(share) for share in shares.tolist() if share > 0))
        if temperature:
            token = next(
                at
                for at, passed in enumerate(itertools.accumulate(shares.tolist()))
                if passed > uniforms[step] or at + 1 == len(shares)
            )
        else:
            token = int(logits.argmax())
        tokens.append(token)
        logs.append(math.log(float(shares[token])))
        if token in ends:
            break
    return tokens, sum(entropies) / len(entropies), sum(logs) / len(logs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_what_a_loop_over_whole_texts_draws(kind: str, tiny: Any, plain: Any) -> None:
    model, module = tiny(kind), plain(kind)
    jobs = [job(text, temperature=0.8, seeds=(3, 4)) for text in TEXTS]
    found = drawn(model, jobs)
    for each in jobs:
        ids = model.render(each.messages)
        for seed in each.seeds:
            tokens, entropy, logprob = slowly(module, ids, seed, 0.8, 12, model.ends)
            answer = found[each.id, seed]
            text = model.tokenizer.decode(tokens, skip_special_tokens=True)
            assert (answer.text, answer.tokens, answer.prompt_tokens) == (text, len(tokens), len(ids))
            assert answer.entropy == pytest.approx(entropy, abs=1e-3)
            assert answer.logprob == pytest.approx(logprob, abs=1e-3)
            assert answer.stop == ("stop" if tokens[-1] in model.ends else "length")


@pytest.mark.parametrize("kind", KINDS)
def test_a_greedy_draw_is_what_generate_gives(kind: str, tiny: Any, plain: Any) -> None:
    model, module = tiny(kind), plain(kind)
    for answer, each in zip(model.draw([job(text, temperature=0.0, seeds=(0,)) for text in TEXTS]), TEXTS, strict=True):
        ids = torch.tensor([model.render(job(answer.id).messages)])
        out = module.generate(ids, do_sample=False, max_new_tokens=12, eos_token_id=sorted(model.ends), pad_token_id=0)
        assert answer.text == model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True), each


@pytest.mark.parametrize("kind", ["llama", "windowed", "gpt_oss"])
def test_what_is_drawn_beside_it_does_not_change_a_draw(kind: str, tiny: Any) -> None:
    jobs = [job(text, seeds=(0, 1, 2, 3), temperature=1.0, tokens=20) for text in TEXTS]
    together = drawn(tiny(kind), jobs)
    few_rows = drawn(tiny(kind, rows=3), jobs[::-1])
    nothing_kept = drawn(tiny(kind, settled=1), jobs)
    for each in jobs:
        alone = drawn(tiny(kind), [each])
        for key, answer in alone.items():
            assert {together[key].text, few_rows[key].text, nothing_kept[key].text} == {answer.text}
            assert together[key].entropy == pytest.approx(answer.entropy, abs=1e-4)


def test_a_second_draw_of_the_same_uses_what_is_kept_and_is_the_same(tiny: Any) -> None:
    model = tiny("llama")
    jobs = [job(text) for text in TEXTS]
    first = drawn(model, jobs)
    ran = []
    hook = model.anatomy.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: ran.append((args[0] if args else kwargs["hidden_states"]).shape[1]), with_kwargs=True
    )
    assert {key: answer.text for key, answer in drawn(model, jobs).items()} == {
        key: answer.text for key, answer in first.items()
    }
    hook.remove()
    assert max(ran) == 1  # not a prompt was read again, but for its last token


def test_prompts_that_begin_alike_are_run_once(tiny: Any) -> None:
    model = tiny("llama")
    jobs = [job(f"{TEXTS[2]} {number}", seeds=(0,), tokens=1) for number in range(8)]
    ran = []
    hook = model.anatomy.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: ran.append(math.prod((args[0] if args else kwargs["hidden_states"]).shape[:2])),
        with_kwargs=True,
    )
    drawn(model, jobs)
    hook.remove()
    lengths = [len(model.render(each.messages)) for each in jobs]
    assert sum(ran) < sum(lengths) / 3


def test_at_temperature_0_all_seeds_are_one_row(tiny: Any) -> None:
    found = drawn(tiny("llama", rows=1), [job("sure", seeds=tuple(range(5)), temperature=0.0)])
    assert len({answer.text for answer in found.values()}) == 1
    assert all(answer.entropy is not None and answer.entropy > 0 for answer in found.values())


def test_rows_that_are_done_make_room_and_every_draw_comes_once(tiny: Any) -> None:
    jobs = [
        job(f"{text} {number}", seeds=tuple(range(7)), temperature=1.5, tokens=1 + number * 9)
        for text in TEXTS
        for number in range(4)
    ]
    found = drawn(tiny("llama", rows=5), jobs)
    assert {answer.stop for answer in found.values()} == {"stop", "length"}


def test_the_same_job_twice_is_answered_twice(tiny: Any) -> None:
    answers = list(tiny("llama").draw([job("sure"), job("sure")]))
    assert len(answers) == 6


def test_an_overflow_is_named_and_the_others_are_answered(tiny: Any) -> None:
    long = job(" ".join(["fox"] * 300), seeds=(0, 1))
    tight = job("sure", tokens=250)
    found = drawn(tiny("llama"), [long, tight, job("bread")])
    assert {found[long.id, 0].error, found[long.id, 1].error, found["sure", 0].error} == {"context overflow"}
    assert found[long.id, 0].tokens is None
    assert found["bread", 0].error is None


def test_a_token_that_the_model_does_not_know_is_named(templated: Any, tiny: Any) -> None:
    model = tiny("llama")
    model.tokenizer = templated(model.tokenizer.chat_template)
    model.tokenizer.add_tokens(["#new"])
    model.template._tokenizer = model.tokenizer
    model.template._control = re.compile("(?!)")
    found = drawn(model, [job("bake #new"), job("bake")])
    assert (found["bake #new", 0].error, found["bake", 0].error) == ("unknown token", None)
    [reading] = model.read([Read(id="a", messages=job("bake #new").messages)], Wants())
    assert reading.error == "unknown token"


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_row_that_is_not_a_number_is_named_and_the_others_do_not_see_it(kind: str, wrong: float, tiny: Any) -> None:
    clean = drawn(tiny(kind), [job(text) for text in TEXTS])
    model = tiny(kind)
    [token] = model.tokenizer("~", add_special_tokens=False)["input_ids"]
    model.module.get_input_embeddings().weight.data[token] = wrong
    found = drawn(model, [job(text) for text in TEXTS] + [job("bread ~"), job("~ bake")])
    for seed in (0, 1, 2):
        assert found["bread ~", seed].error == found["~ bake", seed].error == "not a number"
        assert found["~ bake", seed].entropy is None
        for text in TEXTS:
            if "~" not in clean[text, seed].text:  # else it met the token on its way
                assert found[text, seed].text == clean[text, seed].text


def test_a_row_that_goes_wrong_on_the_way_spoils_no_row_that_takes_its_place(tiny: Any) -> None:
    model = tiny("llama", rows=3)
    texts = [f"{text} {number}" for text in TEXTS for number in range(5)]
    clean = drawn(tiny("llama", rows=3), [job(text, temperature=1.5) for text in texts])
    seen = {
        token
        for answer in clean.values()
        for token in model.tokenizer(answer.text, add_special_tokens=False)["input_ids"]
    }
    prompts = {token for text in texts for token in model.render(job(text).messages)}
    token = min(seen - prompts)
    model.module.get_input_embeddings().weight.data[token] = float("nan")
    found = drawn(model, [job(text, temperature=1.5) for text in texts])
    wrong = {key for key, answer in found.items() if answer.error}
    assert 0 < len(wrong) < len(found)
    assert all(found[key].text == clean[key].text for key in found.keys() - wrong)


@pytest.mark.parametrize("kind", ["llama", "mixtral", "windowed"])
def test_a_bad_token_that_nobody_wrote_spoils_nothing(kind: str, tiny: Any) -> None:
    clean = drawn(tiny(kind), [job(text) for text in TEXTS])
    model = tiny(kind)
    model.module.get_input_embeddings().weight.data[0] = float("nan")
    found = drawn(model, [job(text) for text in TEXTS])
    met = {key for key, answer in found.items() if answer.error}
    assert len(met) < len(found) / 2  # some draw it themselves
    assert all(found[key].text == clean[key].text for key in found.keys() - met)


def test_when_memory_bounds_the_rows_the_batch_is_not_made_anew_at_each_token(tiny: Any) -> None:
    model = tiny("llama", settled=1, rows=64)  # memory holds about half of them
    jobs = [job(f"{TEXTS[2]} {number}", seeds=tuple(range(6)), tokens=40, temperature=0.3) for number in range(8)]
    caches: dict[int, Any] = {}
    widest = [0]

    def seen(_: Any, args: Any, kwargs: Any) -> None:
        caches[id(kwargs["past_key_values"])] = kwargs["past_key_values"]
        widest[0] = max(widest[0], (args[0] if args else kwargs["hidden_states"]).shape[0])

    hook = model.anatomy.layers[0].register_forward_pre_hook(seen, with_kwargs=True)
    drawn(model, jobs)
    hook.remove()
    assert widest[0] < 48
    assert len(caches) < 12  # some forty tokens, and as many batches if each were made anew


def test_stopping_ends_it_and_closing_leaves_nothing_behind(tiny: Any) -> None:
    model = tiny("llama", rows=4)
    asked = iter([False] * 6)
    assert len(list(model.draw([job(text, tokens=40) for text in TEXTS], stopped=lambda: next(asked, True)))) < 18
    under_way = model.draw([job(text) for text in TEXTS])
    next(under_way)
    with pytest.raises(MisuseError, match="B344"), model.edited([]):
        pass
    under_way.close()
    with model.edited([]):
        assert len(list(model.draw([job("sure")]))) == 3


@pytest.mark.parametrize(
    ("wrong", "code"), [({"tokens": 0}, "B330"), ({"temperature": -0.1}, "B331"), ({"temperature": math.nan}, "B331")]
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any], code: str, tiny: Any) -> None:
    with pytest.raises(MisuseError, match=code):
        list(tiny("llama").draw([job("sure", **wrong)]))


def test_a_clock_gives_seconds_and_without_one_there_are_none(tiny: Any) -> None:
    ticks = itertools.count()
    assert all(answer.seconds for answer in tiny("llama", clock=lambda: float(next(ticks))).draw([job("sure")]))
    assert all(answer.seconds is None for answer in tiny("llama").draw([job("sure")]))


@pytest.mark.slow
def test_the_real_small_model_draws_greedily_what_generate_gives(smollm2: Any) -> None:
    texts = ["How do I tie a tie?", "Name three rivers.", "What is seven times eight?", "Write a line about rain."]
    jobs = [
        Job(id=text, messages=(ChatMessage(role="user", content=text),), seeds=(0,), temperature=0.0, max_tokens=16)
        for text in texts
    ]
    for answer in smollm2.draw(jobs):
        ids = torch.tensor([smollm2.render((ChatMessage(role="user", content=answer.id),))])
        out = smollm2.module.generate(ids, do_sample=False, max_new_tokens=16, eos_token_id=sorted(smollm2.ends))
        assert answer.text == smollm2.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
