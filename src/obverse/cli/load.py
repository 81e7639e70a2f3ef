"""Reading a policy from disk for every command that takes one; not a command itself."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from obverse.core.errors import MisuseError, UntrustedInputError
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.document import LARGEST
from obverse.policy.parse import parse
from obverse.policy.tools import LARGEST as LARGEST_TOOLS


def load(path: str | Path) -> Checked:
    """The checked policy that this file holds, with the files that it names beside it.

    Raises:
        ManyErrors: with every fault of the text.
        MisuseError: if it is a folder, or nothing that can be read as a file.
        OSError: if there is no such file, or it may not be read.
    """
    source = str(path)
    return check(parse(read_policy(path), source=source, files=beside(path)), source=source)


def read_policy(path: str | Path) -> bytes:
    """The bytes of a policy; a file that is too large is refused before it is read."""
    return _read(Path(path), LARGEST, "the policy")


def beside(path: str | Path) -> Callable[[str], bytes]:
    """A reader of the files that a policy names, relative to where it stands."""
    folder = Path(path).parent

    def read(name: str) -> bytes:
        if Path(name).is_absolute():
            raise UntrustedInputError(
                "a path from the root of the disk", code="P119", hint="name it from the policy's folder"
            )
        if not (folder / name).is_file():
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return _read(folder / name, LARGEST_TOOLS, "the file")

    return read


def read_file(path: str | Path, largest: int, what: str) -> bytes:
    """The bytes of a file that is refused before it is read if it is too large, or is no file."""
    return _read(Path(path), largest, what)


def _read(path: Path, largest: int, what: str) -> bytes:
    size = path.stat().st_size
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise MisuseError(f"`{path}` is {kind}", code="U004", hint=f"name {what} itself")
    if size > largest:
        raise UntrustedInputError(f"{what} is larger than {largest:,} bytes", code="P101", source=str(path))
    return path.read_bytes()
