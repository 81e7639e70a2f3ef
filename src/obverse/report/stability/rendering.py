"""A Vega-Lite specification → a small, clean SVG; an SVG → a PNG. Both need `vl-convert-python`, loaded late.

What the renderer gives is read again and written anew with the elements and attributes that are listed here and nothing
else: no style, no script, no links, no names that change from one call to the next. So a picture may stand in a page under
a policy that allows no inline style, and the same specification gives the same bytes.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import escape
from typing import Any, Final, TypeAlias
from xml.etree import ElementTree as Tree

import msgspec

from obverse.core.errors import UnavailableError

Spec: TypeAlias = dict[str, Any]

FONT: Final = "Noto Sans, Liberation Sans, Helvetica Neue, Arial, sans-serif"
INSTALL: Final = "pip install 'obverse[pictures]'"
_KEPT: Final = frozenset({
    "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "width", "height", "transform", "fill", "stroke",
    "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "fill-opacity", "opacity",
    "font-size", "font-weight", "font-style", "text-anchor", "clip-path", "id",
})  # fmt: skip
_ELEMENTS: Final = frozenset({"g", "path", "line", "rect", "circle", "text", "tspan", "defs", "clipPath"})
_NUMERIC: Final = frozenset({"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height"})
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_LONG: Final = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
_SAME: Final = {
    ("opacity", "1"),
    ("stroke-width", "1"),
    ("text-anchor", "start"),
    ("transform", "translate(0,0)"),
    ("stroke-opacity", "1"),
}


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of an SVG, and how large it is."""

    body: str
    width: int
    height: int


def drawn(spec: Spec, *, name: str) -> Drawing:
    """The specification as a clean SVG; `name` begins the names inside it, so that pictures can stand in one page.

    Raises: `UnavailableError` where the renderer is not installed or gives up.
    """
    try:
        import vl_convert  # noqa: F401  # whether it is there; `_rendered` remembers
    except ImportError as missing:
        raise UnavailableError("pictures need `vl-convert-python`", code="B700", hint=INSTALL) from missing
    try:
        root = Tree.fromstring(_rendered(msgspec.json.encode(spec)))  # noqa: S314  # our own renderer wrote it
    except (ValueError, Tree.ParseError) as failed:
        line = " ".join(str(failed).split())[:200]
        raise UnavailableError(f"the picture `{name}` could not be drawn: {line}", code="B701") from failed
    named = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    names = {old: f"{name}-{number}" for number, old in enumerate(named)}
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    return Drawing(body="".join(_written(root, names)), width=round(width), height=round(height))


@lru_cache(maxsize=32)
def _rendered(spec: bytes) -> str:
    """What the renderer makes of it; a page, an SVG and a PNG of one picture need it once. It may load nothing."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec.decode(), allowed_base_urls=[]))


def png(svg: str, *, scale: float) -> bytes:
    """The SVG as a PNG, so many times as large.

    Raises: `UnavailableError` where the renderer is not installed.
    """
    try:
        import vl_convert
    except ImportError as missing:
        raise UnavailableError("PNG pictures need `vl-convert-python`", code="B702", hint=INSTALL) from missing
    plain = svg.replace("−", "–")  # the fonts that it falls back to for a minus are bold or slanted for the whole text
    return packed(bytes(vl_convert.svg_to_png(plain, scale=scale)))


def packed(picture: bytes) -> bytes:
    """The same picture in about a quarter of the bytes: plain rows without transparency pack better than the renderer's.

    One of another make (rows filtered in another way, pixels that let through) comes back as it is.
    """
    import numpy as np

    chunks = list(_chunks(picture))
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[0][1])
    packed_rows = np.frombuffer(zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), np.uint8)
    if kind != [8, 6, 0, 0, 0] or packed_rows.size != height * (width * 4 + 1):
        return picture
    rows = packed_rows.reshape(height, width * 4 + 1)
    if not (rows[:, 0] == 1).all():
        return picture
    pixels = rows[:, 1:].reshape(height, width, 4).cumsum(axis=1, dtype=np.uint8)  # undoes the filter “sub”
    if not (pixels[..., 3] == 255).all():
        return picture
    plain = np.concatenate([np.zeros((height, 1), np.uint8), pixels[..., :3].reshape(height, -1)], axis=1)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(plain.tobytes(), 9)),
        (b"IEND", b""),
    ]
    return _PNG + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at < len(picture):
        length, name = struct.unpack(">I4s", picture[at : at + 8])
        yield name, picture[at + 8 : at + 8 + length]
        at += 12 + length


def _written(element: Tree.Element, names: Mapping[str, str]) -> Iterator[str]:
    """What stands inside the element, in elements and attributes of the lists."""
    for child in element:
        tag = child.tag.rpartition("}")[2]
        if tag not in _ELEMENTS or child.get("display") == "none":
            continue
        inside = "".join(_written(child, names))
        if tag in {"text", "tspan"}:
            inside = escape("".join(child.itertext()), quote=True)
        attributes = "".join(_attributes(child, names))
        painted = any(child.get(name, "none") not in {"none", "transparent"} for name in ("fill", "stroke"))
        if tag == "g":
            if inside:
                yield f"<g{attributes}>{inside}</g>" if attributes else inside
        elif tag in {"defs", "clipPath"} or tag in {"text", "tspan"}:
            yield f"<{tag}{attributes}>{inside}</{tag}>" if inside else ""
        elif painted or element.tag.endswith("clipPath"):
            yield f"<{tag}{attributes}/>"


def _attributes(element: Tree.Element, names: Mapping[str, str]) -> Iterator[str]:
    for name, value in element.attrib.items():
        if name not in _KEPT or (name, value) in _SAME:
            continue
        if name == "id":
            said = names[value]
        elif name == "clip-path":
            said = f"url(#{names[value.removeprefix('url(#').removesuffix(')')]})"
        else:
            said = _LONG.sub(_short, value) if name in _NUMERIC else value
        yield f' {name}="{escape(said, quote=True)}"'


def _short(number: re.Match[str]) -> str:
    said = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if said == "-0" else said
