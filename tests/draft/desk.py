"""One small desk that the tests of drafting share: its prose, its terms, and what each statement truly means."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from obverse.draft.model import Model
from obverse.draft.state import Entry, State
from obverse.draft.terms import Ground, ground_of_text
from obverse.draft.work import Design, Drafting

TERMS = """\
tool get_order(id: text) -> (paid: number, shipped: bool) effect read
tool refund(id: text, amount: number) effect money
tool send_email(to: text, body: text) effect send
fact user.verified: bool
judged message.asks_refund "The user asks for a refund." yes "I want my money back." no "Hello."
"""

PROSE = """\
# Refunds

We like our customers.

Refunds above 100 need the approval of a colleague. Look an order up before you refund it.

The agent must not:

- send mail outside of acme.com
- refund an order unless the customer is verified

A user who asks for a refund must never be refused a look at the order.
"""

TRUTH = {
    "Refunds above 100 need the approval of a colleague.": ["ask refund when amount > 100"],
    "Look an order up before you refund it.": ["forbid refund(id: i) unless once get_order(id: i)"],
    "send mail outside of acme.com": ['forbid send_email unless to at domain "acme.com"'],
    "refund an order unless the customer is verified": ["forbid refund unless user.verified"],
    "A user who asks for a refund must never be refused a look at the order.": [
        "permit get_order when message.asks_refund"
    ],
}


def ground() -> Ground:
    return ground_of_text(TERMS)


def drafted(
    models: Sequence[Model], *, prose: str = PROSE, state: State | None = None, design: Design | None = None
) -> Drafting:
    """A drafting of the desk that these models finished."""
    drafting = Drafting(state or State(), models, design or Design(drafts=3))
    drafting.take_up(prose, source="refunds.md", ground=ground())
    asyncio.run(drafting.run(prose))
    drafting.settle()
    return drafting


def entry(state: State, beginning: str) -> Entry:
    """The entry of the statement that begins so."""
    return next(one for one in state.entries if one.statement.plain.startswith(beginning))
