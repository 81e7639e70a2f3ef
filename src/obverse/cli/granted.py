"""How grants and their previews are shown, to people and as JSON; not a command itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from obverse.cli.output import one_line
from obverse.cli.transcript import number_of, transcript

if TYPE_CHECKING:
    from obverse.guard.grants.register import Held, Use
    from obverse.policy.checked import Checked
    from obverse.policy.grants import Grant
    from obverse.solver.answers import Act
    from obverse.solver.changes import Change
    from obverse.solver.preview import Preview, Stays

_ID = 12  # hex digits that name a grant on a line


def short(name: str) -> str:
    """How a grant is named on a line; `find` takes it back."""
    return name.removeprefix("sha256:")[:_ID]


def grant_object(held: Held) -> dict[str, object]:
    """A grant as `--json` shows it."""
    return {
        "id": held.id,
        "state": held.state,
        "used": held.used,
        "left": held.left,
        "why": held.why,
        "terms": held.grant,
        "revoked": held.revoked,
    }


def grant_line(held: Held) -> str:
    """A grant on one line: what it is, for whom, how it stands."""
    grant = held.grant
    why = f" ({held.why})" if held.why else ""
    return one_line(
        f"{short(held.id)}  {held.state}{why}, {held.left} of {grant.uses} left, until {_time(grant.not_after)}: "
        f"{', '.join(grant.clauses)} for {grant.holder}, where {grant.scope}, by {grant.by}: {grant.purpose}"
    )


def grant_lines(held: Held, above: Sequence[Grant], uses: Sequence[Use]) -> Iterator[str]:
    """A grant, whole."""
    grant = held.grant
    yield held.id
    yield one_line(f"  {held.state}{f': {held.why}' if held.why else ''}, {held.left} of {grant.uses} left")
    yield one_line(f"  clauses {', '.join(grant.clauses)}")
    yield one_line(f"  where   {grant.scope}")
    yield one_line(f"  for     {grant.holder}")
    yield one_line(f"  by      {grant.by}, {_time(grant.time)}")
    yield one_line(f"  to      {grant.purpose}")
    yield one_line(f"  from    {_time(grant.not_before)} until {_time(grant.not_after)}")
    bound = "its clauses, wherever they stay the same" if grant.follows else "the policy that it was written for"
    yield one_line(f"  bound   to {bound}")
    for one in above:
        yield one_line(f"  under   {short(one.id)} by {one.by} for {one.holder}, where {one.scope}")
    for use in uses:
        yield one_line(f"  used    {_time(use.time)} in {use.session}, step {use.step}")
    if held.revoked is not None:
        yield one_line(f"  revoked by {held.revoked.by}, {_time(held.revoked.time)}: {held.revoked.why}")


def _time(ms: int) -> str:
    from obverse.policy.print import time_text

    return time_text(ms)


# --- previews -----------------------------------------------------------------------------------------------------------


def preview_object(preview: Preview) -> dict[str, object]:
    """A preview as `--json` shows it."""
    return {
        "nothing": preview.nothing,
        "clauses": preview.clauses,
        "kept": preview.kept,
        "changes": [
            {"kind": change.kind, "act": change.act, "old": change.old, "new": change.new,
             "rules": [rule.rule for rule in change.rules], "witness": change.scenario}
            for change in preview.changes
        ],
        "stays": [msgspec.to_builtins({"clause": one.clause, "rule": one.rule, "act": one.act, "verdict": one.verdict,
                   "inviolable": one.inviolable, "witness": one.scenario}) for one in preview.stays],
        "undecided": preview.undecided,
        "bound": preview.bound,
        "queries": preview.queries,
        "solver": preview.solver,
    }  # fmt: skip


def preview_lines(preview: Preview, checked: Checked) -> Iterator[str]:
    """What a grant would newly allow, what stays blocked, and how far it was looked."""
    for alike in _grouped(preview.changes):
        yield from _change(alike, checked)
    for stays in preview.stays:
        yield from _stays(stays, checked)
    for question in preview.undecided:
        rules = " and ".join(rule.rule for rule in question.rules)
        yield one_line(f"undecided {_act(question.act)}, {rules}: {question.reason}")
    yield one_line(_summary(preview))


def _grouped(changes: Sequence[Change]) -> list[list[Change]]:
    """Those with one scenario or one set of rules are told once, the mildest verdicts first."""
    found: dict[object, list[Change]] = {}
    for change in sorted(changes, key=lambda change: (change.new.strictness, -change.old.strictness)):
        found.setdefault((change.old, change.new, change.rules), []).append(change)
    told: dict[object, list[Change]] = {}
    for alike in found.values():
        told.setdefault(msgspec.json.encode([change.scenario for change in alike]), alike)
    return list(told.values())


def _change(alike: Sequence[Change], checked: Checked) -> Iterator[str]:
    first = alike[0]
    names = {rule.rule for rule in first.rules}
    yield one_line(f"{first.kind}: {_act(first.act)}, by {' and '.join(sorted(names))}")
    rules = [rule for rule in checked.rules if rule.id in names]
    yield from transcript(first.scenario.history, first.scenario.step, rules)
    yield one_line(f"      was: {first.old.value}, is: {first.new.value}")
    if len(alike) > 1:
        yield one_line(f"      the same for {', '.join(_act(change.act) for change in alike[1:])}")
    yield ""


def _stays(stays: Stays, checked: Checked) -> Iterator[str]:
    firm = ", which is inviolable" if stays.inviolable else ""
    yield one_line(f"stays {_VERDICT[stays.verdict.value]}: {_act(stays.act)}, by {stays.rule}{firm}")
    yield from transcript(
        stays.scenario.history, stays.scenario.step, [rule for rule in checked.rules if rule.id == stays.rule]
    )
    yield ""


_VERDICT = {"stop": "stopped", "deny": "denied", "ask": "asked", "warn": "warned", "allow": "allowed"}


def _act(act: Act) -> str:
    return "a reply" if act.kind == "reply" else f"`{act.tool}`"


def _summary(preview: Preview) -> str:
    from obverse.core.verdicts import Truth

    kinds = [alike[0].kind for alike in _grouped(preview.changes)]
    parts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    parts += [f"{len(preview.undecided)} undecided"] if preview.undecided else []
    bound = "without a bound" if preview.unbounded else f"for {preview.bound}"
    if preview.nothing is Truth.TRUE:
        parts = [f"nothing new is allowed (proved {bound})"]
    elif not preview.undecided:
        parts.append(f"nothing else (proved {bound})")
    solver = "" if preview.solver is None else f" to {preview.solver.name} {preview.solver.version}"
    return f"{', '.join(parts)}; {number_of(preview.queries, 'question')}{solver}"
