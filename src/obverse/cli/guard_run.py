"""`obverse guard run`: the guard for a program in any language, through its stdin and stdout: one JSON object a line.

in   {"message": "…"}   {"system": "…"}   {"thought": "…"}   {"fact": {"name": "…", "value": …}}
{"result": {"call_id": "…", "output": "…", "failed": false}}
{"propose": {"reply": "…", "calls": [{"call_id": "…", "tool": "…", "arguments": "{…}"}], "wait": 0}}
{"redeem": {"permit": "…", "tool": "…", "arguments": "{…}"}}   {"resume": {"wait": 60}}
out  a line for each `propose`, `redeem` and `resume`: what holds, and nothing that an agent may not see
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import when_interrupted

if TYPE_CHECKING:
    from obverse.guard.records import Permit, Ruling
    from obverse.guard.session import Session

_LONGEST = 16_000_000  # bytes of one line


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    call_id: str
    tool: str
    arguments: str = "{}"


class _Propose(msgspec.Struct, forbid_unknown_fields=True):
    calls: list[_Call] = []
    reply: str | None = None
    wait: float = 0.0


class _Result(msgspec.Struct, forbid_unknown_fields=True):
    call_id: str
    output: str
    failed: bool = False


class _Fact(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    value: Any


class _Redeem(msgspec.Struct, forbid_unknown_fields=True):
    permit: str
    tool: str
    arguments: str


class _Resume(msgspec.Struct, forbid_unknown_fields=True):
    wait: float = 0.0


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of these."""

    message: str | None = None
    system: str | None = None
    thought: str | None = None
    fact: _Fact | None = None
    result: _Result | None = None
    propose: _Propose | None = None
    redeem: _Redeem | None = None
    resume: _Resume | None = None


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--holder", required=True, help="On whose behalf the agent acts; grants are theirs.")
@click.option("--session", help="The id of the session; a random one if not said.")
@click.option("--json", "as_json", is_flag=True, help="The output is JSON in any case; accepted for uniformity.")
def run(folder: Path, *, holder: str, session: str | None, as_json: bool) -> ExitCode:
    """Guard one session through stdin and stdout: a JSON line in for what happens and is proposed, a JSON line out for each ruling.

    {"message": "…"}, {"fact": {"name": "…", "value": …}}, {"result": {"call_id": "…", "output": "…"}},
    {"propose": {"calls": [{"call_id": "…", "tool": "…", "arguments": "{…}"}], "reply": "…", "wait": 0}},
    {"redeem": {"permit": "…", "tool": "…", "arguments": "{…}"}}, {"resume": {"wait": 60}}. Exits 3 if something was blocked.
    """
    from obverse.cli.guarded import opened

    del as_json
    worst = ExitCode.HOLDS
    with (
        when_interrupted("what was decided is on record"),
        opened(folder) as guard,
        guard.session(holder=holder, id=session) as begun,
    ):
        permits: dict[str, Permit] = {}
        for line in _lines():
            said = _take(begun, line, permits)
            if said is not None:
                sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
                sys.stdout.buffer.flush()
                worst = worst if said.get("verdict") in {"allow", "warn", None} else ExitCode.VIOLATED
    return worst


def _lines() -> Iterator[_Line]:
    from obverse.core.errors import Span, UntrustedInputError

    decoder = msgspec.json.Decoder(_Line, float_hook=Decimal)
    number = 0
    while data := sys.stdin.buffer.readline(_LONGEST + 1):
        number += 1
        at = Span(line=number, column=1, end_line=number, end_column=1)
        if not data.strip():
            continue
        try:
            line = decoder.decode(data if len(data) <= _LONGEST else b"")
            if len(msgspec.structs.asdict(line)) - list(msgspec.structs.asdict(line).values()).count(None) != 1:
                raise msgspec.ValidationError("one of its fields, and no more")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UntrustedInputError(
                f"not a line of a session: {error}", code="G134", at=at, source="stdin"
            ) from error
        yield line


def _take(session: Session, line: _Line, permits: dict[str, Permit]) -> dict[str, Any] | None:
    """What is said to this line, if anything."""
    from obverse.guard.records import ProposedCall

    if line.propose is not None:
        calls = [
            ProposedCall(call_id=one.call_id, tool=one.tool, arguments=one.arguments) for one in line.propose.calls
        ]
        return _said(session.propose(calls, line.propose.reply, wait=line.propose.wait), permits)
    if line.resume is not None:
        ruling = session.resume(line.resume.wait)
        return {"verdict": None} if ruling is None else _said(ruling, permits)
    if line.redeem is not None:
        return _redeemed(session, line.redeem, permits)
    if line.result is not None:
        session.result(line.result.call_id, line.result.output, failed=line.result.failed)
    elif line.fact is not None:
        session.fact(line.fact.name, line.fact.value)
    elif line.message is not None:
        session.message(line.message)
    elif line.system is not None:
        session.system(line.system)
    elif line.thought is not None:
        session.thought(line.thought)
    return None


def _redeemed(session: Session, wanted: _Redeem, permits: dict[str, Permit]) -> dict[str, Any]:
    from obverse.core.errors import EvidenceError

    permit = permits.pop(wanted.permit, None)
    try:
        if permit is None:
            raise EvidenceError("no such permit, or it was used", code="G111")
        session.redeem(permit, wanted.tool, wanted.arguments)
    except EvidenceError as error:
        return {"redeemed": False, "error": {"code": error.code, "message": error.message}}
    return {"redeemed": True}


def _said(ruling: Ruling, permits: dict[str, Permit]) -> dict[str, Any]:
    """What the program needs: no reason, no clause and no threshold is in it (L17)."""
    steps = []
    for step in ruling.steps:
        permit = step.permit
        if permit is not None and permit.tool is not None:
            permits[permit.id] = permit
        steps.append({
            "call_id": getattr(step.proposal, "call_id", None), "verdict": step.verdict, "message": step.message,
            "permit": None if permit is None else permit.id, "waits": step.request is not None,
        })  # fmt: skip
    return {"session": ruling.session, "state": ruling.state, "verdict": ruling.verdict, "steps": steps}
