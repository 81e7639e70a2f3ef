"""Where the variance comes from, and which detector tells unstable prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from obverse.report.stability.palette import TONES
from obverse.report.stability.picture import Key, Picture
from obverse.report.stability.plotting import (
    NARROW,
    WIDE,
    Form,
    Row,
    as_is,
    config,
    down,
    field,
    label,
    layer,
    panel,
    percent_axis,
    places,
    plot,
)
from obverse.report.stability.rendering import Spec
from obverse.report.stability.words import judge_share, number
from obverse.report.visible import one_line
from obverse.report.wording import percent, plain_percent
from obverse.stability.findings import Component, Components, DetectorLine, Inside, Joint

_STEP: Final = 24.0
_TOGETHER: Final = ("external + internal", "joint")
_BASELINES: Final = ("length and perplexity", "what is wanted", "length", "perplexity", "tokens", "baseline")


def is_of_judge(component: Component) -> bool:
    """Whether this part of the variance is the judge's and not the model's."""
    return "judge" in component.name


def variance(components: Components, confidence: float) -> Picture | None:
    """The components of variance as bars; None without any."""
    if not components.components:
        return None
    return Picture(
        name="stability-variance",
        title="Where the variance comes from",
        says=(judge_share(components), "Parts are not clipped at 0: one below it is noise around nothing."),
        keys=(
            Key(sign="square", tone="twin", means="of the model and the prompts"),
            Key(sign="square", tone="judge", means="of the judges"),
            Key(sign="tick", tone="ink", means=f"interval, {confidence * 100:g} %"),
        ),
        wide=_variance(components, WIDE),
        narrow=_variance(components, NARROW),
    )


def _variance(components: Components, form: Form) -> Spec:
    names, said = (112, 50) if form.narrow else (170, 76)
    width = form.width - names - said - 8
    rows: list[Row] = []
    ends = [0.0]
    for place, one in enumerate(components.components):
        at = place * _STEP + 4
        found = one.variance
        ends += [end for end in (found.low, found.high, found.estimate) if end is not None]
        rows.append({
            "y": at + 4, "y2": at + _STEP - 4, "m": at + _STEP / 2, "x": 0.0, "x2": found.estimate, "low": found.low, "high": found.high,
            "tone": TONES["judge" if is_of_judge(one) else "twin"], "t": label(one.name, names - 12, form.text),
            "s": "" if one.share.estimate is None else percent(one.share.estimate),
        })  # fmt: skip
    height = len(rows) * _STEP + 8
    room = (max(ends) - min(ends)) * 0.03 or 0.1
    x = {
        **places(
            "x",
            min(ends) - (room if min(ends) < 0 else 0),
            max(ends) + room,
            grid=True,
            domain=False,
            tickCount=4 if form.narrow else 7,
            format=".3~r",
        ),
        "title": "variance of the outcome",
    }
    y, middle = down("y", height), down("m", height)
    return plot(
        form,
        layer("rect", [row for row in rows if row["x2"] is not None], {"x": x, "x2": field("x2"), "y": y, "y2": field("y2"), "color": as_is()}, opacity=0.85),
        layer("rule", [row for row in rows if row["low"] is not None and row["high"] is not None], {"x": {**x, "field": "low"}, "x2": field("high"), "y": middle}, color=TONES["ink"], strokeWidth=1.4),
        layer("tick", [{"m": row["m"], "x": row[end]} for row in rows for end in ("low", "high") if row[end] is not None], {"x": x, "y": middle}, color=TONES["ink"], orient="vertical", thickness=1.4, size=7),
        layer("rule", [{"x": 0.0}], {"x": x}, color=TONES["ink"], strokeWidth=1.1),
        layer("text", rows, {"x": {"value": -8}, "y": middle, "text": field("t")}, align="right", baseline="middle", fontSize=form.text, color=TONES["ink"]),
        layer("text", rows, {"x": {"value": width + said}, "y": middle, "text": field("s")}, align="right", baseline="middle", fontSize=form.text, color=TONES["soft"]),
        layer("text", [{"y": -4, "t": "share of all"}], {"x": {"value": width + said}, "y": y, "text": field("t")}, align="right", baseline="bottom", fontSize=form.text - 1, color=TONES["soft"]),
        width=width,
        height=height,
    )  # fmt: skip


def detectors(joint: Joint, confidence: float) -> Picture | None:
    """AUROC and recall of each detector of unstable prompts; None without any."""
    if not joint.lines:
        return None
    return Picture(
        name="stability-joint",
        title="Which detector tells unstable prompts",
        says=(
            f"{joint.unstable:,} of {joint.of:,} prompts count as wavering: placed there, or undecided after doing both. AUROC of {first_of(joint.lines)}.",
            "Held out by family; recall at the rate of false alarms that was aimed at on the training folds.",
        ),
        keys=tuple(_keys(joint.lines, confidence)),
        wide=_detectors(joint.lines, WIDE),
        narrow=_detectors(joint.lines, NARROW),
    )


def harm_detectors(inside: Inside, confidence: float) -> Picture | None:
    """The same of each internal signal as a detector of harmful prompts among harmless ones; None without any."""
    if not inside.detectors:
        return None
    return Picture(
        name="stability-harm",
        title="Which signal tells harmful prompts",
        says=(
            f"AUROC of {first_of(inside.detectors)}.",
            "Held out by family; recall at the rate of false alarms that was aimed at on the training folds.",
        ),
        keys=tuple(_keys(inside.detectors, confidence)),
        wide=_detectors(inside.detectors, WIDE),
        narrow=_detectors(inside.detectors, NARROW),
    )


def first_of(lines: Sequence[DetectorLine]) -> str:
    """`external + internal: 0.84 (…)`, of all signals together or of the first there is."""
    first = next((line for line in lines if detector_tone(line) == "unstable"), lines[0])
    return f"{one_line(first.name, 60)}: {number(first.auroc)}"


def _keys(lines: Sequence[DetectorLine], confidence: float) -> Iterator[Key]:
    tones = {detector_tone(line) for line in lines}
    if "unstable" in tones:
        yield Key(sign="diamond", tone="unstable", means="all signals together")
    yield Key(sign="dot", tone="twin", means="one signal, or some of them")
    if "unsure" in tones:
        yield Key(sign="hollow", tone="unsure", means="baseline")
    yield Key(sign="line", tone="soft", means=f"interval, {confidence * 100:g} %")
    yield Key(sign="dashes", tone="soft", means="chance; false alarms aimed at")


def detector_tone(line: DetectorLine) -> str:
    """`unstable` for all signals together, `unsure` for a baseline, `twin` for one signal."""
    return "unstable" if line.name.startswith(_TOGETHER) else "unsure" if line.name.startswith(_BASELINES) else "twin"


def _detectors(lines: Sequence[DetectorLine], form: Form) -> Spec:
    names = 118 if form.narrow else 214
    rows: list[Row] = []
    for place, line in enumerate(lines):
        tone = detector_tone(line)
        rows.append({
            "m": place * _STEP + 16, "t": label(line.name, names - 12, form.text - (0.5 if form.narrow else 0)), "tone": TONES[tone],
            "fill": TONES["paper" if tone == "unsure" else tone], "shape": "diamond" if tone == "unstable" else "circle",
            "a": line.auroc.estimate, "al": line.auroc.low, "ah": line.auroc.high, "r": line.recall.estimate,
            "rl": line.recall.low, "rh": line.recall.high,
        })  # fmt: skip
    height = len(rows) * _STEP + 12
    width = (form.width - names - 34) / 2
    lowest = min([0.4, *(float(str(row["al"])) for row in rows if row["al"] is not None)])
    aimed = sorted({line.at for line in lines})
    y = down("m", height)

    def side(value: str, low: str, high: str, x: Row, *, chance: Sequence[float], title: str, labels: bool) -> Spec:
        known = [row for row in rows if row[value] is not None]
        bounded = [row for row in rows if row[low] is not None and row[high] is not None]
        return panel(
            layer("rule", [{"x": at} for at in chance], {"x": x}, color=TONES["soft"], strokeDash=[2, 2.5]),
            layer("rule", bounded, {"x": {**x, "field": low}, "x2": field(high), "y": y, "color": as_is()}, strokeWidth=3, opacity=0.5, strokeCap="round"),
            layer("point", known, {"x": {**x, "field": value}, "y": y, "fill": as_is("fill"), "stroke": as_is(), "shape": as_is("shape")}, size=70, opacity=1, strokeWidth=1.5),
            layer("text", rows if labels else [], {"x": {"value": -10}, "y": y, "text": field("t")}, align="right", baseline="middle", fontSize=form.text - (0.5 if form.narrow else 0), color=TONES["ink"]),
            layer("text", [{"m": -4, "t": title}], {"x": {"value": 0}, "y": y, "text": field("t")}, align="left", baseline="bottom", fontSize=form.text, fontWeight=600, color=TONES["ink"]),
            width=width,
            height=height,
        )  # fmt: skip

    auroc = places(
        "x",
        lowest - 0.02,
        1.02,
        grid=True,
        domain=False,
        values=[at for at in (0.25, 0.5, 0.75, 1) if at > lowest - 0.02],
        format=".3~r",
    )
    recall = places("x", -0.03, 1.03, **(percent_axis(form, [0, 0.5, 1]) | {"grid": True, "domain": False}))
    return {
        "config": config(form),
        "hconcat": [
            side("a", "al", "ah", auroc, chance=[0.5], title="AUROC", labels=True),
            side("r", "rl", "rh", recall, chance=aimed, title="recall" if form.narrow else f"recall at {plain_percent(aimed[0])} false alarms" if len(aimed) == 1 else "recall", labels=False),
        ],
        "spacing": 24,
    }  # fmt: skip
