"""A claim as it is drawn and said. L10, L11: never a bare rate, and always the worst that the unscored may have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obverse.campaign.records import ClaimLine, ClauseView
from obverse.core.verdicts import Side
from obverse.report.drawing import bar
from obverse.report.views import ORDER, SAID, ClaimView, Row, Standing, Term
from obverse.report.visible import one_line
from obverse.report.wording import (
    count,
    interval,
    listed,
    percent,
    plain_percent,
    rate,
    rough_interval,
    share,
    spelled,
)

MEANS: Final = {Side.VIOLATION: "did what is forbidden", Side.OVER_REFUSAL: "did not do what is allowed"}
_BAD: Final = {Side.VIOLATION: "violations", Side.OVER_REFUSAL: "over-refusals"}
_VERBS: Final[dict[Standing, tuple[str, str]]] = {
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
    "holds": ("holds", "hold"),
}


def standing(claims: Sequence[ClaimLine]) -> Standing:
    """How a clause stands: as its worst claim does; `untried` without any."""
    found = {claim.verdict for claim in claims}
    worst: tuple[Standing, ...] = ("fails", "undecided", "holds")
    return next((verdict for verdict in worst if verdict in found), "untried")


def answer(clauses: Sequence[ClauseView]) -> str:
    """The verdict in a sentence: `One clause fails, three hold and two are undecided.`"""
    found = [standing(clause.claims) for clause in clauses]
    tried = len(found) - found.count("untried")
    if tried > 1 and found.count("holds") == tried:
        return (
            f"All {spelled(tried)} clauses hold."
            if tried == len(found)
            else f"All {spelled(tried)} tried clauses hold."
        )
    parts = [(name, found.count(name)) for name in _VERBS if name in found]
    text = listed(
        [
            f"{spelled(number)}{_noun(number) if place == 0 else ''} {_VERBS[name][number != 1]}"
            for place, (name, number) in enumerate(parts)
        ]
    )
    return f"{text[:1].upper()}{text[1:]}." if text else "Nothing was tried."


def _noun(number: int) -> str:
    return " clause" if number == 1 else " clauses"


def row(*, anchor: str, title: str, id: str, notes: tuple[str, ...], claims: Sequence[ClaimLine]) -> Row:
    """A clause on the first screen."""
    stands = standing(claims)
    by_side = {claim.side: claim_view(claim) for claim in claims}
    return Row(
        anchor=anchor,
        title=one_line(title),
        id=one_line(id),
        notes=notes,
        standing=stands,
        said=SAID[stands],
        violation=by_side.get(Side.VIOLATION),
        over_refusal=by_side.get(Side.OVER_REFUSAL),
    )


def by_urgency(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What fails first; within one standing, the order of the document."""
    return tuple(sorted(rows, key=lambda row: ORDER.index(row.standing)))


def claim_view(claim: ClaimLine) -> ClaimView:
    """The claim, drawn and in words."""
    said = "no data" if claim.n == 0 else SAID[claim.verdict]
    return ClaimView(
        side=claim.side,
        means=MEANS[claim.side],
        standing=claim.verdict,
        said=said,
        rate="no data" if claim.n == 0 else rough_interval(claim.low, claim.high),
        counted=_counted(claim),
        bar=bar(
            threshold=claim.threshold,
            interval=(claim.low, claim.high),
            exact=(claim.exact_low, claim.exact_high),
            seen=(claim.worst_low, claim.worst_high) if claim.unscored + claim.error else (None, None),
            estimate=claim.estimate if 0 < claim.broken < claim.n else None,  # L10: no dot stands at 0 %
            mirrored=claim.side is Side.VIOLATION,
        ),
        label=f"{_BAD[claim.side]}: {rate(claim)}, claimed below {plain_percent(claim.threshold)}: {said}",
        terms=tuple(term for term in _terms(claim) if term.value),
    )


def _counted(claim: ClaimLine) -> str:
    """`0 of 100`, and how many could not be counted."""
    missing = claim.unscored + claim.error
    return f"{share(claim.broken, claim.n)}{f', {missing:,} without score' if missing else ''}"


def _terms(claim: ClaimLine) -> list[Term]:
    scored = f"{share(claim.broken, claim.n)} scored trials {MEANS[claim.side]}"
    sure = plain_percent(claim.confidence)
    estimate = "" if claim.estimate is None or claim.broken in {0, claim.n} else f"estimate {percent(claim.estimate)}"
    missing = count(claim.unscored + claim.error, "trial") if claim.unscored + claim.error else ""
    return [
        Term(name="counted", value=scored, note=f"{count(claim.cases, 'case')}{f'; {estimate}' if estimate else ''}"),
        Term(
            name="rate", value=interval(claim.low, claim.high) if claim.n else "no data",
            note=f"{sure}, {one_line(claim.method) or 'valid at every look'}",
        ),
        Term(
            name="exact", value=_both(claim.exact_low, claim.exact_high),
            note=f"{sure}, for this many trials, had the number been fixed before",
        ),
        Term(name="seen, at worst", value=_seen(claim), note=f"whatever the {missing} without a score were"),
        Term(name="claimed", value=f"below {plain_percent(claim.threshold)}", note=one_line(claim.why, 400)),
        Term(name="to settle it", value=_more(claim)),
        Term(name="judge", value=one_line(claim.judge or "", 400)),
    ]  # fmt: skip


def _seen(claim: ClaimLine) -> str:
    """How many trials may have been broken, between the extremes; nothing where every trial has a score (L11)."""
    missing = claim.unscored + claim.error
    if not missing:
        return ""
    return f"{claim.broken:,} to {share(claim.broken + missing, claim.n + missing)} trials were broken"


def _both(low: float | None, high: float | None) -> str:
    return "" if low is None and high is None else interval(low, high)


def _more(claim: ClaimLine) -> str:
    if claim.verdict != "undecided" or claim.more is None:
        return ""
    return f"{count(claim.more, 'more trial')} without a failure"
