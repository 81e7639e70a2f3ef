"""Reading the fields of a request, one by one. What is not known is refused: the model might be told what the guard does not see.

Both protocols use these; each error names the field as the protocol writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from obverse.core.canon import digest_bytes
from obverse.core.errors import UntrustedInputError
from obverse.gateway.http.json_text import is_absent, shown, write
from obverse.gateway.http.records import Offer

_SPEAKER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONGEST_NAME = 256
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}")


def model_name(value: object) -> str | None:
    """The name that a model's server gives itself, if it is one: no text leaves in its place."""
    return value if isinstance(value, str) and _MODEL.fullmatch(value) else None


def wrong(where: str, what: str, *, hint: str | None = None) -> UntrustedInputError:
    """The error for a field that is not what the protocol says."""
    return UntrustedInputError(f"`{where}` {what}", code="G410", hint=hint)


def unguarded(where: str, what: str, *, hint: str | None = None) -> UntrustedInputError:
    """The error for what the guard cannot see, or cannot hold back."""
    return UntrustedInputError(f"`{where}` {what}", code="G411", hint=hint)


def text_at(value: object, where: str) -> str:
    """The text, which must be one."""
    if not isinstance(value, str):
        raise wrong(where, f"is no text: {shown(value)}")
    return value


def name_at(value: object, where: str) -> str:
    """A name or id: a short text that is not empty."""
    text = text_at(value, where)
    if not 0 < len(text) <= _LONGEST_NAME:
        raise wrong(where, f"has {len(text)} characters, not 1 to {_LONGEST_NAME}")
    return text


def objects_at(value: object, where: str) -> list[dict[str, Any]]:
    """The list of objects, which must be one."""
    if not isinstance(value, list):
        raise wrong(where, f"is no list: {shown(value)}")
    for place, item in enumerate(value):
        if not isinstance(item, dict):
            raise wrong(f"{where}[{place}]", f"is no object: {shown(item)}")
    return value


def flag_at(body: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false; absent is false."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(name, f"is neither true nor false: {shown(value)}")
    return bool(value)


def speaker_at(value: object, where: str) -> str:
    """The name of a participant; no text can hide in it."""
    if value is None:
        return ""
    if not isinstance(value, str) or not _SPEAKER.fullmatch(value):
        raise wrong(where, "is no name of a participant", hint="letters, digits, `_`, `.` and `-`, at most 64")
    return value


def only(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises unless every field that says something is one of these."""
    allowed = set(known)
    for name, value in given.items():
        if name not in allowed and not is_absent(value):
            raise unguarded(f"{where}.{name}" if where else name, "is nothing that the guard knows")


def options_of(
    body: Mapping[str, Any],
    passed: frozenset[str],
    refused: Mapping[str, str],
    read: frozenset[str],
    more: Sequence[str],
) -> dict[str, Any]:
    """The parameters that go on to the model; `refused` says why the others do not."""
    found = {}
    for name, value in body.items():
        if name in read:
            continue
        if name in refused:
            if not is_absent(value):
                raise unguarded(name, refused[name])
        elif name in passed or name in more:
            if value is not None:
                found[name] = value
        elif not is_absent(value):
            raise unguarded(
                name, "is no parameter that the gateway knows",
                hint=f'if it brings neither text nor tools, allow it: `parameters = ["{name}"]` below `[gateway]`',
            )  # fmt: skip
    return found


class Content:
    """Reads what a message holds: a text, or a list of parts. Parts that the guard cannot read are refused or noted."""

    def __init__(self, texts: Iterable[str], unseen: Sequence[str]) -> None:
        self._texts = frozenset(texts)
        self._allowed = frozenset(unseen)
        self.unseen: list[str] = []
        """The digests of the parts that were let through unread."""

    def read(self, value: object, where: str) -> str:
        """All that it says, as the guard sees it."""
        if isinstance(value, str):
            return value
        found = []
        for place, part in enumerate(objects_at(value, where)):
            found.append(self._part(part, f"{where}[{place}]"))
        return "\n".join(found)

    def _part(self, part: dict[str, Any], where: str) -> str:
        kind = str(part.get("type"))
        if kind in self._texts:
            field = "refusal" if kind == "refusal" else "text"
            only(part, ("type", field, "cache_control", "prompt_cache_breakpoint"), where)
            return text_at(part.get(field), f"{where}.{field}")
        if kind in self._allowed:
            name = f"{kind} {digest_bytes(write(part))}"
            self.unseen.append(name)
            return f"[{name}]"
        raise unguarded(
            where, f"is of type {shown(kind)}, which the guard cannot read",
            hint='`unseen = ["image_url"]` below `[gateway]` lets such parts through unread, on record',
        )  # fmt: skip


def offers_of(tools: object, where: str, *, nested: bool) -> tuple[Offer, ...]:
    """The function tools that a client offers; anything else would run, or be called, outside of the guard."""
    found: list[Offer] = []
    for place, tool in enumerate(objects_at([] if tools is None else tools, where)):
        at, kind = f"{where}[{place}]", tool.get("type")
        if kind != "function":
            raise unguarded(
                f"{at}.type", f"is {shown(kind)}: it would act without the guard",
                hint="offer functions; a tool that the provider runs cannot be held back",
            )  # fmt: skip
        inner = tool.get("function") if nested else tool
        if not isinstance(inner, dict):
            raise wrong(f"{at}.function", "is missing")
        only(tool, ("type", "function") if nested else ("type", "name", "description", "parameters", "strict"), at)
        if nested:
            only(inner, ("name", "description", "parameters", "strict"), f"{at}.function")
        found.append(Offer(name=name_at(inner.get("name"), f"{at}.name"), definition=tool))
    names = [offer.name for offer in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise wrong(where, f"offers two tools named {shown(twice)}")
    return tuple(found)
