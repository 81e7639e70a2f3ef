"""How commands that take transcripts read them; not a command itself."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obverse.core.chat_log import Reading
    from obverse.policy.checked import Checked


def reading_of(start: str | None, checked: Checked) -> Reading:
    """How chats are read; a start without an offset is in the policy's own time zone.

    Raises:
        MisuseError: if the start is no time.
    """
    from obverse.core.chat_log import Reading
    from obverse.core.errors import MisuseError

    if start is None:
        return Reading()
    try:
        stamp = datetime.datetime.fromisoformat(start)
    except ValueError:
        raise MisuseError(f"`{start}` is no time", code="U010", hint="write it as 2024-05-15T15:00:00") from None
    if stamp.tzinfo is None:
        zone = datetime.timezone(datetime.timedelta(minutes=checked.timezone_minutes))
        stamp = stamp.replace(tzinfo=zone)
    return Reading(start_ms=round(stamp.timestamp() * 1000))
