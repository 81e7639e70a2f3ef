"""The commands, by name; each is imported when it is called, so that `obverse --help` reads this file and no room."""

from __future__ import annotations

import importlib
import keyword

import click

from obverse.core.version import VERSION

HELP = {
    "check": "Is the policy sound? Findings, with a transcript each.",
    "diff": "What a new version of a policy newly allows, asks or denies.",
    "fmt": "Write the policy in its canonical form.",
    "draft": "Turn a policy in prose into rules that you accept.",
    "cases": "Derive the tests that follow, and what they cover.",
    "texts": "Put the cases into other words, languages and manners.",
    "run": "Try a model or agent, and say which clauses hold.",
    "report": "Write the report of a run again, from its journal.",
    "stability": "Where does a model waver, how widely, and what moves it.",
    "audit": "Which clauses do recorded transcripts break, and where.",
    "suggest": "Rules that would have stopped a step, and what else they would have.",
    "why": "Explain one verdict of a transcript, and what would turn it.",
    "decide": "Filter: one event per line in, one decision out.",
    "guard": "Stand in front of an agent: block, ask, record.",
    "web": "Show what waits for approval on web pages, and sign there.",
    "grant": "Relax named clauses for a holder: scoped, counted, expiring.",
    "inbox": "What waits for a person to approve it.",
    "approve": "Approve a request, by a signature.",
    "reject": "Reject a request, by a signature.",
    "reviewer": "Whose answers count, and how good they are.",
    "ledger": "The log of what was decided: begin, verify, prove, hand on.",
    "export": "The policy as Cedar, or as its temporal extension.",
    "import": "A policy out of Cedar policies or a list of tools.",
    "models": "List, fetch and remove small models that run here.",
}
"""Name → one line of help, in the order in which a newcomer meets them."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(HELP)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None while completing a name that does not exist."""
        if cmd_name in HELP:
            return load(cmd_name)
        if ctx.resilient_parsing:
            return None
        raise click.exceptions.NoSuchCommand(cmd_name, possibilities=HELP, ctx=ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(HELP.items()))


def load(name: str) -> click.Command:
    """The click command that `obverse/cli/<name>.py` holds under its own name."""
    module = f"{name}_" if keyword.iskeyword(name) else name
    command = getattr(importlib.import_module(f"obverse.cli.{module}"), module)
    if not isinstance(command, click.Command):
        raise TypeError(f"`obverse.cli.{name}.{name}` is not a click command")
    return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show the traceback of a fault of Obverse itself.")
@click.version_option(VERSION, prog_name="obverse", message="%(prog)s %(version)s")
def obverse(*, debug: bool) -> None:
    """Turn a written policy over: prove things about it, test a model or agent against it, audit what it did.

    Exit codes: 0 holds, 1 crash, 2 usage or bad input, 3 violated, 4 undecided, 5 evidence does not verify.
    """
    # `debug` is read by `app.main`, which outlives this context.
    del debug
