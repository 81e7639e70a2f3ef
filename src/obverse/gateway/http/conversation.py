"""A conversation as the client sends it, against what the guard recorded of it. Pure.

The client sends the whole of it each time, and it may not be the truth: edited, shortened, or with words and calls that the model
never said. What happened, happened: a session's history is never taken back. A conversation that goes on is compared item by item;
one that departs is a *branch* of the same session, so that what was executed before still counts against every limit.

    (1) a call that stands there as the model's was released, by this id, for this tool and these arguments, or the request is refused
    (2) so is a result: its call was released
    (3) words that stand there as the model's, and were never released, are a claim of the client, on record as one; no reply
    (4) what is new is recorded as new; in a branch the user's newest message is said anew, since it is the newest that the model sees
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError
from obverse.gateway.http.json_text import shown
from obverse.gateway.http.records import Answering, AnyItem, Asking, Calling, Returning

Kind: TypeAlias = Literal["new", "claim", "edit", "again"]
"""`new` is said for the first time; `claim` stands there as the model's and is not; `edit` is another output of a call that has
one; `again` was said before and is now the newest that the user said."""


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was released: the mark that it stands by, and that of its result once there is one."""

    mark: bytes
    result: bytes | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to record, and how."""

    kind: Kind
    item: AnyItem


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What a request brings. `same` items stand as recorded; `branch` says that it departs from the record there."""

    same: int
    branch: bool
    changes: tuple[Change, ...]


def compare(
    view: Sequence[bytes], seen: AbstractSet[bytes], calls: Mapping[str, Released], items: Sequence[AnyItem]
) -> Difference:
    """What is to be recorded, so that the record holds all that the model is about to be sent.

    `view` are the marks of the conversation as last sent and answered, `seen` those of everything that was ever in it.

    Raises:
        EvidenceError: the model is said to have called what was never released to it, a result answers no released call, or the
            conversation ends with words of the model that it never said.
    """
    marks = [item.mark for item in items]
    same = _shared(view, marks)
    branch = same < len(view)
    changes: list[Change] = []
    answered = {name: call.result for name, call in calls.items() if call.result is not None}
    for item, mark in zip(items[same:], marks[same:], strict=True):
        kind = _kind(item, mark, branch=branch, seen=seen, calls=calls, answered=answered)
        if kind is not None:
            changes.append(Change(kind=kind, item=item))
    if items and changes and changes[-1] == Change(kind="claim", item=items[-1]):
        raise EvidenceError(
            "the conversation ends with words of the model that it never said", code="G423",
            hint="the guard decides whole replies: do not begin them for the model",
        )  # fmt: skip
    asked = next((item for item in reversed(items) if isinstance(item, Asking)), None)
    if branch and asked is not None and not any(change.item is asked for change in changes):
        changes.append(Change(kind="again", item=asked))  # (4)
    return Difference(same=same, branch=branch, changes=tuple(changes))


def _kind(
    item: AnyItem,
    mark: bytes,
    *,
    branch: bool,
    seen: AbstractSet[bytes],
    calls: Mapping[str, Released],
    answered: dict[str, bytes],
) -> Kind | None:
    """How this item is to be recorded; None where it stands in the record already."""
    if isinstance(item, Calling):
        released = calls.get(item.id)
        if released is None:
            raise EvidenceError(f"the call {shown(item.id)} was never released", code="G421")  # (1)
        if released.mark != mark:
            raise EvidenceError(f"the call {shown(item.id)} was released as another one", code="G421")  # (1)
        return None
    if isinstance(item, Returning):
        if item.id not in calls:
            raise EvidenceError(f"a result for {shown(item.id)}, a call that was never released", code="G422")  # (2)
        before = answered.get(item.id)
        if before is None:
            answered[item.id] = mark
            return "new"
        return None if before == mark else "edit"
    if isinstance(item, Answering):
        return None if mark in seen else "claim"  # (3)
    return None if branch and mark in seen else "new"


def _shared(view: Sequence[bytes], marks: Sequence[bytes]) -> int:
    """How many of the first items are the same."""
    length = 0
    for one, other in zip(view, marks, strict=False):
        if one != other:
            break
        length += 1
    return length
