"""A log in one zip file, as it is handed to somebody else: the files of the log, its keys, and how to check it.

What is in it is what is on disk, byte for byte; payloads can be left out. Reading trusts nothing: names are those that this room
asks for, sizes are bounded, and `verify` decides.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from obverse.core.errors import EvidenceError, UntrustedInputError
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.entries import payload_path, read_entry
from obverse.ledger.note import Key
from obverse.ledger.reader import Files, Reader, held, read_head
from obverse.ledger.rotation import MOST, rotation_path
from obverse.ledger.tiles import CHECKPOINT, COSIGNED, WIDTH, segment_path, tile_path, tiles_of

KEYS: Final = "keys.txt"
README: Final = "README.txt"
_LARGEST: Final = 128 * 1024 * 1024
_DAY_ZERO: Final = (1980, 1, 1, 0, 0, 0)  # so that the same log makes the same bundle

_TEXT: Final = """\
This is an append-only log in the form of C2SP tlog-tiles (c2sp.org/tlog-tiles).

`checkpoint` is a signed note: the log's name, how many entries it has, and the Merkle root over them (RFC 6962, SHA-256).
`tile/entries/` holds the entries, `tile/<level>/` the hashes, `payload/` what entries commit to by salted SHA-256.
`keys.txt` holds the keys that the sender says are the log's: have them from the log's owner in another way.

With Obverse: obverse ledger verify THIS.zip --key KEY
"""


class Bundle:
    """The files of a log in a zip file."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise UntrustedInputError("no zip file that can be read", code="E138", source=str(path)) from error
        self._names = set(self._zip.namelist())

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file."""
        if path not in self._names:
            return None
        try:
            with self._zip.open(path) as file:
                data = file.read(_LARGEST + 1)
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
            raise EvidenceError(f"`{path}` in the bundle cannot be read", code="E138") from error
        if len(data) > _LARGEST:
            raise EvidenceError(f"`{path}` in the bundle is larger than {_LARGEST:,} bytes", code="E138")
        return data


def write_bundle(files: Files, keys: Iterable[Key], path: Path, *, payloads: bool = True) -> int:
    """The log as one zip file; how many files are in it.

    Raises:
        EvidenceError: if a file of the log is missing.
    """
    files = held(files)
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in _parts(files, keys, payloads=payloads):
            out.writestr(zipfile.ZipInfo(name, _DAY_ZERO), data, zipfile.ZIP_DEFLATED)
            count += 1
    return count


def _parts(files: Files, keys: Iterable[Key], *, payloads: bool) -> Iterator[tuple[str, bytes]]:
    note = read_head(files)
    if note is None:
        raise EvidenceError("there is no checkpoint", code="E134")
    yield README, _TEXT.encode()
    yield KEYS, "".join(f"{key}\n" for key in keys).encode()
    yield CHECKPOINT, str(note).encode()
    for number in range(MOST):
        if (data := files.read(rotation_path(number))) is None:
            break
        yield rotation_path(number), data
    if (data := files.read(COSIGNED)) is not None:
        yield COSIGNED, data
    size = read_checkpoint(note.text).size
    for tile in tiles_of(size):
        name = tile_path(*tile)
        data = files.read(name)
        if data is None:
            raise EvidenceError(f"`{name}` is missing", code="E134")
        yield name, data
    if payloads:
        yield from _payloads(files, size)


def _payloads(files: Files, size: int) -> Iterator[tuple[str, bytes]]:
    """The segments, and what entries commit to that has a file of its own."""
    for number in range(-(-size // WIDTH)):
        data = files.read(segment_path(number))
        if data is not None:
            yield segment_path(number), data
    seen: set[str] = set()
    for data in Reader(files, size).entries():
        for commitment in read_entry(data).payloads.values():
            path = payload_path(commitment)
            if path not in seen and (data := files.read(path)) is not None:
                seen.add(path)
                yield path, data
