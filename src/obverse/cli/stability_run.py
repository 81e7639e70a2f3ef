"""`obverse stability run`, which is what `obverse stability POLICY` means: measure the boundary of a target."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, note, one_line, print_json, say, when_interrupted

if TYPE_CHECKING:
    from obverse.campaign.stability.records import StabilityPlan
    from obverse.campaign.stability.run import StabilityRun
    from obverse.stability.findings import Diagnosis
    from obverse.stability.records import Settings

_F = TypeVar("_F", bound=Callable[..., Any])
_SOME = click.IntRange(min=1, max=1_000_000)
_COUNT = click.IntRange(min=0)
_POSITIVE = Finite(min=0, min_open=True)
_SHARE = Finite(min=0, max=1, min_open=True, max_open=True)


def _asked(command: _F) -> _F:
    """What is asked."""
    options = [
        click.option("--behaviours", default=None, metavar="NAMES", help="Published sets of requests too (or instead, without POLICY): harmbench-val, strongreject-small, pairs, edgy, …, with commas; `obverse models fetch` gets them."),
        click.option("--only-behaviours", is_flag=True, help="With POLICY: none of its cases, only those sets."),
        click.option("--per-set", type=_SOME, default=None, metavar="N", help="So many groups of each set, spread over its families."),
        click.option("--cases", type=click.Path(path_type=Path), default=None, metavar="FILE", help="These cases instead of those that follow from POLICY."),
        click.option("--limit", type=_SOME, default=None, metavar="N", help="At most so many prompts, spread evenly over clauses by the seed."),
        click.option("--controls/--no-controls", default=True, show_default=True, help="Add a plainly harmless request of like length to each group."),
    ]  # fmt: skip
    return _with(command, options)


def _measured(command: _F) -> _F:
    """How often, perturbed how, and what counts as what. Without a default here it is that of `stability.records.Settings`."""
    options = [
        click.option("--ladders", default=None, metavar="NAMES", help="Kinds of perturbation, with commas: typos, casing, whitespace, punctuation, paraphrase, fragments, register, language, position, system, format, temperature."),
        click.option("--levels", type=_COUNT, default=None, help="Strengths of each ladder.  [default: 4]"),
        click.option("--variants", type=_COUNT, default=None, help="Forms of each strength.  [default: 1]"),
        click.option("--per-rung", type=_COUNT, default=None, help="Draws from each perturbed form.  [default: 2]"),
        click.option("--least", type=_COUNT, default=None, help="Draws from each prompt as it is, at least.  [default: 4]"),
        click.option("--most", type=_COUNT, default=None, help="And at most; fewer once it is placed.  [default: 40]"),
        click.option("--refuse-below", type=Finite(), default=None, help="A prompt refuses if its rate of compliance is below.  [default: 0.1]"),
        click.option("--comply-above", type=Finite(), default=None, help="And complies if it is above; between, it is unstable.  [default: 0.9]"),
        click.option("--confidence", type=_SHARE, default=None, help="Of every placement and interval.  [default: 0.95]"),
        click.option("--attempts", type=_COUNT, default=None, help="The k of any-of-k risk and of flip rates.  [default: 8]"),
        click.option("--temperature", type=Finite(min=0), default=None, help="Of sampling.  [default: 0.7]"),
        click.option("--max-tokens", type=_COUNT, default=None, help="Of one answer.  [default: 48]"),
        click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), default=0, show_default=True, help="Of cases, perturbations and sampling."),
        click.option("--judge", default=None, metavar="TARGET", help="A model as a further judge; it also answers judged predicates about replies."),
        click.option("--rewriter", default=None, metavar="TARGET", help="A model that writes the ladders paraphrase and language."),
        click.option("--inside/--no-inside", default=False, show_default=True, help="Look into the model too; only a torch: target can be."),
    ]  # fmt: skip
    return _with(command, options)


def _done(command: _F) -> _F:
    """How the work is done."""
    options = [
        click.option("--base-url", help="Where an openai: or anthropic: endpoint is, such as http://localhost:8000/v1."),
        click.option("--api-key-env", default=None, help="The environment variable that holds the key; by default that of the SDK."),
        click.option("--alternatives", type=click.IntRange(min=0, max=1000), default=20, show_default=True, help="For how many alternatives to each token an openai: endpoint is asked, for the entropy of tokens; 0 asks for none."),
        click.option("--dtype", type=click.Choice(["auto", "f32", "bf16"]), default="f32", show_default=True, help="Arithmetic of a torch: target; f32 repeats its answers."),
        click.option("--threads", type=_SOME, default=None, help="Threads of a torch: target."),
        click.option("--device", default="cpu", show_default=True, help="Where a torch: target is computed."),
        click.option("--ray", type=_COUNT, is_flag=False, flag_value=0, default=None, metavar="[N]", help="Share the draws out among N workers of Ray; as many as there are cores, if not said."),
        click.option("--concurrency", type=click.IntRange(min=1, max=10_000), default=16, show_default=True, help="Calls to an endpoint under way at once."),
        click.option("--rate", type=_POSITIVE, default=None, help="Calls begun per second, at most."),
        click.option("--timeout", type=_POSITIVE, default=120.0, show_default=True, help="Seconds for one call."),
        click.option("--tries", type=_SOME, default=5, show_default=True, help="How often one draw is tried when a failure may pass."),
        click.option("--max-calls", type=_SOME, default=None, help="Begin nothing after so many draws. Caps are of one start."),
        click.option("--max-seconds", type=_POSITIVE, default=None, help="Stop after so long."),
        click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="The folder of the run; by default a new one in runs/."),
        click.option("--resume", is_flag=True, help="Go on with the run in the folder; what was answered is not asked again."),
        click.option("--retry-errors", is_flag=True, help="With --resume: ask again what ended in an error. Otherwise errors are final."),
        click.option("--dry-run", is_flag=True, help="Show the plan, and ask nothing."),
    ]  # fmt: skip
    return _with(command, options)


def _with(command: _F, options: Sequence[Callable[[Any], Any]]) -> _F:
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Measure the boundary of a target.")
@click.argument("policy", type=click.Path(path_type=Path), required=False)
@click.option(
    "--target",
    "spec",
    required=True,
    help="What is tried: torch:NAME or a path (can be looked into), openai:MODEL, anthropic:MODEL, local:NAME, python:MODULE:CALLABLE, sim:wavering.",
)
@_asked
@_measured
@_done
@json_option
def run(**given: Any) -> ExitCode:
    """Ask the cases of POLICY, their twins and plain controls again and again, as they are and perturbed, and say where the target wavers.

    The plan is fixed and shown before anything is asked. Ctrl-C loses nothing that was answered; --resume goes on.
    Exit codes: 0 the diagnosis is whole, 4 it was cut short or shows no boundary either way.
    """
    from obverse.cli.stability_files import exit_code, show, write_reports
    from obverse.cli.stability_setup import prepared

    if given["inside"] and not given["spec"].startswith("torch:"):
        raise click.UsageError("--inside needs a torch: target: nobody else shows what is inside")
    if given["retry_errors"] and not given["resume"]:
        raise click.UsageError("--retry-errors goes with --resume")
    if given["resume"] and given["output"] is None:
        raise click.UsageError("--resume needs -o: the folder of the run that goes on")
    folder = given["output"] or Path("runs") / dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%dT%H-%M-%S")
    ready = prepared(given)
    if given["dry_run"]:
        asyncio.run(ready.subject.close())
        _show_plan(ready.plan, as_json=given["as_json"])
        return ExitCode.HOLDS
    for line in _plan_lines(ready.plan):
        note(one_line(line))
    advice = f"go on with the same command and `--resume -o {folder}`"
    with when_interrupted(advice):
        diagnosis, stopped = asyncio.run(_go(ready, folder, given))
        write_reports(folder, diagnosis)
    if not diagnosis.complete:
        note(f"{diagnosis.ended}; {advice}")
    show(diagnosis, folder, as_json=given["as_json"])
    return ExitCode.INTERRUPTED if stopped else exit_code(diagnosis)


async def _go(ready: StabilityRun, folder: Path, given: dict[str, Any]) -> tuple[Diagnosis, bool]:
    """The diagnosis, and whether Ctrl-C ended the run. The first one ends it in order."""
    from obverse.campaign.records import Caps
    from obverse.campaign.runner import Pace
    from obverse.cli.stability_progress import Progress

    stopped = False

    def interrupt() -> None:
        nonlocal stopped
        stopped = True
        ready.stop("interrupted")
        note("\nstopping: waiting for what is under way (Ctrl-C again to leave at once)")
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
    progress = Progress(ready.plan.draws)
    try:
        diagnosis = await ready.execute(
            folder,
            pace=Pace(concurrency=given["concurrency"], per_second=given["rate"], attempts=given["tries"]),
            clock=_Clock(),
            started=dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
            resume=given["resume"],
            retry_errors=given["retry_errors"],
            caps=Caps(calls=given["max_calls"], seconds=given["max_seconds"]),
            watch=progress,
        )
    finally:
        progress.close()
        await ready.subject.close()
    return diagnosis, stopped


class _Clock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _plan_lines(plan: StabilityPlan) -> list[str]:
    settings = plan.settings
    name = f"{plan.policy_name} {plan.policy_version}".strip() or "published requests"
    greedy = settings.temperature == 0
    often = "one of each prompt" if greedy else f"{settings.least} to {settings.most} of each prompt until it is placed"
    marks = f"(marks {settings.refuse_below:g} and {settings.comply_above:g})"
    left_out = f", {plan.rejected:,} left out by their round trip" if plan.rejected else ""
    return [
        f"plan: {name} against {plan.target}, {plan.prompts:,} prompts",
        f"  {plan.points - plan.prompts:,} perturbed forms on {len(settings.ladders)} ladders{left_out}",
        f"  at most {plan.draws:,} draws: {often} {marks}, {settings.per_rung} of each form",
        *_warnings(settings),
    ]


def _warnings(settings: Settings) -> list[str]:
    """What these settings cannot show, whatever comes; said while it can still be changed."""
    from obverse.stability.placing import fewest

    if settings.temperature == 0:
        return ["  at temperature 0 a further draw is a copy of the first: no prompt can be placed"]
    return [
        f"  {settings.most} draws cannot place a prompt in `{zone}`: raise --most, or move the marks"
        for zone, needed in fewest(settings).items()
        if needed is None
    ]


def _show_plan(plan: StabilityPlan, *, as_json: bool) -> None:
    if as_json:
        policy = {"name": plan.policy_name, "version": plan.policy_version, "digest": plan.policy}
        fields = msgspec.to_builtins(plan)
        print_json(
            {"policy": policy, "target": plan.target, "plan": {"digest": plan.digest, "draws": plan.draws, **fields}}
        )
        return
    for line in _plan_lines(plan):
        say(one_line(line))
    say(f"  digest {plan.digest}")
    say("nothing was asked (--dry-run)")
