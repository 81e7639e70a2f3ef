"""Attacks on a ledger: bytes changed, cut off, put back; a disk that is full; a kill at every single write."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from obverse.cli.app import main
from obverse.core.errors import EvidenceError, ObverseError
from obverse.guard.guard import Guard
from obverse.guard.records import ProposedCall
from obverse.ledger.bundle import Bundle, write_bundle
from obverse.ledger.checkpoint import Trust
from obverse.ledger.entries import Entry, Payload, payload_of
from obverse.ledger.fsck import fsck
from obverse.ledger.keys import FileSigner, new_key
from obverse.ledger.log import Log
from obverse.ledger.reader import Folder, read_head
from obverse.ledger.tiles import JOURNALS, segment_path
from obverse.ledger.verify import verify
from obverse.policy.check import check
from obverse.policy.parse import parse

SIGNER = FileSigner("log.example", new_key())
TRUST = Trust(log=(SIGNER.key,))
KEYS = [str(SIGNER.key)]


def item(number: int) -> tuple[Entry, dict[str, Payload]]:
    payload = payload_of(b"what was said %d" % number, bytes([number % 256]) * 32)
    body = {"number": number}
    return Entry(type="event", time=number, body=body, payloads={"text": payload.commitment}), {"text": payload}


def write(folder: Path, count: int, start: int = 0) -> None:
    with Log.create(folder, "log.example", [SIGNER]) as log:
        log.record([item(number) for number in range(start, start + count)])


def outcome(folder: Path) -> str:
    return verify(Folder(folder), TRUST, origin="log.example").outcome


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write(tmp_path / "log", 3)
    return tmp_path / "log"


def test_L15_a_file_that_was_cut_off_anywhere_is_found(log: Path) -> None:
    for path in files(log):
        data = path.read_bytes()
        for length in range(len(data)):
            path.write_bytes(data[:length])
            if path.parent.name == "payload" and (not length or data[:length].endswith(b"\n")):
                assert outcome(log) == "holds"  # whole lines are gone: that is what erasing does, and it is said
                continue
            assert outcome(log) == "fails", (path, length)
            assert fsck(log, KEYS), (path, length)
        path.write_bytes(data)


def test_L15_a_file_with_more_in_it_is_found(log: Path) -> None:
    for path in files(log):
        data = path.read_bytes()
        for more in (b"\n", b"\0", b"x", data or b"y"):
            path.write_bytes(data + more)
            if not path.name.startswith("journal"):
                assert outcome(log) == "fails", (path, more)
                assert fsck(log, KEYS), (path, more)
            else:
                assert outcome(log) == "holds"
                [check] = [check for check in verify(Folder(log), TRUST).checks if check.name == "journal"]
                assert check.outcome == ("holds" if not more.strip(b"\0") else "not checked")
        path.write_bytes(data)


@pytest.mark.parametrize("third", [0, *(pytest.param(place, marks=pytest.mark.slow) for place in (1, 2))])
def test_L15_no_byte_of_a_bundle_can_be_another(third: int, tmp_path: Path) -> None:
    """Or it is one that means nothing: then every file in it reads as before."""
    write(tmp_path / "log", 1)
    good = tmp_path / "good.zip"
    write_bundle(Folder(tmp_path / "log"), [SIGNER.key], good)
    data, bad = good.read_bytes(), tmp_path / "bad.zip"
    names = zipfile.ZipFile(good).namelist()
    kept = [Bundle(good).read(name) for name in names]
    for place in range(third, len(data), 3):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        try:
            bundle = Bundle(bad)
            if verify(bundle, TRUST).outcome == "fails":
                continue
            about = [name for name in names if not name.startswith(("README", "keys"))]
            assert [bundle.read(name) for name in about] == kept[len(names) - len(about) :], place
        except ObverseError:
            continue


def test_L15_payloads_that_change_places_are_found(log: Path) -> None:
    segment = log / segment_path(0)
    lines = segment.read_bytes().splitlines(keepends=True)
    for other in (
        lines[::-1], [lines[0], lines[0], *lines[1:]], [*lines, lines[0]],
        [lines[0].replace(b'"entry":0', b'"entry":1'), *lines[1:]], [lines[0].replace(b'"text"', b'"test"'), *lines[1:]],
        [line.replace(b'"entry":', b'"entry": ') for line in lines],
        [*lines, lines[2].replace(b'"entry":2', b'"entry":3')],
    ):  # fmt: skip
        segment.write_bytes(b"".join(other))
        assert outcome(log) == "fails", other
        assert fsck(log, KEYS), other


# --- the journal ----------------------------------------------------------------------------------------------------------


def left_by_a_kill(folder: Path, *batches: int) -> list[bytes]:
    """A log that was killed with so many entries in its journal, and how the journal looked after each batch."""
    log, start, shown = Log.create(folder, "log.example", [SIGNER]), 0, []
    for count in batches:
        log.record([item(number) for number in range(start, start + count)])
        start += count
        shown.append((folder / JOURNALS[0]).read_bytes().rstrip(b"\0"))
    log.abandon()
    return shown


def test_L15_no_byte_of_a_journal_can_be_another_but_in_what_looks_torn(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    first, whole = left_by_a_kill(folder, 1, 1)
    journal = folder / JOURNALS[0]
    for place in range(len(whole)):
        journal.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        if place < len(first):  # damage, since something whole comes after it
            assert outcome(folder) == "fails", place
            with pytest.raises(EvidenceError):
                Log.open(folder, [SIGNER])
        else:
            [check] = [check for check in verify(Folder(folder), TRUST).checks if check.name == "journal"]
            assert check.outcome == "not checked", place


def test_L15_a_journal_that_was_replaced_is_found(tmp_path: Path) -> None:
    """By one of another log, one with less in it and a part put behind, or one that somebody else wrote."""
    folder = tmp_path / "log"
    first, both, whole = left_by_a_kill(folder, 2, 2, 2)
    with Log.create(tmp_path / "other", "other.example", [SIGNER]) as other:
        other.record([item(number) for number in range(2)])
        other.record([item(7), item(8)])
        foreign = (tmp_path / "other" / JOURNALS[0]).read_bytes().rstrip(b"\0")
    thief = Log.create(tmp_path / "thief", "log.example", [FileSigner("log.example", new_key())])
    thief.record([item(5)])
    thief.abandon()
    forged = (tmp_path / "thief" / JOURNALS[0]).read_bytes().rstrip(b"\0")
    second = both[len(first) :]
    for data in (foreign, forged, second + first, first + whole[len(both) :], first + second + second, whole + forged):
        (folder / JOURNALS[0]).write_bytes(data)
        assert outcome(folder) == "fails"
        with pytest.raises(EvidenceError):
            Log.open(folder, [SIGNER])


def test_an_old_journal_put_back_adds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    shown = left_by_a_kill(folder, 2, 2)
    with Log.open(folder, [SIGNER]) as log:
        log.record([item(4)])
    for data in shown:
        (folder / JOURNALS[0]).write_bytes(data)
        assert outcome(folder) == "holds"
        with Log.open(folder, [SIGNER]) as log:
            assert log.size == 5
        assert outcome(folder) == "holds"


def test_L15_a_log_that_was_put_back_to_what_it_was_is_found_by_who_kept_a_checkpoint(
    log: Path, tmp_path: Path
) -> None:
    shutil.copytree(log, tmp_path / "before")
    with Log.open(log, [SIGNER]) as again:
        again.record([item(3)])
    kept = read_head(Folder(log))
    assert kept is not None
    shutil.copy(tmp_path / "before" / "checkpoint", log / "checkpoint")
    assert outcome(log) == "fails"  # the segment holds a payload of an entry beyond it
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "before", log)
    assert outcome(log) == "holds"  # nothing in the log itself can show it
    assert verify(Folder(log), TRUST, older=[kept]).outcome == "fails"


# --- the machine ----------------------------------------------------------------------------------------------------------


def in_a_child(work: Callable[[Callable[[int], None]], None]) -> tuple[int, int]:
    """How many entries the child said were durable, and by what it ended; 0 if it came to its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(partial(_tell, writing))
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return int.from_bytes(said[-4:], "big"), status


def _tell(pipe: int, count: int) -> None:
    os.write(pipe, count.to_bytes(4, "big"))


class Killer:
    """Kills its process at the nth call of anything that touches the disk, before or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            mine = self.left == 0
            if mine and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **named)
            finally:
                if mine:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted


def grow(folder: Path, killer: Killer, said: Callable[[int], None]) -> None:
    from obverse.ledger import journal

    log = Log.open(folder, [SIGNER])
    for name in ("fsync", "fdatasync", "unlink"):
        setattr(os, name, killer.wrapped(getattr(os, name)))
    setattr(Path, "replace", killer.wrapped(Path.replace))  # noqa: B010  # a method is no variable
    journal._write = killer.wrapped(journal._write)
    for start in (260, 265):
        log.record([item(start + number) for number in range(5)])
        said(start + 5)
        log.publish()
    log.close()


@pytest.mark.parametrize("after", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["before", "after"])
def test_L13_a_kill_at_every_write_loses_nothing_that_was_promised(after: bool, tmp_path: Path) -> None:
    write(tmp_path / "log", 260)
    killed = 0
    while True:
        killed += 1
        folder = tmp_path / str(killed)
        shutil.copytree(tmp_path / "log", folder)
        promised, status = in_a_child(partial(grow, folder, Killer(killed, after=after)))
        with Log.open(folder, [SIGNER]) as log:
            assert log.size >= promised
            assert log.size % 5 == 0  # what was recorded together is there together
        assert outcome(folder) == "holds"
        assert fsck(folder, KEYS) == ()
        shutil.rmtree(folder)
        if status == 0:
            break
    assert killed > 30


@pytest.mark.parametrize("room", [1, 300, 700, 1_500, 2_999, 5_000])
def test_L16_a_disk_that_is_full_is_told_and_what_was_promised_stays(room: int, tmp_path: Path) -> None:
    write(tmp_path / "log", 3)

    def fill(said: Callable[[int], None]) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = Log.open(tmp_path / "log", [SIGNER])
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        refused = 0
        for number in range(3, 30):
            try:
                log.record([item(number)])
                assert not refused  # once refused, nothing is taken any more
                said(number + 1)
            except OSError:
                refused += 1
        assert refused
        with pytest.raises(OSError, match="large"):
            log.record([item(99)])
        log.abandon()

    promised, status = in_a_child(fill)
    assert status == 0
    with Log.open(tmp_path / "log", [SIGNER]) as log:
        assert log.size >= max(promised, 3)
    assert outcome(tmp_path / "log") == "holds"


def test_a_disk_that_is_full_only_for_tiles_stops_no_record(tmp_path: Path) -> None:
    write(tmp_path / "log", 250)

    def fill(said: Callable[[int], None]) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = Log.open(tmp_path / "log", [SIGNER])
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, resource.RLIM_INFINITY))
        log.record([item(250)])
        with pytest.raises(OSError, match="large"):
            log.publish()
        log.record([item(251)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert log.publish().size == 252
        said(252)
        log.close()

    assert in_a_child(fill) == (252, 0)
    assert outcome(tmp_path / "log") == "holds"


def test_a_link_in_the_place_of_a_file_leads_nowhere_in_a_bundle(log: Path, tmp_path: Path) -> None:
    """A name in a bundle is a name in a bundle: what is read is what it holds, never a file of this machine."""
    bundle = tmp_path / "b.zip"
    write_bundle(Folder(log), [SIGNER.key], bundle)
    parts = dict(_parts(bundle))
    with zipfile.ZipFile(bundle, "w") as out:
        for name, data in parts.items():
            info = zipfile.ZipInfo(name)
            is_link = name == "checkpoint"
            info.external_attr = 0o120777 << 16 if is_link else 0
            out.writestr(info, str(log / "checkpoint").encode() if is_link else data)
    assert verify(Bundle(bundle), TRUST).outcome == "fails"


def _parts(bundle: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(bundle) as source:
        for name in source.namelist():
            yield name, source.read(name)


# --- whoever holds the key -------------------------------------------------------------------------------------------------


def rewritten(folder: Path, items: list[tuple[Entry, dict[str, Payload]]]) -> None:
    """The log written anew, signed by its own key: the tree holds, whatever is in it."""
    shutil.rmtree(folder)
    with Log.create(folder, "log.example", [SIGNER]) as log:
        log.record(items)


def test_L15_a_fork_and_another_order_are_found_by_who_kept_a_checkpoint(log: Path) -> None:
    kept = read_head(Folder(log))
    assert kept is not None
    items = [item(number) for number in range(9)]
    for other in (items[1:], items[::-1], [item(7), *items], [*items[:2], item(8), *items[3:]]):
        rewritten(log, other)
        assert verify(Folder(log), TRUST, older=[kept]).outcome == "fails"
    rewritten(log, items)
    assert verify(Folder(log), TRUST, older=[kept]).outcome == "holds"


POLICY = b"""\
---
policy: shop
---
```terms
tool pay(to: text, amount: number) effect money
```

## Paying {#pay}

```rule
forbid pay when amount > 100
limit pay to 2 per 1d
```
"""


def guarded(folder: Path) -> list[tuple[Entry, dict[str, Payload]]]:
    """A guard's log, and what it recorded."""
    kept: list[tuple[Entry, dict[str, Payload]]] = []
    clock = iter(range(1_800_000_000_000, 1_900_000_000_000, 1000))
    with Log.create(folder, "log.example", [SIGNER]) as log:

        class Recorder:
            def record(self, items: Any) -> int:
                kept.extend((entry, dict(payloads)) for entry, payloads in items)
                return log.record(items)

        guard = Guard(
            check(parse(POLICY)), recorder=Recorder(), clock=lambda: next(clock), fresh=Random(1).randbytes,
            files={"shop.md": POLICY},
        )  # fmt: skip
        for holder in ("alice", "bob"):
            session = guard.session(holder=holder, id=holder)
            session.message("Pay.")
            for number, amount in enumerate((50, 500, 60, 70)):
                arguments = f'{{"to": "eve", "amount": {amount}}}'
                session.propose([ProposedCall(call_id=f"c{number}", tool="pay", arguments=arguments)])
            session.end()
        guard.close()
    return kept


def verified(folder: Path) -> int:
    return main(["ledger", "verify", str(folder), "--key", KEYS[0]])


def test_L15_who_holds_the_key_cannot_rewrite_a_session_unseen(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    kept = guarded(folder)
    assert verified(folder) == 0
    for place, (entry, _) in enumerate(kept):
        if entry.session is None or entry.type == "session.end":
            continue
        rewritten(folder, [*kept[:place], *kept[place + 1 :]])  # left out
        assert verified(folder) == 5, entry
        rewritten(folder, [*kept[: place + 1], kept[place], *kept[place + 1 :]])  # smuggled in again
        assert verified(folder) == 5, entry
    assert {entry.type for entry, _ in kept} >= {"decision", "event", "session.start"}


def test_L15_who_holds_the_key_cannot_change_a_verdict_unseen(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    kept = guarded(folder)
    denied = [place for place, (entry, _) in enumerate(kept) if entry.body.get("verdict") == "deny"]
    for place in denied:
        entry, payloads = kept[place]
        body = {
            **entry.body,
            "verdict": "allow",
            "policy_verdict": "allow",
            "certain": "allow",
            "clauses": [],
            "permit": "p",
        }
        rewritten(folder, [*kept[:place], (msgspec.structs.replace(entry, body=body), payloads), *kept[place + 1 :]])
        assert verified(folder) == 5
    assert len(denied) == 4


def test_L15_a_clock_that_is_turned_back_within_a_session_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    kept = guarded(folder)
    place = max(place for place, (entry, _) in enumerate(kept) if entry.type == "decision")
    entry, payloads = kept[place]
    rewritten(folder, [*kept[:place], (msgspec.structs.replace(entry, time=1), payloads), *kept[place + 1 :]])
    assert verified(folder) == 5
