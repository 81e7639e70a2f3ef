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
from typing import Any, Final
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

    def without(self, value: Any) -> Any:
        """The value without any credential in the texts in it; of what is no plain value and shows one, that text alone."""
        if self._pattern is None:
            return value
        try:
            return self._without(value)
        except RecursionError:
            return HIDDEN

    def is_told_by(self, fault: BaseException) -> bool:
        """Whether this, or what led to it, shows a credential."""
        seen: list[BaseException] = []
        left: list[BaseException | None] = [fault]
        while left:
            one = left.pop()
            if one is not None and one not in seen:
                seen.append(one)
                left += [one.__cause__, one.__context__]
        return any(self.hidden(text) != text for one in seen for text in (str(one), repr(one)))

    def _without(self, value: Any) -> Any:
        match value:
            case str():
                return self.hidden(value)
            case bytes():
                return self.hidden(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
            case dict():
                return {self._without(name): self._without(item) for name, item in value.items()}
            case list():
                return [self._without(item) for item in value]
            case tuple() if type(value) is tuple:
                return tuple(self._without(item) for item in value)
            case None | bool() | int() | float():
                return value
        shown = repr(value), str(value)
        return next((self.hidden(text) for text in shown if self.hidden(text) != text), value)


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
