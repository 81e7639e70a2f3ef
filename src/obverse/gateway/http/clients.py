"""Who may ask: the keys of clients, by digest, and the holder that each stands for. The gateway's own keys; none is the model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from obverse.core.canon import digest_bytes
from obverse.core.errors import EvidenceError

CANARY_HOLDER: Final = "obverse.canary"
"""The holder of the gateway's own sessions, which prove that the guard is in the path."""
_PREFIX: Final = "obv_"


class Clients:
    """Holders by the digest of their key."""

    def __init__(self, holders: Mapping[str, str], *, canary: str | None = None) -> None:
        self._holders = {key: holder for key, holder in holders.items() if holder != CANARY_HOLDER}
        if canary is not None:
            self._holders[key_digest(canary)] = CANARY_HOLDER

    def holder(self, authorization: str | None) -> str:
        """Who holds the key of this header.

        Raises:
            EvidenceError: nobody does.
        """
        scheme, _, key = (authorization or "").partition(" ")
        found = self._holders.get(key_digest(key.strip())) if scheme.lower() == "bearer" else None
        if found is None:
            raise EvidenceError("no such client key", code="G419", hint="`obverse guard client` makes one")
        return found


def key_digest(key: str) -> str:
    """What stands in the settings for a key; the key itself stands nowhere."""
    return digest_bytes(f"obverse.client/1\0{key}".encode())


def new_key(random: bytes) -> str:
    """A key that nobody can guess."""
    return _PREFIX + random.hex()
