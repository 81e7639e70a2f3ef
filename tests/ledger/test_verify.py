"""`verify` and `fsck`: what holds, what was done to a log, and that the two agree on it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from obverse.ledger.checkpoint import Trust
from obverse.ledger.entries import Entry, payload_of
from obverse.ledger.fsck import fsck
from obverse.ledger.keys import FileSigner, new_key
from obverse.ledger.log import Log, Rhythm, erase
from obverse.ledger.note import Note
from obverse.ledger.reader import Folder, read_head
from obverse.ledger.segments import line_of
from obverse.ledger.tiles import segment_path, tile_path
from obverse.ledger.verify import Verification, verify

SIGNER = FileSigner("log.example", new_key())
OTHER = FileSigner("log.example", new_key())
TRUST = Trust(log=(SIGNER.key,))
KEYS = [str(SIGNER.key)]
PAYLOAD = payload_of(b"the arguments of a call", bytes(range(32)))


def entry(number: int) -> Entry:
    return Entry(type="note", time=number, body={"number": number})


def write(folder: Path, size: int, signer: FileSigner = SIGNER) -> Note:
    with Log.create(folder, "log.example/1", [signer]) as log:
        log.append(Entry(type="call", time=0, payloads={"arguments": PAYLOAD.commitment}), {"arguments": PAYLOAD})
        log.extend([entry(number) for number in range(1, size)])
    return head_of(folder)


def head_of(folder: Path) -> Note:
    note = read_head(Folder(folder))
    assert note is not None
    return note


def found(folder: Path, *older: Note) -> Verification:
    return verify(Folder(folder), TRUST, origin="log.example/1", older=older)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "log"
    write(folder, 5)
    return folder


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
def test_what_was_written_holds(size: int, tmp_path: Path) -> None:
    write(tmp_path / "log", size)
    result = found(tmp_path / "log")
    assert result.outcome == "holds", result.checks
    assert fsck(tmp_path / "log", KEYS) == ()
    assert any("no witness" in line for line in result.not_proved)


def test_L15_no_byte_of_a_log_can_be_another(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    shutil.copytree(small, folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock"):
        data = path.read_bytes()
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            path.write_bytes(changed)
            assert found(folder).outcome == "fails", (path, place)
            if not path.name.startswith("journal"):
                assert fsck(folder, KEYS), (path, place)
        path.write_bytes(data)
    assert found(folder).outcome == "holds"


def cut_last(folder: Path) -> None:
    """The tail dropped, and everything signed again by whoever holds the key."""
    shutil.rmtree(folder)
    write(folder, 300)


def reorder(folder: Path) -> None:
    shutil.rmtree(folder)
    with Log.create(folder, "log.example/1", [SIGNER]) as log:
        log.extend([entry(number) for number in (*range(1, 400), 0)])


def fork(folder: Path) -> None:
    shutil.rmtree(folder)
    with Log.create(folder, "log.example/1", [SIGNER]) as log:
        log.extend([Entry(type="other", time=number) for number in range(500)])


def other_key(folder: Path) -> None:
    shutil.rmtree(folder)
    write(folder, 500, OTHER)


def no_checkpoint(folder: Path) -> None:
    (folder / "checkpoint").unlink()


def no_tile(folder: Path) -> None:
    (folder / tile_path(0, 0)).unlink()


def no_bundle(folder: Path) -> None:
    (folder / tile_path(-1, 0)).unlink()


def old_checkpoint(folder: Path) -> None:
    """The checkpoint rolled back over tiles that stay."""
    other = folder.parent / "other"
    write(other, 100)
    shutil.copy(other / "checkpoint", folder / "checkpoint")


def wrong_payload(folder: Path) -> None:
    (folder / segment_path(0)).write_bytes(line_of(0, "arguments", payload_of(b"other arguments", bytes(32))))


DONE: list[Callable[[Path], None]] = [
    cut_last, reorder, fork, other_key, no_checkpoint, no_tile, no_bundle, old_checkpoint, wrong_payload,
]  # fmt: skip


@pytest.mark.parametrize("done", DONE, ids=lambda done: done.__name__)
def test_L15_what_is_done_to_a_log_is_found(done: Callable[[Path], None], tmp_path: Path) -> None:
    kept = write(tmp_path / "log", 500)
    done(tmp_path / "log")
    assert found(tmp_path / "log", kept).outcome == "fails"


def test_an_older_log_is_a_beginning_of_a_newer_one(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    with Log.create(folder, "log.example/1", [SIGNER]) as log:
        kept = [head_of(folder)]
        for start in range(0, 600, 200):
            log.extend([entry(start + number) for number in range(200)])
            log.publish()
            kept.append(head_of(folder))
    assert found(folder, *kept).outcome == "holds"


def test_an_erased_payload_leaves_the_proof(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    shutil.copytree(small, folder)
    assert erase(folder, 0, ["arguments"]) == 1
    result = found(folder)
    assert result.outcome == "holds"
    assert any("erased" in check.found for check in result.checks)
    assert fsck(folder, KEYS) == ()


def test_what_waits_for_a_checkpoint_is_said_to_wait(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = Log.create(folder, "log.example/1", [SIGNER])
    log.append(entry(0))
    log.abandon()
    result = found(folder)
    assert (result.outcome, result.pending) == ("holds", 1)
    assert any("newest 1" in line for line in result.not_proved)


def test_without_keys_nothing_is_said_to_hold(small: Path) -> None:
    assert verify(Folder(small), None).outcome == "not checked"


@pytest.mark.parametrize("session", [None, "s1"])
def test_a_clock_that_went_back_is_named(session: str | None, tmp_path: Path) -> None:
    with Log.create(tmp_path / "log", "log.example/1", [SIGNER]) as log:
        log.extend([Entry(type="x", time=time, session=session) for time in (20_000, 5)])
    assert [check.name for check in found(tmp_path / "log").checks if check.outcome == "fails"] == ["times"]


def test_sessions_side_by_side_are_no_clock_that_went_back(tmp_path: Path) -> None:
    with Log.create(tmp_path / "log", "log.example/1", [SIGNER]) as log:
        log.extend([Entry(type="x", time=time, session=f"s{time}") for time in (90_000, 50_000, 70_000, 1)])
        log.extend([Entry(type="x", time=time) for time in (100_000, 99_000)])
    assert found(tmp_path / "log").outcome == "holds"


def test_a_log_that_is_being_written_holds_at_each_look(tmp_path: Path) -> None:
    folder, looks = tmp_path / "log", 0
    with Log.create(folder, "log.example/1", [SIGNER], rhythm=Rhythm(seconds=0.001)) as log:
        done = threading.Event()

        def work() -> None:
            for number in range(1, 150):
                payload = payload_of(b"%d" % number, bytes(32))
                speaks = Entry(type="call", time=number, session="s", payloads={"arguments": payload.commitment})
                log.record([(speaks, {"arguments": payload}), (entry(number), {})])
            done.set()

        writer = threading.Thread(target=work)
        writer.start()
        while not done.is_set() or not looks:
            result = found(folder)
            assert result.outcome == "holds", result.checks
            looks += 1
        writer.join()
    assert found(folder).outcome == "holds"


def imports(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        if line.strip().startswith(("import ", "from ")):
            yield line.strip()


def test_fsck_shares_no_code_with_the_writer() -> None:
    import obverse.ledger.fsck as module

    assert not [line for line in imports(Path(module.__file__)) if "obverse" in line]
