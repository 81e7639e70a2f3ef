"""A trust policy: which logs are believed, which witnesses are known, and which of them must have signed. Read from a file.

Source: C2SP tlog-policy, c2sp.org/tlog-policy. Lines `log <vkey> [url]`, `witness <name> <vkey> [url]`,
`group <name> all|any|<k> <member>…`, `quorum <name>|none`; names are of the file alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from obverse.core.errors import UntrustedInputError
from obverse.ledger.checkpoint import Group, Trust
from obverse.ledger.note import Algorithm, Key, read_key

MOST: Final = 256
"""Lines of one kind that a file may have."""

_ALLOWED: Final = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,3}")
_LOGS: Final[frozenset[Algorithm]] = frozenset({"ed25519", "ml-dsa-44-cosignature"})
_WITNESSES: Final[frozenset[Algorithm]] = frozenset({"ed25519-cosignature", "ml-dsa-44-cosignature"})


class TrustPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to believe, and where witnesses are asked, by the name of their key."""

    trust: Trust
    urls: Mapping[str, str]


def read_trust_policy(data: bytes) -> TrustPolicy:
    """The trust policy in a file.

    Raises:
        UntrustedInputError: if it is none.
    """
    if not _ALLOWED.fullmatch(data):
        raise _fault(0, "a control character")
    reading = _Reading()
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):  # names are octets
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            reading.take(number, words)
    return reading.policy


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self.logs: list[Key] = []
        self.witnesses: list[Key] = []
        self.urls: dict[str, str] = {}
        self.named: dict[str, Key | Group] = {}
        self.members: set[str] = set()
        self.rule: Group | None = None
        self.done = False

    def take(self, number: int, words: list[str]) -> None:
        """The next line."""
        match words:
            case ["log", key, *url] if len(url) <= 1:
                self.logs.append(self._key(number, key, _LOGS, self.logs))
            case ["witness", name, key, *url] if len(url) <= 1:
                found = self._key(number, key, _WITNESSES, self.witnesses)
                self.witnesses.append(found)
                self._name(number, name, found)
                if url:
                    self.urls[found.name] = url[0]
            case ["group", name, count, *members] if members:
                self._name(number, name, self._group(number, count, members))
            case ["quorum", name] if not self.done:
                self.done = True
                if name != "none":
                    found_one = self._known(number, name)
                    self.rule = found_one if isinstance(found_one, Group) else Group(least=1, members=(found_one,))
            case _:
                raise _fault(number, "no line of a trust policy, or a second `quorum`")
        if max(len(self.logs), len(self.named)) > MOST:
            raise _fault(number, f"more than {MOST} lines of one kind")

    @property
    def policy(self) -> TrustPolicy:
        """All of it."""
        if not self.done:
            raise _fault(0, "there is no `quorum` line")
        trust = Trust(log=tuple(self.logs), witnesses=tuple(self.witnesses), rule=self.rule, named=True)
        return TrustPolicy(trust=trust, urls=self.urls)

    def _key(self, number: int, text: str, may: frozenset[Algorithm], others: list[Key]) -> Key:
        try:
            key = read_key(text.encode("latin-1").decode())
        except (UntrustedInputError, UnicodeDecodeError) as error:
            raise _fault(number, "no verifier key") from error
        if key.algorithm not in may:
            raise _fault(number, f"a key of type `{key.algorithm}` does not sign this")
        if any(key.public == other.public for other in others):
            raise _fault(number, "a key that is there twice")
        return key

    def _name(self, number: int, name: str, meant: Key | Group) -> None:
        if name in self.named or name == "none":
            raise _fault(number, f"the name `{name[:80]}` is taken")
        self.named[name] = meant

    def _group(self, number: int, count: str, members: list[str]) -> Group:
        for member in members:
            if member in self.members:
                raise _fault(number, f"`{member[:80]}` is a member already")
            self.members.add(member)
        found = tuple(self._known(number, member) for member in members)
        words = {"any": 1, "all": len(found)}
        least = words.get(count) or (int(count) if _COUNT.fullmatch(count) else 0)
        if not 1 <= least <= len(found):
            raise _fault(number, f"`{count[:20]}` of {len(found)}")
        return Group(least=least, members=found)

    def _known(self, number: int, name: str) -> Key | Group:
        if name not in self.named:
            raise _fault(number, f"`{name[:80]}` is not named before")
        return self.named[name]


def _fault(number: int, found: str) -> UntrustedInputError:
    where = f"line {number}: " if number else ""
    return UntrustedInputError(f"{where}{found}", code="E140", hint="c2sp.org/tlog-policy says what a line may be")
