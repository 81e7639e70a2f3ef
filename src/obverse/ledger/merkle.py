"""The Merkle tree of RFC 6962 with SHA-256: roots, inclusion proofs and consistency proofs, and how to check them.

Pure. Where hashes come from is a parameter: `Hashes` gives the root of the full subtree of 2^level leaves at a position,
which is what tiles store. Sources: RFC 6962 section 2.1 for making proofs, RFC 9162 sections 2.1.3.2 and 2.1.4.2 for checking
them. A check says yes or raises: there is no half-verified proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from obverse.core.errors import EvidenceError, MisuseError

Hashes: TypeAlias = Callable[[int, int], bytes]
"""(level, index) → root of the full subtree of 2^level leaves that begins at leaf index·2^level."""

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry: H(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: H(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the full subtrees that a tree of `size` leaves consists of, largest first: enough to append and for its root."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise MisuseError(f"{size} leaves have {size.bit_count()} peaks, not {len(peaks)}", code="E101")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """One leaf hash more."""
        self.peaks.append(leaf)
        size = self.size
        while size & 1:
            right = self.peaks.pop()
            self.peaks.append(node_hash(self.peaks.pop(), right))
            size >>= 1
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree."""
        if not self.peaks:
            return EMPTY_ROOT
        found = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            found = node_hash(peak, found)
        return found

    @classmethod
    def of(cls, size: int, hashes: Hashes) -> Frontier:
        """The frontier of the first `size` leaves of a tree."""
        peaks, start = [], 0
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                peaks.append(hashes(level, start >> level))
                start += 1 << level
        return cls(size, peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of the tree of these leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


# --- making proofs --------------------------------------------------------------------------------------------------------


def inclusion_proof(index: int, size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """The hashes beside the way from leaf `index` up to the root of the first `size` leaves, the lowest first.

    Raises:
        MisuseError: if there is no such leaf.
    """
    if not 0 <= index < size:
        raise MisuseError(f"no leaf {index} in a tree of {size}", code="E102")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, hashes))
            end = middle
        else:
            proof.append(_range_root(start, middle, hashes))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(old: int, new: int, hashes: Hashes) -> tuple[bytes, ...]:
    """What shows that the tree of `old` leaves is the beginning of that of `new` leaves; empty where they are the same.

    Raises:
        MisuseError: if there is no such beginning.
    """
    if not 0 < old <= new:
        raise MisuseError(f"a tree of {old} is no beginning of one of {new}", code="E102")
    proof, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, hashes))
            end = middle
        else:
            proof.append(_range_root(start, middle, hashes))
            start, whole = middle, False
    if not whole:
        proof.append(_range_root(start, end, hashes))
    return tuple(reversed(proof))


def _split(width: int) -> int:
    """The largest power of two below a width of at least two."""
    return 1 << (width - 1).bit_length() - 1


def _range_root(start: int, end: int, hashes: Hashes) -> bytes:
    """The root of the leaves from `start` to `end`, as a subtree of an RFC 6962 tree."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return hashes(level, start >> level)
    middle = start + _split(width)
    return node_hash(_range_root(start, middle, hashes), _range_root(middle, end, hashes))


# --- checking proofs ------------------------------------------------------------------------------------------------------


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """That this leaf hash stands at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).

    Raises:
        EvidenceError: if the proof does not show it.
    """
    if not 0 <= index < size:
        raise EvidenceError(f"no leaf {index} in a tree of {size}", code="E110")
    number, last, found = index, size - 1, leaf
    for hash_ in _hashes(proof):
        if last == 0:
            raise EvidenceError("the inclusion proof is too long", code="E110")
        if number & 1 or number == last:
            found = node_hash(hash_, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise EvidenceError("the inclusion proof is too short", code="E110")
    if found != root:
        raise EvidenceError(f"leaf {index} is not in the tree with this root", code="E110")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """That the tree of `old` leaves is the beginning of that of `new` leaves (RFC 9162, 2.1.4.2).

    Raises:
        EvidenceError: if the proof does not show it.
    """
    hashes = _hashes(proof)
    if not 0 <= old <= new:
        raise EvidenceError(f"a tree of {old} is no beginning of one of {new}", code="E111")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if hashes or old_root != expected:
            raise EvidenceError("the two trees are not the same", code="E111")
        return
    if old & (old - 1) == 0:
        hashes = [old_root, *hashes]
    if not hashes:
        raise EvidenceError("the consistency proof is too short", code="E111")
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            raise EvidenceError("the consistency proof is too long", code="E111")
        if number & 1 or number == last:
            first, second = node_hash(hash_, first), node_hash(hash_, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, hash_)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise EvidenceError("the consistency proof is too short", code="E111")
    if first != old_root or second != new_root:
        raise EvidenceError("the log was rewritten: the older tree is no beginning of the newer one", code="E111")


def _hashes(proof: Sequence[bytes]) -> list[bytes]:
    if any(len(hash_) != HASH_SIZE for hash_ in proof):
        raise EvidenceError("a hash of another length than 32 bytes in a proof", code="E112")
    return list(proof)
