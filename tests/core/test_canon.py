"""The canonical form: the short way gives the bytes of the long one."""

from __future__ import annotations

from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.canon import SAFE, _fast, _plain, canonical

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE - 2, SAFE + 2)
    | st.text(max_size=8)
    | st.sampled_from(["a", "$b", "\\", '"', "\x7f", "\n"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["$", "z"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_the_short_way_is_the_long_way(value: Any) -> None:
    fast = _fast(value)
    assert fast is None or fast == rfc8785.dumps(_plain(value))
    assert canonical(value) == rfc8785.dumps(_plain(value))


def test_the_short_way_is_taken_where_it_can_be() -> None:
    assert _fast({"b": [1, "x"], "a": None}) == b'{"a":null,"b":[1,"x"]}'
    assert _fast({"a": "é"}) is None
    assert _fast({"$a": 1}) is None
    assert _fast(1.0) is None
