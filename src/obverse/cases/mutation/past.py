"""Operators on what looks back: windows, `once`/`previous`/`last`/`since`, kinds of events, bindings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from obverse.cases.mutation.sites import Site
from obverse.cases.mutation.vocabulary import Vocabulary
from obverse.policy import ast

_SECOND: Final = 1_000
_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    "call": ("proposed", "result", "denied"),
    "result": ("call",),
    "proposed": ("call",),
    "denied": ("proposed", "call"),
}


def window(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """A second longer, a second shorter, twice as long; without it where it may be left out."""
    node: Any = site.node
    for name, may_go in (("within", True), ("per", True), ("span", False)):
        span = getattr(node, name, None)
        if not isinstance(span, ast.Duration):
            continue
        for ms in dict.fromkeys((span.ms + _SECOND, span.ms - _SECOND, 2 * span.ms)):
            if ms > 0:
                yield msgspec.structs.replace(node, **{name: ast.Duration(ms=ms, at=span.at)})
        if may_go:
            yield msgspec.structs.replace(node, **{name: None})


def look_back(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """Another operator for the same event and the same condition of it."""
    match site.node:
        case ast.Once(event=event, where=where, at=at):
            yield ast.Previous(event=event, has=where, at=at)
            if where is not None:
                yield ast.Last(event=event, has=where, at=at)
        case ast.Last(event=event, where=where, has=has, at=at):
            both = _both(where, has)
            yield ast.Once(event=event, where=both, at=at)
            yield ast.Previous(event=event, has=both, at=at)
        case ast.Previous(event=event, has=has, at=at):
            yield ast.Once(event=event, where=has, at=at)
            if has is not None:
                yield ast.Last(event=event, has=has, at=at)
        case ast.Since(absent=None, event=event, where=where, at=at):
            yield ast.Once(event=event, where=where, at=at)
        case ast.Since(absent=ast.Pattern() as absent, event=event, where=where, at=at):
            yield ast.Once(event=event, where=where, at=at)
            yield ast.Not(body=ast.Once(event=absent, at=at), at=at)
            if where is None:
                yield ast.Since(absent=event, event=absent, at=at)


def _both(where: ast.Expr | None, has: ast.Expr) -> ast.Expr:
    return has if where is None else ast.And(items=(where, has))


def event(site: Site, words: Vocabulary) -> Iterator[ast.Node]:
    """Another kind of event of the same tool; any effect for one, or another one."""
    node = site.node
    if not isinstance(node, ast.Pattern):
        return
    for kind in _KINDS.get(node.kind, ()):
        yield msgspec.structs.replace(node, kind=kind, failed=False)
    if node.kind == "result":
        yield msgspec.structs.replace(node, failed=not node.failed)
    if node.effect is not None:
        yield msgspec.structs.replace(node, effect=None)
        other = words.other_effect(node.effect)
        if other is not None:
            yield msgspec.structs.replace(node, effect=other)


def binding(site: Site, _: Vocabulary) -> Iterator[ast.Node]:
    """The pattern without one of its bindings."""
    node = site.node
    if isinstance(node, ast.Pattern):
        for place in range(len(node.arguments)):
            rest = (*node.arguments[:place], *node.arguments[place + 1 :])
            yield msgspec.structs.replace(node, arguments=rest)
