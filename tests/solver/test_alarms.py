"""What `analyse` once said wrongly of policies that people wrote: each is clean, or open, and never an error."""

from __future__ import annotations

from obverse.solver.analyse import analyse

from .policies import policy


def codes(*clauses: str) -> tuple[list[str], list[str]]:
    """The codes of errors and warnings about clauses, and those that stayed open."""
    analysis = analyse(policy(*clauses))
    found = [one.code for one in analysis.findings if one.severity != "info" and one.clause is not None]
    return found, [one.code for one in analysis.undecided]


def test_an_exception_matters_where_the_rule_speaks_for_not_knowing() -> None:
    first = "first: ask refund(id: r, amount: n) when last call refund(id: r) has n > args.amount * 4"
    assert codes(f"{first} unless not once call refund(id: r)") == ([], [])
    idle = "idle: ask refund(id: r) when last call refund(id: r) has args.amount > 100"
    assert codes(f"{idle} unless last call refund(id: r) has args.amount < 50") == (["S207"], [])


def test_a_limit_on_lengths_can_be_exceeded_however_large_it_is() -> None:
    assert codes("text: limit sum(length(body)) of mail to 2000000 per 24h") == ([], [])
    terms = "list: limit sum(length(to) + length(body)) of mail to 90 per 24h"
    assert codes(terms, "few: limit mail to 30 per 24h") == ([], [])


def test_a_text_longer_than_the_bound_is_not_called_impossible() -> None:
    found, undecided = codes("long: forbid mail when length(body) > 1000000")
    assert found == []
    assert "S201" in undecided
