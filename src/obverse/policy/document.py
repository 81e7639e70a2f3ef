"""The document around the rules: front matter, headings with attributes, prose, fenced blocks; with lines of the document.

CommonMark decides what a heading and a fence are (markdown-it-py, block structure only); nothing here knows the rule
language. A block that looks like ours but would not be read (misspelled, unclosed, inside a list) is a fault, never prose:
a rule that nobody reads is worse than none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from obverse.core.errors import Span
from obverse.policy.faults import Faults, did_you_mean, quoted

LARGEST: Final = 1_000_000
"""Bytes of the largest policy that is read. Tools of any number can stand in a file beside it."""

_BLOCKS = {"terms": "terms", "rule": "rule", "rules": "rule"}
_FRONT = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.S | re.M)
_ATTRIBUTES = re.compile(r"\{([^{}]*)\}$")
_ID = re.compile(r"[A-Za-z][\w.-]*")


class Entry(msgspec.Struct, frozen=True):
    """One value of the front matter with its place: a text, or entries by key, or a list of texts."""

    value: str | dict[str, Entry] | tuple[str, ...]
    at: Span


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One fenced block: `first` is the line of the document on which its text begins."""

    kind: Literal["terms", "rule"]
    first: int
    lines: tuple[str, ...]


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """A heading; `attributes` is None where it opens no clause, else its id and the rest."""

    title: str
    depth: int
    at: Span
    attributes: dict[str, str] | None = None


class Section(msgspec.Struct, kw_only=True):
    """A clause to be: its heading (None for what stands outside of any), its prose and its blocks."""

    heading: Heading | None
    prose: list[str]
    blocks: list[Block]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document taken apart. `outside` is what belongs to no clause."""

    front: dict[str, Entry]
    front_at: Span
    outside: Section
    sections: tuple[Section, ...]


def read_text(data: str | bytes, faults: Faults) -> str:
    """The text of a policy, with line feeds at line ends and without a byte order mark.

    Raises:
        ManyErrors: if it is too large, or not UTF-8 text.
    """
    if len(data) > LARGEST:
        faults.add(
            f"the policy is larger than {LARGEST:,} bytes", code="P101", hint="split it, or move tools to a file"
        )
        faults.stop()
    try:
        text = data.decode() if isinstance(data, bytes) else data
        text.encode()  # a lone surrogate is no text
    except UnicodeError as error:
        at = _place_of(data, getattr(error, "start", 0))
        faults.add("the policy is not UTF-8 text", at, code="P100", hint="save it as UTF-8")
        faults.stop()
        raise
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        faults.add("the policy holds a null character", line_span(text, text.index("\0")), code="P100")
        faults.stop()
    return text


def line_span(text: str, offset: int, length: int = 1) -> Span:
    """The span of so many characters from an offset, within its line."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Span(line=line, column=column, end_line=line, end_column=column + length)


def take_apart(text: str, faults: Faults) -> Document:
    """The document's parts; faults are noted, what can be read is read."""
    front, front_at, body_line = _front_matter(text, faults)
    lines = text.split("\n")
    body = "\n".join(["" if number < body_line else line for number, line in enumerate(lines)])
    outside = Section(heading=None, prose=[], blocks=[])
    sections: list[Section] = []
    current, written = outside, body_line
    for item, start, end in _items(body, lines, faults):
        current.prose += lines[written:start]
        written = end
        if isinstance(item, Block):
            current.blocks.append(item)
        elif item.attributes is not None:
            current = Section(heading=item, prose=[], blocks=[])
            sections.append(current)
        elif current.heading is not None and item.depth > current.heading.depth:
            current.prose += lines[start:end]  # a heading below the clause's own is part of its prose
        else:
            current = outside
            current.prose += lines[start:end]
    current.prose += lines[written:]
    return Document(front=front, front_at=front_at, outside=outside, sections=tuple(sections))


def prose_of(lines: list[str]) -> str:
    """The text of these lines, blank ones at the ends gone and runs of them made one."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")


# --- Markdown -----------------------------------------------------------------------------------------------------------


def _items(body: str, lines: list[str], faults: Faults) -> Iterator[tuple[Block | Heading, int, int]]:
    """The headings and blocks of the body, each with its first line and the line after it, from 0."""
    markdown = MarkdownIt("commonmark")
    markdown.core.ruler.enableOnly(["normalize", "block"])
    tokens = markdown.parse(body)
    for place, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = token.map
        if token.type == "heading_open" and token.level == 0:
            yield _heading(tokens[place + 1].content, int(token.tag[1:]), lines[start], start, faults), start, end
        elif token.type == "fence":
            block = _block(token, lines, faults)
            if block is not None:
                yield block, start, end


def _block(token: Token, lines: list[str], faults: Faults) -> Block | None:
    """The block that a fence holds, None if it is not one of ours."""
    start, end = token.map or (0, 0)
    at = Span(line=start + 1, column=1, end_line=start + 1, end_column=len(lines[start]) + 1)
    word = (token.info.split() or [""])[0]
    kind = _BLOCKS.get(word)
    if kind is None:
        near = difflib.get_close_matches(word.lower()[:20], ["terms", "term", *_BLOCKS], n=1, cutoff=0.75)
        if near:
            faults.add(
                f"a block {quoted(word)} is not read", at, code="P108",
                hint=f"did you mean {quoted('terms' if near[0] == 'term' else near[0])}?",
            )  # fmt: skip
        return None
    if token.level != 0:
        faults.add(
            f"a {quoted(word)} block inside a list or a quote is not read", at, code="P108",
            hint="start its fence at the beginning of the line",
        )  # fmt: skip
        return None
    count = token.content.count("\n")
    if end - start < count + 2:
        faults.add(f"the block {quoted(word)} is never closed", at, code="P109", hint=f"end it with {token.markup}")
        return None
    return Block(kind="terms" if kind == "terms" else "rule", first=start + 2, lines=tuple(lines[start + 1 : end - 1]))


def _heading(content: str, depth: int, line: str, number: int, faults: Faults) -> Heading:
    at = Span(line=number + 1, column=1, end_line=number + 1, end_column=len(line) + 1)
    found = _ATTRIBUTES.search(content.rstrip())
    if found is None or not re.search(r"[#=]|\binviolable\b", found[1]):
        return Heading(title=content.strip(), depth=depth, at=at)
    title = content[: found.start()].strip()
    return Heading(title=title, depth=depth, at=at, attributes=_attributes(found[1], at, faults))


def _attributes(text: str, at: Span, faults: Faults) -> dict[str, str] | None:
    """`#id level=developer severity=high inviolable` as a dict with the keys `id`, `level`, `severity`, `inviolable`."""
    found: dict[str, str] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        if word.startswith("#"):
            key, value = "id", word[1:]
        elif word == "inviolable":
            key, value = word, "yes"
        elif key not in ("level", "severity"):
            hint = did_you_mean(key, ["#id", "level=", "severity=", "inviolable"])
            faults.add(f"unknown attribute {quoted(word)}", at, code="P105", hint=hint)
            continue
        if key in found:
            faults.add(f"the attribute {quoted(key)} is given twice", at, code="P105")
        found[key] = value.strip("\"'")
    if not _ID.fullmatch(found.get("id", "")):
        named = quoted(found.get("id", ""))
        faults.add(
            f"a clause cannot have the id {named}" if "id" in found else "a clause without an id", at, code="P105",
            hint="write `{#name}`: a letter, then letters, digits, `.`, `-` or `_`",
        )  # fmt: skip
        return None
    return found


# --- front matter -------------------------------------------------------------------------------------------------------


def _front_matter(text: str, faults: Faults) -> tuple[dict[str, Entry], Span, int]:
    """The entries of the front matter, where it stands, and the first line after it (from 0)."""
    found = _FRONT.match(text)
    top = Span(line=1, column=1, end_line=1, end_column=4)
    if found is None:
        faults.add("no front matter", top, code="P102", hint="begin with `---`, `policy: NAME`, `---`")
        return {}, top, 0
    after = text.count("\n", 0, found.end()) + 1
    try:
        node = yaml.compose(found[1], Loader=yaml.BaseLoader)
        return (_entries(node, faults) if node is not None else {}), top, after
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = _at(mark, mark) if mark else top
        problem = quoted(error.problem or "unreadable", 100)
        faults.add(f"the front matter is not YAML: {problem}", at, code="P102")
    except (yaml.YAMLError, RecursionError, ValueError):
        faults.add("the front matter is not YAML", top, code="P102")
    return {}, top, after


def _entries(node: yaml.Node, faults: Faults) -> dict[str, Entry]:
    """The entries of a YAML mapping; nothing deeper than one mapping in another is read."""
    if not isinstance(node, yaml.MappingNode):
        faults.add("the front matter is not a list of `key: value`", _of(node), code="P102")
        return {}
    found: dict[str, Entry] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in found:
            faults.add(f"{quoted(name)} is given twice", _of(key), code="P102")
        found[name] = Entry(_value(value, faults), _of(value))
    return found


def _value(node: yaml.Node, faults: Faults) -> str | dict[str, Entry] | tuple[str, ...]:
    match node:
        case yaml.ScalarNode():
            return str(node.value)
        case yaml.SequenceNode() if all(isinstance(item, yaml.ScalarNode) for item in node.value):
            return tuple(str(item.value) for item in node.value)
        case yaml.MappingNode() if all(isinstance(value, yaml.ScalarNode) for _, value in node.value):
            return _entries(node, faults)
    faults.add("too deep for front matter", _of(node), code="P102")
    return ""


def _of(node: yaml.Node) -> Span:
    return _at(node.start_mark, node.end_mark)


def _at(start: yaml.Mark, end: yaml.Mark) -> Span:
    """A span of the document: the front matter begins on its second line."""
    return Span(line=start.line + 2, column=start.column + 1, end_line=end.line + 2, end_column=end.column + 1)


def _place_of(data: str | bytes, offset: int) -> Span:
    text = data[:offset].decode(errors="replace") if isinstance(data, bytes) else data[:offset]
    return line_span(text, len(text))
