"""What will be executed, as a person reads it: canonical arguments, one per line, in the notation of JSON.

`shows` says whether a text is what a digest stands for, byte by byte, so that nothing can be shown and something else be signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from obverse.core.canon import canonical, digest, digest_bytes


def shows(tool: str | None, arguments: str, call: str) -> bool:
    """Whether `call`, a `policy.call_digest`, stands for this tool and these canonical arguments, or for this reply."""
    try:
        if tool is None:
            return digest({"reply": arguments}) == call
        whole = b'{"arguments":%b,"tool":%b}' % (
            arguments.encode(),
            canonical(tool),
        )  # RFC 8785, with the keys in order
        return digest_bytes(whole) == call or digest({"tool": tool, "raw": arguments}) == call
    except ValueError:
        return False


def readable(arguments: str) -> str:
    """The canonical arguments over several lines: a text in quotes, a number without; as they are if they are no JSON."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    try:
        return "".join(_written(value, "\n"))
    except RecursionError:
        return arguments


def brief(arguments: str) -> str:
    """The same on one line, for a list of many: `amount: 150.5, to: "bob"`."""
    try:
        value = json.loads(arguments)
        whole = isinstance(value, dict)
        parts = [f"{_bare(name)}: {''.join(_written(item, ' '))}" for name, item in value.items()] if whole else []
    except (ValueError, RecursionError):
        return arguments
    return ", ".join(parts) if whole else arguments


def _written(value: Any, line: str) -> Iterator[str]:
    match value:
        case {"$number": str(number), **rest} if not rest:
            yield number
        case dict() if value:
            yield from _between("{", [(f"{_text(_key(key))}: ", item) for key, item in value.items()], "}", line)
        case list() if value:
            yield from _between("[", [("", item) for item in value], "]", line)
        case _:
            yield _text(value)


def _between(opening: str, items: list[tuple[str, Any]], closing: str, line: str) -> Iterator[str]:
    yield opening
    for place, (name, item) in enumerate(items):
        yield f"{',' if place else ''}{line}  {name}"
        yield from _written(item, f"{line}  ")
    yield f"{line}{closing}"


def _key(key: str) -> str:
    return key[1:] if key.startswith("$$") else key


def _bare(key: str) -> str:
    """A name without quotes, where it is one that cannot be taken for more."""
    return key if key.isascii() and key.isidentifier() else _text(_key(key))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
