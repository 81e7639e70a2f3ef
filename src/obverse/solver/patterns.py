"""Text tests in Z3's theory of strings, and one plain text for a glob or a regular expression.

Regular expressions are read by Python's own parser: the safe subset that the language allows means the same there. What it
does not cover is `Untranslatable`, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import z3

# Python's own reader of regular expressions: part of the package `re` since 3.11, without a public name.
sre: Final[Any] = vars(re)["_constants"]
parser: Final[Any] = vars(re)["_parser"]

_LETTERS = "x1 a-"
_MOST = 200
_UNBOUNDED = 2**31


class Untranslatable(Exception):  # noqa: N818  # it names a pattern, and becomes an answer
    """A pattern that has no counterpart here; the text says which."""


def translate(op: str, pattern: str, text: z3.SeqRef, *, folded: bool) -> z3.BoolRef:
    """The test as a formula about the text. A folded text is taken to be in lower case.

    Raises:
        Untranslatable: where the pattern has no counterpart.
    """
    context = text.ctx
    wanted = pattern.casefold() if folded else pattern
    match op:
        case "starts with":
            return z3.PrefixOf(z3.StringVal(wanted, context), text)
        case "ends with":
            return z3.SuffixOf(z3.StringVal(wanted, context), text)
        case "contains":
            return z3.Contains(text, z3.StringVal(wanted, context))
        case "like":
            return z3.InRe(text, _expression(_parsed(glob_expression(wanted)), context, fold=False))
        case "matches":
            parsed = _parsed(pattern)
            unlike = re.MULTILINE | re.VERBOSE | re.ASCII | re.LOCALE
            if parsed.state.flags & unlike:
                raise Untranslatable(f"the flags of `{pattern}`")
            fold = folded or bool(parsed.state.flags & re.IGNORECASE)
            return z3.InRe(text, _expression(parsed, context, fold=fold))
    raise Untranslatable(f"`{op}`")


def instances(op: str, pattern: str) -> list[str]:
    """Short texts that the glob or regular expression may match as a whole, those that are plain to see."""
    try:
        parsed = _parsed(glob_expression(pattern) if op == "like" else pattern)
        return list(dict.fromkeys(_shortest(parsed, filler) for filler in (("1", "") if op == "like" else ("", "1"))))
    except Untranslatable:
        return []


def widths(op: str, pattern: str) -> tuple[int, int]:
    """The fewest and the most characters of a text that passes the test."""
    if op in ("starts with", "ends with", "contains"):
        return len(pattern), _UNBOUNDED
    if op in ("like", "matches"):
        try:
            least, most = _parsed(glob_expression(pattern) if op == "like" else pattern).getwidth()
        except Untranslatable:
            return 0, _UNBOUNDED
        return int(least), int(most)
    return 0, _UNBOUNDED


def glob_expression(pattern: str) -> str:
    """The regular expression of a glob: `*` any text, `?` one character, a backslash takes the next one as it is."""
    out, escaped = [], False
    for character in pattern:
        if not escaped and character == "\\":
            escaped = True
            continue
        marks = {} if escaped else {"*": ".*", "?": "."}
        out.append(marks.get(character, re.escape(character)))
        escaped = False
    return "".join(out)


def _parsed(pattern: str) -> Any:
    try:
        return parser.parse(pattern, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise Untranslatable(f"`{pattern}`") from error


def _expression(items: Sequence[tuple[Any, Any]], context: z3.Context, *, fold: bool) -> z3.ReRef:
    parts = [_one(op, value, context, fold=fold) for op, value in items]
    if not parts:
        return z3.Re(z3.StringVal("", context))
    return parts[0] if len(parts) == 1 else z3.Concat(*parts)


def _one(op: Any, value: Any, context: z3.Context, *, fold: bool) -> z3.ReRef:
    if op is sre.LITERAL:
        return _letter(chr(value), context, fold=fold)
    if op is sre.ANY:
        return _any(context)
    if op is sre.NOT_LITERAL:
        return z3.Intersect(_any(context), z3.Complement(_letter(chr(value), context, fold=fold)))
    if op is sre.IN:
        return _class(value, context, fold=fold)
    if op is sre.BRANCH:
        choices = [_expression(list(choice), context, fold=fold) for choice in value[1]]
        return choices[0] if len(choices) == 1 else z3.Union(*choices)
    if op is sre.SUBPATTERN:
        if value[1] or value[2]:
            raise Untranslatable("flags inside a pattern")
        return _expression(list(value[3]), context, fold=fold)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, body = value
        inner = _expression(list(body), context, fold=fold)
        if high is sre.MAXREPEAT:
            return z3.Star(inner) if low == 0 else z3.Concat(z3.Loop(inner, low, low), z3.Star(inner))
        if high > _MOST:
            raise Untranslatable("a long repetition")
        return z3.Loop(inner, low, high)
    if op is sre.AT and value in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING, sre.AT_END, sre.AT_END_STRING):
        return z3.Re(z3.StringVal("", context))  # the whole value is matched anyway; inside a pattern it is not used
    raise Untranslatable(f"a part of a pattern, {str(op).lower()}")


def _any(context: z3.Context) -> z3.ReRef:
    return z3.Range(z3.StringVal(" ", context), z3.StringVal("~", context))


def _letter(letter: str, context: z3.Context, *, fold: bool) -> z3.ReRef:
    forms = sorted({letter.lower(), letter.upper()}) if fold else [letter]
    found = [z3.Re(z3.StringVal(form, context)) for form in forms]
    return found[0] if len(found) == 1 else z3.Union(*found)


def _class(items: Sequence[tuple[Any, Any]], context: z3.Context, *, fold: bool) -> z3.ReRef:
    found: list[z3.ReRef] = []
    negated = False
    for op, value in items:
        if op is sre.NEGATE:
            negated = True
        elif op is sre.LITERAL:
            found.append(_letter(chr(value), context, fold=fold))
        elif op is sre.RANGE and fold:
            found += [_letter(chr(code), context, fold=True) for code in range(value[0], min(value[1], 127) + 1)]
        elif op is sre.RANGE:
            found.append(z3.Range(z3.StringVal(chr(value[0]), context), z3.StringVal(chr(value[1]), context)))
        elif op is sre.CATEGORY:
            found.append(_category(value, context))
        else:
            raise Untranslatable("a part of a character class")
    union = found[0] if len(found) == 1 else z3.Union(*found)
    return z3.Intersect(_any(context), z3.Complement(union)) if negated else union


_CATEGORIES = {
    sre.CATEGORY_DIGIT: ("09",),
    sre.CATEGORY_WORD: ("09", "az", "AZ", "__"),
    sre.CATEGORY_SPACE: ("  ", "\t\r"),
}
_OPPOSITES = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
}


def _category(value: Any, context: z3.Context) -> z3.ReRef:
    if value in _OPPOSITES:
        return z3.Intersect(_any(context), z3.Complement(_category(_OPPOSITES[value], context)))
    if value not in _CATEGORIES:
        raise Untranslatable("a character category")
    ranges = [z3.Range(z3.StringVal(r[0], context), z3.StringVal(r[1], context)) for r in _CATEGORIES[value]]
    return ranges[0] if len(ranges) == 1 else z3.Union(*ranges)


def _shortest(items: Sequence[tuple[Any, Any]], filler: str) -> str:
    """A short match; `filler` stands where anything may."""
    out = []
    for op, value in items:
        if op is sre.LITERAL:
            out.append(chr(value))
        elif op is sre.ANY:
            out.append("x")
        elif op is sre.NOT_LITERAL:
            out.append(next(c for c in _LETTERS if ord(c) != value))
        elif op is sre.IN:
            out.append(_member(value))
        elif op is sre.BRANCH:
            out.append(min((_shortest(list(choice), filler) for choice in value[1]), key=len))
        elif op is sre.SUBPATTERN:
            out.append(_shortest(list(value[3]), filler))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            if value[0] > _MOST:
                raise Untranslatable("a long repetition")
            body = list(value[2])
            anything = len(body) == 1 and body[0][0] is sre.ANY
            if anything and value[0] <= len(filler) <= value[1]:
                out.append(filler)  # `*.txt` becomes `1.txt`
            else:
                out.append(
                    _shortest(body, filler) * (value[0] if anything else max(value[0], 1 if filler == "1" else 0))
                )
        elif op is not sre.AT:
            raise Untranslatable(str(op).lower())
    return "".join(out)


def _member(items: Sequence[tuple[Any, Any]]) -> str:
    pattern = re.compile(_class_text(items))
    for character in "a1xA0 -_.zZ9" + "".join(map(chr, range(33, 127))):
        if pattern.fullmatch(character):
            return character
    raise Untranslatable("an empty character class")


def _class_text(items: Sequence[tuple[Any, Any]]) -> str:
    names = {
        sre.CATEGORY_DIGIT: r"\d",
        sre.CATEGORY_NOT_DIGIT: r"\D",
        sre.CATEGORY_WORD: r"\w",
        sre.CATEGORY_NOT_WORD: r"\W",
        sre.CATEGORY_SPACE: r"\s",
        sre.CATEGORY_NOT_SPACE: r"\S",
    }
    out = ["["]
    for op, value in items:
        if op is sre.NEGATE:
            out.append("^")
        elif op is sre.LITERAL:
            out.append(re.escape(chr(value)))
        elif op is sre.RANGE:
            out.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        elif op is sre.CATEGORY and value in names:
            out.append(names[value])
        else:
            raise Untranslatable("a part of a character class")
    return "".join(out) + "]"
