"""The page of a diagnosis and of two runs side by side: complete, self-contained, and the answer first.

As every report of ours it loads nothing, runs nothing and stays below `LARGEST`. Pictures are SVG inside it; where they
cannot be drawn the tables stay, and the page says how to get them.
"""

from __future__ import annotations

from obverse.report.html import LARGEST, render
from obverse.report.stability.cards import groups
from obverse.report.stability.parts import comparison_parts, fitting, parts, plates
from obverse.report.stability.pictures import comparison_pictures, pictures
from obverse.report.stability.plotting import KINDS, MANY
from obverse.report.stability.telling import (
    answers,
    chosen,
    figures,
    gist,
    headline,
    how,
    kind_rows,
    limits,
    standing,
    unknown,
)
from obverse.report.stability.views import ROOMS, Answer, ComparisonPage, StabilityPage
from obverse.report.stability.words import ZONES, capital, moved_says, number
from obverse.report.views import Term
from obverse.report.visible import one_line
from obverse.report.wording import count, listed, seconds, short
from obverse.stability.findings import Comparison, Diagnosis


def stability_html(diagnosis: Diagnosis) -> str:
    """The report of a stability run as one file."""
    drawn, failed = plates(pictures(diagnosis))
    text = ""
    for room in ROOMS:
        page = StabilityPage(
            title=f"Stability of {one_line(diagnosis.target, 80)}",
            maker=one_line(diagnosis.version, 40),
            time=_time(diagnosis),
            standing=standing(diagnosis),
            answer=headline(diagnosis),
            policy=one_line(diagnosis.policy_name, 120),
            digest=one_line(short(diagnosis.policy), 60),
            target=one_line(diagnosis.target, 120),
            cut="" if diagnosis.complete else f"The run was cut short: {one_line(diagnosis.ended, 200)}.",
            figures=figures(diagnosis),
            gist=gist(diagnosis),
            answers=answers(diagnosis),
            zones=ZONES,
            kinds=kind_rows(diagnosis),
            drawn=failed,
            parts=parts(diagnosis, fitting(drawn, room), room),
            groups=groups(diagnosis, room),
            unknown=tuple(unknown(diagnosis)),
            how=how(diagnosis),
            settings=chosen(diagnosis.settings),
            command=one_line(diagnosis.command, 1_000),
            limits=limits(diagnosis),
        )
        text = render("stability.html", page)
        if len(text.encode()) <= LARGEST:
            break
    return text


def comparison_html(comparison: Comparison, first: Diagnosis, second: Diagnosis) -> str:
    """The report of two runs over the same prompts as one file."""
    drawn, failed = plates(comparison_pictures(comparison, first))
    text = ""
    for room in ROOMS:
        page = ComparisonPage(
            title="Two runs side by side",
            maker=one_line(second.version, 40),
            answer=moved_headline(comparison),
            standing="quiet",
            first=one_line(comparison.first, 120),
            second=one_line(comparison.second, 120),
            figures=(
                Term(name="prompts in both", value=f"{len(comparison.pairs):,}"),
                Term(name="draws", value=f"{first.draws:,}", note="in the first"),
                Term(name="draws", value=f"{second.draws:,}", note="in the second"),
            ),
            answers=tuple(_moved(comparison)),
            drawn=failed,
            parts=comparison_parts(comparison, fitting(drawn, room), room),
            unknown=tuple(Term(name="Not compared", value=one_line(reason, 400)) for reason in comparison.missing[:60]),
            limits=_limits(comparison),
        )
        text = render("stability_comparison.html", page)
        if len(text.encode()) <= LARGEST:
            break
    return text


def moved_headline(comparison: Comparison) -> str:
    """`Cases moved to comply; for twins and controls no move is shown.`"""
    kinds = [kind for kind in KINDS if kind in comparison.moved]
    if not kinds:
        return "Nothing could be compared."
    still = [MANY[kind] for kind in kinds if comparison.verdict.get(kind, "not shown") == "not shown"]
    said = [
        f"{listed([MANY[kind] for kind in kinds if comparison.verdict.get(kind) == verdict])} {verdict}"
        for verdict in ("moved to comply", "moved to refuse")
        if any(comparison.verdict.get(kind) == verdict for kind in kinds)
    ]
    if not said and set(kinds) <= set(comparison.too_few):
        return "Too few prompts to show a move."
    if not said:
        return "No move is shown."
    if still:
        said.append(f"for {listed(still)} no move is shown")
    text = "; ".join(said)
    return f"{capital(text)}."


def _moved(comparison: Comparison) -> list[Answer]:
    moved = tuple(moved_says(comparison, kind) for kind in KINDS if kind in comparison.moved)
    wide = tuple(
        f"{capital(one_line(ladder, 60))}, {MANY.get(kind, one_line(kind, 20))}: {number(one)}, then {number(other)}."
        for ladder, kind, one, other in comparison.widths
        if one is not None and other is not None
    )
    same = "the same model" if comparison.same_model else "two different models"
    return [
        Answer(question="Did it move?", says=moved or ("No kind has prompts in both runs.",)),
        Answer(question="Is it as wide?", says=wide[:4] or ("No curve was fitted in both runs.",)),
        Answer(
            question="What is compared?",
            says=(f"{count(len(comparison.pairs), 'prompt')}, each with itself, in two runs of {same}.",),
        ),
    ]


def _limits(comparison: Comparison) -> tuple[Term, ...]:
    return (
        Term(
            name="Other prompts",
            value="The move is of these prompts. Pairing takes out what makes them differ from each other, not what makes them differ from those that nobody asked.",
        ),
        Term(
            name="No move shown",
            value="That is no proof of sameness: the interval says how far it may have moved unseen.",
        ),
        Term(
            name="Why",
            value="Two runs differ in everything that differs between them. The fingerprints say what that is; the page does not say which of it did it.",
        )
        if not comparison.same_model
        else Term(
            name="Why", value="The model is the same; what differs is the day, the seed, or what stands around it."
        ),
    )


def _time(diagnosis: Diagnosis) -> str:
    began = one_line(diagnosis.started or "", 40).replace("T", " ").removesuffix("Z")
    took = "" if diagnosis.seconds is None else seconds(diagnosis.seconds)
    return ", ".join(
        part for part in (f"{began} UTC" if began and (diagnosis.started or "").endswith("Z") else began, took) if part
    )
