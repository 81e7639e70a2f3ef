"""The words of findings: how a rule, a condition and a contradiction are named in one sentence. No solver, no layout."""

from __future__ import annotations

from collections.abc import Sequence

from obverse.policy import ast
from obverse.policy.checked import CheckedRule
from obverse.policy.print import text_of
from obverse.solver.answers import Answer, Impossible

_LONGEST = 120  # characters of a condition that is quoted


def named(rule: CheckedRule) -> str:
    """`forbid` in `clause`."""
    return f"`{rule.kind}` in `{rule.clause}`"


def named_apart(rules: Sequence[CheckedRule]) -> list[str]:
    """The same for several rules; those that would be called alike are told apart by their conditions."""
    names = [named(rule) for rule in rules]
    return [
        f"{name} (`{short(rule.fires)}`)" if names.count(name) > 1 else name
        for name, rule in zip(names, rules, strict=True)
    ]


def fires(rule: CheckedRule) -> str:
    """What the rule does where it speaks: a permit applies, any other fires."""
    return "applies" if rule.kind == "permit" else "fires"


def short(expr: ast.Node) -> str:
    """The condition on one line, cut where it is long."""
    text = " ".join(text_of(expr).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}…"


def listed(texts: Sequence[str], last: str = "and") -> str:
    """`a`, `b` and `c`."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def excluding(parts: Sequence[ast.Expr], answers: Sequence[Answer]) -> str:
    """Which parts exclude each other, in the author's words."""
    core = next((answer.core for answer in answers if isinstance(answer, Impossible)), ())
    texts = [f"`{short(parts[place])}`" for place in core]
    if not texts:
        return "the policy has no step that it speaks of"
    if len(texts) == 1:
        return f"{texts[0]} is never true"
    return f"{listed(texts)} are never true together"
