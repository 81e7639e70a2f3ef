"""Where two policies declare one thing in two ways: scenarios that either of them suggests.

A rule whose terms clash cannot be asked about in one trace. So each policy's own solver proposes scenarios (its rule fires, its
rules keep silent, a word that only it knows) and both policies decide them. That finds differences and proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.types import EnumType
from obverse.solver.answers import Act, Found, Goal, Scenario
from obverse.solver.find import Finder
from obverse.solver.voices import Voice


def suggested(finder: Finder, act: Act, own: Sequence[Voice], other: Checked) -> Iterator[Scenario]:
    """Scenarios of this policy on which another one may decide otherwise."""
    silent = tuple(ast.Not(body=voice.fires) for voice in own)
    probes: list[tuple[ast.Expr, ...]] = [(), *((word,) for word in _words(finder.checked, other, act))]
    for probe in probes:
        for wishes in (silent, *((voice.fires,) for voice in own)):
            answer = finder.find(Goal(head=act, wishes=(*probe, *wishes)))
            if isinstance(answer, Found):
                yield answer.scenario


def _words(checked: Checked, other: Checked, act: Act) -> Iterator[ast.Expr]:
    """That an argument is a word which only this policy knows."""
    mine, theirs = (one.tools.get(act.tool or "") for one in (checked, other))
    for field in mine.parameters if mine and theirs else ():
        known = theirs.parameter(field.name) if theirs else None
        if known is None or not isinstance(field.type, EnumType):
            continue
        old = known.type.values if isinstance(known.type, EnumType) else ()
        own = tuple(ast.Text(value=value) for value in field.type.values if value not in old)
        if own:
            yield ast.In(item=ast.Argument(name=field.name), over=ast.Listing(items=own))
