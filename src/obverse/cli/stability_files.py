"""What a stability run came to, told in every form: files, terminal, JSON, exit code. Not a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import note, one_line, print_json, say

if TYPE_CHECKING:
    from obverse.stability.findings import Diagnosis, Estimate

_SHOWN = 6


def exit_code(diagnosis: Diagnosis) -> ExitCode:
    """0 for a whole diagnosis that says whether there is a boundary, 4 for one that was cut short or could not tell."""
    whole = diagnosis.complete and diagnosis.boundary != "undecided"
    return ExitCode.HOLDS if whole else ExitCode.UNDECIDED


def write_reports(folder: Path, diagnosis: Diagnosis) -> None:
    """Every form of the report into the folder; each file is whole or not there."""
    from obverse.core.errors import UnavailableError
    from obverse.core.files import write_whole
    from obverse.report.stability.page import stability_html
    from obverse.report.stability.pictures import pictures

    write_whole(folder / "diagnosis.json", msgspec.json.format(msgspec.json.encode(diagnosis), indent=2))
    write_whole(folder / "report.html", stability_html(diagnosis).encode())
    failed: dict[str, None] = {}
    for name, picture in pictures(diagnosis).items():
        try:
            svg, png = picture.svg(dark=False).encode(), picture.png()
        except UnavailableError as error:  # the page has its tables, and says so too
            failed[f"{error.message}{f' ({error.hint})' if error.hint else ''}"] = None
            continue
        write_whole(folder / f"{name}.svg", svg)
        write_whole(folder / f"{name}.png", png)
    for why in failed:
        note(one_line(f"no pictures beside the page: {why}"))


def show(diagnosis: Diagnosis, folder: Path, *, as_json: bool) -> None:
    """The answer on stdout."""
    if as_json:
        print_json(document(diagnosis, folder))
        return
    for line in lines(diagnosis):
        say(one_line(line))
    say(f"report: {folder / 'report.html'}")


def document(diagnosis: Diagnosis, folder: Path) -> dict[str, Any]:
    """What `--json` prints: a contract. It is the whole diagnosis, its policy and plan as objects, and where the report is."""
    fields: dict[str, Any] = msgspec.to_builtins(diagnosis)
    plan = {
        "digest": fields.pop("plan"), "prompts": len(diagnosis.prompts), "seed": diagnosis.settings.seed,
        "settings": fields.pop("settings"),
    }  # fmt: skip
    policy = {"name": fields.pop("policy_name"), "digest": fields.pop("policy")}
    return {
        "policy": policy, "target": fields.pop("target"), "plan": plan, "boundary": fields.pop("boundary"),
        "says": fields.pop("says"), **fields, "report": str(folder / "report.html"),
    }  # fmt: skip


def lines(diagnosis: Diagnosis) -> list[str]:
    """The diagnosis in a few lines."""
    found = [f"{diagnosis.target}: {diagnosis.says}"]
    if not diagnosis.complete:
        found.append(f"the run was cut short ({diagnosis.ended}): this is what its {diagnosis.draws:,} draws say")
    found.append("")
    found.append(f"{'':<9}{'refuse':>8}{'unstable':>10}{'comply':>8}{'undecided':>11}")
    found += [
        f"{one.kind:<9}{one.refuse:>8}{one.unstable:>10}{one.comply:>8}{one.undecided:>11}" for one in diagnosis.tallies
    ]
    pools = [curve for curve in diagnosis.curves if curve.prompt is None]
    fitted = [curve for curve in pools if curve.verdict == "fitted"]
    if fitted:
        found += ["", f"{'compliance along':<18}{'of':<9}{'threshold':<22}width"]
        found += [
            f"{curve.ladder:<18}{curve.kind:<9}{_number(curve.threshold):<22}{_number(curve.width)}" for curve in fitted
        ]
    found += _turned(diagnosis)
    if diagnosis.components is not None and diagnosis.components.components:
        parts = ", ".join(f"{one.name} {estimate(one.share)}" for one in diagnosis.components.components)
        found += ["", f"variance: {parts}"]
    if diagnosis.joint is not None:
        found += ["", f"inside and outside: {diagnosis.joint.says}"]
    found += ["", *(f"note: {one}" for one in diagnosis.notes)]
    return found


def _turned(diagnosis: Diagnosis) -> list[str]:
    """The rungs that turn most decisions, beside what drawing again turns by itself."""
    again = next((one for one in diagnosis.flips if one.ladder == "base"), None)
    turned = sorted(
        (one for one in diagnosis.flips if one is not again and one.flipped),
        key=lambda one: (-one.flipped / max(one.of, 1), one.ladder, one.level),
    )
    if not turned:
        return []
    found = ["", "decided otherwise than at the base:"]
    if again is not None:
        found.append(f"  drawn again, unchanged: {again.flipped} of {again.of}")
    return found + [
        f"  {one.ladder} {one.level}: {one.flipped} of {one.of} ({one.to_comply} to comply, {one.to_refuse} to refuse)"
        for one in turned[:_SHOWN]
    ]


def estimate(one: Estimate, *, signed: bool = False) -> str:
    """A share with its interval, in per cent."""
    form = "+.0%" if signed else ".0%"
    shown = "not known" if one.estimate is None else format(one.estimate, form)
    return (
        shown if one.low is None or one.high is None else f"{shown} [{format(one.low, form)}, {format(one.high, form)}]"
    )


def _number(one: Estimate | None) -> str:
    if one is None or one.estimate is None:
        return "not known"
    return f"{one.estimate:.2f}" + ("" if one.low is None or one.high is None else f" [{one.low:.2f}, {one.high:.2f}]")
