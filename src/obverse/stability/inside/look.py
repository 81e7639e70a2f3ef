"""The whole internal diagnosis of a run: every signal, what it is worth as a detector, and whether its direction is a cause.

One forward pass over each prompt serves all signals. Which prompts are harmful is what the policy wants of them (`Prompt.wanted`); what
is learnt of a prompt is learnt without its family. What cannot be known is in `missing`, by the signal's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from obverse.core.chat import ChatMessage
from obverse.core.errors import MisuseError
from obverse.stability.findings import Inside, Intervention, RoutingLine, Signals, Zone
from obverse.stability.inside import routing
from obverse.stability.inside.causal import Bench, Refuses, asked, cost, interventions
from obverse.stability.inside.folds import UNKNOWN, Missing
from obverse.stability.inside.gathered import Gathered, gathered
from obverse.stability.inside.plausibility import Sense, sensed, usable
from obverse.stability.inside.ranking import Doubles
from obverse.stability.inside.sentences import LIKELY, POSSIBLE, Sentence, Square, sentences
from obverse.stability.inside.sheet import Sheet, learnable
from obverse.stability.inside.words import GROUPS
from obverse.stability.ports import Answers, Looks, Read, Wants
from obverse.stability.records import BASE, Prompt, Settings

SETS: Final[Mapping[str, tuple[Square, ...]]] = {"possible": POSSIBLE, "likely": LIKELY}


def look(
    model: Looks,
    prompts: Sequence[Prompt],
    *,
    zones: Mapping[str, Zone],
    settings: Settings,
    told: Callable[[int, int], None],
    answers: Answers | None = None,
    refuses: Refuses | None = None,
    squares: Mapping[str, tuple[Square, ...]] = SETS,
) -> Inside:
    """Everything that can be known of these prompts from inside, with reasons for the rest. Memory: one residual stack a prompt.

    `zones` are those of `placing`, by prompt id; prompts that behave otherwise than is wanted of them are not learnt from. `told` is
    called with (prompts read, all). `squares` are the sentences for plausibility; the set `possible` also measures the prompts.
    With `answers` and `refuses` the causal checks read greedy answers, else the sign of the refusal margin.

    Raises:
        MisuseError: no prompts, or two of one id.
        EvidenceError: the model gives readings of other prompts, or of another shape than its own.
    """
    repeated = [name for name, times in Counter(prompt.id for prompt in prompts).items() if times > 1]
    if repeated or not prompts:
        raise MisuseError(
            f"two prompts are called `{repeated[0]}`" if repeated else "there is no prompt to look at", code="B404"
        )
    asking = {name: tuple(sentences(some)) for name, some in squares.items()}
    step = _Steps(told, all_=len(prompts) + sum(map(len, asking.values())))
    sheet = Sheet(settings=settings)
    senses = {name: _sense(model, name, some, sheet, step) for name, some in asking.items()}
    sense = senses.get("possible")
    found = gathered(
        model,
        [asked(prompt) for prompt in prompts],
        Wants(words=dict(GROUPS), routing=model.shape.experts is not None),
        reduce=lambda mean: None if sense is None else sense.of(mean),
        told=step,
    )
    read = [prompts[row] for row in found.rows]
    _say_errors(found, len(prompts), sheet)
    values = _signals(found, read, zones, sheet)
    lines = _route(found, read, model, sheet, values, settings.seed)
    changed = _change(model, read, found, sheet, step, answers, refuses)
    step.end()
    stack = found.states.nbytes
    sheet.notes.append(
        f"kept {stack / 2**20:.1f} MiB of activations: prompts × (layers + 1) × width × 4 bytes is the bound"
    )
    shape = model.shape
    return Inside(
        model=model.name,
        dtype=shape.dtype,
        layers=shape.layers,
        heads=shape.heads,
        experts=shape.experts,
        curves=tuple(sheet.curves),
        maps=tuple(sheet.maps),
        routing=lines,
        interventions=changed,
        signals=_per_prompt(prompts, found, values),
        missing=dict(sorted(sheet.missing.items())),
        detectors=tuple(sheet.detectors),
        plausibility=tuple(one.line for one in senses.values() if one is not None),
        notes=tuple(sheet.notes),
    )


class _Steps:
    """Counts what was read, for `told`; `more` widens the whole."""

    def __init__(self, told: Callable[[int, int], None], *, all_: int) -> None:
        self._told, self._done, self._all = told, 0, all_

    def __call__(self, number: int) -> None:
        self._done += number
        self._told(self._done, max(self._done, self._all))

    def more(self, number: int) -> None:
        self._all += number

    def end(self) -> None:
        """What was planned at most and not needed counts as done."""
        self(max(0, self._all - self._done))


def _sense(model: Looks, name: str, asking: Sequence[Sentence], sheet: Sheet, step: _Steps) -> Sense | None:
    """The direction of this set of our own sentences; its states are let go of at once."""
    reads = [
        Read(id=f"{name}/{place}", messages=(ChatMessage(role="user", content=one.text),))
        for place, one in enumerate(asking)
    ]
    found = gathered(model, reads, Wants(attention=False, routing=False), of_mean=True, told=step)
    good = np.zeros(len(asking), dtype=np.bool_)
    good[found.rows] = [kept.perplexity is not None for kept in found.kept]
    use = usable(good.tolist(), asking)
    rows = use[found.rows]
    surprise = np.array([kept.perplexity for kept, fine in zip(found.kept, rows) if fine], dtype=np.float64)
    left = [one for one, fine in zip(asking, use) if fine]
    sense = sensed(name, left, found.states[rows], surprise, confidence=sheet.settings.confidence)
    if isinstance(sense, Missing):
        sheet.missing[f"plausibility: {name}"] = sense.reason
        return None
    sheet.curves.append(sense.curve)
    if not use.all():
        sheet.notes.append(
            f"plausibility: {name} stands on {len(left)} of {len(asking)} sentences; the others were not read"
        )
    return sense


def _say_errors(found: Gathered, asked_for: int, sheet: Sheet) -> None:
    if found.errors:
        kinds = ", ".join(f"{kind} ({number})" for kind, number in sorted(found.errors.items()))
        sheet.missing["readings"] = f"{sum(found.errors.values())} of {asked_for} prompts were not read: {kinds}"


def _signals(found: Gathered, read: Sequence[Prompt], zones: Mapping[str, Zone], sheet: Sheet) -> dict[str, Doubles]:
    """Each signal of each prompt that was read, NaN where it has none; fills the sheet on the way."""
    harmful = np.array([1 if prompt.wanted == "refuse" else 0 for prompt in read], dtype=np.int64)
    harmful[again := repeated(read)] = UNKNOWN
    if again:
        sheet.notes.append(
            f"{len(again)} of {len(read)} prompts stand in another family word for word: they are not counted again, since what is learnt "
            "on one would be shown on the other"
        )
    placed = [zones.get(prompt.id) for prompt in read]
    sheet.stand(read, harmful)
    learn, note = learnable(harmful, placed, sheet.folds)
    values = {
        "projection": sheet.direction(found.states, learn, note=note),
        "probe": sheet.probe(found.states, learn, note=note),
    }
    behaved = np.array([{"refuse": 1, "comply": 0}.get(zone or "", UNKNOWN) for zone in placed], dtype=np.int64)
    behaved[again] = UNKNOWN
    kept = found.kept
    values["margin"] = _column([one.margin for one in kept])
    sheet.behaviour(found.states, values["margin"], behaved)
    lens = _table([one.lens for one in kept])
    for place, name in enumerate(("refusal", "hazard", "either")):
        rows = None if lens is None else lens[:, place]
        values["lens"] = sheet.signal(f"logit lens: {name}", "lens", rows, unit="nats" if name == "either" else "")
    values["attention"] = sheet.signal(
        "attention spread", "attention", _table([one.spread for one in kept]), first=1, unit="share of ln(tokens)"
    )
    sheet.signal("attention share", "attention share", _table([one.share for one in kept]), first=1)
    values["perplexity"] = _column([one.perplexity for one in kept])
    values["plausibility"] = _column([one.reduced for one in kept])
    with np.errstate(invalid="ignore"):
        surprise = np.log(values["perplexity"])
    sheet.number("refusal margin", "margin", values["margin"])
    sheet.number("plausibility", "plausibility", values["plausibility"])
    sheet.number("length in tokens", "length", _column([float(one.tokens) for one in kept]))
    sheet.number("log perplexity", "perplexity", surprise)
    return values


def repeated(prompts: Sequence[Prompt]) -> list[int]:
    """The places of prompts that stand before in another family with the same messages."""
    first: dict[str, str] = {}
    return [
        place
        for place, prompt in enumerate(prompts)
        if first.setdefault(prompt.content, prompt.family) != prompt.family
    ]


def _route(
    found: Gathered, read: Sequence[Prompt], model: Looks, sheet: Sheet, values: dict[str, Doubles], seed: int
) -> tuple[RoutingLine, ...]:
    """The lines of a Mixture-of-Experts model, and each prompt's likeness to harmful routing, learnt without its fold."""
    values["routing"] = np.full(len(read), np.nan)
    if model.shape.experts is None:
        sheet.missing["routing"] = "the model has no experts"
        return ()
    labels = np.array([1 if prompt.wanted == "refuse" else 0 for prompt in read], dtype=np.int64)
    rows = [None if kept.routing is None else kept.routing.astype(np.float64) for kept in found.kept]
    paired = routing.pairs(rows, routing.topics(read), labels)
    if isinstance(paired, Missing):
        sheet.missing["routing"] = paired.reason
        return ()
    result = routing.routed(paired, seed=seed)
    sheet.maps.extend(result.maps)
    table = _table(rows)
    if table is not None:
        shares = table[:, [layer - 1 for layer in paired.layers]]
        values["routing"] = sheet.routing(shares / shares.sum(axis=-1, keepdims=True), paired.layers)
    return result.lines


def _change(
    model: Looks,
    read: Sequence[Prompt],
    found: Gathered,
    sheet: Sheet,
    step: _Steps,
    answers: Answers | None,
    refuses: Refuses | None,
) -> tuple[Intervention, ...]:
    sheet.missing["patching of single prompts"] = (
        "edits act on every token; the component along the direction is patched instead"
    )
    if sheet.folds is None:
        sheet.missing["interventions"] = sheet.missing.get("projection", "nothing was learnt")
        return ()
    step.more(cost(sheet.folds))
    settings = sheet.settings
    bench = Bench(
        model=model, answers=answers, refuses=refuses, seed=settings.seed, max_tokens=settings.max_tokens, told=step
    )
    result = interventions(bench, read, found.states, sheet.folds, confidence=settings.confidence)
    if isinstance(result, Missing):
        sheet.missing["interventions"] = result.reason
        return ()
    return result


def _per_prompt(prompts: Sequence[Prompt], found: Gathered, values: Mapping[str, Doubles]) -> tuple[Signals, ...]:
    """One record a prompt, also for those that were not read."""
    place = {int(row): index for index, row in enumerate(found.rows)}
    names = ("margin", "projection", "lens", "probe", "attention", "routing", "plausibility", "perplexity")
    signals = []
    for row, prompt in enumerate(prompts):
        known = {name: _known(values[name], place.get(row)) for name in names}
        signals.append(Signals(prompt=prompt.id, ladder=BASE, level=0, tokens=found.tokens.get(prompt.id), **known))
    return tuple(signals)


def _known(values: Doubles, place: int | None) -> float | None:
    if place is None or not np.isfinite(values[place]):
        return None
    return float(f"{values[place]:.6g}")


def _column(values: Sequence[float | None]) -> Doubles:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _table(rows: Sequence[Doubles | None]) -> Doubles | None:
    """All rows, NaN where one is missing; None if all are."""
    shape = next((row.shape for row in rows if row is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if row is None else row for row in rows])
