"""What a person sees of a text: two texts that look alike have one skeleton.

Compatibility forms are unfolded (NFKC), what leaves no mark is removed (Unicode `Default_Ignorable_Code_Point`, controls,
what is not assigned), letters of other scripts that look like Latin ones are replaced by those (after Unicode TS 39,
section 4, for the scripts that are used to deceive: Cyrillic, Greek, Armenian, Cherokee). Marks are taken off their letters
before and put back after, so that `е` with two dots becomes `ë` whatever script its letter was of.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_PAIRS = (
    "аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw ӏl АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS ҺH ԌG ԚQ ԜW αa οo "
    "νv ρp ιi κk υu χx γy ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϲc ϳj օo սu հh ոn ցg քp ԼL ՕO ՍU ᎪA ᎬE ᎻH ᎫJ "
    "ᏦK ᎷM ᏢP ᏚS ᎢT ᏙV ᏔW ᎠD ᎡR ıi ȷj ɡg ɑa "
)  # the look-alike first, then the letter that it is taken for
LOOKALIKES = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_UNSEEN = ("Cf", "Cc", "Cn", "Cs", "Zl", "Zp")
_IGNORABLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164),
        (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)  # fmt: skip  # marks, letters and blanks without a shape, which their category does not give away
_KEPT = "\n\t"
_CONTROLS = {code: None for code in (*range(32), 127) if chr(code) not in _KEPT}
_SHORT = 2_000
_MOST_MARKS = 30
_HIDDEN_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"  # marks after their decomposition only


def skeleton(text: str) -> str:
    """What a person sees of this text; equal skeletons look alike."""
    if text.isascii():
        return text if text.isprintable() else text.translate(_CONTROLS)
    return (_remembered if len(text) <= _SHORT else _skeleton)(text)


def shape(text: str) -> str:
    """What a person sees of this text who disregards case: texts that might be taken for equal have one shape."""
    return skeleton(skeleton(text).casefold())


def _skeleton(text: str) -> str:
    apart = unicodedata.normalize("NFKD", _without_piles(text))
    return unicodedata.normalize("NFKC", apart.translate(_SEEN))


def composed(text: str) -> str | None:
    """The text after NFC; None for one with more marks on a letter than anybody writes (UAX 15, section 13).

    To put marks into their order takes time that grows with the square of their number.
    """
    return unicodedata.normalize("NFC", text) if text.isascii() or _without_piles(text) == text else None


def _without_piles(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) or character in _HIDDEN_MARKS else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


class _Sight(dict[int, int | str | None]):
    """For `str.translate`: what a person sees in the place of a character."""

    def __missing__(self, code: int) -> int | str | None:
        seen = None if _unseen(chr(code)) else LOOKALIKES.get(code, code)
        if len(self) < _SHORT:
            self[code] = seen
        return seen


_SEEN = _Sight()


_remembered = lru_cache(maxsize=4096)(_skeleton)


def _unseen(character: str) -> bool:
    return character in _IGNORABLE or (character not in _KEPT and unicodedata.category(character) in _UNSEEN)
