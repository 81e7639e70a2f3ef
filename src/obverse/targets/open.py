"""`open_target`: from `scheme:rest` to a target. Adapters are named here and loaded when they are asked for.

A package adds a scheme by an entry point in the group `obverse.targets` that names a function
`(rest: str, connection: Connection) -> Target`. Two that claim one scheme, or one that is built in, are refused by name.
Simulated agents (`sim:`) are opened by `obverse.testing`, which stands above this room; `extra` is how they come in.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol

from obverse.core.errors import MisuseError
from obverse.targets.protocol import Connection, Target

GROUP: Final = "obverse.targets"
BUILT_IN: Final = {
    "anthropic": "obverse.targets.anthropic_chat:AnthropicTarget",
    "inspect": "obverse.targets.inspect_model:InspectTarget",
    "local": "obverse.targets.local:LocalModel",
    "openai": "obverse.targets.openai_chat:OpenAITarget",
    "python": "obverse.targets.python_callable:PythonTarget",
}
EXTRAS: Final = {"anthropic": "anthropic", "inspect_ai": "inspect", "xllamacpp": "local"}
"""Package → the extra of ours that installs it."""


class Opens(Protocol):
    """What makes targets of one scheme."""

    def __call__(self, rest: str, connection: Connection, /) -> Target: ...


def open_target(spec: str, connection: Connection | None = None, *, extra: Mapping[str, Opens] | None = None) -> Target:
    """The target that `spec` names, ready to be asked. Opening asks nothing of the network.

    Raises:
        MisuseError: no such scheme, or what follows it is wrong.
        UnavailableError: what it needs is not installed or not there.
    """
    scheme, colon, rest = spec.partition(":")
    if not colon:
        hint = "such as `openai:MODEL`, `local:NAME` or `python:module:callable`"
        raise MisuseError(f"`{spec}` is not a target", code="T008", hint=hint)
    try:
        return _opener(scheme, extra or {})(rest, connection or Connection())
    except ImportError as error:  # of the adapter, or of what it loads when it is opened
        missing = (error.name or str(error)).partition(".")[0]
        package = EXTRAS.get(missing)
        install = f'pip install "obverse[{package}]"' if package else None
        raise MisuseError(f"`{scheme}:` needs the package `{missing}`", code="T011", hint=install) from error


def schemes(extra: Mapping[str, Opens] | None = None) -> list[str]:
    """The schemes that can be opened, built in, given and installed."""
    return sorted({*BUILT_IN, *(extra or {}), *(point.name for point in entry_points(group=GROUP))})


def _opener(scheme: str, extra: Mapping[str, Opens]) -> Opens:
    if scheme in extra:
        return extra[scheme]
    installed = list(entry_points(group=GROUP, name=scheme))
    if scheme in BUILT_IN:
        installed.insert(0, EntryPoint(name=scheme, value=BUILT_IN[scheme], group=GROUP))
    if len(installed) > 1:
        names = ", ".join(f"`{point.value}`" for point in installed)
        raise MisuseError(f"`{scheme}:` is claimed by {names}", code="T009", hint="uninstall all but one")
    if not installed:
        known = schemes(extra)
        near = difflib.get_close_matches(scheme, known, n=1)
        hint = f"did you mean `{near[0]}:`?" if near else "known: " + ", ".join(f"`{name}:`" for name in known)
        raise MisuseError(f"unknown target `{scheme}:`", code="T010", hint=hint)
    return _loaded(installed[0])


def _loaded(point: EntryPoint) -> Opens:
    module, _, name = point.value.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise MisuseError(f"`{point.name}:` names `{point.value}`, which is not callable", code="T012")
    return found  # type: ignore[no-any-return]  # its type is checked when it answers
