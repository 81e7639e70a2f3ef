"""Registering a passkey (WebAuthn Level 3, section 7.1): what the browser is asked, and what is kept of its answer.

A challenge is made for one invitation, kept in memory, and good for one answer within a few minutes. No attestation is asked for:
which make of key somebody uses is not ours to know; who it belongs to is said by who gave the invitation.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from obverse.core.errors import EvidenceError, UnavailableError
from obverse.guard.people import Person, PublicKey, passkey
from obverse.web.fence import Address

_PATIENCE: Final = 5 * 60 * 1000
_MOST: Final = 256
_ALGORITHMS: Final = (-8, -7, -257)
"""Ed25519, P-256 and RSA, as COSE names them."""


class Ceremonies:
    """The challenges that are out, by the token of their invitation. Thread-safe."""

    def __init__(self, address: Address, *, clock: Callable[[], int], fresh: Callable[[int], bytes]) -> None:
        self._address, self._clock, self._fresh = address, clock, fresh
        self._lock = threading.Lock()
        self._out: dict[str, tuple[bytes, int]] = {}

    def options(self, token: str, person: Person) -> dict[str, Any]:
        """What `navigator.credentials.create` is given; the challenge of before is void."""
        challenge, now = self._fresh(32), self._clock()
        with self._lock:
            self._out = {name: kept for name, kept in self._out.items() if now < kept[1]}
            while len(self._out) >= _MOST:
                self._out.pop(next(iter(self._out)))
            self._out[token] = (challenge, now + _PATIENCE)
        taken = [key.credential for key in person.keys if key.kind == "webauthn" and key.rp_id == self._address.name]
        return {
            "rp": {"id": self._address.name, "name": "Obverse"},
            "user": {"id": _handle(person.name), "name": person.name, "displayName": person.name},
            "challenge": _base64url(challenge),
            "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in _ALGORITHMS],
            "authenticatorSelection": {"residentKey": "preferred", "userVerification": "required"},
            "attestation": "none",
            "excludeCredentials": [{"type": "public-key", "id": one} for one in taken if one],
            "timeout": 120_000,
        }

    def registered(self, token: str, credential: Mapping[str, Any], label: str) -> PublicKey:
        """The public key in the browser's answer, which must fit the challenge that is out for this token.

        Raises:
            EvidenceError: if it does not, or none is out.
            UnavailableError: py_webauthn is not installed.
        """
        try:
            from webauthn import verify_registration_response
        except ImportError as error:
            raise UnavailableError(
                "passkeys need `webauthn`, which is not installed", code="G216", hint="pip install 'obverse[guard]'"
            ) from error
        now = self._clock()
        with self._lock:
            challenge, until = self._out.pop(token, (b"", 0))
        if not challenge or now >= until:
            raise EvidenceError("no challenge is out for this; begin again", code="G612")
        try:
            found = verify_registration_response(
                credential=dict(credential), expected_challenge=challenge, expected_rp_id=self._address.name,
                expected_origin=self._address.origin, require_user_verification=True,
            )  # fmt: skip
        except Exception as error:  # boundary: py_webauthn on bytes from outside; whatever it raises, there is no key
            raise EvidenceError("the browser's answer does not fit what it was asked", code="G612") from error
        return passkey(
            found.credential_public_key, credential=_base64url(found.credential_id), rp_id=self._address.name,
            origins=(self._address.origin,), counter=found.sign_count, added=now, label=label,
        )  # fmt: skip


def _handle(name: str) -> str:
    """What an authenticator keeps of whom the key is for; no name (section 14.6.1)."""
    return _base64url(hashlib.sha256(b"obverse.person\0" + name.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
