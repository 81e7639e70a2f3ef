"""The state of a drafting: what was split, drafted, asked, answered and accepted. Canonical JSON, one record.

It is written whole after each piece of work, so that an interruption costs no more than what was under way. A person may edit
`words` (the vocabulary); the rest is ours, and its digests tell.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.canon import canonical, digest, meant
from obverse.core.errors import UntrustedInputError
from obverse.core.events import AnyEvent, Step
from obverse.draft.pieces import Other, Statement
from obverse.draft.terms import Ground

SCHEMA: Final = "obverse.draft/1"
LARGEST: Final = 256_000_000

Status: TypeAlias = Literal[
    "accepted", "agreed", "question", "split", "no rule", "not formalised", "waiting", "not drafted"
]


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One formalisation by one model. `rests_on` names its rules and the terms they draw on; `out` is why it no longer stands.

    `says` is `nothing` where the model says that there is nothing to formalise, `failed` where nothing it said could be read;
    `reason` is then why. `calls` counts what was asked, the mending of faults included.
    """

    number: int
    model: str
    says: Literal["rules", "nothing", "failed"]
    rules: tuple[str, ...] = ()
    reason: str = ""
    calls: int = 1
    template: int = 0
    rests_on: str = ""
    out: str = ""

    @property
    def stands(self) -> bool:
        """Whether it is still one of those that may be meant."""
        return self.says != "failed" and not self.out


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Drafts that mean the same, as their shortest one says it; no rules where they say that there is nothing to formalise."""

    drafts: tuple[int, ...]
    rules: tuple[str, ...]
    words: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario on which drafts differ. `asks`: may the agent do this; or must it never be refused this?

    `options` are the answers that drafts give, each with the drafts that give it.
    """

    id: str
    asks: Literal["may", "must"]
    history: tuple[AnyEvent, ...]
    step: Step
    shown: tuple[str, ...]
    options: dict[str, tuple[int, ...]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a person answered: an example that every draft of the statement is held against."""

    question: Question
    says: str
    by: str
    on: str = ""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What a person accepted of a statement: exactly these rules, over terms that mean what `rests_on` names."""

    rules: tuple[str, ...]
    by: str
    on: str = ""
    rests_on: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement with all that is known of it. `kind` is set where a person overruled that of the statement."""

    id: str
    statement: Statement
    kind: Literal["normative", "definition", "background", ""] = ""
    drafts: tuple[Draft, ...] = ()
    rounds: int = 0
    groups: tuple[Group, ...] = ()
    question: Question | None = None
    unsettled: tuple[str, ...] = ()
    settled_for: str = ""
    answers: tuple[Answer, ...] = ()
    heard: int = 0
    accepted: Acceptance | None = None

    @property
    def is_normative(self) -> bool:
        """Whether it is put to the model."""
        return (self.kind or self.statement.kind) == "normative"

    @property
    def status(self) -> Status:
        """Where it stands."""
        if self.accepted is not None:
            return "accepted"
        if not self.is_normative:
            return "no rule"
        if not self.drafts:
            return "not drafted"
        if self.question is not None:
            return "question"
        if not self.settled_for:
            return "waiting"
        if len(self.groups) > 1:
            return "split"
        return "agreed" if self.groups and self.groups[0].rules else "not formalised"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A term of the vocabulary that was not given, and who proposed it."""

    text: str
    by: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `entries` are in the order of the prose; `retired` are statements that are no longer in it.

    `worded` names the statements whose terms were asked for; `parts` what a compound statement was cut into; `refused` proposed
    terms that were not taken up, with the reason; `written` the digest of the document as it was last written.
    """

    schema: str = SCHEMA
    source: str = ""
    prose: str = ""
    ground: Ground = Ground()
    words: tuple[Word, ...] = ()
    worded: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    parts: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    others: tuple[Other, ...] = ()
    retired: tuple[Entry, ...] = ()
    calls: int = 0
    models: tuple[str, ...] = ()
    written: str = ""

    def find(self, name: str) -> Entry | None:
        """The entry of this id, or the one whose open question has it, retired ones included."""
        everything = (*self.entries, *self.retired)
        return next(
            (one for one in everything if one.id == name or (one.question is not None and one.question.id == name)),
            None,
        )


def write_state(state: State) -> bytes:
    """The bytes of the state file: laid out for people, equal for equal states."""
    value = json.loads(canonical(state))
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def read_state(data: bytes, *, source: str = "state") -> State:
    """The state that these bytes hold.

    Raises:
        UntrustedInputError: if they are no state of ours.
    """
    if len(data) > LARGEST:
        raise UntrustedInputError(f"larger than {LARGEST:,} bytes", code="F106", source=source)
    try:
        state = msgspec.convert(meant(json.loads(data, parse_float=Decimal)), State)
    except (ValueError, RecursionError, InvalidOperation, msgspec.ValidationError) as error:
        said = " ".join(str(error).split())[:200]
        hint = "take it from a backup, or move it away to begin anew"
        raise UntrustedInputError(
            f"not the state of a drafting: {said}", code="F106", source=source, hint=hint
        ) from error
    if state.schema != SCHEMA:
        raise UntrustedInputError(f"a state of schema `{state.schema}` is not read", code="F106", source=source)
    return state


def question_id(asks: str, history: tuple[AnyEvent, ...], step: Step) -> str:
    """The name of a question: that of its scenario."""
    return f"q{digest({'asks': asks, 'history': history, 'step': step})[7:15]}"
