"""A session that was suspended, as bytes: to go on in another process, once.

Survives: history as far as it matters, head, open calls, what judges answered, times, ids. Does not, by intent: permits and requests.
A snapshot of a session that goes on would be worth having too, but two copies of one session would each have its counts, and an
older copy would have the counts of then; so suspending ends it here, and the ledger says which bytes may go on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from obverse.core.canon import digest_bytes
from obverse.core.errors import EvidenceError, MisuseError, UntrustedInputError

FORM: Final = 1


class Suspended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes on. `events` are in canonical form, `watch` is a snapshot of the monitor;
    `whole` says whether the events are all that happened.
    """

    session: str
    holder: str
    policy: str
    head: str
    now: int
    names: int
    happened: int
    turns: int
    open: dict[str, str]
    events: tuple[bytes, ...]
    texts: tuple[tuple[str, str, str | None], ...]
    said: dict[str, str]
    watch: bytes
    whole: bool
    form: int = FORM


def encode(suspended: Suspended) -> bytes:
    """The bytes of it."""
    return msgspec.msgpack.encode(suspended)


def decode(data: bytes, *, digest: str, policy: str) -> Suspended:
    """The session in these bytes, if they are those that the ledger names.

    Raises:
        EvidenceError: they are others.
        UntrustedInputError: they are of another form.
        MisuseError: they are of another policy.
    """
    if digest_bytes(data) != digest:
        raise EvidenceError("not the session that was suspended", code="G115")
    try:
        found = msgspec.msgpack.decode(data, type=Suspended)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UntrustedInputError("no suspended session", code="G116") from error
    if found.form != FORM:
        raise UntrustedInputError(f"a suspended session of form {found.form}", code="G116")
    if found.policy != policy:
        raise MisuseError("the session was suspended under another policy", code="G117", hint="let it end")
    return found
