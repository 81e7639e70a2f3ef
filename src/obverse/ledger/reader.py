"""Reading a log: its checkpoint, entries, hashes and payloads, from a folder, a bundle, or anything that has files by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from obverse.core.errors import EvidenceError
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.merkle import Hashes
from obverse.ledger.note import Note, read_note
from obverse.ledger.tiles import (
    CHECKPOINT,
    COSIGNED,
    ENTRIES,
    HEIGHT,
    JOURNALS,
    WIDTH,
    bundle_of,
    joined,
    partial_tiles,
    place_of,
    read_bundle,
    read_hashes,
    segment_path,
    tile_path,
)

_LARGEST = 1 << 30
_TRIES = 50


class Files(Protocol):
    """Files by their path below the log's folder."""

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file."""


class Folder:
    """The files of a folder on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file. Only paths that this room makes are asked for."""
        try:
            with (self.path / path).open("rb") as file:
                if os.fstat(file.fileno()).st_size > _LARGEST:
                    raise EvidenceError(f"`{path}` is larger than any file of a log", code="E134")
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None


class Held:
    """The files of a log that somebody may be writing, as they were at one checkpoint.

    What a writer changes or removes as the log grows (the checkpoint, partial tiles, the last segment, the journal) is read at
    once and kept; full tiles and bundles never change.
    """

    def __init__(self, files: Files, kept: Mapping[str, bytes | None]) -> None:
        self.files = files
        self.kept = kept

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file."""
        return self.kept[path] if path in self.kept else self.files.read(path)


def held(files: Files) -> Files:
    """These files at the checkpoint of now.

    Raises:
        EvidenceError: if it is no signed note, or a writer publishes faster than anybody can read.
    """
    for _ in range(_TRIES):
        note = read_head(files)
        if note is None or isinstance(files, Held):
            return files
        try:
            size = read_checkpoint(note.text).size
        except EvidenceError:
            return files  # `verify` says what is wrong with it
        names = [tile_path(*tile) for tile in partial_tiles(size)]
        names += [segment_path(size // WIDTH), COSIGNED, *JOURNALS]
        kept = {name: files.read(name) for name in names}
        if read_head(files) == note:
            return Held(files, {**kept, CHECKPOINT: str(note).encode()})
    raise EvidenceError("the log is written faster than it can be read", code="E145")


class Reader:
    """A log of `size` entries as its tiles show it. Nothing is checked here but forms; `verify` compares."""

    def __init__(self, files: Files, size: int) -> None:
        self.files = files
        self.size = size
        self._tile = lru_cache(maxsize=1024)(self._read_tile)
        self._bundle = lru_cache(maxsize=16)(self._read_bundle)

    def entry(self, index: int) -> bytes:
        """The entry at this place.

        Raises:
            EvidenceError: if its bundle is missing or not in form.
        """
        return self._bundle(index // WIDTH)[index % WIDTH]

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The entries of this stretch, in order."""
        for index in range(start, self.size if end is None else end):
            yield self.entry(index)

    def item(self, level: int, index: int) -> bytes:
        """A hash of a level of tiles, or, at level -1, an entry."""
        return self.entry(index) if level == ENTRIES else self._tile(level, index // WIDTH)[index % WIDTH]

    @property
    def hashes(self) -> Hashes:
        """The hashes that proofs are made of."""
        return self._hash

    def _hash(self, level: int, index: int) -> bytes:
        tile_level, number, first, count = place_of(level, index)
        row = self._tile(tile_level, number)
        if first + count > len(row):
            raise EvidenceError(f"no hash {index} of level {level} in a log of {self.size}", code="E133")
        return joined(row[first : first + count])

    def _read_tile(self, level: int, number: int) -> tuple[bytes, ...]:
        return read_hashes(*self._file(level, number, self.size >> HEIGHT * level))

    def _read_bundle(self, number: int) -> tuple[bytes, ...]:
        return read_bundle(*self._file(ENTRIES, number, self.size))

    def _file(self, level: int, number: int, row: int) -> tuple[bytes, int]:
        """A tile as far as it belongs to a row of this length; a fuller one serves too."""
        width = min(WIDTH, row - number * WIDTH)
        if width <= 0:
            raise EvidenceError(f"no tile {number} of level {level} in a log of {self.size}", code="E133")
        data = self.files.read(tile_path(level, number, width))
        if data is None and width < WIDTH:
            full = self.files.read(tile_path(level, number))
            data = None if full is None else _beginning(level, full, width)
        if data is None:
            raise EvidenceError(f"`{tile_path(level, number, width)}` is missing", code="E134")
        return data, width


def _beginning(level: int, full: bytes, width: int) -> bytes:
    if level != ENTRIES:
        return full[: width * 32]
    return bundle_of(read_bundle(full, WIDTH)[:width])


def read_head(files: Files) -> Note | None:
    """The checkpoint of a log, as a note; None where it has none yet.

    Raises:
        EvidenceError: if it is no signed note.
    """
    data = files.read(CHECKPOINT)
    return None if data is None else read_note(data)
