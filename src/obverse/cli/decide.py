"""`obverse decide`: a filter that shows what the policy says, one event per line in, one decision per line out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import when_interrupted

if TYPE_CHECKING:
    from obverse.core.events import AnyEvent

_LONGEST = 16_000_000  # bytes of one event


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option("--monitor", is_flag=True, help="Decide by the streaming monitor instead of the reference evaluator.")
@click.option("--recorded", is_flag=True, help="Take all events to have happened, also those that are denied.")
@click.option("--json", "as_json", is_flag=True, help="The output is JSON in any case; accepted for uniformity.")
def decide(policy: Path, *, monitor: bool, recorded: bool, as_json: bool) -> ExitCode:
    """Read events as JSON lines on stdin; write a decision per reply and call on stdout.

    An event is what `obverse audit` reads as well: {"kind": "call", "id": "e1", "call_id": "c1", "tool": "pay", "arguments": "{}"}.
    Replies and calls that follow each other with the same `turn` are proposed together. One transcript of ours may come
    with its header.
    """
    from obverse.cli.load import load
    from obverse.policy.filter import decider, decisions

    del as_json
    checked = load(policy)
    worst = ExitCode.HOLDS
    encoder = msgspec.json.Encoder(decimal_format="number")
    with when_interrupted("what was decided stands on stdout"):
        for decision in decisions(decider(checked, streaming=monitor), _events(), recorded=recorded):
            sys.stdout.buffer.write(encoder.encode(decision) + b"\n")
            sys.stdout.buffer.flush()
            if decision.verdict.blocks:
                worst = ExitCode.VIOLATED
    return worst


def _lines() -> Iterator[bytes]:
    """The lines of stdin; one that is longer than a line can be comes cut, so that it takes no memory without bound."""
    while line := sys.stdin.buffer.readline(_LONGEST + 1):
        yield line


class _Stated(msgspec.Struct):
    """Whether a line says which turn its event belongs to."""

    turn: int | None = None


def _events() -> Iterator[AnyEvent]:
    from obverse.core.errors import Span, UntrustedInputError
    from obverse.core.events import AnyEvent
    from obverse.core.order import TimeOrder

    decoder = msgspec.json.Decoder(AnyEvent, float_hook=Decimal)
    order = TimeOrder()
    turn = -1
    for number, line in enumerate(_lines(), start=1):
        if not line.strip() or (number == 1 and b'"obverse.transcript/' in line[:200]):  # the header of one transcript
            continue
        at = Span(line=number, column=1, end_line=number, end_column=1)
        if len(line) > _LONGEST:
            raise UntrustedInputError(f"a line of more than {_LONGEST:,} bytes", code="D101", at=at, source="stdin")
        try:
            event = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
            raise UntrustedInputError(f"not an event: {error}", code="D101", at=at, source="stdin") from error
        if (fault := order.fault(event)) is not None:
            raise UntrustedInputError(fault, code="D102", at=at, source="stdin")
        if msgspec.json.decode(line, type=_Stated).turn is None:  # a member, not the word in some text
            event, turn = msgspec.structs.replace(event, turn=turn), turn - 1
        yield event
