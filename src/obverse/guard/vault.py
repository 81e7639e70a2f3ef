"""The credentials of tools, held by the guard: lent to a tool for the time of one redeemed permit, and to nobody else.

So whoever goes round the guard has no credentials. They are taken in once, are in no record, message or representation, and what
a tool gives back is searched for them before anybody sees it. Not a sandbox: a tool that runs in the same process and keeps what
it was lent has it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.guard.home import private

HIDDEN: Final = "[credential]"
_SHORTEST: Final = 6
_LARGEST: Final = 262_144


class Lent(Mapping[str, str]):
    """Credentials by name, for as long as they are lent; afterwards there are none."""

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[str, str]) -> None:
        self._held: dict[str, str] | None = dict(held)

    def __getitem__(self, name: str) -> str:
        if self._held is None:
            raise MisuseError("the credentials were given back", code="G150", hint="use them within the call")
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(() if self._held is None else self._held)

    def __len__(self) -> int:
        return 0 if self._held is None else len(self._held)

    def __repr__(self) -> str:
        return f"<{len(self)} credentials>"

    def take_back(self) -> None:
        """They are lent no more."""
        self._held = None


class Vault:
    """Credentials by name."""

    __slots__ = ("_held", "_pattern")

    def __init__(self, held: Mapping[str, str] | None = None) -> None:
        self._held = dict(held or {})
        forms = {form for value in self._held.values() if len(value) >= _SHORTEST for form in _forms(value)}
        long = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, long))) if long else None

    def __repr__(self) -> str:
        return f"<a vault of {len(self._held)} credentials>"

    def __reduce__(self) -> str:
        raise MisuseError("a vault is not copied or stored", code="G150")

    @property
    def names(self) -> frozenset[str]:
        """What it holds, by name."""
        return frozenset(self._held)

    @contextmanager
    def lent(self, names: tuple[str, ...]) -> Iterator[Lent]:
        """These credentials, for the time of a `with`.

        Raises:
            MisuseError: one of them is not held.
        """
        missing = [name for name in names if name not in self._held]
        if missing:
            raise MisuseError(f"no credential `{missing[0]}`", code="G151", hint="give it to the guard when it starts")
        lent = Lent({name: self._held[name] for name in names})
        try:
            yield lent
        finally:
            lent.take_back()

    def hidden(self, text: str) -> str:
        """The text without any credential: what a tool gives back goes to agents and into records."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)


def _forms(value: str) -> Iterator[str]:
    """A credential as it is, and as it stands in JSON, in an address and in a basic header."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    yield base64.b64encode(value.encode()).decode().rstrip("=")


def read_vault(file: Path) -> dict[str, str]:
    """The credentials in a JSON file of names and texts, which its owner alone may read.

    Raises:
        MisuseError: others may read it.
        UntrustedInputError: it is no such file.
    """
    private(file)
    data = file.read_bytes()
    try:
        if len(data) > _LARGEST:
            raise ValueError
        return msgspec.json.decode(data, type=dict[str, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise UntrustedInputError("no credentials: a JSON object of texts", code="G152", source=str(file)) from error
