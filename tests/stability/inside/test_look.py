"""The whole of it, on a model whose truth is known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from obverse.core.errors import EvidenceError, MisuseError
from obverse.stability.findings import Inside
from obverse.stability.inside.look import look
from obverse.stability.records import Settings

SETTINGS = Settings()


def seen(model, prompts, **options) -> Inside:
    return look(
        model,
        prompts,
        zones=options.pop("zones", {}),
        settings=SETTINGS,
        told=options.pop("told", lambda done, all_: None),
        **options,
    )


def numbers(value: object):
    """Every float in a record."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from numbers(one)


@pytest.fixture(scope="module")
def whole(request):
    conftest = request.getfixturevalue("planted_class")
    model = conftest(strength=8.0, sense=3.0, experts=4, routed=1.5)
    told: list[tuple[int, int]] = []
    prompts = request.getfixturevalue("prompts_of")(8, 4)
    return seen(model, prompts, told=lambda done, all_: told.append((done, all_))), prompts, told


def test_every_planted_signal_is_found_from_its_layer_on(whole) -> None:
    inside, _, _ = whole
    for curve in inside.curves:
        if curve.name.startswith(("refusal direction", "probe", "logit lens", "attention spread", "routing likeness")):
            assert curve.chosen is not None
            assert curve.chosen >= 3
            assert curve.nested is not None
            assert (curve.nested.low or 0) > 0.7
            for line in curve.lines:
                area = line.value.estimate
                assert area is not None
                assert (abs(area - 0.5) > 0.3) == (line.layer >= 3)
    lines = {line.name: line for line in inside.detectors}
    for name in ("length in tokens", "log perplexity"):
        assert (lines[name].auroc.low or 0) < 0.5
    assert {line.layer for line in inside.routing if line.q < 0.05} == {3, 4, 5, 6}
    assert [line.name for line in inside.plausibility] == ["possible", "likely"]
    assert all("beats perplexity" in line.says for line in inside.plausibility)
    assert ["a cause is shown" in row.note for row in inside.interventions] == [True] * 3


def test_every_prompt_has_its_signals_and_its_row(whole) -> None:
    inside, prompts, _ = whole
    assert [one.prompt for one in inside.signals] == [prompt.id for prompt in prompts]
    for one in inside.signals:
        assert None not in (
            one.margin, one.projection, one.lens, one.probe, one.attention, one.routing, one.plausibility, one.perplexity, one.tokens,
        )  # fmt: skip
    by_kind = [
        np.mean([one.projection for one, prompt in zip(inside.signals, prompts) if prompt.kind == kind])  # type: ignore[misc]  # none is missing, see above
        for kind in ("case", "twin")
    ]
    assert by_kind[0] > by_kind[1] + 2
    for heat in inside.maps:
        assert len(heat.values) == len(heat.rows)
        assert all(len(row) == len(heat.columns) for row in heat.values)
    named = {heat.name: heat for heat in inside.maps}
    assert named["refusal direction"].rows == tuple(prompt.id for prompt in prompts)
    assert named["attention spread"].columns == ("1", "2", "3", "4", "5", "6")


def test_no_number_is_not_one_and_the_record_survives_a_round_trip(whole) -> None:
    inside, _, _ = whole
    assert all(math.isfinite(value) for value in numbers(msgspec.to_builtins(inside)))
    assert msgspec.json.decode(msgspec.json.encode(inside), type=Inside) == inside


def test_progress_grows_to_no_more_than_its_whole(whole) -> None:
    _, _, told = whole
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(done <= all_ for done, all_ in told)
    assert told[-1][0] == told[-1][1]


def test_L23_what_is_wanted_of_a_family_does_not_change_its_own_signals(planted, some_prompts) -> None:
    prompts = some_prompts(5, 4)
    other = [
        msgspec.structs.replace(prompt, wanted="comply" if prompt.wanted == "refuse" else "refuse")
        if prompt.family == "f2"
        else prompt
        for prompt in prompts
    ]
    one, two = (seen(planted(experts=4, routed=1.0), some).signals for some in (prompts, other))
    for first, second, prompt in zip(one, two, prompts):
        assert (first == second) == (prompt.family == "f2"), prompt.id


def test_the_same_again_is_the_same(planted, some_prompts) -> None:
    prompts = some_prompts(4, 2)
    assert seen(planted(), prompts) == seen(planted(), prompts)


def test_a_dense_model_without_attention_and_words_says_so(planted, some_prompts) -> None:
    inside = seen(planted(attends=False, words=False), some_prompts(4, 3))
    assert inside.missing["routing"] == "the model has no experts"
    for name in ("attention", "attention share", "lens", "margin"):
        assert "does not give it" in inside.missing[name]
    assert "margin" in inside.missing["interventions"]
    assert {curve.name for curve in inside.curves} >= {"refusal direction", "probe"}
    assert all(one.margin is None and one.attention is None and one.projection is not None for one in inside.signals)


def test_one_family_can_learn_nothing_and_still_gives_what_needs_no_learning(planted, some_prompts) -> None:
    inside = seen(planted(), some_prompts(1, 8))
    for name in ("projection", "probe", "lens", "attention", "interventions"):
        assert "too few families" in inside.missing[name]
    assert all(one.margin is not None and one.plausibility is not None for one in inside.signals)
    assert "margin" not in inside.missing
    assert "too few families" in inside.missing["refusal margin as a detector"]
    assert all(one.projection is None for one in inside.signals)
    assert inside.interventions == ()


def test_readings_that_failed_are_counted_and_leave_no_number(planted, some_prompts) -> None:
    prompts = some_prompts(4, 3)
    model = planted(bad={prompts[0].id: "context overflow", prompts[3].id: "no span"}, nan=(prompts[5].id,))
    inside = seen(model, prompts)
    assert (
        inside.missing["readings"]
        == "3 of 24 prompts were not read: context overflow (1), no span (1), not a number (1)"
    )
    for place in (0, 3, 5):
        assert inside.signals[place].projection is None
        assert inside.signals[place].perplexity is None
        assert inside.signals[place].tokens is not None
    assert inside.signals[1].projection is not None
    assert all(math.isfinite(value) for value in numbers(msgspec.to_builtins(inside)))


def test_a_model_that_reads_nothing_at_all_is_no_crash(planted, some_prompts) -> None:
    prompts = some_prompts(3, 2)
    inside = seen(planted(bad={prompt.id: "not a number" for prompt in prompts}), prompts)
    assert "12 of 12 prompts" in inside.missing["readings"]
    assert "0 harmful" in inside.missing["projection"]
    assert len(inside.signals) == 12


def test_zones_say_whom_to_learn_from_and_give_a_curve_of_their_own(planted, some_prompts) -> None:
    prompts = some_prompts(6, 4)
    model = planted(strength=8.0)
    zones = {prompt.id: "refuse" if prompt.wanted == "refuse" else "comply" for prompt in prompts}
    zones[prompts[0].id] = "comply"
    inside = seen(model, prompts, zones=zones)
    [direction] = [curve for curve in inside.curves if curve.name == "refusal direction"]
    assert "learnt from the 47 of 48" in direction.note
    [behaved] = [curve for curve in inside.curves if curve.name == "refused against complied"]
    assert behaved.nested is not None
    assert (behaved.nested.low or 0) > 0.6
    [line] = [line for line in inside.detectors if line.name == "refusal margin: refused against complied"]
    assert (line.auroc.estimate or 0) > 0.9
    never = dict.fromkeys(zones, "comply")
    inside = seen(model, prompts, zones=never)
    [direction] = [curve for curve in inside.curves if curve.name == "refusal direction"]
    assert "too few behave as is wanted" in direction.note
    assert "0 refused" in inside.missing["refused against complied"]


def test_a_signal_that_some_prompts_lack_is_judged_on_the_others(planted, some_prompts) -> None:
    prompts = some_prompts(6, 4)

    class Short(planted):
        def reading(self, read, wants):
            found = super().reading(read, wants)
            return msgspec.structs.replace(found, attention=None) if "g0" in read.id else found

    inside = seen(Short(), prompts)
    assert "attention: 12 of 48 prompts do not have it" in inside.notes
    lacks = [one.prompt for one in inside.signals if one.attention is None]
    assert lacks == [prompt.id for prompt in prompts if "g0" in prompt.id]


def test_layers_that_do_not_see_the_span_are_left_out_and_said_to_be(planted, some_prompts) -> None:
    class Windowed(planted):
        blind = slice(0, 6, 2)

        def reading(self, read, wants):
            found = super().reading(read, wants)
            if found.attention is not None and read.id.endswith("case"):
                found.attention[self.blind] = np.nan
            return found

    inside = seen(Windowed(), some_prompts(6, 4))
    [curve] = [curve for curve in inside.curves if curve.name == "attention spread"]
    assert [line.layer for line in curve.lines] == [2, 4, 6]
    assert curve.chosen in {4, 6}
    assert any(note.startswith("attention spread: 3 of 6 layers") for note in inside.notes)
    assert all(one.attention is not None for one in inside.signals)

    class Blind(Windowed):
        blind = slice(0, 6)

    assert all(
        one.attention is None for one in seen(Blind(), some_prompts(6, 4)).signals if one.prompt.endswith("case")
    )


def test_answers_are_read_where_somebody_can(planted, some_prompts) -> None:
    model = planted(strength=8.0)
    inside = seen(
        model, some_prompts(6, 4), answers=model, refuses=lambda prompt, text: "refuse" if "can't" in text else "comply"
    )
    assert all("greedy answers, judged" in row.note for row in inside.interventions)


def test_misuse_is_named(planted, some_prompts) -> None:
    prompts = some_prompts(3, 2)
    with pytest.raises(MisuseError, match="B404"):
        seen(planted(), [*prompts, prompts[2]])
    with pytest.raises(MisuseError, match="no prompt"):
        seen(planted(), [])


def test_readings_of_others_or_of_another_shape_are_refused(planted, some_prompts) -> None:
    prompts = some_prompts(3, 2)

    class Swapped(planted):
        def read(self, reads, wants):
            return super().read(list(reversed(reads)), wants)

    class Wide(planted):
        def stack(self, name):
            return super().stack(name)[:, :5]

        def margin(self, name, row):
            return 0.0

    class Silent(planted):
        def read(self, reads, wants):
            return iter(())

    for made, code in ((Swapped, "B402"), (Wide, "B403"), (Silent, "B402")):
        with pytest.raises(EvidenceError, match=code):
            seen(made(), prompts)


def test_kept_memory_is_the_residual_stacks_of_the_prompts(planted, some_prompts) -> None:
    inside = seen(planted(width=64), some_prompts(8, 8))
    expected = 128 * 7 * 64 * 4 / 2**20
    assert any(note.startswith(f"kept {expected:.1f} MiB") for note in inside.notes)


def test_a_prompt_that_stands_in_two_families_is_counted_in_one(planted, some_prompts) -> None:
    """A control of ours, say, that stands beside cases of two clauses: what is learnt on one would be shown on the other."""
    original = some_prompts()
    copies = [msgspec.structs.replace(one, id=f"{one.id} again", family=original[-1].family) for one in original[:6]]
    inside = seen(planted(), [*original, *copies])
    once = seen(planted(), original)
    assert {line.auroc.n for line in inside.detectors} == {line.auroc.n for line in once.detectors} == {len(original)}
    assert any(note.startswith(f"6 of {len(original) + 6} prompts stand in another family") for note in inside.notes)
    assert not any("word for word" in note for note in once.notes)
