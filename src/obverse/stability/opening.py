"""The way to a model in this process. Loads torch and transformers when it is called, not before."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from obverse.core.errors import MisuseError

if TYPE_CHECKING:
    from obverse.stability.local.model import LocalModel


def open_local(
    source: Path,
    *,
    name: str,
    cache: Path,
    dtype: Literal["auto", "f32", "bf16"] = "f32",
    threads: int | None = None,
    told: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] | None = None,
    rows: int = 32,
    settled: int = 1 << 30,
    device: str = "cpu",
) -> LocalModel:
    """The model at `source`, which draws (`ports.Answers`) and can be looked into (`ports.Looks`).

    `source` is a GGUF file, which is converted once into `cache` (half a minute and 4 bytes a weight on disk, of which `told`
    is told), a folder of transformers, or a PEFT adapter over one. `auto` is bf16 where the processor computes in it.
    `rows` draws run at once at most, in `settled` bytes of keys and values, and as many again for prefixes that are kept;
    `clock` gives answers their seconds.

    Raises:
        MisuseError: without the packages for it, or if there is no model.
        UntrustedInputError: if what is there cannot be read.
    """
    missing = [package for package in ("torch", "transformers") if importlib.util.find_spec(package) is None]
    if missing:
        raise MisuseError(
            f"a model in this process needs the package `{missing[0]}`",
            code="B300",
            hint='pip install "obverse[internals]"',
        )
    module = importlib.import_module("obverse.stability.local.model")
    opened: LocalModel = module.open_model(
        source,
        name=name,
        cache=cache,
        dtype=dtype,
        threads=threads,
        told=told,
        clock=clock,
        rows=rows,
        settled=settled,
        device=device,
    )
    return opened
