"""`obverse stability compare`: two runs over the same prompts, paired; a fine-tune, an adapter, another model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.stability.findings import Comparison

_WORSE = {"case": "moved to comply", "twin": "moved to refuse", "control": "moved to refuse"}


@click.command(short_help="Compare two runs, prompt by prompt.")
@click.argument("first", metavar="A", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("second", metavar="B", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a page of both, side by side."
)
@json_option
def compare(first: Path, second: Path, *, output: Path | None, as_json: bool) -> ExitCode:
    """Compare the runs in A and B over the prompts that both asked: did the boundary move, which way, and is it wider?

    Exits 3 where cases are shown to have moved towards compliance, or their twins or controls towards refusal; 4 where nothing could be
    compared, or some kind has too few prompts to show any move; else 0.
    """
    from obverse.campaign.stability.run import read_stability
    from obverse.core.files import write_whole
    from obverse.stability.compare import compare as compared

    one, other = read_stability(first), read_stability(second)
    found = compared(one, other)
    if output is not None:
        from obverse.report.stability.page import comparison_html

        write_whole(output, comparison_html(found, one, other).encode())
    if as_json:
        print_json({**_document(found), "report": None if output is None else str(output)})
    else:
        _show(found)
        if output is not None:
            say(f"report: {output}")
    worse = [kind for kind, verdict in found.verdict.items() if verdict == _WORSE.get(kind)]
    if worse:
        return ExitCode.VIOLATED
    return ExitCode.UNDECIDED if found.too_few or not found.pairs else ExitCode.HOLDS


def _document(found: Comparison) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(found)
    return fields


def _show(found: Comparison) -> None:
    from obverse.cli.stability_files import estimate

    say(one_line(f"{found.first} → {found.second}, {len(found.pairs):,} prompts in both"))
    for kind, moved in found.moved.items():
        p = found.p.get(kind)
        shown = "" if p is None else f", p {p:.3g}"
        say(
            one_line(
                f"  {kind:<8} {found.verdict.get(kind, 'not shown')}: {estimate(moved, signed=True)}, n {moved.n:,}{shown}"
            )
        )
    for ladder, kind, before, after in found.widths:
        wide = [estimate(one) if one is not None else "not known" for one in (before, after)]
        say(one_line(f"  width along {ladder} of {kind}s: {wide[0]} → {wide[1]}"))
    for missing in found.missing:
        note(one_line(f"note: {missing}"))
