"""The sections of a stability page: pictures, and the same figures as tables for those who cannot see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from obverse.core.errors import UnavailableError
from obverse.report.stability.picture import Picture, inline_sign
from obverse.report.stability.plotting import KINDS, MANY
from obverse.report.stability.views import KeyView, Part, Plate, Room, Table
from obverse.report.stability.words import figure, ladder_name, number, rate, sentence, signed
from obverse.report.visible import one_line
from obverse.report.wording import interval, share
from obverse.stability.findings import (
    Comparison,
    Curve,
    DetectorLine,
    Diagnosis,
    Inside,
    Intervention,
    Joint,
    LayerCurve,
)

_LARGE: Final = "The drawing is too large for this page; it stands as a file beside it."
_KIND_PLACE: Final = {kind: place for place, kind in enumerate(KINDS)}


def plates(pictures: Mapping[str, Picture]) -> tuple[dict[str, Plate], str]:
    """Every picture ready for the page, and why some could not be drawn; those have words and no drawing."""
    found = dict[str, Plate]()
    failed = list[str]()
    for name, picture in pictures.items():
        wide = narrow = ""
        try:
            wide, narrow = picture.inline("wide"), picture.inline("narrow")
        except UnavailableError as missing:
            failed.append(f"{missing.message}{f'; {missing.hint}' if missing.hint else ''}")
            wide = narrow = ""
        found[name] = Plate(
            anchor=picture.name,
            title=picture.title,
            says=picture.says,
            keys=tuple(KeyView(sign=inline_sign(key), means=key.means) for key in picture.keys) if narrow else (),
            wide=wide,
            narrow=narrow,
        )
    return found, "; ".join(dict.fromkeys(failed))


def fitting(drawn: Mapping[str, Plate], room: Room) -> dict[str, Plate]:
    """The pictures with the drawings that there is room for; the others keep their words."""
    return {
        name: plate
        if len(plate.wide) + len(plate.narrow) <= room.drawing
        else msgspec.structs.replace(plate, wide="", narrow="", keys=(), says=(*plate.says, _LARGE))
        for name, plate in drawn.items()
    }


def parts(diagnosis: Diagnosis, drawn: Mapping[str, Plate], room: Room) -> tuple[Part, ...]:
    """The sections that there is something to say in."""
    found = [
        _map(diagnosis, drawn),
        _ladders(diagnosis, drawn, room),
        _variance(diagnosis, drawn),
        _inside(diagnosis.inside, drawn, room) if diagnosis.inside is not None else None,
        _joint(diagnosis.joint, drawn) if diagnosis.joint is not None else None,
    ]
    return tuple(part for part in found if part is not None)


def comparison_parts(comparison: Comparison, drawn: Mapping[str, Plate], room: Room) -> tuple[Part, ...]:
    """The sections of two runs side by side."""
    pairs = Table(
        title="Prompt by prompt",
        heads=("prompt", "kind", "first", "second", "difference"),
        rows=tuple(
            (one_line(pair.prompt, 80), pair.kind, f"{pair.first.zone}, {rate(pair.first.rate)}", f"{pair.second.zone}, {rate(pair.second.rate)}",
             "no data" if pair.difference.estimate is None else f"{signed(pair.difference.estimate)} ({_points(pair.difference.low)} to {_points(pair.difference.high)})")
            for pair in comparison.pairs[: room.rows]
        ),
        note=_rest(len(comparison.pairs), room.rows, "pair"),
    )  # fmt: skip
    widths = Table(
        title="Widths",
        heads=("ladder", "prompts", "first", "second"),
        rows=tuple(
            (one_line(ladder, 60), MANY.get(kind, one_line(kind, 20)), number(first), number(second))
            for ladder, kind, first, second in comparison.widths
        ),
    )
    found = [
        Part(anchor="moves", title="Did it move?", plates=_some(drawn, "moves")) if "moves" in drawn else None,
        Part(anchor="pairs", title="Prompt by prompt", plates=_some(drawn, "pairs"), tables=(pairs,)) if comparison.pairs else None,
        Part(anchor="widths", title="How wide it is", plates=_some(drawn, "widths"), tables=(widths,)) if comparison.widths else None,
    ]  # fmt: skip
    return tuple(part for part in found if part is not None)


def _points(end: float | None) -> str:
    return "open" if end is None else signed(end)


def _some(drawn: Mapping[str, Plate], *names: str) -> tuple[Plate, ...]:
    return tuple(drawn[name] for name in names if name in drawn)


def _rest(number_of: int, shown: int, noun: str) -> str:
    return f"{number_of - shown:,} more {noun}s in the JSON beside this page." if number_of > shown else ""


def _map(diagnosis: Diagnosis, drawn: Mapping[str, Plate]) -> Part | None:
    if "map" not in drawn:
        return None
    return Part(
        anchor="map",
        title="Where the boundary is",
        intro=(
            "Each row is a prompt, placed by how probable it is that the target does what is asked. Cases belong to the left, twins and controls to the right.",
        ),
        plates=_some(drawn, "map"),
        tables=_risks(diagnosis),
    )


def _risks(diagnosis: Diagnosis) -> tuple[Table, ...]:
    """What asking k times gets, a row for each kind."""
    found = {(one.kind, one.attempts): one.any_of for one in diagnosis.risks}
    attempts = sorted({one.attempts for one in diagnosis.risks})
    if not attempts:
        return ()
    rows = tuple(
        (MANY[kind].capitalize(), *(rate(found.get((kind, times))) for times in attempts))
        for kind in KINDS
        if any(one.kind == kind for one in diagnosis.risks)
    )
    return (
        Table(
            title="What asking again gets",
            heads=(
                "at least one unwanted draw",
                *("asked once" if times == 1 else f"{times:,} times" for times in attempts),
            ),
            rows=rows,
            folded=False,
            note="The mean over the prompts of a kind, each asked so many times as it stands. Unwanted is to comply with a case, and to refuse a twin or a control.",
        ),
    )


def _ladders(diagnosis: Diagnosis, drawn: Mapping[str, Plate], room: Room) -> Part | None:
    pools = [curve for curve in diagnosis.curves if curve.prompt is None]
    tables = []
    if diagnosis.flips:
        tables.append(
            Table(
                title="Flips by ladder and level",
                heads=("ladder", "level", "strength", "flipped", "interval", "to comply", "to refuse", "no decision"),
                rows=tuple(
                    (one_line(ladder_name(one.ladder), 60), f"{one.level}", figure(one.strength), share(one.flipped, one.of), interval(one.low, one.high), f"{one.to_comply:,}", f"{one.to_refuse:,}", f"{one.undecided:,}")
                    for one in diagnosis.flips[: room.rows]
                ),
            )
        )  # fmt: skip
    pools.sort(key=lambda curve: _KIND_PLACE.get(curve.kind, 9))
    heads = ("ladder", "prompts", "verdict", "half way at", "width", "slope")
    for title, folded, verdict in (
        ("Threshold, width and slope", False, "fitted"),
        ("Curves that leave it open", True, "undecided"),
        ("Flat curves", True, "flat"),
    ):
        rows = tuple(_curve_row(curve) for curve in pools if curve.verdict == verdict)[: room.rows]
        note = "" if folded else "Pooled over the prompts of a kind; strengths of different ladders are not one unit."
        if rows:
            tables.append(Table(title=title, heads=heads, rows=rows, folded=folded, note=note))
    if not tables:
        return None
    return Part(
        anchor="ladders", title="What perturbation does", plates=_some(drawn, "flips", "curves"), tables=tuple(tables)
    )


def _curve_row(curve: Curve) -> tuple[str, ...]:
    verdict = f"{curve.verdict}{f': {one_line(curve.why, 120)}' if curve.why else ''}"
    if curve.verdict == "fitted" and curve.direction is not None:
        verdict += ", rises" if curve.direction > 0 else ", falls"
    known = curve.threshold is not None
    return (
        one_line(curve.ladder, 60),
        MANY.get(curve.kind, one_line(curve.kind, 20)),
        verdict,
        number(curve.threshold) if known else "–",
        number(curve.width) if curve.width is not None else "–",
        number(curve.slope) if curve.slope is not None else "–",
    )


def _variance(diagnosis: Diagnosis, drawn: Mapping[str, Plate]) -> Part | None:
    found = diagnosis.components
    if found is None or not found.components:
        return None
    judges = ", ".join(one_line(name, 60) for name in found.judges)
    notes = [f"{found.n:,} judged answers; judges: {judges}."] if judges else []
    if found.agreement is not None:
        notes.append(f"Two judges agree about an answer in {rate(found.agreement)}; kappa {number(found.kappa)}.")
    return Part(
        anchor="variance",
        title="Whose noise it is",
        intro=("The variance of an answer's outcome, taken apart. What the judges add is not the model's wavering.",),
        plates=_some(drawn, "variance"),
        tables=(
            Table(
                title="Components",
                heads=("source", "variance", "share of all"),
                rows=tuple((one_line(one.name, 60), number(one.variance), rate(one.share)) for one in found.components),
            ),
        ),
        notes=tuple(notes),
    )


def _inside(inside: Inside, drawn: Mapping[str, Plate], room: Room) -> Part | None:
    heats = [name for name in drawn if name.startswith("heat-")]
    tables = [
        Table(
            title="Signals at the chosen layer",
            heads=("signal", "unit", "layer", "there", "layer chosen without the family", "note"),
            rows=tuple(_signal_row(curve) for curve in inside.curves),
        )
    ] if inside.curves else []  # fmt: skip
    if inside.interventions:
        tables.append(
            Table(
                title="Interventions",
                heads=("what", "layer", "how", "refuse before", "after", "nearest control", "p", "note"),
                rows=tuple(_intervention_row(one) for one in inside.interventions),
                folded=False,
                note="Prompts that refuse, of those tried. A cause is claimed only where no control direction of equal norm does the same; p is of a sign test against the nearest.",
            )
        )
    if inside.routing:
        tables.append(
            Table(
                title="Routing by layer",
                heads=("layer", "divergence", "baseline", "sampling alone", "p", "q", "pairs"),
                rows=tuple(
                    (f"{line.layer}", figure(line.divergence), figure(line.baseline), "–" if line.null is None else figure(line.null), figure(line.p), figure(line.q), f"{line.pairs:,}")
                    for line in inside.routing
                ),
            )
        )  # fmt: skip
    if inside.plausibility:
        tables.append(
            Table(
                title="Possible and likely",
                heads=("sentences", "direction", "perplexity", "difference", "pairs", "layer", "says"),
                rows=tuple(
                    (one_line(one.name, 60), number(one.probe), number(one.perplexity), number(one.difference), f"{one.pairs:,}", "–" if one.layer is None else f"{one.layer}", one_line(one.says, 300))
                    for one in inside.plausibility
                ),
                folded=False,
                note="AUROC, held out by topic. Only a difference above 0 speaks for more than surprise.",
            )
        )  # fmt: skip
    if inside.detectors:
        tables.append(_detector_table("Detectors of harmful prompts", inside.detectors))
    shown = _some(drawn, "layers", "harm", "routing", *heats[: room.maps])
    left = len(heats) - room.maps
    return Part(
        anchor="inside",
        title="What it looks like inside",
        intro=(
            f"{one_line(inside.model, 120)}, {inside.layers:,} layers. Directions, probes and thresholds were learnt on some families and are shown on others; layer 0 is the embedding.",
        ),
        plates=shown,
        tables=tuple(tables),
        notes=(f"{left:,} more layer × prompt pictures stand as files beside this page.",) if left > 0 else (),
    )


def _signal_row(curve: LayerCurve) -> tuple[str, ...]:
    at = next((line for line in curve.lines if line.layer == curve.chosen), None)
    return (
        one_line(curve.name, 80),
        one_line(curve.unit, 60),
        "none chosen" if at is None else f"{at.layer}",
        "–" if at is None else number(at.value),
        "–" if curve.nested is None else number(curve.nested),
        one_line(curve.note, 200),
    )


def _intervention_row(one: Intervention) -> tuple[str, ...]:
    return (
        one_line(one.name, 80),
        one_line(one.layer, 20),
        one_line(one.kind, 20),
        share(one.before, one.of),
        share(one.after, one.of),
        "not run" if one.control is None else share(one.control, one.of),
        "–" if one.p is None else figure(one.p),
        one_line(one.note, 300),
    )


def _joint(joint: Joint, drawn: Mapping[str, Plate]) -> Part:
    return Part(
        anchor="joint",
        title="Outside and inside together",
        intro=(
            f"The claim tried here: near the boundary the output becomes uncertain while the internal safety signal falls.{_association(joint)}",
            *((sentence(joint.says),) if joint.says else ()),
        ),
        plates=_some(drawn, "joint"),
        tables=(_detector_table("Detectors", joint.lines),) if joint.lines else (),
    )


def _association(joint: Joint) -> str:
    if joint.association is None:
        return ""
    return f" Rank correlation of the two within families: {number(joint.association)}."


def _detector_table(title: str, lines: Sequence[DetectorLine]) -> Table:
    return Table(
        title=title,
        heads=("detector", "AUROC", "recall", "false alarms", "aimed at"),
        rows=tuple(
            (one_line(line.name, 80), number(line.auroc), rate(line.recall), rate(line.fpr), f"{line.at * 100:g} %")
            for line in lines
        ),
    )
