"""The request as a value in a format: quotation, list item, heading, tag, JSON field, table cell, CSV, comment of a program.

What must be escaped is escaped as the format wants it. Kept: the request, exactly, as a parser of the format reads it.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable
from typing import Final

from obverse.core.chat import ChatMessage
from obverse.stability.ladders.forms import Impossible, Made, Place, asked
from obverse.stability.ladders.frames import Frame, framed, graded
from obverse.stability.records import Prompt


def _lines(mark: str) -> Callable[[str], str]:
    return lambda text: text.replace("\n", f"\n{mark}")


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")


def _tagged(text: str) -> str:
    return html.escape(text, quote=False)


def _doubled(text: str) -> str:
    return text.replace('"', '""')


_FENCE: Final = "```"
FRAMES: Final = (
    Frame("> ", "", "quotation", _lines("> ")),
    Frame("- ", "", "list item", _lines("  ")),
    Frame("# ", "", "heading, or comment of a shell", _lines("# ")),
    Frame("// ", "", "comment of a program", _lines("// ")),
    Frame("/*\n * ", "\n */", "comment of a program", _lines(" * ")),
    Frame("<p>", "</p>", "tag", _tagged),
    Frame('"request"\n"', '"', "CSV", _doubled),
    Frame('{"request": "', '"}', "JSON", _json),
    Frame("<request>", "</request>", "tag", _tagged),
    Frame("| request |\n|---|\n| ", " |", "table cell", _cell),
    Frame("## Request\n\n> ", "", "heading and quotation", _lines("> ")),
    Frame('{"role": "user", "content": "', '"}', "JSON", _json),
    Frame(f"{_FENCE}python\n# ", f"\n{_FENCE}", "comment in a fenced program", _lines("# ")),
    Frame("<message>\n<from>user</from>\n<body>", "</body>\n</message>", "tags", _tagged),
    Frame('{"type": "message", "message": {"role": "user", "content": "', '"}}', "nested JSON", _json),
    Frame("| from | to | message |\n|---|---|---|\n| user | assistant | ", " |", "table cell", _cell),
    Frame(
        '<?xml version="1.0"?>\n<conversation>\n  <message from="user" to="assistant">', "</message>\n</conversation>",
        "document of tags", _tagged,
    ),
    Frame(
        '{"conversation": {"language": "en", "messages": [{"role": "user", "content": "', '"}], "tags": []}}',
        "nested JSON", _json,
    ),
)  # fmt: skip


def make(prompt: Prompt, place: Place) -> Made | Impossible:
    """The request in one of the formats."""
    return graded(prompt, place, (framed(prompt, frame) for frame in FRAMES))


def recover(messages: tuple[ChatMessage, ...], words: frozenset[str]) -> str | None:
    """The one value of the last message of the user that is prose, as a parser of its format reads it."""
    del words
    text = asked(messages)
    if text is None:
        return None
    for read in (_read_json, _read_tags, _read_table, _read_csv, _read_lines):
        found = read(text)
        if found is not None:
            return found
    return None


def _read_json(text: str) -> str | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    while isinstance(value, dict | list):
        inner = value[-1] if isinstance(value, list) and value else value
        if not isinstance(inner, dict):
            return None
        value = next(
            (inner[key] for key in ("request", "content", "message", "conversation", "messages") if key in inner), None
        )
    return value if isinstance(value, str) else None


def _read_tags(text: str) -> str | None:
    found = re.fullmatch(r"(?:<\?xml[^>]*\?>\n)?(?:<(?:message|conversation)>\s*)?(?:<from>\w+</from>\s*)?"
                         r"<(p|request|body|message)(?: [^<>]*)?>([^<>]*)</\1>(?:\s*</(?:message|conversation)>)?", text)  # fmt: skip
    return html.unescape(found[2]) if found else None


def _read_table(text: str) -> str | None:
    if not re.match(r"\|[^\n]*\|\n\|(?:---\|)+\n\| ", text):
        return None
    cells = re.findall(r"((?:[^|\\]|\\.)*)\|", text.split("\n", 2)[2], re.DOTALL)
    return re.sub(r"<br>|\\(.)", lambda found: found[1] or "\n", cells[-1][1:-1], flags=re.DOTALL) if cells else None


def _read_csv(text: str) -> str | None:
    if not text.startswith('"request"\n"'):
        return None
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return None
    return rows[1][0] if len(rows) == 2 and len(rows[1]) == 1 else None


def _read_lines(text: str) -> str | None:
    lines = text.split("\n")
    match lines:
        case ["## Request", "", *rest]:
            lines = rest
        case ["```python", *rest, "```"] if not any("```" in line for line in rest):
            lines = rest
        case ["/*", *rest, " */"] if not any("*/" in line for line in rest):
            lines = rest
    for mark, further in (("> ", "> "), ("- ", "  "), ("# ", "# "), ("// ", "// "), (" * ", " * ")):
        if lines and lines[0].startswith(mark) and all(line.startswith(further) for line in lines[1:]):
            return "\n".join(line[len(mark) :] for line in lines)
    return None
