from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from obverse.stability.local.kept import Prefixes, Rows, Segment, common  # noqa: E402  # behind the skip
from obverse.stability.local.passes import shared  # noqa: E402  # behind the skip

words = st.lists(st.integers(0, 2), max_size=9).map(tuple)


def segment(tokens: tuple[int, ...], start: int = 0) -> Segment:
    """Keys that say which token they are of and where it stands; values the negative."""
    keys = torch.tensor([[[float(100 * at + token)] for at, token in enumerate(tokens)]])[:, start:]
    return Segment([(keys, -keys)], len(tokens) - start)


def told(pieces: list[Segment]) -> list[float]:
    return [float(key) for piece in pieces for key in piece.layers[0][0].flatten()]


@settings(max_examples=300, deadline=None)
@given(kept=st.lists(words, max_size=8), sought=words)
def test_the_longest_beginning_is_found_and_is_right(kept: list[tuple[int, ...]], sought: tuple[int, ...]) -> None:
    prefixes = Prefixes(1 << 20)
    for tokens in kept:
        start = sum(piece.length for piece in prefixes.longest(tokens))
        prefixes.keep(tokens, start, segment(tokens, start))
    found = prefixes.longest(sought)
    longest = max((common(tokens, sought) for tokens in kept), default=0)
    assert sum(piece.length for piece in found) == longest
    assert told(found) == [float(100 * at + token) for at, token in enumerate(sought[:longest])]


def test_what_was_not_used_for_longest_goes_first_and_the_bound_holds() -> None:
    prefixes = Prefixes(4 * 8 * 10)
    for first in range(10):
        tokens = (first, *range(4))
        prefixes.keep(tokens, 0, segment(tokens))
        prefixes.longest((0, 0, 1))
        assert prefixes.bytes <= 4 * 8 * 10
    assert prefixes.longest((0, 0, 1))
    assert prefixes.longest((9, 0, 1))
    assert not prefixes.longest((1, 0, 1))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 1), max_size=60).map(tuple), max_size=8))
def test_what_is_run_once_is_shared_and_worth_it(sequences: list[tuple[int, ...]]) -> None:
    kept: list[tuple[int, ...]] = []

    def covered(tokens: tuple[int, ...]) -> int:
        return max((common(each, tokens) for each in kept), default=0)

    for _ in range(100):
        wanted = shared(sorted(sequences), covered)
        if not wanted:
            break
        for each in wanted:
            users = [tokens for tokens in sequences if tokens[: len(each)] == each]
            assert (len(users) - 1) * (len(each) - covered(each)) >= 24
        kept += wanted
    else:
        pytest.fail("there is always one more to run")


@settings(max_examples=100, deadline=None)
@given(pasts=st.lists(words, min_size=1, max_size=5), room=st.integers(0, 3))
def test_rows_end_at_one_slot_and_hold_their_pasts(pasts: list[tuple[int, ...]], room: int) -> None:
    rows = Rows(1, [[segment(past)] if past else [] for past in pasts], room)
    assert rows.end == max(map(len, pasts))
    for at, past in enumerate(pasts):
        if past:
            assert told([rows.view(at, rows.starts[at], rows.end)]) == told([segment(past)])
            assert not rows.layers[0].keys[at, :, : rows.starts[at]].any()


def test_a_long_chain_of_beginnings_is_bounded_too() -> None:
    prefixes = Prefixes(4000)
    tokens = tuple(range(700))
    for length in range(1, 700, 2):
        start = sum(piece.length for piece in prefixes.longest(tokens[:length]))
        prefixes.keep(tokens[:length], start, segment(tokens[:length], start))
        assert prefixes.bytes <= 4000
