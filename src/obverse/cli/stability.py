"""`obverse stability`: where a target's boundary is, how wide it is, and how it moved. One command a file; this is the group.

`obverse stability POLICY --target T` measures (so does `obverse stability run POLICY …`); `compare`, `report` and `gradients` go on from there.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option
from obverse.cli.stability_compare import compare
from obverse.cli.stability_run import run

ELSEWHERE: Final = {"gradients": ("stability_gradients", "Weigh incoming training data by its gradients.")}
"""Command → the module of `obverse.cli` that holds it under that name, and one line of help; loaded when it is called."""


class StabilityGroup(click.Group):
    """A group of which the first word may be a policy: then it is `run`."""

    usual = "run"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, with `run` where no command is named."""
        if args and args[0] not in {*self.list_commands(ctx), "-h", "--help"}:
            args.insert(0, self.usual)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None where there is none."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(f"obverse.cli.{ELSEWHERE[cmd_name][0]}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"`{cmd_name}` is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        here = [(name, command.get_short_help_str(60)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*here, *((name, text) for name, (_, text) in ELSEWHERE.items())])


@click.group(cls=StabilityGroup)
def stability() -> None:
    """Where is a target's boundary, how wide is it, and what does the model look like inside when it wavers?

    `obverse stability POLICY --target T` asks the cases of a policy, their twins and plain controls again and again, as they are and
    perturbed in graded strength, and says where the target refuses, complies, or tosses a coin. So does `obverse stability run POLICY …`.
    """


@stability.command(short_help="Write the reports of a run again.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
def report(folder: Path, *, as_json: bool) -> ExitCode:
    """Compute the diagnosis of the run in DIR again, from what it holds, and write its reports. Asks nothing."""
    from obverse.campaign.stability.run import read_stability
    from obverse.cli.stability_files import exit_code, show, write_reports

    diagnosis = read_stability(folder)
    write_reports(folder, diagnosis)
    show(diagnosis, folder, as_json=as_json)
    return exit_code(diagnosis)


stability.add_command(run)
stability.add_command(compare)
