"""A step that should not have happened → rules that would have stopped it, each with what else it would have stopped in the past.

    policy + bad steps + other steps ─suggest→ Suggestion…

Candidates come from `hints`; each is put into the policy as a rule of its own and tried on every past step by `decide` itself, so what the preview says is
what the guard would have done. A suggestion is a conjunction of at most three. It is a starting point for a person: with few bad steps many rules
fit, and the plainest is not the true one. Nothing is put into the policy here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Final

import msgspec

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.core.events import AnyEvent, Call, Step
from obverse.core.verdicts import Truth
from obverse.draft.hints import facts_of, hints
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse
from obverse.policy.print import dotted_text

_MOST_CONDITIONS: Final = 3
_MOST_KEPT: Final = 40  # single conditions that pairs and triples are made of
_CLAUSE: Final = "obverse-suggests-"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the past: its name, what happened before it, and whether it was let through then."""

    name: str
    history: tuple[AnyEvent, ...]
    step: Step
    released: bool = True


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and its preview: `stops` are the bad steps that it fires on, for certain; `also` others that it would have stopped.

    `already` of `also` were stopped anyway; `of` is how many other steps there were of this tool. `memorises` says that the rule holds a
    text that was seen: it stops this again, and nothing like it.
    """

    rule: str
    conditions: tuple[str, ...]
    stops: tuple[str, ...]
    also: tuple[str, ...]
    already: int
    of: int
    memorises: bool = False


def suggest(
    text: str,
    bad: Sequence[Seen],
    others: Sequence[Seen],
    *,
    source: str = "policy.md",
    files: Callable[[str], bytes] | None = None,
    most: int = 5,
) -> tuple[Suggestion, ...]:
    """Rules that stop every bad step, the ones that stop least else first; none where no candidate tells them apart.

    Most of them speak of more than the very values that were seen, if there are such.

    Raises:
        MisuseError: if no step is bad, a bad one is no call of a declared tool, or they are calls of several tools.
    """
    checked = check(parse(text, source=source, files=files), source=source)
    tool = _tool_of(checked, bad)
    calls = [seen for seen in others if isinstance(seen.step.event, Call) and seen.step.event.tool == tool]
    conditions = hints(
        checked, checked.tools[tool], _calls(bad), _calls(calls), facts_of([seen.history for seen in (*bad, *calls)])
    )
    tried, conditions = _tried(text, tool, conditions, source, files)
    fired = {seen.name: _fired(tried, seen) for seen in (*bad, *calls)}
    fit = [number for number in range(len(conditions)) if all(number in fired[seen.name] for seen in bad)]
    stops = {number: frozenset(seen.name for seen in calls if number in fired[seen.name]) for number in fit}
    fit.sort(key=lambda number: (len(stops[number]), number))
    released = {seen.name for seen in calls if seen.released}
    return tuple(
        Suggestion(
            rule=_rule(tool, [conditions[number] for number in chosen]),
            conditions=tuple(conditions[number] for number in chosen),
            stops=tuple(seen.name for seen in bad),
            also=tuple(sorted(also)),
            already=len(also - released),
            of=len(calls),
            memorises=any(_memorises(conditions[number]) for number in chosen),
        )
        for chosen, also in _best([one for one in fit if not _memorises(conditions[one])], fit, stops, most)
    )


def _best(
    general: Sequence[int], fit: Sequence[int], stops: dict[int, frozenset[str]], most: int
) -> list[tuple[tuple[int, ...], frozenset[str]]]:
    """The best of all, of which at most two hold a value that was seen while there are others."""
    broad, narrow = _conjunctions(general, stops), _conjunctions(fit, stops)
    kept = [one for one in narrow if not set(one[0]) <= set(general)]
    few = kept[: max(2, most - len(broad))]
    return sorted([*broad[: most - len(few)], *few], key=_order)


def _conjunctions(fit: Sequence[int], stops: dict[int, frozenset[str]]) -> list[tuple[tuple[int, ...], frozenset[str]]]:
    """What stops least first, the shortest of those that stop the same; a longer one must stop less than its parts."""
    found: list[tuple[tuple[int, ...], frozenset[str]]] = []
    for size in range(1, _MOST_CONDITIONS + 1):
        for chosen in combinations(fit[:_MOST_KEPT], size):
            also = frozenset.intersection(*(stops[number] for number in chosen))
            if not any(set(shorter) < set(chosen) and kept <= also for shorter, kept in found):
                found.append((chosen, also))
    return sorted(found, key=_order)


def _order(one: tuple[tuple[int, ...], frozenset[str]]) -> tuple[int, int, tuple[int, ...]]:
    return len(one[1]), len(one[0]), one[0]


def _memorises(condition: str) -> bool:
    """Whether a text stands in it that was seen as a value; a domain is more than one."""
    return '"' in condition and " at domain " not in condition


def _tried(
    text: str, tool: str, conditions: list[str], source: str, files: Callable[[str], bytes] | None
) -> tuple[Checked, list[str]]:
    """The policy with each condition as a rule of its own, and the conditions that it takes."""
    try:
        return _with(text, tool, conditions, source, files), conditions
    except UntrustedInputError:
        kept = [one for one in conditions if _takes(text, tool, one, source, files)]
        return _with(text, tool, kept, source, files), kept


def _takes(text: str, tool: str, condition: str, source: str, files: Callable[[str], bytes] | None) -> bool:
    try:
        _with(text, tool, [condition], source, files)
    except UntrustedInputError:
        return False
    return True


def _with(
    text: str, tool: str, conditions: Iterable[str], source: str, files: Callable[[str], bytes] | None
) -> Checked:
    added = "".join(
        f"\n# {number} {{#{_CLAUSE}{number}}}\n\n```rule\n{_rule(tool, [condition], 'warn')}\n```\n"
        for number, condition in enumerate(conditions)
    )
    return check(parse(f"{text}\n{added}", source=source, files=files), source=source)


def _fired(tried: Checked, seen: Seen) -> frozenset[int]:
    """The numbers of the conditions that were true of this step for certain."""
    reasons = decide(tried, seen.history, seen.step).reasons
    return frozenset(
        int(reason.clause.removeprefix(_CLAUSE))
        for reason in reasons
        if reason.clause.startswith(_CLAUSE) and reason.certain is Truth.TRUE
    )


def _rule(tool: str, conditions: Sequence[str], kind: str = "forbid") -> str:
    said = " and ".join(f"({one})" if len(conditions) > 1 else one for one in conditions)
    return f"{kind} {dotted_text(tool)} when {said}"


def _calls(seen: Sequence[Seen]) -> list[Call]:
    return [one.step.event for one in seen if isinstance(one.step.event, Call)]


def _tool_of(checked: Checked, bad: Sequence[Seen]) -> str:
    tools = {seen.step.event.tool if isinstance(seen.step.event, Call) else None for seen in bad}
    if len(tools) != 1 or None in tools:
        raise MisuseError(
            "the steps are not calls of one tool", code="F130",
            hint="name steps that call the same tool; ask for each tool by itself",
        )  # fmt: skip
    tool = str(tools.pop())
    if tool not in checked.tools:
        raise MisuseError(
            f"the policy does not declare `{tool}`", code="F131", hint="unknown tools are a matter of `default`"
        )
    return tool
