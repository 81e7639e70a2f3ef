"""Recorded answers of writers and labellers: a file to which lines are added, so that an interrupted work loses nothing.

One JSON pair a line, `["digest of the question", "answer"]`, written out before anybody uses the answer. A last line that was
cut is dropped when the file is read; any other line that is no such pair is refused. Not a journal of a run: answers have no
order, and the same question has one answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import IO

from obverse.core.errors import MisuseError, UntrustedInputError


class Answers(MutableMapping[str, str]):
    """Question → answer, in memory and in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = dict(_read(path)) if path.exists() else {}
        self._file: IO[bytes] | None = None

    def __getitem__(self, key: str) -> str:
        return self._known[key]

    def __setitem__(self, key: str, value: str) -> None:
        if self._file is None:
            self._file = self._opened()
        self._file.write(json.dumps([key, value], ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self._file.flush()
        self._known[key] = value

    def __delitem__(self, key: str) -> None:
        raise MisuseError("a recorded answer is not taken back", code="I131")

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def close(self) -> None:
        """Everything is on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        """The file, its end after its last whole line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+b")
        file.seek(0)
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
        return file


def _read(path: Path) -> Iterator[tuple[str, str]]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # what stands after the last line break was cut
        try:
            pair = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(path, number) from error
        match pair:
            case [str() as key, str() as value]:
                yield key, value
            case _:
                raise _broken(path, number)


def _broken(path: Path, line: int) -> UntrustedInputError:
    return UntrustedInputError(
        f"`{path}` holds no recorded answers: line {line}",
        code="I132",
        source=str(path),
        hint="name another file with --answers",
    )
