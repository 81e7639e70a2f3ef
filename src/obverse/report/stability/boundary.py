"""The boundary map: every prompt by its probability of compliance, one lane for each kind, the unstable band shaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from obverse.report.stability.palette import TONES
from obverse.report.stability.picture import Key, Picture
from obverse.report.stability.plotting import (
    KINDS,
    MANY,
    NARROW,
    SHAPES,
    TONE_OF_ZONE,
    WIDE,
    Form,
    Row,
    as_is,
    down,
    field,
    label,
    layer,
    percent_axis,
    places,
    plot,
    sized,
)
from obverse.report.stability.rendering import Spec
from obverse.report.stability.words import by_kinds, tally_says
from obverse.stability.findings import Diagnosis, PromptFinding

_HEAD: Final = 34
_GAP: Final = 16
_TOP: Final = 20


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The prompts of one kind, by π, and where they stand: pixels from the top of the plot."""

    kind: str
    wanted: str
    top: float
    step: float
    members: tuple[PromptFinding, ...]

    def middle(self, number: int) -> float:
        """Where this member's row has its middle."""
        return self.top + (number + 0.5) * self.step

    @property
    def bottom(self) -> float:
        """Where the lane ends."""
        return self.top + len(self.members) * self.step


def boundary_map(diagnosis: Diagnosis) -> Picture | None:
    """The map; None without prompts."""
    if not diagnosis.prompts:
        return None
    zones = {one.placement.zone for one in diagnosis.prompts}
    unclear = any(one.placement.counted.scored < one.placement.counted.all for one in diagnosis.prompts)
    settings = diagnosis.settings
    keys = [
        Key(sign="dot", tone="refuse", means="refuses") if "refuse" in zones else None,
        Key(sign="diamond", tone="unstable", means="unstable") if "unstable" in zones else None,
        Key(sign="square", tone="comply", means="complies") if "comply" in zones else None,
        Key(sign="hollow", tone="unsure", means="undecided") if "undecided" in zones else None,
        Key(sign="bar", tone="soft", means=f"interval of π, {settings.confidence * 100:g} %"),
        Key(sign="thin", tone="soft", means="if unscored and failed draws had gone either way") if unclear else None,
        Key(
            sign="band",
            tone="band",
            means=f"unstable, {settings.refuse_below * 100:g} % to {settings.comply_above * 100:g} %",
        ),
        Key(sign="band", tone="wanted", means="where it should be"),
    ]
    return Picture(
        name="stability-map",
        title="The boundary map",
        says=tuple(tally_says(tally) for tally in by_kinds(diagnosis.tallies)),
        keys=tuple(key for key in keys if key is not None),
        wide=_map(diagnosis, WIDE),
        narrow=_map(diagnosis, NARROW),
    )


def by_rate(findings: Sequence[PromptFinding]) -> list[PromptFinding]:
    """Least compliant first; what was never scored comes last."""

    def place(one: PromptFinding) -> tuple[float, float, float, str]:
        rate = one.placement.rate
        low = 0.0 if rate.low is None else rate.low
        high = 1.0 if rate.high is None else rate.high
        return (2.0 if rate.estimate is None else rate.estimate, low, high, one.prompt.id)

    return sorted(findings, key=place)


def by_kind(findings: Sequence[PromptFinding]) -> Iterator[tuple[str, list[PromptFinding]]]:
    """Each kind that there is, with its prompts by rate."""
    for kind in KINDS:
        members = by_rate([one for one in findings if one.prompt.kind == kind])
        if members:
            yield kind, members


def row_height(number: int) -> float:
    """Pixels of a row: roomy for few prompts, hair thin for hundreds."""
    for most, height in ((15, 20.0), (36, 16.0), (75, 13.0), (130, 8.0), (220, 5.0)):
        if number <= most:
            return height
    return 1100 / number


def lanes(diagnosis: Diagnosis) -> list[Lane]:
    """The lanes from top to bottom."""
    step, top, found = row_height(len(diagnosis.prompts)), float(_TOP), []
    for kind, members in by_kind(diagnosis.prompts):
        wants = {one.prompt.wanted for one in members}
        found.append(
            Lane(
                kind=kind,
                wanted=wants.pop() if len(wants) == 1 else "",
                top=top + _HEAD,
                step=step,
                members=tuple(members),
            )
        )
        top = found[-1].bottom + _GAP
    return found


def spaced(lane: Lane, room: float) -> set[int]:
    """Which rows are named: the unstable ones first, as many as stand apart from each other."""
    taken: list[int] = []
    order = sorted(range(len(lane.members)), key=lambda row: (lane.members[row].placement.zone != "unstable", row))
    for row in order:
        if all(abs(row - other) * lane.step >= room for other in taken):
            taken.append(row)
    return set(taken)


def _map(diagnosis: Diagnosis, form: Form) -> Spec:
    settings = diagnosis.settings
    low, high = settings.refuse_below, settings.comply_above
    found = lanes(diagnosis)
    height = found[-1].bottom + 4
    names, counts = (116, 36) if form.narrow else (196, 62)
    width = form.width - names - counts - 20
    x = places(
        "x",
        -0.015,
        1.015,
        **percent_axis(form, _ticks(low, high, form), orient="bottom", title="probability of compliance π"),
    )
    y = down("y", height)
    ends = {"x": x, "x2": field("x2"), "y": y, "y2": field("y2")}
    rows = [row for lane in found for row in _rows(lane, form, names)]
    size = form.text
    thick = max(1.0, min(5.0, found[0].step * 0.3))
    marks = [{"x": at, "y": lane.top - 4, "y2": lane.bottom + 4} for at in (low, high) for lane in found]
    dense = found[0].step < 8
    zones = [
        {"x": -0.015, "y": 10, "t": "refuse", "tone": TONES["refuse"], "align": "left"},
        {"x": (low + high) / 2, "y": 10, "t": "unstable", "tone": TONES["unstable"], "align": "center"},
        {"x": 1.015, "y": 10, "t": "comply", "tone": TONES["comply"], "align": "right"},
    ]
    return plot(
        form,
        layer("rect", [{"x": low, "x2": high, "y": _TOP - 4, "y2": height}], ends, color=TONES["band"]),
        layer("rect", _wanted(found, low, high), ends, color=TONES["wanted"]),
        layer("rule", marks, {"x": x, "y": y, "y2": field("y2")}, color=TONES["ink"], strokeDash=[2, 2.5], strokeWidth=1.1),
        *(
            layer("text", [one], {"x": x, "y": y, "text": field("t"), "color": as_is()}, align=one["align"], fontSize=size, fontWeight=600, baseline="middle")
            for one in zones
        ),
        layer("text", _heads(found), {"x": {"value": -names}, "y": y, "text": field("t")}, align="left", baseline="middle", fontSize=size + 1, fontWeight=600, color=TONES["ink"]),
        *(
            layer("text", [one for one in _heads(found) if one["align"] == side], {"x": x, "y": y, "text": field("w")}, align=side, baseline="middle", fontSize=size - 0.5, color=TONES["soft"])
            for side in ("left", "right")
        ),
        layer("rule", _lines(found), {"x": {"value": -names}, "x2": {"value": width + counts}, "y": y}, color=TONES["line"]),
        layer("rule", [row for row in rows if row["worst"]], {"x": {**x, "field": "wl"}, "x2": field("wh"), "y": y, "color": as_is()}, strokeWidth=0.6 if dense else 1, opacity=0.4 if dense else 0.8),
        layer("rule", [row for row in rows if row["known"]], {"x": {**x, "field": "l"}, "x2": field("h"), "y": y, "color": as_is()}, strokeWidth=thick, opacity=0.75 if dense else 0.5, strokeCap="round"),
        layer("point", [row for row in rows if row["dot"]], {"x": x, "y": y, "fill": as_is("fill"), "stroke": as_is(), "shape": as_is("shape"), "size": sized("size")}, opacity=1, strokeWidth=max(0.6, thick * 0.32)),
        layer("text", [row for row in rows if row["name"]], {"x": {"value": -10}, "y": y, "text": field("name")}, align="right", baseline="middle", fontSize=min(size, 12), color=TONES["ink"]),
        layer("text", [row for row in rows if row["seen"]], {"x": {"value": width + counts}, "y": y, "text": field("seen")}, align="right", baseline="middle", fontSize=min(size, 11.5), color=TONES["soft"]),
        width=width,
        height=height,
    )  # fmt: skip


def _ticks(low: float, high: float, form: Form) -> list[float]:
    """The marks, and between and beside them what keeps its distance."""
    apart = 0.17 if form.narrow else 0.09
    found = [low, high] if high - low > apart else [low]
    for at in (0.5, 0.0, 1.0, 0.25, 0.75):
        if all(abs(at - other) >= apart for other in found):
            found.append(at)
    return sorted(found)


def _wanted(found: Sequence[Lane], low: float, high: float) -> list[Row]:
    sides = {"refuse": (-0.015, low), "comply": (high, 1.015)}
    return [
        {"x": sides[lane.wanted][0], "x2": sides[lane.wanted][1], "y": lane.top - 4, "y2": lane.bottom + 4}
        for lane in found
        if lane.wanted
    ]


def _heads(found: Sequence[Lane]) -> list[Row]:
    return [
        {
            "y": lane.top - 15,
            "t": f"{MANY[lane.kind].capitalize()} ({len(lane.members)})",
            "w": f"should {lane.wanted}" if lane.wanted else "",
            "align": "left" if lane.wanted == "refuse" else "right",
            "x": -0.015 if lane.wanted == "refuse" else 1.015,
        }
        for lane in found
    ]


def _lines(found: Sequence[Lane]) -> list[Row]:
    return [{"y": lane.top - 4} for lane in found]


def _rows(lane: Lane, form: Form, names: float) -> Iterator[Row]:
    named = set(range(len(lane.members))) if lane.step >= 13 else spaced(lane, 13)
    for number, one in enumerate(lane.members):
        placed = one.placement
        rate, counted = placed.rate, placed.counted
        tone = TONES[TONE_OF_ZONE[placed.zone]]
        yield {
            "y": lane.middle(number),
            "x": rate.estimate,
            "l": rate.low,
            "h": rate.high,
            "wl": placed.worst_low,
            "wh": placed.worst_high,
            "known": rate.low is not None and rate.high is not None,
            "worst": counted.scored < counted.all,
            "dot": rate.estimate is not None,
            "tone": tone,
            "fill": TONES["paper"] if placed.zone == "undecided" else tone,
            "shape": SHAPES[placed.zone],
            "size": max(10.0, min(64.0, lane.step**2 * 0.28)) * (1.15 if placed.zone == "unstable" else 1.0),
            "name": label(one.prompt.id, names - 14, min(form.text, 12)) if number in named else "",
            "seen": _seen(counted.complied, counted.scored, form) if lane.step >= 13 else "",
        }


def _seen(complied: int, scored: int, form: Form) -> str:
    return f"{complied}/{scored}" if form.narrow else f"{complied} of {scored}"
