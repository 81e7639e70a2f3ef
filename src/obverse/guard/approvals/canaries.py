"""Seeded requests: what must be rejected, mixed in with real ones, to see whether reviewers look.

The operator says what must be rejected whatever the circumstances, since a guard cannot know; the circumstances are those of a
real request of the same moment. No session waits for a seeded request, so approving one executes nothing. Every request bears a
mark of 32 bytes, and only who has the key can tell a seeded one; whoever reads the key or watches the agent itself can tell too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from obverse.core.canon import canonical
from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.core.events import Call
from obverse.core.files import write_whole
from obverse.guard.ports import Fresh
from obverse.guard.records import Request
from obverse.policy.decide import call_digest
from obverse.policy.reading import read_arguments

FILE: Final = "canaries.json"
MARK_SIZE: Final = 32
_ODDS: Final = 2**32


class Seed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that must be rejected, and why: whoever answered is told afterwards.

    `clauses` are those that seem to ask, by the conditions `because`; without them, those of its real neighbour.
    """

    tool: str
    arguments: dict[str, Any]
    why: str
    clauses: tuple[str, ...] = ()
    because: tuple[str, ...] = ()


class Canaries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is mixed in, and how often: one for each `1 / rate` real requests. `key` is hex and known to the operator only."""

    rate: float
    seeds: tuple[Seed, ...]
    key: str

    def mark(self, request: str) -> bytes:
        """The mark that a seeded request of this id bears."""
        return hmac.new(bytes.fromhex(self.key), b"seeded\0" + request.encode(), hashlib.sha256).digest()

    def is_seeded(self, request: str, mark: bytes) -> bool:
        """Whether that mark is the one of a seeded request."""
        return hmac.compare_digest(self.mark(request), mark)

    def why(self, request: Request, mark: bytes) -> str | None:
        """Why a seeded request had to be rejected; None for one that was not seeded."""
        if not self.is_seeded(request.id, mark):
            return None
        given = (seed.why for seed in self.seeds if call_digest(_call(seed)) == request.digest)
        return next(given, "it was seeded, and must be rejected")

    def draw(self, beside: Request, shown: Mapping[str, Any], fresh: Fresh) -> tuple[Request, dict[str, Any]] | None:
        """Perhaps a seeded request that looks as if it came beside this one, and what is shown with it."""
        if not self.seeds or int.from_bytes(fresh(4), "big") >= self.rate * _ODDS:
            return None
        seed = self.seeds[int.from_bytes(fresh(4), "big") % len(self.seeds)]
        call = _call(seed)
        arguments = read_arguments(call.arguments)
        step = f"{beside.step[0]}{int(beside.step[1:]) + 2}" if beside.step[1:].isdigit() else f"{beside.step}.1"
        request = msgspec.structs.replace(
            beside, id=fresh(16).hex(), step=step, tool=seed.tool, arguments=canonical(arguments).decode(),
            digest=call_digest(call), head=f"sha256:{fresh(32).hex()}", clauses=seed.clauses or beside.clauses,
        )  # fmt: skip
        return request, {**shown, "turn": [], "why": _why(seed, shown, request.clauses)}


def _call(seed: Seed) -> Call:
    return Call(id="", call_id="", tool=seed.tool, arguments=json.dumps(seed.arguments))


def _why(seed: Seed, shown: Mapping[str, Any], clauses: tuple[str, ...]) -> list[Any]:
    """The reasons that are shown: those of the seed, or those of its neighbour that fit."""
    if seed.because:
        conditions = [{"text": text, "value": "true"} for text in seed.because]
        return [{"clause": clause, "verdict": "ask", "conditions": conditions} for clause in clauses]
    given = shown.get("why")
    fitting = [one for one in given if isinstance(one, dict) and one.get("clause") in clauses] if given else []
    return fitting or [{"clause": clause, "verdict": "ask"} for clause in clauses]


def read_canaries(folder: Path) -> Canaries | None:
    """The seeds in the guard's folder; None if there are none.

    Raises:
        UntrustedInputError: if the file is none of ours.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Canaries)
        sound = 0 <= found.rate <= 1 and len(bytes.fromhex(found.key)) == MARK_SIZE
    except (msgspec.MsgspecError, ValueError) as error:
        raise UntrustedInputError(f"`{FILE}` is no file of seeded requests", code="G240") from error
    if not sound:
        raise UntrustedInputError(f"`{FILE}` is no file of seeded requests", code="G240")
    return found


def read_seeds(data: bytes) -> tuple[Seed, ...]:
    """The seeds that an operator wrote: a JSON list of `{tool, arguments, why, clauses}`.

    Raises:
        UntrustedInputError: if it is none.
    """
    try:
        seeds = msgspec.json.decode(data, type=tuple[Seed, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = str(error)[:160]
        raise UntrustedInputError(
            f"no seeded requests: {reason[:1].lower() + reason[1:]}",
            code="G240",
            hint='a list of {"tool": …, "arguments": {…}, "why": …}',
        ) from error
    if not seeds:
        raise UntrustedInputError("no seeded requests: an empty list", code="G240")
    return seeds


def write_canaries(folder: Path, seeds: tuple[Seed, ...], *, rate: float, key: bytes) -> Path:
    """The file of seeds in the guard's folder, readable by its owner alone."""
    if not 0 <= rate <= 1 or len(key) != MARK_SIZE:
        raise MisuseError(f"a rate of `{rate}`", code="G240", hint="from 0 to 1: 0.05 is one for twenty requests")
    path = folder / FILE
    path.touch(mode=0o600, exist_ok=True)
    path.chmod(0o600)
    write_whole(
        path, msgspec.json.format(msgspec.json.encode(Canaries(rate=rate, seeds=seeds, key=key.hex())), indent=2)
    )
    return path
