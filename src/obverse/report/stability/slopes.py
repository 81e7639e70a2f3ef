"""What perturbation does: compliance against strength on each ladder, and which decisions flip on each level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

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
    sized,
)
from obverse.report.stability.rendering import Spec
from obverse.report.stability.words import figure, most_flipping
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
        ),
        keys=tuple(keys),
        wide=_panels(diagnosis, ladders, WIDE, columns=3),
        narrow=_panels(diagnosis, ladders, NARROW, columns=2),
    )


def _ladders(diagnosis: Diagnosis) -> list[str]:
    return list(dict.fromkeys(curve.ladder for curve in diagnosis.curves if curve.points or curve.band))


def _panels(diagnosis: Diagnosis, ladders: Sequence[str], form: Form, *, columns: int) -> Spec:
    columns = min(columns, len(ladders))
    width = (form.width - 44 - (columns - 1) * 22) / columns
    lanes = max(sum(curve.ladder == ladder and _marked(curve) for curve in diagnosis.curves) for ladder in ladders)
    return {
        "config": config(form),
        "concat": [
            _panel(diagnosis, ladder, form, width=width, first=number % columns == 0, lanes=lanes)
            for number, ladder in enumerate(ladders)
        ],
        "columns": columns,
        "spacing": {"row": 22, "column": 22},
        "align": "each",
    }


def _panel(diagnosis: Diagnosis, ladder: str, form: Form, *, width: float, first: bool, lanes: int) -> dict[str, Any]:
    mine = [curve for curve in diagnosis.curves if curve.ladder == ladder]
    pools = [curve for curve in mine if curve.prompt is None]
    single = [curve for curve in mine if curve.prompt is not None and curve.band][:_LINES]
    marked = [curve for curve in pools if _marked(curve)]
    lowest = -0.04 - 0.07 * lanes
    size = form.text - 1
    axis: dict[str, Any] = {"grid": False, "labelFontSize": size}
    x = places("x", -0.03, 1.03, **axis, values=[0, 0.5, 1] if form.narrow else [0, 0.25, 0.5, 0.75, 1], format=".3~r")
    y = places(
        "y", lowest, 1.04, **(percent_axis(form, [0, 0.5, 1]) | {"domain": False, "ticks": False, "labels": first})
    )
    settings = diagnosis.settings
    layers = [
        layer(
            "rect",
            [{"y": settings.refuse_below, "y2": settings.comply_above}],
            {"x": {"value": 0}, "x2": {"value": width}, "y": y, "y2": field("y2")},
            color=TONES["band"],
        ),
        layer(
            "rule", [{"y": 0.0}, {"y": 1.0}], {"x": {"value": 0}, "x2": {"value": width}, "y": y}, color=TONES["line"]
        ),
        *(_thin(curve, x, y) for curve in single),
        *(_ribbon(curve, x, y) for curve in pools),
        *(_median(curve, x, y) for curve in pools),
        layer(
            "point",
            [row for curve in pools for row in _points(curve, form)],
            {"x": x, "y": y, "size": sized("size"), "shape": as_is("shape"), "fill": as_is()},
            stroke=TONES["paper"],
            strokeWidth=0.7,
            opacity=1,
        ),
        *(_threshold(curve, x, y, -0.03 - 0.07 * number - 0.03) for number, curve in enumerate(marked)),
    ]
    room = width - 4
    return {
        "title": {
            "text": label(ladder, room, form.text + 1),
            "subtitle": label(_says(pools), room, size),
            "anchor": "start", "frame": "group", "fontSize": form.text + 1, "fontWeight": 600, "color": TONES["ink"],
            "subtitleFontSize": size, "subtitleColor": TONES["soft"], "offset": 6, "subtitlePadding": 2,
        },
        **panel(*layers, width=width, height=118 if form.narrow else 138),
    }  # fmt: skip


def _marked(curve: Curve) -> bool:
    """Whether the curve is a pool's and has a threshold to show."""
    return curve.prompt is None and curve.threshold is not None


def _says(pools: Sequence[Curve]) -> str:
    """What the first pool comes to."""
    if not pools:
        return "single prompts only"
    first = pools[0]
    who = MANY.get(first.kind, first.kind)
    if first.verdict == "fitted" and first.threshold is not None and first.threshold.estimate is not None:
        return f"{who}: half way at {figure(first.threshold.estimate)}"
    return f"{who}: {first.why or first.verdict}"


def _thin(curve: Curve, x: Row, y: Row) -> Spec:
    rows = numbered([{"x": strength, "y": median} for strength, _, median, _ in curve.band])
    return layer(
        "line", rows, {"x": x, "y": y, "order": field("order")}, color=TONES[curve.kind], strokeWidth=0.8, opacity=0.28
    )


def _ribbon(curve: Curve, x: Row, y: Row) -> Spec:
    rows = numbered([{"x": strength, "y": low, "y2": high} for strength, low, _, high in curve.band])
    return layer("area", rows, {"x": x, "y": y, "y2": field("y2")}, color=TONES[curve.kind], opacity=0.17, line=False)


def _median(curve: Curve, x: Row, y: Row) -> Spec:
    rows = numbered([{"x": strength, "y": median} for strength, _, median, _ in curve.band])
    dash = list(DASHES[curve.kind]) if curve.kind != "case" else None
    options = {"strokeDash": dash} if dash else {}
    return layer(
        "line", rows, {"x": x, "y": y, "order": field("order")}, color=TONES[curve.kind], strokeWidth=1.8, **options
    )


def _points(curve: Curve, form: Form) -> Iterator[Row]:
    for strength, complied, scored in curve.points:
        if scored:
            yield {
                "x": strength + _DODGE.get(curve.kind, 0.0),
                "y": complied / scored,
                "size": min(80.0, (10 if form.narrow else 14) + 6 * math.sqrt(scored)),
                "shape": SHAPES[curve.kind],
                "tone": TONES[curve.kind],
            }


def _threshold(curve: Curve, x: Row, y: Row, at: float) -> Spec:
    """A tick where the curve is half way, on its interval."""
    found, tone = curve.threshold, TONES[curve.kind]
    rows: list[Row] = []
    if found is not None and found.low is not None and found.high is not None:
        rows.append({"x": max(0.0, found.low), "x2": min(1.0, found.high), "y": at})
    ticks = [{"x": found.estimate, "y": at}] if found is not None and found.estimate is not None else []
    return {
        "layer": [
            each
            for each in (
                layer("rule", rows, {"x": x, "x2": field("x2"), "y": y}, color=tone, strokeWidth=1.6),
                layer("tick", ticks, {"x": x, "y": y}, color=tone, orient="vertical", thickness=2, height=9, size=9),
            )
            if each["data"]["values"]
        ]
    }


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
            "Counted by what most draws of a prompt do, at the rung and at the prompt as it is.",
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


def _flips(found: Sequence[LadderFlips], form: Form) -> Spec:
    step, gap, size = 14.0, 9.0, form.text
    names, counts = (104, 38) if form.narrow else (150, 62)
    rows, heads, at, previous = [], [], 4.0, None
    for one in found:
        if one.ladder != previous:
            at += gap if previous is not None else 0
            heads.append({"y": at + step / 2, "t": label(one.ladder, names - 26, size), "line": at - gap / 2})
            previous = one.ladder
        rows.append({
            "y": at + 2, "y2": at + step - 2, "m": at + step / 2, "level": f"{one.level}", "up": one.to_comply / one.of,
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
    step_of = next(each for each in (0.05, 0.1, 0.2, 0.25, 0.5) if (up - down_to) / each <= (4 if form.narrow else 7))
    ticks = [round(number * step_of, 4) for number in range(math.ceil(down_to / step_of), math.floor(up / step_of) + 1)]
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
            [each for each in (0, 0.25, 0.5, 0.75, 1) if each <= most] if most > 0.3 else [0, 0.1, 0.2],
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
                layer("text", [{"y": -6, "t": "to refuse"}], {"x": {"value": left * -down_to / (up - down_to) - 6}, "y": y, "text": field("t")}, align="right", baseline="bottom", fontSize=size - 0.5, fontWeight=600, color=TONES["refuse"])
                if left * -down_to / (up - down_to) > measure("to refuse", size) or not form.narrow else layer("text", [], {}),
                layer("text", [{"y": -6, "t": "to comply"}], {"x": {"value": left * -down_to / (up - down_to) + 6}, "y": y, "text": field("t")}, align="left", baseline="bottom", fontSize=size - 0.5, fontWeight=600, color=TONES["comply"]),
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
