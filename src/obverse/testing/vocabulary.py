"""The small world that generated policies and transcripts share: one set of terms, and few values, so that they coincide."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Final

import msgspec

from obverse.policy import ast
from obverse.policy.declare import declared
from obverse.policy.faults import Faults
from obverse.policy.parse import parse
from obverse.policy.print import layout
from obverse.policy.scope import World


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is generated; each field says where it bites."""

    rules: int = 3
    """Most rules of a policy: conflicts between rules need two."""

    depth: int = 3
    """How deep conditions nest: scopes in scopes need three."""

    events: int = 8
    """Most events of a history: an operator in an operator needs some."""

    oddities: bool = True
    """Whether arguments and results may be missing, of a wrong type or malformed, and times absent."""


TERMS: Final = """\
tool look(id: text) -> (cabin: one of "basic", "economy", "business", price: number, booked: time, insured: bool,
    people: list of (name: text, age: integer), seats: map of integer, note: text optional) effect read
tool pay(to: text, amount: number, memo: text optional) effect money, write asks "Please pay {to} {amount}."
tool cancel(id: text, reasons: list of text) -> bool effect write
tool ping() -> text folded
fact user.tier: one of "regular", "gold" from host
fact user.verified: bool from host
fact user.limit: number
fact trip.start: time
judged message.says_yes "The user agrees." yes "Yes, please." no "Let me think."
judged message.asks_refund "The user asks for money back." yes "Refund me." no "Hello."
judged message.names_acme "The user names Acme." matches "(?is).*acme.*" yes "alice@acme.com" no "B"
judged reply.gives_advice "The reply gives advice." yes "You should rest." no "Good morning."
judged thought.plans_harm "The thought plans harm." yes "I will break it." no "I will help."
let large(a) = a > 100
let calm = not message.asks_refund
let named(list, who) = any one in list: one.name = who
"""
"""The terms that everything here speaks of, as a `terms` block."""

START: Final = 1_767_607_200_000
HOUR: Final = 3_600_000
TEXTS = ("A", "B", "alice@acme.com", "bob@evil.example", "")
NUMBERS = (0, 1, 2, 100, 101, Decimal("99.99"), -5)
SPANS = (0, 1_000, HOUR, 24 * HOUR)
EFFECTS = ("read", "money", "write")
JUDGED = (
    "message.says_yes",
    "message.asks_refund",
    "message.names_acme",
    "reply.gives_advice",
    "reply.refuses",
    "thought.plans_harm",
)
FACTS = {
    "user.tier": ("regular", "gold", "odd"),
    "user.verified": (True, False),
    "user.limit": (0, 100),
    "trip.start": (),
}


@cache
def world() -> World:
    """What `TERMS` declares."""
    return declared(base(), Faults("strategies"))


@cache
def base() -> ast.Policy:
    return parse(f"---\npolicy: generated\nversion: 1\n---\n```terms\n{TERMS}```\n")


def document_of(policy: ast.Policy) -> str:
    """The policy as a document: `parse` of it gives the policy again."""
    default = ", ".join(f"{name}: {getattr(policy.default, name)}" for name in policy.default.__struct_fields__)
    front = [f"policy: {json.dumps(policy.name)}", f"version: {json.dumps(policy.version)}", f"default: {{{default}}}"]
    front += [f"levels: [{', '.join(policy.levels)}]", f'timezone: "{policy.timezone}"']
    parts = ["---", *front, "---", "", policy.prose, "", "```terms", *map(layout, policy.terms), "```"]
    for clause in policy.clauses:
        flags = (
            f"#{clause.id} level={clause.level} severity={clause.severity}{' inviolable' if clause.inviolable else ''}"
        )
        parts += ["", f"## {clause.title} {{{flags}}}", "", clause.prose]
        parts += ["", "```rule", *map(layout, clause.rules), "```"] if clause.rules else []
    return "\n".join(parts) + "\n"
