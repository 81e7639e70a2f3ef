"""A log in one zip file, as it is handed to somebody else: the files of the log, its keys, and how to check it.

What is in it is what is on disk, byte for byte; payloads can be left out. Reading trusts nothing: names are those that this room
asks for, sizes are bounded, and `verify` decides.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obverse.core.errors import EvidenceError, UntrustedInputError
from obverse.ledger.checkpoint import read_checkpoint
from obverse.ledger.entries import payload_path, read_entry
from obverse.ledger.merkle import inclusion_proof
from obverse.ledger.note import Key
from obverse.ledger.proof import Receipt
from obverse.ledger.reader import Files, Reader, held, read_head
from obverse.ledger.rotation import MOST, rotation_path
from obverse.ledger.statement import Claim, enveloped, public_pem
from obverse.ledger.tiles import CHECKPOINT, COSIGNED, WIDTH, segment_path, tile_path, tiles_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEYS: Final = "keys.txt"
README: Final = "README.txt"
SUMS: Final = "SHA256SUMS"
STATEMENT: Final = "statement.dsse.json"
_LARGEST: Final = 128 * 1024 * 1024
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip
_DAY_ZERO: Final = (1980, 1, 1, 0, 0, 0)  # so that the same log makes the same bundle

_TEXT: Final = """\
This is an append-only log in the form of C2SP tlog-tiles (c2sp.org/tlog-tiles).

`checkpoint` is a signed note: the log's name, how many entries it has, and the Merkle root over them (RFC 6962, SHA-256).
`tile/entries/` holds the entries, `tile/<level>/` the hashes, `payload/` what entries commit to by salted SHA-256.
`keys.txt` and `keys/` hold the keys that the sender says are the log's: have them from the log's owner in another way.
`policy/`, where it is there, holds the policies by which was decided, as the log holds them in its payloads.
`proofs/`, where it is there, holds entries with receipts (c2sp.org/tlog-proof), each checkable without the rest.
`statement.dsse.json`, where it is there, is an in-toto Statement v1 in a DSSE envelope, signed by `statement.pem`.

`SHA256SUMS` lists every other file: `sha256sum -c SHA256SUMS` finds what was damaged on the way.

With Obverse: obverse ledger verify THIS.zip --key KEY
"""


class Bundle:
    """The files of a log in a zip file. What it holds is what its `SHA256SUMS` lists, or it is damaged."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            names = self._zip.namelist()
        except _BROKEN as error:
            raise UntrustedInputError("no zip file that can be read", code="E138", source=str(path)) from error
        self._sums = {SUMS: ""} if SUMS in names else {}
        self._sums |= _read_sums(self.read(SUMS) or b"")
        if len(names) != len(set(names)) or set(names) != self._sums.keys():
            raise EvidenceError("the bundle does not hold the files that its `SHA256SUMS` lists", code="E138")

    @property
    def names(self) -> tuple[str, ...]:
        """All that is in it, in the order of the list."""
        return tuple(self._sums)

    def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file.

        Raises:
            EvidenceError: if it is not the one that is listed, or is too large.
        """
        if path not in self._sums:
            return None
        try:
            with self._zip.open(path) as file:
                data = file.read(_LARGEST + 1)
        except _BROKEN as error:
            raise EvidenceError(f"`{path}` in the bundle cannot be read", code="E138") from error
        if len(data) > _LARGEST:
            raise EvidenceError(f"`{path}` in the bundle is larger than {_LARGEST:,} bytes", code="E138")
        if self._sums[path] and hashlib.sha256(data).hexdigest() != self._sums[path]:
            raise EvidenceError(f"`{path}` in the bundle is not the file that is listed", code="E138")
        return data


def _read_sums(data: bytes) -> dict[str, str]:
    """Names and digests, as `sha256sum` lists them."""
    lines = [line.partition("  ") for line in data.decode("utf-8", "replace").splitlines()]
    return {name: digest for digest, _, name in lines}


def write_bundle(
    files: Files,
    keys: Iterable[Key],
    path: Path,
    *,
    payloads: bool = True,
    proved: Sequence[int] = (),
    extra: Mapping[str, bytes] | None = None,
    claim: Claim | None = None,
    private: Ed25519PrivateKey | None = None,
) -> int:
    """The log as one zip file; how many files are in it.

    `proved` are entries that get a receipt in it, `extra` more files. A `claim` that `private` signs goes with it as a statement.

    Raises:
        EvidenceError: if a file of the log is missing.
    """
    files = held(files)
    sums: list[str] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in (
            *_about(keys, claim, private),
            *(extra or {}).items(),
            *_receipts(files, proved),
            *_parts(files, payloads=payloads),
        ):
            out.writestr(zipfile.ZipInfo(name, _DAY_ZERO), data, zipfile.ZIP_DEFLATED)
            sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
        out.writestr(zipfile.ZipInfo(SUMS, _DAY_ZERO), "".join(sums), zipfile.ZIP_DEFLATED)
    return len(sums) + 1


def _about(keys: Iterable[Key], claim: Claim | None, private: Ed25519PrivateKey | None) -> Iterator[tuple[str, bytes]]:
    yield README, _TEXT.encode()
    named = list(keys)
    yield KEYS, "".join(f"{key}\n" for key in named).encode()
    for number, key in enumerate(key for key in named if key.algorithm == "ed25519"):
        yield f"keys/{number}.pem", public_pem(key.public)
    if claim is not None and private is not None:
        yield STATEMENT, enveloped(claim, private)
        yield "statement.pem", public_pem(private.public_key().public_bytes_raw())


def _receipts(files: Files, proved: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    """For each of these entries the entry and its receipt, which need no log to be checked."""
    note = read_head(files)
    if note is None:
        return
    size = read_checkpoint(note.text).size
    reader = Reader(files, size)
    for index in proved:
        receipt = Receipt(index=index, hashes=inclusion_proof(index, size, reader.hashes), checkpoint=note)
        yield f"proofs/{index}.json", reader.entry(index)
        yield f"proofs/{index}.tlog-proof", str(receipt).encode()


def _parts(files: Files, *, payloads: bool) -> Iterator[tuple[str, bytes]]:
    note = read_head(files)
    if note is None:
        raise EvidenceError("there is no checkpoint", code="E134")
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
