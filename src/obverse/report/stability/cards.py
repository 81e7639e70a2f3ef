"""The card of one prompt: where it stands, how much its answers differ, what its ladders did, and a few answers to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from obverse.report.stability.boundary import by_kind
from obverse.report.stability.plotting import MANY
from obverse.report.stability.views import CardGroup, PromptCard, Room, Said
from obverse.report.stability.words import ZONE_WORDS, number, rate, value
from obverse.report.views import Term
from obverse.report.visible import one_line, shown
from obverse.report.wording import count, interval, plain_percent, share
from obverse.stability.findings import Diagnosis, PromptFinding, Signals, Step
from obverse.stability.records import Settings

_BEHAVIOUR: Final = {"refuse": "refused", "comply": "complied", "unscored": "not scored", "error": "failed"}
_SIGNALS: Final = (
    "margin", "projection", "lens", "probe", "attention", "routing", "plausibility", "perplexity",
)  # fmt: skip


def groups(diagnosis: Diagnosis, room: Room) -> tuple[CardGroup, ...]:
    """The cards by kind, least compliant first, as many as there is room for."""
    inside = diagnosis.inside
    signals = {one.prompt: one for one in (inside.signals if inside else ()) if one.level == 0}
    found, left = [], room.cards
    kinds = list(by_kind(diagnosis.prompts))
    for order, (kind, members) in enumerate(kinds):
        mine = members[: max(0, left // (len(kinds) - order))]
        left -= len(mine)
        missing = len(members) - len(mine)
        found.append(
            CardGroup(
                title=f"{MANY[kind].capitalize()} ({len(members):,})",
                cards=tuple(card(one, diagnosis.settings, signals.get(one.prompt.id), room) for one in mine),
                left_out=f"{count(missing, 'more prompt')} in the JSON beside this page." if missing else "",
            )
        )
    return tuple(found)


def card(one: PromptFinding, settings: Settings, signals: Signals | None, room: Room) -> PromptCard:
    """One prompt as its card."""
    placed = one.placement
    levels = sorted({step.level for step in one.steps})
    steps = tuple(_steps(one.steps, levels))[: room.steps]
    return PromptCard(
        id=one_line(one.prompt.id, 120),
        zone=placed.zone,
        said=ZONE_WORDS[placed.zone],
        rate=f"{interval(placed.rate.low, placed.rate.high)} ({share(placed.counted.complied, placed.counted.scored)})",
        messages=tuple(_said(one_line(each.role, 20), each.content, room.text) for each in one.prompt.messages),
        placed=(*_placed(one, settings), *_risk(one)),
        spread=(*_spread(one), *_inside(signals)),
        steps=steps,
        levels=tuple(f"level {level}" for level in levels),
        rejected=tuple(
            f"{one_line(each.ladder, 60)}, level {each.level}: {one_line(each.reason, 240)}"
            for each in one.rejected[:40]
        ),
        answers=tuple(_said(_BEHAVIOUR[behaviour], text, room.text) for behaviour, text in one.answers[: room.answers]),
        left_out=_left_out(one, len(steps), room),
    )


def _left_out(one: PromptFinding, steps: int, room: Room) -> str:
    ladders = len({step.ladder for step in one.steps}) - steps
    answers = len(one.answers) - room.answers
    parts = [count(ladders, "ladder")] if ladders > 0 else []
    parts += [count(answers, "answer")] if answers > 0 else []
    parts += [count(len(one.rejected) - 40, "rejected rung")] if len(one.rejected) > 40 else []
    return f"Not shown here for want of room: {', '.join(parts)}; the JSON holds them." if parts else ""


def _said(who: str, text: str, limit: int) -> Said:
    seen = shown(text, limit)
    return Said(who=who, text=seen.text, cut=seen.cut or "")


def _placed(one: PromptFinding, settings: Settings) -> Iterator[Term]:
    placed, counted = one.placement, one.placement.counted
    sure = plain_percent(settings.confidence)
    yield Term(
        name="zone",
        value=ZONE_WORDS[placed.zone],
        note=f"should {one.prompt.wanted}; ended: {one_line(placed.why, 120)}",
    )
    yield Term(name="π", value=rate(placed.rate), note=f"{sure}, {one_line(placed.rate.method, 80)}")
    if counted.scored < counted.all:
        yield Term(
            name="at worst",
            value=interval(placed.worst_low, placed.worst_high),
            note="whatever the draws without a score had been",
        )
    yield Term(
        name="draws",
        value=f"{counted.refused:,} refused, {counted.complied:,} complied, {counted.unscored:,} unscored, {counted.error:,} failed",
        note=f"{counted.all:,} in all",
    )
    yield Term(name="family", value=one_line(one.prompt.family, 120) or "none")
    if one.prompt.source:
        yield Term(name="from", value=one_line(one.prompt.source, 120))


def _spread(one: PromptFinding) -> Iterator[Term]:
    spread = one.spread
    missing = {name: one_line(reason, 160) for name, reason in spread.missing.items()}
    if spread.modal is not None:
        yield Term(
            name="mostly", value=_BEHAVIOUR[spread.modal], note=rate(spread.modal_share) if spread.modal_share else ""
        )
    named = (
        ("flip", f"flips, k = {spread.k}", rate(spread.flip), f"that {spread.k} draws do not agree"),
        ("entropy", "entropy of outcomes", number(spread.entropy, unit="nats"), ""),
        ("semantic", "semantic entropy", number(spread.semantic, unit="nats"), "" if spread.clusters is None else f"{count(spread.clusters, 'cluster')} of meaning"),
        ("distance", "distance of answers", number(spread.distance), "mean pairwise cosine distance"),
        ("tokens", "token entropy", number(spread.tokens, unit="nats"), "mean over the tokens of the answer"),
    )  # fmt: skip
    for name, said, known, note in named:
        if getattr(spread, name) is not None:
            yield Term(name=said, value=known, note=note)
        else:
            yield Term(name=said, value="not known", note=missing.get(name, ""))


def _risk(one: PromptFinding) -> Iterator[Term]:
    risk, wrong = one.risk, "complies" if one.prompt.wanted == "refuse" else "refuses"
    for k, found in zip(risk.attempts, risk.any_of):
        yield Term(name="one draw" if k == 1 else f"any of {k:,} draws", value=rate(found), note=f"that it {wrong}")
    first = risk.first
    yield Term(
        name="first unwanted",
        value=_first(first.estimate, first.low, first.high),
        note=f"draws up to the first that {wrong}",
    )


def _first(estimate: float | None, low: float | None, high: float | None) -> str:
    seen = "none was seen" if estimate is None else value(estimate)
    least = f"at least {value(low)}" if low is not None else "no lower end"
    return f"{seen} ({least}{', without an upper end' if high is None else f', at most {value(high)}'})"


def _inside(signals: Signals | None) -> Iterator[Term]:
    if signals is None:
        return
    for name in _SIGNALS:
        found = getattr(signals, name)
        if found is not None:
            yield Term(name=f"inside: {name}", value=value(found))


def _steps(steps: Sequence[Step], levels: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """A row for each ladder: its name, and on each level how many of the scored draws complied."""
    for ladder in dict.fromkeys(step.ladder for step in steps):
        cells = []
        for level in levels:
            mine = [step.counted for step in steps if step.ladder == ladder and step.level == level]
            scored, complied = sum(each.scored for each in mine), sum(each.complied for each in mine)
            drawn = sum(each.all for each in mine)
            cells.append(share(complied, scored) if scored else "no score" if drawn else "–")
        yield (one_line(ladder, 40), *cells)
