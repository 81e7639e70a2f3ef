"""Which tools do not pass the guard? Asked when an agent starts, before anybody relies on it.

    unserved    the policy speaks of a tool, and no registered function serves it: a rule about it guards nothing here
    unknown     a registered function that the policy does not know
    unguarded   what the agent is offered, and what is not behind the guard

Looks at objects by identity, not at names: a function that is called like a guarded one is not one. It cannot see what an agent
reaches in other ways (a shell, an HTTP client); a canary and the vault are for that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final, Literal

import msgspec

from obverse.guard.tools import Tools
from obverse.policy.checked import Checked

_HOLDERS: Final = ("tools", "functions", "_tools", "function_map")
_INSIDE: Final = ("func", "fn", "function", "callback", "coroutine")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that does not pass the guard."""

    kind: Literal["unserved", "unknown", "unguarded"]
    tool: str
    why: str


def survey(checked: Checked, tools: Tools, offered: object = ()) -> tuple[Gap, ...]:
    """Every gap; none is what one wants. `offered` is what the agent may call: a module, functions, or objects with tools."""
    known = tools.known
    return (
        *(
            Gap(kind="unserved", tool=name, why="no function behind the guard serves it")
            for name in sorted(checked.tools.keys() - known.keys())
        ),
        *(
            Gap(kind="unknown", tool=name, why="the policy does not know it")
            for name in sorted(known.keys() - checked.tools.keys())
        ),
        *(
            Gap(kind="unguarded", tool=name, why="it is offered to the agent, and is not behind the guard")
            for name, function in _offered(offered)
            if not _passes(tools, function)
        ),
    )


def named(checked: Checked, names: Iterable[str]) -> tuple[Gap, ...]:
    """The same by names alone, for tools in other processes: what is offered and not known, and what is known and not offered."""
    offered = set(names)
    return (
        *(Gap(kind="unserved", tool=name, why="it is not offered") for name in sorted(checked.tools.keys() - offered)),
        *(
            Gap(kind="unknown", tool=name, why="the policy does not know it")
            for name in sorted(offered - checked.tools.keys())
        ),
    )


def _offered(offered: object) -> Iterator[tuple[str, object]]:
    """Name and object of each thing that can be called."""
    match offered:
        case ModuleType():
            for name, found in vars(offered).items():
                if inspect.isfunction(found) and found.__module__ == offered.__name__ and not name.startswith("_"):
                    yield name, found
        case Mapping():
            for name, found in offered.items():
                yield str(name), found
        case str() | bytes():
            return
        case Iterable():
            for found in offered:
                yield from _one(found)
        case _:
            yield from _one(offered)


def _one(found: Any) -> Iterator[tuple[str, object]]:
    """A function as it is; an object with tools as those."""
    for holder in _HOLDERS:
        held = getattr(found, holder, None)
        if isinstance(held, Iterable) and not isinstance(held, str | bytes) and not inspect.isroutine(found):
            yield from _offered(held)
            return
    name = getattr(found, "name", None) or getattr(found, "__name__", None) or type(found).__name__
    yield str(name), found


def _passes(tools: Tools, found: object) -> bool:
    """Whether it is a guarded tool, or a wrapper of a framework whose only function is one."""
    if tools.holds(found):
        return True
    inner = [held for name in _INSIDE if _callable(held := getattr(found, name, None))]
    return bool(inner) and all(tools.holds(held) for held in inner)


def _callable(found: object) -> bool:
    return isinstance(found, Callable)  # type: ignore[arg-type]  # the protocol
