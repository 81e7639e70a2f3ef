"""The writer: what it promised is there after any end, and what it wrote is what the specification says of that size."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obverse.core.errors import EvidenceError, MisuseError
from obverse.ledger.checkpoint import Trust, trusted
from obverse.ledger.entries import Entry, payload_of, payload_path, read_entry, read_payload
from obverse.ledger.journal import Journal, Record
from obverse.ledger.keys import FileSigner, key_file, new_key, read_key_file
from obverse.ledger.log import Log, Rhythm, erase
from obverse.ledger.merkle import (
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)
from obverse.ledger.note import Signature
from obverse.ledger.reader import Folder, Reader, read_head
from obverse.ledger.segments import TOGETHER, Payloads
from obverse.ledger.tiles import JOURNALS, read_path, tile_path, tiles_of

SIGNER = FileSigner("log.example", new_key())
TRUST = Trust(log=(SIGNER.key,))


def entry(number: int) -> Entry:
    return Entry(type="note", time=number, body={"number": number})


def create(folder: Path) -> Log:
    return Log.create(folder, "log.example/1", [SIGNER])


def reader_of(folder: Path) -> Reader:
    note = read_head(Folder(folder))
    assert note is not None
    head, _ = trusted(note, TRUST, origin="log.example/1")
    reader = Reader(Folder(folder), head.size)
    assert root_of(map(leaf_hash, reader.entries())) == head.root
    return reader


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_the_files_are_those_of_the_specification(sizes: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, total = tmp_path_factory.mktemp("log") / "log", 0
    with create(folder) as log:
        for size in sizes:
            assert log.extend([entry(total + number) for number in range(size)]) == total
            total += size
            head = log.publish()
            assert head.size == total
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {file for file in files if file.startswith("tile")} == {tile_path(*tile) for tile in tiles_of(total)}
    assert all(read_path(file) for file in files if file.startswith("tile"))
    reader = reader_of(folder)
    assert [read_entry(data).body["number"] for data in reader.entries()] == list(range(total))


def test_every_entry_is_proved_and_every_older_log_is_a_beginning(tmp_path: Path) -> None:
    heads = []
    with create(tmp_path / "log") as log:
        for number in range(0, 520, 130):
            log.extend([entry(number + more) for more in range(130)])
            heads.append(log.publish())
    reader = reader_of(tmp_path / "log")
    last = heads[-1]
    for index in range(0, 520, 13):
        proof = inclusion_proof(index, last.size, reader.hashes)
        check_inclusion(leaf_hash(reader.entry(index)), index, last.size, proof, last.root)
    for head in heads:
        proof = consistency_proof(head.size, last.size, reader.hashes)
        check_consistency(head.size, head.root, last.size, last.root, proof)


def test_L13_what_append_returned_is_there_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    child = os.fork()
    if child == 0:  # dies without closing anything
        log = create(folder)
        log.extend([entry(number) for number in range(200)])
        log.publish()
        for number in range(200, 300):
            log.append(entry(number))
        os._exit(9)
    os.waitpid(child, 0)
    with Log.open(folder, [SIGNER]) as log:
        assert log.size == 300
        assert log.append(entry(300)) == 300
    assert len(list(reader_of(folder).entries())) == 301


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_record_was_never_promised_and_is_cut_off(cut: int, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = create(folder)
    for number in range(3):
        log.append(entry(number))
    log.abandon()
    journal = folder / JOURNALS[0]
    journal.write_bytes(journal.read_bytes().rstrip(b"\0")[:-cut])
    with Log.open(folder, [SIGNER]) as again:
        assert again.size == 2
        assert again.append(entry(9)) == 2


STAGES = ["tile/entries", "tile/0", "payload", "checkpoint"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_while_a_checkpoint_is_made_loses_nothing(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "log"
    log = create(folder)
    payload = payload_of(b"secret", bytes(32))
    log.append(entry(0))
    log.append(Entry(type="call", time=1, payloads={"arguments": payload.commitment}), {"arguments": payload})
    real = os.replace

    def killed(path: Path, target: Path) -> None:
        if str(target).removeprefix(f"{folder}/").startswith(stage):
            raise KeyboardInterrupt
        real(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        log.publish()
    monkeypatch.undo()
    log.abandon()
    with Log.open(folder, [SIGNER]) as again:
        assert again.size == 2
    reader = reader_of(folder)
    assert read_entry(reader.entry(1)).payloads == {"arguments": payload.commitment}
    assert Payloads(Folder(folder)).find(1, "arguments", payload.commitment) == payload


def test_many_threads_write_and_each_gets_a_place_of_its_own(tmp_path: Path) -> None:
    places: list[int] = []
    with create(tmp_path / "log") as log:

        def work(start: int) -> None:
            places.extend(log.append(entry(number)) for number in range(start, start + 25))

        threads = [threading.Thread(target=work, args=(25 * number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(places) == list(range(200))
    numbers = [read_entry(data).body["number"] for data in reader_of(tmp_path / "log").entries()]
    assert sorted(numbers) == list(range(200))


def test_a_full_disk_is_told_to_whoever_waits_and_ends_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "log"
    log = create(folder)
    log.append(entry(0))

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    for _ in range(2):
        with pytest.raises(OSError, match="no space"):
            log.append(entry(1))
    monkeypatch.undo()
    with pytest.raises(OSError, match="no space"):  # what is on disk is not known any more
        log.append(entry(2))
    assert log.size == 1
    log.close()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with create(tmp_path / "log"), pytest.raises(MisuseError, match="another process"):
        Log.open(tmp_path / "log", [SIGNER])
    Log.open(tmp_path / "log", [SIGNER]).close()


def test_a_log_is_opened_with_the_key_that_it_was_made_with(tmp_path: Path) -> None:
    create(tmp_path / "log").close()
    with pytest.raises(MisuseError, match="another key"):
        Log.open(tmp_path / "log", [FileSigner("log.example", new_key())])
    with pytest.raises(MisuseError, match="no log"):
        Log.open(tmp_path, [SIGNER])
    with pytest.raises(MisuseError, match="not empty"):
        create(tmp_path)


def test_tiles_that_were_changed_are_not_built_upon(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    with create(folder) as log:
        log.append(entry(0))
    tile = folder / tile_path(0, 0, 1)
    tile.write_bytes(bytes(32))
    again = Log.open(folder, [SIGNER])
    again.append(entry(1))
    with pytest.raises(EvidenceError, match="not those of the checkpoint"):
        again.close()


def test_an_entry_commits_to_its_payloads(tmp_path: Path) -> None:
    payload = payload_of(b"x", bytes(32))
    with create(tmp_path / "log") as log:
        wrong: list[tuple[Entry, dict[str, Any]]] = [
            (Entry(type="call", time=0, payloads={"a": payload.commitment}), {}),
            (Entry(type="call", time=0), {"a": payload}),
        ]
        for one, payloads in wrong:
            with pytest.raises(MisuseError, match="commits to"):
                log.append(one, payloads)
        with pytest.raises(MisuseError, match="65,535"):
            log.append(Entry(type="x" * 70_000, time=0))
        assert log.size == 0


def test_a_key_is_kept_in_a_file(tmp_path: Path) -> None:
    for algorithm in ("ed25519", "ml-dsa-44-cosignature"):
        private = new_key(algorithm)
        for password in (None, b"word"):
            again = read_key_file(key_file(private, password), password)
            assert again.public_key().public_bytes_raw() == private.public_key().public_bytes_raw()


def test_a_journal_of_entries_that_are_nowhere_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 5)
    journal.append([Record(entry=entry(5).data)], lambda *_: "")
    journal.close()
    with pytest.raises(EvidenceError, match="after entry 4"):
        Journal(tmp_path, 4)


def test_what_is_recorded_together_is_durable_together(tmp_path: Path) -> None:
    payload = payload_of(b"what was said", b"s" * 32)
    speaks = Entry(type="event", time=1, payloads={"text": payload.commitment})
    with create(tmp_path) as log:
        assert log.record([(speaks, {"text": payload}), (entry(2), {})]) == 0
        assert log.size == 2
        with pytest.raises(MisuseError, match="not those that the entry commits to"):
            log.record([(entry(3), {}), (speaks, {})])
        assert log.size == 2


def test_a_killed_writer_leaves_all_of_what_was_recorded_together_or_none(tmp_path: Path) -> None:
    log = create(tmp_path / "log")
    log.record([(entry(number), {}) for number in range(5)])
    log.record([(entry(number), {}) for number in range(5, 10)])
    log.abandon()
    journal = tmp_path / "log" / JOURNALS[0]
    whole = journal.read_bytes().rstrip(b"\0")
    for cut in range(0, len(whole), 7):
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        shutil.copytree(tmp_path / "log", tmp_path / "again")
        (tmp_path / "again" / JOURNALS[0]).write_bytes(whole[:cut])
        with Log.open(tmp_path / "again", [SIGNER]) as again:
            assert again.size in (0, 5)


def test_large_payloads_have_files_of_their_own(tmp_path: Path) -> None:
    small, large = payload_of(b"s" * 100, bytes(32)), payload_of(b"l" * TOGETHER, bytes(32))
    payloads = {"small": small, "large": large}
    commits = {name: payload.commitment for name, payload in payloads.items()}
    with create(tmp_path / "log") as log:
        log.append(Entry(type="x", time=0, payloads={"small": small.commitment}), {"small": small})
        log.append(Entry(type="x", time=0, payloads=commits), payloads)
    kept = Payloads(Folder(tmp_path / "log"))
    assert kept.find(0, "small", small.commitment) == small
    assert [kept.find(1, name, commits[name]) for name in payloads] == list(payloads.values())
    assert read_payload((tmp_path / "log" / payload_path(large.commitment)).read_bytes()) == large


def test_payloads_of_many_checkpoints_lie_in_one_segment_and_can_be_erased_one_by_one(tmp_path: Path) -> None:
    folder, payloads = tmp_path / "log", [payload_of(b"%d" % number, bytes(32)) for number in range(300)]
    with create(folder) as log:
        for start in range(0, 300, 50):
            log.record(
                [
                    (Entry(type="x", time=0, payloads={"p": one.commitment}), {"p": one})
                    for one in payloads[start : start + 50]
                ]
            )
            log.publish()
        assert erase(folder, 7) == 1  # sealed: the writer does not touch it any more
        with pytest.raises(MisuseError, match="being written"):
            erase(folder, 290)
    assert erase(folder, 290, ["p", "none"]) == 1
    assert erase(folder, 290) == 0
    kept = Payloads(Folder(folder))
    gone = [number for number in range(300) if kept.find(number, "p", payloads[number].commitment) is None]
    assert gone == [7, 290]
    assert not any(payloads[290].data.hex() in path.read_bytes().hex() for path in folder.glob("journal.*"))


def test_a_log_with_a_rhythm_publishes_by_itself_and_goes_on_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log.create(tmp_path / "log", "log.example/1", [SIGNER], rhythm=Rhythm(seconds=0.005)) as log:
        real, full = os.replace, [True]

        def replace(path: Path, target: Path) -> None:
            if full[0]:
                raise OSError(errno.ENOSPC, "no space left on device")
            real(path, target)

        monkeypatch.setattr(Path, "replace", replace)
        log.append(entry(0))
        while log.trouble is None:
            time.sleep(0.002)
        log.append(entry(1))  # recording goes on
        assert log.head.size == 0
        full[0] = False
        while log.head.size < 2:
            time.sleep(0.002)
    assert len(list(reader_of(tmp_path / "log").entries())) == 2


def test_who_records_does_not_wait_for_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create(tmp_path / "log") as log:
        log.append(entry(0))
        under_way, go_on = threading.Event(), threading.Event()
        real = Path.replace

        def slow(path: Path, target: Path) -> Path:
            under_way.set()
            assert go_on.wait(10)
            return real(path, target)

        monkeypatch.setattr(Path, "replace", slow)
        publishing = threading.Thread(target=log.publish)
        publishing.start()
        assert under_way.wait(10)
        assert log.append(entry(1)) == 1
        assert log.head.size == 0
        go_on.set()
        publishing.join()
        assert log.head.size == 1
    assert len(list(reader_of(tmp_path / "log").entries())) == 2


def test_the_journal_holds_only_what_the_key_of_the_log_has_sealed(tmp_path: Path) -> None:
    create(tmp_path / "log").close()
    for seal in ("", str(FileSigner("log.example", new_key()).sign("x\n"))):
        journal = Journal(tmp_path / "log", 0)
        journal.append([Record(entry=entry(0).data)], lambda *_, seal=seal: seal)
        journal.close()
        with pytest.raises(EvidenceError):
            Log.open(tmp_path / "log", [SIGNER])


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_whatever_cuts_a_record_off_nobody_is_told_that_it_is_durable(
    fault: type[BaseException], tmp_path: Path
) -> None:
    class Broken(FileSigner):
        def sign(self, text: str) -> Signature:
            if text.startswith("obverse.journal"):
                raise fault
            return super().sign(text)

    broken = Broken("log.example", new_key())
    log = Log.create(tmp_path / "log", "log.example/1", [broken])
    with pytest.raises(fault):
        log.append(entry(0))
    with pytest.raises(OSError, match="cut off"):
        log.append(entry(1))
    assert log.size == 0
    log.close()


def test_more_than_is_well_written_at_once_is_refused_or_written_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obverse.ledger.log as module

    monkeypatch.setattr(module, "LARGEST_RECORD", 1000)
    places: list[int] = []
    with create(tmp_path / "log") as log:
        with pytest.raises(MisuseError, match="too much"):
            log.extend([entry(number) for number in range(20)])
        threads = [
            threading.Thread(target=lambda: places.append(log.extend([entry(number) for number in range(5)])))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(places) == list(range(0, 100, 5))
    numbers = [read_entry(data).body["number"] for data in reader_of(tmp_path / "log").entries()]
    assert numbers == [*range(5)] * 20
