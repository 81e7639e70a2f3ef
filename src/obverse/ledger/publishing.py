"""What takes over from the journal: payloads, bundles and tiles, then a signed checkpoint over them.

Everything is written whole or not at all, and in an order in which a kill leaves a log that holds: what no checkpoint covers yet
is written over by whoever publishes next. It knows nothing of journals and threads; `log` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from obverse.core.errors import EvidenceError
from obverse.core.files import write_whole
from obverse.ledger.checkpoint import Checkpoint
from obverse.ledger.entries import Payload, payload_path, read_entry
from obverse.ledger.journal import Record, sync_folder
from obverse.ledger.merkle import Frontier, leaf_hash
from obverse.ledger.note import Signer, signed
from obverse.ledger.reader import Folder, Reader
from obverse.ledger.segments import Payloads, lie_together, segment_of
from obverse.ledger.tiles import (
    CHECKPOINT,
    ENTRIES,
    HEIGHT,
    WIDTH,
    bundle_of,
    joined,
    new_tiles,
    partial_tiles,
    segment_path,
    tile_path,
)


class Publisher:
    """Makes a log longer on disk. `head` is the newest checkpoint."""

    def __init__(self, folder: Path, head: Checkpoint, signers: Sequence[Signer]) -> None:
        self.folder = folder
        self.head = head
        self.signers = tuple(signers)
        self._unsynced: set[Path] = set()

    def publish(self, records: Sequence[Record]) -> Checkpoint:
        """A checkpoint that covers these records too, which come after those of the last one.

        Raises:
            OSError: if something could not be written; the checkpoint on disk is then the old one or the new.
            EvidenceError: if what is on disk is not what was published.
        """
        old, new = self.head.size, self.head.size + len(records)
        self._write_payloads(old, records)
        frontier = self._write_tiles(old, [record.entry for record in records])
        self._sync()
        self.sign(Checkpoint(origin=self.head.origin, size=new, root=frontier.root()))
        self._drop_partial(old, new)
        return self.head

    def sign(self, head: Checkpoint) -> None:
        """Puts this head in force, under signatures of all signers."""
        write_whole(self.folder / CHECKPOINT, str(signed(head.text, self.signers)).encode())
        sync_folder(self.folder)
        self.head = head

    def _write_payloads(self, old: int, records: Sequence[Record]) -> None:
        small: dict[int, dict[tuple[int, str], Payload]] = {}
        for entry, record in enumerate(records, old):
            payloads = {name: Payload(salt=salt, data=data) for name, salt, data in record.payloads}
            if lie_together(payloads.values()):
                if payloads:
                    segment = small.setdefault(entry // WIDTH, {})
                    segment.update(((entry, name), payload) for name, payload in payloads.items())
            else:
                for payload in payloads.values():
                    self._put(payload_path(payload.commitment), payload.file)
        there = Payloads(Folder(self.folder))
        for number, segment in small.items():
            kept = {} if number * WIDTH >= old else there.segment(number)
            before = {key: payload for key, payload in kept.items() if key[0] < old}
            self._put(segment_path(number), segment_of(before | segment))

    def _write_tiles(self, old: int, entries: Sequence[bytes]) -> Frontier:
        """The new tiles and bundles; the frontier of the whole."""
        reader, new = Reader(Folder(self.folder), old), old + len(entries)
        frontier = Frontier.of(old, reader.hashes)
        if frontier.root() != self.head.root:
            raise EvidenceError("the tiles on disk are not those of the checkpoint", code="E135")
        rows = {ENTRIES: list(entries), 0: [leaf_hash(entry) for entry in entries]}
        for leaf in rows[0]:
            frontier.append(leaf)

        def item(level: int, index: int) -> bytes:
            """Entry or hash of the new log: what was there before comes from its tile."""
            first = old >> HEIGHT * max(level, 0)
            return rows[level][index - first] if index >= first else reader.item(level, index)

        level = 1
        while new >> HEIGHT * level:
            start, end = old >> HEIGHT * level, new >> HEIGHT * level
            below = [[item(level - 1, WIDTH * index + at) for at in range(WIDTH)] for index in range(start, end)]
            rows[level] = [joined(hashes) for hashes in below]
            level += 1
        for level, number, width in new_tiles(old, new):
            items = [item(level, number * WIDTH + at) for at in range(width)]
            self._put(tile_path(level, number, width), bundle_of(items) if level == ENTRIES else b"".join(items))
        return frontier

    def _drop_partial(self, old: int, new: int) -> None:
        """Removes the partial tiles of the log as it was, where fuller ones are there now."""
        kept = set(partial_tiles(new))
        for tile in partial_tiles(old):
            if tile not in kept:
                (self.folder / tile_path(*tile)).unlink(missing_ok=True)

    def _put(self, path: str, data: bytes) -> None:
        """The file, on disk; its name is there after `_sync`."""
        whole = self.folder / path
        if not whole.parent.exists():
            self._unsynced.update(folder for folder in _up_to(whole.parent, self.folder))
            whole.parent.mkdir(parents=True, exist_ok=True)
        write_whole(whole, data)
        self._unsynced.add(whole.parent)

    def _sync(self) -> None:
        for folder in sorted(self._unsynced):
            sync_folder(folder)
        self._unsynced.clear()


def _up_to(folder: Path, top: Path) -> Iterable[Path]:
    """This folder and those above it, `top` included."""
    yield folder
    if folder != top:
        yield from _up_to(folder.parent, top)


def erase_payloads(folder: Path, entry: int, names: AbstractSet[str] | None, size: int) -> int:
    """How many payloads of an entry are gone now: the named ones, or all. Who calls sees to it that nobody else writes there."""
    commits = read_entry(Reader(Folder(folder), size).entry(entry)).payloads
    chosen = {name: commits[name] for name in commits if names is None or name in names}
    held = Payloads(Folder(folder)).segment(entry // WIDTH)
    kept = {key: payload for key, payload in held.items() if key[0] != entry or key[1] not in chosen}
    if len(kept) < len(held):
        path = folder / segment_path(entry // WIDTH)
        write_whole(path, segment_of(kept))
        sync_folder(path.parent)
    gone = len(held) - len(kept)
    for commitment in chosen.values():
        path = folder / payload_path(commitment)
        if path.exists():
            path.unlink()
            sync_folder(path.parent)
            gone += 1
    return gone
