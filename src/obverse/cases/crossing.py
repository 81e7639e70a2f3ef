"""The border of each exception: a step that it just covers, and one that it just fails to cover.

`forbid … when W unless A or (B and C)` has two ways out, `A` and `B and C`. Each has two obligations, with `W` true on both sides:
the exception holds by this way alone, and one more condition takes it away; it does not hold, and one condition is all that is
missing. A requirement (`require C for …`) is an exception too. What speaks of no step on one side (a `permit`) has none.
"""

from __future__ import annotations

from collections.abc import Iterator

from obverse.cases.aims import Aim, Way, matters, negated
from obverse.cases.conditions import Conditions, apart
from obverse.cases.records import Level, Obligation
from obverse.policy import ast
from obverse.policy.checked import CheckedRule
from obverse.policy.print import text_of

COVERED = "just true"
MISSED = "just false"


def crossings(rule: CheckedRule, conditions: Conditions) -> Iterator[Aim]:
    """Two aims for each way out of a rule, in the order in which the ways are written."""
    if rule.exception is None or rule.verdict is None:
        return
    outs = ways_out(rule.exception)
    given = () if rule.when is None else (apart(rule.when),)
    for out in outs:
        alone = tuple(negated(other) for other in outs if other is not out)
        covered, missed = _ways(conditions, out, (*given, out, *alone), (*given, out))
        for value, ways in ((COVERED, covered), (MISSED, missed)):
            if ways:
                yield Aim(
                    obligation=Obligation(
                        level=Level.EXCEPTION, clause=rule.clause, rule=rule.id, condition=text_of(out), value=value
                    ),
                    ways=ways,
                )


def ways_out(exception: ast.Expr) -> tuple[ast.Expr, ...]:
    """The alternatives of an exception; one where it is no `or`."""
    drawn = apart(exception)
    return drawn.items if isinstance(drawn, ast.Or) else (drawn,)


def _ways(
    conditions: Conditions, out: ast.Expr, covered: tuple[ast.Expr, ...], missed: tuple[ast.Expr, ...]
) -> tuple[tuple[Way, ...], tuple[Way, ...]]:
    """For each condition of a way out: it is this one that turns the rule, on the side that is asked for."""
    fires, spared = conditions.fires, negated(conditions.fires)
    on_covered, on_missed = [], []
    for atom in conditions.within(out):
        firing, sparing = matters(conditions, atom, atom.spots[0])
        on_covered.append(Way(fires=(fires,), spares=(spared, sparing, *covered), outer=atom.number))
        on_missed.append(Way(fires=(fires, firing), spares=(spared, *missed), outer=atom.number))
    return tuple(on_covered), tuple(on_missed)
