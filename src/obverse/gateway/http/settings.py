"""What a gateway may be told about itself. Every default is the strict one; none of these changes what the policy says."""

from __future__ import annotations

from typing import Literal

import msgspec

Parts = Literal["image_url", "input_image", "input_audio", "file", "input_file"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of a gateway: the table `[gateway]` of `guard.toml`."""

    release: Literal["sentences", "whole"] = "sentences"
    """Whether a streamed text may leave sentence by sentence; it does so only where the policy allows it (`release.py`)."""
    hide: bool = True
    """Whether tools that no history could allow are left out of what the model is offered."""
    history: Literal["branch", "exact"] = "branch"
    """What to do with a conversation that is not a continuation of what was recorded: go on and record it, or refuse it."""
    sessions: Literal["found", "named"] = "found"
    """Whether a session is found by the conversation where the client names none, or each request has to name its own."""
    unseen: tuple[Parts, ...] = ()
    """Parts that the guard cannot read and lets through all the same; each is recorded by its digest."""
    parameters: tuple[str, ...] = ()
    """Parameters beyond those that the gateway knows, which the model is sent; name none that brings text or tools with it."""
    hold_seconds: float = 30.0
    """How long a request is held while people are asked; after that it is answered with what they were asked for."""
    keep_alive_seconds: float = 10.0
    """How often a stream that waits says so by a comment."""
    connect_seconds: float = 5.0
    first_byte_seconds: float = 300.0
    """How long the model may take until it says anything."""
    between_seconds: float = 60.0
    """How long it may take from one piece to the next."""
    turn_seconds: float = 900.0
    """How long a whole turn may take."""
    request_seconds: float = 60.0
    """How long a client may take to send a request."""
    largest_request: int = 20_000_000
    largest_answer: int = 8_000_000
    """Bytes. What is larger is refused unread."""
    most_calls: int = 64
    """Calls of one turn; with more the whole turn is refused."""
    smallest_piece: int = 160
    """Characters that are gathered before a sentence leaves: each piece is decided and recorded."""
    most_sessions: int = 100_000
    """Sessions held at once; beyond that the one that was idle for longest is ended."""
    idle_seconds: float = 86_400.0
    """A session that nobody used for so long is ended."""
    most_kept: int = 256_000_000
    """Bytes of conversations kept for `previous_response_id`; the oldest are forgotten first."""
    watch_seconds: float = 300.0
    """How often the gateway sends itself a canary, and ends sessions that nobody uses."""
    threads: int = 32
    """Decisions under way at once: each may wait for the disk, and waiting ones share one sync."""
