"""`obverse reject`: sign that a request must not happen, after seeing all of it."""

from __future__ import annotations

from obverse.cli.answering import command

reject = command(
    "reject",
    "Reject the request ID of the guard in DIR. One who rejects is enough: it does not happen.",
    "Reject a request, by a signature.",
)
