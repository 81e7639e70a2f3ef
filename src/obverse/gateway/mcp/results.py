"""What a tool gave back, as one text: what the history holds of it is what the agent was given.

A server may send text, structured content, or both, and a hostile one may let them differ: the guard would read one, and
the model the other. So structured content stands for the whole only where the text says the same; otherwise the history holds
both, the rules find no field in it that they know, and not knowing never loosens (L03).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from obverse.policy.decision import Unknown
from obverse.policy.reading import read_json

Content = Sequence[Mapping[str, Any]]


def output_of(content: Content, structured: Any = None) -> str:
    """One text for what a tool gave back: the structured content's JSON, the only text, or both in one JSON text."""
    texts = [str(part.get("text", "")) for part in content if part.get("type") == "text"]
    only = texts[0] if len(texts) == len(content) == 1 else None
    if structured is None:
        return only if only is not None else _json({"content": content}) if content else ""
    if not content or (only is not None and _says(only, structured)):
        return _json(structured)
    if only is not None and _wrapped(only, structured):
        return only
    return _json({"content": content, "structuredContent": structured})


def _says(text: str, structured: Any) -> bool:
    value = read_json(text)
    return not isinstance(value, Unknown) and bool(value == read_json(_json(structured)))


def _wrapped(text: str, structured: Any) -> bool:
    """Whether the structured content is `{"result": X}` around what the text says: servers wrap what is no object so."""
    if not isinstance(structured, Mapping) or list(structured) != ["result"]:
        return False
    inner = structured["result"]
    return inner == text if isinstance(inner, str) else _says(text, inner)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
