"""What a person signs when they answer a request, and whether an answer is one to exactly this request (L14).

After Microsoft's agent governance toolkit, ADR-0030 (an approval is bound by digest to operation, target and parameters, expires, is
consumed once), with more that it is bound to: policy, session, history, and the page that the person saw.

    (1) every field of the request is in the statement, as the guard has it
    (2) so is the digest of the page, computed from the guard's own copy
    (3) it was signed while the request was open, by the signer's clock, and by ours it is not over
    (4) the answer is `approve` or `reject`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obverse.core.errors import EvidenceError
from obverse.guard.records import Request

KIND: Final = "obverse.approval/1"
SKEW: Final = 60_000  # milliseconds by which the clock of who signs may be ahead of ours, or behind
LONGEST_BECAUSE: Final = 2_000
_PLAIN: Final = ("_type", "answer", "by", "time", "because", "page")

Answer: TypeAlias = Literal["approve", "reject"]


def statement_of(
    request: Request, page: str, *, answer: Answer, by: str, time: int, because: str = ""
) -> dict[str, Any]:
    """The statement that a person signs: the whole request, the digest of the page that they saw, and what they say."""
    said: dict[str, Any] = {"_type": KIND, "answer": answer, "by": by, "page": page, "time": time}
    if because:
        said["because"] = because[:LONGEST_BECAUSE]
    return {**_fields(request), **said}


def check_bound(statement: Mapping[str, Any], request: Request, page: str, *, now: int) -> Answer:
    """The answer, if it is one to this request, by somebody who saw this page, and in time.

    Raises:
        EvidenceError: if it is not; it names the first field that differs.
    """
    fields = _fields(request)
    for name, value in fields.items():  # (1)
        if name not in statement or statement[name] != value or type(statement[name]) is not type(value):
            raise EvidenceError(f"the answer is to another request: `{name}` differs", code="G220")
    odd = set(statement) - set(fields) - set(_PLAIN)
    if odd:
        raise EvidenceError(f"the answer says more than an answer does: `{min(odd)[:40]}`", code="G220")
    if statement.get("page") != page:  # (2)
        raise EvidenceError("the answer is to another page than the guard's", code="G220")
    time = statement.get("time")
    if not isinstance(time, int) or isinstance(time, bool):
        raise EvidenceError("an answer without a time", code="G221")
    if not request.asked - SKEW <= time < request.expires or now >= request.expires or time > now + SKEW:  # (3)
        raise EvidenceError("the answer is not of the time when the request was open", code="G221")
    match statement.get("answer"):  # (4)
        case "approve":
            return "approve"
        case "reject":
            return "reject"
    raise EvidenceError("an answer is `approve` or `reject`", code="G220")


def _fields(request: Request) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(request)
    fields["request"] = fields.pop("id")
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
