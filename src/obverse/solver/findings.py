"""What `analyse` returns: records only. A finding has one sentence and, where there is one, a witness that was replayed."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from obverse.core.errors import Span
from obverse.core.events import AnyEvent, Step
from obverse.core.verdicts import Verdict

Severity: TypeAlias = Literal["error", "warning", "info"]
Code: TypeAlias = Literal[
    "S201", "S202", "S203", "S204", "S205", "S206", "S207", "S208", "S209", "S210", "S211", "S212",
    "S213", "S214", "S215", "S216", "S217", "S218", "S219", "S220", "S221", "S222", "S223", "S224",
]  # fmt: skip

MEANINGS: dict[Code, tuple[Severity, str]] = {
    "S201": ("error", "a rule can never fire"),
    "S202": ("error", "a rule fires on every step that it speaks of, though it has a condition"),
    "S203": ("error", "a permit is swallowed: whenever it applies, a rule blocks"),
    "S204": ("warning", "a permit and a blocking rule meet: where both apply, the rule decides"),
    "S205": ("error", "a lower level permits what a higher one blocks"),
    "S206": ("error", "an exception can never apply"),
    "S207": ("error", "an exception never matters: where the rule speaks, it cannot apply"),
    "S208": ("info", "a clause is not formalised"),
    "S209": ("error", "an act can never be allowed"),
    "S210": ("warning", "a definition is never used, or always has one value"),
    "S211": ("warning", "a judged predicate can never matter"),
    "S212": ("warning", "a rule is shadowed: stricter rules fire wherever it fires"),
    "S213": ("warning", "a rule is redundant: others give the same verdict without it"),
    "S214": ("error", "rules conflict: one lets through only what others deny"),
    "S215": ("warning", "a grant gets past an inviolable rule"),
    "S216": ("warning", "a rule fires where a part of it has no value"),
    "S217": ("warning", "no rule speaks of a tool"),
    "S218": ("info", "no rule tells an effect apart"),
    "S219": ("info", "values of a field are handled alike, though rules tell others apart"),
    "S220": ("info", "a judge alone lets an act with an effect through"),
    "S221": ("info", "a monitor must keep what nothing bounds"),
    "S222": ("error", "an example is yes and no of one predicate"),
    "S223": ("warning", "a declaration contradicts itself or another"),
    "S224": ("info", "a window or threshold is not reached while the policy is kept"),
}
"""Every code of an analysis: how severe, and what it says."""


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A past, a step, and what `decide` says of it (L06)."""

    history: tuple[AnyEvent, ...]
    step: Step
    verdict: Verdict
    clauses: tuple[str, ...]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or worth knowing. `rule` is the rule it is about, `others` rules that take part.

    `clause` is None for what stands in no clause: a declaration, which `about` names (`tool refund`). `at` is where that rule,
    declaration or clause stands in the text; `query` is the digest of the question that found it, with all that it rests on.
    """

    code: Code
    clause: str | None
    severity: Severity
    message: str
    witness: Witness | None = None
    rule: str | None = None
    others: tuple[str, ...] = ()
    about: str | None = None
    within: str | None = None
    """The bound of the proofs that it rests on; None where it rests on none, or holds for traces and lists of any length."""
    at: Span | None = None
    query: str | None = None


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A question that was asked and not answered, and why."""

    code: Code
    clause: str | None
    reason: str
    rule: str | None = None
    at: Span | None = None
    query: str | None = None


class Solver(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered, and under which options (their digest)."""

    name: str
    version: str
    options: str
    bound: str


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """All findings in the order of the document, what stayed open, and who answered.

    `questions` is how many there are, of which `reused` were answered before; `queries` is how often the solver was asked.
    """

    findings: tuple[Finding, ...]
    undecided: tuple[Open, ...]
    queries: int
    solver: Solver
    questions: int = 0
    reused: int = 0
