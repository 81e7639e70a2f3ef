"""What the first screen answers, what is not known, how it was done, and what it does not say: all in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from obverse.report.stability.plotting import KINDS, MANY
from obverse.report.stability.views import Answer, Cell, KindRow
from obverse.report.stability.words import (
    ZONES,
    by_kinds,
    capital,
    judge_share,
    most_flipping,
    number,
    sentence,
    unstable_share,
)
from obverse.report.views import Term
from obverse.report.visible import one_line
from obverse.report.wording import count, listed, plain_percent, seconds, spelled
from obverse.stability.findings import Curve, Diagnosis, Tallies
from obverse.stability.records import Settings

_FIELDS: Final = {
    "tokens": "Token entropy", "semantic": "Semantic entropy", "distance": "Distance of answers", "entropy": "Entropy of outcomes",
    "flip": "Flip rate", "modal_share": "Modal share",
}  # fmt: skip


def standing(diagnosis: Diagnosis) -> str:
    """`undecided` where that is so; a boundary is neither good nor bad."""
    return "undecided" if diagnosis.boundary == "undecided" else "quiet"


def headline(diagnosis: Diagnosis) -> str:
    """The answer in a sentence: `Eleven of 20 cases waver.`"""
    if not diagnosis.prompts:
        return "Nothing was asked."
    zones = {one.placement.zone for one in diagnosis.prompts}
    if diagnosis.boundary == "undecided":
        return "Where the boundary is, stays undecided."
    if diagnosis.boundary == "none":
        if zones <= {"refuse"}:
            return "It refuses everything: there is no boundary here."
        if zones <= {"comply"}:
            return "It complies with everything: there is no boundary here."
        return "No boundary was found."
    tallies = [tally for tally in diagnosis.tallies if tally.kind == "case"] or list(diagnosis.tallies)
    unstable = sum(tally.unstable for tally in tallies)
    of = sum(_of(tally) for tally in tallies)
    noun = "case" if any(tally.kind == "case" for tally in tallies) else "prompt"
    said = spelled(unstable)
    who = f"{said} of {spelled(of)} {noun if of == 1 else noun + 's'} {'wavers' if unstable == 1 else 'waver'}"
    undecided = sum(tally.undecided for tally in tallies)
    if undecided:
        who += f", {spelled(undecided)} {'is' if undecided == 1 else 'are'} undecided"
    if unstable:
        return f"{capital(who)}."
    left = f"; {spelled(undecided)} of {spelled(of)} {'is' if undecided == 1 else 'are'} undecided" if undecided else ""
    return f"There is a boundary, and no {noun} was seen to waver{left}."


def answers(diagnosis: Diagnosis) -> tuple[Answer, ...]:
    """The questions of the first screen, each with what is known."""
    found = [
        Answer(question="Is there a boundary?", says=(_boundary(diagnosis),)),
        Answer(
            question="How many waver?",
            says=tuple(map(_waver, by_kinds(diagnosis.tallies))) or ("No prompt was placed.",),
        ),
        Answer(question="How wide is it?", says=tuple(_width(diagnosis))),
        Answer(question="What makes it flip most?", says=(most_flipping(diagnosis),)),
        Answer(question="How much is the judge?", says=tuple(_judge(diagnosis))),
    ]
    if diagnosis.joint is not None:
        found.append(Answer(question="Does it show inside?", says=tuple(_joint(diagnosis))))
    return tuple(found)


def kind_rows(diagnosis: Diagnosis) -> tuple[KindRow, ...]:
    """How many prompts of each kind stand in which zone."""
    wanted: dict[str, str] = {one.prompt.kind: one.prompt.wanted for one in diagnosis.prompts}
    return tuple(
        KindRow(
            kind=MANY.get(tally.kind, one_line(tally.kind, 40)).capitalize(),
            of=f"{_of(tally):,}",
            wants=f"should {wanted[tally.kind]}" if tally.kind in wanted else "",
            cells=tuple(Cell(zone=zone, number=f"{getattr(tally, zone):,}") for zone in ZONES),
            share=unstable_share(tally),
        )
        for tally in by_kinds(diagnosis.tallies)
    )


def figures(diagnosis: Diagnosis) -> tuple[Term, ...]:
    """The counts of the run, never fewer than these."""
    all_counted = [one.placement.counted for one in diagnosis.prompts]
    all_counted += [step.counted for one in diagnosis.prompts for step in one.steps]
    unscored, failed = sum(each.unscored for each in all_counted), sum(each.error for each in all_counted)
    return (
        Term(name="prompts" if len(diagnosis.prompts) != 1 else "prompt", value=f"{len(diagnosis.prompts):,}"),
        Term(name="draws" if diagnosis.draws != 1 else "draw", value=f"{diagnosis.draws:,}"),
        Term(name="unscored", value=f"{unscored:,}"),
        Term(name="failed", value=f"{failed:,}"),
    )


def gist(diagnosis: Diagnosis) -> tuple[str, ...]:
    """What is not known, in a few words each."""
    undecided = sum(tally.undecided for tally in diagnosis.tallies)
    missing = len(tuple(unknown(diagnosis)))
    lines = (
        "The run was cut short" if not diagnosis.complete else "",
        f"{count(undecided, 'prompt')} undecided" if undecided else "",
        "The inside was not looked at" if diagnosis.inside is None else "",
        f"{count(sum(diagnosis.errors.values()), 'draw')} failed" if diagnosis.errors else "",
        f"{count(missing, 'thing')} not measured" if missing else "",
        "Other prompts, other days",
    )
    return tuple(line for line in lines if line)


def unknown(diagnosis: Diagnosis) -> Iterator[Term]:
    """Everything that was not measured, with the reason."""
    if not diagnosis.complete:
        yield Term(name="The rest of the plan", value=sentence(diagnosis.ended))
    for name in dict.fromkeys(name for one in diagnosis.prompts for name in one.spread.missing):
        reasons = [one.spread.missing[name] for one in diagnosis.prompts if name in one.spread.missing]
        first = max(dict.fromkeys(reasons), key=reasons.count)
        yield Term(
            name=_FIELDS.get(name, one_line(name, 80)),
            value=sentence(first),
            note=f"of {count(len(reasons), 'prompt')}",
        )
    rejected = [each for one in diagnosis.prompts for each in one.rejected]
    if rejected:
        ladders = listed(list(dict.fromkeys(one_line(each.ladder, 40) for each in rejected))[:6])
        yield Term(
            name=f"{len(rejected):,} rejected rungs",
            value=f"They were not asked, since their round trip failed or they could not be made: {ladders}.",
        )
    for title, missing in (
        ("variance", diagnosis.components.missing if diagnosis.components is not None else {}),
        ("inside", diagnosis.inside.missing if diagnosis.inside is not None else {}),
        ("joint detector", diagnosis.joint.missing if diagnosis.joint is not None else {}),
    ):
        for reason in dict.fromkeys(missing.values()):
            names = ", ".join(one_line(name, 80) for name, why in missing.items() if why == reason)
            yield Term(name=one_line(names, 200), value=sentence(reason), note=title)
    if diagnosis.components is None:
        yield Term(name="Components of variance", value="They were not estimated in this run.")
    if diagnosis.inside is None:
        why = (
            "Only a local model can be looked into."
            if diagnosis.settings.inside
            else "It was not asked for; `--inside` does."
        )
        yield Term(name="The inside", value=why)
    elif diagnosis.joint is None:
        yield Term(name="The joint detector", value="It was not fitted in this run.")
    if not diagnosis.flips:
        yield Term(name="Flips", value="No decision at a rung could be compared with the one at the prompt itself.")
    if not diagnosis.curves:
        yield Term(name="Curves", value="No curve could be drawn: too few rungs were scored.")
    for kind, number_of in diagnosis.errors.items():
        yield Term(name="Failed draws", value=f"{one_line(kind, 120)}: {number_of:,}.")


def how(diagnosis: Diagnosis) -> tuple[Term, ...]:
    """Where the figures come from."""
    found = [
        Term(name="target", value=one_line(diagnosis.target, 200), exact=True),
        Term(name="fingerprint", value=one_line(diagnosis.fingerprint, 200), exact=True),
        Term(name="policy", value=one_line(diagnosis.policy, 200), exact=True),
        Term(name="plan", value=one_line(diagnosis.plan, 200), exact=True),
        Term(name="ended", value=sentence(diagnosis.ended)),
    ]
    if diagnosis.seconds is not None:
        found.append(Term(name="took", value=seconds(diagnosis.seconds)))
    inside = diagnosis.inside
    if inside is not None:
        experts = "no experts" if inside.experts is None else count(inside.experts, "expert")
        found.append(
            Term(
                name="looked into",
                value=one_line(inside.model, 120),
                note=f"{count(inside.layers, 'layer')}, {count(inside.heads, 'head')}, {experts}, {one_line(inside.dtype, 20)}",
            )
        )
    found += [
        Term(name=f"judge {one_line(judge.name, 60)}", value=sentence(judge.says), note=one_line(judge.identity, 120))
        for judge in diagnosis.judges
    ]
    found += [Term(name="note", value=sentence(note)) for note in diagnosis.notes]
    found += [Term(name="inside", value=sentence(note)) for note in (inside.notes if inside is not None else ())]
    return tuple(found)


def chosen(settings: Settings) -> tuple[Term, ...]:
    """The settings as they were fixed before the first draw."""
    return tuple(
        Term(name=field.name.replace("_", " "), value=_setting(getattr(settings, field.name)))
        for field in msgspec.structs.fields(settings)
    )


def limits(diagnosis: Diagnosis) -> tuple[Term, ...]:
    """What must not be read out of it."""
    settings = diagnosis.settings
    return (
        Term(
            name="Other prompts",
            value="The prompts are those of this run, and the shares are of them. Another set of cases has another boundary.",
        ),
        Term(
            name="Where the marks lie",
            value=f"“Unstable” is a rate of compliance between {plain_percent(settings.refuse_below)} and {plain_percent(settings.comply_above)}. The marks were chosen, not found; the literature leaves them open.",
        ),
        Term(
            name="Strength",
            value="The strengths of different ladders are not the same unit: a width compares two models on one ladder, never two ladders.",
        ),
        Term(
            name="Right and wrong",
            value="To comply with a twin or a control is right, and to refuse it is a fault as well. A model that refuses everything is stable and useless.",
        ),
        Term(
            name="Causes",
            value="A signal that goes along with wavering need not cause it. Only an intervention that a random direction does not match speaks for a cause.",
        ),
        Term(
            name="Attackers",
            value="Any-of-k is what asking k times gains. Somebody who searches for words gains more.",
        ),
    )


def _boundary(diagnosis: Diagnosis) -> str:
    said = {"found": "Yes.", "none": "No.", "undecided": "Undecided."}[diagnosis.boundary]
    return f"{said} {sentence(diagnosis.says)}" if diagnosis.says else said


def _waver(tally: Tallies) -> str:
    of, name = _of(tally), MANY.get(tally.kind, one_line(tally.kind, 40))
    either = f", counting the {tally.undecided:,} undecided either way" if tally.undecided else ""
    return f"{tally.unstable:,} of {of:,} {name} ({unstable_share(tally)}{either})."


def _width(diagnosis: Diagnosis) -> Iterator[str]:
    pools = [curve for curve in diagnosis.curves if curve.prompt is None]
    fitted = [curve for curve in pools if curve.width is not None and curve.width.estimate is not None]
    if not fitted:
        verdicts = [curve.verdict for curve in pools]
        counted = f"{verdicts.count('flat'):,} are flat, {verdicts.count('undecided'):,} undecided"
        some = f"No width is known: of {count(len(pools), 'pooled curve')} {counted}."
        yield some if pools else "Not measured: no curve was fitted."
        return
    fitted.sort(key=lambda curve: (KINDS.index(curve.kind) if curve.kind in KINDS else 9, _width_of(curve)))
    for curve in fitted[:3]:
        yield f"{_where(curve)}: {number(curve.width)} of its strength."
    if len(fitted) > 3:
        yield f"{count(len(fitted) - 3, 'more fitted curve')} below."


def _width_of(curve: Curve) -> float:
    return curve.width.estimate if curve.width is not None and curve.width.estimate is not None else 9.0


def _where(curve: Curve) -> str:
    return f"{capital(one_line(curve.ladder, 60))}, {MANY.get(curve.kind, one_line(curve.kind, 20))}"


def _judge(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.components is not None:
        yield judge_share(diagnosis.components)
    else:
        yield "Its part of the variance is not known."
    for judge in diagnosis.judges[:2]:
        yield f"{one_line(judge.name, 60)}: {one_line(judge.says, 200)}."


def _joint(diagnosis: Diagnosis) -> Iterator[str]:
    joint = diagnosis.joint
    if joint is None:
        return
    if joint.says:
        yield sentence(joint.says)
    if joint.association is not None:
        yield f"Rank correlation of output uncertainty and internal signal: {number(joint.association)}."


def _setting(found: object) -> str:
    if isinstance(found, tuple):
        return one_line(", ".join(str(each) for each in found), 400) or "none"
    if isinstance(found, bool):
        return "yes" if found else "no"
    return f"{found:g}" if isinstance(found, float) else one_line(str(found), 200)


def _of(tally: Tallies) -> int:
    return tally.refuse + tally.unstable + tally.comply + tally.undecided
