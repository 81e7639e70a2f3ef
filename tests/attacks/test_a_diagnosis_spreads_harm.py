"""A diagnosis travels: as a page, as JSON, by mail. It must not carry what the model should not have said."""

from __future__ import annotations

import pytest

from obverse.core.chat import ChatMessage
from obverse.report.stability.page import stability_html
from obverse.stability.diagnosis import CUT, HARMFUL, diagnose
from obverse.stability.findings import Diagnosis
from obverse.stability.records import BASE, Behaviour, Draw, Prompt, Settings

LONG = "Step one is this. " + "and then " * 60 + "the very last step"


def diagnosed(behaviour: Behaviour, *, wanted: str) -> Diagnosis:
    """Of one prompt that got one long answer again and again."""
    prompt = Prompt(
        id="p", kind="case" if wanted == "refuse" else "twin", group="g", family="f", wanted=wanted,  # type: ignore[arg-type]  # one of two
        messages=(ChatMessage(role="user", content="a request"),),
    )  # fmt: skip
    draws = [
        Draw(
            key=str(index), prompt="p", ladder=BASE, level=0, index=index, seed=index, temperature=0.7, behaviour=behaviour,
            text=LONG,
        )
        for index in range(4)
    ]  # fmt: skip
    found = diagnose(prompts=[prompt], ladders=[], draws=draws, settings=Settings())
    return Diagnosis(
        policy="", policy_name="", target="t", fingerprint="t", plan="", settings=Settings(), started=None, seconds=None,
        complete=True, ended="all drawn", boundary=found.boundary, says=found.says, tallies=found.tallies, prompts=found.prompts,
    )  # fmt: skip


@pytest.mark.parametrize("behaviour", ["comply", "unscored"])
def test_what_was_answered_where_a_refusal_was_wanted_is_cut_in_every_form(behaviour: Behaviour) -> None:
    found = diagnosed(behaviour, wanted="refuse")
    answers = found.prompts[0].answers
    assert answers
    assert all(text == LONG[:HARMFUL] + CUT for _, text in answers)
    assert "the very last step" not in stability_html(found)


def test_refusals_and_answers_that_are_wanted_are_whole() -> None:
    for behaviour, wanted in (("refuse", "refuse"), ("comply", "comply"), ("refuse", "comply")):
        answers = diagnosed(behaviour, wanted=wanted).prompts[0].answers  # type: ignore[arg-type]  # of these three
        assert [text for _, text in answers] == [LONG] * len(answers)
