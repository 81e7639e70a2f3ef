from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obverse.core.errors import UntrustedInputError
from obverse.stability.lessons import LONGEST_LINE, lines_of, read_lessons


def line(*said: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in said]})


GOOD = line(("user", "Which way?"), ("assistant", "Left."))


def read(text: str | bytes) -> list:
    data = text.encode() if isinstance(text, str) else text
    return list(read_lessons(lines_of(io.BytesIO(data)), source="new.jsonl"))


def test_a_file_is_read_line_by_line_and_keeps_its_numbers() -> None:
    several = line(("system", "Be short."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    lessons = read(f"{GOOD}\n\n  \n{several}\r\n")
    assert [lesson.line for lesson in lessons] == [1, 4]
    assert lessons[0].answer == "Left."
    assert [message.role for message in lessons[1].messages] == ["system", "user", "assistant", "user"]
    assert lessons[1].answer == "d"


def test_a_byte_order_mark_and_other_fields_are_no_fault() -> None:
    assert len(read(b"\xef\xbb\xbf" + GOOD.encode())) == 1
    assert len(read('{"id": 3, ' + GOOD[1:])) == 1


BAD = {
    "no JSON": ("{", "B621"),
    "no object": ("[]", "B621"),
    "no messages": ("{}", "B621"),
    "content that is no text": ('{"messages": [{"role": "user", "content": 3}]}', "B621"),
    "a role that is not known": (line(("user", "a"), ("wizard", "b")), "B622"),
    "no answer": (line(("user", "a")), "B623"),
    "an answer without words": (line(("user", "a"), ("assistant", " \n")), "B623"),
    "only an answer": (line(("assistant", "b")), "B623"),
    "nobody asks": (line(("system", "a"), ("assistant", "b")), "B624"),
    "bytes that are no text": (b'{"messages": "\xff"}', "B621"),
    "too deep": ("[" * 100_000, "B621"),
}


@pytest.mark.parametrize(("bad", "code"), BAD.values(), ids=BAD)
def test_a_bad_line_is_one_line_that_says_where(bad: str | bytes, code: str) -> None:
    data = bad.encode() if isinstance(bad, str) else bad
    with pytest.raises(UntrustedInputError) as caught:
        read(GOOD.encode() + b"\n" + data)
    assert caught.value.code == code
    assert str(caught.value).startswith(f"new.jsonl:2:1: [{code}] ")
    assert "\n" not in str(caught.value)


def test_what_stands_before_a_bad_line_is_given_first() -> None:
    lessons = read_lessons([GOOD.encode(), b"{"], source="new.jsonl")
    assert next(lessons).answer == "Left."
    with pytest.raises(UntrustedInputError):
        next(lessons)


def test_a_file_without_line_ends_does_not_fill_the_memory() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readline(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size <= LONGEST_LINE + 1
            Endless.given += size
            return b"x" * size

    with pytest.raises(UntrustedInputError, match="more than") as caught:
        list(read_lessons(lines_of(Endless()), source="x"))
    assert caught.value.code == "B620"
    assert Endless.given <= LONGEST_LINE + 1


@given(st.lists(st.binary(max_size=60) | st.just(GOOD.encode()), max_size=4))
def test_whatever_the_bytes_only_our_own_error_comes_out(lines: list[bytes]) -> None:
    def given_lines() -> Iterator[bytes]:
        yield from lines

    with contextlib.suppress(UntrustedInputError):
        assert all(lesson.answer.strip() for lesson in read_lessons(given_lines(), source="x"))
