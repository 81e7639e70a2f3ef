"""The canonical form: the short way gives the bytes of the long one."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.canon import SAFE, _fast, _plain, canonical, read_canonical
from obverse.core.errors import UntrustedInputError

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


@given(st.text())
def test_strings_are_escaped_alike(text: str) -> None:
    assert _fast(text) == rfc8785.dumps(text)


@given(VALUES)
def test_the_short_way_is_the_long_way(value: Any) -> None:
    fast = _fast(value)
    assert fast is None or fast == rfc8785.dumps(_plain(value))
    assert canonical(value) == rfc8785.dumps(_plain(value))


def test_the_short_way_is_taken_where_it_can_be() -> None:
    assert _fast({"b": [1, "x"], "a": None}) == b'{"a":null,"b":[1,"x"]}'
    assert _fast({"a": "é\n"}) == '{"a":"é\\n"}'.encode()
    assert _fast({"é": "a"}) is None
    assert _fast({"a": "\ud800"}) is None
    assert _fast({"$a": 1}) is None
    assert _fast(1.0) is None


@given(VALUES | st.binary(max_size=20))
def test_what_is_read_as_canonical_is(value: Any) -> None:
    data = value if isinstance(value, bytes) else canonical(value)
    try:
        found = read_canonical(data)
    except UntrustedInputError:
        assert isinstance(value, bytes)
    else:
        assert rfc8785.dumps(found) == data


@pytest.mark.parametrize(
    "data", [b'{"a":1.0}', b"1e2", b'{"b":1,"a":2}', b'{"a":1,"a":1}', b" {}", b'"\\u0041"', b"NaN", b"[" * 5000]
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(UntrustedInputError):
        read_canonical(data)
