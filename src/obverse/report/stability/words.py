"""What is found, in words: each figure with its interval and its number, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from obverse.report.stability.plotting import KINDS, MANY
from obverse.report.visible import one_line
from obverse.report.wording import count, interval, listed, percent
from obverse.stability.findings import Comparison, Components, Diagnosis, Estimate, Tallies
from obverse.stability.records import BASE

ZONES: Final = ("refuse", "unstable", "comply", "undecided")
ZONE_WORDS: Final = {"refuse": "refuse", "unstable": "unstable", "comply": "comply", "undecided": "undecided"}


def figure(found: float | None) -> str:
    """`0.031`, `1.4`, `−0.2`: three digits that count, or `not known`."""
    if found is None or not math.isfinite(found):
        return "not known"
    said = f"{found:.3g}"
    return f"{found:.0f}" if "e+" in said else said.replace("-", "−", 1) if said.startswith("-") else said


def capital(text: str) -> str:
    """The text with a capital in front, and otherwise as it was."""
    return text[:1].upper() + text[1:]


def value(found: float) -> str:
    """The same of a figure that is known: `1,240`, `0.31`."""
    return f"{found:,.0f}" if abs(found) >= 100 else figure(found)


def number(found: Estimate | None, *, unit: str = "") -> str:
    """`0.31 (0.22 to 0.45, n = 120)`, or why there is none."""
    if found is None:
        return "not known"
    after = f" {unit}" if unit else ""
    ends = (
        f"{figure(found.low)} to {figure(found.high)}"
        if found.low is not None and found.high is not None
        else f"above {figure(found.low)}, no upper end"
        if found.low is not None
        else f"below {figure(found.high)}"
        if found.high is not None
        else "no interval"
    )
    if found.estimate is None:
        why = one_line(found.note, 160) or "no data"
        return why if found.low is None and found.high is None else f"{ends}; {why}"
    return f"{figure(found.estimate)}{after} ({ends}, n = {found.n:,})"


def rate(found: Estimate | None) -> str:
    """`48 % (34 % to 62 %, n = 41)`, or why there is none."""
    if found is None:
        return "not known"
    if found.estimate is None:
        why, open_ends = one_line(found.note, 160) or "no data", {(None, None), (0.0, 1.0)}
        return why if (found.low, found.high) in open_ends else f"{interval(found.low, found.high)}; {why}"
    return f"{percent(found.estimate)} ({interval(found.low, found.high)}, n = {found.n:,})"


def tally_says(tally: Tallies) -> str:
    """`20 cases: 6 refuse, 11 unstable, 1 comply, 2 undecided; unstable are 31 % to 85 %.`"""
    of = tally.refuse + tally.unstable + tally.comply + tally.undecided
    parts = [f"{getattr(tally, zone):,} {ZONE_WORDS[zone]}" for zone in ZONES if getattr(tally, zone)]
    name = MANY.get(tally.kind, one_line(tally.kind)) if of != 1 else one_line(tally.kind)
    return f"{of:,} {name}: {', '.join(parts) or 'none placed'}; unstable: {unstable_share(tally)}."


def unstable_share(tally: Tallies) -> str:
    """`33 %` where all prompts were placed; else `20 % to 40 %`, the undecided either way."""
    low, high = tally.share.low, tally.share.high
    return percent(low) if low is not None and low == high else interval(low, high)


def most_flipping(diagnosis: Diagnosis) -> str:
    """`Most flips come from `system`, level 4: 11 of 41 decisions (15 % to 43 %), 9 to comply and 2 to refuse.`"""
    compared = [one for one in diagnosis.flips if one.of]
    if not compared:
        return "No decision at a rung could be compared with the one at the prompt itself."
    calm = next((one for one in compared if one.ladder == BASE), None)
    top = max(
        [one for one in compared if one.ladder != BASE] or compared, key=lambda one: (one.flipped / one.of, one.low)
    )
    if not top.flipped:
        rungs = [one for one in compared if one.ladder != BASE] or compared
        open_ones = sum(one.undecided for one in rungs)
        return (
            f"No decision flipped on any of {count(len(rungs), 'level')}: 0 of {sum(one.of for one in rungs):,}"
            + (f", {open_ones:,} more undecided" if open_ones else "")
            + f"; on one level {interval(0.0, max(one.high for one in rungs))}."
        )
    where = f"{one_line(top.ladder, 60)}, level {top.level}"
    again = (
        f" Asked again unchanged: {calm.flipped:,} of {calm.of:,} ({interval(calm.low, calm.high)})." if calm else ""
    )
    return (
        f"Most flips: {where}: {top.flipped:,} of {count(top.of, 'decision')} ({interval(top.low, top.high)}), "
        f"{top.to_comply:,} to comply and {top.to_refuse:,} to refuse.{again}"
    )


def judge_share(components: Components) -> str:
    """`The judges account for 6.2 % of the variance (judge 1.6 %, case × judge 4.6 %).`"""
    parts = [one for one in components.components if "judge" in one.name and one.share.estimate is not None]
    if not parts:
        why = next((reason for name, reason in components.missing.items() if "judge" in name), "")
        return f"The judges' part of the variance is not known{f': {one_line(why, 200)}' if why else ''}."
    said = listed(
        [
            f"{one_line(one.name, 40)} {percent(one.share.estimate or 0.0)} ({interval(one.share.low, one.share.high)})"
            for one in parts
        ]
    )
    return f"Of the variance is the judges': {said}."


def signed(difference: float) -> str:
    """`+12 points`, of a share."""
    return f"{bare(difference)} points"


def bare(difference: float) -> str:
    """`+12`: the same without its unit."""
    points = round(difference * 100, 1 if abs(difference) < 0.1 else 0)
    return f"{'+' if points > 0 else '−' if points < 0 else ''}{abs(points):g}"


def moved_says(comparison: Comparison, kind: str) -> str:
    """`Cases moved to comply: +21 points (+9 to +33, n = 24, p = 0.001).`"""
    found, verdict, p = comparison.moved[kind], comparison.verdict.get(kind, "not shown"), comparison.p.get(kind)
    name = MANY[kind].capitalize()
    said = f"{name} {verdict}" if verdict != "not shown" else f"{name}: no move is shown"
    if found.estimate is None:
        return f"{said}: {one_line(found.note, 120) or 'no data'}."
    ends = (
        f"{bare(found.low)} to {bare(found.high)}"
        if found.low is not None and found.high is not None
        else "no interval"
    )
    chance = "" if p is None else f", p {'< 0.001' if p < 0.001 else f'= {p:.2g}'}"
    return f"{said}: {signed(found.estimate)} ({ends}, n = {found.n:,}{chance})."


def sentence(text: str) -> str:
    """What somebody wrote, as one sentence; `not said` for nothing."""
    said = one_line(text, 600)
    end = "" if said.endswith((".", "!", "?", "…")) else "."
    return f"{said[:1].upper()}{said[1:]}{end}" if said else "not said"


def ladder_name(ladder: str) -> str:
    """The ladder as people call it; the base is asking again."""
    return "asked again" if ladder == BASE else ladder


def by_kinds(tallies: Sequence[Tallies]) -> list[Tallies]:
    """Cases first, then twins, then controls, then whatever else there is."""
    return sorted(tallies, key=lambda tally: KINDS.index(tally.kind) if tally.kind in KINDS else len(KINDS))
