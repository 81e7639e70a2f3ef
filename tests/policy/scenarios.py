"""Policy tests as Markdown: prose, a policy, and scenarios with the decision that is expected at each `?`.

A scenario is a fenced block `scenario`, one event a line, an optional time first (a day may stand before the hour):

    10:00 user: I want my money back        [message.asks_refund=yes]
    10:01 call lookup {"id": "R1"}          executed; the next `result` or `failed` answers it
    10:01 result {"cabin": "basic"}
    10:02 fact user.verified = true
    10:02 approved by anna: pay {"amount": 5}
    10:03 ? call pay {"amount": 5}  -> deny: clause.one clause.two
    10:03 & call pay {"amount": 6}  -> allow                          proposed in the same turn as the line before
    10:04 ? agent: All done.        -> ask (allow): clause            in brackets, the verdict that is certain

What is proposed does not happen: the next line sees the same history.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from obverse.core.events import AnyEvent, Approval, Call, Denied, Fact, Message, Reply, Result, Step, Thought
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import call_digest
from obverse.policy.parse import parse

POLICY = re.compile(r"^````+policy\n(.*?)^````+$", re.M | re.S)
SCENARIO = re.compile(r"^```scenario\n(.*?)^```$", re.M | re.S)
LINE = re.compile(r"(?:(?:(\d+)d )?(\d\d):(\d\d)(?::(\d\d))? +)?([?&] +)?(.*)")
LABELS = re.compile(r"\s+\[([\w.=, ]+)\]$")
EXPECTED = re.compile(r"(\w+)(?: \((\w+)\))?(?:: *(.*))?")
DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What the page says of one step."""

    page: str
    line: int
    history: tuple[AnyEvent, ...]
    step: Step
    verdict: str
    certain: str
    clauses: tuple[str, ...]


def pages() -> list[Path]:
    return sorted((Path(__file__).parent / "decisions").glob("*.md"))


def policies_of(page: Path) -> Iterator[tuple[Checked, list[Expectation]]]:
    """Each policy of the page, with what is expected of it until the next policy."""
    text = page.read_text()
    starts = [match.start() for match in POLICY.finditer(text)] + [len(text)]
    for match, end in zip(POLICY.finditer(text), starts[1:], strict=True):
        checked = check(parse(match[1], source=page.name))
        found = [
            expectation
            for block in SCENARIO.finditer(text, match.end(), end)
            for expectation in scenario(page.name, text[: block.start(1)].count("\n") + 1, block[1])
        ]
        yield checked, found


def scenario(page: str, first: int, block: str) -> Iterator[Expectation]:
    history: list[AnyEvent] = []
    waiting: list[tuple[Call | Reply, str, int]] = []
    for number, line in enumerate(block.splitlines(), start=first):
        if not line.strip():
            continue
        day, hour, minute, second, mark, rest = LINE.fullmatch(line.strip()).groups()  # type: ignore[union-attr]  # any line matches
        time = None
        if hour is not None:
            moment = DAY + dt.timedelta(
                days=int(day or 0), hours=int(hour), minutes=int(minute), seconds=int(second or 0)
            )
            time = int(moment.timestamp() * 1000)
        if mark and mark.strip() == "&":
            what, expected = rest.rsplit("->", 1)
            waiting.append((event_of(what.strip(), f"e{number}", time, history), expected, number))  # type: ignore[arg-type]  # a call or reply
            continue
        yield from told(page, history, waiting)
        waiting = []
        if mark:
            what, expected = rest.rsplit("->", 1)
            waiting = [(event_of(what.strip(), f"e{number}", time, history), expected, number)]  # type: ignore[list-item]  # a call or reply
        else:
            history.append(event_of(rest, f"e{number}", time, history))
    yield from told(page, history, waiting)


def told(page: str, history: list[AnyEvent], waiting: list[tuple[Call | Reply, str, int]]) -> Iterator[Expectation]:
    turn = tuple(event for event, _, _ in waiting)
    for event, expected, number in waiting:
        verdict, certain, clauses = EXPECTED.fullmatch(expected.strip()).groups()  # type: ignore[union-attr]  # a malformed page should fail
        yield Expectation(
            page=page, line=number, history=tuple(history), step=Step(event=event, turn=turn),
            verdict=verdict, certain=certain or verdict, clauses=tuple((clauses or "").split()),
        )  # fmt: skip


def event_of(text: str, id: str, time: int | None, history: list[AnyEvent]) -> AnyEvent:
    labels = LABELS.search(text)
    known = {}
    if labels:
        text = text[: labels.start()]
        known = {k.strip(): v == "yes" for k, _, v in (pair.partition("=") for pair in labels[1].split(","))}
    word, _, rest = text.partition(" ")
    if word in ("user:", "agent:", "thought:"):
        kind = {"user:": Message, "agent:": Reply, "thought:": Thought}[word]
        return kind(id=id, time=time, text=rest, labels=known)
    if word in ("call", "denied"):
        tool, _, arguments = rest.partition(" ")
        made = Call if word == "call" else Denied
        return made(id=id, time=time, call_id=f"c-{id}", tool=tool, arguments=arguments)
    if word in ("result", "failed"):
        call = next(event for event in reversed(history) if isinstance(event, Call))
        return Result(id=id, time=time, call_id=call.call_id, tool=call.tool, output=rest, failed=word == "failed")
    if word == "fact":
        name, _, value = rest.partition(" = ")
        return Fact(id=id, time=time, name=name, value=json.loads(value))
    if word == "approved":
        who, _, what = rest.removeprefix("by ").partition(": ")
        tool, _, arguments = what.partition(" ")
        digest = call_digest(Call(id="", call_id="", tool=tool, arguments=arguments))
        return Approval(id=id, time=time, call=digest, by=who)
    raise ValueError(f"not an event: {text}")
