"""Private keys: made, kept in a file that only its owner reads, and used to sign notes.

The file is PKCS #8 in PEM, with a password or without, so that other tools read it too. An HSM or a signer process is another
`Signer`; nothing else in this room holds a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.ledger.note import Algorithm, Key, Signature, cosignature_text, subtree_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey


class FileSigner:
    """Signs with a private key in memory. Cosignatures carry the time of `clock`, in seconds since the epoch."""

    def __init__(
        self, name: str, private: Ed25519PrivateKey | MLDSA44PrivateKey, *, clock: Callable[[], int] | None = None
    ) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        edwards = isinstance(private, Ed25519PrivateKey)
        if not edwards and clock is None:
            raise MisuseError("a cosignature needs a clock", code="E106")
        algorithm: Algorithm = "ml-dsa-44-cosignature" if not edwards else "ed25519-cosignature" if clock else "ed25519"
        self._private: Any = private
        self._clock = clock
        self.key = Key(name=name, algorithm=algorithm, public=private.public_key().public_bytes_raw())

    def sign(self, text: str) -> Signature:
        """The signature under this note text."""
        if self._clock is None:
            return Signature(name=self.key.name, key_id=self.key.id, data=self._private.sign(text.encode()))
        time = self._clock()
        edwards = self.key.algorithm == "ed25519-cosignature"
        message = cosignature_text(text, time) if edwards else subtree_text(text, self.key.name, time)
        return Signature(
            name=self.key.name, key_id=self.key.id, data=time.to_bytes(8, "big") + self._private.sign(message)
        )


def new_key(algorithm: Algorithm = "ed25519") -> Ed25519PrivateKey | MLDSA44PrivateKey:
    """A new private key, from the system's own randomness."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    return MLDSA44PrivateKey.generate() if algorithm.startswith("ml-dsa") else Ed25519PrivateKey.generate()


def key_file(private: Ed25519PrivateKey | MLDSA44PrivateKey, password: bytes | None = None) -> bytes:
    """The private key as PKCS #8 in PEM."""
    from cryptography.hazmat.primitives import serialization

    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def read_key_file(data: bytes, password: bytes | None = None) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    """The private key in a file.

    Raises:
        UntrustedInputError: if it is none that this room signs with, or the password does not fit.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    try:
        found = serialization.load_pem_private_key(data, password)
    except (ValueError, TypeError) as error:
        raise UntrustedInputError(
            "no private key in PEM, or not with this password", code="E127", hint="`obverse ledger key` makes one"
        ) from error
    if not isinstance(found, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise UntrustedInputError("a private key that is neither Ed25519 nor ML-DSA-44", code="E127")
    return found
