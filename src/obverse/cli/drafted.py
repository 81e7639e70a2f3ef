"""How a drafting is shown: lines for people, one object for programs; not a command itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from obverse.cli.output import one_line

if TYPE_CHECKING:
    from obverse.draft.state import Entry, Question, State, Status

_WAITING: Final = ("question", "split", "agreed", "waiting", "not drafted")
_SHOWN: Final = 100


def summary(state: State, output: Path, beside: Path) -> dict[str, Any]:
    """What `--json` prints; `waiting` counts the statements that wait for a person or a model."""
    counts = Counter(entry.status for entry in state.entries)
    return {
        "prose": {"source": state.source, "digest": state.prose},
        "policy": str(output),
        "state": str(beside),
        "counts": dict(sorted(counts.items())),
        "waiting": sum(counts[status] for status in _WAITING),
        "calls": state.calls,
        "models": state.models,
        "statements": [_shown(entry) for entry in state.entries],
        "others": [{"kind": one.kind, "line": one.at.line, "text": one.text} for one in state.others],
        "retired": [_shown(entry) for entry in state.retired],
        "vocabulary": [{"term": word.text, "by": word.by} for word in state.words],
        "refused": state.refused,
    }


def _shown(entry: Entry) -> dict[str, Any]:
    statement = entry.statement
    return {
        "id": entry.id,
        "status": entry.status,
        "kind": entry.kind or statement.kind,
        "text": statement.text,
        "context": statement.context,
        "at": statement.at,
        "drafts": [
            {
                "number": one.number,
                "model": one.model,
                "says": one.says,
                "rules": one.rules,
                "why": one.out or one.reason,
            }
            for one in entry.drafts
        ],
        "groups": [
            {"drafts": one.drafts, "rules": one.rules, "words": one.words, "doubts": one.doubts} for one in entry.groups
        ],
        "question": _question(entry.question) if entry.question is not None else None,
        "answers": [
            {"question": one.question.id, "says": one.says, "by": one.by, "on": one.on} for one in entry.answers
        ],
        "unsettled": entry.unsettled,
        "accepted": entry.accepted,
    }


def _question(question: Question) -> dict[str, Any]:
    return {"id": question.id, "asks": question.asks, "shown": question.shown, "options": question.options}


def lines(state: State, output: Path, beside: Path) -> Iterator[str]:
    """The drafting for people: what is accepted in one line, what waits with all that is needed to decide it."""
    kinds = Counter(entry.kind or entry.statement.kind for entry in state.entries)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda one: -one[1]))
    pieces = f"{_number(len(state.entries), 'statement')} ({said}), {_number(len(state.others), 'other piece')}"
    yield one_line(f"{state.source}: {pieces}")
    waiting = [entry for entry in state.entries if entry.status in _WAITING and entry.status != "not drafted"]
    for entry in waiting[:_SHOWN]:
        yield ""
        yield from map(one_line, _entry(entry))
    if len(waiting) > _SHOWN:
        yield from ("", f"and {len(waiting) - _SHOWN} more (--json lists them all)")
    failed = [entry for entry in state.entries if entry.status == "not formalised"]
    if failed:
        yield ""
    for entry in failed[:_SHOWN]:
        yield one_line(f"not formalised: {entry.id}, line {entry.statement.at.line}: {_why(entry)}")
    gone = [entry for entry in state.retired if entry.accepted is not None]
    for entry in gone:
        yield one_line(f"accepted, but no longer in the prose: {entry.id} (--drop {entry.id} removes it)")
    yield ""
    counts = Counter(entry.status for entry in state.entries)
    names: tuple[Status, ...] = (
        "accepted", "agreed", "question", "split", "not formalised", "waiting", "not drafted",
    )  # fmt: skip
    yield ", ".join(f"{counts[name]} {name}" for name in names if counts[name]) or "nothing to draft"
    clauses = _number(counts["accepted"] + len(gone), "clause")
    yield one_line(f"{output} has {clauses} with rules; {beside} has the rest")


def _entry(entry: Entry) -> Iterator[str]:
    statement = entry.statement
    yield f"{entry.id}  line {statement.at.line}: {statement.plain}"
    alone = len(entry.groups) == 1
    for group in entry.groups:
        numbers = ", ".join(map(str, group.drafts))
        agree = "say the same" if len(group.drafts) > 1 else "says"
        yield f"    draft {numbers} {agree}{' (the others are out)' if alone and _some_out(entry) else ''}:"
        for rule, words in zip(group.rules, group.words):
            yield f"        {rule}"
            yield f"            {words}"
        if not group.rules:
            yield "        nothing that is a rule"
        for doubt in group.doubts:
            yield f"        but: {doubt}"
    for reason in entry.unsettled:
        yield f"    the solver cannot tell whether they are the same: {reason}"
    if entry.question is not None:
        yield from _asked(entry.question)
    elif entry.status == "agreed":
        yield f"    accept it with --accept {entry.id} --by NAME"
    elif entry.status == "split":
        yield f"    accept one with --accept {entry.id}:N --by NAME"


def _asked(question: Question) -> Iterator[str]:
    yield f"    question {question.id}:"
    for line in question.shown:
        yield f"        {line}"
    if question.asks == "must":
        yield "      must this never be refused, by this statement alone?"
    else:
        yield "      may the agent do this, by this statement alone?"
    for said, numbers in question.options.items():
        yield f"        {said}: draft {', '.join(map(str, numbers))}"
    words = " or ".join(dict.fromkeys(_word(said) for said in question.options))
    yield f"    answer it with --answer {question.id}=… --by NAME, such as {words}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _word(said: str) -> str:
    return {"allow": "yes", "deny": "no"}.get(said, said)


def _some_out(entry: Entry) -> bool:
    return any(draft.out for draft in entry.drafts)


def _why(entry: Entry) -> str:
    reasons = [draft.out or draft.reason.partition("\n")[0] for draft in entry.drafts]
    return next((reason for reason in reasons if reason), "its drafts hold no rule")
