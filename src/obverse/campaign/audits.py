"""An audit of many recorded transcripts: what the policy says of each, folded into counts and rates per clause.

Reads one transcript at a time and keeps counts, findings up to a limit, and a few events around the first findings of each
clause; so it is bounded by its limits, not by its input. Rates are over the transcripts in which a clause had a say:
`low`..`high` is the exact interval (Clopper–Pearson) of those that certainly broke it, and `worst_high` its upper end if all
undecided ones did (L11). What could not be read is named and counted, and is in no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from obverse.audit.findings import Finding, audit
from obverse.core.events import AnyEvent
from obverse.core.verdicts import Verdict
from obverse.policy.checked import Checked
from obverse.policy.compiled.program import Program
from obverse.policy.decision import Reason
from obverse.policy.print import layout
from obverse.stats import exact

SCHEMA: Final = "obverse.audit/1"
MOST_FINDINGS: Final = 100_000
"""Findings that are kept; more are counted."""

_EXCERPTS: Final = 12  # findings of a clause that come with events
_OPENING: Final = 5_000  # events of a transcript from which excerpts are made
_BEFORE: Final = 3  # events before the step in an excerpt
_LINE: Final = 2_000  # characters of one text in an excerpt


class PolicyName(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy was asked."""

    name: str
    version: str
    digest: str


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is no transcript: where it began, if that is known, and why."""

    file: str
    line: int | None
    reason: str
    transcript: str | None = None


class AuditFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One clause at one step; `because` is its reason in words, `excerpt` the step, what led to it, and what it rests on."""

    transcript: str
    message: int | None
    clause: str
    verdict: Verdict
    because: str
    state: Literal["broken", "undecided", "warned"]
    step: str
    act: str
    rule: str
    unknowns: tuple[str, ...] = ()
    excerpt: tuple[AnyEvent, ...] = ()


class AuditClause(msgspec.Struct, frozen=True, kw_only=True):
    """One clause over all transcripts. `of` counts those in which it had a say, `low` and `high` are None if there are none.

    `undecided` counts transcripts with an undecided finding and none that is certain; `findings` counts steps. The clauses
    `@calls`, `@arguments`, … are the defaults of the policy.
    """

    clause: str
    broken: int
    of: int
    low: float | None
    high: float | None
    worst_high: float | None = None
    undecided: int = 0
    warned: int = 0
    findings: int = 0
    title: str = ""
    prose: str = ""
    rules: tuple[str, ...] = ()
    level: str = ""
    severity: str = ""


class AuditSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says of an audit. `found` counts all findings, also those that are not kept."""

    policy: PolicyName
    transcripts: int
    findings: tuple[AuditFinding, ...]
    clauses: tuple[AuditClause, ...]
    schema: str = SCHEMA
    verdict: Literal["broken", "undecided", "clean"]
    found: int
    events: int
    steps: int
    files: tuple[str, ...]
    unread: tuple[Unread, ...] = ()
    confidence: float = 0.95
    assumed_start: int | None = None
    version: str = ""


class Auditor:
    """Takes transcripts one after another; `summary` may be asked for at any time."""

    def __init__(self, checked: Checked, *, confidence: float = 0.95, most: int = MOST_FINDINGS) -> None:
        self._checked = checked
        self._program = Program(checked)
        self._confidence = confidence
        self._most = most
        self._findings: list[AuditFinding] = []
        self._unread: list[Unread] = []
        self._counts: dict[str, _Count] = {clause.id: _Count() for clause in checked.clauses}
        self.transcripts = self.found = self.events = self.steps = 0

    def take(self, transcript: str, events: Iterable[AnyEvent]) -> None:
        """Audit one transcript; of its events no more than the opening is held."""
        opening: list[AnyEvent] = []
        audited = audit(self._checked, transcript, _remembered(events, opening), program=self._program)
        self.transcripts += 1
        self.events += audited.events
        self.steps += audited.steps
        self.found += sum(sum(states.values()) for states in audited.counts.values())
        places = {event.id: place for place, event in enumerate(opening)} if audited.findings else {}
        for finding in audited.findings:
            self._keep(finding, opening, places)
        kept = Counter(finding.clause for finding in audited.findings)
        for clause in audited.spoken | audited.counts:
            states = audited.counts.get(clause, {})
            self._count(clause).add(set(states))
            self._count(clause).findings += sum(states.values()) - kept[clause]

    def skip(self, unread: Unread) -> None:
        """Note what could not be read."""
        self._unread.append(unread)

    def summary(self, *, files: Iterable[str], assumed_start: int | None = None, version: str = "") -> AuditSummary:
        """What was found so far."""
        clauses = tuple(self._clause(name, counted) for name, counted in self._counts.items())
        broken, undecided = (any(getattr(clause, state) for clause in clauses) for state in ("broken", "undecided"))
        unseen = bool(self._unread) or not self.transcripts  # nobody knows what stands in what was not read
        return AuditSummary(
            policy=PolicyName(name=self._checked.name, version=self._checked.version, digest=self._checked.digest),
            transcripts=self.transcripts,
            findings=tuple(self._findings),
            clauses=clauses,
            verdict="broken" if broken else "undecided" if undecided or unseen else "clean",
            found=self.found,
            events=self.events,
            steps=self.steps,
            files=tuple(files),
            unread=tuple(self._unread),
            confidence=self._confidence,
            assumed_start=assumed_start,
            version=version,
        )

    def _keep(self, finding: Finding, events: Sequence[AnyEvent], places: dict[str, int]) -> None:
        count = self._count(finding.clause)
        count.findings += 1
        if len(self._findings) >= self._most:
            return
        shown = _excerpt(finding, events, places) if count.findings <= _EXCERPTS else ()
        self._findings.append(_finding(finding, shown))

    def _count(self, clause: str) -> _Count:
        return self._counts.setdefault(clause, _Count())

    def _clause(self, name: str, counted: _Count) -> AuditClause:
        # the defaults of the policy have a say in every transcript with a step
        of = self.transcripts if name.startswith("@") else counted.spoken
        error = (1 - self._confidence) / 2
        known = next((clause for clause in self._checked.clauses if clause.id == name), None)
        worst = min(counted.broken + counted.undecided, of)
        return AuditClause(
            clause=name,
            broken=counted.broken,
            of=of,
            low=exact.lower_bound(trials=of, broken=counted.broken, error=error) if of else None,
            high=exact.upper_bound(trials=of, broken=counted.broken, error=error) if of else None,
            worst_high=exact.upper_bound(trials=of, broken=worst, error=error) if of else None,
            undecided=counted.undecided,
            warned=counted.warned,
            findings=counted.findings,
            title=known.title if known else "",
            prose=known.prose if known else "",
            rules=tuple(layout(rule) for rule in known.rules) if known else (),
            level=known.level if known else "",
            severity=known.severity if known else "",
        )


class _Count(msgspec.Struct):
    """Transcripts in which a clause had a say, and how it fared in them; findings are steps."""

    spoken: int = 0
    broken: int = 0
    undecided: int = 0
    warned: int = 0
    findings: int = 0

    def add(self, states: set[str]) -> None:
        """One transcript, by its worst state."""
        self.spoken += 1
        self.broken += "broken" in states
        self.undecided += "undecided" in states and "broken" not in states
        self.warned += states == {"warned"}


def _finding(finding: Finding, excerpt: tuple[AnyEvent, ...]) -> AuditFinding:
    return AuditFinding(
        transcript=finding.transcript,
        message=finding.message,
        clause=finding.clause,
        verdict=finding.verdict,
        because=because(finding.reason),
        state=finding.state,
        step=finding.step,
        act=finding.act,
        rule=finding.reason.rule,
        unknowns=tuple(f"{unknown.what}: {unknown.why}" for unknown in finding.reason.unknowns),
        excerpt=excerpt,
    )


def because(reason: Reason) -> str:
    """The reason in a line: the conditions that mattered with their values, what was unknown, the events it rests on."""
    parts = [f"`{condition.text}` is {condition.value}" for condition in reason.conditions]
    parts += [f"`{unknown.what}` is unknown ({unknown.why})" for unknown in reason.unknowns]
    if reason.events:
        parts.append(f"see {', '.join(reason.events)}")
    return f"{reason.rule}: {'; '.join(parts)}" if parts else reason.rule


def _remembered(events: Iterable[AnyEvent], opening: list[AnyEvent]) -> Iterator[AnyEvent]:
    """The same events; the first of them are kept, since findings come with what led to them."""
    for event in events:
        if len(opening) < _OPENING:
            opening.append(event)
        yield event


def _excerpt(finding: Finding, events: Sequence[AnyEvent], places: dict[str, int]) -> tuple[AnyEvent, ...]:
    """The step, the few events before it, and those that the reason rests on, in their order and cut to a readable size."""
    step = places.get(finding.step)
    if step is None:
        return ()
    wanted = {places[name] for name in finding.reason.events[:_BEFORE] if name in places}
    wanted |= set(range(max(0, step - _BEFORE), step + 1))
    return tuple(_cut(events[place]) for place in sorted(wanted))


def _cut(event: AnyEvent) -> AnyEvent:
    """The event with its text cut; a cut argument or output is no JSON any more, so these are left whole while short."""
    for name in ("text", "output", "arguments"):
        text = getattr(event, name, None)
        if isinstance(text, str) and len(text) > _LINE:
            note = f"{text[:_LINE]}… ({len(text)} characters)"
            return msgspec.structs.replace(event, **{name: note})
    return event
