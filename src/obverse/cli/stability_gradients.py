"""`obverse stability gradients`: an early sign that incoming training data would move a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, one_line, print_json, say, when_interrupted
from obverse.cli.progress import shown

if TYPE_CHECKING:
    from obverse.stability.findings import Estimate
    from obverse.stability.gradient_ratio import GradientWarning, LayerRatio

_FILE = click.Path(path_type=Path)


@click.command(short_help="Weigh the gradients of training data before training on it.")
@click.option("--model", required=True, metavar="torch:NAME|PATH", help="The model that would be trained.")
@click.option("--suspect", required=True, type=_FILE, help="Incoming examples, one JSON object a line.")
@click.option("--benign", required=True, type=_FILE, help="Plain examples, to compare with.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="So many examples of each file at most, evenly spread over it.",
)
@click.option("--longest", type=click.IntRange(min=8), default=1024, show_default=True, help="Tokens of one example.")
@click.option(
    "--confidence",
    type=Finite(min=0, min_open=True, max=1, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals; 1 minus it is the level of the tests.",
)
@click.option("--seed", type=click.IntRange(min=0, max=2**31 - 1), default=0, show_default=True, help="Of resampling.")
@click.option("--threads", type=click.IntRange(min=1), help="Of the processor; by default all.")
@json_option
def gradients(*, as_json: bool, **given: Any) -> ExitCode:
    """Weigh the gradients of training data before training on it.

    Each line of a file is {"messages": [...]} that ends in the assistant's answer. For every layer: how many times as large the
    gradients of the suspect answers are as those of benign answers of equal length, and what is left of that at equal loss. Large
    means that the answers are far from what the model would say, not that they are harmful.

    Exit code: 3 if the suspect gradients are larger, 0 if they are not shown to be, 4 if there is too little to tell.
    """
    from obverse.campaign.stability.tuning import Weighing, weighed
    from obverse.targets.catalogue import cache_folder

    cache = cache_folder(os.environ)
    asked = Weighing(cache=cache, converted=cache.parent / "converted", **given)
    with when_interrupted("nothing was written"), shown("gradients", "examples") as tell:
        found = weighed(asked, told=tell)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return {"larger": ExitCode.VIOLATED, "undecided": ExitCode.UNDECIDED}.get(found.verdict, ExitCode.HOLDS)


def _print(found: GradientWarning) -> None:
    say(f"{one_line(found.model)}: {one_line(found.says)}")
    say(f"{found.suspect} suspect, {found.benign} benign, {found.pairs} pairs of equal answer length")
    for kind, count in found.left_out.items():
        say(f"  {count} left out: {one_line(kind)}")
    if found.total.p is not None:
        say()
        say(f"{'layer':>5}  {'ratio':>20}  {'q':>7}  {'at equal loss':>20}  {'q':>7}")
        for line in (*found.layers, found.total):
            say(_line(line))
    say()
    for one in found.detectors:
        say(f"{one.name:14} AUROC {_cell(one.auroc):>20}   recall {_cell(one.recall)} at {one.at:.0%} false alarms")
    named = (f"{name} {value:+.2f}" for name, value in found.correlations.items() if value is not None)
    say(f"rank correlation of the benign norms: {', '.join(named) or 'not known'}")
    for note in found.notes:
        say(f"note: {one_line(note)}")


def _line(line: LayerRatio) -> str:
    qs = ["." if value is None else f"{value:.2g}" for value in (line.q, line.q_beyond)]
    name = str(line.layer) if line.layer else "all"
    return f"{name:>5}  {_cell(line.ratio):>20}  {qs[0]:>7}  {_cell(line.beyond):>20}  {qs[1]:>7}"


def _cell(found: Estimate) -> str:
    if found.estimate is None or found.low is None or found.high is None:
        return "."
    return f"{found.estimate:.2f} ({found.low:.2f}–{found.high:.2f})"
