"""What a model looks like inside: signals over the layers, layer × prompt, and routing against its baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from obverse.report.stability.boundary import by_kind
from obverse.report.stability.palette import HEAT, RAMP, TONES
from obverse.report.stability.picture import Key, Picture
from obverse.report.stability.plotting import (
    MANY,
    NARROW,
    TONE_OF_ZONE,
    WIDE,
    Form,
    Row,
    as_is,
    config,
    down,
    field,
    label,
    layer,
    numbered,
    panel,
    places,
    plot,
    wrapped,
)
from obverse.report.stability.rendering import Spec
from obverse.report.stability.words import capital, figure, number
from obverse.report.visible import one_line
from obverse.stability.findings import Diagnosis, HeatMap, Inside, LayerCurve, PromptFinding

_AUROC: Final = "auroc"
_SIGNIFICANT: Final = 0.05


def layer_curves(inside: Inside, confidence: float) -> Picture | None:
    """Each signal over the layers; None where none was read."""
    curves = [curve for curve in inside.curves if any(line.value.estimate is not None for line in curve.lines)]
    if not curves:
        return None
    chosen = any(curve.chosen is not None for curve in curves)
    keys = [
        Key(sign="line", tone="twin", means="value"),
        Key(sign="ribbon", tone="twin", means=f"its interval, {confidence * 100:g} %"),
        *([Key(sign="broken", tone="soft", means="chance")] if any(_is_auroc(curve) for curve in curves) else []),
        *([Key(sign="diamond", tone="unstable", means="layer chosen on the training folds")] if chosen else []),
    ]
    return Picture(
        name="stability-layers",
        title="Signals over the layers",
        says=tuple(_best(curve) for curve in curves),
        keys=tuple(keys),
        wide=_curves(curves, WIDE, columns=3),
        narrow=_curves(curves, NARROW, columns=1),
    )


def _is_auroc(curve: LayerCurve) -> bool:
    return _AUROC in curve.unit.lower()


def _best(curve: LayerCurve) -> str:
    at = next((line for line in curve.lines if line.layer == curve.chosen), None)
    name, unit = one_line(curve.name, 60), one_line(curve.unit, 40)
    if curve.nested is not None:
        often = "" if at is None else f", most often layer {at.layer}"
        return f"{capital(name)} ({unit}): {number(curve.nested)}, its layer chosen without the family{often}."
    if at is None:
        return f"{capital(name)} ({unit}): no layer was chosen."
    return f"{capital(name)} ({unit}): {number(at.value)} at layer {at.layer}."


def _curves(curves: Sequence[LayerCurve], form: Form, *, columns: int) -> Spec:
    columns = min(columns, len(curves))
    width = (form.width - columns * 46) / columns - 4
    return {
        "config": config(form),
        "concat": [_curve(curve, form, width) for curve in curves],
        "columns": columns,
        "spacing": {"row": 24, "column": 22},
        "align": "each",
    }


def _curve(curve: LayerCurve, form: Form, width: float) -> dict[str, Any]:
    known = [line for line in curve.lines if line.value.estimate is not None]
    last = max(line.layer for line in curve.lines)
    ends = [end for line in known for end in (line.value.low, line.value.high, line.value.estimate) if end is not None]
    low, high = (min(0.4, *ends), max(1.0, *ends)) if _is_auroc(curve) else (min(ends), max(ends))
    room = (high - low) * 0.06 or 0.5
    y = places(
        "y",
        low - room * (0.3 if _is_auroc(curve) else 1),
        high + room * (0.3 if _is_auroc(curve) else 1),
        grid=True,
        domain=False,
        ticks=False,
        tickCount=4,
        format=".4~r",
    )
    x = places("x", -0.5, last + 0.5, grid=False, tickCount=min(6, last + 1), tickMinStep=1, format="d", title="layer")
    band = numbered(
        [
            {"x": line.layer, "y": line.value.low, "y2": line.value.high}
            for line in known
            if line.value.low is not None and line.value.high is not None
        ]
    )
    rows = numbered([{"x": line.layer, "y": line.value.estimate} for line in known])
    chosen = [row for row in rows if row["x"] == curve.chosen]
    layers = [
        layer("rule", [{"y": 0.5}] if _is_auroc(curve) else [], {"y": y}, color=TONES["soft"], strokeDash=[5, 3]),
        layer("rule", chosen, {"x": x}, color=TONES["unstable"], strokeDash=[2, 2.5]),
        layer("area", band, {"x": x, "y": y, "y2": field("y2")}, color=TONES["twin"], opacity=0.18, line=False),
        layer("line", rows, {"x": x, "y": y, "order": field("order")}, color=TONES["twin"], strokeWidth=1.8),
        layer("point", rows if len(rows) == 1 else [], {"x": x, "y": y}, filled=True, color=TONES["twin"], size=30),
        layer("point", chosen, {"x": x, "y": y}, shape="diamond", fill=TONES["unstable"], stroke=TONES["paper"], strokeWidth=0.8, size=80, opacity=1),
    ]  # fmt: skip
    return {
        "title": {
            "text": label(curve.name, width, form.text + 1), "subtitle": label(curve.unit, width, form.text - 0.5),
            "anchor": "start", "frame": "group", "fontSize": form.text + 1, "fontWeight": 600, "color": TONES["ink"],
            "subtitleFontSize": form.text - 0.5, "subtitleColor": TONES["soft"], "offset": 8,
        },
        **panel(*layers, width=width, height=150),
    }  # fmt: skip


def routing(inside: Inside) -> Picture | None:
    """Routing of harmful prompts against their matched benign ones; None without experts."""
    lines = [line for line in inside.routing if math.isfinite(line.divergence) and math.isfinite(line.baseline)]
    if not lines:
        return None
    told = [line for line in lines if line.q < _SIGNIFICANT]
    keys = (
        Key(sign="line", tone="comply", means="harmful against benign of the same topic"),
        Key(sign="broken", tone="soft", means="benign against benign, the baseline"),
        Key(sign="diamond", tone="comply", means="q below 0.05 by permutation"),
        Key(sign="hollow", tone="comply", means="not told apart"),
        *(
            [Key(sign="dots", tone="soft", means="what sampling alone gives")]
            if any(line.null is not None for line in lines)
            else []
        ),
    )
    says = f"{len(told)} of {len(lines)} layers differ beyond their baseline at q < 0.05 (permutation within {lines[0].pairs:,} pairs, Benjamini–Hochberg)."
    return Picture(
        name="stability-routing",
        title="Routing, against prompts of the same topic",
        says=(says,),
        keys=keys,
        wide=_routing(inside, WIDE),
        narrow=_routing(inside, NARROW),
    )


def _routing(inside: Inside, form: Form) -> Spec:
    lines = [line for line in inside.routing if math.isfinite(line.divergence) and math.isfinite(line.baseline)]
    width = form.width - 66
    most = max(max(line.divergence, line.baseline) for line in lines) * 1.08 or 1.0
    layers = [line.layer for line in lines]
    x = places("x", min(layers) - 0.6, max(layers) + 0.6, grid=False, tickMinStep=1, format="d", title="layer")
    y = places(
        "y",
        min(0.0, *(min(line.divergence, line.baseline) for line in lines)),
        most,
        grid=True,
        domain=False,
        ticks=False,
        tickCount=5,
        format=".3~r",
        title="Jensen–Shannon divergence, nats",
    )
    y = {**y, "title": "Jensen–Shannon divergence, nats"}
    x = {**x, "title": "layer"}
    rows = numbered(
        [{"x": line.layer, "y": line.divergence, "b": line.baseline, "far": line.q < _SIGNIFICANT} for line in lines]
    )
    return plot(
        form,
        layer("rule", rows, {"x": x, "y": {**y, "field": "b"}, "y2": field("y")}, color=TONES["line"], strokeWidth=1.4),
        layer("line", rows, {"x": x, "y": {**y, "field": "b"}, "order": field("order")}, color=TONES["soft"], strokeDash=[5, 3], strokeWidth=1.5),
        layer("line", numbered([{"x": line.layer, "y": line.null} for line in lines if line.null is not None]), {"x": x, "y": y, "order": field("order")}, color=TONES["soft"], strokeDash=[2, 2.5], strokeWidth=1.3),
        layer("line", rows, {"x": x, "y": y, "order": field("order")}, color=TONES["comply"], strokeWidth=1.4, opacity=0.65),
        layer("point", [row for row in rows if not row["far"]], {"x": x, "y": y}, fill=TONES["paper"], stroke=TONES["comply"], size=34, strokeWidth=1.4, opacity=1),
        layer("point", [row for row in rows if row["far"]], {"x": x, "y": y}, shape="diamond", fill=TONES["comply"], stroke=TONES["paper"], strokeWidth=0.8, size=84, opacity=1),
        width=width,
        height=210,
    )  # fmt: skip


def heat_maps(diagnosis: Diagnosis) -> Iterator[Picture]:
    """Layer × prompt, one picture for each signal that was read."""
    inside = diagnosis.inside
    for order, heat in enumerate(inside.maps if inside is not None else ()):
        groups = _groups(diagnosis, heat)
        values = [value for row in heat.values for value in row if value is not None and math.isfinite(value)]
        if not groups or not values:
            continue
        low, high = min(values), max(values)
        centred = low < 0 < high
        unknown = any(value is None for row in heat.values for value in row)
        yield Picture(
            name=f"stability-heat-{order + 1}",
            title=f"Layer by prompt: {one_line(heat.name, 80)}",
            says=(f"{capital(one_line(heat.unit, 80) or 'values')}; from {figure(low)} to {figure(high)}. Rows are prompts, least compliant first, by kind.",),
            keys=tuple(
                Key(sign="square", tone=TONE_OF_ZONE[zone], means=said)
                for zone, said in (("refuse", "refuses"), ("unstable", "unstable"), ("comply", "complies"), ("undecided", "undecided"))
                if any(one.placement.zone == zone for _, members in groups for one, _ in members)
            )
            + ((Key(sign="thin", tone="line", means="empty: not known"),) if unknown else ()),
            wide=_heat(heat, groups, (low, high), WIDE, centred=centred),
            narrow=_heat(heat, groups, (low, high), NARROW, centred=centred),
        )  # fmt: skip


Groups = list[tuple[str, list[tuple[PromptFinding, tuple[float | None, ...]]]]]


def _groups(diagnosis: Diagnosis, heat: HeatMap) -> Groups:
    rows = dict(zip(heat.rows, heat.values))
    found = [
        (kind, [(one, rows[one.prompt.id]) for one in members if one.prompt.id in rows])
        for kind, members in by_kind(diagnosis.prompts)
    ]
    return [(kind, members) for kind, members in found if members]


def _heat(heat: HeatMap, groups: Groups, ends: tuple[float, float], form: Form, *, centred: bool) -> Spec:
    total = sum(len(members) for _, members in groups)
    step = next(
        (height for most, height in ((24, 14.0), (40, 12.0), (80, 8.0), (160, 5.0)) if total <= most),
        max(1.5, 720 / total),
    )
    named = step >= 12
    names = (112 if form.narrow else 176) if named else (64 if form.narrow else 80)
    width = form.width - names - 14
    cells: list[Row] = []
    strip: list[Row] = []
    labels: list[Row] = []
    heads: list[Row] = []
    at = 0.0
    for kind, members in groups:
        at += 20 if named else 0
        heads.append({"y": at - 9 if named else at + min(9, len(members) * step / 2), "t": MANY[kind].capitalize()})
        for one, values in members:
            cells += [
                {
                    "x": start - 0.5,
                    "x2": end - 0.5,
                    "y": at,
                    "y2": at + step - (0.8 if step > 6 else 0),
                    "tone": TONES[tone],
                }
                for start, end, tone in _runs(values, ends, centred=centred)
            ]
            strip.append(
                {"y": at, "y2": at + step - (0.8 if step > 6 else 0), "tone": TONES[TONE_OF_ZONE[one.placement.zone]]}
            )
            labels.append({"y": at + step / 2, "t": label(one.prompt.id, names - 20, form.text - 0.5)})
            at += step
        at += 8
    height = at + 42
    columns = len(heat.columns)
    x = places("x", -0.5, columns - 0.5)
    y = down("y", height)
    box = {"x": x, "x2": field("x2"), "y": y, "y2": field("y2"), "color": as_is()}
    every = max(1, math.ceil(columns / (8 if form.narrow else 20)))
    ticks = [
        {"x": number, "y": at + 4, "t": one_line(text, 8)}
        for number, text in enumerate(heat.columns)
        if number % every == 0
    ]
    return plot(
        form,
        layer("rect", cells, box),
        layer("rect", strip, {"x": {"value": -11}, "x2": {"value": -5}, "y": y, "y2": field("y2"), "color": as_is()}),
        layer("text", heads, {"x": {"value": -names}, "y": y, "text": field("t")}, align="left", baseline="middle", fontSize=form.text, fontWeight=600, color=TONES["ink"]),
        layer("text", labels if named else [], {"x": {"value": -17}, "y": y, "text": field("t")}, align="right", baseline="middle", fontSize=form.text - 0.5, color=TONES["ink"]),
        layer("text", ticks, {"x": x, "y": y, "text": field("t")}, baseline="middle", fontSize=form.text - 0.5, color=TONES["soft"]),
        layer("text", [{"y": at + 4, "t": "layer"}], {"x": {"value": -17}, "y": y, "text": field("t")}, align="right", baseline="middle", fontSize=form.text - 0.5, color=TONES["soft"]),
        *_scale(ends, form, y, top=at + 20, width=width, centred=centred, unit=heat.unit),
        width=width,
        height=height,
    )  # fmt: skip


def _scale(
    ends: tuple[float, float], form: Form, y: Row, *, top: float, width: float, centred: bool, unit: str
) -> Iterator[Spec]:
    """What the colours mean, as a strip of steps below the cells."""
    tones = HEAT if centred else RAMP
    bound = max(abs(ends[0]), abs(ends[1]))
    low, high = (-bound, bound) if centred else ends
    size = min(18.0, width * 0.5 / len(tones))
    rows = [
        {"a": number * size, "b": (number + 1) * size, "y": top, "y2": top + 9, "tone": TONES[tone]}
        for number, tone in enumerate(tones)
    ]
    across = {"field": "a", "type": "quantitative", "scale": None, "axis": None}
    yield layer("rect", rows, {"x": across, "x2": field("b"), "y": y, "y2": field("y2"), "color": as_is()})
    marks = [(0.0, low, "left"), (size * len(tones), high, "right")] + (
        [(size * len(tones) / 2, 0.0, "center")] if centred else []
    )
    for at, value, align in marks:
        yield layer(
            "text",
            [{"y": top + 17, "t": figure(value)}],
            {"x": {"value": at}, "y": y, "text": field("t")},
            align=align,
            baseline="middle",
            fontSize=form.text - 1,
            color=TONES["soft"],
        )
    room = width - size * len(tones) - 12
    said = wrapped(unit, room, form.text - 0.5)[:1]
    if said:
        yield layer(
            "text",
            [{"y": top + 5, "t": said[0]}],
            {"x": {"value": size * len(tones) + 10}, "y": y, "text": field("t")},
            align="left",
            baseline="middle",
            fontSize=form.text - 0.5,
            color=TONES["soft"],
        )


def _runs(
    values: Sequence[float | None], ends: tuple[float, float], *, centred: bool
) -> Iterator[tuple[int, int, str]]:
    """Neighbours of one colour as one stretch: (first column, one past the last, colour); unknown ones are left out."""
    tones = [_tone(value, ends, centred=centred) for value in values]
    start = 0
    for at in range(1, len(tones) + 1):
        if at == len(tones) or tones[at] != tones[start]:
            if (tone := tones[start]) is not None:
                yield start, at, tone
            start = at


def _tone(value: float | None, ends: tuple[float, float], *, centred: bool) -> str | None:
    """The step of the palette that this value falls on."""
    if value is None or not math.isfinite(value):
        return None
    low, high = ends
    if centred:
        bound = max(abs(low), abs(high))
        low, high = -bound, bound
    tones = HEAT if centred else RAMP
    part = (value - low) / (high - low) if high > low else 0.5
    return tones[min(len(tones) - 1, max(0, int(part * len(tones))))]
