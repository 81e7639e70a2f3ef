"""What the front matter says: the name of the policy, its defaults, its levels, its time zone. Unknown keys are faults."""

from __future__ import annotations

import re
from typing import Any, Final

from obverse.policy import ast
from obverse.policy.document import Document, Entry
from obverse.policy.faults import Faults, did_you_mean, quoted

_DEFAULTS: Final = {
    "calls": ("deny-unknown-tools", "ask-unknown-tools", "allow-unknown-tools"),
    "arguments": ("deny-unknown", "allow-unknown"),
    "replies": ("allow", "deny"),
    "turn": ("whole", "allowed-part"),
}
_LEVELS: Final = ("platform", "developer", "user")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")


def front_fields(document: Document, faults: Faults) -> dict[str, Any]:
    """The fields of `Policy` that the front matter gives."""
    given = document.front
    known = ("policy", "version", "default", "levels", "timezone")
    for key, entry in given.items():
        if key not in known:
            hint = did_you_mean(key, known)
            faults.add(f"unknown key {quoted(key)} in the front matter", entry.at, code="P103", hint=hint)
    name = _scalar(given, "policy", "", faults)
    if not name and given:
        faults.add("the front matter names no policy", document.front_at, code="P104", hint="add `policy: NAME`")
    return {
        "name": name,
        "version": _scalar(given, "version", "1", faults),
        "default": _defaults(given.get("default"), faults),
        "levels": _levels(given.get("levels"), faults),
        "timezone": _timezone(given, faults),
    }


def zone_minutes(zone: str) -> int:
    """The minutes east of UTC of an offset such as `+09:30`, which is well-formed."""
    found = _ZONE.fullmatch(zone)
    if found is None:
        return 0
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def _scalar(given: dict[str, Entry], key: str, otherwise: str, faults: Faults) -> str:
    entry = given.get(key)
    if entry is None:
        return otherwise
    if not isinstance(entry.value, str) or not entry.value.strip():
        faults.add(f"{quoted(key)} is not a plain text", entry.at, code="P104")
        return otherwise
    return entry.value.strip()


def _defaults(entry: Entry | None, faults: Faults) -> ast.Defaults:
    if entry is None:
        return ast.Defaults()
    if not isinstance(entry.value, dict):
        faults.add("`default` is not a list of `key: value`", entry.at, code="P104", hint="such as `{replies: allow}`")
        return ast.Defaults()
    found: dict[str, Any] = {}
    for key, value in entry.value.items():
        if key not in _DEFAULTS:
            hint = did_you_mean(key, _DEFAULTS)
            faults.add(f"unknown key {quoted(key)} under `default`", value.at, code="P103", hint=hint)
        elif value.value not in _DEFAULTS[key]:
            hint = "one of " + ", ".join(f"`{option}`" for option in _DEFAULTS[key])
            faults.add(f"{quoted(str(value.value))} is no default for {quoted(key)}", value.at, code="P104", hint=hint)
        else:
            found[key] = value.value
    return ast.Defaults(**found)


def _levels(entry: Entry | None, faults: Faults) -> tuple[str, ...]:
    if entry is None:
        return _LEVELS
    if not isinstance(entry.value, tuple) or not entry.value or not all(entry.value):
        faults.add("`levels` is not a list of names", entry.at, code="P104", hint="highest first: `[platform, user]`")
        return _LEVELS
    if len(set(entry.value)) < len(entry.value):
        faults.add("`levels` names a level twice", entry.at, code="P104")
    return entry.value


def _timezone(given: dict[str, Entry], faults: Faults) -> str:
    zone = _scalar(given, "timezone", "+00:00", faults)
    found = _ZONE.fullmatch(zone)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        faults.add(
            f"{quoted(zone)} is no time zone", given["timezone"].at, code="P104", hint="write an offset, as `+09:30`"
        )
        return "+00:00"
    return zone
