"""What software of others makes of our logs: the same roots, and it accepts our proofs. Go's is asked in `benchmarks/ledger.py`."""

from __future__ import annotations

import pytest
from pymerkle import InmemoryTree, InvalidProof, verify_inclusion

from obverse.core.canon import canonical
from obverse.ledger.merkle import Hashes, inclusion_proof, leaf_hash, node_hash, root_of

ENTRIES = [canonical({"number": number}) for number in range(300)]


def hashes(entries: list[bytes]) -> Hashes:
    def at(level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(entries[index])
        return node_hash(at(level - 1, 2 * index), at(level - 1, 2 * index + 1))

    return at


@pytest.mark.parametrize("size", [1, 2, 3, 100, 255, 256, 257, 300])
def test_pymerkle_has_our_roots_and_our_proofs(size: int) -> None:
    tree = InmemoryTree(algorithm="sha256")
    for entry in ENTRIES[:size]:
        tree.append_entry(entry)
    root = root_of(map(leaf_hash, ENTRIES[:size]))
    assert tree.get_root() == root
    for index in range(0, size, 7):
        proof = tree.prove_inclusion(index + 1, size)  # it counts from 1
        ours = inclusion_proof(index, size, hashes(ENTRIES))
        proof.path = [leaf_hash(ENTRIES[index]), *ours]
        verify_inclusion(leaf_hash(ENTRIES[index]), root, proof)
        if ours:
            proof.path = [leaf_hash(ENTRIES[index]), *ours[:-1], bytes(32)]
            with pytest.raises(InvalidProof):
                verify_inclusion(leaf_hash(ENTRIES[index]), root, proof)
