"""What is tried, opened: a target behind `targets`, or `torch:NAME|PATH`, a model in this process that can be looked into.

`torch:` names an entry of the catalogue, a GGUF file, or a folder of transformers (an adapter of PEFT too). With workers of Ray the same is
opened in each of them; what is looked into is opened here besides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from obverse.campaign.stability.rayed import RayModel, RayTarget
from obverse.core.errors import MisuseError
from obverse.stability.opening import open_local
from obverse.stability.ports import Answers, Looks
from obverse.targets.catalogue import CATALOGUE, find, verified
from obverse.targets.open import Opens, open_target
from obverse.targets.protocol import Connection, Target

SCHEME: Final = "torch:"


class InProcess(Answers, Looks, Protocol):
    """A model in this process: it answers, and it can be looked into."""

    def close(self) -> None: ...


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried, opened. `target` or `model` answers; `looks` is there where its inside is to be read."""

    name: str
    fingerprint: str
    target: Target | None = None
    model: Answers | None = None
    looks: InProcess | None = None
    notes: tuple[str, ...] = ()
    closes: tuple[Callable[[], None], ...] = ()

    async def close(self) -> None:
        """Let go of all that was opened."""
        if self.target is not None:
            await self.target.close()
        for close in self.closes:
            close()


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """How things are opened here. `cache` is where models lie, `converted` where their converted weights are kept."""

    connection: Connection
    cache: Path
    converted: Path
    dtype: Literal["auto", "f32", "bf16"] = "f32"
    threads: int | None = None
    device: str = "cpu"
    told: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] | None = None
    workers: int | None = None
    """Workers of Ray; None asks without it."""


def opened(spec: str, means: Means, *, inside: bool, extra: Mapping[str, Opens]) -> Subject:
    """The subject that `spec` names. Opening an endpoint asks nothing of it; opening a model loads it.

    Raises:
        MisuseError: no such target, or what it needs is not installed.
        UnavailableError: a model was not fetched, or a worker cannot be started.
    """
    if not spec.startswith(SCHEME):
        make = functools.partial(open_target, spec, means.connection, extra=dict(extra))
        target = make() if means.workers is None else RayTarget(make, means.workers)
        return Subject(name=target.name, fingerprint=target.fingerprint(), target=target)
    source = source_of(spec.removeprefix(SCHEME), means.cache)
    here = functools.partial(
        open_local,
        source,
        name=spec,
        cache=means.converted,
        dtype=means.dtype,
        threads=means.threads,
        device=means.device,
    )
    own = here(told=means.told, clock=means.clock) if means.workers is None or inside else None
    if means.workers is None:
        assert own is not None  # INVARIANT: see above
        return Subject(
            name=spec, fingerprint=own.fingerprint(), model=own, looks=own if inside else None,
            notes=tuple(own.notes), closes=(own.close,),
        )  # fmt: skip
    many = RayModel(here, means.workers)
    if own is not None and own.fingerprint() != many.fingerprint():
        raise MisuseError(
            f"what was opened here, `{own.fingerprint()}`, is not what the workers have, `{many.fingerprint()}`",
            code="B534",
        )
    return Subject(
        name=spec, fingerprint=many.fingerprint(), model=many, looks=own, notes=tuple(own.notes) if own is not None else (),
        closes=(many.close, *((own.close,) if own is not None else ())),
    )  # fmt: skip


def source_of(rest: str, cache: Path) -> Path:
    """The file or folder that `torch:` names: a path that exists, else an entry of the catalogue.

    Raises:
        MisuseError: neither.
        UnavailableError: the model was not fetched.
        EvidenceError: a file of it was changed.
    """
    if not rest:
        raise MisuseError("`torch:` needs a model", code="B535", hint="such as `torch:smollm2-135m`, or a path")
    path = Path(rest)
    if path.exists():
        return path
    if any(sign in rest for sign in "/\\") or rest.endswith(".gguf"):
        raise MisuseError(
            f"there is no model at `{rest}`", code="B536", hint="a GGUF file, or a folder of transformers"
        )
    package = find(rest)
    if package.kind != "chat":
        chat = next(one.name for one in CATALOGUE if one.kind == "chat")
        raise MisuseError(f"`{rest}` is no model to talk to", code="B537", hint=f"such as `torch:{chat}`")
    return verified(rest, cache) / package.files[0].name
