"""Text tests, three-valued: a test is unknown exactly when its answer differs between the text and its skeleton.

The skeleton is what a person sees (`looks`). So `pаypal` with a Cyrillic `а` is neither equal to `paypal` nor
different from it: it is unknown, and the rule that asked fires (L03).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import re2

from obverse.core.verdicts import Truth
from obverse.policy.looks import LOOKALIKES, composed, shape, skeleton
from obverse.policy.reading import Folded

Op = Literal["starts with", "ends with", "contains", "like", "matches", "at domain"]


def same(left: str, right: str) -> Truth:
    """Whether two texts are equal; unknown when they only look alike. Folded if one of them is."""
    if isinstance(left, Folded) or isinstance(right, Folded):
        if left.casefold() == right.casefold():
            return Truth.TRUE
        return Truth.UNKNOWN if shape(left) == shape(right) else Truth.FALSE
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
    plain = composed(pattern) or skeleton(pattern)
    if op not in ("like", "matches"):
        return plain, skeleton(plain)
    seen = plain.translate(LOOKALIKES)
    return plain, plain if unsound(op, seen) else seen  # a range of letters may be none after it


def _plain(op: Op, subject: str, pattern: str, folded: bool) -> bool:
    if op in ("like", "matches"):
        return compiled(op, pattern, folded).fullmatch(_encodable(subject)) is not None
    if folded:
        subject, pattern = subject.casefold(), pattern.casefold()
    match op:
        case "starts with":
            return subject.startswith(pattern)
        case "ends with":
            return subject.endswith(pattern)
        case _:
            return pattern in subject


def _encodable(text: str) -> str:
    """The text with a mark in the place of each lone surrogate, which is no character and has no bytes."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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
    host, wanted = host_of(subject), _name_of(domain.strip("."))
    if host is None or wanted is None:
        return Truth.UNKNOWN
    inside = host == wanted or host.endswith("." + wanted)
    looks = shape(host) == shape(wanted) or shape(host).endswith("." + shape(wanted))
    return Truth.of(inside) if inside == looks else Truth.UNKNOWN


def host_of(text: str) -> str | None:
    """The host of one URL, e-mail address or host name; None if that is not plain to see (two addresses, spaces, …)."""
    if any(character.isspace() or character in "\\,;<>\"'" or not character.isprintable() for character in text):
        return None
    if "://" not in text:
        name, _, host = (text[len(_MAILTO) :] if text[: len(_MAILTO)].lower() == _MAILTO else text).rpartition("@")
        return None if any(mark in name for mark in "@/?#:()[]") else _name_of(host.strip("."))
    try:
        found = urlsplit(text).hostname or ""
        return _address(found) if ":" in found else _name_of(found.strip("."))
    except ValueError:
        return None


_MAILTO = "mailto:"


@lru_cache(maxsize=4096)
def _name_of(host: str) -> str | None:
    """The one spelling of a host name (RFC 5890: letters for their `xn--` form); None for what is no name.

    What ends in a number is an IPv4 address, or nothing: browsers read `127.1` and `0x7f000001` as `127.0.0.1`.
    """
    if not host or len(host) > _LONGEST_HOST:
        return None
    labels = [_label(label) for label in (composed(host.lower()) or "").split(".")]
    if None in labels:
        return None
    name = ".".join(label for label in labels if label is not None)
    return _address(name) if _NUMBER.fullmatch(name.rpartition(".")[2]) else name


_LONGEST_HOST = 253
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def _label(label: str) -> str | None:
    if label.startswith("xn--"):
        try:
            label = label.removeprefix("xn--").encode("ascii").decode("punycode").lower()
        except UnicodeError:
            return None
    plain = all(character in "-_" or unicodedata.category(character)[0] in "LMN" for character in label)
    return label if label and plain else None


def _address(text: str) -> str | None:
    """The one spelling of an IP address; an IPv4 one may be wrapped in an IPv6 one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
