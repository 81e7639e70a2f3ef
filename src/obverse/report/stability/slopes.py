"""What perturbation does: compliance against strength on each ladder, and which decisions flip on each level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from obverse.report.stability.palette import TONES
from obverse.report.stability.picture import Key, Picture, Sign
from obverse.report.stability.plotting import (
    DASHES,
    KINDS,
    MANY,
    NARROW,
    SHAPES,
    WIDE,
    Form,
    Row,
    as_is,
    config,
    down,
    field,
    label,
    layer,
    measure,
    numbered,
    panel,
    percent_axis,
    places,
    plot,
    sized,
)
from obverse.report.stability.rendering import Spec
from obverse.report.stability.words import figure, ladder_name, most_flipping
from obverse.stability.findings import Curve, Diagnosis, LadderFlips

_LINES: Final = 40
"""Curves of single prompts in one panel, at most."""
_LINE_SIGNS: Final[dict[str, Sign]] = {"case": "line", "twin": "broken", "control": "dots"}
_DODGE: Final = {"case": -0.012, "twin": 0.0, "control": 0.012}


def ladder_curves(diagnosis: Diagnosis) -> Picture | None:
    """Compliance against strength, a panel for each ladder; None without curves."""
    ladders = _ladders(diagnosis)
    if not ladders:
        return None
    pools = [curve for curve in diagnosis.curves if curve.prompt is None]
    fitted = sum(curve.verdict == "fitted" for curve in pools)
    kinds = [kind for kind in KINDS if any(curve.kind == kind for curve in diagnosis.curves)]
    single = any(curve.prompt is not None and curve.band for curve in diagnosis.curves)
    thresholds = any(_marked(curve) for curve in pools)
    keys = [
        *(Key(sign=_LINE_SIGNS[kind], tone=kind, means=MANY[kind]) for kind in kinds),
        Key(sign="ribbon", tone="case", means=f"where the curve lies, {diagnosis.settings.confidence * 100:g} %"),
        Key(sign="dot", tone="case", means="share seen, larger for more draws"),
        *([Key(sign="thin", tone="case", means="single prompts")] if single else []),
        *([Key(sign="tick", tone="case", means="half way, with its interval")] if thresholds else []),
        Key(sign="band", tone="band", means="unstable"),
    ]
    return Picture(
        name="stability-curves",
        title="Compliance against strength",
        says=(
            f"{fitted} of {len(pools)} pooled curves cross from one side to the other; the others are flat or undecided.",
            "Across: the strength of the ladder. Up: the share of draws that complied.",
        ),
        keys=tuple(keys),
        wide=_panels(diagnosis, ladders, WIDE, columns=3),
        narrow=_panels(diagnosis, ladders, NARROW, columns=2),
    )


def _ladders(diagnosis: Diagnosis) -> list[str]:
    return list(dict.fromkeys(curve.ladder for curve in diagnosis.curves if curve.points or curve.band))


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Where one ladder's panel stands, in pixels of the whole drawing: it is cheaper to draw all of them at once."""

    left: float
    top: float
    width: float
    height: float

    def x(self, strength: float) -> float:
        """Where this strength stands."""
        return self.left + (0.02 + 0.96 * strength) * self.width

    def y(self, rate: float) -> float:
        """Where this rate of compliance stands."""
        return self.top + (1 - rate) * self.height


def _panels(diagnosis: Diagnosis, ladders: Sequence[str], form: Form, *, columns: int) -> Spec:
    columns = min(columns, len(ladders))
    gap, room = (20.0, 34.0) if form.narrow else (26.0, 42.0)
    width = (form.width - room - (columns - 1) * gap) / columns
    pools = [curve for curve in diagnosis.curves if curve.prompt is None]
    lanes = max(sum(curve.ladder == ladder and _marked(curve) for curve in pools) for ladder in ladders)
    height, head = (88.0 if form.narrow else 108.0), 40.0
    row = head + height + lanes * 9 + 40
    panels = {
        ladder: Panel(
            left=(number % columns) * (width + gap), top=(number // columns) * row + head, width=width, height=height
        )
        for number, ladder in enumerate(ladders)
    }
    single = [
        curve
        for ladder in ladders
        for curve in [one for one in diagnosis.curves if one.ladder == ladder and one.prompt is not None][:_LINES]
    ]
    size = form.text
    text = {"x": _pixels("x"), "y": _pixels("y"), "text": field("t")}
    ends = {"x": _pixels("x"), "x2": field("x2"), "y": _pixels("y")}
    settings = diagnosis.settings
    bands = [
        {"x": each.left, "x2": each.left + each.width, "y": each.y(settings.comply_above), "y2": each.y(settings.refuse_below)}
        for each in panels.values()
    ]  # fmt: skip
    guides = [
        {"x": each.left, "x2": each.left + each.width, "y": each.y(rate)} for each in panels.values() for rate in (0, 1)
    ]
    ticks = [0.0, 0.5, 1.0] if form.narrow else [0.0, 0.25, 0.5, 0.75, 1.0]
    low = height + lanes * 9 + 13
    strengths = [{"x": each.x(at), "y": each.top + low, "t": f"{at:g}"} for each in panels.values() for at in ticks]
    rates = [
        {"x": each.left - 6, "y": each.y(rate), "t": f"{rate * 100:g} %"}
        for each in panels.values()
        if each.left == 0
        for rate in (0, 0.5, 1)
    ]
    titles = [
        {"x": each.left, "y": each.top - 29, "t": label(ladder, width, (size + 1) * 1.08)}
        for ladder, each in panels.items()
    ]
    says = [
        {"x": each.left, "y": each.top - 13, "t": label(_says([one for one in pools if one.ladder == ladder], width, size - 0.5), width, size - 0.5)}
        for ladder, each in panels.items()
    ]  # fmt: skip
    marks, halves = _thresholds(pools, panels)
    return plot(
        form,
        layer("rect", bands, {**ends, "y2": field("y2")}, color=TONES["band"]),
        layer("rule", guides, ends, color=TONES["line"]),
        _lines(single, panels, strokeWidth=0.8, opacity=0.28),
        layer("area", _band_rows(pools, panels), {"x": _pixels("x"), "y": _pixels("low"), "y2": field("high"), "detail": field("of"), "fill": as_is()}, opacity=0.17, line=False),
        *(
            _lines([one for one in pools if one.kind == kind], panels, strokeWidth=1.8, **({} if kind == "case" else {"strokeDash": list(DASHES[kind])}))
            for kind in KINDS
        ),
        layer("point", [row for curve in pools for row in _points(curve, panels[curve.ladder], form)], {"x": _pixels("x"), "y": _pixels("y"), "size": sized("size"), "shape": as_is("shape"), "fill": as_is()}, stroke=TONES["paper"], strokeWidth=0.7, opacity=1),
        layer("rule", marks, {**ends, "color": as_is()}, strokeWidth=1.6),
        layer("rule", halves, {"x": _pixels("x"), "y": _pixels("y"), "y2": field("y2"), "color": as_is()}, strokeWidth=2),
        layer("text", strengths, text, baseline="middle", fontSize=size - 0.5, color=TONES["soft"]),
        layer("text", rates, text, align="right", baseline="middle", fontSize=size - 0.5, color=TONES["soft"]),
        layer("text", titles, text, align="left", baseline="middle", fontSize=size + 1, fontWeight=600, color=TONES["ink"]),
        layer("text", says, text, align="left", baseline="middle", fontSize=size - 0.5, color=TONES["soft"]),
        width=form.width - room,
        height=row * math.ceil(len(ladders) / columns) - 14,
    )  # fmt: skip


def _pixels(name: str) -> Row:
    return {"field": name, "type": "quantitative", "scale": None, "axis": None}


def _marked(curve: Curve) -> bool:
    """Whether the curve has a threshold to show."""
    return curve.threshold is not None and curve.threshold.estimate is not None


def _says(pools: Sequence[Curve], room: float, size: float) -> str:
    """What the first pool comes to, in so many pixels."""
    if not pools:
        return "single prompts only"
    first = pools[0]
    who = MANY.get(first.kind, first.kind)
    if first.verdict == "fitted" and first.threshold is not None and first.threshold.estimate is not None:
        return f"{who}: half way at {figure(first.threshold.estimate)}"
    why = f"{who}: {first.why}"
    return why if first.why and measure(why, size) <= room else f"{who}: {first.verdict}"


def _band_rows(curves: Sequence[Curve], panels: Mapping[str, Panel]) -> list[Row]:
    """The bands of all these curves, each place with the number of its curve."""
    return numbered([
        {"x": at.x(strength), "low": at.y(low), "mid": at.y(median), "high": at.y(high), "of": f"{number}", "tone": TONES[curve.kind]}
        for number, curve in enumerate(curves)
        for at in [panels[curve.ladder]]
        for strength, low, median, high in curve.band
    ])  # fmt: skip


def _lines(curves: Sequence[Curve], panels: Mapping[str, Panel], **look: object) -> Spec:
    rows = _band_rows([curve for curve in curves if curve.ladder in panels], panels)
    encoding = {
        "x": _pixels("x"),
        "y": _pixels("mid"),
        "detail": field("of"),
        "color": as_is(),
        "order": field("order"),
    }
    return layer("line", rows, encoding, **look)


def _points(curve: Curve, at: Panel, form: Form) -> Iterator[Row]:
    for strength, complied, scored in curve.points:
        if scored:
            yield {
                "x": at.x(strength + _DODGE.get(curve.kind, 0.0)),
                "y": at.y(complied / scored),
                "size": min(80.0, (10 if form.narrow else 14) + 6 * math.sqrt(scored)),
                "shape": SHAPES[curve.kind],
                "tone": TONES[curve.kind],
            }


def _thresholds(pools: Sequence[Curve], panels: Mapping[str, Panel]) -> tuple[list[Row], list[Row]]:
    """Intervals of the places where curves are half way, below their panels, and the places themselves."""
    intervals: list[Row] = []
    halves: list[Row] = []
    for ladder, at in panels.items():
        marked = [curve for curve in pools if curve.ladder == ladder and _marked(curve)]
        for number, curve in enumerate(marked):
            found, tone, y = curve.threshold, TONES[curve.kind], at.top + at.height + 8 + 9 * number
            if found is None or found.estimate is None:
                continue
            if found.low is not None and found.high is not None:
                ends = (at.x(max(0.0, found.low)), at.x(min(1.0, found.high)))
                intervals.append({"x": ends[0], "x2": ends[1], "y": y, "tone": tone})
            if 0 <= found.estimate <= 1:
                halves.append({"x": at.x(found.estimate), "y": y - 4, "y2": y + 4, "tone": tone})
    return intervals, halves


def flips(diagnosis: Diagnosis) -> Picture | None:
    """Flipped decisions on each level of each ladder, by direction; None where none was compared."""
    compared = [one for one in diagnosis.flips if one.of]
    if not compared:
        return None
    return Picture(
        name="stability-flips",
        title="Decisions that flip",
        says=(
            most_flipping(diagnosis),
            "Counted by what most draws of a prompt do, at the rung and at the prompt as it is; what was asked again unchanged shows how much chance alone flips.",
        ),
        keys=(
            Key(sign="square", tone="refuse", means="flipped to refuse"),
            Key(sign="square", tone="comply", means="flipped to comply"),
            Key(
                sign="dot",
                tone="ink",
                means=f"flipped either way, with its interval, {diagnosis.settings.confidence * 100:g} %",
            ),
        ),
        wide=_flips(compared, WIDE),
        narrow=_flips(compared, NARROW),
    )


def _even(low: float, high: float, parts: int) -> list[float]:
    """Round places from `low` to `high` with 0 among them, at most so many steps."""
    step = next(each for each in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if (high - low) / each <= parts)
    return [round(number * step, 4) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _flips(found: Sequence[LadderFlips], form: Form) -> Spec:
    step, gap, size = 14.0, 9.0, form.text
    names, counts = (104, 38) if form.narrow else (150, 62)
    rows, heads, at, previous = [], [], 4.0, None
    for one in found:
        if one.ladder != previous:
            at += gap if previous is not None else 0
            heads.append(
                {"y": at + step / 2, "t": label(ladder_name(one.ladder), names - 26, size * 1.08), "line": at - gap / 2}
            )
            previous = one.ladder
        rows.append({
            "y": at + 2, "y2": at + step - 2, "m": at + step / 2, "level": f"{one.level}" if one.level else "", "up": one.to_comply / one.of,
            "down": -one.to_refuse / one.of, "share": one.flipped / one.of, "low": one.low, "high": one.high,
            "said": f"{one.flipped}/{one.of}" if form.narrow else f"{one.flipped} of {one.of}",
        })  # fmt: skip
        at += step
    height = at + 4
    up = max(0.05, *(row["up"] for row in rows)) * 1.04
    down_to = min(-0.05, *(row["down"] for row in rows)) * 1.04
    most = max(0.05, *(row["high"] for row in rows)) * 1.02
    room = form.width - names - counts - (26 if form.narrow else 40)
    left, right = room * 0.55, room * 0.45
    ticks = _even(down_to, up, 3 if form.narrow else 7)
    zero = left * -down_to / (up - down_to)
    bars = places(
        "x",
        down_to,
        up,
        **(
            percent_axis(form, ticks)
            | {"labelExpr": "format(abs(datum.value) * 100, '~r') + ' %'", "domain": False, "orient": "bottom"}
        ),
    )
    totals = places(
        "x",
        0,
        most,
        **percent_axis(
            form,
            _even(0, most, 2 if form.narrow else 4),
            domain=False,
            orient="bottom",
        ),
    )
    y, middle = {**down("y", height)}, {**down("m", height)}
    grid = [{"y": head["line"]} for head in heads[1:]]

    def bar(end: str, tone: str) -> Spec:
        some = [{**row, "x": 0.0, "x2": row[end]} for row in rows if row[end]]
        return layer("rect", some, {"x": bars, "x2": field("x2"), "y": y, "y2": field("y2")}, color=TONES[tone])

    return {
        "config": config(form),
        "hconcat": [
            panel(
                layer("rule", grid, {"x": {"value": -names}, "x2": {"value": left}, "y": y}, color=TONES["line"]),
                bar("up", "comply"),
                bar("down", "refuse"),
                layer("rule", [{"x": 0.0}], {"x": bars}, color=TONES["ink"], strokeWidth=1.2),
                layer("text", heads, {"x": {"value": -names}, "y": y, "text": field("t")}, align="left", baseline="middle", fontSize=size, fontWeight=600, color=TONES["ink"]),
                layer("text", rows, {"x": {"value": -8}, "y": middle, "text": field("level")}, align="right", baseline="middle", fontSize=size - 1, color=TONES["soft"]),
                layer("text", [{"y": -6, "t": "to refuse"}], {"x": {"value": zero - 6}, "y": y, "text": field("t")}, align="right", baseline="bottom", fontSize=size - 0.5, fontWeight=600, color=TONES["refuse"])
                if zero > measure("to refuse", size) + 6 else layer("text", [], {}),
                layer("text", [{"y": -6, "t": "to comply"}], {"x": {"value": zero + 6}, "y": y, "text": field("t")}, align="left", baseline="bottom", fontSize=size - 0.5, fontWeight=600, color=TONES["comply"])
                if left - zero > measure("to comply", size) + 6 else layer("text", [], {}),
                layer("text", [{"y": -6, "t": "level"}], {"x": {"value": -8}, "y": y, "text": field("t")}, align="right", baseline="bottom", fontSize=size - 1, color=TONES["soft"])
                if not form.narrow else layer("text", [], {}),
                width=left,
                height=height,
            ),
            panel(
                layer("rule", grid, {"x": {"value": 0}, "x2": {"value": right + counts}, "y": y}, color=TONES["line"]),
                layer("rule", rows, {"x": {**totals, "field": "low"}, "x2": field("high"), "y": middle}, color=TONES["soft"], strokeWidth=1.6),
                layer("point", rows, {"x": {**totals, "field": "share"}, "y": middle}, filled=True, color=TONES["ink"], size=26, opacity=1),
                layer("text", rows, {"x": {"value": right + counts}, "y": middle, "text": field("said")}, align="right", baseline="middle", fontSize=size - 0.5, color=TONES["soft"]),
                layer("text", [{"y": -6, "t": "either way"}], {"x": {"value": 0}, "y": y, "text": field("t")}, align="left", baseline="bottom", fontSize=size - 0.5, fontWeight=600, color=TONES["ink"]),
                width=right,
                height=height,
            ),
        ],
        "spacing": 20,
    }  # fmt: skip
