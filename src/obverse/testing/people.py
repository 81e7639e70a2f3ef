"""People with keys, for tests: file keys from a seed, and a passkey in software that makes real assertions."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from obverse.guard.people import Person, PublicKey, Role, edwards_key, passkey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def file_key(seed: str) -> Ed25519PrivateKey:
    """An Ed25519 key, the same for the same seed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


def public_key(seed: str, *, added: int = 0) -> PublicKey:
    """The public half of `file_key(seed)`."""
    return edwards_key(file_key(seed).public_key().public_bytes_raw(), added=added)


def person(name: str, *seeds: str, roles: tuple[Role, ...] = ("approve",)) -> Person:
    """A person with the file keys of these seeds, or of one that is named like them."""
    return Person(name=name, roles=roles, keys=tuple(public_key(seed) for seed in seeds or (name,)))


class SoftPasskey:
    """An authenticator in software (ES256). Each of its parts can be made to lie."""

    def __init__(self, seed: str, *, rp_id: str = "localhost", origin: str = "http://localhost:8765") -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        digest = hashlib.sha256(seed.encode()).digest()
        self._private = ec.derive_private_key(int.from_bytes(digest, "big") >> 1, ec.SECP256R1())
        self._credential = hashlib.sha256(digest).digest()
        self._origin = origin
        self._rp_id = rp_id
        self.counter = 0

    def public(self, *, added: int = 0) -> PublicKey:
        """Its record, as a registration makes it."""
        from webauthn.helpers import encode_cbor

        numbers = self._private.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        key = encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})  # COSE: EC2, ES256, P-256
        return passkey(
            key, credential=_base64url(self._credential), rp_id=self._rp_id, origins=(self._origin,), counter=0, added=added
        )  # fmt: skip

    def registration(
        self, challenge: bytes, *, origin: str | None = None, rp_id: str | None = None, verified: bool = True
    ) -> dict[str, Any]:
        """What `navigator.credentials.create` gives for this challenge, as JSON, without attestation (section 6.5)."""
        from webauthn.helpers import encode_cbor

        client = {"type": "webauthn.create", "challenge": _base64url(challenge), "origin": origin or self._origin}
        scope = hashlib.sha256((rp_id or self._rp_id).encode()).digest()
        head = scope + bytes([0x41 | verified << 2]) + bytes(4 + 16) + len(self._credential).to_bytes(2, "big")
        data = head + self._credential + self.public().data
        made = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        name = _base64url(self._credential)
        response = {"clientDataJSON": _base64url(json.dumps(client).encode()), "attestationObject": _base64url(made)}
        return {"id": name, "rawId": name, "type": "public-key", "response": response}

    def assertion(
        self,
        challenge: bytes,
        *,
        origin: str | None = None,
        rp_id: str | None = None,
        present: bool = True,
        verified: bool = True,
        counter: int | None = None,
        framed: bool = False,
    ) -> dict[str, Any]:
        """What `navigator.credentials.get` gives for this challenge, as JSON (WebAuthn Level 3, section 5.1)."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        self.counter = self.counter + 1 if counter is None else counter
        client = json.dumps(
            {"type": "webauthn.get", "challenge": _base64url(challenge), "origin": origin or self._origin,
             "crossOrigin": framed}
        ).encode()  # fmt: skip
        scope = hashlib.sha256((rp_id or self._rp_id).encode()).digest()
        data = scope + bytes([present | verified << 2]) + self.counter.to_bytes(4, "big")
        signature = self._private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        name = _base64url(self._credential)
        response = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        shown = {part: _base64url(value) for part, value in response.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": shown}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
