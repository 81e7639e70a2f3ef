"""The files of a tiled log: where each stands and what is in it. The one module that knows the form on disk.

Source: C2SP tlog-tiles, c2sp.org/tlog-tiles. A tile holds 256 hashes of one level; level L, hash i is the root of the full tile
i below it. Entries lie in bundles of 256, each after its length in two bytes, so an entry is at most 65,535 bytes. Tiles and
bundles never change once written; a partial one (`.p/<width>`) is another file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from obverse.core.errors import EvidenceError, MisuseError
from obverse.ledger.merkle import HASH_SIZE, Frontier, node_hash

WIDTH: Final = 256
"""Hashes of a full tile, and entries of a full bundle."""

HEIGHT: Final = 8
"""Levels of the tree that one tile covers."""

LONGEST_ENTRY: Final = 65_535
CHECKPOINT: Final = "checkpoint"
COSIGNED: Final = "checkpoint.cosigned"
JOURNALS: Final = ("journal.0", "journal.1")
_TOP: Final = 63
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<n>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)

Tile: TypeAlias = tuple[int, int, int]
"""(level, number, width): which hashes of which level a tile file holds. Entries are level -1."""

ENTRIES: Final = -1


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """`tile/0/x001/x234/067`, `tile/entries/000.p/17`: where a tile (or, at level -1, a bundle) stands below the log's folder."""
    if not (ENTRIES <= level <= _TOP and number >= 0 and 0 < width <= WIDTH):
        raise MisuseError(f"no tile {level}, {number}, {width}", code="E103")
    partial = f".p/{width}" if width < WIDTH else ""
    return f"tile/{'entries' if level == ENTRIES else level}/{group_path(number)}{partial}"


def group_path(number: int) -> str:
    """`x001/x234/067`: a number as C2SP tlog-tiles writes it, in groups of three digits, all but the last after an `x`."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:  # groups of three digits
        number //= 1000
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups))


def segment_path(number: int) -> str:
    """Where the payloads of the bundle with this number stand below the log's folder."""
    return f"payload/{group_path(number)}"


def read_path(path: str) -> Tile | None:
    """Which tile stands at this path; None for any other file."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    number = int("".join(part.removeprefix("x") for part in found["n"].split("/")))
    width = int(found["width"] or WIDTH)
    tile = (level, number, width)
    return tile if level <= _TOP and width <= WIDTH and tile_path(*tile) == path else None


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile and bundle that a log of this size needs, bundles first, then level by level."""
    yield from _row(ENTRIES, size)
    level = 0
    while size:
        yield from _row(level, size)
        size //= WIDTH
        level += 1


def _row(level: int, size: int) -> Iterator[Tile]:
    full, rest = divmod(size, WIDTH)
    yield from ((level, number, WIDTH) for number in range(full))
    if rest:
        yield (level, full, rest)


def partial_tiles(size: int) -> Iterator[Tile]:
    """The tiles and bundles of a log of this size that are not full."""
    return (tile for tile in (_last(level, size) for level in range(ENTRIES, HEIGHT)) if tile is not None)


def _last(level: int, size: int) -> Tile | None:
    full, rest = divmod(size >> HEIGHT * max(level, 0), WIDTH)
    return (level, full, rest) if rest else None


def new_tiles(old: int, new: int) -> Iterator[Tile]:
    """The tiles that a log of `new` entries has and one of `old` had not."""
    level = 0
    while new:
        for kind in (ENTRIES, 0) if level == 0 else (level,):
            for number in range(old // WIDTH, -(-new // WIDTH)):
                width = min(WIDTH, new - number * WIDTH)
                if width > old - number * WIDTH:
                    yield (kind, number, width)
        old, new, level = old // WIDTH, new // WIDTH, level + 1


# --- bundles --------------------------------------------------------------------------------------------------------------


def bundle_of(entries: Iterable[bytes]) -> bytes:
    """Entries as they lie in a bundle: a length of two bytes before each, the higher byte first."""
    parts = []
    for entry in entries:
        if len(entry) > LONGEST_ENTRY:
            raise MisuseError(
                f"an entry of {len(entry):,} bytes", code="E104", hint="at most 65,535; put payloads beside it"
            )
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def read_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """The entries of a bundle.

    Raises:
        EvidenceError: if it does not hold exactly so many.
    """
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise EvidenceError("a bundle of entries that ends in the middle of one", code="E113")
        entries.append(entry)
        at += 2 + length
    if len(entries) != width:
        raise EvidenceError(f"a bundle of {len(entries)} entries where {width} belong", code="E113")
    return tuple(entries)


def read_hashes(data: bytes, width: int) -> tuple[bytes, ...]:
    """The hashes of a tile.

    Raises:
        EvidenceError: if it does not hold exactly so many.
    """
    if len(data) != width * HASH_SIZE:
        raise EvidenceError(f"a tile of {len(data)} bytes where {width * HASH_SIZE} belong", code="E113")
    return tuple(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))


# --- from tiles to hashes -------------------------------------------------------------------------------------------------


def place_of(level: int, index: int) -> tuple[int, int, int, int]:
    """Where the root of 2^level leaves at `index` is found: tile level, tile number, first hash, how many of them to join."""
    tile_level, above = divmod(level, HEIGHT)
    count = 1 << above
    first = index * count
    return tile_level, first // WIDTH, first % WIDTH, count


def joined(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes that stand side by side."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def full_root(hashes: Sequence[bytes]) -> bytes:
    """The root over any number of hashes that stand side by side."""
    frontier = Frontier()
    for hash_ in hashes:
        frontier.append(hash_)
    return frontier.root()
