"""What the renderer gives is written anew: small, the same each time, and without anything that a page must not hold."""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any

import pytest

from obverse.core.errors import UnavailableError
from obverse.report.stability import rendering
from obverse.report.stability.palette import TONES
from obverse.report.stability.rendering import drawn, packed, png

pytest.importorskip("vl_convert", reason="the extra `pictures` is not installed")


def spec(text: str = "a", link: str | None = None) -> dict[str, Any]:
    return {
        "data": {"values": [{"x": 1, "t": text}, {"x": 3, "t": "b"}]},
        "width": 80,
        "height": 40,
        "layer": [
            {
                "mark": {"type": "rule", "clip": True, "color": TONES["ink"]},
                "encoding": {"x": {"field": "x", "type": "quantitative"}},
            },
            {
                "mark": {"type": "text", "color": TONES["ink"], "tooltip": True} | ({"href": link} if link else {}),
                "encoding": {"text": {"field": "t"}, "x": {"field": "x", "type": "quantitative"}},
            },
        ],
    }


def test_only_listed_elements_and_attributes_remain() -> None:
    body = drawn(spec(link="https://example.invalid/"), name="p").body
    for word in ("style=", "class=", "href", "<a", "aria-", "role=", "tooltip", "script", "display", "pointer-events"):
        assert word not in body


def test_the_same_specification_gives_the_same_bytes_however_often() -> None:
    assert len({drawn(spec(), name="p").body for _ in range(3)}) == 1


def test_names_inside_begin_with_the_name_of_the_picture() -> None:
    body = drawn(spec(), name="map-wide").body
    assert 'clipPath id="map-wide-0"' in body
    assert "url(#map-wide-0)" in body
    assert drawn(spec(), name="other").body != body


@pytest.mark.parametrize(
    "text", ["<script>x</script>", "</svg><img src=x onerror=y>", "\"'&lt;&amp;", "]]><!--", "a\\u003cb"]
)
def test_text_stays_text(text: str) -> None:
    from html import escape

    assert escape(text, quote=True) in drawn(spec(text), name="p").body
    assert "<script" not in drawn(spec(text), name="p").body


def test_numbers_are_short() -> None:
    import re

    assert re.findall(r"\d\.\d{3,}", drawn(spec(), name="p").body) == []


def test_a_specification_that_the_renderer_cannot_read_is_named() -> None:
    with pytest.raises(UnavailableError) as caught:
        drawn({"mark": 3}, name="broken")
    assert caught.value.code == "B701"
    assert "broken" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("call", "code"), [(lambda: drawn({}, name="p"), "B700"), (lambda: png("", scale=1), "B702")])
def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, call: Any, code: str) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UnavailableError) as caught:
        call()
    assert caught.value.code == code
    assert "obverse[pictures]" in str(caught.value)


def unpacked(picture: bytes) -> list[list[tuple[int, int, int]]]:
    """The pixels, by the PNG specification and one byte at a time."""
    at, data, head = 8, b"", b""
    while at < len(picture):
        length, name = struct.unpack(">I4s", picture[at : at + 8])
        chunk = picture[at + 8 : at + 8 + length]
        assert struct.unpack(">I", picture[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + chunk)
        head, data, at = (
            (chunk if name == b"IHDR" else head),
            data + (chunk if name == b"IDAT" else b""),
            at + 12 + length,
        )
    width, height, depth, colour = struct.unpack(">IIBB", head[:10])
    assert depth == 8
    wide = {2: 3, 6: 4}[colour]
    raw, rows = zlib.decompress(data), []
    for row in range(height):
        line = bytearray(raw[row * (width * wide + 1) + 1 : (row + 1) * (width * wide + 1)])
        if raw[row * (width * wide + 1)] == 1:
            for place in range(wide, len(line)):
                line[place] = (line[place] + line[place - wide]) % 256
        rows.append([(line[p], line[p + 1], line[p + 2]) for p in range(0, len(line), wide)])
    return rows


SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="10"><rect width="24" height="10" fill="#fbfaf6"/><circle cx="9" cy="5" r="4" fill="#1f5f8f"/></svg>'


def test_a_packed_picture_has_the_same_pixels_in_fewer_bytes() -> None:
    import vl_convert

    whole = bytes(vl_convert.svg_to_png(SQUARE, scale=2))
    assert packed(whole) != whole
    assert unpacked(packed(whole)) == unpacked(whole)


def test_a_picture_that_lets_through_stays_as_it_is() -> None:
    import vl_convert

    whole = bytes(vl_convert.svg_to_png(SQUARE.replace('<rect width="24" height="10" fill="#fbfaf6"/>', ""), scale=1))
    assert packed(whole) == whole


def test_a_minus_is_drawn_with_a_sign_that_the_fonts_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "−" not in SQUARE
    assert png(SQUARE, scale=1) == png(SQUARE, scale=1)
    assert rendering.png(SQUARE, scale=1).startswith(b"\x89PNG")
