"""Each example of a judged predicate: does it agree with the other examples?

    S222 an example is said to be yes and no of one predicate

Compared is what a person reads: case, spaces and what leaves no mark make no difference. That a pattern disagrees with its own
examples is refused when the policy is read (P220); that a reply can be permitted by one predicate and blocked by another, as
an example of both is, says S204. No solver is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.looks import skeleton
from obverse.solver.grounds import rests_on
from obverse.solver.questions import Desk, Outcome, Question

_SHOWN: Final = 60  # characters of an example


def questions(checked: Checked) -> Iterator[Question]:
    """One for every finding."""
    for term in checked.source.terms:
        if isinstance(term, ast.JudgedTerm):
            for message in _contradictions(term):
                yield Question(
                    code="S222",
                    clause=None,
                    rule=None,
                    rests_on=rests_on(checked, also=["S222", message]),
                    answer=partial(_answer, term.full_name, message),
                    asks_solver=False,
                )


def _contradictions(term: ast.JudgedTerm) -> Iterator[str]:
    no = {_read(text): text for text in reversed(term.no)}
    for text in dict.fromkeys(term.yes):
        other = no.get(_read(text))
        if other == text:
            yield f"the example `{_short(text)}` is said to be yes and no of `{term.full_name}`"
        elif other is not None:
            yield f"the examples `{_short(text)}` and `{_short(other)}` read alike, and are yes and no of `{term.full_name}`"


def _answer(name: str, message: str, desk: Desk) -> Outcome:
    return (desk.finding("S222", message, about=f"judged {name}"),)


def _read(text: str) -> str:
    """The text as it is read: no case, single spaces, nothing unseen."""
    return " ".join(skeleton(text).casefold().split())


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
