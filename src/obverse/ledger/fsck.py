"""`fsck`: a second opinion on a log, that shares no line with the code that wrote it.

Straight from the specifications (RFC 6962, C2SP tlog-tiles, tlog-checkpoint, signed-note), with the standard library and an
Ed25519 from `cryptography`; it reads the whole log into memory and is in no hurry. Where it and `verify` differ, one of them is
wrong. It imports nothing of this room, which a test of the house holds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_FULL = 256


def fsck(folder: Path, keys: Sequence[str]) -> tuple[str, ...]:
    """Everything that is wrong with the log in this folder, a line each; nothing, if it holds.

    `keys` are verifier keys in text form; with none, signatures are not looked at.
    """
    try:
        return tuple(_faults(folder, keys))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        return (f"the log cannot be read: {error}",)


def _faults(folder: Path, keys: Sequence[str]) -> Iterator[str]:
    text, _, under = (folder / "checkpoint").read_text(encoding="utf-8", errors="strict").rpartition("\n\n")
    text += "\n"
    origin, size_line, root_line, end = text.split("\n")
    size, root = int(size_line), base64.b64decode(root_line, validate=True)
    if (
        end or not origin or str(size) != size_line or base64.b64encode(root).decode() != root_line or len(root) != 32
    ):  # SHA-256
        yield "the checkpoint is not in form"
    yield from _signature_faults(text, under, keys)
    entries = list(_entries(folder, size))
    yield from _tile_faults(folder, entries, size)
    if _root([hashlib.sha256(b"\0" + entry).digest() for entry in entries]) != root:
        yield "the entries do not have the root of the checkpoint"
    for start in range(0, size, _FULL):
        kept = _segment(folder, start // _FULL)
        for index, entry in enumerate(entries[start : start + _FULL], start):
            yield from _entry_faults(folder, index, entry, kept)
        for index, name in kept:
            if index < size or not any(path.read_bytes().strip(b"\0") for path in folder.glob("journal.*")):
                yield f"a payload `{name}` is kept for entry {index}, which commits to none"
    yield from _stray_files(folder, size)


def _signature_faults(text: str, under: str, keys: Sequence[str]) -> Iterator[str]:
    if not keys:
        return
    good = 0
    lines = under.split("\n")
    if lines.pop() != "":
        yield "the last signature does not end in a newline"
    for line in lines:
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash != "\u2014" or base64.b64encode(raw).decode() != encoded:
            yield "a line under the checkpoint is no signature"
        for key in keys:
            key_name, key_id, body = key.strip().split("+", 2)
            public = base64.b64decode(body)
            if key_name == name and bytes.fromhex(key_id) == raw[:4] and public[0] == 1:
                if not _is_right(public[1:], raw[4:], text.encode()):
                    yield f"the signature of {name} is wrong"
                else:
                    good += 1
    if not good:
        yield "no key that was named has signed the checkpoint"


def _is_right(public: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _entries(folder: Path, size: int) -> Iterator[bytes]:
    for start in range(0, size, _FULL):
        count = min(_FULL, size - start)
        data = _tile(folder, "entries", start // _FULL, count).read_bytes()
        for _ in range(count):
            length = data[0] * 256 + data[1]
            yield data[2 : 2 + length]
            if len(data) < 2 + length:
                raise ValueError("a bundle of entries is cut off")
            data = data[2 + length :]
        if data:
            raise ValueError("a bundle of entries has more than belongs into it")


def _tile(folder: Path, level: str, number: int, width: int) -> Path:
    digits = f"{number:0{3 * max(1, -(-len(str(number)) // 3))}}"
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join(f"x{group}" for group in groups[:-1]) + ("/" if len(groups) > 1 else "") + groups[-1]
    return folder / "tile" / level / (name if width == _FULL else f"{name}.p/{width}")


def _tile_faults(folder: Path, entries: Sequence[bytes], size: int) -> Iterator[str]:
    """Each level of tiles holds the roots of the full tiles below; the lowest, those of the entries."""
    row = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    level = 0
    while row:
        for start in range(0, len(row), _FULL):
            part = row[start : start + _FULL]
            path = _tile(folder, str(level), start // _FULL, len(part))
            if not path.is_file() or path.read_bytes() != b"".join(part):
                yield f"{path.relative_to(folder)} does not hold the hashes that belong there"
        row = [_root(row[start : start + _FULL]) for start in range(0, len(row) - _FULL + 1, _FULL)]
        level += 1
    del size


def _root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, as it is defined there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _segment(folder: Path, number: int) -> dict[tuple[int, str], tuple[bytes, bytes]]:
    """The salt and content of each payload in the segment of a bundle; taken out as entries claim them."""
    path = folder / "payload" / _tile(folder, "entries", number, _FULL).relative_to(folder / "tile" / "entries")
    found: dict[tuple[int, str], tuple[bytes, bytes]] = {}
    if not path.is_file():
        return found
    *lines, rest = path.read_bytes().split(b"\n")
    if rest:
        raise ValueError("a segment of payloads is cut off")
    for line in lines:
        fields = json.loads(line)
        key = (fields["entry"], fields["name"])
        if (
            json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != line
            or len(fields) != 4
        ):
            raise ValueError(f"a payload of entry {fields['entry']} is not in form")
        if key in found or key[0] // _FULL != number:
            raise ValueError(f"a payload of entry {fields['entry']} stands in a wrong place")
        found[key] = (_exact(fields["salt"]), _exact(fields["data"]))
    if list(found) != sorted(found):
        raise ValueError(f"the payloads of segment {number} are not in order")
    return found


def _exact(text: str) -> bytes:
    """What this base64 means, if there is no other text that means it too."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 that is not in its one form")
    return data


def _entry_faults(
    folder: Path, index: int, data: bytes, kept: dict[tuple[int, str], tuple[bytes, bytes]]
) -> Iterator[str]:
    entry = json.loads(data)
    if entry.get("schema") != "obverse.entry/1" or not isinstance(entry.get("type"), str):
        yield f"entry {index} is of no known form"
    if json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != data and data.isascii():
        yield f"entry {index} is not canonical"
    for name, commitment in (entry.get("payloads") or {}).items():
        digest = commitment.split(":")[1]
        parts = kept.pop((index, name), None)
        if parts is None:
            path = folder / "payload" / "large" / digest[:2] / f"{digest}.json"
            if not path.is_file():
                continue  # erased
            fields = json.loads(path.read_bytes())
            if (json.dumps(fields, sort_keys=True) + "\n").encode() != path.read_bytes() or len(fields) != 2:
                yield f"the payload `{name}` of entry {index} is not in form"
            parts = (_exact(fields["salt"]), _exact(fields["data"]))
        if hashlib.sha256(b"obverse.payload/1\0" + parts[0] + parts[1]).hexdigest() != digest:
            yield f"the payload `{name}` of entry {index} is another"


def _stray_files(folder: Path, size: int) -> Iterator[str]:
    """Full tiles beyond the end of the log: a tail that was dropped leaves them behind."""
    for root, _, files in os.walk(folder / "tile"):
        where = Path(root).relative_to(folder / "tile").parts
        if not where or any(part.endswith(".p") for part in where):
            continue
        level = 0 if where[0] == "entries" else int(where[0])
        for file in files:
            number = int("".join(part.removeprefix("x") for part in (*where[1:], file)))
            if (number + 1) * _FULL > size >> 8 * level:
                yield f"tile/{'/'.join(where)}/{file} lies beyond the end of the log"
