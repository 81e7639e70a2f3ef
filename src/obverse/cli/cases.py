"""`obverse cases`: the tests that follow from a policy, and what they cover."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.mutation_lines import mutation_document, say_mutation, until_interrupted
from obverse.cli.of_the_past import of_the_past
from obverse.cli.output import json_option, note, one_line, print_json, say, when_interrupted
from obverse.cli.progress import shown

if TYPE_CHECKING:
    from obverse.cases.mutation.records import Chosen
    from obverse.cases.mutation.settle import Settled
    from obverse.cases.records import Count, Infeasible, Obligation, Suite
    from obverse.cases.settings import Settings
    from obverse.policy.checked import Checked

_TOLD = {
    "any": "infeasible",
    "unique": "only with other changes (masking)",
    "flip": "cannot turn the verdict",
}
_SHOWN = 12  # obligations of one kind that are listed for people; --json has the counts, and the file has the cases


class PolicyName(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy a suite is of."""

    name: str
    version: str
    digest: str


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the cases here, one JSON a line."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**63 - 1),
    default=0,
    show_default=True,
    help="Another seed, other words and names.",
)
@click.option(
    "--depth",
    type=click.Choice(["standard", "full"]),
    default="standard",
    show_default=True,
    help="What for: full adds exceptions, orders of events, pairs of rules and contexts.",
)
@click.option(
    "--factors",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What is combined t-way: factors, values, strength, what never goes together (YAML or JSON). Means --depth full.",
)
@click.option(
    "--from-ledger", "ledger", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Instead: a case of each step that a guard recorded and POLICY blocks.",
)  # fmt: skip
@click.option("--no-boundaries", is_flag=True, help="Leave out thresholds and window edges: a smaller suite.")
@click.option("--keep-all", is_flag=True, help="Keep cases that show nothing which the others do not show.")
@click.option("--infeasible", is_flag=True, help="List all that no case can show, and why; else the first few.")
@click.option(
    "--lattice", type=click.Path(path_type=Path, dir_okay=False), help="Draw the levels and what they hold, as SVG."
)
@click.option(
    "--mutation", is_flag=True, help="Make faulty versions of the policy, and add cases until each is noticed."
)
@json_option
def cases(
    policy: Path,
    *,
    output: Path | None,
    seed: int,
    depth: Literal["standard", "full"],
    factors: Path | None,
    ledger: Path | None,
    no_boundaries: bool,
    keep_all: bool,
    infeasible: bool,
    lattice: Path | None,
    mutation: bool,
    as_json: bool,
) -> ExitCode:
    """Derive the cases of a policy: each with the verdict it must get, and a twin that must be allowed.

    The table counts obligations: met by a case, proved infeasible by the solver, or open. Cases that show nothing new are left
    out; what is left is as small as can be proved. With `--mutation` a second table counts
    faults that an author could have made: noticed by a case, or proved to change nothing.

    With `--from-ledger`, what was stopped, or went through and would be stopped by POLICY, becomes a case for later models.
    """
    from obverse.cases.factors import LARGEST, read_factors
    from obverse.cases.files import write_cases
    from obverse.cases.invert import invert
    from obverse.cases.settings import Settings
    from obverse.cli.load import load, read_file
    from obverse.core.files import write_whole
    from obverse.report.lattice import lattice_svg

    checked = load(policy)
    if ledger is not None:
        return of_the_past(checked, ledger, seed=seed, output=output, as_json=as_json)
    settings = Settings(
        boundaries=not no_boundaries,
        depth="full" if factors is not None else depth,
        minimal=not keep_all,
        factors=None
        if factors is None
        else read_factors(read_file(factors, LARGEST, "file of factors"), source=str(factors)),
    )
    with when_interrupted("nothing was written; the same seed gives the same cases again"):
        suite = invert(checked, settings=settings, seed=seed, progress=_progress())
        suite, score = _mutation(checked, suite, settings) if mutation else (suite, None)
        if output is not None:
            write_whole(output, write_cases(suite.cases))
        if lattice is not None:
            title = f"{checked.name} {checked.version}"
            drawn = lattice_svg(suite.coverage.levels, title=title, cases=len(suite.cases))
            write_whole(lattice, drawn.encode())
    if as_json:
        print_json(
            _document(checked, suite, output) | ({} if score is None else {"mutation": mutation_document(*score)})
        )
    else:
        _print(checked, suite, output, most=len(suite.infeasible) if infeasible else _SHOWN)
        if score is not None:
            say()
            say_mutation(*score)
    settled = score is None or score[0].after.total.settled
    covered = not any(count.open for count in suite.coverage.levels.values())
    return ExitCode.HOLDS if covered and settled else ExitCode.UNDECIDED


def _mutation(checked: Checked, suite: Suite, settings: Settings) -> tuple[Suite, tuple[Settled, Chosen]]:
    """The suite with the cases that mutants made necessary, the score, and the smallest part of it that does as much."""
    from obverse.cases.mutation.chosen import apart, choose
    from obverse.cases.mutation.mutants import MOST, mutants
    from obverse.cases.mutation.settle import settle, strengthened

    made = mutants(checked)
    if len(made) >= MOST:
        note(f"the policy has more mutants than are tried at once: these are the first {MOST:,}")
    with until_interrupted() as stopped, shown("mutants", "mutants") as tell:
        settled = settle(
            checked, suite.cases, settings=settings, seed=suite.seed, mutants=made, stopped=stopped,
            progress=lambda done, of, _: tell(done, of),
        )  # fmt: skip
        least = None if stopped() else len(apart(checked, made, settled.after, settings=settings.solver))
    return strengthened(checked, suite, settled), (settled, choose(settled.after, apart=least))


def _progress() -> Callable[[int, int, str], None]:
    """Tells on a terminal which rule is looked at; silent where stderr is no terminal."""

    def tell(done: int, of: int, rule: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{done}/{of} {one_line(rule)}"[:100], err=True, nl=False)
            if done + 1 == of:
                click.echo("\r\033[K", err=True, nl=False)

    return tell


def _document(checked: Checked, suite: Suite, output: Path | None) -> dict[str, object]:
    return {
        "policy": PolicyName(name=checked.name, version=checked.version, digest=checked.digest),
        "cases": len(suite.cases),
        "digest": suite.digest,
        "seed": suite.seed,
        "output": None if output is None else str(output),
        "coverage": suite.coverage.levels,
        "clauses": {row.clause: row.levels for row in suite.coverage.clauses},
        "size": suite.size,
        "depth": suite.settings.depth,
        "infeasible": [_because(proof) for proof in suite.infeasible],
        "open": suite.open,
    }


def _because(proof: Infeasible) -> dict[str, object]:
    """A proof with the words that a script looks for."""
    return {**msgspec.structs.asdict(proof), "level": proof.obligation.level, "because": proof.core}


def _print(checked: Checked, suite: Suite, output: Path | None, *, most: int) -> None:
    twins = sum(case.twin is not None for case in suite.cases)
    say(f"{one_line(checked.name)} {one_line(checked.version)}: {len(suite.cases)} cases, {twins} of them in pairs")
    say(_size(suite))
    say()
    _table(checked, suite)
    say()
    say("met/of; -N were proved infeasible, ?N are open")
    for proof in sorted(suite.infeasible, key=lambda proof: list(_TOLD).index(proof.cause))[:most]:
        say(f"  {_named(proof.obligation)}: {_TOLD[proof.cause]}: {'; '.join(one_line(text) for text in proof.core)}")
    if len(suite.infeasible) > most:
        say(f"  and {len(suite.infeasible) - most} more (--infeasible lists them)")
    for left in suite.open[:_SHOWN]:
        say(f"  {_named(left.obligation)}: open: {one_line(left.reason)}")
    if len(suite.open) > _SHOWN:
        say(f"  and {len(suite.open) - _SHOWN} more (--json lists them)")
    if output is not None:
        note(f"wrote {one_line(str(output))}")


def _size(suite: Suite) -> str:
    """How many of the cases are needed, and how many must be."""
    size = suite.size
    again = f"; {size.reworded} more say it in other words or another context" if size.reworded else ""
    fewer = "no fewer of those found do" if size.exact else f"of those found at least {size.lower_bound} are needed"
    return f"{size.cases} of them show what stands below, {fewer}{again}"


def _table(checked: Checked, suite: Suite) -> None:
    """Clauses by levels; contexts are about no clause and stand in the last line only."""
    levels = list(suite.coverage.levels)
    full = suite.settings.depth == "full"
    width = max([len("not formalised"), *(len(clause.id) for clause in checked.clauses)], default=0)
    rows = [row.levels for row in suite.coverage.clauses] + [suite.coverage.levels]
    columns = {
        level: max([len(level) if full else 9, *(len(_cell(row[level])) for row in rows)]) for level in levels
    }  # fmt: skip
    say(f"{'':{width}}  " + "  ".join(f"{level:>{columns[level]}}" for level in levels))
    for row in suite.coverage.clauses:
        formal = any(_total(count) for count in row.levels.values())
        cells = "  ".join(f"{_cell(row.levels[level]):>{columns[level]}}" for level in levels)
        say(f"{one_line(row.clause):{width}}  {cells if formal else 'not formalised'}")
    total = "  ".join(f"{_cell(suite.coverage.levels[level]):>{columns[level]}}" for level in levels)
    say(f"{'all':{width}}  {total}")


def _named(obligation: Obligation) -> str:
    what = " ".join(part for part in (obligation.level, obligation.condition, obligation.value) if part)
    return f"{one_line(obligation.rule or obligation.clause)}: {one_line(what)}"


def _total(count: Count) -> int:
    return count.met + count.infeasible + count.open


def _cell(count: Count) -> str:
    if not _total(count):
        return "."
    left = f" -{count.infeasible}" if count.infeasible else ""
    return f"{count.met}/{_total(count)}{left}{f' ?{count.open}' if count.open else ''}"
