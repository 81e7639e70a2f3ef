"""`obverse diff`: what does a new version of a policy newly allow, ask, deny? Each with a transcript, or a proof of nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, one_line, print_json, say, when_interrupted
from obverse.cli.transcript import number_of, transcript

if TYPE_CHECKING:
    from obverse.policy.checked import Checked, CheckedRule
    from obverse.solver.answers import Act
    from obverse.solver.changes import Change, Comparison, RuleOf
    from obverse.solver.words import Words

_SHOWN = 8  # names of acts in a line


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--fail-on",
    type=click.Choice(["loosened", "any", "never"]),
    default="loosened",
    show_default=True,
    help="Which changes of meaning exit 3.",
)
@click.option(
    "--timeout", type=Finite(min=0.01, max=86_400), default=10.0, show_default=True, help="Seconds per question."
)
@json_option
def diff(
    old: Path, new: Path, *, fail_on: Literal["loosened", "any", "never"], timeout: float, as_json: bool
) -> ExitCode:
    """Compare what two versions of a policy decide: what NEW newly allows, asks, denies, each with a transcript.

    Where it finds no difference it has proved that there is none, within the bound that it names. Exits 3 where a verdict
    became milder (with `--fail-on any`: where any changed), 4 where a question stayed open, else 0; with `--fail-on never`
    always 0.
    """
    from obverse.cli.load import load
    from obverse.solver.compare import compare
    from obverse.solver.settings import Settings
    from obverse.solver.words import words

    before, after = load(old), load(new)
    start = time.monotonic()
    with when_interrupted("nothing was written"):
        comparison = compare(before, after, settings=Settings(timeout_ms=max(1, round(timeout * 1000))))
    seconds = round(time.monotonic() - start, 3)
    reworded = words(before, after, comparison)
    if as_json:
        print_json(_document(before, after, comparison, reworded, seconds))
    else:
        for line in _lines(before, after, comparison, reworded, seconds):
            say(line)
    return _exit_code(comparison, fail_on)


def _exit_code(comparison: Comparison, fail_on: str) -> ExitCode:
    if fail_on == "never":
        return ExitCode.HOLDS
    if any(change.loosens or fail_on == "any" for change in comparison.changes):
        return ExitCode.VIOLATED
    return ExitCode.UNDECIDED if comparison.undecided else ExitCode.HOLDS


def _document(
    old: Checked, new: Checked, comparison: Comparison, reworded: Sequence[Words], seconds: float
) -> dict[str, object]:
    return {
        "old": _named(old),
        "new": _named(new),
        "changes": [
            {
                "kind": change.kind,
                "act": change.act,
                "old": change.old,
                "new": change.new,
                "rules": change.rules,
                "witness": change.scenario,
                "loosens": change.loosens,
            }
            for change in comparison.changes
        ],
        "words": reworded,
        "undecided": comparison.undecided,
        "bound": comparison.bound,
        "seconds": seconds,
        "same": comparison.same,
        "queries": comparison.queries,
        "solver": comparison.solver,
    }


def _named(checked: Checked) -> dict[str, str]:
    return {"name": checked.name, "version": checked.version, "digest": checked.digest}


# --- for people ---------------------------------------------------------------------------------------------------------


def _lines(
    old: Checked, new: Checked, comparison: Comparison, reworded: Sequence[Words], seconds: float
) -> Iterator[str]:
    yield one_line(f"{old.name}, version {old.version} → {new.name}, version {new.version}")
    for alike in _grouped(comparison.changes):
        yield ""
        yield from _change(alike, _spoken(alike[0], old, new))
    for question in comparison.undecided:
        yield ""
        yield one_line(f"undecided {_act(question.act)}, {_rules(question.rules)}: {question.reason}")
    if reworded:
        yield ""
        yield "in words only:"
        for word in reworded:
            yield one_line(f"    {f'{word.name}: ' if word.name else ''}{word.message}")
    yield ""
    yield one_line(_summary(comparison, reworded, seconds))


def _grouped(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes by the same rules to the same verdicts, the milder verdicts first: several tools are told of at once."""
    found: dict[object, list[Change]] = {}
    for change in sorted(changes, key=lambda change: (not change.loosens, change.new.strictness)):
        found.setdefault((change.old, change.new, change.rules), []).append(change)
    return list(found.values())


def _spoken(change: Change, old: Checked, new: Checked) -> list[CheckedRule]:
    """The rules that make the change."""
    return [
        rule for named in change.rules for rule in (old if named.of == "old" else new).rules if rule.id == named.rule
    ]


def _change(alike: Sequence[Change], rules: Sequence[CheckedRule]) -> Iterator[str]:
    first = alike[0]
    yield one_line(f"{first.kind}: {_act(first.act)}, by {_rules(first.rules)}")
    yield from transcript(first.scenario.history, first.scenario.step, rules)
    yield one_line(f"      was: {first.old.value}, is: {first.new.value}")
    if len(alike) > 1:
        names = [_act(change.act) for change in alike[1:]]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield one_line(f"      the same for {', '.join(names[:_SHOWN])}{more}")


def _act(act: Act) -> str:
    return "a reply" if act.kind == "reply" else f"`{act.tool}`"


def _rules(rules: Sequence[RuleOf]) -> str:
    return " and ".join(f"{rule.rule} of the {rule.of} policy" for rule in rules)


def _summary(comparison: Comparison, reworded: Sequence[Words], seconds: float) -> str:
    from obverse.core.verdicts import Truth

    kinds = [change.kind for change in comparison.changes]
    parts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds))]
    parts += [f"{len(comparison.undecided)} undecided"] if comparison.undecided else []
    if comparison.same is Truth.TRUE:
        proved = "proved without a bound" if comparison.unbounded else f"proved for {comparison.bound}"
        parts = [f"the same verdict on every step ({proved})"]
    if reworded:
        parts.append(f"{len(reworded)} in words only")
    bound = "" if comparison.unbounded or comparison.same is Truth.TRUE else f" ({comparison.bound})"
    asked = (
        f"{number_of(comparison.queries, 'question')} to {comparison.solver.name} {comparison.solver.version}{bound}"
    )
    return f"{', '.join(parts)}; {seconds:.1f} s, {asked}"
