"""Recorded files through an `Auditor`: chats one line at a time, our own format event by event, whatever their length.

A transcript with a fault in it is not audited in part: it is noted as unread, since what is said of a history with a gap
may be wrong. Of our own format nothing is held but what the policy's monitor must remember and the opening of a transcript.
Two events of one id are found within the first 100,000 of a transcript; beyond, they would take memory without bound.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NoReturn

from obverse.campaign.audits import Auditor, Unread
from obverse.core.chat_log import Reading
from obverse.core.errors import UntrustedInputError
from obverse.core.events import AnyEvent
from obverse.core.order import TimeOrder
from obverse.core.transcripts import Header, Source, Unreadable, read_events, read_transcripts

_OURS: Final = b'"obverse.transcript/'
_PEEKED: Final = 4096  # bytes in which the first line must name its schema
_IDS: Final = 100_000


class _Gap(Exception):  # noqa: N818  # not an error of the caller: it ends one transcript
    """The transcript that is being audited has a fault."""


def audit_source(
    auditor: Auditor,
    source: io.BufferedReader,
    *,
    format: Literal["auto", "obverse", "openai"],  # noqa: A002  # the word of the command line
    reading: Reading,
    name: str,
) -> Iterator[int]:
    """Audits every transcript of this source; yields the number of transcripts so far after each."""
    ours = format == "obverse" or (format == "auto" and _OURS in source.peek(_PEEKED)[:_PEEKED].lstrip()[:200])
    yield from _ours(auditor, source, reading, name) if ours else _chats(auditor, source, reading, name)


def _chats(auditor: Auditor, source: Source, reading: Reading, name: str) -> Iterator[int]:
    for item in read_transcripts(source, format="openai", reading=reading, name=name):
        if isinstance(item, Unreadable):
            auditor.skip(_unread(item, name))
        elif (fault := _time_fault(item.events)) is not None:
            auditor.skip(Unread(file=name, line=None, reason=fault, transcript=item.id))
        else:
            auditor.take(item.id, item.events)
        yield auditor.transcripts


def _time_fault(events: Iterable[AnyEvent]) -> str | None:
    """What is wrong with the times of these events, if anything is."""
    order = TimeOrder()
    return next((fault for event in events if (fault := order.fault(event)) is not None), None)


def _ours(auditor: Auditor, source: Source, reading: Reading, name: str) -> Iterator[int]:
    records = _Records(read_events(source, reading=reading, name=name), name)
    seen: dict[str, int] = {}
    while (header := records.header()) is not None:
        times = seen[header.id] = seen.get(header.id, 0) + 1
        with contextlib.suppress(_Gap):  # noted below, as a fault
            auditor.take(header.id if times == 1 else f"{header.id}#{times}", records.events(header.id))
        yield auditor.transcripts
        for unread in records.faults():
            auditor.skip(unread)
    for unread in records.faults():
        auditor.skip(unread)


class _Records:
    """The records of our format, cut into transcripts; a fault ends the transcript that it stands in."""

    def __init__(self, records: Iterator[Header | AnyEvent | Unreadable], name: str) -> None:
        self._records = records
        self._name = name
        self._next: Header | None = None
        self._faults: list[Unread] = []
        self._began = False

    def header(self) -> Header | None:
        """The header of the next transcript; what stands before the first belongs to none, and is one fault."""
        found, self._next = self._next, None
        if found is not None:
            return found
        for record in self._records:
            if isinstance(record, Header):
                return record
            if not self._began and not self._faults:
                self._faults.append(_stray(record, self._name))
        return None

    def events(self, transcript: str) -> Iterator[AnyEvent]:
        """The events of this transcript, the current one.

        Raises:
            _Gap: there is a fault among them.
        """
        ids: set[str] = set()
        order = TimeOrder()
        self._began = True
        for record in self._records:
            if isinstance(record, Header):
                self._next = record
                return
            if isinstance(record, Unreadable):
                self._faults.append(_unread(record, self._name))
                raise _Gap
            if (fault := order.fault(record)) is not None:
                self._gap(transcript, fault)
            if len(ids) < _IDS:
                if record.id in ids:
                    self._gap(transcript, f"a second event `{record.id}`")
                ids.add(record.id)
            yield record

    def _gap(self, transcript: str, reason: str) -> NoReturn:
        self._faults.append(Unread(file=self._name, line=None, reason=reason, transcript=transcript))
        raise _Gap

    def faults(self) -> list[Unread]:
        """The faults since the last time."""
        found, self._faults = self._faults, []
        return found


def _stray(record: AnyEvent | Unreadable, name: str) -> Unread:
    if isinstance(record, Unreadable):
        return _unread(record, name)
    return Unread(file=name, line=1, reason="an event before any header")


def _unread(item: Unreadable, name: str) -> Unread:
    error: UntrustedInputError = item.error
    return Unread(file=name, line=item.line, reason=error.message, transcript=item.id)
