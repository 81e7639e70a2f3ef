"""`obverse inbox`: what waits for a person, on one screen; one request whole; or both as JSON for a team's own tool."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from obverse.cli.answering import in_brief, now, queue_of
from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import console, json_option, note, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from obverse.guard.approvals.asked import Asked
    from obverse.guard.approvals.queue import Queue

_EVERY: Final = 1.0  # seconds between two looks
_SHOWN: Final = 20
_ID: Final = 8


@click.command(short_help="What waits for a person to approve it.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("request", metavar="[ID]", required=False)
@click.option("--as", "name", metavar="NAME", help="Who looks: how long a decision takes counts from here.")
@click.option("--watch", is_flag=True, help="Go on showing what comes, until Ctrl-C; with --json one line for each.")
@click.option("--grant", is_flag=True, help="With ID: what a grant instead would newly allow, by the solver.")
@json_option
def inbox(
    folder: Path, *, request: str | None, name: str | None, watch: bool, grant: bool, as_json: bool
) -> ExitCode:  # fmt: skip
    """What waits for approval in the guard's home DIR; with ID the whole request, as it is signed."""
    queue = queue_of(folder)
    if request is not None:
        _whole(queue, request, name, newly=partial(_newly, folder) if grant else None, as_json=as_json)
    elif watch:
        _follow(queue, as_json=as_json)
    elif as_json:
        print_json({"waiting": [_document(queue, asked) for asked in queue.waiting()]})
    else:
        _list(queue)
    return ExitCode.HOLDS


def _whole(
    queue: Queue, request: str, name: str | None, *, newly: Callable[[Asked], list[str]] | None, as_json: bool
) -> None:
    asked = queue.find(request)
    allowed = None if newly is None else newly(asked)
    if name is not None and asked.closed is None:
        queue.view(asked.request.id, name)
    if as_json:
        from obverse.guard.approvals.statement import statement_of

        said = statement_of(asked.request, asked.page.digest, answer="approve", by=name or "", time=now())
        template = {field: value for field, value in said.items() if field not in {"answer", "by", "time"}}
        whole = {"page": asked.page.text, "closed": asked.closed, "statement": template, "newly": allowed}
        print_json({**_document(queue, asked), **whole})
        return
    say(asked.page.text)
    say(f"page\n  {asked.page.digest}")
    for by, answer in queue.said(asked.request.id):
        say(f"{_past(answer):<12}by {by}")
    if allowed is not None:
        say("\nA GRANT OF THESE CLAUSES FOR THIS TOOL WOULD NEWLY ALLOW")
        for line in allowed:
            say(f"  {line}")
    if asked.closed is not None:
        note(f"closed: {asked.closed}")
    else:
        note(f"`obverse approve DIR {asked.request.id[:_ID]} --key FILE --as NAME` signs it, `obverse reject` ends it")


def _newly(folder: Path, asked: Asked) -> list[str]:
    """What somebody would allow who, tired of approving, granted this tool by the clauses that ask (found by the solver)."""
    from obverse.cli.granted import preview_lines
    from obverse.guard.home import open_home
    from obverse.policy.grants import Grant, every_call_of
    from obverse.solver.preview import preview

    checked, request = open_home(folder).loaded.checked, asked.request
    names = tuple(name for name in request.clauses if any(clause.id == name for clause in checked.clauses))
    terms = Grant(
        by="", time=now(), holder=str(asked.shown.get("holder", "")), clauses=names, purpose="a preview",
        scope=every_call_of(request.tool), uses=1, not_before=now(), not_after=request.expires, nonce="", policy=checked.digest,
    )  # fmt: skip
    return list(preview_lines(preview(checked, terms, levels=checked.levels), checked))


def _list(queue: Queue) -> None:
    waiting = queue.waiting()
    if not waiting:
        say("Nothing waits.")
        return
    console().print(_table(queue, waiting))
    if len(waiting) > _SHOWN:
        note(f"and {len(waiting) - _SHOWN} more; `--json` lists them all")


def _follow(queue: Queue, *, as_json: bool) -> None:
    """What comes, as it comes. Ctrl-C is how this ends, and no fault."""
    try:
        if as_json:
            for asked in _arriving(queue):
                click.echo(json.dumps(_document(queue, asked)))
        else:
            from rich.live import Live

            with Live(_table(queue, queue.waiting()), console=console(), auto_refresh=False) as live:
                while True:
                    time.sleep(_EVERY)
                    live.update(_table(queue, queue.waiting()), refresh=True)
    except KeyboardInterrupt:
        return


def _arriving(queue: Queue) -> Iterator[Asked]:
    known: set[str] = set()
    while True:
        waiting = queue.waiting()
        yield from (asked for asked in waiting if asked.request.id not in known)
        known = {asked.request.id for asked in waiting}
        time.sleep(_EVERY)


def _table(queue: Queue, waiting: tuple[Asked, ...]) -> Table:
    """One line for each request. Foreign text stands within cells, made visible, so that it imitates no line."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from obverse.guard.approvals.sight import seen_line

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, expand=True)
    for heading, share in (("id", None), ("what", 3), ("why", 1), ("holder", 1), ("said", None), ("ends in", None)):
        table.add_column(heading, ratio=share, no_wrap=True, overflow="ellipsis")
    for asked in waiting[:_SHOWN]:
        request = asked.request
        cells = (
            request.id[:_ID], in_brief(request), seen_line(", ".join(request.clauses)),
            seen_line(str(asked.shown.get("holder", ""))), _so_far(queue, asked), _left(request.expires - now()),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    return table


def _document(queue: Queue, asked: Asked) -> dict[str, Any]:
    """The request as JSON: what a team's own tool needs to show it."""
    request = asked.request
    return {
        "id": request.id, "session": request.session, "holder": asked.shown.get("holder"), "tool": request.tool,
        "arguments": request.arguments, "digest": request.digest, "clauses": list(request.clauses),
        "people": request.people, "asked": request.asked, "expires": request.expires, "page_digest": asked.page.digest,
        "said": [{"by": by, "answer": answer} for by, answer in queue.said(request.id)],
    }  # fmt: skip


def _so_far(queue: Queue, asked: Asked) -> str:
    approved = sum(answer == "approve" for _, answer in queue.said(asked.request.id))
    return f"{approved} of {asked.request.people}"


def _left(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def _past(answer: str) -> str:
    return "approved" if answer == "approve" else "rejected"
