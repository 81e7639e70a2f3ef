"""Whether an assertion of a passkey (WebAuthn, Level 3) is right. The signature's own check is py_webauthn's.

An assertion signs a challenge; ours is SHA-256 of a statement's canonical bytes, so a passkey signs exactly one statement. Not
the ceremony in the browser, and not the registration: those are pages.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from obverse.core.errors import EvidenceError, UnavailableError
from obverse.guard.people import PublicKey


def check_assertion(credential: Mapping[str, Any], challenge: bytes, key: PublicKey, *, counter: int) -> int:
    """The new sign counter, if this key made the assertion for this challenge, with a person present and verified.

    `credential` is what `navigator.credentials.get` gave, as JSON; `counter` the last counter that was seen of the key.

    Raises:
        EvidenceError: if it is not so.
        UnavailableError: py_webauthn is not installed.
    """
    verify = _verifier()
    if credential.get("id") != key.credential or key.rp_id is None or not key.origins:
        raise EvidenceError("an assertion by another passkey", code="G215")
    try:
        found = verify(
            credential=dict(credential), expected_challenge=challenge, expected_rp_id=key.rp_id,
            expected_origin=list(key.origins), credential_public_key=key.data, credential_current_sign_count=counter,
            require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # boundary: py_webauthn on bytes from outside; what raises does not count
        raise EvidenceError(f"the passkey's assertion is wrong: {_short(error)}", code="G215") from error
    if _is_framed(credential):  # WebAuthn 7.2, step 14: py_webauthn leaves this one to us
        raise EvidenceError("the passkey was used from inside another site's page", code="G215")
    return int(found.new_sign_count)


def _verifier() -> Any:
    try:
        from webauthn import verify_authentication_response
    except ImportError as error:
        raise UnavailableError(
            "passkeys need `webauthn`, which is not installed", code="G216", hint="pip install 'obverse[guard]'"
        ) from error
    return verify_authentication_response


def _is_framed(credential: Mapping[str, Any]) -> bool:
    text = str(credential["response"]["clientDataJSON"])
    try:
        data = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return True
    return bool(data.get("crossOrigin")) or "topOrigin" in data


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text[:1].lower() + text[1:])[:160] or type(error).__name__.lower()
