"""Two runs side by side: every prompt in both, how the kinds moved, and how wide the unstable region became."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from obverse.report.stability.boundary import row_height
from obverse.report.stability.palette import TONES
from obverse.report.stability.picture import Key, Picture
from obverse.report.stability.plotting import (
    KINDS,
    MANY,
    NARROW,
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
from obverse.report.stability.words import moved_says, signed
from obverse.report.visible import one_line
from obverse.stability.findings import Comparison, Diagnosis, PairedChange


def dumbbells(comparison: Comparison, diagnosis: Diagnosis) -> Picture | None:
    """Every prompt in both runs, joined by a line; None without pairs."""
    if not comparison.pairs:
        return None
    settings = diagnosis.settings
    return Picture(
        name="stability-pairs",
        title="Every prompt in both runs",
        says=tuple(moved_says(comparison, kind) for kind in KINDS if kind in comparison.moved),
        keys=(
            Key(sign="hollow", tone="soft", means=one_line(comparison.first, 48)),
            Key(sign="dot", tone="ink", means=one_line(comparison.second, 48)),
            Key(sign="line", tone="comply", means="moved to comply"),
            Key(sign="line", tone="refuse", means="moved to refuse"),
            Key(sign="band", tone="band", means=f"unstable, {settings.refuse_below * 100:g} % to {settings.comply_above * 100:g} %"),
        ),
        wide=_pairs(comparison, diagnosis, WIDE),
        narrow=_pairs(comparison, diagnosis, NARROW),
    )  # fmt: skip


def _order(pair: PairedChange) -> tuple[float, float, str]:
    found, start = pair.difference.estimate, pair.first.rate.estimate
    return (9.0 if found is None else -found, 9.0 if start is None else start, pair.prompt)


def _pairs(comparison: Comparison, diagnosis: Diagnosis, form: Form) -> Spec:
    step = row_height(len(comparison.pairs))
    names, counts = (112, 48) if form.narrow else (196, 62)
    width = form.width - names - counts - 20
    low, high = diagnosis.settings.refuse_below, diagnosis.settings.comply_above
    rows: list[Row] = []
    heads: list[Row] = []
    at = 4.0
    for kind in KINDS:
        mine = sorted((pair for pair in comparison.pairs if pair.kind == kind), key=_order)
        if not mine:
            continue
        at += 30
        heads.append({"y": at - 14, "line": at - 4, "t": f"{MANY[kind].capitalize()} ({len(mine)})"})
        rows += _rows(mine, at, step, form, names)
        at += step * len(mine) + 12
    height = at
    size = form.text
    x = places("x", -0.015, 1.015, **percent_axis(form, [0, 0.25, 0.5, 0.75, 1], orient="bottom"))
    x = {**x, "title": "probability of compliance π"}
    y = down("y", height)
    moved = [row for row in rows if row["a"] is not None and row["b"] is not None]
    marks = [{"x": mark, "y": 4, "y2": height} for mark in (low, high)]
    return plot(
        form,
        layer("rect", [{"x": low, "x2": high, "y": 4, "y2": height}], {"x": x, "x2": field("x2"), "y": y, "y2": field("y2")}, color=TONES["band"]),
        layer("rule", marks, {"x": x, "y": y, "y2": field("y2")}, color=TONES["ink"], strokeDash=[2, 2.5], strokeWidth=1.1),
        layer("rule", [{"y": head["line"]} for head in heads], {"x": {"value": -names}, "x2": {"value": width + counts}, "y": y}, color=TONES["line"]),
        layer("text", heads, {"x": {"value": -names}, "y": y, "text": field("t")}, align="left", baseline="middle", fontSize=size + 1, fontWeight=600, color=TONES["ink"]),
        layer("rule", moved, {"x": {**x, "field": "a"}, "x2": field("b"), "y": y, "color": as_is("way")}, strokeWidth=max(1.0, min(2.4, step * 0.16)), opacity=0.75),
        layer("point", [row for row in rows if row["a"] is not None], {"x": {**x, "field": "a"}, "y": y, "stroke": as_is("tone_a"), "size": sized("size")}, fill=TONES["paper"], opacity=1, strokeWidth=1.4 if step >= 8 else 0.8),
        layer("point", [row for row in rows if row["b"] is not None], {"x": {**x, "field": "b"}, "y": y, "fill": as_is("tone_b"), "stroke": as_is("tone_b"), "size": sized("size")}, opacity=1, strokeWidth=0.5),
        layer("text", rows if step >= 13 else [], {"x": {"value": -10}, "y": y, "text": field("t")}, align="right", baseline="middle", fontSize=min(size, 12), color=TONES["ink"]),
        layer("text", rows if step >= 13 else [], {"x": {"value": width + counts}, "y": y, "text": field("d")}, align="right", baseline="middle", fontSize=size - 0.5, color=TONES["soft"]),
        width=width,
        height=height,
    )  # fmt: skip


def _rows(pairs: list[PairedChange], top: float, step: float, form: Form, names: float) -> Iterator[Row]:
    for number, pair in enumerate(pairs):
        found = pair.difference.estimate
        yield {
            "y": top + (number + 0.5) * step,
            "a": pair.first.rate.estimate,
            "b": pair.second.rate.estimate,
            "tone_a": TONES[TONE_OF_ZONE[pair.first.zone]],
            "tone_b": TONES[TONE_OF_ZONE[pair.second.zone]],
            "way": TONES["soft" if not found else "comply" if found > 0 else "refuse"],
            "t": label(pair.prompt, names - 14, min(form.text, 12)),
            "d": "no data" if found is None else signed(found),
            "size": max(8.0, min(52.0, step**2 * 0.24)),
        }


def moves(comparison: Comparison) -> Picture | None:
    """How far each kind moved, with its interval; None where no kind was compared."""
    kinds = [kind for kind in KINDS if kind in comparison.moved]
    if not kinds:
        return None
    return Picture(
        name="stability-moves",
        title="How far each kind moved",
        says=("The mean difference of compliance over prompts, second run minus first.",),
        keys=(
            Key(sign="dot", tone="comply", means="moved to comply"),
            Key(sign="dot", tone="refuse", means="moved to refuse"),
            Key(sign="hollow", tone="unsure", means="not shown"),
        ),
        wide=_moves(comparison, kinds, WIDE),
        narrow=_moves(comparison, kinds, NARROW),
    )


def _moves(comparison: Comparison, kinds: Sequence[str], form: Form) -> Spec:
    names, said = (72, 54) if form.narrow else (130, 90)
    width = form.width - names - said - 20
    tones = {"moved to comply": "comply", "moved to refuse": "refuse", "not shown": "unsure"}
    rows: list[Row] = []
    ends = [0.0]
    for number, kind in enumerate(kinds):
        found, verdict = comparison.moved[kind], comparison.verdict.get(kind, "not shown")
        tone = tones[verdict]
        ends += [end for end in (found.low, found.high) if end is not None]
        rows.append({
            "m": number * 30 + 18, "x": found.estimate, "l": found.low, "h": found.high, "tone": TONES[tone],
            "fill": TONES["paper" if tone == "unsure" else tone], "t": MANY[kind],
            "s": "no data" if found.estimate is None else signed(found.estimate),
        })  # fmt: skip
    height = len(rows) * 30 + 6
    reach = max(0.1, *(abs(end) for end in ends)) * 1.1
    x = places(
        "x",
        -reach,
        reach,
        grid=True,
        domain=False,
        tickCount=5,
        labelExpr="(datum.value === 0 ? '0' : format(datum.value * 100, '+~r')) + ' points'"
        if not form.narrow
        else "datum.value === 0 ? '0' : format(datum.value * 100, '+~r')",
    )
    y = down("m", height)
    return plot(
        form,
        layer("rule", [{"x": 0.0}], {"x": x}, color=TONES["ink"], strokeWidth=1.1),
        layer("rule", [row for row in rows if row["l"] is not None and row["h"] is not None], {"x": {**x, "field": "l"}, "x2": field("h"), "y": y, "color": as_is()}, strokeWidth=4, opacity=0.5, strokeCap="round"),
        layer("point", [row for row in rows if row["x"] is not None], {"x": x, "y": y, "fill": as_is("fill"), "stroke": as_is()}, size=80, strokeWidth=1.6, opacity=1),
        layer("text", rows, {"x": {"value": -10}, "y": y, "text": field("t")}, align="right", baseline="middle", fontSize=form.text, color=TONES["ink"]),
        layer("text", rows, {"x": {"value": width + said}, "y": y, "text": field("s")}, align="right", baseline="middle", fontSize=form.text, color=TONES["soft"]),
        width=width,
        height=height,
    )  # fmt: skip


def widths(comparison: Comparison) -> Picture | None:
    """The width of the unstable region on each ladder in both runs; None where no curve was fitted in both."""
    lines = [
        line
        for line in comparison.widths
        if any(found is not None and found.estimate is not None for found in line[2:])
    ]
    if not lines:
        return None
    return Picture(
        name="stability-widths",
        title="How wide the unstable region is",
        says=(
            "From a quarter to three quarters of the way, in strength of the ladder; pooled over the prompts of a kind.",
        ),
        keys=(
            Key(sign="hollow", tone="twin", means=one_line(comparison.first, 48)),
            Key(sign="dot", tone="unstable", means=one_line(comparison.second, 48)),
            Key(sign="line", tone="soft", means="interval"),
        ),
        wide=_widths(comparison, WIDE),
        narrow=_widths(comparison, NARROW),
    )


def _widths(comparison: Comparison, form: Form) -> Spec:
    names = 120 if form.narrow else 196
    width = form.width - names - 24
    rows: list[Row] = []
    labels: list[Row] = []
    reach = 0.1
    lines = [
        line
        for line in comparison.widths
        if any(found is not None and found.estimate is not None for found in line[2:])
    ]
    for number, (ladder, kind, first, second) in enumerate(lines):
        at = number * 30 + 16
        labels.append({"m": at, "t": label(f"{ladder}, {MANY.get(kind, kind)}", names - 12, form.text)})
        for found, tone, place in ((first, "twin", -5), (second, "unstable", 5)):
            if found is None or found.estimate is None:
                continue
            reach = max(reach, found.estimate, min(found.high or 0.0, found.estimate * 3))
            rows.append({
                "m": at + place, "x": found.estimate, "l": found.low, "h": found.high, "tone": TONES[tone],
                "fill": TONES["paper" if tone == "twin" else tone],
            })  # fmt: skip
    reach *= 1.05
    height = len(lines) * 30 + 4
    bounded = [
        {**row, "h": min(reach, float(str(row["h"])))} for row in rows if row["l"] is not None and row["h"] is not None
    ]
    x = {
        **places("x", 0, reach, grid=True, domain=False, tickCount=4 if form.narrow else 7, format=".3~r"),
        "title": "width, in strength",
    }
    y = down("m", height)
    return plot(
        form,
        layer("rule", bounded, {"x": {**x, "field": "l"}, "x2": field("h"), "y": y, "color": as_is()}, strokeWidth=3, opacity=0.5, strokeCap="round"),
        layer("point", rows, {"x": x, "y": y, "fill": as_is("fill"), "stroke": as_is()}, size=56, strokeWidth=1.5, opacity=1),
        layer("text", labels, {"x": {"value": -10}, "y": y, "text": field("t")}, align="right", baseline="middle", fontSize=form.text, color=TONES["ink"]),
        width=width,
        height=height,
    )  # fmt: skip
