"""Which tools an agent is shown, under which names, and why it is not shown the others.

A tool is shown if its definition is as agreed, some history could allow a call of it, and its name is no other's in the eyes
of a reader. What is not shown is not called either: the same table serves both.

Names: tools of one server keep theirs. Where two servers have a tool of one name, each gets its server's name in front
(`bank__pay`), and the bare name is nobody's: whoever comes second cannot stand in for who came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from obverse.gateway.mcp.definitions import Definition
from obverse.policy.looks import shape

JOINT: Final = "__"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as the agent sees it: `name` to the agent and to the policy, `definition` at its server."""

    name: str
    definition: Definition


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """`shown` by name in order, and why each of the others is `hidden`."""

    shown: Mapping[str, Offer]
    hidden: Mapping[str, str]


def catalogue(
    servers: Mapping[str, Sequence[Definition]],
    *,
    held: Collection[tuple[str, str]],
    offers: Callable[[str], bool],
    declared: Collection[str],
) -> Catalogue:
    """What is shown of these servers' tools. `held` are (server, tool) that differ from what was agreed to; `offers` says
    whether some history could allow a call; `declared` are the names that the policy knows.
    """
    named = _named(servers)
    known = {shape(name): name for name in declared}
    looks = Counter(shape(offer.name) for offer in named)
    shown: dict[str, Offer] = {}
    hidden: dict[str, str] = {}
    for offer in named:
        why = _why_hidden(offer, looks[shape(offer.name)], known, held, offers)
        if why is None:
            shown[offer.name] = offer
        else:
            hidden[offer.name] = why
    return Catalogue(shown=shown, hidden=hidden)


def _named(servers: Mapping[str, Sequence[Definition]]) -> list[Offer]:
    """Every tool under the name that it would be shown by."""
    times = Counter(one.name for definitions in servers.values() for one in definitions)
    return [
        Offer(name=one.name if times[one.name] == 1 else f"{server}{JOINT}{one.name}", definition=one)
        for server, definitions in servers.items()
        for one in definitions
    ]


def _why_hidden(
    offer: Offer,
    alike: int,
    known: Mapping[str, str],
    held: Collection[tuple[str, str]],
    offers: Callable[[str], bool],
) -> str | None:
    meant = known.get(shape(offer.name))
    if meant is not None and meant != offer.name:
        return f"its name looks like `{meant}` of the policy"
    if alike > 1:
        return "another tool's name looks like its own"
    if (offer.definition.server, offer.definition.name) in held:
        return "its definition is not the one that was agreed to"
    if not offers(offer.name):
        return "the policy allows no call of it"
    return None
