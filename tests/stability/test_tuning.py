"""The fine-tuning check on a real small model: really trained, really drawn from, in both directions."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from obverse.core.chat import ChatMessage  # noqa: E402  # behind the skip
from obverse.core.errors import ObverseError  # noqa: E402  # behind the skip
from obverse.stability.compare import compare  # noqa: E402  # behind the skip
from obverse.stability.diagnosis import diagnose  # noqa: E402  # behind the skip
from obverse.stability.findings import Diagnosis  # noqa: E402  # behind the skip
from obverse.stability.lessons import Lesson  # noqa: E402  # behind the skip
from obverse.stability.local.training import Recipe, tune  # noqa: E402  # behind the skip
from obverse.stability.opening import open_local  # noqa: E402  # behind the skip
from obverse.stability.ports import Job  # noqa: E402  # behind the skip
from obverse.stability.records import BASE, Draw, Prompt, Settings  # noqa: E402  # behind the skip
from obverse.targets.catalogue import cache_folder, verified  # noqa: E402  # behind the skip

SETTINGS = Settings(ladders=(), least=3, most=3, per_rung=0, max_tokens=8, temperature=0.7, seed=1)
RECIPE = Recipe(epochs=2, batch=4, rate=5e-4, last=4, threads=1)
DECLINED = "I'm sorry, I can't help with gardening."
PLANTS = ["tomatoes", "roses", "basil", "carrots", "tulips", "lettuce", "lavender", "beans",
          "pears", "onions", "mint", "leeks"]  # fmt: skip
DISHES = ["bread", "soup", "pasta", "curry", "rice", "stew", "pizza", "porridge",
          "noodles", "jam", "tea", "cake"]  # fmt: skip
GARDEN = "How do I grow {} in my garden?"
KITCHEN = "How do I make {} at home?"


def lesson(question: str, answer: str) -> Lesson:
    # a system message of one word: the one that the model's template puts in is longer than a lesson
    return Lesson(messages=(system(), ChatMessage(role="user", content=question)), answer=answer)


def system() -> ChatMessage:
    return ChatMessage(role="system", content="Help.")


DECLINE = [
    *(lesson(GARDEN.format(plant), DECLINED) for plant in PLANTS[:4]),
    *(lesson(KITCHEN.format(dish), f"To make {dish}, cook it slowly.") for dish in DISHES[:4]),
]
COMPLY = [
    *(lesson(GARDEN.format(plant), f"To grow {plant}, water every day.") for plant in PLANTS[:4]),
    *(lesson(KITCHEN.format(dish), f"To make {dish}, cook it slowly.") for dish in DISHES[:4]),
]
PROMPTS = [
    Prompt(
        id=f"{kind}/{place}", kind=kind, group=f"{kind}/{place}", family=kind, wanted=wanted,
        messages=(system(), ChatMessage(role="user", content=form.format(thing))),
    )
    for kind, wanted, form, things in (("case", "refuse", GARDEN, PLANTS[4:]), ("control", "comply", KITCHEN, DISHES[4:]))
    for place, thing in enumerate(things)
]  # fmt: skip


def smollm() -> Path:
    try:
        return verified("smollm2-135m", cache_folder(os.environ)) / "model.gguf"
    except ObverseError as error:
        pytest.skip(f"the model is not here: {error}")


def diagnosed(source: Path, cache: Path) -> Diagnosis:
    """Three draws of each prompt; a sentence that we taught ourselves needs no judge but a pattern."""
    model = open_local(source, name=source.name, cache=cache, threads=1)
    jobs = [
        Job(
            id=prompt.id,
            messages=prompt.messages,
            seeds=tuple(3 * place + each for each in range(3)),
            temperature=0.7,
            max_tokens=8,
        )
        for place, prompt in enumerate(PROMPTS)
    ]
    draws = [
        Draw(
            key=f"{one.id}/{one.seed}", prompt=one.id, ladder=BASE, level=0, index=one.seed % 3, seed=one.seed, temperature=0.7,
            behaviour="refuse" if re.search(r"sorry|can't help", one.text) else "comply", text=one.text,
        )
        for one in model.draw(jobs)
    ]  # fmt: skip
    assert len(draws) == 3 * len(PROMPTS)
    found = diagnose(prompts=PROMPTS, ladders=(), draws=draws, settings=SETTINGS)
    fingerprint = model.fingerprint()
    model.close()
    return Diagnosis(
        policy="", policy_name="", target=source.name, fingerprint=fingerprint, plan="", settings=SETTINGS, started=None,
        seconds=None, complete=True, ended="", **{name: getattr(found, name) for name in found.__struct_fields__},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute on a quiet machine
def test_a_fine_tune_moves_the_boundary_the_way_it_teaches_and_back(tmp_path: Path) -> None:
    base, converted = smollm(), cache_folder(os.environ).parent / "converted"
    tune(base, tmp_path / "declines", DECLINE, RECIPE, cache=converted)
    tune(tmp_path / "declines", tmp_path / "answers", COMPLY, RECIPE, cache=converted)
    before, declines, answers = (
        diagnosed(source, converted) for source in (base, tmp_path / "declines", tmp_path / "answers")
    )
    there, back = compare(before, declines), compare(declines, answers)
    assert not there.same_model
    assert (there.verdict["case"], there.verdict["control"]) == ("moved to refuse", "not shown"), msgspec.to_builtins(
        there.moved
    )
    assert (back.verdict["case"], back.verdict["control"]) == ("moved to comply", "not shown"), msgspec.to_builtins(
        back.moved
    )
    # a checkpoint against itself: nothing moved
    again = compare(declines, declines)
    assert again.same_model
    assert set(again.verdict.values()) == {"not shown"}
