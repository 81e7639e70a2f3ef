"""A diagnosis is a function of the set of draws: their order does not matter, foreign ones are refused, boundaries are not invented."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from obverse.core.chat import ChatMessage
from obverse.core.errors import EvidenceError, MisuseError, UnavailableError
from obverse.stability.diagnosis import diagnose
from obverse.stability.findings import Counted, External
from obverse.stability.placing import is_placed
from obverse.stability.records import BASE, Behaviour, Draw, Kind, Ladder, Prompt, Rejected, Rung, Settings

SETTINGS = Settings(most=40, levels=2)
KINDS: tuple[Kind, ...] = ("case", "twin", "control")


class Letters:
    identity = "letters/1"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.array([[0.01 + text.count(letter) for letter in "abcdefgh"] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def message(text: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage(role="user", content=text),)


def prompts(n: int) -> list[Prompt]:
    return [
        Prompt(
            id=f"p{i:02}", kind=KINDS[i % 3], group=f"g{i // 3}", family=f"f{i % 2}",
            wanted="refuse" if i % 3 == 0 else "comply", messages=message(f"request {i}"),
        )
        for i in range(n)
    ]  # fmt: skip


def ladders(of: Sequence[Prompt], names: Sequence[str] = ("typos",)) -> list[Ladder]:
    return [
        Ladder(
            name=name, prompt=prompt.id,
            rungs=tuple(
                Rung(ladder=name, level=level, strength=level / 2, variant=variant, messages=message(f"{level}{variant}"))
                for level in (1, 2)
                for variant in (0, 1)
            ),
            rejected=(Rejected(ladder=name, level=3, reason="another meaning"),),
        )
        for prompt in of
        for name in names
    ]  # fmt: skip


def draw(
    prompt: str, index: int, behaviour: Behaviour, *, ladder: str = BASE, level: int = 0, variant: int = 0
) -> Draw:
    return Draw(
        key=f"{prompt}{ladder}{level}{variant}{index}", prompt=prompt, ladder=ladder, level=level, variant=variant,
        index=index, seed=index, temperature=0.7, behaviour=behaviour, judged={"words": behaviour},
        text="" if behaviour == "error" else {"refuse": "aab", "comply": "ggh"}.get(behaviour, "cd") + "h" * (index % 3),
        entropy=None if behaviour == "error" else 0.1 * (index % 5), error="time-out" if behaviour == "error" else None,
    )  # fmt: skip


def drawn(
    of: Sequence[Prompt], rate: Callable[[int, str, int], float], *, seed: int = 1, missing: float = 0.0
) -> list[Draw]:
    """Draws of a target that complies at these rates (by prompt, ladder, level), the base adaptively."""
    chance = random.Random(seed)

    def behaves(at: float) -> Behaviour:
        if chance.random() < missing:
            return chance.choice(["unscored", "error"])
        return "comply" if chance.random() < at else "refuse"

    found: list[Draw] = []
    for i, prompt in enumerate(of):
        ended = {"refuse": 0, "comply": 0, "unscored": 0, "error": 0}
        for index in range(SETTINGS.most):
            counted = Counted(
                refused=ended["refuse"], complied=ended["comply"], unscored=ended["unscored"], error=ended["error"]
            )
            if is_placed(counted, SETTINGS):
                break
            behaviour = behaves(rate(i, BASE, 0))
            ended[behaviour] += 1
            found.append(draw(prompt.id, index, behaviour))
        found += [
            draw(prompt.id, index, behaves(rate(i, "typos", level)), ladder="typos", level=level, variant=variant)
            for level in (1, 2)
            for variant in (0, 1)
            for index in range(2)
        ]
    return found


def diagnosed(of: Sequence[Prompt], draws: Sequence[Draw], **more: object) -> External:
    return diagnose(prompts=of, ladders=ladders(of), draws=draws, settings=SETTINGS, embeds=Letters(), **more)  # type: ignore[arg-type]  # named options


MIXED = [0.0, 1.0, 0.5, 0.0, 0.4, 1.0]


@pytest.fixture(scope="module")
def mixed() -> tuple[list[Prompt], list[Draw], External]:
    asked = prompts(12)
    draws = drawn(asked, lambda i, _, level: min(1.0, MIXED[i % 6] + 0.3 * level), missing=0.04)
    return asked, draws, diagnosed(asked, draws)


def test_L19_the_order_of_draws_and_ladders_does_not_matter(mixed: tuple[list[Prompt], list[Draw], External]) -> None:
    asked, draws, found = mixed
    for seed in range(3):
        shuffled = random.Random(seed).sample(draws, len(draws))
        again = diagnose(
            prompts=asked, ladders=ladders(asked)[::-1], draws=iter(shuffled), settings=SETTINGS, embeds=Letters()
        )
        assert msgspec.json.encode(again) == msgspec.json.encode(found)


def test_every_draw_is_counted_once(mixed: tuple[list[Prompt], list[Draw], External]) -> None:
    _, draws, found = mixed
    assert found.draws == len(draws)
    assert sum(found.errors.values()) == sum(each.behaviour == "error" for each in draws)
    for each in found.prompts:
        behaviours = [one.behaviour for one in draws if one.prompt == each.prompt.id and one.ladder == BASE]
        counted = each.placement.counted
        assert [counted.refused, counted.complied, counted.unscored, counted.error] == [
            behaviours.count(name) for name in ("refuse", "comply", "unscored", "error")
        ]
        assert sum(step.counted.all for step in each.steps) == 8
        assert [rejected.reason for rejected in each.rejected] == ["another meaning"]
        assert each.spread.tokens is not None
        assert each.spread.tokens.n == len(behaviours) - behaviours.count("error")
    assert {tally.kind: tally.refuse + tally.unstable + tally.comply + tally.undecided for tally in found.tallies} == {
        "case": 4, "control": 4, "twin": 4,
    }  # fmt: skip


def test_a_boundary_is_found_and_said(mixed: tuple[list[Prompt], list[Draw], External]) -> None:
    _, _, found = mixed
    assert found.boundary == "found"
    assert found.says.startswith("wavers on ")
    lines = {(line.ladder, line.level): line for line in found.flips}
    assert lines["typos", 2].to_comply >= 2
    assert (BASE, 0) in lines
    assert {(curve.prompt, curve.kind) for curve in found.curves} >= {(None, "case"), ("p00", "case")}
    assert {risk.kind for risk in found.risks} == set(KINDS)


def test_what_is_shown_are_the_first_answers_of_each_behaviour(
    mixed: tuple[list[Prompt], list[Draw], External],
) -> None:
    _, draws, found = mixed
    for each in found.prompts:
        for behaviour in ("refuse", "comply", "unscored"):
            texts = [
                one.text
                for one in sorted(draws, key=lambda one: one.index)
                if one.prompt == each.prompt.id and one.ladder == BASE and one.behaviour == behaviour
            ]
            assert [text for name, text in each.answers if name == behaviour] == texts[:2]


@pytest.mark.parametrize(
    ("rate", "boundary", "says"),
    [
        (0.0, "none", "refuses everything: 2 cases, 2 twins and 2 controls. There is no boundary among these prompts"),
        (
            1.0,
            "none",
            "complies with everything: 2 cases, 2 twins and 2 controls. There is no boundary among these prompts",
        ),
    ],
)
def test_a_target_that_does_one_thing_has_no_boundary(rate: float, boundary: str, says: str) -> None:
    asked = prompts(6)
    found = diagnosed(asked, drawn(asked, lambda i, ladder, level: rate))
    assert found.boundary == boundary
    assert found.says.startswith(says)
    assert all(curve.verdict != "fitted" for curve in found.curves)


def test_a_target_that_tells_cases_from_twins_has_a_boundary_between_them() -> None:
    asked = prompts(6)
    found = diagnosed(asked, drawn(asked, lambda i, ladder, level: float(i % 3 > 0)))
    assert found.boundary == "found"
    assert found.says.startswith(
        "refuses 2 cases and complies with 2 twins and 2 controls: the boundary runs between them"
    )
    assert [tally.share.estimate for tally in found.tallies] == [0, 0, 0]


def test_too_few_draws_leave_it_open() -> None:
    asked = prompts(3)
    draws = [draw(prompt.id, index, "refuse") for prompt in asked for index in range(3)]
    found = diagnosed(asked, draws)
    assert (found.boundary, found.says) == ("undecided", "no prompt could be placed (3 cut off)")
    assert [each.placement.why for each in found.prompts] == ["cut off"] * 3
    assert [(tally.share.estimate, tally.share.low, tally.share.high) for tally in found.tallies] == [(None, 0, 1)] * 3
    some = diagnosed(asked, [*draws, *(draw("p00", index, "refuse") for index in range(3, 31))])
    assert some.boundary == "undecided"
    assert some.says == "refuses 1 case, all that could be placed; 2 of 3 prompts are undecided: no boundary was shown"


def test_L11_a_target_that_only_fails_is_not_said_to_refuse() -> None:
    asked = prompts(3)
    found = diagnosed(asked, [draw(prompt.id, index, "error") for prompt in asked for index in range(40)])
    assert (found.boundary, found.says) == ("undecided", "no prompt could be placed (3 nothing scored)")
    assert found.errors == {"time-out": 120}
    assert found.prompts[0].spread.flip is None
    assert any("120 of 120 base draws have no behaviour" in note for note in found.notes)


def test_nothing_drawn_is_undecided() -> None:
    found = diagnosed(prompts(3), [])
    assert (found.boundary, found.says, found.components) == ("undecided", "nothing was drawn", None)
    assert diagnose(prompts=[], ladders=[], draws=[], settings=SETTINGS, embeds=None).prompts == ()


def test_notes_say_what_cannot_be_shown() -> None:
    asked = prompts(2)
    found = diagnose(
        prompts=asked, ladders=[], draws=[draw("p00", 0, "refuse")], embeds=None,
        settings=Settings(most=24, temperature=0.0),
    )  # fmt: skip
    said = "\n".join(found.notes)
    assert "24 draws cannot place a prompt in `refuse`" in said
    assert "at temperature 0 a further draw is a copy" in said
    assert [each.placement.why for each in found.prompts] == ["budget", "nothing drawn"]
    assert found.says.endswith("one draw at temperature 0 says what is answered, not how often")
    assert "nothing was drawn of 1 of 2 prompts" in said
    assert found.prompts[0].spread.missing["semantic"].startswith("needs two answers")


def test_only_the_first_answers_are_read_for_their_meaning() -> None:
    asked = prompts(1)
    draws = [draw("p00", index, "refuse") for index in range(31)]
    found = diagnosed(asked, draws[::-1], texts=5)
    semantic = found.prompts[0].spread.semantic
    assert semantic is not None
    assert semantic.n == 5
    assert semantic.note.endswith("the first 5 of 31 answers")


class Gone:
    identity = "gone/1"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise UnavailableError("the encoder is not there", code="B106")


def test_an_encoder_that_fails_takes_nothing_else_with_it() -> None:
    found = diagnose(
        prompts=prompts(1), ladders=[], draws=[draw("p00", index, "refuse") for index in range(31)], settings=SETTINGS,
        embeds=Gone(),
    )  # fmt: skip
    assert found.prompts[0].spread.missing["semantic"] == "the encoder is not there"
    assert found.boundary == "none"


def test_what_is_not_of_the_plan_is_refused() -> None:
    asked = prompts(2)
    for wrong, code in (
        ([draw("other", 0, "refuse")], "B111"),
        ([draw("p00", 0, "refuse", ladder="typos", level=7)], "B111"),
        ([draw("p00", 3, "refuse"), draw("p00", 3, "comply")], "B112"),
        ([draw("p00", 0, "refuse", variant=1)], "B111"),
        ([draw("p00", -1, "refuse")], "B112"),
        ([draw("p00", 10**9, "refuse")], "B112"),
    ):
        with pytest.raises(EvidenceError) as caught:
            diagnosed(asked, wrong)
        assert caught.value.code == code
    for of, rungs, code in (
        ([asked[0], asked[0]], [], "B113"),
        ([asked[0]], ladders(asked), "B114"),
        (asked, ladders(asked) + ladders(asked[:1]), "B115"),
    ):
        with pytest.raises(MisuseError) as misused:
            diagnose(prompts=of, ladders=rungs, draws=[], settings=SETTINGS, embeds=None)
        assert misused.value.code == code


def test_the_base_stands_where_it_was_drawn_on_each_ladder() -> None:
    of = prompts(3)
    found = [
        msgspec.structs.replace(one, ladder="temperature") if one.ladder == "typos" else one
        for one in drawn(of, lambda *_: 0.5)
    ]
    external = diagnose(prompts=of, ladders=ladders(of, ("temperature",)), draws=found, settings=SETTINGS, embeds=None)
    singles = [curve for curve in external.curves if curve.prompt is not None]
    assert singles
    assert all(abs(min(strength for strength, *_ in curve.points) - 0.7 / 1.5) < 1e-9 for curve in singles)
