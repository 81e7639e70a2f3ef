"""`obverse approve`: sign that a request may happen, after seeing all of it."""

from __future__ import annotations

from obverse.cli.answering import command

approve = command(
    "approve",
    "Approve the request ID of the guard in DIR: what is shown is what is signed, and it may happen once.",
    "Approve a request, by a signature.",
)
