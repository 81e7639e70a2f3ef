"""Where a rule can be changed: every node of its tree as written, with what holds it. Not what to change there: `operators`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from obverse.cases.conditions import Place
from obverse.policy import ast

_CONDITIONS: Final = ("when", "unless", "requirement", "where", "has")
_ALWAYS_CONDITIONS: Final = (
    ast.Not, ast.And, ast.Or, ast.Compare, ast.In, ast.TextTest, ast.Within, ast.Present, ast.Quantified, ast.Once,
    ast.Last, ast.Previous, ast.Since, ast.TurnHasText,
)  # fmt: skip


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a rule or definition, the way down to it, and the node and field that hold it."""

    node: ast.Node
    place: Place = ()
    holder: ast.Node | None = None
    field: str = ""

    @property
    def is_condition(self) -> bool:
        """Whether this is true or false (or unknown) and not a value, as far as its place or its form tells."""
        if isinstance(self.node, _ALWAYS_CONDITIONS) or self.field in _CONDITIONS:
            return True
        match self.holder:
            case ast.Not() | ast.And() | ast.Or() | ast.Quantified() | ast.CountIn() | ast.Since():
                return self.field in ("body", "items")
        return False

    @property
    def is_leaf(self) -> bool:
        """Whether it is a condition that is not put together by `and`, `or`, `not`."""
        return self.is_condition and not isinstance(self.node, ast.Not | ast.And | ast.Or | ast.Boolean)


def sites(root: ast.Node) -> Iterator[Site]:
    """The root and every node below it, top down, left to right."""
    yield from _sites(Site(node=root))


def _sites(site: Site) -> Iterator[Site]:
    yield site
    for name in site.node.__struct_fields__:
        part = getattr(site.node, name)
        if name == "at":
            continue
        if isinstance(part, ast.Node):
            yield from _sites(Site(node=part, place=(*site.place, (name, None)), holder=site.node, field=name))
        elif isinstance(part, tuple):
            for index, item in enumerate(part):
                if isinstance(item, ast.Node):
                    place = (*site.place, (name, index))
                    yield from _sites(Site(node=item, place=place, holder=site.node, field=name))
