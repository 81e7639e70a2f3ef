"""Where tiles stand and what is in them: the examples of the specification, and every size up to some thousands."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import EvidenceError, MisuseError
from obverse.ledger.merkle import leaf_hash, root_of
from obverse.ledger.tiles import (
    ENTRIES,
    LONGEST_ENTRY,
    bundle_of,
    full_root,
    joined,
    new_tiles,
    place_of,
    read_bundle,
    read_hashes,
    read_path,
    tile_path,
    tiles_of,
)

PATHS = {
    (0, 1234067, 256): "tile/0/x001/x234/067",
    (0, 0, 256): "tile/0/000",
    (2, 0, 17): "tile/2/000.p/17",
    (ENTRIES, 999, 256): "tile/entries/999",
    (ENTRIES, 1000, 1): "tile/entries/x001/000.p/1",
}


@pytest.mark.parametrize(("tile", "path"), PATHS.items(), ids=PATHS.values())
def test_a_tile_stands_where_the_specification_says(tile: tuple[int, int, int], path: str) -> None:
    assert tile_path(*tile) == path
    assert read_path(path) == tile


@given(st.integers(ENTRIES, 63), st.integers(0, 10**9), st.integers(1, 256))
def test_a_path_is_read_as_it_was_written(level: int, number: int, width: int) -> None:
    assert read_path(tile_path(level, number, width)) == (level, number, width)


NO_TILE = ["tile/00/000", "tile/64/000", "tile/0/0", "tile/0/x000/001", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/000/", "checkpoint"]  # fmt: skip


@pytest.mark.parametrize("path", NO_TILE)
def test_what_is_no_tile_is_none(path: str) -> None:
    assert read_path(path) is None


def test_sizes_of_the_specification() -> None:
    def rows(size: int) -> Counter[tuple[int, int]]:
        return Counter((level, width) for level, _, width in tiles_of(size) if level != ENTRIES)

    assert rows(256) == {(0, 256): 1, (1, 1): 1}
    assert rows(70_000) == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}
    assert list(tiles_of(0)) == []


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_new_tiles_are_those_that_were_not_there(one: int, other: int) -> None:
    old, new = sorted((one, other))
    assert {*new_tiles(old, new)} == {*tiles_of(new)} - {*tiles_of(old)}


def test_any_full_subtree_is_found_in_the_tiles() -> None:
    leaves = [leaf_hash(bytes([number % 251])) for number in range(600)]
    rows = [leaves]
    while len(rows[-1]) >= 256:
        row = rows[-1]
        rows.append([joined(row[at : at + 256]) for at in range(0, len(row) - 255, 256)])
    for level in range(10):
        for index in range(600 >> level):
            tile_level, number, first, count = place_of(level, index)
            hashes = rows[tile_level][number * 256 : number * 256 + 256]
            assert joined(hashes[first : first + count]) == root_of(leaves[index << level : (index + 1) << level])
    assert full_root(leaves) == root_of(leaves)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    assert list(read_bundle(bundle_of(entries), len(entries))) == entries


@given(st.binary(max_size=60), st.integers(0, 5))
def test_any_bytes_are_a_bundle_or_refused(data: bytes, width: int) -> None:
    try:
        entries = read_bundle(data, width)
    except EvidenceError:
        return
    assert bundle_of(entries) == data


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MisuseError):
        bundle_of([b"x" * (LONGEST_ENTRY + 1)])
    with pytest.raises(EvidenceError):
        read_hashes(b"x" * 33, 1)
    with pytest.raises(MisuseError):
        tile_path(0, 0, 257)
