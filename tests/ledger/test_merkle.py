"""The tree against its definition in RFC 6962, word for word; proofs that hold, and what was changed that does not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import EvidenceError, MisuseError
from obverse.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)

MOST = 33
LEAVES = [leaf_hash(str(number).encode()) for number in range(MOST)]


def defined(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = max(2**power for power in range(20) if 2**power < len(leaves))
    return hashlib.sha256(b"\x01" + defined(leaves[:split]) + defined(leaves[split:])).digest()


def hashes(level: int, index: int) -> bytes:
    assert (index + 1) << level <= MOST, "only full subtrees are asked for"
    return defined(LEAVES[index << level : (index + 1) << level])


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    split = max(2**power for power in range(20) if 2**power < len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), defined(leaves[split:])]
    return [*path(index - split, leaves[split:]), defined(leaves[:split])]


def test_roots_are_those_of_the_rfc() -> None:
    assert root_of([]) == EMPTY_ROOT
    for size in range(MOST + 1):
        assert root_of(LEAVES[:size]) == defined(LEAVES[:size])
        assert Frontier.of(size, hashes).root() == defined(LEAVES[:size])


def test_a_frontier_goes_on_where_it_was_left() -> None:
    for size in range(MOST):
        frontier = Frontier.of(size, hashes)
        frontier.append(LEAVES[size])
        assert frontier.root() == defined(LEAVES[: size + 1])
    with pytest.raises(MisuseError):
        Frontier(3, [b""])


def test_each_leaf_is_proved_to_be_where_it_is_and_nowhere_else() -> None:
    for size in range(1, MOST + 1):
        root = defined(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, hashes)
            assert list(proof) == path(index, LEAVES[:size])
            check_inclusion(LEAVES[index], index, size, proof, root)
            for other in range(size):
                if other != index:
                    with pytest.raises(EvidenceError):
                        check_inclusion(LEAVES[index], other, size, proof, root)


def test_each_beginning_is_proved_to_be_one() -> None:
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, hashes)
            check_consistency(old, defined(LEAVES[:old]), new, defined(LEAVES[:new]), proof)
            rewritten = [leaf_hash(b"rewritten"), *LEAVES[1:]]
            with pytest.raises(EvidenceError):
                check_consistency(old, defined(rewritten[:old]), new, defined(LEAVES[:new]), proof)
            with pytest.raises(EvidenceError):
                check_consistency(old, defined(LEAVES[:old]), new, defined(rewritten[:new]), proof)
    check_consistency(0, EMPTY_ROOT, 5, defined(LEAVES[:5]), ())


@given(st.integers(1, MOST), st.data())
def test_no_changed_proof_holds(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = defined(LEAVES[:size])
    proof = list(inclusion_proof(index, size, hashes))
    change = data.draw(st.sampled_from(["drop", "add", "flip"]))
    if change == "add":
        proof.insert(data.draw(st.integers(0, len(proof))), LEAVES[0])
    elif not proof:
        return
    elif change == "drop":
        proof.pop(data.draw(st.integers(0, len(proof) - 1)))
    else:
        place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        changed = int.from_bytes(proof[place], "big") ^ 1 << bit
        proof[place] = changed.to_bytes(32, "big")
    with pytest.raises(EvidenceError):
        check_inclusion(LEAVES[index], index, size, proof, root)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(MisuseError):
        inclusion_proof(index, size, hashes)
    with pytest.raises(EvidenceError):
        check_inclusion(LEAVES[0], index, size, (), EMPTY_ROOT)


def test_a_hash_has_32_bytes() -> None:
    with pytest.raises(EvidenceError):
        check_inclusion(LEAVES[0], 0, 2, (LEAVES[1][:31],), defined(LEAVES[:2]))
