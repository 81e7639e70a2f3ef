"""What a person does to a drafting: answer a question, accept, drop, overrule a kind. Pure: a state in, a state out.

Law: nothing else accepts, and nothing else takes an acceptance away.
"""

from __future__ import annotations

import msgspec

from obverse.core.errors import MisuseError
from obverse.draft.classes import ANSWERS, NO, YES
from obverse.draft.pieces import Kind
from obverse.draft.state import Acceptance, Answer, Entry, Question, State
from obverse.draft.terms import all_terms, read_rules, small
from obverse.policy.faults import did_you_mean


def answer(state: State, name: str, says: str, *, by: str, on: str = "") -> State:
    """The state with the answer to the open question of an entry, or another answer to one that was answered before.

    Raises:
        MisuseError: there is no such question, or it is not answered like that.
    """
    entry = _of_question(state, name)
    question = _question(entry, name)
    known = (YES, NO) if question.asks == "must" else ANSWERS
    if says not in known:
        hint = "answer " + ", ".join(f"`{one}`" for one in known)
        raise MisuseError(f"`{says}` is no answer to `{question.id}`", code="F120", hint=hint)
    given = Answer(question=question, says=says, by=_name(by), on=on)
    answers = (*(one for one in entry.answers if one.question.id != question.id), given)
    return _with(state, msgspec.structs.replace(entry, answers=answers, question=None, settled_for=""))


def accept(state: State, name: str, *, by: str, on: str = "") -> State:
    """The state in which a person accepts an entry whose drafts mean one thing; `ID:N` accepts draft N; `all`, every such one.

    Raises:
        MisuseError: there is no such entry, or its drafts do not mean one thing.
        ManyErrors: its rules do not fit the terms as they are now.
    """
    if name == "all":
        for entry in state.entries:
            if entry.status == "agreed":
                state = accept(state, entry.id, by=by, on=on)
        return state
    wanted, _, number = name.partition(":")
    entry = _entry(state, wanted)
    rules = _of_draft(entry, number) if number else _agreed(entry)
    terms = all_terms(state.ground, [word.text for word in state.words])
    checked = small(terms, read_rules("\n".join(rules)), state.ground, source=f"the rules of `{entry.id}`")
    accepted = Acceptance(rules=rules, by=_name(by), on=on, rests_on=checked.digest)
    return _with(state, msgspec.structs.replace(entry, accepted=accepted))


def drop(state: State, name: str) -> State:
    """The state in which an entry is no longer accepted; one that is no longer in the prose goes with it.

    Raises:
        MisuseError: there is no such entry, or it was not accepted.
    """
    entry = _entry(state, name)
    if entry.accepted is None:
        raise MisuseError(f"`{name}` is not accepted", code="F122")
    if entry in state.retired:
        return msgspec.structs.replace(state, retired=tuple(one for one in state.retired if one.id != entry.id))
    return _with(state, msgspec.structs.replace(entry, accepted=None))


def overrule(state: State, name: str, kind: Kind) -> State:
    """The state in which an entry is of this kind, whatever its words look like.

    Raises:
        MisuseError: there is no such entry.
    """
    return _with(state, msgspec.structs.replace(_entry(state, name), kind=kind))


def _agreed(entry: Entry) -> tuple[str, ...]:
    if entry.accepted is not None:
        return entry.accepted.rules
    if entry.status == "agreed":
        return entry.groups[0].rules
    why = {
        "question": f"a question is open: answer `{entry.question.id if entry.question else ''}`",
        "split": "its drafts differ and the solver cannot tell how: accept one by `ID:N`",
        "waiting": "it was not settled yet: draft on",
        "not drafted": "it was not drafted yet",
    }.get(entry.status, "it has no rules")
    raise MisuseError(f"`{entry.id}` cannot be accepted", code="F121", hint=why)


def _of_draft(entry: Entry, number: str) -> tuple[str, ...]:
    found = next((draft for draft in entry.drafts if str(draft.number) == number and draft.says == "rules"), None)
    if found is None:
        numbers = ", ".join(f"`{entry.id}:{draft.number}`" for draft in entry.drafts if draft.says == "rules")
        raise MisuseError(
            f"`{entry.id}` has no draft `{number}` with rules",
            code="F121",
            hint=f"there is {numbers}" if numbers else None,
        )
    return found.rules


def _question(entry: Entry, name: str) -> Question:
    for given in entry.answers:
        if given.question.id == name:
            return given.question
    if entry.question is None:
        raise MisuseError(f"`{entry.id}` has no open question", code="F120")
    return entry.question


def _of_question(state: State, name: str) -> Entry:
    for entry in (*state.entries, *state.retired):
        if any(given.question.id == name for given in entry.answers):
            return entry
    return _entry(state, name)


def _entry(state: State, name: str) -> Entry:
    found = state.find(name)
    if found is None:
        hint = did_you_mean(name, [entry.id for entry in (*state.entries, *state.retired)], otherwise="")
        raise MisuseError(f"there is no statement `{name}`", code="F123", hint=hint or None)
    return found


def _with(state: State, entry: Entry) -> State:
    def put(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        return tuple(entry if one.id == entry.id else one for one in entries)

    return msgspec.structs.replace(state, entries=put(state.entries), retired=put(state.retired))


def _name(by: str) -> str:
    name = " ".join(by.split())
    if not name or not name.isprintable():
        raise MisuseError("a person is named by a name", code="F124", hint="say who with `--by NAME`")
    return name
