"""Text tests, three-valued: a test is unknown exactly when its answer differs between the text and its skeleton.

The skeleton is what a person sees: compatibility forms unfolded (NFKC), invisible and control characters removed, letters of
other scripts that look like Latin ones replaced by those (after Unicode TS 39, section 4, for the scripts that are used to
deceive: Cyrillic, Greek, Armenian, Cherokee look-alikes). So `pаypal` with a Cyrillic `а` is neither equal to `paypal` nor
different from it: it is unknown, and the rule that asked fires (L03).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import re2

from obverse.core.verdicts import Truth
from obverse.policy.reading import Folded

_PAIRS = (
    "аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw ӏl АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS ҺH ԌG ԚQ ԜW αa οo "
    "νv ρp ιi κk υu χx γy ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϲc ϳj օo սu հh ոn ցg քp ԼL ՕO ՍU ᎪA ᎬE ᎻH ᎫJ "
    "ᏦK ᎷM ᏢP ᏚS ᎢT ᏙV ᏔW ᎠD ᎡR ıi ȷj ɡg ɑa "
)  # the look-alike first, then the letter that it is taken for
_LOOKALIKES = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_KEPT = frozenset("\n\t")

Op = Literal["starts with", "ends with", "contains", "like", "matches", "at domain"]


@lru_cache(maxsize=4096)
def skeleton(text: str) -> str:
    """What a person sees of this text; equal skeletons look alike."""
    if text.isascii() and text.isprintable():
        return text
    seen = unicodedata.normalize("NFKC", text)
    return "".join(
        character
        for character in seen
        if character in _KEPT or unicodedata.category(character) not in ("Cf", "Cc", "Cn")
    ).translate(_LOOKALIKES)


def same(left: str, right: str) -> Truth:
    """Whether two texts are equal; unknown when they only look alike. Folded if one of them is."""
    if isinstance(left, Folded) or isinstance(right, Folded):
        left, right = left.casefold(), right.casefold()
    if left == right:
        return Truth.TRUE
    return Truth.UNKNOWN if skeleton(left) == skeleton(right) else Truth.FALSE


def test(op: Op, subject: str, pattern: str) -> Truth:
    """What the test says of the subject, if it says the same of the subject's skeleton; else unknown."""
    return (_remembered if len(subject) <= _SHORT else _test)(op, subject, pattern)


def _test(op: Op, subject: str, pattern: str) -> Truth:
    folded = isinstance(subject, Folded)
    if op == "at domain":
        return _at_domain(subject, pattern)
    plain, seen = _written_and_seen(op, pattern)
    as_written, looks = _plain(op, subject, plain, folded), skeleton(subject)
    if looks == subject and seen == plain:
        return Truth.of(as_written)
    return Truth.of(as_written) if as_written == _plain(op, looks, seen, folded) else Truth.UNKNOWN


_SHORT = 2_000  # one message is asked the same questions at many steps; a long text is not worth its place
_remembered = lru_cache(maxsize=4096, typed=True)(_test)  # typed: a folded text is another text


@lru_cache(maxsize=4096)
def _written_and_seen(op: Op, pattern: str) -> tuple[str, str]:
    """A pattern after NFC, and as it is put to what a person sees of a text."""
    plain = unicodedata.normalize("NFC", pattern)
    return plain, plain.translate(_LOOKALIKES) if op in ("like", "matches") else skeleton(plain)


def _plain(op: Op, subject: str, pattern: str, folded: bool) -> bool:
    if op in ("like", "matches"):
        return compiled(op, pattern, folded).fullmatch(subject) is not None
    if folded:
        subject, pattern = subject.casefold(), pattern.casefold()
    match op:
        case "starts with":
            return subject.startswith(pattern)
        case "ends with":
            return subject.endswith(pattern)
        case _:
            return pattern in subject


@lru_cache(maxsize=4096)
def compiled(op: Literal["like", "matches"], pattern: str, folded: bool) -> re2._Regexp:
    """The compiled pattern, linear in time (RE2). Raises `re2.error` for one outside the safe subset."""
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.case_sensitive = not folded
    return re2.compile(glob(pattern) if op == "like" else pattern, options)


def unsound(op: Literal["like", "matches"], pattern: str) -> str | None:
    """Why this is no pattern of the safe subset, in lower case; None if it is one."""
    try:
        compiled(op, pattern, False)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        return (reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)).lower()
    return None


def glob(pattern: str) -> str:
    r"""The regular expression of a glob: `*` any text, `?` one character, `\` takes the next one as it is."""
    out, escaped = [], False
    for character in pattern:
        if escaped:
            out.append(re2.escape(character))
        elif character == "\\":
            escaped = True
            continue
        else:
            out.append({"*": ".*", "?": "."}.get(character) or re2.escape(character))
        escaped = False
    return "".join(out)


def _at_domain(subject: str, domain: str) -> Truth:
    host = host_of(subject)
    if host is None:
        return Truth.UNKNOWN
    wanted = domain.casefold().strip(".")
    inside = host == wanted or host.endswith("." + wanted)
    looks = skeleton(host) == skeleton(wanted) or skeleton(host).endswith("." + skeleton(wanted))
    return Truth.of(inside) if inside == looks else Truth.UNKNOWN


def host_of(text: str) -> str | None:
    """The host of one URL, e-mail address or host name; None if that is not plain to see (two addresses, spaces, …)."""
    if any(character.isspace() or character in "\\,;<>\"'" or not character.isprintable() for character in text):
        return None
    try:
        host = urlsplit(text).hostname if "://" in text else text.rpartition("@")[2]
    except ValueError:
        return None
    if not host or ("://" not in text and (text.count("@") > 1 or any(mark in host for mark in "/?#:"))):
        return None
    return host.casefold().strip(".")
